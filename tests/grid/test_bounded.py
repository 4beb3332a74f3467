"""No option of any plugin or suite takes an integer that no record could hold, or a boolean for a number."""

import typing

import pytest
from pydantic import TypeAdapter, ValidationError

from backbones.settings import Bounded, Settings
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


def leaves(annotation):
    inner = typing.get_args(annotation)
    return set().union(*map(leaves, inner)) if inner else {annotation.__name__ if isinstance(annotation, type) else ""}


def test_no_option_that_holds_numbers_takes_true_or_false():
    integers()  # loads all plugins
    checked = 0
    for kind in {kind for kind in kinds() if not hasattr(kind, "_resolve")}:  # which name a plugin, with its options
        for name, field in kind.model_fields.items():
            if not leaves(field.annotation) & {"int", "float"} or "bool" in leaves(field.annotation):
                continue
            with pytest.raises(ValidationError) as refused:
                kind.model_validate({name: True})
            told = [error["msg"] for error in refused.value.errors()]
            assert f"Value error, {name} is True; expected a number, not true or false" in told, (kind, name, told)
            checked += 1
    assert checked > 150


def test_booleans_stay_what_they_are_where_they_are_expected():
    class Own(Settings):
        on: bool = False
        either: bool | int = 0
        numbers: dict[str, list[float]] = {}

    assert (Own(on=True).on, Own(either=True).either) == (True, True)
    with pytest.raises(ValidationError, match="numbers is .* expected a number"):
        Own(numbers={"a": [1.0, True]})
