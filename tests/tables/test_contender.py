"""One method against all others: verdicts are those of the places, and the seeds that are asked for would do."""

import math

import numpy as np
import pytest

from benchmark.tables.contender import MOST_SEEDS, contest
from benchmark.tables.order import MIN_UNITS
from tests.tables.test_comparison import build, ended, record

LEVELS = {"ce": 0.6, "gce": 0.8, "forward": 0.803, "sce": 0.72, "elr": 0.7195}


def block(seeds, metric="accuracy", spread=0.01, levels=LEVELS):
    generator = np.random.default_rng(1)
    records = [
        record(float(level + generator.normal(0, spread)), method, rate, seed)
        for method, level in levels.items()
        for rate in (0.0, 0.2, 0.4)
        for seed in range(seeds)
    ]
    (found,) = build(records, metric=metric).blocks
    return found


@pytest.mark.parametrize("metric", ["accuracy", "nll"])
@pytest.mark.parametrize("method", LEVELS)
def test_a_place_follows_from_who_is_ahead_and_behind(method, metric):
    made = block(MIN_UNITS, metric)
    counts = contest(made, method, 0.01).others["verdict"].value_counts()
    low, high = made.methods.loc[method, ["low", "high"]]
    assert (low, high) == (1 + counts.get("behind", 0), len(LEVELS) - counts.get("ahead", 0))


def test_leads_wins_and_losses_have_two_sides():
    made = block(MIN_UNITS)
    one, other = contest(made, "gce", 0.01).others.loc["ce"], contest(made, "ce", 0.01).others.loc["gce"]
    assert math.isclose(one["lead"], -other["lead"])
    assert math.isclose(one["half"], other["half"])
    assert (one["wins"], one["ties"], one["losses"]) == (other["losses"], other["ties"], other["wins"]) == (2, 0, 0)


def test_with_the_seeds_that_it_asks_for_such_a_lead_is_told():
    """And not with one seed less, by Student's t as scipy has it."""
    scipy = pytest.importorskip("scipy.stats")
    made = block(8)
    found = contest(made, "gce", 0.01)
    row = found.others.loc["forward"]
    assert row["verdict"] == "open"
    tests = len(found.others)
    sd = row["half"] / scipy.t.ppf(0.975, 7) * math.sqrt(8)

    def p(seeds):
        return 2 * scipy.t.sf(abs(row["lead"]) / sd * math.sqrt(seeds), seeds - 1) * tests

    needed = int(8 + row["further"])
    assert p(needed) < 0.05 <= p(needed - 1)


def test_methods_that_are_alike_would_need_too_many():
    row = contest(block(MIN_UNITS, levels={"ce": 0.7, "gce": 0.7}, spread=0.0), "gce", 0.01).others.loc["ce"]
    assert (row["lead"], row["verdict"]) == (0, "open")
    assert math.isnan(row["further"])
    assert MOST_SEEDS >= MIN_UNITS


@pytest.mark.parametrize("seeds", [1, 3])
def test_with_few_seeds_nothing_is_said_of_the_order(seeds):
    found = contest(block(seeds), "gce", 0.01)
    assert found.repetitions == seeds
    assert set(found.others["verdict"]) == {""}


def test_a_method_with_a_hole_has_no_contest_and_others_go_without_it():
    records = [
        record(0.5 + seed / 50, m, r, seed) for m in ("ce", "gce", "sce") for r in (0.2, 0.4) for seed in range(6)
    ]
    records[-1] = ended("diverged", "sce", 0.4, 5, "NaN")
    (made,) = build(records).blocks
    assert contest(made, "sce", 0.01) is None
    assert list(contest(made, "gce", 0.01).others.index) == ["ce"]
