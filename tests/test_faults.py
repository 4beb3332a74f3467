"""`scripts/faults` disturbs what it says, and sees what is wrong afterwards; a sample of its campaign."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scripts._faults.campaign import Outcome, append, outcomes
from scripts._faults.kinds import KINDS
from scripts._faults.shim import SOURCE
from scripts._faults.summary import markdown
from tests.conftest import PYTHONPATH, ROOT

needs_cc = pytest.mark.skipif(
    shutil.which("cc") is None or not sys.platform.startswith("linux"),
    reason="faults of the file system need Linux and a C compiler (gcc, libc6-dev)",
)


def outcome(number: int, finding: str = "", kind: str = KINDS[0].name) -> Outcome:
    return Outcome(7, number, kind, "warm", "a fault, as it was", "-9 0", finding, 1.5, "abc")


def test_outcomes_come_back_as_they_were_noted(tmp_path):
    noted = [outcome(0), outcome(1, "lost: 12"), outcome(2, kind="of another version")]
    for one in noted:
        append(tmp_path / "reliability.csv", one)
    assert outcomes(tmp_path / "reliability.csv") == noted


def test_the_summary_says_every_finding_and_hides_none():
    text = markdown([outcome(0), outcome(1, "lost: 12"), outcome(2, kind="of another version")], None)
    assert "a command that does not end): **1**" in text
    assert "| SIGKILL driver | a fault, as it was | lost: 12 |" in text
    assert "| SIGKILL driver | 2 | -9 | 2 | 1 |" in text
    assert "| of another version | 1 |" in text
    assert "## Not tried here" in text
    assert "**0**" in markdown([outcome(0)], None)
    assert "| SIGKILL driver | 1 | None |" in markdown([replace(outcome(0, "no end"), exit_codes="None 0")], None)


PROBE = """
import ctypes, os, pathlib, time
from scripts._faults.shim import Control
folder = pathlib.Path({folder!r})
control = Control.new(folder / "control", folder / "results")
(folder / "results").mkdir()
control.apply(3600.0)
control.fail("ESTALE", 3, 3)
os.chdir(folder)
told = []
for path in ("results/a", folder / "results" / "b", "other"):
    try:
        pathlib.Path(path).write_text("x")
    except OSError as error:
        told.append(error.strerror)
if not os.fork():
    for name in "cde":
        try:
            (folder / "results" / name).write_text("x")
        except OSError as error:
            pathlib.Path("child").write_text(error.strerror)
    os._exit(0)
os.wait()
print(told, control.count, control.failed, round(time.time() - pathlib.Path("other").stat().st_mtime, -1))
"""


@needs_cc
def test_the_kth_operation_of_all_processes_fails_and_the_clock_is_off(tmp_path):
    library = tmp_path / "shim.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    code = PROBE.format(folder=str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LD_PRELOAD": str(library), "FAULTS_SHIM": str(library)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "['Stale file handle'] 9 1 3600.0\n"
    assert not (tmp_path / "child").exists()
    second = code.replace('control.fail("ESTALE", 3, 3)', 'control.fail("EIO", 6, 6)').replace(".mkdir()", ".stat()")
    done = subprocess.run([sys.executable, "-c", second], env=environment, capture_output=True, text=True, check=True)
    assert (tmp_path / "child").read_text() == "Input/output error"


@needs_cc
@pytest.mark.campaign  # about four minutes on two quiet cores
@pytest.mark.timeout(3600)
def test_a_sample_of_twenty_faults_loses_doubles_and_leaves_nothing(tmp_path):
    command = [sys.executable, "-m", "scripts._faults.run", "--seed", "20", "--count", "20", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": PYTHONPATH}, check=False, text=True,
                          stdout=subprocess.PIPE)  # fmt: skip
    found = outcomes(Path(tmp_path) / "reliability.csv")
    assert [one.finding for one in found if one.finding] == [], done.stdout
    assert len(found) == 20
    assert done.returncode == 0


@pytest.mark.campaign  # a minute on two quiet cores
@pytest.mark.timeout(3600)
def test_a_grid_of_many_short_runs_leaks_nothing(tmp_path):
    code = f"from scripts._faults.leak import measure; from pathlib import Path; import pickle; \
pickle.dump(measure(200, Path({str(tmp_path)!r})), open({str(tmp_path / 'found')!r}, 'wb'))"
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    import pickle

    leak = pickle.loads((tmp_path / "found").read_bytes())
    assert leak.code == 0
    assert leak.runs == 200
    assert leak.growth("driver_mib") < 1.05
    assert leak.growth("server_mib") < 1.05
    assert leak.files_open[-1] <= leak.files_open[0] + 4, "each of two runs has a pipe and a sentinel"
    assert leak.strays == []
    assert leak.leftovers == []
