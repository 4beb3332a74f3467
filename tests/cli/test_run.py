"""The command line, as a new user types it, on real digits."""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT, command_line

GRID = ("run", "-d", "digits", "-m", "ce", "-m", "gce:q=0.5", "-n", "symmetric:0,0.4", "--seeds", "2", "--epochs", "3")


def records(folder):
    """Records by id, without what may differ between equal runs."""
    found = {}
    for path in folder.glob("runs/**/*.json"):
        record = json.loads(path.read_text())
        found[record["id"]] = {k: v for k, v in record.items() if k not in ("timing", "provenance", "digest")}
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small grid that ran once, and what it printed."""
    folder = tmp_path_factory.mktemp("grid")
    return folder, command_line(folder, *GRID)


def test_a_grid_ends_in_records_and_a_table(finished):
    folder, done = finished
    found = records(folder / "results")
    assert len(found) == 8
    assert {record["state"] for record in found.values()} == {"ok"}
    assert "gce:q=0.5" in done.stdout
    assert "symmetric:0.4" in done.stdout
    assert "[8/8] ok digits/" in done.stderr, "one plain line per run where stderr is no terminal"


def test_a_record_holds_what_a_reader_needs(finished):
    record = next(r for r in records(finished[0] / "results").values() if r["spec"]["noise"]["config"].get("rate"))
    assert set(record["metrics"]) == {"val_noisy", "last", "last5", "label_wave", "val_clean", "oracle_test"}
    assert record["metrics"]["last5"] is None, "fewer than ten epochs have no last five"
    assert record["metrics"]["oracle_test"]["accuracy"] >= record["metrics"]["val_noisy"]["accuracy"]
    assert len(record["curve"]["phase"]) == 3
    assert set(record["curve"]["memorization"]) == {"true", "memorized"}
    assert 0.3 < record["noise"]["realized_rate"] < 0.5
    assert len(record["noise"]["transition"]) == 10


def test_all_methods_of_one_cell_see_the_same_labels(finished):
    cells: dict[str, set[str]] = {}
    for record in records(finished[0] / "results").values():
        spec = record["spec"]
        key = json.dumps([spec["noise"], spec["seeds"]["noise"]])
        cells.setdefault(key, set()).add(record["noise"]["labels_sha256"])
    assert all(len(hashes) == 1 for hashes in cells.values())
    assert len({next(iter(h)) for h in cells.values()}) == 3, "clean labels of two seeds are equal, noisy ones differ"


def test_a_finished_grid_runs_nothing_again(finished):
    folder, _ = finished
    before = {path: path.stat().st_mtime_ns for path in (folder / "results" / "runs").rglob("*.json")}
    done = command_line(folder, *GRID)
    assert "0 to run" in done.stderr
    assert done.stdout == finished[1].stdout, "the same records give the same bytes"
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "results" / "runs").rglob("*.json")}


def test_show_and_status_and_csv(finished, here):
    folder, _ = finished
    results = str(folder / "results")
    run_id = sorted(records(folder / "results"))[0]
    shown = here("show", run_id[:8], "--results", results).stdout
    assert run_id in shown
    assert "memorized" in shown
    assert "ok         8" in here("status", "--results", results).stdout
    assert here("table", "--format", "csv", "--rule", "last", "--results", results).stdout.count("\n") > 4


def test_a_dry_run_names_every_run_and_a_cost_and_runs_nothing(here, tmp_path):
    done = here(*GRID, "--dry-run")
    assert done.stdout.count("digits/") == 8
    assert "about " in done.stderr
    assert not records(tmp_path / "results")


def test_a_log_says_what_takes_its_time_before_the_first_epoch_and_only_where_it_does(here):
    grid = ("run", "-d", "digits", "-b", "cnn:frozen=true", "-m", "small_loss", "-n", "symmetric:0.2", "--epochs", "1")
    told = here(*grid, "--seeds", "1").stderr
    assert "computes the features of 1,078 images" in told
    assert "estimates the noise rate" in told
    second = here(*grid, "--seeds", "2").stderr
    assert "computes the features" not in second
    assert second.count("estimates the noise rate") == 1


BAD = {
    "unknown method": (("-m", "gec"), "did you mean 'gce'"),
    "unknown data set": (("-d", "digist"), "did you mean 'digits'"),
    "unknown file": (("-d", "table:cels.csv"), "cels.csv does not exist; did you mean cells.csv?\n"),
    "a file without its kind": (("-d", "cells.csv"), "did you mean table:cells.csv?"),
    "a folder without its kind": (("-d", "pictures:split_seed=1"), "did you mean folder:pictures,split_seed=1?"),
    "options without a kind": (("-d", "cells.csv,size=32"), "did you mean table:cells.csv,size=32?"),
    "extra test without its kind": (
        ("--extra-test", "there=pictures,split_seed=1"),
        "did you mean folder:pictures,spl",
    ),
    "unknown noise": (("-n", "symetric:0.1"), "did you mean 'symmetric'"),
    "unknown backbone": (("-b", "cnm"), "did you mean 'cnn'"),
    "option out of range": (("-m", "gce:q=2"), "less than or equal to 1"),
    "unknown option": (("-m", "gce:p=2"), "its options: q"),
    "rate out of range": (("-n", "symmetric:1.5"), "less than 1"),
    "epochs out of range": (("--epochs", "0"), "greater than or equal to 1"),
    "epochs twice": (("--epochs", "2", "--recipe", "epochs=3"), "leave one of them out"),
    "labels twice": (("-d", "digits:labels=a.csv", "--labels", "cells.csv"), "sets labels, and so does --labels"),
    "a milestone that is never reached": (
        ("--recipe", "milestones=[0.5,2]"),
        "milestones[1]: Input should be less than",
    ),
    "true as a number": (("-m", "gce:q=true"), "q is True; expected a number, not true or false"),
    "false as a rate": (("-n", "symmetric:false"), "rate is False; expected a number"),
    "no cuda": (("--device", "cuda"), "no CUDA device"),
    "missing file": (("-d", "npz:nowhere.npz"), "nowhere.npz"),
    "missing weights": (("-b", "resnet18:weights=no.pth"), "no.pth'; expected a weights file, or"),
    "plugin that is not there": (("--plugin", "mine.py"), "mine.py does not exist"),
    "a run that may take no time": (("--timeout", "0"), "0.0 is not in the range x>0"),
    "a run that may take less": (("--timeout", "-1"), "-1.0 is not in the range x>0"),
    "a time that is no number": (("--timeout", "nan"), "nan is no finite number"),
    "checkpoints that never come": (("--checkpoint-seconds", "inf"), "inf is no finite number"),
    "subset out of range": (("--subset", "1"), "greater than or equal to 2"),
}


@pytest.mark.parametrize(("arguments", "told"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_clear_sentence_and_code_2(here, tmp_path, arguments, told):
    (tmp_path / "cells.csv").touch()
    (tmp_path / "pictures").mkdir()
    done = here("run", "-d", "digits", "-m", "ce", "-n", "none", "--seeds", "1", *arguments, code=2)
    assert told in done.stderr
    assert done.stdout == ""
    assert not records(tmp_path / "results")


def test_a_command_that_there_is_not_is_told_with_the_nearest_one(here):
    assert "No such command 'rnu'; did you mean 'run'?" in here("rnu", code=2).stderr
    assert "did you mean" not in here("zzz", code=2).stderr


def test_a_suite_with_six_faults_reports_all_six(here, tmp_path):
    (tmp_path / "bad.toml").write_text(
        'datasets = ["digist"]\nmethods = ["gec", "gce:q=7"]\nnoise = ["symmetric:2"]\n'
        'backbones = ["cnm"]\nseeds = 0\n[recipe]\nepochs = -1\nlr = "fast"\n'
    )
    told = here("run", "bad.toml", code=2).stderr
    for part in ("gec", "equal to 1", "less than 1", "cnm", "number of seeds", "recipe.epochs", "recipe.lr"):
        assert part in told, told


def test_malformed_toml_names_file_and_line(here, tmp_path):
    (tmp_path / "bad.toml").write_text('methods = ["ce"\nnoise = []\n')
    told = here("run", "bad.toml", code=2).stderr
    assert "bad.toml" in told
    assert "line" in told


def npz(path, **changes):
    generator = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, size in (("train", 60), ("val", 20), ("test", 20)):
        arrays[f"{split}_images"] = generator.integers(0, 255, (size, 8, 8), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(size) % 2)[:, None].astype(np.uint8)
    arrays |= changes
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})


BAD_NPZ = {
    "truncated": None,
    "labels out of range": {"train_labels": np.full((60, 1), -1)},
    "labels of wrong length": {"train_labels": np.zeros((59, 1), np.uint8)},
    "missing split": {"test_images": None},
    "one class": {"train_labels": np.zeros((60, 1), np.uint8)},
    "object array": {"train_images": np.array([None] * 60, dtype=object)},
}


@pytest.mark.parametrize("changes", BAD_NPZ.values(), ids=BAD_NPZ.keys())
def test_a_bad_npz_is_one_clear_sentence(here, tmp_path, changes):
    npz(tmp_path / "mine.npz", **(changes or {}))
    if changes is None:
        content = (tmp_path / "mine.npz").read_bytes()
        (tmp_path / "mine.npz").write_bytes(content[: len(content) // 2])
    done = here("run", "-d", "npz:mine.npz", "-m", "ce", "-n", "none", "--seeds", "1", code=None)
    assert done.returncode in (1, 2)
    assert "mine.npz" in done.stderr
    assert not records(tmp_path / "results")


def test_a_failing_method_is_a_record_and_the_grid_goes_on(here, tmp_path):
    (tmp_path / "broken.py").write_text(
        '"""Breaks in the second epoch."""\n'
        "from methods import Method\n\n"
        "class Broken(Method):\n"
        "    def loss(self, logits, batch):\n"
        "        if self.epoch == 1:\n"
        "            raise RuntimeError('the sky fell')\n"
        "        return super().loss(logits, batch)\n"
    )
    done = here(
        "run", "-d", "digits", "-m", "broken", "-m", "ce", "-n", "none", "--seeds", "1", "--epochs", "2",
        "--plugin", "broken.py", code=1,
    )  # fmt: skip
    assert "1 failed, 1 ok" in done.stderr
    failure = json.loads(next((tmp_path / "results" / "failures").iterdir()).read_text())
    assert failure["error"]["class"] == "RuntimeError"
    assert "the sky fell" in failure["error"]["traceback"]
    assert "the sky fell" in here("status", code=1).stdout


DEADLY = {"killed": "os.kill(os.getpid(), 9)", "exited": "os._exit(3)", "slow": "time.sleep(60)"}


@pytest.mark.parametrize(
    "what", ["killed", *(pytest.param(what, marks=pytest.mark.slow) for what in ("exited", "slow"))]
)
def test_a_dead_worker_is_that_runs_failure_and_nobody_elses(here, tmp_path, what):
    (tmp_path / "deadly.py").write_text(
        '"""Ends its process."""\n'
        "import os, time\n"
        "from methods import Method\n\n"
        "class Deadly(Method):\n"
        "    def plan(self, epoch, data):\n"
        f"        {DEADLY[what]}\n"
        "        return data.batches()\n"
    )
    done = here(
        "run", "-d", "digits", "-m", "deadly", "-m", "ce", "-n", "none", "--seeds", "2", "--epochs", "1",
        "--plugin", "deadly.py", "--subset", "60", "--timeout", "8", "--slots", "2", code=1,
    )  # fmt: skip
    assert "2 failed, 2 ok" in done.stderr
    failures = [json.loads(path.read_text()) for path in (tmp_path / "results" / "failures").iterdir()]
    named = {"killed": "Killed", "exited": "Exited", "slow": "Timeout"}
    assert {f["error"]["class"] for f in failures} == {named[what]}


def test_ctrl_c_keeps_what_is_finished_and_the_next_run_goes_on(tmp_path, finished, here):
    command = [sys.executable, "-m", "benchmark.cli.main", *GRID]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts its background jobs with SIGINT ignored, and what they start inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "results").glob("runs/**/*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "finished runs are kept" in told
    assert "Traceback" not in told
    kept = records(tmp_path / "results")
    assert 1 <= len(kept) < 8
    here(*GRID)
    assert records(tmp_path / "results") == records(finished[0] / "results")


def test_a_broken_plugin_in_the_folder_blocks_nobody_but_its_user(here, tmp_path):
    (tmp_path / "torn.py").write_text("class Torn(Method:\n")
    assert "torn.py" in here("check", "./torn.py", code=2).stderr
    lost = "import nowhere_at_all\nfrom methods import Method\nclass Lost(Method):\n    pass\n"
    (tmp_path / "lost.py").write_text(lost)
    told = here("run", "-d", "digits", "-m", "lost", "-n", "none", "--plugin", "lost.py", code=2).stderr
    assert "nowhere_at_all" in told
