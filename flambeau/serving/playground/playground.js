// The playground: gives values to POST /predict and shows what comes back.
import { answer as answered, headOf, scoreOf, spoken } from "./answers.js";
import { chips, element, figure, page, said, speak, word } from "./base.js";
import { bodyOf, code, requestOf } from "./code.js";
import { mountForm, named, originals } from "./form.js";
import { widgets } from "./widgets.js";

const PARTS = ["decode", "queue", "model"];
const AT_ONCE = 4;
const MOST_LABELS = 40;
const find = (id) => document.getElementById(id);

let model = null;
const waiting = [];
let running = 0;
let count = 0;

const milliseconds = (time) => `${time >= 100 ? time.toFixed(0) : time >= 10 ? time.toFixed(1) : time.toFixed(2)} ms`;

function speakAgain() {
  speak();
  document.title = `${model.name} · ${word("title")}`;
  find("score").textContent = scoreOf(model);
  find("score").hidden = !find("score").textContent;
}

function remembered(value) {
  try {
    if (value) localStorage.setItem("language", value);
    return localStorage.getItem("language");
  } catch { return value; }  // storage may be forbidden
}

function showModel() {
  for (const key of ["name", "runtime"]) { find(key).textContent = model[key]; find(key).hidden = false; }
  const labels = model.labels?.length ? model.labels : model.answers ?? [];
  find("labels").hidden = !labels.length;
  find("labels").firstElementChild.dataset.word = headOf(model);
  const rest = labels.length - MOST_LABELS;
  find("label-list").replaceChildren(...labels.slice(0, MOST_LABELS).map((label) => element("li", { title: label }, label)),
    ...(rest > 0 ? [said("li", "more", { class: "rest" }, { n: rest })] : []));
  const fields = Object.entries(model.fields);
  const [[name, field]] = fields;
  const widget = fields.length === 1 && widgets[field.kind];
  if (widget) widget.mount(find("inputs"), field, (value) => add({ [name]: value }));
  else mountForm(find("inputs"), model.fields, add);
}

function add(inputs) {
  const [value] = Object.values(inputs);
  const title = value?.name || word("example-n", { n: ++count });
  const body = element("div", { class: "body" }, element("p", { class: "file" }, title), said("p", "waiting", { class: "wait" }));
  const pictures = element("div", { class: "pictures" }, ...originals(inputs, model.fields));
  const close = element("button", { type: "button", class: "quiet close", "data-label": "remove", onclick: () => { card.remove(); arrange(); } }, "×");
  const card = element("article", { class: "card", "aria-label": title }, element("div", {}, pictures), body, close);
  find("results").prepend(card);
  arrange();
  const request = requestOf(inputs, model.fields);
  waiting.push(async () => show(title, { card, body, pictures }, request, await ask(request)));
  next();
}

function arrange() {
  const some = find("results").childElementCount > 0;
  find("tools").hidden = !some;
  document.body.classList.toggle("has-answers", some);
}

async function next() {
  if (running >= AT_ONCE || !waiting.length) return;
  running += 1;
  try { await waiting.shift()(); } finally { running -= 1; next(); }
}

async function ask(request) {
  const body = await bodyOf(request);
  const begin = performance.now();
  try {
    const response = await fetch("predict?preview=1", { method: "POST", headers: { "Content-Type": request.media }, body });
    const answer = await response.json();
    const parts = [...(response.headers.get("server-timing") ?? "").matchAll(/(\w+);dur=([\d.]+)/g)].map(([, name, value]) => [name, Number(value)]);
    return { answer, ok: response.ok, spent: { ...Object.fromEntries(parts), total: performance.now() - begin } };
  } catch {
    return { answer: { code: "", detail: word("unreachable"), fix: "" }, ok: false, spent: null };
  }
}

function show(title, { card, body, pictures }, request, { answer, ok, spent }) {
  const file = body.firstChild;
  if (!ok) {
    card.classList.add("failed");
    body.replaceChildren(file, problem(answer));
    find("live").textContent = `${title}: ${answer.detail}`;
  } else {
    const { seen, ...prediction } = answer.predictions[0];
    body.replaceChildren(file, ...answered(prediction, model), split(spent));
    showSeen(pictures, seen ?? {});
    answer.predictions[0] = prediction;
    find("live").textContent = spoken(prediction, title);
  }
  card.append(code(request, answer));
}

function showSeen(pictures, seen) {
  const notes = new Set();
  for (const [name, text] of Object.entries(seen)) {
    const widget = widgets[model.inputs[name].type];
    if (!text) continue;
    pictures.append(named(widget ? widget.seen(text) : figure("seen", chips(text, " · ")), name, model.inputs));
    notes.add(widget?.note ?? "seen-table");
  }
  pictures.after(...[...notes].map((note) => said("p", note, { class: "note" })));
}

function problem(answer) {
  return element("div", { class: "problem", role: "alert" }, element("p", {}, element("b", {}, answer.detail)),
    answer.fix ? element("p", {}, answer.fix) : null, answer.code ? element("code", {}, `${answer.status ?? ""} ${answer.code}`) : null);
}

function split(spent) {
  const strip = element("div", { class: "split", "aria-hidden": "true" });
  const rows = element("dl");
  for (const part of PARTS.filter((name) => spent[name] != null)) {
    const piece = element("i", { class: part });
    piece.style.flexGrow = spent[part];
    strip.append(piece);
    rows.append(element("div", {}, element("dt", {}, element("i", { class: part, "aria-hidden": "true" }), said("span", part)), element("dd", {}, milliseconds(spent[part]))));
  }
  rows.append(element("div", { class: "total" }, said("dt", "total"), element("dd", {}, milliseconds(spent.total))));
  return element("div", { class: "times" }, strip, rows);
}

find("clear").addEventListener("click", () => { find("results").replaceChildren(); arrange(); });
find("language").addEventListener("click", () => { page.language = page.language === "en" ? "zh" : "en"; remembered(page.language); speakAgain(); });
const get = async (path) => (await fetch(path)).json();
[page.words, model] = await Promise.all([get("words.json"), get("model")]);
page.language = page.words[remembered()] ? remembered() : page.language;
showModel();
speakAgain();
