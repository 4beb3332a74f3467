"""Facts that the author of a method writes down, checked where they are written.

Whoever reads a card, before a run or in a table, relies on the types of its fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True)
class Facts:
    """A dataclass whose fields hold values of their types. Raises TypeError where it is made with another one."""

    def __post_init__(self) -> None:
        kind: Any = type(self)  # mypy takes the hash of a class for that of its instances
        adapters = _adapters(kind)
        for field in fields(self):
            value = getattr(self, field.name)
            try:
                adapters[field.name].validate_python(value, strict=True)
            except ValidationError:
                comma = "" if not str(field.type).startswith("tuple") else "; a tuple of one ends with a comma: (...,)"
                raise TypeError(
                    f"{type(self).__name__}({field.name}={value!r}) is of a wrong type; expected {field.type}{comma}"
                ) from None


@cache
def _adapters(kind: type[Any]) -> dict[str, TypeAdapter[Any]]:
    return {name: TypeAdapter(hint) for name, hint in get_type_hints(kind).items()}


def not_below(facts: Facts, least: float, *names: str) -> None:
    """Raises ValueError where one of the fields `names` has a value, and not a finite one of `least` or more."""
    for name in names:
        value = getattr(facts, name)
        if value is not None and not least <= value < float("inf"):
            raise ValueError(f"{type(facts).__name__}({name}={value}); expected a finite number from {least:g} on")


def distinct(facts: Facts, field: str, names: Iterable[str]) -> None:
    """Raises ValueError where two entries of the field `field` have the same name."""
    given = list(names)
    twice = sorted({name for name in given if given.count(name) > 1})
    if twice:
        raise ValueError(f"{type(facts).__name__}({field}=...) names {', '.join(twice)} twice; name each once")
