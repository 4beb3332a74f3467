"""Promises that hold for every kind, rate, seed, number of classes and part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmark.noise._draws import uniforms
from benchmark.noise.base import NoiseError
from benchmark.noise.manifest import count
from benchmark.registry import NOISE
from tests.noise.noise_cases import IDS, RATED, make, make_split


def each(keep: Callable[[str, dict[str, Any]], bool]) -> pytest.MarkDecorator:
    kept = [(case, label) for case, label in zip(RATED, IDS, strict=True) if keep(*case)]
    return pytest.mark.parametrize(("name", "options"), [k[0] for k in kept], ids=[k[1] for k in kept])


every_rated_kind = each(lambda name, options: True)
every_calibrated_kind = each(lambda name, options: (name, options) != ("instance", {"official": True}))
every_classwise_kind = each(lambda name, options: name in ("symmetric", "pair", "asymmetric"))
shapes = {
    "n": st.integers(1, 300),
    "num_classes": st.integers(2, 12),
    "seed": st.integers(0, 2**31),
}
rates = st.floats(0.0, 0.9, allow_subnormal=False)
fast = settings(max_examples=20, deadline=None)


@every_rated_kind
def test_rate_zero_is_the_identity(name: str, options: dict[str, Any]) -> None:
    split = make_split()
    assert (make(name, rate=0, **options).corrupt(split, 1).labels == split.labels).all()


@every_rated_kind
@fast
@given(**shapes, rate=rates)
def test_labels_stay_in_range_and_inputs_untouched(
    name: str, options: dict[str, Any], n: int, num_classes: int, seed: int, rate: float
) -> None:
    split = make_split(n, num_classes)
    split.labels.setflags(write=False)
    before = split.probabilities.copy()
    noisy = make(name, rate=rate, **options).corrupt(split, seed).labels
    assert noisy.shape == (n,)
    assert noisy.dtype == np.int64
    assert noisy.min() >= 0
    assert noisy.max() < num_classes
    assert not np.shares_memory(noisy, split.labels)
    np.testing.assert_array_equal(split.probabilities, before)


@every_rated_kind
@fast
@given(**shapes, low=rates, high=rates)
def test_noise_is_nested_in_index_and_class(
    name: str, options: dict[str, Any], n: int, num_classes: int, seed: int, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    split = make_split(n, num_classes)
    little = make(name, rate=low, **options).corrupt(split, seed).labels
    much = make(name, rate=high, **options).corrupt(split, seed).labels
    wrong = little != split.labels
    np.testing.assert_array_equal(little[wrong], much[wrong])


@every_rated_kind
def test_every_flip_leaves_the_clean_class(name: str, options: dict[str, Any]) -> None:
    """As many labels are wrong as were flipped: none flips to itself."""
    split = make_split(20_000, 5)
    made = make(name, rate=0.9 if name != "asymmetric" else 0.49, **options).corrupt(split, 3)
    if made.transition is None:
        expected = 0.871 if (name, options) == ("instance", {"official": True}) else 0.9
    else:
        expected = (1 - np.diagonal(made.transition))[split.labels].mean()
    assert (made.labels != split.labels).mean() == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("rate", [0.1, 0.49])
@every_classwise_kind
def test_a_label_is_wrong_exactly_where_its_uniform_says_flip(name: str, options: dict[str, Any], rate: float) -> None:
    split = make_split()
    made = make(name, rate=rate, **options).corrupt(split, 3)
    u, _ = uniforms(split, name, 3)
    assert made.transition is not None
    flips = u < (1 - np.diagonal(made.transition))[split.labels]
    np.testing.assert_array_equal(made.labels != split.labels, flips)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.45])
@every_calibrated_kind
def test_realized_rate_lies_inside_the_exact_binomial_bound(
    name: str, options: dict[str, Any], rate: float, seed: int
) -> None:
    n = 4000
    split = make_split(n)
    made = make(name, rate=rate, **options).corrupt(split, seed)
    nominal = rate
    if made.transition is not None:
        nominal = (1 - np.diagonal(made.transition))[split.labels].mean()
    low, high = stats.binom.ppf([1e-6, 1 - 1e-6], n, nominal)
    assert low <= (made.labels != split.labels).sum() <= high


@pytest.mark.parametrize("rate", [0.1, 0.4])
@every_classwise_kind
def test_drawn_labels_agree_with_the_returned_transition(name: str, options: dict[str, Any], rate: float) -> None:
    split = make_split(30_000, 7)
    made = make(name, rate=rate, **options).corrupt(split, 5)
    assert made.transition is not None
    np.testing.assert_allclose(made.transition.sum(1), 1, atol=1e-12)
    joint = count(split.labels, made.labels, 7)
    expected = joint.sum(1, keepdims=True) * made.transition
    used = expected > 0
    assert not joint[~used].any()
    statistic = ((joint[used] - expected[used]) ** 2 / expected[used]).sum()
    assert stats.chi2.sf(statistic, used.sum() - 7) > 1e-4


@every_rated_kind
def test_parts_seeds_and_data_draw_independently(name: str, options: dict[str, Any]) -> None:
    kind = make(name, rate=0.5 if name != "asymmetric" else 0.4, **options)
    split = make_split()
    kind = kind.resolve(split)
    first = kind.corrupt(split, 0).labels
    np.testing.assert_array_equal(first, kind.corrupt(split, 0).labels)
    others = [
        kind.corrupt(split, 1),
        kind.corrupt(make_split(name="val"), 0),
        kind.corrupt(make_split(key="other"), 0),
    ]
    for other in others:
        wrong, too = first != split.labels, other.labels != split.labels
        # Not 0: pmd and asymmetric share which samples are likely to flip. Equal draws would give 1.
        assert abs(np.corrcoef(wrong, too)[0, 1]) < 0.6
        assert (first != other.labels).any()


def test_every_registered_kind_is_covered_here_or_declares_that_it_is_not_nested() -> None:
    for entry in NOISE.entries():
        plugin = NOISE.load(entry.name)
        # Open-set noise changes images, not labels: test_open_set_noise.py.
        assert entry.name in {"open_set", *(name for name, _ in RATED)} or not plugin.nested
        assert plugin.names == (entry.name,)
        assert not plugin.positional or plugin.positional in plugin.Config.model_fields


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan"), float("inf"), "many"])
@every_rated_kind
def test_a_rate_outside_its_range_is_refused(name: str, options: dict[str, Any], rate: Any) -> None:
    with pytest.raises(ValueError, match="rate"):
        make(name, rate=rate, **options)


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        (np.array([0, 3]), 3, "0 to 2"),
        (np.array([-1, 0]), 3, "0 to 2"),
        (np.array([[0], [1]]), 3, "squeeze"),
        (np.array([0.0, 1.0]), 3, "int64"),
        (np.array([0, 0]), 1, "at least 2"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: np.ndarray, classes: int, message: str) -> None:
    with pytest.raises(NoiseError, match=message):
        make_split(labels=labels, num_classes=3 if classes == 3 else 2).__class__(
            "train", labels, classes, "made", "key"
        )
