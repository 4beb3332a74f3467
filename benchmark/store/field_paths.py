"""Which dotted names a record can hold: those that a table asks for are checked against the schema."""

from __future__ import annotations

from collections.abc import Iterable
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from typing_extensions import is_typeddict

from benchmark.store.schema import Variant


def paths(names: Iterable[str]) -> tuple[str, ...]:
    """Returns `names` ("state", "metrics.last"). Raises KeyError for one that no record can hold."""
    for name in names:
        at: Any = Variant
        for key in name.split("."):
            at = _inner(at, key)
            if at is None:
                raise KeyError(f"no record has a field {name}: see benchmark/store/schema.py")
    return tuple(names)


def _inner(kind: Any, key: str) -> Any:
    """The type of the field `key` of a type, a union of what it is in all variants; None where there is none."""
    if is_typeddict(kind):
        return get_type_hints(kind).get(key)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        types = [inner for part in arguments if (inner := _inner(part, key)) is not None]
        return Union[tuple(types)] if types else None  # noqa: UP007
    if origin is dict:
        literal = get_args(arguments[0])
        return arguments[1] if not literal or key in literal else None
    return None
