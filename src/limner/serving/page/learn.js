// Saving corrected masks, training on them in the background, and which picture to correct next.

import * as api from "./api.js";
import { byId, complain, plural, say, sentence } from "./dom.js";
import { correctable, masksOf } from "./masks.js";
import { picturesOf, savedName } from "./parts.js";
import { choose } from "./queue.js";
import { answered, app, emit, modelNamed, on, shownTarget } from "./state.js";

const EVERY = 1000;

let [count, timer] = [0, 0];

/** Finds out whether the server saves. Without a folder to save in, it has no such address. */
export async function start() {
  try {
    count = (await api.dataset()).count;
    app.canSave = true;
  } catch (error) {
    if (error.status !== 404) complain(error);
    app.canSave = false;
  }
  byId("learn").hidden = !app.canSave;
  if (!app.canSave) return;
  show();
  await watch();
}

function show() {
  const item = app.opened?.item;
  const ready = Boolean(item) && item === app.current && item.state === "ready" && correctable(item);
  byId("dataset-note").textContent = count
    ? `${plural(count, "corrected picture")} in the data set.`
    : "Correct an outline and save it: the model learns from saved masks.";
  byId("save").disabled = !ready;
  byId("save").textContent = ready && item.saved.has(shownTarget(item)) ? "Saved" : "Save mask";
  byId("next").disabled = answered().length < 2;
  byId("train").disabled = !count;
  byId("train").textContent = count ? `Train on ${plural(count, "picture")}` : "Train on";
}

async function save(replace = false) {
  const { item } = app.opened;
  const target = shownTarget(item);
  byId("save").disabled = true;
  try {
    const name = savedName(item);
    const fields = { name, model: item.model, target, replace: replace ? "true" : "" };
    await api.save(await picturesOf(item), await masksOf(item), fields);
    item.saved.add(target);
    count = (await api.dataset()).count;
    say(`The mask of ${item.name}${modelNamed(item.model).targets.length > 1 ? `, ${target},` : ""} is saved.`);
    emit("item", item);
  } catch (error) {
    if (error.status === 409 && !replace) await offerToReplace(item);
    else complain(error);
  }
  show();
}

async function offerToReplace(item) {
  const dialog = byId("replace-dialog");
  byId("replace-text").textContent = `The data set already has a mask of ${item.name}.`;
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (dialog.returnValue === "replace") await save(true);
}

function reasonOf({ expected_dice: dice, strange }) {
  if (strange?.alarming) return "it is unlike the training pictures";
  return Number.isFinite(dice) ? `its expected Dice is ${dice.toFixed(2)}` : "";
}

/** Ranks in parts that the server takes. */
async function rankParts(items) {
  const found = await api.inParts(items, async (part) => {
    const ranked = await api.rank(await Promise.all(part.map(picturesOf)), app.model);
    return ranked.map((entry) => ({ ...entry, item: part[entry.index] }));
  });
  return found.flat().sort((one, other) => other.score - one.score);
}

/** Orders the pictures that were not saved by how much correcting each is worth, and shows the first. */
async function order() {
  const items = answered().filter((item) => !item.saved.size);
  if (!items.length) {
    say("All pictures are saved.");
    return;
  }
  byId("next").disabled = true;
  say(`Ordering ${plural(items.length, "picture")} …`);
  try {
    const found = await rankParts(items);
    for (const item of app.items) item.rank = null;
    const ordered = found.map((entry, place) => {
      const { item } = entry;
      item.rank = { place: place + 1, because: reasonOf(entry) };
      return item;
    });
    app.items = [...ordered, ...app.items.filter((item) => !ordered.includes(item))];
    choose(ordered[0]);
    emit("items");
    const because = ordered[0].rank.because;
    say(`Correct ${ordered[0].name} first${because ? `: ${because}` : ""}.`);
  } catch (error) {
    complain(error);
  }
  show();
}

async function train() {
  const length = Number(byId("length").value);
  const unit = byId("length-unit").value;
  if (!(length > 0)) {
    byId("length").focus();
    say("Say how long to train: a number above 0.", "error");
    return;
  }
  byId("train").disabled = true;
  try {
    await api.startTraining(app.model, unit === "epochs" ? { epochs: Math.round(length) } : { time: `${length}m` });
    say("Training has started. You can go on correcting.");
    await watch();
  } catch (error) {
    complain(error);
  }
  show();
}

async function watch() {
  clearTimeout(timer);
  let state;
  try {
    state = await api.training();
  } catch (error) {
    if (error.status !== 404) complain(error);
    return;
  }
  showTraining(state);
  if (state.state === "running") timer = setTimeout(watch, EVERY);
  else if (state.state === "done") emit("trained", state.model);
}

const WORDS = { running: "Training", done: "Trained.", failed: "Training failed.", stopped: "Training was stopped." };

function showTraining(found) {
  const { state, epoch, epochs, error } = found;
  byId("training").hidden = state === "idle";
  if (state === "idle") return;
  const running = state === "running";
  const progress = byId("training-progress");
  progress.hidden = !running;
  if (running && epoch && epochs) {
    progress.max = epochs;
    progress.value = epoch;
  } else progress.removeAttribute("value");
  const { metrics } = found;
  const last = metrics.at(-1);
  const words = [WORDS[state] || state];
  if (running) words.push(epoch ? `· epoch ${epoch}${epochs ? ` of ${epochs}` : ""}` : "· starting …");
  if (Number.isFinite(last?.dice)) words.push(`· Dice ${last.dice.toFixed(3)}`);
  if (error) words.push(sentence(error));
  byId("training-text").textContent = words.join(" ");
  byId("stop").hidden = !running;
  byId("train").disabled = running || !count;
  byId("training-log").textContent = found.log.join("\n");
  byId("training-more").hidden = !found.log.length;
  byId("use").hidden = state !== "done" || !found.model || found.model === app.model;
  byId("use").dataset.model = found.model || "";
  drawChart(metrics);
}

/** The score of each epoch as a line; of losses where no score was written. */
function drawChart(metrics) {
  const chart = byId("training-chart");
  const key = metrics.some((one) => Number.isFinite(one.dice)) ? "dice" : "loss";
  const values = metrics.map((one) => one[key]).filter(Number.isFinite);
  chart.toggleAttribute("hidden", values.length < 2);
  byId("training-range").hidden = values.length < 2;
  if (values.length < 2) return;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const place = (value, n) => [4 + (232 * n) / (values.length - 1), 54 - (48 * (value - low)) / (high - low || 1)];
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", values.map((value, n) => place(value, n).map((part) => part.toFixed(1)).join(",")).join(" "));
  chart.replaceChildren(line);
  const name = key === "dice" ? "Dice" : "Loss";
  chart.setAttribute("aria-label", `${name} by epoch`);
  byId("training-range").textContent = `${name} by epoch, from ${low.toFixed(3)} to ${high.toFixed(3)}`;
}

byId("save").addEventListener("click", () => save());
byId("next").addEventListener("click", order);
byId("train").addEventListener("click", train);
byId("stop").addEventListener("click", async () => {
  try {
    showTraining(await api.stopTraining().then(() => api.training()));
  } catch (error) {
    complain(error);
  }
});
on("opened current item items", show);
