// The API reference: /openapi.json as a page.
import { element } from "./base.js";
import { addressOf, curl, requestOf } from "./code.js";

const find = (id) => document.getElementById(id);
const [request, answer] = [...find("terms").content.children].map((term) => term.textContent);
const get = async (path) => (await fetch(path)).json();
const [api, { fields }] = await Promise.all([get("openapi.json"), get("model")]);
const resolved = (node) => (node?.$ref ? node.$ref.slice(2).split("/").reduce((place, name) => place[name], api) : node);

// A schema as a value of that form would look: {"label": "cat" | "dog", "confidence": number}
function sketch(schema, indent = "") {
  const known = resolved(schema);
  const inner = `${indent}  `;
  if (known.anyOf) return known.anyOf.map((one) => sketch(one, indent)).join(`\n${indent}| `);
  if (known.enum) return known.enum.slice(0, 6).map((value) => JSON.stringify(value)).join(" | ") + (known.enum.length > 6 ? " | …" : "");
  if (known.type === "array") return known.items ? `[${sketch(known.items, indent)}, …]` : "[…]";
  if (known.additionalProperties?.type) return `{…: ${sketch(known.additionalProperties, inner)}}`;
  const fields = Object.entries(known.properties ?? {});
  if (fields.length) return `{\n${fields.map(([name, field]) => `${inner}${JSON.stringify(name)}: ${sketch(field, inner)}`).join(",\n")}\n${indent}}`;
  if (known.examples) return JSON.stringify(known.examples[0], null, 2);
  if (known.type === "object") return "{…}";
  return [known.type].flat().join(" | ") + (known.contentEncoding ? ` (${known.contentEncoding})` : "") + (known.format ? ` (${known.format})` : "");
}

function contents(title, content, show) {
  return Object.entries(content ?? {}).flatMap(([media, { schema }]) => {
    const shown = show(media, schema);
    return shown === "{…}" ? [] : [element("h3", {}, `${title} · ${media}`), element("pre", {}, shown)];
  });
}

const FILES = { image: ["photo.jpg", "image/jpeg"], audio: ["sound.wav", "audio/wav"], text: ["words.txt", "text/plain"], file: ["value.bin", "application/octet-stream"] };

// A value of a field, to show how it is sent.
function sample({ kind, typical, width, channels, length }) {
  if (kind === "sequence") return Array(length ?? 3).fill(Array(channels).fill(0.5));
  if (kind in FILES && kind !== "text") return new File([], FILES[kind][0], { type: FILES[kind][1] });
  return typical ?? { number: 1.5, boolean: true, date: "2026-01-31", vector: Array(width ?? 0).fill(1.5) }[kind] ?? "some words";
}

// A request to /predict as a command; of the others the form of their body.
function command(path, media, schema) {
  if (path !== "/predict") return sketch(schema);
  const url = addressOf(path);
  const inputs = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, sample(field)]));
  const [name] = FILES[Object.values(fields)[0].kind] ?? [];
  if (media === "application/json") return curl(url, { media, inputs });
  if (media === "multipart/form-data") return `curl ${url} -F file=@${name} -F file=@${name.replace(".", "2.")}`;
  return curl(url, media.endsWith("/*") ? requestOf(inputs, fields) : { media, file: { name } });
}

function way(path, method, operation) {
  const codes = Object.entries(operation.responses).map(([status, response]) => element("span", { class: status < 300 ? "chip good" : "chip", title: resolved(response).description }, status));
  return element("article", { class: "way" }, element("h2", {}, element("b", {}, method.toUpperCase()), path), element("p", {}, operation.summary),
    operation.description ? element("p", {}, operation.description) : null, ...contents(request, operation.requestBody?.content, (media, schema) => command(path, media, schema)),
    ...contents(answer, resolved(operation.responses["200"]).content, (_, schema) => sketch(schema)), element("div", { class: "codes" }, ...codes));
}

find("name").textContent = api.info.title;
find("version").textContent = `flambeau ${api.info.version}`;
find("version").hidden = false;
find("ways").append(...Object.entries(api.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => way(path, method, operation))));
find("ways").append(element("article", { class: "way" }, element("h2", {}, "application/problem+json"), element("pre", {}, sketch({ $ref: "#/components/schemas/Problem" }))));
