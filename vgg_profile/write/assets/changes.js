// -- what just changed, and why; and the way back

const past = []; // settings, the last that was left at the end
const undone = []; // settings that were gone back from, the last at the end
let present = null;

/** Keep the setting that was left; what is dragged or typed in one go is one step back. */
function remember(setting, words) {
  const text = JSON.stringify(setting);
  if (text === present?.text) return;
  const other = present ? Object.keys(setting).filter((name) => setting[name] !== present.setting[name]).join() : "";
  const isWidth = words.match(/^.* has (?:width )?(?=\d)/);
  const topic = isWidth ? isWidth[0] : words ? "" : { batch: "batch", memory: "memory" }[other] ?? "";
  const isGoingOn = held ? held === present?.held : topic && topic === present?.topic && Date.now() - present.when < 700;
  if (present && !isGoingOn) past.push(present.text);
  if (present) undone.length = 0;
  if (past.length > 200) past.shift();
  present = { text, setting, topic, held, when: Date.now() };
}

function goBackTo(text) {
  for (const [name, value] of Object.entries(JSON.parse(text))) controls[name].value = value;
  offer();
}

/** Take a setting from one list, and leave the present one on the other. */
function go(from, to, words) {
  if (!from.length) return;
  to.push(present.text);
  goBackTo(from.pop());
  present = null;
  update(words);
}
const undo = () => go(past, undone, "Undone");
const redo = () => go(undone, past, "Redone");

const SAID = { network: "network", norm: "batch norm", amp: "autocast", checkpoint: "checkpointing", size: "images", device: "rules of" };
const TOLD = ["network", "batch", "dtype", "optimizer", "size", "norm", "amp", "checkpoint", "device"];
const asSaid = (value) => ({ true: "on", false: "off" })[value] ?? value;
const grown = (before, after) => `${after < before ? "−" : "+"}${sized(Math.abs(after - before))}`;

/** One sentence: what was changed, what that did to the maps, the parameters, the peak, and what fits. */
function toldChange(before, after, words) {
  const turned = TOLD.filter((name) => String(before[name]) !== String(after[name]))
    .map((name) => `${SAID[name] ?? name} ${asSaid(before[name])} → ${asSaid(after[name])}`);
  const what = words || turned.join(", ");
  if (!what) return "";
  const effects = [];
  const lastMap = ({ table }) => table.findLast(({ kind }) => kind === "conv" || kind === "maxpool");
  const [was, is] = [lastMap(before), lastMap(after)];
  if (was.output !== is.output) effects.push(`the last map is ${is.output}, was ${was.output}`);
  if (before.totals.parameters !== after.totals.parameters) {
    effects.push(`${exact(after.totals.parameters)} parameters, were ${exact(before.totals.parameters)}`);
  }
  const [low, high] = [before.peak.peak, after.peak.peak];
  if (low === high) effects.push("the peak stays");
  else {
    const changes = after.peak.highest.map((size, of) => size - before.peak.highest[of]);
    const most = changes.reduce((best, each, of) => (Math.abs(each) > Math.abs(changes[best]) ? of : best), 0);
    effects.push(`the peak goes from ${sized(low)} to ${sized(high)}, the largest part ${data.categories[most]} ` +
      `(${grown(before.peak.highest[most], after.peak.highest[most])})`);
  }
  if (place(before.peak) !== place(after.peak)) effects.push(`it moves from ${place(before.peak)} to ${place(after.peak)}`);
  if (before.limit && after.limit && before.largest !== after.largest) {
    effects.push(`the batch that fits goes from ${exact(before.largest)} to ${exact(after.largest)}`);
  }
  return `${what}: ${effects.join("; ")}.`;
}

byId("undo").addEventListener("click", undo);
byId("redo").addEventListener("click", redo);
addEventListener("keydown", (event) => {
  const { key, shiftKey, target } = event;
  const isOurs = (event.ctrlKey || event.metaKey) && !event.altKey && BUILT && !look.open;
  const way = { z: shiftKey ? redo : undo, y: redo }[key.toLowerCase()];
  if (!isOurs || !way || target.matches("input:is([type=text], [type=number])")) return; // a text has an undo of its own
  event.preventDefault();
  way();
});
