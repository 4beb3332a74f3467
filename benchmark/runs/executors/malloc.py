"""glibc malloc tuning for training processes."""

from __future__ import annotations

import ctypes

from backbones.base import fast_path_is_on

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
_LARGEST_THRESHOLD = 2**25
"""Largest threshold that glibc accepts, in bytes."""


def keep_freed_memory() -> None:
    """Makes glibc keep the memory that a training step frees for the next step, instead of returning it to the system.

    Every step allocates the same tensors. Getting fresh pages for them from the kernel takes 5-8 % of a
    ResNet-18 step at 28 pixels. Does nothing where the C library is another one, or with `NOISYBENCH_FAST=0`.
    """
    if not fast_path_is_on("malloc"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # Windows cannot name the program itself
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
