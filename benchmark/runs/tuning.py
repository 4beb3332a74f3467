"""Chooses, for every method and data set, one of the configurations that were tried: see `grid.tuning`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmark.grid.expand import by_method
from benchmark.grid.job import Job, Options
from benchmark.grid.run_labels import label_runs
from benchmark.grid.spec import RunSpec
from benchmark.grid.suite import Suite
from benchmark.grid.tuning import candidate_suite, trial_suite
from benchmark.metrics import LOWER_IS_BETTER
from benchmark.runs.clean_classifier import attach
from benchmark.store.digests import canonical
from benchmark.store.store import Store

Place = tuple[bytes, int]
"""What a configuration is chosen for: data set, backbone, recipe and track, and the position of the method."""


def trials(suite: Suite, options: Options, plugins: tuple[str, ...] = ()) -> list[Job]:
    """The runs that must be there before a configuration is chosen."""
    options = options.model_copy(update={"keep": "none"})
    return label_runs(list({job.spec.id: job for _, job in _expanded(trial_suite(suite), options, plugins)}.values()))


@dataclass(frozen=True)
class Tuned:
    jobs: list[Job]
    """The runs of the chosen configurations on the suite's seeds."""
    undecided: list[str]
    """Methods without a choice on some data set, as not all of their trials have ended."""


def tuned(suite: Suite, options: Options, store: Store, plugins: tuple[str, ...] = ()) -> Tuned:
    """What is chosen by the trials that `store` holds."""
    budget = suite.tune or 1
    tried: defaultdict[Place, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for position, job in _expanded(trial_suite(suite), options, plugins):
        tried[_place(job.spec, position // budget)][position % budget].append(job.spec.id)
    scores, skipped = _ended(store, {run for of_place in tried.values() for ids in of_place.values() for run in ids})
    chosen = {
        place: choose([[run for run in of_place[at] if run not in skipped] for at in range(budget)], scores)
        for place, of_place in tried.items()
    }
    jobs: dict[str, Job] = {}
    for position, job in _expanded(candidate_suite(suite), options, plugins):
        if chosen.get(_place(job.spec, position // budget)) == position % budget:
            method = job.spec.method.model_copy(update={"tuned": budget})
            spec = job.spec.model_copy(update={"method": method})
            jobs.setdefault(spec.id, job.model_copy(update={"spec": spec}))
    undecided = {suite.methods[method].name for (_, method), choice in chosen.items() if choice is None}
    return Tuned(label_runs(list(jobs.values())), sorted(undecided))


def _expanded(suite: Suite, options: Options, plugins: tuple[str, ...]) -> Iterator[tuple[int, Job]]:
    """The runs of `suite` with the positions of their methods, and the clean classifiers that are stored already."""
    for position, job in by_method(suite, options, plugins):
        yield position, attach(job, train=False)


def _place(spec: RunSpec, method: int) -> Place:
    return canonical(spec.model_dump(mode="json", include={"dataset", "backbone", "recipe", "track"})), method


def choose(candidates: Sequence[Sequence[str]], scores: Mapping[str, float | None]) -> int | None:
    """The position of the candidate with the best mean score over its runs, the first of equal ones or of none.

    `candidates`: the ids of the runs of each, one per noise cell; `scores` by id, higher is better, None for a run
    that diverged: its candidate is chosen only where all have such a run. None if a run has not ended.
    """
    if any(run not in scores for runs in candidates for run in runs):
        return None
    means = [_mean([scores[run] for run in runs]) for runs in candidates]
    return max(range(len(means)), key=means.__getitem__)


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) and known else float("-inf")


def _ended(store: Store, runs: set[str]) -> tuple[dict[str, float | None], set[str]]:
    """The best noisy validation score of every run that ended, as the rule `val_noisy` sees it, None where it
    diverged; and the runs that were skipped, as the method does not apply there, whatever its options."""
    states = {record["id"]: record["state"] for record in store.records(("id", "state")).records}
    scores: dict[str, float | None] = {}
    for run in sorted(runs & states.keys()):
        if states[run] == "diverged":
            scores[run] = None
        elif states[run] == "ok":
            record = store.read(run) or {}
            metric = record["main_metric"]
            sign = -1 if metric in LOWER_IS_BETTER else 1
            values = [sign * value for value in record["curve"]["val_noisy"][metric] if value is not None]
            scores[run] = max(values, default=None)
    return scores, {run for run in runs if states.get(run) == "skipped"}
