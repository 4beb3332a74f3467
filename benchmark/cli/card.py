"""The card of a method as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from methods.base import Card, Length, Phase


def facts(card: Card) -> dict[str, str]:
    """Heading -> fact, in the order in which a reader wants them; what is unknown is left out."""
    by_heading = {
        "paper": f"{card.title}. {card.authors}. {card.venue} {card.year}" if card.title else "",
        "link": card.link,
        "official code": card.code,
        "family": card.family,
        "needs": ", ".join(card.needs) or "nothing",
        "cost": f"{card.cost:g}x" + (f" ({card.cost_note})" if card.cost_note else ""),
        "networks at test": str(card.networks_at_test),
        "tasks": ", ".join(card.tasks),
        "inputs": _inputs(card),
        "classes": f"{card.min_classes} or more",
        "phases": ", ".join(map(_length, card.phases)),
        "lengths": ", ".join(map(_length, card.lengths)),
        "memories": ", ".join(f"{m.name} (officially decay {m.decay:g} per {m.per})" for m in card.memories),
        "state": card.state,
        "as published": card.official,
        "deviations": card.deviations,
        "fidelity": card.fidelity,
        "proof": card.proof,
        "no better than ce under noise": card.under_noise,
        "may equal ce": card.equals_ce,
        "reproduction": card.reproduction,
    }
    return {heading: fact for heading, fact in by_heading.items() if fact}


def _inputs(card: Card) -> str:
    """What it is trained on, where that is not both; empty elsewhere."""
    if card.frozen:
        return "features of a frozen backbone only"
    return "images only" if card.images_only else ""


def _length(fact: Phase | Length) -> str:
    """The name of a phase or another length, with its official length where that is known."""
    lengths = {"epochs": fact.epochs, "steps": fact.steps}
    known = ", ".join(f"{number:,} {unit}" for unit, number in lengths.items() if number is not None)
    return f"{fact.name} (officially {known})" if known else fact.name
