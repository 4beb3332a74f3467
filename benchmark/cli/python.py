"""The Python face: `from benchmark import load_results, run_suite`."""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


class ResultsWarning(UserWarning):
    """A file of a results folder does not count."""


def load_results(*places: str | Path) -> pd.DataFrame:
    """A DataFrame with a row per run of results folders and published ones, joined; see `run_rows` for its columns.

    A published folder is named by its path or, in a checkout, by its name alone: `load_results("digits")`. Files that
    are broken do not count and are named in a ResultsWarning. Raises UsageError where there are no results,
    StoreError where a file cannot be read, TableError where two folders hold different results of one run.
    """
    from benchmark.store import published
    from benchmark.tables.frame import unique
    from benchmark.tables.run_rows import FIELDS, run_rows

    records = []
    for place in places or ("results",):
        contents = published.read(Path(place), FIELDS)
        for path, reason in contents.broken:
            warnings.warn(f"not counted: {path} ({reason})", ResultsWarning, stacklevel=2)
        records += contents.records
    return run_rows([record for record, _ in unique(records).values()])


def run_suite(suite: str | Path | None = None, **options: Any) -> pd.DataFrame:
    """Runs a suite, by its name or .toml file, and returns its runs as `load_results` does.

    `options` are those of `noisybench run` with their long names, "_" for "-", and lists for what may be repeated:
    `run_suite("quick", method=["ce", "gce:q=0.5"], seeds=2, results="out")`. Without a suite they describe the grid.
    Finished runs are not run again; progress goes to stderr. Failed runs are rows of state "failed". Raises
    UsageError, and what else the command would print.
    """
    from benchmark.cli.run import carry_out, plan_grid, run
    from benchmark.store.content import Record
    from benchmark.tables.run_rows import FIELDS, run_rows

    for name in {"dry_run", "no_table"} & options.keys():
        raise UsageError(f"run_suite has no option {name}: it runs, and prints no table")
    try:
        settings = run.make_context("run", _arguments(suite, options)).params
    except click.UsageError as error:
        raise UsageError(f"run_suite: {error.format_message()}") from None
    with _main_not_imported():
        grid = plan_grid(settings.pop("suite"), settings)
        carry_out(grid)
    records: dict[str, Record] = {}
    for contents in (grid.store.failures(), grid.store.records(FIELDS)):
        records |= {record["id"]: record for record in contents.records}
    return run_rows([records[job.spec.id] for job in grid.jobs if job.spec.id in records])


def _arguments(suite: str | Path | None, options: dict[str, Any]) -> list[str]:
    """As they are typed on a command line."""
    arguments = [] if suite is None else [str(suite)]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is None or value is False:
            continue
        if value is True:
            arguments.append(option)
            continue
        for item in value if isinstance(value, list | tuple) else [value]:
            arguments += [option, str(item)]
    return arguments


@contextmanager
def _main_not_imported() -> Iterator[None]:
    """Hides the user's script from worker processes, which would import it, and so run it, once more each."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
