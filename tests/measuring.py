"""Small networks, measured and checked."""

from __future__ import annotations

from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Checks, Verdict
from vgg_profile.check.subject import profile_for
from vgg_profile.core.setting import Setup
from vgg_profile.measure import measure
from vgg_profile.measure.processor import processor
from vgg_profile.predict.vgg.configs import Config, from_dict

SMALL = from_dict(
    {"name": "small", "layers": [8, "M", 4, "conv1-4", "M"], "classifier": [16, 8], "classes": 5}
)


NORMALISED = from_dict({"name": "lrn", "layers": [8, "LRN", "M", 4, "M"], "classifier": [16], "classes": 5})
STEPS = [
    ("train", "none"),
    ("train", "sgd"),
    ("train", "momentum"),
    ("train", "adam"),
    ("train", "adamw"),
    ("eval", "none"),
    ("inference", "none"),
]


def check(net: Config, **setting: object) -> Checks:
    choices = {key: setting.pop(key) for key in Setup.__dataclass_fields__ if key in setting}
    setting = {"input": (3, 20, 33), "batch": 2, "repeats": 0} | setting
    measurement = measure(net, setup=Setup(**choices), **setting)  # type: ignore[arg-type]
    return crosscheck(profile_for(net, measurement), measurement)


def failures(checks: Checks) -> list[str]:
    return [f"{c.quantity} {c.layer}".strip() for c in checks.checks if c.verdict is not Verdict.PASS]


def assert_exact(checks: Checks) -> None:
    """All is exact; where no rule knows oneDNN's kernels, the most within them is no PASS, nor the peak."""
    setting = checks.measurement.setting
    dtypes = {setting.dtype, setting.setup.amp}
    is_without_rule = {"amx": "bfloat16", None: "float16"}.get(processor()) in dtypes
    if not (is_without_rule and checks.count(Verdict.SKIP)):
        assert failures(checks) == []
        return
    assert checks.count(Verdict.FAIL) == 0
    skipped = {c.quantity for c in checks.checks if c.verdict is Verdict.SKIP}
    assert skipped <= {"peak_bytes_forward", "peak_bytes_backward", "peak_bytes_recompute", "peak"}
