"""Grad-CAM (Selvaraju et al., ICCV 2017) of kept models, by captum, and the layer that it is taken at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.base import Network
from benchmark.errors import pip_install
from benchmark.runs.kept_model import KeptModel, ModelError

SMALLEST_MAP = 4
"""Fewest cells a side of the maps of a layer."""
BATCH = 64


class Maps:
    """Grad-CAM of one model. Of several networks that predict together the maps are added before they are scaled."""

    def __init__(self, model: KeptModel, example: np.ndarray) -> None:
        """`example` [1, H, W, C] uint8 shows which layers have maps. Raises ModelError where none has."""
        self.model = model
        found = _layers(model, model.inputs(example).slice(0, 1))
        self.layers = [layer for layer, _ in found]
        self.cells = max(side for _, side in found)
        """A side of the largest map, before it is enlarged to the image."""

    def of(self, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """[n, H, W] float64 in [0, 1] of `images` [n, H, W, C] uint8: what speaks for the classes `targets` [n].

        A map is scaled by its largest value. It is 0 everywhere where nothing in the layer speaks for the class.
        """
        samples, found = self.model.inputs(images), []
        for start in range(0, len(images), BATCH):
            x = samples.slice(start, start + BATCH)
            found.append(self._of(x, torch.from_numpy(targets[start : start + BATCH]).to(x.device)).cpu().numpy())
        return np.concatenate(found).astype(np.float64)

    def _of(self, x: Tensor, targets: Tensor) -> Tensor:
        LayerGradCam = _captum().LayerGradCam

        total = torch.zeros(len(x), *x.shape[2:], device=x.device)
        for layer in self.layers:
            maps = LayerGradCam(self.model, layer).attribute(x, target=targets, relu_attributions=True).detach()
            total += F.interpolate(maps, size=x.shape[2:], mode="bilinear", align_corners=False)[:, 0]
        highest = total.amax((1, 2), keepdim=True)
        return total / torch.where(highest > 0, highest, 1.0)


def _captum() -> Any:
    try:
        import captum.attr
    except ImportError as error:
        raise ModelError(
            f"maps need the package captum ({error}); type {pip_install('noisybench[explain]')}"
        ) from error
    return captum.attr


def _layers(model: KeptModel, x: Tensor) -> list[tuple[nn.Module, int]]:
    """Per network that predicts, its last part whose maps have at least SMALLEST_MAP cells a side, and how many."""
    layers: list[tuple[nn.Module, int]] = []
    with _watching(model) as called, torch.no_grad():
        model(x)
    for network in dict.fromkeys(call.network for call in called):
        maps = [call for call in called if call.network is network and len(call.shape) == 4]
        if maps and not _is_convolutional(maps[-1].stage):
            continue  # such as the blocks of a Swin transformer, which keep the channels last
        large = [(call.part, min(call.shape[2:])) for call in maps if min(call.shape[2:]) >= SMALLEST_MAP]
        layers += large[-1:]
    if not layers:
        raise ModelError(
            "the network has no convolutional layer whose maps have at least "
            f"{SMALLEST_MAP}x{SMALLEST_MAP} cells (transformers have none at all), so Grad-CAM shows nothing of it; "
            "expected a convolutional backbone, such as a ResNet, or larger images (input_size of many backbones)"
        )
    return layers


def _is_convolutional(stage: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d) for module in stage.modules())


@dataclass(frozen=True)
class _Call:
    """A call of a part of a stage of a network: a stage may be a list of modules."""

    network: Network
    stage: nn.Module
    part: nn.Module
    shape: torch.Size
    """Of what it gave."""


@contextmanager
def _watching(model: KeptModel) -> Iterator[list[_Call]]:
    """Collects the calls of all parts, in their order."""
    called: list[_Call] = []

    def hook(network: Network, stage: nn.Module) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda part, _, output: called.append(_Call(network, stage, part, output.shape))

    handles = [
        part.register_forward_hook(hook(network, stage))
        for network in networks(model)
        for stage in network.stages()
        for part in _parts(stage)
    ]
    try:
        yield called
    finally:
        for handle in handles:
            handle.remove()


def networks(model: KeptModel) -> list[Network]:
    return [module for module in model.modules() if isinstance(module, Network)]


def _parts(stage: nn.Module) -> Iterator[nn.Module]:
    if isinstance(stage, nn.ModuleList):
        for inner in stage:
            yield from _parts(inner)
    else:
        yield stage
