"""Class imbalance before label noise: a long-tailed subsample, then any other kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationInfo, model_validator

from benchmark.noise._draws import generator
from benchmark.noise.base import Corruption, NoiseKind, Settings, Split
from benchmark.option_text import located, read_text
from benchmark.registry import NOISE


class Inner(Settings):
    """The kind that corrupts the subsample, as "pair:0.3" or {name = "pair", rate = 0.3}."""

    name: str
    version: int
    config: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, value: Any, info: ValidationInfo) -> Any:
        folder = (info.context or {}).get("relative_to", Path())
        if isinstance(value, str):
            name, _, text = value.partition(":")
            positional = NOISE.load(name).positional
            options, values = read_text(text, NOISE.load(name).Config.model_fields, positional, folder)
            value = {"name": name, **options, **dict(zip([positional], values, strict=False))}
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            raise ValueError('expected a kind of noise such as "pair:0.3" or {name = "pair", rate = 0.3}')
        plugin = NOISE.load(value["name"])
        if issubclass(plugin, LongTail):
            raise ValueError("expected another kind than long_tail itself")
        resolved = set(value) == {"name", "version", "config"}
        options = value["config"] if resolved else {key: item for key, item in value.items() if key != "name"}
        options = located(options, plugin.Config.model_fields, folder)
        config = plugin.Config.model_validate(options).model_dump()
        version = value["version"] if resolved else plugin.version
        return {"name": value["name"], "version": version, "config": config}


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

    def __init__(self, cfg: Any, inner: NoiseKind | None = None) -> None:
        super().__init__(cfg)
        plugin = NOISE.load(cfg.noise.name)
        self.inner: NoiseKind = inner or plugin(plugin.Config.model_validate(cfg.noise.config))

    @property
    def truth_known(self) -> bool:  # type: ignore[override]
        return self.inner.truth_known

    def requires_clean_classifier(self, split: Split) -> bool:
        return self.inner.requires_clean_classifier(split)

    def skip(self, split: Split) -> str | None:
        return self.inner.skip(split)

    def resolve(self, train: Split) -> NoiseKind:
        return LongTail(self.cfg, self.inner.resolve(train))

    def corrupt(self, split: Split, seed: int) -> Corruption:
        noisy = self.inner.corrupt(split, seed)
        return Corruption(noisy.labels, noisy.transition, self._selection(split, seed))

    def _selection(self, split: Split, seed: int) -> np.ndarray:
        classes = split.num_classes
        counts = np.bincount(split.labels, minlength=classes)
        shares = self.cfg.rho ** (-np.arange(classes) / (classes - 1))
        targets = np.maximum(1, np.round(counts.max() * shares)).astype(np.int64)
        order = generator(split.key, self.name, split.name, seed).permutation(len(split.labels))
        kept = [order[split.labels[order] == k][:target] for k, target in enumerate(targets)]
        return np.sort(np.concatenate(kept))
