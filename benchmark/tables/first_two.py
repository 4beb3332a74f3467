"""The first two methods of a leaderboard on each test image: is the lead more than the luck of the test set?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.store.content import Record
from benchmark.tables.comparison import Block, Table
from benchmark.tables.leaderboard import Leaderboard
from benchmark.tables.note_text import code, probability
from benchmark.tables.sampling import Pairs, duel, right_flags

SAMPLING_SEED = 0
BALANCED = "balanced_accuracy"
ALL = "all"


@dataclass(frozen=True)
class FirstTwo:
    first: str
    second: str
    sampling: pd.DataFrame
    """Per (dataset, noise) the columns of `sampling.duel`; noise "all" is over all noisy columns. Empty where no record
    says which images came out right."""
    notes: tuple[str, ...]


def first_two(board: Leaderboard, table: Table) -> FirstTwo | None:
    """The first method of `board`, one of `table`, against the second, on the test images of each data set.

    None of a single method, and where the table does not know where to look single images up.
    """
    images = table.images
    if len(board.methods) < 2 or images is None:
        return None
    first, second = board.methods.index[:2]
    pairs = {name: _runs(block, first, second) for name, block in zip(board.datasets, board.blocks, strict=True)}
    ids = {run for found in pairs.values() for column in ("first", "second") for run in found[column]}
    records = images.records(ids)
    rows: dict[str, pd.DataFrame] = {}
    said: dict[str, list[str]] = {}
    generator = np.random.default_rng(SAMPLING_SEED)
    for (name, found), block in zip(pairs.items(), board.blocks, strict=True):
        flags = {run: bits for run in ids if (bits := _right(records.get(run), table)) is not None}
        known = found[found["first"].isin(flags) & found["second"].isin(flags)]
        if known.empty:
            said.setdefault(_unknown(table.rule), []).append(name)
            continue
        labels = images.labels([*known["first"]], table.extra_test or "test") if block.metric == BALANCED else None
        weights = None if labels is None else _weights(labels)
        groups = _groups(records[known["first"].iloc[0]], table.extra_test)
        by_noise = {
            str(noise): Pairs(
                np.stack([flags[run] for run in runs["first"]]),
                np.stack([flags[run] for run in runs["second"]]),
                groups,
                weights,
            )
            for noise, runs in known.groupby("noise", sort=True)
        }
        rows[name] = duel(by_noise, generator)
        for sentence in _about(block.metric, groups, weights):
            said.setdefault(sentence, []).append(name)
    sampling = pd.concat(rows, names=["dataset"]) if rows else pd.DataFrame()
    notes = (f"{', '.join(names)}: {sentence}" for sentence, names in said.items())
    return FirstTwo(first, second, sampling, (*_sentences(first, second, sampling), *notes))


def _runs(block: Block, first: str, second: str) -> pd.DataFrame:
    """Ids of the runs of both methods in the noisy columns, paired by noise and seeds: noise, first, second."""
    runs = block.valued[block.valued["noise"].isin(block.noisy)]
    paired = runs[runs["method"] == first].merge(
        runs[runs["method"] == second], on=["noise", "seeds"], suffixes=("_first", "_second")
    )
    return paired.rename(columns={"id_first": "first", "id_second": "second"})[["noise", "first", "second"]]


def _right(record: Record | None, table: Table) -> NDArray[np.bool_] | None:
    """[n] whether the run has each test image right in the epoch of the rule; None where its record does not say."""
    if record is None:
        return None
    outcomes = record.get("outcomes") or {}
    if table.extra_test is not None:
        outcomes = (record.get("extra_outcomes") or {}).get(table.extra_test) or {}
    outcome, test = outcomes.get(table.rule), _test(record, table.extra_test)
    return right_flags(outcome["right"], test["size"]) if outcome and test else None


def _test(record: Record, extra_test: str | None) -> Mapping[str, Any]:
    tests = record.get("tests") or {}
    test: Mapping[str, Any] | None = (
        tests.get("test") if extra_test is None else (tests.get("extra") or {}).get(extra_test)
    )
    return test or {}


def _groups(record: Record, extra_test: str | None) -> NDArray[np.generic] | None:
    groups = _test(record, extra_test).get("groups")
    return None if groups is None else np.asarray(groups)


def _weights(labels: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """[n] of each image in the balanced accuracy, with mean 1: its class counts as much as any other."""
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = len(labels) / len(counts) / counts[codes]
    return weights


def _unknown(rule: str) -> str:
    return (
        f"which test images came out right under the rule {rule} is not recorded (it is of rules that choose one "
        "epoch, from schema 2 on), so the luck of the test set is not known"
    )


def _about(metric: str, groups: NDArray[np.generic] | None, weights: object) -> Iterator[str]:
    if groups is not None:
        yield f"whole groups of test images are drawn, such as those of a patient ({len(np.unique(groups))})"
    if metric == BALANCED and weights is None:
        yield (
            "the lead here is that of accuracy, as records do not hold the test labels; `run --keep "
            "predictions` keeps them, and the lead is then that of balanced accuracy"
        )
    elif metric not in ("accuracy", BALANCED):
        yield f"the lead here is that of accuracy; {metric} is no mean over images"


def _sentences(first: str, second: str, sampling: pd.DataFrame) -> Sequence[str]:
    if sampling.empty:
        return ()
    over = sampling.xs(ALL, level="noise")
    said = "; ".join(
        f"{row['lead']:+.3f} ± {row['half']:.3f} on the {row['images']:.0f} test images of {name}, false with "
        f"probability {probability(row['false'])}"
        for name, row in over.iterrows()
    )
    single = sampling["run_false"].median()
    return (
        f"test images: {code(first)} leads {code(second)} by {said} (95 % interval over test sets that could have "
        "been, networks as they are; probability that the second is truly as good: Claims Reloaded, arXiv 2505.04720). "
        f"By a single run of each, the lead is false with probability {probability(single)} (median over runs and "
        "columns)",
    )
