"""Scores that do not depend on a data set's scale, robustness against noise, and how much a reporting rule decides."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmark.tables.statistics import DIGITS, summarize

CLIP = 0.01
"""The skill score takes ratios of errors from this to its inverse, so that one data set without errors does not decide
alone."""


def errors(means: pd.DataFrame, lower_is_better: bool) -> pd.DataFrame:
    """What is left to gain: the metric itself if lower is better, else 1 - metric (all others are at best 1)."""
    return means if lower_is_better else 1 - means


def improvability(errors: pd.DataFrame) -> pd.Series:
    """Per method by how much the best method's error is smaller than its own, as a share of its own.

    `errors` [units, methods]; mean over units (TabArena, Erickson et al., NeurIPS 2025). 0 is the best method of every
    unit; a method without error cannot be improved. NaN of a method that lacks a unit.
    """
    best = errors.min(axis=1)
    share = 1 - errors.rdiv(best, axis=0)
    return share.where(errors != 0, 0.0).where(errors.notna()).mean(skipna=False)


def skill(errors: pd.DataFrame, baseline: str) -> pd.Series:
    """Per method 1 - geometric mean over units of its error over the baseline's (fev-bench, Shchur et al., 2025).

    `errors` [units, methods]; 0 is the baseline itself, .2 a fifth less error, negative is worse. Ratios are clipped
    by `CLIP`; 0 / 0 is 1. NaN of a method that lacks a unit, or all without the baseline.
    """
    if baseline not in errors:
        return pd.Series(np.nan, index=errors.columns)
    of_baseline = errors[baseline]
    ratios = errors.div(of_baseline, axis=0).where(errors.ne(0) | of_baseline.ne(0).to_numpy()[:, None], 1.0)
    return 1 - np.exp(np.log(ratios.where(errors.notna()).clip(CLIP, 1 / CLIP)).mean(skipna=False))


def robustness(runs: pd.DataFrame) -> pd.DataFrame:
    """Area under the metric against the noise rate, divided by the width of the range of rates: the mean over it.

    `runs`: per run method, kind (of noise), rate (nominal; 0 for clean labels), repetition (runs that share it are of
    the same seeds) and value. Trapezoids per repetition, then over repetitions per (method, kind): rates (their
    number), low and high (ends of the range), n, mean, half (of its 95 % t interval). A kind with fewer than two rates
    is left out, and so is a method that lacks one of its kind's rates in some repetition: an area over fewer rates
    could not be compared.
    """
    parts = []
    for kind, of_kind in runs.groupby("kind", sort=True):
        curves = of_kind.pivot_table(index=["method", "repetition"], columns="rate", values="value", sort=True)
        if curves.shape[1] < 2:
            continue
        whole = curves.notna().all(axis=1).groupby("method").transform("all")
        rates = curves.columns.to_numpy(dtype=np.float64)
        areas = np.trapezoid(curves[whole].to_numpy(), rates, axis=1) / (rates[-1] - rates[0])
        rows = curves[whole].index.to_frame(index=False).assign(value=areas, unit="", kind=kind)
        summary = summarize(rows, ["method", "kind"])[["n", "mean", "half"]]
        parts.append(summary.assign(rates=len(rates), low=rates[0], high=rates[-1]))
    columns = ["rates", "low", "high", "n", "mean", "half"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def agreement(ranks: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau-b between the columns of average ranks [methods, reporting rules].

    One row per pair of rules (first, second): methods (ranked under both), tau (1: the same order; NaN of fewer than
    two methods or where all are tied) and moved (the largest change of a method's place).
    """
    from scipy.stats import kendalltau

    rows = []
    for position, first in enumerate(ranks.columns):
        for second in ranks.columns[position + 1 :]:
            both = ranks[[first, second]].dropna().round(DIGITS)
            told = len(both) > 1 and (both.nunique() > 1).all()
            tau = float(kendalltau(both[first], both[second]).statistic) if told else np.nan
            places = both.rank()
            moved = (places[first] - places[second]).abs().max() if len(both) else np.nan
            rows.append({"first": first, "second": second, "methods": len(both), "tau": tau, "moved": moved})
    return pd.DataFrame(rows, columns=["first", "second", "methods", "tau", "moved"]).set_index(["first", "second"])
