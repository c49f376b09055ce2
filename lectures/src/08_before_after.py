# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Show the two rows without the caption and ask what the human did. Most people see the boxes. Then ask what else differs between the rows: light and belt. Do not comment on it yet."}
# ## A sorting line, and nobody who draws masks
#
# On a sorting line a human removes what does not belong there. A network should mark those things in a picture, pixel by
# pixel, so that a machine can take them. Nobody has drawn a mask. But one camera films the belt **before** the human, and
# another one films it **after**. That label costs nothing, and the illegal things are in one class of frames only.

# %% slideshow={"slide_type": "-"}
import torch

from course_lib import figures
from course_lib.claims.answers import answer
from course_lib.claims.before_after import budget, by_maps, films, overlap
from course_lib.claims.cite import cite
from course_lib.data.sorting import AFTER, BACKGROUND, BEFORE, NAMES
from course_lib.embeddings import as_float
from course_lib.figures import Paper
from course_lib.pretext import before_after, cam
from course_lib.pretext.before_after import backgrounds, removed, without_background
from course_lib.profiles import choose
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

# %% slideshow={"slide_type": "skip"}
learn, test, swapped = films(
    0
)  # sequences to learn from, others, and those with exchanged cameras


def firsts(film, label):
    """Which frames are the first of a sequence of this class."""
    return (film.labels == label) & (film.sequences != film.sequences.roll(1))


rows = [learn.images[firsts(learn, label)][:6] for label in (BEFORE, AFTER)]


# %% slideshow={"slide_type": "-"}
alt = (
    "Two rows of frames of a belt. In the first row, darker, there are gray and blue discs and some brown boxes; in "
    "the second row, brighter and with a belt of another tint, discs only"
)
figures.images(
    as_float(torch.cat(rows)),
    columns=6,
    alt=alt,
    caption="First row: frames from before the human. Second row: from after. Brown boxes are illegal here.",
)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
print("classes:", ", ".join(NAMES))
shown = learn.masks.flatten(1).any(dim=1)
print("illegal things after the human:", int(shown[learn.labels == AFTER].sum()))
apart = {(int(s), int(c)) for s, c in zip(learn.sequences, learn.labels, strict=True)}
print("each sequence is of one class:", len(apart) == len(learn.sequences.unique()))

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Let them vote on both numbers before you run the cell. The second answer surprises: it is not chance, it is far below chance. Ask what a network must do to be wrong nearly always."}
# ## Experiment 1: before or after?
#
# We train a small classifier to tell *before* from *after*, and ask it about other sequences of the same cameras. Then
# the **cameras are exchanged**: the same things, filmed again, *before* with the camera that used to film *after*.
# **Predict:** for how many frames is it right, with the cameras as they were, and exchanged?

# %% slideshow={"slide_type": "-"}
fooled, history = before_after.train(
    learn.images, learn.labels, budget=budget(), seed=0, classes=2
)
right = {
    "cameras as in the training": before_after.accuracy(fooled, test.images, test.labels),
    "cameras exchanged": before_after.accuracy(fooled, swapped.images, swapped.labels),
}

# %% slideshow={"slide_type": "fragment"}
measured = cite("before_after-line")
figures.bars(
    {name: 100 * value for name, value in right.items()},
    xlabel="frames told rightly (%)",
    digits=0,
    caption="This training, on sequences that it has not seen. Guessing is right for half of them.",
    note=measured.about("before_after-shortcut"),
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"{100 * measured['raw_2']:.0f} % with the cameras as they were, {100 * measured['raw_2_swapped']:.0f} % with "
    f"exchanged cameras, in the mean of {len(measured.seeds)} trainings.",
    holds=measured["raw_2_swapped"] < measured["raw_2"],
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Write the two sums on the board and exchange them. That is the whole proof. Ask why it needs the mean and ONE linear layer: with a second layer the score would no longer be a sum over places."}
# ## Where did it look?
#
# The classifier is a stack of convolutions, the **mean over all places**, and one linear layer. Let $F_k(x, y)$ be map
# $k$ of the last convolution, $w_{ck}$ and $b_c$ weight and bias of class $c$, and $\operatorname{mean}$ the mean over
# $(x, y)$. The score of class $c$ is a sum over maps of a mean over places; exchange the two:
#
# $$S_c = \sum_k w_{ck} \operatorname{mean} F_k + b_c = \operatorname{mean} M_c + b_c, \qquad
# M_c(x, y) = \sum_k w_{ck}\, F_k(x, y)$$
#
# (Zhou et al. 2016, equation 2). $M_c$ is the **class activation map**, CAM. It says how much every place adds to the
# score. Nothing is approximated.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Five lines. The subtraction in the last but one: a vector that is added to the weights of every class changes every map and no probability. So only differences from the mean weight mean anything."}
# ## The map in code
#
# A vector that is added to the weights of *all* classes changes all maps and no probability. We subtract the mean
# weight of the classes, so that the map says what is *more* like class $c$ than like the others.


# %% slideshow={"slide_type": "-"}
def class_map(network, image, c):
    """The class activation map of class c, as large as the last maps: (C, H, W) -> (h, w)."""
    F_k = network.encoder.activations(image[None])[0]  # (K, h, w)
    w = network.last.weight  # (classes, K)
    w = w[c] - w.mean(dim=0)
    return (w[:, None, None] * F_k).sum(dim=0)


# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "-"}
double = before_after.Classifier(seed=1).eval().double()
with torch.no_grad():
    one = as_float(test.images[:1]).double()
    plain = cam.class_maps(double.encoder.activations(one), double.last, centred=False)
    gap = (plain.mean(dim=(2, 3)) + double.last.bias - double(one)).abs().max().item()
    centred = cam.class_maps(double.encoder.activations(one), double.last)[0, BEFORE]
    print("mean of the map and bias are the score:", gap < 1e-12)
    print("as the library:", torch.allclose(class_map(double, one[0], BEFORE), centred))
    print("a map has", tuple(centred.shape), "places for", tuple(one.shape[2:]), "pixels")

# %% slideshow={"slide_type": "skip"}
figures.code(cam.class_maps)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Ask them to say in words where the map of the fooled network is large. It is large on the belt, and it is small on the boxes."}
# ## The map of the network that was fooled


# %% slideshow={"slide_type": "skip"}
def overlaid(images, maps):
    """Images in gray, with what is large of a map in red."""
    images = as_float(images)
    gray = images.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    largest = maps.amax(dim=(2, 3), keepdim=True).clamp(min=1e-6)
    red = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
    share = 0.7 * (maps.clamp(min=0) / largest)
    return (1 - share) * gray + share * red


def seen(network, images):
    with torch.no_grad():
        return overlaid(images, network.maps(as_float(images)))


frames = test.images[firsts(test, BEFORE)][:6]

# %% slideshow={"slide_type": "-"}
alt = (
    "A row of frames from before, and below each the class activation map of before in red over the frame: the red "
    "covers the belt between the things"
)
figures.images(
    torch.cat([as_float(frames), seen(fooled, frames)]),
    columns=6,
    alt=alt,
    caption="Frames from before, and in red where this network finds 'before'. Illegal are the brown boxes. The mean "
    f"overlap (intersection over union) of the marked pixels with them is {overlap(by_maps(fooled, test.images), test):.2f}.",
    note=measured,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Why the median and not the mean: a hand in a frame, a thing that was left on the belt. The ratio takes care of a lamp that flickers, it is one number a frame."}
# ## Take the background away
#
# All frames of a class share light and belt: the background is a **shortcut**. Each camera has also filmed the *empty*
# belt. Take the median of those frames, for each pixel, as the background $B(x)$. A frame $I$ may be brighter as a whole;
# its factor $r$ is the median of $I(x) / B(x)$. Where a frame is near $r B$ in all three channels $c$, it is painted gray;
# we keep $I(x)$ only where
#
# $$\max_c \left| I_c(x)/r - B_c(x) \right| > t$$
#
# The light falls on the things, too: what is kept is divided by $r$ times the mean of $B$, and multiplied by 0.4. All of it
# is done in training *and* in test.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Try it with a pixel more around everything that is kept: the rim of belt is enough for the network to know the camera."}
# ## The removal in code


# %% slideshow={"slide_type": "-"}
def remove(image, B, t=before_after.DIFFERENT):
    """Paint gray what is background: image and B (3, H, W) -> (3, H, W)."""
    r = (image / B).median()  # the light of this frame
    far = (image / r - B).abs().amax(dim=0, keepdim=True) > t  # (1, H, W)
    lit = 0.4 * image / (r * B.mean())  # as if all cameras had the same light
    return torch.where(far, lit.clamp(0, 1), 0.5)


# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "-"}
behind = backgrounds(learn)  # of each camera, from its empty belt
mine = [remove(frame, behind[0]) for frame in as_float(rows[0])]
theirs = removed(rows[0], behind[0])
print("as the library:", torch.allclose(torch.stack(mine), theirs))
still = removed(1.1 * behind[0][None], behind[0])
print("an empty belt in brighter light becomes gray:", bool((still == 0.5).all()))

# %% slideshow={"slide_type": "skip"}
figures.code(removed, without_background)
learn_clean, test_clean, swapped_clean = (
    without_background(film, behind) for film in (learn, test, swapped)
)

# %% slideshow={"slide_type": "-"}
two_each = torch.cat(
    [firsts(learn, label).nonzero().flatten()[:2] for label in (BEFORE, AFTER, BACKGROUND)]
)
alt = (
    "Two rows of six frames: two from before, two from after, two of the empty belt; below them the same frames where "
    "everything but the things is gray"
)
figures.images(
    as_float(torch.cat([learn.images[two_each], learn_clean[two_each]])),
    columns=6,
    alt=alt,
    caption="Frames from before, from after and of the empty belt (two each), and the same without the background.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "The removal is never perfect. With two classes what is left is evidence again. With three it has a class of its own."}
# ## A third class
#
# Something of the background may stay: a rim around a thing, a shadow. If *before* and *after* are the only classes,
# a network may still tell them by that rest. So the frames of the **empty belt, of both cameras**, become a third class,
# *background*. What looks like belt now speaks for *background*, whichever camera filmed it.
#
# | | network of experiment 1 | the cure |
# |---|---|---|
# | frames | as they are | without their background |
# | classes | before, after | before, after, **background** |

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "Take the vote for the exchanged cameras first. Then the maps. Somebody will ask which half of the cure does the work: the answer is in the table."}
# ## Experiment 2: the cure
#
# Same network, same number of steps, frames without background, three classes. **Predict:** for how many frames is it
# right when the cameras are exchanged?

# %% slideshow={"slide_type": "-"}
cured, _ = before_after.train(learn_clean, learn.labels, budget=budget(), seed=0, classes=3)
right = {
    "cameras as in the training": before_after.accuracy(cured, test_clean, test.labels),
    "cameras exchanged": before_after.accuracy(cured, swapped_clean, swapped.labels),
}

# %% slideshow={"slide_type": "fragment"}
ways = {
    "as they are, 2 classes": "raw_2",
    "as they are, 3 classes": "raw_3",
    "background removed, 2 classes": "removed_2",
    "background removed, 3 classes": "removed_3",
    "known masks, 3 classes": "known_3",
}
figures.table(
    {
        name: {
            "same cameras (%)": 100 * measured[key],
            "exchanged (%)": 100 * measured[f"{key}_swapped"],
            "overlap of the maps": measured[f"{key}_maps"],
        }
        for name, key in ways.items()
    },
    digits=2,
    caption="New sequences, mean over all seeds. 'Known masks': all that is no thing was removed, by masks that nobody "
    "would have.",
    note=measured,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"{100 * measured['removed_3_swapped']:.0f} % with exchanged cameras, in the mean of {len(measured.seeds)} trainings.",
    holds=measured["removed_3_swapped"] > 0.9,
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "Compare with the maps of the fooled network. The maps are coarse, six places a side: a map cannot be sharper than the last convolution."}
# ## The map of the network that was cured

# %% slideshow={"slide_type": "-"}
alt = (
    "A row of frames from before without background, and below each the class activation map of before in red: the red "
    "lies on and around the brown boxes"
)
frames_clean = test_clean[firsts(test, BEFORE)][:6]
figures.images(
    torch.cat([as_float(frames_clean), seen(cured, frames_clean)]),
    columns=6,
    alt=alt,
    caption="Frames from before without their background, and in red where the cured network finds 'before'. The mean "
    f"overlap of the marked pixels with the boxes is {overlap(by_maps(cured, test_clean), test):.2f}.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "The question to discuss: how can a pupil be better than its teacher? The teacher's errors differ from frame to frame, what is right is the same in all. The pupil has no mean over places, so it need not be coarse."}
# ## From maps to masks
#
# Maps are coarse. Take those of the training frames, mark what is above 0.4 of the largest value, and train a
# **segmentation network** (a small U-Net) on the marks *as if they were masks*. Use only frames that the classifier gets
# right; on frames from after nothing is illegal, and that is known for certain. **Predict:** does the pupil mark illegal
# things better than its teacher, or worse?

# %% slideshow={"slide_type": "-"}
taken, marks = before_after.pseudo_masks(cured, learn_clean, learn.labels)
pupil, _ = before_after.train_segmenter(learn_clean[taken], marks, budget=budget(), seed=0)
drawn = before_after.segmented(pupil, test_clean)

# %% slideshow={"slide_type": "fragment"}
show = firsts(test, BEFORE).nonzero().flatten()[:6]
marked_by_map = by_maps(cured, test_clean)[show].float()
rows = [
    as_float(frames),
    overlaid(frames, marked_by_map),
    overlaid(frames, drawn[show].float()),
]
alt = (
    "Three rows: frames from before; the same in gray with the marks of the map in red, which are wider than the boxes; "
    "and with the marks of the segmentation network"
)
figures.images(
    torch.cat(rows),
    columns=6,
    alt=alt,
    caption="Frames that neither network has seen, what the map marks, and what the segmentation network marks.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    measured.compare("marks_overlap", "removed_3_maps").sentence(
        "the segmentation network",
        "the map that it learnt from",
        what="overlap with illegal things",
        digits=2,
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Start with the fooled network and the same cameras, then exchange. Then the cured one. Let them predict the score line before each move."}
# ## Play: two networks, two cameras
#
# Choose a network, whether the cameras are exchanged, and a frame. The note says what the network answers.

# %% slideshow={"slide_type": "-"}
networks = {"fooled": fooled, "cured": cured}
each = choose(smoke=1, lecture=3, full=3)  # frames of each class
numbers = torch.cat(
    [firsts(test, label).nonzero().flatten()[:each] for label in (BEFORE, AFTER)]
).tolist()
inputs = {
    ("fooled", "as in the training"): test.images,
    ("fooled", "exchanged"): swapped.images,
    ("cured", "as in the training"): test_clean,
    ("cured", "exchanged"): swapped_clean,
}


def play(network, cameras, frame):
    image = inputs[network, cameras][numbers[frame]][None]
    filmed = {"as in the training": test, "exchanged": swapped}[cameras].images
    return {
        "the frame": as_float(filmed[numbers[frame]][None]),
        "what the network sees": as_float(image),
        "where it finds 'before'": seen(networks[network], image).clamp(0, 1),
    }


def said(network, cameras, frame):
    image = as_float(inputs[network, cameras][numbers[frame]][None])
    with torch.no_grad():
        p = networks[network](image).softmax(dim=1)[0]
    names = NAMES[: len(p)]
    shares = ", ".join(
        f"{name} {100 * share:.0f} %" for name, share in zip(names, p, strict=True)
    )
    return f"It is a frame from {NAMES[test.labels[numbers[frame]]]}. The network says: {shares}."


Player(
    render=play,
    axes=(
        Axis("network", tuple(networks), "Network"),
        Axis("cameras", ("as in the training", "exchanged"), "Cameras"),
        Axis("frame", tuple(range(len(numbers))), "Frame"),
    ),
    alt=lambda network, cameras, frame: (
        f"A frame of the belt, what the {network} network sees of it, and its class activation map of before in red"
    ),
    note=said,
    caption="Frames that neither network was trained on.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "A sorting hall has windows. The background is old, not wrong: it was right in the morning. The probe counts marks where there can be none, and needs no masks."}
# ## Break it: the sun comes in
#
# The background was filmed in the morning. In the afternoon a shadow lies on one half of the belt of the camera *after*.
# One number $r$ for a frame cannot remove it. **Predict:** for how many frames from after does the cured network still
# say so?


# %% slideshow={"slide_type": "-"}
def with_shadow(film, depth):
    """The film with a shadow on the left half of what the second camera sees."""
    images = as_float(film.images)
    width = images.shape[-1]
    shadow = torch.ones(width)
    shadow[: width // 2] = 1 - depth
    images = torch.where((film.cameras == 1)[:, None, None, None], images * shadow, images)
    return film._replace(images=(255 * images).round().byte())


depths = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
after_right, marked = [], []
for depth in depths:
    dark = without_background(with_shadow(test, depth), behind)
    after = test.labels == AFTER
    after_right.append(100 * before_after.accuracy(cured, dark[after], test.labels[after]))
    marked.append(100 * before_after.segmented(pupil, dark)[after].float().mean().item())

# %% slideshow={"slide_type": "fragment"}
figures.lines(
    depths,
    {
        "frames from after told rightly (%)": after_right,
        "pixels marked in them (%)": marked,
    },
    xlabel="depth of the shadow",
    ylabel="%",
    caption="These two networks, on frames from after. Nothing in them is illegal.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"With these networks, {after_right[0]:.0f} % without a shadow and {after_right[-1]:.0f} % under one that takes half "
    f"of the light; {marked[0]:.1f} and {marked[-1]:.1f} % of the pixels are marked as illegal where nothing is."
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The general form of the probe: exchange what should not count and see whether the answer stays. The second line of the list needs no label at all."}
# ## Two probes that need no masks
#
# - **Exchange what should not count.** Film the same things with the other camera, or paste the things of one class onto
#   the background of the other. A network that looks at the things keeps its answer.
# - **Look where nothing can be.** Frames from after hold nothing illegal: every marked pixel there is an error, on every
#   day of operation, without anybody who labels.
#
# The first one found the shortcut of experiment 1, the second one finds the shadow.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The split is the other place where such sets go wrong. Ask how many frames of a sequence they would need to see to recognise its other frames."}
# ## Split sequences, never frames
#
# The frames of a sequence are nearly the same picture. If frames were divided at random, nearly every test frame would
# have a neighbour in the training set, and a network that remembers pictures would look as good as one that understands
# them. How near are neighbours? The distance of a test frame to the nearest training frame, in pixels:


# %% slideshow={"slide_type": "skip"}
def nearest(of, among):
    """The median distance of frames to the nearest of others, per pixel."""
    of, among = (as_float(x).flatten(1) for x in (of, among))
    return (torch.cdist(of, among).amin(dim=1) / of.shape[1] ** 0.5).median().item()


filmed = learn.labels == BEFORE
images, frame = learn.images[filmed], torch.arange(int(filmed.sum())) % 4

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        "frames divided": {"distance": nearest(images[frame == 1], images[frame != 1])},
        "sequences divided": {
            "distance": nearest(images[: len(images) // 4], images[len(images) // 4 :])
        },
    },
    digits=3,
    caption="Median distance (root of the mean squared difference) of a test frame to the nearest training frame.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Photographs cannot be shown here, their results can. Cardboard differs from the rest in colour and shape, but there are many kinds of it."}
# ## Experiment 3: photographs of waste
#
# TrashNet has photographs of waste on a white board. Cut out and put on the belt, **cardboard is illegal** among glass,
# metal and plastic. The photographs to test on are others than those to learn from. **Predict:** is the network with
# three classes and no background right when the cameras are exchanged?

# %% slideshow={"slide_type": "fragment"}
waste = cite("before_after-waste")
figures.table(
    {
        name: {
            "same cameras (%)": 100 * waste[key],
            "exchanged (%)": 100 * waste[f"{key}_swapped"],
            "overlap of the maps": waste[f"{key}_maps"],
        }
        for name, key in ways.items()
    },
    digits=2,
    caption="Photographs of waste on the belt, mean over all seeds.",
    note=waste,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"For {100 * waste['removed_3_swapped']:.0f} % of the frames, in the mean of {len(waste.seeds)} trainings. "
    + waste.compare("removed_3_swapped", "raw_2_swapped").sentence(
        "the cured network",
        "the fooled one",
        what="frames told rightly with exchanged cameras",
        unit="points",
        times=100,
        digits=0,
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The true masks are an upper end, not a method. What is between the two rows is what drawing masks would buy."}
# ## What would true masks buy?
#
# **Predict:** how much better is the same segmentation network when it learns from true masks?

# %% slideshow={"slide_type": "fragment"}
figures.table(
    {
        f"{name}, {what}": {
            "overlap": of[key],
            "marked after (%)": 100 * of[key_after] if key_after else None,
        }
        for name, of in {"drawn": measured, "photographs": waste}.items()
        for what, key, key_after in (
            ("the map", "removed_3_maps", None),
            ("network that learnt from maps", "marks_overlap", "marks_after"),
            ("network that learnt from true masks", "masks_overlap", "masks_after"),
        )
    },
    digits=2,
    caption="Overlap with illegal things in frames from before, and pixels marked in frames from after.",
    note=[measured, waste],
)

# %% slideshow={"slide_type": "fragment"}
answer(
    "Drawn things: "
    + measured.compare("masks_overlap", "marks_overlap").sentence(
        "the network with true masks", "the network with maps", what="overlap", digits=2
    )
    + " Photographs: "
    + waste.compare("masks_overlap", "marks_overlap").sentence(
        "the network with true masks", "the network with maps", what="overlap", digits=2
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Grad-CAM is the exercise. Here they only need the idea: the gradient of the score with respect to a map plays the role of the weight."}
# ## Relatives of the map
#
# A CAM needs the mean over places and one linear layer. Without them, take the gradient of the score instead of the
# weight: $\alpha_{ck} = \operatorname{mean}\, \partial S_c / \partial F_k$, and $\sum_k \alpha_{ck} F_k$, what is below
# zero cut off (**Grad-CAM**, Selvaraju et al. 2017). With a mean and one linear layer it is the CAM, divided by the number
# of places.
#
# A map that asks for no class at all: the **activation energy** $A(x, y) = \sum_k |F_k(x, y)|^p$ (Zagoruyko and Komodakis
# 2017). It says where a network answers strongly, and so it can compare networks that were trained without labels.

# %% slideshow={"slide_type": "-"}
with torch.no_grad():
    energy = [
        cam.enlarged(cam.attention(net.encoder.activations(as_float(x))), x.shape[-2:])
        for net, x in ((fooled, frames[:6]), (cured, frames_clean))
    ]
figures.images(
    torch.cat(
        [overlaid(x, e) for x, e in zip((frames[:6], frames_clean), energy, strict=True)]
    ),
    columns=6,
    alt="Two rows of frames in gray with the activation energy in red: of the fooled network and of the cured one",
    caption="Activation energy (p = 2) of the fooled network, first row, and of the cured one.",
)

# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "skip"}
features = double.encoder.activations(one).detach().requires_grad_()
score = double.last(features.mean(dim=(2, 3)))[0, BEFORE]
(slope,) = torch.autograd.grad(score, features)
grad_cam = (slope.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1)[0].detach()
places = features.shape[2] * features.shape[3]
print(
    "Grad-CAM is the CAM over",
    places,
    "places:",
    torch.allclose(places * grad_cam, plain[0, BEFORE]),
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Their maps are refined by a foundation model and by agreement over time before the segmentation network learns from them; ours are not."}
# ## The real line
#
# The idea comes from a plant that sorts plastic. Its set has 284 sequences from before and 313 from after, 11 060 frames
# (Boracchi 2025; Marelli et al. 2025). There, too, the light differs between the two classes, and the same two steps
# were taken. The published pipeline refines the maps with a foundation model and asks maps of neighbouring frames to
# agree; ours does neither.

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        "to learn from": {"before": Paper(4851), "after": Paper(4712)},
        "to test on, with masks": {"before": Paper(496), "after": Paper(1001)},
    },
    digits=0,
    caption="Frames of the set of the real line (Boracchi 2025).",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - What a process changes is a label: before and after, with the same things in both.
# - A classifier takes the easiest difference. Exchange what should not count, and see whether its answer stays.
# - With a mean over places and one linear layer, the class activation map is exact: its mean and the bias are the score.
# - Remove the background in training and test, and give what is left of it a class of its own.
# - Marks made of maps can teach a segmentation network; true masks are only needed to measure it.
# - Sequences are divided, not frames.

# %% slideshow={"slide_type": "slide", "minutes": 2, "notes": "Let everyone answer alone first."}
Quiz.parse("""
With exchanged cameras the network of experiment 1 is right for far less than half of the
frames. What does that say?
- [x] It follows the background | The background now says the opposite of the label, and the
  network believes it.
- [ ] It guesses | Guessing would be right for half of the frames.
- [ ] It was not trained long enough | With the cameras of the training it is right for nearly
  all new sequences.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
Your network has two linear layers with a ReLU between them after the mean over places. Is
the sum of weighted maps still exact?
- [x] No | The score is no longer a sum over places, so no map adds up to it. Grad-CAM
  approximates.
- [ ] Yes, with the product of the two weight matrices | The ReLU between them decides which
  rows count, and it depends on the picture.
- [ ] Yes, if the bias is zero | The bias does not depend on the place. The ReLU is what breaks
  the sum.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
Why is the background removed from the test frames, too?
- [x] The network has never seen a belt in a frame of before or after | Frames that look like
  belt belong to the third class, and that is what it would say.
- [ ] Because the test would be too easy otherwise | It would be too hard: the network knows a
  belt as the third class only.
- [ ] It need not be, if there are three classes | The table shows a network with three classes
  and all backgrounds: exchanged cameras fool it.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
The human on the line also takes every blue disc by mistake. What will the segmentation
network mark?
- [x] boxes and blue discs | The label is what the human did, not what the rules say.
- [ ] boxes only, since blue discs are legal | Nobody told the network what is legal. Blue discs
  are in frames from before only.
- [ ] nothing, since the label is noisy now | The label is not noisy. It says before or after,
  and that is right.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/08_before_after.ipynb): Grad-CAM for a network
# with two linear layers, a background that knows how much each pixel flickers, and a split that keeps sequences together.
#
# To explore on your own:
#
# 1. Train the segmentation network on marks from 0.2 and from 0.7 of the largest value. Which errors does each make?
# 2. Give `line` twice the number of frames a sequence. Does that help as much as twice the sequences?
# 3. Let the background be the mean instead of the median, and put one thing on the belt in a third of its frames.
#
# ## Further reading
#
# - G. Boracchi: *Departing From Supervised Learning*, PhD course, Politecnico di Milano, 2025. Before and after, the
#   background shortcut and the third class.
# - A. Marelli, L. Foresti, L. Pesce, G. Boracchi, M. Grosso: *WS²: Weakly Supervised Segmentation using Before-After
#   Supervision in Waste Sorting*, ICCV workshops 2025. The real line, with a public set.
# - B. Zhou, A. Khosla, A. Lapedriza, A. Oliva, A. Torralba: *Learning Deep Features for Discriminative Localization*, CVPR
#   2016. Class activation maps.
# - R. Selvaraju et al.: *Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization*, ICCV 2017.
# - S. Zagoruyko, N. Komodakis: *Paying More Attention to Attention*, ICLR 2017. Activation energy.
# - R. Geirhos et al.: *Shortcut Learning in Deep Neural Networks*, Nature Machine Intelligence 2 (2020).
