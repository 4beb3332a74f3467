"""`noisybench show`: one run, or one plugin with its options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from benchmark.cli.options import add_plugins, results_option


@click.command()
@click.argument("what")
@click.argument("name", required=False)
@results_option
@click.option("--plugin", "plugins", multiple=True, type=click.Path(path_type=Path))
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
    ids = {*store.finished(), *failures}
    matching = sorted(run_id for run_id in ids if run_id.startswith(beginning))
    if len(matching) != 1:
        found = "no run has" if not matching else f"{len(matching)} runs have"
        some = ", ".join(matching[:3] or sorted(ids)[:3]) or "none"
        raise UsageError(
            f"{found} an id that begins with {beginning!r} in {results}; expected one of {len(ids)} ids, such as {some}"
        )
    record = failures.get(matching[0]) or store.read(matching[0])
    if record is None:
        raise UsageError(
            f"the record of {matching[0]} was moved by another process; `noisybench run` with the same suite "
            "makes it again"
        )
    _print_record(record)


def _print_record(record: Mapping[str, Any]) -> None:
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
