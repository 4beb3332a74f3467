"""Records on disk: one JSON file per run, written whole or not at all, and segments of many.

`runs/` holds what ended (`ok`, `diverged`, `skipped`), `segments/` what was compacted of it, `failures/` every
failed attempt, `work/` what may be deleted (checkpoints, caches, logs), `quarantine/` what was broken.
Correctness rests on records that are written atomically and are functions of their run alone; nothing here
locks. Every reader looks at the loose files first and at the segments after: what is compacted meanwhile is
then seen in one place or in both, and counts once. Where both hold a run, the loose file is the later one.

Reading never writes. Broken files are reported (`Contents.broken`), and only `quarantine` moves them. A file that
cannot be read now (permissions, a disk's error) may be whole: reading it raises CannotRead.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from benchmark.errors import UsageError
from benchmark.store import readings
from benchmark.store.atomic import StoreError, write_atomically, write_new
from benchmark.store.content import Record, without_bulk
from benchmark.store.migration import current, earlier_fields
from benchmark.store.readable import cannot_read, present
from benchmark.store.record_file import decode, encode

if TYPE_CHECKING:
    from benchmark.store.segments import Original

T = TypeVar("T")

QUARANTINE = "quarantine"


class Broken(NamedTuple):
    """A file that was read and is not what it should be, with the reason."""

    path: Path
    reason: str


@dataclass
class Contents:
    """Result of reading the store."""

    records: list[Record] = field(default_factory=list)
    """Without their curves: `Store.read` has those."""
    broken: list[Broken] = field(default_factory=list)
    """Files that do not count; they stay where they are."""
    copies: list[Path] = field(default_factory=list)
    """Second files of a run, as sync tools make them ("<id> (1).json"): the run counts once."""


PUBLISHED_FILES = ("records.parquet", "records.tar.xz")
"""The records of a published folder: as of now, and as earlier versions wrote them."""


class Store:
    """The results folder."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError for a published folder, whose records are in one file, and CannotRead."""
        if not present(folder / "runs") and any(present(folder / name) for name in PUBLISHED_FILES):
            raise UsageError(
                f"{folder} is a published folder; expected a results folder. Commands that take --with read it so "
                f"(`noisybench table --with {folder}`)"
            )
        self.folder = folder
        self._segment_ids: dict[Path, frozenset[str]] = {}

    def prepare(self) -> None:
        """Creates the folder and checks that it is writable. Raises UsageError if it is not."""
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

    def log(self, run_id: str) -> Path:
        """What a run printed, all attempts together."""
        return self.work(run_id) / "log.txt"

    def checkpoint(self, run_id: str) -> Path:
        """From what a run goes on that was stopped."""
        return self.work(run_id) / "checkpoint.pt"

    def cache(self, name: str) -> Path:
        return self.folder / "work" / name

    def write(self, record: Record) -> None:
        write_atomically(self.run_path(record["id"]), encode(record))

    def write_failure(self, record: Record) -> None:
        """Writes a new file per attempt. Never reuses the name of a quarantined failure or of another process's."""
        run_id, folder = record["id"], self.folder / "failures"
        earlier = [*folder.glob(f"{run_id}-*"), *(self.folder / QUARANTINE).glob(f"{run_id}-*")]
        for attempt in itertools.count(max(map(attempt_of, earlier), default=0) + 1):
            try:
                write_new(folder / f"{run_id}-{attempt:03d}.json", encode(record))
            except FileExistsError:
                continue
            return

    def finished(self) -> set[str]:
        """Ids of the runs that need not run again, from file names and the segments' columns alone."""
        loose = {run_id_of(path) for path in self.loose()}
        return loose.union(*(self._ids(segment) for segment in self.segments()))

    def has(self, run_id: str, without: Collection[str] = ()) -> bool:
        """Whether a run has a record, sound or not, without a look at those of other runs. Raises StoreError.

        `without`: names of segments that are known not to hold it.
        """
        if present(self.run_path(run_id)) or self.files_of(run_id):
            return True
        segments = [segment for segment in self.segments() if segment.name not in without]
        for segment in segments:  # named by their content: what was read once stays true
            if segment not in self._segment_ids:
                self._segment_ids[segment] = frozenset(self._ids(segment))
        return any(run_id in self._segment_ids[segment] for segment in segments)

    def segments_looked_at(self) -> list[str]:
        """Names of the segments that `has` has read."""
        return sorted(segment.name for segment in self._segment_ids)

    def read(self, run_id: str) -> Record | None:
        """The whole record of a run, or None where there is none. Raises StoreError where it cannot be read."""
        content = self.read_bytes(run_id)
        return None if content is None else decode(content, f"the record of {run_id}")

    def read_bytes(self, run_id: str) -> bytes | None:
        """The record file of a run as it was written, wherever it is now."""
        contents = Contents()
        for path in self.files_of(run_id):
            if loose := self.read_loose(path, contents):
                return loose[1]
        for path in self.segments():
            from benchmark.store import segments

            try:
                content = segments.original(path, run_id)
            except segments.UNREADABLE as error:
                raise self._broken(f"the segment {path}", _reason(path, error)) from error
            if content is not None:
                return content
        for path, reason in contents.broken:
            raise self._broken(f"the record {path}", reason)
        return None

    def originals(self, ids: Collection[str] | None = None) -> Iterator[Original]:
        """Every run with the bytes of its record file, or of its last failure, once; of `ids` only where given.

        Loose files come first, every segment is read once. Raises StoreError where a file is broken or cannot be read.
        """
        from benchmark.store import segments

        contents = Contents()
        told: set[str] = set()

        def new(run_id: str) -> bool:
            return run_id not in told and (ids is None or run_id in ids)

        for path in sorted(self.loose(), key=lambda path: (path != self.run_path(run_id_of(path)), path)):
            if new(run_id_of(path)) and (read := self.read_loose(path, contents)):
                told.add(read[0]["id"])
                yield read[0]["id"], read[1]
        for path in self.segments():
            try:
                for run_id, content in segments.originals(path):
                    if new(run_id):
                        told.add(run_id)
                        yield run_id, content
            except segments.UNREADABLE as error:
                raise self._broken(f"the segment {path}", _reason(path, error)) from error
        for path in sorted(self.attempts(), key=lambda path: (-attempt_of(path), path)):
            if new(run_id_of(path)) and (read := self.read_loose(path, contents)):
                told.add(read[0]["id"])
                yield read[0]["id"], read[1]
        for path, reason in contents.broken:
            raise self._broken(f"the record {path}", reason)

    def files_of(self, run_id: str) -> list[Path]:
        """The loose record files of a run: its own first, then second copies of it."""
        own = self.run_path(run_id)
        copies = self.files(f"runs/{run_id[:2]}/[!.]*{run_id[1:]}*.json")
        return sorted((path for path in copies if run_id_of(path) == run_id), key=lambda path: (path != own, path))

    def records(self, fields: Sequence[str] | None = None) -> Contents:
        """All records that can be read, once each; the broken files are named, never counted, never moved.

        With `fields` ("state", "metrics.last"), the records are only sure to hold these and the id.
        Raises StoreError where a file cannot be read now, or is of another schema.
        """
        readings.places.add(self.folder)
        contents = Contents()
        records: dict[str, Record] = {}
        copies: list[tuple[Path, Record]] = []
        for path in self.loose():
            read = self.read_loose(path, contents)
            if read is None:
                continue
            record = without_bulk(read[0])
            if path != self.run_path(record["id"]) or records.setdefault(path.stem, record) is not record:
                copies.append((path, record))

        def compacted(path: Path) -> list[Record]:
            from benchmark.store import segments

            rows = segments.records(path, fields if fields is None else earlier_fields(fields))
            return [current(record, str(path)) for record in rows]

        for path in self.segments():
            for record in self.read_segment(path, compacted, contents) or ():
                records.setdefault(record["id"], record)
        for path, copy in copies:
            if records.setdefault(copy["id"], copy) is not copy:
                contents.copies.append(path)
        contents.records = [record for _, record in sorted(records.items())]
        return contents

    def failures(self) -> Contents:
        """The last failure of every run that has no record."""
        contents = Contents()
        last: dict[str, Record] = {}
        for path in sorted(self.attempts(), key=lambda path: (attempt_of(path), path)):
            read = self.read_loose(path, contents)
            if read is not None:
                last[read[0]["id"]] = read[0]
        ended = self.finished() if last else set()
        contents.records = [record for run_id, record in sorted(last.items()) if run_id not in ended]
        return contents

    def loose(self) -> Iterator[Path]:
        """Record files that are not compacted yet."""
        return iter(self.files("runs/**/[!.]*.json"))

    def attempts(self) -> Iterator[Path]:
        """Files of failed attempts."""
        return iter(self.files("failures/**/[!.]*.json"))

    def last_attempts(self, ids: Collection[str]) -> dict[str, Path]:
        """Run id -> file of its last failed attempt, of those of `ids` that have failed; the folder is listed once."""
        found = [path for path in self.attempts() if run_id_of(path) in ids]
        return {run_id_of(path): path for path in sorted(found, key=lambda path: (attempt_of(path), path))}

    def segments(self) -> list[Path]:
        return self.files("segments/[!.]*.parquet")

    def files(self, *patterns: str) -> list[Path]:
        """What matches one of `patterns`, sorted, outside of hidden folders. Raises CannotRead where a folder cannot
        be listed."""
        return sorted(path for pattern in patterns for path in _matching(self.folder, pattern.split("/")))

    def read_loose(self, path: Path, contents: Contents) -> tuple[Record, bytes] | None:
        """A record file's record and bytes; None if it is absent or broken. A broken file is added to `contents`."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise cannot_read(path, error) from error
        record = parse(path, content, contents)
        return None if record is None else (record, content)

    def read_segment(self, path: Path, read: Callable[[Path], list[T]], contents: Contents) -> list[T] | None:
        """The result of `read` on a segment; None if it is absent or broken. A broken one is added to `contents`."""
        from benchmark.store import segments

        try:
            return read(path)
        except FileNotFoundError:
            return None
        except segments.UNREADABLE as error:
            contents.broken.append(Broken(path, f"not a readable segment: {_reason(path, error)}"))
            return None

    def _ids(self, segment: Path) -> list[str]:
        from benchmark.store import segments

        try:
            return segments.ids(segment)
        except segments.UNREADABLE as error:
            raise self._broken(f"the segment {segment}", _reason(segment, error)) from error

    def quarantine(self, path: Path) -> Path | None:
        """Moves a broken file to the quarantine, under a name that is unused there, and returns its new path.

        None if another process has moved it already. Raises StoreError if it cannot be moved.
        """
        folder = self.folder / QUARANTINE
        for number in itertools.count(1):
            target = folder / (path.name if number == 1 else f"{path.stem}.{number}{path.suffix}")
            try:
                folder.mkdir(parents=True, exist_ok=True)
                target.touch(exist_ok=False)  # reserves the name among processes that quarantine
                path.replace(target)
            except FileExistsError:
                continue
            except FileNotFoundError:
                target.unlink(missing_ok=True)
                return None
            except OSError as error:
                with suppress(OSError):
                    target.unlink(missing_ok=True)
                raise StoreError(
                    f"cannot move {path}, which is broken, to {folder}: {error.strerror or error}; "
                    "make the folder writable, then repeat the command"
                ) from error
            return target
        raise AssertionError("there is always a next number")

    def _broken(self, what: str, reason: str) -> StoreError:
        return StoreError(
            f"{what} is broken ({reason}); put a copy of it back, or type "
            f"`noisybench doctor --results {self.folder}`, which moves it aside so that `run` makes it again"
        )


def _matching(folder: Path, pattern: list[str]) -> Iterator[Path]:
    """As `Path.glob`, which skips folders that cannot be listed: their records would count as absent."""
    name, *rest = pattern
    if name == "**":
        yield from _matching(folder, rest)
    try:
        with os.scandir(folder) as listed:
            entries = list(listed)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise cannot_read(folder, error) from error
    for entry in entries:
        if name == "**" and entry.is_dir() and not entry.name.startswith("."):
            yield from _matching(folder / entry.name, pattern)
        elif name != "**" and fnmatch.fnmatchcase(entry.name, name):
            if rest:
                yield from _matching(folder / entry.name, rest)
            else:
                yield folder / entry.name


def parse(path: Path, content: bytes, contents: Contents) -> Record | None:
    """The record in the bytes of the file `path`; None if it is broken, which is added to `contents`."""
    try:
        record = decode(content, str(path))
        if run_id_of(path) != record["id"]:
            raise ValueError(f"its id {record['id']} is not the file's name")
        if (path.parent.name == "failures") != (record["state"] == "failed"):
            raise ValueError(f"a record of state {record['state']!r} does not belong into this folder")
        return record
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # migration meets whatever is there
        contents.broken.append(Broken(path, str(error)))
        return None


def run_id_of(path: Path) -> str:
    """The run's id in the name of a record or failure: "3f2a" of 3f/3f2a.json, 3f/3f2a (1).json and 3f2a-001.json.

    Sync tools add words before and behind it; the id is the one that its folder is named after, or looks like one.
    """
    words = re.findall(r"[0-9A-Za-z]+", path.stem) or [path.stem]
    return max(words, key=lambda w: (w.startswith(path.parent.name), bool(re.fullmatch("[0-9a-f]{16}", w)), len(w)))


def attempt_of(path: Path) -> int:
    """The number in a failure's name: 12 of "3f2a-012.json", 0 where there is none."""
    match = re.search(rf"{run_id_of(path)}-(\d+)", path.name)
    return int(match[1]) if match else 0


def _reason(segment: Path, error: Exception) -> str:
    """Why a segment is broken. Raises CannotRead for an error of the system: the segment may be whole then."""
    if isinstance(error, OSError) and error.errno is not None:
        raise cannot_read(segment, error) from error
    return str(error)
