// Examples of several fields: one control for each, by its kind. What is left empty is missing.
import { control, element, figure, panel, press, said } from "./base.js";
import { rowsOf } from "./series.js";
import { widgets } from "./widgets.js";

function choice(id, options) {
  return element("select", { id }, element("option", { value: "" }, "–"), ...options);
}

const cells = {
  number: (field, id) => control(element("input", { id, type: "number", step: "any" }), (value) => value && Number(value)),
  boolean: (field, id) => control(choice(id, [said("option", "yes", { value: "true" }), said("option", "no", { value: "false" })]), (value) => value && value === "true"),
  category: ({ choices, more }, id) => {
    const options = choices.map((one) => element("option", { value: one }, one));
    if (!more) return control(choice(id, options));
    const input = element("input", { id, list: `${id}-list`, autocomplete: "off" });
    return { ...control(input), list: element("datalist", { id: `${id}-list` }, ...options) };
  },
  date: ({ time }, id) => control(element("input", { id, type: time ? "datetime-local" : "date" })),
  vector: ({ width }, id) => control(element("textarea", { id, rows: 2, class: "numbers", "data-hint": "vector-hint", "data-n": width }), (value) => (value == null ? Array(width).fill(null) : rowsOf(value, 1).flat()), (value) => value.join(", ")),
};

export function mountForm(place, fields, submit) {
  const made = Object.entries(fields).map(([name, field], place) => {
    const id = `field-${place}`;
    const one = (cells[field.kind] ?? widgets[field.kind].control)(field, id);
    one.set(field.typical);
    return { name, field, ...one, row: element("div", { class: (field.kind in widgets || field.kind === "vector") ? "field broad" : "field" }, element("label", { for: id, title: name }, name), one.node, one.list) };
  });
  const known = made.filter(({ field }) => field.typical != null);
  const typical = known.length ? press("typical", () => known.forEach(({ field, set }) => set(field.typical))) : null;
  const buttons = [typical, press("empty", () => made.forEach(({ set }) => set(null)))];
  place.replaceChildren(panel(() => submit(Object.fromEntries(made.map(({ name, read }) => [name, read()]))), buttons,
    said("p", typical ? "form-hint-typical" : "form-hint", { class: "keys" }), element("div", { class: "fields" }, ...made.map(({ row }) => row))));
}

// Of several figures each says for which field it is.
export function named(figure, name, fields) {
  if (Object.keys(fields).length > 1) figure.lastChild.append(element("div", {}, name));
  return figure;
}

// The fields of an example as the person gave them: files and texts as such, the rest as a list.
export function originals(inputs, fields) {
  const [shown, rows] = [[], []];
  for (const [name, value] of Object.entries(inputs)) {
    const { kind } = fields[name];
    if (kind in widgets) shown.push(named(widgets[kind].original(value), name, fields));
    else rows.push(element("div", {}, element("dt", { title: name }, name), element("dd", {}, value == null ? "–" : String(value))));
  }
  if (rows.length) shown.push(figure("given", element("dl", { class: "given", tabindex: "0" }, ...rows)));
  return shown;
}
