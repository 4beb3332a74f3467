"""Which files the names of a table stand for: hospitals number their images alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.datasets._lookup import find
from benchmark.datasets.base import DataError
from benchmark.datasets.table_draft import draft
from tests.datasets.test_table import known, load, paint, parts, write_csv

SITES = ("North", "South")


@pytest.mark.parametrize(
    ("names", "files", "found"),
    [
        (["North/1.png"], ["South/1.png", "North/2.png"], {}),
        (["north/1"], ["South/1.PNG", "North/2.png"], {}),
        (["D:\\study\\North\\1.png"], ["a/South/1.png", "a/North/2.png"], {}),
        (["North/0001.png"], ["South/1.png", "North/2.png"], {}),
        (["North/1.png", "South/1.png"], ["1.png"], {}),
        (["scan1/1.png", "scan2/1.png"], ["images/1.png"], {}),
        (["North/1.png", "scan1/1.png"], ["North/1.png"], {"North/1.png": "North/1.png"}),
        (["D:/North/1.png", "D:/South/1.png"], ["a/North/1.png"], {"D:/North/1.png": "a/North/1.png"}),
    ],
)
def test_a_name_of_one_folder_never_stands_for_a_file_of_another(
    names: list[str], files: list[str], found: dict[str, str]
) -> None:
    looked = find(names, files)
    assert looked.files == found
    assert looked.files.keys() | looked.unusable.keys() == set(names)
    assert looked.how.keys() <= looked.files.keys()


@pytest.mark.parametrize("name", ["C:\\x\\North\\1.png", "North/1", "NORTH\\1.PNG", "old/North/1.png"])
def test_of_files_of_one_name_that_in_the_folder_which_is_named_is_taken(name: str) -> None:
    assert find([name], ["a/North/1.png", "a/South/1.png"]).files == {name: "a/North/1.png"}


def test_several_spellings_of_one_file_are_that_file() -> None:
    names = ["a/b/1.png", "b/1.png", "B\\1.PNG", "1"]
    assert find(names, ["x/b/1.png"]).files == dict.fromkeys(names, "x/b/1.png")


def test_an_image_that_one_hospital_lacks_is_not_taken_from_the_other(tmp_path: Path) -> None:
    rows = [["file", "label", "site"]]
    for i in range(20):
        for k, site in enumerate(SITES):
            paint(tmp_path / "images" / site / f"{i:02d}.png", 2 * i + k)
            rows.append([f"{site}/{i:02d}.png", "ab"[(i + k) % 2], site])
    (tmp_path / "images" / "North" / "03.png").unlink()
    path = write_csv(tmp_path / "t.csv", rows)
    data = load(path, root=tmp_path / "images", skip_corrupt=True)
    read = {file for part in parts(data).values() for file in known(part.files)}
    assert read == {name for name, *_ in rows[1:]} - {"North/03.png"}
    with pytest.raises(DataError, match=r"absent: South/03\.png lies in another folder \(North/03\.png\)"):
        load(path, root=tmp_path / "images")


def test_a_draft_finds_the_folder_that_names_with_backslashes_begin_in(tmp_path: Path) -> None:
    rows = [["file", "label"]]
    for i in range(20):
        paint(tmp_path / "images" / "north" / f"{i:02d}.png", i)
        rows.append([f"north\\{i:02d}.png", "ab"[i % 2]])
    drafted = draft(write_csv(tmp_path / "t.csv", rows), tmp_path / "study.toml")
    assert 'root = "images"' in drafted.text
