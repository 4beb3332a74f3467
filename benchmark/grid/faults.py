"""Messages about faults in a suite or in a plugin's options; all faults are reported together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from benchmark.errors import UsageError


class SuiteError(UsageError):
    """A suite that cannot be run, with all its faults."""

    def __init__(self, origin: str, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n  ".join([f"{origin}: {len(faults)} fault(s)", *faults]))


def faults_of(error: ValidationError, known: Iterable[str] = ()) -> Iterator[str]:
    """A message per fault; for an unknown key it suggests the nearest of the `known` ones."""
    for fault in error.errors():
        place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in fault["loc"])
        if fault["type"] == "extra_forbidden":
            what = f"unknown key{_nearest(str(fault['loc'][-1]), known)}"
        elif fault["type"] == "missing":
            what = fault["msg"]
        else:
            what = f"{fault['msg'].removeprefix('Value error, ')} (given: {fault['input']!r})"
        yield f"{place.lstrip('.')}: {what}"


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, set(known) - {name}, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
