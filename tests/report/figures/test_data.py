"""The figures' numbers are those of the records."""

import numpy as np
import pandas as pd
import pytest

from benchmark.report.figures import canvas
from benchmark.report.figures.lines import COLORS, MOST_LINES, line_style
from benchmark.report.figures.names import LABEL, LONGEST, labels, shown_text, width, wrapped
from benchmark.tables import epochs, points, predictions
from benchmark.tables.per_seed import seed_means
from benchmark.tables.shown import ended, shown
from benchmark.tables.statistics import t_factor

CELL = ("forward", "symmetric:0.4")


@pytest.fixture(scope="module")
def runs(material):
    (one,) = shown(material.table, ())
    return ended(one)


@pytest.fixture(scope="module")
def records(material, runs):
    return list(material.whole(set(runs["id"])))


@pytest.fixture(scope="module")
def cell(records, runs):
    ids = set(runs["id"][(runs["method"] == CELL[0]) & (runs["noise"] == CELL[1])])
    return [record for record in records if record["id"] in ids]


def test_curves_are_means_and_t_intervals_over_the_seeds(records, runs, cell):
    values = epochs.over_seeds(runs, epochs.curves(reversed(records), "accuracy"))
    found = values.set_index(["method", "noise", "figure", "split", "epoch"]).sort_index()
    for figure, split, columns in (
        ("accuracy", epochs.TEST, [record["curve"]["test"]["accuracy"] for record in cell]),
        ("loss", epochs.TEST, [record["curve"]["test"]["nll"] for record in cell]),
        ("loss", epochs.TRAIN, [record["curve"]["train"]["loss"] for record in cell]),
        ("loss", epochs.VAL_NOISY, [record["curve"]["val_noisy"]["nll"] for record in cell]),
    ):
        by_epoch = np.array(columns)
        line = found.loc[(*CELL, figure, split)]
        assert np.allclose(line["mean"], by_epoch.mean(axis=0))
        assert np.allclose(line["half"], t_factor(2) * by_epoch.std(axis=0, ddof=1))
        assert list(line.index) == [1, 2, 3]


def test_memorization_is_of_noisy_runs_only(records, runs, cell):
    values = epochs.over_seeds(runs, epochs.memorization(records))
    assert set(values["noise"]) == {"symmetric:0.4"}
    line = values[(values["method"] == CELL[0]) & (values["figure"] == "the wrong label")]
    assert np.allclose(line["mean"], np.mean([r["curve"]["memorization"]["memorized"] for r in cell], axis=0))


def test_confusion_counts_every_image_of_every_seed(records, runs, cell):
    rows = predictions.of_cell(runs, predictions.confusion(records, "last"), *CELL)
    counts = rows.groupby(["label", "prediction"])["count"].sum().unstack()
    assert np.array_equal(counts, sum(np.array(record["outcomes"]["last"]["confusion"]) for record in cell))
    assert counts.to_numpy().sum() == sum(record["tests"]["test"]["size"] for record in cell)


def test_the_calibration_error_is_the_recorded_one(records, cell):
    errors = predictions.ece(predictions.calibration(records, "last")).set_index("id")["value"]
    for record in cell:
        # Sums of confidences are recorded to two decimals, in fifteen bins.
        allowed = 15 * 0.005 / record["tests"]["test"]["size"]
        assert errors[record["id"]] == pytest.approx(record["metrics"]["last"]["ece"], abs=allowed)
    bins = predictions.reliability(predictions.calibration(records, "last"))
    assert bins["count"].sum() == sum(record["tests"]["test"]["size"] for record in records)
    assert bins["confidence"].between(0, 1).all()
    assert bins["accuracy"].between(0, 1).all()


def test_names_of_classes_are_those_that_records_agree_on(records):
    known = predictions.ClassNames()
    assert list(known.noted(records)) == records
    assert known.names == tuple(map(str, range(10))), "the names of digits are their numbers"
    known.note({"provenance": {"labels": {}}})
    assert known.names, "records of earlier versions hold none"
    known.note({"provenance": {"labels": {"classes": ["cat", "dog"]}}})
    assert known.names == ()


def test_transitions_are_the_recorded_ones(records, runs, cell):
    rows = predictions.of_cell(runs, predictions.transitions(records), *CELL)
    estimated = rows.groupby(["clean", "noisy"])["estimated"].mean().unstack()
    assert np.allclose(estimated, np.mean([record["diagnostics"]["transition"] for record in cell], axis=0))
    true = rows.groupby(["clean", "noisy"])["true"].mean().unstack()
    assert np.allclose(true, np.mean([record["noise"]["transition"] for record in cell], axis=0))


def test_rates_begin_with_the_clean_cell(material):
    block = material.table.blocks[0]
    columns = points.rates(block.runs, block.valued)
    assert columns["rate"].to_dict() == {"none": 0.0, "symmetric:0.4": 0.4}
    rows = points.by_rate(block.cells, columns, ["ce"])
    assert list(rows["family"]) == ["symmetric", "symmetric"]
    assert list(rows["mean"]) == [block.cells.at[("ce", noise), "mean"] for noise in ("none", "symmetric:0.4")]


def test_noise_without_rates_is_drawn_at_its_realized_one():
    runs = pd.DataFrame(
        {
            "noise": ["given:worse", "given:worse", "given:best", "raters"],
            "noise_kind": ["given", "given", "given", "raters"],
            "clean": False,
            "realized": [0.4, 0.42, 0.1, np.nan],
        }
    )
    valued = pd.DataFrame(
        {"noise": ["given:worse", "given:best"], "kind": ["given:worse", "given:best"], "rate": np.nan}
    )
    columns = points.rates(runs, valued)
    assert columns["rate"].round(2).dropna().to_dict() == {"given:worse": 0.41, "given:best": 0.1}
    assert set(columns["family"]) == {"given", "raters"}


def test_scores_over_the_noisy_columns_leave_out_methods_with_holes(material):
    block = material.table.blocks[0]
    found = points.over_noise(seed_means(block.valued, block.noisy, list(block.methods.index)))
    assert found.at["ce", "mean"] == pytest.approx(block.cells.at[("ce", "symmetric:0.4"), "mean"])
    assert found.at["ce", "half"] == pytest.approx(block.cells.at[("ce", "symmetric:0.4"), "half"])


def test_the_front_holds_what_nothing_beats():
    rows = pd.DataFrame({"cost": [1.0, 1.0, 2.0, 3.0, 2.0], "mean": [0.5, 0.6, 0.6, 0.9, 0.7]})
    assert list(points.front(rows, lower_is_better=False)) == [False, True, False, True, True]
    assert list(points.front(rows, lower_is_better=True)) == [True, False, False, False, False]


def test_equal_printed_scores_share_a_place():
    scores = pd.Series({"a": 0.9001, "b": 0.9004, "c": 0.8, "t": 0.95})
    tuned = pd.Series({"a": 0, "b": 0, "c": 0, "t": 8})
    assert points.places(scores, tuned, False).to_dict() == {"a": 1.5, "b": 1.5, "c": 3.0, "t": 1.0}


def test_text_is_wrapped_to_its_width_and_odd_characters_are_codes():
    with canvas.style():
        text = wrapped("many words " * 20 + "x" * 300, 6.5, 200.0)
        assert max(width(line, 6.5) for line in text.split("\n")) <= 200.0
        assert shown_text("a$b_\x1b\u202e\U00010000") == "a$b_\\x1b\\u202e\\U00010000"
        (long, short) = labels(["W" * 50 + "1", "short"])
        assert width(long, LABEL) <= LONGEST
        assert long[0] + long[-1] == "W1"
        assert short == "short"
        assert len(set(labels(["y" * 40 + "1" + "z" * 40, "y" * 40 + "2" + "z" * 40]))) == 2


def test_lines_of_a_figure_differ_in_marker_and_the_first_in_colour():
    styles = [line_style(position) for position in range(MOST_LINES)]
    assert len({style["marker"] for style in styles}) == len(styles)
    assert len({style["color"] for style in styles[: len(COLORS)]}) == len(COLORS)
