"""What lecture identification says of identification, and the experiments behind it.

People are drawn, and those that a figure is about were never trained on, but for the classifier of the newcomer's
experiment, whose people they are. At lecture profile a classifier trains for a quarter of a minute. Rates are shares
in [0, 1] of pictures: `one`, `three`, `six` say how many templates of each person are stored, the passport photograph
being the first; the other pictures are the queries.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from course_lib import randomness
from course_lib.claims import Claim, Experiment, Metric, bound, exceeds, together
from course_lib.data.identities import people, split
from course_lib.data.readers import Labelled, labelled
from course_lib.data.sources import Augmentation
from course_lib.embeddings import embed, pixels
from course_lib.metric import identification
from course_lib.metric.batches import jitter, settle_on_people
from course_lib.metric.identification import Classifier, Gallery, Rule
from course_lib.metric.verification import choose_threshold, equal_error_rate, pair_distances
from course_lib.networks import Embedding
from course_lib.profiles import Budget, Profile, choose

SOURCE = "Boracchi 2025, lecture on metric learning"
TEMPLATES = {"one": 1, "three": 3, "six": 6}
TRAINED_ON = (10, 40, 160)          # people
ENROLLED = (5, 10, 20)              # people in galleries that grow
VIEW = jitter(shift=3, brightness=0.2)


def budget(lecture_steps: int) -> Budget:
    """Choose the training's length: the steps that are given, of ten people with four pictures each, at lecture
    profile; a handful at smoke."""
    return choose(smoke=Budget(6, 16), lecture=Budget(lecture_steps, 40), full=Budget(5 * lecture_steps, 40))


def classifier(images: Labelled, *, steps: int, seed: int, view: Augmentation = VIEW) -> Classifier:
    """Train a classifier of some people."""
    return cast(Classifier, identification.train(images, budget=budget(steps), seed=seed, view=view).model)


def untrained(images: Labelled, *, seed: int) -> Embedding:
    """Build the classifier's embedding before its training, whose normalisations have seen these people's pictures."""
    return settle_on_people(Embedding(seed=seed), images, view=VIEW, batch=budget(1).batch, seed=seed)


def gallery(f: Tensor, faces: Labelled, *, templates: int, users: int | None = None) -> tuple[Gallery, Tensor]:
    """Enrol everybody's first pictures, and say which pictures are left as queries. f (N, d) embeds the faces."""
    made, left = Gallery(), torch.ones(len(f), dtype=torch.bool)
    for user, name in enumerate(faces.names[:users]):
        chosen = (faces.labels == user).nonzero().flatten()[:templates]
        made.enrol(name, f[chosen])
        left[chosen] = False
    return made, left


def named_rightly(f: Tensor, faces: Labelled, *, templates: int, rule: Rule = "mean") -> float:
    """Compute the share of the other pictures that get their own name, with everybody's first pictures enrolled."""
    made, left = gallery(f, faces, templates=templates)
    found = made.scores(f[left], rule=rule).argmin(dim=1)
    return float((found == faces.labels[left]).double().mean())


def sets(seed: int) -> tuple[Labelled, ...]:
    """Draw 160 people to train on, 40 to choose the threshold with, 40 to test on; at smoke a few of each."""
    count = choose(smoke=(12, 4, 8), lecture=(160, 40, 40), full=(160, 40, 40))
    return split(people(sum(count), seed=seed), *count)


# Experiments ---------------------------------------------------------------------------------------------------------


def measure_spaces(profile: Profile, seed: int) -> dict[str, float]:
    """Compare pixels, an untrained network, and classifiers of few and many people, on people that none of them saw."""
    train, validation, test = sets(seed)
    spaces = {"pixels": pixels(test.images), "random": embed(untrained(train, seed=seed), test.images)}
    model = Classifier(1)
    for count in choose(smoke=(4, 6, 12), lecture=TRAINED_ON, full=TRAINED_ON):
        model = classifier(split(train, count)[0], steps=800, seed=seed)
        spaces[f"latent_{count}"] = embed(model.latent, test.images)
    metrics: dict[str, float] = {}
    for space, f in spaces.items():
        metrics |= {f"{space}_{many}": named_rightly(f, test, templates=count) for many, count in TEMPLATES.items()}
        metrics[f"{space}_eer"] = equal_error_rate(*pair_distances(f, test.labels))
    best = spaces[f"latent_{len(train.names)}"]
    metrics |= {f"minimum_{many}": named_rightly(best, test, templates=count, rule="minimum")
                for many, count in TEMPLATES.items()}
    return metrics | growing(embed(model.latent, test.images), test, embed(model.latent, validation.images))


def growing(f: Tensor, faces: Labelled, strangers: Tensor) -> dict[str, float]:
    """Measure what one threshold does while the gallery grows: it is chosen with half of the unknown people (M, d), for
    the middle size."""
    chosen_on, others = strangers.chunk(2)
    made = {users: gallery(f, faces, templates=3, users=min(users, len(faces.names)))[0] for users in ENROLLED}
    threshold = choose_threshold(made[ENROLLED[1]].scores(chosen_on).amin(dim=1), rate=0.1)
    return {f"strangers_named_{users}": 1 - known.identify(others, threshold=threshold).count(None) / len(others)
            for users, known in made.items()}


def measure_newcomer(profile: Profile, seed: int) -> dict[str, float]:
    """Add one person: train a classifier anew, and add a template. Queries are pictures of the others.

    "by_lot": a classifier trained anew with nobody more, from other first weights and on other batches.
    """
    train, _, test = sets(seed)
    count = choose(smoke=5, lecture=20, full=20)
    learnt = test.labels.new_tensor([i % 12 < 8 for i in range(len(test.labels))]).bool()    # 8 of 12 pictures
    staff = [Labelled(test.images[(test.labels < n) & learnt], test.labels[(test.labels < n) & learnt],
                      test.names[:n]) for n in (count, count + 1)]
    queries = test.images[(test.labels < count) & ~learnt]
    answers = test.labels[(test.labels < count) & ~learnt]
    before, after = (classifier(known, steps=400, seed=seed) for known in staff)
    again = classifier(staff[0], steps=400, seed=seed + 1000)                  # the same people, drawn otherwise
    old, new, lot = (embed(model, queries).argmax(dim=1) for model in (before, after, again))
    strangers = embed(before, test.images[test.labels > count]).softmax(dim=1).amax(dim=1)
    metrics = {"classifier_right": float((old == answers).double().mean()),
               "classifier_changed": float((old != new).double().mean()),
               "classifier_changed_by_lot": float((old != lot).double().mean()),
               "strangers_sure": float((strangers > 0.5).double().mean()),
               "strangers_very_sure": float((strangers > 0.9).double().mean())}

    general = classifier(train, steps=800, seed=seed)
    known, f = embed(general.latent, staff[1].images), embed(general.latent, queries)
    made, _ = gallery(known, staff[1], templates=8, users=count)
    first, score = made.identify(f), made.scores(f).amin(dim=1)
    made.enrol(test.names[count], known[staff[1].labels == count])
    second, nearer = made.identify(f), made.scores(f)[:, -1] < score
    changed = torch.tensor([a != b for a, b in zip(first, second, strict=True)])
    return metrics | {"gallery_right": sum(name == test.names[i] for name, i in zip(first, answers, strict=True))
                      / len(answers), "gallery_changed": float(changed.double().mean()),
                      "gallery_changed_without_cause": float((changed & ~nearer).double().mean())}


def measure_orl(profile: Profile, seed: int) -> dict[str, float]:
    """Identify 15 people that a classifier of 25 others never saw, on their photographs as they are, and moved, lit and
    mirrored."""
    faces = labelled("orl_faces")
    small = nn.functional.interpolate(faces.images.float() / 255, size=(56, 46), mode="bilinear")
    faces = Labelled((small * 255).round().byte(), faces.labels, faces.names)
    train, test = split(faces, 25, 15)
    view = jitter(shift=3, brightness=0.3, mirror=True, noise=0.02)
    model = classifier(train, steps=400, seed=seed, view=view)
    clean = test.images.float() / 255
    moved = jitter(shift=4, brightness=0.3, mirror=True)(clean, randomness.generator(seed, "queries"))
    first = torch.arange(len(clean)) % 10 < 3                                    # templates stay as they were
    images = {"clean": clean, "moved": torch.where(first[:, None, None, None], clean, moved)}
    metrics = {}
    for name, some in images.items():
        for space, f in {"pixels": pixels(some), "latent": embed(model.latent, some)}.items():
            metrics[f"{space}_{name}"] = named_rightly(f, test, templates=3)
    everybody = pixels(faces.images)
    return metrics | {f"pixels_all_{count}": named_rightly(everybody, faces, templates=count, rule="minimum")
                      for count in (1, 5)}


SPACES = Experiment("identification-spaces", measure_spaces)
NEWCOMER = Experiment("identification-newcomer", measure_newcomer)
ORL = Experiment("identification-orl", measure_orl, (labelled,), ("orl_faces",))


# Claims --------------------------------------------------------------------------------------------------------------


CLAIMS = (
    Claim("identification-retraining",
          "Training a classifier anew, as one person more makes necessary, changes decisions about other people, as "
          "any training anew does; one template more changes fewer, and none without the newcomer being strictly "
          "nearer.",
          f"{SOURCE}: the whole network has to be retrained for each new person", {}, NEWCOMER,
          together(bound("classifier_changed", above=0.03), exceeds("classifier_changed", "gallery_changed"),
                   bound("gallery_changed_without_cause", at_most=0))),
    Claim("identification-strangers",
          "A classifier gives most strangers a name with a share above one half.",
          "none; a softmax sums to one over the people that it knows", {}, NEWCOMER,
          bound("strangers_sure", above=0.5)),
    Claim("identification-latent",
          "In the latent space of a classifier of 160 people, far more pictures of forty others are named rightly from "
          "one passport photograph than by pixels, and pairs are told apart with a far smaller equal error rate.",
          f"{SOURCE}: distances between latent representations are much more meaningful", {}, SPACES,
          together(exceeds("latent_160_one", "pixels_one", by=0.3),
                   exceeds("latent_160_three", "pixels_three", by=0.3),
                   exceeds("pixels_eer", "latent_160_eer", by=0.15))),
    Claim("identification-learnt",
          "It is what was learnt that helps, not the architecture: from one template the same network with random "
          "weights names fewer pictures rightly than the pixels do.", "none; the control of the claim before", {},
          SPACES,
          together(exceeds("pixels_one", "random_one"), exceeds("latent_160_one", "random_one", by=0.3))),
    Claim("identification-more-people",
          "At equal budgets, the latent space of a classifier of 40 or 160 people is worth far more for others than "
          "that of a classifier of ten.",
          f"{SOURCE}: latent representations trained for classification, over a few persons?", {}, SPACES,
          together(exceeds("latent_40_one", "latent_10_one", by=0.1),
                   exceeds("latent_160_one", "latent_10_one", by=0.15)), seeds=5),
    Claim("identification-minimum",
          "With six templates of each person, the minimum rule names more of the other pictures rightly than the mean "
          "rule.", "none; the source has the mean rule, the minimum is the common variant", {}, SPACES,
          exceeds("minimum_six", "latent_160_six"), seeds=5),
    Claim("identification-pixel-templates",
          "By pixels and the mean rule, three templates of each person name fewer pictures rightly than the passport "
          "photograph alone.", "none; passport photographs share their light and background, the others do not", {},
          SPACES, exceeds("pixels_one", "pixels_three", by=0.03), seeds=5),
    Claim("identification-gallery",
          "At one and the same threshold, the more people are enrolled, the more strangers get a name.",
          "follows from the minimum over users", {}, SPACES,
          together(bound(Metric("strangers_named_10") - "strangers_named_5",
                         Metric("strangers_named_20") - "strangers_named_10", at_least=0),
                   exceeds("strangers_named_20", "strangers_named_5", by=0.05))),
    Claim("identification-orl",
          "On aligned photographs pixels name most people rightly; when the faces move, the light changes and some are "
          "mirrored, they name far fewer than the latent space of a classifier of other people.",
          "none; ORL has its faces in one place", {}, ORL,
          together(bound("pixels_clean", above=0.7), exceeds("pixels_clean", "pixels_moved", by=0.2),
                   exceeds("latent_moved", "pixels_moved", by=0.15))),
)
