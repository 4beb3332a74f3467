"""Reads files in the layout of MedMNIST: one npz with `{train,val,test}_images` and `..._labels`.

An array `class_names` of strings may name the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.datasets.base import Arrays, DataError, Labels
from benchmark.store.arrays import UNREADABLE

SPLITS = ("train", "val", "test")
CLASS_NAMES = "class_names"


@dataclass(frozen=True)
class Splits:
    """The splits of a file; `val` may be missing."""

    train: Arrays
    val: Arrays | None
    test: Arrays
    num_classes: int
    class_names: tuple[str, ...] | None
    """[K], where the file has them."""


def read_npz(path: Path, num_classes: int | None = None, multilabel: bool = False) -> Splits:
    """All splits of the file at `path`, checked.

    Without `num_classes` it is one more than the largest training label, and each class must have a
    training image. Raises DataError with what is wrong, where, and what was expected.
    """
    arrays = _read_arrays(path, SPLITS)
    if "test_images" in arrays and not any(name.startswith(("train", "val")) for name in arrays):
        raise DataError(
            f"{path} holds test images only, expected train_images and train_labels too; it can be an extra test set: "
            f"--extra-test NAME=npz:{path}"
        )
    for split in ("train", "test"):
        _check_present(path, split, arrays)
    present = [split for split in SPLITS if f"{split}_images" in arrays or f"{split}_labels" in arrays]
    read = {split: _read_split(path, split, arrays, multilabel) for split in present}
    shapes = {split: part.images.shape[1:] for split, part in read.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{split} {shape}" for split, shape in shapes.items())
        raise DataError(f"{path} mixes image shapes ({listed}): resize and convert all splits alike")
    class_names = _class_names(path, arrays)
    if not multilabel:
        num_classes = _count_classes(path, read["train"].labels, num_classes)
        for split, part in read.items():
            _check_range(path, f"{split}_labels", part.labels, num_classes)
            for name, labels in _array_names(split, part).items():
                _check_range(path, name, labels, num_classes, lowest=-1)
            if part.counts is not None and part.counts.shape[1] != num_classes:
                raise DataError(
                    f"{path}: {split}_counts has {part.counts.shape[1]} columns, expected {num_classes}, one per class"
                )
    num_classes = num_classes or read["train"].labels.shape[1]
    if class_names is not None and len(class_names) != num_classes:
        raise DataError(
            f"{path}: {CLASS_NAMES} has {len(class_names)} names ({', '.join(class_names)}), expected {num_classes}, "
            "one for each label of the training images"
        )
    return Splits(read["train"], read.get("val"), read["test"], num_classes, class_names)


def read_npz_test(path: Path) -> tuple[Arrays, int, tuple[str, ...] | None]:
    """The test split of the file at `path`, which may hold nothing else; the number of classes, and their names.

    Without names there is one class more than the largest label of any split. Raises DataError.
    """
    arrays = _read_arrays(path, ("test",), also=("train_labels", "val_labels"))
    _check_present(path, "test", arrays)
    part = _read_split(path, "test", arrays, multilabel=False)
    class_names = _class_names(path, arrays)
    given = [array for name, array in arrays.items() if name in ("train_labels", "val_labels") and array.size]
    largest = max(int(labels.max()) for labels in (part.labels, *given))
    num_classes = largest + 1 if class_names is None else len(class_names)
    _check_range(path, "test_labels", part.labels, num_classes)
    return part, num_classes, class_names


def _check_present(path: Path, split: str, arrays: dict[str, np.ndarray]) -> None:
    for kind in ("images", "labels"):
        if f"{split}_{kind}" not in arrays:
            raise DataError(
                f"{path} has no {split}_{kind}; expected train_images, train_labels, test_images and "
                f"test_labels (found: {', '.join(sorted(arrays)) or 'nothing'})"
            )


def _class_names(path: Path, arrays: dict[str, np.ndarray]) -> tuple[str, ...] | None:
    """[K] the names in `class_names`, in the order of the labels; None where there are none."""
    if CLASS_NAMES not in arrays:
        return None
    array = arrays[CLASS_NAMES]
    if array.ndim != 1 or array.dtype.kind not in "US":
        raise DataError(
            f"{path}: {CLASS_NAMES} is {array.dtype} of shape {array.shape}, expected one string per class: "
            'np.array(["benign", "malignant"])'
        )
    names = tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in array.tolist())
    if len(set(names)) < len(names) or not all(name.strip() for name in names):
        raise DataError(f"{path}: {CLASS_NAMES} are {', '.join(map(repr, names))}, expected different names")
    return names


def _array_names(split: str, part: Arrays) -> dict[str, Labels]:
    return {f"{split}_labels_{name}": labels for name, labels in part.given.items()}


def _read_arrays(path: Path, splits: Sequence[str], also: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of `splits`, those that are named in `also`, and `class_names`, as far as they are there."""
    try:
        with path.open("rb") as raw:
            file = np.load(raw, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DataError(f"{path} is a single array, expected an npz file: use numpy.savez_compressed")
            prefixes, names = tuple(f"{split}_" for split in splits), {*also, CLASS_NAMES}
            wanted = [name for name in file.files if name.startswith(prefixes) or name in names]
            return {name: _read_member(path, file, name) for name in wanted}
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except UNREADABLE as error:
        size = path.stat().st_size if path.is_file() else 0
        why = "it is empty" if size == 0 else f"it is corrupt, cut off, or no npz file: {_first_line(error)}"
        raise DataError(f"cannot read {path}: {why}; copy it again") from error


def _read_member(path: Path, file: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(file[name])
    except ValueError as error:
        if "Object arrays" in str(error):
            raise DataError(
                f"{path}: {name} is an array of Python objects, which is never loaded, as it can run code; "
                "store plain arrays (images uint8, labels integers, class names as numpy strings)"
            ) from None
        raise _damaged(path, name, error) from error
    except UNREADABLE as error:
        raise _damaged(path, name, error) from error


def _damaged(path: Path, name: str, error: BaseException) -> DataError:
    return DataError(f"{path}: {name} is damaged or cut off ({_first_line(error)}): copy the file again")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _read_split(path: Path, split: str, arrays: dict[str, np.ndarray], multilabel: bool) -> Arrays:
    for kind in ("images", "labels"):
        if f"{split}_{kind}" not in arrays:
            raise DataError(f"{path} has {split} data but no {split}_{kind}: add the array")
    images = _check_images(path, f"{split}_images", arrays[f"{split}_images"])
    labels = _check_labels(path, f"{split}_labels", arrays[f"{split}_labels"], len(images), multilabel)
    prefix = f"{split}_labels_"
    given = {
        name.removeprefix(prefix): _check_labels(path, name, array, len(images), multilabel)
        for name, array in arrays.items()
        if name.startswith(prefix) and split != "test"
    }
    counts = arrays.get(f"{split}_counts") if split != "test" else None
    if counts is not None:
        counts = check_counts(path, f"{split}_counts", counts, len(images))
    return Arrays(images, labels, given, counts)


def _check_images(path: Path, name: str, images: np.ndarray) -> np.ndarray:
    if images.dtype != np.uint8:
        not_finite = images.dtype.kind == "f" and not np.isfinite(images).all()
        also = " and holds NaN or infinite values" if not_finite else ""
        raise DataError(f"{path}: {name} is {images.dtype}{also}, expected uint8 from 0 to 255: convert it")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(f"{path}: {name} has shape {images.shape}, expected [n, H, W] (gray) or [n, H, W, 3] (RGB)")
    if len(images) == 0:
        raise DataError(f"{path}: {name} holds no image")
    if images.shape[1] != images.shape[2] or images.shape[1] == 0:
        raise DataError(
            f"{path}: {name} are {images.shape[1]}x{images.shape[2]} px, expected squares: crop or pad them"
        )
    return images


def check_counts(path: Path, name: str, counts: np.ndarray, n: int) -> Labels:
    """[n, K] int64 numbers of raters. Raises DataError."""
    whole = counts.dtype.kind in "iu" or (counts.dtype.kind == "f" and (counts == np.rint(counts)).all())
    if counts.ndim != 2 or len(counts) != n or not whole or (counts.size and counts.min() < 0):
        raise DataError(
            f"{path}: {name} is {counts.dtype} of shape {counts.shape}, expected [{n}, K] whole numbers from 0 on: "
            "how many raters gave each class"
        )
    return counts.astype(np.int64)


def _check_labels(path: Path, name: str, labels: np.ndarray, n: int, multilabel: bool) -> Labels:
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        first = int(np.isnan(labels).ravel().argmax())
        raise DataError(f"{path}: {name} holds NaN at index {first}: label that image or leave it out")
    if labels.dtype.kind not in "iub":
        raise DataError(f"{path}: {name} is {labels.dtype}, expected integers: labels are 0..K-1")
    if labels.ndim == 0 or len(labels) != n:
        raise DataError(
            f"{path}: {name} has shape {labels.shape} but its split has {n} images; expected one label per image"
        )
    if multilabel:
        if labels.ndim != 2 or not np.isin(labels, (0, 1)).all():
            raise DataError(f"{path}: {name} has shape {labels.shape}, expected [n, K] of zeros and ones")
        return labels.astype(np.int64)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"{path}: {name} has shape {labels.shape}, expected (n,) or (n, 1): "
            "one-hot and multi-label arrays are not read, store class numbers"
        )
    if labels.dtype == np.uint64 and labels.max() > np.iinfo(np.int64).max:
        raise DataError(f"{path}: {name} holds {labels.max()}, expected class numbers 0..K-1")
    return labels.astype(np.int64)


def _count_classes(path: Path, labels: Labels, declared: int | None) -> int:
    """The number of classes: `declared`, or counted. Raises DataError where the training labels cannot be right."""
    present = np.unique(labels)
    if present[0] < 0:
        raise DataError(f"{path}: train_labels holds {present[0]}, expected class numbers 0..K-1")
    if len(present) == 1:
        raise DataError(f"{path}: all training labels are {present[0]}, expected at least two classes")
    if declared is not None:
        return declared
    if present[-1] != len(present) - 1:
        absent = int(np.flatnonzero(present != np.arange(len(present)))[0])
        raise DataError(
            f"{path}: train_labels goes up to {present[-1]} but no training image has label {absent}; "
            "expected every class of 0..K-1 (the largest label may be out of range): renumber the labels"
        )
    return len(present)


def _check_range(path: Path, name: str, labels: Labels, num_classes: int, lowest: int = 0) -> None:
    wrong = (labels < lowest) | (labels >= num_classes)
    if wrong.any():
        first = int(wrong.argmax())
        raise DataError(
            f"{path}: {name} holds {labels[first]} at index {first} ({int(wrong.sum())} out of range), "
            f"expected 0..{num_classes - 1} as in the training labels{' (or -1: no label)' if lowest < 0 else ''}"
        )
