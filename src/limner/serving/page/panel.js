// Beside the picture: what is shown of it, its classes with colours, thresholds and areas, warnings, scales.

import { drawScale, PALETTES } from "./colors.js";
import { byId, el, figure, oncePerFrame, plural } from "./dom.js";
import { countPixels } from "./layers.js";
import { numbersOf } from "./render.js";
import { app, emit, on, settingsOf, touched, usePalette } from "./state.js";
import { shown, shownLayer } from "./view.js";

const LAYERS = { mask: "Mask", probability: "Probability", uncertainty: "Uncertainty" };

/** Areas settle this long after the last step of a slider on large pictures, in milliseconds. */
const SETTLE = 120;
const LARGE = 4_000_000;

function available(layers) {
  if (layers.values) return [["values", "Values"], ...(layers.uncertainty ? [["uncertainty", "Uncertainty"]] : [])];
  return Object.entries(LAYERS).filter(([key]) => {
    if (key === "probability") return layers.planes.length > 0;
    return key === "mask" || layers.uncertainty;
  });
}

function showLayers() {
  const target = shown();
  const box = byId("layers");
  box.replaceChildren(box.querySelector("legend"));
  if (!target) return;
  const chosen = shownLayer(target.layers);
  for (const [key, label] of available(target.layers)) {
    const change = () => {
      app.look.layer = key;
      emit("look");
      box.querySelector("input:checked")?.focus();
    };
    const input = el("input", { type: "radio", name: "layer", value: key, checked: key === chosen, on: { change } });
    box.append(el("label", {}, input, el("span", { text: key === "values" ? target.name : label })));
  }
}

function showLook() {
  const target = shown();
  if (!target) return;
  const layer = shownLayer(target.layers);
  byId("mask-look").hidden = layer !== "mask";
  byId("classes").hidden = Boolean(target.layers.values);
  const cover = layer === "mask" ? app.look.cover : app.look.mapCover;
  byId("cover").value = String(cover);
  byId("cover-value").textContent = `${Math.round(100 * cover)} %`;
  showClassChoice(target, layer);
  showScale(target, layer);
}

function showClassChoice({ layers, settings }, layer) {
  const several = layer === "probability" && settings.classes.length > 1;
  byId("class-field").hidden = !several;
  if (!settings.classes.some((one) => one.id === app.shownClass)) app.shownClass = settings.classes[0]?.id;
  byId("shown-class").replaceChildren(
    ...settings.classes
      .filter((one) => layers.ids.includes(one.id))
      .map((one) => el("option", { value: one.id, text: one.name, selected: one.id === app.shownClass })),
  );
}

function showScale({ name, layers, settings }, layer) {
  const numbers = layer === "mask" ? null : numbersOf(layers, layer, app.shownClass);
  byId("scale").hidden = !numbers;
  if (!numbers) return;
  drawScale(byId("scale-colors"), numbers.map);
  let [low, high, title] = ["0", "1", "probability"];
  if (layer === "values") {
    const { low: least, high: most, unit } = layers.values;
    [low, high] = [figure(least), figure(most)];
    title = unit ? `${name}, ${unit}` : name;
  } else if (layer === "uncertainty") [low, high, title] = ["sure", "unsure", layers.values ? "spread" : "entropy"];
  else title = `P(${settings.classes.find((one) => one.id === app.shownClass)?.name})`;
  byId("scale-low").textContent = low;
  byId("scale-high").textContent = high;
  byId("scale-title").textContent = title;
  byId("scale-colors").setAttribute("aria-label", `Scale of colours: ${title} from ${low} to ${high}`);
}

let outputs = new Map();

function classRow(one, canMove, dice) {
  const color = el("input", {
    type: "color",
    value: one.color,
    "aria-label": `Colour of ${one.name}`,
    on: {
      input: (event) => {
        one.color = event.target.value;
        emit("look");
      },
    },
  });
  const visible = el("input", {
    type: "checkbox",
    role: "switch",
    checked: one.on,
    "aria-label": `Show ${one.name}`,
    on: {
      change: (event) => {
        one.on = event.target.checked;
        emit("look");
      },
    },
  });
  const area = el("output", { class: "area", text: "…" });
  const said = el("span", { class: "dice", title: "Dice to expect of this outline, without knowing the truth" });
  if (Number.isFinite(dice)) said.textContent = `expected Dice ${dice.toFixed(2)}`;
  const value = el("output", { text: one.threshold.toFixed(2) });
  const threshold = el("input", {
    type: "range",
    min: 0.01,
    max: 0.99,
    step: 0.01,
    value: one.threshold,
    disabled: !canMove,
    "aria-label": `Threshold of ${one.name}`,
    on: {
      input: (event) => {
        one.threshold = Number(event.target.value);
        // The model's own threshold may lie between two steps of the slider.
        if (Math.abs(one.threshold - one.usual) < 0.005) one.threshold = one.usual;
        value.textContent = one.threshold.toFixed(2);
        movedThreshold();
      },
    },
  });
  outputs.set(one.id, area);
  return el(
    "li",
    {},
    el("div", { class: "class-head" }, color, el("span", { class: "class-name", text: one.name, title: one.name }), visible),
    el("div", { class: "class-facts" }, area, said),
    el("label", { class: "slider" }, el("span", { text: "Threshold" }), threshold, value),
  );
}

const movedThreshold = oncePerFrame(() => {
  emit("mask");
  emit("item", app.current);
  showNote();
});

function showClasses() {
  const target = shown();
  outputs = new Map();
  if (!target) {
    byId("class-list").replaceChildren();
    return;
  }
  const { layers, settings, edited, name } = target;
  const found = app.opened.item.answer.targets[name].expected_dice || {};
  const canMove = layers.planes.length > 0 && !edited;
  const known = !edited && !app.opened.item.answer.strange?.alarming;
  const rows = settings.classes.map((one) => classRow(one, canMove, known ? found[one.id] : NaN));
  byId("class-list").replaceChildren(...rows);
  showNote();
  showAreas();
}

function showNote() {
  const target = shown();
  if (!target) return;
  byId("reset").hidden = !touched(target.settings);
  const notes = [];
  if (target.edited) notes.push("Corrected by hand: thresholds act on this picture again once all is undone.");
  else if (touched(target.settings)) notes.push("Thresholds differ from the model's. They hold for every picture here.");
  byId("classes-note").textContent = notes.join(" ");
  byId("classes-note").hidden = !notes.length;
}

let asked = 0;
let settle = 0;

function showAreas() {
  const target = shown();
  if (!target || target.layers.values) return;
  clearTimeout(settle);
  settle = setTimeout(measure, target.layers.width * target.layers.height > LARGE ? SETTLE : 0);
}

async function measure() {
  const target = shown();
  if (!target) return;
  const mine = ++asked;
  const { layers, settings, edited, name } = target;
  const counts = await countPixels(layers, settings, edited, () => mine !== asked);
  if (!counts) return;
  const total = layers.width * layers.height;
  for (const [id, count] of counts) {
    const output = outputs.get(id);
    if (output) output.textContent = `${areaOf(count, name, id)} · ${((100 * count) / total).toFixed(1)} %`;
  }
}

/** An area with its unit: of the pixel size typed here, of the picture's own, or in pixels. */
function areaOf(count, name, id) {
  const { size, unit } = app.pixel;
  if (size > 0) return `${figure(count * size * size)} ${unit}²`;
  const known = app.opened.item.answer.targets[name].areas?.find((one) => one.pixels > 0 && one.unit && !/^p(x|ixel)/.test(one.unit));
  if (known) return `${figure((count * known.area) / known.pixels)} ${known.unit}`;
  return plural(count, "pixel");
}

function showWarning() {
  const strange = app.opened?.item.answer.strange;
  byId("warning").hidden = !strange?.alarming;
  const because = [strange?.because || []].flat().join("; ");
  byId("warning-text").textContent = `${because.charAt(0).toUpperCase()}${because.slice(1)}. Check this outline before you use it.`;
}

function showCanvasName() {
  const { item, width, height } = app.opened;
  const target = shown();
  const classes = target?.settings.classes.map((one) => one.name).join(", ");
  const text = `${item.name}, ${width} by ${height} pixels${classes ? `, outlines of ${classes}` : ""}`;
  byId("canvas").setAttribute("aria-label", text);
}

for (const [id, key] of [["fill", "fill"], ["outline", "outline"]]) {
  byId(id).addEventListener("change", (event) => {
    app.look[key] = event.target.checked;
    emit("look");
  });
}
byId("cover").addEventListener("input", (event) => {
  const target = shown();
  if (!target) return;
  app.look[shownLayer(target.layers) === "mask" ? "cover" : "mapCover"] = Number(event.target.value);
  byId("cover-value").textContent = `${Math.round(100 * event.target.value)} %`;
  emit("mask");
});
byId("shown-class").addEventListener("change", (event) => {
  app.shownClass = Number(event.target.value);
  emit("look");
});
byId("palette").append(...Object.entries(PALETTES).map(([key, { label }]) => el("option", { value: key, text: label })));
byId("palette").addEventListener("change", (event) => {
  usePalette(event.target.value);
  showClasses();
});
byId("reset").addEventListener("click", () => {
  const target = shown();
  if (!target) return;
  for (const one of target.settings.classes) one.threshold = one.usual;
  showClasses();
  emit("mask");
  emit("look");
});
function pixelSize() {
  app.pixel = { size: Number(byId("pixel").value) || 0, unit: byId("unit").value };
  showAreas();
}
byId("pixel").addEventListener("input", pixelSize);
byId("unit").addEventListener("change", pixelSize);

let wasEdited = false;
on("closed", () => {
  byId("shown").hidden = byId("classes").hidden = byId("warning").hidden = true;
});
on("opened", () => {
  byId("shown").hidden = false;
  showLayers();
  showLook();
  showClasses();
  showWarning();
  showCanvasName();
  wasEdited = Boolean(shown()?.edited);
});
on("look", () => {
  showLayers();
  showLook();
});
on("mask", () => {
  const edited = Boolean(shown()?.edited);
  if (edited === wasEdited) showAreas();
  else showClasses();
  wasEdited = edited;
});
