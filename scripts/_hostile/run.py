"""Draws hostile inputs, tries them, and writes how the commands ended."""

from __future__ import annotations

import argparse
import csv
import json
import math
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, TypeAlias
from unittest import mock

from scripts._hostile import arrays, images, labels, options, results, suites, weights
from scripts._hostile.case import Case
from scripts._hostile.material import Material, make
from scripts._hostile.trial import MEMORY_MIB, ROOT, SECONDS, Ending, Verdict, judged, trials, warm_up

Draw: TypeAlias = Callable[[Material, Random], Case]
FAMILIES: dict[str, tuple[Draw, int]] = {
    "suites": (suites.draw, 400),
    "options": (options.draw, 400),
    "npz": (arrays.draw_npz, 250),
    "T": (arrays.draw_transition, 120),
    "labels": (labels.draw_labels, 180),
    "tables": (labels.draw_tables, 170),
    "weights": (weights.draw, 120),
    "images": (images.draw_images, 130),
    "archives": (images.draw_archives, 80),
    "results": (results.draw, 200),
}
"""How each family is drawn, and its share of the inputs."""
WHAT = {
    "suites": "suite files: other values, keys, bytes, encodings, nesting",
    "options": "options and arguments of 30 commands",
    "npz": "data sets: types, shapes, labels, pickles, bombs, members that lead out",
    "T": "noise transition matrices as .npy, .csv and .json",
    "labels": "noisy labels, corrected labels, reviews and manifests",
    "tables": "tables of labels as CSV, Excel, Parquet, and their TOML files",
    "weights": "weights as .safetensors and .pth: code, shapes, types, headers",
    "images": "image files: cut, bombs, without pixels, odd modes and chunks",
    "archives": "zip archives: members outside, links, bombs, encrypted",
    "results": "results and published folders: damaged, or changed with right digests",
}
INPUTS = 2250
REAL_EVERY = 50
WORK = ROOT / ".hostile"
"""Verdicts by commit and seed."""


def places(families: Sequence[str], count: int) -> list[tuple[str, int]]:
    """(family, number in it) of about `count` cases, by the families' shares, at least one of each."""
    shares = {name: FAMILIES[name][1] for name in families}
    numbers = {name: max(1, math.ceil(count * share / sum(shares.values()))) for name, share in shares.items()}
    # Mixed, so that the first inputs are of all families.
    mixed = sorted((k / number, name, k) for name, number in numbers.items() for k in range(number))
    return [(name, k) for _, name, k in mixed]


MADE = (2000, 1, 1, 0, 0, 0)
"""The date in archives."""


def drawn(material: Material, family: str, number: int, seed: int) -> Case:
    """The case of that number, whatever else is drawn, and whenever: archives hold the time at which they are made."""
    with mock.patch.object(zipfile, "time", SimpleNamespace(time=lambda: 0.0, localtime=lambda _: MADE)):
        return FAMILIES[family][0](material, Random(f"{seed} {family} {number}"))


def distinct(verdicts: Mapping[int, Verdict]) -> list[Verdict]:
    """One of those on equal inputs, in the order of their numbers."""
    by_key: dict[str, Verdict] = {}
    for _, verdict in sorted(verdicts.items()):
        by_key.setdefault(verdict.case.key, verdict)
    return list(by_key.values())


@dataclass
class Campaign:
    """Tries the cases of a seed in several processes. Keeps the verdicts, so that a call that was cut off goes on."""

    material: Material
    places: Sequence[tuple[str, int]]
    seed: int
    commit: str
    verdicts: dict[int, Verdict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        WORK.mkdir(exist_ok=True)
        self.kept = WORK / f"{self.commit}-{self.seed}.jsonl"
        for line in self.kept.read_text(encoding="utf-8").splitlines() if self.kept.exists() else ():
            entry = json.loads(line)
            number = next((n for n, place in enumerate(self.places) if [*place] == entry["place"]), None)
            if number is not None:
                case = drawn(self.material, *self.places[number], self.seed)
                ending = Ending(**entry["ending"] | {"changed": tuple(entry["ending"]["changed"])})
                if case.key == entry["key"]:
                    self.verdicts[number] = judged(case, ending)

    def try_all(self, processes: int, show: bool) -> list[Verdict]:
        """The verdicts on all cases; equal ones count once."""
        left = [number for number in range(len(self.places)) if number not in self.verdicts]
        context = multiprocessing.get_context("fork")
        readers: list[Any] = []
        for part in (left[k::processes] for k in range(min(processes, len(left)))):
            reader, writer = context.Pipe(duplex=False)
            context.Process(target=self._try, args=(part, writer)).start()
            writer.close()
            readers.append(reader)
        while readers:
            ready: list[Any] = list(wait(readers))
            for reader in ready:
                try:
                    number, verdict = reader.recv()
                except EOFError:
                    readers.remove(reader)
                else:
                    self._keep(number, verdict, show)
        if len(self.verdicts) < len(self.places):
            raise RuntimeError("a process ended before all its inputs were tried; see above")
        return distinct(self.verdicts)

    def _try(self, numbers: Sequence[int], writer: Any) -> None:
        cases = ((number, drawn(self.material, *self.places[number], self.seed)) for number in numbers)
        for found in trials(cases, self.material.folder, REAL_EVERY):
            writer.send(found)

    def _keep(self, number: int, verdict: Verdict, show: bool) -> None:
        self.verdicts[number] = verdict
        entry = {"place": self.places[number], "key": verdict.case.key, "ending": asdict(verdict.ending)}
        if not self.commit.endswith("+"):
            with self.kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        if verdict.faults:
            _tell(verdict, show)
        elif len(self.verdicts) % 100 == 0:
            print(f"{len(self.verdicts)} inputs", file=sys.stderr, flush=True)


def summary(verdicts: Sequence[Verdict], families: Sequence[str], seed: int, seconds: float, commit: str) -> str:
    """How the commands ended, as Markdown."""
    faulty = [one for one in verdicts if one.faults]
    real = sum(one.ending.real for one in verdicts)
    lines = [
        "# Hostile inputs",
        "",
        f"`scripts/hostile` drew {len(verdicts):,} different inputs with seed {seed} and gave each to a command of the "
        f"command line, {real} of them to a program of its own, the others to a process that was forked for it (again "
        "as a program where that hung: a fork may inherit a lock that another thread holds). An input passes where",
        "",
        "- the command ended by itself, with exit code 0, 1 or 2, and no traceback or fault of noisybench itself;",
        "- exit code 1 or 2 came with one sentence of error, or with the report that the command is for;",
        "- an input that is wrong whatever is done with it was refused, or a dry run said that the runs will fail;",
        "- no control character was printed;",
        "- nothing was created, changed or removed beside the results folder and what the command was told to write;",
        f"- it took at most {SECONDS:.0f} s and {MEMORY_MIB:,} MiB of memory.",
        "",
        f"Passed: **{len(verdicts) - len(faulty):,} of {len(verdicts):,}**",
        "",
        f"Longest: {max(one.ending.seconds for one in verdicts):.1f} s; most memory: "
        f"{max(one.ending.memory_mib for one in verdicts):,.0f} MiB; all: {seconds / 60:.0f} min; "
        f"commit {commit}, Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores",
        "",
        "| family | inputs | code 0 | code 1 | code 2 | passed | median s | what |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in families:
        own = [one for one in verdicts if one.case.family == name]
        codes = Counter(one.ending.code for one in own)
        passed = sum(not one.faults for one in own)
        middle = statistics.median(one.ending.seconds for one in own)
        counts = " | ".join(str(codes[code]) for code in (0, 1, 2))
        lines.append(f"| {name} | {len(own)} | {counts} | {passed} | {middle:.2f} | {WHAT[name]} |")
    lines += [
        "",
        "Code 0 is an input that is valid (a change that does nothing, a text that may stand there) or a report that "
        "names what is wrong.",
    ]
    if faulty:
        lines += ["", "## Not passed", "", "| family | input | how it ended |", "|---|---|---|"]
        lines += [f"| {_cell(one.case.family, one.case.what, '; '.join(one.faults))} |" for one in faulty]
    return "\n".join([*lines, ""])


def _cell(*texts: str) -> str:
    return " | ".join(text.encode("unicode_escape").decode().replace("|", "\\|") for text in texts)


def _commit() -> str:
    """Of the checkout, with "+" where it has changes."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=False)
    return (head.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else "")


def write(verdicts: Sequence[Verdict], text: str, folder: Path) -> None:
    """hostile.md, and hostile.csv with a row for each input."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hostile.md").write_text(text, encoding="utf-8")
    with (folder / "hostile.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["family", "input", "command", "key", "outcome", "code", "passed", "seconds", "mib"])
        for one in sorted(verdicts, key=lambda one: (one.case.family, one.case.key)):
            case, ending = one.case, one.ending
            what = case.what.encode("unicode_escape").decode()[:100]
            figures = [ending.code, int(not one.faults), f"{ending.seconds:.2f}", f"{ending.memory_mib:.0f}"]
            writer.writerow([case.family, what, case.arguments[0], case.key[:12], case.outcome, *figures])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/hostile", description=__doc__)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}; all by default")
    parser.add_argument("--inputs", type=int, default=INPUTS, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="(default: one per core)")
    parser.add_argument(
        "--material", type=Path, help="keep the sound inputs in this folder, and use them if they are there"
    )
    parser.add_argument("--out", type=Path, help="folder for hostile.md and hostile.csv; without it they are not kept")
    parser.add_argument("--show", action="store_true", help="print what the commands said where an input did not pass")
    given = parser.parse_args(arguments)
    families = given.families or list(FAMILIES)
    if unknown := [name for name in families if name not in FAMILIES]:
        print(f"error: no family {unknown[0]!r}; expected some of {', '.join(FAMILIES)}", file=sys.stderr)
        return 2
    commit = _commit()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.material or Path(scratch) / "material"
        if not folder.exists():
            print("first the sound inputs, which takes a minute", file=sys.stderr, flush=True)
        material = Material(folder) if folder.exists() else make(folder)
        warm_up(Path(scratch))
        started = time.monotonic()
        campaign = Campaign(material, places(families, given.inputs), given.seed, commit)
        verdicts = campaign.try_all(given.processes, given.show)
    text = summary(verdicts, families, given.seed, time.monotonic() - started, commit)
    print(text)
    if given.out:
        write(verdicts, text, given.out)
    return 1 if any(one.faults for one in verdicts) else 0


def _tell(verdict: Verdict, show: bool) -> None:
    case, ending = verdict.case, verdict.ending
    print(f"NOT PASSED {case.family}: {case.what!r}: {'; '.join(verdict.faults)}", file=sys.stderr, flush=True)
    if show:
        print(f"    noisybench {case.arguments!r}: code {ending.code}, {ending.seconds:.1f} s", file=sys.stderr)
        print(f"    {(ending.stderr or ending.stdout)[-1500:]!r}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
