"""Images of no class of the task: what the kind draws, and what the manifest says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmark.noise.base import NoiseError
from benchmark.noise.manifest import make_manifest
from tests.noise.noise_cases import make, make_split


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A source; the kind itself never opens it."""
    path = tmp_path_factory.mktemp("other") / "other.npz"
    path.write_bytes(b"")
    return f"npz:{path}"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 0.9), st.floats(0, 0.9))
def test_a_higher_rate_replaces_the_same_images_by_the_same_ones(
    other: str, seed: int, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    split = make_split(400, 5, outside=500)
    little = make("open_set", rate=low, source=other).corrupt(split, seed)
    much = make("open_set", rate=high, source=other).corrupt(split, seed)
    assert little.outside is not None
    assert much.outside is not None
    replaced = little.outside >= 0
    np.testing.assert_array_equal(little.outside[replaced], much.outside[replaced])
    used = much.outside[much.outside >= 0]
    assert len(set(used.tolist())) == len(used)
    assert used.max(initial=0) < 500
    np.testing.assert_array_equal(little.labels, split.labels)


def test_replaced_images_count_as_wrong_and_transition_is_that_of_the_others(other: str) -> None:
    split = make_split(20_000, 5, outside=10_000)
    kind = make("open_set", rate=0.3, source=other, noise="symmetric:0.2")
    made = kind.corrupt(split, 0)
    manifest = make_manifest(kind, {}, split, made)
    assert manifest.realized_rate == pytest.approx(0.3 + 0.7 * 0.2, abs=0.015)
    np.testing.assert_allclose(np.array(manifest.realized_rate_per_class, dtype=float), 0.2, atol=0.03)
    assert manifest.open_set is not None
    assert manifest.open_set.count + sum(manifest.class_counts) == manifest.num_samples == 20_000
    np.testing.assert_allclose(np.diagonal(np.array(manifest.transition)), 0.8)
    assert made.outside is not None
    replaced = made.outside >= 0
    np.testing.assert_array_equal(made.labels[replaced], split.labels[replaced])
    assert (made.labels != split.labels)[~replaced].mean() == pytest.approx(0.2, abs=0.015)


def test_manifests_of_other_images_differ_where_labels_are_equal(other: str) -> None:
    split = make_split(500, 5, outside=500)
    kind = make("open_set", rate=0.4, source=other)
    one, two = (make_manifest(kind, {}, split, kind.corrupt(split, seed)) for seed in (0, 1))
    assert one.labels_sha256 == two.labels_sha256
    assert one.open_set is not None
    assert two.open_set is not None
    assert one.open_set.sha256 != two.open_set.sha256


def test_a_long_tail_of_open_set_noise_keeps_the_replaced_images(other: str, tmp_path: Path) -> None:
    split = make_split(3000, 5, outside=3000)
    kind = make("long_tail", rho=4, noise={"name": "open_set", "rate": 0.3, "source": other})
    made = kind.corrupt(split, 0)
    assert kind.source is not None
    manifest = make_manifest(kind, {}, split, made)
    assert made.selection is not None
    assert manifest.num_samples == len(made.selection) < 3000
    assert manifest.open_set is not None
    assert manifest.open_set.count == pytest.approx(0.3 * manifest.num_samples, abs=60)


def test_more_images_than_the_source_has_are_refused(other: str) -> None:
    with pytest.raises(NoiseError, match="its source has 3 for them; expected a lower rate or more images"):
        make("open_set", rate=0.5, source=other).corrupt(make_split(100, 5, outside=3), 0)


@pytest.mark.parametrize("noise", ["as_is", {"name": "long_tail", "rho": 2}])
def test_only_kinds_that_change_labels_can_follow(other: str, noise: Any) -> None:
    with pytest.raises(ValidationError, match="changes labels only"):
        make("open_set", rate=0.1, source=other, noise=noise)
    with pytest.raises(ValidationError):
        make("open_set", rate=0.1, source=other, noise={"name": "open_set", "rate": 0.1, "source": other})


def test_open_set_noise_without_a_source_is_refused() -> None:
    with pytest.raises(ValidationError, match="source"):
        make("open_set", rate=0.1)
    with pytest.raises(ValueError, match="path"):
        make("open_set", rate=0.1, source="npz:/nowhere.npz")
