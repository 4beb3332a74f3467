"""The rate that blind methods are given: an interval that holds the truth, or the reason why there is none."""

import json
import statistics

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmark.noise.rate_estimate import FALLBACK, WIDEST, Evidence, HeldOut, at_anchors, estimate_rate


def predictions(rate, sharpness, samples=6_000, classes=5, seed=0):
    """Labels wrong at `rate`, and probabilities that rank well but whose height says nothing."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, samples)
    clear = 3 * np.eye(classes)[true] + rng.standard_normal((samples, classes))
    odds, again = (np.exp(sharpness * (clear + 0.5 * rng.standard_normal(clear.shape))) for _ in range(2))
    moved = (true + rng.integers(1, classes, samples)) % classes
    labels = np.where(rng.random(samples) < rate, moved, true)
    twins = np.stack([odds.argmax(1), again.argmax(1)])
    return labels, HeldOut(odds / odds.sum(1, keepdims=True), twins), float((labels != true).mean())


@pytest.mark.parametrize("sharpness", [0.05, 1.0, 5.0])
@pytest.mark.parametrize("rate", [0.0, 0.2, 0.4, 0.6])
def test_the_rate_is_found_however_flat_the_probabilities(rate, sharpness):
    labels, held_out, true = predictions(rate, sharpness)
    told = estimate_rate(labels, held_out)
    assert told.doubt is None
    assert told.rate == pytest.approx(true, abs=0.03)
    assert told.low <= true <= told.high
    assert told.high - told.low < 0.12


@settings(deadline=None, max_examples=25)
@given(
    rate=st.floats(0, 0.5), samples=st.integers(300, 3000), classes=st.integers(2, 8), seed=st.integers(0, 10_000)
)  # fmt: skip
@example(rate=0.453125, samples=300, classes=3, seed=10_000)  # the search for the scale tries one beyond all bounds
def test_the_interval_lies_in_the_unit_interval_around_the_rate_or_is_absent(rate, samples, classes, seed):
    labels, held_out, _ = predictions(rate, 1.0, samples, classes, seed)
    told = estimate_rate(labels, held_out)
    if told.doubt is None:
        assert 0 <= told.low <= told.rate <= told.high <= 1
        assert told.high - told.low <= WIDEST
        assert told.interval == [told.low, told.high]
        assert f"{told.low:.3f} to {told.high:.3f}" in told.text
    else:
        assert (told.rate, told.interval) == (FALLBACK, None)
        assert told.text == f"cannot tell: {told.doubt}"


def test_the_interval_holds_the_truth_in_at_least_nine_of_ten_draws():
    held = total = 0
    for seed in range(40):
        labels, held_out, true = predictions(0.1 * (seed % 5), 1.0, samples=1500, seed=seed)
        told = estimate_rate(labels, held_out)
        assert told.doubt is None
        total += 1
        held += told.low <= true <= told.high
    assert held >= 0.9 * total, (held, total)


@pytest.mark.parametrize("seed", range(6))
def test_errors_of_the_network_are_not_taken_for_noise_and_clean_labels_begin_at_zero(seed):
    labels, held_out, _ = predictions(0.0, 1.0, seed=seed)
    assert (held_out.probabilities.argmax(1) != labels).mean() > 0.05
    told = estimate_rate(labels, held_out)
    assert told.low == 0
    assert told.rate < 0.02


def test_one_noisy_class_counts_by_its_share():
    labels, held_out, _ = predictions(0.0, 1.0)
    rng = np.random.default_rng(1)
    flipped = (labels == 0) & (rng.random(len(labels)) < 0.5)
    labels[flipped] = 1
    told = estimate_rate(labels, held_out)
    assert told.low <= flipped.mean() <= told.high
    assert told.rate == pytest.approx(0.1, abs=0.03)


def test_estimates_that_differ_widen_the_interval_and_the_networks_errors_do():
    agreeing, apart = Evidence(0.2, 0.01, 0.2, 0.02, 0.0), Evidence(0.1, 0.01, 0.3, 0.02, 0.0)
    assert agreeing.interval() == pytest.approx((0.18, 0.22))
    assert apart.interval() == pytest.approx((0.09, 0.32))
    weak = Evidence(0.2, 0.0, 0.2, 0.0, 0.4)
    assert weak.interval(0.1) == pytest.approx((0.16, 0.24))
    assert weak.interval(0.9)[0] == 0


def test_a_class_that_is_never_predicted_and_one_with_a_single_sample_do_no_harm():
    posterior = np.zeros((101, 3))
    posterior[:100, 0] = 1
    posterior[100, 1] = 1
    labels = np.array([0] * 75 + [1] * 25 + [1])
    anchors = at_anchors(labels, posterior)
    assert 0 <= anchors.rate <= 0.4
    assert anchors.error > 0
    single = estimate_rate(np.array([2]), HeldOut(np.array([[0.0, 0.0, 1.0]]), np.full((2, 1), 2)))
    assert single.interval is None, "one label says nothing"


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("shares", [[0.2] * 5, [0.8, 0.05, 0.05, 0.05, 0.05]])
def test_networks_that_know_nothing_are_refused_whatever_the_class_frequencies(shares, constant):
    rng = np.random.default_rng(0)
    labels = rng.choice(5, 2000, p=shares)
    probabilities = rng.dirichlet(np.ones(5), 2000)
    if constant:
        probabilities[:, 0] = 2  # always the largest class, which is often right
    told = estimate_rate(labels, HeldOut(probabilities, np.tile(probabilities.argmax(1), (2, 1))))
    assert told.interval is None
    assert told.rate == FALLBACK


def test_a_weak_network_that_looks_like_noise_is_given_away_by_its_twin():
    rng = np.random.default_rng(0)
    labels, held_out, _ = predictions(0.0, 5.0)
    knows = rng.random((2, len(labels), 1)) < 0.35
    guess = [rng.dirichlet(np.full(5, 0.02), len(labels)) for _ in range(2)]
    first, second = (np.where(k, held_out.probabilities, g) for k, g in zip(knows, guess, strict=True))
    alone = estimate_rate(labels, HeldOut(first, np.stack([first.argmax(1), first.argmax(1)])))
    assert alone.doubt is None
    assert alone.low > 0.3, "alone it passes for a good network on noisy labels"
    told = estimate_rate(labels, HeldOut(first, np.stack([first.argmax(1), second.argmax(1)])))
    assert told.interval is None
    assert "two networks agree on" in told.doubt


def noise_of(tmp_path):
    records = [json.loads(path.read_bytes()) for path in tmp_path.glob("results/runs/**/*.json")]
    assert records
    return {
        f"{record['spec']['noise']['config'].get('rate', 0)}/{record['spec']['seeds']['noise']}": record["noise"]
        for record in records
    }


@pytest.mark.slow
def test_networks_of_two_epochs_are_refused_and_methods_get_the_fallback(here, tmp_path):
    grid = ("-d", "digits", "--seeds", 2, "--epochs", 2, "-n", "none")
    table = here("run", "-b", "cnn", "-m", "coteaching", *grid).stdout
    for noise in noise_of(tmp_path).values():
        assert noise["estimated_rate"] == FALLBACK
        assert noise["estimate_interval"] is None
        assert "two networks agree on" in noise["estimate_doubt"]
    assert "the noise rate could not be estimated at none (2 runs), and blind methods were given 0.200 there" in table
    run_id = next(tmp_path.glob("results/runs/**/*.json")).stem
    shown = here("show", run_id).stdout
    assert "noise rate: cannot tell: two networks agree on" in shown
    assert "the method was given 0.200" in shown


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 2])
def test_intervals_of_digits_hold_the_truth(here, tmp_path, seeds):
    kinds = ("-n", "none", "-n", "symmetric:0.2,0.4", "-n", "pair:0.3")
    grid = ("-d", "digits", *kinds, "--seeds", seeds, "--epochs", 12, "--recipe", "batch_size=64")
    here("run", "-b", "cnn", "-m", "small_loss", "--no-table", *grid)
    found = noise_of(tmp_path)
    assert len(found) == 4 * seeds
    for name, noise in found.items():
        low, high = noise["estimate_interval"]
        assert low <= noise["realized_rate"] <= high, name
        assert abs(noise["estimator_error"]) <= 0.05
        if noise["realized_rate"] == 0:
            assert low == 0
    assert (
        statistics.median(high - low for low, high in (noise["estimate_interval"] for noise in found.values())) <= 0.15
    )
    run_id = next(tmp_path.glob("results/runs/**/*.json")).stem
    assert "(95 % interval" in here("show", run_id).stdout
