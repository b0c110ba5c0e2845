"""What means nothing to a network in Python, or to a traced one, is refused and not passed over."""

from __future__ import annotations

from pathlib import Path

from any_nets import answer, run

from vgg_profile.predict.steps import OTHER_KERNELS

NET = ("--input", "3x16x16", "--no-probe")


def test_what_is_a_vggs_alone_is_refused_and_not_passed_over(nets: Path, traced_net: Path) -> None:
    for source, more in ((f"{nets}:Net", NET), (traced_net, ())):
        for options in (("--batch-norm",), ("--classes", "5")):
            for command in (("table",), ("fit", "--memory", "1GiB")):
                said = run(*command, source, *more, *options)
                assert said.exit_code == 2
                assert "is no VGG config" in said.stderr
        blocks = run("timeline", source, *more, "--checkpoint", "blocks")
        assert blocks.exit_code == 2
        assert "--checkpoint knows the blocks of a VGG" in blocks.stderr
    beside = run("compare", "8,M", f"{nets}:Net", *NET, "--classes", "5")
    assert beside.exit_code == 0, "it is said of the VGG"


def test_how_a_trace_was_built_cannot_be_said_again(traced_net: Path) -> None:
    for options in (("--with", "width=3"), ("--loss", "a.py:b"), ("--batch-dim", "1")):
        said = run("timeline", traced_net, *options).stderr
        assert "have nobody to go to" in said
        assert " ".join(options) in said


def test_a_processor_that_is_named_says_nothing_of_the_machine_that_traced(nets: Path) -> None:
    words = ("timeline", f"{nets}:Net", *NET, "--batch", 2)
    plain, named = answer(*words), answer(*words, "--processor", "avx2", "--threads", 7)
    assert plain["peak_bytes"] == named["peak_bytes"]
    assert set(named["doubts"]) - set(plain["doubts"]) == {OTHER_KERNELS}
