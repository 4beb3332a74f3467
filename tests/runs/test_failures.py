"""Which failures may pass, so that a run is tried again, and which a user or a developer has to mend."""

import errno
import os

import pytest

from benchmark.errors import UsageError
from benchmark.runs.failures import cause_of
from benchmark.store.atomic import StoreError


def store_error(number: int) -> StoreError:
    try:
        try:
            raise OSError(number, os.strerror(number))
        except OSError as error:
            raise StoreError("cannot write") from error
    except StoreError as error:
        return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (MemoryError(), "memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."), "memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"), "memory"),
        (OSError(errno.EIO, "Input/output error"), "io"),
        (OSError(errno.ESTALE, "Stale file handle"), "io"),
        (store_error(errno.ENOSPC), "io"),
        (store_error(errno.EACCES), "input"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "cells.npz"), "input"),
        (UsageError("do that"), "input"),
        (ModuleNotFoundError("No module named 'yaml'"), "input"),
        (ZeroDivisionError("division by zero"), "code"),
        (RuntimeError("shapes differ"), "code"),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:40],
)
def test_a_failure_is_tried_again_where_its_cause_may_pass(error, cause):
    assert cause_of(error) == cause
