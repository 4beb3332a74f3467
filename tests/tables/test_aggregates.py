"""Scale-free scores equal the libraries, robustness is an area, agreement is Kendall's tau."""

import warnings

import numpy as np
import pandas as pd
import pytest
from bencheval.evaluator import BenchmarkEvaluator
from scipy import stats

from benchmark.tables.aggregates import agreement, errors, improvability, robustness, skill

METHODS = ["ce", "a", "b"]


def made(seed=0, tasks=7):
    values = np.random.default_rng(seed).uniform(0.05, 0.4, (tasks, 3))
    return pd.DataFrame(values, index=[f"t{i}" for i in range(tasks)], columns=METHODS)


def of_bencheval(frame):
    rows = frame.rename_axis("task").reset_index().melt("task", var_name="method", value_name="metric_error")
    rows = rows.assign(time_train_s=1.0, time_infer_s=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library
        return BenchmarkEvaluator().leaderboard(rows, baseline_method="ce", include_elo=False, include_skill_score=True)


def test_improvability_and_skill_are_those_of_bencheval():
    frame = made()
    theirs = of_bencheval(frame)
    for method in METHODS:
        assert improvability(frame)[method] == pytest.approx(theirs.loc[method, "improvability"])
        assert skill(frame, "ce")[method] == pytest.approx(theirs.loc[method, "skill_score"])


def test_they_do_not_depend_on_the_scale_of_a_data_set():
    frame = made()
    scaled = frame.mul(np.geomspace(0.1, 2, len(frame)), axis=0)
    pd.testing.assert_series_equal(improvability(frame), improvability(scaled))
    pd.testing.assert_series_equal(skill(frame, "ce"), skill(scaled, "ce"))


def test_no_error_at_all_and_a_hole():
    frame = pd.DataFrame({"ce": [0.0, 0.2], "a": [0.0, 0.1], "b": [0.1, np.nan]})
    assert improvability(frame)["a"] == 0
    assert improvability(frame)["ce"] == pytest.approx(0.25)
    assert skill(frame, "ce")["a"] == pytest.approx(1 - 0.5**0.5)
    assert np.isnan(improvability(frame)["b"])
    assert np.isnan(skill(frame, "ce")["b"])
    assert skill(frame, "absent").isna().all()


def test_what_an_error_is_depends_on_the_metric():
    frame = pd.DataFrame({"a": [0.9]})
    assert errors(frame, False).loc[0, "a"] == pytest.approx(0.1)
    assert errors(frame, True).loc[0, "a"] == 0.9


def curve(values, rates=(0.0, 0.2, 0.6), method="ce", kind="symmetric", repetition="0"):
    return pd.DataFrame({"method": method, "kind": kind, "rate": rates, "repetition": repetition, "value": values})


def test_robustness_is_the_mean_under_the_curve():
    runs = pd.concat([curve([0.9, 0.8, 0.4]), curve([0.9, 0.9, 0.9], method="a")])
    found = robustness(runs)
    by_hand = (0.85 * 0.2 + 0.6 * 0.4) / 0.6
    assert found.loc[("ce", "symmetric"), "mean"] == pytest.approx(by_hand)
    assert found.loc[("a", "symmetric"), "mean"] == pytest.approx(0.9)
    assert found.loc[("ce", "symmetric"), ["rates", "low", "high"]].tolist() == [3, 0.0, 0.6]


def test_its_interval_is_over_seeds():
    areas = [0.8, 0.82, 0.86]
    runs = pd.concat([curve([v, v, v], repetition=str(i)) for i, v in enumerate(areas)])
    found = robustness(runs).loc[("ce", "symmetric")]
    low, high = stats.t.interval(0.95, 2, np.mean(areas), stats.sem(areas))
    assert (found["n"], found["mean"] - found["half"], found["mean"] + found["half"]) == (
        3,
        pytest.approx(low),
        pytest.approx(high),
    )


def test_a_method_without_one_of_the_rates_and_a_kind_with_one_rate_have_none():
    runs = pd.concat(
        [
            curve([0.9, 0.8, 0.4]),
            curve([0.9, 0.8], rates=(0.0, 0.2), method="a"),
            curve([0.5], rates=(0.3,), kind="pair"),
        ]
    )
    assert list(robustness(runs).index) == [("ce", "symmetric")]
    assert robustness(runs.iloc[:0]).empty


def test_the_order_of_runs_changes_nothing():
    runs = pd.concat([curve([0.9, 0.8, 0.4 + i / 50], repetition=str(i)) for i in range(6)])
    pd.testing.assert_frame_equal(robustness(runs), robustness(runs.sample(frac=1, random_state=1)))


def test_agreement_is_kendalls_tau():
    ranks = pd.DataFrame(
        {"val_noisy": [1.0, 2.0, 3.5, 3.5], "last": [2.0, 1.0, 3.0, 4.0], "oracle": [np.nan] * 4}, index=list("abcd")
    )
    found = agreement(ranks)
    assert found.loc[("val_noisy", "last"), "tau"] == pytest.approx(
        stats.kendalltau(ranks["val_noisy"], ranks["last"]).statistic
    )
    assert found.loc[("val_noisy", "last"), ["methods", "moved"]].tolist() == [4, 1]
    assert np.isnan(found.loc[("val_noisy", "oracle"), "tau"])
    assert agreement(ranks[["last"]]).empty
