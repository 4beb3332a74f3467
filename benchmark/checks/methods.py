"""Checks of what every method promises."""

from __future__ import annotations

import io
import math
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.checks import under_noise
from benchmark.checks.lab import Lab, differing, one_thread
from benchmark.checks.options import check_options
from benchmark.checks.runner import CheckFailed
from benchmark.errors import UsageError
from benchmark.grid.tuning import own_axes
from benchmark.registry import METHODS
from methods.base import HINT_NAMES, Batch, Method, MissingHint

SHORT = 3
"""Epochs of checks that need no full training."""
STOPS = (2, 5)
"""Epochs at whose ends a run is stopped and resumed."""
LEARNED = 0.9
"""Test accuracy at which separable images are learned."""
SURE = 60.0
"""At logits of +-60 probabilities are exactly 0 and 1 in float32, as exp(-120) is 0."""


def takes_a_step(method: str, options: dict[str, Any]) -> None:
    """`plan` gives batches, `loss` a scalar, and `step` detached scalars, the loss among them."""
    lab = Lab(method, options, epochs=SHORT)
    if lab.instance.card.trains and not lab.kit.state_dict():
        raise CheckFailed(
            'build made no optimizer; write `self.optimizer = self.kit.optimizer("net", self.net.parameters())`, so '
            "that it follows the suite's recipe and is kept in checkpoints",
            at=lab.instance.build,
        )
    lab.start(0)
    plan = lab.instance.plan(0, lab.data)
    if not isinstance(plan, Iterable):
        raise CheckFailed(
            f"it returned {_described(plan)}; expected batches, as in `return data.batches()`", at=lab.instance.plan
        )
    batch = next(iter(plan), None)
    if not isinstance(batch, Batch):
        raise CheckFailed(
            f"its first batch is {_described(batch)}; expected those of `data.batches()`", at=lab.instance.plan
        )
    given_loss = lab.instance.loss

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        value = given_loss(logits, batch)
        if not (isinstance(value, Tensor) and value.dim() == 0):
            message = f"loss returned {_described(value)}; expected a scalar tensor: take the mean, `.mean()`"
            raise CheckFailed(message, at=given_loss)
        return value

    lab.instance.loss = loss  # type: ignore[method-assign]
    values = lab.instance.step(batch)
    if not isinstance(values, dict) or "loss" not in values:
        message = f'step returned {_described(values)}; expected a dict, {{"loss": loss.detach()}} at least'
        raise CheckFailed(message, at=lab.instance.step)
    for name, value in values.items():
        if not (isinstance(value, Tensor) and value.dim() == 0) or value.requires_grad:
            raise CheckFailed(
                f"step returned {_described(value)} as {name!r}; expected a detached scalar tensor: `.mean().detach()`",
                at=lab.instance.step,
            )


def _described(value: object) -> str:
    """Such as "a tensor of shape [16]" or "None"."""
    if isinstance(value, Tensor):
        shape = f"a tensor of shape {list(value.shape)}" if value.dim() else "a scalar tensor"
        return f"{shape} with its graph" if value.requires_grad else shape
    if isinstance(value, dict):
        return f"a dict with {', '.join(map(repr, value)) or 'nothing'}"
    return "None" if value is None else f"a {type(value).__name__}"


def trains(method: str, options: dict[str, Any]) -> None:
    """Builds, trains with finite losses, and moves its parameters; or declares that it trains nothing."""
    lab = Lab(method, options, epochs=SHORT)
    if not lab.instance.card.trains:
        _stays_the_same(lab)
        return
    before = lab.state()
    progress = lab.train()
    if progress.diverged:
        raise CheckFailed(progress.diverged, at=lab.instance.loss)
    for entry in progress.curve:
        bad = [name for name, value in entry["train"].items() if not math.isfinite(value)]
        if bad:
            raise CheckFailed(f"step returned non-finite {', '.join(bad)} in epoch {entry['epoch']}")
    after = lab.state()
    weights = [name for name, _ in lab.instance.named_parameters()]
    if not weights or not set(differing(before, after)) & set(weights):
        raise CheckFailed("no parameter has moved: does step() call kit.update(loss, optimizer)?")


def _stays_the_same(lab: Lab) -> None:
    """Every epoch gives the predictions of the first one, on which the engine relies."""
    x, first = lab.data.images.slice(0, 16), None
    for epoch in range(lab.epochs):
        lab.start(epoch)
        for batch in lab.instance.plan(epoch, lab.data):
            lab.instance.step(batch)
        with torch.no_grad():
            now = lab.instance.eval().predict(x)
        first = now if first is None else first
        if not torch.equal(first, now):
            raise CheckFailed(
                f"its predictions changed in epoch {epoch + 1}, but its card says trains=False, and so only the first "
                "and the last epoch would be run; drop trains=False",
                at=lab.instance.step,
            )


def predicts_logits(method: str, options: dict[str, Any]) -> None:
    """`predict` gives float logits [B, K]."""
    lab = Lab(method, options, epochs=SHORT)
    lab.instance.eval()
    with torch.no_grad():
        logits = lab.instance.predict(lab.data.images.slice(0, 7))
    if not isinstance(logits, Tensor) or logits.shape != (7, lab.num_classes) or not logits.is_floating_point():
        kind = f" of {logits.dtype}" if isinstance(logits, Tensor) else ""
        raise CheckFailed(
            f"predict returned {_described(logits)}{kind}; expected logits [B, K], here floats [7, {lab.num_classes}]",
            at=lab.instance.predict,
        )
    if (logits >= 0).all() and torch.allclose(logits.sum(1), torch.ones(7, dtype=logits.dtype), atol=1e-4):
        message = "predict returned probabilities, rows that sum to 1; return the logits before the softmax"
        raise CheckFailed(message, at=lab.instance.predict)


def predict_is_pure(method: str, options: dict[str, Any]) -> None:
    """`predict` changes nothing, and gives the same twice."""
    lab = Lab(method, options, epochs=SHORT)
    lab.train()
    lab.instance.eval()
    x = lab.data.images.slice(0, 7)
    before, shown = lab.state(), x.clone()
    with torch.no_grad():
        first = lab.instance.predict(shown)
        if not torch.equal(shown, x):
            message = "predict changed the images that it was given, in place; work on a copy, `x.clone()`"
            raise CheckFailed(message, at=lab.instance.predict)
        second = lab.instance.predict(shown)
    if not torch.equal(first, second):
        raise CheckFailed("two predictions of the same images differ: draw nothing at random in predict")
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
        raise CheckFailed(
            f"differs between two equal runs: {', '.join(changed)}; draw from torch's generator, and from no unseeded "
            "one (`np.random.default_rng()`), no clock and no order of a set"
        )


def resumes_bit_identically(method: str, options: dict[str, Any]) -> None:
    """A run that is stopped at an epoch's end and resumed ends in the same bits."""
    whole = Lab(method, options)
    before = _attributes(whole.instance)
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = {stop: Path(folder) / f"{stop}.pt" for stop in STOPS}
        curve = whole.train_and_save(checkpoints).curve
        after = _attributes(whole.instance)
        moved = [f"self.{name}" for name, value in after.items() if before.get(name) != value]
        for stop, checkpoint in checkpoints.items():
            resumed = Lab(method, options)
            again = resumed.trainer(checkpoint).run().curve
            changed = differing(whole.state(), resumed.state())
            if changed:
                raise CheckFailed(
                    f"after a stop at epoch {stop}, {', '.join(changed[:4])} differ: state must live in parameters "
                    "and buffers that build() registers at their final shape"
                    + (f", which {', '.join(moved)} are not" if moved else "")
                )
            for one, other in zip(curve, again, strict=True):
                if one["train"] != other["train"] or one["diagnostics"] != other["diagnostics"]:
                    raise CheckFailed(f"after a stop at epoch {stop}, the curve of epoch {one['epoch']} differs")


def _attributes(instance: Method) -> dict[str, str]:
    """The plain attributes of a method that may hold state, as text."""
    kinds = (int, float, Tensor, np.ndarray, list, dict, set)
    return {
        name: str(value.tolist() if isinstance(value, (Tensor, np.ndarray)) else value)
        for name, value in vars(instance).items()
        if not name.startswith("_") and name not in ("epoch", "training") and isinstance(value, kinds)
    }


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


def changes_nothing_of_others(method: str, options: dict[str, Any]) -> None:
    """Leaves labels and hints as they are, and prints nothing."""
    lab = Lab(method, options)
    hint = lab.kit.hints.given_transition
    labels, transition = lab.data.y.clone(), None if hint is None else hint.clone()
    clean_labels = lab.clean_set.y.clone()
    with redirect_stdout(io.StringIO()) as printed:
        for epoch in range(lab.epochs):
            lab.start(epoch)
            for batch in lab.instance.plan(epoch, lab.data):
                lab.instance.step(batch)
                if not torch.equal(lab.data.y, labels):
                    raise CheckFailed(
                        f"data.y was changed in place in epoch {epoch + 1}, so that all that follows learns from other "
                        "labels; work on a copy, `data.y.clone()`"
                    )
            if not torch.equal(lab.clean_set.y, clean_labels):
                raise CheckFailed("the labels of the clean set were changed in place; work on a copy, `.clone()`")
            if hint is not None and transition is not None and not torch.equal(hint, transition):
                raise CheckFailed("the given transition was changed in place; work on a copy, `.clone()`")
    if text := printed.getvalue().strip():
        first = text.split("\n")[0][:80]
        raise CheckFailed(
            f"it prints ({first!r}), once per step or epoch of every run; return figures from step, or drop the print"
        )


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
    declared, entered = set(lab.instance.card.phase_names), {entry["phase"] for entry in curve}
    missing = declared - entered
    if missing:
        raise CheckFailed(
            f"phases never entered in 8 epochs: {', '.join(sorted(missing))}; declare their official lengths, "
            'such as Phase("warm-up", epochs=10), and do not override `phase`, or take a share of the run: kit.schedule'
        )
    if lab.instance.card.equals_ce:
        return
    if torch.equal(_predictions(lab), _predictions_of_ce()):
        raise CheckFailed("its predictions are those of ce to the bit; say why on the card (`equals_ce`), or mend it")


def _predictions(lab: Lab) -> Tensor:
    """Logits [16, K] of the first training images."""
    with torch.no_grad():
        return lab.instance.eval().predict(lab.data.images.slice(0, 16))


@cache
def _predictions_of_ce() -> Tensor:
    lab = Lab("ce", {})
    lab.train()
    return _predictions(lab)


def learns_clean_data(method: str, options: dict[str, Any]) -> None:
    """Learns a separable problem from clean labels."""
    accuracy = Lab(method, options, epochs=25, noise_rate=0.0).best_accuracy(enough=LEARNED)
    if accuracy < LEARNED:
        raise CheckFailed(f"best test accuracy {accuracy:.2f} on clean separable images; expected {LEARNED:.2f}")


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


def search_ranges_are_options(method: str, options: dict[str, Any]) -> None:
    """Both ends of every range that `--tune` searches are values of the option."""
    plugin = METHODS.load(method)
    for axis in own_axes(plugin):
        for end in (axis.low, axis.high):
            value = round(end) if axis.whole else end
            try:
                check_options(METHODS, method, {**options, axis.option: value})
            except UsageError as error:
                raise CheckFailed(
                    f"the card searches {axis.option} from {axis.low:g} to {axis.high:g}, but {error}; narrow "
                    f'`Search("{axis.option}", ...)` to what its Config takes'
                ) from None


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
        takes_a_step,
        predicts_logits,
        trains,
        predict_is_pure,
        same_seed_same_bits,
        resumes_bit_identically,
        state_is_indexed,
        changes_nothing_of_others,
        asks_only_for_declared_hints,
        enters_every_phase,
        learns_clean_data,
        stays_finite_when_sure,
        trains_on_odd_batches,
        search_ranges_are_options,
    )
} | under_noise.CHECKS


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
