"""Plugin strings: how a command line or a suite names a plugin and its options."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict


class PluginRef(BaseModel):
    """A plugin and its options as typed: "gce:q=0.5", or {name = "gce", q = 0.5} in a suite."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def parse_plugin_string(text: str) -> dict[str, Any]:
    """ "symmetric:0,0.2" -> {name, positional: [0, 0.2]}; "gce:q=0.5" -> {name, q: 0.5}."""
    name, _, rest = text.partition(":")
    parsed: dict[str, Any] = {"name": name}
    for item in filter(None, _split_outside_brackets(rest)):
        key, equals, value = item.partition("=")
        if equals and key.isidentifier():
            parsed[key] = parse_value(value)
        else:
            parsed.setdefault("positional", []).append(parse_value(item))
    return parsed


def read_plugin_ref(item: Any) -> PluginRef:
    """A plugin string or a table of a suite. Raises pydantic's ValidationError."""
    return PluginRef.model_validate(parse_plugin_string(item) if isinstance(item, str) else item)


def parse_value(text: str) -> Any:
    """`text` as a TOML value, or as a string if it is none."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _split_outside_brackets(text: str) -> Iterator[str]:
    """Parts of "0.4,map=[[0,1],[1,0]]" between the commas that no square or curly bracket encloses."""
    start = depth = 0
    for position, letter in enumerate(text):
        depth = max(0, depth + (letter in "[{") - (letter in "]}"))
        if letter == "," and depth == 0:
            yield text[start:position]
            start = position + 1
    yield text[start:]
