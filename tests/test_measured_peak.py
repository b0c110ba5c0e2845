"""Where the measured peak is not the predicted one, it is told and drawn; where it is, one mark stands."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from vgg_profile.check.crosscheck import overlay
from vgg_profile.check.results import Overlay
from vgg_profile.core.figures import Figure
from vgg_profile.describe.figures import depict
from vgg_profile.describe.tables import describe
from vgg_profile.measure.reading import load
from vgg_profile.predict.vgg.configs import from_dict

RECORDS = sorted((Path(__file__).parents[1] / "reports" / "measured").glob("*.json"))


def laid(path: Path, more: int = 0, part: str = "") -> Overlay:
    record = load(path)
    timeline = [
        moment._replace(peak=moment.peak + more)
        if moment.layer == part and moment.phase == "forward"
        else moment
        for moment in record.timeline
    ]
    record = dataclasses.replace(record, timeline=tuple(timeline))
    return overlay(from_dict(record.subject["config"]), record)


def marks(figure: Figure) -> list[str]:
    return [point.text for point in figure.panels[0].points]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_the_measured_peak_of_every_record_is_told_and_drawn_where_it_differs(path: Path) -> None:
    curve = laid(path)
    read = next(r.value for r in load(path).readings if r.quantity == "peak_bytes")
    assert curve.highest is not None
    assert curve.highest.measured_peak == read
    differs = read != curve.step.peak.peak
    said = " ".join(describe(curve).footer)
    assert f"Measured peak: {read:,} bytes" in said
    assert ("as predicted" in said.partition("Measured peak")[2]) == (not differs)
    for name, own in (("timeline", 1), ("check", 0)):
        drawn = marks(depict(curve, name))
        assert len(drawn) == own + differs, drawn
        assert any("measured peak" in text for text in drawn) == differs


def test_a_peak_elsewhere_is_marked_in_the_middle_of_its_own_part() -> None:
    path = next(path for path in RECORDS if path.stem == "D-cpu")
    curve = laid(path, 2**30, "conv1_1")
    assert curve.highest is not None
    assert (curve.highest.phase, curve.highest.layer) == ("forward", "conv1_1")
    predicted, measured = depict(curve, "timeline").panels[0].points
    assert measured.y == curve.highest.measured_peak
    assert measured.x == curve.boundaries.index(curve.highest) + 0.5
    assert measured.x < predicted.x
    assert "bytes more" in " ".join(describe(curve).footer)
