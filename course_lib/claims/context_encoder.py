"""What lecture generative_pretexts says of context encoders, and the experiment behind it.

Networks learn to fill a square hole, a quarter of the area, in 2000 drawn objects in front of pieces of photographs, 32
pixels wide, and are asked about other objects in front of other photographs. "anywhere" has seen holes at random
places, "middle" holes in the middle only. Scores are PSNR in dB within the hole, the mean over pictures: "_middle" for
holes in the middle, "_elsewhere" for holes at random places. Beside them stand the mean colour of what is known, and
biharmonic in-painting, which continues what is around a hole as smoothly as possible and learns nothing. "autoencoder"
is the same network without holes. The probe asks the encoder, by the protocol of `transfer`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib import profiles, randomness
from course_lib.claims import Claim, Experiment, exceeds, together
from course_lib.claims.transfer import Trunk, worth
from course_lib.data.images import read
from course_lib.data.objects import objects
from course_lib.embeddings import as_float
from course_lib.networks import settle
from course_lib.pretext import autoencoder, context_encoder
from course_lib.pretext.context_encoder import ContextEncoder, Hole, filled
from course_lib.profiles import Budget, Profile, choose

PAPER = "Pathak et al. 2016 (context encoders)"
SIZE = 32
HOLES = {"middle": Hole(share=0.5), "elsewhere": Hole(share=0.25, random=True, blocks=1)}      # both 16 pixels wide


def network(seed: int) -> ContextEncoder:
    """Build the network of the experiments, by profile."""
    return ContextEncoder(size=SIZE, width=choose(smoke=4, lecture=16, full=64), seed=seed)


def budget() -> Budget:
    """Choose how long the experiments train, by profile."""
    return choose(smoke=Budget(3, 4), lecture=Budget(800, 32), full=Budget(30_000, 64))


def pictures(seed: int) -> tuple[Tensor, Tensor]:
    """Draw objects to learn from without their labels, and others on other backgrounds, by profile."""
    known, asked = choose(smoke=(2, 1), lecture=(200, 10), full=(5000, 50))
    return objects(known, seed=2 * seed).images, objects(asked, seed=2 * seed + 1, split="test").images


def biharmonic(holey: Tensor, mask: Tensor) -> Tensor:
    """Continue pictures smoothly into their holes: the biharmonic equation, solved by scikit-image.

    Shapes: holey (N, C, H, W), mask (N, 1, H, W) -> (N, C, H, W), clipped to [0, 1].
    """
    from skimage.restoration import inpaint_biharmonic

    done = [inpaint_biharmonic(picture.permute(1, 2, 0).numpy(), hole[0].numpy() > 0, channel_axis=-1)
            for picture, hole in zip(holey.double(), mask, strict=True)]
    return torch.stack([torch.from_numpy(picture).permute(2, 0, 1) for picture in done]).clamp(0, 1).to(holey)


def within(estimate: Tensor, images: Tensor, mask: Tensor) -> float:
    """Compute the PSNR in dB of what is in the holes, the mean over pictures."""
    squares = ((estimate - images) ** 2 * mask).mean(dim=1).sum(dim=(1, 2)) / mask.sum(dim=(1, 2, 3))
    return float(-10 * squares.clamp(min=1e-10).log10().mean())


def untrained(seed: int, known: Tensor, *, batches: int = 4) -> ContextEncoder:
    """Build the network with its first weights, whose normalisations have seen these pictures."""
    return settle(network(seed), [as_float(known[start::batches][:200]) for start in range(batches)])


def measure(profile: Profile, seed: int) -> dict[str, float]:
    """Fill holes of unseen pictures in four ways, and measure what the features are worth, with an autoencoder's."""
    known, asked = pictures(seed)
    trained = {name: network(seed) for name in ("middle", "anywhere", "repeating")}
    for name, hole in (("middle", HOLES["middle"]), ("anywhere", HOLES["elsewhere"])):
        context_encoder.train(known, budget=budget(), seed=seed, hole=hole, network=trained[name])
    autoencoder.train(known, budget=budget(), seed=seed, network=trained["repeating"])
    fillers: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "mean": lambda holey, mask: holey, "biharmonic": biharmonic,
        "middle": lambda holey, mask: filled(trained["middle"], holey, mask),
        "anywhere": lambda holey, mask: filled(trained["anywhere"], holey, mask)}
    metrics: dict[str, float] = {}
    for place, hole in HOLES.items():
        holey, whole, mask = hole(as_float(asked), randomness.generator(seed, "holes", place))
        metrics |= {f"{name}_{place}": within(fill(holey, mask), whole, mask) for name, fill in fillers.items()}
    networks = {"probe": trained["anywhere"], "autoencoder_probe": trained["repeating"],
                "random_probe": untrained(seed, known)}
    return metrics | worth({name: Trunk(of, of.features) for name, of in networks.items()}, seed)


OBJECTS = Experiment("context_encoder-objects", measure,
                     uses=(read, context_encoder.train, autoencoder.train, profiles.device),
                     data=("photographs",))


# Claims --------------------------------------------------------------------------------------------------------------


CLAIMS = (
    Claim("context_encoder-fills",
          "On pictures that it has not seen, a context encoder that learnt from holes anywhere fills them with a "
          "higher PSNR than the mean colour does.", f"{PAPER}, section 5.1", {}, OBJECTS,
          exceeds("anywhere_elsewhere", "mean_elsewhere")),
    Claim("context_encoder-biharmonic", "It fills them with a higher PSNR than biharmonic in-painting does.",
          f"{PAPER}, section 5.1: ahead of in-painting by nearest neighbours", {}, OBJECTS,
          exceeds("anywhere_elsewhere", "biharmonic_elsewhere")),
    Claim("context_encoder-middle",
          "One that learnt from holes in the middle only fills those with a higher PSNR than the mean colour, and "
          "holes elsewhere with a lower one.", f"{PAPER}, section 3.3", {}, OBJECTS,
          together(exceeds("middle_middle", "mean_middle"), exceeds("mean_elsewhere", "middle_elsewhere"))),
    Claim("context_encoder-transfer",
          "A linear head on the features of a context encoder finds the kind of a drawn object more often than one on "
          "a random network.", f"{PAPER}, section 5.2", {}, OBJECTS, exceeds("probe", "random_probe")),
    Claim("context_encoder-autoencoder",
          "It finds it more often than one on the same network without holes, an autoencoder.",
          f"{PAPER}, section 5.2", {}, OBJECTS, exceeds("probe", "autoencoder_probe")),
)
