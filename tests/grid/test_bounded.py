"""An integer that no record could hold is refused where it is given, in every option of every plugin and suite."""

import typing

import pytest
from pydantic import TypeAdapter, ValidationError

from backbones.settings import Bounded
from benchmark.grid import suite
from benchmark.registry import ALL


def kinds(base=Bounded):
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def holds_int(annotation):
    if typing.get_origin(annotation) is typing.Literal:
        return False
    return annotation is int or any(map(holds_int, typing.get_args(annotation)))


def integers():
    for registry in ALL:
        for entry in registry.entries():
            registry.load(entry.name)
    found = {
        (kind, name) for kind in kinds() for name, field in kind.model_fields.items() if holds_int(field.annotation)
    }
    return sorted(found, key=lambda one: (one[0].__module__, one[0].__qualname__, one[1]))


@pytest.mark.parametrize("value", [2**63, -(2**63), 10**30])
def test_no_option_takes_an_integer_of_more_than_64_bits(value):
    fields = integers()
    assert len(fields) > 50
    assert (suite.Suite, "subset") in fields
    for kind, name in fields:
        with pytest.raises(ValidationError) as refused:
            TypeAdapter(kind).validate_python({name: value})
        where = [error["loc"][:1] for error in refused.value.errors()]
        assert (name,) in where or where == [()], (kind, name)  # a noise within another is checked as a whole first
