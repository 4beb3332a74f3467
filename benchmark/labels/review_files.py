"""Files in which people read labels again: a table for spreadsheet programs, and tasks for Label Studio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import orjson
import pandas as pd

from benchmark.datasets._sheets import read_texts
from benchmark.datasets.base import DataError

ANSWERS = ("decision", "new_label", "reader", "comment")
"""Columns that are empty until somebody fills them in."""
DECISIONS = ("keep", "relabel", "drop", "unsure")
"""What a reader may decide of a label: it is right, it becomes `new_label`, the image is of no class, cannot tell."""


@dataclass(frozen=True)
class Review:
    """A ranking that people filled in."""

    rows: pd.DataFrame
    """All columns as text, "" where a cell is empty. The index says in which line of the file a row is, as a
    spreadsheet counts them, or which task it is."""
    assumed: tuple[str, ...] = ()
    """What was assumed of the file; a sentence each."""


def read(path: Path) -> Review:
    """The table in the file `path`, as spreadsheet programs save it, or, of a .json file, the answers of Label Studio.

    Raises DataError, whose message says what is wrong and leaves it to the caller what was expected.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from None
    if not content.strip():
        raise DataError(f"{path} is empty")
    if path.suffix.lower() == ".json":
        return Review(from_label_studio(content, path))
    return Review(*read_texts(path))


def filled_in(path: Path) -> int:
    """How many rows of the table in the file `path` somebody has filled in; 0 where there is no file, or an empty one.

    Raises DataError where it is no table: nobody knows then what it holds.
    """
    if not path.exists() or not path.stat().st_size:
        return 0
    rows = read(path).rows
    answers = rows[[name for name in ANSWERS if name in rows]]
    return int((answers.apply(lambda column: column.str.strip()) != "").any(axis=1).sum())


def label_studio_tasks(table: pd.DataFrame, images: Mapping[int, str], detector: str) -> bytes:
    """The rows of a ranking as JSON tasks of Label Studio, with the suggested class as its prediction.

    `images` gives the path of the image of each row (by its place in `table`), below the folder that Label Studio
    serves files from.
    """
    tasks = []
    for place, row in enumerate(table.to_dict("records")):
        shown = {**_plain(row), "image": f"/data/local-files/?d={images[place]}"}
        choice = {"choices": [row["suggested_class"]]}
        result = {"from_name": "label", "to_name": "image", "type": "choices", "value": choice}
        prediction = {"model_version": detector, "score": float(row["suggested_probability"]), "result": [result]}
        tasks.append({"data": shown, "predictions": [prediction]})
    return orjson.dumps(tasks, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)


def label_studio_config(classes: tuple[str, ...]) -> bytes:
    """The labeling interface of these tasks: the image, the given class, one choice among the classes."""
    choices = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in classes)
    return (
        '<View>\n  <Image name="image" value="$image"/>\n  <Header value="given: $given_class"/>\n'
        f'  <Choices name="label" toName="image" choice="single">\n{choices}\n  </Choices>\n</View>\n'
    ).encode()


def from_label_studio(content: bytes, path: Path) -> pd.DataFrame:
    """What Label Studio exports as JSON, here to `path`, as `Review.rows`.

    The first answer to each task counts. A chosen class that is the given one is the decision "keep", another one is
    "relabel". Raises DataError where the content is no such export.
    """
    try:
        rows = [_answered(task) for task in orjson.loads(content)]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise DataError(f"{path} is no JSON export of Label Studio") from None
    return pd.DataFrame(rows, index=range(1, len(rows) + 1), dtype=str).fillna("")


def _answered(task: Mapping[str, Any]) -> dict[str, str]:
    row: dict[str, str] = {
        name: str(value) for name, value in task["data"].items() if name != "image" and value is not None
    }
    for answer in task.get("annotations", []):
        for result in answer["result"]:
            chosen = result["value"]["choices"][0]
            decision = "keep" if chosen == row.get("given_class") else "relabel"
            reader = str(answer.get("completed_by", ""))
            return row | {"decision": decision, "new_label": "" if decision == "keep" else chosen, "reader": reader}
    return row | dict.fromkeys(ANSWERS, "")


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): None if pd.isna(value) else value for name, value in row.items() if name not in ANSWERS}
