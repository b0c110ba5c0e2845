// -- what follows from the setting

/** The parts of the step for a batch: the rows of what is live by category, the highest of them, and the most. */
function partsOf({ marks }, rows) {
  const widths = rules.widths(marks.map(([phase]) => phase));
  return rules.parts(rows, marks.map(([, , , first]) => first)).map((rows, number) => {
    const [phase, layer, row, first] = marks[number];
    const highest = rules.highest(rows);
    const [peak, live] = [highest, rows.at(-1)].map(rules.live_bytes);
    return { phase, layer, row, rows, highest, peak, live, first, width: widths[number] };
  });
}

/** Maps of Python's as objects. */
function plainly(of) {
  if (of instanceof Map) {
    const found = {};
    for (const [name, value] of of) found[name] = plainly(value);
    return found;
  }
  return Array.isArray(of) && of[0] instanceof Object ? of.map(plainly) : of;
}

const known = new Map();

/** All that follows from a network and how its step is run, by Python's own rules; the batch aside. */
function built(net, { size, dtype, device, optimizer, amp, checkpoint, norm }) {
  const [layers, classifier, classes, channels, , pool] = net;
  const plane = size.split("×").map(Number);
  const asked = [
    layers, classifier, classes, channels, norm === "true", pool, plane, dtype, device, data.setup, optimizer, amp, checkpoint,
  ];
  const key = JSON.stringify(asked);
  if (!known.has(key)) {
    if (known.size > 50) known.clear();
    known.set(key, plainly(rules.built(...asked)));
  }
  return known.get(key);
}

function compute(setting) {
  const { card, device, dtype, optimizer, amp, checkpoint, norm } = setting;
  const itemsize = data.itemsizes[dtype];
  const place = data.networks.indexOf(setting.network);
  const figures = data.given?.[place] ?? built(netOf(setting), setting);
  const { rows, totals, alone, saved, tape, lines } = figures;
  const isCard = device !== "cpu";
  const witness = isCard && figures.kinds
    ? rules.witness(figures.kinds, data.verified[[dtype, optimizer, amp, checkpoint]] ?? []) : 0;
  const batch = alone && good.batch === 1 ? 2 : good.batch;
  const sizes = rules.at_batch(figures.fixed, figures.per_image, batch);
  const levels = rules.levels(tape.events, tape.categories, sizes, data.categories.length);
  const moments = partsOf(tape, levels);
  const isOwn = !setting.net && Object.entries(data.setting).every(([name, value]) =>
    name === "network" || name === "norm" || String(name === "batch" ? batch : setting[name]) === value);
  const record = isOwn ? data.measured.find((each) => each.network === place && each.norm === norm) : undefined;
  const peakAt = rules.peak_part(moments.map((moment) => [moment.highest]));
  const limit = card ? data.cards[card] : rules.from_thousandths(Math.round(1000 * good.memory), GIB);
  const reserve = rules.kept_free(limit, ...data.reserves[device]);
  const available = limit && limit - reserve;
  const savedOf = ([, fixed, perImage]) => rules.total_at(fixed, perImage, batch);
  const table = rows.map((row, number) => ({
    ...row,
    number,
    keeps: saved[number],
    memory: rules.memory_bytes(row.values[0], itemsize, batch),
    saved: savedOf(saved[number]),
  }));
  return {
    ...setting, isCard, witness, itemsize, alone, batch, table, tape, sizes, levels, moments, peakAt, limit, available,
    record, isOwn, words: figures.setup,
    totals: { ...totals, memory: rules.memory_bytes(totals.values, itemsize, batch), saved: savedOf(saved.at(-1)) },
    peak: moments[peakAt],
    largest: limit && rules.largest_batch(lines, available),
    memoryLabel: card || `${good.memory} GiB`,
  };
}

// -- the headline

function tell() {
  const { batch, dtype, totals, peak, limit, largest, device, isCard, witness, memoryLabel } = view;
  const spare = view.available - peak.peak;
  const most = isCard ? `at most batch ${exact(largest)}, without cuDNN’s scratch, ${data.mark}`
    : `largest batch ${exact(largest)}`;
  const room = `${sized(Math.abs(spare))} ${spare < 0 ? "short" : "spare"}; ` +
    (largest ? most : "not even one image fits");
  const mark = isCard && !witness ? `, ${data.mark}` : "";
  const verdict = spare < 0 ? "No" : isCard ? "Tensors do" : "Yes";
  const figures = {
    parameters: [exact(totals.parameters), `${sized(rules.memory_bytes(totals.parameters, view.itemsize, 1))} as ${dtype}`],
    macs: [exact(totals.macs), `${exact(totals.flops)} FLOPs`],
    kept: [sized(totals.saved), `for ${images(batch)}${mark}`],
    peak: [sized(peak.peak), `in ${place(peak)}${mark}`],
    fit: limit ? [verdict, room] : ["–", "give a memory or a card"],
  };
  for (const [name, [figure, remark]] of Object.entries(figures)) {
    redraw(byId(name), [element("strong", {}, figure), element("span", {}, remark)]);
  }
  byId("fit").dataset.verdict = limit ? (spare < 0 ? "short" : "fits") : "";
  const memory = `, in ${memoryLabel} less ${gibibytes(limit - view.available, GIB_PLACES)} GiB in reserve`;
  const isTheReports = view.isOwn && view.network === data.setting.network && view.norm === data.setting.norm;
  say("whose", isTheReports ? "Live, at the report’s own setting:" : "Live, at a setting of your own:");
  say("setting",
    `${view.net ? "your network" : view.network}${view.norm === "true" ? " with batch norm" : ""}, input ${view.size}, ` +
    `batch ${exact(batch)}, ${dtype}; ${view.words}; ` +
    `by the rules of device ${device}${isCard ? ` (${data.witnesses[witness]})` : ""}${limit ? memory : ""}.`);
  const who = spare < 0 ? "It does not fit" : isCard ? "Its tensors fit" : "It fits";
  say("said", `Batch ${exact(batch)}: the peak is ${sized(peak.peak)}, in ${place(peak)}${mark}. ` +
    (limit ? `${who} into ${memoryLabel}: ${room}.` : ""));
}
