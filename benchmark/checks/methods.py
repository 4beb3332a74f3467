"""Checks of what every method promises."""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.checks.lab import Lab, differing, one_thread
from benchmark.checks.runner import CheckFailed
from benchmark.registry import METHODS
from methods.base import HINT_NAMES, MissingHint

SHORT = 3
"""Epochs of checks that need no full training."""
SURE = 60.0
"""At logits of +-60 probabilities are exactly 0 and 1 in float32, as exp(-120) is 0."""


def trains(method: str, options: dict[str, Any]) -> None:
    """Builds, trains with finite losses, and moves its parameters."""
    lab = Lab(method, options, epochs=SHORT)
    before = lab.state()
    progress = lab.train()
    if progress.diverged:
        raise CheckFailed(progress.diverged)
    for entry in progress.curve:
        bad = [name for name, value in entry["train"].items() if not math.isfinite(value)]
        if bad:
            raise CheckFailed(f"step returned non-finite {', '.join(bad)} in epoch {entry['epoch']}")
    after = lab.state()
    weights = [name for name, _ in lab.instance.named_parameters()]
    if not weights or not set(differing(before, after)) & set(weights):
        raise CheckFailed("no parameter has moved: does step() call kit.update(loss, optimizer)?")


def predict_is_pure(method: str, options: dict[str, Any]) -> None:
    """`predict` gives [B, K] logits and changes nothing."""
    lab = Lab(method, options, epochs=SHORT)
    lab.train()
    lab.instance.eval()
    x = lab.data.images.slice(0, 7)
    before = lab.state()
    with torch.no_grad():
        first, second = lab.instance.predict(x), lab.instance.predict(x)
    if first.shape != (7, lab.num_classes):
        raise CheckFailed(f"predict gave shape {tuple(first.shape)}; expected {(7, lab.num_classes)}")
    if not torch.equal(first, second):
        raise CheckFailed("two predictions of the same images differ")
    changed = differing(before, lab.state())
    if changed:
        raise CheckFailed(f"predict changed {', '.join(changed)}")


def same_seed_same_bits(method: str, options: dict[str, Any]) -> None:
    """Equal seeds give equal bits, whatever the random state of the process before."""
    first = Lab(method, options, epochs=SHORT)
    first.train()
    torch.manual_seed(987)
    np.random.seed(987)
    random.seed(987)
    second = Lab(method, options, epochs=SHORT)
    second.train()
    changed = differing(first.state(), second.state())
    if changed:
        raise CheckFailed(f"differs between two equal runs: {', '.join(changed)}; draw from torch's generator")


def resumes_bit_identically(method: str, options: dict[str, Any]) -> None:
    """A run that is stopped at an epoch's end and resumed ends in the same bits."""
    whole = Lab(method, options)
    curve = whole.train().curve
    for stop in (2, 5):
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Path(folder) / "checkpoint.pt"
            trainer = Lab(method, options).trainer(checkpoint)
            trainer.on_epoch = _stop_after(stop)
            try:
                trainer.run()
            except _StopRun:
                trainer._save()
            resumed = Lab(method, options)
            again = resumed.trainer(checkpoint).run().curve
        changed = differing(whole.state(), resumed.state())
        if changed:
            raise CheckFailed(
                f"after a stop at epoch {stop}, {', '.join(changed[:4])} differ: state must live in parameters "
                "and buffers that build() registers at their final shape"
            )
        for one, other in zip(curve, again, strict=True):
            if one["train"] != other["train"] or one["diagnostics"] != other["diagnostics"]:
                raise CheckFailed(f"after a stop at epoch {stop}, the curve of epoch {one['epoch']} differs")


class _StopRun(Exception):
    pass


def _stop_after(epoch: int) -> Callable[[int, int], None]:
    def stop(done: int, total: int) -> None:
        if done == epoch:
            raise _StopRun

    return stop


def state_is_indexed(method: str, options: dict[str, Any]) -> None:
    """During a step, per-sample buffers change only at `batch.index`."""
    lab = Lab(method, options)
    for epoch in range(lab.epochs):
        lab.start(epoch)
        for batch in lab.instance.plan(epoch, lab.data):
            before = lab.state()
            lab.instance.step(batch)
            others = torch.ones(len(lab.data), dtype=torch.bool)
            others[batch.index] = False
            for name, value in lab.state().items():
                if value.ndim and len(value) == len(lab.data) and not name.startswith("net"):
                    rest = {name: value[others]}
                    if differing(rest, {name: before[name][others]}):
                        raise CheckFailed(f"{name} changed outside batch.index in epoch {epoch + 1}")


def asks_only_for_declared_hints(method: str, options: dict[str, Any]) -> None:
    """Uses no hint that `requires` does not name, and says so clearly where a needed one is absent."""
    plugin = METHODS.load(method)
    required = plugin.requires(plugin.Config.model_validate(options))
    if not required <= HINT_NAMES:
        raise CheckFailed(f"needs {sorted(required - HINT_NAMES)}; expected some of {sorted(HINT_NAMES)}")
    Lab(method, options, epochs=SHORT).train()  # hints that are not declared are absent: asking raises
    if not required:
        return
    lab = Lab.__new__(Lab)
    lab.hints = lambda names: Lab.hints(lab, frozenset())  # type: ignore[method-assign]
    try:
        Lab.__init__(lab, method, options, epochs=SHORT)
        lab.train()
    except MissingHint:
        return
    raise CheckFailed(f"declares {sorted(required)} but trains without; drop the declaration")


def enters_every_phase(method: str, options: dict[str, Any]) -> None:
    """In 8 epochs every declared phase is entered, and the weights differ from those of cross entropy."""
    lab = Lab(method, options)
    curve = lab.train().curve
    missing = set(lab.instance.card.phase_names) - {entry["phase"] for entry in curve}
    if missing:
        raise CheckFailed(f"phases never entered in 8 epochs: {', '.join(sorted(missing))}; use kit.schedule")
    if lab.instance.card.equals_ce:
        return
    plain = Lab("ce", {})
    plain.train()
    x = lab.data.images.slice(0, 16)
    with torch.no_grad():
        if torch.equal(lab.instance.eval().predict(x), plain.instance.eval().predict(x)):
            raise CheckFailed(
                "its predictions are those of ce to the bit; say why on the card (`equals_ce`), or mend it"
            )


def learns_clean_data(method: str, options: dict[str, Any]) -> None:
    """Learns a separable problem from clean labels."""
    lab = Lab(method, options, epochs=25, noise_rate=0.0)
    accuracy = max(entry["test"]["accuracy"] for entry in lab.train().curve)
    if accuracy < 0.9:
        raise CheckFailed(f"best test accuracy {accuracy:.2f} on clean separable images; expected .90")


def stays_finite_when_sure(method: str, options: dict[str, Any]) -> None:
    """In every phase, losses and weights stay finite where probabilities are exactly 0 and 1, right and wrong."""
    lab = Lab(method, options)
    for epoch in range(lab.epochs):
        lab.start(epoch)
        lab.sharpen(SURE)
        for batch in lab.instance.plan(epoch, lab.data):
            bad = [name for name, value in lab.instance.step(batch).items() if not math.isfinite(float(value))]
            bad += [name for name, value in lab.instance.named_parameters() if not torch.isfinite(value).all()]
            if bad:
                raise CheckFailed(
                    f"at logits of {SURE:g}, {', '.join(bad[:4])} became infinite or NaN in epoch {epoch + 1}: "
                    "take logarithms of logits (log_softmax), not of probabilities"
                )


def trains_on_odd_batches(method: str, options: dict[str, Any]) -> None:
    """Trains with two classes (or the card's `min_classes`) and with a last batch of two samples."""
    classes = max(2, METHODS.load(method).card.min_classes)
    lab = Lab(method, options, epochs=SHORT, num_classes=classes, batch_size=44)
    progress = lab.train()
    if progress.diverged:
        raise CheckFailed(f"with {classes} classes: {progress.diverged}")


CHECKS: dict[str, Callable[..., None]] = {
    check.__name__: check
    for check in (
        trains,
        predict_is_pure,
        same_seed_same_bits,
        resumes_bit_identically,
        state_is_indexed,
        asks_only_for_declared_hints,
        enters_every_phase,
        learns_clean_data,
        stays_finite_when_sure,
        trains_on_odd_batches,
    )
}


@one_thread()
def loss_trace(method: str) -> list[float]:
    """The losses of the first three steps: they change when the method's numbers do."""
    lab = Lab(method, {}, epochs=4)

    def losses() -> Iterator[float]:
        for epoch in range(lab.epochs):
            lab.start(epoch)
            for batch in lab.instance.plan(epoch, lab.data):
                yield float(lab.instance.step(batch)["loss"])

    return [loss for loss, _ in zip(losses(), range(3), strict=False)]
