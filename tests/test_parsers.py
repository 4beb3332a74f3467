"""Whatever a text says, it is read in a moment, or refused with a ValueError."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.parsers import LONGEST_TOML, MOST_DOTS, parse_json, parse_toml

MANY = 100_000


@pytest.mark.parametrize(
    "text",
    [
        f"x = {'[' * MANY}{']' * MANY}",
        f"x = {'{a=' * MANY}1{'}' * MANY}",
        f"{'a.' * MANY}a = 1",
        f"[{'a.' * MANY}a]",
        f"x = {{{'a.' * MANY}a = 1}}",
        f"x = {'9' * MANY}",
        "\n".join(f"{'a.' * MOST_DOTS}k{i} = 1" for i in range(LONGEST_TOML // MOST_DOTS)),
    ],
    ids=lambda text: text[:9],
)
def test_toml_that_is_made_to_hang_or_to_break_the_parser_is_refused(text):
    began = time.process_time()
    with pytest.raises(ValueError, match="nested|dots|characters|digits"):
        parse_toml(text)
    assert time.process_time() - began < 20


def test_a_quarter_of_the_deepest_and_longest_toml_that_is_read_takes_seconds():
    line = f"{'a.' * (MOST_DOTS - 1)}k"
    lines = [f"x{i}.{line} = 1" for i in range(LONGEST_TOML // (len(line) + 12) // 4)]
    began = time.process_time()
    assert len(parse_toml("\n".join(lines))) == len(lines)
    assert time.process_time() - began < 30


@pytest.mark.parametrize("text", ["[" * MANY, '{"a":' * MANY, "9" * MANY, "[" * MANY + "]" * MANY])
def test_json_that_is_made_to_break_the_parser_is_refused(text):
    with pytest.raises(ValueError, match="nested|digits"):
        parse_json(text)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"b": {"a": 1, "c": 2, "a": 1}}]'])
def test_json_that_names_a_key_twice_is_refused_as_toml_is(text):
    with pytest.raises(ValueError, match="the key 'a' comes twice"):
        parse_json(text)


@given(st.text() | st.binary())
def test_json_is_read_or_refused(text):
    try:
        parse_json(text)
    except ValueError:
        return


@given(st.text())
def test_toml_is_read_or_refused(text):
    try:
        parse_toml(text)
    except ValueError:
        return
