"""What is promised of a GPU: the numbers of the CPU, no waiting inside an epoch, packed runs, bfloat16."""

import itertools
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from benchmark.checks.speed import machine
from benchmark.checks.speed.machine import Training
from benchmark.checks.speed.steps import CPU, Steps
from benchmark.registry import METHODS
from benchmark.runs.executors.packing import measured_needs
from benchmark.store.store import Store
from tests.cli.test_run import records

STEPS = 12
LAST_EPOCH = 4


def trace(method, device, *, amp=False):
    """Losses of some steps, augmentation included."""
    steps = Steps(method, num_samples=512, device=device, amp=amp)
    batches = itertools.chain.from_iterable(map(steps.plan, range(STEPS)))
    return torch.stack([steps.method.step(batch)["loss"] for batch in itertools.islice(batches, STEPS)]).cpu()


def largest_difference(ours, theirs):
    return f"{((ours - theirs) / theirs).abs().max():.1e}"


@pytest.mark.parametrize("method", ["ce", "gce", "elr"])
def test_training_has_the_losses_of_the_cpu(method, device, report):
    ours, theirs = trace(method, device), trace(method, CPU)
    report(f"largest relative difference of {method}'s losses from the CPU", largest_difference(ours, theirs))
    torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("method", [entry.name for entry in METHODS.entries()])
def test_no_step_waits_for_the_device(method, device, report, sync_is_an_error):
    steps = Steps(method, epochs=LAST_EPOCH, device=device)
    steps.step()  # optimizers make their state at their first step
    with sync_is_an_error():
        for _ in range(3):
            steps.step()


def test_no_batch_waits_for_the_device_after_the_first(device, report, sync_is_an_error):
    """The order of an epoch is uploaded once, with its first batch."""
    steps = Steps("ce", num_samples=1024, device=device)
    plan = steps.plan(0)
    steps.method.step(next(plan))
    with sync_is_an_error():
        for batch in plan:
            steps.method.step(batch)


def test_bfloat16_is_used_inside_and_float32_at_the_loss(device, report):
    steps = Steps("ce", device=device, amp=True)
    seen = []
    layers = [layer for layer in steps.method.net.modules() if isinstance(layer, nn.Conv2d)]
    layers[-1].register_forward_hook(lambda layer, inputs, output: seen.append(output.dtype))
    logits = steps.method.net(steps.batches[0].x[0])
    assert seen == [torch.bfloat16]
    assert logits.dtype == torch.float32
    mixed, exact = trace("ce", device, amp=True), trace("ce", device)
    report("largest relative difference of bfloat16 losses from float32", largest_difference(mixed, exact))
    torch.testing.assert_close(mixed, exact, rtol=0.1, atol=0.05)


def test_runs_packed_on_one_gpu_end_as_runs_alone(noisybench, tmp_path, report):
    grid = ("run", "-d", "digits", "-m", "ce", "-m", "gce", "-n", "symmetric:0.4", "--seeds", "2", "--epochs", "3")
    found = []
    for slots in (1, 4):
        folder = tmp_path / f"slots{slots}"
        noisybench(*grid, "--device", "cuda", "--slots", str(slots), "--results", str(folder), timeout=600)
        found.append(records(folder))
    alone, packed = found
    assert len(packed) == 4
    assert alone.keys() == packed.keys()
    report("packed runs are bit-identical to runs alone", alone == packed)
    for run_id, record in packed.items():
        assert record["state"] == "ok"
        accuracies = [r["metrics"]["last"]["accuracy"] for r in (record, alone[run_id])]
        assert accuracies[0] == pytest.approx(accuracies[1], abs=0.02)


def test_as_many_runs_as_fit_share_a_gpu_and_end_as_runs_alone(noisybench, tmp_path, report):
    grid = ("run", "-d", "digits", "-m", "ce", "-n", "symmetric:0.4", "--seeds", "6", "--epochs", "3")
    found = []
    for slots in ("1", "auto"):
        folder = tmp_path / f"slots-{slots}"
        noisybench(*grid, "--device", "cuda", "--slots", slots, "--results", str(folder), timeout=600)
        found.append(records(folder))
        (need,) = measured_needs(Store(folder), "cuda").values()
        report(f"memory of a run of digits with --slots {slots}, MiB", f"{need:.0f}")
    alone, packed = found
    assert alone.keys() == packed.keys()
    assert {record["state"] for record in packed.values()} == {"ok"}


def test_the_machine_proposes_how_many_runs_to_pack(device, report):
    rates = {}
    for division in machine.divisions(device.type):
        rates[division] = machine.images_per_second(Training(device=device.type), division, 5)
        report(f"ResNet-18@28, images/s of {division.processes} packed runs", f"{rates[division]:.0f}")
    assert machine.propose(rates) in rates


@pytest.fixture
def sync_is_an_error():
    @contextmanager
    def watched():
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")

    return watched
