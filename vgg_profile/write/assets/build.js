// -- a network of the reader's own: as data it is layers, classifier, classes, channels, batch norm, average pool

const BUILT = "nets" in data;
const LAST = { 1: "GAP", 7: "7" };
let selected = ""; // the part of the network that is being changed: its kind and its place

const isWhole = (text, most) => /^\d{1,6}$/.test(text) && Number(text) >= 1 && Number(text) <= most;

/** A network as an address has it: its layers as the command line takes them, its head, classes, channels, pool. */
const textOf = ([layers, head, classes, channels, , pool]) => [
  layers.map(([kind, width, kernel]) => (kind === "conv" ? (kernel === 3 ? width : `conv${kernel}-${width}`)
    : kind === "pool" ? "M" : "LRN")).join(","),
  head.join(","), classes, channels, pool ?? "none",
].join(";");

/** The network that a text describes; null for a text that describes none, or one too large for a page. */
const parsed = py.remembered((text) => {
  const [layers, head, classes, channels, pool, ...more] = text.split(";");
  if (pool === undefined || more.length) return null;
  const tokens = layers.split(",").map((token) => {
    if (token === "M") return ["pool"];
    if (token === "LRN") return ["lrn"];
    const [, kernel = "3", width] = token.match(/^(?:conv([1-9]\d?)-)?(\d{1,6})$/) ?? [];
    return isWhole(width ?? "", data.widest) && kernel & 1 ? ["conv", Number(width), Number(kernel)] : null;
  });
  const widths = head ? head.split(",") : [];
  const areWhole = [...widths, classes].every((each) => isWhole(each, data.widest))
    && isWhole(channels, 4096) && (pool === "none" || isWhole(pool, 64));
  const isNet = areWhole && tokens.every(Boolean) && tokens.some(([kind]) => kind === "conv")
    && tokens.length + widths.length <= data.most_layers;
  return isNet && [tokens, widths.map(Number), Number(classes), Number(channels), false, pool === "none" ? null : Number(pool)];
});

const netOf = ({ net, network }) => (net && parsed(net)) || data.nets?.[data.networks.indexOf(network)];
const current = () => structuredClone(netOf(chosen()));

/** Change the network, say so, and select a part of what it is then; what cannot be is said, and nothing changes. */
function edit(words, change, part = selected) {
  const net = current();
  change(net);
  const text = textOf(net);
  if (!parsed(text)) {
    say("changed", `${words}: not here. A network has a convolution, at most ${data.most_layers} layers, ` +
      `and widths from 1 to ${exact(data.widest)}.`);
    return;
  }
  selected = part;
  const own = data.nets.findIndex((each) => textOf(each) === text);
  if (own >= 0) controls.network.value = data.networks[own];
  controls.net.value = own >= 0 ? "" : text;
  update(words);
}

const WIDTHS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192];

/** What can be done with the selected part. */
function editor(names) {
  const [layers, head, classes, channels, , pool] = netOf(view);
  const [kind, place] = partOf(selected);
  const name = { conv: names[place], pool: names[place], lrn: "LRN", fc: `hidden layer ${place + 1}`, classes: "classes",
    input: "the input", average: "the average pool" }[kind];
  if (!name) return redraw(byId("editor"), []);
  const width = widthOf(netOf(view), selected);
  const action = (what, text) => element("button", { type: "button", "data-do": what }, text);
  const made = [element("b", {}, name)];
  const row = view.table.findIndex((each) => each.name === name);
  if (width !== undefined) {
    made.push(
      element("label", {}, kind === "input" ? "channels" : "width ",
        element("input", { type: "number", min: 1, max: kind === "input" ? 4096 : data.widest, "data-do": "width" })),
      ...(kind === "input" ? [] : [element("input", {
        type: "range", min: 0, max: WIDTHS.length - 1, "data-do": "width", "aria-label": `width of ${name}`,
      })]),
    );
  }
  const [kernel, average] = [layers[place]?.[2], pool ?? "none"];
  const choose = (what, values, now, textOf) => element("select", { "data-do": what, "aria-label": `${what} of ${name}` },
    ...new Set([...values, now]).values().map((value) => element("option", { value }, textOf(value))));
  if (kind === "conv") made.push(choose("kernel", [1, 3, 5, 7, 9, 11], kernel, (side) => `${side}×${side}`));
  if (kind === "average") {
    made.push(choose("average", [7, 1, 3, "none"], average, (side) => ({ 1: "to one value (GAP)", none: "none" })[side] ?? `to ${side}×${side}`));
  }
  if (["input", "conv", "pool", "lrn"].includes(kind)) {
    made.push(action("conv", "+ convolution after"), action("pool", "+ pool after"));
  }
  if (kind === "average" || kind === "fc") made.push(action("fc", "+ hidden layer after"));
  if (["conv", "pool", "lrn", "fc"].includes(kind)) made.push(action("drop", `Drop ${name}`));
  if (row > 0) made.push(action("look", "Look inside"));
  redraw(byId("editor"), made);
  const values = { number: width, range: nearest(width), kernel, average };
  for (const each of byId("editor").querySelectorAll("input, select")) {
    const value = values[each.type] ?? values[each.dataset.do];
    if (each !== document.activeElement || each.type !== "number") each.value = value; // what is typed stays as it is
  }
  return undefined;
}

const nearest = (width) => WIDTHS.findLastIndex((each) => each <= width);

/** What a control of the editor does. */
function changeBy(control) {
  const [kind, place] = partOf(selected);
  const name = byId("editor").querySelector("b").textContent;
  const after = kind === "input" ? 0 : place + 1;
  const value = control.type === "range" ? WIDTHS[control.value] : Number(control.value);
  const isLayer = ["conv", "pool", "lrn"].includes(kind);
  const does = {
    width: () => {
      if (!isWhole(String(value), data.widest)) return;
      edit(widthSaid(selected, value), (net) => widen(net, selected, value));
    },
    kernel: () => edit(`${name} has a kernel of ${value}×${value}`, (net) => { net[0][place][2] = value; }),
    average: () => edit(control.value === "none" ? "The average pool is gone" : `The average pool gives ${value}×${value}`, (net) => {
      net[5] = control.value === "none" ? null : value;
    }),
    conv: () => {
      const width = current()[0].slice(0, after).findLast((each) => each[0] === "conv")?.[1] ?? 64;
      edit(`A convolution of ${exact(width)} after ${name}`, (net) => net[0].splice(after, 0, ["conv", width, 3]), `conv ${after}`);
    },
    pool: () => edit(`A pool after ${name}`, (net) => net[0].splice(after, 0, ["pool"]), `pool ${after}`),
    fc: () => {
      const place_ = kind === "fc" ? after : 0;
      edit("A hidden layer of 4,096 more", (net) => net[1].splice(place_, 0, 4096), `fc ${place_}`);
    },
    look: () => lookInto(view.table.findIndex((each) => each.name === name)),
    drop: () => {
      edit(`${name} is gone`, (net) => (isLayer ? net[0] : net[1]).splice(place, 1), partBefore(selected));
      picture.querySelector(`[data-part="${selected}"]`).focus();
    },
  };
  does[control.dataset.do]();
}

/** Of a part: what it is, and the how many-th of the layers, or of the head's. */
function partOf(part) {
  const [kind, place] = part.split(" ");
  return [kind, Number(place)];
}

/** The part before a layer: its name stays when the layer goes. */
function partBefore(part) {
  const [kind, place] = partOf(part);
  if (kind === "fc") return place ? `fc ${place - 1}` : "average 0";
  return place ? `${netOf(view)[0][place - 1][0]} ${place - 1}` : "input 0";
}

function widthOf([layers, head, classes, channels], part) {
  const [kind, place] = partOf(part);
  return { conv: layers[place]?.[1], fc: head[place], classes, input: channels }[kind];
}

function widen(net, part, width) {
  const [kind, place] = partOf(part);
  if (kind === "conv") net[0][place][1] = width;
  else if (kind === "fc") net[1][place] = width;
  else net[kind === "classes" ? 2 : 3] = width;
}

byId("editor").addEventListener("click", ({ target }) => target.matches("button") && changeBy(target));
byId("editor").addEventListener("input", ({ target }) => target.matches("input, select") && changeBy(target));

byId("head").addEventListener("input", ({ target }) => {
  const [pool, widths] = target.value.split(";");
  edit(`The classifier is ${target.selectedOptions[0].text}`, (net) => {
    net[1] = widths ? widths.split(",").map(Number) : [];
    net[5] = Number(pool);
  });
});
byId("start").addEventListener("input", ({ target }) => {
  const net = data.paper[target.value];
  const name = target.value;
  target.value = "";
  selected = "";
  if (net) edit(`Start from ${name}`, (mine) => mine.splice(0, 4, ...structuredClone(net.slice(0, 4))) && (mine[5] = net[5]));
});
