"""The kit: schedules, resets, equal networks for equal names, auxiliary fits that stop early."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.checks.lab import CPU, Lab, TinyNetwork, flipped, images
from benchmark.grid.spec import Augment, Recipe
from benchmark.training.kit import PATIENCE, EngineKit, lr_factor
from benchmark.training.samples import Images
from benchmark.training.session import Session

PIXELS, LABELS = images(90, 3, 1)


def session(noise_rate: float = 0.0, **recipe) -> Session:
    noisy = flipped(LABELS, 3, noise_rate)
    policy = Recipe(**{"epochs": 8, "batch_size": 16, "augment": Augment(), **recipe})
    return Session(Images(PIXELS, CPU), noisy, 3, policy, TinyNetwork, order_seed=0, init_key=(0,), device=CPU)


def rates(kit: EngineKit, optimizer: torch.optim.Optimizer, epochs: range) -> list[float]:
    found = []
    for epoch in epochs:
        kit.start_epoch(epoch)
        found.append(optimizer.param_groups[0]["lr"])
    return found


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"schedule": "constant"}, [1.0] * 8),
        ({"schedule": "cosine"}, [0.5 * (1 + np.cos(np.pi * epoch / 8)) for epoch in range(8)]),
        ({"schedule": "multistep", "milestones": (0.5, 0.75), "gamma": 0.1}, [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]),
    ],
)
def test_the_learning_rate_follows_the_recipes_schedule(recipe, expected):
    kit = session(lr=0.01, **recipe).kit()
    optimizer = kit.optimizer("net", kit.network("net").parameters())
    assert rates(kit, optimizer, range(8)) == pytest.approx([0.01 * factor for factor in expected])


def test_an_unscheduled_optimizer_keeps_its_rate_and_an_override_is_the_base_of_the_schedule():
    kit = session(lr=0.01, schedule="cosine").kit()
    fixed = kit.optimizer("fixed", kit.network("a").parameters(), scheduled=False, lr=0.3)
    own = kit.optimizer("own", kit.network("b").parameters(), lr=0.2)
    assert rates(kit, fixed, range(8)) == [0.3] * 8
    assert rates(kit, own, range(8))[4] == pytest.approx(0.1)


@pytest.mark.parametrize("scheduled", [True, False])
def test_a_slower_rate_lasts_until_the_epoch_ends(scheduled):
    kit = session(lr=0.01, schedule="cosine").kit()
    optimizer = kit.optimizer("net", kit.network("net").parameters(), scheduled=scheduled)
    usual = rates(kit, optimizer, range(8))
    kit.start_epoch(3)
    for _ in range(2):
        kit.slow_down("net", 3.0)
        assert optimizer.param_groups[0]["lr"] == usual[3] / 4
    kit.start_epoch(4)
    assert optimizer.param_groups[0]["lr"] == usual[4]


def test_a_reset_forgets_the_moments_and_starts_the_schedule_anew_over_the_remaining_epochs():
    kit = session(lr=0.01, schedule="cosine").kit()
    net = kit.network("net")
    optimizer = kit.optimizer("net", net.parameters())
    kit.start_epoch(4)
    kit.update(net(torch.rand(4, 1, 8, 8)).sum(), optimizer)
    assert optimizer.state
    kit.reset("net")
    assert not optimizer.state
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)
    assert rates(kit, optimizer, range(4, 8)) == pytest.approx(
        [0.005 * (1 + np.cos(np.pi * epoch / 4)) for epoch in range(4)]
    )


@pytest.mark.parametrize("epochs", [3, 7, 10, 12, 30, 100, 200])
def test_a_milestone_falls_on_its_epoch_whatever_the_rounding(epochs):
    recipe = Recipe(epochs=epochs, schedule="multistep", milestones=(0.1, 0.3, 0.7), gamma=0.5)
    for epoch in range(epochs):
        reached = sum(10 * epoch >= tenths * epochs for tenths in (1, 3, 7))
        assert lr_factor(recipe, epoch / epochs) == 0.5**reached


def test_fractions_of_the_run_are_at_least_one_epoch():
    kit = session(epochs=10).kit()
    assert [kit.schedule(fraction) for fraction in (0.01, 0.1, 0.25, 0.5, 1.0)] == [1, 1, 2, 5, 10]


def test_equal_names_give_equal_weights_and_others_give_others():
    one, other = session().kit(), session().kit()
    torch.manual_seed(1)
    first = one.network("net").state_dict()
    torch.manual_seed(2)
    again = other.network("net").state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["classifier.weight"], one.network("net2").state_dict()["classifier.weight"])


def test_a_name_is_given_to_one_optimizer_only():
    kit = session().kit()
    kit.optimizer("net", kit.network("net").parameters())
    with pytest.raises(ValueError, match="its own name"):
        kit.optimizer("net", kit.network("net").parameters())


def test_gradients_are_clipped_over_all_parameters_of_the_step():
    kit = session(clip=0.5, optimizer="sgd", lr=1.0, momentum=0.0).kit()
    net = kit.network("net")
    optimizer = kit.optimizer("net", net.parameters())
    before = torch.cat([p.detach().flatten() for p in net.parameters()])
    kit.update(1e4 * net(torch.rand(4, 1, 8, 8)).square().sum(), optimizer)
    moved = torch.cat([p.detach().flatten() for p in net.parameters()]) - before
    assert moved.norm().item() == pytest.approx(0.5, rel=1e-4)


def test_auxiliary_fits_stop_where_they_agree_best_with_labels_that_they_did_not_see(monkeypatch):
    kit = session(noise_rate=0.3, epochs=40, lr=0.01).kit()
    epochs: list[int] = []
    fitting = kit._fitting

    def counted(*arguments):
        epochs.append(0)
        for _ in fitting(*arguments):
            epochs[-1] += 1
            yield

    monkeypatch.setattr(kit, "_fitting", counted)
    probabilities = kit.out_of_fold(3)
    assert probabilities.shape == (90, 3)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(90))
    assert len(epochs) == 3
    assert all(PATIENCE < count < 40 for count in epochs), "every fit stopped before its last epoch"
    assert (probabilities.argmax(1).numpy() == LABELS).mean() > 0.8, "and had learned the classes, not the noise"


@pytest.mark.parametrize(("predictions", "known"), [("out_of_fold", 90), ("held_out", 60)])
def test_out_of_fold_networks_never_saw_the_sample(monkeypatch, predictions, known):
    kit = session(epochs=2).kit()
    fitted: list[set[int]] = []
    used: list[set[int]] = []
    predicted: list[set[int]] = []
    fit, predict = kit._fit_early, kit._probabilities

    def watched(network, index, stopping, epochs):
        fitted.append(set(index.tolist()))
        used.append(fitted[-1] | set(stopping.tolist()))
        assert len(used[-1]) == len(index) + len(stopping) == known
        fit(network, index, stopping, epochs)

    def recorded(network, index):
        predicted.append(set(index.tolist()))
        return predict(network, index)

    monkeypatch.setattr(kit, "_fit_early", watched)
    monkeypatch.setattr(kit, "_probabilities", recorded)
    getattr(kit, predictions)(3)
    assert set.union(*predicted) == set(range(90))
    assert all(not fold & held for fold, held in zip(fitted, predicted, strict=True))
    if predictions == "held_out":
        assert all(not fold & held for fold, held in zip(used, predicted, strict=True)), "nor decided when to stop"


def test_a_twin_judges_the_first_fold_with_other_first_weights():
    kit = session(epochs=2).kit()
    probabilities = kit.held_out(3)
    index, twin = kit.twin(3)
    assert len(index) == 30
    torch.testing.assert_close(twin.sum(1), torch.ones(30))
    assert not torch.allclose(twin, probabilities[index])


@pytest.mark.parametrize(("classes", "samples"), [(100, 900), (10, 12), (3, 4)])
def test_a_share_that_cannot_hold_every_class_is_drawn_at_random_and_said(classes, samples):
    lab = Lab("ce", {}, epochs=1, num_classes=classes, num_samples=samples)
    with pytest.warns(UserWarning, match=rf"of {samples} labels cannot hold one of each of the \d+ classes"):
        assert lab.kit.posterior(0.1).shape == (samples, classes)
    with pytest.warns(UserWarning, match="the folds are drawn at random instead of by class"):
        probabilities = lab.kit.out_of_fold(int(np.bincount(lab.noisy).max()) + 1)
    assert torch.allclose(probabilities.sum(1), torch.ones(samples))
