"""Content digests of files, folders, arrays and JSON values, and checks that stored content is undamaged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmark.store.tree import walk

DIGESTS = "digests.json"
"""In a folder that was written by `atomic.write_folder`: the digest of every other file in it."""
_SEAL = b"\nsha256:"
_SEAL_BYTES = len(_SEAL) + 64


def canonical(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no white space, shortest floats."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(path: Path) -> str:
    """ "sha256:..." of a file's bytes, or of the sorted names and contents of the files below a folder.

    Links are followed; names that begin with a dot do not count. Raises OSError.
    """
    if not path.is_dir():
        with path.open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    return of_listing((name, path / name) for name in walk(path).files)


def of_listing(files: Iterable[tuple[str, Path]], header: str = "") -> str:
    """ "sha256:..." of `header` and of files in the given order: what is said of each (its name) and its content."""
    # Names on a disk need not be UTF-8.
    total = hashlib.sha256(header.encode("utf-8", "surrogateescape"))
    for said, path in files:
        total.update(f"{said}\0{digest(path)}\n".encode("utf-8", "surrogateescape"))
    return "sha256:" + total.hexdigest()


def seal(content: bytes) -> bytes:
    """`content` with its digest at the end."""
    return content + _SEAL + hashlib.sha256(content).hexdigest().encode()


def unseal(sealed: bytes) -> bytes:
    """The content that was sealed. Raises ValueError if it or its digest is damaged."""
    content = sealed[:-_SEAL_BYTES]
    if seal(content) != sealed:
        raise ValueError("its content does not have the digest at its end")
    return content


def of_files(folder: Path) -> bytes:
    """The content of DIGESTS for the files in `folder`."""
    by_name = {path.relative_to(folder).as_posix(): digest(path) for path in folder.rglob("*") if path.is_file()}
    return canonical(by_name)


def intact(folder: Path) -> bool:
    """Whether all files are in `folder` as `atomic.write_folder` left them (0.15 s for the first look at 100 MB)."""
    try:
        expected = orjson.loads((folder / DIGESTS).read_bytes())
        return bool(expected) and all(current(folder / name) == value for name, value in expected.items())
    except (OSError, ValueError, AttributeError):
        return False


def current(path: Path) -> str:
    """The digest of a file, cached per process until its size, time or inode changes."""
    status = path.stat()
    return _digest_in_state(path, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=1024)
def _digest_in_state(path: Path, size: int, mtime_ns: int, inode: int) -> str:
    return digest(path)


def of_arrays(*arrays: np.ndarray) -> str:
    """ "sha256:..." of the types, shapes and contents of arrays, equal on every platform."""
    total = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        total.update(f"{plain.dtype.str}{plain.shape}".encode())
        total.update(plain.data)
    return "sha256:" + total.hexdigest()


def to_digests(value: Any, sources: dict[str, str], known: Mapping[Path, str] | None = None) -> Any:
    """`value` with every Path replaced by its digest, taken from `known` where it is there.

    Adds digest -> path to `sources`."""
    if isinstance(value, Path):
        key = (known or {}).get(value) or digest(value)
        sources[key] = str(value.absolute())
        return key
    if isinstance(value, dict):
        return {key: to_digests(inner, sources, known) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_digests(inner, sources, known) for inner in value]
    return value


def to_paths(value: Any, sources: Mapping[str, str]) -> Any:
    """The inverse of `to_digests`."""
    if isinstance(value, str):
        return sources.get(value, value)
    if isinstance(value, dict):
        return {key: to_paths(inner, sources) for key, inner in value.items()}
    if isinstance(value, list):
        return [to_paths(inner, sources) for inner in value]
    return value
