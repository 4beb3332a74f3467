"""Decoded data sets on the disk, uncompressed: decoded once, memory-mapped by every run after that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.datasets.base import Arrays, Data, DataError, Dataset, Progress
from benchmark.store.arrays import save
from benchmark.store.atomic import write_folder
from benchmark.store.digests import intact
from benchmark.store.once import once

FORMAT = 3
SPLITS = ("train", "val", "test")


def cached(dataset: Dataset, folder: Path, digest: str | None = None, progress: Progress | None = None) -> Data:
    """The decoded `dataset`: read from `folder` if it is stored there, else downloaded, loaded and stored.

    Images are memory-mapped and read-only. A known `digest` saves computing it from the source; raises
    DataError where the source has another. If `folder` cannot be written, a warning is given.
    """
    place = folder / identity(dataset, digest or dataset.digest())
    decoded = _read(place)
    if decoded is None:
        dataset.fetch(progress)
        actual = dataset.digest()
        if digest is not None and actual != digest:
            raise DataError(
                f"data set {dataset.label} has changed: its content is {actual}, expected {digest}; "
                "put the former file back, or start the grid anew"
            )
        # Before the download the digest was the official one; the file may have another.
        place = folder / identity(dataset, actual)
        decoded = once(
            place,
            "decoded images",
            read=lambda: _read(place),
            make=lambda: dataset.load(progress),
            write=lambda data: write_folder(place, lambda scratch: _write(data, scratch)),
        )
    return replace(decoded, name=dataset.label)


def identity(dataset: Dataset, digest: str) -> str:
    """Folder name from everything that determines the arrays: the source's content counts, its path does not."""
    config = {name: value for name, value in dict(dataset.cfg).items() if not isinstance(value, Path)}
    parts = [FORMAT, type(dataset).__qualname__, dataset.name, dataset.version, config, digest]
    return f"{dataset.name}-{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]}"


def _read(place: Path) -> Data | None:
    """The stored arrays, or None where they are absent, incomplete or damaged."""
    if not intact(place):
        return None
    try:
        meta = json.loads((place / "meta.json").read_text(encoding="utf-8"))
        splits = {split: _read_split(place, facts) for split, facts in meta["splits"].items()}
        return Data(
            name=meta["name"],
            num_classes=meta["num_classes"],
            classes=tuple(meta["classes"]),
            train=splits["train"],
            val=splits.get("val"),
            test=splits["test"],
            skipped=tuple(meta["skipped"]),
        )
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _read_split(place: Path, facts: dict[str, Any]) -> Arrays:
    return Arrays(
        images=np.asarray(np.load(place / facts["images"], mmap_mode="r", allow_pickle=False)),
        labels=np.load(place / facts["labels"], allow_pickle=False),
        given={name: np.load(place / file, allow_pickle=False) for name, file in facts["given"].items()},
        files=None if facts["files"] is None else tuple(facts["files"]),
    )


def _write(data: Data, scratch: Path) -> None:
    splits: dict[str, Any] = {}
    for split, part in _splits(data):
        given = {name: f"{split}_given_{i}.npy" for i, name in enumerate(part.given)}
        images, labels = f"{split}_images.npy", f"{split}_labels.npy"
        splits[split] = {"images": images, "labels": labels, "given": given, "files": part.files}
        contents: dict[str, np.ndarray] = {
            images: part.images,
            labels: part.labels,
            **{given[n]: part.given[n] for n in given},
        }
        for name, array in contents.items():
            save(scratch / name, array)
    meta = {
        "format": FORMAT,
        "name": data.name,
        "num_classes": data.num_classes,
        "classes": data.classes,
        "skipped": data.skipped,
        "splits": splits,
    }
    (scratch / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _splits(data: Data) -> Iterator[tuple[str, Arrays]]:
    for split, part in zip(SPLITS, (data.train, data.val, data.test), strict=True):
        if part is not None:
            yield split, part
