"""Reads the records of a results folder, or of a published folder, where they are in an archive.

A published folder is named by its path, or by its name alone if it is one of this checkout (`results/published/NAME`).
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import UsageError
from benchmark.option_text import expanded
from benchmark.plugin_source import ROOT
from benchmark.store.atomic import StoreError
from benchmark.store.content import Record, without_bulk
from benchmark.store.store import Contents, Store, cannot_read, parse

ARCHIVE = "records.tar.xz"
"""In a published folder: the `runs/` of the results folder that it was made from."""
PUBLISHED = ROOT / "results" / "published"
_DAMAGED = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError)


def names() -> list[str]:
    """Names of the published folders of this checkout."""
    return sorted(path.parent.name for path in PUBLISHED.glob(f"*/{ARCHIVE}"))


def read(place: Path, fields: Sequence[str] | None = None) -> Contents:
    """The records at `place`: a results folder, a published folder, its archive, or the name of a published folder.

    One record per run, and the last failure of every run that has no record. `fields` as for `Store.records`. Raises
    UsageError where there is nothing to read, StoreError where it cannot be read.
    """
    path = expanded(place)
    contents = _read(path, fields)
    if contents is None and place.name == str(place) and place.name in names():
        contents = _read(PUBLISHED / place, fields)
    if contents is None:
        raise UsageError(_nothing(path))
    return contents


def _read(path: Path, fields: Sequence[str] | None) -> Contents | None:
    """As `read`, of a path; None if nothing there could be a record."""
    try:
        archive = path if path.is_file() else path / ARCHIVE
        if archive.is_file():
            return _read_archive(archive)
        list(path.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise cannot_read(path, error) from error
    store = Store(path)
    contents, failures = store.records(fields), store.failures()
    contents.records += failures.records
    contents.broken += failures.broken
    return contents if contents.records or contents.broken else None


def _read_archive(archive: Path) -> Contents:
    contents = Contents()
    records: dict[str, Record] = {}
    try:
        with tarfile.open(archive) as members:
            for member in members:
                path = Path(member.name)
                file = members.extractfile(member)  # None for what is no file, such as a folder
                if file is None or path.suffix != ".json":
                    continue
                record = parse(archive / path, file.read(), contents)
                if record is not None:
                    records[record["id"]] = without_bulk(record)
    except _DAMAGED as error:
        reason = str(error).partition("\n")[0].rstrip(":") or "it ends too early"  # tarfile lists what it tried
        raise _damaged(archive, reason) from error
    except OSError as error:
        raise cannot_read(archive, error) from error
    if contents.broken or not records:
        reason = "{0.path}: {0.reason}".format(contents.broken[0]) if contents.broken else "it holds no record"
        raise _damaged(archive, reason)
    contents.records = [record for _, record in sorted(records.items())]
    return contents


def _damaged(archive: Path, reason: str) -> StoreError:
    return StoreError(
        f"{archive} is damaged ({reason}); expected an archive of record files: put a copy of it back, "
        f"such as with `git checkout -- {archive}`"
    )


def _nothing(path: Path) -> str:
    missing = "holds no record" if path.exists() else "does not exist"
    inner = {"runs", "segments", "failures"}
    hint = f"did you mean {path.parent}? " if path.name in inner and path.is_dir() else ""
    published = ", ".join(names()) or "none in this installation"
    return (
        f"{path} {missing}; {hint}expected a results folder (with runs/ or segments/), a folder with {ARCHIVE}, "
        f"or the name of a published table: {published}"
    )
