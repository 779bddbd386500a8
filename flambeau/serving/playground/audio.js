// Sounds: files, or recorded as a WAV of 16 bits, which every server reads.
import { curve, dropPlace, element, figure, filePick, picture, press, said, withDevice, word } from "./base.js";

const WAVES = "M3 12h1.5M7.5 8v8M11 4v16M14.5 9v6M18 6.5v11M21 12h.01";
const LONGEST = 120;
const PLAIN = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };

let count = 0;

// Samples from -1 to 1 -> a WAV file of one channel. Arrays of numbers have the low byte first wherever browsers run, as the format asks.
function wav(chunks, rate) {
  const parts = chunks.map((chunk) => Int16Array.from(chunk, (sample) => Math.round(32767 * Math.max(-1, Math.min(1, sample)))));
  const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const format = Uint32Array.of(16, 0x10001, rate, 2 * rate, 0x100002);  // 1: PCM, 1 channel; 2 bytes a sample, 16 bits
  return new File(["RIFF", Uint32Array.of(36 + size), "WAVEfmt ", format, "data", Uint32Array.of(size), ...parts], `${word("recording")}-${++count}.wav`, { type: "audio/wav" });
}

async function record(give) {
  const clock = element("output", { class: "clock" }, "0.0 s");
  const level = element("meter", { min: 0, max: 1, value: 0, "data-label": "level" });
  const chunks = [];
  let context = null;
  const finish = () => { give(wav(chunks, context.sampleRate)); dialog.close(); };
  const { dialog, go, fail, stream } = await withDevice("record", "stop", { audio: PLAIN }, "microphone-failed", finish, element("div", { class: "recording" }, clock, level));
  if (!stream) return;
  try {
    context = new AudioContext();
    dialog.addEventListener("close", () => context.close());
    await context.audioWorklet.addModule("recorder.js");
    const recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
    let length = 0;
    recorder.port.onmessage = ({ data }) => {
      if (!dialog.open) return;
      chunks.push(data);
      length += data.length;
      go.disabled = false;
      clock.textContent = `${(length / context.sampleRate).toFixed(1)} s`;
      level.value = Math.max(0.9 * level.value, data.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0));
      if (length > LONGEST * context.sampleRate) finish();
    };
    context.createMediaStreamSource(stream).connect(recorder);
  } catch { fail(); }
}

const microphone = (give) => (navigator.mediaDevices?.getUserMedia && window.AudioWorkletNode ? press("record", () => record(give)) : null);

async function draw(file, plot, length) {
  try {
    const sound = await new OfflineAudioContext(1, 1, 44100).decodeAudioData(await file.arrayBuffer());
    plot.replaceChildren(curve(sound.getChannelData(0), -1, 1));
    length.textContent = `${sound.duration.toFixed(2)} s`;
  } catch { plot.replaceChildren(said("span", "no-picture")); }
}

// A player may ask for its address at any time, so it stays as long as the page.
const player = (file) => element("audio", { controls: true, preload: "metadata", src: URL.createObjectURL(file), "aria-label": file.name });

export const audio = {
  mount: (place, field, give) => place.replaceChildren(dropPlace({ picture: WAVES, title: "drop-sounds", hint: "drop-sounds-hint", accept: "audio/*", give, action: microphone(give) })),
  control: (field, id) => filePick(id, "audio/*", (file) => element("span", {}, player(file), element("small", {}, file.name)), microphone),
  original: (file) => {
    const [plot, length] = [element("div", { class: "plot wave" }), element("span")];
    draw(file, plot, length);
    return figure("original", element("div", { class: "sound" }, plot, player(file)), length);
  },
  seen: (url) => picture(url, "seen", "wide ink"),
  note: "seen-audio",
};
