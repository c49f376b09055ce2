"""What students meet: `check` and `hint`, through the stored cases alone."""

from __future__ import annotations

import linecache
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import checks, noise
from course_lib.arguments import UnknownName
from course_lib.checks import Correct, Incorrect, NotAttempted, check, hint, probes, stored
from course_lib.denoise import dncnn

LOSS, NETWORK, BATCH = "dncnn.residual_loss", "dncnn.network", "dncnn.blind_batch"


def student(source: str, name: str = "residual_loss"):
    """Run a cell as a notebook does: its lines can be looked up."""
    file = f"/tmp/ipykernel_1/{abs(hash(source))}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    space = {"torch": torch, "nn": nn, "F": F, "np": np}
    exec(compile(source, file, "exec"), space)
    return space[name]


def loss(body: str):
    return student(f"def residual_loss(estimate, z, y):\n    {body}\n")


# Right and wrong solutions of the course ---------------------------------------------------------------------------


def test_every_right_solution_is_correct(problem, right):
    assert type(check(problem.id, right)) is Correct


def test_every_mutant_gets_its_own_diagnosis(problem, mutant):
    verdict = check(problem.id, mutant.solution)
    assert type(verdict) is Incorrect and verdict.why == mutant.message


@pytest.mark.parametrize("body, says", [
    ("return (estimate + z - y).square().sum() / len(y) / 2", "wrong sign"),
    ("return torch.mean(torch.square(z - y - estimate))", "mean over all pixels"),
    ("return sum(((e - a + b)**2).sum() for e, a, b in zip(estimate, z, y)) / 2", "grows with the batch"),
    ("return (0.5 * ((estimate - z + y)**2).sum() / len(y)).detach()", "cut it from the graph"),
    ("return np.float32((0.5 * ((estimate - z + y)**2).sum() / len(y)).item())", "cut it from the graph"),
    ("d = estimate + y - z\n    return torch.stack([(x * x).sum() / 2 for x in d])", "one number for each image"),
])
def test_a_misconception_is_recognised_in_other_code(body, says):
    assert says in check(LOSS, loss(body)).why


@pytest.mark.parametrize("draw, says", [
    ("eta = torch.randn(y.shape, generator=generator)\n"
     "    return y + eta * torch.empty(1).uniform_(low, high, generator=generator)", "same noise level"),
    ("s = np.random.uniform(low, high, (len(y), 1, 1, 1))\n"
     "    return y + torch.tensor(s) * torch.randn(y.shape, generator=generator)", "do not come from `generator`"),
    ("generator.manual_seed(3)\n    s = torch.rand(len(y), 1, 1, 1, generator=generator) * (high - low) + low\n"
     "    return y + s * torch.randn(y.shape, generator=generator)", "very same noise"),
    ("e = torch.randn(y.shape, generator=generator)\n    s = torch.rand(y.shape, generator=generator)\n"
     "    return y + (low + s * (high - low)) * e", "Every pixel gets a level"),
    ("return y + high * torch.randn(y.shape, generator=generator)", "same noise level"),
    ("return y + torch.empty(1).uniform_(low, high) * torch.randn_like(y)", "do not come from `generator`"),
    ("s = torch.empty(len(y), 1, 1, 1).uniform_(low, high, generator=torch.Generator().manual_seed(7))\n"
     "    return y + s * torch.randn(y.shape, generator=generator)", "very same levels"),
    ("own = torch.Generator().manual_seed(generator.initial_seed())   # other seeds, other levels: yet never new ones\n"
     "    return y + torch.empty(len(y), 1, 1, 1).uniform_(low, high, generator=own)"
     " * torch.randn(y.shape, generator=generator)", "very same levels"),
    ("s = torch.linspace(low, high, len(y))[:, None, None, None]\n"
     "    return y + s * torch.randn(y.shape, generator=generator)", "very same levels"),
    ("own = torch.Generator().manual_seed(generator.initial_seed())\n"
     "    s = torch.rand(len(y), 1, 1, 1, generator=own) * (high - low) + low\n"
     "    return y + s * torch.randn(y.shape, generator=own)", "very same noise"),
    ("s = torch.empty(y.shape[2], 1).uniform_(low, high, generator=generator)\n"
     "    return y + s * torch.randn(y.shape, generator=generator)", "Every row of pixels"),
    ("e = torch.randn(y.shape, generator=generator)\n"
     "    s = torch.empty_like(y[:, :1, :, :1]).uniform_(low, high, generator=generator)\n"
     "    return y + s * e", "Every row of pixels"),
    ("e = torch.randn(y.shape, generator=generator)\n"
     "    s = torch.empty_like(y[:, :1, :1]).uniform_(low, high, generator=generator)\n"
     "    return y + s * e", "Every column of pixels"),
])
def test_a_misconception_about_noise_is_recognised_whatever_the_order_of_the_draws(draw, says):
    source = f"def blind_batch(y, *, low, high, generator):\n    {draw}\n"
    assert says in check(BATCH, student(source, "blind_batch")).why


@pytest.mark.parametrize("ends, forward, says", [
    ({}, lambda z, noise: F.hardtanh(z - noise, 0, 1), "You clamp the clean estimate"),
    ({}, lambda z, noise: torch.maximum(z - noise, torch.zeros(())), "Your output is never negative"),
    ({"first": True, "last": True}, torch.sub, "first and your last convolution"),
    ({"first": True}, torch.sub, "Your first convolution has a bias"),
    ({"norm": True}, torch.sub, "batch norm behind the last convolution"),
    ({}, torch.sub, None),
])
def test_a_misconception_about_the_ends_of_the_network_is_recognised(ends, forward, says):
    class Network(nn.Module):
        def __init__(self, depth, width):
            super().__init__()
            self.first = nn.Conv2d(1, width, 3, padding=1, bias=ends.get("first", False))
            middle = [(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
                      for _ in range(depth - 2)]
            self.middle = nn.Sequential(*(layer for layers in middle for layer in layers))
            self.last = nn.Conv2d(width, 1, 3, padding=1, bias=ends.get("last", False))
            self.norm = nn.BatchNorm2d(1) if ends.get("norm") else nn.Identity()

        def forward(self, z):
            return forward(z, self.norm(self.last(self.middle(self.first(z).relu()))))

    verdict = check(NETWORK, Network)
    assert says in verdict.why if says else type(verdict) is Correct


@pytest.mark.parametrize("limit", [lambda x: x.clamp(0, 1), torch.relu,
                                   lambda x: x.clamp(0.4, 0.6)])
def test_a_receptive_field_is_seen_behind_a_clipped_output(limit):
    class Clipped(dncnn.DnCNN):
        def forward(self, z):
            return limit(super().forward(z))

    for case in stored.load(NETWORK).cases:
        seen = probes.observe(probes.network, Clipped, case)
        assert seen["field"] == case.expected["field"] == 2 * case.inputs["depth"] + 1


def test_the_library_itself_passes_where_it_follows_the_paper():
    def blind_batch(y, *, low, high, generator):
        return noise.Gaussian((low, high))(y, generator=generator)

    assert type(check(NETWORK, dncnn.DnCNN)) is Correct
    assert type(check(BATCH, blind_batch)) is Correct


def test_the_librarys_deviation_from_the_paper_is_diagnosed():
    assert "The course's own training divides as you do" in check(LOSS, dncnn.residual_loss).why


def test_an_unknown_mistake_gets_a_report_and_no_wrong_diagnosis(loss, problem=LOSS):
    verdict = check(problem, lambda estimate, z, y: 1.3 * loss.reference(estimate, z, y))
    assert "too large by a factor of about 1.3" in verdict.why and "two gray images" in verdict.why
    assert verdict.why not in {mutant.message for mutant in loss.mutants}


def test_a_report_of_many_numbers_names_place_and_range_and_shows_no_answer():
    class Scaled(nn.Module):
        def __init__(self, depth, width):
            super().__init__()
            layers = [nn.Conv2d(1, width, 3, padding=1, bias=False), nn.ReLU()]
            for _ in range(depth - 2):
                layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            self.layers = nn.Sequential(*layers, nn.Conv2d(width, 1, 3, padding=1, bias=False))

        def forward(self, z):
            return z - 0.5 * self.layers(z)

    why = check(NETWORK, Scaled).why
    assert "of 264 numbers" in why and "at index (" in why and "Yours lie between" in why
    assert len(why) < 300


# Code that is no answer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["...", "pass", "return ...", "'''docstring'''",
                                  "noise = ...\n    return (noise - z).sum()", "noise = ...\n    return noise.sum()"])
def test_what_is_left_of_the_stub_counts_as_not_attempted(body):
    assert type(check(LOSS, loss(body))) is NotAttempted


def test_without_an_answer_a_check_says_what_to_do():
    for verdict in (check(LOSS), check(LOSS, ...)):
        assert type(verdict) is NotAttempted and 'check("dncnn.residual_loss", residual_loss)' in verdict.why


@pytest.mark.parametrize("body, says", [
    ("noise = z - y", "Is the `return` missing?"),
    ("return 'three'", "it is a str"),
    ("return [((estimate - z + y)**2).sum()]", "it is a list"),
    ("return torch.tensor(float('nan'))", "NaN"),
    ("return 0.5 * ((estimate - z + y)**2).sum() / 0", "infinite"),
    ("return (((estimate - z + y)**2).sum() / 2 / len(y)).reshape(1)", "has the shape (1,); expected one number"),
    ("return estimate.sum().to(torch.complex64)", "not made of real numbers"),
    ("return torch.ones(1).expand(10**9)", "far too many"),
    ("z -= y\n    return z.sum()", "`z` was changed in place"),
    ("estimate.sub_(z)\n    return estimate.sum()", "`estimate` was changed in place"),
    ("import sys\n    sys.exit(0)", "SystemExit"),
    ("return residual_loss(estimate, z, y)", "calls itself without an end"),
    ("raise GeneratorExit", "GeneratorExit"),
    ("raise ValueError('x' * 10**6)", "(and so on)"),
])
def test_what_goes_wrong_is_said_in_words(body, says):
    verdict = check(LOSS, loss(body))
    assert type(verdict) is Incorrect and says in verdict.why and len(verdict.why) < 500


@pytest.mark.parametrize(("body", "says"), [
    ("nothing = (estimate - estimate.detach()).square().sum().sqrt()\n"
     "    return 0.5 * (estimate - z + y).square().sum() / len(y) + nothing", "a root at 0"),
    ("return (estimate - z + y).square().sum() / 0", "a division by zero, the logarithm of zero"),
    ("return estimate.sum() * 0 / 0", "0 / 0, infinity minus infinity"),
])
def test_what_is_not_finite_comes_with_its_usual_causes(body, says):
    assert says in check(LOSS, loss(body)).why


@pytest.mark.parametrize(("body", "says"), [
    ("d = (estimate - z + y)**2\n    e = d.exp()\n    e[0] = 0\n    return e.sum()", "writes into a tensor"),
    ("value = (estimate - z + y).square().sum()\n    value.backward()\n    return value", "leave `backward()`"),
])
def test_a_loss_whose_gradient_cannot_be_computed_is_told_why(body, says):
    assert says in check(LOSS, loss(body)).why


def test_an_exception_comes_with_the_students_own_line():
    verdict = check(LOSS, loss("noise = z - y\n    return F.mse_loss(noise, noize)"))
    assert "NameError: name 'noize' is not defined" in verdict.why
    assert verdict.place == "line 3 of its cell: return F.mse_loss(noise, noize)"


def test_an_exception_inside_torch_is_placed_at_the_students_line_too():
    verdict = check(LOSS, loss("return F.interpolate(z, size=2, scale_factor=2)"))   # raised in a Python file of torch
    assert verdict.place == "line 2 of its cell: return F.interpolate(z, size=2, scale_factor=2)"


@pytest.mark.parametrize("answer", [None, 3.0, torch.ones(2), "residual_loss"])
def test_calling_the_function_oneself_is_recognised(answer):
    assert "Write its name without brackets" in check(LOSS, answer).why


def test_another_signature_than_the_stubs_is_named():
    why = check(LOSS, student("def residual_loss(estimate, noise): return 1")).why
    assert "it is called as `residual_loss(estimate, z, y)`" in why


def test_a_network_that_is_built_already_or_without_super_is_recognised():
    assert "the class itself" in check(NETWORK, nn.Conv2d(1, 1, 3)).why
    source = "class DnCNN(nn.Module):\n    def __init__(self, *, depth, width):\n        self.depth = depth\n"
    assert "super().__init__()" in check(NETWORK, student(source, "DnCNN")).why


def test_layers_made_in_forward_are_recognised_as_untrainable():
    class Fresh(nn.Module):
        def __init__(self, depth, width):
            super().__init__()

        def forward(self, z):
            return z - nn.Conv2d(1, 1, 3, padding=1)(z)

    assert "`parameters()`" in check(NETWORK, Fresh).why


def test_a_network_that_returns_nan_or_infinities_is_told_so_and_not_that_it_hides_weights():
    def network(spoil):
        class Spoiled(dncnn.DnCNN):
            def forward(self, z):
                return spoil(super().forward(z))
        return Spoiled

    for spoil, says in ((lambda x: x / x.new_zeros(()) * 0, "output of your network holds NaN"),
                        (lambda x: torch.where(x > 0.5, torch.nan, x), "output of your network holds NaN"),
                        (lambda x: x / 0, "output of your network holds"),
                        (lambda x: x + 0 * (0 * x).sqrt(), "with respect to its input holds NaN")):
        why = check(NETWORK, network(spoil)).why
        assert says in why and "division by zero" in why and "parameters()" not in why
    assert "should be a torch tensor; it is a ndarray" in check(NETWORK, network(lambda x: x.detach().numpy())).why


@pytest.mark.parametrize("value, says", [("float('nan')", "holds NaN"), ("float('inf')", "holds infinite numbers"),
                                         ("torch.log(y - 1)", "holds NaN")])
def test_a_noisy_batch_of_nan_or_infinities_is_told_so_and_not_that_two_calls_differ(value, says):
    body = f"def blind_batch(y, *, low, high, generator):\n    return y + {value}\n"
    why = check(BATCH, student(body, "blind_batch")).why
    assert f"the noisy batch {says}" in why and "generator" not in why


def test_ctrl_c_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        check(LOSS, loss("raise KeyboardInterrupt"))


# Students' objects have no say --------------------------------------------------------------------------------------


def test_an_object_that_claims_to_equal_everything_is_refused():
    class Liar(float):
        __hash__ = None

        def _yes(self, *_):
            return True

        __eq__ = __le__ = __lt__ = __ge__ = __gt__ = _yes

        def _zero(self, *_):
            return 0.0

        __sub__ = __rsub__ = __abs__ = _zero

    class LyingTensor(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return torch.tensor(True)

    class LyingArray(np.ndarray):
        def __sub__(self, other):
            return np.zeros(())

    for lie in (Liar(3.0), torch.tensor(3.0).as_subclass(LyingTensor), np.zeros(()).view(LyingArray)):
        verdict = check(LOSS, lambda estimate, z, y, lie=lie: lie)
        assert type(verdict) is Incorrect and f"it is a {type(lie).__name__}" in verdict.why


def test_a_solution_cannot_spoil_the_inputs_of_the_next_check(loss):
    def spoiler(estimate, z, y):
        y.zero_()
        return y.sum()

    check(LOSS, spoiler)
    assert type(check(LOSS, loss.reference)) is Correct


def test_a_check_leaves_the_random_state_and_the_gradient_mode_alone(loss):
    before = torch.get_rng_state()
    with torch.no_grad():   # the gradient is observed all the same
        assert type(check(LOSS, loss.reference)) is Correct
        assert not torch.is_grad_enabled()
    check(NETWORK, lambda depth, width: nn.Conv2d(1, 1, 3))
    assert torch.equal(before, torch.get_rng_state())


def test_a_default_of_double_precision_changes_no_verdict(problem, right):
    torch.set_default_dtype(torch.float64)
    try:
        assert type(check(problem.id, right)) is Correct
    finally:
        torch.set_default_dtype(torch.float32)


def test_prints_are_shown_but_not_megabytes_of_them(capsys, loss):
    def chatty(estimate, z, y):
        print("the shape is", z.shape)
        for _ in range(10_000):
            print("x" * 1000)
        print("on stderr", file=sys.stderr)
        return loss.reference(estimate, z, y)

    assert type(check(LOSS, chatty)) is Correct
    shown = capsys.readouterr().out
    assert shown.startswith("the shape is torch.Size([2, 1, 4, 3])") and "not shown" in shown and len(shown) < 2100


def test_endless_prints_do_not_fill_the_memory():
    kept = checks._Bounded()
    assert sum(kept.write("x" * 1000) for _ in range(1000)) == 10**6   # print is told that all was written
    assert len(kept.getvalue()) <= checks.LONGEST_OUTPUT + 1


# Names, hints, and how it looks -------------------------------------------------------------------------------------


def test_an_unknown_problem_gets_a_suggestion():
    with pytest.raises(UnknownName, match=r"did you mean 'dncnn\.residual_loss'"):
        check("dncnn.residualloss")
    with pytest.raises(UnknownName, match="There are: "):
        hint("../../etc/passwd")


def test_hints_grow_one_at_a_time_and_the_last_one_stays(problem):
    shown = [hint(problem.id).text for _ in range(len(problem.hints) + 1)]
    assert shown == [*problem.hints, problem.hints[-1]]
    assert hint(problem.id, 1).text == problem.hints[0]
    with pytest.raises(ValueError, match="hints 1 to 3"):
        hint(problem.id, 4)


def test_a_verdict_says_its_word_in_text_and_in_html_and_escapes_the_students_line():
    verdict = check(LOSS, loss("return '<b>' + nothing"))
    assert repr(verdict).startswith("Incorrect: Your code stopped") and "return '<b>' + nothing" in repr(verdict)
    html = verdict._repr_html_()
    assert "<strong>Incorrect:</strong>" in html and "&lt;b&gt;" in html and "<b>" not in html
    for other in (check(LOSS), hint(LOSS, 1)):
        assert "<strong>" in other._repr_html_() and 'role="' in other._repr_html_()


@pytest.mark.parametrize("verdict", [Correct, Incorrect, NotAttempted])
def test_the_colours_of_a_verdict_have_the_contrast_of_wcag_aaa(verdict):
    def luminance(colour: str) -> float:
        parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted(map(luminance, verdict.colours))
    assert (light + 0.05) / (dark + 0.05) >= 7
