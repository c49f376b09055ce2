# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Show the noisy picture alone and ask what is odd about this noise. Someone will say that it has blotches; someone else that the dark parts are worse."}
# ## A level is not enough: the noise of a camera
#
# A bias-free network works at any level. But noise is more than a level. Here is a photograph as a camera may have
# taken it: photons are counted in linear light, each pixel sees one colour only, a curve brightens the dark parts,
# JPEG removes what the eye does not see. Two networks of the same size, with the same number of training steps, denoise it. One
# was trained on white noise of all levels up to 55, the other on pictures that went through cameras like this one.

# %% slideshow={"slide_type": "-"}

import torch
from torch import nn

from course_lib import data, figures, zoo
from course_lib.claims.cite import cite
from course_lib.data.images import to_float
from course_lib.denoise import cbdnet
from course_lib.denoise.cbdnet import CBDNet, asymmetric_loss
from course_lib.noise import Camera, Gaussian
from course_lib.profiles import Budget, choose
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

train_images, test_images = data.photographs("train"), data.photographs("test")
scene = to_float(test_images["camera"])[..., 60:252, 140:332]  # (1, 1, 192, 192)


def noisy(y, level, *name):
    """A picture with noise of so many gray levels of 255, always the same for the same names."""
    return Gaussian(level / 255)(y, generator=generator(0, "lecture 11", *map(str, name)))


cat = to_float(data.photographs("test", channels=3)["chelsea"])[
    ..., 50:242, 110:302
]  # (1, 3, 192, 192)
camera = Camera(
    signal=0.04**2, read=0.005, gamma=2.2, quality=90
)  # one that neither was trained on
shot = camera(cat, generator=generator(0, "lecture 11", "shot"))
target = cbdnet.noise_free(camera, cat, generator=generator(0, "lecture 11", "target"))
by_white, by_camera = (
    zoo.load(CBDNet, "cbdnet-white-w16"),
    zoo.load(CBDNet, "cbdnet-camera-w16"),
)
with torch.inference_mode():
    estimates = {
        "trained on white noise": by_white(shot),
        "trained on cameras": by_camera(shot),
    }
figures.images(
    {"what the camera stored": shot} | estimates,
    reference=target,
    columns=3,
    zoom=(60, 100, 44),
    alt="The face of a cat with blotchy noise; after the network for white noise most blotches are still there; after the "
    "network trained on cameras the fur is smooth and its stripes are kept",
    caption="A test photograph through a simulated camera, and two networks of the same size. The reference "
    "is the picture that the camera would have stored without noise.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The noise of a camera depends on the light, and after demosaicing and JPEG it has *blotches*: neighbours agree. A
# network for white noise has learnt that in noise they do not agree, so it takes blotches for image.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "subslide", "minutes": 2}
flat = torch.full((1, 3, 128, 128), 0.4)
for name, stored in (
    ("white noise", Gaussian(0.05)(flat, generator=generator(0, "flat"))),
    ("through the camera", camera(flat, generator=generator(0, "flat"))),
):
    eta = stored - stored.mean()
    neighbours = ((eta[..., 1:] * eta[..., :-1]).mean() / eta.square().mean()).item()
    print(f"{name}: neighbours agree, correlation above 0.3:", neighbours > 0.3)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Two networks, trained together. Ask why one would want the map in the middle at all: because a person can change it, and because it can be supervised."}
# ## The idea: estimate, then remove
#
# CBDNet (Guo, Yan, Zhang, Zuo, Zhang, CVPR 2019) estimates what lecture *ffdnet* had as an input. A small network $E$ estimates
# the noise level map; a second network $D$ gets this map and removes the noise:
#
# $$\hat s = E(z), \qquad \hat y = z + D(z, \hat s).$$
#
# $E$ has five convolutions, each with a ReLU, so that $\hat s \geq 0$. $D$ is a U-Net: it works at full, half and
# quarter size, with shortcuts between equal sizes. Both are trained together, on three losses:
#
# $$\ell = \underbrace{\operatorname{mean} (\hat y - y)^2}_{\text{reconstruction}}
# + \tfrac12 \underbrace{\operatorname{mean}\, \lvert \alpha - \mathbb 1[\hat s < s] \rvert \, (\hat s - s)^2}_{\text{asymmetric}}
# + \tfrac1{20} \underbrace{\operatorname{mean} (\partial_x \hat s)^2 + \operatorname{mean} (\partial_y \hat s)^2}_{\text{total variation}}$$
#
# | letter | is |
# |---|---|
# | $s$, $\hat s$ | deviation of the noise at each pixel and channel, in linear light (the losses count it in tenths); its estimate |
# | $\alpha$ | weight of a level that is too high, $0.3$; one too low weighs $1 - \alpha = 0.7$ |
# | $E$, $D$ | noise estimation network, non-blind denoising network |
# | $\partial_x$, $\partial_y$ | difference to the left and to the upper neighbour |

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Look back at the asymmetric curve of lecture ffdnet: with half the level, the network lost far more than with twice the level. The loss has the same asymmetry built in. Mind the sign: a well known re-implementation has it the other way round."}
# ## Why asymmetric
#
# Lecture *ffdnet* measured what a wrong map costs: if the level is too low, a denoiser leaves noise; if it is too high, it only
# smooths a little. So errors of $E$ in the two directions should not count the same. **Which way round is it?** Before you read
# on, say for $\hat s < s$ whether the weight should be $0.3$ or $0.7$.

# %% slideshow={"slide_type": "-"}
figures.code(asymmetric_loss)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
level = torch.full((1, 1, 1, 1), 5.0, dtype=torch.float64)
print(f"too low by 2:  {asymmetric_loss(level - 2, level).item():.2f}")
print(f"too high by 2: {asymmetric_loss(level + 2, level).item():.2f}")
# Where E cannot tell the levels 1, 2 and 3 apart, it has to give one answer for all: the one that costs least.
unclear = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64).reshape(1, 1, 1, 3)
answers = torch.linspace(1, 3, 2001, dtype=torch.float64)
for alpha in (0.3, 0.5, 0.7):
    costs = [
        asymmetric_loss(answer.expand_as(unclear), unclear, alpha=alpha).item()
        for answer in answers
    ]
    print(
        f"alpha {alpha}: the best answer for levels 1, 2 and 3 is {answers[costs.index(min(costs))].item():.2f}"
    )

# %% [markdown] slideshow={"slide_type": "fragment"}
# With $\alpha = \tfrac12$ the best answer is the mean. With $0.3$ it lies above: the minimum is where
# $0.7 \sum_{s > \hat s} (s - \hat s) = 0.3 \sum_{s < \hat s} (\hat s - s)$, here $0.7\,(3 - \hat s) = 0.3\,(2 \hat s - 3)$
# and $\hat s = 3 / 1.3$. Such a point is called an *expectile*. Where $E$ is sure, all three answers are the same; where it
# is not, the asymmetric loss makes it prefer the error that costs less.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Each picture of a batch is taken with a camera of its own. The target is not the clean photograph but what the camera would have stored without noise: otherwise the network would have to undo the mosaic too."}
# ## What it trains on
#
# Each picture of a batch is taken with a camera of its own: noise of the signal and of the read-out, a gamma, with or
# without a mosaic, a JPEG quality.

# %% slideshow={"slide_type": "-"}
figures.code(cbdnet.draw_camera)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The tiny network shows how fast each of the three losses falls. The stored one was trained for minutes."}
# ## Experiment: a moment of training
#
# We train a tiny CBDNet for a few seconds. **Which of the three losses** will fall first? Does any rise?

# %% slideshow={"slide_type": "-"}
colour_images = data.photographs("train", channels=3)
tiny, tiny_history = cbdnet.train(
    colour_images,
    seed=0,
    budget=choose(
        smoke=Budget(6, 2, 24), lecture=Budget(150, 8, 48), full=Budget(2000, 32, 128)
    ),
    network=CBDNet(width=8, estimator_width=8),
)
figures.history(
    tiny_history,
    log=True,
    labels={"reconstruction": "image", "variation": "variation", "asymmetric": "level"},
    caption="The three losses of a CBDNet, of the image, of the map's variation and of its level. At the start the map is 0.01 everywhere, so its variation is zero.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "There are numbers only: we may not show the pictures. Point at the row for levels up to 15: it is the fair comparison, since its levels fit the real noise, but the kind of its noise does not."}
# ## Experiment: real photographs
#
# Twenty-five pairs of real photographs (Nam et al. 2016): a camera's JPEG, and the mean of many shots of the same scene.
# The same network, trained for the same number of steps on three kinds of noise. One of the white kinds only has levels
# up to 15, about what these pictures have. **Which is better** on real noise: the right level, or the right kind?

# %% slideshow={"slide_type": "-"}
real = cite("cbdnet-real")
names = {
    "as the camera stored it": "noisy",
    "trained on white noise, up to 55": "white",
    "trained on white noise, up to 15": "near",
    "trained on cameras": "camera",
}
figures.table(
    real.rows(names, {"25 real pairs": "real", "simulated cameras": "made"}, "{1}_{0}"),
    best="max",
    caption="PSNR in dB, mean of three seeds. The levels of the simulated cameras were chosen on the first twelve of the "
    "pairs.",
    note=real.about(
        "cbdnet-real-pairs", "cbdnet-real-others", "cbdnet-better-than-nothing"
    ),
)

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Alternating batches: even steps use simulated cameras, odd steps real pairs. For real pairs the level is unknown, so the asymmetric loss is left out."}
tested = {
    "as the camera stored it": "noisy",
    "trained on cameras": "camera",
    "… and longer": "longer",
    "… and fine-tuned on 12 real pairs": "tuned",
}
figures.bars(
    real.row(tested, "others_{}"),
    xlabel="PSNR on the 13 other real pairs (dB)",
    base=30,
    caption="Fine-tuning: batches of real pairs and of simulated cameras take turns. Some objects are in both halves of the "
    "pairs, so the gain on new objects may be smaller.",
    note=real.about("cbdnet-fine-tuned"),
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Ask for the order before you show the bars."}
# ## Experiment: the loss and the map
#
# Three trainings that differ in $\alpha$ only. How often is the estimated level below the true one?

# %% slideshow={"slide_type": "-"}
levels_of = cite("cbdnet-level")
weights_of = {
    "asymmetric, α = 0.3": "asymmetric",
    "symmetric, α = 0.5": "symmetric",
    "exchanged, α = 0.7": "exchanged",
}
figures.bars(
    levels_of.row(weights_of, "{}_too_low", times=100),
    xlabel="pixels whose level is estimated too low (%)",
    digits=0,
    caption="Test photographs through nine simulated cameras, mean of three seeds.",
    note=levels_of.about("cbdnet-asymmetric"),
)


# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "The map in the middle makes it a tool for users: change its strength and see noise come back or fur disappear."}
def turned(strength, knob):
    camera = Camera(
        signal=(0.05 * strength) ** 2, read=0.006 * strength, gamma=2.2, quality=90
    )
    stored = camera(cat, generator=generator(0, "lecture 11", "knob"))
    target = cbdnet.noise_free(camera, cat, generator=generator(0, "lecture 11", "target"))
    with torch.inference_mode():
        found = by_camera.noise_level(stored)
        estimate = by_camera.denoise(stored, level=knob * found)
    return {
        "stored": stored,
        "the map, ten times": (10 * knob * found.mean(dim=1, keepdim=True))
        .clamp(0, 1)
        .expand_as(stored),
    } | figures.scored({"estimate": estimate}, reference=target)


Player(
    render=turned,
    axes=(
        Axis("strength", (0.25, 0.5, 1), "Noise of the camera (1: the strongest)", start=1),
        Axis("knob", (0.25, 0.5, 1, 2, 4), "Factor on the estimated map", start=2),
    ),
    alt=lambda strength, knob: (
        "The face of a cat as a camera stored it, the estimated noise level map, which is brighter "
        f"where there is more light, scaled by {knob:g}, and the estimate of CBDNet for that map"
    ),
    caption="Multiply the map between the two networks by a factor: below 1 the noise comes back, above 1 the fur disappears.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Collect bets for both columns. The right one is disappointing: the picture gets better although the level is not found."}
# ## Experiment: does it find the level?
#
# $E$ sees $11 \times 11$ pixels. White noise is easy to see in them. A camera's noise has passed a mosaic, a curve
# and JPEG, and $E$ has to estimate its level *before* all that. **Bet** on how well $E$ does in each case.

# %% slideshow={"slide_type": "-"}
kinds = {f"white noise, σ = {level}": f"white_{level}" for level in (15, 25, 50)} | {
    f"camera, {part:g} of the strongest": f"camera_{part:g}" for part in (0.25, 0.5, 1)
}
figures.table(
    {kind: levels_of.row({"estimated / true": key}) for kind, key in kinds.items()},
    caption="Mean level of the map over the true one, test photographs, mean of three seeds.",
    note=levels_of.about("cbdnet-finds-white-level", "cbdnet-finds-camera-level"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The level of white noise is found. With cameras of such low noise as ours, $E$ learns the usual level for a pixel of this
# brightness and colour, and hardly sees whether this camera has more or less noise: JPEG has removed that, and at such small
# levels the error costs little in the loss. The paper's cameras are up to three times as noisy in the light, ten times in
# the dark. The gain on real photographs comes from $D$, which has learnt the *kind* of noise. Check an estimate inside a
# network by itself: the picture alone does not show whether it works.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "This is what happens with every picture from the web. The probe again needs no clean image."}
# ## Break it: a picture that was enlarged
#
# Take the network whose $E$ is best, the one for white noise, and noise of the right kind and level. Then enlarge the
# noisy picture, as one does to see it better: the same noise becomes coarser. **Does $E$ still see it?**

# %% slideshow={"slide_type": "-"}
grain = Gaussian(25 / 255)(cat, generator=generator(0, "lecture 11", "grain"))


def enlarge(picture, factor):
    """The middle of a picture, larger."""
    side = int(96 * factor)
    middle = picture[..., 48:144, 48:144]
    return nn.functional.interpolate(
        middle, (side, side), mode="bicubic", align_corners=False
    )


enlarged = {}
for factor in (1, 1.5, 2, 3):
    larger, truth = enlarge(grain, factor), enlarge(cat, factor)
    with torch.inference_mode():
        found, estimate = by_white.noise_level(larger), by_white(larger)
    enlarged[f"enlarged {factor:g} times"] = {
        "noise (of 255)": 255 * (larger - truth).std().item(),
        "estimated level": 255 * found.mean().item(),
        "removed": 255 * (larger - estimate).std().item(),
        "left": 255 * (estimate - truth).std().item(),
    }
figures.table(
    enlarged,
    caption="The same noise, enlarged with the picture. Its deviation hardly changes; the level that E finds and the noise that D removes do.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# A blind network estimates the parameters of the family of noise that it was trained on. It does not notice that a picture
# comes from another family. **The probe** needs no clean image: what was removed in a flat part of the picture should have
# the deviation that the noisy picture has there. Resize *after* denoising.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "Go round: one sentence each."}
# ## What to remember
#
# - A network with additive constants is fitted to the noise levels of its training, and fails outside of them.
# - Without constants, $f(az) = a f(z)$: strong noise is faint noise in a darker image. This is far better than failing, but
#   not the same as training on strong noise.
# - Scaling by hand, $a f(z/a)$, needs the level; a bias-free network does not.
# - Then $f(z) = A_z z$: each pixel has a filter, exactly, and one backward pass shows it.
# - The filters average along edges. With more noise they are wider, and fewer dimensions are left.
# - Check the equation, not the code: multiply the input by two and compare. Count the pixels that were clipped.
# - Noise has a kind, not only a level. Train on the kind that the camera makes, and take real pairs where there are some.
# - Where an error costs more in one direction, give it more weight in the loss. Then check the sign by hand.
# - A narrower class of images is a stronger prior: better inside, worse outside. Compare at equal size and equal steps.

# %% slideshow={"slide_type": "subslide"}
Quiz.parse("""
The loss of CBDNet weighs an estimated noise level that is too low with …
- [x] 0.7, more than one that is too high
- [ ] 0.3, less than one that is too high | A level that is too low leaves noise in the
  image, which costs more. Some published code has it this way.
- [ ] 0.5, like one that is too high | That is the ordinary squared error. The loss is
  called asymmetric because it is not.

In training on real pairs, CBDNet leaves out the asymmetric loss because …
- [x] the true noise level of a real photograph is unknown
- [ ] real noise is symmetric | The loss is about errors of the estimated level, not about
  the noise.
- [ ] real photographs have no noise level map | They have one; noise is stronger where
  there is more light. It is only unknown.

To show that knowing the class helps, one compares the network for text with …
- [x] one of the same size, trained further by as many steps on all classes
- [ ] the network before it was trained further | Then a part of the gain is only more
  training.
- [ ] the network for faces | That one is worse on text than a network for everything. It
  says little about the gain on text.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercise
#
# A graded problem is in the [exercise notebook](../exercises/student/13_camera_noise.ipynb): the asymmetric loss of CBDNet. It is checked at once, and the
# message for a wrong answer says what was mixed up.
