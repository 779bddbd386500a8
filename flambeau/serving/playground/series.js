// Time series: a row for each time and a column for each channel, typed, pasted or out of a CSV file.
import { catchFiles, control, curve, element, extent, figure, panel, picture, said, word } from "./base.js";

const SHOWN = 6;
const MISSING = new Set(["", "nan", "na", "n/a", "null", "none", "?", "-"]);

function numeral(cell, line) {
  const plain = cell.trim().replace(/^"(.*)"$/, "$1");
  if (MISSING.has(plain.toLowerCase())) return null;
  const value = Number(plain);
  if (!Number.isFinite(value)) throw new Error(word("series-wrong", { line, cell: plain.slice(0, 40) }));
  return value;
}

// CSV (a first line of names is passed over) or JSON -> rows of numbers, null where one is missing.
export function rowsOf(given, channels) {
  const source = given.trim();
  if (source.startsWith("[")) {
    try { return JSON.parse(source.replace(/\bNaN\b/g, "null")); } catch { throw new Error(word("series-json")); }
  }
  const separator = source.includes(";") ? ";" : source.includes("\t") ? "\t" : source.includes(",") ? "," : /\s+/;
  const lines = source.split(/\r?\n/).map((line) => (separator === "," ? line : line.replaceAll(",", ".")).trim().split(separator));
  const names = lines[0].filter((cell) => !MISSING.has(cell.trim().toLowerCase()));
  const first = lines.length > 1 && names.length && names.every((cell) => Number.isNaN(Number(cell))) ? 1 : 0;
  const rows = lines.slice(first).map((cells, place) => cells.map((cell) => numeral(cell, place + first + 1)));
  if (channels === 1 && rows.length === 1) return rows[0].map((value) => [value]);
  const uneven = rows.findIndex((row) => row.length !== rows[0].length);
  if (uneven > 0) throw new Error(word("series-uneven", { line: uneven + first + 1, n: rows[uneven].length, columns: rows[0].length }));
  return rows;
}

const box = ({ channels, length }, attributes) => element("textarea", { required: true, rows: 6, class: "numbers", spellcheck: "false",
  "data-hint": length ? "series-hint-fixed" : "series-hint", "data-channels": channels, "data-length": length, ...attributes });

function plot(rows) {
  const table = rows.map((row) => (Array.isArray(row) ? row : [row]));
  const width = Math.max(0, ...table.map((row) => row.length));
  const strips = Array.from({ length: Math.min(width, SHOWN) }, (_, channel) => {
    const values = table.map((row) => row[channel]);
    return curve(values, ...extent(values.filter((value) => value != null)));
  });
  return [element("div", { class: "plot" }, ...strips), `${table.length} × ${width}`];
}

export const sequence = {
  mount: (place, field, give) => {
    const area = box(field, { id: "value" });
    const form = panel(() => give(rowsOf(area.value, field.channels)), [said("label", "choose-csv", { for: "choose", class: "button second" })],
      said("label", "series-label", { for: "value" }), area);
    const take = async (file) => { area.value = await file.text(); form.requestSubmit(); };
    const input = element("input", { type: "file", accept: ".csv,.tsv,.txt,.json", class: "unseen", id: "choose", onchange: async () => { await take(input.files[0]); input.value = ""; } });
    form.prepend(input);
    catchFiles(form, ([file]) => { if (file) take(file); });
    place.replaceChildren(form);
  },
  control: (field, id) => control(box(field, { id, rows: 3 }), (value) => rowsOf(value, field.channels)),
  original: (rows) => {
    const [drawn, size] = plot(rows);
    return figure("original", drawn, element("span", {}, size));
  },
  seen: (url) => picture(url, "seen", "wide ink"),
  note: "seen-series",
};
