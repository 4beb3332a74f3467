"""Rates are those of the labels that are trained on: in the record, and as the truth that a method is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.grid.plugin_ref import PluginRef
from benchmark.noise import rate_estimate
from benchmark.noise.rate_estimate import FALLBACK, HeldOut, RateEstimate
from benchmark.runs import hints
from benchmark.runs.hints import Estimate, cached_estimate, find_hints
from benchmark.runs.noisy_data import make_noisy_data
from benchmark.runs.prepare import DataSource, Prepared, Skipped, prepare
from benchmark.runs.recording import _noise
from tests.grid.test_spec import spec

BOTH = frozenset({"noise_rate", "transition"})


def prepared(folder: Path, noise: str, subset: int | None, seed: int = 0) -> Prepared:
    made = make_noisy_data(PluginRef.of("digits"), PluginRef.of(noise), seed, data_root=folder, results=folder)
    source = DataSource(made.source.dataset, made.source.digest, subset)
    return prepare(source, made.noise, folder / "cache")


def never() -> Estimate:
    raise AssertionError("the oracle track needs no estimate")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hints")


@settings(deadline=None, max_examples=15)
@given(
    noise=st.sampled_from(["none", "symmetric:0.3", "pair:0.2", "long_tail:5,noise=symmetric:0.4", "asymmetric:0.4"]),
    subset=st.one_of(st.none(), st.integers(20, 250)),
    seed=st.integers(0, 3),
)
def test_the_true_rate_is_that_of_the_labels_trained_on(
    folder: Path, noise: str, subset: int | None, seed: int
) -> None:
    made = prepared(folder, noise, subset, seed)
    told = find_hints(BOTH, "oracle", made, never, torch.device("cpu")).hints
    assert made.train.clean is not None
    assert told.noise_rate == made.realized_rate == np.mean(made.train.noisy != made.train.clean)
    assert len(made.train.noisy) == (subset or len(made.train.noisy))
    assert told.transition is not None
    np.testing.assert_allclose(told.transition.sum(1), 1, rtol=1e-5)


def test_the_rate_of_a_subset_is_not_that_of_the_whole_set(folder: Path) -> None:
    part = prepared(folder, "symmetric:0.4", 50)
    assert part.realized_rate != part.manifest.realized_rate
    assert part.manifest.num_samples == 1078, "the manifest describes all labels"


def test_where_the_truth_is_unknown_there_is_no_rate_and_no_oracle(folder: Path) -> None:
    made = prepared(folder, "as_is", None)
    assert made.realized_rate is None
    with pytest.raises(Skipped, match="no oracle track"):
        find_hints(BOTH, "oracle", made, never, torch.device("cpu"))


REFUSED = Estimate(RateEstimate(FALLBACK, None, None, "too weak"), 1.0)
TOLD = Estimate(RateEstimate(0.41, 0.35, 0.46), 1.0)


@pytest.mark.parametrize("estimate", [REFUSED, TOLD])
def test_a_blind_method_gets_the_estimate_or_the_fallback(folder: Path, estimate: Estimate) -> None:
    made = prepared(folder, "symmetric:0.4", 50)
    given_rate = find_hints(frozenset({"noise_rate"}), "blind", made, lambda: estimate, torch.device("cpu"))
    assert given_rate.hints.noise_rate == estimate.noise.rate
    assert given_rate.estimate is estimate
    noise = _noise(given_rate, made)
    assert noise["estimated_rate"] == estimate.noise.rate
    assert noise["estimate_interval"] == estimate.noise.interval
    assert noise["estimate_doubt"] == estimate.noise.doubt
    assert noise["estimator_error"] == estimate.noise.rate - made.realized_rate


@pytest.mark.parametrize("estimate", [REFUSED, TOLD])
def test_a_stored_estimate_is_read_back_and_one_of_another_version_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, estimate: Estimate
) -> None:
    made: list[str] = []

    def predict() -> tuple[np.ndarray, HeldOut]:
        made.append("predicted")
        return np.zeros(2, dtype=np.int64), HeldOut(np.eye(2), np.eye(2))

    monkeypatch.setattr(hints, "estimate_rate", lambda *arguments: estimate.noise)
    first, second = (cached_estimate(spec(), tmp_path, predict) for _ in range(2))
    assert first == second
    assert first.noise == estimate.noise
    assert len(made) == 1
    monkeypatch.setattr(rate_estimate, "VERSION", rate_estimate.VERSION + 1)
    cached_estimate(spec(), tmp_path, predict)
    assert len(made) == 2
