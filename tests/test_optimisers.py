"""Muon equals torch's on matrices; schedules and groups do what they say."""

import pytest
import torch
from torch import nn

from course_lib import optimisers, randomness
from course_lib.optimisers import SGD, AdamW, Muon


def problem(*shape):
    weight = nn.Parameter(torch.randn(*shape, generator=randomness.generator(0)))
    target = torch.randn(*shape, generator=randomness.generator(1))
    return weight, target


def descend(optimiser, weight, target, steps=5):
    for _ in range(steps):
        optimiser.zero_grad()
        (0.5 * (weight - target).square().sum()).backward()
        optimiser.step()
    return weight.detach().clone()


@pytest.mark.parametrize("shape", [(8, 32), (32, 8), (16, 16)])
def test_muon_steps_as_torch_does_on_matrices(shape):
    ours, target = problem(*shape)
    theirs, _ = problem(*shape)
    mine = descend(optimisers._Muon([{"params": [ours], "lr": 0.02, "weight_decay": 0.1}], lr=0.02, momentum=0.95),
                   ours, target)
    reference = descend(torch.optim.Muon([theirs], lr=0.02, momentum=0.95, weight_decay=0.1), theirs, target)
    assert torch.allclose(mine, reference, atol=2e-4)


def test_a_convolution_is_stepped_as_the_matrix_of_its_rows():
    matrix, target = problem(8, 36)
    conv = nn.Parameter(matrix.detach().clone().reshape(8, 4, 3, 3))
    flat = descend(optimisers._Muon([{"params": [matrix], "lr": 0.02, "weight_decay": 0}], lr=0.02, momentum=0.9),
                   matrix, target)
    spatial = descend(optimisers._Muon([{"params": [conv], "lr": 0.02, "weight_decay": 0}], lr=0.02, momentum=0.9),
                      conv, target.reshape(8, 4, 3, 3))
    assert torch.allclose(spatial.reshape(8, 36), flat, atol=1e-6)


def test_a_stack_of_layers_is_stepped_like_each_alone():
    weights = [nn.Parameter(problem(8, 32)[0].detach() * (1 + i)) for i in range(3)]
    alone = [nn.Parameter(w.detach().clone()) for w in weights]
    for group in (weights, *[[w] for w in alone]):
        for weight in group:
            weight.grad = weight.detach() ** 2
        optimisers._Muon([{"params": group, "lr": 0.02, "weight_decay": 0}], lr=0.02, momentum=0.9).step()
    for together, single in zip(weights, alone, strict=True):
        assert torch.allclose(together, single, atol=1e-3)   # bfloat16 products in another order


def test_orthogonalisation_keeps_the_singular_vectors():
    matrix = problem(16, 40)[0].detach()
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    s = torch.diagonal(u.T @ optimisers.orthogonalise(matrix[None])[0] @ v.T)
    assert ((s > 0.6) & (s < 1.3)).all()


def test_first_and_last_layers_norms_and_biases_take_adam():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3))
    muon, adam = Muon().build(net, {})
    assert [p is net[1].weight for g in muon.param_groups for p in g["params"]] == [True]
    assert sum(len(g["params"]) for g in adam.param_groups) == len(list(net.parameters())) - 1


def test_groups_scale_and_freeze():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    (adam,) = AdamW(lr=1.0).build(net, {"0": 0.1, "1": 0.0})
    rates = {id(p): g["lr"] for g in adam.param_groups for p in g["params"]}
    assert rates[id(net[0].weight)] == pytest.approx(0.1)
    assert id(net[1].weight) not in rates
    assert rates[id(net[2].bias)] == 1.0


def test_a_group_that_is_no_part_gets_a_suggestion():
    with pytest.raises(ValueError, match="did you mean"):
        optimisers.check_groups(nn.ModuleDict({"encoder": nn.Linear(1, 1)}), {"encodr": 0.1})


def test_schedules_start_and_end_where_they_should():
    assert optimisers.cosine(0.0) == 0.0 and optimisers.cosine(1.0) == pytest.approx(0.0)
    assert optimisers.steps_down(at=(0.5,), by=0.1)(0.49) == 1.0


@pytest.mark.parametrize("wrong", [-0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("make", [
    lambda rate: AdamW(lr=rate), lambda rate: AdamW(weight_decay=rate), lambda rate: SGD(lr=rate),
    lambda rate: SGD(momentum=rate), lambda rate: SGD(weight_decay=rate), lambda rate: Muon(lr=rate),
    lambda rate: Muon(momentum=rate), lambda rate: Muon(weight_decay=rate), lambda rate: Muon(adam=AdamW(lr=rate)),
    lambda rate: Muon(adam=AdamW(weight_decay=rate))])
def test_rates_below_zero_and_no_numbers_are_refused(make, wrong):
    with pytest.raises(ValueError, match=r"(lr|weight_decay|momentum).*: expected a number"):
        make(wrong).build(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)), {})


@pytest.mark.parametrize("make", [lambda: AdamW(lr="fast"), lambda: SGD(lr=None), lambda: Muon(lr=[0.1])])
def test_rates_that_are_no_numbers_at_all_are_refused(make):
    with pytest.raises(TypeError, match="lr: expected a number"):
        make().build(nn.Linear(2, 2), {})


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf")])
def test_factors_of_groups_are_zero_or_more(factor):
    with pytest.raises(ValueError, match="the factor of 'encoder' in groups: expected a number of 0 or more"):
        optimisers.check_groups(nn.ModuleDict({"encoder": nn.Linear(1, 1)}), {"encoder": factor})
    optimisers.check_groups(nn.ModuleDict({"encoder": nn.Linear(1, 1)}), {"encoder": 0})


def test_schedules_that_cannot_be_are_refused():
    for warm_up in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="warm_up"):
            optimisers.cosine(0.5, warm_up=warm_up)
    with pytest.raises(ValueError, match="by: expected"):
        optimisers.steps_down(at=(0.5,), by=-0.1)(0.6)


def test_one_matrix_is_no_stack():
    with pytest.raises(ValueError, match=r"matrix\[None\]"):
        optimisers.orthogonalise(torch.eye(3))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_orthogonalisation_keeps_the_type_and_the_gradients(kind):
    stack = torch.randn(2, 4, 9, generator=randomness.generator(0)).to(kind)
    before = stack.clone()
    s = torch.linalg.svdvals(optimisers.orthogonalise(stack).float())
    assert optimisers.orthogonalise(stack).dtype == kind and ((s > 0.6) & (s < 1.3)).all()
    assert torch.equal(stack, before)
