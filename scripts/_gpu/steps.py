"""The steps: a command each, with a time limit, whose lines are read for figures as they come."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts._gpu.results import Results, StepResult

RESERVE = 15.0
"""Seconds kept back for the tables and the report."""
TEST = re.compile(r"^(tests/\S+::.+?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b")
SUITE = "scripts/_gpu/suite.toml"
TABLES = {"val_noisy.md": (), "last.md": ("--rule", "last"), "val_noisy.csv": ("--format", "csv")}

Row = dict[str, Any]


@dataclass(frozen=True)
class Machine:
    """Where the steps run."""

    root: Path
    work: Path
    """For what stays there: the grid's results."""
    out: Path
    """For what is brought back."""
    environment: dict[str, str]
    device: str
    tiny: bool
    images: Path | None
    """An npz file for the grid; None: scikit-learn's digits."""


@dataclass(frozen=True)
class Step:
    name: str
    least: float
    """Seconds without which it is not begun."""
    share: float
    """Of the whole time, at most."""
    run: Callable[[float, Results], None]


def steps(machine: Machine) -> list[Step]:
    scale = 0.0 if machine.tiny else 1.0
    return [
        Step("tests", 30 * scale, 0.4, lambda limit, results: _tests(machine, limit, results)),
        Step("images", 30 * scale, 0.2, lambda limit, results: _figures(machine, "images", limit, results)),
        Step("packed", 30 * scale, 0.2, lambda limit, results: _figures(machine, "packed", limit, results)),
        Step("launches", 30 * scale, 0.2, lambda limit, results: _figures(machine, "launches", limit, results)),
        Step("grid", 45 * scale, 1.0, lambda limit, results: _grid(machine, limit, results)),
    ]


def _tests(machine: Machine, limit: float, results: Results) -> None:
    figures = machine.root / "results" / "gpu-report.md"
    figures.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-v", "-p", "no:cacheprovider", "-W", "default"]
    command += ["-o", "addopts=--strict-markers", "tests/gpu"]

    def test(line: str) -> Row | None:
        found = TEST.match(line)
        return {"what": found[1].partition("::")[2], "outcome": found[2].lower()} if found else None

    ended = _follow(machine, StepResult("tests", "running"), command, limit, results, test)
    if figures.is_file():
        cells = [line.strip("| ").split(" | ") for line in figures.read_text().splitlines() if line.startswith("| ")]
        rows = [{"what": row[0], "value": row[1]} for row in cells[2:] if row[1] not in ("passed", "skipped")]
        ended = replace(ended, rows=ended.rows + rows)
    bad = sum(row.get("outcome") in ("failed", "error") for row in ended.rows)
    if bad and ended.state == "failed":  # pytest ended by itself: all tests ran
        ended = replace(ended, state="done", reason=f"{bad} tests failed")
    results.put(ended)


def _figures(machine: Machine, what: str, limit: float, results: Results) -> None:
    before = results.steps.get(what)
    rows = [row for row in before.rows if "value" in row] if before else []
    command = [sys.executable, "-m", "scripts._gpu.measure", what, "--device", machine.device]
    command += ["--tiny", "--seconds", "0.3"] if machine.tiny else []
    started = StepResult(what, "running", rows=rows)
    if known := started.known():
        command += ["--known", *known]

    def figure(line: str) -> Row | None:
        try:
            found = json.loads(line)
        except ValueError:
            return None
        return found if isinstance(found, dict) and "what" in found else None

    ended = _follow(machine, started, command, limit, results, figure)
    if ended.state == "done" and any("error" in row for row in ended.rows):
        ended = replace(ended, state="failed", reason="not all figures could be measured")
    results.put(ended)


def _grid(machine: Machine, limit: float, results: Results) -> None:
    folder, archive = machine.work / "grid", machine.out / "gpu" / "records.tar.xz"
    if archive.is_file() and not folder.exists():
        with tarfile.open(archive) as records:
            records.extractall(folder, filter="data")
    command = [sys.executable, "-m", "benchmark.cli.main", "run", "--results", str(folder), "--device", machine.device]
    command += ["-d", f"npz:{machine.images}" if machine.images else "digits", "--slots", str(_slots(results))]
    if machine.tiny:
        command += ["-b", "cnn", "-m", "ce", "-m", "gce", "-n", "symmetric:0.4", "--seeds", "1", "--epochs", "1"]
    else:
        command.insert(command.index("--results"), SUITE)
    ended = _follow(machine, StepResult("grid", "running"), [*command, "--no-table"], limit, results, lambda line: None)
    kept = sorted(folder.glob("runs/**/*.json"))
    if kept:
        try:
            _keep(machine, folder, kept)
        except (OSError, subprocess.SubprocessError) as error:
            ended = replace(ended, state="failed", reason=f"the tables could not be made: {error}")
    results.put(replace(ended, rows=[{"what": "records", "value": len(kept)}]))


def _keep(machine: Machine, folder: Path, records: list[Path]) -> None:
    """Tables and records in the layout of results/published/NAME. Equal records make an equal archive."""
    target = machine.out / "gpu"
    target.mkdir(parents=True, exist_ok=True)
    if not machine.tiny:
        (target / "suite.toml").write_bytes((machine.root / SUITE).read_bytes())
    for name, options in TABLES.items():
        command = [sys.executable, "-m", "benchmark.cli.main", "table", "--results", str(folder), *options]
        done = subprocess.run(
            command, env=machine.environment, cwd=machine.root, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            raise subprocess.SubprocessError((done.stderr.strip().splitlines() or ["no message"])[-1])
        (target / name).write_text(done.stdout, encoding="utf-8")

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname, entry.mode = 0, 0, 0, "", "", 0o644
        return entry

    with tarfile.open(target / "records.tar.xz", "w:xz") as archive:
        for path in records:
            archive.add(path, path.relative_to(folder).as_posix(), filter=plain)


def _slots(results: Results) -> int:
    """As many runs at once as trained the most images per second."""
    packed = results.steps.get("packed")
    rates = {row["what"]: row["value"] for row in packed.rows if "value" in row} if packed else {}
    return int(max(rates, key=lambda what: rates[what]).split()[0]) if rates else 1


def _follow(
    machine: Machine,
    step: StepResult,
    command: list[str],
    limit: float,
    results: Results,
    read: Callable[[str], Row | None],
) -> StepResult:
    """Runs `command` for at most `limit` seconds; every row that `read` finds in a line is kept at once."""
    shown = shlex.join(["python3", *command[1:]]).replace(f"{machine.work.parent}/", "DIR/")
    step = replace(step, command=shown)
    results.put(step)
    machine.out.mkdir(parents=True, exist_ok=True)
    started, over, last = time.monotonic(), threading.Event(), ""
    popen = subprocess.Popen(
        command,
        env=machine.environment,
        cwd=machine.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with (machine.out / "log.txt").open("a", encoding="utf-8") as log, popen as process:
        log.write(f"\n$ {shown}\n")

        def stop() -> None:
            over.set()
            _end(process)

        timer = threading.Timer(limit, stop)
        timer.start()
        try:
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                last = line.strip() or last
                if row := read(line):
                    step.rows.append(row)
                    results.put(step)
            code = process.wait()
        finally:
            timer.cancel()
            _end(process)
    state, reason = ("done", "") if code == 0 else ("failed", f"exit code {code}: {last[:300]}")
    if over.is_set():
        state, reason = "stopped", f"its {limit:.0f} s were over"
    return replace(step, state=state, reason=reason, seconds=round(time.monotonic() - started, 1))


def _end(process: subprocess.Popen[str]) -> None:
    """Ends the process and those that it started: asks first, so that finished runs are kept."""
    for signal_, patience in ((signal.SIGINT, 5.0), (signal.SIGKILL, 0.0)):
        try:
            os.killpg(process.pid, signal_)
        except (ProcessLookupError, PermissionError):
            return
        until = time.monotonic() + patience
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
