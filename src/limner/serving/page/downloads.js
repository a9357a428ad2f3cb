// Masks, overlays, outlines and measurements of all pictures, as one zip.

import * as api from "./api.js";
import { byId, complain, download, plural, say } from "./dom.js";
import { correctable, differs, masksOf } from "./masks.js";
import { picturesOf } from "./parts.js";
import { answered, app, modelFor, on, shownTarget } from "./state.js";

const MILLIMETRES = { nm: 1e-6, µm: 1e-3, mm: 1, cm: 10, m: 1000 };

/** Picked answers, as the server names them. */
const picked = () => [...byId("download-kinds").querySelectorAll("input:checked")].map((input) => input.value);

async function fetchAll() {
  const items = answered().filter((item) => item.model === modelFor(item));
  const button = byId("download");
  button.disabled = true;
  say(`Making the zip of ${plural(items.length, "picture")} …`);
  try {
    const fields = { model: app.model, answers: picked().join(",") };
    if (app.pixel.size > 0) fields.spacing = app.pixel.size * MILLIMETRES[app.pixel.unit];
    // Moved thresholds and corrections are known to this page alone: then its masks are outlined and measured.
    const own = items.some(differs) && items.every(correctable);
    const zips = await api.inParts(items, async (part) => {
      const masks = own ? (await Promise.all(part.map(masksOf))).flat() : [];
      return api.batch(await Promise.all(part.map(picturesOf)), masks, own ? { ...fields, target: shownTarget(part[0]) } : fields);
    });
    zips.forEach((zip, n) => download(zip, zips.length > 1 ? `limner_${n + 1}.zip` : "limner.zip"));
    say(`${zips.length > 1 ? plural(zips.length, "zip") : "The zip"} of ${plural(items.length, "picture")} made.`);
  } catch (error) {
    complain(error);
  } finally {
    show();
  }
}

function show() {
  const ready = answered().length;
  byId("download").disabled = !ready || !picked().length;
  // Of a run most pictures were never looked at, so that "all" would promise too much.
  byId("download").textContent = app.run && ready ? `Download ${plural(ready, "picture")} as zip` : "Download all as zip";
}

byId("download").addEventListener("click", fetchAll);
byId("download-kinds").addEventListener("change", show);
on("items item current", show);
show();
