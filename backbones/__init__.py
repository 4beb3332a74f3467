"""Image networks, one file per family; what an author needs is imported from here.

Names are looked up when they are used: `backbones.settings` also serves modules that must not import torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backbones.base import Backbone, BackboneError, Network
    from backbones.settings import Settings

__all__ = ["Backbone", "BackboneError", "Network", "Settings"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'backbones' has no attribute {name!r}")
    from backbones import base

    return getattr(base, name)
