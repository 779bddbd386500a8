// Pictures: dropped, pasted, chosen or taken by the camera.
import { dropPlace, filePick, element, picture, press, withDevice } from "./base.js";

const PICTURE = "M4 16.5 8.5 12l4 4 2.5-2.5 5 5M14.5 8.5h.01M6 20h12a2 2 0 0 0 2-2V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2Z";

const camera = (give) => (navigator.mediaDevices?.getUserMedia ? press("camera", () => takePhoto(give)) : null);

async function takePhoto(give) {
  const video = element("video", { autoplay: true, playsinline: true, muted: true });
  const { dialog, go, fail, stream } = await withDevice("camera", "take", { video: { facingMode: "environment" } }, "camera-failed", () => {
    const canvas = element("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => { give(new File([blob], "camera.jpg", { type: "image/jpeg" })); dialog.close(); }, "image/jpeg", 0.95);
  }, video);
  if (!stream) return;
  try {
    video.srcObject = stream;
    await video.play();
    go.disabled = false;
  } catch { fail(); }
}

export const image = {
  mount: (place, field, give) => place.replaceChildren(dropPlace({ picture: PICTURE, title: "drop", hint: "drop-hint", accept: "image/*", give, action: camera(give) })),
  control: (field, id) => filePick(id, "image/*", (file) => { const shown = element("img", { src: URL.createObjectURL(file), alt: file.name, onload: () => URL.revokeObjectURL(shown.src) }); return shown; }, camera),
  original: (file) => picture(URL.createObjectURL(file), "original"),
  seen: (url) => picture(url, "seen"),
  note: "seen-note",
};
