"""A patient is in training or in validation, wherever the validation set comes from."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmark.datasets.base import DataError
from benchmark.datasets.splitting import held_out
from benchmark.grid.plugin_ref import PluginRef
from benchmark.runs.noisy_data import make_noisy_data
from benchmark.runs.prepare import Prepared, prepare

PATIENTS = 12


def made(root: Path, results: Path, patients: int = PATIENTS) -> Prepared:
    """Of train/ and test/ folders of two classes, five images of a patient in each class; no val/."""
    generator = np.random.default_rng(0)
    for part, count in (("train", patients), ("test", 3)):
        for name in ("benign", "malignant"):
            (root / part / name).mkdir(parents=True)
            for number in range(5 * count):
                pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{part}{number % count:02d}_{number}.png")
    data = PluginRef.of("folder").having(path=str(root), size=8, group_by=r"^(\w+\d\d)_")
    noisy = make_noisy_data(data, PluginRef.of("symmetric:0.2"), 0, data_root=root, results=results)
    return prepare(noisy.source, noisy.noise, results / "cache")


def test_a_validation_set_that_is_split_off_shares_no_patient_with_training(tmp_path):
    found = made(tmp_path / "cells", tmp_path / "results")
    train, val = ({part.groups[i] for i in part.index} for part in (found.train, found.val) if part.groups is not None)
    assert train
    assert val
    assert not train & val
    assert len(train | val) == PATIENTS


def test_images_of_one_patient_alone_cannot_be_split(tmp_path):
    with pytest.raises(DataError, match=r"10 training images are of 1 patient.*validation set of your own"):
        made(tmp_path / "cells", tmp_path / "results", patients=1)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), min_size=2, max_size=200), st.integers(0, 5))
def test_no_group_is_on_both_sides_and_nothing_is_lost(rows, seed):
    labels, groups = np.array([label for label, _ in rows]), [str(group) for _, group in rows]
    try:
        rest, held = held_out(labels, groups, 0.1, seed)
    except DataError:
        return
    assert sorted([*rest, *held]) == list(range(len(rows)))
    assert not {groups[i] for i in rest} & {groups[i] for i in held}
    assert len(rest)
    assert len(held)
