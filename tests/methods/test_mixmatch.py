"""What the methods around MixMatch share, and the parts of UNICON and ProMix: worked examples."""

from __future__ import annotations

import pytest
import torch

from methods._mixmatch import forever, sized
from methods.pes_semi import PESSemi
from methods.promix import ProMix, _Judged, fmix_mask, shuffled, smallest_of_classes
from methods.unicon import contrast, uniform
from tests.golden.harness import TinyData, make, recorded


def data_of(count: int) -> TinyData:
    x = torch.arange(count, dtype=torch.float64)[:, None].expand(count, 4)
    return TinyData(x, torch.arange(count) % 3, 3, size=4)


def test_batches_of_another_size_hold_the_same_samples_in_order_and_drop_the_rest() -> None:
    parts = list(sized(data_of(11).batches(views=2), 3))
    assert [part.index.tolist() for part in parts] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    for part in parts:
        assert part.x.shape == (2, 3, 4)
        assert torch.equal(part.x[1, :, 0].long(), part.index)
        assert torch.equal(part.y, part.index % 3)


def test_all_samples_together_are_one_batch_where_they_are_fewer_than_its_size() -> None:
    assert [part.index.tolist() for part in sized(data_of(6).batches(), 8)] == [[0, 1, 2, 3, 4, 5]]
    assert len(list(sized(data_of(6).batches(), 6))) == 1


def test_passes_over_some_samples_follow_each_other_without_end() -> None:
    batches = forever(data_of(9), torch.tensor([1, 3, 5]), size=2)
    assert [next(batches).index.tolist() for _ in range(3)] == [[1, 3], [1, 3], [1, 3]]


def test_unicon_takes_equally_many_of_every_class_and_all_of_a_class_with_fewer() -> None:
    divergence = torch.tensor([0.4, 0.1, 0.2, 0.3, 0.6, 0.0])
    y = torch.tensor([0, 0, 0, 1, 2, 2])
    assert uniform(divergence, y, 3, 6).tolist() == [False, True, True, True, True, True]
    assert uniform(divergence, y, 3, 2).tolist() == [False, True, False, True, False, True], "one each at least"


def test_unicon_contrasts_a_view_with_the_other_one_and_never_with_itself() -> None:
    first = torch.eye(3, dtype=torch.float64)
    together, apart = contrast(torch.stack([first, first])), contrast(torch.stack([first, first.roll(1, 0)]))
    assert together < 1e-6
    assert abs(apart - 20) < 1e-6, "cosine 0 against cosine 1, over the temperature 0.05"


def test_promix_takes_the_smallest_losses_of_every_class_as_if_all_had_as_many_samples() -> None:
    y = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2])
    loss = torch.tensor([3.0, 1.0, 2.0, 4.0, 9.0, 7.0, 8.0, 5.0])
    chosen = smallest_of_classes(loss, y, 3, 0.5)  # 8 / 3 * 0.5, rounded up: 2
    assert chosen.nonzero().squeeze(1).tolist() == [1, 2, 5, 6, 7]


def test_promix_pairs_members_with_members_and_others_with_themselves() -> None:
    torch.manual_seed(0)
    members = torch.arange(40) % 3 > 0
    partner = shuffled(members)
    inside = members.nonzero().squeeze(1)
    assert torch.equal(partner[~members], (~members).nonzero().squeeze(1))
    assert torch.equal(partner[inside].sort().values, inside)
    assert not torch.equal(partner[inside], inside)


def test_a_mask_of_fmix_covers_its_share_in_one_piece_along_the_last_axis() -> None:
    torch.manual_seed(1)
    for shape in ((8, 9), (6, 4), (20,)):
        mask = fmix_mask(shape, 0.3)
        size = mask.numel()
        assert mask.shape == shape
        assert set(mask.flatten().tolist()) <= {0.0, 1.0}
        assert mask.sum() in (size * 3 // 10, size * 3 // 10 + 1)
        rows = mask.reshape(-1, shape[-1])
        edges = (rows != rows.roll(1, 1)).sum(1)  # around the circle: a wave of the frequency 1 rises and falls once
        assert edges.max() == 2


@pytest.mark.parametrize(
    ("confident", "labelled", "beside"),
    [(30, 6, 2), (24, 5, 3), (20, 4, 4), (10, 4, 4), (3, 3, 4), (36, 8, 0)],
)
def test_a_step_of_pes_semi_holds_both_kinds_in_proportion_and_at_most_half_of_it_is_unlabelled(
    confident: int, labelled: int, beside: int
) -> None:
    """Of 40 samples, 8 a step: a kind of fewer samples gives all that it has, a lone unlabelled sample is left out."""
    data = TinyData(torch.zeros(40, 4, dtype=torch.float64), torch.arange(40) % 2, 2)
    method = make(PESSemi, K=2, N=40, epochs=8, epoch=7, steps_per_epoch=5)
    batches = list(method.confident(7, data, torch.arange(40) < confident))
    assert len(batches) == 5
    for batch in batches:
        assert len(batch.y) == labelled
        assert (0 if batch.unlabelled is None else batch.unlabelled.shape[1]) == beside
        assert (batch.index < confident).all()


def test_promix_gives_an_added_sample_the_class_that_is_likeliest_for_how_often_the_network_predicts_it() -> None:
    config = {"tau": 0.6, "debias": 0.5, "expand": 1.0}
    method = make(ProMix, config, K=2, N=4, epochs=10, epoch=9)
    often, seldom = 0.9, 0.1
    method.bias.copy_(torch.tensor([often, seldom]).expand(2, 2, 2))
    # Odds of class 0, of which half the logarithm of 9 is taken: above 3 they stay above 1.
    odds = torch.tensor([2.0, 2.9, 3.1, 8.0], dtype=torch.float64)
    logits = torch.stack([odds.log(), torch.zeros(4, dtype=torch.float64)], 1)
    y = torch.ones(4, dtype=torch.int64)  # no label is believed: its probability is at most a third
    batch = _Judged(torch.zeros(2, 4, 4, dtype=torch.float64), y, torch.arange(4), torch.zeros(2, 4, dtype=torch.bool))
    p = logits.softmax(1).expand(2, 4, 2)
    with recorded(method, "mixed") as calls:
        method.network_loss(0, logits.expand(2, 2, 4, 2), p, batch)
    _, _, _, label, kept, _ = calls[0].args
    assert kept.tolist() == [False, True, True, True], "three of four are the most that may be reliable"
    assert label[kept].tolist() == [1, 0, 0]
