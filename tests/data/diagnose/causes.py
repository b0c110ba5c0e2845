import torch
import torch.nn as nn
import torch.nn.functional as F
from collections import OrderedDict


def vgg(cfg, pad=1, bn=False, cin=3, act=nn.ReLU):
    out = []
    for v in cfg:
        if v == "M":
            out.append(nn.MaxPool2d(2))
        else:
            out.append(nn.Conv2d(cin, v, 3, padding=pad))
            if bn:
                out.append(nn.BatchNorm2d(v))
            out.append(act())
            cin = v
    return out


class Pool3(nn.Module):
    # pool without stride 2 (kernel 2 stride 1), head expects 8x8
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 1),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2),
        )
        self.h = nn.Linear(32 * 8 * 8, 10)

    def forward(self, x):
        return self.h(self.f(x).view(x.size(0), -1))


class MissingPool(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(3, 16, 3, padding=1)
        self.c2 = nn.Conv2d(16, 32, 3, padding=1)
        self.c3 = nn.Conv2d(32, 64, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc = nn.Linear(64 * 4 * 4, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.c1(x)))
        x = F.relu(self.c2(x))
        x = self.pool(F.relu(self.c3(x)))
        x = x.view(-1, 64 * 4 * 4)
        return self.fc(x)


class PyTorchTutorial(nn.Module):
    # the tutorial's network on 32x32 but with 28x28's fan-in
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 4 * 4, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class TutorialView(PyTorchTutorial):
    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 4 * 4)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class FlattenAll(PyTorchTutorial):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(16 * 5 * 5, 120)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class NoFlatten(FlattenAll):
    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class WidthTypo(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(True),
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2),
            nn.Conv2d(64, 182, 3, padding=1), nn.ReLU(True),
            nn.Conv2d(128, 128, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Linear(128 * 8 * 8, 256), nn.ReLU(True), nn.Linear(256, 10))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class WidthTypoBN(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(True),
            nn.Conv2d(64, 46, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(True), nn.MaxPool2d(2),
            nn.Conv2d(64, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU(True), nn.MaxPool2d(2),
        )
        self.classifier = nn.Linear(128 * 8 * 8, 10)

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class LoopForgetsChannels(nn.Module):
    # in_channels never updated in the loop
    def __init__(self):
        super().__init__()
        layers, cin = [], 3
        for w in (16, 32, 64):
            layers += [nn.Conv2d(cin, w, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.f = nn.Sequential(*layers)
        self.h = nn.Linear(64 * 4 * 4, 10)

    def forward(self, x):
        return self.h(self.f(x).flatten(1))


class SwappedArgs(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.h = nn.Linear(32 * 16 * 16, 10)

    def forward(self, x):
        return self.h(self.f(x).flatten(1))


class SwappedLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.h = nn.Sequential(nn.Linear(128, 16 * 16 * 16), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, x):
        return self.h(self.f(x).flatten(1))


class BNWrongPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.BatchNorm2d(16), nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.h = nn.Linear(16 * 16 * 16, 10)

    def forward(self, x):
        return self.h(self.f(x).flatten(1))


class BN1dOnMap(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm1d(16), nn.ReLU(), nn.MaxPool2d(2))
        self.h = nn.Linear(16 * 16 * 16, 10)

    def forward(self, x):
        return self.h(self.f(x).flatten(1))


class SequentialFlattenMissing(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(*vgg((8, "M", 16, "M")), nn.AdaptiveAvgPool2d(1), nn.Linear(16, 10))

    def forward(self, x):
        return self.net(x)


class GapSqueeze(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(*vgg((8, "M", 16, "M")), nn.AdaptiveAvgPool2d(1))
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        return self.fc(self.net(x).squeeze())


class BN1Batch(nn.Module):
    # batch of one image fails in training with BatchNorm1d: but PyTorch's ordinary; must not be a defect
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(*vgg((8, "M", 16, "M")), nn.Flatten(), nn.Linear(16 * 64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, x):
        return self.net(x)


class EvalOnly(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(*vgg((8, "M", 16, "M")), nn.Flatten())
        self.fc, self.aux = nn.Linear(16 * 64, 10), nn.Linear(16 * 64, 10)

    def forward(self, x):
        x = self.net(x)
        if self.training:
            return self.fc(x), self.aux(x)
        return self.fcc(x)


class AuxUsedInTrainingOnly(EvalOnly):
    def forward(self, x):
        x = self.net(x)
        if self.training:
            return self.fc(x), self.aux(x)
        return self.fc(x)


class IdleLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(*vgg((8, "M", 16, "M")), nn.Flatten())
        self.fc1, self.fc2 = nn.Linear(16 * 64, 16 * 64), nn.Linear(16 * 64, 10)

    def forward(self, x):
        return self.fc2(self.net(x))


class Overwrites(nn.Module):
    def __init__(self):
        super().__init__()
        cin = 3
        for w in (8, 8, 8):
            self.conv = nn.Conv2d(cin, w, 3, padding=1)
            cin = w
        self.fc = nn.Linear(8 * 1024, 10)

    def forward(self, x):
        return self.fc(F.relu(self.conv(x)).flatten(1))


class SeqDictOverwrite(nn.Module):
    def __init__(self):
        super().__init__()
        layers = OrderedDict()
        cin = 3
        for i, w in enumerate((8, 8, 8)):
            layers["conv"] = nn.Conv2d(cin, w, 3, padding=1)
            layers["relu"] = nn.ReLU()
            cin = w
        self.f = nn.Sequential(layers)
        self.fc = nn.Linear(8 * 1024, 10)

    def forward(self, x):
        return self.fc(self.f(x).flatten(1))


class AddModuleOverwrite(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential()
        for w in (3, 3, 3):
            self.f.add_module("conv", nn.Conv2d(3, w, 3, padding=1))
            self.f.add_module("relu", nn.ReLU())
        self.fc = nn.Linear(3 * 1024, 10)

    def forward(self, x):
        return self.fc(self.f(x).flatten(1))


class SetattrOk(nn.Module):
    def __init__(self):
        super().__init__()
        for i in range(3):
            setattr(self, f"c{i}", nn.Conv2d(3, 3, 3, padding=1))
        self.fc = nn.Linear(3 * 1024, 10)

    def forward(self, x):
        for i in range(3):
            x = F.relu(getattr(self, f"c{i}")(x))
        return self.fc(x.flatten(1))


class ClampAct(SetattrOk):
    def forward(self, x):
        for i in range(3):
            x = getattr(self, f"c{i}")(x).clamp(min=0)
        return self.fc(x.flatten(1))


class MaxAct(SetattrOk):
    def forward(self, x):
        for i in range(3):
            y = getattr(self, f"c{i}")(x)
            x = torch.maximum(y, torch.zeros_like(y))
        return self.fc(x.flatten(1))


class WhereAct(SetattrOk):
    def forward(self, x):
        for i in range(3):
            y = getattr(self, f"c{i}")(x)
            x = torch.where(y > 0, y, 0.1 * y)
        return self.fc(x.flatten(1))


class SwishAct(SetattrOk):
    def forward(self, x):
        for i in range(3):
            y = getattr(self, f"c{i}")(x)
            x = y * torch.sigmoid(y)
        return self.fc(x.flatten(1))


class SquareAct(SetattrOk):
    def forward(self, x):
        for i in range(3):
            x = getattr(self, f"c{i}")(x) ** 2
        return self.fc(x.flatten(1))


class MyRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x > 0)


class AutogradAct(SetattrOk):
    def forward(self, x):
        for i in range(3):
            x = MyRelu.apply(getattr(self, f"c{i}")(x))
        return self.fc(x.flatten(1))


class NormClamp(SetattrOk):
    def forward(self, x):
        for i in range(3):
            x = F.normalize(getattr(self, f"c{i}")(x), dim=1)
        return self.fc(x.flatten(1))


class ReluMask(SetattrOk):
    def forward(self, x):
        for i in range(3):
            y = getattr(self, f"c{i}")(x)
            x = y * (y > 0)
        return self.fc(x.flatten(1))


class ReluMaskFloat(SetattrOk):
    def forward(self, x):
        for i in range(3):
            y = getattr(self, f"c{i}")(x)
            x = y * (y > 0).float()
        return self.fc(x.flatten(1))


class InplaceIndex(SetattrOk):
    def forward(self, x):
        for i in range(3):
            y = getattr(self, f"c{i}")(x)
            y[y < 0] = 0
            x = y
        return self.fc(x.flatten(1))


class AbsAct(SetattrOk):
    def forward(self, x):
        for i in range(3):
            y = getattr(self, f"c{i}")(x)
            x = (y + y.abs()) / 2
        return self.fc(x.flatten(1))


class Maxout(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(8 * 1024, 10)

    def forward(self, x):
        for c in (self.c1, self.c2):
            a, b = c(x).chunk(2, dim=1)
            x = torch.max(a, b)
        return self.fc(x.flatten(1))


class GLU(Maxout):
    def forward(self, x):
        for c in (self.c1, self.c2):
            x = F.glu(c(x), dim=1)
        return self.fc(x.flatten(1))


class MFM(Maxout):
    def forward(self, x):
        for c in (self.c1, self.c2):
            a, b = torch.split(c(x), 8, 1)
            x = torch.max(a, b)
        return self.fc(x.flatten(1))


class NoActAtAll(SetattrOk):
    def forward(self, x):
        for i in range(3):
            x = getattr(self, f"c{i}")(x)
        return self.fc(x.flatten(1))


class Depthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.Conv2d(16, 32, 1), nn.ReLU())
        self.fc = nn.Linear(32 * 1024, 10)

    def forward(self, x):
        return self.fc(self.c(x).flatten(1))
