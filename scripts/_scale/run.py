"""Command line of `scripts/scale`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import orjson

from benchmark.registry import ROOT
from scripts._scale.report import section, with_section
from scripts._scale.simulation import Measured, simulate

PAGE = ROOT / "docs" / "scale.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/scale", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where the results lie; in the system's folder of temporary files")
    parser.add_argument("--out", type=Path, help="a JSON file of what was measured, written anew after every step")
    parser.add_argument(
        "--report", type=Path, nargs="+", metavar="JSON", help="measure nothing: write these into docs/scale.md"
    )
    arguments = parser.parse_args()
    if arguments.report:
        columns = [Measured(**orjson.loads(path.read_bytes())) for path in arguments.report]
        PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), columns), encoding="utf-8")
        return
    measured = Measured(arguments.runs)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)
        if arguments.out:
            arguments.out.write_bytes(orjson.dumps(asdict(measured), option=orjson.OPT_INDENT_2))

    with tempfile.TemporaryDirectory(prefix="noisybench-scale-", dir=arguments.folder) as name:
        simulate(Path(name), measured, say)
    say("done")
    print(section([measured]))


if __name__ == "__main__":
    main()
