// Correcting by hand: brush, eraser, polygon, fill, undo; with a snap to the edges that are seen.

import { byId, el, plural, say } from "./dom.js";
import { allLabels } from "./layers.js";
import { History, penOf } from "./pens.js";
import { lightness } from "./picture.js";
import { alike, changedBox, cut, disc, paste, polygon } from "./shapes.js";
import { app, emit, on } from "./state.js";
import { hand, middle, probe, redraw, scales, shown, toCanvas } from "./view.js";

const KEYS = { v: "move", b: "brush", e: "eraser", p: "polygon", f: "fill" };
/** Points of the page within which a corner of a polygon goes to the strongest edge. */
const CATCH = 8;

const state = { paint: null, paints: new Map(), radius: 8, snap: true, stroke: null, corners: [], cursor: null, histories: new Map(), of: null };

/** The shown target, if it has a mask. */
function editable() {
  const target = shown();
  return target?.layers.mask ? target : null;
}

/** The same, with its labels as an array to write into; the model's own until a first change. */
function writable() {
  const target = editable();
  return target && { ...target, labels: target.edited || allLabels(target.layers, target.settings, null) };
}

const pen = ({ layers, settings }) => penOf(layers.task, settings.classes, state.paint, app.tool === "eraser");

/** The history of a target of the open picture. */
function historyOf(name) {
  if (!state.histories.has(name)) state.histories.set(name, new History());
  return state.histories.get(name);
}

/** Changes labels by `action(labels, pen, width, height)`, as one step that can be undone. */
export function change(action) {
  const target = writable();
  if (!target) return;
  const { width, height } = target.layers;
  const before = target.labels.slice();
  action(target.labels, pen(target), width, height);
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
  historyOf(target.name).add({ box, first, before: cut(before, width, box), after: cut(target.labels, width, box) });
  told();
}

function told() {
  showSteps();
  emit("mask");
  emit("item", app.opened.item);
}

function showSteps() {
  const target = shown();
  const { done, undone } = target ? historyOf(target.name) : new History();
  byId("undo").disabled = !done.length;
  byId("redo").disabled = !undone.length;
}

/** Takes the last step on the shown target back, or with `forward` does it again. */
function step(forward) {
  const target = shown();
  const last = target && historyOf(target.name).take(forward);
  if (!last) return;
  const { item } = app.opened;
  const labels = item.edits.get(target.name) || last.labels;
  item.edits.set(target.name, labels);
  paste(labels, target.layers.width, last.box, forward ? last.after : last.before);
  item.saved.delete(target.name);
  if (!forward && last.first) {
    // As before the first change: the model's mask again, which follows the sliders.
    last.labels = labels;
    item.edits.delete(target.name);
  }
  say(forward ? "Done again." : "Undone.");
  told();
}

/** Draws one dab; with the snap only on what looks like the pixel under its middle and is joined to it. */
function dab(target, { x, y }) {
  const { layers, labels } = target;
  const { put } = pen(target);
  const radius = state.radius;
  let like = null;
  const reach = Math.ceil(radius);
  const [left, top, side] = [Math.floor(x) - reach, Math.floor(y) - reach, 2 * reach + 1];
  if (state.snap && radius >= 3 && app.opened.bitmap) like = alike(lightness(app.opened, left, top, side, side), side, side);
  disc(x, y, radius, layers.width, layers.height, (i, column, row) => {
    if (!like || like[(row - top) * side + column - left]) put(labels, i);
  });
}

function stroke(kind, point) {
  if (kind === "down") {
    const target = writable();
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
    change((labels, { put }, width, height) => polygon(corners, width, height, (i) => put(labels, i)));
  }
  redraw();
}

function fill(point) {
  const { width, height } = app.opened;
  const [x, y] = [Math.floor(point.x), Math.floor(point.y)];
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  change((labels, { fill: spread }) => spread(labels, width, y * width + x));
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

function sayCorners(corners) {
  state.corners = corners;
  say(`${plural(corners.length, "corner")}.`);
}

/** Does something and says what came of it, for those who do not see it. */
function saying(action) {
  const target = editable();
  if (!target) return;
  const last = historyOf(target.name).done.at(-1);
  action();
  const made = historyOf(target.name).done.at(-1);
  const count = made && made !== last ? made.after.reduce((sum, label, i) => sum + (label !== made.before[i]), 0) : 0;
  const name = target.settings.classes.find((one) => one.id === state.paint)?.name;
  if (state.corners.length) sayCorners(state.corners);
  else say(count ? `${plural(count, "pixel")} changed in ${name}.` : "Nothing changed.");
}

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
    saying(() => {
      if (app.tool === "polygon") corner(state.cursor);
      else if (app.tool === "fill") fill(state.cursor);
      else {
        stroke("down", state.cursor);
        stroke("up", state.cursor);
      }
    });
  } else if (event.key === "Enter" && app.tool === "polygon") saying(closePolygon);
  else if (event.key === "Escape" && state.corners.length) sayCorners([]);
  else if (event.key === "Backspace" && state.corners.length) sayCorners(state.corners.slice(0, -1));
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
  return "Numbers such as depth cannot be corrected here.";
}

function setRadius(value) {
  state.radius = Math.min(Math.max(value, 0.5), 200);
  byId("radius").value = String(state.radius);
  byId("radius-value").textContent = `${Math.round(2 * state.radius)} px`;
  byId("radius").setAttribute("aria-valuetext", plural(Math.round(2 * state.radius), "pixel"));
  redraw();
}

/** The classes to choose from, of which one is drawn in. */
function showPaints() {
  const target = editable();
  const box = byId("paints");
  box.replaceChildren();
  byId("correct").disabled = !target;
  byId("correct").title = target ? "" : reason();
  if (!target) {
    closeTools();
    return;
  }
  const { classes } = target.settings;
  // Each target has a class of its own that is drawn in.
  const last = state.paints.get(target.name);
  state.paint = classes.some((one) => one.id === last) ? last : classes[0].id;
  for (const one of classes) {
    const swatch = el("span", { class: "swatch" });
    swatch.style.background = one.color;
    const input = el("input", { type: "radio", name: "paint", value: String(one.id), checked: one.id === state.paint, on: { change: () => drawIn(one.id) } });
    box.append(el("label", { class: "chip" }, input, swatch, el("span", { text: one.name })));
  }
  drawIn(state.paint);
}

function drawIn(id) {
  state.paint = id;
  state.paints.set(shown().name, id);
  app.drawn = byId("tools").hidden ? null : id;
  for (const input of byId("paints").querySelectorAll("input")) input.checked = input.value === String(id);
  redraw();
}

/** The next class of the list, or the one before. */
function nextPaint(by) {
  const { classes } = shown().settings;
  const place = classes.findIndex((one) => one.id === state.paint);
  const one = classes[(place + by + classes.length) % classes.length];
  drawIn(one.id);
  sayTool();
}

function sayTool() {
  const { classes } = shown().settings;
  const tool = document.querySelector("#tools [aria-pressed=true]").textContent;
  say(app.tool === "move" ? `${tool}.` : `${tool}, in ${classes.find((one) => one.id === state.paint).name}.`);
}

function openTools() {
  byId("tools").hidden = false;
  byId("correct").setAttribute("aria-expanded", "true");
  useTool("brush");
  drawIn(state.paint);
  byId("canvas").focus();
}

function closeTools() {
  byId("tools").hidden = true;
  byId("correct").setAttribute("aria-expanded", "false");
  app.drawn = null;
  if (app.tool !== "move") useTool("move");
  redraw();
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
  else if (KEYS[key]) {
    useTool(KEYS[key]);
    sayTool();
  }
  else if (key === "c") nextPaint(event.shiftKey ? -1 : 1);
  else if (key === "[" || key === "]") {
    setRadius(key === "[" ? state.radius / 1.25 : state.radius * 1.25);
    say(byId("radius").getAttribute("aria-valuetext"));
  } else return;
  event.preventDefault();
});
on("opened look", showPaints);
on("opened", () => {
  Object.assign(state, { stroke: null, corners: [], cursor: null });
  // The same picture is opened anew to show another target.
  if (state.of !== app.opened) Object.assign(state, { of: app.opened, histories: new Map() });
  showSteps();
});
setRadius(state.radius);
