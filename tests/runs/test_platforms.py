"""What other systems lack: the suite runs without it."""

import ctypes
import errno
import os
import re
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import orjson
import pytest

from benchmark.runs.executors import malloc
from benchmark.store import atomic, provenance
from tests.conftest import ROOT

WINDOWS = """
    # Imported by every process at its start: what Python lacks on Windows is gone, in workers too.
    import importlib.abc, sys

    class Missing(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name in {"fcntl", "resource", "pwd", "grp", "termios", "pty"}:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Missing())
    import ctypes, multiprocessing, os, signal
    for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty"):
        sys.modules.pop(name, None)
    for name in ("sched_getaffinity", "getuid", "geteuid", "getpgid"):
        if hasattr(os, name):
            delattr(os, name)
    del signal.SIGHUP
    multiprocessing.get_all_start_methods = lambda: ["spawn"]
    open_file, sync_file, load = os.open, os.fsync, ctypes.CDLL

    def os_open(path, flags, *more, **named):
        if isinstance(path, (str, os.PathLike)) and os.path.isdir(path) and not flags & os.O_DIRECTORY:
            raise PermissionError(13, "Permission denied", str(path))
        return open_file(path, flags, *more, **named)

    def library(name, *more, **named):
        if name is None:
            raise TypeError("LoadLibrary() argument 1 must be str, not None")
        return load(name, *more, **named)

    os.open, ctypes.CDLL = os_open, library
"""


@pytest.mark.slow
def test_a_grid_runs_where_python_has_what_it_has_on_windows(tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(textwrap.dedent(WINDOWS))
    grid = [
        "-d",
        "digits",
        "-b",
        "cnn",
        "-m",
        "ce",
        "-n",
        "symmetric:0.2",
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--subset",
        "60",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "noisybench", "run", *grid, "--results", tmp_path / "results"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(hidden), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\| ce ", done.stdout, re.MULTILINE)
    (path,) = (tmp_path / "results").glob("runs/*/*.json")
    assert orjson.loads(path.read_bytes())["timing"]["peak_memory_mib"] is None


@pytest.mark.parametrize(("platform", "unit"), [("linux", 2**10), ("darwin", 2**20)])
def test_peak_memory_is_in_mebibytes_on_every_system(platform, unit, monkeypatch):
    fake = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda who: SimpleNamespace(ru_maxrss=300 * unit))
    monkeypatch.setitem(sys.modules, "resource", fake)
    monkeypatch.setattr(sys, "platform", platform)
    assert provenance.peak_memory_mib() == 300


def test_peak_memory_is_that_of_this_process():
    peak = provenance.peak_memory_mib()
    assert peak is not None
    assert 20 < peak < 100_000


def test_peak_memory_is_unknown_without_its_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert provenance.peak_memory_mib() is None


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF])
def test_disks_that_sync_no_folder_are_written_to(number, tmp_path, monkeypatch):
    sync = os.fsync

    def refuse_folders(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):  # noqa: PTH112
            raise OSError(number, os.strerror(number))
        sync(handle)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    atomic.write_atomically(tmp_path / "record.json", b"{}")
    atomic.write_folder(tmp_path / "arrays", lambda folder: np.save(folder / "a.npy", np.ones(1)))
    assert (tmp_path / "record.json").read_bytes() == b"{}"
    assert np.load(tmp_path / "arrays" / "a.npy") == [1]


def test_a_disk_that_fails_to_sync_is_an_error(tmp_path, monkeypatch):
    def fail(handle):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(atomic.StoreError, match="Input/output error"):
        atomic.write_atomically(tmp_path / "record.json", b"{}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [TypeError, AttributeError, OSError])
def test_another_c_library_is_left_as_it_is(error, monkeypatch):
    def fail(name):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", fail)
    malloc.keep_freed_memory()
