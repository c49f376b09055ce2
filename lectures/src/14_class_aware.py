# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "Change of subject: so far we widened what noise may be. Now we narrow down what an image may be."}
# ## From all noises to one kind of image
#
# So far, robust meant: more kinds of noise. One can also go the other way: what if we know what is *in* the
# picture? A denoiser uses knowledge of images, and much more is known about faces than about photographs in general.
# Our own code draws three classes, as many pictures as we like:

# %% slideshow={"slide_type": "-"}
import copy

import torch

from course_lib import data, figures, zoo
from course_lib.claims.cite import cite
from course_lib.data.drawn import CLASSES, drawn
from course_lib.data.images import to_float
from course_lib.denoise import class_aware
from course_lib.denoise.class_aware import Chooser, Gradual
from course_lib.denoiser import score
from course_lib.noise import Gaussian
from course_lib.profiles import Budget, choose
from course_lib.quality import psnr
from course_lib.randomness import generator
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

train_images, test_images = data.photographs("train"), data.photographs("test")
scene = to_float(test_images["camera"])[..., 60:252, 140:332]  # (1, 1, 192, 192)


def noisy(y, level, *name):
    """A picture with noise of so many gray levels of 255, always the same for the same names."""
    return Gaussian(level / 255)(y, generator=generator(0, "lecture 11", *map(str, name)))


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

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "Draw the volume: 64 channels in, one leaves, 63 go on. Ask what the first layer can see: three by three pixels."}
# ## A network that shows what each layer does
#
# The network of Remez, Litany, Giryes and Bronstein (IEEE TIP 2018) has 20 convolutions of $3 \times 3$ with 64 channels.
# One channel of each is split off, before the ReLU: it is that layer's own **noise estimate**. The other 63 go on. All
# that was split off is subtracted from the input:
#
# $$\hat y = z - \sum_{d=1}^{20} \eta_d, \qquad \eta_d = -\tfrac{1}{10} \times \text{channel 0 of layer } d .$$
#
# So the image can be shown after every layer, $z - \eta_1 - \dots - \eta_d$: the noise is removed gradually.

# %% slideshow={"slide_type": "-"}
figures.code(Gradual.noise_estimates)

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

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "notes": "The loss sees the last image only, not those half-way. Ask why the images in between are nevertheless better and better."}
# A layer sees $(2d+1) \times (2d+1)$ pixels, so the first ones see little. **Predict** the two curves: which parts
# of the image are clean first, flat ones or edges?

# %% slideshow={"slide_type": "-"}
layers = cite("class_aware-gradual")
where = {"flat half": "flat", "steepest tenth": "edges", "whole image": "all"}
figures.lines(
    range(21),
    layers.lines(where, range(21), "{}_after_{}"),
    xlabel="layers",
    ylabel="PSNR (dB)",
    caption="Test photographs at σ = 25/255, mean of three seeds, not clipped. The loss sees the end of the curves only.",
    note=layers.about("class_aware-flat-first"),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The paper says that the first layers clean flat parts and the last ones edges. In our small network the claim
# class_aware-flat-first fails: the curve of the edges stops rising first. Edges gain little in all, and this gain needs few
# pixels only. A flat part is averaged over as many pixels as a layer can see, and still gets better when there are more.
# If you bet on "flat first", you agreed with the paper.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "notes": "The control is the point: both copies get the same number of further steps. Without it, more training would be mistaken for a class."}
# ## Experiment: class-aware
#
# We take two copies of the trained network and train both further, for as many steps: one on all three classes, one on
# text only. **Bet:** how much does it gain to know that the picture is text?

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

# %% slideshow={"slide_type": "subslide", "minutes": 4, "notes": "Read the diagonal first, then a row: a network that is better on one class is worse on others. Then the last row."}
gaussian, photons = cite("class_aware-gaussian"), cite("class_aware-poisson")
rows = (
    {"class-agnostic": "agnostic"}
    | {f"for {kind}": kind for kind in CLASSES}
    | {"a classifier chooses": "chooser"}
)
lit = {f"{kind}, 8 photons": kind for kind in CLASSES}
figures.table(
    {
        name: gaussian.row(CLASSES, f"{key}_on_{{}}") | photons.row(lit, f"{key}_on_{{}}")
        for name, key in rows.items()
    },
    best="max",
    caption="PSNR in dB, mean of three seeds. Left: Gaussian noise, σ = 25/255; right: Poisson noise with 8 photons at a white "
    "pixel. All networks were trained further by as many steps.",
    note=[gaussian, photons],
)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Photographs this time, of people. Numbers only. The gain is smaller than for drawn classes, as in the paper."}
people = cite("class_aware-people")
rows = {
    name: people.row(
        {"faces of other people": "people", "photographs": "photographs"}, f"{key}_on_{{}}"
    )
    | people.row({"the paper's face": key}, "{}_on_people", paper=True)
    for name, key in {"class-agnostic": "agnostic", "for faces": "aware"}.items()
}
figures.table(
    rows,
    paper=["the paper's face"],
    best="max",
    caption="Photographs of faces (ORL): trained further on those of 30 people, tested on 10 others, σ = 25/255. Mean of three "
    "seeds. The paper's numbers are for one photograph.",
    note=people,
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "notes": "The classifier never sees a clean picture, neither in training nor here."}
# ## Who chooses?
#
# At test time the class of the picture is not given. A small classifier, trained on *noisy* pictures of the classes,
# estimates it. With Gaussian noise it is right so often that hardly anything is lost. With photon noise it gave some pages of
# text to the wrong network, and at one seed this cost more than the known class had gained: so the claim
# class_aware-poisson fails.

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

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "notes": "Ask what they see in the third picture before you explain it. A wrong prior adds structures that are not there."}
# ## Break it: the wrong class
#
# What is the result of the network for text on a face?

# %% slideshow={"slide_type": "-"}
face = to_float(drawn("faces", 1, size=160, seed=3)["faces 0"])
grainy_face = noisy(face, 25, "face")
with torch.inference_mode():
    made = {
        "noisy, σ = 25": grainy_face,
        "for all classes": agnostic(grainy_face),
        "for text": for_text(grainy_face),
    }
figures.images(
    made,
    reference=face,
    columns=3,
    zoom=(40, 60, 40),
    alt="A drawn face with noise, after the network for all classes, and after the network for text, which leaves specks "
    "and short strokes where there were none",
    caption="Noise as in training, a picture of another class. The network for text leaves specks: it keeps everything that could be "
    "a piece of a stroke.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# A class-aware denoiser depends on the classifier. **The probe** is again what was removed: its deviation should be that of
# the noise, and it should not show what the class looks like.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "Go round: one sentence each."}
# ## What to remember
#
# - A network with additive constants is fitted to the noise levels of its training, and fails outside of them.
# - Without constants, $f(az) = a f(z)$: strong noise is faint noise in a darker image. This is far better than failing, but
#   not the same as training on strong noise.
# - Scaling by hand, $a f(z/a)$, needs the level; a bias-free network does not.
# - Then $f(z) = A_z z$: each pixel has a filter, exactly, and one backward pass shows it.
# - The filters average along edges. With more noise they are wider, and fewer dimensions are left.
# - Check the equation, not the code: multiply the input by two and compare. Count the pixels that were clipped.
# - Noise has a kind, not only a level. Train on the kind that the camera makes, and take real pairs where there are some.
# - Where an error costs more in one direction, give it more weight in the loss. Then check the sign by hand.
# - A narrower class of images is a stronger prior: better inside, worse outside. Compare at equal size and equal steps.

# %% slideshow={"slide_type": "subslide"}
Quiz.parse("""
The loss of CBDNet weighs an estimated noise level that is too low with …
- [x] 0.7, more than one that is too high
- [ ] 0.3, less than one that is too high | A level that is too low leaves noise in the
  image, which costs more. Some published code has it this way.
- [ ] 0.5, like one that is too high | That is the ordinary squared error. The loss is
  called asymmetric because it is not.

In training on real pairs, CBDNet leaves out the asymmetric loss because …
- [x] the true noise level of a real photograph is unknown
- [ ] real noise is symmetric | The loss is about errors of the estimated level, not about
  the noise.
- [ ] real photographs have no noise level map | They have one; noise is stronger where
  there is more light. It is only unknown.

To show that knowing the class helps, one compares the network for text with …
- [x] one of the same size, trained further by as many steps on all classes
- [ ] the network before it was trained further | Then a part of the gain is only more
  training.
- [ ] the network for faces | That one is worse on text than a network for everything. It
  says little about the gain on text.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercise
#
# A graded problem is in the [exercise notebook](../exercises/student/14_class_aware.ipynb): the image after each layer of a gradual network. It is checked at once, and the
# message for a wrong answer says what was mixed up.
