"""Small-loss selection with one network: the control for Co-teaching."""

from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Phase, Search
from methods._selection import SmallLoss, as_mask, num_kept, smallest


class SmallLossControl(SmallLoss):
    """Of every batch the (1 - R(t)) share with the smallest cross entropy is trained on.

    R(t) = tau * min(t / (T_k - 1), 1) with t from 0, as in Co-teaching (Han et al., NeurIPS 2018): what
    Co-teaching gains over this is due to its second network.
    """

    version = 2
    card = Card(
        title="Co-teaching: Robust Training of Deep Neural Networks with Extremely Noisy Labels",
        authors="Bo Han, Quanming Yao, Xingrui Yu, Gang Niu, Miao Xu, Weihua Hu, Ivor W. Tsang, Masashi Sugiyama",
        venue="NeurIPS",
        year=2018,
        arxiv="1804.06872",
        code="https://github.com/bhanML/Co-teaching",
        family="sample selection",
        needs=("noise_rate",),
        phases=(Phase("ramp", epochs=10, steps=3900), Phase("select", epochs=190, steps=74_100)),
        search=(Search("forget_rate", 0.05, 0.7),),
        official="tau = the noise rate, T_k = 10 of 200 epochs, of Co-teaching",
        deviations="one network instead of two, which is its purpose; at least one sample of a batch is kept",
        proof="golden",
        equals_ce="with a rate to forget of 0 every sample is kept",
    )

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        each = F.cross_entropy(logits, batch.y, reduction="none")
        kept = smallest(each, num_kept(len(each), self.forget))
        self.kit.report(batch.index, kept=as_mask(kept, len(each)), score=-each.detach())
        return each[kept].mean()
