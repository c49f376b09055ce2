"""Identification: hand cases of both rules and of gamma, enrolment that touches nothing, embeddings in eval mode."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib.data.readers import Labelled, labelled
from course_lib.embeddings import distances, embed, pixels
from course_lib.metric import identification
from course_lib.metric.batches import jitter
from course_lib.metric.identification import Classifier, Gallery
from course_lib.networks import Embedding
from course_lib.profiles import Budget


def points(*values: float) -> torch.Tensor:
    """Points of the real line as embeddings."""
    return torch.tensor(values, dtype=torch.float64)[:, None]


def gallery(**users: tuple[float, ...]) -> Gallery:
    made = Gallery()
    for name, values in users.items():
        made.enrol(name, points(*values))
    return made


def random_gallery(stream: torch.Generator, *, users: int = 6, d: int = 3) -> dict[str, torch.Tensor]:
    return {f"user {u}": torch.randn(1 + u % 4, d, dtype=torch.float64, generator=stream) for u in range(users)}


def enrolled(users: dict[str, torch.Tensor]) -> Gallery:
    made = Gallery()
    for name, templates in users.items():
        made.enrol(name, templates)
    return made


# The rules and gamma -------------------------------------------------------------------------------------------------


def test_the_mean_rule_is_no_distance_to_the_mean():
    """T = {0, 4}, x = 2: mean rule 2, minimum rule 2, but the distance to the centroid is 0."""
    templates = gallery(one=(0.0, 4.0))
    assert templates.scores(points(2.0)).item() == templates.scores(points(2.0), rule="minimum").item() == 2.0
    assert (points(2.0) - points(0.0, 4.0).mean()).abs().item() == 0.0             # the broken variant
    assert templates.scores(points(1.0)).item() == 2.0 and templates.scores(points(1.0), rule="minimum").item() == 1.0


def test_scores_are_those_of_plain_loops():
    stream = torch.Generator().manual_seed(0)
    users = random_gallery(stream)
    f = torch.randn(9, 3, dtype=torch.float64, generator=stream)
    for rule, pick in (("mean", lambda d: sum(d) / len(d)), ("minimum", min)):
        found = enrolled(users).scores(f, rule=rule)
        for row, query in zip(found.tolist(), f.tolist(), strict=True):
            by_hand = [pick([math.dist(query, t) for t in templates.tolist()]) for templates in users.values()]
            assert row == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize(("broken", "caught"), [
    (lambda f, t: (f - t.mean(0)).norm(), "centroid"),
    (lambda f, t: (f - t).norm(dim=1).sum(), "sum instead of mean"),
    (lambda f, t: (f - t).norm(dim=1).square().mean(), "squared"),
    (lambda f, t: (f - t).abs().sum(dim=1).mean(), "city blocks"),
    (lambda f, t: (f - t).norm(dim=1).amax(), "farthest"),
], ids=["centroid", "sum", "squared", "city blocks", "farthest"])  # fmt: skip
def test_broken_rules_name_somebody_else(broken, caught):
    """Each common mistake decides differently from the mean rule for some of a few hundred queries."""
    stream = torch.Generator().manual_seed(1)
    users = random_gallery(stream)
    f = torch.randn(300, 3, dtype=torch.float64, generator=stream)
    names = enrolled(users).identify(f)
    wrong = [min(users, key=lambda user, q=query: float(broken(q, users[user]))) for query in f]
    assert names != wrong, caught


def test_with_one_template_each_both_rules_agree():
    stream = torch.Generator().manual_seed(2)
    made = enrolled({f"user {u}": torch.randn(1, 4, dtype=torch.float64, generator=stream) for u in range(5)})
    f = torch.randn(20, 4, dtype=torch.float64, generator=stream)
    assert torch.equal(made.scores(f), made.scores(f, rule="minimum"))


def test_gamma_at_its_ends():
    """Zero accepts nobody, not even at distance zero, since the score must be strictly below; infinity everybody."""
    made, f = gallery(one=(0.0,), two=(5.0,)), points(0.0, 2.0, 100.0)
    assert made.identify(f, threshold=0.0) == [None, None, None]
    assert made.identify(f, threshold=math.inf) == made.identify(f) == ["one", "one", "two"]
    assert made.identify(f, threshold=2.0) == ["one", None, None]
    assert made.identify(f, threshold=math.nextafter(2.0, 3.0)) == ["one", "one", None]


@given(st.lists(st.floats(0, 10), min_size=2, max_size=5))
@settings(max_examples=30, deadline=None)
def test_a_larger_gamma_never_accepts_fewer(gammas):
    made, f = gallery(one=(0.0, 1.0), two=(5.0,)), points(*range(-5, 12))
    accepted = [{i for i, name in enumerate(made.identify(f, threshold=g)) if name} for g in sorted(gammas)]
    assert all(few <= many for few, many in pairwise(accepted))


def test_a_far_template_raises_the_mean_and_never_the_minimum():
    before, after = gallery(one=(0.0,), two=(5.0,)), gallery(one=(0.0, 50.0), two=(5.0,))
    f = points(-3.0, 0.0, 1.0, 8.0)
    assert bool((after.scores(f)[:, 0] > before.scores(f)[:, 0]).all())
    assert bool((after.scores(f, rule="minimum") <= before.scores(f, rule="minimum")).all())
    assert torch.equal(after.scores(f)[:, 1], before.scores(f)[:, 1])


def test_of_equal_scores_the_first_enrolled_wins():
    assert gallery(a=(1.0,), b=(-1.0,)).identify(points(0.0)) == ["a"]
    assert gallery(b=(-1.0,), a=(1.0,)).identify(points(0.0)) == ["b"]


def test_decisions_do_not_depend_on_the_order_of_users_or_templates():
    stream = torch.Generator().manual_seed(3)
    users = random_gallery(stream)
    f = torch.randn(40, 3, dtype=torch.float64, generator=stream)
    turned = {name: users[name].flip(0) for name in reversed(users)}
    for rule in ("mean", "minimum"):
        assert enrolled(users).identify(f, threshold=1.5, rule=rule) == \
            enrolled(turned).identify(f, threshold=1.5, rule=rule)


# Enrolment -----------------------------------------------------------------------------------------------------------


def test_enrolment_changes_no_weight_and_only_decisions_for_the_strictly_nearer():
    stream = torch.Generator().manual_seed(4)
    images = torch.rand(60, 1, 32, 32, generator=stream)
    network = Classifier(5, embedding=Embedding(widths=(4, 8), dimensions=6))
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    templates, f = embed(network.latent, images[:10]), embed(network.latent, images[10:])
    made = enrolled({f"user {u}": templates[2 * u : 2 * u + 2] for u in range(4)})
    before, scores = made.identify(f), made.scores(f)
    made.enrol("new", templates[8:])
    after, new = made.identify(f), made.scores(f)[:, -1]
    nearer = new < scores.amin(dim=1)
    assert len(made) == 5 and made.names[-1] == "new" and 0 < int(nearer.sum()) < 50
    assert after == ["new" if near else name for near, name in zip(nearer, before, strict=True)]
    assert torch.equal(made.scores(f)[:, :4], scores)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


def test_removing_is_the_inverse_of_enrolling():
    made, f = gallery(one=(0.0, 1.0), two=(5.0,)), points(*range(9))
    before = made.scores(f)
    made.enrol("three", points(3.0))
    made.remove("three")
    assert made.names == ("one", "two") and len(made) == 2 and torch.equal(made.scores(f), before)


@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_who_is_removed_is_the_one_who_was_named(name):
    """The others keep their scores, and every decision that was not for the removed one stays."""
    users = {"one": (0.0, 1.0), "two": (5.0,), "three": (9.0, 10.0)}
    made, f = gallery(**users), points(*range(-2, 13))
    before, scores = made.identify(f), made.scores(f)
    made.remove(name)
    left = [user for user in users if user != name]
    assert list(made.names) == left and len(made) == 2
    assert torch.equal(made.scores(f), scores[:, [list(users).index(user) for user in left]])
    after = made.identify(f)
    assert all(now == was for now, was in zip(after, before, strict=True) if was != name)
    assert name in before and name not in after


def test_more_pictures_of_somebody_are_added_and_stored_ones_are_copies():
    made, more = gallery(one=(0.0,)), points(4.0)
    made.enrol("one", more)
    more += 100
    assert len(made) == 1 and made.scores(points(2.0)).item() == 2.0
    assert made.scores(points(1.0), rule="minimum").item() == 1.0


def test_more_users_bring_more_false_alarms_at_the_same_gamma():
    """The lowest of more scores is lower: with each user enrolled, no stranger who was named becomes unnamed."""
    stream, made, named = torch.Generator().manual_seed(5), Gallery(), []
    strangers = torch.randn(200, 4, dtype=torch.float64, generator=stream)
    for user in range(30):
        made.enrol(f"user {user}", torch.randn(2, 4, dtype=torch.float64, generator=stream))
        named.append(200 - made.identify(strangers, threshold=1.8).count(None))
    assert named == sorted(named) and named[-1] > 2 * named[0]


def test_templates_and_queries_may_differ_in_precision():
    made = Gallery()
    made.enrol("one", torch.tensor([[0, 0]]))
    made.enrol("one", torch.tensor([[6.0, 8.0]], dtype=torch.float64))
    made.enrol("two", torch.tensor([[3.0, 4.0]]).bfloat16())
    assert made.scores(torch.tensor([[3, 4]])).tolist() == [[5, 0]]
    assert made.identify(torch.tensor([[3.0, 4.0]]), threshold=1) == ["two"]


def test_gallery_mistakes_are_told():
    made = gallery(one=(0.0,))
    with pytest.raises(ValueError, match="nobody is enrolled"):
        Gallery().identify(points(0.0))
    with pytest.raises(ValueError, match=r"f\[None\]"):
        made.enrol("two", torch.zeros(1))
    with pytest.raises(ValueError, match="two different embeddings"):
        made.enrol("two", torch.zeros(1, 2))
    with pytest.raises(ValueError, match="templates: .* no numbers .* diverged"):
        made.enrol("two", torch.full((1, 1), torch.nan))
    with pytest.raises(ValueError, match="f: .* no numbers"):
        made.identify(torch.full((1, 1), torch.inf))
    with pytest.raises(ValueError, match="threshold: expected a distance"):
        made.identify(points(0.0), threshold=math.nan)
    with pytest.raises(TypeError, match="tensor of embeddings .* got str and list"):
        made.enrol("two", [[0.0]])
    with pytest.raises(TypeError, match="a name .* got int and Tensor"):
        made.enrol(2, points(0.0))
    with pytest.raises(ValueError, match="did you mean 'one'"):
        made.remove("on")
    with pytest.raises(ValueError, match="did you mean 'minimum'"):
        made.scores(points(0.0), rule="minimal")
    with pytest.raises(ValueError, match=r"\(N, d\) and \(M, d\)"):
        distances(torch.zeros(2, 3), torch.zeros(2, 4))
    assert made.names == ("one",)


# The classifier ------------------------------------------------------------------------------------------------------


def test_the_latent_space_is_what_the_last_layer_sees():
    network = Classifier(4, embedding=Embedding(widths=(4,), dimensions=6)).eval()
    x = torch.rand(3, 1, 8, 8)
    latent = network.latent(x)
    assert bool((latent >= 0).all()) and torch.equal(network(x), network.last(latent))
    assert torch.equal(latent, network.embedding(x).clamp(min=0))


def test_training_learns_the_people_it_is_shown(toy_people):
    trained = identification.train(toy_people, budget=Budget(60, 12), seed=0, each=3, view=jitter(shift=1),
                                   network=Classifier(4, embedding=Embedding(widths=(8, 8), dimensions=16)))
    right = embed(trained.model, toy_people.images).argmax(dim=1) == toy_people.labels
    assert float(right.float().mean()) > 0.9 and trained.history.terms["loss"][-1] < trained.history.terms["loss"][0]
    again = identification.train(toy_people, budget=Budget(60, 12), seed=0, each=3, view=jitter(shift=1),
                                 network=Classifier(4, embedding=Embedding(widths=(8, 8), dimensions=16)))
    assert all(torch.equal(a, b) for a, b in zip(trained.model.parameters(), again.model.parameters(), strict=True))


@pytest.mark.parametrize("how", [dict(view=jitter(shift=2)), dict(each=4), dict(seed=1)],
                         ids=lambda how: next(iter(how)))
def test_each_option_of_the_training_has_an_effect(toy_people, how):
    def weights(**options):
        start = Classifier(4, embedding=Embedding(widths=(4,), dimensions=4))
        chosen = dict(budget=Budget(3, 12), seed=0, each=3, network=start) | options
        return identification.train(toy_people, **chosen).model.last.weight

    plain = weights()
    assert torch.equal(weights(), plain) and not torch.allclose(weights(**how), plain, atol=1e-6)


def test_the_default_network_has_one_output_for_each_name(toy_people):
    model = identification.train(toy_people, budget=Budget(1, 4), seed=0, each=2).model
    assert isinstance(model, Classifier) and model.last.out_features == 4 and not model.training


def test_a_classifier_with_fewer_outputs_than_people_is_refused(toy_people):
    with pytest.raises(ValueError, match="3 outputs cannot name 4 people"):
        identification.train(toy_people, budget=Budget(1, 4), seed=0, each=2, network=Classifier(3))


@pytest.fixture(scope="module")
def toy_people() -> Labelled:
    """Four kinds of stripes, six noisy pictures of each."""
    stream = torch.Generator().manual_seed(0)
    axis = torch.arange(16.0)
    kinds = [torch.sin(axis[None] * w + axis[:, None] * h) for w, h in ((1.5, 0.0), (0.0, 1.5), (1.0, 1.0), (0.5, 0.0))]
    images = torch.stack([kind + 0.3 * torch.randn(16, 16, generator=stream) for kind in kinds for _ in range(6)])
    return Labelled(((images / 4 + 0.5).clamp(0, 1) * 255).byte()[:, None], torch.arange(24) // 6, tuple("abcd"))


# Real faces ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_template_matching_of_pixels_on_orl_gives_the_known_rates(course_data):
    """40 people, templates 1 or 1 to 5 of each, 46 x 56 pixels: 71.7 % and 90.5 % of the rest are named rightly."""
    faces = labelled("orl_faces")
    small = nn.functional.interpolate(faces.images.float() / 255, size=(56, 46), mode="bilinear")
    f = pixels(small).reshape(40, 10, -1)
    apart = distances(f.flatten(0, 1), f.flatten(0, 1)).fill_diagonal_(math.inf)
    nearest = apart.argmin(dim=1) // 10
    assert float((nearest == torch.arange(400) // 10).float().mean()) == pytest.approx(0.98, abs=0.006)
    for count, rate in ((1, 0.717), (5, 0.905)):
        made = enrolled({name: templates[:count] for name, templates in zip(faces.names, f, strict=True)})
        named = made.identify(f[:, 5:].flatten(0, 1) if count == 5 else f[:, 1:].flatten(0, 1), rule="minimum")
        right = [name == faces.names[i // (len(named) // 40)] for i, name in enumerate(named)]
        assert sum(right) / len(right) == pytest.approx(rate, abs=0.006)
