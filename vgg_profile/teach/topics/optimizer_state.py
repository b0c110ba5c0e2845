"""What SGD, momentum and Adam keep for every weight."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core.counts import plain, product
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.setting import Setup
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.teach.forms import Grid, Section, Working
from vgg_profile.teach.topic import TESTS, minus, profile_of, row_of, step_of, topic, where


@topic(
    "optimizer-state",
    "what SGD, momentum and Adam keep for every weight",
    TESTS,
    "vgg-profile timeline D --optimizer adam",
    "vgg-profile timeline D --optimizer momentum",
    place=430,
    aliases=(
        "adam",
        "optimizer",
    ),
)
def optimizer_state() -> Iterator[Section]:
    """What each optimizer keeps, and takes in its step."""
    profile = profile_of()
    parameters = profile.totals.parameters
    tensors = sum(len(module.layer.parameter_shapes) for module in modules(profile.config))
    steps = {name: step_of(setup=Setup(optimizer=name)) for name in ("sgd", "momentum", "adam")}
    state = {name: step.moments[-1].categories[Category.OPTIMIZER] for name, step in steps.items()}
    counters = minus(plain(state["adam"]), product(2, parameters, profile.itemsize))
    yield Section(
        "Copies of the weights",
        (
            "Plain SGD subtracts the gradient and remembers nothing. Momentum remembers one running sum for "
            "every weight. Adam remembers two, a mean of gradients and a mean of their squares, and a step "
            f"count for each of the {tensors} weight and bias tensors:",
            Working("weights and biases", product(parameters, profile.itemsize), "bytes"),
            Working("their gradients", product(parameters, profile.itemsize), "bytes"),
            Working("momentum's sums", product(parameters, profile.itemsize), "bytes"),
            Working("Adam's two means", product(2, parameters, profile.itemsize), "bytes"),
            Working("Adam's step counts", counters, "bytes"),
            "Weights, gradients and Adam's means are four copies of the network, before the first image.",
            Grid(
                "A later step of D with one image (the first makes its state within the step)",
                ("optimizer", "state (bytes)", "live after the step", "peak", "where"),
                tuple(
                    (
                        name,
                        state[name],
                        step.fixed_points[Phase.STEP],
                        step.peak.peak,
                        where(step.peak.phase, step.peak.layer),
                    )
                    for name, step in steps.items()
                ),
            ),
            "Adam's peak with a small batch is in its own step: each update takes two temporaries of the "
            "size of the tensor that it updates, and fc6 is a tensor of "
            f"{row_of(profile, 'fc6').weights.value:,} weights.",
        ),
    )
