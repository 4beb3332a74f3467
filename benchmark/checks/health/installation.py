"""Python, libraries, torch and its devices, and the plugins."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from benchmark.checks.health.finding import Report
from benchmark.errors import pip_install
from benchmark.registry import ALL, RegistryError
from benchmark.store import provenance

DISTRIBUTION = "noisybench"
OPTIONAL = {"figures", "pdf", "explain", "dicom", "ray"}
"""Extras that users may want; the others are for the development."""


def installation() -> Iterator[Report]:
    try:
        package = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        yield Report("note", f"Python {platform.python_version()}, noisybench is not installed", pip_install("-e", "."))
        return
    yield Report("ok", f"Python {platform.python_version()}, noisybench {package.version}")
    lacking: dict[str, list[str]] = {}
    for requirement in package.requires or ():
        extra = re.search(r"extra == [\"'](.+?)[\"']", requirement)
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        if name and not _is_installed(name[0]):
            lacking.setdefault(extra[1] if extra else "", []).append(name[0])
    if missing := lacking.pop("", []):
        yield Report("broken", f"not installed: {', '.join(missing)}", pip_install("-e", "."))
    for extra_name, names in lacking.items():
        if extra_name in OPTIONAL:
            what = f"the extra {extra_name} is not installed ({', '.join(names)})"
            yield Report("note", what, f"where it is needed, {pip_install('-e', f'.[{extra_name}]')}")


def torch_and_devices() -> Iterator[Report]:
    import torch

    cores, threads = provenance.cores(), torch.get_num_threads()
    yield Report(
        "ok", f"torch {torch.__version__}, {cores} cores, {threads} threads by default (a run takes --threads)"
    )
    limit = os.environ.get("OMP_NUM_THREADS")
    if limit and limit.isdigit() and int(limit) > cores:
        yield Report("note", f"OMP_NUM_THREADS is {limit}, more than the {cores} cores", "unset it")
    there = Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidia0").exists()
    if torch.cuda.is_available():
        yield from _gpus()
    elif there and torch.version.cuda is None:
        yield Report("broken", "there is a GPU, and this torch is built without CUDA", "install the build with CUDA")
    elif there:
        yield Report(
            "broken",
            f"there is a GPU, and torch (CUDA {torch.version.cuda}) cannot use it",
            "see `nvidia-smi`: the driver may be older than this CUDA, or CUDA_VISIBLE_DEVICES hides the GPU",
        )
    else:
        yield Report("ok", "no GPU: runs use the CPU")


def _gpus() -> Iterator[Report]:
    import torch

    for number in range(torch.cuda.device_count()):
        name = f"cuda:{number}, {torch.cuda.get_device_name(number)}"
        try:
            free, total = torch.cuda.mem_get_info(number)
            works = float((torch.ones(8, 8, device=f"cuda:{number}") @ torch.ones(8, 8, device=f"cuda:{number}")).sum())
        except RuntimeError as error:
            reason = str(error).split("\n")[0]
            yield Report("broken", f"{name} cannot be used ({reason})", "see `nvidia-smi`; other processes may hold it")
            continue
        if works != 512:
            yield Report("broken", f"{name} computes wrongly", "use another device: --device")
        yield Report("ok", f"{name}: CUDA {torch.version.cuda}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free")


def plugins() -> Iterator[Report]:
    """Imports every plugin."""
    for registry in ALL:
        entries = registry.entries()
        sound = 0
        for entry in entries:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    registry.load(entry.name)
            except RegistryError as error:
                yield Report("broken", str(error))
            else:
                sound += 1
        yield Report("ok", f"{registry.plural}: {sound} can be imported")


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
