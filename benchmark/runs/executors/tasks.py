"""Tasks: a few runs that one command, `noisybench worker --spec FILE`, carries out on some machine.

The files of a submission lie in a folder of their own, RESULTS/work/tasks/SUBMISSION: `N.json` is the spec of its task
N, `N.log` what the task printed, `submission.json` says which runs are in which task. All machines see the results
folder, so no executor moves any of it.
"""

from __future__ import annotations

import io
import itertools
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

import benchmark
from backbones.settings import Settings
from benchmark.errors import NoisybenchError
from benchmark.grid.job import Job
from benchmark.runs.order import kind
from benchmark.store import digests
from benchmark.store.atomic import remove, write_atomically
from benchmark.store.store import Store, attempt_of

T = TypeVar("T", bound=Settings)

FOLDER = ("work", "tasks")
MANIFEST = "submission.json"
WORKER = (sys.executable, str(Path(benchmark.__path__[0]).resolve().parent / "noisybench.py"), "worker", "--spec")
"""What carries out a task, on any machine that sees this installation; the path of the spec file follows."""
TASK_SECONDS = 300.0
"""Expected length of a task: a start of Python and torch takes some seconds, and a lost task some minutes of work."""
UNKNOWN_SECONDS = 60.0
"""Taken for the length of a run of which nothing is known."""


class TaskError(NoisybenchError):
    """A task that cannot be read."""


class Task(Settings):
    """What a worker carries out."""

    jobs: tuple[Job, ...]
    recorded: dict[str, str] = {}
    """Run id -> digest of the record that it has, and in spite of which it is made. A record of another digest is what
    this task made before it was stopped."""
    slots: int | Literal["auto"] = 1
    """Runs at a time; auto: as many as fit into the memory of the task's device."""
    timeout: float | None = None
    """Seconds per run."""
    max_failures: int | None = None
    """The task stops when so many of its runs have failed for good."""

    def still_recorded(self, store: Store) -> frozenset[str]:
        """The runs that have an old record and are made anew."""
        return frozenset(run_id for run_id, old in self.recorded.items() if digest_of(store, run_id) == old)


class Submission(Settings):
    """Tasks that were submitted together."""

    executor: str
    runs: tuple[tuple[str, ...], ...]
    """[task] the ids of its runs."""
    recorded: dict[str, str] = {}
    """As in the tasks."""
    attempts: dict[str, int] = {}
    """Run id -> number of its last failed attempt before, where there was one: later ones are of this submission."""


@dataclass(frozen=True)
class Submitted:
    """A submission and where it is."""

    folder: Path
    content: Submission

    @property
    def name(self) -> str:
        return self.folder.name

    def specs(self) -> list[Path]:
        """The spec files of all tasks, absolute."""
        return [self.spec(index) for index in range(len(self.content.runs))]

    def spec(self, index: int) -> Path:
        return self.folder / f"{index}.json"


def log_of(spec: Path) -> Path:
    """What the task of that spec file prints."""
    return spec.with_suffix(".log")


def bundles(
    jobs: Sequence[Job], seconds: Mapping[str, float | None], *, size: int | None = None, at_a_time: int = 1
) -> list[list[Job]]:
    """`jobs` in tasks: those of one data set and backbone together, in their order.

    `size`: runs per task; else a task is expected to take TASK_SECONDS, or less where otherwise fewer than `at_a_time`
    tasks would be there. `seconds`: run id -> expected length.
    """
    groups: dict[bytes, list[Job]] = {}
    for job in jobs:
        groups.setdefault(kind(job.spec.model_dump(mode="json"), ("dataset", "backbone")), []).append(job)
    expected = {job.spec.id: _or_default(seconds.get(job.spec.id)) for job in jobs}
    most = min(TASK_SECONDS, sum(expected.values()) / max(1, at_a_time))
    found: list[list[Job]] = []
    for group in groups.values():
        if size is not None:
            found += [group[start : start + size] for start in range(0, len(group), size)]
            continue
        length = most
        for job in group:
            if length >= most:
                found.append([])
                length = 0.0
            found[-1].append(job)
            length += expected[job.spec.id]
    return found


def _or_default(seconds: float | None) -> float:
    return UNKNOWN_SECONDS if seconds is None else seconds


def write(store: Store, tasks: Sequence[Task], executor: str) -> Submitted:
    """Writes a new submission with its tasks. Raises StoreError where that fails."""
    folder = store.folder.absolute().joinpath(*FOLDER, secrets.token_hex(4))
    recorded = {run_id: old for task in tasks for run_id, old in task.recorded.items()}
    runs = tuple(tuple(job.spec.id for job in task.jobs) for task in tasks)
    last = store.last_attempts(set(itertools.chain(*runs)))
    attempts = {run_id: attempt_of(path) for run_id, path in last.items()}
    submitted = Submitted(folder, Submission(executor=executor, runs=runs, recorded=recorded, attempts=attempts))
    for spec, task in zip(submitted.specs(), tasks, strict=True):
        _write(spec, task)
    _write(folder / MANIFEST, submitted.content)  # last: a folder without it was never submitted
    return submitted


def discard(submitted: Submitted) -> None:
    """Removes a submission that nothing carries out."""
    remove(submitted.folder)


def submissions(store: Store, executor: str | None = None) -> list[Submitted]:
    """The submissions to an executor, or to any, ended ones too, as far as they can be read."""
    found = []
    for path in store.files("/".join((*FOLDER, "*", MANIFEST))):
        try:
            content = _read(path, Submission)
        except TaskError:
            continue  # at worst its runs are submitted once more, and find themselves claimed or recorded
        if executor in (None, content.executor):
            found.append(Submitted(path.parent.absolute(), content))
    return found


def logs(store: Store, run_id: str) -> list[Path]:
    """What the tasks of a run have printed, the earliest first."""
    found = [
        log_of(one.spec(index))
        for one in submissions(store)
        for index, runs in enumerate(one.content.runs)
        if run_id in runs
    ]
    return sorted((path for path in found if path.exists()), key=lambda path: path.stat().st_mtime)


def done(store: Store) -> list[Path]:
    """The folders of submissions all of whose runs have a record, which none of them was to make anew."""
    finished = store.finished()
    return [
        one.folder
        for one in submissions(store)
        if not one.content.recorded and finished.issuperset(itertools.chain(*one.content.runs))
    ]


def read(spec: Path) -> Task:
    """The task of a spec file. Raises TaskError."""
    return _read(spec, Task)


def digest_of(store: Store, run_id: str) -> str | None:
    """The digest of a run's record file; None without a record."""
    content = store.read_bytes(run_id)
    return None if content is None else digests.of_stream(io.BytesIO(content))


def _write(path: Path, content: Settings) -> None:
    write_atomically(path, digests.seal_json(content.model_dump(mode="json"), _key(path)))


def _key(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _read(path: Path, kind: type[T]) -> T:
    try:
        return kind.model_validate(digests.unseal_json(path.read_bytes(), _key(path)))
    except OSError as error:
        raise TaskError(
            f"{path} cannot be read: {error.strerror or error}; the results folder must be on a disk that all machines "
            "of the cluster see under the same path"
        ) from error
    except ValidationError as error:
        raise TaskError(f"{path} was written by another version of noisybench; submit its runs again") from error
    except ValueError as error:
        raise TaskError(f"{path} is broken ({error}); submit its runs again") from error
