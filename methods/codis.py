"""CoDis: combating noisy labels with discrepant views (Xia et al., ICCV 2023)."""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Phase, Search
from methods._divergence import jensen_shannon, kl, log_mean
from methods._selection import PeerMethod, as_mask, num_kept, smallest


class CoDis(PeerMethod):
    """Co-teaching whose criterion rewards disagreement: CE - lambda * JS(p_1, p_2), picked for the peer.

    Each network ranks the batch by its criterion and its peer is trained by the criterion of the peer on
    the (1 - R(t)) share of the smallest, R(t) = tau * min(t / (T_k - 1), 1). Predicts with the first network.
    `divergence = "reverse_kl"` is the published code's, (KL(m||p_1) + KL(m||p_2)) / 2 with m the mean
    prediction, which is not bounded as the paper's is.
    """

    version = 2
    card = Card(
        title="Combating Noisy Labels with Sample Selection by Mining High-Discrepancy Examples",
        authors="Xiaobo Xia, Bo Han, Yibing Zhan, Jun Yu, Mingming Gong, Chen Gong, Tongliang Liu",
        venue="ICCV",
        year=2023,
        page=(
            "https://openaccess.thecvf.com/content/ICCV2023/papers/"
            "Xia_Combating_Noisy_Labels_with_Sample_Selection_by_Mining_High-Discrepancy_Examples_ICCV_2023_paper.pdf"
        ),
        code="https://github.com/xiaoboxia/CoDis",
        family="sample selection",
        cost=2,
        cost_note="two networks",
        needs=("noise_rate",),
        phases=(Phase("ramp", epochs=10, steps=3510), Phase("select", epochs=190, steps=66_690)),
        search=(
            Search("forget_rate", 0.05, 0.7),
            Search("co_lambda", 0.01, 0.5, log=True),
        ),
        official="CIFAR-10: T_k = 10 of 200 epochs, Adam 1e-3, batch 128",
        deviations=(
            "lambda is 0.1, the default of the published loss, while the published program passes 0.15; batches are "
            "shuffled (the code shows them in a fixed order) and a last, smaller one is trained on; at least one "
            "sample is kept; each network sees the other as constant (the published order of "
            "backward passes erases the other gradient)"
        ),
        proof="golden",
        reproduction="paired: 4e-3 over 20 epochs; in float64: at most .000; run: +.001 ± .012 (version 2)",
    )

    class Config(PeerMethod.Config):
        co_lambda: float = Field(0.1, ge=0, le=1)
        divergence: Literal["js", "reverse_kl"] = "js"

    def divergence(self, logits: Tensor, logits2: Tensor) -> Tensor:
        """Distance of the two predictions per sample [B]."""
        log_p, log_q = logits.log_softmax(1), logits2.log_softmax(1)
        if self.cfg.divergence == "js":
            return jensen_shannon(log_p, log_q)
        middle = log_mean(log_p, log_q)
        return (kl(middle, log_p) + kl(middle, log_q)) / 2

    def criterion(self, logits: Tensor, other: Tensor, y: Tensor) -> Tensor:
        """What a network with `logits` [B, K] ranks and trains by: [B]."""
        each = F.cross_entropy(logits, y, reduction="none")
        return each - self.cfg.co_lambda * self.divergence(logits, other)

    def exchange(self, each: Tensor, each2: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Both losses, then the positions that network 1 and network 2 picked, of the criteria [B]."""
        count = num_kept(len(each), self.forget)
        kept, kept2 = smallest(each, count), smallest(each2, count)
        return each[kept2].mean(), each2[kept].mean(), kept, kept2

    def losses(self, logits: Tensor, logits2: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        each = self.criterion(logits, logits2.detach(), batch.y)
        each2 = self.criterion(logits2, logits.detach(), batch.y)
        loss, loss2, kept, _ = self.exchange(each, each2)
        self.kit.report(batch.index, kept=as_mask(kept, len(each)), score=-each.detach())
        return loss, loss2
