"""Functions of methods whose calls are compared with a procedure's golden, by method and output key."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmark.checks.golden import Values
from tests.golden.harness import Call


@dataclass(frozen=True)
class Watch:
    """A function of the method, or of its module, and which argument or result of a call is compared."""

    function: str
    read: Callable[[Call], Values]

    def owner(self, method: Any) -> Any:
        modules = (sys.modules[part.__module__] for part in type(method).__mro__)
        return next(owner for owner in (method, *modules) if hasattr(owner, self.function))


def result(call: Call) -> Values:
    return call.result.tolist()


def argument(number: int) -> Callable[[Call], Values]:
    """Reads the argument `number` of a call."""
    return lambda call: call.args[number].tolist()


def scalar(call: Call) -> Values:
    return call.result.item()


def directions(call: Call) -> Values:
    """Singular vectors [K, D], whose sign is free, with their largest entry positive."""
    largest = call.result.gather(1, call.result.abs().argmax(1, keepdim=True))
    return (call.result * largest.sign()).tolist()


WATCHED: dict[str, dict[str, Watch]] = {
    "aum": {
        "margins": Watch("train_scorer", result),
        "threshold_labels": Watch("train_scorer", argument(2)),
    },
    "confident_learning": {
        "probabilities": Watch("label_issues", argument(1)),
        "issues": Watch("label_issues", result),
    },
    "cal": {"covariance": Watch("covariance", scalar)},
    "dual_t": {"factors": Watch("row_normalize", result)},
    "coteaching_plus": {
        "candidates": Watch("small_loss_mask", argument(1)),
    },
    "dividemix": {
        "clean": Watch("split", result),
        "targets": Watch("sharpen", result),
    },
    "elr_plus": {"targets": Watch("mixed_loss", argument(2))},
    "fine": {
        "directions": Watch("principal_directions", directions),
        "scores": Watch("scores", result),
    },
    "pes_semi": {"targets": Watch("sharpen", result)},
    "plc": {
        "probabilities": Watch("correct", argument(0)),
    },
    "unicon": {"targets": Watch("sharpen", result)},
}
