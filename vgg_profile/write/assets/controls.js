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

let offered = null;
/** Offer the image sizes that the network can take. */
function offer() {
  const { net, network } = controls;
  const least = BUILT ? rules.smallest(netOf({ net: net.value, network: network.value })[0]) : 1;
  const own = data.given?.[data.networks.indexOf(controls.network.value)].input;
  const sizes = [...controls.size.options];
  const fits = ({ value }) => (BUILT ? Math.min(...value.split("×")) >= least : value === own);
  if (offered !== (own ?? least)) {
    const isAny = sizes.some(fits); // else the rules say why not
    for (const each of sizes) each.disabled = isAny && !fits(each);
    offered = own ?? least;
  }
  if (controls.size.selectedOptions[0].disabled) controls.size.value = sizes.find(fits).value;
}

/** What the whole page is drawn in: touched only where it is another, for then all is drawn again. */
function dress({ theme }) {
  const { style } = document.documentElement;
  const scheme = theme === "auto" ? "" : theme;
  if (style.colorScheme !== scheme) style.colorScheme = scheme;
  if (byId("columns").dataset.unit === unit) return;
  byId("columns").dataset.unit = unit;
  for (const each of document.querySelectorAll(".unit")) each.textContent = unit;
}

/** Everything follows from the controls; ``words`` say what was changed, where they do not show it. */
function update(words = "") {
  offer();
  const problems = read();
  const before = view;
  const setting = chosen();
  unit = setting.unit;
  try {
    view = compute(setting);
  } catch (error) {
    if (!(error instanceof py.InputError)) throw error;
    say("problem", `${error.problem} Nothing was changed.`);
    if (present) goBackTo(present.text);
    return;
  }
  remember(setting, words);
  if (view.batch !== good.batch) problems.push(`${view.alone} The figures are of batch ${view.batch}.`);
  say("problem", problems.filter(Boolean).join(" "));
  const doublings = Math.round(Math.log2(good.batch));
  if (byId("slider").value !== String(doublings)) byId("slider").value = doublings;
  dress(view);
  tell();
  fold(view);
  if (BUILT) {
    const told = before && toldChange(held?.before ?? before, view, words);
    if (told) say("changed", told);
    chain();
  }
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
  if (name === "net") return value === "" || (BUILT && Boolean(parsed(value)));
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
  if (BUILT && controls.dtype.value !== "float32") controls.amp.value = "none";
  update();
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(update, 0, "Reset"));
form.addEventListener("input", ({ target }) => {
  if (target.id === "slider") controls.batch.value = 2 ** target.value;
  if (target.name === "memory") controls.card.value = "";
  if (target.name === "network") controls.net.value = "";
  if (target.name === "amp" && target.value !== "none") controls.dtype.value = "float32"; // autocast lowers float32
  if (target.name === "dtype" && target.value !== "float32") controls.amp.value = "none";
  if (target.name === "card" && target.value) {
    controls.memory.value = gibibytes(data.cards[target.value], 2);
    if ("cuda" in data.reserves) controls.device.value = "cuda";
  }
  update();
});
byId("shown-as").addEventListener("input", () => update());
byId("parts").addEventListener("toggle", list);
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
  tabbed = view.table[next.dataset.row].name;
  tabulate();
  next.focus();
});

addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || look.open) return;
  point(-1);
  selected = "";
  if (BUILT) chain();
});

const pointAt = (number) => point(view.moments[number]?.row ?? -1, number in view.moments ? number : -1);
chart.addEventListener("pointermove", ({ clientX }) => {
  const { left, width } = chart.getBoundingClientRect();
  const along = ((clientX - left) * chart.viewBox.baseVal.width) / width;
  pointAt(view.edges.findLastIndex((edge) => view.x(edge) <= along));
});
chart.addEventListener("pointerleave", () => point(-1));
chart.addEventListener("blur", () => point(-1));
chart.addEventListener("keydown", (event) => {
  if (event.key === "Enter") return scrubToPointed();
  const now = at < 0 ? view.peakAt : at;
  const last = view.moments.length - 1;
  const next = { ArrowRight: Math.min(last, now + 1), ArrowLeft: Math.max(0, now - 1), Home: 0, End: last }[event.key];
  if (next === undefined) return undefined;
  event.preventDefault();
  return pointAt(next);
});

byId("slider").max = Math.floor(Math.log2(data.most_images));
byId("live").hidden = byId("shown-as").hidden = false;
byId("build").hidden = byId("to-build").hidden = !BUILT;
byId("ways").addEventListener("click", ({ target }) => {
  const way = target.closest("button")?.id;
  if (way === "to-look") return lookInto(Math.max(0, view.table.findIndex(({ weights }) => weights[0])));
  if (!way) return undefined;
  const [place, block, first] = {
    "to-build": ["build", "nearest", picture.querySelector(".conv")], "to-scrub": ["step", "start", byId("play")],
  }[way];
  if (way === "to-build") first.click(); // its editor shows what can be done
  byId(place).scrollIntoView({ block });
  return first.focus({ preventScroll: true });
});
room = chart.parentElement.clientWidth / magnified();
restore();
new ResizeObserver(() => {
  const now = chart.parentElement.clientWidth;
  byId("working").style.setProperty("--side", `${now}px`);
  if (now / magnified() === room) return;
  room = now / magnified();
  draw();
}).observe(chart.parentElement);
new ResizeObserver(() => {
  const height = getComputedStyle(form).position === "sticky" ? form.offsetHeight : 0;
  document.documentElement.style.setProperty("--bar", `${height}px`);
}).observe(form);
