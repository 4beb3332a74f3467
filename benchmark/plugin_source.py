"""Reads what plugin files declare from their syntax trees: nothing is imported or run.

The bases of a class are followed within its file, through modules of the tree (`from methods.gce import GCE`)
and, for an installed package, through modules of that package. Any other base ends the search there.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TREE = ("methods", "backbones", "benchmark")
DEEPEST = 20
"""Longest chain of modules that a name is followed through, because imports may be circular."""


class SourceError(ValueError):
    """A file that is not readable Python, with the line."""


@dataclass(frozen=True, eq=False)
class Source:
    """A parsed module. `root` is the folder of its top-level package, None for a file that stands alone."""

    path: Path
    module: str
    root: Path | None
    tree: ast.Module

    @cached_property
    def classes(self) -> dict[str, ClassSource]:
        """The classes that the file itself defines, by name."""
        classes = [ClassSource(self, node) for node in self.tree.body if isinstance(node, ast.ClassDef)]
        return {cls.name: cls for cls in classes}

    @property
    def public(self) -> list[ClassSource]:
        return [cls for cls in self.classes.values() if not cls.name.startswith("_")]

    @cached_property
    def imports(self) -> list[tuple[str, str, str]]:
        """(local name, module, attribute); the attribute is empty for a module, the name "*" for a star import."""
        names = []
        for node in _statements(self.tree.body):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    local = alias.asname or alias.name.partition(".")[0]
                    names.append((local, alias.name if alias.asname else local, ""))
            elif isinstance(node, ast.ImportFrom):
                module = self._absolute(node)
                names += [(alias.asname or alias.name, module, alias.name) for alias in node.names]
        return names

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        up = node.level - (self.path.name == "__init__.py")
        parts = self.module.split(".")
        return ".".join([*parts[: len(parts) - up], *filter(None, [node.module])])

    def find(self, name: str, depth: int = 0) -> ClassSource | None:
        """The class that the dotted `name` means in this module; None where it cannot be followed."""
        if name in self.classes:
            return self.classes[name]
        head, *rest = name.split(".")
        for local, module, attribute in reversed(self.imports):
            inner = [head, *rest] if local == "*" else [*filter(None, [attribute]), *rest]
            if local in (head, "*") and (definition := self._find_in(module, inner, depth + 1)):
                return definition
        return None

    def _find_in(self, module: str, names: list[str], depth: int) -> ClassSource | None:
        if not names or depth > DEEPEST:
            return None
        source = self._neighbour(module)
        # A name in a package is something that its __init__ holds, or a module of its own.
        definition = source.find(".".join(names), depth) if source else None
        return definition or self._find_in(f"{module}.{names[0]}", names[1:], depth + 1)

    def _neighbour(self, module: str) -> Source | None:
        top = module.partition(".")[0]
        root = ROOT if top in TREE else self.root if top == self.module.partition(".")[0] else None
        try:
            return None if root is None else _find_module(root, module)
        except SourceError:
            return None  # reported where that module itself is used


@dataclass(frozen=True, eq=False)
class ClassSource:
    """A class as its file declares it."""

    source: Source
    node: ast.ClassDef

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def summary(self) -> str:
        """First line of the docstring of the class."""
        return _first_line(self.node)

    @property
    def file_summary(self) -> str:
        """First line of the file's docstring, or of the class's."""
        return _first_line(self.source.tree) or self.summary

    @cached_property
    def bases(self) -> list[ClassSource | None]:
        """The base classes that are not built in; None for one that cannot be followed."""
        names = [ast.unparse(base.value if isinstance(base, ast.Subscript) else base) for base in self.node.bases]
        local_names = {*self.source.classes, *(local for local, *_ in self.source.imports)}
        return [self.source.find(name) for name in names if name in local_names or not hasattr(builtins, name)]

    @cached_property
    def lineage(self) -> list[ClassSource]:
        """The class and what it derives from as far as that can be followed, nearest first."""
        classes: list[ClassSource] = []
        stack = [self]
        while stack:
            cls = stack.pop()
            # As in Python, a base that several classes share comes after all of them.
            classes = [*(other for other in classes if other is not cls), cls]
            if len(classes) > DEEPEST * 10:
                break
            stack += [base for base in reversed(cls.bases) if base is not None and base is not self]
        return classes

    @property
    def complete(self) -> bool:
        """Whether every base could be followed to its end."""
        return all(base is not None for cls in self.lineage for base in cls.bases)

    def derives_from(self, module: str, name: str) -> bool:
        return any((cls.source.module, cls.name) == (module, name) for cls in self.lineage[1:])

    @cached_property
    def own(self) -> dict[str, Any]:
        """Attributes that the class's own body sets to literals.

        A call, such as `card = Card(year=2018)`, is the mapping of its literal arguments.
        """
        literals = {}
        for name, value in _assignments(self.node):
            try:
                literals[name] = self._literal(value)
            except ValueError:
                continue
        return literals

    @cached_property
    def declared(self) -> dict[str, Any]:
        """Attributes that are literals, inherited ones too."""
        return {name: value for cls in reversed(self.lineage) for name, value in cls.own.items()}

    def _literal(self, node: ast.expr) -> Any:
        """The value of an expression. Raises ValueError where it is more than literals and calls of them."""
        match node:
            case ast.Call(func=ast.Name("frozenset"), args=arguments):
                return frozenset(self._literal(arguments[0]) if arguments else ())
            case ast.Call(func=ast.Name("field" | "Field")):
                raise ValueError("a default that is made when the class is")
            case ast.Call():
                return self._arguments(node)
            case ast.Tuple(elts):
                return tuple(map(self._literal, elts))
            case ast.List(elts):
                return list(map(self._literal, elts))
            case _:
                return ast.literal_eval(node)

    def _arguments(self, call: ast.Call) -> dict[str, Any]:
        """Arguments of a call by name, over the defaults of the dataclass that it makes, where that is found."""
        definition = self.source.find(ast.unparse(call.func))
        fields = [name for cls in reversed(definition.lineage) for name in cls.fields] if definition else []
        expressions = dict(zip(dict.fromkeys(fields), call.args, strict=False))
        expressions |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        literals = {name: value for name, value in definition.declared.items() if name in fields} if definition else {}
        for name, value in expressions.items():
            literals.pop(name, None)
            try:
                literals[name] = self._literal(value)
            except ValueError:
                continue
        if not literals and definition is None:
            raise ValueError(f"nothing can be read of {ast.unparse(call)}")
        return literals

    @property
    def fields(self) -> Iterator[str]:
        """Annotated names of the body, in the order in which a dataclass takes them."""
        for node in self.node.body:
            match node:
                case ast.AnnAssign(target=ast.Name(name)) if "ClassVar" not in ast.unparse(node.annotation):
                    yield name


def read(path: Path, module: str = "", root: Path | None = None) -> Source:
    """The file `path`, parsed. Raises SourceError where it cannot be read."""
    try:
        stat = path.stat()
        return _parse(path, module, root, stat.st_mtime_ns, stat.st_size)
    except SyntaxError as error:
        raise SourceError(f"line {error.lineno}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise SourceError(str(error)) from None


def installed(module: str) -> Source | None:
    """The module of an installed package, found without importing it; None where it has no readable file."""
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return None
    places = [*(spec.submodule_search_locations or []), spec.origin] if spec else []
    sources = (_find_module(Path(place).parent, module) for place in places if place)
    return next((source for source in sources if source), None)


@cache
def _parse(path: Path, module: str, root: Path | None, changed: int, size: int) -> Source:
    # Time and size are a part of the key, so that a changed file is read again.
    return Source(path, module, root, ast.parse(path.read_bytes()))


def _find_module(root: Path, module: str) -> Source | None:
    """Raises SourceError where its file is there but is not readable Python."""
    path = root.joinpath(*module.split("."))
    for place in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
        if place.is_file():
            return read(place, module, root)
    return None


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those below `if` and `try` too (such as `if TYPE_CHECKING`)."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try)):
            yield from _statements(node.body + node.orelse)


def _assignments(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(name), value=value) if value is not None:
                yield name, value


def _first_line(node: ast.Module | ast.ClassDef) -> str:
    return (ast.get_docstring(node) or "").split("\n")[0].rstrip(".")
