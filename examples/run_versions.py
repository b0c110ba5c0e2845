"""Is it exact on another PyTorch? Random networks, really run with each version that pip finds.

One version at a time: its wheel is downloaded without what it depends on, unpacked into a temporary folder,
and ``examples/prove.py`` runs so many random networks with it; then the folder goes. Most wheels are for
CUDA: the libraries that they want and do not bring are stood in for by stubs, whose functions say that there
is no device (this needs ``gcc``, ``nm`` and ``ldd``: Linux alone). A version that does not load even so is
named, with its last word. oneDNN is limited to AVX-512 with bfloat16, of which a rule knows most.

    python examples/run_versions.py 2.7.1 2.8.0 -o reports/versions.md

What was found is kept beside the page, a line of JSON for each version; one that is named is run anew.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from vgg_profile.core.files import write_whole
from vgg_profile.core.units import listed

NETWORKS, SEED = 40, 16
"""How many random networks each version runs, and which."""

FAMILY = "AVX512_CORE_BF16"

ROOT = Path(__file__).parent.parent

ASK = (
    "import re, torch; said = torch.__config__.show(); "
    "print(torch.__version__, *re.findall(r'MKL-DNN v([0-9.]+)', said), "
    "torch.backends.cpu.get_cpu_capability(), sep=';')"
)

STUB = """
#define STANDS(name) long name(void) { return 100; }
#define SAYS(name) const char *name(void) { return "no device"; }
"""
"""100 is ``cudaErrorNoDevice`` and ``CUDA_ERROR_NO_DEVICE``, and 0 in no other library."""


class Row(NamedTuple):
    """What became of a version. ``failed`` is why there is nothing to say, or empty."""

    version: str
    wheel: str
    """What it calls itself, with what it is built for."""
    onednn: str
    passed: int = 0
    """Networks of which every figure is exact."""
    unsure: int = 0
    """Networks of which no figure is off, and the scratch of some kernels is not known."""
    off: int = 0
    """Networks of which a figure is off."""
    checks: int = 0
    first_off: str = ""
    failed: str = ""
    processor: str = ""
    """What PyTorch takes the processor for."""


def run(version: str) -> Row:
    """Download a version, run the networks with it, and let it go."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site, stubs, log = folder / "site", folder / "stubs", folder / "log"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--no-deps"]
        said = _run([*pip, "--only-binary", ":all:", f"torch=={version}", "-d", name])
        if said.returncode:
            return Row(version, "", "", failed=f"pip: {_last(said.stderr)}")
        (wheel,) = folder.glob("*.whl")
        zipfile.ZipFile(wheel).extractall(site)
        wheel.unlink()
        stub(site / "torch" / "lib", stubs)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(site), str(ROOT))),
            "LD_LIBRARY_PATH": str(stubs),
            "ONEDNN_MAX_CPU_ISA": FAMILY,
        }
        said = _run([sys.executable, "-c", ASK], environment)
        if said.returncode:
            return Row(version, "", "", failed=_last(said.stderr))
        built, onednn, processor = said.stdout.strip().split(";")
        prove = [sys.executable, str(ROOT / "examples" / "prove.py"), str(NETWORKS)]
        said = _run([*prove, "--seed", str(SEED), "-o", str(log)], environment)
        found = log.read_text("utf-8").splitlines() if log.exists() else []
        if len(found) < NETWORKS:
            return Row(version, built, onednn, failed=f"after {len(found)} networks: {_last(said.stderr)}")
        return _counted(Row(version, built, onednn, processor=processor), found)


def _counted(row: Row, lines: Sequence[str]) -> Row:
    """The row with what the log of ``prove`` says."""
    words = [line.split("  ") for line in lines]
    verdicts = [verdict for verdict, *_ in words]
    off = [line[3:] for line in words if line[0] == "FAIL"]
    return row._replace(
        passed=verdicts.count("PASS"),
        unsure=verdicts.count("SKIP"),
        off=len(off),
        checks=sum(int(counts.split()[0]) for _, counts, *_ in words),
        first_off=", ".join(off[0]) if off else "",
    )


def stub(libraries: Path, into: Path) -> None:
    """Stand-ins for the libraries that these want and nobody has, with every function that is missing."""
    into.mkdir()
    found = sorted(libraries.glob("*.so*"))
    missing = set(re.findall(r"(\S+) => not found", _ldd(found, into)))
    if not missing:
        return
    for name in missing:
        _link(name, "", [name], into)
    said = _ldd(found, into)
    wanted_of_others = set(re.findall(r"undefined symbol: ([\w.$]+)", said)) - _defined(found)
    code = "\n".join(
        f"{'SAYS' if re.search('String|Name', name) else 'STANDS'}({name})"
        for name in sorted(wanted_of_others)
        if not re.match("_?Py", name)  # the interpreter's own
    )
    wanted = set(re.findall(r"/([^/\s]+): version `(\S+)' not found", said))
    for name in missing:
        # most of NVIDIA's libraries name their versions as themselves
        _link(name, code, sorted(version for of, version in wanted if of == name) or [name], into)


def _ldd(libraries: Sequence[Path], stubs: Path) -> str:
    """The libraries, their versions and the symbols that libraries want, and which of them nobody has."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(stubs)}
    said = [_run(["ldd", "-r", str(library)], environment) for library in libraries]
    return "".join(each.stdout + each.stderr for each in said)


def _defined(libraries: Sequence[Path]) -> set[str]:
    """The symbols that libraries define: one may want another's, and not name it."""
    said = [
        _run(["nm", "-D", "--defined-only", "--without-symbol-versions", str(each)]) for each in libraries
    ]
    return {line.split()[-1] for each in said for line in each.stdout.splitlines()}


def _link(name: str, code: str, versions: Sequence[str], into: Path) -> None:
    """A library under a name; each of its functions is of the first version."""
    first, *others = versions
    nodes = [f"{first} {{ *; }};", *(f"{each} {{ }};" for each in others)]
    script = into / f"{name}.map"
    script.write_text("\n".join(nodes) + "\n", "utf-8")
    linked = [f"-Wl,-soname,{name}", f"-Wl,--version-script={script}", "-o", str(into / name)]
    gcc = ["gcc", "-w", "-shared", "-fPIC", "-x", "c", "-", *linked]
    subprocess.run(gcc, input=STUB + code, text=True, check=True)


def _run(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _last(said: str) -> str:
    return (said.strip().splitlines() or ["nothing was said"])[-1]


def page(rows: Sequence[Row]) -> Iterator[str]:
    """The rows as a page, and what follows of them."""
    yield "# Other versions of PyTorch\n"
    yield (
        f"The same {NETWORKS} random networks in random settings, measured and held against their prediction "
        "with each version, on the CPU: live bytes at every boundary, the most within every part, shapes, "
        "parameters, FLOPs. *Not sure* is a network of which no figure is off, and what some kernels take in "
        "passing is not known: the rules for oneDNN's are of 3.12 alone. Made by "
        f"`python examples/run_versions.py`, one wheel at a time, with oneDNN limited to {FAMILY}, on "
        f"{listed(sorted({row.processor for row in rows if row.processor}))}; wheels for CUDA ran on the "
        "CPU, with stubs for the libraries that they want.\n"
    )
    yield "| torch | oneDNN | checks | exact | not sure | off | |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | --- |"
    for row in rows:
        name = row.wheel or row.version
        if row.failed:
            yield f"| {name} | {row.onednn} | | | | | {row.failed} |"
        else:
            counts = " | ".join(f"{value:,}" for value in (row.checks, row.passed, row.unsure, row.off))
            yield f"| {name} | {row.onednn} | {counts} | {row.first_off} |"
    ran = [row for row in rows if not row.failed]
    good = [row.version for row in ran if not row.off]
    yield f"\nNo figure is off with {listed(good)}: {len(good)} of {len(ran)} versions that ran."


@click.command()
@click.argument("versions", nargs=-1)
@click.option("-o", "path", type=click.Path(path_type=Path), required=True)
def main(versions: tuple[str, ...], path: Path) -> None:
    """Run these versions, and write the page of all that have been run."""
    kept = path.with_suffix(".jsonl")
    rows = [Row(**json.loads(line)) for line in kept.open(encoding="utf-8")] if kept.exists() else []
    for version in versions or [""]:
        rows = [row for row in rows if row.version != version]
        rows += [run(version)] if version else []
        rows.sort(key=lambda row: [int(number) for number in re.findall(r"\d+", row.version)])
        write_whole(kept, "".join(json.dumps(row._asdict()) + "\n" for row in rows), force=True)
        write_whole(path, "\n".join(page(rows)) + "\n", force=True)
        click.echo("\n".join(str(row) for row in rows if row.version == version), err=True)


if __name__ == "__main__":
    main()
