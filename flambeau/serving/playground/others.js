// Values of a modality that comes with the model: files of any kind, or any JSON.
import { control, dropPlace, element, figure, filePick, panel, picture, said } from "./base.js";

const SHEET = "M7 3h7l4 4v14H7zM14 3v4h4";

const shown = (made) => (made?.startsWith("data:") ? picture(made, "seen", "wide ink") : figure("seen", element("p", { class: "quote" }, made ?? "–")));

export const file = {
  mount: (place, field, give) => place.replaceChildren(dropPlace({ picture: SHEET, title: "drop-files", hint: "drop-files-hint", accept: "", give })),
  control: (field, id) => filePick(id, "", (chosen) => element("small", {}, chosen.name)),
  original: (chosen) => figure("original", element("p", { class: "quote" }, chosen.name)),
  seen: (made) => shown(made),
  note: "seen-others",
};

const box = (attributes) => element("textarea", { required: true, rows: 4, "data-hint": "json-hint", spellcheck: false, ...attributes });
const parsed = (text) => (text === null ? null : JSON.parse(text));

export const json = {
  mount: (place, field, give) => {
    const area = box({ id: "value" });
    place.replaceChildren(panel(() => give(parsed(area.value)), [], said("label", "json-label", { for: "value" }), area));
  },
  control: (field, id) => control(box({ id, rows: 3 }), parsed, JSON.stringify),
  original: (value) => figure("original", element("p", { class: "quote" }, JSON.stringify(value))),
  seen: (made) => shown(made),
  note: "seen-others",
};
