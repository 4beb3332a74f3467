// Charts as inline SVG. Colours are those of Okabe and Ito, which the colour-blind can tell apart, with marks beside.

const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#666666"];
const DASHES = ["", "6 3", "2 2", "8 3 2 3", "1 3", "10 4", "4 1"];

const scale = (low, high, from, to) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);

function niceTicks(low, high, count = 5) {
  const raw = (high - low || 1) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= raw);
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-6; tick += step) ticks.push(tick);
  return ticks.map((tick) => Number(tick.toPrecision(12)));
}

const LETTER = 6.6; // mean width of a letter, in pixels

// The width of a chart that fits the window: text keeps its size, so a narrow chart shows less of it.
const room = (most) => Math.max(260, Math.min(most, 0.94 * document.documentElement.clientWidth - 50));

const shortened = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// Lines of at most so many letters.
function lined(text, most) {
  return text.split(" ").reduce((lines, word) => {
    const joined = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && joined.length <= most) lines[lines.length - 1] = joined;
    else lines.push(word);
    return lines;
  }, []);
}

// Axes around a plot; `xs`, `ys`: {low, high, title, text(tick)}.
function frame(width, height, left, xs, ys) {
  const [top, right] = [12, 12];
  const title = lined(xs.title, Math.floor((width - left) / LETTER));
  const bottom = 28 + 16 * title.length;
  const x = scale(xs.low, xs.high, left, width - right);
  const y = scale(ys.low, ys.high, height - bottom, top);
  const text = (axis, tick) => (axis.text ? axis.text(tick) : figureOfTick(tick));
  const marks = [
    ...niceTicks(xs.low, xs.high, Math.max(2, Math.min(5, Math.floor((width - left - right) / 60)))).map((tick) => [
      draw("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top, y2: height - bottom }),
      draw("text", { x: x(tick), y: height - bottom + 16, "text-anchor": "middle" }, text(xs, tick)),
    ]),
    ...(ys.ticks === false ? [] : niceTicks(ys.low, ys.high)).map((tick) => [
      draw("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }),
      draw("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, text(ys, tick)),
    ]),
    title.map((line, i) => draw("text", { x: (left + width - right) / 2, y: height - 8 - 16 * (title.length - 1 - i), "text-anchor": "middle" }, line)),
    ys.title && draw("text", { x: 12, y: (top + height - bottom) / 2, "text-anchor": "middle",
      transform: `rotate(-90 12 ${(top + height - bottom) / 2})` }, ys.title),
  ];
  return { x, y, marks: marks.flat(2) };
}

const figureOfTick = (tick) => String(tick).replace(/^(-?)0\./, "$1.");

function svg(width, height, title, ...children) {
  return draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": title, xmlns: SVG },
    draw("title", {}, title), ...children);
}

function legend(names, left, top, width) {
  return names.map((name, i) => draw("g", { transform: `translate(${left} ${top + i * 16})` },
    draw("line", { x1: 0, x2: 22, y1: -4, y2: -4, stroke: COLOURS[i % 7], "stroke-width": 2, "stroke-dasharray": DASHES[i % 7] }),
    draw("text", { x: 28, y: 0 }, shortened(name, Math.floor((width - left - 28) / LETTER)))));
}

// Lines [{name, points: [[x, y]], low, high}] with a legend below.
function lineChart(title, lines, xs, ys) {
  const [width, height] = [room(560), 320];
  const values = lines.flatMap((line) => line.points.flatMap(([, v], i) => [v, line.low ? line.low[i] : v, line.high ? line.high[i] : v]));
  const at = lines.flatMap((line) => line.points.map(([v]) => v));
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const margin = (most - least || 0.1) * 0.05;
  const axes = frame(width, height, 56, { low: Math.min(...at), high: Math.max(...at), ...xs }, { low: least - margin, high: most + margin, ...ys });
  const path = (points) => points.map(([a, b], i) => `${i ? "L" : "M"}${axes.x(a).toFixed(1)} ${axes.y(b).toFixed(1)}`).join("");
  const drawn = lines.map((line, i) => [
    line.low && draw("path", { fill: COLOURS[i % 7], "fill-opacity": 0.15, stroke: "none",
      d: path([...line.points.map(([a], k) => [a, line.high[k]]), ...line.points.map(([a], k) => [a, line.low[k]]).reverse()]) + "Z" }),
    draw("path", { fill: "none", stroke: COLOURS[i % 7], "stroke-width": 2, "stroke-dasharray": DASHES[i % 7], d: path(line.points) }),
    ...line.points.map(([a, b]) => draw("circle", { cx: axes.x(a), cy: axes.y(b), r: 2.2, fill: COLOURS[i % 7] })),
  ]);
  return svg(width, height + lines.length * 16, title, axes.marks, drawn.flat(), legend(lines.map((line) => line.name), 56, height + 8, width));
}

// Intervals of places, best first.
function placesChart(data, table) {
  const rows = table.shown.filter((i) => table.places.get(i) && table.places.get(i).place);
  rows.sort((i, j) => table.places.get(i).place.place - table.places.get(j).place.place);
  const whole = room(700);
  const [left, width] = [Math.min(230, 0.4 * whole), whole - 60];
  const most = Math.floor((left - 8) / LETTER);
  const height = 72 + rows.length * 18;
  const axes = frame(width, height, left, { low: 1, high: Math.max(2, rows.length), title: "place (95 % interval; point: place by the mean)" }, { low: rows.length, high: 0, ticks: false });
  const bars = rows.map((i, position) => {
    const { place } = table.places.get(i);
    const y = 12 + 9 + position * 18;
    return draw("g", {},
      draw("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, shortened(rowName(data, table.block.rows[i]), most)),
      draw("line", { x1: axes.x(place.low), x2: axes.x(place.high), y1: y, y2: y, stroke: COLOURS[0], "stroke-width": 5, "stroke-linecap": "round", opacity: 0.55 }),
      draw("circle", { cx: axes.x(place.place), cy: y, r: 3.5, fill: COLOURS[1] }),
      draw("text", { x: axes.x(place.high) + 8, y: y + 4 }, shortLetters(place.group)));
  });
  return svg(whole, height, "Places of methods with 95 % intervals", axes.marks, bars);
}

// Names beside points [{x, y, name}], on a side where they meet neither another name nor the edge, if there is one.
function names(points, left, width) {
  const boxes = [];
  return points.map(({ x, y, name }) => {
    const text = shortened(name, Math.min(30, Math.floor((width - left) / 2 / LETTER)));
    const across = text.length * LETTER;
    const sides = [[8, -6, "start"], [-8, -6, "end"], [8, 16, "start"], [-8, 16, "end"]].map(([dx, dy, anchor]) => {
      const from = anchor === "start" ? x + dx : x + dx - across;
      return { at: { x: x + dx, y: y + dy, "text-anchor": anchor }, from, to: from + across, top: y + dy - 12, end: y + dy + 4 };
    });
    const meets = (a) => (b) => a.from < b.to && b.from < a.to && a.top < b.end && b.top < a.end;
    const free = sides.find((side) => side.from >= left && side.to <= width && !boxes.some(meets(side))) || sides[0];
    boxes.push(free);
    return draw("text", free.at, text);
  });
}

// Mean over the noisy columns against the declared cost.
function costChart(data, table) {
  const mostly = (i) => mean(table.noisy.map((c) => table.cells[i][c].mean));
  const points = table.shown.map((i) => ({ i, x: parseFloat(table.block.rows[i].cost), y: mostly(i) }))
    .filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y));
  if (!points.length) return null;
  const ys = points.map((point) => point.y);
  const [least, most] = [Math.min(...ys), Math.max(...ys)];
  const margin = (most - least || 0.1) * 0.08;
  const logs = points.map((point) => Math.log2(point.x));
  const sign = table.block.lower_is_better ? -1 : 1;
  const isBest = (p) => !points.some((q) => q !== p && q.x <= p.x && sign * q.y >= sign * p.y && (q.x < p.x || q.y !== p.y));
  const width = room(640);
  const axes = frame(width, 400, 56,
    { low: Math.min(...logs) - 0.2, high: Math.max(...logs) + 0.8, title: "cost: passes over cross entropy's (logarithmic)", text: (tick) => `${Number((2 ** tick).toFixed(2))}x` },
    { low: least - margin, high: most + margin, title: `mean ${table.block.metric.replaceAll("_", " ")}` });
  const front = points.filter(isBest);
  const marks = points.map((point) => draw("circle", {
    cx: axes.x(Math.log2(point.x)), cy: axes.y(point.y), r: front.includes(point) ? 5 : 3,
    fill: front.includes(point) ? COLOURS[1] : COLOURS[0], opacity: 0.8 },
    draw("title", {}, `${rowName(data, table.block.rows[point.i])}: ${figure(point.y)} at ${point.x}x`)));
  const labels = names(front.map((point) => (
    { x: axes.x(Math.log2(point.x)), y: axes.y(point.y), name: rowName(data, table.block.rows[point.i]) })), 56, width);
  return svg(width, 400, "Quality against cost; the front is named", axes.marks, marks, labels);
}

// The metric against the rate of one kind of noise, the clean column as rate 0.
function rateChart(data, table, kind, rows) {
  const { block, cells } = table;
  const columns = table.columns.map((c) => ({ c, noise: data.noises[block.columns[c]] }))
    .filter(({ c, noise }) => (noise.kind === kind && noise.rate !== null) || block.columns[c] === block.clean)
    .map(({ c, noise }) => ({ c, rate: block.columns[c] === block.clean ? 0 : noise.rate }))
    .sort((a, b) => a.rate - b.rate);
  const lines = rows.map((i) => {
    const known = columns.filter(({ c }) => cells[i][c].state === "value");
    const half = (c) => (Number.isNaN(cells[i][c].half) ? 0 : cells[i][c].half);
    return {
      name: rowName(data, block.rows[i]),
      points: known.map(({ c, rate }) => [rate, cells[i][c].mean]),
      low: known.map(({ c }) => cells[i][c].mean - half(c)),
      high: known.map(({ c }) => cells[i][c].mean + half(c)),
    };
  }).filter((line) => line.points.length > 1);
  return lines.length ? lineChart(`${block.metric} against the rate of ${kind} noise`, lines, { title: `rate of ${kind} noise; band: 95 % t interval` }, { title: block.metric.replaceAll("_", " ") }) : null;
}
