"""What keeps records from being published unless it is allowed: holes, mixed versions, changed trees, local plugins."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    counts = Counts()
    for _ in counts.counted(records):
        pass
    return counts.doubts(len(missing))


class Counts:
    """Counts what is doubtful about records, one at a time: there may be more than fit into memory."""

    def __init__(self) -> None:
        self._records = 0
        self._states: Counter[str] = Counter()
        self._values: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._dirty = 0
        self._plugins: Counter[tuple[str, str]] = Counter()

    def counted(self, records: Iterable[Record]) -> Iterator[Record]:
        """Counts each of the records as it passes."""
        for record in records:
            self._add(record)
            yield record

    def _add(self, record: Record) -> None:
        self._records += 1
        self._states[record["state"]] += 1
        for what, value in _mixed(record):
            self._values[what][value] += 1
        self._dirty += record["provenance"]["dirty"]
        for part in _parts(record["spec"]):
            if part.get("source"):
                self._plugins[part["name"], part["source"]] += 1

    def doubts(self, missing: int) -> list[Doubt]:
        """`missing`: the number of runs that have no record."""
        return [*self._holes(missing), *self._several(), *self._uncommitted(), *self._outside()]

    def _holes(self, missing: int) -> Iterator[Doubt]:
        counts = Counter({state: self._states[state] for state in HOLES})
        counts["never carried out"] = missing
        if counts.total():
            said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
            yield Doubt("--allow-holes", f"{counts.total()} of {self._records + missing} runs have no value: {said}")

    def _several(self) -> Iterator[Doubt]:
        for what, counts in sorted(self._values.items()):
            if len(counts) > 1:
                said = ", ".join(f"{value} ({count} runs)" for value, count in sorted(counts.items()))
                yield Doubt("--allow-mixed", f"the runs are of {len(counts)} {what}: {said}")

    def _uncommitted(self) -> Iterator[Doubt]:
        if self._dirty:
            runs = f"{self._dirty} of {self._records} runs"
            yield Doubt("--allow-dirty", f"{runs} were made by a checkout with changes not committed")

    def _outside(self) -> Iterator[Doubt]:
        if self._plugins:
            listed = sorted(self._plugins.items())
            said = [f"{name} ({source[:19]}, {count} runs)" for (name, source), count in listed]
            more = f" and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
            yield Doubt(
                "--allow-plugins",
                f"plugins from outside the project are not in the folder: {', '.join(said[:_NAMED])}{more}",
            )


def _mixed(record: Record) -> Iterator[tuple[str, str]]:
    """What should be one and the same in all records, and its value in this one."""
    spec, origin = record["spec"], record["provenance"]
    yield "protocols", str(spec["protocol"])
    yield "commits", str(origin["commit"])[:12]
    yield "versions of noisybench", str(origin["noisybench"])
    yield "versions of Python", origin["python"]
    for library, version in origin["libraries"].items():
        yield f"versions of {library}", version
    for part in PARTS:
        yield f"versions of the {part} {spec[part]['name']}", str(spec[part]["version"])
    for part in ("method", "backbone"):
        yield f"states of the source of the {part} {spec[part]['name']}", str(origin[f"{part}_digest"])[:19]


def _parts(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (spec[part] for part in PARTS)
    yield from spec["dataset"].get("extra_tests", {}).values()
