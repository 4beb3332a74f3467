"""The order of methods: what is claimed holds with the probability that is said, and equals the libraries' answers."""

from unittest import mock

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmark.tables.order import (
    MIN_UNITS,
    holm,
    letters,
    letters_told,
    pairwise,
    probability_of_best,
    resolve,
    short_letters,
)
from benchmark.tables.statistics import t_factor

TRIALS = 300
SEPARATED = np.linspace(0.0, 0.7, 8)
CLOSE = np.linspace(0.0, 0.02, 8)
TIED = np.repeat([0.0, 0.1], 4)


def draw(means, generator, count=MIN_UNITS, heavy=False):
    """Scores [units, methods] with a part that all methods of a unit share; spreads of methods differ threefold."""
    noise = generator.standard_t(4, (count, len(means))) if heavy else generator.standard_normal((count, len(means)))
    shared = generator.standard_normal((count, 1))
    spread = np.geomspace(0.01, 0.03, len(means))
    return pd.DataFrame(means + 0.05 * shared + spread * noise, columns=[f"m{i}" for i in range(len(means))])


def holm_of_statsmodels(p):
    """(whether each is rejected at 5 %, corrected p, ...)."""
    with mock.patch("gc.collect"):  # which it calls, for up to a second in a process of many tests
        return multipletests(p, method="holm")


def true_places(means):
    """Lowest and highest place of each method: equal means leave several."""
    return 1 + (means > means[:, None]).sum(axis=1), (means >= means[:, None]).sum(axis=1)


def shared_letters(groups):
    """[methods, methods] whether two methods have a letter in common."""
    return np.array([[bool(set(one) & set(other)) for other in groups] for one in groups])


@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "heavy tails"])
@pytest.mark.parametrize("means", [SEPARATED, CLOSE, TIED], ids=["separated", "close", "tied"])
def test_what_is_said_of_a_method_holds_in_at_least_93_percent_at_six_seeds(means, heavy):
    """Its interval covers its true places, and it shares a letter with every method that is truly equal."""
    generator = np.random.default_rng(1)
    covered = np.zeros(len(means))
    low, high = true_places(means)
    for _ in range(TRIALS):
        found = resolve(draw(means, generator, heavy=heavy), generator)
        equal_share = (shared_letters(found["group"]) | (means != means[:, None])).all(axis=1)
        covered += (found["low"] <= low) & (found["high"] >= high) & equal_share
    print("coverage by method:", covered / TRIALS)
    assert (covered / TRIALS).mean() >= 0.93
    assert (covered / TRIALS).min() >= 0.93 - 2 * (0.95 * 0.05 / TRIALS) ** 0.5


def test_t_intervals_cover_between_93_and_97_percent_at_six_seeds_and_what_they_do_at_three_is_told():
    generator = np.random.default_rng(2)
    shares = {}
    for count in (3, 6):
        values = generator.normal(0.9, 0.02, (4000, count))
        half = t_factor(count) * values.std(axis=1, ddof=1)
        shares[count] = (abs(values.mean(axis=1) - 0.9) <= half).mean()
    print("coverage of t intervals by number of seeds:", shares)
    assert 0.93 <= shares[6] <= 0.97


def test_an_order_that_is_there_is_found():
    found = resolve(draw(SEPARATED, np.random.default_rng(3)), np.random.default_rng(0))
    assert list(found["low"]) == list(found["high"]) == [8, 7, 6, 5, 4, 3, 2, 1]
    assert list(found["group"]) == list("hgfedcba")
    assert found["best"].iloc[-1] > 0.99


@pytest.mark.parametrize("count", range(1, MIN_UNITS))
def test_fewer_than_six_seeds_resolve_nothing(count):
    found = resolve(draw(SEPARATED, np.random.default_rng(0), count), np.random.default_rng(0))
    assert [set(found[name]) for name in ("low", "high", "group")] == [{1}, {8}, {""}]
    assert found["best"].isna().all()
    # That is what an exact test of signs says: with five pairs all of one sign, p is .0625.
    assert stats.binomtest(count, count).pvalue > 0.05


def test_p_values_are_those_of_scipy():
    scores = draw(CLOSE, np.random.default_rng(4))
    found = pairwise(scores)
    for i, one in enumerate(scores):
        for j, other in enumerate(scores):
            expected = stats.ttest_rel(scores[one], scores[other]).pvalue if i != j else 1.0
            assert found.p[i, j] == pytest.approx(expected, rel=1e-9)
            assert found.difference[i, j] == pytest.approx(scores[one].mean() - scores[other].mean())


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_correction_is_holms(p):
    np.testing.assert_allclose(holm(np.array(p)), holm_of_statsmodels(p)[1])


@given(st.data(), st.integers(2, 9))
def test_two_methods_share_a_letter_if_and_only_if_they_do_not_differ(data, count):
    upper = np.array(data.draw(st.lists(st.booleans(), min_size=count**2, max_size=count**2))).reshape(count, count)
    different = np.triu(upper, 1) | np.triu(upper, 1).T
    means = np.array(data.draw(st.lists(st.floats(-1, 1), min_size=count, max_size=count)))
    text = letters(different, means)
    np.testing.assert_array_equal(shared_letters(text), ~different)
    assert "a" in text[int(np.argsort(-means, kind="stable")[0])]


@given(st.integers(0, 10**6), st.integers(2, 20), st.integers(MIN_UNITS, 12), st.sampled_from([0.0, 0.05, 0.3]))
def test_place_and_letters_say_the_same(seed, count, units, apart):
    generator = np.random.default_rng(seed)
    scores = draw(generator.permutation(np.linspace(0, apart, count)), generator, units)
    found = resolve(scores, generator)
    shared, means = shared_letters(found["group"]), scores.mean().to_numpy()
    better = means > means[:, None]
    np.testing.assert_array_equal(found["low"], 1 + (~shared & better).sum(axis=1))
    np.testing.assert_array_equal(found["high"], count - (~shared & better.T).sum(axis=1))


def test_places_are_no_narrower_than_by_the_tests_of_each_method_alone():
    scores = draw(np.linspace(0, 0.05, 12), np.random.default_rng(11))
    found, p = resolve(scores, np.random.default_rng(0)), pairwise(scores).p
    for position, row in enumerate(found.itertuples()):
        alone = holm_of_statsmodels(np.delete(p[position], position))[0].sum()
        assert row.low - 1 + 12 - row.high <= alone


def test_letters_agree_with_scikit_posthocs():
    scores = draw(np.linspace(0, 0.2, 10), np.random.default_rng(5))
    p = pairwise(scores).p
    ours = letters((p < 0.05) & ~np.eye(10, dtype=bool), scores.mean().to_numpy())
    theirs = scikit_posthocs.compact_letter_display(pd.DataFrame(p), alpha=0.05).str.replace(" ", "")
    for i in range(10):
        for j in range(10):
            assert bool(set(ours[i]) & set(ours[j])) == bool(set(theirs[i]) & set(theirs[j]))
    assert len(set("".join(ours))) <= len(set("".join(theirs)))


def test_the_probability_of_being_best_of_two_is_that_of_the_t_distribution():
    scores = draw(np.array([0.0, 0.01]), np.random.default_rng(6))
    found = probability_of_best(scores, np.random.default_rng(0))
    t = stats.ttest_rel(scores["m1"], scores["m0"]).statistic
    assert found[1] == pytest.approx(stats.t.cdf(t, MIN_UNITS - 1), abs=0.02)
    assert found.sum() == pytest.approx(1)


def test_equal_scores_are_tied_and_share_the_first_place():
    scores = draw(SEPARATED, np.random.default_rng(7))
    scores["again"] = scores["m7"]
    found = resolve(scores, np.random.default_rng(0))
    assert list(found.loc[["m7", "again"], "low"]) == [1, 1]
    assert list(found.loc[["m7", "again"], "high"]) == [2, 2]
    assert found.loc["m7", "best"] == pytest.approx(found.loc["again", "best"])


def test_the_order_of_seeds_and_methods_changes_no_interval():
    scores = draw(CLOSE, np.random.default_rng(8), 10)
    found = resolve(scores, np.random.default_rng(0))
    other = resolve(scores.sample(frac=1, axis=1, random_state=1), np.random.default_rng(0)).loc[scores.columns]
    pd.testing.assert_frame_equal(found[["low", "high", "group"]], other[["low", "high", "group"]])
    np.testing.assert_allclose(found["best"], other["best"], atol=1e-12)


def test_sixty_methods_that_are_all_tied_take_one_letter():
    scores = draw(np.zeros(60), np.random.default_rng(9))
    assert set(resolve(scores, np.random.default_rng(0))["group"]) <= {"a", "b", "ab"}


@pytest.mark.parametrize(
    ("group", "shown"),
    [
        ("", ""),
        ("abc", "abc"),
        ("abcd", "a-d"),
        ("bdefgh", "b d-h"),
        ("bcefghij", "bc e-j"),
        ("xyza2b2d2", "x-b2 d2"),
        ("aa2", "aa2"),
    ],
)
def test_four_letters_in_a_row_are_shown_as_a_range(group, shown):
    assert short_letters(group) == shown


def test_of_one_method_alone_no_place_is_told():
    found = resolve(draw([0.5], np.random.default_rng(0)), np.random.default_rng(0))
    assert found["group"].tolist() == [""]
    assert found["best"].isna().all()


def test_letters_that_are_not_plain_are_explained_and_others_are_not():
    assert letters_told(["a", "ab", "bc"]) == ""
    assert letters_told(["abcd"]) == " (e-i stands for the letters from e to i)"
    assert letters_told(["za2"]) == " (after z come a2, b2 and so on)"
    assert letters_told(["abcd", "za2"]) == " (e-i stands for the letters from e to i; after z come a2, b2 and so on)"
