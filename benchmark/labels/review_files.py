"""Files in which people read labels again: a table for spreadsheet programs, and tasks for Label Studio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

import orjson
import pandas as pd

ANSWERS = ("decision", "new_label", "reader", "comment")
"""Columns that are empty until somebody fills them in."""
DECISIONS = ("keep", "relabel", "drop", "unsure")
"""What a reader may decide of a label: it is right, it becomes `new_label`, the image is of no class, cannot tell."""


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


def from_label_studio(content: bytes) -> pd.DataFrame:
    """What Label Studio exports as JSON, as a table like that of `spreadsheet.from_csv`.

    The first answer to each task counts. A chosen class that is the given one is the decision "keep", another one is
    "relabel". Raises ValueError where the content is no such export.
    """
    try:
        tasks = orjson.loads(content)
        rows = [_answered(task) for task in tasks]
    except (LookupError, TypeError) as error:
        raise ValueError(f"it is no JSON export of Label Studio ({type(error).__name__}: {error})") from None
    return pd.DataFrame(rows, dtype=str).fillna("")


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
