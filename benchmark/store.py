"""Records on disk: one JSON file per run, written whole or not at all.

`runs/` holds what ended (`ok`, `diverged`, `skipped`), `failures/` every failed attempt, `work/` what may be
deleted (checkpoints, caches, logs), `quarantine/` what could not be read. Correctness rests on records that
are written atomically and are functions of their run alone; nothing here locks.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from benchmark.errors import NoisybenchError, UsageError

SCHEMA = 1
_UMASK = os.umask(0)
os.umask(_UMASK)


class StoreError(NoisybenchError):
    """The results folder cannot be written or holds what this version cannot read."""


def write_atomically(path: Path, content: bytes) -> None:
    """Writes, syncs, renames, and syncs the folder: after a crash the file is whole or absent."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, 0o666 & ~_UMASK)  # temporary files are private; records are as any file
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder, "
            "then run again: finished runs are kept"
        ) from error


@dataclass
class Contents:
    """What a read of the store found."""

    records: list[dict[str, Any]] = field(default_factory=list)
    quarantined: list[tuple[Path, str]] = field(default_factory=list)
    """Files that were set aside, with the reason."""


class Store:
    """The results folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Makes the folder and proves that it can be written. Raises UsageError where it cannot."""
        try:
            for name in ("runs", "failures", "work"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise UsageError(
                f"results folder {self.folder} cannot be written: {error.strerror or error}; "
                "choose another with --results DIR"
            ) from error

    def run_path(self, run_id: str) -> Path:
        return self.folder / "runs" / run_id[:2] / f"{run_id}.json"

    def work(self, run_id: str) -> Path:
        return self.folder / "work" / "runs" / run_id

    def cache(self, name: str) -> Path:
        return self.folder / "work" / name

    def write(self, record: dict[str, Any]) -> None:
        write_atomically(self.run_path(record["id"]), _encode(record))

    def write_failure(self, record: dict[str, Any]) -> None:
        """Failures are never overwritten: each attempt is a file of its own."""
        folder = self.folder / "failures"
        attempt = len(list(folder.glob(f"{record['id']}-*.json"))) + 1
        write_atomically(folder / f"{record['id']}-{attempt:03d}.json", _encode(record))

    def finished(self) -> set[str]:
        """Ids of the runs that need not run again, from file names alone."""
        return {path.stem for path in (self.folder / "runs").glob("*/*.json")}

    def read(self, run_id: str) -> dict[str, Any] | None:
        """The record of a run, or None where there is none that can be read."""
        path = self.run_path(run_id)
        return None if not path.exists() else self._read_file(path, Contents())

    def records(self) -> Contents:
        """All records that can be read; the others are quarantined and named, never counted."""
        contents = Contents()
        for path in self._files("runs"):
            record = self._read_file(path, contents)
            if record is not None:
                contents.records.append(record)
        return contents

    def failures(self) -> dict[str, dict[str, Any]]:
        """The last failure of every run that has no record."""
        finished = self.finished()
        last: dict[str, dict[str, Any]] = {}
        for path in self._files("failures"):
            record = self._read_file(path, Contents())
            if record is not None and record["id"] not in finished:
                last[record["id"]] = record
        return last

    def _files(self, part: str) -> Iterator[Path]:
        return iter(sorted((self.folder / part).glob("**/[!.]*.json")))

    def _read_file(self, path: Path, contents: Contents) -> dict[str, Any] | None:
        try:
            record = orjson.loads(path.read_bytes())
            if not isinstance(record, dict) or not {"schema", "id", "spec", "state"} <= record.keys():
                raise ValueError("it is not a run record")
            if not path.stem.startswith(record["id"]):
                raise ValueError(f"its id {record['id']} is not the file's name")
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            target = self.folder / "quarantine" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
            contents.quarantined.append((target, str(error)))
            return None
        if record["schema"] != SCHEMA:
            direction = "an older" if record["schema"] < SCHEMA else "a newer"
            raise StoreError(
                f"{path} was written by {direction} version (schema {record['schema']}, this one reads {SCHEMA}); "
                "use that version of noisybench, or another folder with --results DIR"
            )
        return record


def _encode(record: dict[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
