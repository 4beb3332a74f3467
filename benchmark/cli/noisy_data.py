"""Shared by the noise and suspects commands: one data set under one kind of noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import add_plugins, place_options, say_what_takes_time, with_folder_options

if TYPE_CHECKING:
    from benchmark.datasets.base import Data
    from benchmark.runs.noisy_data import NoisyData


def label_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A data set, a noise and its seed."""
    options: list[Callable[..., Any]] = [
        click.option("--dataset", "-d", required=True, help="digits, pathmnist:size=64, npz:FILE, folder:DIR, ..."),
        click.option("--noise", "-n", required=True, help="symmetric:0.2, instance:0.1, given:worse, ..."),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the noise."),
        click.option("--allow-unidentifiable", is_flag=True, help="Allow noise whose T is not diagonally dominant."),
        place_options,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def read_noisy_data(
    *,
    dataset: Any,
    noise: Any,
    seed: int,
    data_root: Path,
    results: Path,
    group_by: str | None = None,
    skip_corrupt: bool = False,
    plugins: tuple[Path, ...] = (),
    **settings: Any,
) -> NoisyData:
    """The data set and noise that these options describe."""
    say_what_takes_time("reading the data set and the noise")
    from benchmark.grid.plugin_ref import PluginRef
    from benchmark.runs.noisy_data import make_noisy_data

    add_plugins(plugins)
    (described,) = with_folder_options([dataset], group_by, skip_corrupt)
    return make_noisy_data(
        described,
        PluginRef.of(noise),
        seed,
        data_root=data_root.absolute(),
        results=results.absolute(),
        say=lambda text: click.echo(f"classifier: {text}", err=True),
        **settings,
    )


def load(noisy: NoisyData, results: Path) -> Data:
    """The data, fetched and decoded where that has not been done. Raises DataError, Skipped."""
    from benchmark.cli.progress import fetch_progress
    from benchmark.store.store import Store

    with fetch_progress() as report:
        for source in (noisy.source, noisy.noise.outside):
            if source is not None:
                source.dataset.fetch(report)
    return noisy.source.load(Store(results).cache("data"))


def raters_named(typed: str) -> tuple[str, ...]:
    """The names that --raters gives. Raises UsageError where one comes twice: nobody counts twice."""
    from benchmark.errors import UsageError

    names = tuple(filter(None, (name.strip() for name in typed.split(","))))
    if len(set(names)) < len(names):
        raise UsageError(f"--raters {typed}: a rater is named twice; expected different names, A,B,C")
    return names
