"""A clean set: true labels, taken out of training, given to nobody but the methods that need it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.datasets.base import DataError, balanced_subset
from benchmark.errors import UsageError
from benchmark.grid import suite
from benchmark.grid.expand import expand
from benchmark.grid.job import Job, Options
from benchmark.grid.plugin_ref import PluginRef
from benchmark.noise.rate_estimate import HeldOut
from benchmark.runs import assemble, train
from benchmark.runs.hints import cached_estimate
from benchmark.runs.noisy_data import make_noisy_data
from benchmark.runs.prepare import CleanSetError, DataSource, Prepared, Skipped, prepare
from benchmark.runs.worker import run_one
from benchmark.store import provenance
from benchmark.store.store import Store
from benchmark.training.trainer import Trainer
from methods.base import Hints

GRID = {"datasets": ["digits"], "noise": ["symmetric:0.4"], "seeds": 1, "recipe": {"epochs": 2}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clean")


def prepared(
    folder: Path, size: int | None, noise: str = "symmetric:0.4", subset: Any = None, seed: int = 0
) -> Prepared:
    made = make_noisy_data(PluginRef.of("digits"), PluginRef.of(noise), seed, data_root=folder, results=folder)
    source = DataSource(made.source.dataset, made.source.digest, subset)
    return prepare(source, made.noise, folder / "cache", None, size)


def jobs(folder: Path, *methods: Any, **more: Any) -> list[Job]:
    options = Options(results=str(folder), data_root=str(folder))
    made = expand(suite.build({**GRID, "methods": list(methods), **more}), options)
    return [job.model_copy(update={"provenance": provenance.collect()}) for job in made]


@pytest.mark.parametrize("subset", [None, 300])
@pytest.mark.parametrize("size", [10, 100, 103])
def test_it_is_taken_out_of_training_with_its_true_labels(folder: Path, size: int, subset: int | None) -> None:
    whole, made = prepared(folder, None, subset=subset), prepared(folder, size, subset=subset)
    assert made.clean_set is not None
    train, clean = (set(part.index.tolist()) for part in (made.train, made.clean_set))
    assert len(clean) == size
    assert not train & clean
    assert train | clean == set(whole.train.index.tolist()), "nothing else is lost"
    truth = dict(zip(whole.train.index.tolist(), whole.train.clean.tolist(), strict=True))
    assert made.clean_set.noisy.tolist() == [truth[i] for i in made.clean_set.index.tolist()]
    counts = np.bincount(made.clean_set.noisy)
    assert counts.max() - counts.min() <= 1, "equally many of each class"
    given = dict(zip(whole.train.index.tolist(), whole.train.noisy.tolist(), strict=True))
    assert made.train.noisy.tolist() == [given[i] for i in made.train.index.tolist()], "the others keep their labels"
    for part in ("val", "test"):
        one, other = getattr(made, part), getattr(whole, part)
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.noisy, other.noisy)
        assert one.shared_images == other.shared_images, "images of the clean set are trained on too"
    assert made.realized_rate == np.mean(made.train.noisy != made.train.clean)


def test_it_is_drawn_by_the_seed_of_the_noise(folder: Path) -> None:
    draws = [prepared(folder, 20, seed=seed).clean_set for seed in (0, 0, 1)]
    index = [draw.index.tolist() for draw in draws if draw is not None]
    assert index[0] == index[1]
    assert index[0] != index[2]


def test_without_true_labels_there_is_none(folder: Path) -> None:
    with pytest.raises(Skipped, match="the true labels are unknown, so there is no clean set; leave out"):
        prepared(folder, 20, noise="as_is")


def test_more_than_a_class_has_is_refused_with_what_would_do(folder: Path) -> None:
    with pytest.raises(CleanSetError, match="class '0' has 107 training images, of which 200 would be taken") as error:
        prepared(folder, 2000)
    largest = int(str(error.value).rpartition("at most ")[2].split()[0])
    assert prepared(folder, largest).clean_set is not None
    with pytest.raises(CleanSetError):
        prepared(folder, largest + 10)
    with pytest.raises(CleanSetError, match="cannot hold one of each of the 10 classes"):
        prepared(folder, 9)


def test_a_balanced_subset_leaves_one_of_every_class() -> None:
    labels = np.repeat([0, 1, 2], [10, 4, 4])
    chosen = balanced_subset(labels, 10, ("a", "b", "c"), 0)
    assert np.bincount(labels[chosen]).tolist() == [4, 3, 3], "the commonest class gives what does not divide"
    with pytest.raises(DataError, match="expected at most 9 images"):
        balanced_subset(labels, 12, ("a", "b", "c"), 0)


# ---- identity ---------------------------------------------------------------------------------------------


def test_it_is_in_the_identity_of_those_that_get_it_and_of_no_other(folder: Path) -> None:
    plain = {job.spec.method.name: job.spec for job in jobs(folder, "ce", "gce")}
    ce, gce, l2rw = (job.spec for job in jobs(folder, "ce", "gce", "l2rw", clean_set=50))
    assert (ce.id, gce.id) == (plain["ce"].id, plain["gce"].id)
    assert "clean_set" not in ce.model_dump_json()
    assert json.loads(l2rw.model_dump_json())["method"]["clean_set"] == 50
    assert type(l2rw).model_validate(l2rw.model_dump(mode="json")).id == l2rw.id
    (other,) = (job.spec for job in jobs(folder, "l2rw", clean_set=60))
    assert other.id != l2rw.id


def test_both_tracks_are_one_run(folder: Path) -> None:
    made = jobs(folder, "l2rw", "coteaching", clean_set=50, tracks=["blind", "oracle"])
    assert [(job.spec.method.name, job.spec.track) for job in made] == [
        ("l2rw", "blind"),
        ("coteaching", "blind"),
        ("coteaching", "oracle"),
    ]


@pytest.mark.parametrize(
    ("methods", "size", "told"),
    [
        (["ce", "l2rw"], None, r"methods\[1\]: 'l2rw' needs a clean set.*--clean-set 100"),
        (["ce", "coteaching"], 50, r"clean_set = 50: no method of this grid uses clean labels; leave it out"),
        (["l2rw"], 1, "greater than or equal to 2"),
        (["l2rw"], 0, "greater than or equal to 2"),
    ],
)
def test_a_size_that_nobody_uses_and_a_need_without_a_size_are_refused(
    folder: Path, methods: list[str], size: int | None, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        jobs(folder, *methods, clean_set=size)


# ---- runs -------------------------------------------------------------------------------------------------


class _Seen:
    """What a method was given, in one run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trainers: list[Any] = []
        run = Trainer.run

        def watched(trainer: Any) -> Any:
            self.trainers.append(trainer)
            return run(trainer)

        monkeypatch.setattr(Trainer, "run", watched)


@pytest.mark.parametrize(
    "backbone", ["cnn", {"name": "cnn", "frozen": True}, {"name": "cnn", "frozen": True, "views": 2}]
)
def test_a_run_gives_it_to_the_method_and_counts_it(
    folder: Path, backbone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = _Seen(monkeypatch)
    augment = {"augment": {"flip": True}} if "views" in backbone else {}
    recipe = {"epochs": 2, **augment}
    (job,) = jobs(folder, "l2rw", clean_set=40, subset=200, backbones=[backbone], recipe=recipe)
    store = Store(folder / "runs")
    store.prepare()
    assert run_one(job, store).state == "ok"
    (path,) = (folder / "runs").rglob(f"{job.spec.id}.json")
    record = json.loads(path.read_text())
    assert record["sizes"]["clean_set"] == 40
    assert record["sizes"]["train"] == 160
    assert record["hints"] == ["clean_set"]
    assert record["noise"]["estimated_rate"] is None
    assert len(record["curve"]["memorization"]["memorized"]) == 2
    (trainer,) = seen.trainers
    clean = trainer.kit.hints.clean_set
    assert len(clean) == 40
    expected = prepared(folder, 40, subset=200)
    assert expected.clean_set is not None
    assert clean.y.tolist() == expected.clean_set.noisy.tolist()
    assert len(trainer.data) == 160
    if backbone == "cnn":
        assert np.array_equal(clean.images.data.numpy(), expected.clean_set.images)
    else:
        both = torch.cat([clean.images.data, trainer.data.images.data])
        assert torch.isfinite(both).all()
        assert abs(float(trainer.data.images.data.mean())) < 1e-4, "standardized by the training set alone"
        assert (clean.images.views is not None) == ("views" in backbone)


def test_others_in_the_grid_see_no_clean_label(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _Seen(monkeypatch)
    store = Store(folder / "others")
    store.prepare()
    for job in jobs(folder, "ce", "l2rw", clean_set=40, subset=200):
        run_one(job, store)
    plain, meta = seen.trainers
    assert plain.kit.hints.given_clean_set is None
    assert len(plain.data) == 200
    assert meta.kit.hints.given_noise_rate is None
    sizes = {r["spec"]["method"]["name"]: r["sizes"] for r in store.records().records}
    assert "clean_set" not in sizes["ce"]


def test_an_estimate_of_the_noise_rate_belongs_to_its_training_set(folder: Path) -> None:
    calls = []

    def predict() -> tuple[np.ndarray, HeldOut]:
        calls.append(1)
        labels = np.arange(60) % 3
        return labels, HeldOut(np.eye(3)[labels] * 0.9 + 0.1 / 3, np.stack([labels, labels]))

    plain, meta = (job.spec for job in jobs(folder, "ce", "l2rw", clean_set=40))
    for spec in (plain, plain, meta, meta):
        cached_estimate(spec, folder / "estimates", predict)
    assert len(calls) == 2


def test_batches_of_it_change_from_epoch_to_epoch_and_not_between_runs(folder: Path) -> None:
    (job,) = jobs(folder, "l2rw", clean_set=40, subset=200)
    plugins = assemble.assemble(job)

    def orders() -> list[list[int]]:
        made = prepared(folder, 40, subset=200)
        assert made.clean_set is not None
        cpu = torch.device("cpu")
        inputs = train.Inputs(plugins, job.spec, made.train, folder / "features", cpu, lambda what: None)
        session = plugins.network.session(inputs.train, made.train.noisy, 10, job.spec.training, job.spec.seeds)
        clean = session.train_set(inputs.trained_on(made.clean_set), made.clean_set.noisy)
        kit = session.kit(Hints(given_clean_set=clean))
        found = []
        for epoch in range(3):
            kit.start_epoch(epoch)
            found.append([int(i) for batch in clean.batches() for i in batch.index])
        return found

    first, second = orders(), orders()
    assert first == second
    assert first[0] != first[1] != first[2]


def test_the_command_line_takes_it(here: Any) -> None:
    grid = ("-d", "digits:subset=200", "-m", "ce", "-m", "l2rw", "-n", "symmetric:0.4", "--seeds", "1", "--epochs", "1")
    told = here("run", *grid, "--clean-set", "30", "--slots", "1").stdout
    assert "l2rw:clean_set=30†" in " ".join(told.split())
    assert "† privileged: given the true labels of 30 training images, a clean set" in told
    assert "needs a clean set" in here("run", *grid, code=2).stderr
    given = here("run", *grid, "--clean-set", "400", code=2).stderr
    assert "clean set of 400 images of digits (--clean-set)" in given
