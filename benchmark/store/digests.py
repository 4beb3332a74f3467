"""Content digests of files and folders, and the exchange of paths for digests in configurations."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def digest(path: Path) -> str:
    """ "sha256:..." of a file's bytes, or of a folder's sorted relative names and contents.

    Below a folder, names that begin with a dot do not count: the folder data set ignores them too.
    """
    if path.is_file():
        with path.open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    total = hashlib.sha256()
    for inner in sorted(p for p in path.rglob("*") if p.is_file()):
        if any(part.startswith(".") for part in inner.relative_to(path).parts):
            continue
        total.update(f"{inner.relative_to(path).as_posix()}\0{digest(inner)}\n".encode())
    return "sha256:" + total.hexdigest()


def to_digests(value: Any, sources: dict[str, str]) -> Any:
    """`value` with every Path replaced by its digest; `sources` learns where each digest lies."""
    if isinstance(value, Path):
        key = digest(value)
        sources[key] = str(value.resolve())
        return key
    if isinstance(value, dict):
        return {key: to_digests(inner, sources) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_digests(inner, sources) for inner in value]
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
