"""A request to leave runs concerns those who were there when it was made."""

import os

from benchmark.store import cancelling

RUN, OTHER = "ab" * 8, "cd" * 8


def test_a_request_concerns_who_was_there_and_nobody_who_comes_later(tmp_path):
    since = cancelling.moment(tmp_path)
    assert not cancelling.is_cancelled(tmp_path, RUN, since)
    cancelling.request(tmp_path, {RUN})
    assert cancelling.is_cancelled(tmp_path, RUN, since)
    assert not cancelling.is_cancelled(tmp_path, OTHER, since)
    (request,) = cancelling.requests(tmp_path)
    later = request.stat().st_mtime + 1
    assert not cancelling.is_cancelled(tmp_path, RUN, later)


def test_a_request_for_all_runs_concerns_each(tmp_path):
    since = cancelling.moment(tmp_path)
    cancelling.request(tmp_path, None)
    assert cancelling.is_cancelled(tmp_path, RUN, since)


def test_an_earlier_request_stays_without_effect_when_another_one_is_made(tmp_path):
    cancelling.request(tmp_path, {RUN})
    (request,) = cancelling.requests(tmp_path)
    os.utime(request, (1.0, 1.0))
    since = cancelling.moment(tmp_path)
    cancelling.request(tmp_path, {OTHER})
    assert cancelling.is_cancelled(tmp_path, OTHER, since)
    assert not cancelling.is_cancelled(tmp_path, RUN, since)


def test_a_torn_request_asks_for_nothing(tmp_path):
    since = cancelling.moment(tmp_path)
    cancelling.request(tmp_path, None)
    (request,) = cancelling.requests(tmp_path)
    request.write_bytes(b'["ab')
    assert not cancelling.is_cancelled(tmp_path, RUN, since)


def test_a_moment_is_by_the_clock_of_the_file_system_and_leaves_no_file(tmp_path):
    before = cancelling.moment(tmp_path)
    probe = tmp_path / "probe"
    probe.touch()
    assert before <= probe.stat().st_mtime <= cancelling.moment(tmp_path)
    assert list((tmp_path / "work").iterdir()) == []
