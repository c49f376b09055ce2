# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Ask which of the two tables they would report. Then ask what a bank would want to know."}
# ## A loss is no measure
#
# Lecture *siamese* trained distances, and each of its losses has another scale: with Hadsell's form, with plain norms or with
# triplets, the same network shows other numbers. Which distance is better? And would you let it open a door?

# %% slideshow={"slide_type": "-"}
from statistics import fmean

import torch

from course_lib import figures
from course_lib.claims.cite import cite
from course_lib.claims.criteria import interval
from course_lib.claims.triplet import gains
from course_lib.data import identities
from course_lib.embeddings import embed, pixels
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


spaces["triplet"] = (
    lambda images, f=triplet.train(learn, budget=steps, seed=0, view=view).model: embed(
        f, images
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Write the two distributions on the board, overlapping, and let them place the threshold for a bank and for a holiday album."}
# ## How good is a distance?
#
# The loss does not say: its value depends on the margin and on the scale of $f$. A distance should separate
# **genuine** pairs ($y = 0$, one person) from **impostor** pairs ($y = 1$, two people). Call a pair "the same" where
# $d \le t$. There are two ways to be wrong, and a threshold $t$ trades one for the other:
#
# $$\text{FAR}(t) = P(d \le t \mid y = 1), \qquad \text{FRR}(t) = P(d > t \mid y = 0).$$
#
# FAR is the share of impostor pairs that are accepted, FRR that of genuine pairs that are rejected. The curve of
# $1 - \text{FRR}$ over FAR, for all $t$, is the **ROC**. Two numbers sum it up:
#
# | | is | at best | by chance |
# |---|---|---|---|
# | EER | the error where both are equal, read at the threshold where they cross | 0 | 1/2 |
# | AUC | the area under the ROC, which is $P(d_\text{genuine} < d_\text{impostor})$ | 1 | 1/2 |
#
# All of this depends on the *order* of the distances only. Double them, square them: nothing changes.

# %% slideshow={"slide_type": "subslide"}
figures.code(roc)

# %% [markdown] slideshow={"slide_type": "-"}
# Four genuine pairs and four impostors by hand. **Before you run it:** where do the errors cross?

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
genuine = torch.tensor([1.0, 2.0, 3.0, 6.0], dtype=torch.float64)
impostor = torch.tensor([4.0, 5.0, 7.0, 8.0], dtype=torch.float64)
for t, far, frr in zip(*roc(genuine, impostor), strict=True):
    print(f"t = {t:4.0f}: FAR {far:.2f}, FRR {frr:.2f}")
print("EER", equal_error_rate(genuine, impostor), "AUC", auc(genuine, impostor))
print("squared:", equal_error_rate(genuine**2, impostor**2), auc(genuine**2, impostor**2))

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Ask of every such curve which people it was measured on: here, none of them was in the training."}
# ## Experiment 3: three distances on new people
#
# All pairs of pictures of people that no network has seen; pixels, the latent space of the classifier, the distance
# learnt from triplets. **Predict:** which curve is close to the diagonal?

# %% slideshow={"slide_type": "-"}
three = {name: spaces[name] for name in ("pixels", "classifier", "triplet")}
embedded = {name: space(test.images) for name, space in three.items()}
of_pairs = {name: pair_distances(f, test.labels) for name, f in embedded.items()}
grid = torch.linspace(0, 1, 101, dtype=torch.float64)


def accepted(name):
    """1 - FRR at each FAR of the grid."""
    _, far, frr = roc(*of_pairs[name])
    return 1 - frr[torch.searchsorted(far, grid, right=True) - 1]


figures.lines(
    grid,
    {
        f"{name}, EER {equal_error_rate(*both):.2f}, AUC {auc(*both):.2f}": accepted(name)
        for name, both in of_pairs.items()
    },
    xlabel="impostor pairs accepted, FAR",
    ylabel="genuine pairs accepted, 1 − FRR",
    caption=f"{len(test.names)} drawn people, {len(test.labels)} pictures, all pairs.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# One more number, from image retrieval: **recall at k**, the share of pictures that have one of the same person among
# their $k$ nearest others. "Others" matters. The query is nearest to itself, and if it is not left out,
# the recall is 100 %. With one template for each user the same curve is called the cumulative match characteristic, CMC.

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
    caption="One training each, those of the cells above. Experiment 4 below has three, and longer ones on drawn people.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "The door of lecture identification again. Ask what FAR at 1 % means for a door with 500 employees: a stranger gets 500 tries."}
# ## A door is harder
#
# A pair is one comparison. A door compares a visitor with every person enrolled, and opens if *any* of them is near enough.
# A **stranger** is a visitor who is not enrolled, an impostor at the door.
# With the scores $s_u$ of lecture *identification*, $\hat\imath = \arg\min_u s_u$ and $s = \min_u s_u$, someone is let in iff
# $s < \gamma$:
#
# $$\text{FPIR}(\gamma) = P(s < \gamma \mid \text{a stranger}), \qquad
# \text{DIR}(\gamma) = P(s < \gamma,\ \hat\imath \text{ right} \mid \text{enrolled}).$$
#
# FPIR, the false positive identification rate, is the error that a door must limit; DIR, the detection and identification
# rate, is its success. They are reported together: DIR at 10 % FPIR.
#
# **Where does $\gamma$ come from?** From **validation strangers**: people kept for validation, neither trained on nor tested
# with. We choose $\gamma$ such that a tenth of their pictures gets in.

# %% slideshow={"slide_type": "subslide"}
figures.code(choose_threshold, open_set_rate)

# %% [markdown] slideshow={"slide_type": "-"}
# Four visitors who are enrolled and four who are not, at a door with two users. $\gamma$ admits a quarter of the validation strangers;
# the strangers at the door are others.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
gamma = choose_threshold(torch.tensor([6.0, 2.5, 4.0, 9.0]), rate=0.25)
enrolled = torch.tensor(
    [[1.0, 5.0], [2.0, 3.0], [9.0, 8.0], [1.0, 4.0]]
)  # scores of both users
strangers = torch.tensor([[4.0, 6.0], [1.0, 7.0], [8.0, 8.0], [3.0, 3.0]])
door = open_set_rate(enrolled, torch.tensor([0, 1, 1, 1]), strangers, threshold=gamma)
print("gamma", gamma, "- a visitor at exactly gamma stays outside")
print("detected", door.detected, "confused", door.confused, "rejected", door.rejected)
print("strangers let in", door.false_positives, "- asked for 0.25, on others")

# %% [markdown] slideshow={"slide_type": "fragment"}
# The rate on the validation strangers is what we asked for, the rate on the others is what we get. If you choose
# $\gamma$ on the strangers of the test set, the two are the same, and the rate that you report is too optimistic.

# %% slideshow={"slide_type": "slide", "minutes": 6, "notes": "First pixels: move the threshold until a tenth of the validation strangers is let in, then read how many of the others get in. Then triplet, at the same rate. Ask where the operating point of a bank lies."}
# Half of the test people are enrolled, with three templates each; the others are strangers.
half = len(test.names) // 2
known, others = identities.split(test, half, half)
TEMPLATES = 3
doors = {}
for name, space in three.items():
    gallery, f = Gallery(), space(known.images)
    first = torch.arange(len(known.labels)) % (len(known.labels) // half) < TEMPLATES
    for user, label in enumerate(known.names):
        gallery.enrol(label, f[first & (known.labels == user)])
    doors[name] = (
        gallery.scores(f[~first]),
        known.labels[~first],
        gallery.scores(space(others.images)),
        gallery.scores(space(validation.images)),
    )

# %% [markdown] slideshow={"slide_type": "-"}
# ## Play: choose the threshold
#
# $\gamma$ is given in units of the median distance between two people, so that the three distances can be compared.
# Left: the distances of all pairs. Middle: the ROC, and the point on it where you are. Right: what the door does at
# the same $\gamma$. **Try:** let in a tenth of the *validation* strangers, with each of the three distances. How many of the
# others come in, how many of the enrolled, and under whose name?


# %% slideshow={"slide_type": "-"}
blue, orange, green = figures.COLOURS[:3]
unit = {name: both[1].median().item() for name, both in of_pairs.items()}
curves = {name: accepted(name) for name in three}


def rates_at(distance, gamma):
    """FAR and FRR of pairs, and the door, at gamma in units of the median impostor distance."""
    t = gamma * unit[distance]
    ours, theirs = of_pairs[distance]
    enrolled, answers, strangers, kept_aside = doors[distance]
    at_door = open_set_rate(enrolled, answers, strangers, threshold=t)
    chosen_on = (kept_aside.amin(dim=1) < t).double().mean().item()
    far, frr = (theirs <= t).double().mean().item(), (ours > t).double().mean().item()
    return far, frr, at_door, chosen_on


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
        Axis("distance", tuple(three), "Distance", start=len(three) - 1),
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

# %% [markdown] slideshow={"slide_type": "fragment"}
# Look at the left and the right plot together. A threshold that looks strict among pairs is generous at a door:
# a stranger is compared with everybody enrolled, and the smallest of many distances is small.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "This is the table of the lecture. Read the interval aloud: three trainings do not say much, and the interval shows it."}
# ## Experiment 4: is it worth learning to compare?
#
# The question that lecture *identification* ended with: can we do better than the latent space of a classifier, which was never
# trained to compare? The same network, first weights, batches, augmentation and number of steps; only the loss differs. Three
# sets: drawn people; ORL, shifted, mirrored and lit anew; Omniglot. No person and no alphabet of the
# test was trained on; $\gamma$ is chosen on validation strangers. **Predict** the order.

# %% slideshow={"slide_type": "-"}
titles = {
    "people": "drawn people",
    "orl": "ORL, moved",
    "omniglot": "Omniglot",
}
found = {name: cite(f"triplet-{name}") for name in titles}
shown = {
    "pixels": "pixels",
    "classifier": "classifier",
    "classifier_usual": "classifier, larger first weights",
    "slide": "contrastive, slide form",
    "hadsell": "contrastive, Hadsell",
    "triplet": "batch-hard triplets",
}
reached = [of[f"{one}_fpir"] for of in found.values() for one in shown]
figures.table(
    {
        label: {
            f"{title}: {figure.upper()}": found[name][f"{one}_{figure}"]
            for name, title in titles.items()
            for figure in ("eer", "dir")
        }
        for one, label in shown.items()
    },
    caption="Means of three trainings. DIR with γ chosen for 10 % FPIR on validation strangers; on the others FPIR is "
    f"{100 * min(reached):.0f} to {100 * max(reached):.0f} %. All begin with small weights in their last layer, the second "
    "classifier with the usual ones.",
    note=list(found.values()),
)

# %% slideshow={"slide_type": "subslide", "minutes": 3}
figures.table(
    {
        f"{title}: {shown[other]}": {
            f"{figure.upper()}, {what}": value
            for figure, gain in gains(found[name].results, other).items()
            for what, value in zip(
                ("mean", "from", "to"), (fmean(gain), *interval(gain)), strict=True
            )
        }
        for name, title in titles.items()
        for other in ("classifier", "classifier_usual")
    },
    digits=3,
    caption="By how much batch-hard triplets are ahead of the classifier: the mean of three seeds, and its 95 % interval.",
    note=list(found.values()),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# An interval from three trainings is wide, by Student's $t$ more than four standard errors to each side. Where it includes
# zero, the three seeds do not show who is ahead.
#
# Training for *a* distance is not enough. With plain norms the contrastive loss separates pairs, and yet the classifier is
# ahead of it in identification: its DIR is larger on all three sets. It matters which distance a loss asks for. Batch-hard
# triplets, which put the right one first, are ahead of both.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Ask before: we choose the threshold for two people, then the firm grows to twenty. Nothing else changes. What happens to the strangers?"}
# ## The firm grows
#
# We choose $\gamma$ for a small door, and then enrol more and more people without choosing again. Enrolment needs no
# training, that was the point. **Predict** what happens to the strangers.

# %% slideshow={"slide_type": "-"}
sizes = [size for size in (2, 5, 10, 15, 20) if size <= half]
growing = {}
for name, (_, _, strangers, kept_aside) in doors.items():
    at_first = choose_threshold(kept_aside[:, : sizes[0]], rate=0.1)
    growing[name] = [
        (strangers[:, :size].amin(dim=1) < at_first).double().mean().item()
        for size in sizes
    ]
figures.lines(
    sizes,
    growing,
    xlabel="people enrolled",
    ylabel="strangers let in, FPIR",
    caption=f"γ was chosen for {sizes[0]} people and 10 %.",
)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
print(
    "FPIR never falls when somebody is enrolled:",
    all(rates == sorted(rates) for rates in growing.values()),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The smallest of more numbers cannot be larger. This is arithmetic, not a property of the distance, and holds for every
# distance. When more people are enrolled, $\gamma$ has to be chosen again.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "38.75 % errors is the number of the set's authors, and we get exactly the same. That is how to test a loader, a protocol and a distance at once."}
# ## One drawing is enough
#
# *Omniglot* has characters of many alphabets, each drawn by twenty people. In a one-shot run you see one drawing of each
# of 20 characters of an alphabet, and name 20 drawings by somebody else. The authors' own baseline has nothing to train:
# the modified Hausdorff distance between the inked points. Ours makes exactly as many errors as theirs.

# %% slideshow={"slide_type": "-"}
baseline, learnt = cite("verification-hausdorff"), cite("verification-one-shot")
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
    caption="20 runs of 20 characters; chance is 5 %. Published: by the set's own demonstration (Lake et al. 2015), and for "
    "siamese networks by Koch et al. 2015, with four times the alphabets and a larger network.",
    note=[baseline, learnt],
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Two ways to fool oneself. The first is the commonest mistake in papers on faces, the second the commonest in small projects."}
# ## Break it: two ways to fool yourself
#
# **A benchmark that pixels solve.** The faces of ORL were all taken alike. Ask for the nearest other picture, and pixels
# are hardly ever wrong. Shift the same pictures by up to four pixels, change the light, mirror them:

# %% slideshow={"slide_type": "-"}
aligned = cite("verification-aligned")
conditions = {
    "as they come": "aligned",
    "shifted": "shifted",
    "shifted, mirrored, other light": "moved",
}
figures.bars(
    aligned.row(conditions, "{}_recall"),
    xlabel="recall at 1 of pixels on ORL",
    caption="A learnt distance could hardly be better on the first bar.",
    note=aligned,
)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Too few identities.** A network learns to distinguish the identities that it is shown. Train it on the digits 0 to 4, and test it
# on 0 to 4, then on 5 to 9:

# %% slideshow={"slide_type": "-"}
few = cite("triplet-few")
figures.table(
    few.rows(
        {"pixels": "pixels", "batch-hard triplets": "triplet"},
        {"0 to 4, trained on": "seen", "5 to 9, never seen": "unseen"},
    ),
    caption="Equal error rates on digits of 8 × 8 pixels.",
    note=few,
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Both are found by the same probe: measure on identities never trained on, under conditions that vary as they
# will at the door, and compare your distance with the simplest one.

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

# %% slideshow={"slide_type": "subslide"}
Quiz.parse("""
All distances are replaced by their squares. What changes?
- [x] Neither EER nor AUC | Both see the order of the distances only. The value of the
  threshold changes.
- [ ] EER, since distances below 1 shrink | They shrink, but none overtakes another, and
  only the order counts.
- [ ] AUC, since the area is stretched | The axes of the ROC are shares of pairs. Distances
  do not appear on them.

You choose the threshold so that a tenth of the test strangers is let in, and report DIR.
What is wrong?
- [x] The threshold was chosen on the test set | Other strangers come to the door. Choose
  it on validation strangers, and report the FPIR on the test strangers.
- [ ] Nothing, DIR is measured on known people only | But at a threshold that was chosen on
  the test strangers.
- [ ] The threshold must come from the training people | They were trained on, and are
  further apart than strangers will be: the threshold would be too large.

A door for 10 people has an FPIR of 5 %. With the same threshold, 40 people are enrolled. The
FPIR …
- [x] cannot fall, and will usually rise | A stranger's smallest score over more people is
  as small or smaller.
- [ ] stays at 5 %, since no weight has changed | No weight has, but a stranger now has 40
  chances to be near somebody.
- [ ] falls, since the door knows more people | It knows them, but a stranger is still none
  of them.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercise
#
# A graded problem is in the [exercise notebook](../exercises/student/03_verification.ipynb): the threshold of a door. It is
# checked at once, and the message for a wrong answer says what was mixed up.
#
# ## Further reading
#
# - P. Grother, P. Phillips: *Models of Large Population Recognition Performance*, CVPR 2004. What a growing gallery does.
