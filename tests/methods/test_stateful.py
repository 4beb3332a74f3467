"""Methods with state, selection and correction: worked examples and limits."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from methods._selection import masked_mean, num_kept, small_loss_mask
from methods.aum import AUM, margins
from methods.backward import Backward
from methods.cal import CAL
from methods.codis import CoDis
from methods.confident_learning import ConfidentLearning
from methods.coteaching import Coteaching
from methods.coteaching_plus import CoteachingPlus
from methods.disc import DISC, partners
from methods.dividemix import DivideMix
from methods.elr import ELR
from methods.elr_plus import ELRPlus
from methods.fine import FINE
from methods.forward import Forward
from methods.joint_optimization import JointOptimization
from methods.pes import PES
from methods.pes_semi import PESSemi
from methods.plc import PLC
from methods.promix import ProMix
from methods.small_loss import SmallLossControl
from methods.sop import SOP
from methods.t_revision import TRevision
from methods.unicon import UNICON
from methods.volminnet import VolMinNet
from tests.golden.harness import TinyData, batch_of, make

# ---- selection ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "forget", "kept"), [(128, 0.2, 102), (7, 0.99, 1), (1, 0.5, 1), (5, 0.0, 5)])
def test_at_least_one_sample_of_a_batch_is_kept(size: int, forget: float, kept: int) -> None:
    assert num_kept(size, forget) == kept


def test_small_losses_are_picked_among_the_candidates_only() -> None:
    loss = torch.tensor([0.1, 5.0, 0.2, 3.0, 0.3])
    candidates = torch.tensor([False, True, True, True, False])
    kept = small_loss_mask(loss, candidates, 0.3)
    assert kept.tolist() == [False, False, True, True, False]
    assert not small_loss_mask(loss, torch.zeros(5, dtype=torch.bool), 0.3).any()
    assert small_loss_mask(loss, candidates, 0.9).tolist() == candidates.tolist()


def test_small_loss_keeps_what_coteaching_keeps() -> None:
    torch.manual_seed(0)
    logits, y = torch.randn(10, 4, dtype=torch.float64), torch.randint(4, (10,))
    plain = make(SmallLossControl, {"forget_rate": 0.4}, K=4, epoch=9)
    value = plain.loss(logits, batch_of(y))
    each = F.cross_entropy(logits, y, reduction="none")
    assert value.item() == pytest.approx(each.sort().values[:6].mean().item())
    pair = make(Coteaching, {"forget_rate": 0.4}, K=4, epoch=9)
    assert pair.losses(logits, logits, batch_of(y))[0].item() == pytest.approx(value.item())


def test_mean_over_an_empty_selection_is_zero_and_has_no_gradient() -> None:
    values = torch.randn(4, requires_grad=True)
    masked_mean(values, torch.zeros(4, dtype=torch.bool)).backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0.0] * 4


def test_coteaching_plus_without_disagreement_leaves_the_networks_alone() -> None:
    method = make(CoteachingPlus, {"forget_rate": 0.2}, K=3, epochs=10, epoch=9)
    logits = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    loss, loss2 = method.losses(logits, logits * 1.5, batch_of(torch.randint(3, (6,))))
    assert loss.item() == 0
    assert loss2.item() == 0


def test_codis_rewards_disagreement_by_a_bounded_divergence() -> None:
    logits = torch.tensor([[60.0, -60.0]], dtype=torch.float64)
    assert make(CoDis, {"forget_rate": 0.2}, K=2).divergence(logits, -logits).item() == pytest.approx(math.log(2))


# ---- state -------------------------------------------------------------------------------------------------

BUFFERS: list[tuple[type, dict[str, Any], str]] = [
    (ELR, {}, "target"),
    (SOP, {}, "u"),
    (SOP, {}, "v"),
    (JointOptimization, {"window": 0.3}, "history.probabilities"),
    (PLC, {"window": 0.3}, "history.probabilities"),
    (DISC, {}, "probabilities"),
    (ELRPlus, {}, "target"),
]


def state_of(method: torch.nn.Module, name: str, count: int) -> Tensor:
    """The state `name`, with the samples in front."""
    value = method.state_dict()[name].clone()
    return value if len(value) == count else value.transpose(0, 1)


@pytest.mark.parametrize(("method_cls", "config", "name"), BUFFERS)
def test_a_step_changes_the_state_of_its_batch_only(method_cls: type, config: dict[str, Any], name: str) -> None:
    torch.manual_seed(1)
    count = 20
    data = TinyData(torch.randn(count, 4, dtype=torch.float64), torch.arange(count) % 3, 3)
    method = make(method_cls, config, K=3, N=count)
    batch = next(iter(method.plan(0, data)))
    before = state_of(method, name, count)
    method.step(batch)
    changed = (state_of(method, name, count) != before).flatten(1).any(1)
    assert set(changed.nonzero().squeeze(1).tolist()) == set(batch.index.tolist())


# ---- worked examples ---------------------------------------------------------------------------------------


def test_aum_margin_is_the_label_over_the_best_other() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 4.0, -1.0]])
    assert margins(logits, torch.tensor([0, 2])).tolist() == [1.0, -5.0]


def test_aum_drops_the_samples_with_margins_up_to_those_of_fake_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    data = TinyData(torch.zeros(12, 4, dtype=torch.float64), torch.arange(12) % 2, 2)
    method = make(AUM, {"percentile": 100}, K=2, N=12)
    margin = torch.arange(12, dtype=torch.float64)
    fakes: list[Tensor] = []

    def train_scorer(turn: int, data: TinyData, y: Tensor) -> Tensor:
        fakes.append((y == 2).nonzero().squeeze(1))
        return margin

    monkeypatch.setattr(method, "train_scorer", train_scorer)
    method.judge(data)
    assert [len(fake) for fake in fakes] == [4, 4]
    assert not set(fakes[0].tolist()) & set(fakes[1].tolist())
    bounds = [margin[fake].max() for fake in fakes]
    for sample in range(12):
        bound = bounds[1] if sample in fakes[0] else bounds[0]
        assert bool(method.kept[sample]) == bool(margin[sample] > bound)


def test_joint_optimization_adds_prior_and_entropy_until_it_trains_anew() -> None:
    config = {"alpha": 1.2, "beta": 0.8}
    method = make(JointOptimization, config, K=2, N=2, epochs=10)
    method.label.copy_(torch.tensor([[1.0, 0.0], [0.5, 0.5]]))
    method.prior.copy_(torch.tensor([0.75, 0.25]))
    p = torch.tensor([[0.8, 0.2], [0.4, 0.6]], dtype=torch.float64)
    label = -(math.log(0.8) + 0.5 * math.log(0.4) + 0.5 * math.log(0.6)) / 2
    balance = 0.75 * math.log(0.75 / 0.6) + 0.25 * math.log(0.25 / 0.4)
    entropy = -sum(v * math.log(v) for v in (0.8, 0.2, 0.4, 0.6)) / 2
    batch = batch_of(torch.tensor([0, 1]))
    assert method.loss(p.log(), batch).item() == pytest.approx(label + 1.2 * balance + 0.8 * entropy)
    method.epoch = 9
    assert method.loss(p.log(), batch).item() == pytest.approx(label)


def test_joint_optimization_labels_become_the_mean_of_the_window() -> None:
    method = make(JointOptimization, {"window": 0.2, "begin": 0.2}, K=2, N=2, epochs=10)
    data = TinyData(torch.zeros(2, 4, dtype=torch.float64), torch.tensor([0, 1]), 2)
    method.plan(0, data)
    index = torch.arange(2)
    first, second = torch.tensor([[0.2, 0.8], [0.6, 0.4]]), torch.tensor([[0.4, 0.6], [1.0, 0.0]])
    method.history.record(0, index, first)
    method.history.record(1, index, second)
    method.plan(2, data)
    torch.testing.assert_close(method.label, ((first + second) / 2).double())


def test_disc_sets_follow_the_thresholds_of_the_samples() -> None:
    method = make(DISC, {"momentum": 0.5, "sigma": 0.3}, K=2, N=4, epochs=200)
    method.threshold.copy_(torch.tensor([[0.6, 0.6, 0.3, 0.7], [0.6, 0.6, 0.3, 0.7]]))
    first = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.5, 0.5]])
    second = torch.tensor([[0.8, 0.2], [0.5, 0.5], [0.1, 0.9], [0.4, 0.6]])
    method.probabilities.copy_(torch.stack([first, second]))
    method.divide(torch.tensor([0, 0, 0, 0]))
    assert method.clean.tolist() == [True, False, False, False]
    assert method.hard.tolist() == [False, True, False, False]
    assert method.corrected.tolist() == [False, False, True, False]
    assert method.label.tolist() == [0, 0, 1, 0]
    expected = torch.tensor([[0.75, 0.65, 0.55, 0.6], [0.7, 0.55, 0.6, 0.65]]).double()
    torch.testing.assert_close(method.threshold, expected)


def test_disc_loss_is_ce_on_clean_and_gce_on_hard_samples() -> None:
    method = make(DISC, {"hard_weight": 0.5}, K=2, N=3, epochs=10, epoch=9)
    method.clean.copy_(torch.tensor([True, False, False]))
    method.hard.copy_(torch.tensor([False, True, False]))
    p = torch.tensor([[0.8, 0.2], [0.4, 0.6], [0.5, 0.5]], dtype=torch.float64)
    loss = method.supervised(torch.stack([p, p]).log(), batch_of(torch.tensor([0, 0, 0])))
    expected = 2 / 3 * (-math.log(0.8) + 0.5 * (1 - 0.4**0.7) / 0.7)
    assert loss.item() == pytest.approx(expected)


def test_disc_mixes_members_with_members() -> None:
    torch.manual_seed(3)
    members = torch.tensor([True, False, True, True, False, True])
    partner = partners(members)
    assert members[partner][members].all()
    assert sorted(partner[members].tolist()) == members.nonzero().squeeze(1).tolist()
    assert partner[~members].tolist() == [1, 4]
    assert partners(torch.zeros(3, dtype=torch.bool)).tolist() == [0, 1, 2]


def test_cal_covariance_equals_its_definition() -> None:
    torch.manual_seed(4)
    k, count = 3, 12
    clean, y = torch.randint(k, (count,)), torch.randint(k, (count,))
    method = make(CAL, K=k, N=count)
    method.adopt(clean, y)
    method.mean_loss.copy_(torch.rand(k, k))
    losses = torch.rand(count, k, dtype=torch.float64)
    expected = 0.0
    for i in range(k):
        inside = [n for n in range(count) if clean[n] == i]
        for j in range(k):
            share = sum(int(y[n]) == j for n in inside) / max(1, len(inside))
            for n in inside:
                flip = float(int(y[n]) == j) - share
                term = flip * float(losses[n, j] - method.mean_loss[i, j])
                expected += len(inside) / count * term / len(inside)
    assert method.covariance(losses, batch_of(y)).item() == pytest.approx(expected)


def test_cal_sieve_keeps_sure_labels_and_replaces_the_others() -> None:
    method = make(CAL, K=3)
    logits = torch.tensor([[40.0, 0.0, 0.0], [40.0, 0.0, 0.0], [1.0, 0.0, 2.0]], dtype=torch.float64)
    assert method.sieve(logits, torch.tensor([0, 1, 1])).tolist() == [0, 0, 2]


def test_pes_renews_the_late_stages_and_then_the_head_alone() -> None:
    torch.manual_seed(5)
    data = TinyData(torch.randn(8, 4, dtype=torch.float64), torch.arange(8) % 2, 2)
    method = make(PES, K=2, N=8, epochs=8)
    with torch.no_grad():
        for parameter in method.net.parameters():
            parameter.fill_(9.0)
    late, head, confident = method.starts()
    method.plan(head, data)
    assert (method.net.body.weight == 9).all()
    assert not (method.net.classifier.weight == 9).any()
    method.plan(late, data)
    assert not (method.net.body.weight == 9).any()
    assert (late, head, confident) == (1, 2, 3)


def test_pes_trains_the_late_stages_and_then_the_head_alone() -> None:
    torch.manual_seed(5)
    data = TinyData(torch.randn(8, 4, dtype=torch.float64), torch.arange(8) % 2, 2)
    method = make(PES, K=2, N=8, epochs=8)
    late, head, confident = method.starts()
    for epoch, trained in ((0, (True, True)), (late, (True, True)), (head, (False, True)), (confident, (True, True))):
        method.epoch = epoch
        (batch, *_) = method.plan(epoch, data)
        stages = (method.net.body.weight, method.net.classifier.weight)
        before = [weight.clone() for weight in stages]
        method.step(batch)
        moved = tuple(not torch.equal(*both) for both in zip(before, stages, strict=True))
        assert moved == trained, method.phase(epoch)


def test_fine_prefers_features_along_their_class_direction() -> None:
    torch.manual_seed(6)
    y = torch.arange(40) % 2
    axes = torch.eye(4, dtype=torch.float64)[y]
    features = axes + 0.05 * torch.randn(40, 4, dtype=torch.float64)
    features[:4] = features[:4].flip(1)  # four samples that point elsewhere
    method = make(FINE, K=2, N=40)
    score = method.scores(features, y)
    assert (method.posteriors(score, y) > 0.5).tolist() == [False] * 4 + [True] * 36


def test_fine_takes_the_directions_from_the_samples_that_the_last_selection_kept() -> None:
    y = torch.zeros(3, dtype=torch.int64)
    features = torch.tensor([[1.0, 0.0], [0.0, 3.0], [0.0, 3.0]], dtype=torch.float64)
    method = make(FINE, K=2, N=3)
    assert method.scores(features, y).tolist() == pytest.approx([0, 1, 1])
    method.kept.copy_(torch.tensor([True, False, False]))
    assert method.scores(features, y).tolist() == pytest.approx([1, 0, 0])


def test_plc_corrects_first_when_one_epoch_more_than_the_warm_up_is_past() -> None:
    data = TinyData(torch.zeros(2, 4, dtype=torch.float64), torch.tensor([0, 0]), 2)
    method = make(PLC, {"warmup": 0.2, "window": 0.1}, K=2, N=2, epochs=10)
    method.plan(0, data)
    method.history.record(0, torch.arange(2), torch.tensor([[0.9, 0.1], [0.1, 0.9]]))
    method.plan(2, data)
    assert method.label.tolist() == [0, 0]
    method.plan(3, data)
    assert method.label.tolist() == [0, 1]


# ---- nothing to select, extremes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method_cls", "config"),
    [
        (SmallLossControl, {"forget_rate": 0.9}),
        (Coteaching, {"forget_rate": 0.9}),
        (CoteachingPlus, {"forget_rate": 0.9}),
        (CoDis, {"forget_rate": 0.9}),
        (DISC, {}),
        (DivideMix, {}),
        (FINE, {}),
        (PES, {}),
        (PESSemi, {}),
        (ProMix, {}),
        (UNICON, {}),
    ],
)
def test_training_stays_finite_when_nothing_is_selected(method_cls: type, config: dict[str, Any]) -> None:
    data = TinyData(torch.zeros(6, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2]), 3, size=3)
    method = make(method_cls, config, K=3, N=6, epochs=8)
    for epoch in range(8):
        method.epoch = epoch
        for batch in method.plan(epoch, data):
            assert all(torch.isfinite(value) for value in method.step(batch).values())


@pytest.mark.parametrize("method_cls", [ELR, SOP, Forward, Backward, TRevision, VolMinNet, CAL])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_and_gradients_are_finite_at_logits_of_60(method_cls: type, dtype: torch.dtype) -> None:
    method = make(method_cls, K=3, N=4, epochs=10, epoch=9, dtype=dtype)
    method.train()
    logits = torch.tensor([[60, -60, 0], [-60, 60, 60], [0, 0, 0], [-60, -60, 60]], dtype=dtype, requires_grad=True)
    loss = method.loss(logits, batch_of(torch.tensor([1, 0, 2, 2])))
    loss.backward()
    assert logits.grad is not None
    assert logits.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_confident_learning_keeps_its_decision_in_buffers() -> None:
    assert {"kept", "quality"} <= set(dict(make(ConfidentLearning).named_buffers()))
