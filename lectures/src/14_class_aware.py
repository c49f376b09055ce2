# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Same network, same noise, and its training was on this noise. Ask what a person would do with the page of text that the network does not: a person knows that there is paper and ink."}
# ## A denoiser that does not know what it sees
#
# This network was trained on photographs, at white noise of $\sigma = 25/255$. It gets a photograph with this noise, and a
# page of text with the same noise.

# %% slideshow={"slide_type": "-"}
import copy

import torch

from course_lib import data, figures, zoo
from course_lib.claims.answers import answer
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


# %% slideshow={"slide_type": "skip"}
def noisy(y, level, *name):
    """A picture with noise of so many gray levels of 255, always the same for the same names."""
    return Gaussian(level / 255)(y, generator=generator(0, "lecture 11", *map(str, name)))


scene = to_float(data.photographs("test")["camera"])[
    ..., 60:220, 170:330
]  # (1, 1, 160, 160)
page = to_float(drawn("text", 1, size=96, seed=3)["text 0"])
gradual = zoo.load(Gradual, "class_aware-s25-w16")
noisy_scene, noisy_page = noisy(scene, 25, "scene"), noisy(page, 25, "page")
with torch.inference_mode():
    clean_scene, clean_page = gradual(noisy_scene), gradual(noisy_page)

# %% slideshow={"slide_type": "-"}
alt = """A photograph with noise, and clean after the network; a page of words with the same noise, and after the network
with gray smears between the letters"""
figures.images(
    {
        f"a photograph\n{psnr(noisy_scene, scene).item():.2f} dB": noisy_scene,
        f"denoised\n{psnr(clean_scene, scene).item():.2f} dB": clean_scene,
        f"a page\n{psnr(noisy_page, page).item():.2f} dB": noisy_page,
        f"denoised\n{psnr(clean_page, page).item():.2f} dB": clean_page,
    },
    columns=4,
    alt=alt,
    caption="The same network and noise of the same level. Compare what it gains on each.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# You know that a page is paper and ink, with little between. The network has never seen a letter: it treats strokes as the
# edges of photographs. What would it gain if it knew what is in the picture?

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "Each picture is drawn from random numbers, no two are alike, and we have as many as we like. The paper uses photographs of faces, pets, flowers, living rooms and streets."}
# ## The idea: one network for each class
#
# A denoiser uses what it knows of images, and of a class one can know much more than of images in general. Remez, Litany,
# Giryes and Bronstein (IEEE TIP 2018) train one network for each class. Our own code draws three classes.

# %% slideshow={"slide_type": "-"}
alt = """Two drawn faces, two pieces of pages of random words, two pieces of woven cloth"""
figures.images(
    {
        f"{kind}{' ' * i}": to_float(picture)
        for kind in CLASSES
        for i, picture in enumerate(drawn(kind, 2).values())
    },
    columns=6,
    alt=alt,
    caption="Faces, text, texture: what is common to the pictures of a class is what a network can learn.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "It is the law of total expectation. Ask what follows for a huge network for everything: if the class can be seen in z, it need not lose anything. What the class buys is a matter of size, of the field of view, and of doubt."}
# ## What a class is worth
#
# The best estimate in the mean square is the mean of all images that could have led to $z$. Split these images by their
# class $k$:
#
# $$\mathbb E[\,y \mid z\,] = \sum_k P(k \mid z)\; \mathbb E[\,y \mid z, k\,]. \tag{1}$$
#
# - $\mathbb E[y \mid z, k]$ is what the network for class $k$ learns.
# - $P(k \mid z)$ is what a **classifier** of noisy pictures learns. Where it is sure, one term is left.
# - The left side is what one network for everything should learn, if it has room for all classes and sees enough of the
#   picture to tell them apart. Knowing the class helps a network that is small, or sees little.

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 3, "path": "core", "notes": "One pixel. If it is text, it is black or white; if it is a gray picture, it may be anything. Same noisy value, other best estimates."}
# ### One pixel, two classes
#
# As text a pixel is 0.1 or 0.9; in a gray picture it has any value in between. The noise has $\sigma = 0.25$.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
values = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
classes = {"text": torch.zeros(9).double(), "gray": torch.full((9,), 1 / 9).double()}
classes["text"][[0, 8]] = 1 / 2  # how probable each value is in each class


def weigh(z, prior):
    weights = torch.exp(-((z - values) ** 2) / (2 * 0.25**2)) * prior
    return weights.sum(), (weights * values).sum() / weights.sum()


for z in (0.5, 0.6, 0.7):
    (text, as_text), (gray, as_gray) = (weigh(z, prior) for prior in classes.values())
    _, in_doubt = weigh(z, (classes["text"] + classes["gray"]) / 2)
    mixture = (text * as_text + gray * as_gray) / (text + gray)
    print(f"z = {z}: as text {as_text:.2f}, as gray {as_gray:.2f}, in doubt {in_doubt:.2f}")
    print("   equation (1), within 1e-12:", abs(mixture - in_doubt).item() < 1e-12)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Draw the volume: 64 channels, one leaves, 63 go on. Ask what the first layer can see: three by three pixels. The split before the ReLU, the factor 1/10 and the 0.5 are not in the text of the paper; they are in the authors' code."}
# ## A network that shows what each layer does
#
# The network of the paper has $D = 20$ convolutions of $3 \times 3$ with 64 channels. One channel of each is split off: that
# layer's own **noise estimate** $\eta_d$. The others go on through a ReLU. All that was split off is subtracted:
#
# $$\hat y = z - \eta_1 - \dots - \eta_D .$$
#
# So the image can be looked at after every layer $d$, as $z - \eta_1 - \dots - \eta_d$. From the authors' code: the first layer
# sees $z - 0.5$, and $\eta_d$ is $-\tfrac{1}{10}$ of the channel that is split off, before the ReLU.


# %% slideshow={"slide_type": "-"}
def one_layer(layer, passed):  # passed: (1, 15, H, W), but (1, 1, H, W) at first
    channels = layer(passed)  # (1, 16, H, W)
    eta = -channels[:, :1] / 10  # this layer's noise estimate
    return eta, channels[:, 1:].relu()


# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
with torch.inference_mode():
    library = gradual.noise_estimates(noisy_scene)
    eta, passed = one_layer(gradual.layers[0], noisy_scene - 0.5)
    print("layer 1 as in the library:", torch.equal(eta, library[0]))
    eta, passed = one_layer(gradual.layers[1], passed)
    print("layer 2 as in the library:", torch.equal(eta, library[1]))
    output = noisy_scene - class_aware.sum_of(library)
    print("output = input - their sum, bit for bit:", torch.equal(output, clean_scene))
print("layers:", len(gradual.layers), "of", gradual.layers[0].out_channels, "channels")
paper = Gradual()
print("parameters of the paper's network:", sum(w.numel() for w in paper.parameters()))

# %% slideshow={"slide_type": "skip"}
figures.code(class_aware.train, class_aware.step)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 1, "notes": "For reading, not for talking."}
# ### The letters of this lecture
#
# | letter | is |
# |---|---|
# | $y$, $z$, $\hat y$ | clean image, noisy image, estimate |
# | $\sigma$ | standard deviation of the noise |
# | $k$ | class of a picture: faces, text or texture |
# | $P(k \mid z)$ | how probable the class is, given the noisy picture |
# | $D$, $d$ | number of layers, and one of them |
# | $\eta_d$ | what layer $d$ takes away |

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Move the slider slowly. Stop where the sky is clean and the man is not. Then look at the estimates of the last layers."}
# ## Play: the image after each layer

# %% slideshow={"slide_type": "skip"}
with torch.inference_mode():
    stages = [noisy_scene, *gradual.gradually(noisy_scene)]
    taken = [torch.zeros_like(noisy_scene), *gradual.noise_estimates(noisy_scene)]
largest = max(float(part.abs().max()) for part in taken)


# %% slideshow={"slide_type": "-"}
def after(layer):
    return {
        f"after layer {layer}" if layer else "the input": stages[layer].clamp(0, 1),
        "taken away by this layer" if layer else "nothing yet": 0.5
        + 0.5 * taken[layer] / largest,
    }


Player(
    render=after,
    axes=(
        Axis("layer", tuple(range(gradual.depth + 1)), "Layer", start=gradual.depth // 4),
    ),
    alt=lambda layer: (
        f"A noisy photograph of a man with a camera after {layer} of {gradual.depth} layers, and beside it, on "
        "gray, what the last of these layers took away"
    ),
    note=lambda layer: f"PSNR {psnr(stages[layer], scene).item():.2f} dB",
    caption="Gradual denoising: the image after each layer, and that layer's noise estimate (gray is nothing).",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "The loss sees the last image only, not those half-way. The paper says that the first layers clean flat parts and the last ones edges."}
# ## Experiment: which parts are clean first?
#
# After $d$ layers an estimate has seen $(2d+1) \times (2d+1)$ pixels, so the first layers see little. The loss sees the image
# after the last layer only. **Predict:** which parts of the picture come within a decibel of their end first, flat ones or
# edges?

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Edges gain little in all, and this gain needs few pixels. A flat part is averaged over as many pixels as a layer can see, and gains from more."}
layers = cite("class_aware-gradual")
where = {"flat half": "flat", "steepest tenth": "edges", "whole image": "all"}
figures.lines(
    range(21),
    layers.lines(where, range(21), "{}_after_{}"),
    xlabel="layers",
    ylabel="PSNR (dB)",
    caption="Test photographs at σ = 25/255, mean of three seeds, not clipped.",
    note=layers.about("class_aware-flat-first"),
)

# %% slideshow={"slide_type": "-"}
answer(
    f"Edges, after {20 * layers['edges_depth']:.0f} of 20 layers; flat parts take {20 * layers['flat_depth']:.0f}. The paper says it the "
    "other way round, and the claim made from it fails for our small network.",
    holds=layers["edges_depth"] < layers["flat_depth"],
    otherwise=f"Flat parts after {20 * layers['flat_depth']:.0f} of 20 layers, edges after {20 * layers['edges_depth']:.0f}.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 5, "path": "core", "notes": "The control is the point: all copies get the same number of further steps. Without it, more training would be mistaken for a class."}
# ## Experiment: class-aware
#
# We take copies of the trained network and train each one further, for as many steps: one on all three classes, one on
# text only, one on faces only. **Predict:** how many decibels does the network for text gain on new pages over the
# one for all classes?

# %% slideshow={"slide_type": "-"}
count = choose(smoke=2, lecture=60, full=400)
known = {kind: drawn(kind, count, seed=1) for kind in CLASSES}
everything = [picture for pictures in known.values() for picture in pictures.values()]
steps = choose(
    smoke=Budget(4, 2, 24), lecture=Budget(150, 8, 48), full=Budget(45_000, 64, 128)
)


def trained_further(pictures):
    own = copy.deepcopy(gradual).requires_grad_(True)
    trained = class_aware.train(pictures, noise=25 / 255, budget=steps, seed=0, network=own)
    return trained.model.cpu()


# %% slideshow={"slide_type": "skip"}
for_all = trained_further(everything)
for_text, for_faces = trained_further(known["text"]), trained_further(known["faces"])
tests = choose(smoke=1, lecture=6, full=20)
new = {
    kind: data.fixed_pairs(drawn(kind, tests, seed=2), Gaussian(25 / 255), seed=0)
    for kind in CLASSES
}
networks = {
    "trained on photographs": gradual,
    "further on all three": for_all,
    "further on text": for_text,
    "further on faces": for_faces,
}

# %% slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "Read the column of text first, then the rows: a network that gains on one class loses on the others. The answer is that of the stored results: three seeds, more than three times as many further steps."}
gaussian = cite("class_aware-gaussian")
figures.table(
    {
        name: {kind: float(score(model, pairs).mean()) for kind, pairs in new.items()}
        for name, model in networks.items()
    },
    columns=CLASSES,
    best="max",
    caption="PSNR in dB at σ = 25/255 on new pictures of each class, after the short training above.",
    note=gaussian.about("class_aware-wins", "class_aware-loses-elsewhere"),
)

# %% slideshow={"slide_type": "-"}
answer(
    gaussian.compare("text_on_text", "agnostic_on_text").sentence(
        "in a longer training, the network for text",
        "the one for all classes",
        what="PSNR on new pages",
        unit="dB",
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "The right half is photon noise, with 8 photons at a white pixel: much stronger."}
# ## Experiment: three classes and two kinds of noise
#
# The stored results have all classes, and photon noise of eight photons at a white pixel as well. **Predict:** which class
# gains most from being known, faces, text or texture?

# %% slideshow={"slide_type": "subslide", "minutes": 3, "notes": "Read the diagonal first, then a row: a network that gains on one class loses on the others. Then the last row."}
photons = cite("class_aware-poisson")
rows = {
    "class-agnostic": "agnostic",
    "for faces": "faces",
    "for text": "text",
    "for texture": "texture",
    "a classifier chooses": "chooser",
}
lit = {
    "faces, 8 photons": "faces",
    "text, 8 photons": "text",
    "texture, 8 photons": "texture",
}
figures.table(
    {
        name: gaussian.row(CLASSES, f"{key}_on_{{}}") | photons.row(lit, f"{key}_on_{{}}")
        for name, key in rows.items()
    },
    best="max",
    caption="PSNR in dB, mean over the seeds. Left: Gaussian noise, σ = 25/255. All networks were trained further by as many steps.",
    note=[gaussian, photons],
)

# %% slideshow={"slide_type": "-"}
answer(
    f"Faces: {gaussian['faces_on_faces'] - gaussian['agnostic_on_faces']:.1f} dB with Gaussian noise, against "
    f"{gaussian['texture_on_texture'] - gaussian['agnostic_on_texture']:.1f} for texture and "
    f"{gaussian['text_on_text'] - gaussian['agnostic_on_text']:.1f} for text.",
    holds=gaussian["faces_on_faces"] - gaussian["agnostic_on_faces"]
    > gaussian["texture_on_texture"] - gaussian["agnostic_on_texture"],
)

# %% slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Photographs this time, of people. Numbers only. The gain is smaller than for drawn classes, as in the paper."}
people = cite("class_aware-people")
shown_on = {"faces of other people": "people", "photographs": "photographs"}
figures.table(
    {
        name: people.row(shown_on, f"{key}_on_{{}}")
        | people.row({"the paper's face": key}, "{}_on_people", paper=True)
        for name, key in {"class-agnostic": "agnostic", "for faces": "aware"}.items()
    },
    paper=["the paper's face"],
    best="max",
    caption="PSNR in dB on photographs of faces (ORL), trained further on 30 people, tested on 10 others, σ = 25/255. The paper's "
    "numbers are for one photograph.",
    note=people,
)

# %% slideshow={"slide_type": "-"}
answer(
    people.compare("aware_on_people", "agnostic_on_people").sentence(
        "on real faces, the network for faces",
        "the class-agnostic one",
        what="PSNR",
        unit="dB",
    )
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "The classifier never sees a clean picture, neither in training nor here. Equation (1) would average; the chooser takes the largest term."}
# ## Who chooses?
#
# At test time nobody says what is in the picture. A small classifier, trained on *noisy* pictures of the classes, estimates
# $P(k \mid z)$, and of the sum in (1) we keep the largest term: the network of the most probable class.


# %% slideshow={"slide_type": "-"}
def choose_and_denoise(z, classifier, networks):
    scores = classifier(z)  # (1, 3): one score for each class
    kind = list(networks)[scores.argmax()]
    return kind, networks[kind](z)


# %% slideshow={"slide_type": "skip"}
classifier, _ = class_aware.train_classifier(
    known,
    noise=25 / 255,
    seed=0,
    budget=choose(
        smoke=Budget(5, 6, 24), lecture=Budget(250, 12, 64), full=Budget(3000, 48, 64)
    ),
)
classifier = classifier.cpu()
of_class = {"faces": for_faces, "text": for_text, "texture": for_all}

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
chooser = Chooser(classifier, of_class)
with torch.inference_mode():
    kind, estimate = choose_and_denoise(noisy_page, classifier, of_class)
    print("the library chooses the same class:", chooser.choose(noisy_page) == [kind])
    print("and returns the same estimate:", torch.equal(chooser(noisy_page), estimate))

# %% slideshow={"slide_type": "skip"}
figures.code(Chooser)

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 2, "notes": "Read both sentences slowly. The classifier gave some pages to the wrong network, and one wrong choice costs many decibels."}
# What is left of the gain when the classifier chooses? For pages of text, from the stored results:

# %% slideshow={"slide_type": "-"}
answer(
    gaussian.compare("chooser_on_text", "agnostic_on_text").sentence(
        "the chooser",
        "the class-agnostic network",
        what="PSNR on pages with Gaussian noise",
        unit="dB",
    )
)

# %% slideshow={"slide_type": "-"}
answer(
    photons.compare("chooser_on_text", "agnostic_on_text").sentence(
        "the chooser",
        "the class-agnostic network",
        what="PSNR on pages with photon noise",
        unit="dB",
    )
)

# %% [markdown] slideshow={"slide_type": "-"}
# A wrong choice costs many decibels: see the networks for faces and for texture on text. What you gain by the class on many
# pictures you can lose on one.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "notes": "Ask what a classifier looks at when it has seen one level of noise only."}
# ## Experiment: a level that the classifier never met
#
# The classifier was trained at $\sigma = 25/255$ only. Now the pictures come with noise of 50 and of 100. **Predict:** which
# class does it name most often?

# %% slideshow={"slide_type": "skip"}
asked = choose(smoke=2, lecture=12, full=50)
named = {
    level: {
        kind: [
            chooser.choose(noisy(to_float(picture), level, name))[0]
            for name, picture in drawn(kind, asked, seed=2).items()
        ]
        for kind in CLASSES
    }
    for level in (25, 50, 100)
}

# %% slideshow={"slide_type": "-"}
figures.table(
    {
        f"σ = {level}": {
            kind: f"{names.count(kind)} of {len(names)}" for kind, names in found.items()
        }
        for level, found in named.items()
    },
    columns=CLASSES,
    caption="New pictures of each class that were given to the right network.",
)

# %% slideshow={"slide_type": "-"}
answer(
    f"Text: at noise of 100 it calls {sum(names.count('text') for names in named[100].values())} of {3 * asked} pictures text, at 25 it "
    f"called {sum(names.count('text') for names in named[25].values())} of them so.",
    holds=sum(names.count("text") for names in named[100].values()) > 2 * asked,
    otherwise="In this run it called "
    f"{sum(names.count('text') for names in named[100].values())} of {3 * asked} pictures text at noise of 100.",
)

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 4, "path": "core", "notes": "Ask what they see in the last picture before you explain it. A wrong prior removes structures that it does not know."}
# ## Break it: the wrong class
#
# Give the noisy page to the network for faces. **Predict:** is its estimate nearer to the clean page than the noisy page
# itself?

# %% slideshow={"slide_type": "skip"}
with torch.inference_mode():
    of_page = {"noisy page": noisy_page} | {
        f"for {name}": network(noisy_page)
        for name, network in (("all", for_all), ("text", for_text), ("faces", for_faces))
    }
scores = {name: psnr(estimate, page).item() for name, estimate in of_page.items()}

# %% slideshow={"slide_type": "-"}
alt = """A page of text with noise, and after three networks: that for all classes and that for text show the letters, that
for faces has blurred them"""
figures.images(
    of_page,
    reference=page,
    columns=4,
    alt=alt,
    caption="Noise as in training. A face has no strokes: the network for faces smooths them away.",
)

# %% slideshow={"slide_type": "-"}
answer(
    f"No: the noisy page has {scores['noisy page']:.1f} dB, the estimate of the network for faces {scores['for faces']:.1f} dB.",
    holds=scores["for faces"] < scores["noisy page"] - 1,
    otherwise=f"In this run the noisy page has {scores['noisy page']:.1f} dB and the estimate {scores['for faces']:.1f} dB.",
)

# %% slideshow={"slide_type": "skip"}
face = to_float(drawn("faces", 1, size=160, seed=3)["faces 0"])
cases = {
    "a page, for text": (noisy_page, page, for_text),
    "a page, for faces": (noisy_page, page, for_faces),
    "a face, for faces": (noisy(face, 25, "face"), face, for_faces),
    "a face, for text": (noisy(face, 25, "face"), face, for_text),
}
probe = {}
for name, (z, y, network) in cases.items():
    with torch.inference_mode():
        estimate = network(z)
    removed = 255 * (z - estimate).std().item()
    probe[name] = {"removed (of 255)": removed, "PSNR (dB)": psnr(estimate, y).item()}

# %% [markdown] slideshow={"slide_type": "subslide", "minutes": 4, "path": "core", "notes": "The probe needs no clean image, only the level. It finds the page, and it misses the face: there the wrong network costs some decibels and removes no more than the noise."}
# ### The probe: was more removed than the noise?
#
# The noise has a deviation of 25. Whoever removes more has removed a part of the picture.

# %% slideshow={"slide_type": "-"}
figures.table(
    probe,
    digits=1,
    caption="Deviation of what each network removed, and its score, which needs the clean picture.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# On the page the wrong network gives itself away. On the face the wrong network loses decibels and removes no more than the
# noise, so this probe misses it: too much finds a wrong class, a right amount proves nothing.

# %% [markdown] slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "Go round: one sentence each."}
# ## What to remember
#
# - A narrower class of images is a stronger prior: it gains inside the class, and loses outside of it.
# - Compare at equal size and equal steps: a control that is trained further on everything.
# - The best estimate without the class is the mean of the estimates of the classes, weighted by how probable each is.
# - A classifier of noisy pictures can choose the network. It has a range of training, too, and its errors are dear.
# - A network whose layers each take away a part of the noise can be watched at work. Check what was removed against the noise.

# %% slideshow={"slide_type": "subslide", "minutes": 2, "path": "core", "notes": "Let everyone answer alone first."}
Quiz.parse("""
To show that knowing the class helps, one compares the network for text with …
- [ ] the same network before it was trained further | Then a part of the gain is only more
  training.
- [x] one of the same size, trained as much further on all classes
- [ ] the network for faces, on pages of text | That one is bad on text for a reason of its own. It
  says little about the gain on text.
""")

# %% slideshow={"slide_type": "slide", "minutes": 1.5}
Quiz.parse("""
A classifier is sure of the class of z. What does equation (1) say of the best estimate?
- [ ] It is the mean of the estimates of all classes. | The weights are P(k | z), and one of them
  is about 1.
- [x] It is the estimate of the network for this class. | One term of the sum is left.
- [ ] It is the estimate of the network for all classes, minus that of the others. | Nothing is
  subtracted: the terms are added with weights that sum to one.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5}
Quiz.parse("""
The channel that a layer takes away is split off before the ReLU because …
- [x] noise has both signs
- [ ] the ReLU would be too slow there | It costs next to nothing.
- [ ] the ReLU is not linear | The other channels pass one, and that is what makes the network more
  than one filter.
""")

# %% slideshow={"slide_type": "subslide", "minutes": 1.5}
Quiz.parse("""
At σ = 25 a network removes a part with deviation 40. What do you know without the clean picture?
- [ ] that the noise was stronger than you thought, and was removed | That is possible only if the
  level is wrong. With σ = 25 known, the rest was picture.
- [x] that it has removed a part of the picture
- [ ] nothing, as the noise of one picture can be anything | Over thousands of pixels the deviation
  of the noise is its σ within a few per cent.
""")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Exercise
#
# A graded problem is in the [exercise notebook](../exercises/student/14_class_aware.ipynb): the image after each layer of a gradual
# network. It is checked at once, and the message for a wrong answer says what was mixed up.
#
# To explore on your own:
#
# 1. Give `Gradual` a depth of 5 and train it further on each class. Which of them suffers most, and why that one?
# 2. Draw a fourth class, and give it to the classifier without training on it. Which network does it choose?
# 3. Replace the choice by the weighted mean of equation (1), with the softmax of the scores as $P(k \mid z)$. Does it rescue the
#    pages that the classifier gave to the wrong network?
#
# ## Further reading
#
# - T. Remez, O. Litany, R. Giryes, A. M. Bronstein: *Class-Aware Fully Convolutional Gaussian and Poisson Denoising*, IEEE
#   Transactions on Image Processing 2018.
# - D. Zoran, Y. Weiss: *From Learning Models of Natural Image Patches to Whole Image Restoration*, ICCV 2011. A prior that is a
#   mixture of classes of patches, with the same sum as equation (1).
