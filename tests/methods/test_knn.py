"""`knn` votes as scikit-learn's classifier does where the two are the same, and trains nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from methods.knn import FLOOR, smallest_explaining
from tests.golden.harness import TinyData, batch_of
from tests.methods.loss_lab import build

CLASSES = 3


@pytest.fixture
def data() -> TinyData:
    generator = torch.Generator().manual_seed(2)
    y = torch.arange(120) % CLASSES
    x = torch.randn(120, 5, generator=generator, dtype=torch.float64)
    x[torch.arange(120), y] += 2.0
    wrong = torch.rand(120, generator=generator) < 0.3
    return TinyData(x, torch.where(wrong, (y + 1) % CLASSES, y), CLASSES)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(40, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 0.5


def shares(logits: torch.Tensor) -> np.ndarray:
    return (logits.exp() - FLOOR).clamp(min=0).numpy()


def test_equally_reliable_labels_vote_as_in_scikit_learn(data: TinyData, images: torch.Tensor) -> None:
    method = build("knn", {"k_min": 7, "k_max": 7}, K=CLASSES, N=120)
    list(method.plan(0, data))
    oracle = KNeighborsClassifier(7).fit(data.x.numpy(), data.y.numpy())
    np.testing.assert_allclose(shares(method.predict(images)), oracle.predict_proba(images.numpy()), atol=1e-12)


def test_similar_labels_vote_as_in_scikit_learn_without_those_that_are_outvoted(
    data: TinyData, images: torch.Tensor
) -> None:
    method = build("knn", {"vote": "similarity", "k": 9}, K=CLASSES, N=120)
    list(method.plan(0, data))
    (report,) = method.kit.reports
    kept = report["kept"]
    assert 0 < (~kept).sum() < 60
    assert (report["label"][~kept] != data.y[~kept]).all()
    oracle = KNeighborsClassifier(9, metric="cosine", weights=lambda distance: np.maximum(1 - distance, 0))
    oracle.fit(data.x[kept].numpy(), data.y[kept].numpy())
    np.testing.assert_allclose(shares(method.predict(images)), oracle.predict_proba(images.numpy()), atol=1e-12)


def test_a_labels_size_is_the_smallest_neighbourhood_that_explains_it() -> None:
    neighbours = torch.tensor([[0, 1, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 2, 2], [2, 2, 1, 1, 1]])
    y = torch.tensor([0, 0, 2, 1])
    # 0 of the first sample is first outvoted, 1:2 of three, then has 3:2 of five; 2 of the third never has most.
    assert smallest_explaining(neighbours, y, 3, 7, 3).tolist() == [5, 3, 7, 5]
    assert smallest_explaining(neighbours, y, 1, 3, 3).tolist() == [1, 1, 3, 3], "k_max itself is not tried"


def test_reliable_labels_outweigh_more_unreliable_ones() -> None:
    # On a line: five labels 0 far to the left, and near the image two labels 1 that their own neighbours deny.
    x = torch.tensor([-1.0, -1.1, -1.2, -1.3, -1.4, 0.0, -0.9, 5.0, 5.1, 5.2, 5.3])[:, None].double()
    y = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    method = build("knn", {"k_min": 3, "k_max": 9}, K=2, N=11)
    list(method.plan(0, TinyData(x, y, 2)))
    (report,) = method.kit.reports
    assert report["score"].mul(1).reciprocal().round().tolist() == [3, 3, 3, 3, 3, 9, 9, 3, 3, 3, 3]
    votes = shares(method.predict(torch.tensor([[-0.5]]).double()))[0]
    # The nearest label (at -0.9) has k = 9: it and the eight next vote, two of them with 1/9.
    expected = np.array([5 / 3, 2 / 9 + 2 / 3])
    np.testing.assert_allclose(votes, expected / expected.sum(), atol=1e-12)


@pytest.mark.parametrize("vote", ["reliability", "similarity"])
def test_no_sample_votes_on_itself_alone_and_few_samples_are_enough(vote: str) -> None:
    x, y = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).double(), torch.tensor([0, 1, 1])
    method = build("knn", {"vote": vote}, K=2, N=3)
    (batch,) = method.plan(0, TinyData(x, y, 2))
    result = method.step(batch)
    assert result["loss"].isfinite()
    assert method.predict(x).isfinite().all()
    assert build("knn", {"vote": vote}, K=2, N=3).predict(x).unique().numel() == 1, "before the first epoch: no vote"


def test_the_accuracy_of_a_step_is_that_of_the_votes_of_the_others(data: TinyData) -> None:
    method = build("knn", {"k_min": 7, "k_max": 7}, K=CLASSES, N=120)
    list(method.plan(0, data))
    others = []
    for i in range(120):
        rest = np.arange(120) != i
        oracle = KNeighborsClassifier(7).fit(data.x[rest].numpy(), data.y[rest].numpy())
        others.append(oracle.predict(data.x[i : i + 1].numpy())[0])
    expected = (np.array(others) == data.y.numpy()).mean()
    assert method.step(batch_of(data.y))["accuracy"].item() == pytest.approx(expected)
    assert method.kit.optimizers == {}


def nearest_others(closeness: np.ndarray, count: int) -> np.ndarray:
    """[N, count] positions by falling `closeness` [N, N], without the sample itself."""
    closeness = closeness.copy()
    np.fill_diagonal(closeness, -np.inf)
    return np.argsort(-closeness, axis=1)[:, :count]


def test_what_reliable_neighbours_say_of_a_training_sample_is_reported(data: TinyData) -> None:
    method = build("knn", {"k_min": 3, "k_max": 9}, K=CLASSES, N=120)
    list(method.plan(0, data))
    (report,) = method.kit.reports
    x, y = data.x.numpy(), data.y.numpy()
    others = nearest_others(-np.linalg.norm(x[:, None] - x[None], axis=2), 9)

    def explained(i: int, k: int) -> bool:
        return bool(np.bincount(y[others[i, :k]], minlength=CLASSES).argmax() == y[i])

    size = np.array([next((k for k in range(3, 9, 2) if explained(i, k)), 9) for i in range(120)])
    np.testing.assert_allclose(report["score"].numpy(), 1 / size)
    assert set(size) >= {3, 9}
    for i in range(120):
        voters = others[i, : size[others[i, 0]]]
        votes = np.bincount(y[voters], weights=1 / size[voters], minlength=CLASSES)
        np.testing.assert_allclose(method.known[i].numpy(), votes / votes.sum())
        if np.sort(votes)[-1] > np.sort(votes)[-2] + 1e-9:
            assert report["label"][i] == votes.argmax()


def test_a_training_sample_counts_itself_by_its_two_nearest_others(data: TinyData) -> None:
    method = build("knn", {"vote": "similarity", "k": 6}, K=CLASSES, N=120)
    list(method.plan(0, data))
    (report,) = method.kit.reports
    x, y = data.x.numpy(), data.y.numpy()
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    similarity = x @ x.T
    others = nearest_others(similarity, 5)
    for i in range(120):
        near = similarity[i, others[i]]
        votes = np.bincount(y[others[i]], weights=near, minlength=CLASSES)
        votes[y[i]] += 2 * near[0] - near[1]
        votes = votes.clip(min=0)
        np.testing.assert_allclose(report["score"][i].item(), votes[y[i]] / votes.sum())
        assert report["label"][i] == votes.argmax()
        assert bool(report["kept"][i]) == (votes.argmax() == y[i])
