"""Suites: which runs a grid holds. Reads a TOML file or command-line axes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from backbones.settings import Bounded, Settings
from benchmark.errors import UsageError
from benchmark.grid.executor_settings import ExecutorSettings, SlurmSettings
from benchmark.grid.faults import SuiteError, faults_of
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import RECIPE_PLACES, resolve_backbone, resolve_method, resolve_noise
from benchmark.grid.spec import Recipe, Seeds, Track
from benchmark.option_text import expanded
from benchmark.parsers import parse_toml
from benchmark.seeds import TUNING_SEED

SUITES = Path(__file__).parent / "suites"
UNNAMED = "command line"
RESERVED_TESTS = ("train", "val", "validation", "test")
"""Names of splits: an extra test set of this name would be taken for the split."""
TEST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _ref(item: Any, info: ValidationInfo) -> PluginRef:
    """As `PluginRef.of`; relative paths begin in the folder that the validation is given."""
    return PluginRef.of(item, (info.context or {}).get("relative_to", Path()))


Ref = Annotated[PluginRef, BeforeValidator(_ref)]


class SeedAxes(Settings):
    """Seeds crossed: every combination of the given values is a run."""

    noise: list[int]
    init: list[int]
    order: list[int]
    method: list[int]


class Suite(Bounded):
    """A grid: the product of its axes under one recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = UNNAMED
    title: str = ""
    datasets: list[Ref] = Field(min_length=1)
    backbones: list[Ref] = Field(default=[PluginRef("cnn")], min_length=1)
    methods: list[Ref] = Field(min_length=1)
    noise: list[Ref] = Field(min_length=1)
    seeds: int | list[int] | SeedAxes = 6
    tracks: list[Track] = Field(default=["blind"], min_length=1)
    recipe: Recipe = Recipe()
    subset: int | None = Field(None, ge=2)
    clean_set: int | None = Field(None, ge=2)
    """Number of training images that methods which need some get with their true labels."""
    extra_tests: dict[str, Ref] = {}
    """Name -> a data set whose test images are scored beside the test set."""
    tune: int | None = Field(None, ge=1, le=1024)
    """Number of configurations that are tried of every method, the default among them; None: the default alone."""
    keep: Literal["none", "predictions", "model"] = "none"
    allow_unidentifiable: bool = False
    assumptions: dict[str, str] = {}
    """What the source of a suite leaves open, and what was assumed."""
    executor: ExecutorSettings = ExecutorSettings()
    """What tasks ask of a cluster; changes no run."""

    @field_validator("datasets", "backbones", "methods", "noise", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        return value if isinstance(value, list) else [value]

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, value: Any) -> Any:
        if isinstance(value, int) and not 1 <= value <= 1000:
            raise ValueError("expected a number of seeds from 1 to 1000, or a list of seeds")
        if isinstance(value, list) and (not value or len(set(value)) < len(value)):
            raise ValueError("expected a list of different seeds")
        if isinstance(value, list) and max(value) >= TUNING_SEED:
            raise ValueError(f"seeds from {TUNING_SEED} on are for tuning and are never reported; give smaller ones")
        return value

    @field_validator("extra_tests")
    @classmethod
    def _check_extra_tests(cls, value: dict[str, PluginRef]) -> dict[str, PluginRef]:
        for name in value:
            if name.lower() in RESERVED_TESTS or not TEST_NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} cannot name an extra test set; expected letters, digits, '_', '-' or '.' that begin "
                    f"with a letter or digit, and none of {', '.join(RESERVED_TESTS)}, for example "
                    'other_hospital = "npz:FILE" (--extra-test other_hospital=npz:FILE)'
                )
        return value

    def all_seeds(self) -> list[Seeds]:
        if isinstance(self.seeds, SeedAxes):
            axes = self.seeds.model_dump()
            return [Seeds(**dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())]
        return [Seeds.equal(s) for s in (range(self.seeds) if isinstance(self.seeds, int) else self.seeds)]


def names() -> list[str]:
    return sorted(path.stem for path in SUITES.glob("*.toml"))


def located(name: str) -> Path:
    """The file of the suite of that name or path. Raises UsageError where there is none."""
    path = expanded(name) if name.lower().endswith(".toml") or "/" in name else SUITES / f"{name}.toml"
    if not path.is_file():
        raise UsageError(f"unknown suite {name!r}; expected one of {', '.join(names())}, or the path of a .toml file")
    return path


def load(name: str, overrides: Mapping[str, Any] | None = None) -> Suite:
    """The suite of that name or file, its keys replaced by `overrides` where given.

    Relative paths in the file begin in its folder, those in `overrides` in the working directory.
    """
    path = located(name)
    return build(read(path, overrides or {}), str(path), path.parent)


def read(path: Path, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a suite file, replaced by `overrides` where given. Raises SuiteError."""
    try:
        raw = parse_toml(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise SuiteError(str(path), [f"not valid TOML: {error}"]) from None
    for key, value in overrides.items():
        known = raw.get(key)
        raw[key] = {**known, **value} if isinstance(value, dict) and isinstance(known, dict) else value
    return {"name": path.stem, **raw}


def build(raw: dict[str, Any], origin: str = "command line", folder: Path = Path()) -> Suite:
    """The suite that `raw` describes; relative paths begin in `folder`. Raises SuiteError with every fault."""
    try:
        return Suite.model_validate(raw, context={"relative_to": folder})
    except ValidationError as error:
        raise SuiteError(origin, [*faults_of(error, (), PLACES), *_plugin_faults(raw, folder)]) from None


PLACES = {
    **{key: f"to the seeds: [seeds] {key} = [0, 1]" for key in SeedAxes.model_fields},
    **RECIPE_PLACES,
    **{key: f"to a table of its own: [executor.slurm] {key} = ..." for key in SlurmSettings.model_fields},
    **{key: f"to a table of its own: [executor.ray] {key} = ..." for key in ("address", "gpus")},
    **{key: f"to the top of the suite: {key} = ..., above all [sections]" for key in Suite.model_fields},
}
"""Where the keys of a suite belong, in words."""


def _plugin_faults(raw: dict[str, Any], folder: Path) -> Iterator[str]:
    """Faults of the plugins in a suite that has other faults too, so that all are reported together."""
    for key, resolve in (("methods", resolve_method), ("noise", resolve_noise), ("backbones", resolve_backbone)):
        value = raw.get(key, [])
        for position, item in enumerate(value if isinstance(value, list) else [value]):
            try:
                resolve(PluginRef.of(item, folder))
            except UsageError as error:
                yield f"{key}[{position}]: {error}"
            except ValueError:
                continue  # names no plugin, which the suite's own check reports
