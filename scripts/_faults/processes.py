"""The processes of a grid: how they are started, found, disturbed and waited for.

A grid starts *cold*, as a user starts it, or *warm*: driver and fork server are forked from this process, which has
torch loaded, and that saves the ten seconds in which two processes import it. They are real processes all the same,
with a session of their own.
"""

from __future__ import annotations

import importlib
import multiprocessing.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from scripts._faults.shim import Control

ROOT = Path(__file__).resolve().parent.parent.parent
BEAT_SECONDS = 0.5
SILENT_SECONDS = 6.0
"""Of the processes of a warm grid; a worker that is only late on a busy machine is not taken for a stopped one."""


@dataclass(frozen=True)
class Ended:
    """`code`: as of `subprocess`, negative for a signal; None where it had to be killed, as it did not end."""

    code: int | None
    output: str


@dataclass
class Grid:
    """A running command line."""

    pid: int
    output: Path

    def wait(self, seconds: float = 900.0) -> Ended:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return self._ended(os.waitstatus_to_exitcode(status))
            time.sleep(0.02)
        for member in members(self.pid):
            signal_process(member, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return self._ended(None)

    def _ended(self, code: int | None) -> Ended:
        return Ended(code, self.output.read_text(encoding="utf-8", errors="replace"))

    def running(self) -> bool:
        return state(self.pid) not in ("", "Z")

    def server(self) -> list[int]:
        """The fork server, once it has started."""
        children = [pid for pid in members(self.pid) if parent(pid) == self.pid]
        commands = {pid: _command(pid) for pid in children}
        return [pid for pid, text in commands.items() if b"python" in text and b"resource_tracker" not in text]

    def workers(self) -> list[int]:
        servers = self.server()
        return [pid for pid in members(self.pid) if parent(pid) in servers]

    def send(self, number: int, target: str, delay: float) -> str:
        """Sends a signal after `delay` seconds; to a worker as soon after that as there is one. Says whom it met."""
        time.sleep(delay)
        while self.running():
            targets = {
                "driver": lambda: [self.pid],
                "server": self.server,
                "worker": self.workers,
                "group": lambda: members(self.pid),
            }[target]()
            if target == "worker":
                targets = targets[:1]
            if targets:
                for pid in targets:
                    signal_process(pid, number)
                return f"{signal.Signals(number).name} {target} after {delay:.2f} s: {len(targets)} process(es)"
            time.sleep(0.01)
        return f"{signal.Signals(number).name} {target} after {delay:.2f} s: had ended"


def start(
    folder: Path, arguments: Sequence[str], *, warm: bool, control: Control | None = None, shift: float = 0.0
) -> Grid:
    """`noisybench ARGUMENTS` in `folder`, in a session of its own, with what it prints in a file."""
    output = folder / f"output-{time.monotonic_ns()}.txt"
    pid = os.fork()
    if not pid:
        _become(folder, arguments, output, warm, control, shift)
    return Grid(pid, output)


def _become(
    folder: Path, arguments: Sequence[str], output: Path, warm: bool, control: Control | None, shift: float
) -> NoReturn:
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        os.close(handle)
        if not warm:
            told = {"FAULTS_CONTROL": str(control.path)} if control else {}
            environment = {**os.environ, "PYTHONPATH": str(ROOT), **told, "FAULTS_SHIFT": str(shift)}
            os.execve(sys.executable, [sys.executable, "-m", "noisybench", *arguments], environment)
        code = _be_warm(arguments, control, shift)
    except BaseException:  # whatever it is, no second campaign may go on from here
        sys.excepthook(*sys.exc_info())
    os._exit(code)


def _be_warm(arguments: Sequence[str], control: Control | None, shift: float) -> int:
    from benchmark.cli.main import main
    from benchmark.runs.executors import local
    from benchmark.store import claims

    claims.BEAT_SECONDS = BEAT_SECONDS
    claims.STALE_SECONDS = local.SILENT_SECONDS = SILENT_SECONDS
    if control is not None:
        control.apply(shift)
    sys.modules["__main__"] = importlib.import_module("noisybench")
    sys.argv = ["noisybench", *arguments]
    multiprocessing.util.spawnv_passfds = _fork_server  # type: ignore[assignment]
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    multiprocessing.util._exit_function()  # type: ignore[attr-defined]  # as at the end of the interpreter
    return code


_spawn: Any = multiprocessing.util.spawnv_passfds


def _fork_server(path: str, arguments: list[str], files: list[int]) -> int:
    """As `spawnv_passfds`, which starts a new interpreter; the fork server is forked instead."""
    command = arguments[-1]
    if "multiprocessing.forkserver" not in command:
        return int(_spawn(path, arguments, files))
    pid = os.fork()
    if pid:
        return pid
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, no paths
            if int(name) > 2 and int(name) not in files:
                try:
                    os.close(int(name))
                except OSError:
                    continue  # the one that listed them
        exec(command, {})  # what the new interpreter would have got as `-c`
    finally:
        os._exit(0)


def members(session: int) -> list[int]:
    """The processes of a session, without zombies."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _stat(pid)[1:2] == [str(session)]]  # noqa: PTH208


def parent(pid: int) -> int:
    return int((_stat(pid) or ["0"])[0])


def state(pid: int) -> str:
    """The letter of the kernel; "" where the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """Parent and session; nothing of a process that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if fields[0] in "ZX" else [fields[1], fields[3]]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def describe(pid: int) -> str:
    """Command, state, and what it waits for in the kernel."""
    try:
        waits = Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        waits = "?"
    command = _command(pid).replace(b"\0", b" ").decode(errors="replace")[:200]
    return f"{command} in state {state(pid)}, child of {parent(pid)}, waits in {waits}"


def signal_process(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it was quicker
