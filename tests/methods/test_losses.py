"""Losses and controls: golden parity, closed forms, worked examples, and what must never become NaN."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as F

from methods._losses import focal_terms, log_complement
from methods._mixup import mixup, one_hot
from methods.base import Batch, Method
from tests.golden.harness import TinyData, batch_of, make
from tests.golden.losses import CASES

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = ("basic", "robust", "asym_anl", "js_boot_clip", "correction_peer", "cores")
OTHER = {"forward_correction", "backward_correction"}

LOSSES: dict[str, list[dict[str, Any]]] = {
    "ce": [{}],
    "batch_flip": [{"rho": 0.5}, {"rho": 0.5, "mode": "exact"}],
    "label_smoothing": [{}],
    "mae": [{}],
    "gce": [{}, {"q": 0.01}, {"q": 1.0}, {"normalized": True}],
    "gce_truncated": [{}],
    "sce": [{}],
    "rce": [{}],
    "nce_rce": [{}, {"gamma": 0.5}, {"gamma": 0.5, "detach_factor": True}],
    "nce_mae": [{}],
    "agce": [{}, {"alpha": 1.0, "beta": 4.0, "a": 6.0, "q": 1.5}],
    "aul": [{}, {"alpha": 1.0}],
    "ael": [{}, {"alpha": 1.0}],
    "anl_ce": [{}, {"gamma": 0.5, "entropy": 2.0}],
    "js": [{}, {"label_weight": 0.001}, {"scaled": False}],
    "logit_clip": [{}, {"rescale": "inverse"}, {"norm": 1.0}],
    "phuber": [{}, {"tau": 10.0, "q": 0.7}],
    "focal": [{}, {"gamma": 2.0}, {"normalized": True}, {"detach_factor": True}],
    "taylor_ce": [{}, {"order": 6}],
    "bi_tempered": [{}, {"t1": 0.5, "t2": 4.0}, {"iterations": 5, "smoothing": 0.1}],
    "peer": [{}, {"pairing": "prior"}],
    "nls": [{}, {"warmup": 0.0}],
    "bootstrap_soft": [{}],
    "bootstrap_hard": [{}],
    "cores": [{}, {"prior": "noisy"}],
}
FURTHER = ("gjs", "mixup", "ema", "mixup_ema", "sam")
VARIANTS = [(name, config) for name, configs in LOSSES.items() for config in configs]


def method_class(name: str) -> type[Method]:
    """The one public method that the module defines."""
    module = importlib.import_module(f"methods.{name}")
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Method) and value.__module__ == module.__name__
    ]
    (only,) = classes
    return only


def build(name: str, config: dict[str, Any] | None = None, **kit: Any) -> Method:
    return make(method_class(name), config, **kit)


def loss_of(name: str, logits: Tensor, y: Tensor, config: dict[str, Any] | None = None) -> Tensor:
    return build(name, config, K=logits.shape[1], N=len(y), epoch=9).loss(logits, batch_of(y))


def p_of_label(logits: Tensor, y: Tensor) -> Tensor:
    return logits.softmax(1).gather(1, y[:, None]).squeeze(1)


@pytest.fixture
def logits() -> Tensor:
    return 3 * torch.randn(13, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def y() -> Tensor:
    return torch.arange(13) % 7


# ---- golden parity --------------------------------------------------------------------------------


def golden_cases() -> list[Any]:
    cases = [
        case
        for stem in FILES
        for case in json.loads((GOLDEN / f"losses_{stem}.json").read_text())["cases"]
        if case["method"] not in OTHER
    ]
    matrices = json.loads((GOLDEN / "noise_matrices.json").read_text())["cases"]
    cases += [case for case in matrices if case["method"] == "disturblabel"]
    return [pytest.param(case, id=f"{case['method']}-{i}") for i, case in enumerate(cases)]


def deviation(ours: Any, theirs: Any) -> float:
    return (torch.tensor(ours).double() - torch.tensor(theirs).double()).abs().max().item()


@pytest.mark.parametrize("case", golden_cases())
def test_every_golden_number_of_a_loss_is_reproduced_to_1e_6(case: dict[str, Any]) -> None:
    result = CASES[case["method"]](case)
    if result["status"] == "reason":
        assert result["note"]
        return
    absent = set(case["outputs"]) - set(result["outputs"])
    assert absent <= {"realised_change_rate"}
    for part in ("outputs", "clamped"):
        for name, value in result.get(part, {}).items():
            assert deviation(value, case["outputs"][name]) < 1e-6, f"{part}: {name}"


def test_golden_functions_take_other_shapes_and_extreme_logits(logits: Tensor, y: Tensor) -> None:
    logits[0], logits[1], logits[2] = 0.0, 40.0 * (2 * F.one_hot(y[1], 7) - 1), -40.0
    logits[2, (y[2] + 1) % 7] = 40.0
    for param in golden_cases():
        (case,) = param.values
        if "logits" not in case["inputs"]:
            continue
        inputs = {"logits": logits.tolist(), "labels": y.tolist()}
        for name in case["inputs"]:
            if name not in inputs:
                other = {"logits2": logits.flip(1), "peer_logits": logits.flip(0), "peer_labels": y.flip(0)}
                inputs[name] = other.get(name, torch.arange(13).roll(1)).tolist()
        priors = {
            name: [0.1] * 6 + [0.4] for name in ("noise_prior", "noisy_prior") if case["config"].get(name)
        }
        result = CASES[case["method"]]({**case, "inputs": inputs, "config": case["config"] | priors})
        for name, value in result["outputs"].items():
            assert torch.tensor(value).double().isfinite().all(), f"{case['method']}: {name}"


# ---- stability ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "config"), VARIANTS)
def test_value_and_gradient_are_finite_at_logits_of_60(
    name: str, config: dict[str, Any], dtype: torch.dtype
) -> None:
    rows = torch.tensor([[60.0, -60, -60], [-60, 60, 60], [0, 0, 0], [-60, -60, -60], [1000, 0, -1000]])
    logits = rows.repeat_interleave(3, 0).to(dtype).requires_grad_()
    y = torch.arange(3).repeat(5)
    loss = loss_of(name, logits, y, config)
    (grad,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert grad.isfinite().all()
    assert grad.dtype == dtype


@pytest.mark.parametrize(("name", "config"), VARIANTS)
def test_gradient_agrees_with_finite_differences(name: str, config: dict[str, Any]) -> None:
    if config.get("detach_factor") or config.get("iterations"):
        pytest.skip("the reference's form takes no full gradient on purpose")
    logits = 2 * torch.randn(5, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 3, 0])
    method = build(name, config, K=4, N=5, epoch=9)

    def loss(z: Tensor) -> Tensor:
        torch.manual_seed(0)
        return method.loss(z, batch_of(y))

    assert torch.autograd.gradcheck(loss, logits.requires_grad_(), atol=1e-6)


@pytest.mark.parametrize("name", ["gce", "sce", "nce_rce", "js", "taylor_ce", "focal"])
def test_sure_mistakes_keep_a_gradient(name: str) -> None:
    logits = torch.tensor([[20.0, -20.0, -20.0]], dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(loss_of(name, logits, torch.tensor([1])), logits)
    assert grad.abs().max() > 0


# ---- closed forms ---------------------------------------------------------------------------------


def test_sce_reverse_term_is_9_21_times_one_minus_p(logits: Tensor, y: Tensor) -> None:
    reverse = loss_of("sce", logits, y, {"alpha": 0.0, "beta": 1.0})
    assert reverse.item() == pytest.approx(
        9.210340371976 * (1 - p_of_label(logits, y)).mean().item(), rel=1e-9
    )


def test_gce_tends_to_cross_entropy_and_is_one_minus_p_at_q_1(logits: Tensor, y: Tensor) -> None:
    assert loss_of("gce", logits, y, {"q": 1e-7}).item() == pytest.approx(
        F.cross_entropy(logits, y).item(), rel=1e-5
    )
    assert loss_of("gce", logits, y, {"q": 1.0}).item() == pytest.approx(
        (1 - p_of_label(logits, y)).mean().item()
    )


def test_taylor_order_1_is_half_of_mae_and_high_order_nears_cross_entropy(logits: Tensor, y: Tensor) -> None:
    half = loss_of("mae", logits, y).item() / 2
    assert loss_of("taylor_ce", logits, y, {"order": 1}).item() == pytest.approx(half)
    sure = 3 * F.one_hot(y, 7).double()
    assert loss_of("taylor_ce", sure, y, {"order": 100}).item() == pytest.approx(
        F.cross_entropy(sure, y).item(), rel=1e-6
    )


def test_symmetric_losses_sum_to_a_constant_over_all_labels(logits: Tensor) -> None:
    def total(name: str, config: dict[str, Any]) -> Tensor:
        labels = (torch.full((1,), k) for k in range(7))
        return torch.stack([loss_of(name, logits[:1], y, config) for y in labels]).sum()

    assert total("mae", {}).item() == pytest.approx(2 * 6)
    assert total("nce_rce", {"beta": 0.0}).item() == pytest.approx(1)
    assert total("focal", {"normalized": True, "gamma": 2.0}).item() == pytest.approx(1)
    assert total("gce", {"normalized": True}).item() == pytest.approx(1)


def test_js_tends_to_cross_entropy_as_the_label_weight_vanishes(logits: Tensor, y: Tensor) -> None:
    js = loss_of("js", logits, y, {"label_weight": 1e-6}).item()
    assert js == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-3)


def test_gjs_of_two_equal_views_is_js(logits: Tensor, y: Tensor) -> None:
    method = build("gjs", {"weights": (0.7, 0.1, 0.2)}, K=7)
    gjs = method.loss(torch.cat([logits, logits]), batch_of(y))
    assert gjs.item() == pytest.approx(loss_of("js", logits, y, {"label_weight": 0.7}).item())


def test_gjs_refuses_weights_that_do_not_sum_to_one() -> None:
    with pytest.raises(ValidationError, match="expected 1"):
        build("gjs", {"weights": (0.9, 0.1, 0.1)})


def test_phuber_is_continuous_and_linear_below_its_edge() -> None:
    p = torch.tensor([0.5 + 1e-9, 0.5 - 1e-9, 0.2, 0.1], dtype=torch.float64)
    logits = torch.stack([p.log(), (1 - p).log()], 1)
    values = [loss_of("phuber", row[None], torch.tensor([0])).item() for row in logits]
    assert values[0] == pytest.approx(values[1], abs=1e-7)
    assert values[3] - values[2] == pytest.approx(2 * 0.1)


def test_bi_tempered_probabilities_sum_to_one(logits: Tensor) -> None:
    from methods._losses import tempered_softmax

    for t in (1.05, 1.2, 2.0, 4.0):
        assert (tempered_softmax(10 * logits, t, 20).sum(1) - 1).abs().max() < 1e-6


def test_logit_clip_leaves_short_logits_alone_and_shortens_long_ones(y: Tensor) -> None:
    direction = F.one_hot(y, 7).double()
    assert loss_of("logit_clip", direction, y).item() == pytest.approx(F.cross_entropy(direction, y).item())
    clipped = F.cross_entropy(1.5 * direction, y).item()
    assert loss_of("logit_clip", 50 * direction, y).item() == pytest.approx(clipped)


def test_log_complement_loses_no_digits_near_one() -> None:
    log_p = torch.tensor([[60.0, 0.0, 0.0]]).log_softmax(1)
    assert log_complement(log_p)[0, 0].item() == pytest.approx(math.log(2) - 60, rel=1e-6)
    ordinary = torch.tensor([[0.2, 0.3, 0.5]]).log()
    torch.testing.assert_close(log_complement(ordinary).exp(), 1 - ordinary.exp())


def test_focal_with_gamma_0_is_cross_entropy(logits: Tensor, y: Tensor) -> None:
    assert loss_of("focal", logits, y, {"gamma": 0.0}).item() == pytest.approx(
        F.cross_entropy(logits, y).item()
    )
    torch.testing.assert_close(focal_terms(logits.log_softmax(1), 0.0), -logits.log_softmax(1))


def test_anl_trains_without_weight_decay() -> None:
    assert build("anl_ce").optimizer.param_groups[0]["weight_decay"] == 0


# ---- batch_flip -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["bernoulli", "exact"])
@pytest.mark.parametrize("size", [1, 2, 3, 16, 17, 128])
def test_batch_flip_realizes_its_rate_at_every_batch_size(mode: str, size: int) -> None:
    torch.manual_seed(size)
    rho, rounds = 0.05, 2_000 + 10_000 // size
    method = build("batch_flip", {"rho": rho, "mode": mode}, K=9)
    y = torch.arange(size) % 9
    rate = torch.stack([(method.flip(y, 9) != y).double().mean() for _ in range(rounds)]).mean().item()
    # 5 standard deviations of a mean of independent flips bound both modes.
    assert abs(rate - rho) < 5 * math.sqrt(rho * (1 - rho) / (rounds * size))


@given(size=st.integers(1, 200), rho=st.floats(0, 0.99), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_exact_mode_flips_the_floor_or_the_ceiling(size: int, rho: float, seed: int) -> None:
    torch.manual_seed(seed)
    y = torch.randint(0, 5, (size,))
    flipped = int((build("batch_flip", {"rho": rho, "mode": "exact"}, K=5).flip(y, 5) != y).sum())
    assert math.floor(rho * size - 1e-3) <= flipped <= math.ceil(rho * size + 1e-3)


def test_flipped_labels_are_uniform_over_the_other_classes() -> None:
    torch.manual_seed(0)
    y = torch.full((60_000,), 2)
    counts = build("batch_flip", {"rho": 0.8}, K=5).flip(y, 5).bincount(minlength=5) / len(y)
    torch.testing.assert_close(counts, torch.tensor([0.2, 0.2, 0.2, 0.2, 0.2]), atol=0.01, rtol=0)


def test_expected_gradient_of_batch_flip_is_label_smoothing() -> None:
    rho, classes = 0.05, 9
    z = torch.randn(6, classes, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    y = torch.tensor([0, 3, 8, 4, 4, 1])

    def gradient(loss: Any) -> Tensor:
        leaf = z.clone().requires_grad_()
        return torch.autograd.grad(loss(leaf), leaf)[0]

    # The expectation over flips, taken exactly: each label moves to each of the other classes in turn.
    mean = (1 - rho) * gradient(lambda leaf: F.cross_entropy(leaf, y))
    for move in range(1, classes):
        mean += rho / (classes - 1) * gradient(lambda leaf, m=move: F.cross_entropy(leaf, (y + m) % classes))
    epsilon = rho * classes / (classes - 1)
    assert epsilon == pytest.approx(0.05625)
    smoothed = gradient(lambda leaf: loss_of("label_smoothing", leaf, y, {"epsilon": epsilon}))
    torch.testing.assert_close(mean, smoothed)

    torch.manual_seed(0)
    method = build("batch_flip", {"rho": rho}, K=classes)
    sampled = gradient(lambda leaf: sum(method.loss(leaf, batch_of(y)) for _ in range(4000)) / 4000)
    torch.testing.assert_close(sampled, smoothed, atol=3e-3, rtol=0)


# ---- methods with state or phases -----------------------------------------------------------------


def run(method: Method, data: TinyData, epochs: int) -> list[str]:
    phases = []
    for epoch in range(epochs):
        method.epoch = epoch
        method.train()
        torch.manual_seed(epoch)
        for batch in method.plan(epoch, data):
            result = method.step(batch)
            assert all(value.isfinite() and not value.requires_grad for value in result.values())
        phases.append(method.phase(epoch))
    return phases


@pytest.fixture
def data() -> TinyData:
    x = torch.randn(24, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return TinyData(x=x, y=(x[:, 0] > 0).long() + (x[:, 1] > 0).long(), num_classes=3)


@pytest.mark.parametrize("name", [*LOSSES, *FURTHER])
def test_an_eight_epoch_run_enters_every_phase_and_learns(name: str, data: TinyData) -> None:
    method = build(name, K=3, N=24, epochs=8)
    before = method.predict(data.x).detach().clone()
    assert set(run(method, data, 8)) == set(method.phases)
    after = method.eval().predict(data.x)
    assert after.shape == (24, 3)
    assert not torch.equal(before, after)


@pytest.mark.parametrize("name", [*LOSSES, *FURTHER])
def test_a_resumed_run_is_bit_identical(name: str, data: TinyData) -> None:
    whole = build(name, K=3, N=24, epochs=8)
    run(whole, data, 3)
    resumed = build(name, K=3, N=24, epochs=8)
    resumed.load_state_dict(whole.state_dict())
    for method in (whole, resumed):
        method.epoch = 3
        torch.manual_seed(3)
        for batch in method.plan(3, data):
            method.step(batch)
    assert torch.equal(whole.predict(data.x), resumed.predict(data.x))


@pytest.mark.parametrize("name", [*LOSSES, *FURTHER])
def test_declarations_are_complete(name: str) -> None:
    cls = method_class(name)
    assert cls.proof in {"golden", "closed form", "worked example"}
    assert cls.family in {"control", "robust loss", "label refurbishment", "sample selection"}
    for word in ("State:", "Cost:") if name != "ce" else ("State:",):
        assert word in (cls.__doc__ or "")


def test_gce_prunes_labels_below_k_from_its_start_on(data: TinyData) -> None:
    method = build("gce_truncated", {"k": 0.3}, K=3, N=24, epochs=9)
    run(method, data, 3)
    assert method.kept.all()
    method.epoch = 3
    list(method.plan(3, data))
    expected = p_of_label(method.net(data.x), data.y) > 0.3
    assert torch.equal(method.kept, expected)
    assert 0 < expected.sum() < 24
    logits = torch.zeros(24, 3, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(method.loss(logits, batch_of(data.y)), logits)
    assert torch.equal(grad.abs().sum(1) > 0, expected)


def test_cores_where_nothing_is_kept_gives_zero_without_nan() -> None:
    y = torch.tensor([0, 1])
    wrong = torch.tensor([[-60.0, 60, 0], [60, -60, 0]], dtype=torch.float64, requires_grad=True)
    method = build("cores", K=3, N=2, epochs=8, epoch=7)
    loss = method.loss(wrong, batch_of(y))
    (grad,) = torch.autograd.grad(loss, wrong)
    assert loss.item() == 0
    assert torch.equal(grad, torch.zeros_like(grad))
    assert not method.kit.reports[-1]["kept"].any()


def test_cores_is_cross_entropy_during_its_warmup(logits: Tensor, y: Tensor) -> None:
    loss = build("cores", K=7, N=13, epoch=0).loss(logits, batch_of(y))
    assert loss.item() == pytest.approx(F.cross_entropy(logits, y).item())


def test_peer_weight_rises_from_zero_to_alpha() -> None:
    method = build("peer", epochs=300)
    assert [method.weight(epoch) for epoch in (0, 20, 60, 100, 299)] == [0.0, 0.0, 2.5, 5.0, 5.0]


def test_random_peers_average_to_the_exact_peer_term(logits: Tensor) -> None:
    y = torch.arange(13) % 7
    method = build("peer", K=7, epochs=10, epoch=9)
    base = method.difference(logits, y, logits, y) + 5 * method_term(logits, y)
    torch.manual_seed(0)
    mean = sum(method.loss(logits, batch_of(y)) for _ in range(3000)) / 3000
    pairs = torch.stack([method_term(logits, y.roll(shift)) for shift in range(1, 13)]).mean()
    assert mean.item() == pytest.approx((base - 5 * pairs).item(), abs=0.15)


def method_term(logits: Tensor, y: Tensor) -> Tensor:
    return -(logits.softmax(1) + 1e-5).log().gather(1, y[:, None]).mean()


def test_nls_starts_with_cross_entropy(logits: Tensor, y: Tensor) -> None:
    method = build("nls", {"smooth_rate": -1.0}, K=7, epochs=10)
    assert method.loss(logits, batch_of(y)).item() == pytest.approx(F.cross_entropy(logits, y).item())
    method.epoch = 5
    negative = 2 * F.cross_entropy(logits, y) + logits.log_softmax(1).mean()
    assert method.loss(logits, batch_of(y)).item() == pytest.approx(negative.item())


# ---- mixup, averages, SAM -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 3, 7])
def test_mixup_mixes_samples_and_targets_with_one_weight(size: int) -> None:
    torch.manual_seed(size)
    x = torch.eye(size)
    mixed, targets = mixup(x, torch.eye(size), 1.0)
    assert torch.equal(mixed, targets)
    torch.testing.assert_close(targets.sum(1), torch.ones(size))
    off = targets - torch.diag(targets.diagonal())
    weights = off[off > 0].unique()
    assert len(weights) <= 1 or torch.allclose(weights, weights[0])


def test_dominant_mixup_keeps_each_row_the_larger_part() -> None:
    torch.manual_seed(0)
    for _ in range(20):
        _, targets = mixup(torch.eye(5), torch.eye(5), 4.0, dominant=True)
        assert (targets.diagonal() >= 0.5).all()


def test_mixup_weight_follows_the_beta_distribution() -> None:
    from methods._mixup import beta_weight

    torch.manual_seed(0)
    draws = torch.stack([beta_weight(4.0) for _ in range(4000)])
    assert draws.mean().item() == pytest.approx(0.5, abs=0.01)
    assert draws.var().item() == pytest.approx(1 / (4 * (2 * 4 + 1)), rel=0.1)


def test_mixup_step_trains_on_the_mixture(data: TinyData) -> None:
    method, twin = build("mixup", K=3, N=24), build("ce", K=3, N=24)
    batch = next(iter(data.batches()))
    torch.manual_seed(0)
    method.step(batch)
    torch.manual_seed(0)
    x, targets = mixup(batch.x[0], one_hot(batch.y, 3), 1.0)
    loss = -(targets * twin.net(x).log_softmax(1)).sum(1).mean()
    twin.kit.update(loss, twin.optimizer)
    torch.testing.assert_close(method.predict(data.x), twin.predict(data.x))


def test_ema_predicts_with_the_average_that_its_decay_gives(data: TinyData) -> None:
    method = build("ema", {"decay": 0.5}, K=3, N=24)
    expected = method.net.body.weight.detach().clone()
    batches = list(method.plan(0, data))
    for step, batch in enumerate(batches):
        method.step(batch)
        decay = min(0.5, 1 - (1 + step) ** (-2 / 3))
        expected = decay * expected + (1 - decay) * method.net.body.weight.detach()
    torch.testing.assert_close(method.average.module.body.weight, expected)
    assert not torch.equal(method.predict(data.x), method.net(data.x))
    assert any(key.startswith("average.module.") for key in method.state_dict())


def test_sam_steps_from_the_start_with_the_gradient_at_the_perturbed_weights() -> None:
    """Worked by hand on one weight: logits (w x, 0), y = 0, so the loss is log(1 + exp(-w x))."""
    method = build("sam", {"rho": 0.5}, K=2, lr=0.1)

    class Line(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([self.w * x, torch.zeros_like(x)], 1)

    method.net = Line()
    method.optimizer = method.kit.optimizer("line", method.net.parameters())
    x = torch.full((1, 1, 1), 2.0, dtype=torch.float64)
    method.step(Batch(x=x, y=torch.tensor([0]), index=torch.tensor([0])))
    # The gradient is negative, so the ascent goes to w = 0.5, where it is -2 sigmoid(-1).
    assert method.net.w.item() == pytest.approx(1 + 0.1 * 2 / (1 + math.e))


def test_sam_leaves_running_statistics_to_the_first_pass() -> None:
    from methods.sam import frozen_statistics

    layer = torch.nn.BatchNorm1d(3)
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    with frozen_statistics(layer):
        layer(x)
    assert torch.equal(layer.running_mean, torch.zeros(3))
    assert layer.momentum == 0.1
