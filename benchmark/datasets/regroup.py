"""Other classes of a data set: some of them merged into one, some left out.

The classes that remain are numbered anew, in the order of their former numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator, Field

from benchmark.datasets.base import Arrays, Data, DataError, ExtraTest, Labels, Settings

GONE = -1


def _names(value: Any) -> Any:
    """ "3+4" or 3 as a tuple of texts."""
    if isinstance(value, (str, int)):
        return tuple(part.strip() for part in str(value).split("+"))
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else value


def _groups(value: Any) -> Any:
    """One group, "3+4" or [3, 4], or several, "[3+4,0+1]" or [[3, 4], [0, 1]], as tuples of texts."""
    if isinstance(value, str) and value[:1] + value[-1:] == "[]":
        value = [part.strip() for part in value[1:-1].split(",")]
    if isinstance(value, (list, tuple)) and any(isinstance(one, (list, tuple)) or "+" in str(one) for one in value):
        return tuple(map(_names, value))
    return None if value is None else (_names(value),)


class Regrouping(Settings):
    """Options of a data set whose classes can be merged and left out; see `regrouped`."""

    added_later: ClassVar = frozenset({"merge", "without", "only", "alias"})

    merge: Annotated[tuple[tuple[str, ...], ...] | None, BeforeValidator(_groups)] = None
    """Classes that become one, by number or name: 3+4; several groups as [3+4,0+1]. Where classes are named by
    numbers, `class 3` is the one of that name and `number 3` the fourth one."""
    without: Annotated[tuple[str, ...] | None, BeforeValidator(_names)] = None
    """Classes that are left out with all their images: 3, or 3+4."""
    only: Annotated[tuple[str, ...] | None, BeforeValidator(_names)] = None
    """The only classes that are kept."""
    alias: str | None = Field(None, min_length=1)
    """Name in tables, instead of that of the file; part of a run's identity."""


@dataclass(frozen=True)
class Regroup:
    """From the former classes to the new ones."""

    target: np.ndarray
    """[K] new number of every former class; GONE where it is left out."""
    classes: tuple[str, ...]
    """Names of the new ones."""
    note: str
    """What was done, in one sentence."""

    def labels(self, labels: Labels) -> Labels:
        """[n] new numbers; -1, and classes that are left out, become -1."""
        return np.where(labels < 0, GONE, self.target[labels]).astype(np.int64)

    def arrays(self, part: Arrays) -> Arrays:
        """The images of the classes that remain."""
        kept = np.flatnonzero(self.target[part.labels] != GONE)
        chosen = part if len(kept) == len(part) else part.take(kept)
        counts = None
        if chosen.counts is not None:
            counts = np.zeros((len(chosen), len(self.classes)), dtype=np.int64)
            for former, new in enumerate(self.target):
                if new != GONE:
                    counts[:, new] += chosen.counts[:, former]
        return replace(
            chosen,
            labels=self.labels(chosen.labels),
            given={name: self.labels(labels) for name, labels in chosen.given.items()},
            counts=counts,
        )


def regrouped(data: Data, options: Regrouping) -> Data:
    """`data` with the classes of `options`. Labels of raters that name a class that is left out become -1.

    Raises DataError where a class is unknown, is named twice, or no class would remain.
    """
    if not _used(options):
        return data
    how = regroup(data.name, data.classes, options, named=data.named)
    return replace(
        data,
        num_classes=len(how.classes),
        classes=how.classes,
        train=how.arrays(data.train),
        val=None if data.val is None else how.arrays(data.val),
        test=how.arrays(data.test),
        notes=(*data.notes, how.note),
    )


def regrouped_test(test: ExtraTest, name: str, options: Regrouping) -> ExtraTest:
    """As `regrouped`, of a test set."""
    if not _used(options):
        return test
    how = regroup(name, test.classes, options, named=test.named)
    return replace(test, classes=how.classes, test=how.arrays(test.test), notes=(*test.notes, how.note))


def _used(options: Regrouping) -> bool:
    return any((options.merge, options.without, options.only))


def mentioned(options: Regrouping) -> set[str]:
    """The names of classes that may be meant by `options`."""
    groups = [*(options.merge or ()), options.without or (), options.only or ()]
    return {text.removeprefix("class ") for group in groups for text in group}


def former(name: str, classes: tuple[str, ...], options: Regrouping) -> dict[str, list[str]]:
    """The first one of the `classes` that become one -> all of these, for each class that there is then."""
    target = regroup(name, classes, options, named=True).target
    together = [[classes[k] for k in np.flatnonzero(target == new)] for new in range(target.max() + 1)]
    return {members[0]: members for members in together}


def regroup(name: str, classes: tuple[str, ...], options: Regrouping, *, named: bool) -> Regroup:
    """What becomes of the `classes` of the data set `name`."""
    if options.without and options.only:
        raise DataError(f"{name}: without and only say the same of different classes; give one of them")
    numbers = _said(classes)
    groups = [_numbers(name, group, numbers) for group in options.merge or ()]
    chosen = _numbers(name, options.only or options.without or (), numbers)
    gone = set(range(len(classes))) - chosen if options.only else chosen
    first = {k: k for k in range(len(classes))}
    for group in groups:
        if len(group) < 2 or group & gone or sum(not group.isdisjoint(other) for other in groups) > 1:
            raise DataError(
                f"{name}: merge expects groups of at least two classes that are kept, each in one: merge=3+4"
            )
        first |= dict.fromkeys(group, min(group))
    remaining = sorted({first[k] for k in first if k not in gone})
    if not remaining:
        raise DataError(f"{name}: no class remains; expected at least one of {', '.join(classes)}")
    place = {k: new for new, k in enumerate(remaining)}
    target = np.array([GONE if k in gone else place[first[k]] for k in range(len(classes))])
    members: Mapping[int, list[str]] = {k: [classes[j] for j in first if first[j] == k] for k in remaining}
    new_names = tuple(" + ".join(members[k]) if named else str(new) for new, k in enumerate(remaining))
    said = ", ".join(f"{new} {' + '.join(members[k])}" for new, k in enumerate(remaining))
    left_out = f"; left out: {', '.join(classes[k] for k in sorted(gone))}" if gone else ""
    return Regroup(target, new_names, f"its classes are now {said} (new number, former class){left_out}")


def _said(classes: tuple[str, ...]) -> dict[str, set[int]]:
    """What may be typed -> the numbers of the classes that it may mean."""
    said: dict[str, set[int]] = {}
    for k, text in enumerate(classes):
        for typed in (text, str(k), f"class {text}", f"number {k}"):
            said.setdefault(typed, set()).add(k)
    return said


def _numbers(name: str, wanted: tuple[str, ...], said: Mapping[str, set[int]]) -> set[int]:
    for text in wanted:
        if text not in said:
            known = ", ".join(typed for typed in said if not typed.startswith(("class ", "number ")))
            raise DataError(f"{name} has no class {text!r}; expected some of {known}")
        if len(said[text]) > 1:
            raise DataError(
                f"{name}: {text!r} is the name of one class and the number, from 0 on, of another; expected "
                f"'class {text}' for the one of that name, or 'number {text}'"
            )
    found = {number for text in wanted for number in said[text]}
    if len(found) < len(wanted):
        raise DataError(f"{name}: {'+'.join(wanted)} names a class twice")
    return found
