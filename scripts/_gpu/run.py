"""Runs the steps of `scripts/gpu` one after the other within the time given, and writes a report after each.

Needs Python alone: torch, the pack's packages and the suite are used in processes of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts._gpu import report
from scripts._gpu.manifest import Manifest, PackError, read
from scripts._gpu.results import Results, StepResult
from scripts._gpu.site import unpack
from scripts._gpu.steps import RESERVE, Machine, steps

ROOT = Path(__file__).resolve().parent.parent.parent


class UsageError(Exception):
    """What was wrong, what was expected, what to type."""


@dataclass(frozen=True)
class Options:
    pack: Path
    out: Path
    device: str
    minutes: float
    tiny: bool


def environment(site: Path) -> dict[str, str]:
    """For every process: the pack's packages first, then this repository."""
    paths = [str(site), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def inspect(site: Path, device: str) -> dict[str, Any]:
    """The machine and its software. Raises UsageError where the suite cannot be imported or there is no `device`."""
    command = [sys.executable, "-m", "scripts._gpu.measure", "machine"]
    done = subprocess.run(command, env=environment(site), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UsageError(
            f"{sys.executable} cannot import the suite with the pack's packages: {last}; "
            "it needs torch and torchvision (PYTHON=/path/to/python3 chooses another Python)"
        )
    found = json.loads(done.stdout.splitlines()[-1])
    if device == "cuda" and found["device"] is None:
        raise UsageError("torch sees no CUDA device here; type --device cpu --tiny to try the script without one")
    return {**found, "driver": _driver()}


def _driver() -> str | None:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def carry_out(options: Options, manifest: Manifest) -> Results:
    """All steps that are not finished yet."""
    deadline = time.monotonic() + options.minutes * 60
    site = unpack(options.pack, manifest)
    found = inspect(site, options.device)
    images = options.pack / manifest.images.file if manifest.images and not options.tiny else None
    machine = Machine(ROOT, options.pack / "work", options.out, environment(site), options.device, options.tiny, images)
    results = Results.load(options.out / "gpu" / "steps.json")
    for step in steps(machine):
        known = results.steps.get(step.name)
        if known is not None and known.state == "done":
            _say(f"{step.name}: done already")
            continue
        left = deadline - time.monotonic() - RESERVE
        if left < step.least:
            reason = f"{max(left, 0):.0f} s were left, it needs at least {step.least:.0f} s"
            results.put(known or StepResult(step.name, "not run", reason))
        else:
            limit = min(left, max(step.least, step.share * options.minutes * 60))
            _say(f"{step.name}: at most {limit:.0f} s")
            step.run(limit, results)
        ended = results.steps[step.name]
        _say(f"{step.name}: {ended.state}{ended.reason and f': {ended.reason}'}")
        report.write(options.out, found, manifest, results, options.device)
    report.write(options.out, found, manifest, results, options.device)
    return results


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/gpu", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("pack", type=Path, metavar="DIR", help="a pack, made with scripts/gpu --pack DIR")
    parser.add_argument("--out", type=Path, help="folder for the report and the records (default DIR/out)")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all steps together (default 8)")
    parser.add_argument("--tiny", action="store_true", help="the smallest sizes: tries the script, measures nothing")
    given = parser.parse_args(arguments)
    if not 0 < given.minutes < float("inf"):
        print(f"error: --minutes {given.minutes:g}; expected a number above 0", file=sys.stderr)
        return 2
    pack = given.pack.resolve()
    out = (given.out or given.pack / "out").resolve()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the step's processes end too
    try:
        manifest = read(pack)
        results = carry_out(Options(pack, out, given.device, given.minutes, given.tiny), manifest)
    except (PackError, UsageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}; the pack's folder and --out must be writable", file=sys.stderr)
        return 1
    print(out / "gpu.md")
    return 0 if all(step.state == "done" for step in results.steps.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
