"""A request to leave runs concerns those who were there when it was made."""

import errno
import io
import os

import pytest

from benchmark.store import cancelling

RUN, OTHER = "ab" * 8, "cd" * 8


def test_a_request_concerns_who_was_there_and_nobody_who_comes_later(tmp_path):
    before = cancelling.made(tmp_path)
    assert not cancelling.is_cancelled(tmp_path, RUN, before)
    cancelling.request(tmp_path, {RUN})
    assert cancelling.is_cancelled(tmp_path, RUN, before)
    assert not cancelling.is_cancelled(tmp_path, OTHER, before)
    assert not cancelling.is_cancelled(tmp_path, RUN, cancelling.made(tmp_path))


def test_a_request_for_all_runs_concerns_each(tmp_path):
    before = cancelling.made(tmp_path)
    cancelling.request(tmp_path, None)
    assert cancelling.is_cancelled(tmp_path, RUN, before)


def test_an_earlier_request_stays_without_effect_when_another_one_is_made(tmp_path):
    cancelling.request(tmp_path, {RUN})
    (request,) = cancelling.requests(tmp_path)
    os.utime(request, (1.0, 1.0))
    before = cancelling.made(tmp_path)
    cancelling.request(tmp_path, {OTHER})
    assert cancelling.is_cancelled(tmp_path, OTHER, before)
    assert not cancelling.is_cancelled(tmp_path, RUN, before)


def test_a_torn_request_asks_for_nothing(tmp_path):
    before = cancelling.made(tmp_path)
    cancelling.request(tmp_path, None)
    (request,) = cancelling.requests(tmp_path)
    request.write_bytes(b'["ab')
    assert not cancelling.is_cancelled(tmp_path, RUN, before)


@pytest.mark.parametrize("seconds", [-1e9, -3600.0, 3600.0, 1e9])
def test_a_request_is_heeded_whatever_the_clock_of_the_disk_says(tmp_path, seconds):
    cancelling.request(tmp_path, {OTHER})
    before = cancelling.made(tmp_path)
    cancelling.request(tmp_path, {RUN})
    for path in cancelling.requests(tmp_path):
        moment = path.stat().st_mtime + seconds
        os.utime(path, (moment, moment))
    assert cancelling.is_cancelled(tmp_path, RUN, before)
    assert not cancelling.is_cancelled(tmp_path, OTHER, before)


def test_a_request_that_cannot_be_read_now_is_heeded_when_it_can(tmp_path, monkeypatch):
    before = cancelling.made(tmp_path)
    cancelling.request(tmp_path, {RUN})
    opening = io.open

    def fail(file, *arguments, **named):
        if "cancel" in str(file):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(file))
        return opening(file, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(io, "open", fail)
        assert not cancelling.is_cancelled(tmp_path, RUN, before)
    assert cancelling.is_cancelled(tmp_path, RUN, before)
