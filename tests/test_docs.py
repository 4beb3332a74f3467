"""The documentation is made from the code, asks nothing of the network, and says nothing about a machine."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli.main import COMMANDS
from benchmark.registry import ALL
from benchmark.report.figures.kinds import KINDS, PACKAGE
from tests.conftest import ROOT

pytest.importorskip("mkdocs", reason="the documentation needs the extra [docs]")

from scripts.docs_pages import indented_as_code, markdown_table, pages

BUILD = """
import socket, sys
def refuse(*_):
    raise OSError("the documentation asked for the network")
socket.socket.connect = socket.getaddrinfo = refuse
from mkdocs.__main__ import cli
cli(["build", "--strict", "--quiet", "--site-dir", sys.argv[1]])
"""
OUTSIDE_REQUEST = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//|<link\b[^>]*\brel=["']?(?:stylesheet|preconnect|icon)"""
    r"""[^>]*\bhref=["']?(?:https?:)?//|@import\s+["'](?:https?:)?//|url\(["']?(?:https?:)?//""",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = subprocess.run([sys.executable, "-c", BUILD, folder], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_plugin_has_a_page_that_tells_its_options():
    made = dict(pages())
    for registry in ALL:
        for entry in registry.entries():
            page = made[f"{registry.plural}/{entry.name}.md"]
            missing = [name for name in registry.load(entry.name).Config.model_fields if f"`{name}`" not in page]
            assert not missing, f"{entry.name}: {missing}"


def test_the_page_of_commands_holds_what_each_prints_and_every_kind_of_figure():
    page = dict(pages())["commands.md"]
    for name in COMMANDS:
        assert f"\n## {name}" in page
    assert "\n## noise export" in page
    assert all(kind in page for kind in KINDS)
    figures = (ROOT / "docs" / "figures.md").read_text()
    assert all(f"| `{kind}` |" in figures for kind in KINDS)
    assert PACKAGE in figures


def test_the_page_of_a_method_shows_its_card():
    page = dict(pages())["methods/gce.md"]
    assert "<https://arxiv.org/abs/1805.07836>" in page
    assert "@inproceedings{" in page
    assert "†" not in page
    assert "`coteaching`](coteaching.md) †" in dict(pages())["methods/index.md"]


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_without_the_network(site):
    assert (site / "index.html").is_file()
    for registry in ALL:
        assert all((site / registry.plural / f"{entry.name}.html").is_file() for entry in registry.entries())
    assert "ground floor" in (site / "rooms.svg").read_text()


@pytest.mark.slow
def test_no_page_asks_another_server_for_anything(site):
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        request = OUTSIDE_REQUEST.search(path.read_text())
        assert not request, f"{path.relative_to(site)}: {request.group(0)}"


@pytest.mark.slow
def test_no_page_holds_a_path_of_this_machine(site):
    here = {str(ROOT), str(Path.home()), sys.prefix}
    for path in [*site.rglob("*.html"), *site.rglob("*.json")]:
        text = path.read_text()
        assert not [place for place in here if f"{place}/" in text], path.relative_to(site)


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/x.js">',
        "<link rel='stylesheet' href='//fonts.example/x'>",
        "url(https://a.b/c)",
    ],
)
def test_a_request_to_another_server_would_be_seen(html):
    assert OUTSIDE_REQUEST.search(html)
    assert not OUTSIDE_REQUEST.search('<a href="https://example.org">')


def test_formulas_of_docstrings_are_shown_as_they_stand():
    assert (
        indented_as_code("minimizes\n    a * b_c * d\nwith a.") == "minimizes\n\n```text\n    a * b_c * d\n```\nwith a."
    )
    assert markdown_table(("a",), [("x | y",)]).splitlines()[-1] == "| x \\| y |"
