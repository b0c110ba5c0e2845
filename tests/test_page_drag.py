"""The live page's picture of the network: columns are dragged, or moved by keys, and the figures follow."""

from __future__ import annotations

import pytest
from paging import part, press, shown, wanted


def built(reader):
    return " ".join(reader.page.locator("#chain span").all_text_contents())


def drag(reader, name, along=0, up=0):
    """Take a column at its middle and let it go elsewhere, by many small moves as a hand makes them."""
    mouse, box = reader.page.mouse, part(reader, name).locator("i").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + along, y - up, steps=12)
    mouse.up()


def columns(reader):
    read = "(all) => all.map((each) => parseFloat(getComputedStyle(each).height))"
    return reader.page.locator("#chain i").evaluate_all(read)


START = "3×224×224 64 M 128 M 256 256 M 512 512 M 512 512 M avg 7 4096 4096 1000"


def test_a_column_is_dragged_to_a_layers_width(fresh):
    drag(fresh, "conv1_1", up=30)
    width = int(built(fresh).split()[1])
    assert width > 128
    assert width % 8 == 0
    assert shown(fresh) == wanted(f"{width},M,128,M,256,256,M,512,512,M,512,512,M")
    assert fresh.text("#changed").startswith(f"conv1_1 has width {width:,}: ")
    drag(fresh, "fc7", up=-60)
    assert int(built(fresh).split()[-2]) < 4096
    press(fresh, "Undo")
    press(fresh, "Undo")  # a drag is one step back
    assert built(fresh) == START
    assert fresh.page.get_by_role("button", name="Undo").is_disabled()
    assert not fresh.complaints


@pytest.mark.parametrize(
    ("name", "control", "value", "said"),
    [
        ("conv1_1", "input[type=number]", "128", "conv1_1 has width 128: "),
        ("conv1_1", "select", "5", "conv1_1 has a kernel of 5×5: "),
        ("fc8", "input[type=number]", "10", "The classifier has 10 classes: "),
        ("input", "input[type=number]", "1", "The input has 1 channel: "),
        ("input", "input[type=number]", "4", "The input has 4 channels: "),
    ],
)
def test_what_changed_is_one_sentence_with_one_colon(fresh, name, control, value, said):
    part(fresh, name).click()
    field = fresh.page.locator(f"#editor {control}")
    field.select_option(value) if control == "select" else field.fill(value)
    assert fresh.text("#changed").startswith(said)
    assert fresh.text("#changed").count(":") == 1


@pytest.mark.parametrize("size", [(1400, 900), (3840, 2160)])
def test_a_column_stays_under_the_hand(fresh, size):
    fresh.page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    before = part(fresh, "conv4_1").locator("i").bounding_box()
    drag(fresh, "conv4_1", up=20)
    after = part(fresh, "conv4_1").locator("i").bounding_box()
    assert before["y"] - after["y"] == pytest.approx(20, abs=1)
    assert before["y"] + before["height"] == pytest.approx(after["y"] + after["height"], abs=0.5)


def test_a_layer_is_dragged_to_another_place(fresh):
    drag(fresh, "pool1", along=60)
    assert built(fresh).startswith("3×224×224 64 128 M M")
    assert shown(fresh) == wanted("64,128,M,M,256,256,M,512,512,M,512,512,M")
    assert fresh.text("#changed").startswith("pool1 is moved: ")
    drag(fresh, "pool5", along=900)  # the average pool and the classifier have their own places
    assert built(fresh).endswith("M avg 7 4096 4096 1000")
    press(fresh, "Undo")
    assert built(fresh) == START


def test_what_has_no_width_and_no_other_place_stays(fresh):
    drag(fresh, "input", up=40)
    drag(fresh, "average pool", along=-200)
    drag(fresh, "pool2", up=40)
    assert built(fresh) == START
    part(fresh, "pool2").click()  # and a click is no drag
    assert fresh.page.locator("#editor b").text_content() == "pool2"


def test_keys_do_what_dragging_does(fresh):
    part(fresh, "conv1_1").focus()
    keys = fresh.page.keyboard
    keys.press("ArrowUp")
    assert shown(fresh) == wanted("96,M,128,M,256,256,M,512,512,M,512,512,M")
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    assert built(fresh).split()[1] == "48"
    keys.press("Shift+ArrowRight")
    assert built(fresh).startswith("3×224×224 M 48 128")
    assert fresh.page.evaluate("document.activeElement.title") == "conv2_1"
    keys.press("Shift+ArrowLeft")
    keys.press("Shift+ArrowLeft")  # no further
    assert built(fresh).startswith("3×224×224 48 M 128")
    for key in ("Shift+ArrowRight", "ArrowUp"):
        part(fresh, "fc8").focus()
        keys.press(key)
    assert built(fresh).endswith("4096 4096 1024")
    assert not fresh.complaints


def test_the_keyboard_goes_along_the_layers_and_drops_them(fresh):
    part(fresh, "conv1_1").focus()
    fresh.page.keyboard.press("ArrowRight")
    assert fresh.page.evaluate("document.activeElement.title") == "pool1"
    fresh.page.keyboard.press("Delete")
    assert shown(fresh) == wanted("64,128,M,256,256,M,512,512,M,512,512,M")


def chosen(reader):
    """The layer that is being changed, by its editor and by its column."""
    pressed = reader.page.locator('#chain [aria-pressed="true"]').evaluate_all(
        "(all) => all.map((each) => each.title)"
    )
    return [*reader.page.locator("#editor b").all_text_contents(), *pressed]


def test_what_is_dragged_or_turned_by_keys_is_chosen(fresh):
    assert chosen(fresh) == []
    drag(fresh, "conv1_1", up=30)
    assert chosen(fresh) == ["conv1_1", "conv1_1"]
    drag(fresh, "pool1", along=60)
    assert chosen(fresh) == ["pool1", "pool1"]  # the pools are numbered anew: it still is the first
    part(fresh, "conv3_1").focus()
    fresh.page.keyboard.press("ArrowUp")
    assert chosen(fresh) == ["conv3_1", "conv3_1"]
    part(fresh, "conv3_1").click()  # chosen it is, and stays
    assert chosen(fresh) == ["conv3_1", "conv3_1"]
    fresh.page.keyboard.press("Escape")
    assert chosen(fresh) == []
    assert fresh.page.locator("#keys").is_visible()


def test_what_stays_chosen_after_a_drop_keeps_its_name(fresh):
    part(fresh, "conv3_2").click()
    press(fresh, "Drop conv3_2")
    assert chosen(fresh) == ["conv3_1", "conv3_1"]
    assert fresh.page.evaluate("document.activeElement.title") == "conv3_1"
    press(fresh, "+ convolution after")  # where it was
    assert built(fresh) == START
    for name, before in (("conv1_1", "input"), ("fc7", "fc6"), ("fc6", "average pool")):
        part(fresh, name).focus()
        fresh.page.keyboard.press("Delete")
        assert fresh.page.evaluate("document.activeElement.title") == before
    assert not fresh.complaints


def test_a_layer_that_cannot_go_stays_chosen(fresh):
    fresh.show(net="64,M;;10;3;1")
    part(fresh, "conv1_1").click()
    press(fresh, "Drop conv1_1")
    assert fresh.text("#changed").startswith("conv1_1 is gone: not here.")
    assert chosen(fresh) == ["conv1_1", "conv1_1"]


def test_ctrl_z_goes_back_and_on_again(fresh):
    def seen(*keys):
        for key in keys:
            fresh.page.keyboard.press(key)
        return built(fresh).split()[1], fresh.page.get_by_label("batch", exact=True).input_value()

    part(fresh, "conv1_1").focus()
    assert seen("ArrowUp", "ArrowUp") == ("128", "1")
    fresh.page.locator("#slider").focus()
    assert seen("ArrowRight") == ("128", "2")
    assert seen("Control+z") == ("128", "1")
    assert fresh.text("#changed").startswith("Undone: ")
    assert seen("Control+z", "Control+z") == ("64", "1")  # what was pressed in one go; and no further
    assert fresh.page.locator("#undo").is_disabled()
    assert seen("Control+y", "Control+y", "Control+y") == ("128", "2")
    assert fresh.text("#changed").startswith("Redone: ")
    assert fresh.page.locator("#redo").is_disabled()
    assert seen("Control+z", "Control+Shift+z") == ("128", "2")
    press(fresh, "Undo")
    press(fresh, "Redo")
    assert seen() == ("128", "2")
    assert seen("Control+z", "ArrowRight", "Control+y") == ("128", "2")  # another way was taken
    assert fresh.page.locator("#redo").is_disabled()
    assert not fresh.complaints


def test_ctrl_z_in_a_box_is_the_boxs_own(fresh):
    part(fresh, "conv1_1").focus()
    fresh.page.keyboard.press("ArrowUp")
    fresh.page.get_by_label("batch", exact=True).focus()
    fresh.page.keyboard.press("Control+z")
    assert built(fresh).split()[1] == "96"


def test_a_column_is_as_high_as_its_layer_is_wide(fresh):
    fresh.show(net="64,256,1024;4096;1000;3;7")
    heights = columns(fresh)[1:4] + columns(fresh)[5:6]
    assert heights == pytest.approx([9, 18, 36, 72], abs=0.1)


def test_what_is_typed_in_one_go_is_one_step_back(fresh):
    part(fresh, "conv1_1").click()
    box = fresh.page.locator("#editor").get_by_label("width", exact=True)
    box.fill("")
    box.press_sequentially("100")
    press(fresh, "Undo")
    assert built(fresh) == START


def test_the_classifier_is_a_control(fresh):
    fresh.page.get_by_label("classifier").select_option("one layer on averages (GAP)")
    assert built(fresh).endswith("M GAP 1000")
    press(fresh, "Copy as TOML")
    assert "classifier = []" in fresh.text("#given")
    assert "pool = 1" in fresh.text("#given")
    fresh.page.get_by_label("classifier").select_option("4096, 4096 on 7×7 (the paper’s)")
    assert shown(fresh) == wanted("A")
    part(fresh, "fc6").click()
    press(fresh, "Drop hidden layer 1")
    assert (
        fresh.page.get_by_label("classifier").evaluate("(each) => each.selectedOptions[0].text") == "your own"
    )
