"""`noisybench table`: the comparison table of records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import UserPath, expand_grid, grid_options

if TYPE_CHECKING:
    from benchmark.grid.job import Job
    from benchmark.store.content import Record
    from benchmark.store.published import Missing
    from benchmark.store.store import Store
    from benchmark.tables.comparison import Marks, Table

BASELINE = "ce"


@click.command()
@grid_options
@click.option("--format", "form", type=click.Choice(["md", "csv"]), default="md", show_default=True)
@click.option(
    "--rule",
    default="val_noisy",
    show_default=True,
    help="Which epoch: val_noisy, last, last5, label_wave, val_clean, oracle_test.",
)
@click.option(
    "--metric",
    default="main",
    show_default=True,
    help="main: each data set's own, see `data info`; accuracy, balanced_accuracy, auroc, ece, ...",
)
@click.option(
    "--with",
    "others",
    multiple=True,
    type=UserPath(),
    metavar="FOLDER",
    help="Join the records of another results folder, or of results/published/FOLDER.",
)
@click.option("--extra", help="Score on this extra test set instead.")
@click.option("--timing", is_flag=True, help="Measured cost too, which differs between equal runs.")
@click.option("--diagnostics", is_flag=True, help="What methods kept, corrected and estimated, against the truth.")
def table(
    suite: str | None,
    form: str,
    rule: str,
    metric: str,
    others: tuple[Path, ...],
    extra: str | None,
    timing: bool,
    diagnostics: bool,
    **options: Any,
) -> None:
    """Print the comparison table of SUITE, of the grid that the options describe, or of all records."""
    from benchmark.store.content import collector_paused
    from benchmark.store.store import Store

    store = Store(options["results"])
    jobs = None
    if suite is not None or options["datasets"]:
        _, jobs = expand_grid(suite, options)
    with collector_paused():
        print_table(
            store,
            jobs,
            suite=suite,
            form=form,
            others=others,
            rule=rule,
            metric=metric,
            extra_test=extra,
            timing=timing,
            diagnostics=diagnostics,
        )


def print_table(store: Store, jobs: list[Job] | None, *, form: str = "md", **choices: Any) -> None:
    """Prints the table of `jobs` (None: of all records) to stdout; `choices` as of `build_table`."""
    from benchmark.report import csv, markdown

    render = csv.render_csv if form == "csv" else markdown.render_markdown
    click.echo(render(build_table(store, jobs, **choices)), nl=False)


def build_table(
    store: Store,
    jobs: list[Job] | None,
    *,
    suite: str | None = None,
    others: tuple[Path, ...] = (),
    rule: str = "val_noisy",
    metric: str = "main",
    **choices: Any,
) -> Table:
    """The table of `jobs` (None: of all records). Raises TableError where it would mislead."""
    from benchmark.cli.doctor import tell_uncounted
    from benchmark.store import published
    from benchmark.tables import frame

    names = None if jobs is None else {job.spec.id: job.labels["dataset"] for job in jobs}
    contents, failures = store.records(frame.fields(rule)), store.failures()
    tell_uncounted(store.folder, contents)
    tell_uncounted(store.folder, failures)
    records = [*contents.records, *failures.records]
    if names is not None:
        # The names of this grid: those of an earlier one may not tell its data sets apart.
        records = [_named(record, names[record["id"]]) for record in records if record["id"] in names]
    expected = list(map(_missing, jobs or ()))
    for other in others:
        joined = published.read(other, frame.fields(rule))
        tell_uncounted(other, joined)
        records += joined.records
        expected += map(missing_run, published.missing(other))
    return table_of(records, expected, rule=rule, metric=metric, suite=suite, **choices)


def table_of(records: Sequence[Record], expected: Sequence[Record], *, metric: str = "main", **choices: Any) -> Table:
    """The table of `records` and of the runs `expected` beside them. Raises TableError where it would mislead."""
    from benchmark.tables import comparison

    marks, defaults = _declared([record["spec"] for record in [*records, *expected]])
    return comparison.build(
        records,
        metric=metric,
        baseline=BASELINE,
        expected=expected,
        marks=marks,
        defaults=defaults,
        **choices,
    )


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


def _declared(specs: list[Mapping[str, Any]]) -> tuple[dict[bytes, Marks], dict[str, Any]]:
    """What methods declare of the configurations in `specs`, and the default options of methods and noise."""
    from benchmark.registry import METHODS, NOISE
    from benchmark.tables.frame import part_key

    different = {id(spec["method"]): spec["method"] for spec in specs}.values()  # records of one segment share parts
    configured = {part_key(method): method for method in different}
    methods = _loaded(METHODS, configured.values())
    marks = {
        key: _marks(methods[identity], part)
        for key, part in configured.items()
        if (identity := (part["name"], part.get("source"))) in methods
    }
    noise = _loaded(NOISE, {id(spec["noise"]): spec["noise"] for spec in specs}.values())
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


def _loaded(registry: Any, parts: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str | None], Any]:
    """Plugins by name and source. Those that are not installed are left out: their rows get no marks."""
    from benchmark.errors import UsageError

    plugins = {}
    for name, source in sorted({(part["name"], part.get("source")) for part in parts}, key=str):
        try:
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
