"""Files of one name in one grid are told apart by as much of their paths as is needed."""

import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.distinct_names import distinct
from benchmark.grid import suite
from benchmark.grid.expand import expand
from benchmark.grid.job import Options

PARTS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=0, max_size=3)
PATHS = st.builds(
    lambda folders, stem, suffix: Path("/", *folders, stem + suffix),
    PARTS,
    st.sampled_from(["cells", "x"]),
    st.sampled_from(["", ".npz", ".tif"]),
)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/d/a/cells.npz", "/d/b/cells.npz"], ["a/cells", "b/cells"]),
        (["/d/a/cells.npz", "/d/a/other.npz"], ["cells", "other"]),
        (["/x/a/cells.npz", "/y/a/cells.npz", "/y/b/cells.npz"], ["x/a/cells", "y/a/cells", "b/cells"]),
        (["/a/cells.npz", "/a/cells.tif"], ["cells.npz", "cells.tif"]),
        (["/cells.npz", "/a/cells.npz"], ["/cells.npz", "a/cells"]),
    ],
)
def test_the_shortest_end_of_a_path_that_tells_it_apart_is_its_name(paths, names):
    assert distinct([(Path(path).stem, Path(path)) for path in paths]) == names


def test_a_file_named_as_a_data_set_without_a_file_gets_its_folder():
    assert distinct([("digits", None), ("digits", Path("/a/digits.npz"))]) == ["digits", "a/digits"]


@given(st.lists(PATHS, min_size=1, max_size=6, unique=True))
def test_different_files_have_different_names(paths):
    names = distinct([(path.stem, path) for path in paths])
    assert len(set(names)) == len(paths)


@given(st.lists(st.text(string.ascii_lowercase, min_size=1), min_size=1, unique=True))
def test_names_that_come_once_stay(stems):
    assert distinct([(stem, Path("/d", f"{stem}.npz")) for stem in stems]) == stems


def save(path, seed, classes=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.arange(60) % classes
    images = np.random.default_rng(seed).integers(0, 255, (60, 8, 8)).astype(np.uint8)
    np.savez(path, train_images=images, train_labels=labels, test_images=images[:20], test_labels=labels[:20])


def test_data_sets_of_one_stem_are_two_blocks_of_the_table(here, tmp_path):
    for seed, folder in enumerate(("a", "b")):
        save(tmp_path / folder / "cells.npz", seed)
    grid = ["run", "-d", "npz:a/cells.npz", "-d", "npz:b/cells.npz", "-m", "ce", "-n", "none", "--seeds", "1"]
    told = here(*grid, "--epochs", "1", "--dry-run").stdout
    assert "a/cells/cnn/ce" in told and "b/cells/cnn/ce" in told  # noqa: PT018
    table = here(*grid, "--epochs", "1").stdout
    assert "## a/cells, " in table
    assert "## b/cells, " in table
    alone = here("table", *grid[1:3], *grid[5:], "--epochs", "1").stdout
    assert "## cells, " in alone, "a grid of one of them needs no folder in its name"


def test_one_file_under_two_paths_is_one_data_set(tmp_path):
    for folder in ("a", "b"):
        save(tmp_path / folder / "cells.npz", 0)
    axes = {"datasets": [f"npz:{tmp_path}/{folder}/cells.npz" for folder in "ab"], "methods": ["ce"], "noise": ["none"]}
    (job,) = expand(suite.build({**axes, "seeds": 1}), Options(results="r", data_root="d"))
    assert job.labels["dataset"] == "cells"
