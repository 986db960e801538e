"""Times training steps of PyTorch, one turn at a time, so that they can be interleaved with those of another process.

Reads commands from standard input, one a line, and answers each with one line of JSON:
  open MODEL BATCH THREADS [channels-last]   makes the model, its optimizer and a batch; {model, parameters, torch}
  time STEPS                                 seconds per step and of all processors, means over STEPS; {seconds, cpu, loss}
  profile STEPS                              milliseconds per step in each operator, its own time alone; {operators}
A step is forward, cross-entropy, backward and Adam, on the same batch of random data. An unknown command answers {error}.
MODEL is one of MODELS; each is the built-in architecture of that name at its default options.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class SamePad(nn.Module):
    """Pads as ONNX's SAME_UPPER does: the odd row and column at the end."""

    def __init__(self, kernel, stride):
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x):
        pads = []
        for size, kernel, stride in zip(reversed(x.shape[2:]), reversed(self.kernel), reversed(self.stride)):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return F.pad(x, pads)


def normed(conv, channels, activation=True):
    return [conv, nn.BatchNorm2d(channels)] + ([nn.ReLU(inplace=True)] if activation else [])


def ds_cnn(channels=64, blocks=4, classes=12):
    """Input [N, 1, 49, 10]: MLPerf Tiny's keyword spotter."""
    layers = [SamePad((10, 4), (2, 2))]
    layers += normed(nn.Conv2d(1, channels, (10, 4), stride=2, bias=False), channels)
    for _ in range(blocks):
        layers += normed(nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False), channels)
        layers += normed(nn.Conv2d(channels, channels, 1, bias=False), channels)
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
    return nn.Sequential(*layers)


class BasicBlock(nn.Module):
    def __init__(self, into, out, stride):
        super().__init__()
        self.body = nn.Sequential(
            *normed(nn.Conv2d(into, out, 3, stride=stride, padding=1, bias=False), out),
            *normed(nn.Conv2d(out, out, 3, padding=1, bias=False), out, activation=False),
        )
        same = stride == 1 and into == out
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(*normed(nn.Conv2d(into, out, 1, stride=stride, bias=False), out, activation=False))
        )

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def residual_cnn(channels=16, stages=3, blocks=2, classes=10):
    """Input [N, 3, 32, 32]; each stage after the first halves the picture and doubles the channels."""
    layers = normed(nn.Conv2d(3, channels, 3, padding=1, bias=False), channels)
    width = channels
    for stage in range(stages):
        for block in range(blocks):
            out = channels * 2**stage
            layers.append(BasicBlock(width, out, 2 if stage > 0 and block == 0 else 1))
            width = out
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]
    return nn.Sequential(*layers)


def mlp(into=784, hidden=(512, 512), classes=10):
    """Input [N, 784]."""
    layers = []
    for out in hidden:
        layers += [nn.Linear(into, out), nn.ReLU(inplace=True)]
        into = out
    return nn.Sequential(*layers, nn.Linear(into, classes))


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and a feed-forward layer of four times the width."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, t, d = x.shape
        y = self.norm1(x)
        q, k, v = (
            layer(y).view(n, t, self.heads, d // self.heads).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        y = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, d))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """Input [N, 64, 40]: a linear embedding, learned positions, mean over time."""

    def __init__(self, features=40, length=64, width=128, heads=4, layers=4, classes=10):
        super().__init__()
        self.embed = nn.Linear(features, width)
        self.positions = nn.Parameter(0.02 * torch.randn(length, width))
        self.layers = nn.Sequential(*(EncoderLayer(width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.norm(self.layers(self.embed(x) + self.positions)).mean(1))


# Name to the maker, the shape of one sample, and how many classes there are.
MODELS = {
    "ds-cnn": (ds_cnn, (1, 49, 10), 12),
    "residual-cnn": (residual_cnn, (3, 32, 32), 10),
    "mlp": (mlp, (784,), 10),
    "transformer": (Transformer, (64, 40), 10),
}


class Race:
    def open(self, name, batch, threads, layout="channels-first"):
        make, shape, classes = MODELS[name]
        torch.set_num_threads(int(threads))
        torch.manual_seed(1)
        self.model = make().train()
        self.x = torch.randn(int(batch), *shape)
        if layout == "channels-last" and self.x.dim() == 4:
            self.model = self.model.to(memory_format=torch.channels_last)
            self.x = self.x.to(memory_format=torch.channels_last)
        self.y = torch.randint(classes, (int(batch),))
        # `foreach` (many tensors in one call) and `fused` are PyTorch's faster forms; fused is the fastest on a CPU.
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)
        for _ in range(3):
            self.step()
        parameters = sum(one.numel() for one in self.model.parameters())
        return {"model": name, "parameters": parameters, "torch": torch.__version__}

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.model(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        # As ours answers it: read at every step.
        return loss.item()

    def time(self, steps):
        begin, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(steps)):
            loss = self.step()
        steps = int(steps)
        return {
            "seconds": (time.perf_counter() - begin) / steps,
            "cpu": (time.process_time() - cpu) / steps,
            "loss": loss,
        }

    def profile(self, steps):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
            for _ in range(int(steps)):
                self.step()
        rows = sorted(profiler.key_averages(), key=lambda row: -row.self_cpu_time_total)
        per = {row.key: round(row.self_cpu_time_total / int(steps) / 1000, 4) for row in rows}
        return {"operators": per}


def main():
    race = Race()
    commands = {"open": race.open, "time": race.time, "profile": race.profile}
    for line in sys.stdin:
        name, *arguments = line.split() or [""]
        try:
            answer = commands[name](*arguments)
        except Exception as error:  # Said to the one who asked; the next command may be a good one.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
