"""Embeddings: a network turns images into vectors, and everybody who learns a representation asks the same of them.

`embed` makes the table of vectors (N, d), one row for each image; `pixels` makes one without a network, to compare
with. `distances` compares two tables, `tsne` draws one as a map. Two probes ask how good features are that nobody
trained for the labels: the linear probe trains a linear layer, and only it, on frozen features, and the kNN probe
trains nothing at all. What a probe finds was in the features. Whatever they are compared with, a randomly initialised
network of the same kind above all, gets the same probe.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import arguments, devices

# Embeddings ----------------------------------------------------------------------------------------------------------


def embed(network: nn.Module | Callable[[Tensor], Tensor], images: Tensor, *, batch: int = 256) -> Tensor:
    """Embed images with a network: in eval mode, without gradients, one row for each image, in float32 on the CPU.

    In training mode batch normalisation would let an embedding depend on the images that happen to be beside it.
    network: a network, or a method of one, such as `classifier.latent`; it is left in the mode it was in. Any other
    function is called as it is: a network inside a lambda is not put in eval mode. batch: how many images go through
    the network at once.
    Shapes: images (N, C, H, W), uint8 or floats in [0, 1] -> (N, d).
    Raises ValueError where images are no batch.

    >>> embed(nn.Flatten(), torch.full((3, 1, 2, 2), 255, dtype=torch.uint8))[0]
    tensor([1., 1., 1., 1.])
    """
    arguments.positive(batch, name="batch")
    if arguments.tensor(images, name="images").ndim != 4:
        raise ValueError(f"images: expected (N, C, H, W), got {tuple(images.shape)}. One image becomes a batch with "
                         "image[None].")
    module = network if isinstance(network, nn.Module) else getattr(network, "__self__", None)
    module = module if isinstance(module, nn.Module) else None
    training = module is not None and module.training
    device = next((p.device for p in module.parameters()), images.device) if module is not None else images.device
    if module is not None:
        module.eval()
    try:
        with torch.inference_mode():
            batches = (as_float(some).to(device) for some in images.split(batch))
            rows = [network(arguments.image_batch(some, like=module)).float().cpu() for some in batches]
    finally:
        if module is not None:
            module.train(training)
    return torch.cat(rows).clone()


def pixels(images: Tensor) -> Tensor:
    """Take the pixels themselves as an embedding, so that their distance can be compared with learnt ones.

    Shapes: images (N, C, H, W), uint8 or floats in [0, 1] -> (N, C H W).

    >>> pixels(torch.full((1, 1, 1, 2), 255, dtype=torch.uint8))
    tensor([[1., 1.]])
    """
    return as_float(images).flatten(1)


def as_float(images: Tensor) -> Tensor:
    """Divide 8-bit images by 255, and leave others as they are.

    Shapes: (N, C, H, W) -> (N, C, H, W). Raises ValueError where images are no batch.

    >>> as_float(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)).item()
    1.0
    """
    arguments.tensor(images, name="images")
    images = images.float() / 255 if images.dtype == torch.uint8 else images
    return arguments.image_batch(images)


def check_finite(f: Tensor, *, name: str) -> Tensor:
    """Return embeddings or scores if they are numbers: what a diverged network gives is near nobody, or all alike.

    Raises ValueError, with `name` for the argument, where a value is NaN or infinite.
    """
    arguments.tensor(f, name=name)
    if not f.isfinite().all():
        raise ValueError(f"{name}: some values are no numbers (NaN or infinite). Usual cause: a training that "
                         "diverged.")
    return f


# Distances and maps --------------------------------------------------------------------------------------------------


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Compute the Euclidean distance between every embedding in a and every embedding in b.

    d_ij = | a_i - b_j |, from the differences of their entries. The usual shortcut |a|^2 + |b|^2 - 2 ab loses small
    distances: in float32 it can say 0.7 for a point and itself.
    Shapes: a (N, d), b (M, d) -> (N, M), in float32 or better. Raises ValueError where they have no such shapes, are on
    two devices, or hold values whose squares are beyond their type.

    >>> distances(torch.zeros(1, 2), torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[5., 0.]])
    """
    arguments.tensor(a, name="a")
    arguments.tensor(b, name="b")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"expected embeddings (N, d) and (M, d), got {tuple(a.shape)} and {tuple(b.shape)}. "
                         "One embedding becomes a set of one with f[None].")
    arguments.same_device(a, b, what="embeddings a and b")
    arguments.comparable(a, b)
    exact = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    a, b = a.to(exact), b.to(exact)
    if a.device.type == "mps":
        return _by_differences(a, b)
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _by_differences(a: Tensor, b: Tensor) -> Tensor:
    """Compute the same by a table of differences (N, M, d): MPS has no gradient of cdist before torch 2.13."""
    return torch.linalg.vector_norm(a[:, None] - b, dim=2)


def tsne(f: Tensor, *, seed: int = 0, perplexity: float = 10.0) -> Tensor:
    """Place embeddings on a plane so that near neighbours stay neighbours: a map to look at, not one to measure on.

    perplexity: how many neighbours count, about; less than a third of the points.
    Shapes: f (N, d) -> (N, 2), each axis from 0 to 1; points that lie on a line have zeros on the second.
    Raises ValueError for too few points, values that are no numbers, and embeddings that are all the same.
    Source: L. van der Maaten, G. Hinton, "Visualizing Data using t-SNE", JMLR 2008; computed by scikit-learn, from the
    two principal components on.

    >>> tsne(torch.eye(8), perplexity=2.0).amax(dim=0)
    tensor([1., 1.])
    """
    from sklearn.manifold import TSNE

    arguments.tensor(f, name="f")
    arguments.number(perplexity, name="perplexity")
    if f.ndim != 2 or not 1 <= perplexity < len(f) / 3:
        raise ValueError(f"expected embeddings (N, d) of more than three times the perplexity, {perplexity:g}, got "
                         f"{tuple(f.shape)}.")
    f = check_finite(f, name="f").detach().double().cpu()
    if bool((f == f[0]).all()):
        raise ValueError("f: all embeddings are the same, and nothing is nearer than anything else. Usual cause: a "
                         "network that has collapsed.")
    arguments.comparable(f, name="f")
    middle = f.mean(dim=0)
    extent = (f - middle).abs().max()
    if not 1e-6 < extent < 1e6:                       # beyond, squares of float32 vanish, and scikit-learn crashes
        f = (f - middle) / extent
    if f.shape[1] == 1:
        f = F.pad(f, (0, 1))                          # two principal components need two axes
    tsne_of = TSNE(init="pca", perplexity=perplexity, random_state=seed)
    places = torch.from_numpy(tsne_of.fit_transform(f.float().numpy()))
    low, high = places.amin(dim=0), places.amax(dim=0)
    return (places - low) / torch.where(high > low, high - low, 1.0)


# Probes --------------------------------------------------------------------------------------------------------------


def linear_probe(train: Tensor, labels: Tensor, test: Tensor, test_labels: Tensor, *, strength: float = 1.0) -> float:
    """Train a linear layer on features, and return the share of the test features that it names rightly.

    The layer is a logistic regression on features that were standardised with the training features' mean and
    deviation. strength: of the penalty on the squared weights, |w|^2 strength / 2 beside the summed cross-entropy.
    Shapes: train (N, D), labels (N,), test (M, D), test_labels (M,) -> a number from 0 to 1.
    Raises ValueError for features without labels, and for labels of one kind only.

    >>> x = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])
    >>> linear_probe(x, torch.tensor([0, 0, 1, 1]), torch.tensor([[-3.0], [3.0]]), torch.tensor([0, 0]))
    0.5
    """
    from sklearn.linear_model import LogisticRegression

    train, labels, test, test_labels = _probed(train, labels, test, test_labels)
    arguments.number(strength, name="strength")
    if len(labels.unique()) < 2:
        raise ValueError(f"labels: a linear layer tells two kinds or more apart, and these are all {int(labels[0])}. "
                         "Usual cause: the first images of a set that is sorted by its labels.")
    if not strength > 0:
        raise ValueError(f"strength: expected a penalty above zero, got {strength}.")
    mean, deviation = train.double().mean(dim=0), train.double().std(dim=0, correction=0)
    deviation = torch.where(deviation > 1e-12, deviation, 1.0)                  # a constant feature says nothing
    layer = LogisticRegression(C=1 / strength, max_iter=1000)
    layer.fit(((train - mean) / deviation).numpy(), labels.numpy())
    said = torch.from_numpy(layer.predict(((test - mean) / deviation).numpy()))
    return float((said == test_labels).double().mean())


def knn_probe(train: Tensor, labels: Tensor, test: Tensor, test_labels: Tensor, *, k: int = 5) -> float:
    """Let the k nearest training features, by the cosine, vote; return the share of right votes on test features.

    Each vote counts a little less than the one before it, so that of labels with equally many votes the one with the
    nearer neighbours wins. A feature of zeros has no direction; its cosine with all others is 0. Shapes and errors are
    those of `linear_probe`; there must be k training features.

    >>> x, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    >>> knn_probe(x, labels, torch.tensor([[5.0, 1.0], [1.0, 2.0]]), labels, k=1)
    1.0
    """
    train, labels, test, test_labels = _probed(train, labels, test, test_labels)
    if arguments.positive(k, name="k") > len(train):
        raise ValueError(f"k: expected at most as many neighbours as training features, {len(train)}, got {k}.")
    least = torch.finfo(torch.float64).tiny                                     # of a length that is divided by
    known = F.normalize(train.double(), dim=1, eps=least)
    classes = int(torch.cat([labels, test_labels]).max()) + 1
    weight = 1 - 1e-3 * torch.arange(k, dtype=torch.float64) / k                # of the votes, nearest first
    right = 0
    for some, wanted in zip(test.split(1024), test_labels.split(1024), strict=True):
        close = (F.normalize(some.double(), dim=1, eps=least) @ known.T).topk(k, dim=1).indices          # (m, k)
        votes = torch.zeros(len(some), classes, dtype=torch.float64)
        votes.scatter_add_(1, labels[close], weight.expand(len(some), k))
        right += int((votes.argmax(dim=1) == wanted).sum())
    return right / len(test)


def _probed(train: Tensor, labels: Tensor, test: Tensor, test_labels: Tensor) -> tuple[Tensor, ...]:
    """Return all four on the processor, labels as int64, if features and labels fit."""
    for features, names, what in ((train, labels, "training"), (test, test_labels, "test")):
        arguments.tensor(features, name=f"the {what} features", real=True)
        arguments.tensor(names, name=f"the {what} labels")
        if features.ndim != 2 or names.shape != features.shape[:1]:
            raise ValueError(f"expected {what} features (N, D) with a label each (N,), got {tuple(features.shape)} and "
                             f"{tuple(names.shape)}. Images become features with embed(network, images).")
        arguments.whole_labels(names, name=f"the {what} labels")
        if not features.numel():
            raise ValueError(f"expected the {what} features of one image or more, got none.")
        if names.is_floating_point() or names.dtype == torch.bool or int(names.min()) < 0:
            raise ValueError(f"expected {what} labels as whole numbers from 0, got {names.dtype} from "
                             f"{names.min().item()}.")
        if not features.isfinite().all():
            raise ValueError(f"the {what} features hold values that are no numbers.")
        arguments.comparable(devices.float64(features), name=f"the {what} features")
    if train.shape[1] != test.shape[1]:
        raise ValueError(f"training features have {train.shape[1]} numbers each, test features {test.shape[1]}. Usual "
                         "cause: two different networks.")
    return train.detach().cpu(), labels.cpu().long(), test.detach().cpu(), test_labels.cpu().long()
