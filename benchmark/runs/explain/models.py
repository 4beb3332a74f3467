"""The models that a run is compared with: the same data, noise and seeds by the baseline, and without noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from benchmark.datasets.base import Dataset
from benchmark.errors import UsageError
from benchmark.grid.job import Job, Options
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import Resolved, resolve_method, resolve_noise
from benchmark.grid.spec import MethodPart, NoisePart, RunSpec
from benchmark.grid.typed import explained, run_command
from benchmark.runs import kept_model
from benchmark.runs.assemble import noise_of, source_of
from benchmark.runs.kept_model import About, KeptModel
from benchmark.runs.prepare import Prepared, prepare
from benchmark.store import kept
from benchmark.store.content import Record
from benchmark.store.digests import canonical
from benchmark.store.store import Store


@dataclass(frozen=True)
class Twin:
    """A run that differs from another in one thing."""

    name: str
    spec: RunSpec
    model: KeptModel | None
    """None where the results folder has no kept model of it."""
    command: str
    """What makes it."""


def twins(
    spec: RunSpec, about: About, baseline: str, store: Store, device: torch.device, *, truth_known: bool
) -> list[Twin]:
    """The twin of the method `baseline` and the one without noise, each where it is another run than `spec`.

    Where the truth is unknown nobody has labels without noise, so that there is no such twin. Raises ModelError where a
    kept model is damaged.
    """
    method, clean = resolve_method(PluginRef(baseline)).part, resolve_noise(PluginRef("none"))[0].part
    others = {baseline: spec.model_copy(update={"method": MethodPart(**method.model_dump()), "track": "blind"})}
    if truth_known:
        others["clean labels"] = spec.model_copy(update={"noise": NoisePart(**clean.model_dump())})
    return [_twin(name, other, about, store, device) for name, other in others.items() if other.id != spec.id]


def _twin(name: str, spec: RunSpec, about: About, store: Store, device: torch.device) -> Twin:
    record = store.read(spec.id) if kept.path_of(store, spec.id, kept.WEIGHTS).exists() else None
    model = None if record is None else kept_model.read(record, store, device, about.files)
    return Twin(name, spec, model, run_command(spec, about.files, *kept_model.keeping(store)))


def prepared_again(
    record: Record, about: About, options: Options, named: Resolved | None = None
) -> tuple[Dataset, Prepared]:
    """The data of a run and its labelled sets, as it was trained on them.

    `named`: the data set, where it does not lie where it lay then. Raises UsageError where it is not that of the run,
    and what data sets and noise raise.
    """
    spec = RunSpec.model_validate(record["spec"])
    _check_data(spec, about, named)
    files = {**about.files, **({} if named is None else named.files)}
    job = Job(spec=spec, options=options, files=files)
    source, noise = source_of(job), noise_of(job)
    if source.dataset.digest() != spec.dataset.digest:
        raise UsageError(
            f"{source.dataset.label} has changed since run {record['id']} was trained on it, or is another data set; "
            "put the former files back, or name them: -d DATASET"
        )
    cache = Store(Path(options.results)).cache("data")
    prepared = prepare(source, noise, cache, clean_set=spec.method.clean_set)
    if prepared.manifest.labels_sha256 != record["noise"]["labels_sha256"]:
        raise UsageError(
            f"the noise of run {record['id']} gives other labels here than it gave then, as with another version of "
            "numpy; make the run again"
        )
    return source.dataset, prepared


def _check_data(spec: RunSpec, about: About, named: Resolved | None) -> None:
    """Raises UsageError where the data set is not that of the run, or does not lie where it lay."""
    part = spec.dataset
    if named is not None:
        if (named.part.name, named.part.config) != (part.name, part.config):
            raise UsageError(
                f"-d: the model was trained on {part.name} with other files or options; expected the data set of the "
                f"run: {explained(run_command(spec, about.files))}"
            )
        return
    for digest, path in about.files.items():
        if digest in canonical(part.config).decode() and not Path(path).exists():
            raise UsageError(f"the data of the run lay at {path}, where nothing is now; say where: -d {part.name}:...")
