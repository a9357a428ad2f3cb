// What drawing does to labels: it gives pixels to a class, or takes them from it. Where classes exclude one another,
// the label is replaced; where they may overlap, the plane of that class alone is changed.

import { flood, spread } from "./shapes.js";

/**
 * A pen for a class of a target: `put(labels, i)` draws one pixel, `fill(labels, width, start)` what hangs together
 * with a pixel. `classes` are those of the settings; `erase` takes instead of gives.
 */
export function penOf(task, classes, id, erase) {
  if (task !== "multilabel") {
    const label = erase ? 0 : id;
    return {
      put: (labels, i) => (labels[i] = label),
      fill: (labels, width, start) => flood(labels, width, start, label),
    };
  }
  const bit = 1 << classes.findIndex((one) => one.id === id);
  const has = (labels, i) => Boolean(labels[i] & bit);
  const put = (labels, i) => (labels[i] = erase ? labels[i] & ~bit : labels[i] | bit);
  return {
    put,
    fill: (labels, width, start) => {
      if (has(labels, start) === !erase) return;
      spread(width, labels.length, start, (i) => has(labels, i) === erase, (i) => put(labels, i));
    },
  };
}

const MOST_STEPS = 100;

/** Steps that can be taken back, of one target of one picture. */
export class History {
  done = [];
  undone = [];

  /** Remembers a step; what was undone before is gone. */
  add(step) {
    this.done.push(step);
    if (this.done.length > MOST_STEPS) this.done.shift();
    this.undone = [];
  }

  /** The step to take back, or with `forward` to do again; null if there is none. */
  take(forward) {
    const [from, to] = forward ? [this.undone, this.done] : [this.done, this.undone];
    const step = from.pop() || null;
    if (step) to.push(step);
    return step;
  }
}
