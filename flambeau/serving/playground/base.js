// What all scripts of the pages build on: elements, words, figures, files. All text from elsewhere is set as text, never as HTML.

export const page = { words: {}, language: document.documentElement.lang.slice(0, 2) };
export const word = (key, facts = {}) => (page.words[page.language]?.[key] ?? "").replace(/\{(\w+)\}/g, (whole, name) => facts[name] ?? whole);

// data-label and data-hint are words too: they become aria-label and placeholder, in the language of the page.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  if (made.dataset.label) made.setAttribute("aria-label", word(made.dataset.label));
  if (made.dataset.hint) made.placeholder = word(made.dataset.hint, made.dataset);
  return made;
}

// An element with a word of the catalogue as its text; `facts` fill it, also when the language changes.
export function said(tag, key, attributes = {}, facts = {}) {
  const kept = Object.fromEntries(Object.entries(facts).map(([name, value]) => [`data-${name}`, value]));
  return element(tag, { ...attributes, ...kept, "data-word": key }, word(key, facts));
}

export const press = (key, act, look = "second", attributes = {}, facts = {}) => said("button", key, { type: "button", class: look, onclick: act, ...attributes }, facts);

// A button that shows more, and less again.
export function unfold(key, act, facts = {}) {
  const more = press(key, () => {
    const open = more.getAttribute("aria-expanded") === "false";
    more.setAttribute("aria-expanded", open);
    more.dataset.word = open ? "show-fewer" : key;
    more.textContent = word(more.dataset.word, facts);
    act(open);
  }, "quiet more", { "aria-expanded": "false" }, facts);
  return more;
}

export function speak() {
  document.documentElement.lang = page.language === "zh" ? "zh-CN" : "en";
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = word(place.dataset.word, place.dataset);
  for (const place of document.querySelectorAll("[data-label]")) place.setAttribute("aria-label", word(place.dataset.label));
  for (const place of document.querySelectorAll("[data-hint]")) place.placeholder = word(place.dataset.hint, place.dataset);
}

export const percent = (share) => (share > 0 && share < 0.001 ? "<0.1%" : `${(100 * share).toFixed(1)}%`);

export const number = (value, digits = 6) => value.toLocaleString("en", { maximumSignificantDigits: digits });

function drawing(path, attributes) {
  const [svg, line] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  for (const [name, value] of Object.entries({ "aria-hidden": "true", ...attributes })) svg.setAttribute(name, value);
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

const icon = (path) => drawing(path, { viewBox: "0 0 24 24" });

export const extent = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);

// Values over time as a line, null as a gap; of many values the lowest and the highest of each column.
export function curve(values, low, high) {
  const step = Math.max(1, values.length / 360);
  let [path, pen] = ["", "M"];
  for (let start = 0; start < values.length; start += step) {
    const real = values.slice(Math.floor(start), Math.floor(start + step)).filter((value) => value != null);
    for (const value of real.length > 1 ? extent(real) : real) {
      path += `${pen}${((360 * start) / (values.length - 1 || 1)).toFixed(1)} ${(58 - (56 * (value - low)) / (high - low || 1)).toFixed(1)}${pen === "M" ? "h0" : ""}`;
      pen = "L";
    }
    if (!real.length) pen = "M";
  }
  return drawing(path, { viewBox: "0 0 360 60", preserveAspectRatio: "none" });
}

// A picture, a drawing or words with a heading below, and behind it what may still change.
export const figure = (key, content, detail = null, look = "wide") => element("figure", { class: look }, content, element("figcaption", {}, said("b", key), detail));

export function picture(url, key, look = "") {
  const frame = element("div", { class: "frame" });
  const size = element("span");
  const image = element("img", { src: url, alt: word(key), onerror: () => frame.replaceChildren(said("span", "no-picture")), onload: () => {
    image.classList.toggle("small", image.naturalWidth < 184);
    size.textContent = look ? "" : `${image.naturalWidth} × ${image.naturalHeight}`;
    if (url.startsWith("blob:")) URL.revokeObjectURL(url);
  } });
  frame.append(image);
  return figure(key, frame, size, look);
}

// Text that is cut after some lines, until somebody wants all of it.
export function clamped(shown, isLong) {
  if (!isLong) return element("div", {}, shown);
  shown.classList.add("clamped");
  return element("div", {}, shown, unfold("show-text", (open) => shown.classList.toggle("clamped", !open)));
}

export function chips(text, separator) {
  return element("p", { class: "words" }, ...text.split(separator).map((one) => element("span", one === "[]" ? { class: "unknown" } : {}, one)));
}

// A place for files of one kind: dropped anywhere on the page, pasted, or chosen.
export function dropPlace({ picture: path, title, hint, accept, give, action }) {
  const take = (files) => [...files].forEach(give);
  const input = element("input", { type: "file", accept, multiple: true, class: "unseen", id: "choose", tabindex: "-1", "aria-hidden": "true", onchange: () => { take(input.files); input.value = ""; } });
  const area = element("div", { class: "drop" }, icon(path), said("strong", title), said("p", hint),
    element("div", { class: "actions" }, press("choose", () => input.click(), ""), action), input);
  catchFiles(area, take);
  return area;
}

export function catchFiles(area, take) {
  let depth = 0;
  const over = (change) => { depth = Math.max(0, depth + change); area.classList.toggle("over", depth > 0); };
  addEventListener("dragenter", (event) => { event.preventDefault(); over(1); });
  addEventListener("dragleave", () => over(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => { event.preventDefault(); depth = 0; over(0); take(event.dataTransfer.files); });
  addEventListener("paste", (event) => take(event.clipboardData.files));
}

// A file as one field of a form. `extra(give)` may make a button that gives a file in another way.
export function filePick(id, accept, show, extra) {
  const shown = element("span", { class: "picked" });
  const fill = () => shown.replaceChildren(...(input.files[0] ? [show(input.files[0])] : []));
  const give = (file) => { const carrier = new DataTransfer(); carrier.items.add(file); input.files = carrier.files; fill(); };
  const input = element("input", { type: "file", accept, id, required: true, class: "unseen", onchange: fill });
  const node = element("div", { class: "pick" }, input, shown, element("div", { class: "actions" }, said("label", "choose-one", { for: id, class: "button second" }), extra?.(give)));
  return { node, read: () => input.files[0], set: (value) => { if (value == null) { input.value = ""; fill(); } } };
}

// A field of one element; `read` makes a value of its text, or of null where it is empty.
export const control = (node, read = (value) => value, write = (value) => value) => ({
  node, read: () => read(node.value.trim() === "" ? null : node.value), set: (value) => { node.value = value == null ? "" : write(value); },
});

// A form that asks the model, by its button or by Ctrl+Enter; what `ask` throws is shown.
export function panel(ask, buttons, ...contents) {
  const problem = element("p", { class: "wrong", role: "alert", hidden: true });
  const form = element("form", { class: "panel", onsubmit: (event) => {
    event.preventDefault();
    problem.hidden = true;
    try { ask(); } catch (error) { problem.textContent = error.message; problem.hidden = false; }
  }, onkeydown: (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); } } },
  ...contents, problem, element("div", { class: "actions" }, said("button", "ask", { type: "submit" }), ...buttons, said("span", "ask-keys", { class: "keys" })));
  return form;
}

// A dialog with what a camera or a microphone gives. `act` is called by its button; the device is let go of when it closes.
export async function withDevice(title, action, constraints, failed, act, ...contents) {
  const go = press(action, () => act(), "", { disabled: true });
  const problem = element("p", { role: "alert" });
  const dialog = element("dialog", { "data-label": title }, ...contents, problem,
    element("div", { class: "actions" }, press("cancel", () => dialog.close()), go));
  let stream = null;
  const release = () => stream?.getTracks().forEach((track) => track.stop());
  dialog.addEventListener("close", () => { release(); dialog.remove(); });
  document.body.append(dialog);
  dialog.showModal();
  const fail = () => { contents.forEach((one) => one.remove()); problem.textContent = word(failed); };
  try {
    stream = await navigator.mediaDevices.getUserMedia(constraints);
    if (!dialog.open) release();
  } catch { fail(); }
  return { dialog, go, fail, stream: dialog.open ? stream : null };
}
