"""The process around somebody's file: started apart, and what the file started ends with it.

``asking`` starts it in a Python of its own. It reads one request from stdin, forks, and waits; the fork
(``child``) runs the file, in a session of its own and within limits. When that process ends, or whoever asked
lets go of stdin, everything that it started is ended, and only then the keeper ends, as the fork did.

On Linux that holds for processes that left the session as well: they become the keeper's own. Elsewhere it
holds for the session. Nothing here keeps a file from what its user may do.

We weighed psutil: it lists descendants, which is one file of ``/proc`` here, but it cannot make a process the
parent of what others leave behind, nor bind one life to another, and that is what the ending rests on.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from contextlib import suppress
from math import ceil, isfinite
from pathlib import Path
from typing import Any

from vgg_profile.core.parsing import parse_json

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
"""``prctl(2)``: die with the parent; become the parent of every orphan below."""


def main() -> None:
    """Read a request from stdin, and run it: its answer goes to stdout, what the file prints to stderr."""
    request = parse_json(_line(0))
    answer = os.dup(1)
    os.dup2(2, 1)  # what the file prints must not stand among the answers
    if not hasattr(os, "fork"):
        _run(request, answer)
    news, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if not child:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        for descriptor in (news, tell):
            os.close(descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        _limit(request["timeout"])
        _run(request, answer)
    os.close(answer)
    _end_as(_ended(child, news))


def _run(request: dict[str, Any], answer: int) -> None:
    try:
        from vgg_profile.diagnose.child import main as run
    except BaseException as error:  # told by whoever asked: nothing has run that could be at fault
        os.write(answer, f"{type(error).__name__}: {error}".encode(errors="replace")[:1000])
        os._exit(1)
    run(request, answer)


# -- before the file runs


def _line(descriptor: int) -> bytes:
    """A line, and no byte beyond it."""
    line = bytearray()
    while not line.endswith(b"\n") and (part := os.read(descriptor, 1)):
        line += part
    return bytes(line)


def _limit(seconds: float) -> None:
    """No core dump; no more memory, and no larger file, than the machine has memory; no time without end.

    No limit on processes: ``RLIMIT_NPROC`` counts all that the user runs, in other containers, too, which
    nobody sees from in here. A limit by what is seen could keep PyTorch from its threads, and root is
    held to none.
    """
    import resource

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_DATA: memory, resource.RLIMIT_FSIZE: memory}
    if isfinite(seconds):
        limits[resource.RLIMIT_CPU] = ceil(seconds) * (os.cpu_count() or 1)
    for limit, most in limits.items():
        soft, hard = resource.getrlimit(limit)
        known = [each for each in (soft, hard, most) if each != resource.RLIM_INFINITY]
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, (min(known), min(known)))


def _prctl(option: int, value: int) -> None:
    """Ask Linux; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


# -- after it


def _ended(child: int, news: int) -> int:
    """How the child ended, by itself or since stdin was let go, once all that it started has ended."""
    status = None
    while status is None:
        readable, _, _ = select.select([0, news], [], [])
        if 0 in readable:
            break
        os.read(news, 4096)
        status = _reaped().get(child)
    _kill(child)
    while status is None:
        ended, code = os.waitpid(-1, 0)
        status = code if ended == child else None
    while sum(map(_kill, _children())):
        _reaped(wait=True)
    return status


def _reaped(*, wait: bool = False) -> dict[int, int]:
    """Which processes have ended, and how; ``wait`` for one at least."""
    found = {}
    with suppress(ChildProcessError):
        pid, status = os.waitpid(-1, 0 if wait else os.WNOHANG)
        while pid:
            found[pid] = status
            pid, status = os.waitpid(-1, os.WNOHANG)
    return found


def _children() -> list[int]:
    """The processes that are this one's own, those that others left behind included."""
    try:
        return list(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))
    except OSError:
        return []


def _kill(pid: int) -> bool:
    """End a process and its group at once, so that none of it starts another; whether that was allowed."""
    group = 0
    with suppress(OSError):
        group = os.getpgid(pid)
    with suppress(OSError):
        if group not in (0, os.getpgrp()):
            os.killpg(group, signal.SIGKILL)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def _end_as(status: int) -> None:
    """End as another process did, by its signal or with its exit code."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
