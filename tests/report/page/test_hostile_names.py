"""Names of somebody else's data stay names in everything that is written to be looked at in a browser or an editor."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

from tests.conftest import command_line

PAYLOAD = "<script>alert(1)</script>"
CLASSES = (
    PAYLOAD,
    "\"><img src=x onerror='alert(2)'>",
    "</title>`x` | [a](javascript:alert(3)) ${4} \\input{/etc/passwd}",
)
NAME = "'\"><svg onload=alert(5)>&lt;\\input"
METHOD = '''"""<script>alert(6)</script> in a docstring."""
from methods import Method


class Evil(Method):
    """<script>alert(7)</script> as a summary."""
'''


class Elements(HTMLParser):
    """Counts elements, and collects attributes by which one can run code."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.handlers: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [(k, v) for k, v in attrs if k.startswith("on") or (v or "").startswith("javascript:")]


def elements(text: str) -> Elements:
    found = Elements()
    found.feed(text)
    found.close()
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory, request):
    """Results on data whose file and classes have such names, by a plugin of that kind, and pages of them."""
    folder = tmp_path_factory.mktemp("evil")
    from benchmark.checks.lab import images

    arrays = {"class_names": np.array(CLASSES)}
    for seed, (split, size) in enumerate((("train", 120), ("val", 30), ("test", 30))):
        pixels, labels = images(size, 3, seed)
        arrays |= {f"{split}_images": pixels[..., 0], f"{split}_labels": labels[:, None].astype(np.uint8)}
    np.savez(folder / f"{NAME}.npz", allow_pickle=False, **arrays)
    (folder / "evil.py").write_text(METHOD)
    (folder / "suite.toml").write_text(
        f"title = '''{PAYLOAD}'''\n"
        f"datasets = [{{ name = \"npz\", path = '''{NAME}.npz''' }}]\nmethods = [\"ce\", \"evil\"]\n"
        'noise = ["symmetric:0.4"]\nseeds = 1\n[recipe]\nepochs = 1\n'
    )
    grid = ("suite.toml", "--plugin", "evil.py")
    command_line(folder, "run", *grid, "--no-table")
    command_line(folder, "report", *grid, "--out", "site")
    allowed = ("--allow-dirty", "--allow-plugins", "--no-figures")
    command_line(folder, "publish", *grid, "--out", "pub", *allowed)
    return folder


@pytest.mark.slow
def test_pages_and_fragments_hold_no_element_that_a_name_made(made):
    pages = [path.read_text() for path in (*made.glob("site/*.html"), *made.glob("pub/*.html"))]
    assert pages
    fragments = [command_line(made, "table", "--format", "html", "--layout", kind).stdout for kind in ("rates", "cost")]
    for text in (*pages, *fragments):
        found = elements(text)
        assert found.handlers == []
        assert "img" not in found.tags
        assert found.tags.count("script") <= (2 if text in pages else 0), "the program of the page, and its data"
    assert all("&lt;svg" in text for text in fragments), "the name of the data set is there, as text"


@pytest.mark.slow
def test_markdown_holds_no_element_that_a_name_made(made):
    markdown = pytest.importorskip("markdown", reason="comes with mkdocs")
    texts = [path.read_text() for path in made.glob("pub/*.md")]
    assert texts
    for text in (*texts, command_line(made, "table").stdout):
        found = elements(markdown.markdown(text, extensions=["tables"]))
        assert found.handlers == []
        assert not {"script", "img", "svg"} & {*found.tags}


@pytest.mark.slow
def test_latex_holds_no_command_that_a_name_made(made):
    text = command_line(made, "table", "--format", "latex").stdout
    assert "\\input" not in text
    assert "backslash{}input" in text, "the name of the data set is there, as text"
