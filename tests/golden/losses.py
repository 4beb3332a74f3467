"""Golden cases of losses, label flips and CORES2, each mapped to the method and configuration that it names.

A function takes a whole case and returns
  status:  "paper" (the method's default form), "reference" (the official form, by a config value) or "reason"
           (no method of the suite has this form; `note` says why);
  outputs: what the method computes, under the golden's keys (a key that is absent is explained in `note`);
  clamped: for losses whose reference clamps or shifts probabilities, the same formula with those clamps,
           written out here apart from the methods: it must equal the golden where logits are extreme;
  note:    what the match means.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods import (
    ael,
    agce,
    anl_ce,
    aul,
    batch_flip,
    bi_tempered,
    bootstrap_hard,
    bootstrap_soft,
    ce,
    cores,
    focal,
    gce,
    gce_truncated,
    gjs,
    js,
    label_smoothing,
    logit_clip,
    mae,
    nce_mae,
    nce_rce,
    nls,
    peer,
    phuber,
    rce,
    sce,
    taylor_ce,
)
from methods.base import Method
from tests.golden.harness import batch_of, loss_and_grad, make, tensors

Case = dict[str, Any]
Result = dict[str, Any]
Rows = Callable[[Tensor, Tensor], Tensor]
EXACT = "computed in log space; equal to the reference up to its clamps"


def rows_result(rows: Rows, logits: Tensor, y: Tensor) -> dict[str, Any]:
    """Outputs of a loss given as a function of logits [B, K] and labels [B] to per-sample values [B]."""
    z = logits.detach().clone().requires_grad_()
    values = rows(z, y)
    (grad,) = torch.autograd.grad(values.mean(), z)
    return {
        "loss": values.mean().item(),
        "grad_logits": grad.tolist(),
        "loss_per_sample": values.detach().tolist(),
    }


def clamped(rows: Callable[[Tensor, Tensor, Tensor], Tensor], low: float = 1e-7, high: float = 1.0) -> Rows:
    """`rows(p, onehot, logits)` with p clamped as in the reference."""

    def of_logits(logits: Tensor, y: Tensor) -> Tensor:
        p = logits.softmax(1).clamp(low, high)
        return rows(p, F.one_hot(y, logits.shape[1]).to(p.dtype), logits)

    return of_logits


def on_logits(
    method_cls: type[Method],
    config: Callable[[dict[str, Any], int], dict[str, Any]] = lambda config, classes: {},
    *,
    status: str = "paper",
    note: str = "",
    reference: Callable[[dict[str, Any]], Rows] | None = None,
    scale: Callable[[dict[str, Any], int], float] = lambda config, classes: 1.0,
    shift: Callable[[dict[str, Any], int], float] = lambda config, classes: 0.0,
) -> Callable[[Case], Result]:
    """A case whose inputs are logits and labels. `scale` and `shift` map the method's value to the golden's
    where they differ by a constant factor or summand; `note` has to name it."""

    def run(case: Case) -> Result:
        logits, y = tensors(case, "logits", "labels")
        classes, given = logits.shape[1], case["config"]
        method = make(method_cls, config(given, classes), K=classes, N=len(y), epochs=100, epoch=99)
        factor, summand = scale(given, classes), shift(given, classes)
        outputs = loss_and_grad(method, logits, y)
        result: Result = {
            "status": status,
            "outputs": {
                "loss": factor * outputs["loss"] + summand,
                "grad_logits": (factor * torch.tensor(outputs["grad_logits"], dtype=logits.dtype)).tolist(),
                "loss_per_sample": [factor * value + summand for value in outputs["loss_per_sample"]],
            },
            "note": note,
        }
        if reference is not None:
            result["clamped"] = rows_result(reference(given), logits, y)
        return result

    return run


def keys(*names: str, **renamed: str) -> Callable[[dict[str, Any], int], dict[str, Any]]:
    """Takes these keys of a golden's config, `renamed` ones (ours="theirs") under our names."""
    pairs = [*((name, name) for name in names), *renamed.items()]
    return lambda config, classes: {ours: config[theirs] for ours, theirs in pairs if theirs in config}


# ---- the references' own formulas, with their clamps ----------------------------------------------


def ref_nce(p: Tensor, onehot: Tensor) -> Tensor:
    return (onehot * p.log()).sum(1) / p.log().sum(1)


def ref_nfl(p: Tensor, onehot: Tensor, gamma: float) -> Tensor:
    terms = (1 - p.detach()) ** gamma * p.log()
    return (onehot * terms).sum(1) / terms.sum(1)


def ref_rce(p: Tensor, onehot: Tensor) -> Tensor:
    return -(p * onehot.clamp(1e-4, 1).log()).sum(1)


def ref_mae(logits: Tensor, onehot: Tensor) -> Tensor:
    return 1 - (onehot * logits.softmax(1)).sum(1)


def ref_ce(logits: Tensor, onehot: Tensor) -> Tensor:
    return -(onehot * logits.log_softmax(1)).sum(1)


def ref_power(p: Tensor, q: float) -> Tensor:
    return (1 - p**q) / q


def ref_negative(terms: Tensor, worst: float, onehot: Tensor) -> Tensor:
    return 1 - (onehot * (worst - terms)).sum(1) / (worst - terms).sum(1)


def ref_anl(config: dict[str, Any]) -> Rows:
    low, gamma = config.get("min_prob", 1e-7), config.get("gamma", 0.0)
    alpha, beta = config.get("alpha", 0.0), config.get("beta", 1.0)
    high = 1 - low if "lamb" in config else 1.0
    worst = -((1 - low) ** gamma) * math.log(low)
    size = config.get("delta", 0.0) * sum(map(abs, config.get("l1_parameters", [])))

    def rows(p: Tensor, onehot: Tensor, logits: Tensor) -> Tensor:
        terms = -((1 - p.detach()) ** gamma) * p.log()
        active = (onehot * terms).sum(1) / terms.sum(1)
        mean = p.mean(0)
        balance = math.log(p.shape[1]) + (mean * mean.log()).sum()
        negative = ref_negative(terms, worst, onehot)
        return alpha * active + beta * negative + size + config.get("lamb", 0.0) * balance

    return clamped(rows, low, high)


def ref_js(weights: list[float], scaled: bool) -> Callable[[list[Tensor], Tensor], Tensor]:
    def rows(logits: list[Tensor], y: Tensor) -> Tensor:
        parts = [F.one_hot(y, logits[0].shape[1]).to(logits[0].dtype), *(z.softmax(1) for z in logits)]
        mean = sum(w * part for w, part in zip(weights, parts, strict=True))
        log_mean = torch.as_tensor(mean).clamp(1e-7, 1).log()
        terms = [w * (torch.xlogy(d, d) - d * log_mean).sum(1) for w, d in zip(weights, parts, strict=True)]
        scale = -1 / ((1 - weights[0]) * math.log(1 - weights[0])) if scaled else 1.0
        return scale * torch.stack(terms).sum(0)

    return rows


# ---- cases that need more than logits and labels --------------------------------------------------


def disturb_label(case: Case) -> Result:
    config = case["config"]
    classes, count = config["C"], config["N"]
    rate = config["alpha_percent"] / 100 * (classes - 1) / classes
    method = make(batch_flip.BatchFlip, {"rho": rate}, K=classes)
    torch.manual_seed(config["torch_seed"])
    y = torch.arange(count) % classes
    realized = (method.flip(y, classes) != y).double().mean().item()
    return {
        "status": "paper",
        "outputs": {
            "p_c": 1 - method.cfg.rho,
            "p_i": method.cfg.rho / (classes - 1),
            "expected_change_rate": method.cfg.rho,
        },
        "note": f"realised_change_rate is one draw of {count} labels (ours: {realized:.4f}): not comparable; "
        "rho = alpha (C - 1) / C",
    }


def ls_constant(config: dict[str, Any], classes: int) -> float:
    """Minus the entropy of the smoothed label: cross entropy minus it is the divergence from the label."""
    low = config["t"] / classes
    high = 1 - config["t"] + low
    return high * math.log(high) + (classes - 1) * low * math.log(low) if 0 < config["t"] < 1 else 0.0


def lsr_mass(config: dict[str, Any], classes: int) -> float:
    """What the target of the ten-class code sums to with `classes` classes."""
    return 1 - config["epsilon"] - config["epsilon"] / 10 + classes * config["epsilon"] / 10


def nrce(case: Case) -> Result:
    logits, y = tensors(case, "logits", "labels")
    classes = logits.shape[1]

    def outputs(scale: float) -> dict[str, Any]:
        return loss_and_grad(make(rce.RCE, {"scale": scale}, K=classes), logits, y)

    given = case["config"].get("scale", 1.0)
    corrected = {
        "corrected_loss_A4": outputs(given / (4 * (classes - 1)))["loss"],
        "corrected_loss_A9.21": outputs(given / (-math.log(1e-4) * (classes - 1)))["loss"],
    }
    wrong = given * (classes - 1) / 4
    reference = clamped(lambda p, onehot, z: wrong * ref_rce(p, onehot))
    return {
        "status": "reference",
        "outputs": outputs(wrong) | corrected,
        "clamped": rows_result(reference, logits, y) | corrected,
        "note": "official normalizer (K - 1) / 4 and corrected 1 / (|A| (K - 1)), all by rce's `scale`",
    }


def truncated(prune: bool) -> Callable[[Case], Result]:
    def run(case: Case) -> Result:
        logits, y = tensors(case, "logits", "labels")
        q, k = case["config"]["q"], case["config"]["k"]
        method = make(gce_truncated.GCETruncated, {"q": q, "k": k}, K=logits.shape[1], N=len(y))
        if prune:
            method.prune(logits.softmax(1), y, torch.arange(len(y)))
        z = logits.clone().requires_grad_()
        loss = method.loss(z, batch_of(y))
        (grad,) = torch.autograd.grad(loss, z)
        offset = (1 - k**q) / q
        index = torch.arange(len(y))
        one = [method.loss(logits[i : i + 1], batch_of(y[i : i + 1], index[i : i + 1])).item() for i in index]
        return {
            "status": "paper",
            "outputs": {
                "loss": loss.item() - offset,
                "grad_logits": grad.tolist(),
                "loss_per_sample": [value - offset for value in one],
            },
            "note": "the official value is the paper's minus the constant L_q(k), subtracted here",
        }

    return run


def anl(case: Case) -> Result:
    logits, y = tensors(case, "logits", "labels")
    given = case["config"]
    config = {name: given[name] for name in ("alpha", "beta", "delta", "min_prob", "gamma") if name in given}
    if case["method"] in ("nnce", "nnfl"):
        config |= {"alpha": 0.0, "beta": 1.0, "delta": 0.0}
    config |= {"entropy": given.get("lamb", 0.0), "detach_factor": config.get("gamma", 0.0) > 0}
    method = make(anl_ce.ANLCE, config, K=logits.shape[1], N=len(y))
    method.net = nn.ParameterList([nn.Parameter(torch.tensor(given.get("l1_parameters", [0.0])).double())])
    outputs = loss_and_grad(method, logits, y)
    reference = rows_result(ref_anl(given), logits, y)
    if given.get("lamb"):  # the entropy of the batch mean is no sum over rows
        del outputs["loss_per_sample"], reference["loss_per_sample"]
    focal_form = config["detach_factor"]
    return {
        "status": "reference" if focal_form else "paper",
        "outputs": outputs,
        "clamped": reference,
        "note": "detach_factor = true, the official form" if focal_form else EXACT,
    }


def js_case(case: Case) -> Result:
    logits, y = tensors(case, "logits", "labels")
    weights = [float(w) for w in case["config"]["weights"].split()]
    scaled = case["method"] == "js_scaled"
    config = {"label_weight": weights[0], "scaled": scaled}
    method = make(js.JS, config, K=logits.shape[1], N=len(y))
    reference = ref_js(weights, scaled)
    return {
        "status": "paper",
        "outputs": loss_and_grad(method, logits, y),
        "clamped": rows_result(lambda z, labels: reference([z], labels), logits, y),
        "note": EXACT,
    }


def gjs_case(case: Case) -> Result:
    y, *views = tensors(case, "labels", "logits", "logits2")
    weights = tuple(float(w) for w in case["config"]["weights"].split())
    method = make(gjs.GJS, {"weights": weights}, K=views[0].shape[1], N=len(y))
    reference = ref_js(list(weights), True)

    def outputs(loss: Callable[[list[Tensor]], Tensor]) -> dict[str, Any]:
        z = [view.clone().requires_grad_() for view in views]
        value = loss(z)
        first, second = torch.autograd.grad(value, z)
        return {"loss": value.item(), "grad_logits": first.tolist(), "grad_logits2": second.tolist()}

    return {
        "status": "paper",
        "outputs": outputs(lambda z: method.loss(torch.cat(z), batch_of(y))),
        "clamped": outputs(lambda z: reference(z, y).mean()),
        "note": EXACT,
    }


def bi_tempered_case(case: Case) -> Result:
    logits, y = tensors(case, "logits", "labels")
    given = case["config"]
    config = {"t1": given["t1"], "t2": given["t2"], "smoothing": given["label_smoothing"]}

    def outputs(more: dict[str, Any]) -> dict[str, Any]:
        return loss_and_grad(make(bi_tempered.BiTempered, config | more, K=logits.shape[1]), logits, y)

    official = outputs({"iterations": given["num_iters"]})
    return {
        "status": "reference",
        "outputs": official
        | {
            "google_jax_loss": official["loss"],
            "google_jax_grad_logits": official["grad_logits"],
            "converged_loss": outputs({})["loss"],
        },
        "note": "iterations = num_iters is the official form; converged_loss is the default's",
    }


def logit_clip_case(case: Case) -> Result:
    logits, y = tensors(case, "logits", "labels")
    config = {"tau": case["config"]["temp"], "norm": case["config"].get("lp", 2)}

    def outputs(rescale: str) -> dict[str, Any]:
        method = make(logit_clip.LogitClip, config | {"rescale": rescale}, K=logits.shape[1])
        return loss_and_grad(method, logits, y)

    paper = outputs("tau")
    norms = torch.linalg.vector_norm(logits, config["norm"], dim=1)
    return {
        "status": "reference",
        "outputs": outputs("inverse")
        | {
            "corrected_loss": paper["loss"],
            "corrected_grad_logits": paper["grad_logits"],
            "fraction_clipped": (norms > config["tau"]).double().mean().item(),
        },
        "note": 'rescale = "inverse" is the official form; corrected_* are the default\'s',
    }


def peer_case(case: Case) -> Result:
    logits, y = tensors(case, "logits", "labels")
    config = {
        "alpha": case["config"]["alpha"],
        "eps": case["config"]["eps"],
        "eps_base": case["config"]["eps"],
    }
    method = make(peer.Peer, config, K=logits.shape[1], N=len(y), epochs=300, epoch=299)
    z = logits.clone().requires_grad_()
    if "peer_logits" in case["inputs"]:
        peer_z, peer_y = tensors(case, "peer_logits", "peer_labels")
        leaves = {"grad_logits": z, "grad_peer_logits": peer_z.requires_grad_()}
    else:
        j, k = tensors(case, "peer_logit_index", "peer_label_index")
        peer_z, peer_y, leaves = z[j], y[k], {"grad_logits": z}
    loss = method.difference(z, y, peer_z, peer_y)
    grads = torch.autograd.grad(loss, list(leaves.values()))
    outputs = {name: grad.tolist() for name, grad in zip(leaves, grads, strict=True)}
    return {"status": "paper", "outputs": {"loss": loss.item()} | outputs, "note": ""}


def peer_prior(case: Case) -> Result:
    logits, y = tensors(case, "logits", "labels")
    given = case["config"]
    config = {
        "alpha": given["alpha"],
        "eps": given["eps_peer"],
        "eps_base": given["eps_base"],
        "pairing": "prior",
    }
    method = make(peer.Peer, config, K=logits.shape[1], N=len(y), epochs=300, epoch=299)
    method.prior.copy_(torch.tensor(given["noisy_prior"], dtype=torch.float64))
    outputs = loss_and_grad(method, logits, y)
    del outputs["loss_per_sample"]
    term = method.expected_peer(logits).item()
    parts = {"base": outputs["loss"] + given["alpha"] * term, "peer": term}
    return {"status": "paper", "outputs": outputs | parts, "note": 'pairing = "prior"'}


def cores_case(case: Case) -> Result:
    logits, y = tensors(case, "logits", "labels")
    given = case["config"]
    config = {"prior": "uniform" if given["noise_prior"] is None else "noisy"}
    method = make(cores.CORES, config, K=logits.shape[1], N=len(y), epochs=100, epoch=given["epoch"])
    if abs(method.weight(given["epoch"]) - given["beta"]) > 1e-9:
        beta = given["beta"]
        method.weight = lambda epoch: beta  # type: ignore[method-assign]
    if given["noise_prior"] is not None:
        method.frequency.copy_(torch.tensor(given["noise_prior"], dtype=torch.float64))
    z = logits.clone().requires_grad_()
    loss = method.loss(z, batch_of(y))
    (grad,) = torch.autograd.grad(loss, z)
    _, metric, kept = method.rows(logits, y)
    unregularized = make(cores.CORES, {"beta": 0.0}, K=logits.shape[1], N=len(y))
    outputs = {
        "loss": loss.item(),
        "grad_logits": grad.tolist(),
        "selected": kept.long().tolist(),
        "per_sample_loss": unregularized.rows(logits, y)[0].tolist(),
        "sieve_metric": metric.tolist(),
    }
    return {"status": "paper", "outputs": outputs, "note": "the paper's first stage, official constants"}


def reason(note: str) -> Callable[[Case], Result]:
    return lambda case: {"status": "reason", "outputs": {}, "note": note}


def nls_rate(config: dict[str, Any], classes: int) -> dict[str, Any]:
    wa, wb = config.get("wa", 0), config.get("wb", 1)
    return {"smooth_rate": config["smooth_rate"] * wb / (wa + wb), "warmup": 0.0}


def nce_passive(passive: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[dict[str, Any]], Rows]:
    """alpha NCE (or NFL where the config has a gamma) of clamped p plus beta times `passive`."""

    def of_config(config: dict[str, Any]) -> Rows:
        alpha, beta = config.get("alpha", config.get("scale", 1.0)), config.get("beta", 0.0)
        gamma = config.get("gamma", 0.0)
        return clamped(lambda p, onehot, z: alpha * ref_nfl(p, onehot, gamma) + beta * passive(p, onehot, z))

    return of_config


DETACHED = "detach_factor = true, the official form; the default differentiates the factor"

CASES: dict[str, Callable[[Case], Result]] = {
    # losses_basic
    "ce": on_logits(ce.CE),
    "label_smoothing": on_logits(label_smoothing.LabelSmoothing, keys(epsilon="smoothing")),
    "nls": on_logits(nls.NLS, nls_rate, scale=lambda c, k: c.get("wa", 0) + c.get("wb", 1)),
    "gls_mixed": on_logits(
        nls.NLS,
        nls_rate,
        scale=lambda c, k: c["wa"] + c["wb"],
        note="wa CE + wb GLS(r) = (wa + wb) GLS(r wb / (wa + wb))",
    ),
    "label_smoothing_kl": on_logits(
        label_smoothing.LabelSmoothing,
        keys(epsilon="t"),
        shift=ls_constant,
        note="equal gradient; the value differs by the entropy of the target, subtracted here",
    ),
    "lsr_yisen": on_logits(
        label_smoothing.LabelSmoothing,
        lambda c, k: {"epsilon": k * c["epsilon"] / 10 / lsr_mass(c, k)},
        status="reason",
        scale=lsr_mass,
        reference=lambda c: clamped(
            lambda p, o, z: (
                -((o * (1 - c["epsilon"] - c["epsilon"] / 10) + c["epsilon"] / 10) * p.log()).sum(1)
            ),
            1e-7,
            1 - 1e-7,
        ),
        note="the reference hard-codes 10 classes, so that its targets do not sum to 1: no option. Shown: "
        "label smoothing at that ratio of weights, times the sum of the target",
    ),
    "mae": on_logits(
        mae.MAE, keys("scale"), status="reference", note="scale = 1; the paper's 2 is the default"
    ),
    "mae_alf": on_logits(mae.MAE, keys("scale")),
    "unhinged": on_logits(mae.MAE, lambda c, k: {"scale": 1.0}, status="reference", note="mae at scale = 1"),
    "nmae": on_logits(
        mae.MAE,
        lambda c, k: {"scale": c["scale"] / (2 * (k - 1))},
        status="reference",
        note="mae at scale = 1 / (2 (K - 1)), the reference's; the paper's is 1 / (K - 1)",
    ),
    "focal": on_logits(
        focal.Focal,
        lambda c, k: {"gamma": c["gamma"], "detach_factor": True},
        status="reference",
        note=DETACHED,
    ),
    "nfl": on_logits(
        focal.Focal,
        lambda c, k: {"gamma": c["gamma"], "detach_factor": True, "normalized": True},
        status="reference",
        note=DETACHED,
        scale=lambda c, k: c.get("scale", 1.0),
    ),
    "taylor_ce": on_logits(taylor_ce.TaylorCE, keys("order")),
    # losses_robust
    "gce": on_logits(
        gce.GCE,
        keys("q"),
        note=EXACT,
        reference=lambda c: clamped(
            lambda p, o, z: ref_power((o * p).sum(1), c["q"]), c.get("clamp_min", 1e-7)
        ),
    ),
    "gce_phuber_eps": on_logits(
        gce.GCE,
        keys("q"),
        note=EXACT,
        reference=lambda c: clamped(lambda p, o, z: ref_power((o * p).sum(1) + c["eps"], c["q"]), 0.0),
    ),
    "gce_offset": truncated(prune=False),
    "gce_truncated": truncated(prune=True),
    "ngce": on_logits(
        gce.GCE,
        lambda c, k: {"q": c["q"], "normalized": True},
        note=EXACT,
        reference=lambda c: clamped(
            lambda p, o, z: (1 - (o * p).sum(1) ** c["q"]) / (p.shape[1] - (p ** c["q"]).sum(1))
        ),
    ),
    "sce": on_logits(
        sce.SCE,
        keys("alpha", "beta", label_floor="label_clamp"),
        note=EXACT,
        reference=lambda c: clamped(
            lambda p, o, z: c["alpha"] * ref_ce(z, o) + c["beta"] * ref_rce(p, o), c.get("p_clamp", 1e-7)
        ),
    ),
    "sce_keras": on_logits(
        sce.SCE,
        keys("alpha", "beta"),
        note=EXACT,
        reference=lambda c: clamped(
            lambda p, o, z: c["alpha"] * -(o * p.log()).sum(1) + c["beta"] * ref_rce(z.softmax(1), o)
        ),
    ),
    "rce": on_logits(
        rce.RCE,
        keys("scale"),
        note=EXACT,
        reference=lambda c: clamped(lambda p, o, z: c.get("scale", 1.0) * ref_rce(p, o)),
    ),
    "nrce": nrce,
    "nce": on_logits(
        nce_rce.NCERCE,
        lambda c, k: {"alpha": c.get("scale", 1.0), "beta": 0.0},
        note=EXACT,
        reference=nce_passive(lambda p, o, z: torch.zeros(len(p), dtype=p.dtype)),
    ),
    "nce_rce": on_logits(
        nce_rce.NCERCE,
        keys("alpha", "beta"),
        note=EXACT,
        reference=nce_passive(lambda p, o, z: ref_rce(p, o)),
    ),
    "nfl_rce": on_logits(
        nce_rce.NCERCE,
        lambda c, k: keys("alpha", "beta", "gamma")(c, k) | {"detach_factor": True},
        status="reference",
        note=DETACHED,
        reference=nce_passive(lambda p, o, z: ref_rce(p, o)),
    ),
    "nce_mae": on_logits(
        nce_mae.NCEMAE,
        keys("alpha", "beta"),
        note=EXACT,
        reference=nce_passive(lambda p, o, z: ref_mae(z, o)),
    ),
    "phuber_ce": on_logits(phuber.PHuber, keys("tau")),
    "phuber_gce": on_logits(phuber.PHuber, keys("tau", "q")),
    # losses_asym_anl
    "agce": on_logits(agce.AGCE, keys("a", "q")),
    "aul": on_logits(aul.AUL, keys("a", "q")),
    "ael": on_logits(ael.AEL, keys("a")),
    "nce_agce": on_logits(
        agce.AGCE,
        keys("alpha", "beta", "a", "q"),
        note=EXACT,
        reference=lambda c: nce_passive(
            lambda p, o, z: ((c["a"] + 1) ** c["q"] - (c["a"] + (o * z.softmax(1)).sum(1)) ** c["q"]) / c["q"]
        )(c),
    ),
    "nce_aul": on_logits(
        aul.AUL,
        keys("alpha", "beta", "a", "q"),
        note=EXACT,
        reference=lambda c: nce_passive(
            lambda p, o, z: ((c["a"] - (o * z.softmax(1)).sum(1)) ** c["q"] - (c["a"] - 1) ** c["q"]) / c["q"]
        )(c),
    ),
    "nce_ael": on_logits(
        ael.AEL,
        keys("alpha", "beta", "a"),
        note=EXACT,
        reference=lambda c: nce_passive(lambda p, o, z: (-(o * z.softmax(1)).sum(1) / c["a"]).exp())(c),
    ),
    "anorm": reason("the asymmetric norm loss is a sibling of agce, aul and ael outside the suite's list"),
    "nnce": anl,
    "nnfl": anl,
    "anl_ce": anl,
    "anl_fl": anl,
    "anl_ce_er": anl,
    # losses_js_boot_clip
    "js_scaled": js_case,
    "js_unscaled": js_case,
    "gjs_scaled": gjs_case,
    "gjs_no_consistency": reason("an ablation of the paper, without the consistency term that makes it GJS"),
    "bootstrap_soft_gjs": on_logits(
        bootstrap_soft.BootstrapSoft,
        lambda c, k: {"beta": 1 - c["t"]},
        note="t weighs the prediction: beta = 1 - t; " + EXACT,
        reference=lambda c: clamped(
            lambda p, o, z: -(((1 - c["t"]) * o + c["t"] * z.softmax(1)) * p.log()).sum(1)
        ),
    ),
    "bootstrap_soft": on_logits(
        bootstrap_soft.BootstrapSoft,
        keys("beta"),
        note=EXACT,
        reference=lambda c: clamped(
            lambda p, o, z: -((c["beta"] * o + (1 - c["beta"]) * p) * p.log()).sum(1), 1e-7, 1 - 1e-7
        ),
    ),
    "bootstrap_hard": on_logits(
        bootstrap_hard.BootstrapHard,
        keys("beta"),
        note=EXACT,
        reference=lambda c: clamped(
            lambda p, o, z: (
                -((c["beta"] * o + (1 - c["beta"]) * F.one_hot(z.argmax(1), p.shape[1])) * p.log()).sum(1)
            ),
            1e-7,
            1 - 1e-7,
        ),
    ),
    "bi_tempered": bi_tempered_case,
    "logitclip_ce": logit_clip_case,
    # losses_correction_peer, losses_cores, noise_matrices
    "peer_loss": peer_case,
    "peer_prior_ce": peer_prior,
    "cores2": cores_case,
    "disturblabel": disturb_label,
}
