"""Noise that depends on the class only: the labels are drawn from a matrix T."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import FilePath, field_validator

from benchmark.noise._draws import flip
from benchmark.noise._probabilities import checked_probabilities
from benchmark.noise.base import Corruption, NoiseError, NoiseKind, RateSettings, Settings, Split
from benchmark.parsers import parse_json
from benchmark.store.arrays import UNREADABLE

Pairs = tuple[tuple[int, int], ...]
OF_UNEQUAL_ROWS = ("inhomogeneous shape", "number of columns changed")
"""What numpy says of them, of lists and of CSV files."""


class Symmetric(NoiseKind):
    """A wrong label is any other class with equal probability."""

    names = ("symmetric",)

    class Config(RateSettings):
        inclusive: bool = False
        """Draw new labels from all K classes, the true one included: only rate * (K - 1) / K end up wrong."""

    def corrupt(self, split: Split, seed: int) -> Corruption:
        return flip(split, symmetric(split.num_classes, self.cfg.rate, self.cfg.inclusive), self.name, seed)


class Pair(NoiseKind):
    """A wrong label is the next class: i becomes i + 1 modulo K."""

    names = ("pair",)

    class Config(RateSettings):
        """No further options."""

    def corrupt(self, split: Split, seed: int) -> Corruption:
        classes = split.num_classes
        successors = tuple((i, (i + 1) % classes) for i in range(classes))
        return flip(split, mapped(classes, successors, self.cfg.rate), self.name, seed)


class Asymmetric(NoiseKind):
    """A wrong label is a class that the true one is easily confused with; `rate` is that of every mapped class."""

    names = ("asymmetric",)

    class Config(RateSettings):
        map: str | Pairs | None = None
        """Pairs [class, class it is confused with], or the name of a stored map (cifar10, cifar100,
        cifar100_blocks, dermamnist, digits). None: the data set's own stored map; where it has none, the
        map with which a cross-fitted clean classifier confuses the classes."""

        @field_validator("map")
        @classmethod
        def _check_map(cls, value: str | Pairs | None) -> str | Pairs | None:
            if isinstance(value, str):
                stored_map(value)
            elif value is not None:
                valid = all(min(pair) >= 0 and pair[0] != pair[1] for pair in value)
                if not value or not valid or len(dict(value)) < len(value):
                    raise ValueError("expected pairs of different classes from 0 on, no two of one class")
            return value

    def requires_clean_classifier(self, split: Split) -> bool:
        return self.cfg.map is None and split.registered not in _stored_maps()

    def skip(self, split: Split) -> str | None:
        if self.requires_clean_classifier(split) and split.probabilities is None:
            return (
                f"data set {split.dataset!r} has no stored class map and no clean classifier; "
                "give pairs of classes, such as map = [[0, 1], [1, 0]]"
            )
        return None

    def resolve(self, train: Split) -> NoiseKind:
        if not self.requires_clean_classifier(train):
            return self
        return Asymmetric(self.cfg.model_copy(update={"map": confusion_map(train)}))

    def corrupt(self, split: Split, seed: int) -> Corruption:
        return flip(split, mapped(split.num_classes, self._pairs(split), self.cfg.rate), self.name, seed)

    def _pairs(self, split: Split) -> Pairs:
        if isinstance(self.cfg.map, tuple):
            return self.cfg.map
        if self.requires_clean_classifier(split):
            if split.name != "train":
                # A map computed from this split could differ from that of the training split.
                raise NoiseError(
                    f"the class map of {split.dataset!r} is computed from the training split only; "
                    "call resolve() with the training split first, or give the pairs as `map`"
                )
            return confusion_map(split)
        classes, pairs = stored_map(self.cfg.map or split.registered)
        if classes != split.num_classes:
            raise NoiseError(
                f"class map {self.cfg.map or split.registered!r} is for {classes} classes, "
                f"{split.dataset!r} has {split.num_classes}; choose another map, or give the pairs as `map`"
            )
        return pairs


class Transition(NoiseKind):
    """Labels drawn from your own matrix T: a .npy, .csv or .json file of K rows that sum to 1."""

    names = ("transition",)
    nested = False  # it has no rate
    positional = "file"

    class Config(Settings):
        file: FilePath
        """T[i, j] = P(noisy = j | clean = i), [K, K]: .npy, .csv without header, or .json (list of rows)."""

        @field_validator("file")
        @classmethod
        def _check_file(cls, value: Path) -> Path:
            read_transition(value)
            return value

    def corrupt(self, split: Split, seed: int) -> Corruption:
        transition = read_transition(self.cfg.file)
        if len(transition) != split.num_classes:
            raise NoiseError(
                f"{self.cfg.file} holds a T of {len(transition)} classes, {split.dataset!r} has "
                f"{split.num_classes}; expected {split.num_classes} rows of {split.num_classes} numbers"
            )
        return flip(split, transition, self.name, seed)


def symmetric(num_classes: int, rate: float, inclusive: bool = False) -> np.ndarray:
    """[K, K] T of symmetric noise."""
    if inclusive:
        return np.full((num_classes, num_classes), rate / num_classes) + (1.0 - rate) * np.eye(num_classes)
    transition = np.full((num_classes, num_classes), rate / (num_classes - 1))
    np.fill_diagonal(transition, 1.0 - rate)
    return transition


def mapped(num_classes: int, pairs: Pairs, rate: float) -> np.ndarray:
    """[K, K] T in which class i becomes class j with `rate`, for every pair (i, j)."""
    highest = max(max(pair) for pair in pairs)
    if highest >= num_classes:
        raise NoiseError(f"the class map names class {highest}; expected 0 to {num_classes - 1}: mend `map`")
    transition = np.eye(num_classes)
    for source, target in pairs:
        transition[source, source] = 1.0 - rate
        transition[source, target] = rate
    return transition


def confusion_map(train: Split) -> Pairs:
    """For every class the other class that the clean classifier gives the highest mean probability."""
    probabilities = checked_probabilities(train)
    mean = np.zeros((train.num_classes, train.num_classes))
    np.add.at(mean, train.labels, probabilities)
    np.fill_diagonal(mean, -1.0)
    return tuple((source, int(target)) for source, target in enumerate(mean.argmax(1)))


def stored_map(name: str) -> tuple[int, Pairs]:
    """Number of classes and pairs of a stored map; its source stands beside it in maps.json."""
    maps = _stored_maps()
    if name not in maps:
        known = ", ".join(sorted(maps))
        raise NoiseError(f"unknown class map {name!r}; expected one of {known}, or pairs of classes")
    entry = maps[name]
    if "pairs" in entry:
        return entry["classes"], tuple((source, target) for source, target in entry["pairs"])
    cycles = [zip(group, group[1:] + group[:1], strict=True) for group in entry["groups"]]
    return entry["classes"], tuple(sorted(pair for cycle in cycles for pair in cycle))


@cache
def _stored_maps() -> dict[str, dict[str, Any]]:
    return json.loads((Path(__file__).parent / "maps.json").read_text(encoding="utf-8"))


def read_transition(path: Path) -> np.ndarray:
    """[K, K] float64 T of a file, its rows scaled to sum to exactly 1. Raises NoiseError where it is no valid T."""
    try:
        suffix = path.suffix.lower()
        if suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        elif suffix == ".csv":
            # Excel writes a byte order mark.
            values = np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float64, encoding="utf-8-sig")
        elif suffix == ".json":
            values = parse_json(path.read_text(encoding="utf-8-sig"))
        else:
            raise NoiseError(f"{path} ends in {path.suffix!r}; expected a T as .npy, .csv or .json")
    except NoiseError:
        raise
    except UNREADABLE as error:
        if isinstance(error, OSError):
            raise
        raise _no_matrix(str(path), error) from None
    return transition_of(values, str(path))


def transition_of(values: Any, what: str, tolerance: float = 1e-6) -> np.ndarray:
    """[K, K] float64 T of nested lists or an array, its rows scaled to sum to exactly 1.

    Raises NoiseError, which names `what`, where it is no valid T; its rows may miss 1 by `tolerance`.
    """
    try:
        if np.iscomplexobj(values):
            raise TypeError("complex numbers")
        transition = np.array(values, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise _no_matrix(what, error) from None
    if transition.ndim != 2 or transition.shape[0] != transition.shape[1] or len(transition) < 2:
        raise NoiseError(f"{what} has shape {transition.shape}; expected K rows of K probabilities, K >= 2")
    if not np.isfinite(transition).all() or (transition < 0).any():
        raise NoiseError(f"{what} holds negative or non-finite numbers; expected probabilities")
    sums = transition.sum(1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > tolerance:
        hint = "; its columns sum to 1: transpose it" if np.allclose(transition.sum(0), 1) else ""
        raise NoiseError(f"{what}: row {worst} (clean class) sums to {sums[worst]:.6g}; expected 1{hint}")
    return transition / sums[:, None]


def _no_matrix(what: str, error: Exception) -> NoiseError:
    unequal = any(words in str(error) for words in OF_UNEQUAL_ROWS)
    reason = "rows of unequal length" if unequal else error
    return NoiseError(f"{what} is not a matrix of numbers ({reason}); expected K rows of K probabilities")
