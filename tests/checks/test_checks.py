"""Every check of methods finds the fault that it is there for."""

import random

import pytest
import torch
from torch.nn import functional as F

from benchmark.checks.methods import CHECKS
from benchmark.registry import METHODS
from methods.base import Card, Method, Phase, accuracy


class NeverSteps(Method):
    def step(self, batch):
        return {"loss": self.loss(self.net(batch.x[0]), batch).detach()}


class Diverges(Method):
    def loss(self, logits, batch):
        return F.cross_entropy(logits, batch.y) * float("nan")


class CountsItsPredictions(Method):
    seen: torch.Tensor

    def build(self):
        super().build()
        self.register_buffer("seen", torch.zeros(()))

    def predict(self, x):
        self.seen += len(x)
        return self.net(x)


class DrawsFromElsewhere(Method):
    def loss(self, logits, batch):
        return F.cross_entropy(logits, batch.y) * random.SystemRandom().random()


class RemembersInAnAttribute(Method):
    def build(self):
        super().build()
        self.memory = torch.zeros(self.kit.num_samples, self.kit.num_classes)

    def loss(self, logits, batch):
        target = 0.5 * self.memory[batch.index] + 0.5 * logits.detach().softmax(1)
        self.memory[batch.index] = target
        return F.cross_entropy(logits, target)


class RemembersByPosition(Method):
    def build(self):
        super().build()
        self.register_buffer("memory", torch.zeros(self.kit.num_samples))

    def loss(self, logits, batch):
        each = F.cross_entropy(logits, batch.y, reduction="none")
        self.memory[: len(each)] = each.detach()
        return each.mean()


class AsksUndeclared(Method):
    def loss(self, logits, batch):
        return F.cross_entropy(logits, batch.y) * (1 - self.kit.hints.noise_rate)


class DeclaresInVain(Method):
    card = Card(needs=("noise_rate",))


class WarmsUpForever(Method):
    card = Card(phases=(Phase("warmup"), Phase("correct")))

    def phase(self, epoch):
        return "warmup" if epoch < 100 else "correct"


class LearnsTheWrongClass(Method):
    def loss(self, logits, batch):
        return F.cross_entropy(logits, (batch.y + 1) % self.kit.num_classes)


class TakesLogarithmsOfProbabilities(Method):
    def loss(self, logits, batch):
        return -logits.softmax(1).gather(1, batch.y[:, None]).log().mean()


class NeedsThreeClasses(Method):
    def step(self, batch):
        logits = self.net(batch.x[0])
        third = logits.topk(3).values[:, 2]
        loss = self.loss(logits, batch) + third.square().mean()
        self.kit.update(loss, self.optimizer)
        return {"loss": loss.detach(), "accuracy": accuracy(logits, batch.y)}


@pytest.mark.parametrize(
    ("check", "method", "told"),
    [
        ("trains", NeverSteps, "no parameter has moved"),
        ("trains", Diverges, "the training loss became nan"),
        ("predict_is_pure", CountsItsPredictions, "predict changed seen"),
        ("same_seed_same_bits", DrawsFromElsewhere, "differs between two equal runs"),
        ("resumes_bit_identically", RemembersInAnAttribute, "after a stop at epoch 2"),
        ("state_is_indexed", RemembersByPosition, "memory changed outside batch.index"),
        ("asks_only_for_declared_hints", AsksUndeclared, "noise_rate was not given: declare it"),
        ("asks_only_for_declared_hints", DeclaresInVain, "but trains without"),
        ("enters_every_phase", WarmsUpForever, "phases never entered in 8 epochs: correct"),
        ("enters_every_phase", Method, "its predictions are those of ce"),
        ("learns_clean_data", LearnsTheWrongClass, "on clean separable images"),
        ("stays_finite_when_sure", TakesLogarithmsOfProbabilities, "loss.* became infinite or NaN in epoch 1"),
        ("trains_on_odd_batches", NeedsThreeClasses, "out of range"),
    ],
)
def test_a_fault_is_found_and_named(check, method, told, monkeypatch):
    load = METHODS.load
    monkeypatch.setattr(METHODS, "load", lambda name: method if name == "faulty" else load(name))
    with pytest.raises(Exception, match=told):
        CHECKS[check]("faulty", {})


def test_every_check_is_tried():
    (marker,) = test_a_fault_is_found_and_named.pytestmark
    assert {check for check, *_ in marker.args[1]} == CHECKS.keys()
