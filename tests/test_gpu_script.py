"""`scripts/gpu` packs what a machine with a GPU lacks, and runs there within its time, whatever step fails."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts._gpu import pack, run, site
from scripts._gpu.manifest import ARCHIVE, NAME, Manifest, Package, PackError, read, sha256
from scripts._gpu.results import Results, StepResult
from scripts._gpu.steps import Machine, _follow
from tests.conftest import ROOT

LARGE = ("scipy", "pandas", "scikit-learn", "timm", "hypothesis", "pygments")


@pytest.mark.parametrize(
    ("wheel", "runs"),
    [
        ("rich-15.0.0-py3-none-any.whl", True),
        ("six-1.17.0-py2.py3-none-any.whl", True),
        ("orjson-3.13.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", True),
        ("safetensors-0.8.0-cp310-abi3-manylinux_2_17_x86_64.whl", True),
        ("orjson-3.13.0-cp311-cp311-manylinux_2_17_x86_64.whl", False),
        ("orjson-3.13.0-cp313-cp313-manylinux_2_17_x86_64.whl", False),
        ("safetensors-0.8.0-cp313-abi3-manylinux_2_17_x86_64.whl", False),
        ("orjson-3.13.0-cp312-cp312-musllinux_1_2_x86_64.whl", False),
        ("orjson-3.13.0-cp312-cp312-manylinux_2_17_aarch64.whl", False),
        ("orjson-3.13.0-cp312-cp312-manylinux_2_34_x86_64.whl", False),
    ],
)
def test_only_wheels_that_run_there_are_packed(wheel: str, runs: bool) -> None:
    assert pack.fits(wheel) == runs


def test_everything_that_the_suite_needs_is_packed_or_said_to_be_left_out() -> None:
    own = pack.own_requirements()
    assert {"pydantic", "orjson", "medmnist", "cleanlab", "rich", "pytest"} <= own.keys()
    brought = pack.closure(pack.THERE, ())
    needed = pack.closure(list(own), [*pack.LEFT_OUT, *brought])
    assert {"pydantic-core", "annotated-types", "typing-inspection", "mdurl"} <= needed.keys()
    assert not needed.keys() & {"torch", "torchvision", "numpy", "pillow", "triton", *pack.LEFT_OUT}
    for name, requires in needed.items():
        assert requires.keys() <= needed.keys() | brought.keys(), name


def wheel_of(folder: Path, name: str, version: str, **files: str) -> Path:
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.writestr(f"{name}/tests/test_it.py", "x" * 1000)
        archive.writestr(
            f"{name}-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        for inner, text in files.items():
            archive.writestr(inner, text)
    return path


@pytest.fixture
def small_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pack of one package that nobody has, made without the network."""
    monkeypatch.setattr(pack, "own_requirements", lambda: {"torch": "", "nobody-has-this": ">=1"})
    monkeypatch.setattr(pack, "closure", lambda names, without: {n: {} for n in names if n not in without})
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.5")
    monkeypatch.setattr(pack, "download", lambda versions, folder: [wheel_of(folder, "nobody_has_this", "1.5")])
    monkeypatch.setenv("NOISYBENCH_DATA", str(tmp_path / "none"))
    pack.pack(tmp_path / "pack")
    return tmp_path / "pack"


def test_a_pack_is_unpacked_without_tests_and_only_what_is_missing(
    small_pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    manifest = read(small_pack)
    assert manifest.images is None
    assert site.missing(manifest) == ["nobody-has-this"]
    found = site.unpack(small_pack, manifest)
    assert sorted(path.name for path in found.iterdir()) == [
        ".complete",
        "nobody_has_this",
        "nobody_has_this-1.5.dist-info",
    ]
    assert not (found / "nobody_has_this" / "tests").exists()


def test_a_package_that_is_here_keeps_its_own_dependencies() -> None:
    def package(**requires: str) -> Package:
        return Package("1", "", "", {name.replace("_", "-"): spec for name, spec in requires.items()})

    packages = {
        "numpy": package(nobody_has_this=""),
        "click": package(also_nobody=""),
        "also-nobody": package(numpy=">=1"),
        "nobody-has-this": package(),
    }
    manifest = Manifest(None, "3.12", {"numpy": ">=1", "click": ">=1000"}, packages, {}, {}, None)
    assert site.missing(manifest) == ["also-nobody", "click"]


@pytest.mark.parametrize("what", ["absent", "not JSON", "another format", "a field is missing", "flipped", "lost"])
def test_a_pack_that_is_damaged_is_refused_with_the_remedy(what: str, small_pack: Path) -> None:
    manifest, archive = small_pack / NAME, small_pack / ARCHIVE
    content: dict[str, Any] = json.loads(manifest.read_text())
    if what == "absent":
        manifest.unlink()
    elif what == "not JSON":
        manifest.write_text("{")
    elif what == "another format":
        manifest.write_text(json.dumps(content | {"format": 99}))
    elif what == "a field is missing":
        manifest.write_text(json.dumps({key: value for key, value in content.items() if key != "requires"}))
    elif what == "flipped":
        archive.write_bytes(archive.read_bytes()[:-1] + b"\0")
    else:
        archive.unlink()
    with pytest.raises(PackError, match="scripts/gpu --pack DIR"):
        read(small_pack)
    assert run.main([str(small_pack), "--device", "cpu"]) == 2


def test_a_pack_that_is_too_large_is_refused_and_leaves_nothing(
    small_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "LIMIT", pack.repository_bytes())
    with pytest.raises(PackError, match="--without"):
        pack.pack(tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_a_pack_replaces_a_pack_and_nothing_else(small_pack: Path, tmp_path: Path) -> None:
    pack.pack(small_pack)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(PackError, match="no pack"):
        pack.pack(tmp_path / "mine")
    with pytest.raises(PackError, match=r"\.gpu"):
        pack.pack(ROOT / "results" / "published" / "pack")


def test_images_are_a_random_part_of_every_split(tmp_path: Path) -> None:
    arrays: dict[str, np.ndarray] = {}
    for split, size in {"train": 5000, "val": 600, "test": 700}.items():
        labels = np.arange(size).astype(np.uint16)
        arrays |= {f"{split}_images": np.zeros((size, 2, 2, 3), np.uint8), f"{split}_labels": labels[:, None]}
    np.savez(tmp_path / "all.npz", allow_pickle=False, **arrays)
    found = pack.subset(tmp_path / "all.npz", tmp_path / "data" / "some.npz")
    assert found.splits == {"train": 4000, "val": 500, "test": 700}
    with np.load(tmp_path / "data" / "some.npz") as some:
        chosen = some["train_labels"].ravel()
    assert len(set(chosen.tolist())) == 4000
    assert chosen.max() > 4500


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(ROOT, tmp_path / "work", tmp_path / "out", run.environment(tmp_path), "cpu", True, None)


@pytest.mark.parametrize(
    ("program", "limit", "state", "reason"),
    [
        ("print(1)", 60, "done", ""),
        ("print(1); import sys; sys.exit('no memory')", 60, "failed", "exit code 1: no memory"),
        ("print(1, flush=True); import time; time.sleep(60)", 4, "stopped", "its 4 s were over"),
    ],
)
def test_a_step_says_how_it_ended_and_keeps_its_figures(
    program: str, limit: float, state: str, reason: str, machine: Machine, tmp_path: Path
) -> None:
    results = Results.load(tmp_path / "steps.json")
    command = [sys.executable, "-S", "-c", program]
    started = time.monotonic()
    ended = _follow(
        machine,
        StepResult("s", "running"),
        command,
        limit,
        results,
        lambda line: {"what": line} if line == "1\n" else None,
    )
    assert (ended.state, ended.reason, ended.rows) == (state, reason, [{"what": "1\n"}])
    assert time.monotonic() - started < 45
    assert Results.load(tmp_path / "steps.json").steps["s"].rows == ended.rows


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_script_runs_on_a_cpu_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    folder.mkdir()
    with lzma.open(folder / ARCHIVE, "wb") as file, tarfile.open(fileobj=file, mode="w"):
        pass
    Manifest("c0ffee", "3.12", {}, {}, {}, {ARCHIVE: sha256(folder / ARCHIVE)}, None).write(folder)
    command = [
        str(ROOT / "scripts" / "gpu"),
        str(folder),
        "--device",
        "cpu",
        "--tiny",
        "--minutes",
        "12",
        "--out",
        str(tmp_path / "out"),
    ]

    def call() -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHON": sys.executable}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    first = call()
    assert first.returncode == 0, first.stderr + (tmp_path / "out" / "log.txt").read_text()
    steps = Results.load(tmp_path / "out" / "gpu" / "steps.json").steps
    assert [step.state for step in steps.values()] == ["done"] * 5
    page = (tmp_path / "out" / "gpu.md").read_text()
    for words in ("Tried on a CPU", "noisybench, bfloat16", "2 at once", "symmetric", "gce", "torch"):
        assert words in page
    assert str(tmp_path) not in page
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) <= 8  # what a device machine gives back
    with tarfile.open(tmp_path / "out" / "gpu" / "records.tar.xz") as archive:
        assert sum(name.endswith(".json") for name in archive.getnames()) == 2
    again = call()
    assert again.returncode == 0
    assert again.stderr.count("done already") == 5


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_wheels_for_the_machine_there_can_be_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISYBENCH_DATA", str(tmp_path / "none"))
    try:
        made = pack.pack(tmp_path / "pack", LARGE)
    except PackError as error:
        if "pip could not download" not in str(error):
            raise
        pytest.skip(str(error))
    assert {"pydantic", "pydantic-core", "orjson", "medmnist", "cleanlab", "rich"} <= made.packages.keys()
    assert all(pack.fits(package.wheel) for package in made.packages.values())
    with tarfile.open(tmp_path / "pack" / ARCHIVE) as archive:
        names = archive.getnames()
    core = made.packages["pydantic-core"].version
    assert any(name.startswith(f"pydantic-core-{core}/pydantic_core/") and "312" in name for name in names)
