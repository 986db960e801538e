"""Trains the keyword spotter and writes model.onnx: a stopgap until the project's own trainer does it.

    python3 train.py --train train-0.npz train-1.npz --evaluate data.npz --out model.onnx

Needs PyTorch, onnx and numpy (Debian 13: apt-get install python3-torch python3-onnx python3-numpy). The evaluation
set is looked at once, after the last epoch, for the figure that the README states: nothing is chosen by it.
"""

import argparse
import math
import random
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 12
# First coefficient of a frame of zeros: 40 logarithms of 1e-6 are about -123.6.
FLOOR = -123


class Block(nn.Sequential):
    """Depthwise 3x3, pointwise 1x1, each with batch norm and ReLU: [N, C, H, W] -> the same."""

    def __init__(self, channels):
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )


class Spotter(nn.Module):
    """DS-CNN of the shape that MLPerf Tiny uses (Zhang et al. 2017, arXiv 1711.07128): mfcc [N, 1, 49, 10] -> scores [N, 12]."""

    def __init__(self, channels=64, blocks=4):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(1, channels, (10, 4), stride=2, padding=(5, 1), bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Dropout(0.05),
        )
        self.blocks = nn.Sequential(*[Block(channels) for _ in range(blocks)])
        self.pool = nn.AvgPool2d((25, 5))
        self.drop = nn.Dropout(0.1)
        self.dense = nn.Linear(channels, CLASSES)

    def forward(self, mfcc):
        hidden = self.blocks(self.first(mfcc))  # [N, 64, 25, 5]
        return self.dense(self.drop(torch.flatten(self.pool(hidden), 1)))


def read(paths):
    """mfcc float32 [N, 1, 49, 10], labels int64 [N]"""
    files = [np.load(path) for path in paths]
    mfcc = np.concatenate([file["mfcc"] for file in files]).astype(np.float32)
    labels = np.concatenate([file["labels"] for file in files])
    return torch.from_numpy(mfcc), torch.from_numpy(labels)


def vary(mfcc, gain):
    """
    Makes each sample, which peaks at full scale, up to `gain` dB softer (the first coefficient moves, digital silence
    stays at its floor), shifts it by up to two frames, blanks up to six frames and at times one coefficient (SpecAugment,
    arXiv 1904.08779).
    """
    count = mfcc.shape[0]
    softer = torch.rand(count, 1, 1) * gain * math.log(10) / 20 * 2 * 40 / math.sqrt(2 * 40)
    mfcc = mfcc.clone()
    mfcc[..., 0] = torch.where(mfcc[..., 0] > FLOOR, mfcc[..., 0] - softer, mfcc[..., 0])
    shift = torch.randint(-2, 3, (count, 1))
    frames = (torch.arange(49) + shift).clamp(0, 48)
    mfcc = mfcc.gather(2, frames[:, None, :, None].expand(-1, 1, 49, 10))
    start = torch.randint(0, 49, (count, 1))
    blank = (torch.arange(49) >= start) & (torch.arange(49) < start + torch.randint(0, 7, (count, 1)))
    mean = mfcc.mean(2, keepdim=True)
    mfcc = torch.where(blank[:, None, :, None], mean, mfcc)
    lost = torch.arange(10) == torch.randint(0, 20, (count, 1))
    return torch.where(lost[:, None, None, :], mean.mean(0, keepdim=True), mfcc)


@torch.no_grad()
def answers(model, mfcc):
    model.eval()
    return torch.cat([model(part) for part in mfcc.split(500)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--evaluate", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rate", type=float, default=6e-3)
    parser.add_argument("--gain", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.use_deterministic_algorithms(True)

    mfcc, labels = read(options.train)
    model = Spotter()
    # The biggest coefficient reaches -120: the first weights start as if the input had been scaled.
    with torch.no_grad():
        model.first[0].weight *= 0.1
    steps = len(labels) // options.batch
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.rate, total_steps=steps * options.epochs, pct_start=0.1
    )  # warm-up, then half a cosine down to zero
    for epoch in range(options.epochs):
        began = time.time()
        model.train()
        order = torch.randperm(len(labels))
        total = right = 0.0
        for step in range(steps):
            chosen = order[step * options.batch : (step + 1) * options.batch]
            scores = model(vary(mfcc[chosen], options.gain))
            loss = F.cross_entropy(scores, labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
            right += (scores.argmax(1) == labels[chosen]).float().mean().item()
        print(
            f"epoch {epoch + 1}: loss {total / steps:.4f}, training accuracy {100 * right / steps:.2f} %, "
            f"{time.time() - began:.0f} s",
            flush=True,
        )

    model.eval()
    # Batch norm stays as it is: cleaning up is what the project is for.
    torch.onnx.export(
        model,
        (torch.zeros(1, 1, 49, 10),),
        options.out,
        dynamo=False,
        opset_version=17,
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        input_names=["mfcc"],
        output_names=["scores"],
        dynamic_axes={"mfcc": {0: "batch"}, "scores": {0: "batch"}},
    )

    mfcc, labels = read([options.evaluate])
    scores = answers(model, mfcc)
    hits = scores.argmax(1) == labels
    print(f"evaluation: {int(hits.sum())} of {len(labels)} right, {100 * hits.float().mean():.2f} %")
    for label in range(CLASSES):
        print(f"  class {label}: {100 * hits[labels == label].float().mean():.1f} %")


if __name__ == "__main__":
    main()
