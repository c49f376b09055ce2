# Part B of lecture 11: CBDNet and class-aware denoising, in the order in which they are told. It stands after the
# bias-free networks and uses that part's imports and names: torch, inspect, Code, data, figures, zoo, measured,
# summarise, to_float, score, Gaussian, Budget, choose, psnr, generator, Axis, Player, Option, Question, Quiz,
# train_images, test_images, scene, noisy. The imports below join the setup cell. Experiments are not numbered here.
#
# Changed after 13:45, when a copy was taken into the lecture: both cameras (the levels of training became smaller:
# signal=0.05**2, read=0.01 at the opening; (0.08 * strength) ** 2 and 0.02 * strength in the player), the labels of the
# history of the tiny CBDNet and its caption (the map begins at 0.05), and 60 instead of 40 pictures a class.
#
# It cites: cbdnet-real, cbdnet-level, class_aware-gaussian, class_aware-poisson, class_aware-people,
# class_aware-gradual. It shows the weights: cbdnet-camera-w16, cbdnet-white-w16, class_aware-s25-w16.

# %% slideshow={"slide_type": "-"}
import copy

from course_lib.data.drawn import CLASSES, drawn
from course_lib.denoise import cbdnet, class_aware
from course_lib.denoise.cbdnet import CBDNet, asymmetric_loss
from course_lib.denoise.class_aware import Chooser, Gradual
from course_lib.noise import Camera

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Show the noisy picture alone and ask what is odd about this noise. Someone will say that it has blotches; someone else that the dark parts are worse."}
# ## A level is not enough: the noise of a camera
#
# A bias-free network takes any level. But is a level all that noise has? Here is a photograph as a camera may have
# taken it: photons are counted in linear light, each pixel sees one colour only, a curve brightens the dark parts,
# JPEG throws away what the eye misses. Two networks of the same size and the same number of training steps look at it. One
# was trained on white noise of all levels up to 55, the other on pictures that went through cameras like this one.

# %% slideshow={"slide_type": "-"}
cat = to_float(data.photographs("test", channels=3)["chelsea"])[
    ..., 50:242, 110:302
]  # (1, 3, 192, 192)
camera = Camera(
    signal=0.05**2, read=0.01, gamma=2.2, quality=90
)  # one that neither has met
shot = camera(cat, generator=generator(0, "lecture 11", "shot"))
target = cbdnet.noise_free(camera, cat, generator=generator(0, "lecture 11", "target"))
by_white, by_camera = (
    zoo.load(CBDNet, "cbdnet-white-w16"),
    zoo.load(CBDNet, "cbdnet-camera-w16"),
)
with torch.inference_mode():
    estimates = {
        "trained on white noise": by_white(shot),
        "trained on cameras": by_camera(shot),
    }
figures.images(
    {"what the camera stored": shot} | estimates,
    reference=target,
    columns=3,
    zoom=(60, 100, 44),
    alt="The face of a cat with blotchy noise; after the network for white noise most blotches are still there; after the "
    "network trained on cameras the fur is smooth and its stripes are kept",
    caption="A test photograph through a simulated camera, and two networks of the same size. What they are compared with "
    "is what the camera would have stored without noise.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The noise of a camera depends on the light, and after demosaicing and JPEG it has *blotches*: neighbours agree. A
# network for white noise has learnt that noise never does, so it takes blotches for image.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "subslide", "minutes": 2}
flat = torch.full((1, 3, 128, 128), 0.4)
for name, stored in (
    ("white noise", Gaussian(0.05)(flat, generator=generator(0, "flat"))),
    ("through the camera", camera(flat, generator=generator(0, "flat"))),
):
    eta = stored - stored.mean()
    neighbours = ((eta[..., 1:] * eta[..., :-1]).mean() / eta.square().mean()).item()
    print(f"{name}: neighbours agree, correlation above 0.3:", neighbours > 0.3)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Two networks, trained together. Ask why one would want the map in the middle at all: because a person can turn it, and because it can be supervised."}
# ## The idea: estimate, then remove
#
# CBDNet (Guo, Yan, Zhang, Zuo, Zhang, CVPR 2019) does what lecture 10 asked of its user. A small network $E$ estimates
# the noise level map, a second one $D$ is told it and removes the noise:
#
# $$\hat s = E(z), \qquad \hat y = z + D(z, \hat s).$$
#
# $E$ has five convolutions, each with a ReLU, so that $\hat s \geq 0$. $D$ is a U-Net: it works at full, half and
# quarter size, with shortcuts between equal sizes. Both are trained together, on three losses:
#
# $$\ell = \underbrace{\operatorname{mean} (\hat y - y)^2}_{\text{reconstruction}}
# + \tfrac12 \underbrace{\operatorname{mean}\, \lvert \alpha - \mathbb 1[\hat s < s] \rvert \, (\hat s - s)^2}_{\text{asymmetric}}
# + \tfrac1{20} \underbrace{\operatorname{mean} (\partial_x \hat s)^2 + \operatorname{mean} (\partial_y \hat s)^2}_{\text{total variation}}$$
#
# | letter | is |
# |---|---|
# | $s$, $\hat s$ | deviation of the noise at each pixel and channel, in linear light; its estimate |
# | $\alpha$ | weight of a level that is too high, $0.3$; one too low weighs $1 - \alpha = 0.7$ |
# | $E$, $D$ | noise estimation network, non-blind denoising network |
# | $\partial_x$, $\partial_y$ | difference to the left and to the upper neighbour |

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Look back at the lopsided hill of lecture 10: told half, it lost far more than told twice. The loss has the same lopsidedness built in. Mind the sign: a well known re-implementation has it the other way round."}
# ## Why asymmetric
#
# Lecture 10 measured what a wrong map costs: told too little, a denoiser leaves the noise; told too much, it only smooths a
# little. So errors of $E$ in the two directions should not count the same. **Which way round is it?** Before you read
# on, say for $\hat s < s$ whether the weight should be $0.3$ or $0.7$.

# %% slideshow={"slide_type": "-"}
Code(inspect.getsource(asymmetric_loss), language="python")

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
level = torch.full((1, 1, 1, 1), 5.0, dtype=torch.float64)
print(f"too low by 2:  {asymmetric_loss(level - 2, level).item():.2f}")
print(f"too high by 2: {asymmetric_loss(level + 2, level).item():.2f}")
# Where E cannot tell the levels 1, 2 and 3 apart, it has to give one answer for all: the one that costs least.
unclear = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64).reshape(1, 1, 1, 3)
answers = torch.linspace(1, 3, 2001, dtype=torch.float64)
for alpha in (0.3, 0.5, 0.7):
    costs = [
        asymmetric_loss(answer.expand_as(unclear), unclear, alpha=alpha).item()
        for answer in answers
    ]
    print(
        f"alpha {alpha}: the best answer for levels 1, 2 and 3 is {answers[costs.index(min(costs))].item():.2f}"
    )

# %% [markdown] slideshow={"slide_type": "fragment"}
# With $\alpha = \tfrac12$ the best answer is the mean. With $0.3$ it lies above: the minimum is where
# $0.7 \sum_{s > \hat s} (s - \hat s) = 0.3 \sum_{s < \hat s} (\hat s - s)$, here $0.7\,(3 - \hat s) = 0.3\,(2 \hat s - 3)$
# and $\hat s = 3 / 1.3$. Such a point is called an *expectile*. Where $E$ is sure, all three answers are the same; where it
# is not, the asymmetric loss makes it err on the cheap side.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Each picture of a batch is taken with a camera of its own. The target is not the clean photograph but what the camera would have stored without noise: otherwise the network would be asked to undo the mosaic too."}
# ## What it trains on
#
# Each picture of a batch is taken with a camera of its own: noise of the signal and of the read-out, a gamma, with or
# without a mosaic, a JPEG quality.

# %% slideshow={"slide_type": "-"}
Code(inspect.getsource(cbdnet.draw_camera), language="python")

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "The tiny network is there to see the three losses fall at their own pace. The trained one was shown minutes."}
# ## Experiment: a moment of training
#
# We train a tiny CBDNet for a few seconds. **Which of the three losses** will fall first?

# %% slideshow={"slide_type": "-"}
colour_images = data.photographs("train", channels=3)
tiny, tiny_history = cbdnet.train(
    colour_images,
    seed=0,
    budget=choose(
        smoke=Budget(6, 2, 24), lecture=Budget(150, 8, 48), full=Budget(2000, 32, 128)
    ),
    network=CBDNet(width=8, estimator_width=8),
)
figures.history(
    tiny_history,
    log=True,
    labels={"reconstruction": "image", "variation": "variation", "asymmetric": "level"},
    caption="The three losses of a CBDNet, of the image, of the map's variation and of its level. At the start the map is 0.05 everywhere, so its variation is zero.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "These are numbers only: the pictures are not ours to show. Point at the row for levels up to 15: it is the fair peer, since its levels fit the real noise. What it lacks is the kind of noise."}
# ## Experiment: real photographs
#
# Twenty-five pairs of real photographs (Nam et al. 2016): a camera's JPEG, and the mean of many shots of the same scene.
# The same network, trained for the same number of steps on three kinds of noise. One of the white kinds only has levels
# up to 15, about what these pictures have. **Which is better** on real noise: the right level, or the right kind?

# %% slideshow={"slide_type": "-"}
real = summarise(measured("cbdnet-real"))
names = {
    "as the camera stored it": "noisy",
    "trained on white noise, up to 55": "white",
    "trained on white noise, up to 15": "near",
    "trained on cameras": "camera",
}
figures.table(
    {
        name: {
            "25 real pairs": real[f"real_{key}"].mean,
            "made-up cameras": real[f"made_{key}"].mean,
        }
        for name, key in names.items()
    },
    best="max",
    caption="PSNR in dB, mean of three seeds. From the ledger: claims cbdnet-real-pairs and cbdnet-better-than-nothing.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Alternating batches: even steps see made-up cameras, odd steps real pairs. For real pairs nobody knows the level, so the asymmetric loss is left out."}
figures.bars(
    {
        "as the camera stored it": real["others_noisy"].mean,
        "trained on cameras": real["others_camera"].mean,
        "… and longer": real["others_longer"].mean,
        "… and fine-tuned on 12 real pairs": real["others_tuned"].mean,
    },
    xlabel="PSNR on the 13 other real pairs (dB)",
    base=30,
    caption="Fine-tuning: batches of real pairs and of made-up cameras take turns. Some objects are in both halves of the "
    "pairs, so this says less than it seems. From the ledger: claim cbdnet-fine-tuned.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Ask for the order before you show the bars."}
# ## Experiment: the loss and the map
#
# Three trainings that differ in $\alpha$ only. How often is the estimated level below the true one?

# %% slideshow={"slide_type": "-"}
levels_of = summarise(measured("cbdnet-level"))
figures.bars(
    {
        "asymmetric, α = 0.3": 100 * levels_of["asymmetric_too_low"].mean,
        "symmetric, α = 0.5": 100 * levels_of["symmetric_too_low"].mean,
        "exchanged, α = 0.7": 100 * levels_of["exchanged_too_low"].mean,
    },
    xlabel="pixels whose level is estimated too low (%)",
    digits=0,
    caption="Test photographs through nine made-up cameras, mean of three seeds. From the ledger: claim "
    "cbdnet-asymmetric.",
)


# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "The map in the middle is what makes it a tool: turn the knob and see noise come back or fur go."}
def turned(strength, knob):
    camera = Camera(
        signal=(0.08 * strength) ** 2, read=0.02 * strength, gamma=2.2, quality=90
    )
    stored = camera(cat, generator=generator(0, "lecture 11", "knob"))
    target = cbdnet.noise_free(camera, cat, generator=generator(0, "lecture 11", "target"))
    with torch.inference_mode():
        found = by_camera.noise_level(stored)
        estimate = by_camera.denoise(stored, level=knob * found)
    return {
        "stored": stored,
        "the map, ten times": (10 * knob * found.mean(dim=1, keepdim=True))
        .clamp(0, 1)
        .expand_as(stored),
        f"estimate, {psnr(estimate, target).item():.2f} dB": estimate.clamp(0, 1),
    }


Player(
    render=turned,
    axes=(
        Axis("strength", (0.25, 0.5, 1), "Noise of the camera (1: the strongest)", start=1),
        Axis("knob", (0.25, 0.5, 1, 2, 4), "Factor on the estimated map", start=2),
    ),
    alt=lambda strength, knob: (
        "The face of a cat as a camera stored it, the estimated noise level map, which is brighter "
        f"where there is more light, scaled by {knob:g}, and the estimate of CBDNet for that map"
    ),
    caption="Turn the knob between the two networks: below 1 the noise comes back, above 1 the fur goes.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "This is what happens with every picture from the web. The probe again needs no clean image."}
# ## Break it: a picture that was enlarged
#
# All cameras of the training store the pixels that they have. Pictures from elsewhere have been resized. Enlarge the noisy
# photograph, and the same noise becomes coarser. **Does $E$ still see it?**

# %% slideshow={"slide_type": "-"}
levels = {}
for factor in (1, 1.5, 2, 3):
    side = int(96 * factor)
    larger = torch.nn.functional.interpolate(
        shot[..., 48:144, 48:144], size=(side, side), mode="bicubic", align_corners=False
    ).clamp(0, 1)
    with torch.inference_mode():
        found = by_camera.noise_level(larger)
        levels[f"enlarged {factor:g} times"] = {
            "estimated level (of 255)": 255 * found.mean().item(),
            "removed (of 255)": 255 * (larger - by_camera(larger)).std().item(),
        }
figures.table(
    levels,
    caption="The same noise, enlarged with the picture. Its deviation hardly changes; what E finds and D removes does.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Blind means: it finds the parameters of the family that it was trained on. It does not find out that a picture comes
# from another family. Whoever resizes should do it *after* denoising.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Change of subject: so far we widened what noise may be. Now we narrow down what an image may be."}
# ## From all noises to one kind of image
#
# So far, robust meant: more kinds of noise. One can go the other way and ask for less: what if we know what is *in* the
# picture? Everything a denoiser adds to the data is knowledge of images, and there is more to know about faces than about
# photographs of anything. Our own code draws three classes, as many pictures as we like:

# %% slideshow={"slide_type": "-"}
figures.images(
    {
        f"{kind}{' ' * i}": to_float(picture)
        for kind in CLASSES
        for i, picture in enumerate(drawn(kind, 3).values())
    },
    columns=3,
    alt="Three drawn faces, three pieces of pages of random words, three pieces of woven cloth",
    caption="Faces, text, texture: each picture is drawn from random numbers, and no two are alike.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Draw the volume: 64 channels in, one leaves, 63 go on. Ask what the first layer can know: three by three pixels."}
# ## A network that says what each layer does
#
# The network of Remez, Litany, Giryes and Bronstein (IEEE TIP 2018) has 20 convolutions of $3 \times 3$ with 64 channels.
# One channel of each is split off, before the ReLU: it is that layer's own **noise estimate**. The other 63 go on. All
# that was split off is subtracted from the input:
#
# $$\hat y = z - \sum_{d=1}^{20} \eta_d, \qquad \eta_d = -\tfrac{1}{10} \times \text{channel 0 of layer } d .$$
#
# So the image can be looked at after every layer, $z - \eta_1 - \dots - \eta_d$: the noise goes gradually.

# %% slideshow={"slide_type": "-"}
Code(inspect.getsource(Gradual.noise_estimates), language="python")

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
network = Gradual()
print(
    "channels in and out:",
    [(layer.in_channels, layer.out_channels) for layer in network.layers][:3],
    "...",
    (network.layers[-1].in_channels, network.layers[-1].out_channels),
)
print("parameters:", sum(weight.numel() for weight in network.parameters()))
crop = noisy(scene, 25)[..., :64, :64]
with torch.inference_mode():
    parts = network.noise_estimates(crop)
    print("noise estimates:", len(parts))
    print(
        "output = input - their sum, bit for bit:",
        torch.equal(network(crop), crop - class_aware.sum_of(parts)),
    )

# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Move the slider slowly. Stop where the sky is clean and the man is not. Then look at the estimates of the last layers: edges."}
gradual = zoo.load(Gradual, "class_aware-s25-w16")
grainy = noisy(scene, 25)
with torch.inference_mode():
    stages, estimates = (
        [grainy, *gradual.gradually(grainy)],
        [torch.zeros_like(grainy), *gradual.noise_estimates(grainy)],
    )
largest = max(float(part.abs().max()) for part in estimates)


def after(layer):
    return {
        f"after layer {layer}" if layer else "the input": stages[layer].clamp(0, 1),
        "taken away by this layer" if layer else "nothing yet": 0.5
        + 0.5 * estimates[layer] / largest,
    }


Player(
    render=after,
    axes=(
        Axis("layer", tuple(range(gradual.depth + 1)), "Layer", start=gradual.depth // 2),
    ),
    alt=lambda layer: (
        f"A noisy photograph of a man with a camera after {layer} of {gradual.depth} layers, and beside it, on "
        "gray, what the last of these layers took away"
    ),
    note=lambda layer: f"PSNR {psnr(stages[layer], scene).item():.2f} dB",
    caption="Gradual denoising: the image after each layer, and that layer's noise estimate (gray is nothing).",
)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Nobody asked the network to be good half-way: the loss sees the last image only. That the way is orderly at all is worth a thought."}
# A layer sees $(2d+1) \times (2d+1)$ pixels, so the first ones know next to nothing. **Predict** the two curves: where will
# flat parts of the image be clean sooner, where edges?

# %% slideshow={"slide_type": "-"}
layers = summarise(measured("class_aware-gradual"))
figures.lines(
    range(21),
    {
        name: [layers[f"{key}_after_{d}"].mean for d in range(21)]
        for name, key in (
            ("flat half", "flat"),
            ("steepest tenth", "edges"),
            ("whole image", "all"),
        )
    },
    xlabel="layers",
    ylabel="PSNR (dB)",
    caption="Test photographs at σ = 25/255, mean of three seeds, not clipped. The loss sees the end of the curves only. "
    "From the ledger: claim class_aware-flat-first.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "The control is the point: both copies get the same number of further steps. Without it, more training would be mistaken for a class."}
# ## Experiment: class-aware
#
# We take two copies of the trained network and train both further, for as many steps: one on all three classes, one on
# text only. **Bets:** how much is it worth to know that it is text?

# %% slideshow={"slide_type": "-"}
known = {
    kind: drawn(kind, choose(smoke=2, lecture=60, full=400), seed=1) for kind in CLASSES
}
everything = [picture for pictures in known.values() for picture in pictures.values()]
further = choose(
    smoke=Budget(4, 2, 24), lecture=Budget(150, 8, 48), full=Budget(45_000, 64, 128)
)


def trained_further(pictures):
    own = copy.deepcopy(gradual).requires_grad_(True)
    return class_aware.train(
        pictures, noise=25 / 255, budget=further, seed=0, network=own
    ).model.cpu()


agnostic, for_text = trained_further(everything), trained_further(known["text"])
new = {
    kind: data.fixed_pairs(
        drawn(kind, choose(smoke=1, lecture=6, full=20), seed=2), Gaussian(25 / 255), seed=0
    )
    for kind in CLASSES
}
figures.table(
    {
        name: {kind: float(score(model, pairs).mean()) for kind, pairs in new.items()}
        for name, model in {
            "trained on photographs": gradual,
            "further on all three": agnostic,
            "further on text": for_text,
        }.items()
    },
    columns=CLASSES,
    best="max",
    caption="PSNR in dB at σ = 25/255 on new pictures of each class. All three networks have the same size.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Read the diagonal first, then a row: who knows much about one thing knows less about others. Then the last row."}
table = summarise(measured("class_aware-gaussian"))
photons = summarise(measured("class_aware-poisson"))
rows = (
    {"class-agnostic": "agnostic"}
    | {f"for {kind}": kind for kind in CLASSES}
    | {"a classifier chooses": "chooser"}
)
figures.table(
    {
        name: {kind: table[f"{key}_on_{kind}"].mean for kind in CLASSES}
        | {f"{kind}, 8 photons": photons[f"{key}_on_{kind}"].mean for kind in CLASSES}
        for name, key in rows.items()
    },
    best="max",
    caption="PSNR in dB, mean of three seeds. Left: Gaussian noise, σ = 25/255; right: Poisson noise with 8 photons at a white "
    "pixel. All networks were trained further by as many steps. From the ledger: claims class_aware-wins, "
    "class_aware-loses-elsewhere, class_aware-chooser, class_aware-poisson.",
)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Photographs this time, of people. Numbers only. The gain is smaller than for drawn classes, as in the paper."}
people = summarise(measured("class_aware-people"))
figures.table(
    {
        name: {
            "faces of other people": people[f"{key}_on_people"].mean,
            "photographs": people[f"{key}_on_photographs"].mean,
            "the paper's face": paper,
        }
        for name, key, paper in (
            ("class-agnostic", "agnostic", figures.Paper(30.50)),
            ("for faces", "aware", figures.Paper(30.88)),
        )
    },
    best="max",
    caption="Photographs of faces (ORL): trained further on those of 30 people, tested on 10 others, σ = 25/255. Mean of three "
    "seeds; claim class_aware-people. The paper's numbers are for one photograph.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "The classifier never sees a clean picture, neither in training nor here."}
# ## Who chooses?
#
# At test time nobody says what is in the picture. A small classifier, trained on *noisy* pictures of the classes, does:

# %% slideshow={"slide_type": "-"}
classifier, _ = class_aware.train_classifier(
    known,
    noise=25 / 255,
    seed=0,
    budget=choose(
        smoke=Budget(5, 6, 24), lecture=Budget(250, 12, 64), full=Budget(3000, 48, 64)
    ),
)
chooser = Chooser(
    classifier.cpu(), {"faces": agnostic, "text": for_text, "texture": agnostic}
)
figures.table(
    {
        f"σ = {level}": {
            kind: f"{sum(chooser.choose(noisy(to_float(picture), level, name))[0] == kind for name, picture in pictures.items())}"
            f" of {len(pictures)}"
            for kind, pictures in (
                (kind, drawn(kind, choose(smoke=2, lecture=12, full=50), seed=2))
                for kind in CLASSES
            )
        }
        for level in (25, 50, 100)
    },
    columns=CLASSES,
    caption="New pictures that were given to the right network. The classifier was trained at σ = 25/255 only.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Ask what they see in the third picture before you tell. A prior that is wrong does not stay quiet; it makes things up."}
# ## Break it: the wrong class
#
# What does the network for text make of a face?

# %% slideshow={"slide_type": "-"}
face = to_float(drawn("faces", 1, size=160, seed=3)["faces 0"])
grainy_face = noisy(face, 50, "face")
with torch.inference_mode():
    made = {
        "noisy, σ = 50": grainy_face,
        "for all classes": agnostic(grainy_face),
        "for text": for_text(grainy_face),
    }
figures.images(
    made,
    reference=face,
    columns=3,
    alt="A drawn face with strong noise, after the network for all classes, and after the network for text, which leaves "
    "strokes where there were none",
    caption="A face with more noise than in training. A narrow prior sees what it knows.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Class-awareness is a bet on the classifier. **The probe** is again what was removed: its deviation should be that of the
# noise, and it should not show what the class looks like.

# %% [markdown] slideshow={"slide_type": "skip"}
# For "What to remember":
#
# - Noise has a kind, not only a level. Train on the kind that the camera makes, and take real pairs where there are some.
# - Where an error costs more in one direction, say so in the loss. Then check the sign by hand.
# - A map between two networks can be supervised, looked at, and turned.
# - A narrower class of images is a stronger prior: better inside, worse outside.
# - Compare at equal size and equal steps, or more training is mistaken for the idea.

# %% slideshow={"slide_type": "skip"}
# For the quiz:
[
    Question(
        "The loss of CBDNet weighs an estimated noise level that is too low with …",
        [
            Option("0.7, more than one that is too high", correct=True),
            Option(
                "0.3, less than one that is too high",
                why="A level that is too low leaves noise in the image, which costs more. Some published code has it this way.",
            ),
            Option(
                "0.5, like one that is too high",
                why="That is the ordinary squared error. The loss is called asymmetric because it is not.",
            ),
        ],
    ),
    Question(
        "In training on real pairs, CBDNet leaves out the asymmetric loss because …",
        [
            Option("nobody knows the true noise level of a real photograph", correct=True),
            Option(
                "real noise is symmetric",
                why="The loss is about errors of the estimated level, not about the noise.",
            ),
            Option(
                "real photographs have no noise level map",
                why="They have one; noise is stronger where there is more light. It is just not known.",
            ),
        ],
    ),
    Question(
        "To show that knowing the class helps, one compares the network for text with …",
        [
            Option(
                "one of the same size, trained further by as many steps on all classes",
                correct=True,
            ),
            Option(
                "the network before it was trained further",
                why="Then a part of the gain is only more training.",
            ),
            Option(
                "the network for faces",
                why="That one is worse on text than a network for everything. It says little about what text knows.",
            ),
        ],
    ),
]

# %% [markdown] slideshow={"slide_type": "skip"}
# For the walks on your own:
#
# 1. Train a CBDNet with `alpha=0.7` and look at its map beside that of `cbdnet-camera-w16`.
# 2. Give `Gradual` a depth of 5. Which of the classes suffers most, and why that one?
# 3. Draw a fourth class, and let the chooser meet it without having been trained on it. Where does it send it?
#
# For "Further reading":
#
# - S. Guo, Z. Yan, K. Zhang, W. Zuo, L. Zhang: *Toward Convolutional Blind Denoising of Real Photographs*, CVPR 2019.
# - S. Nam, Y. Hwang, Y. Matsushita, S. J. Kim: *A Holistic Approach to Cross-Channel Image Noise Modeling and Its
#   Application to Image Denoising*, CVPR 2016. The 25 real pairs.
# - W. K. Newey, J. L. Powell: *Asymmetric Least Squares Estimation and Testing*, Econometrica 1987. Where expectiles come from.
# - T. Remez, O. Litany, R. Giryes, A. M. Bronstein: *Class-Aware Fully Convolutional Gaussian and Poisson Denoising*, IEEE
#   TIP 2018.
