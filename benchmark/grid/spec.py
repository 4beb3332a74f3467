"""The identity of a run: every choice that may change its numbers, and nothing else.

A `RunSpec` holds no path, device, worker count or executor. Files enter by their content digest. Adding a field
changes every run id: a test lists the fields, so that none is added by accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from backbones.settings import Settings
from benchmark.store.content import id_of

PROTOCOL = 3
"""Bump when the engine changes what a number means (evaluation, splits, seeding, estimator)."""

LARGEST_LR = 10

Track = Literal["blind", "oracle"]


class Augment(Settings):
    """Per-sample training augmentation."""

    flip: bool = False
    """Mirror left-right with probability one half."""
    rotate: float = Field(0.0, ge=0, le=180)
    """Largest rotation in degrees, uniform in both directions."""
    crop: bool = False
    """Shift by up to an eighth of the side, 4 px of 32, and fill with black (He et al., CVPR 2016, on CIFAR)."""
    strong: bool = False
    """Two random operations on shape, brightness or color (RandAugment, Cubuk et al., NeurIPS 2020)."""

    @property
    def active(self) -> bool:
        """Whether images change at all."""
        return self.flip or self.rotate > 0 or self.crop or self.strong


class Recipe(Settings):
    """How all methods of a comparison train."""

    epochs: int = Field(10, ge=1, le=10_000)
    batch_size: int = Field(128, ge=2, le=65_536)
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = Field(1e-3, gt=0, le=LARGEST_LR)
    weight_decay: float = Field(0.0, ge=0, le=1)
    momentum: float = Field(0.9, ge=0, lt=1)
    """Of SGD; Adam keeps its (.9, .999)."""
    schedule: Literal["constant", "cosine", "multistep"] = "constant"
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.75)
    """Fractions of the epochs at which `multistep` multiplies the learning rate by `gamma`."""
    gamma: float = Field(0.1, gt=0, le=1)
    clip: float | None = Field(None, gt=0)
    """Largest gradient norm; none by default."""
    augment: Augment | None = None
    """None: the data set's own default, which is written into the resolved run."""
    precision: Literal["amp", "float32"] = "amp"
    """`amp`: bfloat16 autocast on CUDA, float32 on the CPU; losses are float32 in both."""

    def changed(self, changes: Mapping[str, Any]) -> Recipe:
        """This recipe with other values, those of `augment` one by one. Raises pydantic's ValidationError."""
        return type(self).model_validate(_merged(self.model_dump(), changes))


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    inner = {key: _merged(values.get(key) or {}, value) for key, value in changes.items() if isinstance(value, Mapping)}
    return {**values, **changes, **inner}


class Seeds(Settings):
    """One seed per source of randomness, so that comparisons are paired."""

    noise: int = Field(ge=0)
    init: int = Field(ge=0)
    order: int = Field(ge=0)
    method: int = Field(ge=0)

    @classmethod
    def equal(cls, seed: int) -> Seeds:
        return cls(noise=seed, init=seed, order=seed, method=seed)


class Part(Settings):
    """A plugin with its whole configuration."""

    name: str
    version: int
    config: dict[str, Any] = {}
    source: str | None = None
    """Content digest of a plugin that comes from outside the tree."""


class MethodPart(Part):
    added_later: ClassVar[frozenset[str]] = frozenset({"tuned", "clean_set"})

    recipe: dict[str, Any] = {}
    """Fields in which the method's recipe differs from that of the comparison, those of `augment` in a mapping."""
    tuned: int | None = None
    """Number of configurations that this one was chosen from."""
    clean_set: int | None = Field(None, ge=2)
    """Number of training images that the method gets with their true labels instead of training on them as the others
    do; None where it needs none."""


class ContentPart(Part):
    digest: str
    """Content digest of the data."""


class DataPart(ContentPart):
    added_later: ClassVar[frozenset[str]] = frozenset({"labels"})

    subset: int | None = Field(None, ge=2)
    """Size of a stratified subset of the training set, taken after the noise was drawn."""
    extra_tests: dict[str, ContentPart] = {}
    """Further test sets by name."""
    labels: str | None = None
    """Content digest of a file of labels that replace those of the data."""


class NoisePart(Part):
    added_later: ClassVar[frozenset[str]] = frozenset({"outside"})

    clean_classifier: str | None = None
    """Content digest of a clean classifier's probabilities, where the noise is made from them."""
    outside: str | None = None
    """Content digest of the data set that the noise takes images from, where it does."""


class RunSpec(Settings):
    """One run, resolved."""

    protocol: int = PROTOCOL
    track: Track = "blind"
    """`oracle` only where the method consumes a hint: for the others both tracks are the same run."""
    dataset: DataPart
    noise: NoisePart
    backbone: Part
    method: MethodPart
    recipe: Recipe
    """That of the comparison: see `training`."""
    seeds: Seeds

    @property
    def training(self) -> Recipe:
        """The recipe that the run trains with."""
        return self.recipe.changed(self.method.recipe) if self.method.recipe else self.recipe

    @cached_property
    def id(self) -> str:
        return id_of(self.model_dump(mode="json"))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("id", None)  # of the original
        return copy
