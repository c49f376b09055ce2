# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Ask for the size of the receptive field first: nine layers, so 19 x 19. Then take the surroundings away and ask what will happen to the pixel in the middle. One pixel shows that it can happen; more has a hundred of them."}
# ## What does one estimated pixel depend on?
#
# A DnCNN of nine $3 \times 3$ convolutions sees $19 \times 19$ pixels around each pixel: lecture *dncnn* counted them, and its paper chose the
# depth by that count. We keep a square around one pixel of a noisy photograph, put another photograph outside, and denoise again.

# %%
import math

import torch
from torch import nn

from course_lib import data, figures, zoo
from course_lib.claims.answers import answer
from course_lib.claims.cite import cite
from course_lib.data.images import to_float
from course_lib.denoise import classification, receptive_field
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoise.ffdnet import FFDNet
from course_lib.denoise.receptive_field import (
    Residual,
    Stack,
    by_arithmetic,
    constant,
    diffused,
    energy,
    input_gradients,
    many_gradients,
    theoretical_field,
    width,
)
from course_lib.denoise.sight import reach
from course_lib.layers import he_normal
from course_lib.noise import Gaussian
from course_lib.profiles import Budget, choose
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

# %%
network = zoo.load(DnCNN, "dncnn-s25-w32")
pictures = {name: to_float(picture) for name, picture in data.photographs("test").items()}
scene = pictures["camera"][..., 60:188, 160:288]
other = pictures["chelsea"][..., 60:188, 160:288]
z = Gaussian(25 / 255)(scene, generator=generator(0, "scene"))
z_other = Gaussian(25 / 255)(other, generator=generator(1, "scene"))


# %%
def swapped(side, row, column):
    """The noisy photograph inside a square around a pixel, the other one outside."""
    half = side // 2
    rows = slice(row - half, row + half + 1)
    columns = slice(column - half, column + half + 1)
    mixed = z_other.clone()
    mixed[..., rows, columns] = z[..., rows, columns]
    return mixed


@torch.inference_mode()
def estimate(image, row, column):
    """What the network makes of one pixel, of 255."""
    return 255 * network(image)[0, 0, row, column].item()


place = (62, 66)
one = {side: estimate(swapped(side, *place), *place) for side in (1, 7, 11, 19)}
whole = estimate(z, *place)
around = (..., slice(62 - 24, 62 + 25), slice(66 - 24, 66 + 25))  # what is shown

# %% slideshow={"slide_type": "-"}
alt = (
    "A detail of a noisy photograph, and three times the same detail of which only a square of 19, 11 or 7 pixels in "
    "the middle is kept and the rest is a piece of another photograph"
)
caption = "The estimate of the middle pixel, of 255, and the square that is kept for it."
figures.images(
    {
        f"all: {whole:.1f}": z[around],
        f"19 × 19: {one[19]:.1f}": swapped(19, *place)[around],
        f"11 × 11: {one[11]:.1f}": swapped(11, *place)[around],
        f"7 × 7: {one[7]:.1f}": swapped(7, *place)[around],
    },
    columns=4,
    alt=alt,
    caption=caption,
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# With $19 \times 19$ nothing can change. Then most of the field is replaced, and here little happens. The pixels that a network
# *could* use are not those that it *does* use.

# %% tags=["nbval-check-output"]
print("19 x 19 kept, the estimate is the same:", abs(one[19] - whole) < 1e-2)
print("1 x 1 kept, it is another:", abs(one[1] - whole) > 5)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "One pixel shows that it can happen. Here are a hundred, and all sides. Let them write a number down first."}
# One pixel shows that something can happen. Now 100 pixels. **Predict:** with $11 \times 11$ kept, two thirds of what the
# network sees are replaced. By how many of the 255 levels does the estimate change in the mean?


# %%
def patches(image):
    """The 19 x 19 pixels around each of 100 pixels: all that their estimates depend on."""
    places = [(row, column) for row in range(24, 104, 8) for column in range(24, 104, 8)]
    return torch.cat([image[..., r - 9 : r + 10, c - 9 : c + 10] for r, c in places])


sides, changes = range(1, 20, 2), []
with torch.inference_mode():
    unchanged = network(patches(z))[:, 0, 9, 9]
    for side in sides:
        mixed, kept = patches(z_other), slice(9 - side // 2, 10 + side // 2)
        mixed[..., kept, kept] = patches(z)[..., kept, kept]
        change = (network(mixed)[:, 0, 9, 9] - unchanged).abs()
        changes.append(255 * change.mean().item())

# %% slideshow={"slide_type": "-"}
figures.lines(
    sides,
    {"mean change of the estimate": changes},
    xlabel="side of the square that is kept (pixels)",
    ylabel="mean change (of 255)",
    mark={"all that it sees": 19},
    caption="How much the estimate changes, in the mean over 100 pixels of one photograph with noise of σ = 25.",
)

# %% slideshow={"slide_type": "fragment"}
sentence = (
    f"With 11 × 11 pixels kept the estimate moves by {changes[5]:.1f} of 255 in the mean over 100 pixels, with 5 × 5 kept "
    f"by {changes[2]:.1f}, and with one pixel kept by {changes[0]:.0f}."
)
answer(
    sentence,
    holds=changes[5] < 0.1 * changes[0],
    otherwise=f"It moves by {changes[5]:.1f}, more than a tenth of what one kept pixel gives ({changes[0]:.0f}).",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Do three layers at the board, then one with stride 2 in the middle. The stride acts on the layers after it, not on its own."}
# ## The theoretical field: arithmetic
#
# Start at an output pixel and go back to the image. Layer $l$ has a kernel of side $k_l$, whose taps are $d_l$ steps apart (its dilation): the
# field grows by $(k_l - 1)\,d_l$ steps. In pixels of the image, a step is as long as the product of all strides $s_j$
# of the layers *before* it:
#
# $$r = 1 + \sum_{l=1}^{n} (k_l - 1)\, d_l \prod_{j<l} s_j .$$
#
# Nine layers of $3 \times 3$ without dilation and stride have $r = 1 + 9 \cdot 2 = 19$.

# %% [markdown]
# | letter | is |
# |---|---|
# | $n$; $l$, $j$ | number of layers; two of them |
# | $k_l$, $d_l$, $s_l$ | its kernel's side, its dilation, its stride |
# | $r$ | side of the theoretical field, in pixels |
# | $z$, $f(z)$ | the image, and what the network $f$ makes of it |
# | $p$, $q$ | pixels of the image |
# | $g$ | gradient of one output pixel with respect to the image |
# | $w$ | the weights, of one initialisation |
# | $m$, $\beta$ | offset of a weight from the middle of its kernel; strength of the diffused start |
# | $e$ | effective field: where the energy of $g$ lies |

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "Let them run it by hand for two layers. The set is more than its length: it will be needed in the section that breaks things."}
# Which pixels are they? Go back from an output at 0, one layer after the other, along one axis and without strides.


# %% slideshow={"slide_type": "-"}
def pixels_seen(layers):
    """The places that an output at 0 depends on; layers are (kernel, dilation), the first first."""
    places = {0}
    for kernel, dilation in reversed(layers):
        taps = [dilation * (j - kernel // 2) for j in range(kernel)]
        places = {place + tap for place in places for tap in taps}
    return sorted(places)


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
print("two layers:", pixels_seen([(3, 1)] * 2), " dilated by 2:", pixels_seen([(3, 2)] * 2))
for layers in ([(3, 1)] * 9, [(3, 1)] * 17, [(5, 1), (3, 4)], [(3, 1), (3, 2), (3, 4)]):
    seen = pixels_seen(layers)
    side = seen[-1] - seen[0] + 1
    library = by_arithmetic([(kernel, dilation, 1) for kernel, dilation in layers])
    print(f"{len(layers)} layers: {side} pixels, as the library says: {side == library}")

# %% slideshow={"slide_type": "skip"}
figures.code(by_arithmetic)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "With sub-images as channels, and with branches, a formula on paper is easily wrong. The tracer follows the forward method."}
# Networks are not always lists of layers: they cut images into sub-images, have branches, shrink and enlarge. The library's
# `theoretical_field` runs a network on tensors that carry two matrices of zeros and ones with them: which rows and
# columns of the image each position depends on. A layer joins rows of these matrices, a branch joins matrices. No weights
# are multiplied, so nothing cancels: the result is the largest field that any weights could use.


# %%
class UNet(nn.Module):
    """Two levels down, two up, and a skip connection at the top."""

    def __init__(self):
        super().__init__()
        self.top = nn.Conv2d(1, 8, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1) for _ in range(2))
        self.up = nn.ModuleList(nn.ConvTranspose2d(8, 8, 2, stride=2) for _ in range(2))
        self.last = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, z):
        x = across = torch.relu(self.top(z))
        for conv in self.down:
            x = torch.relu(conv(nn.functional.max_pool2d(x, 2)))
        for enlarge in self.up:
            x = torch.relu(enlarge(x))
        return self.last(torch.cat([across, x], dim=1))


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
print("DnCNN of 17 layers:", theoretical_field(DnCNN()))
print("FFDNet of 15 layers on sub-images:", theoretical_field(FFDNet(), sigma=25 / 255))
print("a U-Net of two levels:", theoretical_field(UNet()))
print("three layers, each with stride 2:", by_arithmetic([(3, 1, 2)] * 3))

# %% slideshow={"slide_type": "skip"}
figures.code(theoretical_field)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Let them count paths in two layers: one path to the corner, nine to the middle. Everything else follows from this picture."}
# ## The effective field: count the paths
#
# Put an impulse at the centre of the output, 1 there and 0 elsewhere, and propagate it back to the image:
#
# $$g = \frac{\partial f(z)_{\text{centre}}}{\partial z} .$$
#
# $g(p)$ says what a small change of pixel $p$ does to the output (Luo, Li, Urtasun, Zemel, NIPS 2016). Without activations it
# is a sum over **paths**: choose one position in each of the $n$ kernels. The path ends where these steps add up to, and
# contributes the product of its weights.
#
# Only one path leads to a corner of the field. A great many lead to the middle.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Exact for every n: only the shape needs the limit theorem. Variance of a step for k = 3: values -1, 0, 1, so 2/3."}
# Let all weights of a kernel be $1/k^2$. Then $g(p)$ is the probability that a random walk of $n$ steps, each uniform over the
# kernel, ends at $p$. The variances of steps add up, so along an axis the standard deviation is
#
# $$\text{width} = \sqrt{n\,\frac{k^2 - 1}{12}} \;=\; \sqrt{\tfrac{2}{3}\, n} \quad (k = 3),$$
#
# and the shape tends to a Gaussian. **The field grows like $n$, its width like $\sqrt n$.**

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
for depth in (5, 10, 20, 40):
    uniform = Stack(depth=depth, width=1, activation="linear", initial=constant)
    walk = input_gradients(uniform, torch.zeros(1, 1, 81, 81))[0, 0]
    law = math.sqrt(2 * depth / 3)
    print(
        f"{depth} layers: width {width(walk):.3f} of {2 * depth + 1} pixels, the law says {law:.3f}"
    )

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Cross terms vanish in expectation: that is all. Write E[g^2] for two layers and cross them out."}
# ## Random weights
#
# An untrained network has random weights of mean zero, so $\mathbb E[g(p)] = 0$ at every $p$, which says nothing. In
# $\mathbb E[g(p)^2]$ the products of two *different* paths vanish, and each path keeps the product of its
# variances. Where the weights of a kernel have equal variances, this is the same walk, up to a factor. So we call
#
# $$e(p) = \operatorname*{mean}_w \frac{g(p)^2}{\sum_q g(q)^2}$$
#
# the **effective field**: a mean over many initialisations $w$, each counting alike. Its *width* is the standard
# deviation along an axis. Its *size* is the diameter of the disc in which it is above 4.55 % of its peak, since two standard
# deviations of a Gaussian hold 95.45 %.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Automatic differentiation does the work: the gradient of a single number. Ask what changes if the impulse is put elsewhere."}
# The gradient of one number with respect to an image is what automatic differentiation is made for.


# %% slideshow={"slide_type": "-"}
def impulse_back(network, z):
    """How the centre of the output changes with each pixel of an image (1, 1, H, W)."""
    z = z.clone().requires_grad_()
    out = network(z)
    centre = out[0, 0, out.shape[2] // 2, out.shape[3] // 2]
    (g,) = torch.autograd.grad(centre, z)
    return g


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
stack, image = Stack(depth=8), torch.randn(1, 1, 33, 33, generator=generator(0, "inputs"))
g = impulse_back(stack, image)
share = g**2 / (g**2).sum()  # of the energy of this one network
print("g is what the library returns:", torch.equal(g, input_gradients(stack, image)))
print("so is its energy:", torch.allclose(share[0, 0], energy(g), rtol=0, atol=1e-6))
g[..., 8:25, 8:25] = 0
print("g beyond the 17 x 17 pixels of the theoretical field:", g.abs().max().item())

# %% slideshow={"slide_type": "skip"}
figures.code(input_gradients, energy)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "It is fast because only those values are computed that the centre depends on. The code is in the notebook, folded."}
# ### Many networks at once
#
# The mean needs many initialisations, and one backward pass each is slow. `many_gradients` is exact, ReLU gates included,
# and much faster. The centre depends on its theoretical field only: forward, the image shrinks to one pixel; back, the impulse grows
# by one kernel a layer. All networks go through the same convolution, a group for each.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
eight = [Stack(depth=8, seed=seed) for seed in range(8)]
images = torch.randn(8, 1, 33, 33, generator=generator(0, "inputs"))
one_by_one = [input_gradients(net, x[None]) for net, x in zip(eight, images, strict=True)]
difference = (many_gradients(eight, images) - torch.cat(one_by_one)).abs().max()
largest = torch.cat(one_by_one).abs().max()
print("equal to one backward pass each:", bool(difference < 1e-5 * largest))

# %% slideshow={"slide_type": "skip"}
figures.code(many_gradients)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "This is the figure of the source, computed here. Each picture is as large as its own field. The answer is of five repetitions, stored; the pictures are computed now."}
# ## Experiment 1: deeper and deeper
#
# Stacks of 5 to 40 layers of $3 \times 3$ with ReLU, untrained. **Predict:** how large is the effective field, in per cent
# of the side of the theoretical one, for 5 layers and for 40?

# %%
initialisations = choose(smoke=4, lecture=48, full=200)


def untrained(depth, **how):
    """The effective field of stacks of so many layers, over initialisations and inputs."""
    side = 2 * depth + 1
    inputs = generator(0, "inputs", str(depth))
    z = torch.randn(initialisations, 1, side, side, generator=inputs)
    networks = [Stack(depth=depth, seed=seed, **how) for seed in range(initialisations)]
    return energy(many_gradients(networks, z))


def bright(field):
    """A map as a picture: its root, so that faint parts can be seen."""
    return (field / field.max()).sqrt()[None]


depths = (5, 10, 20, 40)
fields = {depth: untrained(depth) for depth in depths}
stored = cite("receptive_field-depth")

# %% slideshow={"slide_type": "-"}
alt = "Four maps for 5, 10, 20 and 40 layers: a bright round blob in the middle of each takes less and less of the picture"
caption = "Effective fields (the root of e), untrained stacks with ReLU. Each picture is its theoretical field: 11, 21, 41, 81 pixels."
figures.images(
    {f"{depth} layers": bright(fields[depth]) for depth in depths},
    columns=4,
    alt=alt,
    caption=caption,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"Its diameter is {100 * stored['share_relu_5']:.0f} % of the side for 5 layers and {100 * stored['share_relu_40']:.0f} % "
    f"for 40, since the width grows like the depth to the power {stored['slope_relu']:.2f} "
    f"(95 % interval {stored.interval('slope_relu')[0]:.2f} to {stored.interval('slope_relu')[1]:.2f}, five seeds)."
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The three kinds of the paper. The first row has no randomness at all. Ask which row is which before you uncover the titles."}
# The paper compares three kinds of network: uniform weights, random weights, random weights with ReLU. The law speaks of the first
# two. A ReLU closes half of the paths, but no direction more than another.

# %%
walks = {
    depth: many_gradients(
        [Stack(depth=depth, activation="linear", initial=constant)],
        torch.zeros(1, 1, 2 * depth + 1, 2 * depth + 1),
    )[0, 0]
    for depth in depths
}
linear = {depth: untrained(depth, activation="linear") for depth in depths}

# %% slideshow={"slide_type": "-"}
alt = (
    "Eight maps in two rows, for uniform weights and for random weights without activation, with 5, 10, 20 and 40 layers: "
    "the same round blobs as with ReLU"
)
caption = "Effective fields without activation. Above, uniform weights, where g itself is shown; below, random weights."
figures.images(
    {f"uniform, {depth}": bright(walks[depth]) for depth in depths}
    | {f"random, {depth}": bright(linear[depth]) for depth in depths},
    columns=4,
    alt=alt,
    caption=caption,
)

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Both axes are logarithmic: a power law is a straight line, its exponent the slope. Read the slope off."}
activations = {"no activation": "linear", "ReLU": "relu", "tanh": "tanh"}
figures.lines(
    depths,
    stored.lines(activations, depths, "width_{}_{}", spread="range")
    | {"the law, √(2n/3)": [math.sqrt(2 * depth / 3) for depth in depths]},
    xlabel="layers",
    ylabel="width (pixels)",
    log="xy",
    caption="Width of the effective field, mean and range over five seeds.",
    note=stored.about("receptive_field-root", "receptive_field-activation"),
)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Three facts: the exponent is one half, the shape is nearly a Gaussian, and the activation changes little. Each of them is a claim with a limit."}
caption = "The law and the measurement. The exponent is that of width against depth, ½ in theory. Last column: the share of the energy that would have to move along an axis to make a Gaussian."
figures.table(
    {
        name: {
            "exponent": stored[f"slope_{kind}"],
            "95 % interval": "{:.3f} to {:.3f}".format(*stored.interval(f"slope_{kind}")),
            "diameter at 5 (%)": 100 * stored[f"share_{kind}_5"],
            "at 40 (%)": 100 * stored[f"share_{kind}_40"],
            "off a Gaussian (%)": 25
            * sum(stored[f"misfit_{kind}_{depth}"] for depth in depths),
        }
        for name, kind in activations.items()
    },
    digits=2,
    caption=caption,
    note=stored.about(
        "receptive_field-root",
        "receptive_field-share",
        "receptive_field-gaussian",
        "receptive_field-activation",
    ),
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "Let a student design for 31 pixels of effective diameter with the fewest layers. Then ask what the price of the dilated ones is."}
# ## Play: design a field
#
# What is bright is used. What widens it and the orange frame? What shrinks it and leaves the frame as it is?


# %%
class Halved(nn.Module):
    """A stack on four sub-images."""

    def __init__(self, **how):
        super().__init__()
        self.stack = Stack(channels=4, outputs=4, **how)

    def forward(self, z):
        small = nn.functional.pixel_unshuffle(z, 2)
        return nn.functional.pixel_shuffle(self.stack(small), 2)


played = choose(smoke=2, lecture=16, full=64)

# %% slideshow={"slide_type": "-"}
STARTS = {"usual": he_normal, "diffused": diffused}
LAYERS = ("3 × 3", "5 × 5", "dilated", "skips", "sub-images")
SIZE = 69  # pixels of the picture: a little more than the largest of these fields
sizes = {}  # what was measured, for the line below the picture


def designed(layers, depth, start, seed):
    how = dict(initial=STARTS[start], seed=seed)
    if layers == LAYERS[1]:
        return Stack(depth=depth, kernel=5, **how)
    if layers == LAYERS[2]:
        return Stack(depth=depth, dilations=(1, 2) * (depth // 2), **how)
    if layers == LAYERS[3]:
        return Residual(blocks=depth // 2 - 1, **how)
    return (Halved if layers == LAYERS[4] else Stack)(depth=depth, **how)


def both_fields(layers, depth, start):
    nets = [designed(layers, depth, start, seed) for seed in range(played)]
    side = theoretical_field(nets[0])
    size = side // 4 * 4 + 4 if layers == LAYERS[4] else side + 3 - side % 2
    inputs = torch.randn(played, 1, size, size, generator=generator(0, "play"))
    if isinstance(nets[0], Stack):
        gradients = many_gradients(nets, inputs)
    else:
        pairs = zip(nets, inputs, strict=True)
        gradients = torch.cat([input_gradients(net, x[None]) for net, x in pairs])
    half = min(size // 2, size - size // 2 - 1)
    middle = slice(size // 2 - half, size // 2 + half + 1)
    field = energy(gradients)[middle, middle]
    sizes[layers, depth, start] = (side, receptive_field.diameter(field), width(field))
    rim = (SIZE - field.shape[-1]) // 2
    low = SIZE // 2 - side // 2
    frame = dict(top=low, left=low, size=side, colour=(0.9, 0.45, 0.1))
    shown = {"as it is": (field / field.max())[None], "its root": bright(field)}
    for title, picture in shown.items():
        wide = figures.framed(nn.functional.pad(picture, (rim, rim, rim, rim)), **frame)
        shown[title] = wide.repeat_interleave(2, -1).repeat_interleave(2, -2)
    return shown


def measured_sizes(layers, depth, start):
    side, disc, spread = sizes[layers, depth, start]
    share = f"{100 * disc / side:.0f} %; width {spread:.2f}"
    return f"could use {side} × {side}; uses a disc of {disc:.1f} pixels, {share}"


def in_words(layers, depth, start):
    return f"The effective field of {depth} layers, {layers}, start {start}: a blob in the frame of the theoretical field"


Player(
    render=both_fields,
    axes=(
        Axis("layers", LAYERS, "Layers"),
        Axis("depth", (4, 6, 8, 12, 16), "How many", start=2),
        Axis("start", ("usual", "diffused"), "Weights start"),
    ),
    alt=in_words,
    note=measured_sizes,
    pixelated=True,
    caption="Untrained, with ReLU; the last three of 3 × 3. Dilated: by 1 and 2 in turn; skips: around each pair of layers.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Back to denoising. The sum of the weights is near one: the network is a local average whose weights it chooses by what it sees. The seeds of the answer are places and noise; each network was trained once."}
# ## Experiment 2: trained denoisers
#
# The gradient of an estimated pixel is the filter by which the network averages the noisy pixels around it. We look at many
# places of the test photographs. **Predict:** which square holds 95 % of the energy, of the $19 \times 19$ pixels?

# %%
draw, tiles = generator(0, "places"), []
for picture in pictures.values():
    for _ in range(choose(smoke=2, lecture=24, full=100)):
        top, left = (
            int(torch.randint(side - 40, (), generator=draw)) for side in picture.shape[2:]
        )
        tiles.append(picture[..., top : top + 41, left : left + 41])
tiles, maps = torch.cat(tiles), {}
for level in (15, 25, 50):
    denoiser = zoo.load(DnCNN, f"dncnn-s{level}-w32")
    noisy_tiles = Gaussian(level / 255)(tiles, generator=generator(0, "tiles"))
    field = energy(input_gradients(denoiser, noisy_tiles))
    maps[f"σ = {level}: {width(field):.2f}"] = field[11:30, 11:30]  # all that it sees
start = untrained(9)
denoisers = cite("receptive_field-denoisers")

# %% slideshow={"slide_type": "-"}
alt = (
    "Four maps of 19 by 19 pixels. Left, a stack of nine untrained layers: a round blob. Then networks trained at noise levels "
    "15, 25 and 50: small bright spots in the middle"
)
caption = "Effective fields of nine layers, 19 × 19 pixels, and their widths. Left: untrained. Then DnCNNs, each trained once at its level."
figures.images(
    {f"untrained: {width(start):.2f}": bright(start)}
    | {title: bright(field) for title, field in maps.items()},
    columns=4,
    alt=alt,
    caption=caption,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"At σ = 15, 25 and 50 a square of {denoisers['square_95_15']:.0f}, {denoisers['square_95_25']:.0f} and "
    f"{denoisers['square_95_50']:.0f} pixels a side holds 95 % of the energy: "
    f"{100 * denoisers['square_95_15'] ** 2 / 19**2:.0f}, {100 * denoisers['square_95_25'] ** 2 / 19**2:.0f} and "
    f"{100 * denoisers['square_95_50'] ** 2 / 19**2:.0f} % of the pixels that the network could use."
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "BM3D and WNNM use such large areas because they search for similar patches. Lecture nonlocality combines this with networks. What the classical methods use of their area was not measured."}
# DnCNN's paper compares its $35 \times 35$ pixels with the effective patch sizes of other methods: what they *could* use, the
# range of a search or the size of a patch. The last row says what our small network *does* use.

# %% slideshow={"slide_type": "-"}
PAPERS = {"EPLL": 36, "BM3D": 49, "TNRD": 61, "WNNM": 361}
figures.table(
    {name: {"side (pixels)": figures.Paper(side)} for name, side in PAPERS.items()}
    | {
        "DnCNN of 17 layers, theoretical": {"side (pixels)": theoretical_field(DnCNN())},
        "DnCNN of 9 layers, theoretical": {"side (pixels)": denoisers["theoretical_25"]},
        "… square with 95 % of the energy": {"side (pixels)": denoisers["square_95_25"]},
    },
    digits=0,
    caption="Effective patch sizes at σ = 25. Daggers: Zhang et al. 2017 (DnCNN), table I. Nine layers: measured on test photographs.",
    note=denoisers,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The paper's claim is for residual networks, which begin with a small field since paths may skip blocks. A plain stack begins with the width of the full walk."}
# ## Experiment 3: training
#
# Our denoisers use little of their field. What does another task do? We train a small residual network to say, for
# each pixel of a mosaic of two photographs, which of the eight training photographs it comes from. Its theoretical field
# has $25 \times 25$ pixels.
#
# **Predict:** will its effective field grow or shrink, and by how much?

# %%
mosaics = classification.mosaics(
    data.photographs("train"), size=choose(smoke=32, lecture=48, full=64)
)
count = choose(smoke=4, lecture=48, full=128)
looked_at, pieces = mosaics(count, generator(0, "looked at"))
blocks, channels = choose(smoke=(1, 4), lecture=(5, 16), full=(5, 32))
segmenter = Residual(blocks=blocks, width=channels, outputs=8)


def field_of(model):
    """The effective field of a segmenter on the mosaics, over the scores of the eight classes."""
    gradients = [input_gradients(model, looked_at, output=k) for k in range(8)]
    low = looked_at.shape[-1] // 2 - 12  # of the 25 x 25 pixels that it could use
    return energy(torch.cat(gradients))[low : low + 25, low : low + 25]


before = field_of(segmenter)
budget = choose(smoke=Budget(4, 8), lecture=Budget(600, 8), full=Budget(20_000, 32))
trained = classification.train(mosaics, budget=budget, seed=0, network=segmenter)
after = field_of(trained.model.cpu())

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "One training, live: it shows what can happen. The next slide has five."}
alt = "A mosaic of two photographs, and the effective field of the network before and after this training"
figures.images(
    {
        "a mosaic": looked_at[0] * 0.25 + 0.5,
        f"before: width {width(before):.2f}": bright(before),
        f"after: width {width(after):.2f}": bright(after),
    },
    columns=3,
    alt=alt,
    caption="The effective field before and after one training, in the 25 × 25 pixels that the network could use.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Ask why a narrow field may be enough for classification by an average over pixels. Two rows say widened, one more as well, and one cannot tell."}
training = cite("receptive_field-training")
ROWS = (
    ("mosaics, skip connections", "mosaics_residual"),
    ("mosaics, plain stack", "mosaics_plain"),
    ("CIFAR-10, skip connections", "classes_residual"),
    ("CIFAR-10, plain stack", "classes_plain"),
)
figures.table(
    {
        label: training.row(
            {"before": f"before_{key}_usual", "after": f"after_{key}_usual"}
        )
        | {
            "times wider (95 % interval)": "{:.2f} to {:.2f}".format(
                *training.interval(
                    lambda row, key=key: (
                        row[f"after_{key}_usual"] / row[f"before_{key}_usual"]
                    )
                )
            )
        }
        for label, key in ROWS
    },
    caption="Width of the effective field in pixels, over five seeds.",
    note=training.about("receptive_field-training", "receptive_field-training-plain"),
)

# %% slideshow={"slide_type": "fragment"}
sentence = (
    "The field of the residual network grows on both tasks: {:.2f} to {:.2f} times as wide on mosaics (95 % interval, "
    "five seeds), {:.2f} to {:.2f} times on CIFAR-10."
)
M, C = "mosaics_residual_usual", "classes_residual_usual"
answer(
    sentence.format(
        *training.interval(lambda row: row[f"after_{M}"] / row[f"before_{M}"]),
        *training.interval(lambda row: row[f"after_{C}"] / row[f"before_{C}"]),
    ),
    holds=training.interval(lambda row: row[f"after_{M}"] - row[f"before_{M}"])[0] > 0
    and training.interval(lambda row: row[f"after_{C}"] - row[f"before_{C}"])[0] > 0,
    otherwise="Not on both tasks: read the intervals of the table.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# A residual network starts narrow, since paths may skip its blocks. A plain stack starts at the width of the full walk. Where an
# interval holds 1, five trainings do not show a change.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2.5, "notes": "The paper itself is careful: 30 % in a few cases, overall not always significant. An interval says more than the best run."}
# ## Experiment 4: a start that looks further
#
# If the field of untrained networks is too narrow, start with a wider one. The paper's proposal: sample the weights as usual,
# then make them smaller in the middle of each kernel and larger outside. We keep the variance of each layer, since otherwise
# we would measure the effect of larger weights. With offsets $m$ from the middle and a strength $\beta$,
#
# $$w(m) \leftarrow w(m)\, \sqrt{1 - \beta + \beta\, |m|^2 / \overline{|m|^2}} .$$

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1.5, "notes": "A random walk whose steps never stay in the middle. The variance is taken along one axis."}
# For $\beta = 1$ the squared factors are $|m|^2$ over its mean, and a step of the walk never stays in the middle:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
squared = torch.tensor([[2.0, 1.0, 2.0], [1.0, 0.0, 1.0], [2.0, 1.0, 2.0]])  # |m|^2
factors = squared / squared.mean()  # on the variances of the weights
along = torch.tensor([1.0, 0.0, 1.0])  # the squared offset along one axis
variance, usual = (factors.sum(0) * along).sum() / 9, along.sum() / 3
library = receptive_field.profile(3, strength=1).square()
print("the library has the same factors:", torch.allclose(factors, library))
print(f"variance of a step: {variance:.3f} instead of {usual:.3f}")
print(f"the width grows to {(variance / usual).sqrt():.3f} times the usual one, at most")

# %% slideshow={"slide_type": "skip"}
figures.code(diffused, receptive_field.profile)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Count how many students would have reported the best of the five. Then read the interval."}
# With this profile the width grows by 12 % at most; Luo et al. report 30 % fewer steps in a few cases, and call it not always significant.
# **Predict:** how many steps does it save here, to the lowest loss that both starts reach?

# %% slideshow={"slide_type": "-"}
TASKS = {"mosaics": "saved_mosaics", "CIFAR-10": "saved_classes"}
figures.table(
    {
        name: {
            "steps saved (%)": 100 * training[key],
            "95 % interval": "{:.2f} to {:.2f}".format(
                *(100 * end for end in training.interval(key))
            ),
            "lowest of five": 100 * min(row[key] for row in training.results),
            "highest of five": 100 * max(row[key] for row in training.results),
        }
        for name, key in TASKS.items()
    }
    | {"Luo et al., in a few cases": {"steps saved (%)": figures.Paper(30)}},
    digits=1,
    caption="Steps saved by the diffused start of strength 0.8, residual networks. Below zero it needs more steps.",
    note=training.about("receptive_field-diffused-faster"),
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"None: on CIFAR-10 it costs {-100 * training['saved_classes']:.1f} % "
    f"(95 % interval {-100 * training.interval('saved_classes')[1]:.2f} to "
    f"{-100 * training.interval('saved_classes')[0]:.2f} %, five seeds), and on mosaics a difference is not shown "
    f"({-100 * training.interval('saved_mosaics')[1]:.1f} to {-100 * training.interval('saved_mosaics')[0]:.1f} %).",
    holds=training.interval("saved_classes")[1] < 0 < training.interval("saved_mosaics")[1],
    otherwise="An interval has moved over zero: read the table.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Show the number first: 33 pixels with eight layers instead of sixteen. Then the picture. This is the reason for mixed dilations, and lecture blind_spots will use exactly such holes."}
# ## Break it
#
# Twice the field for the same price: eight layers of $3 \times 3$, all dilated by two. The arithmetic says 33 pixels instead
# of 17. **Predict:** how many of its $33 \times 33$ pixels can an output use?

# %%
designs = {
    "dilated by 1": (1,) * 8,
    "dilated by 2 throughout": (2,) * 8,
    "dilated by 1 to 3, mixed": (1, 2, 3, 2, 3, 2, 2, 1),
}
panels = {}
for name, dilations in designs.items():
    nets = [
        Stack(depth=8, dilations=dilations, seed=seed) for seed in range(initialisations)
    ]
    inputs = torch.randn(initialisations, 1, 35, 35, generator=generator(0, "dilated"))
    panels[f"{name}: {theoretical_field(nets[0])}"] = energy(many_gradients(nets, inputs))

# %% slideshow={"slide_type": "-"}
alt = "Three effective fields: a compact blob; a grid of single bright pixels with black ones between; a wide compact blob"
caption = "Effective fields of untrained stacks of eight layers, 35 × 35 pixels each. The number is the theoretical field."
figures.images(
    {title: bright(field) for title, field in panels.items()},
    columns=3,
    alt=alt,
    caption=caption,
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "These are four networks without any connection, each working on a quarter of the pixels."}
# It is a grid. From any pixel a step of two leads to a pixel of the same parity, eight times: these are four networks on four
# sub-images, without any connection. The side of the field does not show it. **The probe:** count the pixels, not the side.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
for name, dilations in designs.items():
    seen = pixels_seen([(3, dilation) for dilation in dilations])
    side = seen[-1] - seen[0] + 1
    traced = reach(Stack(depth=8, dilations=dilations, width=2), size=64).rows[0, 32]
    print(
        f"{name}: {len(seen)}² of {side}² pixels, {len(seen) ** 2 / side**2:.0%};", end=" "
    )
    print("traced through the network:", len(seen) == int(traced.sum()))

# %% slideshow={"slide_type": "fragment"}
holes = [(3, 2)] * 8
answer(
    f"{len(pixels_seen(holes)) ** 2} of {33 * 33}: every second one along both axes, as many as eight layers without dilation use.",
    holds=len(pixels_seen(holes)) == len(pixels_seen([(3, 1)] * 8)) == 17,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - The theoretical field is arithmetic: each layer adds $(k-1)\,d$ steps, each as long as the product of the strides before it.
# - The effective field is a walk: width $\sqrt{2n/3}$ pixels for $n$ layers of $3 \times 3$. Four times the depth for twice the width.
# - ReLU and tanh change this width by less than a tenth. Skip connections shrink the effective field, dilation and sub-images widen it.
# - Training widened the field of our residual networks; what it does to others depends on the task. Report an interval.
# - A field can have holes: count pixels, not the side.
# - Our trained denoisers take 95 % of the energy from 22 to 34 % of the pixels that they could use.

# %% slideshow={"slide_type": "slide", "minutes": 1.5, "notes": "Let everyone answer alone first."}
Quiz.parse("""
A plain stack of 3 × 3 convolutions has an effective field of width 2. You want 4. You need
…
- [ ] twice as many layers | That doubles the theoretical field. The width grows like the
  square root of the depth.
- [x] four times as many layers
- [ ] twice as many channels | Channels average over more paths, but no path gets longer:
  the walk has as many steps.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5, "notes": "Do it at the board if more than a few are wrong."}
Quiz.parse("""
A convolution with stride 2 comes first, then one of 3 × 3. The second adds to the field …
- [ ] 2 pixels | Two steps, but each step is two pixels of the input long.
- [x] 4 pixels
- [ ] 6 pixels | It adds k − 1 steps, not k: two steps of two pixels.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5, "notes": "The reason for squaring."}
Quiz.parse("""
Why is the mean of g over random initialisations useless as an effective field?
- [x] it is zero everywhere, since signs cancel
- [ ] it is a constant that is not zero | A mean of signed values with mean zero is zero, and
  says nothing of their size.
- [ ] each g is too small to be measured | Each g is of ordinary size; only the mean of many
  vanishes.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5, "notes": "This is what experiment 4 is about."}
Quiz.parse("""
Five trainings with a new start save −5, 2, 30, 8 and −3 % of the steps. You report …
- [ ] a speed-up of up to 30 % of the steps | True and misleading: the largest of several
  noisy numbers is always impressive.
- [x] a mean of 6 %, its interval includes zero
- [ ] that the new start does not help | Five trainings cannot show that either. The
  interval says what they can show.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/15_receptive_fields.ipynb): the
# arithmetic of the theoretical field, the effective field by a back-propagated impulse, and the diffused start. Each is
# checked at once, and the message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Where is the effective field of the U-Net above? Make its skip connection weaker, and look again.
# 2. Draw the change of the estimate against the side that is kept, as in the beginning, for the networks trained at 15 and 50. Do the curves
#    agree with their energy?
# 3. Train the segmenter on mosaics of two photographs only, say grass and coffee. How far must it see?
#
# ## Further reading
#
# - W. Luo, Y. Li, R. Urtasun, R. Zemel: *Understanding the Effective Receptive Field in Deep Convolutional Neural
#   Networks*, NIPS 2016. Section 2 is the walk, section 4 the start.
# - A. Araujo, W. Norris, J. Sim: *Computing Receptive Fields of Convolutional Neural Networks*, Distill 2019. The
#   arithmetic, with pictures.
# - F. Yu, V. Koltun: *Multi-Scale Context Aggregation by Dilated Convolutions*, ICLR 2016.
# - S. Mohan, Z. Kadkhodaie, E. Simoncelli, C. Fernandez-Granda: *Robust and Interpretable Blind Image Denoising via
#   Bias-Free Convolutional Neural Networks*, ICLR 2020. The filters of experiment 2, one by one.
