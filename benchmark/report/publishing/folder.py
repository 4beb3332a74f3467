"""Writes a published folder, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmark.errors import UsageError
from benchmark.store import checksums
from benchmark.store.atomic import StoreError, replace_folder
from benchmark.store.published import ARCHIVE


def check(out: Path, files: Mapping[str, bytes]) -> None:
    """Raises UsageError where `out` is a folder that holds anything but a publication, which would be lost."""
    if not out.exists():
        return
    if not out.is_dir() or out.is_symlink():
        raise UsageError(f"{out} is no folder; expected a new folder, or one that was published before (--out DIR)")
    try:
        known = set(checksums.read(out))
    except (OSError, ValueError):
        known = set()
    inside = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_symlink() or not path.is_dir()}
    strange = sorted(inside - known - {*files, ARCHIVE})
    if strange:
        raise UsageError(
            f"{out} holds {strange[0]!r}, which publish did not write and would remove; move it away, or give another "
            "folder (--out DIR)"
        )


def write(out: Path, files: Mapping[str, bytes]) -> None:
    """Replaces `out` by a folder with these files. Raises UsageError as `check`, StoreError where it cannot."""
    check(out, files)

    def fill(scratch: Path) -> None:
        for name, content in files.items():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / name).write_bytes(content)

    try:
        replace_folder(out.absolute(), fill)
    except OSError as error:
        raise StoreError(
            f"cannot write {out}: {error.strerror or error}; free space or choose another folder (--out DIR), then "
            "repeat the command"
        ) from error
