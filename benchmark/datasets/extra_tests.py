"""Extra test sets: images of another source, with their classes matched to those that were trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmark.datasets.base import Arrays, Data, DataError, ExtraTest
from benchmark.datasets.class_names import plain
from benchmark.datasets.conversion import describe
from benchmark.datasets.left_out import kinds


@dataclass(frozen=True)
class Matched:
    """An extra test set with the labels of the main data set."""

    test: Arrays
    notes: tuple[str, ...]
    """How its classes were matched, and what may make it hard to compare; a sentence each."""


def with_extra_tests(data: Data, sources: Mapping[str, ExtraTest]) -> Data:
    """A copy of `data` with the test images of `sources` too. Raises DataError where one does not fit."""
    matched = {name: match(data, name, other) for name, other in sources.items()}
    return replace(
        data,
        extra_tests={name: found.test for name, found in matched.items()},
        extra_notes={name: found.notes for name, found in matched.items()},
    )


def match(data: Data, name: str, other: ExtraTest) -> Matched:
    """The test images of `other`, with the labels of `data`. `name` is for messages.

    Classes are matched by name; by number where one of both knows numbers only. Classes of `data` may be absent.
    Raises DataError for a class that `data` does not have, and for images of another shape.
    """
    _check_shape(data, name, other)
    # Folders are named 0, 1, 10, 2, ...: such names are the numbers of a source that knows numbers only.
    numbers = all(label.isdecimal() for label in (*data.classes, *other.classes))
    by_name = (data.named and other.named) or (numbers and (data.named or other.named))
    place, note = _by_name(data, name, other) if by_name else _by_number(data, name, other)
    labels = place[other.test.labels]
    notes = [f"extra test set {name!r}: {note}", *(f"extra test set {name!r}: {text}" for text in other.notes)]
    # Without names: these notes stand in records, which are published.
    notes += [
        f"extra test set {name!r}: {len(files)} file(s) left out: {kind}"
        for kind, files in kinds(other.skipped).items()
    ]
    absent = np.setdiff1d(np.arange(data.num_classes), labels)
    if len(absent):
        listed = ", ".join(data.classes[k] for k in absent)
        notes.append(f"extra test set {name!r} has no image of class {listed}: means over classes leave it out")
    if other.images is not None:
        notes.append(f"extra test set {name!r}: {describe(other.images)}")
        values = None if data.images is None else data.images["values"]
        if other.images["values"] not in (None, values):
            notes.append(f"extra test set {name!r} has gray values on a scale of its own, not that of {data.name}")
    return Matched(replace(other.test, labels=labels), tuple(notes))


def _check_shape(data: Data, name: str, other: ExtraTest) -> None:
    ours, theirs = data.test.images.shape[1:], other.test.images.shape[1:]
    if ours != theirs:
        by_option = other.images is not None and ours[0] != theirs[0]
        otherwise = f"resize or convert them, or read {data.name} at their size"
        hint = f"give it the option size={ours[0]}" if by_option else otherwise
        raise DataError(
            f"extra test set {name!r} has images of shape {theirs}, expected {ours} as in {data.name}: {hint}"
        )


def _by_name(data: Data, name: str, other: ExtraTest) -> tuple[np.ndarray, str]:
    """[K of other] their labels in `data`, and what was done."""
    exact = {ours: k for k, ours in enumerate(data.classes)}
    loose: dict[str, list[str]] = {}
    for ours in data.classes:
        loose.setdefault(plain(ours), []).append(ours)
    same, unknown, respelled = [], [], []
    for theirs in other.classes:
        candidates = [theirs] if theirs in exact else loose.get(plain(theirs), [])
        if len(candidates) == 1:
            same.append(candidates[0])
            if candidates[0] != theirs:
                respelled.append(f"{theirs!r} as {candidates[0]!r}")
        else:
            unknown.append(theirs)
    if unknown:
        raise DataError(
            f"extra test set {name!r} has the class(es) {_listed(unknown)}, which {data.name} does not have; "
            f"its classes are {_listed(other.classes)}, expected some of {_listed(data.classes)}: rename or remove them"
        )
    doubled = sorted({ours for ours in same if same.count(ours) > 1})
    if doubled:
        raise DataError(
            f"extra test set {name!r} has several classes that could be {_listed(doubled)} ({_listed(other.classes)}): "
            "rename them"
        )
    note = "classes are matched by name"
    if respelled:
        note += f", {', '.join(respelled)} (other case or white space)"
    return np.array([exact[ours] for ours in same], dtype=np.int64), note


def _by_number(data: Data, name: str, other: ExtraTest) -> tuple[np.ndarray, str]:
    if len(other.classes) > data.num_classes:
        raise DataError(
            f"extra test set {name!r} has {len(other.classes)} classes, {data.name} has {data.num_classes}; "
            "expected the same classes in the same order"
        )
    nameless = [what for what, named in ((data.name, data.named), (f"{name!r}", other.named)) if not named]
    pairs = ""
    if data.named or other.named:
        names = data.classes if data.named else other.classes
        pairs = f" (0 is {names[0]}, 1 is {names[1]}, ...)" if len(names) > 1 else ""
    note = (
        f"classes are matched by number{pairs}, as no class names come with {' and '.join(nameless)}; "
        "an npz file may hold them as an array class_names"
    )
    return np.arange(len(other.classes), dtype=np.int64), note


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(repr(name) for name in names)
