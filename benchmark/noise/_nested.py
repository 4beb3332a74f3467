"""Plugins inside the options of a kind of noise: another kind, or a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.option_text import located, read_text
from benchmark.registry import Registry


def nested_plugin(value: Any, registry: Registry[Any], folder: Path, example: str) -> dict[str, Any]:
    """`value`, a text such as "pair:0.3" or a mapping {name, options}, as {name, version, config}, validated.

    A mapping that is so already keeps its version. Paths begin in `folder`. Raises ValueError, which shows `example`.
    """
    if isinstance(value, str):
        name, _, text = value.partition(":")
        positional = _positional(registry.load(name))
        options, values = read_text(text, registry.load(name).Config.model_fields, positional, folder)
        value = {"name": name, **options, **dict(zip([positional], values, strict=False))}
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ValueError(f"expected a {registry.kind} such as {example}")
    plugin = registry.load(value["name"])
    resolved = set(value) == {"name", "version", "config"}
    options = value["config"] if resolved else {key: item for key, item in value.items() if key != "name"}
    config = plugin.Config.model_validate(located(options, plugin.Config.model_fields, folder)).model_dump()
    return {"name": value["name"], "version": value["version"] if resolved else plugin.version, "config": config}


def _positional(plugin: Any) -> str:
    """The option that a value without a name sets."""
    return str(getattr(plugin, "positional", "path" if "path" in plugin.Config.model_fields else ""))
