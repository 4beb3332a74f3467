"""Corrupted copies of any data set's test images: what is chosen, refused, and part of the identity."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from benchmark.datasets import corruption
from benchmark.datasets.base import Arrays, DataError
from benchmark.datasets.corrupted import Corrupted


def copier(**options: object) -> Corrupted:
    return Corrupted("corrupted", Corrupted.Config.model_validate(options))


def part(channels: int = 3) -> Arrays:
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28, channels), dtype=np.uint8)
    return Arrays(images, np.arange(6) % 3)


def test_without_options_all_kinds_are_made_at_all_severities():
    found = copier().of(part(), "cells")
    assert [(one.kind, one.severity) for one in found.copies] == [
        (kind, severity) for kind in corruption.NAMES for severity in (1, 2, 3, 4, 5)
    ]
    assert len({one.key for one in found.copies}) == len(found.copies)
    assert found.notes == ()


def test_kinds_and_severities_are_chosen_and_their_order_does_not_matter():
    chosen = copier(kinds="bubble+pixelate", severities="[5,1]")
    found = chosen.of(part(), "cells").copies
    assert [(one.kind, one.severity) for one in found] == [(k, s) for k in ("pixelate", "bubble") for s in (1, 5)]
    assert chosen.cfg == copier(kinds=["pixelate", "bubble"], severities=[1, 5]).cfg
    images = part().images
    assert np.array_equal(found[1].images(images), corruption.corrupted(images, "pixelate", 0.25, 0))


def test_the_kinds_and_strengths_of_a_data_set_of_medmnistc_can_be_taken():
    found = copier(like="retinamnist").of(part(), "eyes").copies
    assert list(dict.fromkeys(one.kind for one in found)) == list(corruption.severities()["retinamnist"])
    images = part().images
    assert np.array_equal(found[0].images(images), corruption.corrupted(images, "pixelate", 0.8, 0))
    with pytest.raises(DataError, match="MedMNIST-C has no corruption 'bubble' of retinamnist; expected some of pixel"):
        copier(like="retinamnist", kinds="bubble").of(part(), "eyes")


def test_gray_images_go_without_what_changes_colors_and_a_named_kind_is_refused():
    found = copier().of(part(1), "xrays")
    assert {"saturate", "stain_variation"}.isdisjoint(one.kind for one in found.copies)
    assert found.notes == ("saturate and stain_variation left out, as the images of xrays are gray",)
    with pytest.raises(DataError, match="saturate changes colors, and the images of xrays are gray; leave it out"):
        copier(kinds="saturate+pixelate").of(part(1), "xrays")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kinds": "pixelte"}, "there is no corruption 'pixelte'; expected some of pixelate"),
        ({"kinds": ["bubble", "bubble"]}, "named twice"),
        ({"severities": "0+1"}, "expected different numbers from 1 "),
        ({"severities": [6]}, "expected different numbers from 1 "),
        ({"severities": []}, "expected different numbers from 1 "),
        ({"like": "mnist"}, "expected one of common, bloodmnist"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(options: dict[str, object], said: str):
    with pytest.raises(ValidationError, match=said):
        copier(**options)


def test_the_digest_is_that_of_the_figures(monkeypatch):
    """A changed strength, or a kind that is added, gives runs another identity."""
    before = copier().digest(), copier(kinds="pixelate").digest()
    assert before[0] != before[1]
    table = {**corruption.severities()["common"], "bubble": [[1, 2]] * 5}
    monkeypatch.setattr(corruption, "severities", lambda: {"common": table})
    assert copier().digest() != before[0]
    assert copier(kinds="pixelate").digest() == before[1]


def test_it_is_no_data_set_by_itself():
    with pytest.raises(DataError, match="-d DATA --extra-test corrupted"):
        copier().load()
