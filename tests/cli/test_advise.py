"""`noisybench advise` trains its methods on the labels as they are, and says what they show and what they do not."""

from typing import Any

import numpy as np
import pytest


@pytest.fixture
def advised(here, tmp_path):
    def advise(*arguments: str, code: int = 0):
        done = here("advise", *arguments, code=code)
        return " ".join(done.stdout.split()), done.stderr

    return advise


@pytest.mark.slow
def test_it_names_candidates_the_rate_and_what_to_type(advised):
    told, _ = advised("-d", "digits", "-n", "symmetric:0.3", "--seeds", "2", "--epochs", "2", "--subset", "500")
    assert "# Which method to use" in told
    assert "360 validation images, 2 seeds" in told
    assert "of the training labels are wrong" in told or "cannot be told" in told
    assert "| ce " in told
    assert "volminnet" in told
    assert "noisybench run -d digits -n symmetric:0.3 --seeds 2 --epochs 2 --subset 500 -m " in told
    again, progress = advised("-d", "digits", "-n", "symmetric:0.3", "--seeds", "2", "--epochs", "2", "--subset", "500")
    assert again == told
    assert "0 to run" in progress


@pytest.mark.slow
def test_too_few_validation_images_name_no_method(advised, tmp_path):
    generator = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, size in (("train", 90), ("val", 30), ("test", 30)):
        labels = np.arange(size) % 3
        images = generator.integers(0, 80, (size, 8, 8)) + 60 * labels[:, None, None]
        arrays |= {f"{split}_images": images.astype(np.uint8), f"{split}_labels": labels[:, None]}
    np.savez(tmp_path / "few.npz", **arrays)
    told, said = advised("-d", "npz:few.npz", "--seeds", "1", "--epochs", "1", "-m", "ce", "-m", "gce")
    assert "No method is named: 30 validation images cannot tell methods apart" in told
    assert said.index("has 30 validation images: from 100 on a method is named") < said.index("[1/"), "before the runs"


def test_a_dry_run_and_a_grid_without_the_baseline_are_refused(advised):
    assert "leave --dry-run out" in advised("-d", "digits", "--dry-run", code=2)[1]
    assert "no run of ce" in advised("-d", "digits", "-m", "gce", "--seeds", "1", "--epochs", "1", code=2)[1]
