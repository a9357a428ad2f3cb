// What the page knows: models, pictures, and how they are shown. Parts tell one another by events.

import { hexOf, PALETTES } from "./colors.js";

const listeners = new Map();

/** Calls `listener` at each of the events, named with spaces between. */
export function on(events, listener) {
  for (const event of events.split(" ")) listeners.set(event, [...(listeners.get(event) || []), listener]);
}

/**
 * Tells of an event:
 * `models` they were loaded; `model` another was chosen; `items` pictures came, went or moved; `item` one changed;
 * `parts` a picture that goes with all was chosen; `current` another is shown; `opened` its pixels are there; `closed` they are gone; `look` how it is shown changed;
 * `mask` its class of pixels changed; `tool` another tool was chosen; `tab` the report or the pictures came to the front.
 */
export function emit(event, detail) {
  for (const listener of listeners.get(event) || []) listener(detail);
}

export const app = {
  models: [],
  model: "",
  target: "",
  items: [],
  current: null,
  opened: null,
  canSave: false,
  run: null,
  look: { layer: "mask", mode: "overlay", against: "truth", fill: true, outline: true, truth: true, cover: 0.4, mapCover: 0.85, split: 0.5, palette: "model" },
  pixel: { size: 0, unit: "µm" },
  tool: "move",
  // The class that is drawn in, while the tools are open.
  drawn: null,
};

/** The model that a picture is asked of: the chosen one; of a sample instead of the first that which did not learn it. */
export const modelFor = (item) => (item.sample && app.model === app.models[0]?.name ? item.sample.model : app.model);

export const modelNamed = (name) => app.models.find((model) => model.name === name);
export const targetNamed = (model, name) => modelNamed(model)?.targets.find((target) => target.name === name);

const settings = new Map();

/**
 * The classes of a target as the page shows them: `{id, name, color, on, threshold, usual}`, without the background
 * of exclusive classes; `rest` is the threshold of that. The same for all pictures of a model.
 */
export function settingsOf(model, name) {
  const key = JSON.stringify([model, name]);
  if (!settings.has(key)) {
    const target = targetNamed(model, name);
    if (!target) return { classes: [], rest: 0.5 };
    const exclusive = target.task === "binary" || target.task === "multiclass";
    const all = target.task === "regression" ? [] : target.classes;
    const classes = all
      .filter((one) => !(exclusive && one.id === 0))
      .map((one) => ({
        id: one.id,
        name: one.name,
        given: hexOf(one.color),
        color: hexOf(one.color),
        on: true,
        threshold: one.threshold ?? 0.5,
        usual: one.threshold ?? 0.5,
      }));
    // Black outlines, as of masks that carry no colours, would not be seen on most pictures.
    const plain = classes.every((one) => one.given === "#000000");
    settings.set(key, { classes, rest: all.find((one) => one.id === 0)?.threshold ?? 0.5, plain });
    paint(settings.get(key));
  }
  return settings.get(key);
}

function paint(entry) {
  const colors = PALETTES[app.look.palette].colors || (entry.plain ? PALETTES.okabe.colors : null);
  entry.classes.forEach((one, place) => (one.color = colors ? colors[place % colors.length] : one.given));
}

/** Gives every class its colour of a palette. */
export function usePalette(name) {
  app.look.palette = name;
  for (const entry of settings.values()) paint(entry);
  emit("look");
}

/** Whether any threshold differs from the model's. */
export const touched = (entry) => entry.classes.some((one) => one.threshold !== one.usual);

/** The target that is shown of a picture: the chosen one, if its model has it. */
export function shownTarget(item) {
  const targets = modelNamed(item.model)?.targets || [];
  return (targets.find((target) => target.name === app.target) || targets[0])?.name || "";
}

/** Pictures that have been answered. */
export const answered = () => app.items.filter((item) => item.state === "ready");
