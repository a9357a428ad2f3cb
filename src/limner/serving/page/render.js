// Draws what was answered over a picture. Labels are read for the points of the screen alone, so that
// a redraw costs what is seen and not what the picture has: 8,000×8,000 pixels answer a slider as 80×80 do.

import { packed, rgbOf, table } from "./colors.js";
import { labelsOf } from "./layers.js";
import { errorOf, ERRORS } from "./truth.js";

const scratch = new OffscreenCanvas(1, 1);
let kept = { size: 0, labels: null };

/** Which pixel columns or rows the points of a pane see: `{places, first, last}`; points outside lie beyond these. */
function seen(points, size, center, scale, cell) {
  const places = new Int32Array(points);
  let [first, last] = [points, 0];
  for (let n = 0; n < points; n++) {
    const place = Math.floor(center + ((n + 0.5) * cell - (points * cell) / 2) / scale);
    places[n] = place;
    if (place >= 0 && place < size) {
      first = Math.min(first, n);
      last = n + 1;
    }
  }
  return { places, first: Math.min(first, last), last };
}

/**
 * Draws one layer of a target into a pane.
 *
 * `pane` is `{left, top, width, height}` in points of the canvas, `camera` `{x, y, scale}`: the picture's point in the
 * middle of the pane, and points of the canvas per pixel. `from` is the share of the pane's width left undrawn; `drawn`
 * the class that is drawn in, which lies over all others and is always shown.
 */
export function drawLayer(context, pane, camera, { layers, settings, edited, look, shownClass, drawn = null, density, from = 0 }) {
  const cell = density >= 1.5 ? 2 : 1;
  const [columns, lines] = [Math.ceil(pane.width / cell), Math.ceil(pane.height / cell)];
  const across = seen(columns, layers.width, camera.x, camera.scale, cell);
  const down = seen(lines, layers.height, camera.y, camera.scale, cell);
  across.first = Math.max(across.first, Math.min(Math.ceil(from * columns), across.last));
  if (across.first >= across.last || down.first >= down.last) return;
  const image = new ImageData(columns, lines);
  const out = new Uint32Array(image.data.buffer);
  const grid = { across, down, columns, lines, width: layers.width };
  const { truth } = layers;
  if (look.layer === "mask") {
    drawLabels(out, grid, layers, settings, edited, look, drawn, density / cell);
    if (truth?.labels && look.truth) drawTrueLine(out, grid, layers, density / cell);
  } else if (look.layer === "truth" && truth?.labels) {
    drawLabels(out, grid, layers, settings, truth.labels, look, null, density / cell);
  } else if (look.layer === "errors" && truth?.labels) drawErrors(out, grid, layers, settings, edited, look.mapCover);
  else drawNumbers(out, grid, numbersOf(layers, look.layer, shownClass), look.mapCover);
  if (scratch.width < columns || scratch.height < lines) {
    scratch.width = Math.max(scratch.width, columns);
    scratch.height = Math.max(scratch.height, lines);
  }
  scratch.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(scratch, 0, 0, columns, lines, pane.left, pane.top, columns * cell, lines * cell);
}

/** The numbers of a layer: `{data, most, map}`; null where it has none. */
export function numbersOf(layers, layer, shownClass) {
  if (layer === "truth" && layers.truth?.values) return { data: layers.truth.values.data, most: 65535, map: "viridis" };
  if (layer === "errors" && layers.truth?.errors) return { data: layers.truth.errors.data, most: 65535, map: "magma" };
  if (layer === "values" && layers.values) return { data: layers.values.data, most: 65535, map: "viridis" };
  if (layer === "uncertainty" && layers.uncertainty) return { data: layers.uncertainty, most: 255, map: "magma" };
  const place = Math.max(0, layers.ids.indexOf(shownClass));
  if (layer === "probability" && layers.planes[place]) return { data: layers.planes[place], most: 255, map: "viridis" };
  return null;
}

function drawNumbers(out, { across, down, columns, width }, numbers, cover) {
  if (!numbers) return;
  const colors = Uint32Array.from(table(numbers.map), (color) => packed(color, cover));
  const share = 255 / numbers.most;
  for (let line = down.first; line < down.last; line++) {
    const base = down.places[line] * width;
    for (let column = across.first; column < across.last; column++) {
      out[line * columns + column] = colors[Math.round(numbers.data[base + across.places[column]] * share)];
    }
  }
}

function drawLabels(out, grid, layers, settings, edited, look, drawn, density) {
  const { across, down, columns, lines, width } = grid;
  if (kept.size < columns * lines) kept = { size: columns * lines, labels: new Int32Array(columns * lines) };
  const { labels } = kept;
  const source = labelsOf(layers, settings, edited);
  for (let line = down.first; line < down.last; line++) {
    source.row(labels, line * columns, down.places[line] * width, across.places, across.first, across.last);
  }
  const { fill, line: stroke, edgeOf } = painter(layers, settings, look, drawn);
  // The outline lies inside its class. It ends at the edge of the picture, not of the screen.
  const reach = Math.max(1, Math.round(1.5 * density));
  for (let line = down.first; line < down.last; line++) {
    const above = Math.max(line - reach, down.first) * columns;
    const below = Math.min(line + reach, down.last - 1) * columns;
    for (let column = across.first; column < across.last; column++) {
      const i = line * columns + column;
      const label = labels[i];
      if (label === 0) continue;
      const left = labels[line * columns + Math.max(column - reach, across.first)];
      const right = labels[line * columns + Math.min(column + reach, across.last - 1)];
      const edge = look.outline ? edgeOf(label, left, right, labels[above + column], labels[below + column]) : 0;
      out[i] = edge ? stroke(edge) : fill(label);
    }
  }
}

/** The true outline: dashes of black and white, which are seen on every picture and over every class. */
function drawTrueLine(out, { across, down, columns, width }, { task, truth: { labels } }, density) {
  const reach = Math.max(1, Math.round(density));
  const dash = Math.max(3, Math.round(4 * density));
  const [white, black] = [packed([255, 255, 255], 1), packed([0, 0, 0], 1)];
  for (let line = down.first; line < down.last; line++) {
    const row = down.places[line] * width;
    const above = down.places[Math.max(line - reach, down.first)] * width;
    const below = down.places[Math.min(line + reach, down.last - 1)] * width;
    for (let column = across.first; column < across.last; column++) {
      const place = across.places[column];
      const label = labels[row + place];
      if (label === 0 || (label === 255 && task !== "multilabel")) continue;
      const left = labels[row + across.places[Math.max(column - reach, across.first)]];
      const right = labels[row + across.places[Math.min(column + reach, across.last - 1)]];
      if (left === label && right === label && labels[above + place] === label && labels[below + place] === label) continue;
      out[line * columns + column] = Math.floor((column + line) / dash) % 2 ? white : black;
    }
  }
}

/** Where the mask and the truth differ, in the colours of `ERRORS`; of classes that are shown. */
function drawErrors(out, { across, down, columns, width }, layers, settings, edited, cover) {
  const colors = ERRORS.map(({ color }) => packed(rgbOf(color), cover));
  const { at } = labelsOf(layers, settings, edited);
  const { labels, unknown } = layers.truth;
  const overlapping = layers.task === "multilabel";
  for (let line = down.first; line < down.last; line++) {
    const base = down.places[line] * width;
    for (let column = across.first; column < across.last; column++) {
      const i = base + across.places[column];
      const kind = errorOf(at(i), labels[i], unknown ? unknown[i] : 0, overlapping);
      if (kind >= 0) out[line * columns + column] = colors[kind];
    }
  }
}

/**
 * Colours of labels: `fill(label)`, and `line(edge)` of what `edgeOf(label, …neighbours)` gives, 0 where there is no
 * edge. Classes that may overlap lie over one another in their order. Classes that are switched off have no colour.
 */
function painter(layers, settings, look, drawn) {
  const overlap = layers.task === "multilabel";
  const stack = settings.classes.map((one, place) => ({ ...one, bit: 1 << place, on: one.on || one.id === drawn }));
  stack.sort((one, other) => (one.id === drawn) - (other.id === drawn));
  const shown = stack.filter((one) => one.on);
  const visible = shown.reduce((bits, one) => bits | one.bit, 0);
  const within = (label) => shown.filter((one) => (overlap ? label & one.bit : one.id === label));
  return {
    fill: remembered((label) => (look.fill ? over(within(label), look.cover) : 0)),
    line: remembered((edge) => {
      const top = within(edge).at(-1);
      return top ? packed(rgbOf(top.color), 1) : 0;
    }),
    edgeOf: overlap
      ? (label, left, right, above, below) => label & ~(left & right & above & below) & visible
      : (label, left, right, above, below) => (left !== label || right !== label || above !== label || below !== label ? label : 0),
  };
}

/** Layers of one cover over one another, from the lowest: the colour that is seen, and how much it covers. */
function over(classes, cover) {
  let [color, covered] = [[0, 0, 0], 0];
  for (const one of classes) {
    const all = cover + covered * (1 - cover);
    if (!all) return 0;
    const part = cover / all;
    color = rgbOf(one.color).map((value, n) => value * part + color[n] * (1 - part));
    covered = all;
  }
  return packed(color.map(Math.round), covered);
}

function remembered(find) {
  const known = new Map();
  return (key) => {
    if (!known.has(key)) known.set(key, find(key));
    return known.get(key);
  };
}

/** Draws a layer over a whole small canvas, such as a thumbnail. */
export function drawWhole(canvas, layers, settings, edited, look) {
  const camera = { x: layers.width / 2, y: layers.height / 2, scale: canvas.width / layers.width };
  const pane = { left: 0, top: 0, width: canvas.width, height: canvas.height };
  const layer = layers.values ? "values" : "mask";
  drawLayer(canvas.getContext("2d"), pane, camera, { layers, settings, edited, look: { ...look, layer }, density: 1 });
}
