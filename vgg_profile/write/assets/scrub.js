// -- the step, event by event; a row is one of view.levels: an event before what it frees, or after

const [eventSlider, blocks] = ["event", "blocks"].map(byId);
let playing = 0;
let boxes = []; // where each live tensor's block ends
let areBlocksSeen = true;
let laying = 0;

const partAt = (event) => view.moments.findLastIndex(({ first }) => first <= event);
const highestIn = ({ first, rows, highest }) => Math.max(0, 2 * first - 1 + rows.indexOf(highest));

/** What is shown: the part that is pointed at where most is live, else what was scrubbed to, else the peak. */
function state() {
  if (at >= 0) return { row: highestIn(view.moments[at]), part: at, isPointed: true };
  if (scrubbed < 0) return { row: highestIn(view.peak), part: view.peakAt, isPointed: false };
  return { row: 2 * scrubbed, part: partAt(scrubbed), isPointed: false };
}

/** Where in the chart a row stands, and at which height. */
function cursor(row, part) {
  if (at >= 0 || scrubbed < 0) return [];
  const { edges, x, y, top, foot, moments, drawnRows } = view;
  const { first, rows } = moments[part];
  const drawn = drawnRows(moments[part]);
  const place = Math.max(0, row + 1 - 2 * first - rows.length + drawn.length);
  const along = x(edges[part] + (moments[part].width * (place + 0.5)) / drawn.length);
  return [
    element("line", { class: "cursor", x1: along, x2: along, y1: top, y2: foot }),
    element("circle", { class: "cursor", cx: along, cy: y(rules.live_bytes(view.levels[row])), r: 3.5 }),
  ];
}

function named(storage) {
  const [what, layer] = [view.tape.whats[storage - 1], view.tape.layers[storage - 1]];
  return layer === "loss" ? what : `${what} of ${layer}`;
}
const short = (size) => sized(size, size < 10000 ? "bytes" : unit);
const inAll = (storages) => {
  const most = [...storages].sort((one, other) => view.sizes[other - 1] - view.sizes[one - 1]);
  const told = most.slice(0, 3).map((each) => `${named(each)} (${short(view.sizes[each - 1])})`);
  return [...told, ...(most.length > 3 ? [`${most.length - 3} more`] : [])].join(", ");
};

/** What the event does, in words, and what is live as blocks: at once, or after the frame of an edit. */
function happen(row, isEdit = false) {
  const { tape, moments, levels } = view;
  const event = row >> 1;
  const storages = tape.events[event];
  const [made, freed] = [storages.filter((each) => each > 0), storages.filter((each) => each < 0).map((each) => -each)];
  const does = [made.length && `allocates ${inAll(made)}`, freed.length && `frees ${inAll(freed)}`].filter(Boolean);
  const read = view.record?.parts[partAt(event)];
  const beside = read && read[0] !== null
    ? `. A real step had ${sized(read[0])} at the end of this part, ${sized(read[1])} at most within it.` : "";
  say("happens", `${tape.ops[event]}: ${does.join("; then ")}${beside}`);
  attribute(eventSlider, {
    max: tape.events.length - 1,
    "aria-valuetext":
      `Event ${event + 1} of ${tape.events.length}, ${place(moments[partAt(event)])}: ${sized(rules.live_bytes(levels[row]))} live`,
  });
  eventSlider.value = event;
  say("count", `${exact(event + 1)} of ${exact(tape.events.length)}`);
  const draw = () => lay(row, new Set(made), new Set(freed));
  clearTimeout(laying);
  if (isEdit && !areBlocksSeen) laying = setTimeout(draw, 100);
  else draw();
}

// blocks beyond the window's edge have no part in an edit's frame
new IntersectionObserver(([{ isIntersecting }]) => {
  areBlocksSeen = isIntersecting;
  if (areBlocksSeen && view) happen(state().row);
}).observe(blocks);

/**
 * Every live tensor as a block, its area its bytes, in the order in which they were made; the box is the peak.
 * Blocks that look alike are one path: a browser has a dozen shapes to place, and not a hundred.
 */
function lay(row, made, freed) {
  const { tape, sizes, peak, levels } = view;
  const [width, height] = [Math.max(200, room), 120];
  const share = (width * height) / peak.peak;
  const alive = rules.alive(tape.events, row);
  const live = alive.filter((each) => sizes[each - 1] * share >= 1);
  const [paths, names] = [{}, []];
  boxes = [];
  let left = 0;
  const areas = live.map((each) => sizes[each - 1] * share);
  for (let start = 0, stop; start < live.length; start = stop) {
    // a column takes blocks as long as that makes them squarer
    let [area, worst, least, most] = [0, Infinity, Infinity, 0];
    for (stop = start; stop < live.length; stop += 1) {
      const next = areas[stop];
      const side = ((area + next) / height) ** 2; // a block that is as wide as the column has this area if it is square
      [least, most] = [Math.min(least, next), Math.max(most, next)];
      const bent = Math.max(side / least, most / side);
      if (bent > worst) break;
      [area, worst] = [area + next, bent];
    }
    let top = 0;
    const across = area / height;
    for (const each of live.slice(start, stop)) {
      const down = (sizes[each - 1] * share) / across;
      const kind = made.has(each) ? "made" : freed.has(each) ? "freed" : "";
      const alike = [kind, data.categories[tape.categories[each - 1]]];
      paths[alike] = `${paths[alike] ?? ""}M${left} ${top}h${across}v${down}h${-across}z`;
      boxes.push({ each, right: left + across, bottom: top + down });
      const name = tape.layers[each - 1];
      if (across > 7 * name.length + 6 && down > 15) names.push(element("text", { x: left + 4, y: top + 13 }, name));
      top += down;
    }
    left += across;
  }
  attribute(blocks, {
    viewBox: `0 0 ${width} ${height}`,
    "aria-label": `${exact(alive.length)} live tensors, ${sized(rules.live_bytes(levels[row]))} of the peak’s ${sized(peak.peak)}`,
  });
  const shapes = Object.entries(paths).sort().map(([alike, d]) => {
    const [kind, category] = alike.split(",");
    return element("path", { class: kind, fill: data.palette[category], d });
  });
  redraw(blocks, [...shapes, ...names]);
  say("block", BLOCKS);
}

const BLOCKS = "Each block is a tensor, its area its bytes; the box is the peak. Point at one for its name.";

/** Go to an event, and stop pointing at anything else. */
function scrubTo(event) {
  scrubbed = Math.min(view.tape.events.length - 1, Math.max(0, event));
  [lit, at] = [-1, -1];
  light();
}

function play(isOn) {
  clearInterval(playing);
  playing = 0;
  if (isOn) {
    const { length } = view.tape.events;
    if (state().row >> 1 >= length - 1 || scrubbed < 0) scrubTo(0);
    playing = setInterval(() => {
      if (scrubbed >= view.tape.events.length - 1) play(false);
      else scrubTo(scrubbed + 1);
    }, Math.max(30, 20000 / length));
  }
  say("play", isOn ? "❚❚ Pause" : "▶ Play");
  byId("play").setAttribute("aria-pressed", isOn);
}

byId("scrub").addEventListener("click", ({ target }) => {
  if (target.id === "play") return play(!playing);
  if (!target.closest("button")) return undefined;
  play(false);
  return scrubTo(target.id === "summit" ? highestIn(view.peak) >> 1 : (state().row >> 1) + Number(target.dataset.by));
});
eventSlider.addEventListener("input", () => {
  play(false);
  scrubTo(Number(eventSlider.value));
});
blocks.addEventListener("pointermove", ({ clientX, clientY }) => {
  const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(blocks.getScreenCTM().inverse());
  const pointed = boxes.find(({ right, bottom }) => x <= right && y <= bottom);
  say("block", pointed ? `${named(pointed.each)}: ${both(view.sizes[pointed.each - 1])}` : BLOCKS);
});
blocks.addEventListener("pointerleave", () => {
  say("block", BLOCKS);
});
const scrubToPointed = () => at >= 0 && scrubTo(highestIn(view.moments[at]) >> 1);
chart.addEventListener("click", scrubToPointed);
