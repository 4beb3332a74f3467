"""Pictures of a data set show what they say."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from benchmark.report import lettering
from benchmark.report.pictures import contact_sheet


def test_contact_sheet_shows_each_class_in_its_row(tmp_path):
    images = np.zeros((6, 4, 4, 3), np.uint8)
    images[::2], images[1::2] = (200, 0, 0), (0, 0, 200)
    sheet = contact_sheet(images, np.arange(6) % 2, ("red", "blue"), per_class=3, cell=20)
    sheet.save(tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png"))
    half = len(pixels) // 2
    for rows, color in ((pixels[:half], (200, 0, 0)), (pixels[half:], (0, 0, 200))):
        assert (rows == color).all(2).sum() == 3 * 20 * 20


def test_contact_sheet_is_the_same_for_the_same_seed():
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 1), dtype=np.uint8)
    labels = np.arange(12) % 3
    first, again = (np.asarray(contact_sheet(images, labels, "abc", 2, seed=3)) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("font", ["matplotlib's", "Pillow's own"])
def test_no_letter_of_a_name_becomes_a_box(font, monkeypatch):
    """Class names in German, Polish, Greek: in their letters, or without marks where the font has no others."""
    lettering._font.cache_clear()
    lettering._letter.cache_clear()
    if font == "Pillow's own":
        monkeypatch.setattr(lettering, "find_spec", lambda name: None)
    whole = lettering.shown("Ödem größer, żółć, µm, Ω, \x1b")
    assert whole == ("Ödem größer, żółć, µm, Ω, \\x1b" if font == "matplotlib's" else "Odem gro?er, zo?c, ?m, ?, \\x1b")
    decomposed = unicodedata.normalize("NFD", "Ödem")
    assert lettering.shown(decomposed) == lettering.shown("Ödem")
    assert lettering.widest(["Ödem", ""]) > lettering.widest(["em"])
    lettering._font.cache_clear()
    lettering._letter.cache_clear()
