"""Memory for decoding is that of the pixels and a constant, however many files there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MIB = 1 << 20
SIDE = 64

CODE = """
import resource, sys, time
from pathlib import Path
from benchmark.datasets.cache import cached
from benchmark.datasets.folder import Folder
from benchmark.datasets.table import Table
from benchmark.datasets import statistics

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

before = peak()
kind = Table if sys.argv[1].endswith(".csv") else Folder
start = time.process_time()
source = kind(kind.names[0], kind.Config(path=sys.argv[1]))
data = cached(source, Path(sys.argv[2]))
decoded, seconds = peak(), time.process_time() - start
statistics.channel_stats(data.train)
statistics.findings(data)
print(decoded - before, peak() - before, sum(part.images.nbytes for part in statistics.splits(data).values()), seconds)
"""


def measured(root: Path, cache: Path) -> tuple[int, int, int, float]:
    """Bytes beyond those of the imports: for decoding, with statistics too, and of the pixels; seconds of processor
    time for reading."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(root), str(cache)], capture_output=True, text=True, check=True
    )
    decoded, described, pixels, seconds = done.stdout.split()
    return int(decoded), int(described), int(pixels), float(seconds)


def write(root: Path, n: int) -> Path:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for i in range(n // 2):
            pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png", compress_level=0)
    return root


def test_decoding_and_describing_a_folder_need_its_pixels_and_little_more(tmp_path):
    decoded, described, pixels, _ = measured(write(tmp_path / "images", 3000), tmp_path / "cache")
    assert pixels == 3000 * SIDE * SIDE * 3
    # Twice the pixels: those in memory, and those of the cache's file, whose pages count while they are mapped.
    assert decoded < 2 * pixels + 60 * MIB
    assert described < 2 * pixels + 160 * MIB


@pytest.mark.timed
@pytest.mark.parametrize("kind", ["folder", "table"])
def test_twenty_thousand_small_files_take_20_seconds_and_stay_within_pixels_and_300_mib(tmp_path, kind):
    root = write(tmp_path / "images", 20_000)
    if kind == "table":
        lines = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in sorted(root.rglob("*.png"))]
        root = tmp_path / "labels.csv"
        root.write_text("\n".join(["file,label", *lines]))
    decoded, described, pixels, seconds = measured(root, tmp_path / "cache")
    assert pixels == 20_000 * SIDE * SIDE * 3
    assert decoded < pixels + 300 * MIB
    assert described < pixels + 300 * MIB
    assert seconds < 20
