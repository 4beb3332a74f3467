"""Small-loss selection (Co-teaching and its descendants): the schedule, the counts, their options, two networks."""

import torch
from torch import Tensor

from methods import Batch, Card, Field, Kit, Method, Phase, Settings, accuracy


def forget_rate(epoch: int, final: float, ramp: int, exponent: float = 1.0) -> float:
    """Share of a batch that is dropped at `epoch` (from 0): linear to `final`^`exponent` over `ramp` epochs.

    The exponent shapes the end of the ramp, not its course, as in the published code: after the ramp the
    rate is `final` itself.
    """
    if epoch >= ramp:
        return final
    return final**exponent * epoch / max(ramp - 1, 1)


def num_kept(size: int, forget: float) -> int:
    """How many of `size` samples stay: truncated like the published codes, but never zero."""
    return max(1, int((1 - forget) * size))


def smallest(loss: Tensor, count: int) -> Tensor:
    """Positions [count] of the smallest entries of `loss` [B]; ties keep their order."""
    return loss.detach().argsort(stable=True)[:count]


def small_loss_mask(loss: Tensor, candidates: Tensor, forget: float) -> Tensor:
    """Boolean [B]: the (1 - forget) share of smallest `loss` [B] among `candidates` [B], without a host sync.

    Where that share rounds to none, all candidates are kept; where there are none, nothing is.
    """
    total = candidates.sum()
    count = ((1 - forget) * total.double()).floor()
    count = torch.where(count > 0, count, total)
    ranked = loss.detach().masked_fill(~candidates, torch.inf).argsort(stable=True)
    rank = torch.empty_like(ranked)
    rank[ranked] = torch.arange(len(loss), device=loss.device)
    return candidates & (rank < count)


def as_mask(positions: Tensor, size: int) -> Tensor:
    """Boolean [size], true at `positions`."""
    # Not `mask[positions] = True`, for which the host would wait.
    return torch.zeros(size, dtype=torch.bool, device=positions.device).index_fill_(0, positions, True)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` [B] where `mask` [B] (boolean or weights) is set; 0 where nothing is, never NaN."""
    weight = mask.to(values.dtype)
    return (values * weight).sum() / weight.sum().clamp(min=1e-8)


class SmallLoss(Method):
    """What the small-loss methods share: the rate to forget, its ramp and their two phases."""

    card = Card(family="sample selection", needs=("noise_rate",), phases=(Phase("ramp"), Phase("select")))

    class Config(Settings):
        forget_rate: float | None = Field(
            None, ge=0, lt=1, description="tau, the share dropped after the ramp; null: the noise rate"
        )
        ramp: float | None = Field(
            None, gt=0, le=1, description="T_k, fraction of the epochs; null: by the schedule rule"
        )

    @classmethod
    def requires(cls, cfg: Settings) -> frozenset[str]:
        """The noise rate, unless the configuration states what to forget."""
        given = isinstance(cfg, SmallLoss.Config) and cfg.forget_rate is not None
        return frozenset() if given else frozenset({"noise_rate"})

    def starts(self) -> tuple[int, ...]:
        return self.schedule.starts(self.cfg.ramp)

    @property
    def ramp(self) -> int:
        """T_k in epochs."""
        return self.starts()[0]

    @property
    def forget(self) -> float:
        """The rate to forget in the current epoch."""
        final = self.kit.hints.noise_rate if self.cfg.forget_rate is None else self.cfg.forget_rate
        return forget_rate(self.epoch, final, self.ramp)


class PeerMethod(SmallLoss):
    """A small-loss method with two networks, of which the first predicts.

    `losses(logits, logits2, batch)` gives the loss of either; where both are minimized together, override `step`.
    """

    card = Card(family="sample selection", cost=2, needs=("noise_rate",), phases=(Phase("ramp"), Phase("select")))

    def build(self) -> None:
        super().build()
        self.net2 = self.kit.network("net2")
        self.optimizer2 = self.kit.optimizer("net2", self.net2.parameters())

    def losses(self, logits: Tensor, logits2: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of either network, of logits [B, K] each."""
        raise NotImplementedError

    def step(self, batch: Batch) -> dict[str, Tensor]:
        logits, logits2 = self.net(batch.x[0]), self.net2(batch.x[0])
        loss, loss2 = self.losses(logits, logits2, batch)
        self.kit.update(loss, self.optimizer)
        self.kit.update(loss2, self.optimizer2)
        return {"loss": loss.detach(), "loss2": loss2.detach(), "accuracy": accuracy(logits, batch.y)}


def report_all(kit: Kit, **diagnostics: Tensor) -> None:
    """Reports diagnostics [N] of the whole training set."""
    kit.report(torch.arange(kit.num_samples, device=kit.device), **diagnostics)


def keep_or_all(kept: Tensor) -> Tensor:
    """`kept` [N], or all where fewer than two are: a batch needs two samples, an epoch a batch."""
    return kept if kept.sum() > 1 else torch.ones_like(kept)
