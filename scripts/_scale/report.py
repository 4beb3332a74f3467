"""What a simulation measured, and what follows from it for a million runs, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmark.store.claims import BEAT_SECONDS
from benchmark.store.compaction import SEGMENT_BYTES
from scripts._scale.clusters import Handed
from scripts._scale.simulation import Measured

BEGIN, END = "<!-- begin: made by scripts/scale -->", "<!-- end -->"
TARGET = 1_000_000
GPUS = 1_000
RUN_SECONDS = (60, 600)
"""Lengths of a run for which rates are told."""
STEPS = ("expand", "plan", "check", "order", "plan a finished grid")
"""Those that are told for more runs: commands of seconds would be their start-up for the most part."""
BLOCK = 4096
"""Bytes that a small file takes at least."""


def section(columns: Sequence[Measured], handed: Sequence[Handed] = ()) -> str:
    """The tables of several simulations beside each other, what clusters did, and what follows from them."""
    steps = list(dict.fromkeys(step for one in columns for step in one.seconds))
    rows = [(step, *(_seconds(one, step) for one in columns)) for step in steps]
    rows += [
        ("driver alone, ms a run", *(_driver(one) for one in columns)),
        ("bytes of a record file", *(_per_run(one.record_bytes, one.runs) for one in columns)),
        ("bytes of a record in segments", *(_per_run(one.segment_bytes, one.runs) for one in columns)),
        ("segments", *(str(one.segments or "-") for one in columns)),
        (
            "most memory, compaction included, MiB",
            *(f"{one.memory_mib:,.0f}" if one.memory_mib else "-" for one in columns),
        ),
    ]
    heads = ("processor seconds", *(f"{one.runs:,} runs" for one in columns))
    machines = dict.fromkeys(one.machine for one in columns)
    return "\n\n".join(
        [
            f"Measured on {'; '.join(machines)}.",
            _table(heads, rows),
            *of_clusters(handed),
            f"Extrapolated in proportion to {TARGET:,} runs on {GPUS:,} GPUs, each figure from the largest simulation "
            "that measured it:",
            _table(("", *(f"runs of {seconds} s" for seconds in RUN_SECONDS)), _extrapolated(columns)),
        ]
    )


def with_section(page: str, columns: Sequence[Measured], handed: Sequence[Handed] = ()) -> str:
    """`page` with the section between its marks replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page holds no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{section(columns, handed)}\n\n{END}{after}"


def of_clusters(handed: Sequence[Handed]) -> list[str]:
    """What handing runs to clusters cost, as paragraphs."""
    if not handed:
        return []
    heads = ("handed to a cluster", *(f"{one.executor}, {one.runs:,} runs" for one in handed))
    rows = [
        ("tasks in submissions", *(f"{one.tasks:,} in {one.submissions:,}" for one in handed)),
        ("bytes of task files, a run", *(_per_run(one.task_bytes, one.runs) for one in handed)),
        ("until all are submitted, seconds by the clock", *(f"{one.submit_seconds:.0f}" for one in handed)),
        ("driver, ms of a processor for each run", *(f"{one.driver_seconds / one.runs * 1e3:.2f}" for one in handed)),
        ("until the last record is seen, seconds by the clock", *(f"{one.clock:.0f}" for one in handed)),
    ]
    return [
        "A real cluster on the same machine carries the tasks out, with a worker that trains nothing (`scripts/scale "
        "--executor`):",
        _table(heads, rows),
    ]


def _extrapolated(columns: Sequence[Measured]) -> list[tuple[str, ...]]:
    """Each figure from the largest simulation that measured it."""
    rows: list[tuple[str, ...]] = []

    def same(name: str, value: str) -> None:
        rows.append((name, *[value] * len(RUN_SECONDS)))

    if one := _largest(columns, lambda one: one.record_bytes > 0):
        blocks = (one.record_bytes / one.runs // BLOCK + 1) * BLOCK
        same("record files before compaction (inodes)", f"{TARGET:,} + 256 folders")
        same("their bytes on disk", f"{TARGET * blocks / 1e9:.0f} GB")
    if one := _largest(columns, lambda one: one.segments > 0):
        files = max(one.segments, round(TARGET * one.record_bytes / one.runs / SEGMENT_BYTES))
        same("segments after it", f"about {files:,} files, {TARGET * one.segment_bytes / one.runs / 1e9:.1f} GB")
    same("folders of logs, until `gc`", f"{TARGET:,} folders and files")
    same("claims at a time", f"{GPUS:,} files")
    same("claims written anew a second", f"{GPUS / BEAT_SECONDS:.0f}")
    for step in STEPS:
        if of_step := [one for one in columns if step in one.seconds]:
            one = max(of_step, key=lambda one: one.runs)
            same(f"{step}, processor time", _duration(one.seconds[step] * TARGET / one.runs))
    rows.append(("the grid, at least", *(_duration(TARGET * seconds / GPUS) for seconds in RUN_SECONDS)))
    rows.append(("records written a second", *(f"{GPUS / seconds:.1f}" for seconds in RUN_SECONDS)))
    if one := _largest(columns, lambda one: one.driven > 0):
        busy = (one.driver_seconds / one.driven * GPUS / seconds for seconds in RUN_SECONDS)
        rows.append(("of a processor, for one driver of all", *(f"{100 * share:.2f} %" for share in busy)))
    return rows


def _largest(columns: Sequence[Measured], measured: Callable[[Measured], bool]) -> Measured | None:
    return max(filter(measured, columns), key=lambda one: one.runs, default=None)


def _seconds(one: Measured, step: str) -> str:
    return f"{one.seconds[step]:.1f}" if step in one.seconds else "-"


def _driver(one: Measured) -> str:
    return f"{one.driver_seconds / one.driven * 1e3:.2f}" if one.driven else "-"


def _per_run(count: int, runs: int) -> str:
    return f"{count / runs:,.0f}" if count else "-"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
