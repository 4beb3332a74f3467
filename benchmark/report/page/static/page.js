// The page's state, its controls, and what is drawn of it. The state is in the address, so that it can be sent.

const ROPE = 0.01; // differences within it count as ties

const START = { table: 0, rule: null, other: "", contender: "", families: "", noise: "", rates: "", search: "", chart: "none", kind: "", sort: "", down: "" };

function readAddress(data) {
  const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const state = { ...START, rule: data.rule, ...given };
  state.table = Math.min(Math.max(Number.parseInt(state.table, 10) || 0, 0), data.blocks.length - 1);
  if (!(state.rule in data.rules)) state.rule = data.rule;
  if (!(state.other in data.rules)) state.other = "";
  return state;
}

function writeAddress(data, state) {
  const different = Object.entries(state).filter(([name, value]) =>
    String(value) !== String(name === "rule" ? data.rule : START[name]));
  const hash = new URLSearchParams(different).toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
}

const listed = (text) => new Set(text ? text.split("\u001f") : []);
const joined = (set) => [...set].join("\u001f");

// What the filters let through.
function choiceOf(data, state) {
  const [families, kinds, rates] = [listed(state.families), listed(state.noise), listed(state.rates)];
  const search = state.search.trim().toLowerCase();
  return {
    method: ({ name, plugin }) => !families.has(familyOf(data, plugin)) && name.toLowerCase().includes(search),
    column: ({ kind, rate }) => !kinds.has(kind) && !rates.has(String(rate)),
  };
}

const familyOf = (data, plugin) => (data.cards[plugin] || {}).family || "other";

function selectOf(label, options, value, onchange) {
  const id = `choose-${label.toLowerCase().replace(/\W+/g, "-")}`;
  const select = make("select", { id, onchange: () => onchange(select.value) },
    options.map(([key, text]) => make("option", { value: key, selected: String(key) === String(value) }, text)));
  return make("div", {}, make("label", { for: id }, label), select);
}

// Boxes that hide what is unticked.
function boxes(title, names, hidden, onchange) {
  if (names.length < 2) return null;
  const off = names.filter((name) => hidden.has(name)).length;
  return make("details", { open: off > 0 }, make("summary", {}, off ? `${title} (${names.length - off} of ${names.length})` : title),
    make("div", { class: "boxes" }, names.map((name) => {
      const box = make("input", { type: "checkbox", checked: !hidden.has(name), onchange: () => {
        const next = new Set(hidden);
        if (box.checked) next.delete(name);
        else next.add(name);
        onchange(joined(next));
      } });
      return make("label", {}, box, isolated(name === "null" ? "no rate" : name));
    })));
}

const blockName = (block) =>
  [block.dataset, block.backbone, `${block.track} track`, block.protocol && `protocol ${block.protocol}`].filter(Boolean).join(", ");

function tableNames(data) {
  const names = data.blocks.map(blockName);
  return names.map((name, i) => (names.indexOf(name) === names.lastIndexOf(name) ? name : `${name}, ${data.blocks[i].recipe}`));
}

// A section of the page as it came: its tables give way to the one that is computed here.
function prepared(section) {
  const place = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" });
  section.querySelector("table").before(place);
  section.querySelectorAll("table").forEach((table) => table.remove());
  const notes = section.querySelector("ul.notes") || section.appendChild(make("ul", { class: "notes" }));
  notes.querySelectorAll("li").forEach((note) => {
    // Rows have a colour here.
    if (note.textContent.startsWith("Bold:")) note.textContent = "Coloured rows: the methods that are not told apart from the best one (group a).";
  });
  notes.append(make("li", { class: "hint" }, "A click on a figure shows its runs and curves, a click on a method its card."));
  const about = make("p", { class: "about" });
  notes.before(about);
  return { section, place, about };
}

class Page {
  constructor(data) {
    this.data = data;
    // The heading and the sentence on the rule of the tables that need no JavaScript: captions say both here.
    document.querySelectorAll("article.noisybench > h2, article.noisybench > p:not(.origin)").forEach((text) => text.remove());
    this.sections = [...document.querySelectorAll("article.noisybench > section")].map(prepared);
    this.state = readAddress(data);
    this.known = new Map();
    window.addEventListener("hashchange", () => { this.state = readAddress(data); this.show(true); });
    window.addEventListener("resize", () => this.chart());
    this.show(true);
    document.documentElement.dataset.ready = "true";
  }

  set(changes, controls = true) {
    Object.assign(this.state, changes);
    writeAddress(this.data, this.state);
    this.show(controls);
  }

  computed(rule) {
    const { table, families, noise, rates, search } = this.state;
    const key = [table, rule, families, noise, rates, search].join("\u001e");
    if (!this.known.has(key)) {
      if (this.known.size > 50) this.known.clear();
      this.known.set(key, computed(this.data, this.data.blocks[table], rule, choiceOf(this.data, this.state)));
    }
    return this.known.get(key);
  }

  show(controls) {
    const { data, state } = this;
    const block = data.blocks[state.table];
    const table = this.computed(state.rule);
    const contender = block.rows.findIndex((row) => data.methods[row.method].name === state.contender);
    // A switch of the rule says at once how far the order follows it.
    const chosen = state.other === state.rule ? "" : state.other;
    const otherRule = chosen || (state.rule === data.rule ? "" : data.rule);
    const view = {
      rule: state.rule, otherRule, other: otherRule ? this.computed(otherRule) : null,
      contender: contender < 0 ? null : contender, sort: { key: state.sort, descending: state.down === "1" },
    };
    const asOpened = state.rule === data.rule && !["families", "noise", "rates", "search"].some((key) => state[key]);
    this.sections.forEach(({ section, about }, i) => {
      section.hidden = i !== state.table;
      about.textContent = asOpened ? "" : `Notes on all methods and columns by ${data.rule}. Marks mean the same in the table above; its places and letters are of the methods and columns that it shows, by ${state.rule}.`;
    });
    if (controls) this.controls(block);
    const focus = document.activeElement && document.activeElement.closest("thead th");
    const position = focus ? [...focus.parentElement.children].indexOf(focus) : -1;
    const element = tableElement(data, table, view, {
      sort: (key, descending) => this.set({ sort: key, down: descending ? "1" : "" }, false),
      cell: (i, column) => cellDetails(data, state.table, table, i, column),
      method: (i) => methodDetails(data, table, i),
    });
    this.sections[state.table].place.replaceChildren(element);
    if (position >= 0) element.querySelectorAll("thead button")[position].focus();
    this.stability(view, table);
    this.shown = { block, table, view, element };
    this.chart();
  }

  stability(view, table) {
    const line = document.getElementById("stability");
    line.textContent = "";
    if (!view.other) return;
    const { tau, count } = stability(table, view.other);
    const why = count < 2 ? "fewer than two methods are ranked" : "all methods share a place";
    line.textContent = Number.isNaN(tau)
      ? `No order to compare: by ${view.rule} or ${view.otherRule} ${why} here.`
      : `Kendall's τ between the orders by ${view.rule} and ${view.otherRule}: ${figure(tau)} over ${count} methods (1: the same order; 0: unrelated).`;
  }

  controls(block) {
    const { data, state } = this;
    const rules = Object.keys(data.rules).map((name) => [name, name]);
    const names = block.rows.map((row) => data.methods[row.method].name).sort();
    const noises = block.columns.map((noise) => data.noises[noise]);
    const unique = (values) => [...new Set(values)];
    const kinds = unique(noises.map((noise) => noise.kind));
    const rated = kinds.filter((kind) => noises.filter((noise) => noise.kind === kind && noise.rate !== null).length > 1);
    const search = make("input", { type: "search", id: "search", value: state.search, oninput: () => this.set({ search: search.value }, false) });
    const only = (key) => (value) => this.set({ [key]: value });
    const charts = [["none", "none"], ["places", "places of methods"], ["cost", "quality and cost"], ...rated.map((kind) => [`rate ${kind}`, `against the rate of ${kind}`])];
    document.getElementById("controls").replaceChildren(...[
      data.blocks.length > 1 && selectOf("Table", tableNames(data).map((name, i) => [i, name]), state.table,
        (value) => this.set({ table: Number(value), contender: "", chart: "none", sort: "", down: "" })),
      selectOf("Reporting rule", rules, state.rule, only("rule")),
      selectOf("Compare with rule", [["", state.rule === data.rule ? "none" : `${data.rule} (as opened)`], ...rules.filter(([name]) => name !== state.rule && name !== data.rule)], state.other, only("other")),
      selectOf("Contender against all", [["", "none"], ...names.map((name) => [name, name])], state.contender, only("contender")),
      selectOf("Chart", charts, state.chart, only("chart")),
      make("div", {}, make("label", { for: "search" }, "Methods with"), search),
      boxes("Families", unique(block.rows.map((row) => familyOf(data, data.methods[row.method].plugin))).sort(), listed(state.families), only("families")),
      boxes("Kinds of noise", kinds, listed(state.noise), only("noise")),
      boxes("Rates", unique(noises.map((noise) => String(noise.rate))), listed(state.rates), only("rates")),
      make("div", { class: "actions" },
        make("button", { type: "button", onclick: () => this.saveCsv() }, "CSV"),
        make("button", { type: "button", onclick: () => this.saveLatex() }, "LaTeX"),
        make("button", { type: "button", onclick: () => this.saveSvg() }, "SVG"),
        make("button", { type: "button", onclick: () => { history.replaceState(null, "", location.pathname + location.search); this.state = readAddress(data); this.show(true); } }, "Reset")),
    ].filter(Boolean));
  }

  chart() {
    const place = document.getElementById("chart");
    const { data, state } = this;
    const { block, table, view } = this.shown;
    let chart = null;
    if (state.chart === "places") chart = [...table.places.values()].some((found) => found.place) ? placesChart(data, table) : null;
    else if (state.chart === "cost") chart = costChart(data, table);
    else if (state.chart.startsWith("rate ")) {
      const best = [...table.places.keys()].sort((i, j) => table.places.get(i).rank - table.places.get(j).rank).slice(0, 5);
      const base = block.rows.findIndex((row) => data.methods[row.method].name === data.baseline);
      const rows = [...new Set([...(view.contender === null ? [] : [view.contender]), ...(table.shown.includes(base) ? [base] : []), ...(best.length ? best : table.shown.slice(0, 5))])].slice(0, 7);
      chart = rateChart(data, table, state.chart.slice(5), rows);
    }
    const missing = state.chart === "none" ? "" : "There is nothing to draw: no method has figures in these columns, or fewer than six repetitions carry no place.";
    place.replaceChildren(chart || make("p", {}, missing));
  }

  saveCsv() {
    save(`${this.fileName()}.csv`, csv(shownTexts(this.shown.element)), "text/csv");
  }

  saveLatex() {
    const rows = shownTexts(this.shown.element);
    const bold = [...this.shown.element.querySelectorAll("tbody tr")].map((row) => row.classList.contains("best"));
    const notes = [...this.shown.element.closest("section").querySelectorAll("ul.notes li:not(.hint)"), ...document.querySelectorAll("article.noisybench p.origin")];
    save(`${this.fileName()}.tex`, latex(rows, bold, this.shown.element.caption.textContent, notes.map((note) => note.textContent)), "text/x-tex");
  }

  saveSvg() {
    const chart = document.querySelector("#chart svg");
    if (!chart) this.set({ chart: "places" });
    const drawn = document.querySelector("#chart svg");
    if (drawn) save(`${this.fileName()}-${this.state.chart.replace(" ", "-")}.svg`, standalone(drawn), "image/svg+xml");
  }

  fileName() {
    return blockName(this.shown.block).replace(/[^\w.-]+/g, "_");
  }
}

unpacked(document.getElementById("data")).then((data) => {
  document.documentElement.classList.add("live");
  new Page(data);
});
