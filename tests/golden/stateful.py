"""Golden cases of methods with state, selection or correction, each mapped to the method that it names.

A function takes a whole case and returns status ("paper": the method's default form; "reference": the
official form, by a config value; "reason": no method has this form), the outputs that the method computes
under the golden's keys, and a note, which names every key that is left out; where the reference itself varies
by more than rounding, `tolerance` says by how much.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from methods import (
    cdr,
    codis,
    coteaching,
    coteaching_plus,
    dividemix,
    elr,
    elr_plus,
    fine,
    jocor,
    pes,
    plc,
    sop,
)
from methods._divergence import jensen_shannon
from methods._selection import forget_rate, num_kept, smallest
from methods.base import Method
from methods.confident_learning import label_issues
from tests.golden import transitions
from tests.golden.cases import Case, Result, exact, grads, leaf, paper, reference, steps
from tests.golden.harness import batch_of, make, tensors

# ---- regularization ----------------------------------------------------------------------------------------


def elr_case(case: Case) -> Result:
    given = case["config"]
    classes = len(case["inputs"]["steps"][0]["logits"][0])
    config = {"beta": given["beta"], "lam": given["lambda"]}
    method = make(elr.ELR, config, K=classes, N=given["num_examp"])
    out = []
    for step in steps(case):
        z = leaf(step["logits"])
        loss = method.loss(z, batch_of(step["labels"], step["index"]))
        out.append({"loss": loss.item(), **grads(loss, grad_logits=z), "targets": method.target.tolist()})
    return paper({"steps": out})


def elr_plus_case(case: Case) -> Result:
    given, rows = case["config"], case["outputs"]["steps"][0]["pred_hist"]
    config = {"beta": given["beta"], "lam": given["lambda"], "ramp": 1.0 if given["coef_step"] else 0.0}
    epochs = given["coef_step"] or 10
    method = make(elr_plus.ELRPlus, config, K=len(rows[0]), N=len(rows), epochs=epochs)
    out = []
    for step in steps(case):
        z, mix, weight = leaf(step["logits"]), step["mix_index"], step["mixup_l"]
        target = method.remember(0, step["ema_logits"], step["index"])
        q = weight * target + (1 - weight) * target[mix]
        labels = nn.functional.one_hot(step["labels"], z.shape[1]).double()
        method.epoch = int(step["iteration"])
        loss = method.mixed_loss(z, weight * labels + (1 - weight) * labels[mix], q)
        state = {"pred_hist": method.target[0].tolist(), "q": q.tolist()}
        out.append({"loss": loss.item(), **grads(loss, grad_logits=z), **state})
    return paper({"steps": out}, "one epoch here stands for one iteration of the ramp")


def sop_case(case: Case) -> Result:
    given = case["config"]
    u, v = exact(case, "u0", "v0")
    weights = {"consistency": given["ratio_consistency"], "balance": given["ratio_balance"]}
    config = {"lr_u": given["lr_u"], "lr_v": given["lr_v"], **weights}
    method = make(sop.SOP, config, K=v.shape[1], N=len(v))
    method.u.data.copy_(u)
    method.v.data.copy_(v)
    out = []
    for step in steps(case):
        views = [leaf(step[name]) for name in ("logits", "logits2") if name in step]
        loss = method.loss(torch.cat(views), batch_of(step["labels"], step["index"]))
        found = grads(loss, **{str(i): z for i, z in enumerate(views)})
        method.kit.update(loss, method.optimizer_u, method.optimizer_v)
        state = {"u": method.u.tolist(), "v": method.v.tolist()}
        out.append({"loss": loss.item(), "grad_logits": [*chain(*found.values())], **state})
    return paper({"steps": out})


def cdr_case(case: Case) -> Result:
    given = case["config"]
    start = {name: torch.tensor(p, dtype=torch.float64) for name, p in case["inputs"]["params0"].items()}
    (x,), (y,) = exact(case, "x"), tensors(case, "labels")
    (wide, deep), classes = start["0.weight"].shape, len(start["2.bias"])
    method = make(cdr.CDR, {"forget_rate": 1 - given["clip"]}, K=classes, N=len(y))
    method.net = nn.Sequential(nn.Linear(deep, wide), nn.ReLU(), nn.Linear(wide, classes)).double()
    method.net.load_state_dict(start)
    options = {name: given[name] for name in ("lr", "momentum", "weight_decay")}
    method.optimizer = torch.optim.SGD(method.net.parameters(), **options)
    result = method.step(batch_of(y, x=x[None]))
    params = {name: p.tolist() for name, p in method.net.named_parameters()}
    outputs = {"loss": result["loss"].item(), "acc": 100 * result["accuracy"].item(), "params": params}
    return paper(outputs, "nonzero_ratio and clip are both 1 - tau, as the official training sets them")


def pes_case(case: Case) -> Result:
    (p,), (y,) = exact(case, "probs"), tensors(case, "labels")
    confident = pes.is_confident(p, y)
    index = torch.arange(len(y))
    return paper({"confident": index[confident].tolist(), "unconfident": index[~confident].tolist()})


# ---- two networks ------------------------------------------------------------------------------------------


def two_logits(case: Case) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    first, second = exact(case, "logits1", "logits2")
    return (leaf(first), leaf(second), *tensors(case, "labels", "is_clean"))


def selecting(method_cls: type[Method], case: Case, **config: Any) -> Method:
    """The method after its ramp, with the case's rate to forget."""
    rate, (y,) = {"forget_rate": case["config"]["forget_rate"]}, tensors(case, "labels")
    classes = len(case["inputs"]["logits1"][0])
    epoch = config.pop("epoch", 199)
    return make(method_cls, rate | config, K=classes, N=len(y), epochs=200, epoch=epoch)


def purity(kept: Tensor, clean: Tensor) -> float:
    return clean[kept].double().mean().item()


KEPT = ("kept_by_net1_used_for_net2", "kept_by_net2_used_for_net1")


def as_ranked(kept: Tensor, values: Tensor, recorded: list[int]) -> Tensor:
    """`kept`, the positions of the smallest `values`, with ties as in `recorded`: the references' sorts are unstable.

    The recorded positions count only if they are as many, each once, and show the same values within 1e-9.
    """
    if len(set(recorded)) != len(kept) or len(recorded) != len(kept):
        return kept
    theirs = torch.tensor(recorded)
    return theirs if torch.allclose(values[theirs], values[kept], rtol=0, atol=1e-9) else kept


def in_front(kept: Tensor, size: int) -> Tensor:
    """All positions, `kept` first: a stable sort in this order breaks ties as `kept` does."""
    rest = torch.ones(size, dtype=torch.bool)
    rest[kept] = False
    return torch.cat([kept, rest.nonzero().squeeze(1)])


def coteaching_case(case: Case) -> Result:
    first, second, y, clean = two_logits(case)
    each = [nn.functional.cross_entropy(z, y, reduction="none") for z in (first, second)]
    count = num_kept(len(y), case["config"]["forget_rate"])
    recorded = [case["outputs"][key] for key in KEPT]
    kept = [as_ranked(smallest(loss, count), loss, theirs) for loss, theirs in zip(each, recorded, strict=True)]

    def losses(net: int, **config: Any) -> Tensor:
        order = in_front(kept[1 - net], len(y))
        method = selecting(coteaching.Coteaching, case, **config)
        return method.losses(first[order], second[order], batch_of(y[order]))[net]

    plain = [losses(net) for net in (0, 1)]
    twice = [losses(net, divide_twice=True) for net in (0, 1)]
    outputs = {
        "corrected_loss1": plain[0].item(),
        "corrected_loss2": plain[1].item(),
        "loss1": twice[0].item(),
        "loss2": twice[1].item(),
        "grad_logits1": grads(twice[0], z=first)["z"],
        "grad_logits2": grads(twice[1], z=second)["z"],
        "per_sample_ce1": each[0].tolist(),
        "per_sample_ce2": each[1].tolist(),
        "kept_by_net1_used_for_net2": kept[0].tolist(),
        "kept_by_net2_used_for_net1": kept[1].tolist(),
        "pure_ratio_1": purity(kept[0], clean),
        "pure_ratio_2": purity(kept[1], clean),
    }
    return paper(outputs, "corrected_* by default; loss* and grad_* with divide_twice, the published scaling")


def rate_case(case: Case) -> Result:
    given = case["config"]
    args = (given["forget_rate"], given["num_gradual"], given["exponent"])
    return paper({"rate": [forget_rate(epoch, *args) for epoch in range(given["n_epoch"])]})


def coteaching_plus_case(case: Case) -> Result:
    first, second, y, _ = two_logits(case)
    (index,) = tensors(case, "index")
    epoch = 25 if case["config"]["step"] < 5000 else 100
    method = selecting(coteaching_plus.CoteachingPlus, case, form="reference", epoch=epoch)
    losses = method.losses(first, second, batch_of(y, index))
    outputs = {
        "loss1": losses[0].item(),
        "loss2": losses[1].item(),
        "grad_logits1": grads(losses[0], z=first)["z"],
        "grad_logits2": grads(losses[1], z=second)["z"],
        "disagree": (first.argmax(1) != second.argmax(1)).nonzero().squeeze(1).tolist(),
    }
    return reference(outputs, 'form = "reference"; its purities count other samples than it trains on')


def jocor_case(case: Case) -> Result:
    first, second, y, clean = two_logits(case)
    method = selecting(jocor.JoCoR, case, co_lambda=case["config"]["co_lambda"])
    each = method.joint(first, second, y)
    kept = as_ranked(smallest(each, num_kept(len(y), method.forget)), each, case["outputs"]["selected"])
    loss = each[kept].mean()
    outputs = {
        "loss": loss.item(),
        "per_sample_loss": each.tolist(),
        "selected": kept.tolist(),
        "pure_ratio": purity(kept, clean),
        **grads(loss, grad_logits1=first, grad_logits2=second),
    }
    return paper(outputs)


def codis_case(case: Case) -> Result:
    first, second, y, clean = two_logits(case)
    weight, forget = case["config"]["co_lambda"], case["config"]["forget_rate"]
    if int((1 - forget) * len(y)) == 0:
        return {"status": "reason", "note": "where the share rounds to none one sample is kept; there all are"}
    method = selecting(codis.CoDis, case, co_lambda=weight, divergence="reverse_kl")
    each, each2 = method.criterion(first, second, y), method.criterion(second, first, y)
    picked = zip(method.exchange(each, each2)[2:], (each, each2), KEPT, strict=True)
    kept, kept2 = (as_ranked(own, values, case["outputs"][key]) for own, values, key in picked)
    order, order2 = in_front(kept, len(y)), in_front(kept2, len(y))
    loss, loss2 = method.exchange(each[order2], each2[order2])[0], method.exchange(each[order], each2[order])[1]
    outputs = {
        "loss1": loss.item(),
        "loss2": loss2.item(),
        "js": method.divergence(first, second).tolist(),
        "true_js": jensen_shannon(first.log_softmax(1), second.log_softmax(1)).tolist(),
        "criterion1": each.tolist(),
        "criterion2": each2.tolist(),
        "kept_by_net1_used_for_net2": kept.tolist(),
        "kept_by_net2_used_for_net1": kept2.tolist(),
        "pure_ratio_1": purity(kept, clean),
        "pure_ratio_2": purity(kept2, clean),
        **grads(loss, grad_loss1_logits1=first, grad_loss1_logits2=second),
        **grads(loss2, grad_loss2_logits1=first, grad_loss2_logits2=second),
    }
    return reference(outputs, 'divergence = "reverse_kl"; true_js is the default\'s')


# ---- splits and labels -------------------------------------------------------------------------------------


def gmm_case(case: Case) -> Result:
    given, past = case["config"], case["inputs"]["losses_history"]
    # The official code averages the last five epochs at a rate of exactly 0.9 only.
    history = 5 if given["r"] == 0.9 else 1
    (losses,) = exact(case, "losses")
    epochs = [torch.tensor(row, dtype=torch.float64) for row in past] if past else [losses]
    method = make(dividemix.DivideMix, {"history": history, "threshold": given["p_threshold"]}, N=len(losses))
    for number, row in enumerate(epochs):
        clean = method.split(0, number, row)
    mask = clean > given["p_threshold"]
    outputs: dict[str, Any] = {"prob_clean": clean.tolist()}
    # Stopped before it converges, the mixture depends on the seed, by as much as the reference's own trials do.
    deviation = case["outputs"].get("max_dev_over_6_seeds", 0.0) + 1e-6
    if not ((clean - given["p_threshold"]).abs() <= deviation).any():
        outputs |= {"clean_mask": mask.long().tolist(), "n_clean": int(mask.sum())}
    note = "max_dev_* and mask_equal_float32 are properties of the trial, not of the method"
    return paper(outputs, note) | {"tolerance": deviation}


def coguess_case(case: Case) -> Result:
    temperature = case["config"]["T"]
    names = [f"logits_u_net{net}_view{view}" for net in (1, 2) for view in (1, 2)]
    guesses = torch.stack([z.softmax(1) for z in exact(case, *names)]).mean(0)
    views = torch.stack([z.softmax(1) for z in exact(case, "logits_x_view1", "logits_x_view2")])
    (y,), (w,) = tensors(case, "labels_x"), exact(case, "w_x")
    refined = dividemix.refine(views, nn.functional.one_hot(y, views.shape[2]).double(), w)
    outputs = {
        "pu": guesses.tolist(),
        "targets_u": dividemix.sharpen(guesses, temperature).tolist(),
        "px_mixed": refined.tolist(),
        "targets_x": dividemix.sharpen(refined, temperature).tolist(),
    }
    return paper(outputs)


def ramped(given: dict[str, Any], classes: int = 9) -> Method:
    """DivideMix over the official 300 epochs with the case's warm-up and ramp."""
    config = {"warmup": given["warm_up"] / 300, "ramp": given["rampup_length"] / 300}
    return make(dividemix.DivideMix, config | {"lambda_u": given["lambda_u"]}, K=classes, epochs=300)


def semiloss_case(case: Case) -> Result:
    given = case["config"]
    x, target_x, u, target_u = exact(case, "logits_x", "targets_x", "logits_u", "targets_u")
    method = ramped(given, x.shape[1])
    x, u = leaf(x), leaf(u)
    supervised, unsupervised, penalty = method.semi_loss(x, target_x, u, target_u)
    weight = given["lambda_u"] * method.ramp(given["epoch"] - given["warm_up"])
    loss = supervised + weight * unsupervised + penalty
    outputs = {
        "Lx": supervised.item(),
        "Lu": unsupervised.item(),
        "lambda_t": weight,
        "penalty": penalty.item(),
        "loss": loss.item(),
        **grads(loss, grad_logits_x=x, grad_logits_u=u),
    }
    return paper(outputs)


def ramp_case(case: Case) -> Result:
    given = case["config"]
    method = ramped(given)
    past = [epoch - given["warm_up"] for epoch in case["inputs"]["epochs"]]
    return paper({"lambda_t": [given["lambda_u"] * method.ramp(value) for value in past]})


def penalty_case(case: Case) -> Result:
    z = leaf(*exact(case, "logits"))
    loss = dividemix.negative_entropy(z)
    return paper({"loss": loss.item(), **grads(loss, grad_logits=z)}, "confidence_penalty = true")


def fine_case(case: Case) -> Result:
    (features,), (y,) = exact(case, "features"), tensors(case, "labels")
    config = {"score": "absolute", "threshold": case["config"]["p_threshold"]}
    method = make(fine.FINE, config, K=int(y.max()) + 1, N=len(y))
    score = method.scores(features, y)
    kept = method.posteriors(score, y) > config["threshold"]
    outputs = {"scores": score.tolist()}
    if case["outputs"].get("gmm_same_over_6_seeds", True):
        by_class = y.argsort(stable=True)
        outputs["clean_gmm"] = by_class[kept[by_class]].tolist()
    note = 'score = "absolute"; no form without feature norms, nor with k-means, nor a figure over seeds'
    return reference(outputs, note)


def plc_case(case: Case) -> Result:
    given = case["config"]
    (p,), (y,) = exact(case, "probs"), tensors(case, "labels")
    config = {"delta": given["current_delta"], "increment": given["delta_increment"]}
    method = make(plc.PLC, config, K=p.shape[1], N=len(y))
    method.label.copy_(y)
    method.correct(p)
    outputs = {
        "corrected": method.label.tolist(),
        "n_changed": int((method.label != y).sum()),
        "new_delta": method.delta.item(),
    }
    return paper(outputs)


def cleanlab_case(case: Case) -> Result:
    (p,), (y,) = exact(case, "pred_probs"), tensors(case, "labels")
    issues = label_issues(y.numpy(), p.numpy())
    outputs = {
        "issues_prune_by_noise_rate": issues.nonzero()[0].tolist(),
        "quality_self_confidence": p.gather(1, y[:, None]).squeeze(1).tolist(),
    }
    return paper(outputs, "the other figures are of filters and scores of cleanlab that are not used")


CASES: dict[str, Callable[[Case], Result]] = {
    "elr": elr_case,
    "elr_plus": elr_plus_case,
    "sop": sop_case,
    "sop_plus": sop_case,
    "cdr_step": cdr_case,
    "pes_split": pes_case,
    "coteaching": coteaching_case,
    "coteaching_rate_schedule": rate_case,
    "coteaching_plus": coteaching_plus_case,
    "jocor": jocor_case,
    "codis": codis_case,
    "dividemix_gmm": gmm_case,
    "dividemix_coguess_corefine": coguess_case,
    "dividemix_semiloss": semiloss_case,
    "dividemix_lambda_ramp": ramp_case,
    "conf_penalty": penalty_case,
    "fine": fine_case,
    "plc_lrt": plc_case,
    "confident_learning": cleanlab_case,
    **transitions.CASES,
}
