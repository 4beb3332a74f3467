"""Folders outside the results folder, also where there is no home."""

import os
import pwd
from pathlib import Path

import pytest

from benchmark.option_text import expanded
from benchmark.store.places import data_root


@pytest.fixture
def homeless(monkeypatch):
    """A user without a name and without HOME, as many containers have."""

    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(RuntimeError):
        Path.home()


def test_the_home_folder_is_put_in_for_the_tilde(monkeypatch):
    monkeypatch.setenv("HOME", "/somebody")
    assert expanded(Path("~/cells.npz")) == Path("/somebody/cells.npz")
    assert expanded(Path("cells~.npz")) == Path("cells~.npz")
    assert data_root() == Path("/somebody/.medmnist")


def test_without_a_home_paths_stay_and_data_lies_in_the_current_folder(homeless):
    assert expanded(Path("~/cells.npz")) == Path("~/cells.npz")
    assert data_root() == Path(".medmnist")


def test_the_home_of_nobody_that_is_known_stays(homeless):
    assert expanded(Path("~nobody-of-this-name/x")) == Path("~nobody-of-this-name/x")


@pytest.mark.parametrize("dataset", ["digits", "npz:cells.npz"])
def test_a_grid_runs_without_a_home(dataset, cells, here, homeless):
    here("run", "-d", dataset, "-b", "cnn", "-m", "ce", "-n", "symmetric:0.2", "--seeds", 1, "--epochs", 1)


@pytest.mark.parametrize("path", ["~/cells.npz", "~nobody-of-this-name/cells.npz"])
def test_a_path_in_an_unknown_home_is_a_usage_error_that_shows_it(path, here, homeless):
    told = here("run", "-d", f"npz:{path}", "-b", "cnn", "-m", "ce", "-n", "symmetric:0.2", code=2).stderr
    assert path in told


def test_a_home_whose_name_is_not_utf_8_is_none(monkeypatch):
    monkeypatch.setenv("HOME", os.fsdecode(b"/home/caf\xe9"))
    assert data_root() == Path(".medmnist")
