# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "Ask before you run it: which of the three will be best? Most will bet on the network."}
# ## A network against two filters
#
# A photograph $y$ was taken in poor light. We have $z = y + \eta$, with noise $\eta$ sampled independently at
# each pixel from $\mathcal N(0, \sigma^2)$. We want to recover $y$.
#
# The straightforward network takes $z$ and returns an estimate $\hat y$ directly; we call it the **painter**. We train one, a
# stack of seven convolutions, for 250 steps on crops of eight photographs, and compare it with two filters that learn
# nothing: wavelet shrinkage and non-local means.
#
# **Predict:** which of the three will have the highest PSNR?

# %% slideshow={"slide_type": "-"}
import math

import torch
from torch import nn
from torch.nn import functional as F

from course_lib import data, figures, zoo
from course_lib.claims.answers import answer
from course_lib.claims.cite import cite
from course_lib.data.images import to_float
from course_lib.denoise import dncnn
from course_lib.denoise.classical import NonLocalMeans, Wavelet
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoiser import score
from course_lib.fit import Progress
from course_lib.noise import Gaussian
from course_lib.profiles import Budget, choose
from course_lib.quality import psnr
from course_lib.randomness import generator
from course_lib.widgets.photograph import Photograph
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

# %% slideshow={"slide_type": "skip"}
sigma = 25 / 255  # images lie in [0, 1]
train_images = data.photographs("train")
test_images = data.photographs("test")  # never trained on
test_pairs = data.fixed_pairs(test_images, Gaussian(sigma), seed=0)
z, y = test_pairs[0]  # the photograph "camera"
window = (..., slice(60, 252), slice(140, 332))

# %% slideshow={"slide_type": "skip"}
size = choose(
    smoke=dict(depth=3, width=8),
    lecture=dict(depth=7, width=32),
    full=dict(depth=17, width=64),
)
short = choose(
    smoke=Budget(10, 4, 24), lecture=Budget(250, 16, 36), full=Budget(4000, 128, 40)
)
painter, painter_history = dncnn.train(
    train_images, sigma=sigma, budget=short, seed=0, network=DnCNN(**size, residual=False)
)
painter = painter.cpu()

# %% slideshow={"slide_type": "skip"}
wavelet, nlm = Wavelet(), NonLocalMeans()
with torch.inference_mode():
    first = {
        "noisy": z[window],
        "wavelet shrinkage": wavelet(z, sigma=sigma)[window],
        "non-local means": nlm(z, sigma=sigma)[window],
        "the painter": painter(z)[window],
    }
reached = {name: psnr(picture, y[window]).item() for name, picture in first.items()}

# %% slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "The network was trained for a few hundred steps. Let them say why that is not enough before you go on."}
alt = (
    "The same part of a photograph of a man with a camera, four times: noisy, after wavelet shrinkage, after "
    "non-local means, and after a network that was trained for a moment, which is less clean than non-local means"
)
figures.images(
    first,
    reference=y[window],
    columns=4,
    alt=alt,
    caption="A part of a test photograph at σ = 25/255. The painter was trained for a moment to return the clean image.",
)

# %% slideshow={"slide_type": "-"}
answer(
    f"Non-local means, with {reached['non-local means']:.1f} dB; wavelet shrinkage has "
    f"{reached['wavelet shrinkage']:.1f} dB, and the painter in this run {reached['the painter']:.1f} dB.",
    holds=reached["the painter"] < reached["non-local means"],
    otherwise=f"In this run the painter has {reached['the painter']:.1f} dB, and non-local means "
    f"{reached['non-local means']:.1f} dB.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# In this run the network loses to a filter that was never trained. It began with a random picture: before it can remove
# any noise, it has to learn something simple, to copy the image.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "The whole lecture is this slide. Draw the two arrows: z to y-hat through all layers, or around them."}
# ## The idea: learn the noise, not the image
#
# In DnCNN (Zhang, Zuo, Chen, Meng, Zhang, IEEE TIP 2017) the layers $R$ with weights $w$ estimate what is *wrong* with
# the image, the noise $\eta = z - y$, and this is subtracted:
#
# $$\hat y = z - R(z; w).$$
#
# - **The start.** With $R = 0$ the estimate is $z$ itself, and its error is the noise alone. The painter starts from
#   a random picture.
# - **The target.** $\eta$ has mean zero, the same size everywhere, and no structure. Images have all of that.
# - **The hard part.** A stack of ReLU layers has trouble being the identity. The residual network has it from the start
#   and only learns the difference.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Both networks aim at the posterior mean; the last layer of ours starts at zero."}
# ### Is anything lost?
#
# Among all functions, the smallest mean squared error is reached by $R^\star(z) = \mathbb E[\eta \mid z]$. Since
# $\eta = z - y$, this is $z - \mathbb E[y \mid z]$, and subtracting it from $z$ gives $\mathbb E[y \mid z]$: the best
# $\hat y$ for the painter too. Both have the same goal and differ in the way to it.
#
# How good is the start? The mean squared error of $z$ is $\sigma^2$, so before any training
# $\text{PSNR} = 10 \log_{10} (1/\sigma^2)$. (Scores in this course clip an estimate to $[0, 1]$ first, which helps $z$ a
# little: the tables say 20.3.)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
untrained = DnCNN().eval()  # its last layer is zero
print(f"PSNR of the noise alone at sigma 25: {20 * math.log10(255 / 25):.2f} dB")
print("an untrained DnCNN returns z itself:", torch.equal(untrained(z[window]), z[window]))
measured = -10 * math.log10((z - y).square().mean().item())
print(
    "the photograph has that, within 0.05 dB:",
    abs(measured - 20 * math.log10(255 / 25)) < 0.05,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "The factor one half is only there so that the gradient has none. The sum of the paper runs over pixels too; ours is a mean, so that a learning rate means the same for every patch size."}
# ## The loss
#
# Take clean patches $y_i$, add noise, and you have as many pairs $(z_i, y_i)$ as you like. The paper's equation 1, over
# $N$ patches:
#
# $$\ell(w) = \frac{1}{2N} \sum_{i=1}^{N} \lVert R(z_i; w) - (z_i - y_i) \rVert^2 .$$
#
# The error of the noise is that of the estimate with the other sign: $R(z_i) - (z_i - y_i) = -(\hat y_i - y_i)$. So the
# painter can be trained with the same loss. The library divides by the number of pixels of a patch, too:


# %% slideshow={"slide_type": "-"}
def loss_of_estimate(network, z, y):
    y_hat = network(z)  # z - R(z), or what the painter painted
    return 0.5 * (y_hat - y).square().mean()


# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
mine, library = loss_of_estimate(painter, z, y), dncnn.step(painter, (z, y), Progress(0, 1))
print("the library's training step has the same loss:", bool((mine - library).abs() < 1e-6))
clean = torch.tensor([[[[0.0, 5.0]]]], dtype=torch.float64)
noisy = clean + torch.tensor([3.0, -1.0], dtype=torch.float64)
guess = torch.tensor([[[[1.0, 1.0]]]], dtype=torch.float64)  # of the noise: errors -2 and 2
print("by hand, half the mean of 4 and 4:", dncnn.residual_loss(guess, noisy, clean).item())
print("loss of the exact noise:", dncnn.residual_loss(noisy - clean, noisy, clean).item())

# %% slideshow={"slide_type": "skip"}
figures.code(dncnn.step)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Let them compute the receptive field of three layers at the board. Compare with Table I of the paper: BM3D sees 49 x 49, TNRD 61 x 61."}
# ## The layers
#
# All convolutions are $3 \times 3$ and keep the size of the image; $d$ is their number, the depth:
#
# | layer | what | channels |
# |---|---|---|
# | 1 | Conv + ReLU | $c \to 64$ |
# | 2 to $d-1$ | Conv + batch normalisation + ReLU | $64 \to 64$ |
# | $d$ | Conv | $64 \to c$ |
#
# with $c = 1$ for gray and $3$ for colour. Each convolution lets an output pixel see one pixel further in every direction,
# so $d$ of them see a square of $(2d+1) \times (2d+1)$ pixels. The paper chose $d = 17$ to see 35 × 35, about
# as much as the patches of EPLL (36 × 36), and $d = 20$ for the harder tasks.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Nine layers of 32 channels. The last line is the idea of the lecture."}
# ### A trained network by hand
#
# After training, batch normalisation is a shift and a scale of each channel, by statistics that training collected. Here
# are the layers of a trained network of the course, one after the other:


# %% slideshow={"slide_type": "-"}
def normalised(h, norm):
    parts = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    mean, variance, scale, shift = (part[:, None, None] for part in parts)
    return scale * (h - mean) / (variance + norm.eps).sqrt() + shift


def by_hand(z, layers):
    first, *middle, last = (layer for layer in layers if not isinstance(layer, nn.ReLU))
    h = F.conv2d(z, first.weight, padding=1).relu()
    for conv, norm in zip(middle[::2], middle[1::2], strict=True):
        h = normalised(F.conv2d(h, conv.weight, padding=1), norm).relu()
    return z - F.conv2d(h, last.weight, padding=1)


# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
exact = zoo.load(DnCNN, "dncnn-s25-w32").double()
mine, library = by_hand(z[window].double(), exact.layers), exact(z[window].double())
print("the library's network returns the same:", torch.allclose(mine, library, atol=1e-9))
for name, depth in (("DnCNN-S", 17), ("DnCNN-B and DnCNN-3", 20)):
    network = DnCNN(depth=depth)
    weights = sum(weight.numel() for weight in network.parameters() if weight.ndim == 4)
    side = network.receptive_field
    print(
        f"{name}: {depth} convolutions, {weights} weights in them, sees {side} x {side} pixels"
    )

# %% slideshow={"slide_type": "skip"}
figures.code(DnCNN.forward)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Fully convolutional: the size of the training patch is a choice of efficiency, not of the network."}
# ### Patches
#
# There is no fully connected layer, so the network takes an image of any size. That is why it can be trained on
# **patches**: 40 × 40 pixels in the paper, 36 × 36 here. Small patches mean many different pictures in a batch. There is a
# limit: only pixels more than $d$ away from the border of a patch see their whole receptive field, and the others learn
# with zeros around them.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Take bets. The filters are fixed; the network has a minute. At full profile the cell trains the paper's size for its 80 000 steps, still on the bundled photographs."}
# ## A minute of training
#
# We train the small network again, now as a residual one. The paper's is deeper and wider, 17 layers of 64 channels, and
# trains for hours on 400 images; ours has 7 layers of 32.
#
# **Predict:** where does it end after one minute on two processor cores: below both filters, between them, or above both?

# %% slideshow={"slide_type": "-"}
budget = choose(
    smoke=Budget(20, 4, 24), lecture=Budget(1600, 16, 36), full=Budget(80_000, 128, 40)
)
validation_pairs = data.fixed_pairs(data.photographs("validation"), Gaussian(sigma), seed=0)


def validate(model, progress):
    """Score the model on photographs that are neither trained on nor tested with."""
    return {"PSNR of validation": float(score(model, validation_pairs).mean())}


network = DnCNN(**size)
live, history = dncnn.train(
    train_images, sigma=sigma, budget=budget, seed=0, network=network, validate=validate
)
live = live.cpu()

# %% slideshow={"slide_type": "skip"}
peers = {
    "noisy": lambda z, sigma=None: z,
    "wavelet shrinkage": wavelet,
    "non-local means": nlm,
    "DnCNN, trained here": live,
}
here = {
    name: score(peer, test_pairs, sigma=sigma).mean().item() for name, peer in peers.items()
}

# %% slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "The paper's columns are for 17 layers of 64 channels trained for hours. Ask what closes the gap: width, depth, time, or data?"}
stored = cite("dncnn-benchmark")
labels = {"photographs": "photographs", "Set12": "set12", "BSD68": "bsd68"}
caption = (
    "PSNR in dB at σ = 25/255. Set12 and BSD68 are the field's gray test sets. Values with a dagger are the paper's "
    "(Zhang et al. 2017, tables II and III)."
)
figures.table(
    {
        "noisy": stored.row(labels, "{}_noisy"),
        "wavelet shrinkage": stored.row(labels, "{}_wavelet"),
        "non-local means": stored.row(labels, "{}_nlm"),
        "DnCNN, trained here": {"photographs": here["DnCNN, trained here"]},
        "DnCNN, mean of three trainings": stored.row(labels, "{}_dncnn"),
        "BM3D": {"Set12": 29.97, "BSD68": 28.57},
        "DnCNN-S, 17 layers of 64": stored.row(
            {"Set12": "set12", "BSD68": "bsd68"}, "{}_dncnn", paper=True
        ),
    },
    columns=list(labels),
    paper=["BM3D", "DnCNN-S, 17 layers of 64"],
    caption=caption,
    note=stored.about("dncnn-beats-classical"),
)

# %% slideshow={"slide_type": "-"}
answer(
    stored.compare("photographs_dncnn", "photographs_nlm").sentence(
        "after a minute the small network",
        "non-local means, the stronger of the two filters,",
        what="PSNR on the photographs",
        unit="dB",
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The same holds on Set12 and BSD68. There the paper's BM3D is above our small network, and the paper's network above BM3D.

# %% slideshow={"slide_type": "skip"}
with torch.inference_mode():
    estimates = {
        "wavelet shrinkage": wavelet(z, sigma=sigma),
        "non-local means": nlm(z, sigma=sigma),
        "DnCNN": live(z),
    }
taken = {
    f"removed by {name}": F.avg_pool2d(z - found, 3, stride=1, padding=1)[window]
    for name, found in estimates.items()
}

# %% slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Look at what each method removes. If you can see the man in the removed noise, the method removed the man."}
alt = (
    "What each method removed: the outlines of shoulder, head and camera for wavelet shrinkage, blotches and lines where "
    "hair and coat have texture for non-local means, the least for DnCNN"
)
caption = (
    "What each method took away, z − ŷ, averaged over 3 × 3 pixels so that noise pales. Noise has no outlines: where you "
    "see some, the image was taken away too."
)
figures.images(taken, signed=list(taken), columns=3, alt=alt, caption=caption)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Always look at what was removed. It needs no ground truth: outlines of the man here are outlines that the estimate lacks.

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Compare the two curves over the painter's first 250 steps: most of the distance is there from the start."}
caption = (
    "The loss of the residual network, and that of the painter over its shorter training. Both are the same loss: "
    "half the mean squared error of the estimate."
)
figures.history(
    {"predicts the noise": history, "paints the image": painter_history},
    log="y",
    caption=caption,
)

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "The hair is the place to look at."}
figures.images(
    {name: found[window] for name, found in estimates.items()},
    reference=y[window],
    zoom=(20, 70, 48),
    columns=3,
    alt="The test photograph after wavelet shrinkage, non-local means and DnCNN; DnCNN is the sharpest",
    caption="What each method leaves.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "A claim of the paper that our recipe does not confirm. Ask what differs: the optimiser, the depth, the length of the training. How would one find out which?"}
# ## Which of the two ingredients is it?
#
# DnCNN has two: residual learning, and batch normalisation in the middle layers, which keeps each channel at mean zero
# and variance one over the batch, then scales and shifts it by learnt numbers. The target of a residual network is noise,
# the same law at every place and in every batch, so these statistics settle quickly.
#
# The paper reports that the two help each other: in its figure 2 the network with both is the best, and learns fastest.
# Our training differs in one thing that may matter: its optimiser is Muon, which rescales the update of each layer, where
# the paper used plain gradient descent. Networks without normalisation get biases instead.
#
# **Predict:** which of the four combinations is the best after 800 steps?

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Let them read the two differences: down the groups, and within them."}
ablation = cite("dncnn-ablation")
figures.bars(
    ablation.rows(
        {"predicts the noise": "residual", "paints the image": "direct"},
        {"with batch norm": "bn", "without": "plain"},
    ),
    xlabel="PSNR on the test photographs (dB)",
    base=27,
    caption="Mean of three trainings of 800 steps each.",
    note=ablation,
)

# %% slideshow={"slide_type": "-"}
answer(
    ablation.compare("residual_plain", "residual_bn").sentence(
        "the residual network without normalisation",
        "the one with it",
        what="PSNR",
        unit="dB",
    )
    + " "
    + ablation.compare("residual_bn", "direct_bn").sentence(
        "with normalisation, the residual network", "the painter", what="PSNR", unit="dB"
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Half of the paper's statement is confirmed here, half is not. This is no contradiction: normalisation was introduced to
# make plain gradient descent work in a deep stack, and our optimiser rescales the updates itself. Users of the published
# code report the same with Adam. *Whether an ingredient is needed depends on the rest of the recipe.*

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "S stands for a specific noise level, B for blind. The blind one has no input for sigma: it must estimate it from the image."}
# ## When σ is not what you trained for
#
# DnCNN-**S** is trained at one noise level. DnCNN-**B** is trained blind: each patch has its own random $\sigma$ between 0
# and 55, and the network is not given this level. It has to see it in the picture.
#
# **Predict:** by how much does a network trained at 25 fall short, on noise of level 50, of one trained at 50?

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The network trained at 25 fails at once above 25. Far below 25 it removes too much."}
blind = cite("dncnn-blind")
levels = (5, 15, 25, 35, 50, 65, 75)
trainings = {
    "trained at 25 only": "s25",
    "blind, trained on 0 to 55": "blind",
    "trained for this level": "specific",
    "non-local means, with known level": "nlm",
}
figures.lines(
    levels,
    blind.lines(trainings, levels, "{}_at_{}", spread="range"),
    xlabel="noise level σ of the image (of 255)",
    ylabel="PSNR (dB)",
    mark={"end of blind training": 55},
    caption="Mean over three seeds on the test photographs.",
    note=blind,
)

# %% slideshow={"slide_type": "-"}
answer(
    blind.compare("s25_at_50", "specific_at_50").sentence(
        "the network trained at 25",
        "the one trained at 50",
        what="PSNR at level 50",
        unit="dB",
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The table shows the price for the paper's networks, with 17 and 20 layers of 64: a tenth of a decibel."}
# ### What it costs not to know the level
#
# The blind network works on the whole range, since the level can be estimated from any flat piece of the image. At this
# small size it pays for that, and the loss explains where: a patch with $\sigma = 55$ weighs 121 times as much as one
# with 5. Beyond 55 its training ends, and so does its lead.

# %% slideshow={"slide_type": "-"}
answer(
    blind.compare("blind_at_25", "specific_at_25").sentence(
        "the blind network", "the one trained at 25", what="PSNR at level 25", unit="dB"
    )
    + " "
    + blind.compare("blind_at_15", "nlm_at_15").sentence(
        "it", "non-local means with the known level", what="PSNR at level 15", unit="dB"
    )
)

# %% slideshow={"slide_type": "-"}
published = {
    "BM3D": {"σ = 15": 31.07, "σ = 25": 28.57, "σ = 50": 25.62},
    "DnCNN-S, one for each level": {"σ = 15": 31.73, "σ = 25": 29.23, "σ = 50": 26.23},
    "DnCNN-B, one for 0 to 55": {"σ = 15": 31.61, "σ = 25": 29.16, "σ = 50": 26.23},
    "DnCNN-3, one for three tasks": {"σ = 15": 31.46, "σ = 25": 29.02, "σ = 50": 26.10},
}
figures.table(
    published,
    paper=list(published),
    caption="PSNR in dB on BSD68 as published with the paper (Zhang et al. 2017, table II and its code).",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Find the sudden failure together: take the network trained at 15, then move the image's noise up from 15."}
# ## Play: the wrong noise level
#
# Three networks were trained at one noise level each, the fourth *blind*, on all levels from 0 to 55. Give a network
# more noise than it was trained on, then less.

# %% slideshow={"slide_type": "skip"}
scene = to_float(test_images["camera"])[..., 60:252, 140:332]
trained_at = {"15": "dncnn-s15-w32", "25": "dncnn-s25-w32", "50": "dncnn-s50-w32"}
networks = {f"at {level}": zoo.load(DnCNN, name) for level, name in trained_at.items()}
networks["blind, 0 to 55"] = zoo.load(DnCNN, "dncnn-b-w32")


def noisy_scene(level):
    return Gaussian(level / 255)(scene, generator=generator(0, "player"))


# %% slideshow={"slide_type": "-"}
def render(level, trained):
    z = noisy_scene(level)
    with torch.inference_mode():
        estimate = networks[trained](z)
    return figures.scored({"noisy": z, "denoised": estimate}, reference=scene)


player = Player(
    render=render,
    axes=(
        Axis(
            "level",
            (5, 15, 25, 35, 50, 65, 75),
            "Noise level of the image (of 255)",
            start=2,
        ),
        Axis("trained", tuple(networks), "The network was trained", start=1),
    ),
    alt=lambda level, trained: (
        f"A photograph with noise of level {level}, and the result of a network "
        f"that was trained {trained}"
    ),
    caption="Nine layers of 32 channels, from the course's weights.",
)
player

# %% [markdown] slideshow={"slide_type": "skip"}
# With a kernel running, the same player computes each setting when you choose it:

# %% slideshow={"slide_type": "skip"}
player.live()

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "What is common to the three: a degraded image goes in, a clean one is known. Residual learning works for any residual."}
# ## One network, three tasks
#
# Nothing in the loss says that $z - y$ is noise. Let $z$ be an image enlarged from half its size: then $z - y$ is the
# lost detail. Let $z$ be a JPEG picture: then it is the blocks. DnCNN-**3** is trained on all three at once, noise
# of any level, enlargement by 2, 3 or 4, and JPEG of quality 5 to 99, and is not given the kind of damage.
#
# **Predict:** by how much does it improve each of them: noise of level 25, enlargement by 3, JPEG of quality 10?

# %% slideshow={"slide_type": "skip"}
three = zoo.load(DnCNN, "dncnn-3-w32")
detail = to_float(test_images["chelsea"])[..., 60:252, 100:292]
given = {
    "noise, σ = 25": Gaussian(sigma)(detail, generator=generator(0, "three tasks")),
    "enlarged 3 times": dncnn.bicubic_loss(detail, scale=3),
    "JPEG of quality 10": dncnn.jpeg(detail, quality=10),
}
with torch.inference_mode():
    restored = {f"{name}, restored": three(picture) for name, picture in given.items()}

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Look for the blocks in the third column."}
alt = (
    "A cat's face three times degraded, by noise, by enlargement and by JPEG, and below each the picture after one and "
    "the same network: less noise, sharper edges, no blocks"
)
figures.images(
    given | restored,
    reference=detail,
    columns=3,
    alt=alt,
    caption="One network of nine layers; the task is not given to it.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Noise gains most, because there is most to remove."}
tasks = cite("dncnn-three-tasks")
kinds = {
    "noise, σ = 15": "noise_15",
    "noise, σ = 25": "noise_25",
    "noise, σ = 50": "noise_50",
    "enlarged 2 times": "scale_2",
    "enlarged 3 times": "scale_3",
    "enlarged 4 times": "scale_4",
    "JPEG of quality 10": "jpeg_10",
    "JPEG of quality 20": "jpeg_20",
    "JPEG of quality 40": "jpeg_40",
}
figures.table(
    {
        label: {
            "given": tasks[f"{key}_given"],
            "restored": tasks[key],
            "gain": tasks[key] - tasks[f"{key}_given"],
        }
        for label, key in kinds.items()
    },
    caption="PSNR in dB on Set12, mean over three seeds.",
    note=tasks,
)

# %% slideshow={"slide_type": "-"}
answer(
    f"Noise gains {tasks['noise_25'] - tasks['noise_25_given']:.1f} dB, enlargement by 3 "
    f"{tasks['scale_3'] - tasks['scale_3_given']:.1f} dB and JPEG of quality 10 "
    f"{tasks['jpeg_10'] - tasks['jpeg_10_given']:.1f} dB, in the mean of three trainings."
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Which picture loses? Ask what is special about a brick wall."}
# ### What the means hide
#
# A mean hides differences between pictures. Here are the gains of the course's weights on single ones. The brick wall is
# a warning: the network takes its fine, regular roughness for an artefact and smooths it away.

# %% slideshow={"slide_type": "skip"}
gains = {}
for quality in (10, 40):
    row = gains[f"JPEG of quality {quality}"] = {}
    for name, picture in test_images.items():
        original = to_float(picture)
        compressed = dncnn.jpeg(original, quality=quality)
        with torch.inference_mode():
            gain = psnr(three(compressed), original) - psnr(compressed, original)
        row[name] = gain.item()

# %% slideshow={"slide_type": "-"}
figures.table(
    gains,
    caption="Gain in dB over the JPEG picture, for each test photograph: DnCNN-3 from the course's weights.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Say it before they find it: these weights are small."}
figures.table(
    {
        "non-local means, with known level": {
            f"σ = {level}": blind[f"nlm_at_{level}"] for level in (15, 25, 50)
        },
        "DnCNN-B, these weights": {
            f"σ = {level}": zoo.card("dncnn-b-w32").quality[f"photographs_{level}"]
            for level in (15, 25, 50)
        },
        "DnCNN-3, these weights": {
            f"σ = {level}": zoo.card("dncnn-3-w32").quality[f"photographs_{level}"]
            for level in (15, 25, 50)
        },
    },
    caption="PSNR in dB on noise, on the test photographs: the weights of the course, which the pictures above used.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# On noise of level 15 these weights of DnCNN-B and DnCNN-3 score lower than non-local means, which is given the level; at
# 25 those of DnCNN-3 still do. One small network for everything is convenient, and not the best at each thing.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "Zero padding is what every deep learning library does by default. Ask what the network sees outside the image: black."}
# ## What happens at the border?
#
# To keep the size, each convolution pads its input with zeros. Near the border the network therefore sees black pixels
# that are not there. How far does the damage reach? We denoise a window cut from a photograph, and compare each of its
# pixels with the same pixel of the whole photograph, denoised at once. Beyond the receptive field nothing can change:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
reach = live.depth  # each 3 x 3 convolution reaches one pixel further
with torch.inference_mode():
    whole, cut = live(z)[..., 100:196, 200:296], live(z[..., 100:196, 200:296])
difference = (whole - cut).abs()
inside = difference[..., reach:-reach, reach:-reach]
print("the estimate depends on the cut at the border:", bool(difference.max() > 1e-4))
print("and not beyond the receptive field:", bool(inside.max() < 1e-5))

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Two causes: neighbours that would have helped are missing, and the zeros in their place mislead the network."}
rings = {
    "the outermost pixel": "0",
    "the next": "1",
    "2 to 3 pixels inside": "2_3",
    "4 to 7 pixels inside": "4_7",
}
figures.bars(
    stored.row(rings, "border_loss_{}"),
    xlabel="PSNR lost to the border (dB)",
    caption="Mean over three seeds.",
    note=stored.about("dncnn-border"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The theoretical reach is the whole receptive field; most of the loss lies in the outermost four pixels. Neighbours are
# missing there, and the zeros in their place mislead: the first task at the end separates the two.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "One photograph of 640 x 427 holds more than 200 000 different patches of 36 x 36. Networks that see further, or must recognise objects, need more pictures."}
# ## Do more photographs help?
#
# The paper trained on 400 images of 180 × 180 and reports that more helped little. Let us go the other way:
# one photograph, two, four, eight.

# %% slideshow={"slide_type": "-"}
images = cite("dncnn-images")
counts = (1, 2, 4, 8)
figures.lines(
    counts,
    images.lines({"DnCNN, 800 steps": "images"}, counts, spread="range"),
    xlabel="training photographs",
    ylabel="PSNR on the test photographs (dB)",
    log="x",
    caption="Mean and range over three seeds, 800 steps each.",
    note=images,
)

# %% slideshow={"slide_type": "-"}
answer(
    images.compare("images_8", "images_1", limit=0.3).sentence(
        "eight photographs", "one", what="PSNR after 800 steps", unit="dB"
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The network learns what edges and textures look like within some 15 pixels, and one photograph has hundreds of thousands
# of such pieces.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "The network is good because the test noise has the law of the training noise. The noise of real cameras has another law."}
# ## Break it
#
# The network was trained on noise that is independent from pixel to pixel. Real cameras interpolate colours and
# compress: their noise has *grain*. Take noise of the same strength, $\sigma = 25/255$, but averaged over 3 × 3 pixels and
# scaled back.
#
# **Predict:** the network removes nearly all of the white noise. How much of the grain does it remove?


# %% slideshow={"slide_type": "skip"}
def grainy(y, seed):
    """Noise of standard deviation sigma whose neighbours agree."""
    height, width = y.shape[-2:]
    white = torch.randn(1, 1, height + 2, width + 2, generator=generator(seed, "grain"))
    return y + sigma * 3 * F.avg_pool2d(white, 3, stride=1)


inputs = {"white noise": noisy_scene(25), "grainy noise": grainy(scene, seed=0)}
with torch.inference_mode():
    outputs = {name: networks["at 25"](picture) for name, picture in inputs.items()}

# %% slideshow={"slide_type": "-"}
alt = (
    "A photograph with white noise and with grainy noise of the same strength; after the network, the white noise is "
    "gone and the grain is still there"
)
figures.images(
    inputs | {f"{name}, denoised": picture for name, picture in outputs.items()},
    reference=scene,
    columns=4,
    alt=alt,
    caption="Two inputs with noise of the same strength, and the results of the same network.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "This probe needs no clean image: it compares what was removed with what should have been there."}
# The grain stays: the network takes it for texture. Would you notice without the clean image? **The probe:** if the noise
# was found, then what the network removed, $z - \hat y$, has the strength that noise of this camera has. Its standard
# deviation should be near $\sigma$. It needs no ground truth.


# %% slideshow={"slide_type": "-"}
def probe(z, y_hat):
    """The standard deviation of what was removed, in gray levels of 255."""
    return 255 * (z - y_hat).std().item()


removed = {name: probe(picture, outputs[name]) for name, picture in inputs.items()}

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        name: {
            "σ of the noise (of 255)": 255 * (picture - scene).std().item(),
            "σ of what was removed": removed[name],
            "PSNR (dB)": psnr(outputs[name], scene).item(),
        }
        for name, picture in inputs.items()
    },
    caption="The probe: how strong is what the network removed?",
)

# %% slideshow={"slide_type": "-"}
answer(
    f"Of the grain it removes a standard deviation of {removed['grainy noise']:.1f} gray levels, of the white noise "
    f"{removed['white noise']:.1f}; both have about 25.",
    holds=removed["grainy noise"] < 20 < removed["white noise"],
    otherwise=f"It removes {removed['grainy noise']:.1f} gray levels of grain and {removed['white noise']:.1f} of white "
    "noise.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Try the same probe on the sudden failure above: a network trained at 15 on an image at 50. Lecture *ffdnet* gives the
# network its noise level; part D trains without clean images, where grain will break more than one method.

# %% [markdown] slideshow={"slide_type": "skip"}
# **Your own photograph.** Choose a picture: it is read in gray, and of a large one the middle is taken. What does the blind
# network remove, and how strong is it? If your picture has no noise, the probe should find little; if much was removed
# although you see no noise, look at what it was.


# %% slideshow={"slide_type": "skip"}
def remove_noise(z):
    """Denoise a picture of unknown noise, and look at what was removed."""
    with torch.inference_mode():
        y_hat = networks["blind, 0 to 55"](z)
    amount = f"removed, σ = {probe(z, y_hat):.1f} of 255"
    return figures.images(
        {"yours": z, "denoised": y_hat, amount: z - y_hat},
        signed=[amount],
        columns=3,
        alt="Your picture, the estimate of the blind network, and their difference",
        caption="What was removed should look like noise, and show no edges.",
    )


Photograph(remove_noise)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - Predict the noise and subtract it. The goal is the same as for the painter; the way there is much shorter.
# - Residual learning helped with and without normalisation. Whether batch normalisation helps depends on the rest of the
#   recipe.
# - $d$ convolutions of $3 \times 3$ see $(2d+1) \times (2d+1)$ pixels. More depth means a larger receptive field.
# - A network removes noise like that of its training. Blind training widens this range, but the range still ends.
# - The residual need not be noise: the same network can restore resolution and soften JPEG blocks.
# - Always look at what was removed, $z - \hat y$. It needs no ground truth.

# %% slideshow={"slide_type": "slide", "minutes": 1, "notes": "Let everyone answer alone first."}
Quiz.parse("""
An untrained residual network whose last layer is zero returns …
- [x] the noisy image itself
- [ ] an image that is black | That is the painter with a zero last layer. The residual
  network subtracts zero from z.
- [ ] its estimate of the noise | R(z) would be the noise estimate, and it is zero here; what
  is returned is z − R(z).
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Let everyone answer alone first."}
Quiz.parse("""
A stack of 10 convolutions of 3 × 3 sees a square of …
- [x] 21 × 21 pixels
- [ ] 30 × 30 pixels | Each layer adds one pixel on each side, so two to the side of the
  square, not three.
- [ ] all the pixels | Only a layer that connects everything, or strides and pooling over the
  whole image, would.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Let everyone answer alone first."}
Quiz.parse("""
At σ = 50, a network trained at σ = 25 only …
- [x] leaves most of the noise in the image
- [ ] blurs the image far too much | That is what a network trained for more noise than there
  is does.
- [ ] works as well as at 25, since it subtracts what it finds | It never saw such large
  deviations: it removes about as much as it used to and takes the rest for texture.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Let everyone answer alone first."}
Quiz.parse("""
You remove noise from a photograph and see outlines of a house in z − ŷ. That means …
- [x] the method removed a part of the image too
- [ ] the method works well, because it found the house | z − ŷ is what was taken away.
  Outlines in it are missing from the estimate.
- [ ] the noise of this camera has outlines | Noise that depends on brightness can be
  stronger at bright places, but it is random in sign along an edge.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Letters
#
# | letter | is |
# |---|---|
# | $y$, $z$, $\eta$, $\hat y$ | the clean image, the noisy one, the noise $z - y$, the estimate of $y$ |
# | $\sigma$ | standard deviation of the noise, in the unit of the image |
# | $R(z; w)$, $R^\star$ | the output of the layers with weights $w$, an estimate of $\eta$; the best one |
# | $\ell$, $N$, $i$ | the loss; the number of patches in it; the number of one of them |
# | $d$, $c$ | depth, the number of convolutions; the channels of the image |
#
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/10_dncnn.ipynb): the loss of residual
# learning, the network from its layers, and the noise of a batch for blind training. Each is checked at once,
# and the message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Train with `padding="reflect"` (a parameter of `DnCNN`) and repeat what happens at the border. Which pixels gain?
# 2. Train the painter of the first cell without batch normalisation, at the same budget. Which ingredient held it back?
# 3. Train blind on $\sigma \in [0, 100/255]$. What does it cost at 15, compared with `dncnn-b-w32`?
#
# ## Further reading
#
# - K. Zhang, W. Zuo, Y. Chen, D. Meng, L. Zhang: *Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image
#   Denoising*, IEEE Transactions on Image Processing 26 (2017). Sections II and III are this lecture.
# - K. He, X. Zhang, S. Ren, J. Sun: *Deep Residual Learning for Image Recognition*, CVPR 2016. Where the residual idea comes from.
# - S. Ioffe, C. Szegedy: *Batch Normalization*, ICML 2015.
# - A. Buades, B. Coll, J.-M. Morel: *A non-local algorithm for image denoising*, CVPR 2005. It introduced the look at
#   what was removed, there called method noise.
