// -- as the command line has it

/** The network in a line, if a line can say it all; else as a file. */
function typed() {
  const [layers, head, classes, channels, , pool] = netOf(view);
  const tokens = textOf(netOf(view)).split(";")[0];
  const paper = Object.keys(data.paper).find((name) => textOf(data.paper[name]).split(";")[0] === tokens);
  const isPlain = channels === 3 && head.join() === "4096,4096" && (pool === null || pool in LAST);
  const last = pool === null ? ",none" : pool === 1 ? ",GAP" : "";
  const list = tokens.includes(",") || last ? tokens + last : `${tokens},`;
  const net = isPlain ? (paper && !last ? paper : list) : "net.toml";
  const norm = isPlain && view.norm === "true" ? ["--batch-norm"] : [];
  const many = isPlain && classes !== 1000 ? ["--classes", classes] : [];
  const option = (name, value, usual) => (value === usual ? [] : [`--${name}`, value]);
  return ["vgg-profile", "timeline", net, ...norm, ...many, "--input", view.size.replace("×", "x"), "--batch", view.batch,
    ...option("dtype", view.dtype, "float32"), ...option("device", view.device, "cpu"),
    ...option("optimizer", view.optimizer, "none"), ...option("amp", view.amp, "none"),
    ...option("checkpoint", view.checkpoint, "none"), ...data.options].join(" ");
}

function toml() {
  const [layers, head, classes, channels, , pool] = netOf(view);
  const tokens = textOf(netOf(view)).split(";")[0].split(",").map((token) => (/^\d+$/.test(token) ? token : `"${token}"`));
  return [`layers = [${tokens.join(", ")}]`, `classifier = [${head.join(", ")}]`, `classes = ${classes}`,
    `in_channels = ${channels}`, `batch_norm = ${view.norm === "true"}`, `pool = ${pool ?? '"none"'}`, ""].join("\n");
}

function give(text, remark = "") {
  byId("given").hidden = false;
  say("given", text);
  const said = (words) => say("changed", [words, remark].filter(Boolean).join(" "));
  if (!navigator.clipboard) said("");
  else navigator.clipboard.writeText(text).then(() => said("Copied."), () => said("It stands below, to be copied."));
}

byId("as-command").addEventListener("click", () => {
  const text = typed();
  give(text, text.includes(" net.toml ") ? "It reads net.toml: save there what “Copy as TOML” gives." : "");
});
byId("as-toml").addEventListener("click", () => give(toml()));
