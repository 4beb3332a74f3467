"""The schedule rule: lengths, memories and learning rates of a run from the official ones."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods import Card, Length, Memory, Method, Phase
from methods._schedule import Schedule, divided
from tests.golden.harness import make
from tests.methods.schedule_table import PAGE, TABLES, tables

epochs = st.integers(1, 400)
per_epoch = st.integers(1, 800)
lengths = st.builds(lambda e, s: (e, s), st.integers(1, 200), st.none() | st.integers(1, 100_000))
cards = st.builds(
    lambda parts, other, decay: Card(
        phases=tuple(Phase(f"p{n}", epochs=e, steps=s) for n, (e, s) in enumerate(parts)),
        lengths=(Length("ramp", *other),),
        memories=(Memory("slow", decay, "epoch"), Memory("fast", decay, "step")),
    ),
    st.lists(lengths, min_size=1, max_size=4),
    lengths,
    st.floats(0, 0.9999),
)


@given(cards, epochs, per_epoch)
def test_no_phase_starts_later_or_is_longer_in_a_shorter_run(card: Card, run: int, steps: int) -> None:
    shorter, longer = (Schedule(card, length, steps) for length in (run, run + 1))
    before, after = (0, *shorter.starts()), (0, *longer.starts())
    own, grown = ([end - start for start, end in pairwise(starts)] for starts in (before, after))
    assert all(one <= other for one, other in zip(own, grown, strict=True))
    assert shorter.length("ramp") <= longer.length("ramp")
    assert all(shorter.decay(memory.name) <= longer.decay(memory.name) + 1e-12 for memory in card.memories)


@given(cards, epochs, per_epoch)
def test_what_precedes_the_last_phase_has_its_share_and_at_most_a_third_unless_the_share_is_more(
    card: Card, run: int, steps: int
) -> None:
    before = sum(phase.epochs or 0 for phase in card.phases[:-1])
    share = before / sum(phase.epochs or 0 for phase in card.phases) * run
    total = (0, *Schedule(card, run, steps).starts())[-1]
    smallest = len(card.phases) - 1
    assert total >= min(round(share), run - 1)
    assert total <= max(round(share), round(run / 3), smallest)
    assert total <= max(round(share), before, smallest)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=5).map(tuple), st.integers(1, 400))
def test_divided_epochs_sum_up_to_the_total_with_at_least_one_each(official: tuple[int, ...], total: int) -> None:
    own = divided(official, total)
    assert sum(own) == max(total, len(official))
    assert min(own) >= 1
    assert divided(official, sum(official)) == official
    grown = divided(official, total + 1)
    assert all(one <= other for one, other in zip(own, grown, strict=True))


@given(cards, epochs, per_epoch)
def test_every_phase_is_entered_in_a_run_that_has_an_epoch_for_each(card: Card, run: int, steps: int) -> None:
    entered = {sum(epoch >= start for start in Schedule(card, run, steps).starts()) for epoch in range(run)}
    assert entered == set(range(len(card.phases))) or run < len(card.phases)


@given(cards, per_epoch)
def test_a_run_of_the_official_length_with_no_more_steps_has_the_official_phases(card: Card, steps: int) -> None:
    official = [phase.epochs or 0 for phase in card.phases]
    starts = Schedule(card, sum(official), steps).starts()
    assert list(starts) == [sum(official[: n + 1]) for n in range(len(official) - 1)]


@pytest.mark.parametrize(
    ("run", "steps", "expected"),
    [
        (12, 20, 4),  # a third of the run
        (30, 20, 10),  # the official epochs
        (100, 20, 10),
        (100, 1000, 4),  # the official steps
        (300, 1000, 10),  # the official share
        (2, 20, 1),
        (1, 20, 1),
    ],
)
def test_a_warm_up_of_10_of_300_epochs_and_3910_steps(run: int, steps: int, expected: int) -> None:
    card = Card(phases=(Phase("warm-up", epochs=10, steps=3910), Phase("divide", epochs=290)))
    assert Schedule(card, run, steps).starts() == (expected,)


@pytest.mark.parametrize(("steps", "epochs"), [(1, 30), (2, 24), (3, 16), (6, 8)])
def test_official_steps_take_as_many_epochs_as_the_run_needs_for_them(steps: int, epochs: int) -> None:
    card = Card(
        phases=(Phase("warm-up", epochs=40, steps=48), Phase("late", epochs=760)), lengths=(Length("r", 40, 48),)
    )
    schedule = Schedule(card, 90, steps)
    assert schedule.starts() == (epochs,)  # 48 / steps, and at most a third of the run
    assert schedule.length("r") == epochs


def test_a_given_fraction_is_taken_as_it_is() -> None:
    card = Card(
        phases=(Phase("a", epochs=10), Phase("b", epochs=10), Phase("c", epochs=180)), lengths=(Length("r", 1),)
    )
    schedule = Schedule(card, 20, 50)
    assert schedule.starts() == (4, 7)
    assert schedule.starts(0.5) == (10, 10 + schedule.starts()[1] - schedule.starts()[0])
    assert schedule.starts(0.5, 0.01) == (10, 11)
    assert schedule.starts(0.0, 0.25) == (0, 5)
    assert schedule.length("r", 0.5) == 10
    assert Schedule(Card(memories=(Memory("m", 0.9),)), 20, 50).decay("m", 0.3) == 0.3


def test_what_is_trained_beside_the_run_may_be_longer_than_it_up_to_the_official_length() -> None:
    card = Card(lengths=(Length("gan", epochs=640, largest=2.0), Length("ramp", epochs=640)))
    assert [Schedule(card, run, 20).length("gan") for run in (1, 12, 320, 500)] == [2, 24, 640, 640]
    assert [Schedule(card, run, 20).length("ramp") for run in (1, 12, 300, 3000)] == [1, 4, 100, 640]
    assert Schedule(card, 12, 20).length("gan", 5.0) == 60


def test_a_memory_spans_at_most_a_third_of_the_run() -> None:
    card = Card(
        phases=(Phase("train", epochs=200, steps=70_400),), memories=(Memory("a", 0.7, "epoch"), Memory("b", 0.997))
    )
    assert Schedule(card, 12, 20).decay("a") == 0.7
    assert Schedule(card, 6, 20).decay("a") == pytest.approx(0.5)
    assert Schedule(card, 1, 20).decay("a") == 0.0
    assert Schedule(card, 12, 20).decay("b") == pytest.approx(1 - 1 / 80)
    assert Schedule(card, 60, 20).decay("b") == 0.997


@given(epochs, per_epoch)
def test_a_learning_rate_grows_by_the_missing_steps_up_to_the_largest_factor(run: int, steps: int) -> None:
    card = Card(phases=(Phase("first", epochs=100, steps=10_000), Phase("second", epochs=100, steps=20_000)))
    schedule = Schedule(card, run, steps)
    own = max(1, run - schedule.starts()[0])
    factor = schedule.rate_factor("second")
    assert 1 <= factor <= 1000
    assert math.isclose(factor, min(max(1.0, 20_000 / (own * steps)), 1000))


def test_what_the_card_does_not_name_is_told() -> None:
    schedule = Schedule(Card(phases=(Phase("warm-up"), Phase("late"))), 10, 5)
    with pytest.raises(
        ValueError, match=r"needs the official epochs of 'warm-up': write Phase\('warm-up', epochs=...\)"
    ):
        schedule.starts()
    with pytest.raises(ValueError, match="names no 'ramp'; it names nothing"):
        schedule.length("ramp")
    with pytest.raises(ValueError, match="no official steps"):
        schedule.rate_factor("late", 0.5)


def test_a_method_that_only_declares_its_phases_enters_them_by_the_rule() -> None:
    class Mine(Method):
        card = Card(phases=(Phase("warm-up", epochs=10), Phase("late", epochs=190)))

    method = make(Mine, epochs=9)
    assert [method.phase(epoch) for epoch in range(9)] == ["warm-up"] * 3 + ["late"] * 6


def test_the_page_of_the_documentation_shows_what_the_rule_gives() -> None:
    """To write it anew: python -m tests.methods.schedule_table"""
    shown = TABLES.search(PAGE.read_text(encoding="utf-8"))
    assert shown
    assert shown[0] == tables()
