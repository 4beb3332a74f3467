"""The schedule rule: from the lengths in a paper's experiment to those of a run.

Papers train for 100 to 400 epochs of some 400 steps, runs here often for 5 to 100 epochs of fewer steps. The rule,
the same for all methods:

1. Lengths (warm-ups, ramps, stages before the last phase). In a run of E epochs:
       max(share * E, min(official epochs, official steps / own steps per epoch, E / 3)),
   share = official epochs / official total, rounded, at least 1. In words: as many epochs or as many steps as in the
   paper, whichever comes first, but at most a third of the run, and never less than the official share of it. Where
   several phases precede the last one, this is their total; it is divided in official proportion, at least one
   epoch each, and one is left to the last phase. What is trained beside the run, such as a GAN before its first epoch,
   takes no epoch from it: instead of a third, the card gives the largest part (`Length.largest`).
2. Memories (exponential averages with decay d): the time constant 1 / (1 - d), in steps or epochs, follows 1.
3. Side parameters with an optimizer of their own: learning rate * official updates / own updates, at least 1 and at
   most `LARGEST_FACTOR`.
Periods (a selection every ten epochs) and windows (a mean over the predictions of the last epochs) stay official
shares of the run (`Kit.schedule`): they say how often and how far back, not how much training something needs. A
window by rule 1 averages over epochs in which a short run learns most of what it learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from methods._card import Card, Length, Memory, Phase

Named = TypeVar("Named", Phase, Length, Memory)

LARGEST_PART = 1 / 3
"""Of a run, for lengths whose official share is smaller."""
LARGEST_FACTOR = 1000.0
"""Of the learning rate of a side parameter: on digits the late parts of PES still learn at 1000, no more at 10,000."""


@dataclass(frozen=True)
class Schedule:
    """The official lengths on `card` in a run of `epochs` epochs of `steps_per_epoch` batches.

    Where an option gives a length instead, it is the fraction `given` of the epochs: at least one epoch, or none for 0.
    """

    card: Card
    epochs: int
    steps_per_epoch: int

    def starts(self, *given: float | None) -> tuple[int, ...]:
        """First epochs of the phases after the first, in order; `given` are the lengths of the first phases."""
        phases = self.card.phases[:-1]
        chosen = (*given, *[None] * (len(phases) - len(given)))
        by_rule = self._lengths(phases) if None in chosen else (0,) * len(phases)
        starts, at = [], 0
        for fraction, own in zip(chosen, by_rule, strict=True):
            at += own if fraction is None else self._fraction(fraction)
            starts.append(at)
        return tuple(starts)

    def length(self, name: str, given: float | None = None) -> int:
        """Epochs of the card's length `name`."""
        if given is not None:
            return self._fraction(given)
        length = self._named(self.card.lengths, name)
        return max(1, round(self._own(_epochs(length), length.steps, length.largest or LARGEST_PART)))

    def decay(self, name: str, given: float | None = None) -> float:
        """Decay of the card's memory `name`; `given` is taken as it is."""
        if given is not None:
            return given
        memory = self._named(self.card.memories, name)
        official = 1 / (1 - memory.decay)
        per_epoch = memory.per == "epoch"
        total = self._total("epochs" if per_epoch else "steps")
        run = self.epochs if per_epoch else self.epochs * self.steps_per_epoch
        own = max(official / total * run if total else 0.0, min(official, run * LARGEST_PART), 1.0)
        return memory.decay if own == official else 1 - 1 / own

    def rate_factor(self, name: str, *given: float | None) -> float:
        """What the learning rate of a parameter that is trained in the phase `name` is multiplied with.

        `given` as in `starts`.
        """
        phase = self._named(self.card.phases, name)
        bounds = (0, *self.starts(*given), self.epochs)
        place = self.card.phases.index(phase)
        own = max(1, bounds[place + 1] - bounds[place]) * self.steps_per_epoch
        if phase.steps is None:
            raise ValueError(f"the phase {name!r} has no official steps: write Phase({name!r}, steps=...) on the card")
        return min(max(1.0, phase.steps / own), LARGEST_FACTOR)

    def _lengths(self, phases: Sequence[Phase]) -> tuple[int, ...]:
        """Own epochs of `phases`, which precede the last one."""
        if not phases:
            return ()
        official = tuple(_epochs(phase) for phase in phases)
        steps = [phase.steps for phase in phases if phase.steps is not None]
        total = self._own(sum(official), sum(steps) if len(steps) == len(phases) else None)
        return divided(official, min(round(total), self.epochs - 1))

    def _own(self, epochs: float, steps: int | None, largest: float = LARGEST_PART) -> float:
        """Rule 1 for an official length, in epochs, not rounded; `largest` is the part of the run that caps it."""
        total = self._total("epochs")
        share = epochs / total if total else 0.0
        by_steps = [steps / self.steps_per_epoch] if steps is not None else []
        return max(share * self.epochs, min(epochs, *by_steps, self.epochs * largest))

    def _total(self, unit: str) -> int | None:
        """Official length of the whole training; None where that of a phase is not known."""
        lengths = [getattr(phase, unit) for phase in self.card.phases]
        return None if None in lengths else sum(lengths)

    def _fraction(self, fraction: float) -> int:
        return max(1, round(fraction * self.epochs)) if fraction else 0

    @staticmethod
    def _named(facts: Sequence[Named], name: str) -> Named:
        for fact in facts:
            if fact.name == name:
                return fact
        raise ValueError(f"the card names no {name!r}; it names {', '.join(fact.name for fact in facts) or 'nothing'}")


@cache
def divided(official: tuple[int, ...], total: int) -> tuple[int, ...]:
    """`total` epochs in the proportion of the `official` ones, at least one each.

    They are dealt one by one to whoever lacks most (Webster's method): unlike with largest remainders, no part
    becomes shorter where the total grows.
    """
    own = [1] * len(official)
    for _ in range(total - len(own)):
        neediest = max(range(len(own)), key=lambda place: official[place] / (own[place] + 0.5))
        own[neediest] += 1
    return tuple(own)


def _epochs(fact: Phase | Length) -> int:
    if fact.epochs is None:
        raise ValueError(
            f"the schedule rule needs the official epochs of {fact.name!r}: write "
            f"{type(fact).__name__}({fact.name!r}, epochs=...) on the card, or override `phase`"
        )
    return fact.epochs
