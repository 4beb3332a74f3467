"""The way back: from a ranking that people filled in to a corrected label set, with its history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from benchmark.datasets.base import Data
from benchmark.datasets.class_names import nearest
from benchmark.datasets.label_set import table_of
from benchmark.errors import UsageError
from benchmark.labels.review_files import ANSWERS, DECISIONS
from benchmark.store import digests
from benchmark.store.atomic import write_atomically
from benchmark.store.spreadsheet import composed, composed_cells, to_csv

HISTORY = ".history.json"
"""Suffix of the file beside a label set that says how it came about."""
NAMED = 10
"""Lines that a message names."""


@dataclass(frozen=True)
class Change:
    """What a reader decided of one label, where it changed something."""

    split: str
    index: int
    """Position in the split of the data set, before any image was left out."""
    file: str
    before: str
    """Class."""
    after: str
    """Class; "" where the image is left out."""
    decision: str
    reader: str
    comment: str


@dataclass(frozen=True)
class Reviewed:
    """A corrected label set, and how it differs from the former one."""

    rows: pd.DataFrame
    """As `label_set.COLUMNS`."""
    changes: list[Change]
    decisions: Counter[str]
    """How often each of DECISIONS was made; "" counts the labels that nobody read."""


def reviewed(review: pd.DataFrame, rows: pd.DataFrame, classes: Sequence[str], name: str) -> Reviewed:
    """The label set `rows` after the decisions of `review`; `name` is that of its file, for messages.

    `review` is as `review_files.Review.rows`, and has the columns split, index and given_class of a ranking, and
    decision and new_label filled in. Raises UsageError where a line cannot be understood, is not of these labels, or
    contradicts another one.
    """
    lacking = [column for column in ("index", "given_class", *ANSWERS[:2]) if column not in review]
    if lacking:
        raise UsageError(
            f"{name} has no column {', '.join(lacking)}; expected a table as `noisybench suspects` writes it, filled in"
        )
    _check_decided(review, name)
    classes = [composed(one) for one in classes]
    review = composed_cells(review)
    places = _places(rows)
    labels = rows["label"].to_list()
    decided: dict[int, tuple[int, str]] = {}
    changes, decisions = [], Counter[str]()
    for number, answer in zip(review.index, review.to_dict("records"), strict=True):
        where = f"{name}, line {number}"
        place = places.get((answer.get("split", "train"), str(answer["index"])))
        if place is None:
            raise UsageError(
                f"{where}: the data set has no image {answer['index']} in {answer.get('split', 'train')!r}; "
                "was it made for other data?"
            )
        row = rows.iloc[place]
        if answer["given_class"] != row["label"] or answer.get("file", row["file"]) not in ("", row["file"]):
            seen = " ".join(filter(None, [answer.get("file", ""), answer["given_class"]]))
            raise UsageError(
                f"{where} is of {seen}, the data set has {' '.join(filter(None, [row['file'], row['label']]))} there; "
                "expected a ranking of these labels"
            )
        decision, new = _decision(answer, classes, where)
        decisions[decision] += 1
        after = {"relabel": new, "drop": ""}.get(decision, row["label"])
        if decision and place in decided and decided[place][1] != after:
            raise UsageError(
                f"{where} contradicts line {decided[place][0]} on the same image: {after or 'drop'!r} and "
                f"{decided[place][1] or 'drop'!r}; expected one decision"
            )
        if decision and place not in decided:
            decided[place] = number, after
            if after != row["label"]:
                labels[place] = after
                said = (str(answer.get(column, "")) for column in ("reader", "comment"))
                where_from = (row["split"], int(row["index"]), row["file"], row["label"])
                changes.append(Change(*where_from, after, decision, *said))
    if not any(decisions[decision] for decision in DECISIONS):
        raise UsageError(
            f"no line of {name} has a decision; expected {', '.join(DECISIONS)} in that column where somebody has read"
        )
    return Reviewed(rows.assign(label=labels), changes, decisions)


def _places(rows: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Split and index -> row. An index counts the images that have a label, as a data set with these labels does."""
    places = {}
    numbers = Counter[str]()
    order = rows.assign(row=range(len(rows)), position=rows["index"].astype(int)).sort_values(["split", "position"])
    for split, row, label in order[["split", "row", "label"]].itertuples(index=False):
        if label:
            places[split, str(numbers[split])] = row
            numbers[split] += 1
    return places


def _check_decided(review: pd.DataFrame, name: str) -> None:
    """Raises UsageError where there is a new label and no decision: whether it is meant is not guessed."""
    undecided = review.index[(review["new_label"].str.strip() != "") & (review["decision"].str.strip() == "")]
    if len(undecided):
        lines = f"line{'s' * (len(undecided) > 1)} {', '.join(map(str, undecided[:NAMED]))}"
        more = f" and {len(undecided) - NAMED} more" if len(undecided) > NAMED else ""
        raise UsageError(
            f"{name}, {lines}{more}: new_label is filled in, but the column decision is empty; type relabel there, or "
            "clear new_label"
        )


def _decision(answer: Mapping[Any, str], classes: Sequence[str], where: str) -> tuple[str, str]:
    """Decision and new class of a line; both "" where nobody has read it."""
    decision, new = answer["decision"].strip().lower(), answer["new_label"].strip()
    if new and new not in classes:
        meant = nearest(new, classes)
        hint = f"; did you mean {meant!r}? Expected" if meant else "; expected"
        raise UsageError(f"{where}: there is no class {new!r}{hint} one of {', '.join(classes)}")
    if decision and decision not in DECISIONS:
        raise UsageError(f"{where}: the decision is {decision!r}; expected one of {', '.join(DECISIONS)}, or nothing")
    if decision == "relabel" and not new:
        raise UsageError(f"{where}: relabel, but the column new_label is empty; expected one of {', '.join(classes)}")
    if new and decision != "relabel" and new != answer["given_class"]:
        raise UsageError(f"{where}: {decision} and the new label {new!r} contradict each other; expected one of them")
    return decision, new


def replaced(data: Data, labels: np.ndarray, name: str) -> Reviewed:
    """The label set of `data` with `labels` [n] of all splits one after the other; -1 keeps the label.

    `name` says where they come from.
    """
    rows = table_of(data)
    after = [composed(data.classes[k]) if k >= 0 else before for k, before in zip(labels, rows["given"], strict=True)]
    changes = [
        Change(row["split"], row["index"], row["file"], row["given"], new, "relabel", name, "")
        for row, new in zip(rows.to_dict("records"), after, strict=True)
        if new != row["given"]
    ]
    return Reviewed(rows.assign(label=after), changes, Counter({"relabel": len(changes)}))


def history_of(path: Path) -> list[dict[str, Any]]:
    """The steps that led to the label set at `path`, the first one first; none where it has no history.

    Raises UsageError where the history is damaged, or of another state of the file.
    """
    beside = path.with_suffix(HISTORY)
    if not beside.exists():
        return []
    try:
        steps: list[dict[str, Any]] = digests.unseal_json(beside.read_bytes())["steps"]
    except (OSError, ValueError, LookupError) as error:
        raise UsageError(f"{beside} cannot be read ({error}); put a copy of it back, or move it away") from None
    if steps[-1]["after"] != digests.digest(path):
        raise UsageError(f"{beside} is of another state of {path.name}; put the two files of one state side by side")
    return steps


def write(path: Path, rows: pd.DataFrame, steps: list[dict[str, Any]], step: Mapping[str, Any] | None = None) -> str:
    """Writes the label set and its history beside it, `step` added; returns the label set's digest."""
    write_atomically(path, to_csv(rows))
    digest = digests.digest(path)
    if step is not None:
        steps = [*steps, {**step, "after": digest}]
    beside = path.with_suffix(HISTORY)
    if steps:
        sealed = orjson.loads(digests.seal_json({"steps": steps}))
        write_atomically(beside, orjson.dumps(sealed, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    else:
        beside.unlink(missing_ok=True)
    return digest


def undone(rows: pd.DataFrame, step: Mapping[str, Any]) -> pd.DataFrame:
    """The label set before the last `step` of its history. Raises UsageError where the two do not belong together."""
    labels = rows["label"].to_list()
    places = {
        (split, str(index)): row for row, (split, index) in enumerate(zip(rows["split"], rows["index"], strict=True))
    }
    for change in step["changes"]:
        place = places.get((change["split"], str(change["index"])))
        if place is None or labels[place] != change["after"]:
            raise UsageError(
                f"the history says {change['after']!r} of image {change['index']} of {change['split']}, the "
                "label set does not; put the two files of one state side by side"
            )
        labels[place] = change["before"]
    return rows.assign(label=labels)
