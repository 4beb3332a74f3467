"""Inputs that the noise tests share."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.noise.base import Split
from benchmark.registry import NOISE

RATED: list[tuple[str, dict[str, Any]]] = [
    ("symmetric", {}),
    ("symmetric", {"inclusive": True}),
    ("pair", {}),
    ("asymmetric", {"map": [[0, 1], [1, 0]]}),
    ("asymmetric", {}),
    ("ordinal", {}),
    ("ordinal", {"reach": "adjacent"}),
    ("instance", {}),
    ("instance", {"official": True}),
    ("instance", {"center": True}),
    ("pmd", {"type": 1}),
    ("pmd", {"type": 2}),
    ("pmd", {"type": 3}),
    ("pmd", {"official": True}),
    ("confusion", {}),
]
"""Every kind that has a rate, with options that change its arithmetic."""
IDS = ["-".join([name, *map(str, options)]) for name, options in RATED]


def make(name: str, **options: Any) -> Any:
    """A kind by its registered name."""
    plugin = NOISE.load(name)
    return plugin(plugin.Config.model_validate(options))


def spread_labels(n: int, num_classes: int) -> np.ndarray:
    """[n] int64 labels in an irregular fixed order, made without a generator that could change."""
    return (np.arange(n, dtype=np.int64) * 7919 % 1009) % num_classes


def make_split(n: int = 2000, num_classes: int = 9, seed: int = 0, **changes: Any) -> Split:
    """A split with random labels, small images and the probabilities of an imagined clean classifier."""
    rng = np.random.default_rng([seed, n, num_classes])
    labels = rng.integers(0, num_classes, n)
    logits = rng.standard_normal((n, num_classes)) * 2
    logits[np.arange(n), labels] += 2
    odds = np.exp(logits)
    fields: dict[str, Any] = {
        "name": "train",
        "labels": labels,
        "num_classes": num_classes,
        "dataset": "made",
        "key": f"made:{seed}",
        "images": rng.integers(0, 256, (n, 4, 4, 1), dtype=np.uint8),
        "probabilities": odds / odds.sum(1, keepdims=True),
    }
    return Split(**{**fields, **changes})
