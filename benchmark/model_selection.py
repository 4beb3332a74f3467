"""Reporting rules: which epoch of a training is reported. Every training is reported under all six rules."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

from benchmark.metrics import LOWER_IS_BETTER

Rule = Literal["val_noisy", "last", "last5", "label_wave", "val_clean", "oracle_test"]
RULES: dict[str, str] = {
    "val_noisy": "best epoch by the noisy validation labels",
    "last": "last epoch",
    "last5": "mean of the last five epochs",
    "label_wave": "where predictions on the training images change least, without labels (Label Wave)",
    "val_clean": "best epoch by clean validation labels",
    "oracle_test": "ORACLE: best epoch by the test labels themselves; never ranked",
}
LAST5_EPOCHS = 5
LAST5_NEEDS = 10
"""Fewest epochs for which `last5` is defined."""
LABEL_WAVE_WINDOW = 3
"""Epochs that `label_wave` averages the changes of predictions over."""
TIE_DIGITS = 9
"""Scores that are equal when rounded to so many digits are tied."""

Epoch = Mapping[str, Any]
Figures = dict[str, Any]


def select(curve: Sequence[Epoch], main_metric: str) -> dict[Rule, Figures | None]:
    """The test figures of a `curve` (one entry per epoch) under every rule of `RULES`.

    Rules that choose one epoch add its number under "epoch", and the method's "phase". None where a rule is
    undefined: no clean validation or test labels, fewer than ten epochs for `last5`, no changes of predictions in
    the curve for `label_wave`, no value of the main metric at any epoch.
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


def label_wave(changed: Sequence[float | None]) -> int | None:
    """Position of the first local minimum of the changes of predictions, smoothed; the last one if there is none.

    `changed` holds the share of training samples whose predicted class differs from that of the epoch before; None in
    the first epoch. It is averaged over each epoch and those before it, `LABEL_WAVE_WINDOW` in all, and the position
    is that of the first average after which it rises, having fallen before (the last one of equal averages). The
    training would have stopped there, and needs no label for that (Yuan et al., ICLR 2024); without a minimum it
    would have gone on to its end. None where an epoch after the first has no share.
    """
    if not changed or any(share is None for share in changed[1:]):
        return None
    shares = [float(share) for share in changed[1:] if share is not None]
    means = [
        round(sum(shares[end - LABEL_WAVE_WINDOW : end]) / LABEL_WAVE_WINDOW, TIE_DIGITS)
        for end in range(LABEL_WAVE_WINDOW, len(shares) + 1)
    ]
    falling = False
    for at, (mean, following) in enumerate(itertools.pairwise(means)):
        if following > mean and falling:
            return at + LABEL_WAVE_WINDOW  # means[0] ends with the epoch at position LABEL_WAVE_WINDOW
        falling = following < mean or (falling and following == mean)
    return len(changed) - 1


def chosen_epochs(curve: Sequence[Epoch], main_metric: str) -> dict[Rule, int | None]:
    """The position in `curve` that each rule which chooses one epoch would report if the training ended there."""

    def best_by(split: str) -> int | None:
        scores = [(entry.get(split) or {}).get(main_metric) for entry in curve]
        return best_epoch(scores, main_metric in LOWER_IS_BETTER)

    return {
        "val_noisy": best_by("val_noisy"),
        "last": len(curve) - 1 if curve else None,
        "label_wave": label_wave([entry.get("changed") for entry in curve]),
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
