"""Golden cases of methods with two networks. Every number is what one real `step` computed, reported or sent back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark.checks.golden import Case, Result
from methods import codis, coteaching, coteaching_plus, jocor
from methods._selection import forget_rate
from methods.base import Method
from tests.golden.cases import Ranked, exact, grads, in_front, leaf, official, paper, sent_back
from tests.golden.harness import GivenLogits, batch_of, make, recorded, tensors

KEPT = ("kept_by_net1_used_for_net2", "kept_by_net2_used_for_net1")


def selecting(method_cls: type[Method], case: Case, **config: Any) -> Any:
    """The method after its ramp, with the case's rate to forget."""
    rate = {"forget_rate": case["config"]["forget_rate"]}
    classes = len(case["inputs"]["logits1"][0])
    epoch = config.pop("epoch", 199)
    samples = max(case["inputs"]["index"]) + 1
    return make(method_cls, rate | config, K=classes, N=samples, epochs=200, epoch=epoch)


@dataclass(frozen=True)
class Stepped:
    """What one step did with the networks A and B; rows and positions are those of the case's batch."""

    losses: dict[str, float]
    """As `step` returns them."""
    grad_a: list[list[float]]
    grad_b: list[list[float]]
    kept: list[int]
    """Positions that A was reported to keep, cleanest first."""
    values: Tensor
    """[B] minus the reported scores: what A ranks by."""

    def ranked(self) -> Ranked:
        return Ranked(self.kept, self.values)

    def purity(self, case: Case) -> float:
        return tensors(case, "is_clean")[0][self.kept].double().mean().item()


def step(method: Any, case: Case, *, swap: bool = False, ties: list[int] | None = None) -> Stepped:
    """One step on the case's batch. A is the first network and B the second, or the reverse with `swap`.

    The batch is given in the order in which A's ties are broken as in the recorded positions `ties`.
    """
    logits, (y, index) = exact(case, "logits1", "logits2"), tensors(case, "labels", "index")
    order = in_front(ties or [], len(y))
    back = order.argsort()
    a, b = (leaf(z[order]) for z in (logits[::-1] if swap else logits))
    method.net, method.net2 = GivenLogits(a), GivenLogits(b)
    result = method.step(batch_of(y[order], index[order]))
    (report,) = method.kit.reports
    values = -report["score"][back]
    kept = report["kept"][back].nonzero().squeeze(1)
    # A stable sort of the presented order, so that ties rank as they were recorded.
    rank = torch.empty_like(order)
    rank[order[(-report["score"]).argsort(stable=True)]] = torch.arange(len(y))
    return Stepped(
        {name: value.item() for name, value in result.items()},
        sent_back(a)[back].tolist(),
        sent_back(b)[back].tolist(),
        kept[rank[kept].argsort()].tolist(),
        values,
    )


def coteaching_case(case: Case) -> Result:
    outputs: dict[str, Any] = {}
    # What the first network keeps trains the second: the reported half. The other half is seen by exchanging them.
    for swap, (own, other) in ((False, (1, 2)), (True, (2, 1))):
        ties = case["outputs"][KEPT[swap]]
        plain = step(selecting(coteaching.Coteaching, case), case, swap=swap, ties=ties)
        twice = step(selecting(coteaching.Coteaching, case, divide_twice=True), case, swap=swap, ties=ties)
        outputs |= {
            f"corrected_loss{other}": plain.losses["loss2"],
            f"loss{other}": twice.losses["loss2"],
            f"grad_logits{other}": twice.grad_b,
            f"per_sample_ce{own}": plain.values.tolist(),
            KEPT[swap]: plain.ranked(),
            f"pure_ratio_{own}": plain.purity(case),
        }
    return paper(outputs, "corrected_* by default; loss* and grad_* with divide_twice, the published scaling")


def rate_case(case: Case) -> Result:
    given, epochs = case["config"], case["config"]["n_epoch"]
    if given["exponent"] != 1:
        args = (given["forget_rate"], given["num_gradual"], given["exponent"])
        return official({"rate": [forget_rate(epoch, *args) for epoch in range(epochs)]}, "an exponent, by forget_rate")
    config = {"forget_rate": given["forget_rate"], "ramp": given["num_gradual"] / epochs}
    method = make(coteaching.Coteaching, config, epochs=epochs)
    rates = []
    for method.epoch in range(epochs):
        rates.append(method.forget)
    return paper({"rate": rates})


def coteaching_plus_case(case: Case) -> Result:
    method = selecting(coteaching_plus.CoteachingPlus, case, form="official", initial=0.1)
    method.batch_of_epoch = case["config"]["step"] // method.epoch
    with recorded(coteaching_plus, "_without_last") as calls:
        done = step(method, case)
    outputs = {
        "loss1": done.losses["loss"],
        "loss2": done.losses["loss2"],
        "grad_logits1": done.grad_a,
        "grad_logits2": done.grad_b,
        "disagree": calls[0].args[0].nonzero().squeeze(1).tolist(),
    }
    return official(outputs, 'form = "official"; its purities count other samples than it trains on')


def jocor_case(case: Case) -> Result:
    method = selecting(jocor.JoCoR, case, co_lambda=case["config"]["co_lambda"])
    done = step(method, case, ties=case["outputs"]["selected"])
    outputs = {
        "loss": done.losses["loss"],
        "per_sample_loss": done.values.tolist(),
        "selected": done.ranked(),
        "pure_ratio": done.purity(case),
        "grad_logits1": done.grad_a,
        "grad_logits2": done.grad_b,
    }
    return paper(outputs)


def codis_case(case: Case) -> Result:
    config = {"co_lambda": case["config"]["co_lambda"], "divergence": "reverse_kl"}
    outputs: dict[str, Any] = {}
    for swap, (own, other) in ((False, (1, 2)), (True, (2, 1))):
        done = step(selecting(codis.CoDis, case, **config), case, swap=swap, ties=case["outputs"][KEPT[swap]])
        outputs |= {
            f"loss{other}": done.losses["loss2"],
            f"criterion{own}": done.values.tolist(),
            KEPT[swap]: done.ranked(),
            f"pure_ratio_{own}": done.purity(case),
            f"grad_loss{other}_logits{other}": done.grad_b,
            f"grad_loss{other}_logits{own}": through_the_other(case, swap, **config),
        }
    first, second = exact(case, "logits1", "logits2")
    outputs |= {
        "js": selecting(codis.CoDis, case, **config).divergence(first, second).tolist(),
        "true_js": selecting(codis.CoDis, case).divergence(first, second).tolist(),
    }
    return official(outputs, 'divergence = "reverse_kl"; true_js is the default\'s')


def through_the_other(case: Case, swap: bool, **config: Any) -> list[list[float]]:
    """Gradient of the loss of one network in the logits of the other, which a step leaves out: [B, K]."""
    logits, (y,) = exact(case, "logits1", "logits2"), tensors(case, "labels")
    order = in_front(case["outputs"][KEPT[swap]], len(y))
    a, b = (leaf(z) for z in (logits[::-1] if swap else logits))
    method = selecting(codis.CoDis, case, **config)
    each, each2 = method.criterion(a, b, y), method.criterion(b, a, y)
    _, loss, *_ = method.exchange(each[order], each2[order])
    return grads(loss, a=a)["a"]


CASES: dict[str, Callable[[Case], Result]] = {
    "coteaching": coteaching_case,
    "coteaching_rate_schedule": rate_case,
    "coteaching_plus": coteaching_plus_case,
    "jocor": jocor_case,
    "codis": codis_case,
}
