"""Stratified draws, read-only arrays, and the digits."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.datasets.base import Arrays, Data, DataError, stratified_split, stratified_subset
from benchmark.datasets.digits import Digits
from benchmark.datasets.extra_tests import with_extra_tests
from benchmark.registry import DATASETS

LABELS = st.lists(st.integers(0, 4), min_size=12, max_size=200).map(lambda x: np.array(x, dtype=np.int64))


@settings(max_examples=60, deadline=None)
@given(LABELS, st.integers(0, 9), st.data())
def test_subset_has_exactly_n_samples_of_the_classes_in_proportion(labels, seed, data):
    n = data.draw(st.integers(1, len(labels)))
    index = stratified_subset(labels, n, seed)
    assert len(np.unique(index)) == n
    assert np.array_equal(index, np.sort(index))
    for label, size in zip(*np.unique(labels, return_counts=True), strict=True):
        share = size / len(labels)
        assert -share * 5 - 1e-9 <= (labels[index] == label).sum() - n * share <= 1 + 1e-9


@settings(max_examples=30, deadline=None)
@given(LABELS, st.integers(0, 9))
def test_smaller_subset_lies_within_larger_one(labels, seed):
    small, large = (
        stratified_subset(labels, len(labels) // 3, seed),
        stratified_subset(labels, len(labels) // 2, seed),
    )
    assert set(small) <= set(large)


def test_subset_of_k_samples_holds_every_class_however_rare():
    labels = np.array([0] * 1000 + [1] * 5 + [2])
    assert set(labels[stratified_subset(labels, 3, seed=4)]) == {0, 1, 2}


def test_subset_depends_on_its_seed_only():
    labels = np.random.default_rng(1).integers(0, 7, 500)
    first = stratified_subset(labels, 100, seed=0)
    np.random.seed(7)
    assert np.array_equal(first, stratified_subset(labels, 100, seed=0))
    assert not np.array_equal(first, stratified_subset(labels, 100, seed=1))
    assert hashlib.sha256(first.astype("<i8").tobytes()).hexdigest()[:16] == "cc7d9ae046eaf04a"


@settings(max_examples=60, deadline=None)
@given(LABELS, st.floats(0.1, 0.9), st.integers(0, 9))
def test_split_parts_are_disjoint_and_complete_and_stratified(labels, fraction, seed):
    rest, part = stratified_split(labels, fraction, seed)
    assert len(part) == round(fraction * len(labels))
    assert np.array_equal(np.sort(np.concatenate([rest, part])), np.arange(len(labels)))
    for label, size in zip(*np.unique(labels, return_counts=True), strict=True):
        assert abs((labels[part] == label).sum() - fraction * size) <= 2


def test_single_sample_of_a_class_stays_out_of_a_small_part():
    labels = np.array([0] * 50 + [1])
    assert all(50 in stratified_split(labels, 0.2, seed)[0] for seed in range(20))


@pytest.mark.parametrize("n", [0, -1, 11])
def test_subset_of_impossible_size_is_refused(n):
    with pytest.raises(DataError, match="expected 1 to 10"):
        stratified_subset(np.zeros(10, dtype=np.int64), n, 0)


def test_split_with_an_empty_part_is_refused():
    with pytest.raises(DataError, match="empty"):
        stratified_split(np.array([0, 1, 0]), 0.1, 0)


def test_digits_has_its_fixed_stratified_split():
    data = Digits("digits", Digits.Config()).load()
    assert data.val is not None
    assert (len(data.train), len(data.val), len(data.test)) == (1078, 360, 359)
    assert data.train.images.shape == (1078, 8, 8, 1)
    assert (data.train.images.min(), data.train.images.max()) == (0, 255)
    shares = [np.bincount(part.labels, minlength=10) / len(part) for part in (data.train, data.val, data.test)]
    assert np.ptp(shares, axis=0).max() < 0.01
    content = b"".join(p.images.tobytes() + p.labels.astype("<i8").tobytes() for p in (data.train, data.val, data.test))
    assert hashlib.sha256(content).hexdigest()[:16] == "d0c485be35eca96d"


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    data = Digits("digits", Digits.Config()).load()
    ours = np.concatenate([p.images for p in (data.train, data.val, data.test) if p]).astype(int)
    theirs = load_digits().images
    assert ours.sum() == pytest.approx(theirs.sum() * 255 / 16, rel=1e-3)
    back = np.rint(ours[..., 0] * 16 / 255).astype(int)
    assert {image.tobytes() for image in back} == {image.tobytes() for image in theirs.astype(int)}


def test_arrays_cannot_be_changed_in_place():
    data = Digits("digits", Digits.Config()).load()
    with pytest.raises(ValueError, match="read-only"):
        data.train.labels[0] = 3
    with pytest.raises(ValueError, match="read-only"):
        data.test.images[0] = 0


def test_extra_tests_of_other_classes_or_shapes_are_refused():
    def data(size: int, classes: int) -> Data:
        part = Arrays(np.zeros((4, size, size, 1), np.uint8), np.arange(4) % classes)
        return Data("x", classes, tuple("abcd"[:classes]), part, part)

    def added(ours: Data, theirs: Data) -> Data:
        return with_extra_tests(ours, {"other": theirs.as_extra_test()})

    assert list(added(data(8, 2), data(8, 2)).extra_tests) == ["other"]
    with pytest.raises(DataError, match="'c', which x does not have"):
        added(data(8, 2), data(8, 3))
    with pytest.raises(DataError, match="resize"):
        added(data(8, 2), data(9, 2))


def test_every_family_is_found_by_the_registry_with_its_task():
    entries = {entry.name: entry for entry in DATASETS.entries()}
    assert {"digits", "npz", "folder", "cifar10", "cifar100", "pathmnist", "chestmnist"} <= set(entries)
    assert not {"cache", "inspect"} & set(entries)
    assert entries["chestmnist"].declared["task"] == "multilabel"
    assert all(entry.summary and not entry.broken for entry in entries.values())


def test_digests_of_digits_and_medmnist_import_neither_torch_nor_scikit_learn(tmp_path):
    code = (
        "import sys; from pathlib import Path; from benchmark.datasets.digits import Digits;"
        "from benchmark.datasets.medmnist import MedMNIST;"
        "Digits('digits', Digits.Config()).digest();"
        f"MedMNIST('pathmnist', MedMNIST.Config(), Path({str(tmp_path)!r})).digest();"
        "sys.exit(bool({'torch', 'sklearn', 'medmnist', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
