// A request as it is sent, and as somebody would write it: what is shown has to work when it is copied.
import { element, press, said, word } from "./base.js";

const OCTETS = "application/octet-stream";
const JSONS = "application/json";
const isFile = (value) => value instanceof Blob;

// Where the server has a path: beside the page, whatever a proxy has put before both.
export const addressOf = (path) => new URL(`.${path}`, location).href;

// The fields of an example -> {media, and file, text or inputs}: alone as a raw value, together as JSON.
export function requestOf(inputs, fields) {
  const [[name, value], ...rest] = Object.entries(inputs);
  const { kind } = fields[name];
  if (!rest.length && kind === "text") return { media: "text/plain; charset=utf-8", text: value };
  if (!rest.length && isFile(value)) return { media: value.type.startsWith(`${kind}/`) ? value.type : OCTETS, file: value };
  return { media: JSONS, inputs };
}

const base64 = async (file) => btoa(Array.from(new Uint8Array(await file.arrayBuffer()), (byte) => String.fromCharCode(byte)).join(""));

export async function bodyOf({ file, text, inputs }) {
  if (!inputs) return file ?? text;
  const entries = Object.entries(inputs).map(async ([name, value]) => [name, isFile(value) ? await base64(value) : value]);
  return JSON.stringify({ inputs: [Object.fromEntries(await Promise.all(entries))] });
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// A value in the notation of a language; `leaf` writes what is neither list nor object.
function write(value, leaf) {
  if (Array.isArray(value)) return `[${value.map((one) => write(one, leaf)).join(", ")}]`;
  if (isFile(value) || value === null || typeof value !== "object") return leaf(value);
  return `{\n${Object.entries(value).map(([name, one]) => `  ${leaf(name)}: ${write(one, leaf)}`).join(",\n")}\n}`;
}

const inShell = (value) => (isFile(value) ? `"$(base64 < ${quoted(value.name)} | tr -d '\\n')"` : JSON.stringify(value).replace(/[\\$`]/g, "\\$&"));
const inPython = (value) => (isFile(value) ? `b64encode(Path(${JSON.stringify(value.name)}).read_bytes()).decode()` : { true: "True", false: "False", null: "None" }[value] ?? JSON.stringify(value));
const inScript = (value) => (isFile(value) ? `(await readFile(${JSON.stringify(value.name)})).toString("base64")` : JSON.stringify(value));

export function curl(url, { media, file, text, inputs }) {
  const start = `curl ${url} \\\n  -H ${quoted(`Content-Type: ${media}`)} \\\n  `;
  if (file) return `${start}--data-binary ${quoted(`@${file.name}`)}`;
  return inputs ? `${start}--data-binary @- <<END\n{"inputs": [${write(inputs, inShell)}]}\nEND` : `${start}--data-raw ${quoted(text)}`;
}

function python(url, { media, file, text, inputs }) {
  const values = Object.values(inputs ?? {});
  const imports = ["import json", values.some(isFile) && "from base64 import b64encode", (file || values.some(isFile)) && "from pathlib import Path", "from urllib.request import Request, urlopen"];
  const body = file ? `Path(${JSON.stringify(file.name)}).read_bytes()` : inputs ? 'json.dumps({"inputs": inputs}).encode()' : `${JSON.stringify(text)}.encode()`;
  return `${imports.filter(Boolean).join("\n")}\n\n${inputs ? `inputs = [${write(inputs, inPython)}]\n` : ""}request = Request(${JSON.stringify(url)}, ${body}, {"Content-Type": ${JSON.stringify(media)}})\nprint(json.load(urlopen(request)))`;
}

function script(url, { media, file, text, inputs }) {
  const reads = file || Object.values(inputs ?? {}).some(isFile);
  const body = file ? `await readFile(${JSON.stringify(file.name)})` : inputs ? "JSON.stringify({ inputs })" : JSON.stringify(text);
  return `${reads ? 'import { readFile } from "node:fs/promises";\n\n' : ""}${inputs ? `const inputs = [${write(inputs, inScript)}];\n` : ""}const response = await fetch(${JSON.stringify(url)}, {\n  method: "POST",\n  headers: { "Content-Type": ${JSON.stringify(media)} },\n  body: ${body},\n});\nconsole.log(await response.json());`;
}

export function code(request, answer) {
  const url = addressOf("/predict");
  const texts = { curl: () => curl(url, request), Python: () => python(url, request), JavaScript: () => script(url, request), JSON: () => JSON.stringify(answer, null, 2) };
  const shown = element("pre", { role: "tabpanel", tabindex: "0" });
  const tabs = Object.keys(texts).map((name) => element("button", { type: "button", class: "quiet", role: "tab", onclick: () => choose(name) }, name));
  const choose = (name) => {
    shown.textContent = texts[name]();
    for (const tab of tabs) { tab.setAttribute("aria-selected", tab.textContent === name); tab.tabIndex = tab.textContent === name ? 0 : -1; }
  };
  const turn = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const tab = tabs.at((tabs.indexOf(document.activeElement) + step) % tabs.length);
    choose(tab.textContent);
    tab.focus();
  };
  const copy = press("copy", async () => {
    try { await navigator.clipboard.writeText(shown.textContent); } catch { return getSelection().selectAllChildren(shown); }
    copy.textContent = word("copied");
    setTimeout(() => { copy.textContent = word("copy"); }, 1500);
  }, "quiet copy");
  choose("curl");
  return element("details", { class: "code" }, said("summary", "code"),
    element("div", { class: "tabs" }, element("div", { role: "tablist", onkeydown: turn }, ...tabs), copy), shown);
}
