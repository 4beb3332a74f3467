"""The command line that makes runs again, from their spec."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from benchmark.option_text import quote
from benchmark.tables import display_names

FILE = "FILE"
"""Stands for a file, of which a spec holds the digest alone."""
_DIGEST = re.compile(r"(sha256|md5):[0-9a-f]{8,}")


def grid_text(spec: Mapping[str, Any]) -> str:
    """The command without methods, noise and seeds: `noisybench run -d digits -b cnn --recipe epochs=5 ...`."""
    texts = ["noisybench run", "-d", _plugin(spec["dataset"]), "-b", _plugin(spec["backbone"])]
    for key, value in display_names.options({"recipe": spec["recipe"]}).items():
        if value is not None:
            texts += ["--recipe", f"{key.removeprefix('recipe.')}={_value(value)}"]
    if spec["dataset"].get("subset"):
        texts += ["--subset", str(spec["dataset"]["subset"])]
    if spec["track"] != "blind":
        texts += ["--track", spec["track"]]
    return " ".join([texts[0], *map(shlex.quote, texts[1:])])


def method_text(spec: Mapping[str, Any]) -> str:
    """Its arguments: `-m gce:q=0.7`, and `--clean-set` where it has one."""
    part = spec["method"]
    clean = f" --clean-set {part['clean_set']}" if part.get("clean_set") else ""
    return f"-m {shlex.quote(_plugin(part))}{clean}"


def noise_text(spec: Mapping[str, Any]) -> str:
    return f"-n {shlex.quote(_plugin(spec['noise']))}"


def _plugin(part: Mapping[str, Any]) -> str:
    """A plugin with all of its options, as `run` reads them."""
    options = {k: v for k, v in display_names.options(part).items() if k not in ("subset", "clean_set")}
    text = ",".join(_texts(options))
    return f"{part['name']}:{text}" if text else part["name"]


def _texts(options: Mapping[str, Any]) -> Iterator[str]:
    for key, value in options.items():
        if value is not None:
            yield f"{key}={_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return FILE if _DIGEST.fullmatch(value) else quote(value)
    if isinstance(value, Mapping):  # a plugin within the options
        return quote(display_names.show(value))
    return orjson.dumps(value).decode()
