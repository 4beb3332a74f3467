"""Small-loss selection with one network: the control for Co-teaching."""

from torch import Tensor
from torch.nn import functional as F

from methods import Batch
from methods._selection import SmallLoss, as_mask, num_kept, smallest


class SmallLossControl(SmallLoss):
    """Of every batch the (1 - R(t)) share with the smallest cross entropy is trained on.

    R(t) = tau * min(t / (T_k - 1), 1) with t from 0, tau the noise rate and T_k 10 of 200 epochs, as in
    Co-teaching (Han et al., NeurIPS 2018); what Co-teaching gains over this is due to its second network.
    State: none. Needs: the noise rate (unless `forget_rate` is set). Cost: 1x. Deviations: at least one
    sample of a batch is kept.
    """

    family = "sample selection"
    needs = frozenset({"noise_rate"})
    phases = ("ramp", "select")
    equals_ce = "with a rate to forget of 0 every sample is kept"
    proof = "golden"

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        each = F.cross_entropy(logits, batch.y, reduction="none")
        kept = smallest(each, num_kept(len(each), self.forget))
        self.kit.report(batch.index, kept=as_mask(kept, len(each)), score=-each.detach())
        return each[kept].mean()
