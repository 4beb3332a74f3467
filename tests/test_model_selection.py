"""Reporting rules choose the epoch that they promise, and none sees what it must not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from benchmark import model_selection


def curve(
    val_noisy: list[float],
    test: list[float],
    val_clean: list[float] | None = None,
    metric: str = "accuracy",
    extra: list[float] | None = None,
) -> list[dict[str, Any]]:
    """One entry per epoch, numbered from 1."""
    return [
        {
            "epoch": epoch + 1,
            "phase": "warm-up" if epoch == 0 else "train",
            "val_noisy": {metric: noisy},
            "val_clean": None if val_clean is None else {metric: val_clean[epoch]},
            "test": {metric: test[epoch], "recall": [test[epoch], None]},
            **({} if extra is None else {"extra": {"elsewhere": {metric: extra[epoch]}}}),
        }
        for epoch, noisy in enumerate(val_noisy)
    ]


def test_each_rule_reports_the_test_figures_of_its_epoch() -> None:
    found = model_selection.select(curve([0.1, 0.5, 0.3], [0.6, 0.7, 0.8], [0.9, 0.2, 0.3]), "accuracy")
    assert list(found) == list(model_selection.RULES)
    assert found["val_noisy"] == {"accuracy": 0.7, "recall": [0.7, None], "epoch": 2, "phase": "train"}
    assert found["last"] == {"accuracy": 0.8, "recall": [0.8, None], "epoch": 3, "phase": "train"}
    assert found["val_clean"]["epoch"] == 1
    assert found["oracle_test"]["epoch"] == 3


def test_ties_go_to_the_earliest_epoch() -> None:
    found = model_selection.select(curve([0.2, 0.5, 0.5], [0.9, 0.1, 0.9], [0.4, 0.4, 0.4]), "accuracy")
    assert [found[r]["epoch"] for r in ("val_noisy", "val_clean", "oracle_test")] == [2, 1, 1]


def test_a_rule_says_in_which_phase_its_epoch_was() -> None:
    found = model_selection.select(curve([0.9, 0.5, 0.3], [0.6, 0.7, 0.8]), "accuracy")
    assert (found["val_noisy"]["phase"], found["last"]["phase"]) == ("warm-up", "train")


def test_the_last_bits_of_a_sum_do_not_choose_an_epoch() -> None:
    shares = [0.1, 0.2, 0.3]
    assert sum(shares) / 3 != sum(reversed(shares)) / 3, "equal but for the order of the sum"
    scores = [sum(reversed(shares)) / 3, sum(shares) / 3]
    assert scores[1] > scores[0]
    assert model_selection.best_epoch(scores) == 0


def test_val_noisy_does_not_depend_on_test_or_clean_labels() -> None:
    one = model_selection.select(curve([0.2, 0.5, 0.3], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]), "accuracy")
    other = model_selection.select(curve([0.2, 0.5, 0.3], [0.3, 0.2, 0.1]), "accuracy")
    assert one["val_noisy"] == other["val_noisy"]


def test_a_metric_of_which_less_is_better_is_minimized() -> None:
    found = model_selection.select(curve([0.9, 0.3, 0.5], [0.5, 0.6, 0.4], metric="nll"), "nll")
    assert (found["val_noisy"]["epoch"], found["oracle_test"]["epoch"]) == (2, 3)


def test_last5_is_the_elementwise_mean_of_the_last_five_epochs_and_null_below_ten() -> None:
    test = [0.0] * 5 + [0.1, 0.2, 0.3, 0.4, 0.5]
    found = model_selection.select(curve(test, test), "accuracy")["last5"]
    assert found == {"accuracy": pytest.approx(0.3), "recall": [pytest.approx(0.3), None]}
    assert model_selection.select(curve(test[1:], test[1:]), "accuracy")["last5"] is None


def test_rules_without_their_labels_are_null() -> None:
    found = model_selection.select(curve([0.1], [0.2]), "accuracy")
    assert found["val_clean"] is None
    assert set(model_selection.select([], "accuracy").values()) == {None}


def test_epochs_without_the_metric_are_passed_over() -> None:
    entries = curve([0.0, 0.4], [0.1, 0.2], metric="auroc")
    entries[0]["val_noisy"]["auroc"] = None
    assert model_selection.select(entries, "auroc")["val_noisy"]["epoch"] == 2
    entries[1]["val_noisy"]["auroc"] = None
    assert model_selection.select(entries, "auroc")["val_noisy"] is None


def test_an_extra_test_set_scores_the_same_epochs_as_the_main_one() -> None:
    entries = curve([0.1, 0.5, 0.3], [0.6, 0.7, 0.8], extra=[0.3, 0.2, 0.1])
    main, extra = (
        model_selection.select(entries, "accuracy"),
        model_selection.select_extra(entries, "accuracy")["elsewhere"],
    )
    assert extra["val_noisy"] == {"accuracy": 0.2, "epoch": 2, "phase": "train"}
    assert extra["oracle_test"] == {"accuracy": 0.1, "epoch": main["oracle_test"]["epoch"], "phase": "train"}
    assert model_selection.select_extra(curve([0.1], [0.2]), "accuracy") == {}


def test_label_wave_stops_at_the_first_local_minimum_of_the_smoothed_changes() -> None:
    changed = [None, 0.5, 0.4, 0.3, 0.2, 0.3, 0.4, 0.1, 0.0, 0.3]
    # Averages of three, from the fourth epoch on: .4, .3, .267, .3, .267, .167, .133
    assert model_selection.label_wave(changed) == 5, "the deeper minimum at the end comes too late"
    assert model_selection.label_wave(changed[:7]) == 5, "the first rise confirms it"
    assert model_selection.label_wave(changed[:6]) == 5, "before that the training would go on: the last epoch so far"
    assert model_selection.label_wave([*changed[:6], 0.2]) == 6, "and a further fall moves it"


@pytest.mark.parametrize(
    ("changed", "position"),
    [
        ([None], 0),
        ([None, 0.5, 0.4, 0.3, 0.2, 0.1], 5),  # never rises
        ([None, 0.1, 0.2, 0.3, 0.4, 0.5], 5),  # never falls
        ([None, 0.1, 0.2, 0.3, 0.2, 0.1, 0.0, 0.3, 0.4], 6),  # rises first: .2 .233 .2 .1 .133 .233
        ([None, 0.4, 0.3, 0.2, 0.1, 0.2, 0.1, 0.4], 6),  # .3 .2 .167 .133 .233
        (
            [None, 0.3, 0.3, 0.3, 0.1, 0.2, 0.1, 0.1, 0.2, 0.3],
            8,
        ),  # .3 .233 .2 .133 .133 .133 .2: the last of equal ones
        ([None, None, None], None),
        ([None, 0.5, None, 0.4], None),
        ([], None),
    ],
)
def test_label_wave_of_curves_of_every_kind(changed: list[float | None], position: int | None) -> None:
    assert model_selection.label_wave(changed) == position


def test_the_epoch_that_label_wave_chooses_in_the_end_was_the_last_one_when_it_was_chosen() -> None:
    """The trainer keeps the outcome of an epoch only while it is the present one."""
    generator = random.Random(3)
    for _ in range(300):
        changed: list[float | None] = [None, *(round(generator.random(), 1) for _ in range(generator.randrange(12)))]
        final = model_selection.label_wave(changed)
        assert final is not None
        assert model_selection.label_wave(changed[: final + 1]) == final
        later = [model_selection.label_wave(changed[:end]) for end in range(final + 2, len(changed) + 1)]
        assert set(later) <= {final}


def test_label_wave_reads_changes_of_predictions_and_no_label() -> None:
    entries = curve([0.1, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert model_selection.select(entries, "accuracy")["label_wave"] is None, "the curve holds no changes"
    for entry, changed in zip(entries, [None, 0.5, 0.4, 0.3, 0.2, 0.5, 0.6], strict=True):
        entry["changed"] = changed
    found = model_selection.select(entries, "accuracy")["label_wave"]
    assert found == {"accuracy": 0.5, "recall": [0.5, None], "epoch": 5, "phase": "train"}
