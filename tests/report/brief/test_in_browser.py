"""The page in a real browser: it asks for nothing, fits a phone, prints, and can be read aloud."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.report.brief.page import INDEX, render_brief
from benchmark.report.brief.words import page


@pytest.fixture
def opened(browser, facts, tmp_path):
    """Opens the page, with a long file name on it, and fails on messages and requests to anywhere."""
    worst = replace(facts.labels.worst[0], file="north/" + "scan" * 30 + ".png")
    shown = replace(facts, labels=replace(facts.labels, worst=(worst,) * 12))
    (tmp_path / INDEX).write_text(render_brief(page(shown)))
    problems = []
    sheet = browser.new_page(viewport={"width": 360, "height": 700}, bypass_csp=True)
    sheet.on("console", lambda message: problems.append(message.text))
    sheet.on("request", lambda sent: None if sent.url.startswith(("file:", "data:")) else problems.append(sent.url))
    sheet.goto((tmp_path / INDEX).as_uri())
    yield sheet
    sheet.close()
    assert not problems


def test_it_fits_a_phone_and_prints_its_pictures(opened):
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360
    assert opened.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    opened.emulate_media(media="print")
    assert opened.locator("figure").count() == 12
    assert opened.locator("figure").last.is_visible()


def test_axe_finds_nothing_serious(opened):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    found = axe.Axe().run(opened).response["violations"]
    assert [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")] == []
