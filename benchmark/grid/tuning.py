"""The configurations that `--tune N` tries: as many for every method, the default first, the learning rate among them.

All methods get the same number of points, whatever they have to tune, because a tuned method beside an untuned one
compares budgets (Claims Reloaded and earlier: Lucic et al., NeurIPS 2018).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from benchmark.errors import UsageError
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import method_options, resolve_method
from benchmark.grid.spec import LARGEST_LR
from benchmark.grid.suite import Suite
from benchmark.registry import METHODS
from benchmark.seeds import TUNING_SEED, seed_for

if TYPE_CHECKING:
    from methods.base import Method

LR_SPAN = 10.0
"""The learning rate is searched from the recipe's, divided by this, to the recipe's times this."""
DIGITS = 4
"""Significant digits of a drawn value: what a table shows is what was run."""


@dataclass(frozen=True)
class Axis:
    """One option of a search space: a range, drawn from evenly or in the logarithm."""

    option: str
    low: float
    high: float
    log: bool
    whole: bool = False


def trial_suite(suite: Suite) -> Suite:
    """The grid of the trials: every configuration of every method in turn, on a seed that is never reported.

    Raises UsageError where the suite sets what would be searched or names a method twice, or where a method's ranges
    contradict its options.
    """
    return candidate_suite(suite).model_copy(update={"seeds": [TUNING_SEED]})


def candidate_suite(suite: Suite) -> Suite:
    """`suite` with the `suite.tune` configurations of each method in the place of that method, in their order."""
    budget = suite.tune or 1
    twice = [
        name for name, count in Counter(METHODS.plain_name(ref.name) for ref in suite.methods).items() if count > 1
    ]
    if twice:
        raise UsageError(
            f"method {twice[0]!r} stands in the suite more than once, and --tune searches its options; name it once"
        )
    refs = [one for ref in suite.methods for one in candidates(ref, budget, suite.recipe.lr)]
    return suite.model_copy(update={"methods": refs, "tune": None})


def candidates(ref: PluginRef, budget: int, lr: float) -> list[PluginRef]:
    """The method as it is, and `budget` - 1 points of its search space, from one Sobol sequence of its own.

    A larger budget begins with the points of a smaller one. `lr` is the recipe's learning rate.
    """
    space = [_lr_axis(lr), *own_axes(METHODS.load(ref.name))]
    _refuse_what_is_set(ref, space)
    points = _points(len(space), budget - 1, seed_for("tune", METHODS.plain_name(ref.name)))
    tried = [_at(ref, space, point) for point in points]
    for one in tried:
        _check(one)
    return [ref, *tried]


def own_axes(plugin: type[Method]) -> list[Axis]:
    """The search space of a method's own options, as its card declares it."""
    whole = {name for name, field in plugin.Config.model_fields.items() if _is_whole(field.annotation)}
    for one in plugin.card.search:
        if one.option in whole and not (float(one.low).is_integer() and float(one.high).is_integer()):
            raise UsageError(
                f"the card searches {one.option} from {one.low:g} to {one.high:g}, and it is a whole number; "
                f'give `Search("{one.option}", ...)` whole numbers'
            )
    return [Axis(one.option, one.low, one.high, one.log, one.option in whole) for one in plugin.card.search]


def _is_whole(annotation: Any) -> bool:
    """Whether an option of that type takes whole numbers alone, and perhaps None."""
    return {*get_args(annotation), annotation} & {int, float} == {int}


def _lr_axis(lr: float) -> Axis:
    """Raises UsageError where learning rates of the range would be refused."""
    largest = LARGEST_LR / LR_SPAN
    if lr > largest:
        raise UsageError(
            f"--tune searches learning rates from {lr / LR_SPAN:g} to {lr * LR_SPAN:g}, as lr = {lr:g} in the recipe, "
            f"and those above {LARGEST_LR} are refused; expected at most {largest:g}: --recipe lr={largest:g} "
            f"(in a suite: [recipe] lr = {largest:g})"
        )
    return Axis("lr", lr / LR_SPAN, lr * LR_SPAN, log=True)


def _refuse_what_is_set(ref: PluginRef, space: Sequence[Axis]) -> None:
    options, changes = method_options(ref)
    given = [axis.option for axis in space[1:] if axis.option in options] + ["recipe.lr"] * ("lr" in changes)
    if given:
        raise UsageError(
            f"method {ref!r} sets {', '.join(given)}, which --tune searches; leave it out, or leave --tune out"
        )


def _points(dimensions: int, count: int, seed: int) -> Any:
    """[count, dimensions] in [0, 1)."""
    from scipy.stats.qmc import Sobol

    drawn = 1 << max(count - 1, 0).bit_length()  # the sequence is balanced at powers of two
    return Sobol(dimensions, scramble=True, seed=seed % 2**32).random(drawn)[:count]


def _at(ref: PluginRef, space: Sequence[Axis], point: Sequence[float]) -> PluginRef:
    """The method with the options of one point of its search space."""
    lr, *own = (_value(axis, share) for axis, share in zip(space, point, strict=True))
    values = {axis.option: value for axis, value in zip(space[1:], own, strict=True)}
    return ref.having(**values, recipe={**method_options(ref)[1], "lr": lr})


def _value(axis: Axis, share: float) -> float:
    low, high = (math.log(axis.low), math.log(axis.high)) if axis.log else (axis.low, axis.high)
    value = low + share * (high - low)
    value = math.exp(value) if axis.log else value
    return round(value) if axis.whole else float(f"{value:.{DIGITS}g}")


def _check(ref: PluginRef) -> None:
    """Raises UsageError where a drawn configuration breaks a bound of the method's own options."""
    try:
        resolve_method(ref)
    except UsageError as error:
        raise UsageError(
            f"the search range of method {ref.name!r} contradicts its options: {error}; mend `search` on its card"
        ) from None
