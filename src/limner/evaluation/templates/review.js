"use strict";
// Marks of a review: kept by the browser, saved as review.csv. No name from the data is ever made markup.
const { key, rows } = JSON.parse(document.getElementById("table").textContent);
const samples = [...document.querySelectorAll(".sample")];
let marks = {};
let kept = true;
try { marks = JSON.parse(localStorage.getItem(key)) || {}; } catch { kept = false; }

function mark(sample, decision) {
  if (decision) marks[sample.dataset.id] = decision; else delete marks[sample.dataset.id];
  try { localStorage.setItem(key, JSON.stringify(marks)); } catch { kept = false; }
  show(sample);
  tally();
}

function show(sample) {
  const decision = marks[sample.dataset.id] || "";
  sample.dataset.decision = decision;
  for (const input of sample.querySelectorAll("input")) input.checked = input.value === decision;
}

function tally() {
  const count = (decision) => samples.filter((sample) => sample.dataset.decision === decision).length;
  document.getElementById("tally").textContent =
    `${count("keep")} keep, ${count("drop")} drop, ${count("fix")} fix later, ${count("")} undecided` +
    (kept ? "" : ". This browser keeps no marks: save before you close the page.");
}

function cell(value) {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function table() {
  const columns = Object.keys(rows[0]);
  const lines = rows.map((row) => columns.map((name) => cell(name === "decision" ? marks[row.id] || "" : row[name])));
  return [columns, ...lines].map((line) => line.join(",") + "\n").join("");
}

function current() {
  return samples.indexOf(document.activeElement.closest(".sample"));
}

function go(at) {
  if (samples[at]) { samples[at].focus({ preventScroll: true }); samples[at].scrollIntoView({ block: "start" }); }
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const at = current();
  const decision = { k: "keep", d: "drop", f: "fix", u: "" }[event.key];
  if (event.key === "n") go(at + 1);
  else if (event.key === "p") go(Math.max(0, at - 1));
  else if (decision !== undefined && at >= 0) { mark(samples[at], decision); go(decision ? at + 1 : at); }
});
for (const sample of samples) {
  sample.addEventListener("change", (event) => mark(sample, event.target.value));
  show(sample);
}
document.getElementById("save").addEventListener("click", () => {
  const link = document.createElement("a");
  // The mark in front tells spreadsheet programs that it is UTF-8.
  link.href = URL.createObjectURL(new Blob(["\ufeff", table()], { type: "text/csv" }));
  link.download = "review.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
tally();
