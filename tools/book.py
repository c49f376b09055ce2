"""The website: pages of `book/` and the executed lectures, assembled in a build folder and built there by Jupyter Book.

`python -m tools.book [--profile lecture] [--out build/book]`

Nothing is executed while Sphinx runs, a warning is an error, and a page that breaks a promise of `tools.pagecheck` or
a slide that breaks one of `tools.slidecheck` fails the build. Sphinx is called with the configuration that Jupyter Book
makes of `book/_config.yml`, less the extensions that a page without a kernel has no use for (one, sphinx_thebe, raises
a script error on every page).
"""

from __future__ import annotations

import argparse
import json
import pprint
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from course_lib import claims, manifest, profiles
from course_lib.claims import Status, number
from course_lib.claims.report import tally
from course_lib.manifest import Course, Lecture
from tools import form, pagecheck, slidecheck, slides, vendor
from tools.executed import LectureFailed, executed
from tools.notebooks import BADGE

UNWANTED = ("sphinx_thebe", "sphinx_comments")
MARKER = ".made-by-tools-book"
LEDGER_HEAD = """# Ledger of claims

Each empirical sentence of the lectures is listed here with the experiment that decides it. Measured values are means
over seeds, with their standard deviation. A value in the paper's column is quoted from the source and was not measured
here; it may come from other images or a larger network. *Stale* means that code or data changed since the
measurement."""
DECK_LINK = re.compile(r"\[([^\]]+)\]\([^)\s]*slides/([\w-]+\.html)\)")


class PagesBroken(RuntimeError):
    """The pages were built, but some of them break a promise; the message lists which."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.book", description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=profiles.PROFILES, default="lecture", help="how much the lectures compute")
    parser.add_argument("--out", type=Path, default=Path("build/book"), help="folder of the website")
    options = parser.parse_args(arguments)
    course = manifest.load()
    work = course.root / "build"
    try:
        notebooks = {lecture.stem: executed(course, lecture, profile=options.profile, build=work)
                     for lecture in course.lectures}
        statuses = [claims.status(claim, options.profile) for claim in claims.discover()]
        build(course, notebooks, statuses=statuses, out=options.out, work=work)
    except (PagesBroken, LectureFailed, OSError) as error:
        sys.exit(f"book: {error}")
    print(f"website: {options.out / 'index.html'}")


def build(course: Course, notebooks: Mapping[str, Path], *, statuses: Sequence[Status], out: Path, work: Path) -> None:
    """Build the website of executed `notebooks` (by stem) into `out`, with the decks of their slides."""
    _empty(out)
    source = work / "book-src"
    mathjax = assemble(course, notebooks, source, statuses=statuses, cache=work / "npm")
    doctrees = work / "doctrees"
    shutil.rmtree(doctrees, ignore_errors=True)
    sphinx = subprocess.run([sys.executable, "-m", "sphinx", "-b", "html", "-W", "-n", "--keep-going", "-q",
                             "-d", str(doctrees), str(source), str(out)])
    if sphinx.returncode:
        raise PagesBroken(f"Sphinx complains about the pages it read in {source}; each line above says where and what")
    decks = slides.write(dict(notebooks), out / "slides", cache=work / "npm")
    found = pagecheck.problems(out, allowed=vendor.CDN if "://" in mathjax else None) + slidecheck.problems(decks)
    if found:
        raise PagesBroken(f"{len(found)} problem(s) in {out}:\n" + "\n".join(f"  {line}" for line in found))


def assemble(course: Course, notebooks: Mapping[str, Path], source: Path, *, statuses: Sequence[Status],
             cache: Path) -> str:
    """Lay out everything Sphinx reads below `source`; return where pages find MathJax."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(course.root / "book", source)
    for lecture in course.lectures:
        page = page_of(json.loads(notebooks[lecture.stem].read_text()), up="../")
        _write(source / "lectures" / f"{lecture.stem}.ipynb", page)
        if (student := course.root / exercise(lecture)).is_file():
            _write(source / exercise(lecture), page_of(json.loads(student.read_text()), up="../../"))
    for path in (source / "index.md", *sorted((source / "parts").glob("*.md"))):
        part = path.stem.upper() if path.parent.name == "parts" else None
        path.write_text(path.read_text().replace("{{ lectures }}", lecture_list(course, part=part)))
    (source / "ledger.md").write_text(ledger_page(statuses))
    mathjax = vendor.mathjax(source / "assets" / "offline", cache=cache)
    address = mathjax if "://" in mathjax else f"offline/{mathjax}"
    _write(source / "_toc.yml", contents(course))  # JSON is YAML
    (source / "conf.py").write_text(configuration(course, source / "_config.yml", mathjax=address))
    return address


def exercise(lecture: Lecture) -> str:
    """Where the student's notebook of a lecture is, in the repository and on the site."""
    return f"exercises/student/{lecture.stem}.ipynb"


def page_of(notebook: dict[str, Any], *, up: str) -> dict[str, Any]:
    """A notebook as a page of the site: a link to the deck built here, the code of the setup folded.

    `up` leads from the page to the start of the site.
    """
    notebook["cells"] = [part for cell in notebook["cells"] for part in _with_its_path(cell)]
    for cell in notebook["cells"]:
        if "setup" in cell["metadata"].get("tags", []):
            cell["metadata"]["tags"].append("hide-input")
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"]).replace(BADGE, BADGE.removeprefix("book/"))
            cell["source"] = DECK_LINK.sub(rf'<a href="{up}slides/\2">\1</a>', text)
    notebook["metadata"]["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    return notebook


def _with_its_path(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """A cell that begins a slide, with a mark of its path: below its heading, or before it. `course.js` folds there."""
    slideshow = cell["metadata"].get("slideshow", {})
    if slideshow.get("slide_type") not in form.BEGINS:
        return [cell]
    mark = f'<div class="path" data-path="{slideshow.get("path", "more")}"></div>'
    first, _, rest = "".join(cell["source"]).partition("\n")
    if cell["cell_type"] == "markdown" and first.startswith("#"):
        return [cell | {"source": f"{first}\n\n{mark}\n\n{rest.lstrip()}"}]
    return [{"cell_type": "markdown", "id": f"{cell['id']}-path", "metadata": {}, "source": mark}, cell]


def lecture_list(course: Course, *, part: str | None = None) -> str:
    """The lectures of a part (of all parts) as Markdown, each with what it promises."""
    lectures = [lecture for lecture in course.lectures if part in (None, lecture.part)]
    if not lectures:
        return "No lecture of this part is published yet."
    below = "" if part is None else "../"
    return "\n".join(f"- **[{lecture.number:02d} · {lecture.title}]({below}lectures/{lecture.stem}.ipynb)**  \n"
                     f"  After it you can {lecture.promise}." for lecture in lectures)


def contents(course: Course) -> dict[str, Any]:
    """The table of contents in Jupyter Book's form: parts with their lectures, guides, reference."""
    def chapter(lecture: Lecture) -> dict[str, Any]:
        entry: dict[str, Any] = {"file": f"lectures/{lecture.stem}"}
        if (course.root / exercise(lecture)).is_file():
            entry["sections"] = [{"file": exercise(lecture).removesuffix(".ipynb"), "title": "Exercises"}]
        return entry

    parts = [{"file": f"parts/{part.lower()}",
              "sections": [chapter(lecture) for lecture in course.lectures if lecture.part == part]}
             for part in course.parts]
    return {"format": "jb-book", "root": "index", "parts": [
        {"caption": "The course", "chapters": [part if part["sections"] else {"file": part["file"]} for part in parts]},
        {"caption": "Guides", "chapters": [{"file": f"guides/{who}"} for who in ("student", "lecturer", "staff")]},
        {"caption": "Reference", "chapters": [{"file": page} for page in ("symbols", "ledger", "references")]},
    ]}


def configuration(course: Course, config: Path, *, mathjax: str) -> str:
    """A conf.py: what Jupyter Book makes of `_config.yml`, less the unwanted extensions, plus what course.toml says."""
    from jupyter_book.config import get_final_config

    settings, _ = get_final_config(user_yaml=config, sourcedir=config.parent,
                                   cli_config={"latex_individualpages": False})
    settings["extensions"] = [name for name in settings["extensions"] if name not in UNWANTED]
    settings["html_title"] = settings["project"] = course.title
    settings["html_theme_options"]["repository_url"] = f"https://github.com/{course.repository}"
    settings["mathjax_path"] = mathjax
    return "\n".join(f"{name} = {pprint.pformat(value, width=110)}" for name, value in sorted(settings.items())) + "\n"


def ledger_page(statuses: Sequence[Status]) -> str:
    """Every empirical sentence of the lectures beside what was measured, what the paper says, and whether it holds."""
    by_experiment = {status.claim.experiment.id: status for status in statuses if status.metrics}
    metrics = [_metrics(status) for status in by_experiment.values()]
    return "\n\n".join([LEDGER_HEAD, tally(statuses) + ".", *(_claim(status) for status in statuses),
                        *(["## All measured metrics", *metrics] if metrics else [])]) + "\n"


def _claim(status: Status) -> str:
    """One claim: its sentence, its verdict, and the paper's values beside those of the same name that were measured."""
    claim, state = status.claim, status.state
    verdict = {"holds": "**Holds.**", "fails": "**Fails.**", "missing": "**Not measured yet.**",
               "stale": "**Stale:** measured with earlier code or data."}[state]
    table = [f"| metric | the paper's value | {_measured(status)} |", "|---|--:|--:|"]
    for name, value in claim.paper.items():
        table.append(f"| {name} | {number(value)} | {status.metrics.get(name, '–')} |")
    origin = f"Source: {claim.source}. Claim `{claim.id}`, experiment `{claim.experiment.id}`."
    return "\n\n".join([f":::{{div}} claim {state}", f"({claim.id})=\n**{claim.sentence}**",
                        f"{verdict} {status.because}", *(["\n".join(table)] if claim.paper else []), origin, ":::"])


def _metrics(status: Status) -> str:
    """Everything an experiment measured."""
    table = [f"| metric | {_measured(status)} | lowest to highest |", "|---|--:|--:|"]
    for name, found in status.metrics.items():
        table.append(f"| {name} | {found} | {f'{number(found.low)} to {number(found.high)}' if found.n > 1 else ''} |")
    return f"### {status.claim.experiment.id}\n\n" + "\n".join(table)


def _measured(status: Status) -> str:
    seeds = len(status.seeds)
    return f"measured, {status.profile} profile, {seeds} seed{'s' * (seeds != 1)}" if seeds else "measured"


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1))


def _empty(out: Path) -> None:
    """Make way for the website, but never by removing something this module did not make."""
    if out.exists() and any(out.iterdir()) and not (out / MARKER).exists():
        raise FileExistsError(f"{out} holds files that `tools.book` did not make; name an empty or a new folder")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / MARKER).touch()


if __name__ == "__main__":
    main()
