// How a value of each modality is given and shown: an entry for each kind of a field.
//   mount(place, field, give)  puts the controls into `place` and calls give(value) for each value
//   control(field, id)         the same as one field of a form: {node, read, set}
//   original(value)            the value as the person knows it
//   seen(text)                 what the preprocessing made of it: a data: URL, or words
//   note                       the word that explains it
import { audio } from "./audio.js";
import { image } from "./image.js";
import { file, json } from "./others.js";
import { sequence } from "./series.js";
import { text } from "./text.js";

export const widgets = { image, audio, text, sequence, file, json };
