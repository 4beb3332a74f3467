"""Files and folders that are whole or absent: written under another name, synced, renamed.

Everything on disk that must be whole goes through here. A temporary name begins with a dot and ends in `.tmp`, so
that no reader takes it for the thing itself and `abandoned` finds what a killed process left. New files and folders
get the permissions that the umask asks for.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from benchmark.errors import NoisybenchError
from benchmark.store import digests

ABANDONED_SECONDS = 86_400.0
"""Age from which a temporary file belongs to nobody: no single file takes a day to write."""


class StoreError(NoisybenchError):
    """Files of the suite that cannot be written, or cannot be read."""


def write_atomically(path: Path, content: bytes) -> None:
    """Writes `content`; raises StoreError, and leaves what was there, where that cannot be done."""
    write_through(path, lambda file: file.write(content))


def write_through(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Lets `write` fill a file that then gets the name `path`, in place of one that has it.

    After a crash the file is whole or absent. Raises StoreError where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(path)
        try:
            _fill(temporary, write)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_new(path: Path, content: bytes) -> None:
    """As `write_atomically`, but never in place of another file. Raises FileExistsError where the name is taken.

    The temporary name is made of `path` alone and created exclusively. So, of two processes that want the name, one
    is refused before it writes, without the hard links that some network disks lack.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb"):
            pass
        try:
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
            _fill(temporary, lambda file: file.write(content), mode="wb")
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_folder(place: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a folder that then gets the name `place`, in place of one that has it.

    The digests of its files are written too, so that `digests.intact` can tell damage. Of two processes that do so at
    once, either may win. Raises OSError, and leaves nothing behind then.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    for path in abandoned(place.parent):
        remove(path)
    scratch, former = _temporary(place), _temporary(place)
    scratch.mkdir()
    try:
        write(scratch)
        (scratch / digests.DIGESTS).write_bytes(digests.of_files(scratch))
        for path in (*scratch.rglob("*"), scratch):
            sync(path)
        # Out of the way by a rename, so that nobody ever sees it half removed.
        with suppress(FileNotFoundError):
            place.rename(former)
        try:
            scratch.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        sync(place.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def sync(path: Path) -> None:
    """Makes a file's content, or the names in a folder, outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def abandoned(folder: Path, pattern: str = ".*.tmp") -> Iterator[Path]:
    """What processes that were killed while they wrote left in `folder`."""
    for path in sorted(folder.glob(pattern)):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                yield path


def remove(path: Path) -> None:
    """Removes a file or a folder, as far as that is possible."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")


def _fill(path: Path, write: Callable[[BinaryIO], object], mode: str = "xb") -> None:
    with path.open(mode) as file:
        write(file)  # type: ignore[arg-type]  # the mode is binary
        file.flush()
        os.fsync(file.fileno())


def _cannot_write(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write {path}: {error.strerror or error}; free space or choose another folder, "
        "then run again: finished runs are kept"
    )
