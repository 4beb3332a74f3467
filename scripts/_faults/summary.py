"""What a campaign found, as Markdown."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from scripts._faults import grid
from scripts._faults.campaign import Outcome
from scripts._faults.kinds import KINDS
from scripts._faults.leak import SLOTS, Leak, arguments

ABSENT = (
    ("slurmd killed", "one test kills a node of a real Slurm in mid-grid (tests/runs/executors/test_slurm.py)"),
    ("a Ray node removed", "one test removes a node of a real cluster in mid-grid (tests/runs/executors/test_ray.py)"),
    ("a power cut", "no machine here can be switched off; files are synced before they get their names"),
    ("a real network disk", "none here; ESTALE, ENOLCK and EIO are injected, and nothing asks for a system lock"),
)

LATE = re.compile(r"had ended$|: 0 (of \d+ )?operations failed$")
"""In the words for a fault: it came too late."""


def markdown(outcomes: Sequence[Outcome], leak: Leak | None) -> str:
    findings = [one for one in outcomes if one.finding]
    order = {kind.name: number for number, kind in enumerate(KINDS)}
    names = sorted({one.kind for one in outcomes}, key=lambda name: (order.get(name, len(order)), name))
    seeds = sorted({one.seed for one in outcomes})
    ended = sum(bool(LATE.search(one.fault)) for one in outcomes)
    cold = sum(one.start == "cold" for one in outcomes)
    lines = [
        "# Faults",
        "",
        f"`scripts/faults` disturbed a grid of {grid.RUNS} real runs {len(outcomes)} times, each time by one fault at "
        "a drawn moment, typed the same command again, and compared the records and kept predictions with those of a "
        "grid that nobody disturbed (without times and provenance).",
        "",
        f"- faults: **{len(outcomes)}**, of {len(names)} kinds; seeds {', '.join(map(str, seeds))}",
        "- findings (records lost, doubled, corrupt or different; processes, claims, locks or temporary files left "
        f"behind; tracebacks; other exit codes; a command that does not end): **{len(findings)}**",
        "- where a finding was mended, the row is that of the repetition; CHANGELOG.md names what was found",
        f"- {ended} of them came when what they were for had ended: they disturbed nothing",
        f"- {cold} of the disturbed grids started as a user starts them; for the others the driver and its fork server "
        "were forked from a process that had torch loaded",
        f"- commits: {', '.join(sorted({one.commit for one in outcomes}))} (each row of the CSV file names its own)",
        "",
        "The grid: `noisybench " + " ".join(grid.ARGUMENTS) + "`.",
        "",
        "| fault | times | exit codes of the disturbed command | median seconds | findings |",
        "|---|---|---|---|---|",
    ]
    for name in names:
        of_kind = [one for one in outcomes if one.kind == name]
        codes = sorted({one.exit_codes.split()[0] for one in of_kind}, key=lambda code: (len(code), code))
        seconds = statistics.median(one.seconds for one in of_kind)
        found = sum(bool(one.finding) for one in of_kind)
        lines.append(f"| {name} | {len(of_kind)} | {', '.join(codes)} | {seconds:.0f} | {found} |")
    lines += [
        "",
        "Exit codes: 0 the grid ended well (what was lost was tried again), 1 runs or the disk failed and a sentence "
        "says so, 2 the results folder could not be used, 128 + n a signal was answered, -n a signal ended it, "
        "None it had not ended when the campaign's limit was over. "
        "Seconds are those of the fault, the resumption and the comparison. Errors of the file system (EIO, ESTALE, "
        "ENOLCK, ENOSPC, EROFS) and clock steps come from a library between them and libc, which reaches Python, "
        "pyarrow and torch in driver and workers alike; a full disk is a real one (tmpfs). `SIGSTOP` was tried with "
        "heartbeats of half a second.",
    ]
    if findings:
        lines += ["", "## Findings", "", "| fault | what | finding |", "|---|---|---|"]
        lines += [f"| {one.kind} | {_cell(one.fault)} | {_cell(one.finding)[:300]} |" for one in findings]
    lines += ["", "## Not tried here", "", *(f"- {what}: {why}" for what, why in ABSENT)]
    return "\n".join([*lines, "", *(_leak(leak) if leak else [])])


def _leak(leak: Leak) -> list[str]:
    return [
        "## Many runs",
        "",
        f"`scripts/faults --leak {leak.runs}`: {leak.runs} runs of one epoch, {SLOTS} at a time "
        f"(`noisybench {' '.join(arguments(leak.runs))}`), exit code {leak.code}.",
        "",
        "- memory during the last tenth of the runs over memory after a fifth of them: driver "
        f"{leak.growth('driver_mib'):.3f}, fork server {leak.growth('server_mib'):.3f}",
        f"- processes left: {len(leak.strays)}; claims, locks and temporary files left: {len(leak.leftovers)}; files "
        f"open in the driver: {leak.files_open[0]} after the first run, {leak.files_open[-1]} before the last",
        f"- a run took {1000 * leak.run_seconds:.0f} ms by its own record (median); driver and fork server took "
        f"{1000 * leak.driver_seconds:.0f} ms of processor time for each",
        f"- wall time for each run beyond that: {1000 * leak.overhead:.0f} ms with {SLOTS} runs at "
        "a time; it holds the start of the process and waiting for a core, so that a quiet machine is needed to judge "
        "the limit of 50 ms",
        "",
    ]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def write(outcomes: Sequence[Outcome], leak: Leak | None, folder: Path) -> None:
    (folder / "reliability.md").write_text(markdown(outcomes, leak), encoding="utf-8")
