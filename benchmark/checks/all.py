"""Which checks belong to which kind of plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmark.checks import backbones, datasets, methods, noise

BY_KIND: Mapping[str, Mapping[str, Callable[..., None]]] = {
    "method": methods.CHECKS,
    "backbone": backbones.CHECKS,
    "data set": datasets.CHECKS,
    "noise": noise.CHECKS,
}
