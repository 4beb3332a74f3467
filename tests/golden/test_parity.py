"""Every reference number is met: by the paper's form, by the reference's as an option, or a reason is given."""

from pathlib import Path

import pytest

from benchmark.checks.golden import compare, load_adapters, read_cases, run_cases
from benchmark.errors import UsageError
from benchmark.registry import METHODS

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


def test_a_file_that_is_no_golden_is_refused(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UsageError, match="not a golden file"):
        read_cases(tmp_path / "x.json")


def test_every_method_says_what_proves_it():
    for entry in METHODS.entries():
        assert entry.declared.get("proof") in ("golden", "closed form", "worked example"), entry.origin


def test_there_are_at_least_40_methods():
    assert len(METHODS.entries()) >= 40
