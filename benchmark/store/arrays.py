"""Folders of arrays on the disk that appear whole or not at all, and are believed only while they are intact."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

ABANDONED_SECONDS = 86_400.0


def save(path: Path, array: np.ndarray) -> dict[str, Any]:
    """Writes a .npy file and syncs it; returns the facts by which `intact` knows it again. Raises OSError."""
    content = np.ascontiguousarray(array)
    with path.open("wb") as file:
        # Not np.save: it hands the last bytes to a C stream whose failure on a full disk nobody hears of.
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(content))
        file.write(content.data)
        file.flush()
        os.fsync(file.fileno())
    status = path.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": _sha256(path)}


def intact(path: Path, facts: dict[str, Any]) -> bool:
    """Whether a file is as written. Untouched since (size and time) is enough, otherwise its hash decides."""
    status = path.stat()
    if status.st_size != facts["bytes"]:
        return False
    return status.st_mtime_ns == facts["mtime_ns"] or _sha256(path) == facts["sha256"]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def store_folder(place: Path, write: Callable[[Path], None], read: Callable[[], T | None]) -> T | None:
    """What `read` finds at `place` once `write` has filled a folder that then gets this name.

    `read` gives None for what cannot be used. Of two processes the first wins; the other's copy is dropped.
    Raises OSError, and leaves nothing behind then.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(place.parent)
    scratch = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".tmp", dir=place.parent))
    try:
        write(scratch)
        if place.exists() and read() is None:
            # Damaged: out of the way by a rename, so that nobody ever sees it half removed.
            with suppress(FileNotFoundError):
                place.rename(scratch / "damaged")
        try:
            scratch.rename(place)
        except OSError:
            if read() is None:
                raise
        else:
            shutil.rmtree(place / "damaged", ignore_errors=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return read()


def _remove_abandoned(folder: Path) -> None:
    """Temporary folders of processes that were killed while they wrote."""
    for scratch in folder.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - scratch.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(scratch, ignore_errors=True)
