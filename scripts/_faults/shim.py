"""Faults of the file system and of the clock, which a small library (`shim.c`) puts between a process and libc."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
_LAYOUT = struct.Struct("512s6q")
"""As `struct control` of shim.c."""
FOREVER = 2**62
ERRORS = {name: getattr(errno, name) for name in ("EIO", "ESTALE", "ENOLCK", "ENOSPC", "EROFS")}


def with_shim() -> None:
    """Starts this program anew with the library loaded, unless it is. Raises OSError where there is no C compiler."""
    if "FAULTS_SHIM" in os.environ:
        return
    place = Path(os.environ.get("TMPDIR", "/tmp")) / f"noisybench-faults-{os.getpid()}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(place), str(SOURCE), "-ldl"], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(place), "FAULTS_SHIM": str(place)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


@dataclass(frozen=True)
class Control:
    """What the processes of one grid are told, through a file that all of them map."""

    path: Path

    @classmethod
    def new(cls, path: Path, folder: Path) -> Control:
        path.write_bytes(_LAYOUT.pack(os.fsencode(folder), 0, 0, -1, 0, 0, 0))
        return cls(path)

    def fail(self, error: str, first: int, last: int, *, writing: bool = False) -> None:
        """Operations `first` to `last`, counted from 1, end in `error`; with `writing` only writing ones count."""
        folder, count, *_ = self._read()
        self._write(_LAYOUT.pack(folder, count, first, last, ERRORS[error], writing, 0))

    def fail_from_now(self, error: str) -> None:
        self.fail(error, 0, FOREVER, writing=True)

    @property
    def count(self) -> int:
        return self._read()[1]

    @property
    def failed(self) -> int:
        """How many operations have failed."""
        return self._read()[6]

    def _read(self) -> tuple[bytes, int, int, int, int, int, int]:
        return _LAYOUT.unpack(self.path.read_bytes())

    def _write(self, content: bytes) -> None:
        with self.path.open("r+b") as file, mmap.mmap(file.fileno(), _LAYOUT.size) as place:
            place[:] = content

    def apply(self, shift: float = 0.0) -> None:
        """Makes this process, and those that it forks, heed it; its clock is `shift` seconds ahead."""
        library = ctypes.CDLL(os.environ["FAULTS_SHIM"])
        library.faults_map(os.fsencode(self.path))
        library.faults_shift(ctypes.c_double(shift))
