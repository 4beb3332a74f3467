"""Reads TOML and JSON that others wrote: whatever is wrong with a text is a ValueError."""

from __future__ import annotations

import json
import tomllib
from typing import Any

TOO_DEEP = "it is nested too deeply"
LONGEST_TOML = 1 << 19
"""Characters of a TOML text; suites have a few thousand."""
MOST_DOTS = 200
"""In a line of TOML: time and memory of `tomllib` grow with the square of the number of a key's parts."""


def parse_toml(text: str) -> dict[str, Any]:
    """Raises ValueError."""
    if len(text) > LONGEST_TOML:
        raise ValueError(f"it has {len(text):,} characters, expected at most {LONGEST_TOML:,}")
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(".") > MOST_DOTS:
            raise ValueError(f"line {number} holds more than {MOST_DOTS} dots: break it, or shorten its key")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def parse_json(text: str | bytes) -> Any:
    """Takes NaN and infinite numbers too, as Python writes them. Raises ValueError; also where a key comes twice, of
    which Python would take the last value."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} comes twice in one object")
        found[key] = value
    return found
