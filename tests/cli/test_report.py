"""`noisybench report`: whose images a page may hold."""

import numpy as np
import pytest

from benchmark.datasets.private import MARK
from tests.conftest import SCHEMA_1


@pytest.fixture
def file(tmp_path):
    """A small data set in a file."""
    images = np.zeros((4, 8, 8, 3), np.uint8)
    labels = np.array([0, 1, 0, 1])
    arrays = {f"{split}_{kind}": value for split in ("train", "test") for kind, value in
              (("images", images), ("labels", labels))}  # fmt: skip
    place = tmp_path / "hospital" / "cells" / "cells.npz"
    place.parent.mkdir(parents=True)
    np.savez(place, **arrays)  # type: ignore[arg-type]
    return place


PAGE = ("report", "--with", SCHEMA_1, "--results", "none", "--out", "site")


def test_a_page_holds_no_image_unless_one_is_asked_for(here, tmp_path):
    here(*PAGE)
    assert "data:image" not in (tmp_path / "site" / "index.html").read_text()


@pytest.mark.parametrize("above", [0, 1])
def test_images_of_data_that_are_marked_private_are_refused(above, file, here, tmp_path):
    """The mark counts for all that lies below it."""
    mark = file.parents[above] / MARK
    mark.touch()
    told = here(*PAGE, "--images", f"npz:{file}", code=2).stderr
    assert f"{mark} marks this data as private" in told
    assert "leave --images out" in told
    assert not (tmp_path / "site").exists()


def test_images_of_data_that_no_run_was_trained_on_are_refused(file, here, tmp_path):
    told = here(*PAGE, "--images", f"npz:{file}", code=2).stderr
    assert "no run of this page was trained on this data" in told
    assert not (tmp_path / "site").exists()


def test_a_published_folder_never_gets_images(here):
    assert "--images" in here("publish", "--images", "digits", "--out", "out", code=2).stderr
