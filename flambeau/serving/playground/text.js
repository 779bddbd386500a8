// Texts: typed or pasted; shown beside the words that the model was given.
import { chips, clamped, control, element, figure, panel, said } from "./base.js";


const box = (attributes) => element("textarea", { required: true, rows: 4, "data-hint": "text-hint", ...attributes });
const isLong = (text) => text.length > 280 || text.split("\n").length > 6;

export const text = {
  mount: (place, field, give) => {
    const area = box({ id: "value" });
    place.replaceChildren(panel(() => give(area.value), [], said("label", "text-label", { for: "value" }), area));
  },
  control: (field, id) => control(box({ id, rows: 3 }), (value) => value ?? ""),
  original: (value) => figure("original", clamped(element("p", { class: "quote" }, value), isLong(value))),
  seen: (words) => figure("seen", chips(words, " ")),
  note: "seen-text",
};
