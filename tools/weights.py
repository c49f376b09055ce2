"""Train the weights that the lectures show, each with its card: `python -m tools.weights [NAME ...]`.

A training that is killed goes on where it was when the same command is given again. Weights whose recipe has not
changed are left alone; `--force` trains them anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from course_lib import data, manifest, profiles, provenance, zoo
from course_lib.denoiser import score
from course_lib.noise import Gaussian
from course_lib.recipes import RECIPES, Recipe


def make(name: str, recipe: Recipe, checkpoints: Path) -> zoo.Card:
    """Train, score and store one set of weights."""
    checkpoint = checkpoints / f"{name}-{recipe.fingerprint()}.safetensors"
    trained = recipe.learn(checkpoint=checkpoint)
    rounded = {key: value.half().to(value.dtype) if value.is_floating_point() else value
               for key, value in trained.model.state_dict().items()}
    trained.model.load_state_dict(rounded)   # what is scored is what is stored
    pictures = data.photographs("test", channels=recipe.arguments.get("channels", 1))
    quality = {f"photographs_{level}": float(score(
        trained.model, data.fixed_pairs(pictures, Gaussian(level / 255), seed=0), sigma=level / 255).mean())
        for level in recipe.scored_at} | (recipe.judge(trained.model) if recipe.judge else {})
    card = zoo.Card(
        name=name, cls=f"{recipe.cls.__module__}.{recipe.cls.__qualname__}", arguments=recipe.arguments,
        recipe=f"{recipe.train.__module__}.{recipe.train.__qualname__}",
        recipe_arguments={**recipe.train_arguments, "steps": recipe.budget.steps, "batch": recipe.budget.batch,
                          "patch": recipe.budget.patch},
        data=drawn_by(recipe) or {"photographs": data.content_hash("photographs")}, seed=recipe.seed,
        quality=quality | {"seconds": trained.history.seconds}, fingerprint=recipe.fingerprint(),
        stamp=provenance.stamp())
    zoo.save(trained, card)
    checkpoint.unlink()
    return card


def drawn_by(recipe: Recipe) -> dict[str, str]:
    """The pictures that our own code draws, by the function that draws them; empty for photographs."""
    return {recipe.pictures.func.__name__: provenance.fingerprint(recipe.pictures.func)} if recipe.pictures else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones; all: {', '.join(RECIPES)}")
    parser.add_argument("--force", action="store_true", help="train anew what is fresh")
    chosen = parser.parse_args()
    checkpoints = manifest.find_root() / "build" / "weights"
    with profiles.using("lecture"):
        for name in chosen.names or RECIPES:
            recipe = RECIPES[name]
            if name in zoo.names() and zoo.card(name).fingerprint == recipe.fingerprint() and not chosen.force:
                print(f"{name}: fresh")
                continue
            card = make(name, recipe, checkpoints)
            print(f"{name}: {', '.join(f'{key} {value:.2f}' for key, value in card.quality.items())}", flush=True)


if __name__ == "__main__":
    main()
