"""Milliseconds of PyTorch steps that train low-rank adapters (Adam, cross entropy) of the networks of bench/lora-step.ts, as JSON.

Usage: python3 torch_lora_step.py llama|minilm BATCH TOKENS RANK ROUNDS THREADS
"""
import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

name, batch, tokens, rank, rounds = sys.argv[1], *(int(word) for word in sys.argv[2:6])
torch.set_num_threads(int(sys.argv[6]))


class Lora(nn.Module):
    """A frozen linear layer with a trained A and B beside it, as peft writes it."""

    def __init__(self, inputs, outputs, bias=True):
        super().__init__()
        self.base = nn.Linear(inputs, outputs, bias)
        self.base.requires_grad_(False)
        self.down = nn.Parameter((torch.rand(rank, inputs) * 2 - 1) / math.sqrt(inputs))
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x):
        return self.base(x) + F.linear(F.linear(x, self.down), self.up)


class LlamaBlock(nn.Module):
    width, heads, groups, hidden = 128, 8, 4, 352

    def __init__(self):
        super().__init__()
        each = self.width // self.heads
        self.q, self.k = Lora(self.width, self.width, False), Lora(self.width, each * self.groups, False)
        self.v, self.o = Lora(self.width, each * self.groups, False), Lora(self.width, self.width, False)
        self.w1, self.w3 = Lora(self.width, self.hidden, False), Lora(self.width, self.hidden, False)
        self.w2 = Lora(self.hidden, self.width, False)
        self.n1, self.n2 = nn.RMSNorm(self.width, 1e-5), nn.RMSNorm(self.width, 1e-5)
        angle = torch.arange(tokens)[:, None] / 10000 ** (torch.arange(each) % (each // 2) * 2 / each)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def rotate(self, x):
        first, second = x.chunk(2, -1)
        return x * self.cos + torch.cat([-second, first], -1) * self.sin

    def forward(self, x):
        n, t, w = x.shape
        y, each = self.n1(x), w // self.heads
        q = self.rotate(self.q(y).view(n, t, self.heads, each).transpose(1, 2))
        k = self.rotate(self.k(y).view(n, t, self.groups, each).transpose(1, 2))
        v = self.v(y).view(n, t, self.groups, each).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.o(y.transpose(1, 2).reshape(n, t, w))
        y = self.n2(x)
        return x + self.w2(F.silu(self.w1(y)) * self.w3(y))


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(105, 128)
        self.blocks = nn.Sequential(*[LlamaBlock() for _ in range(5)])
        self.norm, self.head = nn.RMSNorm(128, 1e-5), Lora(128, 105, False)

    def forward(self, ids):
        return self.head(self.norm(self.blocks(self.embedding(ids)))).flatten(0, 1)


class BertBlock(nn.Module):
    width, heads, hidden = 384, 12, 1536

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (Lora(self.width, self.width) for _ in range(4))
        self.w1, self.w2 = Lora(self.width, self.hidden), Lora(self.hidden, self.width)
        self.n1, self.n2 = nn.LayerNorm(self.width), nn.LayerNorm(self.width)

    def forward(self, x):
        n, t, w = x.shape
        q, k, v = (layer(x).view(n, t, self.heads, -1).transpose(1, 2) for layer in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v)
        x = self.n1(x + self.o(y.transpose(1, 2).reshape(n, t, w)))
        return self.n2(x + self.w2(F.gelu(self.w1(x))))


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(30522, 384), nn.Embedding(512, 384)
        self.norm = nn.LayerNorm(384)
        self.blocks = nn.Sequential(*[BertBlock() for _ in range(6)])
        self.head = nn.Linear(384, 2, False)

    def forward(self, ids):
        x = self.norm(self.words(ids) + self.places(torch.arange(tokens)))
        return self.head(self.blocks(x).mean(1))


net, size = (Llama(), 105) if name == "llama" else (Bert(), 30000)
for key, parameter in net.named_parameters():
    parameter.requires_grad_("down" in key or "up" in key or (name == "minilm" and key.startswith("head")))
optimizer = torch.optim.Adam([parameter for parameter in net.parameters() if parameter.requires_grad], 1e-6)
ids = torch.randint(0, size, (batch, tokens))
labels = torch.arange(batch * tokens if name == "llama" else batch) % 2
steps = []
for _ in range(rounds + 3):
    started, used = time.perf_counter(), time.process_time()
    optimizer.zero_grad()
    F.cross_entropy(net(ids), labels).backward()
    optimizer.step()
    steps.append({"ms": 1000 * (time.perf_counter() - started), "cpuMs": 1000 * (time.process_time() - used)})
print(json.dumps(steps[3:]))
