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
import resource, sys
from pathlib import Path
from benchmark.datasets.cache import cached
from benchmark.datasets.folder import Folder
from benchmark.datasets import statistics

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

before = peak()
source = Folder("folder", Folder.Config(path=sys.argv[1]))
data = cached(source, Path(sys.argv[2]))
decoded = peak()
statistics.channel_stats(data.train)
statistics.findings(data)
print(decoded - before, peak() - before, sum(part.images.nbytes for part in statistics.splits(data).values()))
"""


def measured(root: Path, cache: Path) -> tuple[int, int, int]:
    """Bytes beyond those of the imports: for decoding, with statistics too, and of the pixels."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(root), str(cache)], capture_output=True, text=True, check=True
    )
    decoded, described, pixels = map(int, done.stdout.split())
    return decoded, described, pixels


def write(root: Path, n: int) -> Path:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for i in range(n // 2):
            pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png", compress_level=0)
    return root


def test_decoding_and_describing_a_folder_need_its_pixels_and_little_more(tmp_path):
    decoded, described, pixels = measured(write(tmp_path / "images", 3000), tmp_path / "cache")
    assert pixels == 3000 * SIDE * SIDE * 3
    # Twice the pixels: those in memory, and those of the cache's file, whose pages count while they are mapped.
    assert decoded < 2 * pixels + 60 * MIB
    assert described < 2 * pixels + 160 * MIB


@pytest.mark.slow
def test_twenty_thousand_small_files_stay_within_pixels_and_300_mib(tmp_path):
    decoded, described, pixels = measured(write(tmp_path / "images", 20_000), tmp_path / "cache")
    assert decoded < pixels + 300 * MIB
    assert described < pixels + 300 * MIB
