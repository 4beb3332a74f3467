"""From a plugin string to a part of a run spec: finds the class, validates options, replaces files by digests."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.errors import UsageError
from benchmark.grid.faults import faults_of
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.spec import Part
from benchmark.registry import BACKBONES, DATASETS, METHODS, NOISE, Registry
from benchmark.store import digests


@dataclass(frozen=True)
class Resolved:
    """A part of a run spec, and the paths of its files."""

    part: Part
    files: Mapping[str, str] = field(default_factory=dict)
    """Content digest -> absolute path."""


@dataclass(frozen=True)
class ResolvedBackbone(Resolved):
    augmented: bool = True
    """Whether training sees augmented images."""


@dataclass(frozen=True)
class ResolvedMethod(Resolved):
    hints: frozenset[str] = frozenset()
    """Privileged knowledge that this configuration consumes."""


def make_dataset(ref: PluginRef, data_root: Path) -> Any:
    """The `Dataset` that `ref` names; "npz:FILE" names its file."""
    plugin = DATASETS.load(ref.name)
    options = ref.options
    if "positional" in options:
        if "path" not in plugin.Config.model_fields or len(options["positional"]) != 1:
            raise UsageError(f"data set {ref.name!r}: expected key=value options after the colon")
        options["path"] = options.pop("positional")[0]
    return plugin(ref.name, _validated(DATASETS, ref, options), data_root)


def resolve_dataset(ref: PluginRef, dataset: Any) -> Resolved:
    """The part of the `dataset` that `make_dataset` made of `ref`; its paths by the digests of what it reads there."""
    return Resolved(*_part(DATASETS, ref, dataset.cfg, dataset.path_digests()))


def resolve_method(ref: PluginRef) -> ResolvedMethod:
    config = _validated(METHODS, ref, _named_options(METHODS, ref))
    return ResolvedMethod(*_part(METHODS, ref, config), hints=METHODS.load(ref.name).requires(config))


def resolve_backbone(ref: PluginRef) -> ResolvedBackbone:
    config = _validated(BACKBONES, ref, _named_options(BACKBONES, ref))
    settled = BACKBONES.load(ref.name).settled(config, ref.name.partition("/")[2])
    return ResolvedBackbone(*_part(BACKBONES, ref, settled), augmented=getattr(settled, "augmented", True))


def resolve_noise(ref: PluginRef) -> list[Resolved]:
    """One part per value of the swept field: "symmetric:0,0.2" and {name, rate = [0, 0.2]} are two each."""
    options = ref.options
    swept = NOISE.load(ref.name).positional
    if "positional" in options:
        if not swept:
            raise UsageError(f"noise {ref.name!r} takes no value after the colon")
        options[swept] = options.pop("positional")
    value = options.get(swept)
    resolved = []
    for item in value if isinstance(value, list) else [value]:
        item_options = {**options, swept: item} if swept in options else options
        config = _validated(NOISE, ref, item_options)
        clean = PluginRef(name="none")
        if item_options.get("rate") == 0 and not hasattr(config, "rho"):
            # Every kind at rate 0 is the same clean run: one identity, trained once.
            resolved.append(Resolved(*_part(NOISE, clean, _validated(NOISE, clean, {}))))
        else:
            resolved.append(Resolved(*_part(NOISE, ref, config)))
    return resolved


def _validated(registry: Registry[Any], ref: PluginRef, options: dict[str, Any]) -> Any:
    plugin = registry.load(ref.name)
    try:
        return plugin.Config.model_validate(options)
    except ValidationError as error:
        known = ", ".join(plugin.Config.model_fields) or "none"
        faults = "; ".join(faults_of(error, plugin.Config.model_fields))
        raise UsageError(f"{registry.kind} {ref.name!r}: {faults}; its options: {known}") from None


def _part(
    registry: Registry[Any], ref: PluginRef, config: Any, known: Mapping[Path, str] | None = None
) -> tuple[Part, dict[str, str]]:
    entry = registry.find(ref.name)
    files: dict[str, str] = {}
    plugin = registry.load(ref.name)
    # An installed package's version may stay while its code changes: the file itself counts.
    path = entry.path or Path(inspect.getfile(plugin))
    part = Part(
        name=ref.name,
        version=plugin.version,
        config=digests.to_digests(config.model_dump(), files, known),
        source=digests.digest(path) if entry.external else None,
    )
    return part, files


def _named_options(registry: Registry[Any], ref: PluginRef) -> dict[str, Any]:
    options = ref.options
    if "positional" in options:
        raise UsageError(
            f"{registry.kind} {ref.name!r}: option {options['positional'][0]!r} has no name; "
            f"expected key=value, for example {ref.name}:key=value"
        )
    return options
