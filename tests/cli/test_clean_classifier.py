"""The clean classifier: trained once on clean labels, part of the identity, never taken on trust."""

import sys
from functools import partial

import numpy as np
import pytest

from benchmark.grid import suite as suites
from benchmark.grid.expand import expand as expand_suite
from benchmark.grid.job import Options
from benchmark.runs import clean_classifier
from benchmark.runs.assemble import noise_of, source_of
from benchmark.runs.clean_probabilities import StaleProbabilities
from benchmark.store.once import CacheWarning
from tests.cli.test_run import records


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Two folds: what is tested here does not depend on how good the classifier is."""
    monkeypatch.setattr(clean_classifier, "SETTINGS", clean_classifier.CleanClassifierSettings(folds=2))


def expand(tmp_path, cells, *noise, results="results", train=True):
    options = Options(results=str(tmp_path / results), data_root=str(tmp_path))
    grid = {"datasets": [f"npz:{cells}"], "methods": ["ce"], "noise": list(noise), "seeds": 1}
    say = partial(print, file=sys.stderr)
    return [clean_classifier.attach(job, train=train, say=say) for job in expand_suite(suites.build(grid), options)]


def stored(tmp_path):
    return sorted((tmp_path / "results" / "references").glob("*.npz"))


def test_kinds_that_need_it_share_one_and_others_have_none(tmp_path, cells):
    kinds = ("symmetric:0.2", "pmd:0.2", "confusion:0.2", "asymmetric:0.3", "long_tail:3,noise=confusion:0.2")
    jobs = expand(tmp_path, cells, *kinds)
    found = {job.spec.noise.name: job.spec.noise.clean_classifier for job in jobs}
    assert found.pop("symmetric") is None
    assert len(set(found.values())) == 1
    assert None not in found.values()
    (path,) = stored(tmp_path)
    with np.load(path) as file:
        assert file["train"].shape == (240, 3)
        assert file["val"].shape == (60, 3)
        labels = np.arange(240) % 3
        assert (file["train"].argmax(1) == labels).mean() > 0.9, "it learned the clean labels"


def test_it_is_computed_again_bit_for_bit_where_it_is_damaged(tmp_path, cells):
    (before,) = expand(tmp_path, cells, "pmd:0.2")
    (path,) = stored(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.warns(CacheWarning, match="damaged.*made again"):
        (after,) = expand(tmp_path, cells, "pmd:0.2")
    assert after.spec.id == before.spec.id
    assert path.read_bytes()[:100] == content[:100]


def test_values_that_were_changed_in_a_sound_file_are_noticed(tmp_path, cells):
    (job,) = expand(tmp_path, cells, "pmd:0.2")
    (path,) = stored(tmp_path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["train"] = arrays["train"][::-1].copy()
    np.savez(path, **arrays)
    source = source_of(job)
    with pytest.raises(StaleProbabilities, match="put the file back"):
        noise_of(job).draw(source, source.load(tmp_path / "cache"), tmp_path / "cache")


def test_looking_trains_nothing(tmp_path, cells):
    (job,) = expand(tmp_path, cells, "pmd:0.2", train=False)
    assert job.spec.noise.clean_classifier is None
    assert not stored(tmp_path)


def test_a_dry_run_says_that_one_has_to_be_trained(here, tmp_path, cells):
    grid = ("run", "-d", f"npz:{cells}", "-m", "ce", "-n", "pmd:0.2", "--seeds", "1", "--epochs", "1", "--dry-run")
    assert "1 runs need a clean classifier" in here(*grid).stderr
    assert not stored(tmp_path)


def test_it_depends_on_the_data_and_not_on_the_runs_recipe(tmp_path, cells):
    options = Options(results=str(tmp_path / "results"), data_root=str(tmp_path))
    digests = set()
    for epochs, subset in ((1, None), (7, 100)):
        grid = {"datasets": [f"npz:{cells}"], "methods": ["ce"], "noise": ["pmd:0.2"], "seeds": [epochs]}
        (job,) = expand_suite(suites.build({**grid, "recipe": {"epochs": epochs}, "subset": subset}), options)
        job = clean_classifier.attach(job)
        digests.add(job.spec.noise.clean_classifier)
    assert len(digests) == 1


def test_runs_on_its_labels_end_in_records(here, tmp_path, cells):
    kinds = [part for kind in ("pmd:0.2", "confusion:0.2", "asymmetric:0.3") for part in ("-n", kind)]
    grid = ("-d", f"npz:{cells}", "-m", "ce", *kinds, "--seeds", "1", "--epochs", "1")
    done = here("run", *grid)
    assert "classifier: clean labels" in done.stderr
    found = records(tmp_path / "results")
    assert {record["state"] for record in found.values()} == {"ok"}
    for record in found.values():
        assert 0.1 < record["noise"]["realized_rate"] < 0.4
        assert record["spec"]["noise"]["clean_classifier"].startswith("sha256:")
    again = here("run", *grid)
    assert "0 to run" in again.stderr
    assert "fold 1" not in again.stderr
    assert "ok         3" in here("status", *grid).stdout
