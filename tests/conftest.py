"""Where the tests find real data, and how they run the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYTHONPATH = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
"""For the command line in a process of its own: this tree first, then what this process was given."""


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real images that are not part of the project (`NOISYBENCH_DATA`)."""
    folder = (ROOT / os.environ.get("NOISYBENCH_DATA", "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set NOISYBENCH_DATA to a folder with pbc_28.npz and others")
    return folder


@pytest.fixture
def noisybench(tmp_path):
    """Runs the real command line in a process of its own; results go to `tmp_path`/results."""

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
