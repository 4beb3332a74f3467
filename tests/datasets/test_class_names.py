"""Class names that may be one class, or none, are told; others are not."""

from __future__ import annotations

import pytest

from benchmark.datasets.class_names import suspicions


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("Benign", "benign", "malignant"), "'Benign', 'benign' differ by case or white space only"),
        (("benign ", "malignant"), "the name of class 'benign ' has blanks at an end"),
        (("01", "1", "2"), "'01', '1' are the same number"),
        (("1", "2", "other"), "'1', '2' are numbers and the others words"),
        (("N/A", "benign", "malignant"), "class 'N/A' may mean that there is no label"),
    ],
)
def test_each_suspicion_is_one_sentence(names: tuple[str, ...], told: str) -> None:
    (sentence,) = suspicions(names)
    assert told in sentence


def test_a_rare_class_of_nearly_the_name_of_a_common_one_may_be_misspelled() -> None:
    counts = {"adenocarcinoma": 200, "adenocarcinom": 2, "adenoma": 150}
    (sentence,) = suspicions([*counts], counts)
    assert "class 'adenocarcinom' with few images may be 'adenocarcinoma' misspelled" in sentence


@pytest.mark.parametrize(
    "counts",
    [
        {"adenocarcinoma": 200, "adenocarcinom": 150},
        {"grade 1": 200, "grade 2": 2},
        {"basophil": 300, "eosinophil": 3, "neutrophil": 200},
        {"0": 5, "1": 50, "2": 500},
    ],
)
def test_names_as_they_should_be_raise_none(counts: dict[str, int]) -> None:
    assert suspicions([*counts], counts) == []
