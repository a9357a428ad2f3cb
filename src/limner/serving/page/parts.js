// Models that read several pictures of one sample, such as a background and what is composed on it: the pictures of
// the queue are the last of these; the others are chosen once and go with each of them.

import { byId, el } from "./dom.js";
import { app, emit, modelNamed, on } from "./state.js";

const chosen = new Map();

function others() {
  const parts = modelNamed(app.model)?.inputs?.parts || [];
  return parts.length > 1 ? parts.slice(0, -1) : [];
}

/** Inputs for which no picture was chosen yet. */
export const missingParts = () => others().filter((part) => !chosen.has(part));

/** The files to send for a picture, by field. */
export function picturesOf(item) {
  const parts = others();
  if (!parts.length) return { image: item.file };
  const files = Object.fromEntries(parts.map((part) => [part, chosen.get(part)]));
  return { ...files, [modelNamed(app.model).inputs.parts.at(-1)]: item.file };
}

function show() {
  byId("parts").hidden = !others().length;
  byId("parts").replaceChildren(
    ...others().map((part) => {
      const change = (event) => {
        const [file] = event.target.files;
        if (!file) return;
        chosen.set(part, file);
        emit("parts");
      };
      const input = el("input", { type: "file", data: { part }, on: { change } });
      return el("label", { class: "field" }, el("span", { text: `${part}, with every picture` }), input);
    }),
  );
}

on("models model", show);
