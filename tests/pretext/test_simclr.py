"""SimCLR: NT-Xent held to loops, to two libraries and to cases by hand; sources that draw; a training that learns."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import broken
from torch import nn
from torch.nn import functional as F

from course_lib import randomness
from course_lib.data import Labelled
from course_lib.data.shapes import shapes
from course_lib.networks import Encoder
from course_lib.pretext import simclr
from course_lib.pretext.simclr import ProjectionHead, SimCLR, alignment, nt_xent, pairs, uniformity
from course_lib.pretext.views import Views
from course_lib.profiles import Budget


def halves(n=5, d=4, seed=0, spread=1.0):
    """Two views of n pictures: the second is the first, moved."""
    draw = randomness.generator(seed, "test views")
    a = torch.randn(n, d, generator=draw, dtype=torch.float64)
    return a, a + spread * torch.randn(n, d, generator=draw, dtype=torch.float64)


def by_loops(a, b, temperature):
    """Equation 1 with plain Python numbers."""
    z = [*a.tolist(), *b.tolist()]
    n = len(a)

    def s(u, v):
        dot = sum(x * y for x, y in zip(u, v, strict=True))
        return dot / math.sqrt(sum(x * x for x in u)) / math.sqrt(sum(x * x for x in v)) / temperature

    total = 0.0
    for i in range(2 * n):
        partner = i + n if i < n else i - n
        below = sum(math.exp(s(z[i], z[k])) for k in range(2 * n) if k != i)
        total += -s(z[i], z[partner]) + math.log(below)
    return total / (2 * n)


# The loss and its broken variants ------------------------------------------------------------------------------------


def written_out(a, b, temperature, *, mask=True, target=None, rows=None, scale=1.0, normal=True, half_only=False):
    z = torch.cat([a, b])
    z = F.normalize(z, dim=1) if normal else z
    s = z @ z.T / temperature
    if mask:
        s = s.masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
    partner = torch.arange(len(z)).roll(len(a)) if target is None else target(len(a))
    if half_only:        # candidates of the other half only, as in InfoNCE from a to b
        return F.cross_entropy(s[: len(a), len(a):], torch.arange(len(a)))
    each = F.cross_entropy(s, partner, reduction="none")
    return scale * (each if rows is None else each[rows(len(a))]).mean()


BROKEN = {
    "the diagonal is not masked": dict(mask=False),
    "the target is the next picture": dict(target=lambda n: (torch.arange(2 * n) + n + 1) % (2 * n)),
    "the target is the neighbour in the batch": dict(target=lambda n: torch.arange(2 * n) ^ 1),
    "one half of the pairs only": dict(rows=lambda n: slice(n)),
    "the sum of the two halves": dict(scale=2.0),
    "not normalised": dict(normal=False),
    "candidates from the other half only": dict(half_only=True),
    "multiplied by the temperature": dict(),
}
LOSSES = [nt_xent, lambda a, b, *, temperature: written_out(a, b, temperature)]


def variant(name):
    if name == "multiplied by the temperature":
        return lambda a, b, *, temperature: written_out(a, b, 1 / temperature)
    return lambda a, b, *, temperature: written_out(a, b, temperature, **BROKEN[name])


EVERY = [pytest.param(nt_xent, id="ours"), pytest.param(LOSSES[1], id="written out"),
         *(broken(variant(name), id=name) for name in BROKEN)]


@pytest.mark.parametrize("loss", EVERY)
def test_the_loss_is_that_of_plain_loops(loss):
    for n, temperature in ((2, 0.5), (4, 0.2), (6, 1.0)):
        a, b = halves(n, seed=n)
        assert float(loss(a, b, temperature=temperature)) == pytest.approx(by_loops(a, b, temperature), abs=1e-12)


@pytest.mark.parametrize("loss", EVERY)
def test_the_loss_is_that_of_lightly_and_of_pytorch_metric_learning(loss):
    lightly = pytest.importorskip("lightly.loss")
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    for temperature in (0.1, 0.5):
        a, b = halves(8, 6, seed=3)
        ours = float(loss(a, b, temperature=temperature))
        assert ours == pytest.approx(float(lightly.NTXentLoss(temperature=temperature)(a, b)), abs=1e-6)
        labels = torch.arange(8).repeat(2)
        assert ours == pytest.approx(float(losses.NTXentLoss(temperature=temperature)(torch.cat([a, b]), labels)),
                                     abs=1e-6)
        both = losses.SelfSupervisedLoss(losses.NTXentLoss(temperature=temperature))
        assert ours == pytest.approx(float(both(a, b)), abs=1e-6)


def test_the_traps_of_the_libraries_give_other_numbers():
    """One direction of the pairs only; and another temperature by default."""
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    a, b = halves(8, 6, seed=3)
    ours = float(nt_xent(a, b, temperature=0.5))
    one_way = losses.SelfSupervisedLoss(losses.NTXentLoss(temperature=0.5), symmetric=False)
    assert abs(float(one_way(a, b)) - ours) > 0.1
    assert abs(float(losses.NTXentLoss()(torch.cat([a, b]), torch.arange(8).repeat(2))) - ours) > 0.1


@pytest.mark.parametrize(("temperature", "value"), [(1.0, 0.551444713932), (0.5, 0.239544766222)])
def test_two_pictures_on_two_axes_by_hand(temperature, value):
    """Each view finds its partner at cosine 1 and two strangers at cosine 0: log(1 + 2 exp(-1/tau))."""
    z = torch.eye(2, dtype=torch.float64)
    assert float(nt_xent(z, z, temperature=temperature)) == pytest.approx(value, abs=1e-11)
    assert value == pytest.approx(math.log(1 + 2 * math.exp(-1 / temperature)), abs=1e-11)


@pytest.mark.parametrize("n", [2, 4, 64])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_a_collapsed_network_guesses_among_the_candidates(n, temperature):
    z = torch.ones(n, 3, dtype=torch.float64)
    assert float(nt_xent(z, z, temperature=temperature)) == pytest.approx(math.log(2 * n - 1), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 7), st.integers(0, 99), st.sampled_from([0.1, 0.5, 1.0]))
def test_what_leaves_the_loss_as_it_is_and_what_does_not(n, seed, temperature):
    a, b = halves(n, seed=seed)
    loss = float(nt_xent(a, b, temperature=temperature))
    scale = torch.rand(n, 1, generator=randomness.generator(seed, "scale"), dtype=torch.float64) + 0.1
    order = torch.randperm(n, generator=randomness.generator(seed, "order"))
    turn = torch.linalg.qr(torch.randn(4, 4, generator=randomness.generator(seed), dtype=torch.float64))[0]
    same = {"lengths": (scale * a, b / scale), "exchanged views": (b, a), "another order": (a[order], b[order]),
            "turned": (a @ turn, b @ turn)}
    for what, (c, d) in same.items():
        assert float(nt_xent(c, d, temperature=temperature)) == pytest.approx(loss, abs=1e-10), what
    swap = torch.arange(n)
    swap[:2] = torch.tensor([1, 0])
    if n > 2:     # with views of the wrong pictures it is another loss
        assert abs(float(nt_xent(a, b[swap], temperature=temperature)) - loss) > 1e-9


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 7), st.integers(0, 99), st.sampled_from([0.1, 0.5, 1.0]))
def test_no_loss_is_below_the_bound(n, seed, temperature):
    """At best the partner is at cosine 1 and all others at -1."""
    a, b = halves(n, seed=seed)
    bound = math.log(1 + (2 * n - 2) * math.exp(-2 / temperature))
    assert float(nt_xent(a, b, temperature=temperature)) >= bound - 1e-12
    if n == 2:
        opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
        assert float(nt_xent(opposite, opposite, temperature=temperature)) == pytest.approx(bound, abs=1e-12)


def test_matched_views_cost_less_than_mismatched_ones():
    a, b = halves(16, 8, spread=0.3)
    assert float(nt_xent(a, b)) < float(nt_xent(a, b.roll(1, 0))) - 0.5


def test_the_gradient_pulls_partners_together_and_pushes_strangers_apart():
    """On the circle: the gradient descent step of the first view goes towards its partner and away from a stranger."""
    a = torch.tensor([[1.0, 0.0], [0.8, 0.6]], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([[0.9, -0.4], [0.0, 1.0]], dtype=torch.float64)
    nt_xent(a, b, temperature=0.5).backward()
    assert float(a.grad[0, 1]) > 0                                       # descending: down, towards (0.9, -0.4)
    assert abs(float((a.grad[0] * a.detach()[0]).sum())) < 1e-12         # never along the radius


@pytest.mark.parametrize("classes", [2, 4])
def test_gathering_each_kind_in_one_point_has_a_price(classes):
    """False negatives: N pictures of K kinds, each kind in one point, cannot get below log(2N/K - 1)."""
    n = 16
    labels = torch.arange(n) % classes
    z = F.one_hot(labels, classes).double()
    floor = math.log(2 * n / classes - 1)
    for temperature in (0.5, 0.05):
        assert float(nt_xent(z, z, temperature=temperature)) > floor - 1e-12
    assert float(nt_xent(z, z, temperature=0.05)) == pytest.approx(floor, abs=1e-6)
    apart = torch.eye(n, dtype=torch.float64)                                                 # each picture for itself
    assert float(nt_xent(apart, apart, temperature=0.05)) < 1e-6


def test_half_precision_is_computed_in_single_precision():
    a, b = halves(8, 16, seed=1)
    a, b = a.bfloat16(), b.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = nt_xent(a, b, temperature=0.1)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(by_loops(a.double(), b.double(), 0.1), abs=1e-5)


def test_a_temperature_of_zero_views_of_other_shapes_and_a_single_picture_are_refused():
    a, b = halves()
    with pytest.raises(ValueError, match="above zero"):
        nt_xent(a, b, temperature=0.0)
    with pytest.raises(ValueError, match=r"one shape \(N, D\), got \(5, 4\) and \(4, 4\)"):
        nt_xent(a, b[:4])
    for count in (0, 1):
        with pytest.raises(ValueError, match=f"two pictures or more, got {count}"):
            nt_xent(a[:count], b[:count])


def test_whole_numbers_are_vectors_too():
    a, b = torch.tensor([[3, 4], [1, 0]]), torch.tensor([[0, 2], [5, 0]])
    assert float(alignment(a, b)) == pytest.approx(((0.6**2 + 0.2**2) + 0) / 2)
    assert float(uniformity(a)) == pytest.approx(-2 * (0.4**2 + 0.8**2))
    assert float(nt_xent(a, b)) == pytest.approx(float(nt_xent(a.double(), b.double())), abs=1e-6)


# Alignment and uniformity --------------------------------------------------------------------------------------------


def uniformity_by_loops(z):
    z = F.normalize(z, dim=1).tolist()
    terms = [math.exp(-2 * sum((x - y) ** 2 for x, y in zip(z[i], z[j], strict=True)))
             for i in range(len(z)) for j in range(i)]
    return math.log(sum(terms) / len(terms))


@pytest.mark.parametrize("measure", [
    uniformity,
    broken(lambda z: uniformity(torch.cat([z, z])), id="pairs with itself"),
    broken(lambda z: torch.pdist(F.normalize(z, dim=1)).mul(-2).exp().mean().log(), id="not squared"),
    broken(lambda z: torch.pdist(F.normalize(z, dim=1)).square().mul(-2).mean(), id="mean of logs"),
    broken(lambda z: torch.pdist(z).square().mul(-2).exp().mean().log(), id="not normalised")])
def test_uniformity_is_that_of_plain_loops(measure):
    z, _ = halves(7)
    assert float(measure(z)) == pytest.approx(uniformity_by_loops(z), abs=1e-12)


@pytest.mark.parametrize("measure", [
    alignment,
    broken(lambda a, b: (a - b).square().sum(dim=1).mean(), id="not normalised"),
    broken(lambda a, b: (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().mean(), id="mean over axes")])
def test_alignment_is_two_minus_twice_the_cosine(measure):
    a, b = halves(6)
    cosine = [sum(x * y for x, y in zip(u, v, strict=True)) / math.hypot(*u) / math.hypot(*v)
              for u, v in zip(a.tolist(), b.tolist(), strict=True)]
    assert float(measure(a, b)) == pytest.approx(2 - 2 * sum(cosine) / len(cosine), abs=1e-12)


def test_the_ends_of_both_scales():
    a, _ = halves(4)
    assert float(alignment(a, 3 * a)) == pytest.approx(0, abs=1e-12)
    assert float(alignment(a, -a)) == pytest.approx(4)
    assert float(uniformity(torch.ones(4, 3))) == pytest.approx(0, abs=1e-6)
    many = torch.randn(400, 64, generator=randomness.generator(0))
    assert float(uniformity(many)) == pytest.approx(-4, abs=0.15)       # in 64 dimensions nearly all at right angles
    with pytest.raises(ValueError, match="two or more"):
        uniformity(torch.ones(1, 3))
    with pytest.raises(ValueError, match="one image or more"):
        alignment(torch.ones(0, 3), torch.ones(0, 3))


def test_at_a_small_temperature_with_far_strangers_the_loss_is_alignment_and_uniformity():
    """Wang and Isola: for many strangers L - log(2N) nears -s(i, i')/tau + log E exp(s/tau); tau = 1/4 gives the 2."""
    draw = randomness.generator(0, "many")
    a = F.normalize(torch.randn(600, 16, generator=draw, dtype=torch.float64), dim=1)
    b = F.normalize(a + 0.1 * torch.randn(600, 16, generator=draw, dtype=torch.float64), dim=1)
    near = 2 * float(alignment(a, b)) + float(uniformity(torch.cat([a, b]))) + math.log(1200)
    assert float(nt_xent(a, b, temperature=0.25)) == pytest.approx(near, abs=0.05)


# Networks ------------------------------------------------------------------------------------------------------------


def test_the_head_has_the_authors_layers_and_its_output_no_shift():
    head = ProjectionHead(8, dimensions=5)
    kinds = [type(layer).__name__ for layer in head.layers]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    z = head.train()(torch.randn(64, 8, generator=randomness.generator(0)))
    assert z.shape == (64, 5) and z.mean(dim=0).abs().max() < 1e-5


def test_without_a_head_the_features_are_trained_themselves():
    encoder = Encoder(channels=3).eval()
    x = torch.rand(2, 3, 16, 16, generator=randomness.generator(0))
    assert torch.equal(SimCLR(encoder, head=False).eval()(x), encoder(x))
    assert SimCLR(encoder, dimensions=7).eval()(x).shape == (2, 7)
    assert SimCLR(Encoder(channels=3, widths=(4, 6))).eval()(x).shape == (2, 64)


def test_the_seed_decides_the_weights_and_the_global_random_state_stays():
    before = torch.get_rng_state()
    a, b, c = (SimCLR(Encoder(seed=seed), seed=seed).head.layers[0].weight for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(before, torch.get_rng_state())


# Sources and training ------------------------------------------------------------------------------------------------


def numbered(count=12):
    """Pictures each of which is one gray value of its own."""
    return torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 3, 8, 8).contiguous()


def test_both_views_show_the_same_picture_and_no_picture_comes_twice():
    source = pairs(numbered(), lambda batch, generator: batch)
    a, b = source(9, randomness.generator(0))
    assert torch.equal(a, b) and len(a[:, 0, 0, 0].unique()) == 9


def test_the_two_views_are_drawn_independently():
    source = pairs(shapes(2).images, Views())
    a, b = source(8, randomness.generator(0))
    assert not any(torch.equal(one, other) for one, other in zip(a, b, strict=True))
    again = source(8, randomness.generator(0))
    assert torch.equal(a, again[0]) and torch.equal(b, again[1])


def test_beside_one_view_may_be_the_picture_itself():
    a, b = pairs(numbered(), lambda batch, generator: 1 - batch, both=False)(9, randomness.generator(0))
    which = (255 * b[:, 0, 0, 0]).round().byte()
    assert len(which.unique()) == 9 and torch.equal(b, numbered()[which.long()].float() / 255)
    assert torch.equal(a, 1 - b)


def test_the_pictures_are_copied_to_a_device_once():
    source = pairs(numbered(), lambda batch, generator: batch)
    source(4, randomness.generator(0))
    (device, kept), = source._resident.items()
    source(4, randomness.generator(1))
    assert device.type == "cpu" and list(source._resident) == [device] and source._resident[device] is kept
    assert torch.equal(kept, numbered())


def test_a_batch_larger_than_the_set_is_refused_and_so_are_floats_and_lists():
    with pytest.raises(ValueError, match="told from itself"):
        pairs(numbered(4), Views())(5, randomness.generator(0))
    with pytest.raises(ValueError, match="8-bit pictures"):
        pairs(numbered().float(), Views())
    with pytest.raises(TypeError, match="a tensor of pictures .* got list"):
        simclr.train([numbered()], budget=Budget(1, 4), seed=0)


class Spy(nn.Module):
    """A network with one weight that remembers what it is shown."""

    def __init__(self):
        super().__init__()
        self.scale, self.seen = nn.Parameter(torch.ones(())), []

    def forward(self, images):
        self.seen.append(images)
        return self.scale * images.flatten(1)[:, :6] + images.flatten(1)[:, -6:]


def test_training_sees_both_halves_in_one_batch_and_no_labels():
    few, spy = shapes(2), Spy()
    blank = Labelled(few.images, torch.full_like(few.labels, -1), ())
    simclr.train(blank, budget=Budget(2, 5), seed=0, network=spy)
    assert [len(images) for images in spy.seen] == [10, 10]


@pytest.mark.parametrize("both", [True, False])
def test_training_sees_two_views_or_one_and_the_picture(both):
    spy = Spy()
    simclr.train(1 + numbered(), budget=Budget(1, 5), seed=0, network=spy, both=both,
                 view=lambda batch, generator: torch.ones_like(batch))
    views, others = spy.seen[0].chunk(2)
    assert bool((views == 1).all()) and bool((others == 1).all() if both else (others < 1).all())


def test_a_short_training_learns_to_pick_the_partner_and_ends_at_the_same_bits():
    pictures = shapes(8, size=16)
    budget = Budget(80, 32)
    models = []
    for _ in range(2):
        model, history = simclr.train(pictures, budget=budget, seed=0, temperature=0.2,
                                      view=Views(area=(0.5, 1.0), strength=0, gray=0))
        models.append(model)
    assert history.terms["loss"][-1] < history.terms["loss"][0] - 1
    assert all(torch.equal(a, b) for a, b in zip(*(m.state_dict().values() for m in models), strict=True))


@pytest.mark.parametrize("how", [dict(temperature=0.1), dict(view=Views(strength=0, gray=0)), dict(seed=1),
                                 dict(both=False)], ids=lambda how: next(iter(how)))
def test_each_option_of_the_training_has_an_effect(how):
    def weights(**options):
        network = SimCLR(Encoder(channels=3, widths=(4, 6)), dimensions=5)
        chosen = dict(budget=Budget(3, 8), seed=0, network=network) | options
        return simclr.train(pictures, **chosen).model.head.layers[3].weight

    pictures = shapes(4, size=16)
    plain = weights()
    assert torch.equal(weights(), plain) and not torch.allclose(weights(**how), plain, atol=1e-6)


def test_an_encoder_is_trained_as_under_its_head_and_comes_back_without_it():
    how = dict(budget=Budget(3, 8), seed=0, temperature=0.2, view=Views(strength=0))
    encoder = simclr.train_encoder(shapes(4, size=16), network=Encoder(channels=3, seed=0), **how).model
    whole = simclr.train(shapes(4, size=16), network=SimCLR(Encoder(channels=3, seed=0), seed=0), **how).model
    assert type(encoder) is Encoder and not encoder.training
    assert all(torch.equal(a, b) for a, b in zip(encoder.state_dict().values(), whole.encoder.state_dict().values(),
                                                 strict=True))


def test_several_processes_are_refused(monkeypatch):
    """Each would see only its own candidates."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="one process"):
        simclr.train(shapes(2), budget=Budget(1, 4), seed=0)
