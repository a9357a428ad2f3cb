// The page: loads the models, takes pictures in, and opens the one that is chosen.

import * as api from "./api.js";
import { byId, complain, el, plural, say } from "./dom.js";
import { start as startLearning } from "./learn.js";
import { missingParts } from "./parts.js";
import { closePicture, openPicture } from "./picture.js";
import { addFiles, askAgain, everything, filesOf, resume, tryAgain } from "./queue.js";
import { showPictures, start as startRun } from "./run.js";
import { app, emit, modelNamed, on } from "./state.js";
import { redraw } from "./view.js";
import "./correct.js";
import "./downloads.js";
import "./panel.js";

async function loadModels() {
  app.models = await api.models();
  if (!modelNamed(app.model)) app.model = app.models[0]?.name || "";
  showModels();
  emit("models");
}

function showModels() {
  byId("model").replaceChildren(
    ...app.models.map((one) => el("option", { value: one.name, text: one.name, selected: one.name === app.model })),
  );
  const targets = modelNamed(app.model)?.targets || [];
  if (!targets.some((one) => one.name === app.target)) app.target = targets[0]?.name || "";
  byId("target-field").hidden = targets.length < 2;
  byId("target").replaceChildren(
    ...targets.map((one) => el("option", { value: one.name, text: one.name, selected: one.name === app.target })),
  );
  const names = targets.flatMap((one) =>
    one.task === "regression" ? [one.name] : one.classes.filter((each) => each.id !== 0 || one.task === "multilabel").map((each) => each.name),
  );
  byId("model-note").textContent = names.length ? `This model outlines ${names.join(", ")}.` : "";
}

function useModel(name) {
  app.model = name;
  showModels();
  emit("model");
  askAgain();
}

function take(files) {
  if (!files.length) return;
  addFiles(files);
  byId("start").hidden = true;
  if (app.run) showPictures();
  else byId("work").hidden = false;
}

function waitingFor(item) {
  const missing = missingParts();
  if (missing.length && !item.sample) return `Choose the ${missing.join(" and ")} that goes with the pictures.`;
  return item.state === "working" ? `Outlining ${item.name} …` : `${item.name} waits for its turn.`;
}

let opening = 0;

/** Decodes the chosen picture and shows it, unless another was chosen meanwhile. */
async function open() {
  const item = app.current;
  const wait = byId("wait");
  if (!item) {
    leave();
    if (app.run) return;
    byId("start").hidden = app.items.length > 0;
    byId("work").hidden = !app.items.length;
    return;
  }
  wait.hidden = item.state === "ready";
  byId("wait-text").textContent = item.state === "failed" ? item.error : waitingFor(item);
  byId("retry").hidden = item.state !== "failed";
  wait.dataset.kind = item.state;
  if (item.state !== "ready" || app.opened?.answer === item.answer) {
    if (item.state !== "ready" && app.opened) leave();
    return;
  }
  const mine = ++opening;
  try {
    const opened = await openPicture(item);
    if (mine !== opening || app.current !== item) {
      closePicture(opened);
      return;
    }
    leave();
    app.opened = Object.assign(opened, { answer: item.answer });
    if (!opened.bitmap) say(`This browser cannot show ${item.name}; its outline is shown alone.`);
    emit("opened");
  } catch (error) {
    complain(error);
  }
}

function leave() {
  const { opened } = app;
  app.opened = null;
  if (opened) closePicture(opened);
  emit("closed");
  redraw();
}

async function unlock() {
  const dialog = byId("token-dialog");
  if (dialog.open) return;
  if (byId("token").value) byId("token-note").textContent = "That token was refused. Type the one the server was started with.";
  byId("token").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  api.useToken(byId("token").value);
  await begin();
  resume();
}

async function begin() {
  try {
    await loadModels();
    await startLearning();
    await startRun(loadModels);
  } catch (error) {
    if (error.status === 401) await unlock();
    else complain(error);
  }
}

byId("choose").addEventListener("click", () => byId("files").click());
byId("retry").addEventListener("click", () => tryAgain(app.current));
byId("add").addEventListener("click", () => byId("files").click());
byId("files").addEventListener("change", (event) => {
  take([...event.target.files]);
  event.target.value = "";
});
document.addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  // Browsers call everything that is pasted image.png.
  take(files.map((file, n) => (file.name === "image.png" ? new File([file], `pasted_${Date.now()}_${n + 1}.png`, { type: file.type }) : file)));
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragged");
});
document.addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dragged"));
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  document.body.classList.remove("dragged");
  take(await filesOf(event.dataTransfer));
});
byId("model").addEventListener("change", (event) => useModel(event.target.value));
byId("target").addEventListener("change", (event) => {
  app.target = event.target.value;
  emit("look");
  if (app.opened) emit("opened");
});
byId("use").addEventListener("click", async (event) => {
  const { model } = event.currentTarget.dataset;
  event.currentTarget.hidden = true;
  await loadModels();
  useModel(model);
  say(`Pictures are being outlined anew by ${model}.`);
});
on("trained", async (name) => {
  try {
    await loadModels();
  } catch (error) {
    complain(error);
  }
  if (name && name !== app.model) say(`The new model ${name} is ready.`);
});
on("current", open);
on("item", (item) => item === app.current && open());
on("items", () => app.current && open());
on("locked", unlock);
window.addEventListener("beforeunload", (event) => {
  const unsaved = everything().filter((item) => [...item.edits.keys()].some((name) => !item.saved.has(name)));
  if (!unsaved.length) return;
  say(`${plural(unsaved.length, "corrected picture")} not saved.`);
  event.preventDefault();
});

function theme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  byId("theme").setAttribute("aria-pressed", String(dark));
}

byId("theme").setAttribute("aria-pressed", String(matchMedia("(prefers-color-scheme: dark)").matches));
byId("theme").addEventListener("click", (event) => theme(event.currentTarget.getAttribute("aria-pressed") !== "true"));
await begin();
