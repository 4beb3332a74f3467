"""One run scores all corrupted copies of its test set, by the weights that its rules choose, without keeping them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.checks.lab import CPU, Lab, images
from benchmark.cli.options import read_extra_tests
from benchmark.datasets import corruption
from benchmark.errors import UsageError
from benchmark.grid import suite
from benchmark.grid.expand import expand
from benchmark.grid.faults import SuiteError
from benchmark.grid.job import Job, Options
from benchmark.registry import METHODS
from benchmark.runs import preflight
from benchmark.runs.worker import run_one
from benchmark.store import provenance
from benchmark.store.store import Store
from benchmark.training.samples import Images
from benchmark.training.trainer import Evaluation, Evaluations, Trainer, Watched
from methods.base import Method


def jobs(folder: Path, extra: str, **axes: Any) -> list[Job]:
    grid = {"datasets": ["digits"], "methods": ["ce"], "noise": ["symmetric:0.4"], "seeds": 1, "recipe": {"epochs": 3}}
    options = Options(results=str(folder), data_root=str(folder))
    return expand(suite.build({**grid, "extra_tests": read_extra_tests((extra,)), **axes}), options)


def recorded(folder: Path, job: Job) -> dict[str, Any]:
    store = Store(folder)
    outcome = run_one(job.model_copy(update={"provenance": provenance.collect()}), store)
    assert outcome.state == "ok", outcome.summary
    record = store.read(job.spec.id)
    assert record is not None
    return dict(record)


SOME = "corrupted:kinds=[pixelate,gaussian_noise],severities=[1,5]"


def test_a_record_holds_the_figures_of_every_copy(tmp_path):
    (job,) = jobs(tmp_path, SOME)
    record = recorded(tmp_path, job)
    copies = record["corrupted_tests"]["corrupted"]
    assert copies["kind"] == ["pixelate", "pixelate", "gaussian_noise", "gaussian_noise"]
    assert copies["severity"] == [1, 5, 1, 5]
    for rule in ("val_noisy", "last"):
        figures = copies["figures"][rule]
        assert figures["epoch"] == record["metrics"][rule]["epoch"]
        assert all(len(column) == 4 for column in figures["metrics"].values())
        assert figures["metrics"]["accuracy"][1] < figures["metrics"]["accuracy"][0]
    assert list(record["tests"]["extra"]) == list(record["curve"]["extra"]) == []


def test_the_rest_of_the_record_is_that_of_a_run_without_copies(tmp_path):
    (plain,) = jobs(tmp_path / "a", SOME, extra_tests={})
    (scored,) = jobs(tmp_path / "b", SOME)
    assert plain.spec.id != scored.spec.id
    one, other = recorded(tmp_path / "a", plain), recorded(tmp_path / "b", scored)
    for key in ("metrics", "curve", "outcomes", "tests", "noise"):
        assert one[key] == other[key]
    assert "corrupted_tests" not in one


def test_features_of_copies_are_stored_and_images_are_made_once(tmp_path, monkeypatch):
    made = []
    whole = corruption.corrupted

    def counted(*arguments: Any) -> np.ndarray:
        made.append(arguments[1])
        return whole(*arguments)

    monkeypatch.setattr(corruption, "corrupted", counted)
    first, second = jobs(tmp_path, SOME, backbones=["cnn:frozen=true"], seeds=2)
    one, other = recorded(tmp_path, first), recorded(tmp_path, second)
    assert len(made) == 4, "the second run reads the stored features"
    assert one["corrupted_tests"]["corrupted"]["kind"] == other["corrupted_tests"]["corrupted"]["kind"]
    unstored = recorded(tmp_path / "fresh", jobs(tmp_path / "fresh", SOME, backbones=["cnn:frozen=true"], seeds=2)[1])
    assert unstored["corrupted_tests"] == other["corrupted_tests"]


class Remembers(Method):
    """Its prediction is that of the epoch in which it was trained last: a buffer, which has no gradient."""

    def build(self) -> None:
        super().build()
        self.register_buffer("at", torch.zeros(1))

    def plan(self, epoch: int, data: Any) -> Any:
        self.at.fill_(epoch)
        return super().plan(epoch, data)

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        # Right in the second epoch alone, on a set whose labels are all 1.
        right = 1.0 if self.at.item() == 1 else -1.0
        return torch.stack([torch.zeros(len(x)), torch.full((len(x),), right), torch.full((len(x),), -2.0)], 1)


@pytest.mark.parametrize("stops_at", [None, 2, 4])
def test_each_rule_scores_the_weights_of_its_epoch_also_when_resumed(tmp_path, monkeypatch, stops_at):
    monkeypatch.setattr(METHODS, "load", lambda name: Remembers)
    pixels, _ = images(20, 3, 2)
    ones = np.ones(20, dtype=np.int64)
    held = Evaluation(Images(pixels, CPU), ones, ones)
    order = []

    def made(number: int) -> Evaluation:
        order.append(number)
        return held

    def trainer() -> Trainer:
        lab = Lab("remembers", {}, epochs=4)
        sets = Evaluations(held, held, at_end=[lambda: made(0), lambda: made(1)])
        return Trainer(
            lab.instance,
            lab.kit,
            lab.data,
            Watched(lab.noisy, lab.clean, None),
            sets,
            main_metric="accuracy",
            method_seed=lab.seed,
            checkpoint=tmp_path / "run" / "checkpoint.pt",
            checkpoint_seconds=0,
        )

    if stops_at is not None:
        stopped = trainer()
        where = "_run_epoch" if stops_at < 4 else "_score_at_end"
        original, calls = getattr(stopped, where), []

        def stop(*arguments: Any) -> Any:
            calls.append(1)
            if len(calls) > stops_at or where == "_score_at_end":
                if where == "_score_at_end":
                    stopped._save()
                raise KeyboardInterrupt
            return original(*arguments)

        monkeypatch.setattr(stopped, where, stop)
        with pytest.raises(KeyboardInterrupt):
            stopped.run()
    last = trainer()
    progress = last.run()
    assert order == [0, 1], "one after the other, each once"
    for figures in progress.at_end:
        assert figures["val_noisy"]["accuracy"] == 1.0
        assert figures["val_noisy"]["epoch"] == 2
        assert figures["last"]["accuracy"] == 0.0
        assert figures["last"]["epoch"] == 4
    assert last.method.at.item() == 3, "the method keeps its last state"
    assert last.method.epoch == 3


def test_the_name_of_corrupted_copies_may_be_left_out():
    assert list(read_extra_tests(("corrupted",))) == ["corrupted"]
    assert list(read_extra_tests(("corrupted:kinds=[pixelate]",))) == ["corrupted"]
    assert list(read_extra_tests(("weak=corrupted:severities=1", "corrupted:severities=5"))) == ["weak", "corrupted"]
    with pytest.raises(UsageError, match="expected NAME=DATASET"):
        read_extra_tests(("npz:theirs.npz",))


def test_corrupted_copies_are_no_data_set_to_train_on(tmp_path):
    with pytest.raises(SuiteError, match="-d DATA --extra-test corrupted"):
        jobs(tmp_path, SOME, datasets=["corrupted"])


def test_a_kind_that_the_images_cannot_have_is_told_before_the_first_run(tmp_path):
    (job,) = jobs(tmp_path, "corrupted:kinds=saturate")
    findings = preflight.examine([job], tmp_path / "cache")
    assert "the images of digits are gray" in " ".join(findings.failing)
    (job,) = jobs(tmp_path, "corrupted:severities=1")
    findings = preflight.examine([job], tmp_path / "cache")
    assert not findings.failing
    assert any("'corrupted': saturate and stain_variation left out" in note for note in findings.notes)


def test_official_files_that_changed_since_the_grid_was_started_stop_the_run(tmp_path):
    test = np.zeros((5, 8, 8), np.uint8)
    np.savez(tmp_path / "pixelate.npz", test_images=test, test_labels=np.zeros((5, 1)))
    (job,) = jobs(tmp_path, f"medmnistc:{tmp_path / 'pixelate.npz'}")
    np.savez(tmp_path / "pixelate.npz", test_images=test + 1, test_labels=np.zeros((5, 1)))
    outcome = run_one(job, Store(tmp_path))
    assert outcome.state == "failed"
    assert "'medmnistc' has changed" in outcome.summary


def test_normalization_comes_after_the_corruption(tmp_path):
    """As it would in use: a stain that varies is what it is there for."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, n in (("train", 40), ("test", 20)):
        arrays[f"{split}_images"] = rng.integers(60, 200, (n, 12, 12, 3), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(n) % 2
    np.savez(tmp_path / "tissue.npz", **arrays)
    from benchmark.datasets import stain
    from benchmark.datasets.base import Arrays
    from benchmark.runs.assemble import corrupted_of, source_of
    from benchmark.runs.corrupted import corrupted_copies

    (job,) = jobs(
        tmp_path, "corrupted:kinds=stain_variation", datasets=[f"npz:{tmp_path / 'tissue.npz'},stain=reinhard"]
    )
    source = source_of(job)
    test = source.load(tmp_path / "cache").test
    copies = corrupted_copies(
        corrupted_of(job)["corrupted"], source, Arrays(test.images, test.labels), tmp_path / "cache"
    )
    varied = corruption.corrupted(arrays["test_images"], "stain_variation", 0.3, 0)
    assert np.array_equal(copies.sets[-1].images(), stain.normalized(varied, "reinhard"))
