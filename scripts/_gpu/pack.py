"""Packs what a machine with torch and torchvision alone lacks: wheels for it, in one archive, and some images.

The versions are those installed here, which the tests ran with. What torch and torchvision bring is not packed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from scripts._gpu.manifest import ARCHIVE, NAME, Images, Manifest, Package, PackError, sha256

ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT = 64 * 2**20
"""Bytes that may travel: the repository and the pack."""
PYTHON = "3.12"
GLIBC = (28, 27, 26, 24, 17, 12, 5)
"""Minor versions of glibc 2 that wheels may be built for."""
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in GLIBC] + [
    f"manylinux{name}_x86_64" for name in ("2014", "2010", "1")
]
MARKERS = {
    "python_version": PYTHON,
    "python_full_version": f"{PYTHON}.3",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "extra": "",
}
THERE = ("torch", "torchvision")
TESTS = ("pytest", "pytest-timeout", "hypothesis")
LEFT_OUT = {
    "pyarrow": "large, and only segments need it (`noisybench compact`)",
    "huggingface-hub": "timm does without it where nothing is downloaded",
    "fire": "the command line of medmnist needs it",
    "scikit-image": "montages of medmnist need it",
}
SPLITS = {"train": 4000, "val": 500, "test": 1000}
IMAGES = "pbc_28.npz"


def requirements(name: str) -> dict[str, str]:
    """What the distribution `name`, installed here, needs there: canonical name and accepted versions."""
    return applying(importlib.metadata.requires(name) or [])


def applying(lines: Sequence[str]) -> dict[str, str]:
    parsed = [Requirement(line) for line in lines]
    return {
        str(canonicalize_name(one.name)): str(one.specifier)
        for one in parsed
        if one.marker is None or one.marker.evaluate(MARKERS)
    }


def closure(names: Sequence[str], without: Sequence[str]) -> dict[str, dict[str, str]]:
    """`names` and what they need, directly or not, with the needs of each; nothing of `without`."""
    found: dict[str, dict[str, str]] = {}
    waiting = [name for name in names if name not in without]
    while waiting:
        name = waiting.pop()
        try:
            found[name] = {other: spec for other, spec in requirements(name).items() if other not in without}
        except importlib.metadata.PackageNotFoundError as error:
            raise PackError(
                f"{name} is needed there but not installed here; run ./scripts/test once, which installs it"
            ) from error
        waiting += [other for other in found[name] if other not in found]
    return found


def own_requirements() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    development = applying(project["optional-dependencies"]["dev"])
    return applying(project["dependencies"]) | {name: development[name] for name in TESTS}


def download(versions: dict[str, str], folder: Path) -> list[Path]:
    """The wheels of these versions for the machine there. Raises PackError with pip's last words."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--quiet", "--implementation", "cp", "--python-version", PYTHON]
    command += [part for platform in PLATFORMS for part in ("--platform", platform)]
    command += [f"{name}=={version}" for name, version in versions.items()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr[-500:]]
        raise PackError(
            f"pip could not download the wheels: {' '.join(errors)}; check that a package index is reachable"
        )
    wheels = sorted(folder.glob("*.whl"))
    for wheel in wheels:
        if not fits(wheel.name):
            raise PackError(f"{wheel.name} is not for Python {PYTHON} on Linux x86-64")
    return wheels


def fits(wheel: str) -> bool:
    """Whether a wheel of this file name runs on CPython 3.12 with glibc 2.28 or newer on x86-64."""

    def suits(interpreter: str, abi: str, platform: str) -> bool:
        if platform != "any" and platform not in PLATFORMS:
            return False
        major, minor = interpreter[:3], interpreter[3:] or "0"
        if interpreter == "cp312":
            return abi in ("cp312", "abi3", "none")
        if abi == "abi3":
            return major == "cp3" and int(minor) <= 12
        return abi == "none" and major == "py3"

    return any(suits(tag.interpreter, tag.abi, tag.platform) for tag in parse_wheel_filename(wheel)[3])


def members(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """Path and content of what an import of the wheel may need: no tests, no stubs, no headers."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            parts = name.split("/")
            if parts[0].endswith(".data"):
                if parts[1] not in ("purelib", "platlib"):
                    continue
                parts = parts[2:]
            if name.endswith(("/", ".pyi", ".pxd", ".pyx", ".h", ".hpp")) or "tests" in parts[:-1]:
                continue
            yield "/".join(parts), archive.read(name)


def archive_of(wheels: dict[str, Path], path: Path) -> None:
    """One tar of all wheels' files under `NAME-VERSION/`: equal wheels make an equal archive."""
    with lzma.open(path, "wb", preset=6) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for folder, wheel in sorted(wheels.items()):
            for name, content in sorted(members(wheel)):
                entry = tarfile.TarInfo(f"{folder}/{name}")
                entry.size, entry.mode = len(content), 0o644
                tar.addfile(entry, io.BytesIO(content))


def subset(source: Path, path: Path) -> Images:
    """Writes some images of every split of a MedMNIST-like npz file."""
    generator = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    splits = {}
    with np.load(source, allow_pickle=False) as given:
        for split, most in SPLITS.items():
            labels = given[f"{split}_labels"]
            chosen = np.sort(generator.permutation(len(labels))[:most])
            arrays |= {f"{split}_images": given[f"{split}_images"][chosen], f"{split}_labels": labels[chosen]}
            splits[split] = len(chosen)
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **arrays)
    return Images(path.name, source.name, splits)


def repository_bytes() -> int:
    """Of what is tracked, or untracked and not ignored."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return sum((ROOT / name).stat().st_size for name in names if name and (ROOT / name).is_file())


def check_target(folder: Path) -> None:
    """Raises PackError where the pack would replace something else, or could be committed."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / NAME).is_file())):
        raise PackError(f"{folder} holds something that is no pack; give a new folder or that of an older pack")
    if folder.is_relative_to(ROOT):
        ignored = ["git", "-C", str(ROOT), "check-ignore", "--quiet", str(folder / ARCHIVE)]
        if subprocess.run(ignored, check=False).returncode:
            raise PackError(f"git does not ignore {folder}, and a pack is never committed; use .gpu/ for it")


def pack(folder: Path, without: Sequence[str] = ()) -> Manifest:
    """Makes the pack in `folder`; `without` names packages that are known to be there. Raises PackError."""
    folder = folder.resolve()
    check_target(folder)
    own = {name: spec for name, spec in own_requirements().items() if name not in THERE}
    left_out = LEFT_OUT | {str(canonicalize_name(name)): "said to be there" for name in without}
    brought = closure(THERE, ())
    needed = closure(list(own), [*left_out, *brought])
    versions = {name: importlib.metadata.version(name) for name in needed}
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "pack"
        made.mkdir()
        wheels = download(versions, Path(name))
        print(f"{len(wheels)} wheels, {_mib(sum(map(_size, wheels)))}; compressing", file=sys.stderr)
        by_name = {str(parse_wheel_filename(wheel.name)[0]): wheel for wheel in wheels}
        archive_of({f"{name}-{versions[name]}": wheel for name, wheel in by_name.items()}, made / ARCHIVE)
        data = Path(os.environ.get("NOISYBENCH_DATA", ROOT.parent / "shared" / "data")) / IMAGES
        images = subset(data, made / "data" / "pbc.npz") if data.is_file() else None
        files = sorted(path for path in made.rglob("*") if path.is_file())
        manifest = Manifest(
            commit=_commit(),
            python=PYTHON,
            requires=own,
            packages={
                name: Package(versions[name], wheel.name, sha256(wheel), needed[name])
                for name, wheel in sorted(by_name.items())
            },
            left_out=left_out,
            sha256={path.relative_to(made).as_posix(): sha256(path) for path in files},
            images=images and replace(images, file=f"data/{images.file}"),
        )
        manifest.write(made)
        size, repository = sum(map(_size, files)), repository_bytes()
        for path in files:
            print(f"{path.relative_to(made)}: {_mib(_size(path))}", file=sys.stderr)
        print(f"repository {_mib(repository)} + pack {_mib(size)} of {_mib(LIMIT)}", file=sys.stderr)
        if size + repository > LIMIT:
            raise PackError(
                f"repository and pack are {_mib(size + repository)}, more than the {_mib(LIMIT)} that may travel; "
                "name packages that are there already: --without scipy pandas scikit-learn timm"
            )
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, folder)
    return manifest


def _commit() -> str | None:
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def _size(path: Path) -> int:
    return path.stat().st_size


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/gpu --pack", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, metavar="DIR", help="the pack's folder, such as .gpu")
    parser.add_argument("--without", nargs="+", default=[], metavar="NAME", help="packages that are there already")
    options = parser.parse_args(arguments)
    try:
        manifest = pack(options.folder, options.without)
    except PackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    images = manifest.images
    told = f"images of {images.source}" if images else f"no images (no {IMAGES} in NOISYBENCH_DATA: digits are used)"
    print(f"{options.folder}: {len(manifest.packages)} packages, {told}; there type: scripts/gpu {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
