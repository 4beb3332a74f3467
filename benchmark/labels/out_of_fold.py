"""Out-of-fold predictions: those of each sample come from a network that was trained without it."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmark.grid.spec import Recipe, Seeds
from benchmark.noise.rate_estimate import HeldOut
from benchmark.runs.assemble import Network
from benchmark.runs.frozen_features import FeatureSource
from benchmark.runs.held_out import by_networks
from benchmark.runs.prepare import LabelledSet
from benchmark.training.samples import Images, Samples


def out_of_fold(
    network: Network,
    part: LabelledSet,
    num_classes: int,
    recipe: Recipe,
    seeds: Seeds,
    *,
    folds: int,
    cache: Path,
    device: torch.device,
    threads: int = 1,
) -> HeldOut:
    """Predictions of the n samples of `part` by networks that were fitted without them.

    `cache` keeps the features of a frozen network. Sets torch's number of threads.
    """
    torch.set_num_threads(threads)
    samples: Samples
    if network.backbone.frozen:
        samples = FeatureSource(network.backbone, network.part, recipe, part, cache, device).train
    else:
        samples = Images(part.images, device)
    kit = network.session(samples, part.noisy, num_classes, recipe, seeds).kit()
    return by_networks(kit, folds, "suspects", seeds.order)
