// -- a look inside a layer: its kernel on a small map, what of the image it sees, its tensors and who keeps them

const look = byId("look");
const outputs = byId("output");
const CELL = 24;
const KEEPERS = {
  weights: "the module", buffers: "the module", "optimizer state": "the optimizer", gradients: "its parameter, as .grad",
  "gradients in flight": "the backward pass", temporaries: "its operation", scratch: "its operation",
};
let inside = -1; // the row that is looked into
let sliding = 0;
let small = null; // what the layer does to a small map

/** Open a row; `small` is worked out by Python's own rule. */
function lookInto(row) {
  if (!(row in view.table)) return;
  inside = row;
  slide(false);
  const { name, kind, kernel } = view.table[row];
  const isKnown = BUILT && ["conv", "maxpool", "fc"].includes(kind);
  small = isKnown ? plainly(rules.looked(kind, kernel ?? 1)) : null;
  say("looked", name);
  byId("sliding").hidden = !small;
  if (small) outputs.max = small.steps.length - 1;
  outputs.value = 0;
  byId("before").disabled = row === 0;
  byId("next").disabled = row === view.table.length - 1;
  describe(view.table[row]);
  showOutput();
  takeApart();
  if (look.open) return;
  look.showModal();
  if (small) outputs.focus(); // the arrow keys slide
}

/** What the real layer does, in numbers. */
function describe({ kind, output, macs, kernel, values }) {
  const worked = ([value, working]) => (working === String(value) ? exact(value) : `${working} = ${exact(value)}`);
  say("does", {
    conv: `A ${kernel}×${kernel} kernel slides over every channel of its input; here it does over one, of small numbers. ` +
      (kernel > 1 ? "Dashed cells are the padding: zeros around the map. " : "") +
      `The layer’s own output is ${output}: ${worked(macs)} MACs per image.`,
    maxpool: `Of every 2×2 values the largest is kept. The layer’s own output is ${output}: ${worked(values)} values.`,
    fc: `Every output reads every value. The layer’s own output is ${output}: ${worked(macs)} MACs per image.`,
  }[kind] ?? "");
}

function showOutput() {
  const number = Number(outputs.value);
  if (small) {
    const { map, side, pad, bias, steps } = small;
    const [row, column, terms, total] = steps[number];
    const isPool = view.table[inside].kind === "maxpool";
    const drawn = [];
    const cell = (left, down, along, css, text) => {
      const [x, y] = [left + CELL * along, CELL * down];
      drawn.push(element("rect", { class: css, x, y, width: CELL, height: CELL }));
      if (text !== undefined) drawn.push(element("text", { x: x + CELL / 2, y: y + 14 }, text));
    };
    const whole = map.length + 2 * pad;
    for (let y = 0; y < whole; y += 1) {
      for (let x = 0; x < whole; x += 1) {
        const value = map[y - pad]?.[x - pad];
        cell(0, y, x, value === undefined ? "pad" : "cell", value ?? 0);
      }
    }
    for (const [y, x, , weight] of terms) {
      cell(0, y + pad, x + pad, "window");
      if (!isPool) drawn.push(element("text", { class: "weight", x: CELL * (x + pad) + CELL / 2, y: CELL * (y + pad) + 22 }, `×${weight}`));
    }
    const left = CELL * (whole + 1);
    const rows = Math.max(...steps.map(([y]) => y)) + 1;
    steps.forEach(([y, x, , result], place) => cell(left, y + pad, x, "cell", place <= number ? result : ""));
    cell(left, row + pad, column, "window");
    byId("maps").setAttribute("viewBox", `-1 -1 ${left + CELL * side + 2} ${CELL * Math.max(whole, rows + pad) + 2}`);
    byId("maps").setAttribute("aria-label", `Output ${number + 1} of ${steps.length}: row ${row + 1}, column ${column + 1}, ${total}`);
    redraw(byId("maps"), drawn);
    say("sum", isPool ? `max(${terms.map(([, , value]) => value).join(", ")}) = ${total}`
      : `${terms.map(([, , value, weight]) => `${value}×${weight < 0 ? `(${weight})` : weight}`).join(" + ")} + bias ${bias} = ${total}`);
    outputs.setAttribute("aria-valuetext", `Output ${number + 1} of ${steps.length}: ${total}`);
  }
  showField(number);
}

/** Which of its own values the layer is at, while the small map goes from its first corner to its last. */
function ownValue({ kind, output }, number) {
  const sides = output.split("×").slice(1).map(Number);
  if (!small || kind === "fc" || sides.length < 2) return null;
  return sides.map((side, axis) => Math.round(((side - 1) * small.steps[number][axis]) / Math.max(1, small.side - 1)));
}

/** What one value sees, on the image, clipped at its edges; it moves with the kernel. */
function showField(number) {
  const row = view.table[inside];
  const { field, stride, kind, output } = row;
  const image = view.size.split("×").map(Number);
  const [height, width] = image;
  const own = ownValue(row, number);
  const here = own ? `: drawn is the one in row ${exact(own[0] + 1)}, column ${exact(own[1] + 1)} of its ${output}` : "";
  say("sees", kind === "input" ? "" : field === null ? "Every value of it sees the whole image."
    : `One value of it sees ${exact(field)}×${exact(field)} pixels of the ${view.size} image${here}.`);
  byId("seeing").hidden = kind === "input" || !(height > 0 && width > 0);
  if (byId("seeing").hidden) return;
  const scale = Math.max(width, height);
  byId("field").setAttribute("viewBox", `${-0.02 * scale} ${-0.02 * scale} ${1.04 * width} ${1.04 * height}`);
  byId("field").setAttribute("aria-label", byId("sees").textContent);
  const [[top, bottom], [left, right]] = image.map((length, axis) => {
    const middle = own && field ? stride * (own[axis] + 0.5) : length / 2; // a pool leaves out the rest of a division
    return [Math.max(0, middle - (field ?? length) / 2), Math.min(length, middle + (field ?? length) / 2)];
  });
  redraw(byId("field"), [
    element("rect", { class: "cell", width, height, "stroke-width": scale / 200 }),
    element("rect", {
      class: "window", x: left, y: top, width: right - left, height: bottom - top, style: `stroke-width: ${scale / 120}`,
    }),
  ]);
}

/** The tensors of the row: how large, where made, who keeps them, until when. */
function takeApart() {
  const { tape, sizes, moments, table } = view;
  const own = new Set(tape.marks.filter(([phase, , row]) => row === inside && phase !== "input").map(([, layer]) => layer));
  if (inside === 0) own.add("").add("input");
  const lives = rules.lifetimes(tape.events, sizes.length);
  const at = (event) => place(moments[partAt(event)]);
  const shown = lives.flatMap(([made, freed], number) => {
    if (!own.has(tape.layers[number]) || !sizes[number]) return [];
    const readers = tape.readers[number];
    const category = data.categories[tape.categories[number]];
    const keeper = [KEEPERS[category] ?? [], readers].flat().join(", ") || "the step itself";
    return [line([
      `${tape.whats[number]} of ${tape.layers[number] || "the input"}`, exact(sizes[number]), at(made), keeper,
      freed < 0 ? "the end of the step" : `${at(freed)}${freed === made ? " (at once)" : ""}`,
    ], { "data-storage": number + 1 })];
  });
  redraw(byId("tensors").tBodies[0], shown);
  say("tensors-of", `at batch ${exact(view.batch)}; ${sized(table[inside].saved, "bytes")} of them saved for backward.`);
}

function slide(isOn) {
  clearInterval(sliding);
  sliding = isOn && setInterval(() => {
    if (Number(outputs.value) >= Number(outputs.max)) slide(false);
    else {
      outputs.value = Number(outputs.value) + 1;
      showOutput();
    }
  }, 500);
  say("slide", isOn ? "❚❚ Pause" : "▶ Slide");
  byId("slide").setAttribute("aria-pressed", Boolean(isOn));
}

outputs.addEventListener("input", () => {
  slide(false);
  showOutput();
});
byId("slide").addEventListener("click", () => {
  if (!sliding && outputs.value === outputs.max) outputs.value = 0;
  slide(!sliding);
});
for (const each of byId("sliding").querySelectorAll("[data-by]")) {
  each.addEventListener("click", () => {
    slide(false);
    outputs.value = Number(outputs.value) + Number(each.dataset.by);
    showOutput();
  });
}
byId("before").addEventListener("click", () => lookInto(inside - 1));
byId("next").addEventListener("click", () => lookInto(inside + 1));
look.addEventListener("close", () => slide(false));
layers.tBodies[0].addEventListener("click", ({ target }) => lookInto(Number(target.closest("tr")?.dataset.row ?? -1)));
layers.tBodies[0].addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault(); // or the key would press what the dialog gives the focus to
  lookInto(Number(event.target.dataset.row));
});
