"""One recipe undoes whatever its forward model does, and knows nothing else."""

from dataclasses import dataclass

import pytest
import torch

from course_lib.denoise import straightforward
from course_lib.noise import Gaussian
from course_lib.profiles import Budget
from course_lib.randomness import generator

BUDGET = Budget(60, 8, 16)
PICTURES = [torch.randint(0, 256, (1, 6, 6), generator=generator(i, "test"), dtype=torch.uint8).repeat_interleave(
    8, dim=1).repeat_interleave(8, dim=2) for i in range(2)]           # squares of 8 x 8 pixels


@dataclass(frozen=True)
class Negative:
    """A forward model that has nothing to do with noise."""

    def __call__(self, y, *, generator):
        return 1 - y

    def variance(self, y):
        return torch.zeros_like(y)


def error(model, forward, seed=1):
    y = torch.stack(PICTURES).float() / 255
    with torch.inference_mode():
        return float((model(forward(y, generator=generator(seed))) - y).square().mean())


def test_the_loss_is_the_mean_squared_error_by_hand():
    z, y = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 3.0]]]])
    assert straightforward.step(lambda z: z, (z, y), None) == pytest.approx((1 + 9) / 2)


@pytest.mark.parametrize("forward", [Gaussian(0.2), Negative()], ids=["noise", "negative"])
def test_it_undoes_what_it_was_trained_on_and_not_something_else(forward):
    model = straightforward.train(PICTURES, forward=forward, budget=BUDGET, seed=0).model
    start = straightforward.network()
    assert error(model, forward) < 0.3 * error(start, forward)
    other = Negative() if isinstance(forward, Gaussian) else Gaussian(0.2)
    assert error(model, other) > 2 * error(model, forward)


def test_the_same_seed_gives_the_same_network_and_colour_is_read_off_the_pictures():
    colour = [picture.repeat(3, 1, 1) for picture in PICTURES]
    first, again = (straightforward.train(colour, forward=Gaussian(0.1), budget=Budget(2, 2, 16), seed=3).model
                    for _ in range(2))
    assert first.channels == 3
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))


def test_it_paints_and_has_no_batch_normalisation():
    network = straightforward.network(width=8)
    assert not network.residual
    assert not [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
