"""SHA256SUMS: the digest of every file of a folder, in the form that `sha256sum --check` reads.

The file has one form only (sorted names, two spaces, a line each), so that a change of any of its bytes is a change of
a name or a digest, or is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

NAME = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([^\x00-\x1f\x7f]+)")
LIMIT = 2**24
"""Bytes of a list that is read; a published folder has a few dozen files."""


def encode(files: Mapping[str, bytes]) -> bytes:
    """The list of `files`, name -> content."""
    return _text({name: hashlib.sha256(content).hexdigest() for name, content in files.items()})


def decode(content: bytes) -> dict[str, str]:
    """Name -> digest. Raises ValueError where it is no list as `encode` writes it, or names a file outside."""
    digests: dict[str, str] = {}
    for number, line in enumerate(content.decode().split("\n")[:-1], 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"line {number} is not a SHA-256, two spaces and a file name")
        if not is_inside(match[2]):
            raise ValueError(f"line {number} names {match[2]!r}, which is not a file inside the folder")
        digests[match[2]] = match[1]
    if _text(digests) != content:
        raise ValueError("its lines are not sorted, repeat a name or end without a line break")
    return digests


def is_inside(name: str) -> bool:
    """Whether `name` is a relative path with forward slashes that stays in its folder, in its shortest form."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and path.as_posix() == name != "."


def read(folder: Path) -> dict[str, str]:
    """The list of `folder`. Raises ValueError where it is damaged, OSError where it cannot be read."""
    path = folder / NAME
    if path.stat().st_size > LIMIT:
        raise ValueError(f"it is larger than {LIMIT} bytes")
    return decode(path.read_bytes())


def _text(digests: Mapping[str, str]) -> bytes:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())).encode()
