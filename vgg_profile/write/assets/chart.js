// -- the chart

/** Where equal keys stand side by side. */
const runs = (keys) => keys.reduce((found, key, number) => {
  if (number && keys[number - 1] === key) found.at(-1).stop = number + 1;
  else found.push({ key, start: number, stop: number + 1 });
  return found;
}, []);

function draw() {
  const { moments, peak, available } = view;
  const width = Math.max(280, room);
  const height = Math.round(Math.min(310, Math.max(240, width / 2)));
  const isLimitNear = available > 0 && available < 3 * peak.peak;
  const most = Math.max(peak.peak * 1.16, isLimitNear ? available * 1.1 : 0);
  const [scale, places] = data.units[controls.unit.value];
  const ticks = rules.ticks(Math.floor(most), scale, 10 ** places);
  const texts = ticks.map((tick) => rules.trimmed(tick, places));
  const longest = Math.max(...texts.map((text) => text.length));
  const [top, right, foot, left] = [24, width - 6, height - 24, Math.max(34, 14 + 7.2 * longest)];
  const edges = moments.reduce((found, moment) => [...found, found.at(-1) + moment.width], [0]);
  const x = (edge) => left + ((right - left) * edge) / edges.at(-1);
  const y = (size) => foot - ((foot - top) * size) / most;
  const drawn = [];
  const write = (text, along, up, anchor = "middle", css = "") =>
    drawn.push(shape("text", { x: along, y: up, "text-anchor": anchor, class: css }, text));
  const rule = (size, css) =>
    drawn.push(shape("line", { class: css, x1: left, x2: right, y1: y(size), y2: y(size) }));
  const name = (text, from, to, up) => to - from > 7 * text.length + 2 && write(text, (from + to) / 2, up);

  runs(moments.map(({ phase }) => (phase === "recompute" ? "backward" : phase))).forEach((run, number) => {
    const [from, to] = [x(edges[run.start]), x(edges[run.stop])];
    const band = { class: "band", x: from, y: top, width: to - from, height: foot - top };
    if (number % 2) drawn.push(shape("rect", band));
    name(run.key, from, to, 15);
  });
  ticks.forEach((tick, number) => {
    const size = (tick * scale) / 10 ** places;
    rule(size, "grid");
    write(texts[number], left - 6, y(size) + 4, "end");
  });
  write(controls.unit.value, left - 6, 13, "end");

  const drawnRows = ({ phase, rows }) => (phase === "load" || rows.length === 1 ? rows.slice(-1) : rows.slice(1));
  const levels = moments.flatMap((moment, number) => drawnRows(moment).map((stack, place, { length }) => {
    const [from, to] = [place, place + 1].map((part) => x(edges[number] + (moment.width * part) / length));
    return { stack, from, to, floor: 0 };
  }));
  const step = (from, to, size) => `${from.toFixed(1)},${y(size).toFixed(1)}L${to.toFixed(1)},${y(size).toFixed(1)}`;
  for (const [category, colour] of Object.entries(data.palette)) {
    const of = data.categories.indexOf(category);
    if (!levels.some(({ stack }) => stack[of])) continue;
    const under = levels.map(({ from, to, floor }) => step(to, from, floor)).reverse();
    for (const level of levels) level.floor += level.stack[of];
    const over = levels.map(({ from, to, floor }) => step(from, to, floor));
    drawn.push(shape("path", { class: "area", fill: colour, d: `M${[...over, ...under].join("L")}Z` }));
  }
  const outline = levels.map(({ from, to, floor }) => step(from, to, floor));
  drawn.push(shape("path", { class: "outline", d: `M${outline.join("L")}` }));
  view.record?.parts.forEach(([live], number) => {
    if (live !== null) drawn.push(shape("circle", { class: "measured", cx: x(edges[number + 1]), cy: y(live), r: 1.8 }));
  });

  for (const run of runs(moments.map(({ phase, row }) => [phase, view.table[row]?.block ?? ""].join()))) {
    name(run.key.split(",")[1], x(edges[run.start]), x(edges[run.stop]), height - 8);
  }
  if (isLimitNear) rule(available, "limit");
  const summit = levels.find(({ floor }, number) => number && floor === peak.peak);
  const label = `peak ${sized(peak.peak)}`;
  const half = 3.7 * label.length;
  drawn.push(shape("circle", { class: "peak", cx: (summit.from + summit.to) / 2, cy: y(peak.peak), r: 4 }));
  const isInTheWay = isLimitNear && available >= peak.peak && y(peak.peak) - y(available) < 28;
  const up = isInTheWay ? y(available) - 7 : y(peak.peak) - 11;
  write(label, Math.max(left + half, Math.min(right - half, summit.from)), up, "middle", "peak");
  drawn.push(shape("g", { id: "lights" }));
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
  chart.replaceChildren(...drawn);
  Object.assign(view, { edges, x, y, top, foot, isLimitNear, drawnRows });
  light();
}

/** Show what is pointed at: its row, its parts of the step, what is live there, its working. */
function light() {
  const { moments, edges, x, y, top, foot } = view;
  for (const row of layers.tBodies[0].rows) row.classList.toggle("lit", Number(row.dataset.row) === lit);
  const isLit = (moment, number) => (at < 0 ? lit >= 0 && moment.row === lit : number === at);
  const { row: shown, part: now, isPointed } = state();
  byId("lights").replaceChildren(...moments.flatMap((moment, number) => {
    if (!isLit(moment, number)) return [];
    const [from, up] = [x(edges[number]), y(moment.peak)];
    const width = x(edges[number + 1]) - from;
    return [
      shape("rect", { class: "beam", x: from, y: top, width, height: foot - top }),
      shape("rect", { class: "bar", x: from, y: up, width: Math.max(2, width), height: foot - up }),
    ];
  }), ...cursor(shown, now));
  const stack = view.levels[shown];
  const live = rules.live_bytes(stack);
  const when = isPointed ? "In" : live === view.peak.peak ? "At the peak, in" : "Now, in";
  const said = `${when} ${place(moments[now])}: ${sized(live)}`;
  byId("where").textContent = said;
  chart.setAttribute("aria-valuemax", moments.length - 1);
  chart.setAttribute("aria-valuenow", now);
  chart.setAttribute("aria-valuetext", said);
  const item = (name, size, colour = "", css = "") => {
    const swatch = element("i", { class: css });
    swatch.style.background = colour;
    return element("li", {}, swatch, element("span", {}, name), element("b", {}, amount(size)));
  };
  const items = Object.entries(data.palette).flatMap(([category, colour]) => {
    const of = data.categories.indexOf(category);
    return moments.some(({ highest: stack }) => stack[of]) ? [item(category, stack[of], colour)] : [];
  });
  if (view.isLimitNear) items.push(item(`${view.memoryLabel} less reserve`, view.available, "", "limit"));
  if (view.record) items.push(item("measured at the end of this part", view.record.parts[now][0] ?? NaN, "", "measured"));
  byId("legend").replaceChildren(...items);
  happen(shown);
  explain();
}

function point(row, moment = -1) {
  if (row === lit && moment === at) return;
  [lit, at] = [row, moment];
  light();
}
