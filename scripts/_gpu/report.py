"""The page `gpu.md`: the machine, what every step found, and why a step has no result."""

from __future__ import annotations

import datetime
from collections import Counter
from pathlib import Path
from typing import Any

from scripts._gpu.manifest import Manifest
from scripts._gpu.results import Results, StepResult

TITLES = {
    "tests": "Tests that need a GPU",
    "images": "ResNet-18 on 28x28 colour images, one process",
    "packed": "Several runs at once on the one GPU",
    "launches": "Fewer launches per step",
    "grid": "A grid",
}
NOTES = {
    "images": "Batch 128, Adam, flip and rotation, 9 classes, the ImageNet stem. The plain loop is a `DataLoader` with "
    "torchvision's transforms of single images, pinned memory and torch's defaults; noisybench keeps the images on "
    "the device and uses deterministic convolutions. float32 has torch's default on either side: convolutions in "
    "TensorFloat-32 where the device has it. bfloat16 is autocast; on a CPU noisybench stays in float32.",
    "packed": "As above with noisybench in bfloat16; images per second of all processes together.",
    "launches": "One process, cross entropy on one fixed batch of 128, Adam, PyTorch's own layers, no augmentation: as "
    "the suite steps, compiled by `torch.compile`, the whole step as a CUDA graph, and several seeds as one network by "
    "`torch.vmap` (images of all seeds together). The suite uses none of the latter three.",
}


def write(out: Path, machine: dict[str, Any], manifest: Manifest, results: Results, device: str) -> None:
    """Writes `out`/gpu.md from what is known by now."""
    out.mkdir(parents=True, exist_ok=True)
    lines = ["# Measured on a GPU" if device == "cuda" else "# Tried on a CPU", "", *_machine(machine, manifest), ""]
    for name, title in TITLES.items():
        step = results.steps.get(name)
        lines += [f"## {title}", ""]
        if step is None:
            lines += ["Not run yet.", ""]
            continue
        if step.command:
            lines += [f"`{step.command}`", ""]
        if step.state != "done" or step.reason:
            lines += [f"{step.state.capitalize()}{step.reason and f': {step.reason}'}.", ""]
        if name in NOTES:
            lines += [NOTES[name], ""]
        lines += _rows(step, "images/s" if name in ("images", "packed", "launches") else "found")
        if name == "grid":
            lines += _table(out / "gpu" / "val_noisy.md", manifest)
    (out / "gpu.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _machine(machine: dict[str, Any], manifest: Manifest) -> list[str]:
    hardware, libraries = machine["hardware"], machine["libraries"]
    where = f"{hardware['processor']}, {hardware['cores']} cores, {machine['platform']}"
    if machine["device"]:
        where = (
            f"{machine['device']} ({machine['device_mib']} MiB), driver {machine['driver'] or 'unknown'}, CUDA "
            f"{machine['cuda']}, cuDNN {machine['cudnn']}; {where}"
        )
    commit = (machine["commit"] or manifest.commit or "unknown")[:12]
    origin = "" if machine["commit"] else ", as packed"
    changed = " with changes" if machine["dirty"] else ""
    return [
        f"{where}; Python {machine['python']}, torch {libraries.get('torch')}, torchvision "
        f"{libraries.get('torchvision')}; commit {commit}{origin}{changed}; "
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}. Made by `scripts/gpu DIR`."
    ]


def _rows(step: StepResult, heading: str) -> list[str]:
    lines: list[str] = []
    outcomes = Counter(row["outcome"] for row in step.rows if "outcome" in row)
    if outcomes:
        lines += [", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())) + ".", ""]
        failed = [row["what"] for row in step.rows if row.get("outcome") in ("failed", "error")]
        lines += [f"- failed: `{what}`" for what in failed] + ([""] if failed else [])
    figures = [row for row in step.rows if "outcome" not in row]
    if figures:
        lines += [f"| what | {heading} |", "| --- | --- |"]
        lines += [f"| {row['what']} | {_value(row)} |" for row in figures] + [""]
    return lines


def _value(row: dict[str, Any]) -> str:
    if "error" in row:
        return f"none: {row['error']}".replace("|", "\\|")
    value = row["value"]
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def _table(path: Path, manifest: Manifest) -> list[str]:
    lines = []
    if manifest.images:
        sizes = "/".join(f"{size:,}" for size in manifest.images.splits.values())
        lines += [f"Images: {sizes} of `{manifest.images.source}`, drawn at random with seed 0.", ""]
    if path.is_file():
        text = path.read_text(encoding="utf-8").splitlines()
        lines += [f"##{line}" if line.startswith("#") else line for line in text] + [""]
    return lines
