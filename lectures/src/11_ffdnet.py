# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Show the noisy picture alone first and ask where it is noisier. People see it at once; the network has no input for it."}
# ## Noise that is not the same everywhere
#
# A camera's noise changes with the exposure, and within one picture with the light. Here it grows from left to right, from
# $\sigma = 5/255$ to $50/255$. One DnCNN was trained at 25, about the average of it; the other is blind, trained on all levels up to 55.

# %%
import torch
from torch.nn import functional as F

from course_lib import data, figures, zoo
from course_lib.claims.answers import answer
from course_lib.claims.cite import cite
from course_lib.data.images import to_float
from course_lib.denoise import fast, ffdnet, known_level
from course_lib.denoise.bm3d import BM3D
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

# %%
train_images, test_images = data.photographs("train"), data.photographs("test")
scene = to_float(test_images["camera"])[..., 60:252, 140:332]  # (1, 1, 192, 192)
ramp = torch.linspace(5, 50, 192).expand(1, 1, 192, 192) / 255  # the level of each pixel
z = Gaussian(ramp)(scene, generator=generator(0, "ramp"))

at_25, blind = zoo.load(DnCNN, "dncnn-s25-w32"), zoo.load(DnCNN, "dncnn-b-w32")
with torch.inference_mode():
    estimates = {"DnCNN, trained at 25": at_25(z), "DnCNN, blind": blind(z)}

# %% slideshow={"slide_type": "-"}
alt = (
    "A photograph of a man with a camera whose noise grows from left to right; after DnCNN trained at 25 the "
    "right third is still full of noise; after the blind DnCNN it is clean but soft"
)
caption = "Noise from σ = 5 at the left to 50 at the right (of 255), and two networks of lecture dncnn."
figures.images(
    {"noisy": z, **estimates},
    reference=scene,
    columns=3,
    zoom=(20, 140, 44),
    alt=alt,
    caption=caption,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "The whole lecture is on this slide: one more input channel. Ask what else could be given to a network in this way."}
# ## The idea: the level as a channel
#
# In this picture the network for 25 leaves noise on the right, and removes some details on the left. The blind one has to estimate the
# level at every place, from pixels in which image and noise are mixed. But we may *know* it: from the exposure, from the
# sensor's data sheet, from a dark frame. Neither network has an input for it.
#
# FFDNet (Zhang, Zuo, Zhang, IEEE TIP 2018) has one: the **noise level map** $M$, an image whose pixel $p$ holds the standard
# deviation of the noise at $p$.
#
# $$\hat y = F(z, M; w)$$
#
# One set of weights $w$ serves all levels, and different levels at different places. The user controls it: a larger $M$ removes more.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "The blind network learns the estimate averaged over the levels, FFDNet the estimate for a given level. With more information, the best possible error can only fall."}
# ## What it learns
#
# For noise of level $\sigma$ the smallest mean squared error belongs to the mean of all clean images that could have
# led to $z$: $\; y^\star(z, \sigma) = \mathbb E[\, y \mid z, \sigma \,]$.
#
# A DnCNN for one level learns this function at one $\sigma$. A blind network learns $\mathbb E[y \mid z]$, the average
# of $y^\star(z, \sigma)$ over the levels that could explain $z$. FFDNet learns the function of **both** arguments, so it
# needs pairs of all levels, each with its level. For patch $i$ the level $\sigma_i$ is sampled uniformly between 0 and
# $75/255$, the map is $M_i = \sigma_i$ everywhere, and (the paper's equation 5)
#
# $$\ell(w) = \frac{1}{2N} \sum_{i=1}^{N} \lVert F(z_i, M_i; w) - y_i \rVert_F^2 .$$

# %% [markdown]
# | letter | is |
# |---|---|
# | $y$, $z$, $\hat y$ | clean image, noisy image, estimate |
# | $y^\star$ | the estimate with the smallest mean squared error |
# | $p$, $i$ | a pixel; a patch of the training, of $N$ in a batch |
# | $\sigma$, $M$ | a noise level; a map with the level of each pixel, both in the unit of the image |
# | $F(z, M; w)$ | the network with weights $w$; it returns the image, not the noise |
# | $\ell$ | the loss |
# | $S$, $S^{-1}$ | the cut into four sub-images; what puts them together |
# | $M_\downarrow$ | the map at half the size: the mean of each block of $2 \times 2$ pixels |
# | $B_p$ | the pixels that the estimate at $p$ depends on |

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "The only new line of the training is the first: levels are sampled, and passed on. Ask what the network would learn if the level were not passed."}
# A step of the training. Each patch gets a level of its own, and the level goes in beside the noisy patch.


# %% slideshow={"slide_type": "-"}
def training_loss(network, y, generator):
    """Half the mean squared error on patches y (N, C, H, W), each with a level of its own."""
    sigma = 75 / 255 * torch.rand(len(y), 1, 1, 1, generator=generator)
    z = y + sigma * torch.randn(y.shape, generator=generator)
    return 0.5 * (network(z, sigma=sigma) - y).square().mean()


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
small = FFDNet(depth=4, width=8)
patches = torch.cat(
    [scene[..., top : top + 48, :48] for top in (0, 48, 96)]
)  # (3, 1, 48, 48)
draws = generator(0, "levels")
level = known_level.uniform_levels(patches, sigma=ffdnet.LEVELS, generator=draws)
noisy = Gaussian(level)(patches, generator=draws)
library = known_level.loss(small(noisy, sigma=level), patches)
ours = training_loss(small, patches, generator(0, "levels"))
print("the library's step has the same loss:", bool((ours - library).abs() < 1e-6))

# %% slideshow={"slide_type": "skip"}
figures.code(known_level.uniform_levels, known_level.loss, known_level.step)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Draw a 4 x 4 grid at the board and colour the four sub-images. MATLAB numbers the four by columns: the most common mistake when weights are converted."}
# ## Four small images instead of a large one
#
# The image is cut into blocks of $2 \times 2$ pixels. Sub-image $k$ takes pixel $k$ of every block, and the four become
# channels: nothing is lost, only sorted. All convolutions run at a quarter of the positions, so each costs a quarter and
# sees twice as far. At the end the four clean sub-images are put together again:
#
# $$F(z, M; w) = S^{-1}\bigl( \text{Conv} \cdots \text{ReLU}\, \text{Conv}\, [\, S(z),\, M_{\downarrow} \,] \bigr).$$

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
numbered = torch.arange(16.0).reshape(1, 1, 4, 4)
for k, sub_image in enumerate(F.pixel_unshuffle(numbered, 2)[0]):
    print(f"sub-image {k}:", sub_image.int().tolist())

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Write the shapes at the board while you read the code. The map is the last channel; one well-known port has it first."}
# The network for gray images with even sides, and one level for all of the image:


# %% slideshow={"slide_type": "-"}
def on_sub_images(layers, z, sigma):
    """Denoise an image z (1, 1, H, W) on its four sub-images."""
    small = F.pixel_unshuffle(z, 2)  # (1, 4, H/2, W/2)
    level = torch.full_like(small[:, :1], sigma)  # (1, 1, H/2, W/2): the map
    estimate = layers(torch.cat([small, level], dim=1))  # (1, 4, H/2, W/2)
    return F.pixel_shuffle(estimate, 2)  # (1, 1, H, W)


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
first, last = small.layers[0].weight, small.layers[-1].weight
print(f"the layers read {first.shape[1]} channels and return {last.shape[0]}")
ours = on_sub_images(small.layers, scene, 25 / 255)
print("the library's network, exactly:", torch.equal(ours, small(scene, sigma=25 / 255)))

# %% slideshow={"slide_type": "skip"}
figures.code(FFDNet.forward)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Let them compute: 15 layers of 64, so 13 x 64 x 64 x 9 in the middle, and a quarter of the positions."}
# ### What is saved
#
# A weight of a convolution is used once at every position. The multiplications for each pixel of
# the image are the number of weights, divided by four where the network works on sub-images.


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
def multiplications(network, positions):
    """For each pixel of the image; positions: of a convolution, for each pixel."""
    weights = sum(w.numel() for w in network.parameters() if w.ndim == 4)
    return int(weights * positions)


gray, deep = FFDNet(), DnCNN()
few, many = multiplications(gray, 1 / 4), multiplications(deep, 1)
print(f"FFDNet: {gray.depth} convolutions, {few} multiplications for each pixel")
print(f"DnCNN: {deep.depth} convolutions, {many}, {many / few:.1f} times as many")
print(f"FFDNet sees {gray.receptive_field} x {gray.receptive_field} pixels")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "The times include what is not a convolution, so they need not have the ratio of the multiplications."}
speed = cite("ffdnet-speed")
figures.table(
    {
        "DnCNN, 17 layers of 64": {"milliseconds": speed["dncnn_ms"]},
        "FFDNet, 15 layers of 64": {"milliseconds": speed["ffdnet_ms"]},
    },
    digits=0,
    caption="A gray image of 256 × 256 pixels in float32 on two processor cores.",
    note=speed,
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Note the units in the error message: 25 instead of 25 / 255 is by far the most frequent mistake with these networks."}
# ### What the map may be
#
# One number, a number for each image, or a map as large as the image, of which each block of $2 \times 2$ pixels is
# averaged. Odd sides are made even by repeating the last row or column, and the result is cropped.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
crop = scene[..., :33, :47]
number = small(crop, sigma=25 / 255)
flat_map = small(crop, sigma=torch.full_like(crop, 25 / 255))
print("input of", tuple(crop.shape), "gives output of", tuple(number.shape))
print("a map that is the same everywhere equals the number:", torch.equal(number, flat_map))
try:
    small(crop, sigma=25)
except ValueError as error:
    print(error)

# %% slideshow={"slide_type": "skip"}
figures.code(noise_level_map)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "The live network is tiny; what matters is that one set of weights does all of this. Remind them that FFDNet returns the image itself: it must learn to copy before it can denoise."}
# ## Experiment 1: one network for all levels
#
# We train a tiny FFDNet for a few seconds and score it from 5 to 75, beside the course's trained one (9 layers of 48
# channels). It returns the image itself, so it must first learn to copy. **Predict:** at which level will the tiny network be *below* the noisy image?

# %%
budget = choose(
    smoke=Budget(20, 4, 24), lecture=Budget(600, 8, 48), full=Budget(8000, 64, 70)
)
size = choose(smoke=dict(depth=3, width=8), lecture=dict(depth=6, width=24), full={})
tiny, history = ffdnet.train(train_images, seed=0, budget=budget, network=FFDNet(**size))
tiny, trained = tiny.cpu(), zoo.load(FFDNet, "ffdnet-w48")

# %%
levels = (5, 15, 25, 35, 50, 75)
crops = {name: picture[:, :256, :256] for name, picture in test_images.items()}
denoisers = {
    "noisy": lambda z, sigma=None: z,
    "tiny FFDNet, trained here": tiny,
    "FFDNet": trained,
}
curves = {name: [] for name in denoisers}
for level in levels:
    pairs = data.fixed_pairs(crops, Gaussian(level / 255), seed=0)
    for name, denoiser in denoisers.items():
        curves[name].append(float(score(denoiser, pairs, sigma=level / 255).mean()))

# %% slideshow={"slide_type": "-"}
figures.lines(
    levels,
    curves,
    xlabel="noise level σ (of 255), passed to the network",
    ylabel="PSNR (dB)",
    caption="Crops of the test photographs. Each network has one set of weights for all levels.",
)

# %% slideshow={"slide_type": "fragment"}
noisy_curve, tiny_curve = curves["noisy"], curves["tiny FFDNet, trained here"]
answer(
    f"Only at 5: there it is {noisy_curve[0] - tiny_curve[0]:.1f} dB below the noisy image, while "
    f"at 75 it is {tiny_curve[5] - noisy_curve[5]:.1f} dB above it.",
    holds=tiny_curve[0] < noisy_curve[0]
    and all(tiny_curve[k] > noisy_curve[k] for k in range(1, 6)),
    otherwise=f"At 5 it scores {tiny_curve[0]:.1f} dB and the noisy image {noisy_curve[0]:.1f} dB; "
    f"at 75 {tiny_curve[5]:.1f} and {noisy_curve[5]:.1f} dB.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Which is highest at 15 and which at 75? The paper gives the credit at high noise to the larger receptive field; the table alone does not show the cause."}
maps = cite("ffdnet-maps")  # a small network, three seeds
PAPERS = {
    "BM3D": (31.07, 28.57, 27.08, 25.62, 24.21),
    "WNNM": (31.37, 28.83, 27.30, 25.87, 24.40),
    "DnCNN, one network a level": (31.72, 29.23, 27.69, 26.23, 24.64),
    "FFDNet, 15 layers of 64": (31.63, 29.19, 27.73, 26.29, 24.79),
}
COLUMNS = {"σ = 15": 15, "σ = 25": 25, "σ = 35": 35, "σ = 50": 50, "σ = 75": 75}
figures.table(
    {"FFDNet, 8 layers of 32": maps.row(COLUMNS, "bsd68_{}")}
    | {name: dict(zip(COLUMNS, row, strict=True)) for name, row in PAPERS.items()},
    paper=list(PAPERS),
    caption="PSNR in dB on BSD68. Daggers: Zhang et al. 2018, table III. Our network is small and was trained for a minute or two.",
    note=maps.about("ffdnet-table"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# One row, one set of weights, except for DnCNN. In the paper's rows FFDNet is 0.09 dB below DnCNN at 15 and 0.15 dB above it at 75. The
# paper credits the larger receptive field.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Take predictions. NLM gets every advantage: it is given sigma, and its setting is the best of several on the test images."}
# ## What sub-images gain in a minute
#
# At one level: how good does a network on sub-images get in **6500 steps, about a minute on two processor cores**? (The
# cell below stops after 3000 of them.) The library's `Fast` takes the sub-images and the map from FFDNet and the residual
# from DnCNN, and leaves normalisation and biases out: what a bias would add, the map adds, in proportion to the noise. It
# is trained for $\sigma = 25/255$ only. Non-local means is given $\sigma$ too, with the best of nine settings on these
# test photographs.
#
# **Predict:** where will the network be, compared with non-local means: below, equal, or above, and by how many decibels?

# %%
test_pairs = data.fixed_pairs(test_images, Gaussian(25 / 255), seed=0)
held_out = data.photographs("validation")
held_out = {name: picture[:, 100:260, 100:260] for name, picture in held_out.items()}
validation_pairs = data.fixed_pairs(held_out, Gaussian(25 / 255), seed=0)


def validate(model, progress):
    """The score on photographs that are neither trained on nor tested with."""
    return {
        "PSNR of validation": float(score(model, validation_pairs, sigma=25 / 255).mean())
    }


# %%
fast_budget = choose(
    smoke=Budget(20, 4, 24), lecture=Budget(3000, 6, 48), full=Budget(40_000, 64, 48)
)
fast_network = Fast(**choose(smoke=dict(depth=3, width=8), lecture={}, full={}))
live, fast_history = fast.train(
    train_images,
    sigma=25 / 255,
    seed=0,
    validate=validate,
    budget=fast_budget,
    network=fast_network,
)
fast_score = float(score(live.cpu(), test_pairs, sigma=25 / 255).mean())

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The course's networks at the end are averages over the last weights; that is what is scored."}
figures.history(
    fast_history,
    log=True,
    caption="The training of the fast denoiser: half the mean squared error, and the score on the validation photographs.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "For the ten crops there are numbers only: we may not show those pictures."}
photographs = cite("fast-photographs")
ten_crops = cite("fast-ten-crops")
figures.table(
    {
        "noisy": {"photographs": photographs["noisy"], "ten crops": ten_crops["noisy"]},
        "non-local means, best setting": {
            "photographs": photographs["nlm"],
            "ten crops": ten_crops["nlm"],
        },
        f"fast denoiser, three trainings of {fast.MINUTE.steps} steps": {
            "photographs": photographs["fast"],
            "ten crops": ten_crops["fast"],
        },
        f"fast denoiser, the {fast_budget.steps} steps above": {"photographs": fast_score},
    },
    columns=["photographs", "ten crops"],
    caption="PSNR in dB at σ = 25. Left: photographs not trained on. Right: trained on Train400, ten crops of BSD68 and Set12.",
    note=(photographs, ten_crops),
)

# %% slideshow={"slide_type": "fragment"}
answer(
    photographs.compare("fast", "nlm").sentence(
        "the fast denoiser",
        "non-local means with its best setting",
        what="PSNR on the photographs",
        unit="dB",
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# A quarter of the positions means four times the images in the same minute. The rest of the recipe (its optimiser, small patches
# in small batches, an average over the last weights) stands in `course_lib/denoise/fast.py`.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "The picture from the first slide again, now with a network that knows the level at each pixel. The answer is over test photographs and three trainings."}
# ## Experiment 2: noise that changes over the image
#
# Back to the photograph of the beginning, now with a network that has an input for its noise. **Predict:** how many decibels does
# the right map gain over a uniform map of its mean?

# %%
with torch.inference_mode():
    two_maps = {
        "uniform map": trained(z, sigma=float(ramp.mean())),
        "right map": trained(z, sigma=ramp),
    }
maps = cite("ffdnet-maps")  # a small network, three seeds

# %% slideshow={"slide_type": "-"}
alt = (
    "The map, which grows to the right; the noisy photograph; the result with a uniform map, in which the right side is still "
    "noisy and the left is smoothed; the result with the right map, which is clean everywhere"
)
figures.images(
    {"the map, of 75": ramp * 255 / 75}
    | figures.scored({"noisy": z, **two_maps}, reference=scene),
    columns=4,
    alt=alt,
    caption="One network, two maps: the mean of the map everywhere, and the map itself.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    maps.compare("ramp_uniform_right", "ramp_uniform_mean").sentence(
        "the right map",
        "a uniform map of its mean",
        what="PSNR under ramps from 5 to 40",
        unit="dB",
    )
)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Waves: the level swings once in 64 pixels. The paper's column is one image with noise of another pattern, so only the order of its rows compares."}
WAYS = {
    "noisy": "noisy",
    "uniform map, the mean": "uniform_mean",
    "right map": "uniform_right",
}
figures.table(
    {
        name: {
            "ramp": maps[f"ramp_{key}"],
            "waves": maps[f"waves_{key}"],
            "the source's image": figures.Paper(maps.paper[f"ramp_{key}"]),
        }
        for name, key in WAYS.items()
    },
    caption="PSNR in dB. Ramp and waves: test photographs, levels from 5 to 40, mean of three seeds. Last column: one image of the source, with noise of another pattern.",
    note=maps.about("ffdnet-variant"),
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Let them draw the curves before you show them. Most draw a symmetric curve."}
# ## Experiment 3: the wrong map
#
# The level that you pass may be wrong. The true level is 25. **Predict:** which costs more, to pass 15 or to pass 35, and by how many decibels?

# %% slideshow={"slide_type": "-"}
figures.lines(
    (5, 15, 25, 35, 50, 75),
    maps.lines(
        {f"true level {n}": n for n in (15, 25, 50)},
        (5, 15, 25, 35, 50, 75),
        "true_{}_told_{}",
    ),
    xlabel="level passed to the network (of 255)",
    ylabel="PSNR (dB)",
    mark={"15": 15, "25": 25, "50": 50},
    caption="One network, right and wrong levels. Test photographs, mean of three seeds.",
    note=maps.about("ffdnet-told-too-low", "ffdnet-lopsided"),
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"Passing 15 costs {maps['right_at_25'] - maps['true_25_told_15']:.1f} dB, passing 35 costs "
    f"{maps['right_at_25'] - maps['true_25_told_35']:.1f} dB, and the 95 % interval of the difference is "
    f"{maps.compare('true_25_told_35', 'true_25_told_15').interval[0]:.1f} to "
    f"{maps.compare('true_25_told_35', 'true_25_told_15').interval[1]:.1f} dB (three seeds).",
    holds=maps.compare("true_25_told_35", "true_25_told_15").verdict == "ahead",
    otherwise="Three trainings do not show which of them costs more.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Half the true level against twice the true level: the claim that stands behind the advice."}
# If the level is too low, the network takes the rest of the noise for texture and keeps it. If it is too high, it takes texture for
# noise and smooths it away. That costs less: most of a photograph is smooth anyway. **When in doubt, choose a higher level:**

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        "true level 50, passed 25": {
            "PSNR with the right level": maps["right_at_50"],
            "with the wrong one": maps["true_50_told_25"],
            "loss": maps["right_at_50"] - maps["true_50_told_25"],
        },
        "true level 25, passed 50": {
            "PSNR with the right level": maps["right_at_25"],
            "with the wrong one": maps["true_25_told_50"],
            "loss": maps["right_at_25"] - maps["true_25_told_50"],
        },
    },
    caption="PSNR in dB on the test photographs, mean of three seeds.",
    note=maps.about("ffdnet-told-too-low", "ffdnet-lopsided"),
)

# %%
window = choose(smoke=slice(40, 88), lecture=slice(48, 144), full=slice(0, 192))
piece = scene[..., window, window]
bm3d = BM3D()


# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Noise 25: go down to 5 and up to 75. Compare how the two fail: BM3D's too-high result has patterns, the network's is a smooth painting."}
def with_a_wrong_level(true, passed):
    noisy_piece = Gaussian(true / 255)(piece, generator=generator(0, "told"))
    shown = {"noisy": noisy_piece}
    for name, denoiser in (("FFDNet", trained), ("BM3D", bm3d)):
        with torch.inference_mode():
            shown[name] = denoiser(noisy_piece, sigma=passed / 255)
    return figures.scored(shown, reference=piece)


def what_is_seen(true, passed):
    return f"A detail with noise of level {true}, and the results of FFDNet and BM3D with the level {passed}"


Player(
    render=with_a_wrong_level,
    axes=(
        Axis("true", (15, 25, 50), "True noise level (of 255)", start=1),
        Axis("passed", (5, 15, 25, 35, 50, 75), "Level passed to the methods", start=2),
    ),
    alt=what_is_seen,
    caption="Pass a level that is too low, then one that is too high, and compare how FFDNet and BM3D fail.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "Find the best setting together without looking at the scores, then look. Then paint a low level on the right half: the noise comes back."}
# ## Play: paint the map
#
# The noise has level 15 in the left half and 50 in the right. Find the two levels by eye, then look at the score.

# %%
halves = torch.full((1, 1, 192, 192), 15 / 255)
halves[..., 96:] = 50 / 255
z_halves = Gaussian(halves)(scene, generator=generator(0, "halves"))


# %% slideshow={"slide_type": "-"}
def painted(left, right):
    level = torch.full((1, 1, 192, 192), left / 255)
    level[..., 96:] = right / 255
    with torch.inference_mode():
        estimate = trained(z_halves, sigma=level)
    scores = figures.scored({"noisy": z_halves, "FFDNet": estimate}, reference=scene)
    return {"the map you paint": level * 255 / 75} | scores


def what_is_painted(left, right):
    return (
        f"A map with level {left} in its left half and {right} in its right half, the noisy photograph, whose right "
        "half is noisier, and the result of FFDNet with this map"
    )


Player(
    render=painted,
    axes=(
        Axis("left", (5, 15, 25, 35, 50, 75), "Level on the left half (of 255)", start=3),
        Axis("right", (5, 15, 25, 35, 50, 75), "Level on the right half", start=3),
    ),
    alt=what_is_painted,
    caption="Paint the map: black is 0, white is 75. Each half of the result follows its own slider.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The argument is locality: a network of nine layers sees 38 pixels. Ask when it would fail: maps that change within that distance."}
# ## Did the training need maps that vary?
#
# In training every patch had **one** level: the network never got a map that changes. Why does it work?
#
# The output at pixel $p$ depends on $z$ and $M$ within its receptive field $B_p$ only, and in the same way wherever $p$
# is. If $M$ changes little within $B_p$, then
#
# $$F(z, M; w)(p) \approx F\bigl(z, M(p); w\bigr)(p),$$
#
# and the right hand side has a uniform map, as in training.
#
# **Predict:** how much does a network of the same size gain that is trained as long, but on maps that vary over each patch?

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Three trainings are few: for waves the interval reaches over the limit of the claim, so nothing is said about it."}
TRAININGS = {"trained on uniform maps": "uniform", "trained on maps that vary": "varied"}
figures.bars(
    maps.rows(("ramp", "waves"), TRAININGS, "{}_{}_right"),
    xlabel="PSNR with the right map (dB)",
    base=26,
    caption="Test photographs with levels from 5 to 40. Ramp: from left to right; waves: once up and down in 64 pixels.",
    note=maps.about("ffdnet-uniform-suffices"),
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"Under waves {maps['waves_varied_right'] - maps['waves_uniform_right']:.2f} dB in the mean of three trainings and under a "
    f"ramp {maps['ramp_varied_right'] - maps['ramp_uniform_right']:.2f} dB; neither is shown to be more than zero "
    f"(95 % intervals {maps.compare('waves_varied_right', 'waves_uniform_right').interval[0]:.2f} to "
    f"{maps.compare('waves_varied_right', 'waves_uniform_right').interval[1]:.2f} and "
    f"{maps.compare('ramp_varied_right', 'ramp_uniform_right').interval[0]:.2f} to "
    f"{maps.compare('ramp_varied_right', 'ramp_uniform_right').interval[1]:.2f} dB).",
    holds=maps.compare("waves_varied_right", "waves_uniform_right").verdict == "not shown"
    and maps.compare("ramp_varied_right", "ramp_uniform_right").verdict == "not shown",
    otherwise=maps.compare("waves_varied_right", "waves_uniform_right").sentence(
        "training on maps that vary",
        "training on uniform maps",
        what="PSNR under waves",
        unit="dB",
    ),
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Some sensors read alternate rows with different gains. Ask before: the map is exactly right, so what can go wrong?"}
# ## Break it
#
# Some sensors read alternate rows with different gains. So let stripes of level 10 and of level 40 take turns. You know this map and pass
# exactly it. **Predict:** what does the right map gain over its mean, for stripes one pixel high and for 32?


# %%
def stripes(height, side=128):
    """A map of so many rows with level 10, so many with level 40, and so on."""
    rows = torch.where(torch.arange(side) // height % 2 == 0, 10.0, 40.0) / 255
    return rows.reshape(1, 1, side, 1).expand(1, 1, side, side).clone()


heights = (1, 2, 4, 8, 16, 32)
gains = {name: [] for name in test_images}
for name, picture in test_images.items():
    y = to_float(picture)[..., 90:218, 160:288]
    for height in heights:
        level = stripes(height)
        striped = Gaussian(level)(y, generator=generator(0, "stripes"))
        with torch.inference_mode():
            right = psnr(trained(striped, sigma=level), y)
            mean = psnr(trained(striped, sigma=float(level.mean())), y)
        gains[name].append(float(right - mean))

# %% slideshow={"slide_type": "-"}
figures.lines(
    heights,
    gains,
    xlabel="height of the stripes (pixels)",
    ylabel="gain of the right map (dB)",
    log="x",
    caption="What the right map gains over a uniform map of its mean, on a crop of each test photograph.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"At 32 it gains {min(line[5] for line in gains.values()):.1f} to {max(line[5] for line in gains.values()):.1f} dB on the "
    f"three photographs, at one pixel nothing, and at two it costs "
    f"{-max(line[1] for line in gains.values()):.1f} to {-min(line[1] for line in gains.values()):.1f} dB.",
    holds=all(abs(line[0]) < 0.01 and line[1] < 0 < line[5] for line in gains.values()),
    otherwise="The lines say what it gains on each photograph.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "This is the general lesson: look at the tensor that the network gets, not at the one you made. A map of four channels, one for each sub-image, would keep the rows; the network would have to be trained for it."}
# The map was right, and at one pixel it did nothing. **The probe:** look at the map that the network gets, not at the one that you pass.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
for height in (1, 2, 4):
    passed = 255 * stripes(height)
    arrived = 255 * noise_level_map(striped, sigma=stripes(height))
    ends = f"{arrived.min():.0f} to {arrived.max():.0f}"
    print(f"stripes of {height}: passed 10 and {passed.max():.0f}, arrived {ends}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# One pixel of the map stands for four pixels of the image, so rows of 10 and 40 become 25 everywhere: the price of working on
# sub-images. Stripes of two arrive, but nothing in the training looked like them.
#
# One more limit: the map says how strong the noise is, not of what kind.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - Give the network what you know: here the noise level, as a channel. One set of weights then serves all levels.
# - Sub-images keep every pixel, cost a quarter, and see twice as far.
# - A level that is too low leaves noise and costs much; one that is too high smooths and costs less.
# - Each output pixel depends on its receptive field only. Where the map is nearly uniform there, a network trained on uniform
#   maps can use it.
# - A map that changes faster than the network reads it is averaged away. Look at the map that the network gets.
# - $\sigma$ in the unit of the image: $25/255$, not 25.

# %% slideshow={"slide_type": "slide", "minutes": 1.5, "notes": "Let everyone answer alone first."}
Quiz.parse("""
You pass the level 50 to FFDNet where the noise has level 25. The result is …
- [ ] still noisy, since the level is wrong | That happens when the level is too low. With a
  level that is too high, it removes too much.
- [x] too smooth: texture is taken for noise
- [ ] the same as with 25: it sees the noise | It could see it, but in training the map was
  always right, so it learnt to rely on it.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5, "notes": "Draw the tensor."}
Quiz.parse("""
A gray image becomes four sub-images. How many channels does the first convolution read?
- [ ] 4 | Four sub-images, and the noise level map after them.
- [x] 5
- [ ] 8 | That would be a map for each sub-image. FFDNet has one for all four.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5, "notes": "Ask for the number of pixels that count as a neighbourhood here."}
Quiz.parse("""
Why can a network trained on uniform maps use a map that varies slowly?
- [ ] the map is averaged over the whole image before it is read | Then it could not act
  differently at different places. It is averaged over 2 × 2 pixels only.
- [ ] the patches of the training had noise that varied over them | They had one level each,
  and that is enough.
- [x] an output pixel sees a neighbourhood, where it is nearly uniform
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5, "notes": "Weights and multiplications are different things."}
Quiz.parse("""
FFDNet has nearly as many weights as DnCNN but is several times faster. Why?
- [x] each weight is used at a quarter of the positions
- [ ] its convolutions have smaller kernels | They are 3 × 3 in both networks.
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
# 3. Give it the grainy noise that breaks DnCNN in lecture *dncnn*, with a map of its exact level. Does the map help?
# 4. Make the map of your own camera: photograph a gray wall at several exposures, and fit gain and read noise.
#
# ## Further reading
#
# - K. Zhang, W. Zuo, L. Zhang: *FFDNet: Toward a Fast and Flexible Solution for CNN-Based Image Denoising*, IEEE
#   Transactions on Image Processing 27 (2018). Sections III and IV are this lecture.
# - W. Shi et al.: *Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
#   Network*, CVPR 2016. Where the sub-images come from.
# - S. Mohan, Z. Kadkhodaie, E. Simoncelli, C. Fernandez-Granda: *Robust and Interpretable Blind Image Denoising via
#   Bias-Free Convolutional Neural Networks*, ICLR 2020. Another way to serve all levels: lecture *bias_free*.
