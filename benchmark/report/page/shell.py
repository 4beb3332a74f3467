"""The page as HTML: tables that need no JavaScript first, then the data and the code that explore them."""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Sequence
from html import escape
from importlib.resources import files

import orjson

from benchmark.escapes import visible
from benchmark.report.document import Document
from benchmark.report.html import render_html
from benchmark.report.page.columns import Data
from benchmark.report.page.thumbnails import Thumbnails
from benchmark.report.publishing.doubts import Doubt

INDEX = "index.html"
SCRIPTS = ("statistics.js", "model.js", "view.js", "charts.js", "export.js", "details.js", "page.js")
"""In the order in which they use one another."""


def render_page(document: Document, data: Data, doubts: Sequence[Doubt] = (), images: Sequence[Thumbnails] = ()) -> str:
    """One HTML file without outside requests. `document`: the tables of `data`, a section for each of its blocks.

    `doubts`: what `noisybench publish` has to be told to allow of these runs.
    """
    return _PAGE.format(
        title=escape(data.suite),
        doubts=_doubts(doubts),
        tables=render_html(document) + "".join(map(_images, images)),
        style=_static("page.css"),
        script='(() => {\n"use strict";\n' + "\n".join(map(_static, SCRIPTS)) + "})();",
        data=f"{_DATA}{packed(data)}{_END}",
    )


def _doubts(doubts: Sequence[Doubt]) -> str:
    if not doubts:
        return ""
    items = "\n".join(f"<li>{escape(visible(doubt.sentence))} (<code>{doubt.option}</code>)</li>" for doubt in doubts)
    return f'<details class="doubts" open>\n<summary>{_HEADING}</summary>\n<ul>\n{items}\n</ul>\n</details>\n'


def _images(sheet: Thumbnails) -> str:
    description = escape(visible(sheet.description))
    return (
        f'<details class="images">\n<summary>{escape(visible(sheet.title))}</summary>\n'
        f'<figure><img src="{sheet.picture}" alt="{description}"><figcaption>{description}</figcaption></figure>\n'
        "</details>\n"
    )


def packed(data: Data) -> str:
    """As JSON, compressed, in letters that HTML may hold; equal data give equal text."""
    return base64.b64encode(gzip.compress(orjson.dumps(data), compresslevel=9, mtime=0)).decode()


def same_page(one: bytes, other: bytes) -> bool:
    """Whether two pages hold the same, however their data are compressed: zlib differs between machines."""
    parts = [page.partition(_DATA.encode()) for page in (one, other)]
    (head, _, rest), (other_head, _, other_rest) = parts
    packed_data, _, tail = rest.partition(_END.encode())
    other_data, _, other_tail = other_rest.partition(_END.encode())
    if (head, tail) != (other_head, other_tail):
        return False
    try:
        unpacked = gzip.decompress(base64.b64decode(other_data, validate=True))
        reader = zlib.decompressobj(wbits=_GZIP)
        # No more than what is expected: a few bytes may unpack to any number.
        found = reader.decompress(base64.b64decode(packed_data, validate=True), len(unpacked) + 1)
    except (ValueError, OSError, EOFError, zlib.error):
        return False
    return found == unpacked and reader.eof and not reader.unused_data


def _static(name: str) -> str:
    return (files(__package__) / "static" / name).read_text(encoding="utf-8")


_DATA, _END = '<script type="application/octet-stream" id="data">', "</script>"
_GZIP = 31
_HEADING = "What is to be known of these runs, with the options by which noisybench publish allows it"
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<a class="skip" href="#tables">To the tables</a>
<main id="tables">
<h1>{title}</h1>
{doubts}<div id="controls" role="group" aria-label="What is shown"></div>
<p id="stability" aria-live="polite"></p>
<div id="chart"></div>
{tables}</main>
<dialog id="details" aria-labelledby="details-title"></dialog>
{data}
<script>
{script}
</script>
</body>
</html>
"""
