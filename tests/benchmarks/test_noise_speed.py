"""How fast labels are made, with the loop over samples of published code beside it: the ratio is what counts."""

import time

import numpy as np
import pytest

from benchmark.noise.base import Split
from benchmark.registry import NOISE

RATE = 0.2


def make(name):
    plugin = NOISE.load(name)
    return plugin(plugin.Config(rate=RATE))


def split(n, classes, pixels=True):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 28, 28, 3), dtype=np.uint8) if pixels else None
    return Split("train", rng.integers(0, classes, n), classes, "made", "speed", images)


def seconds(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def loop_over_samples_instance(part):
    """Part-dependent noise as it is published: a flip rate, a product and a choice for one image at a time."""
    from scipy.stats import truncnorm

    rng = np.random.default_rng(0)
    classes, x = part.num_classes, part.images.reshape(len(part.images), -1) / 255.0
    rates = truncnorm((0 - RATE) / 0.1, (1 - RATE) / 0.1, loc=RATE, scale=0.1).rvs(len(x), random_state=rng)
    weights = rng.standard_normal((classes, x.shape[1], classes))
    noisy = np.empty_like(part.labels)
    for i, label in enumerate(part.labels):
        scores = x[i] @ weights[label]
        scores[label] = -np.inf
        shares = np.exp(scores - scores.max())
        shares *= rates[i] / shares.sum()
        shares[label] += 1 - rates[i]
        noisy[i] = rng.choice(classes, p=shares / shares.sum())
    return noisy


def loop_over_samples_symmetric(part):
    """Symmetric noise as it is published: a multinomial draw from the row of T for one label at a time."""
    rng = np.random.RandomState(0)
    transition = np.full((part.num_classes, part.num_classes), RATE / (part.num_classes - 1))
    np.fill_diagonal(transition, 1 - RATE)
    return np.array([rng.multinomial(1, transition[label], 1)[0].argmax() for label in part.labels])


@pytest.mark.timed
@pytest.mark.parametrize(
    ("kind", "n", "loop", "least"),
    [("instance", 6_000, loop_over_samples_instance, 3), ("symmetric", 50_000, loop_over_samples_symmetric, 50)],
)
def test_noise_is_made_far_faster_than_by_a_loop_over_samples(benchmark, kind, n, loop, least):
    part = split(n, 9, pixels=kind == "instance")
    ours = make(kind)
    benchmark.pedantic(ours.corrupt, args=(part, 0), rounds=5, warmup_rounds=1)
    fastest = min(seconds(lambda: ours.corrupt(part, 0)) for _ in range(3))
    ratio = min(seconds(lambda: loop(part)) for _ in range(2)) / fastest
    benchmark.extra_info["times faster than the loop"] = round(ratio, 1)
    print(f"{kind}, {n} samples: {ratio:.0f} times faster than the loop")
    assert ratio > least


@pytest.mark.timed
@pytest.mark.parametrize(("kind", "n", "limit"), [("instance", 90_000, 10), ("symmetric", 10_000_000, 2)])
def test_whole_data_sets_take_seconds(benchmark, kind, n, limit):
    part = split(n, 9, pixels=kind == "instance")
    benchmark.pedantic(make(kind).corrupt, args=(part, 0), rounds=3)
    assert benchmark.stats.stats.min < limit
