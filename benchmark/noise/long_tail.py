"""Class imbalance before label noise: a long-tailed subsample, then any other kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from benchmark.noise._draws import generator
from benchmark.noise._nested import nested_plugin
from benchmark.noise.base import Corruption, NoiseKind, Settings, Source, Split
from benchmark.registry import NOISE


class Inner(Settings):
    """The kind that corrupts the subsample, as "pair:0.3" or {name = "pair", rate = 0.3}."""

    name: str
    version: int
    config: dict[str, Any]

    def kind(self) -> NoiseKind:
        plugin = NOISE.load(self.name)
        made: NoiseKind = plugin(plugin.Config.model_validate(self.config))
        return made

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, value: Any, info: ValidationInfo) -> Any:
        folder = (info.context or {}).get("relative_to", Path())
        return nested_plugin(value, NOISE, folder, '"pair:0.3" or {name = "pair", rate = 0.3}')


class LongTail(NoiseKind):
    """Keeps n rho^(-k/(K-1)) samples of class k, n the size of the largest class, then adds another noise.

    A class with fewer samples keeps all of them. The inner noise is drawn over the whole split, so a sample
    has the same noisy label at every rho; samples that are kept at a high rho are kept at every lower one.
    """

    names = ("long_tail",)
    nested = False
    positional = "rho"

    class Config(Settings):
        rho: float = Field(ge=1, le=1e6)
        """Size of the largest class over that of the smallest."""
        noise: Inner = Field(default="none", validate_default=True)
        """The noise that follows: "symmetric:0.4" or {name = "symmetric", rate = 0.4}."""

        @field_validator("noise")
        @classmethod
        def _another_kind(cls, value: Inner) -> Inner:
            if value.name in LongTail.names:
                raise ValueError("expected another kind than long_tail itself")
            return value

    def __init__(self, cfg: Any, inner: NoiseKind | None = None) -> None:
        super().__init__(cfg)
        self.inner: NoiseKind = inner or cfg.noise.kind()

    @property
    def truth_known(self) -> bool:  # type: ignore[override]
        return self.inner.truth_known

    def requires_clean_classifier(self, split: Split) -> bool:
        return self.inner.requires_clean_classifier(split)

    @property
    def source(self) -> Source | None:
        return self.inner.source

    @property
    def classifier_on_own_labels(self) -> bool:  # type: ignore[override]
        return self.inner.classifier_on_own_labels

    def classifier_labels(self, split: Split, seed: int) -> np.ndarray:
        return self.inner.classifier_labels(split, seed)

    def skip(self, split: Split) -> str | None:
        return self.inner.skip(split)

    def resolve(self, train: Split) -> NoiseKind:
        return LongTail(self.cfg, self.inner.resolve(train))

    def corrupt(self, split: Split, seed: int) -> Corruption:
        noisy = self.inner.corrupt(split, seed)
        selection = self._selection(split, seed)
        if noisy.selection is not None:
            selection = np.intersect1d(selection, noisy.selection)
        return replace(noisy, selection=selection)

    def _selection(self, split: Split, seed: int) -> np.ndarray:
        classes = split.num_classes
        counts = np.bincount(split.labels, minlength=classes)
        shares = self.cfg.rho ** (-np.arange(classes) / (classes - 1))
        targets = np.maximum(1, np.round(counts.max() * shares)).astype(np.int64)
        order = generator(split.key, self.name, split.name, seed).permutation(len(split.labels))
        kept = [order[split.labels[order] == k][:target] for k, target in enumerate(targets)]
        return np.sort(np.concatenate(kept))
