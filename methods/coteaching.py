"""Co-teaching (Han et al., NeurIPS 2018)."""

from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Phase, Search
from methods._selection import PeerMethod, as_mask, num_kept, smallest


class Coteaching(PeerMethod):
    """Two networks; each picks the (1 - R(t)) share of smallest losses of the batch, its peer trains on them.

    R(t) = tau * min(t / (T_k - 1), 1) with t from 0. Predicts with the first network.
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
        cost=2,
        cost_note="two networks",
        needs=("noise_rate",),
        phases=(Phase("ramp", epochs=10, steps=3900), Phase("select", epochs=190, steps=74_100)),
        search=(Search("forget_rate", 0.05, 0.7),),
        official=(
            "MNIST, CIFAR-10, CIFAR-100: tau = the noise rate, T_k = 10 of 200 epochs, Adam 1e-3 (from epoch 80 with "
            "beta_1 = 0.1 and a falling rate), batch 128"
        ),
        deviations=(
            "R starts at 0, while the code counts epochs from 1 and so starts at tau / (T_k - 1); a last, smaller "
            "batch is trained on; at least one sample is kept; the loss is the mean over the kept samples, while the "
            "published code divides that mean by their number once more (a smaller step, which Adam hides): "
            "`divide_twice`"
        ),
        proof="golden",
        reproduction="paired: 4e-3 over 20 epochs; in float64: at most .000; run: +.003 ± .021 (version 2)",
    )

    class Config(PeerMethod.Config):
        divide_twice: bool = Field(False, description="divide the mean by the number kept, as published")

    def losses(self, logits: Tensor, logits2: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        each = F.cross_entropy(logits, batch.y, reduction="none")
        each2 = F.cross_entropy(logits2, batch.y, reduction="none")
        count = num_kept(len(each), self.forget)
        kept, kept2 = smallest(each, count), smallest(each2, count)
        self.kit.report(batch.index, kept=as_mask(kept, len(each)), score=-each.detach())
        divisor = count if self.cfg.divide_twice else 1
        return each[kept2].mean() / divisor, each2[kept].mean() / divisor
