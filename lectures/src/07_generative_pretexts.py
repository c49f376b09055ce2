# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "Show a gray photograph first and let them name colours. For the sky everybody says the same; for a cup they do not. Keep their answers for the slide after the next one."}
# ## A gray photograph gets its colours back
#
# A *pretext task* takes something away from an unlabelled picture and asks a network for it. In this lecture the network
# has to **draw** the answer: the colours of a gray photograph, or what was in a hole. Every colour photograph is a
# training example: we take its colours away and know them all the same. Perhaps a network that can colour a cat has to
# know something of cats.
#
# Our first network gets the lightness of a picture, answers with one colour for each place, and is trained on squared
# errors, as in any regression. It learns from small pieces of six photographs. **Predict:** are the colours that it
# gives to other photographs too pale, about right, or too strong?

# %% slideshow={"slide_type": "-"}
import torch

from course_lib import figures
from course_lib.claims.answers import answer
from course_lib.claims.cite import cite
from course_lib.claims.colorization import network as color_network
from course_lib.claims.colorization import weights
from course_lib.claims.context_encoder import HOLES, biharmonic
from course_lib.claims.context_encoder import network as hole_network
from course_lib.data.objects import objects
from course_lib.data.photographs import photographs
from course_lib.data.pieces import pieces, small_photographs
from course_lib.data.readers import Labelled
from course_lib.embeddings import as_float
from course_lib.figures import Paper
from course_lib.pretext import colorization, context_encoder, exemplar, lab, probe
from course_lib.pretext.colorization import (
    annealed_mean,
    balance,
    bins,
    chroma,
    coloured,
    encode,
)
from course_lib.pretext.context_encoder import ChannelWise, Hole, filled
from course_lib.pretext.exemplar import ExemplarNet, Transformation, seeds
from course_lib.profiles import Budget, choose
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

# %% slideshow={"slide_type": "skip"}
known = pieces(choose(smoke=8, lecture=600, full=20_000), size=64, seed=0)  # unlabelled
budget = choose(smoke=Budget(3, 4), lecture=Budget(150, 16), full=Budget(20_000, 40))
one_answer = color_network(0, outputs=2)  # a and b
colorization.train(known, budget=budget, seed=0, network=one_answer)


def shown(split, name):
    """A part of a small photograph, as large as the pieces: (1, 3, 64, 64) in [0, 1]."""
    return as_float(small_photographs(split)[name][None])[..., 6:70, 24:88]


def without_colours(picture):
    """The same lightness, and a = b = 0."""
    return lab.to_rgb(lab.from_rgb(picture) * torch.tensor([1.0, 0, 0])[:, None, None])


new, old = shown("test", "chelsea"), shown("train", "coffee")

# %% slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "The upper picture was never trained on, pieces of the lower one were. Ask what the colours have in common. Nobody has to know the word chroma yet: it is the distance from gray."}
pale = {
    "a new picture: its lightness": without_colours(new),
    "squared errors": coloured(one_answer, new),
    "its colours": new,
    "a known picture: its lightness": without_colours(old),
    "squared errors ": coloured(one_answer, old),
    "its colours ": old,
}
alt = (
    "Two rows of three pictures, parts of a cat and of a cup of coffee: in gray, in the colours of the network, and in "
    "their own colours"
)
caption = (
    "Left: what the network gets. Middle: the colours that it gives, after a short training on squared errors. Right: the "
    "photographs. Pieces of the lower one were trained on. Are the colours stronger or paler than the true ones?"
)
figures.images(pale, columns=3, alt=alt, caption=caption)

# %% slideshow={"slide_type": "fragment"}
colours = cite("colorization-cifar")
far = (
    f"the mean distance from gray is {colours['squared_at_100']:.1f}, and {colours['true']:.1f} in the photographs, for "
    f"{len(colours.seeds)} trainings on photographs of CIFAR-10."
)
answer(
    f"Too pale: {far}",
    holds=colours.compare("true", "squared_at_100").verdict == "ahead",
    otherwise=f"In the experiment {far}",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Do the two-line derivation at the board: the gradient of the expected squared error is zero at the mean. Then ask for the mean of a red and a green car."}
# ## Why squared errors are pale
#
# A cup can be red, green or white, and its lightness does not say which. Let $y = (a, b)$ be the colour of a pixel, random
# as long as we know the lightness only. The answer $c$ with the smallest expected squared error is the mean:
#
# $$\nabla_c\, \mathbb E \lVert y - c \rVert^2 = 2\,(c - \mathbb E\, y) = 0 \quad\Longrightarrow\quad c = \mathbb E\, y .$$
#
# The mean of red and green is a brownish gray, whatever colours cups have. **The idea** (Zhang, Isola and Efros 2016): do
# not ask for a colour, ask *how probable each colour is*. Their colour space is **Lab**: $L$ is the lightness, $a$ goes
# from green to red and $b$ from blue to yellow, and equal distances look about equally large. The plane $(a, b)$ is
# divided into $Q = 313$ bins, squares 10 units wide, and regression becomes classification.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
samples = {"white": (1.0, 1.0, 1.0), "red": (1.0, 0.0, 0.0), "gray": (0.5, 0.5, 0.5)}
for name, rgb in samples.items():
    values = lab.from_rgb(torch.tensor(rgb, dtype=torch.float64).reshape(1, 3, 1, 1))
    print(
        f"{name:5} (L, a, b) =",
        [round(value, 1) + 0.0 for value in values.flatten().tolist()],
    )
print("bins:", len(bins()), "whole tens:", bool((bins() % 10 == 0).all()))

# %% slideshow={"slide_type": "skip"}
plane = torch.full((1, 3, 23, 21), 100.0)  # white in Lab, once L is 100 and a = b = 0
plane[:, 1:] = 0
for a, b in bins().long().tolist():
    plane[0, :, 11 - b // 10, a // 10 + 10] = torch.tensor([65.0, a, b])
plane = lab.to_rgb(plane)

# %% slideshow={"slide_type": "skip"}
alt = "The plane of colours as a patchwork of squares: green at the left, red and pink at the right, yellow above, blue below"
figures.images(
    {"313 bins": plane},
    alt=alt,
    caption="The bins at a lightness of 65: a from left to right, b upwards, gray in the middle. Colours at the rim that a "
    "screen cannot show are clipped.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "For reference."}
# ### The letters of this lecture
#
# | letter | is |
# |---|---|
# | $x$; $L$; $y = (a, b)$ | a picture; its lightness; the colour of a pixel in Lab |
# | $q$, $Q$; $c_q$ | a bin and how many there are; the colour in its middle |
# | $Z_q$, $\hat Z_q$ | the true colour of a pixel, spread over the bins; what the network answers |
# | $p_q$; $w_q$, $v$; $\lambda$ | how often a bin occurs; the weight of a bin, of a pixel; the share of the uniform prior |
# | $T$ | the temperature |
# | $M$; $\hat x$ | the mask of a hole, 1 inside; the picture that a network draws |
# | $N$; $x_i$; $t$ | how many seeds there are; one of them; a random transformation |
# | $\mathcal L$ | the loss |

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Ask first which colours are frequent in photographs: walls, roads, clouds. Then what a network loses that never says red. The weight answers that. Equation numbers are those of the paper."}
# ## Spread the colour, and weigh what is rare
#
# A true colour $y$ is seldom the middle $c_q$ of a bin. It is spread over its five nearest bins by a Gaussian, and the
# loss is the cross-entropy with this spread colour, over all pixels (equation 2):
#
# $$Z_q \propto e^{-\lVert y - c_q \rVert^2 / (2 \cdot 5^2)}, \qquad
# \mathcal L = - \sum_{\text{pixels}} v \sum_q Z_q \log \hat Z_q .$$
#
# Most pixels of the world are nearly gray. With $v = 1$ a network that never answers red loses little. So a pixel gets
# the weight of its most probable bin, $v = w_{\arg\max_q Z_q}$, which is large where $p_q$, the share of all pixels that
# the bin has, is small (equation 4):
#
# $$w_q \propto \Bigl((1 - \lambda)\, p_q + \frac{\lambda}{Q}\Bigr)^{-1}, \qquad \sum_q p_q w_q = 1 .$$
#
# With $\lambda = 1$ all pixels count alike, with $\lambda = 0$ all bins do. The paper takes $\lambda = \frac12$.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Compute the three weights at the board: 0.35 + 1/6 is 0.517, and so on. The rarest bin gets 2.4 times the weight of the most frequent one, though it is 7 times as rare: that is what lambda does."}
# ## The same in code


# %% slideshow={"slide_type": "-"}
def spread(y, centres):
    """Spread one colour (2,) over its five nearest bins: Z, (Q,)."""
    d = ((centres - y) ** 2).sum(dim=1).sqrt()
    near = d.argsort()[:5]
    share = torch.exp(-(d[near] ** 2) / (2 * 5**2))
    Z = torch.zeros(len(centres))
    Z[near] = share / share.sum()
    return Z


def weigh(p, mix=0.5):
    """Weights of bins, large for rare ones: (Q,) -> (Q,)."""
    w = 1 / ((1 - mix) * p + mix / len(p))
    return w / (p * w).sum()


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
p = torch.tensor([0.7, 0.2, 0.1])
print("weights of three bins:", [round(w, 4) for w in weigh(p).tolist()])
print("the library's:", torch.allclose(weigh(p), balance(p)))
y = torch.tensor([12.0, -7.0])
which, share = encode(y[None], bins())
print("spread as in the library:", torch.allclose(spread(y, bins())[which[0]], share[0]))
back = spread(y, bins()) @ bins()
print("the mean of the spread colour:", [round(value, 1) for value in back.tolist()])

# %% slideshow={"slide_type": "skip"}
figures.code(encode, balance, colorization.loss)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "T = 1 is the mean, and we are back at pale colours, if the distribution is right. T near 0 is the most probable bin, and spotted, since neighbours may disagree. Ask which bin is the most probable one of a wall, with weights and without."}
# ## One colour in the end: the annealed mean
#
# The network gives a distribution, and a picture needs *one* colour. The mean would be pale again. The most probable bin
# can be far from gray, but neighbouring pixels may choose different ones. Between the two lies the mean of a
# *sharpened* distribution (equation 5):
#
# $$\hat y = \sum_q f_T(\hat Z)_q\, c_q, \qquad f_T(z)_q = \frac{\exp(\log(z_q)/T)}{\sum_r \exp(\log(z_r)/T)} .$$
#
# $T = 1$ is the mean, $T \to 0$ the most probable bin; the paper takes $T = 0.38$. A lower temperature moves the colour
# towards the most probable bin. Whether that one is saturated or gray is a matter of the distribution, so of the weights.


# %% slideshow={"slide_type": "-"}
def one_colour(Z, centres, T):
    """The annealed mean of one distribution Z (Q,): a colour (2,)."""
    sharp = Z ** (1 / T)
    return (sharp / sharp.sum()) @ centres


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
Z, corners = (
    torch.tensor([0.6, 0.3, 0.1]),
    torch.eye(3)[:, :2],
)  # of the third: 1 minus both
for T in (1.0, 0.38, 0.01):
    first, second = one_colour(Z, corners, T).tolist()
    print(f"T = {T}: {first:.4f}, {second:.4f}, {abs(1 - first - second):.4f}")
library = annealed_mean(Z[None, :, None, None], corners, temperature=0.38).flatten()
print("the library's:", torch.allclose(one_colour(Z, corners, 0.38), library))

# %% slideshow={"slide_type": "skip"}
figures.code(annealed_mean)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Begin at T = 1 and lower it, first with weights, then without. Ask when the picture begins to look spotted. Then the new photographs: strong colours, and not the right ones. Six photographs are few."}
# ## Play: the temperature
#
# Two networks with bins, trained on the same pieces, with weights for rare bins and without. What does a lower temperature
# do to each?

# %% slideshow={"slide_type": "skip"}
in_bins = {"with weights": weights(known), "without": None}
for name, weight in in_bins.items():
    in_bins[name] = color_network(0)  # a score for each bin
    colorization.train(known, budget=budget, seed=0, network=in_bins[name], weight=weight)
gallery = {
    "coffee (trained on)": old,
    "astronaut (trained on)": shown("train", "astronaut"),
    "cat (new)": new,
    "flower (new)": shown("validation", "flower"),
}

# %% slideshow={"slide_type": "-"}
temperatures = (1.0, 0.8, 0.6, 0.38, 0.25, 0.15, 0.05)


def at_temperature(T, network, picture):
    x = gallery[picture]
    return {
        "its lightness": without_colours(x),
        f"T = {T:g}": coloured(in_bins[network], x, temperature=T).clamp(0, 1),
        "its colours": x,
    }


def strength(T, network, picture):
    x = gallery[picture]
    lightness, ab = colorization.split(x)
    answers = colorization.predicted(in_bins[network], lightness, temperature=T)
    return (
        f"Mean distance from gray: {float(chroma(answers).mean()):.1f}, in the photograph "
        f"{float(chroma(ab).mean()):.1f}."
    )


Player(
    render=at_temperature,
    axes=(
        Axis("T", temperatures, "Temperature T", start=3),
        Axis("network", tuple(in_bins), "Rare bins"),
        Axis("picture", tuple(gallery), "Picture"),
    ),
    alt=lambda T, network, picture: (
        f"A photograph, {picture}, in gray, in the colours of the network {network} at T = {T:g}, and in its own colours"
    ),
    note=strength,
    caption="One distribution for each place, and the colour that is made of it. After a short training on six "
    "photographs: do not expect the right colours.",
    encoding="webp",
    pixelated=False,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Let them write down an order of the four bars before the figure. The interesting pair is squared errors against bins at T = 1: both are means."}
# ## Experiment 1: how saturated?
#
# Three networks of the same size learn to colour 3000 photographs of CIFAR-10: with squared errors, with bins that all
# count alike ($\lambda = 1$), and with bins of which rare ones count more ($\lambda = \frac12$). All colour other
# photographs. **Predict:** which of the changes does most for the mean distance from gray: bins, weights, or a low
# temperature?

# %% slideshow={"slide_type": "fragment"}
bars = {
    "squared errors": "squared_at_100",
    "bins, T = 1": "plain_at_100",
    "bins, T = 0.38": "plain_at_38",
    "bins and weights, T = 1": "rebalanced_at_100",
    "bins and weights, T = 0.38": "rebalanced_at_38",
    "the photographs": "true",
}
figures.bars(
    colours.row(bars),
    xlabel="mean distance from gray (chroma)",
    digits=1,
    caption="Colours that networks give to 300 photographs that they have not seen. Mean over all seeds.",
    note=colours,
)

# %% slideshow={"slide_type": "fragment"}
saturated = {"what": "mean chroma", "digits": 1}
answer(
    colours.compare("rebalanced_at_38", "plain_at_38").sentence(
        "the network with weights", "the one without", **saturated
    )
    + " "
    + colours.compare("plain_at_38", "squared_at_38").sentence(
        "the one without", "that with squared errors", **saturated
    )
    + f" Lowering T from 1 to 0.38 changes it from {colours['plain_at_100']:.1f} to {colours['plain_at_38']:.1f} "
    "without weights. "
    + colours.compare("rebalanced_at_38", "rebalanced_at_100").sentence(
        "the network with weights at T = 0.38", "itself at T = 1", **saturated
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Without weights the most probable bin is gray nearly everywhere, and sharpening moves colours towards it.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The squared error is what the first network was trained on. It is no surprise, and no praise. The paper reports the same and asks people instead: they took the coloured pictures for real ones in 32 percent of the trials."}
# ## Saturated, and right?
#
# Zhang et al. report that their colours fooled people in 32 % of the trials. Numbers do not judge like people. **Predict:**
# whose colours have the smallest root mean squared error on the new photographs?

# %% slideshow={"slide_type": "fragment"}
names = {
    "squared errors": "squared",
    "bins": "plain",
    "bins and weights": "rebalanced",
}
figures.table(
    {
        name: {
            "error": colours[f"{metric}_error"],
            "mean chroma": colours[f"{metric}_at_38"],
        }
        for name, metric in names.items()
    },
    digits=1,
    caption="Root of the mean squared distance to the true colours, and mean chroma, at T = 0.38, on new photographs. "
    f"The photographs have a mean chroma of {colours['true']:.1f}.",
    note=colours,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    colours.compare("squared_error", "rebalanced_error", lower=True).sentence(
        "the network with squared errors",
        "the one with bins and weights",
        what="the error",
        digits=1,
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "Draw the hourglass. Ask what the middle layer is for: two convolutions of stride 2 cannot carry what is left of a hole to its right side. Then count the weights."}
# ## A hole in the picture
#
# The second task takes a *part* away (Pathak et al. 2016). A **context encoder** gets a picture with a hole, where the mask
# $M$ is 1, and draws the whole picture, $\hat x$. Only the hole counts (equation 1):
#
# $$\mathcal L = \frac{\sum M\, (\hat x - x)^2}{3 \sum M} .$$
#
# An encoder makes the picture small, a decoder makes it large again, as in an autoencoder. Between them every place has to
# learn of every other. A fully connected layer for $m$ maps of $n \times n$ has $m^2 n^4$ weights; a *channel-wise* one
# connects places within each map only and has $m\, n^4$. In the input the hole has the mean colour of what is **known**.
# The mean of the whole picture would give away the mean of what is hidden.


# %% slideshow={"slide_type": "-"}
def with_a_hole(x, M):
    """Replace what M hides by the mean colour of the rest: (3, H, W), (1, H, W) -> (3, H, W)."""
    mean = (x * (1 - M)).sum(dim=(1, 2)) / (1 - M).sum()
    return x * (1 - M) + mean[:, None, None] * M


def in_the_hole(estimate, x, M):
    """The mean squared error where M is 1."""
    return ((estimate - x) ** 2 * M).sum() / (3 * M.sum())


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
x = as_float(pieces(1, split="test"))
holey, _, M = Hole()(x, generator(0, "a hole"))
estimate = torch.rand(x.shape, generator=generator(0, "estimate")).requires_grad_()
ours = in_the_hole(estimate[0], x[0], M[0])
(slope,) = torch.autograd.grad(ours, estimate)
print("the library's input:", torch.allclose(with_a_hole(x[0], M[0]), holey[0], atol=1e-6))
print("the library's loss:", torch.allclose(ours, context_encoder.loss(estimate, x, M)))
print("gradient outside of the hole:", float((slope * (1 - M)).abs().max()))
print("weights of the middle, m = 64, n = 4:", ChannelWise(64, 4).weight.numel())
print("fully connected:", 64**2 * 4**4)

# %% slideshow={"slide_type": "skip"}
figures.code(Hole, context_encoder.loss, ChannelWise)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 5, "path": "core", "notes": "Biharmonic in-painting is the honest rival: it learns nothing and continues what is around the hole smoothly. Let them vote. Then look at the fillings: all are blurred, and the reason is the one of the second slide."}
# ## Experiment 2: fill a hole
#
# A network learns from 2000 drawn objects (trees, mugs, cars) in front of pieces of photographs, with square holes of a
# quarter of the area *anywhere*. It is asked about other objects in front of other photographs. Beside it stand the mean
# colour of what is known, and **biharmonic in-painting**, which continues the picture into the hole as smoothly as possible
# and learns nothing. **Predict:** which of the three has the highest PSNR within the hole?

# %% slideshow={"slide_type": "skip"}
small = objects(choose(smoke=2, lecture=200, full=5000), seed=0).images  # no labels
steps = choose(smoke=Budget(3, 4), lecture=Budget(300, 32), full=Budget(30_000, 64))
networks = {}
for where, hole in {"middle": HOLES["middle"], "anywhere": HOLES["elsewhere"]}.items():
    networks[where] = hole_network(0)
    context_encoder.train(small, budget=steps, seed=0, hole=hole, network=networks[where])
others = objects(2, seed=1, split="test")
asked = {
    name: as_float(others.images[2 * others.names.index(name)][None])
    for name in ("car", "mug", "house")
}


def fillings(picture, top, left):
    """A square hole in a picture, and what three methods put into it."""
    x, M = asked[picture], torch.zeros(1, 1, 32, 32)
    M[..., top : top + 16, left : left + 16] = 1
    holey = with_a_hole(x[0], M[0])[None]
    return {
        "the picture": x,
        "its hole": holey,
        "holes anywhere": filled(networks["anywhere"], holey, M).clamp(0, 1),
        "holes in the middle": filled(networks["middle"], holey, M).clamp(0, 1),
        "biharmonic": biharmonic(holey, M),
    }


# %% slideshow={"slide_type": "-"}
shown_methods = ("the picture", "its hole", "holes anywhere", "biharmonic")
figures.images(
    [
        fillings(name, *place)[method]
        for name, place in (("car", (8, 14)), ("mug", (14, 4)))
        for method in shown_methods
    ],
    columns=4,
    alt="Two rows of four small pictures, a car and a mug: whole, with a square hole, filled by the network, and filled "
    "smoothly by the biharmonic equation",
    caption="From left to right: the picture, its hole, the filling of the network after a short training, and biharmonic "
    "in-painting. Both are blurred.",
)

# %% slideshow={"slide_type": "fragment"}
holes = cite("context_encoder-objects")
psnr = {"what": "PSNR within the hole", "unit": "dB"}
answer(
    f"Mean colour {holes['mean_elsewhere']:.1f} dB, biharmonic {holes['biharmonic_elsewhere']:.1f} dB, network "
    f"{holes['anywhere_elsewhere']:.1f} dB. "
    + holes.compare("anywhere_elsewhere", "biharmonic_elsewhere").sentence(
        "the network", "biharmonic in-painting", **psnr
    )
    + " "
    + holes.compare("anywhere_elsewhere", "mean_elsewhere").sentence(
        "the network", "the mean colour", **psnr
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# A pretext task is not judged by its fillings, but by its features: they come below.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Start with the hole in the middle: both networks fill it. Move it one step. Ask what the second network draws, and where. It has learnt where the hole is; nobody had told it that the hole could move."}
# ## Break it: a hole that never moves
#
# The simplest choice of a hole is the middle of the picture. Our second network was trained so, on the same pictures for as
# many steps. **The probe** is to move the hole. **Predict:** how does it fill holes elsewhere, compared with the mean
# colour?

# %% slideshow={"slide_type": "-"}
Player(
    render=lambda picture, top, left: fillings(picture, top, left),
    axes=(
        Axis("top", (0, 4, 8, 12, 16), "Hole: rows above it", start=2),
        Axis("left", (0, 4, 8, 12, 16), "Hole: columns left of it", start=2),
        Axis("picture", tuple(asked), "Picture"),
    ),
    alt=lambda picture, top, left: (
        f"A small picture of {picture} with a square hole {top} rows from above and {left} columns from the left, and "
        "three fillings of it"
    ),
    caption="The hole is in the middle at 8 and 8. Move it, and compare the network that was trained with holes anywhere "
    "with the one whose holes were in the middle.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"In the middle it reaches {holes['middle_middle']:.1f} dB, the mean colour {holes['mean_middle']:.1f} dB; "
    f"elsewhere {holes['middle_elsewhere']:.1f} dB against {holes['mean_elsewhere']:.1f} dB. "
    + holes.compare("middle_elsewhere", "mean_elsewhere").sentence(
        "the network of the middle",
        "the mean colour",
        **(psnr | {"what": "PSNR of holes elsewhere"}),
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "The objects are drawn, the networks have seen photographs: nothing else is common to both. Random features are the baseline that must stand beside every probe. Before the figure, ask which task needs to know what is on a picture."}
# ## What transfers?
#
# What is left when the colours and the holes are forgotten? A linear head on the features of a network, which stays as it
# is, learns ten kinds of **drawn upright objects**, and is asked about others. *Random* is the same network with its first
# weights. Colorization has learnt from photographs of CIFAR-10, the context encoder from such objects without labels;
# *exemplar* is a third task, which has learnt from six photographs (below). **Predict:** which of the three tasks raises
# the share of right answers most?

# %% slideshow={"slide_type": "fragment"}
copies = cite("exemplar-photographs")
figures.bars(
    {
        "colorization": colours.row(
            {"trained": "probe", "random": "random_probe"}, times=100
        ),
        "context encoder": holes.row(
            {"trained": "probe", "random": "random_probe"}, times=100
        ),
        "exemplar": copies.row(
            {"trained": "exemplar_probe", "random": "random_probe"}, times=100
        ),
    },
    xlabel="linear head: kinds named rightly (%)",
    digits=1,
    caption="Drawn objects named by features that were learnt without labels. Guessing: 10 %. The networks differ in "
    "size and in what they get (colorization: lightness alone): compare each with its own random one.",
    note=[
        colours.about("colorization-transfer"),
        holes.about("context_encoder-transfer"),
        copies.about("exemplar-transfer"),
    ],
)

# %% slideshow={"slide_type": "fragment"}
named = {"what": "objects named rightly", "unit": "points", "times": 100, "digits": 1}
answer(
    colours.compare("probe", "random_probe").sentence(
        "colorization", "its random network", **named
    )
    + " "
    + holes.compare("probe", "random_probe").sentence(
        "the context encoder", "its random network", **named
    )
    + " "
    + copies.compare("exemplar_probe", "random_probe").sentence(
        "the exemplar network", "its random network", **named
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Small networks, short trainings, few pictures: what they do not show may still be there. The papers trained on more than
# a million photographs; their numbers come below.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The same network and the same pictures, once with holes and once without. Whatever differs comes from the holes."}
# ## Is it the hole?
#
# Without its hole a context encoder is an autoencoder: it repeats its input through a narrow middle, for which nobody has
# to know what is on the picture. Same network, same pictures, same number of steps. **Predict:** do the holes make the
# features of the encoder more useful for naming objects?

# %% slideshow={"slide_type": "fragment"}
answer(
    holes.compare("probe", "autoencoder_probe").sentence(
        "the context encoder", "the autoencoder", **named
    )
    + " "
    + holes.compare("autoencoder_probe", "random_probe").sentence(
        "the autoencoder", "its random network", **named
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Ask what such a network must ignore, and what it may use. Compare with the views of lecture simclr: the same idea, with an output for each picture."}
# ## Exemplar networks: every patch is a class
#
# Dosovitskiy et al. 2014 make labels from nothing. Choose $N$ patches of photographs with something on them, the **seeds**
# $x_i$: the more gradients a patch has, the more probably it is chosen. Each seed is a class of its own. Its pictures are
# copies $t(x_i)$, moved, scaled, turned and recoloured at random, and a classifier $F$ with $N$ outputs has to say which
# seed a copy came from:
#
# $$\mathcal L = - \sum_i \sum_t \log F_i\bigl(t(x_i)\bigr) .$$
#
# The network learns to ignore what $t$ changes. The list of transformations says what does not matter, as the augmentation
# of lecture *simclr* does. There the classes are new in each batch; here each seed needs an output of its own, and two
# seeds that look alike are two classes: the method does not grow with the data.

# %% slideshow={"slide_type": "skip"}
chosen = seeds(photographs("train", channels=3), 3, seed=0)
middle = as_float(chosen)[..., 8:40, 8:40]
many = [middle] + [
    Transformation()(as_float(chosen), generator(k, "copies")) for k in range(5)
]

# %% slideshow={"slide_type": "-"}
figures.images(
    torch.stack(many, dim=1).flatten(0, 1),
    columns=6,
    alt="Three rows of six small pictures: a seed, and five copies of it, moved, scaled, turned and in other colours",
    caption="Left: three seeds. Beside each, five of its copies.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The labels are the numbers of the seeds. Nothing else is needed for an ordinary classifier to be trained without labels."}
# ### A batch of copies


# %% slideshow={"slide_type": "-"}
def batch_of_copies(x, t, count, draw):
    """Choose seeds, transform each, and call the copy by the number of its seed."""
    i = torch.randint(len(x), (count,), generator=draw)
    return t(as_float(x)[i], draw), i


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
numbered = Labelled(chosen, torch.arange(3), ("first", "second", "third"))
source = probe.labelled(numbered, view=Transformation())
ours = batch_of_copies(chosen, Transformation(), 8, generator(0, "batch"))
library = source(8, generator(0, "batch"))
print(
    "the library's copies:",
    torch.equal(ours[0], library[0]),
    torch.equal(ours[1], library[1]),
)
nothing = Transformation(shift=0, scale=(1.0, 1.0), turn=0, colour=0)
print(
    "nothing changed gives the seed:",
    torch.equal(nothing(as_float(chosen), generator(0)), middle),
)
print(
    "outputs of a network for 8000 seeds:", ExemplarNet(outputs=8000).last[1].out_features
)

# %% slideshow={"slide_type": "skip"}
figures.code(Transformation, seeds, exemplar.train)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "notes": "The first row of the table is a trap: cosines of features that are never negative are large for any two pictures. Only the difference says something."}
# ## Experiment 3: what is ignored now?
#
# The features of a seed and of its copy should be alike. Take seeds of photographs that the network has not seen, a copy of
# each, and the cosines of their features. **Predict:** is the cosine of a seed and its copy larger in the trained network
# than in a random one? And for how many copies is the nearest seed its own?

# %% slideshow={"slide_type": "fragment"}
figures.table(
    {
        "cosine with its own seed": {
            "random": copies["random_own"],
            "trained": copies["exemplar_own"],
        },
        "cosine with other seeds": {
            "random": copies["random_others"],
            "trained": copies["exemplar_others"],
        },
        "nearest seed is its own (share)": {
            "random": copies["random_found"],
            "trained": copies["exemplar_found"],
        },
    },
    caption="200 seeds of photographs that were not trained on, and a copy of each. Mean over all seeds of trainings.",
    note=copies,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    copies.compare("exemplar_own", "random_own").sentence(
        "the trained network", "the random one", what="the cosine of a seed and its copy"
    )
    + " "
    + copies.compare("exemplar_found", "random_found").sentence(
        "the trained network",
        "the random one",
        what="copies whose nearest seed is their own",
        unit="points",
        times=100,
        digits=0,
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Read the rows of the source: colours teach more than holes in these layers, and RotNet more than both. All numbers are of AlexNets, trained on more than a million photographs."}
# ## At the size of the papers

# %% slideshow={"slide_type": "-"}
layers = ("conv1", "conv2", "conv3", "conv4", "conv5")
published = {
    "labels of ImageNet": (19.3, 36.3, 44.2, 48.3, 50.5),
    "random": (11.6, 17.1, 16.9, 16.3, 14.1),
    "context encoder": (14.1, 20.7, 21.0, 19.8, 15.5),
    "colorization": (12.5, 24.5, 30.4, 31.5, 30.3),
    "RotNet": (18.8, 31.7, 38.7, 38.2, 36.5),
}
figures.table(
    {
        name: {layer: Paper(value) for layer, value in zip(layers, values, strict=True)}
        for name, values in published.items()
    },
    digits=1,
    caption="Linear probes on the layers of AlexNet: ImageNet named rightly (%), as collected by Gidaris et al. 2018. An "
    "exemplar network reached 84.3 % on CIFAR-10.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - A colour photograph is its own label: take away the colours, or a part, and ask for it.
# - Where many answers are plausible, squared errors give their mean: pale colours, blurred holes. A distribution over bins
#   keeps them apart; its mean is pale again.
# - Most of the world is gray, so rare colours get weights. The temperature of the annealed mean is chosen after the
#   training; it moves colours towards the most probable bin, and leaves the features as they are.
# - A context encoder uses whatever its input gives away: a hole that never moves, a filling that holds the mean of
#   what is hidden. Move the hole; change what is hidden and see whether the input changes.
# - An exemplar network learns to ignore what its transformations change, and needs an output for each seed.
# - Whether a task taught anything is asked of its features, beside those of a random network.

# %% slideshow={"slide_type": "slide", "minutes": 2, "notes": "Let everyone answer alone first."}
Quiz.parse("""
For a pixel the colours are blue, (0, -40), with probability 0.5, and yellow, (0, 40), with
probability 0.5. What does a network say that minimises the expected squared error?
- [x] (0, 0), gray | The mean of the two, a colour that the pixel never has.
- [ ] blue or yellow, by chance | A regression has one answer. Each of the two would have an
  expected squared error of 3200, gray has 1600.
- [ ] green, the hue between the two | In Lab green is at negative a. The mean of the two is
  taken in the plane, and a is 0 for both.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1}
Quiz.parse("""
You lower the temperature of a trained network from 1 to 0.1. What changes?
- [x] the colours of the pictures alone | The temperature is used after the softmax, when one
  colour is made of a distribution.
- [ ] the features that a probe would see | They are computed before. Nothing of the network
  changes.
- [ ] the training loss | The loss compares distributions; no annealed mean is taken in it.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1}
Quiz.parse("""
The hole is filled with the mean colour of the whole picture, hidden part included. Why is
this a mistake?
- [x] The network can compute the mean of what is hidden | It knows the mean of all and sees
  the rest: the difference is the answer, up to its details.
- [ ] The network cannot see where the hole is | It can: the hole is one flat colour. That is
  so for any filling of one colour.
- [ ] The mean is darker than the picture | It is as bright as the picture on average.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1}
Quiz.parse("""
You want an exemplar network whose features tell ripe tomatoes from unripe ones. What do you
leave out?
- [x] the changes of colour | The network learns to ignore what its copies differ in.
- [ ] the shifts | Where a tomato lies does not say whether it is ripe.
- [ ] the seeds with large gradients | They are what makes a patch worth being a class.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/07_generative_pretexts.ipynb): another weight
# for rare colours, a loss in which the rim of a hole counts more, and how much nearer a copy is to its own seed. Each is
# checked at once, and the message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Train `ColorNet` on drawn objects (`course_lib.data.objects`), whose colours are random. What does the loss do, and
#    what is a probe worth?
# 2. Give the context encoder holes of three blocks, `Hole(random=True)`. How does biharmonic in-painting do on them?
# 3. Train an exemplar network with `Transformation(colour=0)`. Which share of the copies is found, and by what?
#
# ## Further reading
#
# - G. Boracchi: *Departing From Supervised Learning*, PhD course, Politecnico di Milano, 2025. Colorization, exemplar
#   networks and in-painting as pretext tasks.
# - R. Zhang, P. Isola, A. Efros: *Colorful Image Colorization*, ECCV 2016. Sections 2.1 to 2.3 of it are this lecture.
# - D. Pathak, P. Krähenbühl, J. Donahue, T. Darrell, A. Efros: *Context Encoders: Feature Learning by Inpainting*, CVPR
#   2016. Section 3.3 for the regions that are taken away; the adversarial loss that sharpens the fillings.
# - A. Dosovitskiy, P. Fischer, J. Springenberg, M. Riedmiller, T. Brox: *Discriminative Unsupervised Feature Learning with
#   Exemplar Convolutional Neural Networks*, NIPS 2014 and TPAMI 2016.
# - S. Gidaris, P. Singh, N. Komodakis: *Unsupervised Representation Learning by Predicting Image Rotations*, ICLR 2018. The
#   tables that compare pretext tasks.
