// What a table shows of the page's data: the cells, ranks and places of one block by one rule.
// Cells are as in `benchmark/tables/comparison.py`.

const OK = 0;

async function unpacked(element) {
  const bytes = Uint8Array.from(atob(element.textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// The runs of a block by cell: cells[row][column] is a list of runs.
function cellsOf(data, block) {
  const rowOf = new Map(block.rows.map((row, i) => [row.method, i]));
  const columnOf = new Map(block.columns.map((noise, i) => [noise, i]));
  const cells = block.rows.map(() => block.columns.map(() => []));
  for (const run of block.runs) cells[rowOf.get(data.runs.method[run])][columnOf.get(data.runs.noise[run])].push(run);
  return cells;
}

const valueOf = (data, rule, run) => {
  const place = data.runs.value[rule][run];
  return place < 0 ? NaN : data.numbers[place];
};

// Values of the independent units: each is the mean of its runs.
function unitValues(data, runs, values) {
  const units = new Map();
  runs.forEach((run, i) => {
    if (Number.isNaN(values[i])) return;
    const key = data.runs.unit[run] || `run ${run}`;
    if (!units.has(key)) units.set(key, []);
    units.get(key).push(values[i]);
  });
  return [...units.values()].map((of) => (of.length === 1 ? of[0] : mean(of)));
}

function summary(data, runs, values) {
  const units = unitValues(data, runs, values);
  const spread = sd(units);
  return {
    n: values.filter((value) => !Number.isNaN(value)).length,
    mean: units.length ? mean(units) : NaN,
    sd: spread,
    half: tFactor(units.length) * spread,
  };
}

function cell(data, rule, runs) {
  const values = runs.map((run) => valueOf(data, rule, run));
  const found = summary(data, runs, values);
  const ok = runs.filter((run) => data.runs.state[run] === OK).length;
  const skipped = runs.filter((run) => data.states[data.runs.state[run]] === "skipped").length;
  let state = "hole";
  if (!runs.length) state = "absent";
  else if (found.n === runs.length) state = "value";
  else if (skipped === runs.length) state = "skipped";
  else if (ok === runs.length && found.n === 0) state = "undefined";
  const plain = runs.filter((run) => data.runs.plain[rule][run] === 1).length;
  if (state !== "value") found.mean = found.sd = found.half = NaN;
  return { ...found, state, runs, total: runs.length, plain };
}

// The value of every repetition (a unit, or a choice of seeds) that has one in all `columns`: repetition -> mean.
function scores(data, rule, row, columns) {
  const perColumn = columns.map((column) => {
    const values = new Map();
    for (const run of row[column].runs) {
      const value = valueOf(data, rule, run);
      const key = data.runs.unit[run] ? data.units[data.runs.unit[run]] : data.seeds[data.runs.seeds[run]];
      if (!values.has(key)) values.set(key, []);
      values.get(key).push(value);
    }
    return values;
  });
  const whole = new Map();
  for (const key of perColumn.length ? perColumn[0].keys() : []) {
    const values = perColumn.map((of) => (of.has(key) ? mean(of.get(key)) : NaN));
    if (!values.some(Number.isNaN)) whole.set(key, mean(values));
  }
  return whole;
}

// Ranks and places of the rows `shown`, over the columns `noisy`; methods of one tuning budget among themselves.
function ranked(data, block, rule, cells, shown, noisy) {
  const result = new Map();
  if (rule === data.unranked || !noisy.length) return result;
  for (const budget of new Set(shown.map((i) => block.rows[i].tuned))) {
    const rows = shown.filter((i) => block.rows[i].tuned === budget);
    const columns = noisy.filter((c) => rows.some((i) => cells[i][c].state === "value"));
    const whole = rows.filter((i) => columns.every((c) => cells[i][c].state === "value"));
    if (!columns.length || !whole.length) continue;
    const perColumn = columns.map((c) => ranks(whole.map((i) => rounded(cells[i][c].mean)), block.lower_is_better));
    whole.forEach((i, k) => result.set(i, { rank: mean(perColumn.map((of) => of[k])), among: whole.length }));
    const of = whole.map((i) => scores(data, rule, cells[i], columns));
    const shared = [...of[0].keys()].filter((key) => of.every((row) => row.has(key)));
    const sign = block.lower_is_better ? -1 : 1;
    const places = resolve(of.map((row) => shared.map((key) => sign * row.get(key))));
    whole.forEach((i, k) => Object.assign(result.get(i), { repetitions: shared.length, place: places[k] }));
  }
  return result;
}

// Difference of two rows at equal seeds: over `columns`, paired by repetition; wins, ties, losses count columns.
function against(data, block, rule, one, other, columns, rope) {
  const shared = columns.filter((c) => one[c].state === "value" && other[c].state === "value");
  const [left, right] = [scores(data, rule, one, shared), scores(data, rule, other, shared)];
  const differences = [...left.keys()].filter((key) => right.has(key)).map((key) => left.get(key) - right.get(key));
  const sign = block.lower_is_better ? -1 : 1;
  const margins = shared.map((c) => sign * (one[c].mean - other[c].mean));
  return {
    mean: differences.length ? mean(differences) : NaN,
    half: tFactor(differences.length) * sd(differences),
    n: differences.length,
    wins: margins.filter((margin) => margin > rope).length,
    ties: margins.filter((margin) => Math.abs(margin) <= rope).length,
    losses: margins.filter((margin) => margin < -rope).length,
  };
}

function computed(data, block, rule, choice) {
  const cells = cellsOf(data, block).map((row) => row.map((runs) => cell(data, rule, runs)));
  const columns = block.columns.map((_, c) => c).filter((c) => choice.column(data.noises[block.columns[c]]));
  const noisy = columns.filter((c) => block.noisy.includes(block.columns[c]));
  const shown = block.rows.map((_, i) => i).filter((i) => choice.method(data.methods[block.rows[i].method]));
  return { block, cells, columns, noisy, shown, places: ranked(data, block, rule, cells, shown, noisy) };
}

// Kendall's tau of the ranks of two computed tables over the rows that both rank, and how many these are.
function stability(one, other) {
  const rows = [...one.places.keys()].filter((i) => other.places.has(i));
  const of = (table) => rows.map((i) => table.places.get(i).rank);
  return { tau: kendall(of(one), of(other)), count: rows.length };
}
