"""Reads records.tar.xz, in which earlier versions published the `runs/` of a results folder.

Nothing is unpacked to the disk. What is not a record file is refused, as is an archive that becomes larger than
`LIMIT_BYTES`.
"""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from benchmark.store.checksums import is_inside
from benchmark.store.segments import Original
from benchmark.store.store import run_id_of

LIMIT_BYTES = 2**30
"""Unpacked; the largest published one has .06 GB."""
_XZ = b"\xfd7zXZ\x00"
UNREADABLE = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError)


def originals(path: Path) -> Iterator[Original]:
    """The id and the bytes of every record file, in the archive's order. Raises one of UNREADABLE, OSError."""
    ids: set[str] = set()
    with path.open("rb") as packed:
        begins = packed.read(len(_XZ))
        packed.seek(0)
        unpacked = _Bounded(cast(IO[bytes], lzma.LZMAFile(packed)) if begins == _XZ else packed)  # noqa: SIM115
        with tarfile.open(fileobj=unpacked, mode="r|") as members:
            for member in members:
                if not is_inside(member.name) or Path(member.name).parts[0] != "runs":
                    raise ValueError(f"it holds {member.name!r}, which does not lie in runs/")
                if member.isdir():
                    continue
                if not member.isreg() or member.sparse is not None or not member.name.endswith(".json"):
                    raise ValueError(f"it holds {member.name!r}, which is no record file")
                file = members.extractfile(member)
                assert file is not None
                content = file.read()
                run_id = run_id_of(Path(member.name))
                if run_id in ids:
                    raise ValueError(f"it holds two records of run {run_id}")
                ids.add(run_id)
                yield run_id, content
        # To the end of the file, so that its checksum is compared.
        while block := unpacked.read(2**20):
            if block.strip(b"\0"):
                raise ValueError("something lies behind its end")


class _Bounded(io.RawIOBase):
    """A stream that refuses to become longer than `LIMIT_BYTES`."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self._left = LIMIT_BYTES

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise ValueError(f"it becomes larger than {LIMIT_BYTES} bytes when it is unpacked")
        return content
