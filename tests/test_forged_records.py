"""Records that lie: whoever forges one signs it anew, and still it is refused, or fails its check."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_profile.check.crosscheck import crosscheck, overlay
from vgg_profile.check.subject import check_setting, profile_for
from vgg_profile.core.errors import InputError
from vgg_profile.core.parsing import parse_json, parse_toml
from vgg_profile.core.signed import sign
from vgg_profile.measure import record
from vgg_profile.measure.reading import load
from vgg_profile.measure.vocabulary import ENVIRONMENT, NEVER_JUDGED
from vgg_profile.predict.vgg.configs import config, from_dict

REPORTS = Path(__file__).parent.parent / "reports" / "measured"
NAMES = ("A-cpu", "A-cuda", "D-checkpoint-cpu")

Place = tuple[str | int, ...]

repeatable = settings(derandomize=True, database=None, deadline=None, max_examples=60)
few = settings(repeatable, max_examples=8)


@cache
def text(name: str) -> str:
    return (REPORTS / f"{name}.json").read_text(encoding="utf-8")


def fresh(name: str) -> dict[str, Any]:
    return dict(json.loads(text(name)))


def signed(content: dict[str, Any]) -> str:
    return json.dumps(sign(content))


def verdict(forged: str, name: str, folder: Path) -> str:
    """What comes of a forged record: REFUSED, or the verdict of its check against the true network."""
    path = folder / "forged.json"
    path.write_text(forged, encoding="utf-8")
    try:
        measurement = load(path)
        net = from_dict(fresh(name)["subject"]["config"])
        checks = crosscheck(profile_for(net, measurement), measurement).verdict
    except InputError:
        return "REFUSED"
    return checks.value


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("forged")


@pytest.mark.parametrize("name", NAMES)
def test_what_nobody_forged_passes(name: str, folder: Path) -> None:
    assert verdict(signed(fresh(name)), name, folder) == "PASS"


# -- every figure and every word


def leaves(content: Any, place: Place = ()) -> Iterator[Place]:
    """The places of everything that is no object and no list of objects."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from leaves(value, (*place, key))
    elif isinstance(content, list) and content and isinstance(content[0], dict):
        for number, value in enumerate(content):
            yield from leaves(value, (*place, number))
    else:
        yield place


def at(content: Any, place: Place) -> Any:
    for key in place:
        content = content[key]
    return content


def is_judged(content: dict[str, Any], place: Place, may_take: frozenset[int]) -> bool:
    """Whether a check holds what stands at a place against the prediction, or against the one form it has.

    What is left is said in docs/claims.md: times, which are reported and not judged; what an allocator keeps
    beside the tensors, and scratch where a library may take some; which operation was running; on what it was
    measured, but for its form.
    """
    match place:
        case ("environment", _) | ("sha256",) | ("skipped", _):
            return False
        case ("readings", int(number), "value"):
            reading = content["readings"][number]
            return reading["unit"] not in NEVER_JUDGED and reading["quantity"] not in (
                "lasting_workspace_bytes",
                "allocator_rounding_bytes",
            )
        case ("timeline", int(number), "peak"):
            return number not in may_take
        case ("timeline", _, "op"):
            return False
    return True


@cache
def forgeable(name: str) -> tuple[Place, ...]:
    content, path = fresh(name), REPORTS / f"{name}.json"
    curve = overlay(from_dict(content["subject"]["config"]), load(path))
    may_take = frozenset(number for number, each in enumerate(curve.boundaries) if each.library)
    return tuple(place for place in leaves(content) if is_judged(content, place, may_take))


def other(value: Any) -> st.SearchStrategy[Any]:
    """Values of the same kind, and of others."""
    same: dict[type, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: st.integers(0, 2**62) | st.integers(-3, 3).map(lambda step: value + step),
        float: st.floats(0, 1e15),
        str: st.text(max_size=20)
        | st.sampled_from(["", "cpu", "cuda", "adam", "eval", "conv1_1", "step", "none"]),
        list: st.lists(st.integers(0, 5000) | st.sampled_from(["M", "LRN"]), max_size=24),
    }
    anything = st.none() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({})
    return (same[type(value)] | anything).filter(lambda each: (type(each), each) != (type(value), value))


@repeatable
@given(data=st.data())
@pytest.mark.parametrize("name", NAMES)
def test_no_figure_and_no_word_can_be_another(name: str, data: st.DataObject, folder: Path) -> None:
    content = fresh(name)
    place = data.draw(st.sampled_from(forgeable(name)))
    at(content, place[:-1])[place[-1]] = data.draw(other(at(content, place)))
    assert verdict(signed(content), name, folder) != "PASS", place


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("word", ["foreach", "fused", "first_step"])
def test_without_an_optimizer_no_word_says_how_it_steps(name: str, word: str, folder: Path) -> None:
    content = fresh(name)
    content["subject"][word] = not content["subject"].get(word, False)
    assert verdict(signed(content), name, folder) == "REFUSED"


@pytest.mark.parametrize("word", ["foreach", "first_step"])
def test_how_none_steps_is_no_other_setting(word: str) -> None:
    measurement, with_adam = (load(REPORTS / f"{name}.json") for name in ("D-cpu", "D-adam-cpu"))
    check_setting(measurement, {word: True})
    with pytest.raises(InputError, match=f"another {word}: False, and True"):
        check_setting(with_adam, {word: True})
    with pytest.raises(InputError, match="another optimizer"):
        check_setting(measurement, {word: True, "optimizer": "adam"})


# -- parts and readings: none missing, none twice, none out of order


def drop(parts: list[Any], first: int, second: int) -> None:
    del parts[first]


def repeat(parts: list[Any], first: int, second: int) -> None:
    parts.insert(second, copy.deepcopy(parts[first]))


def swap(parts: list[Any], first: int, second: int) -> None:
    parts[first], parts[second] = parts[second], parts[first]


def rename(parts: list[Any], first: int, second: int) -> None:
    parts[first]["layer"] = "ghost"


def of_another_layer(parts: list[Any], first: int, second: int) -> None:
    parts.append({**copy.deepcopy(parts[first]), "layer": "conv9_9"})


def of_another_name(parts: list[Any], first: int, second: int) -> None:
    parts.append({**copy.deepcopy(parts[first]), "quantity": "luck"})


@few
@given(data=st.data())
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("key", "forge"),
    [
        *(("timeline", each) for each in (drop, repeat, swap, rename)),
        *(("readings", each) for each in (drop, repeat, rename, of_another_layer, of_another_name)),
    ],
)
def test_no_part_is_missing_twice_or_elsewhere(
    name: str, key: str, forge: Callable[[list[Any], int, int], None], data: st.DataObject, folder: Path
) -> None:
    content = fresh(name)
    parts = content[key]
    places = st.integers(0, len(parts) - 1)
    first, second = data.draw(st.tuples(places, places).filter(lambda both: both[0] != both[1]))
    forge(parts, first, second)
    assert verdict(signed(content), name, folder) != "PASS"


@pytest.mark.parametrize("name", NAMES)
def test_a_step_told_backwards_is_another(name: str, folder: Path) -> None:
    content = fresh(name)
    content["timeline"].reverse()
    assert verdict(signed(content), name, folder) != "PASS"


@pytest.mark.parametrize("name", NAMES)
def test_the_load_has_no_peak_of_its_own(name: str, folder: Path) -> None:
    content = fresh(name)
    content["timeline"][0]["peak"] += 2**30
    assert verdict(signed(content), name, folder) == "FAIL"


# -- times: reported, not judged, but all there or said to be skipped


@few
@given(data=st.data())
@pytest.mark.parametrize("name", NAMES)
def test_times_are_missing_only_if_they_are_said_to_be(name: str, data: st.DataObject, folder: Path) -> None:
    content = fresh(name)
    timed = [each for each in content["readings"] if each["unit"] in NEVER_JUDGED]
    gone = data.draw(st.lists(st.sampled_from(timed), min_size=1, unique_by=lambda each: str(each)))
    content["readings"] = [each for each in content["readings"] if each not in gone]
    assert verdict(signed(content), name, folder) == "REFUSED"
    content["readings"] = [each for each in content["readings"] if each not in timed]
    content["skipped"] = {"time": "repeats is 0"}
    assert verdict(signed(content), name, folder) == "PASS"


def test_a_layer_takes_no_longer_than_its_phase(folder: Path) -> None:
    content = fresh("A-cpu")
    for reading in content["readings"]:
        if (reading["quantity"], reading["layer"]) == ("forward_time", ""):
            reading["value"] /= 1000
    assert verdict(signed(content), "A-cpu", folder) == "REFUSED"


# -- on what it was measured, and what was skipped


@few
@given(key=st.text(max_size=20), value=st.text(max_size=20), gone=st.sampled_from(sorted(ENVIRONMENT)))
def test_the_environment_has_its_keys_and_no_others(key: str, value: str, gone: str, folder: Path) -> None:
    content = fresh("A-cpu")
    more, less = ({**content, "environment": dict(content["environment"])} for _ in range(2))
    more["environment"].setdefault(key, value)
    assert (verdict(signed(more), "A-cpu", folder) == "REFUSED") == (key not in ENVIRONMENT)
    del less["environment"][gone]
    assert verdict(signed(less), "A-cpu", folder) == "REFUSED"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(
            (key, value)
            for key in ("torch", "python", "vgg_profile", "fvcore")
            for value in ("", "newest", "v2")
        ),
        *(("threads", value) for value in ("0", "-1", "two", "", "1.5")),
        *(("onednn", value) for value in ("true", "yes", "")),
        *(("cuda", value) for value in ("", "none", "twelve")),
        *(("platform", value) for value in ("", "Linux", "a b c")),
        ("cpu_capability", "fast"),
        ("command", "rm -rf /"),
    ],
)
def test_an_environment_of_another_form_is_invented(key: str, value: str, folder: Path) -> None:
    content = fresh("A-cpu")
    content["environment"][key] = value
    assert verdict(signed(content), "A-cpu", folder) == "REFUSED"


@repeatable
@given(name=st.text(max_size=20) | st.sampled_from(["parameters", "forward_flops", "peak_bytes", "time"]))
def test_what_was_read_was_not_skipped(name: str, folder: Path) -> None:
    content = fresh("A-cpu")
    content["skipped"] = {name: "out of luck"}
    forged = verdict(signed(content), "A-cpu", folder)
    assert forged == ("PASS" if name in ("everything else", "checkpointed_flops") else "REFUSED"), name


# -- a key twice


def objects(content: Any, place: Place = ()) -> Iterator[Place]:
    if isinstance(content, dict):
        yield place
        for key, value in content.items():
            yield from objects(value, (*place, key))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from objects(value, (*place, number))


def written(content: Any, twice: Place, key: str, lie: Any, place: Place = ()) -> str:
    """As JSON, in which one object has a key twice: the lie first, and then what a parser keeps."""
    if isinstance(content, dict):
        pairs = [
            f"{json.dumps(each)}: {written(value, twice, key, lie, (*place, each))}"
            for each, value in content.items()
        ]
        return "{" + ", ".join([f"{json.dumps(key)}: {json.dumps(lie)}"] * (place == twice) + pairs) + "}"
    if isinstance(content, list):
        inner = (written(each, twice, key, lie, (*place, n)) for n, each in enumerate(content))
        return "[" + ", ".join(inner) + "]"
    return json.dumps(content)


@few
@given(data=st.data())
@pytest.mark.parametrize("name", NAMES)
def test_no_object_of_a_record_has_a_key_twice(name: str, data: st.DataObject, folder: Path) -> None:
    content = fresh(name)
    place = data.draw(st.sampled_from([each for each in objects(content) if at(content, each)]))
    key = data.draw(st.sampled_from(sorted(at(content, place))))
    forged = written(content, place, key, data.draw(st.none() | st.integers() | st.text()))
    assert json.loads(forged) == content, "a lenient parser sees no lie"
    assert verdict(forged, name, folder) == "REFUSED"


@pytest.mark.parametrize("suffix", ["json", "toml"])
def test_no_config_file_has_a_key_twice(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"twice.{suffix}"
    path.write_text(
        '{"layers": [8], "classes": 2, "classes": 3}'
        if suffix == "json"
        else "layers = [8]\nclasses = 2\nclasses = 3\n"
    )
    with pytest.raises(InputError, match=r"classes|overwrite"):
        config(path)


@pytest.mark.parametrize("parse", [parse_json, parse_toml])
def test_a_text_nested_without_end_is_refused(parse: Callable[[str], Any]) -> None:
    for many in (10**3, 10**5):
        deep = "[" * many + "]" * many
        with pytest.raises(ValueError, match="nested too deeply"):
            parse(f"a = {deep}" if parse is parse_toml else f'{{"a": {deep}}}')


def test_nobody_else_reads_json_or_toml() -> None:
    """A second door would have its own rule for keys that stand there twice.

    ``run/find.py`` reads what the user types after ``--with``, as Python writes it.
    """
    package = Path(record.__file__).parents[1]
    doors = ("json.load", "tomllib.load", "literal_eval")
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if any(door in line.partition("#")[0] for door in doors)
    }
    assert found == {"core/parsing.py", "run/find.py"}


def test_a_large_record_is_held_against_its_form_before_it_fills_the_memory(folder: Path) -> None:
    import tracemalloc

    path = folder / "large.json"
    path.write_text('{"kind": "vgg-profile measurement", "x": [' + "[]," * 3 * 10**6 + "[]]}")
    tracemalloc.start()
    with pytest.raises(InputError, match="damaged"):
        load(path)
    assert tracemalloc.get_traced_memory()[1] < 2.5 * path.stat().st_size
    tracemalloc.stop()
