"""From a filled-in ranking to a corrected label set and back."""

from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest

from benchmark.datasets.base import DataError
from benchmark.errors import UsageError
from benchmark.labels.relabelling import history_of, reviewed, undone, write
from benchmark.labels.review_files import from_label_studio, label_studio_tasks

CLASSES = ("cat", "dog")


def label_set():
    names = ["cat", "cat", "dog", "dog"]
    return pd.DataFrame(
        {"split": ["train"] * 3 + ["val"], "index": [0, 1, 2, 0], "file": list("abcd"), "given": names, "label": names}
    )


def answers(*rows):
    columns = ["split", "index", "file", "given_class", "decision", "new_label", "reader", "comment"]
    return pd.DataFrame([[*row, "", ""] for row in rows], columns=columns, index=range(2, len(rows) + 2))


def test_decisions_change_the_labels_that_they_name():
    review = answers(
        ("train", "1", "b", "cat", "Relabel", "dog"),
        ("val", "0", "d", "dog", "drop", ""),
        ("train", "0", "a", "cat", "keep", ""),
        ("train", "2", "c", "dog", "unsure", ""),
    )
    found = reviewed(review, label_set(), CLASSES, "review.csv")
    assert found.rows["label"].tolist() == ["cat", "dog", "dog", ""]
    assert found.rows["given"].tolist() == label_set()["given"].tolist()
    assert found.decisions == {"relabel": 1, "drop": 1, "keep": 1, "unsure": 1}
    assert [(change.split, change.index, change.before, change.after) for change in found.changes] == [
        ("train", 1, "cat", "dog"),
        ("val", 0, "dog", ""),
    ]


def test_indices_count_what_an_earlier_review_left():
    rows = label_set().assign(label=["", "cat", "dog", "dog"])
    found = reviewed(answers(("train", "0", "b", "cat", "relabel", "dog")), rows, CLASSES, "review.csv")
    assert found.rows["label"].tolist() == ["", "dog", "dog", "dog"]
    assert found.changes[0].index == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("train", "9", "b", "cat", "keep", "")], "no image 9"),
        ([("train", "1", "b", "dog", "keep", "")], "expected a ranking of these labels"),
        ([("train", "1", "z", "cat", "keep", "")], "expected a ranking of these labels"),
        ([("train", "1", "b", "cat", "relabel", "")], "new_label is empty"),
        ([("train", "1", "b", "cat", "relabel", "cow")], "no class 'cow'"),
        ([("train", "1", "b", "cat", "perhaps", "")], "expected one of keep, relabel"),
        ([("train", "1", "b", "cat", "keep", "dog")], "contradict each other"),
        ([("train", "1", "b", "cat", "", "")], "no line of review.csv has a decision"),
        ([("train", "1", "b", "cat", "keep", ""), ("train", "1", "b", "cat", "drop", "")], "contradicts line 2"),
    ],
)
def test_a_line_that_cannot_be_understood_is_named(rows, message):
    with pytest.raises(UsageError, match=message):
        reviewed(answers(*rows), label_set(), CLASSES, "review.csv")


def test_a_new_label_without_a_decision_is_no_decision_and_all_such_lines_are_named():
    rows = [("train", "1", "b", "cat", "", "dog"), ("train", "0", "a", "cat", "keep", "")]
    with pytest.raises(UsageError, match=r"review.csv, line 2: new_label .* decision is empty; type relabel there"):
        reviewed(answers(*rows), label_set(), CLASSES, "review.csv")
    rows += [("train", "2", "c", "dog", " ", "cat")]
    with pytest.raises(UsageError, match=r"review.csv, lines 2, 4: new_label"):
        reviewed(answers(*rows), label_set(), CLASSES, "review.csv")
    with pytest.raises(UsageError, match=r"9, 10, 11 and 5 more: new_label"):
        reviewed(answers(*rows[:1] * 15), label_set(), CLASSES, "review.csv")


@pytest.mark.parametrize("typed", ["neutrophil", "NEUTROPHIL", "Neutro phil", "Neutrophill"])
def test_a_class_in_another_spelling_is_asked_for_in_that_of_the_data(typed):
    rows = answers(("train", "1", "b", "cat", "relabel", typed))
    asked = f"there is no class '{typed}'; did you mean 'Neutrophil'[?] Expected one of cat, dog, Neutrophil"
    with pytest.raises(UsageError, match=asked):
        reviewed(rows, label_set(), (*CLASSES, "Neutrophil"), "review.csv")


def test_history_is_kept_and_taken_back_step_by_step(tmp_path):
    path, rows = tmp_path / "labels.csv", label_set()
    for index, new in (("1", "dog"), ("0", "dog")):
        found = reviewed(answers(("train", index, "", "cat", "relabel", new)), rows, CLASSES, "review.csv")
        rows = found.rows
        steps = history_of(path) if path.exists() else []
        write(path, rows, steps, {"changes": [vars(change) for change in found.changes]})
    steps = history_of(path)
    assert len(steps) == 2
    before = undone(rows, steps[-1])
    assert before["label"].tolist() == ["cat", "dog", "dog", "dog"]
    assert undone(before, steps[0])["label"].tolist() == label_set()["label"].tolist()
    with pytest.raises(UsageError, match="of one state"):
        undone(label_set(), steps[-1])
    path.write_text(path.read_text().replace("a,cat,dog", "a,cat,cat"))
    with pytest.raises(UsageError, match="another state"):
        history_of(path)
    history = path.with_suffix(".history.json")
    history.write_text(history.read_text().replace("dog", "cat"))
    with pytest.raises(UsageError, match="cannot be read"):
        history_of(path)


def test_answers_of_label_studio_are_decisions():
    table = answers(
        ("train", 0, "a", "cat", "", ""), ("train", 1, "b", "cat", "", ""), ("train", 2, "c", "dog", "", "")
    )
    table = table.assign(suggested_class="dog", suggested_probability=np.float64(0.9))
    tasks = orjson.loads(label_studio_tasks(table, dict(enumerate("abc")), "aum"))
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=a"
    assert tasks[0]["predictions"][0]["result"][0]["value"] == {"choices": ["dog"]}
    for task, choice in zip(tasks, ("dog", "cat", None), strict=True):
        result = [{"value": {"choices": [choice]}}] if choice else []
        task["annotations"] = [{"completed_by": 7, "result": result}]
    found = reviewed(from_label_studio(orjson.dumps(tasks), Path("export.json")), label_set(), CLASSES, "export.json")
    assert found.rows["label"].tolist() == ["dog", "cat", "dog", "dog"]
    assert found.decisions == {"relabel": 1, "keep": 1, "": 1}
    assert found.changes[0].reader == "7"
    for content in (b'[{"a": 1}]', b"[3]", b"3", b"{"):
        with pytest.raises(DataError, match="^export.json is no JSON export of Label Studio$"):
            from_label_studio(content, Path("export.json"))
