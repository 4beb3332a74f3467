"""Exact convolutions on small maps, as dense products with the same parameters.

A 3x3 convolution with padding 1 multiplies mostly padding zeros when its map is small: on a 1x1 map eight
of the nine taps meet nothing but zeros, on a 2x2 map twenty of thirty-six. Convolution libraries compute
those products all the same, and are slowest of all in the gradient of the weight. Here every output
position is a few matrix products with exactly the taps that lie inside the map. In channels-last storage
neighbouring taps (of the weight) and neighbouring pixels (of the map) are adjacent in memory, so that the
products read and write the tensors in place: nothing is gathered.

Parameters, state dicts and results (up to the order of summation) are those of `nn.Conv2d`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones._fast.products import AVX512, add_product_, linear
from backbones._fast.switch import fast_path_is_on

_USED = fast_path_is_on("small_maps") and hasattr(torch.ops.aten, "convolution_backward")
"""The gradients that gain nothing from the dense form are the library's, by a private operator."""

DENSE_SIDE = 2
"""Maps up to this side are always computed as dense products, whatever the number of channels."""

# Beyond 2x2 a library convolution wastes less and the dense form pays only with enough channels. The limits
# were measured with batch 128 on AVX2 and on AVX-512, where the library is at its best from 4x4 maps on; they
# decide the speed, never the result.
_WIDE_SIDE, _WIDE_CHANNELS = 4, 512
_WEIGHT_SIDE, _WEIGHT_CHANNELS = (4, 512) if AVX512 else (8, 128)

M = TypeVar("M", bound=nn.Module)


class _Product(NamedTuple):
    """Output (i, j) takes the pixels `cols` of input row `row` with the taps `taps` of kernel row `k`."""

    i: int
    j: int
    row: int
    cols: slice
    k: int
    taps: slice


@lru_cache(maxsize=256)
def _products(height: int, width: int, stride: tuple[int, int]) -> tuple[int, int, tuple[_Product, ...]]:
    """Output height and width of a 3x3 convolution with padding 1, and the products that make it up."""
    out_h, out_w = (height - 1) // stride[0] + 1, (width - 1) // stride[1] + 1
    products = []
    for i in range(out_h):
        top = i * stride[0] - 1
        for j in range(out_w):
            left = j * stride[1] - 1
            first, last = max(left, 0), min(left + 3, width)
            for row in range(max(top, 0), min(top + 3, height)):
                taps = slice(first - left, last - left)
                products.append(_Product(i, j, row, slice(first, last), row - top, taps))
    return out_h, out_w, tuple(products)


def _dense_map(height: int, width: int, stride: tuple[int, int], in_channels: int) -> bool:
    side = max(height, width)
    if side <= DENSE_SIDE:
        return True
    return side <= _WIDE_SIDE and (stride == (2, 2) or in_channels >= _WIDE_CHANNELS)


def _dense_weight_gradient(height: int, width: int, out_channels: int) -> bool:
    return max(height, width) <= _WEIGHT_SIDE and out_channels >= _WEIGHT_CHANNELS


class _SmallMapConvolution(torch.autograd.Function):
    """3x3 convolution, padding 1, of x [B, C, H, W] with weight [O, C, 3, 3]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int]) -> Tensor:
        batch, channels, height, width = x.shape
        ctx.stride = stride
        ctx.save_for_backward(x, weight)
        ctx.bias_size = None if bias is None else list(bias.shape)
        if not _dense_map(height, width, stride, channels):
            return F.conv2d(x, weight, bias, stride, padding=1)
        out_h, out_w, products = _products(height, width, stride)
        pixels, taps = x.permute(0, 2, 3, 1).contiguous(), weight.permute(0, 2, 3, 1)
        out = x.new_zeros(batch, out_h, out_w, len(weight))
        if bias is not None:
            out += bias
        for p in products:
            add_product_(out[:, p.i, p.j], pixels[:, p.row, p.cols].flatten(1), taps[:, p.k, p.taps].flatten(1))
        return out.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        x, weight = ctx.saved_tensors
        _, channels, height, width = x.shape
        need_x, need_weight, need_bias, _ = ctx.needs_input_grad

        def library(need: tuple[bool, bool, bool]) -> tuple[Tensor | None, ...]:
            stride, one = list(ctx.stride), [1, 1]
            return torch.ops.aten.convolution_backward(
                grad, x, weight, ctx.bias_size, stride, one, one, False, [0, 0], 1, list(need)
            )

        if torch.is_grad_enabled():  # create_graph=True: this operator has a gradient of its own
            return (*library((need_x, need_weight, need_bias)), None)

        grad_x = grad_weight = None
        out, pixels = grad.permute(0, 2, 3, 1).contiguous(), x.permute(0, 2, 3, 1).contiguous()
        products = _products(height, width, ctx.stride)[2]
        if need_x and _dense_map(height, width, ctx.stride, channels):
            taps, grad_pixels = weight.permute(0, 2, 3, 1), torch.zeros_like(pixels)
            for p in products:
                part = grad_pixels[:, p.row, p.cols].flatten(1)
                add_product_(part, out[:, p.i, p.j], taps[:, p.k, p.taps].flatten(1).t())
            grad_x = grad_pixels.permute(0, 3, 1, 2)
        elif need_x:
            grad_x = library((True, False, False))[0]
        if need_weight:
            grad_taps = weight.new_zeros(len(weight), 3, 3, channels)
            for p in products:
                part = grad_taps[:, p.k, p.taps].flatten(1)
                add_product_(part, out[:, p.i, p.j].t(), pixels[:, p.row, p.cols].flatten(1).t())
            grad_weight = grad_taps.permute(0, 3, 1, 2)
        grad_bias = grad.sum((0, 2, 3)) if need_bias else None
        return grad_x, grad_weight, grad_bias, None


class SmallMapConv2d(nn.Conv2d):
    """`nn.Conv2d` that takes the dense form when its input is a small map of float32 or float64 on the CPU.

    GPUs keep the library's convolution: many small products would cost more in launches than they save.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64):
            return super().forward(x)
        if torch.is_autocast_enabled("cpu") or 0 in x.shape:
            return super().forward(x)
        height, width = x.shape[2:]
        if self.kernel_size == (1, 1):
            if max(height, width) > DENSE_SIDE:
                return super().forward(x)
            picked = x[:, :, :: self.stride[0], :: self.stride[1]].permute(0, 2, 3, 1)
            return linear(picked, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)
        stride = (self.stride[0], self.stride[1])
        if not (
            _dense_map(height, width, stride, self.in_channels)
            or _dense_weight_gradient(height, width, self.out_channels)
        ):
            return super().forward(x)
        return _SmallMapConvolution.apply(x, self.weight, self.bias, stride)


class SmallMapBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` that takes a batch of 1x1 maps on the CPU for the pixels of one image.

    The statistics are the same; the library's gradient for many maps of one pixel takes 17 times as long.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or x.shape[2:] != (1, 1):
            return super().forward(x)
        batch, channels = x.shape[:2]
        image = x.reshape(1, batch, 1, channels).permute(0, 3, 1, 2)
        return super().forward(image).permute(2, 1, 0, 3)


def fits(conv: nn.Module) -> bool:
    """Whether `conv` is a plain convolution that has a dense form: one group, undilated, zero padding."""
    if type(conv) is not nn.Conv2d or conv.groups != 1 or conv.padding_mode != "zeros":
        return False
    if conv.stride not in ((1, 1), (2, 2)):
        return False
    if conv.kernel_size == (1, 1):
        return conv.padding in (0, (0, 0), "valid")
    # A string ("same") may pad unevenly, so only the numeric form is taken.
    return conv.kernel_size == (3, 3) and conv.dilation == (1, 1) and conv.padding == (1, 1)


def use_small_maps(module: M) -> M:
    """Lets every fitting convolution and batch norm inside `module` take the form for small maps; in place.

    Only the class of the layers changes: parameters, buffers, hooks and state dicts stay as they are. Nothing
    changes where the path is off, or where this version of torch lacks what it needs.
    """
    if not _USED:
        return module
    for layer in module.modules():
        if fits(layer):
            layer.__class__ = SmallMapConv2d
        elif type(layer) is nn.BatchNorm2d:
            layer.__class__ = SmallMapBatchNorm2d
    return module
