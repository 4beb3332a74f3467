"""Simulated reading: bounds, a reader of given accuracy, and the rule for when to stop."""

import numpy as np
import pytest

from benchmark.labels.detectors import Verdict
from benchmark.labels.simulation import (
    ACQUISITIONS,
    WINDOW,
    Labels,
    curve,
    orders,
    read_again,
    simulate,
    stops_at,
)


def planted(n=2000, classes=4, rate=0.2, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    given = np.where(rng.random(n) < rate, (truth + rng.integers(1, classes, n)) % classes, truth)
    odds = np.exp(rng.standard_normal((n, classes)) + 3 * np.eye(classes)[truth])
    probabilities = odds / odds.sum(1, keepdims=True)
    return Labels(given, truth, classes), Verdict(probabilities[np.arange(n), given], probabilities)


def test_perfect_and_random_order_are_the_bounds():
    labels, verdict = planted()
    errors = int(labels.wrong.sum())
    table = simulate({"one": verdict, "two": verdict}, labels, np.array([100, errors, 1000]), accuracy=1.0, seed=0)
    assert (table[table["order"] == "perfect"]["share_of_ceiling"] == 1).all()
    assert (table[table["order"] == "perfect"]["left"].iloc[1:] == 0).all()
    assert table[table["order"] == "random"]["lift"].to_numpy() == pytest.approx(1, abs=0.35)
    assert table.groupby("order")["detector"].nunique().loc["perfect"] == 1
    assert set(table["order"]) == {*ACQUISITIONS, "random", "perfect"}
    lift = table[(table["order"] == "perfect")].set_index("read")["lift"]
    rate = errors / len(labels.given)
    assert lift[1000] == pytest.approx(min(1 / rate, 1 / 0.5))
    assert lift[100] == pytest.approx(1 / rate)
    quality = table[(table["order"] == "quality") & (table["detector"] == "one")]
    assert (quality["share_of_ceiling"] > 0.6).all()


def test_a_reader_errs_as_often_as_asked_and_the_same_in_every_order():
    labels, verdict = planted()
    by_name = orders(verdict, labels, 0)
    first, second = (read_again(labels, by_name[name], 0.9, 3) for name in ("quality", "random"))
    assert (first != labels.truth[by_name["quality"]]).mean() == pytest.approx(0.1, abs=0.02)
    whole = np.empty_like(first)
    whole[by_name["quality"]] = first
    assert (whole[by_name["random"]] == second).all()
    everything = curve(labels, by_name["random"], second, np.array([len(first)]))
    assert everything["left"].iloc[0] == pytest.approx(0.1, abs=0.02), (
        "all were read, only the reader's errors are left"
    )


def test_the_reader_stops_once_few_labels_change():
    labels = Labels(np.zeros(400, int), np.array([1] * 100 + [0] * 300), 2)
    order = np.arange(400)
    stop = stops_at(labels, order, labels.truth)
    assert 100 < stop <= 100 + WINDOW
    assert stops_at(Labels(np.zeros(60, int), np.ones(60, int), 2), np.arange(60), np.ones(60, int)) == 60


def test_the_balanced_order_takes_every_class_in_turn():
    labels, verdict = planted()
    order = orders(verdict, labels, 0)["class-balanced"]
    assert sorted(labels.given[order[:4]]) == [0, 1, 2, 3]
    assert sorted(labels.given[order[4:8]]) == [0, 1, 2, 3]
