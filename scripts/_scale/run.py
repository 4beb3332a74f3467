"""Command line of `scripts/scale`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from benchmark.registry import ROOT
from scripts._scale.clusters import Handed, hand_over
from scripts._scale.report import of_clusters, section, with_section
from scripts._scale.simulation import Measured, simulate

PAGE = ROOT / "docs" / "scale.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/scale", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument(
        "--executor", choices=("slurm", "ray"), help="instead, hand the runs to this cluster and follow them"
    )
    parser.add_argument("--folder", type=Path, help="where the results lie; in the system's folder of temporary files")
    parser.add_argument("--out", type=Path, help="a JSON file of what was measured, written anew after every step")
    parser.add_argument(
        "--report", type=Path, nargs="+", metavar="JSON", help="measure nothing: write these into docs/scale.md"
    )
    arguments = parser.parse_args()
    if arguments.report:
        _report(arguments.report)
        return
    measure = _hand_over if arguments.executor else _simulate
    with tempfile.TemporaryDirectory(prefix="noisybench-scale-", dir=arguments.folder) as name:
        print(measure(Path(name), arguments))


def _report(files: Sequence[Path]) -> None:
    read = [orjson.loads(path.read_bytes()) for path in files]
    columns = [Measured(**one) for one in read if "executor" not in one]
    handed = [Handed(**one) for one in read if "executor" in one]
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), columns, handed), encoding="utf-8")


def _simulate(folder: Path, arguments: argparse.Namespace) -> str:
    measured = Measured(arguments.runs)

    def after_a_step(text: str) -> None:
        _say(text)
        _keep(measured, arguments.out)

    simulate(folder, measured, after_a_step)
    after_a_step("done")
    return section([measured])


def _hand_over(folder: Path, arguments: argparse.Namespace) -> str:
    handed = hand_over(folder, arguments.runs, arguments.executor, _say)
    _keep(handed, arguments.out)
    return "\n\n".join(of_clusters([handed]))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _keep(measured: Measured | Handed, out: Path | None) -> None:
    if out:
        out.write_bytes(orjson.dumps(asdict(measured), option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
