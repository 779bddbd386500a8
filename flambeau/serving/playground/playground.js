// The playground: gives values to POST /predict and shows what comes back. All text from elsewhere is set as text, never as HTML.
import { element, widgets } from "/widgets.js";

const PARTS = ["decode", "queue", "model"];
const SHOWN = 5;
const AT_ONCE = 4;
const find = (id) => document.getElementById(id);

let words = {};
let language = document.documentElement.lang;
let model = null;
const waiting = [];
let running = 0;

const word = (key, facts = {}) => (words[language]?.[key] ?? "").replace(/\{(\w+)\}/g, (whole, name) => facts[name] ?? whole);
const percent = (share) => (share > 0 && share < 0.001 ? "<0.1%" : `${(100 * share).toFixed(1)}%`);
const milliseconds = (time) => `${time >= 100 ? time.toFixed(0) : time >= 10 ? time.toFixed(1) : time.toFixed(2)} ms`;

function speak() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = word(place.dataset.word, place.dataset);
  document.title = `${model?.name ?? "flambeau"} · ${word("title")}`;
  showScore();
}

function remembered(value) {
  try {
    if (value) localStorage.setItem("language", value);
    return localStorage.getItem("language");
  } catch { return value; }  // storage may be forbidden
}

function showScore() {
  const accuracy = model?.test?.accuracy;
  find("score").hidden = accuracy?.value == null;
  if (accuracy?.value == null) return;
  const hundredths = (share) => (100 * share).toFixed(1);
  find("score").textContent = word("score", { value: percent(accuracy.value), low: hundredths(accuracy.low), high: hundredths(accuracy.high), n: accuracy.n });
}

function showModel() {
  find("name").textContent = model.name;
  find("runtime").textContent = model.runtime;
  find("runtime").hidden = false;
  const labels = model.labels ?? [];
  find("labels").hidden = !labels.length;
  const rest = labels.length - 40;
  find("label-list").replaceChildren(...labels.slice(0, 40).map((label) => element("li", { title: label }, label)),
    ...(rest > 0 ? [element("li", { class: "rest", "data-word": "more", "data-n": rest }, word("more", { n: rest }))] : []));
  const inputs = Object.entries(model.inputs);
  const widget = inputs.length === 1 && widgets[inputs[0][1].type];
  if (widget) widget.mount(find("inputs"), word, (value) => add(value, inputs[0][0], widget));
  else find("inputs").replaceChildren(element("p", { class: "drop", "data-word": "no-widget", "data-fields": inputs.map(([name]) => name).join(", ") }));
}

function add(value, input, widget) {
  const body = element("div", { class: "body" }, element("p", { class: "file" }, value.name), element("p", { class: "wait", "data-word": "waiting" }, word("waiting")));
  const pictures = element("div", { class: "pictures" }, widget.original(value, word));
  const close = element("button", { type: "button", class: "quiet close", "aria-label": word("remove"), onclick: () => { card.remove(); arrange(); } }, "×");
  const card = element("article", { class: "card", "aria-label": value.name }, element("div", {}, pictures), body, close);
  find("results").prepend(card);
  arrange();
  waiting.push(async () => show(card, body, pictures, value, input, widget, await ask(value)));
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

async function ask(value) {
  const begin = performance.now();
  try {
    const response = await fetch("/predict?preview=1", { method: "POST", headers: { "Content-Type": value.media }, body: value.body });
    const answer = await response.json();
    return { answer, ok: response.ok, times: times(response.headers.get("server-timing") ?? "", performance.now() - begin) };
  } catch {
    return { answer: { code: "", detail: word("unreachable"), fix: "" }, ok: false, times: null };
  }
}

function times(header, total) {
  const found = Object.fromEntries([...header.matchAll(/(\w+);dur=([\d.]+)/g)].map(([, name, value]) => [name, Number(value)]));
  return { ...found, total };
}

function show(card, body, pictures, value, input, widget, { answer, ok, times: spent }) {
  const file = body.firstChild;
  if (!ok) {
    card.classList.add("failed");
    body.replaceChildren(file, problem(answer));
    find("live").textContent = `${value.name}: ${answer.detail}`;
  } else {
    const { seen, ...prediction } = answer.predictions[0];
    body.replaceChildren(file, verdict(prediction), ...bars(prediction), ...(spent ? [split(spent)] : []));
    if (seen?.[input]) {
      pictures.append(widget.seen(seen[input], word));
      pictures.after(element("p", { class: "note", "data-word": widget.note }, word(widget.note)));
    }
    answer.predictions[0] = prediction;
    find("live").textContent = word("spoken", { name: value.name, label: prediction.label, confidence: percent(prediction.confidence) });
  }
  card.append(code(value, answer));
}

function problem(answer) {
  return element("div", { class: "problem", role: "alert" }, element("p", {}, element("b", {}, answer.detail)),
    answer.fix ? element("p", {}, answer.fix) : null, answer.code ? element("code", {}, `${answer.status ?? ""} ${answer.code}`) : null);
}

function verdict(prediction) {
  return element("div", { class: "verdict" }, element("h3", {}, prediction.label), element("span", {}, percent(prediction.confidence)));
}

function bars(prediction) {
  const all = Object.entries(prediction.probabilities);
  all.sort(([, one], [, other]) => other - one);  // an object puts keys that are numbers first
  const list = element("ul", { class: "bars" });
  const fill = (rows) => list.replaceChildren(...rows.map(([label, share]) => {
    const filled = element("div", { class: "fill" });
    filled.style.width = `${100 * share}%`;
    return element("li", { class: label === prediction.label ? "best" : "" }, element("span", { class: "label", title: label }, label),
      element("div", { class: "track", "aria-hidden": "true" }, filled), element("span", { class: "share" }, percent(share)));
  }));
  fill(all.slice(0, SHOWN));
  if (all.length <= SHOWN) return [list];
  const more = element("button", { type: "button", class: "quiet more", "aria-expanded": "false", "data-word": "show-all", "data-n": all.length, onclick: () => {
    const open = more.getAttribute("aria-expanded") === "false";
    more.setAttribute("aria-expanded", open);
    more.dataset.word = open ? "show-fewer" : "show-all";
    more.textContent = word(more.dataset.word, more.dataset);
    fill(open ? all : all.slice(0, SHOWN));
  } }, word("show-all", { n: all.length }));
  return [list, more];
}

function split(spent) {
  const strip = element("div", { class: "split", "aria-hidden": "true" });
  const rows = element("dl");
  for (const part of PARTS.filter((name) => spent[name] != null)) {
    const piece = element("i", { class: part });
    piece.style.flexGrow = spent[part];
    strip.append(piece);
    rows.append(element("div", {}, element("dt", {}, element("i", { class: part, "aria-hidden": "true" }), element("span", { "data-word": part }, word(part))),
      element("dd", {}, milliseconds(spent[part]))));
  }
  rows.append(element("div", { class: "total" }, element("dt", { "data-word": "total" }, word("total")), element("dd", {}, milliseconds(spent.total))));
  return element("div", { class: "times" }, strip, rows);
}

function snippets(value, answer) {
  const url = `${location.origin}/predict`;
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const [name, media] = [JSON.stringify(value.name), JSON.stringify(value.media)];
  return {
    curl: `curl ${url} \\\n  -H ${quoted(`Content-Type: ${value.media}`)} \\\n  --data-binary ${quoted(`@${value.name}`)}`,
    Python: `import json\nfrom pathlib import Path\nfrom urllib.request import Request, urlopen\n\nrequest = Request(${JSON.stringify(url)}, Path(${name}).read_bytes(), {"Content-Type": ${media}})\nprint(json.load(urlopen(request)))`,
    JavaScript: `import { readFile } from "node:fs/promises";\n\nconst response = await fetch(${JSON.stringify(url)}, {\n  method: "POST",\n  headers: { "Content-Type": ${media} },\n  body: await readFile(${name}),\n});\nconsole.log(await response.json());`,
    JSON: JSON.stringify(answer, null, 2),
  };
}

function code(value, answer) {
  const texts = snippets(value, answer);
  const shown = element("pre", { role: "tabpanel", tabindex: "0" });
  const tabs = Object.keys(texts).map((name) => element("button", { type: "button", class: "quiet", role: "tab", onclick: () => choose(name) }, name));
  const choose = (name) => {
    shown.textContent = texts[name];
    tabs.forEach((tab) => { const on = tab.textContent === name; tab.setAttribute("aria-selected", on); tab.tabIndex = on ? 0 : -1; });
  };
  const turn = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const tab = tabs.at((tabs.indexOf(document.activeElement) + step) % tabs.length);
    choose(tab.textContent);
    tab.focus();
  };
  const copy = element("button", { type: "button", class: "quiet copy", "data-word": "copy", onclick: () => copied(copy, shown) }, word("copy"));
  choose("curl");
  return element("details", { class: "code" }, element("summary", { "data-word": "code" }, word("code")),
    element("div", { class: "tabs" }, element("div", { role: "tablist", onkeydown: turn }, ...tabs), copy), shown);
}

async function copied(button, shown) {
  try { await navigator.clipboard.writeText(shown.textContent); } catch { getSelection().selectAllChildren(shown); return; }
  button.textContent = word("copied");
  setTimeout(() => { button.textContent = word("copy"); }, 1500);
}

find("clear").addEventListener("click", () => { find("results").replaceChildren(); arrange(); });
find("language").addEventListener("click", () => { language = language === "en" ? "zh" : "en"; remembered(language); speak(); });
const get = async (path) => (await fetch(path)).json();
[words, model] = await Promise.all([get("/words.json"), get("/model")]);
language = words[remembered()] ? remembered() : language;
showModel();
speak();
