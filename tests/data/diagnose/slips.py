import torch
import torch.nn as nn
import torch.nn.functional as F


class NoForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3)


class Misspelt(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3)

    def foward(self, x):
        return self.c(x)


class ForwardNoSelf(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3)

    def forward(x):
        return self.c(x)


class InitMisspelt(nn.Module):
    def _init_(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return self.c(x)


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3)

        def forward(self, x):
            return self.c(x)


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.fc = nn.Linear(2 * 8 * 16 * 16, 2)

    def forward(self, a, b):
        return self.fc(torch.cat([self.c(a), self.c(b)], 1))


class SiameseBroken(Siamese):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8 * 16 * 16, 2)


class WithLabels(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 1024, 10))

    def forward(self, x, y):
        return F.cross_entropy(self.c(x), y)


class Optional_(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x, mask=None):
        return self.c(x)


class ArgsForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, *inputs):
        return self.c(inputs[0])


class InplaceNotAssigned(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.r, self.h = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.Linear(8 * 1024, 10)

    def forward(self, x):
        x = self.c(x)
        self.r(x)
        return self.h(x.flatten(1))


class InplaceFunc(InplaceNotAssigned):
    def forward(self, x):
        x = self.c(x)
        F.relu_(x)
        x = x.flatten(1)
        return self.h(x)


class InplaceTwoConvs(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.d, self.r, self.h = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(inplace=True), nn.Linear(8 * 1024, 10)

    def forward(self, x):
        x = self.c(x)
        self.r(x)
        x = self.d(x)
        x.relu_()
        return self.h(x.flatten(1))


class ReluNotAssigned(InplaceNotAssigned):
    def __init__(self):
        super().__init__()
        self.r = nn.ReLU()


class WeightedNotAssigned(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.d, self.h = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8 * 1024, 10)

    def forward(self, x):
        x = F.relu(self.c(x))
        self.d(x)
        return self.h(x.flatten(1))


class Gray(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.h = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(8 * 32 * 32, 10)

    def forward(self, x):
        return self.h(F.relu(self.c(x)).flatten(1))


class UNetBroken(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.d = nn.Conv2d(8, 8, 3, padding=1)
        self.o = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = F.relu(self.a(x))
        b = F.relu(self.b(F.max_pool2d(a, 2)))
        u = self.up(b)
        d = F.relu(self.d(torch.cat([u, a], dim=1)))
        return self.o(d)


class ResMismatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.h = nn.Linear(16, 10)

    def forward(self, x):
        x = F.relu(self.a(x))
        y = F.relu(self.b(x) + x)
        return self.h(y.mean((2, 3)))


def parallel():
    return nn.DataParallel(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 1024, 10)))


def parallel_broken():
    return nn.DataParallel(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 1000, 10)))


class Cuda(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3, padding=1).cuda()

    def forward(self, x):
        return self.c(x)


class CudaForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        return self.c(x.to("cuda"))


def logsoftmax_end():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 1024, 10), nn.LogSoftmax(dim=1))


def sigmoid_end():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 1024, 10), nn.Sigmoid())


class FSoftmaxEnd(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.h = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8 * 1024, 10)

    def forward(self, x):
        return self.h(F.relu(self.c(x)).flatten(1)).softmax(-1)


class FSoftmaxNoDim(FSoftmaxEnd):
    def forward(self, x):
        return F.softmax(self.h(F.relu(self.c(x)).flatten(1)))


class FSoftmax0(FSoftmaxEnd):
    def forward(self, x):
        return torch.softmax(self.h(F.relu(self.c(x)).flatten(1)), 0)


class FReluEnd(FSoftmaxEnd):
    def forward(self, x):
        return F.relu(self.h(F.relu(self.c(x)).flatten(1)))


class ReluMethodEnd(FSoftmaxEnd):
    def forward(self, x):
        return self.h(torch.relu(self.c(x)).flatten(1)).relu()


class LeakyEnd(FSoftmaxEnd):
    def forward(self, x):
        return F.leaky_relu(self.h(torch.relu(self.c(x)).flatten(1)))


class DropTrainTrue(FSoftmaxEnd):
    def forward(self, x):
        x = torch.relu(self.c(x)).flatten(1)
        return self.h(F.dropout(x, p=0.3))


class DropOk(FSoftmaxEnd):
    def forward(self, x):
        x = torch.relu(self.c(x)).flatten(1)
        return self.h(F.dropout(x, 0.3, self.training))


class TorchDropout(FSoftmaxEnd):
    def forward(self, x):
        x = torch.relu(self.c(x)).flatten(1)
        return self.h(torch.dropout(x, 0.3, True))


class ReluWrongPlace(FSoftmaxEnd):
    def forward(self, x):
        x = F.relu(self.c)(x)
        return self.h(x.flatten(1))


class NoParens(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU, nn.MaxPool2d(2))

    def forward(self, x):
        return self.c(x)


class GroupsBad(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3, padding=1, groups=2)

    def forward(self, x):
        return self.c(x)


class Capital(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2D(3, 8, 3, padding=1)

    def forward(self, x):
        return self.c(x)


class ListArgs(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Sequential([nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()])

    def forward(self, x):
        return self.c(x)


class TypoAttr(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        return self.conv_1(x)


class ModuleListCalled(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.ModuleList([nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()])

    def forward(self, x):
        return self.c(x)


class PoolTwiceTooMuch(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(*[l for i in range(6) for l in (nn.Conv2d(3 if i == 0 else 8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))])
        self.h = nn.Linear(8, 10)

    def forward(self, x):
        return self.h(self.f(x).flatten(1))


class InTuple(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = (nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1))
        self.h = nn.Linear(8 * 1024, 10)

    def forward(self, x):
        for c in self.c:
            x = F.relu(c(x))
        return self.h(x.flatten(1))


class ListOfLists(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = [[nn.Conv2d(3, 8, 3, padding=1)], [nn.Conv2d(8, 8, 3, padding=1)]]
        self.h = nn.Linear(8 * 1024, 10)

    def forward(self, x):
        for row in self.c:
            for c in row:
                x = F.relu(c(x))
        return self.h(x.flatten(1))


class TensorWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.randn(8, 3, 3, 3, requires_grad=True)
        self.h = nn.Linear(8 * 1024, 10)

    def forward(self, x):
        return self.h(F.relu(F.conv2d(x, self.w, padding=1)).flatten(1))


class DictHidden(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = {"a": nn.Conv2d(3, 8, 3, padding=1)}
        self.h = nn.Linear(8 * 1024, 10)

    def forward(self, x):
        return self.h(F.relu(self.c["a"](x)).flatten(1))


GLOBAL = nn.Conv2d(3, 8, 3, padding=1)


class UsesGlobal(nn.Module):
    def __init__(self):
        super().__init__()
        self.h = nn.Linear(8 * 1024, 10)

    def forward(self, x):
        return self.h(F.relu(GLOBAL(x)).flatten(1))


class MadeInForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.h = nn.Linear(8 * 1024, 10)

    def forward(self, x):
        x = nn.Conv2d(3, 8, 3, padding=1)(x)
        return self.h(F.relu(x).flatten(1))
