"""The hooks around a training step: their order, and that methods with a step of their own keep them."""

from typing import Any

import pytest
import torch
from torch import nn

from benchmark.registry import METHODS
from methods import Hints, Method
from methods._ema import AveragedMethod
from methods.mixup import Mixup
from tests.golden.harness import TinyData, make


@pytest.fixture
def data():
    x = torch.randn(24, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return TinyData(x=x, y=(x[:, 0] > 0).long() + (x[:, 1] > 0).long(), num_classes=3)


def test_gradients_can_be_edited_before_the_step_and_weights_seen_after_it(data):
    unmoved = []

    class BodyOnly(Method):
        net: Any

        def before_step(self):
            assert self.net.classifier.weight.grad.abs().sum() > 0
            self.net.classifier.weight.grad.zero_()
            unmoved.append(self.net.body.weight.detach().clone())

        def after_step(self, batch, logits):
            assert logits.shape == (len(batch.y), 3)
            assert (self.net.body.weight != unmoved[-1]).any()
            self.seen = getattr(self, "seen", 0) + len(batch.y)

    method: Any = make(BodyOnly, K=3, N=24)
    head = method.net.classifier.weight.detach().clone()
    for batch in method.plan(0, data):
        method.step(batch)
    assert method.seen == 24
    assert torch.equal(method.net.classifier.weight, head)


def test_only_the_optimizers_that_the_method_names_take_a_step(data):
    class Alternating(Method):
        def build(self):
            super().build()
            self.scale = nn.Parameter(torch.ones(()))
            self.other = self.kit.optimizer("scale", [self.scale])

        def logits(self, batch):
            return self.scale * super().logits(batch)

        def optimizers(self):
            return (self.other,) if self.epoch else (self.optimizer,)

    method = make(Alternating, K=3, N=24)
    (batch, *_) = method.plan(0, data)
    for epoch, moved in ((0, {"net"}), (1, {"scale"})):
        before = {name: value.detach().clone() for name, value in method.named_parameters()}
        method.epoch = epoch
        method.step(batch)
        changed = {name for name, value in method.named_parameters() if not torch.equal(value, before[name])}
        assert {name.split(".")[0] for name in changed} == moved


def test_averages_follow_a_method_that_has_a_step_of_its_own(data):
    class Averaged(AveragedMethod, Mixup):
        class Config(AveragedMethod.Config, Mixup.Config):
            pass

    method: Any = make(Averaged, {"decay": 0.5}, K=3, N=24)
    start = method.average.module.body.weight.detach().clone()
    for batch in method.plan(0, data):
        method.step(batch)
    assert int(method.updates) == 3
    assert not torch.equal(method.average.module.body.weight, start)


def test_an_average_calls_the_hook_of_the_method_below_it_with_the_batch_and_its_logits(data):
    class Remembering(Method):
        def after_step(self, batch, logits):
            self.right = (logits.argmax(1) == batch.y).float().mean()

    class Averaged(AveragedMethod, Remembering):
        pass

    method: Any = make(Averaged, K=3, N=24)
    (batch, *_) = method.plan(0, data)
    assert method.step(batch)["accuracy"] == method.right


REPORTING: dict[str, dict[str, float]] = {
    "cores": {},
    "coteaching": {},
    "coteaching_plus": {"initial": 0.95},
    "codis": {},
    "jocor": {},
    "small_loss": {},
    "gce_truncated": {"k": 0.33},
}
"""Methods that report in every step, with options under which they choose among all samples of a batch."""


@pytest.mark.parametrize("name", REPORTING)
def test_what_a_step_keeps_looks_cleaner_than_what_it_leaves_out_and_holds_no_graph(name, data):
    hints = Hints(given_noise_rate=0.4)
    method = make(METHODS.load(name), REPORTING[name], K=3, N=24, epochs=8, epoch=7, hints=hints)
    (batch, *_) = method.plan(7, data)
    method.step(batch)
    report = method.kit.reports[-1]
    assert report["score"][report["kept"]].min() >= report["score"][~report["kept"]].max()
    assert not any(value.requires_grad for value in report.values() if value is not None)


def test_no_step_is_a_copy_of_the_default():
    """A `step` that only repeats the default's lines would miss the hooks of classes that derive from it."""
    own = {entry.name for entry in METHODS.entries() if "step" in vars(METHODS.load(entry.name))}
    assert own == {"batch_flip", "disc", "dividemix", "elr_plus", "jocor", "knn", "mixup", "pes_semi", "promix", "sam"}
