"""`runs` lists what there is, `rm` moves it to the trash, `show` takes the ids; copies of records are counted once."""

from __future__ import annotations

import io
import shutil
import sys
from collections import Counter
from pathlib import Path

import orjson
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark.store.compaction import compact
from benchmark.store.record_file import encode, stored
from benchmark.store.store import Store
from tests.conftest import command_line

GRID = ("-d", "digits", "-m", "ce", "-m", "gce:q=0.5", "-m", "gce", "-n", "symmetric:0,0.4", "--seeds", "2")
SETTINGS = ("--epochs", "1", "--subset", "100")
RUN = ("run", *GRID, *SETTINGS, "--no-table")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Twelve runs: eleven records, the last one a failure."""
    folder = tmp_path_factory.mktemp("grid")
    command_line(folder, *RUN)
    store = Store(folder / "results")
    last = sorted(store.loose())[-1]
    ended = stored(last.read_bytes())
    last.unlink()
    failed = {name: ended[name] for name in ("schema", "id", "spec", "provenance")} | {"state": "failed"}
    for message in ("once", "twice"):
        store.write_failure(failed | {"error": {"class": "E", "message": message, "traceback": "", "log": "l"}})
    return store.folder


@pytest.fixture(params=["loose", "compacted", "both"])
def results(request, finished, tmp_path) -> Store:
    store = Store(shutil.copytree(finished, tmp_path / "results"))
    if request.param != "loose":
        aside = {path: path.read_bytes() for path in sorted(store.loose())[: 5 if request.param == "both" else 0]}
        compact(store)
        for path, content in aside.items():
            path.write_bytes(content)
    return store


def contents(store: Store) -> dict[str, bytes | None]:
    return {record["id"]: store.read_bytes(record["id"]) for record in store.records().records}


def listed(told: str) -> list[str]:
    return [line.split()[0] for line in told.splitlines()[1:]]


def test_runs_lists_every_run_with_cell_state_and_figures(results, here):
    told = here("runs").stdout
    assert len(listed(told)) == 12
    assert told.count("digits/cnn/gce:q=0.5/symmetric:0.4") == 2
    assert told.count("val_noisy=.") == 11
    assert "E: twice" in told
    for run_id in listed(told)[:3]:
        assert f"run {run_id}: " in here("show", run_id[:10]).stdout
    assert "12 runs have an id that begins with ''" in here("show", "", code=2).stderr


def test_runs_as_csv_is_one_row_a_run_with_all_figures(results, here):
    frame = pd.read_csv(io.StringIO(here("runs", "--format", "csv").stdout))
    assert len(frame) == 12
    for record in results.records().records:
        row = frame.set_index("id").loc[record["id"]]
        for rule, figures in record["metrics"].items():
            for metric, value in (figures or {}).items():
                assert row[f"{rule}.{metric}"] == (value if isinstance(value, str) else pytest.approx(value))
        assert row["realized_rate"] == pytest.approx(record["noise"]["realized_rate"])
        assert [row[f"seed.{name}"] for name in record["spec"]["seeds"]] == list(record["spec"]["seeds"].values())
        assert row["total_seconds"] == record["timing"]["total_seconds"]
        if record["spec"]["method"]["name"] == "gce":
            assert row["method.q"] == record["spec"]["method"]["config"]["q"]


SELECTIONS = {
    "a method": (("--method", "gce"), 8),
    "a configuration": (("--method", "gce:q=0.5"), 4),
    "noise": (("--noise", "symmetric:0.4"), 6),
    "noise and method": (("--noise", "none", "-m", "ce"), 2),
    "a data set": (("-d", "digits"), 12),
    "a state": (("--state", "failed"), 1),
    "states": (("--state", "failed", "--state", "ok"), 12),
    "a grid": ((*GRID, *SETTINGS), 12),
    "a part of a grid": (("-d", "digits", "-m", "ce", "-n", "none", "--seeds", "1", *SETTINGS), 1),
}


@pytest.mark.parametrize(("words", "count"), SELECTIONS.values(), ids=SELECTIONS)
def test_rm_removes_what_runs_lists_and_nothing_else(results, here, words, count):
    before, attempts = contents(results), list(results.attempts())
    chosen = listed(here("runs", *words).stdout)
    assert len(chosen) == count
    tried = here("rm", *words, "--dry-run")
    assert contents(results) == before
    assert listed(tried.stdout)[:-1] == chosen
    assert listed(here("rm", *words).stdout)[:-1] == chosen
    gone = set(chosen)
    assert contents(results) == {run_id: content for run_id, content in before.items() if run_id not in gone}
    assert not [path for path in results.attempts() if path.name[:16] in gone]
    (trash,) = (results.folder / "trash").iterdir()
    shutil.copytree(trash, results.folder, dirs_exist_ok=True)
    assert contents(results) == before, "what was removed can be put back"
    assert sorted(results.attempts()) == sorted(attempts)


def test_removed_runs_run_again(results, here):
    here("rm", "--method", "ce")
    assert "7 already done, 5 to run" in here(*RUN, "--dry-run").stderr, "four were removed, one had failed"


def test_rm_by_ids_and_what_it_refuses(results, here):
    before = contents(results)
    first, second, *_ = sorted(before)
    assert "nothing was named" in here("rm", code=2).stderr
    assert "no run has an id that begins with 'zz'" in here("rm", "zz", code=2).stderr
    assert "there are: ce, gce" in here("rm", "--method", "gec", code=2).stderr
    assert "--seeds describes a grid" in here("runs", "--seeds", "3", code=2).stderr
    assert "is of these ids and states" in here("rm", first, "--state", "diverged", code=2).stderr
    assert contents(results) == before
    here("rm", first, second[:12])
    assert contents(results).keys() == before.keys() - {first, second}


def test_rm_asks_on_a_terminal_and_nowhere_else(results, here, monkeypatch):
    before = contents(results)
    first, second, *_ = sorted(before)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    here("rm", first, code=None)
    assert contents(results) == before
    here("rm", first, "--yes")
    assert contents(results).keys() == before.keys() - {first}
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    here("rm", second)
    assert contents(results).keys() == before.keys() - {first, second}


def test_an_interrupted_removal_loses_nothing_and_can_be_repeated(finished, tmp_path, here, monkeypatch):
    store = Store(shutil.copytree(finished, tmp_path / "results"))
    compact(store)
    before = contents(store)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        assert "cannot remove" in here("rm", "--method", "ce", code=1).stderr
    assert contents(store) == before
    here("rm", "--method", "ce")
    assert len(contents(store)) == len(before) - Counter(r["spec"]["method"]["name"] for r in ENDED(before))["ce"]


def ENDED(records: dict[str, bytes | None]) -> list[dict]:  # noqa: N802
    return [orjson.loads(content or b"") for content in records.values()]


COPIES = st.sampled_from(
    [
        "{} (1).json", "{} copy.json", "{}.sync-conflict-20240101-101010-ABCDEFG.json", "Copy of {}.json",
        "{} (laptop's conflicted copy 2024-01-01).json", "{} - Copy (2).json", "._{}.json", "{}~1.json", "{}_old.json",
    ]
)  # fmt: skip


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=COPIES, lost=st.booleans(), compacted=st.booleans(), which=st.integers(0, 20))
def test_a_second_copy_is_counted_once_and_never_lost(finished, tmp_path, here, name, lost, compacted, which):
    shutil.rmtree(tmp_path / "results", ignore_errors=True)
    store = Store(shutil.copytree(finished, tmp_path / "results"))
    before = contents(store)
    paths = sorted(store.loose())
    path = paths[which % len(paths)]
    copy = path.with_name(name.format(path.stem))
    content = path.read_bytes()
    copy.write_bytes(content)
    hidden = copy.name.startswith(".")
    if compacted:
        compact(store)
    if lost and not hidden and not compacted:
        path.unlink()
    assert contents(store) == before
    assert here("status", code=1).stdout.startswith("failed     1\nok         11\n")
    assert len(listed(here("runs").stdout)) == 12
    assert "11 already done, 1 to run" in here(*RUN, "--dry-run").stderr
    assert f"run {path.stem}: ok" in here("show", path.stem).stdout
    assert "broken" not in here("doctor").stdout
    here("rm", path.stem)
    assert contents(store).keys() == before.keys() - {path.stem}
    assert hidden or content in {p.read_bytes() for p in (store.folder / "trash").rglob("*.json")}


def test_a_failure_in_the_place_of_a_record_is_no_record(finished, tmp_path, here):
    store = Store(shutil.copytree(finished, tmp_path / "results"))
    attempt = next(store.attempts())
    path = store.run_path(attempt.name[:16])
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(attempt.read_bytes())
    assert "does not belong into this folder" in here("status", code=1).stderr
    assert "11 already done, 1 to run" in here(*RUN, "--dry-run").stderr


def test_a_folder_in_the_place_of_a_record_is_an_error_that_names_it_and_nothing_is_moved(finished, tmp_path, here):
    store = Store(shutil.copytree(finished, tmp_path / "results"))
    path = next(store.loose())
    path.unlink()
    path.mkdir()
    before = sorted(store.folder.rglob("*"))
    for command in (("table",), ("status",), ("runs",), ("rm", "--method", "ce"), RUN):
        assert f"{path.name} cannot be read now" in here(*command, code=1).stderr
    assert f"{path.name} cannot be read now" in here("doctor", code=1).stdout
    assert sorted(store.folder.rglob("*")) == before


def test_encoding_a_record_twice_gives_the_same_bytes(finished):
    for path in Store(finished).loose():
        assert encode(stored(path.read_bytes())) == path.read_bytes()
