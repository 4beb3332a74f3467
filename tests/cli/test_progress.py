"""What a grid says while it runs, in a terminal and in a log."""

import os
import re
import select
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmark.cli.progress import GridProgress, fetch_progress
from benchmark.grid import suite as suites
from benchmark.grid.expand import expand
from benchmark.grid.job import Options
from benchmark.runs.executors.base import Event
from benchmark.runs.order import together
from tests.conftest import ROOT

GRID = (
    "-d", "digits", "-b", "cnn", "-m", "ce", "-m", "gce", "-n", "symmetric:0.2", "--seeds", "2", "--epochs", "1",
    "--subset", "200",
)  # fmt: skip
TERMINAL = {"COLUMNS": "100", "TERM": "xterm-256color"}


def everything(reader):
    """What is written to a terminal until its other end is closed."""
    parts = []
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if select.select([reader], [], [], 1)[0]:
            try:
                part = os.read(reader, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            parts.append(part)
    os.close(reader)
    return b"".join(parts).decode(errors="replace")


def ended(told):
    """(method, seed) of the runs that a terminal shows as finished, with their accuracies."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told)
    return sorted(re.findall(r"\[\d/4\] ok digits/cnn/(\w+)/symmetric:0\.2/(s\d) acc=\.\d{3}", plain))


@pytest.mark.slow
def test_finished_runs_with_their_accuracies_appear_in_a_terminal(tmp_path):
    pty = pytest.importorskip("pty")
    reader, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "noisybench", "run", *GRID, "--no-table"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), **TERMINAL},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    told = everything(reader)
    assert process.wait(30) == 0, told
    assert ended(told) == [("ce", "s0"), ("ce", "s1"), ("gce", "s0"), ("gce", "s1")]


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"COLUMNS": "1"}, {"NO_COLOR": "1"}], ids=str)
def test_finished_runs_appear_in_terminals_of_every_kind(environment, here):
    pty = pytest.importorskip("pty")
    reader, terminal = pty.openpty()
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(everything, reader)
        with os.fdopen(terminal, "w") as stream:
            here("run", *GRID, "--no-table", stderr=stream, **TERMINAL | environment)
    assert ended(told.result()) == [("ce", "s0"), ("ce", "s1"), ("gce", "s0"), ("gce", "s1")]


def test_a_log_has_a_line_per_run_and_no_line_twice(here):
    lines = here("run", *GRID, "--no-table").stderr.splitlines()
    finished = [line for line in lines if " ok digits/" in line]
    assert len(finished) == len({line.split()[2] for line in finished}) == 4
    assert "" not in lines
    assert not any("\x1b" in line for line in lines)


def test_brackets_in_names_are_no_markup(capfd):
    (job,) = expand(
        suites.build({"datasets": ["digits"], "methods": ["ce"], "noise": ["none"], "seeds": 1}),
        Options(results="results", data_root="data"),
    )
    job = job.model_copy(update={"label": "a[/red]b"})
    progress = GridProgress([job])
    progress.live = True
    with progress:
        for event in (
            Event("start", 0, job),
            Event("phase", 0, job, summary="reads x[/y].npz"),
            Event("end", 0, job, state="failed", summary="no [/bold] file"),
        ):
            progress(event)
    assert "a[/red]b no [/bold] file" in capfd.readouterr().err


def test_what_is_left_counts_by_its_cost_and_not_by_the_number_of_runs(capfd, monkeypatch):
    """Long runs start first, so that the mean of those that ended says too much."""
    options = Options(results="results", data_root="data")
    suite = {"datasets": ["digits"], "methods": ["ce"], "noise": ["none"], "seeds": 1}
    long, short, skipped = (
        expand(suites.build({**suite, "recipe": {"epochs": epochs}}), options)[0] for epochs in (90, 10, 50)
    )
    progress = GridProgress([long, short, skipped])
    monkeypatch.setattr("time.monotonic", lambda: progress.started + 900)
    progress(Event("end", 0, skipped, state="skipped"))
    progress(Event("end", 0, long, state="ok"))
    progress(Event("end", 0, short, state="ok"))
    assert re.findall(r"eta (\S+)", capfd.readouterr().err) == ["?", "2m", "0s"]  # 100 s are left after 900


def test_a_grid_takes_as_long_as_its_longest_run():
    assert together([240, 26], 2) == 240
    assert together([60, 60, 60], 2) == 90
    assert together([], 2) == 0


def test_a_download_is_one_line_in_a_log(capfd):
    with fetch_progress() as report:
        for done in range(5):
            report("cells[/x].npz", done, 5)
    assert capfd.readouterr().err == "cells[/x].npz\n"


@pytest.mark.parametrize(
    "arguments",
    [("run", *GRID, "--dry-run"), ("check", "gce"), ("noise", "show", "-d", "digits", "-n", "symmetric:0.2")],
    ids=lambda arguments: arguments[0],
)
def test_a_command_says_what_it_does_before_it_loads_torch(arguments, tmp_path):
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was loaded')\n")
    done = subprocess.run(
        [sys.executable, "-m", "noisybench", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.match(r"[a-z ]+: loading PyTorch \.\.\.\n.*torch was loaded", done.stderr, re.DOTALL), done.stderr


def test_a_dry_run_gives_no_time_for_runs_of_unknown_cost(here, tmp_path):
    grid = ("-d", "pathmnist", "-b", "cnn", "-m", "ce", "-n", "symmetric:0.2", "--seeds", 3)
    told = here("run", *grid, "--data-root", tmp_path / "nothing", "--dry-run").stderr
    assert "3 runs of unknown cost" in told
    assert "about" not in told


def test_a_dry_run_rounds_no_work_to_nothing(here):
    assert re.search(r"about [1-9]\w* for 4 runs with 2 slot", here("run", *GRID, "--slots", 2, "--dry-run").stderr)
