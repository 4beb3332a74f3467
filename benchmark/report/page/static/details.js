// What lies behind a cell or a method, in a dialog.

const opened = (title, ...content) => {
  const dialog = document.getElementById("details");
  dialog.replaceChildren(
    make("form", { method: "dialog" }, make("button", { class: "close", autofocus: true }, "Close")),
    make("h2", { id: "details-title" }, title), ...content.flat().filter(Boolean));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
};

const section = (title, ...content) => make("section", {}, make("h3", {}, title), ...content);

function copyable(text) {
  const button = make("button", { type: "button", onclick: async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } }, "Copy");
  return make("div", { class: "copyable" }, make("pre", { tabindex: "0" }, text), button);
}

function runsTable(data, runs) {
  const { state, reason, seeds, id, epoch, seconds, diagnostics } = data.runs;
  const rules = Object.keys(data.rules);
  const reported = Object.keys(diagnostics).filter((name) => runs.some((run) => diagnostics[name][run] >= 0));
  const heads = ["seed", "run", "state", ...rules, ...reported.map((name) => name.replaceAll("_", " ")), "seconds"];
  const value = (rule, run) => {
    const found = valueOf(data, rule, run);
    if (Number.isNaN(found)) return "-";
    return figure(found) + (epoch[rule][run] > 0 ? ` (epoch ${epoch[rule][run]})` : "") + (data.runs.plain[rule][run] === 1 ? "‡" : "");
  };
  return make("div", { class: "scroll", tabindex: "0" }, make("table", {},
    make("thead", {}, make("tr", {}, heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, runs.map((run) => make("tr", {},
      make("th", { scope: "row" }, data.seeds[seeds[run]]),
      make("td", {}, make("code", {}, id[run] || "none yet")),
      make("td", {}, data.states[state[run]] + (data.reasons[reason[run]] ? `: ${data.reasons[reason[run]]}` : "")),
      rules.map((rule) => make("td", {}, value(rule, run))),
      reported.map((name) => make("td", {}, diagnostics[name][run] < 0 ? "-" : figure(diagnostics[name][run] / 1000))),
      make("td", {}, seconds[run] < 0 ? "-" : String(seconds[run])))))));
}

// Mean curves over the runs of a cell, or its own means where the page keeps no more.
function curvesOf(data, blockIndex, i, column, runs) {
  const { of_cells: ofCells, keys, values } = data.curves;
  const block = data.blocks[blockIndex];
  const wanted = (key) => (ofCells
    ? key[0] === blockIndex && key[1] === block.rows[i].method && key[2] === block.columns[column]
    : runs.includes(key));
  const entries = keys.map((key, place) => (wanted(key) ? place : -1)).filter((place) => place >= 0);
  return Object.entries(values).map(([name, perEntry]) => {
    const curves = entries.map((place) => perEntry[place]).filter((curve) => curve.length);
    const length = Math.min(...curves.map((curve) => curve.length));
    if (!curves.length || !length) return null;
    const perEpoch = Array.from({ length }, (_, e) => curves.map((curve) => curve[e]).filter((v) => v >= 0).map((v) => v / 1000));
    const epochs = perEpoch.map((of, e) => [e + 1, of]).filter(([, of]) => of.length);
    return { name, points: epochs.map(([e, of]) => [e, mean(of)]) };
  }).filter((line) => line && line.points.length);
}

function confusionTable(data, blockIndex, i, column) {
  const block = data.blocks[blockIndex];
  const { keys, counts, omitted } = data.confusions;
  if (omitted) return make("p", {}, "Left out of this page, as there are too many: `noisybench show RUN` and `noisybench plot confusion` have them.");
  const place = keys.findIndex((key) => key[0] === blockIndex && key[1] === block.rows[i].method && key[2] === block.columns[column]);
  if (place < 0) return make("p", {}, "Not recorded.");
  const size = Math.round(Math.sqrt(counts[place].length));
  const rows = Array.from({ length: size }, (_, k) => counts[place].slice(k * size, (k + 1) * size));
  const names = rows.map((_, k) => (block.classes.length === size ? block.classes[k] : String(k)));
  const shade = (value, row) => {
    const share = value / (sum(row) || 1);
    return `background:rgb(0 114 178 / ${share.toFixed(2)})${share > 0.6 ? ";color:#fff" : ""}`;
  };
  return make("div", { class: "scroll", tabindex: "0" }, make("table", { class: "confusion" },
    make("caption", {}, "Rows: true class; columns: predicted class; test images of all runs together"),
    make("thead", {}, make("tr", {}, make("td", {}), names.map((name) => make("th", { scope: "col" }, isolated(name))))),
    make("tbody", {}, rows.map((row, k) => make("tr", {}, make("th", { scope: "row" }, isolated(names[k])),
      row.map((value) => make("td", { style: shade(value, row) }, String(value))))))));
}

function cellDetails(data, blockIndex, table, i, column) {
  const block = data.blocks[blockIndex];
  const found = table.cells[i][column];
  const noise = data.noises[block.columns[column]];
  const curves = curvesOf(data, blockIndex, i, column, found.runs);
  opened(`${data.methods[block.rows[i].method].name}, ${noise.name}`,
    make("p", {}, `${block.dataset}, ${block.backbone}, ${block.track} track. Recipe: ${block.recipe}`),
    section("Runs", runsTable(data, found.runs)),
    section("Curves", curves.length
      ? make("figure", {}, lineChart("Curves over epochs", curves, { title: "epoch" }, { title: "share" }),
        make("figcaption", {}, data.curves.of_cells || found.runs.length > 1 ? "Means over the runs." : ""))
      : make("p", {}, "No run of this cell was trained.")),
    section(`Confusion matrix, ${data.rule}`, confusionTable(data, blockIndex, i, column)),
    section("Run it again", copyable(`${block.command} ${block.rows[i].arguments} ${noise.arguments} --seeds ${found.total}`)));
}

// A docstring: paragraphs, and names in backticks as code.
const prose = (text) => text.split(/\n{2,}/).map((paragraph) => make("p", {}, paragraph.split("`").map((part, i) =>
  (i % 2 ? make("code", {}, part) : part))));

function methodDetails(data, table, i) {
  const row = table.block.rows[i];
  const { name, plugin } = data.methods[row.method];
  const card = data.cards[plugin] || {};
  const fact = ([heading, text]) => {
    if (/^https:\/\//.test(text)) return [make("dt", {}, heading), make("dd", {}, make("a", { href: text, rel: "noreferrer" }, text))];
    return [make("dt", {}, heading), make("dd", {}, text)];
  };
  const { about, BibTeX, ...facts } = card;
  opened(name,
    about && prose(about),
    about ? make("dl", {}, Object.entries(facts).map(fact)) : make("p", {}, "This method is not installed where the page was made."),
    BibTeX && section("BibTeX", copyable(BibTeX)));
}
