"""The command that makes a run, from its spec."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from benchmark.grid.spec import Augment, ContentPart, Part, Recipe, RunSpec
from benchmark.option_text import flattened, quote
from benchmark.registry import BACKBONES, DATASETS, METHODS, NOISE, Registry
from benchmark.store import digests

UNKNOWN = "FILE"
"""Stands for a file or folder of which only the digest is known."""


def run_command(spec: RunSpec, files: Mapping[str, str], *options: str, data: Sequence[str] = ()) -> str:
    """`noisybench run ...` with further `options`; `files`: content digest -> path, where it is known.

    Seeds are counted from 0 on, so that runs of smaller seeds come with it. `data` are the words that name the data set
    and its labels as they were typed; the command has no extra test sets then. Raises RegistryError where a plugin is
    not here.
    """
    method = flattened("recipe", spec.method.recipe)
    typed = [
        *(data or ("-d", _plugin(DATASETS, spec.dataset, files))),
        *("-b", _plugin(BACKBONES, spec.backbone, files)),
        *("-m", _plugin(METHODS, spec.method, files, dict(method))),
        *("-n", _plugin(NOISE, spec.noise, files)),
        *("--seeds", str(max(spec.seeds.model_dump().values()) + 1)),
    ]
    for text in _recipe(spec):
        typed += ["--recipe", text]
    if spec.track == "oracle":
        typed += ["--track", "oracle"]
    sizes = {"--subset": spec.dataset.subset, "--clean-set": spec.method.clean_set}
    for name, size in sizes.items():
        if size is not None:
            typed += [name, str(size)]
    if spec.dataset.labels is not None and not data:
        typed += ["--labels", files.get(spec.dataset.labels, UNKNOWN)]
    for name, part in () if data else spec.dataset.extra_tests.items():
        typed += ["--extra-test", f"{name}={_plugin(DATASETS, part, files)}"]
    return shlex.join(["noisybench", "run", *typed, *options])


def explained(command: str) -> str:
    """`command` in backquotes, and what stands in the place of the paths that it cannot know."""
    said = of_unknown(command)
    return f"`{command}`" + (f" ({said})" if said else "")


def of_unknown(command: str) -> str:
    """What stands in the place of the paths that `command` cannot know; "" where it knows all."""
    unknown = re.search(rf"[ =\[]{UNKNOWN}\b", command)
    return f"for {UNKNOWN} type your paths, of which the record holds the digests alone" if unknown else ""


def _plugin(
    registry: Registry[Any], part: Part | ContentPart, files: Mapping[str, str], more: Mapping[str, Any] | None = None
) -> str:
    """Its plugin string: the options that differ from its defaults, and `more` of them."""
    fields = registry.load(part.name, part.source).Config.model_fields
    optional = {name: field for name, field in fields.items() if not field.is_required()}
    defaults = {name: to_jsonable_python(f.get_default(call_default_factory=True)) for name, f in optional.items()}
    changed = {name: value for name, value in part.config.items() if name not in defaults or value != defaults[name]}
    shown = {name: _text(digests.to_paths(value, files)) for name, value in {**changed, **(more or {})}.items()}
    text = ",".join(f"{name}={value}" for name, value in shown.items())
    return f"{part.name}:{text}" if text else part.name


def _recipe(spec: RunSpec) -> Iterator[str]:
    """What differs from the default recipe, as KEY=VALUE."""
    own, default = spec.recipe.model_dump(mode="json"), Recipe().model_dump(mode="json")
    for name, value in own.items():
        if name != "augment" and value != default[name]:
            yield f"{name}={_text(value)}"
    usual = Augment(**DATASETS.load(spec.dataset.name, spec.dataset.source).augment)
    if spec.recipe.augment in (None, usual) or spec.backbone.config.get("frozen"):
        return
    changes = {name: value for name, value in own["augment"].items() if value != getattr(Augment(), name)}
    for name, value in (changes or {"flip": False}).items():
        yield f"augment.{name}={_text(value)}"


def _text(value: Any, *, nested: bool = False) -> str:
    """A value as it is typed; a digest whose file is not known as UNKNOWN."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        known = UNKNOWN if value.startswith(("sha256:", "md5:")) else value
        return f'"{known}"' if nested else quote(known)
    if isinstance(value, list | tuple):
        return "[" + ",".join(_text(inner, nested=True) for inner in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}={_text(inner, nested=True)}" for key, inner in value.items()) + "}"
    return "null" if value is None else str(value)
