"""Golden cases of losses, label flips and CORES2, each mapped to the method and configuration that it names.

Where a reference clamps or shifts probabilities, a result also holds the same formula with those clamps and
without, written out in `reference.py` apart from the methods.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from benchmark.checks.golden import Case, Form, Result
from methods import (
    ael,
    agce,
    aul,
    bootstrap_hard,
    bootstrap_soft,
    ce,
    focal,
    gce,
    label_smoothing,
    mae,
    nce_mae,
    nce_rce,
    nls,
    phuber,
    rce,
    sce,
    taylor_ce,
)
from methods.base import Method
from tests.golden.harness import loss_and_grad, make, tensors
from tests.golden.reference import Rows, both_forms, clamped, ref_ce, ref_nce_rce, ref_power, ref_rce
from tests.golden.special import (
    EXACT,
    anl,
    anorm,
    bi_tempered_case,
    cores_case,
    disturb_label,
    gjs_case,
    gjs_without_consistency,
    js_case,
    logit_clip_case,
    nrce,
    peer_case,
    peer_prior,
    truncated,
)


def on_logits(
    method_cls: type[Method],
    config: Callable[[dict[str, Any], int], dict[str, Any]] = lambda config, classes: {},
    *,
    form: Form = Form.PAPER,
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
        scaled = {
            "loss": factor * outputs["loss"] + summand,
            "grad_logits": (factor * torch.tensor(outputs["grad_logits"], dtype=logits.dtype)).tolist(),
            "loss_per_sample": [factor * value + summand for value in outputs["loss_per_sample"]],
        }
        return Result(scaled, form, note, **(both_forms(reference(given), logits, y) if reference else {}))

    return run


def keys(*names: str, **renamed: str) -> Callable[[dict[str, Any], int], dict[str, Any]]:
    """Takes these keys of a golden's config, `renamed` ones (ours="theirs") under our names."""
    pairs = [*((name, name) for name in names), *renamed.items()]
    return lambda config, classes: {ours: config[theirs] for ours, theirs in pairs if theirs in config}


def ls_constant(config: dict[str, Any], classes: int) -> float:
    """Minus the entropy of the smoothed label: cross entropy minus it is the divergence from the label."""
    low = config["t"] / classes
    high = 1 - config["t"] + low
    return high * math.log(high) + (classes - 1) * low * math.log(low) if 0 < config["t"] < 1 else 0.0


def lsr_mass(config: dict[str, Any], classes: int) -> float:
    """What the target of the ten-class code sums to with `classes` classes."""
    return 1 - config["epsilon"] - config["epsilon"] / 10 + classes * config["epsilon"] / 10


def nls_rate(config: dict[str, Any], classes: int) -> dict[str, Any]:
    wa, wb = config.get("wa", 0), config.get("wb", 1)
    return {"smooth_rate": config["smooth_rate"] * wb / (wa + wb), "warmup": 0.0}


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
        form=Form.OFFICIAL,
        scale=lsr_mass,
        reference=lambda c: clamped(
            lambda p, o, z: -((o * (1 - c["epsilon"] - c["epsilon"] / 10) + c["epsilon"] / 10) * p.log()).sum(1),
            1e-7,
            1 - 1e-7,
        ),
        note="the reference hard-codes 10 classes, so that its targets do not sum to 1: label smoothing at that "
        "ratio of weights, times the sum of the target",
    ),
    "mae": on_logits(mae.MAE, keys("scale"), form=Form.OFFICIAL, note="scale = 1; the paper's 2 is the default"),
    "mae_alf": on_logits(mae.MAE, keys("scale")),
    "unhinged": on_logits(mae.MAE, lambda c, k: {"scale": 1.0}, form=Form.OFFICIAL, note="mae at scale = 1"),
    "nmae": on_logits(
        mae.MAE,
        lambda c, k: {"scale": c["scale"] / (2 * (k - 1))},
        form=Form.OFFICIAL,
        note="mae at scale = 1 / (2 (K - 1)), the reference's; the paper's is 1 / (K - 1)",
    ),
    "focal": on_logits(
        focal.Focal,
        lambda c, k: {"gamma": c["gamma"], "detach_factor": True},
        form=Form.OFFICIAL,
        note=DETACHED,
    ),
    "nfl": on_logits(
        focal.Focal,
        lambda c, k: {"gamma": c["gamma"], "detach_factor": True, "normalized": True},
        form=Form.OFFICIAL,
        note=DETACHED,
        scale=lambda c, k: c.get("scale", 1.0),
    ),
    "taylor_ce": on_logits(taylor_ce.TaylorCE, keys("order")),
    # losses_robust
    "gce": on_logits(
        gce.GCE,
        keys("q"),
        note=EXACT,
        reference=lambda c: clamped(lambda p, o, z: ref_power((o * p).sum(1), c["q"]), c.get("clamp_min", 1e-7)),
    ),
    "gce_phuber_eps": on_logits(
        gce.GCE,
        keys("q"),
        note=EXACT,
        reference=lambda c: clamped(lambda p, o, z: ref_power((o * p).sum(1), c["q"]), 0.0, eps=c["eps"]),
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
            lambda p, o, z: c["alpha"] * ref_ce(z, o) + c["beta"] * ref_rce(p, o, c.get("label_clamp", 1e-4)),
            c.get("p_clamp", 1e-7),
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
    "nce": on_logits(nce_rce.NCERCE, lambda c, k: {"alpha": c.get("scale", 1.0), "beta": 0.0}),
    "nce_rce": on_logits(
        nce_rce.NCERCE,
        keys("alpha", "beta"),
        note=EXACT,
        reference=ref_nce_rce,
    ),
    "nfl_rce": on_logits(
        nce_rce.NCERCE,
        lambda c, k: keys("alpha", "beta", "gamma")(c, k) | {"detach_factor": True},
        form=Form.OFFICIAL,
        note=DETACHED,
        reference=ref_nce_rce,
    ),
    "nce_mae": on_logits(nce_mae.NCEMAE, keys("alpha", "beta")),
    "phuber_ce": on_logits(phuber.PHuber, keys("tau")),
    "phuber_gce": on_logits(phuber.PHuber, keys("tau", "q")),
    # losses_asym_anl
    "agce": on_logits(agce.AGCE, keys("a", "q")),
    "aul": on_logits(aul.AUL, keys("a", "q")),
    "ael": on_logits(ael.AEL, keys("a")),
    "nce_agce": on_logits(agce.AGCE, keys("alpha", "beta", "a", "q")),
    "nce_aul": on_logits(aul.AUL, keys("alpha", "beta", "a", "q")),
    "nce_ael": on_logits(ael.AEL, keys("alpha", "beta", "a")),
    "anorm": anorm,
    "nnce": anl,
    "nnfl": anl,
    "anl_ce": anl,
    "anl_fl": anl,
    "anl_ce_er": anl,
    # losses_js_boot_clip
    "js_scaled": js_case,
    "js_unscaled": js_case,
    "gjs_scaled": gjs_case,
    "gjs_no_consistency": gjs_without_consistency,
    "bootstrap_soft_gjs": on_logits(
        bootstrap_soft.BootstrapSoft,
        lambda c, k: {"beta": 1 - c["t"]},
        note="t weighs the prediction: beta = 1 - t; " + EXACT,
        reference=lambda c: clamped(lambda p, o, z: -(((1 - c["t"]) * o + c["t"] * z.softmax(1)) * p.log()).sum(1)),
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
            lambda p, o, z: -((c["beta"] * o + (1 - c["beta"]) * F.one_hot(z.argmax(1), p.shape[1])) * p.log()).sum(1),
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
