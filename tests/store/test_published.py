"""Records of results folders and published folders, read where they lie."""

import io
import tarfile
from pathlib import Path

import pytest

from benchmark.errors import UsageError
from benchmark.store import published
from benchmark.store.atomic import StoreError
from benchmark.store.compaction import compact
from benchmark.store.record_file import encode
from benchmark.store.store import Store
from tests.store.test_store import record


@pytest.fixture
def filled(tmp_path):
    """A results folder with the records of three runs, and a fourth run that failed."""
    store = Store(tmp_path / "filled")
    store.prepare()
    for number in range(3):
        store.write(record(f"ab{number}"))
    store.write_failure(record("ab3", state="failed", error={"class": "E", "message": "m", "log": ""}))
    return store


def pack(folder: Path, target: Path, **changed: bytes) -> Path:
    """`folder`/runs as the archive of a published folder; the bytes of the records named in `changed` replaced."""
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target / published.ARCHIVE, "w:xz") as archive:
        for path in sorted(folder.glob("runs/*/*.json")):
            content = changed.get(path.stem, path.read_bytes())
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target


def identities(place):
    return [found["id"] for found in published.read(Path(place)).records]


def test_loose_compacted_and_archived_records_read_the_same(filled, tmp_path):
    archived = pack(filled.folder, tmp_path / "archived")
    loose = published.read(filled.folder)
    assert [found["state"] for found in loose.records] == ["ok", "ok", "ok", "failed"]
    assert published.read(archived).records == loose.records[:3]
    assert published.read(archived / published.ARCHIVE).records == loose.records[:3]
    compact(filled)
    assert identities(filled.folder) == [found["id"] for found in loose.records]


def test_every_published_folder_is_found_by_name_and_by_path_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert published.names()
    for name in published.names():
        by_name = identities(name)
        assert by_name
        assert by_name == identities(published.PUBLISHED / name)


def test_a_folder_of_a_published_name_that_holds_no_records_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = published.names()[0]
    (tmp_path / name).mkdir()
    assert identities(name) == identities(published.PUBLISHED / name)


@pytest.mark.parametrize("make", ["nothing", "empty", "without records", "file"])
def test_where_there_are_no_records_the_error_says_what_was_expected(make, tmp_path):
    place = tmp_path / "place"
    if make == "empty":
        place.mkdir()
    elif make == "without records":
        (place / "runs" / "ab").mkdir(parents=True)
        (place / "suite.toml").write_text("")
    elif make == "file":
        place = tmp_path / "place" / "inside"
        place.parent.write_text("a file where a folder was expected")
    with pytest.raises(UsageError) as error:
        published.read(place)
    for part in (str(place), "results folder", published.ARCHIVE, *published.names()):
        assert part in str(error.value)


def test_the_folder_above_is_proposed_for_the_inner_folder_of_a_results_folder(filled):
    with pytest.raises(UsageError, match=f"did you mean {filled.folder}"):
        published.read(filled.folder / "runs")


@pytest.mark.parametrize("damage", ["truncated", "no archive", "empty", "broken record", "no record"])
def test_a_damaged_archive_is_an_error_that_names_it(damage, filled, tmp_path):
    broken = {"ab1": encode(record("ab1"))[:-9]} if damage == "broken record" else {}
    folder = pack(filled.folder, tmp_path / "archived", **broken)
    archive = folder / published.ARCHIVE
    if damage == "truncated":
        archive.write_bytes(archive.read_bytes()[:-200])
    elif damage == "no archive":
        archive.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    elif damage == "empty":
        archive.write_bytes(b"")
    elif damage == "no record":
        pack(tmp_path / "nothing", folder)
    with pytest.raises(StoreError, match=str(archive)):
        published.read(folder)


@pytest.mark.parametrize("file", [published.TABLE, published.ARCHIVE])
def test_a_published_folder_is_refused_as_a_results_folder_and_a_results_folder_with_such_a_file_is_not(file, tmp_path):
    (tmp_path / file).write_bytes(b"")
    with pytest.raises(UsageError, match="is a published folder; expected a results folder.*--with"):
        Store(tmp_path)
    (tmp_path / "runs").mkdir()
    Store(tmp_path)
