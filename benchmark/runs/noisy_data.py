"""One data set under one kind of noise, without a method: used by the commands on labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.datasets.base import Dataset
from benchmark.datasets.label_set import LabelSet
from benchmark.errors import UsageError
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import make_dataset, noise_part, resolve_dataset, resolve_noise
from benchmark.grid.spec import DataPart, NoisePart
from benchmark.runs.assemble import open_noise, outside_of
from benchmark.runs.clean_classifier import CleanClassifier, Say, needed, own_labels
from benchmark.runs.clean_probabilities import StoredProbabilities
from benchmark.runs.prepare import DataSource, LabelNoise
from benchmark.store import digests


@dataclass(frozen=True)
class NoisyData:
    """Data and noise, as objects and as parts of a run's identity."""

    source: DataSource
    noise: LabelNoise
    data_part: DataPart
    noise_part: NoisePart
    files: Mapping[str, str]
    """Content digest -> absolute path."""

    @property
    def name(self) -> str:
        """Stem of file names, such as `pbc_28-symmetric0.4-s3`; contains only the first option of the noise."""
        value = next(iter(self.noise_part.config.values()), "")
        noise = self.noise_part.name + (f"{value:g}" if isinstance(value, float) else str(value)[:12])
        parts = (self.source.dataset.label, noise, f"s{self.noise.seed}")
        return "-".join(part.replace(":", "_") for part in parts)

    @property
    def origin(self) -> dict[str, Any]:
        """How to make the labels again, and the identity that must match for them to be equal."""
        data = self.data_part.model_dump(mode="json", exclude={"subset", "extra_tests"})
        return {
            "dataset": {"name": self.data_part.name, **digests.to_paths(self.data_part.config, self.files)},
            "noise": {"name": self.noise_part.name, **digests.to_paths(self.noise_part.config, self.files)},
            "seed": self.noise.seed,
            "identity": {"dataset": data, "noise": self.noise_part.model_dump(mode="json")},
        }


def make_noisy_data(
    dataset: PluginRef,
    noise: PluginRef,
    seed: int,
    *,
    data_root: Path,
    results: Path,
    allow_unidentifiable: bool = False,
    device: str = "cpu",
    threads: int = 1,
    say: Say = lambda text: None,
) -> NoisyData:
    """The data set and noise that two plugin strings name.

    Trains the clean classifier where the noise is made from one. Raises UsageError where `noise` names several
    kinds ("symmetric:0.2,0.4"), and what the plugins raise.
    """
    noise_parts = resolve_noise(noise)
    if len(noise_parts) != 1:
        raise UsageError(
            f"noise {noise.name!r}: {len(noise_parts)} kinds of noise; expected one, such as symmetric:0.2"
        )
    opened: Dataset
    opened, choices = make_dataset(dataset, data_root, heeded=["labels"])
    resolved = resolve_dataset(dataset, opened)
    labels = None if choices.labels is None else LabelSet.read(choices.labels)
    source = DataSource(opened, opened.digest(), labels=labels)
    digest = None if labels is None else labels.digest
    data_part = DataPart(**resolved.part.model_dump(), digest=source.digest, labels=digest)
    part = noise_part(noise_parts[0], data_root)
    files = {**resolved.files, **noise_parts[0].files}
    if labels is not None:
        files[labels.digest] = str(labels.path.absolute())
    kind = open_noise(part, files)
    outside = outside_of(kind, part, data_root)
    label_noise = LabelNoise(kind, part.config, seed, None, allow_unidentifiable, outside)
    if needed(source, kind):
        own = own_labels(label_noise, part)
        classifier = CleanClassifier(source, data_part, results, own, device, threads, say)
        clean = StoredProbabilities(classifier.path, classifier.trained())
        part = part.model_copy(update={"clean_classifier": clean.digest})
        label_noise = replace(label_noise, clean=clean)
    return NoisyData(source, label_noise, data_part, part, files)
