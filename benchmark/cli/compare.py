"""`noisybench compare`: a method of one's own against those of a published table, without running these again."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from benchmark.cli.options import UserPath
from benchmark.cli.run import run
from benchmark.errors import UsageError
from benchmark.grid.spec import PROTOCOL


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("method")
@click.option(
    "--with", "other", required=True, type=UserPath(), metavar="FOLDER", help="A published folder, or its name."
)
@click.option("--rule", default="val_noisy", show_default=True, help="As of `table`.")
@click.option("--metric", default="main", show_default=True, help="As of `table`.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF run]...")
def compare(method: str, other: Path, rule: str, metric: str, arguments: tuple[str, ...]) -> int:
    """Run METHOD on the grid of a published folder, and print its place among all methods there.

    METHOD is a file with a method (mine.py, mine.py:Class, mine.py:option=value), or a method as of `run --method`.
    Only its runs are carried out; those of the others are read from the folder. Further options are those of `run`,
    such as --seeds, --slots, --results, and the data set where the folder's is a file of yours (-d npz:FILE).

    \b
    noisybench compare mine.py --with digits
    noisybench compare gce:q=0.5 --with pbc-linear -d npz:pbc_28.npz
    """
    from benchmark.cli.results import build_tables
    from benchmark.cli.run import carry_out, plan_grid
    from benchmark.grid.faults import SuiteError
    from benchmark.report.layouts.contender import document
    from benchmark.report.markdown import render_markdown

    chosen = _of_file(*parts.groups()) if (parts := _FILE.fullmatch(method)) else ["--method", method]
    suite = _suite(other)
    if "--dry-run" in arguments:
        typed = shlex.join(["noisybench", "run", str(suite), *chosen, *arguments])
        raise UsageError(f"compare prints what runs gave; leave --dry-run out, or type `{typed}`")
    _check_protocol(other)
    parsed = run.make_context("run", [str(suite), *chosen, "--no-table", *arguments])
    options = {name: value for name, value in parsed.params.items() if name != "suite"}
    try:
        grid = plan_grid(parsed.params["suite"], options)
    except SuiteError as error:
        if any(absent in fault for fault in error.faults for absent in ("does not exist", "does not point to a file")):
            raise UsageError(f"{error}\n{_FILES_OF_YOURS}") from None
        raise
    build_tables(grid.store, [], others=(other,), rules=(rule,), metrics=(metric,))  # refuses them before a run is made
    states = carry_out(grid)
    tables = build_tables(grid.store, grid.jobs, others=(other,), rules=(rule,), metrics=(metric,), equal_seeds=True)
    click.echo(render_markdown(document(tables, {job.spec.id for job in grid.jobs})), nl=False)
    return 1 if "failed" in states.values() else 0


_FILES_OF_YOURS = (
    "a published folder holds no images and no weights; name yours as of `run`, such as -d npz:FILE and "
    "-b NAME:weights=FILE; the comments of its suite.toml say which they are"
)

_FILE = re.compile(r"([^=]*?\.py)(:[^:=]+)?(:.*=.*)?", re.DOTALL)
"""mine.py, with a class, options of the method, or both behind it; no method with an option that names one."""


def _of_file(file: str, chosen: str | None, options: str | None) -> list[str]:
    """The options of `run` that name the methods of a file."""
    plugin = f"{file}{chosen or ''}"
    methods = [f"{name}{options or ''}" for name in _names(Path(plugin))]
    return [*(word for method in methods for word in ("--method", method)), "--plugin", plugin]


def _names(plugin: Path) -> list[str]:
    """The methods in a plugin file."""
    from benchmark.registry import METHODS, add_plugin_file

    names = [entry.name for registry, entry in add_plugin_file(plugin) if registry is METHODS]
    if not names:
        raise UsageError(
            f"{plugin} holds no method; expected a class that derives from Method: `noisybench new method`"
        )
    return names


def _check_protocol(other: Path) -> None:
    """Raises UsageError where the folder's runs could stand in no block with runs of this version."""
    from benchmark.store import published

    found = {record["spec"]["protocol"] for record in published.read(other, ("spec",)).records}
    if PROTOCOL not in found:
        theirs = ", ".join(map(str, sorted(found)))
        raise UsageError(
            f"{other} holds runs of protocol {theirs}, and this version makes runs of protocol {PROTOCOL}, which "
            f"are never compared with them; expected a folder of protocol {PROTOCOL}"
        )


def _suite(other: Path) -> Path:
    from benchmark.store import published

    path = published.located(other) / "suite.toml"
    if not path.is_file():
        raise UsageError(
            f"{other} holds no suite.toml, so its grid is not known; expected a folder that `noisybench publish` made, "
            f"such as {', '.join(published.names())}"
        )
    return path
