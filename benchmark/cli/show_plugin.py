"""What `noisybench show KIND NAME` prints of a plugin."""

from __future__ import annotations

import json
from typing import Any

import click

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
    told = [inspect.cleandoc(text) for text in (module and module.__doc__, plugin.__doc__) if text]
    click.echo(f"{name}: " + "\n\n".join(told) + "\n")
    facts = {"version": plugin.version, "file": registry.find(name).origin}
    if registry is METHODS:
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
            **facts,
        }
    for key, value in facts.items():
        click.echo(f"{key + ':':18}{value}")
    fields = plugin.Config.model_json_schema().get("properties", {})
    click.echo("options:" if fields else "options: none")
    for field, schema in fields.items():
        default = f", default {json.dumps(schema['default'])}" if "default" in schema else ", required"
        note = "".join(f"\n      {line}" for line in schema.get("description", "").splitlines())
        click.echo(f"  {field}: {_values(schema)}{default}{note}")


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
