"""Features of a frozen network: right, standardized by the training images, stored once, never trusted blindly."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.grid import suite
from benchmark.grid.expand import expand
from benchmark.grid.job import Job, Options
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import resolve_backbone
from benchmark.grid.spec import Augment
from benchmark.noise import linear_heads
from benchmark.registry import METHODS
from benchmark.runs import frozen_features, held_out
from benchmark.runs.assemble import network_of, noise_of
from benchmark.runs.assemble import source_of as data_of
from benchmark.runs.frozen_features import FeatureError, FeatureSource, stored
from benchmark.runs.prepare import prepare
from benchmark.runs.worker import run_one
from benchmark.seeds import seed_for
from benchmark.store import provenance
from benchmark.store.content import Record
from benchmark.store.once import CacheWarning
from benchmark.store.store import Store
from benchmark.training.augment import augment
from benchmark.training.samples import Images

CPU = torch.device("cpu")
FROZEN = {"name": "timm/test_resnet", "frozen": True, "input_size": 32}


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """A data set of 90/30/30 separable color images of three classes."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, n in (("train", 90), ("val", 30), ("test", 30)):
        labels = np.arange(n) % 3
        images = rng.integers(0, 90, (n, 12, 12, 3))
        for i, label in enumerate(labels):
            images[i, :, label * 4 : label * 4 + 4] += 150
        arrays |= {f"{split}_images": images.astype(np.uint8), f"{split}_labels": labels[:, None].astype(np.uint8)}
    np.savez(tmp_path / "cells.npz", **arrays)
    return tmp_path / "cells.npz"


ERRS = (0.7 * np.eye(3) + 0.1).tolist()
TWO_RATERS = {"name": "raters", "labels": "majority", "source": {"a": ERRS, "b": ERRS}}


@pytest.fixture
def make_job(cells: Path, tmp_path: Path):
    def make(method: Any = "ce", backbone: dict[str, Any] | None = None, **changes: Any) -> Job:
        backbone = backbone or {}
        recipe = {"epochs": 1, "batch_size": 16, **changes.pop("recipe", {})}
        needs = METHODS.load(PluginRef.of(method).name).card.needs
        grid = suite.build({
            "datasets": [f"npz:{cells}"],
            "backbones": [backbone if "name" in backbone else {**FROZEN, **backbone}],
            "methods": [method],
            "noise": [TWO_RATERS if "soft_labels" in needs else "symmetric:0.3"],
            "seeds": 1,
            "tracks": ["oracle"] if needs else ["blind"],
            **({"clean_set": 12} if "clean_set" in needs else {}),
            "recipe": recipe,
            **changes,
        })  # fmt: skip
        options = Options(results=str(tmp_path / "results"), data_root=str(tmp_path))
        (job,) = expand(grid, options)
        return job.model_copy(update={"provenance": provenance.collect()})

    return make


def source_of(job: Job, folder: Path) -> tuple[FeatureSource, Any]:
    prepared = prepare(data_of(job), noise_of(job), folder / "data")
    backbone, part, recipe = network_of(job).backbone, job.spec.backbone, job.spec.recipe
    return FeatureSource(backbone, part, recipe, prepared.train, folder / "features", CPU), prepared


def direct(source: FeatureSource, images: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        return source.network.features(Images(images, CPU).slice(0, len(images)))


def test_features_equal_a_direct_forward_standardized_by_the_training_images_alone(make_job, tmp_path):
    source, prepared = source_of(make_job(subset=60), tmp_path)
    train = direct(source, prepared.train.images)
    assert len(source.train) == len(prepared.train.noisy) == 60
    mean, deviation = train.mean(0), train.std(0, correction=0)
    varies = deviation > 1e-4
    for part, found in ((prepared.train, source.train), (prepared.val, source.features(prepared.val))):
        expected = (direct(source, part.images) - mean) / torch.where(varies, deviation, 1.0)
        torch.testing.assert_close(found.data[:, varies], expected[:, varies], rtol=1e-3, atol=1e-3)
    assert source.train.data.mean(0).abs().max() < 1e-4
    torch.testing.assert_close(source.train.data.std(0, correction=0)[varies], torch.ones(int(varies.sum())))


def test_a_feature_that_never_varies_is_centered_and_not_blown_up():
    constant = torch.full((5, 1), 3.0)
    scale = frozen_features.Scale.of(torch.cat([constant, torch.arange(5.0)[:, None]], 1))
    assert scale.deviation[0] == 1
    assert scale.apply_(torch.tensor([[3.0, 2.0]])).tolist() == [[0.0, 0.0]]


def test_the_second_run_computes_nothing_and_reads_the_same_numbers(make_job, tmp_path, monkeypatch):
    first, prepared = source_of(make_job(), tmp_path)
    held = first.features(prepared.test)
    monkeypatch.setattr(FeatureSource, "_compute", None)
    second, prepared = source_of(make_job("gce"), tmp_path)
    assert torch.equal(first.train.data, second.train.data)
    assert torch.equal(held.data, second.features(prepared.test).data)


def test_features_are_shared_by_heads_seeds_and_noise_but_not_by_input_sizes_or_weights(make_job, tmp_path):
    def places() -> set[str]:
        return {path.name for path in (tmp_path / "features").iterdir() if not path.name.startswith(".")}

    source_of(make_job(), tmp_path)
    one = places()
    assert len(one) == 1
    source_of(make_job(backbone={"head": "mlp"}, seeds=[7], noise=["pair:0.2"]), tmp_path)
    assert places() == one
    source_of(make_job(backbone={"input_size": 40}), tmp_path)
    assert len(places()) == 2
    job = make_job()
    for seed in (1, 2):
        torch.manual_seed(seed)
        torch.save(network_of(job).backbone.build(3, 2, 12, amp=False).net.state_dict(), tmp_path / f"{seed}.pth")
        source_of(make_job(backbone={"weights": str(tmp_path / f"{seed}.pth")}), tmp_path)
    assert len(places()) == 4


def test_weights_of_another_network_are_refused(make_job, tmp_path):
    torch.save({"conv1.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="do not fit this network"):
        source_of(make_job(backbone={"weights": str(tmp_path / "other.pth")}), tmp_path)


def test_weights_that_change_after_the_grid_was_started_are_refused(make_job, tmp_path):
    path = tmp_path / "w.pth"
    torch.save(network_of(make_job()).backbone.build(3, 2, 12, amp=False).net.state_dict(), path)
    job = make_job(backbone={"weights": str(path)})
    torch.save(network_of(make_job()).backbone.build(3, 2, 12, amp=False).net.state_dict(), path)
    with pytest.raises(FeatureError, match="has changed since"):
        source_of(job, tmp_path)


def test_features_that_are_not_finite_are_refused(make_job, tmp_path):
    state = network_of(make_job()).backbone.build(3, 2, 12, amp=False).net.state_dict()
    next(iter(state.values())).fill_(torch.nan)
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(FeatureError, match="not finite"):
        source_of(make_job(backbone={"weights": str(tmp_path / "nan.pth")}), tmp_path)


# The store of arrays

IDENTITY = {"network": "n", "data": "d"}


def numbers() -> np.ndarray:
    return np.arange(600, dtype=np.float32).reshape(100, 6)


def never() -> np.ndarray:
    raise AssertionError("computed again")


def place_of(folder: Path) -> Path:
    (place,) = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return place


def test_a_stored_array_is_memory_mapped_and_read_only(tmp_path):
    stored(tmp_path, IDENTITY, numbers)
    array, digest = stored(tmp_path, IDENTITY, never)
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    assert np.array_equal(array, numbers())
    assert digest == stored(tmp_path, IDENTITY, never)[1]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


def flip_one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["features.npy", "manifest.json"])
@pytest.mark.parametrize("damage", [cut, flip_one_bit, os.unlink, lambda path: path.write_bytes(b"")])
def test_a_damaged_cache_is_computed_again_and_never_used(tmp_path, name, damage):
    stored(tmp_path, IDENTITY, numbers)
    damage(place_of(tmp_path) / name)
    with pytest.warns(CacheWarning, match="damaged.*made again"):
        array, _ = stored(tmp_path, IDENTITY, numbers)
    assert np.array_equal(array, numbers())
    assert np.array_equal(stored(tmp_path, IDENTITY, never)[0], numbers())


def test_a_cache_whose_manifest_names_other_features_is_computed_again(tmp_path):
    stored(tmp_path, IDENTITY, lambda: numbers() + 1)
    manifest = place_of(tmp_path) / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "identity": {"network": "n", "data": "other"}}))
    with pytest.warns(CacheWarning, match="damaged.*made again"):
        assert np.array_equal(stored(tmp_path, IDENTITY, numbers)[0], numbers())
    assert np.array_equal(stored(tmp_path, IDENTITY, never)[0], numbers())


def _slow(log: Path, seconds: float = 0.3) -> np.ndarray:
    with log.open("a") as file:
        file.write("computed\n")
    time.sleep(seconds)
    return numbers()


def _want(folder: Path, log: Path, barrier: Any, queue: Any) -> None:
    barrier.wait()
    queue.put(float(stored(folder, IDENTITY, lambda: _slow(log))[0].sum()))


def test_of_four_processes_one_computes_and_the_others_wait(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(4), context.Queue()
    arguments = (tmp_path / "cache", tmp_path / "log", barrier, queue)
    workers = [context.Process(target=_want, args=arguments) for _ in range(4)]
    for worker in workers:
        worker.start()
    sums = [queue.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join(30)
    assert sums == [float(numbers().sum())] * 4
    assert (tmp_path / "log").read_text().count("computed") == 1


def _hold(folder: Path, log: Path) -> None:
    stored(folder, IDENTITY, lambda: _slow(log, 60))


def test_a_killed_holder_leaves_neither_a_lock_nor_a_half_written_array(tmp_path):
    holder = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path / "cache", tmp_path / "log"))
    holder.start()
    while not (tmp_path / "log").exists():
        time.sleep(0.01)
    holder.kill()
    holder.join()
    started = time.monotonic()
    assert np.array_equal(stored(tmp_path / "cache", IDENTITY, numbers)[0], numbers())
    assert time.monotonic() - started < 10


def test_a_full_disk_costs_a_warning_and_no_number(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.warns(CacheWarning, match="stay in memory"):
            array, digest = stored(tmp_path, IDENTITY, numbers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert np.array_equal(array, numbers())
    assert list(tmp_path.iterdir()) == []
    assert stored(tmp_path, IDENTITY, numbers)[1] == digest


def test_a_folder_that_cannot_be_made_costs_a_warning_only(tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(CacheWarning, match="cannot keep features"):
        assert np.array_equal(stored(tmp_path / "file" / "cache", IDENTITY, numbers)[0], numbers())


# Stored augmentations

FLIP = {"augment": {"flip": True, "rotate": 90}}


def test_stored_views_are_the_augmented_images_keyed_by_sample_and_view(make_job, tmp_path):
    source, prepared = source_of(make_job(backbone={"views": 3}, recipe=FLIP), tmp_path)
    assert source.train.views.shape == (3, *source.train.data.shape)
    x = Images(prepared.train.images, CPU).slice(0, 90)
    turned = augment(x, torch.arange(90), Augment(flip=True, rotate=90), seed_for("stored-views"), 0, 2)
    with torch.no_grad():
        expected = source.scale.apply_(source.network.features(turned))
    torch.testing.assert_close(source.train.views[2], expected, rtol=1e-3, atol=1e-3)


def test_two_views_of_a_batch_are_two_different_stored_ones_and_the_same_every_time(make_job, tmp_path):
    source, _ = source_of(make_job(backbone={"views": 2}, recipe=FLIP), tmp_path)
    index = torch.arange(90)
    one, two = (source.train.augmented(source.train.data, index, Augment(flip=True), 5, 0, view) for view in (0, 1))
    assert source.train.views is not None
    low, high = source.train.views
    first = (one == low).all(1)
    assert 0 < int(first.sum()) < 90, "the first view is not always the same copy"
    assert torch.equal(torch.where(first[:, None], high, low), two)
    again = source.train.augmented(source.train.data[50:], index[50:], Augment(flip=True), 5, 0, 0)
    assert torch.equal(again, one[50:]), "a sample's copy depends on the batch it is in"
    later = source.train.augmented(source.train.data, index, Augment(flip=True), 5, 1, 0)
    assert not torch.equal(later, one)


def test_views_without_any_augmentation_are_refused(make_job, tmp_path):
    with pytest.raises(FeatureError, match="the recipe augments nothing"):
        source_of(make_job(backbone={"views": 2}, recipe={"augment": {"flip": False}}), tmp_path)


# Runs


def record_of(job: Job) -> Record:
    store = Store(Path(job.options.results))
    store.prepare()
    outcome = run_one(job, store)
    assert outcome.state == "ok", outcome.summary
    record = store.read(job.spec.id)
    assert record is not None
    return record


@pytest.mark.parametrize("method", [entry.name for entry in METHODS.entries()])
def test_every_method_trains_unchanged_on_features(make_job, method):
    job = make_job(method, backbone={"name": "cnn", "frozen": True, "views": 2}, recipe={"epochs": 3, **FLIP})
    if METHODS.load(method).card.images_only:
        assert run_one(job, Store(Path(job.options.results))).state == "skipped"
        return
    record = record_of(job)
    assert record["sizes"]["train"] + record["sizes"].get("clean_set", 0) == 90
    assert np.isfinite(record["curve"]["train"]["loss"]).all()


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_a_head_on_frozen_features_learns_and_its_record_names_them(make_job, head):
    record = record_of(make_job(backbone={"head": head}, noise=["none"], recipe={"epochs": 15, "lr": 0.01}))
    assert record["metrics"]["last"]["accuracy"] > 0.8
    assert len(record["features"]) == 3
    assert all(digest.startswith("sha256:") for digest in record["features"].values())


def test_equal_runs_give_equal_records_whether_the_features_were_stored_or_not(make_job, tmp_path):
    job = make_job(recipe={"epochs": 2})
    elsewhere = job.model_copy(update={"options": job.options.model_copy(update={"results": str(tmp_path / "b")})})
    first, second, again = record_of(job), record_of(elsewhere), record_of(job)
    assert first["curve"] == second["curve"] == again["curve"]
    assert first["features"] == second["features"]


def test_the_identity_of_unfrozen_runs_is_what_it_was(make_job):
    part = make_job(backbone={"name": "cnn", "frozen": False}).spec.backbone
    assert part.config == {}


def test_the_recipe_of_a_run_on_plain_features_says_that_nothing_is_augmented(make_job):
    assert make_job(recipe=FLIP).spec.recipe.augment == Augment()
    assert make_job(backbone={"views": 2}, recipe=FLIP).spec.recipe.augment == Augment(flip=True, rotate=90)
    assert make_job(backbone={"name": "cnn"}, recipe=FLIP).spec.recipe.augment == Augment(flip=True, rotate=90)


def test_options_read_the_same_from_the_command_line_and_from_a_suite(make_job):
    typed = resolve_backbone(
        PluginRef.of("timm/test_resnet:frozen=true,input_size=32,weights=imagenet,head=mlp,views=2")
    )
    written = {"frozen": True, "input_size": 32, "weights": "imagenet", "head": "mlp", "views": 2}
    assert typed.part.config == written
    assert make_job(backbone={"head": "mlp", "views": 2}).spec.backbone.config == {**written, "weights": None}


def test_heads_views_and_sizes_are_different_runs(make_job):
    jobs = [make_job(backbone=b, recipe=FLIP) for b in ({}, {"head": "mlp"}, {"views": 2}, {"input_size": 40})]
    assert len({job.spec.id for job in jobs}) == 4


def test_a_frozen_network_without_weights_is_one_and_the_same_for_every_seed(make_job, tmp_path):
    one, other = (source_of(make_job(seeds=[seed], noise=["none"]), tmp_path / str(seed))[0] for seed in (0, 1))
    assert torch.equal(one.train.data, other.train.data)


def test_the_validation_part_that_is_cut_from_the_training_images_shares_their_features(make_job, tmp_path):
    """Stored once for all of them; standardized by those that are trained on."""
    path = tmp_path / "cells.npz"
    arrays = {k: v for k, v in np.load(path).items() if not k.startswith("val")}
    np.savez(path, **arrays)
    source, prepared = source_of(make_job(), tmp_path)
    held = source.features(prepared.val)
    assert len(held) + len(source.train) == 90
    assert source.train.data.mean(0).abs().max() < 1e-4
    assert len([p for p in (tmp_path / "features").iterdir() if not p.name.startswith(".")]) == 1


def test_the_cost_of_a_grid_is_estimated_without_computing_features(make_job, tmp_path, monkeypatch):
    from benchmark.runs.cost import estimate_seconds

    monkeypatch.setattr(FeatureSource, "_compute", None)
    job = make_job()
    assert estimate_seconds([job], Store(tmp_path / "results"))[job.spec.id] > 0
    assert not (tmp_path / "results" / "work" / "features").exists()


@pytest.mark.parametrize(
    ("backbone", "by"),
    [
        (FROZEN, "features"),
        ({"name": "timm/test_resnet", "input_size": 32, "weights": "PATH"}, "features"),
        ({"name": "timm/test_resnet", "input_size": 32}, "networks"),
    ],
    ids=["frozen", "pretrained", "from scratch"],
)
def test_the_noise_rate_is_estimated_on_features_where_they_are_pretrained_or_frozen(
    make_job, tmp_path, monkeypatch, backbone, by
):
    seen = []

    def watch(what, module, name):
        original = getattr(module, name)

        def watched(*arguments, **rest):
            seen.append(what)
            return original(*arguments, **rest)

        monkeypatch.setattr(module, name, watched)

    watch("features", linear_heads, "held_out")
    watch("networks", held_out, "by_networks")
    if backbone.get("weights"):
        backbone = {**backbone, "weights": str(some_weights(tmp_path))}
    noise = record_of(make_job("coteaching", backbone, tracks=["blind"]))["noise"]
    assert seen == [by]
    assert (noise["estimate_interval"] is None) == (noise["estimate_doubt"] is not None)


def some_weights(folder: Path) -> Path:
    """Weights of the network that the other cases build, in a file."""
    import timm

    torch.save(timm.create_model("test_resnet", num_classes=3).state_dict(), folder / "weights.pth")
    return folder / "weights.pth"
