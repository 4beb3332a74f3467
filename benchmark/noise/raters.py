"""Labels of several raters: recorded ones, or ones drawn from a confusion matrix of each; and their consensus."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, FilePath, ValidationInfo, field_validator, model_validator

from benchmark.noise._consensus import Consensus, counts_of, crowdlab, dawid_skene, likeliest, one_hot, shares
from benchmark.noise._draws import choose, draw, uniforms
from benchmark.noise._probabilities import checked_probabilities
from benchmark.noise.base import Corruption, NoiseError, NoiseKind, Settings, Split, without_missing
from benchmark.noise.class_conditional import transition_of
from benchmark.noise.given import checked_labels, labels_of
from benchmark.parsers import parse_json

Matrix = tuple[tuple[float, ...], ...]

RECORDED = "recorded"
COUNTS = "counts"
MAJORITY = "majority"
DRAWN = "drawn"
KINDS = frozenset({MAJORITY, DRAWN, "dawid_skene", "crowdlab"})
ROUNDED = 5e-3
"""Rows of measured matrices may miss 1 by this much."""


@dataclass(frozen=True)
class StoredRaters:
    """Confusion matrices that were measured and published."""

    source: str
    classes: tuple[str, ...]
    """[K] names of the rows and columns."""
    matrices: Mapping[str, np.ndarray]


class Raters(NoiseKind):
    """Several raters: the labels of one of them, or a consensus (majority, Dawid-Skene, CROWDLAB).

    The raters' labels come with the data (arrays train_labels_NAME, -1 where a rater gave none), or are drawn from
    a confusion matrix per rater, independently given the class. Beside one label an image, methods may be given all
    of them as soft labels: the posteriors of Dawid-Skene, or else the share of the raters that gave each class.
    """

    names = ("raters",)
    nested = False
    positional = "labels"

    class Config(Settings):
        labels: str = Field(min_length=1)
        """majority, dawid_skene, crowdlab, the name of one rater, or drawn: of each image the label of one of its
        raters, drawn at random."""
        source: str | FilePath | dict[str, Matrix] = RECORDED
        """recorded: the data's own labels; counts: its arrays {train,val}_counts; chaoyang: two pathologists; or
        confusion matrices {name = [[...], ...]}, K rows of true classes, also as a .json file."""
        raters: tuple[str, ...] | None = None
        """Names of those to take, ["a", "b"] or a+b; all of the source where it is left out."""
        classes: tuple[int, ...] | None = None
        """[K] for every class of the data set, the class of the confusion matrices that it is; by default the same."""

        @field_validator("raters", mode="before")
        @classmethod
        def _names(cls, value: Any) -> Any:
            return value.split("+") if isinstance(value, str) else value

        @field_validator("raters")
        @classmethod
        def _each_once(cls, value: Any) -> Any:
            if value is not None and len(set(value)) < len(value):
                raise ValueError("expected names of different raters: none counts twice")
            return value

        @field_validator("source", mode="before")
        @classmethod
        def _file_or_name(cls, value: Any) -> Any:
            if isinstance(value, str) and value not in (RECORDED, COUNTS, *stored_raters()):
                path = Path(value)
                if not path.is_file():
                    known = ", ".join((RECORDED, COUNTS, *stored_raters()))
                    raise ValueError(f"{value!r} is no file; expected one of {known}, a .json file, or matrices")
                return path
            return value

        @field_validator("source")
        @classmethod
        def _matrices(cls, value: Any) -> Any:
            if isinstance(value, (Path, dict)):
                _own_matrices(value)
            return value

        @field_validator("classes")
        @classmethod
        def _only_of_matrices(cls, value: Any, info: ValidationInfo) -> Any:
            if value is not None and info.data.get("source", RECORDED) in (RECORDED, COUNTS):
                raise ValueError("maps the rows of confusion matrices; recorded labels have the data set's own classes")
            return value

        @model_validator(mode="after")
        def _counts_name_nobody(self) -> Any:
            if self.source == COUNTS and self.raters is not None:
                raise ValueError("counts do not say which rater gave which label; leave `raters` out, or source=counts")
            return self

    @property
    def classifier_on_own_labels(self) -> bool:  # type: ignore[override]
        return bool(self.cfg.labels == "crowdlab")

    def requires_clean_classifier(self, split: Split) -> bool:
        return self.classifier_on_own_labels

    def classifier_labels(self, split: Split, seed: int) -> np.ndarray:
        """The majority of the raters, as CROWDLAB's authors train: no clean label is seen."""
        votes = np.stack(list(self._votes(split, seed)[0].values()), axis=1)
        voted = np.any(votes >= 0, axis=1)
        labels = np.full(len(votes), -1, dtype=np.int64)
        labels[voted] = self._majority(votes[voted], split, seed, voted).labels
        return labels

    def skip(self, split: Split) -> str | None:
        if self.cfg.source == COUNTS:
            return None if split.counts is not None else _no_counts(split)
        if self.cfg.source == RECORDED:
            absent = [name for name in self.cfg.raters or () if name not in split.given]
            if absent or not split.given:
                what = f"no labels of the rater {absent[0]!r}" if absent else "no labels of raters"
                return f"data set {split.dataset!r} ({split.name}) has {what}; {labels_of(split)}"
        return None

    def corrupt(self, split: Split, seed: int) -> Corruption:
        reason = self.skip(split)
        if reason:
            raise NoiseError(reason)
        if self.cfg.source == COUNTS:
            return self._of_counts(split, seed)
        votes, matrices, notes = *self._votes(split, seed), self._notes(split)
        name = self.cfg.labels
        if name in votes:
            made = without_missing(votes[name], split, matrices.get(name))
            return replace(made, notes=(*notes, *made.notes))
        if name not in KINDS:
            raise NoiseError(f"no rater is named {name!r}; expected one of {', '.join((*votes, *sorted(KINDS)))}")
        stacked = np.stack(list(votes.values()), axis=1)
        voted = np.any(stacked >= 0, axis=1)
        labels = np.full(len(stacked), -1, dtype=np.int64)
        consensus = self._consensus(stacked[voted], split, seed, voted)
        labels[voted] = consensus.labels
        made = without_missing(labels, split)
        return replace(
            made,
            soft=_soft(consensus, voted),
            notes=(*notes, *about(votes, split), *self._about_consensus(consensus, len(votes)), *made.notes),
        )

    def _votes(self, split: Split, seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The labels [n] of every rater by name, and the matrices that they were drawn from, if they were."""
        if self.cfg.source == RECORDED:
            names = self.cfg.raters or tuple(sorted(split.given))
            if taken := sorted(KINDS & {*names}):
                raise NoiseError(
                    f"data set {split.dataset!r} ({split.name}) has labels named {taken[0]!r}, which is a consensus "
                    f"here; name the raters, raters=a+b, or take these labels as they are, given:{taken[0]}"
                )
            return {name: checked_labels(split, name) for name in names}, {}
        matrices = {name: self._fitted(matrix, name, split) for name, matrix in self._chosen().items()}
        drawn = {
            name: draw(split.labels, matrix, *uniforms(split, f"{self.name}/{name}", seed))
            for name, matrix in matrices.items()
        }
        return drawn, matrices

    def _chosen(self) -> Mapping[str, np.ndarray]:
        """The confusion matrices of the raters that are taken."""
        source = self.cfg.source
        matrices = stored_raters()[source].matrices if isinstance(source, str) else _own_matrices(source)
        names = self.cfg.raters or tuple(matrices)
        unknown = [name for name in names if name not in matrices]
        if unknown:
            raise NoiseError(f"the source has no rater {unknown[0]!r}; expected some of {', '.join(matrices)}")
        return {name: matrices[name] for name in names}

    def _fitted(self, matrix: np.ndarray, name: str, split: Split) -> np.ndarray:
        """`matrix` with its rows and columns in the order of the data set's classes."""
        order = self.cfg.classes or tuple(range(split.num_classes))
        if len(matrix) != split.num_classes or sorted(order) != list(range(len(matrix))):
            raise NoiseError(
                f"the confusion matrix of rater {name!r} has {len(matrix)} classes, {split.dataset!r} has "
                f"{split.num_classes}; expected as many, and in `classes` each of 0 to {len(matrix) - 1} once"
            )
        return matrix[np.ix_(order, order)]

    def _of_counts(self, split: Split, seed: int) -> Corruption:
        assert split.counts is not None
        if self.cfg.labels not in (MAJORITY, DRAWN):
            raise NoiseError(
                f"counts do not say which rater gave which label, which {self.cfg.labels} needs; "
                f"expected {MAJORITY} or {DRAWN}"
            )
        counts = np.asarray(split.counts, dtype=np.float64)
        voted = counts.sum(1) > 0
        labels = np.full(len(counts), -1, dtype=np.int64)
        consensus = self._of_scores(counts[voted], split, seed, voted)
        labels[voted] = consensus.labels
        made = without_missing(labels, split)
        raters = counts[voted].sum(1)
        note = f"{raters.min():g} to {raters.max():g} raters per image, {raters.mean():.1f} on average"
        return replace(made, soft=_soft(consensus, voted), notes=(note, *self._about_consensus(consensus), *made.notes))

    def _of_scores(self, counts: np.ndarray, split: Split, seed: int, voted: np.ndarray) -> Consensus:
        """Majority of `counts` [m, K], or one label in proportion to them."""
        _, v = uniforms(split, self.name, seed)
        if self.cfg.labels == DRAWN:
            return Consensus(choose(counts, v[voted]), np.zeros(len(counts), dtype=bool), shares(counts))
        return likeliest(counts, v[voted])

    def _majority(self, votes: np.ndarray, split: Split, seed: int, voted: np.ndarray) -> Consensus:
        _, v = uniforms(split, self.name, seed)
        return likeliest(counts_of(votes, split.num_classes), v[voted])

    def _consensus(self, votes: np.ndarray, split: Split, seed: int, voted: np.ndarray) -> Consensus:
        """Of `votes` [m, R], the rows of those images of the split that have one."""
        if self.cfg.labels == "crowdlab":
            if split.probabilities is None:
                raise NoiseError(
                    "CROWDLAB needs out-of-fold probabilities of networks that were trained on the raters' majority; "
                    "`noisybench run` and `noisybench noise make` train them: draw these labels there"
                )
            labels = crowdlab(votes, checked_probabilities(split)[voted])
            return Consensus(labels, np.zeros(len(votes), dtype=bool), shares(counts_of(votes, split.num_classes)))
        if self.cfg.labels == "dawid_skene":
            _, v = uniforms(split, self.name, seed)
            model = dawid_skene(one_hot(votes, split.num_classes))
            return likeliest(model.posteriors, v[voted])
        return self._of_scores(counts_of(votes, split.num_classes), split, seed, voted)

    def _about_consensus(self, consensus: Consensus, raters: int | None = None) -> list[str]:
        notes = []
        tied = int(consensus.tied.sum())
        if tied:
            notes.append(f"{self.cfg.labels}: {tied} ties ({tied / len(consensus.tied):.1%}) were broken by the seed")
        if self.cfg.labels == "crowdlab":
            notes.append("crowdlab: its networks were trained on the raters' majority, not on clean labels")
        if self.cfg.labels == "dawid_skene" and raters is not None and raters < 3:
            notes.append(f"dawid_skene: {raters} raters do not determine the model; expected at least 3")
        return notes

    def _notes(self, split: Split) -> list[str]:
        """What is assumed of confusion matrices."""
        source = self.cfg.source
        if source == RECORDED:
            return []
        notes = ["a simulation: labels are drawn from confusion matrices, independently given the class"]
        if isinstance(source, str):
            stored = stored_raters()[source]
            names = [stored.classes[k] for k in self.cfg.classes or range(len(stored.classes))]
            notes.append(f"{source}: {stored.source}")
            notes.append("classes taken as " + ", ".join(f"{k} {name}" for k, name in enumerate(names)))
        return notes


def _no_counts(split: Split) -> str:
    other = f"; {labels_of(split)}, which need no source=counts" if split.given else ""
    return (
        f"data set {split.dataset!r} ({split.name}) has no counts; expected an array {split.name}_counts "
        f"[{len(split.labels)}, {split.num_classes}] of an npz file (npz:FILE), how many raters gave each class{other}"
    )


def _soft(consensus: Consensus, voted: np.ndarray) -> np.ndarray:
    """[n, K] the probabilities of the consensus; rows of 0 where nobody gave a label (`voted` [n])."""
    soft = np.zeros((len(voted), consensus.probabilities.shape[1]))
    soft[voted] = consensus.probabilities
    return soft


def about(votes: Mapping[str, np.ndarray], split: Split) -> list[str]:
    """How often each rater is wrong, and how often two agree."""
    said = []
    for name, labels in votes.items():
        given = labels >= 0
        if not given.any():
            said.append(f"{name} without labels")
            continue
        wrong = float((labels != split.labels)[given].mean())
        said.append(f"{name} {wrong:.3f}" + ("" if given.all() else f" ({given.mean():.0%} labeled)"))
    both = same = 0
    for one, other in combinations(votes.values(), 2):
        common = (one >= 0) & (other >= 0)
        both += int(common.sum())
        same += int((one == other)[common].sum())
    notes = [f"share of wrong labels by rater: {', '.join(said)}"]
    if both:
        notes.append(f"two raters of an image agree in {same / both:.1%} of the pairs")
    return notes


@cache
def stored_raters() -> Mapping[str, StoredRaters]:
    """The confusion matrices in raters.json, by name; their sources stand beside them."""
    read = json.loads((Path(__file__).parent / "raters.json").read_text(encoding="utf-8"))
    return {
        name: StoredRaters(
            entry["source"],
            tuple(entry["classes"]),
            {rater: transition_of(rows, rater, ROUNDED) for rater, rows in entry["raters"].items()},
        )
        for name, entry in read.items()
    }


def _own_matrices(source: Path | Mapping[str, Matrix]) -> dict[str, np.ndarray]:
    """Confusion matrices by rater, from a file or as given. Raises NoiseError, a ValueError."""
    if isinstance(source, Path):
        try:
            read = parse_json(source.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise NoiseError(f"{source} cannot be read as JSON ({error}); expected {{name: K rows of K}}") from None
    else:
        read = dict(source)
    if not isinstance(read, dict) or not read:
        raise NoiseError(f"{source} holds no raters; expected a JSON object {{name: K rows of K probabilities}}")
    reserved = sorted(KINDS & read.keys())
    if reserved:
        raise NoiseError(f"a rater is named {reserved[0]!r}, which is a consensus; name it otherwise")
    return {name: transition_of(rows, f"rater {name!r}", ROUNDED) for name, rows in read.items()}
