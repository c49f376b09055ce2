# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Ask for the size of the receptive field first: nine layers, so 19 x 19. Then take the surroundings away and ask what will happen to the pixel in the middle."}
# ## What does one estimated pixel depend on?
#
# A DnCNN of nine $3 \times 3$ convolutions sees $19 \times 19$ pixels: lecture *dncnn* counted them, and the paper chose its
# depth by that count. So each estimated pixel depends on 361 noisy ones. Does it really?
#
# We take a noisy photograph and a pixel in it, and swap everything outside a small square around the pixel for a
# piece of another photograph, and denoise again.

# %% slideshow={"slide_type": "-"}
import inspect
import math

import torch
from IPython.display import Code, display
from torch import nn

from course_lib import data, figures, zoo
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
from course_lib.layers import he_normal
from course_lib.noise import Gaussian
from course_lib.profiles import Budget, choose
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

sigma = 25 / 255
network = zoo.load(DnCNN, "dncnn-s25-w32")
pictures = {name: to_float(picture) for name, picture in data.photographs("test").items()}
scene = pictures["camera"][..., 60:188, 160:288]
other = pictures["chelsea"][..., 60:188, 160:288]
noise = Gaussian(sigma)
z = noise(scene, generator=generator(0, "scene"))
z_other = noise(other, generator=generator(1, "scene"))
row, column = 62, 66


def keep(side):
    """The noisy photograph inside a square around the pixel, the other photograph outside."""
    half = side // 2
    inside = (
        ...,
        slice(row - half, row + half + 1),
        slice(column - half, column + half + 1),
    )
    mixed = z_other.clone()
    mixed[inside] = z[inside]
    return mixed


with torch.inference_mode():
    swapped = {
        side: network(keep(side))[0, 0, row, column].item()
        for side in (1, 3, 7, 11, 15, 19)
    }
    whole = network(z)[0, 0, row, column].item()
around = (..., slice(row - 24, row + 25), slice(column - 24, column + 25))
figures.images(
    {
        f"all of it: {255 * whole:.1f}": z[around],
        **{
            f"{side} × {side}: {255 * swapped[side]:.1f}": keep(side)[around]
            for side in (19, 11, 7)
        },
    },
    columns=4,
    alt="A detail of a noisy photograph, and three times the same detail of which only a square in the middle is kept "
    "and the rest is a piece of another photograph; the numbers above them hardly differ",
    caption="The number above each is the network's estimate of the pixel in the middle, of 255. With 19 × 19 pixels kept "
    "it cannot change.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# With 19 × 19 pixels nothing can change. But most of the field can be replaced before much happens. The pixels that the
# network *could* see are not those that it *does* see, and papers report the first number.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
print("19 x 19 kept, the estimate is the same:", abs(swapped[19] - whole) < 1e-5)
print("1 x 1 kept, it is another:", abs(swapped[1] - whole) > 5e-3)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Do three layers at the board, then one with stride 2 in the middle. The stride acts on the layers after it, not on its own."}
# ## The theoretical field: arithmetic
#
# Start at an output pixel and go back. A layer with kernel $k$ and dilation $d$ looks at $k$ positions that are $d$
# steps apart: the field grows by $(k - 1)\,d$ steps. The length of a step, in pixels of the input, is the product of all
# strides *before* that layer:
#
# $$r = 1 + \sum_{l=1}^{n} (k_l - 1)\, d_l \prod_{m<l} s_m .$$
#
# | letter | is |
# |---|---|
# | $n$, $l$ | number of layers, one of them |
# | $k_l$, $d_l$, $s_l$ | its kernel, dilation, stride |
# | $r$ | side of the theoretical field |
# | $g$ | gradient of one output pixel with respect to the input |
# | $e$ | effective field: where the energy of $g$ lies |

# %% slideshow={"slide_type": "-"}
figures.code(by_arithmetic)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
for depth in (5, 10, 20, 40):
    print(f"{depth} layers of 3 x 3 see {by_arithmetic([(3, 1, 1)] * depth)} pixels")
print("three layers, dilated by 1, 2, 4:", by_arithmetic([(3, 1, 1), (3, 2, 1), (3, 4, 1)]))
print("three layers, each with stride 2:", by_arithmetic([(3, 1, 2)] * 3))

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "With sub-images as channels, and with branches, a formula on paper is easily wrong. The tracer follows the forward method."}
# Networks are not always lists of layers: they cut images into sub-images, have branches, shrink and enlarge.
# `theoretical_field` therefore runs the network on tensors that carry two matrices of zeros and ones with them:
# which rows and columns of the input each position depends on. A layer joins rows of these matrices, a branch joins
# matrices. No weights are multiplied, so nothing cancels: the result is the largest field that any weights could use.


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
class UNet(nn.Module):
    """Two levels down, two up, and a way across at the top."""

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


print("DnCNN of 17 layers:", theoretical_field(DnCNN()))
print("FFDNet of 15 layers on sub-images:", theoretical_field(FFDNet(), sigma=sigma))
print("a U-Net of two levels:", theoretical_field(UNet()))

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "notes": "Let them count paths in two layers: one path to the corner, nine to the middle. Everything else follows from this picture."}
# ## The effective field: count the paths
#
# Put an impulse at the centre of the output, 1 there and 0 elsewhere, and propagate it back to the input:
#
# $$g = \frac{\partial f(z)_{\text{centre}}}{\partial z} .$$
#
# $g(p)$ says what a small change of pixel $p$ does (Luo, Li, Urtasun, Zemel, NIPS 2016). Without activations it is a
# sum over **paths**: choose a position in each of the $n$ kernels; the path ends where the steps add up to, and it
# contributes the product of its weights. Only one path leads to a corner of the field. A great many lead to the middle.
#
# Let all weights be equal, with sum one. Then $g(p)$ is the probability that a random walk of $n$ steps, each
# uniform over the kernel, ends at $p$. Variances of steps add up. Along an axis a step of a $k \times k$ kernel has the variance
# $(k^2 - 1) / 12$, so the walk has the standard deviation
#
# $$\text{width} = \sqrt{n\,\frac{k^2 - 1}{12}} \;=\; \sqrt{\tfrac{2}{3}\, n} \quad (k = 3),$$
#
# and by the central limit theorem it tends to a Gaussian. **The field grows like $n$, its width like $\sqrt n$.**

# %% tags=["nbval-check-output"] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Exact: the walk's law holds for every n, only the shape needs the limit theorem."}
for depth in (5, 10, 20, 40):
    side = 2 * depth + 1
    uniform = Stack(depth=depth, width=1, activation="linear", initial=constant)
    walk = many_gradients([uniform], torch.zeros(1, 1, side, side))[0, 0]
    print(
        f"{depth} layers: width {width(walk):.3f}, the law says {math.sqrt(2 * depth / 3):.3f}, of {side} pixels"
    )

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Cross terms vanish in expectation: that is all. Write E[g^2] for two layers and cross them out."}
# ### Random weights
#
# An untrained network has random weights with mean zero, so $\mathbb E[g(p)] = 0$ everywhere, which says nothing. We look at
# the energy instead. In $\mathbb E[g(p)^2]$ the products of two *different* paths vanish, and each path keeps the product of its
# variances. Where all weights of a kernel have the same variance this is, up to a factor, the same walk as before. So we call
#
# $$e(p) = \operatorname*{mean}_w \frac{g(p)^2}{\sum_q g(q)^2}$$
#
# the **effective field**: an average over many initialisations $w$, each counting alike. Its width is a standard
# deviation; its size is the diameter of the disc in which it is above 4.55 % of its peak (two standard
# deviations of a Gaussian hold 95.45 %).
#
# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "It is fast because only those values are computed that the centre depends on."}
# For one network PyTorch's backward pass gives $g$. For many there is a much faster way that is exact, real ReLU gates included.
# The centre depends on its theoretical field only: forward, the image shrinks to one pixel; back, the impulse grows
# by one kernel a layer; and all networks go through the same convolution, a group for each.

# %% slideshow={"slide_type": "-"}
source = inspect.getsource(many_gradients)
Code(source[source.index("    x = z[window]") :], language="python")

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
eight = [Stack(depth=8, seed=seed) for seed in range(8)]
images = torch.randn(8, 1, 33, 33, generator=generator(0, "inputs"))
one_by_one = torch.cat(
    [input_gradients(net, x[None]) for net, x in zip(eight, images, strict=True)]
)
at_once = many_gradients(eight, images)
print(
    "equal to one backward pass each:",
    bool((at_once - one_by_one).abs().max() < 1e-5 * one_by_one.abs().max()),
)
outside = at_once.clone()
outside[..., 8:25, 8:25] = 0
print("beyond the 17 x 17 pixels of the theoretical field:", outside.abs().max().item())

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "This is the figure of the source, computed here. All pictures have the same scale of pixels: the frame is the field of 40 layers."}
# ## Experiment 1: deeper and deeper
#
# Three kinds of network, as in the paper: uniform weights, random weights, random weights with ReLU. Four depths. The frame
# is the theoretical field. **Predict** the picture for 40 layers: how much of the frame will be bright?

# %% slideshow={"slide_type": "-"}
initialisations = choose(smoke=4, lecture=48, full=200)
kinds = {
    "uniform": dict(activation="linear", initial=constant),
    "random": dict(activation="linear"),
    "random, ReLU": dict(),
}


def untrained(depth, *, count=initialisations, **how):
    """The effective field of stacks of so many layers, over initialisations and inputs."""
    side = 2 * depth + 1
    count = 1 if how.get("initial") is constant else count
    inputs = torch.randn(count, 1, side, side, generator=generator(0, "inputs", str(depth)))
    gradients = many_gradients(
        [Stack(depth=depth, seed=seed, **how) for seed in range(count)], inputs
    )
    return gradients[0, 0] if count == 1 else energy(gradients)


def bright(field, *, size=None, side=None):
    """A map as a picture, its root so that faint parts are seen; around it the theoretical field, if smaller."""
    size = size or field.shape[-1]
    rim = (size - field.shape[-1]) // 2
    picture = nn.functional.pad(
        (field / field.max()).clamp(min=0).sqrt(), (rim, rim, rim, rim)
    )
    picture = picture[None, None].repeat(1, 3, 1, 1)
    if side is None or side + 2 > size:
        return picture
    low = size // 2 - side // 2
    return figures.framed(picture, top=low, left=low, size=side, colour=(0.9, 0.45, 0.1))


fields = {
    (kind, depth): untrained(depth, **how)
    for kind, how in kinds.items()
    for depth in (5, 10, 20, 40)
}
figures.images(
    {
        f"{kind}, {depth}": bright(fields[kind, depth])
        for kind in kinds
        for depth in (5, 10, 20, 40)
    },
    columns=4,
    alt="Twelve maps in three rows for uniform, random and random ReLU networks, with 5, 10, 20 and 40 layers from left to "
    "right; a bright blob in the middle of each takes less and less of the frame",
    caption="Each picture is exactly as large as its theoretical field: 11, 21, 41 and 81 pixels. It shows the root of "
    "the map, so that its faint parts can be seen.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Both axes are logarithmic: a power law is a straight line, its exponent the slope. Read the slope off."}
stored = cite("receptive_field-depth")
depths = (5, 10, 20, 40)
activations = {"no activation": "linear", "ReLU": "relu", "tanh": "tanh"}
display(
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
)
figures.table(
    {
        name: {
            "energy off the Gaussian (%)": 100
            * sum(stored[f"misfit_{kind}_{depth}"] for depth in depths)
            / len(depths),
            "exponent": stored[f"slope_{kind}"],
            "95 % interval": "{:.3f} to {:.3f}".format(*stored.interval(f"slope_{kind}")),
        }
        for name, kind in activations.items()
    },
    digits=3,
    caption="The exponent p of width = c · depthᵖ, fitted to the four depths; the theory says one half. First column: the "
    "share of the energy that would have to move along an axis to make a Gaussian, mean over depths.",
    note=stored.about("receptive_field-root", "receptive_field-gaussian"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The law does not include activations, and still fits: a ReLU closes half of the paths, but no direction more
# than another. The shape fits, too: along an axis, only a few per cent of the energy lie elsewhere than in a Gaussian of the
# same width. So the *share* of the field that is used falls like $1/\sqrt n$:

# %% slideshow={"slide_type": "-"}
figures.lines(
    depths,
    stored.lines(activations, depths, "share_{}_{}", times=100, spread="range"),
    xlabel="layers",
    ylabel="diameter, in % of the theoretical field",
    log="x",
    caption="Mean and range over five seeds.",
    note=stored.about("receptive_field-share"),
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "notes": "Let a student design for 31 pixels of effective diameter with the fewest layers. Then ask what the price of the dilated ones is."}
# ## Play: design a field
#
# Stack layers and look at both fields. The orange frame is the theoretical one; what is bright is used. Dilation and sub-images
# widen both; ways around layers (residual blocks) do not change the frame and shrink what is bright, since a path may skip a block.

# %% slideshow={"slide_type": "-"}
SIZE = 83
PLAYED = choose(smoke=2, lecture=16, full=64)
STARTS = {"usual": he_normal, "diffused": diffused}


class Halved(nn.Module):
    """A stack on four sub-images."""

    def __init__(self, **how):
        super().__init__()
        self.stack = Stack(channels=4, outputs=4, **how)

    def forward(self, z):
        return nn.functional.pixel_shuffle(
            self.stack(nn.functional.pixel_unshuffle(z, 2)), 2
        )


def designed(layers, depth, start, seed):
    how = dict(depth=depth, initial=STARTS[start], seed=seed)
    return {
        "3 × 3": lambda: Stack(**how),
        "5 × 5": lambda: Stack(kernel=5, **how),
        "3 × 3, dilated 1, 2, 1, 2, …": lambda: Stack(
            dilations=(1, 2) * (depth // 2), **how
        ),
        "3 × 3, with ways around": lambda: Residual(
            blocks=depth // 2 - 1, initial=STARTS[start], seed=seed
        ),
        "3 × 3, on sub-images": lambda: Halved(**how),
    }[layers]()


seen = {}


def both_fields(layers, depth, start):
    nets = [designed(layers, depth, start, seed) for seed in range(PLAYED)]
    side = theoretical_field(nets[0])
    size = side + 3 - side % 2  # odd, and a little more than the field
    inputs = torch.randn(PLAYED, 1, size + 1, size + 1, generator=generator(0, "play"))
    if isinstance(nets[0], Stack):
        gradients = many_gradients(nets, inputs[..., :size, :size])
    else:
        size = size // 4 * 4 + 4 if isinstance(nets[0], Halved) else size
        inputs = torch.randn(PLAYED, 1, size, size, generator=generator(0, "play"))
        gradients = torch.cat(
            [input_gradients(net, x[None]) for net, x in zip(nets, inputs, strict=True)]
        )
    field = energy(gradients)
    middle = size // 2
    half = min(middle, field.shape[-1] - middle - 1)
    field = field[middle - half : middle + half + 1, middle - half : middle + half + 1]
    disc = receptive_field.diameter(field)
    seen[layers, depth, start] = (side, disc, width(field))
    picture = bright(field, size=SIZE, side=side)
    return picture.repeat_interleave(5, -1).repeat_interleave(5, -2)  # squares, not a blur


def measured_sizes(layers, depth, start):
    side, disc, spread = seen[layers, depth, start]
    return f"could see {side} × {side}; uses a disc of {disc:.1f} pixels, {100 * disc / side:.0f} %; width {spread:.2f}"


Player(
    render=both_fields,
    axes=(
        Axis(
            "layers",
            (
                "3 × 3",
                "5 × 5",
                "3 × 3, dilated 1, 2, 1, 2, …",
                "3 × 3, with ways around",
                "3 × 3, on sub-images",
            ),
            "Layers",
        ),
        Axis("depth", (4, 6, 8, 12, 16), "How many", start=2),
        Axis("start", ("usual", "diffused"), "Weights start"),
    ),
    alt=lambda layers, depth, start: (
        f"The effective field of {depth} layers, {layers}, start {start}: a bright blob inside the frame of the theoretical "
        "field"
    ),
    note=measured_sizes,
    caption="Untrained networks of 16 channels with ReLU, averaged over initialisations. Orange: the theoretical field.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "The paper's claim is for ResNets, which begin with a small field since paths may skip blocks. A plain stack begins with a wide one and has less to gain."}
# ## Experiment 2: training
#
# So far nothing was learnt. We train a small residual network to say, for each pixel of a mosaic of two
# photographs, which of the eight training photographs it comes from: a segmentation. Its theoretical field has 25 × 25 pixels. **Predict:** will
# the effective field grow or shrink?

# %% slideshow={"slide_type": "-"}
mosaics = classification.mosaics(
    data.photographs("train"), size=choose(smoke=32, lecture=48, full=64)
)
looked_at, pieces = mosaics(
    choose(smoke=4, lecture=48, full=128), generator(0, "looked at")
)
segmenter = Residual(
    blocks=choose(smoke=1, lecture=5, full=5),
    width=choose(smoke=4, lecture=16, full=32),
    outputs=8,
)


def field_of(model):
    return energy(
        torch.cat([input_gradients(model, looked_at, output=k) for k in range(8)])
    )


before = field_of(segmenter)
segmenter, history = classification.train(
    mosaics,
    budget=choose(smoke=Budget(4, 8), lecture=Budget(600, 8), full=Budget(20_000, 32)),
    seed=0,
    network=segmenter,
)
segmenter = segmenter.cpu()
after = field_of(segmenter)
crop = (slice(before.shape[0] // 2 - 14, before.shape[0] // 2 + 15),) * 2
figures.images(
    {
        "a mosaic": looked_at[0] * 0.25 + 0.5,
        f"before: width {width(before):.2f}": bright(before[crop]),
        f"after: width {width(after):.2f}": bright(after[crop]),
    },
    columns=3,
    alt="A mosaic of two photographs, and the effective field of the network before and after training; after training it is wider",
    caption="Left: what the network sees. Right: its effective field before and after training, 29 × 29 pixels around the "
    "centre.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Ask why a narrow field may be enough for classification by an average over pixels."}
training = cite("receptive_field-training")


def before_and_after(task, kind):
    before, after = (f"{when}_{task}_{kind}_usual" for when in ("before", "after"))
    wider = training.interval(lambda row: row[after] / row[before])
    return training.row({"before": before, "after": after}) | {
        "times wider (95 % interval)": "{:.2f} to {:.2f}".format(*wider)
    }


figures.table(
    {
        f"{what}, {how}": before_and_after(task, kind)
        for what, task in (("mosaics", "mosaics"), ("CIFAR-10", "classes"))
        for how, kind in (("with ways around", "residual"), ("plain stack", "plain"))
    },
    caption="Width of the effective field in pixels, over five seeds.",
    note=training.about("receptive_field-training", "receptive_field-training-plain"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The paper shows that training widens the field of two residual networks. A residual network starts narrow, since paths
# may skip its blocks, and the task widens it. A plain stack starts at the width of the full walk. How training
# changes it depends on the task: read the rows of the table before you generalise.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "The paper itself is careful: 30 % in a few cases, overall not always significant. An interval says more than the best run."}
# ## Experiment 3: a start that looks further
#
# If the field of untrained networks is too narrow, start with a wider one. The paper's proposal: sample the weights as usual,
# then make them smaller in the middle of each kernel and larger outside. We keep the variance of each layer, since otherwise
# we would measure the effect of larger weights. With offsets $m$ from the middle and a strength $s$,
#
# $$w(m) \leftarrow w(m)\, \sqrt{1 - s + s\, |m|^2 / \overline{|m|^2}} .$$

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
print("factors on the variance, s = 0.8:")
print(receptive_field.profile(3, strength=0.8).square())
variances = [(1 - s) * 2 / 3 + s * 5 / 6 for s in (0, 0.8, 1)]
print("variance of a step, s = 0, 0.8, 1:", ", ".join(f"{v:.3f}" for v in variances))
print(
    "width, compared with the usual start:",
    ", ".join(f"{math.sqrt(v / variances[0]):.3f}" for v in variances),
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3}
# So the width can grow by 12 % at most. Does this help the training? We count steps: how many fewer does the diffused
# start need to the lowest loss that both starts reach?

# %% slideshow={"slide_type": "-"}
rows = {}
for name, task in (("mosaics", "mosaics"), ("CIFAR-10", "classes")):
    saved = [100 * row[f"saved_{task}"] for row in training.results]
    low, high = training.interval(f"saved_{task}")
    rows[name] = {
        "steps saved (%)": 100 * training[f"saved_{task}"],
        "95 % interval": f"{100 * low:.0f} to {100 * high:.0f}",
        "lowest and highest of five": f"{min(saved):.0f} and {max(saved):.0f}",
    }
rows["Luo et al., in a few cases"] = {"steps saved (%)": figures.Paper(30)}
figures.table(
    rows,
    digits=0,
    caption="The dagger marks the paper's number, which it reports for "
    "a few cases and calls not always significant.",
    note=training.about("receptive_field-diffused-faster"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Read the interval, not the best run. If it includes zero, five trainings cannot show whether the start helps; if it lies
# below zero, the start costs steps. In either case the best of five would look like a success.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Back to denoising. The sum of the weights is near one: the network is a local average whose weights it chooses by what it sees."}
# ## Experiment 4: trained denoisers
#
# For denoising the size of the field was used as an argument: DnCNN's paper compares its $35 \times 35$ pixels with the effective patch sizes
# of other methods. What do trained denoisers use? The gradient of an estimated pixel is the filter by which the network
# averages the noisy pixels around it. We take the course's DnCNNs (nine layers, 19 × 19 pixels), many places
# of the test photographs, and the energy of these filters.

# %% slideshow={"slide_type": "-"}
places = generator(0, "places")
tiles = []
for picture in pictures.values():
    for _ in range(choose(smoke=2, lecture=24, full=100)):
        top, left = (
            int(torch.randint(side - 40, (), generator=places))
            for side in picture.shape[2:]
        )
        tiles.append(picture[..., top : top + 41, left : left + 41])
tiles = torch.cat(tiles)
maps = {}
for level in (15, 25, 50):
    denoiser = zoo.load(DnCNN, f"dncnn-s{level}-w32")
    noisy_tiles = Gaussian(level / 255)(tiles, generator=generator(0, "tiles"))
    maps[level] = energy(input_gradients(denoiser, noisy_tiles))
figures.images(
    {
        f"σ = {level}: width {width(field):.2f}": bright(field[9:32, 9:32], side=19)
        for level, field in maps.items()
    },
    columns=3,
    alt="Three maps for networks trained at noise levels 15, 25 and 50: a bright spot in the middle of a frame of 19 pixels, "
    "a little wider for more noise",
    caption="The mean energy of the filters of three trained DnCNNs. Frame: the theoretical field.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "BM3D and WNNM use such large areas because they search for similar patches. Lecture nonlocality combines this with networks."}
patches = cite("receptive_field-denoisers")
table = {
    name: {"side (pixels)": figures.Paper(side)}
    for name, side in (
        ("EPLL", 36),
        ("MLP", 47),
        ("BM3D", 49),
        ("CSF", 61),
        ("TNRD", 61),
        ("WNNM", 361),
    )
}
table |= {
    "DnCNN of 17 layers, theoretical": {"side (pixels)": theoretical_field(DnCNN())},
    "DnCNN of 9 layers, theoretical": {"side (pixels)": patches["theoretical_25"]},
    "… square with 99 % of the energy": {"side (pixels)": patches["square_99_25"]},
    "… square with 95 % of the energy": {"side (pixels)": patches["square_95_25"]},
    "… disc above 4.55 % of the peak": {"side (pixels)": patches["diameter_25"]},
}
figures.table(
    table,
    digits=1,
    caption="Effective patch sizes at σ = 25/255. Daggers: Zhang et al. 2017 (DnCNN), table I. The network's own rows are "
    "measured on test photographs, mean over three seeds.",
    note=patches,
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Table I lists what methods *could* use: the range of a search, the size of a patch. Measured by what it uses, a small trained DnCNN is far
# more local than any of them. It compensates for that with what it has learnt about edges. But it cannot use the
# same brick, twenty pixels further; that is the topic of lecture *nonlocality*.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Show the number first: 33 pixels with eight layers instead of sixteen. Then the picture. This is the reason for mixed dilations, and lecture blind_spots will use exactly such holes."}
# ## Break it
#
# Twice the field for the same price: eight layers of $3 \times 3$, all dilated by two. The arithmetic says 33 pixels instead
# of 17. Let us look at the field.

# %% slideshow={"slide_type": "-"}
designs = {
    "dilated by 1 (plain)": (1,) * 8,
    "dilated by 2 throughout": (2,) * 8,
    "dilated 1, 2, 3, 2, 3, 2, 2, 1": (1, 2, 3, 2, 3, 2, 2, 1),
}
panels = {}
for name, dilations in designs.items():
    nets = [
        Stack(depth=8, dilations=dilations, seed=seed) for seed in range(initialisations)
    ]
    inputs = torch.randn(initialisations, 1, 35, 35, generator=generator(0, "dilated"))
    panels[f"{name}: {theoretical_field(nets[0])}"] = bright(
        energy(many_gradients(nets, inputs))
    )
figures.images(
    panels,
    columns=3,
    alt="Three effective fields: a compact blob; a grid of single bright pixels with black ones between; a wide compact blob",
    caption="The number is the theoretical field. With dilation two in all layers, three of four pixels are not used.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "These are four networks without any connection, each denoising a quarter of the pixels."}
# It is a grid. From any pixel a step of two leads to a pixel of the same parity, eight times. The network is four
# networks on four sub-images without any connection. The side of the field does not show it.
# **The probe:** count the pixels, not the side.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
from course_lib.denoise.sight import reach

for name, dilations in designs.items():
    rows_seen = reach(Stack(depth=8, dilations=dilations, width=2), size=64).rows[0, 32]
    side = theoretical_field(Stack(depth=8, dilations=dilations, width=2))
    print(
        f"{name}: {side} x {side} pixels, of which {int(rows_seen.sum()) ** 2 / side**2:.0%} can be seen"
    )

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "Go round: one sentence each."}
# ## What to remember
#
# - The theoretical field is arithmetic: each layer adds $(k-1)\,d$ steps, each as long as the product of the strides before it.
# - The effective field is a walk: width $\sqrt{2n/3}$ pixels for $n$ layers of $3 \times 3$. Four times the depth for twice the width.
# - Activations hardly matter; ways around layers shrink the effective field; dilation and sub-images widen it.
# - What training does to it depends on where it started. Measure before you generalise, and report an interval.
# - A field can have holes: count pixels, not the side.
# - An estimate of a trained denoiser depends on a small part of the pixels that it could see.

# %% slideshow={"slide_type": "slide", "minutes": 5, "notes": "Let everyone answer alone first."}
Quiz.parse("""
A plain stack of 3 × 3 convolutions has an effective field of width 2. You want 4. You need
…
- [x] four times as many layers
- [ ] twice as many layers | That doubles the theoretical field. The width grows like the
  square root of the depth.
- [ ] twice as many channels | Channels average over more paths, but no path gets longer:
  the walk has as many steps.

A convolution with stride 2 comes first, then one of 3 × 3. The second adds to the field …
- [x] 4 pixels
- [ ] 2 pixels | Two steps, but each step is two pixels of the input long.
- [ ] 6 pixels | It adds (k − 1) steps, not k: two steps of two pixels.
""")

# %% slideshow={"slide_type": "subslide"}
Quiz.parse("""
Why is the mean of g over random initialisations useless as an effective field?
- [x] it is zero everywhere: signs cancel
- [ ] it is the same at all pixels | It is, namely zero. A mean of signed values with mean
  zero says nothing of their size.
- [ ] it is too small to be measured | Each g is of ordinary size; only the mean of many
  vanishes.

Five trainings with a new start save −5, 2, 30, 8 and −3 % of the steps. You report …
- [x] a mean of 6 % with an interval that includes zero
- [ ] a speed-up of up to 30 % | True and misleading: the largest of several noisy numbers
  is always impressive.
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
# 1. Where is the effective field of the U-Net above? Make its path across weaker, and look again.
# 2. Swap the surroundings as in the first figure, at a hundred places, and draw the mean change of the estimate against the side that
#    is kept. Does the curve agree with the energy?
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
#   Bias-Free Convolutional Neural Networks*, ICLR 2020. The filters of experiment 4, one by one.
