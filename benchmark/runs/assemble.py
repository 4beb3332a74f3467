"""Builds the objects that a job names: data set, noise, network, method. The layers below never see a job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from backbones.base import Backbone
from benchmark import plugin_files
from benchmark.datasets.base import CorruptedTests, DataError, Dataset
from benchmark.datasets.label_set import LabelSet
from benchmark.errors import UsageError
from benchmark.grid.job import Job
from benchmark.grid.spec import DataPart, NoisePart, Part, Recipe, Seeds
from benchmark.noise.base import NoiseKind
from benchmark.registry import BACKBONES, DATASETS, METHODS, NOISE, Registry, add_plugin_file
from benchmark.runs.clean_probabilities import StoredProbabilities
from benchmark.runs.prepare import DataSource, LabelNoise
from benchmark.store import digests
from benchmark.training.kit import Build
from benchmark.training.samples import Samples
from benchmark.training.session import Session
from methods.base import Method, Settings


@dataclass(frozen=True)
class Network:
    """A configured backbone, and its part of the run's identity."""

    backbone: Backbone
    part: Part

    def builder(self, samples: Samples, recipe: Recipe) -> Build:
        """A function that builds networks for `samples`: the whole network for images, a head for features."""
        amp, shape, backbone = recipe.precision == "amp", samples.data.shape, self.backbone
        if backbone.frozen:
            return lambda num_classes: backbone.build_head(shape[1], num_classes, amp)
        return lambda num_classes: backbone.build(shape[3], num_classes, shape[1], amp)

    def session(self, samples: Samples, labels: Any, num_classes: int, recipe: Recipe, seeds: Seeds) -> Session:
        """Training of this network on `samples` with noisy `labels` [n], on the device of the samples."""
        return Session(
            samples,
            labels,
            num_classes,
            recipe,
            self.builder(samples, recipe),
            order_seed=seeds.order,
            init_key=(seeds.init, self.part.name, str(self.part.config)),
            device=samples.data.device,
        )


@dataclass(frozen=True)
class Plugins:
    """All plugin objects of one run."""

    source: DataSource
    noise: LabelNoise
    network: Network
    method: type[Method]
    method_config: Settings
    extra_tests: Mapping[str, DataSource] = field(default_factory=dict)
    corrupted: Mapping[str, CorruptedTests] = field(default_factory=dict)
    """Sources of corrupted copies of the test images, by name."""


def assemble(job: Job) -> Plugins:
    """Loads and configures every plugin of `job`. Raises RegistryError and what a constructor raises.

    Raises SourceChangedError where the source of a plugin is not what it was when the grid was started.
    """
    plugin_files.check(job.sources)
    for plugin in job.plugins:
        add_plugin_file(Path(plugin))
    method, method_config = configured(METHODS, job.spec.method, job.files)
    plugins = Plugins(
        source=source_of(job),
        noise=noise_of(job),
        network=network_of(job),
        method=method,
        method_config=method_config,
        extra_tests=extra_tests_of(job),
        corrupted=corrupted_of(job),
    )
    plugin_files.check(job.sources)  # again: a file may have changed while it was being read
    return plugins


def source_of(job: Job) -> DataSource:
    part = job.spec.dataset
    dataset = open_dataset(part, job.files, job.options.data_root)
    return DataSource(dataset, part.digest, part.subset, open_labels(part, job.files))


def open_labels(part: DataPart, files: Mapping[str, str]) -> LabelSet | None:
    """The labels that replace those of the data set. Raises DataError where they are not what they were."""
    if part.labels is None:
        return None
    labels = LabelSet.read(Path(files[part.labels]))
    if labels.digest != part.labels:
        raise DataError(
            f"{labels.path} has changed: its content is {labels.digest}, expected {part.labels}; put the former file "
            "back, or start the grid anew"
        )
    return labels


def extra_tests_of(job: Job) -> dict[str, DataSource]:
    """The extra test sets with images of their own."""
    return {name: source for name, source in _beside(job).items() if not source.dataset.of_test_images}


def corrupted_of(job: Job) -> dict[str, CorruptedTests]:
    """The sources of corrupted copies of the test images. Raises DataError where one is not what it was."""
    sources = {}
    for name, source in _beside(job).items():
        if isinstance(source.dataset, CorruptedTests):
            if (digest := source.dataset.digest()) != source.digest:
                raise DataError(
                    f"extra test set {name!r} has changed: its content is {digest}, expected {source.digest}; put the "
                    "former files back, or start the grid anew"
                )
            sources[name] = source.dataset
    return sources


def _beside(job: Job) -> dict[str, DataSource]:
    return {
        name: DataSource(open_dataset(part, job.files, job.options.data_root), part.digest)
        for name, part in job.spec.dataset.extra_tests.items()
    }


def sources_of(job: Job) -> list[DataSource]:
    """All data sets that `job` reads."""
    outside = noise_of(job).outside
    return [source_of(job), *extra_tests_of(job).values(), *([] if outside is None else [outside])]


def noise_of(job: Job) -> LabelNoise:
    part = job.spec.noise
    digest = part.clean_classifier
    clean = None if digest is None else StoredProbabilities(Path(job.files[digest]), digest)
    kind = open_noise(part, job.files)
    return LabelNoise(
        kind,
        part.config,
        job.spec.seeds.noise,
        clean,
        job.options.allow_unidentifiable,
        outside_of(kind, part, Path(job.options.data_root)),
    )


def outside_of(kind: NoiseKind, part: NoisePart, data_root: Path) -> DataSource | None:
    """The data set that `kind` takes images from, if it takes any."""
    if kind.source is None:
        return None
    plugin = DATASETS.load(kind.source.name)
    dataset = plugin(kind.source.name, plugin.Config.model_validate(kind.source.config), data_root)
    return DataSource(dataset, part.outside or dataset.digest())


def network_of(job: Job) -> Network:
    return Network(open_backbone(job.spec.backbone, job.files), job.spec.backbone)


def open_dataset(part: Part, files: Mapping[str, str], data_root: str) -> Dataset:
    plugin, config = configured(DATASETS, part, files)
    return plugin(part.name, config, Path(data_root))


def open_noise(part: Part, files: Mapping[str, str]) -> NoiseKind:
    plugin, config = configured(NOISE, part, files)
    return plugin(config)


def open_backbone(part: Part, files: Mapping[str, str]) -> Backbone:
    plugin, config = configured(BACKBONES, part, files)
    return plugin(config, part.name.partition("/")[2])


def configured(registry: Registry[Any], part: Part, files: Mapping[str, str]) -> tuple[type[Any], Any]:
    """The class of `part` and its configuration, digests replaced by the paths of `files`."""
    plugin = registry.load(part.name, part.source)
    return plugin, plugin.Config.model_validate(digests.to_paths(part.config, files))


def pick_device(name: str) -> torch.device:
    """The torch device of "auto", "cpu", "cuda" or "cuda:1". Raises UsageError where there is no such device."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UsageError(f"there is no device {name!r}; expected auto, cpu, cuda or a number as in cuda:1")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("device cuda was asked for, but torch sees no CUDA device; use --device cpu or auto")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"there is no device {name}; torch sees {torch.cuda.device_count()}, counted from cuda:0")
    return device
