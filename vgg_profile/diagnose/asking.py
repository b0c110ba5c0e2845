"""One question to a process that runs somebody's file (``keeper``): what comes back, and the end of it.

The answer comes through a pipe, no longer than it may be; it is the file's own word, to be held against its
form by whoever asked. What the file prints comes through another. Whatever happens, nothing that was started
here outlives the call.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import IO, Any

from vgg_profile.core.errors import InputError
from vgg_profile.core.interpreter import python
from vgg_profile.core.trial import is_limited
from vgg_profile.diagnose.draft import PREFIX, READY

LARGEST_ANSWER = 16 * 2**20
LARGEST_SPEECH = 2**20
"""The bytes that a file may print; what is beyond is left out."""

_SECONDS_TO_END = 10
"""How long a system may take to end processes that it was told to kill."""

Hear = Callable[[str], object]


class NotLoadedError(ImportError):
    """PyTorch could not be loaded to run the file."""


class TimeIsUp(Exception):  # noqa: N818 - it is told by whoever knows what was asked
    """No answer came in time."""


def ask(request: Mapping[str, Any], hear: Hear) -> tuple[bytes | None, int]:
    """The answer to a request, ``None`` if none came, and the exit code of what ran it.

    ``hear`` is told every line that the file prints. Raises :class:`TimeIsUp` after the request's ``timeout``
    in seconds, :class:`NotLoadedError` where the file did not get to run, ``InputError`` for an answer that
    is longer than any.
    """
    with tempfile.TemporaryDirectory(prefix="vgg-profile-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            python("vgg_profile.diagnose.keeper"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "TMPDIR": folder},
        )
        exchange = _Exchange(process, hear)
        try:
            exchange.put(json.dumps(request).encode() + b"\n")
            exchange.run(time.monotonic() + request["timeout"])
        finally:
            exchange.end()
    exchange.check_ready()
    return exchange.answer, process.returncode


class _Exchange:
    """What goes to and fro between this process and one that it started."""

    def __init__(self, process: subprocess.Popen[bytes], hear: Hear) -> None:
        self.process, self.speech = process, _Speech(hear)
        self.received, self.is_ready = bytearray(), False
        self.is_silent = False
        self.early = b""
        """What was said before it came to the file: by libraries, as they load."""
        self._selector = selectors.DefaultSelector()
        for stream, take in ((process.stdout, self._take), (process.stderr, self._hear)):
            assert stream is not None
            self._selector.register(stream, selectors.EVENT_READ, take)

    @property
    def answer(self) -> bytes | None:
        """The answer, once it is there as a whole."""
        length = int.from_bytes(self.received[:PREFIX], "big")
        if not self.is_ready or len(self.received) < PREFIX or len(self.received) < PREFIX + length:
            return None
        return bytes(self.received[PREFIX : PREFIX + length])

    def put(self, request: bytes) -> None:
        """Send a request; a process that is gone already says so by its silence."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(request)
            self.process.stdin.flush()

    def run(self, deadline: float) -> None:
        """Take in what comes, until the answer is there or no more can come."""
        while self.answer is None and not self.is_silent:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeIsUp
            self._wait(left)

    def _wait(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
            part = os.read(stream.fileno(), 65_536)
            key.data(part)
            if not part:
                self._selector.unregister(stream)
                self.is_silent = self.is_silent or stream is self.process.stdout

    def check_ready(self) -> None:
        """Refuse a process that ended before it came to the file: PyTorch is missing, or does not load.

        Raises ``MemoryError`` where memory has a limit and no word of Python's came: libraries ended it.
        """
        if not self.is_ready and find_spec("torch") is None:
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        if not self.is_ready and not self.received and is_limited():
            raise MemoryError
        if not self.is_ready:
            self.speech.take(self.early)
            self.speech.end()
            why = bytes(self.received).decode(errors="replace") or f"exit code {self.process.returncode}"
            raise NotLoadedError(why, name="torch")

    def _hear(self, part: bytes) -> None:
        if not self.is_ready:
            self.early += part
            return
        self.speech.take(self.early + part)
        self.early = b""

    def _take(self, part: bytes) -> None:
        if not part or len(self.received) > PREFIX + LARGEST_ANSWER:
            return
        if not self.is_ready:
            self.is_ready, part = part.startswith(READY), part.removeprefix(READY)
        self.received += part
        length = int.from_bytes(self.received[:PREFIX], "big")
        if self.is_ready and len(self.received) >= PREFIX and length > LARGEST_ANSWER:
            raise InputError(
                f"What the file answers is over {LARGEST_ANSWER // 2**20} MiB, and no diagnosis is.",
                "Diagnose a part of the model.",
            )

    def end(self) -> None:
        """Let the process go, and with it all that it started; hear its last words."""
        process = self.process
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        deadline = time.monotonic() + _SECONDS_TO_END
        while self._selector.get_map() and time.monotonic() < deadline:
            with suppress(InputError):
                self._wait(deadline - time.monotonic())
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:  # nothing that it waits for can be ended
            process.kill()
            process.wait()
        self._selector.close()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()
        if self.is_ready:
            self._hear(b"")
        self.speech.end()


class _Speech:
    """What a file prints, told line by line."""

    def __init__(self, hear: Hear) -> None:
        self.hear, self.heard, self.left = hear, 0, b""

    def take(self, part: bytes) -> None:
        """The next bytes of it."""
        if self.heard > LARGEST_SPEECH:
            return
        self.heard += len(part)
        *lines, self.left = (self.left + part).split(b"\n")
        for line in lines:
            self._tell(line)

    def end(self) -> None:
        """No more comes."""
        if self.left:
            self._tell(self.left)
        if self.heard > LARGEST_SPEECH:
            self.hear(f"… and what the file printed after {LARGEST_SPEECH // 2**20} MiB")

    def _tell(self, line: bytes) -> None:
        self.hear(line.decode("utf-8", "replace").rstrip("\r").expandtabs())
