import math
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import weight_norm, spectral_norm, parametrizations


class ViT(nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.patch = nn.Conv2d(3, dim, 4, 4)
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos = nn.Parameter(torch.zeros(1, 65, dim))
        self.enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(dim, 4, 128, batch_first=True), 2)
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.pos
        return self.head(self.enc(x)[:, 0])


class ViTBroken(ViT):
    def __init__(self):
        super().__init__()
        self.pos = nn.Parameter(torch.zeros(1, 64, 64))


class CRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.rnn = nn.LSTM(16 * 16, 32, bidirectional=True, batch_first=True)
        self.h = nn.Linear(64, 11)

    def forward(self, x):
        x = self.c(x)
        b, c, h, w = x.shape
        x = x.permute(0, 3, 1, 2).reshape(b, w, c * h)
        x, _ = self.rnn(x)
        return self.h(x)


class CRNNBroken(CRNN):
    def __init__(self):
        super().__init__()
        self.h = nn.Linear(32, 11)


class CRNNTime(CRNN):  # time first, as CTC wants: batch in dimension 1
    def forward(self, x):
        return super().forward(x).permute(1, 0, 2)


class YoloHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.LeakyReLU(0.1), nn.Conv2d(16, 32, 3, 2, 1), nn.LeakyReLU(0.1))
        self.o = nn.Conv2d(32, 3 * 15, 1)

    def forward(self, x):
        x = self.o(self.b(x))
        n, _, h, w = x.shape
        return x.view(n, 3, 15, h, w).permute(0, 1, 3, 4, 2).contiguous().view(n, -1, 15)


class Perceptual(nn.Module):
    def __init__(self):
        super().__init__()
        self.s1 = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.s2 = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU())
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))

    def forward(self, x):
        x = x - self.mean
        a = self.s1(x)
        b = self.s2(a)
        return [a, b]


class Gram(Perceptual):
    def forward(self, x):
        out = []
        for f in super().forward(x):
            n, c, h, w = f.shape
            f = f.view(n, c, h * w)
            out.append(torch.bmm(f, f.transpose(1, 2)) / (c * h * w))
        return out


class FCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.score = nn.Conv2d(16, 5, 1)
        self.up = nn.ConvTranspose2d(5, 5, 8, stride=4, padding=2)

    def forward(self, x):
        return self.up(self.score(self.f(x)))


class SegNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.p, self.u = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
        self.d = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x):
        y, i = self.p(self.e(x))
        return self.d(self.u(y, i))


class SENet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.g = nn.Conv2d(3, 16, 3, padding=1), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16), nn.Sigmoid())
        self.h = nn.Linear(16, 10)

    def forward(self, x):
        y = F.relu(self.c(x))
        y = y * self.g(y)[:, :, None, None]
        return self.h(y.mean([2, 3]))


class WN(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = spectral_norm(nn.Conv2d(3, 8, 3, padding=1))
        self.d = weight_norm(nn.Conv2d(8, 8, 3, padding=1))
        self.e = parametrizations.weight_norm(nn.Conv2d(8, 8, 3, padding=1))
        self.f = parametrizations.spectral_norm(nn.Linear(8 * 1024, 10))

    def forward(self, x):
        x = F.relu(self.c(x))
        x = F.relu(self.d(x))
        x = F.relu(self.e(x))
        return self.f(x.flatten(1))


class WNBroken(WN):
    def __init__(self):
        super().__init__()
        self.e = parametrizations.weight_norm(nn.Conv2d(16, 8, 3, padding=1))


class WSConv(nn.Conv2d):
    def forward(self, x):
        w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, w, self.bias, self.stride, self.padding)


class WS(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.d = WSConv(3, 8, 3, padding=1), WSConv(8, 8, 3, padding=1)
        self.h = nn.Linear(8 * 1024, 10)

    def forward(self, x):
        return self.h(F.relu(self.d(F.relu(self.c(x)))).flatten(1))


class WSBroken(WS):
    def __init__(self):
        super().__init__()
        self.d = WSConv(16, 8, 3, padding=1)


class Hooked(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.d = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.h = nn.Linear(8 * 1024, 10)
        self.c.register_forward_hook(lambda m, i, o: F.relu(o))
        self.d.register_forward_hook(lambda m, i, o: F.relu(o))

    def forward(self, x):
        return self.h(self.d(self.c(x)).flatten(1))


class EinsumAttn(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Conv2d(3, 8, 1) for _ in range(3))
        self.h = nn.Linear(8, 10)

    def forward(self, x):
        q, k, v = self.q(x).flatten(2), self.k(x).flatten(2), self.v(x).flatten(2)
        a = torch.einsum("bcn,bcm->bnm", q, k).softmax(-1)
        y = torch.einsum("bnm,bcm->bcn", a, v)
        return self.h(y.mean(2))


class STN(nn.Module):
    def __init__(self):
        super().__init__()
        self.loc = nn.Sequential(nn.Conv2d(3, 8, 7), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(8, 10, 5), nn.MaxPool2d(2), nn.ReLU())
        self.fc = nn.Sequential(nn.Linear(10 * 4 * 4, 32), nn.ReLU(), nn.Linear(32, 6))
        self.c, self.h = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8 * 1024, 10)

    def forward(self, x):
        xs = self.loc(x).view(-1, 10 * 4 * 4)
        theta = self.fc(xs).view(-1, 2, 3)
        x = F.grid_sample(x, F.affine_grid(theta, x.size(), align_corners=False), align_corners=False)
        return self.h(F.relu(self.c(x)).flatten(1))


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Flatten())
        self.mu, self.lv = nn.Linear(8 * 256, 16), nn.Linear(8 * 256, 16)
        self.d = nn.Sequential(nn.Linear(16, 8 * 256), nn.ReLU(), nn.Unflatten(1, (8, 16, 16)), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Sigmoid())

    def forward(self, x):
        h = self.e(x)
        mu, lv = self.mu(h), self.lv(h)
        z = mu + torch.randn_like(lv) * (0.5 * lv).exp()
        return self.d(z), mu, lv


class VAEBroken(VAE):
    def __init__(self):
        super().__init__()
        self.d = nn.Sequential(nn.Linear(16, 8 * 256), nn.ReLU(), nn.Unflatten(1, (8, 8, 8)), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Sigmoid())


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 1)
        self.b = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 8, 3, padding=1))
        self.c = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(3, 8, 1))
        self.h = nn.Linear(24, 10)

    def forward(self, x):
        y = F.relu(torch.cat([self.a(x), self.b(x), self.c(x)], 1))
        return self.h(F.adaptive_avg_pool2d(y, 1).flatten(1))


class InceptionBroken(Inception):
    def __init__(self):
        super().__init__()
        self.b = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 8, 3))


class Shuffle(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 12, 3, padding=1)
        self.d = nn.Conv2d(3, 8, 3, padding=1)
        self.h = nn.Linear(8, 2)

    def forward(self, x):
        x = F.relu(self.c(x))
        x = F.pixel_shuffle(x, 2)
        return self.h(F.relu(self.d(x)).mean((-1, -2)))


class Bilinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 3, padding=1)
        self.h = nn.Linear(64, 10)

    def forward(self, x):
        a, b = F.relu(self.a(x)).flatten(2), F.relu(self.b(x)).flatten(2)
        y = torch.bmm(a, b.transpose(1, 2)).flatten(1) / 1024
        y = torch.sign(y) * torch.sqrt(y.abs() + 1e-10)
        return self.h(F.normalize(y))


class Buffers(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3, padding=1)
        self.sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]).view(1, 1, 3, 3).repeat(3, 1, 1, 1)
        self.h = nn.Linear(8, 10)

    def forward(self, x):
        x = F.conv2d(x, self.sobel.to(x), padding=1, groups=3)
        return self.h(F.relu(self.c(x)).mean((2, 3)))


class Item(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3, padding=1)
        self.h = nn.Linear(8, 10)

    def forward(self, x):
        if x.abs().max().item() > 10:
            x = x / 255
        return self.h(F.relu(self.c(x)).mean((2, 3)))


class Kwargs(nn.Module):
    def __init__(self, **kwargs):
        super().__init__()
        self.c = nn.Conv2d(3, kwargs.get("w", 8), 3, padding=1)

    def forward(self, x, *, flag=False):
        return self.c(x)


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        return F.relu(self.c(x))


def scripted():
    return torch.jit.script(Scripted())


def compiled():
    return torch.compile(Scripted())


def traced():
    return torch.jit.trace(Scripted(), torch.zeros(1, 3, 32, 32))


def fx():
    return torch.fx.symbolic_trace(Scripted())


def half():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 1024, 10)).half()


def double():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 1024, 10)).double()


def evaled():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 1024, 10)).eval()


def frozen():
    m = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 1024, 10))
    for p in m.parameters():
        p.requires_grad = False
    m[4] = nn.Linear(8 * 1024, 5)
    return m


class NoGrad(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.h = nn.Linear(8, 10)

    def forward(self, x):
        with torch.no_grad():
            x = self.f(x)
        return self.h(x.mean((2, 3)))


class Autocast(NoGrad):
    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.h(self.f(x).mean((2, 3)))


class DictOut(NoGrad):
    def forward(self, x):
        y = self.f(x)
        return {"out": self.h(y.mean((2, 3))), "maps": y}


class LossInside(NoGrad):
    def forward(self, x, y=None):
        x = self.h(self.f(x).mean((2, 3)))
        if y is not None:
            return F.cross_entropy(x, y)
        return x


class Recursive(nn.Module):
    def __init__(self, n=6):
        super().__init__()
        self.c = nn.Conv2d(3, 3, 3, padding=1)
        self.inner = Recursive(n - 1) if n else nn.Identity()

    def forward(self, x):
        return self.inner(F.relu(self.c(x)))


class Infinite(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.forward(self.c(x))


class SelfCall(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self(self.c(x))
