"""Labels of the parts of a run as a table shows them: names as the command line takes them."""

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
"""Options without which a label would mislead, even where all runs agree in them."""


def of_part(specs: pd.DataFrame, part: str, defaults: Defaults) -> dict[bytes, str]:
    """Label of every distinct `{part}_key`, such as "gce:q=0.5": name and the options that are not default.

    Where the defaults of a name are unknown: the options in which runs of that name differ, those of `_ALWAYS`,
    and all options of noise without a rate. A data set goes by the name that its records give for people
    (`dataset_label`), if any.
    """
    parts = {key: orjson.loads(key) for key in specs[f"{part}_key"].unique()}
    given: dict[bytes, str] = {}
    if part == "dataset":
        given = specs.dropna(subset=["dataset_label"]).groupby("dataset_key")["dataset_label"].min().to_dict()
    labels = {}
    for key, own in parts.items():
        shown = options(own)
        standard = defaults.get(part, {}).get(own["name"])
        if standard is not None:
            shown = {k: v for k, v in shown.items() if v != standard.get(k)}
        elif part != "noise" or "rate" in shown:
            others = [options(other) for other in parts.values() if other["name"] == own["name"]]
            shown = {
                k: v for k, v in shown.items() if (k in _ALWAYS and v is not None) or any(o.get(k) != v for o in others)
            }
        if part == "dataset":
            # A file is known by its name; two contents under one name are refused as a mixture.
            shown = {k: v for k, v in shown.items() if not _DIGEST.fullmatch(str(v))}
        labels[key] = _reference(given.get(key, own["name"]), shown)
    return labels


def options(part: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a part of a spec, a data set's subset with it."""
    subset = {} if part.get("subset") is None else {"subset": part["subset"]}
    return {**(part.get("config") or {}), **subset}


def _reference(name: str, shown: Mapping[str, Any]) -> str:
    rate = [show(shown["rate"])] if "rate" in shown else []
    text = ",".join(rate + pairs((key, value) for key, value in shown.items() if key != "rate"))
    return f"{name}:{text}" if text else name


def pairs(items: Iterable[tuple[str, Any]]) -> list[str]:
    return [f"{key}={show(value)}" for key, value in sorted(items)]


def show(value: Any) -> str:
    """A configuration value for people: digests shortened, 1.0 as 1."""
    if isinstance(value, str):
        return value[: value.index(":") + 9] if _DIGEST.fullmatch(value) else value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return orjson.dumps(value).decode()


def recipe(content: Mapping[str, Any]) -> str:
    """All of a recipe in one line, what people compare first at its head."""
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
        f"{optimizer}.{field}={show(own)} (recipe {show(matched)})"
        for optimizer, fields in sorted(recorded.items())
        for field, (own, matched) in sorted(fields.items())
    )
