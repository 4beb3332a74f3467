"""Moves loose records into segments. A loose file is deleted only after its segment was read back and compared.

Segments are written whole or not at all and are never changed. A crash between writing and deleting leaves
records in both places; readers count them once, and the next compaction deletes the loose ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.store import segments
from benchmark.store.atomic import StoreError, sync, write_atomically
from benchmark.store.readable import present
from benchmark.store.segments import Original
from benchmark.store.store import Broken, Contents, Store

SEGMENT_BYTES = 256 * 2**20
"""Total size of record files at which a segment is written; they are in memory until then."""


@dataclass
class Compaction:
    """What a compaction did."""

    compacted: int = 0
    """Number of loose files that were moved into segments."""
    broken: list[Broken] = field(default_factory=list)
    """Loose files that are no records; they stay where they are."""
    differing: list[Path] = field(default_factory=list)
    """Loose files that stay, because a segment holds another record of their run."""


def compact(store: Store, on_progress: Callable[[int], None] = lambda compacted: None) -> Compaction:
    """Compacts all loose records. Raises StoreError where a segment cannot be written or read back."""
    done = Compaction()
    _finish_interrupted(store, done)
    batch: dict[str, tuple[Path, bytes]] = {}
    size = 0
    for path in sorted(set(store.loose()) - set(done.differing)):
        contents = Contents()
        read = store.read_loose(path, contents)
        done.broken += contents.broken
        if read is None or path != store.run_path(read[0]["id"]):
            continue  # skip files whose name is not their id: a user's copies
        batch[read[0]["id"]] = (path, read[1])
        size += len(read[1])
        if size >= SEGMENT_BYTES:
            done.compacted += _compact(store, batch)
            on_progress(done.compacted)
            batch, size = {}, 0
    if batch:
        done.compacted += _compact(store, batch)
    return done


def _compact(store: Store, batch: dict[str, tuple[Path, bytes]]) -> int:
    write_segment(store, [(run_id, content) for run_id, (_, content) in sorted(batch.items())])
    return sum(_delete_if_equal(path, content) for path, content in batch.values())


def write_segment(store: Store, originals: list[Original]) -> None:
    """Writes a segment and reads it back. Raises StoreError where it does not hold `originals`, sorted by id."""
    encoded = segments.encode(originals)
    segment = store.folder / "segments" / segments.name_of(encoded)
    write_atomically(segment, encoded)
    sync(store.folder)  # the folder of segments may be new
    if list(read_back(segment)) != originals:
        raise StoreError(
            f"the segment {segment} does not hold what was written to it; no record is lost, the files that it was "
            "made of were kept: check this disk, then delete the segment"
        )


def _finish_interrupted(store: Store, done: Compaction) -> None:
    """Deletes the loose files that are in a segment already; notes those whose segment holds another record."""
    loose = {path.stem: path for path in store.loose()}
    for segment in store.segments() if loose else ():
        if loose.keys().isdisjoint(ids_of(segment)):
            continue
        for run_id, content in read_back(segment):
            path = loose.get(run_id)
            if path is not None and _delete_if_equal(path, content):
                done.compacted += 1
            elif path is not None and present(path):
                done.differing.append(path)


def _delete_if_equal(path: Path, content: bytes) -> bool:
    """Deletes a loose file, unless it was written anew since the segment was made of it."""
    try:
        if path.read_bytes() != content:
            return False
        path.unlink()
    except FileNotFoundError:
        return False  # another compaction was here first
    except OSError as error:
        raise StoreError(f"{path} is compacted but cannot be deleted: {error.strerror}; it counts once") from error
    return True


def ids_of(segment: Path) -> list[str]:
    """The ids of a segment. Raises StoreError where it cannot be read."""
    try:
        return segments.ids(segment)
    except segments.UNREADABLE as error:
        raise _unreadable(segment, error) from error


def read_back(segment: Path) -> Iterator[Original]:
    """The ids and record files of a segment. Raises StoreError where it cannot be read."""
    try:
        yield from segments.originals(segment)
    except segments.UNREADABLE as error:
        raise _unreadable(segment, error) from error


def _unreadable(segment: Path, error: Exception) -> StoreError:
    return StoreError(
        f"the segment {segment} cannot be read back ({error}); nothing was removed: check this "
        f"disk, then type `noisybench doctor --results {segment.parent.parent}`"
    )
