"""`scripts/faults`: the campaign of faults, and what it found as Markdown."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from scripts._faults.shim import with_shim


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=300, help="faults of this seed, those of earlier calls included")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no fault after so long")
    parser.add_argument("--only", default="", help="kinds whose name holds this text")
    parser.add_argument("--leak", type=int, default=0, metavar="RUNS", help="instead, a grid of so many short runs")
    parser.add_argument("--out", type=Path, default=Path(".faults"), help="folder of reliability.csv and .md [.faults]")
    arguments = parser.parse_args()
    with_shim()

    from benchmark.cli import compact, run  # loads what every warm grid needs
    from benchmark.runs.executors import preload
    from scripts._faults import leak, summary
    from scripts._faults.campaign import Campaign, outcomes

    del compact, run, preload
    arguments.out.mkdir(parents=True, exist_ok=True)
    table, of_leak = arguments.out / "reliability.csv", arguments.out / "reliability.json"
    if arguments.leak:
        found = leak.measure(arguments.leak)
        of_leak.write_text(json.dumps(asdict(found), default=str), encoding="utf-8")
        failed = found.code != 0 or bool(found.strays or found.leftovers)
    else:
        campaign = Campaign(arguments.seed, table, arguments.only)
        campaign.undisturbed()
        print(f"undisturbed: {campaign.seconds:.1f} s", file=sys.stderr, flush=True)
        tried = campaign.run(arguments.count, arguments.seconds)
        failed = any(outcome.finding for outcome in tried)
        campaign.close(keep=failed)
        print(f"{len(tried)} faults, {sum(bool(one.finding) for one in tried)} findings", file=sys.stderr)
    known = leak.read(of_leak) if of_leak.exists() else None
    summary.write(outcomes(table), known, arguments.out)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
