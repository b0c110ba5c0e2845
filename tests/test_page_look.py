"""A look inside a layer of the live page: its arithmetic is torch's, its tensors and their lives Python's."""

from __future__ import annotations

import re

import pytest
import torch
from torch.nn import functional

from vgg_profile import walk
from vgg_profile.ask.page_look import looked
from vgg_profile.core.setting import Setup
from vgg_profile.predict.vgg.step import tensors_alone


def results(seen):
    rows, columns = (1 + max(step[axis] for step in seen["steps"]) for axis in (0, 1))
    found = torch.zeros(rows, columns, dtype=torch.int64)
    for row, column, _, total in seen["steps"]:
        found[row, column] = total
    return found


@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 11])
def test_a_convolution_is_torchs(kernel):
    seen = looked("conv", kernel)
    given, weights = (torch.tensor(seen[name])[None, None] for name in ("map", "kernel"))
    wanted = functional.conv2d(given, weights, torch.tensor([seen["bias"]]), padding=kernel // 2)
    assert torch.equal(results(seen), wanted[0, 0])
    assert len(seen["steps"]) == seen["side"] ** 2


def test_a_pool_is_torchs():
    seen = looked("maxpool", 2)
    wanted = functional.max_pool2d(torch.tensor(seen["map"], dtype=torch.float64)[None, None], 2)
    assert torch.equal(results(seen).double(), wanted[0, 0])


def test_a_fully_connected_layer_is_torchs():
    seen = looked("fc", 1)
    weights = torch.tensor([[weight for *_, weight in terms] for _, _, terms, _ in seen["steps"]])
    wanted = functional.linear(torch.tensor(seen["map"]).flatten(), weights, torch.full((4,), seen["bias"]))
    assert torch.equal(results(seen)[0], wanted)


def row(reader, name):
    return reader.page.locator("#layers tbody tr").filter(has=reader.page.get_by_role("rowheader", name=name))


def as_summed(text):
    """Both sides of the sum that is shown."""
    left, right = text.rsplit(" = ", 1)
    return eval(left.replace("×", "*").replace("bias ", "")), int(right)


@pytest.mark.parametrize(("name", "outputs"), [("conv2_1", 25), ("pool1", 9), ("fc6", 4)])
def test_every_step_shows_its_arithmetic(fresh, name, outputs):
    row(fresh, name).click()
    slider = fresh.page.get_by_label("Output of the layer")
    slider.focus()
    seen = []
    for _ in range(outputs):
        left, right = as_summed(fresh.text("#sum"))
        assert left == right
        seen.append(right)
        fresh.page.keyboard.press("ArrowRight")
    kind = re.match("[a-z]+", name)[0]
    wanted = looked({"pool": "maxpool"}.get(kind, kind), 3)
    assert seen == [total for *_, total in wanted["steps"]]
    assert not fresh.complaints


def test_it_slides_by_itself_and_closes(fresh):
    row(fresh, "conv1_1").focus()
    fresh.page.keyboard.press("Enter")
    assert fresh.text("#looked") == "conv1_1"
    fresh.page.get_by_role("button", name="Slide").click()
    fresh.wait_until("Number(document.getElementById('output').value) > 1")
    fresh.page.get_by_role("button", name="The next layer").click()
    assert fresh.text("#looked") == "pool1"
    fresh.page.keyboard.press("Escape")
    assert not fresh.page.locator("#look").is_visible()


def test_it_goes_one_output_back_and_on(fresh):
    row(fresh, "conv1_1").click()
    output = fresh.page.get_by_label("Output of the layer")
    for name, number in (("on", "1"), ("on", "2"), ("back", "1"), ("back", "0"), ("back", "0")):
        fresh.page.get_by_role("button", name=f"One output {name}").click()
        assert output.input_value() == number
        assert output.get_attribute("aria-valuetext").startswith(f"Output {int(number) + 1} of 25")


@pytest.fixture
def looking(reader):
    """The page, with nothing looked into, before and after."""
    yield reader
    reader.page.get_by_role("button", name="Close").click()


WITHIN = """() => {
    const { x, y, width, height } = document.getElementById("maps").viewBox.baseVal;
    const sides = (each) => ["x", "y", "width", "height"].map((name) => each[name].baseVal.value);
    const [own, ...boxes] = [...document.querySelectorAll("#maps rect")].reverse()
        .map((each) => [each.getAttribute("class"), ...sides(each)]);
    const isIn = ([, left, top, along, down]) =>
        left >= x && top >= y && left + along <= x + width && top + down <= y + height;
    return { last: own[0], outside: [own, ...boxes].filter((each) => !isIn(each)) };
}"""


@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 9, 11])
def test_all_of_the_maps_is_in_the_picture(looking, kernel):
    looking.show(net=f"conv{kernel}-8,M;;10;3;1")
    row(looking, "conv1_1").click()
    assert ("Dashed cells are the padding" in looking.text("#does")) == (kernel > 1)
    for _ in range(2):
        assert looking.page.evaluate(WITHIN) == {"last": "window", "outside": []}
        looking.page.get_by_label("Output of the layer").press("End")


def test_what_a_value_sees_is_what_the_walk_says(fresh):
    for name in ("conv1_1", "conv3_2", "pool5", "fc7"):
        row(fresh, name).click()
        here = next(each for each in walk("A").rows if each.name == name)
        field, output = here.receptive_field, "×".join(map(str, here.output_shape))
        assert fresh.text("#sees") == (
            f"One value of it sees {field}×{field} pixels of the 224×224 image: drawn is the one in row 1, "
            f"column 1 of its {output}."
            if field
            else "Every value of it sees the whole image."
        )
        fresh.page.get_by_role("button", name="Close").click()


SIX = ",".join(6 * ["8,M"])
WINDOW = """() => ["x", "y", "width", "height"].map(
    (side) => document.querySelector("#field .window")[side].baseVal.value)"""


@pytest.mark.parametrize(
    ("name", "layers", "setting"),
    [
        ("conv1_1", "c", {"size": "64×64"}),
        ("pool1", "cp", {"size": "64×64"}),
        ("conv2_1", "cpc", {"size": "64×64"}),
        ("conv3_1", "cpcpc", {"size": "64×64"}),
        ("pool6", 6 * "cp", {"size": "224×224", "net": f"{SIX};;10;3;1"}),  # of 7, 3 are left
    ],
)
def test_the_window_on_the_image_is_where_autograd_has_gradients(looking, name, layers, setting):
    looking.show(**setting)
    side = int(setting["size"].partition("×")[0])
    row(looking, name).click()
    seen = set()
    for key in ("Home", "ArrowRight", "End"):
        looking.page.get_by_label("Output of the layer").press(key)
        down, along = map(int, re.search(r"row (\d+), column (\d+)", looking.text("#sees")).groups())
        image = torch.ones(1, 1, side, side, requires_grad=True)
        value = image
        for layer in layers:
            ones = torch.ones(1, 1, 3, 3)
            value = (
                functional.conv2d(value, ones, padding=1) if layer == "c" else functional.avg_pool2d(value, 2)
            )
        value[0, 0, down - 1, along - 1].backward()
        rows, columns = image.grad[0, 0].nonzero(as_tuple=True)
        corner = [int(columns.min()), int(rows.min())]
        sides = [1 + int(columns.max()) - corner[0], 1 + int(rows.max()) - corner[1]]
        assert looking.page.evaluate(WINDOW) == corner + sides
        seen.add((down, along))
    assert len(seen) == 3
    assert (1, 1) in seen


def lives(step, layers, batch):
    """The tensors of some layers: what, bytes, where made and until when; from the events themselves."""
    places = []
    for number, event in enumerate(step.events):
        mark = [each for each in step.marks if each.event <= number][-1]
        places.append((event, f"{mark.phase} of {mark.layer}" if mark.layer else str(mark.phase)))
    for event, made in places:
        for storage in event.allocated:
            if storage.layer in layers and storage.size.at(batch):
                freed = [(other, place) for other, place in places if storage in other.freed]
                until = "the end of the step"
                if freed:
                    until = freed[0][1] + (" (at once)" if freed[0][0] is event else "")
                yield [f"{storage.what} of {storage.layer}", f"{storage.size.at(batch):,}", made, until]


@pytest.mark.parametrize(
    ("name", "layers"), [("conv2_1", ("conv2_1", "bn2_1", "relu2_1")), ("fc6", ("fc6", "relu6", "drop6"))]
)
def test_the_tensors_of_a_row_are_pythons(looking, name, layers):
    looking.show(batch="3", optimizer="adam", norm="true")
    row(looking, name).click()
    shown = looking.page.locator("#tensors tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    step = tensors_alone(walk("A", batch=3, batch_norm=True), Setup(optimizer="adam"))
    wanted = list(lives(step, layers, 3))
    assert [[what, size, made, until] for what, size, made, _, until in shown] == wanted
    keeps = {what: keeper for what, _, _, keeper, _ in shown}
    assert keeps[f"weight of {name}"] == f"the module, {name}'s backward"
    assert keeps[f"first moment of weight of {name}"] == "the optimizer"
