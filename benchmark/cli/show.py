"""`noisybench show`: one run, or one plugin with its options."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from benchmark.cli import card
from benchmark.cli.options import add_plugins, results_option

UNBROKEN: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


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
        add_plugins(plugins)
        _show_plugin(what, name)
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


def _show_plugin(kind: str, name: str) -> None:
    import inspect

    from benchmark.errors import UsageError
    from benchmark.registry import ALL, METHODS

    registry = next((r for r in ALL if kind in (r.plural, r.kind.replace(" ", ""))), None)
    if registry is None:
        kinds = ", ".join(r.kind.replace(" ", "") for r in ALL)
        raise UsageError(f"there is no kind of plugin {kind!r}; expected one of {kinds}, such as `show method {name}`")
    plugin = registry.load(name)
    module = inspect.getmodule(plugin)
    told = [inspect.cleandoc(text) for text in (module and module.__doc__, plugin.__doc__) if text]
    click.echo(f"{name}: " + "\n\n".join(told) + "\n")
    facts = {"version": plugin.version, "file": registry.find(name).origin}
    if registry is METHODS:
        facts = card.facts(plugin.card) | facts
    for key, value in facts.items():
        click.echo(textwrap.fill(f"{key + ':':18}{value}", 100, subsequent_indent=" " * 18, **UNBROKEN))
    fields = plugin.Config.model_json_schema().get("properties", {})
    click.echo("options:" if fields else "options: none")
    for field, schema in fields.items():
        default = f", default {json.dumps(schema['default'])}" if "default" in schema else ", required"
        note = f"\n      {schema['description']}" if "description" in schema else ""
        click.echo(f"  {field}: {_values(schema)}{default}{note}")
    if registry is METHODS and plugin.card.title:
        click.echo(f"\n{plugin.card.bibtex}")


def _values(schema: dict[str, Any]) -> str:
    """What a JSON schema allows: "number > 0, <= 1", "anchor" | "oracle", "[integer, ...] | null"."""
    if "anyOf" in schema:
        return " | ".join(_values(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    name = schema.get("format") or schema.get("type", "any")
    if name == "array":
        fixed = schema.get("prefixItems")
        inside = [_values(one) for one in fixed or [schema.get("items", {})]]
        name = f"[{', '.join(inside if fixed else [*inside, '...'])}]"
    bounds = [f"{sign} {schema[key]:g}" for key, sign in BOUNDS.items() if key in schema]
    return " ".join([name, ", ".join(bounds)]).rstrip()
