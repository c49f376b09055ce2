# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Show the noisy picture alone first and ask where it is noisier. People see it at once; the network has no input for it."}
# ## Noise that is not the same everywhere
#
# DnCNN is trained for one noise level; another level needs another network. A camera has many levels: the noise
# changes with the exposure, and within one picture with the light and with the place on the sensor. Here is a
# photograph whose noise grows from left to right, from $\sigma = 5/255$ to $50/255$, and the results of two DnCNNs:
# one trained at 25, which is about the average here, and a blind one, trained on all levels up to 55.

# %% slideshow={"slide_type": "-"}
import torch
from IPython.display import display

from course_lib import data, figures, zoo
from course_lib.claims.cite import cite
from course_lib.claims.fast import SETTINGS
from course_lib.data.images import to_float
from course_lib.denoise import fast, ffdnet, known_level
from course_lib.denoise.bm3d import BM3D
from course_lib.denoise.classical import NonLocalMeans
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoise.fast import Fast
from course_lib.denoise.ffdnet import FFDNet, noise_level_map
from course_lib.denoiser import score
from course_lib.noise import Gaussian
from course_lib.profiles import Budget, choose
from course_lib.quality import psnr
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

sigma = 25 / 255  # images lie in [0, 1]
train_images, test_images = data.photographs("train"), data.photographs("test")
scene = to_float(test_images["camera"])[..., 60:252, 140:332]  # (1, 1, 192, 192)
ramp = (
    torch.linspace(5, 50, 192).expand(1, 1, 192, 192) / 255
)  # the noise level of each pixel
z = Gaussian(ramp)(scene, generator=generator(0, "ramp"))

at_25, blind = zoo.load(DnCNN, "dncnn-s25-w32"), zoo.load(DnCNN, "dncnn-b-w32")
with torch.inference_mode():
    estimates = {"DnCNN, trained at 25": at_25(z), "DnCNN, blind": blind(z)}
figures.images(
    {"noisy": z, **estimates},
    reference=scene,
    columns=3,
    zoom=(20, 140, 44),
    alt="A photograph of a man with a camera whose noise grows from left to right; after DnCNN trained at 25 the "
    "right third is still full of noise; after the blind DnCNN it is clean but soft",
    caption="Noise from σ = 5/255 at the left to 50/255 at the right, and two networks of the last lecture.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The network for 25 leaves noise on the right, and removes some details on the left. The blind one has
# to estimate the level at every place, from pixels in which image and noise are mixed. But we may *know* the
# level: from the exposure, from the sensor's data sheet, from a dark frame. Neither network has an input for it.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The whole lecture is on this slide: one more input channel. Ask what else could be given to a network in this way."}
# ## The idea: the level as a channel
#
# FFDNet (Zhang, Zuo, Zhang, IEEE TIP 2018) gets a second input, the **noise level map** $M$: an image whose pixel $p$
# holds the standard deviation of the noise at $p$.
#
# $$\hat y = F(z, M; w)$$
#
# The weights $w$ no longer depend on $\sigma$. One network serves all levels, it can be given different levels at
# different places, and its user can control it: a larger $M$ removes more.
#
# The second half of the name is *fast*: the network works on four small images instead of a large one.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "The blind network learns the estimate averaged over the levels, FFDNet the estimate for a given level. With more information, the best possible error can only fall."}
# ## What it learns
#
# For noise of level $\sigma$ the smallest mean squared error belongs to the mean of all clean images that could have
# been behind $z$:
#
# $$y^\star(z, \sigma) = \mathbb E[\, y \mid z, \sigma \,].$$
#
# A DnCNN for one level learns this function at one $\sigma$. A blind network learns $\mathbb E[y \mid z]$, the average
# of $y^\star(z, \sigma)$ over the levels that could explain $z$. FFDNet learns the function of **both** arguments. For
# that it needs training pairs of all levels, each with its level: for patch $i$, $\sigma_i$ is sampled uniformly between 0
# and $75/255$, its map is $M_i = \sigma_i$ everywhere, and (the paper's equation 5)
#
# $$\ell(w) = \frac{1}{2N} \sum_{i=1}^{N} \lVert F(z_i, M_i; w) - y_i \rVert_F^2 .$$
#
# | letter | is |
# |---|---|
# | $y$, $z$, $\hat y$ | clean image, noisy image, estimate |
# | $\sigma$, $M$ | a noise level; a map with the level of each pixel, both in the unit of the image |
# | $F(z, M; w)$ | the network with weights $w$; it returns the image, not the noise |
# | $S$ | the cut into four sub-images, $S^{-1}$ puts them together |
# | $d$ | depth: the number of convolutions |

# %% slideshow={"slide_type": "subslide", "minutes": 2}
figures.code(known_level.uniform_levels)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Draw a 4 x 4 grid at the board and colour the four sub-images. MATLAB numbers the four by columns: the most common mistake when weights are converted."}
# ## Four small images instead of a large one
#
# The image is cut into blocks of $2 \times 2$ pixels. Sub-image $k$ takes pixel $k$ of every block, and the four become
# channels: nothing is lost, only sorted. All convolutions run on a quarter of the positions, so each costs a quarter,
# and each of them sees twice as far. At the end the clean sub-images are put together again:
#
# $$F(z, M; w) = S^{-1}\bigl( \text{Conv} \cdots \text{ReLU}\, \text{Conv}\, [\, S(z),\, M_{\downarrow} \,] \bigr).$$

# %% slideshow={"slide_type": "-"}
figures.code(FFDNet.forward)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
numbered = torch.arange(16.0).reshape(1, 1, 4, 4)
for k, sub_image in enumerate(torch.nn.functional.pixel_unshuffle(numbered, 2)[0]):
    print(f"sub-image {k}:", sub_image.int().tolist())

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Let them compute: 15 layers of 64, so 13 x 64 x 64 x 9 in the middle, and a quarter of the positions."}
# How much is saved? A weight of a convolution is used once at every position. So the multiplications for each pixel of
# the image are the number of weights, divided by four where the network works on sub-images:


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
def multiplications(network, positions):
    """For each pixel of the image: the weights of the convolutions, times their positions for each pixel."""
    return int(
        positions
        * sum(weight.numel() for weight in network.parameters() if weight.ndim == 4)
    )


gray, colour, deep = FFDNet(), FFDNet(channels=3), DnCNN()
for name, network in (("gray", gray), ("colour", colour)):
    print(
        f"FFDNet for {name} images: {network.depth} convolutions, {sum(w.numel() for w in network.parameters())} "
        f"parameters, sees {network.receptive_field} x {network.receptive_field} pixels"
    )
print(
    "multiplications for each pixel, DnCNN and FFDNet:",
    multiplications(deep, 1),
    multiplications(gray, 1 / 4),
)
print(
    f"FFDNet needs {multiplications(deep, 1) / multiplications(gray, 1 / 4):.1f} times fewer"
)

# %% slideshow={"slide_type": "fragment"}
speed = cite("ffdnet-speed")
figures.table(
    {
        name: {
            "multiplications for each pixel": count,
            "milliseconds": speed[f"{key}_ms"],
        }
        for name, key, count in (
            ("DnCNN, 17 layers of 64", "dncnn", multiplications(deep, 1)),
            ("FFDNet, 15 layers of 64", "ffdnet", multiplications(gray, 1 / 4)),
        )
    },
    digits=0,
    caption="A gray image of 256 × 256 pixels in float32 on two processor cores.",
    note=speed,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Note the units in the error message: 25 instead of 25 / 255 is by far the most frequent mistake with these networks."}
# ## The map
#
# The map has half the size and is the last channel, after the sub-images. You may give one number, a number for each
# image, or a map as large as the image, of which each block of $2 \times 2$ pixels is averaged:

# %% slideshow={"slide_type": "-"}
figures.code(noise_level_map)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
small = FFDNet(depth=4, width=8).eval()
crop = scene[..., :33, :47]  # odd sides
with torch.inference_mode():
    number, flat_map = (
        small(crop, sigma=sigma),
        small(crop, sigma=torch.full_like(crop, sigma)),
    )
print("input of", tuple(crop.shape), "gives output of", tuple(number.shape))
print(
    "a map that is the same everywhere equals the number exactly:",
    torch.equal(number, flat_map),
)
try:
    small(crop, sigma=25)
except ValueError as error:
    print(error)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Take bets again. NLM gets every advantage: it is given sigma, and its setting is the best of several on the test images."}
# ## Experiment 1: what sub-images gain in a minute
#
# First at one level: how good does a network on sub-images get in **one minute on two processor cores**? The library's
# `Fast` takes the sub-images and the map from FFDNet and the residual from DnCNN, and leaves normalisation and biases
# out: what a bias would add, the map adds, in proportion to the noise. It is trained for $\sigma = 25/255$ only.
# We compare it with non-local means, which is given $\sigma$ too, with the best of several settings on these test
# photographs. **What do you expect:** below it, equal, or above?

# %% slideshow={"slide_type": "-"}
test_pairs = data.fixed_pairs(test_images, Gaussian(sigma), seed=0)
held_out = {
    name: picture[:, 100:260, 100:260]
    for name, picture in data.photographs("validation").items()
}
validation_pairs = data.fixed_pairs(held_out, Gaussian(sigma), seed=0)


def validate(model, progress):
    """Score the model on the validation photographs, which are neither trained on nor tested with."""
    return {"PSNR of validation": float(score(model, validation_pairs, sigma=sigma).mean())}


live, history = fast.train(
    train_images,
    sigma=sigma,
    seed=0,
    validate=validate,
    budget=choose(
        smoke=Budget(20, 4, 24), lecture=fast.MINUTE, full=Budget(40_000, 64, 48)
    ),
    network=Fast(**choose(smoke=dict(depth=3, width=8), lecture={}, full={})),
)
live = live.cpu()
figures.history(
    history,
    log=True,
    caption="The training of the fast denoiser: half the mean squared error, and the score "
    "on the validation photographs.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "For the ten crops there are numbers only: we may not show those pictures."}
settings = choose(smoke=SETTINGS[:1], lecture=SETTINGS, full=SETTINGS)  # of non-local means
nlm_best = max(
    float(score(setting, test_pairs, sigma=sigma).mean()) for setting in settings
)
crops = cite("fast-ten-crops")
figures.table(
    {
        "noisy": {
            "photographs": float(score(lambda z, sigma=None: z, test_pairs).mean()),
            "ten crops": crops["noisy"],
        },
        "non-local means, best setting": {
            "photographs": nlm_best,
            "ten crops": crops["nlm"],
        },
        "fast denoiser": {
            "photographs": float(score(live, test_pairs, sigma=sigma).mean()),
            "ten crops": crops["fast"],
        },
    },
    columns=["photographs", "ten crops"],
    best="max",
    caption="PSNR in dB at σ = 25/255. Left: the network above, on photographs it has not seen. Right: the same recipe "
    "trained for a minute on Train400, on ten crops of BSD68 and Set12.",
    note=crops,
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# A quarter of the positions means four times the images in the same minute. Several other things help: an optimiser
# that makes all directions of a layer learn at the same pace, small patches in small batches, an average over the last
# weights. They are in `course_lib/denoise/fast.py`, which is one page.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The live network is tiny; what matters is that one set of weights does all of this."}
# ## Experiment 2: one network for all levels
#
# Now with a map. We train a tiny FFDNet for a few seconds, each patch at a level of its own, and test it on the
# test photographs at levels from 5 to 75. We compare it with the course's trained FFDNet (9 layers of 48 channels; the
# paper's has 15 of 64). **Predict:** where will the gain over the noisy image be larger, at 5 or at 75?

# %% slideshow={"slide_type": "-"}
tiny, tiny_history = ffdnet.train(
    train_images,
    seed=0,
    budget=choose(
        smoke=Budget(20, 4, 24), lecture=Budget(600, 8, 48), full=Budget(8000, 64, 70)
    ),
    network=FFDNet(
        **choose(smoke=dict(depth=3, width=8), lecture=dict(depth=6, width=24), full={})
    ),
)
tiny, trained = tiny.cpu(), zoo.load(FFDNet, "ffdnet-w48")
levels = (5, 15, 25, 35, 50, 75)
few = {name: picture[:, :256, :256] for name, picture in test_images.items()}
told = {
    "noisy": lambda z, sigma=None: z,
    "non-local means": NonLocalMeans(),
    "tiny FFDNet, trained here": tiny,
    "FFDNet": trained,
}
curves = {name: [] for name in told}
for level in levels:
    pairs = data.fixed_pairs(few, Gaussian(level / 255), seed=0)
    for name, denoiser in told.items():
        curves[name].append(float(score(denoiser, pairs, sigma=level / 255).mean()))
figures.lines(
    levels,
    curves,
    xlabel="noise level σ (of 255), known to the network",
    ylabel="PSNR (dB)",
    caption="Crops of the test photographs. Each curve is one network with one set of weights.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Which is best at 15 and which at 75? The paper's point: at high noise one network that sees further is even ahead of the networks for one level."}
maps = cite("ffdnet-maps")  # a small network, three seeds
table_levels = {f"σ = {level}": level for level in (15, 25, 35, 50, 75)}
papers = {
    "BM3D": (31.07, 28.57, 27.08, 25.62, 24.21),
    "WNNM": (31.37, 28.83, 27.30, 25.87, 24.40),
    "DnCNN": (31.72, 29.23, 27.69, 26.23, 24.64),
    "FFDNet, 15 layers of 64": (31.63, 29.19, 27.73, 26.29, 24.79),
}
figures.table(
    {"FFDNet, 8 layers of 32": maps.row(table_levels, "bsd68_{}")}
    | {name: dict(zip(table_levels, row, strict=True)) for name, row in papers.items()},
    paper=list(papers),
    caption="PSNR in dB on BSD68. Daggers: Zhang et al. 2018, table III. Our network is small and "
    "was trained for a minute or two.",
    note=maps.about("ffdnet-table"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# One row, one set of weights. In the paper's rows, one FFDNet keeps up with a DnCNN for each level, and from 35 on it
# is ahead: strong noise needs a larger receptive field, and sub-images give it.
#
# Look at the left end of the curves, too. At 5 the tiny network is *below the noisy image*: it returns the image itself
# and not the noise, so it must first learn to copy. The trained one has learnt it, but at 5 it is no better than non-local means.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Let them draw the curves before you show them. Most draw a symmetric curve."}
# ## Experiment 3: the wrong map
#
# The level that you pass to the network may be wrong. **Draw the curve before you look:** the true level is 25; the
# horizontal axis is the level that you pass, from 5 to 75. Is the curve symmetric?

# %% slideshow={"slide_type": "-"}
figures.lines(
    levels,
    maps.lines({f"true level {n}": n for n in (15, 25, 50)}, levels, "true_{}_told_{}"),
    xlabel="level passed to the network (of 255)",
    ylabel="PSNR (dB)",
    mark={"15": 15, "25": 25, "50": 50},
    caption="Test photographs, mean of three seeds.",
    note=maps.about("ffdnet-told-too-low", "ffdnet-lopsided"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# It is steep on one side and gentle on the other. If the level is too low, the network takes the rest of the noise for
# texture and keeps it. If it is too high, it takes texture for noise and smooths it away, which looks poor but costs less,
# since most of an image is smooth. **When in doubt, choose a higher level.**

# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Noise 25: go down to 5 and up to 75. Compare how the two fail: BM3D's too-high result has patterns, the network's is a smooth painting."}
window = choose(smoke=slice(40, 88), lecture=slice(32, 160), full=slice(0, 192))
piece = scene[..., window, window]
bm3d, methods = BM3D(), {}


def told_wrongly(true, told):
    noisy_piece = Gaussian(true / 255)(piece, generator=generator(0, "told"))
    shown = {"noisy": noisy_piece}
    for name, denoiser in (("FFDNet", trained), ("BM3D", bm3d)):
        with torch.inference_mode():
            shown[name] = denoiser(noisy_piece, sigma=told / 255)
    return figures.scored(shown, reference=piece)


Player(
    render=told_wrongly,
    axes=(
        Axis("true", (15, 25, 50), "True noise level (of 255)", start=1),
        Axis("told", (5, 15, 25, 35, 50, 75), "Level passed to the methods", start=2),
    ),
    alt=lambda true, told: (
        f"A detail of a photograph with noise of level {true}, and the results of FFDNet and BM3D "
        f"with the level {told}"
    ),
    caption="Pass a level that is too low, then one that is too high. All denoisers with a known level behave like this.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The picture from the first slide again, now with a network that knows the level at each pixel."}
# ## Experiment 4: noise that changes over the image
#
# Back to the photograph of the beginning. Its noise grows from left to right, and now the network has an input for this. **Where** do
# you expect most of the gain? Compare the right map with a uniform map of its mean:

# %% slideshow={"slide_type": "-"}
with torch.inference_mode():
    informed, uniform = trained(z, sigma=ramp), trained(z, sigma=float(ramp.mean()))
display(
    figures.images(
        {"noisy": z, "with the right map": informed, "with its mean": uniform},
        reference=scene,
        columns=3,
        zoom=(20, 140, 44),
        alt="The photograph with noise that grows to the right; with the right map it is clean everywhere; "
        "with a uniform map of its mean the left is smoothed and the right is still noisy",
        caption="One network, two maps.",
    )
)
ways = {
    "noisy": "noisy",
    "uniform map, the mean": "uniform_mean",
    "right map": "uniform_right",
}
rows = maps.rows(ways, ("ramp", "waves"), "{1}_{0}")
for name, key in ways.items():
    rows[name]["the source's image"] = maps.paper[f"ramp_{key}"]
figures.table(
    rows,
    paper=["the source's image"],
    caption="PSNR in dB. Ramp and waves: test photographs with levels from 5 to 40, mean of three seeds. "
    "Last column: one image of Zhang et al. 2018, with noise of another pattern.",
    note=maps.about("ffdnet-variant"),
)

# %% slideshow={"slide_type": "subslide", "minutes": 5, "notes": "Find the best setting together without looking at the scores, then look. Then paint a low level on the right half: the noise comes back."}
halves = torch.full((1, 1, 192, 192), 15 / 255)
halves[..., 96:] = 50 / 255  # 15 in the left half, 50 in the right
z_halves = Gaussian(halves)(scene, generator=generator(0, "halves"))
print(f"the noisy image: {psnr(z_halves, scene).item():.2f} dB")


def painted(left, right):
    level = torch.full((1, 1, 192, 192), left / 255)
    level[..., 96:] = right / 255
    with torch.inference_mode():
        estimate = trained(z_halves, sigma=level)
    return {
        "the map you paint": level * 255 / 75,
        "noisy": z_halves.clamp(0, 1),
    } | figures.scored({"FFDNet": estimate}, reference=scene)


Player(
    render=painted,
    axes=(
        Axis(
            "left",
            (5, 15, 25, 35, 50, 75),
            "Level that you paint on the left half (of 255)",
            start=3,
        ),
        Axis(
            "right",
            (5, 15, 25, 35, 50, 75),
            "Level that you paint on the right half",
            start=3,
        ),
    ),
    alt=lambda left, right: (
        f"A map with level {left} in its left half and {right} in its right half, the noisy "
        "photograph, whose right half is noisier, and the result of FFDNet with this map"
    ),
    caption="Paint the map. The photograph has noise of level 15 in its left half and 50 in its right; black is 0, "
    "white is 75. Each half follows its own slider.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The argument is locality: a network of nine layers sees 38 pixels. Ask when it would fail: maps that change within that distance."}
# ## Experiment 5: did it need maps that vary, in training?
#
# In training every patch had **one** level. The network never got a map that changes. Why does it work?
#
# The output at pixel $p$ depends on $z$ and $M$ within its receptive field $B_p$ only, and in the same way wherever $p$
# is. If $M$ hardly changes within $B_p$, then
#
# $$F(z, M; w)(p) \approx F\bigl(z, M(p); w\bigr)(p),$$
#
# and the right hand side has a uniform map, as in training. Only the map within the receptive field counts.
# **Predict** the bars: a network of the same size, trained as long, but on maps that vary smoothly over each patch.

# %% slideshow={"slide_type": "-"}
trainings = {"trained on uniform maps": "uniform", "trained on maps that vary": "varied"}
figures.bars(
    maps.rows(("ramp", "waves"), trainings, "{}_{}_right"),
    xlabel="PSNR with the right map (dB)",
    base=26,
    caption="Test photographs with levels from 5 to 40. Ramp: from left to right; waves: once up and down in 64 "
    "pixels.",
    note=maps.about("ffdnet-uniform-suffices"),
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Some sensors read alternate rows with different gains. Ask before: the map is exactly right, so what can go wrong?"}
# ## Break it
#
# Some sensors read alternate rows with different gains, for a larger range of brightness. So let every second row have
# noise of level 10, and the rows between 40. You know the map exactly, and you pass exactly this map to the network.


# %% slideshow={"slide_type": "-"}
def stripes(width):
    """A map of rows, so many with level 10, so many with level 40, and so on."""
    rows = torch.where(torch.arange(192) // width % 2 == 0, 10.0, 40.0) / 255
    return rows.reshape(1, 1, 192, 1).expand(1, 1, 192, 192).clone()


heights, gains = (1, 2, 4, 8, 16, 32), []
for width in heights:
    level = stripes(width)
    z_striped = Gaussian(level)(scene, generator=generator(0, "stripes"))
    with torch.inference_mode():
        right, mean = (
            psnr(trained(z_striped, sigma=told), scene).item()
            for told in (level, float(level.mean()))
        )
    gains.append(right - mean)
figures.lines(
    heights,
    {"FFDNet": gains},
    xlabel="height of the stripes (pixels)",
    ylabel="gain of the right map (dB)",
    log="x",
    caption="The score with the right map minus that with a uniform map of its mean. At a height of one "
    "pixel the right map gains nothing, and at two it harms: there was no such map in training.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "This is the general lesson: look at the tensor that the network gets, not at the one you made."}
# The map was right, and it did nothing. **The probe:** look at the map that the network gets, not at the one that you pass.
# How much of the map's spread is left at the resolution at which the network reads it?

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
for width in (1, 2, 4):
    told = stripes(width)
    arrived = noise_level_map(scene, sigma=told)
    print(
        f"stripes of {width}: told from {255 * told.min():.0f} to {255 * told.max():.0f}, arrived from "
        f"{255 * arrived.min():.0f} to {255 * arrived.max():.0f}"
    )

# %% [markdown] slideshow={"slide_type": "fragment"}
# One pixel of the map stands for four pixels of the image, so rows of 10 and 40 become 25 everywhere. This is the
# price of working on sub-images. A map of four channels, one for each sub-image, would keep the rows; the network would
# have to be trained for that. There is one more limit: the map says how strong the noise is, not of what kind. The grainy
# noise of the last lecture breaks FFDNet too.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "Go round: one sentence each."}
# ## What to remember
#
# - Give the network what you know: here the noise level, as a channel. One set of weights then serves all levels.
# - Sub-images keep every pixel, cost a quarter, and see twice as far.
# - A level that is too low leaves noise and costs much; one that is too high smooths and costs less.
# - Each output pixel depends on its receptive field only. A map that is nearly uniform there acts like a uniform one, so
#   uniform maps suffice in training.
# - A map that changes faster than the network reads it is averaged away. Look at the map that the network gets.
# - $\sigma$ in the unit of the image: $25/255$, not 25.

# %% slideshow={"slide_type": "slide", "minutes": 5, "notes": "Let everyone answer alone first."}
Quiz.parse("""
You pass the level 50 to FFDNet where the noise has level 25. The result is …
- [x] too smooth: texture is taken for noise
- [ ] still noisy | That happens when the level is too low. With a level that is too high, it
  removes too much.
- [ ] the same as with 25, since the network sees the noise | It could see it, but in
  training the map was always right, so it learnt to rely on it.

A gray image becomes four sub-images. How many channels does the first convolution read?
- [x] 5
- [ ] 4 | Four sub-images, and the noise level map behind them.
- [ ] 8 | That would be a map for each sub-image. FFDNet has one for all four.

Why is a network trained on uniform maps able to use a map that varies slowly?
- [x] each output pixel sees only a neighbourhood, in which the map is nearly uniform
- [ ] the map is averaged over the whole image first | Then it could not act differently at
  different places. It is averaged over 2 × 2 pixels only.
- [ ] the training patches had noise that varied | They had one level each, and that
  is enough.

FFDNet has nearly as many weights as DnCNN but is several times faster. Why?
- [x] each weight is used at a quarter of the positions
- [ ] its convolutions are smaller | They are 3 × 3 in both networks.
- [ ] three quarters of the pixels are dropped | None is: the four sub-images together are
  the image.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/11_ffdnet.ipynb): the four sub-images, the
# input of the network for images of any size, and a noise level map made from a sensor's gain and read noise. Each is
# checked at once, and the message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Give the trained network a level of 0 on one half of a noisy image. What should it return there, and what does it
#    return?
# 2. Train an FFDNet on levels up to 25 only (`sigma=(0, 25 / 255)`), and pass 50. Does it fail because of the noise or
#    because of the map?
# 3. Make the map of your own camera: photograph a gray wall at several exposures, and fit gain and read noise.
#
# ## Further reading
#
# - K. Zhang, W. Zuo, L. Zhang: *FFDNet: Toward a Fast and Flexible Solution for CNN-Based Image Denoising*, IEEE
#   Transactions on Image Processing 27 (2018). Sections III and IV are this lecture.
# - W. Shi et al.: *Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
#   Network*, CVPR 2016. Where the sub-images come from.
# - S. Mohan, Z. Kadkhodaie, E. Simoncelli, C. Fernandez-Granda: *Robust and Interpretable Blind Image Denoising via
#   Bias-Free Convolutional Neural Networks*, ICLR 2020. Another way to serve all levels, and the next lecture.
