"""`noisybench show`: one run, or one plugin with its options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import UserPath, add_plugins, results_option
from benchmark.cli.selection import matching

if TYPE_CHECKING:
    from benchmark.store.content import Record
    from benchmark.store.schema import Curve

LONGEST_LIST = 16
LONGEST_TEXT = 80


@click.command()
@click.argument("what")
@click.argument("name", required=False)
@results_option
@click.option("--plugin", "plugins", multiple=True, type=UserPath())
def show(what: str, name: str | None, results: Path, plugins: tuple[Path, ...]) -> None:
    """Show a run (RUN_ID, or its beginning), or a plugin and its options.

    \b
    noisybench show 3f2a
    noisybench show method gce                 (or noise, dataset, backbone)
    """
    if name is not None:
        from benchmark.cli.show_plugin import show_plugin

        add_plugins(plugins)
        show_plugin(what, name)
    else:
        _show_run(what, results)


def _show_run(beginning: str, results: Path) -> None:
    from benchmark.errors import UsageError
    from benchmark.store.store import Store

    store = Store(results)
    failures = {failure["id"]: failure for failure in store.failures().records}
    run_id = matching(beginning, {*store.finished(), *failures}, str(results))
    record = failures.get(run_id) or store.read(run_id)
    if record is None:
        raise UsageError(
            f"the record of {run_id} was moved by another process; `noisybench run` with the same suite makes it again"
        )
    _print_record(record)


def _print_record(record: Record) -> None:
    from benchmark.store import schema

    schema.check(record, f"the record of {record['id']}")
    click.echo(f"run {record['id']}: {record['state']} {record.get('reason') or ''}".rstrip())
    _print_rate(record.get("noise") or {})
    for name in sorted(record.keys() - {"id", "state", "reason", "schema", "curve"}):
        if record[name]:
            click.echo(f"{name}:")
            click.echo(json.dumps(_summary(record[name]), indent=2, sort_keys=True, ensure_ascii=False))
    if record.get("curve"):
        _print_curve(record["curve"])


def _print_rate(noise: Mapping[str, Any]) -> None:
    """The estimate of the noise rate that a blind method was given; nothing where it was given none."""
    if noise.get("estimated_rate") is None:
        return
    rate, interval = f"{noise['estimated_rate']:.3f}", noise.get("estimate_interval")
    if noise.get("estimate_doubt"):
        click.echo(f"noise rate: cannot tell: {noise['estimate_doubt']}; the method was given {rate}")
    else:
        ends = "" if interval is None else f" (95 % interval {interval[0]:.3f} to {interval[1]:.3f})"
        click.echo(f"noise rate: estimated as {rate}{ends}")


def _print_curve(curve: Curve) -> None:
    click.echo("epoch  phase       lr        loss    train   val     test    true    memorized  changed")
    columns = [
        curve["train"].get("loss"),
        curve["train"].get("accuracy"),
        (curve["val_noisy"] or {}).get("accuracy"),
        (curve["test"] or {}).get("accuracy"),
        (curve["memorization"] or {}).get("true"),
        (curve["memorization"] or {}).get("memorized"),
        curve["changed"],
    ]
    for epoch, (phase, lr) in enumerate(zip(curve["phase"], curve["lr"], strict=True)):
        figures = [None if column is None else column[epoch] for column in columns]
        cells = ["" if figure is None else format(figure, ".3f") for figure in figures]
        *first, memorized, changed = cells
        line = "".join(f"{cell:8}" for cell in first) + f"{memorized:11}{changed}"
        click.echo(f"{epoch + 1:5}  {phase[:10]:10}  {lr or 0:<8.2g}  {line}".rstrip())


def _summary(value: Any) -> Any:
    """`value` with every matrix, long list and long text in one line: a run of 100 classes must fit a screen."""
    if isinstance(value, dict):
        return {name: _summary(inner) for name, inner in value.items()}
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else f"{value[:16]}... ({len(value)} characters)"
    if not isinstance(value, list) or not value:
        return value
    if isinstance(value[0], list):
        diagonal = [row[i] for i, row in enumerate(value) if i < len(row)]
        return f"{len(value)} x {len(value[0])}, diagonal {_span(diagonal)}"
    numbers = all(inner is None or isinstance(inner, int | float) for inner in value)
    return _span(value) if numbers else [_summary(inner) for inner in value[:LONGEST_LIST]]


def _span(values: list[float | None]) -> str:
    """Values in a line, as many as fit; of more of them their number and range."""
    if len(values) <= LONGEST_LIST:
        return " ".join("-" if value is None else f"{value:.4g}" for value in values)
    known = [value for value in values if value is not None]
    return f"{len(values)} values" + (f" in {min(known):.4g} .. {max(known):.4g}" if known else "")
