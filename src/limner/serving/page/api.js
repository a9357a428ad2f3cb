// The server's answers, as promises. Every failure is an ApiError with what to do.

const tokenKey = "limner.token";
let token = read();

function read() {
  try {
    return sessionStorage.getItem(tokenKey) || "";
  } catch {
    return "";
  }
}

/** The access token that later requests carry; forgotten when the tab closes. */
export function useToken(value) {
  token = value;
  try {
    sessionStorage.setItem(tokenKey, value);
  } catch {
    // A browser that keeps nothing: the token lives as long as the page.
  }
}

/** What the server refused, or that it cannot be reached. `status` is 0 then. */
export class ApiError extends Error {
  constructor(status, { kind = "", expected = "", found = "", remedy = "" }, retryAfter = 0) {
    super(found || kind);
    Object.assign(this, { status, kind, expected, found, remedy, retryAfter });
  }
}

async function call(path, { method = "GET", body, signal, as = "json" } = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body !== undefined && !(body instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, { method, headers, body, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, {
      expected: "an answer of the server",
      found: "no connection",
      remedy: "See whether 'limner serve' still runs, then try again.",
    });
  }
  if (response.ok) return as === "blob" ? response.blob() : response.json();
  let said = {};
  try {
    said = (await response.json()).error || {};
  } catch {
    // A proxy between may answer in HTML.
  }
  if (!said.expected) {
    said = { expected: "an answer", found: `status ${response.status}`, remedy: "Try again.", ...said };
  }
  throw new ApiError(response.status, said, Number(response.headers.get("Retry-After")) || 0);
}

function form(fields) {
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null || value === "") continue;
    for (const part of Array.isArray(value) ? value : [value]) {
      if (part instanceof File || part instanceof Blob) made.append(name, part, part.name || `${name}.png`);
      else made.append(name, String(part));
    }
  }
  return made;
}

export const models = () => call("/v1/models");

/** `pictures`: the file by its field, `image`, or a file for each input of a model of several. */
export const predict = (pictures, model, answers, signal) =>
  call("/v1/predict", { method: "POST", body: form({ ...pictures, model, answers: answers.join(",") }), signal });

/** The run that the server shows; it has no such address where it shows none. */
export const run = () => call("/v1/run");

/** Samples of the run: `{group, total, samples}`; `choice` is group, order, find, offset and limit, or a name. */
export const samples = (choice) => call(`/v1/run/samples?${new URLSearchParams(choice)}`);

/** Masks and numbers that are known of a sample. */
export const sample = (number) => call(`/v1/run/sample?number=${number}`);

/** An input of a sample, as a file to send; without a name the last. */
export const samplePicture = (number, input) =>
  call(`/v1/run/picture?${new URLSearchParams({ number, ...(input ? { input } : {}) })}`, { as: "blob" });

export const thumbnail = (number) => call(`/v1/run/thumbnail?number=${number}`, { as: "blob" });

export const rate = (group) => call("/v1/run/rate", { method: "POST", body: { group } });

/** A zip of masks, overlays, outlines and measurements; of the given masks (see `save`) where there are some. */
export const batch = (pictures, masks, fields) =>
  call("/v1/batch", { method: "POST", body: form({ ...columns(pictures), masks, ...fields }), as: "blob" });

/** Files of many samples as the fields of a form: `images`, or a list for each input of a model of several. */
function columns(pictures) {
  const found = {};
  for (const files of pictures) {
    for (const [part, file] of Object.entries(files)) (found[part === "image" ? "images" : part] ||= []).push(file);
  }
  return found;
}

export const dataset = () => call("/v1/dataset");

/** `masks`: one of class ids, or a plane for each class. */
export const save = (pictures, masks, fields) =>
  call("/v1/dataset", { method: "POST", body: form({ ...pictures, mask: masks, ...fields }) });

/** Pictures in the order in which correcting them is worth most: `{index, score, because}`. */
export async function rank(pictures, model) {
  // Names may be twice; numbers are not.
  const numbered = pictures.map((files, n) =>
    Object.fromEntries(
      Object.entries(files).map(([part, file]) => [part, new File([file], `${n}_${file.name}`, { type: file.type })]),
    ),
  );
  const { pictures: ranked } = await call("/v1/rank", { method: "POST", body: form({ ...columns(numbered), model }) });
  return ranked.map((one) => ({ ...one, index: parseInt(one.name, 10) }));
}

export const training = () => call("/v1/train");
export const startTraining = (model, length) => call("/v1/train", { method: "POST", body: { model, ...length } });
export const stopTraining = () => call("/v1/train", { method: "DELETE" });

/** Sends a list whole or, where the server finds it too large (413), in halves. Gives the answers in order. */
export async function inParts(items, send) {
  try {
    return [await send(items)];
  } catch (error) {
    if (error.status !== 413 || items.length < 2) throw error;
    const half = Math.ceil(items.length / 2);
    return [...(await inParts(items.slice(0, half), send)), ...(await inParts(items.slice(half), send))];
  }
}

/** The bytes that a base64 text stands for. */
export function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}
