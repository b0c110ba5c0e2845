// -- the network as a picture: a column a layer, as high as it is wide; columns are dragged, and follow the keys

const picture = byId("chain");
const WIDEST_DRAWN = 4096;
const HIGHEST = 72; // pixels, where the page is as large as usual
let held = null; // what is dragged: where it was taken, how wide it was, which way it goes, the view before

/** Areas of columns are then as their widths. */
const heightOf = (width) => HIGHEST * Math.sqrt(Math.min(1, width / WIDEST_DRAWN));
const widthAt = (height) => WIDEST_DRAWN * (Math.max(0, Math.min(1, height / HIGHEST))) ** 2;
/** Networks are made of multiples of eight. */
const rounded = (width) => Math.max(1, width < 12 ? Math.round(width) : 8 * Math.round(width / 8));
const isMoved = (part) => ["conv", "pool", "lrn", "fc"].includes(partOf(part)[0]);
const placesOf = (net, part) => net[partOf(part)[0] === "fc" ? 1 : 0];

/** What each part of the network is called: convolutions and pools as in the table. */
function namesOf(layers) {
  const rows = view.table.slice(1);
  return layers.map(([kind]) => (kind === "lrn" ? "LRN" : rows.shift().name));
}

function chain() {
  const net = netOf(view);
  const [layers, head, classes, channels, , pool] = net;
  const names = namesOf(layers);
  const heads = view.table.filter(({ kind }) => kind === "fc");
  const textOf = ([kind, width, kernel]) => ({ pool: "M", lrn: "LRN" })[kind] ?? (kernel === 3 ? `${width}` : `${kernel}×${kernel}-${width}`);
  const parts = [
    ["input 0", `${channels}×${view.size}`, "input"],
    ...layers.map((layer, place) => [`${layer[0]} ${place}`, textOf(layer), names[place]]),
    ["average 0", pool === null ? "no avg" : pool === 1 ? "GAP" : `avg ${pool}`, "average pool"],
    ...head.map((width, place) => [`fc ${place}`, `${width}`, heads[place].name]),
    ["classes 0", `${classes}`, heads.at(-1).name],
  ];
  if (!parts.some(([part]) => part === selected)) selected = "";
  redraw(picture, parts.map(([part, text, name]) => {
    const [kind] = partOf(part);
    const width = kind === "input" ? undefined : widthOf(net, part);
    const column = element("i", { style: `height: ${(width ? heightOf(width) : 12) / 16}rem`, class: width ? "" : "fixed" });
    return element("li", {}, element("button", {
      type: "button", class: `part ${kind}`, "data-part": part, "aria-pressed": part === selected, title: name,
      "aria-label": `${name}: ${text}`, "aria-describedby": "keys",
    }, column, element("span", {}, text)));
  }));
  editor(names);
  const classifier = `${pool ?? "none"};${head}`;
  if (byId("head").value !== classifier) byId("head").value = classifier;
  if (byId("head").selectedIndex < 0) byId("head").value = "";
  byId("undo").disabled = !past.length;
  byId("redo").disabled = !undone.length;
}

const nameOf = (part) => picture.querySelector(`[data-part="${part}"]`)?.title;
const widthSaid = (part, width) => ({
  input: `The input has ${counted(width, "channel", "channels")}`,
  classes: `The classifier has ${counted(width, "class", "classes")}`,
})[partOf(part)[0]] ?? `${nameOf(part)} has width ${exact(width)}`;

function setWidth(part, width) {
  if (width === widthOf(netOf(view), part) || !isWhole(String(width), data.widest)) return;
  edit(widthSaid(part, width), (net) => widen(net, part, width), part);
}

/** A layer goes to another place of the layers, or of the head; gives the part that it is there. */
function move(part, place) {
  const [kind, from] = partOf(part);
  if (!isMoved(part) || place === from || place < 0 || place >= placesOf(netOf(view), part).length) return part;
  const there = `${kind} ${place}`;
  edit(`${held?.name ?? nameOf(part)} is moved`, (net) => {
    const places = placesOf(net, part);
    places.splice(place, 0, ...places.splice(from, 1));
  }, there);
  return there;
}

picture.addEventListener("pointerdown", ({ target, button, clientX, clientY }) => {
  const part = target.closest("button")?.dataset.part;
  if (!part || button) return;
  held = { part, name: nameOf(part), x: clientX, y: clientY, width: widthOf(netOf(view), part), way: "", before: view };
});
picture.addEventListener("pointermove", (event) => {
  if (!event.buttons) held = null;
  if (!held) return;
  const [along, up] = [event.clientX - held.x, held.y - event.clientY].map((length) => length / magnified());
  if (!held.way) {
    if (Math.hypot(along, up) < 5) return;
    const isUp = Math.abs(up) > Math.abs(along);
    held.way = isUp ? (held.part.startsWith("input") ? "none" : "width") : "place";
    picture.setPointerCapture(event.pointerId);
    picture.dataset.way = held.way;
  }
  if (held.way === "width" && held.width) setWidth(held.part, rounded(widthAt(heightOf(held.width) + up)));
  if (held.way === "place") {
    const over = document.elementFromPoint(event.clientX, event.clientY)?.closest("#chain button");
    if (over && isPast(over, event)) held.part = move(held.part, partOf(over.dataset.part)[1]);
  }
});

/** Whether what is held is past the middle of another layer of its kind, so that it would not be taken back at once. */
function isPast(over, { clientX }) {
  const [kind, place] = partOf(over.dataset.part);
  if (!isMoved(over.dataset.part) || (kind === "fc") !== held.part.startsWith("fc")) return false;
  const [there, own] = [over, picture.querySelector(`[data-part="${held.part}"]`)].map((each) => each.getBoundingClientRect());
  const middle = there.left + there.width / 2;
  return there.top !== own.top || (place > partOf(held.part)[1] ? clientX > middle : clientX < middle);
}

for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
  picture.addEventListener(end, () => {
    held = null;
    delete picture.dataset.way;
  });
}

picture.addEventListener("click", ({ target }) => {
  const part = target.closest("button")?.dataset.part;
  if (!part) return;
  selected = part;
  chain();
});
picture.addEventListener("keydown", (event) => {
  const { key, shiftKey, target } = event;
  const { part } = target.dataset;
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: 1, ArrowDown: -1 }[key];
  if (by && key.endsWith("t") && !shiftKey) return picture.children[[...picture.children].indexOf(target.parentElement) + by]?.firstChild.focus();
  if (!by && key !== "Delete" && key !== "Backspace") return undefined;
  event.preventDefault();
  if (by && key.endsWith("t")) {
    const there = move(part, partOf(part)[1] + by);
    return picture.querySelector(`[data-part="${there}"]`).focus();
  }
  const width = widthOf(netOf(view), part);
  if (by) return width && setWidth(part, WIDTHS.at(by > 0 ? WIDTHS.findIndex((each) => each > width) : WIDTHS.findLastIndex((each) => each < width)));
  selected = part;
  chain();
  return byId("editor").querySelector("[data-do=drop]")?.click();
});
