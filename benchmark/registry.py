"""The one registry of plugins: found by reading, loaded when used.

Files are read with `ast`, so that listing imports nothing and a broken plugin blocks nobody but its user.
A public class of a plugin file is registered under the file's stem, or under the literal tuple `names` of
its body. Plugins also come from entry points (`noisybench.methods`, ...) and from files (`--plugin`).
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from benchmark.errors import UsageError

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent


class RegistryError(UsageError):
    """A plugin that is unknown, registered twice, or cannot be loaded."""


@dataclass(frozen=True)
class Entry:
    """A plugin as far as it is known without importing it."""

    name: str
    module: str
    attribute: str = ""
    summary: str = ""
    path: Path | None = None
    line: int = 1
    external: bool = False
    broken: str = ""
    declared: dict[str, Any] = field(default_factory=dict)
    """Class attributes that are plain literals, such as `version`, `needs`, `cost`."""

    @property
    def origin(self) -> str:
        if self.path is None:
            return self.module
        shown = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{shown}:{self.line}"


class Registry(Generic[T]):
    """All plugins of one kind, by name."""

    def __init__(self, kind: str, package: str, base: str, base_module: str) -> None:
        self.kind = kind
        self.package = package
        self.base = base
        self.base_module = base_module
        self._added: dict[str, Entry] = {}

    @cached_property
    def _builtin(self) -> dict[str, Entry]:
        folder = ROOT.joinpath(*self.package.split("."))
        entries: dict[str, Entry] = {}
        for path in sorted(folder.glob("*.py")):
            if path.stem.startswith("_") or path.stem == "base":
                continue
            for entry in read_entries(path, f"{self.package}.{path.stem}", self.base):
                _insert(entries, entry, self.kind)
        for point in importlib.metadata.entry_points(group=f"noisybench.{self.package.split('.')[-1]}"):
            package = point.dist.name if point.dist else point.module
            entry = Entry(point.name, point.module, point.attr, f"from the package {package}", external=True)
            _insert(entries, entry, self.kind)
        return entries

    def entries(self) -> list[Entry]:
        return sorted([*self._builtin.values(), *self._added.values()], key=lambda entry: entry.name)

    def add_file(self, path: Path) -> list[Entry]:
        """Registers the plugins of this kind that the file `path` holds."""
        found = list(read_entries(path.resolve(), f"noisybench_plugin_{path.stem}", self.base, external=True))
        for entry in found:
            known = self._added.get(entry.name)
            if known is None or known.path != entry.path:
                _insert({**self._builtin, **self._added}, entry, self.kind)
                self._added[entry.name] = entry
        return found

    def find(self, name: str) -> Entry:
        """The entry of `name`; "timm/resnet18" is the entry "timm" with an argument."""
        plain, slash, _ = name.partition("/")
        known = {**self._builtin, **self._added}
        entry = known.get(name) or (known.get(plain) if slash else None)
        if entry is None:
            close = difflib.get_close_matches(plain, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise RegistryError(f"unknown {self.kind} {name!r}{hint} (`noisybench list {self.plural}` shows them all)")
        return entry

    @property
    def plural(self) -> str:
        return self.kind if self.kind == "noise" else f"{self.kind.replace(' ', '')}s"

    def load(self, name: str) -> type[T]:
        """The plugin class of `name`, imported now. Raises RegistryError where the import fails."""
        entry = self.find(name)
        if entry.broken:
            raise RegistryError(f"{self.kind} {entry.name!r} ({entry.origin}) cannot be read: {entry.broken}")
        try:
            module = _import(entry)
        except Exception as error:
            raise RegistryError(
                f"{self.kind} {entry.name!r} ({entry.origin}) cannot be imported: "
                f"{type(error).__name__}: {error}; mend the file, then `noisybench check {entry.name}`"
            ) from error
        plugin = getattr(module, entry.attribute, None)
        base = getattr(importlib.import_module(self.base_module), self.base)
        if not (isinstance(plugin, type) and issubclass(plugin, base)):
            raise RegistryError(
                f"{entry.origin}: {entry.attribute or 'the file'} is not a subclass of {self.base}; "
                f"a {self.kind} plugin holds exactly one public one"
            )
        return plugin


def _insert(entries: dict[str, Entry], entry: Entry, kind: str) -> None:
    if entry.name in entries:
        first = entries[entry.name].origin
        raise RegistryError(f"{kind} {entry.name!r} is registered twice: {first} and {entry.origin}; rename one")
    entries[entry.name] = entry


def _import(entry: Entry) -> Any:
    if entry.module in sys.modules or not (entry.external and entry.path):
        return importlib.import_module(entry.module)
    spec = importlib.util.spec_from_file_location(entry.module, entry.path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[entry.module] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[entry.module]
        raise
    return module


def read_entries(path: Path, module: str, base: str, external: bool = False) -> Iterator[Entry]:
    """The plugins that a file declares, read from its syntax tree without running it."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        yield Entry(path.stem, module, path=path, external=external, broken=str(error), summary="(cannot be read)")
        return
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    plugins = [node for node in classes if any(_last_name(b) == base for b in node.bases)]
    if not plugins and len(classes) == 1 and classes[0].bases and not external:
        plugins = classes  # a class that derives from another plugin
    for node in plugins:
        declared = dict(_literals(node))
        summary = ast.get_docstring(node if "names" in declared else tree) or ast.get_docstring(node) or ""
        for name in declared.get("names", (path.stem,)):
            yield Entry(
                name=name,
                module=module,
                attribute=node.name,
                summary=summary.split("\n")[0].rstrip("."),
                path=path,
                line=node.lineno,
                external=external,
                declared=declared,
            )


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _literals(node: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target: ast.expr = statement.targets[0]
            value: ast.expr | None = statement.value
        elif isinstance(statement, ast.AnnAssign):
            target, value = statement.target, statement.value
        else:
            continue
        if isinstance(value, ast.Call) and _last_name(value.func) == "frozenset" and value.args:
            value = value.args[0]
        if isinstance(target, ast.Name) and value is not None:
            try:
                yield target.id, ast.literal_eval(value)
            except ValueError:
                continue


METHODS: Registry[Any] = Registry("method", "methods", "Method", "methods.base")
BACKBONES: Registry[Any] = Registry("backbone", "backbones", "Backbone", "backbones.base")
DATASETS: Registry[Any] = Registry("data set", "benchmark.datasets", "Dataset", "benchmark.datasets.base")
NOISE: Registry[Any] = Registry("noise", "benchmark.noise", "NoiseKind", "benchmark.noise.base")
ALL = (METHODS, BACKBONES, DATASETS, NOISE)


def add_plugin_file(path: Path) -> list[tuple[Registry[Any], Entry]]:
    """Registers every plugin of the file `path`, whatever its kind."""
    if not path.is_file():
        raise RegistryError(f"plugin file {path} does not exist; expected a Python file with one plugin class")
    found = [(registry, entry) for registry in ALL for entry in registry.add_file(path)]
    readable = [pair for pair in found if not pair[1].broken]
    if not readable:
        reason = found[0][1].broken if found else "it holds no public class"
        raise RegistryError(
            f"plugin file {path}: {reason}; expected a class that derives from Method, Backbone, Dataset or NoiseKind"
        )
    return readable
