# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Show the two noisy pictures and ask which of them is harder. Their PSNR is the same. Then show what the same network makes of each."}
# ## A level is not enough: the noise of a camera
#
# This network was trained on white noise of all levels up to 55. It gets a picture with white noise, and the picture as a
# simulated camera stored it, with noise of the same mean square.

# %% slideshow={"slide_type": "-"}
import torch
from torch.nn import functional as F

from course_lib import data, figures, zoo
from course_lib.claims.answers import answer
from course_lib.claims.cite import cite
from course_lib.data.images import to_float
from course_lib.denoise import cbdnet
from course_lib.denoise.cbdnet import CBDNet, asymmetric_loss
from course_lib.noise import Camera, Gaussian
from course_lib.operators import demosaic, jpeg, mosaic
from course_lib.profiles import Budget, choose
from course_lib.quality import psnr
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

# %% slideshow={"slide_type": "skip"}
cat = to_float(data.photographs("test", channels=3)["chelsea"])[..., 50:242, 110:302]
camera = Camera(signal=0.05**2, read=0.006, gamma=2.2, quality=75)
shot = camera(cat, generator=generator(0, "lecture 11", "shot"))
target = cbdnet.noise_free(camera, cat, generator=generator(0, "lecture 11", "target"))
strength = (shot - target).std().item()
middle = (..., slice(60, 124), slice(60, 124))  # what is shown large
white = Gaussian(strength)(cat, generator=generator(0, "lecture 11", "white"))
by_white = zoo.load(CBDNet, "cbdnet-white-w16")
with torch.inference_mode():
    from_white, from_shot = by_white(white), by_white(shot)

# %% slideshow={"slide_type": "-"}
alt = """A part of the face of a cat, four times: with white noise, and clean after the network; as a camera stored it,
with blotches of colour, and unchanged after the network"""
figures.images(
    {
        f"white noise\n{psnr(white, cat).item():.2f} dB": white[middle],
        f"denoised\n{psnr(from_white, cat).item():.2f} dB": from_white[middle],
        f"a camera\n{psnr(shot, target).item():.2f} dB": shot[middle],
        f"denoised\n{psnr(from_shot, target).item():.2f} dB": from_shot[middle],
    },
    columns=4,
    alt=alt,
    caption="A part of the pictures, the same network. The PSNR is that of whole pictures, before and after.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The level is well within the range of training, and yet the network leaves nearly all of the camera's noise. What is new is
# not its *level* but its *kind*.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "Let them say what they see: grain that is fine against blotches; and in the dark parts the blotches are stronger."}
# ## What the network has not learnt
#
# In white noise neighbours have nothing to do with each other. In a camera's noise they agree: it has **blotches**. A network
# for white noise has learnt that whatever neighbours share is image.

# %% slideshow={"slide_type": "skip"}
noises = {
    "white noise": (white - cat)[:, 1:2][middle],
    "a camera's, green": (shot - target)[:, 1:2][middle],
    "a camera's, blue": (shot - target)[:, 2:3][middle],
}

# %% slideshow={"slide_type": "-"}
alt = """Three fields of noise: white noise is fine grain, the noise of a camera has blotches of several pixels, larger
ones in blue than in green"""
figures.images(
    noises,
    signed=list(noises),
    columns=3,
    alt=alt,
    caption="The noise alone, in the part of the pictures that is shown above.",
)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
flat = torch.full((1, 3, 128, 128), 0.4)
for name, stored in (
    ("white noise", Gaussian(0.05)(flat, generator=generator(0, "flat"))),
    ("through the camera", camera(flat, generator=generator(0, "flat"))),
):
    eta = stored - stored.mean()
    neighbours = ((eta[..., 1:] * eta[..., :-1]).mean() / eta.square().mean()).item()
    print(f"{name}: neighbours agree, correlation above 0.3:", neighbours > 0.3)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Go through the lines in the order of the light: sensor, colour filter, curve, file. Ask after which line the noise stops being white: the demosaicing guesses two colours of each pixel from its neighbours."}
# ## What a camera does to the noise
#
# A sensor counts photons, so its noise $n$ grows with the light $L$. Each pixel sees one colour only, and the others are guessed
# from its neighbours. A curve brightens the dark parts, and JPEG removes what the eye does not see:
#
# $$z = \mathrm{JPEG}\bigl( \mathrm{mosaic}(L + n)^{1/\gamma} \bigr), \qquad L = y^\gamma, \quad n \sim \mathcal N(0, s^2), \quad s^2 = q L + r^2 .$$


# %% slideshow={"slide_type": "-"}
def expose(y, q, r, gamma, quality, generator):
    light = y**gamma
    s = (q * light + r**2).sqrt()  # deviation of the noise, pixel by pixel
    light = light + s * torch.randn(y.shape, generator=generator)
    picture = demosaic(mosaic(light)).clamp(0, 1)  # neighbours get to know each other
    return jpeg(picture ** (1 / gamma), quality=quality)


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
taught = expose(cat, 0.05**2, 0.006, 2.2, 75, generator(0, "lecture 11", "shot"))
print("the library's camera stores the same picture:", torch.equal(taught, shot))

# %% slideshow={"slide_type": "skip"}
figures.code(Camera, cbdnet.noise_free)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "For reading, not for talking."}
# ### The letters of this lecture
#
# | letter | is |
# |---|---|
# | $z$, $y$, $\hat y$ | what the camera stored, what it would have stored without noise, the estimate of that |
# | $L$, $n$ | light on the sensor, and its noise |
# | $q$, $r$ | factor of the noise that grows with light, deviation of the read-out |
# | $s$, $\hat s$ | noise level map: deviation of $n$ at each pixel and channel; its estimate |
# | $\gamma$ | exponent of the curve |
# | $E$, $D$ | noise estimation network, denoising network that gets the map |
# | $\alpha$ | weight of a level that is too high, $0.3$; one too low weighs $1 - \alpha = 0.7$ |
# | $\partial_x$, $\partial_y$ | difference to the left and to the upper neighbour |

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Two networks, trained together. Ask why one would want the map in the middle at all: because a person can change it, and because it can be supervised."}
# ## The idea: estimate, then remove
#
# CBDNet (Guo, Yan, Zhang, Zuo, Zhang, CVPR 2019) estimates what lecture *ffdnet* had as an input. A small network $E$ finds
# the noise level map, and a U-Net $D$ gets it and predicts what to add: $\hat s = E(z)$ and $\hat y = z + D(z, \hat s)$.


# %% slideshow={"slide_type": "-"}
def estimate_then_remove(network, z):
    s_hat = network.estimator.layers(z) / 10  # five convolutions with ReLUs: never negative
    d = network.denoiser
    full = d.full_in(torch.cat([z, 10 * s_hat], dim=1))  # (N, 16, H, W)
    half = d.half_in(F.avg_pool2d(full, 2))  # (N, 32, H/2, W/2)
    quarter = d.quarter(F.avg_pool2d(half, 2))  # (N, 64, H/4, W/4)
    half = d.half_out(half + d.to_half(quarter))
    return s_hat, z + d.last(d.full_out(full + d.to_full(half)))


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
with torch.inference_mode():
    s_hat, y_hat = estimate_then_remove(by_white, shot)
    print("the library's map:", torch.equal(s_hat, by_white.noise_level(shot)))
    print("the library's estimate:", torch.equal(y_hat, by_white(shot)))

# %% slideshow={"slide_type": "skip"}
figures.code(CBDNet, cbdnet.NoiseEstimator, cbdnet.NonBlind)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "They know the answer from lecture ffdnet; here it is measured again for this network. Mind that it is white noise."}
# ## Which error costs more?
#
# $E$ will make errors. $D$ gets a level that is half the true one, or twice the true one. **Predict:** which of the two
# costs more decibels? We try it with white noise of 25, where the true level is known.

# %% slideshow={"slide_type": "skip"}
grain = Gaussian(25 / 255)(cat, generator=generator(0, "lecture 11", "grain"))
level = torch.full_like(cat, 25 / 255)
with torch.inference_mode():
    with_map = {
        f"{factor:g} times the true level": psnr(
            by_white.denoise(grain, level=factor * level), cat
        ).item()
        for factor in (0.5, 1, 2)
    }
half, true, twice = with_map.values()

# %% slideshow={"slide_type": "-"}
figures.bars(
    with_map,
    xlabel="PSNR of the estimate (dB)",
    base=20,
    caption="The network for white noise, with a map that we make ourselves, at noise of 25.",
)

# %% slideshow={"slide_type": "-"}
answer(
    f"A level that is too low: half the level costs {true - half:.1f} dB, because noise stays; twice the level costs "
    f"{true - twice:.1f} dB, because the picture is smoothed.",
    holds=true - half > true - twice + 0.5 > 0.5,
    otherwise=f"In this run half the level costs {true - half:.1f} dB and twice the level {true - twice:.1f} dB.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Mind the sign of the middle term: a well known re-implementation has it the other way round. For real pairs s is unknown, so the middle term is left out there."}
# ## A loss that knows which error costs more
#
# Both networks are trained together on three losses (section 3.3 of the paper). In simulated noise $s$ is known:
#
# $$\underbrace{\operatorname{mean} (\hat y - y)^2}_{\text{reconstruction}}
# + \tfrac12 \underbrace{\operatorname{mean}\, \lvert \alpha - \mathbb 1[\hat s < s] \rvert \, (\hat s - s)^2}_{\text{asymmetric, } \alpha = 0.3}
# + \tfrac1{20} \underbrace{\operatorname{mean} (\partial_x \hat s)^2 + \operatorname{mean} (\partial_y \hat s)^2}_{\text{total variation}}$$


# %% slideshow={"slide_type": "-"}
def three_losses(y_hat, y, s_hat, s):
    right, down = s_hat.diff(dim=-1), s_hat.diff(dim=-2)
    return {
        "reconstruction": (y_hat - y).square().mean(),
        "asymmetric": 0.5 * asymmetric_loss(s_hat, s, alpha=0.3),
        "variation": 0.05 * (right.square().mean() + down.square().mean()),
    }


# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
with torch.inference_mode():
    s = camera.variance(cat).sqrt()
    taught = three_losses(
        y_hat, target, 10 * s_hat, 10 * s
    )  # the losses count levels in tenths
    library = cbdnet.step(by_white, (shot, s, target), progress=None)
for name, value in taught.items():
    print(
        f"{name}: as in the library's training step:",
        torch.isclose(value, library[name]).item(),
    )

# %% slideshow={"slide_type": "skip"}
figures.code(cbdnet.step, cbdnet.real_step, cbdnet.total_variation)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "At the board: set the derivative to zero. With alpha = 1/2 the answer is the mean. Such a point is called an expectile."}
# ### What an unsure estimator answers
#
# Where $E$ cannot tell some levels apart, it has to give one answer for all of them. The derivative of the asymmetric loss
# is zero at a weighted mean: each level above the answer weighs $1 - \alpha$, each one below it $\alpha$.


# %% slideshow={"slide_type": "-"}
def best_answer(levels, alpha):
    guess = sum(levels) / len(levels)
    for _ in range(50):  # the weights depend on the answer
        above = [s for s in levels if s > guess]
        below = [s for s in levels if s <= guess]
        total = (1 - alpha) * sum(above) + alpha * sum(below)
        guess = total / ((1 - alpha) * len(above) + alpha * len(below))
    return guess


# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
unclear = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64).reshape(1, 1, 1, 3)
for alpha in (0.3, 0.5, 0.7):
    guess = torch.tensor(best_answer([1.0, 2.0, 3.0], alpha), dtype=torch.float64)
    guess.requires_grad_()
    (slope,) = torch.autograd.grad(
        asymmetric_loss(guess.expand_as(unclear), unclear, alpha=alpha), guess
    )
    print(
        f"alpha {alpha}: {guess.item():.2f}; the library's loss is flat there:",
        slope.abs().item() < 1e-12,
    )

# %% [markdown] slideshow={"slide_type": "fragment"}
# For the levels 1, 2 and 3, $\alpha = 0.5$ gives their mean, and $\alpha = 0.3$ gives 2.31, on the safe side. Such a point is
# called an *expectile*. Where $E$ is sure, $\alpha$ plays no part.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Each picture of a batch is taken with a camera of its own. The target is not the clean photograph but what the camera would have stored without noise: otherwise the network would have to undo the mosaic too."}
# ## What it trains on
#
# Each picture of a batch is taken with a camera of its own: $q$, $r$ and $\gamma$, a mosaic or none, and a JPEG quality are
# drawn at random. We train a tiny CBDNet for a few seconds. All three losses start small for different reasons.
# **Predict:** which of them will *rise* in the training?

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

# %% slideshow={"slide_type": "skip"}
figures.code(cbdnet.draw_camera, cbdnet.photographed)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The map begins as 0.01 everywhere. A constant map has no variation, and it cannot follow the light."}
figures.history(
    tiny_history,
    log=True,
    labels={"reconstruction": "image", "variation": "variation", "asymmetric": "level"},
    caption="The three losses of a tiny CBDNet: of the image, of the map's variation and of its level.",
)

# %% slideshow={"slide_type": "-"}
variation, image = tiny_history.terms["variation"], tiny_history.terms["reconstruction"]
answer(
    f"The variation of the map: the map begins as a constant, and its loss rises from {variation[0]:.1g} to {variation[-1]:.1g}.",
    holds=variation[-1] > variation[0],
    otherwise=f"In this run the variation went from {variation[0]:.1g} to {variation[-1]:.1g}.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "There are numbers only: we may not show the pictures. Ask everybody to choose before the table appears: the right level or the right kind."}
# ## Experiment: real photographs
#
# Twenty-five pairs of real photographs (Nam et al., CVPR 2016): a camera's JPEG, and the mean of many shots of the same
# scene. The same network was trained three times, for the same number of steps:
#
# - on white noise of levels up to 55,
# - on white noise of levels up to 15, about what these pictures have: **the right level**,
# - on simulated cameras: **the right kind**.
#
# **Predict:** which of the three is best on real noise, and by how much?

# %% slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "Point at the row for levels up to 15: it is the fair comparison, since its levels fit the real noise, but the kind of its noise does not. The levels of the simulated cameras were chosen on the first twelve pairs; on the thirteen others the result is the same."}
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
    caption="PSNR in dB, mean of three seeds.",
    note=real.about(
        "cbdnet-real-pairs", "cbdnet-real-others", "cbdnet-better-than-nothing"
    ),
)

# %% slideshow={"slide_type": "-"}
answer(
    real.compare("real_camera", "real_near").sentence(
        "the network trained on cameras",
        "the one trained on white noise up to 15",
        what="PSNR on the real pairs",
        unit="dB",
    )
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

# %% slideshow={"slide_type": "-"}
answer(
    real.compare("others_tuned", "others_longer").sentence(
        "the network fine-tuned on real pairs",
        "the one trained as much longer on cameras",
        what="PSNR on the other pairs",
        unit="dB",
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Ask for the order before you show the bars."}
# ## Experiment: the loss and the map
#
# Three trainings differ in $\alpha$ only. **Predict:** with $\alpha = 0.5$ about 40 % of the pixels get a level that is too low.
# How many with $\alpha = 0.3$?

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

# %% slideshow={"slide_type": "-"}
answer(
    f"With α = 0.3 it is {100 * levels_of['asymmetric_too_low']:.0f} %, which is "
    f"{100 * (levels_of['symmetric_too_low'] - levels_of['asymmetric_too_low']):.0f} points fewer than with α = 0.5 (95 % interval "
    f"{100 * levels_of.compare('asymmetric_too_low', 'symmetric_too_low', lower=True).interval[0]:.0f} to "
    f"{100 * levels_of.compare('asymmetric_too_low', 'symmetric_too_low', lower=True).interval[1]:.0f}, three seeds)."
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "The map in the middle makes it a tool for users. Start with white noise and go down to 0.25: the noise comes back. Then take the camera: the knob does little below 1. The next slides, under more, say why."}
# ## Play: turn the knob between the two networks
#
# You may multiply the map of $E$ by a factor before $D$ gets it.

# %% slideshow={"slide_type": "skip"}
by_camera = zoo.load(
    CBDNet, "cbdnet-camera-w16"
)  # the same network, trained on simulated cameras


# %% slideshow={"slide_type": "-"}
def turned(noise, knob):
    network, z, y = pictured[noise]
    with torch.inference_mode():
        found = network.noise_level(z)
        estimate = network.denoise(z, level=knob * found)
    shown = (knob * found / brightest[noise]).mean(dim=1, keepdim=True).clamp(0, 1)
    return {
        "noisy": z.clamp(0, 1),
        f"the map; white is {brightest[noise]:g}": shown.expand_as(z),
    } | figures.scored({"estimate": estimate}, reference=y)


pictured = {
    "white, of 25": (by_white, grain, cat),
    "of a camera": (by_camera, shot, target),
}
brightest = {"white, of 25": 0.25, "of a camera": 0.05}
Player(
    render=turned,
    axes=(
        Axis("noise", ("white, of 25", "of a camera"), "Noise"),
        Axis("knob", (0.25, 0.5, 1, 2, 4), "Factor on the estimated map", start=2),
    ),
    alt=lambda noise, knob: (
        f"The face of a cat with noise {noise}, the estimated noise level map, scaled by {knob:g}, and the estimate of "
        "CBDNet for that map"
    ),
    caption="Each kind of noise has the network that was trained on it. Factors are those on the map.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Collect guesses for both. The answer for cameras is disappointing: the picture gets cleaner although the level is not found."}
# ## Experiment: does $E$ find the level?
#
# $E$ sees $11 \times 11$ pixels. White noise is easy to see in them. A camera's noise has passed a mosaic, a curve and JPEG, and
# $E$ has to estimate its level *before* all that. One camera is four times as noisy as another. **Predict:** what is the ratio of
# the levels that $E$ finds for the two?

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "A ratio of estimated to true of 2, 1 and 0.5 means one and the same estimate for all three cameras."}
found_kinds = {
    "white noise, σ = 15": "white_15",
    "white noise, σ = 25": "white_25",
    "white noise, σ = 50": "white_50",
    "camera, 1/4 strength": "camera_0.25",
    "camera, 1/2 strength": "camera_0.5",
    "camera, full strength": "camera_1",
}
figures.bars(
    levels_of.row(found_kinds),
    xlabel="estimated level / true level",
    caption="Mean level of the map over the true one, test photographs, mean of three seeds.",
    note=levels_of.about("cbdnet-finds-white-level", "cbdnet-finds-camera-level"),
)

# %% slideshow={"slide_type": "-"}
answer(
    f"It is {4 * levels_of['camera_1'] / levels_of['camera_0.25']:.2f}: E gives both cameras the same level. White noise it finds, "
    f"within {100 * max(abs(levels_of[f'white_{one}'] - 1) for one in (15, 25, 50)):.0f} %."
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# $E$ gives the usual level for a pixel of this brightness and colour. Our cameras are quiet: the paper's are up to three times as
# noisy in the light, ten times in the dark. Check an estimate inside a network by itself: the picture does not show it.


# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "This happens with every picture from the web. Nobody has told the network that the picture was enlarged."}
# ## Break it: a picture that was enlarged
#
# Take the network whose $E$ works, the one for white noise, and white noise of 25. Enlarge the noisy picture three times,
# as one does to see it well: the same noise becomes coarser. **Predict:** which level does $E$ find then?


# %% slideshow={"slide_type": "skip"}
def enlarge(picture, factor):
    """The middle of a picture, larger."""
    side = int(96 * factor)
    middle = picture[..., 48:144, 48:144]
    return F.interpolate(middle, (side, side), mode="bicubic", align_corners=False)


enlarged = {}
for factor in (1, 1.5, 2, 3):
    z, y = enlarge(grain, factor), enlarge(cat, factor)
    with torch.inference_mode():
        s_hat, y_hat = by_white.noise_level(z), by_white(z)
    enlarged[f"enlarged {factor:g} times"] = {
        "noise": 255 * (z - y).std().item(),
        "estimated level": 255 * s_hat.mean().item(),
        "removed": 255 * (z - y_hat).std().item(),
        "left": 255 * (y_hat - y).std().item(),
    }

# %% slideshow={"slide_type": "-"}
figures.table(
    enlarged,
    digits=1,
    caption="Deviations in gray levels of 255: of the noise, as E finds it, of what was removed, and of what is left.",
)

# %% slideshow={"slide_type": "-"}
three = enlarged["enlarged 3 times"]
answer(
    f"It finds {three['estimated level']:.1f} where the noise has {three['noise']:.1f} gray levels, and D removes {three['removed']:.1f} of them.",
    holds=three["estimated level"] < 0.5 * three["noise"],
    otherwise=f"In this run it finds {three['estimated level']:.1f} where the noise has {three['noise']:.1f} gray levels.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "Ask where in their own photographs a flat part is: a wall, the sky out of focus."}
# ### The probe: compare what was removed with what is there
#
# A blind network estimates the parameters of the family of noise that it was trained on. It does not notice that a picture
# comes from another family.
#
# The probe needs no clean image. In a flat part of the picture everything that varies is noise. What the network removed
# should have the deviation there that the noisy picture has. In the table of above it is a fraction of it.
#
# The cure is an order: denoise first, resize afterwards.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
wall = Gaussian(25 / 255)(
    torch.full((1, 3, 96, 96), 0.5), generator=generator(0, "lecture 11", "wall")
)
for name, z in (
    ("as it is", wall),
    ("enlarged", F.interpolate(wall, (192, 192), mode="bicubic")),
):
    with torch.inference_mode():
        removed = (z - by_white(z)).std() / z.std()
    print(
        f"a gray wall {name}: more than two thirds of the noise removed:",
        removed.item() > 2 / 3,
    )

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - Noise has a kind, not only a level. A camera's noise depends on the light, and its neighbours agree.
# - Train on the kind that the camera makes, with a target that the same camera would have stored without noise. Take real pairs
#   where there are some.
# - CBDNet estimates a level map first, which a person may change, and removes then.
# - Where an error costs more in one direction, give it more weight in the loss. The answer becomes an expectile. Check the sign by hand.
# - An estimate inside a network needs a check of its own. Compare what was removed with what was there.

# %% slideshow={"slide_type": "slide", "minutes": 1.5, "notes": "Let everyone answer alone first."}
Quiz.parse("""
The loss of CBDNet weighs an estimated noise level that is too low with …
- [ ] 0.3, less than one that is too high | A level that is too low leaves noise in the
  image, which costs more. Some published code has it this way.
- [ ] 0.5, as much as one that is too high | That is the ordinary squared error. The loss is
  called asymmetric because it is not.
- [x] 0.7, more than one that is too high
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5}
Quiz.parse("""
In training on real pairs, CBDNet leaves out the asymmetric loss because …
- [x] the true noise level of a real photograph is unknown
- [ ] the noise of real photographs is symmetric | The loss is about errors of the estimated level,
  not about the noise.
- [ ] real photographs have no noise level map | They have one; noise is stronger where
  there is more light. It is only unknown.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5}
Quiz.parse("""
Which step of the camera makes the noise of neighbouring pixels agree?
- [ ] the counting of photons | It makes the noise grow with the light; each pixel counts for itself.
- [x] the demosaicing | Two of three colours of a pixel are guessed from its neighbours, noise
  included.
- [ ] the curve with exponent 1 / γ | It changes the strength of the noise pixel by pixel, and
  connects none.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5}
Quiz.parse("""
A denoised photograph looks clean, but in the sky only a third of the deviation was removed. Then …
- [x] the noise is of a kind that the network was not trained on
- [ ] two thirds of the deviation in the sky were details | The sky is flat: what varies there from
  pixel to pixel is noise.
- [ ] the map of E was smooth, as total variation asks | A smooth map does not keep D from removing
  noise.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercise
#
# A graded problem is in the [exercise notebook](../exercises/student/13_camera_noise.ipynb): the asymmetric loss of CBDNet. It is
# checked at once, and the message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Train a CBDNet with `alpha=0.7` and look at its map beside that of `cbdnet-camera-w16`.
# 2. Take away one step of the camera after the other: `mosaic=False`, `quality=None`, `gamma=1`. At which step does the network
#    for white noise begin to work?
# 3. Photograph a gray wall with your own camera in little light. Are its neighbours correlated, as in the checked cell above?
#
# ## Further reading
#
# - S. Guo, Z. Yan, K. Zhang, W. Zuo, L. Zhang: *Toward Convolutional Blind Denoising of Real Photographs*, CVPR 2019.
# - S. Nam, Y. Hwang, Y. Matsushita, S. J. Kim: *A Holistic Approach to Cross-Channel Image Noise Modeling and Its
#   Application to Image Denoising*, CVPR 2016. The 25 real pairs.
# - W. K. Newey, J. L. Powell: *Asymmetric Least Squares Estimation and Testing*, Econometrica 1987. Where expectiles come from.
