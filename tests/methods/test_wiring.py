"""Which network gets whose samples, targets and gradients, and who only advises.

Samples are one-hot inputs and networks single linear maps without bias: column i of a network's weight holds the
logits of sample i, so that a step changes exactly the columns of the samples that it trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from methods import _mixup, dividemix, elr_plus
from methods._selection import PeerMethod
from methods.codis import CoDis
from methods.coteaching import Coteaching
from methods.coteaching_plus import CoteachingPlus
from methods.dividemix import DivideMix
from methods.elr_plus import ELRPlus
from methods.jocor import JoCoR
from tests.golden.harness import Query, TinyData, batch_of, make, recorded


def one_hot_data(y: Tensor, classes: int, size: int = 8) -> TinyData:
    return TinyData(torch.eye(len(y), dtype=torch.float64), y, classes, size)


def knowing(y: Tensor, classes: int, right: set[int], *, seed: int, sure: float = 4.0) -> nn.Linear:
    """A network that gives its label to the samples `right` and the next class to the others, all slightly apart."""
    net = nn.Linear(len(y), classes, bias=False, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        net.weight.copy_(0.1 * torch.randn(classes, len(y), generator=generator))
        for sample, label in enumerate(y.tolist()):
            net.weight[label if sample in right else (label + 1) % classes, sample] += sure
    return net


def columns(before: Tensor, net: nn.Linear) -> set[int]:
    """The samples whose logits a step has changed."""
    return set((before != net.weight).any(0).nonzero().squeeze(1).tolist())


def weights(*networks: nn.Module) -> list[Tensor]:
    return [torch.cat([p.detach().flatten().clone() for p in net.parameters()]) for net in networks]


@contextmanager
def watched(**networks: nn.Module) -> Iterator[dict[str, list[Query]]]:
    """The calls of each network inside the block."""
    queries: dict[str, list[Query]] = {name: [] for name in networks}
    handles = []
    for name, network in networks.items():

        def record(module: nn.Module, args: tuple[Tensor], name: str = name) -> None:
            queries[name].append(Query(args[0], module.training, torch.is_grad_enabled()))

        handles.append(network.register_forward_pre_hook(record))
    yield queries
    for handle in handles:
        handle.remove()


# ---- small losses ------------------------------------------------------------------------------------------

Y = torch.tensor([0, 1, 2, 0, 1, 2])
WRONG, WRONG2 = {0, 1}, {2, 3}
"""What the first and the second network get wrong, of six samples; a third of the batch is dropped."""
EVERY = set(range(len(Y)))


def pair(method_cls: type[PeerMethod], config: dict[str, Any] | None = None, forget: float = 0.33) -> Any:
    """The method after its ramp, with networks that are wrong on different samples."""
    networks = {
        "net": knowing(Y, 3, EVERY - WRONG, seed=1),
        "net2": knowing(Y, 3, EVERY - WRONG2, seed=2),
    }
    config = {"forget_rate": forget, **(config or {})}
    return make(method_cls, config, K=3, N=len(Y), epochs=10, epoch=9, networks=networks)


def trained_columns(method: Any) -> tuple[set[int], set[int]]:
    """The samples on which one step trains the first network, and the second."""
    before, before2 = method.net.weight.clone(), method.net2.weight.clone()
    (batch,) = method.plan(9, one_hot_data(Y, 3))
    method.step(batch)
    return columns(before, method.net), columns(before2, method.net2)


@pytest.mark.parametrize(("method_cls", "config"), [(Coteaching, {}), (CoteachingPlus, {"initial": 0.95}), (CoDis, {})])
def test_each_network_trains_on_the_samples_that_the_other_one_picked(
    method_cls: type[PeerMethod], config: dict[str, Any]
) -> None:
    method = pair(method_cls, config)
    assert trained_columns(method) == (EVERY - WRONG2, EVERY - WRONG)
    (report,) = method.kit.reports
    assert set(report["kept"].nonzero().squeeze(1).tolist()) == EVERY - WRONG


def test_coteaching_plus_exchanges_only_what_is_disagreed_on() -> None:
    method = pair(CoteachingPlus, {"initial": 0.1}, forget=0.5)
    # Both networks are right on samples 4 and 5. Of the others each drops the half that it gets wrong.
    assert trained_columns(method) == ({0, 1}, {2, 3})


def test_jocor_trains_both_networks_on_the_jointly_smallest_losses_only() -> None:
    method = pair(JoCoR, forget=0.66)
    # Only samples 4 and 5 are right in both networks; a third of six is kept.
    assert trained_columns(method) == ({4, 5}, {4, 5})


@pytest.mark.parametrize("method_cls", [Coteaching, CoteachingPlus, JoCoR, CoDis])
def test_everything_is_trained_on_before_the_ramp(method_cls: type[PeerMethod]) -> None:
    method = pair(method_cls)
    method.epoch = 0
    assert trained_columns(method) == (EVERY, EVERY)


@pytest.mark.parametrize("method_cls", [Coteaching, CoteachingPlus, JoCoR, CoDis])
def test_methods_that_exchange_samples_predict_with_the_first_network(method_cls: type[PeerMethod]) -> None:
    method = pair(method_cls)
    x = torch.eye(len(Y), dtype=torch.float64)
    assert method.card.networks_at_test == 1
    assert torch.equal(method.predict(x), method.net(x))
    assert not torch.equal(method.predict(x), method.net2(x))


@pytest.mark.parametrize("method_cls", [Coteaching, CoteachingPlus, CoDis])
def test_the_loss_of_one_network_reaches_no_other(method_cls: type[PeerMethod]) -> None:
    method = pair(method_cls)
    z, z2 = (net(torch.eye(len(Y), dtype=torch.float64)) for net in (method.net, method.net2))
    loss, loss2 = method.losses(z, z2, batch_of(Y))
    (own, cross) = torch.autograd.grad(loss, [method.net.weight, method.net2.weight], allow_unused=True)
    (cross2, own2) = torch.autograd.grad(loss2, [method.net.weight, method.net2.weight], allow_unused=True)
    assert own.any()
    assert own2.any()
    assert all(grad is None or not grad.any() for grad in (cross, cross2))


def test_jocor_sends_the_agreement_to_both_networks() -> None:
    agreement = pair(JoCoR, {"co_lambda": 1.0})
    before, before2 = weights(agreement.net, agreement.net2)
    trained_columns(agreement)
    after, after2 = weights(agreement.net, agreement.net2)
    apart, nearer = (before - before2).norm(), (after - after2).norm()
    assert nearer < apart
    assert not torch.equal(before, after)
    assert not torch.equal(before2, after2)


# ---- DivideMix ---------------------------------------------------------------------------------------------

LABELS = torch.arange(12) % 3
CLEAN, CLEAN2 = set(range(8)), set(range(4, 12))
"""The samples whose labels look right to the first network, and to the second."""
ALL = set(range(12))


def divided() -> Any:
    """DivideMix in its first epoch after the warm-up, in train mode."""
    networks = {"net": knowing(LABELS, 3, CLEAN, seed=3), "net2": knowing(LABELS, 3, CLEAN2, seed=4)}
    method = make(DivideMix, {"warmup": 0.1, "ramp": 0.2}, K=3, N=12, epochs=10, epoch=1, networks=networks)
    return method.train()


def shown(x: Tensor) -> set[int]:
    """The samples that the one-hot inputs [..., N] are of."""
    return set(x.reshape(-1, x.shape[-1]).argmax(1).tolist())


def test_dividemix_trains_each_network_on_the_split_of_the_other_one() -> None:
    method = divided()
    batches: list[Any] = list(method.plan(1, one_hot_data(LABELS, 3, size=4)))
    for turn, clean in ((0, CLEAN2), (1, CLEAN)):
        own = [batch for batch in batches if batch.turn == turn]
        assert {int(i) for batch in own for i in batch.index} == clean
        assert set.union(*(shown(batch.x) for batch in own)) == clean
        assert set.union(*(shown(batch.unlabelled) for batch in own)) == ALL - clean
        assert all((batch.clean > 0.5).all() for batch in own)
    (report,) = method.kit.reports
    assert set(report["kept"].nonzero().squeeze(1).tolist()) == CLEAN
    assert [batch.turn for batch in batches] == [0, 0, 1, 1]


def test_dividemix_weighs_labels_by_the_posterior_of_the_other_network() -> None:
    method = divided()
    given = [torch.linspace(0.6, 0.7, 12), torch.linspace(0.8, 0.9, 12)]
    for batch in method.pairs(0, one_hot_data(LABELS, 3), given):
        assert torch.equal(batch.clean, given[1 - batch.turn][batch.index])


def test_dividemix_updates_the_network_in_training_and_leaves_its_peer_alone() -> None:
    method = divided()
    for batch in method.plan(1, one_hot_data(LABELS, 3)):
        before = weights(method.net, method.net2)
        method.step(batch)
        changed = [not torch.equal(*both) for both in zip(before, weights(method.net, method.net2), strict=True)]
        assert changed == [batch.turn == 0, batch.turn == 1]


def test_dividemix_guesses_with_both_networks_and_refines_with_the_one_in_training() -> None:
    method = divided()
    for batch in method.plan(1, one_hot_data(LABELS, 3)):
        own, peer = (method.net, method.net2) if batch.turn == 0 else (method.net2, method.net)
        with torch.no_grad():
            seen = torch.stack([own(view).softmax(1) for view in batch.x]).mean(0)
            guessed = torch.stack([net(view).softmax(1) for net in (own, peer) for view in batch.unlabelled]).mean(0)
        w, labels = batch.clean[:, None], torch.eye(3, dtype=torch.float64)[batch.y]
        with recorded(dividemix, "sharpen") as calls, recorded(dividemix, "mixup") as mixed:
            method.step(batch)
        torch.testing.assert_close(calls[0].args[0], guessed)
        torch.testing.assert_close(calls[1].args[0], w * labels + (1 - w) * seen)
        guesses, refined = calls[0].result, calls[1].result
        (inputs, targets, alpha), _ = mixed[0].args, mixed[0].result
        torch.testing.assert_close(inputs, torch.cat([*batch.x, *batch.unlabelled]))
        torch.testing.assert_close(targets, torch.cat([refined, refined, guesses, guesses]))
        assert alpha == method.cfg.alpha


def test_dividemix_has_its_peer_advise_in_eval_mode_without_gradient() -> None:
    method = divided()
    for batch in method.plan(1, one_hot_data(LABELS, 3)):
        own, peer = ("net", "net2") if batch.turn == 0 else ("net2", "net")
        with watched(net=method.net, net2=method.net2) as queries:
            method.step(batch)
        assert [(query.training, query.grad) for query in queries[peer]] == [(False, False)] * 2
        assert all(query.training for query in queries[own])
        assert [query.grad for query in queries[own]] == [False] * 4 + [True]
        assert method.net.training
        assert method.net2.training


def test_dividemix_ramps_the_unlabelled_loss_by_the_share_of_batches_as_its_code_counts_them() -> None:
    method = divided()
    for epoch in (1, 2):
        ramps = [(batch.turn, batch.ramp) for batch in method.plan(epoch, one_hot_data(LABELS, 3, size=4))]
        past = epoch - 1  # since the warm-up; the ramp takes two epochs and restarts for no network
        # Two full batches, which the code counts as three.
        assert ramps == [(turn, (past + done) / 2) for turn in (0, 1) for done in (0, 1 / 3)]


def test_dividemix_adds_the_unlabelled_loss_by_its_weight() -> None:
    method = divided()
    (batch, *_) = method.plan(2, one_hot_data(LABELS, 3))
    with recorded(method, "semi_loss") as calls:
        loss = method.step(batch)["loss"]
    supervised, unsupervised, penalty = calls[0].result
    torch.testing.assert_close(loss, (supervised + 0.5 * 25 * unsupervised + penalty).detach())


def test_dividemix_warms_up_each_network_by_its_own_cross_entropy() -> None:
    method = divided()
    (batch, *_) = method.plan(0, one_hot_data(LABELS, 3, size=12))
    expected = []
    for net in (method.net, method.net2):
        p = net.weight.detach().T.softmax(1) - torch.eye(3, dtype=torch.float64)[LABELS]
        expected.append(net.weight.detach() - method.kit.lr * p.T / 12)
    method.step(batch)
    torch.testing.assert_close([method.net.weight.data, method.net2.weight.data], expected)


@pytest.mark.parametrize("build", [divided, lambda: averaged()])
def test_methods_that_declare_two_networks_at_test_predict_with_the_mean_of_both(build: Any) -> None:
    method = build()
    x = torch.eye(12, dtype=torch.float64)
    assert method.card.networks_at_test == 2
    torch.testing.assert_close(method.predict(x), (method.net(x) + method.net2(x)) / 2)


# ---- ELR+ --------------------------------------------------------------------------------------------------


def averaged() -> Any:
    """ELR+ in train mode, whose two networks and two weight averages are four different functions."""
    networks = {"net": knowing(LABELS, 3, CLEAN, seed=5), "net2": knowing(LABELS, 3, CLEAN2, seed=6)}
    method: Any = make(ELRPlus, K=3, N=12, networks=networks)
    for seed, average in ((7, method.average), (8, method.average2)):
        average.module.load_state_dict(knowing(LABELS, 3, ALL, seed=seed).state_dict())
    return method.train()


def parts(method: Any) -> tuple[nn.Module, ...]:
    return method.net, method.net2, method.average, method.average2


def test_elr_plus_trains_the_first_network_on_all_samples_and_then_the_second() -> None:
    batches: list[Any] = list(averaged().plan(0, one_hot_data(LABELS, 3)))
    assert [batch.turn for batch in batches] == [0, 0, 1, 1]
    for turn in (0, 1):
        assert {int(i) for batch in batches if batch.turn == turn for i in batch.index} == ALL


def test_elr_plus_takes_its_targets_from_the_average_of_the_other_network_on_plain_inputs() -> None:
    method = averaged()
    for batch in method.plan(0, one_hot_data(LABELS, 3)):
        other = (method.average2, method.average)[batch.turn]
        before = method.target.clone()
        with torch.no_grad():
            now = other(batch.x[0]).softmax(1)
        with watched(first=method.average, second=method.average2) as queries:
            method.step(batch)
        expected = 0.7 * before[batch.turn, batch.index] + (1 - 0.7) * now
        torch.testing.assert_close(method.target[batch.turn, batch.index], expected)
        assert torch.equal(method.target[1 - batch.turn], before[1 - batch.turn])
        asked, silent = ("second", "first") if batch.turn == 0 else ("first", "second")
        assert not queries[silent]
        (query,) = queries[asked]
        assert torch.equal(query.x, batch.x[0])
        assert not query.grad


def test_elr_plus_updates_one_network_and_its_own_average() -> None:
    method = averaged()
    for batch in method.plan(0, one_hot_data(LABELS, 3)):
        before = weights(*parts(method))
        method.step(batch)
        after = weights(*parts(method))
        changed = [not torch.equal(*both) for both in zip(before, after, strict=True)]
        assert changed == ([True, False, True, False] if batch.turn == 0 else [False, True, False, True])
        # The decay of update n is 1 - 1 / (1 + n), so that the average is the mean of its start and what it saw.
        own, number = batch.turn, int(method.steps[batch.turn])
        torch.testing.assert_close(after[2 + own], before[2 + own].lerp(after[own], 1 / (1 + number)))


def test_elr_plus_trains_by_mixed_inputs_labels_and_targets_with_one_weight() -> None:
    method = averaged()
    (batch, *_) = method.plan(0, one_hot_data(LABELS, 3))
    with watched(net=method.net) as queries, recorded(method, "mixed_loss") as calls:
        method.step(batch)
    (query,) = queries["net"]
    _, labels, target, _ = calls[0].args
    # A mixed one-hot input holds the weight of either sample: that mixes labels and targets, too.
    share = query.x[:, batch.index]
    torch.testing.assert_close(share.sum(1), torch.ones(len(batch.index), dtype=torch.float64))
    assert (share.diagonal() >= 0.5).all()
    torch.testing.assert_close(labels, share @ torch.eye(3, dtype=torch.float64)[batch.y])
    torch.testing.assert_close(target, share @ method.target[0, batch.index])
    assert query.training
    assert query.grad


@pytest.mark.parametrize("weight", [0.1, 0.9])
@pytest.mark.parametrize(("module", "build"), [(_mixup, divided), (elr_plus, averaged)])
def test_every_sample_stays_the_larger_part_of_its_mixture(
    module: Any, build: Any, weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "beta_weight", lambda alpha: torch.tensor(weight, dtype=torch.float64))
    method = build()
    (batch, *_) = method.plan(1, one_hot_data(LABELS, 3))
    with watched(net=method.net) as queries:
        method.step(batch)
    mixed = queries["net"][-1].x[: len(batch.index)]
    assert (mixed[:, batch.index].diagonal() >= 0.9 - 1e-9).all()
