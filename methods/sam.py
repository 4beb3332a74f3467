"""Sharpness-aware minimization (Foret et al., ICLR 2021)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from methods import Batch, Card, Field, Method, Search, accuracy


class SAM(Method):
    """Gradient of cross entropy at theta + rho g / ||g||, g its gradient at theta; the step starts at theta."""

    card = Card(
        title="Sharpness-Aware Minimization for Efficiently Improving Generalization",
        authors="Pierre Foret, Ariel Kleiner, Hossein Mobahi, Behnam Neyshabur",
        venue="ICLR",
        year=2021,
        arxiv="2010.01412",
        code="https://github.com/google-research/sam",
        family="control",
        cost=2,
        cost_note="a second gradient per step",
        search=(Search("rho", 0.01, 0.5, log=True),),
        official="rho = 0.05 on CIFAR-10, 0.1 on CIFAR-100 and with noisy labels 0.1 to 0.5 by rate",
        deviations=(
            "the running statistics of batch normalization see the first pass only, as in the common PyTorch code; "
            "the gradient's norm is that of the whole batch (of each device's part in the official code)"
        ),
        under_noise="regularizer",
        proof="worked example",
    )

    class Config(Method.Config):
        rho: float = Field(0.05, gt=0)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        params: list[Tensor] = [p for p in self.net.parameters() if p.requires_grad]
        logits = self.net(batch.x[0])
        loss = self.loss(logits, batch)
        gradient = torch.autograd.grad(loss, params)
        norm = torch.nn.utils.get_total_norm(gradient)
        ascent = list(torch._foreach_mul(gradient, self.cfg.rho / (norm + 1e-12)))
        before = [p.detach().clone() for p in params]
        with torch.no_grad():
            torch._foreach_add_(params, ascent)

        def restore() -> None:
            with torch.no_grad():
                torch._foreach_copy_(params, before)

        with frozen_statistics(self.net):
            perturbed = self.loss(self.net(batch.x[0]), batch)
        self.kit.update(perturbed, self.optimizer, before_step=restore)
        return {"loss": loss.detach(), "accuracy": accuracy(logits, batch.y)}


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Batch normalization uses the batch as in training, but its running statistics stay as they are."""
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
