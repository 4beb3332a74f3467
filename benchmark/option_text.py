"""Reads the options of plugins and recipes from text: the declared type of a field decides, not the look of the text.

    "0.2,0.4"                values of the field that the plugin's name is followed by
    "q=0.5,recipe.lr=0.01"   fields by name, those of a nested field behind a dot
    '"a,b.npz",size=32'      quotes as in TOML around a text that holds a comma, a bracket or a quote

A text or a path stays what was typed, whether it looks like a number, a date, true or a list. A file or folder whose
name is the whole text needs no quotes.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from benchmark.errors import UsageError
from benchmark.parsers import parse_toml

Fields = Mapping[str, FieldInfo]
"""The fields of a configuration: `Config.model_fields`."""


def read_text(
    text: str, fields: Fields, positional: str = "", folder: Path = Path()
) -> tuple[dict[str, Any], list[Any]]:
    """The named options in `text`, and its values without a name, as those of the field `positional`."""
    annotation = fields[positional].annotation if positional else Any
    if text and _holds_path(annotation) and exists(folder / expanded(text)):
        return {}, [text]
    return read_items(_split(text), fields, annotation)


def read_items(items: Iterable[str], fields: Fields, positional: Any = Any) -> tuple[dict[str, Any], list[Any]]:
    """As `read_text`, of options that have been separated; `positional` is the type of values without a name."""
    options: dict[str, Any] = {}
    values = []
    for item in items:
        key, equals, value = item.partition("=")
        path = key.strip().split(".")
        if equals and all(name.isidentifier() for name in path):
            target = options
            for name in path[:-1]:
                target = target.setdefault(name, {})
                if not isinstance(target, dict):
                    raise UsageError(f"{item!r}: {name} has been given a value already; expected one")
            if path[-1] in target:
                raise UsageError(f"{item!r}: {'.'.join(path)} has been given a value already; expected one")
            target[path[-1]] = read_value(value, _annotation(path, fields))
        else:
            values.append(read_value(item, positional))
    return options, values


def read_value(text: str, annotation: Any) -> Any:
    """`text` as a value for a field of that type; text that is none is left to the field's own message."""
    text, leaves = text.strip(), list(_leaves(annotation))
    if any(map(_is_text, leaves)):
        structured = text[:1] in ("[", "{") and any(map(_is_structure, leaves))
        parsed = _toml(text) if structured or text[:1] in ("'", '"') else text
        return parsed if isinstance(parsed, (str, list, dict)) else text
    parsed = _toml(text)
    return parsed if isinstance(parsed, (bool, int, float, str, list, dict)) else text


def quote(text: str) -> str:
    """`text` as it is written where several options may stand."""
    if text and text == text.strip() and not set(text) & set(",='\"[]{}"):
        return text
    if "'" not in text:
        return f"'{text}'"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def located(options: Mapping[str, Any], fields: Fields, folder: Path) -> dict[str, Any]:
    """`options` with the paths of path fields made absolute: "~" is the home folder, others begin in `folder`."""
    return {
        name: _located(value, fields[name].annotation, folder) if name in fields else value
        for name, value in options.items()
    }


def expanded(path: str | Path) -> Path:
    """`path` with "~" as the home folder; as it is where there is no such home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _located(value: Any, annotation: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_located(inner, annotation, folder) for inner in value]
    if not isinstance(value, (str, Path)) or not _holds_path(annotation) or value in list(_leaves(annotation)):
        return value
    path = folder.absolute() / expanded(value)
    return value if str in _leaves(annotation) and not exists(path) else path


def _annotation(path: list[str], fields: Fields) -> Any:
    """The declared type of the option `path`; Any where there is no such field."""
    field = fields.get(path[0])
    if field is None:
        return Any
    if len(path) == 1:
        return field.annotation
    models = (leaf for leaf in _leaves(field.annotation) if isinstance(leaf, type) and issubclass(leaf, BaseModel))
    model = next(models, None)
    return Any if model is None else _annotation(path[1:], model.model_fields)


def _leaves(annotation: Any) -> Iterator[Any]:
    """The types of a union, and the values of a Literal."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _leaves(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for inner in get_args(annotation):
            yield from _leaves(inner)
    elif origin is Literal:
        yield from get_args(annotation)
    else:
        yield annotation


def _is_text(leaf: Any) -> bool:
    return isinstance(leaf, str) or (isinstance(leaf, type) and issubclass(leaf, (str, PurePath)))


def _is_structure(leaf: Any) -> bool:
    return get_origin(leaf) is not None or (isinstance(leaf, type) and issubclass(leaf, (list, tuple, dict, BaseModel)))


def _holds_path(annotation: Any) -> bool:
    """Whether the field takes a path, or a list of them."""
    return any(
        issubclass(leaf, PurePath) if isinstance(leaf, type) else any(map(_holds_path, get_args(leaf)))
        for leaf in _leaves(annotation)
    )


def exists(path: Path) -> bool:
    """Whether there is a file or folder; what cannot be a name is none."""
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name
        return False


def _toml(text: str) -> Any:
    """`text` as a TOML value, or as it is if it is none."""
    try:
        return parse_toml(f"v = {text}")["v"]
    except ValueError:
        return text


def _split(text: str) -> Iterator[str]:
    """Parts of `text` between the commas that neither quotes nor brackets enclose; no empty ones."""
    start = depth = 0
    quoted, escaped = "", False
    for position, letter in enumerate(text):
        if quoted:
            closes = letter == quoted and not escaped
            escaped = letter == "\\" and quoted == '"' and not escaped
            quoted = "" if closes else quoted
        elif letter in "'\"" and (depth or _begins_value(text[start:position])):
            quoted = letter
        elif letter in "[{" and (depth or _begins_value(text[start:position])):
            depth += 1
        elif letter in "]}":
            depth = max(0, depth - 1)
        elif letter == "," and depth == 0:
            yield from filter(None, [text[start:position].strip()])
            start = position + 1
    yield from filter(None, [text[start:].strip()])


def _begins_value(before: str) -> bool:
    """Whether a value begins behind `before`: at the start of an item, and behind its "="."""
    return not before.strip() or before.rstrip().endswith("=")


def flattened(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The values in nested mappings, named by their paths: "recipe.augment.flip"."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flattened(f"{name}.{key}", inner)
    else:
        yield name, value
