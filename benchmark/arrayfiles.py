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
from typing import Any

import numpy as np

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


def scratch_folder(place: Path) -> Path:
    """An empty folder beside `place`, to be filled and then published under that name. Raises OSError."""
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(place.parent)
    return Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".tmp", dir=place.parent))


def publish(scratch: Path, place: Path, whole: Callable[[], bool]) -> None:
    """Gives a complete folder its name. Of two processes the first wins; the other's copy is dropped.

    `whole` tells whether what lies at `place` can be used. Raises OSError.
    """
    if place.exists() and not whole():
        # Damaged: out of the way by a rename, so that nobody ever sees it half removed.
        with suppress(FileNotFoundError):
            place.rename(scratch / "damaged")
    try:
        scratch.rename(place)
    except OSError:
        if not whole():
            raise
        return
    shutil.rmtree(place / "damaged", ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Temporary folders of processes that were killed while they wrote."""
    for scratch in folder.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - scratch.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(scratch, ignore_errors=True)
