"""Parity with reference numbers: runs every case of a golden file through its adapter and compares.

A golden file is JSON: {family, set, K, B, cases: [{method, config, inputs, outputs, source, dtype, notes}]}.
The adapters (`tests/golden/adapters.py`) map a case to what the suite computes for it.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmark.errors import UsageError
from benchmark.registry import ROOT

TOLERANCE = {"float64": 1e-6, "float32": 1e-5}
NOT_FINITE = ("nan", "inf", "-inf")

Adapter = Callable[[dict[str, Any]], dict[str, Any]]

VERDICTS = {
    "paper": "matches: paper form",
    "reference": "matches: reference form, as an option",
    "clamped": "matches up to the reference's clamps: the exact log-space value is finite",
    "reason": "differs for a documented reason",
}


@dataclass(frozen=True)
class CaseResult:
    """How one case ended; `verdict` is a key of VERDICTS, or empty for a failure."""

    position: int
    method: str
    verdict: str
    note: str


def load_adapters() -> dict[str, Adapter]:
    path = ROOT / "tests" / "golden" / "adapters.py"
    if not path.is_file():
        raise UsageError(f"{path} is missing; golden checks run from a clone of the project, not from a wheel")
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    return importlib.import_module("tests.golden.adapters").CASES


def read_cases(path: Path) -> list[dict[str, Any]]:
    try:
        cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    except FileNotFoundError:
        raise UsageError(f"golden file {path} does not exist") from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UsageError(f"{path} is not a golden file ({error!r}); expected JSON with a list `cases`") from error
    for case in cases:
        missing = {"method", "config", "inputs", "outputs"} - case.keys()
        if missing:
            raise UsageError(f"{path}: a case lacks {', '.join(sorted(missing))}; see tests/golden for the format")
    return cases


def run_cases(cases: list[dict[str, Any]], adapters: dict[str, Adapter]) -> Iterator[CaseResult]:
    for position, case in enumerate(cases):
        adapter = adapters.get(case["method"])
        if adapter is None:
            yield CaseResult(position, case["method"], "", "no adapter: expected one in tests/golden/adapters.py")
            continue
        try:
            result = adapter(case)
        except Exception:
            yield CaseResult(position, case["method"], "", traceback.format_exc(limit=-2))
            continue
        verdict, note = _judge(result, case)
        yield CaseResult(position, case["method"], verdict, note)


def _judge(result: dict[str, Any], case: dict[str, Any]) -> tuple[str, str]:
    note = result.get("note", "")
    if result["status"] == "reason":
        return ("reason", note) if note else ("", "it differs and no reason is given")
    ours = result["outputs"]
    tolerance = max(TOLERANCE.get(case.get("dtype", "float64"), 1e-6), result.get("tolerance", 0.0))
    differences = list(compare(ours, case["outputs"], tolerance))
    if not differences:
        return result["status"], note
    if "clamped" in result:
        # Each value may be the clamped one, but ours have to be those of the same formula without the clamps.
        differences = list(compare(ours, case["outputs"], tolerance, clamped=result["clamped"]))
        exact = compare(ours, result["exact"], tolerance)
        differences += [f"without the reference's clamps: {difference}" for difference in exact]
        differences += [f"not finite: {value}" for value in not_finite(ours)]
        if not differences:
            return "clamped", note
    return "", "; ".join(differences[:3])


def compare(ours: Any, golden: Any, tolerance: float, where: str = "", *, clamped: Any = None) -> Iterator[str]:
    """Differences between our outputs and the golden's; keys that we do not give are left out.

    A value may instead equal the one that `clamped`, of the same form, has in its place. Where the golden's is
    not finite (which JSON may hold as text), the reference has overflowed: ours has to be finite.
    """
    if isinstance(golden, dict) and isinstance(ours, dict):
        shared = [key for key in ours if key in golden]
        if not shared:
            yield f"{where or 'outputs'}: no key in common: {sorted(ours)} and {sorted(golden)}"
        for key in shared:
            inner = f"{where}.{key}".lstrip(".")
            yield from compare(ours[key], golden[key], tolerance, inner, clamped=_at(clamped, key))
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


def _at(values: Any, key: Any) -> Any:
    """What `values` (a dict, a list or neither) hold at `key`, or None."""
    if isinstance(values, dict):
        return values.get(key)
    return values[key] if isinstance(values, list) and key < len(values) else None


def not_finite(value: Any) -> Iterator[float]:
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
    results = list(run_cases(cases, load_adapters()))
    counts: Counter[str] = Counter()
    for result in results:
        if only is not None and result.method != only:
            continue
        counts["ok" if result.verdict else "FAILED"] += 1
        config = {k: v for k, v in cases[result.position]["config"].items() if not isinstance(v, (list, dict))}
        shown = ", ".join(f"{key}={value}" for key, value in config.items())
        verdict = VERDICTS[result.verdict] if result.verdict else "FAILED"
        click.echo(f"{'ok' if result.verdict else 'FAILED':6}  {result.method}({shown}): {verdict}")
        if result.note:
            click.echo(f"        {result.note}")
    click.echo(f"{path.name}: {counts['ok']} ok, {counts['FAILED']} failed")
    return 1 if counts["FAILED"] or not counts else 0
