"""The training set on the device: which samples come in which batch, what they look like, and when."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from benchmark.checks.lab import CPU, images
from benchmark.grid.spec import Augment
from benchmark.training.samples import Images
from benchmark.training.train_set import EVAL_BATCH, DeviceTrainSet


def train_set(n: int = 50, batch_size: int = 16, policy: Augment | None = None, seed: int = 0) -> DeviceTrainSet:
    pixels, labels = images(n, 3, 1)
    policy = policy or Augment()
    return DeviceTrainSet(Images(pixels, CPU), labels, 3, batch_size=batch_size, policy=policy, order_seed=seed)


def order(data: DeviceTrainSet, index: torch.Tensor | None = None) -> list[int]:
    return [i for batch in data.batches(index) for i in batch.index.tolist()]


@given(n=st.integers(2, 70), batch_size=st.integers(2, 33))
def test_an_epoch_sees_every_sample_once_but_a_last_batch_of_one(n, batch_size):
    data = train_set(n, batch_size)
    sizes = [len(batch.index) for batch in data.batches()]
    assert all(size == batch_size for size in sizes[:-1])
    seen = order(train_set(n, batch_size))
    assert len(set(seen)) == len(seen) == n - (n % batch_size == 1)


def test_a_batch_holds_the_samples_labels_and_pixels_of_its_index():
    data = train_set()
    for batch in data.batches():
        assert torch.equal(batch.y, data.y[batch.index])
        assert torch.equal(batch.x[0], data.images.gather(batch.index))


def test_the_order_is_a_function_of_seed_epoch_and_pass():
    data, same = train_set(), train_set()
    first, second = order(data), order(data)
    assert first == order(same)
    assert first != second, "a second pass of an epoch has an order of its own"
    data.start_epoch(1)
    assert order(data) not in (first, second)
    data.start_epoch(0)
    assert order(data) == first
    assert order(train_set(seed=1)) != first
    data.start_epoch(0, "fit")
    assert order(data) != first, "auxiliary fits do not share the order of training"


def test_the_pass_is_counted_when_it_is_asked_for_and_not_when_it_begins():
    data, plain = train_set(), train_set()
    one, two = data.batches(), data.batches()
    later = [i for batch in two for i in batch.index.tolist()]
    earlier = [i for batch in one for i in batch.index.tolist()]
    assert [earlier, later] == [order(plain), order(plain)]


@given(st.sets(st.integers(0, 49), min_size=2))
def test_chosen_samples_keep_the_order_of_the_whole_set(chosen):
    whole = order(train_set(batch_size=50))
    some = order(train_set(batch_size=50), torch.tensor(sorted(chosen)))
    assert some == [i for i in whole if i in chosen]


def test_views_differ_under_augmentation_and_the_plain_one_does_not():
    policy = Augment(flip=True, rotate=20)
    (batch, *_) = train_set(policy=policy).batches(views=3)
    assert batch.x.shape == (3, 16, 1, 8, 8)
    assert not torch.equal(batch.x[0], batch.x[1])
    assert not torch.equal(batch.x[1], batch.x[2])
    (plain, *_) = train_set(policy=policy).batches(views=2, augment=False)
    assert torch.equal(plain.x[0], plain.x[1])


def test_augmentation_follows_the_sample_and_not_its_batch():
    policy = Augment(flip=True, rotate=20)
    by_index: list[dict[int, torch.Tensor]] = []
    for size in (16, 25):
        batches = train_set(batch_size=size, policy=policy).batches()
        pairs = [pair for batch in batches for pair in zip(batch.index.tolist(), batch.x[0], strict=True)]
        by_index.append(dict(pairs))
    shared = by_index[0].keys() & by_index[1].keys()
    assert len(shared) >= 48
    assert all(torch.equal(by_index[0][i], by_index[1][i]) for i in shared)


@pytest.mark.parametrize("n", [EVAL_BATCH - 1, EVAL_BATCH, EVAL_BATCH + 1])
def test_a_scan_goes_in_order_in_eval_mode_without_gradient_and_puts_the_modes_back(n):
    data = train_set(n)
    model = nn.Sequential(nn.Linear(64, 2), nn.BatchNorm1d(2))
    model[1].eval()
    data.model = model
    modes = []

    def fn(x: torch.Tensor) -> torch.Tensor:
        modes.append((model.training, model[1].training, torch.is_grad_enabled()))
        return x.flatten(1).sum(1)

    expected = torch.tensor(images(n, 3, 1)[0].reshape(n, -1).sum(1) / 255, dtype=torch.float32)
    torch.testing.assert_close(data.scan(fn), expected)
    some = torch.tensor([3, 1, 2])
    torch.testing.assert_close(data.scan(fn, some), expected[some])
    assert set(modes) == {(False, False, False)}
    assert (model.training, model[0].training, model[1].training) == (True, True, False)


def test_labels_are_a_copy_that_no_method_can_write_back():
    labels = np.zeros(50, dtype=np.int64)
    pixels, _ = images(50, 3, 1)
    data = DeviceTrainSet(Images(pixels, CPU), labels, 3, batch_size=8, policy=Augment(), order_seed=0)
    data.y[:] = 2
    assert not labels.any()
