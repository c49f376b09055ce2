# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Show the three pictures, cover the titles, and ask which two are the same person. People will find it easily. Then uncover the distances."}
# ## Nearest, and somebody else
#
# Lecture *identification* ended with a door that compares: it stores $f(T_j)$ for each employee, and names the person whose template
# is nearest to the visitor. As $f$ it took the latent space of a classifier, a network that was trained to *name* people.
# Let us train one on 160 drawn people, and ask it about 40 others. **Before you run it:** two of the three pictures below
# show the same person. Which two are nearest to each other, in pixels and for the classifier?

# %% slideshow={"slide_type": "-"}
import math

import torch
from IPython.display import display

from course_lib import figures
from course_lib.claims.cite import cite
from course_lib.data import identities
from course_lib.embeddings import distances, embed, pixels
from course_lib.metric import contrastive, identification, triplet
from course_lib.metric.batches import START, jitter
from course_lib.metric.contrastive import batch_loss, hadsell_loss, pairs, slide_loss
from course_lib.metric.triplet import all_triplets, batch_hard, triplet_loss
from course_lib.metric.verification import (
    auc,
    pair_distances,
    recall_at,
)
from course_lib.networks import Embedding
from course_lib.profiles import Budget, choose
from course_lib.widgets.forces import Forces
from course_lib.widgets.quiz import Quiz

everybody = identities.people(
    choose(smoke=40, lecture=240, full=240), each=choose(smoke=6, lecture=12, full=12)
)
learn, validation, test = identities.split(
    everybody, *choose(smoke=(16, 8, 16), lecture=(160, 40, 40), full=(160, 40, 40))
)  # each person is in one of the three only
steps = choose(smoke=Budget(3, 16), lecture=Budget(600, 40), full=Budget(20_000, 72))
view = jitter(shift=2, brightness=0.3)  # every picture of a batch, moved and lit anew
network = identification.Classifier(
    len(learn.names), embedding=Embedding(seed=0, start=START)
)
classifier = identification.train(
    learn, budget=steps, seed=0, view=view, network=network
).model
spaces = {
    "pixels": pixels,
    "classifier": lambda images: embed(classifier.latent, images),
}

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "This example was searched for: among the test people it is the picture with the worst error of the classifier. The table after it says how often such things happen."}
apart = {name: distances(f := space(test.images), f) for name, space in spaces.items()}
same = test.labels[:, None] == test.labels[None]
latent = apart["classifier"]
farthest = latent.masked_fill(~same, 0).max(dim=1)
nearest = latent.masked_fill(same, math.inf).min(dim=1)
worst = int((farthest.values / nearest.values).argmax())  # the picture with the worst error
shown = {
    "the visitor": worst,
    "A": int(nearest.indices[worst]),
    "B": int(farthest.indices[worst]),
}
figures.images(
    {
        title
        if k == worst
        else f"{title}: {apart['pixels'][worst, k]:.1f} in pixels, {latent[worst, k]:.1f} latent": test.images[
            k
        ].float()
        / 255
        for title, k in shown.items()
    },
    columns=3,
    alt="Three drawn faces side by side: a visitor, a picture A with a small distance to it, and a picture B with a large one",
    caption=f"A is {test.names[int(test.labels[shown['A']])]}. The visitor and B are both "
    f"{test.names[int(test.labels[worst])]}. The numbers are Euclidean distances to the visitor: of the pixels, and in "
    "the latent space of the classifier.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Cover the titles: which of A and B is the visitor? This is the picture with the largest error of the classifier. How often
# are distances wrong, over all pairs?

# %% slideshow={"slide_type": "-"}
figures.bars(
    {
        name: 100 * (1 - auc(*pair_distances(space(test.images), test.labels)))
        for name, space in spaces.items()
    },
    xlabel="how often a pair of two people is nearer than a pair of one (%)",
    digits=0,
    caption="All pairs of pictures of people that were not trained on. 50 % is chance.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The example was searched for; the bars show all pairs. The latent space is far better than pixels, as lecture *identification* said. But
# it was not trained for this: the classifier was trained to separate 160 people, and its loss contains no distance.
# **Why not train for what we want?** It may do better, and it will not need to know how many people there are.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Draw the two branches and then the equals sign between them. Ask how many weights the second one has."}
# ## The idea: train the distance
#
# We want weights $w$ such that for every image $I$ of person $i$ and every template of somebody else
#
# $$\lVert f_w(I) - f_w(T_i) \rVert_2 < \lVert f_w(I) - f_w(T_j) \rVert_2 \quad \text{for all } j \ne i .$$
#
# The condition does not depend on how many people there are, or who they are. It compares images, so images come at least in
# pairs: the same operations for both, with the same weights $w$. Hence the name **siamese network**. It is drawn as two
# networks, but it is one, applied twice:
#
# | letter | is |
# |---|---|
# | $I$, $P$, $N$ | an image, a positive (the same person), a negative (somebody else) |
# | $f_w$ | the network, from an image to a vector, its *embedding* |
# | $d$ | $\lVert f_w(I_i) - f_w(I_j) \rVert_2$, Euclidean, not squared |
# | $y$ | 0 for the same person, 1 for different ones |
# | $m$ | the margin, in the unit of $f$ |

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
siamese = Embedding(seed=0).eval()
a, b = (test.images[:2].float() / 255).unsqueeze(1)
together, one_by_one = siamese(torch.cat([a, b])), torch.cat([siamese(a), siamese(b)])
both = torch.nn.ModuleList([siamese, siamese])  # the two branches, as they are drawn
weights = [sum(weight.numel() for weight in part.parameters()) for part in (siamese, both)]
print("both branches have as many weights as one:", weights[0] == weights[1])
print(
    "two images in one batch, or one after the other:",
    torch.allclose(together, one_by_one, atol=1e-4),
)
siamese.train()  # normalisation now uses the statistics of what comes at once
together, one_by_one = siamese(torch.cat([a, b])), torch.cat([siamese(a), siamese(b)])
print("the same while training:", torch.allclose(together, one_by_one, atol=1e-2))

# %% [markdown] slideshow={"slide_type": "fragment"}
# The last line is a trap of every siamese network with batch normalisation. Feed the two branches one after the other in
# training mode, and each is normalised by its own statistics: the weights are shared, the operations are not. Here all
# images of a batch go through at once.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Derive both gradients at the board. Constant force against a spring. Where does each vanish?"}
# ## The contrastive loss
#
# Pull genuine pairs together; push impostors apart, but only until a margin lies between them:
#
# $$\mathcal L = \frac{1 - y}{2}\, d + \frac{y}{2} \max(0,\, m - d) .$$
#
# Hadsell, Chopra and LeCun (CVPR 2006, equation 4) wrote it with squares:
#
# $$\mathcal L = \frac{1 - y}{2}\, d^2 + \frac{y}{2} \max(0,\, m - d)^2 .$$
#
# The idea is the same, the forces differ. With $f_i = f_w(I_i)$, the gradient with respect to $f_j$ has the direction of the pair,
# $e = (f_j - f_i)/d$, and its length says how hard:
#
# | | genuine pair, pulled by | impostor with $d < m$, pushed by | with $d \ge m$ |
# |---|---|---|---|
# | with plain norms | $1/2$, however near | $1/2$, however far | 0 |
# | Hadsell | $d$, a spring | $m - d$, a spring | 0 |
#
# With plain norms a pair is pulled as hard at distance 0.01 as at 100. Hadsell's pull fades, and its push sets in gently.

# %% slideshow={"slide_type": "subslide"}
figures.code(slide_loss, hadsell_loss)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
# Two points, a = (0, 0) and b = (3, 4), five apart.
two = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64)
for name, loss in (("plain", slide_loss), ("Hadsell", hadsell_loss)):
    for y, m in ((0, 7.0), (1, 7.0), (1, 4.0)):
        d, same_or_not = pairs(two, torch.tensor([0, y]))
        value = loss(d, same_or_not, margin=m).item()
        force = contrastive.forces(two, torch.tensor([0, y]), margin=m, loss=loss)[1]
        moved = ", ".join(f"{part + 0.0:.1f}" for part in force)
        print(f"{name:7} y = {y}, m = {m:.0f}: loss {value:4.1f}, b is moved by ({moved})")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
at = torch.linspace(0, 5, 51)
genuine, impostor = torch.zeros_like(at), torch.ones_like(at)
figures.lines(
    at,
    {
        "plain norms, same person": slide_loss(at, genuine, margin=3.0),
        "plain norms, two people": slide_loss(at, impostor, margin=3.0),
        "Hadsell, same person": hadsell_loss(at, genuine, margin=3.0),
        "Hadsell, two people": hadsell_loss(at, impostor, margin=3.0),
    },
    xlabel="distance d of the pair",
    ylabel="loss",
    mark={"margin": 3},
    caption="Both forms, for m = 3. The slope is the force.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Let them compute the two numbers. Then ask which pairs would dominate a mean over all pairs."}
# ## All pairs of a batch
#
# If images are sampled at random from 160 people, a batch rarely contains two images of the same
# person. So a batch holds $P$ people with $K$ images each, and all its pairs are compared. How many are genuine, with $P = 10$ and $K = 4$?

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
P, K = 10, 4
_, y = pairs(torch.zeros(P * K, 1), torch.arange(P).repeat_interleave(K))
print("genuine pairs:", int((y == 0).sum()), "impostor pairs:", int((y == 1).sum()))
print("by counting:", P * K * (K - 1) // 2, P * K * (P * K - K) // 2)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Nine in ten pairs are impostors, and they would dominate one mean over all pairs. The library takes two means:

# %% slideshow={"slide_type": "-"}
figures.code(batch_loss)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The reference line is the point of the figure: it is the loss of a network that gives the same vector for every image."}
# ## Experiment 1: a distance learnt from pairs
#
# The same network, batches, augmentation and number of steps as for the classifier; only the loss differs. What would
# the loss be of a network that gives the same vector for every image? Its genuine pairs cost nothing, its impostor pairs
# $m/2$. That is the reference line. The last layer begins with small weights, so all pictures start near one point.
# **Predict:** on which side of the line does the training begin, and where does it end?

# %% slideshow={"slide_type": "-"}
margin = 4.0
compared, history = contrastive.train(
    learn, margin=margin, loss=slide_loss, budget=steps, seed=0, view=view
)
spaces["contrastive"] = lambda images: embed(compared, images)
collapsed_at = contrastive.collapsed(slide_loss, margin=margin)
figures.lines(
    history.steps,
    {
        "genuine pairs": history.terms["genuine"],
        "impostor pairs": history.terms["impostor"],
        "impostors, if f were constant: m/2": [collapsed_at] * len(history.steps),
    },
    xlabel="step",
    ylabel="mean loss",
    caption="The contrastive loss with plain norms, m = 4. A collapsed network has its impostor loss on the "
    "third line and no loss for genuine pairs.",
)


# %% slideshow={"slide_type": "subslide", "minutes": 2}
def judged(space):
    """Measure a distance on people never trained on."""
    f = space(test.images)
    genuine, impostor = pair_distances(f, test.labels)
    return {
        "pairs in the wrong order (%)": 100 * (1 - auc(genuine, impostor)),
        "nearest picture is right (%)": 100 * recall_at(f, test.labels, (1,))[1],
        "mean distance, same person": genuine.mean().item(),
        "two people": impostor.mean().item(),
    }


figures.table(
    {name: judged(space) for name, space in spaces.items()},
    digits=1,
    caption="People that no network was trained on. One training each, with an equal number of steps.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The first two columns disagree: over all pairs the contrastive distance is wrong less often than the classifier's, and yet
# its nearest picture is right less often. It was trained to keep people a margin apart, not to put the right one first. The
# triplet loss, below, asks for exactly this.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "These three pieces of advice are often given for any loss. Each of them was measured; the note has the criterion."}
# ## What matters, and what does not
#
# Three things one could change: the weight of the two groups of pairs, the margin, and the number of people to learn
# from. **Predict** for each how much it matters to the errors on people never seen. (The equal error rate, EER, is
# explained below; 0.5 is chance.)

# %% slideshow={"slide_type": "-"}
stored = cite("contrastive-people")
changed = {
    "pixels": "pixels",
    "plain norms, m = 4, 160 people": "slide",
    "Hadsell's form": "hadsell",
    "one mean over all pairs": "one_mean",
    "margin 1": "margin_1",
    "margin 16": "margin_16",
    "20 people to learn from": "people_20",
    "5 people to learn from": "people_5",
}
figures.bars(
    stored.row(changed),
    xlabel="equal error rate on people never seen",
    caption="Each row changes one thing of the second one (with five people, each shows eight pictures instead of four); mean "
    "of three trainings.",
    note=stored,
)

# %% slideshow={"slide_type": "subslide", "minutes": 2}
margins = {"margin 1": "margin_1", "margin 4": "slide", "margin 16": "margin_16"}
five = {"EER on these five": "people_5_own", "EER on others": "people_5"}
figures.table(
    stored.rows(margins, {"mean distance of two people": "apart"})
    | {"5 people to learn from": stored.row(five)},
    digits=3,
    caption="Mean of three trainings.",
    note=stored.about("contrastive-margin-is-scale", "contrastive-few-people"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# One prediction fails. The usual advice is to balance the two groups, since there are so many more impostor pairs. Here one
# mean over all pairs is *ahead* of two. With two means the pull is twelve times as strong, relative to the push, and with
# plain norms it does not fade: perhaps it is too strong. The stored results keep the advice as a claim that failed.
#
# The margin means nothing without the scale of $f$. Multiply the last layer and the margin by ten, and nothing has changed
# but a number. (On the unit sphere no distance exceeds 2; a margin above 2 would never be met there.) What matters is
# *whom* the network has seen. Could we not train on the office's own few templates alone? That is the last row: to distinguish
# five people a few features are enough, and these need not work for a sixth person.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "notes": "Let them find: the margin ring; an impostor that is pushed although it is already far away; then squeeze the points and run each of the losses. Squeeze again with squared distances."}
# ## Play: feel the forces
#
# Nine pictures of three people, as points in the plane. **Try:** drag an orange square into the blue circles, and see which
# points are moved. Let it run. Then change to Hadsell's loss; try the triplets after you have read about them. When you choose a point,
# a dashed ring shows how far its impostors have to be. *Squeeze together* nearly collapses everything into one point: which losses get out of it, and how fast?

# %% slideshow={"slide_type": "-"}
Forces(
    points=(
        (-2.6, 1.2),
        (-0.4, 0.3),
        (0.9, -1.3),
        (0.5, 1.3),
        (2.4, 0.2),
        (-1.0, -0.9),
        (-2.2, -0.4),
        (1.6, -0.6),
        (0.1, -0.2),
    ),
    labels=(0, 0, 0, 1, 1, 1, 2, 2, 2),
    caption="Shape and colour: the person. Arrows: where gradient descent moves each picture. Solid lines pull, dashed ones push.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "The key sentence: the contrastive loss asks for absolute distances, the triplet loss for an order. Which of the two does the door need?"}
# ## The triplet loss
#
# The contrastive loss asks for more than we want. It pulls *every* genuine pair to distance zero, and wants *every* impostor
# beyond one and the same $m$. The door only needs an order: a picture should be nearer to those of its person
# than to others. So we compare three images:
#
# $$\mathcal L = \max\bigl(0,\; m + \lVert f(I) - f(P) \rVert_2 - \lVert f(I) - f(N) \rVert_2 \bigr) .$$
#
# Only the *difference* of two distances counts. One person's pictures may lie within 0.1, another's within 3, as long as
# others lie further out. FaceNet (2015) squares both norms; here they are plain.

# %% slideshow={"slide_type": "-"}
figures.code(triplet_loss)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
I, P, N = (
    torch.tensor([point], dtype=torch.float64)
    for point in ([0.0, 0.0], [3.0, 4.0], [6.0, 8.0])
)
print("distances 5 and 10, m = 1:", triplet_loss(I, P, N, margin=1.0).item())
print("m = 6:", triplet_loss(I, P, N, margin=6.0).item())
print("m = 1, squared:", triplet_loss(I, P, N, margin=1.0, squared=True).item())
print(f"soft margin: {triplet_loss(I, P, N, margin='soft').item():.4f}")
print(
    "moved by 7 and doubled, margin too:",
    triplet_loss(2 * I + 7, 2 * P + 7, 2 * N + 7, margin=12.0).item(),
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3}
# The **soft margin** of Hermans, Beyer and Leibe (2017) replaces the hinge by a smooth curve,
#
# $$\mathcal L = \ln\bigl(1 + e^{\lVert f(I) - f(P) \rVert - \lVert f(I) - f(N) \rVert}\bigr),$$
#
# which has no $m$ to choose and never quite stops: a triplet that is right by 5 is still moved, with 0.007 of the full force.

# %% slideshow={"slide_type": "-"}
gap = torch.linspace(-5, 5, 51)
figures.lines(
    gap,
    {
        "hinge, m = 1": triplet.penalty(gap, margin=1.0),
        "soft margin": triplet.penalty(gap, margin="soft"),
    },
    xlabel="|f(I) − f(P)| − |f(I) − f(N)|",
    ylabel="loss",
    mark={"equally far": 0},
    caption="The loss of a triplet. At zero, as when f has collapsed, it is m for the hinge and ln 2 for the soft margin.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Ask for the count first. Then: how many of these does a half-trained network still get wrong?"}
# ## Which triplets?
#
# A batch has $PK$ anchors, $K - 1$ positives for each, and $PK - K$ negatives:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
labels = torch.arange(10).repeat_interleave(4)
print("triplets in a batch of 10 x 4:", len(all_triplets(labels).anchors))
print("by counting:", 40 * (4 - 1) * (40 - 4))
print("with one picture of each:", len(all_triplets(torch.arange(40)).anchors))

# %% [markdown] slideshow={"slide_type": "fragment"}
# Most of them are easy. The network distinguishes a bald person with glasses from one with long hair after a few steps, and
# from then on such triplets have no loss and no gradient. Among random triplets, those that still teach something become
# rarer and rarer. **Mining** looks for them:
#
# - **random**: one random positive and one random negative for each anchor;
# - **semi-hard** (after FaceNet): for each genuine pair the nearest negative that is farther than the positive;
# - **batch-hard** (Hermans): for each anchor its farthest positive and its nearest negative in the batch.

# %% slideshow={"slide_type": "-"}
figures.code(batch_hard)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
line = torch.tensor([[0.0], [2.0], [1.0], [3.0], [9.0]])  # two of one person, three others
shown_people = torch.tensor([0, 0, 1, 2, 3])
for name, mine in (
    ("batch-hard", batch_hard),
    ("semi-hard", triplet.nearest_semi_hard),
):
    for i, p, n in zip(*mine(line, shown_people), strict=True):
        print(
            f"{name}: from {line[i].item():.0f}, positive at {line[p].item():.0f}, negative at {line[n].item():.0f}"
        )

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Collect three predictions before the cell runs: whose curve falls fastest? The share of wrong triplets falls for all; they differ in what they learn from the rest."}
# ## Experiment 2: random, semi-hard, batch-hard
#
# Three trainings that differ in the choice of triplets only: random and semi-hard with the hinge, $m = 1$; batch-hard with
# the soft margin, as its authors advise. During each training we count the triplets in the **wrong order** in a fixed
# batch of people not trained on. **Predict:** which is fastest, and by how much?

# %% slideshow={"slide_type": "-"}
kept = validation.images[: choose(smoke=12, lecture=120, full=120)]
whose = validation.labels[: len(kept)]


def validate(model, progress):
    """The share of triplets of people not trained on that are in the right order."""
    return {"right order": 1 - triplet.monitor(embed(model, kept), whose)["active"]}


mined = {}
for mining, m in (("random", 1.0), ("semi-hard", 1.0), ("batch-hard", "soft")):
    mined[mining] = triplet.train(
        learn, mining=mining, margin=m, budget=steps, seed=0, view=view, validate=validate
    )
figures.lines(
    mined["random"].history.validation_steps,
    {
        name: [100 * (1 - share) for share in run.history.validated["right order"]]
        for name, run in mined.items()
    },
    xlabel="step",
    ylabel="triplets in the wrong order (%)",
    caption="Share of triplets in the wrong order, of new people, for three ways to choose the triplets.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 2}
spaces["triplet"] = lambda images: embed(mined["batch-hard"].model, images)
figures.table(
    {name: judged(space) for name, space in spaces.items() if name != "triplet"}
    | {
        f"triplets, {name}": judged(lambda images, run=run: embed(run.model, images))
        for name, run in mined.items()
    },
    digits=1,
    caption="People that no network was trained on; one training each, with an equal number of steps.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The two ways to count give two answers. The figure asks for each *anchor* whether the pictures of its person are nearer than
# the others, and triplets are trained for that. The first column of the table compares *all* pairs with one another,
# whatever their anchors, and one threshold for everybody needs that. The last columns show that the triplet loss does not
# fix the scale of $f$, so distances are not comparable between networks. This is one short training; which loss is ahead
# over several trainings is measured further below.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "The reference values are the lesson: know the loss of the constant solution before you look at a loss. For a classifier it is ln(number of classes)."}
# ## Break it: collapse
#
# The simplest bad solution of each loss is $f \equiv \text{const}$: all pictures at the same place. Its loss is

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
m = 4.0
print("contrastive, plain norms: m/2 =", contrastive.collapsed(slide_loss, margin=m))
print("contrastive, Hadsell:   m^2/2 =", contrastive.collapsed(hadsell_loss, margin=m))
print("triplets, hinge:            m =", triplet.collapsed(m))
print(f"triplets, soft margin:   ln 2 = {triplet.collapsed('soft'):.4f}")
here = torch.zeros(4, 2)  # four pictures, two people, one place
forces = contrastive.forces(here, torch.tensor([0, 0, 1, 1]), margin=m)
print("force on anybody there:", float(forces.abs().max()))

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "notes": "The training without a push has the lowest loss of all. Cover the plot and ask which training they would keep, from the losses alone."}
# And there the training stays: two equal vectors have no direction in which to move apart. How does a training get there? We
# break two trainings. In one the **push is forgotten**, $\mathcal L = (1 - y)\, d / 2$, as happens with a margin of 0. The
# other looks for the **hardest negatives with squared distances** in a plane, $f(I) \in \mathbb R^2$, where there is little
# room to get out of each other's way. Beside them, the same plane with plain norms and the soft margin. **Predict** the
# loss at which each of the three ends.

# %% slideshow={"slide_type": "-"}
short = choose(smoke=Budget(3, 16), lecture=Budget(200, 40), full=Budget(1000, 40))


def no_push(distance, y, *, margin):
    """The contrastive loss without its second half."""
    return (1 - y) / 2 * distance


def plane():
    return Embedding(dimensions=2, seed=0, start=START)


def spread(model, progress):
    """How far two pictures are apart, in the mean, in units of the margin."""
    return {"spread": triplet.monitor(embed(model, kept), whose)["spread"]}


broken = {
    "push forgotten": (
        contrastive.train(
            learn, margin=1.0, loss=no_push, budget=short, seed=0, validate=spread
        ),
        1.0,
    ),
    "plane, hardest, squared": (
        triplet.train(
            learn,
            margin=1.0,
            squared=True,
            network=plane(),
            budget=short,
            seed=0,
            validate=spread,
        ),
        triplet.collapsed(1.0),
    ),
    "plane, hardest, soft": (
        triplet.train(learn, network=plane(), budget=short, seed=0, validate=spread),
        triplet.collapsed("soft"),
    ),
}
display(
    figures.lines(
        broken["push forgotten"][0].history.validation_steps,
        {name: run.history.validated["spread"] for name, (run, _) in broken.items()},
        xlabel="step",
        ylabel="mean distance of two pictures",
        log="y",
        caption="How far apart the pictures of new people lie.",
    )
)
figures.table(
    {
        name: {
            "loss at the end": sum(values[-1] for values in run.history.terms.values()),
            "if f were constant": 0.0 if name == "push forgotten" else constant,
            "mean distance of two pictures": run.history.validated["spread"][-1],
        }
        for name, (run, constant) in broken.items()
    },
    digits=3,
    caption="The loss beside that of the constant solution.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The first training comes near the best loss there is, zero, and its network is useless. **The probe** is cheap: know the
# loss of the constant solution, draw it as a line, and monitor the spread of $f$ beside the loss. With squared distances the
# forces themselves shrink with $d$, so the way out of a collapse is slow; plain norms pull and push as hard in a small cloud
# as in a large one. Hermans and his colleagues advise them, with the soft margin. (Two things differ between the two
# trainings in the plane, the norm and the margin. And in two dimensions the soft loss may stay near ln 2 although $f$ has
# spread, when the hardest triplets of a batch are still in the wrong order.)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "Go round: one sentence each."}
# ## What to remember
#
# - If you need a distance, train a distance, for its use: here, to put the right person first. A siamese network is one
#   network, applied to each image.
# - The contrastive loss pulls genuine pairs together and pushes impostors up to a margin. The margin only sets a scale.
#   Test advice on how to weigh the two kinds of pairs before you follow it.
# - The triplet loss asks for an order only. What it learns depends on which triplets it sees: most random ones teach nothing.
# - Know the loss of the constant solution: $m/2$, $m^2/2$, $m$, $\ln 2$. Monitor the spread of $f$.
# - A distance is judged by the order of its values: ROC, EER, AUC on pairs; recall at $k$ without the query.
# - At a door DIR and FPIR go together. $\gamma$ comes from validation strangers and the gallery that is in use.
# - Test on identities never trained on, beside pixels and beside the latent space of a classifier.

# %% slideshow={"slide_type": "slide", "minutes": 6, "notes": "Let everyone answer alone first."}
Quiz.parse("""
With m = 4 and plain norms, the impostor loss of a training has stayed at 2.0 for a long
time, the genuine loss at 0. What has happened?
- [x] f gives all pictures nearly the same vector | m/2 = 2 and 0 are the costs of a
  constant f.
- [ ] All impostors are beyond the margin | Then their loss would be 0, not m/2.
- [ ] Impostors have come to lie at half the margin | At d = m/2 an impostor costs (m −
  m/2)/2 = m/4 = 1.

A triplet has distances 5 to the positive and 10 to the negative. With m = 1 and plain norms
…
- [x] it costs nothing and moves no point | 1 + 5 − 10 is below zero.
- [ ] it costs 4 | The hinge is max(0, m + 5 − 10), and that is 0: 4 is by how much it is
  satisfied.
- [ ] the positive is still pulled towards the anchor | That would be the contrastive loss.
  The triplet loss sees the difference of the distances only.

A batch for batch-hard mining has 40 people with one picture each. How many triplets are
there?
- [x] none | No picture has a positive. One must not take the anchor itself, at distance 0.
- [ ] 40, one for each anchor | An anchor needs a second picture of its person.
- [ ] 40 · 39 | That counts pairs of anchor and negative.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/02_siamese.ipynb): the contrastive loss of a
# batch, batch-hard triplets, and the threshold of a door. Each is checked at once, and the message for a
# wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Train with `mining="all"`, and average over the triplets only that are not yet satisfied. When do the two differ?
# 2. Normalise $f$ to length one before the loss. Which margins still make sense, and does the error on new people change?
# 3. Train with five people and look at the forces on the picture of a sixth. Which features did the network learn?
# 4. `zoo.load(Embedding, "triplet-people")`, after `from course_lib import zoo`, gives a distance learnt as in experiment 4,
#    but without augmentation, from the first 160 people. Enrol others with it, `identities.people(140, first=160)`. Whom does it
#    confuse, and what have they in common?
#
# ## Further reading
#
# - R. Hadsell, S. Chopra, Y. LeCun: *Dimensionality Reduction by Learning an Invariant Mapping*, CVPR 2006. The
#   contrastive loss, with the springs.
# - F. Schroff, D. Kalenichenko, J. Philbin: *FaceNet: A Unified Embedding for Face Recognition and Clustering*, CVPR 2015.
#   Triplets, semi-hard negatives, and what goes wrong with the hardest.
# - A. Hermans, L. Beyer, B. Leibe: *In Defense of the Triplet Loss for Person Re-Identification*, 2017. Batch-hard, the
#   soft margin, and a careful comparison.
# - P. Grother, P. Phillips: *Models of Large Population Recognition Performance*, CVPR 2004. What a growing gallery does.
