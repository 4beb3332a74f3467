"""Draws faults, tries them one after the other, and notes what became of each."""

from __future__ import annotations

import csv
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from scripts._faults import grid, kinds, processes
from scripts._faults.kinds import KINDS, Kind, Trial

COLD_SHARE = 0.06
"""Of the grids that are started as a user starts them: see `processes`."""


@dataclass(frozen=True)
class Outcome:
    """What became of one fault."""

    seed: int
    number: int
    kind: str
    start: str
    """warm or cold"""
    fault: str
    exit_codes: str
    """Of all command lines, the last resumption among them."""
    finding: str
    """Empty where the resumed grid ended in the records of an undisturbed one, and left nothing behind."""
    seconds: float
    commit: str


class Campaign:
    """The faults of one seed. Faults that the CSV file has are not tried again."""

    def __init__(self, seed: int, table: Path, only: str = "") -> None:
        self.seed = seed
        self.table = table
        self.commit = commit()
        self.work = Path(tempfile.mkdtemp(prefix="noisybench-faults-"))
        self.kinds = [kind for kind in KINDS if only in kind.name]
        if any(kind.mounts for kind in self.kinds) and not kinds.can_mount(self.work):
            self.kinds = [kind for kind in self.kinds if not kind.mounts]

    def undisturbed(self) -> None:
        """Carries out the grid without a fault, which every other one is compared with."""
        folder = self.work / "undisturbed"
        grid.prepare(folder)
        started = time.monotonic()
        ended = processes.start(folder, grid.ARGUMENTS, warm=True).wait()
        self.seconds = time.monotonic() - started
        if ended.code != 0:
            raise RuntimeError(f"the undisturbed grid failed: {ended.output}")
        self.finished = folder / "results"
        found = grid.inspect(self.finished)
        if found.faults or len(found.records) != grid.RUNS:
            raise RuntimeError(f"the undisturbed grid is not sound: {found.faults}")
        self.expected = found.records

    def drawn(self) -> Iterator[tuple[int, Kind]]:
        """Kinds in random order, each as often as its share, again and again."""
        number = 0
        while True:
            deck = [kind for kind in self.kinds for _ in range(kind.share)]
            random.Random(f"{self.seed} {number}").shuffle(deck)
            for kind in deck:
                yield number, kind
                number += 1

    def run(self, count: int, seconds: float = float("inf")) -> list[Outcome]:
        """Tries the first `count` faults of the seed; begins none after so many seconds."""
        until = time.monotonic() + seconds
        known = {one.number: one for one in outcomes(self.table) if one.seed == self.seed}
        done: list[Outcome] = []
        for number, kind in self.drawn():
            if number == count or time.monotonic() > until:
                return done
            if number not in known or known[number].kind != kind.name:
                outcome = self.attempt(number, kind)
                append(self.table, outcome)
                print(
                    f"[{number + 1}/{count}] {kind.name} ({outcome.fault}; {outcome.start}, {outcome.seconds:.0f} s): "
                    f"{outcome.finding or 'ok'}",
                    flush=True,
                )
                done.append(outcome)
        return done

    def attempt(self, number: int, kind: Kind) -> Outcome:
        draw = random.Random(f"{self.seed} {number} {kind.name}")
        folder = self.work / f"{number:05d}"
        grid.prepare(folder)
        cold = draw.random() < COLD_SHARE
        trial = Trial(folder, draw, not cold, (2.5 if cold else 1.0) * self.seconds, self.finished)
        started = time.monotonic()
        kind.disturb(trial)
        kinds.resume(trial)
        findings = [*trial.unexpected, *self.difference(trial)]
        if not findings:
            shutil.rmtree(folder)
        else:
            print(f"what was found is in {folder}", flush=True)
        return Outcome(
            self.seed,
            number,
            kind.name,
            "cold" if cold else "warm",
            trial.detail,
            " ".join(str(ended.code) for ended in trial.ended),
            "; ".join(findings),
            round(time.monotonic() - started, 1),
            self.commit,
        )

    def difference(self, trial: Trial) -> Iterator[str]:
        """What is not as in the undisturbed grid, and what is left behind."""
        for session in trial.sessions:
            for pid in grid.strays(session):
                yield f"process {pid} goes on: {processes.describe(pid)}"
                processes.signal_process(pid, 9)
        try:
            found = grid.inspect(trial.results)
        except RuntimeError as error:
            yield str(error)
            return
        for run_id in self.expected.keys() - found.records.keys():
            yield f"lost: {run_id}"
        for run_id in found.records.keys() - self.expected.keys():
            yield f"not of this grid: {run_id}"
        for run_id in self.expected.keys() & found.records.keys():
            pairs = zip(("record", "predictions"), found.records[run_id], self.expected[run_id], strict=True)
            for what, one, other in pairs:
                if one != other:
                    yield f"the {what} of {run_id} differs"
        yield from found.faults

    def close(self, keep: bool) -> None:
        if not keep:
            shutil.rmtree(self.work, ignore_errors=True)


def outcomes(table: Path) -> list[Outcome]:
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    return [
        Outcome(**row | {"seed": int(row["seed"]), "number": int(row["number"]), "seconds": float(row["seconds"])})
        for row in rows
    ]


def append(table: Path, outcome: Outcome) -> None:
    new = not table.exists()
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [one.name for one in fields(Outcome)], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow({name: " ".join(str(value).split()) for name, value in asdict(outcome).items()})


def commit() -> str:
    command = ["git", "-C", str(processes.ROOT), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=10"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
