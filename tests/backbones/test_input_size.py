"""Networks of one input size are built for another one, with their position embeddings resampled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from backbones import BackboneError, Network
from backbones.timm import Timm

VIT, DINO = "vit_tiny_patch16_224", "vit_small_patch14_dinov2"


def build(name: str, image_size: int = 28, channels: int = 3, **config: Any) -> Network:
    torch.manual_seed(0)
    return Timm(Timm.Config(**config), name).build(channels, 5, image_size, amp=False)


def saved(tmp_path: Path, name: str, **options: Any) -> tuple[Path, dict[str, Tensor]]:
    torch.manual_seed(1)
    state = timm.create_model(name, num_classes=0, **options).state_dict()
    state = {key: value + 0.1 * torch.randn_like(value) for key, value in state.items()}
    path = tmp_path / f"{name}.pth"
    torch.save(state, path)
    return path, state


@pytest.mark.parametrize(
    ("name", "side"),
    [(DINO, 98), (DINO, 28), (VIT, 96), ("mixer_s32_224", 64), ("swin_tiny_patch4_window7_224", 96)],
)
def test_a_network_of_one_size_is_built_for_the_input_size(name: str, side: int) -> None:
    network = build(name, input_size=side)
    assert network(torch.rand(2, 3, 28, 28)).shape == (2, 5)
    again = build(name, input_size=side)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in network.state_dict().items())


def test_its_weights_are_those_of_timms_network_of_that_size() -> None:
    network = build(VIT, input_size=96)
    torch.manual_seed(0)
    expected = timm.create_model(VIT, num_classes=5, img_size=96).state_dict()
    own = {key.removeprefix("net."): value for key, value in network.state_dict().items()}
    assert all(torch.equal(own[key], value) for key, value in expected.items())


@pytest.mark.parametrize(("name", "side"), [(VIT, 224), ("resnet18", 32), ("convnext_atto", 64)])
def test_a_network_that_takes_the_size_is_built_as_before(name: str, side: int) -> None:
    network = build(name, input_size=side)
    torch.manual_seed(0)
    expected = timm.create_model(name, num_classes=5).state_dict()
    own = {key.removeprefix("net."): value for key, value in network.state_dict().items()}
    assert all(torch.equal(own[key], value) for key, value in expected.items())


def test_position_embeddings_of_a_file_are_resampled_and_the_rest_is_loaded_as_it_is(tmp_path: Path) -> None:
    path, state = saved(tmp_path, DINO)
    network = build(DINO, input_size=98, weights=path, frozen=True)
    own = {key.removeprefix("net."): value for key, value in network.state_dict().items()}
    for key, value in state.items():
        assert key == "pos_embed" or torch.equal(own[key], value), key
    assert own["pos_embed"].shape == (1, 1 + 7 * 7, 384)
    assert torch.equal(own["pos_embed"][:, 0], state["pos_embed"][:, 0]), "the class token's stays"
    grid = state["pos_embed"][:, 1:].unflatten(1, (37, 37)).mean((1, 2))
    torch.testing.assert_close(own["pos_embed"][:, 1:].mean(1), grid, atol=0.02, rtol=0)


def test_embeddings_of_the_same_size_are_loaded_bit_for_bit(tmp_path: Path) -> None:
    path, state = saved(tmp_path, VIT, img_size=96)
    network = build(VIT, input_size=96, weights=path)
    assert torch.equal(network.state_dict()["net.pos_embed"], state["pos_embed"])


@pytest.mark.parametrize(("side", "offered"), [(100, "98 or 112"), (27, "14 or 28")])
def test_a_size_that_is_no_multiple_of_the_patches_is_refused_with_the_next_ones(side: int, offered: str) -> None:
    with pytest.raises(BackboneError, match=f"no multiple of the patches of .* 14 pixels .* input_size = {offered}"):
        build(DINO, input_size=side)


def test_without_an_input_size_the_message_says_what_to_set() -> None:
    with pytest.raises(BackboneError, match="was made for 518: set input_size = 518, or a smaller multiple of its"):
        build(DINO)


@pytest.mark.parametrize("other", ["vit_tiny_patch16_224", "vit_base_patch14_dinov2", "vit_small_patch16_224"])
def test_weights_of_another_vit_are_refused_in_one_sentence(other: str, tmp_path: Path) -> None:
    path, _ = saved(tmp_path, other)
    with pytest.raises(BackboneError, match="do not fit this network: .* Expected the weights of the same network"):
        build(DINO, input_size=98, weights=path)
