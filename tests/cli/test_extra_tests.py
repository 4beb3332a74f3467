"""Extra test sets are scored beside the test set, and can never stand in for a split of the data."""

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

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


def hospital(root, names, n, seed):
    """A folder of n images of each class; `names` in the order of the classes' looks."""
    rng = np.random.default_rng(seed)
    for k, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(n):
            pixels = rng.integers(0, 80, (10, 10)).astype(np.uint8)
            pixels[3 * k : 3 * k + 3] += 150
            Image.fromarray(pixels).save(root / name / f"{seed}_{i}.png")
    return root


@pytest.fixture
def ours(tmp_path):
    return hospital(tmp_path / "ours", ("benign", "malignant", "normal"), 30, 0)


def test_classes_of_another_hospital_count_by_name_and_all_its_images_do(here, ours, tmp_path):
    hospital(tmp_path / "subset", ("benign", "malignant"), 7, 1)
    # In the order of their names these are other numbers.
    renamed = hospital(tmp_path / "theirs", ("benign", "Malignant", "A Normal"), 7, 1)
    (renamed / "A Normal").rename(renamed / " normal")
    extra = [part for name in ("subset", "theirs") for part in ("--extra-test", f"{name}=folder:{name},size=10")]
    done = here("run", "-d", f"folder:{ours},size=10", *GRID, *extra)
    (record,) = records(tmp_path / "results").values()
    for name, n in (("subset", 14), ("theirs", 21)):
        assert record["extra_metrics"][name]["last"]["accuracy"] > 0.95
        assert record["extra_metrics"][name]["last"]["auroc"] > 0.95
        assert record["tests"]["extra"][name]["size"] == n
    assert "'subset' has no image of class normal" in done.stderr
    assert "'Malignant' as 'malignant'" in done.stderr


@pytest.mark.parametrize("command", [(), ("--dry-run",)])
def test_an_unknown_class_is_refused_before_the_first_run(here, ours, tmp_path, command):
    theirs = hospital(tmp_path / "theirs", ("benign", "cancer"), 4, 1)
    told = here(
        "run", "-d", f"folder:{ours},size=10", *GRID, "--extra-test", f"o=folder:{theirs},size=10", *command, code=2
    ).stderr
    for name in ("benign", "malignant", "normal", "cancer"):
        assert repr(name) in told
    assert not list(tmp_path.glob("results/runs/**/*.json"))


def test_a_file_of_test_images_alone_is_scored_by_number_and_this_is_told(here, cells, tmp_path):
    with np.load(cells) as file:
        np.savez(tmp_path / "c.npz", test_images=file["test_images"], test_labels=file["test_labels"])
    done = here("run", "-d", f"npz:{cells}", *GRID, "--extra-test", "c=npz:c.npz")
    assert "matched by number" in done.stderr
    (record,) = records(tmp_path / "results").values()
    assert record["extra_metrics"]["c"] == record["metrics"]


def test_images_shared_with_training_are_counted_in_the_record(here, cells, tmp_path):
    with np.load(cells) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["test_images"][:5] = arrays["train_images"][10:15]
    np.savez(cells, **arrays)
    np.savez(tmp_path / "seen.npz", test_images=arrays["train_images"], test_labels=arrays["train_labels"])
    here("run", "-d", f"npz:{cells}", *GRID, "--extra-test", "seen=npz:seen.npz")
    here("run", "-d", f"npz:{cells}", *GRID, "--subset", "60", "--results", "few", "--extra-test", "seen=npz:seen.npz")
    (record,) = records(tmp_path / "results").values()
    assert record["tests"]["test"]["shared_images"] == 5
    assert record["tests"]["extra"]["seen"]["shared_images"] == 240
    (few,) = records(tmp_path / "few").values()
    assert few["tests"]["extra"]["seen"]["shared_images"] == 60, "images that are not trained on do not count"


def test_options_of_an_extra_test_set_are_part_of_the_run(here, ours, tmp_path):
    theirs = hospital(tmp_path / "theirs", ("benign", "malignant"), 4, 1)
    for fit in ("crop", "stretch"):
        extra = ("--extra-test", f"o=folder:{theirs},size=10,fit={fit}")
        here("run", "-d", f"folder:{ours},size=10", *GRID, *extra)
    assert len(records(tmp_path / "results")) == 2
