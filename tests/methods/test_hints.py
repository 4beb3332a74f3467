"""`requires(config)` names exactly the hints that a method reads with that configuration."""

from __future__ import annotations

import itertools
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import pytest
import torch

from benchmark.registry import METHODS
from methods import small_loss
from methods.base import HINT_NAMES, Hints, Method
from methods.coteaching import Coteaching
from methods.forward import Forward
from tests.golden.harness import TinyData, make

NAMES = [entry.name for entry in METHODS.entries() if not METHODS.load(entry.name).card.images_only]
"""Those of images only train too long for all of their options to be tried on data as small as these."""
CLASSES, SAMPLES, EPOCHS = 3, 24, 8


class HintRead(AssertionError):
    """A hint was read that the configuration does not name."""


class WatchedHints(Hints):
    """Gives the hints `allowed` and keeps which were read; reading another one raises."""

    def __init__(self, allowed: frozenset[str]) -> None:
        clean = TinyData(torch.randn(6, 4, dtype=torch.float64), torch.arange(6) % CLASSES, CLASSES)
        soft = torch.full((SAMPLES, CLASSES), 1 / CLASSES)
        super().__init__(0.3, torch.full((CLASSES, CLASSES), 0.1) + 0.7 * torch.eye(CLASSES), clean, soft)
        object.__setattr__(self, "allowed", allowed)
        object.__setattr__(self, "read", set())

    def _give(self, name: str, value: Any) -> Any:
        if name not in self.allowed:  # type: ignore[attr-defined]
            raise HintRead(name)
        self.read.add(name)  # type: ignore[attr-defined]
        return value

    @property
    def noise_rate(self) -> float:
        return self._give("noise_rate", self.given_noise_rate)

    @property
    def transition(self) -> torch.Tensor:
        return self._give("transition", self.given_transition)

    @property
    def clean_set(self) -> TinyData:
        return self._give("clean_set", self.given_clean_set)

    @property
    def soft_labels(self) -> torch.Tensor:
        return self._give("soft_labels", self.given_soft_labels)


def choices(annotation: Any) -> list[Any]:
    """Values of an option that may decide what a method reads: all of a literal, both booleans, null and a number."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if annotation is bool:
        return [False, True]
    if get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation):
        return [None, 0.2 if float in get_args(annotation) else 2]
    return []


def configurations(plugin: type[Method]) -> Iterator[dict[str, Any]]:
    """All combinations of the options that may decide what a method reads; numbers stay at their defaults."""
    fields = {name: choices(field.annotation) for name, field in plugin.Config.model_fields.items()}
    varied = {name: values for name, values in fields.items() if values}
    if "percentile" in varied:
        varied["percentile"] = [None, 97.0]
    for values in itertools.product(*varied.values()):
        yield dict(zip(varied, values, strict=True))


def consumed(plugin: type[Method], options: dict[str, Any], allowed: frozenset[str]) -> frozenset[str]:
    """The hints that a training reads, through all phases."""
    torch.manual_seed(0)
    x, y = torch.randn(SAMPLES, 4, dtype=torch.float64), torch.arange(SAMPLES) % CLASSES
    probabilities = (torch.randn(SAMPLES, CLASSES) + 2 * torch.eye(CLASSES)[y]).softmax(1).double()
    hints, data = WatchedHints(allowed), TinyData(x, y, CLASSES)
    method = make(plugin, options, K=CLASSES, N=SAMPLES, epochs=EPOCHS, hints=hints, probabilities=probabilities)
    for epoch in range(EPOCHS):
        method.epoch = epoch
        method.train()
        for batch in method.plan(epoch, data):
            method.step(batch)
    method.eval().predict(x)
    return frozenset(hints.read)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_requires_names_exactly_what_the_configuration_reads(name: str) -> None:
    plugin = METHODS.load(name)
    for options in configurations(plugin):
        required = plugin.requires(plugin.Config.model_validate(options))
        assert required <= HINT_NAMES
        assert consumed(plugin, options, required) == required, options
    assert plugin.requires(plugin.Config()) == frozenset(plugin.card.needs), "the card states the default's needs"


def test_a_rate_that_is_stated_is_not_asked_for_and_a_given_matrix_is() -> None:
    assert Coteaching.requires(Coteaching.Config(forget_rate=0.2)) == frozenset()
    assert Coteaching.requires(Coteaching.Config(forget_rate=0.0)) == frozenset()
    assert Forward.requires(Forward.Config(estimate="oracle")) == {"transition"}
    assert len(list(configurations(Forward))) == 8
    assert {"forget_rate": None, "ramp": None} in list(configurations(small_loss.SmallLossControl))


def test_reading_what_is_not_named_is_noticed() -> None:
    class Peeks(Method):
        def plan(self, epoch: int, data: Any) -> Any:
            assert self.kit.hints.noise_rate > 0
            return data.batches()

    with pytest.raises(HintRead, match="noise_rate"):
        consumed(Peeks, {}, frozenset())
