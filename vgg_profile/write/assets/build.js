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
function parsed(text) {
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
}

const netOf = ({ net, network }) => (net && parsed(net)) || data.nets?.[data.networks.indexOf(network)];
const current = () => structuredClone(netOf(chosen()));

/** Change the network, and say so; what cannot be is said, and nothing changes. */
function edit(words, change) {
  const net = current();
  change(net);
  const text = textOf(net);
  if (!parsed(text)) {
    byId("changed").textContent = `${words}: not here. A network has a convolution, at most ${data.most_layers} layers, ` +
      `and widths from 1 to ${exact(data.widest)}.`;
    return;
  }
  const own = data.nets.findIndex((each) => textOf(each) === text);
  if (own >= 0) controls.network.value = data.networks[own];
  controls.net.value = own >= 0 ? "" : text;
  update(words);
}

/** What each part of the network is called: convolutions and pools as in the table. */
function namesOf(layers) {
  const rows = view.table.slice(1);
  return layers.map(([kind]) => (kind === "lrn" ? "LRN" : rows.shift().name));
}

/** The network as a row of buttons. */
function chain() {
  const [layers, head, classes, channels, , pool] = netOf(view);
  const names = namesOf(layers);
  const heads = view.table.filter(({ kind }) => kind === "fc");
  const parts = [
    ["input", 0, `${channels}×${view.size}`, "input"],
    ...layers.map(([kind, width, kernel], place) => [
      kind, place, kind === "conv" ? (kernel === 3 ? `${width}` : `${kernel}×${kernel}-${width}`) : kind === "pool" ? "M" : "LRN", names[place],
    ]),
    ["average", 0, pool === null ? "no avg" : pool === 1 ? "GAP" : `avg ${pool}`, "average pool"],
    ...head.map((width, place) => ["fc", place, `${width}`, heads[place].name]),
    ["classes", 0, `${classes}`, heads.at(-1).name],
  ];
  if (!parts.some(([kind, place]) => `${kind} ${place}` === selected)) selected = "";
  const focused = document.activeElement?.dataset.part;
  byId("chain").replaceChildren(...parts.map(([kind, place, text, name]) => {
    const part = `${kind} ${place}`;
    const attributes = {
      type: "button", class: `part ${kind}`, "data-part": part, "aria-pressed": part === selected, title: name,
      "aria-label": `${name}: ${text}`,
    };
    return element("li", {}, element("button", attributes, text));
  }));
  if (focused) byId("chain").querySelector(`[data-part="${focused}"]`)?.focus();
  editor(names);
  byId("undo").disabled = !past.length;
}

const WIDTHS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192];

/** What can be done with the selected part. The controls stay while a width is dragged. */
function editor(names) {
  const box = byId("editor");
  const [layers, head, classes, channels, , pool] = netOf(view);
  const [kind, place] = [selected.split(" ")[0], Number(selected.split(" ")[1])];
  const name = { conv: names[place], pool: names[place], lrn: "LRN", fc: `hidden layer ${place + 1}`, classes: "classes",
    input: "the input", average: "the average pool" }[kind];
  const width = { conv: layers[place]?.[1], fc: head[place], classes, input: channels }[kind];
  if (box.dataset.part === selected && box.contains(document.activeElement) && width !== undefined) {
    for (const each of box.querySelectorAll("[data-do=width]")) {
      if (each !== document.activeElement) each.value = each.type === "range" ? nearest(width) : width;
    }
    return;
  }
  box.dataset.part = selected;
  if (!kind) {
    box.replaceChildren();
    return;
  }
  const action = (what, text) => element("button", { type: "button", "data-do": what }, text);
  const made = [element("b", {}, name)];
  const row = view.table.findIndex((each) => each.name === name);
  if (width !== undefined) {
    made.push(
      element("label", {}, kind === "input" ? "channels" : "width ",
        element("input", { type: "number", min: 1, max: kind === "input" ? 4096 : data.widest, "data-do": "width", value: width })),
      ...(kind === "input" ? [] : [element("input", {
        type: "range", min: 0, max: WIDTHS.length - 1, "data-do": "width", value: nearest(width), "aria-label": `width of ${name}`,
      })]),
    );
  }
  const choose = (what, values, now) => element("select", { "data-do": what, "aria-label": `${what} of ${name}` }, ...values.map(([value, text]) =>
    element("option", String(value) === String(now) ? { value, selected: "" } : { value }, text)));
  if (kind === "conv") made.push(choose("kernel", [1, 3, 5, 7, 9, 11].map((side) => [side, `${side}×${side}`]), layers[place][2]));
  if (kind === "average") {
    made.push(choose("average", [[7, "to 7×7"], [1, "to one value (GAP)"], [3, "to 3×3"], ["none", "none"]], pool ?? "none"));
  }
  if (["input", "conv", "pool", "lrn"].includes(kind)) {
    made.push(action("conv", "+ convolution after"), action("pool", "+ pool after"));
  }
  if (kind === "average" || kind === "fc") made.push(action("fc", "+ hidden layer after"));
  if (["conv", "pool", "lrn", "fc"].includes(kind)) made.push(action("drop", `Drop ${name}`));
  if (row > 0) made.push(action("look", "Look inside"));
  box.replaceChildren(...made);
}

const nearest = (width) => WIDTHS.findLastIndex((each) => each <= width);

/** What a control of the editor does. */
function changeBy(control) {
  const [kind, place] = [selected.split(" ")[0], Number(selected.split(" ")[1])];
  const name = byId("editor").querySelector("b").textContent;
  const after = kind === "input" ? 0 : place + 1;
  const value = control.type === "range" ? WIDTHS[control.value] : Number(control.value);
  const isLayer = ["conv", "pool", "lrn"].includes(kind);
  const does = {
    width: () => {
      if (!isWhole(String(value), data.widest)) return;
      edit(`${name}: width ${exact(value)}`, (net) => {
        if (kind === "conv") net[0][place][1] = value;
        else if (kind === "fc") net[1][place] = value;
        else net[kind === "classes" ? 2 : 3] = value;
      });
    },
    kernel: () => edit(`${name}: kernel ${value}×${value}`, (net) => { net[0][place][2] = value; }),
    average: () => edit(control.value === "none" ? "The average pool is gone" : `The average pool gives ${value}×${value}`, (net) => {
      net[5] = control.value === "none" ? null : value;
    }),
    conv: () => {
      const width = current()[0].slice(0, after).findLast((each) => each[0] === "conv")?.[1] ?? 64;
      select(`conv ${after}`);
      edit(`A convolution of ${exact(width)} after ${name}`, (net) => net[0].splice(after, 0, ["conv", width, 3]));
    },
    pool: () => {
      select(`pool ${after}`);
      edit(`A pool after ${name}`, (net) => net[0].splice(after, 0, ["pool"]));
    },
    fc: () => {
      const place_ = kind === "fc" ? after : 0;
      select(`fc ${place_}`);
      edit("A hidden layer of 4,096 more", (net) => net[1].splice(place_, 0, 4096));
    },
    look: () => lookInto(view.table.findIndex((each) => each.name === name)),
    drop: () => edit(`${name} is gone`, (net) => (isLayer ? net[0] : net[1]).splice(place, 1)),
  };
  does[control.dataset.do]();
}

function select(part) {
  selected = part;
  delete byId("editor").dataset.part;
}

byId("chain").addEventListener("click", ({ target }) => {
  const part = target.closest("button")?.dataset.part;
  if (!part) return;
  select(part === selected ? "" : part);
  chain();
});
byId("chain").addEventListener("keydown", (event) => {
  const buttons = [...byId("chain").querySelectorAll("button")];
  const here = buttons.indexOf(event.target);
  const next = buttons[{ ArrowRight: here + 1, ArrowLeft: here - 1 }[event.key]];
  if (next) next.focus();
  if (event.key !== "Delete" && event.key !== "Backspace") return;
  event.preventDefault();
  select(event.target.dataset.part);
  chain();
  byId("editor").querySelector("[data-do=drop]")?.click();
});
byId("editor").addEventListener("click", ({ target }) => target.matches("button") && changeBy(target));
byId("editor").addEventListener("input", ({ target }) => target.matches("input, select") && changeBy(target));

byId("start").addEventListener("input", ({ target }) => {
  const net = data.paper[target.value];
  const name = target.value;
  target.value = "";
  select("");
  if (net) edit(`Start from ${name}`, (mine) => mine.splice(0, 4, ...structuredClone(net.slice(0, 4))) && (mine[5] = net[5]));
});

// -- as the command line has it

/** The network in a line, if a line can say it all; else as a file. */
function typed() {
  const [layers, head, classes, channels, , pool] = netOf(view);
  const tokens = textOf(netOf(view)).split(";")[0];
  const paper = Object.keys(data.paper).find((name) => textOf(data.paper[name]).split(";")[0] === tokens);
  const isPlain = channels === 3 && head.join() === "4096,4096" && (pool === null || pool in LAST);
  const last = pool === null ? ",none" : pool === 1 ? ",GAP" : "";
  const list = tokens.includes(",") || last ? tokens + last : `${tokens},`;
  const net = isPlain ? (paper && !last ? paper : list) : "net.toml";
  const norm = isPlain && view.norm === "true" ? ["--batch-norm"] : [];
  const many = isPlain && classes !== 1000 ? ["--classes", classes] : [];
  const option = (name, value, usual) => (value === usual ? [] : [`--${name}`, value]);
  return ["vgg-profile", "timeline", net, ...norm, ...many, "--input", view.size.replace("×", "x"), "--batch", view.batch,
    ...option("dtype", view.dtype, "float32"), ...option("device", view.device, "cpu"),
    ...option("optimizer", view.optimizer, "none"), ...option("amp", view.amp, "none"),
    ...option("checkpoint", view.checkpoint, "none"), ...data.options].join(" ");
}

function toml() {
  const [layers, head, classes, channels, , pool] = netOf(view);
  const tokens = textOf(netOf(view)).split(";")[0].split(",").map((token) => (/^\d+$/.test(token) ? token : `"${token}"`));
  return [`layers = [${tokens.join(", ")}]`, `classifier = [${head.join(", ")}]`, `classes = ${classes}`,
    `in_channels = ${channels}`, `batch_norm = ${view.norm === "true"}`, `pool = ${pool ?? '"none"'}`, ""].join("\n");
}

function give(text) {
  byId("given").hidden = false;
  byId("given").textContent = text;
  navigator.clipboard?.writeText(text).then(() => { byId("changed").textContent = "Copied."; }, () => {});
}

byId("as-command").addEventListener("click", () => give(typed()));
byId("as-toml").addEventListener("click", () => give(toml()));
