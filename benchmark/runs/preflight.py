"""Checks that run once, before any worker starts: what would stop runs is found before the first one trains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from backbones.base import BackboneError
from benchmark.datasets.base import Data, ExtraTest, Progress
from benchmark.datasets.conversion import describe
from benchmark.datasets.extra_tests import with_extra_tests
from benchmark.datasets.left_out import by_kind
from benchmark.errors import NoisybenchError
from benchmark.grid.job import Job
from benchmark.noise.base import NoiseError
from benchmark.noise.rate_estimate import RateEstimate
from benchmark.registry import METHODS
from benchmark.runs.assemble import (
    Network,
    configured,
    corrupted_of,
    extra_tests_of,
    network_of,
    noise_of,
    source_of,
    sources_of,
)
from benchmark.runs.clean_classifier import needing
from benchmark.runs.corrupted import corrupted_copies
from benchmark.runs.frozen_features import check_views
from benchmark.runs.hints import Estimate, find_hints
from benchmark.runs.prepare import CleanSetError, DataSource, Drawn, Prepared, Skipped, prepare
from benchmark.runs.train import refuse

K = TypeVar("K")
V = TypeVar("V")


def fetch(sources: Iterable[DataSource], progress: Callable[[], AbstractContextManager[Progress]]) -> None:
    """Downloads what is missing, with a progress bar for each. Raises DataError."""
    for source in {source.digest: source for source in sources}.values():
        with progress() as report:
            source.dataset.fetch(report)


@dataclass
class Findings:
    """What is known of the runs of a grid before the first one."""

    refusals: Counter[str] = field(default_factory=Counter)
    """Why runs cannot be carried out, with their numbers."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Why runs do not apply; the grid goes on without them."""
    failing: Counter[str] = field(default_factory=Counter)
    """Why runs will fail while the others go on: data that cannot be read, a plugin that raises an error."""
    notes: list[str] = field(default_factory=list)
    """How data sets and extra test sets are read and matched, and what their noise leaves to be desired."""
    unchecked: int = 0
    """Runs on data that is not here yet."""


def waiting(jobs: Sequence[Job]) -> list[Job]:
    """Those of `jobs` whose noise is made from a clean classifier that they do not have yet."""
    without = [job for job in jobs if job.spec.noise.clean_classifier is None]
    return [job for job, needs in zip(without, needing(without), strict=True) if needs]


def examine(jobs: Sequence[Job], cache: Path) -> Findings:
    """Loads the data of `jobs`, draws every noise once, with the seed of its first run, and builds every network.

    `cache` holds decoded data. The noise of jobs that wait for a clean classifier is tried with guesses.
    """
    examination = _Examination(cache)
    cells: dict[str, list[Job]] = {}
    for job in jobs:
        cells.setdefault(job.spec.model_dump_json(exclude={"seeds"}), []).append(job)
    for cell in cells.values():
        examination.add(cell[0], len(cell))
    return examination.findings


class _NotHere(NoisybenchError):
    """Data that has to be downloaded first."""


class _Fails(NoisybenchError):
    """What makes the runs that it concerns fail, and no others."""


_ANY_ESTIMATE = Estimate(RateEstimate(0.0, 0.0, 0.0), 0.0)


class _Examination:
    """Each data set, each noise on it and each network on its images is tried once."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.findings = Findings()
        self._data: dict[str, Data | NoisybenchError] = {}
        self._waiting: dict[tuple[str, str, int | None], NoisybenchError | None] = {}
        self._prepared: dict[tuple[str, str, int | None], Prepared | NoisybenchError] = {}
        self._networks: dict[tuple[str, str, int, int], Network | NoisybenchError] = {}

    def add(self, job: Job, runs: int) -> None:
        """`runs`: number of those that differ from `job` in their seeds only."""
        try:
            data = self._once(self._data, job.spec.dataset.model_dump_json(), lambda: self._load(job))
            network = self._once(self._networks, self._network_key(job, data), lambda: self._build(job, data))
            method, config = configured(METHODS, job.spec.method, job.files)
            refuse(method, job.spec.method.name, data.num_classes, network)
            key = (job.spec.dataset.model_dump_json(), job.spec.noise.model_dump_json(), job.spec.method.clean_set)
            if waiting([job]):
                self._once(self._waiting, key, lambda: self._draw_without_classifier(job, data))
            else:
                prepared = self._once(self._prepared, key, lambda: self._prepare(job))
                required = method.requires(config)
                find_hints(required, job.spec.track, prepared, lambda: _ANY_ESTIMATE, torch.device("cpu"))
        except Skipped as reason:
            self.findings.skipped[str(reason)] += runs
        except _NotHere:
            self.findings.unchecked += runs
        except _Fails as reason:
            self.findings.failing[str(reason)] += runs
        except NoisybenchError as reason:
            self.findings.refusals[str(reason)] += runs

    @staticmethod
    def _once(known: dict[K, V | NoisybenchError], key: K, make: Callable[[], V]) -> V:
        if key not in known:
            try:
                known[key] = make()
            except NoisybenchError as error:
                known[key] = error
            except Exception as error:
                known[key] = _Fails(f"{type(error).__name__}: {error}")
        result = known[key]
        if isinstance(result, NoisybenchError):
            raise result
        return result

    def _load(self, job: Job) -> Data:
        """The data set of `job`, with the test sets that are scored beside its own."""
        source, extra = source_of(job), extra_tests_of(job)
        if not all(one.dataset.available() for one in sources_of(job)):
            raise _NotHere
        try:
            data = source.load(self.cache)
            others = {name: other.like(data).load_extra_test(self.cache) for name, other in extra.items()}
            for name, tests in corrupted_of(job).items():
                copies = corrupted_copies(tests, source, data.test, self.cache)
                self._say(f"extra test set {name!r}: {note}" for note in copies.notes)
        except Skipped:
            raise
        except NoisybenchError as error:
            raise _Fails(str(error)) from error
        self._note(data, others)
        return data

    def _note(self, data: Data, others: dict[str, ExtraTest]) -> None:
        notes = [f"data set {data.name}: {note}" for note in data.notes]
        notes += [f"data set {data.name}: left out: {line}" for line in by_kind(data.skipped)]
        if data.images is not None:
            notes.insert(0, f"data set {data.name}: {describe(data.images)}")
        for matched in with_extra_tests(data, others).extra_notes.values():
            notes += matched
        self._say(notes)

    def _say(self, notes: Iterable[str]) -> None:
        self.findings.notes += [note for note in notes if note not in self.findings.notes]

    def _prepare(self, job: Job) -> Prepared:
        parts = (source_of(job), noise_of(job), self.cache, extra_tests_of(job), job.spec.method.clean_set)
        prepared = self._named(job, lambda: prepare(*parts))
        label = job.labels.get("dataset", job.spec.dataset.name)
        told = (*prepared.manifest.warnings, *prepared.manifest.notes)
        self._say(f"noise {job.spec.noise.name} on {label}: {sentence}" for sentence in told)
        self._say(
            f"data set {label}: {part.shared_images} of the {len(part.noisy)} images of {name} are training images too"
            for name, part in {"test": prepared.test, **prepared.extra_tests}.items()
            if part.shared_images
        )
        return prepared

    @staticmethod
    def _named(job: Job, make: Callable[[], V]) -> V:
        """What `make` returns; its error names the noise and the data set."""
        try:
            return make()
        except (Skipped, CleanSetError):
            raise
        except NoisybenchError as error:
            label = job.labels.get("dataset", job.spec.dataset.name)
            raise NoisybenchError(f"noise {job.spec.noise.name} on {label}: {error}") from error

    def _draw_without_classifier(self, job: Job, data: Data) -> None:
        """Raises Skipped, or NoisybenchError where the noise cannot be identified whatever the classifier says."""
        noise, plain = noise_of(job), source_of(job).split("train", data.train, data.num_classes, None)
        guesses = np.random.default_rng(0).random((len(plain.labels), plain.num_classes))
        split = replace(plain, probabilities=guesses / guesses.sum(1, keepdims=True))
        if reason := noise.kind.skip(split):
            raise Skipped(reason)
        kind = noise.kind.resolve(split)
        try:
            corruption = kind.corrupt(split, noise.seed)
        except NoiseError:
            return  # the probabilities of the classifier may give the rate that these do not
        self._named(job, lambda: noise.manifest(kind, Drawn(split, corruption)))

    @staticmethod
    def _network_key(job: Job, data: Data) -> tuple[str, str, int, int]:
        _, side, _, channels = data.train.images.shape
        return job.spec.backbone.model_dump_json(), job.spec.training.model_dump_json(), channels, side

    def _build(self, job: Job, data: Data) -> Network:
        """The network of `job`. Raises NoisybenchError where it cannot be built for the images of `data`."""
        _, side, _, channels = data.train.images.shape
        network = network_of(job)
        backbone = network.backbone
        try:
            backbone.build(channels, 2, side, amp=False)
        except BackboneError as error:
            raise NoisybenchError(f"backbone {job.spec.backbone.name}: {error}") from error
        check_views(backbone, job.spec.training)
        return network
