"""Golden cases that need more than logits and labels: state, two views, pairs, several forms at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.checks.golden import Case, Form, Result, Values, Within
from methods import (
    anl_ce,
    aul,
    batch_flip,
    bi_tempered,
    cores,
    gce,
    gce_truncated,
    gjs,
    js,
    logit_clip,
    peer,
    rce,
)
from tests.golden.cases import official, paper
from tests.golden.harness import TinyData, batch_of, loss_and_grad, make, tensor, tensors
from tests.golden.reference import (
    Rows,
    both_forms,
    clamped,
    ref_anl,
    ref_js,
    ref_js_without_consistency,
    ref_rce,
    rows_result,
)

EXACT = "computed in log space; equal to the reference up to its clamps"


def disturb_label(case: Case) -> Result:
    """Shares of labels that the method's own flips leave alone or move, over many draws."""
    config = case["config"]
    classes, count, draws = config["C"], config["N"], 500_000
    method = make(batch_flip.BatchFlip, {"rho": config["alpha_percent"] / 100 * (classes - 1) / classes}, K=classes)
    torch.manual_seed(config["torch_seed"])
    y = torch.arange(draws) % classes
    moved = (method.flip(y, classes) - y) % classes
    shares = (torch.bincount(moved, minlength=classes) / draws).tolist()
    changed = 1 - shares[0]

    def within(share: float, draws: int) -> Within:
        return Within(share, 5 * math.sqrt(share * (1 - share) / draws))

    each = [within(share, draws) for share in shares[1:]]
    outputs = {
        "p_c": within(shares[0], draws),
        "p_i": Every(each),
        "expected_change_rate": within(changed, draws),
        "realised_change_rate": within(changed, count),
    }
    return paper(outputs, "rho = alpha (C - 1) / C; shares of 500,000 flips within 5 standard deviations")


@dataclass(frozen=True)
class Every:
    """Agrees with a golden value that agrees with all of these."""

    parts: list[Within]

    def differences(self, golden: Values, where: str) -> Iterator[str]:
        for part in self.parts:
            yield from part.differences(golden, where)


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
    note = "official normalizer (K - 1) / 4 and corrected 1 / (|A| (K - 1)), all by rce's `scale`"
    return official(outputs(wrong) | corrected, note, **both_forms(reference, logits, y))


def truncated(prune: bool) -> Callable[[Case], Result]:
    def run(case: Case) -> Result:
        logits, y = tensors(case, "logits", "labels")
        q, k = case["config"]["q"], case["config"]["k"]
        method = make(gce_truncated.GCETruncated, {"q": q, "k": k}, K=logits.shape[1], N=len(y))
        if prune:
            method.net = nn.Identity()  # its inputs are the logits
            method.plan(method.starts()[0], TinyData(logits, y, logits.shape[1]))
        z = logits.clone().requires_grad_()
        loss = method.loss(z, batch_of(y))
        (grad,) = torch.autograd.grad(loss, z)
        offset = (1 - k**q) / q
        index = torch.arange(len(y))
        one = [method.loss(logits[i : i + 1], batch_of(y[i : i + 1], index[i : i + 1])).item() for i in index]
        outputs = {
            "loss": loss.item() - offset,
            "grad_logits": grad.tolist(),
            "loss_per_sample": [value - offset for value in one],
        }
        return paper(outputs, "the official value is the paper's minus the constant L_q(k), subtracted here")

    return run


def anl(case: Case) -> Result:
    logits, y = tensors(case, "logits", "labels")
    given = case["config"]
    config: dict[str, Any] = {
        name: given[name] for name in ("alpha", "beta", "delta", "min_prob", "gamma") if name in given
    }
    if case["method"] in ("nnce", "nnfl"):
        config |= {"alpha": 0.0, "beta": 1.0, "delta": 0.0}
    config |= {"entropy": given.get("lamb", 0.0), "detach_factor": config.get("gamma", 0.0) > 0}
    method = make(anl_ce.ANLCE, config, K=logits.shape[1], N=len(y))
    method.net = nn.ParameterList([nn.Parameter(tensor(given.get("l1_parameters", [0.0])))])
    outputs, forms = loss_and_grad(method, logits, y), both_forms(ref_anl(given), logits, y)
    if given.get("lamb"):  # the entropy of the batch mean is no sum over rows
        for values in (outputs, *forms.values()):
            del values["loss_per_sample"]
    if config["detach_factor"]:
        return official(outputs, "detach_factor = true, the official form", **forms)
    return paper(outputs, EXACT, **forms)


def js_case(case: Case) -> Result:
    logits, y = tensors(case, "logits", "labels")
    weights = [float(w) for w in case["config"]["weights"].split()]
    scaled = case["method"] == "js_scaled"
    config = {"label_weight": weights[0], "scaled": scaled}
    method = make(js.JS, config, K=logits.shape[1], N=len(y))
    reference = ref_js(weights, scaled)
    forms = both_forms(lambda z, labels, clamps: reference([z], labels, clamps), logits, y)
    return paper(loss_and_grad(method, logits, y), EXACT, **forms)


def gjs_case(case: Case) -> Result:
    y, *views = tensors(case, "labels", "logits", "logits2")
    weights = tuple(float(w) for w in case["config"]["weights"].split())
    method = make(gjs.GJS, {"weights": weights}, K=views[0].shape[1], N=len(y))
    reference = ref_js(list(weights), True)
    outputs = two_views(lambda z: method.loss(torch.cat(z), batch_of(y)), views)
    return paper(outputs, EXACT, **both_forms_of_views(reference, views, y))


def two_views(loss: Callable[[list[Tensor]], Tensor], views: list[Tensor]) -> dict[str, Any]:
    """The value of `loss` and its gradients in the logits of both views."""
    z = [view.clone().requires_grad_() for view in views]
    value = loss(z)
    first, second = torch.autograd.grad(value, z)
    return {"loss": value.item(), "grad_logits": first.tolist(), "grad_logits2": second.tolist()}


def both_forms_of_views(reference: Rows, views: list[Tensor], y: Tensor) -> dict[str, dict[str, Any]]:
    """`both_forms` of a loss of two views."""
    return {
        "clamped": two_views(lambda z: reference(z, y, True).mean(), views),
        "exact": two_views(lambda z: reference(z, y, False).mean(), views),
    }


def bi_tempered_case(case: Case) -> Result:
    logits, y = tensors(case, "logits", "labels")
    given = case["config"]
    config = {"t1": given["t1"], "t2": given["t2"], "smoothing": given["label_smoothing"]}

    def outputs(more: dict[str, Any]) -> dict[str, Any]:
        return loss_and_grad(make(bi_tempered.BiTempered, config | more, K=logits.shape[1]), logits, y)

    five = outputs({"iterations": given["num_iters"]})
    more = {
        "google_jax_loss": five["loss"],
        "google_jax_grad_logits": five["grad_logits"],
        "converged_loss": outputs({})["loss"],
    }
    return official(five | more, "iterations = num_iters is the official form; converged_loss is the default's")


def logit_clip_case(case: Case) -> Result:
    logits, y = tensors(case, "logits", "labels")
    config = {"tau": case["config"]["temp"], "norm": case["config"].get("lp", 2)}

    def outputs(rescale: str, **more: float) -> dict[str, Any]:
        method = make(logit_clip.LogitClip, config | more | {"rescale": rescale}, K=logits.shape[1])
        return loss_and_grad(method, logits, y)

    default, unclipped = outputs("tau"), outputs("tau", tau=1e9)
    changed = torch.tensor(default["loss_per_sample"]) != torch.tensor(unclipped["loss_per_sample"])
    more = {
        "corrected_loss": default["loss"],
        "corrected_grad_logits": default["grad_logits"],
        "fraction_clipped": changed.double().mean().item(),
    }
    return official(
        outputs("inverse") | more, 'rescale = "inverse" is the official form; corrected_* are the default\'s'
    )


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
    return paper({"loss": loss.item()} | outputs)


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
    return paper(outputs | parts, 'pairing = "prior"')


def cores_case(case: Case) -> Result:
    logits, y = tensors(case, "logits", "labels")
    given = case["config"]
    config = {"prior": "uniform" if given["noise_prior"] is None else "noisy"}
    method = make(cores.CORES, config, K=logits.shape[1], N=len(y), epochs=100, epoch=given["epoch"])
    if given["noise_prior"] is not None:
        method.frequency.copy_(torch.tensor(given["noise_prior"], dtype=torch.float64))
    z = logits.clone().requires_grad_()
    loss = method.loss(z, batch_of(y))
    (grad,) = torch.autograd.grad(loss, z)
    (report,) = method.kit.reports
    unregularized = make(cores.CORES, {"beta": 0.0}, K=logits.shape[1], N=len(y))
    outputs = {
        "loss": loss.item(),
        "grad_logits": grad.tolist(),
        "selected": report["kept"].long().tolist(),
        "per_sample_loss": unregularized.rows(logits, y)[0].tolist(),
        "sieve_metric": (-report["score"]).tolist(),
    }
    return paper(outputs, "the paper's first stage, official constants and schedule of beta")


def anorm(case: Case) -> Result:
    """|a e_y - p|^q summed over classes, less (a - 1)^q, over q: AUL and the classes' own p^q / q, by GCE.

    The suite does not have this loss; the case proves its parts. Sure predictions meet the reference's clamp.
    """
    logits, y = tensors(case, "logits", "labels")
    a, q, classes = case["config"]["a"], case["config"]["p"], logits.shape[1]
    first = make(aul.AUL, {"a": a, "q": q}, K=classes, N=len(y))
    rest = make(gce.GCE, {"q": q}, K=classes, N=len(y))

    def per_sample(z: Tensor, labels: Tensor) -> Tensor:
        rows = []
        for row, label in zip(z.split(1), labels.split(1), strict=True):
            others = [k for k in range(classes) if k != int(label)]
            powers = [1 / q - rest.loss(row, batch_of(torch.full_like(label, k))) for k in others]
            rows.append(torch.stack([first.loss(row, batch_of(label)), *powers]).sum())
        return torch.stack(rows)

    def rows(p: Tensor, onehot: Tensor, z: Tensor) -> Tensor:
        return ((a * onehot - p).abs().pow(q).sum(1) - (a - 1) ** q) / q

    forms = both_forms(clamped(rows, 1e-5), logits, y)
    return Result(rows_result(per_sample, logits, y), Form.PAPER, "composed of aul and gce", **forms)


def gjs_without_consistency(case: Case) -> Result:
    """JS between the label and the weighted sum of the predictions, which sums to r = 1 - w_0 and not to 1.

    With the mean prediction q that is Z [w JS_{w_0 / w}(e_y, q) - w log w + r^2 log r], w = w_0 + r^2: an affine
    map of js without its scale, at the logits log q.
    """
    y, *views = tensors(case, "labels", "logits", "logits2")
    label, *weights = (float(part) for part in case["config"]["weights"].split())
    r = 1 - label
    w, scale = label + r**2, -1 / (r * math.log(r))
    method = make(js.JS, {"label_weight": label / w, "scaled": False}, K=views[0].shape[1], N=len(y))

    def loss(z: list[Tensor]) -> Tensor:
        parts = [view.log_softmax(1) + math.log(part) for view, part in zip(z, weights, strict=True)]
        value = method.loss(torch.stack(parts).logsumexp(0), batch_of(y))
        return scale * (w * value - w * math.log(w) + r**2 * math.log(r))

    forms = both_forms_of_views(ref_js_without_consistency([label, *weights]), views, y)
    return official(two_views(loss, views), "an ablation of the paper, by js of the mean prediction", **forms)
