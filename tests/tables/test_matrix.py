"""The comparison matrix: differences, wins, ties, losses and p of every pair, each from that pair alone."""

import baycomp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmark.tables.matrix import ROPE, comparison_matrix, critical_difference, reach, wins_ties_losses
from benchmark.tables.sign_flip import sign_flip_p

METHODS = ["a", "b", "c", "d"]


def scores(count=8, seed=0):
    generator = np.random.default_rng(seed)
    values = 0.8 + generator.normal(0, 0.05, (count, 1)) + generator.normal([0.0, 0.02, 0.02, 0.05], 0.02, (count, 4))
    return pd.DataFrame(values, index=[f"d{i}" for i in range(count)], columns=METHODS)


def matrix(frame, rope=ROPE):
    return comparison_matrix(frame, rope, np.random.default_rng(0))


def test_every_pair_is_there_twice_and_mirrored():
    found = matrix(scores())
    assert len(found) == 12
    assert list(dict.fromkeys(found.index.get_level_values(0))) == list(
        scores().mean().sort_values(ascending=False).index
    )
    for (one, other), row in found.iterrows():
        back = found.loc[(other, one)]
        assert row["difference"] == -back["difference"]
        assert (row["wins"], row["ties"], row["losses"]) == (back["losses"], back["ties"], back["wins"])
        assert (row["p"], row["p_holm"], row["half"]) == (back["p"], back["p_holm"], back["half"])


def test_figures_are_those_of_the_libraries():
    frame = scores()
    found = matrix(frame)
    pairs = [(one, other) for one, other in found.index if METHODS.index(one) < METHODS.index(other)]
    for one, other in pairs:
        row, difference = found.loc[(one, other)], (frame[one] - frame[other]).to_numpy()
        interval = stats.ttest_rel(frame[one], frame[other]).confidence_interval(0.95)
        assert row["difference"] - row["half"] == pytest.approx(interval.low)
        assert row["difference"] + row["half"] == pytest.approx(interval.high)
        exact = stats.permutation_test((difference,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert row["p"] == pytest.approx(exact.pvalue)
    assert list(found.loc[pairs, "p_holm"]) == pytest.approx(
        list(multipletests(found.loc[pairs, "p"], method="holm")[1])
    )


def test_wins_ties_and_losses_are_those_that_baycomp_counts():
    """Its sign test draws from a Dirichlet distribution of wins, ties and losses, with a prior of one tie."""
    frame = scores(40)
    row = wins_ties_losses(pd.DataFrame({"x": frame["d"] - frame["a"]}), ROPE).loc["x"]
    drawn = baycomp.SignTest.sample(frame["d"].to_numpy(), frame["a"].to_numpy(), ROPE, nsamples=20_000, random_state=0)
    mean = np.array([row["wins"], row["ties"] + 1, row["losses"]]) / 41
    assert drawn.mean(axis=0) == pytest.approx(mean, abs=0.01)


def test_a_third_method_changes_nothing_but_the_correction():
    frame = scores()
    two, four = matrix(frame[["a", "d"]]), matrix(frame)
    columns = ["units", "difference", "half", "wins", "ties", "losses", "p"]
    pd.testing.assert_frame_equal(two[columns], four.loc[two.index, columns])
    assert (four.loc[two.index, "p_holm"] >= two["p_holm"]).all()


def test_a_difference_of_the_rope_is_a_tie():
    differences = pd.DataFrame({"x": [0.91 - 0.9, 0.9 - 0.91, 0.0111, -0.0111, 0.0]})
    assert wins_ties_losses(differences, 0.01).loc["x"].to_dict() == {"wins": 1, "ties": 3, "losses": 1}


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=7), st.floats(0, 0.2))
def test_counts_add_up_and_shuffled_units_change_nothing(values, rope):
    frame = pd.DataFrame(values, columns=["a", "b", "c"])
    found = matrix(frame, rope)
    assert (found["wins"] + found["ties"] + found["losses"] == len(frame)).all()
    assert found["p"].between(0, 1).all()
    shuffled = matrix(frame.sample(frac=1, random_state=1), rope)
    pd.testing.assert_frame_equal(found.sort_index(), shuffled.sort_index(), check_exact=False, atol=1e-9)


def test_a_unit_with_a_hole_is_left_out_of_every_pair():
    frame = scores()
    frame.loc["d3", "a"] = np.nan
    pd.testing.assert_frame_equal(matrix(frame), matrix(scores().drop(index="d3")))


def test_what_so_few_units_can_show_is_told():
    assert "cannot go below p = 0.25: no difference can be shown with fewer than 6" in reach(3, 10)
    assert "p = 0.0625" in reach(5, 1)
    assert reach(6, 1).endswith("p = 0.0312")
    told = reach(6, 28)
    assert "28 pairs" in told
    needed = int(told.split()[-1])
    assert sign_flip_p(np.ones((needed, 1)), np.random.default_rng(0))[0] * 28 <= 0.05
    assert sign_flip_p(np.ones((needed - 1, 1)), np.random.default_rng(0))[0] * 28 > 0.05


@pytest.mark.parametrize(("methods", "units", "expected"), [(4, 14, 1.25), (5, 6, 2.49), (10, 10, 4.28)])
def test_the_critical_difference_is_that_of_demsars_table(methods, units, expected):
    """q of .05 is 2.569, 2.728 and 3.164 for 4, 5 and 10 methods (Demšar 2006, table 5)."""
    assert critical_difference(methods, units) == pytest.approx(expected, abs=0.01)
