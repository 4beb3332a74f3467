"""The exact sign-flip p is that of all flips, whatever their number."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark.tables import sign_flip
from benchmark.tables.sign_flip import least_p, sign_flip_p


def p_of(values):
    return float(sign_flip_p(np.array(values, dtype=float)[:, None], np.random.default_rng(0))[0])


def by_hand(values):
    observed = abs(sum(values))
    sums = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(values))
    ]
    return np.mean([total >= observed - 1e-9 * sum(map(abs, values)) for total in sums])


@given(st.lists(st.integers(-9, 9).map(lambda n: n / 1000), min_size=1, max_size=9))
def test_it_counts_all_flips_with_ties_and_zeros(values):
    assert p_of(values) == pytest.approx(by_hand(values))


@pytest.mark.parametrize("count", [2, 3, 5, 6, 12])
def test_it_is_that_of_scipy(count):
    values = np.random.default_rng(count).normal(0.01, 0.02, count)
    found = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert p_of(values) == pytest.approx(found.pvalue)


def test_what_few_pairs_can_reach():
    assert [least_p(count) for count in (1, 3, 5, 6)] == [1.0, 0.25, 0.0625, 0.03125]
    for count in (1, 3, 5, 6):
        assert p_of(np.linspace(0.01, 0.02, count)) == least_p(count)


def test_twenty_pairs_are_exact_and_no_difference_has_p_one():
    assert p_of(np.full(20, 0.1)) == 2 * 0.5**20
    values = [0.1] * 14 + [-0.1] * 6  # the binomial test
    assert p_of(values) == pytest.approx(stats.binomtest(14, 20).pvalue)
    assert p_of(np.zeros(8)) == 1.0


def test_more_pairs_are_drawn_and_come_close(monkeypatch):
    values = np.random.default_rng(1).normal(0.008, 0.02, 18)
    exact = p_of(values)
    monkeypatch.setattr(sign_flip, "MAX_UNITS", 10)
    assert p_of(values) == pytest.approx(exact, abs=0.005)


def test_nan_is_no_answer_and_columns_are_apart():
    values = np.array([[0.01, np.nan, 0.0]] * 6)
    np.testing.assert_array_equal(sign_flip_p(values, np.random.default_rng(0)), [0.03125, np.nan, 1.0])


def test_it_rejects_equal_methods_no_more_often_than_it_says():
    values = np.random.default_rng(2).standard_t(3, (6, 3000))
    rejected = (sign_flip_p(values, np.random.default_rng(0)) < 0.05).mean()
    assert rejected <= 0.05
