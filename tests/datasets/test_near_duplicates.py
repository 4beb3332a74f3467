"""Copies of training images among test images are found: equal ones exactly, changed ones by what they show."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmark.datasets import statistics
from benchmark.datasets.base import Arrays, Data
from benchmark.datasets.near_duplicates import near_duplicates
from benchmark.datasets.npz import Npz


def scenes(n: int, seed: int = 0, side: int = 32, channels: int = 3) -> Arrays:
    """Smooth random images: no two look the same."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 6, 6, channels), dtype=np.uint8)
    images = np.stack([np.asarray(Image.fromarray(image.squeeze()).resize((side, side))) for image in coarse])
    return Arrays(images.reshape(n, side, side, channels), np.arange(n) % 2)


def jpeg(image: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


def resized(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((24, 24)).resize((32, 32)))


def brighter(image: np.ndarray) -> np.ndarray:
    return np.clip(image * 0.9 + 20, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [jpeg, resized, brighter])
def test_changed_copies_are_found_with_their_original_and_no_other_image(change):
    train, test = scenes(60), scenes(40, seed=1)
    images = test.images.copy()
    images[7], images[30] = change(train.images[11]), change(train.images[59])
    pairs = near_duplicates(Arrays(images, test.labels), train)
    assert [(pair.index, pair.other) for pair in pairs] == [(7, 11), (30, 59)]


def test_equal_images_and_images_of_one_color_are_no_near_duplicates():
    train, test = scenes(60), scenes(40, seed=1)
    images = test.images.copy()
    images[3], images[4] = train.images[5], 80
    flat = train.images.copy()
    flat[9] = 81
    assert near_duplicates(Arrays(images, test.labels), Arrays(flat, train.labels)) == []


def test_a_sentence_names_the_split_the_number_and_the_most_similar_pair():
    train, test = scenes(60), scenes(40, seed=1)
    images = test.images.copy()
    images[7] = brighter(train.images[11])
    data = Data("x", 2, ("a", "b"), train, Arrays(images, test.labels), extra_tests={"other": scenes(10, seed=2)})
    (sentence,) = statistics.near_findings(data)
    assert sentence.startswith("1 image(s) of test look like images of train")
    assert "number 7 and number 11" in sentence


def test_copies_within_a_split_are_found_unless_they_are_of_one_group():
    train = scenes(60)
    images = train.images.copy()
    images[7], images[30] = brighter(images[11]), brighter(images[40])
    part = Arrays(images, train.labels)
    assert {(pair.index, pair.other) for pair in near_duplicates(part, part)} == {(7, 11), (11, 7), (30, 40), (40, 30)}
    patients = tuple("one" if i in (7, 11) else str(i) for i in range(60))
    part = Arrays(images, train.labels, groups=patients)
    assert {(pair.index, pair.other) for pair in near_duplicates(part, part)} == {(30, 40), (40, 30)}
    data = Data("x", 2, ("a", "b"), part, scenes(40, seed=1))
    (sentence,) = statistics.near_findings(data)
    assert sentence.startswith("2 image(s) of train look like other images of train")
    (left,) = statistics.near_findings(data, most_pairs=3000)
    assert left == "images of train that look the same were not sought, as there are many"


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.lists(st.integers(0, 3), min_size=1, max_size=20))
def test_fingerprints_are_equal_exactly_where_images_are(ours, theirs):
    def arrays(values):
        return Arrays(np.array(values, np.uint8)[:, None, None, None].repeat(2, 1), np.zeros(len(values), np.int64))

    shared = np.isin(arrays(ours).fingerprints, arrays(theirs).fingerprints)
    assert shared.tolist() == [value in theirs for value in ours]


@pytest.mark.parametrize("name", ["pneumoniamnist.npz", "pbc_28.npz", "colon5_28.npz"])
def test_real_medical_images_of_one_kind_are_not_taken_for_copies(real, name):
    data = Npz("npz", Npz.Config(path=real(name))).load()
    assert near_duplicates(data.test.take(np.arange(600)), data.train) == []
