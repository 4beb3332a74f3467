"""A process that trains keeps the memory that its steps free."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, torch
if sys.argv[1] == "kept":
    from benchmark.memory import keep_freed_memory
    keep_freed_memory()
def step():
    maps = [torch.ones(3_000_000 + 1000 * i) for i in range(12)]
for _ in range(10): step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10): step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_used_again_without_new_pages():
    faults = {}
    for how in ("kept", "returned"):
        done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
        faults[how] = int(done.stdout)
    assert faults["kept"] < 0.1 * faults["returned"], faults
