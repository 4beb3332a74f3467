"""Opens DICOM files with pydicom, as one picture of gray values in the units of the file, or of colors.

Values are those after the rescale slope and intercept (or the modality LUT): Hounsfield units of a CT. The window of a
file (DICOM PS3.3, C.11.2) is applied on request only, as it differs from file to file: one rule for all images keeps
them comparable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from scipy.special import expit

from benchmark.datasets._files import File, UnusableError
from benchmark.datasets.base import DataError
from benchmark.errors import pip_install

if TYPE_CHECKING:
    from pydicom import Dataset

SUFFIXES = frozenset({".dcm", ".dicom"})
PREAMBLE, MAGIC = 128, b"DICM"
ENVELOPED = bytes.fromhex("06092a864886f70d010703")
"""Object identifier at the start of an encrypted file (CMS enveloped data, DICOM PS3.15)."""
FORMAT = "DICOM"
"""Pillow's `format` of an image that was opened here."""
EIGHT_BITS = 8


def is_dicom(file: File) -> bool:
    """By its name, or by its first bytes: many DICOM files have no suffix."""
    return file.suffix in SUFFIXES or file.head(PREAMBLE + len(MAGIC))[PREAMBLE:] == MAGIC


def open_dicom(file: File, *, windowed: bool) -> Image.Image:
    """The picture in `file`, in mode L, I (32-bit integers), F or RGB; with `windowed` gray ones in mode L.

    `info` holds `bits` (stored per channel), `inverted` (the smallest value means white) and `window` (whether the
    file has one). Raises UnusableError with the reason, and DataError where pydicom is not installed.
    """
    data = _read(file)
    photometric = str(data.get("PhotometricInterpretation", ""))
    if "PixelData" not in data and "FloatPixelData" not in data and "DoubleFloatPixelData" not in data:
        raise UnusableError(f"a DICOM file without an image: {data.get('Modality') or 'no modality'}")
    frames = int(data.get("NumberOfFrames") or 1)
    if frames != 1:
        raise UnusableError(
            f"holds several frames, expected one: {frames} of them; save the frame that the label is about as a file"
        )
    stored = _pixels(data)
    window = "WindowCenter" in data and "WindowWidth" in data
    inverted = photometric == "MONOCHROME1"
    bits = int(data.get("BitsStored") or stored.dtype.itemsize * 8)
    if photometric in ("MONOCHROME1", "MONOCHROME2"):
        values = _gray(stored, data)
        if windowed:
            image, inverted, bits = Image.fromarray(_through_window(values, data, inverted)), False, EIGHT_BITS
        elif values.dtype == np.uint8:
            full = (values * (255 / (2**bits - 1))).clip(0, 255).astype(np.uint8)  # masks have one bit
            image, inverted = Image.fromarray(255 - full if inverted else full), False
        else:
            image = Image.fromarray(values)
    else:
        image = Image.fromarray(_colors(stored, data, photometric))
    image.format = FORMAT
    image.info = {"bits": bits, "inverted": inverted, "window": window}
    return image


def _read(file: File) -> Dataset:
    try:
        import pydicom
    except ImportError:
        raise DataError(
            f"{file.label} is a DICOM file, which the package pydicom reads: {pip_install('noisybench[dicom]')}"
        ) from None
    from pydicom import config
    from pydicom.errors import InvalidDicomError

    # Odd values in fields that are not used here are nobody's concern.
    config.settings.reading_validation_mode = config.IGNORE
    try:
        return pydicom.dcmread(file.content())
    except InvalidDicomError:
        if ENVELOPED in file.head(64):
            raise UnusableError("an encrypted DICOM file: decrypt it where it comes from") from None
        raise UnusableError("not a DICOM file, as it has no DICOM header") from None


def _pixels(data: Dataset) -> np.ndarray:
    """[H, W] stored values, or [H, W, 3] colors as RGB where they were stored as luminance and chrominance."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.utils import pixel_array

    syntax = data.file_meta.get("TransferSyntaxUID")
    if syntax is not None and syntax.is_compressed and syntax.is_encapsulated:
        try:
            decoder = get_decoder(syntax)
        except NotImplementedError:
            raise UnusableError(f"compressed in a way that is not read: {syntax.name} ({syntax})") from None
        if not decoder.is_available:
            needed = " or ".join(text.split(" - ")[0] for text in decoder.missing_dependencies)
            raise UnusableError(f"compressed in a way that needs a further package: {syntax.name} needs {needed}")
    return pixel_array(data)


def _gray(stored: np.ndarray, data: Dataset) -> np.ndarray:
    """[H, W] after rescale slope and intercept: uint8 where these change nothing of 8 bits, else int32 or float32."""
    from pydicom.pixels.processing import apply_modality_lut

    values = apply_modality_lut(stored, data)
    padding = data.get("PixelPaddingValue")
    if padding is not None:
        limit = data.get("PixelPaddingRangeLimit", padding)
        outside = (stored >= min(padding, limit)) & (stored <= max(padding, limit))
        if outside.any() and not outside.all():  # what no detector saw would stretch the range of gray values
            inside = values[~outside]
            values = np.where(outside, inside.max() if _is_inverted(data) else inside.min(), values)
    steps = [float(data.get(name, default)) for name, default in (("RescaleSlope", 1), ("RescaleIntercept", 0))]
    if stored.dtype == np.uint8 and steps == [1, 0] and "ModalityLUTSequence" not in data:
        return values.astype(np.uint8)
    whole = stored.dtype.kind in "iu" and all(step.is_integer() for step in steps) and abs(values).max() < 2**31
    return values.astype(np.int32 if whole else np.float32)


def _is_inverted(data: Dataset) -> bool:
    return bool(data.PhotometricInterpretation == "MONOCHROME1")


def _through_window(values: np.ndarray, data: Dataset, inverted: bool) -> np.ndarray:
    """[H, W] uint8 as viewers show `values` through the file's first window (PS3.3, C.11.2.1.2 and C.11.2.1.3)."""
    if "WindowCenter" not in data or "WindowWidth" not in data:
        raise UnusableError("stores no window, which pixels=window needs; expected one in each file: set pixels=auto")
    center, width = (_first(data[name].value) for name in ("WindowCenter", "WindowWidth"))
    if width <= 0:
        raise UnusableError(f"stores a window of width {width:g}, which shows nothing: set pixels=auto")
    kind = str(data.get("VOILUTFunction") or "LINEAR").upper()
    wide = values.astype(np.float64)
    if kind == "SIGMOID":
        share = expit(4 * (wide - center) / width)
    elif kind == "LINEAR_EXACT":
        share = (wide - center) / width + 0.5
    else:
        share = (wide - (center - 0.5)) / max(width - 1, 1e-6) + 0.5
    shown = np.rint(255 * share.clip(0, 1)).astype(np.uint8)
    return 255 - shown if inverted else shown


def _first(value: Any) -> float:
    return float(value[0]) if hasattr(value, "__len__") and not isinstance(value, str) else float(value)


def _colors(stored: np.ndarray, data: Dataset, photometric: str) -> np.ndarray:
    """[H, W, 3] uint8."""
    if photometric == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        colors = apply_color_lut(stored, data)
        return (colors >> 8 if colors.dtype.itemsize > 1 else colors).astype(np.uint8)[..., :3]
    if photometric not in ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"):
        raise UnusableError(f"a photometric interpretation that is not read: {photometric or 'none is given'}")
    if stored.dtype != np.uint8 or stored.ndim != 3:
        raise UnusableError("colors of more than 8 bits: save them with 8 bits per channel")
    return stored
