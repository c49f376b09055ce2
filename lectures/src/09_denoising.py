# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Ask for the obvious method first; somebody says averaging. Let them choose the width. Stress that y is never known outside a simulation."}
# ## No width is right
#
# A photograph was taken in poor light. At each pixel $x$ of the grid $X$ we observe
#
# $$z(x) = y(x) + \eta(x), \qquad \eta(x) \sim \mathcal N(0, \sigma^2), \qquad x \in X,$$
#
# a random error $\eta$ added to the clean image $y$, which we do not know. The obvious remedy is averaging: over $m$
# pixels, independent errors of variance $\sigma^2$ shrink to $\sigma^2/m$. So we replace each pixel by the mean of the
# square around it.
#
# **Predict:** 3, 7 or 15 pixels: which width leaves the smallest error in the sky, and which in the face?

# %% slideshow={"slide_type": "-"}
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from course_lib import data, figures, noise
from course_lib.claims.answers import answer
from course_lib.claims.cite import cite
from course_lib.data.images import to_float
from course_lib.denoise import bm3d as library_bm3d
from course_lib.denoise import grouping, straightforward
from course_lib.denoise.bm3d import BM3D
from course_lib.denoise.classical import NonLocalMeans, Wavelet, inverse
from course_lib.denoise.classical import forward as transform
from course_lib.fit import Progress
from course_lib.noise import Gaussian
from course_lib.operators import convolve
from course_lib.profiles import Budget, choose
from course_lib.quality import psnr, ssim
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

# %% slideshow={"slide_type": "-"}
sigma = 25 / 255  # images lie in [0, 1]
y = to_float(data.photographs("test")["camera"])[..., 60:252, 140:332]
z = Gaussian(sigma)(y, generator=generator(0, "lecture 08"))


def mean_of_square(z, width):
    """Each pixel becomes the mean of the square of that width around it; the border is mirrored."""
    wide = F.pad(z, (width // 2,) * 4, mode="reflect")
    return convolve(wide, torch.full((width, width), 1 / width**2).to(z))


means = {width: mean_of_square(z, width) for width in (1, 3, 7, 15)}
regions = {
    "sky": (..., slice(20, 60), slice(140, 180)),
    "face": (..., slice(92, 140), slice(62, 110)),
}
errors = {
    region: {
        width: 255 * (mean - y)[where].square().mean().sqrt().item()
        for width, mean in means.items()
    }
    for region, where in regions.items()
}
best = {region: min(error, key=error.get) for region, error in errors.items()}

# %% slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "The wide square is right for the sky and wrong for the eye. No width is right for both."}
alt = (
    "A man with a camera, four times, the sky and the face framed: with noise all over; averaged over 3 by 3 "
    "pixels, still with noise; over 7 by 7 pixels, smooth in the sky and blurred in the face; over 15 by 15, only "
    "shapes are left"
)
figures.images(
    {
        f"{width} × {width}: sky {errors['sky'][width]:.0f}, face {errors['face'][width]:.0f}": figures.framed(
            figures.framed(
                mean[..., 20:148, 52:180], top=0, left=88, size=40, colour=(0.0, 0.45, 0.7)
            ),
            top=72,
            left=10,
            size=48,
            colour=(0.84, 0.37, 0.0),
        )
        for width, mean in means.items()
    },
    columns=4,
    alt=alt,
    caption="The mean of squares, and the root mean squared error that it leaves in the sky (blue frame) and in the "
    "face (red frame), in gray levels of 255.",
)

# %% slideshow={"slide_type": "-"}
answer(
    f"In the sky the width {best['sky']} leaves the smallest error, {errors['sky'][best['sky']]:.1f} gray levels, and "
    f"in the face the width {best['face']}, {errors['face'][best['face']]:.1f} gray levels: no width is right for both.",
    holds=best["sky"] > best["face"],
    otherwise="On these pixels one width is right for both.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# What is right for the sky is wrong for the eye. The filters of this lecture answer one question: **which pixels may be
# averaged with which?** Networks learn their own answer, and then do more than averaging.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 1, "notes": "Point at the third panel: nothing of the cat is in it."}
# ## The observation model
#
# For a colour image, $z(x)$, $y(x)$ and $\eta(x)$ are in $\mathbb R^3$,
# and each channel has its own noise. Denoising is used before other steps, so that they work, after them, to remove the
# blocks of a compression, and as a part of other methods, where it represents all that we know about images: lecture
# *plug_and_play* is about the last one.

# %% slideshow={"slide_type": "-"}
cat = to_float(data.photographs("test", channels=3)["chelsea"])[..., 40:280, 90:330]
seen = Gaussian(sigma)(cat, generator=generator(0, "colour"))

# %% slideshow={"slide_type": "-"}
figures.images(
    {"z": seen, "y": cat, "η, around middle gray": 0.5 + (seen - cat)},
    columns=3,
    alt="A cat's face with colourful noise, the same without, and the noise alone: coloured specks that show "
    "nothing of the cat",
    caption="z = y + η in colour, at σ = 25/255. The noise of red says nothing about that of green.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Ten decibels are a factor of ten in the mean squared error. Let them compute the PSNR of the noise alone: 20 log10(255/25) = 20.17. It is a little more after clipping."}
# ## How good is an estimate?
#
# Call $\hat y$ the estimate of $y$ that a denoiser returns. If we have $y$, we can measure the error. Its usual form is the
# *peak signal-to-noise ratio*,
#
# $$\text{PSNR}(\hat y, y) = 10 \log_{10} \frac{1}{\text{MSE}} \text{ dB}, \qquad
# \text{MSE} = \frac{1}{|X|} \sum_{x \in X} \bigl(\text{clip}(\hat y(x)) - y(x)\bigr)^2 ,$$
#
# where 1 is the largest value of a pixel, $|X|$ the number of pixels, and clip sets what is below 0 to 0 and what is above
# 1 to 1: no screen shows more. A set of images is scored by the mean of its images' PSNR.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
gray = torch.full((1, 1, 16, 16), 0.5, dtype=torch.float64)
for error in (0.1, 0.05, 0.01):
    print(f"an error of {error} everywhere: {psnr(gray + error, gray).item():.2f} dB")
white_page = torch.ones_like(gray)
print(
    f"an error above the largest value counts as none: {psnr(white_page + 0.1, white_page).item()} dB"
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Have them rank the four by eye before the numbers appear."}
# **Predict:** here are four estimates of one picture. Which one has the worst PSNR?

# %% slideshow={"slide_type": "skip"}
scene = 0.25 + 0.5 * y  # far from 0 and 1, so that clipping does not matter
mistakes = {
    "brighter": torch.ones_like(scene),
    "more contrast": scene - scene.mean(),
    "noisy": torch.randn(scene.shape, generator=generator(0, "equal PSNR")),
    "blurred": mean_of_square(scene, 15) - scene,
}
wrong = {
    name: scene + 0.08 * mistake / mistake.square().mean().sqrt()
    for name, mistake in mistakes.items()
}
equal = [psnr(picture, scene).item() for picture in wrong.values()]

# %% slideshow={"slide_type": "-"}
figures.images(
    wrong,
    columns=4,
    alt="The man with the camera four times: a little brighter, with more contrast, with noise, and "
    "blurred. The first two look good, the last two bad",
    caption="Four estimates of the same picture.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "By eye the four are not equal. SSIM sees a difference, and has weaknesses of its own."}
figures.table(
    {
        name: {
            "PSNR (dB)": psnr(picture, scene).item(),
            "SSIM": ssim(picture, scene).item(),
        }
        for name, picture in wrong.items()
    },
    caption="The four estimates, measured.",
)

# %% slideshow={"slide_type": "-"}
answer(
    f"None: all four have {equal[0]:.2f} dB, because their squared errors have the same mean.",
    holds=max(equal) - min(equal) < 0.01,
    otherwise=f"Their scores lie between {min(equal):.2f} and {max(equal):.2f} dB.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# PSNR cannot distinguish the four, while you can. SSIM (Wang et al. 2004) compares local means, spreads and correlations
# in a small window, so a shift of all grays costs little. Report both, and look at the pictures. One more trap: papers
# differ in how they score (clipped or not, rounded to 8 bits, borders left out, one logarithm or one for each image).
# Compare only numbers of one protocol.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "Go through the table row by row and ask where each occurs. The column to look at is the variance: does it depend on y?"}
# ## Where noise comes from
#
# Many methods assume white Gaussian noise of one level; cameras make other noise.
#
# | noise | $z$ | $\text{Var}[z]$ | occurs |
# |---|---|---|---|
# | Gaussian | $y + \sigma n$ | $\sigma^2$ | electronics; the sum of many small causes |
# | spatially variant | $y + \sigma(x)\, n$ | $\sigma(x)^2$ | parallel MRI, a warm corner of a sensor |
# | photons (Poisson) | $K/p$, $K \sim \text{Poisson}(p\, y)$ | $y/p$ | counting photons, $p$ at a white pixel |
# | sensor | $a K + \sigma n$, $K \sim \text{Poisson}(y/a)$ | $a y + \sigma^2$ | every raw sensor, with gain $a$ |
# | correlated | $y + \sigma\, (g * n)/\lVert g \rVert$ | $\sigma^2$ | interpolation, resizing, some scanners |
#
# Here $n$ is white with variance 1, and $(g * n)(x) = \sum_u g(x - u)\, n(u)$ lets neighbours share their noise. In all
# five $\mathbb E[z] = y$. A denoiser that was made for one row meets pictures of another: we shall see what happens then.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "The camera is the model that breaks our network later."}
# ### Noise that is not right on average
#
# | noise | $z$ | $\mathbb E[z]$ | $\text{Var}[z]$ | occurs |
# |---|---|---|---|---|
# | impulse | $y$, or 0, or 1 | $(1-r)\,y + r/2$ | see the library | dead pixels, lost bits: a share $r$ |
# | dropped pixels | $b\, y$, $b \in \{0, 1\}$ | $s\, y$ | $s(1-s)\,y^2$ | a share $s$ is seen |
# | camera | JPEG(gamma(mosaic(sensor noise in linear light $y^\gamma$))) | | | phones and cameras |
#
# Where $\mathbb E[z] \ne y$, averaging more pixels does not help: the mean of many observations is not $y$.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Ask which of the two lines is stronger in the dark."}
# ### A sensor in two lines
#
# Each of these is a small class in `course_lib.noise`, which turns $y$ into $z$ and, where there is a law, knows its
# variance. A sensor counts photons, multiplies their number by its gain, and adds the noise of its electronics:


# %% slideshow={"slide_type": "-"}
def sensor(y, a, sigma, generator):
    """What a sensor of gain a and read noise sigma reports of the light y."""
    photons = torch.poisson(y / a, generator=generator)  # K, whole numbers
    n = torch.randn(y.shape, generator=generator, dtype=y.dtype)
    return a * photons + sigma * n


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
half = torch.full((1, 1, 32, 32), 0.5, dtype=torch.float64)
mine = sensor(half, 1 / 64, 0.05, generator(0, "sensor"))
library = noise.PoissonGaussian(gain=1 / 64, sigma=0.05)(
    half, generator=generator(0, "sensor")
)
print("the library's sensor returns the same:", torch.equal(mine, library))
photons = noise.Poisson(peak=10)(half, generator=generator(0, "photons")) * 10
print("photons come whole:", torch.equal(photons, photons.round()))
print(
    "half of the pixels seen, 0.5 becomes on average:",
    noise.Bernoulli(0.5).mean(half).mean().item(),
)
grain = noise.Correlated(0.1, torch.ones(1, 2)).autocorrelation()
print("noise through a 1 x 2 mean, neighbours correlate by:", grain[0, 0].item())

# %% slideshow={"slide_type": "skip"}
figures.code(noise.PoissonGaussian.__call__)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "The gray ramp is the lab's way to characterise a camera: photograph a ramp many times, plot variance against mean."}
# ### Read the law off a gray ramp
#
# We photograph a ramp from black to white and plot the variance of the noise against the brightness. What shape do you
# expect for Gaussian noise, for photons, and for a sensor that counts photons (gain 0.02) and has read noise
# ($\sigma = 0.05$)? The table has the answer.

# %% slideshow={"slide_type": "-"}
across = choose(smoke=2000, lecture=20_000, full=100_000)
brightness = torch.linspace(0, 1, 11)
ramp = brightness.reshape(1, 1, 11, 1).expand(1, 1, 11, across)
laws = {
    "Gaussian, σ = 0.1": Gaussian(0.1),
    "photons, peak 50": noise.Poisson(peak=50),
    "sensor: both": noise.PoissonGaussian(gain=0.02, sigma=0.05),
}
curves = {}
for name, model in laws.items():
    eta = model(ramp, generator=generator(0, "ramp")) - ramp
    curves[name] = eta.var(dim=(0, 1, 3))
    off = (curves[name] - model.variance(ramp)[0, 0, :, 0]).abs().max().item()
    print(f"{name}: the law is missed by at most {off:.5f}")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Ask for the gain and the read noise of the third curve: slope and offset."}
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

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Give them two minutes alone with it. Then: which models are flat in the third panel, and which have more than one red square in the fourth?"}
# ## Play: what noise looks like
#
# Choose a model and a level. *How strong* is plotted against the brightness; *neighbours* shows how the noise of a pixel
# agrees with that around it: red for equal signs, blue for opposite ones, white for independence.


# %% slideshow={"slide_type": "-"}
def histogram(eta):
    def plot(axes):
        axes.tick_params(labelsize=8)
        shown = eta.flatten().clamp(-0.6, 0.6).numpy()
        axes.hist(shown, bins=61, range=(-0.61, 0.61), color="#0072B2")
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
    rows, columns = (side - 2 * reach for side in eta.shape[-2:])
    middle = eta[..., reach:-reach, reach:-reach]
    shifts = range(2 * reach + 1)
    table = torch.tensor(
        [
            [(middle * eta[..., i : rows + i, j : columns + j]).mean() for j in shifts]
            for i in shifts
        ]
    ).clamp(-1, 1)
    red, blue = 1 - 0.8 * (-table).clamp(min=0), 1 - 0.8 * table.clamp(min=0)
    shown = torch.stack([red, torch.minimum(red, blue), blue])  # white at zero
    large = shown.repeat_interleave(20, dim=1).repeat_interleave(20, dim=2)
    return F.pad(large[:, 2:-2, 2:-2], (2,) * 4, value=0.7)


def modelled(model, level):
    """A noise model at a level from 1 to 4, and what the level means."""
    step = level * 15
    ramp = torch.linspace(0, 1, 256).reshape(1, 1, 1, 256)
    line = torch.linspace(-1, 1, 5).square()
    disc = (line[:, None] + line < 1.2).float()
    made = {
        "Gaussian": lambda: (Gaussian(step / 255), f"σ = {step}/255"),
        "uneven Gaussian": lambda: (
            Gaussian(ramp * 2 * step / 255),
            f"σ from 0 to {2 * step}/255",
        ),
        "photons": lambda: (
            noise.Poisson(160 / 4 ** (level - 1)),
            f"peak {160 / 4 ** (level - 1):g}",
        ),
        "sensor": lambda: (
            noise.PoissonGaussian(0.01 * level, 0.03 * level),
            f"gain {0.01 * level:g}, σ = {0.03 * level:g}",
        ),
        "grain": lambda: (noise.Correlated(step / 255, disc), f"σ = {step}/255"),
        "salt and pepper": lambda: (noise.Impulse(0.05 * level), f"{5 * level} % lost"),
        "dropped pixels": lambda: (noise.Bernoulli(1 - 0.15 * level), f"{step} % dropped"),
        "printed text": lambda: (noise.TextOverlay(0.08 * level), f"{8 * level} % covered"),
        "camera": lambda: (
            noise.Camera(signal=0.015 * level, read=0.015 * level, quality=80),
            f"signal {0.015 * level:g}, read noise {0.015 * level:g}",
        ),
        "rain": lambda: (
            noise.Rain(density=0.002 * level),
            f"{2 * level} drops in 1000 pixels",
        ),
    }
    return made[model]()


def explore(model, level):
    forward, setting = modelled(model, level)
    y = to_float(data.photographs("test")["camera"])[..., 40:296, 110:366]
    z = forward(y, generator=generator(0, "explorer"))
    return {
        f"{model}, {setting}": z[..., 16:236, 20:240].clamp(0, 1),
        "how often": histogram(z - y),
        "how strong": strength(z - y, y),
        "neighbours": agreement(z - y),
    }


MODELS = (
    "Gaussian",
    "uneven Gaussian",
    "photons",
    "sensor",
    "grain",
    "salt and pepper",
    "dropped pixels",
    "printed text",
    "camera",
    "rain",
)
Player(
    render=explore,
    axes=(
        Axis("model", MODELS, "Noise model"),
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

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "One sentence each: few large coefficients; similar patches; similar patches with few large coefficients. The code of each is among the further slides."}
# ## Three answers without learning
#
# - **Wavelets: average where the image is smooth.** A wavelet transform turns an image into few large coefficients and
#   many near zero, and leaves white noise as it is: small in all of them. Shrink them all by a threshold.
# - **Non-local means: average what looks alike** (Buades, Coll, Morel 2005). Two pixels whose surrounding patches agree
#   probably show the same thing, wherever they are:
#   $\hat y(x) = \sum_u \alpha(x, u)\, z(u) \,/ \sum_u \alpha(x, u)$, and $\alpha(x, u)$ falls with the distance of the
#   patches around $x$ and $u$.
# - **BM3D: both** (Dabov, Foi, Katkovnik, Egiazarian 2007). Stack patches that look alike, transform the stack, and set
#   its small coefficients to zero: what the patches share is in a few large ones.
#
# All three need to be given $\sigma$.

# %% slideshow={"slide_type": "skip"}
wavelet, nlm, bm3d = Wavelet(), NonLocalMeans(), BM3D()
estimates = {
    "wavelets": wavelet(z, sigma=sigma),
    "non-local means": nlm(z, sigma=sigma),
    "BM3D": bm3d(z, sigma=sigma),
}
for name, found in estimates.items():
    print(f"{name}: {psnr(found, y).item():.2f} dB")

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "A band that holds noise only has an infinite threshold: it vanishes."}
# ### Wavelets
#
# An orthonormal transform $T$ turns white noise into white noise, of the same variance in every coefficient. BayesShrink
# (Chang, Yu, Vetterli 2000) shrinks the coefficients $c$ of each band by a threshold $t$,
#
# $$\hat y = T^{-1} S_t(T z), \qquad S_t(c) = \text{sign}(c) \max(0, |c| - t), \qquad t = \sigma^2/\sigma_y,$$
#
# where $\sigma_y^2$, the mean of $c^2$ minus $\sigma^2$, is what the image contributes to the band.


# %% slideshow={"slide_type": "-"}
def shrink(c, sigma):
    sigma_y = (c.square().mean((-2, -1), keepdim=True) - sigma**2).clamp(min=0).sqrt()
    return c.sign() * (c.abs() - sigma**2 / sigma_y).clamp(min=0)


def shrink_all(z, sigma, levels):
    if levels == 0:
        return z
    smooth, details = transform(z)  # half the size, and three bands of details
    return inverse(shrink_all(smooth, sigma, levels - 1), shrink(details, sigma))


# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
wide = F.pad(
    z.double(), (16,) * 4, mode="reflect"
)  # mirrored, so that nothing wraps around
mine = shrink_all(wide, sigma, levels=4)[..., 16:-16, 16:-16]
print(
    "the library's wavelet shrinkage returns the same:",
    torch.allclose(mine, wavelet(z.double(), sigma=sigma), atol=1e-9),
)
smooth, details = transform(wide)
energy = smooth.square().sum() + details.square().sum()
print("the transform keeps the energy:", torch.allclose(energy, wide.square().sum()))
print("coefficients minus pixels:", smooth.numel() + details.numel() - wide.numel())

# %% slideshow={"slide_type": "skip"}
figures.code(Wavelet.__call__)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Ask for the weight of the pixel itself: one, the largest there is."}
# ### Non-local means
#
# The weights are $\alpha(x, u) = \exp\bigl(-\max(0, d^2(x, u) - 2\sigma^2)/h^2\bigr)$, where $d^2$ is the mean squared
# difference of the patches around $x$ and $u$, and $h$ says how strictly they have to agree. Two noisy copies of one
# patch differ by $2 \sigma^2$ on average, which is why this is subtracted. For one pixel:


# %% slideshow={"slide_type": "-"}
def non_local_mean(z, row, column, sigma, h):
    """The estimate of one pixel, from the 21 x 21 pixels around it, by patches of 5 x 5."""
    around = z[..., row - 12 : row + 13, column - 12 : column + 13]
    patches = F.unfold(around, 5)[0]  # (25, 441): each column is a patch
    d2 = (patches - patches[:, 220:221]).square().mean(dim=0)  # to the patch in the middle
    alpha = torch.exp(-(d2 - 2 * sigma**2).clamp(min=0) / h**2)
    return (
        alpha * patches[12]
    ).sum() / alpha.sum()  # row 12 holds the pixels in the middle


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
stripes = (torch.arange(40.0, dtype=torch.float64) % 4 / 4).expand(1, 1, 40, 40)
estimate = non_local_mean(stripes, 20, 20, sigma=0.0, h=0.01)
print(
    "where the picture repeats, averaging loses nothing:",
    estimate.item() == stripes[0, 0, 20, 20].item(),
)
places = [(row, column) for row in range(20, 172, 8) for column in range(20, 172, 8)]
mine = torch.stack([non_local_mean(z, *place, sigma, 0.6 * sigma) for place in places])
library = torch.stack(
    [estimates["non-local means"][0, 0, row, column] for row, column in places]
)
print(
    "the library's is within 4 gray levels of 255 on average:",
    bool(255 * (mine - library).abs().mean() < 4),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The library calls scikit-image's fast version. It differs in two details: it sums over one row and one column of a patch
# less, and it gives no weight at all to patches that differ much.

# %% slideshow={"slide_type": "skip"}
figures.code(NonLocalMeans.__call__)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The line to look at is the one with haar: along the group, what the patches share becomes one coefficient."}
# ### BM3D, first stage
#
# Similar patches form a group. Each patch is transformed by itself, then the group along its third dimension; the
# coefficients below $2.7\sigma$ become zero, and the patches go back to their places. The second stage does it again with
# the first result as a guide: it multiplies each $c$ by $c_1^2 / (c_1^2 + \sigma^2)$, where $c_1$ is the same coefficient
# of the guide.


# %% slideshow={"slide_type": "-"}
def first_stage(z, sigma):
    forward, back = grouping.on_patches(grouping.bior15, 8, like=z)
    table = grouping.patches(z, patch=8)[0, 0] @ forward  # (P, 64): each patch, transformed
    total, weight = torch.zeros_like(table), torch.zeros_like(table[:, 0])
    haar = grouping.haar(16).to(z)
    for alike in grouping.match(z, patch=8, window=39, stride=3, count=16)[0]:
        group = haar @ table[alike]  # (16, 64): along the group
        kept = group.abs() > 2.7 * sigma
        worth = 1 / kept.sum().clamp(min=1)  # few coefficients, little noise
        total[alike] += worth * (haar.T @ (group * kept))
        weight[alike] += worth
    bell = torch.kaiser_window(8, periodic=False, beta=2.0).to(z)
    return grouping.assemble(
        total @ back, weight, window=torch.outer(bell, bell), size=z.shape[-2:]
    )


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
small = z.double()[..., 80:128, 60:108]
stage = library_bm3d.Stage(
    8, 3, 16, 39, 1e9, grouping.bior15
)  # groups of 16, however far apart
profile = library_bm3d.Profile(stage, stage, threshold=2.7)
library = library_bm3d.threshold_groups(small, sigma=sigma, profile=profile)
print(
    "the library's first stage returns the same:",
    torch.allclose(first_stage(small, sigma), library[0, 0], atol=1e-6),
)

# %% slideshow={"slide_type": "skip"}
figures.code(library_bm3d.threshold_groups, library_bm3d.wiener_groups)

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Compare the ripples of wavelets with the flat patches of non-local means."}
figures.images(
    estimates,
    reference=y,
    columns=3,
    zoom=(70, 80, 48),
    alt="The man with the camera after three filters: wavelet shrinkage leaves ripples, non-local means "
    "is smooth but loses texture, BM3D is the sharpest",
    caption="What each method leaves, at σ = 25/255.",
)

# %% slideshow={"slide_type": "skip"}
removed = {
    f"taken by {name}": mean_of_square(z - estimate, 3)
    for name, estimate in estimates.items()
}

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Outlines in what was removed are outlines missing from the estimate."}
alt = (
    "What each filter removed, smoothed: outlines of shoulder, head and camera for wavelets, blotches and lines "
    "where hair and coat have texture for non-local means, the least for BM3D"
)
caption = (
    "What each method took away, z − ŷ, averaged over 3 × 3 pixels so that noise pales. Outlines and texture that you "
    "see here are missing from the estimate."
)
figures.images(removed, signed=list(removed), columns=3, alt=alt, caption=caption)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The last column is colour: filtering red, green and blue separately ignores that they agree."}
known = cite("bm3d-benchmark")
ranks = cite("bm3d-against-wnnm")
caption = (
    "PSNR in dB at σ = 25/255. Photographs: their central parts. Set12: the middles. CBSD68: the first eight images. "
    "Daggers: Zhang et al. 2017 and 2018, on the whole sets."
)
figures.table(
    {
        "wavelet shrinkage": known.row(
            {"photographs": "photographs", "BSD68": "bsd68"}, "{}_wavelet"
        ),
        "non-local means": known.row(
            {"photographs": "photographs", "BSD68": "bsd68"}, "{}_nlm"
        ),
        "BM3D, first stage only": known.row(
            {"photographs": "photographs", "BSD68": "bsd68"}, "{}_first_stage"
        ),
        "BM3D": known.row(
            {
                "photographs": "photographs_bm3d",
                "BSD68": "bsd68_bm3d",
                "CBSD68": "cbsd68_together",
            }
        )
        | {"Set12": sum(ranks[f"bm3d_{image:02}"] for image in range(1, 13)) / 12},
        "BM3D, each colour alone": {"CBSD68": known["cbsd68_alone"]},
        "BM3D, published": {"BSD68": figures.Paper(28.57), "CBSD68": figures.Paper(30.71)},
        "WNNM": {"Set12": sum(ranks[f"wnnm_{image:02}"] for image in range(1, 13)) / 12},
        "WNNM, published": {"BSD68": figures.Paper(28.83)},
    },
    columns=["photographs", "BSD68", "Set12", "CBSD68"],
    caption=caption,
    note=[known, ranks],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# WNNM (Gu et al. 2014) makes such a group a matrix and shrinks its singular values, the small ones most. In the tables of
# the DnCNN paper (2017) it has the highest score, on Set12 and BSD68, of the methods that use no training images.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 1, "notes": "Ask for both ends of the curve, too: sigma of zero, and a sigma far too high."}
# ## Give them a wrong σ
#
# The three filters have $\sigma$ as an argument. The noise has $\sigma = 25/255$, and we pass another value. A filter
# that believes in less noise takes noise for detail; one that believes in more takes detail for noise.
#
# **Predict:** BM3D is given 10 or 40 instead of 25. Which of the two errors costs more?

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Ask what an error by a factor of two costs in either direction."}
hill = cite("bm3d-told")
told = (5, 10, 15, 25, 30, 40, 50, 75)
figures.lines(
    told,
    hill.lines({"BM3D, gray": "gray", "BM3D, colour": "colour"}, told, "{}_told_{}"),
    xlabel="σ passed to BM3D (of 255)",
    ylabel="PSNR (dB)",
    mark={"true σ": 25},
    caption="Central parts of the test photographs. The left side falls to the PSNR of the noisy image.",
    note=hill,
)

# %% slideshow={"slide_type": "-"}
answer(
    hill.compare("gray_told_40", "gray_told_10").sentence(
        "BM3D with a level of 40",
        "BM3D with a level of 10",
        what="PSNR on noise of level 25",
        unit="dB",
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# On the left the noise stays, all at once; on the right the picture slowly turns to plastic. So when you are not sure,
# pass a higher $\sigma$ to BM3D. Lecture *ffdnet* draws this curve for a network with $\sigma$ as an input.

# %% slideshow={"slide_type": "skip"}
guesses = (5, 10, 15, 20, 25, 30, 40, 50, 75)
cut = choose(smoke=96, lecture=192, full=192)
small_z, small_y = z[..., :cut, :cut], y[..., :cut, :cut]
filters = {"wavelets": wavelet, "non-local means": nlm, "BM3D": bm3d}
wrong_sigma = {
    name: [psnr(method(small_z, sigma=guess / 255), small_y).item() for guess in guesses]
    for name, method in filters.items()
}

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Ask which of the three forgives most."}
figures.lines(
    guesses,
    wrong_sigma,
    xlabel="σ passed to the method (of 255)",
    ylabel="PSNR (dB)",
    mark={"true σ": 25},
    caption="One image with σ = 25/255. All three lose more at 10 than at 40; far to the right BM3D loses the least.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "The straightforward solution: same input and output size, like a segmentation network. Only the forward model is specific to the task."}
# ## The straightforward network
#
# We need no model of images if a network can learn one. Take any network $f$ whose output is as large as its input, and
# train it on pairs. The way from $y$ to $z$, the **forward model**, is given by physics and easy to compute; the way back
# is ill-posed and unknown. So compute the easy direction as often as you like and learn the other:
#
# $$w^\star = \arg\min_w \sum_i \bigl\lVert f(z_i; w) - y_i \bigr\rVert^2, \qquad z_i = \text{forward}(y_i).$$
#
# The clean $y_i$ are photographs. The training set is as large as we like, since every patch gets new noise each time
# it is used. Two things are assumed: **we have clean images**, and we know how they are damaged.


# %% slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "This is all of it. Ask which line knows that the damage is noise: forward alone."}
def network():
    """Five 3 x 3 convolutions: an estimated pixel depends on 11 x 11 pixels of z."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 1, 3, padding=1),
    )  # fmt: skip


def loss(f, z, y):
    return (f(z) - y).square().mean()


# %% slideshow={"slide_type": "-"}
train_images = data.photographs("train")
patches = data.patches(train_images, size=36)


def learn_to_undo(forward, f, steps, generator):
    optimiser = torch.optim.Adam(f.parameters(), lr=1e-3)
    for _ in range(steps):
        y = patches(16, generator)  # (16, 1, 36, 36), clean
        z = forward(y, generator=generator)  # damaged a moment ago
        optimiser.zero_grad()
        loss(f, z, y).backward()
        optimiser.step()


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
f, library = network(), straightforward.network()
f.load_state_dict(dict(zip(f.state_dict(), library.state_dict().values(), strict=True)))
print("the library's network returns the same:", torch.equal(f(z), library(z)))
there = straightforward.step(library, (z, y), Progress(0, 1))
print("and has the same loss:", torch.equal(loss(f, z, y), there))
learn_to_undo(Gaussian(sigma), f, 30, generator(0, "thirty steps"))
print(
    "thirty steps of the loop divide it by 100 and more:", bool(loss(f, z, y) < there / 100)
)
print("weights and biases:", sum(weight.numel() for weight in f.parameters()))

# %% slideshow={"slide_type": "skip"}
figures.code(straightforward.step, straightforward.train)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Take bets, with reasons. The network sees eleven pixels, non-local means a much larger neighbourhood."}
# ### Half a minute of training
#
# The library's training is this loop with another optimiser (Muon), averaged weights and a progress bar. We train the
# five convolutions on patches of eight photographs. They see 11 × 11 pixels; non-local means compares patches within
# 25 × 25.
#
# **Predict:** where will the network end: below wavelet shrinkage, above non-local means, or between the two?

# %% slideshow={"slide_type": "-"}
budget = choose(
    smoke=Budget(10, 4, 24), lecture=Budget(600, 16, 36), full=Budget(20_000, 64, 48)
)


def trained(forward):
    """The same network, the same photographs, the same steps; only the forward model differs."""
    model, _ = straightforward.train(train_images, forward=forward, budget=budget, seed=0)
    return model.cpu()


denoiser = trained(Gaussian(sigma))

# %% slideshow={"slide_type": "skip"}
side = choose(smoke=64, lecture=256, full=256)
windows = {
    name: picture[:, 20 : 20 + side, 100 : 100 + side]
    for name, picture in data.photographs("test").items()
}
pairs = data.fixed_pairs(windows, Gaussian(sigma), seed=0)
methods = {
    "noisy": lambda z, sigma=None: z,
    "mean of 3 × 3": lambda z, sigma=None: mean_of_square(z, 3),
    "wavelet shrinkage": wavelet,
    "non-local means": nlm,
    "BM3D": bm3d,
    "the network": denoiser,
}
rows = {}
for name, method in methods.items():
    with torch.inference_mode():
        found = [(method(noisy, sigma=sigma), clean) for noisy, clean in pairs]
    scores, similar = (
        torch.cat([measure(*pair) for pair in found]) for measure in (psnr, ssim)
    )
    rows[name] = dict(zip(windows, scores.tolist(), strict=True))
    rows[name] |= {"mean": scores.mean().item(), "SSIM": similar.mean().item()}

# %% slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Ask where BM3D gains most: on the bricks, where similar patches are everywhere."}
figures.table(
    rows,
    best="max",
    caption="PSNR in dB on windows of 256 × 256 of photographs that were not trained on, σ = 25/255; "
    "mean SSIM in the last column.",
)

# %% slideshow={"slide_type": "-"}
stored = cite("straightforward-forward-models")
answer(
    stored.compare("noise_on_noise", "wavelet_on_noise").sentence(
        "the network", "wavelet shrinkage", what="PSNR on whole photographs", unit="dB"
    )
    + " "
    + stored.compare("noise_on_noise", "nlm_on_noise").sentence(
        "it", "non-local means", what="PSNR on whole photographs", unit="dB"
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Here BM3D has the highest mean, with the largest margin on the bricks, where similar patches are everywhere. Lecture
# *dncnn* adds two ingredients to the network.


# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Set sigma to half and to double of the true value; then look at the right picture only: how much of the man is in it?"}
def compare(method, level, passed):
    """One method on one noise level, given half, once or twice the level."""
    side = choose(smoke=64, lecture=160, full=160)
    stage = y[..., 10 : 10 + side, 20 : 20 + side]
    noisy = Gaussian(level / 255)(stage, generator=generator(0, "comparison"))
    factor = {"half of it": 0.5, "the truth": 1.0, "twice as much": 2.0}[passed]
    with torch.inference_mode():
        estimate = methods[method](noisy, sigma=factor * level / 255)
    scored = figures.scored({"noisy": noisy, method: estimate}, reference=stage)
    return scored | {"removed, twice as strong": (0.5 + 2 * (noisy - estimate)).clamp(0, 1)}


Player(
    render=compare,
    axes=(
        Axis("method", tuple(methods)[1:], "Method", start=3),
        Axis("level", (10, 25, 50), "Noise level (of 255)", start=1),
        Axis(
            "passed",
            ("half of it", "the truth", "twice as much"),
            "σ passed to the method",
            start=1,
        ),
    ),
    alt=lambda method, level, passed: (
        f"A photograph with noise of level {level}, after {method} (σ passed to it: {passed}), "
        "and what was removed"
    ),
    caption="The mean and the network do not use σ: their results stay the same.",
    encoding="webp",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Vote first. Then one speaker for each of the three answers, one minute each."}
# ## Supervised, unsupervised, or self-supervised?
#
# What kind of learning was this? Vote before you read on.
#
# | one may say | because | but |
# |---|---|---|
# | *supervised* | the loss compares with the right answer $y$, as in any regression | no labels were made by hand |
# | *unsupervised* | no annotation was needed, only many images | there is a target, and it is not the input |
# | *self-supervised* | a random number generator made the pairs, as in a pretext task | a pretext task is thrown away; here the task *is* the goal |
#
# The loss is the supervised one, and the targets need no work. The word matters less than the two assumptions:
# **we had clean images**, and we knew how they are damaged. Without clean images, as in microscopy or astronomy or at
# night, the loss cannot be computed. Part D trains without them; part E drops the second assumption too.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "The only line that changes is the forward model. Ask for further examples. Multiplying by five multiplies the noise by five too."}
# ## Other forward models
#
# Nothing in the recipe says *noise*. If we can compute the damage, we can learn to undo it: deblocking, deblurring,
# super-resolution, in-painting, **de-raining**, **enhancement**. Rain adds bright streaks along one direction,
# $z = y + g * \delta$, where $\delta$ holds the drops at random places and the kernel $g$ is the streak that each of them
# draws. A picture taken with too little light is $z = aK + \sigma n$ with $K \sim \text{Poisson}(e\,y/a)$: the exposure
# $e$ is a fifth, so photons are missing, and the read noise stays. Two trainings, one line each.
#
# **Predict:** would it not be enough to multiply the dark picture by five?

# %% slideshow={"slide_type": "-"}
rain, dark = noise.Rain(), noise.LowLight(exposure=0.2)
derainer, enhancer = trained(rain), trained(dark)
portrait = to_float(data.photographs("test")["chelsea"])[..., 40:280, 90:330]
wet, night = (model(portrait, generator=generator(0, "one more")) for model in (rain, dark))
with torch.inference_mode():
    dry, day = derainer(wet), enhancer(night)

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "The network need not average: it removes streaks, and it brightens."}
alt = (
    "A cat's face: behind streaks of rain and without them; nearly black, brightened by a factor of five with much "
    "noise, and brightened by the network, nearly clean"
)
figures.images(
    {
        "rain": wet,
        "rain, restored": dry,
        "clean": portrait,
        "dark": night,
        "dark, times five": 5 * night,
        "dark, restored": day,
    },
    reference=portrait,
    columns=3,
    alt=alt,
    caption="One recipe, one network, two more forward models. The cat was in no training set.",
)

# %% slideshow={"slide_type": "-"}
answer(
    f"Multiplying by five gives this picture {psnr(5 * night, portrait).item():.1f} dB, since it multiplies the noise "
    f"too; the network reaches {psnr(day, portrait).item():.1f} dB.",
    holds=psnr(day, portrait).item() > psnr(5 * night, portrait).item(),
    otherwise=f"After so few steps the network has {psnr(day, portrait).item():.1f} dB, and the picture times five "
    f"{psnr(5 * night, portrait).item():.1f} dB.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "This is the slide to remember: a network undoes what was simulated. The error on rain is easy to see. The error on the camera is hard to see: the damage looks like noise, and most of it goes away."}
# ## Break it
#
# The network has learnt from its training pairs only. Here are four networks, each tested on four kinds of damage;
# *camera* is a sensor's noise in linear light, then gamma and JPEG.
#
# **Predict:** what does the network trained on white noise lose on the camera?

# %% slideshow={"slide_type": "-"}
grid = cite("straightforward-forward-models")
names = {"white noise": "noise", "rain": "rain", "low light": "dark", "camera": "camera"}
figures.table(
    {"given": grid.row({f"on {name}": key for name, key in names.items()}, "given_{}")}
    | grid.rows(
        {f"trained on {name}": key for name, key in names.items()},
        {f"on {name}": key for name, key in names.items()},
        "{}_on_{}",
    ),
    best="max",
    caption="PSNR in dB on the test photographs, mean over three trainings.",
    note=grid.about("straightforward-own-model", "straightforward-camera"),
)

# %% slideshow={"slide_type": "-"}
answer(
    grid.compare("noise_on_camera", "camera_on_camera").sentence(
        "the network trained on white noise",
        "the one trained on the camera",
        what="PSNR on the camera's pictures",
        unit="dB",
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# On its own test set, which the same wrong model made, it scores well: nothing there warns you.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "The probe uses z, the estimate and the assumed model only. Try it on your own camera."}
# **The probe** needs no clean image. Take $\hat y$ for one, damage it by the forward model that you assume, and denoise it
# again. If the model is right, as much is removed the second time as the first: the ratio is 1 at every brightness.

# %% slideshow={"slide_type": "-"}
edges = torch.linspace(0.05, 0.95, 10)


def removed_by_brightness(z, estimate):
    """Deviation of what was removed, at each brightness; not a number where there are few pixels."""
    inside = [(estimate >= low) & (estimate < high) for low, high in pairwise(edges)]
    return torch.tensor(
        [(z - estimate)[mask].std() if mask.sum() > 100 else torch.nan for mask in inside]
    )


def probe(z, believed):
    with torch.inference_mode():
        estimate = denoiser(z)
        again = believed(estimate.clamp(0, 1), generator=generator(0, "probe"))
        second = denoiser(again)
    return removed_by_brightness(z, estimate) / removed_by_brightness(again, second)


# %% slideshow={"slide_type": "skip"}
camera = noise.Camera(signal=0.03, read=0.03)
shot = camera(y, generator=generator(0, "camera"))
counted = noise.Poisson(peak=50)(y, generator=generator(0, "counted"))
pictures = {"white noise": z, "camera": shot, "photons": counted}
ratios = {name: probe(picture, Gaussian(sigma)) for name, picture in pictures.items()}

# %% slideshow={"slide_type": "-"}
figures.lines(
    (edges[:-1] + edges[1:]) / 2,
    ratios,
    xlabel="brightness of the estimate",
    ylabel="removed, relative to the simulation",
    caption="The probe, assuming white noise at σ = 25/255: flat where that is true. The camera's noise is stronger in "
    "the dark, that of photons in the light.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "The camera's noise is strong in the shadows after the gamma curve. The white-noise network was trained on the same strength everywhere."}
# ### A picture from the camera
#
# Here is one such picture, restored by the network that was trained on white noise and by one that was trained on the
# camera. Both remove most of the noise.

# %% slideshow={"slide_type": "skip"}
photographer = trained(camera)
with torch.inference_mode():
    found = {
        "trained on white noise": denoiser(shot),
        "trained on the camera": photographer(shot),
    }

# %% slideshow={"slide_type": "-"}
alt = (
    "A picture from the simulated camera with strong noise in the dark places; the network trained on white noise "
    "leaves dark flecks in hair and cheek, the one trained on the camera does not"
)
figures.images(
    {"from the camera": shot} | found,
    reference=y,
    columns=3,
    zoom=(92, 62, 48),
    alt=alt,
    caption="The gamma curve makes noise strong in the dark: look for flecks in the hair, the cheek and the coat.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - A filter decides which pixels may be averaged with which. Wavelets, patches, groups of patches and networks decide
#   differently.
# - PSNR is a squared error on a logarithmic scale. It does not measure what you see; compare it within one protocol only.
# - Noise has a law. Photons: $\text{Var} = y/p$. A sensor: $\text{Var} = a y + \sigma^2$. Interpolation and compression
#   make neighbours agree.
# - With clean images and a forward model, one recipe learns to undo what can be simulated, and only that.
# - What was removed, $z - \hat y$, needs no ground truth. Look at it, and compare it with what a simulation on $\hat y$
#   loses.

# %% slideshow={"slide_type": "slide", "minutes": 1, "notes": "Let everyone answer alone first."}
Quiz.parse("""
An estimate has an error of exactly 0.1 at every pixel, and nothing is clipped. Its PSNR is …
- [x] 20 dB | The mean squared error is 0.01, and 10 log₁₀(1 / 0.01) = 20.
- [ ] 10 dB | That takes the error itself for its square: 10 log₁₀(1 / 0.1).
- [ ] it depends on the image | Only the error enters, and the largest possible value, which
  is 1.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Let everyone answer alone first."}
Quiz.parse("""
The number of photons at every pixel becomes four times as large. The noise, relative to the
signal, is …
- [x] half as strong | Var[z] = y / p: the deviation falls with the root of the photons.
- [ ] a quarter as strong | That is what the variance does; the deviation is its root.
- [ ] just as strong | The number of photons fluctuates more, but less in proportion to their
  number.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Let everyone answer alone first."}
Quiz.parse("""
You do not know σ exactly and have to pass a value to BM3D. Which error costs less?
- [x] a value that is a little too high | Too high costs detail slowly; too low leaves noise
  at once.
- [ ] a value that is a little too low | Then noise is taken for detail. The left side of the
  curve falls faster.
- [ ] zero, so that BM3D finds σ out itself | With σ = 0, it returns the noisy image.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Let everyone answer alone first."}
Quiz.parse("""
Training a denoiser on clean images with simulated noise is called supervised because …
- [x] the loss compares with a known right answer
- [ ] people have looked at the images and labelled them | No labels were made: the clean
  image is the target.
- [ ] the network first learns from a pretext task | A pretext task is a means to something
  else. Here denoising is the goal itself.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Let everyone answer alone first."}
Quiz.parse("""
Your network scores 31 dB on simulated noise, and on your camera's pictures it leaves
blotches in the shadows. Most likely …
- [x] the simulated noise had another law than the camera's
- [ ] the training was too short for noise of this kind | Its score on its own forward model
  says that it was long enough.
- [ ] the PSNR was computed wrongly, without clipping | It is right, for the noise that was
  simulated; clipping changes little.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Letters
#
# | letter | is |
# |---|---|
# | $x, u \in X$ | pixels of the grid $X$, which has $\lvert X \rvert$ of them |
# | $y$, $z$, $\eta$, $\hat y$ | the clean image, the noisy one, the noise $z - y$, an estimate of $y$ |
# | $\sigma$, $n$ | the level of the noise; white noise of variance 1 |
# | $m$ | how many pixels are averaged |
# | $K$, $p$, $a$ | a number of photons; the photons of a white pixel; the gain of a sensor |
# | $g$ | a kernel: what neighbours share, or the streak of a drop |
# | $r$, $s$, $b$ | the share of lost pixels, of seen pixels; 1 where a pixel is seen |
# | $\gamma$ | the exponent of a camera's gamma curve |
# | $T$, $c$, $c_1$ | a transform; a coefficient of $z$; the same coefficient of the guide |
# | $S_t$, $t$, $\sigma_y$ | shrinking by the threshold $t$; the strength of the image in a band |
# | $\alpha$, $d^2$, $h$ | a weight of non-local means; a distance of patches; how strictly they have to agree |
# | $f$, $w$, $i$ | the network; its weights; the number of a training pair |
# | $\delta$, $e$ | the drops of rain; the exposure |
#
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/09_denoising.ipynb): PSNR, the noise of a
# sensor, and a transform that makes the noise of photons the same everywhere. Each is checked at once, and the
# message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Give `trained` a `noise.TextOverlay(0.15)`. The noise is not centred. Does it matter if there are clean images?
# 2. Train on `Gaussian((0, 50 / 255))`, a random level for each patch, and repeat the curve of the wrong σ with the
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
