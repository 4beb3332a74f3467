"""The files that a plugin consists of: which they are, their digests, and importing those from outside the tree.

A plugin file from outside the tree may import modules and packages that lie beside it (`import helpers`). They are
a part of the plugin: its digest covers them. Each folder is a package of its own, so that equally named helpers of
two folders are two modules, and neither `sys.path` nor the names of other modules change.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import importlib
import importlib.machinery
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmark import plugin_source
from benchmark.errors import NoisybenchError
from benchmark.plugin_source import TREE, SourceError

PREFIX = "noisybench_plugin_"
_INSTALLED = ("site-packages", "dist-packages")
_loaded: dict[str, str] = {}
"""Path -> digest of the bytes that were compiled, of every file that was imported here."""


class SourceChangedError(NoisybenchError):
    """A plugin's file is not what it was when the grid was started."""


@dataclass(frozen=True)
class Extent:
    """Which imports of a plugin lead to files of its own."""

    root: Path
    """Absolute names are looked up here first."""
    within: Path
    """Files here belong to the plugin; the folder itself, or the file of a package of one module."""
    elsewhere: bool = False
    """Whether modules count that are found on `sys.path`, but neither in the tree nor installed."""


def extent_of_file(path: Path) -> Extent:
    """Of a plugin file outside the tree: what lies beside it, and one's own code on PYTHONPATH."""
    return Extent(path.parent, path.parent, elsewhere=True)


def extent_of_module(path: Path, module: str, package: bool) -> Extent:
    """Of the module `module` in the file `path`: the folder of the file or, with `package`, the top-level package."""
    levels = module.count(".") + (path.name == "__init__.py")
    root = path.parents[levels]
    top = root / module.partition(".")[0]
    return Extent(root, (top if top.is_dir() else path) if package else path.parent)


def sources(path: Path, extent: Extent) -> dict[str, str]:
    """Path -> digest of the plugin's file, which comes first, and of the files of `extent` that it imports.

    Imports are read, not run: those inside functions count. For a file that has been imported here, the digest is
    that of the bytes that were imported.
    """
    files: dict[Path, Extent] = {path: extent}
    queue = [path]
    while queue:
        current = queue.pop()
        for file, its_extent in _imported(current, files[current]):
            if file not in files:
                files[file] = its_extent
                queue.append(file)
    return {str(file): _loaded.get(str(file)) or _digest(file.read_bytes()) for file in files}


def digest(files: Mapping[str, str]) -> str:
    """ "sha256:..." of a plugin's `sources`: of the file itself, or of all files where there are more.

    The folders above the plugin's own do not count, so that a plugin may be moved.
    """
    (first, own), *others = files.items()
    if not others:
        return own
    folder = Path(first).parent
    lines = sorted(f"{_below(Path(file), folder)}\0{content}\n" for file, content in others)
    return _digest("".join([f"{own}\n", *lines]).encode())


def check(expected: Mapping[str, str]) -> None:
    """Raises SourceChangedError unless all files are, or were when they were imported, as `expected`."""
    for file, content in expected.items():
        if (_loaded.get(file) or _on_disk(file)) != content:
            raise _changed(file)


def check_imported(expected: Mapping[str, str]) -> None:
    """As `check`, of the files that were imported by now: one may be imported by a function that runs late."""
    check({file: content for file, content in expected.items() if file in _loaded})


def forget_changed(path: Path) -> None:
    """Forgets the modules of the plugin file's folder if one of them has changed since it was imported."""
    folder = path.parent
    imported = {file: content for file, content in _loaded.items() if Path(file).is_relative_to(folder)}
    if any(_on_disk(file) != content for file, content in imported.items()):
        for name in [name for name in sys.modules if name.partition(".")[0] == _package(folder)]:
            del sys.modules[name]
        for file in imported:
            del _loaded[file]


def module_name(path: Path) -> str:
    """The module that a plugin file outside the tree is imported as."""
    return f"{_package(path.parent)}.{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}"


def load(path: Path) -> ModuleType:
    """The module of a plugin file outside the tree, imported where it has not been. Raises what the import raises."""
    name = module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
    package = _package(path.parent)
    if package not in sys.modules:
        sys.modules[package] = ModuleType(package, "Plugins of one folder.")
        sys.modules[package].__path__ = [str(path.parent)]
    module = importlib.util.module_from_spec(_spec(name, path))
    sys.modules[name] = module
    try:
        module.__spec__.loader.exec_module(module)  # type: ignore[union-attr]
    except BaseException:
        del sys.modules[name]
        raise
    return module


# Which files


def _imported(path: Path, extent: Extent) -> Iterator[tuple[Path, Extent]]:
    """The files of the plugin that `path` imports itself."""
    for level, name in _imports(path):
        top, *_ = names = name.split(".")
        if level:
            files, its = _modules(path.parents[level - 1], names), extent
        elif top in TREE and extent.root != plugin_source.ROOT:
            continue
        elif extent.root == plugin_source.ROOT or _is_beside(extent.root, top, path):
            files, its = _modules(extent.root, names), extent
        elif extent.elsewhere and (root := _own_code(top)) is not None:
            its = Extent(root, root, elsewhere=True)
            files = _modules(root, names)
        else:
            continue
        yield from ((file, its) for file in files if file.is_relative_to(its.within))


def _imports(path: Path) -> Sequence[tuple[int, str]]:
    """(level, dotted name) of what a file imports, below functions too; what is imported from a module counts as one
    of its modules, as it may be."""
    try:
        return _imports_of(plugin_source.read(path).tree)
    except SourceError:
        return ()  # reported where the file is imported


@cache
def _imports_of(tree: ast.Module) -> tuple[tuple[int, str], ...]:
    names: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            prefix = [node.module] if node.module else []
            names += [(node.level, ".".join([*prefix, alias.name])) for alias in node.names]
    return tuple(dict.fromkeys(names))


def _modules(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """The files of the packages and of the module `names` below `folder`, as far as there are any."""
    for name in names:
        folder = folder / name
        for file in (folder / "__init__.py", folder.with_name(f"{name}.py")):
            if file.is_file():
                yield file
                break


def _is_beside(folder: Path, top: str, importer: Path) -> bool:
    """Whether the name `top` means a module in the plugin's folder; a module never means itself."""
    file = folder / f"{top}.py"
    if file == importer or top in TREE:
        return False
    if file.is_file() or (folder / top / "__init__.py").is_file():
        return True
    return (folder / top).is_dir() and any((folder / top).rglob("*.py")) and _specification(top) is None


def _own_code(top: str) -> Path | None:
    """The folder that holds a module which is found on `sys.path`, but neither in Python nor installed."""
    specification = _specification(top)
    if top in sys.builtin_module_names or specification is None or not specification.has_location:
        return None
    file = Path(specification.origin or "").resolve()
    library = any(file.is_relative_to(Path(sysconfig.get_path(kind)).resolve()) for kind in ("stdlib", "platstdlib"))
    if library or set(_INSTALLED) & set(file.parts):
        return None
    return file.parents[file.name == "__init__.py"]


def _specification(top: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None


def _below(file: Path, folder: Path) -> str:
    return (file.relative_to(folder) if file.is_relative_to(folder) else Path(file.name)).as_posix()


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _on_disk(file: str) -> str | None:
    try:
        return _digest(Path(file).read_bytes())
    except OSError:
        return None


def _changed(file: str) -> SourceChangedError:
    return SourceChangedError(
        f"{file} has changed since the grid was started: the run would store the numbers of other code under the "
        "identity of the former; put the former file back, or start the grid anew (a file of the tree then needs a "
        "new `version`)"
    )


# Importing


def _package(folder: Path) -> str:
    return PREFIX + hashlib.sha256(bytes(folder)).hexdigest()[:8]


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles the bytes whose digest it notes, never a cached file, which may be of other bytes."""

    def get_code(self, fullname: str) -> Any:
        content = Path(self.path).read_bytes()
        _loaded[self.path] = _digest(content)
        return compile(content, self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        package = module.__name__.partition(".")[0]
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": _importer(package, Path(self.path))}
        super().exec_module(module)


def _importer(package: str, path: Path) -> Callable[..., Any]:
    """What `import` means in the file `path`: names of modules in the plugin's folder come first."""
    folder = Path(sys.modules[package].__path__[0])

    def lookup(name: str, names: Any = None, local: Any = None, wanted: Any = (), level: int = 0) -> Any:
        top = name.partition(".")[0]
        if level or not _is_beside(folder, top, path):
            return builtins.__import__(name, names, local, wanted, level)
        module = builtins.__import__(f"{package}.{name}", names, local, wanted, 0)
        return module if wanted else sys.modules[f"{package}.{top}"]

    return lookup


class _Finder:
    """Finds the modules of the packages that `load` makes."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        if path is None or not name.startswith(PREFIX):
            return None
        place = Path(path[0]) / name.rpartition(".")[2]
        if (place / "__init__.py").is_file():
            return _spec(name, place / "__init__.py", [str(place)])
        file = place.with_name(f"{place.name}.py")
        return _spec(name, file) if file.is_file() else None


def _spec(name: str, path: Path, inner: list[str] | None = None) -> Any:
    loader = _Loader(name, str(path))
    return importlib.util.spec_from_file_location(name, path, loader=loader, submodule_search_locations=inner)
