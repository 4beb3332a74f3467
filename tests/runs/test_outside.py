"""Images of another data set among those of the task: conversion, pools, labelled sets, features, records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.datasets.base import Arrays, Data, DataError
from benchmark.grid import suite
from benchmark.grid.expand import expand
from benchmark.grid.job import Job, Options
from benchmark.metrics import selection_scores
from benchmark.runs.assemble import network_of, noise_of, source_of
from benchmark.runs.frozen_features import FeatureSource
from benchmark.runs.outside import Pool, about, converted, pools
from benchmark.runs.prepare import OUTSIDE, prepare
from benchmark.runs.worker import run_one
from benchmark.store import provenance
from benchmark.store.store import Store

CPU = torch.device("cpu")


def data(name: str, n: int, side: int, channels: int, *, seed: int, val: bool = True) -> Data:
    def part(size: int) -> Arrays:
        shape = (size, side, side, channels)
        return Arrays(np.random.default_rng([seed, size]).integers(0, 256, shape, np.uint8), np.arange(size) % 2)

    return Data(name, 2, ("0", "1"), part(n), part(n // 4), part(n // 5) if val else None)


def test_images_are_resized_and_their_channels_converted() -> None:
    gray = np.full((2, 8, 8, 1), 90, np.uint8)
    assert (converted(gray, (5, 5, 3)) == 90).all()
    red = np.zeros((1, 4, 4, 3), np.uint8)
    red[..., 0] = 255
    assert converted(red, (4, 4, 1)).ravel().tolist() == [76] * 16  # ITU-R 601: .299 of 255
    assert converted(gray, (8, 8, 1)) is not None
    np.testing.assert_array_equal(converted(gray, (8, 8, 1)), gray)


def test_what_was_converted_is_said_in_one_line() -> None:
    task, other = data("task", 40, 8, 3, seed=0), data("other", 40, 12, 1, seed=1)
    said = "images of no class of the task come from other, resized from 12x12 to 8x8 px and gray in three channels"
    assert about(other, task) == said
    assert about(data("other", 40, 8, 3, seed=1), task) == "images of no class of the task come from other"


def test_pools_of_training_and_validation_share_no_image() -> None:
    task, other = data("task", 40, 8, 3, seed=0), data("other", 40, 8, 3, seed=1, val=False)
    found = pools(other, "key", task, 0.25)
    assert (len(found["train"]), len(found["val"])) == (30, 10)
    places = [found[split].places(np.arange(len(found[split]))) for split in ("train", "val")]
    assert not set(places[0].tolist()) & set(places[1].tolist())
    separate = pools(data("other", 40, 8, 3, seed=1), "key", task, 0.25)
    assert (len(separate["train"]), len(separate["val"])) == (40, 8)


def test_a_source_of_the_tasks_own_images_is_refused() -> None:
    task = data("task", 40, 8, 3, seed=0)
    with pytest.raises(DataError, match="48 images of the source task are images of task"):
        pools(task, "key", task, 0.25)


def test_a_pool_reads_only_what_is_taken() -> None:
    images = np.arange(6, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2)
    pool = Pool(images, (4, 4, 1), "key", np.array([5, 3, 1]))
    assert pool.images(np.array([2, 0]))[:, 0, 0, 0].tolist() == [1, 5]


@pytest.fixture
def job(tmp_path: Path):
    """A task of three classes and a source of other size and channels; runs on the first under open-set noise."""

    def write(name: str, side: int, channels: tuple[int, ...], base: int) -> Path:
        arrays: dict[str, Any] = {}
        for split, n in (("train", 90), ("val", 30), ("test", 30)):
            noise = np.random.default_rng([base, n]).integers(0, 60, (n, side, side, *channels))
            labels = np.arange(n) % 3
            noise[np.arange(n), :, labels] += base
            arrays |= {f"{split}_images": noise.astype(np.uint8), f"{split}_labels": labels}
        np.savez(tmp_path / f"{name}.npz", **arrays)
        return tmp_path / f"{name}.npz"

    task, other = write("task", 8, (3,), 100), write("other", 12, (), 180)

    def make(method: str = "ce", **backbone: Any) -> Job:
        document = {
            "datasets": [f"npz:{task}"],
            "noise": [{"name": "open_set", "rate": 0.3, "source": f"npz:{other}", "noise": "pair:0.2"}],
            "backbones": [backbone or "cnn"],
            "methods": [method],
            "seeds": 1,
            "recipe": {"epochs": 2},
        }
        options = Options(results=str(tmp_path / "results"), data_root=str(tmp_path))
        (one,) = expand(suite.build(document), options)
        return one.model_copy(update={"provenance": provenance.collect()})

    return make


def prepared(job: Job, tmp_path: Path) -> Any:
    return prepare(source_of(job), noise_of(job), tmp_path / "cache")


def test_the_labelled_sets_hold_the_other_images_and_know_which_they_are(job: Any, tmp_path: Path) -> None:
    made = prepared(job(), tmp_path)
    for part in (made.train, made.val):
        outside = part.clean == OUTSIDE
        assert 0.1 < outside.mean() < 0.5
        # Images of the source are brighter where they are bright, and gray.
        own, other = part.images[~outside], part.images[outside]
        assert (other[..., 0] == other[..., 1]).all()
        assert not (own[..., 0] == own[..., 1]).all()
    assert made.realized_rate == float((made.train.noisy != made.train.clean).mean())
    assert made.manifest.open_set.count == (made.train.clean == OUTSIDE).sum()
    assert (made.test.clean >= 0).all()
    assert any("resized from 12x12 to 8x8 px" in note for note in made.manifest.notes)


def test_a_clean_set_holds_images_of_the_task_alone(job: Any, tmp_path: Path) -> None:
    whole, one = prepared(job(), tmp_path), job()
    made = prepare(source_of(one), noise_of(one), tmp_path / "cache", clean_set=12)
    assert made.clean_set is not None
    assert (made.clean_set.clean >= 0).all()
    assert made.clean_set.noisy.tolist() == made.clean_set.clean.tolist()
    assert not (made.clean_set.images[..., 0] == made.clean_set.images[..., 1]).all((1, 2)).any()
    assert (made.train.clean == OUTSIDE).sum() == (whole.train.clean == OUTSIDE).sum(), "they stay in training"
    assert len(made.train.noisy) == len(whole.train.noisy) - 12
    assert made.test.shared_images == whole.test.shared_images


def test_features_of_replaced_images_are_those_of_the_other_images(job: Any, tmp_path: Path) -> None:
    one = job(name="timm/test_resnet", frozen=True, input_size=32)
    made, backbone = prepared(one, tmp_path), network_of(one).backbone
    by_key = FeatureSource(backbone, one.spec.backbone, one.spec.recipe, made.train, tmp_path / "f", CPU)
    plain = type(made.train)(made.train.images, made.train.noisy, made.train.clean)
    directly = FeatureSource(backbone, one.spec.backbone, one.spec.recipe, plain, tmp_path / "g", CPU)
    torch.testing.assert_close(by_key.train.data, directly.train.data, rtol=1e-4, atol=1e-4)
    # The arrays of the task's images are stored apart, so that every other noise reuses them.
    assert len(by_key.notes) == 2


def test_a_record_scores_the_detection_of_open_set_images(job: Any, tmp_path: Path) -> None:
    one = job("aum")
    store = Store(tmp_path / "results")
    store.prepare()
    run_one(one, store)
    record = store.read(one.spec.id)
    assert record is not None
    assert record["state"] == "ok"
    assert record["noise"]["open_set"]["count"] > 10
    diagnostics = record["diagnostics"]
    assert {"open_set_kept", "open_set_dropped", "open_set_auroc"} <= set(diagnostics)
    assert record["curve"]["val_clean"] is not None
    assert record["spec"]["noise"]["outside"].startswith("sha256:")
    assert str(tmp_path) not in str(record["spec"])


def test_detection_by_hand() -> None:
    clean = np.array([0, 0, 1, 1, -1, -1])
    noisy = np.array([0, 1, 1, 1, 0, 1])
    kept = np.array([1, 0, 1, 1, 1, 0])
    score = np.array([0.9, 0.1, 0.8, 0.7, 0.3, 0.2])
    label = np.array([0, 0, 1, 0, 0, 1])
    found = selection_scores(kept, score, label, clean, noisy, 2)
    assert found["open_set_kept"] == 0.25
    assert found["open_set_dropped"] == 0.5
    assert found["open_set_auroc"] == pytest.approx(6 / 8)
    assert found["precision"] == 0.75
    assert found["corrected_accuracy"] == 0.75
    assert "open_set_kept" not in selection_scores(kept, score, label, np.abs(clean), noisy, 2)
