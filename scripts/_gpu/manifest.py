"""What a pack holds: packages with their versions, an archive of them, and images. Needs Python alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

NAME = "manifest.json"
ARCHIVE = "packages.tar.xz"
FORMAT = 1


class PackError(Exception):
    """A pack that cannot be made or used: what was wrong, what was expected, what to type."""


@dataclass(frozen=True)
class Package:
    """One wheel; its files lie in the archive under `NAME-VERSION/`."""

    version: str
    wheel: str
    sha256: str
    """Of the wheel as it was downloaded; the archive leaves out its tests and type stubs."""
    requires: dict[str, str]
    """The packages that it needs, with the versions that it accepts (">=2,<3"; "" is any)."""


@dataclass(frozen=True)
class Images:
    file: str
    source: str
    splits: dict[str, int]
    """Images of every split, drawn at random with seed 0."""


@dataclass(frozen=True)
class Manifest:
    commit: str | None
    python: str
    requires: dict[str, str]
    """What noisybench and its tests need, with the versions that they accept."""
    packages: dict[str, Package]
    left_out: dict[str, str]
    """Needed by some package above, but not packed: name and reason."""
    sha256: dict[str, str]
    """Of every other file of the pack."""
    images: Images | None
    format: int = field(default=FORMAT)

    def write(self, folder: Path) -> None:
        (folder / NAME).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> Manifest:
    """The manifest of the pack in `folder`, whose files are those that were packed. Raises PackError."""
    remedy = "make a pack with `scripts/gpu --pack DIR` and give its folder"
    try:
        found = json.loads((folder / NAME).read_bytes())
    except OSError as error:
        raise PackError(f"{folder} holds no pack ({error.strerror}: {NAME}); {remedy}") from error
    except ValueError as error:
        raise PackError(f"{folder / NAME} is damaged ({error}); {remedy}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise PackError(f"{folder / NAME} has another format than {FORMAT}; {remedy}")
    try:
        packages = {name: Package(**package) for name, package in found.pop("packages").items()}
        images = found.pop("images")
        manifest = Manifest(**found, packages=packages, images=images and Images(**images))
    except (TypeError, KeyError, AttributeError) as error:
        raise PackError(f"{folder / NAME} is damaged ({error}); {remedy}") from error
    for name, digest in manifest.sha256.items():
        path = folder / name
        if not path.is_file():
            raise PackError(f"{path} is missing from the pack; {remedy}")
        if sha256(path) != digest:
            raise PackError(f"{path} is not the file that was packed (its SHA-256 differs); {remedy}")
    return manifest


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
