"""A training says how it went: what each rule reports, what changed, and why it broke down."""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark import metrics, model_selection
from benchmark.checks.lab import CPU, Lab, images
from benchmark.grid.spec import Recipe
from benchmark.training.optimizers import deviations, make_optimizer
from benchmark.training.samples import Images
from benchmark.training.trainer import Evaluation, Evaluations, Progress, Trainer, Watched
from methods.base import Batch, Method, TrainSet


def evaluations(**extra: Evaluation) -> Evaluations:
    pixels, labels = images(60, 3, 2)
    held = Evaluation(Images(pixels, CPU), labels, labels)
    return Evaluations(held, held, extra)


def trainer(lab: Lab, folder: Path, sets: Evaluations | None = None, **more: Any) -> Trainer:
    return Trainer(
        lab.instance,
        lab.kit,
        lab.data,
        Watched(lab.noisy, lab.clean, None),
        sets or evaluations(),
        main_metric="accuracy",
        method_seed=lab.seed,
        checkpoint=folder / "checkpoint.pt",
        **more,
    )


def test_an_extra_set_of_any_name_changes_neither_the_choice_nor_the_figures(tmp_path: Path) -> None:
    """Once `test` as an extra name replaced the test set, and `val` chose the epochs by another's labels."""
    pixels, labels = images(40, 3, 9)
    foreign = Evaluation(Images(pixels, CPU), None, (labels + 1) % 3)
    plain = trainer(Lab("ce", {}, epochs=3), tmp_path / "a").run()
    named = trainer(Lab("ce", {}, epochs=3), tmp_path / "b", evaluations(val=foreign, test=foreign)).run()
    for one, other in zip(plain.curve, named.curve, strict=True):
        for key in ("val_noisy", "val_clean", "test"):
            assert one[key] == other[key]
        assert set(other["extra"]) == {"val", "test"}
        assert other["extra"]["test"] != other["test"]
    assert plain.outcomes == named.outcomes
    assert set(named.extra_outcomes) == {"val", "test"}


def test_each_rule_keeps_the_outcome_of_the_epoch_that_it_reports(tmp_path: Path) -> None:
    progress = trainer(Lab("ce", {}, epochs=6), tmp_path).run()
    chosen = model_selection.select(progress.curve, "accuracy")
    assert set(progress.outcomes) == {"val_noisy", "last", "label_wave", "val_clean", "oracle_test"}
    assert len({figures["epoch"] for figures in chosen.values() if figures}) > 1, "the rules differ here"
    for rule, outcome in progress.outcomes.items():
        figures = chosen[rule]
        assert figures is not None
        assert outcome is not None
        confusion = np.array(outcome["confusion"])
        assert confusion.sum() == 60
        assert np.trace(confusion) / 60 == pytest.approx(figures["accuracy"])
        assert metrics.per_class(confusion) == {name: figures[name] for name in ("precision", "recall")}
        bits = np.unpackbits(np.frombuffer(base64.b64decode(outcome["right"]), np.uint8))[:60]
        assert bits.sum() == np.trace(confusion)
        bins = outcome["calibration"]
        assert sum(bins["count"]) == 60
        assert sum(bins["right"]) == np.trace(confusion)
        gaps = np.abs(np.array(bins["right"]) - bins["confidence"]).sum() / 60
        assert gaps == pytest.approx(figures["ece"], abs=2e-3)


def test_outcomes_and_changed_predictions_survive_a_stop(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise InterruptedError

    sets = evaluations(other=evaluations().val)
    whole = trainer(Lab("elr", {}, epochs=6), tmp_path / "whole", sets).run()
    with pytest.raises(InterruptedError):
        # The stop comes before the checkpoint of its epoch: what is resumed is the end of the second.
        trainer(Lab("elr", {}, epochs=6), tmp_path / "cut", sets, checkpoint_seconds=0, on_epoch=stop).run()
    resumed = trainer(Lab("elr", {}, epochs=6), tmp_path / "cut", sets).run()
    assert resumed.outcomes == whole.outcomes
    assert resumed.extra_outcomes == whole.extra_outcomes

    def without_seconds(progress: Progress) -> list[dict[str, Any]]:
        return [{key: value for key, value in entry.items() if key != "seconds"} for entry in progress.curve]

    assert without_seconds(resumed) == without_seconds(whole)


def test_changed_predictions_are_none_at_first_and_then_shares(tmp_path: Path) -> None:
    lab = Lab("ce", {}, epochs=4)
    seen: list[Tensor] = []

    def look(done: int, total: int) -> None:
        lab.instance.eval()
        seen.append(lab.data.scan(lambda x: lab.instance.predict(x).argmax(1)))

    progress = trainer(lab, tmp_path, on_epoch=look).run()
    expected = [float((now != before).float().mean()) for before, now in itertools.pairwise(seen)]
    assert progress.curve[0]["changed"] is None
    assert [entry["changed"] for entry in progress.curve[1:]] == pytest.approx(expected)
    assert max(expected) > 0


def test_an_epoch_without_a_batch_diverges_with_a_sentence(tmp_path: Path) -> None:
    lab = Lab("ce", {}, epochs=4)
    plan = lab.instance.plan

    def stingy(epoch: int, data: Any) -> Iterator[Any]:
        return plan(epoch, data) if epoch < 2 else iter(())

    lab.instance.plan = stingy  # type: ignore[method-assign]
    progress = trainer(lab, tmp_path).run()
    assert progress.diverged.startswith("the method's plan gave no batch in epoch 3: of 90 samples")
    assert len(progress.curve) == 2


def test_a_loss_that_is_not_finite_diverges(tmp_path: Path) -> None:
    lab = Lab("ce", {}, epochs=3)
    lab.instance.step = lambda batch: {"loss": torch.tensor(math.nan)}  # type: ignore[method-assign]
    progress = trainer(lab, tmp_path).run()
    assert progress.diverged == "the training loss became nan in epoch 1"
    assert progress.curve == []


@pytest.mark.parametrize(
    ("recipe", "overrides", "scheduled", "expected"),
    [
        ({}, {}, True, {}),
        ({}, {"lr": 1e-3}, True, {}),
        ({}, {"momentum": 0.5}, True, {}),
        ({}, {"lr": 0.5}, True, {"lr": [0.5, 1e-3]}),
        ({"optimizer": "sgd"}, {"momentum": 0.5}, True, {"momentum": [0.5, 0.9]}),
        ({}, {"optimizer": "sgd"}, True, {"optimizer": ["sgd", "adam"]}),
        ({}, {}, False, {}),
        ({"schedule": "cosine"}, {}, False, {"schedule": ["constant", "cosine"]}),
        ({"weight_decay": 1e-3}, {"weight_decay": 0.0}, True, {"weight_decay": [0.0, 1e-3]}),
    ],
)
def test_deviations_are_the_settings_that_differ_from_the_recipe(
    recipe: dict[str, Any], overrides: dict[str, Any], scheduled: bool, expected: dict[str, list[Any]]
) -> None:
    matched = Recipe(**recipe)
    optimizer = make_optimizer(matched, [torch.zeros(2, requires_grad=True)], overrides)
    assert deviations(matched, optimizer, overrides, scheduled) == expected


def test_a_group_with_its_own_rate_is_a_deviation_too() -> None:
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (1e-3, 0.5)]
    assert deviations(Recipe(), make_optimizer(Recipe(), groups, {}), {}, True) == {"lr": [[1e-3, 0.5], 1e-3]}


@pytest.mark.parametrize(("method", "named"), [("sop", {"u", "v"}), ("ce", set()), ("disc", set())])
def test_the_kit_knows_the_deviations_of_every_optimizer(method: str, named: set[str]) -> None:
    assert set(Lab(method, {}).kit.deviations) == named


def test_of_a_method_that_trains_nothing_only_the_first_and_the_last_epoch_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab("knn", {}, epochs=6)
    planned: list[int] = []
    plan = type(lab.instance).plan

    def remembered(self: Method, epoch: int, data: TrainSet) -> Iterator[Batch]:
        planned.append(epoch)
        return plan(self, epoch, data)

    monkeypatch.setattr(type(lab.instance), "plan", remembered)
    progress = trainer(lab, tmp_path).run()
    assert planned == [0, 5]
    assert [entry["epoch"] for entry in progress.curve] == [1, 2, 3, 4, 5, 6]
    assert {entry["test"]["accuracy"] for entry in progress.curve} == {progress.curve[0]["test"]["accuracy"]}
    assert [entry["changed"] for entry in progress.curve] == [None, 0, 0, 0, 0, 0]
    assert [entry["lr"] for entry in progress.curve] == [None] * 6
    assert progress.outcomes["last"] == progress.outcomes["val_noisy"]


def test_a_method_that_trains_nothing_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    whole = trainer(Lab("knn", {}, epochs=6), tmp_path / "whole").run()

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    first = trainer(Lab("knn", {}, epochs=6), tmp_path / "cut", on_epoch=stop)
    with pytest.raises(KeyboardInterrupt):
        first.run()
    first._save()
    again = trainer(Lab("knn", {}, epochs=6), tmp_path / "cut").run()
    assert [entry["test"] for entry in again.curve] == [entry["test"] for entry in whole.curve]
    assert again.outcomes == whole.outcomes


@pytest.mark.parametrize("phase", ["zzz", None])
def test_a_phase_that_the_card_does_not_name_is_refused(phase: Any, tmp_path: Path, monkeypatch: Any) -> None:
    lab = Lab("ce", {}, epochs=2)
    monkeypatch.setattr(type(lab.instance), "phase", lambda self, epoch: phase)
    with pytest.raises(ValueError, match=f"phase of epoch 1 is {phase!r}, and its card names train"):
        trainer(lab, tmp_path).run()


def test_starts_that_do_not_fit_the_phases_are_refused(tmp_path: Path, monkeypatch: Any) -> None:
    lab = Lab("ce", {}, epochs=2)
    monkeypatch.setattr(type(lab.instance), "starts", lambda self: (1, 2))
    with pytest.raises(ValueError, match=r"starts\(\) gave 2 epochs; expected 0"):
        trainer(lab, tmp_path).run()


SIX = torch.arange(6)


@pytest.mark.parametrize(
    ("index", "report", "told"),
    [
        (SIX, {"kept": torch.ones(7, dtype=torch.bool)}, r"shape \(7,\) for 6 samples; expected one value each"),
        (SIX, {"kept": torch.ones(1, dtype=torch.bool)}, r"shape \(1,\) for 6 samples"),
        (SIX, {"kept": torch.tensor(True)}, r"shape \(\) for 6 samples"),
        (SIX, {"kept": torch.full((6,), 0.9)}, "torch.float32 values; expected bool"),
        (SIX, {"label": torch.full((6,), 1.7)}, "torch.float32 values; expected integer"),
        (SIX, {"score": torch.ones(6, dtype=torch.int64)}, "torch.int64 values; expected floating-point"),
        (SIX, {"score": torch.ones(6, 1)}, r"shape \(6, 1\) for 6 samples"),
        (SIX > 2, {"kept": torch.ones(6, dtype=torch.bool)}, "index of type torch.bool"),
    ],
)
def test_a_report_that_is_not_one_value_per_sample_is_refused(
    index: Tensor, report: dict[str, Tensor], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        Lab("ce", {}).kit.report(index, **report)


@pytest.mark.parametrize("label", [99, -7])
def test_a_reported_label_that_is_no_class_is_refused_at_the_end_of_the_epoch(label: int) -> None:
    lab = Lab("ce", {})
    lab.kit.report(SIX, label=torch.full((6,), label))
    with pytest.raises(ValueError, match=f"reported labels from .*{label}.*; expected classes from 0 to"):
        lab.kit.reports.summary(lab.clean, lab.noisy, None)


def test_a_transition_that_is_no_matrix_of_the_classes_is_refused() -> None:
    lab = Lab("ce", {})
    with pytest.raises(ValueError, match=rf"expected \({lab.num_classes}, {lab.num_classes}\)"):
        lab.kit.report_transition(torch.ones(7, 7))
