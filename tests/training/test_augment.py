"""Augmentation is drawn per sample, turns and mirrors the right way, and depends on nothing but its key."""

import numpy
import pytest
import torch

from benchmark.grid.spec import Augment
from benchmark.training import strong
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


CROP, STRONG = Augment(crop=True), Augment(strong=True)


@pytest.mark.parametrize(("side", "reach"), [(32, 4), (64, 8), (28, 4), (8, 1), (4, 1)])
def test_crops_shift_by_whole_pixels_up_to_an_eighth_of_the_side(side, reach):
    x = torch.rand(1, 3, side, side).expand(600, -1, -1, -1)
    out = draws(x, CROP, range(600))
    padded = torch.nn.functional.pad(x[0], (reach,) * 4)
    places = {}
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            window = padded[:, down : down + side, right : right + side]
            places[down, right] = int((out == window).flatten(1).all(1).sum())
    assert sum(places.values()) == 600, "every result is one of the shifted images, exactly"
    assert len([count for count in places.values() if count]) > 0.9 * min(600 / 3, len(places))


def test_crops_of_an_oblong_image_reach_along_each_side():
    x = torch.ones(1, 1, 8, 32).expand(500, -1, -1, -1)
    out = draws(x, CROP, range(500))[:, 0]
    assert int((out[:, 4, :] == 0).sum(1).max()) == 4
    assert int((out[:, :, 16] == 0).sum(1).max()) == 1


@pytest.mark.parametrize("policy", [CROP, STRONG, Augment(crop=True, strong=True, flip=True, rotate=15)])
@pytest.mark.parametrize("channels", [1, 3])
def test_augmented_images_stay_in_range_and_depend_on_nothing_but_their_key(policy, channels):
    x = torch.rand(64, channels, 12, 12)
    out = draws(x, policy, range(64), seed=1, epoch=2, view=1)
    assert out.shape == x.shape
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1
    half = draws(x[32:], policy, range(32, 64), seed=1, epoch=2, view=1)
    assert torch.equal(out[32:], half), "whatever batch a sample falls into"
    for key in ({"seed": 2}, {"epoch": 3}, {"view": 0}):
        assert not torch.equal(out, draws(x, policy, range(64), **{"seed": 1, "epoch": 2, "view": 1, **key}))


@pytest.mark.parametrize("more", [{"crop": True}, {"strong": True}])
def test_what_is_added_changes_no_other_draw(more, monkeypatch):
    """Flips and angles are those of a recipe without crop and strong."""
    seen = []

    def noted(index, key, count):
        seen.append((key, count, uniforms(index, key, count)))
        return seen[-1][2]

    monkeypatch.setattr("benchmark.training.augment.uniforms", noted)
    x = torch.rand(4, 3, 8, 8)
    draws(x, Augment(flip=True, rotate=15), range(4))
    (key, count, plain) = seen.pop()
    draws(x, Augment(flip=True, rotate=15, **more), range(4))
    assert any(other == key and n == count and torch.equal(values, plain) for other, n, values in seen)


def one_operation(name, magnitude=0.5, sign=0.0):
    """Draws of one operation, followed by the identity."""
    place = (strong.OPERATIONS.index(name) + 0.5) / len(strong.OPERATIONS)
    return torch.tensor([[place], [magnitude], [sign], [0.0], [0.0], [0.0]])


def test_strong_operations_are_those_of_pillow_where_it_has_them():
    """Brightness, color, contrast, sharpness, solarize and autocontrast against an independent implementation."""
    from PIL import Image, ImageEnhance, ImageOps

    pixels = (torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 200 + 20).byte()
    image = Image.fromarray(pixels[0].permute(1, 2, 0).numpy())
    factor, threshold = 1 + 0.9 * 0.5, 128
    expected = {
        "brightness": ImageEnhance.Brightness(image).enhance(factor),
        "color": ImageEnhance.Color(image).enhance(factor),
        "contrast": ImageEnhance.Contrast(image).enhance(factor),
        "sharpness": ImageEnhance.Sharpness(image).enhance(factor),
        "solarize": ImageOps.solarize(image, threshold),
        "autocontrast": ImageOps.autocontrast(image),
        "identity": image,
        "posterize": ImageOps.posterize(image, 6),
    }
    for name, picture in expected.items():
        out = strong.strong(pixels.float() / 255, one_operation(name))[0]
        wanted = torch.from_numpy(numpy.array(picture)).permute(2, 0, 1).float() / 255
        assert torch.allclose(out, wanted, atol=2.5 / 255), name


def test_strong_geometry_moves_shears_and_turns():
    x = torch.zeros(1, 1, 20, 20)
    x[0, 0, 9, 14] = 1
    moved = strong.strong(x, one_operation("translate_x", 5 / (strong.TRANSLATE * 20)))
    assert torch.allclose(moved, x.roll(-5, 3), atol=1e-4)
    moved = strong.strong(x, one_operation("translate_y", 5 / (strong.TRANSLATE * 20), sign=0.9))
    assert torch.allclose(moved, x.roll(5, 2), atol=1e-4)
    turned = strong.strong(x, one_operation("rotate", 90 / strong.DEGREES))
    assert torch.allclose(turned, torch.rot90(x, 1, (2, 3)), atol=1e-4)
    full = torch.ones(1, 1, 20, 20)
    sheared = strong.strong(full, one_operation("shear_x", 0.999))
    assert torch.allclose(sheared[0, 0, 9:11], full[0, 0, 9:11], atol=0.2), "the middle stays"
    assert float(sheared[0, 0, 0].min()) == float(sheared[0, 0, 19].min()) == 0
    assert float(strong.strong(full, one_operation("shear_y", 0.999))[0, 0, :, 0].min()) == 0


def test_every_strong_operation_is_drawn_about_equally_often():
    draw = uniforms(torch.arange(13_000), 7, strong.DRAWS)[0]
    counts = torch.bincount((draw * len(strong.OPERATIONS)).long(), minlength=len(strong.OPERATIONS))
    assert int(counts.min()) > 850
    assert int(counts.max()) < 1150
