"""Rates are those of the labels that are trained on: in the record, and as the truth that a method is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.grid.plugin_ref import PluginRef
from benchmark.runs.hints import Estimate, find_hints
from benchmark.runs.noisy_data import make_noisy_data
from benchmark.runs.prepare import DataSource, Prepared, Skipped, prepare

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


def test_a_doubtful_estimate_is_handed_on_with_its_doubt(folder: Path) -> None:
    made = prepared(folder, "symmetric:0.4", 50)
    given_rate = find_hints(
        frozenset({"noise_rate"}), "blind", made, lambda: Estimate(0.7, 1.0, "too weak"), torch.device("cpu")
    )
    assert given_rate.hints.noise_rate == 0.7
    assert given_rate.estimate is not None
    assert given_rate.estimate.doubt == "too weak"
