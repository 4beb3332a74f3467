"""Defaults, lengths of phases and memories are those of the papers and official codes."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark.registry import METHODS
from methods._card import Card
from methods.base import Method
from tests.golden.harness import make
from tests.methods.published import PUBLISHED

UNSTATED = Card().phases
"""What a card without phases says: one, of unknown length."""


def test_the_table_holds_every_method() -> None:
    assert set(PUBLISHED) == {entry.name for entry in METHODS.entries()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_defaults_are_the_published_settings(name: str) -> None:
    method: type[Method] = METHODS.load(name)
    published, given = PUBLISHED[name], method.Config()
    expected: dict[str, Any] = published.options | published.chosen | dict.fromkeys(published.by_rule)
    assert {option: getattr(given, option) for option in method.Config.model_fields} == {
        option: pytest.approx(value) if isinstance(value, (float, tuple)) else value
        for option, value in expected.items()
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_phases_last_as_long_as_published_in_epochs_and_steps(name: str) -> None:
    published, card = PUBLISHED[name], METHODS.load(name).card
    if card.phases == UNSTATED:
        assert not published.steps_per_epoch
        return
    epochs = published.phases | dict.fromkeys(published.in_steps_alone)
    assert {phase.name: phase.epochs for phase in card.phases} == epochs
    assert [phase.name for phase in card.phases] == list(epochs)
    steps = in_steps(name, published.phases) | published.in_steps_alone
    assert {phase.name: phase.steps for phase in card.phases} == steps
    assert {phase.name for phase in card.phases if phase.plain} == {*filter(None, [published.plain])}


@pytest.mark.parametrize("name", PUBLISHED)
def test_ramps_and_memories_last_as_long_as_published(name: str) -> None:
    published, card = PUBLISHED[name], METHODS.load(name).card
    assert {length.name: length.epochs for length in card.lengths} == published.lengths
    assert {length.name: length.steps for length in card.lengths} == in_steps(name, published.lengths)
    assert {memory.name: (memory.decay, memory.per) for memory in card.memories} == published.memories


def in_steps(name: str, epochs: dict[str, int]) -> dict[str, int | None]:
    published = PUBLISHED[name]
    per_epoch = published.steps_per_epoch
    counted = {part for part in epochs if per_epoch and part not in published.uncounted}
    return {part: length * (per_epoch or 0) if part in counted else None for part, length in epochs.items()}


PHASES: dict[str, tuple[int, dict[int, str]]] = {
    "dividemix": (300, {9: "warm-up", 10: "divide"}),
    "disc": (200, {19: "warm-up", 20: "select"}),
    "coteaching": (200, {9: "ramp", 10: "select"}),
    "coteaching_plus": (200, {19: "initial", 20: "disagreement"}),
    "codis": (200, {9: "ramp", 10: "select"}),
    "jocor": (200, {9: "ramp", 10: "select"}),
    "small_loss": (200, {9: "ramp", 10: "select"}),
    "plc": (180, {8: "warm-up", 9: "correct"}),
    "pes": (211, {24: "early", 25: "late stages", 31: "late stages", 32: "head", 36: "head", 37: "confident"}),
    "pes_semi": (305, {19: "early", 20: "head", 24: "head", 25: "mixmatch"}),
    "peer": (300, {19: "warmup", 20: "rise", 39: "rise", 40: "peer"}),
    "fine": (120, {39: "warm-up", 40: "select"}),
    "cores": (100, {9: "warmup", 10: "regularize", 30: "regularize", 31: "sieve"}),
    "cal": (165, {64: "peer", 65: "covariance"}),
    "joint_optimization": (320, {69: "given labels", 70: "pseudo labels", 199: "pseudo labels", 200: "retrain"}),
    "gce_truncated": (120, {39: "all samples", 40: "truncated"}),
    "nls": (220, {119: "warmup", 120: "smooth"}),
    "promix": (601, {9: "warm-up", 10: "select"}),
    "unicon": (350, {9: "warm-up", 10: "select"}),
    "t_revision": (400, {199: "reweight", 200: "revise"}),
}
"""Over the published number of epochs: the phase just before and after each change."""


def test_every_method_with_phases_is_followed_through_them() -> None:
    assert set(PHASES) == {entry.name for entry in METHODS.entries() if len(METHODS.load(entry.name).card.phases) > 1}


@pytest.mark.parametrize("name", PHASES)
def test_phases_change_at_the_published_epochs(name: str) -> None:
    epochs, expected = PHASES[name]
    method = make(METHODS.load(name), K=3, N=6, epochs=epochs)
    assert {epoch: method.phase(epoch) for epoch in expected} == expected


LENGTHS: dict[str, tuple[int, dict[str, int]]] = {
    "dividemix": (300, {"ramp": 16}),
    "pes_semi": (305, {"ramp": 16}),
    "unicon": (350, {"ramp": 16}),
    "promix": (601, {"ramp": 50}),
    "coteaching_plus": (200, {"ramp": 10}),
    "cores": (100, {"ramp": 30}),
    "aum": (300, {"margins": 150}),
}
"""Other lengths, over the published number of epochs."""


@pytest.mark.parametrize("name", LENGTHS)
def test_other_lengths_are_the_published_ones(name: str) -> None:
    epochs, expected = LENGTHS[name]
    schedule = make(METHODS.load(name), K=3, N=6, epochs=epochs).schedule
    assert {length: schedule.length(length) for length in expected} == expected


MEMORIES = {"elr": (120, 0.7), "elr_plus": (200, 0.7), "disc": (200, 0.99)}


@pytest.mark.parametrize("name", MEMORIES)
def test_memories_last_as_long_as_published(name: str) -> None:
    epochs, decay = MEMORIES[name]
    method = make(METHODS.load(name), K=3, N=6, epochs=epochs, steps_per_epoch=352)
    assert method.schedule.decay(method.card.memories[0].name) == decay
    if name == "elr_plus":
        assert method.schedule.decay("ema_decay") == 0.997


@pytest.mark.parametrize(
    ("name", "steps_per_epoch"), [("volminnet", 352), ("t_revision", 352), ("pes", 352), ("pes_semi", 390)]
)
def test_side_parameters_keep_their_learning_rate_in_a_run_of_the_published_length(
    name: str, steps_per_epoch: int
) -> None:
    card = METHODS.load(name).card
    epochs = sum(phase.epochs for phase in card.phases)
    schedule = make(METHODS.load(name), K=3, N=6, epochs=epochs, steps_per_epoch=steps_per_epoch).schedule
    assert [schedule.rate_factor(phase.name) for phase in card.phases if phase.steps] == pytest.approx(
        [1.0] * sum(phase.steps is not None for phase in card.phases), abs=0.003
    )
