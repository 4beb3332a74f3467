"""Noise of ordered classes, against the published formula and examples worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.noise.base import NoiseError
from benchmark.noise.manifest import make_manifest
from tests.noise.noise_cases import make, make_split


def test_four_balanced_classes_by_hand() -> None:
    """Row sums of 1/|i - j| are 11/6, 5/2, 5/2, 11/6, their mean 13/6: at rate .26 the level is .12."""
    split = make_split(400, 4, labels=np.arange(400) % 4)
    transition = make("ordinal", rate=0.26).corrupt(split, 0).transition
    expected = [[0.78, 0.12, 0.06, 0.04], [0.12, 0.7, 0.12, 0.06], [0.06, 0.12, 0.7, 0.12], [0.04, 0.06, 0.12, 0.78]]
    np.testing.assert_allclose(transition, expected, atol=1e-11)


def test_adjacent_noise_moves_one_class_only() -> None:
    split = make_split(3000, 5)
    made = make("ordinal", rate=0.4, reach="adjacent").corrupt(split, 0)
    wrong = made.labels != split.labels
    assert set(np.abs(made.labels - split.labels)[wrong]) == {1}
    # A class in the middle has two neighbors and flips twice as often as one at the end.
    flips = 1 - np.diagonal(made.transition)
    np.testing.assert_allclose(flips[1:-1], 2 * flips[0])


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**31), st.floats(0.0, 0.45), st.sampled_from(["all", "adjacent"]))
def test_the_expected_share_of_wrong_labels_is_the_rate(classes: int, seed: int, rate: float, reach: str) -> None:
    labels = np.random.default_rng(seed).integers(0, classes, 200)
    transition = make("ordinal", rate=rate, reach=reach).corrupt(make_split(200, classes, labels=labels), 0).transition
    assert transition is not None
    assert (1 - np.diagonal(transition))[labels].mean() == pytest.approx(rate, abs=1e-10)
    np.testing.assert_allclose(transition.sum(1), 1, atol=1e-12)
    off = transition[0, 1:]
    assert (np.diff(off) <= 0).all()


def test_validation_labels_get_the_transition_of_the_training_labels() -> None:
    train = make_split(1000, 5, labels=np.repeat(np.arange(5), [600, 100, 100, 100, 100]))
    val = make_split(1000, 5, name="val")
    kind = make("ordinal", rate=0.3)
    with pytest.raises(NoiseError, match="training split first"):
        kind.corrupt(val, 0)
    resolved = kind.resolve(train)
    np.testing.assert_array_equal(resolved.corrupt(val, 0).transition, kind.corrupt(train, 0).transition)


def test_the_manifest_says_in_which_order_the_classes_are_taken() -> None:
    split = make_split(500, 6)
    kind = make("ordinal", rate=0.2)
    assert "order of their numbers, 0 to 5" in make_manifest(kind, {}, split, kind.corrupt(split, 0)).notes[0]


def test_a_rate_at_which_middle_classes_flip_more_often_than_they_stay_is_refused() -> None:
    split = make_split(500, 5)
    kind = make("ordinal", rate=0.7)
    with pytest.raises(NoiseError, match="not identifiable"):
        make_manifest(kind, {}, split, kind.corrupt(split, 0))
