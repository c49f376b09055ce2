# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Show the two noisy pictures first. Ask what a network that is perfect on the left will do on the right. Few expect that it does nothing at all."}
# ## A network that fails at strong noise
#
# A camera's noise changes with light, exposure and temperature. Here is a network that was trained on faint noise, any
# level from $\sigma = 0$ to $10/255$. It gets a photograph with noise of 10, and the same photograph with noise of 50.

# %% slideshow={"slide_type": "-"}
import copy

import torch
from torch import nn

from course_lib import data, figures, zoo
from course_lib.claims.cite import cite
from course_lib.data.drawn import CLASSES, drawn
from course_lib.data.images import to_float
from course_lib.denoise import bias_free, cbdnet, class_aware
from course_lib.denoise.bias_free import BiasedTwin, BiasFreeDnCNN, BiasFreeNorm
from course_lib.denoise.cbdnet import CBDNet, asymmetric_loss
from course_lib.denoise.class_aware import Chooser, Gradual
from course_lib.denoiser import score
from course_lib.noise import Camera, Gaussian
from course_lib.profiles import Budget, choose
from course_lib.quality import psnr
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

train_images, test_images = data.photographs("train"), data.photographs("test")
scene = to_float(test_images["camera"])[..., 60:252, 140:332]  # (1, 1, 192, 192)


def noisy(y, level, *name):
    """A picture with noise of so many gray levels of 255, always the same for the same names."""
    return Gaussian(level / 255)(y, generator=generator(0, "lecture 11", *map(str, name)))


twin = zoo.load(BiasedTwin, "bias_free-twin-10-w32")
faint, strong = noisy(scene, 10), noisy(scene, 50)
with torch.inference_mode():
    pictures = {
        "noise of 10": faint,
        "denoised": twin(faint),
        "noise of 50": strong,
        "denoised ": twin(strong),
    }
figures.images(
    pictures,
    reference=scene,
    columns=2,
    alt="A photograph of a man with a camera. With faint noise, the network cleans it. With strong noise, the "
    "output of the network is about as noisy as its input",
    caption="A DnCNN of nine layers, trained on levels from 0 to 10. Above: noise as in training. Below: more.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# At 50 it hardly changes the image. It does not even remove a fifth of the noise, or the part that looks like noise of 10: it
# keeps nearly all of it. Lecture 09 found this sudden failure and widened the range of training; lecture 10 gave the network
# the level. Both only move the limit. Why is there one at all?

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Do the scaling at the board: divide by five, denoise, multiply by five. Everybody agrees that it should make no difference. For a network with biases it does."}
# ## The idea: leave out every constant
#
# Divide the image at 50 by five. What comes out is a dark image, $z/5 = y/5 + \eta/5$, and its noise has level 10, a
# level of the training. Brightening a photograph is no reason to denoise it differently, so a good denoiser $f$ should not
# depend on the unit of the light:
#
# $$f(a z) = a f(z) \qquad \text{for all } a > 0. \tag{1}$$
#
# Then $f(z) = 5 f(z/5)$, and noise of 50 is nothing new. A convolution without bias obeys (1), and so does a ReLU. The
# constants that are *added* in between do not: the biases of the convolutions, and the means and shifts of batch
# normalisation. Mohan, Kadkhodaie, Simoncelli and Fernandez-Granda (ICLR 2020) remove them all. That is the method: nothing
# is added, nothing else changes.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "The second half is optional at the board; it says that nothing is lost in principle. The hypothesis is that photographs have no preferred contrast, which is roughly true."}
# ## Why constants may be left out, and why they should
#
# A network of convolutions and ReLUs is piecewise linear: as long as no ReLU switches, it is one affine map,
#
# $$f(z) = A_z z + b_z, \qquad A_z = \frac{\partial f}{\partial z}(z). \tag{2}$$
#
# The **net bias** $b_z$ is what all constants together add up to. It was fitted to the noise of training, and nothing makes
# it right for other noise. Without constants $b_z = 0$, and (1) follows: no ReLU switches when $z$ is multiplied by $a > 0$.
#
# Does the network lose anything? The best estimate is the mean of all clean images that could be behind $z$. Suppose images have no preferred
# contrast, $p(a y) \propto p(y)$, and neither has noise, $p(a \sigma) \propto p(\sigma)$. Then everything that could
# explain $a z$ is $a$ times what could explain $z$, equally likely, and the mean obeys (1) by itself:
#
# $$\mathbb E[\, y \mid a z\,] = a\, \mathbb E[\, y \mid z\,].$$
#
# | letter | is |
# |---|---|
# | $y$, $z$, $\eta$ | clean image, noisy image, noise |
# | $f$ | the denoiser; it returns the estimate $\hat y$ of $y$ |
# | $a$ | a number above zero |
# | $A_z$, $b_z$ | Jacobian of $f$ at $z$, and net bias: equation (2) |
# | $w_p$ | row $p$ of $A_z$: the filter for pixel $p$ |
# | $s_i$, $v_i$, $u_i$ | singular values of $A_z$, what it looks for, what it writes |

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Ask why the variance may stay centred: dividing is no addition. In eval mode it is a constant factor. In training mode the layer is not homogeneous, and need not be."}
# ## Normalising without a constant
#
# Batch normalisation subtracts a mean $\mu$ and adds a shift $\beta$. Both are removed; the division stays:
#
# $$x \;\mapsto\; \gamma\, \frac{x - \mu}{\sqrt{v + \epsilon}} + \beta \qquad \text{becomes} \qquad
# x \;\mapsto\; \gamma\, \frac{x}{\sqrt{v} + \epsilon} .$$
#
# $v$ is the variance of a channel over the batch while training, and a running mean of that afterwards: a number, so
# that the layer is linear. ($v$ is still computed around the mean. That adds nothing to $x$.)

# %% slideshow={"slide_type": "-"}
figures.code(BiasFreeNorm.forward)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "This function cannot see constants that a forward method adds itself. The probe on the next slide can."}
figures.code(bias_free.remove_biases)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
small = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1, 3))
print("before:", [name for name, _ in small.named_parameters()])
bias_free.remove_biases(small)
print("after: ", [name for name, _ in small.named_parameters()])
for name, network in (("with constants", BiasedTwin()), ("bias-free", BiasFreeDnCNN())):
    print(
        f"20 layers of 64, {name}: {sum(w.numel() for w in network.parameters())} parameters"
    )

# %% [markdown] slideshow={"slide_type": "fragment"}
# How far is a denoiser from (1)? Take $\lVert f(az) - a f(z) \rVert / \lVert a f(z) \rVert$. By hand: if $f$ adds 1, then
# at $z = 1$ and $a = 2$ it is $|3 - 4| / 4$. And on trained networks:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
free = zoo.load(BiasFreeDnCNN, "bias_free-10-w32")
adds_one = bias_free.homogeneity_error(lambda z, sigma=None: z + 1, torch.ones(1, 1, 2, 2))
print("adding one:", adds_one)
print("bias-free, a = 2:", bias_free.homogeneity_error(free, strong, factor=2.0))
print(
    "bias-free, a = 0.37, below 1e-5:",
    bias_free.homogeneity_error(free, strong, factor=0.37) < 1e-5,
)
print(
    "twin, a = 0.37, above 1e-2:",
    bias_free.homogeneity_error(twin, strong, factor=0.37) > 1e-2,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Same pictures, same noise, same first weights, same steps: the only difference is the constants. Collect guesses for 50 before you run it."}
# ## Experiment 1: the same training, with and without
#
# Two small networks begin with the same weights and see the same batches, with noise from 0 to 10 only. One has its
# constants. **Draw before you look:** the score of both at levels from 5 to 100, and where the two curves separate.

# %% slideshow={"slide_type": "-"}
size = choose(
    smoke=dict(depth=3, width=8),
    lecture=dict(depth=6, width=24),
    full=dict(depth=20, width=64),
)
short = choose(
    smoke=Budget(20, 4, 24), lecture=Budget(800, 8, 36), full=Budget(20_000, 128, 50)
)
live_twin, twin_history = bias_free.train(
    train_images, budget=short, seed=0, network=BiasedTwin(**size)
)
live_free, free_history = bias_free.train(
    train_images, budget=short, seed=0, network=BiasFreeDnCNN(**size)
)
live_twin, live_free = live_twin.cpu(), live_free.cpu()
figures.history(
    {"with constants": twin_history, "bias-free": free_history},
    log="y",
    caption="The loss of both trainings, half the mean squared error. In training they hardly differ.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The dotted line is where the training ended. Let them say what each curve does beyond it."}
levels = (5, 10, 20, 30, 50, 75, 100)
crops = {name: picture[:, 100:260, 100:260] for name, picture in test_images.items()}
pairs = {level: data.fixed_pairs(crops, Gaussian(level / 255), seed=0) for level in levels}


def curve(denoiser):
    """The score of a denoiser on crops of the test photographs, level by level."""
    return [float(score(denoiser, pairs[level]).mean()) for level in levels]


figures.lines(
    levels,
    {
        "noisy": curve(lambda z, sigma=None: z),
        "with constants": curve(live_twin),
        "bias-free": curve(live_free),
    },
    xlabel="noise level σ (of 255)",
    ylabel="PSNR (dB)",
    mark={"training ends": 10},
    caption="Trained for a moment on noise from 0 to 10.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Inside the range of training the network with constants is a little ahead: after so short a training, the other one
# suffers from the missing centring, which makes networks learn faster. Outside, the network with constants is no better than
# the noisy image, and the bias-free one stays clearly better. It was never trained on such noise, and need not be.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The networks of the stored results are larger and trained longer. Ask what would happen to the curve of the twin if it had been trained up to 55: it is there too."}
# ## Experiment 2: the longer training, and a wider range
#
# The stored results have the same comparison for networks of seven layers of 32 channels: mean and range over three seeds,
# for two ranges of training, up to 10 and up to 55. The network with constants is called the **twin** of the bias-free one.
# We expect that it fails at a higher level when its range is wider. Does the bias-free network gain from the wider range?

# %% slideshow={"slide_type": "-"}
stored = cite("bias_free-levels")
trainings = {
    "with constants, up to 10": "twin_10",
    "with constants, up to 55": "twin_55",
    "bias-free, up to 10": "free_10",
    "bias-free, up to 55": "free_55",
}
figures.lines(
    levels,
    stored.lines(["noisy"], levels, "{}_at_{}")
    | stored.lines(trainings, levels, "{}_at_{}", spread="range"),
    xlabel="noise level σ (of 255)",
    ylabel="PSNR on the test photographs (dB)",
    mark={"first range ends": 10, "second": 55},
    caption="Mean and range over three seeds.",
    note=stored.about(
        "bias_free-generalises", "bias_free-little-is-enough", "bias_free-beyond-any-range"
    ),
)

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The paper's networks have 20 layers of 64 and see 41 x 41 pixels; ours see 15 x 15. At 50 a network has to see far."}
both = {"with constants": "twin", "bias-free": "free"}
deep = {f"{name}, 20 layers of 64": key for name, key in both.items()}
two = {f"σ = {level}": level for level in (10, 50)}
figures.table(
    stored.rows(both, two, "bsd68_{}_at_{}")
    | stored.rows(deep, two, "bsd68_{}_at_{}", paper=True),
    paper=list(deep),
    caption="PSNR in dB on BSD68, all networks trained on levels from 0 to 10. Daggers: the curves that the authors "
    "publish with their code.",
    note=stored.about("bias_free-generalises", "bias_free-costs-nothing"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The twin agrees with the paper's: it is useless at 50. The bias-free network is many decibels ahead of it, and still
# behind the paper's. A network that was trained on faint noise has learnt to use near pixels, and ours is small. Equation (1)
# says that it treats strong noise like faint noise in a dark image, not that this is the best one could do. So ours gains
# much from the wider range, where the paper's gains less than half a decibel. In the paper the constants are worth nothing
# even inside the range. Here they are worth some tenths of a decibel at faint noise: the claims bias_free-costs-nothing
# and bias_free-little-is-enough fail.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Move the slider slowly from left to right and stop where the middle picture becomes noisy."}
# ## Play: how much noise can they take?
#
# Both networks have nine layers of 32 channels and were trained on noise from 0 to 10.


# %% slideshow={"slide_type": "-"}
scenes = {
    "camera": scene[..., 10:154, 30:174],
    "cat": to_float(test_images["chelsea"])[..., 60:204, 110:254],
    "wall": to_float(test_images["brick"])[..., 100:244, 100:244],
}


def mismatch(level, photograph):
    y = scenes[photograph]
    z = noisy(y, level, photograph)
    with torch.inference_mode():
        shown = {"noisy": z, "with constants": twin(z), "bias-free": free(z)}
    return figures.scored(shown, reference=y)


Player(
    render=mismatch,
    axes=(
        Axis("level", levels, "Noise level of the image (of 255)", start=4),
        Axis("photograph", tuple(scenes), "Photograph"),
    ),
    alt=lambda level, photograph: (
        f"The photograph {photograph} with noise of level {level}, and the results of the network with "
        "constants and of the bias-free network"
    ),
    caption="Up to 10 you will see no difference. Beyond it, one of them stops working.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "This is the point at which most see it: equation (1) can be imposed from outside. Lecture 13 does so with a network trained at 50 and noise of 75."}
# ## Experiment 3: scale it yourself
#
# If (1) is what matters, we can impose it by hand on a network that does not obey it: divide the noisy image by five, let the **twin**
# denoise that, multiply by five. **Predict:** does it help? Does the same help the bias-free network?

# %% slideshow={"slide_type": "-"}
by_hand = {
    "with constants": {
        "as it is": twin,
        "5 f(z / 5)": lambda z, sigma=None: 5 * twin(z / 5),
    },
    "bias-free": {"as it is": free, "5 f(z / 5)": lambda z, sigma=None: 5 * free(z / 5)},
}
figures.table(
    {
        name: {way: float(score(f, pairs[50]).mean()) for way, f in ways.items()}
        for name, ways in by_hand.items()
    },
    caption="PSNR in dB at σ = 50 on crops of the test photographs; networks trained up to 10. "
    "The note has three seeds.",
    note=stored.about("bias_free-scaled-by-hand"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Two multiplications repair the twin, *if* one knows by how much to divide. The bias-free network does not need this
# number: for it the two columns are the same. Now compare the networks. Scaled by hand, the twin is even ahead.
# Both got the same dark image with noise of 10, but with its constants the twin can measure how large noise of 10
# is. A bias-free network can only see the *ratio* of noise to image, and in training the ratio was never as bad as in this
# dark image. Remember the trick; in lecture 13 it makes an old network work at a level it was never trained for.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "A denoiser that is a black box in lecture 09 becomes one filter for each pixel. Ask which row sums they expect."}
# ## Looking inside: every pixel has its filter
#
# Leaving out the constants has a second advantage. With $b_z = 0$, equation (2) says that the estimate at pixel
# $p$ is a weighted sum of noisy pixels,
#
# $$\hat y_p = \langle w_p, z \rangle, \qquad w_p = \frac{\partial f(z)_p}{\partial z}, \tag{3}$$
#
# with weights that the network chose **for this pixel of this image**. Nothing is approximated: one backward pass
# gives $w_p$. A classical filter has one $w$ for all pixels; non-local means has one for each. Now we can look
# at the network's.

# %% slideshow={"slide_type": "-"}
figures.code(bias_free._rows, bias_free.net_bias)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
place = (40, 100)
z = strong[..., 20:116, 20:116].double()
exact = {name: network.double() for name, network in (("bias-free", free), ("twin", twin))}
for name, network in exact.items():
    (weights,) = bias_free.adaptive_filters(network, z, pixels=[(40, 40)])
    with torch.no_grad():
        left = abs(float((weights * z).sum() - network(z)[0, 0, 40, 40]))
    print(f"{name}: the filter gives the estimate, within 1e-12: {left < 1e-12}")
print("weights that are not zero lie within", 2 * free.depth + 1, "x", 2 * free.depth + 1)
print(
    "and there are none outside:",
    bool(
        (weights[:, : 40 - free.depth] == 0).all()
        and (weights[:, 41 + free.depth :] == 0).all()
    ),
)
free, twin = free.float(), twin.float()

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The constant of the twin is a picture, and a different one for every z: it is made of the biases behind those ReLUs that are open. The paper finds that it becomes very large outside of the range. Ask whether it does here."}
# The estimate of the twin has another part: its net bias $b_z$. Here it is, for noise of 5 and of 50.

# %% slideshow={"slide_type": "-"}
nets = {"with constants": twin, "bias-free": free}
net_biases = {
    f"{name}, σ = {level}": bias_free.net_bias(network, noisy(scene, level))[
        ..., 48:144, 48:144
    ]
    for name, network in nets.items()
    for level in (5, 50)
}
figures.images(
    net_biases,
    signed=list(net_biases),
    columns=2,
    alt="The net bias as pictures. Of the network with constants: traces of outlines at noise of 5, grains everywhere at 50. Of "
    "the bias-free network: zero in both",
    caption="What is added to the weighted sums: b_z = f(z) − A_z z, in units of the image.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# This part of the twin's estimate is no filtering at all. The paper reports that it is small within the range of
# training and very large outside. Ours does not become large, and the claim fails. For the argument it is enough that it is
# there: a constant that does not grow with $z$ cannot be right at two levels.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Let them draw the filter for the edge pixel first: most draw a round blob."}
# ## Experiment 4: what the filters look like
#
# We look at a bias-free network that was trained up to 55, where the levels of interest are. Three pixels: one in the
# flat sky, one at the edge of the collar, one on a thin bright cord; at three levels of noise. **Draw the filter that you would
# use** for each before you look. Red weights are positive, blue negative, and each filter is scaled by its largest
# weight.

# %% slideshow={"slide_type": "-"}
wide = zoo.load(BiasFreeDnCNN, "bias_free-55-w32")
spots = {"sky": (30, 160), "edge": (112, 31), "cord": (140, 164)}
reach = wide.depth


def filters(level):
    """The filters of the three pixels, cut to what a pixel can depend on."""
    z = noisy(scene, level, "filters")
    found = bias_free.adaptive_filters(wide, z, pixels=list(spots.values()))
    return {
        f"{name}, σ = {level}": w[:, r - reach : r + reach + 1, c - reach : c + reach + 1]
        for (name, (r, c)), w in zip(spots.items(), found, strict=True)
    }


shown = {}
for level in (10, 30, 100):
    shown |= {name: w / w.abs().max() for name, w in filters(level).items()}
figures.images(
    shown,
    signed=list(shown),
    columns=3,
    unit="share",
    alt="Nine filters. In the sky the weights spread over all that the network can see; at the collar they are a few pixels; "
    "on the cord it is the pixel itself at noise of 10 and 30, and a patch around it at noise of 100",
    caption="Rows: noise of 10, 30 and 100. Columns: a pixel in the sky, at the edge of the collar, on the cord.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# In the sky the network averages over everything it can see. At an edge it takes few pixels, on one side of the edge and
# along it. On the cord it uses the pixel itself while the noise is faint, and the neighbours when it is strong.
# Some weights are negative: no filter of lecture 08 has those. The network was given neither the edges nor the level of the
# noise: it finds both from $z$, and switches its ReLUs accordingly.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Let someone look for a pixel whose filter is hard to explain."}
# ### Play: choose a pixel, see its filter


# %% slideshow={"slide_type": "-"}
view = to_float(test_images["camera"])[..., 80:175, 190:285]  # 95 x 95 pixels
places_seen = (12, 26, 40, 54, 68, 82)
rows = columns = choose(smoke=(12, 40, 68), lecture=places_seen, full=places_seen)
viewed = (10, 30, 100)


def in_colour(weights):
    """Weights as a picture (3, H, W): zero is white, positive red, negative blue."""
    share = (weights / weights.abs().max()).clamp(-1, 1)[0]
    up, down = share.clamp(min=0), (-share).clamp(min=0)
    return 1 - torch.stack([0.3 * up + down, up + 0.7 * down, up + 0.2 * down])


grid = [(row, column) for row in rows for column in columns]
seen = {level: noisy(view, level, "viewer") for level in viewed}
chosen = {
    level: bias_free.adaptive_filters(wide, z, pixels=grid) for level, z in seen.items()
}


def viewer(row, column, level):
    weights = chosen[level][grid.index((row, column))]
    field = nn.functional.pad(weights, [reach] * 4)[
        :, row : row + 2 * reach + 1, column : column + 2 * reach + 1
    ]
    enlarged = in_colour(field).repeat_interleave(5, dim=1).repeat_interleave(5, dim=2)
    enlarged[:, [0, -1]] = enlarged[:, :, [0, -1]] = 0.6  # a frame
    at = dict(top=row - 2, left=column - 2, size=5, colour=(1.0, 0.69, 0.0))
    return {
        "noisy image": figures.framed(seen[level].clamp(0, 1), **at),
        "filter of the pixel": enlarged,
    }


def said(row, column, level):
    weights = chosen[level][grid.index((row, column))]
    width = bias_free.filter_width(weights, pixel=(row, column))
    return f"Weights add up to {float(weights.sum()):.2f}; width {width:.1f} pixels."


Player(
    render=viewer,
    axes=(
        Axis("row", rows, "Row of the pixel", start=2),
        Axis("column", columns, "Column of the pixel", start=2),
        Axis("level", viewed, "Noise level (of 255)", start=1),
    ),
    alt=lambda row, column, level: (
        f"A noisy photograph with a frame around the pixel in row {row}, column {column}, and the filter that the "
        f"network uses there at noise of {level}"
    ),
    note=said,
    caption="Left: where. Right: the 19 × 19 weights of the noisy pixels in the estimate there, enlarged; red is "
    "positive, blue negative.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "A projection is the textbook denoiser: keep the subspace in which images live, drop the rest. How large is the subspace? It depends on how much noise there is."}
# ## Experiment 5: how many dimensions are left?
#
# All filters together are the matrix $A_z$, and $A_z = \sum_i s_i\, u_i v_i^\top$ says what it does: it measures how much
# of the picture $v_i$ there is in $z$, multiplies this by $s_i$, and writes it as $u_i$. If all $s_i$ were 0 or
# 1 and $u_i = v_i$, it would be a projection onto a subspace of clean patches. White noise of variance $\sigma^2$ comes out with energy
#
# $$\mathbb E \lVert A_z \eta \rVert^2 = \sigma^2 \sum_i s_i^2 =: \sigma^2 d ,$$
#
# and $d$ is called the **effective dimensionality**: a projection onto $d$ dimensions would let through as much. We
# take a patch of $24 \times 24$ pixels. **Predict** how many of the 576 dimensions are left at noise of 10, of 30, of 100.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
box = torch.full(
    (576, 576), 1 / 576, dtype=torch.float64
)  # the mean of the patch, everywhere
line = torch.kron(
    torch.eye(24), torch.full((24, 24), 1 / 24)
).double()  # the mean of each row
for name, matrix in (
    ("nothing done", torch.eye(576)),
    ("means of rows", line),
    ("one mean", box),
):
    print(f"{name}: {bias_free.effective_dimensionality(matrix):.0f} dimensions")

# %% slideshow={"slide_type": "-"}
patch = scene[..., 88:112, 96:120]  # a nose before the sky
matrices = {
    level: bias_free.jacobian(wide, noisy(patch, level, "patch")) for level in (10, 30, 100)
}
spectra = {
    level: bias_free.singular_vectors(matrix, shape=(1, 24, 24))
    for level, matrix in matrices.items()
}
figures.lines(
    list(range(1, 577)),
    {f"σ = {level}": spectrum[1] for level, spectrum in spectra.items()},
    xlabel="singular value, the largest first",
    ylabel="share that is kept",
    log="x",
    caption="Singular values of the Jacobian at one patch of 24 × 24 pixels.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The first ones are smooth or follow the patch; the last ones are what is thrown away."}
figures.table(
    {
        f"σ = {level}": {
            "dimensions here": bias_free.effective_dimensionality(matrix),
            "mean row sum": float(matrix.sum(dim=1).mean()),
            "asymmetry |A − Aᵀ| / |A|": float((matrix - matrix.mT).norm() / matrix.norm()),
            "dimensions, stored": stored[f"dimensions_at_{level}"],
            "of 900, authors' example": figures.Paper(paper),
        }
        for (level, matrix), paper in zip(
            matrices.items(), (209.8, 108.3, 44.0), strict=True
        )
    },
    caption="The matrix at one patch, the stored mean over patches and seeds, and "
    "what the authors' own Jacobians of a patch of 30 × 30 give.",
    note=stored.about("bias_free-fewer-dimensions"),
)

# %% slideshow={"slide_type": "subslide", "minutes": 2}
places = (1, 12, 16, 20, 31, 60, 120, 576)
v, kept_share, _ = spectra[30]
looked_for = {
    f"{i}: s = {kept_share[i - 1]:.2f}": (v[i - 1] / v[i - 1].abs().max()).float()
    for i in places
}
figures.images(
    {"the clean patch": patch, **looked_for},
    signed=list(looked_for),
    columns=3,
    unit="share",
    alt="A nose before the sky and eight singular vectors: those with values about one follow the outlines of the nose, "
    "the first and the last look like noise",
    caption="At noise of 30: pictures that the network looks for in this patch, each scaled by its largest value. Those "
    "about s = 1 pass as they are; look for the outline of the nose in them.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Pictures that follow the outlines of this patch pass unchanged; most of the others are damped. (It is no perfect projection:
# a few are even amplified.) With more noise fewer of them pass: at faint noise fine details pass, at strong noise only
# outlines. Wavelet shrinkage of lecture 08 does this in a fixed basis. The network chooses a new basis for every patch.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Homogeneous is not optimal. The largest singular value shows where a denoiser works outside of its training: it should never make anything larger."}
# And the network that was trained up to 10? It obeys (1) as well, so it changes the image at 30 and at 100. Is the result
# sensible? A denoiser has no reason to make any picture larger than it was: no $s_i$ should be far above 1.

# %% slideshow={"slide_type": "-"}
narrow = {
    level: bias_free.jacobian(free, noisy(patch, level, "patch")) for level in matrices
}
figures.table(
    {
        f"trained up to {high}": {
            f"σ = {level}": float(torch.linalg.matrix_norm(matrix, ord=2))
            for level, matrix in found.items()
        }
        for high, found in ((10, narrow), (55, matrices))
    },
    caption="The largest singular value of the Jacobian, at the same patch.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Outside of its range of training, the network trained up to 10 is far better than its twin, but not good: at 30 it
# amplifies some pictures more than threefold. The network trained up to 55 is no projection either, but nearer to one there.
# Scaling does not replace training. If you expect strong noise, train on it, *and* leave out the constants.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "If you have stored a noisy picture as PNG, you have done this. Ask what the mean of clipped noise is where the scene is black."}
# ## Break it: noise that was clipped
#
# Equation (1) is about the *strength* of the noise. We store the noisy picture as usual, with 8 bits: what is
# below 0 becomes 0, what is above 1 becomes 1. The network trained up to 55 was trained on this level.
# **Predict:** where will its estimate be wrong, and in which direction?

# %% slideshow={"slide_type": "-"}
clipped = strong.clamp(0, 1)
with torch.inference_mode():
    kept, cut = wide(strong), wide(clipped)
figures.images(
    {
        "from the noisy image": kept,
        "from the clipped one": cut,
        "second minus first": cut - kept,
    },
    reference=scene,
    signed=["second minus first"],
    columns=3,
    alt="Two estimates of a photograph; in the one from the clipped image, the black coat and hair are gray. Their "
    "difference is positive where the scene is dark and negative where it is bright",
    caption="Noise of 50. The second input differs from the first only where that was outside of [0, 1].",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "In the black coat half of the noise has been cut off, so what is left has a mean. A denoiser that averages cannot correct this."}
# Where the scene is black, only the positive half of the noise is left, and its mean is not zero. The network averages,
# as it should, and finds that mean. For a pixel that was 0, clipped noise of level $\sigma$ has mean $\sigma / \sqrt{2 \pi}$:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
expected = 50 / (2 * torch.pi) ** 0.5
drawn_noise = noisy(torch.zeros(1, 1, 512, 512), 50, "clipped").clamp(min=0)
print(f"mean of clipped noise on black, of 255: {expected:.1f}")
print("drawn, the same within 0.3:", abs(255 * drawn_noise.mean().item() - expected) < 0.3)

# %% slideshow={"slide_type": "-"}
dark = scene < 0.1
figures.table(
    {
        name: {
            "dark pixels: mean error (of 255)": 255
            * (estimate - scene)[dark].mean().item(),
            "PSNR (dB)": psnr(estimate, scene).item(),
            "input at exactly 0 or 1 (%)": 100
            * ((given == 0) | (given == 1)).float().mean().item(),
        }
        for name, given, estimate in (
            ("noisy image", strong, kept),
            ("clipped", clipped, cut),
        )
    },
    caption="The probe is the last column, and needs no clean image: noise does not stop at 0.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The level alone looks right. Count the pixels at exactly 0 and 1 before you trust an estimate in
# the shadows. Noise has a kind as well as a strength, and bias-free networks help with the strength only.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Show the noisy picture alone and ask what is odd about this noise. Someone will say that it has blotches; someone else that the dark parts are worse."}
# ## A level is not enough: the noise of a camera
#
# A bias-free network works at any level. But noise is more than a level. Here is a photograph as a camera may have
# taken it: photons are counted in linear light, each pixel sees one colour only, a curve brightens the dark parts,
# JPEG removes what the eye does not see. Two networks of the same size, with the same number of training steps, denoise it. One
# was trained on white noise of all levels up to 55, the other on pictures that went through cameras like this one.

# %% slideshow={"slide_type": "-"}
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
# CBDNet (Guo, Yan, Zhang, Zuo, Zhang, CVPR 2019) estimates what lecture 10 had as an input. A small network $E$ estimates
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

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Look back at the asymmetric curve of lecture 10: with half the level, the network lost far more than with twice the level. The loss has the same asymmetry built in. Mind the sign: a well known re-implementation has it the other way round."}
# ## Why asymmetric
#
# Lecture 10 measured what a wrong map costs: if the level is too low, a denoiser leaves noise; if it is too high, it only
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

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Change of subject: so far we widened what noise may be. Now we narrow down what an image may be."}
# ## From all noises to one kind of image
#
# So far, robust meant: more kinds of noise. One can also go the other way: what if we know what is *in* the
# picture? A denoiser uses knowledge of images, and much more is known about faces than about photographs in general.
# Our own code draws three classes, as many pictures as we like:

# %% slideshow={"slide_type": "-"}
figures.images(
    {
        f"{kind}{' ' * i}": to_float(picture)
        for kind in CLASSES
        for i, picture in enumerate(drawn(kind, 3).values())
    },
    columns=3,
    alt="Three drawn faces, three pieces of pages of random words, three pieces of woven cloth",
    caption="Faces, text, texture: each picture is drawn from random numbers, and no two are alike.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Draw the volume: 64 channels in, one leaves, 63 go on. Ask what the first layer can see: three by three pixels."}
# ## A network that shows what each layer does
#
# The network of Remez, Litany, Giryes and Bronstein (IEEE TIP 2018) has 20 convolutions of $3 \times 3$ with 64 channels.
# One channel of each is split off, before the ReLU: it is that layer's own **noise estimate**. The other 63 go on. All
# that was split off is subtracted from the input:
#
# $$\hat y = z - \sum_{d=1}^{20} \eta_d, \qquad \eta_d = -\tfrac{1}{10} \times \text{channel 0 of layer } d .$$
#
# So the image can be shown after every layer, $z - \eta_1 - \dots - \eta_d$: the noise is removed gradually.

# %% slideshow={"slide_type": "-"}
figures.code(Gradual.noise_estimates)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
network = Gradual()
print(
    "channels in and out:",
    [(layer.in_channels, layer.out_channels) for layer in network.layers][:3],
    "...",
    (network.layers[-1].in_channels, network.layers[-1].out_channels),
)
print("parameters:", sum(weight.numel() for weight in network.parameters()))
crop = noisy(scene, 25)[..., :64, :64]
with torch.inference_mode():
    parts = network.noise_estimates(crop)
    print("noise estimates:", len(parts))
    print(
        "output = input - their sum, bit for bit:",
        torch.equal(network(crop), crop - class_aware.sum_of(parts)),
    )

# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Move the slider slowly. Stop where the sky is clean and the man is not. Then look at the estimates of the last layers: edges."}
gradual = zoo.load(Gradual, "class_aware-s25-w16")
grainy = noisy(scene, 25)
with torch.inference_mode():
    stages, estimates = (
        [grainy, *gradual.gradually(grainy)],
        [torch.zeros_like(grainy), *gradual.noise_estimates(grainy)],
    )
largest = max(float(part.abs().max()) for part in estimates)


def after(layer):
    return {
        f"after layer {layer}" if layer else "the input": stages[layer].clamp(0, 1),
        "taken away by this layer" if layer else "nothing yet": 0.5
        + 0.5 * estimates[layer] / largest,
    }


Player(
    render=after,
    axes=(
        Axis("layer", tuple(range(gradual.depth + 1)), "Layer", start=gradual.depth // 2),
    ),
    alt=lambda layer: (
        f"A noisy photograph of a man with a camera after {layer} of {gradual.depth} layers, and beside it, on "
        "gray, what the last of these layers took away"
    ),
    note=lambda layer: f"PSNR {psnr(stages[layer], scene).item():.2f} dB",
    caption="Gradual denoising: the image after each layer, and that layer's noise estimate (gray is nothing).",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The loss sees the last image only, not those half-way. Ask why the images in between are nevertheless better and better."}
# A layer sees $(2d+1) \times (2d+1)$ pixels, so the first ones see little. **Predict** the two curves: which parts
# of the image are clean first, flat ones or edges?

# %% slideshow={"slide_type": "-"}
layers = cite("class_aware-gradual")
where = {"flat half": "flat", "steepest tenth": "edges", "whole image": "all"}
figures.lines(
    range(21),
    layers.lines(where, range(21), "{}_after_{}"),
    xlabel="layers",
    ylabel="PSNR (dB)",
    caption="Test photographs at σ = 25/255, mean of three seeds, not clipped. The loss sees the end of the curves only.",
    note=layers.about("class_aware-flat-first"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The paper says that the first layers clean flat parts and the last ones edges. In our small network the claim
# class_aware-flat-first fails: the curve of the edges stops rising first. Edges gain little in all, and this gain needs few
# pixels only. A flat part is averaged over as many pixels as a layer can see, and still gets better when there are more.
# If you bet on "flat first", you agreed with the paper.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "The control is the point: both copies get the same number of further steps. Without it, more training would be mistaken for a class."}
# ## Experiment: class-aware
#
# We take two copies of the trained network and train both further, for as many steps: one on all three classes, one on
# text only. **Bet:** how much does it gain to know that the picture is text?

# %% slideshow={"slide_type": "-"}
known = {
    kind: drawn(kind, choose(smoke=2, lecture=60, full=400), seed=1) for kind in CLASSES
}
everything = [picture for pictures in known.values() for picture in pictures.values()]
further = choose(
    smoke=Budget(4, 2, 24), lecture=Budget(150, 8, 48), full=Budget(45_000, 64, 128)
)


def trained_further(pictures):
    own = copy.deepcopy(gradual).requires_grad_(True)
    return class_aware.train(
        pictures, noise=25 / 255, budget=further, seed=0, network=own
    ).model.cpu()


agnostic, for_text = trained_further(everything), trained_further(known["text"])
new = {
    kind: data.fixed_pairs(
        drawn(kind, choose(smoke=1, lecture=6, full=20), seed=2), Gaussian(25 / 255), seed=0
    )
    for kind in CLASSES
}
figures.table(
    {
        name: {kind: float(score(model, pairs).mean()) for kind, pairs in new.items()}
        for name, model in {
            "trained on photographs": gradual,
            "further on all three": agnostic,
            "further on text": for_text,
        }.items()
    },
    columns=CLASSES,
    best="max",
    caption="PSNR in dB at σ = 25/255 on new pictures of each class. All three networks have the same size.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Read the diagonal first, then a row: a network that is better on one class is worse on others. Then the last row."}
gaussian, photons = cite("class_aware-gaussian"), cite("class_aware-poisson")
rows = (
    {"class-agnostic": "agnostic"}
    | {f"for {kind}": kind for kind in CLASSES}
    | {"a classifier chooses": "chooser"}
)
lit = {f"{kind}, 8 photons": kind for kind in CLASSES}
figures.table(
    {
        name: gaussian.row(CLASSES, f"{key}_on_{{}}") | photons.row(lit, f"{key}_on_{{}}")
        for name, key in rows.items()
    },
    best="max",
    caption="PSNR in dB, mean of three seeds. Left: Gaussian noise, σ = 25/255; right: Poisson noise with 8 photons at a white "
    "pixel. All networks were trained further by as many steps.",
    note=[gaussian, photons],
)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Photographs this time, of people. Numbers only. The gain is smaller than for drawn classes, as in the paper."}
people = cite("class_aware-people")
rows = {
    name: people.row(
        {"faces of other people": "people", "photographs": "photographs"}, f"{key}_on_{{}}"
    )
    | people.row({"the paper's face": key}, "{}_on_people", paper=True)
    for name, key in {"class-agnostic": "agnostic", "for faces": "aware"}.items()
}
figures.table(
    rows,
    paper=["the paper's face"],
    best="max",
    caption="Photographs of faces (ORL): trained further on those of 30 people, tested on 10 others, σ = 25/255. Mean of three "
    "seeds. The paper's numbers are for one photograph.",
    note=people,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "The classifier never sees a clean picture, neither in training nor here."}
# ## Who chooses?
#
# At test time the class of the picture is not given. A small classifier, trained on *noisy* pictures of the classes,
# estimates it. With Gaussian noise it is right so often that hardly anything is lost. With photon noise it gave some pages of
# text to the wrong network, and at one seed this cost more than the known class had gained: so the claim
# class_aware-poisson fails.

# %% slideshow={"slide_type": "-"}
classifier, _ = class_aware.train_classifier(
    known,
    noise=25 / 255,
    seed=0,
    budget=choose(
        smoke=Budget(5, 6, 24), lecture=Budget(250, 12, 64), full=Budget(3000, 48, 64)
    ),
)
chooser = Chooser(
    classifier.cpu(), {"faces": agnostic, "text": for_text, "texture": agnostic}
)
figures.table(
    {
        f"σ = {level}": {
            kind: f"{sum(chooser.choose(noisy(to_float(picture), level, name))[0] == kind for name, picture in pictures.items())}"
            f" of {len(pictures)}"
            for kind, pictures in (
                (kind, drawn(kind, choose(smoke=2, lecture=12, full=50), seed=2))
                for kind in CLASSES
            )
        }
        for level in (25, 50, 100)
    },
    columns=CLASSES,
    caption="New pictures that were given to the right network. The classifier was trained at σ = 25/255 only.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Ask what they see in the third picture before you explain it. A wrong prior adds structures that are not there."}
# ## Break it: the wrong class
#
# What is the result of the network for text on a face?

# %% slideshow={"slide_type": "-"}
face = to_float(drawn("faces", 1, size=160, seed=3)["faces 0"])
grainy_face = noisy(face, 25, "face")
with torch.inference_mode():
    made = {
        "noisy, σ = 25": grainy_face,
        "for all classes": agnostic(grainy_face),
        "for text": for_text(grainy_face),
    }
figures.images(
    made,
    reference=face,
    columns=3,
    zoom=(40, 60, 40),
    alt="A drawn face with noise, after the network for all classes, and after the network for text, which leaves specks "
    "and short strokes where there were none",
    caption="Noise as in training, a picture of another class. The network for text leaves specks: it keeps everything that could be "
    "a piece of a stroke.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# A class-aware denoiser depends on the classifier. **The probe** is again what was removed: its deviation should be that of
# the noise, and it should not show what the class looks like.

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

# %% slideshow={"slide_type": "slide", "minutes": 5, "notes": "Let everyone answer alone first."}
Quiz.parse("""
A bias-free network was trained on noise from 0 to 10. At 50 it …
- [x] does what it would do to noise of 10 in an image five times darker
- [ ] removes noise of 10 and leaves the rest | That is closer to what the network with
  constants does. Homogeneity scales everything with z.
- [ ] does as well as if it had been trained at 50 | There is no reason: it treats the noise as
  faint noise in a dark image, which need not be the best.

Which of these layers may a bias-free network have?
- [x] max pooling | The largest of a z is a times the largest of z.
- [ ] a sigmoid at the end | It maps 0 to 1/2 and saturates: twice the input is not twice
  the output.
- [ ] group normalisation | It subtracts the mean and divides by the deviation of this very
  image: its output does not grow with the input at all.
""")

# %% slideshow={"slide_type": "subslide"}
Quiz.parse("""
The weights w_p of a pixel depend on …
- [x] the noisy image around p | z decides which ReLUs are open.
- [ ] the network only | That would be one linear filter for all images. A_z depends on
  z.
- [ ] the noise level that is passed to the network | No level is passed: the network
  estimates the noise from z.

The Jacobian at a patch of 100 pixels has effective dimensionality 25. White noise of
variance σ² leaves with …
- [x] a quarter of its energy
- [ ] a quarter of its standard deviation | Energy is the square: a quarter of the energy is
  half of the deviation.
- [ ] all of it: noise is what a denoiser cannot see | What passes is what lies in the
  directions that are kept, 25 of 100.
""")

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
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/11_robust_denoisers.ipynb): the
# normalisation of a bias-free network, the asymmetric loss of CBDNet, and the image after each layer of a gradual
# network. Each is checked at once, and the message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Make an FFDNet bias-free with `remove_biases`. What must happen to its noise level map when $z$ is doubled?
# 2. Train a bias-free network on $z - 0.5$ and add $0.5$ at the end. It violates (1). Does it fail at 50? About which
#    point is it homogeneous?
# 3. Train a CBDNet with `alpha=0.7` and look at its map beside that of `cbdnet-camera-w16`.
# 4. Give `Gradual` a depth of 5. Which of the classes suffers most, and why that one?
# 5. Draw a fourth class, and give it to the classifier without training on it. Which network does it choose?
#
# ## Further reading
#
# - S. Mohan, Z. Kadkhodaie, E. P. Simoncelli, C. Fernandez-Granda: *Robust and Interpretable Blind Image Denoising via
#   Bias-Free Convolutional Neural Networks*, ICLR 2020.
# - P. Milanfar: *A Tour of Modern Image Filtering*, IEEE Signal Processing Magazine 30 (2013). Classical denoisers as matrices
#   that depend on the image.
# - S. Guo, Z. Yan, K. Zhang, W. Zuo, L. Zhang: *Toward Convolutional Blind Denoising of Real Photographs*, CVPR 2019.
# - S. Nam, Y. Hwang, Y. Matsushita, S. J. Kim: *A Holistic Approach to Cross-Channel Image Noise Modeling and Its
#   Application to Image Denoising*, CVPR 2016. The 25 real pairs.
# - W. K. Newey, J. L. Powell: *Asymmetric Least Squares Estimation and Testing*, Econometrica 1987. Where expectiles come from.
# - T. Remez, O. Litany, R. Giryes, A. M. Bronstein: *Class-Aware Fully Convolutional Gaussian and Poisson Denoising*, IEEE
#   TIP 2018.
