"""What would stop or skip runs is told before the first one, of every cell, by `run` and by --dry-run."""

from typing import Any

import numpy as np
import pytest
import torch

from backbones.base import BackboneError
from benchmark.grid import suite
from benchmark.grid.expand import expand
from benchmark.grid.job import Options
from benchmark.registry import ALL, add_plugin_file
from benchmark.runs import preflight
from benchmark.runs.assemble import network_of
from benchmark.runs.worker import run_one
from benchmark.store import provenance
from benchmark.store.store import Store


def grid(backbone, *more):
    return ("run", "-d", "digits", "-b", backbone, "-m", "ce", "-n", "none", "--seeds", "2", "--epochs", "1", *more)


def jobs(folder, **axes):
    grid = {"datasets": ["digits"], "methods": ["ce"], "noise": ["none"], "seeds": 1, "recipe": {"epochs": 1}}
    options = Options(results=str(folder), data_root=str(folder))
    return expand(suite.build({**grid, **axes}), options)


@pytest.fixture
def cells(tmp_path):
    """npz file of three classes, with doubtful labels named "second"."""
    labels = np.arange(120) % 3
    images = (np.random.default_rng(0).integers(0, 60, (120, 12, 12)) + labels[:, None, None] * 70).astype(np.uint8)
    path = tmp_path / "cells.npz"
    np.savez(
        path,
        train_images=images,
        train_labels=labels,
        train_labels_second=np.where(np.arange(120) % 4, labels, (labels + 1) % 3),
        test_images=images[:30],
        test_labels=labels[:30],
    )
    return path


@pytest.fixture
def foreign(tmp_path):
    """A weights file of some other network."""
    path = tmp_path / "foreign.pt"
    torch.save({"stem.weight": torch.zeros(3, 3)}, path)
    return path


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_weights_of_another_network_are_told_before_any_run(here, tmp_path, foreign, more):
    done = here(*grid(f"resnet18:weights={foreign}", *more), code=2)
    assert done.stderr.count("do not fit this network") == 1
    assert "fault of noisybench" not in done.stderr
    assert not list(tmp_path.glob("results/failures/**/*.json"))


def test_every_backbone_is_built_once_for_every_shape_of_images(tmp_path, monkeypatch):
    built = []

    def counted(job):
        built.append(job.spec.backbone.name)
        return network_of(job)

    monkeypatch.setattr(preflight, "network_of", counted)
    preflight.examine(jobs(tmp_path, backbones=["cnn", "resnet18"], methods=["ce", "gce"]), tmp_path)
    assert sorted(built) == ["cnn", "resnet18"]


def test_data_that_cannot_be_read_are_left_to_their_runs(tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    findings = preflight.examine(jobs(tmp_path, datasets=[f"npz:{tmp_path}/broken.npz", "digits"]), tmp_path)
    assert not findings.refusals
    ((reason, count),) = findings.failing.items()
    assert "cannot read" in reason
    assert count == 1


def test_a_plugin_that_raises_is_left_to_its_runs(tmp_path, monkeypatch):
    for one in ALL:
        monkeypatch.setattr(one, "_added", {})
    (tmp_path / "wild.py").write_text(
        "from benchmark.noise.class_conditional import Pair\n"
        "class Wild(Pair):\n    def corrupt(self, split, seed):\n        raise ZeroDivisionError('by zero')\n"
    )
    add_plugin_file(tmp_path / "wild.py")
    findings = preflight.examine(jobs(tmp_path, noise=["wild:0.2", "none"]), tmp_path)
    assert findings.failing == {"ZeroDivisionError: by zero": 1}
    assert not findings.refusals


def test_an_error_of_a_backbone_says_its_exit_code():
    assert BackboneError.exit_code == 2


REFUSED: dict[str, tuple[dict[str, Any], str, int]] = {
    "noise that cannot be identified": ({"noise": ["none", "symmetric:0.2,0.95"]}, "not identifiable", 1),
    "noise that cannot be identified, under another": (
        {"noise": ["none", {"name": "long_tail", "rho": 10, "noise": "pair:0.6"}]},
        "not identifiable",
        1,
    ),
    "T of another number of classes": ({"noise": ["none", "transition:T.csv"]}, "holds a T of 2 classes", 1),
    "a map of another data set": ({"noise": ["none", "asymmetric:0.3,map=cifar100"]}, "is for 100 classes", 1),
    "a map of too many classes": ({"noise": ["none", "asymmetric:0.3,map=[[0,77]]"]}, "names class 77", 1),
    "views without augmentation": (
        {"backbones": ["cnn", "resnet18:frozen=true,views=2"], "recipe": {"augment": {"flip": False}}},
        "stores augmented copies",
        1,
    ),
    "images of a size that the network does not take": (
        {"backbones": ["cnn", "timm/vit_tiny_patch16_224"]},
        "timm/vit_tiny_patch16_224",
        1,
    ),
    "noise that no classifier makes identifiable": (
        {"datasets": ["npz:cells.npz"], "noise": ["none", "asymmetric:0.6"]},
        "not identifiable",
        1,
    ),
    "an extra test set of other classes": ({"extra_tests": {"other": "npz:cells.npz"}}, "extra test", 1),
}
"""Name -> axes, a part of the reason, number of runs that it concerns."""

SKIPPED: dict[str, tuple[dict[str, Any], str, int]] = {
    "labels that the data lacks": ({"noise": ["none", "given:nobody"]}, "no labels named 'nobody'", 1),
    "a subset larger than the data": ({"datasets": ["digits:subset=5000", "digits"]}, "subset 5000 is larger", 1),
    "true hints where nobody knows the truth": (
        {
            "datasets": ["npz:cells.npz"],
            "noise": ["as_is"],
            "methods": ["ce", "small_loss"],
            "tracks": ["blind", "oracle"],
        },
        "no oracle track",
        1,
    ),
    "a task that the noise is not for": (
        {"datasets": ["digits", "npz:two.npz"], "noise": ["confusion:0.2"]},
        "two classes",
        1,
    ),
}


def in_folder(monkeypatch, folder):
    monkeypatch.chdir(folder)
    np.savetxt(folder / "T.csv", [[0.9, 0.1], [0.2, 0.8]], delimiter=",")
    labels = np.arange(60) % 2
    images = np.random.default_rng(0).integers(0, 255, (60, 12, 12)).astype(np.uint8)
    tests: dict[str, Any] = {"test_images": images[:20], "test_labels": labels[:20]}
    np.savez(folder / "two.npz", train_images=images, train_labels=labels, **tests)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_grid_alone_decides_is_refused_before_it_starts(kind, cells, tmp_path, monkeypatch):
    in_folder(monkeypatch, tmp_path)
    axes, reason, count = REFUSED[kind]
    findings = preflight.examine(jobs(tmp_path, **axes), tmp_path / "cache")
    ((said, runs),) = findings.refusals.items()
    assert reason in said
    assert runs == count


@pytest.mark.parametrize("kind", SKIPPED)
def test_runs_that_do_not_apply_are_counted_before_they_start(kind, cells, tmp_path, monkeypatch):
    in_folder(monkeypatch, tmp_path)
    axes, reason, count = SKIPPED[kind]
    findings = preflight.examine(jobs(tmp_path, **axes), tmp_path / "cache")
    ((said, runs),) = findings.skipped.items()
    assert reason in said
    assert runs == count
    assert not findings.refusals


def test_what_is_found_is_what_the_runs_do(cells, tmp_path, monkeypatch):
    """Every run ends as it was foretold: skipped with that reason, or not at all."""
    in_folder(monkeypatch, tmp_path)
    noise = ["none", "given:nobody", "given:second", "symmetric:0.6"]
    every = jobs(tmp_path, datasets=["npz:cells.npz"], noise=noise, methods=["ce", "small_loss"], tracks=["oracle"])
    for job in every:
        findings = preflight.examine([job], tmp_path / "cache")
        whole = job.model_copy(update={"provenance": provenance.collect()})
        outcome = run_one(whole, Store(tmp_path / "results"))
        told = [*findings.refusals, *findings.skipped]
        assert outcome.state == ("failed" if findings.refusals else "skipped" if findings.skipped else "ok"), told
        assert all(outcome.summary.split(": ")[-1][:40] in reason for reason in told)


def test_the_command_line_tells_every_cell_and_trains_nothing(here, tmp_path):
    noise = ("-n", "none", "-n", "symmetric:0.2,0.95", "-n", "pair:0.3,0.7", "-n", "given:nobody")
    for more in ((), ("--dry-run",)):
        done = here("run", "-d", "digits", "-m", "ce", *noise, "--seeds", "3", "--epochs", "1", *more, code=2)
        assert done.stderr.count("not identifiable") == 2
        assert done.stderr.count("(3 of 18 runs)") == 2
        assert "3 of 18 runs will be skipped: data set 'digits' (train) has no labels named 'nobody'" in done.stderr
    assert not list(tmp_path.glob("results/runs/**/*.json"))
    assert not list(tmp_path.glob("results/failures/**/*.json"))
    allowed = here("run", "-d", "digits", "-m", "ce", *noise, "--seeds", "1", "--dry-run", "--allow-unidentifiable")
    assert "about" in allowed.stderr


def test_a_grid_of_which_all_runs_would_fail_is_refused_and_one_of_which_some_would_goes_on(here, tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    options = ("-m", "ce", "-n", "none", "--seeds", "1", "--epochs", "1")
    for more in ((), ("--dry-run",)):
        told = here("run", "-d", "npz:broken.npz", *options, *more, code=2).stderr
        assert "the grid cannot be run: 1 fault(s)" in told
        assert "cannot read" in told
    assert not list(tmp_path.glob("results/failures/**/*.json"))
    some = here("run", "-d", "npz:broken.npz", "-d", "digits:subset=100", *options, "--dry-run").stderr
    assert "1 of 2 runs will fail: " in some


def test_a_method_for_frozen_features_is_skipped_on_other_backbones_with_what_to_type(here):
    done = here(*grid("cnn", "-m", "knn", "--dry-run"))
    assert (
        "2 of 4 runs will be skipped: knn works on the features of a frozen backbone, and cnn is not frozen"
        in done.stderr
    )
    assert "add cnn:frozen=true (--backbone)" in done.stderr
    assert "skipped" not in here(*grid("cnn:frozen=true", "-m", "knn", "--dry-run")).stderr


def test_a_method_for_images_is_skipped_on_frozen_backbones_with_what_to_type(here, tmp_path):
    options = grid("cnn:frozen=true", "-m", "cgan_augment", "--no-table")
    assert "2 of 4 runs will be skipped: cgan_augment works on images only" in here(*options, "--dry-run").stderr
    assert "skipped" not in here(*grid("cnn", "-m", "cgan_augment", "--dry-run")).stderr
    done = here(*options)
    assert "leave frozen=true out (--backbone)" in done.stderr
    store = Store(tmp_path / "results")
    states = [store.read(run_id)["state"] for run_id in store.finished()]
    assert sorted(states) == ["ok", "ok", "skipped", "skipped"]
