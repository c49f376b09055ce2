# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Ask first: one of the two was trained on hundreds of thousands of patches, the other is not trained at all. Which is better on a brick wall?"}
# ## A network that sees only near pixels
#
# A brick wall, photographed in the dark: $\sigma = 50/255$. We denoise it with two methods. One is a DnCNN that was trained
# for exactly this noise. The other is BM3D, a filter without training. **Before you run it:** which is better?

# %% slideshow={"slide_type": "-"}
import torch
from IPython.display import display
from torch.nn import functional as F

from course_lib import data, figures, zoo
from course_lib.claims.cite import cite
from course_lib.claims.nn3d import TABLE
from course_lib.data.images import to_float
from course_lib.denoise import dncnn, grouping, nn3d
from course_lib.denoise.bm3d import BM3D
from course_lib.denoise.dncnn import DnCNN
from course_lib.denoise.ffdnet import FFDNet
from course_lib.denoise.nn3d import NN3D, Bank, Scaled, filter_groups, shrink_along, similar
from course_lib.noise import Gaussian
from course_lib.profiles import Budget, choose
from course_lib.quality import psnr
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

sigma = 50 / 255  # images lie in [0, 1]
side = choose(smoke=96, lecture=192, full=192)
places = {"brick": (100, 120), "camera": (60, 140), "chelsea": (60, 120)}
photographs = {
    name: to_float(picture)[..., top : top + side, left : left + side]
    for name, picture in data.photographs("test").items()
    for top, left in [places[name]]
}
noisy = {
    name: Gaussian(sigma)(y, generator=generator(0, "lecture 13", name))
    for name, y in photographs.items()
}
y, z = photographs["brick"], noisy["brick"]
networks = {level: zoo.load(DnCNN, f"dncnn-s{level}-w32") for level in (25, 50)}
local = networks[50]  # trained for this noise

# %% slideshow={"slide_type": "subslide", "minutes": 2}
with torch.inference_mode():
    first = local(z)
figures.images(
    {"noisy": z, "DnCNN": first, "BM3D": BM3D()(z, sigma=sigma)},
    reference=y,
    columns=3,
    zoom=(40, 40, 48),
    alt="A part of a brick wall three times: with strong noise, after DnCNN with blotches all over the bricks, and after "
    "BM3D with evener bricks",
    caption="A part of a test photograph at σ = 50/255. DnCNN: nine layers of 32 channels, from the course's weights.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The filter is better. The network gives every brick another surface, which comes from the noise on it. The same
# brick stands a few pixels further on, with *other* noise on it, but the network does not see so far.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "The cell paints everything gray that is further than nine pixels from one pixel. Have them predict both answers."}
# ## Near is not alike
#
# Nine convolutions of $3 \times 3$ see $19 \times 19$ pixels. The estimate of the middle one does not depend on pixels
# further away. Let us paint all of those gray, and estimate this one pixel with both methods again:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
print("pixels that the network sees:", local.receptive_field, "x", local.receptive_field)
one_pixel = (..., 48, 48)
reach = local.receptive_field // 2
blind = torch.full_like(z, 0.5)
seen = (..., slice(48 - reach, 49 + reach), slice(48 - reach, 49 + reach))
blind[seen] = z[seen]
with torch.inference_mode():
    local_change = (local(blind)[one_pixel] - local(z)[one_pixel]).abs().item()
bm3d_change = (
    (BM3D()(blind, sigma=sigma)[one_pixel] - BM3D()(z, sigma=sigma)[one_pixel]).abs().item()
)
print("the network's estimate changes:", local_change > 1e-5)
print("BM3D's estimate changes:", bm3d_change > 1e-5)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Lecture receptive_fields measured that the network does not even use all of its field. Here the point is another one: the weights of a larger field would still depend on the place only."}
# One could build a deeper network. But lecture *receptive_fields* showed how little of its field a network uses, and there is a difference
# in kind. A convolution weighs pixels by **where** they are: weight $w(q - p)$ for pixel $q$ in the estimate at $p$.
# A non-local filter weighs them by **what** they show, and their distance does not count:
#
# | | a pixel $q$ counts for the estimate at $p$ | by |
# |---|---|---|
# | convolution, mean filter | if it is near | $w(q - p)$ |
# | non-local means | if its patch looks like that of $p$ | $w\bigl(d(p, q)\bigr)$ |
# | BM3D, WNNM | if its patch is in the group of $p$ | what the group has in common |
#
# What makes the second kind work is a property of images, **self-similarity**: for a patch of a natural image there are
# many patches elsewhere that look like it. In a wall this is easy to see. Is it true of a cat?

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The fourth curve is the control: the same pixels in another order. Without it the plot says nothing."}
# ## Experiment 1: how alike are images to themselves?
#
# We take patches of $10 \times 10$ pixels, look for those most like each of them within 39 pixels, and plot the distance
# of the $k$-th nearest, as a share of the mean distance of two patches. **Predict** the order of the photographs. The
# fourth curve is a control: the brick wall with its pixels in random order.


# %% slideshow={"slide_type": "-"}
def nearest(picture):
    """Mean distance of the 1st, 2nd, 4th, ... neighbour, relative to that of any two patches."""
    found = grouping.search(picture, patch=10, window=39, stride=5, count=65).distance[0]
    table = grouping.patches(picture, patch=10)[0, 0]
    any_two = 2 * (table - table.mean(dim=0)).square().mean()
    return [(found[:, k].mean() / any_two).item() for k in (1, 2, 4, 8, 16, 32, 64)]


order = torch.randperm(y.numel(), generator=generator(0, "control"))
control = y.flatten()[order].reshape(y.shape)
figures.lines(
    (1, 2, 4, 8, 16, 32, 64),
    {name: nearest(picture) for name, picture in photographs.items()}
    | {"brick, pixels in random order": nearest(control)},
    xlabel="neighbour number",
    ylabel="distance, relative to any two",
    log="x",
    caption="Clean photographs. At 1 the neighbour of a patch is as different from it as any other patch.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Even a cat has dozens of patches for each patch that are far more like it than chance would give. Many of them are simple:
# fur beside fur, wall beside wall, and the nearest neighbours overlap the patch itself. But this is enough for a filter.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Derive the mean at the board. The variance is the interesting half: it says how large a patch has to be."}
# ## Block matching
#
# The distance of two patches $P$ pixels large, one at $p$ and one at $q$, is
#
# $$d(p, q) = \frac1P \sum_{x} \bigl(z(p + x) - z(q + x)\bigr)^2 .$$
#
# We can only compute it in a noisy image. If both show exactly the same, their difference is that of two
# independent noises, with variance $2\sigma^2$ at each pixel. So for patches that do not overlap
#
# $$\mathbb E\, d = d_{\text{clean}} + 2\sigma^2, \qquad \text{Var}\, d \approx \frac{8 \sigma^4}{P}
# \quad\text{where } d_{\text{clean}} \approx 0 .$$
#
# The mean does no harm: it is the same for all $q$, and does not change their order. The variance does harm. With $P = 100$
# the standard deviation of the distance is $2\sigma^2 \sqrt{2/P}$, a seventh of $2\sigma^2$, and the order of patches that
# differ by less than that is random.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
pure = torch.randn(
    2, 40_000, 100, generator=generator(0, "two patches"), dtype=torch.float64
)
distances = (
    (sigma * (pure[0] - pure[1])).square().mean(dim=1)
)  # two equal patches, 40 000 times
print(
    "mean is 2 sigma^2 within 1 %:",
    abs(distances.mean().item() / (2 * sigma**2) - 1) < 0.01,
)
print(
    "deviation is 2 sigma^2 sqrt(2 / 100) within 2 %:",
    abs(distances.std().item() / (2 * sigma**2 * 0.02**0.5) - 1) < 0.02,
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2}
# Worse, the patches that come first are those whose *noise* happens to look like that of the reference, and averaging
# over them averages equal noise. Hence the order of NN3D: **first** the network removes the noise, **then** the search looks
# for similar patches. In the library:

# %% slideshow={"slide_type": "-"}
figures.code(similar)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 6, "notes": "Let them find: a patch on a mortar joint; a patch of plain brick; the eye of the cat, which has no similar patch. Switch between noisy and denoised at each."}
# ## Play: choose a patch, see its group
#
# Move the patch with the two sliders. The orange square is the patch; the 31 others that were found are blue. Beside
# it you see the group in the *clean* photograph, so that you can judge which patches belong to it. Then change the image in
# which the search looks. A group is good if its members show the same.

# %% slideshow={"slide_type": "-"}
stops = choose(smoke=(19, 66), lecture=(19, 55, 91, 127, 163), full=(19, 55, 91, 127, 163))
with torch.inference_mode():
    searched = {
        (name, where): picture
        for name in ("brick", "camera")
        for where, picture in (
            ("noisy", noisy[name]),
            ("denoised", local(noisy[name])),
            ("clean", photographs[name]),
        )
    }


def group_of(photograph, where, down, right):
    """Corners of the patches most like the one at a place, nearest first."""
    piece = searched[photograph, where][..., down - 19 : down + 29, right - 19 : right + 29]
    middle = similar(piece, patch=10, count=32, window=39, stride=19)[
        0, 4
    ]  # of 3 x 3 references
    return [(down - 19 + int(p) // 39, right - 19 + int(p) % 39) for p in middle]


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
    clean = photographs[photograph]
    group = torch.stack(
        [
            clean[0, 0, t : t + 10, c : c + 10]
            for t, c in group_of(photograph, where, down, right)
        ]
    )
    apart = 255 * (group[1:] - group[0]).square().mean().sqrt().item()
    return f"The members differ from the reference by {apart:.0f} gray levels of 255, in the clean photograph."


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
    alt=lambda photograph, where, down, right: (
        f"The {where} photograph {photograph} with an orange square at row {down} and column {right} and blue "
        "where the patches like it were found, and beside it these patches enlarged"
    ),
    note=closeness,
    caption="Groups of 32 patches of 10 × 10 pixels. Try a joint between bricks, a plain brick, the sky, the camera. "
    "Pictures are compressed.",
    encoding="webp",
    quality=75,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The control first: random groups. If they gained as much as the others, likeness would not be the reason for the gain. The bar for groups from the clean image cannot be reached in practice."}
# ## Experiment 2: where to look
#
# The same filter, to which we come in a moment, on the same estimate of the network; only the groups differ. They are
# found in the noisy image, in the denoised one, or in the clean one, which is not possible in practice. As a control, they
# are chosen at random from the window. **Predict** the order, and the sign of the control.

# %% slideshow={"slide_type": "-"}
parts = cite("nn3d-parts")
wheres = {
    "random groups": "chance",
    "groups from the noisy image": "noisy",
    "groups from the denoised image": "denoised",
    "groups from the clean image": "clean",
}
shown = {"cat" if name == "chelsea" else name: name for name in photographs}
lowest = min(parts[f"{name}_groups_chance"] for name in photographs)
figures.bars(
    parts.rows(shown, wheres, "{}_groups_{}"),
    xlabel="gain over DnCNN (dB)",
    base=min(0.0, round(lowest - 0.05, 1)),
    caption="One pass of the filter over DnCNN's estimate at σ = 50/255, mean of three trainings.",
    note=parts.about("nn3d-likeness", "nn3d-better-when-denoised"),
)

# %% slideshow={"slide_type": "subslide", "minutes": 3}
figures.table(
    parts.rows(wheres, list(photographs), "{1}_agree_{0}", times=100),
    digits=0,
    caption="Members in common with the groups of the clean image, in per cent.",
    note=parts.about("nn3d-found-when-denoised"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Three results. Random groups are behind, so likeness counts. They do not fail everywhere: near patches of a
# smooth place are alike without any search. Third, the search in the denoised image finds far more of the right
# members than the one in the noisy image, but the filter does not gain in proportion. The noisy search prefers patches
# with the same *noise*; the search in the denoised image prefers patches with the same *mistakes*, and the filter keeps
# what all members share.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Write the four numbers at the board and let them do the Haar transform by hand: mean times two, difference of the halves, differences of the pairs."}
# ## The group-wise Haar filter
#
# Stack the $K$ patches of a group. At one pixel $x$ of the patches there are now $K$ values,
# $g(x) = (g_1, \dots, g_K)$, which should all be the same but for noise, for the network's mistakes, and for true
# differences. NN3D transforms them **along the group** only, by an orthonormal Haar matrix $T$:
#
# $$q = T g, \qquad \hat g = T^\top \Gamma(q), \qquad \Gamma(q) = \frac{q^2}{q^2 + \tau^2}\, q .$$
#
# The first coefficient is $\sqrt K$ times the mean of the group. The others are differences, coarse ones first.
# Where does $\Gamma$ come from? If a coefficient has signal of power $c^2$ and noise of power $\tau^2$, the factor with the
# smallest mean squared error is Wiener's, $c^2/(c^2 + \tau^2)$. We do not know $c$, so we take $q$ for it.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
# Four patches of one pixel each, three alike and one not, with tau = 1
group = torch.tensor([3.0, 1.0, 1.0, 1.0], dtype=torch.float64)
q = grouping.haar(4) @ group
print("coefficients:", [round(value, 3) for value in q.tolist()])
factors = q**2 / (q**2 + 1)
print("what is kept of each:", [round(value, 3) for value in factors.tolist()])
filtered, weight = shrink_along(group.reshape(4, 1, 1), tau=1.0)
print("the group again:", [round(value, 3) for value in filtered.flatten().tolist()])
print(
    "energy before and after the transform:",
    round((group**2).sum().item(), 3),
    round((q**2).sum().item(), 3),
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "notes": "BM3D needs a transform of the patch as well, since its patches are noisy. Here the network has done that part."}
# BM3D transforms the patches too, by cosines or wavelets, to separate their structure from noise. Here the network has done
# that, better than cosines can. Its mistakes remain, and these differ from copy to copy, like the noise.
# **Predict:** we take the groups of the brick wall and plot the strength of the Haar coefficients, for the clean
# patches and for the network's mistakes. Which curve is flat?

# %% slideshow={"slide_type": "-"}
matches = similar(first, patch=10, count=32, window=39, stride=5)
along = grouping.haar(32)


def strength(picture):
    stacks = grouping.group(
        grouping.patches(picture, patch=10)[0, 0], matches[0]
    )  # (32, groups, 100)
    q = torch.einsum("ij,jrd->ird", along.to(stacks), stacks)
    return q.abs().flatten(1).median(dim=1).values


tau = nn3d.schedule(1, sigma=sigma)[1]
figures.lines(
    range(1, 33),
    {
        "clean patches": strength(y),
        "the network's mistakes": strength(first - y),
        "τ of the first iteration": [tau] * 32,
    },
    xlabel="Haar coefficient along the group",
    ylabel="typical size (median)",
    log="y",
    caption="Groups of 32 patches from the denoised brick wall. The first coefficient is the mean; coarse differences come "
    "next, and differences of two patches fill the right half, those between the nearest ones first.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# What the patches share is nearly all in the first coefficient, far above $\tau$: it is kept. The mistakes are spread over all
# coefficients, and everything below $\tau$ is removed, whatever it is. That is the price of every non-local filter: true
# differences of that size are removed too.

# %% slideshow={"slide_type": "subslide", "minutes": 2}
figures.code(shrink_along)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2}
# Each pixel is now in many filtered patches, of many groups. They are averaged, and a group counts for
#
# $$w = 1 \Big/ \sum_q \Bigl(\frac{q^2}{q^2 + \tau^2}\Bigr)^2 ,$$
#
# the inverse of the noise that is left in it: a group with few remaining coefficients agrees well, and counts more.

# %% slideshow={"slide_type": "-"}
figures.code(filter_groups)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Draw it as a loop with three boxes: mix, network, groups. The network can be exchanged; so can the filter."}
# ## NN3D: network and filter take turns
#
# Network and filter each do what the other cannot. NN3D (Cruz, Foi, Katkovnik, Egiazarian 2018) lets them alternate. With
# $\hat y_0 = 0$, for $k = 1, \dots, K$:
#
# $$\bar z_k = \lambda_k z + (1 - \lambda_k)\, \hat y_{k-1}, \qquad
# \tilde y_k = D(\bar z_k;\, \lambda_k \sigma), \qquad
# \hat y_k = F(\tilde y_k;\, \tau_k),$$
#
# $$\lambda_k = \frac1k, \qquad \tau_k = \frac{\lambda_k \sigma}{4} .$$
#
# | letter | is |
# |---|---|
# | $D(\cdot\,; s)$ | any denoiser with the noise level $s$ as its argument: DnCNN, FFDNet, a filter |
# | $F(\cdot\,; \tau)$ | the group filter; its groups are found once, in $\tilde y_1$ |
# | $\lambda_k$ | the share of the noisy image in iteration $k$ |
# | $\tau_k$ | how strongly the filter shrinks |
#
# Why is noise added again? Details that the network has removed by mistake are lost in $\hat y_1$, but they are still in $z$. The
# mixture has the noise $\lambda_k \eta$, of level $\lambda_k \sigma$, on an image that is half restored: an easier
# problem, in which the details can be found again. Two iterations are what the paper uses.

# %% slideshow={"slide_type": "subslide"}
figures.code(NN3D.rounds)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
for k in (1, 2, 3, 4):
    share, strength_k = nn3d.schedule(k, sigma=48)
    print(
        f"iteration {k}: lambda = {share:.3f}, the network is told {48 * share:.0f}, tau = {strength_k:.0f}"
    )

# %% [markdown] slideshow={"slide_type": "fragment"}
# FFDNet takes any level. A DnCNN works at the level that it was trained for, so NN3D needs a *bank* of them, one for
# each iteration: here one for 50 and one for 25.

# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Read the row of scores from left to right. The mixed image has a lower score than the estimate in it; that is intended, since details come back with the noise."}
bank = Bank({level / 255: network for level, network in networks.items()})
rounds = NN3D(bank).rounds(z, sigma=sigma)
display(
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
        alt="The brick wall after each step of two iterations: blotchy after the network, even after the groups, noisy again "
        "after mixing, and sharper after the second network and groups",
        caption="NN3D on the brick wall, step by step.",
    )
)
mistakes, taken = rounds[0].denoised - y, rounds[0].denoised - rounds[0].estimate
agree = torch.corrcoef(torch.stack([mistakes.flatten(), taken.flatten()]))[0, 1].item()
print(f"what the groups take away and the network's mistakes correlate by {agree:.2f}")
near = (..., slice(30, 94), slice(30, 94))
figures.images(
    {
        "the network's mistakes": mistakes[near],
        "taken away by the groups, × 4": 4 * taken[near],
    },
    signed=("the network's mistakes", "taken away by the groups, × 4"),
    columns=2,
    alt="A part of the wall: the mistakes of the network, blotches and wavy outlines, beside what the groups took away, "
    "enlarged four times, which has blotches of the same sign at many of the same places",
    caption="Where both have one colour, the groups took a mistake of the network away.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Barbara is a woman in striped clothes, House a house with a brick front: the two pictures that the field uses to show repetition. Numbers only."}
# ## Experiment 3: how much?
#
# Two pictures of Set12 repeat themselves most: *House* and *Barbara*, whose clothes are striped. The wall is our own third.
# **Predict:** the gain of NN3D on each of them, for DnCNN and for FFDNet, in tenths of a decibel. And the gain of the
# **same iterations without the filter**?

# %% slideshow={"slide_type": "-"}
gain = cite("nn3d-gain")
pictures = {
    "house": "House",
    "barbara": "Barbara",
    "brick": "brick wall",
    "set12_50": "Set12, mean",
}
figures.table(
    {
        f"{net}, {shown}": {
            "alone": gain[f"{key}_{name}_alone"],
            "NN3D": gain[f"{key}_{name}_nn3d"],
            "gain": gain[f"{key}_{name}_nn3d"] - gain[f"{key}_{name}_alone"],
            "gain without groups": gain[f"{key}_{name}_ungrouped"]
            - gain[f"{key}_{name}_alone"],
        }
        for key, net in (("dncnn", "DnCNN"), ("ffdnet", "FFDNet"))
        for name, shown in pictures.items()
    },
    caption="PSNR in dB at σ = 50/255, mean of three trainings of about a minute for each network.",
    note=gain,
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The last column is the control. FFDNet, given the right level both times, gains some hundredths of a decibel in the
# second iteration. The bank of DnCNNs gains more than we expected: its second network was trained separately from the first,
# and two different estimates are better than one. The claim was a gain of less than 0.05 dB at every seed; it fails for both
# networks, and the note says so. Most of the gain comes from the groups.

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Where is the gain largest? Urban100: facades. Where is there none? BSD68 with FFDNet: landscapes and animals."}
names = ("BM3D", "DnCNN", "NN3D(DnCNN)", "FFDNet", "NN3D(FFDNet)", "WDnCNN", "NN3D(WDnCNN)")
display(
    figures.table(
        {
            f"{name}, σ = {level}": dict(zip(names, row, strict=True))
            for (name, level), row in TABLE.items()
        },
        columns=names,
        paper=names,
        caption="PSNR in dB as published (Cruz et al. 2018, table I).",
    )
)
figures.table(
    {
        net: {
            source: values[f"{key}_set12_50_nn3d"] - values[f"{key}_set12_50_alone"]
            for source, values in (("here", gain), ("in the paper", gain.paper))
        }
        for net, key in (("DnCNN", "dncnn"), ("FFDNet", "ffdnet"))
    },
    paper=["in the paper"],
    caption="Gain of NN3D in dB on Set12 at σ = 50. The paper's networks are deeper and wider than ours, and were trained "
    "for hours.",
    note=gain.about("nn3d-table"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The gain is larger here than in the paper, probably because our networks are smaller: the more noise a network leaves, the more the
# filter can remove. You see the same in the paper's own table. Where images repeat, as the facades of Urban100 do, the
# gain is several tenths; on BSD68, landscapes and animals, a good FFDNet gains nothing.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Three parameters, three curves. Ask for each: what is the cost of a value that is too large?"}
# ## Experiment 4: three parameters
#
# How many patches in a group, how strong a filter, how many iterations? **Draw** the three curves for the wall and for
# the cat before you look.

# %% slideshow={"slide_type": "-"}
label = {"brick": "brick", "camera": "camera", "cat": "chelsea"}
display(
    figures.lines(
        (1, 2, 4, 8, 16, 32),
        parts.lines(label, (1, 2, 4, 8, 16, 32), "{}_count_{}"),
        xlabel="patches in a group",
        ylabel="gain over DnCNN (dB)",
        log="x",
        caption="One pass of the filter.",
    )
)
display(
    figures.lines(
        (16, 8, 4, 2),
        parts.lines(label, (16, 8, 4, 2), "{}_tau_{}"),
        xlabel="σ / τ, a strong filter at the left",
        ylabel="gain over DnCNN (dB)",
        log="x",
        caption="One pass with groups of 32. The paper's filter has σ / τ = 4.",
    )
)
figures.lines(
    (0, 1, 2, 3, 4),
    {
        shown: [0.0, *gains]
        for shown, gains in parts.lines(label, (1, 2, 3, 4), "{}_iteration_{}").items()
    },
    xlabel="iterations",
    ylabel="gain over DnCNN (dB)",
    caption="Whole iterations. All three are means of three trainings.",
    note=parts.about("nn3d-first-counts"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# With one patch in a group there is nothing to share: each pixel is shrunk by itself, which darkens what is dark already.
# With more patches the gain grows, but more and more slowly. The paper's strength is a compromise: for the wall, where patches really are
# equal, a stronger filter is better. And nearly all of the gain comes in the first iteration. In later ones the share of the
# noisy image, and of its details, is smaller, and the network is scaled far from the level of its training: see below.

# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Compare DnCNN with 1 patch and 32 on the wall. Then the cat: look at the whiskers."}
flexible = zoo.load(FFDNet, "ffdnet-w48")
plugs = {"DnCNN": bank, "FFDNet": flexible, "BM3D": BM3D()}
most = choose(smoke=1, lecture=2, full=4)
cut = slice(0, choose(smoke=64, lecture=128, full=192))
corner = (..., cut, cut)
played = {
    (plug, name): NN3D(denoiser, iterations=most).rounds(noisy[name][corner], sigma=sigma)
    for plug, denoiser in plugs.items()
    for name in photographs
}


def turns(plug, photograph, done):
    clean, seen = photographs[photograph][corner], noisy[photograph][corner]
    rounds = played[plug, photograph]
    estimate = rounds[done - 1].estimate if done else rounds[0].denoised
    return figures.scored({"noisy": seen, "estimate": estimate}, reference=clean)


Player(
    render=turns,
    axes=(
        Axis("plug", tuple(plugs), "Denoiser inside"),
        Axis("photograph", tuple(photographs), "Photograph"),
        Axis(
            "done",
            tuple(range(most + 1)),
            "Iterations (0: the denoiser alone)",
        ),
    ),
    alt=lambda plug, photograph, done: (
        f"The photograph {photograph} with strong noise, and the estimate of {plug} after {done} iterations"
    ),
    caption="Any denoiser can be put in. How much does a filter gain that is already non-local?",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "This is a trick that fits on one line and saves a training. Ask what is wrong with it before the last paragraph."}
# ## Scaling: a network for one level at another
#
# One row of the paper's table is in italics: WDnCNN at $\sigma = 75$. Its authors had a network for 50 and none for
# 75. So they scaled the noisy image:
#
# $$z = y + \eta \quad\Longrightarrow\quad a z = a y + a \eta, \qquad a = \frac{50}{75},$$
#
# has noise of level $a \cdot 75 = 50$. Denoise it, and scale back: $\hat y = D(a z; 50)/a$. The result was better than
# that of FFDNet, which had been trained on levels up to 75.

# %% slideshow={"slide_type": "-"}
figures.code(Scaled.__call__)

# %% slideshow={"slide_type": "subslide", "minutes": 3}
cat = photographs["chelsea"]
loud = Gaussian(75 / 255)(cat, generator=generator(0, "loud"))
scaled = Scaled(local, 50 / 255)
with torch.inference_mode():
    estimates = {
        "noisy, σ = 75": loud,
        "DnCNN for 50": local(loud),
        "DnCNN for 50, scaled": scaled(loud, sigma=75 / 255),
        "FFDNet, level 75": flexible(loud, sigma=75 / 255),
    }
figures.images(
    estimates,
    reference=cat,
    columns=4,
    alt="A cat under very strong noise, after a network for less noise, which leaves much of it, after the same network "
    "with scaling, which leaves none, and after FFDNet",
    caption="One and the same network in the second and third picture.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Ask for the price first. The image is darker and flatter than any in the training set; upwards it is brighter than white."}
# There is a price: $a y$ is a darker, flatter image than those that the network has learnt from, and where $a > 1$ it is
# brighter than white. **Predict:** the network for 50, at levels from 15 to 90, as it is and scaled.

# %% slideshow={"slide_type": "-"}
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
    caption="Test photographs, mean of three trainings.",
    note=scaling,
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Two lines of proof; lecture bias_free has the rest. Let them find which parts of a DnCNN break it: the shifts of the normalisation."}
# The last curve is a network **without biases**, trained at 50 only. It is not given the level, and its input is not scaled.
# Why does it work as well? A convolution without bias is linear, $w * (a x) = a\,(w * x)$, and $\max(0, a x) = a \max(0, x)$ for
# $a \ge 0$. A network made of these, and so the denoiser $D(z) = z - R(z)$, is homogeneous:
#
# $$D(a z) = a\, D(z) \quad (a \ge 0) \qquad\Longrightarrow\qquad \frac{D(a z)}{a} = D(z) .$$
#
# Scaling there and back changes **nothing**: lecture *bias_free*'s bias-free networks have the trick built in. Biases
# tie a network to a level: they act as thresholds that do not grow with the noise.

# %% slideshow={"slide_type": "-"}
free, history = dncnn.train(
    data.photographs("train"),
    sigma=sigma,
    budget=choose(
        smoke=Budget(20, 4, 24), lecture=Budget(600, 8, 36), full=Budget(20_000, 64, 40)
    ),
    seed=0,
    network=DnCNN(
        depth=choose(smoke=3, lecture=6, full=17),
        width=choose(smoke=8, lecture=32, full=64),
        batch_norm=False,
        bias=False,
    ),
)
free = free.cpu()


# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
def changed_by_scaling(network):
    """How much scaling by 50/75 changes an estimate, relative to the estimate."""
    with torch.inference_mode():
        plain = network(loud)
        return (
            (Scaled(network, 50 / 255)(loud, sigma=75 / 255) - plain).norm() / plain.norm()
        ).item()


print("scaling changes the network without biases:", changed_by_scaling(free) > 1e-4)
print(
    "scaling changes the DnCNN with batch normalisation:", changed_by_scaling(local) > 1e-2
)
around = NN3D(free, iterations=2)
once, twice = around(loud, sigma=75 / 255), around(2 * loud, sigma=150 / 255)
print(
    "NN3D around it is homogeneous too:",
    ((twice - 2 * once).norm() / once.norm()).item() < 1e-4,
)

# %% slideshow={"slide_type": "subslide", "minutes": 2}
rows = {}
for name, method in {
    "DnCNN for 50": local,
    "DnCNN for 50, scaled": scaled,
    "without biases, trained here at 50": free,
    "without biases, scaled": Scaled(free, 50 / 255),
}.items():
    rows[name] = {}
    for level in (25, 50, 75):
        shot = Gaussian(level / 255)(
            cat, generator=generator(0, "three levels", str(level))
        )
        with torch.inference_mode():
            estimate = method(shot, sigma=level / 255)
        rows[name][f"σ = {level}"] = psnr(estimate, cat).item()
figures.table(
    rows,
    caption="PSNR in dB on the cat. The last two rows come from one network that was trained a moment ago.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "A defect on a chip, a tumour in regular tissue, a missing tile: often the one thing that is different is what one looks for."}
# ## Break it
#
# Non-local filters assume that what looks nearly alike *is* alike. Quality control photographs a thousand equal parts to
# find the one that differs. So here is a sheet of equal tiles with a faint scratch across some of them, and three methods:
# the local network, BM3D, and NN3D around BM3D with a filter twice as strong, the least local of all. **What** do you expect?

# %% slideshow={"slide_type": "-"}
quiet = 25 / 255
tile = torch.rand(1, 1, 5, 5, generator=generator(13, "tile"))
tile = F.interpolate(tile, size=(16, 16), mode="bicubic").clamp(0, 1)
tiles = 0.35 + 0.3 * tile.tile(1, 1, side // 16, side // 16)
row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
middle = (..., slice(side // 2 - 40, side // 2 + 40), slice(side // 2 - 40, side // 2 + 40))
line = ((row - column).abs() <= 4) & ((row + column - side).abs() < 42)
scratch = (0.06 * line)[None, None]
flawed = tiles + scratch
shot = Gaussian(quiet)(flawed, generator=generator(0, "flaw"))
methods = {
    "DnCNN": networks[25],
    "BM3D": BM3D(),
    "NN3D(BM3D), 2τ": NN3D(BM3D(), strength=0.5),
}
with torch.inference_mode():
    found = {name: method(shot, sigma=quiet) for name, method in methods.items()}


def left_of_scratch(picture):
    """Which share of the scratch is in an estimate: its projection on the scratch, in per cent."""
    return 100 * ((picture - tiles) * scratch).sum().item() / scratch.square().sum().item()


display(
    figures.images(
        {name: picture[middle] for name, picture in {"clean": flawed, **found}.items()},
        columns=4,
        alt="The middle of a sheet of equal tiles with a faint diagonal scratch, and three estimates of it: that of DnCNN is "
        "uneven, those of BM3D and NN3D are even; the scratch is hard to see in all three and faintest in the last",
        caption="The middle of the clean sheet, and three estimates at σ = 25/255.",
    )
)
figures.table(
    {
        name: {
            "PSNR (dB)": psnr(picture, flawed).item(),
            "scratch left (%)": left_of_scratch(picture),
        }
        for name, picture in {"noisy": shot, **found}.items()
    },
    caption="The better the score, the less is left of the scratch.",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "notes": "The probe needs z, the estimate and sigma. It is lecture denoising's: look at what was removed. The new part is the scale: how large may a mean of noise be?"}
# The non-local methods are better by several decibels, and they remove a part of the scratch, the one thing that was
# to be found. It has a few hundred pixels among tens of thousands, so the score hardly changes.
#
# **The probe** needs neither the clean sheet nor the scratch. What was removed, $z - \hat y$, should be noise. Average it
# with weights $k$ over a small neighbourhood: of pure noise, $\sigma \lVert k \rVert$ is left, without any structure. A line in
# it is a line that is missing from the estimate.


# %% slideshow={"slide_type": "-"}
def removed_locally(picture):
    """Local mean of what was removed, in units of what pure noise would give."""
    offset = torch.arange(-8.0, 9.0)
    bell = torch.exp(-(offset**2) / (2 * 2.5**2))
    k = torch.outer(bell, bell) / bell.sum() ** 2
    padded = F.pad(shot - picture, (8,) * 4, mode="reflect")
    return F.conv2d(padded, k[None, None]) / (quiet * k.norm())


figures.images(
    {name: removed_locally(picture)[middle] for name, picture in found.items()},
    signed=list(found),
    columns=3,
    unit="of noise",
    alt="Local means of what three methods removed in the middle of the sheet: for DnCNN a regular pattern in the rhythm of "
    "the tiles, for BM3D faint blotches, and for NN3D around BM3D stronger blotches with a diagonal row of one sign",
    caption="Local means of z − ŷ in the middle of the sheet, in units of what the mean of pure noise would be. DnCNN took "
    "some of the tiles away, NN3D some of the scratch.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "Go round: one sentence each."}
# ## What to remember
#
# - A convolution weighs by place, a non-local filter by likeness. Images repeat, so likeness is worth looking for.
# - Noise adds $2\sigma^2$ to every distance and shuffles what is close. Look for groups in the denoised image.
# - Along a group, what is shared is one large coefficient; the network's mistakes are spread over all of them.
# - NN3D alternates network and groups and feeds part of the noisy image back. The groups make the difference, and the more
#   an image repeats, the larger it is.
# - A network for one level works at another with scaling. A network without biases needs no scaling.
# - A non-local filter takes what occurs only once for a mistake. Look at $z - \hat y$ before you believe that it was one.

# %% slideshow={"slide_type": "slide", "minutes": 5, "notes": "Let everyone answer alone first."}
Quiz.parse("""
Two patches show exactly the same, each with its own noise of variance σ². Their mean
squared difference is about …
- [x] 2σ²
- [ ] 0 | The clean patches have distance 0, but the two noises differ: their variances add.
- [ ] σ² | That would be the distance of one noisy patch to its clean version. Here both are
  noisy.

Thirty-two equal patches are transformed along the group by an orthonormal Haar matrix. What
all share is …
- [x] in the first coefficient alone
- [ ] spread evenly over all coefficients | That is what happens to something that only one
  patch has.
- [ ] in the differences | Differences of equal values are zero.
""")

# %% slideshow={"slide_type": "subslide"}
Quiz.parse("""
In the second iteration of NN3D the level passed to the network is …
- [x] σ / 2 | The mixture holds half of the noisy image, so half of its noise.
- [ ] σ | That was the first iteration. With twice the true level, the network would smooth
  too much.
- [ ] σ / 4 | That is the strength of the filter in the first iteration, τ₁.

A network without biases was trained at σ = 50. You scale an image with σ = 75 by 50/75
before it, and back after it. The estimate …
- [x] is the same as without scaling
- [ ] gets better, since the level is now right | That happens to a network with biases.
  D(az)/a = D(z) leaves nothing to improve.
- [ ] gets worse, since the image is darker | Without biases a darker image is only a darker
  image: everything inside scales with it.
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
