"""The recipe's optimizers compute what torch's do, without copying channels-last weights back and forth."""

import copy

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from benchmark.grid.spec import Recipe
from benchmark.training.optimizers import make_optimizer

PLAIN = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def small_network():
    torch.manual_seed(0)
    # No bias before the norm: its gradient is rounding alone, which Adam would blow up.
    body = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 1)
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(24, 2)).to(memory_format=torch.channels_last)


def train(network, optimizer, steps):
    x = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(1)).to(memory_format=torch.channels_last)
    for _ in range(steps):
        optimizer.zero_grad()
        network(x).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("name", PLAIN)
def test_steps_equal_those_of_torchs_optimizer(name):
    network = small_network()
    plain = copy.deepcopy(network)
    recipe = Recipe(epochs=1, optimizer=name, lr=1e-2, weight_decay=1e-2, momentum=0.9)
    chosen = {"momentum": 0.9} if name == "sgd" else {}
    train(network, make_optimizer(recipe, network.parameters(), {}), 5)
    train(plain, PLAIN[name](plain.parameters(), lr=1e-2, weight_decay=1e-2, **chosen), 5)
    for a, b in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", PLAIN)
def test_a_stored_state_goes_on_as_if_it_had_never_been_stored(name):
    recipe = Recipe(epochs=1, optimizer=name, lr=1e-2)
    network = small_network()
    optimizer = make_optimizer(recipe, network.parameters(), {})
    train(network, optimizer, 3)
    resumed = copy.deepcopy(network)
    again = make_optimizer(recipe, resumed.parameters(), {})
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(network, optimizer, 3)
    train(resumed, again, 3)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), resumed.parameters(), strict=True))


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_a_step_copies_no_channels_last_weight(name):
    network = small_network()
    optimizer = make_optimizer(Recipe(epochs=1, optimizer=name), network.parameters(), {})
    train(network, optimizer, 1)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as found:
        optimizer.step()
    events = found.key_averages(group_by_input_shape=True)
    assert {event.key for event in events} & {"aten::_fused_adam_", "aten::_fused_adamw_"}
    copied = [event.input_shapes[0] for event in events if event.key == "aten::copy_"]
    assert not [shape for shape in copied if len(shape) == 4]


def test_unknown_overrides_are_named():
    with pytest.raises(TypeError, match="'betas'"):
        make_optimizer(Recipe(epochs=1), small_network().parameters(), {"betas": 1})
