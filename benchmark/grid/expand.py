"""Expands a suite to the jobs of its grid, without duplicates."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmark.distinct_names import distinct
from benchmark.errors import UsageError
from benchmark.grid.faults import SuiteError
from benchmark.grid.job import Job, Options
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import (
    DataChoices,
    Resolved,
    ResolvedBackbone,
    ResolvedMethod,
    make_dataset,
    noise_part,
    resolve_backbone,
    resolve_dataset,
    resolve_method,
    resolve_noise,
)
from benchmark.grid.run_labels import label_runs
from benchmark.grid.spec import Augment, ContentPart, DataPart, MethodPart, Recipe, RunSpec, Seeds, Track
from benchmark.hint_names import ALIKE_IN_BOTH_TRACKS, BLIND_HINTS, CLEAN_SET
from benchmark.store import digests

if TYPE_CHECKING:
    from benchmark.grid.suite import Suite

T = TypeVar("T")


@dataclass(frozen=True)
class _Data:
    """A data set of the grid with its extra test sets."""

    part: DataPart
    files: dict[str, str]
    sources: dict[str, str]
    augment: Augment
    """The data set's default."""
    label: str
    path: Path | None
    """Of a data set that is a file or folder of somebody's own."""
    epochs: int | None
    """Instead of the recipe's."""

    def recipe(self, suite: Suite, network: ResolvedBackbone) -> Recipe:
        """The recipe of a comparison on this data set."""
        # The recipe says what is done: no augmentation for backbones that train on plain images.
        augment = (suite.recipe.augment or self.augment) if network.augmented else Augment()
        return suite.recipe.model_copy(update={"augment": augment, "epochs": self.epochs or suite.recipe.epochs})


@dataclass(frozen=True)
class _Axes:
    """The resolved axes of a suite."""

    data: list[_Data]
    backbones: list[ResolvedBackbone]
    noise: list[Resolved]
    methods: list[ResolvedMethod]
    tracks: list[Track]
    seeds: list[Seeds]

    def cells(self) -> Iterator[tuple[_Data, ResolvedBackbone, Resolved, int, Track, Seeds]]:
        """Every combination that can be run, methods by their positions: T is never given in the blind track."""
        positions = range(len(self.methods))
        for cell in itertools.product(self.data, self.backbones, self.noise, positions, self.tracks, self.seeds):
            method, track = self.methods[cell[3]], cell[4]
            if track == "oracle" or method.hints <= BLIND_HINTS:
                yield cell


def expand(suite: Suite, options: Options, plugins: tuple[str, ...] = ()) -> list[Job]:
    """All runs of a suite, each once, in the suite's order. Raises SuiteError with every fault.

    Runs whose noise is made from a clean classifier get their final id from `runs.clean_classifier.attach`.
    """
    jobs: dict[str, Job] = {}
    for _, job in by_method(suite, options, plugins):
        jobs.setdefault(job.spec.id, job)
    return label_runs(list(jobs.values()))


def by_method(suite: Suite, options: Options, plugins: tuple[str, ...] = ()) -> Iterator[tuple[int, Job]]:
    """All runs of a suite, without labels, each with the position of its method in the suite. Raises SuiteError."""
    axes = _resolved_axes(suite, Path(options.data_root))
    names = _distinct_names(axes.data)
    noise_parts = {id(noise): noise_part(noise, Path(options.data_root)) for noise in axes.noise}
    recipes = {(id(data), id(network)): data.recipe(suite, network) for data in axes.data for network in axes.backbones}
    methods: dict[tuple[int, int, int], MethodPart] = {}
    places: dict[tuple[int, int, int, int], tuple[dict[str, str], dict[str, str]]] = {}
    labels = {id(data): {"dataset": names[data.part.model_dump_json()], "suite": suite.name} for data in axes.data}
    for data, network, noise, position, track, seeds in axes.cells():
        method = axes.methods[position]
        recipe = recipes[id(data), id(network)]
        key = (id(data), id(network), position)
        # Jobs share their parts: a large grid fits into memory, and what is asked of a part is asked once.
        if key not in methods:
            methods[key] = _method_part(method, recipe, network, suite)
        if (*key, id(noise)) not in places:
            places[*key, id(noise)] = (
                {**data.files, **network.files, **noise.files, **method.files},
                {**data.sources, **network.sources, **noise.sources, **method.sources},
            )
        files, sources = places[*key, id(noise)]
        spec = RunSpec(
            track=track if method.hints - ALIKE_IN_BOTH_TRACKS else "blind",
            dataset=data.part,
            noise=noise_parts[id(noise)],
            backbone=network.part,
            method=methods[key],
            recipe=recipe,
            seeds=seeds,
        )
        # Its parts were checked already, and a check would copy them.
        job = Job.model_construct(
            spec=spec, options=options, files=files, sources=sources, plugins=plugins, labels=labels[id(data)]
        )
        yield position, job


def _method_part(method: ResolvedMethod, recipe: Recipe, network: ResolvedBackbone, suite: Suite) -> MethodPart:
    changes = {key: value for key, value in method.changes.items() if network.augmented or key != "augment"}
    return MethodPart(
        **method.part.model_dump(),
        recipe=_deviations(recipe, changes),
        clean_set=suite.clean_set if CLEAN_SET in method.hints else None,
    )


def _deviations(recipe: Recipe, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `changes` that differ from the recipe: an equal value is no deviation."""
    if not changes:
        return {}
    own, common = (dumped.model_dump(mode="json") for dumped in (recipe.changed(changes), recipe))
    differing = {key: own[key] for key in changes if own[key] != common[key]}
    if "augment" in differing:
        inner = common["augment"] or {}
        differing["augment"] = {key: value for key, value in own["augment"].items() if value != inner.get(key)}
    return differing


def _distinct_names(data: Sequence[_Data]) -> dict[str, str]:
    """Part of the spec as JSON -> name: the label or, where two data sets share it, as much of the path as differs."""
    parts = {one.part.model_dump_json(): one for one in data}
    names = distinct([(one.label, one.path) for one in parts.values()])
    return dict(zip(parts, names, strict=True))


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
        missing = method.hints - BLIND_HINTS
        if missing and "oracle" not in suite.tracks:
            faults.append(
                f"methods[{position}]: {method.part.name!r} needs {', '.join(sorted(missing))}, which the blind "
                'track does not give; choose another configuration, or tracks = ["oracle"] (--track oracle)'
            )
        if CLEAN_SET in method.hints and suite.clean_set is None:
            faults.append(
                f"methods[{position}]: {method.part.name!r} needs a clean set, training images with their true labels; "
                "say how many, for example clean_set = 100 (--clean-set 100)"
            )
        if "augment" in method.changes and any(network.stored_views for network in axes.backbones):
            faults.append(
                f"methods[{position}]: {method.part.name!r} cannot have its own augmentation here: a frozen backbone "
                "stores its views once, for all methods; set augment in the recipe of the suite, or views = 1"
            )
    if suite.clean_set is not None and not any(CLEAN_SET in method.hints for method in axes.methods):
        faults.append(
            f"clean_set = {suite.clean_set}: no method of this grid uses clean labels; leave it out (--clean-set), or "
            "add a method that needs clean_set: `noisybench list methods` shows what each needs"
        )
    if faults:
        raise SuiteError(f"suite {suite.name!r}", faults)
    return axes


def _resolved_data(ref: PluginRef, suite: Suite, data_root: Path) -> _Data:
    dataset, choices = make_dataset(ref, data_root, heeded=DataChoices.model_fields)
    if dataset.of_test_images:
        raise UsageError(
            f"{ref.name} makes corrupted copies of the test images of a data set and is none itself; name a data set, "
            f"and this as an extra test set: -d DATA --extra-test {ref.name}"
        )
    resolved = resolve_dataset(ref, dataset)
    files, sources = dict(resolved.files), dict(resolved.sources)
    extra_tests = {}
    for name, other_ref in suite.extra_tests.items():
        other, _ = make_dataset(other_ref, data_root)
        other_resolved = resolve_dataset(other_ref, other)
        extra_tests[name] = ContentPart(**other_resolved.part.model_dump(), digest=other.digest())
        files |= other_resolved.files
        sources |= other_resolved.sources
    label = dataset.label
    labels = None
    if choices.labels is not None:
        labels = digests.digest(choices.labels)
        files[labels] = str(choices.labels.absolute())
        label = f"{label}+{choices.labels.stem}"
    part = DataPart(
        **resolved.part.model_dump(),
        digest=dataset.digest(),
        subset=choices.subset or suite.subset,
        extra_tests=extra_tests,
        labels=labels,
    )
    return _Data(
        part,
        files,
        sources,
        Augment(**dataset.augment),
        label,
        getattr(dataset.cfg, "path", None),
        choices.epochs,
    )
