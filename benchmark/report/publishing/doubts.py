"""What keeps records from being published unless it is allowed: holes, mixed versions, changed trees, local plugins."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.store.content import Record
from benchmark.store.published import Missing
from benchmark.tables.comparable import PARTS

HOLES = ("failed", "diverged")
"""States of runs that leave a hole in a table."""
_NAMED = 4


@dataclass(frozen=True)
class Doubt:
    """One of them, in a sentence; `option` of `noisybench publish` allows it."""

    option: str
    sentence: str


def doubts(records: Sequence[Record], missing: Sequence[Missing]) -> list[Doubt]:
    """All that is to be allowed before `records` may be published, and is printed in the folder if it is."""
    return [*_holes(records, missing), *_mixed(records), *_dirty(records), *_plugins(records)]


def _holes(records: Sequence[Record], missing: Sequence[Missing]) -> Iterator[Doubt]:
    counts = Counter(record["state"] for record in records if record["state"] in HOLES)
    counts["never carried out"] = len(missing)
    if counts.total():
        said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        yield Doubt("--allow-holes", f"{counts.total()} of {len(records) + len(missing)} runs have no value: {said}")


def _mixed(records: Sequence[Record]) -> Iterator[Doubt]:
    values: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        spec, origin = record["spec"], record["provenance"]
        values["protocols"][str(spec["protocol"])] += 1
        values["commits"][str(origin["commit"])[:12]] += 1
        values["versions of noisybench"][str(origin["noisybench"])] += 1
        values["versions of Python"][origin["python"]] += 1
        for library, version in origin["libraries"].items():
            values[f"versions of {library}"][version] += 1
        for part in PARTS:
            name = spec[part]["name"]
            values[f"versions of the {part} {name}"][str(spec[part]["version"])] += 1
        for part in ("method", "backbone"):
            name = spec[part]["name"]
            values[f"states of the source of the {part} {name}"][str(origin[f"{part}_digest"])[:19]] += 1
    for what, counts in sorted(values.items()):
        if len(counts) > 1:
            said = ", ".join(f"{value} ({count} runs)" for value, count in sorted(counts.items()))
            yield Doubt("--allow-mixed", f"the runs are of {len(counts)} {what}: {said}")


def _dirty(records: Sequence[Record]) -> Iterator[Doubt]:
    count = sum(record["provenance"]["dirty"] for record in records)
    if count:
        yield Doubt(
            "--allow-dirty", f"{count} of {len(records)} runs were made by a checkout with changes not committed"
        )


def _plugins(records: Sequence[Record]) -> Iterator[Doubt]:
    counts = Counter(
        (part["name"], part["source"]) for record in records for part in _parts(record["spec"]) if part.get("source")
    )
    if counts:
        said = [f"{name} ({source[:19]}, {count} runs)" for (name, source), count in sorted(counts.items())]
        more = f" and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
        yield Doubt(
            "--allow-plugins",
            f"plugins from outside the project are not in the folder: {', '.join(said[:_NAMED])}{more}",
        )


def _parts(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (spec[part] for part in PARTS)
    yield from spec["dataset"].get("extra_tests", {}).values()
