"""Corruptions do what MedMNIST-C says of them: checked against libraries, closed forms and what they leave alone."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy import ndimage

from benchmark.datasets import corruption
from benchmark.datasets.corruption import COLOR_ONLY, NAMES, SEVERITIES, corrupted, severities


def photographs(n: int = 70, side: int = 28, channels: int = 3) -> np.ndarray:
    """Smooth images without pure black or white, so that most corruptions are not cut off at 0 and 255."""
    noise = np.random.default_rng(0).standard_normal((n, side, side, channels))
    smooth = ndimage.gaussian_filter(noise, (0, side / 14, side / 14, 0), mode="wrap")
    return np.clip(128 + smooth / smooth.std() * 30, 20, 235).astype(np.uint8)


def test_every_kind_has_five_severities_of_which_each_differs_from_the_one_before():
    images = photographs(8)
    for kind, figures in severities()["common"].items():
        assert len(figures) == len(SEVERITIES)
        made = [corrupted(images, kind, figure, seed=0) for figure in figures]
        assert all(one.shape == images.shape and one.dtype == np.uint8 for one in made)
        distinct = {one.tobytes() for one in made}
        assert len(distinct) == 5, kind
        changes = [np.abs(one.astype(float) - images).mean() for one in made]
        assert changes[4] > changes[0], f"{kind}: the strongest severity changes more than the weakest"


def test_every_data_set_of_medmnistc_has_kinds_that_exist_and_five_figures_each():
    assert set(severities()) >= {"bloodmnist", "pathmnist", "dermamnist", "retinamnist", "chestmnist"}
    assert set(severities()["common"]) == set(NAMES)
    for of_set in severities().values():
        assert set(of_set) <= set(NAMES)
        assert all(len(figures) == 5 for figures in of_set.values())
    # Two figures of the official list, to notice a shift of rows or columns.
    assert severities()["bloodmnist"]["motion_blur"][4] == [10, 9]
    assert severities()["dermamnist"]["black_corner"] == [1.1, 1.05, 1.0, 0.9, 0.95]


@pytest.mark.parametrize("kind", NAMES)
def test_a_copy_depends_on_its_arguments_alone_and_not_on_what_else_is_made(kind: str):
    images, figure = photographs(), severities()["common"][kind][4]
    whole = corrupted(images, kind, figure, seed=0)
    np.random.seed(1)
    assert np.array_equal(whole, corrupted(images, kind, figure, seed=0))
    assert np.array_equal(whole[:64], corrupted(images[:64], kind, figure, seed=0)), "whatever images follow"


def test_another_seed_draws_other_noise():
    images = photographs(4)
    one, other = (corrupted(images, "gaussian_noise", 0.1, seed) for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_the_images_of_a_set_have_noise_of_their_own():
    flat = np.full((130, 28, 28, 3), 128, np.uint8)
    made = corrupted(flat, "gaussian_noise", 0.1, seed=0)
    assert len({image.tobytes() for image in made}) == 130


def pillow(images: np.ndarray, change: Any) -> np.ndarray:
    return np.stack([np.asarray(change(Image.fromarray(image))) for image in images])


def closest(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other).max())


def test_brightness_and_contrast_are_those_of_pillow():
    images = photographs(5)
    brighter = pillow(images, lambda image: ImageEnhance.Brightness(image).enhance(1.3))
    assert closest(corrupted(images, "brightness_up", 1.3, 0), brighter) <= 1
    flatter = pillow(images, lambda image: ImageEnhance.Contrast(image).enhance(0.6))
    assert closest(corrupted(images, "contrast_down", 0.6, 0), flatter) <= 2, "Pillow rounds the mean"


def test_pixelate_and_jpeg_are_those_of_pillow():
    images = photographs(3)

    def squares(image: Image.Image) -> Image.Image:
        return image.resize((14, 14), Image.Resampling.BOX).resize((28, 28), Image.Resampling.BOX)

    def compressed(image: Image.Image) -> Image.Image:
        image.save(file := io.BytesIO(), "JPEG", quality=10)
        return Image.open(file)

    assert np.array_equal(corrupted(images, "pixelate", 0.5, 0), pillow(images, squares))
    assert np.array_equal(corrupted(images, "jpeg_compression", 10, 0), pillow(images, compressed))


def test_saturate_adds_to_the_saturation_and_keeps_hue_and_value():
    pixels = np.array([[10, 200, 90], [250, 3, 120], [77, 77, 77], [0, 0, 0], [255, 254, 250]], np.uint8)
    images = pixels[None, None]
    expected = []
    for pixel in pixels / 255:
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        expected.append(colorsys.hsv_to_rgb(hue, min(1.0, saturation + 0.2), value))
    assert closest(corrupted(images, "saturate", 0.2, 0)[0, 0], np.rint(np.array(expected) * 255)) <= 1


def test_gamma_is_a_power_of_the_value():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    expected = 255 * (np.arange(256) / 255) ** 1.6
    assert closest(corrupted(ramp, "gamma_corr_up", 1.6, 0)[0, ..., 0].ravel(), np.rint(expected)) == 0


def test_noise_has_the_strength_that_its_figure_says():
    gray = np.full((256, 28, 28, 3), 128, np.uint8)

    def spread(kind: str, figure: float) -> float:
        return float((corrupted(gray, kind, figure, 0).astype(float) / 255).std())

    assert spread("gaussian_noise", 0.1) == pytest.approx(0.1, rel=0.02)
    assert spread("speckle_noise", 0.2) == pytest.approx(0.2 * 128 / 255, rel=0.02)
    assert spread("shot_noise", 60) == pytest.approx((128 / 255 / 60) ** 0.5, rel=0.02)
    hit = corrupted(gray, "impulse_noise", 0.1, 0)
    assert np.mean(hit == 0) == pytest.approx(0.05, rel=0.03)
    assert np.mean(hit == 255) == pytest.approx(0.05, rel=0.03)
    assert np.mean(hit == 128) == pytest.approx(0.9, rel=0.01)


def test_gaussian_blur_is_that_of_scipy_where_pixels_are_small():
    images = photographs(2, side=224)
    expected = ndimage.gaussian_filter(images.astype(float), (0, 4, 4, 0), mode="nearest")
    assert closest(corrupted(images, "gaussian_blur", 4.0, 0), np.rint(expected)) <= 1


def point(side: int = 225) -> np.ndarray:
    image = np.zeros((1, side, side, 3), np.uint8)
    image[0, side // 2, side // 2] = 255
    return image


def test_defocus_spreads_a_point_evenly_over_a_disk():
    x = point().astype(np.float32)
    seen = corruption.defocus_blur(x, 8 * 224 / 225, np.random.default_rng(0))[0, ..., 0]
    row, column = np.indices(seen.shape) - 112
    distance = np.hypot(row, column)
    expected = 255 / (np.pi * 64)
    assert seen.sum() == pytest.approx(255, rel=1e-4)
    assert seen[distance < 7] == pytest.approx(expected, rel=0.01)
    assert seen[distance > 9.5] == pytest.approx(0, abs=1e-4)


def test_blurs_work_below_one_pixel_too():
    """A kernel that is read off at the centers of pixels would change nothing at 28 px."""
    images = photographs(4)
    for kind in ("defocus_blur", "gaussian_blur", "motion_blur"):
        blurred = [corrupted(images, kind, figure, 0).astype(float).var() for figure in severities()["common"][kind]]
        assert blurred[0] < images.astype(float).var()
        assert blurred == sorted(blurred, reverse=True)


def test_motion_blur_draws_a_point_out_to_one_side_within_45_degrees():
    seen = corruption.motion_blur(point().astype(np.float32), [10, 9], np.random.default_rng(0))[0, ..., 0]
    row, column = np.argwhere(seen > 0.2).T - 112
    assert seen.sum() == pytest.approx(255, rel=1e-3)
    assert column.min() >= -1
    assert 14 <= np.hypot(row, column).max() <= 22, "twice the radius"
    assert (np.abs(row) <= column + 2).all()


def test_zoom_blur_keeps_the_center_and_smears_the_rim():
    x = np.zeros((1, 225, 225, 3), np.float32)
    x[0, 112, 112] = 1
    x[0, 112, 212] = 1
    seen = corruption.zoom_blur(x, [1.11, 0.01], np.random.default_rng(0))[0, ..., 0]
    assert seen[112, 112] == pytest.approx(1)
    assert seen[112, 212] < 0.5
    assert seen[112, 214:224].max() > 0, "enlarged images carry it outwards"
    assert seen[112, 190:211].max() == 0


def test_lengths_are_shares_of_the_side():
    """A bubble, a black corner and a mark cover the same share of an image whatever its size."""
    for kind, figure in (("black_corner", 0.9), ("bubble", [15, 20]), ("stain_deposit", 5)):
        shares = []
        for side in (56, 224):
            flat = np.full((64, side, side, 3), 100, np.uint8)
            shares.append((corrupted(flat, kind, figure, 0) != 100).mean())
        assert shares[0] == pytest.approx(shares[1], rel=0.35), kind
    outside = (corrupted(np.full((1, 224, 224, 3), 100, np.uint8), "black_corner", 0.9, 0) == 0).mean()
    assert outside == pytest.approx(1 - np.pi * 0.45**2, abs=0.01)


def test_words_are_drawn_at_any_size():
    for side in (28, 224):
        flat = np.full((8, side, side, 3), 255, np.uint8)
        made = corrupted(flat, "characters", [6, 10, 0.18], 0)
        assert all((image != 255).any() for image in made)
        assert (made != 255).mean() < 0.05


@pytest.mark.parametrize("kind", [kind for kind in NAMES if kind not in COLOR_ONLY])
def test_gray_images_are_the_luminance_of_corrupted_gray_rgb_images(kind: str):
    gray, figure = photographs(5, channels=1), severities()["common"][kind][3]
    made = corrupted(gray, kind, figure, 0)
    colored = corrupted(gray.repeat(3, 3), kind, figure, 0)
    assert made.shape == gray.shape
    assert closest(made[..., 0], np.rint(colored @ np.array([0.299, 0.587, 0.114]))) == 0


def test_images_need_not_be_square():
    wide: Sequence[int] = (3, 20, 36, 3)
    images = np.random.default_rng(0).integers(0, 256, wide, dtype=np.uint8)
    for kind, figures in severities()["common"].items():
        assert corrupted(images, kind, figures[2], 0).shape == tuple(wide)
