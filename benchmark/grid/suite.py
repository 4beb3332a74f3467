"""Suites: which runs a grid holds. Reads a TOML file or command-line axes."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from backbones.settings import Settings
from benchmark.errors import UsageError
from benchmark.grid.faults import SuiteError, faults_of
from benchmark.grid.plugin_ref import PluginRef, parse_plugin_string, read_plugin_ref
from benchmark.grid.resolve import resolve_backbone, resolve_method, resolve_noise
from benchmark.grid.spec import Augment, Recipe, Seeds, Track

SUITES = Path(__file__).parent / "suites"
RESERVED_TESTS = ("train", "val", "validation", "test")
"""Names of splits: an extra test set of this name would be taken for the split."""
TEST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


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
    datasets: list[PluginRef] = Field(min_length=1)
    backbones: list[PluginRef] = Field(default=[PluginRef(name="cnn")], min_length=1)
    methods: list[PluginRef] = Field(min_length=1)
    noise: list[PluginRef] = Field(min_length=1)
    seeds: int | list[int] | SeedAxes = 5
    tracks: list[Track] = Field(default=["blind"], min_length=1)
    recipe: Recipe = Recipe()
    subset: int | None = Field(None, ge=2)
    extra_tests: dict[str, str] = {}
    """Name -> plugin string of a data set whose test images are scored beside the test set."""
    keep: Literal["none", "predictions", "model"] = "none"
    allow_unidentifiable: bool = False
    assumptions: dict[str, str] = {}
    """What the source of a suite leaves open, and what was assumed."""

    @field_validator("datasets", "backbones", "methods", "noise", mode="before")
    @classmethod
    def _read_plugin_refs(cls, value: Any) -> Any:
        items = value if isinstance(value, list) else [value]
        return [parse_plugin_string(item) if isinstance(item, str) else item for item in items]

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, value: Any) -> Any:
        if isinstance(value, int) and not 1 <= value <= 1000:
            raise ValueError("expected a number of seeds from 1 to 1000, or a list of seeds")
        if isinstance(value, list) and (not value or len(set(value)) < len(value)):
            raise ValueError("expected a list of different seeds")
        return value

    @field_validator("extra_tests")
    @classmethod
    def _check_extra_tests(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if name.lower() in RESERVED_TESTS or not TEST_NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} cannot name an extra test set; expected letters, digits, '_', '-' or '.' that begin "
                    f"with a letter or digit, and none of {', '.join(RESERVED_TESTS)}, for example "
                    'other_hospital = "npz:FILE" (--extra-test other_hospital=npz:FILE)'
                )
            if not text:
                raise ValueError(f"extra test set {name!r} names no data set; expected for example npz:FILE")
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
        known = {key for model in (Suite, Recipe, Augment, SeedAxes) for key in model.model_fields}
        raise SuiteError(origin, [*faults_of(error, known), *_plugin_faults(raw)]) from None


def _plugin_faults(raw: dict[str, Any]) -> Iterator[str]:
    """Faults of the plugins in a suite that has other faults too, so that all are reported together."""
    for key, resolve in (("methods", resolve_method), ("noise", resolve_noise), ("backbones", resolve_backbone)):
        value = raw.get(key, [])
        for position, item in enumerate(value if isinstance(value, list) else [value]):
            try:
                resolve(read_plugin_ref(item))
            except ValidationError:
                continue
            except UsageError as error:
                yield f"{key}[{position}]: {error}"
