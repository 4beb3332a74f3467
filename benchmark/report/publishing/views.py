"""Figures and the page of a published folder: what readers look at first, made of its records.

Their bytes depend on more than records and this version of noisybench. Matplotlib draws a figure otherwise in each of
its versions, and writes its version into the file; zlib packs the data of a page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from benchmark.report.figures import kinds
from benchmark.report.layouts import rates
from benchmark.report.page.collect import collect
from benchmark.report.page.shell import INDEX, render_page, same_page
from benchmark.report.publishing.publication import Files, Publication
from benchmark.tables.comparable import TableError

FOLDER = "figures"
FIGURES = {
    "ranks": "places of methods with 95 % intervals",
    "rate": "the main metric against the noise rate",
    "matrix": "the best methods and the baseline, each against each",
}
"""Kind -> what it shows. The other kinds, `noisybench plot` draws from the folder."""
SUFFIX = ".svg"
_DRAWN_BY = re.compile(rb"<dc:title>Matplotlib v([0-9A-Za-z.+]{1,40})")
_HEAD = 4000
"""Bytes at the beginning of a figure in which its version stands."""


def name_of(kind: str) -> str:
    return f"{FOLDER}/{kind}{SUFFIX}"


def is_figure(name: str) -> bool:
    return name.startswith(f"{FOLDER}/")


def figures(publication: Publication, known: Mapping[str, bytes]) -> Files:
    """Those that can be drawn of these records. Raises UsageError where matplotlib is missing."""
    if not publication.with_figures:
        return {}
    from benchmark.report.figures.captions import Material

    kinds.check_package()
    material = Material(publication.table(), (), publication.whole)
    files = {}
    for kind in FIGURES:
        try:
            files[name_of(kind)], _ = kinds.draw(kind, material, SUFFIX)
        except TableError:  # such as places of a grid that has no method but the baseline
            continue
    return files


def drawn_elsewhere(content: bytes) -> str:
    """Why a figure cannot be drawn again with equal bytes here; "" where it can."""
    found = _DRAWN_BY.search(content[:_HEAD])
    theirs = found[1].decode() if found else "of an unknown version"
    try:
        ours = version("matplotlib")
    except PackageNotFoundError:
        return f"drawn by matplotlib {theirs}, which is not installed here"
    return "" if theirs == ours else f"drawn by matplotlib {theirs}, and here is {ours}"


def page(publication: Publication, known: Mapping[str, bytes]) -> Files:
    """The page by the rule of the first table."""
    if not publication.with_page:
        return {}
    table = publication.table()
    data = collect(table, publication.whole(), publication.makers.describe(table))
    return {INDEX: render_page(rates.document([table]), data, publication.doubts).encode()}


def equal(name: str, one: bytes, other: bytes) -> bool:
    """Whether two files of this name hold the same."""
    return one == other or (name == INDEX and same_page(one, other))
