"""Where the tests find real data, and how they run the command line."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TextIO

import pytest
from hypothesis import settings

from benchmark.cli import main
from benchmark.registry import ALL

# How long an example takes says nothing where several tests share two cores.
settings.register_profile("noisybench", deadline=None)
settings.load_profile("noisybench")

ROOT = Path(__file__).resolve().parent.parent
SCHEMA_1 = ROOT / "tests" / "store" / "schema_1"
"""A folder that an earlier version published, of records without predictions: CIFAR-10's human labels, 3 seeds."""
PYTHONPATH = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
"""For the command line in a process of its own: this tree first, then what this process was given."""


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real images that are not part of the project (`NOISYBENCH_DATA`)."""
    folder = (ROOT / os.environ.get("NOISYBENCH_DATA", "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set NOISYBENCH_DATA to a folder with pbc_28.npz and others")
    return folder


@pytest.fixture(autouse=True)
def forgets_plugin_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test begins without plugin files, so that none meets those of another."""
    for registry in ALL:
        monkeypatch.setattr(registry, "_added", {})


def command_line(
    folder: Path,
    *arguments: object,
    code: int | None = 0,
    encoding: str = "utf-8",
    stderr: TextIO | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """What `noisybench ARGUMENTS` does in `folder`, in this process, which saves the 2 s that torch takes to start.

    Runs are processes of their own here too, all forked from one server. As in a new process, no plugin file is known,
    and the streams have an encoding. Code None takes any exit code; `stderr` is written to instead of being returned.
    """
    typed = [str(argument) for argument in arguments]
    # It would keep open the stream that is the standard error when it starts, for as long as this process lives.
    resource_tracker.ensure_running()
    written = io.BytesIO(), io.BytesIO()
    out, err = (io.TextIOWrapper(raw, encoding) for raw in written)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(stderr or err):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["noisybench", *typed])
        for name, value in environment.items():
            patch.setenv(name, value)
        for registry in ALL:
            patch.setattr(registry, "_added", {})
        with pytest.raises(SystemExit) as ended:
            main.main()
    out.flush()
    err.flush()
    found = ended.value.code or 0
    # Click prints UTF-8 where a stream has ASCII.
    told, complained = (raw.getvalue().decode(encoding, "backslashreplace") for raw in written)
    assert code is None or found == code, f"{typed}: exit code {found}\n{told}\n{complained}"
    assert "Traceback" not in complained, complained
    return subprocess.CompletedProcess(typed, int(found), told, complained)


@pytest.fixture
def here(tmp_path):
    """Runs the command line in this process, in `tmp_path`: `here("table", "--rule", "last").stdout`."""
    return partial(command_line, tmp_path)


@pytest.fixture
def noisybench(tmp_path):
    """Runs the command line in a process of its own, where only that shows what is tested; otherwise take `here`."""

    def run(*arguments: str, code: int | None = 0, timeout: float = 300, **environment: str):
        done = subprocess.run(
            [sys.executable, "-m", "benchmark.cli.main", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": PYTHONPATH, "HOME": str(tmp_path), **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert code is None or done.returncode == code, f"{done.args}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run
