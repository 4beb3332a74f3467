"""Why runs fail, and which of them are worth another attempt."""

from __future__ import annotations

import errno
from typing import Literal, TypeAlias

from benchmark.errors import NoisybenchError, is_out_of_memory
from benchmark.store.atomic import StoreError

Cause: TypeAlias = Literal["lost", "memory", "io", "timeout", "input", "code"]
"""lost: the process ended without a result, or gave no sign of life; memory: there was not enough; io: a disk or
network failed for now; timeout: it took longer than allowed; input: something that the user mends; code: any other
exception, of a plugin or of the engine."""

PASSING: frozenset[Cause] = frozenset({"lost", "memory", "io"})
"""Causes that may be gone at the next attempt."""

RETRY_SECONDS = (1.0, 10.0)
"""Waiting times before the second and the third attempt; there is no fourth."""

_PASSING_ERRORS = {
    errno.EIO, errno.ESTALE, errno.ENOLCK, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.ETIMEDOUT, errno.EBUSY,
    errno.EINTR, errno.EMFILE, errno.ENFILE, errno.ECONNRESET, errno.ECONNABORTED, errno.EHOSTDOWN, errno.EHOSTUNREACH,
    errno.ENETDOWN, errno.ENETUNREACH, errno.ENOTCONN,
}  # fmt: skip


def cause_of(error: BaseException) -> Cause:
    """The cause of a run's failure by the exception that ended it."""
    system = error.__cause__ if isinstance(error, StoreError) else error
    if isinstance(system, OSError):
        if system.errno == errno.ENOMEM:
            return "memory"
        return "io" if system.errno in _PASSING_ERRORS else "input"
    if is_out_of_memory(error):
        return "memory"
    # Errors that a user can mend say their exit code; those of backbones/ know nothing of this package.
    if isinstance(error, (NoisybenchError, ImportError)) or hasattr(error, "exit_code"):
        return "input"
    return "code"
