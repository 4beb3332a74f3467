"""Carries a planned grid out where it belongs: on this machine, on Slurm or on Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from benchmark.cli.planned_grid import PlannedGrid
    from benchmark.runs.executors.base import Executor
    from benchmark.runs.executors.remote import Cluster, Remote


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
    return Remote(grid.store, cluster, shape, recorded=grid.recorded, seconds=_seconds(grid))


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
    remote = _remote(grid, cluster)
    remote.submit(of_this_machine(ordered(grid.todo, grid.store)))
    if remote.adopted:
        _say(f"{remote.adopted} runs are queued or at work already, and are not submitted again")
    for submitted in remote.launched:
        runs, tasks = sum(map(len, submitted.content.runs)), len(submitted.content.runs)
        _say(f"submitted {runs} runs as {tasks} task(s): job {cluster.jobs[submitted.name]} ({submitted.folder})")
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
