"""Sources: uniform crops, one flip for the batch, everything from one generator."""

import pytest
import torch

from course_lib.data import fixed_pairs, noisy, patches, then
from course_lib.noise import Gaussian


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def position_image(height, width, base=0):
    """A picture whose every pixel has a value of its own."""
    return (torch.arange(height * width).reshape(1, height, width) + base).to(torch.uint8)


def test_a_crop_is_a_window_of_an_image_up_to_flips():
    image = position_image(12, 15)
    windows = {tuple(torch.rot90(w, k).flip(-1)[:, :].flatten().tolist() if f else torch.rot90(w, k).flatten().tolist())
               for w in image[0].unfold(0, 5, 1).unfold(1, 5, 1).reshape(-1, 5, 5) for k in range(4) for f in (0, 1)}
    source = patches([image], size=5)
    for seed in range(20):
        for crop in (source(4, generator(seed)) * 255).round().int().flatten(1):
            assert tuple(crop.tolist()) in windows


def test_all_positions_of_all_images_are_equally_likely():
    small, large = torch.zeros(1, 6, 6, dtype=torch.uint8), torch.full((1, 8, 11), 255, dtype=torch.uint8)
    source = patches([small, large], size=5)            # 4 positions and 4 * 7 = 28
    n = 20_000
    share = float(source(n, generator()).mean(dim=(1, 2, 3)).mean())
    expected = 28 / 32
    assert abs(share - expected) < 4 * (expected * (1 - expected) / n) ** 0.5


def test_a_padded_canvas_is_never_seen():
    images = [torch.full((1, 6, 20), 200, dtype=torch.uint8), torch.full((1, 20, 6), 200, dtype=torch.uint8)]
    assert (patches(images, size=5)(2000, generator()) == 200 / 255).all()


def test_all_eight_flips_and_rotations_occur():
    image = torch.tensor([[[1, 2], [3, 4]]], dtype=torch.uint8)
    source = patches([image], size=2)
    seen = {tuple((source(1, generator(seed)) * 255).round().int().flatten().tolist()) for seed in range(100)}
    assert len(seen) == 8


def test_the_same_generator_gives_the_same_batch():
    source = then(patches([position_image(20, 20)], size=8), noisy(Gaussian(0.1)))
    (z, y), (z2, y2) = source(4, generator(1)), source(4, generator(1))
    assert torch.equal(z, z2) and torch.equal(y, y2)
    assert z.shape == y.shape == (4, 1, 8, 8) and y.dtype == torch.float32 and not torch.equal(z, y)


@pytest.mark.parametrize(("images", "said"), [
    ([], "at least one image"),
    ([torch.zeros(1, 30, 39, dtype=torch.uint8)], "patch of 40 x 40 is larger than an image of 30 x 39"),
    ([torch.zeros(1, 50, 50)], r"8-bit pictures \(C, H, W\), got \(1, 50, 50\) of torch.float32"),
    ([torch.zeros(50, 50, dtype=torch.uint8)], r"\(C, H, W\), got \(50, 50\)"),
    ([torch.zeros(1, 50, 50, dtype=torch.uint8), torch.zeros(3, 50, 50, dtype=torch.uint8)], "same channels"),
])
def test_unfit_images_are_refused(images, said):
    with pytest.raises(ValueError, match=said):
        patches(images, size=40)


def test_the_noise_of_a_scored_image_depends_on_its_name_only():
    a, b = position_image(8, 8), position_image(8, 8, base=3)
    both = dict(zip("ab", fixed_pairs({"a": a, "b": b}, Gaussian(0.1), seed=0), strict=True))
    alone = fixed_pairs({"b": b}, Gaussian(0.1), seed=0)[0]
    assert torch.equal(both["b"][0], alone[0])
    assert not torch.allclose(both["a"][0] - both["a"][1], both["b"][0] - both["b"][1], atol=1e-3)
