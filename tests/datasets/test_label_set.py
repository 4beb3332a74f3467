"""Labels in a file of their own take the place of those of a data set."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.datasets.base import Arrays, Data, DataError
from benchmark.datasets.label_set import LabelSet, table_of
from benchmark.store.spreadsheet import to_csv


def arrays(labels, files=None):
    images = np.arange(len(labels) * 4, dtype=np.uint8).reshape(-1, 2, 2, 1)
    return Arrays(images, np.array(labels, dtype=np.int64), files=files)


def data():
    return Data("cells", 2, ("=cat", "dog"), arrays([0, 1, 0, 1]), arrays([1, 0]), arrays([0, 1], ("x.png", "y.png")))


def written(path, table):
    path.write_bytes(to_csv(table))
    return LabelSet.read(path)


def test_a_label_set_holds_the_labels_and_changes_them(tmp_path):
    table = table_of(data())
    same = written(tmp_path / "a.csv", table)
    assert not same.leaves_out
    for split in ("train", "val", "test"):
        assert (getattr(same.apply(data()), split).labels == getattr(data(), split).labels).all()
    changed = written(
        tmp_path / "b.csv", table.assign(label=["=cat", "dog", "dog", "", *table["label"][4:]]).iloc[::-1]
    )
    assert changed.leaves_out
    assert changed.digest != same.digest
    train = changed.apply(data()).train
    assert train.labels.tolist() == [0, 1, 1]
    assert (train.images == data().train.images[:3]).all()


@pytest.mark.parametrize("kind", ["german", "xlsx"])
def test_what_excel_made_of_the_file_is_the_same_label_set(tmp_path, kind):
    """Saved by a German Excel as CSV, semicolons and Windows-1252, or as a workbook; what was assumed is said."""
    named = replace(data(), classes=("Ödem", "dog"))
    table = table_of(named).assign(label=["dog", *table_of(named)["label"][1:]])
    path = tmp_path / ("labels.xlsx" if kind == "xlsx" else "labels.csv")
    if kind == "xlsx":
        table.to_excel(path, index=False)
    else:
        path.write_bytes(table.to_csv(index=False, sep=";", lineterminator="\r\n").encode("cp1252"))
    renewed = LabelSet.read(path).apply(named)
    assert renewed.train.labels.tolist() == [1, 1, 0, 1]
    assert renewed.test.labels.tolist() == [1, 0]
    assert any("Windows-1252" in note for note in renewed.notes) == (kind == "german")


def test_labels_of_both_hospitals_serve_one_of_them(tmp_path):
    """Of one hospital alone, images have other places, and perhaps other splits: lines are found by file."""
    classes = ("cat", "dog")
    both = Data("cells", 2, classes, arrays([0, 1, 0], ("a", "b", "c")), arrays([0, 1], ("e", "f")))
    table = table_of(both).assign(label=["dog", "dog", "cat", "", "dog"])
    changed = written(tmp_path / "labels.csv", table)
    one = Data("cells", 2, classes, arrays([1, 0, 0], ("f", "e", "c")), arrays([0], ("a",)))
    found = changed.apply(one)
    assert (found.train.labels.tolist(), found.test.labels.tolist()) == ([1, 0], [1])
    assert "its lines are found by file; 1 of 5 are of images that are not here" in found.notes[0]
    with pytest.raises(DataError, match="it was made for other data"):
        changed.apply(replace(one, test=arrays([0], ("unknown",))))
    with pytest.raises(DataError, match="the former label"):
        changed.apply(replace(one, train=arrays([0, 0, 0], ("f", "e", "c"))))


def test_splits_that_the_file_does_not_hold_stay(tmp_path):
    table = table_of(data()).head(4)[["split", "index", "label"]]
    renewed = written(tmp_path / "a.csv", table.assign(label=["dog", "dog", "=cat", "dog"])).apply(data())
    assert renewed.train.labels.tolist() == [1, 1, 0, 1]
    assert renewed.test.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(given=["dog", *t["given"][1:]]), "it was made for other data"),
        (lambda t: t.assign(label=["cow", *t["label"][1:]]), "there is no class 'cow'"),
        (lambda t: t.iloc[1:], "each of its 4 images once"),
        (lambda t: t.assign(index=[1, *t["index"][1:]]), "each of its 4 images once"),
        (lambda t: t.assign(index=["x", *t["index"][1:]]), "whole numbers"),
        (lambda t: t.assign(split="holdout"), "no split 'holdout'"),
        (lambda t: t.assign(file=["", "", "", "", "", "", "z.png", "y.png"]), "another state of the folder"),
        (lambda t: t.assign(label="dog"), "no training image of class =cat"),
        (lambda t: t.head(0), "no row below them"),
        (lambda t: t.drop(columns="label"), "expected split,index,file,given,label"),
    ],
)
def test_a_file_that_does_not_fit_the_data_is_refused(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        written(tmp_path / "a.csv", change(table_of(data()))).apply(data())
