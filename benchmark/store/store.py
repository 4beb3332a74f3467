"""Records on disk: one JSON file per run, written whole or not at all, and segments of many.

`runs/` holds what ended (`ok`, `diverged`, `skipped`), `segments/` what was compacted of it, `failures/` every
failed attempt, `work/` what may be deleted (checkpoints, caches, logs), `quarantine/` what could not be read.
Correctness rests on records that are written atomically and are functions of their run alone; nothing here
locks. Every reader looks at the loose files first and at the segments after: what is compacted meanwhile is
then seen in one place or in both, and counts once. Where both hold a run, the loose file is the later one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from benchmark.errors import NoisybenchError, UsageError
from benchmark.store.record import CURVE, Record

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
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder, "
            "then run again: finished runs are kept"
        ) from error


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass
class Contents:
    """What a read of the store found."""

    records: list[Record] = field(default_factory=list)
    """Without their curves: `Store.read` has those."""
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
        write_atomically(self.run_path(record["id"]), encode(record))

    def write_failure(self, record: dict[str, Any]) -> None:
        """Failures are never overwritten: each attempt is a file of its own."""
        folder = self.folder / "failures"
        attempt = len(list(folder.glob(f"{record['id']}-*.json"))) + 1
        write_atomically(folder / f"{record['id']}-{attempt:03d}.json", encode(record))

    def finished(self) -> set[str]:
        """Ids of the runs that need not run again, from file names and the segments' columns alone."""
        loose = {path.stem for path in (self.folder / "runs").glob("*/*.json")}
        return loose.union(*(self._ids(segment) for segment in self.segments()))

    def has(self, run_id: str) -> bool:
        return self.run_path(run_id).exists() or run_id in self.finished()

    def read(self, run_id: str) -> dict[str, Any] | None:
        """The whole record of a run, or None where there is none that can be read."""
        content = self.read_bytes(run_id)
        return None if content is None else orjson.loads(content)

    def read_bytes(self, run_id: str) -> bytes | None:
        """The record file of a run as it was written, wherever it is now."""
        loose = self.read_loose(self.run_path(run_id), Contents())
        if loose is not None:
            return loose[1]
        if not (found := self.segments()):
            return None
        from benchmark.store import segments

        for path in found:
            try:
                content = segments.original(path, run_id)
            except segments.UNREADABLE as error:
                raise _damaged(path, error) from error
            if content is not None:
                return content
        return None

    def records(self, fields: Sequence[str] | None = None) -> Contents:
        """All records that can be read, once each; the others are quarantined and named, never counted.

        With `fields` ("state", "metrics.last"), only these and the id are promised to be in the records.
        """
        contents = Contents()
        for path in self.loose():
            read = self.read_loose(path, contents)
            if read is not None:
                contents.records.append({key: value for key, value in read[0].items() if key != CURVE})
        seen = {record["id"] for record in contents.records}
        for path in self.segments():
            for record in self._read_segment(path, fields, contents):
                if record["id"] not in seen:
                    seen.add(record["id"])
                    contents.records.append(record)
        contents.records.sort(key=lambda record: record["id"])
        return contents

    def failures(self) -> dict[str, dict[str, Any]]:
        """The last failure of every run that has no record."""
        last: dict[str, dict[str, Any]] = {}
        for path in self._files("failures"):
            read = self.read_loose(path, Contents())
            if read is not None:
                last[read[0]["id"]] = read[0]
        ended = self.finished() if last else set()
        return {run_id: record for run_id, record in last.items() if run_id not in ended}

    def loose(self) -> Iterator[Path]:
        """Record files that are not compacted yet."""
        return self._files("runs")

    def segments(self) -> list[Path]:
        return sorted((self.folder / "segments").glob("[!.]*.parquet"))

    def _files(self, part: str) -> Iterator[Path]:
        return iter(sorted((self.folder / part).glob("**/[!.]*.json")))

    def read_loose(self, path: Path, contents: Contents) -> tuple[dict[str, Any], bytes] | None:
        """A record file's record and bytes; None where it is absent or had to be quarantined."""
        try:
            content = path.read_bytes()
            record = orjson.loads(content)
            if not isinstance(record, dict) or not {"schema", "id", "spec", "state"} <= record.keys():
                raise ValueError("it is not a run record")
            if not path.stem.startswith(record["id"]):
                raise ValueError(f"its id {record['id']} is not the file's name")
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            self._quarantine(path, str(error), contents)
            return None
        _check_schema(record["schema"], path)
        return record, content

    def _read_segment(self, path: Path, fields: Sequence[str] | None, contents: Contents) -> Sequence[Record]:
        from benchmark.store import segments

        try:
            read = segments.records(path, fields if fields is None else ("schema", *fields))
        except segments.UNREADABLE as error:
            self._quarantine(path, f"not a readable segment, its runs will run again: {error}", contents)
            return []
        for schema in {record["schema"] for record in read}:
            _check_schema(schema, path)
        return read

    def _ids(self, segment: Path) -> list[str]:
        from benchmark.store import segments

        try:
            return segments.ids(segment)
        except segments.UNREADABLE as error:
            raise _damaged(segment, error) from error

    def _quarantine(self, path: Path, reason: str, contents: Contents) -> None:
        target = self.folder / "quarantine" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        contents.quarantined.append((target, reason))


def _check_schema(schema: int, path: Path) -> None:
    if schema != SCHEMA:
        direction = "an older" if schema < SCHEMA else "a newer"
        raise StoreError(
            f"{path} was written by {direction} version (schema {schema}, this one reads {SCHEMA}); "
            "use that version of noisybench, or another folder with --results DIR"
        )


def _damaged(segment: Path, error: Exception) -> StoreError:
    """Nobody wants thousands of runs to run again unasked, so that reading ids alone sets nothing aside."""
    return StoreError(
        f"the segment {segment} cannot be read ({error}); put a copy of it back, "
        "or type `noisybench status`, which sets it aside so that its runs run again"
    )


def encode(record: dict[str, Any]) -> bytes:
    """The bytes of a record file."""
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
