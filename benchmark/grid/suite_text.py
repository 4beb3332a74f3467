"""A suite as the text of a TOML file that describes the same grid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from benchmark.grid.plugin_ref import PluginRef
from benchmark.option_text import expanded, quote

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml(suite: Mapping[str, Any]) -> str:
    """The keys of a suite, with `PluginRef` or what TOML holds as values. Paths stay as they were typed."""
    sections = {key: value for key, value in suite.items() if isinstance(value, Mapping)}
    parts = [_lines({key: value for key, value in suite.items() if key not in sections})]
    parts += [f"[{_key(key)}]\n{_lines(value)}" for key, value in sections.items()]
    return "\n".join(parts)


def _lines(items: Mapping[str, Any]) -> str:
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in items.items())


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _value(value: Any) -> str:
    if isinstance(value, PluginRef):
        return _plugin(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _string(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _plugin(ref: PluginRef) -> str:
    """A plugin string where one was typed, else a table."""
    if not ref.text and ref.options:
        return _value({"name": ref.name, **ref.options})
    # A file whose name holds a comma needs no quotes where it lies, and elsewhere it does.
    text = quote(ref.text) if ref.text and (ref.folder / expanded(ref.text)).exists() else ref.text
    options = [
        f"{key}={quote(value) if isinstance(value, str) else _value(value)}" for key, value in ref.options.items()
    ]
    text = ",".join(filter(None, [text, *options]))
    return _string(f"{ref.name}:{text}" if text else ref.name)


def _string(text: str) -> str:
    """JSON writes a text as TOML does, but for DEL."""
    return orjson.dumps(text).decode().replace("\x7f", "\\u007f")
