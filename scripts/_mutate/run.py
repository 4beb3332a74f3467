"""Draws faults, tries them, and writes the score."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tomllib
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from scripts._mutate.evidence import ROOT, Evidence, sources_of, witness
from scripts._mutate.sites import Mutant, mutants
from scripts._mutate.trial import Outcome, Session, collected, imported_trials, is_plantable

EQUIVALENT = Path(__file__).parent / "equivalent.toml"
NOT_MUTATED = ("__init__", "_card")
"""They compute none of a method's numbers: names for other files, and what a card may say."""
WORK = ROOT / ".mutation"
"""What was found, so that a call that was cut off goes on. It is found anew where a method has changed, or the test
that noticed a fault, or for an unnoticed fault any test."""
EACH = 6


@dataclass(frozen=True)
class Equivalent:
    """A fault that changes no result, and why."""

    module: str
    before: str
    after: str
    why: str


def equivalents() -> dict[tuple[str, str, str], str]:
    """(module, before, after) -> why the fault changes nothing."""
    given = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("equivalent", [])
    return {(one.module, one.before, one.after): one.why for one in (Equivalent(**entry) for entry in given)}


def drawn(modules: Sequence[str], each: int, seed: int) -> list[Mutant]:
    """At most `each` faults of every module, of as many kinds as possible, at places drawn by `seed`."""
    chosen: list[Mutant] = []
    for module in modules:
        generator = np.random.default_rng([seed, zlib.crc32(module.encode())])
        sites = mutants(module, (ROOT / Path(*module.split(".")).with_suffix(".py")).read_bytes())
        taken: list[Mutant] = []
        used: Counter[str] = Counter()
        while sites and len(taken) < each:
            least = min(used[site.fault] for site in sites)
            rarest = [site for site in sites if used[site.fault] == least]
            mutant = rarest[generator.integers(len(rarest))]
            sites.remove(mutant)
            used[mutant.fault] += 1
            taken.append(mutant)
        chosen += sorted(taken, key=lambda mutant: mutant.start)
    return chosen


@dataclass
class Score:
    """Tries faults, and keeps what was found for the next call with the same methods and tests."""

    chosen: Sequence[Mutant]
    names: Sequence[str]
    processes: int
    outcomes: dict[Mutant, Outcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kept = WORK / "outcomes.jsonl"
        WORK.mkdir(exist_ok=True)
        for line in self.kept.read_text(encoding="utf-8").splitlines() if self.kept.exists() else ():
            entry = json.loads(line)
            then = entry.pop("sources"), entry.pop("witness")
            outcome = Outcome(**entry | {"mutant": Mutant(**entry["mutant"])})
            if then == stamps(outcome) and outcome.mutant in self.chosen:
                self.outcomes[outcome.mutant] = outcome

    def try_all(self) -> list[Outcome]:
        """The outcome of every chosen fault, in their order."""
        if self.left:
            collected(self.try_loaded)
        self.keep(imported_trials(self.left, self.processes))
        return [self.outcomes[mutant] for mutant in self.chosen]

    @property
    def left(self) -> list[Mutant]:
        return [mutant for mutant in self.chosen if mutant not in self.outcomes]

    def try_loaded(self, session: Session) -> None:
        evidence = self.evidence(session)
        tasks = []
        for one in self.left:
            tests = evidence.of(one.module, one.line, one.line + one.before.count("\n"))
            inside = is_plantable(one)
            tasks.append((one, tests + session.contracts(one.module) if inside else session.settings(one.module)))
        found = session.trials(tasks, self.processes)
        self.keep(outcome for outcome in found if outcome.killed_by or is_plantable(outcome.mutant))

    def evidence(self, session: Session) -> Evidence:
        path = WORK / "evidence.json"
        known = Evidence.read(path).still_true() if path.exists() else Evidence()
        if missing := [test for test in session.in_question(self.names) if test not in known.seconds]:
            print(f"first {len(missing)} tests without any fault, which takes minutes", file=sys.stderr, flush=True)
            known = known.joined(session.gather(missing))
            known.write(path)
        return known

    def keep(self, found: Iterable[Outcome]) -> None:
        for outcome in found:
            mutant = outcome.mutant
            self.outcomes[mutant] = outcome
            sources, test = stamps(outcome)
            with self.kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(outcome) | {"sources": sources, "witness": test}) + "\n")
            state = f"noticed by {outcome.killed_by}" if outcome.killed_by else "NOT NOTICED"
            what = f"{mutant.module}:{mutant.line} {mutant.fault}: {mutant.before[:60]!r} -> {mutant.after[:60]!r}"
            print(f"[{len(self.outcomes)}/{len(self.chosen)}] {what}: {state}", file=sys.stderr, flush=True)


def stamps(outcome: Outcome) -> tuple[str, str]:
    """What an outcome depends on: the sources, and the test that noticed the fault."""
    return sources_of(outcome.mutant.module), witness(outcome.killed_by)


def tests_of(methods: Sequence[str]) -> list[str]:
    """What the tests in question have in their names; nothing where all are in question."""
    shared = any(name.startswith("_") or name == "base" for name in methods)
    return [] if shared else sorted(methods)


def summary(outcomes: Sequence[Outcome], seed: int) -> str:
    """The score as Markdown."""
    known = equivalents()
    alive = [one for one in outcomes if not one.killed_by]
    excused = [one for one in alive if _key(one.mutant) in known]
    survivors = [one for one in alive if _key(one.mutant) not in known]
    counted = len(outcomes) - len(excused)
    stopped = sum(one.stops for one in outcomes)
    killed = counted - len(survivors)
    lines = [
        "# Planted faults",
        "",
        f"`scripts/mutate` planted {len(outcomes)} generic faults into `methods/`, one at a time, at places drawn with "
        f"seed {seed}, and ran the tests of correctness that execute the place: golden numbers, closed forms and "
        "worked examples, contract checks. Stored losses, which only tell that a number has changed, were not asked.",
        "",
        f"- noticed: **{killed} of {counted} ({_percent(killed, counted)})**",
        f"- of these, the faulty program could not run at all: {stopped}; without them: {killed - stopped} of "
        f"{counted - stopped} ({_percent(killed - stopped, counted - stopped)})",
        f"- changes no result, with the argument below: {len(excused)} of {len(outcomes)} "
        f"({_percent(len(excused), len(outcomes))})",
        "",
        "| kind of fault | planted | noticed |",
        "|---|---|---|",
    ]
    kinds = Counter(one.mutant.fault for one in outcomes)
    dead = Counter(one.mutant.fault for one in outcomes if one.killed_by)
    lines += [f"| {kind} | {count} | {dead[kind]} |" for kind, count in sorted(kinds.items())]
    lines += ["", "| noticed first by | faults |", "|---|---|"]
    places = Counter(one.killed_by.partition("::")[0] for one in outcomes if one.killed_by)
    lines += [f"| {place} | {count} |" for place, count in places.most_common()]
    for title, group in (("Not noticed", survivors), ("Changes no result", excused)):
        if group:
            lines += ["", f"## {title}", "", "| where | fault | was | planted | why |", "|---|---|---|---|---|"]
            lines += [_row(one.mutant, known.get(_key(one.mutant), "")) for one in group]
    return "\n".join([*lines, ""])


def _key(mutant: Mutant) -> tuple[str, str, str]:
    return mutant.module, mutant.before, mutant.after


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"


def _row(mutant: Mutant, why: str) -> str:
    before, after = (" ".join(text.split()).replace("|", "\\|") for text in (mutant.before, mutant.after))
    return f"| {mutant.module}:{mutant.line} | {mutant.fault} | `{before}` | `{after}` | {why} |"


def write(outcomes: Sequence[Outcome], seed: int, folder: Path) -> None:
    """mutation.md and mutation.csv, one row a fault."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mutation.md").write_text(summary(outcomes, seed), encoding="utf-8")
    with (folder / "mutation.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["module", "line", "fault", "before", "after", "tests", "killed_by", "message"])
        for one in outcomes:
            mutant = one.mutant
            place = [mutant.module, mutant.line, mutant.fault, " ".join(mutant.before.split()), mutant.after]
            writer.writerow([*place, one.tests, one.killed_by, one.message])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__)
    parser.add_argument("methods", nargs="*", metavar="METHOD", help="files of methods/ without .py; all by default")
    parser.add_argument("--each", type=int, default=EACH, help="most faults in a file (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the places (default %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="(default: one per core)")
    parser.add_argument(
        "--out", type=Path, help="folder for mutation.md and mutation.csv; without it they are not kept"
    )
    given = parser.parse_args(arguments)
    files = sorted(path.stem for path in (ROOT / "methods").glob("*.py") if path.stem not in NOT_MUTATED)
    if unknown := [name for name in given.methods if name not in files]:
        print(f"error: no methods/{unknown[0]}.py; expected some of {', '.join(files)}", file=sys.stderr)
        return 2
    chosen = drawn([f"methods.{name}" for name in given.methods or files], given.each, given.seed)
    print(f"{len(chosen)} faults", file=sys.stderr, flush=True)
    outcomes = Score(chosen, tests_of(given.methods), given.processes).try_all()
    print(summary(outcomes, given.seed))
    if given.out:
        write(outcomes, given.seed, given.out)
    known = equivalents()
    return 0 if all(one.killed_by or _key(one.mutant) in known for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
