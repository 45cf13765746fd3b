"""A frozen backbone and a linear head by hand in torch: `python benchmarks/peer_eager.py PHOTOS`.

What a tutorial on transfer learning does on a CPU: the same network and weights as photograft's default backbone (timm
`tf_efficientnet_lite0`), frozen and in evaluation mode; torchvision transforms (Resize 256, CenterCrop 224, mean and
std 0.5, a random flip in training); a DataLoader with two workers and batches of 32; a linear head trained with Adam.
The whole network runs forward in every epoch, as it must where photos are augmented.

Two epochs are run by default and ten are reported: the seconds of the whole process plus eight times the mean epoch.
Test accuracy is that after the epochs that were run. The test part is 15 % of each class, drawn by a seed; it is
evaluated once, at the end.
"""

# ruff: noqa: E402
from __future__ import annotations

import time

_STARTED = time.perf_counter()  # before torch: importing it is part of what such a script costs

import argparse
import json
import tempfile
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import machine
from photo_sets import add_limit_argument, photos_by_class, sample, stratified
from photograft.models.backbone import load_embedder
from photograft.models.catalogue import find_backbone

BATCH = 32
WORKERS = 2
LEARNING_RATE = 1e-3
TEST_FRACTION = 0.15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--epochs", type=int, default=10, help="epochs to report")
    parser.add_argument("--measured", type=int, default=2, help="epochs to run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON on stdout and nothing else")
    add_limit_argument(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        photos = sample(arguments.photos, arguments.limit, Path(scratch) / "photos")
        result = measure(photos, measured=arguments.measured, seed=arguments.seed)
    if arguments.json:
        print(json.dumps(result))
        return
    facts = machine.facts()
    total_s = scaled(result["process_s"], result["epoch_s"], epochs=arguments.epochs)
    print(machine.describe(facts))
    seconds = ", ".join(f"{s:.1f}" for s in result["epoch_s"])
    machine.print_table(
        f"Frozen backbone in torch eager, {result['n_train']} + {result['n_test']} photos",
        ["start s", "epochs s", "test s", f"{arguments.epochs} epochs s (scaled)", "accuracy"],
        [
            [
                f"{result['start_s']:.1f}",
                seconds,
                f"{result['test_s']:.1f}",
                f"{total_s:.1f}",
                f"{result['accuracy']:.3f}",
            ]
        ],
    )
    machine.write_json("peer_eager", facts, vars(arguments), {**result, "scaled_s": total_s})


def scaled(process_s: float, epoch_s: list[float], *, epochs: int) -> float:
    """Seconds of the whole process with `epochs` epochs, where it ran fewer."""
    return process_s + (epochs - len(epoch_s)) * sum(epoch_s) / len(epoch_s)


def measure(photos: Path, *, measured: int, seed: int) -> dict[str, object]:
    """Train the head for some epochs and test it."""
    torch.manual_seed(seed)
    by_class = photos_by_class(photos)
    train, test = stratified(by_class, test=TEST_FRACTION, seed=seed)
    network = load_embedder(find_backbone("efficientnet-lite0"), embedding="last").trunk.network
    network.reset_classifier(0)
    head = torch.nn.Linear(network.num_features, len(by_class))
    optimiser = torch.optim.Adam(head.parameters(), lr=LEARNING_RATE)
    loader = DataLoader(_Photos(train, flip=True), BATCH, shuffle=True, num_workers=WORKERS)
    start_s = time.perf_counter() - _STARTED
    epoch_s = []
    for _ in range(measured):
        started = time.perf_counter()
        for images_NCHW, label_N in loader:
            with torch.no_grad():
                features_ND = network(images_NCHW)
            loss = torch.nn.functional.cross_entropy(head(features_ND), label_N)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        epoch_s.append(time.perf_counter() - started)
    started = time.perf_counter()
    correct = 0
    with torch.no_grad():
        for images_NCHW, label_N in DataLoader(_Photos(test, flip=False), BATCH, num_workers=WORKERS):
            correct += int((head(network(images_NCHW)).argmax(1) == label_N).sum())
    return {
        "n_train": len(train),
        "n_test": len(test),
        "start_s": start_s,
        "epoch_s": epoch_s,
        "test_s": time.perf_counter() - started,
        "process_s": time.perf_counter() - _STARTED,
        "accuracy": correct / len(test),
        "versions": machine.versions(),
    }


class _Photos(Dataset):
    """(image tensor, class number) of each file, read and transformed anew every time, as ImageFolder does."""

    def __init__(self, files: list[tuple[Path, int]], *, flip: bool) -> None:
        self.files = files
        self.transform = transforms.Compose(
            [
                transforms.Resize(256),
                transforms.CenterCrop(224),
                *([transforms.RandomHorizontalFlip()] if flip else []),
                transforms.ToTensor(),
                transforms.Normalize([0.5] * 3, [0.5] * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        file, label = self.files[index]
        with Image.open(file) as image:
            return self.transform(image.convert("RGB")), label


if __name__ == "__main__":
    main()
