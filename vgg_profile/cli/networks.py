"""What a command line may name beside a VGG: a network in a Python file or package, or a traced one."""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vgg_profile.cli.hints import networks_typed
from vgg_profile.cli.program import lend_a_folder, undivided
from vgg_profile.cli.speech import say
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.network import TracedNetwork
from vgg_profile.core.setting import Setup, check_size
from vgg_profile.core.tree import Profile
from vgg_profile.predict.vgg.walk import walk

if TYPE_CHECKING:
    from vgg_profile.core.inputs import Input
    from vgg_profile.core.step import Step

_PYTHON = re.compile(r".+:[A-Za-z_]\w*")


def is_python(source: str) -> bool:
    """Whether a source names something in a Python file or package: ``my/net.py:UNet``."""
    return _PYTHON.fullmatch(source) is not None


def is_trace_file(source: str) -> bool:
    """Whether a source is a file that ``vgg-profile trace`` wrote."""
    if not source.endswith(".json"):
        return False
    from vgg_profile.predict.traced import is_trace

    return is_trace(Path(source))


class Asked(NamedTuple):
    """What a command line says of any network beside its name."""

    inputs: tuple[str, ...] = ()
    loss: str | None = None
    given: tuple[str, ...] = ()
    batch_dim: int = 0
    dtype: str = ""
    probe: bool = True
    is_about_setup: bool = False
    """Whether the command line says how the step is run; else a traced one is taken as it is."""

    @property
    def how(self) -> tuple[str, ...]:
        """What was typed to name a network in Python, beside its inputs."""
        loss = ("--loss", self.loss) if self.loss else ()
        given = tuple(word for each in self.given for word in ("--with", each))
        batch_dim = ("--batch-dim", str(self.batch_dim)) if self.batch_dim else ()
        dtype = ("--dtype", self.dtype) if self.dtype else ()
        return (*loss, *given, *batch_dim, *dtype, *(() if self.probe else ("--no-probe",)))

    def read_inputs(self) -> tuple[Input, ...]:
        """Its ``inputs``, read; raises ``InputError`` for what is none."""
        from vgg_profile.core.inputs import Input

        return tuple(Input.parse(each, self.batch_dim) for each in self.inputs)


def check_any(source: str, batch_norm: bool | None, classes: int | None) -> None:
    """Refuse what is said of a VGG alone about any other network: raises ``InputError``.

    It is said of a VGG that is named beside it, if there is one.
    """
    has_vgg = any(not is_python(each) and not is_trace_file(each) for each in networks_typed())
    if (batch_norm, classes) != (None, None) and not has_vgg:
        raise InputError(
            f"{excerpt(source)} is no VGG config: --batch-norm and --classes mean nothing to it.",
            "Leave them out, or give its constructor what it takes: --with NAME=VALUE.",
        )


def open_trace(source: str, asked: Asked, batch: int | None, device: str | None = None) -> Profile:
    """A traced network at a batch, its own if none is named.

    Raises ``InputError`` for a setting, or a ``device``, that was not traced.
    """
    from vgg_profile.core.step import as_traced
    from vgg_profile.predict.traced import load

    step = load(Path(source))
    network, setting = step.profile.config, step.setting
    assert isinstance(network, TracedNetwork)
    if asked.inputs:
        wanted = asked.read_inputs()
        if [each.shape for each in wanted] != [tuple(each["shape"]) for each in network.heading["inputs"]]:
            again = network.to_trace(setting, inputs=asked.inputs)
            raise InputError(f"{network.label} was traced with another input.", f"Trace it again: {again}.")
    if device is not None and device != setting.device:
        raise InputError(
            f"{network.label} was traced by the rules of {setting.device}, not of {device}.",
            f"Trace it again: {network.to_trace(setting, '--device', device)}.",
        )
    if asked.loss or asked.given or asked.batch_dim:
        raise InputError(
            f"{network.label} is traced already: --loss, --with and --batch-dim have nobody to go to.",
            f"Trace it again: {network.to_trace(setting, *asked.how)}.",
        )
    if asked.dtype not in ("", setting.dtype):
        raise InputError(
            f"{network.label} was traced in {setting.dtype}, not in {asked.dtype}.",
            f"Trace it again: {network.to_trace(setting, '--dtype', asked.dtype)}.",
        )
    at_batch = step if batch is None else step.at(batch)
    return as_traced(at_batch, None if asked.is_about_setup else lambda setup: at_batch)


def only_input(source: str, asked: Asked) -> str | None:
    """The image size of a VGG, which takes one; raises ``InputError`` for what only other networks have."""
    if asked.loss or asked.given or len(asked.inputs) > 1 or asked.batch_dim:
        raise InputError(
            f"{excerpt(source)} is a VGG: it takes one image, and its loss is cross entropy.",
            "Leave --loss, --with and --batch-dim out, and give one --input.",
        )
    return asked.inputs[0] if asked.inputs else None


def open_any(
    source: str,
    asked: Asked,
    setup: Setup,
    batch: int | None,
    device: str | None,
    *,
    batch_norm: bool | None,
    classes: int | None,
) -> Profile:
    """A network, whichever way it is named; without a batch or a device, its own or the usual one."""
    if batch is not None:
        check_size(batch, "batch", "--batch 1")
    if is_python(source) or is_trace_file(source):
        check_any(source, batch_norm, classes)
    if is_python(source):
        from vgg_profile.core.step import SEVERAL

        return open_python(source, asked, setup, SEVERAL if batch is None else batch, device or "cpu")
    if is_trace_file(source):
        return open_trace(source, asked, batch, device)
    return walk(
        source,
        input=only_input(source, asked),
        batch=1 if batch is None else batch,
        dtype=asked.dtype or "float32",
        device=device or "cpu",
        batch_norm=batch_norm,
        classes=classes,
    )


def _show_so_far(error: InputError) -> None:
    """The layers of a network up to where it could not go on; on stderr, for they are no result."""
    if isinstance(error.so_far, Profile) and len(error.so_far.rows) > 1:
        from vgg_profile.render import render

        for line in ("Up to where it stops:", "", *render(error.so_far, "table").splitlines(), ""):
            say(line)


def open_python(
    source: str, asked: Asked, setup: Setup, batch: int, device: str = "cpu", *, up_to: int = 0
) -> Profile:
    """A network of a Python file or package, traced for a device; raises ``InputError`` for what cannot be.

    One that is to be carried is traced at several batches, ``up_to`` one; else at others only when they are
    asked about.
    """
    from vgg_profile.core.step import as_traced

    lend_a_folder()
    with undivided():
        from vgg_profile.predict.fake.probe import PROBER
        from vgg_profile.predict.fake.trace import trace
        from vgg_profile.run.find import find
    if sys.stderr.isatty():
        PROBER.tell = say
    inputs = asked.read_inputs()
    with redirect_stdout(sys.stderr):  # a network that prints does not print into the result
        found = find(source, asked.given, inputs, asked.loss)

    def run(setup: Setup) -> Step:
        with redirect_stdout(sys.stderr):
            try:
                return trace(
                    found.network,
                    found.inputs,
                    loss=found.loss,
                    batch=batch,
                    dtype=asked.dtype or None,
                    device=device,
                    setup=setup,
                    probe=asked.probe,
                    every_batch=bool(up_to),
                    up_to=up_to,
                    name=source.rpartition(":")[2],
                    source=source,
                    how=asked.how,
                )
            except InputError as error:
                _show_so_far(error)
                raise

    step = run(setup)
    return as_traced(step, run, partial(found.built, batch, step.setting.dtype))
