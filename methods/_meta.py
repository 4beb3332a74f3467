"""Gradients through a step of training, for methods that weigh samples by what they do to a clean set."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from methods import Batch, Method, TrainSet
from methods.sam import frozen_statistics


class MetaMethod(Method):
    """Weighs the samples of every batch by means of a batch of the clean set; derived classes say how."""

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        self.clean = endless(self.kit.hints.clean_set)
        return super().plan(epoch, data)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        with sdpa_kernel(SDPBackend.MATH):  # the other kernels of attention have no second derivative
            logits = self.logits(batch)
            losses = F.cross_entropy(logits, batch.y, reduction="none")
            weights = self.weigh(losses, next(self.clean))
        self.kit.report(batch.index, score=weights)
        return self.descend((weights * losses).sum(), logits, batch)

    def weigh(self, losses: Tensor, clean: Batch) -> Tensor:
        """[B] weights without gradient of the samples with `losses` [B], by the batch `clean` of the clean set."""
        raise NotImplementedError

    def slopes(self, weights: Tensor, losses: Tensor, clean: Batch) -> Tensor:
        """[B] derivatives, by each of `weights` [B], of the loss on `clean` after a trial step on sum_i w_i l_i.

        `losses` [B] keep their graph, so that the step itself can follow.
        """
        weights = weights.detach().requires_grad_()
        with frozen_statistics(self.net):  # the trial leaves no trace in batch normalization
            after = self.loss_after((weights * losses).sum(), clean)
        (slopes,) = torch.autograd.grad(after, weights, retain_graph=True)
        return slopes

    def loss_after(self, weighted: Tensor, clean: Batch) -> Tensor:
        """Cross entropy on `clean` after a plain gradient step on the loss `weighted`: a 0-dim tensor.

        The step has the learning rate of the optimizer, and no momentum or weight decay. It is not taken; the result
        can be differentiated by all that `weighted` was made of.
        """
        parameters = {name: p for name, p in self.net.named_parameters() if p.requires_grad}
        gradients = torch.autograd.grad(weighted, list(parameters.values()), create_graph=True)
        rate = self.optimizer.param_groups[0]["lr"]
        moved = {name: p - rate * g for (name, p), g in zip(parameters.items(), gradients, strict=True)}
        return F.cross_entropy(functional_call(self.net, moved, (clean.x[0],)), clean.y)


def endless(data: TrainSet) -> Iterator[Batch]:
    """Batches of `data`, in a new order whenever all were given."""
    while True:
        yield from data.batches()
