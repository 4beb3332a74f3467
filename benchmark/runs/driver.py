"""Carries out the jobs of a grid: checks them all, then follows an executor."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path

from benchmark.datasets.base import Progress
from benchmark.errors import NoisybenchError
from benchmark.grid.faults import SuiteError
from benchmark.grid.job import Job
from benchmark.runs import preflight
from benchmark.runs.assemble import sources_of
from benchmark.runs.executors.base import Event, Executor
from benchmark.runs.failures import PASSING, RETRY_SECONDS
from benchmark.store import leftovers, provenance
from benchmark.store.atomic import StoreError
from benchmark.store.store import Store

OnFetch = Callable[[], AbstractContextManager[Progress]]
POLL_SECONDS = 1.0


class TooManyFailures(NoisybenchError):
    """A grid gave up."""

    def __init__(self, failed: int, left: int) -> None:
        super().__init__(
            f"{failed} runs failed, as many as --max-failures allows, and {left} were left; `noisybench status` says "
            "why they failed, and the same command goes on from there"
        )


def check(jobs: Sequence[Job], store: Store, *, on_fetch: OnFetch | None, say: Callable[[str], None], of: int) -> None:
    """Tries the data, noise and network of all `jobs`; `say` gets what people should know of them.

    Missing data is downloaded before; where `on_fetch` is None, its runs are not checked. Raises SuiteError where
    runs cannot be carried out as they are described, or all runs of the grid, `of` in number, will fail, with all
    reasons; DataError where data cannot be downloaded.
    """
    if on_fetch is not None:
        kinds = {(id(job.spec.dataset), id(job.spec.noise)): job for job in jobs}  # runs of a grid share them
        preflight.fetch((one for job in kinds.values() for one in sources_of(job)), on_fetch)
    findings = preflight.examine(jobs, store.cache("data"))
    for note in findings.notes:
        say(note)
    if findings.failing.total() == of:  # the others would go on, and there are none
        findings.refusals, findings.failing = findings.failing, Counter()
    for what, reasons in (("be skipped", findings.skipped), ("fail", findings.failing)):
        for reason, count in reasons.items():
            say(f"{count} of {len(jobs)} runs will {what}: {reason}")
    if findings.unchecked:
        say(f"{findings.unchecked} of {len(jobs)} runs are not checked: their data is not here yet")
    if findings.refusals:
        faults = [f"{reason} ({count} of {len(jobs)} runs)" for reason, count in findings.refusals.items()]
        raise SuiteError("the grid cannot be run", faults)


def of_this_machine(jobs: Sequence[Job]) -> list[Job]:
    """`jobs` with the provenance that their records get: the versions, hardware and commit of here and now."""
    origin = provenance.collect()
    return [job.model_copy(update={"provenance": origin}) for job in jobs]


def carry_out(
    jobs: Sequence[Job],
    store: Store,
    executor: Executor,
    *,
    max_failures: int | None = None,
    on_event: Callable[[Event], None],
) -> dict[str, str]:
    """Lets `executor` run `jobs`, which `check` has seen, in this order; run id -> state, of the runs that have ended.

    A run that fails by a cause that may pass is tried again after a while; the grid gives up when `max_failures` of its
    runs have failed for good. Raises StoreError where results cannot be written, TooManyFailures where it gave up.
    """
    running = {job.spec.id for job in jobs}
    tried: Counter[str] = Counter()
    later: list[tuple[float, Job]] = []
    states: dict[str, str] = {}
    failed = 0
    try:
        with executor:
            executor.submit(of_this_machine(jobs))
            while running:
                now = time.monotonic()
                executor.submit([job for due, job in later if due <= now])
                later = [(due, job) for due, job in later if due > now]
                for event in executor.poll(min([POLL_SECONDS, *(due - now for due, _ in later)])):
                    run_id = event.job.spec.id
                    if event.kind != "end":
                        on_event(event)
                    elif _may_pass(event) and tried[run_id] < len(RETRY_SECONDS):
                        seconds = RETRY_SECONDS[tried[run_id]]
                        tried[run_id] += 1
                        later.append((time.monotonic() + seconds, event.job))
                        on_event(replace(event, kind="again", summary=f"{event.summary}; tried again in {seconds:g} s"))
                    elif event.state == "store":
                        raise StoreError(event.summary)
                    else:
                        running.discard(run_id)
                        states[run_id] = event.state
                        if event.state == "failed":
                            failed += 1
                            event = replace(event, logs=_with_text(executor, run_id))
                        on_event(event)
                if running and max_failures is not None and failed >= max_failures:
                    executor.cancel()
                    raise TooManyFailures(failed, len(running))
    finally:
        # Workers that had to be killed may have left files; where that fails, the next command removes them.
        with suppress(OSError):
            leftovers.sweep(store, running | set(tried))
    return states


def _with_text(executor: Executor, run_id: str) -> tuple[Path, ...]:
    """The logs in which there is something: an exception is told in the failure's record alone."""
    with suppress(OSError):
        return tuple(path for path in executor.logs(run_id) if path.stat().st_size)
    return ()


def _may_pass(event: Event) -> bool:
    return event.cause in PASSING and not event.given_up
