// The mask of any picture as the page shows it now: with moved thresholds and corrections.

import { allLabels, readLayers } from "./layers.js";
import { writeGrey } from "./png.js";
import { app, settingsOf, shownTarget, targetNamed, touched } from "./state.js";

/** Whether a picture's mask differs from the model's. */
export function differs(item) {
  const name = shownTarget(item);
  return item.edits.has(name) || touched(settingsOf(item.model, name));
}

/** Whether a picture's target has a mask, and not numbers. */
export function correctable(item) {
  return ["binary", "multiclass", "multilabel"].includes(targetNamed(item.model, shownTarget(item))?.task);
}

/** A picture's mask as grey PNGs: one of class ids, or of classes that may overlap one of 0 and 1 for each. */
export async function masksOf(item) {
  const name = shownTarget(item);
  const { width, height } = item.answer;
  const settings = settingsOf(item.model, name);
  const layers = app.opened?.item === item ? app.opened.targets[name] : await readLayers(item.answer, name);
  const labels = item.edits.get(name) || allLabels(layers, settings, null);
  if (layers.task !== "multilabel") return [await writeGrey(labels, width, height)];
  const files = [];
  for (let place = 0; place < settings.classes.length; place++) {
    const plane = new Uint8Array(labels.length);
    for (let i = 0; i < plane.length; i++) plane[i] = (labels[i] >> place) & 1;
    files.push(await writeGrey(plane, width, height));
  }
  return files;
}
