# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Ask for hands before the picture: one of the two was trained on hundreds of thousands of patches, the other was not trained at all. Then let them look for blotches inside single bricks."}
# ## A network that sees only near pixels
#
# A brick wall in strong noise, $\sigma = 50/255$. We denoise it with a DnCNN that was trained for exactly this
# noise, and with BM3D, a filter without training. **Predict:** which of the two has the higher PSNR?

# %% slideshow={"slide_type": "skip"}
import torch
from IPython.display import display
from torch.nn import functional as F

from course_lib import data, figures, zoo
from course_lib.claims.answers import answer
from course_lib.claims.cite import cite
from course_lib.claims.nn3d import TABLE
from course_lib.data.images import to_float
from course_lib.denoise import grouping, nn3d
from course_lib.denoise.bm3d import BM3D
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoise.ffdnet import FFDNet
from course_lib.denoise.nn3d import NN3D, Bank, Scaled, filter_groups, shrink_along, similar
from course_lib.noise import Gaussian
from course_lib.profiles import choose
from course_lib.quality import psnr
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

# %% slideshow={"slide_type": "skip"}
sigma = 50 / 255  # images lie in [0, 1]
side = choose(smoke=96, lecture=192, full=192)
corners = {"brick": (100, 120), "camera": (60, 140), "chelsea": (60, 120)}
photographs = {
    name: to_float(picture)[..., top : top + side, left : left + side]
    for name, picture in data.photographs("test").items()
    for top, left in [corners[name]]
}
noisy = {
    name: Gaussian(sigma)(y, generator=generator(0, "lecture 13", name))
    for name, y in photographs.items()
}
y, z = photographs["brick"], noisy["brick"]

# %% slideshow={"slide_type": "skip"}
networks = {level: zoo.load(DnCNN, f"dncnn-s{level}-w32") for level in (25, 50)}
local = networks[50]  # trained for this noise
with torch.inference_mode():
    first = local(z)
nonlocal_first = BM3D()(z, sigma=sigma)
scores = {
    "DnCNN": psnr(first, y).item(),
    "BM3D": psnr(nonlocal_first, y).item(),
}

# %% slideshow={"slide_type": "fragment"}
alt = (
    "A part of a brick wall three times: with strong noise, after DnCNN with blotches all over the bricks, and after "
    "BM3D with evener bricks"
)
caption = "A part of a test photograph. DnCNN: nine layers of 32 channels, trained beforehand for σ = 50/255."
figures.images(
    {"noisy": z, "DnCNN": first, "BM3D": nonlocal_first},
    reference=y,
    columns=3,
    zoom=(40, 40, 48),
    alt=alt,
    caption=caption,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"On this wall it is the filter: BM3D reaches {scores['BM3D']:.1f} dB, the network {scores['DnCNN']:.1f} dB.",
    holds=scores["BM3D"] > scores["DnCNN"] + 1,
    otherwise=f"Here BM3D reaches {scores['BM3D']:.1f} dB and the network {scores['DnCNN']:.1f} dB.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Have them predict both answers before the cell is shown. The network's answer follows from arithmetic: nine layers, one pixel to each side. Then the table: the difference is one of kind and not of size."}
# ## Near is not alike
#
# The same brick stands a few pixels further on, with *other* noise. But nine convolutions of $3 \times 3$ see only
# $19 \times 19$ pixels. Let us paint all pixels gray that are further away, and estimate the middle one again:

# %% slideshow={"slide_type": "skip"}
middle_pixel = (..., 48, 48)
reach = local.receptive_field // 2
seen = (..., slice(48 - reach, 49 + reach), slice(48 - reach, 49 + reach))
blind = torch.full_like(z, 0.5)
blind[seen] = z[seen]


def changes(method):
    """How much the estimate of the middle pixel changes when all far pixels are gray."""
    with torch.inference_mode():
        return (method(blind, sigma=sigma) - method(z, sigma=sigma))[middle_pixel].abs()


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
print("pixels that the network sees:", local.receptive_field, "x", local.receptive_field)
print("the network's estimate changes:", changes(local).item() > 1e-5)
print("BM3D's estimate changes:", changes(BM3D()).item() > 1e-5)

# %% [markdown] slideshow={"slide_type": "-"}
# | | a pixel $r$ counts for the estimate at $p$ | with the weight |
# |---|---|---|
# | convolution, mean filter | if it is near | $h(r - p)$, by **where** it is |
# | non-local means | if its patch looks like that of $p$ | a function of the distance $d(p, r)$ of the patches |
# | BM3D, NN3D | if its patch is in the group of $p$ | what the group has in common |

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "The fourth curve is the control: the same pixels in another order. Without it the plot says nothing. Many expect the wall to win."}
# ### Experiment: how alike are images to themselves?
#
# What makes non-local filters work is a property of images, **self-similarity**: for a patch of a natural image there are
# many patches elsewhere that look like it. In a wall this is easy to see. Is it true of a cat?
#
# We take patches of $10 \times 10$ pixels, look for those most like each of them within 19 pixels to each side, and
# measure the distance of the $n$-th nearest as a share of the mean distance of two patches of the image. A control: the
# wall with its pixels in random order. **Predict:** which of wall, camera and cat has the smallest share at $n = 64$?


# %% slideshow={"slide_type": "skip"}
neighbours = (1, 2, 4, 8, 16, 32, 64)


def nearest(picture):
    """Mean distance of the 1st, 2nd, 4th, ... neighbour, relative to that of any two patches."""
    found = grouping.search(picture, patch=10, window=39, stride=5, count=65).distance[0]
    table = grouping.patches(picture, patch=10)[0, 0]
    any_two = 2 * (table - table.mean(dim=0)).square().mean()
    return [(found[:, n].mean() / any_two).item() for n in neighbours]


order = torch.randperm(y.numel(), generator=generator(0, "control"))
shuffled = y.flatten()[order].reshape(y.shape)
shares = {
    "wall": nearest(y),
    "camera": nearest(photographs["camera"]),
    "cat": nearest(photographs["chelsea"]),
    "wall, pixels in random order": nearest(shuffled),
}
last = {name: curve[-1] for name, curve in shares.items()}

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The camera's picture is half sky and coat: flat patches are alike. The nearest neighbours overlap the patch itself. The control is below 1, since the nearest of 1500 patches is nearer than a random one."}
caption = (
    "Clean photographs. At 1 a neighbour is as different as any other patch. The control lies below 1, since the nearest "
    "of many random patches are nearer than the mean."
)
figures.lines(
    neighbours,
    shares,
    xlabel="n, number of the neighbour",
    ylabel="distance, relative to any two",
    log="x",
    caption=caption,
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"The camera, with {last['camera']:.2f}; the cat has {last['cat']:.2f}, the wall {last['wall']:.2f} and the "
    f"control {last['wall, pixels in random order']:.2f}.",
    holds=last["camera"]
    < last["cat"]
    < last["wall"]
    < 0.5 * last["wall, pixels in random order"],
    otherwise=f"Here the shares are {', '.join(f'{value:.2f} ({name})' for name, value in last.items())}.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Even in the cat the 64th neighbour is far more like a patch than chance would give. Much of this is simple: sky beside
# sky, fur beside fur, and the nearest neighbours overlap the patch itself. For a filter this is enough.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Derive the mean at the board: expand the square of (clean difference + noise difference); the mixed term has mean zero. Then ask which patches come first when many have the same clean distance."}
# ## Block matching
#
# The distance of the patches at $p$ and at $r$, of $P$ pixels each, is
#
# $$d(p, r) = \frac1P \sum_{x} \bigl(z(p + x) - z(r + x)\bigr)^2 .$$
#
# We can compute it only in a noisy image. Where both patches show exactly the same, they still differ by two independent
# noises, with variance $2\sigma^2$ at each pixel. So, for patches that do not overlap,
#
# $$\mathbb E\, d = d_{\text{clean}} + 2\sigma^2 .$$
#
# This mean is the same for all $r$ and keeps their order. But each distance varies around it, and the patches that come
# first are those whose *noise* looks like that at $p$. Averaging them averages equal noise. Hence NN3D removes the noise
# by a network **first**, and **then** searches.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The variance says how large a patch has to be. Ask: what changes with patches of 5 x 5?"}
# ### How far does noise shuffle the order?
#
# Where $d_{\text{clean}} \approx 0$, the distance has the variance $\text{Var}\, d \approx 8 \sigma^4 / P$. With $P = 100$
# its standard deviation is $2\sigma^2 \sqrt{2/P}$, a seventh of $2\sigma^2$. The order of patches whose clean distances
# differ by less than that is random.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
pure = torch.randn(2, 40_000, 100, generator=generator(0, "two patches")).double()
d = (sigma * (pure[0] - pure[1])).square().mean(dim=1)  # two equal patches, 40 000 times
mean, deviation = 2 * sigma**2, 2 * sigma**2 * (2 / 100) ** 0.5
print("mean within 1 %:", abs(d.mean().item() / mean - 1) < 0.01)
print("standard deviation within 2 %:", abs(d.std().item() / deviation - 1) < 0.02)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "The table of all pairs has (number of patches) squared entries: ask how many for a whole photograph. Hence the window and the references on a grid."}
# ### The search in code
#
# In a small image each patch can be compared with each other one. In a large one this takes too long: the library takes a
# reference every 5 pixels, and compares it with the patches in a window of $39 \times 39$ places around it.


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
def search_everywhere(image, patch, count):
    """For each patch of a small image the numbers of the patches most like it."""
    table = F.unfold(image, patch)[0].T  # a row of P pixels for each place
    difference = table[:, None] - table  # each patch and each other one
    d = difference.square().mean(dim=2)
    return d.argsort(dim=1)[:, :count]  # the patch itself comes first: d = 0


small = first[..., 20:44, 20:44].double()  # here one window holds all patches
found = similar(small, patch=10, count=32, window=39, stride=1)[0]
print("as the library's:", torch.equal(search_everywhere(small, 10, 32), found))

# %% slideshow={"slide_type": "skip"}
figures.code(similar, grouping.search)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Let them find: a patch on a mortar joint; a patch of plain brick; one at the edge of the coat. Switch between noisy, denoised and clean at each, and compare the enlarged patches."}
# ## Play: choose a patch, see its group
#
# Move the orange patch; the 31 others that were found are blue. Beside it is the group in the *clean* photograph: a
# good group shows the same everywhere. Then change the image in which the search looks.

# %% slideshow={"slide_type": "skip"}
stops = choose(smoke=(19, 66), lecture=(19, 55, 91, 127, 163), full=(19, 55, 91, 127, 163))
searched = {}
for name in ("brick", "camera"):
    with torch.inference_mode():
        denoised = local(noisy[name])
    searched[name, "noisy"] = noisy[name]
    searched[name, "denoised"] = denoised
    searched[name, "clean"] = photographs[name]


def group_of(photograph, where, down, right):
    """Corners of the patches most like the one at a place, nearest first."""
    image = searched[photograph, where][..., down - 19 : down + 29, right - 19 : right + 29]
    nine = similar(image, patch=10, count=32, window=39, stride=19)  # 3 x 3 references
    return [(down - 19 + int(p) // 39, right - 19 + int(p) % 39) for p in nine[0, 4]]


# %% slideshow={"slide_type": "-"}
def outlined(picture, corners):
    """The picture in colour: an orange square around the first patch, a blue veil over the others."""
    blue = torch.tensor([0.0, 0.55, 1.0])[:, None, None]
    veil = torch.zeros(1, *picture.shape[-2:])
    for top, left in corners[1:]:
        veil[:, top : top + 10, left : left + 10] += 0.15
    veil.clamp_(max=0.6)
    shown = picture[0].clamp(0, 1) * (1 - veil) + blue * veil
    top, left = corners[0]
    return figures.framed(shown, top=top, left=left, size=10, colour=(1.0, 0.55, 0.0))


def sheet(picture, corners):
    """The patches of a group side by side, three times as large, the reference first."""
    cells = torch.ones(36, 32, 32)
    for cell, (top, left) in zip(cells, corners, strict=False):
        patch = picture[0, 0, top : top + 10, left : left + 10].clamp(0, 1)
        cell[:30, :30] = patch.repeat_interleave(3, 0).repeat_interleave(3, 1)
    return cells.reshape(6, 6, 32, 32).permute(0, 2, 1, 3).reshape(1, 192, 192)


def group_shown(photograph, where, down, right):
    corners = group_of(photograph, where, down, right)
    return {
        f"searched: {where}": outlined(searched[photograph, where], corners),
        "its group, in the clean photograph": sheet(photographs[photograph], corners),
    }


def closeness(photograph, where, down, right):
    clean = photographs[photograph][0, 0]
    corners = group_of(photograph, where, down, right)
    group = torch.stack([clean[t : t + 10, c : c + 10] for t, c in corners])
    apart = 255 * (group[1:] - group[0]).square().mean().sqrt().item()
    return f"In the clean photograph the members differ from the reference by {apart:.0f} gray levels of 255."


def group_alt(photograph, where, down, right):
    return (
        f"The {where} photograph {photograph} with an orange square at row {down} and column {right} and blue "
        "where the patches like it were found, and beside it these patches enlarged"
    )


caption = (
    "Groups of 32 patches of 10 × 10 pixels. Try a joint between bricks, a plain brick, the sky, the coat. Pictures are "
    "compressed."
)
Player(
    render=group_shown,
    axes=(
        Axis("photograph", ("brick", "camera"), "Photograph"),
        Axis(
            "where",
            ("noisy", "denoised", "clean"),
            "The search looks at the image that is",
            start=1,
        ),
        Axis("down", stops, "Patch, from above (pixels)", start=1),
        Axis("right", stops, "Patch, from the left (pixels)", start=1),
    ),
    alt=group_alt,
    note=closeness,
    caption=caption,
    encoding="webp",
    quality=75,
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The control first: random groups. If they gained as much as the others, likeness would not be the reason for the gain. Groups from the clean image cannot be had in practice."}
# ### Experiment: where to look
#
# The same filter, to which we come in a moment, acts on the same estimate of the network; only the groups differ. They are
#
# - drawn at random from the window, as a control,
# - found in the noisy image,
# - found in the denoised image, as NN3D does,
# - found in the clean image, which is not possible in practice.
#
# **Predict:** in which order do these four gain on the wall, from the smallest gain to the largest?

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The control first: random groups gain least, so likeness counts. On a smooth picture they gain too, since near patches of a smooth place are alike without any search."}
parts = cite("nn3d-parts")
wheres = {
    "random groups": "chance",
    "groups from the noisy image": "noisy",
    "groups from the denoised image": "denoised",
    "groups from the clean image": "clean",
}
three = {"wall": "brick", "camera": "camera", "cat": "chelsea"}
figures.bars(
    parts.rows(three, wheres, "{}_groups_{}"),
    xlabel="gain over DnCNN (dB)",
    base=-0.1,
    caption="One pass of the filter over DnCNN's estimate at σ = 50/255, mean over the trainings.",
    note=parts.about("nn3d-likeness", "nn3d-better-when-denoised"),
)

# %% slideshow={"slide_type": "fragment"}
answer(
    "On the wall the gain is "
    + ", ".join(
        f"{gain:.2f} dB for {name}"
        for gain, name in sorted(
            (gain, name) for name, gain in parts.row(wheres, "brick_groups_{}").items()
        )
    )
    + "."
)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "We had written a claim that the denoised image wins on all three photographs. It fails, and the note says so. Ask for reasons before the last paragraph; ours is a guess."}
figures.table(
    parts.rows(wheres, three, "{1}_agree_{0}", times=100),
    digits=0,
    caption="Members in common with the groups of the clean image, in per cent.",
    note=parts.about("nn3d-found-when-denoised", "nn3d-better-when-denoised"),
)

# %% slideshow={"slide_type": "fragment"}
display(
    answer(
        parts.compare("chelsea_groups_denoised", "chelsea_groups_noisy").sentence(
            "on the cat, the search in the denoised image",
            "that in the noisy one",
            what="gain",
            unit="dB",
        )
    )
)
answer(
    parts.compare("brick_groups_denoised", "brick_groups_noisy").sentence(
        "on the wall, the search in the denoised image",
        "that in the noisy one",
        what="gain",
        unit="dB",
    )
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The search in the denoised image finds far more of the right members, and we had expected that the filter gains by it
# everywhere. It does not. Perhaps the search in the noisy image prefers patches with the same *noise*, and that in the
# denoised one patches with the same *mistakes* of the network, which the filter then keeps.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Write the values 3, 1, 1, 1 at the board and let them do the Haar transform by hand: mean times two, difference of the halves, differences of the pairs. The next cell of the notebook has the numbers."}
# ## The group-wise Haar filter
#
# Stack the $K$ patches of a group. At one pixel of the patches there are now $K$ values $g = (g_1, \dots, g_K)$, which
# should be the same but for noise, for mistakes of the network, and for true differences. NN3D transforms them **along
# the group**, by an orthonormal Haar matrix $T$:
#
# $$q = T g, \qquad \Gamma(q) = \frac{q^2}{q^2 + \tau^2}\, q, \qquad \hat g = T^\top \Gamma(q) .$$
#
# The first coefficient is $\sqrt K$ times the mean of the group: what all share. The others are differences, coarse ones
# first. Where does $\Gamma$ come from? For a coefficient with signal of power $c^2$ and noise of power $\tau^2$, the factor with
# the smallest mean squared error is Wiener's, $c^2/(c^2 + \tau^2)$. We do not know $c$, so we take $q$ for it.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
# Four patches of one pixel each, three alike and one not, with tau = 1
g = torch.tensor([3.0, 1.0, 1.0, 1.0], dtype=torch.float64)
q = grouping.haar(4) @ g
kept = q**2 / (q**2 + 1)
g_hat, _ = shrink_along(g.reshape(4, 1, 1), tau=1.0)
print("coefficients:", [round(value, 3) for value in q.tolist()])
print("what is kept of each:", [round(value, 3) for value in kept.tolist()])
print("the group again:", [round(value, 3) for value in g_hat.flatten().tolist()])
print(
    "energy before and after the transform:",
    round((g @ g).item(), 3),
    round((q @ q).item(), 3),
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Two patches are the smallest group: their sum and their difference. Ask what remains of a difference much smaller than tau, and of one much larger. The exercise is the group of 4, 8, 16."}
# ### The filter in code, for a group of two
#
# A group of two patches has two coefficients at each pixel: their sum and their difference, each divided by $\sqrt2$, so
# that noise of level $\sigma$ has the level $\sigma$ again. A larger group splits its sums in the same way, again and again.


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
def filter_pair(one, other, tau):
    """Filter a group of two patches: what they share stays, what differs a little goes."""
    q_sum, q_difference = (one + other) / 2**0.5, (one - other) / 2**0.5
    q_sum = q_sum**3 / (q_sum**2 + tau**2)
    q_difference = q_difference**3 / (q_difference**2 + tau**2)
    return (q_sum + q_difference) / 2**0.5, (q_sum - q_difference) / 2**0.5


one, other = first[0, 0, :10, :10].double(), first[0, 0, :10, 1:11].double()
ours = torch.stack(filter_pair(one, other, tau=sigma / 4))  # (2, 10, 10)
library, _ = shrink_along(torch.stack([one, other]), tau=sigma / 4)
print("as the library's:", (ours - library).abs().max().item() < 1e-6)

# %% slideshow={"slide_type": "skip"}
figures.code(shrink_along)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Ask which curve is flat before the figure is shown, and why. BM3D needs a transform of the patch as well, since its patches are noisy; here the network has done that part."}
# ### What is shared, and what is not
#
# BM3D transforms the patches too, by cosines or wavelets, to separate their structure from noise. Here the network has done
# that. Its mistakes remain. How strong are the Haar coefficients of the clean patches, and of the mistakes?

# %% slideshow={"slide_type": "skip"}
matches = similar(first, patch=10, count=32, window=39, stride=5)
along = grouping.haar(32)


def strength(picture):
    """Typical size of each Haar coefficient of the groups, (32,)."""
    stacks = grouping.group(grouping.patches(picture, patch=10)[0, 0], matches[0])
    q = torch.einsum("ij,jrd->ird", along.to(stacks), stacks)  # (32, groups, 100)
    return q.abs().flatten(1).median(dim=1).values


coefficients = {
    "clean patches": strength(y),
    "the network's mistakes": strength(first - y),
    "τ of the first iteration": [sigma / 4] * 32,
}

# %% slideshow={"slide_type": "-"}
caption = (
    "Groups of 32 patches of the wall. The first coefficient is the mean; coarse differences come next, and differences of "
    "two patches fill the right half."
)
figures.lines(
    range(1, 33),
    coefficients,
    xlabel="Haar coefficient along the group",
    ylabel="typical size (median)",
    log="y",
    caption=caption,
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# What clean patches share is nearly all in the first coefficient, far above $\tau$: it stays. So does what the mistakes
# share. Most of what lies below $\tau$ is removed: mistakes that differ, and true differences. This is the filter's price.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Each pixel lies in many patches of many groups. Draw two overlapping groups. The weight is the inverse of the noise that is left in a group."}
# ### Overlapping groups
#
# Each pixel is now in many filtered patches, of many groups. They are averaged, with a weight for each group,
#
# $$w = 1 \Big/ \sum \Bigl(\frac{q^2}{q^2 + \tau^2}\Bigr)^2 \quad\text{over its coefficients } q,$$
#
# the inverse of the noise that is left in it: a group of which few coefficients remain agrees well, and counts more.


# %% slideshow={"slide_type": "-"}
def average_groups(image, groups, tau):
    """Filter all groups of one image, and average their patches where they overlap."""
    table = F.unfold(image, 10)[0].T  # a row for each place
    total, weight = torch.zeros_like(table), torch.zeros_like(table)
    for places in groups[0]:  # of the K patches of a group
        filtered, w = shrink_along(table[places][:, None], tau=tau)
        total[places] += w * filtered[:, 0]
        weight[places] += w
    size = image.shape[-2:]
    return F.fold(total.T[None], size, 10) / F.fold(weight.T[None], size, 10)


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
small = first[..., :60, :60].double()
groups = similar(small, patch=10, count=32, window=39, stride=5)
library = filter_groups(small, groups, patch=10, tau=sigma / 4)
apart = (average_groups(small, groups, sigma / 4) - library).abs().max().item()
print("as the library's:", apart < 1e-6)

# %% slideshow={"slide_type": "skip"}
figures.code(filter_groups)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Draw it as a loop with three boxes: mix, network, groups. The network can be exchanged; so can the filter. Ask what would be lost without the mixture."}
# ## NN3D: network and filter take turns
#
# Network and filter each do what the other cannot. NN3D (Cruz, Foi, Katkovnik, Egiazarian 2018) alternates them. With
# $\hat y_0 = 0$, for $k = 1, 2, \dots$:
#
# $$\bar z_k = \lambda_k z + (1 - \lambda_k)\, \hat y_{k-1}, \qquad
# \tilde y_k = D(\bar z_k;\, \lambda_k \sigma), \qquad
# \hat y_k = F(\tilde y_k;\, \tau_k), \qquad \lambda_k = \frac1k, \quad \tau_k = \frac{\lambda_k \sigma}{4} .$$
#
# $D(\cdot\,; s)$ is any denoiser that is given the noise level $s$, $F(\cdot\,; \tau)$ the group filter. Its groups are found
# once, in $\tilde y_1$. The paper stops after $k = 2$.
#
# Why does a share $\lambda_k$ of the noisy image come back? Details that the network has removed by mistake are lost in
# $\hat y_1$, but they are still in $z$. The mixture has the noise $\lambda_k \eta$, of level $\lambda_k \sigma$, on an image that is half
# restored: an easier problem, in which the details can be found again.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "Compare each line with a term of the formula. The exercise asks for the loop with any number of iterations, around another network and another filter."}
# ### Two iterations in code
#
# A DnCNN works at the level that it was trained for, so there is a *bank* of two: one for 50, and one for 25.


# %% slideshow={"slide_type": "-"}
def nn3d_twice(z, sigma, D):
    """The paper's two iterations: λ is 1 and then 1/2, so τ is σ/4 and then σ/8."""
    first = D(z, sigma=sigma)
    groups = similar(first, patch=10, count=32, window=39, stride=5)
    y_hat = filter_groups(first, groups, patch=10, tau=sigma / 4)
    mixed = z / 2 + y_hat / 2  # half of the noise comes back, and of the details
    second = D(mixed, sigma=sigma / 2)
    return filter_groups(second, groups, patch=10, tau=sigma / 8)


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
bank = Bank({50 / 255: networks[50], 25 / 255: networks[25]})
with torch.no_grad():
    apart = nn3d_twice(z, sigma, bank) - NN3D(bank)(z, sigma=sigma)
print("as the library's:", apart.abs().max().item() < 1e-6)

# %% slideshow={"slide_type": "skip"}
figures.code(NN3D.rounds, Bank)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "FFDNet takes any level as an input, so it needs no bank. A bank scales the image to the nearest level that one of its networks knows; the slides on scaling say how."}
# ### More iterations
#
# FFDNet takes any level as an input. The bank asks the network whose level is nearest, and scales the image to it. In
# later iterations the share of the noisy image falls, and with it the level that the network is given:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
for k in (1, 2, 3, 4):
    share, tau = nn3d.schedule(k, sigma=48)
    print(
        f"iteration {k}: lambda = {share:.3f}, level of the network {48 * share:.0f}, tau = {tau:.0f}"
    )

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Read the scores from left to right. The mixed image has a lower score than the estimate in it; that is intended, since details come back with the noise."}
# ### Step by step

# %% slideshow={"slide_type": "skip"}
rounds = NN3D(bank).rounds(z, sigma=sigma)
mistakes, taken = rounds[0].denoised - y, rounds[0].denoised - rounds[0].estimate
both = torch.stack([mistakes.flatten(), taken.flatten()])
agree = torch.corrcoef(both)[0, 1].item()
print(f"what the groups take away and the network's mistakes correlate by {agree:.2f}")

# %% slideshow={"slide_type": "-"}
alt = (
    "The brick wall after each step of two iterations: blotchy after the network, even after the groups, noisy again "
    "after mixing, and sharper after the second network and groups"
)
figures.images(
    {
        "1. network": rounds[0].denoised,
        "1. groups": rounds[0].estimate,
        "2. mixed": rounds[1].fed,
        "2. network": rounds[1].denoised,
        "2. groups": rounds[1].estimate,
        "clean": y,
    },
    reference=y,
    columns=3,
    alt=alt,
    caption="NN3D on the brick wall, step by step.",
)

# %% slideshow={"slide_type": "skip"}
alt = (
    "A part of the wall: the mistakes of the network, blotches and wavy outlines, beside what the groups took away, "
    "enlarged four times, which has blotches of the same sign at many of the same places"
)
figures.images(
    {
        "the network's mistakes": mistakes[..., 30:94, 30:94],
        "taken away by the groups, × 4": 4 * taken[..., 30:94, 30:94],
    },
    signed=("the network's mistakes", "taken away by the groups, × 4"),
    columns=2,
    alt=alt,
    caption="Where both have one colour, the groups took a mistake of the network away.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "Barbara is a woman in striped clothes, House a house with a brick front: the two pictures of Set12 that the field uses to show repetition. They are shown as numbers only. Collect guesses for the control before the table."}
# ## Experiment: what do the groups bring?
#
# Two pictures of Set12 repeat themselves most: *House*, and *Barbara* in her striped clothes. The wall is our third. A
# control runs the same two iterations **without** the filter. **Predict:** on the wall, how many decibels lie between NN3D
# and its control?

# %% slideshow={"slide_type": "-"}
gain = cite("nn3d-gain")
ways = {"DnCNN": "alone", "NN3D": "nn3d", "NN3D without groups": "ungrouped"}
figures.table(
    gain.rows(
        {"House": "house", "Barbara": "barbara", "brick wall": "brick"}, ways, "dncnn_{}_{}"
    ),
    caption="PSNR in dB at σ = 50/255, mean over the trainings. Around DnCNN, a bank of two networks.",
    note=gain.about("nn3d-improves", "nn3d-needs-groups", "nn3d-iterations-alone-dncnn"),
)

# %% slideshow={"slide_type": "fragment"}
answer(
    gain.compare("dncnn_brick_nn3d", "dncnn_brick_ungrouped").sentence(
        "on the wall, NN3D", "its control without groups", what="PSNR", unit="dB"
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The claim that the iterations alone bring less than 0.05 dB at every seed fails for both networks. Say so: it is the sort of surprise that a control is for."}
# ### The other network, and all of Set12

# %% slideshow={"slide_type": "-"}
rows = {
    f"{net}, {shown}": {
        "alone": gain[f"{key}_{name}_alone"],
        "gain": gain[f"{key}_{name}_nn3d"] - gain[f"{key}_{name}_alone"],
        "gain without groups": gain[f"{key}_{name}_ungrouped"]
        - gain[f"{key}_{name}_alone"],
    }
    for key, net in (("dncnn", "DnCNN"), ("ffdnet", "FFDNet"))
    for name, shown in (
        ("house", "House"),
        ("barbara", "Barbara"),
        ("brick", "wall"),
        ("set12_50", "Set12"),
    )
}
for key, net in (("dncnn", "DnCNN"), ("ffdnet", "FFDNet")):
    paper = gain.paper[f"{key}_set12_50_nn3d"] - gain.paper[f"{key}_set12_50_alone"]
    rows[f"{net}, Set12"]["gain in the paper"] = paper

# %% slideshow={"slide_type": "-"}
caption = (
    "PSNR in dB at σ = 50/255, mean over the trainings. The paper's networks are deeper and wider than ours, and were "
    "trained for hours."
)
figures.table(rows, paper=["gain in the paper"], caption=caption, note=gain)

# %% [markdown] slideshow={"slide_type": "fragment"}
# We had claimed that the iterations **without** groups gain less than 0.05 dB at every seed. This fails for both networks:
# see *Barbara* with DnCNN. A possible reason, not tested here: the bank's second network was trained separately, and two
# different estimates do not make the same mistakes.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Where is the gain largest? Urban100: facades. Where is there none? BSD68 with FFDNet: landscapes and animals."}
# ### The paper's table
#
# On Urban100, whose facades repeat, NN3D gains 0.12 to 0.47 dB. On BSD68, landscapes and animals, FFDNet within NN3D
# differs from FFDNet alone by 0.01 dB.

# %% slideshow={"slide_type": "-"}
names = ("BM3D", "DnCNN", "NN3D(DnCNN)", "FFDNet", "NN3D(FFDNet)", "WDnCNN", "NN3D(WDnCNN)")
figures.table(
    {
        f"{name}, σ = {level}": dict(zip(names, row, strict=True))
        for (name, level), row in TABLE.items()
    },
    columns=names,
    paper=names,
    caption="Published PSNR in dB: table I of Cruz, Foi, Katkovnik and Egiazarian (2018).",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Ask for the cost of a value that is too large: fine differences between patches are taken for noise. On the wall there are few."}
# ### How strong a filter?

# %% slideshow={"slide_type": "-"}
figures.lines(
    (16, 8, 4, 2),
    parts.lines(three, (16, 8, 4, 2), "{}_tau_{}"),
    xlabel="σ / τ, a strong filter at the left",
    ylabel="gain over DnCNN (dB)",
    log="x",
    caption="One pass with groups of 32, mean over the trainings. The paper's filter has σ / τ = 4.",
    note=parts.about("nn3d-likeness"),
)

# %% slideshow={"slide_type": "fragment"}
display(
    answer(
        parts.compare("brick_tau_2", "brick_tau_4").sentence(
            "on the wall, a filter twice as strong", "the paper's", what="gain", unit="dB"
        )
    )
)
answer(
    parts.compare("camera_tau_2", "camera_tau_4").sentence(
        "on the photograph camera, it", "the paper's", what="gain", unit="dB"
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "In later iterations the share of the noisy image falls, and the bank scales far from the levels that its networks were trained for. Which of the two makes the cat's curve fall is not tested."}
# ### How many iterations?

# %% slideshow={"slide_type": "-"}
figures.lines(
    (0, 1, 2, 3, 4),
    {
        shown: [0.0, *values]
        for shown, values in parts.lines(three, (1, 2, 3, 4), "{}_iteration_{}").items()
    },
    xlabel="iterations",
    ylabel="gain over DnCNN (dB)",
    caption="Whole iterations, mean over the trainings.",
    note=parts.about("nn3d-first-counts"),
)

# %% slideshow={"slide_type": "fragment"}
answer(
    parts.compare("chelsea_iteration_2", "chelsea_iteration_1").sentence(
        "on the cat, two iterations", "one", what="PSNR", unit="dB", verb="are"
    )
)

# %% [markdown] slideshow={"slide_type": "skip"}
# And how many patches in a group? With one patch nothing is shared: each pixel is shrunk by itself, which darkens what is
# dark. With more patches the curves rise, more and more slowly.

# %% slideshow={"slide_type": "skip"}
figures.lines(
    (1, 2, 4, 8, 16, 32),
    parts.lines(three, (1, 2, 4, 8, 16, 32), "{}_count_{}"),
    xlabel="patches in a group",
    ylabel="gain over DnCNN (dB)",
    log="x",
    caption="One pass of the filter, mean over the trainings.",
    note=parts.about("nn3d-likeness"),
)

# %% slideshow={"slide_type": "skip"}
flexible = zoo.load(FFDNet, "ffdnet-w48")
plugs = {"DnCNN": bank, "FFDNet": flexible, "BM3D": BM3D()}
most = choose(smoke=1, lecture=2, full=4)
cut = choose(smoke=64, lecture=128, full=192)
played = {
    (plug, name): NN3D(denoiser, iterations=most).rounds(
        image[..., :cut, :cut], sigma=sigma
    )
    for plug, denoiser in plugs.items()
    for name, image in noisy.items()
}

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "BM3D inside NN3D is a non-local filter around a non-local filter. Ask how much is left to gain."}
# ### Play: any denoiser can be put in


# %% slideshow={"slide_type": "-"}
def turns(plug, photograph, done):
    rounds = played[plug, photograph]
    estimate = rounds[done - 1].estimate if done else rounds[0].denoised
    clean = photographs[photograph][..., :cut, :cut]
    return figures.scored({"noisy": rounds[0].fed, "estimate": estimate}, reference=clean)


def turns_alt(plug, photograph, done):
    return f"The photograph {photograph} with strong noise, and the estimate of {plug} after {done} iterations"


Player(
    render=turns,
    axes=(
        Axis("plug", tuple(plugs), "Denoiser inside"),
        Axis("photograph", tuple(photographs), "Photograph"),
        Axis("done", tuple(range(most + 1)), "Iterations (0: the denoiser alone)"),
    ),
    alt=turns_alt,
    caption="How much does a filter gain that is already non-local?",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "This is a trick that fits on one line and saves a training. Ask what is wrong with it: the image gets darker and flatter, or brighter than white."}
# ## Scaling: a network for one level at another
#
# One row of the paper's table rests on a trick: its authors had a WDnCNN for $\sigma = 50$ and none for 75. So they
# scaled the noisy image, denoised it, and scaled back:
#
# $$a z = a y + a \eta, \qquad a = \frac{50}{75}, \qquad \hat y = \frac{D(a z;\, 50)}{a} .$$
#
# The scaled noise has the level $75\,a = 50$. In the table this WDnCNN has 25.64 dB on Set12, FFDNet, which was trained on levels
# up to 75, has 25.51.


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
def scale_there_and_back(D, z, sigma, known):
    """Use a network for one level at another."""
    a = known / sigma
    return D(a * z) / a


cat = photographs["chelsea"]
loud = Gaussian(75 / 255)(cat, generator=generator(0, "loud"))
scaled = Scaled(local, 50 / 255)
with torch.inference_mode():
    apart = scale_there_and_back(local, loud, 75, known=50) - scaled(loud, sigma=75 / 255)
print("as the library's:", apart.abs().max().item() < 1e-5)

# %% slideshow={"slide_type": "skip"}
figures.code(Scaled)

# %% slideshow={"slide_type": "skip"}
with torch.inference_mode():
    estimates = {
        "noisy, σ = 75": loud,
        "DnCNN for 50": local(loud),
        "DnCNN for 50, scaled": scaled(loud, sigma=75 / 255),
        "FFDNet, level 75": flexible(loud, sigma=75 / 255),
    }

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "The second and third pictures come from the same weights. Ask for the price before the next slide."}
# ### The same weights, twice

# %% slideshow={"slide_type": "-"}
alt = (
    "A cat under very strong noise, after a network for less noise, which leaves much of it, after the same network "
    "with scaling, which leaves little, and after FFDNet"
)
figures.images(
    estimates,
    reference=cat,
    columns=4,
    alt=alt,
    caption="One and the same network in the second and third picture.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# There is a price: $a y$ is a darker, flatter image than those that the network has learnt from, and where $a > 1$ it is
# brighter than white. **Predict:** at $\sigma = 75$, how many decibels does scaling bring the network for 50, and how far
# is it then from a network that was trained for 75?

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Downwards the price is larger: at 25 the image is made twice as bright. The fourth curve is the next slide's."}
scaling = cite("nn3d-scaling")
levels = (15, 25, 40, 50, 60, 75, 90)
ways = {
    "DnCNN for 50, as it is": "biased_plain",
    "DnCNN for 50, scaled": "biased_scaled",
    "DnCNN for this level": "own",
    "without biases, as it is": "free_plain",
}
figures.lines(
    levels,
    scaling.lines(ways, levels, "{}_at_{}"),
    xlabel="noise level σ of the image (of 255)",
    ylabel="PSNR (dB)",
    mark={"known": 50},
    caption="Test photographs, mean over the trainings.",
    note=scaling,
)

# %% slideshow={"slide_type": "fragment"}
display(
    answer(
        scaling.compare("biased_scaled_at_75", "biased_plain_at_75").sentence(
            "at 75, the network for 50 with scaling",
            "itself without",
            what="PSNR",
            unit="dB",
        )
    )
)
answer(
    scaling.compare("biased_scaled_at_75", "own_at_75").sentence(
        "at 75, the scaled network", "one trained for 75", what="PSNR", unit="dB"
    )
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Two lines of proof; lecture bias_free has the rest. Let them find which parts of a DnCNN break it: the shifts of the normalisation. The identity holds for any weights, so the network of the check is not trained at all."}
# ### Networks that need no scaling
#
# The last curve is a network **without biases**, trained at 50 only. It is not given the level, and its input is not
# scaled. A convolution without bias is linear, $h * (a v) = a\,(h * v)$, and $\max(0, a v) = a \max(0, v)$ for $a \ge 0$.
# A denoiser $D(z) = z - R(z)$ made of these is homogeneous:
#
# $$D(a z) = a\, D(z) \quad (a \ge 0) \qquad\Longrightarrow\qquad \frac{D(a z)}{a} = D(z) .$$
#
# Scaling there and back changes **nothing**: the networks of lecture *bias_free* have the trick built in. Biases tie a
# network to a level: they act as thresholds that do not grow with the noise.

# %% slideshow={"slide_type": "skip"}
free = DnCNN(depth=6, width=32, batch_norm=False, bias=False, seed=0).eval()  # not trained


def changed_by_scaling(network):
    """How much scaling by 50/75 changes an estimate, relative to the estimate."""
    with torch.inference_mode():
        plain = network(loud)
        there_and_back = Scaled(network, 50 / 255)(loud, sigma=75 / 255)
        return ((there_and_back - plain).norm() / plain.norm()).item()


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
print("scaling changes a network without biases:", changed_by_scaling(free) > 1e-4)
print("scaling changes the trained DnCNN:", changed_by_scaling(local) > 1e-2)
once = NN3D(free)(loud, sigma=75 / 255)
twice = NN3D(free)(2 * loud, sigma=150 / 255)
print(
    "NN3D around it is homogeneous:",
    ((twice - 2 * once).norm() / once.norm()).item() < 1e-4,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "A defect on a chip, a tumour in regular tissue, a missing tile: often the one thing that is different is what one looks for. Collect guesses before they see the pictures."}
# ## Break it
#
# Non-local filters take what looks nearly alike for equal. But quality control photographs equal parts to find the one
# that differs. Here are equal tiles with a faint scratch, and three methods: DnCNN, BM3D, and NN3D around BM3D with a
# filter twice as strong. **Predict:** which of them keeps the least of the scratch?

# %% slideshow={"slide_type": "skip"}
quiet = 25 / 255
tile = torch.rand(1, 1, 5, 5, generator=generator(13, "tile"))
tile = F.interpolate(tile, size=(16, 16), mode="bicubic").clamp(0, 1)
tiles = 0.35 + 0.3 * tile.tile(1, 1, side // 16, side // 16)
row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
line = ((row - column).abs() <= 4) & ((row + column - side).abs() < 42)
scratch = (0.06 * line)[None, None]
flawed = tiles + scratch
shot = Gaussian(quiet)(flawed, generator=generator(0, "flaw"))

# %% slideshow={"slide_type": "skip"}
methods = {
    "DnCNN": networks[25],
    "BM3D": BM3D(),
    "NN3D(BM3D), 2τ": NN3D(BM3D(), strength=0.5),
}
with torch.inference_mode():
    cleaned = {name: method(shot, sigma=quiet) for name, method in methods.items()}
left, score = {}, {}
for name, picture in cleaned.items():
    on_scratch = ((picture - tiles) * scratch).sum() / scratch.square().sum()
    left[name] = (
        100 * on_scratch.item()
    )  # how much of the scratch is in the estimate, in per cent
    score[name] = psnr(picture, flawed).item()
middle = (..., slice(side // 2 - 40, side // 2 + 40), slice(side // 2 - 40, side // 2 + 40))

# %% slideshow={"slide_type": "fragment"}
alt = (
    "The middle of a sheet of equal tiles with a faint diagonal scratch, and three estimates of it: that of DnCNN is "
    "uneven, those of BM3D and NN3D are even; the scratch is hard to see in all three and faintest in the last"
)
figures.images(
    {
        name: 2 * picture[middle] - 0.5
        for name, picture in {"clean": flawed, **cleaned}.items()
    },
    columns=4,
    alt=alt,
    caption="The middle of the clean sheet, and three estimates at σ = 25/255; the contrast is doubled.",
)

# %% slideshow={"slide_type": "fragment"}
answer(
    f"Here NN3D keeps {left['NN3D(BM3D), 2τ']:.0f} % of the scratch, BM3D {left['BM3D']:.0f} % and DnCNN "
    f"{left['DnCNN']:.0f} %; their PSNR has the opposite order, with {score['NN3D(BM3D), 2τ']:.1f}, "
    f"{score['BM3D']:.1f} and {score['DnCNN']:.1f} dB.",
    holds=list(left) == sorted(left, key=left.get, reverse=True)
    and list(score) == sorted(score, key=score.get),
    otherwise=f"Here the shares of the scratch are {', '.join(f'{part:.0f} % ({name})' for name, part in left.items())}.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "The probe needs z, the estimate and sigma. It is that of lecture denoising: look at what was removed. The new part is the scale: how large may a mean of noise be?"}
# ### The probe: what was removed?
#
# The scratch has a few hundred pixels among tens of thousands, so the score does not show it. The probe needs neither the
# clean sheet nor the scratch: $z - \hat y$ should be noise. Average it with weights $h$ over a small neighbourhood. Of pure
# noise $\sigma \lVert h \rVert$ is left, without structure. A line in it is a line that is missing in $\hat y$.


# %% slideshow={"slide_type": "skip"}
def removed_locally(picture):
    """Local mean of what was removed, in units of what pure noise would give."""
    bell = torch.exp(-(torch.arange(-8.0, 9.0) ** 2) / (2 * 2.5**2))
    h = torch.outer(bell, bell) / bell.sum() ** 2
    padded = F.pad(shot - picture, (8,) * 4, mode="reflect")
    return F.conv2d(padded, h[None, None]) / (quiet * h.norm())


# %% slideshow={"slide_type": "fragment"}
alt = (
    "Local means of what three methods removed in the middle of the sheet: for DnCNN a regular pattern in the rhythm of "
    "the tiles, for BM3D faint blotches, and for NN3D around BM3D stronger blotches with a diagonal row of one sign"
)
caption = (
    "Local means of z − ŷ in units of what the mean of pure noise would be. DnCNN took some of the tiles away, NN3D some of "
    "the scratch."
)
figures.images(
    {name: removed_locally(picture)[middle] for name, picture in cleaned.items()},
    signed=list(cleaned),
    columns=3,
    unit="of noise",
    alt=alt,
    caption=caption,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core", "notes": "Go round: one sentence each. The fifth point is on the slides on scaling."}
# ## What to remember
#
# - A convolution weighs pixels by place, a non-local filter by likeness. Images repeat, so there is something to find.
# - Noise adds $2\sigma^2$ to every distance and shuffles patches whose distances are close.
# - Along a group, what is shared is one large coefficient; most of what differs is small, and goes.
# - NN3D alternates network and groups, and lets a part of the noisy image come back. Its control shows that the groups
#   make most of the difference.
# - A network for one level works at another with scaling. A network without biases needs no scaling.
# - A non-local filter takes what occurs only once for noise. Look at $z - \hat y$ before you believe it.

# %% slideshow={"slide_type": "slide", "minutes": 1, "notes": "Let everyone answer alone first. Then ask for the variance of the difference of two noises."}
Quiz.parse("""
Two patches show exactly the same, each with its own noise of variance σ². Their mean
squared difference is about …
- [ ] 0 | The clean patches have distance 0, but the two noises differ: their variances add.
- [x] 2σ²
- [ ] σ² | That would be the distance of one noisy patch to its clean version. Here both are
  noisy.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "The group is equal, so every difference is zero. Ask what changes if one of the patches is another one."}
Quiz.parse("""
Thirty-two equal patches are transformed along the group by an orthonormal Haar matrix. What
all share is …
- [ ] spread over all coefficients | That is what happens to something that only one patch
  has.
- [ ] in the differences alone | Differences of equal values are zero.
- [x] in the first coefficient
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Level and strength of the filter both fall with 1/k."}
Quiz.parse("""
In the second iteration of NN3D the level passed to the network is …
- [x] σ / 2 | The mixture holds half of the noisy image, so half of its noise.
- [ ] σ | That was the first iteration. With twice the true level, the network would smooth
  too much.
- [ ] σ / 4 | That is the strength of the filter in the first iteration, τ₁.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1, "notes": "Write D(az)/a = D(z) at the board once more."}
Quiz.parse("""
A network without biases was trained at σ = 50. You scale an image with σ = 75 by 50/75
before it, and back after it. The estimate …
- [ ] gets cleaner, since the level is now right | That happens to a network with biases.
  D(az)/a = D(z) leaves nothing to improve.
- [x] is the same as it would be without scaling
- [ ] gets blurred, since the image is darker | Without biases a darker image is only a
  darker image: everything inside scales with it.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercises
#
# Three graded problems are in the [exercise notebook](../exercises/student/16_nonlocality.ipynb): the search for similar
# patches, the filter of a group, and the iterations around a network. Each is checked at once, and the message for a
# wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Find groups again in every iteration (`similar` of each $\tilde y_k$). Is it worth the time?
# 2. Scale around middle gray instead of black: $a (z - 1/2) + 1/2$. For which of the two directions does it help, and why?
# 3. Put WNNM's filter in the place of the Haar filter: groups of low rank instead of equal patches.
#
# ## Further reading
#
# - C. Cruz, A. Foi, V. Katkovnik, K. Egiazarian: *Nonlocality-Reinforced Convolutional Neural Networks for Image
#   Denoising*, IEEE Signal Processing Letters 25 (2018). Four pages; this lecture.
# - A. Buades, B. Coll, J.-M. Morel: *A Non-Local Algorithm for Image Denoising*, CVPR 2005. Where it began.
# - K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian: *Image Denoising by Sparse 3-D Transform-Domain Collaborative
#   Filtering*, IEEE Transactions on Image Processing 16 (2007). Groups, and what to do with them.
# - S. Mohan, Z. Kadkhodaie, E. Simoncelli, C. Fernandez-Granda: *Robust and Interpretable Blind Image Denoising via
#   Bias-Free Convolutional Neural Networks*, ICLR 2020. Homogeneity, and what follows from it.
