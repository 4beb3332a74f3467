"""`table --with` joins published records, and says what it expected where there are none."""

import pytest

from benchmark.store import published
from tests.conftest import SCHEMA_1

GRID = ("-d", "digits", "-b", "cnn", "-m", "ce", "-n", "symmetric:0.4", "--seeds", 1, "--epochs", 1)


@pytest.mark.parametrize("by", ["name", "path", "table", "archive"])
def test_published_records_are_joined(by, here):
    name = min(published.names(), key=lambda name: len(published.read(published.PUBLISHED / name).records))
    folder = published.PUBLISHED / name
    path = {"name": name, "path": folder, "table": folder / published.TABLE, "archive": SCHEMA_1 / published.ARCHIVE}[
        by
    ]
    count = len(published.read(SCHEMA_1 if by == "archive" else folder).records)
    assert f"{count} runs" in here("table", "--with", path).stdout


@pytest.mark.parametrize("place", ["nonexistent", "empty", "images"])
def test_a_place_without_records_is_refused_with_what_was_expected(place, here, tmp_path, cells):
    (tmp_path / "empty").mkdir()
    (tmp_path / "images").mkdir()
    cells.rename(tmp_path / "images" / "cells.npz")
    told = here("table", "--with", place, code=2).stderr
    for part in (place, "expected a results folder", *published.names()):
        assert part in told


def test_an_extra_test_set_that_is_the_data_set_is_scored_as_it(here):
    """It was taken for the test set itself once, and the run failed."""
    here("run", *GRID, "--extra-test", "same=digits", "--no-table")
    own, same = (
        here("table", *GRID, "--extra-test", "same=digits", *more).stdout for more in ((), ("--extra", "same"))
    )
    row = [line for line in own.splitlines() if line.startswith("| ce ")]
    assert len(row) >= 1
    assert row[0] in same


def test_a_folder_of_the_same_name_that_holds_nothing_published_does_not_hide_it(here, tmp_path):
    """In a checkout the published folder `backbones` is named like a folder of the source tree."""
    name = min(published.names(), key=lambda name: len(published.read(published.PUBLISHED / name).records))
    (tmp_path / name).mkdir()
    assert "records are sound" in here("verify", name).stdout
    (tmp_path / name / "SHA256SUMS").write_text("")
    assert "records are sound" not in here("verify", name, code=None).stdout, "a damaged one is meant"
