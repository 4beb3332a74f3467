"""What the commands on labels share: one data set under one noise, without any training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import add_plugins, place_options, with_folder_options
from benchmark.cli.results import BASELINE

if TYPE_CHECKING:
    from benchmark.datasets.base import Data
    from benchmark.grid.spec import Job


def label_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A data set, a noise and its seed."""
    options: list[Callable[..., Any]] = [
        click.option("--dataset", "-d", required=True, help="digits, pathmnist:size=64, npz:FILE, folder:DIR, ..."),
        click.option("--noise", "-n", required=True, help="symmetric:0.2, instance:0.1, given:worse, ..."),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the noise."),
        click.option("--allow-unidentifiable", is_flag=True, help="Noise under which the true class is outvoted."),
        place_options,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def one_job(
    *,
    dataset: Any,
    noise: Any,
    seed: int,
    data_root: Path,
    results: Path,
    group_by: str | None = None,
    skip_corrupt: bool = False,
    plugins: tuple[Path, ...] = (),
    allow_unidentifiable: bool = False,
    backbone: str = "cnn",
    recipe: dict[str, Any] | None = None,
    device: str = "cpu",
    threads: int = 1,
) -> Job:
    """The one run that these options describe; its method is never trained, only its labels are of interest."""
    from benchmark.errors import UsageError
    from benchmark.grid import suite as suites
    from benchmark.grid.spec import Options
    from benchmark.runs.clean_classifier import attach

    outside = add_plugins(plugins)
    grid = suites.build(
        {
            "datasets": with_folder_options([dataset], group_by, skip_corrupt),
            "backbones": [backbone],
            "methods": [BASELINE],
            "noise": [noise],
            "seeds": [seed],
            "recipe": recipe or {},
        }
    )
    options = Options(
        results=str(results),
        data_root=str(data_root.expanduser()),
        device=device,
        threads=threads,
        allow_unidentifiable=allow_unidentifiable,
    )
    jobs = suites.expand(grid, options, outside)
    if len(jobs) != 1:
        raise UsageError(f"--noise {noise}: {len(jobs)} kinds of noise; expected one, such as symmetric:0.2")
    return attach(jobs[0])


def load(job: Job) -> Data:
    """The job's data, fetched and decoded where that has not been done. Raises DataError, Skipped."""
    from benchmark.cli.progress import fetch_progress
    from benchmark.runs.prepare import load_data, make_dataset_of
    from benchmark.store.store import Store

    with fetch_progress() as report:
        make_dataset_of(job).fetch(report)
    return load_data(job, Store(Path(job.options.results)).cache("data"))
