"""Class names that may be one class, or none, are told; others are not."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest

from benchmark.datasets.class_names import nearest, suspicions
from benchmark.datasets.regroup import Regrouping, regroup
from benchmark.option_text import read_text


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


def test_the_name_of_a_class_before_it_was_merged_leads_to_the_class() -> None:
    assert nearest("Neutrophil", ["basophil", "Neutrophill + neutrophil"]) == "Neutrophill + neutrophil"
    assert nearest("monocyte", ["basophil", "Neutrophill + neutrophil"]) is None


@pytest.mark.parametrize(
    ("counts", "merged"),
    [
        ({"Benign": 9, "benign": 3, "malignant": 8}, [["Benign", "benign"]]),
        ({"in situ": 9, "In situ": 3, "malignant": 8}, [["In situ", "in situ"]]),
        ({"01": 4, "1": 5, "2": 9}, [["01", "1"]]),
        ({"adenocarcinoma": 200, "adenocarcinom": 2, "adenoma": 150}, [["adenocarcinoma", "adenocarcinom"]]),
        ({"T1+T2": 9, "t1+t2": 3, "T3": 8}, [["T1+T2", "t1+t2"]]),
        ({"benign": 9, "benign ": 3, "malignant": 8}, [["benign", "benign "]]),
        (
            {"Baso": 90, "baso": 80, "Lymphocyte": 200, "lymphocite": 2, "Lymphocite": 2, "eosin": 70},
            [["Baso", "baso"], ["Lymphocyte", "Lymphocite", "lymphocite"]],
        ),
    ],
)
def test_the_option_that_is_printed_makes_one_class_of_those_that_may_be_one(
    counts: dict[str, int], merged: list[list[str]]
) -> None:
    classes = tuple(counts)
    option = re.findall(r"merge=.*", "\n".join(suspicions(classes, counts)))[-1]
    (typed,) = shlex.split(option) if option.startswith('merge="') else [option]
    on_a_command_line, _ = read_text(typed, Regrouping.model_fields)
    for options in (on_a_command_line, tomllib.loads(option)):
        target = regroup("mine", classes, Regrouping.model_validate(options), named=True).target
        for group in merged:
            assert len({target[classes.index(name)] for name in group}) == 1
        assert len({*target}) == len(classes) - sum(len(group) - 1 for group in merged)


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
