"""The mixture of right and wrong labels: T, shares and scale are found again, and its gradient is exact."""

import numpy as np
import pytest

from benchmark.noise.label_mixture import fit_mixture, likeliest_mixture

T = np.array([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.1, 0.1, 0.8]])


def drawn(samples=6000, scale=2.0, seed=0):
    """Scores that are `scale` times too flat, and labels drawn by T from the classes that the scores give."""
    rng = np.random.default_rng(seed)
    logits = 4 * rng.standard_normal((samples, 3)) + [1.0, 0.0, 0.0]
    odds = np.exp(logits)
    true = (odds.cumsum(1) / odds.sum(1, keepdims=True) < rng.random((samples, 1))).sum(1)
    labels = (T[true].cumsum(1) < rng.random((samples, 1))).sum(1)
    return logits / scale, labels, true


def test_t_the_shares_and_the_scale_are_found_again():
    scores, labels, true = drawn()
    fitted = fit_mixture(scores, labels)
    np.testing.assert_allclose(fitted.transition, T, atol=0.03)
    np.testing.assert_allclose(fitted.prior, np.bincount(true) / len(true), atol=0.02)
    assert np.exp(fitted.parameters[0]) == pytest.approx(2.0, rel=0.1)
    assert fitted.rate == pytest.approx((labels != true).mean(), abs=0.015)
    assert fitted.own_error == pytest.approx((fitted.posterior.argmax(1) != true).mean(), abs=0.02)


def test_a_constant_added_to_a_row_of_scores_changes_nothing():
    scores, labels, _ = drawn(500)
    moved = scores + np.random.default_rng(1).normal(size=(len(scores), 1))
    assert fit_mixture(moved, labels).rate == pytest.approx(fit_mixture(scores, labels).rate, abs=1e-6)


def test_weights_count_samples():
    scores, labels, _ = drawn(800)
    weights = np.random.default_rng(2).integers(0, 3, len(labels))
    repeated = fit_mixture(np.repeat(scores, weights, 0), np.repeat(labels, weights))
    assert fit_mixture(scores, labels, weights=weights).rate == pytest.approx(repeated.rate, abs=2e-3)


def test_beginning_at_a_solution_stays_there():
    scores, labels, _ = drawn(2000)
    first = fit_mixture(scores, labels)
    assert fit_mixture(scores, labels, start=first).rate == pytest.approx(first.rate, abs=2e-3)


def test_a_confusion_that_one_start_misses_is_found_from_another():
    """Classes that are mistaken for each other both ways, as blood cells of neighbouring kinds."""
    true_transition = np.eye(8)
    for clean, given in ((0, 3), (1, 6), (3, 6), (4, 2), (5, 3), (6, 3)):
        true_transition[clean, [clean, given]] = 0.7, 0.3
    rng = np.random.default_rng(0)
    shares = np.array([0.07, 0.18, 0.09, 0.17, 0.07, 0.08, 0.20, 0.14])
    true = rng.choice(8, 4000, p=shares)
    odds = np.exp(1.2 * rng.standard_normal((4000, 8)) + 5 * np.eye(8)[true] + np.log(shares))
    sure = odds / odds.sum(1, keepdims=True)
    labels = (true_transition[true].cumsum(1) > rng.random((4000, 1))).argmax(1)
    scores = np.log(0.8 * sure @ true_transition + 0.2 * sure.mean(0))  # of a network that is fitted to the labels
    first, best = fit_mixture(scores, labels), likeliest_mixture(scores, labels)
    errors = [np.abs(found.transition - true_transition).sum(1).mean() for found in (first, best)]
    assert best.objective < first.objective
    assert errors[1] < 0.12 < errors[0], errors


def test_the_gradient_is_that_of_the_objective(monkeypatch):
    from scipy import optimize

    seen = {}

    def watched(objective, begin, **rest):
        point = begin + np.random.default_rng(3).normal(size=begin.shape)
        seen["error"] = optimize.check_grad(lambda p: objective(p)[0], lambda p: objective(p)[1], point)
        return minimize(objective, begin, **rest)

    minimize = optimize.minimize
    monkeypatch.setattr(optimize, "minimize", watched)
    scores, labels, _ = drawn(200)
    fit_mixture(scores, labels, weights=np.arange(200) % 3)
    assert seen["error"] < 1e-5
