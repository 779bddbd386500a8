// How a value of each type is given and shown. One entry for each `type` of the signature's inputs:
//   mount(place, word, submit)  puts the controls into `place` and calls submit({name, media, body}) for each value
//   original(value, word)       the value as the person knows it
//   seen(url, shape, word)      what the preprocessing made of it

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "path");
  for (const [name, value] of Object.entries({ viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": "1.5", "aria-hidden": "true" })) svg.setAttribute(name, value);
  for (const [name, value] of Object.entries({ d: path, "stroke-linecap": "round", "stroke-linejoin": "round" })) line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

const PICTURE = "M4 16.500 8.500 12l4 4 2.500-2.500 5 5M14.500 8.500h.01M6 20h12a2 2 0 0 0 2-2V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2Z";

function fileValue(file) {
  return { name: file.name || "image", media: file.type || "application/octet-stream", body: file };
}

function mountImage(place, word, submit) {
  const give = (files) => [...files].forEach((file) => submit(fileValue(file)));
  const input = element("input", { type: "file", accept: "image/*", multiple: true, class: "unseen", id: "choose", tabindex: "-1", "aria-hidden": "true",
    onchange: () => { give(input.files); input.value = ""; } });
  const camera = navigator.mediaDevices?.getUserMedia
    ? element("button", { type: "button", class: "second", "data-word": "camera", onclick: () => takePhoto(word, submit) }, word("camera")) : null;
  const area = element("div", { class: "drop" }, icon(PICTURE),
    element("strong", { "data-word": "drop" }, word("drop")), element("p", { "data-word": "drop-hint" }, word("drop-hint")),
    element("div", { class: "actions" }, element("button", { type: "button", "data-word": "choose", onclick: () => input.click() }, word("choose")), camera), input);
  let depth = 0;
  const over = (change) => { depth = Math.max(0, depth + change); area.classList.toggle("over", depth > 0); };
  addEventListener("dragenter", (event) => { event.preventDefault(); over(1); });
  addEventListener("dragleave", () => over(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => { event.preventDefault(); depth = 0; over(0); give(event.dataTransfer.files); });
  addEventListener("paste", (event) => give(event.clipboardData.files));
  place.replaceChildren(area);
}

async function takePhoto(word, submit) {
  const video = element("video", { autoplay: true, playsinline: true, muted: true });
  const problem = element("p");
  const take = element("button", { type: "button", onclick: () => {
    const canvas = element("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => { submit({ name: "camera.jpg", media: "image/jpeg", body: blob }); dialog.close(); }, "image/jpeg", 0.95);
  } }, word("take"));
  const dialog = element("dialog", { "aria-label": word("camera") }, video, problem,
    element("div", { class: "actions" }, element("button", { type: "button", class: "second", onclick: () => dialog.close() }, word("cancel")), take));
  let stream = null;
  dialog.addEventListener("close", () => { stream?.getTracks().forEach((track) => track.stop()); dialog.remove(); });
  document.body.append(dialog);
  dialog.showModal();
  take.disabled = true;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    if (!dialog.open) { stream.getTracks().forEach((track) => track.stop()); return; }
    video.srcObject = stream;
    await video.play();
    take.disabled = false;
  } catch {
    video.remove();
    problem.textContent = word("camera-failed");
  }
}

function picture(url, alt, word) {
  const frame = element("div", { class: "frame" });
  const image = element("img", { src: url, alt, onerror: () => frame.replaceChildren(word("no-picture")), onload: () => image.classList.toggle("small", image.naturalWidth < 184) });
  frame.append(image);
  return frame;
}

function originalImage(value, word) {
  const url = URL.createObjectURL(value.body);
  const frame = picture(url, word("original"), word);
  const size = element("span");
  frame.firstChild?.addEventListener("load", (event) => { size.textContent = `${event.target.naturalWidth} × ${event.target.naturalHeight}`; URL.revokeObjectURL(url); });
  return element("figure", {}, frame, element("figcaption", {}, element("b", { "data-word": "original" }, word("original")), size));
}

function seenImage(url, word) {
  const frame = picture(url, word("seen"), word);
  const size = element("span");
  frame.firstChild?.addEventListener("load", (event) => { size.textContent = `${event.target.naturalWidth} × ${event.target.naturalHeight}`; });
  return element("figure", {}, frame, element("figcaption", {}, element("b", { "data-word": "seen" }, word("seen")), size));
}

export const widgets = { image: { mount: mountImage, original: originalImage, seen: seenImage, note: "seen-note" } };
