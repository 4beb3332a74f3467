"""Arrays as .npy files, so that they can be memory-mapped, and as compressed .npz files with their digest."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmark.store.digests import SLOT, check_seal, seal

UNREADABLE = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, SyntaxError, RuntimeError, MemoryError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
"""What numpy raises for a .npy or .npz file that is damaged, cut off, encrypted, or none: its header is Python source,
and the archive may be anything."""


def save(path: Path, array: np.ndarray) -> None:
    """Writes a .npy file. Raises OSError, also where the disk is full only at the last bytes."""
    content = np.ascontiguousarray(array)
    with path.open("wb") as file:
        # Not np.save: it writes through a C stream, and misses the error if the disk is full at the last bytes.
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(content))
        file.write(content.data)


def seal_npz(arrays: Mapping[str, np.ndarray], key: str = "") -> bytes:
    """A .npz file that anyone can read, with its digest as the comment of the archive; `key` as in `seal`."""
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    with zipfile.ZipFile(content, "a") as archive:
        archive.comment = SLOT
    return seal(content.getvalue(), key)


def unseal_npz(sealed: bytes, key: str) -> dict[str, np.ndarray]:
    """The arrays that were sealed. Raises ValueError where the file is damaged."""
    check_seal(sealed, key)
    with np.load(io.BytesIO(sealed), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
