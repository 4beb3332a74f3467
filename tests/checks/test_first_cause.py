"""`noisybench check` tells the first cause of a fault once, with its file and line."""

import re

import pytest

FILES = {
    "typo": (
        "import torch\nfrom methods import Method\n\n\nclass Typo(Method):\n    def build(self):\n"
        "        super().build()\n        self.memory = torch.zeros(self.kit.num_sample)\n",
        "typo.py:8, in build: AttributeError: 'EngineKit' object has no attribute 'num_sample'",
    ),
    "vector": (
        "from methods import Method\n\n\nclass Vector(Method):\n    def loss(self, logits, batch):\n"
        "        return logits.logsumexp(1)\n",
        "vector.py:5, in loss: loss returned a tensor of shape [16] with its graph; expected a scalar tensor",
    ),
    "device": (
        "from methods import Method\n\n\nclass Device(Method):\n    def loss(self, logits, batch):\n"
        "        return super().loss(logits.to('xpu:7'), batch)\n",
        "device.py:6, in loss: ",
    ),
    "frozen": (
        "from methods import Method\n\n\nclass Frozen(Method):\n    def build(self):\n        super().build()\n"
        "        self.kit.hints.given_noise_rate = 0.1\n",
        "frozen.py:7, in build: FrozenInstanceError: cannot assign to field 'given_noise_rate'",
    ),
    "config": (
        "from methods import Method\n\n\nclass Mine(Method):\n    class Config:\n        q: float = 0.7\n",
        "its Config is no Method.Config, .* write `class Config\\(Method.Config\\):`",
    ),
}
"""A plugin file, and the one sentence that names its first fault."""


@pytest.mark.parametrize("name", FILES)
def test_the_first_cause_is_told_once_with_file_and_line(name, tmp_path, here):
    source, told = FILES[name]
    (tmp_path / f"{name}.py").write_text(source)
    text = here("check", tmp_path / f"{name}.py", code=1).stdout
    assert len(re.findall(told if name == "config" else re.escape(told), text)) == 1, text
    assert text.count("FAILED") == 1
    assert "1 promise(s) broken" in text
    assert "not tried before that is mended" in text


def test_one_exception_in_many_checks_is_told_once(tmp_path, here):
    source = (
        "from methods import Method\n\n\nclass Late(Method):\n    def loss(self, logits, batch):\n"
        "        if self.epoch == 1:\n            raise RuntimeError('late')\n"
        "        return super().loss(logits, batch)\n"
    )
    (tmp_path / "late.py").write_text(source)
    text = here("check", tmp_path / "late.py", code=1).stdout
    assert text.count("late.py:7, in loss: RuntimeError: late") == 1
    assert "for the same reasons as above: predict_is_pure, " in text


def test_a_plugin_that_leaves_the_program_has_failed(tmp_path, here):
    (tmp_path / "leaves.py").write_text(
        'import sys\n\nfrom methods import Method\n\n\nclass Leaves(Method):\n    """Leaves."""\n\n'
        "    def loss(self, logits, batch):\n        sys.exit(0)\n"
    )
    done = here("check", "./leaves.py", code=1)
    assert "leaves.py:10, in loss: SystemExit: 0" in done.stdout


def test_an_import_that_fails_names_the_line(tmp_path, here):
    (tmp_path / "needy.py").write_text(
        "from methods import Method\nimport not_there\n\n\nclass Needy(Method):\n    pass\n"
    )
    told = here("check", tmp_path / "needy.py", code=2).stderr
    assert "needy.py:2, in <module>: " in told
    assert "No module named 'not_there'" in told


def test_options_that_a_plugin_lacks_are_told_at_once(here):
    told = here("check", "gce", "-o", "q=7", "-o", "qq=1", code=2).stderr
    assert "q: " in told
    assert "did you mean 'q'?" in told
