"""Errors that a user can mend: the CLI prints their one sentence and exits with their code."""

from __future__ import annotations

import shlex
import sys


class NoisybenchError(Exception):
    """A failure whose message says what was wrong, what was expected and what to do next."""

    exit_code = 1


class UsageError(NoisybenchError):
    """The request is invalid; nothing has been run."""

    exit_code = 2


def pip_install(*what: str) -> str:
    """What to type to install `what` for the Python that runs, which need not be the one that `pip` is of."""
    return shlex.join([sys.executable, "-m", "pip", "install", *what])


def fault_of_the_system(error: Exception) -> str | None:
    """A sentence for an error of the machine or of the installation; None for any other error."""
    if isinstance(error, OSError):
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        where = f"{' -> '.join(names)}: " if names else ""
        remedy = "mend its permissions, its disk or the path" if names else "mend that"
        return f"{where}{error.strerror or error}; {remedy}, then repeat the command"
    if is_out_of_memory(error):
        return "there is not enough memory; free some, or use fewer images, then repeat the command"
    if isinstance(error, ImportError):
        return f"a package cannot be imported ({error}); install noisybench again, or free memory if that is short"
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was not enough memory, of the machine or of a GPU."""
    # PyTorch raises a plain RuntimeError when memory runs out on the CPU.
    return isinstance(error, MemoryError) or any(
        text in str(error) for text in ("can't allocate memory", "out of memory")
    )
