"""The page as HTML: tables that need no JavaScript first, then the data and the code that explore them."""

from __future__ import annotations

import base64
import gzip
from html import escape
from importlib.resources import files

import orjson

from benchmark.report.document import Document
from benchmark.report.html import render_html
from benchmark.report.page.columns import Data

SCRIPTS = ("statistics.js", "model.js", "view.js", "charts.js", "export.js", "details.js", "page.js")
"""In the order in which they use one another."""


def render_page(document: Document, data: Data) -> str:
    """One HTML file without outside requests. `document`: the tables of `data`, a section for each of its blocks."""
    return _PAGE.format(
        title=escape(data.suite),
        tables=render_html(document),
        style=_static("page.css"),
        script='(() => {\n"use strict";\n' + "\n".join(map(_static, SCRIPTS)) + "})();",
        data=packed(data),
    )


def packed(data: Data) -> str:
    """As JSON, compressed, in letters that HTML may hold; equal data give equal text."""
    return base64.b64encode(gzip.compress(orjson.dumps(data), compresslevel=9, mtime=0)).decode()


def _static(name: str) -> str:
    return (files(__package__) / "static" / name).read_text(encoding="utf-8")


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
<div id="controls" role="group" aria-label="What is shown"></div>
<p id="stability" aria-live="polite"></p>
<div id="chart"></div>
{tables}</main>
<dialog id="details" aria-labelledby="details-title"></dialog>
<script type="application/octet-stream" id="data">{data}</script>
<script>
{script}
</script>
</body>
</html>
"""
