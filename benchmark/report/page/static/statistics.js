// The statistics of `benchmark/tables/{statistics,order}.py`, for what the page shows after a filter or another rule.
// Tests compare both on real records.

const LEVEL = 0.95;
const MIN_UNITS = 6; // with fewer independent runs no order is claimed
const DIGITS = 3;
const EXACT_DIGITS = 12;

// As Python prints a number: the nearest with so many digits, an exact half to the even digit.
function rounded(value, digits = DIGITS) {
  const scaled = Math.abs(value) * 10 ** digits;
  const isHalf = scaled % 1 === 0.5 && (Math.abs(value) * 2 ** 20) % 1 === 0;
  if (!isHalf) return Number(value.toFixed(digits));
  const low = Math.floor(scaled);
  return (Math.sign(value) * (low % 2 === 0 ? low : low + 1)) / 10 ** digits;
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

// To EXACT_DIGITS: how values were added up must not decide how a mean prints that lies between two digits.
const mean = (values) => Number((sum(values) / values.length).toFixed(EXACT_DIGITS));

function sd(values) {
  const centre = mean(values);
  return values.length < 2 ? NaN : Math.sqrt(sum(values.map((v) => (v - centre) ** 2)) / (values.length - 1));
}

// Lanczos' approximation, g = 7: relative error below 1e-14 for positive arguments.
function logGamma(x) {
  const coefficients = [
    676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
    -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const series = coefficients.reduce((total, c, i) => total + c / (x + i), 0.99999999999980993);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(series);
}

// The regularized incomplete beta function by its continued fraction (Lentz's method).
function incompleteBeta(x, a, b) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const tiny = 1e-300;
  const keep = (value) => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / keep(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 500; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / keep(1 + even * d);
    c = keep(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / keep(1 + odd * d);
    c = keep(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  const front = logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x);
  return (Math.exp(front) * fraction) / a;
}

// Two-sided p of Student's t with `freedom` degrees of freedom.
function pOfT(t, freedom) {
  if (!Number.isFinite(t)) return 0;
  const square = t * t;
  return square < freedom
    ? 1 - incompleteBeta(square / (freedom + square), 0.5, freedom / 2)
    : incompleteBeta(freedom / (freedom + square), freedom / 2, 0.5);
}

// Half width of the 95 % t interval of a mean of n values, in units of their sd; NaN below two.
const tFactors = new Map();
function tFactor(n) {
  if (n < 2) return NaN;
  if (!tFactors.has(n)) {
    let [low, high] = [0, 1000];
    for (let i = 0; i < 100; i += 1) {
      const middle = (low + high) / 2;
      if (pOfT(middle, n - 1) > 1 - LEVEL) low = middle;
      else high = middle;
    }
    tFactors.set(n, high / Math.sqrt(n));
  }
  return tFactors.get(n);
}

// p-values corrected so that all claims hold together (Holm, 1979).
function holm(p) {
  const order = p.map((_, i) => i).sort((i, j) => p[i] - p[j]);
  const corrected = new Array(p.length);
  let highest = 0;
  order.forEach((i, position) => {
    highest = Math.max(highest, p[i] * (p.length - position));
    corrected[i] = Math.min(highest, 1);
  });
  return corrected;
}

// Paired t tests of every two rows of scores [methods][units]: differences of means and p.
function pairwise(scores) {
  const units = scores[0].length;
  const means = scores.map(mean);
  const p = scores.map(() => new Array(scores.length).fill(1));
  for (let i = 0; i < scores.length; i += 1) {
    for (let j = 0; j < i; j += 1) {
      const difference = means[i] - means[j];
      if (difference === 0) continue;
      let squares = 0;
      for (let u = 0; u < units; u += 1) squares += (scores[i][u] - means[i] - scores[j][u] + means[j]) ** 2;
      p[i][j] = p[j][i] = pOfT(difference / Math.sqrt(squares / (units - 1) / units), units - 1);
    }
  }
  return { means, p };
}

// Maximal sets of methods of which every two are alike (Bron and Kerbosch, 1973), members in order.
function cliques(alike) {
  const found = [];
  const neighbours = alike.map((row, i) => row.map((yes, j) => (yes && i !== j ? j : -1)).filter((j) => j >= 0));
  const near = alike.map((row, i) => row.map((yes, j) => yes && i !== j));
  function extend(clique, candidates, excluded) {
    if (!candidates.length && !excluded.length) found.push([...clique].sort((a, b) => a - b));
    if (!candidates.length) return;
    const pivot = [...candidates, ...excluded].reduce((best, v) => {
      const reach = candidates.filter((c) => near[v][c]).length;
      return best === null || reach > best[1] ? [v, reach] : best;
    }, null)[0];
    let [open, closed] = [candidates, excluded];
    for (const vertex of candidates.filter((c) => !near[pivot][c])) {
      extend([...clique, vertex], open.filter((c) => near[vertex][c]), closed.filter((c) => near[vertex][c]));
      open = open.filter((c) => c !== vertex);
      closed = [...closed, vertex];
    }
  }
  extend([], neighbours.map((_, i) => i), []);
  return found.sort((a, b) => {
    for (let i = 0; i < Math.min(a.length, b.length); i += 1) if (a[i] !== b[i]) return a[i] - b[i];
    return a.length - b.length;
  });
}

// The letters as a reader takes them in: "bdefgh" is "b d-h", four or more in a row being a range.
function shortLetters(group) {
  const at = (letter) => letter.charCodeAt(0) - 97 + 26 * (Number(letter.slice(1) || 1) - 1);
  const runs = [];
  for (const letter of group.match(/[a-z]\d*/g) || []) {
    const last = runs[runs.length - 1];
    if (last && at(letter) === at(last[last.length - 1]) + 1) last.push(letter);
    else runs.push([letter]);
  }
  if (runs.every((run) => run.length < 4)) return group;
  return runs.map((run) => (run.length < 4 ? run.join("") : `${run[0]}-${run[run.length - 1]}`)).join(" ");
}

// Compact letters (Piepho, 2004) of methods in order: two share one if and only if they are alike.
function letters(alike) {
  const groups = cliques(alike);
  const pairsOf = (group) => group.flatMap((i) => group.filter((j) => j >= i).map((j) => `${i} ${j}`));
  const needed = new Set(groups.keys());
  for (const position of [...groups.keys()].sort((a, b) => groups[a].length - groups[b].length)) {
    const others = new Set([...needed].filter((k) => k !== position).flatMap((k) => pairsOf(groups[k])));
    if (pairsOf(groups[position]).every((pair) => others.has(pair))) needed.delete(position);
  }
  const text = new Array(alike.length).fill("");
  [...needed].sort((a, b) => a - b).forEach((k, position) => {
    const letter = String.fromCharCode(97 + (position % 26)) + (position < 26 ? "" : 1 + Math.floor(position / 26));
    for (const member of groups[k]) text[member] += letter;
  });
  return text;
}

// Which methods differ: each from the other, among all tests of it. p: of every two methods.
function differing(p) {
  const sure = p.map((row, i) => {
    const corrected = holm(row.filter((_, j) => j !== i));
    return row.map((_, j) => j !== i && corrected[j < i ? j : j - 1] < 1 - LEVEL);
  });
  return sure.map((row, i) => row.map((yes, j) => yes && sure[j][i]));
}

// Per row of scores [methods][units], higher is better: its place by the mean, the ends of the interval of its place,
// and its letters.
function resolve(scores) {
  const count = scores.length;
  if (count < 2 || scores[0].length < MIN_UNITS) return scores.map(() => null);
  const { means, p } = pairwise(scores);
  const different = differing(p);
  const methods = [...scores.keys()];
  const order = [...methods].sort((i, j) => means[j] - means[i] || i - j);
  const groups = letters(order.map((i) => order.map((j) => !different[i][j])));
  return methods.map((i) => ({
    place: 1 + methods.filter((j) => means[j] > means[i]).length,
    low: 1 + methods.filter((j) => different[i][j] && means[j] > means[i]).length,
    high: count - methods.filter((j) => different[i][j] && means[j] < means[i]).length,
    group: groups[order.indexOf(i)],
  }));
}

// Ranks of values, 1 is best; ties share the mean of their places.
function ranks(values, lowerIsBetter) {
  const worse = (a, b) => (lowerIsBetter ? a > b : a < b);
  return values.map((v) => 1 + values.filter((o) => worse(v, o)).length + (values.filter((o) => o === v).length - 1) / 2);
}

// Kendall's tau-b of two lists of ranks; NaN where one of them is constant.
function kendall(a, b) {
  let [agree, tiedA, tiedB, pairs] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i += 1) {
    for (let j = 0; j < i; j += 1) {
      const [x, y] = [Math.sign(a[i] - a[j]), Math.sign(b[i] - b[j])];
      agree += x * y;
      tiedA += x === 0;
      tiedB += y === 0;
      pairs += 1;
    }
  }
  return agree / Math.sqrt((pairs - tiedA) * (pairs - tiedB));
}
