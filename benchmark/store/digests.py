"""Content digests of files, folders, arrays and JSON values, and checks that stored content is undamaged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmark.store.checksums import is_inside
from benchmark.store.tree import walk

DIGESTS = "digests.json"
"""In a folder that was written by `atomic.write_folder`: the digest of every other file in it."""
_MARK = b"sha256:"
_ZEROS = b"0" * 64
SLOT = _MARK + _ZEROS
"""Placeholder of a digest: a writer puts it into a file, behind anything else that begins with "sha256:"."""


class NoDigestError(ValueError):
    """A file without a digest: an earlier version wrote it, or it is damaged."""


def canonical(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no white space, shortest floats."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(path: Path) -> str:
    """ "sha256:..." of a file's bytes, or of the sorted names and contents of the files below a folder.

    Links are followed; names that begin with a dot do not count. Raises OSError.
    """
    if not path.is_dir():
        with path.open("rb") as file:
            return of_stream(file)
    return of_listing((name, digest(path / name)) for name in walk(path).files)


def of_stream(stream: BufferedReader | BytesIO) -> str:
    """ "sha256:..." of what is left to read."""
    return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def of_listing(files: Iterable[tuple[str, str]], header: str = "") -> str:
    """ "sha256:..." of `header` and of files in the given order: what is said of each (its name), and its digest."""
    # Names on a disk need not be UTF-8.
    total = hashlib.sha256(header.encode("utf-8", "surrogateescape"))
    for said, content in files:
        total.update(f"{said}\0{content}\n".encode("utf-8", "surrogateescape"))
    return "sha256:" + total.hexdigest()


def seal(content: bytes, key: str = "") -> bytes:
    """`content` with its SLOT replaced by the SHA-256 of `content` and `key`.

    `key` is what a file is named by, such as a run's id: under another name its digest is wrong.
    """
    at = content.rindex(SLOT) + len(_MARK)
    return content[:at] + _sealed_sum(content, at, key) + content[at + 64 :]


def check_seal(sealed: bytes, key: str = "") -> None:
    """Raises ValueError unless `sealed` is as `seal` returned it."""
    at = sealed.rfind(_MARK) + len(_MARK)
    if at < len(_MARK):
        raise NoDigestError("it has no digest")
    if sealed[at : at + 64] != _sealed_sum(sealed, at, key):
        raise ValueError("it does not have the digest that it names: it is damaged, or it is the content of another")


def _sealed_sum(content: bytes, at: int, key: str) -> bytes:
    """SHA-256 of `key` and `content`, with zeros for the 64 digits at `at`."""
    view = memoryview(content)
    total = hashlib.sha256(f"{key}\0".encode())
    for part in (view[:at], _ZEROS, view[at + 64 :]):
        total.update(part)
    return total.hexdigest().encode()


def seal_json(value: Mapping[str, Any], key: str = "") -> bytes:
    """`value` as canonical JSON with a last field, `digest`."""
    content = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)
    return seal(content[:-1] + b',"digest":"' + SLOT + b'"}', key)


def unseal_json(sealed: bytes, key: str = "") -> dict[str, Any]:
    """The JSON object that was sealed. Raises ValueError if anything but white space or order has changed."""
    value = orjson.loads(sealed)
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    check_json(value, sealed, key)
    return value


def check_json(value: dict[str, Any], sealed: bytes, key: str = "") -> None:
    """As `unseal_json`, of the object `value` that `sealed` holds; removes its digest."""
    named = value.pop("digest", None)
    try:
        check_seal(sealed, key)
    except ValueError:
        if named is None or not seal_json(value, key).endswith(f'"{named}"}}'.encode()):
            raise


def of_files(folder: Path, key: str) -> bytes:
    """The content of DIGESTS for the files in `folder`, which will be named `key`."""
    by_name = {path.relative_to(folder).as_posix(): digest(path) for path in folder.rglob("*") if path.is_file()}
    return seal_json({"files": by_name}, key)


def intact(folder: Path) -> bool:
    """Whether `check_files` finds nothing, and all files can be read."""
    try:
        check_files(folder)
    except (OSError, ValueError):
        return False
    return True


def check_files(folder: Path) -> None:
    """Raises ValueError unless all files are in `folder` as `atomic.write_folder` left them, OSError where one cannot
    be read (0.15 s for the first look at 100 MB)."""
    try:
        expected = unseal_json((folder / DIGESTS).read_bytes(), folder.name)["files"]
        for name, value in expected.items():
            if not is_inside(name):
                raise ValueError(f"{DIGESTS} names {name!r}, which is not a file inside the folder")
            if current(folder / name) != value:
                raise ValueError(f"{name} does not have the digest in {DIGESTS}")
    except FileNotFoundError as error:
        raise ValueError(f"there is no {Path(error.filename).name}") from None


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
