"""What a test set's images say of two methods equals the libraries and the formulas of the paper."""

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from benchmark.metrics import outcome
from benchmark.tables.sampling import Pairs, duel, false_lead, false_outperformance, mcnemar_p, right_flags


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_that_of_statsmodels(first, second):
    if first + second == 0:
        assert mcnemar_p(first, second) == 1.0
    else:
        assert mcnemar_p(first, second) == pytest.approx(mcnemar([[5, first], [second, 5]], exact=True).pvalue)


def test_a_lead_of_one_point_on_the_359_images_of_digits_is_false_with_probability_27_percent():
    """Accuracies .95 and .94, both right on 90 % of the images: 18 images are the first's alone, 14.4 the second's."""
    assert false_outperformance(359 * 0.05, 359 * 0.04) == pytest.approx(0.27, abs=0.005)


def test_the_probability_of_false_outperformance_is_that_of_the_papers_dirichlet_distribution():
    generator = np.random.default_rng(0)
    for first, second in ((18, 14), (5, 5), (30, 2)):
        drawn = generator.dirichlet([first + 1, second + 1, 359 - first - second + 2], 200_000)
        assert false_outperformance(first, second) == pytest.approx((drawn[:, 0] <= drawn[:, 1]).mean(), abs=0.005)
    assert false_outperformance(7, 7) == pytest.approx(0.5)


def test_of_means_it_is_half_the_p_of_the_t_test():
    values = np.random.default_rng(1).normal(0.05, 0.3, 200)
    assert false_lead(values, None) == pytest.approx(stats.ttest_1samp(values, 0, alternative="greater").pvalue)
    assert false_lead(np.zeros(9), None) == 0.5
    copied, patients = np.repeat(values, 3), np.repeat(np.arange(200), 3)
    assert false_lead(copied, patients) == pytest.approx(false_lead(values, None))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_the_bits_of_a_record_are_read_as_they_were_written(labels):
    truth = np.array(labels)
    probabilities = np.eye(4)[(truth + np.arange(len(truth)) % 2) % 4]
    found = right_flags(outcome(probabilities, truth, 4)["right"], len(truth))
    np.testing.assert_array_equal(found, np.arange(len(truth)) % 2 == 0)


def test_bits_of_another_test_set_are_refused():
    with pytest.raises(ValueError, match="do not fit a test set of 100 images"):
        right_flags(base64.b64encode(b"abc").decode(), 100)


def pairs(lead, runs=6, images=400, groups=None, weights=None, seed=0):
    generator = np.random.default_rng(seed)
    hard = generator.random(images)
    first = hard + generator.normal(0, 0.1, (runs, images)) < 0.8 + lead
    second = hard + generator.normal(0, 0.1, (runs, images)) < 0.8
    return Pairs(first, second, groups, weights)


def test_a_duel_tells_lead_interval_and_what_single_runs_would_say():
    one, other = pairs(0.05), pairs(0.0, seed=1)
    found = duel({"symmetric:0.4": one, "pair:0.3": other}, np.random.default_rng(0))
    assert list(found.index) == ["symmetric:0.4", "pair:0.3", "all"]
    row = found.loc["symmetric:0.4"]
    assert row["lead"] == pytest.approx(one.first.mean() - one.second.mean())
    only = (one.first & ~one.second).sum(axis=1), (one.second & ~one.first).sum(axis=1)
    assert (row["first_only"], row["second_only"]) == (only[0].mean(), only[1].mean())
    assert row["run_p"] == pytest.approx(np.median([mcnemar_p(a, b) for a, b in zip(*map(list, only), strict=True)]))
    assert row["lead"] - row["half"] > 0
    assert row["false"] < 0.01
    assert abs(found.loc["pair:0.3", "lead"]) < found.loc["pair:0.3", "half"] * 1.5
    assert found.loc["all", "lead"] == pytest.approx(found.loc[["symmetric:0.4", "pair:0.3"], "lead"].mean())
    assert np.isnan(found.loc["all", "run_p"])


def test_images_of_one_patient_count_together():
    images, patients = 400, np.repeat(np.arange(20), 20)
    generator = np.random.default_rng(3)
    better = np.repeat(generator.random(20) < 0.6, 20)  # the first method is right on whole patients
    first, second = np.tile(better, (3, 1)), np.tile(~better, (3, 1))
    apart = duel({"x": Pairs(first, second, None, None)}, np.random.default_rng(0)).loc["x"]
    together = duel({"x": Pairs(first, second, patients, None)}, np.random.default_rng(0)).loc["x"]
    assert together["groups"] == 20
    assert together["images"] == images
    assert together["half"] > 3 * apart["half"]
    assert together["false"] > apart["false"]


def test_balanced_accuracy_weighs_each_class_alike():
    labels = np.repeat([0, 1], [300, 100])
    weights = np.where(labels == 0, 400 / 2 / 300, 400 / 2 / 100)
    made = pairs(0.05, weights=weights)
    found = duel({"x": made}, np.random.default_rng(0)).loc["x"]

    def balanced(flags):
        return np.mean([[run[labels == k].mean() for k in (0, 1)] for run in flags])

    assert found["lead"] == pytest.approx(balanced(made.first) - balanced(made.second))
