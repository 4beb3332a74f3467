"""Shared by the commands that use kept models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import UserPath, results_option
from benchmark.cli.selection import known_runs, matching

if TYPE_CHECKING:
    from benchmark.store.content import Record
    from benchmark.store.store import Store


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where a model is computed, and where what it needs lies."""
    options: list[Callable[..., Any]] = [
        click.option(
            "--weights",
            multiple=True,
            type=UserPath(exists=True, dir_okay=False),
            help="Weights file of the run's backbone, where it does not lie where it lay then; may be repeated.",
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
        click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Torch threads."),
        click.option("--plugin", "plugins", multiple=True, type=UserPath(), help="A file with a plugin of the run."),
        results_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def record_of(beginning: str, store: Store) -> Record:
    """The record of the run whose id begins so. Raises UsageError where there is none, or several."""
    from benchmark.errors import UsageError

    run_id = ended(beginning, store)
    record = store.read(run_id)
    if record is None:
        raise UsageError(f"the record of {run_id} was moved by another process; repeat the command")
    return record


def ended(beginning: str, store: Store) -> str:
    """The id of the run with a record that begins so. Raises UsageError where there is none, or several."""
    from benchmark.errors import UsageError
    from benchmark.store.store import run_id_of

    finished = store.finished()
    others = {one for one in known_runs(store) - finished if one.startswith(beginning.lower())}
    if not others or any(one.startswith(beginning.lower()) for one in finished):
        return matching(beginning, finished, str(store.folder))
    run_id = matching(beginning, others, str(store.folder))
    if run_id in map(run_id_of, store.attempts()):
        raise UsageError(f"run {run_id} failed; `noisybench logs {beginning}` shows why")
    raise UsageError(f"run {run_id} has not ended; `noisybench status` says how far it is")


def by_digest(weights: tuple[Path, ...]) -> dict[str, str]:
    """Content digest -> absolute path."""
    from benchmark.store.digests import digest

    return {digest(path): str(path.absolute()) for path in weights}


def name_of(record: Record) -> str:
    """For people: data set, backbone, method and noise."""
    spec, labels = record["spec"], record["provenance"]["labels"]
    names = [
        labels.get("dataset", spec["dataset"]["name"]),
        *(spec[k]["name"] for k in ("backbone", "method", "noise")),
    ]
    return f"run {record['id']} ({'/'.join(names)})"
