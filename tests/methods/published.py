"""Published lengths and settings of every method, read in papers and official programs, not on our cards.

CIFAR-10 unless said. `steps_per_epoch` follows from the training images and the batch size of the official program.
Where a paper tunes a setting for every noise rate, or names none, the table holds what the suite chose: `chosen`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

ALL, TENTH_HELD_OUT = 50_000, 45_000
"""Training images of CIFAR-10, and what is left where a program holds a tenth out."""


@dataclass(frozen=True)
class Published:
    options: dict[str, Any] = field(default_factory=dict)
    phases: dict[str, int] = field(default_factory=dict)
    """Epochs of each phase, in order."""
    steps_per_epoch: int | None = None
    """None where neither paper nor program says, or where it is not the same in every epoch."""
    uncounted: tuple[str, ...] = ()
    """Phases and lengths whose epochs have as many steps as samples are selected."""
    plain: str | None = None
    """The phase in which the published procedure is cross entropy on all given labels."""
    lengths: dict[str, int] = field(default_factory=dict)
    memories: dict[str, tuple[float, str]] = field(default_factory=dict)
    chosen: dict[str, Any] = field(default_factory=dict)
    by_rule: tuple[str, ...] = ()
    """Options that are none by default, so that the schedule rule or a hint gives them."""
    in_steps_alone: dict[str, int] = field(default_factory=dict)
    """Phases whose length is published in steps, and not in epochs."""


def steps(images: int, batch: int, *, last_dropped: bool = False) -> int:
    return images // batch if last_dropped else math.ceil(images / batch)


def asymmetric(**options: float) -> Published:
    """A loss alone; with alpha > 0 a published combination with NCE (hitcszx/ALFs: denoising/main.py, batch 128)."""
    return Published({**options, "alpha": 0, "beta": 1}, {"train": 120}, steps(ALL, 128))


SMALL_LOSS = Published(
    phases={"ramp": 10, "select": 190},
    steps_per_epoch=steps(ALL, 128, last_dropped=True),
    by_rule=("forget_rate", "ramp"),
)
"""bhanML/Co-teaching, main.py: num_gradual, n_epoch, drop_last; hongxin001/JoCoR and xingruiyu/coteaching_plus too."""
TRANSITION = Published(
    {"percentile": 97, "held_share": 0.1}, {"train": 0}, chosen={"estimate": "anchor", "in_place_filter": False}
)
"""Patrini et al.: anchors at the 97th percentile on CIFAR-10; a tenth is held out (T-Revision, Dual T)."""

PUBLISHED: dict[str, Published] = {
    "ael": asymmetric(a=2.5),
    "agce": asymmetric(a=0.6, q=0.6),
    "aul": asymmetric(a=5.5, q=3),
    "anl_ce": Published(  # Virusdoll/Active-Negative-Loss: 5, 5, 5e-5, no weight decay, log 1e-7
        {"alpha": 5, "beta": 5, "delta": 5e-5, "min_prob": 1e-7, "weight_decay": 0},
        {"train": 120},
        steps(ALL, 128),
        chosen={"gamma": 0, "detach_factor": False, "entropy": 0},
    ),
    "aum": Published(  # 99th percentile; asappresearch/aum: 150 epochs for margins, batch 64, 5,000 images held out
        {"percentile": 99},
        {"train": 300},
        steps(TENTH_HELD_OUT, 64),
        uncounted=("train",),
        lengths={"margins": 150},
        chosen={"form": "paper"},
        by_rule=("epochs",),
    ),
    "backward": TRANSITION,
    "batch_flip": Published(chosen={"rho": 0.05, "mode": "bernoulli"}),
    "bi_tempered": Published({"t1": 0.8, "t2": 1.2}, chosen={"smoothing": 0, "iterations": 20}),
    "bootstrap_hard": Published({"beta": 0.8}),
    "bootstrap_soft": Published({"beta": 0.95}),
    "cal": Published(  # UCSC-REAL/CAL: milestones 10, 40; alpha 2, then 1; max_epoch 100; the sieve at -8 after 65
        {"alpha_first": 2, "alpha_second": 1, "bound": -8},
        {"peer": 65, "covariance": 100},
        steps(ALL, 128),
        by_rule=("sieve",),
    ),
    "cdr": Published(  # xiaoboxia/CDR, main.py: for cifar10 200 epochs, batch 64, split 0.9, no batch dropped
        {"weight_decay": 1e-3}, {"train": 200}, steps(TENTH_HELD_OUT, 64), by_rule=("forget_rate",)
    ),
    "ce": Published(),
    "cgan_augment": Published(  # takuhirok/rGAN, train.py: 100,000 iterations of five batches of 64
        lengths={"gan": 100_000 * 5 // steps(ALL, 64, last_dropped=True)},
        chosen={"transition": "predicted", "held_share": 0.1, "share": 0.5, "side": 32, "width": 16},
        by_rule=("gan",),
    ),
    "codis": Published(  # xiaoboxia/CoDis, main.py: num_gradual 10, n_epoch 200, batch 128, split 0.9, drop_last
        {"co_lambda": 0.1, "divergence": "js"},
        {"ramp": 10, "select": 190},
        steps(TENTH_HELD_OUT, 128, last_dropped=True),
        by_rule=("forget_rate", "ramp"),
    ),
    "confident_learning": Published({"folds": 5}),  # cleanlab's cv_n_folds
    "cores": Published(  # UCSC-REAL/cores, loss.py: beta 0 for 10, to 2 over 30; kept through epoch 30; batch 64
        {"beta": 2, "eps": 1e-8},
        {"warmup": 10, "regularize": 21, "sieve": 69},
        steps(ALL, 64),
        plain="warmup",
        lengths={"ramp": 30},
        chosen={"prior": "noisy"},
        by_rule=("warmup", "ramp", "sieve"),
    ),
    "coteaching": Published(
        phases=SMALL_LOSS.phases,
        steps_per_epoch=SMALL_LOSS.steps_per_epoch,
        chosen={"divide_twice": False},
        by_rule=SMALL_LOSS.by_rule,
    ),
    "coteaching_plus": Published(  # xingruiyu/coteaching_plus, main.py: init_epoch 20, num_gradual 10; 5000 in loss.py
        {"full_steps": 5000},
        {"initial": 20, "disagreement": 180},
        steps(ALL, 128, last_dropped=True),
        lengths={"ramp": 10},
        chosen={"form": "paper"},
        by_rule=("forget_rate", "ramp", "initial"),
    ),
    "disc": Published(  # JackYFL/DISC: algorithms/DISC.py, configs/DISC_CIFAR.py
        {"sigma": 0.5, "cap": 0.99, "hard_weight": 1, "q": 0.7, "alpha": 5},
        {"warm-up": 20, "select": 180},
        steps(ALL, 128),
        plain="warm-up",
        memories={"momentum": (0.99, "epoch")},
        by_rule=("start", "momentum"),
    ),
    "dividemix": Published(  # LiJunnan1992/DivideMix, Train_cifar.py: warm_up 10, rampup_length 16, batch 64
        {"lambda_u": 25, "temperature": 0.5, "alpha": 4, "threshold": 0.5},
        {"warm-up": 10, "divide": 290},
        steps(ALL, 2 * 64),
        uncounted=("divide", "ramp"),
        plain="warm-up",
        lengths={"ramp": 16},
        chosen={"history": 1, "confidence_penalty": False},
        by_rule=("warmup", "ramp"),
    ),
    "dual_t": Published(
        TRANSITION.options, {"train": 200}, steps(TENTH_HELD_OUT, 128), chosen=TRANSITION.chosen
    ),  # cl_epochs 200, trainval_split 0.9
    "elr": Published(  # shengliu66/ELR, config_cifar10.json; 120 epochs in the paper
        {"lam": 3},
        {"train": 120},
        steps(TENTH_HELD_OUT, 128),
        memories={"beta": (0.7, "epoch")},
        by_rule=("beta",),
    ),
    "elr_plus": Published(  # ELR_plus/config_cifar10.json: mixup_alpha, ema_alpha, no ramp on CIFAR-10
        {"lam": 3, "alpha": 1, "ramp": 0},
        {"train": 200},
        steps(TENTH_HELD_OUT, 128),
        memories={"beta": (0.7, "epoch"), "ema_decay": (0.997, "step")},
        chosen={"ema_ramp": 0},
        by_rule=("beta", "ema_decay"),
    ),
    "ema": Published({"decay": 0.999}),  # Mean Teacher
    "fine": Published(  # Kthyeon/FINE_official: 120 epochs, warm-up 40
        {"threshold": 0.5},
        {"warm-up": 40, "select": 80},
        steps(TENTH_HELD_OUT, 128),
        uncounted=("select",),
        plain="warm-up",
        chosen={"score": "square"},
        by_rule=("warmup",),
    ),
    "focal": Published(
        {"gamma": 0.5}, {"train": 120}, steps(ALL, 128), chosen={"normalized": False, "detach_factor": False}
    ),  # APL
    "forward": TRANSITION,
    "gce": Published({"q": 0.7}, {"train": 120}, steps(TENTH_HELD_OUT, 128), chosen={"normalized": False}),
    "gce_truncated": Published(  # the paper: from epoch 40 of 120, every 10
        {"q": 0.7, "k": 0.5, "period": 10 / 120},
        {"all samples": 40, "truncated": 80},
        steps(TENTH_HELD_OUT, 128),
        by_rule=("start",),
    ),
    "gjs": Published(  # ErikEnglesson/GJS, train.py: batch 128, drop_last; the paper: 400 epochs, weights for 40 %
        {"weights": (0.9, 0.05, 0.05)}, {"train": 400}, steps(ALL, 128, last_dropped=True), chosen={"scaled": True}
    ),
    "jocor": Published(  # the paper: lambda 0.9 on CIFAR-10
        {"co_lambda": 0.9}, SMALL_LOSS.phases, SMALL_LOSS.steps_per_epoch, by_rule=SMALL_LOSS.by_rule
    ),
    "joint_optimization": Published(  # first_step_train.py: begin 70 of 200, ten epochs; second_step_train.py: 120
        {"alpha": 1.2, "beta": 0.8, "window": 10 / 320},
        {"given labels": 70, "pseudo labels": 130, "retrain": 120},
        steps(TENTH_HELD_OUT, 128),
        by_rule=("begin", "retrain"),
    ),
    "js": Published({"label_weight": 0.7}, {"train": 400}, steps(ALL, 128, last_dropped=True), chosen={"scaled": True}),
    "knn": Published({"k": 10, "k_min": 11, "k_max": 51}, chosen={"vote": "reliability"}),  # SimiFeat, WANN
    "l2rw": Published(in_steps_alone={"train": 80_000}),  # the paper, section 4.3
    "label_smoothing": Published({"epsilon": 0.1}),
    "logit_clip": Published(  # hongxin001/LogitClip, train.py: drop_last; lp 2, temp 1.5
        {"tau": 1.5, "norm": 2}, {"train": 200}, steps(ALL, 128, last_dropped=True), chosen={"rescale": "tau"}
    ),
    "mae": Published({"scale": 2}),  # the sum of |p_k - y_k| is 2 (1 - p_y)
    "meta_weight_net": Published(  # xjtushujun/meta-weight-net: VNet(1, 100, 1), batch 100, 1,000 clean images
        {"hidden": 100, "meta_lr": 1e-3, "meta_decay": 1e-4}, {"train": 120}, steps(ALL - 1_000, 100)
    ),
    "mixup": Published({"alpha": 1}, {"train": 200}, steps(ALL, 128)),  # facebookresearch/mixup-cifar10, train.py
    "mixup_ema": Published({"alpha": 1, "decay": 0.999}, {"train": 200}, steps(ALL, 128)),
    "nce_mae": Published({"alpha": 1, "beta": 1}, {"train": 120}, steps(ALL, 128)),
    "nce_rce": Published(
        {"alpha": 1, "beta": 1, "label_floor": 1e-4},
        {"train": 120},
        steps(ALL, 128),
        chosen={"gamma": 0, "detach_factor": False},
    ),
    "nls": Published(  # main_warmup.py: 120; main_GLS_load.py: 100; s is tuned over [-8, 0.8]
        {},
        {"warmup": 120, "smooth": 100},
        steps(ALL, 128),
        plain="warmup",
        chosen={"smooth_rate": -0.4},
        by_rule=("warmup",),
    ),
    "peer": Published(  # CIFAR-10/runner.py: 40,000 images, incomplete batches skipped, 20 + 20 of 300 epochs, eps 1e-5
        {"eps": 1e-5, "eps_base": 1e-5},
        {"warmup": 20, "rise": 20, "peer": 260},
        steps(40_000, 128, last_dropped=True),
        plain="warmup",
        chosen={"alpha": 1, "pairing": "random"},
        by_rule=("warmup", "ramp_end"),
    ),
    "pes": Published(  # PES_cs.py: T1 25, T2 7, T3 5; epochs 26 to 199 after them; split 0.9, drop_last
        {"refine_lr": 1e-4},
        {"early": 25, "late stages": 7, "head": 5, "confident": 200 - 25 - 1},
        steps(TENTH_HELD_OUT, 128, last_dropped=True),
        uncounted=("confident",),
        plain="early",
        chosen={"form": "paper"},
        by_rule=("first", "second", "third"),
    ),
    "pes_semi": Published(  # PES_semi.py: T1 20, T2 5 beside 300 epochs, rampup_length 16, batch 128, 390 steps
        {"refine_lr": 1e-4, "temperature": 0.5, "alpha": 4, "late_alpha": 0.75},
        {"early": 20, "head": 5, "mixmatch": 300 - 20},
        steps(ALL, 128, last_dropped=True),
        plain="early",
        lengths={"ramp": 16},
        chosen={"lambda_u": 15, "form": "paper"},
        by_rule=("first", "second", "ramp"),
    ),
    "phuber": Published({"tau": 2}, {"train": 200}, None, chosen={"q": 0}),
    "plc": Published(  # cifar/train.py: delta, inc, rollWindow 5, warm_up 8 and an epoch more, of 180
        {"delta": 0.3, "increment": 0.1, "window": 5 / 180},
        {"warm-up": 8 + 1, "correct": 171},
        steps(TENTH_HELD_OUT, 128),
        plain="warm-up",
        by_rule=("warmup",),
    ),
    "promix": Published(  # Train_promix.py, run.sh: pretrain_ep 10, warmup_ep 50, epochs 0 to 600, batch 256
        {"tau": 0.99, "debias": 0.8, "expand": 250 / 601, "unreliable_weight": 0.1, "temperature": 0.5, "alpha": 4},
        {"warm-up": 10, "select": 601 - 10},
        steps(ALL, 256),
        uncounted=("select", "ramp"),
        plain="warm-up",
        lengths={"ramp": 50},
        memories={"bias_momentum": (0.9999, "step")},
        chosen={"rho": 0.5},
        by_rule=("warmup", "ramp", "bias_momentum"),
    ),
    "rce": Published({"label_floor": 1e-4}, chosen={"scale": 1}),
    "sam": Published({"rho": 0.05}),
    "sce": Published({"alpha": 0.1, "beta": 1, "label_floor": 1e-4}, {"train": 120}, steps(ALL, 128)),
    "small_loss": SMALL_LOSS,
    "soft_ce": Published(),
    "sop": Published(  # lr_u, lr_v 10; 120 epochs; data_loader/cifar10.py trains on all images
        {"lr_u": 10, "lr_v": 10, "init_std": 1e-8},
        {"train": 120},
        steps(ALL, 128),
        chosen={"consistency": 0, "balance": 0},
    ),
    "strong_ce": Published({"epsilon": 0.1, "decay": 0.999}, chosen={"weight_decay": 5e-4, "held": 0.1}),
    "t_revision": Published(  # main.py: n_epoch, n_epoch_revision 200, lr_revision 5e-7, percentile 97
        {**TRANSITION.options, "lr_correction": 5e-7},
        {"reweight": 200, "revise": 200},
        steps(TENTH_HELD_OUT, 128),
        chosen={**TRANSITION.chosen, "form": "paper"},
        by_rule=("revision",),
    ),
    "taylor_ce": Published({"order": 2}),
    "unicon": Published(  # Train_cifar.py: warm_up 10, num_epochs 350, rampup_length 16, batch 64
        {"lambda_u": 30, "lambda_c": 0.025, "temperature": 0.5, "alpha": 4},
        {"warm-up": 10, "select": 340},
        steps(ALL, 2 * 64),
        uncounted=("select", "ramp"),
        plain="warm-up",
        lengths={"ramp": 16},
        chosen={"confidence_penalty": False},
        by_rule=("warmup", "ramp"),
    ),
    "volminnet": Published(  # main.py: lam 1e-4, lr 0.01, 80 epochs on cifar10; init 2, momentum 0.9
        {"lam": 1e-4, "init": 2, "lr": 0.01, "momentum": 0.9, "optimizer": "sgd"},
        {"train": 80},
        steps(TENTH_HELD_OUT, 128),
    ),
}
