"""Weights files load where they fit and are refused by name where they do not."""

from __future__ import annotations

import urllib.error
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor

from backbones import Backbone, BackboneError, Network
from backbones._weights import read_weights
from backbones.resnet import IMAGENET_MEAN, IMAGENET_STD, ResNet18
from backbones.timm import Timm

NETWORKS = {
    "resnet18": (ResNet18, "", lambda: torchvision.models.resnet18(num_classes=1000)),
    "timm": (Timm, "resnet10t", lambda: timm.create_model("resnet10t", num_classes=1000)),
}


def build(name: str, path: Path, num_classes: int = 6, channels: int = 3, **config: Any) -> Network:
    plugin: Any
    plugin, argument, _ = NETWORKS[name]
    backbone: Backbone = plugin(plugin.Config(weights=path, **config), argument)
    return backbone.build(channels, num_classes, 64, amp=False)


def published(name: str) -> dict[str, Tensor]:
    torch.manual_seed(3)
    return NETWORKS[name][2]().state_dict()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_weights_file_of_other_classes_loads_all_but_the_head(name: str, suffix: str, tmp_path: Path) -> None:
    state, path = published(name), tmp_path / f"weights{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    torch.manual_seed(0)
    net = build(name, path)
    loaded = {key.removeprefix("net."): value for key, value in net.state_dict().items()}
    assert loaded.keys() == state.keys()
    for key, value in state.items():
        assert key.startswith("fc.") or torch.equal(loaded[key], value), key
    assert loaded["fc.weight"].shape[0] == 6
    assert net(torch.rand(2, 3, 64, 64)).shape == (2, 6)


def test_a_head_of_the_same_classes_is_loaded(tmp_path: Path) -> None:
    state, path = published("resnet18"), tmp_path / "weights.pt"
    torch.save({"state_dict": state, "epoch": torch.tensor(3)}, path)
    net = build("resnet18", path, num_classes=1000)
    assert torch.equal(net.state_dict()["net.fc.weight"], state["fc.weight"])


def test_a_file_without_a_head_or_batch_counters_loads(tmp_path: Path) -> None:
    state, path = published("resnet18"), tmp_path / "weights.pt"
    kept = {key: t for key, t in state.items() if key[:3] != "fc." and "num_batches" not in key}
    torch.save(kept, path)
    net = build("resnet18", path)
    assert torch.equal(net.state_dict()["net.conv1.weight"], state["conv1.weight"])


def test_pretrained_networks_use_imagenets_normalization_and_stem(tmp_path: Path) -> None:
    torch.save(published("resnet18"), tmp_path / "weights.pt")
    net = build("resnet18", tmp_path / "weights.pt")
    assert net.net.conv1.kernel_size == (7, 7)
    torch.testing.assert_close(net.mean.flatten(), torch.tensor(IMAGENET_MEAN))
    torch.testing.assert_close(net.std.flatten(), torch.tensor(IMAGENET_STD))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pretrained_network_sees_a_gray_image_in_three_equal_channels(name: str, tmp_path: Path) -> None:
    torch.save(published(name), tmp_path / "weights.pt")
    net = build(name, tmp_path / "weights.pt", channels=1).eval()
    x = torch.rand(2, 1, 64, 64)
    assert torch.equal(net(x), net(x.expand(-1, 3, -1, -1)))


def test_weights_of_a_gray_network_keep_their_one_channel(tmp_path: Path) -> None:
    plugin = ResNet18(ResNet18.Config(stem="imagenet"))
    state = plugin.build(1, 2, 64, amp=False).net.state_dict()
    torch.save(state, tmp_path / "weights.pt")
    net: Any = build("resnet18", tmp_path / "weights.pt", channels=1)
    assert torch.equal(net.net.conv1.weight, state["conv1.weight"])


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_that_do_not_fit_are_refused_with_names_and_shapes(name: str, tmp_path: Path) -> None:
    state = published(name)
    state["layer1.0.conv1.weight"] = torch.zeros(7, 64, 3, 3)
    del state["layer2.0.bn1.weight"]
    state["stranger"] = torch.zeros(2)
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(BackboneError) as caught:
        build(name, tmp_path / "weights.pt")
    message = str(caught.value)
    assert "layer1.0.conv1.weight has shape [7, 64, 3, 3], expected [64, " in message
    assert "layer2.0.bn1.weight [128] is missing" in message
    assert "stranger [2] is not expected" in message
    assert str(tmp_path / "weights.pt") in message


def test_weights_of_another_network_name_the_first_mismatches_only(tmp_path: Path) -> None:
    torch.save(torchvision.models.mobilenet_v3_small().state_dict(), tmp_path / "weights.pt")
    with pytest.raises(BackboneError, match=r"conv1\.weight \[64, 3, 7, 7\] is missing.*and \d+ more") as caught:
        build("resnet18", tmp_path / "weights.pt")
    assert len(str(caught.value)) < 800


def test_weights_of_a_small_stem_do_not_enter_a_large_one(tmp_path: Path) -> None:
    small = ResNet18(ResNet18.Config()).build(3, 2, 28, amp=False).net.state_dict()
    torch.save(small, tmp_path / "weights.pt")
    with pytest.raises(BackboneError, match=r"conv1\.weight has shape \[64, 3, 3, 3\], expected \[64, 3, 7, 7\]"):
        build("resnet18", tmp_path / "weights.pt")
    net: Any = build("resnet18", tmp_path / "weights.pt", stem="small")
    assert torch.equal(net.net.conv1.weight, small["conv1.weight"])


def test_a_head_for_other_features_is_refused(tmp_path: Path) -> None:
    state = published("resnet18") | {"fc.weight": torch.zeros(1000, 99)}
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(BackboneError, match=r"fc\.weight has shape \[1000, 99\]"):
        build("resnet18", tmp_path / "weights.pt")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all"])
def test_a_damaged_file_is_refused_in_one_sentence(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(BackboneError, match="cannot be read"):
        build("resnet18", path)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18(), tmp_path / "weights.pt")
    with pytest.raises(BackboneError, match="cannot be read"):
        build("resnet18", tmp_path / "weights.pt")


def test_a_file_without_tensors_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "weights.pt")
    with pytest.raises(BackboneError, match="holds no state dict"):
        build("resnet18", tmp_path / "weights.pt")
    (tmp_path / "weights.h5").write_bytes(b"")
    with pytest.raises(BackboneError, match=r"expected \.safetensors, \.pt, \.pth, \.bin, \.ckpt, \.tar"):
        build("resnet18", tmp_path / "weights.h5")


def test_an_absent_weights_file_is_refused_by_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="there is no file"):
        ResNet18.Config(weights=tmp_path / "absent.pt")


def test_imagenet_weights_without_the_internet_say_which_file_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(BackboneError, match=r"resnet18-f37072fd\.pth.*or pass weights = FILE") as caught:
        ResNet18(ResNet18.Config(weights="imagenet")).build(3, 2, 28, amp=False)
    assert str(tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth") in str(caught.value)


@pytest.mark.usefixtures("timm_offline")
def test_imagenet_weights_of_timm_without_the_internet_name_the_file() -> None:
    with pytest.raises(BackboneError, match=r"download https://huggingface\.co/timm/\S+ and pass weights = FILE"):
        Timm(Timm.Config(weights="imagenet"), "resnet18").build(3, 2, 64, amp=False)


@pytest.mark.parametrize("key", ["", "state_dict", "model", "model_state_dict", "net"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_checkpoints_and_wrapped_networks_are_read_as_plain_state_dicts(key: str, prefix: str, tmp_path: Path) -> None:
    state = {"conv.weight": torch.ones(2, 3), "module_scale": torch.zeros(1)}
    stored: Any = {f"{prefix}{name}": value for name, value in state.items()}
    torch.save({key: stored, "epoch": 3} if key else stored, tmp_path / "weights.PTH")
    loaded = read_weights(tmp_path / "weights.PTH")
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lambda path: path.write_bytes(b"no weights"), "cannot be read"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: torch.save([torch.ones(2)], path), "holds no state dict"),
        (lambda path: torch.save({}, path), "holds no state dict"),
        (lambda path: torch.save({"epoch": 3, "lr": 0.1}, path), "holds no state dict"),
        (lambda path: torch.save(torch.nn.Linear(2, 2), path), "cannot be read"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".ckpt", ".pth.tar"])
def test_a_file_without_weights_is_refused_in_one_sentence(
    content: Any, told: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"weights{suffix}"
    content(path)
    with pytest.raises(BackboneError, match=told) as refused:
        read_weights(path)
    assert "\n" not in str(refused.value)
    assert "expected tensors by name" in str(refused.value)
