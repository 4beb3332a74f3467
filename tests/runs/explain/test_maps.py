"""Maps, their comparison and their checks, against what can be computed by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.nn import functional as F

from backbones.base import HALF, Network
from benchmark.runs.explain.checks import deletion, randomized
from benchmark.runs.explain.comparison import overlaps, rank_correlations
from benchmark.runs.explain.maps import Maps
from benchmark.runs.kept_model import KeptModel, ModelError
from benchmark.training.samples import Images

CPU = torch.device("cpu")


class Convolutional(Network):
    """8x8 gray images to maps of 8x8 and 4x4, then to a linear layer on their means."""

    def __init__(self) -> None:
        super().__init__(1, HALF, HALF, amp=False)
        self.first = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU())
        self.third = nn.Sequential(nn.Conv2d(4, 5, 3, stride=2, padding=1), nn.ReLU())
        self.classifier = nn.Linear(5, 3)

    def embed(self, x):
        return self.third(self.second(self.first(x))).flatten(2).mean(2)

    def classify(self, z):
        return self.classifier(z)

    def stages(self):
        return [self.first, nn.ModuleList([self.second]), self.third, self.classifier]


class Dense(Convolutional):
    """Without any map."""

    def __init__(self) -> None:
        super().__init__()
        self.third = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))

    def embed(self, x):
        return self.third(x)

    def stages(self):
        return [self.third, self.classifier]


class Model(KeptModel):
    """Of networks whose logits are averaged, without a file."""

    def __init__(self, *networks: Network) -> None:
        nn.Module.__init__(self)
        self.networks = nn.ModuleList(networks)
        self.body, self.device = None, CPU
        self.eval()

    def forward(self, x):
        return torch.stack([network(x) for network in self.networks]).mean(0)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)


TARGETS = np.array([0, 1, 2, 0, 1, 2])


def by_hand(network, images, targets):
    """ReLU of the sum of the channels, each weighted by its mean gradient, enlarged: before scaling."""
    x = Images(images, CPU).slice(0, len(images))
    maps = network.second(network.first(network.prepare(x)))
    z = network.third(maps).flatten(2).mean(2)
    score = network.classify(z).gather(1, torch.from_numpy(targets)[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, maps)
    heat = (gradient.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True).relu()
    return F.interpolate(heat, size=(8, 8), mode="bilinear", align_corners=False)[:, 0].detach().numpy()


@pytest.mark.parametrize("count", [1, 2])
def test_maps_are_grad_cam_at_the_last_layer_that_is_large_enough(images, count):
    torch.manual_seed(1)
    networks = [Convolutional() for _ in range(count)]
    maps = Maps(Model(*networks), images[:1])
    assert maps.cells == 4
    found = maps.of(images, TARGETS)
    expected = sum(by_hand(network, images, TARGETS) for network in networks)
    highest = expected.max((1, 2), keepdims=True)
    assert (highest > 0).any()
    assert found == pytest.approx(expected / np.where(highest > 0, highest, 1), abs=1e-5)


def test_a_network_without_maps_is_refused(images):
    with pytest.raises(ModelError, match="no convolutional layer"):
        Maps(Model(Dense()), images[:1])


def test_rank_correlations_are_those_of_scipy():
    generator = np.random.default_rng(3)
    ours, theirs = generator.integers(0, 5, (2, 7, 6, 6)).astype(np.float64)
    theirs[0] = ours[0]
    theirs[1] = -ours[1]
    theirs[2] = 1.0
    found = rank_correlations(ours, theirs)
    assert found[:2] == pytest.approx([1, -1])
    assert np.isnan(found[2])
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(ours[3:], theirs[3:], strict=True)]
    assert found[3:] == pytest.approx(expected)


def test_overlap_counts_the_most_important_tenth():
    ours = np.zeros((4, 10, 10))
    theirs = np.zeros((4, 10, 10))
    ours[:3, 0] = 1.0
    theirs[0, 0] = 2.0
    theirs[1, 5] = 2.0
    theirs[2, 0, :5] = 2.0  # fewer than a tenth: the rest is 0
    assert overlaps(ours, theirs)[:3] == pytest.approx([1, 0, 0.5])
    assert np.isnan(overlaps(ours, theirs)[3])


def test_randomization_goes_from_the_classifier_down_and_leaves_the_model_alone(images):
    torch.manual_seed(1)
    model = Model(Convolutional())
    before = copy.deepcopy(model.state_dict())
    maps = Maps(model, images[:1]).of(images, TARGETS)
    found = list(randomized(model, images, TARGETS, maps, seed=0))
    assert [one.layers for one in found] == [1, 2, 3, 4]
    assert np.nanmax([abs(one.correlations) for one in found[-1:]]) < 1
    assert all(before[name].equal(tensor) for name, tensor in model.state_dict().items())
    again = list(randomized(model, images, TARGETS, maps, seed=0))
    assert all(
        np.array_equal(a.correlations, b.correlations, equal_nan=True) for a, b in zip(found, again, strict=True)
    )


class Corner(Model):
    """Class 0 where the upper left quarter is bright, and class 1 elsewhere."""

    def forward(self, x):
        bright = x[:, 0, :4, :4].mean((1, 2)) * 20 - 10
        return torch.stack([bright, -bright], 1)


def test_deletion_tells_a_map_of_what_matters_from_one_of_what_does_not(images):
    images[:, :4, :4] = 255
    images[:, 4:] = images[:, :, 4:] = 0
    right = np.zeros((6, 8, 8))
    right[:, :4, :4] = 1
    targets = np.zeros(6, dtype=np.int64)
    good = deletion(Corner(), images, targets, right, seed=0)
    bad = deletion(Corner(), images, targets, 1 - right, seed=0)
    assert (good.gains > 0.1).all()
    assert (bad.gains < -0.1).all()
    assert good.by_map[:, 0] == pytest.approx(good.at_random[:, 0])
    assert good.by_map[:, -1] == pytest.approx(good.at_random[:, -1])
    assert good.shares[[0, -1]].tolist() == [0, 1]
