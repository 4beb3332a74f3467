"""`noisybench verify` tells every kind of damage to a published folder, in a sentence that names the file or run."""

import base64
import gzip
import io
import json
import re
import shutil
import tarfile
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.report.publishing import identities, views
from benchmark.store import checksums, record_table
from benchmark.store.content import id_of
from benchmark.store.published import ARCHIVE
from tests.conftest import SCHEMA_1
from tests.report.conftest import files_of, verify, write
from tests.report.test_publish import changed, missing_of

NAMES = (
    "CITATION.cff", "README.md", "SHA256SUMS", "constraints.txt", "croissant.json", "last.md", "records.parquet",
    "runs.csv", "suite.toml", "val_noisy.csv", "val_noisy.md",
)  # fmt: skip


def test_the_names_are_all(whole):
    assert {path.name for path in whole.iterdir()} == set(NAMES)
    done = verify(whole)
    assert (done.faults, done.files, done.records) == ([], len(NAMES), 8)


@settings(deadline=None, max_examples=300)
@given(
    name=st.sampled_from(NAMES),
    place=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
    kind=st.sampled_from(["flipped", "cut", "longer", "empty"]),
)
def test_any_changed_byte_and_any_cut_of_any_file_is_told(whole, tmp_path_factory, name, place, bit, kind):
    folder = shutil.copytree(whole, tmp_path_factory.mktemp("damaged") / "tiny")
    text = (folder / name).read_bytes()
    at = int(place * len(text))
    damaged = {
        "flipped": text[:at] + bytes([text[at] ^ 1 << bit]) + text[at + 1 :],
        "cut": text[:at],
        "longer": text + text[: at + 1],
        "empty": b"",
    }[kind]
    (folder / name).write_bytes(damaged)
    faults = verify(folder).faults
    assert faults
    assert name in faults[0] or name == "SHA256SUMS"
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(name, copy):
    (copy / name).unlink()
    assert name in verify(copy).faults[0]


def test_what_does_not_belong_there_is_named(copy, tmp_path):
    (copy / "more.txt").write_text("")
    assert verify(copy).faults == ["more.txt is not in SHA256SUMS: move it out of the folder"]
    (copy / "more.txt").unlink()
    (copy / "folder").symlink_to(tmp_path)
    assert "folder is a link" in verify(copy).faults[0]
    (copy / "folder").unlink()
    outside = shutil.move(copy / "last.md", tmp_path / "last.md")
    (copy / "last.md").symlink_to(outside)
    assert "last.md is a link" in verify(copy).faults[0]


@pytest.mark.parametrize("name", ["../last.md", "/etc/passwd", "a/../../b", "./last.md", "a\\b", "."])
def test_a_list_that_names_a_file_outside_is_refused(name, copy):
    sums = (copy / checksums.NAME).read_text().splitlines()
    lines = sorted([*sums, f"{'0' * 64}  {name}"], key=lambda line: line[66:])
    (copy / checksums.NAME).write_text("\n".join(lines) + "\n")
    (fault,) = verify(copy).faults
    assert "SHA256SUMS is damaged" in fault
    assert repr(name) in fault


def resealed(folder, **contents):
    """Replaces files of `folder` and lists the digests of what is there now, as a forger would."""
    for name, text in contents.items():
        (folder / name.replace("__", ".")).write_bytes(text)
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    files = {name: path.read_bytes() for name, path in paths.items() if name != checksums.NAME}
    (folder / checksums.NAME).write_bytes(checksums.encode(files))


@pytest.mark.parametrize("name", ["README__md", "last__md", "val_noisy__csv", "runs__csv", "constraints__txt"])
def test_a_changed_table_with_a_new_digest_is_told(name, copy):
    text = (copy / name.replace("__", ".")).read_bytes()
    resealed(copy, **{name: re.sub(rb"\d", lambda digit: b"%d" % ((int(digit[0]) + 1) % 10), text, count=1)})
    (fault,) = verify(copy).faults
    assert fault.startswith(f"{name.replace('__', '.')} is not what this version of noisybench makes")


def test_a_file_that_nothing_makes_is_told_though_it_is_listed(copy):
    resealed(copy, more__txt=b"")
    assert verify(copy).faults == ["more.txt is not a file that publish makes of the records"]


@pytest.fixture
def seen_copy(seen, tmp_path):
    return shutil.copytree(seen, tmp_path / "tiny")


FIGURE = "figures/rate.svg"


def test_figures_and_page_are_made_again(seen):
    done = verify(seen)
    assert (done.faults, done.notes) == ([], [])
    assert {"figures/ranks.svg", FIGURE, "figures/matrix.svg", "index.html"} <= set(done.remade)


def test_a_changed_figure_with_a_new_digest_is_told(seen_copy):
    drawn = (seen_copy / FIGURE).read_bytes()
    place = drawn.rindex(b"<path") + 20
    resealed(seen_copy, **{FIGURE: drawn[:place] + b"9" + drawn[place:]})
    (fault,) = verify(seen_copy).faults
    assert fault.startswith(f"{FIGURE} is not what this version of noisybench makes")


def test_a_figure_of_another_matplotlib_is_checked_by_its_digest_and_that_is_said(seen_copy, monkeypatch):
    drawn = (seen_copy / FIGURE).read_bytes()
    ours = version("matplotlib")
    resealed(seen_copy, **{FIGURE: drawn.replace(f"Matplotlib v{ours}".encode(), b"Matplotlib v3.0.1", 1)})
    done = verify(seen_copy)
    assert done.faults == []
    assert done.notes == [f"{FIGURE} is checked by its digest alone: drawn by matplotlib 3.0.1, and here is {ours}"]
    assert FIGURE not in done.remade

    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(views, "version", absent)
    done = verify(seen_copy)
    assert done.faults == []
    assert len(done.notes) == 3
    assert "index.html" in done.remade


def test_a_figure_that_is_gone_from_folder_and_list_is_told(seen_copy):
    (seen_copy / FIGURE).unlink()
    resealed(seen_copy)
    assert verify(seen_copy).faults == [f"{FIGURE} is missing: publish makes it of these records"]


def repacked(page, change=lambda data: data):
    """The page with its data changed, compressed by another level."""
    head, start, rest = page.partition(b'id="data">')
    data, end, tail = rest.partition(b"</script>")
    text = change(gzip.decompress(base64.b64decode(data)))
    return head + start + base64.b64encode(gzip.compress(text, compresslevel=1, mtime=0)) + end + tail


def test_a_page_that_holds_the_same_is_sound_however_it_is_compressed(seen_copy):
    page = (seen_copy / "index.html").read_bytes()
    assert repacked(page) != page
    resealed(seen_copy, index__html=repacked(page))
    assert verify(seen_copy).faults == []


@pytest.mark.parametrize(
    "forge",
    [
        lambda page: page.replace(b"<tbody>", b"<tbody> ", 1),
        lambda page: repacked(page, lambda data: data.replace(b'"rule":"val_noisy"', b'"rule":"last"')),
        lambda page: repacked(page, lambda data: data + b" " * 10**8),
        lambda page: page.replace(b'id="data">', b'id="data">!', 1),
        lambda page: b"",
    ],
    ids=["table", "data", "bomb", "no data", "empty"],
)
def test_a_changed_page_with_a_new_digest_is_told(forge, seen_copy):
    resealed(seen_copy, index__html=forge((seen_copy / "index.html").read_bytes()))
    (fault,) = verify(seen_copy).faults
    assert fault.startswith("index.html is not what this version of noisybench makes")


FORGED = {
    "accuracy": (("metrics", "last", "accuracy"), 0.99, "accuracy is 0.99"),
    "balanced accuracy": (("metrics", "val_noisy", "balanced_accuracy"), 0.99, "balanced_accuracy is 0.99"),
    "f1": (("metrics", "last", "f1"), 0.99, "f1 is 0.99, and the confusion matrix"),
    "ece": (("metrics", "last", "ece"), 0.5, "ece is 0.5"),
    "nll": (("metrics", "last", "nll"), 0.1, "nll is 0.1, and the curve"),
    "epoch": (("metrics", "last", "epoch"), 1, "last: it reports epoch 1, and the curve gives 2"),
    "no epoch": (("metrics", "last", "epoch"), 7, "its epoch 7 is not one of the 2"),
    "rule": (("metrics", "last"), None, "last: it reports none"),
    "confusion": (("outcomes", "last", "confusion", 0, 0), 1000, "its confusion matrix sums to"),
    "bits": (("outcomes", "last", "right"), "AAAA", "its bits of right predictions"),
    "test size": (("tests", "test", "size"), 5, "its confusion matrix sums to"),
    "spec": (("spec", "seeds", "noise"), 77, "an id that is not that of its spec"),
    "field": (("sizes", "val"), "many", "holds 'many' in"),
    "nan": (("metrics", "last", "mcc"), float("nan"), "in metrics.last.mcc"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_record_that_contradicts_itself_is_told_though_all_digests_are_new(name, records, tmp_path):
    path, value, said = FORGED[name]
    one, *others = records
    forged = changed(one, path, value)
    write(tmp_path / "forged", {"suite.toml": b"", "records.parquet": table_of([forged, *others])})
    resealed(tmp_path / "forged")
    faults = verify(tmp_path / "forged").faults
    assert any(one["id"] in fault and said in fault for fault in faults), faults


def table_of(records):
    from benchmark.store.record_file import encode

    return record_table.encode([(record["id"], encode(record)) for record in records])


def test_a_run_that_is_there_twice_is_told(records, tmp_path):
    write(tmp_path / "twice", {"suite.toml": b"", "records.parquet": table_of([records[0], *records])})
    resealed(tmp_path / "twice")
    assert f"record {records[0]['id']} is there twice" in verify(tmp_path / "twice").faults


def test_a_list_of_missing_runs_is_checked(records, tmp_path):
    run = missing_of(records[0])
    write(tmp_path / "there", files_of(records, [run]))
    assert f"missing.json names run {run['id']}, which is there" in verify(tmp_path / "there").faults[0]
    write(tmp_path / "false", files_of(records[1:], [missing_of({**records[0], "id": "0" * 16})]))
    assert "missing.json names run 0000000000000000" in verify(tmp_path / "false").faults[0]


def test_every_trained_record_keeps_the_identities(records):
    assert [fault for record in records for fault in identities.faults(record)] == []
    assert {record["id"] for record in records} == {id_of(record["spec"]) for record in records}


@pytest.mark.parametrize("seed", range(20))
def test_any_single_count_of_a_confusion_matrix_that_changes_is_told(seed, records):
    rng = np.random.default_rng(seed)
    record = json.loads(json.dumps(records[seed % len(records)]))
    matrix = record["outcomes"]["last"]["confusion"]
    row, column, other = rng.choice(len(matrix), 3, replace=False)
    matrix[row][row] += 1  # the sum stays, and the support of no class
    hit = next((k for k in (column, other) if matrix[row][k]), None)
    if hit is None:
        matrix[row][row] -= 2
        matrix[row][column] += 1
    else:
        matrix[row][hit] -= 1
    assert list(identities.faults(record))


def test_the_command_tells_faults_in_sentences_and_exits_with_1(copy, here):
    (copy / "last.md").write_text("forged")
    told = here("verify", copy, code=1)
    assert "fault: last.md is damaged" in told.stdout
    assert (
        "expected a folder that `noisybench publish SUITE --out DIR` wrote" in here("verify", "nowhere", code=2).stderr
    )


def test_publish_and_verify_count_the_same_files(whole, tmp_path, here):
    told = here("publish", "--results", whole, "--out", "again", "--no-figures").stdout
    count = sum(path.is_file() for path in (tmp_path / "again").rglob("*"))
    assert f"8 runs, {count} files" in told
    assert f"{count} files and 8 records are sound" in here("verify", "again").stdout


def test_of_a_folder_that_is_no_publication_it_is_said_what_was_expected_and_what_to_type(trained, copy, here):
    (copy.parent / "empty").mkdir()
    told = here("verify", "empty", code=2).stderr
    assert "empty holds no published records; expected a folder that `noisybench publish SUITE --out DIR` wrote" in told
    assert "digits" in told
    told = here("verify", trained / "results", code=2).stderr
    assert f"it is a results folder: `noisybench publish SUITE --results {trained / 'results'} --out DIR`" in told
    assert f"did you mean {copy}?" in here("verify", copy.parent, code=2).stderr


def test_a_folder_of_an_earlier_version_has_no_list_and_is_checked_all_the_same(records, whole, tmp_path, here):
    old = tmp_path / "old"
    write(old, {name: (whole / name).read_bytes() for name in ("last.md", "val_noisy.md", "README.md", "suite.toml")})
    pack(old, records)
    done = verify(old)
    assert (done.faults, done.records, done.files) == ([], 8, 3)
    assert set(done.remade) == {"last.md", "val_noisy.md"}
    assert any(
        note.endswith("nothing tells whether these are as they were: README.md, suite.toml") for note in done.notes
    )
    (old / "suite.toml").unlink()
    assert verify(old).faults == []
    (old / "last.md").write_text("forged")
    assert "last.md is not what" in verify(old).faults[0]
    one, *others = records
    pack(old, [changed(one, ("metrics", "last", "accuracy"), 0.99), *others])
    assert any(one["id"] in fault for fault in verify(old).faults)
    assert "are sound" in here("verify", SCHEMA_1).stdout


def pack(folder, records):
    from benchmark.store.record_file import encode

    with tarfile.open(folder / ARCHIVE, "w:xz") as archive:
        for record in records:
            entry, text = tarfile.TarInfo(f"runs/{record['id'][:2]}/{record['id']}.json"), encode(record)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))


def test_runs_are_repeated_bit_for_bit_on_the_processor_that_they_were_made_on(copy, here):
    told = here("verify", copy, "--rerun", 2)
    assert told.stdout.count("equal bit for bit") == 2
