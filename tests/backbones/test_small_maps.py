"""Convolutions on small maps: the same function, gradients and state as `nn.Conv2d`."""

from __future__ import annotations

import copy

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from backbones._fast.small_maps import SmallMapBatchNorm2d, SmallMapConv2d, fits, use_small_maps

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def outputs_and_gradients(conv: nn.Module, x: Tensor, seed: int) -> list[Tensor]:
    x = x.clone().requires_grad_()
    out = conv(x)
    noise = torch.randn(out.shape, generator=torch.Generator().manual_seed(seed), dtype=out.dtype)
    return [out.detach(), *torch.autograd.grad((out * noise).sum(), [x, *conv.parameters()])]


def assert_equal(got: list[Tensor], want: list[Tensor]) -> None:
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        # Relative to the size of the sum, which is what rounding scales with.
        assert (a - b).abs().max() <= TOLERANCE[a.dtype] * b.abs().max().clamp(min=1)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    batch=st.integers(1, 5),
    inputs=st.integers(1, 6),
    # From 128 output channels on the weight's gradient is dense up to 8x8.
    outputs=st.sampled_from([1, 3, 7, 128, 130]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    stride=st.sampled_from([1, 2]),
    kernel=st.sampled_from([1, 3]),
    bias=st.booleans(),
    channels_last=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 2**31),
)
def test_small_map_convolution_equals_the_librarys(
    batch: int,
    inputs: int,
    outputs: int,
    height: int,
    width: int,
    stride: int,
    kernel: int,
    bias: bool,
    channels_last: bool,
    dtype: torch.dtype,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=bias, dtype=dtype)
    x = torch.randn(batch, inputs, height, width, dtype=dtype)
    if channels_last:
        conv, x = conv.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    dense = use_small_maps(copy.deepcopy(conv))
    assert type(dense) is SmallMapConv2d
    assert_equal(outputs_and_gradients(dense, x, seed), outputs_and_gradients(conv, x, seed))


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (2, 1), (2, 2), (4, 1), (4, 2), (3, 2)])
def test_small_map_convolution_equals_the_librarys_with_many_channels(side: int, stride: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(512, 160, 3, stride, padding=1, bias=False).to(memory_format=torch.channels_last)
    x = torch.randn(7, 512, side, side).contiguous(memory_format=torch.channels_last)
    dense = use_small_maps(copy.deepcopy(conv))
    assert_equal(outputs_and_gradients(dense, x, 1), outputs_and_gradients(conv, x, 1))


@pytest.mark.parametrize("side", [1, 2, 4])
def test_gradients_of_gradients_are_right(side: int) -> None:
    torch.manual_seed(0)
    conv = use_small_maps(nn.Conv2d(2, 3, 3, padding=1).double())
    x = torch.randn(2, 2, side, side, dtype=torch.float64, requires_grad=True)
    arguments = (x, conv.weight.detach().requires_grad_(), conv.bias.detach().requires_grad_())

    def function(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.func.functional_call(conv, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(function, arguments)
    assert torch.autograd.gradgradcheck(function, arguments)


def test_only_the_gradients_asked_for_are_computed() -> None:
    conv = use_small_maps(nn.Conv2d(2, 3, 3, padding=1))
    conv.weight.requires_grad_(False)
    x = torch.randn(2, 2, 2, 2, requires_grad=True)
    conv(x).sum().backward()
    assert conv.weight.grad is None
    assert x.grad is not None


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.Conv2d(4, 4, 3, padding=2, dilation=2),
        nn.Conv2d(4, 4, 3, padding=1, dilation=2),
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 3, padding=1, stride=3),
        nn.Conv2d(4, 4, 1, padding=1),
        nn.Conv2d(4, 4, 5, padding=2),
        nn.ConvTranspose2d(4, 4, 3, padding=1),
        nn.Linear(4, 4),
    ],
    ids=str,
)
def test_layers_without_a_dense_form_are_left_alone(layer: nn.Module) -> None:
    assert not fits(layer)
    assert type(use_small_maps(nn.Sequential(layer))[0]) is type(layer)


def test_large_maps_and_single_images_take_the_library() -> None:
    conv = nn.Conv2d(3, 4, 3, padding=1)
    dense = use_small_maps(copy.deepcopy(conv))
    for shape in ((2, 3, 28, 28), (3, 2, 2), (0, 3, 2, 2)):
        x = torch.randn(shape)
        assert torch.equal(dense(x), conv(x))


def test_a_network_with_small_maps_has_the_same_state_and_gradients() -> None:
    torch.manual_seed(0)
    plain = torchvision.models.resnet18(num_classes=9).double()
    dense = use_small_maps(copy.deepcopy(plain))
    assert list(dense.state_dict()) == list(plain.state_dict())
    dense.load_state_dict(plain.state_dict())
    assert sum(isinstance(layer, SmallMapConv2d) for layer in dense.modules()) == 19
    x, y = torch.rand(4, 3, 28, 28, dtype=torch.float64), torch.tensor([0, 3, 8, 3])
    for net in (plain, dense):
        nn.functional.cross_entropy(net(x), y).backward()
    for (name, a), b in zip(dense.named_parameters(), plain.parameters(), strict=True):
        assert (a.grad - b.grad).abs().max() <= 1e-10 * b.grad.abs().max().clamp(min=1), name


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", [(5, 7, 1, 1), (5, 1, 1, 1), (2, 3, 2, 1), (4, 3, 5, 5)])
@pytest.mark.parametrize("channels_last", [True, False])
def test_a_batch_norm_of_small_maps_equals_the_librarys(
    shape: tuple[int, ...], channels_last: bool, dtype: torch.dtype
) -> None:
    library = nn.BatchNorm2d(shape[1], dtype=dtype)
    with torch.no_grad():
        library.weight.uniform_(0.5, 2)
        library.bias.uniform_(-1, 1)
    ours = use_small_maps(copy.deepcopy(library))
    assert type(ours) is SmallMapBatchNorm2d
    x = torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=dtype)
    x = x.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    for _ in ("training", "evaluation"):
        got, want = (outputs_and_gradients(layer, x, seed=4) for layer in (ours, library))
        assert_equal(got, want)
        for name, value in library.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], value)
        ours.eval()
        library.eval()


def test_a_batch_norm_still_refuses_to_train_on_one_value_per_channel() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        use_small_maps(nn.BatchNorm2d(3))(torch.zeros(1, 3, 1, 1))
