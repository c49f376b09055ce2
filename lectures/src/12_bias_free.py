# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Show the two noisy pictures first. Ask what a network that is good on the left will do on the right. Few expect that it does nothing at all."}
# ## A network that fails at strong noise
#
# A camera's noise changes with light, exposure and temperature. This network was trained on faint noise, of any level
# from $\sigma = 0$ to $10/255$. It gets a photograph with noise of 10, and the same one with noise of 50.

# %% slideshow={"slide_type": "-"}
import copy
import functools

import torch
from torch import nn

from course_lib import data, figures, zoo
from course_lib.claims.answers import answer
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

# %% slideshow={"slide_type": "skip"}
train_images, test_images = data.photographs("train"), data.photographs("test")
scene = to_float(test_images["camera"])[..., 60:252, 140:332]  # (1, 1, 192, 192)


def noisy(y, level, *name):
    """A picture with noise of so many gray levels of 255, always the same for the same names."""
    return Gaussian(level / 255)(y, generator=generator(0, "lecture 11", *map(str, name)))


twin = zoo.load(BiasedTwin, "bias_free-twin-10-w32")
faint, strong = noisy(scene, 10), noisy(scene, 50)
with torch.inference_mode():
    from_faint, from_strong = twin(faint), twin(strong)

# %% slideshow={"slide_type": "-"}
pictures = {
    "noise of 10": faint,
    "denoised": from_faint,
    "noise of 50": strong,
    "denoised ": from_strong,
}
alt = """A photograph of a man with a camera, four times. With faint noise, the network cleans it. With strong noise,
the output of the network is about as noisy as its input"""
figures.images(
    pictures,
    reference=scene,
    columns=4,
    alt=alt,
    caption="A DnCNN of nine layers, trained on levels from 0 to 10, inside and outside of that range.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# It removes the noise of 10. Of the noise of 50 it leaves nearly everything. Lecture *dncnn* widened the range of
# training, lecture *ffdnet* gave the network the level. Both move the limit. Why is there one?

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Do the scaling at the board: divide by five, denoise, multiply by five. Everybody agrees that it should make no difference. For a network with biases it does."}
# ## The idea: leave out every constant
#
# Divide the noisy image at 50 by five. The result is a dark image, $z/5 = y/5 + \eta/5$, with noise of level 10: a
# level of the training. Brightness is a matter of units, and a good denoiser $f$ should not depend on them:
#
# $$f(a z) = a f(z) \qquad \text{for all } a > 0. \tag{1}$$
#
# Then $f(z) = 5 f(z/5)$, and noise of 50 is nothing new. A convolution without bias obeys (1), and so does a ReLU.
# What breaks it are the constants that are *added* in between: the biases of the convolutions, and the means and shifts of
# batch normalisation. Mohan, Kadkhodaie, Simoncelli and Fernandez-Granda (ICLR 2020, section 4) remove all of them and
# change nothing else.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Optional at the board; it says that nothing is lost in principle. The hypothesis is that photographs have no preferred contrast, which is roughly true."}
# ### Does the network lose anything?
#
# The best estimate in the sense of the squared error is the mean of all clean images that could have led to $z$. Suppose
# that photographs have no preferred contrast: $a y$ is as likely as $y$. Suppose the same of the noise level: $a \sigma$
# is as likely as $\sigma$. Then everything that could explain $a z$ is $a$ times something that could explain $z$, and it is
# equally likely. So the mean obeys (1) by itself:
#
# $$\mathbb E[\, y \mid a z\,] = a\, \mathbb E[\, y \mid z\,].$$
#
# A network that obeys (1) by construction need not learn it from examples. But in training on a narrow range the level *is*
# known, and a network with constants can use that. The experiments measure what it is worth.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "For reading, not for talking."}
# ### The letters of this lecture
#
# | letter | is |
# |---|---|
# | $y$, $z$, $\eta$, $\sigma$ | clean image, noisy image, noise, its standard deviation |
# | $f$, $\hat y$ | the denoiser, and its estimate $\hat y = f(z)$ |
# | $a$ | a number above zero |
# | $x$, $v$, $\gamma$, $\epsilon$ | a channel inside the network, its variance, its gain, a tiny number |
# | $A_z$, $b_z$ | Jacobian of $f$ at $z$, and net bias: equation (2) |
# | $p$, $w_p$ | a pixel, and the filter for it: row $p$ of $A_z$ |
# | $s_i$, $r_i$, $u_i$ | singular values of $A_z$, what it looks for, what it writes |
# | $d$ | effective dimensionality: the sum of all $s_i^2$ |

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Ask why the variance may stay centred: dividing is no addition. In eval mode it is a constant factor. In training mode the layer is not homogeneous, and need not be."}
# ## Take the constants out
#
# Convolutions lose their biases. Batch normalisation loses its mean $\mu$ and its shift $\beta$; the division stays:
#
# $$\gamma\, \frac{x - \mu}{\sqrt{v + \epsilon}} + \beta \qquad \text{becomes} \qquad \gamma\, \frac{x}{\sqrt{v} + \epsilon} .$$
#
# $v$ is the variance of a channel $x$ over the batch while training, and its running mean afterwards: then a fixed number.


# %% slideshow={"slide_type": "-"}
def without_constants(layers):
    kept = []
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            layer.bias = None  # W x + b becomes W x
        if isinstance(layer, nn.BatchNorm2d):
            layer = BiasFreeNorm(layer.num_features)
        kept.append(layer)
    return nn.Sequential(*kept)


# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
layers = nn.Sequential(
    nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1, 3)
).eval()
by_library = bias_free.remove_biases(copy.deepcopy(layers))
print("before:", [name for name, _ in layers.named_parameters()])
taught = without_constants(layers).eval()
print("after: ", [name for name, _ in taught.named_parameters()])
patch = scene[..., :32, :32]
with torch.no_grad():
    print("same output as the library's:", torch.equal(taught(patch), by_library(patch)))
for name, network in (("with constants", BiasedTwin()), ("bias-free", BiasFreeDnCNN())):
    print(
        f"20 layers of 64, {name}: {sum(w.numel() for w in network.parameters())} parameters"
    )

# %% slideshow={"slide_type": "skip"}
figures.code(bias_free.remove_biases)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "By hand: if f adds 1, then at z = 1 and a = 2 it is |3 - 4| / 4. Code that removes biases cannot see constants that a forward method adds itself; this probe sees them."}
# ## The probe: multiply the input, compare the outputs
#
# How far is a trained network from (1)? Whatever its code looks like, two calls tell.


# %% slideshow={"slide_type": "-"}
def homogeneity_error(f, z, a):
    with torch.no_grad():
        scaled, expected = f(a * z), a * f(z)
    return ((scaled - expected).norm() / expected.norm()).item()


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
free = zoo.load(BiasFreeDnCNN, "bias_free-10-w32")
print("f adds 1:", homogeneity_error(lambda z: z + 1, torch.ones(1, 1, 2, 2), a=2))
print("bias-free, a = 2:", homogeneity_error(free, strong, a=2))
print("bias-free, a = 0.37, below 1e-5:", homogeneity_error(free, strong, a=0.37) < 1e-5)
print("with constants, above 1e-2:", homogeneity_error(twin, strong, a=0.37) > 1e-2)
library = bias_free.homogeneity_error(twin, strong, factor=0.37)
taught = homogeneity_error(twin, strong, a=0.37)
print("the library agrees within 1e-6:", abs(library - taught) < 1e-6)

# %% slideshow={"slide_type": "skip"}
figures.code(bias_free.homogeneity_error)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Same pictures, same noise, same first weights, same steps: the only difference is the constants. Collect guesses for 50 while it trains."}
# ## Experiment: the same training, with and without
#
# Two small networks begin with the same weights and see the same batches, with noise from 0 to 10 only. One has its
# constants. **Predict:** the PSNR of both at noise of 50, where the noisy image has 14.7 dB. And at which level do
# their curves separate?

# %% slideshow={"slide_type": "-"}
size = choose(
    smoke=dict(depth=3, width=8),
    lecture=dict(depth=6, width=24),
    full=dict(depth=20, width=64),
)
short = choose(
    smoke=Budget(20, 4, 24), lecture=Budget(600, 8, 36), full=Budget(20_000, 128, 50)
)
trained = {
    name: bias_free.train(train_images, budget=short, seed=0, network=kind(**size))
    for name, kind in {"with constants": BiasedTwin, "bias-free": BiasFreeDnCNN}.items()
}

# %% slideshow={"slide_type": "skip"}
levels = (5, 10, 20, 30, 50, 75, 100)
crops = {name: picture[:, 100:260, 100:260] for name, picture in test_images.items()}
pairs = {level: data.fixed_pairs(crops, Gaussian(level / 255), seed=0) for level in levels}


def curve(denoiser):
    """The score of a denoiser on crops of the test photographs, level by level."""
    return [float(score(denoiser, pairs[level]).mean()) for level in levels]


curves = {"noisy": curve(lambda z, sigma=None: z)} | {
    name: curve(one.model.cpu()) for name, one in trained.items()
}

# %% slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "The dotted line is where the training ended. Let them say what each curve does beyond it. The answer is that of the stored results: larger networks, longer training, three seeds."}
stored = cite("bias_free-levels")
figures.lines(
    levels,
    curves,
    xlabel="noise level σ (of 255)",
    ylabel="PSNR (dB)",
    mark={"training ends": 10},
    caption="The two networks of above, on crops of three test photographs.",
    note=stored.about("bias_free-generalises"),
)

# %% slideshow={"slide_type": "-"}
answer(
    stored.compare("free_10_at_50", "twin_10_at_50").sentence(
        "in a longer training of larger networks, the bias-free one",
        "the one with constants",
        what="PSNR at noise of 50",
        unit="dB",
    )
)

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Nothing in the training shows what will happen outside of its range."}
figures.history(
    {name: one.history for name, one in trained.items()},
    log="y",
    caption="The loss of both trainings, half the mean squared error. The losses do not show which network will fail.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "The networks of the stored results are larger and trained longer. Ask what happens to the curve of the twin if it is trained up to 55."}
# ## Experiment: a longer training, and a wider range
#
# The stored results have the same comparison for networks of seven layers of 32 channels: mean and range over three seeds,
# for two ranges of training, up to 10 and up to 55. We call the network with constants the **twin** of the bias-free one.
#
# If the unit of the light were all that matters, the wider range would add nothing to a bias-free network. In the paper
# it adds less than half a decibel at noise of 50. **Predict:** what does it add for our small network?

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Read the curve of the bias-free network of the narrow range at 50, then the other one."}
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
    note=stored.about("bias_free-little-is-enough", "bias_free-beyond-any-range"),
)

# %% slideshow={"slide_type": "-"}
answer(
    stored.compare("free_55_at_50", "free_10_at_50").sentence(
        "the bias-free network trained up to 55",
        "the one trained up to 10",
        what="PSNR at noise of 50",
        unit="dB",
    )
)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The paper's networks have 20 layers of 64 and see 41 x 41 pixels; ours see 15 x 15. At 50 a network has to see far."}
both = {"with constants": "twin", "bias-free": "free"}
deep = {"with constants, 20 layers of 64": "twin", "bias-free, 20 layers of 64": "free"}
two = {"σ = 10": 10, "σ = 50": 50}
figures.table(
    stored.rows(both, two, "bsd68_{}_at_{}")
    | stored.rows(deep, two, "bsd68_{}_at_{}", paper=True),
    paper=list(deep),
    caption="PSNR in dB on BSD68, all networks trained on levels from 0 to 10. Daggers: the curves that the authors "
    "publish with their code.",
    note=stored.about("bias_free-generalises", "bias_free-costs-nothing"),
)

# %% slideshow={"slide_type": "-"}
answer(
    stored.compare("free_10_at_10", "twin_10_at_10").sentence(
        "inside the range, the bias-free network",
        "its twin",
        what="PSNR at noise of 10 on the test photographs",
        unit="dB",
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# In the paper leaving out the constants costs nothing inside the range; here it does. And at 50 our bias-free network is
# some decibels below the paper's: trained on faint noise, it has learnt to use near pixels.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Move the slider slowly from left to right and stop where the middle picture becomes noisy."}
# ## Play: how much noise can they take?
#
# Both networks have nine layers of 32 channels and were trained on noise from 0 to 10.

# %% slideshow={"slide_type": "-"}
views = {"camera": (70, 170), "chelsea": (60, 110), "brick": (100, 100)}


def mismatch(level, photograph):
    top, left = views[photograph]
    y = to_float(test_images[photograph])[..., top : top + 144, left : left + 144]
    z = noisy(y, level, photograph)
    with torch.inference_mode():
        shown = {"noisy": z, "with constants": twin(z), "bias-free": free(z)}
    return figures.scored(shown, reference=y)


Player(
    render=mismatch,
    axes=(
        Axis("level", levels, "Noise level of the image (of 255)", start=4),
        Axis("photograph", tuple(views), "Photograph"),
    ),
    alt=lambda level, photograph: (
        f"The photograph {photograph} with noise of level {level}, and the results of the network with "
        "constants and of the bias-free network"
    ),
    caption="Up to 10 the two results look the same. Beyond it, one of the networks stops working.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "This is the point at which most see it: equation (1) can be imposed from outside. Lecture nonlocality does so with a network trained at 50 and noise of 75."}
# ## Experiment: scale it yourself
#
# If (1) is what matters, we can impose it by hand on a network that does not obey it: divide the noisy image by five, let
# the **twin** denoise that, multiply by five. **Predict:** how many of the missing decibels does this bring back at noise of 50?

# %% slideshow={"slide_type": "skip"}
by_hand = {
    "with constants": {
        "as it is": twin,
        "5 f(z / 5)": lambda z, sigma=None: 5 * twin(z / 5),
    },
    "bias-free": {"as it is": free, "5 f(z / 5)": lambda z, sigma=None: 5 * free(z / 5)},
}
at_50 = {
    name: {way: float(score(f, pairs[50]).mean()) for way, f in ways.items()}
    for name, ways in by_hand.items()
}

# %% slideshow={"slide_type": "-"}
figures.table(
    at_50,
    caption="PSNR in dB at σ = 50 on crops of the test photographs; networks trained up to 10.",
    note=stored.about("bias_free-scaled-by-hand"),
)

# %% slideshow={"slide_type": "-"}
answer(
    stored.compare("twin_10_scaled_at_50", "twin_10_at_50").sentence(
        "the twin scaled by hand",
        "the twin as it is",
        what="PSNR at noise of 50",
        unit="dB",
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Ask for the reason before you show it: both networks got the same dark image."}
# Two multiplications repair the twin, *if* one knows by how much to divide. The bias-free network does not need this
# number: for it the two columns are the same. Now compare the two networks.

# %% slideshow={"slide_type": "-"}
answer(
    stored.compare("twin_10_scaled_at_50", "free_10_at_50").sentence(
        "the twin scaled by hand",
        "the bias-free network",
        what="PSNR at noise of 50",
        unit="dB",
    )
)

# %% [markdown] slideshow={"slide_type": "-"}
# A possible reason: both got the same dark image with noise of 10, but with its constants the twin can measure how large
# noise of 10 is. A bias-free network can only see the *ratio* of noise to image, and in training this ratio was never as
# bad as in the dark image. Remember the trick; lecture *nonlocality* uses it on a network at a level it was not trained for.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "A denoiser that is a black box in lecture dncnn becomes one filter for each pixel. Ask which row sums they expect."}
# ## Look inside: every pixel has its filter
#
# As long as no ReLU switches, a network of convolutions and ReLUs is one affine map,
#
# $$f(z) = A_z z + b_z, \qquad A_z = \frac{\partial f}{\partial z}(z). \tag{2}$$
#
# The **net bias** $b_z$ is what all constants together add up to. It was fitted to the noise of training, and nothing makes
# it right for other noise. Without constants $b_z = 0$: the estimate at pixel $p$ is a weighted sum of noisy pixels
# (equation 3 of the paper),
#
# $$\hat y_p = \langle w_p, z \rangle, \qquad w_p = \frac{\partial f(z)_p}{\partial z}, \tag{3}$$
#
# with weights that the network chose **for this pixel of this image**. Nothing is approximated.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "A classical filter has one w for all pixels; non-local means has one for each pixel. Here one backward pass gives it."}
# ### One backward pass gives the filter


# %% slideshow={"slide_type": "-"}
def filters(f, z, row, column):
    z = z.clone().requires_grad_()  # (N, 1, H, W)
    estimates = f(z)[:, 0, row, column]  # one number for each image
    (weights,) = torch.autograd.grad(estimates.sum(), z)
    return weights  # (N, 1, H, W): the filter of this pixel in each image


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
z = strong[..., 20:116, 20:116].double()
for name, network in (("bias-free", free), ("with constants", twin)):
    exact = copy.deepcopy(network).double()
    w = filters(exact, z, 40, 40)
    (library,) = bias_free.adaptive_filters(exact, z, pixels=[(40, 40)])
    with torch.no_grad():
        missing = abs((w * z).sum() - exact(z)[0, 0, 40, 40]).item()
    print(
        f"{name}: the library's filter, within 1e-12:",
        (w - library).abs().max().item() < 1e-12,
    )
    print(f"{name}: <w, z> is the estimate, within 1e-12:", missing < 1e-12)
inside = w[..., 40 - free.depth : 41 + free.depth, 40 - free.depth : 41 + free.depth]
print(
    "weights that are not zero outside of 19 x 19 pixels:",
    ((w != 0).sum() - (inside != 0).sum()).item(),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **Predict:** when the noise grows from 10 to 100, which filter grows: that of a pixel in a flat part of the picture, or
# that of a pixel at an edge?

# %% slideshow={"slide_type": "skip"}
figures.code(bias_free.adaptive_filters, bias_free._rows, bias_free.filter_width)

# %% slideshow={"slide_type": "skip"}
wide = zoo.load(BiasFreeDnCNN, "bias_free-55-w32")  # trained on noise from 0 to 55
reach = wide.depth  # a filter has 2 reach + 1 pixels in each direction
spots = {"sky": (30, 160), "edge": (112, 31), "cord": (140, 164)}  # in the scene
field = {
    name: scene[..., r - reach : r + reach + 1, c - reach : c + reach + 1]
    for name, (r, c) in spots.items()
}
shown = {}
for level in (10, 100):
    view = noisy(scene, level, "filters").clamp(0, 1)
    for r, c in spots.values():
        for half in (5, 6, 7):  # a frame three pixels wide
            at = dict(
                top=r - half, left=c - half, size=2 * half + 1, colour=(1.0, 0.6, 0.0)
            )
            view = figures.framed(view, **at)
    shown[f"σ = {level}"] = view
    for name, y in field.items():
        w = filters(wide, noisy(y, level, "filters", name), reach, reach)
        shown[f"{name}, σ = {level}"] = w / w.abs().max()

# %% slideshow={"slide_type": "skip"}
# Crops of 19 x 19 pixels: the estimate at the centre depends on nothing else.
photograph, side = to_float(test_images["camera"]), 2 * reach + 1
every = photograph.unfold(2, side, 7).unfold(3, side, 7).reshape(-1, 1, side, side)
order = (
    every[..., reach - 2 : reach + 3, reach - 2 : reach + 3].std(dim=(1, 2, 3)).argsort()
)
kinds = {"flat": every[order[:60]], "edge": every[order[-60:]]}


def mean_width(crops, level, kind):
    """How far the filters look, on average over pixels, each with noise of its own."""
    weights = filters(wide, noisy(crops, level, "widths", kind), reach, reach)
    widths = [bias_free.filter_width(w, pixel=(reach, reach)) for w in weights]
    return sum(widths) / len(widths)


widths = {
    kind: {level: mean_width(crops, level, kind) for level in (10, 30, 100)}
    for kind, crops in kinds.items()
}

# %% slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Let them draw the filter for the edge pixel first: most draw a round blob. Some weights are negative, which a mean over neighbours never has; wavelet shrinkage, taken as a matrix, has them too."}
alt = """A noisy photograph with three marked pixels, and the filters there, at noise of 10 above and of 100 below. In the
sky the weights spread over all that the network can see; at the collar and on the cord they are a few pixels at noise
of 10, and more at noise of 100"""
figures.images(
    shown,
    signed=[name for name in shown if "," in name],
    columns=4,
    unit="share",
    alt=alt,
    caption="Three pixels and their filters of 19 × 19 weights, each scaled by its largest. Red is positive, blue negative.",
)

# %% slideshow={"slide_type": "-"}
answer(
    f"The one at an edge: averaged over 60 pixels, its width grows from {widths['edge'][10]:.1f} to "
    f"{widths['edge'][100]:.1f} pixels, while in flat parts it is {widths['flat'][10]:.1f} and {widths['flat'][100]:.1f}.",
    holds=widths["edge"][100] > 1.5 * widths["edge"][10]
    and widths["flat"][100] < 1.2 * widths["flat"][10],
    otherwise=f"In this run the widths at 10 and 100 were {widths['edge'][10]:.1f} and {widths['edge'][100]:.1f} at edges, "
    f"{widths['flat'][10]:.1f} and {widths['flat'][100]:.1f} in flat parts.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The network was given neither the edges nor the level of the noise: it finds both from z, and switches its ReLUs accordingly."}
# In a flat part the filter takes in many pixels at either level. At an edge it uses a few while the noise is faint; when the
# noise is strong it averages over more of them, and blurs. The network was told neither where the edges are nor how strong
# the noise is.

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        kind: {f"σ = {level}": width for level, width in found.items()}
        for kind, found in widths.items()
    },
    caption="Width of the filters in pixels (root mean square distance of the weights), mean over 60 pixels of one "
    "photograph. The note has three seeds.",
    note=stored.about("bias_free-adaptive-averages"),
)

# %% slideshow={"slide_type": "skip"}
view = to_float(test_images["camera"])[..., 80:175, 190:285]  # 95 x 95 pixels
places_seen = (12, 26, 40, 54, 68, 82)
rows = columns = choose(smoke=(12, 40, 68), lecture=places_seen, full=places_seen)
grid = [(row, column) for row in rows for column in columns]
seen = {level: noisy(view, level, "viewer") for level in (10, 30, 100)}
chosen = {
    level: bias_free.adaptive_filters(wide, z, pixels=grid) for level, z in seen.items()
}

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Let someone look for a pixel whose filter is hard to explain."}
# ### Play: choose a pixel, see its filter


# %% slideshow={"slide_type": "-"}
def in_colour(weights):
    """Weights as a picture (3, H, W): zero is white, positive red, negative blue."""
    share = (weights / weights.abs().max()).clamp(-1, 1)[0]
    up, down = share.clamp(min=0), (-share).clamp(min=0)
    return 1 - torch.stack([0.3 * up + down, up + 0.7 * down, up + 0.2 * down])


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
        Axis("level", tuple(seen), "Noise level (of 255)", start=1),
    ),
    alt=lambda row, column, level: (
        f"A noisy photograph with a frame around the pixel in row {row}, column {column}, and the filter that the "
        f"network uses there at noise of {level}"
    ),
    note=said,
    caption="Left: where. Right: the 19 × 19 weights of the noisy pixels in the estimate there; red is positive.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "A projection is the textbook denoiser: keep the subspace in which images live, drop the rest. How large is the subspace? It depends on how much noise there is. Mind that the formula is about fresh noise."}
# ## Experiment: how many dimensions are left?
#
# All filters together are the matrix $A_z = \sum_i s_i\, u_i r_i^\top$. It measures how much of the picture $r_i$ there is
# in $z$, multiplies this by $s_i$, and writes it as $u_i$. If all $s_i$ were 0 or 1 and $u_i = r_i$, it would be a projection.
# Send fresh white noise $\eta'$ through it, not the noise in $z$ that chose $A_z$:
#
# $$\mathbb E \lVert A_z \eta' \rVert^2 = \sigma^2 \sum_i s_i^2 =: \sigma^2 d .$$
#
# A projection onto $d$ dimensions lets through as much: $d$ is the **effective dimensionality** (section 5 of the paper).
# **Predict:** which share of the dimensions of a patch is left at noise of 10, of 30, of 100?


# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
def dimensions(matrix):
    return matrix.double().square().sum().item()  # the sum of all squared singular values


for name, matrix in (
    ("nothing done", torch.eye(576)),
    ("the mean of each row", torch.kron(torch.eye(24), torch.full((24, 24), 1 / 24))),
    ("one mean", torch.full((576, 576), 1 / 576)),
):
    agrees = abs(dimensions(matrix) - bias_free.effective_dimensionality(matrix)) < 1e-6
    print(f"{name}: {dimensions(matrix):.0f} dimensions; as the library: {agrees}")

# %% slideshow={"slide_type": "skip"}
patch = scene[..., 88:112, 96:120]  # 24 x 24 pixels, a nose before the sky


@functools.cache
def matrix_of(network, level):
    return bias_free.jacobian(network, noisy(patch, level, "patch"))  # (576, 576)


matrices = {level: matrix_of(wide, level) for level in (10, 30, 100)}
spectra = {
    level: bias_free.singular_vectors(matrix, shape=(1, 24, 24))
    for level, matrix in matrices.items()
}

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Read where each curve crosses one half. Some values are above one: no projection."}
figures.lines(
    list(range(1, 577)),
    {f"σ = {level}": spectrum[1] for level, spectrum in spectra.items()},
    xlabel="singular value, the largest first",
    ylabel="share that is kept",
    log="x",
    caption="Singular values of the Jacobian at one patch of 24 × 24 pixels.",
)

# %% slideshow={"slide_type": "-"}
per_cent = 100 / 576
answer(
    f"Over three seeds and two patches, {per_cent * stored['dimensions_at_10']:.0f} % of the dimensions are left at noise of 10, "
    f"{per_cent * stored['dimensions_at_30']:.0f} % at 30 and {per_cent * stored['dimensions_at_100']:.0f} % at 100."
)

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Ours are patches of 24 x 24, the authors' example is one of 30 x 30, so compare shares."}
figures.table(
    {
        f"σ = {level}": {
            "at this patch": per_cent * bias_free.effective_dimensionality(matrix),
            "stored": per_cent * stored[f"dimensions_at_{level}"],
            "authors' example": figures.Paper(100 * paper / 900),
        }
        for (level, matrix), paper in zip(
            matrices.items(), (209.8, 108.3, 44.0), strict=True
        )
    },
    digits=0,
    caption="Effective dimensionality in per cent of the pixels: one patch here, the mean of the stored results, and a "
    "patch of 30 × 30 pixels from the authors' own Jacobians.",
    note=stored.about("bias_free-fewer-dimensions"),
)

# %% slideshow={"slide_type": "skip"}
places = (1, 12, 16, 20, 31, 60, 120, 576)
looks_for, kept_share, _ = spectra[30]
looked_for = {
    f"{i}: s = {kept_share[i - 1]:.2f}": (
        looks_for[i - 1] / looks_for[i - 1].abs().max()
    ).float()
    for i in places
}

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Those about s = 1 pass as they are. The first ones are amplified, the last ones thrown away."}
alt = """A nose before the sky and eight singular vectors: those with values about one follow the outlines of the nose, the
first and the last look like noise"""
figures.images(
    {"the clean patch": patch, **looked_for},
    signed=list(looked_for),
    columns=5,
    unit="share",
    alt=alt,
    caption="At noise of 30: pictures that the network looks for in this patch. Look for the outline of the nose.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Pictures that follow the outlines of this patch pass about unchanged, most of the others are damped. Wavelet shrinkage of
# lecture *denoising* does this in a fixed basis; the network chooses a basis for every patch.


# %% slideshow={"slide_type": "skip"}
net_biases = {
    f"{name}, σ = {level}": bias_free.net_bias(network, noisy(scene, level))[
        ..., 48:144, 48:144
    ]
    for name, network, level in (("with constants", twin, 5), ("with constants", twin, 50))
}

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "The constant of the twin is a picture, and a different one for every z: it is made of the biases behind those ReLUs that are open. The paper finds that it becomes very large outside of the range. Here it does not."}
# ## What the twin adds: its net bias
#
# By equation (2) the estimate of the twin has a part that is no filtering at all, $b_z = f(z) - A_z z$. That of the bias-free
# network is zero.

# %% slideshow={"slide_type": "-"}
alt = """The net bias of the network with constants as pictures: traces of outlines at noise of 5, grains everywhere at 50"""
figures.images(
    net_biases,
    signed=list(net_biases),
    columns=2,
    alt=alt,
    caption="What is added to the weighted sums, in units of the image.",
)

# %% slideshow={"slide_type": "skip"}
figures.code(bias_free.net_bias)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "An honest failure: our claim from the paper fails. The argument does not need it."}
# The net bias is a function of $z$, as the two pictures show. The paper reports that it is small within the range of training
# and becomes very large outside of it. Over our three seeds it does not:

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        "with constants": stored.row(
            {f"σ = {level}": level for level in (5, 50)}, "net_bias_twin_at_{}"
        )
    },
    caption="Root mean square of the net bias in gray levels of 255, networks trained up to 10.",
    note=stored.about("bias_free-net-bias"),
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Our claim from the paper fails, and says so. Then what does the damage? The constants decide which ReLUs open; at 50 they open so that the matrix is nearly the identity. The narrow bias-free network lets through three times what the wide one does: it is treating a dark image."}
# ### How each of them fails
#
# If the output is as noisy as $z$ and the net bias is small, then $A_z$ itself lets the noise through.

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        name: {
            f"σ = {level}": bias_free.effective_dimensionality(matrix_of(network, level))
            for level in choose(smoke=(50,), lecture=(10, 50), full=(10, 50))
        }
        for name, network in (
            ("with constants, trained up to 10", twin),
            ("bias-free, trained up to 10", free),
            ("bias-free, trained up to 55", wide),
        )
    },
    digits=0,
    caption="Effective dimensionality at the patch of above, of 576.",
)

# %% [markdown] slideshow={"slide_type": "-"}
# At noise of 50 the matrix of the twin lets nearly all of the noise at this patch through. That of the bias-free network
# lets a part of it through, and training up to 55 makes this part smaller. So if you expect strong noise, train on
# it, *and* leave out the constants.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "If you have stored a noisy picture as PNG, you have done this. Ask what the mean of clipped noise is where the scene is black."}
# ## Break it: noise that was clipped
#
# Store the noisy picture with 8 bits: what is below 0 becomes 0, what is above 1 becomes 1. This network was trained up
# to 55, so noise of 50 is in its range. **Predict:** where will its estimate be wrong, and in which direction?

# %% slideshow={"slide_type": "skip"}
clipped = strong.clamp(0, 1)
with torch.inference_mode():
    kept, cut = wide(strong), wide(clipped)
dark = scene < 0.1
error_kept = 255 * (kept - scene)[dark].mean().item()
error_cut = 255 * (cut - scene)[dark].mean().item()

# %% slideshow={"slide_type": "-"}
alt = """Two estimates of a photograph; in the one from the clipped image, the black coat and hair are gray. Their
difference is positive where the scene is dark and negative where it is bright"""
figures.images(
    {
        "from the noisy image": kept,
        "from the clipped one": cut,
        "second minus first": cut - kept,
    },
    reference=scene,
    signed=["second minus first"],
    columns=3,
    alt=alt,
    caption="The second input differs from the first only where that was outside of [0, 1].",
)

# %% slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "In the black coat half of the noise has been cut off, so what is left has a mean. A denoiser that averages cannot correct this."}
answer(
    f"Where the scene is darker than 0.1, the estimate from the clipped picture is {error_cut:.0f} gray levels of 255 too "
    f"bright in the mean; the one from the noisy picture is off by {abs(error_kept):.0f}.",
    holds=error_cut > 5 + abs(error_kept),
    otherwise=f"In this run the estimates are off by {error_cut:.0f} and {error_kept:.0f} gray levels in the dark.",
)

# %% [markdown] slideshow={"slide_type": "-"}
# On black only the positive half of the noise is left, and the network averages, as it should. The mean of clipped
# noise of level $\sigma$ on a pixel that was 0 is $\sigma / \sqrt{2 \pi}$:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
expected = 50 / (2 * torch.pi) ** 0.5
on_black = noisy(torch.zeros(1, 1, 512, 512), 50, "clipped").clamp(min=0)
print(f"mean of clipped noise on black, of 255: {expected:.1f}")
print("drawn, the same within 0.3:", abs(255 * on_black.mean().item() - expected) < 0.3)

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        name: {
            "PSNR (dB)": psnr(estimate, scene).item(),
            "input at exactly 0 or 1 (%)": 100
            * ((given == 0) | (given == 1)).float().mean().item(),
        }
        for name, given, estimate in (
            ("noisy image", strong, kept),
            ("clipped", clipped, cut),
        )
    },
    caption="The probe needs no clean image: count the pixels at exactly 0 and 1. Noise does not stop there.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - A network with additive constants is fitted to the noise levels of its training, and fails outside of them.
# - Without constants $f(az) = a f(z)$: strong noise is faint noise in a darker image. That is no failure, and no match
#   for training on strong noise. Inside the range it costs some tenths of a decibel here, nothing in the paper.
# - Scaling by hand, $a f(z/a)$, needs the level; a bias-free network does not.
# - Then $f(z) = A_z z$: each pixel has a filter, exactly, and one backward pass shows it.
# - Check the equation, not the code: multiply the input by two and compare. Count the pixels that were clipped.

# %% slideshow={"slide_type": "slide", "minutes": 1.5, "notes": "Let everyone answer alone first."}
Quiz.parse("""
A bias-free network was trained on noise from 0 to 10. At 50 it …
- [ ] removes a part as strong as noise of 10 and leaves the rest | That is closer to what one might
  expect of the network with constants. Homogeneity scales everything with z.
- [x] does what it would do to noise of 10 in an image five times darker
- [ ] does as well as a network of the same size that was trained at 50 | There is no reason: it
  treats the noise as faint noise in a dark image, which need not be the best.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5, "notes": "Let them test each layer with the factor 2."}
Quiz.parse("""
Which of these layers may a bias-free network have?
- [ ] a sigmoid at the end | It maps 0 to 1/2 and saturates: twice the input is not twice
  the output.
- [ ] group normalisation | It subtracts the mean and divides by the deviation of this very
  image: its output does not grow with the input at all.
- [x] max pooling | The largest of a z is a times the largest of z.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5}
Quiz.parse("""
The weights w_p of a pixel depend on …
- [x] the noisy image around p | z decides which ReLUs are open.
- [ ] the network alone, not on z | That would be one linear filter for all images. A_z depends on
  z.
- [ ] the noise level that is passed | No level is passed: the network sees the noise in z only.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5}
Quiz.parse("""
The Jacobian at a patch of 100 pixels has effective dimensionality 25. Fresh white noise leaves it
with …
- [ ] a quarter of its standard deviation | Energy is the square: a quarter of the energy is
  half of the deviation.
- [x] a quarter of its energy
- [ ] all of its energy | That would be 100 dimensions: the identity.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercise
#
# A graded problem is in the [exercise notebook](../exercises/student/12_bias_free.ipynb): the normalisation of a
# bias-free network while it trains. It is checked at once, and the message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Make an FFDNet bias-free with `remove_biases`. What must happen to its noise level map when $z$ is doubled?
# 2. Train a bias-free network on $z - 0.5$ and add $0.5$ at the end. It violates (1). Does it fail at 50? About which
#    point is it homogeneous?
# 3. Scale by hand with the wrong factor: let the twin see $z/2$ and $z/20$ instead of $z/5$. What does each error cost?
#
# ## Further reading
#
# - S. Mohan, Z. Kadkhodaie, E. P. Simoncelli, C. Fernandez-Granda: *Robust and Interpretable Blind Image Denoising via
#   Bias-Free Convolutional Neural Networks*, ICLR 2020.
# - P. Milanfar: *A Tour of Modern Image Filtering*, IEEE Signal Processing Magazine 30 (2013). Classical denoisers as matrices
#   that depend on the image.
