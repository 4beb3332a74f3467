"""The one base of every configuration: plugins' options, recipes, run specs. Imports no torch."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, SerializerFunctionWrapHandler, model_serializer
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
    """Refuses integers that do not fit into 64 bits: records, which are JSON, could not hold them."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _bound_integers(schema)
        return schema


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
