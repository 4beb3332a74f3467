"""The rate that blind methods are given: counted at confident held-out predictions, never read off the truth."""

import json

import numpy as np
import pytest

from benchmark.noise.rate_estimate import doubt, noise_rate_of


def predictions(rate, sharpness, samples=20_000, classes=5, seed=0):
    """Labels wrong at `rate`, and probabilities that rank well but whose height says nothing."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, samples)
    logits = rng.standard_normal((samples, classes)) + 3 * np.eye(classes)[true]
    odds = np.exp(sharpness * logits)
    moved = (true + rng.integers(1, classes, samples)) % classes
    return np.where(rng.random(samples) < rate, moved, true), odds / odds.sum(1, keepdims=True)


@pytest.mark.parametrize("sharpness", [0.05, 1.0, 5.0])
@pytest.mark.parametrize("rate", [0.0, 0.2, 0.4, 0.6])
def test_the_rate_is_found_however_flat_the_probabilities(rate, sharpness):
    assert noise_rate_of(*predictions(rate, sharpness)) == pytest.approx(rate, abs=0.02)


def test_errors_of_the_network_are_not_taken_for_noise():
    labels, probabilities = predictions(0.0, 1.0)
    assert (probabilities.argmax(1) != labels).mean() > 0.05
    assert noise_rate_of(labels, probabilities) < 0.005


def test_one_noisy_class_counts_by_its_share():
    labels, probabilities = predictions(0.0, 1.0)
    rng = np.random.default_rng(1)
    labels[(labels == 0) & (rng.random(len(labels)) < 0.5)] = 1
    assert noise_rate_of(labels, probabilities) == pytest.approx(0.1, abs=0.02)


def test_a_class_that_is_never_predicted_and_one_with_a_single_sample_do_no_harm():
    probabilities = np.zeros((101, 3))
    probabilities[:100, 0] = 1
    probabilities[100, 1] = 1
    labels = np.array([0] * 75 + [1] * 25 + [1])
    assert 0 <= noise_rate_of(labels, probabilities) <= 0.4
    assert noise_rate_of(np.array([2]), np.array([[0.0, 0.0, 1.0]])) == 0


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.4, 0.6])
def test_an_estimate_of_a_good_network_is_not_doubted(rate):
    assert doubt(*predictions(rate, 1.0)) is None


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("shares", [[0.2] * 5, [0.8, 0.05, 0.05, 0.05, 0.05]])
def test_networks_that_know_nothing_are_told_whatever_the_class_frequencies(shares, constant):
    rng = np.random.default_rng(0)
    labels = rng.choice(5, 2000, p=shares)
    probabilities = rng.dirichlet(np.ones(5), 2000)
    if constant:
        probabilities[:, 0] = 2  # always the largest class, which is often right
    told = doubt(labels, probabilities)
    assert told is not None
    assert "by chance with" in told


def test_a_weak_network_on_clean_labels_is_told_from_a_good_one_on_noisy_labels():
    labels, probabilities = predictions(0.0, 1.0)
    rng = np.random.default_rng(0)
    weak = np.where(rng.random((len(labels), 1)) < 0.75, rng.dirichlet(np.ones(5), len(labels)), probabilities)
    noisy = predictions(0.2, 1.0)
    assert abs(noise_rate_of(labels, weak) - noise_rate_of(*noisy)) < 0.03, "the rates alone do not tell"
    assert doubt(labels, weak) is not None
    assert doubt(*noisy) is None


def told_doubts(tmp_path):
    records = [json.loads(path.read_bytes()) for path in tmp_path.glob("results/runs/**/*.json")]
    return [record["noise"]["estimate_doubt"] for record in records]


def test_a_network_of_two_epochs_on_400_images_says_that_it_cannot_tell(noisybench, tmp_path, real_data):
    grid = ("-d", f"npz:{real_data / 'pbc_28.npz'}", "--subset", 400, "--seeds", 2, "--epochs", 2, "-n", "none")
    table = noisybench("run", "-b", "cnn", "-m", "coteaching", *grid).stdout
    assert len(told_doubts(tmp_path)) == 2
    assert all(told_doubts(tmp_path))
    assert "the estimated noise rate says little at none (2 runs)" in table


def errors(noisybench, tmp_path, *grid):
    noisybench("run", "-b", "cnn", "-m", "coteaching", "--no-table", *grid, timeout=1200)
    records = [json.loads(path.read_bytes()) for path in tmp_path.glob("results/runs/**/*.json")]
    assert records
    return {
        f"{record['spec']['noise']['config'].get('rate', 0)}/{record['spec']['seeds']['noise']}": abs(
            record["noise"]["estimator_error"]
        )
        for record in records
    }


def test_the_rate_of_digits_is_estimated_within_a_twentieth(noisybench, tmp_path):
    grid = ("-d", "digits", "-n", "none", "-n", "symmetric:0.2,0.4", "--seeds", 3, "--epochs", 12)
    found = errors(noisybench, tmp_path, *grid, "--recipe", "batch_size=64")
    assert len(found) == 9
    assert max(found.values()) <= 0.05, found
    assert told_doubts(tmp_path) == [None] * 9


@pytest.mark.slow
def test_the_rate_of_blood_cells_is_estimated_within_a_twentieth(noisybench, tmp_path, real_data):
    cells = f"npz:{real_data / 'pbc_28.npz'}"
    grid = ("-d", cells, "-n", "none", "-n", "symmetric:0.2,0.4", "--seeds", 1, "--epochs", 4)
    found = errors(noisybench, tmp_path, *grid)
    assert len(found) == 3
    assert max(found.values()) <= 0.05, found
