"""Files of published records are bounded, refuse what is no record, and give back what was written."""

import io
import lzma
import tarfile

import pyarrow.parquet as pq
import pytest

from benchmark.store import checksums, published, record_archive, record_table
from benchmark.store.atomic import StoreError
from benchmark.store.record_file import encode
from tests.store.test_store import record

ORIGINALS = [(run_id, encode(record(run_id, curve={"lr": [1.0, None]}, more=more))) for run_id, more in
             (("ab0", {"a": None}), ("ab1", {}), ("cd2", {"b": [1, 1.0, "x"]}))]  # fmt: skip


def archive(folder, *members, compress="w:xz"):
    """An archive with these members: (name, content) of files, or TarInfo."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / published.ARCHIVE, compress) as packed:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                packed.addfile(member)
                continue
            name, text = member
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            packed.addfile(entry, io.BytesIO(text))
    return folder


def entry(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


GOOD = ("runs/ab/ab0.json", ORIGINALS[0][1])
BAD = {
    "above": ("../ab0.json", b"{}"),
    "above inside": ("runs/../../ab0.json", b"{}"),
    "absolute": ("/etc/ab0.json", b"{}"),
    "elsewhere": ("work/ab0.json", b"{}"),
    "no record": ("runs/ab/ab0.txt", b""),
    "symbolic link": entry("runs/ab/ab9.json", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": entry("runs/ab/ab9.json", tarfile.LNKTYPE, "runs/ab/ab0.json"),
    "device": entry("runs/ab/ab9.json", tarfile.CHRTYPE),
}


@pytest.mark.parametrize("name", BAD)
def test_a_member_that_is_no_record_file_inside_is_refused_and_named(name, tmp_path):
    member = BAD[name]
    said = member.name if isinstance(member, tarfile.TarInfo) else member[0]
    folder = archive(tmp_path / "bad", GOOD, member)
    for read in (published.read, lambda place: list(published.originals(place))):
        with pytest.raises(StoreError) as error:
            read(folder)
        assert repr(said) in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} == {"bad"}


def test_a_run_that_an_archive_holds_twice_is_refused(tmp_path):
    with pytest.raises(StoreError, match="two records of run ab0"):
        published.read(archive(tmp_path / "twice", GOOD, GOOD))


@pytest.mark.parametrize("where", ["member", "behind the end", "header"])
def test_an_archive_does_not_become_larger_than_the_limit(where, tmp_path, monkeypatch):
    monkeypatch.setattr(record_archive, "LIMIT_BYTES", 2**20)
    folder = archive(tmp_path / "bomb", ("runs/ab/ab0.json", bytes(2**21)) if where == "member" else GOOD)
    path = folder / published.ARCHIVE
    if where == "behind the end":
        path.write_bytes(lzma.compress(lzma.decompress(path.read_bytes()) + bytes(2**22)))
    elif where == "header":
        long = tarfile.TarInfo("runs/ab/ab0.json")
        long.pax_headers = {"comment": "x" * 2**21}
        path.write_bytes(lzma.compress(long.tobuf(tarfile.PAX_FORMAT) + bytes(1024)))
    assert path.stat().st_size < 10_000
    with pytest.raises(StoreError, match="larger than 1048576 bytes"):
        published.read(folder)


def test_something_behind_the_end_of_an_archive_is_told(tmp_path):
    path = archive(tmp_path / "more", GOOD) / published.ARCHIVE
    path.write_bytes(lzma.compress(lzma.decompress(path.read_bytes()) + b"more"))
    with pytest.raises(StoreError, match="behind its end"):
        published.read(path)


@pytest.fixture
def table(tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / published.TABLE).write_bytes(record_table.encode(ORIGINALS))
    return folder


def test_records_of_a_table_come_back_as_they_were_written(table):
    assert list(published.originals(table)) == ORIGINALS
    assert list(published.originals(table, {"ab1"})) == [ORIGINALS[1]]
    assert [found["id"] for found in published.read(table).records] == ["ab0", "ab1", "cd2"]
    assert "curve" not in published.read(table).records[0]
    assert published.read(table, ("curve",)).records[0]["curve"] == {"lr": [1.0, None]}
    assert record_table.encode(ORIGINALS[::-1]) == (table / published.TABLE).read_bytes()
    with pq.ParquetFile(table / published.TABLE) as file:
        assert '["more","a"]' in file.schema_arrow.names


@pytest.mark.parametrize("limit", ["LIMIT_RUNS", "LIMIT_BYTES"])
def test_a_table_that_becomes_too_large_is_refused(limit, table, monkeypatch):
    monkeypatch.setattr(record_table, limit, 2)
    with pytest.raises(StoreError, match="more than|larger than"):
        list(published.originals(table))


def test_a_table_whose_digest_is_not_the_listed_one_is_refused(table):
    (table / checksums.NAME).write_text(f"{'0' * 64}  {published.TABLE}\n")
    for read in (published.read, lambda place: list(published.originals(place))):
        with pytest.raises(StoreError, match="does not have the digest in SHA256SUMS"):
            read(table)


def test_a_file_that_is_no_table_of_records_is_refused(table):
    for text in (b"", b"PAR1", bytes(100)):
        (table / published.TABLE).write_bytes(text)
        with pytest.raises(StoreError, match=r"records\.parquet is damaged"):
            published.read(table)
