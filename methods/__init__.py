"""Methods of learning with noisy labels, one file each; what an author needs is imported from here."""

from pydantic import Field

from backbones.settings import Settings
from methods._card import Card, Length, Memory, Phase, Search
from methods.base import Batch, Generative, Hints, Kit, Method, MissingHint, TrainSet, accuracy

__all__ = [
    "Batch",
    "Card",
    "Field",
    "Generative",
    "Hints",
    "Kit",
    "Length",
    "Memory",
    "Method",
    "MissingHint",
    "Phase",
    "Search",
    "Settings",
    "TrainSet",
    "accuracy",
]
