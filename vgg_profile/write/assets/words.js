// -- numbers to text

const [GIB, GIB_PLACES] = data.units.GiB;
const written = new Map(); // scale → number → its text: an edit changes few of the hundreds that are shown
function scaled(number, scale, places) {
  if (!written.has(scale)) written.set(scale, new Map());
  const known = written.get(scale);
  if (known.size > 5000) known.clear();
  if (!known.has(number)) known.set(number, rules.scaled(number, scale, places));
  return known.get(number);
}
const exact = (number) => scaled(number, 1, 0);
const amount = (size, of = unit) => scaled(size, ...data.units[of]);
const sized = (size, of = unit) => `${amount(size, of)} ${of}`;
const both = (size) => `${sized(size, "bytes")} = ${sized(size, unit === "GiB" ? "GiB" : "MiB")}`;
const gibibytes = (size, places) => rules.trimmed(rules.rounded(size, GIB, 10 ** places), places);
const counted = (number, one, many) => `${exact(number)} ${number === 1 ? one : many}`;
const images = (batch) => counted(batch, "image", "images");
const place = ({ phase, layer }) => (layer ? `${phase} of ${layer}` : phase);

// -- elements: first as data, then drawn, and of what is there already only what differs is touched

const NONE = {};
const element = (name, attributes = NONE, ...children) => ({ name, attributes, children });
const line = ([head, ...texts], attributes = NONE) =>
  element("tr", attributes, element("th", { scope: "row" }, head), ...texts.map((text) => element("td", NONE, text)));

const [asDrawn, given, holds] = ["what a node was drawn from", "its attributes", "the nodes that it holds"].map(Symbol);

/** Let a place hold these elements and texts, in their order, and nothing else; what has a key keeps its node. */
function redraw(place, wanted) {
  const before = place[holds] ?? [...place.childNodes];
  const keyed = wanted[0]?.key !== undefined && new Map(before.map((node) => [node[asDrawn]?.key, node]));
  const now = wanted.map((each, number) => {
    const there = keyed ? keyed.get(each.key) : before[number];
    if (keyed) keyed.delete(each.key);
    if (there?.[asDrawn] === each) return there;
    const node = there?.[asDrawn] !== undefined && there[asDrawn].name === each.name ? there
      : each.name ? document.createElementNS(place.namespaceURI, each.name) : new Text();
    if (each.name) {
      attribute(node, each.attributes);
      const had = node[asDrawn]?.children ?? [];
      const areSame = each.children.length === had.length && each.children.every((child, at) => child === had[at]);
      if (!areSame) redraw(node, each.children);
    } else if (node[asDrawn] !== each) node.data = each;
    node[asDrawn] = each;
    return node;
  });
  place[holds] = now;
  if (now.length === before.length && now.every((node, number) => node === before[number])) return;
  const kept = new Set(now);
  for (const node of before) if (!kept.has(node)) node.remove();
  let next = place.firstChild;
  for (const node of now) {
    if (node === next) next = node.nextSibling;
    else place.insertBefore(node, next);
  }
}

function attribute(node, wanted) {
  const before = node[given] ?? NONE;
  if (before === wanted) return;
  for (const name in before) if (!(name in wanted)) node.removeAttribute(name);
  for (const name in wanted) if (before[name] !== wanted[name]) node.setAttribute(name, wanted[name]);
  node[given] = wanted;
}

/** Let an element with this id say so. */
const say = (id, ...texts) => redraw(byId(id), texts);
