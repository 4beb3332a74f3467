"""Expands a suite to the jobs of its grid, without duplicates."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmark.errors import UsageError
from benchmark.grid.faults import SuiteError
from benchmark.grid.job import Job, Options
from benchmark.grid.plugin_ref import PluginRef, read_plugin_ref
from benchmark.grid.resolve import (
    Resolved,
    ResolvedBackbone,
    ResolvedMethod,
    make_dataset,
    resolve_backbone,
    resolve_dataset,
    resolve_method,
    resolve_noise,
)
from benchmark.grid.spec import Augment, ContentPart, DataPart, NoisePart, RunSpec, Seeds, Track

if TYPE_CHECKING:
    from benchmark.grid.suite import Suite

T = TypeVar("T")


@dataclass(frozen=True)
class _Data:
    """A data set of the grid with its extra test sets."""

    part: DataPart
    files: dict[str, str]
    augment: Augment
    """The data set's default."""
    label: str


@dataclass(frozen=True)
class _Axes:
    """The resolved axes of a suite."""

    data: list[_Data]
    backbones: list[ResolvedBackbone]
    noise: list[Resolved]
    methods: list[ResolvedMethod]
    tracks: list[Track]
    seeds: list[Seeds]

    def cells(self) -> Iterator[tuple[_Data, ResolvedBackbone, Resolved, ResolvedMethod, Track, Seeds]]:
        """Every combination that can be run: T is never given in the blind track."""
        product = itertools.product(self.data, self.backbones, self.noise, self.methods, self.tracks, self.seeds)
        for cell in product:
            method, track = cell[3], cell[4]
            if track == "oracle" or not method.hints - {"noise_rate"}:
                yield cell


def expand(suite: Suite, options: Options, plugins: tuple[str, ...] = ()) -> list[Job]:
    """All runs of a suite, each once, in the suite's order. Raises SuiteError with every fault.

    Runs whose noise is made from a clean classifier get their final id from `runs.clean_classifier.attach`.
    """
    jobs: dict[str, Job] = {}
    for data, network, noise, method, track, seeds in _resolved_axes(suite, Path(options.data_root)).cells():
        # The recipe says what is done: no augmentation for backbones that train on plain images.
        augment = (suite.recipe.augment or data.augment) if network.augmented else Augment()
        spec = RunSpec(
            track=track if method.hints else "blind",
            dataset=data.part,
            noise=NoisePart(**noise.part.model_dump()),
            backbone=network.part,
            method=method.part,
            recipe=suite.recipe.model_copy(update={"augment": augment}),
            seeds=seeds,
        )
        jobs.setdefault(
            spec.id,
            Job(
                spec=spec,
                options=options,
                files={**data.files, **network.files, **noise.files, **method.files},
                plugins=plugins,
                labels={"dataset": data.label, "suite": suite.name},
            ),
        )
    return list(jobs.values())


def _resolved_axes(suite: Suite, data_root: Path) -> _Axes:
    faults: list[str] = []

    def collect(key: str, refs: list[PluginRef], resolve: Callable[[PluginRef], T]) -> list[T]:
        resolved = []
        for position, ref in enumerate(refs):
            try:
                resolved.append(resolve(ref))
            except (UsageError, ValueError, OSError) as error:
                faults.append(f"{key}[{position}]: {error}")
        return resolved

    axes = _Axes(
        data=collect("datasets", suite.datasets, lambda ref: _resolved_data(ref, suite, data_root)),
        backbones=collect("backbones", suite.backbones, resolve_backbone),
        noise=list(itertools.chain(*collect("noise", suite.noise, resolve_noise))),
        methods=collect("methods", suite.methods, resolve_method),
        tracks=suite.tracks,
        seeds=suite.all_seeds(),
    )
    for position, method in enumerate(axes.methods):
        missing = method.hints - {"noise_rate"}
        if missing and "oracle" not in suite.tracks:
            faults.append(
                f"methods[{position}]: {method.part.name!r} needs {', '.join(sorted(missing))}, which the blind "
                'track does not give; choose another configuration, or tracks = ["oracle"] (--track oracle)'
            )
    if faults:
        raise SuiteError(f"suite {suite.name!r}", faults)
    return axes


def _resolved_data(ref: PluginRef, suite: Suite, data_root: Path) -> _Data:
    dataset = make_dataset(ref, data_root)
    resolved = resolve_dataset(ref, dataset)
    files = dict(resolved.files)
    extra_tests = {}
    for name, text in suite.extra_tests.items():
        other_ref = read_plugin_ref(text)
        other = make_dataset(other_ref, data_root)
        other_resolved = resolve_dataset(other_ref, other)
        extra_tests[name] = ContentPart(**other_resolved.part.model_dump(), digest=other.digest())
        files |= other_resolved.files
    part = DataPart(**resolved.part.model_dump(), digest=dataset.digest(), subset=suite.subset, extra_tests=extra_tests)
    return _Data(part, files, Augment(**dataset.augment), dataset.label)
