"""How the GAN of `cgan_augment` is trained, and what it is told: worked examples on networks that are watched."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.checks.lab import Lab
from benchmark.grid.spec import Augment, Recipe
from methods import _gan, cgan_augment
from methods._gan import Discriminator, Generator, train
from methods.base import Batch
from methods.cgan_augment import endless
from tests.golden.harness import recorded

CLASSES, SIDE, WIDTH, SIZE = 3, 8, 4, 6


def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(CLASSES, 1, SIDE, WIDTH).double().requires_grad_(False)


def batches(images: Tensor) -> Iterator[Batch]:
    y = torch.arange(len(images)) % CLASSES
    while True:
        yield Batch(x=images[None], y=y, index=torch.arange(len(images)))


def trained(average: Generator, given: Iterator[Batch], steps: int) -> Discriminator:
    """Trains `average` for so many steps; gives the discriminator."""
    torch.manual_seed(1)
    with recorded(_gan, "Discriminator") as calls:
        train(average, given, lambda x: x, torch.eye(CLASSES, dtype=torch.float64), steps, WIDTH)
    (call,) = calls
    return call.result


# ---- networks ----------------------------------------------------------------------------------------------


def test_the_largest_singular_value_of_every_weight_stays_near_1_over_the_training() -> None:
    given = batches(torch.rand(SIZE, 1, SIDE, SIDE, dtype=torch.float64))
    network = trained(generator(), given, 40)
    weights = [value.detach() for name, value in network.named_parameters() if name.endswith("weight")]
    largest = [float(torch.linalg.svdvals(weight.flatten(1))[0]) for weight in weights]
    assert largest == pytest.approx([1.0] * len(largest), abs=0.05)


def test_the_average_of_the_generator_reaches_back_10_steps_and_a_fifth_of_those_past() -> None:
    average, seen = generator(), []
    expected = [value.clone() for value in average.parameters()]

    def given() -> Iterator[Batch]:
        """Keeps the generator's weights whenever a step is over."""
        for number, batch in enumerate(batches(torch.rand(SIZE, 1, SIDE, SIDE, dtype=torch.float64))):
            if number:
                seen.append([value.detach().clone() for value in copies[0].result.parameters()])
            yield batch

    with recorded(copy, "deepcopy") as copies:
        trained(average, given(), 5)
    seen.append(list(copies[0].result.parameters()))
    for step, weights in enumerate(seen):
        share = 1 / (10 + 0.2 * step)
        expected = [(1 - share) * mean + share * now for mean, now in zip(expected, weights, strict=True)]
    assert len(seen) == 5
    torch.testing.assert_close(list(average.parameters()), expected)


def test_the_discriminator_sees_black_as_minus_1_and_white_as_1() -> None:
    network = Discriminator(CLASSES, 1, SIDE, WIDTH)
    inputs: list[Tensor] = []
    network.shrinking[0].register_forward_pre_hook(lambda layer, args: inputs.append(args[0]))
    shades = torch.tensor([0.0, 0.5, 1.0])
    network(shades[:, None, None, None].expand(3, 1, SIDE, SIDE), torch.arange(3))
    assert inputs[0].flatten(1).unique(dim=1).squeeze(1).tolist() == [-1, 0, 1]


def test_real_and_generated_images_of_a_step_are_shown_at_the_same_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """White images, real and generated: what is black shows where they were moved to."""
    average = generator()
    nn.init.zeros_(average.last.weight)
    assert average.last.bias is not None
    nn.init.constant_(average.last.bias, 100.0)
    seen: list[Tensor] = []

    class Watched(Discriminator):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            seen.append(x.detach())
            return super().forward(x, y)

    monkeypatch.setattr(_gan, "Discriminator", Watched)
    trained(average, batches(torch.ones(SIZE, 1, SIDE, SIDE, dtype=torch.float64)), 8)
    assert [len(x) for x in seen] == [2 * SIZE, SIZE] * 8
    assert all(torch.equal(x, x[:1].expand_as(x)) for x in seen)
    assert len({tuple(x[0].flatten().tolist()) for x in seen}) > 1


# ---- what the networks are given ---------------------------------------------------------------------------


class Uneven(Lab):
    """Of 90 samples, 50, 20 and 20 are of the classes; 40 % of class 0 have the label 1: 30, 40 and 20 labels."""

    def flipped(self, labels: np.ndarray) -> np.ndarray:
        return np.repeat([0, 1, 2], [30, 40, 20])

    def transition(self) -> Tensor:
        return torch.tensor([[0.6, 0.4, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])

    def recipe(self) -> Recipe:
        return super().recipe().model_copy(update={"augment": Augment(flip=True)})


def test_what_t_makes_of_the_labels_says_which_classes_are_generated_and_how_often() -> None:
    lab = Uneven("cgan_augment", {"transition": "oracle", "gan": 1.0, "share": 0.9, "width": 4}, epochs=1)
    lab.start(0)
    with recorded(cgan_augment, "train") as calls:
        drawn: Any = torch.cat([batch.classes for batch in lab.instance.plan(0, lab.data)])  # type: ignore[attr-defined]
    clean_of = calls[0].args[3]
    # Of the 40 labels 1, 20 are of class 0.
    torch.testing.assert_close(clean_of, torch.tensor([[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1]]), atol=1e-3, rtol=0)
    clean = torch.tensor([5, 2, 2]) / 9
    torch.testing.assert_close(lab.instance.prior, clean, atol=1e-3, rtol=0)
    assert len(drawn) == 9 * 90
    # Four standard deviations of the share of class 0 are .07; of the labels a third are 0, as of a uniform draw.
    torch.testing.assert_close(drawn.bincount() / len(drawn), clean, atol=0.07, rtol=0)


def test_the_gan_learns_the_images_without_augmentation() -> None:
    data = Uneven("cgan_augment", {}).data
    for batch in itertools.islice(endless(data), 12):
        assert torch.equal(batch.x[0], data.images.gather(batch.index))
    assert not any(torch.equal(batch.x[0], data.images.gather(batch.index)) for batch in data.batches())
