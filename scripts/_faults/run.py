"""`scripts/faults`: the campaign of faults, and what it found as Markdown."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts._faults.shim import with_shim


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=300, help="faults of this seed, those of earlier calls included")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no fault after so long")
    parser.add_argument("--only", default="", help="kinds whose name holds this text")
    parser.add_argument("--out", type=Path, default=Path(".faults"), help="folder of reliability.csv [.faults]")
    arguments = parser.parse_args()
    with_shim()

    from benchmark.cli import run as _run  # loads what every warm grid needs
    from benchmark.runs.executors import preload
    from scripts._faults.campaign import Campaign

    del _run, preload
    campaign = Campaign(arguments.seed, arguments.out / "reliability.csv", arguments.only)
    campaign.undisturbed()
    print(f"undisturbed: {campaign.seconds:.1f} s", file=sys.stderr, flush=True)
    found = campaign.run(arguments.count, arguments.seconds)
    findings = [outcome for outcome in found if outcome.finding]
    campaign.close(keep=bool(findings))
    print(f"{len(found)} faults, {len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
