"""What a whole run costs beside its training: the time of its evaluations, and memory."""

import json
from typing import Any

import numpy as np
import pytest

from benchmark.training.trainer import MEMORIZATION_SAMPLE

pytestmark = pytest.mark.timed

PATHMNIST = {"train": 90_000, "val": 10_000, "test": 7_200}


def write_images(path, sizes):
    """An npz file of random 28x28 colour images of nine classes; the bytes of its images."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for name, n in sizes.items():
        arrays[f"{name}_images"] = rng.integers(0, 256, (n, 28, 28, 3), dtype=np.uint8)
        arrays[f"{name}_labels"] = (np.arange(n) % 9).astype(np.uint8)[:, None]
    np.savez(path, **arrays)
    return sum(array.nbytes for array in arrays.values())


def record_of(noisybench, folder, *arguments):
    grid = ("run", "-d", "npz:images.npz", "-m", "ce", "-n", "symmetric:0.2", "--seeds", "1", "--no-table")
    noisybench(*grid, *arguments, timeout=500)
    (path,) = (folder / "results").glob("runs/*/*.json")
    return json.loads(path.read_bytes())


def test_evaluation_takes_at_most_15_percent_of_a_run_at_the_proportions_of_pathmnist(noisybench, tmp_path):
    sizes = {"train": 2_500, "val": 500, "test": 360}
    write_images(tmp_path / "images.npz", sizes)
    timing = record_of(noisybench, tmp_path, "-b", "resnet18", "--epochs", "2")["timing"]
    # Every epoch predicts val, test and a sample of the training set, whose size does not grow with the set.
    predicted = sizes["val"] + sizes["test"] + min(sizes["train"], MEMORIZATION_SAMPLE)
    expected = PATHMNIST["val"] + PATHMNIST["test"] + MEMORIZATION_SAMPLE
    evaluation = timing["evaluate_seconds"] / predicted * expected
    training = timing["train_seconds"] / sizes["train"] * PATHMNIST["train"]
    share = evaluation / (evaluation + training)
    print(f"evaluation: {share:.1%} of an epoch")
    assert share <= 0.15


def test_a_run_needs_at_most_its_data_and_1536_mib(noisybench, tmp_path):
    size = write_images(tmp_path / "images.npz", PATHMNIST) / 2**20
    peak = record_of(noisybench, tmp_path, "-b", "cnn", "--epochs", "1")["timing"]["peak_memory_mib"]
    print(f"peak {peak:.0f} MiB, data {size:.0f} MiB")
    assert size < peak <= size + 1536
