"""Figures on corrupted copies of a test set: of one copy, and means over kinds and severities.

"corrupted"                  mean over all copies
"corrupted-3"                over those of severity 3
"corrupted.pixelate"         over the severities of one corruption
"corrupted.pixelate-3"       one copy
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmark.store.content import Record

Copies = Mapping[str, Any]
"""`CorruptedTest` of the schema."""


def one(name: str, *, kind: str = "", severity: int | None = None) -> str:
    """The name of a mean over the copies of the extra test set `name`, as `figures` reads it."""
    return name + (f".{kind}" if kind else "") + ("" if severity is None else f"-{severity}")


def names(records: Iterable[Record]) -> Iterator[str]:
    """Names of extra test sets that are corrupted copies, once each."""
    return iter(dict.fromkeys(name for record in records for name in record.get("corrupted_tests") or {}))


def copies_of(record: Record, test: str) -> Copies | None:
    """The copies that the mean `test` is over; None where the record has none under that name."""
    found = _positions(record, test)
    return None if found is None else found[0]


def figures(record: Record, test: str) -> dict[str, dict[str, Any] | None] | None:
    """Rule -> figures of the mean `test`. A metric that some copy does not have is None."""
    found = _positions(record, test)
    if found is None:
        return None
    copies, positions = found
    return {
        rule: of_rule
        and {
            "epoch": of_rule["epoch"],
            "phase": of_rule["phase"],
            **{name: _mean([column[at] for at in positions]) for name, column in of_rule["metrics"].items()},
        }
        for rule, of_rule in copies["figures"].items()
    }


def _positions(record: Record, test: str) -> tuple[Copies, list[int]] | None:
    for name, copies in (record.get("corrupted_tests") or {}).items():
        parts = re.fullmatch(rf"{re.escape(name)}(\.(?P<kind>\w+))?(-(?P<severity>\d+))?", test)
        if parts is None:
            continue
        kind, severity = parts["kind"], parts["severity"]
        pairs = zip(copies["kind"], copies["severity"], strict=True)
        chosen = [
            at
            for at, (of_kind, of_severity) in enumerate(pairs)
            if kind in (None, of_kind) and severity in (None, str(of_severity))
        ]
        if chosen:
            return copies, chosen
    return None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
