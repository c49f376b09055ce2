"""The form of a lecture: a core of one hour, cells that are folded, predictions that are answered.

`python -m tools.form [LECTURE ...]` prints the planned minutes and slides of each lecture, and what is out of form.

A slide says `"path": "core"` where it belongs to the hour that tells the whole argument; all others are *more*. Cells
that join a slide have the path of it. Cells that only plot, play, quote or quiz are folded, and a quiz's source is
never shown. A prediction is a cell of text with a bold **Predict**, and some cell after it calls `answer`.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from course_lib import manifest
from tools.percent import Cell, parse

CORE_MINUTES, CORE_SLIDES, WHOLE_MINUTES, VISIBLE_LINES = 60, 14, 100, 25
TITLE_SLIDES = 1   # the generated title is a slide, too
BEGINS = ("slide", "subslide")
SHOWING = ("figures", "answer", "cite", "display", "Quiz", "Player", "Forces", "Photograph")
PLAYING = ("Player", "Forces", "Photograph")
PREDICTION = re.compile(r"\*\*(Predict|Bet|Guess|Draw|Before you)\b[^*]*\*\*")


@dataclass(frozen=True)
class Plan:
    """What a lecture plans: minutes and slides of its core, minutes and slides of all of it."""

    core_minutes: float
    core_slides: int
    minutes: float
    slides: int


def paths(cells: Sequence[Cell]) -> list[str]:
    """The path of each cell, "core" or "more": that of the slide it is on."""
    found, now = [], "core"
    for cell in cells:
        if cell.slideshow.get("slide_type") in BEGINS:
            now = cell.slideshow.get("path", "more")
        elif cell.slideshow.get("slide_type") == "skip" and cell.kind == "markdown":
            now = "more"
        found.append(now)
    return found


def plan(cells: Sequence[Cell]) -> Plan:
    """Count minutes and slides; the generated title is one slide of the core."""
    begins = [(cell, path) for cell, path in zip(cells, paths(cells), strict=True)
              if cell.slideshow.get("slide_type") in BEGINS]
    core = [cell for cell, path in begins if path == "core"]

    def minutes(some: Sequence[Cell]) -> float:
        return sum(cell.slideshow.get("minutes", 0) for cell in some)

    return Plan(minutes(core), TITLE_SLIDES + len(core), minutes([cell for cell, _ in begins]),
                TITLE_SLIDES + len(begins))


# Folded cells -----------------------------------------------------------------------------------------------------


def folded(cell: Cell) -> bool:
    """Whether a cell of code only imports, plots, plays, quotes or quizzes: a reader finds no method in it.

    Its statements are imports, words and numbers with a name (captions), players with a name, and calls of what shows.
    A cell with a player may define what the player draws.
    """
    if cell.kind != "code" or cell.checked:
        return False
    statements = ast.parse(cell.source).body
    plays = any(_calls(value, PLAYING) for value in map(_value, statements) if value is not None)
    return all(_only_shows(statement) or (plays and isinstance(statement, ast.FunctionDef)) for statement in statements)


def quizzes(cell: Cell) -> bool:
    """Whether a cell of code is a quiz: its source holds the answers."""
    return cell.kind == "code" and any(_calls(value, ("Quiz",)) for value in map(_value, ast.parse(cell.source).body)
                                       if value is not None)


def title(cell: Cell) -> str:
    """What a folded cell is called in Colab's form view: the first sentence of its caption, else what it does."""
    if quizzes(cell):
        return "Check yourself"
    tree = ast.parse(cell.source)
    constants = {target.id: statement.value for statement in tree.body
                 if isinstance(statement, ast.Assign) for target in statement.targets if isinstance(target, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "caption":
            value = constants.get(node.value.id, node.value) if isinstance(node.value, ast.Name) else node.value
            if words := _words(value):
                return re.split(r"(?<=[.:;])\s", words)[0].rstrip(".:;")
    if _answers(cell):
        return "The answer"
    return "Figure" if any(isinstance(node, ast.Call) for node in ast.walk(tree)) else "Imports"


def _value(statement: ast.stmt) -> ast.expr | None:
    return statement.value if isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign) else None


def _calls(value: ast.expr, names: Sequence[str]) -> bool:
    """Whether an expression is a call of one of some names, or of something below them: `figures.lines(...)`."""
    if not isinstance(value, ast.Call):
        return False
    function = value.func
    if isinstance(function, ast.Attribute) and function.attr == "live":     # a player, whatever its name is
        return "Player" in names
    while isinstance(function, ast.Attribute):
        function = function.value
    return isinstance(function, ast.Name) and function.id in names


def _only_shows(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    value = _value(statement)
    if value is None:
        return False
    if isinstance(statement, ast.Expr):
        return isinstance(value, ast.Name) or _calls(value, SHOWING)
    return _plain(value) or _calls(value, ("cite", "figures", *PLAYING))


def _plain(value: ast.expr) -> bool:
    """Words, numbers, and collections of them."""
    return not any(isinstance(node, ast.Call | ast.comprehension | ast.Lambda) for node in ast.walk(value))


def _words(value: ast.expr) -> str:
    """The text of a string, or of the beginning of an f-string."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    if isinstance(value, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "…"
                       for part in value.values)
    return ""


# Predictions ------------------------------------------------------------------------------------------------------


def predictions(cells: Sequence[Cell]) -> list[tuple[Cell, Cell | None]]:
    """Every prediction with the cell that answers it, or with None: the next answer before the next prediction."""
    asked = [place for place, cell in enumerate(cells)
             if cell.kind == "markdown" for _ in PREDICTION.findall(cell.source)]
    found: list[tuple[Cell, Cell | None]] = []
    for number, place in enumerate(asked):
        end = next((later for later in asked[number + 1:] if later > place), len(cells))
        answers = [cell for cell in cells[place + 1:end] if cell.kind == "code" and _answers(cell)]
        same = sum(other == place for other in asked[:number])     # several questions in one cell: one answer each
        found.append((cells[place], answers[same] if same < len(answers) else None))
    return found


def _answers(cell: Cell) -> bool:
    return any(isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "answer"
               for node in ast.walk(ast.parse(cell.source)))


# What is out of form ----------------------------------------------------------------------------------------------


def faults(cells: Sequence[Cell], name: str) -> list[str]:
    """Everything in which a lecture is out of form, one sentence each with file and line."""
    return [*_plan_faults(plan(cells), name), *_cell_faults(cells, name),
            *(f"{name}:{asked.line}: a prediction without an answer: call `answer` in a cell below it"
              for asked, answer in predictions(cells) if answer is None)]


def _plan_faults(planned: Plan, name: str) -> Iterator[str]:
    for what, value, most in (("core takes", planned.core_minutes, CORE_MINUTES),
                              ("lecture takes", planned.minutes, WHOLE_MINUTES)):
        if value > most:
            yield f"{name}: the {what} {value:g} minutes, at most {most}"
    if planned.core_slides > CORE_SLIDES:
        yield f"{name}: the core has {planned.core_slides} slides with its title, at most {CORE_SLIDES}"
    if planned.core_slides == TITLE_SLIDES:
        yield f'{name}: no slide is on the core path; give some `"path": "core"`'


def _cell_faults(cells: Sequence[Cell], name: str) -> Iterator[str]:
    for cell in cells:
        if cell.kind != "code":
            continue
        lines = cell.source.count("\n") + 1
        if lines > VISIBLE_LINES and not folded(cell):
            yield f"{name}:{cell.line}: {lines} lines in sight, at most {VISIBLE_LINES}; what only shows can be folded"
        if cell.source.count("Quiz.parse") > 0 and len(re.findall(r"^- \[x\]", cell.source, re.M)) > 1:
            yield f"{name}:{cell.line}: several questions on one slide; a quiz asks one"
        if "getsource" in cell.source:
            yield f"{name}:{cell.line}: the library's source belongs in a folded cell, `figures.code`"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.form", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="LECTURE", help="a name or number; all of them if none is given")
    parser.add_argument("--predictions", action="store_true", help="list the predictions and where they are answered")
    options = parser.parse_args(arguments)
    course = manifest.load()
    wrong: list[str] = []
    print(f"{'lecture':22} {'core':>12} {'with more':>14}")
    for lecture in [course.lecture(name) for name in options.names] or course.lectures:
        name = f"lectures/src/{lecture.stem}.py"
        cells = parse((course.root / name).read_text(encoding="utf-8"), name=name)
        planned = plan(cells)
        print(f"{lecture.stem:22} {planned.core_minutes:3g} min, {planned.core_slides:2} sl "
              f"{planned.minutes:4g} min, {planned.slides:2} sl")
        if options.predictions:
            for asked, answer in predictions(cells):
                print(f"  {asked.line:5}: {' '.join(asked.source.split())[-90:]}\n"
                      f"      -> {f'line {answer.line}' if answer else 'no answer'}")
        wrong += faults(cells, name)
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
