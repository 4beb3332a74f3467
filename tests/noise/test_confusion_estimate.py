"""The estimate of which classes are confused: intervals that hold the truth, and sums that are those of the rate."""

import numpy as np
import pytest

from benchmark.noise.confusion_estimate import estimate_confusions
from benchmark.noise.rate_estimate import Fits, HeldOut, fit

CLASSES = 4
FLIPS = {(0, 1): 0.3, (2, 3): 0.15}
"""(true, given) -> probability."""


def confused(samples=5000, seed=0, flips=FLIPS):
    """Given and true labels, and held-out predictions that rank well."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, CLASSES, samples)
    scores = 4 * np.eye(CLASSES)[true] + rng.standard_normal((samples, CLASSES))
    given = true.copy()
    for (source, target), rate in flips.items():
        given[(true == source) & (rng.random(samples) < rate)] = target
    odds = np.exp(scores)
    return given, true, HeldOut(odds / odds.sum(1, keepdims=True), np.tile(scores.argmax(1), (2, 1)))


def shares(given, true):
    joint = np.zeros((CLASSES, CLASSES))
    np.add.at(joint, (true, given), 1 / len(given))
    np.fill_diagonal(joint, 0)
    return joint


def fitted(given, held_out):
    fits = fit(given, held_out)
    assert isinstance(fits, Fits)
    return fits


def test_the_classes_that_were_confused_come_first_and_their_intervals_hold_the_truth():
    given, true, held_out = confused()
    found, truth = estimate_confusions(fitted(given, held_out)).pairs, shares(given, true)
    order = np.argsort(-found.estimate, axis=None)[:2]
    assert [tuple(map(int, np.unravel_index(place, found.estimate.shape))) for place in order] == [(0, 1), (2, 3)]
    for pair in FLIPS:
        assert found.low[pair] <= truth[pair] <= found.high[pair]
        assert found.low[pair] > 0
        assert found.estimate[pair] == pytest.approx(truth[pair], abs=0.015)
    others = truth == 0
    assert (found.low[others] == 0).all(), "no pair that is not confused has an interval above 0"


@pytest.mark.parametrize("flips", [FLIPS, {}])
def test_in_nine_of_ten_draws_the_intervals_of_classes_hold_the_truth(flips):
    held = []
    for seed in range(6):
        given, true, held_out = confused(1500, seed, flips)
        found, truth = estimate_confusions(fitted(given, held_out)).given, shares(given, true).sum(0)
        held += list((found.low <= truth) & (truth <= found.high))
    assert np.mean(held) >= 0.9, np.mean(held)


def test_pairs_add_up_to_the_classes_and_to_the_rate():
    given, _, held_out = confused()
    fits = fitted(given, held_out)
    found = estimate_confusions(fits)
    assert found.pairs.estimate.sum(0) == pytest.approx(found.given.estimate)
    assert found.given.estimate.sum() == pytest.approx(fits.evidence.rate, abs=1e-9)
    assert (found.pairs.low <= found.pairs.estimate).all()
    assert (found.pairs.estimate <= found.pairs.high).all()


def test_a_class_that_nobody_gave_has_no_wrong_labels():
    given, _, held_out = confused()
    given = np.where(given == 2, 3, given)
    found = estimate_confusions(fitted(given, held_out))
    assert found.given.estimate[2] == pytest.approx(0, abs=1e-3)
    assert found.pairs.estimate[2, 3] > 0.15, "all images of the class are given as another one"
