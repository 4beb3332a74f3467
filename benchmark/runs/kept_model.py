"""The trained model of a run as a file beside its record, and the network that is made of it again.

The file is in safetensors format, which holds numbers and text and no code. Its tensors are the state of the method
after the epoch that `val_noisy` chooses, under their own names, and of a frozen backbone the statistics that its
features are standardized by. What else is needed to build the network stands in its metadata: see `About`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from backbones.settings import Settings
from benchmark import model_selection
from benchmark.datasets.new_images import Colors, colors_of
from benchmark.errors import NoisybenchError
from benchmark.grid.job import Job
from benchmark.grid.spec import Part, RunSpec
from benchmark.grid.typed import explained, run_command
from benchmark.hint_names import SOFT_LABELS
from benchmark.parsers import parse_json
from benchmark.registry import BACKBONES, METHODS, Registry
from benchmark.runs.assemble import Network, Plugins, configured, open_backbone
from benchmark.runs.frozen_features import FrozenNetwork, Scale
from benchmark.runs.train import Trained
from benchmark.seeds import seed_for
from benchmark.store import digests, kept
from benchmark.store.atomic import write_atomically
from benchmark.store.content import Record
from benchmark.store.readable import cannot_read
from benchmark.store.store import Store
from benchmark.training.samples import Chosen, Features, Images, Samples
from benchmark.training.train_set import predict
from methods.base import Hints, Method
from methods.base import Settings as MethodSettings

RULE: model_selection.Rule = "val_noisy"
SCALE_MEAN, SCALE_DEVIATION = "features/mean", "features/deviation"
"""Names of the tensors that are no state of the method."""
TOLERANCE = 1e-4
"""Largest difference of a probability between the model in training and the model that is made of its file."""


class ModelError(NoisybenchError):
    """A model cannot be kept, or a kept one cannot be used."""


class About(Settings):
    """What a model file says beside its tensors."""

    rule: str = RULE
    """The reporting rule that chose the epoch."""
    epoch: int
    """From 1 on."""
    classes: tuple[str, ...]
    """[K] names in the order of the labels."""
    shape: tuple[int, int, int]
    """H, W, C of the images that the model takes."""
    colors: Colors
    """Whether the training images had colors; equal values in all channels are gray."""
    train_size: int
    """Number of training images: a method may keep something of each."""
    clean_set: int | None
    """Size of the clean set that the method had."""
    noise_rate: float | None
    """Hints that the method had, as the next."""
    transition: list[list[float]] | None
    frozen_weights: list[str] | str | None
    """Of a frozen backbone: digests of its weights files, or of its tensors where it has no file."""
    files: dict[str, str]
    """Content digest -> where the file or folder lay that the run was made from. For the same machine."""


class KeptModel(nn.Module):
    """A trained method, from images to class probabilities."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, about: About, method: Method, body: FrozenNetwork | None, scale: Scale | None) -> None:
        super().__init__()
        self.about = about
        self.method = method
        self.device = method.kit.device
        self.body = None if body is None else body.network
        if scale is not None:
            self.register_buffer("mean", scale.mean.to(self.device))
            self.register_buffer("deviation", scale.deviation.to(self.device))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, K] of images [B, C, H, W] in [0, 1], as the method predicts."""
        if self.body is not None:
            x = (self.body.features(x) - self.mean) / self.deviation
        return self.method.predict(x)

    def inputs(self, images: np.ndarray) -> Images:
        """`images` [n, H, W, C] uint8 on the model's device."""
        return Images(images, self.device)

    @torch.no_grad()
    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """[n, K] float64 of `images` [n, H, W, C] uint8."""
        return predict(lambda x: self(x).softmax(1), self.inputs(images)).double().cpu().numpy()


def write(run: Trained, plugins: Plugins, job: Job, store: Store) -> None:
    """Writes the model of `run`, after it was made again from what is written and predicted the same.

    Raises ModelError where it did not: its method predicts with something that no parameter or buffer holds.
    """
    about, state = _about(run, job), run.progress.best
    tensors = {name: tensor.contiguous() for name, tensor in state.items()}
    if run.features is not None:
        tensors |= {SCALE_MEAN: run.features.scale.mean, SCALE_DEVIATION: run.features.scale.deviation}
    samples = run.evaluations.val.images
    try:
        method = _method(plugins.network, plugins.method, plugins.method_config, job.spec, about, state, samples)
        again = predict(lambda x: method.predict(x).softmax(1), samples).double().cpu().numpy()
    except RuntimeError as error:  # the state has other names or shapes
        reason = " ".join(str(error).split())[:200]
    else:
        difference = float(np.abs(again - run.progress.probabilities["val"][RULE]).max())
        reason = "" if difference <= TOLERANCE else f"its probabilities would differ by up to {difference:.2g}"
    if reason:
        raise ModelError(
            f"--keep model: {job.spec.method.name} cannot be made again from its parameters and buffers ({reason}); "
            "leave the method out, or type --keep predictions"
        )
    # The file's own digest must be the last one in it.
    told = about.model_dump_json().replace("sha256:", r"sha256\u003a")
    content = save(tensors, metadata={"about": told, "digest": digests.SLOT.decode()})
    write_atomically(kept.path_of(store, job.spec.id, kept.WEIGHTS), digests.seal(content, job.spec.id))


def _about(run: Trained, job: Job) -> About:
    prepared, hints = run.prepared, run.given.hints
    chosen = model_selection.chosen_epochs(run.progress.curve, prepared.main_metric)[RULE]
    assert chosen is not None
    transition = hints.given_transition
    return About(
        epoch=chosen + 1,
        classes=prepared.classes,
        shape=prepared.train.whole.shape[1:],
        colors=colors_of(prepared.train.images),
        train_size=len(prepared.train.noisy),
        clean_set=None if prepared.clean_set is None else len(prepared.clean_set.noisy),
        noise_rate=hints.given_noise_rate,
        transition=None if transition is None else transition.tolist(),
        frozen_weights=None if run.features is None else run.features.weights,
        files=job.files,
    )


def read(record: Record, store: Store, device: torch.device, weights: Mapping[str, str]) -> KeptModel:
    """The model of the run of `record`; `weights`: digest -> path of weights files that lie elsewhere by now.

    Raises ModelError where it is absent, damaged, or cannot be built here, and what plugins raise.
    """
    run_id, path = record["id"], kept.path_of(store, record["id"], kept.WEIGHTS)
    if record["state"] != "ok":
        raise ModelError(f"run {run_id} has no model: it ended {record['state']}; expected a run that was trained")
    spec = RunSpec.model_validate(record["spec"])
    try:
        content = path.read_bytes()
        digests.check_seal(content, run_id)
        about, tensors = _parsed(content)
    except FileNotFoundError:
        command = run_command(spec, {}, *keeping(store))
        raise ModelError(f"run {run_id} has no kept model; type {explained(command)}, which runs it again") from None
    except OSError as error:
        raise cannot_read(path, error) from error
    except ValueError as error:
        command = run_command(spec, {}, *keeping(store), "--again", "all")
        raise ModelError(f"{path} cannot be used: {error}; type {explained(command)}, which makes it again") from error
    for registry, part in ((METHODS, spec.method), (BACKBONES, spec.backbone)):
        _check_version(registry, part, run_id)
    files = _files(spec, about, weights)
    network = Network(open_backbone(spec.backbone, files), spec.backbone)
    plugin, config = configured(METHODS, spec.method, files)
    scale = body = None
    like: Samples = Images(np.zeros((1, *about.shape), dtype=np.uint8), device)
    if SCALE_MEAN in tensors:
        scale = Scale(tensors.pop(SCALE_MEAN), tensors.pop(SCALE_DEVIATION))
        body = FrozenNetwork(network.backbone, spec.backbone, about.shape[2], about.shape[0], device)
        if body.weights != about.frozen_weights:
            raise ModelError(
                f"the frozen network of run {run_id}, {spec.backbone.name}, has other weights here than the run had; "
                "they are drawn or loaded in another way by another version of torch or timm: use the one of the run"
            )
        like = Features(scale.mean.to(device)[None])
    try:
        method = _method(network, plugin, config, spec, about, tensors, like)
    except RuntimeError as error:  # its tensors have other names or shapes
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} does not hold the model of run {run_id} ({reason}); make the run again") from None
    return KeptModel(about, method, body, scale)


def keeping(store: Store) -> tuple[str, ...]:
    """Options of `noisybench run` by which models are kept in `store`."""
    return ("--keep", "model", "--results", str(store.folder))


def _parsed(content: bytes) -> tuple[About, dict[str, Tensor]]:
    """Raises ValueError where it is no model file of this version."""
    length = int.from_bytes(content[:8], "little")
    told = parse_json(content[8 : 8 + length]).get("__metadata__", {}).get("about")
    if told is None:
        raise ValueError("an earlier version of noisybench wrote it, which kept the last epoch")
    return About.model_validate_json(told), load(content)


def _check_version(registry: Registry[Any], part: Part, run_id: str) -> None:
    here = registry.load(part.name, part.source).version
    if here != part.version:
        raise ModelError(
            f"run {run_id} was made by version {part.version} of {part.name}, here is version {here}, which may "
            "predict otherwise; use the noisybench that made the run, or make the run again"
        )


def _files(spec: RunSpec, about: About, weights: Mapping[str, str]) -> dict[str, str]:
    """The files that backbone and method name, by their digests."""
    files = {}
    for option, value in [*spec.backbone.config.items(), *spec.method.config.items()]:
        if not isinstance(value, str) or not value.startswith("sha256:"):
            continue
        path = weights.get(value, about.files.get(value))
        if path is None or not Path(path).exists() or digests.digest(Path(path)) != value:
            where = "" if path is None else f", which lay at {path}"
            raise ModelError(
                f"the model needs the file of the option {option} with the digest {value[:19]}...{where}; name it "
                "with --weights FILE"
            )
        files[value] = path
    return files


def _method(
    network: Network,
    plugin: type[Method],
    config: MethodSettings,
    spec: RunSpec,
    about: About,
    state: Mapping[str, Tensor],
    like: Samples,
) -> Method:
    """The trained method; `like`: samples of the shape that it was trained on, on its device.

    Raises RuntimeError where `state` does not fit it.
    """

    def nothing(count: int) -> tuple[Samples, np.ndarray]:
        """Samples and labels of a set that is never read: the method is built for so many."""
        return Chosen(like, torch.zeros(count, dtype=torch.int64, device=device)), np.zeros(count, dtype=np.int64)

    device = like.data.device
    # Never read either, but a method may copy them when it is built; its state then holds those that it was given.
    uniform = torch.full((about.train_size, len(about.classes)), 1 / len(about.classes), device=device)
    samples, labels = nothing(about.train_size)
    session = network.session(samples, labels, len(about.classes), spec.training, spec.seeds)
    hints = Hints(
        about.noise_rate,
        None if about.transition is None else torch.tensor(about.transition, device=device),
        None if about.clean_set is None else session.train_set(*nothing(about.clean_set)),
        uniform if SOFT_LABELS in plugin.requires(config) else None,
    )
    seed = seed_for("method", spec.seeds.method, spec.method.name)
    method, _ = session.method(plugin, config, seed=seed, hints=hints)
    method.load_state_dict(dict(state))
    method.epoch = about.epoch - 1
    return method.eval()
