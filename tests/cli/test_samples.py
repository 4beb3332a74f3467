"""`samples` draws what the generator of a run makes, and says what is lacking."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchmark.store.store import Store

GRID = ("-d", "digits:subset=60", "-n", "symmetric:0.4", "--seeds", "1", "--epochs", "1", "--no-table")


def shown(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture
def run_id(here, tmp_path):
    """Trains one method on few digits; gives the id of its run."""

    def train(method, *options):
        here("run", *GRID, "-m", method, *options)
        (only,) = Store(tmp_path / "results").finished()
        return only

    return train


def test_a_sheet_has_a_row_of_different_images_for_every_class_and_the_seed_decides_which(run_id, here, tmp_path):
    kept = run_id("cgan_augment", "--keep", "model")
    told = here("samples", kept[:6], "--out", "a/sheet.png", "--per-class", "3").stdout
    assert "3 images of each of 10 classes" in told
    sheet = shown(tmp_path / "a" / "sheet.png")
    here("samples", kept, "--out", "again.png", "--per-class", "3")
    here("samples", kept, "--out", "other.png", "--per-class", "3", "--seed", "1")
    assert (sheet == shown(tmp_path / "again.png")).all()
    assert (sheet != shown(tmp_path / "other.png")).any()


def test_what_makes_no_images_and_what_is_not_kept_is_told_with_what_to_type(run_id, here):
    kept = run_id("ce", "--keep", "model")
    assert "ce generates no images" in here("samples", kept, "--out", "sheet.png", code=2).stderr


def test_a_run_without_its_model_says_how_to_keep_it(run_id, here):
    bare = run_id("ce")
    assert "--keep model" in here("samples", bare, "--out", "sheet.png", code=1).stderr
