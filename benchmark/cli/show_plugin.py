"""What `noisybench show KIND NAME` prints of a plugin."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import click

from benchmark.cli import card

UNBROKEN: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def show_plugin(kind: str, name: str) -> None:
    """Prints what a plugin is: its docstrings, facts, and options with their types, bounds and help."""
    import inspect

    from benchmark.errors import UsageError
    from benchmark.registry import ALL, METHODS

    registry = next((r for r in ALL if kind in (r.plural, r.word)), None)
    if registry is None:
        kinds = ", ".join(r.word for r in ALL)
        raise UsageError(f"there is no kind of plugin {kind!r}; expected one of {kinds}, such as `show method {name}`")
    plugin = registry.load(name)
    module = inspect.getmodule(plugin)
    descriptions = [inspect.cleandoc(text) for text in (module and module.__doc__, plugin.__doc__) if text]
    click.echo(f"{name}: " + "\n\n".join(descriptions) + "\n")
    facts = {"version": plugin.version, "file": registry.find(name).origin}
    if registry is METHODS:
        facts = card.facts(plugin.card) | facts
    for key, value in facts.items():
        click.echo(textwrap.fill(f"{key + ':':18}{value}", 100, subsequent_indent=" " * 18, **UNBROKEN))
    fields = plugin.Config.model_json_schema().get("properties", {})
    click.echo("options:" if fields else "options: none")
    for field, schema in fields.items():
        default = f", default {json.dumps(schema['default'])}" if "default" in schema else ", required"
        note = "".join(f"\n      {line}" for line in schema.get("description", "").splitlines())
        click.echo(f"  {field}: {_values(schema)}{default}{note}")
    if registry is METHODS and plugin.card.title:
        click.echo(f"\n{plugin.card.bibtex}")


def _values(schema: dict[str, Any]) -> str:
    """What a JSON schema allows: "number > 0, <= 1", "anchor" | "oracle", "[integer, ...] | null".

    The bound that all integers have is left out.
    """
    from backbones.settings import LARGEST

    if "anyOf" in schema:
        return " | ".join(_values(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    name = schema.get("format") or schema.get("type", "any")
    if name == "array":
        fixed = schema.get("prefixItems")
        inside = [_values(one) for one in fixed or [schema.get("items", {})]]
        name = f"[{', '.join(inside if fixed else [*inside, '...'])}]"
    bounds = [f"{sign} {schema[key]:g}" for key, sign in BOUNDS.items() if abs(schema.get(key, LARGEST)) != LARGEST]
    return " ".join([name, ", ".join(bounds)]).rstrip()
