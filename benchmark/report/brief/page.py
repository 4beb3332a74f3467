"""The page as one HTML file: no script, no request to anywhere, readable on paper."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from benchmark.escapes import visible
from benchmark.report.brief.facts import Doubtful
from benchmark.report.brief.words import Page, Part
from benchmark.report.html import escaped, render_section
from benchmark.report.pictures import thumbnail

INDEX = "brief.html"
SIDE = 112
"""Of an image, in px."""


def render_brief(page: Page) -> str:
    return _PAGE.format(
        title=escape(visible(page.title)),
        style=(files(__package__) / "brief.css").read_text(encoding="utf-8"),
        limits=escaped(page.limits),
        points="\n".join(f"<li>{escaped(point)}</li>" for point in page.points),
        parts="\n".join(map(_part, page.parts)),
        origin="<br>".join(map(escaped, page.origin)),
    )


def _part(part: Part) -> str:
    return render_section(part.section, level=2, after=_pictures(part.pictures) if part.pictures else "")


def _pictures(pictures: Sequence[Doubtful]) -> str:
    return f'<div class="pictures">\n{"".join(map(_picture, pictures))}</div>'


def _picture(one: Doubtful) -> str:
    file = io.BytesIO()
    thumbnail(one.image, SIDE).save(file, format="PNG")
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    alt = escape(visible(f"{one.file}: label {one.given}, looks like {one.suggested}"))
    said = f"<b>{escaped(one.file)}</b><br>label: {escaped(one.given)}<br>looks like: {escaped(one.suggested)}"
    return (
        f'<figure><img src="{source}" alt="{alt}" width="{SIDE}" height="{SIDE}">'
        f"<figcaption>{said}</figcaption></figure>\n"
    )


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p class="limits">{limits}</p>
<section class="points">
<h2>In short</h2>
<ul>
{points}
</ul>
</section>
{parts}
<p class="origin">{origin}</p>
</main>
</body>
</html>
"""
