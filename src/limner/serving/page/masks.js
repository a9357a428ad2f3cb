// The mask of any picture as the page shows it now: with moved thresholds and corrections.

import { allLabels, readLayers } from "./layers.js";
import { writeGrey } from "./png.js";
import { app, settingsOf, shownTarget, targetNamed, touched } from "./state.js";

/** Whether a picture's mask differs from the model's. */
export function differs(item) {
  const name = shownTarget(item);
  return item.edits.has(name) || touched(settingsOf(item.model, name));
}

/** Whether a picture's target has one class per pixel. */
export function exclusive(item) {
  return ["binary", "multiclass"].includes(targetNamed(item.model, shownTarget(item))?.task);
}

/** Class ids as a grey PNG. */
export async function maskOf(item) {
  const name = shownTarget(item);
  const { width, height } = item.answer;
  const edited = item.edits.get(name);
  if (edited) return writeGrey(edited, width, height);
  const layers = app.opened?.item === item ? app.opened.targets[name] : await readLayers(item.answer, name);
  return writeGrey(allLabels(layers, settingsOf(item.model, name), null), width, height);
}
