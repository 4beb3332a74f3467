"""`strong_ce` trains and stops as its parts say: an independent loop gives the same weights."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from methods.strong_ce import held_out
from tests.golden.harness import TinyData
from tests.methods.loss_lab import build

EPOCHS, CLASSES = 6, 3


@pytest.fixture
def data() -> TinyData:
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    wrong = torch.rand(60, generator=torch.Generator().manual_seed(6)) < 0.4
    return TinyData(x=x, y=torch.where(wrong, (y + 1) % 3, y), num_classes=CLASSES)


def reference(net: torch.nn.Module, data: TinyData, held: Tensor, epsilon: float, decay: float, wd: float) -> Tensor:
    """Logits of all samples by the kept average, from a loop that shares no code with the method."""
    net, average = copy.deepcopy(net), copy.deepcopy(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=wd)
    trained = (~held).nonzero().squeeze(1)
    best, kept, updates = -1.0, copy.deepcopy(average), 0
    for _ in range(EPOCHS):
        for part in trained.split(8):
            optimizer.zero_grad()
            F.cross_entropy(net(data.x[part]), data.y[part], label_smoothing=epsilon).backward()
            optimizer.step()
            updates += 1
            own = min(decay, 1 - float(updates) ** (-2 / 3))  # the first update, n = 0, copies the weights
            for mean, weight in zip(average.parameters(), net.parameters(), strict=True):
                mean.data.copy_(own * mean.data + (1 - own) * weight.data)
        agreement = (average(data.x[held]).argmax(1) == data.y[held]).float().mean().item()
        if agreement > best:
            best, kept = agreement, copy.deepcopy(average)
    return kept(data.x).detach()


def test_it_is_smoothing_decay_and_an_average_that_stops_on_held_out_labels(data: TinyData) -> None:
    method = build("strong_ce", {"decay": 0.6, "weight_decay": 0.01, "held": 0.3}, K=CLASSES, N=60, epochs=EPOCHS)
    start = copy.deepcopy(method.net)
    seen: list[Tensor] = []
    for epoch in range(EPOCHS):
        method.epoch = epoch
        torch.manual_seed(epoch)
        for batch in method.plan(epoch, data):
            seen.append(batch.index)
            method.step(batch)
    held = method.held
    assert torch.bincount(data.y[held], minlength=CLASSES).tolist() == [
        round(0.3 * count) for count in torch.bincount(data.y).tolist()
    ]
    assert not held[torch.cat(seen)].any(), "no held-out sample is trained on"
    assert not torch.equal(method.predict(data.x), method.average(data.x)), "the best epoch is not the last one here"
    torch.testing.assert_close(method.predict(data.x), reference(start, data, held, 0.1, 0.6, 0.01))


def test_without_held_out_samples_it_trains_on_all_and_predicts_with_the_current_average(data: TinyData) -> None:
    method = build("strong_ce", {"held": 0.0}, K=CLASSES, N=60, epochs=EPOCHS)
    for epoch in range(2):
        method.epoch = epoch
        assert (
            torch.cat([method.step(batch) and batch.index for batch in method.plan(epoch, data)]).unique().numel() == 60
        )
        assert torch.equal(method.predict(data.x), method.average(data.x))


def test_the_held_out_share_is_drawn_anew_for_every_seed_and_by_class() -> None:
    y = torch.arange(90) % 3
    draws = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        draws.append(held_out(y, 0.1, 3))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert [int((y[draw] == 1).sum()) for draw in draws] == [3, 3, 3]
    assert not held_out(torch.tensor([0, 1]), 0.5, 2).any(), "the only sample of a class is trained on"


def test_of_epochs_that_agree_equally_well_the_earliest_is_kept(data: TinyData) -> None:
    method = build("strong_ce", K=CLASSES, N=60, epochs=EPOCHS)
    method.held.copy_(torch.arange(60) < 20)
    bias = method.average.module.classifier.bias.data

    def always(label: int, size: float) -> None:
        """Makes the average predict `label` for everything, and ends the epoch."""
        method.average.module.classifier.weight.data.zero_()
        bias.copy_(size * F.one_hot(torch.tensor(label), CLASSES))
        method.keep_the_best(data)

    counts = torch.bincount(data.y[:20], minlength=CLASSES)
    worst, best = int(counts.argmin()), int(counts.argmax())
    assert counts[worst] < counts[best]
    for label, size, kept in ((worst, 1, 1), (worst, 2, 1), (best, 3, 3), (best, 4, 3), (worst, 5, 3)):
        always(label, size)
        assert method.predict(data.x).max().item() == kept
