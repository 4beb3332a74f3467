"""Names of a run's data set, backbone, method and noise in a table, as plugin strings."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import pandas as pd

from benchmark.option_text import flattened
from benchmark.store.digests import canonical
from benchmark.store.schema import Deviations

Defaults = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Part of a spec ("method", "noise", ...) -> plugin name -> default configuration."""

_DIGEST = re.compile(r"(sha256|md5):[0-9a-f]{8,}")
_ALWAYS = ("rate", "frozen", "head", "views", "input_size", "clean_set")
"""Options that are always shown, even where they are equal in all runs."""

LONGEST = 16
"""Characters of a list or mapping in a short name; a longer one is left out."""
_LEFT_OUT = "..."


class Names(NamedTuple):
    """The names of the values of a part, by key."""

    short: dict[bytes, str]
    """Long lists and mappings left out, as "asymmetric:0.3,map=...", and each name of one key alone."""
    full: dict[bytes, str]


def of_part(specs: pd.DataFrame, part: str, defaults: Defaults) -> Names:
    """Names of every distinct `{part}_key`, such as "gce:q=0.5": the plugin and its options that are not default.

    Where the defaults of a name are unknown: the options in which runs of that name differ, those of `_ALWAYS`,
    and all options of noise without a rate. A data set is named by the `dataset_label` of its records, if any.
    Two states of one plugin or data set are told apart by version or digest, as "mine@3f2a" (see `_told_apart`).
    """
    parts = {key: orjson.loads(key) for key in specs[f"{part}_key"].unique()}
    dataset_names: dict[bytes, str] = {}
    if part == "dataset":
        dataset_names = specs.dropna(subset=["dataset_label"]).groupby("dataset_key")["dataset_label"].min().to_dict()
    names = Names({}, {})
    states: dict[bytes, str] = {}
    for key, content in parts.items():
        visible = options(content)
        standard = defaults.get(part, {}).get(content["name"])
        if standard is not None:
            visible = {k: v for k, v in visible.items() if v != standard.get(k)}
        elif part != "noise" or "rate" in visible:
            others = [options(other) for other in parts.values() if other["name"] == content["name"]]
            visible = {
                k: v
                for k, v in visible.items()
                if (k in _ALWAYS and v is not None) or any(o.get(k) != v for o in others)
            }
        if part == "dataset":
            # A file is shown by its name.
            visible = {k: v for k, v in visible.items() if not _DIGEST.fullmatch(str(v))}
        name = dataset_names.get(key, content["name"])
        for of_key, write in zip(names, (_short, show), strict=True):
            of_key[key] = _plugin_string(name, visible, write) + _tuned(content)
        # Without the rate, so that the rates of one kind have the same digits.
        states[key] = _state(_plugin_string(name, {k: v for k, v in visible.items() if k != "rate"}, show))
    return Names(*(_told_apart(of_key, parts) for of_key in (_distinct(names.short, states), names.full)))


def _distinct(names: Mapping[bytes, str], states: Mapping[bytes, str]) -> dict[bytes, str]:
    """The names; one that is of several `states` gets digits of them."""
    alike: dict[str, set[str]] = defaultdict(set)
    for key, name in names.items():
        alike[name].add(states[key])
    return {
        key: name + _digest(states[key], list(alike[name])) if len(alike[name]) > 1 else name
        for key, name in names.items()
    }


def _tuned(part: Mapping[str, Any]) -> str:
    return f" tuned (N = {part['tuned']})" if part.get("tuned") else ""


def _told_apart(names: Mapping[bytes, str], parts: Mapping[bytes, Mapping[str, Any]]) -> dict[bytes, str]:
    """Adds to names that several keys have what tells these apart: the fields of `_IDENTITIES` in which they differ."""
    told = dict(names)
    for field, mark in _IDENTITIES.items():
        alike: dict[str, list[bytes]] = defaultdict(list)
        for key, name in told.items():
            alike[name].append(key)
        for name, keys in alike.items():
            values = [parts[key].get(field) for key in keys]
            if len({orjson.dumps(value) for value in values}) > 1:
                told |= {key: name + mark(value, values) for key, value in zip(keys, values, strict=True)}
    return told


def _version(value: int, others: Sequence[int]) -> str:
    return f"@v{value}"


def _digest(value: str | None, others: Sequence[str | None]) -> str:
    """The first digits of a digest, four or as many as tell it from the `others`; "" for none."""
    if value is None:
        return ""
    hexadecimal = value.partition(":")[2]
    rest = {other.partition(":")[2] for other in others if other is not None} - {hexadecimal}
    digits = next((n for n in range(4, len(hexadecimal)) if hexadecimal[:n] not in {r[:n] for r in rest}), None)
    return f"@{hexadecimal[:digits]}"


def _test_names(value: Mapping[str, Any] | None, others: Sequence[Mapping[str, Any] | None]) -> str:
    """Names of extra test sets, each with digits of its digest where another of the `others` has its name."""
    names = []
    for name in sorted(value or {}):
        states = {_state(other[name]) for other in others if other and name in other}
        names.append(name + (_digest(_state((value or {})[name]), list(states)) if len(states) > 1 else ""))
    return f" (with {', '.join(names)})" if names else ""


def _state(part: Any) -> str:
    return f"sha256:{hashlib.sha256(canonical(part)).hexdigest()}"


_IDENTITIES: dict[str, Callable[[Any, Sequence[Any]], str]] = {
    "source": _digest,
    "digest": _digest,
    "version": _version,
    "clean_classifier": _digest,
    "outside": _digest,
    "labels": _digest,
    "extra_tests": _test_names,
}
"""Field of a part that is no option -> how a name shows it where several parts would have the same name."""


def options(part: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a part of a spec; of data also subset and labels, of a method recipe and clean set."""
    sizes = {name: part[name] for name in ("subset", "labels", "clean_set") if part.get(name) is not None}
    return {**(part.get("config") or {}), **sizes, **dict(flattened("recipe", part.get("recipe") or {}))}


def _is_plugin(value: Any) -> bool:
    return isinstance(value, Mapping) and value.keys() == {"name", "version", "config"}


def show(value: Any) -> str:
    """A configuration value as text: digests shortened, 1.0 as 1, a plugin within the options as a plugin string."""
    if _is_plugin(value):
        return _plugin_string(value["name"], value["config"], show)
    if isinstance(value, str):
        return value[: value.index(":") + 9] if _DIGEST.fullmatch(value) else value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return orjson.dumps(value).decode()


def _short(value: Any) -> str:
    """As `show`, without long lists and mappings."""
    if _is_plugin(value):
        return _plugin_string(value["name"], value["config"], _short)
    text = show(value)
    return _LEFT_OUT if isinstance(value, list | Mapping) and len(text) > LONGEST else text


def pairs(items: Iterable[tuple[str, Any]], write: Callable[[Any], str] = show) -> list[str]:
    return [f"{key}={write(value)}" for key, value in sorted(items)]


def _plugin_string(name: str, visible: Mapping[str, Any], write: Callable[[Any], str]) -> str:
    rate = [write(visible["rate"])] if "rate" in visible else []
    text = ",".join(rate + pairs(((key, value) for key, value in visible.items() if key != "rate"), write))
    return f"{name}:{text}" if text else name


def recipe(content: Mapping[str, Any]) -> str:
    """A recipe in one line: epochs, batch size, optimizer and lr first, then the rest by name."""
    head = [name for name in ("epochs", "batch_size", "optimizer", "lr") if name in content]
    items: list[str] = []
    for name in [*head, *sorted(content.keys() - set(head))]:
        value = content[name]
        flat = {f"{name}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
        items += [f"{k}={show(v)}" for k, v in flat.items() if v is not None]
    return " ".join(items)


def deviations(recorded: Deviations) -> str:
    """Where the optimizers of a run differ from the recipe: "u.lr=10 (recipe 0.001)"."""
    return ", ".join(
        f"{optimizer}.{field}={show(used)} (recipe {show(matched)})"
        for optimizer, fields in sorted(recorded.items())
        for field, (used, matched) in sorted(fields.items())
    )
