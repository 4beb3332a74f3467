"""Carries a planned grid out where it belongs: on this machine, on Slurm or on Ray."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from benchmark.cli.planned_grid import PlannedGrid
    from benchmark.runs.executors.base import Executor
    from benchmark.runs.executors.remote import Cluster, Remote
    from benchmark.runs.executors.tasks import Submitted


def executor_of(grid: PlannedGrid) -> Executor:
    """The executor of a grid. Raises a NoisybenchError where its cluster is not there."""
    if grid.place.settings is None:
        from benchmark.runs.executors.local import Local

        return Local(grid.store, grid.place.packing(grid.store), timeout=grid.timeout, recorded=grid.recorded)
    return _remote(grid, _cluster(grid))


def _cluster(grid: PlannedGrid) -> Cluster:
    from benchmark.grid.executor_settings import SlurmSettings

    settings, cpus = grid.place.settings, grid.place.cpus
    if isinstance(settings, SlurmSettings):
        from benchmark.runs.executors.slurm import Slurm

        return Slurm(grid.store, settings, title=grid.name, cpus=cpus)
    from benchmark.runs.executors.ray import Ray

    assert settings is not None
    return Ray(settings, cpus=cpus)


def _remote(grid: PlannedGrid, cluster: Cluster) -> Remote:
    from benchmark.runs.executors.remote import Remote, Shape

    shape = Shape(grid.place.slots or 1, grid.place.bundle, grid.timeout, grid.max_failures)

    def tell(launched: Sequence[Submitted], adopted: Mapping[str, int]) -> None:
        if adopted:
            _say(
                f"{sum(adopted.values())} runs are queued or at work already{_jobs(cluster, adopted)}, and are not "
                "submitted again; `noisybench cancel` takes them off the queue, to submit them with other options"
            )
        for one in launched:
            runs, tasks = sum(map(len, one.content.runs)), len(one.content.runs)
            _say(f"submitted {runs} runs as {tasks} task(s){_jobs(cluster, [one.name])} ({one.folder})")

    return Remote(grid.store, cluster, shape, recorded=grid.recorded, seconds=_seconds(grid), on_submit=tell)


def _jobs(cluster: Cluster, submissions: Iterable[str]) -> str:
    """The jobs that carry out these submissions, where the cluster gives them numbers."""
    from benchmark.runs.executors.slurm import Slurm

    if not isinstance(cluster, Slurm):
        return ""
    return f": job {', '.join(cluster.jobs[name] for name in submissions)}"


def _seconds(grid: PlannedGrid) -> dict[str, float | None]:
    """Run id -> expected length, where it decides how many runs make a task."""
    from benchmark.runs.cost import estimate_seconds

    return {} if grid.place.bundle else estimate_seconds(grid.todo, grid.store)


def submit(grid: PlannedGrid) -> None:
    """Submits what is to be done of a grid, and says what happens next."""
    from benchmark.runs.driver import of_this_machine
    from benchmark.runs.executors.slurm import Slurm
    from benchmark.runs.order import ordered

    cluster = _cluster(grid)
    assert isinstance(cluster, Slurm)  # runs on other executors end with this process
    _remote(grid, cluster).submit(of_this_machine(ordered(grid.todo, grid.store)))
    _say(
        "the same command submits nothing twice; with --wait it follows the runs, and when they have ended it prints "
        f"the table. `squeue` and `noisybench status --results {grid.store.folder}` show how far they are"
    )


def preview(grid: PlannedGrid) -> str:
    """What would be submitted to Slurm, were nothing queued there yet."""
    from benchmark.grid.executor_settings import SlurmSettings
    from benchmark.runs.executors.slurm import batch_script
    from benchmark.runs.executors.tasks import FOLDER, Submission, Submitted, bundles
    from benchmark.runs.order import ordered

    settings = grid.place.settings
    assert isinstance(settings, SlurmSettings)
    parts = bundles(ordered(grid.todo, grid.store), _seconds(grid), size=grid.place.bundle)
    runs = tuple(tuple(job.spec.id for job in part) for part in parts)
    folder = grid.store.folder.absolute().joinpath(*FOLDER, "SUBMISSION")
    submitted = Submitted(folder, Submission(executor=grid.place.executor, runs=runs))
    return batch_script(submitted, settings, title=grid.name, cpus=grid.place.cpus)


def _say(text: str) -> None:
    click.echo(text, err=True)
