"""What `doctor` finds of machine and disk, and that each fault comes with what mends it."""

import os
from pathlib import Path

import pytest

from benchmark.checks.health import installation, place
from benchmark.registry import add_plugin_file
from benchmark.store.store import Store


def levels(reports):
    return [report.level for report in reports]


def test_a_sound_folder_is_called_sound_and_probing_leaves_nothing(tmp_path):
    Store(tmp_path).prepare()
    assert "broken" not in levels([*place.disk(tmp_path), *place.probe(tmp_path)])
    assert all(not path.name.startswith(".doctor") for path in tmp_path.rglob("*"))


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="needs Linux")
def test_the_file_system_is_named_as_the_kernel_names_it(tmp_path):
    assert place.file_system(tmp_path)
    if Path("/dev/shm").is_dir() and place.file_system(Path("/dev/shm")) == "tmpfs":
        assert any("in memory" in report.what for report in place.disk(Path("/dev/shm")))


def test_a_folder_that_cannot_be_tried_is_broken_and_says_what_to_do(tmp_path):
    (report,) = place.probe(tmp_path / "nowhere")
    assert report.level == "broken"
    assert "--results" in report.mend


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permissions_is_named(tmp_path):
    Store(tmp_path).prepare()
    (tmp_path / "runs").chmod(0o500)
    (found,) = [report for report in place.disk(tmp_path) if report.level == "broken"]
    assert "runs cannot be written" in found.what
    assert "chmod" in found.mend


def test_a_plugin_that_cannot_be_imported_is_named(tmp_path):
    path = tmp_path / "mine.py"
    lines = [
        '"""Mine."""',
        "import nowhere_to_be_found",
        "from methods import Method",
        "class Mine(Method):",
        "    x = 1",
    ]
    path.write_text("\n".join(lines))
    before = levels(installation.plugins()).count("broken")
    add_plugin_file(path)
    broken = [report for report in installation.plugins() if report.level == "broken"]
    assert len(broken) == before + 1
    assert any("mine" in report.what and "nowhere_to_be_found" in report.what for report in broken)


def test_the_installation_names_torch_and_its_threads():
    told = [str(report) for report in installation.torch_and_devices()]
    assert any("torch" in line and "threads" in line for line in told)
    assert "broken" not in levels(installation.installation())
