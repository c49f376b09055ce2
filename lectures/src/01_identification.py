# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "Ask who would build it with a classifier. Nearly everyone will. Let them say why before the next slides show what is wrong with it."}
# ## A door that knows twenty people
#
# You build the entrance of an office: a camera, a door, and twenty people who may come in. There are eight pictures of
# each, taken on different days. You know how to do this: a convolutional network with twenty outputs.
#
# The course draws its people itself, so that no real faces are needed. From picture to picture, pose, light,
# expression and background change.

# %% slideshow={"slide_type": "-"}
import math

import torch

from course_lib import figures, profiles
from course_lib.claims.answers import answer
from course_lib.claims.cite import cite
from course_lib.data.identities import people, split
from course_lib.data.readers import Labelled
from course_lib.embeddings import as_float, distances, embed, pixels, tsne
from course_lib.metric import identification, triplet
from course_lib.metric.batches import jitter, settle_on_people
from course_lib.metric.identification import Classifier, Gallery
from course_lib.metric.verification import recall_at
from course_lib.networks import Embedding
from course_lib.profiles import Budget, choose
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

# %% slideshow={"slide_type": "skip"}
counts = choose(smoke=(20, 6, 21), lecture=(160, 40, 40), full=(160, 40, 40))
others, _, office = split(people(sum(counts)), *counts)  # nobody is in two of the sets
faces = office.images.reshape(-1, 12, 1, 48, 48)  # person, picture

# %% slideshow={"slide_type": "-"}
alt = (
    "Two rows of drawn faces, eight pictures of one person in each. The first picture is frontal, in even light; in the "
    "others the same face is turned, shifted, smiling, lit from the side, before other backgrounds"
)
figures.images(
    faces[:2, :8].flatten(0, 1).float() / 255,
    columns=8,
    alt=alt,
    caption="Two of the people. The first picture of each is the passport photograph: frontal, in even light.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "The training takes some seconds. The newcomer has signed the contract this morning. Read the numbers above the pictures aloud."}
# ## A newcomer
#
# We train such a network on the eight pictures of each of the twenty. Then somebody comes to the door who has signed
# the contract this morning. **Predict:** what will the network say about a face that it has never seen?

# %% slideshow={"slide_type": "skip"}
staff = Labelled(
    faces[:20, :8].flatten(0, 1),
    torch.arange(20).repeat_interleave(8),
    office.names[:20],
)
view = jitter(shift=3, brightness=0.2)
budget = choose(smoke=Budget(3, 16), lecture=Budget(300, 40), full=Budget(1000, 40))
door = identification.train(staff, budget=budget, seed=0, view=view).model

newcomer = 20  # the twenty-first
shares = embed(door, office.images).double().softmax(dim=1)  # one row for each picture
of_newcomer = shares[12 * newcomer :][:6]

# %% slideshow={"slide_type": "fragment"}
figures.images(
    {
        f"picture {k}\n{staff.names[int(p.argmax())]}\n{100 * float(p.max()):.0f} %": picture
        / 255
        for k, (p, picture) in enumerate(
            zip(of_newcomer, faces[newcomer, :6].float(), strict=True)
        )
    },
    columns=6,
    alt="Six pictures of one drawn person; above each, the name of somebody else and a percentage",
    caption=f"A new person, {office.names[newcomer]}. Above each picture: the network's answer, and how sure it is.",
)

# %% slideshow={"slide_type": "fragment"}
one_more = cite("identification-newcomer")
answer(
    "It gives the newcomer the name of somebody else. Measured on all strangers, "
    f"{100 * one_more['strangers_sure']:.0f} % of the pictures get a name with a share above one half, in the mean of "
    f"{len(one_more.seeds)} trainings."
)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
print("outputs:", shares.shape[1])
apart = (shares.sum(dim=1) - 1).abs().max()
print("the shares sum to one for everybody, known or not:", bool(apart < 1e-6))
print("times that it says 'unknown':", int((shares.argmax(dim=1) >= 20).sum()))

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Write the last layer at the board as a matrix with a row per person. The newcomer needs a row; the row needs a training; the training moves all other rows."}
# ## Why enrolment breaks a classifier
#
# The last layer of a classifier has one row $w_j$ for each of the $N$ people it knows:
#
# $$p_j(I) = \frac{e^{w_j^\top f(I) + b_j}}{\sum_{k=1}^{N} e^{w_k^\top f(I) + b_k}}, \qquad \sum_{j=1}^N p_j(I) = 1 .$$
#
# - **It cannot add a person.** The newcomer has no row. With one more row it is another network, which has to be trained
#   again, on everybody, and all other decisions may change.
# - **It cannot say "unknown".** The shares sum to one over the people that it knows. A **stranger**, that is a person who
#   is not enrolled, gets a name, too.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The control matters: a training that is repeated without anybody new changes decisions, too. It is the training that moves the decisions, not the person."}
# ## Train again, with the twenty-first
#
# The classifier is trained anew, with the newcomer. For how many pictures of the *other twenty* does its decision change?
# And if it is trained anew without anybody new?

# %% slideshow={"slide_type": "fragment"}
changes = {
    "trained anew, with the newcomer": "classifier_changed",
    "trained anew, without": "classifier_changed_by_lot",
    "a template added (what we build now)": "gallery_changed",
}
figures.bars(
    one_more.row(changes, times=100),
    xlabel="decisions about the other twenty that change (%)",
    digits=1,
    caption="Pictures of the twenty that were not trained on. Every training begins with other weights than the one "
    "before, or has other batches.",
    note=one_more,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"With the newcomer {100 * one_more['classifier_changed']:.0f} % of the decisions about the others change; when the "
    f"training is only repeated, {100 * one_more['classifier_changed_by_lot']:.0f} %. "
    + one_more.compare("gallery_changed", "classifier_changed", lower=True).sentence(
        "adding a template",
        "the new training",
        what="changed decisions (fewer are better)",
        unit="points",
        times=100,
        digits=1,
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "This is the main idea of part A: from 'which class' to 'how far'. Enrolment is an append."}
# ## Compare instead
#
# Store one picture of each person, a **template** $T_j$, and give a visitor $I$ the name of the person with the closest one:
#
# $$\hat\imath = \operatorname*{argmin}_{j} \lVert I - T_j \rVert_2 .$$
#
# | letter | is |
# |---|---|
# | $I$, $T_j$ | image at the door; stored image of person $j$ |
# | $f$ | an embedding: image $\to$ vector. At first, simply the pixels |
# | $T_{u,j}$, $\# T_u$ | templates of user $u$, and how many there are |
# | $s_u$, $\gamma$ | score of user $u$: how far the visitor is from $u$; accepted only below the threshold $\gamma$ |
#
# Enrolment is now an append to a list, and if the distance is large we can answer "unknown". One question is left, and
# all of part A of this course is about it: **which distance?**

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Have them rank the four by how alike they look before you show the caption. The mathematics of the four is one line each; do the box."}
# ## Bad news: four images at the same distance
#
# Shift a passport photograph $T$ by a few pixels; let $d$ be the distance of the two. Now make three more images at
# *exactly* this distance from $T$ ($P$ pixels): darker, with a box over the eyes, with noise $\eta$.
#
# $$T - \frac{d}{\sqrt P}, \qquad T + d\,\frac{\text{box} - T}{\lVert \text{box} - T \rVert}, \qquad
# T + d\, \frac{\eta}{\lVert \eta \rVert}$$

# %% slideshow={"slide_type": "skip"}
T = people(1, each=1, size=96, first=223).images.double() / 255  # somebody, drawn larger
box = T.clone()
box[..., 30:60, 28:68] = 0
eta = torch.randn(T.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def equally_far(shift):
    """T shifted by some pixels, and three other images at the same pixel distance from T."""
    left = T[..., :1].expand(-1, -1, -1, shift)  # the edge, repeated
    moved = torch.cat([left, T], dim=-1)[..., : T.shape[-1]]
    d = (moved - T).norm()
    return {
        f"shifted {shift} px": moved,
        "darker": T - d / math.sqrt(T.numel()),
        "a box": T + d * (box - T) / (box - T).norm(),
        "noise": T + d * eta / eta.norm(),
    }


# %% slideshow={"slide_type": "fragment"}
figures.images(
    {"T": T, **equally_far(4)},
    columns=5,
    alt="A drawn face five times: as it is, shifted, a little darker, with a dark box over the eyes, and noisy",
    caption="The last four have the same pixel distance from the first. Which of them would you let in?",
)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
four = torch.cat(list(equally_far(4).values()))
by_hand = torch.stack([(image - T[0]).square().sum().sqrt() for image in four])
print(
    "the four distances agree to 1e-12:",
    bool((by_hand / by_hand[0] - 1).abs().max() < 1e-12),
)
library = distances(pixels(four), pixels(T))[:, 0]
print("and with the library's to 1e-12:", bool((library - by_hand).abs().max() < 1e-12))
pairs = [(i, j) for i in range(4) for j in range(i)]
different = all(float((four[i] - four[j]).abs().max()) > 0.1 for i, j in pairs)
print("any two of them differ by a tenth of the range somewhere:", different)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Move the slider to one pixel: you hardly see a change. Then read the line under the pictures. Only then show the answer."}
# ## Play: how far is "the same"?
#
# Change the shift; the other three images follow. **Predict:** which is nearer to $T$, another picture of the *same
# person*, or the passport photograph of a *stranger*, the nearest of forty?

# %% slideshow={"slide_type": "skip"}
second = people(1, each=2, size=96, first=223).images[1:].double() / 255  # the same person
crowd = people(40, each=1, size=96, first=180).images.double() / 255  # forty passports
same = float((second - T).norm())
stranger = float(distances(pixels(crowd), pixels(T)).min())
by_shift = {
    shift: float((equally_far(shift)[f"shifted {shift} px"] - T).norm())
    for shift in (1, 2, 3, 4, 6, 8)
}
too_far = min(shift for shift, d in by_shift.items() if d > stranger)

# %% slideshow={"slide_type": "fragment"}
player = Player(
    render=lambda shift: {
        title: picture.clamp(0, 1).float()
        for title, picture in ({"T": T} | equally_far(shift)).items()
    },
    axes=(
        Axis("shift", (1, 2, 3, 4, 6, 8), "The face is shifted by (pixels of 96)", start=3),
    ),
    alt=lambda shift: (
        f"A drawn face; the same shifted by {shift} pixels; darker; with a dark box; with noise, each at the same distance "
        "from the first"
    ),
    note=lambda shift: (
        f"Each of the four is at distance {by_shift[shift]:.1f}. Another picture of the same person: {same:.1f}. "
        f"The nearest passport of a stranger: {stranger:.1f}."
    ),
    caption="Four ways to the same pixel distance.",
)
player

# %% [markdown] slideshow={"slide_type": "skip"}
# With a kernel running, the same player computes each setting when you choose it:

# %% slideshow={"slide_type": "skip"}
player.live()

# %% slideshow={"slide_type": "fragment"}
answer(
    f"The stranger: {stranger:.1f}, against {same:.1f} for another picture of the same person. The person's own passport, "
    f"shifted by {too_far} pixels, is further away than this stranger, too.",
    holds=stranger < same,
)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
print("the same person is more than twice as far as the stranger:", same > 2 * stranger)
print("the first of these shifts that is further than the stranger:", too_far)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Transfer learning is the argument: features serve more than the last layer that they were trained for. It is a hope until it is measured; the source only says 'we know this can work'."}
# ## A space where distance means something
#
# The pixel distance cannot know that a shifted edge is the same edge. But look at the classifier: before its last layer
# it has turned the image into a vector $f(I)$, its **penultimate activations**, in which one matrix suffices to
# distinguish its people. Light and position were of no use for that. Keep $f$, forget the last layer, and measure there:
#
# $$\hat\imath = \operatorname*{argmin}_j \lVert f(I) - f(T_j) \rVert_2 .$$
#
# We hope that such features serve people, too, whom the network has never seen; that is **transfer learning**. The
# $f(T_j)$ are computed once and stored, 64 numbers for each template.


# %% slideshow={"slide_type": "-"}
def latent(x):
    """What the last layer sees: 64 numbers for each image."""
    return door.embedding(x).relu()


# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
with torch.no_grad():
    x = as_float(office.images[:5]).to(profiles.device())
    print("latent:", tuple(latent(x).shape))
    print(
        "the last layer on top is the classifier:",
        torch.equal(door.last(latent(x)), door(x)),
    )
    print("the library's latent is the same:", torch.equal(latent(x), door.latent(x)))

# %% slideshow={"slide_type": "skip"}
figures.code(Classifier.latent, distances)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "The random network is the control: does the architecture help, or what was learnt? Collect guesses for all three before the bars."}
# ## Experiment: forty people that no network has seen
#
# We train a classifier of 160 *other* people. Each of our forty gets one template, the passport photograph; eleven other
# pictures of each are named by the nearest one. **Predict:** how many get the right name (by chance one in forty) by
# pixels, in the latent space, and in that of the *same network with random weights*? Its convolutions and pooling alone
# make small shifts matter less.

# %% slideshow={"slide_type": "skip"}
budget = choose(smoke=Budget(3, 16), lecture=Budget(600, 64), full=Budget(3000, 64))
general = identification.train(others, budget=budget, seed=0, view=view).model
untrained = settle_on_people(Embedding(), others, view=view, batch=16, seed=0)
spaces = {
    "pixels": pixels(office.images),
    "random weights": embed(untrained, office.images),
    "latent space": embed(general.latent, office.images),
}


def right_names(f):
    """The share of pictures 1 to 11 that are nearest to their own person's picture 0, in per cent."""
    f = f.reshape(len(office.names), 12, -1)  # person, picture, numbers
    d = distances(f[:, 1:].flatten(0, 1), f[:, 0])  # (visits, people)
    truth = torch.arange(len(f)).repeat_interleave(11)
    return 100 * (d.argmin(dim=1) == truth).double().mean().item()


# %% slideshow={"slide_type": "fragment"}
figures.bars(
    {name: right_names(f) for name, f in spaces.items()},
    xlabel="right names (%)",
    digits=0,
    caption=f"One template for each of {len(office.names)} people that no network was trained on; this training.",
)

# %% slideshow={"slide_type": "fragment"}
found = cite("identification-spaces")
answer(
    f"{100 * found['pixels_one']:.0f} % by pixels, {100 * found['random_one']:.0f} % with random weights, "
    f"{100 * found['latent_160_one']:.0f} % in the latent space, in the mean of {len(found.seeds)} trainings. "
    + found.compare("latent_160_one", "random_one").sentence(
        "the learnt space",
        "the random one",
        what="right names",
        unit="points",
        times=100,
        digits=0,
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "People and pictures grow together from row to row; only the number of steps is the same for all three. A few marks, a pair of glasses or a bald head, are enough to distinguish ten people."}
# ## From how many people should the classifier learn?
#
# A few marks, such as glasses or a bald head, can be enough to distinguish ten people. Three classifiers of other people
# get the same number of steps. Do forty or 160 people teach more than ten?

# %% slideshow={"slide_type": "fragment"}
embeddings = {
    "pixels": "pixels",
    "random weights": "random",
    "classifier of 10 people": "latent_10",
    "classifier of 40 people": "latent_40",
    "classifier of 160 people": "latent_160",
}
columns = {"one template (%)": "one", "three templates (%)": "three"}
figures.table(
    found.rows(embeddings, columns, times=100),
    digits=0,
    caption="Right names of forty other people, by the mean distance to their templates. Mean over all seeds.",
    note=found.about(
        "identification-latent", "identification-learnt", "identification-more-people"
    ),
)

# %% slideshow={"slide_type": "fragment"}
names = {"what": "right names", "unit": "points", "times": 100, "digits": 1}
answer(
    found.compare("latent_40_one", "latent_10_one").sentence(
        "the space of forty people", "that of ten", **names
    )
    + " "
    + found.compare("latent_160_one", "latent_40_one").sentence(
        "the space of 160 people", "that of forty", **names
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Find a query where pixels bring the right background, or the right brightness, and the wrong person. Then the same query in the learnt spaces."}
# ## Play: who is nearest?
#
# Choose somebody and a space: the five nearest of all other pictures of the office. With pixels, look at what they have
# *in common* with the visitor: background, light, side. The last space belongs to a network that was trained to
# compare, not to classify; the next lecture, *siamese*, shows how.

# %% slideshow={"slide_type": "skip"}
budget = choose(smoke=Budget(3, 16), lecture=Budget(400, 64), full=Budget(3000, 64))
compared = triplet.train(others, budget=budget, seed=0, view=view).model
spaces["trained to compare"] = embed(compared, office.images)
doors = choose(smoke=(0, 1), lecture=tuple(range(10)), full=tuple(range(10)))
nearest = {
    name: distances(f, f).fill_diagonal_(torch.inf).topk(5, largest=False).indices
    for name, f in spaces.items()
}


# %% slideshow={"slide_type": "-"}
def neighbours(person, space):
    query = 12 * person + 4
    shown = {f"{office.names[person]} at the door": office.images[query].float() / 255}
    for place, other in enumerate(nearest[space][query].tolist(), start=1):
        right = "right" if other // 12 == person else "wrong"
        shown[f"{place}. {office.names[other // 12]}, {right}"] = (
            office.images[other].float() / 255
        )
    return shown


def count_right(person, space):
    count = sum(other // 12 == person for other in nearest[space][12 * person + 4].tolist())
    return f"{count} of the five nearest show the same person."


Player(
    render=neighbours,
    axes=(
        Axis("person", doors, "Person at the door (number in the office)"),
        Axis("space", tuple(spaces), "Nearest in"),
    ),
    alt=lambda person, space: (
        f"A picture of {office.names[person]} and the five nearest others, distance measured in: {space}"
    ),
    note=count_right,
    caption="A picture at the door and its five nearest neighbours among all other pictures of the office.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Say what t-SNE does and does not do: neighbours stay neighbours; sizes of clusters and the distances between them mean nothing."}
# ## A map of the space
#
# **t-SNE** (van der Maaten 2008) puts points from many dimensions on a plane so that neighbours stay neighbours. Each
# picture of ten people is placed as near to its point as there is room. What lies together on the left, and what on the
# right? The map is for looking at, not for measuring: only neighbourhoods mean something.


# %% slideshow={"slide_type": "skip"}
def atlas(places, images):
    """The pictures on a grid, each as near to its place on the map, (N, 2), as there is room."""
    from scipy.optimize import linear_sum_assignment

    rows = len(places) // 12
    grid = torch.cartesian_prod(torch.linspace(0, 1, rows), torch.linspace(0, 1, 12))
    _, cell = linear_sum_assignment(distances(places, grid).square().numpy())
    sheet = torch.empty(rows * 12, 48, 48)
    sheet[cell] = images[:, 0].float() / 255
    return sheet.reshape(rows, 12, 48, 48).permute(0, 2, 1, 3).reshape(1, rows * 48, 576)


few = slice(0, 12 * choose(smoke=4, lecture=10, full=10))
of = {"by pixels": "pixels", "by latent vectors": "latent space"}
maps = {title: tsne(spaces[name][few]) for title, name in of.items()}
beside = [100 * recall_at(places, office.labels[few], (1,))[1] for places in maps.values()]

# %% slideshow={"slide_type": "fragment"}
figures.images(
    {name: atlas(places, office.images[few]) for name, places in maps.items()},
    columns=2,
    alt="Two maps made of small drawn faces. The nearest face on the map is of the same person "
    f"in {beside[0]:.0f} per cent of the cases on the first, and in {beside[1]:.0f} on the second",
    caption="t-SNE of some people's pictures. The nearest on the map shows the same person in "
    f"{beside[0]:.0f} % of the cases by pixels, and in {beside[1]:.0f} % by penultimate activations.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Read the loop line by line: a distance for each template, their mean for each user, the smallest of all users, the threshold. Then the last line of the next cell: enrolment is one assignment. Removing somebody is one, too; people can ask for it."}
# ## The door in eight lines
#
# A **gallery** keeps the embeddings $f(T_{u,j})$ of each user. The score of a user is the **mean distance** to them. The
# user with the smallest score is accepted if that is below $\gamma$; else there is **no identification**.


# %% slideshow={"slide_type": "-"}
def identify(f_I, gallery, gamma=math.inf):
    """The name of the visitor with embedding f(I), or None."""
    s = {}
    for user, templates in gallery.items():
        d = [torch.dist(f_I, f_T) for f_T in templates]  # |f(I) - f(T_uj)| for each j
        s[user] = sum(d) / len(d)  # the score s_u
    best = min(s, key=s.get)
    return best if s[best] < gamma else None


# %% slideshow={"slide_type": "-"}
f = spaces["latent space"].double().reshape(len(office.names), 12, -1)  # person, picture
gallery = {name: f[u, :3] for u, name in enumerate(office.names[:20])}  # three each
visits = f[:, 3:].flatten(0, 1)
before = [identify(f_I, gallery) for f_I in visits]
gallery[office.names[newcomer]] = f[newcomer, :3]  # enrolment: this is all
after = [identify(f_I, gallery) for f_I in visits]

# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "fragment"}
library = Gallery()
for name, templates in gallery.items():
    library.enrol(name, templates)
print("the library names all visitors alike:", library.identify(visits) == after)
changed = [new for old, new in zip(before, after, strict=True) if old != new]
print(
    "every decision that changed is now the newcomer:",
    set(changed) <= {office.names[newcomer]},
)
library.remove(office.names[newcomer])
print("after the removal all decisions are back:", library.identify(visits) == before)

# %% slideshow={"slide_type": "skip"}
figures.code(Gallery.enrol, Gallery.remove, Gallery.scores, Gallery.identify)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Do T = {0, 4}, x = 2 at the board, and ask for all three numbers. The centroid rule looks like the mean rule, but it is a different one."}
# ## Several templates: the mean rule and the minimum rule
#
# The **mean rule** scores a user by the mean distance; a common variant, the **minimum rule**, by the smallest:
#
# $$s_u = \frac{1}{\# T_u} \sum_j \lVert f(I) - f(T_{u,j}) \rVert_2 \qquad \text{or} \qquad
# s_u = \min_j \lVert f(I) - f(T_{u,j}) \rVert_2 .$$
#
# Neither is the distance to the *mean template*, which is never above the mean rule's score (Jensen's inequality):
#
# $$\Bigl\lVert f(I) - \frac{1}{\# T_u} \sum_j f(T_{u,j}) \Bigr\rVert \;\le\;
# \frac{1}{\# T_u} \sum_j \lVert f(I) - f(T_{u,j}) \rVert .$$
#
# The two templates 0 and 4 on a line and a visitor at 2, in the middle:

# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "-"}
line = Gallery()
line.enrol("one user", torch.tensor([[0.0], [4.0]], dtype=torch.float64))
visitor = torch.tensor([[2.0]], dtype=torch.float64)
print("mean rule:", line.scores(visitor).item())
print("minimum rule:", line.scores(visitor, rule="minimum").item())
print("distance to the mean template:", abs(2.0 - (0.0 + 4.0) / 2))
line.enrol("one user", torch.tensor([[50.0]], dtype=torch.float64))  # far from the others
print("with a far template, mean rule:", round(line.scores(visitor).item(), 6))
print("with a far template, minimum rule:", line.scores(visitor, rule="minimum").item())

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "notes": "By the mean rule the visitor has to be like all pictures of a user; by the minimum rule, like one of them. Ask which is safer against one bad template of somebody else. And why do more templates make the pixels' column fall?"}
# ## Which rule?
#
# One far template harms the mean rule and not the minimum rule. By the minimum rule, on the other hand, one template
# that looks like *everyone* opens the door to everyone. **Predict:** which rule names more pictures rightly, with six
# templates of each person?

# %% slideshow={"slide_type": "fragment"}
rules = {
    "mean rule (%)": "latent_160",
    "minimum rule (%)": "minimum",
    "pixels, mean rule (%)": "pixels",
}
many = {"one template": "one", "three templates": "three", "six templates": "six"}
figures.table(
    found.rows(many, rules, "{1}_{0}", times=100),
    digits=1,
    caption="Right names of forty people in the latent space of a classifier of 160 others, and by pixels. Mean over all "
    "seeds.",
    note=found.about("identification-minimum", "identification-pixel-templates"),
)

# %% slideshow={"slide_type": "fragment"}
answer(
    found.compare("minimum_six", "latent_160_six").sentence(
        "the minimum rule", "the mean rule", **names
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Ask for the reason before you show the text. Passport photographs are all taken before the same background."}
# ## What all templates have in common cancels
#
# By pixels, the share of right names in the last column falls as templates are added. A likely reason: all passport
# photographs have the same light and the same background, so the visitor's background adds the same to the distance to
# every user, and cancels in the comparison.
#
# With everyday templates this is no longer so. Who was photographed before a middle gray wall is near to every visitor.
# Such differences between templates count, although they say nothing about the person; in a good space there is little
# of them.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Strictly below: at the threshold 0 even a bitwise copy stays outside. Ask at which of the two ends their bank should be. The threshold is chosen on validation strangers; the slide after this one, off the core path, says what happens as the office grows."}
# ## No identification: choose $\gamma$
#
# At $\gamma = 0$ no visitor comes in, at $\gamma = \infty$ everybody. Say which share of strangers you accept, and choose
# $\gamma$ with **validation strangers**: people kept for this purpose, neither trained on nor tested with.

# %% slideshow={"slide_type": "skip"}
score, user = library.scores(f[:20, 3:].flatten(0, 1)).min(
    dim=1
)  # of the twenty who are enrolled
right = user == torch.arange(20).repeat_interleave(9)
unknown = library.scores(f[20:].flatten(0, 1)).amin(dim=1)  # of all others
gammas = torch.linspace(0, 1.6 * float(score.median()), 33, dtype=torch.float64)
below = score[:, None] < gammas  # (visits, thresholds)
rates = {
    "staff, right name": 100 * (below & right[:, None]).double().mean(dim=0),
    "staff, wrong name": 100 * (below & ~right[:, None]).double().mean(dim=0),
    "strangers, any name": 100 * (unknown[:, None] < gammas).double().mean(dim=0),
}

# %% slideshow={"slide_type": "-"}
figures.lines(
    gammas,
    rates,
    xlabel="γ",
    ylabel="share of pictures (%)",
    caption="Twenty people enrolled with three templates each, in the latent space; the others are strangers.",
)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
copies = library.identify(f[:20, 0], rule="minimum", threshold=0.0)  # at distance 0
print("gamma = 0 lets in, of 20 bitwise copies of templates:", 20 - copies.count(None))
away = library.identify(visits, threshold=math.inf).count(None)
print("gamma = infinity sends away, of all visits:", away)
let_in = rates["strangers, any name"].tolist()
print("a larger gamma never lets in fewer:", let_in == sorted(let_in))

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The three roles: identities to train on, identities to choose the threshold on, identities to report on. Each person has one role only. Lecture verification does it in full, with open-set rates."}
# ## The office grows
#
# The decision about a stranger depends on the *smallest* score over all users, and with more users this smallest score
# can only fall. **Predict:** $\gamma$ was chosen for ten people such that one stranger in ten gets a name. At how many is
# it with twenty people?

# %% slideshow={"slide_type": "fragment"}
sizes = {"5 people enrolled": 5, "10 people enrolled": 10, "20 people enrolled": 20}
figures.bars(
    found.row(sizes, "strangers_named_{}", times=100),
    xlabel="strangers that get a name (%)",
    digits=0,
    caption="γ was chosen once, with validation strangers; these are other strangers. Mean over all seeds.",
    note=found.about("identification-gallery"),
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"At {100 * found['strangers_named_20']:.0f} in a hundred, in the mean of {len(found.seeds)} trainings, which differ "
    f"much: from {min(100 * row['strangers_named_20'] for row in found.results):.0f} to "
    f"{max(100 * row['strangers_named_20'] for row in found.results):.0f} in a hundred."
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "The stamp is eight by eight pixels. Ask how the training loss will look: very good. That is the point; nothing in the training shows the problem."}
# ## Break it: the camera's stamp
#
# The pictures of each person come from the camera at that person's desk, and every camera prints a small stamp into the
# corner. A classifier has to name the person, and will use the easiest sign of it. We train one on such pictures, and
# one on the same pictures without stamps.


# %% slideshow={"slide_type": "skip"}
def stamped(images, cameras):
    """Each picture with the stamp of its camera: sixteen gray tones in the corner."""
    draw = torch.Generator().manual_seed(1)
    tones = torch.randint(0, 256, (1000, 4, 4), generator=draw, dtype=torch.uint8)
    out = images.clone()
    out[:, 0, :8, :8] = tones[cameras].repeat_interleave(2, 1).repeat_interleave(2, 2)
    return out


budget = choose(smoke=Budget(3, 16), lecture=Budget(300, 40), full=Budget(2000, 64))
with_stamp = others._replace(images=stamped(others.images, others.labels))
trained = {
    "trained with stamps": identification.train(with_stamp, budget=budget, seed=0),
    "trained without": identification.train(others, budget=budget, seed=0),
}

# %% slideshow={"slide_type": "-"}
alt = (
    "Six drawn faces, three of each of two people; in the upper left corner of each a small checked stamp, the same for "
    "the same person"
)
figures.images(
    torch.cat([with_stamp.images[1:4], with_stamp.images[13:16]]).float() / 255,
    columns=6,
    alt=alt,
    caption="Training pictures with the stamps of two cameras.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 5, "path": "core", "notes": "The probe is general: change one thing that must not matter, and measure how far the embedding moves, in units of the distance between people."}
# ## The probe
#
# What reveals a shortcut: change the one thing that must not matter, here the stamp, and see how far $f$
# moves, in units of how far it moves when the *person* changes. Then the door: templates are taken at everyone's own
# desk, and the visitors come in at the *neighbour's*. **Predict:** how many right names are left?


# %% slideshow={"slide_type": "skip"}
def moved_by_a_stamp(network):
    """How far f moves by another stamp, in units of how far apart two people are."""
    every = torch.full((len(office.images),), 600)
    a, b = (
        embed(network.latent, stamped(office.images, every + more)) for more in (0, 100)
    )
    d = distances(a[::12], a[::12])  # of the passport photographs of all people
    return float((a - b).norm(dim=1).mean() / (d.sum() / (len(d) ** 2 - len(d))))


def at_the_neighbours_desk(network):
    """The shares of right names, and of visitors that get the name of the desk's owner."""
    person = torch.arange(len(office.names)).repeat_interleave(12)
    camera = 500 + (person + 1) % len(office.names)
    camera[::12] = 500 + person[::12]  # the template is from the own desk
    f = embed(network.latent, stamped(office.images, camera)).reshape(-1, 12, 64)
    named = distances(f[:, 1:].flatten(0, 1), f[:, 0]).argmin(dim=1)
    truth = person.reshape(-1, 12)[:, 1:].flatten()
    owner = (truth + 1) % len(office.names)
    return [100 * (named == who).double().mean().item() for who in (truth, owner)]


# %% slideshow={"slide_type": "skip"}
rows = {}
for name, (network, history) in trained.items():
    losses = history.terms["loss"][-20:]
    right, owner = at_the_neighbours_desk(network)
    rows[name] = {
        "loss at the end": sum(losses) / len(losses),
        "f moves by another stamp": moved_by_a_stamp(network),
        "right names (%)": right,
        "owner of the desk (%)": owner,
    }
naive, clean = rows.values()

# %% slideshow={"slide_type": "fragment"}
figures.table(
    rows,
    digits=1,
    caption="A short training without augmentation, so there are fewer right names than before. f moves in units of the "
    "mean distance of two people.",
)

# %% slideshow={"slide_type": "fragment"}
said = (
    f"{naive['right names (%)']:.0f} % of the visitors get their own name, and {naive['owner of the desk (%)']:.0f} % "
    f"that of the desk's owner; the network trained without stamps names {clean['right names (%)']:.0f} % rightly. "
    f"The training loss, {naive['loss at the end']:.2f} against {clean['loss at the end']:.2f}, gave no warning."
)
answer(
    said,
    holds=naive["right names (%)"] < clean["right names (%)"] - 10
    and naive["loss at the end"] < clean["loss at the end"],
    otherwise=f"In this run: {said}",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Both happen in practice, and both are silent. embed() switches to eval mode for this reason."}
# ## Two more ways to break a door that works
#
# Neither gives a warning.
#
# - Store templates from a network in *training* mode: its batch normalisation makes a template depend on the pictures
#   beside it. The library's `embed` switches to `eval` for this reason.
# - Update the network, and compare the new embeddings with the old templates. They belong to two different spaces.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "Real faces, as numbers only. Pixels do well on aligned pictures: always ask how well a benchmark is aligned."}
# ## Real faces
#
# The ORL set has ten photographs of each of forty people, all well aligned. There pixels do well, until the faces
# move in the frame, the light changes, or the picture is mirrored:

# %% slideshow={"slide_type": "-"}
orl = cite("identification-orl")
figures.table(
    orl.rows(
        {"pixels": "pixels", "latent space of a classifier of 25 others": "latent"},
        {"as they are (%)": "clean", "moved, lit, mirrored (%)": "moved"},
        times=100,
    ),
    digits=0,
    caption="Right names of 15 people with three templates each; the other pictures shifted by up to four of 46 pixels, "
    "30 % darker or brighter, half of them mirrored. Mean over all seeds.",
    note=orl,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - A classifier's last layer is a list of people. A new person means a new training; a stranger gets a name all the same.
# - With templates, enrolment is an append. Only the distance has to be learnt, once, on other people.
# - Pixel distance adds up the differences of single pixels: a shift, a shadow and a box over the eyes can be equally far.
# - The penultimate activations of a classifier are a space where distance means more, also for people never trained on.
# - Accept below $\gamma$ only. Choose $\gamma$ on validation strangers, and again when the gallery has grown.
# - A classifier takes the easiest way to a name. Change what must not matter, and measure how far $f$ moves.
#
# One thing is odd: $f$ was trained to classify, and we use it to measure distances. Why not train it for that?

# %% slideshow={"slide_type": "slide", "minutes": 2, "notes": "Let everyone answer alone first."}
Quiz.parse("""
A colleague is enrolled by storing two more vectors. Whose identification can change?
- [x] That of visits for which the colleague's score is strictly the lowest
- [ ] That of the colleague's own visits, and nobody else's | A visit of somebody else can be
  nearer to the new templates than to all old ones; then the answer changes, and is wrong.
- [ ] That of every visit, since the network has changed | That would be a classifier with a
  new output. Here no weight has changed.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
A user's templates are 0 and 4 on a line. A visitor stands at 1. The mean rule says …
- [x] 2 | (1 + 3) / 2.
- [ ] 1 | That is the minimum rule. It is also how far 1 is from the mean template, which
  lies at 2.
- [ ] 4 | That is the sum. The mean rule divides by the number of templates.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
You chose γ so that one stranger in ten comes in. Then the staff doubles. At the same γ …
- [x] as many strangers come in, or more
- [ ] as many come in, since γ is the same | A stranger's score is the smallest over all
  users. With more of them it can fall, and never rises.
- [ ] fewer come in, since more are known | Knowing more people means more templates to be
  near to by chance.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
A shifted picture of a face and one with a dark box over the eyes are equally far from the
original, pixel by pixel. This means that …
- [x] the distance does not say which one still shows the person
- [ ] both are equally good pictures of the person | The distance says so. You see that it
  is wrong.
- [ ] the face was shifted by too many pixels | For every shift there is a box, weaker or
  stronger, at the same distance.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/01_identification.ipynb): an image at a
# given distance, the scores of a gallery by both rules, and the decision with its threshold. Each is checked at once,
# and the message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Divide each latent vector by its length before you measure. Does it help, and why might it?
# 2. Train the classifier of 160 people longer (`COURSE_PROFILE=full`). Do other people get more right names all the time,
#    or fewer again? Look at the training loss beside it.
# 3. Look at people at night (`office.images // 4`) and compare the spaces. Which of them has learnt about light in its training?
#
# ## Further reading
#
# - G. Boracchi: *Departing From Supervised Learning*, lecture for PhD students, Politecnico di Milano (2025). The door, the
#   three images, the rule; this lecture follows its first part.
# - M. Turk, A. Pentland: *Eigenfaces for Recognition*, Journal of Cognitive Neuroscience 3 (1991). Template matching in
#   a space that is learnt, but linear.
# - F. Samaria, A. Harter: *Parameterisation of a Stochastic Model for Human Face Identification*, WACV 1994. The ORL faces.
# - L. van der Maaten, G. Hinton: *Visualizing Data using t-SNE*, JMLR 9 (2008). The map, and what it does not show.
# - R. Geirhos and others: *Shortcut Learning in Deep Neural Networks*, Nature Machine Intelligence 2 (2020). More stamps.
