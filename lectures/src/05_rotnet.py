# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Show the pictures and ask what the ten kinds are. Then: how many labelled pictures would you need? They had thousands of hours of looking at the world before the first label."}
# ## Two thousand pictures, fifty labels
#
# Here are pictures that our own code draws: ten kinds of things, each with its right side up, in front of pieces of
# photographs. There are 2000 of them. Somebody has labelled **five of each kind**.

# %% slideshow={"slide_type": "-"}
import math

import torch
from torch.nn import functional as F

from course_lib import figures
from course_lib.claims.answers import answer
from course_lib.claims.cite import cite
from course_lib.claims.rotnet import (
    SETS,
    backbone,
    drawn_objects,
)
from course_lib.embeddings import as_float
from course_lib.figures import Paper
from course_lib.pretext import cam, probe, rotnet
from course_lib.pretext.rotnet import EIGHT, FOUR, symmetrised, turned, turns
from course_lib.profiles import Budget, choose
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

# %% slideshow={"slide_type": "skip"}
known, asked = drawn_objects(0)  # to learn from, and others in front of other photographs
kinds = len(known.names)
first = [known.labels.tolist().index(kind) for kind in range(kinds)]

# %% slideshow={"slide_type": "-"}
alt = (
    "Ten small pictures in colour, one of each kind: a tree, a house, a car, a lamp, a mug, a person, an umbrella, a boat, "
    "a chair and a candle, each upright in front of a piece of a photograph"
)
figures.images(
    as_float(known.images[first]),
    columns=5,
    alt=alt,
    caption=f"One picture of each kind: {', '.join(known.names)}.",
)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
print("kinds:", ", ".join(known.names))
print("pictures are", tuple(known.images.shape[1:]), "of type", known.images.dtype)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Take predictions for both. The second number is the reason for this lecture."}
# ## Fifty labels are not enough
#
# A small network of convolutions learns from the fifty labelled pictures alone, from nothing. **Predict:** how many other
# pictures does it name rightly (guessing: 10 %), and how many when all two thousand are labelled?

# %% slideshow={"slide_type": "skip"}
objects = cite("rotnet-objects")
few = cite("rotnet-few")
photographs = cite("rotnet-cifar")

# %% slideshow={"slide_type": "fragment"}
answer(
    f"{100 * few['nothing_5']:.0f} % with fifty labels, in the mean of {len(few.seeds)} trainings; with all labels a "
    f"network of three blocks names {100 * objects['labels']:.0f} % rightly.",
    holds=objects["labels"] > few["nothing_5"],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The other 1950 pictures lie there unused. Can they teach something *before* the labels come?

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Turn a picture of the room upside down before the class. How did they notice? Not by the pixels: by knowing what hangs and what stands."}
# ## A question that every picture answers
#
# Turn a picture by 0, 90, 180 or 270 degrees and ask a network **by how much**. We turned it, so we know the answer: a
# label for free. It is a **pretext task**: nobody wants the answer. But who can say that a lamp lies on its side has
# recognised something of the lamp.
#
# | | lecture *simclr* | here |
# |---|---|---|
# | what we make of a picture | two views | four turns |
# | the question | which two belong together? | how was it turned? |
# | label | the picture itself | the angle |
# | what must be recognised | what views share | **what has an up and a down** |

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "The sum over k inside: all four turns of one picture are in the same batch. The authors found that better than one random turn."}
# ## RotNet
#
# $g(x \mid k)$ is picture $x$, turned by the $k$-th angle of a set of $K$ angles, and $F_k$ the probability that network
# $F$ gives to angle $k$. The loss is the cross-entropy of the right angle, over $N$ pictures (Gidaris et al. 2018,
# equations 1 and 2):
#
# $$\mathcal L = -\frac1{N K} \sum_{n=1}^{N} \sum_{k=1}^{K} \log F_k\bigl(g(x_n \mid k)\bigr)$$
#
# All turns of a picture are in the same batch. A network that knows nothing answers $1/K$ to everything:
# $\mathcal L = \log K$, which is 1.386 for four angles.


# %% slideshow={"slide_type": "-"}
def all_turns(x):
    """Every picture in four turns, counter-clockwise, and the number of each turn: (N, C, S, S) -> (4 N, C, S, S)."""
    up, right = x, x.transpose(-2, -1)
    four = torch.stack([up, right.flip(-2), up.flip(-2, -1), right.flip(-1)], dim=1)
    return four.flatten(0, 1), torch.arange(4).repeat(len(x))


# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "-"}
x = as_float(known.images[:3])
mine, theirs = all_turns(x), turns(x)
print("as the library:", torch.equal(mine[0], theirs[0]), torch.equal(mine[1], theirs[1]))
print("four quarter turns are none:", torch.equal(turned(turned(x, 270), 90), x))
same = torch.equal(turned(x, 90).flatten(1).sort().values, x.flatten(1).sort().values)
print("the pixels are the same, in other places:", same)
print("mirrored twice is turned by 180:", torch.equal(x.flip(-1).flip(-2), turned(x, 180)))
print("a network that knows nothing: loss", round(math.log(4), 3))

# %% slideshow={"slide_type": "skip"}
figures.code(turned, turns)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "Only pixels move. Say why that matters: any arithmetic would leave traces that a network reads more easily than the content. The last section shows it."}
# ## The four turns of a picture

# %% slideshow={"slide_type": "-"}
alt = "Three rows: a picture of an object, upright and turned by 90, 180 and 270 degrees"
shown = as_float(asked.images[[int((asked.labels == k).nonzero()[0]) for k in (0, 3, 6)]])
figures.images(
    turns(shown)[0],
    columns=4,
    alt=alt,
    caption="Three pictures, turned by 0, 90, 180 and 270 degrees counter-clockwise. Pixels only move.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "The network of the paper. Point at block 2: this is where the features will be taken, 12 288 numbers in the paper."}
# ## The network: blocks of NIN
#
# Each **block** is a convolution of several pixels and two of one pixel (*network in network*), normalised, with ReLUs.
# The first two blocks halve the picture. After the last block comes the mean over all places, and one linear layer with
# an output for each angle. Features are what a block gives, before that mean.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
from course_lib.pretext.nin import NIN

papers = NIN()  # 192 channels, four blocks, four angles
with torch.no_grad():
    one = torch.zeros(1, 3, 32, 32)
    for block in (1, 2, 3, 4):
        print(f"block {block}:", tuple(papers.eval().features(one, block).shape[1:]))
print(f"{sum(w.numel() for w in papers.parameters()):,} weights")

# %% slideshow={"slide_type": "skip"}
figures.code(NIN)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "Let them predict the accuracy of the turn first, on other pictures. Which kinds will be hard? Those that look alike upside down: ask which of the ten."}
# ## Experiment 1: train, and ask about turns
#
# A network of a quarter of the paper's width learns from the 2000 pictures, without labels. We watch the share of right
# answers on pictures that it has not seen. **Predict:** how high does it get? And how high on pictures that look the same
# from all four sides?

# %% slideshow={"slide_type": "skip"}
short = choose(smoke=Budget(3, 8), lecture=Budget(250, 32), full=Budget(4000, 128))
watched = asked.images[:: choose(smoke=4, lecture=2, full=1)]


def validate(model, progress):
    return {"right turns": rotnet.accuracy(model, watched)}


# %% slideshow={"slide_type": "-"}
network = backbone(0)
network, history = rotnet.train(
    known, budget=short, seed=0, network=network, validate=validate
)

# %% slideshow={"slide_type": "fragment"}
figures.history(
    history,
    caption=f"A training of {short.steps} steps: the loss, and the share of right turns on pictures not trained on.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"{100 * objects['turns']:.0f} % after the longer trainings of the table below, in the mean of {len(objects.seeds)}; "
    f"exactly {100 * objects['symmetric']:.0f} % on pictures that were averaged over their four turns.",
    holds=objects["turns"] > 0.5 and objects["symmetric"] == 0.25,
)

# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "skip"}
same_from_all_sides = symmetrised(as_float(asked.images[:8]))
print("right on symmetrised pictures:", rotnet.accuracy(network, same_from_all_sides))

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Ask before: what would be a fair baseline? Random convolutions are features, too, and an autoencoder has seen the same pictures for as long."}
# ## What are the features worth?
#
# The angle was a pretext. Freeze the network, take the features of a block, and train a small classifier on them, a
# **probe**, now with labels. Whatever it finds was in the features. Beside it: the same probe on
#
# - the **same network before training**, with random weights;
# - an **autoencoder**: the same blocks, trained to draw the picture again. It has seen the same pictures for as long;
# - and, as the upper end, a network that had all labels from the start.
#
# **Predict:** which block of RotNet is worth most, and which of the three beats it?

# %% slideshow={"slide_type": "fragment"}
blocks = {f"block {b}": f"{{}}_{b}" for b in (1, 2, 3, 4)}
figures.table(
    {
        "RotNet": {
            name: 100 * objects[key.format("rotnet")] for name, key in blocks.items()
        },
        "random weights": {
            name: 100 * objects[key.format("random")] for name, key in blocks.items()
        },
        "autoencoder": {"block 2": 100 * objects["autoencoder_2"]},
        "trained with all labels": {"block 3": 100 * objects["labels"]},
    },
    digits=1,
    caption="Drawn objects: other pictures named rightly (%) by the paper's probe with two hidden layers. Mean over all "
    "seeds.",
    note=objects,
)

# %% slideshow={"slide_type": "fragment"}
words = {"what": "the probe of block 2", "unit": "points", "times": 100, "digits": 1}
answer(
    objects.compare("rotnet_2", "random_2").sentence("RotNet", "random weights", **words)
    + " "
    + objects.compare("rotnet_2", "autoencoder_2").sentence(
        "RotNet", "the autoencoder", **words
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "The figure to remember. Where the curves meet depends on the set; that they meet does not."}
# ## Few labels
#
# Back to the beginning. The unlabelled pictures teach the first two blocks; the labels train a third block on top. Beside
# it the same three blocks are trained from nothing on the labels alone. **Predict:** with five labels of each kind, which
# one names more pictures rightly, and does it stay so with a hundred?

# %% slideshow={"slide_type": "fragment"}
labels = (5, 20, 100)
figures.lines(
    labels,
    {
        "on RotNet's features": [100 * few[f"rotnet_{n}"] for n in labels],
        "from nothing": [100 * few[f"nothing_{n}"] for n in labels],
    },
    xlabel="labels of each kind",
    ylabel="named rightly (%)",
    caption="Drawn objects, other pictures. Mean over all seeds.",
    note=few,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    "With five labels: "
    + few.compare("rotnet_5", "nothing_5").sentence(
        "the head on RotNet's features",
        "the same layers from nothing",
        what="named rightly",
        unit="points",
        times=100,
        digits=1,
    )
    + " With a hundred: "
    + few.compare("rotnet_100", "nothing_100").sentence(
        "the head on RotNet's features",
        "the same layers from nothing",
        what="named rightly",
        unit="points",
        times=100,
        digits=1,
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Play it as a game: the class calls the turn, then the line below is read out. Keep score on the board."}
# ## Play: you against the network
#
# How was this picture turned? Decide before you read the line below it.

# %% slideshow={"slide_type": "-"}
chosen = [int((asked.labels == k).nonzero()[0]) for k in range(kinds)]
secret = torch.randint(4, (kinds,), generator=generator(5, "game")).tolist()


def riddle(picture):
    k = known.names.index(picture)
    return turned(as_float(asked.images[chosen[k]][None]), 90 * secret[k])


def reply(picture):
    k = known.names.index(picture)
    with torch.no_grad():
        p = network(riddle(picture)).softmax(dim=1)[0]
    said = ", ".join(f"{90 * j} degrees {100 * share:.0f} %" for j, share in enumerate(p))
    return f"Turned by {90 * secret[k]} degrees. The network says: {said}."


Player(
    render=lambda picture: {"turned by ...": riddle(picture)},
    axes=(Axis("picture", known.names, "Picture"),),
    alt=lambda picture: f"A picture of a {picture}, turned by a multiple of 90 degrees",
    note=reply,
    caption="The network of experiment 1, on pictures that it has not seen. Turns are counter-clockwise.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "The most instructive number of the lecture: 25 percent of eight is twice chance, on pictures of nothing. Let them explain it before you do."}
# ## Break it: eight turns of nothing
#
# Why not eight angles, every 45 degrees? Here are pictures of **nothing**: noise, without any up or down. No network can
# say how noise was turned, so a task that is learnt on noise is learnt by a **shortcut**. Corners are cut off from all of
# them. **Predict:** how often is a network right with four angles (guessing: 25 %), and with eight (12.5 %)?

# %% slideshow={"slide_type": "skip"}
noise = torch.rand(
    choose(smoke=32, lecture=800, full=2000), 1, 32, 32, generator=generator(0, "noise")
)
noise = (255 * noise).byte()
half = len(noise) // 2
tiny = choose(smoke=Budget(3, 4), lecture=Budget(120, 16), full=Budget(500, 32))
rightly = {}
for name, degrees in {"four angles": FOUR, "eight angles": EIGHT}.items():
    fooled = NIN(channels=1, blocks=2, width=16, outputs=len(degrees))
    fooled, _ = rotnet.train(
        noise[:half], budget=tiny, seed=0, network=fooled, degrees=degrees
    )
    rightly[name] = rotnet.accuracy(fooled, noise[half:], degrees)

# %% slideshow={"slide_type": "fragment"}
figures.bars(
    {name: 100 * share for name, share in rightly.items()},
    xlabel="turns of noise told rightly (%)",
    digits=1,
    caption="Two short trainings on pictures of nothing, asked about others.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"In these two trainings {100 * rightly['four angles']:.0f} % with four angles and "
    f"{100 * rightly['eight angles']:.0f} % with eight. A turn by 45 degrees has to **interpolate**, which blurs; every "
    "second angle shows it, whatever is on the picture."
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "This is the probe: run any pretext task on pictures of nothing. A single threshold is enough here."}
# ## The probe: how sharp is it?
#
# One number is enough to see it: the mean difference of neighbouring pixels.


# %% slideshow={"slide_type": "-"}
def sharpness(images):
    """The mean difference of neighbours in a column, for each picture."""
    return images.diff(dim=-2).abs().mean(dim=(1, 2, 3))


pieces, angle = turns(as_float(noise[:200]), EIGHT)
sharp = {
    f"{a} degrees": sharpness(pieces[angle == k]).mean().item() for k, a in enumerate(EIGHT)
}

# %% slideshow={"slide_type": "-"}
figures.bars(
    sharp,
    xlabel="mean difference of neighbours",
    digits=3,
    caption="Noise in eight turns. Odd multiples of 45 degrees are blurred by the interpolation.",
)

# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "skip"}
by_angle = torch.stack([sharpness(pieces[angle == k]) for k in range(8)])
between = (by_angle[::2].min() + by_angle[1::2].max()) / 2
print(
    "one threshold tells odd from even multiples:",
    bool((by_angle[::2] > between).all() and (by_angle[1::2] < between).all()),
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The set without 0 degrees is interesting: a picture as it is never appears in training, and pictures as they are is all that comes later."}
# ## Experiment 2: which set of turns?
#
# Four, eight, or one of two pairs. All trainings see the same number of images. **Predict:** which is best, which is
# worst?

# %% slideshow={"slide_type": "fragment"}
sets = cite("rotnet-sets")
names = {
    "four": "0, 90, 180, 270",
    "eight": "every 45 degrees",
    "half": "0, 180",
    "quarter": "90, 270",
}
table_2 = {"four": 89.06, "eight": 88.51, "half": 87.46, "quarter": 85.52}
figures.table(
    {
        names[key]: {
            "drawn objects": 100 * sets[key],
            "CIFAR-10, paper": Paper(table_2[key]),
        }
        for key in SETS
    },
    digits=1,
    caption="Named rightly (%) by the probe of block 2. The paper's column: Gidaris et al. 2018, table 2.",
    note=sets,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    sets.compare("four", "half").sentence("four turns", "0 and 180 degrees", **words)
    + " "
    + sets.compare("four", "quarter").sentence("four turns", "90 and 270 degrees", **words)
    + " "
    + sets.compare("four", "eight").sentence("four turns", "eight", **words)
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The last block has specialised: it knows the angle and little else. On objects and on photographs the best block lies in the middle, in the paper, too."}
# ## Experiment 3: photographs, block by block
#
# The same on CIFAR-10, 600 photographs of each of ten kinds, 32 pixels wide. **Predict:** does the *last* block, which is
# nearest to the answer, serve a probe best?

# %% slideshow={"slide_type": "fragment"}
table_1 = {1: 85.07, 2: 89.06, 3: 86.21, 4: 61.73}
figures.table(
    {
        "RotNet": {f"block {b}": 100 * photographs[f"rotnet_{b}"] for b in table_1},
        "random weights": {f"block {b}": 100 * photographs[f"random_{b}"] for b in table_1},
        "RotNet, paper": {f"block {b}": Paper(value) for b, value in table_1.items()},
    },
    digits=1,
    caption="CIFAR-10, named rightly (%) by a probe of each block. Ours: 6000 pictures to learn from and a quarter of the "
    "width. The paper (table 1): all 50 000, for days.",
    note=photographs,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    photographs.compare("rotnet_2", "rotnet_4").sentence(
        "block 2",
        "the last block",
        what="the probe on photographs",
        unit="points",
        times=100,
        digits=1,
    )
    + " "
    + photographs.compare("rotnet_2", "random_2").sentence(
        "RotNet", "random weights", **words
    )
    + " "
    + photographs.compare("rotnet_2", "autoencoder_2").sentence(
        "RotNet", "the autoencoder", **words
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The gap between the last two rows is what self-supervision leaves open; the gap to the first is what it gains."}
# ## The paper's comparison
#
# With all of CIFAR-10, a third block with labels on two blocks of RotNet comes within two points of the same network
# trained with labels throughout.

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        "random weights, third block with labels": {"CIFAR-10 (%)": Paper(72.50)},
        "exemplar networks (lecture generative_pretexts)": {"CIFAR-10 (%)": Paper(84.3)},
        "RotNet, probe with two hidden layers": {"CIFAR-10 (%)": Paper(89.06)},
        "RotNet, third block with labels": {"CIFAR-10 (%)": Paper(91.16)},
        "RotNet, all fine-tuned": {"CIFAR-10 (%)": Paper(92.17)},
        "labels throughout": {"CIFAR-10 (%)": Paper(92.80)},
    },
    digits=2,
    caption="Gidaris et al. 2018, table 3.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Read the columns as a lecturer would: with ImageNet labels the best layer is the last, with pretext tasks it is in the middle."}
# ## On ImageNet
#
# A linear classifier on each layer of an AlexNet that was trained on ImageNet without labels, by different pretext tasks.

# %% slideshow={"slide_type": "-"}
layers = [f"conv{i}" for i in range(1, 6)]
imagenet = {
    "ImageNet labels": (19.3, 36.3, 44.2, 48.3, 50.5),
    "random": (11.6, 17.1, 16.9, 16.3, 14.1),
    "relative position": (16.2, 23.3, 30.2, 31.7, 29.6),
    "context encoder": (14.1, 20.7, 21.0, 19.8, 15.5),
    "colorization": (12.5, 24.5, 30.4, 31.5, 30.3),
    "jigsaw": (18.2, 28.8, 34.0, 33.9, 27.1),
    "RotNet": (18.8, 31.7, 38.7, 38.2, 36.5),
}
figures.table(
    {
        name: dict(zip(layers, map(Paper, row), strict=True))
        for name, row in imagenet.items()
    },
    digits=1,
    caption="Named rightly (%). Gidaris et al. 2018, table 5, with the values of the papers that introduced each task.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Both networks look at the object. Ask whether they look at the same part of it."}
# ## Where does it look?
#
# The **activation energy** of a block, $A(x, y) = \sum_k |F_k(x, y)|^p$, says where it answers strongly, without asking for
# a class (Zagoruyko and Komodakis 2017). So it can compare a network that never had a label with one that had.

# %% slideshow={"slide_type": "skip"}
with_labels = backbone(0, outputs=kinds, blocks=3)
with_labels, _ = probe.train(
    with_labels,
    known,
    budget=Budget(short.steps, 4 * short.batch),
    seed=0,
    view=rotnet.moved_and_mirrored,
)
block = choose(smoke=2, lecture=2, full=2)


def energy(net):
    """Pictures in gray, and the activation energy of block 2 in red."""
    x = as_float(asked.images[chosen[:6]])
    with torch.no_grad():
        a = cam.enlarged(cam.attention(net.eval().features(x, block)), x.shape[-2:])
    a = 0.8 * a / a.amax(dim=(2, 3), keepdim=True)
    red = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
    return (1 - a) * x.mean(dim=1, keepdim=True) + a * red


# %% slideshow={"slide_type": "-"}
figures.images(
    torch.cat([as_float(asked.images[chosen[:6]]), energy(network), energy(with_labels)]),
    columns=6,
    alt="Three rows: six pictures; the activation energy of RotNet over them in red; that of the network with labels",
    caption="Six pictures, where block 2 of RotNet answers, and where block 2 of a network that had the labels answers.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The source says that RotNet's filters are oriented edges of many frequencies, with more variety than the supervised ones. Ours are small and few: look, and do not conclude."}
# ## First filters
#
# Filters of the first layer as they act, with the scale of the normalisation that follows.


# %% slideshow={"slide_type": "skip"}
def filters(net):
    layer = net.blocks[0][0]
    w = cam.first_filters(layer[0], layer[1])[:24]
    low, high = w.amin(dim=(1, 2, 3), keepdim=True), w.amax(dim=(1, 2, 3), keepdim=True)
    return F.interpolate((w - low) / (high - low).clamp(min=1e-6), scale_factor=4)


# %% slideshow={"slide_type": "-"}
count = min(12, len(filters(network)))
figures.images(
    torch.cat([filters(network)[:count], filters(with_labels)[:count]]),
    columns=count,
    alt="Two rows of small coloured filters, of RotNet and of a network with labels",
    caption="First row: filters that learnt to tell turns. Second row: filters that learnt from labels.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Collect examples from the class: flowers from above, satellite pictures, cells, a ball."}
# ## Where it must fail
#
# The task needs an up and a down. Pictures taken from straight above, cells under a microscope, a flower, a ball look the
# same from all sides: there the label is noise. And any mark with an up and down of its own (a date in a corner, the sky,
# the habits of photographers) answers the question without a look at the content. A picture that is mirrored *both* ways
# is turned by 180 degrees: as augmentation that makes wrong labels.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - A pretext task asks a question whose answer we made ourselves. The answer is worthless, the features are not.
# - RotNet: by how many quarter turns? All four turns of a picture are in one batch; a clueless network has the loss
#   $\log 4$.
# - Judge features with a probe, beside random weights and an autoencoder, with the same head and the same training.
# - Run a pretext task on pictures of nothing. What is learnt there is a shortcut.

# %% slideshow={"slide_type": "slide", "minutes": 2, "notes": "Let everyone answer alone first."}
Quiz.parse("""
A batch has 128 pictures. How many images does RotNet with four angles see in a step?
- [x] 512 | All four turns of each picture are in the batch.
- [ ] 128 | That would be one random turn of each. The paper puts all turns of a picture into
  one batch.
- [ ] 32 | Pictures are not divided among the angles; each is turned by all of them.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
On pictures of noise, a network tells eight turns rightly in 25 % of the cases. What follows?
- [x] It uses the interpolation | It tells odd from even multiples of 45 degrees by the blur, and
  guesses among the four that are left.
- [ ] It guesses | Guessing among eight would be right in 12.5 % of the cases.
- [ ] Noise has an up and a down after all | Each value is independent of its neighbours, in
  every direction.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
Which augmentation makes wrong labels for RotNet?
- [x] mirroring left and right, and up and down | Both together are a turn by 180 degrees, which
  then has the label 0.
- [ ] mirroring left and right | A mirrored picture stands as upright as before.
- [ ] shifting by some pixels before the turn | Content moves a little, up stays up.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
A probe of random weights is already far above guessing. What does that say?
- [x] Convolutions with random weights are features, too | So they are the baseline for every other
  network with the same probe.
- [ ] The test pictures were trained on | Only the head was trained, on others.
- [ ] The probe is broken | It finds what is there: random filters keep much of a picture.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/05_rotnet.ipynb): turns with an angle of its
# own for each picture, a vote of four turns, and a linear probe in closed form.
#
# To explore on your own:
#
# 1. Add a flip up and down to the augmentation. What happens to the share of right turns?
# 2. Put a small white square into the lower left corner of every picture. How soon is the task solved, and what is the
#    probe worth?
# 3. Train on one random turn of each picture instead of all four. Compare at the same number of images.
#
# ## Further reading
#
# - G. Boracchi: *Departing From Supervised Learning*, PhD course, Politecnico di Milano, 2025. Self-supervised learning.
# - S. Gidaris, P. Singh, N. Komodakis: *Unsupervised Representation Learning by Predicting Image Rotations*, ICLR 2018.
# - M. Lin, Q. Chen, S. Yan: *Network In Network*, ICLR 2014. The backbone.
# - A. Kolesnikov, X. Zhai, L. Beyer: *Revisiting Self-Supervised Visual Representation Learning*, CVPR 2019. How much the
#   backbone and the probe matter.
