"""Instance noise on centered pixels, and the figure that tells it from a map of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark.noise.base import NoiseError, Split
from benchmark.noise.instance import mean_image
from benchmark.noise.manifest import commonest_wrong_share, make_manifest
from tests.noise.noise_cases import make, make_split
from tests.noise.test_noise_kinds import digits_split, pbc_split


def commonest(split: Split, **options: bool) -> np.ndarray:
    kind = make("instance", rate=0.4, **options)
    manifest = make_manifest(kind, {}, split, kind.corrupt(split, 0))
    return np.array(manifest.commonest_wrong_share, dtype=np.float64)


@pytest.mark.parametrize("load", [digits_split, pbc_split])
def test_centering_spreads_the_wrong_labels_over_the_classes(load: Any) -> None:
    split = load()
    plain, centered = commonest(split), commonest(split, center=True)
    assert plain.mean() > 0.5
    assert centered.mean() < plain.mean() - 0.2


def test_centered_noise_ignores_what_all_images_share() -> None:
    split = make_split(800, 5)
    brighter = make_split(800, 5, images=split.images // 2 + 40)
    darker = make_split(800, 5, images=split.images // 2)
    kind = make("instance", rate=0.5, center=True)
    np.testing.assert_array_equal(kind.corrupt(brighter, 0).labels, kind.corrupt(darker, 0).labels)


def test_validation_images_are_centered_on_the_mean_training_image() -> None:
    train, val = make_split(500, 4), make_split(300, 4, name="val", seed=1)
    kind = make("instance", rate=0.4, center=True)
    with pytest.raises(NoiseError, match="training split first"):
        kind.corrupt(val, 0)
    resolved = kind.resolve(train)
    np.testing.assert_allclose(resolved.mean, train.images.reshape(500, -1).mean(0) / 255, rtol=1e-14)
    np.testing.assert_array_equal(mean_image(train), resolved.mean)
    resolved.corrupt(val, 0)


def test_the_option_leaves_the_identity_of_earlier_runs_as_it_was() -> None:
    assert make("instance", rate=0.3).cfg.model_dump() == {"rate": 0.3, "official": False}
    assert make("instance", rate=0.3, center=False).cfg.model_dump() == {"rate": 0.3, "official": False}
    assert make("instance", rate=0.3, center=True).cfg.model_dump()["center"] is True


def test_the_commonest_wrong_class_by_hand() -> None:
    joint = np.array([[5, 3, 1], [0, 4, 0], [2, 2, 0]])
    assert commonest_wrong_share(joint) == [0.75, None, 0.5]
