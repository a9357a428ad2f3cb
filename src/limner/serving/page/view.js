// The large picture: zoom, pan, side by side, swipe, and the probe that reads one pixel.

import { byId, figure, oncePerFrame } from "./dom.js";
import { probabilityAt, labelsOf } from "./layers.js";
import { drawPicture } from "./picture.js";
import { drawLayer } from "./render.js";
import { app, emit, on, settingsOf, shownTarget } from "./state.js";
import { trueValue } from "./truth.js";

const canvas = byId("canvas");
const camera = { x: 0, y: 0, scale: 1 };
let fitted = true;

/** Set by the part that corrects: what it draws on top, and what it does with a pointer or key. */
export const hand = { draw: null, pointer: null, key: null };

export const redraw = oncePerFrame(draw);

/** What is needed to read and draw the shown target of the open picture; null while there is none. */
export function shown() {
  const { opened } = app;
  if (!opened) return null;
  const name = shownTarget(opened.item);
  const layers = opened.targets[name];
  if (!layers) return null;
  return { name, layers, settings: settingsOf(opened.item.model, name), edited: opened.item.edits.get(name) || null };
}

/** The layer that is drawn: the chosen one, or what the target has instead. */
export function shownLayer(layers) {
  const { layer } = app.look;
  if ((layer === "truth" || layer === "errors") && !layers.truth) return layers.values ? "values" : "mask";
  if (layer === "truth" || layer === "errors") return layer;
  if (layers.values) return layer === "uncertainty" && layers.uncertainty ? layer : "values";
  return layer === "values" ? "mask" : layer;
}

/** Whether the other pane, or the other side of the swipe, has the truth; else the picture alone. */
export const besideTruth = (layers) => Boolean(layers?.truth) && app.look.against === "truth";

const density = () => Math.min(window.devicePixelRatio || 1, 3);

function panes() {
  const { width, height } = canvas;
  if (app.look.mode !== "beside") return [{ left: 0, top: 0, width, height, layer: true }];
  const gap = Math.round(4 * density());
  if (width >= height) {
    const half = Math.floor((width - gap) / 2);
    return [
      { left: 0, top: 0, width: half, height, layer: false },
      { left: width - half, top: 0, width: half, height, layer: true },
    ];
  }
  const half = Math.floor((height - gap) / 2);
  return [
    { left: 0, top: 0, width, height: half, layer: false },
    { left: 0, top: height - half, width, height: half, layer: true },
  ];
}

function leastScale() {
  const pane = panes()[0];
  return Math.min(pane.width / app.opened.width, pane.height / app.opened.height);
}

/** Shows the whole picture. */
export function fit() {
  if (!app.opened) return;
  fitted = true;
  camera.x = app.opened.width / 2;
  camera.y = app.opened.height / 2;
  camera.scale = leastScale() * 0.96;
  moved();
}

/** Enlarges by a factor about a point of the picture, or about the middle. */
export function zoom(factor, about = camera) {
  if (!app.opened) return;
  const scale = Math.min(Math.max(camera.scale * factor, Math.min(leastScale() / 2, density())), 64 * density());
  const share = camera.scale / scale;
  camera.x = about.x + (camera.x - about.x) * share;
  camera.y = about.y + (camera.y - about.y) * share;
  camera.scale = scale;
  fitted = false;
  moved();
}

/** One pixel of the picture on one of the screen. */
export const actualSize = () => zoom(density() / camera.scale);

function pan(x, y) {
  camera.x = Math.min(Math.max(camera.x + x, 0), app.opened.width);
  camera.y = Math.min(Math.max(camera.y + y, 0), app.opened.height);
  fitted = false;
  moved();
}

function moved() {
  const percent = (100 * camera.scale) / density();
  byId("zoom").textContent = `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
  redraw();
}

/** Points of the canvas per pixel of the picture, and per point of the page. */
export const scales = () => ({ perPixel: camera.scale, density: density() });

/** Where a point of the picture lies in the pane that shows the layer. */
export function toCanvas(x, y) {
  const pane = panes().at(-1);
  return [pane.left + pane.width / 2 + (x - camera.x) * camera.scale, pane.top + pane.height / 2 + (y - camera.y) * camera.scale];
}

function toPicture(event) {
  const box = canvas.getBoundingClientRect();
  const x = (event.clientX - box.left) * (canvas.width / box.width);
  const y = (event.clientY - box.top) * (canvas.height / box.height);
  const pane = panes().find((one) => x >= one.left && x < one.left + one.width && y >= one.top && y < one.top + one.height);
  const { left, top, width, height } = pane || panes().at(-1);
  return { x: camera.x + (x - left - width / 2) / camera.scale, y: camera.y + (y - top - height / 2) / camera.scale };
}

/** The point of the picture in the middle of the view. */
export const middle = () => ({ x: camera.x, y: camera.y });

function draw() {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  const target = shown();
  byId("divider").hidden = app.look.mode !== "swipe" || !target;
  if (!app.opened) return;
  for (const pane of panes()) {
    context.save();
    context.beginPath();
    context.rect(pane.left, pane.top, pane.width, pane.height);
    context.clip();
    const part = {
      left: Math.max(0, camera.x - pane.width / 2 / camera.scale),
      top: Math.max(0, camera.y - pane.height / 2 / camera.scale),
      right: Math.min(app.opened.width, camera.x + pane.width / 2 / camera.scale),
      bottom: Math.min(app.opened.height, camera.y + pane.height / 2 / camera.scale),
    };
    const place = (x, y) => [
      pane.left + pane.width / 2 + (x - camera.x) * camera.scale,
      pane.top + pane.height / 2 + (y - camera.y) * camera.scale,
    ];
    drawPicture(context, app.opened, part, camera.scale, place, redraw);
    if (target) drawPane(context, pane, target);
    context.restore();
  }
}

function drawPane(context, pane, target) {
  const { mode, split: share } = app.look;
  const from = mode === "swipe" ? share : 0;
  const given = { ...target, shownClass: app.shownClass, density: density() };
  if (besideTruth(target.layers) && mode !== "overlay" && !(pane.layer && mode === "beside")) {
    context.save();
    if (pane.layer) {
      context.beginPath();
      context.rect(pane.left, pane.top, Math.ceil(pane.width * from), pane.height);
      context.clip();
    }
    drawLayer(context, pane, camera, { ...given, look: { ...app.look, layer: "truth" } });
    context.restore();
  }
  if (!pane.layer) return;
  // The true line is drawn where the truth is not beside.
  const truth = app.look.truth && !(mode !== "overlay" && besideTruth(target.layers));
  drawLayer(context, pane, camera, { ...given, look: { ...app.look, truth, layer: shownLayer(target.layers) }, drawn: app.drawn, from });
  hand.draw?.(context);
}

function resize() {
  const box = canvas.getBoundingClientRect();
  const [width, height] = [Math.round(box.width * density()), Math.round(box.height * density())];
  if (!width || !height || (width === canvas.width && height === canvas.height)) return;
  canvas.width = width;
  canvas.height = height;
  if (fitted) fit();
  redraw();
}

/** Says what lies in a pixel: where it is, its class, its probability, its number with the unit. */
export function probe(point) {
  const target = shown();
  const [x, y] = [Math.floor(point.x), Math.floor(point.y)];
  const line = byId("probe");
  if (!target || x < 0 || y < 0 || x >= app.opened.width || y >= app.opened.height) {
    line.textContent = "";
    return;
  }
  const { layers, settings, edited } = target;
  const i = y * layers.width + x;
  const said = [`x ${x}, y ${y}`];
  if (layers.values) {
    const { data, low, high, unit } = layers.values;
    said.push(`${figure(low + (data[i] / 65535) * (high - low))} ${unit}`.trim());
    if (layers.truth) said.push(`truth ${figure(trueValue(layers.truth, i))} ${unit}`.trim());
  } else {
    said.push(classesOf(target, labelsOf(layers, settings, edited).at(i)));
    if (layers.truth) said.push(`truth: ${classesOf(target, layers.truth.labels[i])}`);
    for (const one of settings.classes) {
      const chance = probabilityAt(layers, one.id, i);
      if (Number.isFinite(chance) && settings.classes.length <= 4) said.push(`P(${one.name}) ${chance.toFixed(2)}`);
    }
  }
  if (layers.uncertainty) said.push(`unsure ${(layers.uncertainty[i] / 255).toFixed(2)}`);
  line.textContent = said.join(" · ");
}

/** Names of the classes of a label. */
function classesOf({ layers, settings }, label) {
  const names = settings.classes
    .filter((one, place) => (layers.task === "multilabel" ? label & (1 << place) : one.id === label))
    .map((one) => one.name);
  if (names.length) return names.join(" + ");
  return layers.task !== "multilabel" && label === 255 ? "not known" : "background";
}

const pointers = new Map();
let dragged = null;

canvas.addEventListener("pointerdown", (event) => {
  if (!app.opened) return;
  canvas.focus({ preventScroll: true });
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
  if (pointers.size === 2) {
    hand.pointer?.("cancel", null, event);
    dragged = pinch();
    return;
  }
  const takes = event.button === 0 && app.tool !== "move";
  if (takes && hand.pointer) hand.pointer("down", toPicture(event), event);
  else dragged = { clientX: event.clientX, clientY: event.clientY };
});

canvas.addEventListener("pointermove", (event) => {
  if (!app.opened) return;
  if (pointers.has(event.pointerId)) pointers.set(event.pointerId, event);
  probe(toPicture(event));
  if (pointers.size === 2 && dragged?.span) {
    const now = pinch();
    const factor = canvas.width / canvas.getBoundingClientRect().width / camera.scale;
    zoom(now.span / dragged.span, toPicture(now));
    pan((dragged.clientX - now.clientX) * factor, (dragged.clientY - now.clientY) * factor);
    dragged = now;
  } else if (dragged && pointers.size === 1) {
    const factor = canvas.width / canvas.getBoundingClientRect().width / camera.scale;
    pan((dragged.clientX - event.clientX) * factor, (dragged.clientY - event.clientY) * factor);
    dragged = { clientX: event.clientX, clientY: event.clientY };
  } else hand.pointer?.("move", toPicture(event), event);
});

for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    pointers.delete(event.pointerId);
    if (!dragged && app.opened) hand.pointer?.(end === "pointerup" ? "up" : "cancel", toPicture(event), event);
    if (!pointers.size) dragged = null;
  });
}

function pinch() {
  const [a, b] = [...pointers.values()];
  return {
    clientX: (a.clientX + b.clientX) / 2,
    clientY: (a.clientY + b.clientY) / 2,
    span: Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)),
  };
}

canvas.addEventListener("dblclick", () => app.tool === "move" && zoom(2));
canvas.addEventListener(
  "wheel",
  (event) => {
    if (!app.opened) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), toPicture(event));
  },
  { passive: false },
);

canvas.addEventListener("keydown", (event) => {
  if (!app.opened || event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (hand.key?.(event, arrow)) {
    event.preventDefault();
    return;
  }
  if (arrow) {
    const step = (event.shiftKey ? 240 : 48) / (camera.scale / density());
    pan(arrow[0] * step, arrow[1] * step);
    probe(middle());
  } else if (event.key === "+" || event.key === "=") zoom(1.25);
  else if (event.key === "-") zoom(0.8);
  else if (event.key === "0") fit();
  else if (event.key === "1") actualSize();
  else return;
  event.preventDefault();
});

/** Moves the divider of the swipe to a share of the view's width. */
function split(share) {
  app.look.split = Math.min(Math.max(share, 0), 1);
  const divider = byId("divider");
  divider.style.left = `${100 * app.look.split}%`;
  divider.setAttribute("aria-valuenow", String(Math.round(100 * app.look.split)));
  redraw();
}

function bindDivider() {
  const divider = byId("divider");
  divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = canvas.getBoundingClientRect();
    split((event.clientX - box.left) / box.width);
  });
  divider.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
    if (!step) return;
    split(app.look.split + step);
    event.preventDefault();
  });
  split(app.look.split);
}

bindDivider();
byId("zoom-in").addEventListener("click", () => zoom(1.25));
byId("zoom-out").addEventListener("click", () => zoom(0.8));
byId("zoom-fit").addEventListener("click", fit);
byId("zoom-actual").addEventListener("click", actualSize);
for (const input of document.querySelectorAll("input[name=mode]")) {
  input.addEventListener("change", () => {
    app.look.mode = input.value;
    if (fitted) fit();
    emit("look");
  });
}
for (const input of document.querySelectorAll("input[name=against]")) {
  input.addEventListener("change", () => {
    app.look.against = input.value;
    emit("look");
  });
}
/** What stands beside can be chosen where there is a truth, and something beside. */
function showAgainst() {
  byId("against").hidden = app.look.mode === "overlay" || !shown()?.layers.truth;
}
new ResizeObserver(resize).observe(canvas);
on("look mask", redraw);
on("look opened closed", showAgainst);
on("opened", () => {
  byId("probe").textContent = "";
  resize();
  fit();
});
