# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "Let everybody write a number down before the next slide. The training runs in the meantime: a network with 160 outputs, one for each person that it learns."}
# ## Nearest, and somebody else
#
# Lecture *identification* ended with a door that compares. It stores an embedding of each employee's picture, and
# names the person whose stored picture is nearest to the visitor's. The embedding came from the latent space of a
# classifier, a network that was trained to *name* people and not to compare them.
#
# Here such a classifier learns 160 drawn people, and is asked about 40 others. On the next slide you see a visitor and
# two pictures, A and B. One of them shows the visitor. **Predict:** which one does the classifier put nearer to the
# visitor, and how often are its distances in the wrong order, over all pairs of new people?

# %% slideshow={"slide_type": "-"}
import math
from itertools import combinations

import torch
from IPython.display import display

from course_lib import figures
from course_lib.claims.answers import answer
from course_lib.claims.cite import cite
from course_lib.data import identities
from course_lib.embeddings import distances, embed, pixels
from course_lib.metric import contrastive, identification, triplet
from course_lib.metric.batches import START, jitter
from course_lib.metric.contrastive import hadsell_loss, pairs, slide_loss
from course_lib.metric.triplet import triplet_loss
from course_lib.metric.verification import auc, pair_distances, recall_at
from course_lib.networks import Embedding
from course_lib.profiles import Budget, choose
from course_lib.widgets.forces import Forces
from course_lib.widgets.quiz import Quiz

# %% slideshow={"slide_type": "skip"}
everybody = identities.people(
    choose(smoke=40, lecture=240, full=240), each=choose(smoke=6, lecture=12, full=12)
)
learn, validation, test = identities.split(
    everybody, *choose(smoke=(16, 8, 16), lecture=(160, 40, 40), full=(160, 40, 40))
)  # each person is in one of the three only
steps = choose(smoke=Budget(3, 16), lecture=Budget(400, 40), full=Budget(20_000, 72))
view = jitter(shift=2, brightness=0.3)  # every picture of a batch, moved and lit anew
alike = {"budget": steps, "seed": 0, "view": view}  # of all trainings that are compared

# %% slideshow={"slide_type": "skip"}
network = identification.Classifier(
    len(learn.names), embedding=Embedding(seed=0, start=START)
)
classifier = identification.train(learn, network=network, **alike).model
spaces = {
    "pixels": pixels,
    "classifier": lambda images: embed(classifier.latent, images),
}

# %% slideshow={"slide_type": "skip"}
same = test.labels[:, None] == test.labels[None]
f = spaces["classifier"](test.images)
latent = distances(f, f)
farthest = latent.masked_fill(~same, 0).max(dim=1)  # of the same person
nearest = latent.masked_fill(same, math.inf).min(dim=1)  # of somebody else
visitor = int((farthest.values / nearest.values).argmax())  # the worst error of all
A, B = int(nearest.indices[visitor]), int(farthest.indices[visitor])
wrong = {
    name: 100 * (1 - auc(*pair_distances(space(test.images), test.labels)))
    for name, space in spaces.items()
}

# %% slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "Let them vote for A or B before the answer. This example was searched for: among the new people it is the picture with the worst error of the classifier. The share in the answer counts all pairs."}
alt = "Three drawn faces side by side: a visitor, a picture A of somebody else, and a picture B of the same person"
caption = (
    "Who of A and B is the visitor? Nobody in these pictures was trained on. The example was searched for: it is the "
    "worst one."
)
figures.images(
    {
        "the visitor": test.images[visitor].float() / 255,
        "A": test.images[A].float() / 255,
        "B": test.images[B].float() / 255,
    },
    columns=3,
    alt=alt,
    caption=caption,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"B shows the visitor, and the classifier puts A nearer, at {latent[visitor, A]:.1f} against {latent[visitor, B]:.1f}; "
    f"over all pairs of new people {wrong['classifier']:.1f} % are in the wrong order, in pixels {wrong['pixels']:.0f} %, "
    "by chance 50 %.",
    holds=bool(latent[visitor, A] < latent[visitor, B])
    and wrong["classifier"] < wrong["pixels"],
    otherwise=f"In this run {wrong['classifier']:.1f} % of all pairs are in the wrong order for the classifier, and "
    f"{wrong['pixels']:.1f} % in pixels.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The share compares each pair of one person with each pair of two: the order is wrong where the two people are nearer.
# The loss of the classifier contains no distance. **Why not train for what we want?**

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Draw the two branches and then the equals sign between them. Ask how many weights the second one has."}
# ## The idea: train the distance
#
# We want weights $w$ such that for every image $I$, every other image $P$ of the same person and every image $N$ of
# somebody else
#
# $$\lVert f_w(I) - f_w(P) \rVert_2 < \lVert f_w(I) - f_w(N) \rVert_2 ,$$
#
# where the network $f_w$ turns an image into a vector, its *embedding*. This condition does not depend on how many
# people there are, or who they are.
#
# It compares images, so images come at least in pairs, and all of them pass through the same operations with the same
# weights. Hence the name **siamese network**. It is drawn as two networks, but it is one, applied twice.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "For reference. In many libraries y is the other way round."}
# ### The letters of this lecture
#
# | letter | is |
# |---|---|
# | $I$, $P$, $N$ | an image, another one of the same person (the positive), one of somebody else (the negative) |
# | $f_w$, $w$ | the network, from an image to its embedding, and its weights; $f$ for short |
# | $I_i$, $I_j$; $f_i$, $f_j$ | two images of a batch; their embeddings, $f_i = f_w(I_i)$ |
# | $d$, $e$ | $\lVert f_i - f_j \rVert_2$, Euclidean and not squared; the direction $(f_j - f_i)/d$ |
# | $y$ | 0 if a pair shows one person, 1 if it shows two |
# | $m$ | the margin, in the unit of $f$ |
# | $Q$, $K$ | how many people a batch holds, and how many images of each |
# | $\mathcal L$ | the loss |

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Ask before the last line is shown whether the two branches may be fed one after the other. The answer depends on the mode of the network."}
# ### One network, applied twice
#
# Are the weights shared, and the operations as well? The last printed line is a trap of every siamese network with batch
# normalisation. If you feed the two branches one after the other in training mode, each is normalised by its own
# statistics. In this course all images of a batch go through the network at once.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
siamese = Embedding(seed=0).eval()
a, b = (test.images[:2].float() / 255).unsqueeze(1)
together, one_by_one = siamese(torch.cat([a, b])), torch.cat([siamese(a), siamese(b)])
both = torch.nn.ModuleList([siamese, siamese])  # the two branches, as they are drawn
weights = [sum(weight.numel() for weight in part.parameters()) for part in (siamese, both)]
print("both branches have as many weights as one:", weights[0] == weights[1])
print("at once or one by one:", torch.allclose(together, one_by_one, atol=1e-4))
siamese.train()  # normalisation now uses the statistics of what comes at once
together, one_by_one = siamese(torch.cat([a, b])), torch.cat([siamese(a), siamese(b)])
print("the same while training:", torch.allclose(together, one_by_one, atol=1e-2))

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "Write the two halves of the formula under a drawing of three points. Ask what y is for each pair, and where each half is zero."}
# ## The contrastive loss
#
# Take two images of a batch, $I_i$ and $I_j$, with $f_i = f_w(I_i)$ and $d = \lVert f_i - f_j \rVert_2$. A **genuine**
# pair shows one person, $y = 0$: pull it together. An **impostor** pair shows two people, $y = 1$: push it apart, but
# only until a margin $m$ lies between them.
#
# $$\mathcal L = \frac{1 - y}{2}\, d + \frac{y}{2} \max(0,\, m - d)$$


# %% slideshow={"slide_type": "-"}
def contrastive_loss(f_i, f_j, y, m):
    """The loss of one pair: y = 0 for one person, 1 for two."""
    d = ((f_i - f_j) ** 2).sum().sqrt()
    pull = (1 - y) / 2 * d
    push = y / 2 * max(m - d, 0)
    return pull + push


# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
points = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).double()
who = torch.tensor([0, 0, 1, 1, 2, 2])
ours = [
    contrastive_loss(points[i], points[j], int(who[i] != who[j]), 2.0)
    for i, j in combinations(range(6), 2)
]
library = slide_loss(*pairs(points, who), margin=2.0)
print(len(ours), "pairs, as in the library:", torch.allclose(torch.stack(ours), library))

# %% slideshow={"slide_type": "skip"}
figures.code(slide_loss, hadsell_loss, pairs)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 5, "path": "core", "notes": "Derive both gradients at the board. Constant force against a spring. Where does each vanish?"}
# ## How hard does it pull?
#
# Hadsell, Chopra and LeCun (CVPR 2006, equation 4) wrote the loss with squares:
#
# $$\mathcal L = \frac{1 - y}{2}\, d^2 + \frac{y}{2} \max(0,\, m - d)^2$$
#
# The gradient with respect to $f_j$ has the direction of the pair, $e = (f_j - f_i)/d$. Its length says how hard:
#
# | | genuine pair, pulled by | impostor with $d < m$, pushed by | $d \ge m$ |
# |---|---|---|---|
# | plain norms | $1/2$, at any distance | $1/2$, at any distance | 0 |
# | Hadsell | $d$, like a spring | $m - d$, like a spring | 0 |
#
# With plain norms a pair is pulled as hard at distance 0.01 as at 100. Hadsell's pull fades as the pair comes together.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The slope of each curve is the force. Two of the four curves are straight, two are parabolas."}
# ### The slope is the force

# %% slideshow={"slide_type": "skip"}
at = torch.linspace(0, 5, 51)
genuine, impostor = torch.zeros_like(at), torch.ones_like(at)
curves = {
    "plain norms, one person": slide_loss(at, genuine, margin=3.0),
    "plain norms, two people": slide_loss(at, impostor, margin=3.0),
    "Hadsell, one person": hadsell_loss(at, genuine, margin=3.0),
    "Hadsell, two people": hadsell_loss(at, impostor, margin=3.0),
}

# %% slideshow={"slide_type": "-"}
figures.lines(
    at,
    curves,
    xlabel="distance d of the pair",
    ylabel="loss",
    mark={"margin": 3},
    caption="Both forms of the contrastive loss, for m = 3.",
)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
# Two points, a = (0, 0) and b = (3, 4), five apart.
two = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64)
for name, loss in (("plain", slide_loss), ("Hadsell", hadsell_loss)):
    for y, m in ((0, 7.0), (1, 7.0), (1, 4.0)):
        d, same_or_not = pairs(two, torch.tensor([0, y]))
        value = loss(d, same_or_not, margin=m).item()
        force = contrastive.forces(two, torch.tensor([0, y]), margin=m, loss=loss)[1]
        moved = ", ".join(f"{part + 0.0:.1f}" for part in force)
        print(f"{name:7} y = {y}, m = {m:.0f}: loss {value:4.1f}, b is moved by ({moved})")

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Let them compute the two numbers. Then ask which pairs would dominate a mean over all pairs."}
# ### All pairs of a batch
#
# If images are sampled at random from 160 people, a batch rarely contains two images of the same person. So a batch holds
# $Q$ people with $K$ images each, and all its pairs are compared. How many are genuine, with $Q = 10$ and $K = 4$?
#
# Nine in ten pairs are impostors, and they would dominate one mean over all pairs. The library takes two means, one over
# each kind of pair, and adds them. Whether this helps is measured below.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
Q, K = 10, 4
_, y = pairs(torch.zeros(Q * K, 1), torch.arange(Q).repeat_interleave(K))
print("genuine pairs:", int((y == 0).sum()), "impostor pairs:", int((y == 1).sum()))
print("by counting:", Q * K * (K - 1) // 2, Q * K * (Q * K - K) // 2)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "The key sentence: the contrastive loss asks for absolute distances, the triplet loss for an order. Which of the two does the door need?"}
# ## The triplet loss
#
# The contrastive loss asks for more than a door needs: every genuine pair at distance zero, every impostor pair beyond one
# and the same $m$. A door needs an order: a picture shall be nearer to those of its person than to others. So compare
# three images:
#
# $$\mathcal L = \max\bigl(0,\; m + \lVert f(I) - f(P) \rVert_2 - \lVert f(I) - f(N) \rVert_2 \bigr)$$
#
# Only the *difference* of two distances counts. (FaceNet squares both norms; here they are plain.)


# %% slideshow={"slide_type": "-"}
def loss_of_triplet(f_I, f_P, f_N, m):
    """One picture, another one of the same person, one of somebody else."""
    to_positive = ((f_I - f_P) ** 2).sum().sqrt()
    to_negative = ((f_I - f_N) ** 2).sum().sqrt()
    return max(m + to_positive - to_negative, 0)


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
I, P, N = torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(1)).double()
ours = sum(float(loss_of_triplet(*one, 1.0)) for one in zip(I, P, N, strict=True)) / len(I)
print("the library's loss:", abs(ours - float(triplet_loss(I, P, N, margin=1.0))) < 1e-9)

# %% slideshow={"slide_type": "skip"}
figures.code(triplet_loss)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
# By hand: the positive at distance 5, the negative at distance 10.
I, P, N = (
    torch.tensor([point], dtype=torch.float64)
    for point in ([0.0, 0.0], [3.0, 4.0], [6.0, 8.0])
)
print("m = 1:", triplet_loss(I, P, N, margin=1.0).item())
print("m = 6:", triplet_loss(I, P, N, margin=6.0).item())
print("m = 1, squared:", triplet_loss(I, P, N, margin=1.0, squared=True).item())
print("m = 12, everything moved by 7 and doubled:", end=" ")
print(triplet_loss(2 * I + 7, 2 * P + 7, 2 * N + 7, margin=12.0).item())

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Ask how many triplets a batch of ten people with four pictures has: 40 anchors, 3 positives, 36 negatives. Then: how many of these does a half-trained network still get wrong?"}
# ## Which triplets?
#
# A batch of ten people with four images each holds 4320 triplets, and most of them are easy: after a few steps the network
# tells a bald person with glasses from one with long hair. Such triplets have no loss and no gradient. **Mining** looks for
# those that still teach something:
#
# - **random**: for each image one random positive and one random negative;
# - **semi-hard** (after FaceNet): for each genuine pair the nearest negative that is farther than the positive;
# - **batch-hard** (Hermans, Beyer and Leibe, 2017): for each image its farthest positive and its nearest negative.
#
# With batch-hard triplets Hermans and colleagues replace the hinge by a smooth one, the **soft margin**, which has no $m$
# to choose: $\mathcal L = \ln\bigl(1 + e^{\lVert f(I) - f(P) \rVert - \lVert f(I) - f(N) \rVert}\bigr)$.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Ask for the count first. The last line is the mistake of a batch without partners."}
# ### How many triplets there are
#
# A batch has $QK$ images. Each has $K - 1$ positives, and $QK - K$ negatives.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
labels = torch.arange(10).repeat_interleave(4)
print("triplets in a batch of 10 x 4:", len(triplet.all_triplets(labels).anchors))
print("by counting:", 40 * (4 - 1) * (40 - 4))
print("with one image of each:", len(triplet.all_triplets(torch.arange(40)).anchors))

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The soft margin never quite stops. At zero both curves have the value of a collapsed network."}
# ### The soft margin
#
# The smooth curve never quite stops: a triplet that is right by 5 is still moved, with 0.007 of the full force.

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
    caption="The loss of a triplet. Where both images are equally far, it is m for the hinge and ln 2 for the soft margin.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Draw the five points on a line. Batch-hard would take the negative at 1, which is nearer than the positive."}
# ### Semi-hard, in plain steps
#
# One person is at 0 and at 2, three others are at 1, 3 and 9. For the image at 0 the positive is at 2. The negative at 1 is
# nearer than that, so it is too hard; of the two others the one at 3 is the nearest.


# %% slideshow={"slide_type": "-"}
def semi_hard(f, labels, anchor, positive):
    """The nearest negative beyond the positive; the farthest of all where none is beyond."""
    d = (f - f[anchor]).norm(dim=1)
    negatives = [k for k in range(len(f)) if labels[k] != labels[anchor]]
    beyond = [k for k in negatives if d[k] > d[positive]]
    return min(beyond, key=lambda k: d[k]) if beyond else max(negatives, key=lambda k: d[k])


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
line = torch.tensor([[0.0], [2.0], [1.0], [3.0], [9.0]])  # two of one person, three others
whom = torch.tensor([0, 0, 1, 2, 3])
found = triplet.nearest_semi_hard(line, whom)
for i, p, n in zip(*(which.tolist() for which in found), strict=True):
    same_choice = semi_hard(line, whom, i, p) == n
    print(f"from {line[i].item():.0f}, positive at {line[p].item():.0f}:", end=" ")
    print(f"negative at {line[n].item():.0f}, as in plain steps: {same_choice}")

# %% slideshow={"slide_type": "skip"}
figures.code(triplet.nearest_semi_hard)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "Let them find: the margin ring; an impostor that is pushed although it is already far away; then squeeze the points and run each of the losses. Squeeze again with squared distances."}
# ## Play: feel the forces
#
# Nine images of three people in the plane. **Try:** drag a square into the circles, and see what moves. Let it run, then
# change the loss. *Squeeze together* nearly collapses everything: which losses get out of it?

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
    caption="Shape and colour: the person. Arrows: where gradient descent moves each image. Solid lines pull, dashed ones push.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Both questions are asked of people never seen. Collect predictions for each loss separately: most will say that both beat the classifier."}
# ## Experiment: learnt from pairs, and from triplets
#
# The same network, first weights, batches, augmentation and number of steps as for the classifier; only the loss differs.
# Pairs get the contrastive loss with plain norms and $m = 4$, triplets are batch-hard with the soft margin.
#
# Two questions on people never seen: how many pairs are in the wrong order, and how often does the nearest picture show
# the same person? **Predict:** is the nearest picture right more often than with the classifier, for pairs, for triplets?

# %% slideshow={"slide_type": "-"}
margin = 4.0
compared, history = contrastive.train(learn, margin=margin, loss=slide_loss, **alike)

# %% slideshow={"slide_type": "skip"}
kept = validation.images[: choose(smoke=12, lecture=120, full=120)]
whose = validation.labels[: len(kept)]


def in_order(model, progress):
    """The share of triplets of people not trained on that are in the right order."""
    return {"right order": 1 - triplet.monitor(embed(model, kept), whose)["active"]}


# %% slideshow={"slide_type": "-"}
ordered = triplet.train(
    learn, mining="batch-hard", margin="soft", validate=in_order, **alike
)


# %% slideshow={"slide_type": "skip"}
def judged(space):
    """Measure a distance on people never trained on."""
    f = space(test.images)
    of_one, of_two = pair_distances(f, test.labels)
    return {
        "pairs in the wrong order (%)": 100 * (1 - auc(of_one, of_two)),
        "nearest picture is right (%)": 100 * recall_at(f, test.labels, (1,))[1],
        "mean distance, one person": of_one.mean().item(),
        "two people": of_two.mean().item(),
    }


spaces["contrastive"] = lambda images: embed(compared, images)
spaces["triplets, batch-hard"] = lambda images: embed(ordered.model, images)
results = {name: judged(space) for name, space in spaces.items()}

# %% slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "The table is one training each; the answers are over several seeds, each with other people. Read the interval aloud. The last columns show that distances of two networks cannot be compared."}
stored = cite("triplet-people")
display(
    figures.table(
        results,
        digits=1,
        caption="People that no network was trained on; one training each, with an equal number of steps.",
        note=stored,
    )
)
display(
    answer(
        stored.compare("slide_recall", "classifier_recall").sentence(
            "the distance learnt from pairs",
            "the classifier's",
            what="how often the nearest picture is right",
            unit="points",
            digits=1,
            times=100,
        )
    )
)
display(
    answer(
        stored.compare("triplet_recall", "classifier_recall").sentence(
            "the distance learnt from batch-hard triplets",
            "the classifier's",
            what="this share",
            unit="points",
            digits=1,
            times=100,
        )
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# A distance is good at what its loss asks for. The contrastive loss keeps people a margin apart, and does not ask who is
# nearest. The triplet loss asks for exactly that.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The reference line is the point of the figure: it is the loss of a network that gives the same vector for every image."}
# ### The training on pairs, beside a reference
#
# What is the loss of a network that gives the same vector for every image? Its genuine pairs cost nothing, its impostor
# pairs $m/2$. A training that learns leaves this line: genuine pairs cost a little, impostor pairs far less than $m/2$.

# %% slideshow={"slide_type": "skip"}
collapsed_at = contrastive.collapsed(slide_loss, margin=margin)
reference = [collapsed_at] * len(history.steps)

# %% slideshow={"slide_type": "-"}
figures.lines(
    history.steps,
    {
        "genuine pairs": history.terms["genuine"],
        "impostor pairs": history.terms["impostor"],
        "impostors, if f were constant: m/2": reference,
    },
    xlabel="step",
    ylabel="mean loss",
    caption="The contrastive loss with plain norms, m = 4.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "These three pieces of advice are often given for any loss. Each of them was measured; the note has the criterion."}
# ## What matters to the contrastive loss?
#
# Three things one could change: one mean over all pairs instead of two, the margin, the number of people to learn from.
# The *equal error rate*, EER, is the share of pairs that are judged wrongly at the threshold where both kinds of pairs have
# the same share; 0.5 is chance. **Predict** for each of the three how much it changes the EER on people never seen.

# %% slideshow={"slide_type": "fragment"}
matters = cite("contrastive-people")
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
    matters.row(changed),
    xlabel="equal error rate on people never seen",
    caption=f"Each row changes one thing of the second one; mean of {len(matters.seeds)} trainings.",
    note=matters,
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Advice that is often given need not show an effect. Read the intervals aloud."}
# ### What the seeds show

# %% slideshow={"slide_type": "-"}
what = "equal error rate"
display(
    answer(
        matters.compare("slide", "one_mean", lower=True).sentence(
            "the sum of two means", "one mean over all pairs", what=what, digits=3
        )
    )
)
display(
    answer(
        matters.compare("margin_1", "margin_16", lower=True).sentence(
            "the margin 1", "the margin 16", what=what, digits=3
        )
    )
)
display(
    answer(
        matters.compare("slide", "people_20", lower=True).sentence(
            "learning from 160 people", "learning from 20", what=what, digits=3
        )
    )
)
display(
    answer(
        f"A network that learnt five people has an equal error rate of {matters['people_5_own']:.3f} on these five, and of "
        f"{matters['people_5']:.3f} on others, in the mean over the seeds."
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Could we not train on the office's own few templates alone? The last answer says what happens. To distinguish five people
# a few features are enough, and these need not work for a sixth person.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Ask what happens to the loss if f and m are both multiplied by ten. Then ask what else has a scale: the first weights and the step size."}
# ### The margin has the unit of $f$
#
# Multiply $f$ and $m$ by ten: with plain norms the loss is ten times as large, and the order of all distances is the same.
# So $m$ alone says nothing. What counts is $m$ relative to the distances at the first step and to the step size. In the
# table only $m$ was changed, and not these two, so its rows are not one training in other units.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
d, y = pairs(points, who)
once, tenfold = slide_loss(d, y, margin=2.0), slide_loss(10 * d, y, margin=20.0)
print("f and m ten times as large, the loss too:", torch.allclose(tenfold, 10 * once))

# %% slideshow={"slide_type": "-"}
margins = {"m = 1": "margin_1", "m = 4": "slide", "m = 16": "margin_16"}
figures.table(
    matters.rows(margins, {"mean distance of two people": "_apart", "EER": ""}, "{}{}"),
    digits=3,
    caption="The margin sets how far apart people come to lie. Means over the seeds, people never seen.",
    note=matters.about("contrastive-margin-is-scale"),
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Collect three predictions before the cell runs: whose curve falls fastest? The share of wrong triplets falls for all; they differ in what they learn from the rest."}
# ## Random, semi-hard, batch-hard
#
# Three trainings that differ in the choice of triplets. Random and semi-hard ones get the hinge with $m = 1$, batch-hard ones
# the soft margin, as its authors advise. We count the triplets in the **wrong order** among people not trained on.
# **Predict:** which of the three has the fewest at the end, and how many times fewer than random ones?

# %% slideshow={"slide_type": "skip"}
mined = {
    mining: triplet.train(learn, mining=mining, margin=1.0, validate=in_order, **alike)
    for mining in ("random", "semi-hard")
} | {"batch-hard": ordered}
disordered = {
    name: [100 * (1 - share) for share in run.history.validated["right order"]]
    for name, run in mined.items()
}
last = {name: shares[-1] for name, shares in disordered.items()}

# %% slideshow={"slide_type": "fragment"}
figures.lines(
    mined["random"].history.validation_steps,
    disordered,
    xlabel="step",
    ylabel="triplets in the wrong order (%)",
    caption="Triplets in the wrong order, of new people, for three ways to choose the triplets. One training each.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"In this run batch-hard triplets end with {last['batch-hard']:.1f} % in the wrong order, semi-hard ones with "
    f"{last['semi-hard']:.1f} % and random ones with {last['random']:.1f} %.",
    holds=last["batch-hard"] < min(last["semi-hard"], last["random"]),
    otherwise="In this run batch-hard triplets do not end with the fewest in the wrong order: "
    + ", ".join(f"{name} {share:.1f} %" for name, share in last.items()),
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Know the loss of the constant solution before you look at a loss. For a classifier it is ln(number of classes). Cover the next slide and ask which training they would keep, from the losses alone."}
# ## Break it: the lowest loss of all
#
# The simplest bad solution is a constant $f$: all images at the same place. Its loss is known before the training: $m/2$
# for an impostor pair ($m^2/2$ with Hadsell), $m$ for a triplet, $\ln 2$ with the soft margin. And there the training
# stays, because two equal vectors have no direction in which to move apart.
#
# How does a training get there? We **forget the push**, $\mathcal L = (1 - y)\, d / 2$. **Predict:** at which loss does
# this training end, and how often is the nearest picture then right?


# %% slideshow={"slide_type": "-"}
def no_push(distance, y, *, margin):
    """The contrastive loss without its second half."""
    return (1 - y) / 2 * distance


# %% slideshow={"slide_type": "skip"}
def spread(model, progress):
    """How far two pictures of new people are apart, in the mean."""
    return {"spread": triplet.monitor(embed(model, kept), whose)["spread"]}


short = choose(smoke=Budget(3, 16), lecture=Budget(120, 40), full=Budget(1000, 40))
unpushed = contrastive.train(
    learn, margin=1.0, loss=no_push, budget=short, seed=0, validate=spread
)
monitored = unpushed.history.validation_steps
losses = dict(zip(unpushed.history.steps, unpushed.history.terms["genuine"], strict=True))
apart = unpushed.history.validated["spread"]
right = judged(lambda images: embed(unpushed.model, images))["nearest picture is right (%)"]

# %% slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "The loss is the best that there is, and the network is useless. The second curve is the probe: it costs one line in the training loop."}
figures.lines(
    monitored,
    {
        "loss": [losses[step] for step in monitored],
        "mean distance of two pictures of new people": apart,
    },
    xlabel="step",
    ylabel="loss, distance",
    log="y",
    caption="A training without a push. The loss falls, and so do all distances.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"The loss ends at {losses[monitored[-1]]:.4f}, and two pictures of new people lie {apart[-1]:.4f} apart instead of "
    f"{apart[0]:.2f}; the nearest picture is right for {right:.0f} %, with the contrastive loss for "
    f"{results['contrastive']['nearest picture is right (%)']:.0f} %.",
    holds=apart[-1] < 0.1 * apart[0]
    and right < results["contrastive"]["nearest picture is right (%)"],
    otherwise=f"In this run the loss ends at {losses[monitored[-1]]:.4f}, and two pictures lie {apart[-1]:.4f} apart.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **The probe** is cheap: know the loss of the constant solution, and monitor the spread of $f$ beside the loss.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
m = 4.0
print("contrastive, plain norms: m/2 =", contrastive.collapsed(slide_loss, margin=m))
print("contrastive, Hadsell:   m^2/2 =", contrastive.collapsed(hadsell_loss, margin=m))
print("triplets, hinge:            m =", triplet.collapsed(m))
print(f"triplets, soft margin:   ln 2 = {triplet.collapsed('soft'):.4f}")
here = torch.zeros(4, 2)  # four pictures, two people, one place
forces = contrastive.forces(here, torch.tensor([0, 0, 1, 1]), margin=m)
print("force on anybody there:", float(forces.abs().max()))

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Two things can differ, the norm and the margin. So four trainings, and the table decides which of the two it is. Then ask what the first column alone would have told."}
# ## Break it again: squared distances in a plane
#
# Batch-hard triplets in a plane, $f(I) \in \mathbb R^2$, where there is little room to get out of each other's way. Four
# trainings: plain or squared norms, each with the hinge and with the soft margin. **Predict:** which of the four collapse,
# and does their loss show it?

# %% slideshow={"slide_type": "skip"}
plane = {
    (norm, margin): triplet.train(
        learn,
        margin=margin,
        squared=norm == "squared norms",
        network=Embedding(dimensions=2, seed=0, start=START),
        budget=short,
        seed=0,
        validate=spread,
    )
    for norm in ("plain norms", "squared norms")
    for margin in (1.0, "soft")
}

# %% slideshow={"slide_type": "skip"}
rows = {
    f"{norm}, {'soft margin' if margin == 'soft' else 'hinge'}": {
        "loss, mean of the last 20 steps": float(
            torch.tensor(run.history.terms["loss"][-20:]).mean()
        ),
        "if f were constant": triplet.collapsed(margin),
        "mean distance of two pictures": run.history.validated["spread"][-1],
    }
    for (norm, margin), run in plane.items()
}
ends = [row["mean distance of two pictures"] for row in rows.values()]
gaps = [
    abs(row["loss, mean of the last 20 steps"] - row["if f were constant"])
    for row in rows.values()
]

# %% slideshow={"slide_type": "fragment"}
display(
    figures.table(
        rows, digits=3, caption="Four trainings in the plane; pictures of new people."
    )
)
display(
    answer(
        f"In these trainings the two with squared norms collapse, to mean distances of {ends[2]:.3f} and {ends[3]:.3f}, and "
        f"the two with plain norms do not, with {ends[0]:.2f} and {ends[1]:.2f}; the loss does not show it, since it ends "
        f"within {max(gaps):.2f} of the constant's in all four.",
        holds=max(ends[2:]) < 0.5 * min(ends[:2]) and max(gaps) < 0.1,
        otherwise=f"In this run the mean distances are {', '.join(f'{end:.3f}' for end in ends)}, in the order of the table.",
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# With squared norms the force shrinks with the distance, so the way out of a small cloud is slow; Hermans and colleagues
# advise plain norms. The losses are alike because in a plane the hardest triplet of an image often stays in the wrong
# order, and then it costs as much as with a constant $f$, or more.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - If you need a distance, train a distance, for its use. A siamese network is one network, applied to each image.
# - The contrastive loss pulls genuine pairs together and pushes impostor pairs up to a margin, which has the unit of $f$.
# - The triplet loss asks for an order only. What it learns depends on which triplets it sees; random ones soon are easy.
# - Know the loss of a constant $f$: $m/2$, $m^2/2$, $m$, $\ln 2$. Monitor the spread of $f$ beside the loss: a low loss
#   does not show that there is a distance.
# - Judge a distance on people never trained on, beside pixels and beside the latent space of a classifier.

# %% slideshow={"slide_type": "slide", "minutes": 1, "notes": "Let everyone answer alone first."}
Quiz.parse("""
With m = 4 and plain norms, the impostor loss of a training has stayed at 2.0 for a long
time, the genuine loss at 0. What has happened?
- [x] f gives all pictures nearly the same vector | m/2 = 2 and 0 are the costs of a
  constant f.
- [ ] All impostor pairs lie beyond the margin | Then their loss would be 0, not m/2.
- [ ] Impostor pairs lie at half of the margin | At d = m/2 an impostor pair costs (m −
  m/2)/2 = m/4 = 1.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "The pull of a satisfied triplet is the difference between the two losses."}
Quiz.parse("""
A triplet has distances 5 to the positive and 10 to the negative. With m = 1 and plain norms
…
- [x] it costs nothing and moves no point | 1 + 5 − 10 is below zero.
- [ ] it costs 4 and moves all three points | The hinge is max(0, m + 5 − 10), and that is 0:
  4 is by how much it is satisfied.
- [ ] it still pulls the positive to the anchor | That would be the contrastive loss.
  The triplet loss sees the difference of the distances only.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Ask for a batch that would be right: ten people with four pictures each."}
Quiz.parse("""
A batch for batch-hard mining has 40 people with one picture each. How many triplets are
there?
- [x] none | No picture has a positive. One must not take the anchor itself, at distance 0.
- [ ] 40 | An anchor needs a second picture of its person.
- [ ] 1560 | 40 · 39 counts the pairs of an anchor and a negative; there is no positive.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "The same question can be asked of every loss with two terms."}
Quiz.parse("""
A pair of one person is at distance 0.1. Which loss pulls it together harder?
- [x] The one with plain norms | Its pull is 1/2 at every distance, Hadsell's is d = 0.1.
- [ ] The one with squares, Hadsell's form | Its pull is d, here 0.1; with plain norms it is
  1/2.
- [ ] Neither, a genuine pair below the margin is done | The margin ends the push on impostor
  pairs. Genuine pairs are pulled at every distance.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "The network is in training mode while it is trained; so this is the usual case."}
Quiz.parse("""
While training, somebody feeds first all left images of the pairs and then all right ones
through a siamese network with batch normalisation. What is not shared?
- [x] The statistics of the normalisation | Each half is normalised by its own mean and
  variance, so equal images get different embeddings.
- [ ] The weights of the convolutions | There is one network, and each half passes through
  the same weights.
- [ ] The gradients of the weights | Both halves add to the gradients of the same weights.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Two graded problems are in the [exercise notebook](../exercises/student/02_siamese.ipynb): the contrastive loss of a
# batch, and batch-hard triplets. Each is checked at once, and the message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Train with `mining="all"`, and average over the triplets only that are not yet satisfied. When do the two differ?
# 2. Normalise $f$ to length one before the loss. Which margins still make sense, and does the error on new people change?
# 3. Train with five people and look at the forces on the picture of a sixth. Which features did the network learn?
# 4. Train the contrastive loss with $m = 40$, and with first weights (`start`) that are ten times as large. Which step size
#    would make it the training of $m = 4$ in other units, with this course's optimiser and with plain gradient descent?
#
# ## Further reading
#
# - R. Hadsell, S. Chopra, Y. LeCun: *Dimensionality Reduction by Learning an Invariant Mapping*, CVPR 2006. The
#   contrastive loss, with the springs.
# - F. Schroff, D. Kalenichenko, J. Philbin: *FaceNet: A Unified Embedding for Face Recognition and Clustering*, CVPR 2015.
#   Triplets, semi-hard negatives, and what goes wrong with the hardest.
# - A. Hermans, L. Beyer, B. Leibe: *In Defense of the Triplet Loss for Person Re-Identification*, 2017. Batch-hard, the
#   soft margin, and a careful comparison.
