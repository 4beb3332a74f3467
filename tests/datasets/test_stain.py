"""Normalized stains are those of the reference, and stain variation keeps what is no stain."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchmark.datasets import new_images, stain
from benchmark.datasets.base import DataError
from benchmark.datasets.npz import Npz


def tissue(stains: np.ndarray, seed: int = 0, side: int = 28) -> tuple[np.ndarray, np.ndarray]:
    """An image [1, side, side, 3] of two `stains` [3, 2], and their amounts [2, pixels]; a tenth of the pixels holds
    one of them alone."""
    amounts = np.random.default_rng(seed).uniform(0.3, 1.2, (2, side * side))
    amounts[0, :80], amounts[1, 80:160] = 0, 0
    amounts[:, :160] = np.where(amounts[:, :160] > 0, np.maximum(amounts[:, :160], 0.9), 0)
    image = 240 * np.exp(-stains @ amounts) - 1
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8).T.reshape(1, side, side, 3), amounts


OTHER = np.array([[0.70, 0.35], [0.60, 0.80], [0.39, 0.49]])
"""Stains of another laboratory."""


def test_macenko_gives_the_amounts_the_colors_of_the_reference():
    image, amounts = tissue(OTHER)
    scaled = amounts * (stain.MACENKO_AMOUNTS / np.percentile(amounts, 99, axis=1))[:, None]
    expected = 240 * np.exp(-stain.MACENKO_STAINS @ scaled)
    made = stain.macenko(image).reshape(-1, 3).T
    assert np.abs(made - expected).mean() < 2, "pixels are rounded, and stains are found from them"


def test_macenko_makes_images_of_two_laboratories_alike():
    mine, _ = tissue(OTHER)
    theirs, _ = tissue(stain.MACENKO_STAINS * 0.8)
    before = np.abs(mine.astype(float) - theirs).mean()
    after = np.abs(stain.macenko(mine).astype(float) - stain.macenko(theirs)).mean()
    assert before > 15
    assert after < 3


def test_macenko_leaves_images_without_tissue_or_of_one_color_as_they_are():
    white = np.full((1, 28, 28, 3), 250, np.uint8)
    flat = np.full((1, 28, 28, 3), [120, 40, 140], np.uint8)
    for image in (white, flat):
        assert np.array_equal(stain.macenko(image), image)


def test_reinhard_gives_mean_and_sd_of_the_reference():
    image, _ = tissue(OTHER)
    made = stain.reinhard(image).astype(np.float64)
    lab = np.log(np.maximum(made, 1) @ stain._LMS.T) @ stain._LAB.T
    assert lab.mean((0, 1, 2)) == pytest.approx(stain.REINHARD_MEAN, abs=0.02)
    assert lab.std((0, 1, 2))[0] == pytest.approx(stain.REINHARD_SD[0], rel=0.05)
    flat = stain.reinhard(np.full((1, 4, 4, 3), 90, np.uint8))
    assert len(np.unique(flat.reshape(-1, 3), axis=0)) == 1


def test_every_image_is_normalized_by_itself():
    images = np.concatenate([tissue(OTHER, seed)[0] for seed in range(70)])
    for by in stain.METHODS:
        whole = stain.normalized(images, by)
        assert np.array_equal(whole[-1:], stain.normalized(images[-1:], by))


def test_stain_variation_changes_amounts_and_nothing_else():
    image, _ = tissue(stain.HED[:2].T)
    x = image / 255
    rng = np.random.default_rng(0)
    assert stain.varied(x, 0.0, rng) == pytest.approx(np.maximum(x, 1 / 255))
    made = stain.varied(np.repeat(x, 50, 0), 0.2, rng)
    density = -np.log(made).reshape(50, -1, 3) @ np.linalg.inv(stain.HED)
    before = -np.log(np.maximum(x, 1 / 255)).reshape(-1, 3) @ np.linalg.inv(stain.HED)
    for one in density:
        for number in range(3):
            slope, shift = np.polyfit(before[:, number], one[:, number], 1)
            assert 0.8 - 1e-6 <= slope <= 1.2 + 1e-6
            assert abs(shift) <= 0.2 + 1e-6


@pytest.mark.parametrize("by", ["reinhard", "macenko"])
def test_the_option_normalizes_every_split_and_is_part_of_the_identity(layout, write_npz, by):
    path = write_npz(layout(channels=3, size=28))
    plain, option = (Npz("npz", Npz.Config.model_validate({"path": path, "stain": s})) for s in (None, by))
    assert "stain" not in plain.cfg.model_dump()
    assert option.cfg.model_dump()["stain"] == by
    before, after = plain.load(), option.load()
    for split in ("train", "val", "test"):
        expected = stain.normalized(getattr(before, split).images, by)
        assert np.array_equal(getattr(after, split).images, expected)
        assert np.array_equal(getattr(after, split).labels, getattr(before, split).labels)
    assert np.array_equal(option.load_extra_test().test.images, after.test.images)
    assert any("stains are normalized" in note for note in after.notes)
    assert option.raw().cfg == plain.cfg


def test_gray_images_have_no_stains(layout, write_npz):
    path = write_npz(layout(channels=1))
    with pytest.raises(DataError, match="these images are gray; leave the option out"):
        Npz("npz", Npz.Config.model_validate({"path": path, "stain": "macenko"})).load()


def test_new_images_are_normalized_as_those_that_a_model_was_trained_on(tmp_path):
    images = np.concatenate([tissue(OTHER, seed)[0] for seed in range(3)])
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    for by in (None, *stain.METHODS):
        config = {} if by is None else {"stain": by}
        kind = new_images.Kind((28, 28, 3), "color", None, config)
        (read,) = new_images.read(new_images.find([tmp_path]).files, kind)
        assert np.array_equal(read.pixels, images if by is None else stain.normalized(images, by))
