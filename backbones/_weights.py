"""Weights files: read without running code from them, loaded only where they fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, FilePath
from safetensors.torch import load_file
from torch import Tensor, nn

from backbones.base import BackboneError


def _known(value: Any) -> Any:
    if isinstance(value, (str, Path)) and value != "imagenet" and not Path(value).is_file():
        raise ValueError(f'there is no file {str(value)!r}; expected a weights file, or "imagenet"')
    return value


Weights = Annotated[Literal["imagenet"] | FilePath | None, BeforeValidator(_known)]
"""Where a network starts: its published pretrained weights, a file, or a random initialization."""

SHOWN = 5
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".tar")
"""All but the first are read by torch.load, tensors only (`weights_only`)."""
NESTED = ("state_dict", "model", "model_state_dict", "network", "net")
"""Keys of training checkpoints."""
WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before the names."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a .safetensors, .pt or .pth file, on the CPU.

    A training checkpoint that keeps it under one of `NESTED` is read too, and names that all begin with one of
    `WRAPPERS` lose it. Raises BackboneError.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise BackboneError(f"weights file {path} ends in {path.suffix!r}; expected {', '.join(SUFFIXES)}")
    try:
        if kind == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the readers raise a dozen types for a damaged file
        reason = ": ".join(filter(None, [type(error).__name__, str(error).split("\n")[0][:200]]))
        raise BackboneError(
            f"weights file {path} cannot be read ({reason}); expected tensors by name, "
            "as torch.save(network.state_dict(), FILE) or safetensors write them"
        ) from error
    for key in NESTED:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not (isinstance(state, dict) and state and all(isinstance(value, Tensor) for value in state.values())):
        raise BackboneError(
            f"weights file {path} holds no state dict; expected tensors by name, "
            "as torch.save(network.state_dict(), FILE) writes them"
        )
    while prefix := next((wrapper for wrapper in WRAPPERS if all(name.startswith(wrapper) for name in state)), ""):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def input_channels(weights: Weights, state: dict[str, Tensor] | None, stem: str, channels: int) -> int:
    """Input channels of a network whose first convolution is `stem`, for images with `channels` channels.

    Pretrained networks expect colors and see a gray image in three equal channels: exactly what they were
    trained on, at the cost of two more input planes. A file trained on gray images keeps its one channel.
    """
    if weights is None:
        return channels
    first = (state or {}).get(f"{stem}.weight")
    return channels if first is not None and first.dim() == 4 and first.shape[1] == channels else 3


def load_weights(net: nn.Module, state: dict[str, Tensor], head: str, source: str) -> None:
    """Loads `state` into `net`; the layer `head` stays fresh where `state` lacks it or has other classes.

    Everything else must agree in name and shape. Raises BackboneError with the first tensors that do not.
    """
    expected = net.state_dict()
    in_head = {name for name in expected if name.startswith(f"{head}.")}
    problems = []
    for name, tensor in expected.items():
        loaded = state.get(name)
        if loaded is None:
            # Batch norm counters are absent from old files and unused with a fixed momentum.
            if name not in in_head and not name.endswith("num_batches_tracked"):
                problems.append(f"{name} {list(tensor.shape)} is missing")
        elif loaded.shape[name in in_head :] != tensor.shape[name in in_head :]:
            problems.append(f"{name} has shape {list(loaded.shape)}, expected {list(tensor.shape)}")
    problems += [
        f"{name} {list(state[name].shape)} is not expected"
        for name in state
        if name not in expected and not name.startswith(f"{head}.")
    ]
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise BackboneError(
            f"{source} do not fit this network: {'; '.join(problems[:SHOWN])}{more}. Expected the weights of "
            "the same network: choose the backbone (and stem) that they were trained with, or another file"
        )
    same_head = all(name in state and state[name].shape == expected[name].shape for name in in_head)
    loaded_names = expected.keys() & state.keys() if same_head else (expected.keys() & state.keys()) - in_head
    net.load_state_dict({name: state[name] for name in loaded_names}, strict=False)
