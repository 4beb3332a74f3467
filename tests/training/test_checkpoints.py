"""A checkpoint is believed only while every bit of it is as it was written."""

from __future__ import annotations

import pytest

from benchmark.checks.lab import Lab
from benchmark.store.digests import SLOT, seal


class Stop(Exception):
    pass


def stop(done: int, total: int) -> None:
    if done == 2:
        raise Stop


def figures(curve: list[dict]) -> list[dict]:
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in curve]


@pytest.fixture(scope="module")
def whole() -> list[dict]:
    return figures(Lab("elr", {}, epochs=4).train().curve)


@pytest.fixture
def checkpoint(tmp_path):
    """Of a run that was stopped after two of four epochs."""
    trainer = Lab("elr", {}, epochs=4).trainer(tmp_path / "checkpoint.pt")
    trainer.on_epoch = stop
    with pytest.raises(Stop):
        trainer.run()
    trainer._save()
    return tmp_path / "checkpoint.pt"


def test_a_sound_checkpoint_is_resumed_and_is_the_only_file(checkpoint, whole):
    resumed = Lab("elr", {}, epochs=4).trainer(checkpoint)
    resumed._resume()
    assert len(resumed.progress.curve) == 2
    assert figures(Lab("elr", {}, epochs=4).trainer(checkpoint).run().curve) == whole
    assert list(checkpoint.parent.iterdir()) == [checkpoint]


@pytest.mark.parametrize("place", [0.0, 0.2, 0.4, 0.6, 0.8, 0.999])
def test_a_flipped_bit_starts_the_run_over_and_changes_no_number(checkpoint, whole, place):
    content = bytearray(checkpoint.read_bytes())
    content[int(place * len(content))] ^= 4
    checkpoint.write_bytes(content)
    with pytest.warns(UserWarning, match="thrown away, the run starts over"):
        curve = Lab("elr", {}, epochs=4).trainer(checkpoint).run().curve
    assert figures(curve) == whole
    assert not checkpoint.exists()


def test_the_checkpoint_of_another_run_is_not_resumed(checkpoint, whole):
    elsewhere = checkpoint.parent / "another" / "checkpoint.pt"
    elsewhere.parent.mkdir()
    checkpoint.rename(elsewhere)
    with pytest.warns(UserWarning, match="content of another"):
        curve = Lab("elr", {}, epochs=4).trainer(elsewhere).run().curve
    assert figures(curve) == whole


def test_a_resumed_run_keeps_the_model_of_an_epoch_before_the_checkpoint(tmp_path, monkeypatch):
    def trainer(folder):
        folder.mkdir()
        made = Lab("elr", {}, epochs=4).trainer(folder / "checkpoint.pt")
        made.keep_predictions = made.keeps_best = True
        # The second epoch is the best by the noisy validation labels.
        accuracy = (0.1, 0.9, 0.5, 0.4)
        monkeypatch.setattr(made, "_score", lambda *_: {"accuracy": accuracy[len(made.progress.curve)]})
        return made

    whole, first, second = (trainer(tmp_path / name) for name in ("whole", "first", "second"))
    expected = whole.run().best
    first.on_epoch = lambda done, total: first._save() if done == 3 else None
    first.run()
    first.checkpoint.rename(second.checkpoint)
    content = second.checkpoint.read_bytes()
    second.checkpoint.write_bytes(seal(content[: -len(SLOT)] + SLOT, "second"))
    found = second.run().best
    assert expected.keys() == found.keys()
    assert all(expected[name].equal(found[name]) for name in expected)
    last = whole.method.state_dict()
    assert not all(expected[name].equal(last[name]) for name in expected)


def test_a_checkpoint_without_what_is_to_be_kept_now_starts_the_run_over(checkpoint):
    resumed = Lab("elr", {}, epochs=4).trainer(checkpoint)
    resumed.keep_predictions = resumed.keeps_best = True
    with pytest.warns(UserWarning, match="made without what is to be kept now"):
        progress = resumed.run()
    assert progress.best
    assert progress.probabilities["val"].keys() == {"val_noisy", "last"}
