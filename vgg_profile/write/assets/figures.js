// -- what follows from the setting

/** The parts of the step for a batch: the rows of what is live by category, the highest of them, and the most. */
function partsOf([tape, fixed, perImage], batch) {
  const { marks, events, categories } = data.tapes[tape];
  const sizes = rules.at_batch(data.sizes[fixed], data.sizes[perImage], batch);
  const rows = rules.levels(events, categories, sizes, data.categories.length);
  const widths = rules.widths(marks.map(([phase]) => phase));
  return rules.parts(rows, marks.map(([, , , first]) => first)).map((rows, number) => {
    const [phase, layer, row] = marks[number];
    const highest = rules.highest(rows);
    const [peak, live] = [highest, rows.at(-1)].map(rules.live_bytes);
    return { phase, layer, row, rows, highest, peak, live, width: widths[number] };
  });
}

function compute() {
  const setting = chosen();
  const { card, device, dtype, optimizer } = setting;
  const itemsize = data.itemsizes[dtype];
  const where = [data.networks.indexOf(setting.network), setting.norm, setting.size];
  const { rows, totals, alone } = data.tables[where];
  const saved = data.saved[[...where, itemsize, device]];
  const step = data.steps[[...where, itemsize, device, optimizer]];
  const isCard = device !== "cpu";
  const witness = isCard ? data.verified[[...where, dtype, optimizer]] : 0;
  const batch = alone && good.batch === 1 ? 2 : good.batch;
  const moments = partsOf(step, batch);
  const peakAt = rules.peak_part(moments.map((moment) => moment.rows));
  const limit = card ? data.cards[card] : rules.from_thousandths(Math.round(1000 * good.memory), GIB);
  const reserve = limit && rules.reserved(limit, ...data.reserves[device]);
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
    ...setting, isCard, witness, itemsize, alone, batch, table, moments, peakAt, limit, reserve, available,
    totals: { ...totals, memory: rules.memory_bytes(totals.values, itemsize, batch), saved: savedOf(saved.at(-1)) },
    peak: moments[peakAt],
    largest: limit && rules.largest_batch(step[3], available),
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
    byId(name).replaceChildren(element("strong", {}, figure), element("span", {}, remark));
  }
  byId("fit").dataset.verdict = limit ? (spare < 0 ? "short" : "fits") : "";
  const memory = `, in ${memoryLabel} less ${gibibytes(view.reserve, GIB_PLACES)} GiB in reserve`;
  const isTheReports = Object.entries(data.setting).every(([name, value]) => String(view[name]) === value);
  byId("whose").textContent = isTheReports ? "Live, at the report’s own setting:" : "Live, at a setting of your own:";
  byId("setting").textContent =
    `${view.network}${view.norm === "true" ? " with batch norm" : ""}, input ${view.size}, ` +
    `batch ${exact(batch)}, ${dtype}; ${data.setups[[view.optimizer, device]]}; ` +
    `by the rules of device ${device}${isCard ? ` (${data.witnesses[witness]})` : ""}${limit ? memory : ""}.`;
  const who = spare < 0 ? "It does not fit" : isCard ? "Its tensors fit" : "It fits";
  byId("said").textContent = `Batch ${exact(batch)}: the peak is ${sized(peak.peak)}, in ${place(peak)}${mark}. ` +
    (limit ? `${who} into ${memoryLabel}: ${room}.` : "");
}
