"""Marks at every module of a network, in its forward and in its backward pass.

The hooks are PyTorch's global ones: a module itself is left alone, since some look at their own hooks and
take another way round (``nn.TransformerEncoderLayer`` in eval).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._pytree import tree_leaves

_CLAIMED = "vgg-profile: claimed"


class Recorder(Protocol):
    """Whoever wants to know when a part of the step begins.

    A mark that stands ``if_used`` begins a part only if something is allocated before the next mark: a
    module with modules of its own may do nothing between them.
    """

    def mark(self, phase: str, layer: str = "", *, if_used: bool = False) -> None: ...


class Parts:
    """Which part of a step we are in, by the marks: where a mark that stands ``if_used`` comes true.

    >>> parts = Parts()
    >>> parts.mark("forward", "fc"), parts.mark("forward", "net", True), parts.use(), parts.use()
    (True, False, True, False)
    >>> parts.current
    ('forward', 'net')
    """

    def __init__(self) -> None:
        self.current: tuple[str, str] | None = None
        self._waiting: tuple[str, str] | None = None

    def mark(self, phase: str, layer: str, if_used: bool = False) -> bool:
        """Take a mark; whether a part begins with it."""
        if if_used:
            self._waiting = (phase, layer)
            return False
        self.current, self._waiting = (phase, layer), None
        return True

    def use(self) -> bool:
        """Something is allocated; whether a part begins before it."""
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting == self.current:
            return False
        self.current = waiting
        return True


class Deaf:
    """A recorder for a step that nobody reads."""

    def mark(self, phase: str, layer: str = "", *, if_used: bool = False) -> None:
        pass


def in_backward() -> bool:
    """Whether the autograd engine runs on this thread."""
    return bool(torch._C._current_graph_task_id() != -1)


class _Marker:
    """What the hooks share: who is running, and in whose backward we are.

    A node of the graph is claimed once, by the innermost module whose output it made; one that a module is
    given, and no module made, by the module around. From a claimed node on, the backward pass is in that
    module. A module that hands its input on, like dropout in eval mode, claims nothing.
    """

    def __init__(self, model: nn.Module, names: dict[str, str], recorder: Recorder) -> None:
        self.recorder = recorder
        self.names = {module: names[path] for path, module in model.named_modules() if path in names}
        self.leaves = {module for module in self.names if not any(True for _ in module.children())}
        self.running: list[str] = []
        self.place = ""

    def enter_backward(self, name: str) -> None:
        self.place = name
        self.recorder.mark("backward", name)

    def claim(self, tensors: Any, name: str) -> None:
        for tensor in tree_leaves(tensors):
            node = tensor.grad_fn if isinstance(tensor, Tensor) else None
            if node is not None and _CLAIMED not in node.metadata:  # type: ignore[operator]
                node.metadata[_CLAIMED] = True  # type: ignore[index]
                if name:
                    node.register_prehook(self._entry(name))

    def _entry(self, name: str) -> Callable[[Any], None]:
        return lambda gradients: self.enter_backward(name)

    def before(self, module: nn.Module, args: Any) -> None:
        name = self.names.get(module)
        if name is None:
            return
        self.claim(args, self.running[-1] if self.running else "")
        is_leaf = module in self.leaves
        self.recorder.mark("recompute" if in_backward() else "forward", name, if_used=not is_leaf)
        self.running.append(name)

    def after(self, module: nn.Module, args: Any, output: Any) -> None:
        """``output`` is ``None`` after an exception; checkpointing ends a part that it runs again by one."""
        name = self.names.get(module)
        if name is None:
            return
        self.running.pop()
        if output is None and sys.exception() is not None and not in_backward():
            return  # it ends here: whoever is told of it is told where
        self.claim(output, name)
        if self.running:
            phase = "recompute" if in_backward() else "forward"
            self.recorder.mark(phase, self.running[-1], if_used=True)
        elif in_backward() and not isinstance(sys.exception(), (RuntimeError, MemoryError)):
            self.recorder.mark("backward", self.place, if_used=output is not None)


@contextmanager
def marked_modules(model: nn.Module, names: dict[str, str], recorder: Recorder) -> Iterator[None]:
    """While this lasts, the modules at the paths in ``names`` mark where their forward and backward begin.

    ``names`` maps module paths to the names of the marks. What a checkpoint runs again in the backward
    pass is marked as "recompute".
    """
    marker = _Marker(model, names, recorder)
    handles = (
        register_module_forward_pre_hook(marker.before),
        register_module_forward_hook(marker.after, always_call=True),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def every_module(model: nn.Module) -> dict[str, str]:
    """The names of all modules by their paths: the path itself, and the class for the whole."""
    return {path: path or type(model).__name__ for path, _ in model.named_modules()}


def layers_among(model: nn.Module, names: dict[str, str]) -> dict[str, str]:
    """Those ``names`` whose modules hold no others: what is counted in a layer is counted once."""
    modules = dict(model.named_modules())
    return {path: name for path, name in names.items() if not any(True for _ in modules[path].children())}
