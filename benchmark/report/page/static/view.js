// Tables, charts and details as DOM elements. Text enters through textContent alone, so names cannot become markup.

const SVG = "http://www.w3.org/2000/svg";

// An element with attributes and children; functions become listeners ("onclick").
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  return filled(element, attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// ".873", "-.020": no zero before the point; never "-.000".
function figure(value, signed = false) {
  if (Number.isNaN(value) || value === null) return "-";
  const near = rounded(value) + 0;
  const text = (signed && near >= 0 ? "+" : "") + near.toFixed(DIGITS);
  return Math.abs(near) < 1 ? text.replace("0.", ".") : text;
}

const average = (rank) => rounded(rank, 1).toFixed(1);

// A name in its own direction of writing, which may break behind its commas.
const isolated = (text) => make("bdi", {}, text.split(/(?<=,)/).flatMap((part) => [part, make("wbr")]));

function cellText(found, usual) {
  if (found.state === "hole") return `${found.n}/${found.total}`;
  if (found.state !== "value") return { absent: "-", undefined: "n/a", skipped: "skipped" }[found.state];
  const spread = Number.isNaN(found.sd) ? "" : ` ±${figure(found.sd)}`;
  return figure(found.mean) + spread + (found.plain ? "‡" : "") + (found.total === usual ? "" : ` (n=${found.n})`);
}

const rowName = (data, row) =>
  data.methods[row.method].name + row.marks + (row.networks > 1 ? ` (${row.networks} nets)` : "");

// Columns of the table as {key, title, help, of(i) -> {text, sort, ...}}; `sort`: NaN goes last.
function columnsOf(data, table, view) {
  const { block, cells, places } = table;
  const place = (i) => places.get(i);
  const resolved = table.shown.some((i) => place(i) && place(i).place);
  const columns = table.columns.map((c) => ({
    key: data.noises[block.columns[c]].name,
    title: data.noises[block.columns[c]].name,
    higherFirst: !block.lower_is_better,
    of: (i) => ({ text: cellText(cells[i][c], block.usual), sort: cells[i][c].mean, cell: cells[i][c], column: c }),
  }));
  if (places.size) {
    const help = "average rank over the noisy columns shown, among the methods shown";
    columns.push({
      key: "rank", title: "rank", help,
      of: (i) => ({ text: place(i) ? average(place(i).rank) : "-", sort: place(i) ? place(i).rank : NaN }),
    });
  }
  if (resolved) {
    columns.push({
      key: "place", title: "place", help: "95 % interval of the place",
      of: (i) => {
        const found = place(i) && place(i).place;
        return { text: found ? `${found.low}-${found.high}` : "", sort: found ? found.low + found.high / 1e4 : NaN };
      },
    }, {
      key: "group", title: "group", help: "methods that share a letter are not told apart",
      of: (i) => {
        const found = place(i) && place(i).place;
        return { text: found ? shortLetters(found.group) : "", sort: found ? found.low : NaN };
      },
    });
  }
  if (places.size) {
    columns.push({
      key: "n", title: "n", help: "independent repetitions that ranks and places rest on",
      of: (i) => ({ text: place(i) ? String(place(i).repetitions) : "-", sort: place(i) ? place(i).repetitions : NaN }),
    });
  }
  if (view.other) {
    const other = view.other.places;
    columns.push({
      key: "other", title: `rank by ${view.otherRule}`,
      of: (i) => ({ text: other.has(i) ? average(other.get(i).rank) : "-", sort: other.has(i) ? other.get(i).rank : NaN }),
    });
  }
  if (view.contender !== null) {
    const one = cells[view.contender];
    const found = (i) => against(data, block, view.rule, one, cells[i], table.noisy, ROPE);
    const memo = new Map();
    const of = (i) => memo.get(i) || memo.set(i, found(i)).get(i);
    columns.push({
      key: "difference", title: "lead of the contender", help: "over this row, at equal seeds, with its 95 % t interval",
      higherFirst: true,
      of: (i) => {
        if (i === view.contender) return { text: "-", sort: NaN };
        const { mean: lead, half } = of(i);
        return { text: figure(lead, true) + (Number.isNaN(half) ? "" : ` ±${figure(half)}`), sort: lead };
      },
    }, {
      key: "wtl", title: "wins/ties/losses", help: `of the contender over the noisy columns; a tie is within ${figure(ROPE)}`,
      higherFirst: true,
      of: (i) => {
        if (i === view.contender) return { text: "-", sort: NaN };
        const { wins, ties, losses } = of(i);
        return { text: `${wins}/${ties}/${losses}`, sort: wins - losses };
      },
    });
  }
  columns.push({
    key: "cost", title: "cost", help: "passes through the network over those of cross entropy",
    of: (i) => ({ text: block.rows[i].cost || "-", sort: parseFloat(block.rows[i].cost) }),
  });
  return columns;
}

// Rows in the order of a column; without one, by rank.
function sortedRows(data, table, columns, sort) {
  const column = columns.find((of) => of.key === sort.key) || columns.find((of) => of.key === "rank");
  if (sort.key === "method" || !column) {
    const named = [...table.shown].sort((i, j) => rowName(data, table.block.rows[i]).localeCompare(rowName(data, table.block.rows[j])));
    return sort.key !== "method" ? table.shown : sort.descending ? named.reverse() : named;
  }
  const value = new Map(table.shown.map((i) => [i, column.of(i).sort]));
  const sign = sort.descending ? -1 : 1;
  return [...table.shown].sort((i, j) => {
    const [a, b] = [value.get(i), value.get(j)];
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return sign * (a - b);
  });
}

function tableElement(data, table, view, actions) {
  const columns = columnsOf(data, table, view);
  const heading = (key, title, help, higherFirst) => {
    const active = view.sort.key === key;
    const direction = active ? (view.sort.descending ? "descending" : "ascending") : "none";
    const sortBy = () => actions.sort(key, active ? !view.sort.descending : Boolean(higherFirst));
    const arrow = active ? (view.sort.descending ? " ↓" : " ↑") : "";
    return make("th", { scope: "col", "aria-sort": direction, title: help },
      make("button", { type: "button", onclick: sortBy }, isolated(title), arrow));
  };
  const rows = sortedRows(data, table, columns, view.sort).map((i) => {
    const row = table.block.rows[i];
    const best = table.places.get(i) && table.places.get(i).place && /a(?!\d)/.test(table.places.get(i).place.group);
    const name = make("button", { type: "button", onclick: () => actions.method(i) }, isolated(rowName(data, row)));
    const rest = columns.map((column) => {
      const shown = column.of(i);
      const content = shown.cell && shown.cell.total
        ? make("button", { type: "button", onclick: () => actions.cell(i, shown.column) }, shown.text)
        : shown.text;
      return make("td", shown.cell && shown.cell.state === "hole" ? { class: "hole" } : {}, content);
    });
    const marks = [best && "best", view.contender === i && "contender"].filter(Boolean).join(" ");
    return make("tr", { class: marks || null }, make("th", { scope: "row" }, name), rest);
  });
  return make("table", {},
    make("caption", {}, captionOf(data, table, view)),
    make("thead", {}, make("tr", {}, heading("method", "method"),
      columns.map((column) => heading(column.key, column.title, column.help, column.higherFirst)))),
    make("tbody", {}, rows));
}

function captionOf(data, table, view) {
  const { block } = table;
  const metric = block.metric.replaceAll("_", " ") + (block.lower_is_better ? " (lower is better)" : "");
  const noisy = table.noisy.map((c) => data.noises[block.columns[c]].name).join(", ");
  const first = `${metric} on the test set, mean ± sd over seeds, n = ${block.usual} unless a cell says otherwise, by ${view.rule}: ${data.rules[view.rule]}.`;
  const ranking = !table.places.size ? " Nothing is ranked by this rule or in these columns."
    : ` Ranked over ${noisy}, among the ${table.places.size} methods shown that have no hole there.`;
  const unresolved = table.places.size && ![...table.places.values()].some((found) => found.place)
    ? ` With fewer than ${MIN_UNITS} repetitions no order is claimed.` : "";
  return first + ranking + unresolved;
}
