"""Zip archives are read like the folders that were packed, without being unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from benchmark.datasets._class_folders import JUNK, is_junk
from benchmark.datasets._files import DiskFolder, ZipArchive, place_of
from benchmark.datasets.base import DataError
from benchmark.datasets.folder import Folder

PLACES = st.lists(st.sampled_from(["a", "b", "c.png", ".hidden", "Thumbs.db", "__MACOSX"]), min_size=1, max_size=4)


def folder(path: Path, **options: object) -> Folder:
    return Folder("folder", Folder.Config.model_validate({"path": path, "size": 8, **options}))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """cells/{blue,red}/{0..9}.png, and what systems leave."""
    root = tmp_path / "cells"
    for k, name in enumerate(("blue", "red")):
        (root / name).mkdir(parents=True)
        for i in range(10):
            Image.new("L", (9, 8), 90 * k + i).save(root / name / f"{i}.png")
    for junk in ("__MACOSX/._0.png", "red/.DS_Store"):
        (root / junk).parent.mkdir(exist_ok=True)
        (root / junk).write_bytes(b"x")
    return root


def pack(root: Path, archive: Path, top: str = "", compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(archive, "w", compression) as file:
        for path in sorted(root.rglob("*.*")):
            file.write(path, f"{top}{path.relative_to(root).as_posix()}")
    return archive


@pytest.mark.parametrize("top", ["", "cells/", "outer/cells/"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_an_archive_is_the_folder_that_was_packed(images: Path, tmp_path: Path, top: str, compression: int) -> None:
    packed, plain = folder(pack(images, tmp_path / "packed.zip", top, compression)), folder(images)
    assert packed.digest() == plain.digest()
    assert packed.label == "packed"
    ours, theirs = packed.load(), plain.load()
    assert ours.train.files == theirs.train.files
    assert np.array_equal(ours.test.images, theirs.test.images)
    assert not [path for path in tmp_path.rglob("*.png") if not path.is_relative_to(images)], "nothing is unpacked"


@given(st.lists(PLACES, max_size=8))
def test_the_names_in_an_archive_are_those_of_the_folder(
    tmp_path_factory: pytest.TempPathFactory, places: list
) -> None:
    root = tmp_path_factory.mktemp("tree")
    files = {"/".join(parts) for parts in places}
    files = {name for name in files if not any(other.startswith(f"{name}/") for other in files)}
    with zipfile.ZipFile(root / "tree.zip", "w") as archive:
        for name in files:
            (root / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "tree" / name).write_bytes(b"x")
            archive.writestr(name, b"x")
    (root / "tree").mkdir(exist_ok=True)
    assert ZipArchive(root / "tree.zip").tree(is_junk) == DiskFolder(root / "tree").tree(is_junk)
    assert "__macosx" in JUNK


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "a/../../out.png", "C:/out.png", "..\\out.png"])
def test_a_member_that_leads_out_refuses_the_archive(images: Path, tmp_path: Path, name: str) -> None:
    archive = pack(images, tmp_path / "bad.zip")
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(zipfile.ZipInfo(name), b"x")
    with pytest.raises(DataError, match="which leads out of the archive"):
        folder(archive).load()


def test_a_damaged_member_is_one_unusable_file(images: Path, tmp_path: Path) -> None:
    archive = pack(images, tmp_path / "packed.zip", compression=zipfile.ZIP_STORED)
    content = bytearray(archive.read_bytes())
    at = content.index((images / "red" / "3.png").read_bytes())
    content[at + 40] ^= 0xFF
    archive.write_bytes(content)
    data = folder(archive, skip_corrupt=True).load()
    assert [*data.skipped] == ["red/3.png"]
    assert "damaged" in data.skipped["red/3.png"]
    assert folder(archive).digest() != folder(images).digest()


def test_an_encrypted_archive_and_one_that_is_cut_off_are_told(images: Path, tmp_path: Path) -> None:
    archive = pack(images, tmp_path / "packed.zip")
    content = bytearray(archive.read_bytes())
    at = content.index(b"PK\x01\x02") + 8  # flags of the first file in the directory
    content[at] |= 1
    (tmp_path / "secret.zip").write_bytes(content)
    with pytest.raises(DataError, match="is encrypted: unpack it with its password"):
        place_of(tmp_path / "secret.zip")
    (tmp_path / "cut.zip").write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(ValidationError, match="expected a folder or a zip archive"):
        folder(tmp_path / "cut.zip")


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as file:
        for name in ("a/1.png", "a\\1.png"):
            info = zipfile.ZipInfo("x")
            info.filename = name
            file.writestr(info, b"x")
    with pytest.raises(DataError, match=r"two files 'a/1\.png'"):
        place_of(tmp_path / "twice.zip")


def test_a_member_too_large_for_an_image_is_not_unpacked(images: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("benchmark.datasets._files.LARGEST_MEMBER", 1000)
    (images / "red" / "bomb.png").write_bytes(b"\0" * 2_000_000)
    data = folder(pack(images, tmp_path / "bomb.zip"), skip_corrupt=True).load()
    assert data.skipped == {"red/bomb.png": "too large for an image: unpacks to 1 MiB"}
