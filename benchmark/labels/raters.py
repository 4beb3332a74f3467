"""What several raters of the same images say: how far they agree, and how good each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.errors import UsageError
from benchmark.labels.agreement import Agreement, agreement
from benchmark.labels.consensus import LEAST_RATERS, Consensus, confusions, consensus, quality, transitions
from benchmark.noise.rate_estimate import HeldOut, RateEstimate, estimate_rate
from benchmark.tables.bootstrap import Groups


@dataclass(frozen=True)
class Judgement:
    """The raters by one reference: their consensus, or the truth."""

    table: pd.DataFrame
    """As `consensus.quality`."""
    transitions: np.ndarray
    """[R, K, K], NaN in the row of a class of which a rater labelled no image."""


@dataclass(frozen=True)
class Raters:
    names: Sequence[str]
    agreement: Agreement
    consensus: Consensus | None
    """None where there is none, for a reason in `notes`."""
    by_consensus: Judgement | None
    by_truth: Judgement | None
    """None where the truth is not known."""
    by_networks: Sequence[RateEstimate]
    """[R] the share of each rater's labels that is wrong."""
    differ: Sequence[float]
    """[R] share of each rater's labels that are not the given ones; NaN without any."""
    notes: Sequence[str]


def examine(
    names: Sequence[str],
    votes: np.ndarray,
    labels: np.ndarray,
    clean: np.ndarray | None,
    classes: Sequence[str],
    held_out: HeldOut,
    *,
    kind: str | None,
    weak: bool,
    groups: Groups | None,
    seed: int,
) -> Raters:
    """The raters `names` [R] with `votes` [n, R] beside the given `labels` [n] and the true ones, `clean` [n].

    `kind` of the consensus: Dawid and Skene's where it is None and there are three raters, else CROWDLAB's, unless the
    networks behind `held_out` are too `weak`. Raises UsageError where the kind that is asked for cannot be had.
    """
    num_classes = len(classes)
    found = agreement(votes, names, num_classes, groups, np.random.default_rng(seed))
    notes = list(_notes(names, votes, classes))
    chosen, why = _kind(kind, len(names), found.images, weak)
    if chosen is None and kind is not None:
        raise UsageError(why)
    notes += [why] * bool(why)
    agreed, by_consensus = None, None
    if chosen is not None:
        agreed = consensus(chosen, votes, num_classes, None if weak else held_out.probabilities, seed)
        if agreed.tied:
            notes.append(f"{agreed.tied} image(s) are tied by the consensus: one of their classes was drawn")
        if chosen == "crowdlab":
            notes.append(_overruled(votes, agreed.labels))
        # Nobody contradicts a rater whose images no other one has seen.
        compared = np.where(((votes >= 0).sum(1) >= 2)[:, None], votes, -1) if chosen != "crowdlab" else votes
        by_consensus = _judged(names, agreed.reference, compared, groups)
    by_truth = None
    if clean is not None:
        known = (clean >= 0)[:, None] * np.eye(num_classes)[np.maximum(clean, 0)]
        by_truth = _judged(names, known, votes, groups)
    given = [np.flatnonzero(one >= 0) for one in votes.T]
    by_networks = [
        estimate_rate(votes[at, r], HeldOut(held_out.probabilities[at], held_out.twins))
        if len(at)
        else RateEstimate(0.0, None, None, "there is no label")
        for r, at in enumerate(given)
    ]
    differ = [float((votes[at, r] != labels[at]).mean()) if len(at) else float("nan") for r, at in enumerate(given)]
    return Raters(names, found, agreed, by_consensus, by_truth, by_networks, differ, notes)


def _kind(kind: str | None, raters: int, overlap: int, weak: bool) -> tuple[str | None, str]:
    """The kind of consensus that is taken, or why there is none."""
    if not overlap:
        return None, "no image was labelled by two raters, so there is no consensus"
    if kind is None:
        kind = "dawid_skene" if raters >= LEAST_RATERS else "crowdlab"
        if kind == "crowdlab" and weak:
            return None, "two raters have no consensus where they differ, and the networks are too weak to decide"
    if kind == "crowdlab" and weak:
        return None, "CROWDLAB weighs raters and networks, and these networks are too weak; expected another consensus"
    return kind, ""


def _overruled(votes: np.ndarray, labels: np.ndarray) -> str:
    """How often the consensus is against all raters of an image, where these agree."""
    several = (votes >= 0).sum(1) >= 2
    highest = votes.max(1)
    agree = several & ((votes == highest[:, None]) | (votes < 0)).all(1)
    against = int((labels != highest)[agree].sum())
    return (
        f"CROWDLAB is against raters who agree in {against} of {int(agree.sum())} images; where these are many, the "
        "networks outweigh the raters, as on data of which most images are of one class: take another consensus then"
    )


def _judged(names: Sequence[str], posterior: np.ndarray, votes: np.ndarray, groups: Groups | None) -> Judgement:
    return Judgement(quality(names, posterior, votes, groups), transitions(confusions(posterior, votes)))


def _notes(names: Sequence[str], votes: np.ndarray, classes: Sequence[str]) -> list[str]:
    """What is odd about the labels of single raters."""
    notes, several = [], (votes >= 0).sum(1) >= 2
    for name, labels in zip(names, votes.T, strict=True):
        given = labels[labels >= 0]
        if not len(given):
            notes.append(f"{name} labelled no image")
        elif (given == given[0]).all():
            notes.append(f"{name} gave no other class than {classes[given[0]]}, to {len(given)} image(s)")
        if len(given) and not several[labels >= 0].any():
            notes.append(f"{name} labelled no image that another rater labelled, and cannot be compared")
    absent = [classes[k] for k in range(len(classes)) if not (votes == k).any()]
    if absent:
        notes.append(f"no rater gave the class {', '.join(absent)}")
    unread = int((votes < 0).all(1).sum())
    if unread:
        notes.append(f"{unread} of {len(votes)} images were labelled by no rater")
    return notes
