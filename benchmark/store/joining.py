"""Joins the records of several results folders, such as those of several machines, in one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.store import kept, published
from benchmark.store.atomic import StoreError, write_atomically
from benchmark.store.content import content_digest
from benchmark.store.readable import cannot_read, present
from benchmark.store.record_file import decode
from benchmark.store.store import Store

ASIDE = "conflicts"
"""In the results folder: records that differ from those that it holds, by the folder that they come from. No command
reads them."""


@dataclass
class Joined:
    """What became of the records."""

    new: int = 0
    same: int = 0
    """Of runs that were there with the same content."""
    failed: int = 0
    """Of failed runs, which are left where they are: they have no result."""
    kept: int = 0
    """Files of predictions and weights that were copied."""
    aside: list[Path] = field(default_factory=list)
    """Records of runs that were there with another content."""


def join(places: Sequence[Path], store: Store) -> Joined:
    """Adds the records at `places` to `store`. Raises UsageError and StoreError as `published.originals`.

    A run that is there keeps its record. Whatever is interrupted, the same call goes on from there.
    """
    done = Joined()
    present = {run_id: _digest(run_id, content) for run_id, content in store.originals() if _ended(run_id, content)}
    for place, name in zip(places, _names(places), strict=True):
        may_keep = published.file_of(published.located(place)) is None
        for run_id, content in published.originals(place):
            if not _ended(run_id, content):
                done.failed += 1
                continue
            digest = _digest(run_id, content)
            if run_id not in present:
                write_atomically(store.run_path(run_id), content)
                present[run_id] = digest
                done.new += 1
            elif digest == present[run_id]:
                done.same += 1
            else:
                path = store.folder / ASIDE / name / f"{run_id}.json"
                write_atomically(path, content)
                done.aside.append(path)
                continue
            if may_keep:
                done.kept += _copy_kept(place, store, run_id)
    return done


def _ended(run_id: str, content: bytes) -> bool:
    return decode(content, f"the record of {run_id}")["state"] != "failed"


def _digest(run_id: str, content: bytes) -> str:
    return content_digest(decode(content, f"the record of {run_id}"))


def _names(places: Sequence[Path]) -> Iterator[str]:
    """A folder name for each place: its own, with a number behind it where an earlier one has it."""
    taken: set[str] = set()
    for place in places:
        own = place.resolve().name or "root"
        name = next(name for number in range(1, len(places) + 2) if (name := _numbered(own, number)) not in taken)
        taken.add(name)
        yield name


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}.{number}"


def _copy_kept(place: Path, store: Store, run_id: str) -> int:
    """Copies the predictions and weights of a run that `store` lacks; returns their number."""
    copied = 0
    for suffix in (kept.PREDICTIONS, kept.WEIGHTS):
        source, target = kept.path_of(Store(place), run_id, suffix), kept.path_of(store, run_id, suffix)
        if not source.is_file() or present(target):
            continue
        try:
            kept.check(source)
            write_atomically(target, source.read_bytes())
        except ValueError as error:
            raise StoreError(
                f"{source} is damaged ({error}); delete it, or put a copy of it back, then repeat the command"
            ) from error
        except OSError as error:
            raise cannot_read(source, error) from error
        copied += 1
    return copied
