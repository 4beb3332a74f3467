"""Tasks on Slurm: every submission is an array job, whose name holds that of the submission.

Slurm itself keeps what is queued: `squeue` knows the array by its name, so a driver may die between submitting and
writing anything down. Names of files never stand in a line that Slurm or a shell parses.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmark.errors import NoisybenchError
from benchmark.grid.executor_settings import SlurmSettings
from benchmark.runs.executors import tasks
from benchmark.runs.executors.remote import Ended
from benchmark.runs.executors.tasks import WORKER, Submitted
from benchmark.store.atomic import ABANDONED_SECONDS, write_atomically
from benchmark.store.store import Store

NAME = "slurm"
SCRIPT = "script.sh"
PREFIX = "noisybench-"
"""Of a job's name; the submission's name follows."""
WARN_SECONDS = 60
"""Before its time limit a task is asked to stop; Slurm may ask up to a minute earlier."""
FIRST_LOOK_SECONDS, LAST_LOOK_SECONDS = 1.0, 10.0
"""Between two calls of squeue, which all users of a cluster share: more while nothing changes."""
GONE = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
}  # fmt: skip
"""States of tasks that have ended; a task that squeue does not list has ended too."""


class SlurmError(NoisybenchError):
    """A command of Slurm failed."""


class NoSlurmError(SlurmError):
    """Slurm is not installed on this machine."""

    exit_code = 2


@dataclass(frozen=True)
class Queued:
    """A submission as Slurm sees it."""

    submitted: Submitted
    job: str = ""
    """Number of the array job; "" where Slurm does not know it any more."""
    states: Mapping[int, str] = field(default_factory=dict)
    """Task -> PENDING, RUNNING, FAILED, ..., as far as Slurm remembers."""

    def live(self) -> list[int]:
        """The tasks that wait or are at work."""
        return [index for index, state in self.states.items() if state not in GONE]


def submissions(store: Store) -> list[Queued]:
    """The submissions of a results folder with the states of their tasks, ended ones too.

    Raises SlurmError where Slurm does not answer.
    """
    found = tasks.submissions(store, NAME)
    known = _squeue([one.name for one in found])
    return [Queued(one, *known.get(one.name, ("", {}))) for one in found]


def cancel(queued: Queued, indices: Collection[int] | None = None) -> None:
    """Takes tasks of a submission off the queue, or stops them; all of them without `indices`. Raises SlurmError."""
    live = set(queued.live())
    chosen = live if indices is None else live & set(indices)
    if chosen == live and live:
        _call("scancel", queued.job)
    elif chosen:
        _call("scancel", f"{queued.job}_[{','.join(map(str, sorted(chosen)))}]")


class Slurm:
    """A cluster: see `remote.Cluster`."""

    name = NAME

    def __init__(
        self, store: Store, settings: SlurmSettings, *, title: str, cpus: int, worker: Sequence[str] = WORKER
    ) -> None:
        """`title`: what the runs are of, for people. `cpus`: of a task, unless `settings` say otherwise. `worker`: the
        command that carries a task out; the path of its spec file follows."""
        self.store = store
        self.settings = settings
        self.title = title
        self.cpus = cpus
        self.worker = worker
        self.jobs: dict[str, str] = {}
        """Submission -> number of its job, of those that are queued or were launched here."""
        self._followed: dict[str, tuple[Submitted, set[int]]] = {}
        """Submission -> it, with those of its tasks that have not ended."""
        self._seen: dict[str, dict[int, str]] = {}
        self._pause = FIRST_LOOK_SECONDS
        self._next_look = 0.0

    @cached_property
    def most_tasks(self) -> int:
        """The site's limit of an array."""
        match = re.search(r"^MaxArraySize\s*=\s*(\d+)", _call("scontrol", "show", "config"), re.MULTILINE)
        return max(1, int(match[1])) if match else 1000

    def at_a_time(self) -> int:
        return 1

    def queued(self) -> Mapping[Path, Submitted]:
        found: dict[Path, Submitted] = {}
        for one in submissions(self.store):
            live = one.live()
            if live:
                self._followed.setdefault(one.submitted.name, (one.submitted, set()))[1].update(live)
                self.jobs[one.submitted.name] = one.job
                found |= {one.submitted.spec(index): one.submitted for index in live}
            elif _age(one.submitted.folder) > ABANDONED_SECONDS:
                tasks.discard(one.submitted)
        return found

    def launch(self, submitted: Submitted) -> None:
        path = submitted.folder / SCRIPT
        script = batch_script(submitted, self.settings, title=self.title, cpus=self.cpus, worker=self.worker)
        write_atomically(path, script.encode())
        try:
            answer = _call("sbatch", "--parsable", str(path))
        except NoSlurmError:
            raise
        except SlurmError as error:
            asked = " ".join(_asked(self.settings, self.cpus))
            raise SlurmError(
                f"{error}; these tasks were not submitted. Asked for: {asked} (`sinfo --long` shows what there is)"
            ) from error
        self.jobs[submitted.name] = answer.strip().split(";")[0]
        self._followed[submitted.name] = (submitted, set(range(len(submitted.content.runs))))
        self._next_look = 0.0

    def ended(self) -> list[Ended]:
        if time.monotonic() < self._next_look or not self._followed:
            return []
        try:
            known = _squeue(list(self._followed))
        except SlurmError as error:
            warnings.warn(f"{error}; asking again", stacklevel=2)  # the controller may come back
            known = None
        found = [] if known is None else list(self._gone(known))
        states = {name: dict(states) for name, (_, states) in (known or {}).items()}
        self._pause = FIRST_LOOK_SECONDS if found or states != self._seen else min(LAST_LOOK_SECONDS, 1.5 * self._pause)
        self._seen = states
        self._next_look = time.monotonic() + self._pause
        return found

    def _gone(self, known: Mapping[str, tuple[str, Mapping[int, str]]]) -> Iterator[Ended]:
        for name, (submitted, open_tasks) in list(self._followed.items()):
            states = known.get(name, ("", {}))[1]
            for index in sorted(open_tasks):
                state = states.get(index, "")
                if not state or state in GONE:
                    open_tasks.discard(index)
                    yield Ended(submitted.spec(index), state and f"Slurm: {state}", state == "CANCELLED")
            if not open_tasks:
                del self._followed[name]

    def cancel(self, specs: Collection[Path]) -> None:
        by_submission: dict[str, set[int]] = {}
        for spec in specs:
            by_submission.setdefault(spec.parent.name, set()).add(int(spec.stem))
        for one in submissions(self.store):
            if one.submitted.name in by_submission:
                cancel(one, by_submission[one.submitted.name])

    def close(self) -> None:
        """What is queued goes on without this process."""


def batch_script(
    submitted: Submitted, settings: SlurmSettings, *, title: str, cpus: int, worker: Sequence[str] = WORKER
) -> str:
    """The script of a submission's array job. `title`, `cpus`, `worker`: as of `Slurm`."""
    count, runs = len(submitted.content.runs), sum(map(len, submitted.content.runs))
    limit = f"%{settings.at_a_time}" if settings.at_a_time else ""
    lines = [
        "#!/bin/bash",
        f"# {runs} runs of {title!r} in {count} task(s), written by `noisybench run --executor slurm`.",
        f"#SBATCH --job-name={PREFIX}{submitted.name}",
        f"#SBATCH --array=0-{count - 1}{limit}",
        *(f"#SBATCH {option}" for option in _asked(settings, cpus)),
        "# A task that is preempted, or whose node fails, starts again and goes on from its checkpoints.",
        "#SBATCH --requeue",
        "# Before its time limit a task is asked to stop; it then puts itself into the queue again.",
        f"#SBATCH --signal=B:USR1@{WARN_SECONDS}",
        "# Slurm's own names of files and folders cannot hold every character: the output is led off below.",
        "#SBATCH --output=/dev/null",
        "#SBATCH --chdir=/",
        "",
        "trap '' USR1  # until the worker listens",
        f"folder={shlex.quote(str(submitted.folder))}",
        'exec >> "$folder/$SLURM_ARRAY_TASK_ID.log" 2>&1',
        f'exec {shlex.join(worker)} "$folder/$SLURM_ARRAY_TASK_ID.json"',
        "",
    ]
    return "\n".join(lines)


def _asked(settings: SlurmSettings, cpus: int) -> list[str]:
    """What every task asks of Slurm, as options of sbatch."""
    asked = {
        "partition": settings.partition, "account": settings.account, "qos": settings.qos,
        "constraint": settings.constraint, "gres": settings.gres, "time": settings.time, "mem": settings.memory,
        "cpus-per-task": settings.cpus or cpus,
    }  # fmt: skip
    return [f"--{name}={value}" for name, value in asked.items() if value is not None] + list(settings.sbatch)


def inside() -> bool:
    """Whether this process is a task of noisybench on Slurm."""
    return os.environ.get("SLURM_JOB_NAME", "").startswith(PREFIX) and "SLURM_JOB_ID" in os.environ


def preempted() -> bool:
    """Whether Slurm stops the task of this process in favour of another one's job."""
    shown = _call("scontrol", "show", "job", os.environ["SLURM_JOB_ID"])
    found = re.search(r"\bPreemptTime=(\S+)", shown)
    return found is not None and found[1] not in ("None", "Unknown", "N/A")


def requeue() -> None:
    """Puts the task of this process into the queue again, which ends this process. Raises SlurmError."""
    _call("scontrol", "requeue", os.environ["SLURM_JOB_ID"])


def indices(text: str) -> Iterator[int]:
    """The tasks in an expression of squeue: "0-2,5-9:2%4" holds 0, 1, 2, 5, 7 and 9."""
    for part in text.partition("%")[0].split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part.strip())
        if match:
            first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
            yield from range(first, last + 1, step)


def _squeue(names: Sequence[str]) -> dict[str, tuple[str, dict[int, str]]]:
    """Submission -> number of its job, and task -> state, of the submissions `names` that Slurm remembers."""
    if not names:
        return {}
    asked = ",".join(PREFIX + name for name in names)
    lines = _call("squeue", "--noheader", "--states=all", f"--name={asked}", "--format=%j|%F|%K|%T").splitlines()
    found: dict[str, tuple[str, dict[int, str]]] = {}
    for line in lines:
        name, job, expression, state = line.strip().split("|")
        states = found.setdefault(name.removeprefix(PREFIX), (job, {}))[1]
        states |= dict.fromkeys(indices(expression), state)
    return found


def _call(*command: str) -> str:
    """What a command of Slurm prints. Raises SlurmError."""
    environment = {**os.environ, "SLURM_BITSTR_LEN": "0"}  # expressions of tasks in full, however long
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env=environment, cwd="/", check=False
        )
    except FileNotFoundError:
        raise NoSlurmError(
            f"there is no command {command[0]} here; --executor slurm is for a machine from which jobs are submitted "
            "to Slurm; leave it out to run on this machine"
        ) from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"`{command[0]}` gave no answer within 2 minutes; try again later") from None
    if done.returncode:
        reason = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.returncode}"
        raise SlurmError(f"`{shlex.join(command[:2])}` failed: {reason}")
    return done.stdout


def _age(folder: Path) -> float:
    try:
        return time.time() - (folder / tasks.MANIFEST).stat().st_mtime
    except OSError:
        return 0.0
