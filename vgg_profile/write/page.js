"use strict";
// The live part of a report. Python counted everything (vgg_profile/live.py); here it is multiplied by the
// batch, added up, compared and written. Text from the data is only ever set as text.
(async () => {
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
  let view = null; // everything that follows from the setting
  let lit = -1; // the row that is pointed at
  let at = -1; // the part of the step that is pointed at
  let saving = 0;

  // -- numbers to text, as vgg_profile/units.py writes them

  const numbers = (digits) => new Intl.NumberFormat("en-US", { roundingMode: "halfEven", ...digits });
  const places = (count) => numbers({ minimumFractionDigits: count, maximumFractionDigits: count });
  const whole = numbers({});
  const upToSix = numbers({ maximumSignificantDigits: 6 });
  const UNITS = {
    bytes: { scale: 1, digits: whole },
    MiB: { scale: 2 ** 20, digits: places(2) },
    GiB: { scale: 2 ** 30, digits: places(3) },
  };
  const GIB = UNITS.GiB.scale;
  const exact = (number) => whole.format(number);
  const amount = (size, unit = controls.unit.value) => UNITS[unit].digits.format(size / UNITS[unit].scale);
  const sized = (size, unit = controls.unit.value) => `${amount(size, unit)} ${unit}`;
  const both = (size) => `${sized(size, "bytes")} = ${sized(size, controls.unit.value === "GiB" ? "GiB" : "MiB")}`;
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

  // -- what follows from the setting

  /** The tape played for a batch: the parts of the step, what is live in each by category, and the most. */
  function replay([tape, fixed, perImage], batch) {
    const { marks, events, categories } = data.tapes[tape];
    const sizes = data.sizes[fixed].map((size, number) => size + data.sizes[perImage][number] * batch);
    const stack = data.categories.map(() => 0);
    let live = 0;
    const count = (storage, sign) => {
      live += sign * sizes[storage - 1];
      stack[categories[storage - 1]] += sign * sizes[storage - 1];
    };
    return marks.map(([phase, layer, row, first], number) => {
      const moment = { phase, layer, row, peak: live, highest: [...stack], levels: [] };
      for (const event of events.slice(first, marks[number + 1]?.[3])) {
        for (const storage of event) if (storage > 0) count(storage, 1);
        if (live > moment.peak) Object.assign(moment, { peak: live, highest: [...stack] });
        moment.levels.push([...stack]);
        for (const storage of event) if (storage < 0) count(-storage, -1);
        moment.levels.push([...stack]);
      }
      if (phase === "load" || !moment.levels.length) moment.levels = [[...stack]];
      return Object.assign(moment, { live, width: phase === "step" ? Math.max(1, marks.length / 8) : 1 });
    });
  }

  /** The part of the step, after loading, in which most is live; the first if several. */
  const highest = (moments) =>
    moments.filter(({ phase }) => phase !== "load").reduce((most, each) => (each.peak > most.peak ? each : most));

  /** The largest batch whose peak stays within so many bytes: doubled until it does not, then halved in. */
  function largestBatch(step, available) {
    const isWithin = (batch) => highest(replay(step, batch)).peak <= available;
    let [fits, exceeds] = [0, 1];
    while (isWithin(exceeds)) [fits, exceeds] = [exceeds, 2 * exceeds];
    while (exceeds - fits > 1) {
      const middle = Math.floor((fits + exceeds) / 2);
      if (isWithin(middle)) fits = middle;
      else exceeds = middle;
    }
    return fits;
  }

  function compute() {
    const setting = chosen();
    const { card, device, dtype, optimizer } = setting;
    const itemsize = data.itemsizes[dtype];
    const where = [data.networks.indexOf(setting.network), setting.norm, setting.size];
    const { rows, alone } = data.tables[where];
    const saved = data.saved[[...where, itemsize, device]];
    const step = data.steps[[...where, itemsize, device, optimizer]];
    const batch = alone && good.batch === 1 ? 2 : good.batch;
    const moments = replay(step, batch);
    const liveAfter = (phase) => moments.findLast((moment) => moment.phase === phase).live;
    const limit = card ? data.cards[card] : Math.floor(Number(good.memory) * GIB);
    const available = limit && limit - data.reserves[device];
    const table = rows.map((row, number) => ({
      ...row,
      number,
      keeps: saved[number],
      memory: row.values[0] * itemsize * batch,
      saved: saved[number].reduce((total, [, fixed, perImage]) => total + fixed + perImage * batch, 0),
    }));
    const peak = highest(moments);
    return {
      ...setting, itemsize, alone, batch, table, moments, peak, limit, available,
      peakAt: moments.indexOf(peak),
      kept: liveAfter("forward") - liveAfter("input"),
      largest: limit && largestBatch(step, available),
      memoryLabel: card || `${good.memory} GiB`,
    };
  }

  // -- the headline

  const sum = (value) => view.table.reduce((total, row) => total + value(row), 0);

  function tell() {
    const { batch, dtype, peak, limit, largest, device, memoryLabel } = view;
    const parameters = sum((row) => row.weights[0] + row.biases);
    const macs = sum((row) => row.macs[0]);
    const spare = view.available - peak.peak;
    const room = `${sized(Math.abs(spare))} ${spare < 0 ? "short" : "spare"}; ` +
      (largest ? `largest batch ${exact(largest)}` : "not even one image fits");
    const figures = {
      parameters: [exact(parameters), `${sized(parameters * view.itemsize)} as ${dtype}`],
      macs: [exact(macs), `${exact(2 * macs)} FLOPs`],
      kept: [sized(view.kept), `for ${images(batch)}`],
      peak: [sized(peak.peak), `in ${place(peak)}`],
      fit: limit ? [spare < 0 ? "No" : "Yes", room] : ["–", "give a memory or a card"],
    };
    for (const [name, [figure, remark]] of Object.entries(figures)) {
      byId(name).replaceChildren(element("strong", {}, figure), element("span", {}, remark));
    }
    byId("fit").dataset.verdict = limit ? (spare < 0 ? "short" : "fits") : "";
    const memory = `, in ${memoryLabel} less ${exact(data.reserves[device] / GIB)} GiB in reserve`;
    const isTheReports = Object.entries(data.setting).every(([name, value]) => String(view[name]) === value);
    byId("whose").textContent = isTheReports ? "Live, at the report’s own setting:" : "Live, at a setting of your own:";
    byId("setting").textContent =
      `${view.network}${view.norm === "true" ? " with batch norm" : ""}, input ${view.size}, ` +
      `batch ${exact(batch)}, ${dtype}; ${data.setups[[view.optimizer, device]]}; ` +
      `by the rules of device ${data.rules[device]}${limit ? memory : ""}.`;
    byId("said").textContent = `Batch ${exact(batch)}: the peak is ${sized(peak.peak)}, in ${place(peak)}. ` +
      (limit ? `It ${spare < 0 ? "does not fit" : "fits"} into ${memoryLabel}: ${room}.` : "");
  }

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
  const totals = { name: () => "total", output: () => "", memory: amount, saved: amount };

  function tabulate() {
    const rows = [...view.table];
    const isAsBuilt = !sorting.direction || (sorting.column === "name" && sorting.direction === "ascending");
    if (sorting.direction) {
      const [value] = columns[sorting.column];
      const sign = sorting.direction === "ascending" ? 1 : -1;
      rows.sort((one, other) => sign * (value(one) - value(other)));
    }
    const body = rows.map((row, number) => {
      const isEnd = isAsBuilt && rows[number + 1]?.block !== row.block;
      const attributes = {
        "data-row": row.number, tabindex: number ? -1 : 0, class: isEnd ? "end" : "", "aria-describedby": "detail",
      };
      return line(Object.values(columns).map(([, text]) => text(row)), attributes);
    });
    layers.tBodies[0].replaceChildren(...body);
    const sums = Object.entries(columns).map(([name, [value]]) => (totals[name] ?? exact)(sum(value)));
    layers.tFoot.replaceChildren(line(sums));
    for (const head of layers.tHead.rows[0].cells) {
      head.setAttribute("aria-sort", (head.dataset.column === sorting.column && sorting.direction) || "none");
    }
    for (const unit of document.querySelectorAll(".unit")) unit.textContent = controls.unit.value;
    const parts = view.moments.map((moment) => line([place(moment), amount(moment.live), amount(moment.peak)]));
    byId("moments").tBodies[0].replaceChildren(...parts);
  }

  /** The working of the row that is pointed at, with the numbers in place. */
  function explain() {
    const row = at < 0 && view.table[lit];
    byId("working").hidden = !row;
    byId("detail").replaceChildren();
    if (!row) return;
    const worked = ([value, working]) => (working === String(value) ? exact(value) : `${working} = ${exact(value)}`);
    const kept = row.keeps.map(([what, fixed, perImage]) => {
      const terms = [fixed && exact(fixed), perImage && `${exact(perImage)}*${exact(view.batch)}`];
      return `${terms.filter(Boolean).join("+")} (${what})`;
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
    for (const [name, text] of Object.entries(workings)) {
      byId("detail").append(element("dt", {}, name), element("dd", {}, text));
    }
  }

  // -- the chart

  /** Where equal keys stand side by side. */
  const runs = (keys) => keys.reduce((found, key, number) => {
    if (number && keys[number - 1] === key) found.at(-1).stop = number + 1;
    else found.push({ key, start: number, stop: number + 1 });
    return found;
  }, []);

  /** Round numbers from 0 on, some five of them. */
  function ticksUpTo(most) {
    const power = 10 ** Math.floor(Math.log10(most / 4));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power * 5 >= most);
    return Array.from({ length: Math.floor(most / step) + 1 }, (_, number) => number * step);
  }

  function draw() {
    const { moments, peak, available } = view;
    const width = Math.max(280, chart.parentElement.clientWidth);
    const height = Math.round(Math.min(380, Math.max(240, width / 2)));
    const isLimitNear = available > 0 && available < 3 * peak.peak;
    const most = Math.max(peak.peak * 1.16, isLimitNear ? available * 1.1 : 0);
    const { scale } = UNITS[controls.unit.value];
    const ticks = ticksUpTo(most / scale);
    const longest = Math.max(...ticks.map((tick) => upToSix.format(tick).length));
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
    for (const tick of ticks) {
      rule(tick * scale, "grid");
      write(upToSix.format(tick), left - 6, y(tick * scale) + 4, "end");
    }
    write(controls.unit.value, left - 6, 13, "end");

    const levels = moments.flatMap((moment, number) => moment.levels.map((stack, place, { length }) => {
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
    Object.assign(view, { edges, x, y, top, foot, isLimitNear });
    light();
  }

  /** Show what is pointed at: its row, its parts of the step, what is live there, its working. */
  function light() {
    const { moments, edges, x, y, top, foot } = view;
    for (const row of layers.tBodies[0].rows) row.classList.toggle("lit", Number(row.dataset.row) === lit);
    const isLit = (moment, number) => (at < 0 ? lit >= 0 && moment.row === lit : number === at);
    byId("lights").replaceChildren(...moments.flatMap((moment, number) => {
      if (!isLit(moment, number)) return [];
      const [from, up] = [x(edges[number]), y(moment.peak)];
      const width = x(edges[number + 1]) - from;
      return [
        shape("rect", { class: "beam", x: from, y: top, width, height: foot - top }),
        shape("rect", { class: "bar", x: from, y: up, width: Math.max(2, width), height: foot - up }),
      ];
    }));
    const now = at < 0 ? view.peakAt : at;
    const said = `${at < 0 ? "At the peak, in" : "In"} ${place(moments[now])}: ${sized(moments[now].peak)}`;
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
      return moments.some(({ highest: stack }) => stack[of]) ? [item(category, moments[now].highest[of], colour)] : [];
    });
    if (view.isLimitNear) items.push(item(`${view.memoryLabel} less reserve`, view.available, "", "limit"));
    byId("legend").replaceChildren(...items);
    explain();
  }

  function point(row, moment = -1) {
    if (row === lit && moment === at) return;
    [lit, at] = [row, moment];
    light();
  }

  // -- controls

  /** A whole number, grouped in threes or not; NaN for what is none that the page can take. */
  function batchOf(text) {
    const digits = text.trim().replace(/^(\d{1,3})((?:,\d{3})+)$/, (number) => number.replaceAll(",", ""));
    const isOne = /^\d{1,15}$/.test(digits) && Number(digits) >= 1 && Number(digits) <= data.most_images;
    return isOne ? Number(digits) : NaN;
  }

  /** GiB with a point or a comma, as text; "" for none. Three digits after a comma could be thousands. */
  function memoryOf(text) {
    const [, integer, mark, decimals] = text.trim().match(/^(\d{0,6})(?:([.,])(\d{1,3}))?$/) ?? [];
    if (text.trim() === "") return "";
    const number = Number(`${integer || 0}.${decimals ?? 0}`);
    return number > 0 && !(mark === "," && decimals.length === 3) ? String(number) : undefined;
  }

  /** Take over what can be read; what cannot is said, and the figures stay as they are. */
  function read() {
    const [batch, memory] = [batchOf(controls.batch.value), memoryOf(controls.memory.value)];
    const [isBatch, isMemory] = [batch > 0, memory !== undefined];
    if (isBatch) good.batch = batch;
    if (isMemory) good.memory = memory;
    controls.batch.setAttribute("aria-invalid", !isBatch);
    controls.memory.setAttribute("aria-invalid", !isMemory);
    const of = good.memory ? `of ${good.memory} GiB` : "without a memory";
    const isUnclear = /^\s*\d{1,3},\d{3}\s*$/.test(controls.memory.value);
    const why = isUnclear
      ? `In ${controls.memory.value.trim()} the comma could group thousands or begin decimals: write a point, or no comma`
      : "The memory is a number of GiB below a million, such as 8, 7.5 or 7,5, with up to three decimals, or left empty";
    return [
      isBatch ? "" : `The batch is a whole number from 1 to ${exact(data.most_images)}; the figures are still of ${exact(good.batch)}.`,
      isMemory ? "" : `${why}; the figures are still ${of}.`,
    ];
  }

  function update() {
    const network = data.networks.indexOf(controls.network.value);
    const sizes = [...controls.size.options];
    for (const each of sizes) each.disabled = !([network, controls.norm.value, each.value] in data.tables);
    if (controls.size.selectedOptions[0].disabled) controls.size.value = sizes.findLast((each) => !each.disabled).value;
    const problems = read();
    view = compute();
    if (view.batch !== good.batch) problems.push(`${view.alone} The figures are of batch ${view.batch}.`);
    byId("problem").textContent = problems.filter(Boolean).join(" ");
    byId("slider").value = Math.round(Math.log2(good.batch));
    document.documentElement.style.colorScheme = view.theme === "auto" ? "" : view.theme;
    tell();
    tabulate();
    draw();
    clearTimeout(saving);
    saving = setTimeout(() => {
      const changed = Object.entries({ ...chosen(), ...good }).filter(([name, value]) => String(value) !== defaults[name]);
      history.replaceState(null, "", `#${new URLSearchParams(changed)}`);
    }, 100);
  }

  /** Whether a control can have a value: an address may be somebody else's, or of another page. */
  function takes({ name, value: only, type, options }, value) {
    if (name === "batch") return batchOf(value) > 0;
    if (name === "memory") return memoryOf(value) !== undefined;
    if (type === "hidden") return value === only;
    const values = options ?? document.getElementsByName(name);
    return Array.from(values).some((each) => each.value === value);
  }

  /** The setting that the address has; what the page cannot take is as it was written. */
  function restore() {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const [name, value] of Object.entries(defaults)) {
      const wish = asked.get(name);
      controls[name].value = wish !== null && takes(document.getElementsByName(name)[0], wish) ? wish : value;
    }
    update();
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(update));
  form.addEventListener("input", ({ target }) => {
    if (target.id === "slider") controls.batch.value = 2 ** target.value;
    if (target.name === "memory") controls.card.value = "";
    if (target.name === "card" && target.value) {
      controls.memory.value = String(Math.round((100 * data.cards[target.value]) / GIB) / 100);
      if ("cuda" in data.reserves) controls.device.value = "cuda";
    }
    update();
  });
  byId("themes").addEventListener("input", update);
  addEventListener("hashchange", restore);

  const rowOf = ({ target }) => Number(target.closest("tbody tr")?.dataset.row ?? -1);
  layers.addEventListener("pointerover", (event) => point(rowOf(event)));
  layers.addEventListener("pointerleave", () => point(-1));
  layers.addEventListener("focusin", (event) => point(rowOf(event)));
  layers.addEventListener("focusout", () => point(-1));
  layers.tHead.addEventListener("click", ({ target }) => {
    const { column } = target.closest("th").dataset;
    // the layers begin as the network has them, numbers with the largest
    const cycle = column === "name" ? ["", "ascending", "descending"] : ["", "descending", "ascending"];
    const now = cycle.indexOf(column === sorting.column ? sorting.direction : "");
    sorting.direction = cycle[(now + 1) % cycle.length];
    sorting.column = column;
    tabulate();
  });
  layers.tBodies[0].addEventListener("keydown", (event) => {
    const { rows } = layers.tBodies[0];
    const here = event.target.sectionRowIndex;
    const next = rows[{ ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: rows.length - 1 }[event.key]];
    if (!next) return;
    event.preventDefault();
    [rows[here].tabIndex, next.tabIndex] = [-1, 0];
    next.focus();
  });

  addEventListener("keydown", ({ key }) => key === "Escape" && point(-1));

  const pointAt = (number) => point(view.moments[number]?.row ?? -1, number in view.moments ? number : -1);
  chart.addEventListener("pointermove", ({ clientX }) => {
    const { left, width } = chart.getBoundingClientRect();
    const along = ((clientX - left) * chart.viewBox.baseVal.width) / width;
    pointAt(view.edges.findLastIndex((edge) => view.x(edge) <= along));
  });
  chart.addEventListener("pointerleave", () => point(-1));
  chart.addEventListener("blur", () => point(-1));
  chart.addEventListener("keydown", (event) => {
    const now = at < 0 ? view.peakAt : at;
    const last = view.moments.length - 1;
    const next = { ArrowRight: Math.min(last, now + 1), ArrowLeft: Math.max(0, now - 1), Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    pointAt(next);
  });

  byId("slider").max = Math.floor(Math.log2(data.most_images));
  byId("live").hidden = byId("themes").hidden = false;
  restore();
  new ResizeObserver(draw).observe(chart.parentElement);
  new ResizeObserver(() => {
    const height = getComputedStyle(form).position === "sticky" ? form.offsetHeight : 0;
    document.documentElement.style.setProperty("--bar", `${height}px`);
  }).observe(form);
})();
