"""Reporting rules: which epoch of a training is reported. Every training is reported under all five rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

from benchmark.metrics import LOWER_IS_BETTER

Rule = Literal["val_noisy", "last", "last5", "val_clean", "oracle_test"]
RULES: dict[str, str] = {
    "val_noisy": "best epoch by the noisy validation labels",
    "last": "last epoch",
    "last5": "mean of the last five epochs",
    "val_clean": "best epoch by clean validation labels",
    "oracle_test": "ORACLE: best epoch by the test labels themselves; never ranked",
}
LAST5_EPOCHS = 5
LAST5_NEEDS = 10
"""Fewest epochs for which `last5` is defined."""
TIE_DIGITS = 9
"""Scores that are equal when rounded to so many digits are tied."""

Epoch = Mapping[str, Any]
Figures = dict[str, Any]


def select(curve: Sequence[Epoch], main_metric: str) -> dict[Rule, Figures | None]:
    """The test figures of a `curve` (one entry per epoch) under every rule of `RULES`.

    Rules that choose one epoch add its number under "epoch", and the method's "phase". None where a rule is
    undefined: no clean validation or test labels, fewer than ten epochs for `last5`, no value of the main metric
    at any epoch.
    """
    return _report(curve, main_metric, lambda entry: entry["test"])


def select_extra(curve: Sequence[Epoch], main_metric: str) -> dict[str, dict[Rule, Figures | None]]:
    """As `select`, for each extra test set: {name: {rule: figures}}.

    Every rule scores the same model as in `select`: `oracle_test` too is the best on the main test set.
    """

    def figures_of(name: str) -> Callable[[Epoch], Figures | None]:
        return lambda entry: entry["extra"][name]

    names = sorted(curve[-1].get("extra") or {}) if curve else []
    return {name: _report(curve, main_metric, figures_of(name)) for name in names}


def best_epoch(scores: Sequence[float | None], lower_is_better: bool = False) -> int | None:
    """Position of the best of `scores`, the earliest on ties; None if there is none.

    A balanced accuracy is a mean of shares, whose last bits depend on the order of the sum; so scores are
    compared to `TIE_DIGITS` digits.
    """
    sign = -1 if lower_is_better else 1
    known = {at: sign * round(value, TIE_DIGITS) for at, value in enumerate(scores) if value is not None}
    return max(known, key=known.__getitem__, default=None)


def chosen_epochs(curve: Sequence[Epoch], main_metric: str) -> dict[Rule, int | None]:
    """The position in `curve` that each rule which chooses one epoch would report if the training ended there."""

    def best_by(split: str) -> int | None:
        scores = [(entry.get(split) or {}).get(main_metric) for entry in curve]
        return best_epoch(scores, main_metric in LOWER_IS_BETTER)

    return {
        "val_noisy": best_by("val_noisy"),
        "last": len(curve) - 1 if curve else None,
        "val_clean": best_by("val_clean"),
        "oracle_test": best_by("test"),
    }


def _report(
    curve: Sequence[Epoch], main_metric: str, figures: Callable[[Epoch], Figures | None]
) -> dict[Rule, Figures | None]:
    def at(position: int | None) -> Figures | None:
        if position is None:
            return None
        chosen = figures(curve[position])
        entry = curve[position]
        return {**chosen, "epoch": entry["epoch"], "phase": entry["phase"]} if chosen else None

    late = [values for entry in curve[-LAST5_EPOCHS:] if (values := figures(entry))]
    enough = len(curve) >= LAST5_NEEDS and len(late) == LAST5_EPOCHS
    last5 = {metric: _mean([f[metric] for f in late]) for metric in late[0]} if enough else None
    by_rule = {rule: at(position) for rule, position in chosen_epochs(curve, main_metric).items()}
    by_rule["last5"] = last5
    return {rule: by_rule[rule] for rule in get_args(Rule)}


def _mean(values: Sequence[Any]) -> Any:
    """Mean of numbers, or elementwise of lists; None where one of them is None."""
    if any(value is None for value in values):
        return None
    if isinstance(values[0], list):
        return [_mean(column) for column in zip(*values, strict=True)]
    return sum(values) / len(values)
