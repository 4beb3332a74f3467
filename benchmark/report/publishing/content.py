"""Everything that a published folder holds, made of its records, its suite file and the list of missing runs.

`publish` writes what is made here, and `verify` makes it again and compares the bytes. A further part of the folder is
a function more in `PARTS`, and both commands know it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmark.report import csv, markdown
from benchmark.report.layouts import rates
from benchmark.report.publishing import views
from benchmark.report.publishing.citation import citation
from benchmark.report.publishing.croissant import croissant
from benchmark.report.publishing.environment import constraints
from benchmark.report.publishing.publication import RULES, Files, Publication
from benchmark.report.publishing.readme import readme
from benchmark.store import checksums
from benchmark.store.published import MISSING, TABLE, encode_missing
from benchmark.tables.run_rows import run_rows

SUITE = "suite.toml"
README = "README.md"
RUNS = "runs.csv"
_PRECISION = "%.8g"


def tables(publication: Publication, known: Mapping[str, bytes] | None = None) -> Files:
    """The tables alone, which folders of earlier versions hold too."""
    by_rule = {rule: publication.table(rule) for rule in RULES}
    files = {
        f"{rule}.md": markdown.render_markdown(rates.document([table])).encode() for rule, table in by_rule.items()
    }
    return {**files, f"{RULES[0]}.csv": csv.render_csv([by_rule[RULES[0]]]).encode()}


def _runs(publication: Publication, known: Mapping[str, bytes]) -> Files:
    rows = run_rows(publication.records)
    return {RUNS: rows.to_csv(index=False, lineterminator="\n", float_format=_PRECISION).encode()}


def _environment(publication: Publication, known: Mapping[str, bytes]) -> Files:
    return {"constraints.txt": constraints(publication.records).encode()}


def _citation(publication: Publication, known: Mapping[str, bytes]) -> Files:
    return {"CITATION.cff": citation(publication.records).encode()}


def _croissant(publication: Publication, known: Mapping[str, bytes]) -> Files:
    return {"croissant.json": croissant(publication.records, {name: known[name] for name in (TABLE, RUNS)}, RUNS)}


def _readme(publication: Publication, known: Mapping[str, bytes]) -> Files:
    return {README: readme(publication.records, publication.doubts, sorted(known)).encode()}


PARTS: tuple[Callable[[Publication, Mapping[str, bytes]], Files], ...] = (
    tables,
    _runs,
    _environment,
    _citation,
    views.figures,
    views.page,
    _croissant,
    _readme,
)
"""What is made of the records, in this order; each gets the files that were made before it."""


def sources(publication: Publication) -> Files:
    """The files that all others are made of."""
    from benchmark.store import record_table

    files = {TABLE: record_table.encode(publication.originals), SUITE: publication.suite}
    return files if not publication.missing else {**files, MISSING: encode_missing(publication.missing)}


def derived(publication: Publication, sources: Mapping[str, bytes]) -> Files:
    """The files that follow from the `sources`."""
    made: Files = {}
    for part in PARTS:
        made |= part(publication, {**sources, **made})
    return made


def files(publication: Publication) -> Files:
    """The whole folder: name -> content."""
    given = sources(publication)
    made = {**given, **derived(publication, given)}
    return {**made, checksums.NAME: checksums.encode(made)}
