# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Show the two noisy pictures first. Ask what a network that is perfect on the left will do on the right. Few expect that it does nothing at all."}
# ## A network that fails at strong noise
#
# A camera's noise changes with light, exposure and temperature. Here is a network that was trained on faint noise, any
# level from $\sigma = 0$ to $10/255$. It gets a photograph with noise of 10, and the same photograph with noise of 50.

# %% slideshow={"slide_type": "-"}

import torch
from torch import nn

from course_lib import data, figures, zoo
from course_lib.claims.cite import cite
from course_lib.data.images import to_float
from course_lib.denoise import bias_free
from course_lib.denoise.bias_free import BiasedTwin, BiasFreeDnCNN, BiasFreeNorm
from course_lib.denoiser import score
from course_lib.noise import Gaussian
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
# keeps nearly all of it. Lecture *dncnn* found this sudden failure and widened the range of training; lecture *ffdnet* gave the network
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

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "This is the point at which most see it: equation (1) can be imposed from outside. Lecture nonlocality does so with a network trained at 50 and noise of 75."}
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
# dark image. Remember the trick; in lecture *nonlocality* it makes an old network work at a level it was never trained for.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "A denoiser that is a black box in lecture dncnn becomes one filter for each pixel. Ask which row sums they expect."}
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
# Some weights are negative: no filter of lecture *denoising* has those. The network was given neither the edges nor the level of the
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
# outlines. Wavelet shrinkage of lecture *denoising* does this in a fixed basis. The network chooses a new basis for every patch.

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

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/12_bias_free.ipynb): the
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
