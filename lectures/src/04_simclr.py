# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Hide the labels. Ask: how would you sort these pictures? People see both answers at once, colours and shapes. A network does not know which one we mean, and there are no labels to say so."}
# ## A thousand pictures without labels
#
# In lecture *siamese* a network learnt to distinguish people, because each picture had a label that said who it was.
# Here are pictures that our own code draws: many copies of one shape in one colour on a background of another. The network
# gets no labels of the shapes. Take one picture and look for those that are most like it, pixel by pixel:

# %% slideshow={"slide_type": "-"}
import math

import torch
from IPython.display import display
from torch.nn import functional as F

from course_lib import figures, zoo
from course_lib.claims.cite import cite
from course_lib.claims.simclr import (
    TEMPERATURE,
    VIEWS,
    colour_told,
    pushes_on_own_kind,
)
from course_lib.data.shapes import shapes
from course_lib.embeddings import embed, knn_probe, linear_probe, pixels
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

known = shapes(choose(smoke=12, lecture=120, full=120), seed=0)  # to learn from
asked = shapes(choose(smoke=8, lecture=50, full=100), seed=1)  # never trained on
queries = [kind * (len(asked.images) // 8) for kind in (0, 2, 4, 6)]  # the first of a kind


def rows_of_neighbours(of_known, of_asked, count=5):
    """For each query a row: itself and the pictures with the nearest features. Also the share of right neighbours,
    those of the same kind, over all pictures that were not trained on."""
    cosines = F.normalize(of_asked, dim=1) @ F.normalize(of_known, dim=1).T
    nearest = cosines.topk(count, dim=1).indices
    rows = [
        picture for q in queries for picture in (asked.images[q], *known.images[nearest[q]])
    ]
    right = (known.labels[nearest] == asked.labels[:, None]).float().mean().item()
    return torch.stack(rows).float() / 255, 100 * right


# %% slideshow={"slide_type": "subslide", "minutes": 2}
grid, right = rows_of_neighbours(pixels(known.images), pixels(asked.images))
figures.images(
    grid,
    columns=6,
    alt="Four rows of six small pictures of scattered shapes. In each row the first picture is a query, and beside it are "
    "the five nearest others, most of them of other shapes",
    caption=f"First column: four pictures. Beside each, the five nearest of {len(known.images)} others in pixels. Of "
    f"the neighbours of {len(asked.images)} such pictures, {right:.0f} % show the same shape; by chance it would be 12.5 %.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# (Near means a large cosine.) At best, the neighbours share a tint with the query, and seldom the shape. In these pictures
# colours mean nothing: each picture has two random colours, and the same shape comes in all of them. The set contains a trap,
# and we shall fall into it later on.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
print("kinds:", ", ".join(known.names))
mean_colour = [of.images.float().mean(dim=(2, 3)) for of in (known, asked)]
by_colour = linear_probe(mean_colour[0], known.labels, mean_colour[1], asked.labels)
print("guessing is right for a share of", 1 / len(known.names))
print("the mean colour does not tell the kind:", by_colour < 0.3)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Put lecture siamese's triplet on the board and cross out the word 'person'. What replaces it? Let them propose augmentations, then ask for each what it says is unimportant."}
# ## Pairs without labels
#
# A triplet loss needs two pictures of the same person, and one of another. Without labels we do not know which pictures
# belong together, with one exception: **a picture and itself**. So we take two **views** of each picture, two randomly
# augmented copies. The **augmentation** changes the pixels and keeps what we care about: it cuts out a part, mirrors it,
# changes its colours or takes them away.
#
# | | lecture *siamese* | here |
# |---|---|---|
# | belong together | two pictures with the same name | two views of the same picture |
# | do not | pictures with different names | views of any two different pictures |
# | what is alike is decided by | the person who wrote the labels | **the person who chose the augmentation** |
#
# The last line is the main idea of the lecture. An augmentation says: "*this* does not matter". A crop says that place and
# size do not matter, a change of colours says that colours do not. Whatever it keeps may be used to recognise a picture. (One
# of the two may also be the picture as it is: pairs of "augmented and not augmented versions", Boracchi 2025. Experiment 2
# tries both.)

# %% slideshow={"slide_type": "subslide", "minutes": 2}
chosen = asked.images[[queries[0] + 1, queries[3] + 1]].float() / 255
look = VIEWS["views"]
several = [chosen] + [look(chosen, generator(draw, "lecture 03")) for draw in range(5)]
figures.images(
    torch.stack(several, dim=1).flatten(0, 1),
    columns=6,
    alt="Two rows: a picture of shapes, and five views of it, each another part of it, some mirrored, in other "
    "colours, some in gray",
    caption="Left: two pictures. Beside each, five views of it. Every image of a batch gets its own random numbers.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "notes": "Derive from the multiple-choice question. Write N = 2 in full on the board: four views, three candidates each. The hand case below is worth doing with them."}
# ## A multiple-choice question
#
# Sample $N$ pictures, and two views of each: $2N$ views. A network $f$ makes **features** $h = f(x)$, a small head $g$ a
# **projection** $z = g(h)$. Compare projections by the cosine
#
# $$s_{ik} = \frac{z_i^\top z_k}{\lVert z_i \rVert\, \lVert z_k \rVert} .$$
#
# Now ask view $i$: *which of the other views is your partner?* There are $2N - 1$ candidates: the partner $i'$ and the two
# views of each of the $N - 1$ other pictures. Let a softmax over the similarities answer, with a temperature $\tau$:
#
# $$p_{ik} = \frac{e^{s_{ik}/\tau}}{\sum_{m \ne i} e^{s_{im}/\tau}}, \qquad k \ne i .$$
#
# This is classification with new classes in each batch, and its loss is the one of every classifier, the
# cross-entropy of the right answer (Chen et al. 2020, equation 1, called **NT-Xent**):
#
# $$\ell_i = -\log p_{ii'} = -\frac{s_{ii'}}{\tau} + \log \sum_{k \ne i} e^{s_{ik}/\tau}, \qquad
# \mathcal L = \frac1{2N} \sum_{i=1}^{2N} \ell_i .$$

# %% slideshow={"slide_type": "subslide", "minutes": 2}
figures.code(nt_xent)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The code computes all cosines at once; no view is its own candidate, and row $i$'s right answer is column $i + N \bmod 2N$.
# Views of other pictures are called **negatives**. Two cases can be computed by hand. In one, the views of two pictures lie
# on two axes: the partner has cosine 1, two negatives 0. In the other, a network maps everything to one point and can only
# guess:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
axes_of_the_plane = torch.eye(2, dtype=torch.float64)
one_point = torch.ones(4, 3, dtype=torch.float64)
for tau in (1.0, 0.5):
    loss = nt_xent(axes_of_the_plane, axes_of_the_plane, temperature=tau).item()
    print(
        f"two axes, tau = {tau}: {loss:.6f}, by hand {math.log(1 + 2 * math.exp(-1 / tau)):.6f}"
    )
print(
    f"one point, N = 4: {nt_xent(one_point, one_point).item():.6f}, log 7 = {math.log(7):.6f}"
)
longer = nt_xent(5 * axes_of_the_plane, axes_of_the_plane, temperature=1.0).item()
print("lengths do not count:", abs(longer - math.log(1 + 2 / math.e)) < 1e-12)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The derivative is two lines. The point: the loss does its own hard negative mining, and the temperature says how hard."}
# ## What the temperature does
#
# Differentiate: $\partial \ell_i / \partial s_{ik} = p_{ik} / \tau$ for a negative $k$, and $(p_{ii'} - 1)/\tau$ for the
# partner. The pull on the partner is as strong as all pushes together, and each negative gets a share $p_{ik}$ of the push:
# **the more a negative is taken for the partner, the more strongly it is pushed away.** This has the effect of the hard
# mining of lecture *siamese*, without mining. The temperature controls how strong it is: two negatives with cosines $s$ and
# $s - \delta$ are pushed in the ratio $e^{\delta/\tau}$.

# %% slideshow={"slide_type": "-"}
cosines = torch.linspace(-1, 1, 41)
crowd = 2 * torch.rand(4000, generator=generator(0, "crowd")) - 1  # negatives anywhere
figures.lines(
    cosines,
    {
        f"τ = {tau}": (cosines / tau).exp() / (crowd / tau).exp().mean()
        for tau in (0.1, 0.2, 0.5, 1.0)
    },
    xlabel="cosine of a negative",
    ylabel="push, relative to the mean",
    caption="Negatives with cosines spread evenly from −1 to 1. At a low temperature only the nearest ones are pushed.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Why not use z? Ask which information the loss removes from z: for instance, whether a picture is red. Could a later task need it? The experiment below measures it."}
# ## The network, and a head that is thrown away
#
# The features $h$ are the activations of the last block of convolutions, averaged over the picture, as in the paper; the
# projection comes from two linear layers on top, with a ReLU between them. After the training the head is removed. That looks
# like waste: the loss was computed on $z$, not on $h$. But the loss also removes from $z$ everything that the augmentation changes. $h$ may still contain
# it, since the head can drop it. So $h$ should be the more useful of the two, if you do not know yet what you
# will need. On ImageNet the paper measures more than ten points between the two, with 2048 numbers in $h$ and 128 in $z$.
# Ours have 64 each, so there is less to drop. The tables below show both.

# %% slideshow={"slide_type": "-"}
figures.code(SimCLR)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Let them predict all three curves. Alignment alone is trivially good at a collapsed network, and uniformity alone is good for points at random: they need each other."}
# ## Experiment 1: train, and look at the sphere
#
# Two numbers say where the projections lie (Wang and Isola 2020). **Alignment**, $\mathbb E \lVert z - z' \rVert^2$ over
# the two views of a picture: are partners near? **Uniformity**, $\log \mathbb E\, e^{-2 \lVert z_i - z_j \rVert^2}$ over
# pairs of pictures: are different pictures spread over the whole sphere? Smaller is better for both, and each alone is easy to have:
# a network that maps everything to one point is perfectly aligned. The loss asks for both; with many negatives
#
# $$\mathcal L - \log 2N \;\approx\; -\frac1\tau\, \mathbb E\, s(z, z') + \mathbb E_z \log \mathbb E_{z''}\, e^{s(z, z'')/\tau} ,$$
#
# a term for each ($z''$ is the projection of another picture). We train with $\tau = 0.2$, on views that show a quarter of the
# picture or more and change its colours half as strongly as the paper does for photographs. The training uses no labels. Labels
# are used for *evaluation* only: the five nearest of these pictures, in the features $h$, vote on the shape of a new one. How
# often are they right? **Predict** the curves.

# %% slideshow={"slide_type": "-"}
size = choose(
    smoke=dict(widths=(4, 8)),
    lecture=dict(widths=(16, 32, 64, 64)),
    full=dict(widths=(16, 32, 64, 64)),
)
budget = choose(smoke=Budget(4, 16), lecture=Budget(250, 128), full=Budget(2500, 256))


def new_network():
    return SimCLR(Encoder(channels=3, seed=0, **size), dimensions=64, seed=0)


some = slice(0, None, choose(smoke=1, lecture=2, full=1))  # for the curves, half of them
a, b = simclr.pairs(asked.images, look)(
    min(256, len(asked.images)), generator(0, "two views")
)


def validate(model, progress):
    """Measure what the loss does not: neighbours, alignment and uniformity on new pictures."""
    of_known, of_asked = (embed(model.encoder, of.images[some]) for of in (known, asked))
    za, zb = embed(model, a), embed(model, b)
    return {
        "right votes": knn_probe(
            of_known, known.labels[some], of_asked, asked.labels[some]
        ),
        "alignment": alignment(za, zb).item(),
        "uniformity": uniformity(za).item(),
    }


trained, history = simclr.train(
    known,
    budget=budget,
    seed=0,
    network=new_network(),
    view=look,
    temperature=TEMPERATURE,
    validate=validate,
)
figures.history(
    history,
    labels={"right votes": "share of right votes"},
    caption=f"A training on {len(known.images)} unlabelled pictures. Alignment, uniformity and neighbours are measured on "
    "others; the votes among half of the pictures, to save time.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Uniformity improves first. Alignment, and the votes with it, may even get worse at the beginning: an untrained network puts
# everything near one point, so partners are near, like all other views. Then both improve, and the neighbours with them,
# although the loss does not ask for that.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The untrained network is the right baseline: random convolutions are features, too. Always report it."}
# ## How good are features?
#
# A **linear probe** freezes $f$ and trains one linear layer on $h$, now with labels. It can only use what the features
# contain. The baseline is an untrained network of the same kind: random convolutions are features, too, and not bad ones.

# %% slideshow={"slide_type": "-"}
longer = zoo.load(Encoder, "simclr-shapes")
steps = zoo.card("simclr-shapes").recipe_arguments["steps"]
source, draw = simclr.pairs(known.images, look), generator(0, "settle")
seen_by_it = choose(smoke=2, lecture=20, full=20)  # batches, for its normalisations only
untrained = settle(
    new_network(), (torch.cat(source(budget.batch, draw)) for _ in range(seen_by_it))
)


def judged(network):
    """Both probes on the features of new pictures."""
    given = (
        embed(network, known.images),
        known.labels,
        embed(network, asked.images),
        asked.labels,
    )
    return {
        "linear probe (%)": 100 * linear_probe(*given),
        "5 neighbours (%)": 100 * knn_probe(*given),
        "main colour (%)": 100 * colour_told(network, known, asked),
    }


figures.table(
    {
        "untrained: h": judged(untrained.encoder),
        "SimCLR: h, before the head": judged(trained.encoder),
        "SimCLR: z, after the head": judged(trained),
        f"SimCLR, {steps} steps: h": judged(longer),
    },
    digits=1,
    best="max",
    caption="Shapes named rightly in pictures never trained on (guessing: 12.5), and how often a linear probe finds "
    "which of red, green and blue a picture has most of: the augmentation changes that. One training, that of "
    "experiment 1; the last row is of stored weights, a longer training on such pictures.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 2}
grid, right = rows_of_neighbours(embed(longer, known.images), embed(longer, asked.images))
figures.images(
    grid,
    columns=6,
    alt="Four rows of six small pictures: the four queries of the beginning, and their five nearest neighbours in the "
    f"features of the longer training. Of the neighbours of all queries, {right:.0f} per cent show the same shape",
    caption=f"The queries of the beginning, and what is nearest in the features after {steps} steps. Of all neighbours "
    f"{right:.0f} % show the same shape. The network was trained without labels.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Start with colours unchanged and whole pictures, then crops, then colours. Ask for the number in the note before each move."}
# ## Play: views, and a shortcut
#
# Choose how much of a picture a crop shows at least, and how strongly the colours change. The line under the pictures is about
# a very simple matcher that uses **nothing but the mean colour** of a view: for how many of the views it finds the
# partner among all others. The more it finds, the less a network has to look at shapes to make the loss small.

# %% slideshow={"slide_type": "-"}
many = (
    known.images[
        torch.randperm(len(known.images), generator=generator(0, "play"))[:128]
    ].float()
    / 255
)
crops = {"the whole": 1.0, "half": 0.5, "a quarter": 0.25}
samples = {asked.names[asked.labels[q]]: q for q in queries[1:]}


def player_view(part, strength):
    return Views(
        area=(crops[part], 1.0), strength=strength, gray=0.2 * min(1, 2 * strength)
    )


def found_by_colour(part, strength):
    """How often the nearest mean colour is that of the other view of the same picture, in per cent."""
    draw = generator(0, "matcher", part)
    first, second = player_view(part, strength)(torch.cat([many, many]), draw).chunk(2)
    means = torch.cat([first, second]).mean(dim=(2, 3))
    apart = torch.cdist(means, means).fill_diagonal_(torch.inf)
    return (
        100
        * (apart.argmin(dim=1) == torch.arange(len(means)).roll(len(first)))
        .float()
        .mean()
        .item()
    )


strengths = (0.0, 0.25, 0.5, 1.0)
found = {
    (part, strength): found_by_colour(part, strength)
    for part in crops
    for strength in strengths
}


def two_views(part, strength, picture):
    image = asked.images[samples[picture]][None].float() / 255
    draw = generator(3, "player", picture)
    one, other = player_view(part, strength)(torch.cat([image, image]), draw)
    return {"one view": one, "another view": other, "the picture": image[0]}


Player(
    render=two_views,
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
        f"The mean colour alone finds the partner of {found[part, strength]:.0f} % of the views, "
        f"among {2 * len(many) - 1} candidates."
    ),
    caption="Two views of a picture. By chance a matcher would find less than one in a hundred.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "This is the slide to remember. The curve of the loss looks like success. Ask them to vote which network they would ship, from the loss alone."}
# ## Break it
#
# Leave the colours as they are: a view is a crop, mirrored or not. Same network, same pictures, same number of steps. The
# question becomes easier, so the loss will be **lower**. **Predict** the probe.

# %% slideshow={"slide_type": "-"}
fooled, fooled_history = simclr.train(
    known,
    budget=budget,
    seed=0,
    network=new_network(),
    view=VIEWS["crops"],
    temperature=TEMPERATURE,
)
figures.history(
    {
        "crops and colours": History(history.steps, history.terms),
        "crops alone": fooled_history,
    },
    caption="The loss of both trainings. Which of the two is better?",
)

# %% slideshow={"slide_type": "subslide", "minutes": 3}
for name, network in {"crops alone": fooled, "crops and colours": trained}.items():
    grid, right = rows_of_neighbours(
        embed(network.encoder, known.images), embed(network.encoder, asked.images)
    )
    display(
        figures.images(
            grid,
            columns=6,
            alt="Four rows of six small pictures: a query and its five nearest neighbours in the features of the "
            f"network that was trained with {name}. Of the neighbours of all queries, {right:.0f} per cent show the same shape",
            caption=f"Nearest in features learnt from {name}: {right:.0f} % of all neighbours show the same shape.",
        )
    )

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "notes": "This test needs no labels. Most tests for shortcuts have this form: keep what should count, change what should not, and see where the features go."}
# Crops of one picture have the same two colours, and no other picture of the batch has them, so the **colour histogram
# answers the question** (Chen et al. 2020, section 3.1). The network found the easiest answer,
# and the loss gave it no reason to learn more.
#
# **The probe** that reveals it needs no labels. It keeps what should count, changes what should not, and looks where the
# features go: is a picture nearer to *itself in other colours*, changed twice as strongly as in our views, or to *another
# picture whose mean colour is most like its own*? A network that has learnt shapes is nearer to itself.


# %% slideshow={"slide_type": "-"}
def itself_in_other_colours(embedding):
    """For how many pictures the same picture in other colours is nearer than the one with the nearest colours, in %."""
    image = asked.images.float() / 255
    other = views.jittered(image, 1.0, generator(0, "other colours"))
    rival = torch.cdist(mean_colour[1], mean_colour[0]).argmin(dim=1)
    h, itself, look_alike = (
        F.normalize(embedding(some), dim=1) for some in (image, other, known.images[rival])
    )
    return (
        100 * ((h * itself).sum(dim=1) > (h * look_alike).sum(dim=1)).float().mean().item()
    )


def last_losses(of):
    losses = of.terms["loss"]
    return sum(losses[-20:]) / len(losses[-20:])


rows = {}
for name, network, loss in (
    ("untrained: h", untrained, None),
    ("crops alone: h", fooled, last_losses(fooled_history)),
    ("crops and colours: h", trained, last_losses(history)),
):
    found_out = itself_in_other_colours(lambda images, f=network.encoder: embed(f, images))
    rows[name] = {"loss at the end": loss, "itself in other colours (%)": found_out}
    rows[name] |= judged(network.encoder)
figures.table(
    rows,
    columns=list(rows["crops alone: h"]),
    digits=1,
    caption="The loss of the networks, and their probes.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The loss is in favour of one network, the probes of the other. With colours changed, the picture itself is nearer about half
# the time, so the network has learnt shapes only in part; with crops alone, far less often.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Three seeds each, and another set: photographs. The network called 'crops alone' in the figure is the one with the lower loss."}
# ## Experiment 2: three seeds, and photographs
#
# The same on three sets of drawn pictures, and on 3000 photographs of CIFAR-10 (we may not show its pictures, but
# we may show its results). On photographs colour is a weaker trap, since the colours of sky and grass do say something about the content.
# **Predict** where the bars for crops alone end.

# %% slideshow={"slide_type": "-"}
sets = {"drawn shapes": cite("simclr-shapes"), "CIFAR-10": cite("simclr-cifar")}
learnt = {
    "untrained: h": "random",
    "crops alone: h": "crops",
    "a view, and the picture itself: h": "original",
    "crops and colours: h": "views",
    "after the head: z": "head",
}
figures.bars(
    {name: of.row(learnt, "{}_linear", times=100) for name, of in sets.items()},
    xlabel="linear probe: named rightly (%)",
    digits=1,
    caption="Mean of three trainings of 1250 steps; the last two bars are of one network.",
    note=list(sets.values()),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# On drawn shapes, training with crops alone is worse than no training; on photographs it helps, and with colours changed it
# helps more. Pairs of a view and the picture itself help, too: on shapes less than two views, on photographs no less.
#
# And the head? On ImageNet the features before it are more than ten points better than those after it. **Predict:**
# what does the head remove here, and does that make $h$ better?

# %% slideshow={"slide_type": "subslide", "minutes": 2}
probed = {
    "kind, before the head (%)": "views_linear",
    "after it": "head_linear",
    "main colour, before (%)": "told_h",
    "after": "told_z",
}
figures.table(
    {name: of.row(probed, times=100) for name, of in sets.items()},
    digits=1,
    caption="What linear probes find in h and in z, in the same trainings.",
    note=list(sets.values()),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# It removes a little of the colours, which the augmentation changes. But it removes too little to make $h$ the better one at every seed,
# and both claims about the head fail: our training is short, the network small, and $z$ has as many numbers as $h$.

# %% slideshow={"slide_type": "subslide", "minutes": 2}
on_the_sphere = {
    "loss, crops alone": "crops_loss",
    "loss, crops and colours": "views_loss",
    "alignment, untrained": "alignment_before",
    "trained": "alignment_after",
    "in units, untrained": "relative_before",
    "trained ": "relative_after",
    "uniformity, untrained": "uniformity_before",
    "trained  ": "uniformity_after",
}
figures.table(
    {name: of.row(on_the_sphere) for name, of in sets.items()},
    caption="The same trainings; alignment and uniformity with colours changed, on pictures not "
    "trained on. An untrained network can be aligned well because all points are near each other: the third pair of "
    "columns is in units of the distance of different pictures.",
    note=list(sets.values()),
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Do the arithmetic of the lower bound with them: 2N/K views share a point; one is the view itself, one its partner."}
# ## False negatives
#
# Not all negatives show something else. Of $N = 128$ pictures with $K = 8$ kinds some 15 others show *the same shape*, and
# the loss pushes those away, too. How much does that cost? Suppose that a network were perfect for us and put each kind in
# one point. Then $2N/K$ views lie there, and each of them can only guess its partner among $2N/K - 1$ candidates:
#
# $$\mathcal L \;\ge\; \log\left(\frac{2N}{K} - 1\right) .$$

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
labels = torch.arange(128) % 8
ideal = F.one_hot(labels, 8).double()  # each kind in one point, kinds at right angles
floor = math.log(2 * 128 / 8 - 1)
print(f"a network that knows the kinds and nothing else: at least {floor:.3f}")
print(f"the same, tau = 0.05: {nt_xent(ideal, ideal, temperature=0.05).item():.3f}")
alone = torch.eye(128, dtype=torch.float64)  # each picture for itself
print(
    "each picture for itself costs less:",
    nt_xent(alone, alone, temperature=0.2).item() < floor,
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "With ImageNet's thousand classes one negative in a thousand is false. With eight classes it is one in eight: sets with few classes are the worst case."}
# The loss does not ask for kinds. It separates every picture from all others, and kinds appear on the way there, perhaps
# because pictures of one kind are *hard to distinguish*. Where do the pushes of our network go? Here is the share of all
# weight $p_{ik}$ on negatives that falls on pictures of the same kind:

# %% slideshow={"slide_type": "-"}
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
    caption="By chance it would be about 12. The better the features know the kinds, the more the loss works against "
    "them. The note has three seeds.",
    note=cite("simclr-pushes-own-kind"),
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "What separates us from the paper is size: more than four orders of magnitude in pictures seen. Most of the statements are the same, except the one about the head."}
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

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "Go round: one sentence each."}
# ## What to remember
#
# - Without labels, two views of a picture are the only pair of which we know that it belongs together.
# - NT-Xent is a multiple-choice question with $2N - 1$ candidates. At low temperatures only the nearest negatives are pushed.
# - It asks for alignment of partners and for uniformity over the sphere. The loss of a collapsed network is $\log(2N - 1)$.
# - The augmentation says what does not matter. What it keeps may be used as a shortcut, and a low loss does not show it.
# - Try the features before the head as well as after it, and compare both with those of an untrained network.
# - The loss knows no kinds. Pictures of one kind are false negatives, and there are more of them when there are fewer kinds.

# %% slideshow={"slide_type": "slide", "minutes": 5, "notes": "Let everyone answer alone first."}
Quiz.parse("""
A batch has 64 pictures. Among how many candidates does a view look for its partner?
- [x] 127
- [ ] 64 | That would be one view of each picture. The other views of its own half are
  candidates, too.
- [ ] 128 | That counts the view itself. It would always choose itself, at cosine 1.

A network maps every picture to the same point. Alignment and loss are …
- [x] perfect, and log(2N − 1)
- [ ] perfect, and zero | All candidates are equally near, so the softmax can only guess
  among 2N − 1.
- [ ] bad, and log(2N − 1) | Alignment is the distance of partners, and here it is zero.
  Uniformity is what is bad.
""")

# %% slideshow={"slide_type": "subslide"}
Quiz.parse("""
You take the colour changes out of the augmentation. The loss falls. The features are …
- [x] probably worse for anything but colours | The colours of a picture now answer the
  question, so little else has to be learnt.
- [ ] better, since the loss is lower | It is another question, and an easier one. Losses of
  different augmentations cannot be compared.
- [ ] the same, since colours mean nothing here | They mean nothing for the label. For
  finding the partner they mean everything.

You want features that distinguish ripe tomatoes from unripe ones. Which augmentation do you
leave out?
- [x] changes of colour | An augmentation says what does not matter. Here colour matters.
- [ ] crops | A part of a tomato is as ripe as the whole.
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
