"""Every format says the same, and no name leaves its cell: neither as markup, nor as a command, nor in a terminal."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.escapes import visible
from benchmark.report import FORMATS
from benchmark.report.document import Cell, Document, Grid, Section, Span, grid, marked, plain
from benchmark.report.latex import PREAMBLE
from benchmark.report.layouts.all import LAYOUTS
from benchmark.report.markdown import render_markdown
from benchmark.tables.note_text import code, split
from tests.report import records
from tests.tables.test_comparison import build
from tests.tables.written import render_csv

WORST = [
    "a_b%c&d<e>f|g",
    "\"double\" 'single' `tick` ``two``",
    "back\\slash \\input{x} \\\\",
    "$x$ #1 ^2 {y} ~z ~~gone~~ **bold** __init__ [a](b) ![c](d)",
    "&amp; &lt; <script>alert(1)</script> --> ]]>",
    "emoji 😀 👩‍🔬 \u00e9\u00df\u0142 \u00d0\u00fe",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\x1b[31mred\x1b[0m \x00 \x07 \r \u202egnp.exe \u2066 \ufeff",
    "two\nlines\n\nand a gap",
    "[bracket first] *star -dash .5 -.5",
    "% comment",
    "日本語 ∑ τ ±",
    "lone \ud800 surrogate",
]
NAMES = st.one_of(st.sampled_from(WORST), st.text(min_size=1, max_size=40))
needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="pdflatex is not installed (Debian: texlive-latex-recommended)"
)


def page(names):
    """A document with every name in a heading, a caption, a cell, a mark, a note and the origin."""
    rows = [[Cell(name, name, meaning=name, emphasis="best"), Cell(name), Cell("-.5 ±.1")] for name in names]
    return Document(
        title=names[0],
        paragraphs=tuple(map(plain, names)),
        sections=tuple(
            Section(name, grids=(grid((Span(name, "strong"),), ["method", name, name], rows),), notes=(_note(name),))
            for name in names
        ),
        origin=tuple(names),
    )


def _note(name):
    return marked(f"of {code(name)} alone")


class Read(HTMLParser):
    """The texts of a page by the element that holds them; refuses elements that are not closed in order."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.texts, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)
        self.attributes.append((tag, dict(attrs)))
        self.texts.append((tag, ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else None, data))

    def close(self):
        super().close()
        assert not self.open


def read_html(text):
    reader = Read()
    reader.feed(text)
    reader.close()
    return reader


def compiled(text, folder):
    """The PDF of a document that inputs `text`, after PREAMBLE."""
    (folder / "table.tex").write_text(text, encoding="utf-8")
    (folder / "page.tex").write_text(
        f"\\documentclass{{article}}\n{PREAMBLE}\n\\begin{{document}}\n\\input{{table}}\n\\end{{document}}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return folder / "page.pdf"


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_says_the_same_words(form):
    """Of the cells, in their order, letters and digits alone."""
    document = LAYOUTS["rates"]([build(records.grid())])
    cells = [cell.text for grid in document.sections[0].grids for row in grid.rows for cell in row]

    def words(text):
        return re.findall(r"[a-z]+|\d+", text)

    text = iter(words(re.sub(r"<[^>]*>|\\[a-z]+|\{\}", " ", FORMATS[form](document))))
    missing = [word for cell in cells for word in words(cell) if word not in text]
    assert not missing


@pytest.mark.parametrize("form", FORMATS)
@given(names=st.lists(NAMES, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_no_control_character_reaches_the_output(form, names):
    text = FORMATS[form](page(names))
    isolated = text.replace("\u2068", "").replace("\u2069", "")
    assert {character for character in isolated if visible(character) != character} <= {"\n"}


@given(names=st.lists(NAMES, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_html_is_closed_in_order_and_gives_every_name_back(names):
    read = read_html(FORMATS["html"](page(names)))
    rows: list[str] = []
    for tag, text in read.texts:
        if tag == "th" and not text:
            rows.append("")
        elif rows:
            rows[-1] += text
    texts = "".join(text for _, text in read.texts)
    for name in names:
        assert visible(name) in texts
        assert any(attributes.get("title") == visible(name) for _, attributes in read.attributes)
    assert {tag for tag, _ in read.attributes} <= {
        *("article", "section", "h2", "h3", "p", "br", "table", "caption", "thead", "tbody", "tr", "th", "td"),
        *("abbr", "bdi", "strong", "u", "code", "ul", "li"),
    }


def test_an_html_table_has_a_caption_and_headings_with_their_scope():
    read = read_html(FORMATS["html"](LAYOUTS["rates"]([build(records.grid())])))
    tags = [tag for tag, _ in read.attributes]
    assert tags.count("caption") == tags.count("table") > 0
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in read.attributes if tag == "th")
    assert all(attributes["title"] for tag, attributes in read.attributes if tag == "abbr")


@given(names=st.lists(NAMES, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_a_markdown_table_keeps_its_columns_whatever_the_names(names):
    text = render_markdown(page(names))
    rows = [line for line in text.split("\n") if line.startswith("|")]
    assert len(rows) == len(names) * (len(names) + 2)
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in rows} == {4}


@needs_latex
def test_latex_compiles_whatever_the_names(tmp_path):
    """One document for all of them: a start of pdflatex takes longer than a page."""
    assert compiled(FORMATS["latex"](page(WORST)), tmp_path).stat().st_size > 1000


@needs_latex
@given(names=st.lists(NAMES, min_size=8, max_size=8))
@settings(max_examples=5, deadline=None)
def test_latex_compiles_with_any_names(names, tmp_path_factory):
    compiled(FORMATS["latex"](page(names)), tmp_path_factory.mktemp("latex"))


@needs_latex
@pytest.mark.parametrize("layout", sorted(LAYOUTS.keys() - {"tuned"}))
def test_latex_of_records_compiles(layout, tmp_path):
    compiled(FORMATS["latex"](LAYOUTS[layout]([build(records.grid())])), tmp_path)


@given(name=NAMES.filter(lambda name: "\ud800" not in name))
@settings(max_examples=30, deadline=None)
def test_csv_gives_every_name_back(name):
    """No record holds half of a surrogate pair: it could not be written as UTF-8."""
    text = render_csv(build(records.named(records.grid(seeds=1, rates=(0.0,)), name)))
    read = {row["dataset"] for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert {visible(found) for found in read} == {visible(name)}


@given(name=st.text(), rest=st.text(alphabet="a `"))
@settings(max_examples=200)
def test_a_name_in_a_note_is_read_as_it_was_written(name, rest):
    before = rest.replace("`", "")
    assert list(split(f"{before}x{code(name)}.")) == [(f"{before}x", False), (name, True), (".", False)] or not name


def test_the_best_group_is_bold_and_the_next_underlined():
    document = LAYOUTS["rates"]([build(records.grid())])
    html, latex = FORMATS["html"](document), FORMATS["latex"](document)
    for name in ("gce", "forward"):
        assert f'<th scope="row" class="best"><strong>{name}</strong>' in html
        assert rf"\textbf{{{name}}}" in latex
    assert '<th scope="row" class="second"><u>ce</u>' in html
    assert r"\underline{ce}" in latex
    assert "not told apart from the best" in latex


@pytest.mark.parametrize(
    ("seeds", "choice", "why"),
    [(5, {}, "fewer than 6 seeds (n = 5)"), (6, {"rule": "oracle_test"}, "can be ranked by oracle_test")],
)
def test_nothing_is_bold_where_no_order_is_resolved_and_a_note_says_why(seeds, choice, why):
    document = LAYOUTS["rates"]([build(records.grid(seeds=seeds), **choice)])
    html, latex = (re.sub(r"\s+", " ", FORMATS[form](document)) for form in ("html", "latex"))
    assert 'class="best"' not in html
    assert "<u>" not in html
    assert r"\underline" not in latex
    assert why in html
    assert why.replace("_", r"\_") in latex


def test_signs_stand_for_themselves_in_html():
    runs = records.grid(seeds=3)
    html = FORMATS["html"](LAYOUTS["rates"]([build(runs[:-1], expected=[{"spec": runs[-1]["spec"]}])]))
    assert '<abbr title="hole: 2 of 3 runs have a value">2/3</abbr>' in html


def test_a_metric_that_is_nan_is_a_hole_and_no_average():
    runs = records.grid(seeds=3)
    broken = [run | {"metrics": {"val_noisy": {"accuracy": records.NAN}}} if run is runs[-1] else run for run in runs]
    for form in FORMATS:
        text = FORMATS[form](LAYOUTS["rates"]([build(broken)]))
        assert "nan" not in text.lower()
        assert "2/3" in text


def test_an_empty_grid_has_its_headings():
    empty = Grid(plain("none"), (Cell("method"),), ())
    for form in FORMATS:
        assert "method" in FORMATS[form](Document("t", (), (Section("s", grids=(empty,)),), ()))
