"""The page's rules are Python's: translated, they agree over thousands of values, and a mutant does not."""

from __future__ import annotations

import importlib.util
import inspect
import json
import random
import re
import sys
from fractions import Fraction
from importlib.resources import files
from itertools import count, pairwise

import programs
import pytest

from vgg_profile import walk
from vgg_profile.ask import cards
from vgg_profile.core import digits, fold
from vgg_profile.core.book import CATEGORIES
from vgg_profile.core.setting import Setup
from vgg_profile.core.units import UNITS
from vgg_profile.predict.steps import ledger
from vgg_profile.write.javascript import Untranslatable, translate

RULES = {"digits": inspect.getsource(digits), "fold": inspect.getsource(fold)}
RUN = """([script, calls]) => {
    const rules = (0, eval)(script);
    const plainly = (_, value) => (value instanceof Map ? Object.fromEntries(value) : value);
    return JSON.stringify(JSON.parse(calls).map(([name, values]) => rules[name](...values)), plainly);
}"""


PYTHON = (files("vgg_profile.write") / "assets" / "python.js").read_text("utf-8")
NUMBERS = count()


@pytest.fixture(scope="module")
def page(browser):
    return browser.new_page()


@pytest.fixture
def translated(tmp_path):
    """The functions of some sources as JavaScript."""

    def translated(sources):
        functions = {}
        for source in sources:
            path = tmp_path / f"program_{next(NUMBERS)}.py"
            path.write_text(source, encoding="utf-8")
            spec = importlib.util.spec_from_file_location(path.stem, path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[path.stem] = module
            spec.loader.exec_module(module)
            functions |= {
                name: each
                for name, each in inspect.getmembers(module, inspect.isfunction)
                if each.__module__ == path.stem
            }
        return translate(*functions.values())

    return translated


@pytest.fixture
def in_the_browser(translated):
    """What calls return, from the JavaScript of some sources."""

    def run(page, sources, calls, python=PYTHON):
        script = f"(() => {{ {python}\nreturn {translated(sources)}; }})()"
        return json.loads(page.evaluate(RUN, [script, json.dumps(calls)]))

    return run


def in_python(sources, calls):
    """The same from the sources themselves."""
    space = {}
    for source in sources:
        exec(source, space)
    return json.loads(json.dumps([space[name](*values) for name, values in calls]))


# -- the rules


def random_step(chance):
    """Events that allocate, and free what is live; categories and sizes; and where the parts begin."""
    categories, live, events, size = chance.randint(1, 12), [], [], []
    for _ in range(chance.randint(1, 30)):
        born = list(range(len(size) + 1, len(size) + 1 + chance.randint(0, 3)))
        size += [chance.randrange(2 ** chance.randint(1, 44)) for _ in born]
        dead = chance.sample(live + born, chance.randint(0, len(live + born)))
        live = [each for each in live + born if each not in dead]
        events.append([*born, *(-each for each in dead)])
    starts = [0, *sorted(chance.randint(0, len(events)) for _ in range(chance.randint(1, 8)))]
    return events, [chance.randrange(categories) for _ in size], size, categories, starts


def calls_of_the_fold(count, chance):
    for _ in range(count):
        *step, starts = random_step(chance)
        rows = fold.levels(*step)
        yield "levels", step
        yield "alive", [step[0], chance.randrange(2 * len(step[0]))]
        yield "lifetimes", [step[0], len(step[2])]
        yield "parts", [rows, starts]
        yield "highest", [rows]
        yield "live_bytes", [rows[-1]]
        yield "peak_part", [fold.parts(rows, starts)]
        fixed, per_image = ([chance.randrange(2**30) for _ in range(9)] for _ in range(2))
        yield "memory_bytes", [chance.randrange(2**30), chance.choice((2, 4, 8)), chance.randint(1, 10**5)]
        yield "at_batch", [fixed, per_image, chance.randint(1, 10**5)]
        yield "total_at", [fixed, per_image, chance.randint(1, 10**5)]
        lines = [[chance.randrange(2**34), chance.choice((0, chance.randrange(1, 2**28)))] for _ in range(3)]
        lines.append([chance.randrange(2**34), chance.randrange(1, 2**28)])
        yield "largest_batch", [lines, chance.choice((chance.randrange(2**50), max(lines)[0]))]
        yield "kept_free", [chance.randrange(2**32), chance.randrange(2**30), chance.randrange(2**30)]
        yield "widths", [["load", *(["forward"] * chance.randint(0, 99)), chance.choice(("step", "loss"))]]


def calls_of_the_digits(count, chance):
    for _ in range(count):
        scale, places = chance.choice([*UNITS.values(), (1000, 2), (7000, 3)])
        parts = 10**places
        number = chance.choice((chance.randrange(2 ** chance.randint(1, 53)), chance.randrange(9 * scale)))
        half = chance.randrange(10**6) * (scale // 2)
        yield "rounded", [number, scale, parts]
        yield "rounded", [half, scale, 1]
        yield "decimals", [number // scale * parts, places]
        yield "scaled", [chance.choice((-1, 1)) * number, scale, places]
        yield "scaled", [chance.randrange(10**9) * scale // (2 * parts), scale, places]
        yield "trimmed", [chance.choice((number // scale, chance.randrange(10**4) * parts)), places]
        yield "from_thousandths", [chance.randrange(10**9), 2**30]
        yield "ticks", [number + scale, scale, parts]


def all_calls(count):
    chance = random.Random(12)
    return [*calls_of_the_fold(count, chance), *calls_of_the_digits(count, chance)]


def test_the_rules_of_a_page_are_pythons(page, in_the_browser):
    calls = all_calls(1000)
    assert {name for name, _ in calls} == set(
        re.findall(r"^def (\w+)", "\n".join(RULES.values()), re.MULTILINE)
    )
    shown, wanted = in_the_browser(page, RULES.values(), calls), in_python(RULES.values(), calls)
    assert len(shown) > 15_000
    assert [call for call, one, other in zip(calls, shown, wanted, strict=True) if one != other] == []


def counted_by_hand(script):
    """Products and quotients in a script, outside what it says."""
    return re.findall(r"[\w.]*[\w)\]] [*/%] [\w.(]+", script)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("figures.js", ["1000 * good.memory"]),  # as it was typed, with three decimals at most
        ("words.js", []),
        ("table.js", ["sign * (value(one"]),  # the order of rows
        ("build.js", []),
        ("copy.js", []),
        ("changes.js", []),
    ],
)
def test_a_page_counts_nothing_by_hand(name, known):
    script = files("vgg_profile.write").joinpath("assets", name).read_text("utf-8")
    assert counted_by_hand(script) == known
    assert counted_by_hand(script + "const macs = view.totals.values * 9;") == [
        *known,
        "view.totals.values * 9",
    ]


MUTANTS = {
    "frees count on": ("+= sign * size[", "+= size["),
    "the storage beside it": ("[sign * storage - 1 ", "[sign * storage - 2 "),
    "a part begins after its first event": ("known[2 * start :", "known[2 * start + 1 :"),
    "the last of several": ("live.index(max(live))", "len(live) - 1"),
    "the lowest": ("live.index(max(live))", "live.index(min(live))"),
    "loading counts": ("in step[1:]]\n    return 1 +", "in step]\n    return 0 +"),
    "one image too many": ("(limit - fixed) // per_image", "(limit - fixed) // per_image + 1"),
    "a full memory holds nothing": ("> limit", ">= limit"),
    "the largest line": ("return min([(limit", "return max([(limit"),
    "values of one image": ("values * itemsize * batch", "values * itemsize"),
    "fixed bytes per image": ("size + each * batch", "(size + each) * batch"),
    "half up": ("twice == scale and count % 2 == 1", "twice == scale"),
    "half down": ("twice == scale and count % 2 == 1", "twice == scale and count < 0"),
    "cut off": ("count += 1", "count += 0"),
    "no sign": ('"-" if number < 0', '"" if number < 0'),
    "no zeros": (":0{places}}", "}"),
    "no groups": ("parts:,}", "parts}"),
    "zeros kept": ("count % 10 == 0", "count % 100 == 0"),
    "a tick too few": ("length // step + 1", "length // step"),
    "a narrow step": ("max(8, len(phases))", "8"),
}


@pytest.mark.parametrize("words", MUTANTS)
def test_a_changed_rule_is_noticed(page, in_the_browser, words):
    text, other = MUTANTS[words]
    mutant = [source.replace(text, other) for source in RULES.values()]
    assert mutant != list(RULES.values())
    calls = all_calls(40)
    wanted = in_python(RULES.values(), calls)
    assert in_the_browser(page, RULES.values(), calls) == wanted
    assert in_the_browser(page, mutant, calls) != wanted


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("floor: (number, divisor) => Math.floor", "floor: (number, divisor) => Math.round"),
        ("number - divisor * Math.floor", "number - (divisor + 1) * Math.floor"),
        ('.replace(/\\B(?=(\\d{3})+$)/g, ",")', ""),
        ("max: best((one, other) => one > other)", "max: best((one, other) => one < other)"),
        ("of.push(value)", "of.unshift(value)"),
    ],
)
def test_a_wrong_translation_is_noticed(page, in_the_browser, text, other):
    calls = all_calls(40)
    assert in_the_browser(page, RULES.values(), calls) == in_python(RULES.values(), calls)
    assert text in PYTHON
    with pytest.raises(Exception):  # noqa: B017, PT011 - a script's error or a difference
        assert in_the_browser(page, RULES.values(), calls, PYTHON.replace(text, other)) == in_python(
            RULES.values(), calls
        )


# -- what the rules say


@pytest.mark.parametrize("setup", [Setup(), Setup(optimizer="adam"), Setup(checkpoint="blocks")])
def test_the_fold_and_the_largest_batch_are_the_ledgers(setup):
    step = ledger(walk("A-BN", input=64), setup)
    lines = [[line.fixed, line.per_image] for line in step.lines]
    for limit in (0, 10**9, *(step.peak_bytes(batch) + off for batch in (1, 5, 999) for off in (-1, 0, 1))):
        assert fold.largest_batch(lines, limit) == step.largest_batch(limit)
    number = {}
    for event in step.events:
        for storage in event.allocated:
            number[storage] = len(number) + 1
    tape = [[*map(number.get, each.allocated), *(-number[it] for it in each.freed)] for each in step.events]
    places = [list(type(storage.category)).index(storage.category) for storage in number]
    fixed, per_image = (
        fold.levels(tape, places, sizes, len(CATEGORIES))
        for sizes in ([each.size.fixed for each in number], [each.size.per_image for each in number])
    )
    for batch in (1, 7):
        rows = [fold.at_batch(*row, batch) for row in zip(fixed, per_image, strict=True)]
        step = step.at(batch)
        assert rows[::2] == [list(categories.values()) for _, categories in step.contents()]
        parts = fold.parts(rows, [mark.event for mark in step.marks])
        seen = [(sum(part[-1]), sum(fold.highest(part))) for part in parts]
        assert seen == [(moment.live, moment.peak) for moment in step.moments]
        assert step.moments[fold.peak_part(parts)] == step.peak


def test_digits_are_those_of_the_exact_quotient():
    chance = random.Random(3)
    for _ in range(5000):
        number, (scale, places) = chance.randrange(2**53), chance.choice([*UNITS.values()])
        assert digits.scaled(number, scale, places) == f"{number / scale:,.{places}f}"
        count = chance.randrange(10**9)
        assert digits.from_thousandths(count, 2**30) == int(Fraction(count, 1000) * 2**30)
    for text in ("0.001", "23.52", "999999.999", "7.5"):
        count = int(1000 * Fraction(text))
        assert digits.from_thousandths(count, 2**30) == cards.memory(f"{text}GiB").bytes


def test_ticks_are_few_round_and_reach_the_end():
    chance = random.Random(4)
    for _ in range(2000):
        scale, places = chance.choice([*UNITS.values()])
        most = scale + chance.randrange(2 ** chance.randint(1, 52))
        ticks = digits.ticks(most, scale, 10**places)
        (step,) = {after - before for before, after in pairwise(ticks)} or {1}
        assert re.fullmatch("[125]0*", str(step))
        assert ticks[0] == 0
        assert ticks[-1] * scale <= most * 10**places < (ticks[-1] + step + 1) * scale
        assert len(ticks) <= 6


def test_every_rule_is_used_and_no_other_is_asked_for():
    assets = (files("vgg_profile.write") / "assets").iterdir()
    scripts = "".join(each.read_text() for each in assets if each.name != "python.js")
    asked = set(re.findall(r"\brules\.(\w+)", scripts))
    made = {name: body for source in RULES.values() for name, body in bodies(source)}
    inner = {name for name in made for body in made.values() if re.search(rf"\b{name}\(", body)}
    of_a_network = {"built", "smallest", "witness", "looked"}
    assert of_a_network <= asked <= set(made) | of_a_network
    assert set(made) <= asked | inner
    assert not re.search(r"Intl|toFixed\((?!1\))|toLocale|reduce\(\(total", scripts)


def bodies(source):
    for text in re.split(r"^def ", source, flags=re.MULTILINE)[1:]:
        yield text.partition("(")[0], re.sub(r'"""[\s\S]*?"""', "", text).partition(":\n")[2]


# -- the translator

PROGRAMS = [
    ("def f(a, b):\n    return [a // b, a % b, a - b, a * b, a + b, -a]", [[7, 2], [-7, 2], [7, -2]]),
    ("def f(a, b):\n    return a // b", [[2**53 - 1, 2], [2**53 - 3, 3], [9 * 10**15, 10**15], [2**52, 3]]),
    ("def f(a, b):\n    a, b = b, a\n    return [a, b]", [[1, 2]]),
    ("def f(n):\n    return [[i, j] for i in range(n) if i > 1 for j in range(i, n, 2)]", [[0], [7]]),
    ("def f(n):\n    i = 9\n    for i in range(n):\n        i += 5\n    return i", [[0], [3]]),
    ("def f(x):\n    return [x[1:], x[:2], x[1:3], x[-1], x[-2:], [*x, 0], list(x), len(x)]", [[[1, 2, 3]]]),
    ("def f(x):\n    y = list(x)\n    y[0] = 5\n    y.append(x.index(3))\n    return [x, y]", [[[1, 2, 3]]]),
    ("def f(x):\n    return [max(x), min(x), max(x[0], 7), min(x[0], 7), sum(x), abs(x[0])]", [[[-4, 9]]]),
    ("def f(x, y):\n    return [[a, b] for a, b in zip(x, y, strict=True)]", [[[1, 2], [3, 4]]]),
    ("def f(a, b):\n    return 1 if a < b and not (a == 2 or b != 3) else 0", [[1, 3], [2, 3], [1, 4]]),
    ("def f(a):\n    return [a < 2, a >= 2, True, a == 2 or a > 5]", [[1], [2], [9]]),
    ("def f(n, k):\n    return f'{n:,} of {n} and {n:0{k}}'", [[0, 3], [123, 5], [1234567, 2], [1000, 4]]),
    ("def f(n):\n    return f'`$' + f'{n}' + '</script>\\\\ \"\\'é${n}`' + f'${{n}}</b>\\n'", [[1]]),
    ("def f(n):\n    while n > 3:\n        if n % 2 == 0:\n            n //= 2\n        elif n > 50:\n"
     "            return n\n        else:\n            n = 3 * n + 1\n    return n", [[6], [7], [27]]),
    ("def g(n):\n    return n if n < 2 else g(n - 1) + g(n - 2)\n\ndef f(n):\n    return g(n)", [[15]]),
    ("def f(n: int) -> int:\n    m: int = 2 ** n\n    return m", [[0], [52]]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "values"), PROGRAMS)
def test_a_program_does_the_same_in_both(page, in_the_browser, translated, source, values):
    calls = [("f", each) for each in values]
    assert in_the_browser(page, [source], calls) == in_python([source], calls)
    assert "</" not in translated([source])


@pytest.mark.parametrize("name", programs.VALUES)
def test_a_function_does_the_same_in_both(page, name):
    function, values = getattr(programs, name), programs.VALUES[name]
    script = f"(() => {{ {PYTHON}\nreturn {translate(function)}; }})()"
    shown = json.loads(page.evaluate(RUN, [script, json.dumps([(name, each) for each in values])]))
    assert shown == json.loads(json.dumps([function(*each) for each in values]))


REFUSED = {
    "FunctionDef": "def g(**a):\n    return 1\n\ndef f():\n    return g()",
    "Try": "def f():\n    try:\n        return 1\n    finally:\n        return 2",
    "With": "def f(a):\n    with a as b:\n        return b",
    "Assert": "def f(a):\n    assert a",
    "For": "def f(a):\n    for i in a:\n        a = i\n    else:\n        return a",
    "BinOp, `a / 2`": "def f(a):\n    return a / 2",
    "BinOp, `a << 2`": "def f(a):\n    return a << 2",
    "BinOp, `a @ a`": "def f(a):\n    return a @ a",
    "Constant, `9007199254740992`": "def f():\n    return 9007199254740992",
    "Constant, `b'a'`": "def f():\n    return b'a'",
    "Name, `print`": "def f(a):\n    print(a)\n    return a",
    "Name, `open`": "def f(a):\n    return open",
    "Name, `json`": "import json\n\ndef f(a):\n    return json.dumps(a)",
    "Name, `cycle`": "from itertools import cycle\n\ndef f(a):\n    return cycle(a)",
    "Call, `g(**a)`": "def g(a):\n    return a\n\ndef f(a):\n    return g(**a)",
    "Call, `g(b=a)`": "def g(a):\n    return a\n\ndef f(a):\n    return g(b=a)",
    "Call, `enumerate(a, by=2)`": "def f(a):\n    return map(a, by=2) if a else enumerate(a, by=2)",
    "Call, `a[0](1)`": "def f(a):\n    return a[0](1)",
    "FormattedValue": "def f(a):\n    return f'{a:.2f}'",
    "FormattedValue, ": "def f(a):\n    return f'{a!r}'",
    "Global": "def f():\n    global a\n    return 1",
    "Call, `a.sort()`": "def f(a):\n    a.sort()\n    return a",
    "Call, `a.title()`": "def f(a):\n    return a.title()",
    "Delete": "def f(a):\n    del a[0]",
    "NamedExpr": "def f(a):\n    return (b := a)",
}


@pytest.mark.parametrize("named", REFUSED)
def test_what_has_no_translation_is_refused_by_name(translated, named):
    with pytest.raises(Untranslatable, match=r"line \d+: there is no JavaScript for "):
        translated([REFUSED[named]])
