"""Messages about faults in a suite or in a plugin's options; all faults are reported together."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.errors import UsageError


class SuiteError(UsageError):
    """A suite that cannot be run, with all its faults."""

    def __init__(self, origin: str, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n  ".join([f"{origin}: {len(faults)} fault(s)", *faults]))


def faults_of(error: ValidationError, known: Iterable[str] = (), places: Mapping[str, str] | None = None) -> list[str]:
    """A message per fault. For an unknown key it says where the key belongs, or suggests the nearest one.

    `known`: keys that may stand where the faults are. `places`: where the keys belong that may not, in words, with
    "..." for the value.
    """
    elsewhere = {key: place for key, place in (places or {}).items() if key not in set(known)}
    messages = []
    for fault in error.errors():
        where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in fault["loc"])
        if fault["type"] == "extra_forbidden":
            what = f"unknown key{_remedy(str(fault['loc'][-1]), fault['input'], known, elsewhere)}"
        elif fault["type"] == "missing":
            what = fault["msg"]
        else:
            given = str(fault["input"]) if isinstance(fault["input"], Path) else fault["input"]
            what = f"{fault['msg'].removeprefix('Value error, ')} (given: {given!r})"
        # What is wrong with several options together is said without the place of one, and names them itself.
        messages.append(f"{where.lstrip('.')}: {what}" if where else fault["msg"].removeprefix("Value error, "))
    return messages


def _remedy(key: str, value: Any, known: Iterable[str], elsewhere: Mapping[str, str]) -> str:
    if key in elsewhere:
        typed = json.dumps(value) if isinstance(value, (str, bool, int, float)) else "..."
        return f" here; it belongs {elsewhere[key].replace('...', typed)}"
    near = difflib.get_close_matches(key, {*known, *elsewhere} - {key}, n=1)
    if not near:
        return ""
    place = f", which belongs {elsewhere[near[0]]}" if near[0] in elsewhere else ""
    return f"; did you mean {near[0]!r}{place}?"
