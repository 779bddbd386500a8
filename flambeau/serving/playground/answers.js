// What the model answered, by task: one class, classes in order, several labels, or numbers; and its score in the test.
import { element, number, percent, said, unfold, word } from "./base.js";

const SHOWN = 5;
const FEW = 12;
const SCORES = { multi_label: ["micro_f1", "score-labels"], regression: ["mae", "score-values"] };
const HEADS = { multi_label: "labels-any", ordinal: "labels-ordered", regression: "values" };

export const headOf = (model) => HEADS[model.task] ?? "labels";

// The test's main score with its interval; "" where there is none.
export function scoreOf({ task, test }) {
  const [name, key] = SCORES[task] ?? ["accuracy", "score"];
  const { value, low, high, n } = test?.[name] ?? {};
  const bound = (end) => (task === "regression" ? number(end, 3) : (100 * end).toFixed(1));
  return value == null ? "" : word(key, { value: task === "regression" ? number(value, 3) : percent(value), low: bound(low), high: bound(high), n });
}

const asTable = (value, name) => (value == null ? {} : typeof value === "object" ? value : { [name]: value });
const range = (low, high) => [said("i", "range", { class: "unseen" }), `${number(low)} – ${number(high)}`];

export function spoken(prediction, name) {
  if ("label" in prediction) return word("spoken", { name, label: prediction.label, confidence: percent(prediction.confidence) });
  const told = prediction.labels ? prediction.labels.join(", ") || word("no-label") : Object.entries(asTable(prediction.value, "")).map(([of, value]) => `${of} ${number(value)}`.trim()).join(", ");
  return word("spoken-answer", { name, answer: told });
}

export function answer(prediction, model) {
  if ("value" in prediction) return values(prediction, model);
  const all = Object.entries(prediction.probabilities);
  if (prediction.labels) {
    const given = new Set(prediction.labels);
    const head = given.size ? element("h3", {}, prediction.labels.join(", ")) : said("h3", "no-label", { class: "none" });
    return [element("div", { class: "verdict" }, head), ...bars(falling(all), given, "best said", Math.max(FEW, given.size))];
  }
  const order = model.labels ?? [];
  const rows = model.task === "ordinal" ? all.sort(([one], [other]) => order.indexOf(one) - order.indexOf(other)) : falling(all);
  return [element("div", { class: "verdict" }, element("h3", {}, prediction.label), element("span", {}, percent(prediction.confidence))),
    ...bars(rows, new Set([prediction.label]), "best", model.task === "ordinal" ? FEW : SHOWN)];
}

// An object puts keys that are numbers first, so the order of the answer has to be made again.
const falling = (all) => all.sort(([, one], [, other]) => other - one);

function bars(all, marked, mark, most) {
  const list = element("ul", { class: "bars" });
  const fill = (rows) => list.replaceChildren(...rows.map(([label, share]) => {
    const filled = element("div", { class: "fill" });
    filled.style.width = `${100 * share}%`;
    return element("li", { class: marked.has(label) ? mark : "" }, element("span", { class: "label", title: label }, label),
      element("div", { class: "track", "aria-hidden": "true" }, filled), element("span", { class: "share" }, percent(share)));
  }));
  const top = falling([...all]).slice(0, most);
  const few = all.filter((row) => top.includes(row));
  fill(few);
  if (all.length <= most) return [list];
  return [list, unfold("show-all", (open) => fill(open ? all : few), { n: all.length })];
}

function values({ value, low, high }, model) {
  const name = model.answers?.[0] ?? "";
  const [middles, lows, highs] = [value, low, high].map((one) => asTable(one, name));
  const names = Object.keys(middles);
  const has = (one) => lows[one] != null && highs[one] != null;
  if (names.length === 1) {
    const [only] = names;
    return [element("div", { class: "verdict" }, element("h3", {}, number(middles[only])),
      has(only) ? element("span", {}, ...range(lows[only], highs[only])) : null)];
  }
  return [element("table", { class: "values" }, ...names.map((one) => element("tr", {}, element("th", { scope: "row" }, one),
    element("td", {}, number(middles[one])), has(one) ? element("td", { class: "range" }, ...range(lows[one], highs[one])) : null)))];
}
