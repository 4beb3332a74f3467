"""Decoded data sets on the disk, uncompressed: decoded once, memory-mapped by every run after that."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.datasets.base import Arrays, Data, DataError, Dataset, DataWarning, Progress

FORMAT = 1
SPLITS = ("train", "val", "test")
ABANDONED_SECONDS = 86_400.0


def cached(
    dataset: Dataset, folder: Path, digest: str | None = None, progress: Progress | None = None
) -> Data:
    """The decoded `dataset`, from `folder` where it lies there, otherwise loaded (and downloaded) and stored.

    Images come memory-mapped and read-only. `digest`, where known, saves reading the source once more; a
    source whose content differs from it is refused. A folder that cannot be written costs a warning only.
    """
    place = folder / _key(dataset, digest or dataset.digest())
    found = _read(place)
    if found is None:
        dataset.fetch(progress)
        actual = dataset.digest()
        if digest is not None and actual != digest:
            raise DataError(
                f"data set {dataset.label} has changed: its content is {actual}, expected {digest}; "
                "put the former file back, or start the grid anew"
            )
        # The digest may have been that of a file still to come.
        place = folder / _key(dataset, actual)
        decoded = dataset.load(progress)
        found = _store(decoded, place) or decoded
    return replace(found, name=dataset.label)


def _key(dataset: Dataset, digest: str) -> str:
    """Folder name from all that decides the arrays; where the source lies does not, its content does."""
    config = {name: value for name, value in dict(dataset.cfg).items() if not isinstance(value, Path)}
    identity = [FORMAT, type(dataset).__qualname__, dataset.name, dataset.version, config, digest]
    return f"{dataset.name}-{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]}"


def _read(place: Path) -> Data | None:
    """The stored arrays, or None where they are absent, incomplete or damaged."""
    try:
        meta = json.loads((place / "meta.json").read_text(encoding="utf-8"))
        if not all(_intact(place / name, facts) for name, facts in meta["arrays"].items()):
            return None
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


def _intact(path: Path, facts: dict[str, Any]) -> bool:
    """Whether a file is as written. Untouched since (size and time) is enough, otherwise its hash decides."""
    status = path.stat()
    if status.st_size != facts["bytes"]:
        return False
    return status.st_mtime_ns == facts["mtime_ns"] or _sha256(path) == facts["sha256"]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_split(place: Path, facts: dict[str, Any]) -> Arrays:
    return Arrays(
        images=np.asarray(np.load(place / facts["images"], mmap_mode="r", allow_pickle=False)),
        labels=np.load(place / facts["labels"], allow_pickle=False),
        given={name: np.load(place / file, allow_pickle=False) for name, file in facts["given"].items()},
        files=None if facts["files"] is None else tuple(facts["files"]),
    )


def _store(data: Data, place: Path) -> Data | None:
    """Writes `data` to `place` and returns it as stored; None, with a warning, where that cannot be done."""
    scratch = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(place.parent)
        scratch = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".tmp", dir=place.parent))
        _write(data, scratch)
        _publish(scratch, place)
        return _read(place)
    except OSError as error:
        warnings.warn(
            f"cannot store {data.name} in {place.parent} ({error}): it stays in memory, and every run "
            "decodes it again; make room there or choose another results folder",
            DataWarning,
            stacklevel=3,
        )
        return None
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _write(data: Data, scratch: Path) -> None:
    splits: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
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
            with (scratch / name).open("wb") as file:
                np.save(file, array, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            status = (scratch / name).stat()
            sha256 = _sha256(scratch / name)
            arrays[name] = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": sha256}
    meta = {
        "format": FORMAT,
        "name": data.name,
        "num_classes": data.num_classes,
        "classes": data.classes,
        "skipped": data.skipped,
        "splits": splits,
        "arrays": arrays,
    }
    (scratch / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _splits(data: Data) -> Iterator[tuple[str, Arrays]]:
    for split, part in zip(SPLITS, (data.train, data.val, data.test), strict=True):
        if part is not None:
            yield split, part


def _publish(scratch: Path, place: Path) -> None:
    """Gives a complete folder its name. Of two processes the first wins; the other's copy is dropped."""
    if place.exists() and _read(place) is None:
        # Damaged: out of the way by a rename, so that nobody ever sees it half removed.
        with suppress(FileNotFoundError):
            place.rename(scratch / "damaged")
    try:
        scratch.rename(place)
    except OSError:
        if _read(place) is None:
            raise
        return
    shutil.rmtree(place / "damaged", ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Temporary folders of processes that were killed while they wrote."""
    for scratch in folder.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - scratch.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(scratch, ignore_errors=True)
