"""Layers and tensors that a run uses and the model does not hold: PyTorch trains and saves none of them."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from vgg_profile.core import units
from vgg_profile.diagnose.draft import Defect, Kind
from vgg_profile.diagnose.run import Run
from vgg_profile.diagnose.trouble import shown


def unregistered(run: Run) -> Iterator[Defect]:
    """Layers in a plain list or dict, tensors that want a gradient, layers that ``forward`` makes."""
    hidden = run.subject.paths.hidden
    for (path, kind), modules in hidden.items():
        own = [module for module in modules if any(True for _ in module.parameters())]
        if own:
            yield _in_a_list(f"self.{shown(path)}", kind, len(own), run.subject.births.line(own[0]))
    parameters = {id(each) for each in run.subject.model.parameters()}
    for tensor, line in run.strangers.values():
        if id(tensor) not in parameters:
            yield _tensor(run.subject.model, tensor, line)
    registered = {id(each) for each in run.subject.model.modules()}
    registered |= {id(each) for of in hidden.values() for each in of}
    for call in run.calls:
        module, layer = call.module, call.layer
        if module is None or layer is None or layer.module != "forward" or id(module) in registered:
            continue
        if any(True for _ in module.parameters()):
            yield Defect(
                "forward",
                "forward",
                layer.line,
                Kind.HIDDEN,
                f"{layer} is no module of the model: parameters() passes over it",
                "a layer that __init__ makes and registers",
                f"make self.layer = nn.{layer} in __init__, and call it here",
            )


def _in_a_list(attribute: str, kind: str, number: int, line: int | None) -> Defect:
    fix = f"{attribute} = nn.Module{kind.title()}({attribute})"
    if kind not in ("list", "dict"):
        fix = f"make each inner list an nn.ModuleList, and {attribute} one of those"
    return Defect(
        attribute,
        attribute.removeprefix("self."),
        line,
        Kind.HIDDEN,
        f"a Python {kind} hides {units.plural(number, 'layer')} with weights from PyTorch: "
        "parameters(), .to() and state_dict() pass over them",
        "nn.ModuleDict" if kind == "dict" else "nn.ModuleList or nn.Sequential(*layers)",
        fix,
    )


def _tensor(model: nn.Module, tensor: Tensor, line: int | None) -> Defect:
    """A tensor that wants a gradient, and that the model does not hold as a parameter."""
    owners = (
        ".".join(filter(None, ("self", path, name)))
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if value is tensor
    )
    name = next(owners, "a tensor")
    return Defect(
        name,
        "forward",
        line,
        Kind.HIDDEN,
        f"{name}, {units.shape(tuple(tensor.shape))}, wants a gradient and is no parameter of the model: "
        "parameters(), .to() and state_dict() pass over it",
        "nn.Parameter, as an attribute or in an nn.ParameterList",
        f"{name} = nn.Parameter(…) in __init__",
    )
