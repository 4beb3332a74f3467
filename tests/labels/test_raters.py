"""Several raters an image: agreement as published, a consensus, and what is said where raters cannot be compared."""

import krippendorff
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from benchmark.errors import UsageError
from benchmark.labels.agreement import agreement, alpha_of_counts
from benchmark.labels.consensus import confusions, consensus, quality, transitions
from benchmark.labels.raters import examine
from benchmark.noise._consensus import counts_of, dawid_skene, one_hot
from benchmark.noise.rate_estimate import HeldOut
from tests.noise.test_rater_noise import anesthetists

CLASSES = ("a", "b", "c", "d")
NONE = -1
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
        [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
    ]
)
"""Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C: four observers, twelve units."""


def generator():
    return np.random.default_rng(0)


def drawn(rates, n=3000, classes=4, seed=0):
    """The truth [n] and labels [n, R] of raters that are wrong at `rates`."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    other = (truth[:, None] + rng.integers(1, classes, (n, len(rates)))) % classes
    return truth, np.where(rng.random((n, len(rates))) < np.array(rates), other, truth[:, None])


def sure(truth, classes=4, sharpness=4.0, seed=1):
    """Held-out predictions of networks that know the classes well."""
    rng = np.random.default_rng(seed)
    scores = sharpness * np.eye(classes)[truth] + rng.standard_normal((len(truth), classes))
    odds = np.exp(scores)
    return HeldOut(odds / odds.sum(1, keepdims=True), np.tile(scores.argmax(1), (2, 1)))


def examined(votes, truth, *, kind=None, weak=False, clean=None, labels=None):
    names = [f"r{i}" for i in range(votes.shape[1])]
    given = truth if labels is None else labels
    return examine(
        names, votes, given, clean, CLASSES, sure(truth), kind=kind, weak=weak, groups=None, seed=0
    )  # fmt: skip


def test_alpha_is_the_published_one():
    votes = np.where(PUBLISHED == NONE, NONE, PUBLISHED - 1).T
    found = agreement(votes, "ABCD", 5, None, generator())
    assert found.alpha.value == pytest.approx(0.743, abs=5e-4)
    assert found.alpha.low < 0.743 < found.alpha.high
    assert found.images == 11, "one image has one label"


@pytest.mark.parametrize("seed", range(4))
def test_alpha_and_kappa_are_those_of_other_packages_with_labels_missing(seed):
    _, votes = drawn((0.1, 0.3, 0.5), 400, seed=seed)
    votes[np.random.default_rng(seed).random(votes.shape) < 0.3] = -1
    found = agreement(votes, "xyz", 4, None, generator())
    theirs = krippendorff.alpha(np.where(votes < 0, np.nan, votes).T, level_of_measurement="nominal")
    assert found.alpha.value == pytest.approx(theirs, abs=1e-12)
    by_counts = alpha_of_counts(counts_of(votes, 4), None, generator())
    assert by_counts.alpha == found.alpha
    for row, (i, j) in zip(found.pairs.itertuples(), [(0, 1), (0, 2), (1, 2)], strict=True):
        both = (votes[:, i] >= 0) & (votes[:, j] >= 0)
        assert row.images == both.sum()
        assert row.kappa == pytest.approx(cohen_kappa_score(votes[both, i], votes[both, j]))
        assert row.agree == pytest.approx((votes[both, i] == votes[both, j]).mean())


def test_with_all_labels_alpha_differs_from_fleiss_kappa_by_the_small_sample_term():
    _, votes = drawn((0.2, 0.2, 0.2), 200)
    counts = counts_of(votes, 4)
    kappa, alpha = fleiss_kappa(counts), alpha_of_counts(counts, None, generator()).alpha.value
    assert 1 - alpha == pytest.approx((1 - kappa) * (1 - 1 / counts.sum()))


@pytest.mark.slow
def test_the_intervals_hold_the_agreement_of_many_images():
    _, many = drawn((0.1, 0.3, 0.3), 100_000)
    whole = agreement(many, "xyz", 4, None, generator())
    held = []
    for seed in range(40):
        found = agreement(drawn((0.1, 0.3, 0.3), 150, seed=seed + 1)[1], "xyz", 4, None, generator())
        held.append(found.alpha.low <= whole.alpha.value <= found.alpha.high)
        held += list((found.pairs["low"] <= whole.pairs["kappa"]) & (whole.pairs["kappa"] <= found.pairs["high"]))
    assert np.mean(held) >= 0.9, np.mean(held)


def test_images_of_one_patient_are_drawn_together():
    _, votes = drawn((0.2, 0.2), 100)
    copies = np.repeat(votes, 5, axis=0)
    patients = np.repeat(np.arange(100), 5)
    once = agreement(votes, "xy", 4, None, generator()).pairs.iloc[0]
    apart = agreement(copies, "xy", 4, None, generator()).pairs.iloc[0]
    together = agreement(copies, "xy", 4, patients, generator()).pairs.iloc[0]
    width = lambda row: row["high"] - row["low"]  # noqa: E731
    assert width(together) == pytest.approx(width(once), rel=0.05)
    assert width(apart) < 0.6 * width(once)


def test_agreement_is_undefined_without_common_images_and_where_all_is_one_class():
    apart = np.array([[0, -1], [1, -1], [-1, 1], [-1, 2]])
    found = agreement(apart, "xy", 4, None, generator())
    assert found.images == 0
    assert np.isnan([found.alpha.value, found.alpha.low, found.pairs["kappa"][0], found.pairs["agree"][0]]).all()
    same = agreement(np.zeros((20, 2), dtype=int), "xy", 4, None, generator())
    assert np.isnan([same.alpha.value, same.pairs["kappa"][0]]).all()
    assert same.pairs["agree"][0] == 1


def test_the_confusions_by_dawid_and_skene_are_those_of_their_model():
    """Of the model, which gives the published figures of the anesthetists (tests/noise/test_rater_noise.py)."""
    votes = anesthetists()[:, 1:].argmax(2)  # observers 2 to 5 answered once
    found = consensus("dawid_skene", votes, 4, None, 0)
    matrices = transitions(confusions(found.reference, votes))
    np.testing.assert_allclose(matrices, dawid_skene(one_hot(votes, 4)).confusions, atol=1e-6)
    wrong = quality("2345", found.reference, votes, None)["wrong"]
    by_class = found.reference.sum(0) / 45
    expected = [1 - by_class @ np.diagonal(matrix) for matrix in matrices]
    assert wrong.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["dawid_skene", "crowdlab"])
def test_the_rates_and_matrices_of_raters_are_found(kind):
    rates = (0.05, 0.2, 0.35)
    truth, votes = drawn(rates)
    found = examined(votes, truth, kind=kind, clean=truth)
    assert found.by_truth is not None
    assert found.by_consensus is not None
    realized = found.by_truth.table["wrong"]
    assert realized.tolist() == pytest.approx((votes != truth[:, None]).mean(0).tolist())
    assert found.by_consensus.table["wrong"].tolist() == pytest.approx(realized.tolist(), abs=0.02)
    assert np.abs(found.by_consensus.transitions - found.by_truth.transitions).max() < 0.04
    assert found.differ == pytest.approx(realized.tolist()), "here the labels are the truth"
    for rate, one in zip(realized, found.by_networks, strict=True):
        assert one.low <= rate <= one.high


def test_two_raters_are_judged_with_the_networks_or_not_at_all():
    truth, votes = drawn((0.1, 0.3))
    found = examined(votes, truth)
    assert found.consensus.kind == "crowdlab"
    assert found.by_consensus.table["wrong"].tolist() == pytest.approx([0.1, 0.3], abs=0.03)
    assert "against raters who agree in" in found.notes[-1]
    alone = examined(votes, truth, weak=True)
    assert alone.consensus is None
    assert "two raters have no consensus where they differ" in alone.notes[-1]
    with pytest.raises(UsageError, match="networks are too weak"):
        examined(votes, truth, kind="crowdlab", weak=True)
    with pytest.raises(UsageError, match="expected at least 3, or another kind: majority, crowdlab"):
        examined(votes, truth, kind="dawid_skene")


def test_raters_that_never_read_the_same_image_have_no_consensus_and_still_a_rate():
    truth, votes = drawn((0.1, 0.3))
    votes[:1500, 0], votes[1500:, 1] = -1, -1
    found = examined(votes, truth)
    assert found.by_consensus is None
    assert "no image was labelled by two raters" in found.notes[-1]
    for rate, one in zip((0.1, 0.3), found.by_networks, strict=True):
        assert one.low - 0.01 <= rate <= one.high + 0.01
    with pytest.raises(UsageError, match="no image was labelled by two raters"):
        examined(votes, truth, kind="majority")


def test_odd_raters_are_named():
    truth, votes = drawn((0.1, 0.1, 0.1, 0.1, 0.1))
    votes[truth == 3] = -1
    votes[votes == 3] = -1
    votes[:, 3] = np.where(np.arange(len(votes)) == 5, 0, -1)
    votes[:, 4] = -1
    votes[7] = [-1, -1, 2, -1, -1]
    votes[:, 2] = np.where(np.arange(len(votes)) == 7, 2, -1)
    found = examined(votes, truth)
    told = " / ".join(found.notes)
    assert "r4 labelled no image" in told
    assert "r3 gave no other class than a, to 1 image(s)" in told
    assert "r2 labelled no image that another rater labelled, and cannot be compared" in told
    assert "no rater gave the class d" in told
    assert "images were labelled by no rater" in told
    table = found.by_consensus.table.set_index("rater")
    assert table["labels"]["r4"] == table["labels"]["r2"] == 0
    assert pd.isna(table["wrong"]["r2"]), "nobody could contradict it"
    assert np.isnan(found.by_consensus.transitions[0, 3]).all(), "nothing is known of a class that nobody gave"


def test_ties_of_the_majority_are_drawn_and_counted():
    votes = np.array([[0, 1]] * 200 + [[2, 2]] * 10)
    found = consensus("majority", votes, 4, None, 0)
    assert found.tied == 200
    assert 60 < (found.labels[:200] == 0).sum() < 140
    assert set(found.labels[:200]) == {0, 1}
    assert (consensus("majority", votes, 4, None, 0).labels == found.labels).all()
    assert (consensus("majority", votes, 4, None, 1).labels != found.labels).any()
