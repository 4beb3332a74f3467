"""Examples of a data set's images for a page: only where they were asked for, as pages are sent around."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.report.pictures import contact_sheet

PER_CLASS = 8
MOST_CLASSES = 20
SIDE = 48
"""Of a thumbnail, in px."""
QUALITY = 85
"""Of JPEG."""


@dataclass(frozen=True)
class Thumbnails:
    """A picture of test images, a row for each class."""

    title: str
    description: str
    """What a reader who does not see the picture is told."""
    picture: str
    """As the address of an image in the page."""


def thumbnails(name: str, images: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Thumbnails:
    """Of the test set of the data set `name`: `images` [n, H, W, C] uint8, `labels` as of `contact_sheet`."""
    shown = classes[:MOST_CLASSES]
    picture = contact_sheet(images, labels, shown, PER_CLASS, cell=SIDE)
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=QUALITY)
    rest = f" (the first {len(shown)} of {len(classes)} classes)" if len(shown) < len(classes) else ""
    return Thumbnails(
        f"Images of {name}",
        f"Up to {PER_CLASS} test images, drawn at random, of each class{rest}, a row for each: {', '.join(shown)}",
        f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}",
    )
