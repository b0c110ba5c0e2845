// -- numbers to text

const [GIB, GIB_PLACES] = data.units.GiB;
const exact = (number) => rules.scaled(number, 1, 0);
const amount = (size, of = unit) => rules.scaled(size, ...data.units[of]);
const sized = (size, of = unit) => `${amount(size, of)} ${of}`;
const both = (size) => `${sized(size, "bytes")} = ${sized(size, unit === "GiB" ? "GiB" : "MiB")}`;
const gibibytes = (size, places) => rules.trimmed(rules.rounded(size, GIB, 10 ** places), places);
const images = (batch) => `${exact(batch)} image${batch === 1 ? "" : "s"}`;
const place = ({ phase, layer }) => (layer ? `${phase} of ${layer}` : phase);

// -- elements: first as data, then drawn, and of what is there already only what differs is touched

const element = (name, attributes = {}, ...children) => ({ name, attributes, children });
const line = ([head, ...texts], attributes = {}) =>
  element("tr", attributes, element("th", { scope: "row" }, head), ...texts.map((text) => element("td", {}, text)));

const given = new WeakMap(); // node → its attributes

/** Let a place hold these elements and texts, in their order, and nothing else. */
function redraw(place, wanted) {
  let node = place.firstChild;
  for (const each of wanted) {
    if (!node || node.localName !== each.name) {
      const made = each.name ? document.createElementNS(place.namespaceURI, each.name) : new Text();
      node = place.insertBefore(made, node);
    }
    if (each.name) {
      attribute(node, each.attributes);
      redraw(node, each.children);
    } else if (node.data !== String(each)) node.data = each;
    node = node.nextSibling;
  }
  while (node) {
    const next = node.nextSibling;
    node.remove();
    node = next;
  }
}

function attribute(node, wanted) {
  const before = given.get(node) ?? {};
  for (const name in before) if (!(name in wanted)) node.removeAttribute(name);
  for (const name in wanted) if (before[name] !== wanted[name]) node.setAttribute(name, wanted[name]);
  given.set(node, wanted);
}
