"""Records to a DataFrame with a row per run and every figure in a column: for pandas and spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import pandas as pd

from benchmark.store.content import Record
from benchmark.store.field_paths import paths
from benchmark.tables import display_names
from benchmark.tables.comparable import PARTS
from benchmark.tables.frame import part_key

FIELDS = paths(
    (
        *("spec", "state", "reason", "error", "main_metric", "metrics", "extra_metrics", "hints", "sizes", "tests"),
        *("noise.realized_rate", "noise.realized_rate_all", "noise.estimated_rate", "noise.labels_sha256"),
        *("timing", "provenance.labels", "provenance.commit", "provenance.hardware"),
    )
)
"""The fields of a record that are read, for `Store.records`."""
_FIRST = ("id", "state", "reason", *PARTS, "track")
_OPTIONS = ("seed", *PARTS, "recipe")
"""What the columns after these begin with, in this order."""


def run_rows(runs: Sequence[Record]) -> pd.DataFrame:
    """One row per record, in the order of names and seeds.

    Columns: id, state, reason; dataset, backbone, method and noise as tables name them; track; `seed.noise` and the
    other seeds; the options of every part and the recipe (`method.q`, `recipe.lr`); main_metric; the metrics by
    reporting rule (`val_noisy.accuracy`, in [0, 1]) and those of extra test sets before them by name
    (`hospital/val_noisy.accuracy`); rates of wrong labels, sizes, seconds, memory in MiB, suite and commit. A value
    that a run does not have is NaN or None.
    """
    rows = pd.DataFrame([dict(_row(record)) for record in runs])
    if rows.empty:
        return pd.DataFrame(columns=list(_FIRST))
    for part in PARTS:
        keys = pd.Series([part_key(record["spec"][part]) for record in runs])
        specs = pd.DataFrame({f"{part}_key": keys, "dataset_label": rows["dataset"]}).drop_duplicates(f"{part}_key")
        rows[part] = keys.map(display_names.of_part(specs, part, {}).full)
    seeds = [name for name in rows.columns if name.startswith("seed.")]
    options = [name for part in _OPTIONS for name in rows.columns if name.startswith(f"{part}.")]
    columns = [*_FIRST, *options, *(name for name in rows.columns if name not in {*_FIRST, *options})]
    return rows[columns].sort_values([*PARTS, "track", *seeds, "id"], kind="stable", ignore_index=True)


def _row(record: Record) -> Iterator[tuple[str, Any]]:
    spec, provenance = record["spec"], record.get("provenance") or {}
    labels, error = provenance.get("labels") or {}, record.get("error") or {}
    yield "id", record["id"]
    yield "state", record["state"]
    yield "reason", record.get("reason") or ": ".join(filter(None, (error.get("class"), error.get("message"))))
    yield "dataset", labels.get("dataset")
    yield "track", spec["track"]
    yield from ((f"seed.{source}", seed) for source, seed in spec["seeds"].items())
    for part in PARTS:
        yield from ((f"{part}.{name}", _plain(value)) for name, value in display_names.options(spec[part]).items())
    yield from ((f"recipe.{name}", _plain(value)) for name, value in spec["recipe"].items())
    yield "protocol", spec["protocol"]
    yield "main_metric", record.get("main_metric")
    yield from _figures("", record.get("metrics"))
    for name, by_rule in (record.get("extra_metrics") or {}).items():
        yield from _figures(f"{name}/", by_rule)
    noise = record.get("noise") or {}
    yield from ((name, noise.get(name)) for name in ("realized_rate", "realized_rate_all", "estimated_rate"))
    yield "labels_sha256", noise.get("labels_sha256")
    yield "hints", None if record.get("hints") is None else ",".join(record["hints"])
    sizes, tests = record.get("sizes") or {}, record.get("tests") or {}
    yield from ((f"size.{name}", sizes.get(name)) for name in ("train", "val"))
    yield "size.test", (tests.get("test") or {}).get("size")
    yield from sorted((record.get("timing") or {}).items())
    yield "suite", labels.get("suite")
    yield "commit", provenance.get("commit")


def _figures(prefix: str, by_rule: Mapping[str, Mapping[str, Any] | None] | None) -> Iterator[tuple[str, Any]]:
    for rule, figures in (by_rule or {}).items():
        for name, value in (figures or {}).items():
            if not isinstance(value, list):  # per class, in records of schema 1
                yield f"{prefix}{rule}.{name}", value


def _plain(value: Any) -> Any:
    """A value that fits into a cell: lists and mappings as JSON."""
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else value
