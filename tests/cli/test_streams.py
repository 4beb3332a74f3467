"""No text that a command prints can move the cursor, hide itself, or turn around what stands beside it."""

from __future__ import annotations

import io
import re
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cli.streams import Visible, raw, visible_streams

WORST = ("\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u202egnp.exe")
UNSAFE = {*map(chr, range(32)), *map(chr, range(127, 160)), *map(chr, range(0x202A, 0x202F))} - {"\n", "\t"}


@given(st.text())
def test_control_characters_are_written_out_and_all_else_stays(text):
    stream = io.StringIO()
    assert Visible(stream).write(text) == len(text)
    assert not set(stream.getvalue()) & UNSAFE
    if text.isprintable():
        assert stream.getvalue() == text


def test_the_streams_are_what_they_were_afterwards():
    former = sys.stdout, sys.stderr
    with visible_streams():
        assert (raw(sys.stdout), raw(sys.stderr)) == former
        assert sys.stdout.encoding == former[0].encoding
    assert (sys.stdout, sys.stderr) == former


def test_names_from_data_suites_and_files_reach_no_terminal_as_they_are(here, tmp_path, cells):
    with np.load(cells, allow_pickle=False) as file:
        arrays = dict(file)
    np.savez(cells, allow_pickle=False, **arrays, class_names=np.array(WORST))
    (tmp_path / "suite.toml").write_text(f'methods = ["ce"]\n"{WORST[2]}" = 1\n')
    cells.rename(tmp_path / f"{WORST[0]}.npz")
    for arguments, code in (
        (("data", "info", f"npz:{WORST[0]}.npz"), 0),
        (("run", "suite.toml"), 2),
        (("run", WORST[1]), 2),
        (("run", "-d", f"npz:{WORST[0]}.npz", "-m", WORST[0], "-n", "none"), 2),
    ):
        done = here(*arguments, code=code)
        assert not set(done.stdout + done.stderr) & UNSAFE, arguments
        assert {"\\x1b", "\\u202e"} & {*re.findall(r"\\x1b|\\u202e", done.stdout + done.stderr)}, arguments
