"""Carries out the jobs of a grid: downloads missing data, builds every backbone once, then starts an executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from benchmark.datasets.base import Progress
from benchmark.grid.job import Job
from benchmark.runs import order, preflight
from benchmark.runs.assemble import extra_tests_of, source_of
from benchmark.runs.executors import local
from benchmark.runs.executors.base import Event
from benchmark.store import provenance
from benchmark.store.store import Store


def carry_out(
    jobs: Sequence[Job],
    store: Store,
    *,
    slots: int,
    timeout: float | None,
    on_event: Callable[[Event], None],
    on_fetch: Callable[[], AbstractContextManager[Progress]],
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, str]:
    """Runs `jobs`, `slots` at a time, each at most `timeout` seconds; returns run id -> state.

    `say` gets what people should know of the data. Raises DataError where data cannot be downloaded or an extra test
    set does not fit, BackboneError where a network cannot be built, StoreError
    where results cannot be written.
    """
    origin = provenance.collect()
    ordered = [job.model_copy(update={"provenance": origin}) for job in order.ordered(jobs, store)]
    sources = [source for job in ordered for source in (source_of(job), *extra_tests_of(job).values())]
    preflight.fetch(sources, on_fetch)
    for note in preflight.data_notes(ordered, store.cache("data")):
        say(note)
    preflight.build_backbones(ordered, store.cache("data"))
    return local.run(ordered, store, slots=slots, timeout=timeout, on_event=on_event)
