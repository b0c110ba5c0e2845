"""The options that commands share, each bundle handed over as one object: a network, a setup."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, cast

import click
from click.core import ParameterSource

from vgg_profile.cli.completion import network, networks
from vgg_profile.cli.networks import Asked, is_trace_file, open_any
from vgg_profile.cli.output import Command, together
from vgg_profile.cli.program import undivided
from vgg_profile.cli.spelling import Whole, Word, one_word
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import AMP_ITEMSIZE, CHECKPOINTS, DEVICES, MODES, OPTIMIZERS, PROCESSORS, Setup
from vgg_profile.core.sizes import ITEMSIZE
from vgg_profile.core.tree import Profile

if TYPE_CHECKING:
    from vgg_profile.predict.vgg.passing import Probe

_config = click.argument(
    "config_", metavar="NET", nargs=-1, required=True, callback=one_word, shell_complete=network
)
_configs = click.argument("configs", metavar="NET…", nargs=-1, required=True, shell_complete=networks)

_network = (
    click.option("--batch-norm/--no-batch-norm", default=None, help="A batch norm after each convolution."),
    click.option("--classes", type=Whole(), metavar="N", help="Classes (default: the config's)."),
)

input_option = click.option(
    "--input", "input_", metavar="SIZE", help="Image size: 224, 192x256 or 3x192x256.  [default: 224]"
)

inputs_option = click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="SIZE",
    help="Image size: 224, 192x256 or 3x192x256 (default 224); for any network: 128:int64<50257.",
)

_of_any_network = (
    click.option(
        "--loss",
        metavar="FILE.py:NAME",
        help="The loss of a network in Python (default: cross entropy of classes, its own, or a mean).",
    ),
    click.option(
        "--with",
        "given",
        multiple=True,
        metavar="NAME=VALUE",
        help="What a network in Python is built with, such as layers=4; may be repeated.",
    ),
    click.option(
        "--batch-dim",
        type=click.IntRange(0, 64),
        default=0,
        show_default=True,
        metavar="N",
        help="Which axis of its inputs is the batch, from 0.",
    ),
    click.option(
        "--probe/--no-probe",
        default=True,
        help="Run an operation here, alone, where no rule knows its memory (default: not for a VGG).",
    ),
)
dtype_option = click.option(
    "--dtype",
    type=Word(list(ITEMSIZE)),
    default="float32",
    show_default=True,
    help="Of weights, images and activations.",
)

_setting = (
    inputs_option,
    click.option(
        "--batch", type=Whole(), default=1, show_default=True, metavar="N", help="Images at a time."
    ),
    dtype_option,
)

_of_one = (inputs_option, dtype_option, *_network)

rules_option = click.option(
    "--device",
    type=Word(DEVICES),
    default="cpu",
    show_default=True,
    help="By whose rules to predict: a CPU's or a card's.",
)
_optimizer = click.option(
    "--optimizer",
    type=Word(OPTIMIZERS),
    default="none",
    show_default=True,
    help="What steps, with its state; momentum is SGD with momentum.",
)

freeze_option = click.option(
    "--freeze",
    multiple=True,
    metavar="PATH",
    help="Do not train what has this module path, such as features; may be repeated.",
)

_conditions = (
    click.option(
        "--mode",
        type=Word(MODES),
        default="train",
        show_default=True,
        help="eval: norms and dropout as at test time; inference: without gradients, too.",
    ),
    click.option(
        "--foreach/--no-foreach",
        default=None,
        help="Step all parameters at once (default: as PyTorch, on CUDA only).",
    ),
    click.option("--fused", is_flag=True, help="Step in one kernel, which takes no memory beside the state."),
    click.option("--first-step", is_flag=True, help="The step in which the optimizer makes its state."),
    click.option(
        "--amp",
        type=Word(tuple(AMP_ITEMSIZE)),
        default="none",
        show_default=True,
        help="Mixed precision by torch.autocast: float32 weights, activations lowered.",
    ),
    click.option(
        "--checkpoint",
        type=Word(CHECKPOINTS),
        default="none",
        show_default=True,
        help="Keep each conv block's input alone; run the block again in the backward pass.",
    ),
    click.option(
        "--accumulate",
        type=Whole(),
        default=1,
        show_default=True,
        metavar="K",
        help="Micro-batches a step, whose gradients are added up; the figures are of the last.",
    ),
    click.option(
        "--onednn/--no-onednn", default=True, help="Whether oneDNN convolves on the CPU.", show_default=True
    ),
    freeze_option,
    click.option(
        "--processor",
        type=Word(PROCESSORS),
        help="The CPU's family: with it, the temporary memory of its kernels is counted, too.",
    ),
    click.option(
        "--threads",
        type=Whole(),
        metavar="N",
        help="How many threads compute on the CPU.  [default: 1; of `fit`, as many as were last seen here]",
    ),
)


def takes_conditions(command: Command) -> Command:
    """How a training step is run, but for its optimizer, handed to the command as ``setup``."""
    names = [each.name for each in fields(Setup) if each.name != "optimizer"]

    @wraps(command)
    def with_conditions(**given: Any) -> Any:
        return command(setup=Setup(**{name: given.pop(name) for name in names}), **given)

    return together(*_conditions)(cast(Command, with_conditions))


def takes_setup(command: Command) -> Command:
    """How a training step is run, handed to the command as ``setup``."""

    @wraps(command)
    def with_optimizer(setup: Setup, optimizer: str, **rest: Any) -> Any:
        return command(setup=replace(setup, optimizer=optimizer), **rest)

    return _optimizer(takes_conditions(cast(Command, with_optimizer)))


def takes_named_network(command: Command) -> Command:
    """NET and what names one, its inputs and dtype apart: ``source`` and ``asked``."""

    @wraps(command)
    def with_source(config_: str, dtype: str, **rest: Any) -> Any:
        asked = asked_among(rest := {**rest, "dtype": dtype})
        return command(source=config_, asked=asked, dtype=dtype, **rest)

    return together(_config, *_network, *_of_any_network)(cast(Command, with_source))


def names_network(command: Command) -> Command:
    """``--batch-norm`` and ``--classes`` alone, for a command that names its config otherwise."""
    return together(*_network)(command)


def takes_network(command: Command) -> Command:
    """NET and its setting, handed to the command as ``walk_on``: a device's rules to a profile."""

    @wraps(command)
    def with_network(config_: str, walk_one: Callable[..., Profile], **rest: Any) -> Any:
        return command(walk_on=partial(walk_one, config_), **rest)

    return _config(takes_walk(cast(Command, with_network)))


def takes_networks(command: Command) -> Command:
    """Several NET and one setting, handed to the command as ``configs`` and ``walk_one``.

    ``walk_one(source, device)`` walks any network at that setting, by the device's rules.
    """
    return _configs(takes_walk(command))


def takes_walk(command: Command) -> Command:
    """The options of a network and its setting, handed to the command as ``walk_one``."""

    @wraps(command)
    def with_walk(
        batch_norm: bool | None,
        classes: int | None,
        batch: int,
        **rest: Any,
    ) -> Any:
        asked, setup = asked_among(rest), setup_among(rest)

        def walk_one(source: str, device: str) -> Profile:
            is_own = not is_trace_file(source)  # a traced one has its own batch and device
            return open_any(
                source,
                asked,
                setup,
                batch if is_own or was_given("batch") else None,
                device if is_own or was_given("device") else None,
                batch_norm=batch_norm,
                classes=classes,
            )

        return command(walk_one=walk_one, **rest)

    return together(*_setting, *_network, *_of_any_network)(cast(Command, with_walk))


def takes_any_network(command: Command) -> Command:
    """NET and what may be said of one, handed to the command as ``source`` and ``asked``."""

    @wraps(command)
    def with_source(config_: str, **rest: Any) -> Any:
        return command(source=config_, asked=asked_among(rest), **rest)

    return together(_config, *_of_one, *_of_any_network)(cast(Command, with_source))


def takes_any_networks(command: Command) -> Command:
    """The same of several NET, handed to the command as ``sources`` and ``asked``."""

    @wraps(command)
    def with_sources(configs: tuple[str, ...], **rest: Any) -> Any:
        return command(sources=configs, asked=asked_among(rest), **rest)

    return together(_configs, *_of_one, *_of_any_network)(cast(Command, with_sources))


def was_given(option: str) -> bool:
    """Whether an option was typed."""
    return click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE


def probe_if_asked(setup: Setup) -> tuple[Setup, Probe | None]:
    """With ``--probe``, whoever runs an operation alone here, and the setup on this machine; else nobody."""
    if not (was_given("probe") and click.get_current_context().params["probe"]):
        return setup, None
    with undivided():
        from vgg_profile.predict.fake.probing import OnThisMachine
    probe = OnThisMachine()
    here = probe.processor()
    if setup.processor not in (None, here):
        raise InputError(
            f"A probe runs here, and this processor is {here or 'unknown'}, not {setup.processor}.",
            "Leave --processor out, or leave --probe out.",
        )
    return replace(setup, processor=here, threads=setup.threads or probe.threads()), probe


def asked_among(options: dict[str, Any]) -> Asked:
    """Take what is said of any network out of a command's options."""
    dtype = options.pop("dtype")
    return Asked(
        **{name: options.pop(name) for name in ("inputs", "loss", "given", "batch_dim", "probe")},
        dtype=dtype if was_given("dtype") else "",
        is_about_setup=any(was_given(each.name) for each in fields(Setup)),
    )


def setup_among(options: dict[str, Any]) -> Setup:
    """The setup of a step among a command's options, of which some take none."""
    return Setup(**{each.name: options[each.name] for each in fields(Setup) if each.name in options})
