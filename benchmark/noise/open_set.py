"""Open-set noise: images of no class of the task among the training images (Wang et al., CVPR 2018)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from benchmark.noise._draws import generator, uniforms
from benchmark.noise._nested import nested_plugin
from benchmark.noise.base import Corruption, NoiseError, NoiseKind, RateSettings, Source, Split
from benchmark.noise.long_tail import Inner
from benchmark.registry import DATASETS


class Outside(Source):
    """As "npz:other.npz" or {name = "npz", path = "other.npz"}."""

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, value: Any, info: ValidationInfo) -> Any:
        folder = (info.context or {}).get("relative_to", Path())
        return nested_plugin(value, DATASETS, folder, '"npz:other.npz" or {name = "npz", path = "other.npz"}')


class OpenSet(NoiseKind):
    """Replaces images at the rate by images of another data set, or of classes that the task leaves out.

    The replaced image keeps its label, so that the numbers of labels per class stay as they are. Every image of the
    source is used at most once. The other labels may be corrupted by a second kind. A label on such an image counts
    as wrong; T, the rates per class and the hint T are those of the task's own images.
    """

    names = ("open_set",)

    class Config(RateSettings):
        source: Outside
        """The data set that the images are taken from, "npz:other.npz". Held-out classes of one file:
        -d npz:a.npz,without=3+4 and source = "npz:a.npz,only=3+4"."""
        noise: Inner = Field(default="none", validate_default=True)
        """Noise of the other labels: "symmetric:0.4" or {name = "symmetric", rate = 0.4}."""

        @field_validator("noise")
        @classmethod
        def _changes_labels_only(cls, value: Inner) -> Inner:
            kind = value.kind()
            if kind.source is not None or not kind.truth_known or hasattr(kind, "inner"):
                raise ValueError(f"expected a kind that changes labels only, such as symmetric:0.2; not {value.name}")
            return value

    def __init__(self, cfg: Any, inner: NoiseKind | None = None) -> None:
        super().__init__(cfg)
        self.inner: NoiseKind = inner or cfg.noise.kind()

    @property
    def source(self) -> Source:
        found: Source = self.cfg.source
        return found

    @property
    def classifier_on_own_labels(self) -> bool:  # type: ignore[override]
        return self.inner.classifier_on_own_labels

    def classifier_labels(self, split: Split, seed: int) -> np.ndarray:
        return self.inner.classifier_labels(split, seed)

    def requires_clean_classifier(self, split: Split) -> bool:
        return self.inner.requires_clean_classifier(split)

    def skip(self, split: Split) -> str | None:
        return self.inner.skip(split)

    def resolve(self, train: Split) -> NoiseKind:
        return OpenSet(self.cfg, self.inner.resolve(train))

    def corrupt(self, split: Split, seed: int) -> Corruption:
        noisy = self.inner.corrupt(split, seed)
        u, _ = uniforms(split, self.name, seed)
        # In the order of u, so that a higher rate replaces the same images by the same ones, and further ones.
        replaced = np.argsort(u, kind="stable")[: int((u < self.cfg.rate).sum())]
        if len(replaced) > split.outside:
            raise NoiseError(
                f"open-set noise at rate {self.cfg.rate:g} replaces {len(replaced)} images of {split.dataset!r} "
                f"({split.name}), and its source has {split.outside} for them; expected a lower rate or more images"
            )
        outside = np.full(len(split.labels), -1, dtype=np.int64)
        order = generator(split.key, self.name, split.name, seed, "source").permutation(split.outside)
        outside[replaced] = order[: len(replaced)]
        labels = np.where(outside >= 0, split.labels, noisy.labels)
        note = f"{len(replaced)} of {len(labels)} images of {split.name} are replaced by images of no class of the task"
        return Corruption(labels, noisy.transition, noisy.selection, outside, (note, *noisy.notes))
