"""Backbones: the networks that methods train, one family per file; what an author needs is imported from here."""

from backbones.base import Backbone, BackboneError, Network, Settings

__all__ = ["Backbone", "BackboneError", "Network", "Settings"]
