"""The disk of a results folder: its kind, its room, its permissions, and whether it does what the store relies on."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from benchmark.checks.health.finding import Report

NETWORK = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "afs", "9p", "fuse.sshfs", "pvfs")
"""File systems that several machines share, by the beginning of their name."""
LITTLE_BYTES, TOO_FEW_BYTES = 5e9, 2e8
LITTLE_INODES, TOO_FEW_INODES = 50_000, 1_000
SKEW_SECONDS = 60.0
WRITTEN = ("runs", "failures", "segments", "work", "work/claims", "work/runs", "quarantine", "trash")


def disk(folder: Path) -> Iterator[Report]:
    """Reads only."""
    kind = file_system(folder)
    shared = " (shared by machines)" if kind.startswith(NETWORK) else ""
    room = shutil.disk_usage(folder)
    what = f"file system {kind or 'unknown'}{shared}, {room.free / 1e9:.0f} GB free"
    if room.free < TOO_FEW_BYTES:
        yield Report("broken", what, "free space, or `noisybench gc`; no record can be written on a full disk")
    elif room.free < LITTLE_BYTES:
        yield Report("note", what, "`noisybench gc --dry-run` says what may go")
    else:
        yield Report("ok", what)
    if kind == "tmpfs":
        yield Report("note", "the folder is in memory", "its records are gone after a restart: use --results on a disk")
    yield from _inodes(folder)
    refused = [name for name in ("", *WRITTEN) if (folder / name).is_dir() and not _writable(folder / name)]
    for name in refused:
        yield Report("broken", f"{folder / name} cannot be written", f"chmod u+rwx {folder / name}, or see who owns it")
    if not refused:
        yield Report("ok", "its folders can be written")


def _inodes(folder: Path) -> Iterator[Report]:
    if not hasattr(os, "statvfs"):
        return
    status = os.statvfs(folder)
    if not status.f_files:
        return  # a file system without a fixed number of them
    mend = "`noisybench compact` and `noisybench gc` make few files of many"
    if status.f_favail < TOO_FEW_INODES:
        yield Report("broken", f"only {status.f_favail} more files fit on the disk", mend)
    elif status.f_favail < LITTLE_INODES:
        yield Report("note", f"only {status.f_favail} more files fit on the disk", mend)


def _writable(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK)


def probe(folder: Path) -> Iterator[Report]:
    """Tries what the store relies on, in a temporary folder: exclusive creation, renaming, and the clock."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".doctor-", suffix=".tmp") as name:
            yield from _exclusive(Path(name))
            yield from _renaming(Path(name))
            yield from _clock(folder)
    except OSError as error:
        yield Report(
            "broken",
            f"{folder} cannot be tried: {error.strerror or error}",
            "make it writable, or choose another with --results",
        )


def _exclusive(place: Path) -> Iterator[Report]:
    path = place / "claim"
    path.open("xb").close()
    with suppress(FileExistsError):
        path.open("xb").close()
        yield Report(
            "broken",
            "this disk lets two processes create one file exclusively, so that both would carry out one run",
            "use one `noisybench run` at a time here, or another disk (NFS: version 3 or newer)",
        )
        return
    yield Report("ok", "a file is created once only, so that several hosts may share the folder")


def _renaming(place: Path) -> Iterator[Report]:
    old, new = place / "record.json", place / ".record.tmp"
    old.write_bytes(b"old")
    with new.open("xb") as file:
        file.write(b"new")
        file.flush()
        try:
            os.fsync(file.fileno())
            synced = True
        except OSError as error:
            synced = False
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
                raise
    new.replace(old)
    if old.read_bytes() != b"new" or new.exists():
        what = "renaming a file over another one does not replace it on this disk, so that records may tear"
        yield Report("broken", what, "choose another disk with --results")
    elif not synced:
        what = "this disk cannot be told to keep a file (fsync)"
        yield Report("note", what, "the last records may be lost in a power cut; `noisybench run` makes them again")
    else:
        yield Report("ok", "renaming replaces a file, and its content is kept")


def _clock(folder: Path) -> Iterator[Report]:
    before = time.time()
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"now")
        file.flush()
        skew = os.fstat(file.fileno()).st_mtime - before
    if abs(skew) > SKEW_SECONDS:
        yield Report(
            "note",
            f"the clock of the disk is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} that of this machine",
            "set both by NTP: runs are right either way, but ages and `status` of other hosts are not",
        )


def file_system(folder: Path) -> str:
    """The kind of file system that holds `folder`, as Linux names it; "" where that cannot be told."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    place = folder.resolve()
    best: tuple[int, str] = (-1, "")
    for line in lines:
        before, _, after = line.partition(" - ")
        mounted = Path(before.split()[4].replace("\\040", " "))
        if place.is_relative_to(mounted):
            best = max(best, (len(mounted.parts), after.split()[0]), key=lambda one: one[0])
    return best[1]
