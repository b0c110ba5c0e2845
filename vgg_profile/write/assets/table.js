// -- the table: column → the number to sort by, and its text

const plain = (value) => [value, (row) => exact(value(row))];
const bytes = (value) => [value, (row) => amount(value(row))];
const columns = {
  name: [(row) => row.number, (row) => row.name],
  output: [(row) => row.values[0], (row) => row.output],
  values: plain((row) => row.values[0]),
  memory: bytes((row) => row.memory),
  saved: bytes((row) => row.saved),
  weights: plain((row) => row.weights[0]),
  biases: plain((row) => row.biases),
  macs: plain((row) => row.macs[0]),
};
const totalOf = { name: () => "total", output: () => "", memory: amount, saved: amount };

let tabbed = ""; // the row that the Tab key comes to
let lines = new Map(); // a row's name → its line: one that says what it said is the same line

function tabulate() {
  const rows = [...view.table];
  const isAsBuilt = !sorting.direction || (sorting.column === "name" && sorting.direction === "ascending");
  if (sorting.direction) {
    const [value] = columns[sorting.column];
    const sign = sorting.direction === "ascending" ? 1 : -1;
    rows.sort((one, other) => sign * (value(one) - value(other)));
  }
  if (!rows.some(({ name }) => name === tabbed)) tabbed = rows[0].name;
  const body = rows.map((row, number) => {
    const isEnd = isAsBuilt && rows[number + 1]?.block !== row.block;
    const attributes = {
      "data-row": row.number, tabindex: row.name === tabbed ? 0 : -1, class: isEnd ? "end" : "", "aria-describedby": "detail",
    };
    const texts = Object.values(columns).map(([, text]) => text(row));
    const says = [...Object.values(attributes), ...texts].join("|");
    const before = lines.get(row.name);
    return before?.says === says ? before : { ...line(texts, attributes), key: row.name, says };
  });
  lines = new Map(body.map((each) => [each.key, each]));
  redraw(layers.tBodies[0], body);
  const totals = Object.keys(columns).map((name) => (totalOf[name] ?? exact)(view.totals[name]));
  redraw(layers.tFoot, [line(totals)]);
  for (const head of layers.tHead.rows[0].cells) {
    attribute(head, { "aria-sort": (head.dataset.column === sorting.column && sorting.direction) || "none" });
  }
  if (byId("parts").open) list();
}

/** The report's own table of the network that is live is folded: no table stands there twice. */
function fold({ net, network, norm }) {
  const here = net ? "your own" : [data.networks.indexOf(network), norm].join();
  const tables = document.querySelectorAll("details.layers");
  if (folded !== here) tables.forEach((each, number) => { each.open = data.compared[number].join() !== here; });
  folded = here;
}
let folded = "";

/** The parts of the step as a table, once somebody looks. */
function list() {
  const parts = view.moments.map((moment) => line([place(moment), amount(moment.live), amount(moment.peak)]));
  redraw(byId("moments").tBodies[0], parts);
}

/** The working of the row that is pointed at, with the numbers in place. */
function explain() {
  const row = at < 0 && view.table[lit];
  byId("working").hidden = !row;
  if (!row) return redraw(byId("detail"), []);
  const worked = ([value, working]) => (working === String(value) ? exact(value) : `${working} = ${exact(value)}`);
  const [names, fixed, perImage] = row.keeps;
  const kept = names.map((name, number) => {
    const [once, each] = [fixed[number], perImage[number]];
    const terms = [once && exact(once), each && `${exact(each)}*${exact(view.batch)}`];
    return `${terms.filter(Boolean).join("+")} (${name})`;
  });
  const most = (phase) => {
    const parts = view.moments.filter((moment) => moment.row === lit && moment.phase === phase);
    return parts.length ? [`${phase} ${sized(Math.max(...parts.map((moment) => moment.peak)))}`] : [];
  };
  const workings = {
    [row.name]: row.output,
    values: worked(row.values),
    memory: `${exact(row.values[0])} values * ${view.itemsize} bytes * ${images(view.batch)} = ${both(row.memory)}`,
    [layers.querySelector("[data-column=saved] button").textContent]:
      kept.length ? `${kept.join(" + ")} = ${both(row.saved)}` : "nothing",
    weights: worked(row.weights) + (row.biases ? `, and ${exact(row.biases)} biases` : ""),
    MACs: worked(row.macs),
    "most live": ["input", "forward", "recompute", "backward"].flatMap(most).join(", "),
  };
  return redraw(byId("detail"), Object.entries(workings).flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
}
