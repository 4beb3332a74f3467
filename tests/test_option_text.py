"""The declared type of an option decides how its text is read, and every name can be written."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, FilePath

from benchmark.errors import UsageError
from benchmark.option_text import located, quote, read_items, read_text


class Inner(BaseModel):
    lr: float = 0.1
    optimizer: Literal["adam", "sgd"] = "adam"


class Config(BaseModel):
    path: FilePath
    text: str = ""
    maybe: str | None = None
    many: list[Path] = []
    known: Annotated[Literal["imagenet"] | FilePath | None, BeforeValidator(lambda value: value)] = None
    either: Path | str = ""
    rate: float = 0
    count: int | None = None
    flag: bool = False
    pairs: str | tuple[tuple[int, int], ...] | None = None
    inner: Inner = Inner()
    anything: Any = None


FIELDS = Config.model_fields
LOOK_LIKE_VALUES = [
    "2024-01-01", "1", "1e3", "true", "[x]", "{a}", "a,b.npz", "a=b", "rate=0.2",
    "'", '"', "'a'", '"a,b"', "inf", "\\", "a\\", "[", "]", "a, b",
    "x y", "#1", "null", "0x1f", "12:30:00", "é", "日本", '\'"', "\\\"",
]  # fmt: skip
printable = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1)


def examples(function):
    for name in LOOK_LIKE_VALUES:
        function = example(name)(function)
    return function


@examples
@given(printable)
def test_every_printable_name_can_be_written_as_a_value_and_as_an_option(name):
    assert read_text(f"{quote(name)},rate=0.5", FIELDS, "path") == ({"rate": 0.5}, [name])
    assert read_text(quote(name), FIELDS, "text") == ({}, [name])
    for field in ("path", "text", "maybe", "known", "either", "pairs"):
        assert read_text(f"rate=0.5,{field}={quote(name)}", FIELDS) == ({"rate": 0.5, field: name}, [])


@pytest.mark.parametrize("name", [name for name in LOOK_LIKE_VALUES if quote(name) == name])
def test_a_name_without_commas_quotes_and_brackets_needs_no_quotes(name):
    assert read_text(name, FIELDS, "text") == ({}, [name])


@pytest.mark.parametrize("name", ["a,b.npz", "a=b", "rate=0.2", "'a'", "[x", "x]", "{a,b}", "1", " x"])
def test_the_name_of_an_existing_file_needs_no_quotes_at_all(name, tmp_path):
    (tmp_path / name).touch()
    assert read_text(name, FIELDS, "path", tmp_path) == ({}, [name])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0,0.2", ({}, [0, 0.2])),
        ("0.2,flag=true", ({"flag": True}, [0.2])),
        ("0.2, count = 3", ({"count": 3}, [0.2])),
        ("0.4,pairs=[[0,1],[1,0]]", ({"pairs": [[0, 1], [1, 0]]}, [0.4])),
        ("pairs=cifar10", ({"pairs": "cifar10"}, [])),
        ("maybe='^(a|b)_'", ({"maybe": "^(a|b)_"}, [])),
        (r"maybe=^(patient\d+)_", ({"maybe": r"^(patient\d+)_"}, [])),
        ("inner.lr=1e-4,inner.optimizer=sgd", ({"inner": {"lr": 1e-4, "optimizer": "sgd"}}, [])),
        ("inner={lr=0.5}", ({"inner": {"lr": 0.5}}, [])),
        ("unknown=1,anything=2", ({"unknown": 1, "anything": 2}, [])),
        ("", ({}, [])),
        (",,", ({}, [])),
    ],
)
def test_values_read_as_typed(text, expected):
    assert read_text(text, FIELDS, "rate") == expected


def test_a_date_or_a_time_is_left_to_the_fields_own_message():
    assert read_items(["count=2024-01-01", "rate=12:30:00"], FIELDS) == (
        {"count": "2024-01-01", "rate": "12:30:00"},
        [],
    )


def test_an_option_that_is_given_whole_and_in_parts_is_refused():
    with pytest.raises(UsageError, match=r"inner has been given a value already"):
        read_items(["inner=1", "inner.lr=2"], FIELDS)
    with pytest.raises(UsageError, match=r"'rate=2': rate has been given a value already"):
        read_items(["rate=1", "rate=2"], FIELDS)


def test_paths_begin_in_the_folder_of_who_wrote_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    options = {"path": "a/b.npz", "known": "imagenet", "many": ["~/x", "/y"], "text": "~/x", "either": "word"}
    assert located(options, FIELDS, tmp_path) == {
        "path": tmp_path / "a/b.npz",
        "known": "imagenet",
        "many": [Path("/home/me/x"), Path("/y")],
        "text": "~/x",
        "either": "word",
    }
    assert located({"known": "~nobody-of-that-name/x.pt"}, FIELDS, tmp_path)["known"].is_relative_to(tmp_path)
