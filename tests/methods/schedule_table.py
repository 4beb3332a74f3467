"""Writes the tables of docs/schedules.md: run it after an official length on a card has changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from benchmark.registry import METHODS
from methods import Card
from methods.base import Schedule

PAGE = Path(__file__).parents[2] / "docs" / "schedules.md"
RUNS = (5, 12, 30, 100)
"""Epochs."""
SETS = {"digits, batches of 64": 20, "12,000 images, batches of 128": 94}
"""Steps per epoch."""
TABLES = re.compile(r"(?<=<!-- tables -->\n).*(?=<!-- end -->)", re.DOTALL)


def cards() -> dict[str, Card]:
    return {entry.name: METHODS.load(entry.name).card for entry in METHODS.entries()}


def per_set(value: Iterator[str]) -> str:
    """The values on both data sets, or the one where they agree."""
    return " / ".join(dict.fromkeys(value))


def lengths_of(card: Card, epochs: int, steps: int) -> str:
    """Such as "4 + 8; ramp 4": epochs of the phases, then the other lengths."""
    schedule = Schedule(card, epochs, steps)
    bounds = (0, *schedule.starts(), epochs)
    phases = " + ".join(str(end - start) for start, end in pairwise(bounds))
    return "; ".join([phases, *(f"{length.name} {schedule.length(length.name)}" for length in card.lengths)])


def markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows)) + "\n"


def tables() -> str:
    phased = {name: card for name, card in cards().items() if len(card.phases) > 1 or card.lengths}
    whole = [
        (
            f"`{name}`",
            ", ".join(phase.name for phase in card.phases),
            " + ".join("?" if phase.epochs is None else str(phase.epochs) for phase in card.phases),
            *(per_set(lengths_of(card, epochs, steps) for steps in SETS.values()) for epochs in RUNS),
        )
        for name, card in phased.items()
    ]
    memories = [
        (
            f"`{name}`",
            f"{memory.name}, per {memory.per}",
            f"{memory.decay:g}",
            *(
                per_set(f"{Schedule(card, epochs, steps).decay(memory.name):.3g}" for steps in SETS.values())
                for epochs in RUNS
            ),
        )
        for name, card in cards().items()
        for memory in card.memories
    ]
    head = tuple(f"{epochs} epochs" for epochs in RUNS)
    return (
        "\n"
        + markdown(("method", "phases", "official epochs", *head), whole)
        + "\n"
        + markdown(("method", "memory", "official decay", *head), memories)
    )


if __name__ == "__main__":
    PAGE.write_text(TABLES.sub(lambda _: tables(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
