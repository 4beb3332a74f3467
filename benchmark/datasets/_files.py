"""Files below a folder, or in a zip archive, which is read without being unpacked; both by the names in it."""

from __future__ import annotations

import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from benchmark.datasets.base import DataError, expand_home
from benchmark.store import digests
from benchmark.store.tree import Tree, printable, walk

LARGEST_MEMBER = 1 << 30
"""Bytes of a file in an archive beyond which it is no image: archives can be made that unpack to any size."""


class UnusableError(Exception):
    """A file that cannot be used; the message begins with the kind of its fault: "kind: what it is about"."""


class Place(ABC):
    """Where files lie."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @abstractmethod
    def tree(self, skip: Callable[[str], bool]) -> Tree:
        """All names in it, as `store.tree.walk` lists them. Raises ReadError."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""

    @abstractmethod
    def content(self, name: str) -> Path | BytesIO:
        """What Pillow and others open."""

    @abstractmethod
    def size(self, name: str) -> int:
        """In bytes."""

    @abstractmethod
    def digest(self, name: str) -> str:
        """Of the file's content, the same in a folder and in an archive. Raises OSError."""


class DiskFolder(Place):
    def tree(self, skip: Callable[[str], bool]) -> Tree:
        return walk(self.root, skip)

    def has(self, name: str) -> bool:
        return (self.root / name).is_file()

    def content(self, name: str) -> Path:
        return self.root / name

    def size(self, name: str) -> int:
        return (self.root / name).stat().st_size

    def digest(self, name: str) -> str:
        return digests.digest(self.root / name)


class ZipArchive(Place):
    """Raises DataError where the archive is damaged, encrypted, or has members that lead out of it."""

    def __init__(self, root: Path, prefix: str = "") -> None:
        super().__init__(root)
        self._prefix = prefix
        try:
            self._archive = zipfile.ZipFile(root)
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise DataError(f"{root} cannot be read as a zip archive ({error}): copy it again") from None
        self._members = {
            name.removeprefix(prefix): member
            for name, member in _members(root, self._archive).items()
            if name.startswith(prefix)
        }

    def tree(self, skip: Callable[[str], bool]) -> Tree:
        files, folders, skipped = [], set[str](), set[str]()
        for name in sorted(self._members):
            parts = name.split("/")
            seen = next((k for k, part in enumerate(parts) if skip(part)), None)
            folders |= {"/".join(parts[:k]) for k in range(1, len(parts) if seen is None else seen + 1)}
            if seen is None:
                files.append(name)
            else:
                skipped.add("/".join(parts[: seen + 1]))
        return Tree(files, sorted(folders), skipped=sorted(skipped))

    def has(self, name: str) -> bool:
        return name in self._members

    def content(self, name: str) -> BytesIO:
        member = self._members[name]
        if member.file_size > LARGEST_MEMBER:
            raise UnusableError(f"too large for an image: unpacks to {member.file_size >> 20:,} MiB")
        return BytesIO(self._archive.read(member))

    def size(self, name: str) -> int:
        return self._members[name].file_size

    def digest(self, name: str) -> str:
        try:
            return digests.of_stream(self.content(name))
        except (zipfile.BadZipFile, zlib.error, EOFError, UnusableError, NotImplementedError, RuntimeError):
            # A damaged member is told by whoever decodes it.
            member = self._members[name]
            return f"damaged:{member.CRC:08x}:{member.compress_size}"

    def below(self, folder: str) -> ZipArchive:
        """The folder of that name in it."""
        return ZipArchive(self.root, f"{self._prefix}{folder}/")


@dataclass(frozen=True)
class File:
    """A file in its place, or one picture of it."""

    place: Place
    name: str
    """With forward slashes."""
    page: int | None = None
    """Number of the picture in it, from 0 on; None: the only one."""

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()

    @property
    def label(self) -> str:
        """For people."""
        return printable(self.name if self.page is None else f"{self.name}#{self.page + 1}")

    def exists(self) -> bool:
        return self.place.has(self.name)

    def content(self) -> Path | BytesIO:
        return self.place.content(self.name)

    def size(self) -> int:
        return self.place.size(self.name)

    def head(self, count: int) -> bytes:
        """Its first bytes."""
        content = self.content()
        if isinstance(content, BytesIO):
            return content.read(count)
        with content.open("rb") as stream:
            return stream.read(count)

    def digest(self) -> str:
        return self.place.digest(self.name)


def place_of(root: Path) -> Place:
    """The folder or the zip archive at `root`."""
    return ZipArchive(root) if root.is_file() else DiskFolder(root)


def _folder_or_archive(path: Path) -> Path:
    if path.is_dir() or (path.is_file() and zipfile.is_zipfile(path)):
        return path
    what = "exists and is neither" if path.exists() else "does not exist"
    raise ValueError(f"{what}; expected a folder or a zip archive")


InputPlace = Annotated[Path, BeforeValidator(expand_home), AfterValidator(_folder_or_archive)]
"""A folder, or a zip archive."""


def leads_out(name: str) -> bool:
    """Whether a name in a list or an archive may be that of a file elsewhere: absolute, or by way of a folder above."""
    parts = _parts(name)
    return bool(parts) and (parts[0] == "/" or parts[0].endswith(":") or ".." in parts)


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).parts


def _members(root: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The files by name. Raises DataError for what must not or cannot be read."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        parts = _parts(member.filename)
        if leads_out(member.filename):
            raise DataError(
                f"{root} holds {member.filename!r}, which leads out of the archive; expected names below its top: "
                "pack it again"
            )
        if member.is_dir() or stat.S_ISLNK(member.external_attr >> 16):
            continue
        if member.flag_bits & 1:
            raise DataError(f"{root} is encrypted: unpack it with its password, and give the folder instead")
        name = "/".join(parts)
        if name in members:
            raise DataError(f"{root} holds two files {name!r}; expected one of each name: pack it again")
        members[name] = member
    return members
