// The queue: pictures come in, are answered two at a time, and wait where the server is busy.

import * as api from "./api.js";
import { byId, complain, el, plural, say, sentence } from "./dom.js";
import { readLayers, shrinkLayers } from "./layers.js";
import { decode, shrink } from "./picture.js";
import { fileOf, missingParts, picturesOf } from "./parts.js";
import { drawWhole } from "./render.js";
import { app, emit, modelFor, modelNamed, on, settingsOf, shownTarget } from "./state.js";

const AT_ONCE = 2;
const ANSWERS = ["mask", "probabilities", "uncertainty"];

let [working, paused, count] = [0, false, 0];

function makeItem(file, name, sample = null) {
  return {
    id: ++count,
    file,
    sample,
    name,
    state: sample ? "listed" : "waiting",
    error: null,
    model: "",
    answer: null,
    truth: null,
    natural: null,
    thumb: null,
    small: {},
    edits: new Map(),
    saved: new Set(),
    rank: null,
  };
}

/** Puts files into the queue: at its end, but before samples of a run. */
export function addFiles(files) {
  const added = [...files].map((file) => makeItem(file, file.name || `pasted_${count + 1}.png`));
  if (!added.length) return;
  const first = app.items.findIndex((item) => item.sample);
  app.items.splice(first < 0 ? app.items.length : first, 0, ...added);
  if (!app.current || app.run) choose(added[0]);
  emit("items");
  say(`${plural(added.length, "picture")} added.`);
  pump();
}

const ofSamples = new Map();

/** Lists samples of a run behind the pictures that were added; each is asked for once it is chosen. */
export function listSamples(samples) {
  const listed = samples.map((sample) => {
    const item = ofSamples.get(sample.number) || makeItem(null, sample.name, sample);
    ofSamples.set(sample.number, Object.assign(item, { sample }));
    return item;
  });
  app.items = [...app.items.filter((item) => !item.sample), ...listed];
  emit("items");
}

/** Every picture, also samples that are not listed now. */
export const everything = () => [...new Set([...app.items, ...ofSamples.values()])];

/** Shows a picture. */
export function choose(item) {
  app.current = item;
  if (item?.state === "listed") item.state = "waiting";
  emit("current", item);
  pump();
}

/** Asks for every picture again, of the model chosen now. Corrections stay. */
export function askAgain() {
  for (const item of app.items) {
    if (item.state === "working" || item.state === "listed") continue;
    const later = item.sample && item !== app.current;
    Object.assign(item, { state: later ? "listed" : "waiting", error: null });
  }
  emit("items");
  pump();
}

function remove(item) {
  const place = app.items.indexOf(item);
  app.items.splice(place, 1);
  item.stop?.abort();
  if (app.current === item) choose(app.items[Math.min(place, app.items.length - 1)] || null);
  emit("items");
}

function pump() {
  while (!paused && working < AT_ONCE) {
    const missing = missingParts().length > 0;
    // The picture that is looked at comes first.
    const waiting = app.items.filter((item) => item.state === "waiting" && (item.sample || !missing));
    const item = waiting.includes(app.current) ? app.current : waiting[0];
    if (!item) break;
    working++;
    answer(item).finally(() => {
      working--;
      pump();
    });
  }
  showProgress();
}

async function answer(item) {
  item.state = "working";
  item.model = modelFor(item);
  item.stop = new AbortController();
  emit("item", item);
  try {
    if (!item.natural) await look(item);
    if (item.sample && !item.truth) item.truth = await truthOf(item);
    // Of more than 8 bits a browser shows the first 8, which may all be dark.
    const plain = item.natural && modelNamed(item.model)?.inputs?.dtype === "uint8";
    await ask(item, plain ? ANSWERS : [...ANSWERS, "preview"]);
    const { width, height } = item.answer;
    const same = item.natural && item.natural[0] === width && item.natural[1] === height;
    // A browser may turn or cut a picture otherwise than the server: then the server's view of it is shown.
    if (!same && !item.answer.preview) await ask(item, [...ANSWERS, "preview"]);
    if (item.answer.preview) {
      const bitmap = await decode(new Blob([api.bytesOf(item.answer.preview)]));
      if (bitmap) item.thumb = shrink(bitmap);
    }
    item.small = {};
    for (const name of Object.keys(item.answer.targets)) {
      const size = item.thumb || { width: 96, height: Math.max(1, Math.round((96 * height) / width)) };
      item.small[name] = shrinkLayers(await readLayers(item.answer, name), size.width, size.height);
    }
    item.state = item.model === modelFor(item) ? "ready" : "waiting";
  } catch (error) {
    if (error.name === "AbortError") return;
    item.state = "failed";
    item.error = sentence(error);
    if (error.status === 401) {
      item.state = "waiting";
      emit("locked");
      paused = true;
    }
  }
  emit("item", item);
}

async function truthOf(item) {
  try {
    return await api.sample(item.sample.number);
  } catch (error) {
    if (error.status === 401 || error.status === 0) throw error;
    // The picture can be shown without.
    complain(error);
    return { targets: {} };
  }
}

async function look(item) {
  const bitmap = await decode(await fileOf(item));
  if (!bitmap) return;
  item.natural = [bitmap.width, bitmap.height];
  item.thumb = shrink(bitmap);
  emit("item", item);
}

/** Asks once more for as long as the server says that it is busy. */
async function ask(item, answers) {
  const pictures = await picturesOf(item);
  for (;;) {
    try {
      item.answer = await api.predict(pictures, item.model, answers, item.stop.signal);
      return;
    } catch (error) {
      if (error.status !== 503) throw error;
      await new Promise((resume) => setTimeout(resume, 1000 * Math.max(1, error.retryAfter)));
    }
  }
}

/** Asks once more for a picture that failed. */
export function tryAgain(item) {
  item.state = "waiting";
  emit("item", item);
  pump();
}

/** Goes on after a pause. */
export function resume() {
  paused = false;
  pump();
}

function showProgress() {
  const asked = app.items.filter((item) => item.state !== "listed");
  const done = asked.filter((item) => item.state === "ready" || item.state === "failed").length;
  const total = asked.length;
  byId("queue-title").textContent = total && !app.run ? plural(total, "picture") : "Pictures";
  byId("progress-box").hidden = done === total;
  byId("progress").max = total || 1;
  byId("progress").value = done;
  byId("progress-text").textContent = `${done} of ${total}`;
  byId("pause").textContent = paused ? "Go on" : "Pause";
}

const STATES = { waiting: "waiting", working: "working …", failed: "failed" };

function describe(item) {
  if (STATES[item.state]) return [item.sample ? scoreOf(item.sample, false) : "", STATES[item.state]].filter(Boolean).join(" · ");
  const strange = Boolean(item.answer?.strange?.alarming);
  const said = [];
  if (item.sample?.kind) said.push(item.sample.kind);
  if (item.edits.size) said.push("corrected");
  if (item.saved.size) said.push("saved");
  if (strange) said.push("unlike training");
  if (item.sample) said.push(scoreOf(item.sample, !strange));
  const dice = expectedDice(item);
  // What a model expects of itself on pictures of another kind is worth nothing.
  if (!item.sample && dice !== null && !strange && !item.edits.size) said.push(`expected Dice ${dice.toFixed(2)}`);
  return said.filter(Boolean).join(" · ");
}

/** How a sample did, in words. */
function scoreOf({ score, expected }, withExpected) {
  const said = [];
  if (score !== null) said.push(`${app.run.measure} ${score.toFixed(2)}`);
  if (withExpected && expected !== null) said.push(`expected ${expected.toFixed(2)}`);
  return said.join(" · ");
}

/** Why there is no expected Dice beside a warning. */
export const NO_EXPECTATION =
  "What a model expects of itself was measured on pictures like those it learned from; of others it says nothing.";

/** The mean of the expected Dice of a picture's classes; null where nothing is known. */
export function expectedDice(item) {
  const found = Object.values(item.answer?.targets[shownTarget(item)]?.expected_dice || {}).filter(Number.isFinite);
  return found.length ? found.reduce((sum, value) => sum + value, 0) / found.length : null;
}

const rows = new Map();

// Small pictures of samples come when their lines are seen.
const seen =
  window.IntersectionObserver &&
  new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const item = isIntersecting && app.items.find((one) => rows.get(one)?.line === target);
      if (!item) continue;
      seen.unobserve(target);
      if (!item.thumb) fetchThumb(item);
    }
  });

async function fetchThumb(item) {
  try {
    const bitmap = await decode(await api.thumbnail(item.sample.number));
    if (bitmap && !item.thumb) item.thumb = shrink(bitmap);
    showRow(item);
  } catch {
    // A file that is gone says so once its picture is chosen.
  }
}

function row(item) {
  const canvas = el("canvas", { width: 1, height: 1, "aria-hidden": "true" });
  const name = el("span", { class: "name" });
  const note = el("span", { class: "state" });
  const place = el("span", { class: "place", hidden: true });
  const pick = el("button", { type: "button", class: "pick", on: { click: () => choose(item) } }, canvas, place, el("span", { class: "words" }, name, note));
  const gone = el("button", { type: "button", class: "quiet remove", text: "×", "aria-label": `Remove ${item.name}`, on: { click: () => remove(item) } });
  const line = el("li", {}, pick, item.sample ? null : gone);
  if (item.sample) seen?.observe(line);
  rows.set(item, { line, pick, canvas, name, note, place });
  return line;
}

function showRow(item) {
  if (!rows.has(item)) return;
  const { line, pick, canvas, name, note, place } = rows.get(item);
  line.dataset.state = item.state;
  line.dataset.strange = String(item.state === "ready" && Boolean(item.answer.strange?.alarming));
  pick.setAttribute("aria-current", String(item === app.current));
  name.textContent = item.name;
  name.title = item.name;
  note.textContent = describe(item);
  const strange = item.state === "ready" && item.answer.strange?.alarming;
  note.title = item.error || item.rank?.because || (strange ? NO_EXPECTATION : "");
  place.hidden = !item.rank;
  place.textContent = item.rank ? String(item.rank.place) : "";
  drawThumb(item, canvas);
}

function drawThumb(item, canvas) {
  const name = item.answer && shownTarget(item);
  const small = item.small[name];
  if (!item.thumb && !small) return;
  canvas.width = item.thumb?.width || small.width;
  canvas.height = item.thumb?.height || small.height;
  if (item.thumb) canvas.getContext("2d").drawImage(item.thumb, 0, 0);
  if (!small || item.state !== "ready") return;
  const whole = app.opened?.item === item ? app.opened.targets[name] : null;
  const edited = item.edits.get(name);
  if (edited && whole) drawWhole(canvas, whole, settingsOf(item.model, name), edited, app.look);
  else drawWhole(canvas, small, settingsOf(item.model, name), null, app.look);
}

function showList() {
  for (const item of rows.keys()) if (!app.items.includes(item)) rows.delete(item);
  byId("list").replaceChildren(...app.items.map((item) => rows.get(item)?.line || row(item)));
  app.items.forEach(showRow);
  showProgress();
}

let thumbs = 0;

// A hundred thumbnails need not follow every step of a slider.
function showThumbsSoon() {
  clearTimeout(thumbs);
  thumbs = setTimeout(() => app.items.forEach(showRow), 150);
}

byId("pause").addEventListener("click", () => {
  paused = !paused;
  pump();
});
on("items", showList);
on("parts", askAgain);
on("item", (item) => {
  showRow(item);
  showProgress();
});
on("current", () => app.items.forEach(showRow));
on("look", showThumbsSoon);
byId("list").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  const at = app.items.indexOf(app.current);
  const item = app.items[at + step];
  if (!step || !item) return;
  choose(item);
  rows.get(item).pick.focus();
  event.preventDefault();
});

/** Files of a drop, those in folders too. */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.isFile) {
    try {
      found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    } catch (error) {
      complain(error);
    }
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return;
    for (const one of part) if (!one.name.startsWith(".")) await walk(one, found);
  }
}
