"""Reads the records of a results folder, or of a published folder, where they are in one file.

A published folder is named by its path, or by its name alone if it is one of this checkout (`results/published/NAME`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from benchmark.errors import UsageError
from benchmark.option_text import expanded
from benchmark.plugin_source import ROOT
from benchmark.store import checksums, readings, record_archive, record_file, schema
from benchmark.store.atomic import StoreError
from benchmark.store.content import Record, without_bulk
from benchmark.store.digests import current, seal_json, unseal_json
from benchmark.store.readable import cannot_read
from benchmark.store.schema import Names
from benchmark.store.segments import Original
from benchmark.store.store import PUBLISHED_FILES, Contents, Store, parse

TABLE, ARCHIVE = PUBLISHED_FILES
"""In a published folder: its records, see `record_table`; and the `runs/` of the results folder."""
MISSING = "missing.json"
"""The runs of the grid that have no record, in a folder that was published with holes."""
PUBLISHED = ROOT / "results" / "published"
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError)
"""What migration raises where a record is not what it should be."""


class Missing(TypedDict):
    """A run of the published grid that has no record."""

    id: str
    spec: dict[str, Any]
    labels: Names


def names() -> list[str]:
    """Names of the published folders of this checkout."""
    return sorted({path.parent.name for name in (TABLE, ARCHIVE) for path in PUBLISHED.glob(f"*/{name}")})


def read(place: Path, fields: Sequence[str] | None = None) -> Contents:
    """The records at `place`: a results folder, a published folder, its archive, or the name of a published folder.

    One record per run, and the last failure of every run that has no record. `fields` as for `Store.records`. Raises
    UsageError where there is nothing to read, StoreError where it cannot be read.
    """
    path = located(place)
    file = file_of(path)
    if file is not None:
        return _read_file(file, fields)
    store = Store(path)
    contents, failures = store.records(fields), store.failures()
    contents.records += failures.records
    contents.broken += failures.broken
    if not contents.records and not contents.broken:
        raise UsageError(_nothing(path))
    return contents


def originals(place: Path, ids: Collection[str] | None = None) -> Iterator[Original]:
    """Every run at `place`, once, with the bytes of its record file, of `ids` only where they are given.

    The last failure of a run that has no record is one of them. Raises as `read`; a broken file is an error.
    """
    path = located(place)
    file = file_of(path)
    if file is None:
        yield from Store(path).originals(ids)
        return
    yield from (original for original in _file_originals(file) if ids is None or original[0] in ids)


def whole(place: Path, ids: Collection[str] | None = None) -> Iterator[Record]:
    """The records of `originals`, with their curves and outcomes."""
    for run_id, content in originals(place, ids):
        try:
            yield record_file.decode(content, f"the record of {run_id}")
        except _MALFORMED as error:
            raise damaged(place, f"the record of {run_id}: {error}") from error


def fault_of_readings() -> StoreError | None:
    """The first fault of the records that this process has read; None where all are as they are defined."""
    try:
        for place in sorted(readings.places):
            with suppress(UsageError):  # of a place without any record yet
                for record in whole(place):
                    if problem := schema.fault(record):
                        return damaged(place, f"the record of {record['id']} {problem}")
    except StoreError as error:
        return error
    return None


def missing(place: Path) -> list[Missing]:
    """The runs of the published grid that have no record. Raises StoreError where the list is damaged."""
    path = located(place) / MISSING
    if not path.is_file():
        return []
    try:
        return unseal_json(path.read_bytes())["runs"]
    except OSError as error:
        raise cannot_read(path, error) from error
    except _MALFORMED as error:
        raise damaged(path, str(error)) from error


def encode_missing(runs: Sequence[Missing]) -> bytes:
    """The content of MISSING."""
    return seal_json({"runs": sorted(runs, key=lambda run: run["id"])})


def located(place: Path) -> Path:
    """The folder or file that `place` names. Raises UsageError where it holds nothing that could be a record."""
    path = expanded(place)
    try:
        if _may_hold_records(path):
            return path
    except OSError as error:
        raise cannot_read(path, error) from error
    if place.name == str(place) and place.name in names():
        return PUBLISHED / place
    raise UsageError(_nothing(path))


def file_of(path: Path) -> Path | None:
    """The file of published records that `path` is or holds; None of a results folder."""
    return next((file for file in (path, path / TABLE, path / ARCHIVE) if file.is_file()), None)


def _may_hold_records(path: Path) -> bool:
    """Whether `path` is a file, or a folder that holds records. Raises OSError where it cannot be listed."""
    if file_of(path) is not None:
        return True
    try:
        list(path.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False
    store = Store(path)
    return any(True for files in (store.loose(), store.segments(), store.attempts()) for _ in files)


def _read_file(file: Path, fields: Sequence[str] | None) -> Contents:
    readings.places.add(file)
    try:
        if file.suffix == ".parquet":
            from benchmark.store import record_table

            _check_sum(file)
            records: list[Record] = record_table.records(file, fields)
        else:
            contents, found = Contents(), []
            for run_id, content in record_archive.originals(file):
                # The place that the file has in a results folder: its name must be the record's id.
                record = parse(file / "runs" / run_id[:2] / f"{run_id}.json", content, contents)
                found += [] if record is None else [without_bulk(record)]
            for path, reason in contents.broken:
                raise damaged(file, f"{path}: {reason}")
            records = found
    except StoreError:
        raise
    except Exception as error:
        raise _told(file, error) from error
    if not records:
        raise damaged(file, "it holds no record")
    return Contents(sorted(records, key=lambda record: record["id"]))


def _file_originals(file: Path) -> Iterator[Original]:
    try:
        if file.suffix == ".parquet":
            from benchmark.store import record_table

            _check_sum(file)
            yield from record_table.originals(file)
        else:
            yield from record_archive.originals(file)
    except (StoreError, GeneratorExit):
        raise
    except Exception as error:
        raise _told(file, error) from error


def _check_sum(file: Path) -> None:
    """Raises ValueError where a published folder names another digest of `file`."""
    try:
        named = checksums.read(file.parent)
    except FileNotFoundError:
        return  # a copy of the file alone
    if file.name in named and current(file) != f"sha256:{named[file.name]}":
        raise ValueError(f"it does not have the digest in {checksums.NAME}")


def _told(file: Path, error: Exception) -> Exception:
    """The error to raise in place of `error`, which came up while `file` was read."""
    if isinstance(error, OSError) and error.errno is not None:
        return cannot_read(file, error)
    if isinstance(error, (*_unreadable(), *_MALFORMED, OSError)):
        reason = str(error).partition("\n")[0].rstrip(":") or "it ends too early"  # tarfile lists what it tried
        return damaged(file, reason)
    return error


def _unreadable() -> tuple[type[Exception], ...]:
    from benchmark.store import segments

    return (*record_archive.UNREADABLE, *segments.UNREADABLE)


def damaged(place: Path, reason: str) -> StoreError:
    """The error where records in `place`, a results folder or a file, are not what they should be."""
    if file_of(place) is None:
        remedy = f"type `noisybench doctor --results {place}`, which moves it aside so that `run` makes it again"
        return StoreError(f"{place} holds a damaged record ({reason}); {remedy}")
    return StoreError(
        f"{place} is damaged ({reason}); expected published records: put a copy of it back, "
        f"such as with `git checkout -- {place}`"
    )


def _nothing(path: Path) -> str:
    missing = "holds no record" if path.exists() else "does not exist"
    inner = {"runs", "segments", "failures"}
    hint = f"did you mean {path.parent}? " if path.name in inner and path.is_dir() else ""
    published = ", ".join(names()) or "none in this installation"
    return (
        f"{path} {missing}; {hint}expected a results folder (with runs/ or segments/), a folder with {TABLE} or "
        f"{ARCHIVE}, or the name of a published table: {published}"
    )
