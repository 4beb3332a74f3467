"""The page in a real browser, as its readers use it."""

from __future__ import annotations

import csv
import io
import itertools
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest

from tests.conftest import command_line

# One process: each would run the grid and write the page for itself.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

READY = "html[data-ready]"
SHOWN = "article > section:not([hidden]) .scroll table"


@pytest.fixture
def opened(browser, site):
    """Opens the page at an address' end, and fails on errors, warnings and requests to anywhere."""
    problems = []
    pages = []

    def open_at(end="", folder=site / "site", **options):
        page = browser.new_page(accept_downloads=True, **options)
        page.set_default_timeout(10_000)
        pages.append(page)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda sent: None if sent.url.startswith(("file:", "blob:", "data:")) else problems.append(sent.url),
        )
        page.goto((folder / "index.html").as_uri() + end)
        if options.get("java_script_enabled", True):
            page.wait_for_selector(READY, state="attached")
        return page

    yield open_at
    for page in pages:
        page.close()
    assert not problems


def texts(page):
    """Heading -> texts of the column, top to bottom."""
    rows = page.eval_on_selector_all(
        f"{SHOWN} tr", "rows => rows.map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    head, *body = rows
    return {name.rstrip(" ↑↓"): [row[i] for row in body] for i, name in enumerate(head)}


def choose(page, label, value):
    page.get_by_label(label, exact=True).select_option(value)


def printed(site, rule):
    """Method -> its row, as `noisybench table` prints it."""
    lines = command_line(site, "table", "--rule", rule).stdout.splitlines()
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("| method")) :]
    table = table[: table.index("")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in (table[0], *table[2:])]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


@pytest.mark.parametrize("rule", ["val_noisy", "last", "label_wave", "oracle_test"])
def test_a_switch_of_the_rule_shows_the_table_of_that_rule(opened, site, rule):
    page = opened()
    choose(page, "Reporting rule", rule)
    shown = texts(page)
    rows = printed(site, rule)
    assert sorted(shown["method"]) == sorted(row["method"] for row in rows)
    for row in rows:
        place = shown["method"].index(row["method"])
        assert {name: shown[name][place] for name in row} == row
    assert ("rank" in shown) == (rule != "oracle_test")


def test_the_order_of_another_rule_is_compared_by_kendalls_tau(opened):
    page = opened()
    choose(page, "Compare with rule", "last")
    assert "Kendall's τ between the orders by val_noisy and last: " in page.text_content("#stability")
    assert "rank by last" in texts(page)
    choose(page, "Compare with rule", "oracle_test")
    assert "fewer than two methods are ranked" in page.text_content("#stability")


def test_a_switch_of_the_rule_says_how_far_the_order_follows_it(opened, site):
    """Kendall's tau between the ranks that `noisybench table` prints by the two rules."""
    scipy = pytest.importorskip("scipy.stats")
    page = opened()
    assert page.text_content("#stability") == ""
    choose(page, "Reporting rule", "last")
    shown, first = texts(page), {row["method"]: row for row in printed(site, "val_noisy")}
    ranks = {row["method"]: row["rank"] for row in printed(site, "last")}
    assert shown["rank"] == [ranks[name] for name in shown["method"]]
    assert [float(rank) for rank in shown["rank"]] == sorted(float(rank) for rank in shown["rank"])
    assert shown["rank by val_noisy"] == [first[name]["rank"] for name in shown["method"]]
    pairs = [[float(rank) for rank in shown[name]] for name in ("rank", "rank by val_noisy")]
    said = page.text_content("#stability")
    tau = scipy.kendalltau(*pairs).statistic
    assert f"Kendall's τ between the orders by last and val_noisy: {tau:.3f}".replace("0.", ".") in said
    assert page.get_by_label("Compare with rule", exact=True).input_value() == ""
    choose(page, "Compare with rule", "label_wave")
    assert "by last and label_wave: " in page.text_content("#stability")
    choose(page, "Reporting rule", "label_wave")
    assert "by label_wave and val_noisy: " in page.text_content("#stability")
    page.get_by_role("button", name="Reset").click()
    assert page.text_content("#stability") == ""


def test_notes_stay_and_say_what_they_are_about(opened):
    page = opened()
    notes, about = (page.locator(f"article section:not([hidden]) {name}") for name in ("ul.notes", "p.about"))
    assert about.text_content() == ""
    choose(page, "Reporting rule", "last")
    assert "Notes on all methods and columns by val_noisy" in about.text_content()
    assert "by last." in about.text_content()
    assert notes.is_visible()
    assert "Bold:" not in notes.text_content()


def test_a_heading_sorts_and_sorts_back(opened):
    page = opened()
    for _ in range(2):
        page.locator(f"{SHOWN} thead button", has_text="none").click()
        figures = [float(text.split(" ")[0]) for text in texts(page)["none"]]
        state = page.get_attribute(f"{SHOWN} thead th:nth-child(2)", "aria-sort")
        assert figures == sorted(figures, reverse=state == "descending")
    assert state == "ascending"


def test_filters_take_columns_and_methods_out_of_the_ranking(opened):
    page = opened()
    page.get_by_text("Kinds of noise").click()
    page.get_by_label("pair").uncheck()
    shown = texts(page)
    assert "pair:0.3" not in shown
    assert "pair:0.3" not in page.text_content(f"{SHOWN} caption")
    page.get_by_label("Methods with").fill("ce")
    shown = texts(page)
    assert set(shown["method"]) == {"ce", "gce"}
    assert sorted(shown["rank"]) in (["1.0", "2.0"], ["1.5", "1.5"])
    page.get_by_role("button", name="Reset").click()
    assert "pair:0.3" in texts(page)


def test_a_contender_is_compared_with_everybody(opened):
    page = opened()
    choose(page, "Contender against all", "gce")
    shown = texts(page)
    place = shown["method"].index("ce")
    wins, ties, losses = map(int, shown["wins/ties/losses"][place].split("/"))
    assert wins + ties + losses == 3, "a column for each kind of noise that changes labels"
    assert shown["lead of the contender"][shown["method"].index("gce")] == "-"
    assert " ±" in shown["lead of the contender"][place]


def test_the_state_is_in_the_address(opened):
    page = opened()
    choose(page, "Reporting rule", "last")
    choose(page, "Chart", "cost")
    page.get_by_role("button", name="rank", exact=True).click()
    again = opened("#" + page.url.partition("#")[2])
    assert texts(again) == texts(page)
    assert again.locator("#chart svg").count() == 1


@pytest.mark.parametrize("end", ["#rule=none&table=99&sort=nothing", "#table=x&contender=nobody&chart=rate+", "#%%%"])
def test_an_address_that_names_nothing_shows_the_table(opened, end):
    assert texts(opened(end))["method"]


def test_behind_a_cell_are_its_runs_curves_confusion_and_command(opened, site):
    page = opened()
    row = page.locator(f"{SHOWN} tbody tr", has=page.get_by_role("rowheader", name="gce", exact=True))
    row.locator("td button").nth(1).press("Enter")
    dialog = page.get_by_role("dialog")
    told = dialog.inner_text()
    runs = [found.inner_text() for found in dialog.locator("code").all()]
    assert len(set(runs)) == 6
    shown = command_line(site, "show", runs[0]).stdout
    assert "gce" in shown
    assert dialog.locator("svg").count() == 1
    assert dialog.locator("table.confusion tbody tr").count() == 10
    assert "noisybench run -d digits -b cnn" in told
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_the_command_of_a_cell_makes_the_same_runs(opened, site):
    """Of a method with options and of one without: all runs are there already, so none would be run."""
    page = opened()
    for name in ("coteaching†", "elr_plus (2 nets)", "ce"):
        row = page.locator(f"{SHOWN} tbody tr", has=page.get_by_role("rowheader", name=name, exact=True))
        row.locator("td button").nth(2).click()
        command = page.locator("dialog pre").last.inner_text()
        page.keyboard.press("Escape")
        done = command_line(site, *split(command)[1:], "--dry-run")
        assert "6 runs, 6 already done, 0 to run" in done.stderr, done.stderr


def split(command):
    import shlex

    return shlex.split(command)


def test_behind_a_method_is_its_card(opened):
    page = opened()
    page.get_by_role("button", name="gce", exact=True).click()
    dialog = page.get_by_role("dialog")
    assert "@inproceedings{zhang2018generalized" in dialog.inner_text()
    assert dialog.get_by_role("link").first.get_attribute("href") == "https://arxiv.org/abs/1805.07836"


def saved(page, name):
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name, exact=True).click()
    return waiting.value.path().read_bytes().decode()


def test_csv_is_what_is_shown_and_no_spreadsheet_makes_dates_of_places(opened):
    page = opened()
    choose(page, "Reporting rule", "last")
    rows = list(csv.reader(io.StringIO(saved(page, "CSV"), newline="")))
    shown = texts(page)
    assert rows[0] == list(shown)
    written = [[re.sub(r"^(\d+)-(\d+)$", r"\1 to \2", text) for text in column] for column in shown.values()]
    assert [list(column) for column in zip(*rows[1:], strict=True)] == written
    assert any(" to " in text for column in written for text in column), "the table shows ranges of places"


def test_latex_is_what_is_shown_and_compiles(opened, tmp_path):
    page = opened()
    source = saved(page, "LaTeX")
    assert source.count("\\\\\n") == 1 + len(texts(page)["method"])
    assert "Records sha256:" in source, "what the table was made of goes with it"
    assert "click" not in source
    if shutil.which("pdflatex") is None:
        pytest.skip("there is no pdflatex here (apt-get install texlive-latex-base)")
    document = (
        "\\documentclass{article}\\usepackage{booktabs,graphicx}\\usepackage[T1]{fontenc}\\usepackage{textcomp}"
        "\\begin{document}"
    )
    (tmp_path / "page.tex").write_text(f"{document}\n{source}\n\\end{{document}}\n")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("chart", ["places", "cost", "rate symmetric"])
def test_charts_are_saved_as_svg(opened, chart):
    page = opened()
    choose(page, "Chart", chart)
    drawn = ET.fromstring(saved(page, "SVG"))
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert any("gce" in (text.text or "") for text in drawn.iter("{http://www.w3.org/2000/svg}text"))
    assert "NaN" not in ET.tostring(drawn, encoding="unicode")


@pytest.mark.parametrize("scripts", [True, False])
def test_images_are_shown_where_they_were_asked_for(opened, site, scripts):
    command_line(site, "report", "--out", "illustrated", "--images", "digits")
    page = opened(folder=site / "illustrated", java_script_enabled=scripts)
    page.get_by_text("Images of digits").click()
    picture = page.get_by_role("img", name="Up to 8 test images, drawn at random, of each class")
    assert picture.is_visible()
    if scripts:
        assert picture.evaluate("image => image.naturalWidth") > 8 * 48


def test_without_javascript_every_table_and_note_can_be_read(opened, site):
    page = opened(java_script_enabled=False)
    whole = page.inner_text("main")
    for row in printed(site, "val_noisy"):
        assert row["method"] in whole
        assert row["symmetric:0.4"] in whole
    assert "Records sha256:" in whole
    assert page.locator("#controls").is_hidden()


def test_it_can_be_used_with_the_keyboard_alone(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the tables"
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert {"SELECT", "INPUT", "BUTTON", "SUMMARY"} <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("dialog", [False, True])
def test_axe_finds_nothing_serious(opened, scheme, dialog):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    page = opened("#chart=places&other=last&contender=gce", color_scheme=scheme)
    if dialog:
        page.locator(f"{SHOWN} td button").first.click()
    found = axe.Axe().run(page).response["violations"]
    assert [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")] == []


def test_it_fits_a_phone_and_prints_every_table(opened, tmp_path):
    page = opened(viewport={"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.emulate_media(media="print")
    assert page.locator("#controls").is_hidden()
    assert page.locator("article > section").last.is_visible()


TEXTS = """(chart) => {
  const box = (shape) => { const b = shape.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
  const texts = [...chart.querySelectorAll("text")].map((text) => [text.textContent, ...box(text)]);
  return { edge: box(chart), texts };
}"""


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("chart", ["places", "cost", "rate symmetric"])
def test_texts_of_a_chart_are_as_large_on_a_phone_and_meet_no_other(opened, chart, width):
    page = opened(viewport={"width": width, "height": 700})
    choose(page, "Chart", chart)
    found = page.locator("#chart svg").evaluate(TEXTS)
    left, top, right, bottom = found["edge"]
    assert len(found["texts"]) > 5
    for name, *box in found["texts"]:
        assert left - 1 <= box[0] < box[2] <= right + 1, name
        assert top - 1 <= box[1] < box[3] <= bottom + 1, name
        assert min(box[2] - box[0], box[3] - box[1]) >= 5
    for (one, *a), (other, *b) in itertools.combinations(found["texts"], 2):
        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] + 3 or b[3] <= a[1] + 3
        assert apart, f"{one} meets {other}"
    heights = [box[3] - box[1] for _, *box in found["texts"] if box[2] - box[0] > box[3] - box[1]]
    assert min(heights) >= 11


def test_a_chart_follows_the_width_of_the_window(opened):
    page = opened("#chart=cost", viewport={"width": 1280, "height": 700})
    wide = page.locator("#chart svg").bounding_box()["width"]
    page.set_viewport_size({"width": 360, "height": 700})
    page.wait_for_function("document.querySelector('#chart svg').getBoundingClientRect().width < 360")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert wide > 360
