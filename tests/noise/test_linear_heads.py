"""Heads on features for the rate: no sample is judged by a head that has seen its label."""

import numpy as np
import pytest

from benchmark.noise import linear_heads
from benchmark.noise.rate_estimate import estimate_rate


def labelled(samples=600, classes=4, width=20, rate=0.3, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, samples)
    features = (rng.standard_normal((samples, width)) + 3 * np.eye(width)[true]).astype(np.float32)
    labels = np.where(rng.random(samples) < rate, (true + rng.integers(1, classes, samples)) % classes, true)
    return features, labels, true


def test_probabilities_do_not_depend_on_the_samples_own_label(monkeypatch):
    features, labels, _ = labelled()
    told = linear_heads.held_out(features, labels, 4, folds=4, seed=0).probabilities
    np.testing.assert_allclose(told.sum(1), 1, rtol=1e-5)
    monkeypatch.setattr(linear_heads, "STRENGTHS", (0.01,))  # its choice sees labels of the first fold's training part
    told = linear_heads.held_out(features, labels, 4, folds=4, seed=0).probabilities
    changed = labels.copy()
    changed[7] = (changed[7] + 1) % 4
    again = linear_heads.held_out(features, changed, 4, folds=4, seed=0).probabilities
    np.testing.assert_array_equal(again[7], told[7])
    assert not np.allclose(again, told), "other samples are judged by heads that were fitted to it"


def test_wrong_labels_are_not_learned_and_the_rate_is_found():
    features, labels, true = labelled(3000)
    told = linear_heads.held_out(features, labels, 4, folds=4, seed=0)
    assert (told.probabilities.argmax(1) == true).mean() > 0.85
    rate = estimate_rate(labels, told)
    assert rate.low <= (labels != true).mean() <= rate.high
    assert rate.high - rate.low < 0.12


def test_features_without_information_are_refused():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 800)
    told = linear_heads.held_out(rng.standard_normal((800, 10)), labels, 4, folds=4, seed=0)
    assert estimate_rate(labels, told).interval is None


@pytest.mark.parametrize("labels", [[0, 0, 0, 1], [1] * 9, [0, 1, 2]])
def test_few_labels_and_classes_that_a_fold_lacks_give_probabilities(labels):
    given = np.array(labels)
    told = linear_heads.held_out(np.eye(len(given)), given, 3, folds=4, seed=0).probabilities
    assert told.shape == (len(given), 3)
    np.testing.assert_allclose(told.sum(1), 1)


def test_features_that_tell_the_classes_poorly_are_refused_because_twins_disagree():
    features, labels, _ = labelled(1500, width=60, rate=0.0)
    rng = np.random.default_rng(1)
    told = linear_heads.held_out(0.15 * features + rng.standard_normal(features.shape), labels, 4, folds=4, seed=0)
    estimate = estimate_rate(labels, told)
    assert estimate.interval is None
    assert "two networks agree on" in estimate.doubt
