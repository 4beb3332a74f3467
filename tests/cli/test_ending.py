"""How a command ends: signals, closed and full streams, warnings, and errors that are nobody's fault."""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import click
import pytest

from benchmark.cli import main
from benchmark.errors import NoisybenchError, fault_of_the_system
from benchmark.store import readings
from tests.conftest import ROOT

COMMAND = [sys.executable, "-m", "noisybench"]
GRID = ("-d", "digits", "-b", "cnn", "-n", "symmetric:0.2", "--no-table", "--slots", "2", "--subset", "60")
SIGNALS = ["SIGTERM", *(pytest.param(name, marks=pytest.mark.slow) for name in ("SIGINT", "SIGHUP"))]


def listen():
    """Tests that run in the background of a shell ignore SIGINT, those of nohup SIGHUP, and would hand that on."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def start(tmp_path):
    """Starts the command line in a process of its own, in `tmp_path`; none goes on after the test."""
    processes = []

    def popen(*arguments):
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=listen,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield popen
    for process in processes:
        with process:
            process.kill()


def wait_for_checkpoint(process, folder):
    deadline = time.monotonic() + 120
    while not list(folder.glob("results/work/runs/*/checkpoint.pt")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_ends_a_grid_with_a_sentence_and_keeps_its_records(name, start, tmp_path, here):
    number = getattr(signal, name)
    # One short run, and one that would take an hour.
    grid = [*GRID, "-m", "ce", "--seeds", "1"]
    here("run", *grid, "--epochs", "1")
    (before,) = (tmp_path / "results").glob("runs/*/*.json")
    content = before.read_bytes()
    process = start("run", *grid, "--epochs", "10000", "--checkpoint-seconds", "0")
    wait_for_checkpoint(process, tmp_path)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "interrupted: finished runs are kept, the same command goes on from there" in err
    assert "Traceback" not in err
    assert not out
    assert not list((tmp_path / "results").glob("failures/*"))
    assert before.read_bytes() == content
    assert "1 already done" in here("run", *grid, "--epochs", "1").stderr


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.0, 0.05, 0.1])
def test_a_signal_that_all_processes_get_several_times_leaves_no_claim(pause, start, tmp_path):
    """As Slurm cancels: the fork server ends with its workers, so that nobody tells when they have ended."""
    process = start("run", *GRID, "-m", "ce", "--seeds", "2", "--epochs", "10000", "--checkpoint-seconds", "0")
    wait_for_checkpoint(process, tmp_path)
    for _ in range(3):
        os.killpg(process.pid, signal.SIGTERM)
        time.sleep(pause)
    _, err = process.communicate(timeout=60)
    assert "interrupted" in err
    assert not list(tmp_path.glob("results/work/claims/*.json"))


def starting(process, word):
    """Whether a process of this one's group has `word` in its command line."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(path.name)) == process.pid and word in (path / "cmdline").read_text():
                return True
        except OSError:
            continue  # it has ended
    return False


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.0, 0.5, 1.0])
def test_ctrl_c_while_the_fork_server_starts_prints_no_traceback(pause, start):
    process = start("run", *GRID, "-m", "ce", "--seeds", "1", "--epochs", "1")
    deadline = time.monotonic() + 120
    while not starting(process, "forkserver"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(pause)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback" not in err
    assert "interrupted" in err


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_that_meets_a_destructor_ends_the_command_at_once_all_the_same(name, here, monkeypatch):
    number = getattr(signal, name)

    class Meets:
        def __del__(self):
            signal.raise_signal(number)

    def command(*arguments, **named):
        meets = Meets()
        del meets  # Python drops what is raised within a destructor
        time.sleep(60)
        return 0

    monkeypatch.setattr(main.cli, "main", command)
    started = time.monotonic()
    done = here("run", code=128 + number)
    assert "interrupted" in done.stderr
    assert time.monotonic() - started < 20


def test_the_end_of_a_stream_is_no_interruption(here, monkeypatch):
    def command(*arguments, **named):
        raise click.Abort from EOFError()  # as click does with any EOFError

    monkeypatch.setattr(main.cli, "main", command)
    assert main.OWN_FAULT in here("run", code=1).stderr


def test_a_command_with_nothing_to_go_on_with_promises_nothing(here, monkeypatch):
    def interrupt(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        raise AssertionError("the signal was not seen")

    monkeypatch.setattr(main.cli, "main", interrupt)
    former = signal.getsignal(signal.SIGTERM)
    assert here("status", code=143).stderr == "interrupted\n"
    assert signal.getsignal(signal.SIGTERM) is former


def test_a_signal_that_is_ignored_stays_ignored(here, monkeypatch):
    """`nohup noisybench run` goes on when the terminal is closed."""
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr(main.cli, "main", lambda *_, **__: os.kill(os.getpid(), signal.SIGHUP))
        here("status")
    finally:
        signal.signal(signal.SIGHUP, former)


@pytest.mark.parametrize("arguments", [("list", "methods"), ("nonsense",)], ids=" ".join)
@pytest.mark.parametrize("shell", ["| true", ">&-", "2>&-", ">&- 2>&- <&-", ">/dev/full", "2>/dev/full"])
def test_streams_that_take_nothing_end_in_no_traceback(arguments, shell, tmp_path):
    if "/dev/full" in shell and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    code = tmp_path / "code"
    line = f'cd "{tmp_path}"; {{ "$@"; echo $? > "{code}"; }} {shell}'
    done = subprocess.run(
        ["bash", "-c", line, "_", *COMMAND, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout + done.stderr
    assert "Traceback" not in told
    assert "Exception ignored" not in told
    assert main.OWN_FAULT not in told
    assert int(code.read_text()) in (0, 1, 2)
    if shell == ">/dev/full" and arguments != ("nonsense",):
        assert "No space left on device" in done.stderr
        assert int(code.read_text()) == 1


@pytest.mark.slow
def test_a_grid_runs_without_any_standard_stream(tmp_path):
    line = f'cd "{tmp_path}"; "$@" >&- 2>&- <&-'
    grid = ["run", *GRID, "-m", "ce", "--seeds", "1", "--epochs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run(["bash", "-c", line, "_", *COMMAND, *grid], env=environment, check=False).returncode == 0
    assert len(list((tmp_path / "results").glob("runs/*/*.json"))) == 1


def test_warnings_are_one_line_without_file_and_line(here, monkeypatch):
    @click.command()
    def warns():
        warnings.warn("something\n  needs care", UserWarning, stacklevel=1)

    monkeypatch.setattr(main.cli, "get_command", lambda ctx, name: warns)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        shown = warnings.showwarning
        assert here("status").stderr == "warning: something needs care\n"
        assert warnings.showwarning is shown


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (PermissionError(13, "Permission denied", "/a/b"), ["/a/b: Permission denied", "permissions"]),
        (OSError(28, "No space left on device"), ["No space left on device"]),
        (OSError("disk on fire"), ["disk on fire"]),
        (IsADirectoryError(21, "Is a directory", "/a"), ["/a: Is a directory"]),
        (FileNotFoundError(2, "No such file or directory", "/a", None, "/b"), ["/a -> /b: No such file"]),
        (MemoryError(), ["not enough memory"]),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"),
            ["not enough memory"],
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."), ["not enough memory"]),
        (ModuleNotFoundError("No module named 'yaml'"), ["No module named 'yaml'", "install noisybench again"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_of_the_machine_are_no_fault_of_noisybench(error, parts, here, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(main.cli, "main", fail)
    told = here("status", code=1).stderr
    assert main.OWN_FAULT not in told
    for part in parts:
        assert part in told


@pytest.mark.parametrize("error", [KeyError("x"), AssertionError(), ZeroDivisionError("x")], ids=repr)
def test_other_errors_are_faults_of_noisybench_and_say_where_to_look(error, here, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(main.cli, "main", fail)
    assert fault_of_the_system(error) is None
    assert main.OWN_FAULT in here("status", code=1).stderr
    with pytest.raises(type(error)):
        here("status", "--debug")


def test_such_a_fault_is_told_too_where_a_results_folder_without_a_record_was_read(here, monkeypatch, tmp_path):
    def fail(*_, **__):
        readings.places.add(tmp_path / "results")
        raise KeyError("x")

    monkeypatch.setattr(main.cli, "main", fail)
    assert main.OWN_FAULT in here("run", code=1).stderr


def test_errors_that_a_user_can_mend_are_told_as_they_are(here, monkeypatch):
    def fail(*_, **__):
        raise NoisybenchError("this was wrong; do that")

    monkeypatch.setattr(main.cli, "main", fail)
    assert here("status", code=1).stderr == "error: this was wrong; do that\n"
