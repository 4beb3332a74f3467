"""What every backbone promises: sizes and channels, gradients, the split into features and head, seeding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from backbones import Backbone, BackboneError
from backbones.cnn import SmallCNN
from backbones.resnet import ResNet18, ResNet34, ResNet50
from backbones.timm import Timm


def make(plugin: type[Backbone], argument: str = "", **config: Any) -> Backbone:
    return plugin(plugin.Config(**config), argument)


FAMILIES = {
    "cnn": make(SmallCNN),
    "resnet18": make(ResNet18),
    "resnet18-imagenet-stem": make(ResNet18, stem="imagenet"),
    "timm": make(Timm, "resnet10t"),
    "timm-resized": make(Timm, "tf_efficientnet_lite0", input_size=48),
}
CASES = [(name, size) for name in FAMILIES for size in (28, 32, 64)] + [("cnn", 8), ("resnet18", 8)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("name", "size"), CASES)
def test_gradients_reach_all_parameters_at_every_size(name: str, size: int, channels: int) -> None:
    torch.manual_seed(0)
    net = FAMILIES[name].build(channels, 5, size, amp=False)
    for parameter in net.parameters():
        if not parameter.any():  # a residual branch that begins as zero gets its gradient one step later
            nn.init.ones_(parameter)
    x = torch.rand(3, channels, size, size)
    logits = net(x)
    assert logits.shape == (3, 5)
    assert logits.dtype == torch.float32
    nn.functional.cross_entropy(logits, torch.tensor([0, 2, 4])).backward()
    for parameter_name, parameter in net.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name


@pytest.mark.parametrize("name", FAMILIES)
def test_head_of_features_is_the_network_and_float64_stays(name: str) -> None:
    torch.manual_seed(0)
    net = FAMILIES[name].build(3, 4, 28, amp=True).double().eval()
    x = torch.rand(3, 3, 28, 28, dtype=torch.float64)
    features = net.features(x)
    assert features.dim() == 2
    assert features.dtype == net(x).dtype == torch.float64
    assert torch.equal(net.head(features), net(x))
    assert net.head(features[:1]).shape == (1, 4)


@pytest.mark.parametrize("name", FAMILIES)
def test_stages_hold_every_parameter_once_and_end_in_the_classifier(name: str) -> None:
    net = FAMILIES[name].build(3, 7, 28, amp=False)
    stages = net.stages()
    held = [id(parameter) for stage in stages for parameter in stage.parameters()]
    assert sorted(held) == sorted(id(parameter) for parameter in net.parameters())
    assert isinstance(stages[-1], nn.Linear)
    assert stages[-1].out_features == 7
    assert all(any(True for _ in stage.parameters()) for stage in stages)


@pytest.mark.parametrize("name", FAMILIES)
def test_initialization_depends_on_the_torch_generator_only(name: str) -> None:
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(FAMILIES[name].build(3, 3, 28, amp=False).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert any(not torch.equal(states[0][key], states[2][key]) for key in states[0])


@pytest.mark.parametrize("name", FAMILIES)
def test_small_maps_change_neither_state_nor_logits(name: str) -> None:
    nets = []
    for small_maps in (True, False):
        torch.manual_seed(0)
        nets.append(FAMILIES[name].build(3, 3, 28, amp=False, small_maps=small_maps).double())
    dense, plain = nets
    assert list(dense.state_dict()) == list(plain.state_dict())
    x = torch.rand(5, 3, 28, 28, dtype=torch.float64)
    torch.testing.assert_close(dense(x), plain(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_state_holds_no_normalization(name: str) -> None:
    assert not {"mean", "std"} & FAMILIES[name].build(3, 3, 28, amp=False).state_dict().keys()


def test_images_are_normalized_inside() -> None:
    net = FAMILIES["cnn"].build(3, 3, 28, amp=False)
    x = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 3, 1, 1).expand(1, 3, 28, 28)
    assert net.prepare(x)[0, :, 0, 0].tolist() == [-1.0, 0.0, 1.0]


def test_the_resnet_of_auto_keeps_the_resolution_of_small_images_only() -> None:
    small = make(ResNet18).build(3, 2, 64, amp=False)
    large = make(ResNet18).build(3, 2, 65, amp=False)
    assert small.net.conv1.kernel_size == (3, 3)
    assert isinstance(small.net.maxpool, nn.Identity)
    assert large.net.conv1.kernel_size == (7, 7)
    assert isinstance(large.net.maxpool, nn.MaxPool2d)


@pytest.mark.parametrize(("plugin", "width"), [(ResNet34, 512), (ResNet50, 2048)])
def test_deeper_resnets_build(plugin: type[Backbone], width: int) -> None:
    net = make(plugin).build(1, 2, 28, amp=False)
    assert net.features(torch.rand(2, 1, 28, 28)).shape == (2, width)


def test_images_of_other_channels_are_refused() -> None:
    with pytest.raises(BackboneError, match="4 channels; expected 1"):
        make(SmallCNN).build(4, 2, 28, amp=False)


def test_an_unknown_timm_name_is_refused_with_near_ones() -> None:
    with pytest.raises(BackboneError, match="did you mean .*timm/resnet18"):
        make(Timm, "resnet_18").build(3, 2, 28, amp=False)
    with pytest.raises(BackboneError, match="as in timm/resnet18"):
        make(Timm).build(3, 2, 28, amp=False)


def test_a_timm_network_of_one_image_size_names_it() -> None:
    with pytest.raises(BackboneError, match="28 pixels.*set input_size = 224"):
        make(Timm, "vit_tiny_patch16_224").build(3, 2, 28, amp=False)
    resized = make(Timm, "vit_tiny_patch16_224", input_size=224).build(3, 2, 28, amp=False)
    assert resized.eval()(torch.rand(1, 3, 28, 28)).shape == (1, 2)


def test_a_timm_network_without_one_linear_head_is_refused() -> None:
    with pytest.raises(BackboneError, match="does not end in one linear layer"):
        make(Timm, "deit_tiny_distilled_patch16_224", input_size=224).build(3, 2, 28, amp=False)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_amp_returns_float32_on_cuda() -> None:
    net = make(ResNet18).build(3, 4, 28, amp=True).cuda()
    features = net.features(torch.rand(4, 3, 28, 28, device="cuda"))
    assert features.dtype == net.head(features).dtype == torch.float32
