"""Parity with official implementations: runs every case of a golden file through its adapter and compares.

A golden file is JSON: {family, set, K, B, cases: [{method, config, inputs, outputs, source, dtype, notes}]}.
An adapter (`tests/golden/adapters.py`) runs the method that a case names on the inputs of the case and gives what
the method did under the golden's keys. Every key of a case is compared, unless `tests/golden/omitted.py` declares
it, with one of the reasons in `Reason`.
"""

from __future__ import annotations

import importlib
import math
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NotRequired, Protocol, TypedDict, runtime_checkable

import click

from benchmark.errors import UsageError
from benchmark.parsers import parse_json
from benchmark.registry import ROOT

TOLERANCE = {"float64": 1e-6, "float32": 1e-5}
NOT_FINITE = ("nan", "inf", "-inf")

Values = Any
"""Numbers, text and lists and dicts of them, as JSON holds them."""


class Case(TypedDict):
    """One entry of a golden file's `cases`."""

    method: str
    config: dict[str, Any]
    inputs: dict[str, Values]
    outputs: dict[str, Values]
    dtype: NotRequired[str]
    notes: NotRequired[str]
    source: NotRequired[str]
    commit: NotRequired[str]


class Form(StrEnum):
    """Which form of a method gives the golden numbers."""

    PAPER = "paper form"
    OFFICIAL = "official form, as an option"


class Reason(StrEnum):
    """Why a golden key is not compared; no other reason is accepted."""

    ECHO = "repeats an input"
    OFFICIAL_FAULT = "a fault of the official code that no method of the suite repeats"
    NOT_IN_SUITE = "a form that no method of the suite has"
    TRIAL = "describes a trial of the official code, not the method"
    DRAWN = "depends on the random state of the official code"
    UNDECIDED = "the official code itself gives no definite value here"


@runtime_checkable
class Expectation(Protocol):
    """A value with a comparison of its own, for outputs that need not match exactly."""

    def differences(self, golden: Values, where: str) -> Iterator[str]:
        """Sentences on how `golden`, found at the key `where`, disagrees; none if it agrees."""
        ...


@dataclass(frozen=True)
class Within:
    """Agrees with golden values of the same shape that lie within `allowed` (a number, or one for each value)."""

    values: Values
    allowed: Values

    def differences(self, golden: Values, where: str) -> Iterator[str]:
        if isinstance(self.values, (list, tuple)):
            if not isinstance(golden, list) or len(golden) != len(self.values):
                yield f"{where}: expected a list of {len(self.values)} values in the golden file"
                return
            for position, (one, other) in enumerate(zip(self.values, golden, strict=True)):
                allowed = self.allowed[position] if isinstance(self.allowed, (list, tuple)) else self.allowed
                yield from Within(one, allowed).differences(other, f"{where}[{position}]")
        elif not _is_number(golden) or not abs(self.values - golden) <= self.allowed:
            yield f"{where}: {self.values!r}, expected {golden!r} within {self.allowed:.3g}"


@dataclass(frozen=True)
class Result:
    """What an adapter gives for a case."""

    outputs: dict[str, Values]
    """What the method computed, under the golden's keys; an Expectation where it is not exact."""
    form: Form = Form.PAPER
    note: str = ""
    clamped: dict[str, Values] | None = None
    """For losses whose official code clamps probabilities: its formula with the clamps. At extreme logits a golden
    value may equal this one instead of ours, if ours equals `exact`."""
    exact: dict[str, Values] | None = None
    """The same formula without the clamps, written independently of the methods."""


Adapter = Callable[[Case], Result]


@dataclass(frozen=True)
class Omitted:
    """Keys of a golden method's outputs that are not compared, in the cases for which `when` holds."""

    method: str
    keys: tuple[str, ...]
    reason: Reason
    when: Callable[[Case], bool] = lambda case: True


@dataclass(frozen=True)
class Suite:
    """The adapters by golden method, and the declared omissions."""

    adapters: Mapping[str, Adapter]
    omitted: Sequence[Omitted] = ()

    def omissions(self, case: Case) -> dict[str, Reason]:
        """The keys of the case's outputs that are not compared, with the reason."""
        return {
            key: entry.reason
            for entry in self.omitted
            if entry.method == case["method"] and entry.when(case)
            for key in entry.keys
            if key in case["outputs"]
        }


@dataclass(frozen=True)
class CaseResult:
    """How one case ended; `verdict` is empty for a failure."""

    position: int
    method: str
    verdict: str
    note: str


def load_suite() -> Suite:
    """The adapters and omissions of `tests/golden`. Raises UsageError outside a clone of the project."""
    path = ROOT / "tests" / "golden" / "adapters.py"
    if not path.is_file():
        raise UsageError(f"{path} is missing; golden checks run from a clone of the project, not from a wheel")
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    return importlib.import_module("tests.golden.adapters").SUITE


def read_cases(path: Path) -> list[Case]:
    try:
        cases = parse_json(path.read_text(encoding="utf-8"))["cases"]
    except FileNotFoundError:
        raise UsageError(f"golden file {path} does not exist") from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UsageError(f"{path} is not a golden file ({error!r}); expected JSON with a list `cases`") from error
    for case in cases:
        missing = {"method", "config", "inputs", "outputs"} - case.keys()
        if missing:
            raise UsageError(f"{path}: a case lacks {', '.join(sorted(missing))}; see tests/golden for the format")
    return cases


def run_cases(cases: Sequence[Case], suite: Suite) -> Iterator[CaseResult]:
    for position, case in enumerate(cases):
        adapter = suite.adapters.get(case["method"])
        if adapter is None:
            yield CaseResult(position, case["method"], "", "no adapter: expected one in tests/golden/adapters.py")
            continue
        try:
            verdict, note = judge(adapter(case), case, suite.omissions(case))
        except Exception:
            verdict, note = "", traceback.format_exc(limit=-2)
        yield CaseResult(position, case["method"], verdict, note)


def judge(result: Result, case: Case, omitted: Mapping[str, Reason]) -> tuple[str, str]:
    """The verdict on a case (empty: it failed) and a note, which names the keys that were not compared."""
    golden = {key: value for key, value in case["outputs"].items() if key not in omitted}
    if not golden:
        return "", "every key is omitted, so that nothing is compared"
    tolerance = TOLERANCE.get(case.get("dtype", "float64"), 1e-6)
    verdict = f"matches: {result.form}"
    differences = list(compare(result.outputs, golden, tolerance))
    if differences and result.clamped is not None and result.exact is not None:
        verdict = "matches up to the reference's clamps: the exact log-space value is finite"
        # A golden value may be the clamped one, if ours is that of the same formula without the clamps.
        differences = list(compare(result.outputs, golden, tolerance, clamped=result.clamped))
        exact = {key: value for key, value in result.exact.items() if key in golden}
        wrong = compare(result.outputs, exact, tolerance)
        differences += [f"without the reference's clamps: {difference}" for difference in wrong]
        differences += [f"not finite: {value}" for value in not_finite(result.outputs)]
    if differences:
        return "", "; ".join(differences[:3])
    return verdict, "; ".join(filter(None, [result.note, _not_compared(omitted)]))


def _not_compared(omitted: Mapping[str, Reason]) -> str:
    by_reason: dict[Reason, list[str]] = {}
    for key, reason in omitted.items():
        by_reason.setdefault(reason, []).append(key)
    return "; ".join(f"not compared: {', '.join(keys)} ({reason})" for reason, keys in by_reason.items())


def compare(
    ours: Values, golden: Values, tolerance: float, where: str = "", *, clamped: Values = None
) -> Iterator[str]:
    """Differences between our outputs and the golden's. Every key of the golden's has to be among ours.

    A golden value may instead equal the value at the same place in `clamped`. Where it is not finite (JSON may
    hold it as text), the official code has overflowed, and ours has to be finite.
    """
    if isinstance(ours, Expectation):
        yield from ours.differences(golden, where)
    elif isinstance(golden, dict) and isinstance(ours, dict):
        for key, value in golden.items():
            inner = f"{where}.{key}".lstrip(".")
            if key in ours:
                yield from compare(ours[key], value, tolerance, inner, clamped=_at(clamped, key))
            else:
                yield f"{inner}: not given by the adapter and not declared in tests/golden/omitted.py"
    elif isinstance(golden, list) and isinstance(ours, (list, tuple)):
        if len(ours) != len(golden):
            yield f"{where}: {len(ours)} values, expected {len(golden)}"
        for position, (one, other) in enumerate(zip(ours, golden, strict=False)):
            yield from compare(one, other, tolerance, f"{where}[{position}]", clamped=_at(clamped, position))
    elif _is_number(ours) and (_is_number(golden) or golden in NOT_FINITE):
        if not math.isfinite(float(golden)):
            if not math.isfinite(ours):
                yield f"{where}: {ours!r}, expected a finite number (the reference has {golden})"
        elif not any(
            math.isclose(value, golden, rel_tol=tolerance, abs_tol=tolerance)
            for value in (ours, clamped)
            if _is_number(value)
        ):
            yield f"{where}: {ours!r}, expected {golden!r}"
    elif ours != golden:
        yield f"{where}: {ours!r}, expected {golden!r}"


def _at(values: Values, key: Any) -> Values:
    """What `values` (a dict, a list or neither) hold at `key`, or None."""
    if isinstance(values, dict):
        return values.get(key)
    return values[key] if isinstance(values, list) and key < len(values) else None


def not_finite(value: Values) -> Iterator[float]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from not_finite(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from not_finite(inner)
    elif isinstance(value, float) and not math.isfinite(value):
        yield value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_file(path: Path, only: str | None = None) -> int:
    """Prints every case of `path` and returns the exit code; `only` keeps the cases of one golden method."""
    cases = read_cases(path)
    counts: Counter[str] = Counter()
    for result in run_cases(cases, load_suite()):
        if only is not None and result.method != only:
            continue
        outcome = "ok" if result.verdict else "FAILED"
        counts[outcome] += 1
        config = {k: v for k, v in cases[result.position]["config"].items() if not isinstance(v, (list, dict))}
        settings = ", ".join(f"{key}={value}" for key, value in config.items())
        click.echo(f"{outcome:6}  {result.method}({settings}): {result.verdict or 'FAILED'}")
        if result.note:
            click.echo(f"        {result.note}")
    click.echo(f"{path.name}: {counts['ok']} ok, {counts['FAILED']} failed")
    return 1 if counts["FAILED"] or not counts else 0
