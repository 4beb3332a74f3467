"""Names of a run's data set, backbone, method and noise in a table, as plugin strings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import pandas as pd

from benchmark.store.schema import Deviations

Defaults = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Part of a spec ("method", "noise", ...) -> plugin name -> default configuration."""

_DIGEST = re.compile(r"(sha256|md5):[0-9a-f]{8,}")
_ALWAYS = ("rate", "frozen", "head", "views", "input_size")
"""Options that are always shown, even where they are equal in all runs."""


def of_part(specs: pd.DataFrame, part: str, defaults: Defaults) -> dict[bytes, str]:
    """Name of every distinct `{part}_key`, such as "gce:q=0.5": the plugin and its options that are not default.

    Where the defaults of a name are unknown: the options in which runs of that name differ, those of `_ALWAYS`,
    and all options of noise without a rate. A data set is named by the `dataset_label` of its records, if any.
    """
    parts = {key: orjson.loads(key) for key in specs[f"{part}_key"].unique()}
    dataset_names: dict[bytes, str] = {}
    if part == "dataset":
        dataset_names = specs.dropna(subset=["dataset_label"]).groupby("dataset_key")["dataset_label"].min().to_dict()
    names = {}
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
            # A file is shown by its name; runs on two contents of one name are refused in comparable.py.
            visible = {k: v for k, v in visible.items() if not _DIGEST.fullmatch(str(v))}
        names[key] = _plugin_string(dataset_names.get(key, content["name"]), visible)
    return names


def options(part: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a part of a spec; for a data set, its subset too."""
    subset = {} if part.get("subset") is None else {"subset": part["subset"]}
    return {**(part.get("config") or {}), **subset}


def _plugin_string(name: str, visible: Mapping[str, Any]) -> str:
    rate = [show(visible["rate"])] if "rate" in visible else []
    text = ",".join(rate + pairs((key, value) for key, value in visible.items() if key != "rate"))
    return f"{name}:{text}" if text else name


def pairs(items: Iterable[tuple[str, Any]]) -> list[str]:
    return [f"{key}={show(value)}" for key, value in sorted(items)]


def show(value: Any) -> str:
    """A configuration value as text: digests shortened, 1.0 as 1."""
    if isinstance(value, str):
        return value[: value.index(":") + 9] if _DIGEST.fullmatch(value) else value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return orjson.dumps(value).decode()


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
