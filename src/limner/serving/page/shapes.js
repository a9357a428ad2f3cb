// Shapes on a grid of labels. Pure functions; every one gives or takes pixel indices of a `width × height` array.

/** Calls `visit(i, x, y)` for the pixels of a disc. A radius below 1 is one pixel. */
export function disc(cx, cy, radius, width, height, visit) {
  const reach = Math.max(radius, 0.5);
  for (let y = Math.max(0, Math.ceil(cy - 0.5 - reach)); y <= Math.min(height - 1, Math.floor(cy - 0.5 + reach)); y++) {
    for (let x = Math.max(0, Math.ceil(cx - 0.5 - reach)); x <= Math.min(width - 1, Math.floor(cx - 0.5 + reach)); x++) {
      if ((x + 0.5 - cx) ** 2 + (y + 0.5 - cy) ** 2 <= reach * reach) visit(y * width + x, x, y);
    }
  }
}

/** Calls `visit(i)` for pixels whose middle lies inside a polygon `[{x, y}, …]`, by the even-odd rule. */
export function polygon(points, width, height, visit) {
  const low = Math.max(0, Math.floor(Math.min(...points.map((point) => point.y))));
  const high = Math.min(height - 1, Math.ceil(Math.max(...points.map((point) => point.y))));
  for (let y = low; y <= high; y++) {
    const level = y + 0.5;
    const cuts = [];
    points.forEach((a, place) => {
      const b = points[(place + 1) % points.length];
      if (a.y <= level !== b.y <= level) cuts.push(a.x + ((level - a.y) / (b.y - a.y)) * (b.x - a.x));
    });
    cuts.sort((one, other) => one - other);
    for (let pair = 0; pair + 1 < cuts.length; pair += 2) {
      const last = Math.min(width - 1, Math.ceil(cuts[pair + 1] - 0.5) - 1);
      for (let x = Math.max(0, Math.ceil(cuts[pair] - 0.5)); x <= last; x++) visit(y * width + x);
    }
  }
}

/** Gives one label to the pixels of another that hang together with a pixel, by their sides. */
export function flood(labels, width, start, label) {
  const old = labels[start];
  if (old === label) return;
  spread(width, labels.length, start, (i) => labels[i] === old, (i) => (labels[i] = label));
}

/** Calls `take(i)` for the pixels that hang together with one, by their sides, while `free(i)`; taking must end that. */
export function spread(width, count, start, free, take) {
  const stack = [start];
  while (stack.length) {
    const seed = stack.pop();
    if (!free(seed)) continue;
    const row = seed - (seed % width);
    let left = seed;
    while (left > row && free(left - 1)) left--;
    let [above, below] = [false, false];
    for (let i = left; i < row + width && free(i); i++) {
      take(i);
      if (i >= width && free(i - width) !== above) {
        above = !above;
        if (above) stack.push(i - width);
      }
      if (i + width < count && free(i + width) !== below) {
        below = !below;
        if (below) stack.push(i + width);
      }
    }
  }
}

/**
 * Pixels of a grey patch that look like its middle: on the same side of Otsu's threshold (Otsu 1979) and joined to it.
 * Where the patch has no two sides worth telling apart, all of it. Gives a Uint8Array of 0 and 1.
 */
export function alike(grey, width, height) {
  const middle = (height >> 1) * width + (width >> 1);
  const counts = new Float64Array(256);
  for (const value of grey) counts[value]++;
  const { cut, between, spread } = otsu(counts, grey.length);
  const side = new Uint8Array(grey.length);
  // Below this share of explained variance, or of 16 of 256 steps apart, it is texture and no edge.
  if (between < 0.6 * spread || between < 64) return side.fill(1);
  const bright = grey[middle] > cut;
  for (let i = 0; i < grey.length; i++) side[i] = grey[i] > cut === bright ? 1 : 0;
  flood(side, width, middle, 2);
  return side.map((value) => (value === 2 ? 1 : 0));
}

function otsu(counts, total) {
  let [sum, squares] = [0, 0];
  for (let value = 0; value < 256; value++) {
    sum += value * counts[value];
    squares += value * value * counts[value];
  }
  let best = { cut: 0, between: 0 };
  let [below, belowSum] = [0, 0];
  for (let value = 0; value < 255; value++) {
    below += counts[value];
    belowSum += value * counts[value];
    const above = total - below;
    if (!below || !above) continue;
    const gap = belowSum / below - (sum - belowSum) / above;
    const between = (below / total) * (above / total) * gap * gap;
    if (between > best.between) best = { cut: value, between };
  }
  return { ...best, spread: squares / total - (sum / total) ** 2 };
}

/** The box `{left, top, right, bottom}` of the pixels in which two arrays differ; null if in none. */
export function changedBox(before, after, width, height) {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    const row = y * width;
    let x = 0;
    while (x < width && before[row + x] === after[row + x]) x++;
    if (x === width) continue;
    let last = width - 1;
    while (before[row + last] === after[row + last]) last--;
    left = Math.min(left, x);
    right = Math.max(right, last + 1);
    top = Math.min(top, y);
    bottom = y + 1;
  }
  return bottom ? { left, top, right, bottom } : null;
}

/** Copies a box out of an array. */
export function cut(array, width, { left, top, right, bottom }) {
  const part = new array.constructor((right - left) * (bottom - top));
  for (let y = top; y < bottom; y++) part.set(array.subarray(y * width + left, y * width + right), (y - top) * (right - left));
  return part;
}

/** Copies a part back to its box. */
export function paste(array, width, { left, top, right, bottom }, part) {
  const span = right - left;
  for (let y = top; y < bottom; y++) array.set(part.subarray((y - top) * span, (y - top + 1) * span), y * width + left);
}
