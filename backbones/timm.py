"""Every network of timm, as timm/NAME ("timm/tf_efficientnet_lite0", "timm/vit_tiny_patch16_224")."""

from __future__ import annotations

import difflib
import inspect
import math
from pathlib import Path
from typing import Any

import timm
import torch
from pydantic import Field
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn

from backbones._packages import Scaling, installed, offered, packaged, renamed
from backbones._weights import Weights, input_channels, load_weights, read_weights
from backbones.base import HALF, Backbone, BackboneError, Network

_STACKS = frozenset({"blocks", "stages", "layers"})
"""timm's names for the container of a network's blocks: each block is a stage of its own."""


class _TimmNetwork(Network):
    def __init__(self, net: Any, channels: int, amp: bool, scaling: Scaling, input_size: int | None) -> None:
        super().__init__(channels, *scaling, amp, input_size)
        self.net = net

    def embed(self, x: Tensor) -> Tensor:
        return self.net.forward_head(self.net.forward_features(x), pre_logits=True)

    def classify(self, z: Tensor) -> Tensor:
        return self.net.get_classifier()(z)

    def stages(self) -> list[nn.Module]:
        classifier = self.net.get_classifier()
        parts = [part for name, child in self.net.named_children() for part in _split(name, child, classifier)]
        loose = list(self.net.parameters(recurse=False))  # class tokens and position embeddings
        if loose:
            parts.insert(0, nn.ParameterList(loose))
        stages: list[nn.ModuleList] = []
        for part in parts:
            # A norm goes with what it follows.
            if stages and not any(weight.dim() > 1 for weight in part.parameters()):
                stages[-1].append(part)
            else:
                stages.append(nn.ModuleList([part]))
        return [*stages, classifier]


def _split(name: str, child: nn.Module, classifier: nn.Module) -> list[nn.Module]:
    """The parts of `child` that have parameters, without the classifier."""
    if child is classifier or not any(True for _ in child.parameters()):
        return []
    if name in _STACKS or any(module is classifier for module in child.modules()):
        return [part for key, inner in child.named_children() for part in _split(key, inner, classifier)]
    return [child]


class Timm(Backbone):
    """A network of timm; `weights` = "imagenet" takes an installed package's weights, else timm's own."""

    class Config(Backbone.Config):
        weights: Weights = None
        """ "imagenet" (an installed package with weights for the name, else what timm publishes under it), a
        file of timm's layout, or null."""
        input_size: int | None = Field(default=None, ge=8, le=1024)
        """Images are resized to this side inside the network (bilinear, antialiased); null: as they are. A network of
        one size only, such as a ViT, is built for this side, and its pretrained position embeddings are resampled."""

    @classmethod
    def settled(cls, cfg: Any, argument: str) -> Any:
        path = installed(argument) if cfg.weights == "imagenet" else None
        return cfg if path is None else cfg.model_copy(update={"weights": path})

    def network(self, channels: int, num_classes: int, image_size: int, amp: bool) -> Network:
        name, weights = self.argument, self.settled(self.cfg, self.argument).weights
        _check_name(name)
        state = read_weights(weights) if isinstance(weights, Path) else None
        package = packaged(weights) if isinstance(weights, Path) else None
        published = timm.get_pretrained_cfg(name)
        stem = published.first_conv if published is not None else None
        inputs = input_channels(weights, state, stem if isinstance(stem, str) else "", channels)
        net = self._sized(inputs, num_classes, weights)
        if not isinstance(net.get_classifier(), nn.Linear):
            raise BackboneError(
                f"timm/{name} does not end in one linear layer ({type(net.get_classifier()).__name__}), "
                "so its features cannot be separated from its classifier; choose another network"
            )
        scaling: Scaling = (HALF, HALF)
        if weights is not None:
            scaling = (net.pretrained_cfg["mean"], net.pretrained_cfg["std"])
        if state is not None and package is not None:
            state, scaling = renamed(state, net.state_dict()), package.scaling
        if state is not None:
            head = next(key for key, module in net.named_modules() if module is net.get_classifier())
            load_weights(net, _resampled(state, net), head, f"the weights {weights}")
        network = _TimmNetwork(net, inputs, amp, scaling, self.cfg.input_size)
        self._try(network, channels, image_size)
        return network

    def _sized(self, inputs: int, num_classes: int, weights: Weights) -> Any:
        """timm's network, built for `input_size` where it takes no other size than that which it was made for."""
        side, generator = self.cfg.input_size, torch.get_rng_state()
        net = self._create(inputs, num_classes, weights)
        if side is None or not _is_built_for_a_size(net) or _refusal(net, inputs, side) is None:
            return net
        patch = net.patch_embed.patch_size[0] if hasattr(net, "patch_embed") else 1
        if side % patch:
            below = side // patch * patch
            raise BackboneError(
                f"input_size = {side} is no multiple of the patches of timm/{self.argument}, {patch} pixels a side, so "
                f"that a margin of the images would be lost; set input_size = {below or patch} or {below + patch}"
            )
        torch.set_rng_state(generator)  # the weights of a network that is built once
        return self._create(inputs, num_classes, weights, img_size=side)

    def _create(self, inputs: int, num_classes: int, weights: Weights, **size: Any) -> Any:
        if weights != "imagenet":
            return timm.create_model(self.argument, in_chans=inputs, num_classes=num_classes, **size)
        try:
            return timm.create_model(self.argument, pretrained=True, in_chans=inputs, num_classes=num_classes, **size)
        except Exception as error:  # no network, a proxy's page, a full disk, no published weights
            published = timm.get_pretrained_cfg(self.argument)
            source = published.url if published is not None else ""
            if published is not None and published.hf_hub_id:
                source = f"https://huggingface.co/{published.hf_hub_id}/resolve/main/model.safetensors"
            if not source:
                raise BackboneError(
                    f"timm publishes no weights for {self.argument}; pass weights = FILE or weights = null"
                ) from error
            reason = str(error).split("\n")[0][:200]
            raise BackboneError(
                f"the pretrained weights of timm/{self.argument} could not be loaded "
                f"({type(error).__name__}: {reason}); download {source} and pass weights = FILE{offered(self.argument)}"
            ) from error

    def _try(self, network: _TimmNetwork, channels: int, image_size: int) -> None:
        """Raises BackboneError where the network does not take the images."""
        error = _refusal(network, channels, image_size)
        if error is not None:
            size = network.net.pretrained_cfg["input_size"][-1]
            other = ", or a smaller multiple of its patches" if _is_built_for_a_size(network.net) else ""
            reason = str(error).split("\n")[0][:200]
            raise BackboneError(
                f"timm/{self.argument} does not take images of {self.cfg.input_size or image_size} pixels "
                f"({reason}); it was made for {size}: set input_size = {size}{other}"
            ) from error


def _refusal(network: nn.Module, channels: int, side: int) -> Exception | None:
    """What the network raises at one image of `side` pixels in eval mode: some take one size only, by assertion."""
    network.eval()
    try:
        with torch.no_grad():
            network(torch.zeros(1, channels, side, side))
    except Exception as error:
        return error
    finally:
        network.train()
    return None


def _is_built_for_a_size(net: nn.Module) -> bool:
    return "img_size" in inspect.signature(type(net)).parameters


def _resampled(state: dict[str, Tensor], net: Any) -> dict[str, Tensor]:
    """`state` with position embeddings [1, prefix + h * w, C] of a square grid resampled to the grid of `net`."""
    given, own = state.get("pos_embed"), getattr(net, "pos_embed", None)
    if given is None or own is None or given.shape == own.shape or given.dim() != 3 or not hasattr(net, "patch_embed"):
        return state
    prefix = 0 if getattr(net, "no_embed_class", False) else getattr(net, "num_prefix_tokens", 0)
    if math.isqrt(given.shape[1] - prefix) ** 2 != given.shape[1] - prefix:
        return state  # loading then refuses it by name
    grid = list(net.patch_embed.grid_size)
    return state | {"pos_embed": resample_abs_pos_embed(given, grid, num_prefix_tokens=prefix)}


def _check_name(name: str) -> None:
    if name and timm.is_model(name.partition(".")[0]):
        return
    near = difflib.get_close_matches(name, timm.list_models(), n=3)
    hint = f"did you mean {', '.join(f'timm/{other}' for other in near)}?" if near else "as in timm/resnet18"
    raise BackboneError(f"timm has no network {name!r}; {hint} (timm.list_models() lists them all)")
