"""Tries cases in sandboxes, in processes that are forked from this one, and judges how they ended.

Forking saves the seconds that torch takes to start; a hang, a crash or a full memory is that process's own.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import os
import pkgutil
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from scripts._hostile.case import Case

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 400.0
"""After these a command counts as hanging. Far more than any takes, as a machine that does other things is slow."""
MEMORY_MIB = 2500
"""Largest resident memory; the programs themselves take about 600."""
ADDRESS_SPACE = 12 << 30
"""Bytes beyond which a process gets no more memory, so that a bomb ends in its own process."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters by which a text can move the cursor, hide itself or turn around: none may reach the terminal."""
ERROR = re.compile(r"^(?:error|Error): .", re.MULTILINE)
FORETOLD = "runs will fail: "
"""What `run --dry-run` says of data that cannot be used: a plan is no failure."""
WARM = ("benchmark", "methods", "backbones")
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Ending:
    """How a command ended."""

    code: int
    """Of a process that was ended by a signal, minus its number."""
    stdout: str
    stderr: str
    seconds: float
    memory_mib: float
    changed: tuple[str, ...] = ()
    """Paths in the sandbox that the command had no business to touch, and touched."""
    real: bool = False
    """Whether it was started as a program of its own."""


@dataclass(frozen=True)
class Verdict:
    case: Case
    ending: Ending
    faults: tuple[str, ...]


def judged(case: Case, ending: Ending) -> Verdict:
    """What is wrong with how it ended; nothing where all is right."""
    faults = []
    text = ending.stdout + ending.stderr
    if ending.code == -signal.SIGKILL:
        faults.append("hung, or was killed")
    elif ending.code not in (0, 1, 2):
        faults.append(f"exit code {ending.code}")
    if "Traceback (most recent call last)" in text:
        faults.append("traceback")
    if "fault of noisybench itself" in text:
        faults.append("a fault of noisybench itself")
    if ending.code == 0 and case.outcome == "refused" and FORETOLD not in ending.stderr:
        faults.append("accepted")
    errors = len(ERROR.findall(ending.stderr))
    if ending.code in (1, 2) and errors != 1 and not (ending.code == 1 and case.reports and text.strip()):
        faults.append(f"{errors} sentences of error")
    if found := CONTROL.search(text.replace("\r\n", "\n")):
        faults.append(f"control character {found[0]!r} printed")
    if ending.memory_mib > MEMORY_MIB:
        faults.append(f"{ending.memory_mib:.0f} MiB of memory")
    faults += [f"changed {name}" for name in ending.changed]
    return Verdict(case, ending, tuple(faults))


def warm_up(scratch: Path) -> None:
    """Imports what the commands import, so that forked processes need not; `scratch` is for what libraries keep."""
    # Fonts are looked for once; matplotlib keeps what it found in the home folder unless it is told of another.
    os.environ["MPLCONFIGDIR"] = str(scratch)
    importlib.import_module("matplotlib.font_manager")
    for package in WARM:
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            with suppress(ImportError):  # of an extra that is not installed
                importlib.import_module(found.name)
    gc.collect()
    gc.freeze()


@dataclass
class Sandbox:
    """A folder with a working folder, a home, a folder of temporary files, and files that nobody may touch."""

    case: Case
    material: Path
    parent: Path
    folder: Path = field(init=False)
    before: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hostile-", dir=self.parent))
        for name in ("home", "tmp", "outside"):
            (self.folder / name).mkdir()
        (self.folder / "outside" / "canary.txt").write_text("untouched")
        if self.case.base:
            shutil.copytree(self.material / self.case.base, self.work)
        self.work.mkdir(exist_ok=True)
        for name, content in self.case.files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.before = self.state()

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def environment(self) -> dict[str, str]:
        return {"HOME": str(self.folder / "home"), "TMPDIR": str(self.folder / "tmp"), "COLUMNS": "120"}

    def state(self) -> dict[str, str]:
        """Everything below the folder that the case may not change, by its name and a digest of its content."""
        allowed = [self.work / name for name in ("results", *self.case.writes)]
        found = {}
        for path in sorted(self.folder.rglob("*")):
            if any(path == root or root in path.parents for root in allowed):
                continue
            if path.is_symlink():
                content = f"link to {path.readlink()}"
            else:
                content = "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
            found[path.relative_to(self.folder).as_posix()] = content
        return found

    def changed(self) -> tuple[str, ...]:
        after = self.state()
        return tuple(sorted(name for name in {*self.before, *after} if self.before.get(name) != after.get(name)))

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Running:
    """A command that was started in its sandbox."""

    sandbox: Sandbox
    pid: int
    started: float
    streams: tuple[Path, Path]
    real: bool

    def ended(self) -> Ending | None:
        """How it ended; None while it runs."""
        late = time.monotonic() - self.started > SECONDS
        if late:
            _kill(self.pid)
        pid, status, usage = os.wait4(self.pid, 0 if late else os.WNOHANG)
        if not pid:
            return None
        seconds = time.monotonic() - self.started
        _kill(self.pid)  # whatever it left running
        out, err = (path.read_bytes().decode("utf-8", "backslashreplace") for path in self.streams)
        code, memory = os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1024
        return Ending(code, out, err, seconds, memory, self.sandbox.changed(), self.real)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def start(sandbox: Sandbox, logs: Path, real: bool) -> Running:
    streams = logs / f"{sandbox.folder.name}.out", logs / f"{sandbox.folder.name}.err"
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _command(sandbox, streams, real)
    return Running(sandbox, pid, started, streams, real)


def _command(sandbox: Sandbox, streams: tuple[Path, Path], real: bool) -> None:
    """Becomes the command, with `real` as a new program. Never returns."""
    code = 70
    try:
        os.setsid()
        for number, name in enumerate((Path(os.devnull), *streams)):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT
            os.dup2(os.open(name, flags, 0o600), number)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.environ.update(sandbox.environment)
        os.chdir(sandbox.work)
        if real:
            os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
            command = [sys.executable, "-m", "noisybench", *sandbox.case.arguments]
            os.execv(sys.executable, [os.fsencode(part) for part in command])
        sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
        tempfile.tempdir = None
        sys.argv = ["noisybench", *sandbox.case.arguments]
        from benchmark.cli.main import main

        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code or 0)


def trials(cases: Iterable[tuple[int, Case]], material: Path, real_every: int) -> Iterator[tuple[int, Verdict]]:
    """The verdicts on numbered cases. Every `real_every`-th number is a program of its own; none where it is 0."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as parent, tempfile.TemporaryDirectory(prefix="logs-") as logs:
        for number, case in cases:
            ending = tried(case, material, (Path(parent), Path(logs)), bool(real_every) and number % real_every == 0)
            if ending.code == -signal.SIGKILL and not ending.real:
                # A fork inherits the locks of other threads, which may hang on its own account.
                ending = tried(case, material, (Path(parent), Path(logs)), True)
            yield number, judged(case, ending)


def tried(case: Case, material: Path, places: tuple[Path, Path], real: bool) -> Ending:
    """How `case` ended. `places`: where the sandbox lies, and what the command printed."""
    sandbox = Sandbox(case, material, places[0])
    running = start(sandbox, places[1], real)
    while (ending := running.ended()) is None:
        time.sleep(POLL_SECONDS)
    sandbox.remove()
    for stream in running.streams:
        stream.unlink()
    return ending
