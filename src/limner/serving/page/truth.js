// What is known of a picture beside what was answered: the mask that an expert drew, or measured numbers.

import { bytesOf } from "./api.js";
import { labelsOf } from "./layers.js";
import { readGrey } from "./png.js";

/** Of masks, a pixel of which nothing is known. */
const UNKNOWN = 255;

/** What the colours of errors mean, as in the report. */
export const ERRORS = [
  { key: "extra", label: "found, but not there", color: "#d627a0" },
  { key: "missed", label: "there, but not found", color: "#ffb000" },
  { key: "other", label: "found as another class", color: "#56b4e9" },
];

/**
 * The truth of a target: `{labels, unknown}` of masks, whose labels are as in `labelsOf` and whose `unknown` are bits of
 * overlapping classes; `{values, errors, most}` of numbers, whose errors and what is unknown among them are beside.
 * Null where there is none, or it is of another size.
 */
export async function readTruth(known, name, layers) {
  const found = known?.targets[name];
  if (!found || found.width !== layers.width || found.height !== layers.height) return null;
  const grey = async (text) => (await readGrey(bytesOf(text))).data;
  if (found.values) return numbers(found.values, layers, grey);
  if (!Array.isArray(found.mask)) return { labels: await grey(found.mask), unknown: null };
  const planes = await Promise.all(found.mask.map(grey));
  const labels = new Int32Array(planes[0].length);
  const unknown = new Int32Array(planes[0].length);
  planes.forEach((plane, place) => {
    for (let i = 0; i < labels.length; i++) {
      if (plane[i] === UNKNOWN) unknown[i] |= 1 << place;
      else if (plane[i]) labels[i] |= 1 << place;
    }
  });
  return { labels, unknown: unknown.some(Boolean) ? unknown : null };
}

/** Numbers of the truth on the scale of the answer's, so that both have the same colours. */
async function numbers({ png16, low, high, unit, known }, layers, grey) {
  const [given, there] = await Promise.all([grey(png16), known ? grey(known) : null]);
  const own = layers.values;
  const data = new Uint16Array(given.length);
  const errors = new Uint16Array(given.length);
  // As in the report: the lightest error is a quarter of the range.
  const most = (own.high - own.low) / 4 || 1;
  let [sum, count] = [0, 0];
  for (let i = 0; i < given.length; i++) {
    if (there && !there[i]) continue;
    const value = low + (given[i] / 65535) * (high - low);
    data[i] = Math.min(65535, Math.max(0, Math.round(((value - own.low) / (own.high - own.low || 1)) * 65535)));
    const error = own.low + (own.data[i] / 65535) * (own.high - own.low) - value;
    errors[i] = Math.min(65535, Math.round((Math.abs(error) / most) * 65535));
    sum += error * error;
    count++;
  }
  return { values: { data, unit, low, high, given, there }, errors: { data: errors, most }, rmse: count ? Math.sqrt(sum / count) : NaN };
}

/** The number that is true in a pixel; NaN where it is not known. */
export function trueValue({ values }, i) {
  return values.there && !values.there[i] ? NaN : values.low + (values.given[i] / 65535) * (values.high - values.low);
}

/** Which of the `ERRORS` a pixel is, by its labels; -1 for none. */
export function errorOf(label, truth, unknown, overlapping) {
  if (overlapping) {
    const [extra, missed] = [label & ~truth & ~unknown, truth & ~label & ~unknown];
    return extra && missed ? 2 : extra ? 0 : missed ? 1 : -1;
  }
  if (label === truth || truth === UNKNOWN) return -1;
  return truth === 0 ? 0 : label === 0 ? 1 : 2;
}

/**
 * Dice of each class by id, as Limner reports it: NaN where neither has the class. `stopped()` is asked now and then;
 * once it says so, gives null.
 */
export async function diceOf(layers, settings, edited, stopped) {
  const { labels, unknown } = layers.truth;
  const { at } = labelsOf(layers, settings, edited);
  const overlapping = layers.task === "multilabel";
  const total = layers.width * layers.height;
  const runs = new Map();
  const step = 1 << 21;
  const count = (label, truth, hidden, length) => {
    const key = `${label},${truth},${hidden}`;
    const entry = runs.get(key) || { label, truth, hidden, length: 0 };
    entry.length += length;
    runs.set(key, entry);
  };
  for (let from = 0; from < total; from += step) {
    if (from) await new Promise((resume) => setTimeout(resume));
    if (stopped()) return null;
    const end = Math.min(from + step, total);
    let [label, truth, hidden, start] = [at(from), labels[from], unknown ? unknown[from] : 0, from];
    for (let i = from + 1; i < end; i++) {
      const next = at(i);
      const hide = unknown ? unknown[i] : 0;
      if (next === label && labels[i] === truth && hide === hidden) continue;
      count(label, truth, hidden, i - start);
      [label, truth, hidden, start] = [next, labels[i], hide, i];
    }
    count(label, truth, hidden, end - start);
  }
  return new Map(
    settings.classes.map((one, place) => {
      const has = (label) => (overlapping ? Boolean(label & (1 << place)) : label === one.id);
      let [both, either] = [0, 0];
      for (const { label, truth, hidden, length } of runs.values()) {
        if (overlapping ? hidden & (1 << place) : truth === UNKNOWN) continue;
        if (has(label) && has(truth)) both += length;
        either += (Number(has(label)) + Number(has(truth))) * length;
      }
      return [one.id, either ? (2 * both) / either : NaN];
    }),
  );
}
