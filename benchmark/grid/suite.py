"""Suites: which runs a grid holds. Reads a TOML file or command-line axes, reports every fault at once."""

from __future__ import annotations

import difflib
import functools
import inspect
import itertools
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from backbones.settings import Settings
from benchmark.errors import UsageError
from benchmark.grid.spec import (
    Augment,
    DataPart,
    Job,
    NoisePart,
    Options,
    Part,
    Recipe,
    RunSpec,
    Seeds,
    Track,
)
from benchmark.registry import BACKBONES, DATASETS, METHODS, NOISE, Registry
from benchmark.store import digests

SUITES = Path(__file__).parent / "suites"


class SuiteError(UsageError):
    """A suite that cannot be run, with all its faults."""

    def __init__(self, origin: str, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n  ".join([f"{origin}: {len(faults)} fault(s)", *faults]))


class Reference(BaseModel):
    """A plugin and its options, as a suite names it: "gce:q=0.5" or {name = "gce", q = 0.5}."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def parse_reference(text: str) -> dict[str, Any]:
    """ "symmetric:0,0.2" -> {name, positional: [0, 0.2]}; "gce:q=0.5" -> {name, q: 0.5}."""
    name, _, rest = text.partition(":")
    parsed: dict[str, Any] = {"name": name}
    for item in filter(None, _split_outside_brackets(rest)):
        key, equals, value = item.partition("=")
        if equals and key.isidentifier():
            parsed[key] = parse_value(value)
        else:
            parsed.setdefault("positional", []).append(parse_value(item))
    return parsed


def _split_outside_brackets(text: str) -> Iterator[str]:
    """Parts of "0.4,map=[[0,1],[1,0]]" between the commas that no square or curly bracket encloses."""
    start = depth = 0
    for position, letter in enumerate(text):
        depth = max(0, depth + (letter in "[{") - (letter in "]}"))
        if letter == "," and depth == 0:
            yield text[start:position]
            start = position + 1
    yield text[start:]


def read_reference(item: Any) -> Reference:
    return Reference.model_validate(parse_reference(item) if isinstance(item, str) else item)


def parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


class SeedAxes(Settings):
    """Seeds crossed: every combination of the given values is a run."""

    noise: list[int]
    init: list[int]
    order: list[int]
    method: list[int]


class Suite(BaseModel):
    """A grid: the product of its axes under one recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = "command line"
    title: str = ""
    datasets: list[Reference] = Field(min_length=1)
    backbones: list[Reference] = Field(default=[Reference(name="cnn")], min_length=1)
    methods: list[Reference] = Field(min_length=1)
    noise: list[Reference] = Field(min_length=1)
    seeds: int | list[int] | SeedAxes = 5
    tracks: list[Track] = Field(default=["blind"], min_length=1)
    recipe: Recipe = Recipe()
    subset: int | None = Field(None, ge=2)
    extra_tests: dict[str, str] = {}
    keep: Literal["none", "predictions", "model"] = "none"
    allow_unidentifiable: bool = False
    assumptions: dict[str, str] = {}
    """What the source of a suite leaves open, and what was assumed."""

    @field_validator("datasets", "backbones", "methods", "noise", mode="before")
    @classmethod
    def _read_references(cls, value: Any) -> Any:
        items = value if isinstance(value, list) else [value]
        return [parse_reference(item) if isinstance(item, str) else item for item in items]

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, value: Any) -> Any:
        if isinstance(value, int) and not 1 <= value <= 1000:
            raise ValueError("expected a number of seeds from 1 to 1000, or a list of seeds")
        if isinstance(value, list) and (not value or len(set(value)) < len(value)):
            raise ValueError("expected a list of different seeds")
        return value

    def all_seeds(self) -> list[Seeds]:
        if isinstance(self.seeds, SeedAxes):
            axes = self.seeds.model_dump()
            return [Seeds(**dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())]
        return [Seeds.equal(s) for s in (range(self.seeds) if isinstance(self.seeds, int) else self.seeds)]


def names() -> list[str]:
    return sorted(path.stem for path in SUITES.glob("*.toml"))


def load(name: str, overrides: dict[str, Any] | None = None) -> Suite:
    """The suite of that name or file, its keys replaced by `overrides` where given."""
    path = Path(name) if name.endswith(".toml") or "/" in name else SUITES / f"{name}.toml"
    if not path.is_file():
        raise UsageError(f"unknown suite {name!r}; expected one of {', '.join(names())}, or the path of a .toml file")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SuiteError(str(path), [f"not valid TOML: {error}"]) from None
    for key, value in (overrides or {}).items():
        raw[key] = {**raw.get(key, {}), **value} if isinstance(value, dict) else value
    return build({"name": path.stem, **raw}, origin=str(path))


def build(raw: dict[str, Any], origin: str = "command line") -> Suite:
    try:
        return Suite.model_validate(raw)
    except ValidationError as error:
        raise SuiteError(origin, [*_faults(error), *_plugin_faults(raw)]) from None


def _faults(error: ValidationError, where: str = "") -> Iterator[str]:
    for fault in error.errors():
        place = where + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in fault["loc"])
        if fault["type"] == "extra_forbidden":
            told = f"unknown key{_nearest_key(str(fault['loc'][-1]))}"
        elif fault["type"] == "missing":
            told = fault["msg"]
        else:
            told = f"{fault['msg'].removeprefix('Value error, ')} (given: {fault['input']!r})"
        yield f"{place.lstrip('.')}: {told}"


def _nearest_key(name: str) -> str:
    known = {key for model in (Suite, Recipe, Augment, SeedAxes) for key in model.model_fields}
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _plugin_faults(raw: dict[str, Any]) -> Iterator[str]:
    """Faults of the references in a suite that has other faults too, so that all are told at once."""
    for key, resolve in (("methods", resolve_method), ("noise", resolve_noise), ("backbones", resolve_backbone)):
        value = raw.get(key, [])
        for position, item in enumerate(value if isinstance(value, list) else [value]):
            try:
                resolve(read_reference(item))
            except ValidationError:
                continue
            except UsageError as error:
                yield f"{key}[{position}]: {error}"


class Resolved(Settings):
    """A plugin reference with its class's version and validated configuration."""

    part: Part
    sources: dict[str, str] = {}
    augmented: bool = True
    """Of a backbone: whether training sees augmented images."""


def _validated(registry: Registry[Any], reference: Reference, options: dict[str, Any]) -> Any:
    plugin = registry.load(reference.name)
    try:
        return plugin.Config.model_validate(options)
    except ValidationError as error:
        known = ", ".join(plugin.Config.model_fields) or "none"
        faults = "; ".join(_faults(error))
        raise UsageError(f"{registry.kind} {reference.name!r}: {faults}; its options: {known}") from None


def _resolved(registry: Registry[Any], reference: Reference, config: Any) -> Resolved:
    entry = registry.find(reference.name)
    sources: dict[str, str] = {}
    plugin = registry.load(reference.name)
    # An installed package's version may stay while its code changes: the file itself counts.
    path = entry.path or Path(inspect.getfile(plugin))
    part = Part(
        name=reference.name,
        version=plugin.version,
        config=digests.to_digests(config.model_dump(), sources),
        source=digests.digest(path) if entry.external else None,
    )
    return Resolved(part=part, sources=sources)


def _no_positional(registry: Registry[Any], reference: Reference) -> dict[str, Any]:
    options = reference.options
    if "positional" in options:
        raise UsageError(
            f"{registry.kind} {reference.name!r}: option {options['positional'][0]!r} has no name; "
            f"expected key=value, for example {reference.name}:key=value"
        )
    return options


def resolve_method(reference: Reference) -> Resolved:
    options = _no_positional(METHODS, reference)
    return _resolved(METHODS, reference, _validated(METHODS, reference, options))


def resolve_backbone(reference: Reference) -> Resolved:
    options = _no_positional(BACKBONES, reference)
    config = _validated(BACKBONES, reference, options)
    settled = BACKBONES.load(reference.name).settled(config, reference.name.partition("/")[2])
    resolved = _resolved(BACKBONES, reference, settled)
    return resolved.model_copy(update={"augmented": getattr(settled, "augmented", True)})


def resolve_noise(reference: Reference) -> list[Resolved]:
    """One part per value of the swept field: "symmetric:0,0.2" and {name, rate = [0, 0.2]} are two each."""
    options = reference.options
    swept = NOISE.load(reference.name).positional
    if "positional" in options:
        if not swept:
            raise UsageError(f"noise {reference.name!r} takes no value after the colon")
        options[swept] = options.pop("positional")
    value = options.get(swept)
    resolved = []
    for item in value if isinstance(value, list) else [value]:
        one = {**options, swept: item} if swept in options else options
        config = _validated(NOISE, reference, one)
        clean = Reference(name="none")
        if one.get("rate") == 0 and not hasattr(config, "rho"):
            # Every kind at rate 0 is the same clean run: one identity, trained once.
            resolved.append(_resolved(NOISE, clean, _validated(NOISE, clean, {})))
        else:
            resolved.append(_resolved(NOISE, reference, config))
    return resolved


def make_dataset(reference: Reference, data_root: Path) -> Any:
    """The data set object of a reference; "npz:FILE" names its file."""
    plugin = DATASETS.load(reference.name)
    options = reference.options
    if "positional" in options:
        if "path" not in plugin.Config.model_fields or len(options["positional"]) != 1:
            raise UsageError(f"data set {reference.name!r}: expected key=value options after the colon")
        options["path"] = options.pop("positional")[0]
    return plugin(reference.name, _validated(DATASETS, reference, options), data_root)


def expand(suite: Suite, options: Options, plugins: tuple[str, ...] = ()) -> list[Job]:
    """All runs of a suite, each once, in the suite's order. Raises SuiteError with every fault.

    Those whose noise is made from a clean classifier have their final id from `runs.clean_classifier.attach`.
    """
    faults: list[str] = []

    def collect(key: str, references: list[Reference], resolve: Callable[[Reference], Any]) -> list[Any]:
        found = []
        for position, reference in enumerate(references):
            try:
                found.append(resolve(reference))
            except (UsageError, ValueError, OSError) as error:
                faults.append(f"{key}[{position}]: {error}")
        return found

    dataset = functools.partial(_resolve_dataset, suite=suite, root=Path(options.data_root))
    datasets = collect("datasets", suite.datasets, dataset)
    backbones = collect("backbones", suite.backbones, resolve_backbone)
    noise = list(itertools.chain(*collect("noise", suite.noise, resolve_noise)))
    methods = collect("methods", suite.methods, resolve_method)
    for position, method in enumerate(methods):
        missing = _hints(method) - {"noise_rate"}
        if missing and "oracle" not in suite.tracks:
            faults.append(
                f"methods[{position}]: {method.part.name!r} needs {', '.join(sorted(missing))}, which the blind "
                'track does not give; choose another configuration, or tracks = ["oracle"] (--track oracle)'
            )
    if faults:
        raise SuiteError(f"suite {suite.name!r}", faults)
    jobs: dict[str, Job] = {}
    for (data, augment, label), network, kind, method, track, seeds in itertools.product(
        datasets, backbones, noise, methods, suite.tracks, suite.all_seeds()
    ):
        hints = _hints(method)
        if track == "blind" and hints - {"noise_rate"}:
            continue
        # The recipe says what is done, and a network that is shown plain images only is augmented nothing.
        shown = (suite.recipe.augment or augment) if network.augmented else Augment()
        recipe = suite.recipe.model_copy(update={"augment": shown})
        spec = RunSpec(
            track=track if hints else "blind",
            dataset=data.part,
            noise=NoisePart(**kind.part.model_dump()),
            backbone=network.part,
            method=method.part,
            recipe=recipe,
            seeds=seeds,
        )
        job = Job(
            spec=spec,
            options=options,
            sources={**data.sources, **network.sources, **kind.sources, **method.sources},
            plugins=plugins,
            labels={"dataset": label, "suite": suite.name},
        )
        jobs[job.spec.id] = job
    return list(jobs.values())


def _hints(method: Resolved) -> frozenset[str]:
    plugin = METHODS.load(method.part.name)
    return plugin.requires(plugin.Config.model_validate(digests.to_paths(method.part.config, method.sources)))


def _resolve_dataset(reference: Reference, suite: Suite, root: Path) -> tuple[Resolved, Augment, str]:
    dataset = make_dataset(reference, root)
    resolved = _resolved(DATASETS, reference, dataset.cfg)
    sources = dict(resolved.sources)
    extra = {}
    for name, text in suite.extra_tests.items():
        other = make_dataset(read_reference(text), root)
        extra[name] = other.digest()
        sources[extra[name]] = text
    part = DataPart(**resolved.part.model_dump(), digest=dataset.digest(), subset=suite.subset, extra_tests=extra)
    return Resolved(part=part, sources=sources), Augment(**dataset.augment), dataset.label
