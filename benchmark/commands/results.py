"""`noisybench table`, `status` and `show`: what the records say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands.options import expand_grid, grid_options, results_option

if TYPE_CHECKING:
    from benchmark.spec import Job
    from benchmark.store import Store

BASELINE = "ce"


@click.command()
@grid_options
@click.option("--format", "form", type=click.Choice(["md", "csv"]), default="md", show_default=True)
@click.option("--rule", default="val_noisy", show_default=True, help="val_noisy, last, last5, val_clean, oracle_test.")
@click.option("--metric", default="accuracy", show_default=True, help="balanced_accuracy, auroc, f1, ece, nll, ...")
@click.option("--with", "others", multiple=True, type=click.Path(path_type=Path), help="Join another folder's records.")
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
    **given: Any,
) -> None:
    """Print the comparison table of SUITE, of the grid that the options describe, or of all records."""
    from benchmark.segments import collector_paused
    from benchmark.store import Store

    store = Store(given["results"])
    jobs = None
    if suite is not None or given["datasets"]:
        _, jobs = expand_grid(suite, given)
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


def print_table(
    store: Store,
    jobs: list[Job] | None,
    *,
    suite: str | None = None,
    form: str = "md",
    others: tuple[Path, ...] = (),
    rule: str = "val_noisy",
    metric: str = "accuracy",
    **choices: Any,
) -> None:
    """Prints the table of `jobs` (None: of all records) to stdout."""
    from benchmark import frames, tables
    from benchmark.report import csv, markdown
    from benchmark.store import Store

    wanted = None if jobs is None else {job.spec.id for job in jobs}
    contents = store.records(frames.fields(rule))
    records = [*contents.records, *store.failures().values()]
    if wanted is not None:
        records = [record for record in records if record["id"] in wanted]
    for folder in others:
        records += Store(folder).records(frames.fields(rule)).records
    for path, reason in contents.quarantined:
        click.echo(f"not counted: {path} ({reason})", err=True)
    names = {record["spec"]["method"]["name"] for record in records} | {
        job.spec.method.name for job in jobs or ()
    }
    kinds = {record["spec"]["noise"]["name"] for record in records}
    marks, defaults = _declared(names, kinds)
    made = tables.build(
        records,
        rule=rule,
        metric=metric,
        baseline=BASELINE,
        expected=None if jobs is None else [job.spec.model_dump(mode="json") for job in jobs],
        suite=suite,
        needs=marks,
        defaults=defaults,
        **choices,
    )
    render = csv.render_csv if form == "csv" else markdown.render_markdown
    click.echo(render(made), nl=False)


def _declared(methods: set[str], noise: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the methods declare of themselves, and the default options of methods and noise."""
    from benchmark.registry import METHODS, NOISE
    from benchmark.tables import Marks

    found = _loaded(METHODS, methods)
    marks = {name: Marks(plugin.needs, plugin.cost, plugin.networks_at_test) for name, plugin in found.items()}
    defaults = {
        part: {name: _defaults(plugin) for name, plugin in plugins.items()}
        for part, plugins in (("method", found), ("noise", _loaded(NOISE, noise)))
    }
    return marks, defaults


def _loaded(registry: Any, names: set[str]) -> dict[str, Any]:
    """Plugins by name; the record of a plugin that is not here shows what it holds, without marks."""
    from benchmark.errors import UsageError

    found = {}
    for name in sorted(names):
        try:
            found[name] = registry.load(name)
        except UsageError:
            continue
    return found


def _defaults(plugin: Any) -> dict[str, Any]:
    fields = plugin.Config.model_fields.items()
    return {name: field.default for name, field in fields if not field.is_required()}


@click.command()
@grid_options
def status(suite: str | None, **given: Any) -> int:
    """Count the runs by state, and say why those that failed did."""
    from benchmark.store import Store

    store = Store(given["results"])
    contents = store.records(("state", "reason"))
    failures = store.failures()
    if suite is not None or given["datasets"]:
        grid, jobs = expand_grid(suite, given)
        ids = {job.spec.id for job in jobs}
        states = {record["id"]: record["state"] for record in contents.records}
        states |= dict.fromkeys(failures, "failed")
        counts = Counter(states.get(run_id, "missing") for run_id in ids)
        failures = {run_id: record for run_id, record in failures.items() if run_id in ids}
        click.echo(f"suite {grid.name}: {len(ids)} runs")
    else:
        counts = Counter(record["state"] for record in contents.records)
        counts["failed"] += len(failures)
    for state, count in sorted(counts.items()):
        if count:
            click.echo(f"{state:10} {count}")
    for record in contents.records:
        if record["state"] in ("diverged", "skipped"):
            click.echo(f"{record['id']}  {record['state']}: {record['reason']}")
    for run_id, record in sorted(failures.items()):
        error = record["error"]
        click.echo(f"{run_id}  failed: {error['class']}: {error['message']}  (log: {error['log']})")
    for path, reason in contents.quarantined:
        click.echo(f"quarantined {path}: {reason}")
    return 1 if failures or contents.quarantined else 0


@click.command()
@click.argument("what")
@click.argument("name", required=False)
@results_option
def show(what: str, name: str | None, results: Path) -> None:
    """Show a run (RUN_ID, or its beginning), or a method: `show method gce`."""
    if what == "method" and name is not None:
        _show_method(name)
        return
    from benchmark.errors import UsageError
    from benchmark.store import Store

    store = Store(results)
    failures = store.failures()
    ids = {*store.finished(), *failures}
    matching = sorted(run_id for run_id in ids if run_id.startswith(what))
    if len(matching) != 1:
        found = "no run has" if not matching else f"{len(matching)} runs have"
        some = ", ".join(matching[:3] or sorted(ids)[:3]) or "none"
        raise UsageError(
            f"{found} an id that begins with {what!r} in {results}; expected one of {len(ids)} ids, such as {some}"
        )
    record = failures.get(matching[0]) or store.read(matching[0])
    if record is None:
        raise UsageError(
            f"the record of {matching[0]} could not be read and was moved to {results / 'quarantine'}; "
            "`noisybench run` with the same suite makes it anew"
        )
    _show_run(record)


def _show_run(record: dict[str, Any]) -> None:
    import orjson

    def block(title: str, value: Any) -> None:
        click.echo(f"{title}:")
        click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode())

    click.echo(f"run {record['id']}: {record['state']} {record.get('reason') or ''}".rstrip())
    for part in ("spec", "metrics", "extra_metrics", "noise", "diagnostics", "error", "provenance", "timing"):
        if record.get(part):
            block(part, record[part])
    if not record.get("curve"):
        return
    click.echo("epoch  lr        loss    train   val     test    true    memorized")
    for entry in record["curve"]:
        wrong = entry["memorization"] or {}
        cells = (
            entry["train"].get("loss"),
            entry["train"].get("accuracy"),
            entry["val_noisy"]["accuracy"],
            entry["test"]["accuracy"],
            wrong.get("true"),
            wrong.get("memorized"),
        )
        figures = "".join(f"{'' if value is None else format(value, '.3f'):8}" for value in cells)
        click.echo(f"{entry['epoch']:5}  {entry['lr']:<8.2g}  {figures}".rstrip())


def _show_method(name: str) -> None:
    import inspect

    from benchmark.registry import METHODS

    plugin = METHODS.load(name)
    module = inspect.getmodule(plugin)
    click.echo(f"{name}: {inspect.cleandoc((module and module.__doc__) or '')}\n")
    click.echo(inspect.cleandoc(plugin.__doc__ or ""))
    click.echo("")
    facts = {
        "family": plugin.family,
        "version": plugin.version,
        "needs": ", ".join(sorted(plugin.needs)) or "nothing",
        "cost": plugin.cost,
        "networks at test": plugin.networks_at_test,
        "phases": ", ".join(plugin.phases),
        "proof": plugin.proof,
        "fidelity": plugin.fidelity,
        "reproduction": plugin.reproduction,
        "file": METHODS.find(name).origin,
    }
    for key, value in facts.items():
        click.echo(f"{key + ':':18}{value}")
    click.echo("options:" if plugin.Config.model_fields else "options: none")
    for field, info in plugin.Config.model_fields.items():
        bounds = ", ".join(str(item) for item in info.metadata)
        kind = getattr(info.annotation, "__name__", str(info.annotation))
        note = f"  {info.description}" if info.description else ""
        click.echo(f"  {field}: {kind} = {info.default!r}{f'  [{bounds}]' if bounds else ''}{note}")
