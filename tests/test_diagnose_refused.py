"""Files that are no model: refused at their line, in one paragraph."""

from __future__ import annotations

import pytest
from diagnosing import HEAD, IMAGE, inspected

from vgg_profile.core.errors import InputError
from vgg_profile.diagnose import read

REFUSED = {
    "syntax": ("model = nn.Sequential(nn.ReLU()\n    nn.ReLU())", r"line 4: SyntaxError: .*forgot a comma\?"),
    "a misspelt name": ("model = nn.Seuenital()", r"line 4: AttributeError: .*Did you mean: 'Sequential'\?"),
    "its line": ("model = nn.Seuenital()", r"The line reads `model = nn.Seuenital\(\)`"),
    "a name that is not there": (
        "layers = 1\nmodel = layesr",
        r"line 5: NameError: .*Did you mean: 'layers'\?",
    ),
    "an exception": ("1 / 0", r"line 4: ZeroDivisionError: division by zero\."),
    "an exit": ("import sys\nsys.exit(3)", r"line 5 ended in sys\.exit\(3\)"),
    "a package": ("import no_such_package", r"line 4 needs a package that is not here: .*'no_such_package'"),
    "input": ("input()", r"line 4: .*Error"),
    "no such name": ("def modell(): ...", r"has nothing named 'model'. Did you mean modell\?"),
    "a number": ("model = 3", r"model in .* is of type int"),
    "another class": ("class model: ...", r"is a class, but no nn\.Module"),
    "a function of a number": ("def model(): return 3", r"returns an object of type int"),
    "a function of nothing": ("def model(): ...", r"returns nothing, and builds no module"),
    "arguments": ("def model(cfg): ...", r"cannot be called without arguments: missing .* 'cfg'"),
    "a list for its layers": (
        "model = nn.Sequential([nn.ReLU()])",
        r"line 4: TypeError: list is not a Module subclass.* Put a star before the list",
    ),
    "a backslash": ("raise ValueError('a\\tb')", r"The line reads `raise ValueError\('a\\tb'\)`"),
    "a null byte": ("\x00", r"(SyntaxError|ValueError): source code .*null bytes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_without_a_model_is_refused_at_its_line(case, monkeypatch, tmp_path):
    source, complaint = REFUSED[case]
    with pytest.raises(InputError, match=complaint) as refusal:
        inspected(monkeypatch, tmp_path, HEAD + source)
    assert "\n" not in str(refusal.value)
    assert "Traceback" not in str(refusal.value)


@pytest.mark.parametrize(
    ("subject", "complaint"),
    [
        ("model.py", "does not say what to diagnose"),
        ("model.py:", "does not say what to diagnose"),
        (":model", "does not say what to diagnose"),
        ("model.txt:model", "is no Python file"),
        ("no-such.py:model", "cannot be read: No such file or directory"),
        ("tests.py:mo del", "does not say what to diagnose"),
    ],
)
def test_a_subject_that_is_none_is_refused_at_once(subject, complaint):
    with pytest.raises(InputError, match=complaint):
        read(subject, IMAGE)
