"""Every method trains where classes have few samples, one or none: in folds, in held-out shares, after selection."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.checks.lab import Lab
from benchmark.registry import METHODS
from benchmark.seeds import seed_for

NAMES = [entry.name for entry in METHODS.entries()]
SIZES = [(30, 270), (100, 130), (7, 9)]
"""Classes and samples: a tenth of them is smaller than K; most classes have one sample or none; a batch holds all."""


class FewLabels(Lab):
    """Labels at random, so that some classes have many and others none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        generator = np.random.default_rng(seed_for("few", self.num_classes))
        self.data.y.copy_(self.data.y.new_tensor(generator.integers(0, self.num_classes, self.num_samples)))


@pytest.mark.filterwarnings("ignore:.*drawn at random instead of by class")
@pytest.mark.parametrize("lab", [Lab, FewLabels])
@pytest.mark.parametrize(("classes", "samples"), SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_every_method_trains_with_few_samples_of_a_class(name: str, classes: int, samples: int, lab: type[Lab]) -> None:
    few = lab(name, {}, epochs=4, num_classes=classes, num_samples=samples, batch_size=128)
    progress = few.train()
    assert not progress.diverged
    assert len(progress.curve) == 4
