"""Steps that compare embeddings, on a GPU that is pretended: nothing fails there, and nothing waits for it."""

import pytest
import torch
from pretend_cuda import pretend_cuda
from torch.nn import functional as F

from course_lib import arguments, deterministic, devices
from course_lib.data import identities
from course_lib.data.shapes import shapes
from course_lib.data.sources import then
from course_lib.metric import contrastive, identification, triplet
from course_lib.metric.batches import identity_batches, jitter
from course_lib.metric.identification import Classifier
from course_lib.networks import Embedding, Encoder
from course_lib.pretext import simclr
from course_lib.pretext.simclr import SimCLR
from course_lib.pretext.views import Views

PEOPLE = identities.people(6, seed=0)
VIEW = jitter(shift=2, brightness=0.3, mirror=True, turn=10.0, noise=0.02)
PICTURES = shapes(6, size=16).images


def embedding():
    return Embedding(channels=PEOPLE.images.shape[1], widths=(4, 6), dimensions=5)


def simclr_step(model, batch, progress):
    return simclr.nt_xent(*model(torch.cat(batch)).chunk(2))


def contrastive_step(loss):
    return lambda *given: contrastive.step(*given, margin=2.0, loss=loss)


def triplet_step(mining):
    return lambda *given: triplet.step(*given, mining=mining)


def batches_of_people():
    return identity_batches(PEOPLE, view=VIEW)


def pairs_of(pictures):
    return lambda: simclr.pairs(pictures, Views())


def encoder(channels):
    return lambda: SimCLR(Encoder(channels=channels, widths=(4, 6)), dimensions=5)


STEPS = {
    "identification": (lambda: Classifier(6, embedding=embedding()), batches_of_people, identification.step),
    "contrastive, slide": (embedding, batches_of_people, contrastive_step(contrastive.slide_loss)),
    "contrastive, Hadsell": (embedding, batches_of_people, contrastive_step(contrastive.hadsell_loss)),
    "triplet, batch-hard": (embedding, batches_of_people, triplet_step("batch-hard")),
    "triplet, random": (embedding, lambda: then(batches_of_people(), triplet.with_random_triplets),
                        triplet_step("random")),
    "triplet, semi-hard": (embedding, batches_of_people, triplet_step("semi-hard")),
    "triplet, all": (embedding, batches_of_people, triplet_step("all")),
    "simclr, colour": (encoder(3), pairs_of(PICTURES), simclr_step),
    "simclr, gray": (encoder(1), pairs_of(PICTURES[:, :1].contiguous()), simclr_step),
}


@pytest.fixture
def strict(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def taken(make, source, step, gpu):
    """One source's batch, its step and the gradient, after one that was there before."""
    model, source = make().to("cuda"), source()
    generator = devices.draws(torch.Generator().manual_seed(0), torch.device("cuda"))
    for _ in range(2):
        gpu.reset()
        with arguments.unread():
            batch = tuple(devices.sent(part, torch.device("cuda")) for part in source(12, generator))
            terms = step(model, batch, None)
            loss = torch.stack(list(terms.values())).sum() if isinstance(terms, dict) else terms
        loss.backward()
    return model, loss


@pytest.mark.parametrize("name", STEPS)
def test_a_step_on_a_gpu_waits_for_nothing_and_is_deterministic(name, strict):
    with pretend_cuda() as gpu:
        model, loss = taken(*STEPS[name], gpu)
        waits = {kind: count for kind, count in gpu.syncs.items() if count}
        assert not waits, gpu.table()
        assert not gpu.hazards and loss.device.type == "cuda" and bool(loss.isfinite())
        assert all(bool(weight.grad.isfinite().all()) for weight in model.parameters() if weight.grad is not None)


def test_a_mask_in_a_step_would_have_been_seen(strict):
    """What the test above must catch: how pairs were told apart before."""
    def masked(model, batch, progress):
        distance, y = contrastive.pairs(model(batch[0]), batch[1])
        return distance[y == 0].mean()

    with pretend_cuda(where="tests/") as gpu:
        taken(embedding, batches_of_people, masked, gpu)
        assert gpu.syncs["boolean mask"] >= 1


@pytest.mark.parametrize("name", ["contrastive, slide", "triplet, batch-hard", "triplet, all", "triplet, random"])
def test_the_same_labels_that_were_never_on_the_processor_give_the_same_loss(name):
    """`devices.here` then waits for them, and that is all."""
    make, source, step = STEPS[name]
    with pretend_cuda():
        model = make().to("cuda").eval()
        generator = devices.draws(torch.Generator().manual_seed(0), torch.device("cuda"))
        known = tuple(devices.sent(part, torch.device("cuda")) for part in source()(12, generator))
        unknown = tuple(part.clone() for part in known)
        losses = [torch.stack(list(found.values())) if isinstance(found, dict) else found
                  for found in (step(model, batch, None) for batch in (known, unknown))]
        assert losses[0].tolist() == losses[1].tolist()


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (4, 4), (7, 3), (10, 11)])
def test_averages_by_matrices_are_those_of_torch_and_so_is_their_gradient(size):
    """Also where three windows do not divide the image, and overlap."""
    x = torch.rand(2, 4, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = torch.rand(2, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    results = []
    for average in (deterministic._averaged, F.adaptive_avg_pool2d):
        leaf = x.clone().requires_grad_()
        found = average(leaf, 3)
        results.append((found.detach(), *torch.autograd.grad((weights * found).sum(), leaf)))
    assert all(torch.allclose(ours, theirs, atol=1e-12) for ours, theirs in zip(*results, strict=True))


def test_torchs_own_average_has_no_deterministic_gradient_on_a_gpu(strict):
    with pretend_cuda():
        x = torch.rand(1, 1, 4, 4).to("cuda").requires_grad_()
        with pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
            F.adaptive_avg_pool2d(x, 3).sum().backward()
        deterministic.averaged(x, 3).sum().backward()


def test_rows_have_one_sum_of_gradients_whatever_the_threads():
    f, weights = (torch.randn(rows, 64, generator=torch.Generator().manual_seed(rows)) for rows in (40, 4320))
    which = torch.randint(40, (4320,), generator=torch.Generator().manual_seed(0))

    def gradient(threads, take):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            leaf = f.clone().requires_grad_()
            return torch.autograd.grad((take(leaf, which) * weights).sum(), leaf)[0]
        finally:
            torch.set_num_threads(before)

    assert torch.equal(gradient(1, deterministic.rows), gradient(2, deterministic.rows))
    assert torch.equal(gradient(1, deterministic.rows), gradient(1, lambda table, which: table[which]))


def test_what_is_learnt_from_is_refused_or_moved_where_it_is_on_two_devices():
    from course_lib.embeddings import distances, knn_probe, linear_probe
    from course_lib.metric.batches import rotate
    from course_lib.metric.identification import Gallery
    from course_lib.metric.verification import auc, cumulative_match, open_set, open_set_rate, pair_distances, recall_at

    f, labels = torch.randn(12, 4, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3
    with pretend_cuda():
        there, labels_there = f.to("cuda"), labels.to("cuda")
        for probe in (linear_probe, knn_probe):
            assert probe(there, labels, f, labels_there) == probe(f, labels, f, labels)
        assert torch.equal(pair_distances(there, labels)[0].cpu(), pair_distances(f, labels)[0])
        assert recall_at(there, labels, (1,)) == recall_at(f, labels, (1,))
        scores = f[:, :3].abs()
        assert torch.equal(cumulative_match(scores.to("cuda"), labels).cpu(), cumulative_match(scores, labels))
        assert open_set_rate(scores.to("cuda"), labels, scores.to("cuda"), threshold=0.4) == \
            open_set_rate(scores, labels, scores, threshold=0.4)
        assert open_set(lambda images: images.flatten(1).float().to("cuda"), PEOPLE, PEOPLE, PEOPLE) == \
            open_set(lambda images: images.flatten(1).float(), PEOPLE, PEOPLE, PEOPLE)
        gallery = Gallery()
        gallery.enrol("Ada", f[:2])
        for call in (lambda: distances(f, there),
                     lambda: gallery.enrol("Bob", there[:2]),
                     lambda: gallery.scores(there),
                     lambda: auc(f[:, 0], there[:, 0]),
                     lambda: simclr.alignment(f, there),
                     lambda: triplet.triplet_loss(f, f, there, margin=1.0),
                     lambda: rotate(torch.zeros(2, 1, 4, 4), torch.zeros(2).to("cuda"))):
            with pytest.raises(ValueError, match="expected tensors on one device, got (cpu|cuda:0)"):
                call()
        with pytest.raises(ValueError, match="labels: expected them where the generator draws, on cpu, got cuda"):
            triplet.random_triplets(labels_there, generator=torch.Generator())
        with pytest.raises(ValueError, match="expected them on cuda:0, where the network is, got cpu"):
            embedding().to("cuda")(torch.zeros(1, 1, 16, 16))


def test_views_and_crops_meet_their_numbers_where_the_images_are():
    from course_lib.pretext.views import boxes, brightness, crop

    batch = PICTURES[:4].float() / 255
    with pretend_cuda():
        there = batch.to("cuda")
        for view in (Views(), jitter(shift=2, turn=5.0, noise=0.1)):
            assert view(there, torch.Generator().manual_seed(0)).device.type == "cuda"
        box = boxes(batch.shape, (0.3, 1.0), torch.Generator().manual_seed(0))
        assert torch.equal(crop(there, box).cpu(), crop(batch, box))
        factor = torch.tensor([0.5, 1.0, 1.5, 0.0])
        assert torch.equal(brightness(there, factor).cpu(), brightness(batch, factor))
        assert torch.equal(Views()(there, torch.Generator().manual_seed(0)).cpu(),
                           Views()(batch, torch.Generator().manual_seed(0)))
