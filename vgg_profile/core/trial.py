"""What may end a process in C, tried in a child first: the loading of heavy libraries in little memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SURVIVED, RAISED = 0, 3
"""How a child ends that no library has ended."""


@contextmanager
def tried_first() -> Iterator[None]:
    """Under ``ulimit -v``, do what is within in a child before it is done here.

    Where they find no memory to load, OpenBLAS and PyTorch's C++ end the process in their own words, and no
    handler of ours is asked. How much they need differs with the version and the cores, so it is tried and
    not guessed. Raises ``MemoryError`` if they ended the child; what Python can raise is raised here.
    """
    child = os.fork() if is_limited() else None
    if child == 0:
        _be_silent()
        code = RAISED
        try:
            yield
            code = SURVIVED
        finally:
            os._exit(code)
    if child is not None and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) not in (SURVIVED, RAISED):
        raise MemoryError
    yield


def is_limited() -> bool:
    """Whether this process may have so many addresses and no more; only Linux holds it to that."""
    if sys.platform != "linux":
        return False
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def _be_silent() -> None:
    """Say nothing: whoever reads stdout and stderr hears it once, from the parent."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
