// Exports of exactly what is shown: the table as CSV or LaTeX, a chart as SVG.

// The shown table as rows of texts, headings first.
function shownTexts(table) {
  const text = (cell) => {
    const copy = cell.cloneNode(true);
    return copy.textContent.replace(/ [↑↓]$/, "");
  };
  return [...table.querySelectorAll("tr")].map((row) => [...row.children].map(text));
}

// A text that begins like a formula would be run by a spreadsheet, and a range of places be read as a date; figures stay
// as they are.
function csv(rows) {
  const undated = (text) => text.replace(/^(\d+)-(\d+)$/, "$1 to $2");
  const safe = (text) => (/^[=+\-@\t\r]/.test(text) && !/^[+-]?[\d.]+( ±[\d.]+)?$|^-$/.test(text) ? `'${text}` : text);
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return rows.map((row) => row.map((text) => quoted(safe(undated(text)))).join(",")).join("\r\n") + "\r\n";
}

const TEX = {
  "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", $: "\\$", "&": "\\&", "#": "\\#", _: "\\_", "%": "\\%",
  "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}",
  '"': "\\textquotedbl{}", "±": "$\\pm$", "†": "\\textdagger{}", "‡": "\\textdaggerdbl{}", "*": "\\textasteriskcentered{}",
};

const tex = (text) => [...text].map((letter) => TEX[letter] || letter).join("");

// A booktabs table no wider than the page; rows of the best group are bold, notes stand below.
function latex(rows, bold, caption, notes) {
  const line = (row, i) => row.map((text) => (bold[i] ? `\\textbf{${tex(text)}}` : tex(text))).join(" & ") + " \\\\";
  const [head, ...body] = rows;
  return [
    "% needs \\usepackage{booktabs}, \\usepackage{graphicx} and \\usepackage[T1]{fontenc}",
    "\\begin{table}", `\\caption{${tex(caption)}}`, "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
    `\\begin{tabular}{l${"r".repeat(head.length - 1)}}`, "\\toprule",
    line(head, -1), "\\midrule", ...body.map(line), "\\bottomrule", "\\end{tabular}}",
    ...notes.map((note) => `\\par{\\footnotesize ${tex(note)}}`), "\\end{table}", "",
  ].join("\n");
}

const STYLE = "text{font:12px sans-serif;fill:#222}.grid{stroke:#ddd}.axis{stroke:#222}";

function standalone(chart) {
  const copy = chart.cloneNode(true);
  copy.prepend(draw("style", {}, STYLE), draw("rect", { width: "100%", height: "100%", fill: "#fff" }));
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(copy)}\n`;
}

function save(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
