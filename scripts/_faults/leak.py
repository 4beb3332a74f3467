"""A grid of many short runs: does the driver grow, does anything stay behind, what does a run cost beside training?"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import orjson

from scripts._faults import grid, processes

SLOTS = 2


def arguments(runs: int) -> list[str]:
    return [
        "run", "-d", "digits", "-m", "ce", "-n", "symmetric:0.2", "--seeds", str(runs), "--epochs", "1",
        "--subset", "60", "--slots", str(SLOTS), "--device", "cpu", "--no-table",
    ]  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """The grid's own processes at one moment."""

    records: int
    driver_mib: float
    server_mib: float


@dataclass(frozen=True)
class Leak:
    """What a grid of many runs left."""

    code: int | None
    runs: int
    samples: list[Sample]
    strays: list[int]
    leftovers: list[Path]
    files_open: list[int]
    """Of the driver, after the first run and before the last."""
    seconds: float
    """Wall time for each run, from the first record to the last but one."""
    run_seconds: float
    """Median of what the runs' own records say: from the first line of `run_one` to the record."""
    driver_seconds: float
    """Processor time of the driver and its fork server for each run, without their start."""

    def growth(self, name: str) -> float:
        """Memory during the last tenth of the runs over memory between a fifth and three tenths of them (medians)."""
        early, late = (
            statistics.median(
                getattr(sample, name) for sample in self.samples if low <= sample.records / self.runs < high
            )
            for low, high in ((0.2, 0.3), (0.9, 1.0))
        )
        return late / early

    @property
    def overhead(self) -> float:
        """Wall seconds for each run beyond its own, with `SLOTS` runs at a time."""
        return self.seconds * SLOTS - self.run_seconds


def measure(runs: int, folder: Path | None = None) -> Leak:
    """Carries out `runs` runs as a user starts them, and looks at the processes meanwhile."""
    work = folder or Path(tempfile.mkdtemp(prefix="noisybench-leak-"))
    results = work / "results"
    running = processes.start(work, arguments(runs), warm=False)
    samples: list[Sample] = []
    files_open: list[int] = []
    moments: list[float] = []
    cpu: list[float] = []
    while running.running():
        time.sleep(0.5)
        done = sum(1 for _ in results.glob("runs/*/*.json"))
        servers = running.server()
        if not done or not servers:
            continue
        try:
            spent = processor_seconds(running.pid) + processor_seconds(servers[0])
            sample = Sample(done, memory(running.pid), memory(servers[0]))
            opened = len(os.listdir(f"/proc/{running.pid}/fd"))  # noqa: PTH208
        except OSError:
            break  # it ends
        if done < runs:
            samples.append(sample)
            files_open = [*files_open[:1], opened]
            moments.append(time.monotonic())
            cpu.append(spent)
    ended = running.wait(3600)
    made = max(1, samples[-1].records - samples[0].records)
    own = [orjson.loads(path.read_bytes())["timing"]["total_seconds"] for path in results.glob("runs/*/*.json")]
    return Leak(
        ended.code,
        len(own),
        samples,
        grid.strays(running.pid),
        grid.leftovers(results),
        files_open,
        (moments[-1] - moments[0]) / made,
        statistics.median(own),
        (cpu[-1] - cpu[0]) / made,
    )


def memory(pid: int) -> float:
    """MiB that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def processor_seconds(pid: int) -> float:
    """User and system time of a process, without that of its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read(path: Path) -> Leak:
    """As `asdict` wrote it."""
    content = orjson.loads(path.read_bytes())
    samples = [Sample(**sample) for sample in content.pop("samples")]
    return Leak(samples=samples, leftovers=[Path(name) for name in content.pop("leftovers")], **content)
