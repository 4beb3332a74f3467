"""A suite as text: the file describes the same grid."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.grid import suite as suites
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.suite_text import toml
from benchmark.registry import DATASETS

texts = st.text(
    st.characters(exclude_categories=["Cs"], include_characters="\"'\\\n\t\x7f\x1b=,[]{}#\u202e"), max_size=12
)
scalars = st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(texts, values, max_size=5))
def test_whatever_a_suite_holds_is_read_back(content):
    assert tomllib.loads(toml(content)) == content


@pytest.mark.parametrize("name", suites.names())
def test_the_packaged_suites_written_anew_are_the_same_suites(name):
    raw = suites.read(suites.located(name), {})
    assert suites.build(tomllib.loads(toml(raw))) == suites.build(raw)


@settings(deadline=None, max_examples=100)
@given(
    group=st.text(st.characters(categories=["L", "N"], include_characters="()|,='\\d "), min_size=1, max_size=8),
    typed=st.sampled_from(["folder:{}", "folder:{},skip_corrupt=true"]),
    folder=st.sampled_from(["images", "im,ages", "a b"]),
)
def test_a_folder_with_options_beside_its_plugin_string_is_the_same_folder(group, typed, folder, tmp_path_factory):
    (place := tmp_path_factory.mktemp("images") / folder).mkdir()
    if "," in folder and "," in typed:
        typed = typed.replace("{}", '"{}"')
    fields = DATASETS.load("folder").Config.model_fields
    ref = PluginRef.of(typed.format(place)).having(group_by=group)
    (text,) = tomllib.loads(toml({"datasets": [ref]}))["datasets"]
    place.rmdir()  # as on another machine
    again = PluginRef.of(text)
    assert _options(again, fields) == _options(ref, fields) | {"path": str(place)}
    assert _options(again, fields)["group_by"] == group


def _options(ref, fields):
    options, positional = ref.read(fields, "path")
    return {key: str(value) for key, value in {**dict(zip(["path"], positional, strict=False)), **options}.items()}
