"""Data are private where a file beside them, or in a folder above, says so."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from benchmark.datasets.base import Dataset
from benchmark.datasets.private import MARK, mark_of


class Inner(BaseModel):
    root: Path


class Config(BaseModel):
    """Paths wherever options may hold them."""

    path: Path | None = None
    inner: Inner | None = None
    several: tuple[Path, ...] = ()
    named: dict[str, Path] = {}


class Files(Dataset):
    def digest(self):
        return "md5:0"

    def load(self, progress=None):
        raise AssertionError("the mark is found without reading an image")


@pytest.mark.parametrize(
    "options",
    [
        lambda place: {"path": place},
        lambda place: {"path": place / "a.csv", "inner": {"root": place}},
        lambda place: {"several": (place.parent / "other", place / "b.csv")},
        lambda place: {"named": {"x": place / "deep" / "c.csv"}},
    ],
)
def test_the_mark_counts_for_every_path_of_a_data_set(options, tmp_path):
    place = tmp_path / "images"
    place.mkdir()
    dataset = Files("files", Config.model_validate(options(place)))
    assert mark_of(dataset) is None
    (place / MARK).touch()
    assert mark_of(dataset) == place / MARK


def test_a_data_set_without_files_of_its_own_is_not_private():
    assert mark_of(Files("files", Config())) is None
