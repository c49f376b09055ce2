"""What lecture class_aware says of gradual and class-aware denoising, and the experiments behind it.

Three classes of pictures are drawn by our own code: faces, text, texture (woven cloth). One network learns them all.
Then it is trained further, by as many steps each time: on all of them (class-agnostic) and on each alone (class-aware).
All networks have the same size. Pictures to test on are drawn from another seed. With `COURSE_DATA`, the same is done
for photographs of faces: 30 people to train on, 10 others to test. At lecture profile the networks have the paper's 20
layers, of 16 channels; at full profile of 64. All scores are PSNR in dB, of fixed noisy images, in float32.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from course_lib import data
from course_lib.claims import Claim, Experiment, bound, exceeds, growing, together
from course_lib.data.drawn import CLASSES, drawn
from course_lib.data.images import read
from course_lib.denoise import class_aware
from course_lib.denoise.class_aware import Chooser, Gradual
from course_lib.denoiser import Denoiser, score
from course_lib.noise import Gaussian, Noise, Poisson
from course_lib.profiles import Budget, Profile, choose

PAPER = "Remez et al. 2018 (class-aware denoising)"
SIGMA, PEAK = 25 / 255, 8.0
PEOPLE = 30                                     # of the 40 of orl_faces, to train on


def network(seed: int) -> Gradual:
    """Build the network of the experiments, by profile."""
    depth, width = choose(smoke=(4, 6), lecture=(20, 16), full=(20, 64))
    return Gradual(depth=depth, width=width, seed=seed)


def budgets() -> tuple[Budget, Budget]:
    """Choose the length of the training on all classes, and of each further training; at full profile the paper's
    steps."""
    return choose(smoke=(Budget(6, 4, 24), Budget(4, 4, 24)), lecture=(Budget(1000, 8, 48), Budget(500, 8, 48)),
                  full=(Budget(160_000, 64, 96), Budget(45_000, 64, 96)))


def classes(seed: int, *, test: bool = False) -> dict[str, dict[str, Tensor]]:
    """Draw pictures of each class, to train on or to test on; none is in both."""
    count = choose(smoke=4, lecture=60, full=2000)
    test_count = choose(smoke=2, lecture=10, full=40)
    return {kind: drawn(kind, test_count if test else count, seed=2 * seed + test) for kind in CLASSES}


def mean_psnr(model: Denoiser, pictures: Mapping[str, Tensor], noise: Noise) -> float:
    """Compute the mean score of a network on pictures with one fixed noise."""
    return float(score(model, data.fixed_pairs(pictures, noise, seed=0)).mean())


# Experiments -------------------------------------------------------------------------------------------------------


def measure(noise: Noise, seed: int) -> dict[str, float]:
    """Train one network for all classes and one for each, and score them on every class, with the chooser beside
    them."""
    train, test = classes(seed), classes(seed, test=True)
    everything = [picture for pictures in train.values() for picture in pictures.values()]
    first, more = budgets()
    base = class_aware.train(everything, noise=noise, budget=first, seed=seed, network=network(seed)).model

    def further(pictures: data.Pictures) -> torch.nn.Module:
        return class_aware.train(pictures, noise=noise, budget=more, seed=seed + 1, network=copy.deepcopy(base)).model

    models = {"agnostic": further(everything)} | {kind: further(pictures) for kind, pictures in train.items()}
    metrics = {f"{name}_on_{kind}": mean_psnr(model, pictures, noise)
               for name, model in models.items() for kind, pictures in test.items()}
    metrics |= {f"noisy_on_{kind}": mean_psnr(lambda z, sigma=None: z, pictures, noise)
                for kind, pictures in test.items()}
    classifier = class_aware.train_classifier(
        train, noise=noise, budget=choose(smoke=Budget(4, 6, 24), lecture=Budget(300, 12, 64),
                                          full=Budget(3000, 48, 64)), seed=seed).model
    chooser = Chooser(classifier, {kind: models[kind] for kind in CLASSES}).eval()
    device = next(classifier.parameters()).device
    with torch.inference_mode():
        right = [chooser.choose(z.to(device)) == [kind] for kind, pictures in test.items()
                 for z, _ in data.fixed_pairs(pictures, noise, seed=0)]
    metrics |= {f"chooser_on_{kind}": mean_psnr(chooser, pictures, noise) for kind, pictures in test.items()}
    return metrics | {"chosen_right": sum(right) / len(right)}


def measure_gaussian(profile: Profile, seed: int) -> dict[str, float]:
    """Compare them under Gaussian noise at sigma 25."""
    return measure(Gaussian(SIGMA), seed)


def measure_poisson(profile: Profile, seed: int) -> dict[str, float]:
    """Compare them under photon noise with 8 photons at a white pixel."""
    return measure(Poisson(PEAK), seed)


def measure_people(profile: Profile, seed: int) -> dict[str, float]:
    """Train a network of all kinds of photographs further, on those or on faces, and score both on faces."""
    faces = data.labelled("orl_faces")
    known = {f"{i}": image for i, image in enumerate(faces.images[faces.labels < PEOPLE])}
    others = {f"{i}": image for i, image in enumerate(faces.images[faces.labels >= PEOPLE][::5])}
    photographs = list(data.photographs("train").values())
    first, more = budgets()
    base = class_aware.train(photographs, noise=SIGMA, budget=first, seed=seed, network=network(seed)).model
    agnostic, aware = (class_aware.train(pictures, noise=SIGMA, budget=more, seed=seed + 1,
                                         network=copy.deepcopy(base)).model
                       for pictures in ([*photographs, *known.values()], known))
    test = {name: picture[:, 100:260, 100:260] for name, picture in data.photographs("test").items()}
    return {f"{name}_on_{kind}": mean_psnr(model, pictures, Gaussian(SIGMA))
            for name, model in (("base", base), ("agnostic", agnostic), ("aware", aware))
            for kind, pictures in (("people", others), ("photographs", test))}


def measure_gradual(profile: Profile, seed: int) -> dict[str, float]:
    """Score a network of photographs after each of its layers: in flat parts of the pictures and along edges."""
    first, _ = budgets()
    budget = choose(smoke=first, lecture=Budget(1500, 8, 48), full=first)
    model: Any = class_aware.train(data.photographs("train"), noise=SIGMA, budget=budget, seed=seed,
                              network=network(seed)).model
    device = next(model.parameters()).device
    errors: dict[str, list[Tensor]] = {"flat": [], "edges": [], "all": []}
    exact = True
    for z, y in data.fixed_pairs(data.photographs("test"), Gaussian(SIGMA), seed=0):
        z, y = z[..., :256, :256].to(device), y[..., :256, :256].to(device)
        with torch.inference_mode():
            steps, estimate = [z, *model.gradually(z)], model(z)
            exact = exact and torch.equal(estimate, z - class_aware.sum_of(model.noise_estimates(z)))
        squares = torch.cat([(step - y) ** 2 for step in steps])[:, 0]                  # (depth + 1, H, W)
        slope = torch.nn.functional.avg_pool2d(y.diff(dim=-1)[..., 1:, :].abs() + y.diff(dim=-2)[..., 1:].abs(), 3,
                                               stride=1)[0, 0]
        inner = squares[:, 2:-1, 2:-1]
        flat, edge = slope <= slope.quantile(0.5), slope >= slope.quantile(0.9)
        errors["flat"].append(inner[:, flat].mean(dim=1))
        errors["edges"].append(inner[:, edge].mean(dim=1))
        errors["all"].append(squares.mean(dim=(1, 2)))
    mean = {name: torch.stack(values).mean(dim=0).double() for name, values in errors.items()}
    metrics = {f"{name}_after_{d}": float(-10 * torch.log10(error[d])) for name, error in mean.items()
               for d in range(len(error))}
    return metrics | {f"{name}_depth": near_the_end(error) for name, error in mean.items()} | {"exact": float(exact)}


def near_the_end(errors: Tensor, *, within: float = 1.0) -> float:
    """Count the layers, as a share of all, after which the error stays within so many dB of the last one.

    >>> near_the_end(torch.tensor([1.0, 0.5, 0.1, 0.11, 0.1]))
    0.5
    """
    far = 10 * torch.log10(errors / errors[-1]) > within                          # before the first layer, after each
    return float(far.nonzero().max() + 1) / (len(errors) - 1) if far.any() else 0.0


GAUSSIAN = Experiment("class_aware-gaussian", measure_gaussian)
POISSON = Experiment("class_aware-poisson", measure_poisson)
FACES = Experiment("class_aware-people", measure_people, (read,), ("photographs", "orl_faces"))
LAYERS = Experiment("class_aware-gradual", measure_gradual, (read,), ("photographs",))


# Claims ------------------------------------------------------------------------------------------------------------


AHEAD = together(*(exceeds(f"{kind}_on_{kind}", f"agnostic_on_{kind}", by=0.1) for kind in CLASSES))
CLAIMS = (
    Claim("class_aware-wins",
          "Trained further on one class, a network is ahead of one of the same size that is trained further, by as "
          "many steps, on all classes: on new pictures of its class, by more than 0.1 dB.",
          f"{PAPER}, section IV: gains of up to 0.4 dB on photographs", {}, GAUSSIAN, AHEAD),
    Claim("class_aware-loses-elsewhere", "On the other classes it is behind.", f"{PAPER}, section IV", {}, GAUSSIAN,
          together(*(exceeds(f"agnostic_on_{other}", f"{kind}_on_{other}", by=0.1)
                     for kind in CLASSES for other in CLASSES if other != kind))),
    Claim("class_aware-chooser",
          "A small classifier finds the class of a noisy picture, and with it the networks of the classes are ahead "
          "without anyone saying what is in the picture.", f"{PAPER}, section IV; Boracchi 2025, testing", {}, GAUSSIAN,
          together(bound("chosen_right", at_least=0.95),
                   *(exceeds(f"chooser_on_{kind}", f"agnostic_on_{kind}", by=0.1) for kind in CLASSES))),
    Claim("class_aware-poisson",
          "All of this holds for photon noise too: each class is better off with its own network.",
          f"{PAPER}, section V", {}, POISSON,
          together(AHEAD, *(exceeds(f"chooser_on_{kind}", f"agnostic_on_{kind}") for kind in CLASSES))),
    Claim("class_aware-people",
          "Photographs of people: trained further on faces of 30 people, a network is ahead on 10 others' of one that "
          "is trained further on photographs of all kinds and those faces among them.",
          f"{PAPER}, figure 1: on one face 30.88 against 30.50 dB", {"aware_on_people": 30.88,
                                                                     "agnostic_on_people": 30.50}, FACES,
          exceeds("aware_on_people", "agnostic_on_people")),
    Claim("class_aware-gradual-sum",
          "The output is the input minus the sum of the noise estimates of all layers, bit for bit.",
          f"{PAPER}, section III", {}, LAYERS,
          bound("exact", at_least=1, at_most=1)),
    Claim("class_aware-flat-first",
          "Flat parts of an image are clean after fewer layers than edges: the first layers see too little to know "
          "what an edge is.", f"{PAPER}, section III, on the gradual estimates", {}, LAYERS,
          growing("flat_depth", "edges_depth")),
)
