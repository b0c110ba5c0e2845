"""``python -m vgg_profile`` is ``vgg-profile``: from its first import to its last word, whatever happens."""

from __future__ import annotations

import gc
import sys

from vgg_profile.core.collecting import collecting
from vgg_profile.core.ending import exit_code, heed, settle

NO_MEMORY = "Error: There is not enough memory to start.\n"

_OF_THE_LOADER = ("failed to map segment", "annot allocate memory")
"""What glibc's loader says of a library for which there is no memory."""


def run() -> None:
    """Run the command that was typed, and exit with its code."""
    heed()
    code: int | str | None = 1
    try:
        code = _run()
    except (KeyboardInterrupt, RuntimeError) as error:  # before there was a program to say so
        ended = error if isinstance(error, KeyboardInterrupt) else error.__cause__
        if not isinstance(ended, KeyboardInterrupt):  # 3.11 wraps what is raised while a class is made
            raise
        settle()
        code = exit_code(ended)
        sys.stderr.write("Interrupted\n")
    except (MemoryError, SystemError):  # what Python itself says where it has no memory to say more
        sys.stderr.write(NO_MEMORY)
    except (ImportError, OSError) as error:
        lacks_memory = any(words in str(error) for words in _OF_THE_LOADER)
        sys.stderr.write(NO_MEMORY if lacks_memory else f"Error: vgg-profile cannot start: {str(error)!a}.\n")
    settle()
    gc.freeze()  # Python collects garbage as it ends, and would walk all that was loaded
    sys.exit(code)


def _run() -> int | str | None:
    with collecting(is_on=False):  # a module is no garbage
        from vgg_profile.cli import main
        from vgg_profile.cli.speech import open_streams

    open_streams()
    try:
        main(prog_name="vgg-profile")
    except SystemExit as exit_:
        return exit_.code
    return 0


if __name__ == "__main__":
    run()
