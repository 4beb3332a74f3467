"""The training of one run, from the objects that it is made of to what it gave."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.datasets.base import Arrays
from benchmark.grid.job import Options
from benchmark.grid.spec import Recipe, RunSpec
from benchmark.noise.rate_estimate import HeldOut
from benchmark.runs.assemble import Network, Plugins, pick_device
from benchmark.runs.corrupted import Corrupted, CorruptedSet, corrupted_copies
from benchmark.runs.executors.base import OnEpoch, OnPhase
from benchmark.runs.frozen_features import FeatureSource
from benchmark.runs.held_out import held_out
from benchmark.runs.hints import Estimate, Given, cached_estimate, find_hints
from benchmark.runs.prepare import LabelledSet, Prepared, Skipped, prepare
from benchmark.seeds import seed_for
from benchmark.store.schema import Deviations
from benchmark.store.store import Store
from benchmark.training.samples import Images, Samples
from benchmark.training.session import Session
from benchmark.training.trainer import Evaluation, Evaluations, Progress, Trainer, Watched
from methods.base import Method


@dataclass(frozen=True)
class Trained:
    """A run that was trained to its end, or to divergence."""

    progress: Progress
    prepared: Prepared
    given: Given
    """The hints that the method had."""
    required: frozenset[str]
    """Their names."""
    deviations: Deviations
    """Its own recipe, as "training", and settings of its optimizers that are not that recipe's."""
    features: FeatureSource | None
    """Of a frozen backbone."""
    evaluations: Evaluations
    prepare_seconds: float
    corrupted: Mapping[str, Corrupted] = field(default_factory=dict)
    """Corrupted copies of the test set, by name; `Progress.at_end` has their figures in this order."""


def train(
    plugins: Plugins, spec: RunSpec, options: Options, store: Store, on_epoch: OnEpoch, on_phase: OnPhase
) -> Trained:
    """Prepares labels and inputs, and trains. Raises Skipped where the run does not apply, and what plugins raise."""
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.deterministic = True
    device = pick_device(options.device)
    started = time.perf_counter()
    prepared = prepare(plugins.source, plugins.noise, store.cache("data"), plugins.extra_tests, spec.method.clean_set)
    refuse(plugins.method, spec.method.name, prepared.num_classes, plugins.network)
    test = Arrays(prepared.test.whole, prepared.test.noisy)
    corrupted = {
        name: corrupted_copies(tests, plugins.source, test, store.cache("data"))
        for name, tests in plugins.corrupted.items()
    }
    inputs = Inputs(plugins, spec, prepared.train, store.cache("features"), device, on_phase)
    evaluations = Evaluations(
        inputs.evaluation(prepared.val),
        inputs.evaluation(prepared.test),
        {name: inputs.evaluation(part) for name, part in prepared.extra_tests.items()},
        inputs.evaluations_of([one for copies in corrupted.values() for one in copies.sets], prepared.test),
    )

    def session_of(recipe: Recipe) -> Session:
        labels, classes = prepared.train.noisy, prepared.num_classes
        return plugins.network.session(inputs.train, labels, classes, recipe, spec.seeds)

    session = session_of(spec.training)
    prepare_seconds = time.perf_counter() - started

    def estimate() -> Estimate:
        # With the recipe of the comparison: methods of their own recipe get the same estimate as the others.
        common = session_of(spec.recipe)
        return cached_estimate(spec, store.cache("estimates"), lambda: predict(common))

    def predict(common: Session) -> tuple[np.ndarray, HeldOut]:
        on_phase("estimates the noise rate")
        return prepared.train.noisy, held_out(common, inputs.pretrained_features(), spec.seeds.order)

    required = plugins.method.requires(plugins.method_config)
    given = find_hints(required, spec.track, prepared, estimate, device)
    if prepared.clean_set is not None:
        lent = session.train_set(inputs.trained_on(prepared.clean_set), prepared.clean_set.noisy)
        given = replace(given, hints=replace(given.hints, given_clean_set=lent))
    method, kit = session.method(
        plugins.method,
        plugins.method_config,
        seed=seed_for("method", spec.seeds.method, spec.method.name),
        hints=given.hints,
    )
    trainer = Trainer(
        method,
        kit,
        session.data,
        Watched(prepared.train.noisy, prepared.train.clean, prepared.transition),
        evaluations,
        main_metric=prepared.main_metric,
        method_seed=seed_for("method-epochs", spec.seeds.method, spec.method.name),
        checkpoint=store.checkpoint(spec.id),
        checkpoint_seconds=options.checkpoint_seconds,
        keep_predictions=options.keep != "none",
        keep_model=options.keep == "model",
        on_epoch=on_epoch,
    )
    progress = trainer.run()
    return Trained(
        progress,
        prepared,
        given,
        required,
        _own_recipe(spec) | kit.deviations,
        inputs.features,
        evaluations,
        prepare_seconds,
        corrupted,
    )


def refuse(method: type[Method], name: str, num_classes: int, network: Network) -> None:
    """Raises Skipped where the method is not for this data or this backbone."""
    if method.card.frozen and not network.backbone.frozen:
        backbone = network.part.name
        raise Skipped(
            f"{name} works on the features of a frozen backbone, and {backbone} is not frozen; "
            f"add {backbone}:frozen=true (--backbone)"
        )
    if method.card.images_only and network.backbone.frozen:
        backbone = network.part.name
        raise Skipped(
            f"{name} works on images only, and {backbone} is frozen, which trains on its stored features; leave "
            "frozen=true out (--backbone)"
        )
    if num_classes < method.card.min_classes:
        raise Skipped(f"{name} needs at least {method.card.min_classes} classes; the data has {num_classes}")
    if "multiclass" not in method.card.tasks:
        raise Skipped(f"{name} is for {', '.join(method.card.tasks)} tasks; the data is multiclass")


def _own_recipe(spec: RunSpec) -> Deviations:
    """Where the run's recipe differs from that of the comparison."""
    common = spec.recipe.model_dump(mode="json")
    fields: dict[str, list[Any]] = {}
    for name, value in spec.method.recipe.items():
        if isinstance(value, dict):
            fields |= {f"{name}.{key}": [own, (common[name] or {}).get(key)] for key, own in value.items()}
        else:
            fields[name] = [value, common[name]]
    return {"training": fields} if fields else {}


class Inputs:
    """The labelled sets of a run as its network takes them: images, or the features of a frozen backbone."""

    def __init__(
        self, plugins: Plugins, spec: RunSpec, train: LabelledSet, cache: Path, device: torch.device, on_phase: OnPhase
    ) -> None:
        self.backbone = plugins.network.backbone
        self.device = device
        self.on_phase = on_phase
        self.features: FeatureSource | None = None
        self.train: Samples

        def features() -> FeatureSource:
            return FeatureSource(self.backbone, spec.backbone, spec.training, train, cache, device, on_phase)

        self._compute = features
        if self.backbone.frozen:
            self.features = features()
            self.train = self.features.train
        else:
            self.train = Images(train.images, device)

    def pretrained_features(self) -> Samples | None:
        """Of the training images by the backbone before any training, where it is frozen or its weights are trained
        ones; None elsewhere."""
        if self.features is None and self.backbone.pretrained:
            return self._compute().train
        return None if self.features is None else self.features.train

    def trained_on(self, part: LabelledSet) -> Samples:
        """Further samples to train on, beside `train`."""
        return Images(part.images, self.device) if self.features is None else self.features.trained_on(part)

    def evaluation(self, part: LabelledSet) -> Evaluation:
        samples = Images(part.images, self.device) if self.features is None else self.features.features(part)
        return Evaluation(samples, part.noisy, part.clean)

    def evaluations_of(self, sets: Sequence[CorruptedSet], test: LabelledSet) -> list[Callable[[], Evaluation]]:
        """Functions that make the inputs of corrupted copies of `test`."""

        def made(position: int, one: CorruptedSet) -> Evaluation:
            if position == 0:
                self.on_phase(f"scores {len(sets)} corrupted test sets")
            samples = (
                Images(one.images(), self.device)
                if self.features is None
                else self.features.made_features(one.key, one.images)
            )
            return Evaluation(samples, test.noisy, test.clean)

        return [partial(made, position, one) for position, one in enumerate(sets)]
