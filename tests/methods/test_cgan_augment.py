"""`cgan_augment`: the GAN learns clean classes from noisy labels, and its images join every batch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from benchmark.checks.lab import CPU, Lab
from benchmark.registry import METHODS
from benchmark.training.samples import Images
from methods import Generative
from methods._gan import SIDES, Discriminator, Generator, adversarial_losses, shown, side_of
from methods._transition import clean_given_noisy, clean_prior
from methods.cgan_augment import endless


def classes_seen(options: dict[str, object]) -> torch.Tensor:
    """[3, 3] of the images generated for class i, the share that shows class j; 90 % of the labels say the next class.

    An image of class j has its columns 2 j and 2 j + 1 lit.
    """
    lab = Lab("cgan_augment", {"gan": 50.0, **options}, noise_rate=0.9, epochs=1)
    lab.start(0)
    next(iter(lab.instance.plan(0, lab.data)))
    torch.manual_seed(0)
    images = lab.instance.generate(torch.arange(3).repeat_interleave(100))
    columns = images[..., :6].mean((1, 2)).unflatten(1, (3, 2)).mean(2)
    return F.one_hot(columns.argmax(1), 3).float().unflatten(0, (3, 100)).mean(1)


def test_with_t_the_generator_makes_the_clean_class_and_without_it_the_one_that_the_labels_say() -> None:
    assert classes_seen({"transition": "oracle"}).diagonal().min() > 0.8
    assert classes_seen({"transition": "none"}).roll(1, 1).diagonal().min() > 0.8


@given(st.integers(2, 6), st.integers(0, 2**31), st.floats(0.0, 0.8))
def test_the_clean_frequencies_are_those_that_t_turns_into_the_noisy_ones(classes: int, seed: int, rate: float) -> None:
    draw = np.random.default_rng(seed)
    clean = torch.from_numpy(draw.dirichlet(np.full(classes, 3.0)))
    identity = torch.eye(classes, dtype=torch.float64)
    transition = (1 - rate) * identity + rate / classes
    noisy = transition.T @ clean
    found = clean_prior(transition, noisy * 1e6)
    assert (transition.T @ found).numpy() == pytest.approx(noisy.numpy(), abs=2e-3)
    posterior = clean_given_noisy(transition, clean)
    assert (posterior.T @ noisy).numpy() == pytest.approx(clean.numpy(), abs=1e-9)
    assert posterior.sum(1).numpy() == pytest.approx(1)


def test_of_a_singular_t_the_clean_frequencies_stay_probabilities() -> None:
    transition = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    prior = clean_prior(transition, torch.tensor([5, 1, 2]))
    assert (prior >= 0).all()
    assert prior.tolist() == pytest.approx([3 / 8, 3 / 8, 2 / 8])


def test_generated_images_join_every_batch_in_the_stated_share_and_in_the_form_of_the_data() -> None:
    for share, count in ((0.5, 16), (0.2, 4), (0.8, 64)):
        lab = Lab("cgan_augment", {"share": share, "gan": 0.1}, epochs=2)
        lab.start(0)
        batch: Any = next(iter(lab.instance.plan(0, lab.data)))
        assert batch.made.shape == (count, 1, 8, 8)
        assert 0 <= float(batch.made.min()) <= float(batch.made.max()) <= 1
        logits = lab.instance.logits(batch)
        expected = F.cross_entropy(logits, torch.cat([batch.y, batch.classes]))
        assert torch.equal(lab.instance.loss(logits, batch), expected)


def test_the_real_part_of_a_batch_is_that_of_cross_entropy() -> None:
    labs = [Lab(name, {}, epochs=2) for name in ("ce", "cgan_augment")]
    seen = []
    for lab in labs:
        lab.start(0)
        seen.append([(batch.index, batch.x) for batch in lab.instance.plan(0, lab.data)])
    for (index, x), (other, own) in zip(*seen, strict=True):
        assert torch.equal(index, other)
        assert torch.equal(x, own)


@pytest.mark.parametrize("size", [(28, 28), (64, 48), (5, 7)])
def test_images_of_any_size_are_generated_in_their_size(size: tuple[int, int]) -> None:
    class Sized(Lab):
        def images(self, num_samples: int, part: int) -> tuple[np.ndarray, np.ndarray]:
            draw = np.random.default_rng(part)
            labels = np.arange(num_samples) % self.num_classes
            return draw.integers(0, 256, (num_samples, *size, 1), dtype=np.uint8), labels.astype(np.int64)

    lab = Sized("ce", {}, num_samples=20)
    config = METHODS.load("cgan_augment").Config(gan=0.1, width=4)
    lab.kit.optimizer = lambda *args, **kwargs: None  # type: ignore[method-assign,assignment]  # `ce` has taken the name
    method: Any = METHODS.load("cgan_augment")(config, lab.kit)
    assert issubclass(type(method), Generative)
    assert method.generate(torch.tensor([0, 1, 2])).shape == (3, 1, *size)
    assert method.fit(Images(lab.images(3, 1)[0], CPU).slice(0, 3)).shape == (3, 1, method.side, method.side)


@pytest.mark.parametrize(("samples", "batches"), [(1, 0), (2, 5)])
def test_passes_over_the_data_never_end_but_for_a_set_too_small_for_a_batch(samples: int, batches: int) -> None:
    few = Lab("cgan_augment", {}, num_samples=samples).data
    assert [len(batch.y) for batch in itertools.islice(endless(few), 5)] == [samples] * batches


def test_the_generator_is_no_larger_than_the_images_need_and_no_larger_than_asked() -> None:
    assert [side_of(side, side, 32) for side in (4, 8, 9, 16, 28, 224)] == [8, 8, 16, 16, 32, 32]
    assert [side_of(28, 28, side) for side in SIDES] == list(SIDES)


@pytest.mark.parametrize("side", SIDES)
def test_every_weight_of_the_discriminator_has_the_largest_singular_value_1(side: int) -> None:
    torch.manual_seed(0)
    network = Discriminator(5, 3, side, 8)
    network.normalize(iterations=100)
    weights = [value for name, value in network.named_parameters() if name.endswith("weight")]
    largest = [float(torch.linalg.svdvals(weight.detach().flatten(1))[0]) for weight in weights]
    assert largest == pytest.approx([1.0] * len(largest), abs=0.02)
    images = Generator(5, 3, side, 8)(torch.arange(5))
    assert images.shape == (5, 3, side, side)
    assert network(images, torch.arange(5)).shape == (5,)


def test_images_are_shown_moved_by_at_most_an_eighth_over_black() -> None:
    torch.manual_seed(0)
    x = torch.zeros(2, 1, 16, 16)
    x[:, :, 8, 8] = 1
    places = {tuple(shown(x)[0, 0].nonzero()[0].tolist()) for _ in range(300)}
    assert places == {(row, column) for row in range(6, 11) for column in range(6, 11)}


def test_the_discriminators_loss_is_0_only_where_it_is_sure_of_all() -> None:
    assert adversarial_losses(torch.tensor([1.0, 3.0]), torch.tensor([-1.0, -2.0])) == 0
    assert adversarial_losses(torch.tensor([0.5, 1.0]), torch.tensor([0.0, -1.0])) == pytest.approx(0.25 + 0.5)


@pytest.mark.parametrize(("transition", "needs"), [("predicted", set()), ("oracle", {"transition"}), ("none", set())])
def test_true_transition_is_asked_for_by_the_option_that_reads_it_alone(transition: str, needs: set[str]) -> None:
    plugin = METHODS.load("cgan_augment")
    assert plugin.requires(plugin.Config.model_validate({"transition": transition})) == needs
