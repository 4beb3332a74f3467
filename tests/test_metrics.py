"""Metrics agree with scikit-learn and closed forms; `tests/golden` has the official evaluators' numbers."""

from __future__ import annotations

import base64
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    log_loss,
    matthews_corrcoef,
    mean_absolute_error,
    precision_recall_fscore_support,
    roc_auc_score,
)

from benchmark import metrics


def predictions(n: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [n, k] that are right more often than not, and labels [n] that hold every class."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % k)
    logits = rng.normal(size=(n, k)) * 2
    logits[np.arange(n), labels] += 2
    p = np.exp(logits)
    return p / p.sum(1, keepdims=True), labels


def test_a_confidence_on_a_bin_edge_belongs_to_the_bin_below() -> None:
    # .5 and .4 share the bin (0, .5] of two; in [.5, 1) they would stand apart and both miss by their all.
    together = metrics.expected_calibration_error(np.array([0.5, 0.4]), np.array([True, False]), bins=2)
    assert together == pytest.approx(abs(0.5 - 0.45))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=60))
def test_auroc_equals_scikit_learn_with_ties_and_is_none_without_both_sides(pairs: list) -> None:
    score = np.array([s for s, _ in pairs]) / 7
    positive = np.array([p for _, p in pairs])
    if positive.all() or not positive.any():
        assert metrics.auroc(score, positive) is None
    else:
        assert metrics.auroc(score, positive) == pytest.approx(roc_auc_score(positive, score), abs=1e-12)


@pytest.mark.parametrize("k", [2, 3, 9])
def test_every_scalar_equals_scikit_learn(k: int) -> None:
    p, y = predictions(700, k)
    scored = metrics.score(p, y, k)
    guess = p.argmax(1)
    areas = [roc_auc_score(y == c, p[:, c]) for c in range(k)]
    assert scored["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, guess), abs=1e-12)
    assert scored["f1"] == pytest.approx(f1_score(y, guess, average="macro"), abs=1e-12)
    assert scored["nll"] == pytest.approx(log_loss(y, p), abs=1e-12)
    assert scored["auroc"] == pytest.approx(areas[1] if k == 2 else np.mean(areas), abs=1e-12)
    assert set(metrics.SCALARS) == {name for name, value in scored.items() if not isinstance(value, list)}


def test_absent_classes_leave_the_means_and_are_null_in_the_lists() -> None:
    p = np.array([[0.7, 0.2, 0.1, 0.0], [0.1, 0.8, 0.1, 0.0], [0.2, 0.1, 0.7, 0.0], [0.9, 0.1, 0.0, 0.0]])
    scored = metrics.score(p, np.array([0, 1, 1, 0]), 4)
    assert scored["recall"] == [1.0, 0.5, None, None]
    assert scored["precision"] == [1.0, 1.0, 0.0, None]
    assert scored["balanced_accuracy"] == pytest.approx(0.75)
    assert scored["auroc"] == pytest.approx((1.0 + 0.625) / 2)
    json.dumps(scored, allow_nan=False)


def test_one_class_and_sure_mistakes_stay_finite() -> None:
    scored = metrics.score(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 0]), 2)
    assert scored["auroc"] is None
    assert math.isfinite(scored["nll"])
    json.dumps(scored, allow_nan=False)


@pytest.mark.parametrize(
    ("p", "y", "words"),
    [
        (np.full((3, 2), 0.5), np.array([0, 1]), "do not fit"),
        (np.full((2, 3), 0.5), np.array([0, 1]), "do not fit"),
        (np.full((2, 2), 0.5), np.array([0, 2]), "span 0..2"),
        (np.full((2, 2), np.nan), np.array([0, 1]), "diverged"),
    ],
)
def test_input_that_cannot_be_scored_is_refused_in_words(p: np.ndarray, y: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        metrics.score(p, y, 2)


@pytest.mark.timed
def test_scoring_the_pathmnist_test_set_costs_little() -> None:
    p, y = predictions(7_200, 9)
    metrics.score(p, y, 9)
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        metrics.score(p, y, 9)
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 0.1


def test_importing_the_metrics_imports_neither_scikit_learn_nor_torch() -> None:
    code = "import sys, benchmark.metrics; print({'sklearn', 'torch', 'scipy'} & set(sys.modules))"
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_memorization_splits_the_mislabelled_samples_three_ways() -> None:
    clean, noisy = np.array([0, 0, 0, 0, 1, 2]), np.array([1, 1, 1, 1, 1, 2])
    shares = metrics.memorization(np.array([0, 1, 1, 2, 0, 0]), clean, noisy)
    assert shares == {"true": 0.25, "memorized": 0.5, "other": 0.25}
    assert metrics.memorization(clean, clean, clean) is None


def test_selection_is_scored_as_a_detector_of_clean_labels() -> None:
    clean = np.array([0, 0, 0, 1, 1, 1])
    noisy = np.array([0, 0, 1, 1, 1, 0])
    kept = np.array([True, False, True, True, True, False])
    score = np.array([0.9, 0.4, 0.5, 0.8, 0.7, 0.1])
    label = np.array([0, 0, 0, 1, 1, 0])
    found = metrics.selection_scores(kept, score, label, clean, noisy, 2)
    assert found["precision"] == 0.75
    assert found["recall"] == 0.75
    assert found["precision_per_class"] == [1.0, pytest.approx(2 / 3)]
    assert found["recall_per_class"] == [0.5, 1.0]
    assert found["auroc"] == pytest.approx(roc_auc_score(clean == noisy, score))
    assert found["auroc_per_class"] == [1.0, 1.0]
    assert found["corrected_accuracy"] == pytest.approx(5 / 6)


def test_samples_without_report_are_not_counted() -> None:
    clean, noisy = np.array([0, 0, 0, 1]), np.array([0, 1, 0, 1])
    kept = np.array([1, 0, -1, -1], dtype=np.int8)
    score = np.array([0.9, 0.1, np.nan, 0.0])
    label = np.array([0, -1, -1, 0])
    found = metrics.selection_scores(kept, score, label, clean, noisy, 2)
    assert (found["precision"], found["recall"]) == (1.0, 1.0)
    assert found["auroc"] == 0.5
    assert found["corrected_accuracy"] == 0.5


def test_what_was_not_reported_is_null_and_nothing_kept_is_finite() -> None:
    clean, noisy = np.array([0, 1]), np.array([0, 0])
    nothing = metrics.selection_scores(None, None, None, clean, noisy, 2)
    assert set(nothing.values()) == {None}
    none_kept = metrics.selection_scores(np.array([False, False]), None, None, clean, noisy, 2)
    assert none_kept["precision"] is None
    assert none_kept["recall"] == 0.0


def test_transition_error_is_the_l1_distance_by_row_and_in_total() -> None:
    error = metrics.transition_error(np.array([[0.8, 0.2], [0.5, 0.5]]), np.eye(2))
    assert error == {"l1_row_mean": pytest.approx(0.7), "l1_total": pytest.approx(1.4)}
    with pytest.raises(ValueError, match="do not fit"):
        metrics.transition_error(np.eye(2), np.eye(3))


@pytest.mark.parametrize(("n", "k"), [(359, 10), (200, 2), (90, 9), (40, 3)])
@pytest.mark.parametrize("ties", [False, True])
def test_further_metrics_equal_scikit_learn(n: int, k: int, ties: bool) -> None:
    p, y = predictions(n, k, seed=n + k)
    if ties:
        p = np.round(p, 1)
    ours, guess = metrics.score(p, y, k), p.argmax(1)
    classes = [1] if k == 2 else range(k)
    precisions = [average_precision_score(y == c, p[:, c]) for c in classes]
    assert ours["auprc"] == pytest.approx(np.mean(precisions), abs=1e-12)
    assert ours["mcc"] == pytest.approx(matthews_corrcoef(y, guess), abs=1e-12)
    assert ours["kappa"] == pytest.approx(cohen_kappa_score(y, guess, weights="quadratic"), abs=1e-12)
    assert ours["mae"] == pytest.approx(mean_absolute_error(y, guess), abs=1e-12)
    assert ours["brier"] == pytest.approx(((p - np.eye(k)[y]) ** 2).sum(1).mean(), abs=1e-12)


@pytest.mark.parametrize("k", [2, 3, 20])
def test_figures_per_class_are_scikit_learns_to_the_bit(k: int) -> None:
    rng = np.random.default_rng(k)
    for _ in range(20):
        y, guess = rng.integers(0, k, 37), rng.integers(0, k, 37)
        p = np.full((37, k), 0.1)
        p[np.arange(37), guess] = 0.8
        precision, recall, f1, support = precision_recall_fscore_support(y, guess, labels=range(k), zero_division=0.0)
        ours = metrics.score(p, y, k)
        assert [value or 0.0 for value in ours["precision"]] == precision.tolist()
        assert [value or 0.0 for value in ours["recall"]] == recall.tolist()
        met = (support > 0) | (np.bincount(guess, minlength=k) > 0)
        assert ours["f1"] == f1[met].mean()


def test_metrics_are_defined_where_all_is_of_one_class() -> None:
    p = np.tile([0.9, 0.1], (5, 1))
    found = metrics.score(p, np.zeros(5, dtype=np.int64), 2)
    assert (found["mcc"], found["kappa"], found["auprc"], found["mae"]) == (0.0, None, None, 0.0)


def test_an_outcome_tells_every_hit_and_miss() -> None:
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7]])
    found = metrics.outcome(p, np.array([0, 1, 1, 1]), 2)
    assert found["confusion"] == [[1, 0], [1, 2]]
    assert found["right"] == base64.b64encode(bytes([0b11010000])).decode()
    bins = found["calibration"]
    assert [at for at, count in enumerate(bins["count"]) if count] == [8, 10, 11, 13]
    assert sum(bins["right"]) == 3
    assert sum(bins["confidence"]) == pytest.approx(3.0)
