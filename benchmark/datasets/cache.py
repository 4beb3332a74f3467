"""Decoded data sets on the disk, uncompressed: decoded once, memory-mapped by every run after that."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from benchmark import plugin_files
from benchmark.datasets.base import Arrays, Data, DataError, Dataset, ExtraTest, Progress
from benchmark.store.arrays import UNREADABLE, save
from benchmark.store.atomic import write_folder
from benchmark.store.checksums import is_inside
from benchmark.store.digests import intact
from benchmark.store.once import once

FORMAT = 3
"""Of the arrays. It is part of the key, and so of that of the features made from them."""
LAYOUT = 2
"""Of what is stored beside the arrays; what was stored in another layout is decoded again, under the same key."""
NAMES = ("files", "groups", "sites")
"""What is known of every image of a split, as text."""
PACKAGE = Path(__file__).parents[1]

Parts = Mapping[str, Arrays]
Facts = dict[str, Any]
"""What is known of a decoded data set besides its arrays; JSON."""
T = TypeVar("T")


def cached(dataset: Dataset, folder: Path, digest: str | None = None, progress: Progress | None = None) -> Data:
    """The decoded `dataset`: read from `folder` if it is stored there, else downloaded, loaded and stored.

    Images are memory-mapped and read-only. A known `digest` saves computing it from the source; raises
    DataError where the source has another. If `folder` cannot be written, a warning is given.
    """
    data = _cached(dataset, folder, digest, progress, _Kind("", dataset.load, _to_stored, _to_data))
    return replace(data, name=dataset.label)


def cached_extra_test(dataset: Dataset, folder: Path, digest: str, progress: Progress | None = None) -> ExtraTest:
    """As `cached`, of what is scored where `dataset` is an extra test set."""
    if type(dataset).load_extra_test is Dataset.load_extra_test:
        return cached(dataset, folder, digest, progress).as_extra_test()
    kind = _Kind("-test", dataset.load_extra_test, _test_to_stored, _to_extra_test)
    return _cached(dataset, folder, digest, progress, kind)


def identity(dataset: Dataset, digest: str) -> str:
    """Folder name from everything that determines the arrays: the source's content counts, its path does not."""
    config = {name: value for name, value in dataset.cfg.model_dump().items() if not isinstance(value, Path)}
    kind = type(dataset)
    parts = [FORMAT, kind.__qualname__, dataset.name, dataset.version, _code(kind), config, digest]
    return f"{dataset.name}-{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]}"


def _code(kind: type[Dataset]) -> str | None:
    """Digest of the files of a plugin from outside, whose version may stay while its code changes; None of the tree's,
    and where there is no file."""
    try:
        path = Path(inspect.getfile(kind))
    except (OSError, TypeError):
        return None
    if path.is_relative_to(PACKAGE):
        return None
    return plugin_files.digest(plugin_files.sources(path, plugin_files.extent_of_file(path)))


@dataclass(frozen=True)
class _Kind(Generic[T]):
    """What of a data set is stored."""

    suffix: str
    load: Callable[[Progress | None], T]
    to_stored: Callable[[T], tuple[Parts, Facts]]
    from_stored: Callable[[Parts, Facts], T]


def _cached(dataset: Dataset, folder: Path, digest: str | None, progress: Progress | None, kind: _Kind[T]) -> T:
    place = folder / (identity(dataset, digest or dataset.digest()) + kind.suffix)
    decoded = _read(place, kind)
    if decoded is None:
        dataset.fetch(progress)
        actual = dataset.digest()
        if digest is not None and actual != digest:
            raise DataError(
                f"data set {dataset.label} has changed: its content is {actual}, expected {digest}; "
                "put the former file back, or start the grid anew"
            )
        # Before the download the digest was the official one; the file may have another.
        place = folder / (identity(dataset, actual) + kind.suffix)
        decoded = once(
            place,
            "decoded images",
            read=lambda: _read(place, kind),
            make=lambda: kind.load(progress),
            write=lambda made: write_folder(place, lambda scratch: _write(*kind.to_stored(made), scratch)),
        )
    return decoded


def _to_stored(data: Data) -> tuple[Parts, Facts]:
    parts = {"train": data.train, "val": data.val, "test": data.test}
    facts = {"name": data.name, "num_classes": data.num_classes}
    return {name: part for name, part in parts.items() if part is not None}, facts | _facts(data)


def _to_data(parts: Parts, facts: Facts) -> Data:
    return Data(**facts, train=parts["train"], val=parts.get("val"), test=parts["test"])


def _test_to_stored(test: ExtraTest) -> tuple[Parts, Facts]:
    return {"test": test.test}, _facts(test)


def _to_extra_test(parts: Parts, facts: Facts) -> ExtraTest:
    return ExtraTest(**facts, test=parts["test"])


def _facts(source: Data | ExtraTest) -> Facts:
    return {name: getattr(source, name) for name in ("classes", "named", "skipped", "images", "notes")}


def _read(place: Path, kind: _Kind[T]) -> T | None:
    """What is stored, or None where it is absent, incomplete or damaged."""
    if not intact(place):
        return None
    try:
        meta = json.loads((place / "meta.json").read_text(encoding="utf-8"))
        if meta.get("layout") != LAYOUT:
            return None
        parts = {split: _read_split(place, facts) for split, facts in meta["splits"].items()}
        # JSON has no tuples.
        facts = {name: tuple(value) if isinstance(value, list) else value for name, value in meta["facts"].items()}
        return kind.from_stored(parts, facts)
    except UNREADABLE:
        return None


def _read_split(place: Path, facts: Facts) -> Arrays:
    return Arrays(
        images=np.asarray(_stored(place, facts["images"], mmap_mode="r")),
        labels=_stored(place, facts["labels"]),
        given={name: _stored(place, file) for name, file in facts["given"].items()},
        counts=None if facts["counts"] is None else _stored(place, facts["counts"]),
        **{name: None if facts[name] is None else tuple(facts[name]) for name in NAMES},
        stored_fingerprints=_stored(place, facts["fingerprints"]),
    )


def _stored(place: Path, name: str, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    """An array of the folder. Raises ValueError for the name of a file elsewhere, whose digest nobody has checked."""
    if not is_inside(name):
        raise ValueError(f"{name!r} does not lie in {place}")
    return np.load(place / name, mmap_mode=mmap_mode, allow_pickle=False)


def _write(parts: Parts, facts: Facts, scratch: Path) -> None:
    splits: dict[str, Facts] = {}
    for split, part in parts.items():
        given = {name: f"{split}_given_{i}.npy" for i, name in enumerate(part.given)}
        names = {kind: f"{split}_{kind}.npy" for kind in ("images", "labels", "fingerprints")}
        counts = None if part.counts is None else f"{split}_counts.npy"
        splits[split] = {**names, "given": given, "counts": counts} | {name: getattr(part, name) for name in NAMES}
        for kind, name in names.items():
            save(scratch / name, getattr(part, kind))
        for rater, name in given.items():
            save(scratch / name, part.given[rater])
        if part.counts is not None:
            save(scratch / str(counts), part.counts)
    meta = {"layout": LAYOUT, "facts": facts, "splits": splits}
    (scratch / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
