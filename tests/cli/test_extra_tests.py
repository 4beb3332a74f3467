"""Extra test sets are scored beside the test set, and can never stand in for a split of the data."""

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.grid.faults import SuiteError
from benchmark.grid.suite import RESERVED_TESTS, build
from tests.cli.test_run import records

GRID = ("-m", "ce", "-n", "none", "--seeds", "1", "--epochs", "8", "--recipe", "batch_size=16")
AXES = {"datasets": ["digits"], "methods": ["ce"], "noise": ["none"], "seeds": 1}


@pytest.fixture
def theirs(cells, tmp_path):
    """The same images with every test and validation label moved to the next class: a score of about 0."""
    with np.load(cells) as file:
        arrays = {name: file[name] for name in file.files}
    for split in ("val", "test"):
        arrays[f"{split}_labels"] = (arrays[f"{split}_labels"] + 1) % 3
    path = tmp_path / "theirs.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    "item",
    ["test={}", "val={}", "train={}", "Test={}", "VALIDATION={}", "={}", " ={}", "a/b={}", "../x={}", "{}", "other="],
)
def test_reserved_and_malformed_names_are_refused_before_anything_runs(here, cells, theirs, tmp_path, item):
    typed = item.format(f"npz:{theirs}")
    done = here("run", "-d", f"npz:{cells}", *GRID, "--extra-test", typed, code=2)
    assert "other_hospital" in done.stderr, "the sentence shows what to type"
    assert not list(tmp_path.glob("results/runs/**/*.json"))


def test_a_name_that_is_given_twice_is_refused(here, cells, theirs):
    extra = ("--extra-test", f"other=npz:{theirs}", "--extra-test", f"other=npz:{cells}")
    assert "given twice" in here("run", "-d", f"npz:{cells}", *GRID, *extra, code=2).stderr


def test_an_extra_test_set_changes_no_figure_of_the_run_itself(here, cells, theirs, tmp_path):
    here("run", "-d", f"npz:{cells}", *GRID, "--results", "plain")
    here("run", "-d", f"npz:{cells}", *GRID, "--results", "extra", "--extra-test", f"other=npz:{theirs}")
    (plain,) = records(tmp_path / "plain").values()
    (extra,) = records(tmp_path / "extra").values()
    assert plain["metrics"] == extra["metrics"]
    assert extra["extra_metrics"]["other"]["last"]["accuracy"] < 0.2 < extra["metrics"]["last"]["accuracy"]


def test_the_runs_own_file_may_be_an_extra_test_set(here, cells, tmp_path):
    here("run", "-d", f"npz:{cells}", *GRID, "--extra-test", f"again=npz:{cells}")
    (record,) = records(tmp_path / "results").values()
    assert record["extra_metrics"]["again"] == record["metrics"]


def test_a_suite_may_name_an_extra_test_set_by_its_path_from_here(here, cells, theirs, tmp_path):
    here("run", "-d", "npz:cells.npz", *GRID, "--extra-test", "other=npz:theirs.npz")
    (record,) = records(tmp_path / "results").values()
    assert set(record["extra_metrics"]) == {"other"}


@given(st.text(st.sampled_from(string.printable + "äß漢\u202e"), max_size=12))
def test_a_name_is_either_plain_or_refused_with_a_sentence(name):
    grid = {**AXES, "extra_tests": {name: "digits"}}
    plain = name[:1].isalnum() and set(name) <= set(string.ascii_letters + string.digits + "_.-")
    if plain and name.lower() not in RESERVED_TESTS:
        assert set(build(grid).extra_tests) == {name}
    else:
        with pytest.raises(SuiteError, match="extra test set"):
            build(grid)
