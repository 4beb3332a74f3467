"""Tables show which places the data resolve, and none where they are too few."""

import random

import numpy as np
import pytest

from benchmark.tables.order import MIN_UNITS
from tests.tables.test_comparison import build, ended, record, rows
from tests.tables.written import render_csv, render_markdown

LEVELS = {"ce": 0.60, "gce": 0.80, "forward": 0.802}
"""The last two lie within the spread of seeds."""


def runs(seeds, levels=LEVELS, rates=(0.0, 0.2, 0.4)):
    generator = np.random.default_rng(0)
    shared = generator.normal(0, 0.05, seeds)
    return [
        record(float(level + shared[seed] + generator.normal(0, 0.01)), method, rate, seed)
        for method, level in levels.items()
        for rate in rates
        for seed in range(seeds)
    ]


def methods(table):
    (block,) = table.blocks
    return block.methods


def test_from_six_seeds_on_a_table_tells_resolved_places_from_ties():
    found = methods(build(runs(MIN_UNITS)))
    assert {name: (row["low"], row["high"], row["group"]) for name, row in found.iterrows()} == {
        "gce": (1, 2, "a"),
        "forward": (1, 2, "a"),
        "ce": (3, 3, "b"),
    }
    text = render_markdown(build(runs(MIN_UNITS)))
    assert "| rank | place | group |" in " ".join(text.split())
    assert "n = 6 seeds" in " ".join(text.split())


@pytest.mark.parametrize(("seeds", "told"), [(1, "n = 1;"), (3, "p = 0.25"), (5, "p = 0.0625")])
def test_with_fewer_seeds_no_order_is_claimed(seeds, told):
    text = " ".join(render_markdown(build(runs(seeds))).split())
    assert "order: none is claimed" in text
    assert told in text
    assert "place" not in text


def test_the_clean_column_is_no_evidence():
    """A method that is better on clean labels alone keeps the place that the noisy columns give it."""
    made = runs(MIN_UNITS)
    for run in made:
        if run["spec"]["method"]["name"] == "ce" and run["spec"]["noise"]["name"] == "none":
            run["metrics"]["val_noisy"]["accuracy"] += 0.4
    assert methods(build(made)).loc["ce", ["low", "high"]].tolist() == [3, 3]


def test_columns_are_no_repetitions():
    """Twice the columns with the same scores leave every interval as it is."""
    few, many = runs(MIN_UNITS, rates=(0.2,)), []
    for run in few:
        spec = run["spec"]
        name, seed = spec["method"]["name"], spec["seeds"]["noise"]
        many += [record(run["metrics"]["val_noisy"]["accuracy"], name, rate, seed) for rate in (0.2, 0.4)]
    columns = ["repetitions", "low", "high", "group", "best"]
    one, other = methods(build(few))[columns], methods(build(many))[columns]
    assert one.to_dict() == other.loc[one.index].to_dict()


def test_less_is_better_for_losses():
    made = methods(build(runs(MIN_UNITS), metric="nll"))
    assert made.loc["ce", ["low", "high"]].tolist() == [3, 3]


def test_a_method_with_a_hole_has_no_place_and_takes_none():
    made = [run for run in runs(MIN_UNITS) if not (run["spec"]["method"]["name"] == "gce" and run_is_last(run))]
    made.append(ended("diverged", "gce", 0.4, MIN_UNITS - 1, "NaN"))
    found = methods(build(made))
    assert np.isnan(found.loc["gce", "low"])
    assert found.loc["forward", ["low", "high"]].tolist() == [1, 1]
    assert found.loc["ce", ["low", "high"]].tolist() == [2, 2]
    assert {row["low"] for row in rows(render_csv(build(made))) if row["method"] == "gce"} == {""}


def run_is_last(run):
    return run["spec"]["seeds"]["noise"] == MIN_UNITS - 1 and run["spec"]["noise"]["config"].get("rate") == 0.4


def test_shuffled_records_make_the_same_table():
    made = runs(MIN_UNITS)
    shuffled = random.Random(1).sample(made, len(made))
    assert render_markdown(build(shuffled)) == render_markdown(build(made))
    assert render_csv(build(shuffled)) == render_csv(build(made))
