"""What a published folder is made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmark.report.page.collect import Described
from benchmark.report.publishing.doubts import Doubt, doubts
from benchmark.store.content import Record, without_bulk
from benchmark.store.published import Missing
from benchmark.store.record_file import decode
from benchmark.store.segments import Original
from benchmark.tables.comparison import Table

RULES = ("val_noisy", "last")
"""Reporting rules that have a table."""
Files = dict[str, bytes]
"""Name -> content."""


@dataclass(frozen=True)
class Makers:
    """What depends on the plugins of the project, and on no others: a folder is to be made again without these."""

    table: Callable[[Sequence[Record], Sequence[Missing], str], Table]
    """The table of records and missing runs by a reporting rule."""
    describe: Callable[[Table], Mapping[str, Described]]
    """What is known of the methods of a table, by plugin."""


@dataclass(frozen=True)
class Publication:
    """What a folder is made of."""

    originals: Sequence[Original]
    """All records, as they were written."""
    records: Sequence[Record]
    """The same without their bulk, those of failed runs too."""
    missing: Sequence[Missing]
    suite: bytes
    makers: Makers
    with_figures: bool = False
    with_page: bool = False
    _tables: dict[str, Table] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        originals: Sequence[Original],
        missing: Sequence[Missing],
        suite: bytes,
        makers: Makers,
        *,
        figures: bool = False,
        page: bool = False,
    ) -> Publication:
        ordered = sorted(originals)
        records = [without_bulk(decode(content, f"the record of {run_id}")) for run_id, content in ordered]
        return cls(ordered, records, missing, suite, makers, figures, page)

    @property
    def doubts(self) -> list[Doubt]:
        return doubts(self.records, self.missing)

    def table(self, rule: str = RULES[0]) -> Table:
        if rule not in self._tables:
            self._tables[rule] = self.makers.table(self.records, self.missing, rule)
        return self._tables[rule]

    def whole(self, ids: Collection[str] | None = None) -> Iterator[Record]:
        """The records with their curves and outcomes, of `ids` only where they are given."""
        for run_id, content in self.originals:
            if ids is None or run_id in ids:
                yield decode(content, f"the record of {run_id}")
