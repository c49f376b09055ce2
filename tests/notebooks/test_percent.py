"""Sources in the percent format are read exactly, and what is wrong in them is named with its line."""

import pytest

from tools.percent import SourceError, parse

BOTH = """\
# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2.5, "notes": "wave"} tags=["hide-cell"]
# # A title
#
#     indented
# last

# %%
x = 1

y = 2

# %% tags=["nbval-check-output"]
print(x)
"""


def test_a_source_becomes_its_cells_with_their_lines_and_metadata():
    text, code, checked = parse(BOTH, name="toy.py")
    assert (text.kind, text.source, text.line) == ("markdown", "# A title\n\n    indented\nlast", 1)
    assert text.slideshow == {"slide_type": "slide", "minutes": 2.5, "notes": "wave"} and text.tags == ("hide-cell",)
    assert (code.kind, code.source, code.line) == ("code", "x = 1\n\ny = 2", 7)
    assert (checked.source, checked.line, checked.checked, code.checked) == ("print(x)", 12, True, False)


def test_cells_are_those_that_jupytext_reads():
    """An independent reader of the same format agrees, cell by cell."""
    jupytext = pytest.importorskip("jupytext")
    peer = jupytext.reads(BOTH, fmt="py:percent").cells
    ours = parse(BOTH, name="toy.py")
    assert [(cell.kind, cell.source) for cell in ours] == [(cell.cell_type, cell.source) for cell in peer]
    assert [list(cell.tags) for cell in ours] == [cell.metadata.get("tags", []) for cell in peer]
    assert [dict(cell.slideshow) for cell in ours] == [cell.metadata.get("slideshow", {}) for cell in peer]


@pytest.mark.parametrize(("source", "message"), [
    ("", "toy.py:1: no cells"),
    ("\nx = 1\n# %%\nx", "toy.py:2: text before the first cell"),
    ("# %%\n\n", "toy.py:1: this cell is empty"),
    ("# %%\nx\n# %%%\ny", "toy.py:3: cannot read '# %%%'"),
    ("# %% [raw]\nx", "toy.py:1: expected `tags"),
    ("# %% [markdown]\n# fine\nx = 1", "toy.py:3: a line of a text cell begins with `# `, got 'x = 1'"),
    ("# %% [markdown]\n#no space", "toy.py:2: a line of a text cell begins"),
    ("# %%\nx = 1\ny = = 2", "toy.py:3: invalid syntax"),
    ('# %% tags=["nbval-check-outputs"]\nx', "did you mean 'nbval-check-output'"),
    ("# %% tags=[nbval]\nx", "toy.py:1: the value of tags is not JSON"),
    ('# %% tags="nbval-check-output"\nx', "toy.py:1: tags is a list of words"),
    ('# %% [markdown] tags=["nbval-check-output"]\n# x', "toy.py:1: a text cell has no output"),
    ('# %% tag=["hide-cell"]\nx', "unknown cell metadata 'tag': did you mean 'tags'"),
    ('# %% slideshow={"slide_type": "slides"}\nx', "unknown slide_type 'slides': did you mean 'slide'"),
    ('# %% slideshow={"minutes": 3}\nx', "unknown slide_type None"),
    ('# %% slideshow={"slide_type": "slide", "minutes": 0}\nx', "minutes is a positive number, got 0"),
    ('# %% slideshow={"slide_type": "slide", "notes": 3}\nx', "notes is text, got 3"),
    ('# %% slideshow={"slide_type": "notes"}\nx', "toy.py:1: speaker notes are text; this is a code cell"),
    ('# %% slideshow={"slide_type": "slide", "level": 1}\nx', "unknown slideshow metadata 'level'"),
])
def test_what_is_wrong_in_a_source_is_named_with_its_line(source, message):
    with pytest.raises(SourceError) as error:
        parse(source, name="toy.py")
    assert message in str(error.value)
    assert str(error.value).startswith("toy.py:")
