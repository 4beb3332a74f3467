"""Every reference number is met: by the paper's form, by the reference's as an option, or a reason is given."""

import math
from pathlib import Path

import pytest
import torch

from benchmark.checks.golden import compare, load_adapters, read_cases, run_cases
from benchmark.errors import UsageError
from benchmark.registry import METHODS
from tests.golden.harness import tensors
from tests.golden.stateful import as_ranked

FILES = sorted(Path(__file__).parent.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_case_is_met(path):
    failed = [result for result in run_cases(read_cases(path), load_adapters()) if not result.verdict]
    assert not failed, failed


def test_a_changed_number_is_noticed():
    case = read_cases(Path(__file__).parent / "losses_robust.json")[0]
    case["outputs"]["loss"] += 1e-4
    (result,) = run_cases([case], load_adapters())
    assert not result.verdict
    assert "loss" in result.note


def test_a_case_without_adapter_fails():
    case = {"method": "nobody", "config": {}, "inputs": {}, "outputs": {}}
    (result,) = run_cases([case], {})
    assert not result.verdict


@pytest.mark.parametrize(
    ("ours", "golden"), [(1.0, 1.1), ([1.0], [1.0, 2.0]), ({"a": 1}, {"b": 1}), (True, False), ("x", "y")]
)
def test_differences_are_found(ours, golden):
    assert list(compare(ours, golden, 1e-6))


def verdict(outputs, golden, **result):
    case = {"method": "m", "config": {}, "inputs": {}, "outputs": golden}
    (found,) = run_cases([case], {"m": lambda _: {"status": "paper", "outputs": outputs, **result}})
    return found.verdict


@pytest.mark.parametrize(
    ("ours", "golden", "expected"),
    [
        ([1.0, 80.0], [1.0, 80.0], "paper"),
        ([1.0, 80.0], [1.1, 80.0], "clamped"),  # one value with clamps, the other without
        ([1.0, 80.0], [1.1, 16.0], "clamped"),
        ([1.0, 80.0], [1.1, 17.0], ""),
        ([1.0, 81.0], [1.1, 16.0], ""),  # the golden is met by the clamped formula, but the method is wrong
        ([1.0, math.inf], [1.1, 16.0], ""),
    ],
)
def test_each_value_may_be_the_clamped_one_if_ours_is_the_exact_one(ours, golden, expected):
    forms = {"clamped": {"rows": [1.1, 16.0]}, "exact": {"rows": [1.0, 80.0]}}
    assert verdict({"rows": ours}, {"rows": golden}, **forms) == expected


@pytest.mark.parametrize("golden", [math.nan, math.inf, "nan", "-inf"])
def test_where_the_reference_overflows_ours_has_to_be_finite(golden):
    assert verdict({"loss": 1.0}, {"loss": golden}) == "paper"
    assert not verdict({"loss": math.inf}, {"loss": golden})
    assert not verdict({"loss": math.nan}, {"loss": golden})


def test_a_case_may_be_as_loose_as_the_trials_of_the_reference():
    assert verdict({"p": 0.51}, {"p": 0.5}, tolerance=0.02) == "paper"
    assert not verdict({"p": 0.53}, {"p": 0.5}, tolerance=0.02)


def test_only_ties_follow_the_recorded_ranking():
    values, own = torch.tensor([0.0, 2.0, 0.0, 1.0]), torch.tensor([0, 2, 3])
    assert as_ranked(own, values, [2, 0, 3]).tolist() == [2, 0, 3]
    for wrong in ([2, 0, 1], [0, 3, 2], [0, 0, 3], [0, 2], [0, 2, 3, 1]):
        assert as_ranked(own, values, wrong) is own


def test_inputs_are_read_in_double_precision():
    (value,) = tensors({"inputs": {"logits": [36.278012]}}, "logits")
    assert value.item() == 36.278012


def test_a_file_that_is_no_golden_is_refused(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UsageError, match="not a golden file"):
        read_cases(tmp_path / "x.json")


def test_every_method_says_what_proves_it():
    for entry in METHODS.entries():
        assert METHODS.load(entry.name).card.proof in ("golden", "closed form", "worked example"), entry.origin


def test_there_are_at_least_40_methods():
    assert len(METHODS.entries()) >= 40
