"""Atomic writes of files and folders: write under a temporary name, sync, rename.

Temporary names begin with a dot and end in `.tmp`, so that readers ignore them. They name their process, so that
`abandoned` finds those that a killed process left. New files and folders get the permissions that the umask asks for.
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
from benchmark.store.processes import in_text, this_process

ABANDONED_SECONDS = 86_400.0
"""Age at which a temporary file counts as abandoned whoever wrote it: no single file takes a day to write."""
TEMPORARY = ".*.tmp"

_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF}


class StoreError(NoisybenchError):
    """A file of a results folder or cache cannot be written or read."""


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Writes `content`. Raises StoreError where that fails, and leaves a former file as it was."""
    write_through(path, lambda file: file.write(content), durable=durable)


def write_through(path: Path, write: Callable[[BinaryIO], object], *, durable: bool = True) -> None:
    """Lets `write` fill a temporary file, then renames it to `path`, replacing a former file.

    After a crash the file is whole or absent; with `durable` after a power cut too. Raises StoreError where it cannot
    be written.
    """
    try:
        _check_replaceable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(path)
        try:
            _fill(temporary, write, durable)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        if durable:
            sync(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_new(path: Path, content: bytes) -> None:
    """As `write_atomically`, but never replaces a file. Raises FileExistsError where the name is taken.

    The name is reserved by a file that is created exclusively: if two processes want `path`, one fails before it
    writes. This needs no hard links, which some network disks lack.
    """
    reserved = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = reserved.open("xb")
        try:
            with file:
                file.write(str(this_process()).encode())
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
            write_atomically(path, content)
        finally:
            with suppress(OSError):
                reserved.unlink()
    except FileExistsError:
        raise
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_folder(place: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a temporary folder, then renames it to `place`, replacing a former folder.

    The digests of its files are written too, so that `digests.intact` can detect damage, or a folder that was
    renamed. If two processes write it at once, either may win. Raises OSError, after removing the temporary folder.
    """

    def with_digests(scratch: Path) -> None:
        write(scratch)
        (scratch / digests.DIGESTS).write_bytes(digests.of_files(scratch, place.name))

    place.parent.mkdir(parents=True, exist_ok=True)
    for path in abandoned(place.parent):
        remove(path)
    replace_folder(place, with_digests)


def replace_folder(place: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a temporary folder beside `place`, then renames it to `place`, replacing a former folder.

    Whatever goes wrong, a former folder is there as it was. Raises OSError.
    """
    _check_replaceable(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch, former = _temporary(place), _temporary(place)
    scratch.mkdir()
    try:
        write(scratch)
        for path in (*scratch.rglob("*"), scratch):
            sync(path)
        # Rename the former folder away first, so that no reader sees it half deleted.
        with suppress(FileNotFoundError):
            place.rename(former)
        try:
            scratch.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        sync(place.parent)
    finally:
        if former.exists() and not place.exists():
            former.rename(place)
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def sync(path: Path) -> None:
    """Calls fsync, so that a file's content, or the names in a folder, survive a power cut.

    Does nothing where that cannot be done: Windows opens no folder and syncs no file opened for reading, and some
    network disks sync no folder.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        if path.is_dir():
            return
        raise
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(handle)


def abandoned(folder: Path, pattern: str = TEMPORARY) -> Iterator[Path]:
    """Temporary files and folders in `folder` of processes of this machine that have ended, and all old ones."""
    for path in sorted(folder.glob(pattern)):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS or _of_ended(path):
                yield path


def _of_ended(path: Path) -> bool:
    owner = in_text(path.name)
    if owner is None and path.is_file() and path.stat().st_size < 100:
        owner = in_text(path.read_text(errors="replace"))
    return owner is not None and owner.ended()


def remove(path: Path) -> None:
    """Removes a file or a folder, as far as that is possible."""
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _check_replaceable(path: Path) -> None:
    """Raises OSError for /dev/null and the like: whoever may rename there would put a file in its place."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file", str(path))


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{this_process()}.{secrets.token_hex(4)}.tmp")


def _fill(path: Path, write: Callable[[BinaryIO], object], durable: bool) -> None:
    with path.open("xb") as file:
        write(file)
        file.flush()
        if durable:
            os.fsync(file.fileno())


def _cannot_write(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write {path}: {error.strerror or error}; free space or choose another folder, "
        "then run again: finished runs are kept"
    )
