"""The one base of every configuration: plugins' options, recipes, run specs. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema

LARGEST = 2**63 - 1


def _bound_integers(schema: Any) -> None:
    """Gives all integers within a schema of pydantic a largest and a smallest value, where they have none."""
    if isinstance(schema, dict):
        if schema.get("type") == "int":
            schema.setdefault("le", LARGEST)
            schema.setdefault("ge", -LARGEST)
        for part in schema.values():
            _bound_integers(part)
    elif isinstance(schema, list | tuple):
        for part in schema:
            _bound_integers(part)


class Bounded(BaseModel):
    """Refuses integers that do not fit into 64 bits: records, which are JSON, could not hold them; and true and false
    where numbers are expected, which pydantic takes for 1 and 0."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _bound_integers(schema)
        return schema

    @model_validator(mode="before")
    @classmethod
    def _refuse_booleans_as_numbers(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for name in _numbers(cls) & values.keys():
                if _holds_boolean(values[name]):
                    raise ValueError(f"{name} is {values[name]}; expected a number, not true or false")
        return values


class Settings(Bounded):
    """Immutable; refuses unknown keys and non-finite numbers.

    The docstring below a field is its help text: `noisybench show` prints it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    added_later: ClassVar[frozenset[str]] = frozenset()
    """Fields that are left out of a dump while they have their default: what was there before they were added keeps
    the identity that it had without them. Those of all base classes count."""

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        for name, default in _added_later(type(self)):
            if getattr(self, name) == default:
                dumped.pop(name, None)
        return dumped


@cache
def _added_later(kind: type[Settings]) -> tuple[tuple[str, Any], ...]:
    """The fields that were added later, with their defaults."""
    names = frozenset().union(*(vars(base).get("added_later", ()) for base in kind.__mro__))
    return tuple((name, kind.model_fields[name].default) for name in sorted(names))


@cache
def _numbers(kind: type[BaseModel]) -> frozenset[str]:
    """The fields that hold numbers, alone or in lists, and no booleans."""
    kinds = {name: _leaves(field.annotation) for name, field in kind.model_fields.items()}
    return frozenset(name for name, leaves in kinds.items() if leaves & {int, float} and bool not in leaves)


def _leaves(annotation: Any) -> set[Any]:
    """Those of int, float and bool that an annotation is made of: of `list[int] | None`, int."""
    inner = get_args(annotation)
    return set().union(*map(_leaves, inner)) if inner else {kind for kind in (int, float, bool) if annotation is kind}


def _holds_boolean(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_boolean, value.values()))
    return any(map(_holds_boolean, value)) if isinstance(value, list | tuple) else isinstance(value, bool)
