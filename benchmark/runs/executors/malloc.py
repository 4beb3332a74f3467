"""How a process that trains holds its memory."""

from __future__ import annotations

import ctypes

from backbones.base import fast_path_is_on

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
_LARGEST_THRESHOLD = 2**25
"""The largest that glibc takes, in bytes."""


def keep_freed_memory() -> None:
    """Lets glibc hand what one training step frees to the next one, instead of giving it back to the system.

    Every step allocates the same tensors. Fresh pages for them take the kernel 5-8 % of a step of a ResNet-18 at
    28 pixels. Does nothing where the C library is another one, or with `NOISYBENCH_FAST=0`.
    """
    if not fast_path_is_on("malloc"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
