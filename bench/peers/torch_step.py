"""Milliseconds of PyTorch training steps (Adam, cross entropy) of the networks of bench/train-step.ts, as JSON.

Usage: python3 torch_step.py FILE BATCH frozen|training ROUNDS THREADS
"""
import json
import sys
import time

import torch
from torch import nn

file, batch, mode, rounds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
torch.set_num_threads(int(sys.argv[5]))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(10, 20, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Linear(50, 10),
    )


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
        )
        self.widen = (outputs - inputs) // 2 if stride == 2 else 0

    def forward(self, x):
        short = x if self.widen == 0 else nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.widen, self.widen))
        return torch.relu(self.body(x) + short)


def resnet20():
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    channels = 16
    for outputs in (16, 32, 64):
        for index in range(3):
            layers.append(Block(channels, outputs, 2 if index == 0 and outputs != 16 else 1))
            channels = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def mobilenet():
    def conv(inputs, outputs, side, stride, group=1):
        return [
            nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=group, bias=False),
            nn.BatchNorm2d(outputs), nn.ReLU6(),
        ]

    layers = conv(3, 8, 3, 2)
    channels = 8
    plan = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
    for outputs, stride in plan:
        layers += conv(channels, channels, 3, stride, channels) + conv(channels, outputs, 1, 1)
        channels = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 1000))


net, shape = (
    (lenet(), (1, 28, 28)) if "mnist" in file else (resnet20(), (3, 32, 32)) if "resnet20" in file else (mobilenet(), (3, 224, 224))
)
net.train()
if mode == "frozen":
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
optimizer = torch.optim.Adam(net.parameters(), 1e-6)
picture, labels = torch.randn(batch, *shape), torch.arange(batch) % 10
steps = []
for _ in range(rounds + 3):
    started, used = time.perf_counter(), time.process_time()
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(picture), labels).backward()
    optimizer.step()
    steps.append({"ms": 1000 * (time.perf_counter() - started), "cpuMs": 1000 * (time.process_time() - used)})
print(json.dumps(steps[3:]))
