"""Every check of methods finds the fault that it is there for."""

import random
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from pydantic import Field
from torch.nn import functional as F

from benchmark.checks import noise
from benchmark.checks.all import BY_KIND, check_plugin
from benchmark.checks.methods import CHECKS
from benchmark.checks.runner import CheckFailed
from benchmark.noise.base import Corruption, NoiseKind
from benchmark.registry import METHODS, NOISE
from methods._selection import as_mask, num_kept, smallest
from methods.base import Card, Method, Phase, Search, accuracy
from methods.elr import ELR
from methods.gce import GCE
from methods.small_loss import SmallLossControl


class LosesTheMean(Method):
    def loss(self, logits, batch):
        return F.cross_entropy(logits, batch.y, reduction="none")


class ReturnsNumbers(Method):
    def step(self, batch):
        return {"loss": super().step(batch)["loss"].item()}


class ReturnsTheGraph(Method):
    def step(self, batch):
        return {"loss": self.loss(self.net(batch.x[0]), batch)}


class ReturnsNothing(Method):
    def step(self, batch):
        super().step(batch)


class PlansNothing(Method):
    def plan(self, epoch, data):
        data.batches()


class BringsItsOwnOptimizer(Method):
    def build(self):
        self.net = self.kit.network("net")
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)


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


class PredictsProbabilities(Method):
    def predict(self, x):
        return self.net(x).softmax(1)


class PredictsClasses(Method):
    def predict(self, x):
        return self.net(x).argmax(1)


class PredictsInPlace(Method):
    def predict(self, x):
        return self.net(x.mul_(0.5))


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


class CountsInAnAttribute(Method):
    def build(self):
        super().build()
        self.seen = 0

    def loss(self, logits, batch):
        self.seen += 1
        return F.cross_entropy(logits, batch.y) * (1 + 1 / self.seen)


class ChangesTheLabels(Method):
    def plan(self, epoch, data):
        data.y[:5] = 0
        return data.batches()


class ChangesTheHint(Method):
    card = Card(needs=("transition",))

    def loss(self, logits, batch):
        return F.cross_entropy(logits @ self.kit.hints.transition.mul_(0.9), batch.y)


class Prints(Method):
    def step(self, batch):
        print("step", self.epoch)
        return super().step(batch)


class AsksUndeclared(Method):
    def loss(self, logits, batch):
        return F.cross_entropy(logits, batch.y) * (1 - self.kit.hints.noise_rate)


class DeclaresInVain(Method):
    card = Card(needs=("noise_rate",))


class WarmsUpForever(Method):
    card = Card(phases=(Phase("warmup"), Phase("correct")))

    def phase(self, epoch):
        return "warmup" if epoch < 100 else "correct"


class EntersWhatItDoesNotDeclare(Method):
    def phase(self, epoch):
        return "early" if epoch < 3 else "late"


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


class IsCrossEntropy(Method):
    """Memorizes as ce does."""


class DeclaresAnotherReason(Method):
    card = Card(under_noise="hard to say")


class HasResistedForLong(GCE):
    card = Card(under_noise="regularizer")


class ClimbsGCE(GCE):
    def loss(self, logits, batch):
        return -super().loss(logits, batch)


class PushesELRAway(ELR):
    def loss(self, logits, batch):
        return 2 * F.cross_entropy(logits, batch.y) - super().loss(logits, batch)


class KeepsTheLargeLosses(SmallLossControl):
    def loss(self, logits, batch):
        each = F.cross_entropy(logits, batch.y, reduction="none")
        kept = smallest(-each, num_kept(len(each), self.forget))
        self.kit.report(batch.index, kept=as_mask(kept, len(each)))
        return each[kept].mean()


class KeepsAtRandom(Method):
    def loss(self, logits, batch):
        each = F.cross_entropy(logits, batch.y, reduction="none")
        kept = torch.rand(len(each)) < 0.6
        self.kit.report(batch.index, kept=kept)
        return each[kept].mean()


class SearchesTooFar(Method):
    card = Card(search=(Search("q", 0.0, 2.0),))

    class Config(Method.Config):
        q: float = Field(0.5, ge=0, le=1)


class SearchesAnother(SearchesTooFar):
    card = Card(search=(Search("p", 0.0, 1.0),))


class CorrectsToTheUnlikeliest(Method):
    def loss(self, logits, batch):
        self.kit.report(batch.index, label=logits.argmin(1))
        return super().loss(logits, batch)


class ScoresByTheLoss(Method):
    def loss(self, logits, batch):
        each = F.cross_entropy(logits, batch.y, reduction="none")
        self.kit.report(batch.index, score=each.detach())
        return each.mean()


class ScoresAtRandom(Method):
    def loss(self, logits, batch):
        self.kit.report(batch.index, score=torch.rand(len(logits)))
        return super().loss(logits, batch)


@pytest.mark.parametrize(
    ("check", "method", "told"),
    [
        ("takes_a_step", LosesTheMean, r"loss returned a tensor of shape \[16\] .* take the mean"),
        ("takes_a_step", ReturnsNumbers, "step returned a float as 'loss'; expected a detached scalar tensor"),
        ("takes_a_step", ReturnsTheGraph, "step returned a scalar tensor with its graph as 'loss'"),
        ("takes_a_step", ReturnsNothing, "step returned None; expected a dict"),
        ("takes_a_step", PlansNothing, "it returned None; expected batches"),
        ("takes_a_step", BringsItsOwnOptimizer, "build made no optimizer; write `self.optimizer = self.kit.optimizer"),
        ("trains", NeverSteps, "no parameter has moved"),
        ("trains", Diverges, "the training loss became nan"),
        ("predict_is_pure", CountsItsPredictions, "predict changed seen"),
        ("predicts_logits", PredictsProbabilities, "predict returned probabilities"),
        (
            "predicts_logits",
            PredictsClasses,
            r"predict returned a tensor of shape \[7\] of torch.int64; expected logits",
        ),
        ("predict_is_pure", PredictsInPlace, "predict changed the images that it was given"),
        ("same_seed_same_bits", DrawsFromElsewhere, "differs between two equal runs"),
        ("resumes_bit_identically", RemembersInAnAttribute, "after a stop at epoch 2"),
        ("resumes_bit_identically", CountsInAnAttribute, "which self.seen are not"),
        ("changes_nothing_of_others", ChangesTheLabels, "data.y was changed in place in epoch 1"),
        ("changes_nothing_of_others", ChangesTheHint, "the given transition was changed in place"),
        ("changes_nothing_of_others", Prints, r"it prints \('step 0'\)"),
        ("state_is_indexed", RemembersByPosition, "memory changed outside batch.index"),
        ("asks_only_for_declared_hints", AsksUndeclared, "noise_rate was not given: declare it"),
        ("asks_only_for_declared_hints", DeclaresInVain, "but trains without"),
        ("enters_every_phase", WarmsUpForever, "phases never entered in 8 epochs: correct"),
        ("enters_every_phase", EntersWhatItDoesNotDeclare, r'is \'early\', and its card names train.*Phase\("early"\)'),
        ("enters_every_phase", Method, "its predictions are those of ce"),
        ("learns_clean_data", LearnsTheWrongClass, "on clean separable images"),
        ("stays_finite_when_sure", TakesLogarithmsOfProbabilities, "loss.* became infinite or NaN in epoch 1"),
        ("trains_on_odd_batches", NeedsThreeClasses, "out of range"),
        (
            "search_ranges_are_options",
            SearchesTooFar,
            "searches q from 0 to 2, but .*q: Input should be less",
        ),
        ("search_ranges_are_options", SearchesAnother, "searches p from 0 to 1, but .*p: unknown key"),
        (
            "beats_ce_under_noise",
            IsCrossEntropy,
            r"accuracy of (0\.[78]\d+), that of ce \1 .* `card = Card\(under_noise=",
        ),
        ("beats_ce_under_noise", DeclaresAnotherReason, "says under_noise='hard to say'; expected one of .baseline"),
        ("beats_ce_under_noise", HasResistedForLong, "but its card says under_noise='regularizer'; drop that"),
        ("beats_ce_under_noise", ClimbsGCE, "Look for a wrong sign"),
        ("beats_ce_under_noise", PushesELRAway, "Look for a wrong sign"),
        ("keeps_right_labels", KeepsTheLargeLosses, "does it keep the small losses and not the large ones"),
        ("keeps_right_labels", KeepsAtRandom, r"of which \d+ \(0\.[56]\d\) are right; expected 0\.70"),
        ("corrects_to_the_true_class", CorrectsToTheUnlikeliest, "is it the likeliest class"),
        ("scores_right_labels_above_wrong_ones", ScoresByTheLoss, "in 1?[0-9] % of all .* reported with a minus"),
        ("scores_right_labels_above_wrong_ones", ScoresAtRandom, "in (4[5-9]|5[0-5]) % of all pairs"),
    ],
)
def test_a_fault_is_found_and_named(check, method, told, monkeypatch):
    load = METHODS.load
    monkeypatch.setattr(METHODS, "load", lambda name: method if name == "faulty" else load(name))
    with pytest.raises(Exception, match=told):
        CHECKS[check]("faulty", {})


@pytest.mark.parametrize(
    ("soft", "told"),
    [
        (lambda labels, classes: np.ones(len(labels)), "have the shape"),
        (lambda labels, classes: np.full((len(labels), classes), 1.0), "are no probabilities"),
        (lambda labels, classes: 2 * np.eye(classes)[labels] - 1 / classes, "are no probabilities"),
        (lambda labels, classes: np.eye(classes)[labels], None),
    ],
)
def test_soft_labels_that_are_no_probabilities_are_found(soft, told, monkeypatch):
    class Faulty(NoiseKind):
        names = ("faulty",)

        def corrupt(self, split, seed):
            return Corruption(split.labels.copy(), soft=soft(split.labels, split.num_classes))

    load = NOISE.load
    monkeypatch.setattr(NOISE, "load", lambda name: Faulty if name == "faulty" else load(name))
    with pytest.raises(CheckFailed, match=told) if told else nullcontext():
        noise.CHECKS["soft_labels_are_probabilities"]("faulty", {})


def test_checks_compute_in_one_thread_as_run_does(monkeypatch):
    threads = []
    monkeypatch.setitem(BY_KIND["method"], "takes_a_step", lambda *_: threads.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        next(finding for finding in check_plugin(METHODS, "ce", {}) if finding.check == "takes_a_step")
        assert threads == [1]
    finally:
        torch.set_num_threads(before)


def test_every_check_is_tried():
    (marker,) = test_a_fault_is_found_and_named.pytestmark
    assert {check for check, *_ in marker.args[1]} == CHECKS.keys()
