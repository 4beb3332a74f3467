"""Runs a list of checks on one plugin and reports how each ended."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


class CheckFailed(AssertionError):
    """A promise that a plugin does not keep; the message says what to change."""


@dataclass(frozen=True)
class Finding:
    """How one check ended; `problem` is empty when the promise is kept."""

    check: str
    promise: str
    problem: str = ""
    trace: str = ""


def run_checks(checks: Mapping[str, Callable[..., None]], *subject: object) -> Iterator[Finding]:
    """Runs every check on `subject`, however the others end."""
    for name, check in checks.items():
        promise = (check.__doc__ or name).split("\n")[0].rstrip(".")
        try:
            check(*subject)
        except CheckFailed as failure:
            yield Finding(name, promise, str(failure))
        except Exception as error:
            yield Finding(name, promise, f"{type(error).__name__}: {error}", traceback.format_exc())
        else:
            yield Finding(name, promise)
