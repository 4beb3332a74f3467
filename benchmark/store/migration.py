"""Converts records of earlier schemas to the current one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.store.atomic import StoreError
from benchmark.store.content import DigestedRecord, Record, content_digest
from benchmark.store.curve import curve_of, rounded
from benchmark.store.schema import SCHEMA

_FORMER = {"tests": "sizes"}
"""Field -> the field of schema 1 that it is made of."""


def current(record: Record, where: str) -> Record:
    """`record` in schema 3, migrated where it is older. Raises StoreError for a newer schema, ValueError for an
    invalid one."""
    schema = record["schema"]
    if schema == SCHEMA:
        return record
    if schema in (1, 2):
        return migrate(record)
    if not isinstance(schema, int) or schema < 1:
        raise ValueError(f"its schema is {schema!r}, expected 1 to {SCHEMA}")
    raise StoreError(
        f"{where} was written by a newer version (schema {schema}, this one reads 1 to {SCHEMA}); "
        "update noisybench, or use another folder with --results DIR"
    )


def earlier_fields(fields: Sequence[str]) -> tuple[str, ...]:
    """The fields to read of a record of any schema, so that `current` returns one with `fields`."""
    return ("schema", "state", *fields, *(_FORMER[name] for name in fields if name in _FORMER))


def migrate(record: Record) -> DigestedRecord:
    """A record of schema 1 or 2, or the fields of one that were read, as schema 3 has them.

    What was not recorded then is None or empty, as `schema` says. The digest of its content stays that of the
    record as it was written, so that tables made of it keep theirs.
    """
    new = DigestedRecord(record)
    new.content = content_digest(record)
    new["schema"] = SCHEMA
    if record["schema"] == 1:
        _from_1(new)
    _from_2(new)
    return new


def _from_2(new: dict[str, Any]) -> None:
    if new.get("state") in ("ok", "diverged"):
        new |= {"hints": None, "images": None}
    if "curve" in new and new.get("metrics"):
        phases = new["curve"]["phase"]
        for name in ("metrics", "extra_metrics"):
            new[name] = _with_phases(new[name], phases)
    if "realized_rate" in new.get("noise", ()):
        new["noise"] = {"realized_rate_all": new["noise"]["realized_rate"], "estimate_doubt": None, **new["noise"]}
    if "tests" in new:
        tests = new["tests"]
        extra = {name: {**test, "shared_images": None} for name, test in tests["extra"].items()}
        new["tests"] = {"test": {**tests["test"], "shared_images": None}, "extra": extra}


def _with_phases(figures: dict[str, Any], phases: Sequence[str]) -> dict[str, Any]:
    """Figures by rule, or by test set and rule, with the method's phase where one epoch is reported."""
    if "epoch" in figures:
        return {"phase": phases[figures["epoch"] - 1], **figures}
    return {name: _with_phases(part, phases) if isinstance(part, dict) else part for name, part in figures.items()}


def _from_1(new: dict[str, Any]) -> None:
    if new.get("reason", "") is None:
        del new["reason"]
    if "sizes" in new:
        new["sizes"], new["tests"] = _sizes(new["sizes"])
    if "diagnostics" in new:
        new["diagnostics"] = _rounded_lists(new["diagnostics"])
    state = new.get("state")
    if state in ("ok", "diverged"):
        new["deviations"] = None
        new.setdefault("features", None)
    if state == "diverged":
        for name in ("metrics", "extra_metrics"):
            new.pop(name, None)
    if "curve" in new:
        new["curve"] = curve_of(new["curve"])
        if state == "ok":
            new |= {"outcomes": {}, "extra_outcomes": {}}
    if "epochs" in new.get("timing", ()):
        epochs = new["timing"]["epochs"]
        new["timing"] = {name: value for name, value in new["timing"].items() if name != "epochs"}
        for part in ("train", "evaluate"):
            new["timing"][f"{part}_seconds"] = float(sum(epoch[part] for epoch in epochs))


def _sizes(sizes: dict[str, int]) -> tuple[dict[str, int], dict[str, Any]]:
    fixed = {"train", "val", "test", "skipped_files"}
    tests = {name: {"size": size, "digest": None, "groups": None} for name, size in sizes.items()}
    extra = {name: test for name, test in tests.items() if name not in fixed}
    kept = {name: sizes[name] for name in ("train", "val", "skipped_files")}
    return kept, {"test": tests["test"], "extra": extra}


def _rounded_lists(diagnostics: dict[str, Any]) -> dict[str, Any]:
    return {name: rounded(value) if isinstance(value, list) else value for name, value in diagnostics.items()}
