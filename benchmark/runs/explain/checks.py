"""Checks of maps: whether they depend on what was learned, and whether the pixels that they name matter."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmark.runs.explain.comparison import rank_correlations
from benchmark.runs.explain.maps import Maps, networks
from benchmark.runs.kept_model import KeptModel

Floats = NDArray[np.float64]

STEPS = 20
"""Of a deletion curve: a twentieth of the pixels is deleted at a time."""


@dataclass(frozen=True)
class Randomized:
    """Maps after the last layers of the network were drawn anew."""

    layers: int
    """Number of stages drawn anew, from the classifier on."""
    correlations: Floats
    """[n] rank correlation with the maps of the trained network; NaN where a map is the same everywhere."""


def randomized(
    model: KeptModel, images: NDArray[np.uint8], targets: NDArray[np.int64], maps: Floats, seed: int
) -> Iterator[Randomized]:
    """The cascading randomization test (Adebayo et al., NeurIPS 2018), from the classifier down to the first layer.

    Maps that stay as they were do not show what the network has learned.
    """
    chains = _chains(copied := copy.deepcopy(model))
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        for depth in range(1, max(map(len, chains)) + 1):
            for chain in chains:
                for module in chain[-depth].modules() if depth <= len(chain) else ():
                    if callable(reset := getattr(module, "reset_parameters", None)):
                        reset()
            again = Maps(copied, images[:1]).of(images, targets)
            yield Randomized(depth, rank_correlations(maps, again))


def _chains(model: KeptModel) -> list[list[nn.Module]]:
    """Stages from the first to the last: of each network, or of a frozen one and each head on it."""
    heads = [network.stages() for network in networks(model) if network is not model.body]
    below = [] if model.body is None else model.body.stages()[:-1]
    return [[*below, *head] for head in heads]


@dataclass(frozen=True)
class Deletion:
    """Probability of a class while pixels are replaced by the mean color of the image."""

    shares: Floats
    """[STEPS + 1] of deleted pixels, from 0 to 1."""
    by_map: Floats
    """[n, STEPS + 1] probabilities, the most important pixels first."""
    at_random: Floats
    """[n, STEPS + 1] the same in an order drawn at random."""

    @property
    def gains(self) -> Floats:
        """[n] area between the two curves: above 0 where the map names pixels that matter more than any others."""
        return np.asarray(np.trapezoid(self.at_random - self.by_map, self.shares, axis=1))


def deletion(
    model: KeptModel, images: NDArray[np.uint8], targets: NDArray[np.int64], maps: Floats, seed: int
) -> Deletion:
    """The deletion metric (Petsiuk et al., BMVC 2018) of `maps` [n, H, W], beside a random order of the pixels."""
    generator = np.random.default_rng(seed)
    draws = generator.random((len(maps), maps[0].size))
    flat = maps.reshape(len(maps), -1)
    # Among equal values of a map the order is random too.
    by_map = np.lexsort((draws, -flat), axis=1)
    return Deletion(
        np.linspace(0, 1, STEPS + 1),
        _curve(model, images, targets, by_map),
        _curve(model, images, targets, draws.argsort(axis=1)),
    )


def _curve(model: KeptModel, images: NDArray[np.uint8], targets: NDArray[np.int64], order: NDArray[np.intp]) -> Floats:
    """[n, STEPS + 1]; `order` [n, pixels] of deletion."""
    n, channels = len(images), images.shape[3]
    pixels = images.reshape(n, -1, channels).copy()
    means = np.rint(pixels.mean(axis=1, keepdims=True)).astype(np.uint8)
    ends = np.linspace(0, order.shape[1], STEPS + 1).round().astype(int)
    curve = np.empty((n, STEPS + 1))
    rows = np.arange(n)[:, None]
    for step, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        pixels[rows, order[:, start:end]] = means
        curve[:, step] = model.probabilities(pixels.reshape(images.shape))[np.arange(n), targets]
    return curve
