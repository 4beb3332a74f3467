"""What is published can be made again from its own records, to the byte."""

import tarfile

import pytest

from tests.conftest import ROOT

PUBLISHED = sorted(path.parent for path in (ROOT / "results" / "published").glob("*/records.tar.xz"))


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_a_published_table_is_what_its_records_say(folder, here, tmp_path):
    with tarfile.open(folder / "records.tar.xz") as archive:
        archive.extractall(tmp_path / "again", filter="data")
    for name, options in {
        "val_noisy.md": (),
        "last.md": ("--rule", "last"),
        "val_noisy.csv": ("--format", "csv"),
    }.items():
        assert here("table", "--results", "again", *options).stdout == (folder / name).read_text(), name


def test_something_is_published():
    assert PUBLISHED
