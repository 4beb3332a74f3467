"""Every registered plugin keeps the promises that `noisybench check` tries on anybody's."""

import json
from pathlib import Path

import pytest

from benchmark.checks import backbones, datasets, methods, noise, under_noise
from benchmark.registry import BACKBONES, METHODS, NOISE
from methods.base import UNDER_NOISE

TRACES = Path(__file__).parent / "loss_traces.json"
NAMES = [entry.name for entry in METHODS.entries()]
NETWORKS = [*(entry.name for entry in BACKBONES.entries() if entry.name != "timm"), "timm/resnet18"]


@pytest.mark.parametrize(
    "check", [pytest.param(name, marks=[pytest.mark.slow] * (name in under_noise.CHECKS)) for name in methods.CHECKS]
)
@pytest.mark.parametrize("method", NAMES)
def test_method(method, check):
    methods.CHECKS[check](method, {})


def test_at_most_eight_methods_do_no_better_than_cross_entropy_under_noise():
    reasons = {name: METHODS.load(name).card.under_noise for name in NAMES}
    declared = {name: reason for name, reason in reasons.items() if reason}
    assert len(declared) <= 8, f"mend a method, or the problem of benchmark/checks/under_noise.py: {declared}"
    assert [name for name, reason in declared.items() if reason == "baseline"] == ["ce"]
    assert set(declared.values()) == UNDER_NOISE.keys()


@pytest.mark.parametrize("check", backbones.CHECKS)
@pytest.mark.parametrize("backbone", NETWORKS)
def test_backbone(backbone, check):
    backbones.CHECKS[check](backbone, {})


@pytest.mark.parametrize("check", noise.CHECKS)
@pytest.mark.parametrize("kind", [entry.name for entry in NOISE.entries()])
def test_noise(kind, check):
    noise.CHECKS[check](kind, {})


@pytest.mark.filterwarnings("ignore:.*not the official file:benchmark.datasets.base.DataWarning")  # our copy is not
@pytest.mark.parametrize("check", datasets.CHECKS)
@pytest.mark.parametrize("dataset", ["digits", "corrupted", "pbc", "pneumoniamnist", "cifar10n"])
def test_dataset(dataset, check, request):
    if dataset in ("digits", "corrupted"):
        datasets.CHECKS[check](dataset, {})
        return
    folder = request.getfixturevalue("real_data")
    if dataset == "pneumoniamnist":
        datasets.CHECKS[check]("pneumoniamnist", {"root": folder})
    else:
        name = {"pbc": "pbc_28.npz", "cifar10n": "cifar10n_10k.npz"}[dataset]
        datasets.CHECKS[check]("npz", {"path": folder / name})


@pytest.mark.parametrize("method", NAMES)
def test_a_method_whose_numbers_change_changes_its_version(method):
    """The first three losses are stored with the version. To store anew: python -m tests.checks.store_traces"""
    stored = json.loads(TRACES.read_text())
    assert method in stored, f"no trace of {method}: store it"
    assert stored[method]["version"] == METHODS.load(method).version, f"{method} has a new version: store its trace"
    assert methods.loss_trace(method) == pytest.approx(stored[method]["losses"], rel=1e-5, abs=1e-5), (
        f"{method} gives other numbers than version {stored[method]['version']}: bump its version, store the trace"
    )


def test_no_trace_is_left_of_a_method_that_is_gone():
    assert set(json.loads(TRACES.read_text())) == set(NAMES)
