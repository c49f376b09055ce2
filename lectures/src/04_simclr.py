# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Hide the labels. Ask: how would you sort these pictures? People see both answers at once, colours and shapes. A network does not know which one we mean, and there are no labels to say so."}
# ## A thousand pictures without labels
#
# In lecture *siamese* every picture had a label that said who it was. Here are pictures that our own code draws, many
# copies of one shape in one colour on a background of another, and the network gets no labels. Colours mean nothing: each
# picture has two random ones, and every shape comes in all of them. Which pictures are most like a given one?

# %% slideshow={"slide_type": "-"}
import math
from functools import cache

import torch
from torch.nn import functional as F

from course_lib import figures, zoo
from course_lib.claims.answers import answer
from course_lib.claims.cite import cite
from course_lib.claims.simclr import TEMPERATURE, VIEWS, pushes_on_own_kind
from course_lib.data.shapes import shapes
from course_lib.embeddings import as_float, embed, knn_probe, linear_probe, pixels
from course_lib.figures import Paper
from course_lib.fit import History
from course_lib.networks import Encoder, settle
from course_lib.pretext import simclr, views
from course_lib.pretext.simclr import SimCLR, alignment, nt_xent, uniformity
from course_lib.pretext.views import Views
from course_lib.profiles import Budget, choose
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

# %% slideshow={"slide_type": "skip"}
known = shapes(choose(smoke=12, lecture=120, full=120), seed=0)  # to learn from
asked = shapes(choose(smoke=8, lecture=50, full=100), seed=1)  # never trained on
queries = [kind * (len(asked.images) // 8) for kind in (0, 2, 4, 6)]  # the first of a kind


def neighbours(of_known, of_asked, shown=queries[:3]):
    """A row of pictures for each query: itself, and the five with the nearest features. And how many neighbours of all
    pictures have the same shape, in per cent."""
    cosines = (
        F.normalize(of_asked, dim=1) @ F.normalize(of_known, dim=1).T
    )  # (asked, known)
    nearest = cosines.topk(5, dim=1).indices
    right = known.labels[nearest] == asked.labels[:, None]
    rows = [torch.cat([asked.images[q][None], known.images[nearest[q]]]) for q in shown]
    return as_float(torch.cat(rows)), 100 * right.double().mean().item()


grid, right = neighbours(pixels(known.images), pixels(asked.images))

# %% slideshow={"slide_type": "-"}
alt = (
    "Three rows of six small pictures of scattered shapes. In each row the first picture is a query, and beside it are the "
    "five nearest others, most of them of other shapes"
)
figures.images(
    grid,
    columns=6,
    alt=alt,
    caption=f"First column: three pictures. Beside each, the five nearest of {len(known.images)} others in pixels (with "
    f"the largest cosine). Of all such neighbours {right:.0f} % show the same shape; by chance it would be 12.5 %.",
)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
print("kinds:", ", ".join(known.names))
mean_colour = [of.images.float().mean(dim=(2, 3)) for of in (known, asked)]
by_colour = linear_probe(mean_colour[0], known.labels, mean_colour[1], asked.labels)
print("guessing is right for a share of", 1 / len(known.names))
print("the mean colour does not tell the kind:", by_colour < 0.3)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Put lecture siamese's triplet on the board and cross out the word 'person'. What replaces it? Let them propose augmentations, then ask for each what it says is unimportant."}
# ## Pairs without labels
#
# A triplet loss needs two pictures of the same person, and one of another. Without labels we do not know which pictures
# belong together, with one exception: **a picture and itself**. So we take two **views** of each picture, two randomly
# augmented copies. The **augmentation** changes the pixels and keeps what we care about.
#
# | | lecture *siamese* | here |
# |---|---|---|
# | belong together | two pictures with the same name | two views of the same picture |
# | do not | pictures with different names | views of any two different pictures |
# | what is alike is decided by | the person who wrote the labels | **the person who chose the augmentation** |
#
# The last line is the main idea of the lecture.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "Go through the five views of a row: what changed, what stayed? What stayed may be used to recognise the picture."}
# ## What an augmentation says
#
# It says: "*this* does not matter". A crop says that place and size do not matter, a change of colours says that colours
# do not. Whatever it keeps may be used to recognise a picture.


# %% slideshow={"slide_type": "-"}
look = VIEWS["views"]  # crops, mirrored or not, colours changed or taken away


def two_views(pictures, draw):
    """Two random views of each picture; every picture gets its own random numbers."""
    return look(torch.cat([pictures, pictures]), draw).chunk(2)


# %% slideshow={"slide_type": "skip"}
chosen = as_float(asked.images[[queries[0] + 1, queries[3] + 1]])
several = [chosen] + [look(chosen, generator(draw, "lecture 03")) for draw in range(5)]

# %% slideshow={"slide_type": "-"}
figures.images(
    torch.stack(several, dim=1).flatten(0, 1),
    columns=6,
    alt="Two rows: a picture of shapes, and five views of it, each another part of it, some mirrored, in other "
    "colours, some in gray",
    caption="Left: two pictures. Beside each, five views of it.",
)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
draw = generator(0, "by hand")
sampled = known.images[torch.randperm(len(known.images), generator=draw)[:6]]  # N = 6
a, b = two_views(as_float(sampled), draw)
library_a, library_b = simclr.pairs(known.images, look)(6, generator(0, "by hand"))
print(
    "the library makes the same views:",
    torch.equal(a, library_a),
    torch.equal(b, library_b),
)

# %% slideshow={"slide_type": "skip"}
figures.code(simclr.pairs, Views)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "Derive from the multiple-choice question. Write N = 2 in full on the board: four views, three candidates each. The hand cases on the next slide are worth doing with them."}
# ## A multiple-choice question
#
# Sample $N$ pictures, two views of each. A network $f$ makes **features** $h = f(x)$, a small head $g$ a **projection**
# $z = g(h)$; after the training the head is removed, and $h$ is used. Ask view $i$: *which of the $2N - 1$ other views is
# your partner $i'$?* Let a softmax over cosines answer, with a temperature $\tau$:
#
# $$s_{ik} = \frac{z_i^\top z_k}{\lVert z_i \rVert\, \lVert z_k \rVert}, \qquad
# p_{ik} = \frac{e^{s_{ik}/\tau}}{\sum_{m \ne i} e^{s_{im}/\tau}}, \quad k \ne i .$$
#
# Views of other pictures are called **negatives**. This is classification with new classes in each batch, and its loss
# is the cross-entropy of the right answer, **NT-Xent** (Chen et al. 2020, equation 1):
#
# $$\ell_i = -\log p_{ii'} = -\frac{s_{ii'}}{\tau} + \log \sum_{k \ne i} e^{s_{ik}/\tau}, \qquad
# \mathcal L = \frac1{2N} \sum_{i=1}^{2N} \ell_i$$

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Do both hand cases at the board. Two axes: the partner has cosine 1, two negatives 0. One point: the network can only guess among seven."}
# ## The question of one view, in code
#
# Two cases can be computed by hand: the views of two pictures lie on two axes (the partner has cosine 1, two negatives
# have 0); or a network maps everything to one point, and can only guess.


# %% slideshow={"slide_type": "-"}
def loss_of(i, z, tau):
    """The loss of view i of z (2N, D), where row i + N, counted around, is its partner."""
    z = F.normalize(z, dim=1)  # now products of rows are cosines
    s = z @ z[i]  # s_ik for all k, (2N,)
    partner = (i + len(z) // 2) % len(z)
    others = torch.arange(len(z)) != i  # no view is its own candidate
    return -s[partner] / tau + (s[others] / tau).exp().sum().log()


# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "-"}
axes_of_the_plane = torch.eye(2, dtype=torch.float64)
one_point = torch.ones(4, 3, dtype=torch.float64)
for tau in (1.0, 0.5):
    loss = nt_xent(axes_of_the_plane, axes_of_the_plane, temperature=tau).item()
    by_hand = math.log(1 + 2 * math.exp(-1 / tau))
    print(f"two axes, tau = {tau}: {loss:.6f}, by hand {by_hand:.6f}")
print(
    f"one point, N = 4: {nt_xent(one_point, one_point).item():.6f}, log 7 = {math.log(7):.6f}"
)
longer = nt_xent(5 * axes_of_the_plane, axes_of_the_plane, temperature=1.0).item()
print("lengths do not count:", abs(longer - math.log(1 + 2 / math.e)) < 1e-12)
turn = 2 * math.pi / 5 * torch.arange(5, dtype=torch.float64)  # evenly around a circle
a, b = (torch.stack([(turn + by).cos(), (turn + by).sin()], dim=1) for by in (0, 0.3))
mean = nt_xent(a, b, temperature=0.2)  # on a circle all views have the same loss
alike = all(abs(loss_of(i, torch.cat([a, b]), 0.2) - mean) < 1e-12 for i in (0, 7))
print("five pictures on a circle: one view has the library's loss:", alike)

# %% slideshow={"slide_type": "skip"}
figures.code(nt_xent)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "The derivative is two lines. The point: the loss does its own hard negative mining, and the temperature says how hard."}
# ## What the temperature does
#
# Differentiate: $\partial \ell_i / \partial s_{ik} = p_{ik} / \tau$ for a negative $k$, and $(p_{ii'} - 1)/\tau$ for the
# partner. **The more a negative is taken for the partner, the more strongly it is pushed away**, as with the hard mining
# of lecture *siamese*. Negatives with cosines $s$ and $s - \delta$ are pushed in the ratio $e^{\delta/\tau}$.

# %% slideshow={"slide_type": "skip"}
cosines = torch.linspace(-1, 1, 41)
crowd = 2 * torch.rand(4000, generator=generator(0, "crowd")) - 1  # negatives anywhere
pushes = {
    f"τ = {tau}": (cosines / tau).exp() / (crowd / tau).exp().mean()
    for tau in (0.1, 0.2, 0.5, 1.0)
}

# %% slideshow={"slide_type": "-"}
figures.lines(
    cosines,
    pushes,
    xlabel="cosine of a negative",
    ylabel="push, relative to the mean",
    caption="Negatives with cosines spread evenly from −1 to 1. At a low temperature mostly the nearest ones are pushed.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Alignment alone is perfect at a collapsed network, and uniformity alone is good for points at random: they need each other."}
# ## What the loss asks for
#
# Two numbers say where the projections lie on the sphere (Wang and Isola 2020). Smaller is better for both.
#
# $$\text{alignment} = \mathbb E \lVert z - z' \rVert^2, \qquad
# \text{uniformity} = \log \mathbb E\, e^{-2 \lVert z_i - z_j \rVert^2}$$
#
# **Alignment:** are the two views $z$, $z'$ of a picture near each other? **Uniformity:** are different pictures spread
# over the whole sphere? The loss asks for both; with many negatives $z''$
#
# $$\mathcal L - \log 2N \;\approx\; -\frac1\tau\, \mathbb E\, s(z, z') + \mathbb E_z \log \mathbb E_{z''}\, e^{s(z, z'')/\tau} .$$

# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "-"}
opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
print("all in one point: alignment", alignment(one_point, one_point).item(), end="")
print(", uniformity", abs(round(uniformity(one_point).item(), 6)))
print("two opposite points: uniformity", round(uniformity(opposite).item(), 6))

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Why not use z? Ask which information the loss removes from z: for instance, whether a picture is red. Could a later task need it? Experiment 2 measures it."}
# ## A head that is thrown away
#
# The features $h$ are the activations of the last block of convolutions, averaged over the picture; the head has two
# linear layers with a ReLU between them. Removing it looks like waste: the loss was computed on $z$, not on $h$. But the
# loss also removes from $z$ what the augmentation changes. $h$ may still contain it, since the head can drop it. So $h$
# should be the more useful of the two, if you do not know yet what you will need. Ours have 64 numbers each; in the paper
# $h$ has 2048 and $z$ has 128.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
small = SimCLR(Encoder(channels=3, widths=(4, 8), seed=0), dimensions=5, seed=0).eval()
with torch.no_grad():
    x = as_float(asked.images[:2])
    h = small.encoder(x)
    z = small.head(h)
    print(
        "h:", tuple(h.shape), "z:", tuple(z.shape), "z = g(f(x)):", torch.equal(z, small(x))
    )

# %% slideshow={"slide_type": "skip"}
figures.code(SimCLR)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "Let them predict all three curves. What they see: an untrained network puts everything near one point, so partners are near, like all other views; alignment can get worse before it gets better."}
# ## Experiment 1: train, and look at the sphere
#
# We train with $\tau = 0.2$ on views that show a quarter of a picture or more and change its colours. No labels are
# used. For *evaluation* only, the five nearest pictures, in the features $h$, vote on the shape of a new one (guessing:
# 12.5 %). **Predict:** how many votes are right before the training, and how many after it?

# %% slideshow={"slide_type": "skip"}
widths = choose(smoke=(4, 8), lecture=(16, 32, 64, 64), full=(16, 32, 64, 64))
budget = choose(smoke=Budget(4, 16), lecture=Budget(250, 128), full=Budget(2500, 256))
source = simclr.pairs(asked.images, look)
a, b = source(min(256, len(asked.images)), generator(0, "two views"))


def new_network():
    return SimCLR(Encoder(channels=3, widths=widths, seed=0), dimensions=64, seed=0)


def validate(model, progress):
    """Measure what the loss does not: neighbours, alignment and uniformity on new pictures."""
    of_known, of_asked = (embed(model.encoder, of.images) for of in (known, asked))
    votes = knn_probe(of_known, known.labels, of_asked, asked.labels)
    za, zb = embed(model, a), embed(model, b)
    return {
        "alignment": alignment(za, zb).item(),
        "uniformity": uniformity(za).item(),
        "right votes": votes,
    }


# %% slideshow={"slide_type": "skip"}
settings = dict(budget=budget, seed=0, temperature=TEMPERATURE)
trained, history = simclr.train(
    known, network=new_network(), view=look, validate=validate, **settings
)

# %% slideshow={"slide_type": "fragment"}
figures.history(
    History(validation_steps=history.validation_steps, validated=history.validated),
    labels={"right votes": "share of right votes"},
    caption=f"A short training, of {budget.steps} steps, on {len(known.images)} unlabelled pictures; measured on others.",
)

# %% slideshow={"slide_type": "fragment"}
drawn = cite("simclr-shapes")
answer(
    f"{100 * drawn['random_nearest']:.0f} % before and {100 * drawn['views_nearest']:.0f} % after 1250 steps, in the mean of "
    f"{len(drawn.seeds)} trainings. "
    + drawn.compare("views_nearest", "random_nearest").sentence(
        "the trained network",
        "the untrained one",
        what="right votes",
        unit="points",
        times=100,
        digits=0,
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "The untrained network is the right baseline: random convolutions are features, too. Always report it."}
# ## How good are features?
#
# A **linear probe** freezes $f$ and trains one linear layer on $h$, now with labels. It can only use what the features
# contain. The baseline is an untrained network of the same kind: random convolutions are features, too.

# %% slideshow={"slide_type": "skip"}
trained_longer = zoo.load(Encoder, "simclr-shapes")
steps = zoo.card("simclr-shapes").recipe_arguments["steps"]
batches = choose(smoke=2, lecture=20, full=20)  # for its normalisations only
source, draw = simclr.pairs(known.images, look), generator(0, "settle")
settling = (torch.cat(source(budget.batch, draw)) for _ in range(batches))
untrained = settle(new_network(), settling)


def judged(encoder):
    """Both probes on the features of new pictures."""
    h_known, h_asked = embed(encoder, known.images), embed(encoder, asked.images)
    given = (h_known, known.labels, h_asked, asked.labels)
    return {
        "linear probe (%)": 100 * linear_probe(*given),
        "5 neighbours (%)": 100 * knn_probe(*given),
    }


rows = {
    "untrained": judged(untrained.encoder),
    f"SimCLR, {budget.steps} steps (this training)": judged(trained.encoder),
    f"SimCLR, {steps} steps (stored weights)": judged(trained_longer),
}

# %% slideshow={"slide_type": "-"}
figures.table(
    rows,
    digits=1,
    caption="Shapes named rightly in pictures never trained on, by the features h. Guessing: 12.5 %.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Compare with the first figure of the lecture. The queries are the same. Which neighbours have other colours than the query?"}
# ## The same queries, after a longer training
#
# These weights are stored with the course: a longer training on such pictures, without labels, too.

# %% slideshow={"slide_type": "skip"}
h_known, h_asked = (embed(trained_longer, of.images) for of in (known, asked))
grid, right = neighbours(h_known, h_asked)

# %% slideshow={"slide_type": "-"}
figures.images(
    grid,
    columns=6,
    alt="Three rows of six small pictures: the queries of the beginning, and their five nearest neighbours in the "
    f"features of the longer training. Of the neighbours of all pictures, {right:.0f} per cent show the same shape",
    caption=f"The queries of the beginning, and what is nearest in the features after {steps} steps. Of all neighbours "
    f"{right:.0f} % show the same shape. The network was trained without labels.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Start with colours unchanged and whole pictures, then crops, then colours. Ask for the number in the note before each move."}
# ## Play: views, and a shortcut
#
# The line under the pictures is about a very simple matcher that uses **nothing but the mean colour** of a view: for how
# many views does it find the partner? The more, the less a network has to look at shapes to make the loss small.

# %% slideshow={"slide_type": "-"}
crops = {"the whole": 1.0, "half": 0.5, "a quarter": 0.25}
strengths = (0.0, 0.25, 0.5, 1.0)
samples = {"square": 2, "triangle": 4, "star": 6}  # kinds


def player_view(part, strength):
    return Views(
        area=(crops[part], 1.0), strength=strength, gray=0.2 * min(1, 2 * strength)
    )


@cache
def found_by_colour(part, strength):
    """How often the nearest mean colour is that of the other view of the same picture, in per cent."""
    mixed = torch.randperm(len(known.images), generator=generator(0, "play"))[:128]
    many, draw = as_float(known.images[mixed]), generator(0, "matcher", part)
    first, second = player_view(part, strength)(torch.cat([many, many]), draw).chunk(2)
    means = torch.cat([first, second]).mean(dim=(2, 3))
    apart = torch.cdist(means, means).fill_diagonal_(torch.inf)
    partner = torch.arange(len(means)).roll(len(first))
    return 100 * (apart.argmin(dim=1) == partner).float().mean().item()


def show_views(part, strength, picture):
    image = as_float(asked.images[samples[picture] * len(asked.images) // 8][None])
    draw = generator(3, "player", picture)
    one, other = player_view(part, strength)(torch.cat([image, image]), draw)
    return {"one view": one, "another view": other, "the picture": image[0]}


Player(
    render=show_views,
    axes=(
        Axis("part", tuple(crops), "A crop shows at least"),
        Axis("strength", strengths, "Colours change with strength"),
        Axis("picture", tuple(samples), "Picture"),
    ),
    alt=lambda part, strength, picture: (
        f"A picture of scattered shapes ({picture}) and two views of it that show "
        + ("the whole picture" if crops[part] == 1 else f"{part} of it or more")
        + ", with colours "
        + ("as they were" if strength == 0 else f"changed with strength {strength:g}")
    ),
    note=lambda part, strength, picture: (
        f"The mean colour alone finds the partner of {found_by_colour(part, strength):.0f} % of the views, "
        f"among {2 * min(128, len(known.images)) - 1} candidates."
    ),
    caption="Two views of a picture. By chance a matcher would find about one in 255.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "This is the slide to remember. The curve of the loss looks like success. Ask them to vote which network they would ship, from the loss alone."}
# ## Break it
#
# Leave the colours as they are: a view is a crop, mirrored or not. Same network, same pictures, same number of steps.
# The question becomes easier, and the loss lower. **Predict:** are shapes named rightly more often than with an
# untrained network, or less often?

# %% slideshow={"slide_type": "skip"}
crops_alone = VIEWS["crops"]  # the same without the colours
fooled, fooled_history = simclr.train(
    known, network=new_network(), view=crops_alone, **settings
)
seen = {
    name: neighbours(embed(of.encoder, known.images), embed(of.encoder, asked.images))
    for name, of in {"crops alone": fooled, "crops and colours": trained}.items()
}

# %% slideshow={"slide_type": "-"}
figures.history(
    {
        "crops and colours": History(history.steps, history.terms),
        "crops alone": fooled_history,
    },
    caption="The loss of both trainings. Which network would you take?",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Let them say what the neighbours of a row have in common. The answer to the prediction comes from the experiment with several seeds."}
# ## What the network with the lower loss has learnt
#
# Crops of one picture have the same two colours, and no other picture of the batch has them, so the **colour histogram
# answers the question** (Chen et al. 2020, section 3.1). Nothing in the loss asks for more.

# %% slideshow={"slide_type": "-"}
alt = (
    "Three rows of six small pictures: the queries of the beginning, and their five nearest neighbours in the features "
    "that were learnt from crops alone: mostly other shapes, in colours like those of the query"
)
figures.images(
    seen["crops alone"][0],
    columns=6,
    alt=alt,
    caption="The queries of the beginning, and what is nearest in features learnt from crops alone. Of all neighbours "
    f"{seen['crops alone'][1]:.0f} % show the same shape; with crops and colours {seen['crops and colours'][1]:.0f} %.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    drawn.compare("crops_linear", "random_linear").sentence(
        "training on crops alone",
        "no training",
        what="shapes that a linear probe names rightly",
        unit="points",
        times=100,
        digits=0,
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "This test needs no labels. Most tests for shortcuts have this form: keep what should count, change what should not, and see where the features go."}
# ## The probe
#
# It keeps what should count, changes what should not, and looks where the features go; it needs no labels. Is a picture
# nearer to *itself in other colours*, or to *another picture whose mean colour is most like its own*?


# %% slideshow={"slide_type": "-"}
def itself_in_other_colours(encoder):
    """For how many pictures, in %, the same picture in other colours is the nearer one."""
    image = as_float(asked.images)
    other = views.jittered(image, 1.0, generator(0, "other colours"))
    alike = known.images[torch.cdist(mean_colour[1], mean_colour[0]).argmin(dim=1)]
    h, itself, rival = (
        F.normalize(embed(encoder, x), dim=1) for x in (image, other, alike)
    )
    return 100 * ((h * itself).sum(dim=1) > (h * rival).sum(dim=1)).double().mean().item()


# %% slideshow={"slide_type": "skip"}
losses = {"crops alone": fooled_history, "crops and colours": history}
rows = {}
for name, network in (
    ("untrained", untrained),
    ("crops alone", fooled),
    ("crops and colours", trained),
):
    last = losses[name].terms["loss"][-20:] if name in losses else []
    rows[name] = {"itself (%)": itself_in_other_colours(network.encoder)}
    rows[name] |= {"loss at the end": sum(last) / len(last) if last else None}
    rows[name] |= judged(network.encoder)

# %% slideshow={"slide_type": "-"}
figures.table(
    rows,
    digits=1,
    caption="These trainings: how often the picture itself is nearer, the loss, and both probes of shape.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Several seeds each, and another set: photographs. The network called 'crops alone' in the figure is the one with the lower loss."}
# ## Experiment 2: several trainings, and photographs
#
# The same on drawn pictures with other seeds, and on 3000 photographs of CIFAR-10, whose results we may show. There
# colour is a weaker trap: the colours of sky and grass do say something about the content. **Predict:** on photographs,
# do crops alone teach more than no training?

# %% slideshow={"slide_type": "fragment"}
photographs = cite("simclr-cifar")
learnt = {
    "untrained": "random",
    "crops alone": "crops",
    "a view, and the picture itself": "original",
    "crops and colours": "views",
}
figures.bars(
    {
        "drawn shapes": drawn.row(learnt, "{}_linear", times=100),
        "CIFAR-10": photographs.row(learnt, "{}_linear", times=100),
    },
    xlabel="linear probe on h: named rightly (%)",
    digits=1,
    caption="Mean over all seeds of trainings of 1250 steps.",
    note=[drawn, photographs],
)

# %% slideshow={"slide_type": "fragment"}
words = {"what": "the linear probe", "unit": "points", "times": 100, "digits": 1}
answer(
    "On photographs: "
    + photographs.compare("crops_linear", "random_linear").sentence(
        "training on crops alone", "no training", **words
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The original form of the idea in the course that this one follows."}
# ## Two views with colours changed, and other pairs
#
# Boracchi 2025 describes pairs of "augmented and not augmented versions" of a picture: one of the two is the picture as
# it is. Do they teach as much as two views? And do the colours help on photographs, too?

# %% slideshow={"slide_type": "fragment"}
answer(
    "On drawn shapes: "
    + drawn.compare("views_linear", "original_linear").sentence(
        "training on two views", "training on one view and the picture itself", **words
    )
    + " On photographs: "
    + photographs.compare("views_linear", "original_linear").sentence(
        "training on two views", "training on one view and the picture itself", **words
    )
    + " "
    + photographs.compare("views_linear", "crops_linear").sentence(
        "training on crops and colours", "training on crops alone", **words
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "On ImageNet the paper measures more than ten points. Ours is a small network with a short training, and z has as many numbers as h: there is less to drop."}
# ## What does the head remove?
#
# On ImageNet, a linear probe on $h$ names more than ten points more pictures rightly than one on $z$ (Chen et al. 2020,
# section 4.2). **Predict:** on drawn shapes, which of $h$ and $z$ knows more of the *colours*, which the augmentation
# changes?

# %% slideshow={"slide_type": "fragment"}
probed = {
    "kind, from h (%)": "views_linear",
    "from z": "head_linear",
    "main colour, from h (%)": "told_h",
    "from z ": "told_z",
}
figures.table(
    {
        "drawn shapes": drawn.row(probed, times=100),
        "CIFAR-10": photographs.row(probed, times=100),
    },
    digits=1,
    caption="What linear probes find in h and in z. The main colour of a picture is red, green or blue.",
    note=[drawn, photographs],
)

# %% slideshow={"slide_type": "fragment"}
answer(
    drawn.compare("told_h", "told_z").sentence(
        "the probe on h", "that on z", **(words | {"what": "the main colour"})
    )
    + " "
    + drawn.compare("views_linear", "head_linear").sentence(
        "the probe on h", "that on z", **(words | {"what": "the shape"})
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "An untrained network can be aligned well because all points are near each other: the relative alignment is in units of the distance of different pictures."}
# ## What the trainings did to the sphere

# %% slideshow={"slide_type": "-"}
on_the_sphere = {
    "alignment": "alignment",
    "... over the distance of different pictures": "relative",
    "uniformity": "uniformity",
}
figures.table(
    {
        f"{what}, {name}": {
            "untrained": of[f"{metric}_before"],
            "trained": of[f"{metric}_after"],
        }
        for name, of in {"drawn shapes": drawn, "CIFAR-10": photographs}.items()
        for what, metric in on_the_sphere.items()
    },
    caption="On pictures not trained on, with crops and colours. Smaller is better for all. Mean over all seeds.",
    note=[drawn, photographs],
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Do the arithmetic of the lower bound with them: 2N/K views share a point; one is the view itself, one its partner."}
# ## False negatives
#
# Not all negatives show something else. Of $N = 128$ pictures with $K = 8$ kinds some 15 others show *the same shape*, and
# the loss pushes those away, too. Suppose that a network were perfect for us and put each kind in one point. Then $2N/K$
# views lie there, and each of them can only guess its partner among $2N/K - 1$ candidates:
#
# $$\mathcal L \;\ge\; \log\left(\frac{2N}{K} - 1\right) .$$

# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "-"}
labels = torch.arange(128) % 8
ideal = F.one_hot(labels, 8).double()  # each kind in one point, kinds at right angles
floor = math.log(2 * 128 / 8 - 1)
print(f"a network that knows the kinds and nothing else: at least {floor:.3f}")
print(f"the same, tau = 0.05: {nt_xent(ideal, ideal, temperature=0.05).item():.3f}")
alone = torch.eye(128, dtype=torch.float64)  # each picture for itself
less = nt_xent(alone, alone, temperature=0.2).item() < floor
print("each picture for itself costs less:", less)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "With ImageNet's thousand classes one negative in a thousand is false. With eight classes it is one in eight: sets with few classes are the worst case."}
# ## Where do the pushes go?
#
# The loss separates every picture from all others, and kinds appear on the way there, perhaps because pictures of one
# kind are *hard to distinguish*. Take all weight $p_{ik}$ on negatives, and the share that falls on pictures of the same
# kind: about 12 % by chance. **Predict:** does the training raise or lower it?

# %% slideshow={"slide_type": "fragment"}
figures.bars(
    {
        name: 100 * pushes_on_own_kind(network, asked, look)
        for name, network in {
            "untrained": untrained,
            "crops alone": fooled,
            "crops and colours": trained,
        }.items()
    },
    xlabel="pushes that hit the own kind (%)",
    digits=1,
    caption="The networks of this lecture, after their short trainings.",
    note=drawn.about("simclr-pushes-own-kind"),
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"It raises the share, from {100 * drawn['random_own_kind']:.0f} % to {100 * drawn['views_own_kind']:.0f} % after 1250 steps, in "
    f"the mean of {len(drawn.seeds)} trainings: the loss works against the kinds that the features begin to show.",
    holds=drawn.compare("views_own_kind", "random_own_kind").verdict == "ahead",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "What separates us from the paper is size: more than four orders of magnitude in pictures seen."}
# ## At the size of the paper
#
# SimCLR was trained on ImageNet without its labels: batches of 4096 pictures, so 8191 candidates, for up to a thousand
# epochs. Then a linear probe with all labels:

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        "ResNet-50": {"ImageNet, linear probe (%)": Paper(69.3)},
        "ResNet-50, twice as wide": {"ImageNet, linear probe (%)": Paper(74.2)},
        "ResNet-50, four times as wide": {"ImageNet, linear probe (%)": Paper(76.5)},
    },
    digits=1,
    caption="Chen et al. 2020. A plain ResNet-50 that learns with all the labels reaches 76.5, too.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - Without labels, two views of a picture are the only pair of which we know that it belongs together.
# - NT-Xent is a multiple-choice question with $2N - 1$ candidates. It asks for alignment of partners and for uniformity
#   over the sphere. The loss of a collapsed network is $\log(2N - 1)$.
# - The augmentation says what does not matter. What it keeps may be used as a shortcut, and a low loss does not show it.
# - A probe shows it: change what should not count, and see where the features go.
# - Judge features by a linear probe and by neighbours, and compare them with those of an untrained network.
# - The loss knows no kinds. Pictures of one kind are false negatives, and there are more of them when there are fewer
#   kinds.

# %% slideshow={"slide_type": "slide", "minutes": 2, "notes": "Let everyone answer alone first."}
Quiz.parse("""
A batch has 64 pictures. Among how many candidates does a view look for its partner?
- [x] 127
- [ ] 64 | That would be one view of each picture. The other views of its own half are
  candidates, too.
- [ ] 128 | That counts the view itself. It would always choose itself, at cosine 1.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
A network maps every picture to the same point. Alignment and loss are …
- [x] perfect, and log(2N − 1)
- [ ] perfect, and zero | All candidates are equally near, so the softmax can only guess
  among 2N − 1.
- [ ] bad, and log(2N − 1) | Alignment is the distance of partners, and here it is zero.
  Uniformity is what is bad.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
You take the colour changes out of the augmentation. The loss falls. Of other things than
colours, the features now probably contain …
- [x] less than before | The colours of a picture now answer the question, so little else has
  to be learnt.
- [ ] more than before, since the loss is lower | It is another question, and an easier one.
  Losses of different augmentations cannot be compared.
- [ ] as much as before, since colours mean nothing here | They mean nothing for the label.
  For finding the partner they mean everything.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
You want features that distinguish ripe tomatoes from unripe ones. Which augmentation do you
leave out?
- [x] changes of colour | An augmentation says what does not matter. Here colour matters.
- [ ] crops of a part | A part of a tomato is as ripe as the whole.
- [ ] mirror images | A mirrored tomato is as ripe as before.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/04_simclr.ipynb): the loss, a colour change
# with a number for each image, and the two measures of the sphere. Each is checked at once, and the message for a wrong
# answer says what was mixed up.
#
# To explore on your own:
#
# 1. Train with colours changed but no crops, `Views(area=(1, 1), strength=0.5)`. Which of the two augmentations does more?
# 2. Give `train` a temperature of 0.05, and one of 1. What happens to uniformity, what to the neighbours?
# 3. Add kinds: copy `shapes` and give it 30 of them. How does the share of the pushes on the own kind change?
#
# ## Further reading
#
# - G. Boracchi: *Departing From Supervised Learning*, PhD course, Politecnico di Milano, 2025. Contrastive learning as
#   training on pairs of augmented and not augmented versions of the same image.
# - T. Chen, S. Kornblith, M. Norouzi, G. Hinton: *A Simple Framework for Contrastive Learning of Visual Representations*,
#   ICML 2020. This lecture; figure 6 and section 3.1 for the colours.
# - T. Wang, P. Isola: *Understanding Contrastive Representation Learning through Alignment and Uniformity on the
#   Hypersphere*, ICML 2020.
# - A. van den Oord, Y. Li, O. Vinyals: *Representation Learning with Contrastive Predictive Coding*, 2018. Where the
#   softmax over candidates comes from.
# - R. Geirhos et al.: *Shortcut Learning in Deep Neural Networks*, Nature Machine Intelligence 2 (2020). Why a low loss
#   is not enough.
