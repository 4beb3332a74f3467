"""A process that trains keeps the memory that its steps free."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys, torch
from pathlib import Path
if sys.argv[1] == "kept":
    from benchmark.runs.executors.malloc import keep_freed_memory
    keep_freed_memory()
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])
before = resident()
maps = [torch.ones(4_000_000) for _ in range(8)]
taken = resident() - before
del maps
print((resident() - before) / taken)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc")
def test_what_a_step_frees_stays_with_the_process():
    share = {}
    for how in ("kept", "returned"):
        done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
        share[how] = float(done.stdout)
    assert share["kept"] > 0.9, share
    assert share["returned"] < 0.5, share
