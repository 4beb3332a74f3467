"""What is published in this checkout is whole, and its tables follow from its records, to the byte."""

import re
from pathlib import Path

import pytest

from benchmark.store import published
from tests.report.conftest import verify

ROOT = Path(__file__).resolve().parents[2]
LIMIT_BYTES = 24 * 10**6
"""Of all published records together: a checkout stays small."""

SOON_BYTES = 6 * 10**5
"""Folders of more records than that are read in the slow tests."""


def size(name: str) -> int:
    """Bytes of the records of a published folder."""
    file = published.file_of(published.PUBLISHED / name)
    return file.stat().st_size if file else 0


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (size(name) > SOON_BYTES)) for name in published.names()]
)
def test_a_published_folder_is_sound(name):
    done = verify(published.PUBLISHED / name)
    assert done.faults == []
    assert done.records
    assert {"val_noisy.md", "last.md", "val_noisy.csv"} <= set(done.remade)


def test_something_is_published_and_it_is_small():
    assert 0 < sum(map(size, published.names())) < LIMIT_BYTES


def test_no_page_is_committed():
    """Every change of a method's description would change it, and `noisybench report --with FOLDER` makes it."""
    assert not list(published.PUBLISHED.glob("*/index.html"))


def test_the_readme_shows_what_is_published():
    readme = (ROOT / "README.md").read_text()
    shown = re.compile(r"\| (method .*P\(best\)|[a-z_]+\S*( \(2 nets\))? +\| \d+-\d+)")
    rows = [line for line in readme.splitlines() if shown.match(line)]
    published_rows = (published.PUBLISHED / "leaderboard.md").read_text().splitlines()
    assert len(rows) == 17
    assert not set(rows) - set(published_rows)
    figures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", readme)
    assert len(figures) == 2
    assert all((ROOT / figure).is_file() for figure in figures)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "folders", "layout"),
    [
        ("leaderboard.md", ("pbc-linear", "colon5-linear", "ham7", "odir8", "human", "human-raters"), "leaderboard"),
        ("schedules.md", ("schedules-12", "schedules-30", "schedules-100"), "recipes"),
    ],
)
def test_a_page_over_several_folders_is_what_its_command_prints(here, page, folders, layout):
    """The commands in docs/results.md and docs/schedules.md."""
    others = [option for name in folders for option in ("--with", name)]
    done = here("table", *others, "--rule", "val_noisy", "--rule", "last", "--layout", layout)
    assert done.stdout == (published.PUBLISHED / page).read_text()
