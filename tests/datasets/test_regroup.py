"""Classes that are merged and left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.datasets.base import DataError
from benchmark.datasets.cache import identity
from benchmark.datasets.npz import Npz
from benchmark.datasets.regroup import GONE, Regrouping, regroup


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Five classes with 4 training images each, and 1 of validation and test; an image's gray is its class."""
    labels = {"train": np.tile(np.arange(5), 4), "val": np.arange(5), "test": np.arange(5)}
    arrays: dict[str, Any] = {f"{split}_labels": values for split, values in labels.items()}
    arrays |= {f"{s}_images": np.tile(v[:, None, None], (1, 6, 6)).astype(np.uint8) for s, v in labels.items()}
    arrays["train_labels_rater"] = np.where(labels["train"] == 0, -1, (labels["train"] + 1) % 5)
    arrays["train_counts"] = np.tile([[1, 2, 3, 4, 5]], (20, 1))
    np.savez(tmp_path / "five.npz", **arrays)
    return tmp_path / "five.npz"


def opened(file: Path, **options: Any) -> Npz:
    return Npz("npz", Npz.Config.model_validate({"path": file, **options}))


def test_merged_classes_are_one_class_everywhere(file: Path) -> None:
    data = opened(file, merge="1+3").load()
    assert data.num_classes == 4
    assert data.train.labels[:5].tolist() == [0, 1, 2, 1, 3]
    assert data.test.labels.tolist() == [0, 1, 2, 1, 3]
    assert data.train.given["rater"][:5].tolist() == [-1, 2, 1, 3, 0]
    assert data.train.counts is not None
    assert data.train.counts[0].tolist() == [1, 6, 3, 5]
    assert data.notes == ("its classes are now 0 0, 1 1 + 3, 2 2, 3 4 (new number, former class)",)


def test_left_out_classes_leave_with_their_images(file: Path) -> None:
    data = opened(file, without="0+4").load()
    assert set(np.unique(data.train.images)) == {1, 2, 3}
    assert len(data.train) == 12
    assert data.train.labels[:3].tolist() == [0, 1, 2]
    # The rater's label of class 4 is no label of this task.
    assert data.train.given["rater"][:3].tolist() == [1, 2, -1]
    assert data.train.counts is not None
    assert data.train.counts[0].tolist() == [2, 3, 4]
    only = opened(file, only="4").load()
    assert (only.num_classes, set(np.unique(only.train.images))) == (1, {4})


def test_names_survive_and_can_be_used(file: Path, tmp_path: Path) -> None:
    with np.load(file) as arrays:
        np.savez(tmp_path / "named.npz", **arrays, class_names=np.array(["a", "b", "c", "d", "e"]))
    data = opened(tmp_path / "named.npz", merge="d+e", without="b", alias="mine").load()
    assert data.classes == ("a", "c", "d + e")
    assert data.name == "mine"
    test = opened(tmp_path / "named.npz", merge="d+e").load_extra_test()
    assert test.classes == ("a", "b", "c", "d + e")
    assert test.test.labels.tolist() == [0, 1, 2, 3, 3]


def test_several_groups_are_a_list(file: Path) -> None:
    assert opened(file, merge=[[0, 1], [3, 4]]).load().train.labels[:5].tolist() == [0, 0, 1, 2, 2]


@pytest.mark.parametrize("option", ["merge", "without", "only"])
def test_a_number_that_is_the_name_of_another_class_is_refused_and_both_can_be_said(option: str) -> None:
    def chosen(typed: str) -> list[int]:
        options = Regrouping.model_validate({option: typed if option != "merge" else f"{typed}+class 4"})
        target = regroup("mine", ("1", "2", "3", "4", "5"), options, named=True).target
        wanted = target[3] if option == "merge" else GONE
        return [
            k for k in range(5) if (target[k] == wanted) != (option == "only") and not (option == "merge" and k == 3)
        ]

    with pytest.raises(DataError, match="'1' is the name of one class and the number, from 0 on, of another"):
        chosen("1")
    assert chosen("class 1") == [0]
    assert chosen("number 1") == [1]
    assert chosen("5") == [4]
    assert chosen("0") == [0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"merge": "3+9"}, "has no class '9'; expected some of 0, 1"),
        ({"merge": "3"}, "at least two classes"),
        ({"merge": "3+3"}, "names a class twice"),
        ({"merge": [[0, 1], [1, 2]]}, "each in one"),
        ({"merge": "3+4", "without": "4"}, "that are kept"),
        ({"without": "0+1+2+3+4"}, "no class remains"),
        ({"without": "0", "only": "1"}, "give one of them"),
    ],
)
def test_impossible_groups_are_refused(file: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened(file, **options).load()


def test_unused_options_leave_identities_as_they_were(file: Path) -> None:
    plain, merged = opened(file), opened(file, merge="3+4")
    assert set(plain.cfg.model_dump()) == {"path"}
    assert merged.cfg.model_dump()["merge"] == (("3", "4"),)
    assert "without" in opened(file, without="1").cfg.model_dump()
    assert identity(plain, plain.digest()) != identity(merged, merged.digest())
