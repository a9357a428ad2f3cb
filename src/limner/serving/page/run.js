// A run that the server shows: its report, and its samples as pictures of the queue.

import * as api from "./api.js";
import { byId, complain, el, plural, say, sentence } from "./dom.js";
import { askAgain, choose, listSamples } from "./queue.js";
import { app, emit, on } from "./state.js";

const PAGE = 60;
/** Looks at a run that is still changing come this often, in milliseconds. */
const EVERY = 4000;
const EVERY_RATING = 1000;

const state = { group: "", order: "cases", find: "", samples: [], total: 0, asked: 0, shown: "", timer: 0 };

/** Finds out whether the server shows a run, and shows it. `reload` is called once a model has come. */
export async function start(reload) {
  try {
    app.run = await api.run();
  } catch (error) {
    if (error.status !== 404) throw error;
    return;
  }
  document.title = `${app.run.name} – Limner`;
  byId("title").textContent = app.run.name;
  byId("tabs").hidden = false;
  byId("start").hidden = true;
  byId("samples").hidden = !app.run.groups.length;
  byId("no-save").hidden = app.canSave;
  state.group = app.run.groups[0]?.name || "";
  byId("group").replaceChildren(...app.run.groups.map((one) => el("option", { value: one.name, text: `${one.title} (${one.count.toLocaleString("en")})` })));
  byId("group-field").hidden = app.run.groups.length < 2;
  state.reload = reload;
  showReport();
  showRun();
  await route();
  lookAgain();
}

const groupNow = () => app.run.groups.find((one) => one.name === state.group);

function showReport() {
  byId("report-wait").hidden = false;
  byId("report-frame").src = app.run.report;
  state.shown = stamp();
  byId("renew").hidden = true;
}

const stamp = () => JSON.stringify([app.run.status, app.run.epochs, app.run.no_model]);

function showRun() {
  const { note, epochs, status, no_model: none } = app.run;
  const said = [note, status === "training" ? `${plural(epochs, "epoch")} done.` : "", none && epochs ? sentence(none) : ""];
  byId("run-note-text").textContent = said.filter(Boolean).join(" ");
  byId("run-note").hidden = !said.some(Boolean);
  byId("renew").hidden = state.shown === stamp();
  byId("model-field").hidden = !app.models.length;
  showList();
}

/** Says what is listed, or why nothing is. */
function showList() {
  const { trouble, no_model: none, groups } = app.run;
  const group = groupNow();
  const rating = group?.rating;
  const note = byId("samples-note");
  const idle = rating && (rating.state === "idle" || rating.state === "failed");
  byId("rate").hidden = !idle || Boolean(trouble || none);
  byId("more").hidden = state.samples.length >= state.total;
  const words = [];
  if (rating?.state === "running") words.push(`Scoring: ${rating.done.toLocaleString("en")} of ${group.count.toLocaleString("en")}.`);
  else if (rating?.state === "failed") words.push(`Not scored. ${sentence(rating.error)}`);
  else if (idle && !trouble && !none) words.push("The run did not score these: the order is that of the data.");
  if (state.find && !state.total) words.push("None is called so.");
  note.textContent = words.join(" ");
  const wait = byId("wait");
  if (app.current || !(trouble || none || !groups.length)) return;
  wait.hidden = false;
  wait.dataset.kind = "none";
  byId("retry").hidden = true;
  byId("wait-text").textContent = sentence(trouble || none);
}

/** Lists samples anew, or further ones; shows the first where none is shown. */
async function list(further = false) {
  const group = groupNow();
  if (!group || app.run.trouble) return;
  const mine = ++state.asked;
  const offset = further ? state.samples.length : 0;
  // Without scores there are no examples and no worst.
  const order = group.rating.state === "done" ? state.order : "name";
  try {
    const found = await api.samples({ group: group.name, order, find: state.find, offset, limit: PAGE });
    if (mine !== state.asked) return;
    state.samples = further ? [...state.samples, ...found.samples] : found.samples;
    state.total = found.total;
  } catch (error) {
    complain(error);
    return;
  }
  listSamples(state.samples);
  showList();
  showFirst();
}

function showFirst() {
  const first = app.items.find((item) => item.sample);
  if (app.run.no_model) return;
  if (first && !byId("work").hidden && !app.items.includes(app.current)) choose(first);
}

/** Shows a sample by its name, and lists its group. */
async function open(name) {
  let found;
  try {
    found = await api.samples({ name });
  } catch (error) {
    complain(error);
    return;
  }
  const [sample] = found.samples;
  if (sample.group !== state.group) {
    state.group = byId("group").value = sample.group;
    state.samples = [];
  }
  state.find = byId("find").value = "";
  if (!state.samples.length) await list();
  if (!state.samples.some((one) => one.number === sample.number)) state.samples = [sample, ...state.samples];
  listSamples(state.samples);
  const item = app.items.find((one) => one.sample?.number === sample.number);
  choose(item);
  byId("canvas").focus({ preventScroll: true });
}

async function route() {
  const [, name] = /^#picture=(.*)$/.exec(location.hash) || [];
  const pictures = location.hash === "#pictures" || name !== undefined;
  byId("report").hidden = pictures;
  byId("work").hidden = !pictures;
  byId("tab-report").setAttribute("aria-current", pictures ? "false" : "page");
  byId("tab-pictures").setAttribute("aria-current", pictures ? "page" : "false");
  document.body.dataset.tab = pictures ? "pictures" : "report";
  emit("tab");
  if (!pictures) return;
  if (name === undefined) {
    if (state.samples.length) showFirst();
    else await list();
    return;
  }
  try {
    await open(decodeURIComponent(name));
  } catch {
    say("The address names no picture.", "error");
  }
}

/** Pictures that were dropped are seen among the pictures. */
export function showPictures() {
  if (app.run && byId("work").hidden) location.hash = "#pictures";
}

async function lookAgain() {
  clearTimeout(state.timer);
  const rating = app.run.groups.some((one) => one.rating.state === "running");
  const changing = app.run.status === "training" || app.run.status === "trained" || Boolean(app.run.no_model);
  if (!rating && !changing) return;
  state.timer = setTimeout(look, rating ? EVERY_RATING : EVERY);
}

async function look() {
  try {
    const before = app.run;
    app.run = await api.run();
    const came = before.no_model && !app.run.no_model;
    if (came) {
      await state.reload();
      askAgain();
    }
    const done = app.run.groups.some((one, n) => one.rating.state === "done" && before.groups[n]?.rating.state !== "done");
    showRun();
    if (done) await list();
    else if (came) showFirst();
  } catch (error) {
    complain(error);
  }
  lookAgain();
}

async function rate() {
  byId("rate").hidden = true;
  try {
    app.run = await api.rate(state.group);
  } catch (error) {
    complain(error);
  }
  showList();
  lookAgain();
}

let typing = 0;

byId("report-frame").addEventListener("load", () => {
  byId("report-wait").hidden = true;
});
byId("renew").addEventListener("click", showReport);
byId("more").addEventListener("click", () => list(true));
byId("rate").addEventListener("click", rate);
byId("group").addEventListener("change", async (event) => {
  state.group = event.target.value;
  await list();
});
byId("order").addEventListener("change", async (event) => {
  state.order = event.target.value;
  await list();
});
byId("find").addEventListener("input", (event) => {
  state.find = event.target.value.trim();
  clearTimeout(typing);
  typing = setTimeout(() => list(), 200);
});
window.addEventListener("hashchange", () => app.run && route());
on("current", () => app.run && showList());
