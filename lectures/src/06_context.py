# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Let them answer for the patches in the figure first, and say what they looked at. Nobody needs to know what a cat is."}
# ## Where does the second patch lie?
#
# Lecture *rotnet* turned pictures and asked a network by how much. Here is another question that a picture answers by
# itself. Cut two neighbouring patches out of a photograph. *Where does the second lie, seen from the first: above,
# below, to the left or to the right?* To answer, one should have to know what is in the picture: eyes are above mouths.
#
# Now a rule that knows nothing. It compares the pixels along the edges that would touch, and takes the place where they
# differ least. **Predict:** how often is it right, on pieces of photographs? By chance it would be one in four.

# %% slideshow={"slide_type": "-"}
import math

import torch
from torch import nn
from torch.nn import functional as F

from course_lib import data, figures
from course_lib.claims.answers import answer
from course_lib.claims.cite import cite
from course_lib.data.objects import objects
from course_lib.data.sorting import line
from course_lib.embeddings import as_float
from course_lib.figures import Paper
from course_lib.networks import settle
from course_lib.pretext import (
    frame_order,
    jigsaw,
    permutations,
    position,
    shortcuts,
    towers,
)
from course_lib.pretext.jigsaw import Puzzle
from course_lib.pretext.nin import NIN
from course_lib.pretext.position import PLACES, Patches, projected
from course_lib.pretext.towers import normalised
from course_lib.profiles import Budget, choose
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

# %% slideshow={"slide_type": "skip"}
photographs = data.photographs("test") | data.photographs("validation")
stride = choose(smoke=150, lecture=32, full=32)
pieces = [
    photograph.unfold(1, 64, stride).unfold(2, 64, stride).flatten(1, 2).transpose(0, 1)
    for photograph in photographs.values()
]
pieces = as_float(torch.cat(pieces))  # (N, 1, 64, 64)


# %% slideshow={"slide_type": "-"}
def by_the_edges(first, second):
    """The place where the pixels along the touching edges differ least; patches (N, h, w)."""
    apart = {
        1: first[:, 0] - second[:, -1],  # the second lies above
        3: first[:, :, 0] - second[:, :, -1],  # to the left
        4: first[:, :, -1] - second[:, :, 0],  # to the right
        6: first[:, -1] - second[:, 0],  # below
    }
    least = torch.stack([edge.abs().mean(dim=1) for edge in apart.values()]).argmin(dim=0)
    return torch.tensor(list(apart))[least]


# %% slideshow={"slide_type": "skip"}
def right_by_the_edges(gap):
    """How often the rule is right, in %, with a gap between the patches."""
    plain = Patches(16, gap, 0, colour="kept", normalise=False)
    pairs, place = plain(pieces, generator(0, "edges"))
    asked = torch.isin(place, torch.tensor([1, 3, 4, 6]))  # the second lies straight on
    found = by_the_edges(*pairs[asked].squeeze(2).unbind(dim=1))
    return 100 * (found == place[asked]).double().mean().item()


by_edges = {gap: right_by_the_edges(gap) for gap in (0, 2, 4, 8, 16)}
cat = data.photographs("test", channels=3)["chelsea"].float()[:, 60:124, 150:214] / 255
shown = cat
for side in (0, 16):
    shown = figures.framed(
        shown, top=24, left=8 + side, size=16, colour=(1.0, 0.7 if side else 0.3, 0.0)
    )

# %% slideshow={"slide_type": "-"}
alt = (
    "A piece of a photograph, the eye of a cat, with two framed squares side by side, and the two squares enlarged. The "
    "edge of the eyelid goes on from one into the other"
)
figures.images(
    {
        "a photograph": shown,
        "the first patch": cat[:, 24:40, 8:24],
        "the second patch": cat[:, 24:40, 24:40],
    },
    columns=3,
    alt=alt,
    caption="Two patches that touch. The edge of the lid goes on from one into the other, and says where the second lies.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"The rule is right for {by_edges[0]:.0f} % of the patches of {len(photographs)} photographs that touch. It has "
    f"recognised nothing. With 16 pixels between the patches it is right for {by_edges[16]:.0f} %.",
    holds=by_edges[0] > 50 and by_edges[16] < by_edges[0] - 10,
    otherwise=f"In this run the rule is right for {by_edges[0]:.0f} % of the patches that touch, and for "
    f"{by_edges[16]:.0f} % of those 16 pixels apart.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Draw the two towers. Ask which of the three letters is kept afterwards: only f. The label costs nothing, since we cut the patches ourselves."}
# ## Relative position
#
# Doersch, Gupta and Efros (ICCV 2015) ask for eight places, numbered row by row:
#
# | | | |
# |---|---|---|
# | 0 | 1 | 2 |
# | 3 | *first* | 4 |
# | 5 | 6 | 7 |
#
# Cut two patches $x_1$, $x_2$ out of a picture, the second in the place $p$ around the first. A network $f$, the
# **tower**, sees one patch at a time. A small classifier sees what it says of both, and gives a probability $F_p$ to each
# place:
#
# $$\mathcal L = -\log F_p\bigl(f(x_1),\, f(x_2)\bigr), \qquad p \in \{0, \dots, 7\} .$$
#
# Nobody had to label anything. Afterwards the classifier is removed and $f$ is kept. We *hope* that $f$ has learnt
# what things look like, because that helps. A network takes **whatever helps**, though, and the rule above is easier to
# learn than cats. What answers the question without a look at the content is a **shortcut**.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "Why are both orders used? The exchanged pair costs one more row and doubles the labels. Ask for the loss of a network that guesses."}
# ### The cut, in code


# %% slideshow={"slide_type": "-"}
def two_patches(picture, row, column, p, size, gap):
    """A patch of a picture (C, H, W), and its neighbour in place p."""
    down, right = PLACES[p]
    first = picture[:, row : row + size, column : column + size]
    row, column = row + down * (size + gap), column + right * (size + gap)
    second = picture[:, row : row + size, column : column + size]
    return first, second


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
pictures = as_float(shortcuts.nothing(6, size=32))  # pictures of noise: any will do here
plain = Patches(8, gap=4, jitter=0, colour="kept", normalise=False)
top, left, place = plain.places(pictures.shape, generator(0, "by hand"))
pairs, label = plain(pictures, generator(0, "by hand"))
ours = [
    torch.stack(two_patches(pictures[n], top[n, 0], left[n, 0], int(place[n]), 8, 4))
    for n in range(6)
]
print("as the library's:", torch.equal(torch.stack(ours), pairs[:6]))
print("both orders are used:", torch.equal(pairs[6:], pairs[:6].flip(1)))
print("exchanged, p becomes 7 - p:", torch.equal(label[6:], 7 - label[:6]))
print(f"the loss of guessing, log 8: {math.log(8):.3f}")

# %% slideshow={"slide_type": "skip"}
figures.code(Patches, towers.Towers)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "For each row ask: what would a lazy network look at, and what in the right column takes it away? The last row is the one that surprised the authors: the network had found the place of a patch in the whole photograph."}
# ## Shortcuts, and a guard for each
#
# | what gives the place away | the guard |
# |---|---|
# | lines and textures that go on from one patch into the next | a **gap** between the patches (in the paper 48 pixels, half a patch) |
# | long straight lines, which bridge a gap | **jitter**: each patch is shifted by up to 7 pixels |
# | brightness that changes slowly over a picture | each patch is **normalised**: mean 0, deviation 1 |
# | **chromatic aberration**: a lens magnifies colours differently, so the shift between two channels says where in the picture a patch is | **colour dropping**: one random channel is kept, the others become noise; or projection |
#
# The last one was a surprise. The network knew where in the *photograph* a patch had been, from the colours
# alone, and two absolute places give a relative one (Doersch et al. 2015, section 3.1).
#
# How do you notice that a network has taken a shortcut? The loss does not say. **Train it on pictures that contain
# nothing.** What it still learns there is a shortcut.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "Derive the correlation: the covariance of filtered white noise is the kernel correlated with itself, and variances of Gaussians add. Then let them choose the gap before they see the curve."}
# ## How wide must the gap be?
#
# Here is a picture of nothing that we can compute: white noise, blurred by a Gaussian of width $\sigma$. Its covariance
# is the blur with itself, a Gaussian of variance $2\sigma^2$. So the correlation of pixels at a distance $d$ is
#
# $$\rho(d) = e^{-d^2 / (4\sigma^2)} .$$
#
# With a gap of $g$ pixels the nearest pixels of two patches are $d = g + 1$ apart. **Predict:** $\sigma = 2$, patches
# of 8 pixels. How often is a network right without a gap, and from which $g$ on does it guess? (The tower is the
# simplest one: it hands on the pixels.)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
noise = shortcuts.nothing(400, channels=1, smooth=2.0).double() - 127.5
variance = noise.square().mean()
for gap in (0, 2, 4, 8):
    d = gap + 1
    measured = (noise[..., d:] * noise[..., :-d]).mean() / variance
    rho = math.exp(-(d**2) / (4 * 2.0**2))
    near = abs(measured - rho) < 0.03
    print(f"gap {gap}: rho = {rho:.3f}, measured within 0.03: {bool(near)}")

# %% slideshow={"slide_type": "skip"}
budget = choose(smoke=Budget(3, 8), lecture=Budget(600, 128), full=Budget(6000, 128))
count = choose(smoke=40, lecture=3000, full=10_000)
known_noise, new_noise = (
    shortcuts.nothing(count, size=32, channels=1, seed=seed) for seed in (0, 1)
)
GAPS = choose(smoke=(0, 8), lecture=(0, 2, 4, 8), full=(0, 1, 2, 3, 4, 6, 8))


def right_on_nothing(gap):
    """Train on pictures of nothing, and ask about others: the share of right answers."""
    view = Patches(8, gap, 0)
    model = towers.Towers(nn.Flatten(), features=64, tiles=2, outputs=8)
    position.train(known_noise, budget=budget, seed=0, patches=view, model=model)
    draw = generator(0, "asked")
    return towers.accuracy(model, new_noise, view, generator=draw, rounds=1)


right = [right_on_nothing(gap) for gap in GAPS]

# %% slideshow={"slide_type": "fragment"}
figures.lines(
    GAPS,
    {
        "right answers of a network": right,
        "correlation of the nearest pixels": [
            math.exp(-((gap + 1) ** 2) / 16) for gap in GAPS
        ],
        "guessing": [1 / 8] * len(GAPS),
    },
    xlabel="gap (pixels)",
    ylabel="share, or correlation",
    caption=f"Blurred noise, σ = 2. A network for each gap, trained for {budget.steps} steps, asked about {count} other "
    "pictures of nothing.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"Without a gap it is right for {100 * right[0]:.0f} %, with a gap of 8 for {100 * right[-1]:.1f} %; guessing gives "
    "12.5 %. In these pictures there is nothing to understand.",
    holds=right[0] > 0.25 and abs(right[-1] - 1 / 8) < 0.02,
    otherwise=f"In this run it is right for {100 * right[0]:.1f} % without a gap, and for {100 * right[-1]:.1f} % with a "
    "gap of 8; guessing gives 12.5 %.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "Play three rounds without a gap and three with one. Ask how they found the answer each time: by an edge that goes on, or by the thing? Then show the answer."}
# ## Play: where does the second patch lie?
#
# Upright objects that our own code draws, on pieces of photographs. Two networks have learnt to answer, one on patches
# that touch, one on patches with a gap, from the same pictures and for as many steps. Answer first, then look.

# %% slideshow={"slide_type": "skip"}
known = objects(choose(smoke=3, lecture=60, full=300), size=48, seed=0)
asked = objects(choose(smoke=2, lecture=20, full=50), size=48, seed=1, split="test")
views = {"they touch": Patches(14, 0, 0), "a gap of 6 pixels": Patches(14, 6, 1)}
learning = choose(smoke=Budget(3, 8), lecture=Budget(300, 32), full=Budget(6000, 64))
networks, shares = {}, {}
for name, view in views.items():
    model = position.network(NIN(width=16, blocks=2), view)
    position.train(known, budget=learning, seed=0, patches=view, model=model)
    networks[name] = model
    draw = generator(0, "asked")
    shares[name] = towers.accuracy(model, asked.images, view, generator=draw, rounds=4)

# %% slideshow={"slide_type": "-"}
WHERE = (
    *("above and left", "above", "above and right", "left"),
    *("right", "below and left", "below", "below and right"),
)
KINDS = {"tree": 0, "house": 1, "car": 2, "mug": 4, "person": 5, "umbrella": 6}


def question(kind, gap):
    """A picture, where its two patches are, the place, and what the network says of them."""
    picture = as_float(asked.images[KINDS[kind] * len(asked.images) // 10][None])
    view = views[gap]
    draw = generator(2, "game", kind)
    top, left, place = view.places(picture.shape, draw)
    patches = towers.cut(picture, top, left, view.size)
    device = next(networks[gap].parameters()).device
    with torch.inference_mode():
        said = networks[gap](view.guarded(patches, draw).to(device)).softmax(dim=1)[0].cpu()
    return picture[0], top[0].tolist(), left[0].tolist(), int(place), patches[0], said


def game(kind, gap, show):
    picture, top, left, _, patches, _ = question(kind, gap)
    board = picture if show == "the answer" else torch.full_like(picture, 0.5)
    for k in range(2 if show == "the answer" else 1):
        colour = (1.0, 0.7 if k else 0.3, 0.0)
        board = figures.framed(
            board, top=top[k], left=left[k], size=views[gap].size, colour=colour
        )
    return {"the first patch": patches[0], "the second patch": patches[1], show: board}


def verdict(kind, gap, show):
    _, _, _, place, _, said = question(kind, gap)
    if show == "the question":
        return "Where does the second patch lie: in which of the eight places around the first?"
    return (
        f"It lies {WHERE[place]}. The network's first choice: {WHERE[int(said.argmax())]} "
        f"({100 * said.max():.0f} %). Of all new patches it finds {100 * shares[gap]:.0f} %."
    )


Player(
    render=game,
    axes=(
        Axis("kind", tuple(KINDS), "Picture"),
        Axis("gap", tuple(views), "The patches"),
        Axis("show", ("the question", "the answer"), "Show"),
    ),
    alt=lambda kind, gap, show: (
        f"Two patches of a drawn {kind}; "
        + ("they touch" if gap == "they touch" else "there is a gap between them")
        + (
            ". Beside them is the picture with both patches framed"
            if show == "the answer"
            else ". Beside them is an empty board with the place of the first patch"
        )
    ),
    note=verdict,
    pixelated=True,
    caption="The red frame is the first patch, the yellow one the second.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Write the order of the first puzzle on the board. Nine towers are drawn, there is one. Ask why the towers see one tile each: otherwise they would compare edges."}
# ## Jigsaw: nine tiles at once
#
# Two patches leave much open: is the second a roof or a box? Noroozi and Favaro (ECCV 2016) cut a picture into
# $3 \times 3$ tiles, shuffle them, and ask for the order. With $s_p(k)$ for the tile in place $k$ of the $p$-th order
#
# $$\mathcal L = -\log F_p\bigl(f(x_{s_p(1)}),\, \dots,\, f(x_{s_p(9)})\bigr), \qquad p \in \{1, \dots, P\} .$$
#
# The tower $f$ is the same for all nine and sees one tile: a **context-free network**. Tiles are cut at random places
# of their cells, so that gaps differ, and normalised; some pictures are gray.


# %% slideshow={"slide_type": "-"}
def shuffled(picture, order, cell):
    """The nine tiles of a picture (C, 3 cell, 3 cell), row by row, in an order (9,)."""
    tiles = picture.unfold(1, cell, cell).unfold(2, cell, cell)  # (C, 3, 3, cell, cell)
    tiles = tiles.flatten(1, 2).transpose(0, 1)  # (9, C, cell, cell)
    return tiles[order]


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
exact = Puzzle(cell=6, tile=6, normalise=False, gray=0.0)  # tiles fill their cells
small = pictures[:, :, :18, :18]
tiles, which = exact(small, generator(0, "puzzle"))
ours = [shuffled(small[n], exact.orders[which[n]], 6) for n in range(6)]
print("as the library's:", torch.equal(torch.stack(ours), tiles))
back = exact.solved(tiles, which)
straight = torch.stack([shuffled(one, torch.arange(9), 6) for one in small])
print("solved, each tile is back:", torch.equal(back, straight))

# %% slideshow={"slide_type": "skip"}
figures.code(Puzzle)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "path": "core", "notes": "Do the proof for GF(9) at the board: two maps that agree in two places are the same map. The bound: if two orders agreed in two given places, their distance would be at most 7; so the 9 times 8 pairs of values for two places can each occur once."}
# ## Which orders?
#
# There are $9! = 362\,880$. A network with as many outputs cannot be trained, so a set of $P$ orders is chosen. Two
# orders that differ in two places only are one puzzle where these two tiles look alike (two pieces of sky), so orders
# should differ in many places: the **Hamming distance** of each pair should be large.
#
# Number the tiles by the elements of the field with nine elements. Take the orders $x \mapsto a x + b$, $a \ne 0$.
# Two of them agree where $a x + b = a' x + b'$. This equation has **at most one solution**, so they differ in at least 8
# of 9 places, and there are $8 \cdot 9 = 72$. No larger set exists: orders with distance 8 never agree in two places, so
# each of the $9 \cdot 8$ possible pairs of tiles in the first two places occurs once at most.

# %% slideshow={"slide_type": "skip"}
sets = {
    "a x + b over 9 elements": permutations.affine(),
    "(a x + b) / (c x + d) over 8 and infinity": permutations.projective(),
    "greedy search, largest least distance": permutations.greedy(72),
    "greedy search, largest mean distance": permutations.greedy(72, by="mean"),
}


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
def least_distance(orders):
    """In how many places the two most similar orders of a set (P, 9) differ."""
    least = 9
    for k in range(1, len(orders)):
        least = min(least, int((orders[k] != orders[:k]).sum(dim=1).min()))
    return least


for name, orders in sets.items():
    print(f"{name}: {len(orders)} orders, least distance {least_distance(orders)}")
library = [int(permutations.distances(orders).min()) for orders in sets.values()]
print("as the library's:", library == [least_distance(orders) for orders in sets.values()])

# %% slideshow={"slide_type": "skip"}
figures.code(permutations.affine, permutations.projective, permutations.greedy)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The published sets are in the repositories of the paper and of a port of it; their distances were counted with the function above."}
# ### What a search finds
#
# The paper searches step by step and maximises the *mean* distance. That allows pairs that are nearly the same: the
# authors' published set of 100 orders has pairs with distance 2 and that of 701 orders pairs with distance 3, at means of
# 8.08 and 8.00. The mean of any two random orders is 8 already, so the mean says little.

# %% slideshow={"slide_type": "skip"}
rows = {}
for name, orders in sets.items():
    apart = permutations.distances(orders)
    rows[name] = {
        "least": int(apart.min()),
        "mean": apart.double().mean().item(),
        "pairs at less than 7": int((apart < 7).sum()),
    }

# %% slideshow={"slide_type": "-"}
figures.table(
    rows,
    digits=2,
    caption="Hamming distances of all pairs of a set of orders of nine tiles.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "One puzzle together, then let everybody solve one. Ask which tile they placed first. Then compare with the probability that the network gives to their order."}
# ## Play: solve the puzzle
#
# The tiles lie in one of nine orders of the set. Choose an order: the tiles are put back as if it had been that one. A
# network has learnt the same nine orders on other pictures, and says what it thinks of yours.

# %% slideshow={"slide_type": "skip"}
nine = Puzzle(cell=16, tile=12, orders=permutations.affine()[4::8])  # 9 of the 72
solver = jigsaw.network(NIN(width=16, blocks=2), nine)
jigsaw.train(known, budget=learning, seed=0, puzzle=nine, model=solver)
draw = generator(0, "solved")
solved = towers.accuracy(solver, asked.images, nine, generator=draw, rounds=4)

# %% slideshow={"slide_type": "-"}
LETTERS = "ABCDEFGHI"


def posed(kind):
    """The tiles of a picture in an order, which one it was, and the network's probabilities."""
    picture = as_float(asked.images[KINDS[kind] * len(asked.images) // 10 + 1][None])
    which = (5 * KINDS[kind] + 3) % 9
    order = nine.orders[which]
    one = Puzzle(cell=16, tile=12, orders=order[None], gray=0.0)
    tiles, _ = one(picture, generator(3, "posed", kind))
    device = next(solver.parameters()).device
    with torch.inference_mode():
        said = solver(tiles.to(device)).softmax(dim=1)[0].cpu()
    return shuffled(picture[0], order, 16), which, said


def laid(tiles):
    """Nine tiles (9, C, h, w) as a picture, with a line of white between them."""
    tiles = F.pad(tiles, [0, 1, 0, 1], value=1.0)
    rows = [torch.cat(list(row), dim=2) for row in tiles.unflatten(0, (3, 3))]
    return torch.cat(rows, dim=1)


def solving(kind, order):
    tiles, _, _ = posed(kind)
    back = tiles[nine.orders[LETTERS.index(order)].argsort()]
    return {"the puzzle": laid(tiles), f"put back by order {order}": laid(back)}


def judged(kind, order):
    _, which, said = posed(kind)
    yours, first = LETTERS.index(order), int(said.argmax())
    return (
        ("This is it. " if yours == which else "This is not the picture. ")
        + f"The network gives order {order} {100 * said[yours]:.0f} %, and its first choice, "
        + f"{LETTERS[first]}, {100 * said[first]:.0f} %. Of all new puzzles it solves {100 * solved:.0f} %."
    )


Player(
    render=solving,
    axes=(
        Axis("kind", tuple(KINDS), "Picture"),
        Axis("order", tuple(LETTERS), "Your order"),
    ),
    alt=lambda kind, order: (
        f"Nine shuffled tiles of a drawn {kind}, and the same tiles put back by order {order}"
    ),
    note=judged,
    pixelated=True,
    caption="A puzzle, and what your order makes of it. By chance one would be right once in nine times.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Before the bars: which guard is the most important? Let them vote. Then go through the bars from the top. Everything beyond the line of guessing was learnt from nothing."}
# ## Break it: take the guards away
#
# Pictures of nothing again, now with all that gives a place away: blurred noise under light from above, through a lens that
# magnifies green. The guards of a task are taken away one at a time, and each time a network is trained. Colours are guarded
# by projection, in puzzles by showing all of them in gray; "colours kept" has three gray puzzles in ten, as in public code.
# **Predict:** with *all* guards, how often is it right? And which guard matters most?

# %% slideshow={"slide_type": "fragment"}
nothing = cite("shortcuts-nothing")
guards = {
    "all guards": "guarded",
    "no gap": "no_gap",
    "not normalised": "brightness",
    "colours kept": "colours",
}
figures.bars(
    {
        "two patches (guessing: 12.5)": nothing.row(guards, "position_{}", times=100),
        "nine tiles (guessing: 1.4)": nothing.row(guards, "jigsaw_{}", times=100),
    },
    xlabel="right answers on pictures of nothing (%)",
    digits=1,
    caption="What networks learn from pictures without content. All above guessing is a shortcut.",
    note=nothing,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"With all guards two patches are placed rightly in {100 * nothing['position_guarded']:.1f} %, and puzzles solved in "
    f"{100 * nothing['jigsaw_guarded']:.1f} %. Without the gap it is {100 * nothing['position_no_gap']:.0f} % and "
    f"{100 * nothing['jigsaw_no_gap']:.0f} %, without normalising {100 * nothing['position_brightness']:.0f} % and "
    f"{100 * nothing['jigsaw_brightness']:.0f} %, with colours kept {100 * nothing['position_colours']:.0f} % and "
    f"{100 * nothing['jigsaw_colours']:.0f} %."
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Draw a vignette and three patches in it: the slope of each points to the middle. Then ask what would remove a slope: the exercise does it."}
# ### What the guards do not remove
#
# A vignette darkens the corners of a picture. A patch in it is brighter on the side of the middle, and normalising removes
# its mean, not its **slope**. Two slopes tell two absolute places. Light from above has the same slope everywhere, so it
# tells nothing. And projection removes one axis of colour: what if the lens shifts red and blue apart, and leaves green?
# **Predict:** with all guards on, is a vignette noticed? Is such a lens, and which guard helps then?

# %% slideshow={"slide_type": "fragment"}
figures.bars(
    {
        "all guards": 100 * nothing["position_guarded"],
        "all guards, a vignette": 100 * nothing["position_vignette"],
        "all guards, red and blue shifted": 100 * nothing["position_other_lens"],
        "the same, colours dropped": 100 * nothing["position_dropped"],
    },
    xlabel="right answers on pictures of nothing (%), guessing: 12.5",
    digits=1,
    caption="Two patches of pictures of nothing. A vignette leaves a slope in each patch, and projection removes the fringes of "
    "green only.",
    note=nothing.about("shortcuts-vignette", "shortcuts-projection"),
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"With a vignette it is right for {100 * nothing['position_vignette']:.0f} %, through the other lens for "
    f"{100 * nothing['position_other_lens']:.0f} %, and with dropped colours for {100 * nothing['position_dropped']:.1f} %, "
    "where guessing gives 12.5 %."
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Do the projection with a gray pixel whose green value comes from elsewhere. The paper's code projects, the paper's experiments mostly drop."}
# ### What projection removes
#
# With $a = (-1, 2, -1)$, the axis from magenta to green, projection replaces the colour $c$ of each pixel by
#
# $$B c, \qquad B = I - \frac{a a^\top}{a^\top a} .$$
#
# Take a gray object and a lens that magnifies green only. Its pixels are $(u, v, u)$, with $v$ from elsewhere, and
# $B (u, v, u) = \frac{2u + v}{3} (1, 1, 1)$: gray, without a fringe. If the lens shifts red and blue apart, the pixels are
# $(u + e, u, u - e)$, and $(1, 0, -1)$ is at a right angle to $a$: nothing is removed. **Colour dropping** does not
# depend on the lens.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
gray = shortcuts.nothing(3, channels=1).expand(-1, 3, -1, -1)
a = torch.tensor([-1.0, 2.0, -1.0], dtype=torch.float64)
B = torch.eye(3, dtype=torch.float64) - torch.outer(a, a) / (a @ a)
x = as_float(shortcuts.fringes(gray, shares=(0, 1, 0))).double()
ours = torch.einsum("kc,nchw->nkhw", B, x)
print("as the library's:", torch.allclose(ours, projected(x)))
print("twice is as once:", torch.allclose(B @ B, B), "- rank", int(B.trace().round()))
for name, shares in (("green", (0, 1, 0)), ("red and blue", (1, 0, -1))):
    left = projected(as_float(shortcuts.fringes(gray, shares=shares)))
    fringe = (left - left.mean(dim=1, keepdim=True)).abs().max()
    print(f"a lens that bends {name}: a fringe is left:", bool(fringe > 0.01))

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Rotation needs no guard as long as pixels only move. On pictures of nothing its best possible answer is one in four, exactly."}
# ### And turns?
#
# Lecture *rotnet* turned pictures by multiples of 90 degrees, which moves pixels and computes nothing. Turns by 45 degrees
# have to interpolate between pixels. **Predict:** which of both is learnt from pictures of fine noise, although all corners
# are cut off?

# %% slideshow={"slide_type": "fragment"}
figures.table(
    {
        "4 turns, by 90 degrees": {
            "right (%)": 100 * nothing["turns_four"],
            "guessing (%)": 25.0,
        },
        "8 turns, by 45 degrees": {
            "right (%)": 100 * nothing["turns_eight"],
            "guessing (%)": 12.5,
        },
    },
    digits=1,
    caption="Turns of pictures of nothing. Interpolation blurs, and the blur says that a turn was an odd multiple of 45 degrees.",
    note=nothing,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"Four turns: {100 * nothing['turns_four']:.1f} %, where guessing gives 25 %. Eight turns: "
    f"{100 * nothing['turns_eight']:.1f} %, where guessing gives 12.5 %. Who knows only which pictures are blurred reaches "
    "25 %, and no guard removes the blur."
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "The random network is what to compare with, as in lecture simclr. The head is the same for all three. Let them write three numbers."}
# ## Experiment: what is learnt?
#
# With guards on, is something learnt that is useful? Towers of two blocks learn from drawn upright objects, without labels:
# where the second patch lies, or which of 72 orders a puzzle has. Then the tower stays as it is, and a small head learns ten
# kinds of objects from its features, with labels. The same head is trained on the features of a tower with random
# weights. **Predict:** which of the three names most of the new objects rightly?

# %% slideshow={"slide_type": "fragment"}
learnt = cite("position-objects")
towers_named = {
    "random weights": "random",
    "two patches": "position",
    "puzzles": "jigsaw",
}
figures.bars(
    {
        "a head on the features": learnt.row(towers_named, "{}_head", times=100),
        "five nearest neighbours": learnt.row(towers_named, "{}_nearest", times=100),
    },
    xlabel="new objects named rightly (%), guessing: 10",
    digits=1,
    caption="What the features of the second block contain of the ten kinds. Labels were used for this measurement only.",
    note=learnt,
)

# %% slideshow={"slide_type": "fragment"}
words = {"what": "objects that the head names rightly", "unit": "points", "times": 100}
answer(
    learnt.compare("position_head", "random_head").sentence(
        "the tower that learnt from two patches", "a random one", digits=1, **words
    )
    + " "
    + learnt.compare("jigsaw_head", "random_head").sentence(
        "the tower that learnt from puzzles", "a random one", digits=1, **words
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The paper shows clusters of patches for its large network. Ours is small and was trained for seconds: look for what both rows of neighbours have in common."}
# ### Nearest neighbours
#
# Doersch et al. look at what is near in the features of the tower, by the normalised correlation (the cosine after the
# mean is subtracted). We cut patches from the pictures, and look for the nearest patches of *other* pictures, with the
# tower of the game that learnt with a gap, and with the same tower before its training. **Predict:** does the nearest patch
# come from the same kind of object more often after the training?

# %% slideshow={"slide_type": "skip"}
SIDE, STEP = 14, 17


def all_patches(pictures):
    """Nine patches of each picture, and which picture each is from."""
    tiles = as_float(pictures).unfold(2, SIDE, STEP).unfold(3, SIDE, STEP)
    tiles = tiles.permute(0, 2, 3, 1, 4, 5).flatten(1, 2)  # (N, 9, C, SIDE, SIDE)
    return tiles.flatten(0, 1), torch.arange(len(pictures)).repeat_interleave(9)


@torch.inference_mode()
def correlations(tower):
    """The normalised correlation of patches of new pictures with those of known ones."""
    device = next(tower.parameters()).device
    f = []
    for patches in (new_patches, known_patches):
        x = normalised(projected(patches)).to(device)
        some = torch.cat([tower(part).flatten(1).cpu() for part in x.split(1024)])
        f.append(F.normalize(some - some.mean(dim=1, keepdim=True), dim=1))
    return f[0] @ f[1].T


# %% slideshow={"slide_type": "skip"}
known_patches, known_from = all_patches(known.images)
new_patches, new_from = all_patches(asked.images)
middle = torch.arange(4, len(new_patches), 9)  # the patch in the middle of each picture
after = networks["a gap of 6 pixels"].tower
device = next(after.parameters()).device
before = position.network(NIN(width=16, blocks=2), views["a gap of 6 pixels"]).tower
samples = (normalised(projected(known_patches[k::9])).to(device) for k in range(9))
before = settle(before.to(device), samples)  # its normalisations have seen patches
nearest = {
    name: correlations(tower)[middle].topk(5, dim=1).indices
    for name, tower in {"before": before, "after": after}.items()
}

# %% slideshow={"slide_type": "skip"}
same = {
    name: (known.labels[known_from[found]] == asked.labels[new_from[middle]][:, None])
    .double()
    .mean()
    .item()
    for name, found in nearest.items()
}

# %% slideshow={"slide_type": "-"}
chosen = [KINDS[kind] * len(asked.images) // 10 for kind in ("tree", "car", "person")]
rows_of = [
    torch.cat([new_patches[middle[n]][None], known_patches[nearest["after"][n]]])
    for n in chosen
]
alt = (
    "Three rows of six small patches: the middle of a tree, a car and a person, and beside each the five nearest patches "
    "of other pictures in the features of the tower"
)
figures.images(
    torch.cat(rows_of),
    columns=6,
    alt=alt,
    caption="First column: the middle of three new pictures. Beside each, the five nearest patches of known pictures.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"Of the five nearest patches {100 * same['after']:.0f} % come from the same kind of object after this one training, "
    f"and {100 * same['before']:.0f} % before it; by chance it would be 10 %. These are numbers of one training, "
    "and say little of others."
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Show two frames and let them vote. Ask what they used: things, or the ribs of the belt? The same question is then put to the network."}
# ## A relative: which frame came first?
#
# A film answers questions, too. Take two neighbouring frames in a random order. *Which came first?* (Misra et al. 2016;
# Boracchi 2025.) Here is a sorting line that our own code draws: things lie on a belt that moves to the right. The label
# is the clock of the camera. **Predict:** how often is a network right on new films, and what will it have looked at?

# %% slideshow={"slide_type": "skip"}
film = line(2, seed=0)
frames = as_float(film.images[:3])
empty = as_float(film.images[film.labels == 2][:3])

# %% slideshow={"slide_type": "-"}
alt = (
    "Two rows of three frames. Above, things on a ribbed belt that move a little to the right from frame to frame. Below, "
    "the empty belt"
)
figures.images(
    torch.cat([frames, empty]),
    columns=3,
    alt=alt,
    caption="Three frames that follow each other, and three of the empty belt.",
)

# %% slideshow={"slide_type": "fragment"}
order = cite("frame_order-line")
answer(
    f"On new films it is right for {100 * order['first']:.0f} % of the pairs. On the empty belt, where no thing moves, the "
    f"same network is right for {100 * order['belt']:.0f} %."
)

# %% slideshow={"slide_type": "skip"}
figures.code(frame_order.neighbours, frame_order.shuffled, frame_order.Places)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The probe of this task: take the things away. Whoever is still right did not look at them. In our drawing every film begins with the same phase of the ribs, which a real belt would not do."}
# ### The probe
#
# Take away what should count, and see whether the network is still right. On the empty belt there are the ribs, which
# move as well, and in our drawing they begin at the same place in every film: a clock in the background. A network that
# sees the things alone, on gray, has no clock.

# %% slideshow={"slide_type": "-"}
figures.bars(
    {
        "films, things and belt": 100 * order["first"],
        "the same network, empty belt": 100 * order["belt"],
        "another network, things alone": 100 * order["things"],
    },
    xlabel="which frame came first, right (%), guessing: 50",
    digits=0,
    caption="Which of two neighbouring frames came first, in films not trained on.",
    note=order,
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The common pattern: hide a part of the data, and predict it from the rest. Ask for the shortcut of each task; a longer word list makes a nice homework."}
# ### More relatives
#
# All these tasks **hide something that is known and ask for it**: the place of a patch, the order of tiles or frames.
# Language models are trained in the same way. A sentence is copied, some of its words are masked, and a network says which
# words they were: *the cat sat on the* ▢. To know it, one has to know what sentences are about, and the label costs nothing
# (BERT masks 15 % of the words; Devlin et al. 2019). There, too, one looks for shortcuts: if masked words were always
# replaced by the same sign, the network would learn to expect that sign, which no real sentence has; so some of them are
# replaced by random words, or left as they are. Hiding a part of a *picture* is the subject of lecture
# *generative_pretexts*.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Read the rows from left to right: where is the maximum? What separates us from these numbers is the size of the network and of the training."}
# ## At the size of the papers
#
# AlexNet, trained on ImageNet without its labels, then a linear layer with labels on each of its five blocks:

# %% slideshow={"slide_type": "-"}
blocks = ("conv1", "conv2", "conv3", "conv4", "conv5")
published = {
    "all labels": (19.3, 36.3, 44.2, 48.3, 50.5),
    "random weights": (11.6, 17.1, 16.9, 16.3, 14.1),
    "two patches (Doersch et al. 2015)": (16.2, 23.3, 30.2, 31.7, 29.6),
    "jigsaw (Noroozi, Favaro 2016)": (18.2, 28.8, 34.0, 33.9, 27.1),
    "four turns (Gidaris et al. 2018)": (18.8, 31.7, 38.7, 38.2, 36.5),
}
figures.table(
    {
        name: {block: Paper(value) for block, value in zip(blocks, values, strict=True)}
        for name, values in published.items()
    },
    digits=1,
    caption="ImageNet, named rightly (%), from the features of each block, as collected by Gidaris et al. 2018.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "For reference."}
# ### The letters of this lecture
#
# | letter | is |
# |---|---|
# | $x_1$, $x_2$; $x_1, \dots, x_9$ | two patches of a picture; the nine tiles of a puzzle |
# | $f$, $F_p$ | the tower, which sees one patch; the probability that the classifier gives to the answer $p$ |
# | $p$, $P$ | the answer (a place or the number of an order), and how many orders there are |
# | $s_p(k)$ | which tile lies in place $k$ of the $p$-th order |
# | $g$, $d$ | the gap between patches, the distance of two pixels |
# | $\sigma$, $\rho(d)$ | the width of the blur, the correlation of pixels at distance $d$ |
# | $c$; $a$, $B$ | the colour of a pixel; the axis from magenta to green, the projection that removes it |
# | $\mathcal L$ | the loss |

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - Where a patch lies and in which order tiles were: questions that a picture answers by itself, so labels cost nothing.
# - A network takes whatever answers the question. Edges that go on, brightness, and the colours of a lens are shortcuts,
#   and each needs its guard.
# - The probe: train on pictures of nothing. What is learnt there is a shortcut. It works for every pretext task.
# - A gap has to be wide enough for the correlation $\rho(g + 1)$ to vanish. A guard removes what it was made for: normalising
#   removes the mean and not the slope, projection removes one axis of colour.
# - Orders of a puzzle should differ in many places. Algebra gives the largest sets, with proof; a search finds smaller ones.
# - Judge features by a probe, beside those of a random network.

# %% slideshow={"slide_type": "slide", "minutes": 2, "notes": "Let everyone answer alone first."}
Quiz.parse("""
A network places patches with a loss close to zero. What do you know about its features?
- [x] little, before you have trained one on pictures of nothing
- [ ] they contain what things look like | A shortcut gives a low loss, too, and needs no look
  at the content.
- [ ] they contain the edges of the patches | They may. A gap would have removed these, and the
  loss does not say which cue was used.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
Two patches are exchanged. Their place was p = 2 (above right). Now it is …
- [x] 5
- [ ] 2 | The second is now where the first was: below left of it.
- [ ] 6 | That is 8 − p. Places run from 0 to 7, so the opposite one is 7 − p.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
Why does a tower of the jigsaw network see one tile at a time?
- [x] so that it has to say what is on a tile, and cannot compare edges
- [ ] because nine tiles would not fit into one network | They would, as nine channels or as one
  picture. The first layers would then compare the edges of neighbours.
- [ ] so that the nine tiles can have different weights | All nine have the same weights.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 2}
Quiz.parse("""
A set of orders has two that differ in two places only. When is this a problem?
- [x] when those two tiles look alike
- [ ] always: the network cannot distinguish them | It can, if the two tiles look different.
- [ ] never: the labels are different | Where the two tiles look alike, the puzzles do as well,
  and the labels are noise.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/06_context.ipynb): a guard that also removes the
# slope of a tile, the neighbours that an order keeps, and places in a larger neighbourhood. Each is checked at once, and the
# message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Give `Patches` a jitter of 0 and of 4 with the same gap, and train on photographs. Which loss is lower?
# 2. Train the nine-order network of the game with `permutations.greedy(9, by="mean")`. Which puzzles does it confuse?
# 3. Put a small square into the corner of each picture of nothing, at a fixed place. Which task finds it, and which
#    guard would remove it?
#
# ## Further reading
#
# - C. Doersch, A. Gupta, A. Efros: *Unsupervised Visual Representation Learning by Context Prediction*, ICCV 2015. Two
#   patches; section 3.1 on trivial solutions.
# - M. Noroozi, P. Favaro: *Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles*, ECCV 2016.
# - P. Frankl, M. Deza: *On the Maximum Number of Permutations with Given Maximal or Minimal Distance*, Journal of
#   Combinatorial Theory A 22 (1977). The bounds.
# - I. Misra, C. L. Zitnick, M. Hebert: *Shuffle and Learn: Unsupervised Learning Using Temporal Order Verification*,
#   ECCV 2016.
# - J. Devlin, M.-W. Chang, K. Lee, K. Toutanova: *BERT: Pre-training of Deep Bidirectional Transformers for Language
#   Understanding*, NAACL 2019. Masked words.
# - G. Boracchi: *Departing From Supervised Learning*, PhD course, Politecnico di Milano, 2025. Auxiliary tasks, and how
#   to avoid learning shortcuts.
