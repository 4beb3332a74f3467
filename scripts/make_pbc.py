#!/usr/bin/env python
"""Builds pbc_28.npz from the public class folders of the PBC data set, so that `pbc` results can be repeated.

Source: Acevedo et al., "A dataset of microscopic peripheral blood cell images", Data in Brief 2020 (Mendeley
Data, CC BY 4.0): folders basophil, eosinophil, erythroblast, ig, lymphocyte, monocyte, neutrophil, platelet.

    python scripts/make_pbc.py PBC_dataset_normal_DIB pbc_28.npz
    noisybench run --dataset npz:pbc_28.npz ...
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("basophil", "eosinophil", "erythroblast", "ig", "lymphocyte", "monocyte", "neutrophil", "platelet")
CROP = 200
SIZE = 28
SEED = 0


def find_images(source: Path) -> list[tuple[Path, int]]:
    """(file, label) of all images in label and file order, each content once."""
    absent = [name for name in CLASSES if not (source / name).is_dir()]
    if absent:
        raise SystemExit(f"{source} has no folder {', '.join(absent)}; expected {', '.join(CLASSES)}")
    seen: set[bytes] = set()
    found = []
    for label, name in enumerate(CLASSES):
        for path in sorted((source / name).iterdir()):
            if path.name.startswith(".") or not path.is_file():
                continue
            content = hashlib.md5(path.read_bytes(), usedforsecurity=False).digest()
            if content not in seen:
                seen.add(content)
                found.append((path, label))
    return found


def shrink(path: Path) -> np.ndarray:
    """[28, 28, 3] uint8: the middle 200x200 px of an image, bicubic."""
    try:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
    except OSError as error:
        raise SystemExit(f"cannot read {path} ({error}): copy it again") from error
    left, top = (rgb.width - CROP) // 2, (rgb.height - CROP) // 2
    square = rgb.crop((left, top, left + CROP, top + CROP))
    return np.asarray(square.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def split(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Sorted indices per split: 70/10/20 of every class, drawn with one generator in label order."""
    rng = np.random.default_rng(SEED)
    parts: dict[str, list[np.ndarray]] = {"train": [], "val": [], "test": []}
    for label in range(len(CLASSES)):
        order = rng.permutation(np.flatnonzero(labels == label))
        first, second = round(0.7 * len(order)), round(0.8 * len(order))
        parts["train"].append(order[:first])
        parts["val"].append(order[first:second])
        parts["test"].append(order[second:])
    return {name: np.sort(np.concatenate(index)) for name, index in parts.items()}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("source", type=Path, help="folder that holds the eight class folders")
    parser.add_argument("out", type=Path, help="file to write, for example pbc_28.npz")
    options = parser.parse_args(arguments)
    found = find_images(options.source)
    labels = np.array([label for _, label in found], dtype=np.uint8)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        images = np.stack(list(pool.map(shrink, [path for path, _ in found])))
    arrays = {}
    for name, index in split(labels).items():
        arrays[f"{name}_images"] = images[index]
        arrays[f"{name}_labels"] = labels[index, None]
        print(f"{name}: {len(index):,} images", file=sys.stderr)
    partial = options.out.with_name(options.out.name + ".part")
    with partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    partial.replace(options.out)
    print(f"{options.out}: {len(found):,} different images (17,075 in the published set)", file=sys.stderr)


if __name__ == "__main__":
    main()
