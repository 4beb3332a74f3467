"""The kinds of faults. Each disturbs one grid at a moment that is drawn, and says what it did."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from benchmark.store.processes import this_process
from scripts._faults import grid, processes, shim
from scripts._faults.processes import SILENT_SECONDS, Ended, Grid

INTERRUPTED = {128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}


@dataclass
class Trial:
    """One fault: a folder, what is drawn for it, and what became of the command lines that met it."""

    folder: Path
    draw: random.Random
    warm: bool
    seconds: float
    """How long the grid takes undisturbed."""
    finished: Path
    """A results folder of the undisturbed grid; not to be changed."""
    detail: str = ""
    ended: list[Ended] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def start(self, *more: str, control: shim.Control | None = None, shift: float = 0.0, warm: bool = False) -> Grid:
        started = processes.start(
            self.folder, [*grid.ARGUMENTS, *more], warm=self.warm or warm, control=control, shift=shift
        )
        self.sessions.append(started.pid)
        return started

    def wait(self, running: Grid, codes: set[int]) -> Ended:
        """Waits for a command line; any other exit code than `codes` is unexpected."""
        ended = running.wait()
        self.ended.append(ended)
        if ended.code is None:
            self.unexpected.append("it did not end in 15 minutes")
        elif ended.code not in codes:
            self.unexpected.append(f"exit code {ended.code}, expected {sorted(codes)}: {ended.output[-300:]}")
        if "Traceback" in ended.output:
            self.unexpected.append(f"a traceback: {ended.output[-600:]}")
        return ended

    def moment(self) -> float:
        return self.draw.uniform(0.02, 1.0) * self.seconds

    def control(self) -> shim.Control:
        return shim.Control.new(self.folder / "control", self.results)

    def copy_finished(self) -> None:
        shutil.copytree(self.finished, self.results)


def kill(target: str) -> Callable[[Trial], None]:
    def disturb(trial: Trial) -> None:
        running = trial.start()
        trial.detail = running.send(signal.SIGKILL, target, trial.moment())
        trial.wait(running, {0} if target in ("worker", "server") else {0, -signal.SIGKILL})

    return disturb


def end(target: str) -> Callable[[Trial], None]:
    """A signal that asks to end: to the driver, or to all processes as a terminal or a scheduler sends it."""

    def disturb(trial: Trial) -> None:
        number = trial.draw.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
        running = trial.start()
        trial.detail = running.send(number, target, trial.moment())
        # A driver that has not yet begun, or ends already, is ended by the signal itself.
        trial.wait(running, {0, 128 + number, -number})

    return disturb


def stop_worker(trial: Trial) -> None:
    running = trial.start(warm=True)
    trial.detail = running.send(signal.SIGSTOP, "worker", trial.moment())
    trial.wait(running, {0})


def stop_driver(trial: Trial) -> None:
    """For longer than a worker may be silent."""
    running = trial.start(warm=True)
    trial.detail = running.send(signal.SIGSTOP, "driver", trial.moment())
    time.sleep(1.3 * SILENT_SECONDS)
    running.send(signal.SIGCONT, "driver", 0)
    trial.wait(running, {0})


def wake_late(trial: Trial) -> None:
    """A worker is stopped, its driver killed; another driver takes the run over, then the worker wakes."""
    running = trial.start(warm=True)
    trial.detail = running.send(signal.SIGSTOP, "worker", trial.moment())
    stopped = [pid for pid in running.workers() if processes.state(pid) == "T"]
    running.send(signal.SIGKILL, "driver", 0)
    trial.wait(running, {0, -signal.SIGKILL})
    second = trial.start(warm=True)
    time.sleep(trial.draw.uniform(0.0, 2.0) * SILENT_SECONDS)
    for pid in stopped:
        if processes.state(pid) == "T":
            processes.signal_process(pid, signal.SIGCONT)
    trial.wait(second, {0})


def two_drivers(trial: Trial) -> None:
    """Two drivers on one folder, the second somewhat later, and `compact` again and again."""
    first = trial.start()
    time.sleep(trial.draw.uniform(0, 0.5) * trial.seconds)
    second = trial.start()
    trial.detail = f"second driver, {_compact_meanwhile(trial, first, second)} compactions"
    trial.wait(first, {0})
    told = trial.wait(second, {0})
    made = sum(ended.output.count("] ok ") - ended.output.count("made by another") for ended in (trial.ended[-2], told))
    if made != grid.RUNS:
        trial.unexpected.append(f"{made} runs were made instead of {grid.RUNS}")


def two_drivers_one_killed(trial: Trial) -> None:
    first = trial.start()
    second = trial.start()
    target = trial.draw.choice(["driver", "group"])
    trial.detail = "second driver; " + first.send(signal.SIGKILL, target, trial.moment())
    trial.wait(first, {0, -signal.SIGKILL})
    trial.wait(second, {0})


def clock_steps(trial: Trial) -> None:
    """Two drivers whose clocks are hours to years apart."""
    steps = [trial.draw.choice([-1, 1]) * 10 ** trial.draw.uniform(1, 8.5) for _ in range(2)]
    control = trial.control()
    running = [trial.start(control=control, shift=step) for step in steps]
    trial.detail = f"clocks {steps[0]:.0f} s and {steps[1]:.0f} s off"
    for one in running:
        trial.wait(one, {0})


def _compact_meanwhile(trial: Trial, *drivers: Grid) -> int:
    count = 0
    while any(driver.running() for driver in drivers):
        time.sleep(trial.draw.uniform(0.1, 1.0))
        if (trial.results / "runs").is_dir():
            compacting = processes.start(trial.folder, ["compact"], warm=True)
            trial.sessions.append(compacting.pid)
            trial.wait(compacting, {0})
            count += 1
    return count


def io_error(error: str) -> Callable[[Trial], None]:
    """The k-th file operation below the results folder fails, and perhaps those that follow it."""

    def disturb(trial: Trial) -> None:
        first = int(10 ** trial.draw.uniform(0, 3.3))
        burst = trial.draw.choice([1, 1, 1, 3, 30])
        control = trial.control()
        control.fail(error, first, first + burst - 1, writing=error == "ENOSPC")
        running = trial.start(control=control)
        trial.wait(running, {0, 1, 2})
        trial.detail = f"{error} in operation {first}" + (f" and {burst - 1} more" if burst > 1 else "")
        trial.detail += f": {control.failed} of {control.count} operations failed"

    return disturb


def read_only(trial: Trial) -> None:
    control = trial.control()
    running = trial.start(control=control)
    moment = trial.moment()
    time.sleep(moment)
    control.fail_from_now("EROFS")
    trial.wait(running, {0, 1, 2})
    trial.detail = f"read-only after {moment:.2f} s: {control.failed} operations failed"


def full_disk(trial: Trial) -> None:
    """A disk of its own (tmpfs) that somebody else fills at a drawn moment."""
    with tmpfs(trial.results, "16m"):
        running = trial.start()
        moment = trial.moment()
        time.sleep(moment)
        left = trial.draw.choice([0, 0, 4, 16, 64])
        free = shutil.disk_usage(trial.results).free
        filler = trial.results / "somebody_elses_file"
        with suppress(OSError), filler.open("wb") as file:  # the grid was quicker
            file.write(bytes(max(0, free - 1024 * left)))
        trial.wait(running, {0, 1, 2})
        filler.unlink(missing_ok=True)
        trial.detail = f"full but for {left} KiB after {moment:.2f} s"
        resume(trial)
        shutil.copytree(trial.results, trial.folder / "copied")
    trial.results.rmdir()
    (trial.folder / "copied").rename(trial.results)


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def can_mount(folder: Path) -> bool:
    try:
        with tmpfs(folder / "mounted", "1m"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        (folder / "mounted").rmdir()


def damage(harm: str, pattern: str) -> Callable[[Trial], None]:
    """A stored file is harmed, then the grid is typed again."""

    def disturb(trial: Trial) -> None:
        trial.copy_finished()
        if pattern.startswith("segments"):
            compacting = processes.start(trial.folder, ["compact"], warm=True)
            trial.sessions.append(compacting.pid)
            trial.wait(compacting, {0})
        elif pattern.startswith("work"):  # what is used only where runs are made
            for path in trial.results.glob("runs/*/*.json"):
                path.unlink()
        paths = sorted(trial.results.glob(pattern))
        path = trial.draw.choice(paths)
        HARMS[harm](trial, path)
        trial.detail = f"{harm}: {path.relative_to(trial.results)}"

    return disturb


def _truncated(trial: Trial, path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: trial.draw.randrange(1, len(content))])


def _flipped(trial: Trial, path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[trial.draw.randrange(len(content))] ^= 1 << trial.draw.randrange(8)
    path.write_bytes(content)


def _empty(trial: Trial, path: Path) -> None:
    path.write_bytes(b"")


def _foreign(trial: Trial, path: Path) -> None:
    """What another program might have written there, or the file of another run."""
    others = [other for other in path.parent.parent.rglob(f"*{path.suffix}") if other != path]
    content = [b"\x89PNG\r\n\x1a\n", b"{}\n", b"[1, 2]", *(other.read_bytes() for other in others[:1])]
    path.write_bytes(trial.draw.choice(content))


def _edited(trial: Trial, path: Path) -> None:
    """A record with another figure, as somebody might want it."""
    record = orjson.loads(path.read_bytes())
    record["metrics"]["last"]["accuracy"] = trial.draw.random()
    path.write_bytes(orjson.dumps(record))


def _doubled(trial: Trial, path: Path) -> None:
    """As sync tools do it."""
    folder = path.parent if trial.draw.random() < 0.5 else path.parent / "backup"
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / f"{path.stem} (1){path.suffix}")


HARMS = {
    "truncated": _truncated,
    "flipped": _flipped,
    "empty": _empty,
    "foreign": _foreign,
    "edited": _edited,
    "doubled": _doubled,
}


def checkpoint(harm: str) -> Callable[[Trial], None]:
    """The grid is killed, then a checkpoint that it left is harmed."""

    def disturb(trial: Trial) -> None:
        running = trial.start()
        while running.running() and not list(trial.results.glob("work/runs/*/checkpoint.pt")):
            time.sleep(0.01)
        time.sleep(trial.draw.uniform(0, 0.3))
        killed = running.send(signal.SIGKILL, "group", 0)
        trial.wait(running, {0, -signal.SIGKILL})
        paths = sorted(trial.results.glob("work/runs/*/checkpoint.pt"))
        for path in paths:
            HARMS[harm](trial, path)
        trial.detail = f"{killed}; {harm}: {len(paths)} checkpoint(s)"

    return disturb


def claim(trial: Trial) -> None:
    """Claims of processes that have ended, of another machine, and torn ones lie in the folder of a finished grid."""
    trial.copy_finished()
    folder = trial.results / "work" / "claims"
    folder.mkdir(parents=True, exist_ok=True)
    kinds = ["torn", "ended", "foreign"]
    paths = sorted(trial.results.glob("runs/*/*.json"))
    chosen = [(trial.draw.choice(kinds), path) for path in paths]
    for kind, path in chosen:
        said = {"run": path.stem, "machine": "elsewhere", "host": "elsewhere", "pid": 4, "born": "4"}
        if kind == "ended":
            said |= asdict(grid.apart(this_process))
        (folder / path.name).write_bytes(b"{" if kind == "torn" else orjson.dumps(said))
        if (
            kind != "ended" or trial.draw.random() < 0.7
        ):  # of another machine's claim on a finished run nothing is known
            path.unlink()
    trial.detail = f"claims: {', '.join(kind for kind, _ in chosen)}"


def resume(trial: Trial) -> Ended:
    """The same command once more, undisturbed."""
    ended = trial.wait(trial.start(warm=True), {0})
    if f"{grid.RUNS} already done" not in ended.output and " ok; records in " not in ended.output:
        trial.unexpected.append(f"the resumption did not finish the grid: {ended.output[-300:]}")
    return ended


@dataclass(frozen=True)
class Kind:
    name: str
    disturb: Callable[[Trial], None]
    share: int = 1
    """How often it is drawn, compared with others."""
    mounts: bool = False
    """Needs the right to mount a disk."""


RECORDS, SEGMENTS, KEPT = "runs/*/*.json", "segments/*.parquet", "runs/*/*.npz"
CACHES: Sequence[str] = ("work/data/*/*.npy", "work/estimates/*.json")

KINDS = [
    Kind("SIGKILL driver", kill("driver"), 3),
    Kind("SIGKILL worker", kill("worker"), 3),
    Kind("SIGKILL fork server", kill("server"), 3),
    Kind("SIGKILL process group", kill("group"), 3),
    Kind("SIGSTOP worker", stop_worker, 2),
    Kind("SIGSTOP driver", stop_driver),
    Kind("SIGSTOP worker, wakes after its run was taken over", wake_late, 2),
    Kind("SIGINT, SIGTERM, SIGHUP to the driver", end("driver"), 3),
    Kind("SIGINT, SIGTERM, SIGHUP to the process group", end("group"), 2),
    Kind("two drivers, compaction meanwhile", two_drivers, 2),
    Kind("two drivers, one killed", two_drivers_one_killed, 2),
    Kind("clock steps, two drivers", clock_steps, 2),
    Kind("EIO", io_error("EIO"), 3),
    Kind("ESTALE", io_error("ESTALE"), 2),
    Kind("ENOLCK", io_error("ENOLCK"), 2),
    Kind("ENOSPC", io_error("ENOSPC"), 2),
    Kind("read-only folder", read_only, 2),
    Kind("full disk (tmpfs)", full_disk, 3, mounts=True),
    *(Kind(f"record {harm}", damage(harm, RECORDS)) for harm in HARMS),
    *(Kind(f"segment {harm}", damage(harm, SEGMENTS)) for harm in HARMS if harm != "edited"),
    *(Kind(f"kept predictions {harm}", damage(harm, KEPT)) for harm in ("truncated", "flipped", "empty")),
    *(Kind(f"cache {harm}", damage(harm, pattern)) for harm in ("truncated", "flipped") for pattern in CACHES),
    *(Kind(f"checkpoint {harm}", checkpoint(harm)) for harm in ("truncated", "flipped", "empty", "foreign")),
    Kind("claims of others", claim),
]
