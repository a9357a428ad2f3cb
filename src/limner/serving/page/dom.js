// Building and finding elements. Names from data only ever become text, never markup.

/** The element with an id. */
export const byId = (id) => document.getElementById(id);

/** A new element. `props`: `class`, `text`, `on` (listeners), `data`, and any attribute by its name. */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") made.className = value;
    else if (key === "text") made.textContent = value;
    else if (key === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (key === "data") Object.assign(made.dataset, value);
    else if (key === "value" || key === "checked" || key === "disabled") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Says a sentence to people and to screen readers, in the line at the foot of the page. */
export function say(text, kind = "") {
  const line = byId("status");
  line.textContent = text;
  line.dataset.kind = kind;
}

/** What an error says: what was expected, what was found, what to do. */
export function complain(error) {
  say(sentence(error), "error");
}

/** An error as one line. */
export function sentence(error) {
  if (!error.expected) return error.message || String(error);
  return `Expected ${error.expected}; found ${error.found}. ${error.remedy || ""}`.trim();
}

/** Runs at most once per frame however often it is asked. */
export function oncePerFrame(action) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      action();
    });
  };
}

/** A count with its noun: 1 picture, 2 pictures. */
export const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/** A number with three figures or so, as people write it. */
export function figure(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-3)) return value.toExponential(2);
  return value.toLocaleString("en", { maximumFractionDigits: size >= 100 ? 0 : size >= 10 ? 1 : 3 });
}

/** Hands a blob to the browser's downloads. */
export function download(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = el("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
