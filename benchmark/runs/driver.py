"""Carries out the jobs of a grid: checks them all, then starts an executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from benchmark.datasets.base import Progress
from benchmark.grid.faults import SuiteError
from benchmark.grid.job import Job
from benchmark.runs import order, preflight
from benchmark.runs.assemble import sources_of
from benchmark.runs.executors import local
from benchmark.runs.executors.base import Event
from benchmark.store import provenance
from benchmark.store.store import Store

OnFetch = Callable[[], AbstractContextManager[Progress]]


def check(jobs: Sequence[Job], store: Store, *, on_fetch: OnFetch | None, say: Callable[[str], None]) -> None:
    """Tries the data, noise and network of all `jobs`; `say` gets what people should know of them.

    Missing data is downloaded before; where `on_fetch` is None, its runs are not checked. Raises SuiteError where
    runs cannot be carried out as they are described, with all reasons; DataError where data cannot be downloaded.
    """
    if on_fetch is not None:
        preflight.fetch((one for job in jobs for one in sources_of(job)), on_fetch)
    findings = preflight.examine(jobs, store.cache("data"))
    for note in findings.notes:
        say(note)
    for what, reasons in (("be skipped", findings.skipped), ("fail", findings.failing)):
        for reason, count in reasons.items():
            say(f"{count} of {len(jobs)} runs will {what}: {reason}")
    if findings.unchecked:
        say(f"{findings.unchecked} of {len(jobs)} runs are not checked: their data is not here yet")
    if findings.refusals:
        faults = [f"{reason} ({count} of {len(jobs)} runs)" for reason, count in findings.refusals.items()]
        raise SuiteError("the grid cannot be run", faults)


def carry_out(
    jobs: Sequence[Job], store: Store, *, slots: int, timeout: float | None, on_event: Callable[[Event], None]
) -> dict[str, str]:
    """Runs `jobs`, which `check` has seen, `slots` at a time, each at most `timeout` seconds; run id -> state.

    Raises StoreError where results cannot be written.
    """
    origin = provenance.collect()
    ordered = [job.model_copy(update={"provenance": origin}) for job in order.ordered(jobs, store)]
    return local.run(ordered, store, slots=slots, timeout=timeout, on_event=on_event)
