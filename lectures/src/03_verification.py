# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "Collect numbers before the next slide; most people say one per cent, or twenty. The two trainings run in the meantime."}
# ## A strict threshold, and strangers inside
#
# Lecture *siamese* trained a distance on 160 people. Let us hang it at a door. The door calls two pictures the same person
# where their distance is at most $t$, and we choose $t$ strictly: on people kept for validation, only one in a hundred pairs
# of two people passes.
#
# Twenty new people are enrolled with three pictures each. Then twenty strangers come, people whom nobody has enrolled. A
# stranger gets in where one of the stored pictures is within $t$. **Predict:** what share of the strangers' pictures is let
# in?

# %% slideshow={"slide_type": "-"}
from statistics import fmean

import torch
from IPython.display import display

from course_lib import figures
from course_lib.claims.answers import answer
from course_lib.claims.cite import cite
from course_lib.claims.criteria import interval
from course_lib.claims.triplet import gains
from course_lib.data import identities
from course_lib.embeddings import distances, embed, pixels
from course_lib.metric import identification, triplet
from course_lib.metric.batches import START, jitter
from course_lib.metric.identification import Gallery
from course_lib.metric.verification import (
    auc,
    choose_threshold,
    equal_error_rate,
    open_set_rate,
    pair_distances,
    recall_at,
    roc,
)
from course_lib.networks import Embedding
from course_lib.profiles import Budget, choose
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

# %% slideshow={"slide_type": "skip"}
everybody = identities.people(
    choose(smoke=40, lecture=240, full=240), each=choose(smoke=6, lecture=12, full=12)
)
learn, validation, test = identities.split(
    everybody, *choose(smoke=(16, 8, 16), lecture=(160, 40, 40), full=(160, 40, 40))
)  # each person is in one of the three only
steps = choose(smoke=Budget(3, 16), lecture=Budget(600, 40), full=Budget(20_000, 72))
view = jitter(shift=2, brightness=0.3)  # every picture of a batch, moved and lit anew
alike = {"budget": steps, "seed": 0, "view": view}  # of both trainings

# %% slideshow={"slide_type": "skip"}
network = identification.Classifier(
    len(learn.names), embedding=Embedding(seed=0, start=START)
)
classifier = identification.train(learn, network=network, **alike).model
ordered = triplet.train(learn, mining="batch-hard", margin="soft", **alike).model
spaces = {
    "pixels": pixels,
    "classifier": lambda images: embed(classifier.latent, images),
    "triplets": lambda images: embed(ordered, images),
}

# %% slideshow={"slide_type": "skip"}
half = len(test.names) // 2
known, strangers = identities.split(test, half, half)
TEMPLATES = 3
each = len(known.labels) // half  # pictures of a person
is_template = torch.arange(len(known.labels)) % each < TEMPLATES

f = spaces["triplets"]
_, of_two = pair_distances(f(validation.images), validation.labels)
t = of_two.quantile(0.01)  # one pair of two people in a hundred passes
d = distances(f(strangers.images), f(known.images[is_template]))  # (pictures, templates)
let_in = 100 * float((d <= t).any(dim=1).double().mean())

# %% slideshow={"slide_type": "skip"}
closest, template = d.min(dim=1)
enrolled_as = known.labels[is_template][template]
cases = {}
for k in closest.argsort().tolist():  # the nearest picture of each stranger, nearest first
    cases.setdefault(int(strangers.labels[k]), k)
pictures = {}
for number, k in enumerate(list(cases.values())[:3], start=1):
    name = known.names[int(enrolled_as[k])]
    pictures[f"stranger {number}"] = strangers.images[k].float() / 255
    pictures[f"{number} is let in as {name}"] = (
        known.images[is_template][template[k]].float() / 255
    )

# %% slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "The three pairs are the nearest ones, so they are the worst. Ask how many comparisons the door makes for each visitor: sixty."}
alt = (
    "Three pairs of drawn faces. The left one of each pair is a stranger, the right one is the stored picture of an enrolled "
    "person for whom the stranger was taken"
)
figures.images(
    pictures,
    columns=6,
    alt=alt,
    caption="Three strangers, each beside the stored picture that opens the door. The nearest three were searched for.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"The door lets in {let_in:.0f} % of the strangers' pictures, although only 1 % of the pairs of two people pass.",
    holds=let_in > 3,
    otherwise=f"In this run the door lets in {let_in:.0f} % of the strangers' pictures.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# A visitor is compared with sixty stored pictures, and each comparison is one more chance to be let in. **How good is a
# distance, and which threshold may we set?** The loss of the training answers neither question.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Draw the two distributions on the board, overlapping, and let them place the threshold for a bank and for a holiday album."}
# ## How good is a distance?
#
# Take all pairs of pictures. A pair is **genuine** ($y = 0$) if it shows one person, an **impostor** pair ($y = 1$) if it
# shows two. Call a pair "the same" where $d \le t$. There are two ways to be wrong:
#
# $$\text{FAR}(t) = P(d \le t \mid y = 1), \qquad \text{FRR}(t) = P(d > t \mid y = 0)$$
#
# the share of impostor pairs that are accepted, and of genuine pairs that are rejected. The curve of $1 - \text{FRR}$ over
# FAR, for all $t$, is the **ROC**. Two numbers sum it up:
#
# - **EER**, the equal error rate: the error where both are equal (0 at best, 1/2 by chance);
# - **AUC**, the area under the ROC: $P(d_\text{genuine} < d_\text{impostor})$ (1 at best, 1/2 by chance).

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "For reference. Papers write s >= gamma where s is a similarity; here everything is a distance."}
# ### The letters of this lecture
#
# | letter | is |
# |---|---|
# | $f$ | an embedding: from an image to a vector |
# | $d$, $y$ | the distance of the embeddings of two images; 0 if they show one person, 1 if two |
# | $t$ | the threshold for pairs: "the same" where $d \le t$ |
# | $P(\cdot \mid \cdot)$ | the share of those for whom the condition holds |
# | $u$, $s_u$ | a user who is enrolled; the mean distance of a visitor to the stored pictures of $u$ |
# | $s$, $\hat\imath$ | the smallest of these scores, $\min_u s_u$; the user who has it |
# | $\gamma$ | the threshold of a door: let in where $s < \gamma$ |
# | $k$ | how many neighbours of a picture are looked at |

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Let them find the crossing by hand for the four and four distances: write them on a line, move the threshold from left to right."}
# ### In plain steps
#
# Both errors and the AUC see the *order* of the distances only. If you double or square all distances, nothing changes.


# %% slideshow={"slide_type": "-"}
def errors(genuine, impostor, t):
    """FAR and FRR of calling a pair "the same" where d <= t."""
    return (impostor <= t).double().mean(), (genuine > t).double().mean()


def equal_error(genuine, impostor):
    """Try each distance as the threshold; where the errors are nearest, take their mean."""
    thresholds = torch.cat([genuine, impostor]).sort().values
    both = [errors(genuine, impostor, t) for t in thresholds]
    far, frr = min(both, key=lambda pair: abs(pair[0] - pair[1]))
    return float(far + frr) / 2


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
genuine = torch.tensor([1.0, 2.0, 3.0, 6.0], dtype=torch.float64)
impostor = torch.tensor([4.0, 5.0, 7.0, 8.0], dtype=torch.float64)
print("EER", equal_error(genuine, impostor), "AUC", auc(genuine, impostor))
print("squared:", equal_error(genuine**2, impostor**2), auc(genuine**2, impostor**2))

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
draw = torch.Generator().manual_seed(0)
genuine, impostor = torch.rand(64, generator=draw), 0.3 + torch.rand(128, generator=draw)
print(
    "as the library:", equal_error(genuine, impostor) == equal_error_rate(genuine, impostor)
)

# %% slideshow={"slide_type": "skip"}
figures.code(roc, equal_error_rate, auc)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
genuine = torch.tensor([1.0, 2.0, 3.0, 6.0], dtype=torch.float64)
impostor = torch.tensor([4.0, 5.0, 7.0, 8.0], dtype=torch.float64)
for at, far, frr in zip(*roc(genuine, impostor), strict=True):
    print(f"t = {at:4.0f}: FAR {far:.2f}, FRR {frr:.2f}")

# %% slideshow={"slide_type": "skip"}
embedded = {name: space(test.images) for name, space in spaces.items()}
of_pairs = {name: pair_distances(f, test.labels) for name, f in embedded.items()}
grid = torch.linspace(0, 1, 101, dtype=torch.float64)


def accepted(name):
    """1 - FRR at each FAR of the grid."""
    _, far, frr = roc(*of_pairs[name])
    return 1 - frr[torch.searchsorted(far, grid, right=True) - 1]


curves = {name: accepted(name) for name in spaces}

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Ask of every such curve which people it was measured on: here, none of them was in the training."}
# ### Three distances on new people
#
# All pairs of pictures of people that no network has seen: by pixels, in the latent space of the classifier, and by the
# distance learnt from triplets. A distance that knows nothing has the diagonal as its curve.

# %% slideshow={"slide_type": "-"}
figures.lines(
    grid,
    {
        f"{name}, EER {equal_error_rate(*both):.2f}, AUC {auc(*both):.2f}": curves[name]
        for name, both in of_pairs.items()
    },
    xlabel="impostor pairs accepted, FAR",
    ylabel="genuine pairs accepted, 1 − FRR",
    caption=f"{len(test.names)} drawn people, {len(test.labels)} pictures, all pairs. One training each.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Ask what recall at 1 is if the query stays in the list: 100 per cent for every distance."}
# ### Recall at $k$
#
# A number from image retrieval: the share of pictures that have one of the same person among their $k$ nearest others.
# "Others" matters: a query is nearest to itself, and if it is not left out, the recall is 100 %. With one template for
# each user the same curve is called the cumulative match characteristic, CMC.

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        name: {
            f"recall at {k}": value
            for k, value in recall_at(f, test.labels, (1, 5, 20)).items()
        }
        | {"EER": equal_error_rate(*of_pairs[name]), "AUC": auc(*of_pairs[name])}
        for name, f in embedded.items()
    },
    caption="The trainings of this notebook, one each, on people that no network has seen.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "The door of lecture identification again. Ask what FAR at 1 % means for a door with 500 employees: a stranger gets 500 tries."}
# ## A door is harder
#
# A pair is one comparison. A door compares a visitor with everybody who is enrolled. As in lecture *identification*, the
# score $s_u$ is the mean distance of the visitor to the stored pictures of user $u$. With $\hat\imath = \arg\min_u s_u$
# and $s = \min_u s_u$ the visitor is let in as $\hat\imath$ where $s < \gamma$, and stays outside elsewhere:
#
# $$\text{FPIR}(\gamma) = P(s < \gamma \mid \text{a stranger}), \quad
# \text{DIR}(\gamma) = P(s < \gamma,\ \hat\imath \text{ right} \mid \text{enrolled})$$
#
# FPIR, the false positive identification rate, is the error that a door must limit. DIR, the detection and identification
# rate, is its success. They belong together: a door that lets everybody in has a high DIR, and an FPIR of 1. We report DIR
# at 10 % FPIR.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "Ask for the third outcome: an enrolled visitor who is let in under somebody else's name. DIR is what remains."}
# ### One visitor, in plain steps
#
# The door takes the nearest user, and opens if this user is near enough. A score of exactly $\gamma$ stays outside.


# %% slideshow={"slide_type": "-"}
def name_of(scores, gamma):
    """Whom the door takes a visitor for: the number of a user, or None."""
    user = int(scores.argmin())
    return user if scores[user] < gamma else None


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
enrolled = torch.tensor(
    [[1.0, 5.0], [2.0, 3.0], [9.0, 8.0], [1.0, 4.0]]
)  # four visitors, two users
answers = torch.tensor([0, 1, 1, 1])  # who they are
visitors = torch.tensor([[4.0, 6.0], [1.0, 7.0], [8.0, 8.0], [3.0, 3.0]])  # strangers
print("the enrolled are taken for", [name_of(scores, 4.0) for scores in enrolled])
print("the strangers are taken for", [name_of(scores, 4.0) for scores in visitors])
counted = sum(name_of(scores, 4.0) is not None for scores in visitors) / len(visitors)
library = open_set_rate(enrolled, answers, visitors, threshold=4.0)
print("FPIR", counted, "and in the library", library.false_positives)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Three groups of people who are not enrolled: those trained on, those for validation, those of the test. Ask which may be used to choose gamma, and what goes wrong with each of the other two."}
# ### Where does $\gamma$ come from?
#
# From **validation strangers**: people who are neither trained on nor tested with. Take the smallest score of each of
# their pictures, and set $\gamma$ so that a tenth of these scores lies below it.
#
# The rate on the validation strangers is what we ask for. The rate on the strangers at the door is what we get: they are
# other people. If you choose $\gamma$ on the strangers of the test, the two are the same, and the rate that you report is
# too optimistic.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
gamma = choose_threshold(torch.tensor([6.0, 2.5, 4.0, 9.0]), rate=0.25)
door = open_set_rate(enrolled, answers, visitors, threshold=gamma)
print("gamma", gamma, "lets in one of the four validation strangers")
print("detected", door.detected, "confused", door.confused, "rejected", door.rejected)
print("strangers at the door:", door.false_positives, "- asked for 0.25, on others")


# %% slideshow={"slide_type": "skip"}
def at_door(f):
    """Enrol half of the test people with three pictures each, and score everybody else."""
    gallery, of_known = Gallery(), f(known.images)
    for user, name in enumerate(known.names):
        gallery.enrol(name, of_known[is_template & (known.labels == user)])
    return (
        gallery.scores(of_known[~is_template]),
        known.labels[~is_template],
        gallery.scores(f(strangers.images)),
        gallery.scores(f(validation.images)),
    )


doors = {name: at_door(f) for name, f in spaces.items()}

# %% slideshow={"slide_type": "skip"}
unit = {name: both[1].median().item() for name, both in of_pairs.items()}


def rates_at(distance, gamma):
    """FAR and FRR of pairs, and the door, at gamma in units of the median impostor distance."""
    at = gamma * unit[distance]
    ours, theirs = of_pairs[distance]
    enrolled, answers, others, kept_aside = doors[distance]
    at_the_door = open_set_rate(enrolled, answers, others, threshold=at)
    chosen_on = (kept_aside.amin(dim=1) < at).double().mean().item()
    far, frr = errors(ours, theirs, at)
    return float(far), float(frr), at_the_door, chosen_on


# %% [markdown] slideshow={"slide_type": "slide", "minutes": 7, "path": "core", "notes": "First pixels: move the threshold until a tenth of the validation strangers is let in, then read how many of the others get in. Then triplets, at the same rate. Ask where the operating point of a bank lies."}
# ## Play: choose the threshold
#
# $\gamma$ is in units of the median distance between two people. **Try:** let in a tenth of the *validation* strangers with
# each of the three distances. How many others come in, how many of the enrolled, and under whose name?


# %% slideshow={"slide_type": "-"}
blue, orange, green = figures.COLOURS[:3]


def explored(distance, gamma):
    far, frr, at_door, chosen_on = rates_at(distance, gamma)

    def histogram(axes):
        for values, colour, label in zip(
            of_pairs[distance], (blue, orange), ("one person", "two people"), strict=True
        ):
            height = torch.histc(values / unit[distance], bins=48, min=0, max=2.4)
            axes.stairs(
                height / height.sum(),
                torch.linspace(0, 2.4, 49),
                fill=True,
                alpha=0.6,
                color=colour,
                label=label,
            )
        axes.axvline(gamma, color="black")
        axes.set(xlabel="distance / median impostor", yticks=[], xlim=(0, 2.4))
        axes.legend(frameon=False, loc="upper right")

    def curve(axes):
        axes.plot(grid, curves[distance], color=green)
        axes.plot([0, 1], [0, 1], color="lightgray", zorder=0)
        axes.plot(far, 1 - frr, "o", color="black", markersize=9)
        axes.set(xlabel="FAR", ylabel="1 − FRR", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))

    def bars(axes):
        shares = (at_door.detected, at_door.confused, at_door.rejected)
        start = 0.0
        for share, colour, label in zip(
            shares, (green, orange, "lightgray"), ("right", "wrong", "out"), strict=True
        ):
            axes.bar("known", share, bottom=start, color=colour, label=label)
            start += share
        for who, share in (
            ("validation\nstrangers", chosen_on),
            ("others", at_door.false_positives),
        ):
            axes.bar(who, share, color=orange)
            axes.bar(who, 1 - share, bottom=share, color="lightgray")
        axes.axhline(0.1, color="black", linestyle=":", linewidth=1)
        axes.set(ylim=(0, 1.28), yticks=[0, 0.5, 1])
        axes.legend(
            frameon=False, loc="upper center", ncols=3, columnspacing=0.8, handlelength=1
        )

    panels = {"all pairs": histogram, "ROC": curve, "the door": bars}
    return {name: figures.panel(draw, (3.4, 3.2), dpi=110) for name, draw in panels.items()}


def said(distance, gamma):
    far, frr, at_door, chosen_on = rates_at(distance, gamma)
    return (
        f"FAR {far:.2f}, FRR {frr:.2f}. Known people: {at_door.detected:.2f} let in by name, {at_door.confused:.2f} by "
        f"another's, {at_door.rejected:.2f} left outside. Let in of the validation strangers: {chosen_on:.2f}, of others: "
        f"{at_door.false_positives:.2f}."
    )


Player(
    render=explored,
    axes=(
        Axis("distance", tuple(spaces), "Distance", start=len(spaces) - 1),
        Axis(
            "gamma",
            choose(
                smoke=(0.2, 0.6),
                lecture=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2),
                full=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2),
            ),
            "Threshold γ, in units of the median distance of two people",
            start=1,
        ),
    ),
    alt=lambda distance, gamma: (
        f"Three plots for the distance {distance} at the threshold {gamma:g}: the histograms of the distances of pairs of one "
        "person and of two with the threshold as a line, the ROC with a point on it, and bars for the known people and "
        "the strangers at a door. " + said(distance, gamma)
    ),
    note=said,
    caption=f"{half} people enrolled with {TEMPLATES} pictures each, {half} strangers; none of them was trained on. The dotted "
    "line is 10 %.",
    encoding="webp",
    quality=80,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "This is the question that lecture identification ended with. Let everybody write two numbers for the drawn people."}
# ## Experiment: is it worth learning to compare?
#
# Can we do better than the latent space of a classifier, which was never trained to compare? The same network, first
# weights, batches, augmentation and number of steps; only the loss differs.
#
# Three sets: drawn people; the faces of ORL, shifted, mirrored and lit anew; the characters of Omniglot. No person and no
# alphabet of the test was trained on, and $\gamma$ lets in a tenth of the validation strangers. **Predict:** at this rate,
# what share of the enrolled is let in by name, in the latent space of the classifier and with triplets?

# %% slideshow={"slide_type": "skip"}
titles = {"people": "drawn people", "orl": "ORL, moved", "omniglot": "Omniglot"}
found = {name: cite(f"triplet-{name}") for name in titles}


def everywhere(one, other, metric):
    """Say for each set whether one distance is ahead of another, by how much, with the interval."""
    parts = []
    for name, title in titles.items():
        comparison = found[name].compare(
            f"{one}_{metric}", f"{other}_{metric}", lower=metric == "eer"
        )
        mean, (low, high) = fmean(comparison.differences), comparison.interval
        verdict = comparison.verdict.replace("not shown", "not shown to differ")
        parts.append(
            f"{verdict} on {title} ({mean:+.2f}, 95 % interval {low:+.2f} to {high:+.2f})"
        )
    return "; ".join(parts)


# %% slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Read the interval of each set aloud. Where it includes zero, the seeds do not show who is ahead, however long the bars are."}
bars = {
    "pixels": "pixels",
    "classifier": "classifier",
    "pairs, plain norms": "slide",
    "batch-hard triplets": "triplet",
}
display(
    figures.bars(
        {title: found[name].row(bars, "{}_dir") for name, title in titles.items()},
        xlabel="share of the enrolled let in by name, DIR",
        caption="DIR with γ chosen for 10 % FPIR on validation strangers. Means over the seeds.",
        note=list(found.values()),
    )
)
display(
    answer(
        "In DIR batch-hard triplets are, compared with the classifier, "
        + everywhere("triplet", "classifier", "dir")
        + "."
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The second classifier begins with the usual first weights, the others with a small last layer. Which is fair? The table has both."}
# ### All of it: pairs and doors
#
# EER over pairs and DIR at the door, for six distances. The classifier stands there twice: with a small last layer at the
# beginning, as all others have it, and with the usual one.

# %% slideshow={"slide_type": "-"}
shown = {
    "pixels": "pixels",
    "classifier": "classifier",
    "classifier, usual first weights": "classifier_usual",
    "pairs, plain norms": "slide",
    "pairs, Hadsell's form": "hadsell",
    "batch-hard triplets": "triplet",
}
figures.table(
    {
        label: {
            f"{title}: {metric.upper()}": found[name][f"{one}_{metric}"]
            for name, title in titles.items()
            for metric in ("eer", "dir")
        }
        for label, one in shown.items()
    },
    caption="Means over the seeds; DIR with γ chosen for 10 % FPIR on validation strangers.",
    note=list(found.values()),
)

# %% slideshow={"slide_type": "fragment"}
answer(
    "In DIR the distance learnt from pairs with plain norms is, compared with the classifier, "
    + everywhere("slide", "classifier", "dir")
    + "."
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Ask what an interval that includes zero says. It does not say that the two are equal."}
# ### How sure is that?
#
# An interval from so few trainings is wide. Where it includes zero, the seeds do not show who is ahead; they do not show
# that there is no difference either.

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        f"{title}: {label}": {
            f"{metric.upper()}, {what}": value
            for metric, gain in gains(found[name].results, other).items()
            for what, value in zip(
                ("mean", "from", "to"), (fmean(gain), *interval(gain)), strict=True
            )
        }
        for name, title in titles.items()
        for label, other in (
            ("classifier", "classifier"),
            ("usual first weights", "classifier_usual"),
        )
    },
    digits=3,
    caption="What batch-hard triplets gain on the classifier: the mean over the seeds, and its 95 % interval.",
    note=list(found.values()),
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Ask before: we choose the threshold for two people, then the firm grows to twenty. Nothing else changes. What happens to the strangers?"}
# ## The firm grows
#
# We choose $\gamma$ for a small door, and then enrol more and more people without choosing again. Enrolment needs no
# training, that was the point. **Predict:** what share of the strangers is let in when twenty people are enrolled?

# %% slideshow={"slide_type": "skip"}
sizes = [size for size in (2, 5, 10, 15, 20) if size <= half]
growing = {}
for name, (_, _, others, kept_aside) in doors.items():
    at_first = choose_threshold(kept_aside[:, : sizes[0]], rate=0.1)
    growing[name] = [
        (others[:, :size].amin(dim=1) < at_first).double().mean().item() for size in sizes
    ]

# %% slideshow={"slide_type": "fragment"}
figures.lines(
    sizes,
    growing,
    xlabel="people enrolled",
    ylabel="strangers let in, FPIR",
    caption=f"γ was chosen on validation strangers, for {sizes[0]} people and 10 %.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"With triplets the door lets in {100 * growing['triplets'][-1]:.0f} % of the strangers when {sizes[-1]} people are "
    f"enrolled, and {100 * growing['triplets'][0]:.0f} % with {sizes[0]}.",
    holds=growing["triplets"][-1] > 2 * growing["triplets"][0],
    otherwise=f"In this run the rate goes from {100 * growing['triplets'][0]:.0f} % to "
    f"{100 * growing['triplets'][-1]:.0f} %.",
)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
print(
    "FPIR never falls when somebody is enrolled:",
    all(rates == sorted(rates) for rates in growing.values()),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The smallest of more numbers cannot be larger: this is arithmetic, and holds for every distance. Choose $\gamma$ again
# when the firm grows.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "38.75 % errors is the number of the set's authors, and we get exactly the same. That is how to test a loader, a protocol and a distance at once."}
# ## One drawing is enough
#
# *Omniglot* has characters of many alphabets, each drawn by twenty people. In a one-shot run you see one drawing of each
# of 20 characters of an alphabet, and name 20 drawings by somebody else. The authors' own baseline has nothing to train:
# the modified Hausdorff distance between the inked points. Ours makes exactly as many errors as theirs.

# %% slideshow={"slide_type": "-"}
baseline = cite("verification-hausdorff")
learnt = cite("verification-one-shot")
figures.table(
    {
        "pixels": {"named rightly, %": 100 * learnt["pixels"]},
        "modified Hausdorff distance": {
            "named rightly, %": 100 - 100 * baseline["hausdorff"],
            "published, %": 61.2,
        },
        "siamese network, before training": {"named rightly, %": 100 * learnt["random"]},
        "siamese network, a short training": {
            "named rightly, %": 100 * learnt["siamese"],
            "published, %": 92.0,
        },
    },
    paper=["published, %"],
    digits=1,
    caption="20 runs of 20 characters; chance is 5 %. Published: Lake et al. 2015 with the set; Koch et al. 2015, with four "
    "times the alphabets and a larger network.",
    note=[baseline, learnt],
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "This is the commonest way to fool oneself with faces: a set on which no learning is needed. Ask which of the changes a camera at a door would make."}
# ## Break it: a benchmark that pixels solve
#
# The faces of ORL were all taken alike. Ask for the nearest other picture, and pixels nearly always find the same person.
# Now shift the same pictures by up to four pixels, change their light, mirror half of them. **Predict:** for what share of
# the pictures do pixels still find the right person?

# %% slideshow={"slide_type": "fragment"}
aligned = cite("verification-aligned")
conditions = {
    "as they come": "aligned",
    "shifted": "shifted",
    "shifted, mirrored, other light": "moved",
}
figures.bars(
    aligned.row(conditions, "{}_recall"),
    xlabel="recall at 1 of pixels on ORL",
    caption="The nearest other picture by pixels. On the first bar no learnt distance could gain more than three points.",
    note=aligned,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"Pixels find the right person for {100 * aligned['aligned_recall']:.0f} % of the pictures as they come, for "
    f"{100 * aligned['shifted_recall']:.0f} % of the shifted ones, and for {100 * aligned['moved_recall']:.0f} % after all "
    "three changes."
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "The second way to fool oneself, the commonest in small projects: the identities of the test were in the training."}
# ### Break it: too few identities
#
# A network learns to distinguish the identities that it is shown. Train batch-hard triplets on the digits 0 to 4, and test
# on 0 to 4, then on 5 to 9. **Predict:** on which of the two halves are the triplets ahead of pixels?

# %% slideshow={"slide_type": "fragment"}
few = cite("triplet-few")
figures.table(
    few.rows(
        {"pixels": "pixels", "batch-hard triplets": "triplet"},
        {"0 to 4, trained on": "seen", "5 to 9, never seen": "unseen"},
    ),
    caption="Equal error rates on digits of 8 × 8 pixels.",
    note=few,
)

# %% slideshow={"slide_type": "fragment"}
display(
    answer(
        few.compare("triplet_unseen", "pixels_unseen", lower=True).sentence(
            "the distance learnt from five digits",
            "pixels",
            what="equal error rate on the five others",
        )
    )
)
display(
    answer(
        few.compare("triplet_seen", "pixels_seen", lower=True).sentence(
            "the same distance", "pixels", what="equal error rate on its own five"
        )
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **The probe** for both: measure on identities never trained on, under conditions that vary as they will at the door, and
# put the simplest distance beside yours.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - A distance is judged by the order of its values: ROC, EER and AUC over pairs, recall at $k$ without the query.
# - A door compares a visitor with everybody. A threshold that is strict among pairs is generous at a door.
# - DIR and FPIR go together. $\gamma$ comes from validation strangers and from the gallery that is in use.
# - Test on identities never trained on, under the conditions of the door, beside pixels and beside the latent space of a
#   classifier.
# - Where the interval over the seeds includes zero, they do not show who is ahead.

# %% slideshow={"slide_type": "slide", "minutes": 1, "notes": "Let everyone answer alone first."}
Quiz.parse("""
All distances are replaced by their squares. What changes?
- [x] Neither EER nor AUC | Both see the order of the distances only. The value of the
  threshold changes.
- [ ] EER, since distances below 1 shrink | They shrink, but none overtakes another, and
  only the order counts.
- [ ] AUC, since the area is stretched | The axes of the ROC are shares of pairs. Distances
  do not appear on them.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Ask what to write in the report instead."}
Quiz.parse("""
You choose the threshold so that a tenth of the test strangers is let in, and report DIR.
What is wrong?
- [x] The threshold was chosen on the test set | Other strangers come to the door. Choose
  it on validation strangers, and report the FPIR on the test strangers.
- [ ] Nothing, as DIR is measured on known people only | But at a threshold that was chosen
  on the test strangers.
- [ ] The threshold must come from the training people | They were trained on, and are
  further apart than strangers will be: the threshold would be too large.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "The arithmetic of a minimum."}
Quiz.parse("""
A door for 10 people has an FPIR of 5 %. With the same threshold, 40 people are enrolled. The
FPIR …
- [x] cannot fall, and will usually rise | A stranger's smallest score over more people is
  as small or smaller.
- [ ] stays at 5 %, since no weight has changed | No weight has, but a stranger now has 40
  chances to be near somebody.
- [ ] falls, since the door knows more people | It knows them, but a stranger is still none
  of them.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "No evidence of a difference is no evidence of none."}
Quiz.parse("""
A table says: 0.18 more DIR than the classifier, 95 % interval -0.03 to 0.38, over a few
seeds. What does it show?
- [x] Not who is ahead, as zero lies within the interval | With other seeds the mean could
  have the other sign.
- [ ] That the new distance is ahead, by 0.18 in the mean | The mean is above zero, but the
  interval is not.
- [ ] That there is no difference between the two distances | This would need the whole
  interval within a limit that was named before.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "The check that finds this mistake at once: an untrained network, or noise."}
Quiz.parse("""
Recall at 1 is 100 % on new people, for a network that was not trained at all. What has
probably happened?
- [x] The query was left among its neighbours | Each picture is nearest to itself, at
  distance 0.
- [ ] The network came with good first weights | Random weights find few of the pictures, as
  pixels do.
- [ ] The number of neighbours k is too large | With k = 1 only the nearest picture counts,
  and fewer are not possible.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# One graded problem is in the [exercise notebook](../exercises/student/03_verification.ipynb): the threshold of a door, and
# who gets in. It is checked at once, and the message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Give `gallery.scores` the argument `rule="minimum"`, so that the nearest stored picture counts instead of the mean of
#    three. Choose $\gamma$ again, and compare DIR at 10 % FPIR.
# 2. Choose $\gamma$ on the scores of people whom the network was trained on. Which FPIR do the strangers have then, and why?
# 3. Compute the EER on twenty random halves of the test people. How far apart are the twenty values, and how far apart would
#    they be if all pairs were independent?
# 4. `zoo.load(Embedding, "triplet-people")`, after `from course_lib import zoo`, gives a distance learnt from triplets on the
#    first 160 drawn people, without augmentation. It is made for drawn faces: on the real faces of ORL, as they were taken,
#    its EER is 0.18, and that of pixels 0.14. Enrol other drawn people with it, `identities.people(140, first=160)`. Whom
#    does it confuse, and what have they in common?
#
# ## Further reading
#
# - P. Grother, P. Phillips: *Models of Large Population Recognition Performance*, CVPR 2004. What a growing gallery does.
# - A. Martin, G. Doddington, T. Kamm, M. Ordowski, M. Przybocki: *The DET Curve in Assessment of Detection Task
#   Performance*, Eurospeech 1997. The two errors against each other, on scales that show small rates.
# - G. Koch, R. Zemel, R. Salakhutdinov: *Siamese Neural Networks for One-shot Image Recognition*, ICML workshop on deep
#   learning 2015. The one-shot runs with a learnt distance.
# - B. Lake, R. Salakhutdinov, J. Tenenbaum: *Human-level Concept Learning through Probabilistic Program Induction*, Science
#   2015. Omniglot and its baseline.
