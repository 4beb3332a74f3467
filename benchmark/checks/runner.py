"""Runs a list of checks on one plugin and reports how each ended."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BASE = "base.py"
"""The base class of a kind lies in its folder beside the plugins, but is no plugin's own code."""


class CheckFailed(AssertionError):
    """A promise that a plugin does not keep; the message says what to change, in the function `at` if it is known."""

    def __init__(self, message: str, at: Callable[..., object] | None = None) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True)
class Finding:
    """How one check ended; `problem` is empty when the promise is kept."""

    check: str
    promise: str
    problem: str = ""
    trace: str = ""
    same_as: str = ""
    """The earlier check that ended with the same problem, if any: it is told once."""


class Runner:
    """Runs checks on the plugin whose code lies in the file `source`, and remembers which problems it has told."""

    def __init__(self, source: Path | None = None) -> None:
        self.source = source
        self._told: dict[str, str] = {}

    def run(self, checks: Mapping[str, Callable[..., None]], *subject: object) -> Iterator[Finding]:
        """Runs every check on `subject`, however the others end."""
        for name, check in checks.items():
            promise = (check.__doc__ or name).split("\n")[0].rstrip(".")
            try:
                check(*subject)
            except CheckFailed as failure:
                yield self._finding(name, promise, self._placed(failure))
            except (Exception, SystemExit) as error:
                yield self._finding(name, promise, self.cause(error), traceback.format_exc())
            else:
                yield Finding(name, promise)

    def _finding(self, name: str, promise: str, problem: str, trace: str = "") -> Finding:
        first = self._told.setdefault(problem, name)
        return Finding(name, promise, problem, trace, same_as="" if first == name else first)

    def _placed(self, failure: CheckFailed) -> str:
        """The message, after the place of the function that it is about, where that is the plugin's own."""
        code = getattr(failure.at, "__code__", None)
        if code is None or self.source is None or Path(code.co_filename) != self.source:
            return str(failure)
        return f"{self.source.name}:{code.co_firstlineno}, in {code.co_name}: {failure}"

    def cause(self, error: BaseException) -> str:
        """In one line what was raised, after the last line of the plugin's own files that led to it."""
        message = str(error).strip().split("\n")[0]
        told = f"{type(error).__name__}: {message}" if message else type(error).__name__
        place = self.place(error)
        return f"{place}: {told}" if place else told

    def place(self, error: BaseException) -> str:
        """The last line of the plugin's own files that led to `error`, as "mine.py:12, in loss"; "" without one."""
        folder = self.source.parent if self.source else None
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            path = Path(frame.filename)
            if path.parent == folder and path.name != BASE:
                return f"{path.name}:{frame.lineno}, in {frame.name}"
        return ""
