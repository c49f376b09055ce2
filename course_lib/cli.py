"""The `course` command: look after the machine, the lectures, the data and the claims from a terminal.

Exit codes: 0 all is well, 1 something was found wanting (a cell failed, a claim does not hold, a file is broken),
2 the command could not be carried out, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from course_lib import files, manifest, profiles
from course_lib.arguments import suggest

if TYPE_CHECKING:
    from course_lib.claims import Claim
    from course_lib.doctor import Bench, Finding, Minutes

FAILED, REFUSED, INTERRUPTED, CLOSED = 1, 2, 130, 141
WIDTH = 80
Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; an error is one line, unless `--debug` or COURSE_DEBUG=1 is set."""
    _never_fail_at_printing()
    debug = bool(os.environ.get("COURSE_DEBUG"))
    try:
        args = _parse(sys.argv[1:] if argv is None else list(argv))
        debug = debug or args.debug
        code = args.command(args)
        sys.stdout.flush()
    except SystemExit as stop:   # argparse has said what is wrong, or has shown its help
        code = stop.code if isinstance(stop.code, int) else REFUSED
    except KeyboardInterrupt:
        _say("\ninterrupted")
        code = INTERRUPTED
    except BrokenPipeError:   # `course claims report | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = CLOSED
    except (ValueError, OSError, ImportError) as error:
        if debug:
            raise
        _say(f"course: {_one_line(error)}")
        code = REFUSED
    return code


# --- commands ---------------------------------------------------------------------------------------------------------


def _doctor(args: argparse.Namespace) -> int:
    from course_lib import doctor

    if not args.json:
        _say(f"looking over this machine, with a benchmark of {args.seconds:g} seconds ...")
    report = doctor.examine(seconds=args.seconds)
    if args.json:
        print(json.dumps(report.as_data(), indent=1))
    else:
        for finding in report.findings:
            print(_finding(finding))
        if report.bench is not None:
            print(_row(" ", "benchmark", _speed(report.bench)))
        share = report.bench.share if report.bench is not None and report.busy else 1.0
        for minutes in report.minutes:
            print(_row(" ", minutes.lecture, _minutes(minutes, share)))
        problems = sum(finding.level == "problem" for finding in report.findings)
        well = "Nothing is broken, but the machine is busy: measure again when it is not." if report.busy \
            else "All is well."
        print(f"\n{well}" if report.healthy else f"\n{problems} problem{'s' * (problems > 1)}, marked with !")
    return 0 if report.healthy else FAILED


def _run(args: argparse.Namespace) -> int:
    from contextlib import nullcontext

    from course_lib import doctor, lectures

    course = manifest.load()
    lecture = course.lecture(args.lecture)
    profile = args.profile or profiles.current()
    out = files.folder(args.out, setting="--out") if args.out else course.root / "build" / "run"
    begin = time.monotonic()

    def on_cell(number: int, total: int, line: str) -> None:
        _say(_cut(f"[{number:>{len(str(total))}}/{total}] {time.monotonic() - begin:6.1f} s  {line}"))

    _say(f"{lecture.stem}, profile {profile}" + ", beside a program that computes" * args.busy)
    speed = doctor.bench() if args.record else None
    with doctor.spinning() if args.busy else nullcontext():
        result = lectures.execute(lecture, profile=profile, out=out, on_cell=on_cell, timeout=args.timeout,
                                  root=course.root)
    try:
        lectures.settle(result.path, source=lectures.notebook(lecture, course.root))
    except OSError as error:
        _say(f"not signed, JupyterLab will ask to trust the notebook: {_one_line(error)}")
    if result.error is not None:
        _say(f"\n{lecture.stem} stopped: {result.error}")
        print(f"the notebook up to there: {result.path}")
        return INTERRUPTED if result.interrupted else FAILED
    print(f"{lecture.stem} ran in {result.seconds:.1f} s at profile {profile}: {result.path}")
    if speed is not None:
        path = doctor.record(lecture, profile, result.seconds, speed, course.root, busy=args.busy)
        print(f"recorded in {path}")
    return 0


def _data_list(args: argparse.Namespace) -> int:
    from course_lib import data

    print(f"data sets in {data.root()}:")
    for name, entry in data.SETS.items():
        print(_row(" ", name, "here" if data.find(name) else "not here, or not wholly"))
        size = f"{entry.size / 1e6:.1f} MB" if entry.size else "size unknown"
        for text in (f"{entry.description}; {size}", f"from {entry.source}", f"licence: {entry.licence}",
                     f"credit: {entry.credit}"):
            print(_row(" ", "", text))
    print(_row(" ", "photographs", "bundled with the installed libraries, nothing to download"))
    return 0


def _data_get(args: argparse.Namespace) -> int:
    from course_lib import data

    for name in args.names:
        print(f"{name} is in {data.download(name)}")
    return 0


def _data_verify(args: argparse.Namespace) -> int:
    from course_lib import data

    names = args.names or [name for name in data.SETS if data.find(name)]
    if not names:
        print("no data set is here: `course data list` shows which there are")
    broken = False
    for name in names:
        wrong = data.verify(name)
        broken = broken or bool(wrong)
        if not wrong:
            print(f"{name}: all {len(data.SETS[name].hashes)} files are as they should be")
            continue
        some = ", ".join(f"{file} ({what})" for file, what in list(wrong.items())[:3])
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        print(_wrapped(f"{name}: {len(wrong)} of {len(data.SETS[name].hashes)} files are wrong: {some}{more}."
                       f" `course data get {name}` fetches them."))
    return FAILED if broken else 0


def _claims_list(args: argparse.Namespace) -> int:
    from course_lib import claims

    chosen = claims.select(claims.discover(), args.ids)
    if args.json:
        print(json.dumps([{"id": claim.id, "sentence": claim.sentence, "source": claim.source, "paper": claim.paper,
                           "experiment": claim.experiment.id, "seeds": claim.seeds} for claim in chosen], indent=1))
        return 0
    for claim in chosen:
        print(f"{claim.id}   (experiment {claim.experiment.id}, {claim.seeds} seeds)")
        print(textwrap.indent(_wrapped(claim.sentence, WIDTH - 2), "  "))
    return 0


def _claims_run(args: argparse.Namespace) -> int:
    from course_lib import claims
    from course_lib.claims import report

    chosen = claims.select(claims.discover(), args.ids)
    profile = args.profile or profiles.current()
    failed = False
    for experiment in dict.fromkeys(claim.experiment for claim in chosen):
        seeds = args.seed or claims.first_seeds(
            max(claim.seeds for claim in chosen if claim.experiment is experiment), report=args.report)
        began = time.monotonic()

        def on_seed(seed: int, measured: bool, name: str = experiment.id) -> None:
            nonlocal began
            how = f"measured in {time.monotonic() - began:.1f} s" if measured else "is fresh already"
            _say(f"{name}, {profile}, seed {seed}: {how}")
            began = time.monotonic()

        try:
            claims.run(experiment, profile=profile, seeds=seeds, report=args.report, force=args.force, on_seed=on_seed)
        except (claims.LedgerError, FileNotFoundError) as error:   # FileNotFoundError: a data set is not here
            _say(f"course: {_one_line(error)}")
            failed = True
    statuses = [claims.status(claim, profile, seeds=args.seed or _seeds(claim, args.report)) for claim in chosen]
    print(json.dumps(report.as_data(statuses), indent=1) if args.json else report.as_text(statuses, width=WIDTH))
    return FAILED if failed else 0


def _claims_report(args: argparse.Namespace) -> int:
    from course_lib import claims
    from course_lib.claims import report

    chosen = claims.select(claims.discover(), args.ids)
    profile = args.profile or profiles.current()
    wanted = [args.seed or _seeds(claim, not args.development) for claim in chosen]
    statuses = [claims.status(claim, profile, seeds=seeds) for claim, seeds in zip(chosen, wanted, strict=True)]
    print(json.dumps(report.as_data(statuses), indent=1) if args.json else report.as_text(statuses, width=WIDTH))
    bad = [s for s in statuses if s.verdict is None or not s.verdict.holds or (args.strict and s.stale)]
    return FAILED if bad else 0


def _claims_stale(args: argparse.Namespace) -> int:
    from course_lib.claims import confirm

    found = confirm.stale()
    for words in found.values():
        print(f"stale: {words}")
    if found:
        print(_wrapped("Shown to be the same by `course claims confirm`, or measured again by `course claims run ID"
                       " --report` and `python -m tools.weights NAME`."))
    return FAILED if found and args.strict else 0


def _claims_confirm(args: argparse.Namespace) -> int:
    from course_lib import claims
    from course_lib.claims import confirm
    from course_lib.recipes import RECIPES

    weights = [name for name in args.ids if name in RECIPES]
    chosen = claims.select(claims.discover(), [name for name in args.ids if name not in RECIPES])
    named = [f"experiment:{one.id}" for one in dict.fromkeys(claim.experiment for claim in chosen)]
    subjects = [*(named if len(args.ids) > len(weights) else []), *(f"weights:{name}" for name in weights)]
    found = confirm.confirm_all(subjects if args.ids else list(confirm.stale()), base=args.base,
                                renamed=dict(args.renamed))
    for subject, verdict in found.items():
        name = subject.partition(":")[2]
        said = f"confirmed, {verdict.how}" if isinstance(verdict, confirm.Confirmed) else f"REFUSED: {verdict.why}"
        print(_wrapped(f"{name}: {said}"))
    refused = sum(isinstance(verdict, confirm.Refused) for verdict in found.values())
    print(f"{len(found) - refused} confirmed, {refused} refused")
    return FAILED if refused else 0


def _tool(name: str) -> Command:
    """A command of the repository's own tools, which an installed package does not have."""

    def command(args: argparse.Namespace) -> int:
        import subprocess

        root = manifest.find_root()
        if not (root / "tools" / f"{name}.py").is_file():
            raise FileNotFoundError(f"`course {name}` needs the course's repository: {root} has no tools/{name}.py")
        paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        return subprocess.run([sys.executable, "-m", f"tools.{name}", *args.rest], cwd=root, env=environment).returncode

    return command


# --- the grammar ------------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """argparse that answers a wrong word with the nearest right one."""

    def error(self, message: str) -> NoReturn:
        if found := re.match(r"(?:argument \S+: )?invalid choice: '(?P<word>.*?)' \((?P<rest>.*)\)$", message):
            known = [word for word in re.findall(r"[\w-]+", found["rest"]) if word not in ("choose", "from")]
            hint = suggest(found["word"], known)
            message = f"unknown command {found['word']!r}{_hint(hint)} There are: {', '.join(known)}"
        self.exit(REFUSED, _wrapped(f"{self.prog}: {message}") + f"\n`{self.prog} --help` shows how it is used.\n")


def _parse(argv: list[str]) -> argparse.Namespace:
    args, extra = _grammar().parse_known_args(argv)
    if "rest" in args:
        args.rest = extra
    elif extra:
        word = extra[0].split("=")[0]
        hint = suggest(word, re.findall(r"--\w+", args.parser.format_usage())) if word.startswith("-") else ""
        args.parser.error(f"cannot make sense of {extra[0]!r}{_hint(hint)}")
    return args


def _grammar() -> argparse.ArgumentParser:
    top = _parser(_Parser, "course", "Without Ground Truth: run its lectures, look after its data and its claims.",
                  "course doctor", "course run dncnn --profile lecture", "course claims report")
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    doctor = _add(commands, "doctor", "look over this machine: versions, speed, data, minutes per lecture", _doctor,
                  "course doctor", "course doctor --json > doctor.json")
    doctor.add_argument("--seconds", type=_positive, default=5.0, help="length of the benchmark (default 5)")
    doctor.add_argument("--json", action="store_true", help="print JSON")

    run = _add(commands, "run", "run a lecture from its first cell to its last, without a browser", _run,
               "course run dncnn --profile smoke", "course run 9 --out /tmp/notebooks")
    run.add_argument("lecture", metavar="LECTURE", help="its name, number or stem: dncnn, 9 or 10_dncnn")
    _profile_option(run)
    run.add_argument("--out", metavar="DIR", help="where the executed notebook goes (default build/run)")
    run.add_argument("--timeout", metavar="S", type=_positive_int, help="limit for each cell, in seconds")
    run.add_argument("--record", action="store_true", help="write the time taken to results/lectures/")
    run.add_argument("--busy", action="store_true", help="compute beside a program of ours that keeps a core busy")

    data = _group(commands, "data", "data sets: what there is, get, verify",
                  "course data list", "course data get Set12")
    _add(data, "list", "the known data sets, and which are here", _data_list, "course data list")
    get = _add(data, "get", "download data sets into COURSE_DATA", _data_get, "course data get Set12 BSD68")
    get.add_argument("names", metavar="NAME", type=_set, nargs="+", help="a data set of `course data list`")
    verify = _add(data, "verify", "compare files with their checksums", _data_verify, "course data verify Set12")
    verify.add_argument("names", metavar="NAME", type=_set, nargs="*", help="a data set (default: all that are here)")

    claims = _group(commands, "claims", "the ledger: what the course claims and what was measured",
                    "course claims report", "course claims run dncnn-ablation --profile smoke")
    listing = _add(claims, "list", "the claims and their experiments", _claims_list, "course claims list dncnn")
    measure = _add(claims, "run", "measure experiments and store the metrics", _claims_run,
                   "course claims run dncnn --profile smoke", "course claims run dncnn-ablation --seed 0 1",
                   "course claims run dncnn-ablation --report   (once, at the end)")
    show = _add(claims, "report", "judge the claims by the stored metrics; measures nothing", _claims_report,
                "course claims report", "course claims report dncnn --profile full --json")
    for parser in (listing, measure, show):
        parser.add_argument("ids", metavar="ID", nargs="*", help="a claim, an experiment or a method (default: all)")
        parser.add_argument("--json", action="store_true", help="print JSON")
    for parser in (measure, show):
        _profile_option(parser)
        parser.add_argument("--seed", metavar="N", type=_seed, nargs="+", help="these seeds only")
    measure.add_argument("--report", action="store_true", help="the seeds 100, 101, ... instead of 0, 1, ...")
    measure.add_argument("--force", action="store_true", help="measure again what is fresh")
    old = _add(claims, "stale", "what was measured or trained with other code than today's", _claims_stale,
               "course claims stale")
    old.add_argument("--strict", action="store_true", help="fail if there is any")
    prove = _add(claims, "confirm", "show that a refactor changed no result, and renew what it made stale",
                 _claims_confirm, "course claims confirm", "course claims confirm dncnn --base HEAD~3",
                 "course claims confirm --renamed watch=validate --base v1")
    prove.add_argument("ids", metavar="ID", nargs="*",
                       help="an experiment, a claim, a method or weights (default: everything that is stale)")
    prove.add_argument("--base", metavar="COMMIT",
                       help="a commit whose results were fresh (default: the one of origin/main that this tree left)")
    prove.add_argument("--renamed", metavar="OLD=NEW", type=_renaming, nargs="+", default=[],
                       help="new names of parameters, attributes, metrics or experiments")
    show.add_argument("--development", action="store_true", help="judge on seeds 0, 1, ... instead of 100, 101, ...")
    show.add_argument("--strict", action="store_true", help="a stale claim is a failure, too")

    for name, text in (("book", "build the website"), ("slides", "build the slides")):
        tool = _add(commands, name, f"{text} (in the repository; options go to tools/{name}.py)", _tool(name),
                    f"course {name}")
        tool.set_defaults(rest=[])
    return top


def _renaming(text: str) -> tuple[str, str]:
    old, _, new = text.partition("=")
    if not old or not new:
        raise argparse.ArgumentTypeError(f"{text!r} is no renaming: write OLD=NEW")
    return old, new


def _parser(make: Callable[..., argparse.ArgumentParser], name: str, text: str, *examples: str,
            **more: str) -> argparse.ArgumentParser:
    parser = make(name, description=_sentence(text), allow_abbrev=False,
                  formatter_class=argparse.RawDescriptionHelpFormatter,
                  epilog="\n  ".join(["for example:", *examples]), **more)
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS if more else False,
                        help="show the traceback of an error")
    return parser


def _add(commands: argparse._SubParsersAction, name: str, text: str, command: Command,
         *examples: str) -> argparse.ArgumentParser:
    parser = _parser(commands.add_parser, name, text, *examples, help=text)
    parser.set_defaults(command=command, parser=parser)
    return parser


def _group(commands: argparse._SubParsersAction, name: str, text: str, *examples: str) -> argparse._SubParsersAction:
    parser = _parser(commands.add_parser, name, text, *examples, help=text)
    return parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)


def _profile_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", metavar="P", type=_profile,
                        help="smoke, lecture or full (default: COURSE_PROFILE, else lecture)")


def _profile(word: str) -> str:
    if word not in profiles.PROFILES:
        hint = suggest(word, profiles.PROFILES)
        known = ", ".join(profiles.PROFILES)
        raise argparse.ArgumentTypeError(f"unknown profile {word!r}{_hint(hint)} There are: {known}")
    return word


def _seed(word: str) -> int:
    if not word.isdigit():
        raise argparse.ArgumentTypeError(f"a seed is a whole number from 0 on, not {word!r} (ids go before --seed)")
    return int(word)


def _positive(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 0 < value < 3600:
        raise argparse.ArgumentTypeError(f"seconds above 0 are expected, not {word!r}")
    return value


def _positive_int(word: str) -> int:
    if not word.isdigit() or int(word) == 0:
        raise argparse.ArgumentTypeError(f"whole seconds above 0 are expected, not {word!r}")
    return int(word)


def _set(word: str) -> str:
    from course_lib import data
    from course_lib.arguments import UnknownName, one_of

    try:
        return one_of(word, data.SETS, what="data set")
    except UnknownName as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seeds(claim: Claim, report: bool) -> tuple[int, ...]:
    from course_lib.claims import first_seeds

    return first_seeds(claim.seeds, report=report)


# --- text -------------------------------------------------------------------------------------------------------------


def _say(text: str) -> None:
    """Progress and errors go to stderr, so that stdout holds the answer only."""
    print(text, file=sys.stderr, flush=True)


def _row(mark: str, name: str, text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=f"{mark} {name:<13} ", subsequent_indent=" " * 16,
                         break_long_words=False, break_on_hyphens=False)


def _finding(finding: Finding) -> str:
    lines = [_row({"fine": " ", "note": "-", "problem": "!"}[finding.level], finding.topic, finding.text)]
    if finding.advice:
        lines.append(_row(" ", "", f"-> {finding.advice}"))
    return "\n".join(lines)


def _speed(bench: Bench) -> str:
    return (f"{bench.step_ms:.1f} ms for a training step of a small DnCNN ({bench.precision} on {bench.device},"
            f" {bench.threads} threads); {bench.gflops:.0f} Gflop/s in a float32 product")


def _minutes(minutes: Minutes, share: float) -> str:
    """The minutes here, down to those that there would be without the programs that left the benchmark only a share."""
    if minutes.recorded is None:
        return "not measured: `course run --record` does"
    recorded = f"{minutes.recorded:.1f} min recorded on {minutes.hardware}"
    if minutes.here is None:
        return f"not measured here ({recorded})"
    least = f"{share * minutes.here:.1f} to " if share < 1 else ""
    return f"about {least}{minutes.here:.1f} min here ({recorded})"


def _hint(hint: str) -> str:
    return f": {hint}" if hint else "."


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _wrapped(text: str, width: int = WIDTH) -> str:
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())


def _never_fail_at_printing() -> None:
    """A terminal without a letter for sigma shows a question mark, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
