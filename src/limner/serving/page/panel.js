// Beside the picture: what is shown of it, its classes with colours, thresholds and areas, warnings, scales.

import { drawScale, PALETTES } from "./colors.js";
import { change } from "./correct.js";
import { byId, el, figure, oncePerFrame, plural } from "./dom.js";
import { countPixels } from "./layers.js";
import { NO_EXPECTATION } from "./queue.js";
import { numbersOf } from "./render.js";
import { app, emit, on, settingsOf, touched, usePalette } from "./state.js";
import { diceOf, ERRORS } from "./truth.js";
import { shown, shownLayer } from "./view.js";

const LAYERS = { mask: "Mask", truth: "Truth", errors: "Errors", probability: "Probability", uncertainty: "Uncertainty" };

/** Areas settle this long after the last step of a slider on large pictures, in milliseconds. */
const SETTLE = 120;
const LARGE = 4_000_000;

function available(layers) {
  const there = {
    mask: !layers.values,
    truth: Boolean(layers.truth),
    errors: Boolean(layers.truth),
    probability: layers.planes.length > 0,
    uncertainty: Boolean(layers.uncertainty),
  };
  const found = Object.entries(LAYERS).filter(([key]) => there[key]);
  return layers.values ? [["values", "Values"], ...found] : found;
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
  const masked = isMask(target, layer);
  byId("mask-look").hidden = !masked;
  byId("true-line-box").hidden = layer !== "mask" || !target.layers.truth;
  byId("errors-key").hidden = layer !== "errors" || Boolean(target.layers.values);
  // A single class cannot be taken for another.
  byId("errors-key").lastChild.hidden = target.settings.classes.length < 2;
  byId("classes").hidden = Boolean(target.layers.values);
  const rmse = target.layers.truth?.rmse;
  byId("truth-note").hidden = rmse === undefined;
  byId("truth-note").textContent = `RMSE of this picture: ${figure(rmse)} ${target.layers.values?.unit || ""}`.trim();
  const cover = masked ? app.look.cover : app.look.mapCover;
  byId("cover").value = String(cover);
  byId("cover-value").textContent = `${Math.round(100 * cover)} %`;
  showClassChoice(target, layer);
  showScale(target, layer);
}

const isMask = (target, layer) => layer === "mask" || (layer === "truth" && !target.layers.values);

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
  const classed = isMask({ layers }, layer) || (layer === "errors" && !layers.values);
  const numbers = classed ? null : numbersOf(layers, layer, app.shownClass);
  byId("scale").hidden = !numbers;
  if (!numbers) return;
  drawScale(byId("scale-colors"), numbers.map);
  let [low, high, title] = ["0", "1", "probability"];
  if (layer === "values" || layer === "truth" || layer === "errors") {
    const { low: least, high: most, unit } = layers.values;
    const wrong = layer === "errors";
    [low, high] = wrong ? ["0", `≥ ${figure(layers.truth.errors.most)}`] : [figure(least), figure(most)];
    const called = { values: name, truth: `true ${name}`, errors: `error of ${name}` }[layer];
    title = unit ? `${called}, ${unit}` : called;
  } else if (layer === "uncertainty") [low, high, title] = ["sure", "unsure", layers.values ? "spread" : "entropy"];
  else title = `P(${settings.classes.find((one) => one.id === app.shownClass)?.name})`;
  byId("scale-low").textContent = low;
  byId("scale-high").textContent = high;
  byId("scale-title").textContent = title;
  byId("scale-colors").setAttribute("aria-label", `Scale of colours: ${title} from ${low} to ${high}`);
}

let outputs = new Map();

function classRow(one, canMove, expected) {
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
  const said = el("span", { class: "dice" });
  said.append(el("span", { class: "found" }), expected);
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
  outputs.set(one.id, { area, found: said.querySelector(".found") });
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
  const strange = app.opened.item.answer.strange?.alarming;
  const rows = settings.classes.map((one) => classRow(one, canMove, edited ? "" : expectation(found[one.id], strange)));
  byId("class-list").replaceChildren(...rows);
  showNote();
  showAreas();
}

/** What the model expects of its outline; of a strange picture, why that is not said. */
function expectation(dice, strange) {
  if (strange) return el("span", { text: "no expected Dice: unlike the training pictures", title: NO_EXPECTATION });
  const title = "Dice to expect of this outline, without knowing the truth";
  return Number.isFinite(dice) ? el("span", { text: `expected Dice ${dice.toFixed(2)}`, title }) : "";
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
    if (output) output.area.textContent = `${areaOf(count, name, id)} · ${((100 * count) / total).toFixed(1)} %`;
  }
  if (!layers.truth) return;
  const dice = await diceOf(layers, settings, edited, () => mine !== asked);
  const truth = dice && (await countPixels(layers, settings, layers.truth.labels, () => mine !== asked));
  if (!truth) return;
  for (const [id, value] of dice) {
    const output = outputs.get(id);
    if (!output) continue;
    output.found.textContent = Number.isFinite(value) ? `Dice ${value.toFixed(2)}` : "rightly empty";
    output.found.title = `Against the true mask, which has ${areaOf(truth.get(id), name, id)}`;
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
  const why = `${because.charAt(0).toUpperCase()}${because.slice(1)}. Check this outline before you use it.`;
  byId("warning-text").textContent = `${why} ${NO_EXPECTATION}`;
}

function showCanvasName() {
  const { item, width, height } = app.opened;
  const target = shown();
  const classes = target?.settings.classes.map((one) => one.name).join(", ");
  const text = `${item.name}, ${width} by ${height} pixels${classes ? `, outlines of ${classes}` : ""}`;
  byId("canvas").setAttribute("aria-label", text);
}

for (const [id, key] of [["fill", "fill"], ["outline", "outline"], ["true-line", "truth"]]) {
  byId(id).addEventListener("change", (event) => {
    app.look[key] = event.target.checked;
    emit("look");
  });
}
byId("cover").addEventListener("input", (event) => {
  const target = shown();
  if (!target) return;
  app.look[isMask(target, shownLayer(target.layers)) ? "cover" : "mapCover"] = Number(event.target.value);
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
byId("errors-key").append(
  ...ERRORS.map(({ label, color }) => {
    const swatch = el("span", { class: "swatch" });
    swatch.style.background = color;
    return el("li", {}, swatch, el("span", { text: label }));
  }),
);
byId("from-truth").addEventListener("click", () => {
  const truth = shown()?.layers.truth;
  if (truth?.labels) change((labels) => labels.set(truth.labels));
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
  byId("from-truth").hidden = !shown()?.layers.truth?.labels;
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
