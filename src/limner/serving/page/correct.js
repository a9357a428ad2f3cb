// Correcting by hand: brush, eraser, polygon, fill, undo; with a snap to the edges that are seen.

import { byId, el, say } from "./dom.js";
import { allLabels } from "./layers.js";
import { lightness } from "./picture.js";
import { alike, changedBox, cut, disc, flood, paste, polygon } from "./shapes.js";
import { app, emit, on } from "./state.js";
import { hand, middle, probe, redraw, scales, shown, toCanvas } from "./view.js";

const KEYS = { v: "move", b: "brush", e: "eraser", p: "polygon", f: "fill" };
/** Points of the page within which a corner of a polygon goes to the strongest edge. */
const CATCH = 8;
const MOST_STEPS = 100;

const state = { paint: null, radius: 8, snap: true, stroke: null, corners: [], cursor: null, done: [], undone: [] };

/** The labels of the shown picture as an array to write into; the model's own until a first change. */
function editable() {
  const target = shown();
  if (!target || !target.layers.mask || target.layers.task === "multilabel") return null;
  return { ...target, labels: target.edited || allLabels(target.layers, target.settings, null) };
}

/** Changes labels by `action(labels, width, height)`, as one step that can be undone. */
function change(action) {
  const target = editable();
  if (!target) return;
  const { width, height } = target.layers;
  const before = target.labels.slice();
  action(target.labels, width, height);
  finish(target, before);
}

function finish(target, before) {
  const { item } = app.opened;
  const { width, height } = target.layers;
  const box = changedBox(before, target.labels, width, height);
  if (!box) return;
  const first = !item.edits.has(target.name);
  item.edits.set(target.name, target.labels);
  item.saved.delete(target.name);
  const step = { name: target.name, box, first, before: cut(before, width, box), after: cut(target.labels, width, box) };
  state.done.push(step);
  if (state.done.length > MOST_STEPS) state.done.shift();
  state.undone = [];
  told();
}

function told() {
  byId("undo").disabled = !state.done.length;
  byId("redo").disabled = !state.undone.length;
  emit("mask");
  emit("item", app.opened.item);
}

/** Takes the last step back, or with `forward` does it again. */
function step(forward) {
  const [from, to] = forward ? [state.undone, state.done] : [state.done, state.undone];
  const last = from.pop();
  if (!last || !app.opened) return;
  const { item, targets } = app.opened;
  const { width } = targets[last.name];
  let labels = item.edits.get(last.name);
  if (!labels) {
    labels = last.labels;
    item.edits.set(last.name, labels);
  }
  paste(labels, width, last.box, forward ? last.after : last.before);
  item.saved.delete(last.name);
  if (!forward && last.first) {
    // As before the first change: the model's mask again, which follows the sliders.
    last.labels = labels;
    item.edits.delete(last.name);
  }
  to.push(last);
  told();
}

function paintLabel() {
  return app.tool === "eraser" ? 0 : state.paint;
}

/** Draws one dab; with the snap only on what looks like the pixel under its middle and is joined to it. */
function dab(target, { x, y }) {
  const { layers, labels } = target;
  const label = paintLabel();
  const radius = state.radius;
  let like = null;
  const reach = Math.ceil(radius);
  const [left, top, side] = [Math.floor(x) - reach, Math.floor(y) - reach, 2 * reach + 1];
  if (state.snap && radius >= 3 && app.opened.bitmap) like = alike(lightness(app.opened, left, top, side, side), side, side);
  disc(x, y, radius, layers.width, layers.height, (i, column, row) => {
    if (!like || like[(row - top) * side + column - left]) labels[i] = label;
  });
}

function stroke(kind, point) {
  if (kind === "down") {
    const target = editable();
    if (!target) return;
    state.stroke = { target, before: target.labels.slice(), last: point };
    app.opened.item.edits.set(target.name, target.labels);
    state.stroke.first = !target.edited;
    dab(target, point);
  } else if (state.stroke && kind === "move") {
    const { target, last } = state.stroke;
    const steps = Math.max(1, Math.ceil(Math.hypot(point.x - last.x, point.y - last.y) / Math.max(1, state.radius / 3)));
    for (let n = 1; n <= steps; n++) {
      dab(target, { x: last.x + ((point.x - last.x) * n) / steps, y: last.y + ((point.y - last.y) * n) / steps });
    }
    state.stroke.last = point;
  } else if (state.stroke) {
    const { target, before, first } = state.stroke;
    state.stroke = null;
    if (first) app.opened.item.edits.delete(target.name);
    if (kind === "cancel") paste(target.labels, target.layers.width, whole(target.layers), before);
    else finish(target, before);
  }
  redraw();
}

const whole = ({ width, height }) => ({ left: 0, top: 0, right: width, bottom: height });

/** The strongest edge near a point, by the central difference of lightness; the point itself where there is none. */
function nearEdge(point) {
  if (!state.snap || !app.opened.bitmap) return point;
  const { perPixel, density } = scales();
  const reach = Math.max(2, Math.min(24, Math.round((CATCH * density) / perPixel)));
  const [left, top, side] = [Math.floor(point.x) - reach - 1, Math.floor(point.y) - reach - 1, 2 * reach + 3];
  const grey = lightness(app.opened, left, top, side, side);
  let best = { strength: 24, x: point.x, y: point.y };
  for (let y = 1; y < side - 1; y++) {
    for (let x = 1; x < side - 1; x++) {
      const i = y * side + x;
      const far = Math.hypot(x - reach - 1, y - reach - 1) / reach;
      if (far > 1) continue;
      const slope = Math.hypot(grey[i + 1] - grey[i - 1], grey[i + side] - grey[i - side]);
      const strength = slope * (1 - far / 2);
      if (strength > best.strength) best = { strength, x: left + x + 0.5, y: top + y + 0.5 };
    }
  }
  return { x: best.x, y: best.y };
}

function corner(point) {
  const { perPixel, density } = scales();
  const [first] = state.corners;
  const near = first && Math.hypot(point.x - first.x, point.y - first.y) * perPixel < CATCH * density;
  if (near && state.corners.length > 2) closePolygon();
  else state.corners.push(nearEdge(point));
  redraw();
}

function closePolygon() {
  const corners = state.corners;
  state.corners = [];
  if (corners.length > 2) {
    change((labels, width, height) => polygon(corners, width, height, (i) => (labels[i] = state.paint)));
  }
  redraw();
}

function fill(point) {
  const { width, height } = app.opened;
  const [x, y] = [Math.floor(point.x), Math.floor(point.y)];
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  change((labels) => flood(labels, width, height, y * width + x, state.paint));
}

hand.pointer = (kind, point, event) => {
  state.cursor = point;
  if (app.tool === "brush" || app.tool === "eraser") stroke(kind, point);
  else if (app.tool === "polygon" && kind === "down") {
    if (event.detail > 1) closePolygon();
    else corner(point);
  } else if (app.tool === "fill" && kind === "down") fill(point);
  if (app.tool !== "move") redraw();
};

// With the keyboard alone: arrows move the tool, Space uses it, Enter closes a polygon.
hand.key = (event, arrow) => {
  if (app.tool === "move") return false;
  state.cursor ||= middle();
  if (arrow) {
    const size = (event.shiftKey ? 32 : 4) * Math.max(1, scales().density / scales().perPixel);
    state.cursor = {
      x: Math.min(Math.max(state.cursor.x + arrow[0] * size, 0), app.opened.width - 1),
      y: Math.min(Math.max(state.cursor.y + arrow[1] * size, 0), app.opened.height - 1),
    };
    probe(state.cursor);
  } else if (event.key === " ") {
    if (app.tool === "polygon") corner(state.cursor);
    else if (app.tool === "fill") fill(state.cursor);
    else {
      stroke("down", state.cursor);
      stroke("up", state.cursor);
    }
  } else if (event.key === "Enter" && app.tool === "polygon") closePolygon();
  else if (event.key === "Escape" && state.corners.length) state.corners = [];
  else if (event.key === "Backspace" && state.corners.length) state.corners.pop();
  else return false;
  redraw();
  return true;
};

hand.draw = (context) => {
  if (app.tool === "move" || !editable()) return;
  const { perPixel, density } = scales();
  const twice = (path) => {
    for (const [color, width] of [["#000", 3], ["#fff", 1.25]]) {
      context.strokeStyle = color;
      context.lineWidth = width * density;
      context.beginPath();
      path();
      context.stroke();
    }
  };
  if (state.corners.length) {
    twice(() => {
      for (const point of state.corners) context.lineTo(...toCanvas(point.x, point.y));
      if (state.cursor) context.lineTo(...toCanvas(state.cursor.x, state.cursor.y));
    });
    for (const point of state.corners) {
      twice(() => context.arc(...toCanvas(point.x, point.y), 3 * density, 0, 2 * Math.PI));
    }
  }
  if (!state.cursor) return;
  const [x, y] = toCanvas(state.cursor.x, state.cursor.y);
  const brush = app.tool === "brush" || app.tool === "eraser";
  const radius = brush ? Math.max(state.radius * perPixel, 2 * density) : 4 * density;
  twice(() => context.arc(x, y, radius, 0, 2 * Math.PI));
};

function useTool(name) {
  if (name !== "move" && !editable()) {
    say(reason(), "error");
    return;
  }
  app.tool = name;
  state.corners = [];
  for (const button of document.querySelectorAll("#tools [data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  }
  byId("canvas").dataset.tool = name;
  if (name !== "move" && app.look.layer !== "mask") {
    app.look.layer = "mask";
    emit("look");
  }
  emit("tool");
  redraw();
}

function reason() {
  const target = shown();
  if (!target) return "Open a picture first.";
  if (target.layers.task === "multilabel") return "Classes that may overlap cannot be corrected here; masks have one class per pixel.";
  return "Numbers such as depth cannot be corrected here.";
}

function setRadius(value) {
  state.radius = Math.min(Math.max(value, 0.5), 200);
  byId("radius").value = String(state.radius);
  byId("radius-value").textContent = `${Math.round(2 * state.radius)} px`;
  redraw();
}

/** Which class is painted with. */
function showPaints() {
  const target = shown();
  const box = byId("paints");
  box.replaceChildren();
  byId("correct").disabled = !editable();
  byId("correct").title = editable() ? "" : reason();
  if (!target || !editable()) {
    closeTools();
    return;
  }
  const ids = target.settings.classes.map((one) => one.id);
  if (!ids.includes(state.paint)) state.paint = ids[0];
  for (const one of target.settings.classes) {
    const swatch = el("span", { class: "swatch" });
    swatch.style.background = one.color;
    const input = el("input", { type: "radio", name: "paint", checked: one.id === state.paint, on: { change: () => (state.paint = one.id) } });
    box.append(el("label", { class: "chip" }, input, swatch, el("span", { text: one.name })));
  }
}

function openTools() {
  byId("tools").hidden = false;
  byId("correct").setAttribute("aria-pressed", "true");
  useTool("brush");
  byId("canvas").focus();
}

function closeTools() {
  byId("tools").hidden = true;
  byId("correct").setAttribute("aria-pressed", "false");
  if (app.tool !== "move") useTool("move");
}

byId("correct").addEventListener("click", () => (byId("tools").hidden ? openTools() : closeTools()));
for (const button of document.querySelectorAll("#tools [data-tool]")) {
  button.addEventListener("click", () => useTool(button.dataset.tool));
}
byId("radius").addEventListener("input", (event) => setRadius(Number(event.target.value)));
byId("snap").addEventListener("change", (event) => (state.snap = event.target.checked));
byId("undo").addEventListener("click", () => step(false));
byId("redo").addEventListener("click", () => step(true));
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input:not([type=range], [type=radio], [type=checkbox]), select, textarea")) return;
  const key = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
    if (byId("tools").hidden) return;
    step(key === "y" || event.shiftKey);
  } else if (event.ctrlKey || event.metaKey || event.altKey || byId("tools").hidden) return;
  else if (KEYS[key]) useTool(KEYS[key]);
  else if (key === "[") setRadius(state.radius / 1.25);
  else if (key === "]") setRadius(state.radius * 1.25);
  else return;
  event.preventDefault();
});
on("opened look", showPaints);
on("opened", () => {
  Object.assign(state, { stroke: null, corners: [], cursor: null, done: [], undone: [] });
  byId("undo").disabled = byId("redo").disabled = true;
});
setRadius(state.radius);
