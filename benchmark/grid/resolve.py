"""From a plugin string to a part of a run spec: finds the class, validates options, replaces files by digests."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, FilePath, ValidationError

from backbones.settings import Settings
from benchmark import plugin_files
from benchmark.errors import UsageError
from benchmark.grid.faults import faults_of
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.spec import Augment, NoisePart, Part, Recipe
from benchmark.hint_names import CLEAN_SET
from benchmark.option_text import exists, expanded, quote
from benchmark.registry import BACKBONES, DATASETS, METHODS, NOISE, Registry
from benchmark.store import digests

C = TypeVar("C", bound=Settings)


class NoChoices(Settings):
    """Nothing but the plugin's own options."""


class DataChoices(Settings):
    """What a suite may say of one of its data sets, beside the data set's own options."""

    subset: int | None = Field(None, ge=2)
    """As the suite's."""
    epochs: int | None = Field(None, ge=1, le=10_000)
    """Instead of the recipe's."""
    labels: FilePath | None = None
    """Labels that replace those of the data, as `noisybench relabel apply` writes them."""


class MethodChoices(Settings):
    """What a suite may say of one of its methods, beside the method's own options."""

    recipe: Recipe = Recipe()
    """Only the fields that are given count: they replace those of the suite's recipe for this method."""

    @property
    def changes(self) -> dict[str, Any]:
        return self.recipe.model_dump(mode="json", exclude_unset=True)


@dataclass(frozen=True)
class Resolved:
    """A part of a run spec, and the paths of its files."""

    part: Part
    files: Mapping[str, str] = field(default_factory=dict)
    """Content digest -> absolute path."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Absolute path -> content digest of the plugin's source files."""


@dataclass(frozen=True)
class ResolvedBackbone(Resolved):
    augmented: bool = True
    """Whether training sees augmented images."""
    stored_views: bool = False
    """Whether these are made once, for all methods."""


@dataclass(frozen=True)
class ResolvedMethod(Resolved):
    hints: frozenset[str] = frozenset()
    """Privileged knowledge that this configuration consumes."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the recipe that are this method's own."""


def make_dataset(ref: PluginRef, data_root: Path, heeded: Collection[str] = ()) -> tuple[Any, DataChoices]:
    """The `Dataset` that `ref` names ("npz:FILE" names its file), and what a suite says of it.

    `heeded`: the choices that the caller carries out. Raises UsageError where others were made: nobody would heed them.
    """
    plugin = DATASETS.load(ref.name)
    positional = "path" if "path" in plugin.Config.model_fields else ""
    options, values, choices = _read(DATASETS, ref, DataChoices, positional)
    if values and not positional:
        raise UsageError(f"data set {ref.name!r}: expected key=value options after the colon")
    if len(values) > 1:
        raise UsageError(
            f"data set {ref.name!r}: {ref.text!r} is no file or folder, and was read as {len(values)} names; expected "
            f"one, in quotes where it holds a comma: {ref.name}:{quote(ref.text)}"
        )
    if ignored := sorted(choices.model_fields_set - set(heeded)):
        raise UsageError(f"data set {ref.name!r}: {', '.join(ignored)} would have no effect here; leave it out")
    options |= dict.fromkeys([positional] if values else [], *values)
    if positional:
        _refuse_absent(ref.name, options.get(positional))
    return plugin(DATASETS.plain_name(ref.name), _validated(DATASETS, ref, options), data_root), choices


def _refuse_absent(name: str, given: Any) -> None:
    """Raises UsageError where there is nothing at the path `given` of the data set `name`."""
    if not isinstance(given, str | Path) or exists(path := expanded(given)):
        return
    beside = [one.name for one in path.parent.iterdir()] if exists(path.parent) and path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    hint = f"did you mean {near[0]}?" if near else "expected the path of a file or folder"
    raise UsageError(f"data set {name!r}: {path} does not exist; {hint}")


def resolve_dataset(ref: PluginRef, dataset: Any) -> Resolved:
    """The part of the `dataset` that `make_dataset` made of `ref`; its paths by the digests of what it reads there."""
    return Resolved(*_part(DATASETS, ref, dataset.cfg, dataset.path_digests()))


def method_options(ref: PluginRef) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that `ref` gives the method, and the fields of the recipe that it changes."""
    options, choices = _named_options(METHODS, ref, MethodChoices)
    return options, choices.changes


def resolve_method(ref: PluginRef) -> ResolvedMethod:
    options, changes = method_options(ref)
    config = _validated(METHODS, ref, options)
    hints = METHODS.load(ref.name).requires(config)
    return ResolvedMethod(*_part(METHODS, ref, config), hints=hints, changes=changes)


def resolve_backbone(ref: PluginRef) -> ResolvedBackbone:
    config = _validated(BACKBONES, ref, _named_options(BACKBONES, ref, NoChoices)[0])
    settled = BACKBONES.load(ref.name).settled(config, BACKBONES.plain_name(ref.name).partition("/")[2])
    stored = getattr(settled, "frozen", False) and settled.augmented
    return ResolvedBackbone(
        *_part(BACKBONES, ref, settled), augmented=getattr(settled, "augmented", True), stored_views=stored
    )


def resolve_noise(ref: PluginRef) -> list[Resolved]:
    """One part per value of the swept field: "symmetric:0,0.2" and {name, rate = [0, 0.2]} are two each."""
    swept = NOISE.load(ref.name).positional
    options, values, _ = _read(NOISE, ref, NoChoices, swept)
    if values and not swept:
        raise UsageError(f"noise {ref.name!r} takes no value after the colon")
    if values:
        options[swept] = values
    value = options.get(swept)
    resolved = []
    for item in value if isinstance(value, list) else [value]:
        item_options = {**options, swept: item} if swept in options else options
        config = _validated(NOISE, ref, item_options)
        clean = PluginRef("none")
        if item_options.get("rate") == 0 and not hasattr(config, "noise"):
            # Every kind at rate 0 is the same clean run: one identity, trained once.
            resolved.append(Resolved(*_part(NOISE, clean, _validated(NOISE, clean, {}))))
        else:
            resolved.append(Resolved(*_part(NOISE, ref, config)))
    return resolved


def noise_part(resolved: Resolved, data_root: Path) -> NoisePart:
    """The part of a kind of noise, with the digest of the data set that it takes images from."""
    part = NoisePart(**resolved.part.model_dump())
    plugin = NOISE.load(part.name, part.source)
    source = plugin(plugin.Config.model_validate(digests.to_paths(part.config, resolved.files))).source
    if source is None:
        return part
    data = DATASETS.load(source.name)
    dataset = data(source.name, data.Config.model_validate(source.config), data_root)
    return part.model_copy(update={"outside": dataset.digest()})


CHOICES: dict[str, type[Settings]] = {DATASETS.kind: DataChoices, METHODS.kind: MethodChoices}
"""What may stand beside a plugin's own options, by kind."""


def _read(
    registry: Registry[Any], ref: PluginRef, choices: type[C], positional: str = ""
) -> tuple[dict[str, Any], list[Any], C]:
    """Options of the plugin, values without a name, and the suite's choices; a plugin's own option comes first."""
    own = registry.load(ref.name).Config.model_fields
    options, values = ref.read({**choices.model_fields, **own}, positional)
    chosen = {name: options.pop(name) for name in choices.model_fields if name in options and name not in own}
    try:
        return options, values, choices.model_validate(chosen)
    except ValidationError as error:
        faults = "; ".join(faults_of(error, (), _places(registry, ref.name)))
        raise UsageError(f"{registry.kind} {ref.name!r}: {faults}") from None


def _named_options(registry: Registry[Any], ref: PluginRef, choices: type[C]) -> tuple[dict[str, Any], C]:
    options, values, chosen = _read(registry, ref, choices)
    if values:
        raise UsageError(
            f"{registry.kind} {ref.name!r}: option {values[0]!r} has no name; "
            f"expected key=value, for example {ref.name}:key=value"
        )
    return options, chosen


def _validated(registry: Registry[Any], ref: PluginRef, options: dict[str, Any]) -> Any:
    plugin = registry.load(ref.name)
    try:
        return plugin.Config.model_validate(options, context={"relative_to": ref.folder})
    except ValidationError as error:
        known = [*plugin.Config.model_fields, *CHOICES.get(registry.kind, NoChoices).model_fields]
        faults = "; ".join(faults_of(error, known, _places(registry, ref.name)))
        raise UsageError(f"{registry.kind} {ref.name!r}: {faults}; its options: {', '.join(known) or 'none'}") from None


def _part(
    registry: Registry[Any], ref: PluginRef, config: Any, known: Mapping[Path, str] | None = None
) -> tuple[Part, dict[str, str], dict[str, str]]:
    files: dict[str, str] = {}
    sources = registry.sources(ref.name)
    part = Part(
        name=registry.plain_name(ref.name),
        version=registry.load(ref.name).version,
        config=digests.to_digests(config.model_dump(), files, known),
        # An installed package's version may stay while its code changes: its files count.
        source=plugin_files.digest(sources) if registry.find(ref.name).external else None,
    )
    return part, files, sources


RECIPE_PLACES = {
    **{key: f"to the recipe: [recipe] {key} = ... (--recipe {key}=...)" for key in Recipe.model_fields},
    **{
        key: f"to the recipe: [recipe] augment = {{{key} = ...}} (--recipe augment.{key}=...)"
        for key in Augment.model_fields
    },
}
"""Where the keys of the recipe belong, in words."""


def _places(registry: Registry[Any], name: str) -> dict[str, str]:
    """Where keys belong that are no options of the plugin `name`, in words."""
    subset = {"subset": "to the suite or to a data set: subset = ... (--subset N, -d NAME:subset=N)"}
    if registry is not METHODS:
        return RECIPE_PLACES | subset
    own = {
        **{key: (f"{key} = ...", f"{key}=...") for key in Recipe.model_fields},
        **{key: (f"augment = {{{key} = ...}}", f"augment.{key}=...") for key in Augment.model_fields},
    }
    return {
        **subset,
        CLEAN_SET: "to the suite: clean_set = ... (--clean-set N)",
        **{
            key: f'to the recipe, of this method alone: {{name = "{name}", recipe = {{{toml}}}}} ({name}:recipe.{text})'
            for key, (toml, text) in own.items()
        },
    }
