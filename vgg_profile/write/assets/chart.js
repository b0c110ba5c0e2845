// -- the chart

/** Where equal keys stand side by side. */
const runs = (keys) => keys.reduce((found, key, number) => {
  if (number && keys[number - 1] === key) found.at(-1).stop = number + 1;
  else found.push({ key, start: number, stop: number + 1 });
  return found;
}, []);

const tenths = (length) => Math.round(10 * length) / 10;

/** A line along the tops of the levels; a level as high as the one before only goes on. */
function stairs(levels, y) {
  let [path, height] = ["", NaN];
  levels.forEach(({ floor, along }, number) => {
    if (floor !== height) path += `V${tenths(y(floor))}`;
    height = floor;
    if (levels[number + 1]?.floor !== height) path += along;
  });
  return path;
}

function draw() {
  const { moments, peak, available } = view;
  const width = Math.max(280, room);
  const height = Math.round(Math.min(310, Math.max(240, width / 2)));
  const isLimitNear = available > 0 && available < 3 * peak.peak;
  const most = Math.max(peak.peak * 1.16, isLimitNear ? available * 1.1 : 0);
  const [scale, places] = data.units[unit];
  const ticks = rules.ticks(Math.floor(most), scale, 10 ** places);
  const texts = ticks.map((tick) => rules.trimmed(tick, places));
  const longest = Math.max(...texts.map((text) => text.length));
  const [top, right, foot, left] = [24, width - 6, height - 24, Math.max(34, 14 + 7.2 * longest)];
  const edges = [0];
  for (const moment of moments) edges.push(edges.at(-1) + moment.width);
  const x = (edge) => left + ((right - left) * edge) / edges.at(-1);
  const y = (size) => foot - ((foot - top) * size) / most;
  const drawn = [];
  const write = (text, along, up, anchor = "middle", css = "") =>
    drawn.push(element("text", { x: along, y: up, "text-anchor": anchor, class: css }, text));
  const rule = (size, css) =>
    drawn.push(element("line", { class: css, x1: left, x2: right, y1: y(size), y2: y(size) }));
  /** Names for stretches of the step: the longest first, the others where there is room. */
  const inscribe = (stretches, up) => {
    const taken = [];
    for (const { text, from, to } of stretches.sort((one, other) => other.to - other.from - (one.to - one.from))) {
      const half = 3.5 * text.length;
      const middle = Math.max(left + half, Math.min(right - half, (from + to) / 2));
      if (!text || taken.some((each) => Math.abs(each.middle - middle) < each.half + half + 4)) continue;
      taken.push({ middle, half });
      write(text, middle, up);
    }
  };
  const stretch = ({ key, start, stop }) => ({ text: key, from: x(edges[start]), to: x(edges[stop]) });

  const phases = runs(moments.map(({ phase }) => (phase === "recompute" ? "backward" : phase))).map(stretch);
  phases.forEach(({ from, to }, number) => {
    const band = { class: "band", x: from, y: top, width: to - from, height: foot - top };
    if (number % 2) drawn.push(element("rect", band));
  });
  inscribe(phases, 15);
  ticks.forEach((tick, number) => {
    const size = (tick * scale) / 10 ** places;
    rule(size, "grid");
    write(texts[number], left - 6, y(size) + 4, "end");
  });
  write(unit, left - 6, 13, "end");

  const drawnRows = ({ phase, rows }) => (phase === "load" || rows.length === 1 ? rows.slice(-1) : rows.slice(1));
  const levels = moments.flatMap((moment, number) => {
    const rows = drawnRows(moment);
    const at = (place) => x(edges[number] + (moment.width * place) / rows.length);
    return runs(rows).map(({ key: stack, start, stop }) => ({ stack, from: at(start), to: at(stop), along: `H${tenths(at(stop))}`, floor: 0 }));
  });
  // an area reaches down to the foot; those above it in the stack are drawn before it, and it covers their lower part
  const areas = [];
  for (const [category, colour] of Object.entries(data.palette)) {
    const of = data.categories.indexOf(category);
    if (!levels.some(({ stack }) => stack[of])) continue;
    for (const level of levels) level.floor += level.stack[of];
    areas.unshift(element("path", { class: "area", fill: colour, d: `M${left} ${foot}${stairs(levels, y)}V${foot}Z` }));
  }
  drawn.push(...areas);
  drawn.push(element("path", { class: "outline", d: `M${left} ${tenths(y(levels[0].floor))}${stairs(levels, y)}` }));
  view.record?.parts.forEach(([live], number) => {
    if (live !== null) drawn.push(element("circle", { class: "measured", cx: x(edges[number + 1]), cy: y(live), r: 1.8 }));
  });

  const parts = runs(moments.map(({ phase, row }) => [phase, view.table[row]?.block ?? ""].join())).map(stretch);
  inscribe(parts.map((part) => ({ ...part, text: part.text.slice(part.text.indexOf(",") + 1) })), height - 8);
  if (isLimitNear) rule(available, "limit");
  const summit = levels.find(({ floor }, number) => number && floor === peak.peak);
  const label = `peak ${sized(peak.peak)}`;
  const half = 3.7 * label.length;
  drawn.push(element("circle", { class: "peak", cx: (summit.from + summit.to) / 2, cy: y(peak.peak), r: 4 }));
  const isInTheWay = isLimitNear && available >= peak.peak && y(peak.peak) - y(available) < 28;
  const up = isInTheWay ? y(available) - 7 : y(peak.peak) - 11;
  write(label, Math.max(left + half, Math.min(right - half, summit.from)), up, "middle", "peak");
  drawn.push(element("g", { id: "lights" }));
  attribute(chart, { viewBox: `0 0 ${width} ${height}` });
  redraw(chart, drawn);
  Object.assign(view, { edges, x, y, top, foot, isLimitNear, drawnRows });
  light(true);
}

/** Show what is pointed at: its row, its parts of the step, what is live there, its working. */
function light(isEdit = false) {
  const { moments, edges, x, y, top, foot } = view;
  layers.querySelector(".lit")?.classList.remove("lit");
  layers.querySelector(`[data-row="${lit}"]`)?.classList.add("lit");
  const isLit = (moment, number) => (at < 0 ? lit >= 0 && moment.row === lit : number === at);
  const { row: shown, part: now, isPointed } = state();
  redraw(byId("lights"), [...moments.flatMap((moment, number) => {
    if (!isLit(moment, number)) return [];
    const [from, up] = [x(edges[number]), y(moment.peak)];
    const width = x(edges[number + 1]) - from;
    return [
      element("rect", { class: "beam", x: from, y: top, width, height: foot - top }),
      element("rect", { class: "bar", x: from, y: up, width: Math.max(2, width), height: foot - up }),
    ];
  }), ...cursor(shown, now)]);
  const stack = view.levels[shown];
  const live = rules.live_bytes(stack);
  const when = isPointed ? "In" : live === view.peak.peak ? "At the peak, in" : "Now, in";
  const said = `${when} ${place(moments[now])}: ${sized(live)}`;
  say("where", said);
  chart.setAttribute("aria-valuemax", moments.length - 1);
  chart.setAttribute("aria-valuenow", now);
  chart.setAttribute("aria-valuetext", said);
  const item = (name, size, colour = "", css = "") => element("li", {},
    element("i", colour ? { style: `background: ${colour}` } : { class: css }), element("span", {}, name), element("b", {}, amount(size)));
  const items = Object.entries(data.palette).flatMap(([category, colour]) => {
    const of = data.categories.indexOf(category);
    return moments.some(({ highest: stack }) => stack[of]) ? [item(category, stack[of], colour)] : [];
  });
  if (view.isLimitNear) items.push(item(`${view.memoryLabel} less reserve`, view.available, "", "limit"));
  if (view.record) items.push(item("measured at the end of this part", view.record.parts[now][0] ?? NaN, "", "measured"));
  redraw(byId("legend"), items);
  happen(shown, isEdit);
  explain();
}

function point(row, moment = -1) {
  if (row === lit && moment === at) return;
  [lit, at] = [row, moment];
  light();
}
