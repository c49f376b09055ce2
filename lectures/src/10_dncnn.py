# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Ask before you run it: which of the three will be best? Most will bet on the network."}
# ## A network that loses to a filter
#
# A photograph $y$ was taken in poor light. We have $z = y + \eta$, with noise $\eta$ sampled independently at
# each pixel from $\mathcal N(0, \sigma^2)$. We want to recover $y$.
#
# The straightforward network takes $z$ and returns an estimate $\hat y$ directly; we call it the **painter**. We train one, a
# stack of seven convolutions, on crops of eight photographs, and compare it with two filters that learn nothing: wavelet
# shrinkage and non-local means.

# %% slideshow={"slide_type": "-"}
import math

import torch

from course_lib import data, figures, zoo
from course_lib.claims.cite import cite
from course_lib.data.images import to_float
from course_lib.denoise import dncnn
from course_lib.denoise.classical import NonLocalMeans, Wavelet
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoiser import score
from course_lib.noise import Gaussian
from course_lib.profiles import Budget, choose
from course_lib.quality import psnr
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

sigma = 25 / 255  # images lie in [0, 1]
train_images = data.photographs("train")
test_images = data.photographs("test")  # never trained on
test_pairs = data.fixed_pairs(test_images, Gaussian(sigma), seed=0)
z, y = test_pairs[0]  # the photograph "camera"
wavelet, nlm = Wavelet(), NonLocalMeans()

# %% slideshow={"slide_type": "-"}
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

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The network was trained for a few hundred steps and is still worse than averaging similar patches. Let them say why before you go on."}
window = (..., slice(60, 252), slice(140, 332))
with torch.inference_mode():
    painted = painter(z)
figures.images(
    {
        "noisy": z[window],
        "wavelet": wavelet(z, sigma=sigma)[window],
        "non-local means": nlm(z, sigma=sigma)[window],
        "a network that paints": painted[window],
    },
    reference=y[window],
    columns=2,
    alt="The same part of a photograph of a man with a camera, four times: noisy, after wavelet shrinkage, after "
    "non-local means, and after a network that was trained for a moment, which blurs and shifts the grays",
    caption="A part of a test photograph at σ = 25/255. The painter was trained for a moment to return the clean image.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The network was trained for a few hundred steps, and it is worse than a filter without any training. Before it
# can remove any noise it has to learn something simple: to copy the image.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The whole lecture is this slide. Draw the two arrows: z to y-hat through all layers, or around them."}
# ## The idea: learn the noise, not the image
#
# In DnCNN (Zhang, Zuo, Chen, Meng, Zhang, IEEE TIP 2017) the layers estimate what is *wrong* with the image, and this is
# subtracted:
#
# $$\hat y = z - R(z; w).$$
#
# $R$ estimates the noise $\eta = z - y$. Nothing is lost by this. Among all functions, the smallest mean squared error
# is reached by $R^\star(z) = \mathbb E[\eta \mid z] = z - \mathbb E[y \mid z]$, and subtracting it from $z$ gives
# $\mathbb E[y \mid z]$, which is the best $\hat y$ for the painter too. Both have the same goal, but they differ in the
# way to it:
#
# - **The start.** With $R = 0$ the estimate is $z$ itself, and its error is the noise alone. The painter starts from
#   a random picture.
# - **The target.** $\eta$ has mean zero, the same size everywhere, and no structure. Images have all of that.
# - **The hard part.** A stack of ReLU layers has trouble being the identity. The residual network has it from the start
#   and only learns the difference.
#
# How good is the start? The mean squared error of $z$ is $\sigma^2$, so before any training
# $\text{PSNR} = 10 \log_{10} (1/\sigma^2) = 20 \log_{10} (255/25)$ dB. (Scores in this course clip an estimate to
# $[0, 1]$ first, which helps $z$ a little: the tables say 20.3.)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
untrained = DnCNN()
print(f"PSNR of the noise alone at sigma 25: {20 * math.log10(255 / 25):.2f} dB")
print(
    "an untrained DnCNN returns z itself:",
    torch.equal(untrained.eval()(z[window]), z[window]),
)
measured_noise = -10 * math.log10((z - y).square().mean().item())
print(
    "the noise of the photograph has that, within 0.05 dB:",
    abs(measured_noise - 20 * math.log10(255 / 25)) < 0.05,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The factor one half is only there so that the gradient has none. The sum of the paper runs over pixels too; ours is a mean, so that a learning rate means the same for every patch size."}
# ## The loss
#
# The training set is as large as we like: take clean patches $y_i$, add noise, and you have pairs $(z_i, \eta_i)$.
# The paper's equation 1, over $N$ patches:
#
# $$\ell(w) = \frac{1}{2N} \sum_{i=1}^{N} \lVert R(z_i; w) - (z_i - y_i) \rVert_F^2 .$$
#
# | letter | is |
# |---|---|
# | $y$, $z$, $\eta$ | clean image, noisy image, noise: $z = y + \eta$ |
# | $\hat y$ | the estimate of $y$ |
# | $R(z; w)$ | the output of the layers with weights $w$: an estimate of $\eta$ |
# | $\sigma$ | standard deviation of the noise, in the unit of the image |
# | $d$ | depth: the number of convolutions |
#
# %% [markdown] slideshow={"slide_type": "subslide"}
# Here it is in the library; it divides by the number of pixels of a patch too:

# %% slideshow={"slide_type": "-"}
figures.code(dncnn.residual_loss)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
# One image of 1 x 2 pixels, by hand: noise (3, -1), estimate (1, 1), errors (-2, 2), half their mean square is 2.
clean = torch.tensor([[[[0.0, 5.0]]]], dtype=torch.float64)
noisy = clean + torch.tensor([3.0, -1.0], dtype=torch.float64)
estimate = torch.tensor([[[[1.0, 1.0]]]], dtype=torch.float64)
print("loss:", dncnn.residual_loss(estimate, noisy, clean).item())
print("loss of the exact noise:", dncnn.residual_loss(noisy - clean, noisy, clean).item())

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Let them compute the receptive field of three layers at the board. Compare with Table I of the paper: BM3D sees 49 x 49, TNRD 61 x 61."}
# ## The layers
#
# All convolutions are $3 \times 3$ and keep the size of the image:
#
# | layer | what | channels |
# |---|---|---|
# | 1 | Conv + ReLU | $c \to 64$ |
# | 2 to $d-1$ | Conv + batch normalisation + ReLU | $64 \to 64$ |
# | $d$ | Conv | $64 \to c$ |
#
# with $c = 1$ for gray and $3$ for colour. Each convolution lets an output pixel see one pixel further in every direction,
# so $d$ of them see a square of $(2d+1) \times (2d+1)$ pixels. The paper chose $d = 17$ to see 35 × 35, about
# as much as the patches of EPLL (36 × 36) and less than BM3D's search uses (49 × 49), and $d = 20$ for the harder
# tasks below.

# %% slideshow={"slide_type": "-"}
figures.code(DnCNN.forward)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
for name, depth in (("DnCNN-S", 17), ("DnCNN-B and DnCNN-3", 20)):
    network = DnCNN(depth=depth)
    weights = sum(weight.numel() for weight in network.parameters() if weight.ndim == 4)
    print(
        f"{name}: {depth} convolutions, {weights} weights in them, sees {network.receptive_field} x "
        f"{network.receptive_field} pixels"
    )

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Fully convolutional: the size of the training patch is a choice of efficiency, not of the network."}
# There is no fully connected layer, so the network takes an image of any size. That is why it can be trained on
# **patches**: 40 × 40 pixels in the paper, 36 × 36 here. Small patches mean many different
# pictures in a batch. Too small is bad too: only pixels more than $d$ away from the border of a patch see their whole
# receptive field, and the others learn with zeros around them.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Take bets. The filters are fixed; the network has a minute."}
# ## Experiment 1: a minute of training
#
# We train the same small network as above, now as a residual one. **What do you expect**, after one minute on two
# processor cores: below non-local means, between the two filters, or above both?
#
# (The paper's network is deeper and wider, 17 layers of 64 channels, and trains for hours on 400 images; at lecture
# profile ours has 7 layers of 32. At full profile this cell trains the paper's size for its 80 000 steps, still on
# the bundled photographs.)

# %% slideshow={"slide_type": "-"}
budget = choose(
    smoke=Budget(20, 4, 24), lecture=Budget(2200, 16, 36), full=Budget(80_000, 128, 40)
)
validation_pairs = data.fixed_pairs(data.photographs("validation"), Gaussian(sigma), seed=0)


def validate(model, progress):
    """Score the model on the validation photographs, which are neither trained on nor tested with."""
    return {"PSNR of validation": float(score(model, validation_pairs).mean())}


live, history = dncnn.train(
    train_images,
    sigma=sigma,
    budget=budget,
    seed=0,
    network=DnCNN(**size),
    validate=validate,
)
live = live.cpu()

# %% slideshow={"slide_type": "subslide", "minutes": 2}
figures.history(
    {"predicts the noise": history, "paints the image": painter_history},
    log="y",
    caption="The loss of the residual network, and that of the painter over its shorter training. Both are "
    "the same loss: half the mean squared error of the estimate.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "The paper's columns are for 17 layers of 64 channels trained for hours. Ask what closes the gap: width, depth, time, or data?"}
peers = {
    "noisy": lambda z, sigma=None: z,
    "wavelet shrinkage": wavelet,
    "non-local means": nlm,
    "DnCNN, trained here": live,
}
rows = {
    name: {"photographs": float(score(denoiser, test_pairs, sigma=sigma).mean())}
    for name, denoiser in peers.items()
}

stored = cite("dncnn-benchmark")  # the same training, over three seeds
methods = {"noisy": "noisy", "wavelet shrinkage": "wavelet", "non-local means": "nlm"}
sets = {"Set12": "set12", "BSD68": "bsd68"}
for name, row in stored.rows(methods, sets, "{1}_{0}").items():
    rows[name] |= row
for column in sets:
    if data.find(column):  # with COURSE_DATA: the network trained a moment ago
        pictures = data.load(column, first=choose(smoke=2, lecture=None, full=None))
        rows["DnCNN, trained here"][column] = float(
            score(live, data.fixed_pairs(pictures, Gaussian(sigma), seed=0)).mean()
        )
columns = {"photographs": "photographs"} | sets
rows["DnCNN, stored results"] = stored.row(columns, "{}_dncnn")
rows["BM3D"] = {"Set12": 29.97, "BSD68": 28.57}
rows["DnCNN-S, 17 layers of 64"] = stored.row(sets, "{}_dncnn", paper=True)
figures.table(
    rows,
    columns=list(columns),
    paper=["BM3D", "DnCNN-S, 17 layers of 64"],
    caption="PSNR in dB at σ = 25/255. Set12 and BSD68 are the field's gray test sets. Values with a dagger are "
    "the paper's (Zhang et al. 2017, tables II and III).",
    note=stored.about("dncnn-beats-classical"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# After a minute the network is better than both filters, on photographs of the same collection and on the usual test sets.
# BM3D, the classical method for comparisons, is still ahead of such a small network on Set12; the paper's
# network is better than BM3D everywhere.

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Look at what each method removes. If you can see the man in the removed noise, the method removed the man."}
with torch.inference_mode():
    estimates = {
        "wavelet": wavelet(z, sigma=sigma),
        "non-local means": nlm(z, sigma=sigma),
        "DnCNN": live(z),
    }
pictures = {name: estimate[window] for name, estimate in estimates.items()}
removed = {
    f"removed by {name}": (z - estimate)[window] for name, estimate in estimates.items()
}
figures.images(
    pictures,
    reference=y[window],
    zoom=(20, 70, 48),
    alt="The test photograph after wavelet shrinkage, non-local means and DnCNN; DnCNN is the sharpest",
    caption="What each method leaves.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 2}
figures.images(
    removed,
    signed=list(removed),
    alt="What each method removed: outlines of the man and his camera are visible in what wavelet shrinkage "
    "removed, almost none in what non-local means and DnCNN removed",
    caption="What each method took away, z − ŷ. Noise has no outlines; where you see some, as in the first, the "
    "image was taken away too.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "A claim of the paper that our recipe does not confirm. Ask what differs: the optimiser, the depth, the length of the training. How would one find out which?"}
# ## Experiment 2: which of the two ingredients is it?
#
# DnCNN has two: residual learning, and batch normalisation in the middle layers. Batch normalisation keeps each
# channel at mean zero and variance one over the batch, then scales and shifts it by learnt numbers. The
# target of a residual network is noise, the same law at every place and in every batch, so these statistics settle quickly.
#
# The paper reports that the two help each other: in its figure 2 the network with both is the best, and learns fastest.
# Our training differs in one thing that may matter: its optimiser is Muon, which rescales the update of each layer, where
# the paper used plain gradient descent. **Predict** the order of the four combinations, at an equal and short budget.
# Networks without normalisation get biases instead. The bars show the mean of three seeds.

# %% slideshow={"slide_type": "-"}
ablation = cite("dncnn-ablation")
figures.bars(
    ablation.rows(
        {"predicts the noise": "residual", "paints the image": "direct"},
        {"with batch norm": "bn", "without": "plain"},
    ),
    xlabel="PSNR on the test photographs (dB)",
    base=27,
    caption="800 steps each.",
    note=ablation,
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Residual learning is better both times. Batch normalisation is not: with it our residual network is a little *worse*, and
# the painter more so. So half of the paper's statement is confirmed here and half is not; the stored results list the
# second half as a claim that failed. This is not a contradiction. Normalisation was introduced to make plain gradient descent
# work in a deep stack, and is less useful when the optimiser itself rescales the updates. Users of the published code report
# the same with Adam. *Whether an ingredient is needed depends on the rest of the recipe.*

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "S stands for a specific noise level, B for blind. The blind one has no input for sigma: it must estimate it from the image."}
# ## Experiment 3: when σ is not what you trained for
#
# DnCNN-**S** is trained at one noise level. DnCNN-**B** is trained blind: each patch has its own random $\sigma$ between 0
# and 55, and the network is not given this level. **Predict** the three curves below: a network trained at 25 only,
# the blind one, and networks trained for exactly the level on the axis.

# %% slideshow={"slide_type": "-"}
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

# %% [markdown] slideshow={"slide_type": "fragment"}
# The network trained at 25 fails as soon as there is more noise than in its training, and far below 25 it removes too
# much. The blind one works on the whole range: the level can be estimated from any flat piece of the image. This has a price:
# our small network is about a decibel behind those that were trained for one level, and worst at 5. The loss
# explains this: a patch with $\sigma = 55$ weighs 121 times as much as one with 5. The table shows the price for the paper's
# networks, with 17 and 20 layers of 64: a tenth of a decibel. And beyond 55 the blind one loses its lead.
# *A network works on noise like that of its training examples.*

# %% slideshow={"slide_type": "subslide"}
published = {
    "BM3D": (31.07, 28.57, 25.62),
    "DnCNN-S, one for each level": (31.73, 29.23, 26.23),
    "DnCNN-B, one for 0 to 55": (31.61, 29.16, 26.23),
    "DnCNN-3, one for three tasks": (31.46, 29.02, 26.10),
}
figures.table(
    {
        name: {
            f"σ = {level}": value for level, value in zip((15, 25, 50), row, strict=True)
        }
        for name, row in published.items()
    },
    paper=list(published),
    caption="PSNR in dB on BSD68 as published with the paper (Zhang et al. 2017, table II and its code).",
)

# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Find the sudden failure together: take the network trained at 15, then move the image's noise up from 15."}
scene = to_float(test_images["camera"])[..., 60:252, 140:332]
networks = {
    "at 15": "dncnn-s15-w32",
    "at 25": "dncnn-s25-w32",
    "at 50": "dncnn-s50-w32",
    "blind, 0 to 55": "dncnn-b-w32",
}
networks = {label: zoo.load(DnCNN, name) for label, name in networks.items()}


def noisy_scene(level):
    return Gaussian(level / 255)(scene, generator=generator(0, "player"))


def render(level, trained):
    z = noisy_scene(level)
    with torch.inference_mode():
        estimate = networks[trained](z)
    return figures.scored({"noisy": z, "denoised": estimate}, reference=scene)


Player(
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
    caption="Nine layers of 32 channels, from the course's weights. Give a network more noise than it was trained on, "
    "then less.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "What is common to the three: a degraded image goes in, a clean one is known. Residual learning works for any residual."}
# ## Experiment 4: one network, three tasks
#
# Nothing in the loss says that $z - y$ is noise. Let $z$ be an image enlarged from half its size: then $z - y$ is the
# lost detail. Let $z$ be a JPEG picture: then it is the blocks. DnCNN-**3** is trained on all three at once, noise
# of any level, enlargement by 2, 3 or 4, and JPEG of quality 5 to 99, and is not given the kind of damage.
#
# **Predict:** by how much does it improve each of them, compared with noise?

# %% slideshow={"slide_type": "-"}
three = zoo.load(DnCNN, "dncnn-3-w32")
detail = to_float(test_images["chelsea"])[..., 60:252, 100:292]
given = {
    "noise, σ = 25": Gaussian(sigma)(detail, generator=generator(0, "three tasks")),
    "enlarged 3 times": dncnn.bicubic_loss(detail, scale=3),
    "JPEG of quality 10": dncnn.jpeg(detail, quality=10),
}
with torch.inference_mode():
    restored = {f"{name}, restored": three(picture) for name, picture in given.items()}
figures.images(
    given | restored,
    reference=detail,
    columns=3,
    alt="A cat's face three times degraded, by noise, by enlargement and by JPEG, and below each the picture "
    "after one and the same network: less noise, sharper edges, no blocks",
    caption="One network of nine layers; the task is not given to it.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 2}
tasks = cite("dncnn-three-tasks")
labels = {
    **{f"noise_{level}": f"noise, σ = {level}" for level in (15, 25, 50)},
    **{f"scale_{scale}": f"enlarged {scale} times" for scale in (2, 3, 4)},
    **{f"jpeg_{quality}": f"JPEG of quality {quality}" for quality in (10, 20, 30, 40)},
}
figures.table(
    {
        label: {
            "given": tasks[f"{key}_given"],
            "restored": tasks[key],
            "gain": tasks[key] - tasks[f"{key}_given"],
        }
        for key, label in labels.items()
    },
    caption="PSNR in dB on Set12, mean over three seeds.",
    note=tasks,
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# It improves all of them, noise most, because there is most to remove. But a mean hides differences between pictures.
# Here are single ones:

# %% slideshow={"slide_type": "-"}
gains = {}
for name, picture in test_images.items():
    original = to_float(picture)
    for quality in (10, 40):
        stored_picture = dncnn.jpeg(original, quality=quality)
        with torch.inference_mode():
            gain = psnr(three(stored_picture), original) - psnr(stored_picture, original)
        gains.setdefault(f"JPEG of quality {quality}", {})[name] = gain.item()
figures.table(
    gains,
    caption="Gain in dB over the JPEG picture, for each test photograph: DnCNN-3 from the course's weights.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The brick wall is a warning: the network takes its fine, regular roughness for an artefact and smooths it away.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Zero padding is what every deep learning library does by default. Ask what the network sees outside the image: black."}
# ## Experiment 5: what happens at the border?
#
# To keep the size, each convolution pads its input with zeros. Near the border the network therefore sees black pixels
# that are not there. How far does the damage reach? We denoise a window cut from a photograph, and compare each of its
# pixels with the same pixel of the whole photograph, denoised at once. Beyond the receptive field nothing can change:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
reach = live.depth  # each 3 x 3 convolution reaches one pixel further
with torch.inference_mode():
    whole, cut = live(z)[..., 100:196, 200:296], live(z[..., 100:196, 200:296])
difference = (whole - cut).abs()
print("the estimate depends on the cut at the border:", bool(difference.max() > 1e-4))
print(
    "and not beyond the receptive field:",
    bool(difference[..., reach:-reach, reach:-reach].max() < 1e-5),
)

# %% slideshow={"slide_type": "subslide"}
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
# The theoretical reach is the whole receptive field, the real one is a few pixels. There are two reasons for the loss: neighbours
# that would have helped are missing, and the zeros in their place mislead the network. Exercise 1 below separates the two.
# Scores on small pictures are affected; on photographs hardly a pixel in twenty is that near to a border.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "One photograph of 640 x 427 holds more than 200 000 different patches of 36 x 36."}
# ## Experiment 6: do more photographs help?
#
# The paper trained on 400 images of 180 × 180 and reports that more hardly helped. Let us go the other way:
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
    caption="Mean and range over three seeds.",
    note=images,
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The network learns what edges, textures and flat pieces look like within some 15 pixels, and one photograph has hundreds of
# thousands of such pieces. Networks that see further, or must recognise objects, need more.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The network is good because the test noise has the law of the training noise. The noise of real cameras has another law."}
# ## Break it
#
# The network was trained on noise that is independent from pixel to pixel. Real cameras interpolate colours and
# compress: their noise has *grain*. Take noise of exactly the same strength, $\sigma = 25/255$, but blurred a little:


# %% slideshow={"slide_type": "-"}
def grainy(y, *, seed):
    """Noise of standard deviation sigma whose neighbours agree: white noise, averaged over 3 x 3 pixels, scaled back."""
    white = torch.randn(
        1, 1, y.shape[-2] + 2, y.shape[-1] + 2, generator=generator(seed, "grain")
    )
    return y + sigma * torch.nn.functional.avg_pool2d(white, 3, stride=1) * 3


network = networks["at 25"]
inputs = {"white noise": noisy_scene(25), "grainy noise": grainy(scene, seed=0)}
with torch.inference_mode():
    outputs = {f"{name}, denoised": network(picture) for name, picture in inputs.items()}
figures.images(
    inputs | outputs,
    reference=scene,
    columns=2,
    alt="A photograph with white noise and with grainy noise of the same strength; after the network, "
    "the white noise is gone and the grain is still there",
    caption="Two inputs of the same PSNR, and the results of the same network.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "This probe needs no clean image: it compares what was removed with what should have been there."}
# The grain stays: the network takes it for texture. Would you notice without the clean image? **The probe:** if the noise
# was found, then what the network removed, $R(z)$, must have the strength that noise of this camera has. Its standard
# deviation should be near $\sigma$. It needs no ground truth.

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        name: {
            "σ of the noise (of 255)": 255 * (picture - scene).std().item(),
            "σ of what was removed": 255
            * (picture - outputs[f"{name}, denoised"]).std().item(),
            "PSNR (dB)": psnr(outputs[f"{name}, denoised"], scene).item(),
        }
        for name, picture in inputs.items()
    },
    caption="The probe: how strong is what the network removed?",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# With white noise nearly all of it is found; with grain only a part. Try the same probe on the sudden failure above: a network
# trained at 15 on an image at 50. Lecture *ffdnet* gives the network its noise level; part D trains without clean images,
# where grain will break more than one method.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "Go round: one sentence each."}
# ## What to remember
#
# - Predict the noise and subtract it. The goal is the same as for the painter; the way there is much shorter.
# - Residual learning helped in every comparison. Whether batch normalisation does depends on the rest of the recipe.
# - $d$ convolutions of $3 \times 3$ see $(2d+1) \times (2d+1)$ pixels. More depth means a larger receptive field.
# - A network removes noise like that of its training. Blind training widens this range, but the range still ends.
# - The residual need not be noise: the same network can restore resolution and soften JPEG blocks.
# - Always look at what was removed, $z - \hat y$. It needs no ground truth.

# %% slideshow={"slide_type": "slide", "minutes": 5, "notes": "Let everyone answer alone first."}
Quiz.parse("""
An untrained residual network whose last layer is zero returns …
- [x] the noisy image itself
- [ ] a black image | That is the painter with a zero last layer. The residual network
  subtracts zero from z.
- [ ] noise | R(z) would be the noise estimate, and it is zero here; what is returned is z −
  R(z).

A stack of 10 convolutions of 3 × 3 sees a square of …
- [x] 21 × 21 pixels
- [ ] 30 × 30 pixels | Each layer adds one pixel on each side, so two to the side of the
  square, not three.
- [ ] all pixels | Only a layer that connects everything, or strides and pooling over the
  whole image, would.
""")

# %% slideshow={"slide_type": "subslide"}
Quiz.parse("""
At σ = 50, a network trained at σ = 25 only …
- [x] leaves most of the noise in the image
- [ ] blurs the image too much | That is what a network trained for more noise than there is
  does.
- [ ] works as well, since it subtracts what it finds | It never saw such large deviations:
  it removes about as much as it used to and takes the rest for texture.

You remove noise from a photograph and see outlines of a house in z − ŷ. That means …
- [x] the method removed a part of the image too
- [ ] the method works well: it found the house | z − ŷ is what was taken away. Outlines in
  it are missing from the estimate.
- [ ] the noise of this camera has outlines | Noise that depends on brightness can be
  stronger at bright places, but it is random in sign along an edge.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/10_dncnn.ipynb): the loss of residual
# learning, the network from its layers, and the noise of a batch for blind training. Each is checked at once,
# and the message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Train with `padding="reflect"` (a parameter of `DnCNN`) and repeat experiment 5. Which pixels gain?
# 2. Train the painter of the first cell without batch normalisation, at the same budget. Which ingredient made it worse?
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
