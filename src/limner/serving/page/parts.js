// The files to send for a picture. Models may read several pictures of one sample, such as a background and what is
// composed on it: the pictures of the queue are the last of these; of the others one goes with all, or several go
// together with those of the same name. Samples of a run come with all of theirs.

import * as api from "./api.js";
import { byId, el, plural } from "./dom.js";
import { app, emit, modelFor, modelNamed, on } from "./state.js";

const chosen = new Map();

const partsOf = (model) => {
  const parts = modelNamed(model)?.inputs?.parts || [];
  return parts.length > 1 ? parts : [];
};

/** Inputs for which no picture was chosen yet. */
export const missingParts = () => partsOf(app.model).slice(0, -1).filter((part) => !chosen.has(part));

const stem = (name) => name.replace(/\.[^.]+$/, "");

/** The file that goes with a picture. */
function partner(part, item) {
  const files = chosen.get(part) || [];
  const found = files.length === 1 ? files[0] : files.find((file) => stem(file.name) === stem(item.name));
  if (!found) throw new Error(`No ${part} is called ${stem(item.name)}: give it the name of its picture, or choose a single one for all.`);
  return found;
}

/** The last input of a picture: what is shown. */
export async function fileOf(item) {
  if (!item.file) item.file = await sampleFile(item);
  return item.file;
}

async function sampleFile(item, part) {
  const blob = await api.samplePicture(item.sample.number, part);
  return new File([blob], item.name.replaceAll("/", "_"));
}

/** The files to send for a picture, by field. */
export async function picturesOf(item) {
  const parts = partsOf(modelFor(item));
  if (!parts.length) return { image: await fileOf(item) };
  const files = {};
  for (const part of parts.slice(0, -1)) files[part] = item.sample ? await sampleFile(item, part) : partner(part, item);
  return { ...files, [parts.at(-1)]: await fileOf(item) };
}

/** Under which name a picture is saved: of a sample with its folders, which tell it from others. */
export const savedName = (item) => (item.sample ? item.name.replaceAll("/", "_") : stem(item.name));

function show() {
  const others = partsOf(app.model).slice(0, -1);
  byId("parts").hidden = !others.length || Boolean(app.run && app.items.every((item) => item.sample));
  byId("parts").replaceChildren(
    ...others.map((part) => {
      const change = (event) => {
        const files = [...event.target.files];
        if (!files.length) return;
        chosen.set(part, files);
        note.textContent = files.length === 1 ? "with every picture" : `${plural(files.length, "file")}, by name`;
        emit("parts");
      };
      const note = el("span", { text: "one for all, or several by name" });
      const input = el("input", { type: "file", multiple: true, data: { part }, on: { change } });
      return el("label", { class: "field" }, el("span", {}, `${part}: `, note), input);
    }),
  );
}

on("models model", show);
let own = 0;
on("items", () => {
  const now = app.items.filter((item) => !item.sample).length;
  // The fields hold what was chosen: they are built anew only where pictures come that need them.
  if (Boolean(now) !== Boolean(own)) show();
  own = now;
});
