"""The registry of plugins: it reads plugin files to list them and imports a plugin when it is used.

Listing imports nothing (`plugin_source` parses the files), so that a broken plugin stops only those who use it.
A class is a plugin if it derives from its kind's base, directly or through other classes. Its name:

- the literal tuple `names` of its body, where it has one;
- of an installed package: the name of its entry point (groups `noisybench.methods`, ...);
- of the class `Mine` of the plugin file mine.py: the file's stem, "mine", if it is the file's only plugin of its
  kind; where it is named as `mine.py:FastGCE`, the class's name in snake case, "fast_gce".
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from benchmark import plugin_files, plugin_source
from benchmark.distinct_names import distinct
from benchmark.errors import UsageError
from benchmark.plugin_source import ROOT as ROOT
from benchmark.plugin_source import ClassSource, Source, SourceError

T = TypeVar("T")
PLUGIN_FILE = re.compile(r"\.py(:\w+)?$")


class RegistryError(UsageError):
    """A plugin that is unknown, registered twice, or cannot be loaded."""


@dataclass(frozen=True)
class Entry:
    """What is known of a plugin without importing it."""

    name: str
    module: str
    attribute: str = ""
    summary: str = ""
    path: Path | None = None
    line: int = 1
    external: bool = False
    package: str = ""
    """The installed package that it comes from, outside the tree."""
    broken: str = ""
    declared: dict[str, Any] = field(default_factory=dict)
    """Class attributes that are plain literals, such as `version`, inherited ones too; a card is a dict."""

    @property
    def origin(self) -> str:
        if self.path is None:
            return self.module
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{self.line}"

    def fact(self, name: str) -> Any:
        """What the plugin's card says under `name`, or else its class attribute; "" where neither does."""
        return self.declared.get("card", {}).get(name, self.declared.get(name, ""))


class Registry(Generic[T]):
    """All plugins of one kind, by name."""

    def __init__(self, kind: str, package: str, base: str, base_module: str) -> None:
        self.kind = kind
        self.package = package
        self.base = base
        self.base_module = base_module
        self._added: dict[str, Entry] = {}

    @property
    def word(self) -> str:
        """The kind as one word of a command line: "dataset"."""
        return self.kind.replace(" ", "")

    @property
    def plural(self) -> str:
        return self.kind if self.kind == "noise" else f"{self.word}s"

    @property
    def folder(self) -> Path:
        return ROOT.joinpath(*self.package.split("."))

    @cached_property
    def _builtin(self) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for path in self._files():
            for entry in self._read(path):
                self._insert(entries, entry)
        for point in importlib.metadata.entry_points(group=f"noisybench.{self.package.split('.')[-1]}"):
            entry = self._installed(point)
            if entry.name in entries:  # the others must stay usable, or nobody could list what to uninstall
                first = entries[entry.name].origin
                entry = replace(entry, broken=f"registered twice, in {first} and by {entry.package}: uninstall one")
            entries[entry.name] = entry
        return entries

    def _files(self) -> list[Path]:
        return [path for path in sorted(self.folder.glob("*.py")) if path.stem != "base" and path.stem[0] != "_"]

    def _read(self, path: Path) -> Iterator[Entry]:
        """The plugins of a file of the tree."""
        module = f"{self.package}.{path.stem}"
        broken = Entry(path.stem, module, path=path, summary="(cannot be read)")
        try:
            source = plugin_source.read(path, module, ROOT)
            yield from self.describe([cls for cls in source.public if self.holds(cls)], module)
        except (SourceError, RegistryError) as error:
            yield replace(broken, broken=str(error))

    def _installed(self, point: importlib.metadata.EntryPoint) -> Entry:
        package = point.dist.name if point.dist else point.module
        plain = Entry(point.name, point.module, point.attr, f"[{package}]", external=True, package=package)
        if not point.attr:
            return replace(plain, broken=f'its entry point names no class; expected "{point.module}:Class"')
        try:
            source = plugin_source.installed(point.module)
        except SourceError as error:
            return replace(plain, broken=str(error))
        declaration = source.find(point.attr) if source else None
        if declaration is None:
            return plain
        summary = f"{declaration.file_summary} {plain.summary}".lstrip()
        place = declaration.source.path
        return replace(plain, summary=summary, path=place, line=declaration.node.lineno, declared=declaration.declared)

    def holds(self, one: ClassSource) -> bool:
        """Whether the class is seen to derive from this kind's base."""
        return one.derives_from(self.base_module, self.base)

    def describe(
        self, classes: Sequence[ClassSource], module: str, external: bool = False, by_class: bool = False
    ) -> Iterator[Entry]:
        """Entries of the plugin classes of one file. Raises RegistryError where several would share its name."""
        unnamed = [cls for cls in classes if not cls.own.get("names")]
        if len(unnamed) > 1:
            path = unnamed[0].source.path
            raise RegistryError(
                f"{path.name} holds {len(unnamed)} public {self.kind} classes ({', '.join(c.name for c in unnamed)}); "
                + (f"name one, such as {path.name}:{unnamed[0].name}" if external else "give each a file of its own")
            )
        for cls in classes:
            path = cls.source.path
            names = cls.own.get("names") or (snake_case(cls.name) if by_class else path.stem,)
            for name in names:
                yield Entry(
                    name=name,
                    module=module,
                    attribute=cls.name,
                    summary=(cls.summary if cls not in unnamed or by_class else "") or cls.file_summary,
                    path=path,
                    line=cls.node.lineno,
                    external=external,
                    declared=cls.declared,
                )

    def entries(self) -> list[Entry]:
        return sorted([*self._builtin.values(), *self._added.values()], key=lambda entry: entry.name)

    def add(self, entry: Entry) -> None:
        """Registers the plugin of a file, in place of what was registered of that file before.

        Plugins of one name in several folders are named with the folders that tell them apart: "a/mine", "b/mine".
        """
        self._insert(dict(self._builtin), entry)
        others = [one for one in self._added.values() if one.name == entry.name and one.path != entry.path]
        for one in self._added.values():
            if (one.name, one.path) == (entry.name, entry.path) and one.attribute != entry.attribute:
                self._insert({one.name: one}, entry)
        group = [*others, entry]
        paths = [(one.name, one.path.with_name(one.name) if one.path else None) for one in group]
        kept = {key: one for key, one in self._added.items() if one.name != entry.name}
        self._added.clear()
        self._added.update(kept | dict(zip(distinct(paths), group, strict=True)))

    def _insert(self, entries: dict[str, Entry], entry: Entry) -> None:
        if entry.name in entries:
            first = entries[entry.name].origin
            raise RegistryError(
                f"{self.kind} {entry.name!r} is registered twice: {first} and {entry.origin}; rename one"
            )
        entries[entry.name] = entry

    def find(self, name: str, source: str | None = None) -> Entry:
        """The entry of `name`; "timm/resnet18" is the entry "timm" with an argument.

        Of several plugins of one name, that with the digest `source`.
        """
        entry = self.get(name)
        same = {key: one for key, one in self._added.items() if one.name == name}
        if entry is None and same:
            entry = next((one for one in same.values() if one.path and _digest(one.path) == source), None)
            if entry is None:
                raise RegistryError(f"there are {len(same)} {self.kind}s {name!r}; expected one of {', '.join(same)}")
        if entry is None:
            plain = name.partition("/")[0]
            if any(path.stem == plain for path in self._files()):
                raise RegistryError(
                    f"{self.folder.relative_to(ROOT) / plain}.py holds no public class that derives from {self.base}; "
                    f"write `class Mine({self.base})` there"
                )
            close = difflib.get_close_matches(plain, [entry.name for entry in self.entries()], n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise RegistryError(f"unknown {self.kind} {name!r}{hint} (`noisybench list {self.plural}` shows them all)")
        return entry

    def get(self, name: str) -> Entry | None:
        """As `find`; None where there is no such plugin."""
        plain, slash, _ = name.partition("/")
        known = {**self._builtin, **self._added}
        return known.get(name) or (known.get(plain) if slash else None)

    def plain_name(self, name: str) -> str:
        """The name without the folders that tell plugin files apart; "timm/resnet18" stays."""
        return self._added[name].name if name in self._added else name

    def load(self, name: str, source: str | None = None) -> type[T]:
        """The plugin class of `name`, imported now; `source` as of `find`. Raises RegistryError where that fails."""
        entry = self.find(name, source)
        if entry.broken:
            raise RegistryError(f"{self.kind} {entry.name!r} ({entry.origin}) cannot be used: {entry.broken}")
        try:
            module = _import(entry)
        except (Exception, SystemExit) as error:
            remedy = f"mend or reinstall the package {entry.package}" if entry.package else "mend the file"
            raise RegistryError(
                f"{self.kind} {entry.name!r} ({entry.origin}) cannot be imported: "
                f"{type(error).__name__}: {error}; {remedy}, then `noisybench check {entry.name}`"
            ) from error
        plugin: Any = getattr(module, entry.attribute, None)
        if not self.is_plugin(plugin):
            raise RegistryError(
                f"{self.kind} {entry.name!r} ({entry.origin}): {entry.attribute} is not a subclass of {self.base}; "
                f"write `class {entry.attribute}({self.base})`"
            )
        if "names" in inspect.get_annotations(self._base) and "names" not in vars(plugin):
            plugin.names = (entry.name,)
        return plugin

    def sources(self, name: str) -> dict[str, str]:
        """Path -> digest of the files that the plugin `name` consists of, its own first. Raises as `load`, OSError."""
        entry, plugin = self.find(name), self.load(name)
        if entry.package:
            path = Path(inspect.getfile(plugin)).resolve()
            return plugin_files.sources(path, plugin_files.extent_of_module(path, plugin.__module__, package=True))
        assert entry.path is not None
        if entry.external:
            return plugin_files.sources(entry.path, plugin_files.extent_of_file(entry.path))
        inside = plugin_files.extent_of_module(entry.path, entry.module, package=False)
        return plugin_files.sources(entry.path, inside)

    @property
    def _base(self) -> Any:
        return getattr(importlib.import_module(self.base_module), self.base)

    def is_plugin(self, plugin: Any) -> bool:
        """Whether an imported object is a class that derives from this kind's base."""
        return isinstance(plugin, type) and plugin is not self._base and issubclass(plugin, self._base)


def snake_case(name: str) -> str:
    """ "FastGCE" -> "fast_gce"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _digest(path: Path) -> str:
    """Of a plugin file outside the tree."""
    return plugin_files.digest(plugin_files.sources(path, plugin_files.extent_of_file(path)))


def _import(entry: Entry) -> Any:
    if entry.external and entry.path and not entry.package:
        return plugin_files.load(entry.path)
    return importlib.import_module(entry.module)


METHODS: Registry[Any] = Registry("method", "methods", "Method", "methods.base")
BACKBONES: Registry[Any] = Registry("backbone", "backbones", "Backbone", "backbones.base")
DATASETS: Registry[Any] = Registry("data set", "benchmark.datasets", "Dataset", "benchmark.datasets.base")
NOISE: Registry[Any] = Registry("noise", "benchmark.noise", "NoiseKind", "benchmark.noise.base")
ALL = (METHODS, BACKBONES, DATASETS, NOISE)
BASES = "Method, Backbone, Dataset or NoiseKind"


def named(text: str) -> list[tuple[Registry[Any], str]]:
    """Kind and name of what a command line names: a plugin file, one class of it, or a registered plugin."""
    if PLUGIN_FILE.search(text):
        return [(registry, entry.name) for registry, entry in add_plugin_file(Path(text))]
    matches = [(registry, text) for registry in ALL if registry.get(text)]
    if not matches:
        close = difflib.get_close_matches(text, [entry.name for registry in ALL for entry in registry.entries()], n=1)
        hint = f"did you mean {close[0]!r}?" if close else "`noisybench list methods` shows those of a kind"
        raise RegistryError(f"unknown plugin {text!r}; {hint}")
    return matches


def add_plugin_file(plugin: Path) -> list[tuple[Registry[Any], Entry]]:
    """Registers the plugins of the file "mine.py", whatever their kinds, or the class of "mine.py:Mine".

    The file is imported only where a class's bases cannot be followed by reading. Raises RegistryError.
    """
    path, wanted = _split(plugin)
    builtin = [(registry, entry) for registry in ALL for entry in registry.entries() if entry.path == path]
    builtin = [pair for pair in builtin if not pair[1].external and wanted in ("", pair[1].attribute)]
    if builtin:  # a file of the tree, which is registered
        return builtin
    plugin_files.forget_changed(path)
    source = _read_file(path)
    if wanted and wanted not in source.classes:
        raise RegistryError(f"{path} defines no class {wanted!r}; it defines {', '.join(source.classes) or 'none'}")
    classes = [source.classes[wanted]] if wanted else source.public
    kinds, problem = _by_kind(classes)
    if not kinds:
        raise RegistryError(f"plugin file {path} {problem}")
    entries = [
        (registry, entry)
        for registry, members in kinds
        for entry in registry.describe(members, plugin_files.module_name(path), external=True, by_class=bool(wanted))
    ]
    for registry, entry in entries:
        if not re.fullmatch(r"[\w.-]+", entry.name):
            raise RegistryError(f"{entry.name!r} cannot be the name of a {registry.kind}; rename {path.name}")
        registry.add(entry)
    return entries


def _split(plugin: Path) -> tuple[Path, str]:
    """File and class of "mine.py:Mine"; the class is empty where none is named."""
    path, wanted = plugin, ""
    if not plugin.is_file() and PLUGIN_FILE.search(str(plugin)) and not str(plugin).endswith(".py"):
        text, _, wanted = str(plugin).rpartition(":")
        path = Path(text)
    if not path.is_file():
        raise RegistryError(f"plugin file {path} does not exist; expected a Python file with one plugin class")
    return path.resolve(), wanted


def _read_file(path: Path) -> Source:
    try:
        return plugin_source.read(path)
    except SourceError as error:
        raise RegistryError(
            f"plugin file {path} cannot be read: {error}; mend it, then `noisybench check {path.name}`"
        ) from None


def _by_kind(classes: Sequence[ClassSource]) -> tuple[list[tuple[Registry[Any], list[ClassSource]]], str]:
    """The plugin classes of a file by kind; also what is wrong, for the case that there is none."""
    problem = f"defines no public class; expected one that derives from {BASES}"
    if classes:
        listed = ", ".join(cls.name for cls in classes)
        problem = f"defines {listed}, but no class that derives from {BASES}; write `class {classes[0].name}(Method)`"
    loaded: Any = None
    if any(not cls.complete and not any(registry.holds(cls) for registry in ALL) for cls in classes):
        try:
            loaded = plugin_files.load(classes[0].source.path)
        except (Exception, SystemExit) as error:
            problem = f"cannot be imported: {type(error).__name__}: {error}; mend it"
    kinds = []
    for registry in ALL:
        members = [
            cls
            for cls in classes
            if registry.holds(cls) or (loaded and registry.is_plugin(getattr(loaded, cls.name, None)))
        ]
        if members:
            kinds.append((registry, members))
    return kinds, problem
