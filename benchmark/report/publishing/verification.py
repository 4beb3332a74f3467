"""Checks a published folder: its bytes, its records, and whether what it shows follows from them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.errors import NoisybenchError, UsageError
from benchmark.report.page.shell import INDEX
from benchmark.report.publishing import content, identities, views
from benchmark.report.publishing.publication import Makers, Publication
from benchmark.store import checksums, published, schema
from benchmark.store.content import Record, content_digest, id_of
from benchmark.store.digests import digest
from benchmark.store.published import ARCHIVE, MISSING, TABLE, Missing
from benchmark.store.record_file import decode
from benchmark.store.segments import Original

NAMED = 20
"""More faults of records than this are counted instead of named."""
LIMIT_FILE = 2**30
"""Bytes of a file; a published folder has megabytes."""


_SIGNS = (checksums.NAME, TABLE, ARCHIVE)
"""A folder that has none of these was not published, or has lost all that could be checked."""
_RESULTS = ("runs", "segments", "failures")
"""Folders of a results folder."""


@dataclass
class Verification:
    """What was checked, and what was found wrong."""

    files: int = 0
    """Files of the folder that were checked, the list of digests among them: as many as `publish` says it wrote."""
    records: int = 0
    remade: list[str] = field(default_factory=list)
    """Names of files that were made again from the records, with equal bytes."""
    faults: list[str] = field(default_factory=list)
    """A sentence each."""
    notes: list[str] = field(default_factory=list)
    """What could not be checked."""


def verify(folder: Path, makers: Makers) -> Verification:
    """Checks everything in `folder` that can be checked without training. Raises UsageError where it is not one."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; {_expected()}")
    done = Verification()
    names = _names(folder, done)
    if not names & set(_SIGNS):
        raise UsageError(f"{folder} holds no published records; {_hint(folder)}{_expected()}")
    if checksums.NAME in names:
        _check_bytes(folder, names, done)
    elif ARCHIVE in names and TABLE not in names:
        done.notes.append(
            f"there is no {checksums.NAME}, as an earlier version published this folder: bytes are checked as far as "
            "records and tables tell"
        )
    else:
        done.faults.append(f"{checksums.NAME} is missing: put a copy of the folder back")
    if done.faults:
        done.notes.append("records and tables are not checked while files are damaged")
        return done
    publication = _read(folder, names, done, makers)
    if publication is not None and not done.faults:
        _check_derived(folder, names, publication, done)
    return done


def _expected() -> str:
    listed = ", ".join(published.names()) or "none in this installation"
    return (
        f"expected a folder that `noisybench publish SUITE --out DIR` wrote, with {checksums.NAME} and {TABLE} or "
        f"{ARCHIVE}, or the name of a published one: {listed}"
    )


def _hint(folder: Path) -> str:
    """What to type where `folder` is no publication but holds something that becomes one, or one."""
    if any((folder / name).is_dir() for name in _RESULTS):
        return (
            f"it is a results folder: `noisybench publish SUITE --results {folder} --out DIR` publishes its runs, and "
            f"`noisybench doctor --results {folder}` checks its records; "
        )
    inner = sorted(path.parent.name for name in (TABLE, ARCHIVE) for path in folder.glob(f"*/{name}"))
    return f"did you mean {folder / inner[0]}? " if inner else ""


def _names(folder: Path, done: Verification) -> set[str]:
    """The files below `folder`; links and what is no file are faults."""
    names = set()
    for place, folders, files in os.walk(folder):
        for name in sorted([*folders, *files]):
            path = Path(place) / name
            inside = path.relative_to(folder).as_posix()
            if path.is_symlink():
                done.faults.append(f"{inside} is a link; expected a file: put a copy of it in its place")
            elif path.is_file():
                names.add(inside)
            elif not path.is_dir():
                done.faults.append(f"{inside} is neither a file nor a folder; remove it")
    return names


def _check_bytes(folder: Path, names: set[str], done: Verification) -> None:
    try:
        named = checksums.read(folder)
    except (OSError, ValueError) as error:
        done.faults.append(f"{checksums.NAME} is damaged ({error}): put a copy of it back")
        return
    done.files += 1  # the list itself
    for name in sorted(named.keys() - names):
        done.faults.append(f"{name} is missing: {checksums.NAME} names it")
    for name in sorted(names - named.keys() - {checksums.NAME}):
        done.faults.append(f"{name} is not in {checksums.NAME}: move it out of the folder")
    for name in sorted(named.keys() & names):
        path = folder / name
        try:
            if path.stat().st_size > LIMIT_FILE:
                done.faults.append(f"{name} is larger than {LIMIT_FILE} bytes")
            elif digest(path) != f"sha256:{named[name]}":
                done.faults.append(f"{name} is damaged: its SHA-256 is not the one in {checksums.NAME}")
            else:
                done.files += 1
        except OSError as error:
            done.faults.append(f"{name} cannot be read: {error.strerror or error}")
    for name in (TABLE, content.SUITE):
        if name not in named:
            done.faults.append(f"{name} is not in {checksums.NAME}: it is no list of a published folder")


def _read(folder: Path, names: set[str], done: Verification, makers: Makers) -> Publication | None:
    """The publication, with every record checked; None where it cannot be read."""
    try:
        originals = list(published.originals(folder))
        missing = published.missing(folder)
        suite = (folder / content.SUITE).read_bytes() if content.SUITE in names else b""  # of earlier versions
        known = dict(_recorded_digests(folder))
    except OSError as error:
        done.faults.append(f"{error.filename} cannot be read: {error.strerror or error}")
        return None
    except NoisybenchError as error:
        done.faults.append(str(error))
        return None
    found = list(faults(originals, missing, known))
    done.records = len(originals)
    done.faults += found[:NAMED]
    if len(found) > NAMED:
        done.faults.append(f"and {len(found) - NAMED} more faults of records")
    if found:
        return None
    figures = any(views.is_figure(name) for name in names - _drawn_elsewhere(folder, names).keys())
    return Publication.of(originals, missing, suite, makers, figures=figures, page=INDEX in names)


def _drawn_elsewhere(folder: Path, names: set[str]) -> dict[str, str]:
    """The figures that cannot be drawn again with equal bytes here, and why."""
    reasons = {name: views.drawn_elsewhere((folder / name).read_bytes()) for name in names if views.is_figure(name)}
    return {name: reason for name, reason in reasons.items() if reason}


def _recorded_digests(folder: Path) -> Iterator[tuple[str, str]]:
    if (folder / TABLE).is_file():
        from benchmark.store import record_table

        yield from record_table.contents(folder / TABLE)


def faults(
    originals: Sequence[Original], missing: Sequence[Missing], known: Mapping[str, str] | None = None
) -> Iterator[str]:
    """What does not hold of these records, a sentence each; `known`: their content digests as a file names them."""
    seen: set[str] = set()
    for run_id, text in originals:
        if run_id in seen:
            yield f"record {run_id} is there twice"
        seen.add(run_id)
        try:
            record = decode(text, f"the record of {run_id}")
            yield from (f"record {run_id}: {fault}" for fault in _faults_of(record, (known or {}).get(run_id)))
        except (NoisybenchError, ValueError, LookupError, TypeError, AttributeError) as error:
            yield f"record {run_id} cannot be read ({error})"
    for run in missing:
        if run["id"] in seen or run["id"] != id_of(run["spec"]):
            yield f"{MISSING} names run {run['id']}, which is there, or whose id is not that of its spec"


def _faults_of(record: Record, known: str | None) -> Iterator[str]:
    if fault := schema.fault(record):
        yield f"it {fault}"
        return
    if known is not None and known != content_digest(record):
        yield "the digest that stands beside it is not that of its content"
    yield from identities.faults(record)


def _check_derived(folder: Path, names: set[str], publication: Publication, done: Verification) -> None:
    """Makes every other file again and compares its bytes."""
    listed = checksums.NAME in names
    foreign = _drawn_elsewhere(folder, names)
    done.notes += [f"{name} is checked by its digest alone: {reason}" for name, reason in sorted(foreign.items())]
    given = (TABLE, MISSING, content.SUITE, *foreign)
    sources = {name: (folder / name).read_bytes() for name in given if name in names}
    made = content.derived(publication, sources) if listed else content.tables(publication)
    for name in sorted(made.keys() - names) if listed else ():
        done.faults.append(f"{name} is missing: publish makes it of these records")
    unchecked = []
    for name in sorted(names - sources.keys() - {checksums.NAME, ARCHIVE}):
        if name not in made and not listed:
            unchecked.append(name)
        elif name not in made:
            done.faults.append(f"{name} is not a file that publish makes of the records")
        elif not views.equal(name, (folder / name).read_bytes(), made[name]):
            done.faults.append(
                f"{name} is not what this version of noisybench makes of the records: it was changed, or another "
                "version made it (`noisybench publish --results FOLDER --out FOLDER` makes it anew)"
            )
        else:
            done.remade.append(name)
    if not listed:
        done.files = len(names & {ARCHIVE, MISSING}) + len(done.remade)
        unchecked += sorted(names & {content.SUITE, *foreign})
    if unchecked:
        done.notes.append(
            f"without {checksums.NAME} nothing tells whether these are as they were: {', '.join(unchecked)}"
        )
