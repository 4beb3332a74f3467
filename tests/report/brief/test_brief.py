"""The page for the head of the department says the same in HTML and on paper, in words, and no more than is known."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest
from pypdf import PdfReader

from benchmark.errors import UsageError
from benchmark.grid.typed import of_unknown
from benchmark.report.brief import pdf as paper
from benchmark.report.brief.facts import Lacking, Reading, Share
from benchmark.report.brief.numbers import count, percent, points, share
from benchmark.report.brief.page import render_brief
from benchmark.report.brief.words import page

NAN = float("nan")


def html(facts):
    return " ".join(render_brief(page(facts)).replace("\N{NO-BREAK SPACE}", " ").split())


def words(facts):
    """What the PDF says, without line ends."""
    reader = PdfReader(io.BytesIO(paper.pdf(page(facts))))
    text = " ".join(one.extract_text() for one in reader.pages)
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())


@pytest.mark.parametrize("written", [html, words])
def test_html_and_paper_say_what_was_found_the_limits_first(facts, written):
    said = written(facts)
    limits = said.index("What this page can and cannot tell")
    assert limits < said.index("In short") < said.index("What was read and what was left out")
    for sentence in (
        "people have read 7 labels again",
        "180 images of 50 patients in 2 classes were read. Left out: 1 file(s): not an image (scan_9.png).",
        "No patient is in two of them.",
        "About 10 % (5 to 15 %) of the labels are probably wrong. The commonest mistake: the label says benign, the "
        "image looks like malignant.",
        "benign, looks like malignant",
        "12 (3 to 21)",
        "The readers agree moderately: alpha 0.70 (0.60 to 0.80). Measured on 75 images that two or more have read",
        "Dr B gave no other class than benign",
        "north/scan_1.png",
        "Labels that people have read again so far: 7 (right 7).",
        "Train with the method better: expected gain over usual training +5.0 percentage points right answers (+1.0 to "
        "+9.0).",
        "train -m better",
        "What better is: A better one (Who, Where 2020).",
        "recognises 80 % (70 to 90 %) of the test images; the weakest class is malignant with 60 %.",
        "a perfect one would reach about 90 %",
        "Of the images of South it recognises 55 % (45 to 65 %): 25 percentage points fewer than of the test images.",
        "too sure of itself: it is 86 % sure on average and right in 80 %.",
        "3 runs of other networks, settings or labels are not shown here.",
        "made today",
    ):
        assert sentence in said


def test_the_page_asks_for_nothing_and_shows_names_as_they_are(facts):
    worst = replace(facts.labels.worst[0], file="<b>&\u202e.png", given="\u05d0")
    made = render_brief(page(replace(facts, labels=replace(facts.labels, worst=(worst,)))))
    assert "&lt;b&gt;&amp;\\u202e.png" in made
    assert "://" not in made
    assert "<script" not in made
    assert "label: <bdi>\u05d0</bdi>" in made
    assert made.count('src="data:image/png;base64,') == 1
    assert "default-src 'none'" in made


def test_paper_shows_a_box_for_a_letter_that_its_font_lacks(facts):
    worst = replace(facts.labels.worst[0], file="\u7d30\u80de.png", given="\u03b1\u0436")
    said = words(replace(facts, labels=replace(facts.labels, worst=(worst,))))
    assert "\N{WHITE SQUARE}\N{WHITE SQUARE}.png" in said
    assert "label: \u03b1\u0436" in said


def test_equal_facts_are_equal_files(facts):
    assert paper.pdf(page(facts)) == paper.pdf(page(facts))
    assert render_brief(page(facts)) == render_brief(page(facts))


def test_without_the_extra_the_reason_is_said(facts, monkeypatch):
    monkeypatch.setitem(sys.modules, "fpdf", None)
    with pytest.raises(UsageError, match=r"pip install 'noisybench\[pdf\]'"):
        paper.pdf(page(facts))


def test_an_unknown_share_of_wrong_labels_names_no_number(facts):
    labels = replace(facts.labels, rate=None, doubt="they disagree", pairs=facts.labels.pairs.head(0))
    said = html(replace(facts, labels=labels, reading=None))
    assert "How many labels are wrong cannot be told: the networks know these images too little." in said
    assert "too little to tell how many labels are wrong (they disagree)." in said
    assert "perfect" not in said
    assert "Classes that are confused" not in said
    assert "north/scan_1.png" in said


def test_what_is_lacking_is_named_with_its_command(facts):
    lacking = (Lacking("the other hospital", "no run was tested on its images", "noisybench advise -d x"),)
    said = html(replace(facts, methods=None, lacking=lacking))
    assert "Not on this page: the other hospital." in said
    assert "<strong>The other hospital</strong>: no run was tested on its images. <code>noisybench advise -d x" in said
    assert "recognis" not in said


def test_what_stands_in_the_command_for_a_file_that_is_not_known_is_said(facts):
    said = of_unknown("noisybench run -b resnet18:weights=FILE -m ce")
    assert "for FILE type your paths" in html(replace(facts, methods=replace(facts.methods, unknown=said)))
    assert of_unknown(facts.methods.command) == facts.methods.unknown == ""
    assert "()" not in html(facts)


def test_patients_that_are_unknown_or_shared_are_said(facts):
    unknown = replace(facts.data, patients={}, all_patients=0)
    assert "Which images are of one patient is not known" in html(replace(facts, data=unknown))
    shared = replace(facts.data, all_patients=45)
    assert "Some patients are in more than one of them: results look too good." in html(replace(facts, data=shared))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"methods": None, "images": 30}, "Train as usual (plain): 30 validation images are too few"),
        ({"low": -0.02, "high": 0.09}, "these data do not show that a special method is better, nor that none is"),
        ({"low": -0.02, "high": 0.01}, "Train as usual (plain): no special method gains much on these data"),
    ],
)
def test_no_gain_is_claimed_that_the_data_do_not_show(facts, advice, changed, said):
    if "low" in changed:
        methods = advice.methods.copy()
        methods.loc["better", ["low", "high"]] = changed["low"], changed["high"]
        changed = {"methods": methods}
    of_methods = replace(facts.methods, advice=replace(advice, **changed), method="plain")
    assert said in html(replace(facts, methods=of_methods))


@pytest.mark.parametrize(
    ("alpha", "said"),
    [
        (Share(0.9, 0.8, 0.95), "The readers agree well: alpha 0.90 (0.80 to 0.95)."),
        (Share(0.3, NAN, NAN), "The readers agree too little: alpha 0.30."),
        (Share(NAN, NAN, NAN), "How far the readers agree cannot be told: too few images were read twice."),
    ],
)
def test_agreement_is_put_into_words(facts, alpha, said):
    assert said in html(replace(facts, readers=replace(facts.readers, alpha=alpha)))
    assert "agree" not in html(replace(facts, readers=None)).replace("would agree with", "")


def test_what_was_tried_out_stands_beside_chance(facts):
    reading = Reading(facts.reading.curve.assign(listed=[6, 11]), 40)
    said = html(replace(facts, reading=reading))
    assert "Reading 18 labels again finds about 11 wrong ones in the order of the list" in said
    assert "would read about 40 labels" in said
    assert "in the order of the list" not in html(facts)


def test_numbers_are_read_aloud():
    assert [percent(value).replace("\N{NO-BREAK SPACE}", " ") for value in (0.0, 0.004, 0.17, 0.995, 1.0, NAN)] == [
        *("0 %", "0.4 %", "17 %", "99.5 %", "100 %", "-")
    ]
    assert share(Share(0.5, NAN, NAN)).replace("\N{NO-BREAK SPACE}", " ") == "50 %"
    assert [points(value) for value in (0.021, -0.00001)] == ["+2.1", "+0.0"]
    assert count(1, "image") == "1 image"
