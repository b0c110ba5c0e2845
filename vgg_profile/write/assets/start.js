// The live part of a report. Python counted everything (ask/page_data.py) and wrote the rules (core/fold.py,
// core/digits.py), which stand above as `rules`; here is what a reader sees and does. Text from the data is
// only ever set as text.

const byId = (id) => document.getElementById(id);
const packed = Uint8Array.from(atob(byId("data").textContent), (letter) => letter.charCodeAt(0));
const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
const data = await new Response(unpacked).json();

const [form, layers, chart] = ["controls", "layers", "chart"].map(byId);
const controls = form.elements;
const chosen = () => Object.fromEntries(new FormData(form));
const defaults = chosen();
const good = { batch: Number(data.setting.batch), memory: defaults.memory }; // the last that could be read
const sorting = { column: "", direction: "" };
let unit = defaults.unit;
let view = null; // everything that follows from the setting
let lit = -1; // the row that is pointed at
let at = -1; // the part of the step that is pointed at
let scrubbed = -1; // the event of the step that was scrubbed to
let saving = 0;
let room = 600; // how wide the chart's place is: asked for once, for asking makes the browser lay out the page
/** How much larger than usual everything is. */
const magnified = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
