// -- numbers to text

const [GIB, GIB_PLACES] = data.units.GiB;
const exact = (number) => rules.scaled(number, 1, 0);
const amount = (size, unit = controls.unit.value) => rules.scaled(size, ...data.units[unit]);
const sized = (size, unit = controls.unit.value) => `${amount(size, unit)} ${unit}`;
const both = (size) => `${sized(size, "bytes")} = ${sized(size, controls.unit.value === "GiB" ? "GiB" : "MiB")}`;
const gibibytes = (size, places) => rules.trimmed(rules.rounded(size, GIB, 10 ** places), places);
const images = (batch) => `${exact(batch)} image${batch === 1 ? "" : "s"}`;
const place = ({ phase, layer }) => (layer ? `${phase} of ${layer}` : phase);

// -- elements

function given(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
const element = (name, attributes = {}, ...children) =>
  given(document.createElement(name), attributes, children);
const shape = (name, attributes, ...children) =>
  given(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
const line = ([head, ...texts], attributes = {}) =>
  element("tr", attributes, element("th", { scope: "row" }, head), ...texts.map((text) => element("td", {}, text)));
