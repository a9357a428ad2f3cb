// What was answered of one target of one picture, decoded, and classes of pixels read from it.
//
// A *label* is a class id, or for classes that may overlap (multilabel) a set of them, bit n for place n.

import { bytesOf } from "./api.js";
import { readGrey } from "./png.js";
import { touched } from "./state.js";

/** Classes that may overlap are kept as bits of a 32-bit number, whose last is its sign. */
const MOST_OVERLAPPING = 31;

/** Decodes an answer's target. Gives `{task, width, height, mask, planes, ids, uncertainty, values, truth}`. */
export async function readLayers(answer, name) {
  const found = answer.targets[name];
  const { width, height } = answer;
  const layers = { task: found.task, width, height, mask: null, planes: [], ids: [], uncertainty: null, values: null, truth: null };
  const grey = async (text) => (await readGrey(bytesOf(text))).data;
  if (found.uncertainty) layers.uncertainty = await grey(found.uncertainty);
  if (found.values) {
    const { png16, low, high, unit } = found.values;
    layers.values = { data: await grey(png16), low, high, unit: unit || "" };
  }
  if (found.mask) layers.mask = Array.isArray(found.mask) ? await overlapping(found.mask, grey) : await grey(found.mask);
  if (found.probabilities) {
    layers.ids = found.probabilities.classes;
    layers.planes = await Promise.all(found.probabilities.png.map(grey));
  }
  return layers;
}

async function overlapping(texts, grey) {
  if (texts.length > MOST_OVERLAPPING) throw new Error(`This page shows at most ${MOST_OVERLAPPING} overlapping classes.`);
  const planes = await Promise.all(texts.map(grey));
  const bits = new Int32Array(planes[0].length);
  planes.forEach((plane, place) => {
    for (let i = 0; i < bits.length; i++) if (plane[i]) bits[i] |= 1 << place;
  });
  return bits;
}

/** The probability of a class in a pixel, from 0 to 1; of the background of a binary target what is left. */
export function probabilityAt(layers, id, i) {
  const place = layers.ids.indexOf(id);
  return place < 0 ? NaN : layers.planes[place][i] / 255;
}

/**
 * A reader of labels: `row(out, from, base, xs, first, last)` puts those of pixels `base + xs[c]` into
 * `out[from + c]`, and `at(i)` gives one. What was corrected by hand comes first; then the model's own mask, which
 * has had all its steps; then, where a threshold was moved, probabilities beside it.
 */
export function labelsOf(layers, settings, edited) {
  const array = edited || (touched(settings) && layers.planes.length ? null : layers.mask);
  if (array) return reader((i) => array[i]);
  if (layers.task === "multiclass") return reader(exclusive(layers, settings));
  const cuts = layers.ids.map((id) => 255 * settings.classes.find((one) => one.id === id).threshold);
  if (layers.task === "binary") {
    const [plane, cut, id] = [layers.planes[0], cuts[0], layers.ids[0]];
    return reader((i) => (plane[i] > cut ? id : 0));
  }
  return reader((i) => {
    let bits = 0;
    for (let place = 0; place < cuts.length; place++) if (layers.planes[place][i] > cuts[place]) bits |= 1 << place;
    return bits;
  });
}

// Of exclusive classes the one wins whose probability times (1 − threshold) / threshold is highest.
function exclusive(layers, settings) {
  const odds = layers.ids.map((id) => {
    const cut = settings.classes.find((one) => one.id === id)?.threshold ?? settings.rest;
    return (1 - cut) / cut;
  });
  const { planes, ids } = layers;
  return (i) => {
    let best = 0;
    let most = planes[0][i] * odds[0];
    for (let place = 1; place < planes.length; place++) {
      const share = planes[place][i] * odds[place];
      if (share > most) {
        most = share;
        best = place;
      }
    }
    return ids[best];
  };
}

function reader(at) {
  return {
    at,
    row(out, from, base, xs, first, last) {
      for (let column = first; column < last; column++) out[from + column] = at(base + xs[column]);
    },
  };
}

/** All labels, as an array to be changed by hand. */
export function allLabels(layers, settings, edited) {
  const ready = edited || (touched(settings) && layers.planes.length ? null : layers.mask);
  if (ready) return ready.slice();
  const { at } = labelsOf(layers, settings, edited);
  const count = layers.width * layers.height;
  const labels = layers.task === "multilabel" ? new Int32Array(count) : new Uint8Array(count);
  for (let i = 0; i < count; i++) labels[i] = at(i);
  return labels;
}

/** How many pixels each class has, by id. `stopped()` is asked now and then; once it says so, gives null. */
export async function countPixels(layers, settings, edited, stopped) {
  const counts = new Map(settings.classes.map((one) => [one.id, 0]));
  if (layers.task === "binary" && !edited && touched(settings) && layers.planes.length) {
    counts.set(layers.ids[0], above(histogram(layers), 255 * settings.classes[0].threshold));
    return counts;
  }
  const { at } = labelsOf(layers, settings, edited);
  const total = layers.width * layers.height;
  const found = new Map();
  const step = 1 << 21;
  for (let from = 0; from < total; from += step) {
    if (from) await new Promise((resume) => setTimeout(resume));
    if (stopped()) return null;
    const part = new Map();
    let [last, run] = [at(from), 0];
    for (let i = from; i < Math.min(from + step, total); i++) {
      const label = at(i);
      if (label !== last) {
        part.set(last, (part.get(last) || 0) + run);
        [last, run] = [label, 0];
      }
      run++;
    }
    part.set(last, (part.get(last) || 0) + run);
    for (const [label, count] of part) found.set(label, (found.get(label) || 0) + count);
  }
  for (const [label, count] of found) {
    settings.classes.forEach((one, place) => {
      if (layers.task === "multilabel" ? label & (1 << place) : label === one.id) {
        counts.set(one.id, counts.get(one.id) + count);
      }
    });
  }
  return counts;
}

// How often each of 256 probabilities is found: any threshold's area is a sum of these.
function histogram(layers) {
  if (!layers.histogram) {
    layers.histogram = new Float64Array(256);
    for (const value of layers.planes[0]) layers.histogram[value]++;
  }
  return layers.histogram;
}

function above(histogram, cut) {
  let sum = 0;
  for (let value = 0; value < 256; value++) if (value > cut) sum += histogram[value];
  return sum;
}

/** The same layers on a coarser grid, for small pictures; values are those of the pixel in each cell's middle. */
export function shrinkLayers(layers, width, height) {
  const thin = (data) => {
    if (!data) return null;
    const made = new data.constructor(width * height);
    for (let y = 0; y < height; y++) {
      const base = Math.floor(((y + 0.5) * layers.height) / height) * layers.width;
      for (let x = 0; x < width; x++) made[y * width + x] = data[base + Math.floor(((x + 0.5) * layers.width) / width)];
    }
    return made;
  };
  const values = layers.values && { ...layers.values, data: thin(layers.values.data) };
  const planes = layers.planes.map(thin);
  return { ...layers, width, height, mask: thin(layers.mask), planes, values, uncertainty: null, truth: null, histogram: null };
}
