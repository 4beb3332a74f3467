"""Names in stored files lead to files of their own folder only, even where every digest is right."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from benchmark.datasets.cache import _read_split
from benchmark.store import digests
from benchmark.store.arrays import save
from benchmark.store.digests import DIGESTS, check_files, seal_json

OUTSIDE = ("../outside.npy", "a/../../outside.npy", "/outside.npy", "..", "a\\..\\outside.npy")


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_list_of_digests_that_names_a_file_outside_is_refused(tmp_path, name):
    folder = tmp_path / "cache"
    folder.mkdir()
    save(tmp_path / "outside.npy", np.arange(3))
    listed = {name: digests.digest(tmp_path / "outside.npy")}
    (folder / DIGESTS).write_bytes(seal_json({"files": listed}, folder.name))
    with pytest.raises(ValueError, match="not a file inside the folder"):
        check_files(folder)


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["images", "labels", "fingerprints", "counts"])
def test_decoded_data_that_names_an_array_outside_is_not_read(tmp_path, name, kind):
    folder = tmp_path / "cache"
    folder.mkdir()
    for place in (tmp_path / "outside.npy", *(folder / f"{one}.npy" for one in ("images", "labels", "fingerprints"))):
        save(place, np.arange(3))
    facts: dict[str, Any] = {one: f"{one}.npy" for one in ("images", "labels", "fingerprints")} | {
        "given": {},
        "counts": None,
    }
    facts |= dict.fromkeys(("files", "groups", "sites"))
    assert len(_read_split(folder, facts).labels) == 3
    with pytest.raises(ValueError, match="does not lie in"):
        _read_split(folder, json.loads(json.dumps(facts | {kind: name})))
