"""`noisybench table`: the comparison table of records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.lookup import image_lookup
from benchmark.cli.options import expand_grid, grid_options, names_grid, with_option
from benchmark.errors import UsageError

if TYPE_CHECKING:
    from benchmark.grid.job import Job
    from benchmark.report.layouts.all import Layout
    from benchmark.store.content import Record
    from benchmark.store.published import Missing
    from benchmark.store.store import Store
    from benchmark.tables.comparison import Marks, Table

BASELINE = "ce"
WITH_ROPE = ("leaderboard", "matrix")


@click.command()
@grid_options
@click.option("--format", "form", type=click.Choice(["md", "csv", "latex", "html"]), default="md", show_default=True)
@click.option(
    "--layout",
    default="rates",
    show_default=True,
    help="rates: methods by noise; backbones: by backbone; recipes: by recipe; cost: beside accuracy; tuned: beside "
    "the default; papers: ours beside the figures of papers; leaderboard: places over data sets; matrix: every method "
    "against the first ones.",
)
@click.option(
    "--rope",
    type=float,
    help="Of the layouts leaderboard and matrix: a difference of at most so much is a tie.  [default: 0.01]",
)
@click.option(
    "--rows",
    type=click.Choice(["cells", "runs"]),
    default="cells",
    show_default=True,
    help="Of --format csv: a row per cell, or per run with all metrics by all rules.",
)
@click.option(
    "--rule",
    "rules",
    multiple=True,
    default=["val_noisy"],
    show_default=True,
    help="Which epoch: val_noisy, last, last5, label_wave, val_clean, oracle_test; may be repeated.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    default=["main"],
    show_default=True,
    help="main: each data set's own, see `data info`; accuracy, balanced_accuracy, auroc, ece, ...; may be repeated.",
)
@with_option
@click.option("--extra", help="Score on this extra test set instead.")
@click.option("--timing", is_flag=True, help="Measured cost too, which differs between equal runs.")
@click.option("--diagnostics", is_flag=True, help="What methods kept, corrected and estimated, against the truth.")
def table(
    suite: str | None,
    form: str,
    layout: str,
    rows: str,
    others: tuple[Path, ...],
    extra: str | None,
    timing: bool,
    diagnostics: bool,
    rope: float | None,
    **options: Any,
) -> None:
    """Print the comparison table of SUITE, of the grid that the options describe, or of all records.

    \b
    noisybench table --with human --format latex > human.tex   (booktabs; the first lines say what it needs)
    noisybench table --layout cost --rule val_noisy --rule last
    noisybench table --layout leaderboard --rule val_noisy --rule last
    noisybench table --format csv --rows runs > runs.csv
    """
    from benchmark.store.content import collector_paused
    from benchmark.store.store import Store

    layout_of = _layout(layout, form, rows)
    if rope is not None and layout not in WITH_ROPE:
        raise UsageError(
            f"--rope decides what a tie is in the layouts {' and '.join(WITH_ROPE)}, and {layout} has none"
        )
    if rope is not None and not 0 <= rope < 1:
        raise UsageError(f"--rope {rope:g} is no difference of a metric; expected a number from 0 to 1, such as 0.01")
    choices: dict[str, Any] = {} if rope is None else {"rope": rope}
    store = Store(options["results"])
    jobs = None
    if names_grid(suite, options):
        _, jobs = expand_grid(suite, options)
    with collector_paused():
        if rows == "runs":
            _refuse_choices("rules", "metrics", "extra", "timing", "diagnostics")
            click.echo(_csv_of_runs(store, jobs, others), nl=False)
            return
        tables = build_tables(
            store,
            jobs,
            suite=suite,
            others=others,
            rules=tuple(dict.fromkeys(options["rules"])),
            metrics=tuple(dict.fromkeys(options["metrics"])),
            extra_test=extra,
            timing=timing,
            diagnostics=diagnostics,
            images=image_lookup(store, others),
            **choices,
        )
        click.echo(_written(tables, form, layout, layout_of), nl=False)


def print_table(store: Store, jobs: list[Job], suite: str) -> None:
    """Prints the table of a suite's `jobs` to stdout, as `noisybench table SUITE` does."""
    from benchmark.report.layouts.all import LAYOUTS

    tables = build_tables(store, jobs, rules=("val_noisy",), suite=suite)
    click.echo(_written(tables, "md", "rates", LAYOUTS["rates"]), nl=False)


def _written(tables: list[Table], form: str, name: str, layout: Layout) -> str:
    from benchmark.report import FORMATS
    from benchmark.report.csv import render_csv

    return render_csv(tables, name) if form == "csv" else FORMATS[form](layout(tables))


def _layout(name: str, form: str, rows: str) -> Layout:
    """The layout of this name. Raises UsageError where there is none, or where options do not go together."""
    from benchmark.report.csv import ROWS
    from benchmark.report.layouts.all import LAYOUTS

    if name not in LAYOUTS:
        raise UsageError(f"unknown layout {name!r}; expected one of {', '.join(LAYOUTS)} (--layout)")
    if form == "csv" and name not in ROWS:
        raise UsageError(
            f"--layout {name} chooses what md, latex and html show, and a CSV file has every figure of every cell; "
            "leave --layout out, or choose another --format"
        )
    if form != "csv" and rows != "cells":
        raise UsageError(f"--rows {rows} belongs to --format csv, not to {form}")
    if rows == "runs" and name != "rates":
        raise UsageError(f"--layout {name} has no runs in its rows; leave --layout or --rows out")
    return LAYOUTS[name]


def _refuse_choices(*names: str) -> None:
    """Raises UsageError where one of these options of the command was given."""
    from click.core import ParameterSource

    context = click.get_current_context()
    given = [name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        option = given[0].removesuffix("s") if given[0] in ("rules", "metrics") else given[0]
        raise UsageError(
            f"--{option} chooses what cells hold, and --rows runs has every metric by every rule; leave it out"
        )


def _csv_of_runs(store: Store, jobs: list[Job] | None, others: tuple[Path, ...]) -> str:
    from benchmark.report.csv import render_rows
    from benchmark.tables import frame
    from benchmark.tables.comparable import TableError
    from benchmark.tables.run_rows import FIELDS, run_rows

    records = [record for record, _ in frame.unique(_records(store, jobs, others, FIELDS)).values()]
    if not records:
        raise TableError("there are no runs to list; `noisybench run SUITE` makes some (--results DIR)")
    return render_rows(run_rows(records))


def _records(store: Store, jobs: list[Job] | None, others: tuple[Path, ...], fields: Sequence[str]) -> list[Record]:
    """What is read of the runs of `jobs` (None: of all runs) and of those in the folders `others`."""
    from benchmark.cli.doctor import tell_uncounted
    from benchmark.store import published

    names = None if jobs is None else {job.spec.id: job.labels["dataset"] for job in jobs}
    contents, failures = store.records(fields), store.failures()
    tell_uncounted(store.folder, contents)
    tell_uncounted(store.folder, failures)
    records = [*contents.records, *failures.records]
    if names is not None:
        # The names of this grid: those of an earlier one may not tell its data sets apart.
        records = [_named(record, names[record["id"]]) for record in records if record["id"] in names]
    if others and jobs is None and records:
        beside = ", ".join(map(str, others))
        click.echo(
            f"{len(records):,} runs of {store.folder} stand beside those of {beside}; another --results leaves them "
            "out",
            err=True,
        )
    for other in others:
        joined = published.read(other, fields)
        tell_uncounted(other, joined)
        records += joined.records
    return records


def build_tables(
    store: Store,
    jobs: list[Job] | None,
    *,
    rules: tuple[str, ...],
    others: tuple[Path, ...] = (),
    equal_seeds: bool = False,
    **choices: Any,
) -> list[Table]:
    """A table of `jobs` (None: of all records) for every metric and rule. Raises TableError where it would mislead.

    `equal_seeds`: only runs with seeds that both `jobs` and the runs of `others` have, where there are such.
    """
    records, expected = gathered(store, jobs, others, rules)
    if equal_seeds:
        own = {job.spec.id for job in jobs or ()}
        mine, theirs = ({_seeds(r) for r in records if (r["id"] in own) == is_own} for is_own in (True, False))
        common = mine & theirs or mine | theirs
        records, expected = ([r for r in listed if _seeds(r) in common] for listed in (records, expected))
    return tables_of(records, expected, rules=rules, **choices)


def gathered(
    store: Store, jobs: list[Job] | None, others: tuple[Path, ...], rules: tuple[str, ...]
) -> tuple[list[Record], list[Record]]:
    """The records of `jobs` (None: all) and of the folders `others`, and the runs that should have one."""
    from benchmark.store import published
    from benchmark.tables import frame
    from benchmark.tables.comparable import TableError

    records = _records(store, jobs, others, sorted({field for rule in rules for field in frame.fields(rule)}))
    if jobs and not records:
        raise TableError(f"{store.folder} holds no runs of this grid; `noisybench run` makes them (--results DIR)")
    lacking = [run for other in others for run in published.missing(other)]
    return records, [*map(_missing, jobs or ()), *map(missing_run, lacking)]


def _seeds(record: Record) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(record["spec"]["seeds"].items()))


def tables_of(
    records: Sequence[Record],
    expected: Sequence[Record],
    *,
    rules: Sequence[str],
    metrics: Sequence[str] = ("main",),
    own_plugins: bool = False,
    **choices: Any,
) -> list[Table]:
    """The tables of `records` and of the runs `expected` beside them, for every metric and rule.

    `own_plugins`: only the cards of the project's own plugins are read, so that everybody gets the same tables.
    """
    from benchmark.tables import comparison

    marks, defaults = _declared([record["spec"] for record in [*records, *expected]], own_plugins)
    return [
        comparison.build(
            records,
            rule=rule,
            metric=metric,
            baseline=BASELINE,
            expected=expected,
            marks=marks,
            defaults=defaults,
            **choices,
        )
        for metric in metrics
        for rule in rules
    ]


def table_of(
    records: Sequence[Record], expected: Sequence[Record], *, rule: str, metric: str = "main", **choices: Any
) -> Table:
    """One of `tables_of`."""
    (table,) = tables_of(records, expected, rules=(rule,), metrics=(metric,), **choices)
    return table


def check_table(jobs: list[Job]) -> None:
    """Raises TableError where the records of `jobs` could not stand in one table; says what it will lack."""
    table_of([], list(map(_missing, jobs)), rule="val_noisy")
    if all(job.spec.method.name != BASELINE for job in jobs):
        click.echo(f"the grid has no runs of {BASELINE}: its table will show no differences from it", err=True)


def _missing(job: Job) -> Record:
    """What a table knows of a run without a record."""
    return _named({"spec": job.spec.model_dump(mode="json")}, job.labels["dataset"])


def missing_run(run: Missing) -> Record:
    """The same of a run that a published folder lacks."""
    return _named({"spec": run["spec"]}, run["labels"]["dataset"])


def _named(record: Record, dataset: str) -> Record:
    """`record` with this name for its data set."""
    from benchmark.store.content import with_provenance

    labels = (record.get("provenance") or {}).get("labels") or {}
    return with_provenance(record, labels={**labels, "dataset": dataset})


def _declared(specs: list[Mapping[str, Any]], own_plugins: bool) -> tuple[dict[bytes, Marks], dict[str, Any]]:
    """What methods declare of the configurations in `specs`, and the default options of methods and noise."""
    from benchmark.registry import METHODS, NOISE
    from benchmark.tables.frame import part_key

    different = {id(spec["method"]): spec["method"] for spec in specs}.values()  # records of one segment share parts
    configured = {part_key(method): method for method in different}
    methods = _loaded(METHODS, configured.values(), own_plugins)
    marks = {
        key: _marks(methods[identity], part)
        for key, part in configured.items()
        if (identity := (part["name"], part.get("source"))) in methods
    }
    noise = _loaded(NOISE, {id(spec["noise"]): spec["noise"] for spec in specs}.values(), own_plugins)
    defaults = {
        part: {name: _defaults(plugin) for (name, _), plugin in plugins.items()}
        for part, plugins in (("method", methods), ("noise", noise))
    }
    return marks, defaults


def _marks(plugin: Any, part: Mapping[str, Any]) -> Marks:
    from pydantic import ValidationError

    from benchmark.tables.comparison import Marks

    card = plugin.card
    try:
        needs = plugin.requires(plugin.Config.model_validate(part.get("config") or {}))
    except ValidationError:  # of an earlier version, with other options, or with files that are not here
        needs = card.needs
    return Marks(frozenset(needs), f"{card.cost:g}x", card.networks_at_test, card.plain_phases, card.early_phases)


def _loaded(registry: Any, parts: Iterable[Mapping[str, Any]], own_plugins: bool) -> dict[tuple[str, str | None], Any]:
    """Plugins by name and source. Those that are not installed are left out, and with `own_plugins` those from outside
    the project: their rows get no marks."""
    plugins = {}
    for name, source in sorted({(part["name"], part.get("source")) for part in parts}, key=str):
        try:
            if own_plugins and (source or registry.find(name).external):
                continue
            plugins[name, source] = registry.load(name, source)
        except UsageError:
            continue
    return plugins


def _defaults(plugin: Any) -> dict[str, Any]:
    """Default options as a record holds them: validated, and in JSON, where a tuple is a list."""
    from pydantic import create_model

    fields = plugin.Config.model_fields.items()
    optional: dict[str, Any] = {name: (field.annotation, field) for name, field in fields if not field.is_required()}
    return create_model("Defaults", **optional)().model_dump(mode="json")
