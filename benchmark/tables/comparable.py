"""Refuses tables of runs that are not comparable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pandas as pd

from benchmark.errors import UsageError
from benchmark.tables.display_names import show

PARTS = ("dataset", "backbone", "method", "noise")
VISIBLE = (*PARTS, "recipe", "track", "protocol")
"""The fields of a spec that a table shows. It averages over seeds; all other fields must be equal."""


class TableError(UsageError):
    """A table that would mislead, or cannot be made."""


def refuse(frame: pd.DataFrame) -> None:
    """Raises TableError where runs that the table shows under equal names differ in anything but their seeds."""
    for part in PARTS:
        keys = frame.groupby(part)[f"{part}_key"].nunique()
        for name in keys.index[keys > 1]:
            _refuse(part, f"{part} {name!r}", frame[f"{part}_key"][frame[part] == name])
    if frame["rest_key"].nunique() > 1:
        _refuse("", "one heading", frame["rest_key"])
    _refuse_two_choices(frame)
    _refuse_repeated_seeds(frame)
    _refuse_other_draws(frame)


def _refuse_two_choices(frame: pd.DataFrame) -> None:
    """One configuration is chosen of a method on a data set: two come from two searches."""
    tuned = frame[frame["tuned"] > 0]
    choices = tuned.groupby([name for name in VISIBLE if name != "noise"])["options"].nunique()
    for (dataset, _, method, *_), count in choices[choices > 1].items():
        raise TableError(
            f"{method} on {dataset} has {count} configurations, chosen by different searches; expected one: keep each "
            "search in a results folder of its own (--results DIR)"
        )


def _refuse_repeated_seeds(frame: pd.DataFrame) -> None:
    repeated = frame[frame.duplicated([*VISIBLE, "seeds"])]
    if len(repeated):
        run = repeated.iloc[0]
        raise TableError(
            f"{run['method']} at {run['noise']} on {run['dataset']} holds two runs of the same seeds; "
            "expected one: leave one of the folders out (--results DIR, --with DIR)"
        )


def _refuse_other_draws(frame: pd.DataFrame) -> None:
    drawn = frame.dropna(subset=["noise_labels"])
    draws = drawn.groupby(["dataset", "noise", "noise_seed"])["noise_labels"].nunique()
    if (draws > 1).any():
        data, noise, seed = draws.index[draws > 1][0]
        raise TableError(
            f"the table would mix runs that saw different noisy labels: {noise} on {data}, seed {seed}, has "
            f"{draws.max()} values of noise.labels_sha256; comparisons must be paired: "
            "run them again with one version of the noise"
        )


def _refuse(prefix: str, where: str, keys: pd.Series) -> None:
    counts = Counter(keys)
    leaves = {key: dict(_leaves(orjson.loads(key), prefix)) for key in counts}
    differing = []
    for path in sorted({path for leaf in leaves.values() for path in leaf}):
        values: Counter[str] = Counter()
        for key, leaf in leaves.items():
            values[show(leaf[path]) if path in leaf else "absent"] += counts[key]
        if len(values) > 1:
            alternatives = " and ".join(f"{value} ({count} runs)" for value, count in sorted(values.items()))
            differing.append(f"{path} is {alternatives}")
    raise TableError(
        f"the table would mix, under {where}, runs that are not comparable: {'; '.join(differing)}; "
        "expected equal ones: keep each kind in a results folder of its own (--results DIR), "
        "or leave one folder out of --with"
    )


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value
