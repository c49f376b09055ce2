# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Ask for the obvious method first; somebody says averaging. Let them choose the width, then show that no width is right."}
# ## No width is right
#
# A photograph was taken in poor light, and every pixel has a random error. The obvious remedy is averaging: over
# $n$ pixels, independent errors of variance $\sigma^2$ shrink to $\sigma^2/n$. So we replace each pixel by the mean of
# the square around it. **Before you run it:** which width would you choose?

# %% slideshow={"slide_type": "-"}
from itertools import pairwise

import numpy as np
import torch
from IPython.display import display
from torch.nn import functional as F

from course_lib import data, figures, noise
from course_lib.claims.cite import cite
from course_lib.data.images import to_float
from course_lib.denoise import straightforward
from course_lib.denoise.bm3d import BM3D
from course_lib.denoise.classical import NonLocalMeans, Wavelet
from course_lib.noise import Gaussian
from course_lib.operators import convolve
from course_lib.profiles import Budget, choose
from course_lib.quality import psnr, ssim
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

sigma = 25 / 255  # images lie in [0, 1]
y = to_float(data.photographs("test")["camera"])[..., 60:252, 140:332]
z = Gaussian(sigma)(y, generator=generator(0, "lecture 08"))


def mean_of_square(z, width):
    """Each pixel becomes the mean of the square of that width around it; the border is mirrored."""
    half = width // 2
    return convolve(
        F.pad(z, (half,) * 4, mode="reflect"), torch.full((width, width), 1 / width**2)
    )


# %% slideshow={"slide_type": "-"}
figures.images(
    {
        "noisy": z,
        "mean of 3 × 3": mean_of_square(z, 3),
        "mean of 7 × 7": mean_of_square(z, 7),
        "mean of 15 × 15": mean_of_square(z, 15),
    },
    reference=y,
    columns=2,
    alt="A man with a camera, four times: with noise all over; averaged over 3 by 3 pixels, still with noise; "
    "over 7 by 7 pixels, smooth in the sky and blurred in the face; over 15 by 15, only shapes are left",
    caption="A wide square is best for the sky; no averaging is best for the eye and the camera.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# A wider square leaves less noise, and fewer details of the man. What is right for the sky is wrong for the eye. Every method of
# this lecture is an answer to one question: **which pixels may be averaged with which?**

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Draw the three boxes z = y + eta. Stress that y is never known outside a simulation."}
# ## The observation model
#
# At each pixel $x$ of the grid $X$ we observe
#
# $$z(x) = y(x) + \eta(x), \qquad x \in X .$$
#
# | letter | is |
# |---|---|
# | $z : X \to \mathbb R$ | the noisy image that we have |
# | $y : X \to \mathbb R$ | the clean image, unknown |
# | $\eta : X \to \mathbb R$ | the noise; to begin with independent at each pixel, $\eta(x) \sim \mathcal N(0, \sigma^2)$ |
# | $\hat y$ | an estimate of $y$: what a denoiser returns |
#
# For a colour image, $z(x)$, $y(x)$ and $\eta(x)$ are in $\mathbb R^3$, and each channel has its own noise.
#
# Denoising is used before other steps (so that they work better), after them (to remove the blocks of a
# compression), and as a part of other methods, where it represents all that we know about images. Lecture *plug_and_play* is
# about the last one.

# %% slideshow={"slide_type": "-"}
cat = to_float(data.photographs("test", channels=3)["chelsea"])[..., 40:280, 90:330]
seen = Gaussian(sigma)(cat, generator=generator(0, "colour"))
figures.images(
    {"z": seen, "y": cat, "η, around middle gray": 0.5 + (seen - cat)},
    columns=3,
    alt="A cat's face with colourful noise, the same without, and the noise alone: coloured specks that show "
    "nothing of the cat",
    caption="z = y + η in colour, at σ = 25/255. The noise of red says nothing about that of green.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Ten decibels are a factor of ten in the mean squared error. Let them compute the PSNR of the noise alone: 20 log10(255/25) = 20.17."}
# ## How good is an estimate?
#
# If we have the clean image, we can measure the error. Its usual form is the *peak signal-to-noise ratio*,
#
# $$\text{PSNR}(\hat y, y) = 10 \log_{10} \frac{1}{\text{MSE}} \text{ dB}, \qquad
# \text{MSE} = \frac{1}{|X|} \sum_{x \in X} \bigl(\hat y(x) - y(x)\bigr)^2 ,$$
#
# where 1 is the largest value that a pixel can have. A set of images is scored by the mean of its images' PSNR.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
gray = torch.full((1, 1, 16, 16), 0.5, dtype=torch.float64)
for error in (0.1, 0.05, 0.01):
    print(f"an error of {error} everywhere: {psnr(gray + error, gray).item():.2f} dB")
print(
    f"half the error gains {20 * np.log10(2):.2f} dB, a tenth of it {20 * np.log10(10):.0f} dB"
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Have them rank the four by eye before the numbers appear. By eye, they are not equal."}
# **Predict:** here are four estimates. Which one has the worst PSNR?

# %% slideshow={"slide_type": "-"}
scene = 0.15 + 0.7 * y  # room for errors: nothing is clipped
errors = {
    "brighter": torch.ones_like(scene),
    "more contrast": scene - scene.mean(),
    "noisy": torch.randn(scene.shape, generator=generator(0, "equal PSNR")),
    "blurred": mean_of_square(scene, 15) - scene,
}
wrong = {
    name: scene + 0.08 * error / error.square().mean().sqrt()
    for name, error in errors.items()
}
display(
    figures.images(
        wrong,
        columns=4,
        alt="The man with the camera four times: a little brighter, with more contrast, with noise, and "
        "blurred. The first two look good, the last two bad",
    )
)
figures.table(
    {
        name: {
            "PSNR (dB)": psnr(picture, scene).item(),
            "SSIM": ssim(picture, scene).item(),
        }
        for name, picture in wrong.items()
    },
    caption="The same four, measured.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# All four have the same squared error, so PSNR cannot distinguish them, while you can. SSIM (Wang et al. 2004)
# compares local means, spreads and correlations in a small window, so a shift of all grays costs little. SSIM has
# weaknesses of its own. Report both, and look at the pictures. One more trap: papers differ in how they score (clipped or
# not, rounded to 8 bits, borders left out, one logarithm or one for each image). Compare only numbers of one protocol.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "notes": "Go through the table row by row and ask where each occurs. The column to look at is the variance: does it depend on y?"}
# ## Where noise comes from
#
# Most methods assume white Gaussian noise of one level; cameras make other noise. In `course_lib.noise` each
# of these is a small class that turns $y$ into $z$ and, where there is a law, knows its variance.
#
# | noise | $z$ | $\mathbb E[z]$ | $\text{Var}[z]$ | occurs |
# |---|---|---|---|---|
# | Gaussian | $y + \sigma n$ | $y$ | $\sigma^2$ | electronics; the sum of many small causes |
# | spatially variant | $y + \sigma(x)\, n$ | $y$ | $\sigma(x)^2$ | parallel MRI, a warm corner of a sensor |
# | Poisson | $K/p$, $K \sim \text{Poisson}(p\, y)$ | $y$ | $y/p$ | counting photons, $p$ at a white pixel |
# | Poisson-Gaussian | $a K + \sigma n$, $K \sim \text{Poisson}(y/a)$ | $y$ | $a y + \sigma^2$ | every raw sensor |
# | correlated | $y + \sigma\, (k * n)/\lVert k \rVert$ | $y$ | $\sigma^2$ | interpolation, resizing, some scanners |
# | impulse | $y$, or 0, or 1 | $(1-p)y + p/2$ | see code | dead pixels, lost bits |
# | Bernoulli | $b\, y$, $b \in \{0, 1\}$ | $q\, y$ | $q(1-q)\,y^2$ | dropped pixels, $q$ of them seen |
# | camera | JPEG(gamma(mosaic($y^\gamma + n$))) | | of $n$: $s\, y^\gamma + c^2$ | phones and cameras |
#
# $n$ is white with variance 1; $*$ is a convolution, $(k * n)(x) = \sum_q k(q)\, n(x - q)$. The bottom rows
# are not even right on average: where $\mathbb E[z] \ne y$, more averaging does not help.

# %% slideshow={"slide_type": "-"}
figures.code(noise.PoissonGaussian.__call__, noise.PoissonGaussian.variance)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
half = torch.full((1, 1, 32, 32), 0.5, dtype=torch.float64)
photons = noise.Poisson(peak=10)(half, generator=generator(0, "photons")) * 10
print("photons come whole:", torch.equal(photons, photons.round()))
print(
    "variance of Poisson noise at y = 0.5, peak 10:",
    noise.Poisson(peak=10).variance(half)[0, 0, 0, 0].item(),
)
print(
    "seeing half of the pixels, y = 0.5 becomes on average:",
    noise.Bernoulli(keep=0.5).mean(half)[0, 0, 0, 0].item(),
)
print(
    "grain through a 1 x 2 mean, neighbours correlate by:",
    noise.Correlated(0.1, torch.ones(1, 2)).autocorrelation()[0, 0].item(),
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The gray ramp is the lab's way to characterise a camera: photograph a ramp many times, plot variance against mean."}
# ### Experiment 1: read the law off a gray ramp
#
# We photograph a ramp from black to white and plot the variance of the noise against the brightness. **What shape** do
# you expect for Gaussian noise, for photons, and for a sensor that counts photons (gain 0.02) and has read noise
# ($\sigma = 0.05$)?

# %% slideshow={"slide_type": "-"}
ramp = (
    torch.linspace(0, 1, 11)
    .reshape(1, 1, 11, 1)
    .expand(1, 1, 11, choose(smoke=2000, lecture=20_000, full=100_000))
)
laws = {
    "Gaussian, σ = 0.1": Gaussian(0.1),
    "photons, peak 50": noise.Poisson(peak=50),
    "sensor: both": noise.PoissonGaussian(gain=0.02, sigma=0.05),
}
brightness = ramp[0, 0, :, 0]
curves = {
    name: (model(ramp, generator=generator(0, "ramp")) - ramp).var(dim=(0, 1, 3))
    for name, model in laws.items()
}
for name, model in laws.items():
    off = (curves[name] - model.variance(ramp)[0, 0, :, 0]).abs().max().item()
    print(f"{name}: the law is missed by at most {off:.5f}")
figures.lines(
    brightness,
    curves,
    xlabel="brightness y",
    ylabel="variance of the noise",
    caption="Measured. A flat line, a line through the origin, and a line with both slope and offset.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Light fluctuates more where there is more of it, but *less in proportion*: at brightness $y$ the signal is $y$ and the
# deviation $\sqrt{y/p}$. So the dark parts of a picture suffer most, although their variance is the smallest.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Give them two minutes alone with it. Then: which models are flat in the third panel, and which have more than one red square in the fourth?"}
# ## Play: what noise looks like
#
# Choose a model and a level. The second panel shows how often the noise takes each value, the third how strong it is at
# each brightness, the fourth how much a pixel's noise agrees with that of its neighbours: red for equal signs, blue
# for opposite ones, white for independence.


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
def histogram(eta):
    def plot(axes):
        axes.tick_params(labelsize=8)
        axes.hist(
            eta.flatten().clamp(-0.6, 0.6).numpy(),
            bins=61,
            range=(-0.61, 0.61),
            color="#0072B2",
        )
        axes.set_xlim(-0.62, 0.62)
        axes.set_xticks([-0.5, 0, 0.5])
        axes.set_yticks([])
        axes.set_xlabel("noise z − y", fontsize=9)

    return figures.panel(plot, (1.76, 1.76), dpi=125)


def strength(eta, y):
    edges = torch.linspace(0, 1, 13)
    bins = [
        (eta[(y >= low) & (y < high)], (low + high) / 2) for low, high in pairwise(edges)
    ]
    points = [
        (float(middle), float(part.std())) for part, middle in bins if part.numel() > 150
    ]

    def plot(axes):
        axes.tick_params(labelsize=8)
        axes.plot(*zip(*points, strict=True), "o-", color="#D55E00", markersize=3)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1])
        axes.set_ylim(0, 0.5)
        axes.set_yticks([0, 0.25, 0.5])
        axes.set_xlabel("brightness y", fontsize=9)
        axes.set_ylabel("deviation", fontsize=9)

    return figures.panel(plot, (1.76, 1.76), dpi=125)


def agreement(eta, reach=5):
    """The correlation of the noise with itself, up to five pixels away, as a red and blue map."""
    eta = (eta - eta.mean()) / eta.std()
    height, width = eta.shape[-2:]
    middle = eta[..., reach:-reach, reach:-reach]
    table = torch.tensor(
        [
            [
                (
                    middle * eta[..., i : height - 2 * reach + i, j : width - 2 * reach + j]
                ).mean()
                for j in range(2 * reach + 1)
            ]
            for i in range(2 * reach + 1)
        ]
    ).clamp(-1, 1)
    red, blue = 1 - 0.8 * (-table).clamp(min=0), 1 - 0.8 * table.clamp(min=0)
    shown = torch.stack([red, torch.minimum(red, blue), blue])  # white at zero
    return F.pad(
        shown.repeat_interleave(20, dim=1).repeat_interleave(20, dim=2)[:, 2:-2, 2:-2],
        (2,) * 4,
        value=0.7,
    )


explored = to_float(data.photographs("test")["camera"])[..., 40:296, 110:366]
left_to_right = torch.linspace(0, 1, 256).reshape(1, 1, 1, 256)
disc = (
    torch.linspace(-1, 1, 5)[:, None] ** 2 + torch.linspace(-1, 1, 5)[None, :] ** 2 < 1.2
).float()
MODELS = {  # each takes a level from 1 to 4
    "Gaussian": lambda level: (Gaussian(level * 15 / 255), f"σ = {level * 15}/255"),
    "uneven Gaussian": lambda level: (
        Gaussian(left_to_right * level * 30 / 255),
        f"σ from 0 to {level * 30}/255",
    ),
    "photons": lambda level: (
        noise.Poisson(peak=160 / 4 ** (level - 1)),
        f"peak {160 / 4 ** (level - 1):g}",
    ),
    "sensor": lambda level: (
        noise.PoissonGaussian(0.01 * level, 0.03 * level),
        f"gain {0.01 * level:g}, σ = {0.03 * level:g}",
    ),
    "grain": lambda level: (
        noise.Correlated(level * 15 / 255, disc),
        f"σ = {level * 15}/255",
    ),
    "salt and pepper": lambda level: (noise.Impulse(0.05 * level), f"{5 * level} % lost"),
    "dropped pixels": lambda level: (
        noise.Bernoulli(1 - 0.15 * level),
        f"{15 * level} % dropped",
    ),
    "printed text": lambda level: (
        noise.TextOverlay(0.08 * level),
        f"{8 * level} % covered",
    ),
    "camera": lambda level: (
        noise.Camera(signal=0.015 * level, read=0.015 * level, quality=80),
        f"s = {0.015 * level:g}, c = {0.015 * level:g}",
    ),
    "rain": lambda level: (
        noise.Rain(density=0.002 * level),
        f"{2 * level} drops in 1000 pixels",
    ),
}


def explore(model, level):
    forward, setting = MODELS[model](level)
    z = forward(explored, generator=generator(0, "explorer"))
    eta = z - explored
    return {
        f"{model}, {setting}": z[..., 16:236, 20:240].clamp(0, 1),
        "how often": histogram(eta),
        "how strong": strength(eta, explored),
        "neighbours": agreement(eta),
    }


Player(
    render=explore,
    axes=(
        Axis("model", tuple(MODELS), "Noise model"),
        Axis(
            "level",
            choose(smoke=(1, 4), lecture=(1, 2, 3, 4), full=(1, 2, 3, 4)),
            "Level",
            start=1,
        ),
    ),
    alt=lambda model, level: (
        f"A photograph with noise of the model {model} at level {level} of 4, the histogram of "
        "the noise, its strength against the brightness, and its correlation with neighbours"
    ),
    caption="Which models are flat in the third panel? Which have neighbours that agree?",
    encoding="webp",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "notes": "One sentence each: few large coefficients; similar patches; similar patches with few large coefficients. BM3D combines the other two."}
# ## Three answers without learning
#
# **Wavelets: average where the image is smooth.** An orthonormal transform $T$ turns white noise into white noise, of
# the same variance in every coefficient; an image becomes few large coefficients and many that are nearly zero. So
# shrink them all by a threshold $t$, which sets the small ones to zero: $\hat y = T^{-1} S_t(T z)$ with
# $S_t(c) = \text{sign}(c) \max(0, |c| - t)$. The rule of BayesShrink (Chang, Yu, Vetterli 2000) is
# $t = \sigma^2/\sigma_y$ in each band, where $\sigma_y^2$ is what the image contributes.
#
# **Non-local means: average what looks alike** (Buades, Coll, Morel 2005). Wherever they are, two pixels whose
# surrounding patches agree probably show the same thing: $\hat y(x) = \sum_q w(x, q)\, z(q) / \sum_q w(x, q)$ with
# $w(x, q) = \exp\bigl(-\max(0, d^2(x, q) - 2\sigma^2)/h^2\bigr)$, where $d^2$ is the mean squared difference of the
# patches. Two noisy copies of one patch differ by $2 \sigma^2$, which is why this is subtracted.
#
# **BM3D: both** (Dabov, Foi, Katkovnik, Egiazarian 2007). Stack similar patches into a block and transform the block in
# three dimensions: what the patches share becomes a handful of large coefficients. First threshold them; then, with
# that first result as a guide, shrink each coefficient $c$ by $|c_1|^2 / (|c_1|^2 + \sigma^2)$, where $c_1$ is the
# same coefficient of the guide.

# %% slideshow={"slide_type": "-"}
figures.code(Wavelet.__call__)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
from course_lib.denoise.classical import forward as transform
from course_lib.denoise.classical import inverse

white = torch.randn(
    1, 1, 64, 64, generator=generator(0, "orthonormal"), dtype=torch.float64
)
smooth, details = transform(white)
energy = (smooth**2).sum() + (details**2).sum()
print("the transform keeps the energy of noise:", torch.allclose(energy, (white**2).sum()))
print("and loses nothing:", torch.allclose(inverse(smooth, details), white))
print("coefficients out of", white.numel(), "pixels:", smooth.numel() + details.numel())

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Look at what was removed: outlines in what was removed are outlines missing from the estimate."}
wavelet, nlm, bm3d = Wavelet(), NonLocalMeans(), BM3D()
with torch.inference_mode():
    estimates = {
        "wavelet": wavelet(z, sigma=sigma),
        "non-local means": nlm(z, sigma=sigma),
        "BM3D": bm3d(z, sigma=sigma),
    }
removed = {
    f"taken by {name}": mean_of_square(z - estimate, 5)
    for name, estimate in estimates.items()
}
display(
    figures.images(
        estimates,
        reference=y,
        columns=3,
        zoom=(70, 80, 48),
        alt="The man with the camera after three filters: wavelet shrinkage leaves ripples, non-local means "
        "is smooth but loses texture, BM3D is the sharpest",
        caption="What each method leaves, at σ = 25/255.",
    )
)
figures.images(
    removed,
    signed=list(removed),
    columns=3,
    alt="What each filter removed, smoothed: faint outlines of head and collar for wavelets, blotches and lines "
    "where hair and coat have texture for non-local means, the least for BM3D",
    caption="What each method took away, z − ŷ, averaged over 5 × 5 pixels so that pure noise nearly vanishes. "
    "Outlines and texture that you see here are missing from the estimate.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The last column is colour: filtering red, green and blue separately ignores that they agree."}
known, ranks = cite("bm3d-benchmark"), cite("bm3d-against-wnnm")
middles = {
    peer: np.mean([ranks[name] for name in ranks.metrics if name.startswith(peer)])
    for peer in ("bm3d", "wnnm")
}
methods = {
    "wavelet shrinkage": "wavelet",
    "non-local means": "nlm",
    "BM3D, first stage only": "first_stage",
    "BM3D": "bm3d",
}
columns = {"photographs": "photographs", "BSD68": "bsd68"}
rows = known.rows(methods, columns, "{1}_{0}")
rows["BM3D"] |= {"Set12, middles": middles["bm3d"], "CBSD68": known["cbsd68_together"]}
rows["BM3D, each colour alone"] = {"CBSD68": known["cbsd68_alone"]}
rows["BM3D, published"] = {"BSD68": figures.Paper(28.57), "CBSD68": figures.Paper(30.71)}
rows["WNNM"] = {"Set12, middles": middles["wnnm"]}
rows["WNNM, published"] = {"BSD68": figures.Paper(28.83)}
figures.table(
    rows,
    columns=[*columns, "Set12, middles", "CBSD68"],
    caption="PSNR in dB at σ = 25/255. Photographs: their central parts. CBSD68: the first eight images. Daggers: "
    "Zhang et al. 2017 and 2018, on the whole sets.",
    note=[known, ranks],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# WNNM (Gu et al. 2014) takes the same groups as BM3D, makes each one a matrix and shrinks its singular values, the small
# ones most. It was the best that one could do without training, and takes some ten times as long.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Ask for both ends of the curve before running it: sigma of zero, and a sigma far too high."}
# ## Experiment 2: give them a wrong σ
#
# All three have $\sigma$ as an argument. The noise has $\sigma = 25$; we pass another value. **Predict** both ends:
# what happens when this value is far too low, and what when it is far too high? Which side is safer?

# %% slideshow={"slide_type": "-"}
told = (5, 10, 15, 20, 25, 30, 40, 50, 75)
cut = choose(smoke=96, lecture=192, full=192)
small_z, small_y = z[..., :cut, :cut], y[..., :cut, :cut]
with torch.inference_mode():
    wrong_sigma = {
        name: [psnr(method(small_z, sigma=level / 255), small_y).item() for level in told]
        for name, method in (("wavelet", wavelet), ("non-local means", nlm), ("BM3D", bm3d))
    }
figures.lines(
    told,
    wrong_sigma,
    xlabel="σ passed to the method (of 255)",
    ylabel="PSNR (dB)",
    mark={"true σ": 25},
    caption="One image with σ = 25/255. The left side falls to the PSNR of the noisy image.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# If $\sigma$ is too low, a filter takes noise for detail and leaves it: the score falls at once to that of the noisy image.
# If it is too high, the filter takes detail for noise: the score falls slowly, and the picture looks like plastic. When
# you are not sure, choose a higher $\sigma$. Lecture *ffdnet* draws the same curve for a network with $\sigma$ as an input.

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The same curve for three photographs, gray and colour. Ask what an error by a factor of two costs in either direction."}
hill = cite("bm3d-told")
grid = (5, 10, 15, 25, 30, 40, 50, 75)
figures.lines(
    grid,
    hill.lines({"BM3D, gray": "gray", "BM3D, colour": "colour"}, grid, "{}_told_{}"),
    xlabel="σ passed to BM3D (of 255)",
    ylabel="PSNR (dB)",
    mark={"true σ": 25},
    caption="Central parts of the test photographs, mean over three samples of the noise.",
    note=hill,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "The straightforward solution of the source: same input and output size, like a segmentation network. Only the forward model is specific to the task."}
# ## The straightforward network
#
# We need no model of images if a network can learn one. Take any network whose output is as large as its
# input, and train it on pairs. The way from $y$ to $z$, the **forward model**, is given by physics and easy to compute; the
# way back is ill-posed and unknown. So compute the easy direction as often as you like and learn the other:
#
# $$w^\star = \arg\min_w \sum_i \bigl\lVert f(z_i; w) - y_i \bigr\rVert^2, \qquad z_i = \text{forward}(y_i).$$
#
# The clean $y_i$ are photographs. The training set is as large as we like, since every patch gets new noise each time
# it is used. This is the whole code:

# %% slideshow={"slide_type": "-"}
figures.code(straightforward.step, straightforward.train)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
network = straightforward.network()
print("weights and biases:", sum(weight.numel() for weight in network.parameters()))
print(
    "an estimated pixel depends on",
    network.receptive_field,
    "x",
    network.receptive_field,
    "pixels of z",
)
print("output as large as the input:", network(z).shape == z.shape)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Take bets, with reasons. The network sees eleven pixels, non-local means a much larger neighbourhood."}
# ### Experiment 3: half a minute of training
#
# Five convolutions, trained for half a minute on eight photographs. It sees 11 × 11 pixels, and non-local means looks
# at 25 × 25. **Where will it end:** below wavelets, between the filters, or above all of them?

# %% slideshow={"slide_type": "-"}
budget = choose(
    smoke=Budget(10, 4, 24), lecture=Budget(600, 16, 36), full=Budget(20_000, 64, 48)
)
train_images = data.photographs("train")


def trained(forward):
    """The same network, the same photographs, the same steps; only the forward model differs."""
    model, history = straightforward.train(
        train_images, forward=forward, budget=budget, seed=0
    )
    return model.cpu(), history


denoiser, history = trained(Gaussian(sigma))
figures.history(history, log="y", caption="The loss: mean squared error of the estimate.")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
side = choose(smoke=64, lecture=256, full=256)
windows = {
    name: picture[:, 20 : 20 + side, 100 : 100 + side]
    for name, picture in data.photographs("test").items()
}
pairs = data.fixed_pairs(windows, Gaussian(sigma), seed=0)
peers = {
    "noisy": lambda z, sigma=None: z,
    "mean of 3 × 3": lambda z, sigma=None: mean_of_square(z, 3),
    "wavelet shrinkage": wavelet,
    "non-local means": nlm,
    "BM3D": bm3d,
    "the network": denoiser,
}
rows = {}
for name, method in peers.items():
    with torch.inference_mode():
        found = [(method(noisy, sigma=sigma), clean) for noisy, clean in pairs]
    scores, similar = (
        torch.cat([measure(*pair) for pair in found]) for measure in (psnr, ssim)
    )
    rows[name] = dict(zip(windows, scores.tolist(), strict=True)) | {
        "mean": scores.mean().item(),
        "SSIM": similar.mean().item(),
    }
figures.table(
    rows,
    best="max",
    caption="PSNR in dB on windows of 256 × 256 of photographs that were not trained on, σ = 25/255; "
    "mean SSIM in the last column.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# After half a minute a network that sees 11 × 11 pixels is close to filters that took years of research. BM3D
# stays ahead, most of all on the bricks, where similar patches are everywhere. Lecture *dncnn* closes the gap.

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Set sigma to half and to double of the true value; then look at the right picture only: how much of the man is in it?"}
corner = choose(smoke=64, lecture=160, full=160)
stage = y[..., 10 : 10 + corner, 20 : 20 + corner]
FACTORS = {"half of it": 0.5, "the truth": 1.0, "twice as much": 2.0}


def compare(method, level, told):
    z = Gaussian(level / 255)(stage, generator=generator(0, "comparison"))
    with torch.inference_mode():
        estimate = peers[method](z, sigma=FACTORS[told] * level / 255)
    scored = figures.scored({"noisy": z, method: estimate}, reference=stage)
    return scored | {"removed, twice as strong": (0.5 + 2 * (z - estimate)).clamp(0, 1)}


Player(
    render=compare,
    axes=(
        Axis("method", tuple(peers)[1:], "Method", start=3),
        Axis("level", (10, 25, 50), "Noise level (of 255)", start=1),
        Axis("told", tuple(FACTORS), "σ passed to the method", start=1),
    ),
    alt=lambda method, level, told: (
        f"A photograph with noise of level {level}, after {method} (σ passed to it: {told}), "
        "and what was removed"
    ),
    caption="The mean and the network do not use σ: their results stay the same.",
    encoding="webp",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "notes": "Vote first. Then one speaker for each of the three answers, one minute each."}
# ## Supervised, unsupervised, or self-supervised?
#
# What kind of learning was this? **Vote before you read on.**
#
# | one may say | because | but |
# |---|---|---|
# | *supervised* | the loss compares with the right answer $y$, pixel by pixel, as in any regression | no labels were made by hand |
# | *unsupervised* | no annotation was needed, only many images | there is a target, and it is not the input |
# | *self-supervised* | the pairs were made by the data and a random number generator, as in a pretext task | a pretext task is thrown away; here the task *is* the goal |
#
# The loss is the supervised one, and the targets need no work. The word matters less than the assumptions behind it:
# **we had clean images**, and we knew how they are damaged. Without clean images, as in microscopy or astronomy
# or at night, the loss cannot be computed. Part D trains without them: there the target is made from noisy images
# alone. Part E drops the second assumption too.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The only line that changes is the forward model. Ask for further examples: deblocking, deblurring, super-resolution, in-painting, colourising."}
# ## Other forward models
#
# Nothing in the recipe says *noise*. If we can compute the damage, we can learn to undo it: deblocking, deblurring,
# super-resolution, in-painting, **de-raining**, **enhancement**. Rain, for instance, adds bright streaks along one
# direction:
#
# $$z = y + k * s ,$$
#
# where $s$ holds the drops at random places and $k$ is the streak that each of them draws. A picture taken with too
# little light is $z = aK + \sigma n$ with $K \sim \text{Poisson}(e\,y/a)$: the exposure $e$ is a fifth, so photons are
# missing, and the read noise stays. Two trainings, one line each:

# %% slideshow={"slide_type": "-"}
rain, dark = noise.Rain(), noise.LowLight(exposure=0.2)
derainer, _ = trained(rain)
enhancer, _ = trained(dark)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Also compare with the obvious remedy: multiplying the dark picture by five. It multiplies the noise by five too."}
# **Predict:** which of the two is harder? And would it not be enough to multiply the dark picture by five?

# %% slideshow={"slide_type": "-"}
face = to_float(data.photographs("test")["chelsea"])[..., 40:280, 90:330]
wet, night = (model(face, generator=generator(0, "one more")) for model in (rain, dark))
with torch.inference_mode():
    dry, day = derainer(wet), enhancer(night)
figures.images(
    {
        "rain": wet,
        "rain, restored": dry,
        "dark": night,
        "dark, times five": 5 * night,
        "dark, restored": day,
        "clean": face,
    },
    reference=face,
    columns=3,
    alt="A cat's face: behind streaks of rain and without them; nearly black, brightened by a factor of five "
    "with much noise, and brightened by the network, nearly clean",
    caption="One recipe, one network, two more forward models. The cat was in no training set.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "This is the slide to remember: a network undoes what was simulated. The next cells test it on a camera."}
# ## Break it
#
# The network has learnt from its training pairs only: *damage like that of the forward model, on images like those of the
# training set*. How much does it matter that the model is right? Four networks, trained on four forward models, each given the
# damage of all four. The fourth is a camera: signal-dependent noise in linear light, gamma, JPEG. **Predict** the
# diagonal, and then the row of the network that was trained on white noise.

# %% slideshow={"slide_type": "-"}
grid = cite("straightforward-forward-models")
names = {"white noise": "noise", "rain": "rain", "low light": "dark", "camera": "camera"}
here = {f"trained on {name}": key for name, key in names.items()}
there = {f"on {name}": key for name, key in names.items()}
figures.table(
    {"given": grid.row(there, "given_{}")} | grid.rows(here, there, "{}_on_{}"),
    best="max",
    caption="PSNR in dB on the test photographs, mean over three trainings.",
    note=grid.about("straightforward-own-model", "straightforward-camera"),
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "notes": "The camera's noise is strong in the shadows after the gamma curve. The white-noise network was trained on the same strength everywhere."}
# The network for rain does not remove noise, and the one for low light makes everything else worse: such errors are easy to
# see. The error of the white-noise network on *camera* is hard to see. The damage looks like noise, the network removes
# most of it, and on its own test set, which was made by the same wrong model, it *scores well*. Yet it is
# clearly behind the network that was trained with the right model.

# %% slideshow={"slide_type": "-"}
camera = noise.Camera(signal=0.03, read=0.03)
photographer, _ = trained(camera)
shot = camera(y, generator=generator(0, "camera"))
with torch.inference_mode():
    found = {
        "trained on white noise": denoiser(shot),
        "trained on the camera": photographer(shot),
    }
figures.images(
    {"from the camera": shot} | found,
    reference=y,
    columns=3,
    zoom=(92, 62, 48),
    alt="A picture from the simulated camera with strong noise in the dark places; the network trained on white "
    "noise leaves dark flecks in hair and cheek, the one trained on the camera does not",
    caption="The gamma curve makes noise strong in the dark: look for flecks in the hair, the cheek and the coat.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The probe uses z, the estimate and the assumed model only. Try it on your own camera."}
# **The probe** needs no clean image, only $z$, $\hat y$ and the forward model that you assume. Take $\hat y$ for a
# clean image, damage it by your forward model, and denoise it again. If the model is right, as much is removed the
# second time as the first, at every brightness. So plot the ratio of the two: it should be 1 everywhere.

# %% slideshow={"slide_type": "-"}
edges = torch.linspace(0.05, 0.95, 10)


def removed_by_brightness(z, estimate):
    """Deviation of what was removed, at each brightness of the estimate; not a number where there are few pixels."""
    inside = [(estimate >= low) & (estimate < high) for low, high in pairwise(edges)]
    return torch.tensor(
        [(z - estimate)[mask].std() if mask.sum() > 100 else torch.nan for mask in inside]
    )


def probe(z, *, believed):
    with torch.inference_mode():
        estimate = denoiser(z)
        again = believed(estimate.clamp(0, 1), generator=generator(0, "probe"))
        return removed_by_brightness(z, estimate) / removed_by_brightness(
            again, denoiser(again)
        )


counted = noise.Poisson(peak=50)(y, generator=generator(0, "counted"))
figures.lines(
    (edges[:-1] + edges[1:]) / 2,
    {
        name: probe(seen, believed=Gaussian(sigma))
        for name, seen in (("white noise", z), ("camera", shot), ("photons", counted))
    },
    xlabel="brightness of the estimate",
    ylabel="removed, relative to the simulation",
    caption="The network trained on white noise; the assumed model is white noise at σ = 25/255. Where that "
    "is true the line is flat. The camera's noise is stronger in the dark, that of photons in the light.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "Go round: one sentence each."}
# ## What to remember
#
# - Denoising asks which pixels may be averaged with which. Wavelets, patches, groups of patches and networks
#   give different answers.
# - PSNR is a squared error on a logarithmic scale. It does not measure what you see; compare it within one protocol only.
# - Noise has a law. Photons: $\text{Var} = y/p$. A sensor: $\text{Var} = a y + \sigma^2$. Interpolation and compression
#   make neighbours agree.
# - A $\sigma$ that is too low leaves noise; one that is too high costs detail, more slowly.
# - With clean images and a forward model, one recipe learns to undo anything that can be simulated, and only that.
# - What was removed, $z - \hat y$, needs no ground truth. Look at it, and compare it with what a simulation on $\hat y$
#   loses.

# %% slideshow={"slide_type": "slide", "minutes": 5, "notes": "Let everyone answer alone first."}
Quiz.parse("""
An estimate has an error of exactly 0.1 at every pixel. Its PSNR is …
- [x] 20 dB | The mean squared error is 0.01, and 10 log₁₀(1 / 0.01) = 20.
- [ ] 10 dB | That takes the error itself for its square: 10 log₁₀(1 / 0.1).
- [ ] it depends on the image | Only the error enters, and the largest possible value, which
  is 1.

The number of photons at every pixel becomes four times as large. The noise, relative to the
signal, is …
- [x] half as strong | Var[z] = y / p: the deviation falls with the root of the photons.
- [ ] a quarter as strong | That is what the variance does; the deviation is its root.
- [ ] the same | The number of photons fluctuates more, but less in proportion to their
  number.

You do not know σ and have to pass a value to BM3D. You had better guess …
- [x] a little too high | Too high costs detail slowly; too low leaves noise at once.
- [ ] a little too low | Then noise is taken for detail. The left side of the curve falls
  faster.
- [ ] zero, so that it finds out itself | With σ = 0, it returns the noisy image.

Training a denoiser on clean images with simulated noise is called supervised because …
- [x] the loss compares with a known right answer
- [ ] people labelled the images | No labels were made: the clean image is the target.
- [ ] it has a pretext task | A pretext task is a means to something else. Here denoising is
  the goal itself.

Your network scores 31 dB on simulated noise, and on your camera's pictures it leaves
blotches in the shadows. Most likely …
- [x] the simulated noise had another law than the camera's
- [ ] it was not trained long enough | Its score on its own forward model says that it was.
- [ ] the PSNR was computed wrongly | It is right, for the noise that was simulated.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/09_denoising.ipynb): PSNR, the noise of a
# sensor, and a transform that makes the noise of photons the same everywhere. Each is checked at once, and the
# message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Give `trained` a `noise.TextOverlay(0.15)`. The noise is not centred. Does it matter if there are clean images?
# 2. Train on `Gaussian((0, 50 / 255))`, a random level for each patch, and repeat experiment 2's curve with the
#    level of the noise on the horizontal axis.
# 3. Take ten pictures of a gray wall with your phone and plot variance against mean. Which row of the table is your
#    phone?
#
# ## Further reading
#
# - M. Lebrun, A. Buades, J.-M. Morel and others, articles on denoising in *Image Processing On Line*: code and demos of
#   the classical methods.
# - K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian: *Image Denoising by Sparse 3-D Transform-Domain Collaborative
#   Filtering*, IEEE TIP 2007.
# - A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian: *Practical Poissonian-Gaussian Noise Modeling and Fitting for
#   Single-Image Raw-Data*, IEEE TIP 2008.
# - Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli: *Image Quality Assessment: From Error Visibility to Structural
#   Similarity*, IEEE TIP 2004.
# - S. Guo, Z. Yan, K. Zhang, W. Zuo, L. Zhang: *Toward Convolutional Blind Denoising of Real Photographs*, CVPR 2019.
#   Where the camera model comes from.
