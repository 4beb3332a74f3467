"""What the layouts put beside one another, and what they refuse."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmark.report.document import Document
from benchmark.report.layouts.all import LAYOUTS
from benchmark.report.markdown import render_markdown
from benchmark.tables.comparison import TableError
from tests.report import records
from tests.tables.test_comparison import build


def rows(document: Document, position: int = 0, section: int = 0) -> dict[str, list[str]]:
    """Name and texts of the rows of a grid, without the marks."""
    shown = document.sections[section].grids[position]
    return {row[0].text: [cell.text for cell in row[1:]] for row in shown.rows}


def headings(document: Document, position: int = 0) -> list[str]:
    return [cell.text for cell in document.sections[0].grids[position].columns]


def exactly(values, **changes):
    """Runs with these accuracies by (method, rate), one per seed."""
    return [
        records.record(value, method, rate, seed, **changes)
        for (method, rate), of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]


def text_of(document: Document) -> str:
    return re.sub(r"\s+", " ", render_markdown(document))


def test_several_rules_stand_below_one_another_and_their_notes_are_told_once():
    runs = records.grid()
    document = LAYOUTS["rates"]([build(runs, rule=rule) for rule in ("val_noisy", "last")])
    (section,) = document.sections
    captions = ["".join(span.text for span in grid.caption) for grid in section.grids]
    assert [("by val_noisy" in caption, "by last" in caption) for caption in captions] == [
        *[(True, False)] * 3,
        *[(False, True)] * 3,
    ]
    assert document.title == "accuracy, val_noisy, last"
    said = ["".join(span.text for span in note) for note in section.notes]
    assert len([note for note in said if "epochs chosen by" in note]) <= 1
    assert len(said) == len(set(said))


def test_a_note_of_one_metric_alone_says_so():
    document = LAYOUTS["rates"]([build(records.grid(), metric=metric) for metric in ("accuracy", "nll")])
    text = text_of(document)
    assert "Accuracy, val_noisy: sampling error of the test set" in text or "sampling error" not in text
    assert "**Nll (lower is better), by val_noisy, mean ± sd" in text


def test_backbones_stand_beside_one_another_over_the_columns_that_all_have():
    of_cnn = {("ce", 0.2): [0.5, 0.6], ("ce", 0.4): [0.3, 0.4], ("gce", 0.2): [0.7, 0.7], ("gce", 0.4): [0.1, 0.1]}
    cnn = exactly(of_cnn)
    mlp = exactly({("ce", 0.2): [0.2, 0.4]}, backbone__name="mlp")
    document = LAYOUTS["backbones"]([build([*cnn, *mlp])])
    assert headings(document) == ["method", "cnn", "mlp"]
    assert rows(document) == {"gce": [".700 ±.000", "-"], "ce": [".550 ±.071", ".300 ±.141"]}
    assert "left out, as not all backbones have it: symmetric:0.4" in text_of(document)


def test_backbones_with_recipes_of_their_own_say_so():
    runs = [*records.grid(), *records.grid(backbone__name="mlp", recipe__epochs=20)]
    text = text_of(LAYOUTS["backbones"]([build(runs)]))
    assert "Recipes differ" in text
    assert "Recipe of mlp: epochs=20" in text


def test_a_backbone_with_two_recipes_has_two_columns():
    runs = [*records.grid(), *records.grid(recipe__epochs=20)]
    assert headings(LAYOUTS["backbones"]([build(runs)])) == ["method", "cnn, recipe 1", "cnn, recipe 2"]


def test_recipes_stand_beside_one_another_with_how_far_their_orders_agree():
    short = exactly({("ce", 0.4): [0.3, 0.4], ("gce", 0.4): [0.5, 0.6], ("sce", 0.4): [0.7, 0.7]})
    long = exactly(
        {("ce", 0.4): [0.5, 0.5], ("gce", 0.4): [0.6, 0.7], ("sce", 0.4): [0.55, 0.6], ("elr", 0.4): [0.9, 0.9]},
        recipe__epochs=100,
    )
    document = LAYOUTS["recipes"]([build([*short, *long])])
    assert headings(document) == ["method", "epochs=10", "epochs=100"]
    ranks = document.sections[0].grids[1]
    assert {str(row[0].text): [cell.text for cell in row[1:]] for row in ranks.rows} == {
        "ce": ["3.0", "3.0"],
        "gce": ["2.0", "1.0"],
        "sce": ["1.0", "2.0"],
    }  # elr, which has no short runs, is in no rank
    assert "Kendall's tau 0.33 over 3 methods; the place of some method changes by 1" in text_of(document)
    assert "Recipe: batch" in text_of(document)


def test_cost_stands_beside_the_mean_over_the_noisy_columns():
    values = {("ce", 0.2): [0.5, 0.6], ("ce", 0.4): [0.3, 0.4], ("gce", 0.2): [0.6, 0.8], ("gce", 0.4): [0.4, 0.6]}
    document = LAYOUTS["cost"]([build(exactly(values))])
    assert headings(document) == ["method", "cost", "noisy", "difference from ce", "front"]
    # Seed by seed: ce .4 and .5, gce .5 and .7; differences .1 and .2, whose t interval is +- 12.71 * .0707 / sqrt 2.
    assert rows(document) == {
        "gce": ["1x", ".600 ±.141", "+.150 ±.635", "yes"],
        "ce": ["1x", ".450 ±.071", "-", ""],
    }


def test_a_method_with_a_hole_has_no_mean_over_the_noisy_columns():
    runs = records.grid(seeds=3)
    lost = [run for run in runs if run["spec"]["method"]["name"] != "gce" or run["spec"]["seeds"]["init"] < 2]
    document = LAYOUTS["cost"]([build(lost, expected=[{"spec": run["spec"]} for run in runs])])
    assert rows(document)["gce"] == ["1x", "2/3", "-", "-", ""]


def test_the_front_leaves_out_what_is_dearer_and_worse():
    import pandas as pd

    from benchmark.report.layouts.cost import front

    cost = pd.Series({"cheap": 1.0, "best": 2.0, "dear": 3.0, "same": 1.0, "unknown": np.nan})
    loss = pd.Series({"cheap": 0.4, "best": 0.2, "dear": 0.3, "same": 0.4, "unknown": 0.1})
    assert front(cost, loss).to_dict() == {"cheap": True, "best": True, "dear": False, "same": True, "unknown": False}


def tuned(values):
    """As `exactly`, of the configuration that a search of 8 chose."""
    return exactly(values, method__tuned=8)


def test_tuned_stands_beside_default_and_their_difference_is_paired():
    default = {("ce", 0.0): [0.8, 0.9], ("ce", 0.2): [0.5, 0.6], ("ce", 0.4): [0.3, 0.4]}
    better = {("ce", 0.0): [0.8, 0.9], ("ce", 0.2): [0.6, 0.7], ("ce", 0.4): [0.4, 0.5]}
    document = LAYOUTS["tuned"]([build([*exactly(default), *tuned(better)])])
    assert rows(document) == {"ce tuned (N = 8)": [".450 ±.071", ".550 ±.071", "+.100 ±.000"]}
    assert rows(document, 1) == {"ce tuned (N = 8)": ["+.000 ±.000", "+.100 ±.000", "+.100 ±.000"]}


def test_places_of_default_and_tuned_methods_are_told_apart():
    seeds = [0.01 * seed for seed in range(6)]
    values = {(name, 0.2): [base + seed for seed in seeds] for name, base in (("ce", 0.4), ("gce", 0.6))}
    notes = text_of(LAYOUTS["rates"]([build([*exactly(values), *tuned(values)])]))
    assert "place: 95 % interval among 2 methods as they are (" in notes
    assert "place: 95 % interval among 2 methods tuned (N = 8) (" in notes
    assert "place: 95 % interval among 2 methods (" in text_of(LAYOUTS["rates"]([build(exactly(values))]))


def test_a_table_without_a_search_has_no_tuned_layout():
    with pytest.raises(TableError, match="no method is tuned here; expected runs of a search: `noisybench run SUITE"):
        LAYOUTS["tuned"]([build(records.grid())])


def test_papers_stand_beside_ours_with_their_protocol_and_direction():
    document = LAYOUTS["papers"]([build(records.grid())])
    shown = [[cell.text for cell in row] for row in document.sections[0].grids[0].rows]
    (row,) = [row for row in shown if row[:2] == ["gce", "symmetric:0.4"]]
    assert row[3:] == [
        *(".871", row[4], "+.052", "same", "ResNet-34", "120", "not said", "Liu et al., NeurIPS 2020, Table 1"),
    ]
    text = text_of(document)
    assert "Ours: digits, cnn, epochs=10" in text
    assert "Papers: CIFAR-10" in text
    assert "not comparable" in text


def test_papers_refuse_what_they_print_nothing_of():
    with pytest.raises(TableError, match="no paper prints a figure for a method and noise of these runs"):
        LAYOUTS["papers"]([build(records.grid(methods=("ce",)))])
    with pytest.raises(TableError, match="no paper prints"):
        LAYOUTS["papers"]([build(records.grid(), metric="nll")])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_shuffled_records_change_nothing(layout):
    default = {(method, rate): [0.5 + rate, 0.6] for method in ("ce", "gce") for rate in (0.0, 0.2)}
    runs = [*exactly(default), *tuned(default)]
    shuffled = [runs[position] for position in np.random.default_rng(1).permutation(len(runs))]
    assert render_markdown(LAYOUTS[layout]([build(shuffled)])) == render_markdown(LAYOUTS[layout]([build(runs)]))


@pytest.mark.parametrize("layout", ["rates", "backbones", "recipes", "cost", "papers"])
def test_two_protocols_stand_in_sections_of_their_own(layout):
    runs = [*records.grid(), *records.grid(protocol=2)]
    headed = [section.heading for section in LAYOUTS[layout]([build(runs)]).sections]
    assert len(headed) == len(set(headed)) == 2
    assert all("protocol" in heading for heading in headed)


@pytest.mark.parametrize("layout", ["rates", "backbones", "recipes", "cost", "papers"])
def test_one_seed_and_no_clean_column_are_shown_as_they_are(layout):
    text = render_markdown(LAYOUTS[layout]([build(records.grid(seeds=1, rates=(0.2, 0.4)))]))
    assert "nan" not in text
    assert "±" not in "".join(line for line in text.splitlines() if line.startswith("|"))


@pytest.mark.parametrize("layout", ["rates", "backbones", "recipes", "cost", "papers"])
def test_a_table_of_holes_alone_is_shown(layout):
    runs = records.grid(seeds=2)
    lost = [run for run in runs if run["spec"]["seeds"]["init"] == 0]
    text = render_markdown(LAYOUTS[layout]([build(lost, expected=[{"spec": run["spec"]} for run in runs])]))
    assert "1/2" in text or layout in ("backbones", "recipes")
    assert "nan" not in text
