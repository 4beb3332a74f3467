"""Arrays as .npy files, so that they can be memory-mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def save(path: Path, array: np.ndarray) -> None:
    """Writes a .npy file. Raises OSError, also where the disk is full only at the last bytes."""
    content = np.ascontiguousarray(array)
    with path.open("wb") as file:
        # Not np.save: it writes through a C stream, and misses the error if the disk is full at the last bytes.
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(content))
        file.write(content.data)
