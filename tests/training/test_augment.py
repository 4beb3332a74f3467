"""Augmentation is drawn per sample, turns and mirrors the right way, and depends on nothing but its key."""

import pytest
import torch

from benchmark.grid.spec import Augment
from benchmark.training.augment import augment, uniforms


def corner(height=9, width=9):
    """One image with a bright pixel in the top right corner."""
    x = torch.zeros(1, 1, height, width)
    x[0, 0, 1, width - 2] = 1
    return x


def draws(x, policy, index, seed=0, epoch=0, view=0):
    return augment(x, torch.as_tensor(index), policy, seed, epoch, view)


def test_without_a_policy_images_stay_as_they_are():
    x = torch.rand(4, 3, 8, 8)
    assert draws(x, Augment(), range(4)) is x


def test_flips_mirror_left_and_right_of_half_the_samples():
    x = torch.rand(1, 3, 8, 8).expand(400, -1, -1, -1)
    out = draws(x, Augment(flip=True), range(400))
    same = (out == x).flatten(1).all(1)
    mirrored = (out == x.flip(3)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert 150 < mirrored.sum() < 250


def test_each_sample_of_a_batch_has_its_own_rotation():
    x = corner().expand(50, -1, -1, -1)
    out = draws(x, Augment(rotate=90), range(50))
    assert len({tuple(image.flatten().round(decimals=3).tolist()) for image in out}) == 50


def test_a_positive_angle_turns_counter_clockwise(monkeypatch):
    monkeypatch.setattr("benchmark.training.augment.uniforms", lambda index, key, n: torch.tensor([[0.9], [1.0]]))
    out = augment(corner(), torch.tensor([0]), Augment(rotate=90), 0, 0, 0)
    expected = torch.rot90(corner(), 1, (2, 3))
    assert torch.allclose(out, expected, atol=1e-5), "the top right corner turns to the top left"
    assert out[0, 0, 1, 1] == pytest.approx(1, abs=1e-5)


def test_rotation_and_flip_together_rotate_the_mirrored_image(monkeypatch):
    monkeypatch.setattr("benchmark.training.augment.uniforms", lambda index, key, n: torch.tensor([[0.1], [1.0]]))
    out = augment(corner(), torch.tensor([0]), Augment(flip=True, rotate=90), 0, 0, 0)
    mirrored_then_turned = torch.rot90(corner().flip(3), 1, (2, 3))
    assert torch.allclose(out, mirrored_then_turned, atol=1e-5)


def test_oblong_images_turn_without_shear(monkeypatch):
    monkeypatch.setattr("benchmark.training.augment.uniforms", lambda index, key, n: torch.tensor([[0.9], [1.0]]))
    x = torch.zeros(1, 1, 9, 17)
    x[0, 0, 4, 8 + 3] = 1
    out = augment(x, torch.tensor([0]), Augment(rotate=90), 0, 0, 0)
    assert out[0, 0, 4 - 3, 8] == pytest.approx(1, abs=1e-4), "three to the right becomes three up"


def test_a_draw_does_not_depend_on_the_batch_it_falls_into():
    x = torch.rand(20, 1, 8, 8)
    policy = Augment(flip=True, rotate=30)
    whole = draws(x, policy, range(20))
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    assert torch.equal(draws(x[order], policy, order), whole[order])
    assert torch.allclose(draws(x[:3], policy, range(3)), whole[:3], atol=1e-6)


@pytest.mark.parametrize("change", [{"seed": 1}, {"epoch": 1}, {"view": 1}])
def test_seed_epoch_and_view_each_give_other_draws(change):
    x = torch.rand(8, 1, 8, 8)
    assert not torch.equal(draws(x, Augment(rotate=30), range(8)), draws(x, Augment(rotate=30), range(8), **change))


def test_the_draws_are_uniform_and_uncorrelated():
    u, v = uniforms(torch.arange(100_000), 12345, 2)
    for draw in (u, v):
        assert draw.min() >= 0
        assert draw.max() < 1
        assert draw.mean().item() == pytest.approx(0.5, abs=0.005)
        assert draw.var().item() == pytest.approx(1 / 12, abs=0.002)
        assert abs(torch.corrcoef(torch.stack([draw[1:], draw[:-1]]))[0, 1]) < 0.02
    assert abs(torch.corrcoef(torch.stack([u, v]))[0, 1]) < 0.02
