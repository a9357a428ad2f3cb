// Pixels of the picture that is open, and small pictures of all.

import { bytesOf } from "./api.js";
import { readLayers } from "./layers.js";
import { fileOf } from "./parts.js";
import { readTruth } from "./truth.js";

/** Sides of the small picture for views from afar, and of the tiles that are drawn from near. */
const AFAR = 2048;
const TILE = 2048;
const THUMB = 144;

/** Decodes a file as people see it, turned as its EXIF says; null where this browser cannot. */
export async function decode(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    return null;
  }
}

/**
 * A picture at its own size with what was answered: `{item, width, height, tiles, afar, targets}`.
 * The browser's own decoding is used where its size is that of the answer, the server's otherwise.
 */
export async function openPicture(item) {
  const { width, height } = item.answer;
  let bitmap = item.answer.preview ? await decode(new Blob([bytesOf(item.answer.preview)])) : await decode(await fileOf(item));
  if (bitmap && (bitmap.width !== width || bitmap.height !== height)) bitmap = null;
  const targets = {};
  for (const name of Object.keys(item.answer.targets)) {
    targets[name] = await readLayers(item.answer, name);
    targets[name].truth = await readTruth(item.truth, name, targets[name]);
  }
  const opened = { item, width, height, bitmap, tiles: new Map(), afar: null, targets };
  const most = Math.max(width, height);
  if (bitmap && most > AFAR) {
    const share = AFAR / most;
    opened.afar = await createImageBitmap(bitmap, {
      resizeWidth: Math.max(1, Math.round(width * share)),
      resizeHeight: Math.max(1, Math.round(height * share)),
      resizeQuality: "medium",
    });
  }
  return opened;
}

/** Frees what browsers do not free soon by themselves. */
export function closePicture(opened) {
  for (const tile of opened.tiles.values()) if (tile.close) tile.close();
  opened.bitmap?.close();
  opened.afar?.close();
}

/**
 * Draws the part `[left, right) × [top, bottom)` of a picture; `place(x, y)` says where a point of it goes. From afar
 * the small picture is drawn; from near the tiles that are seen. `redraw` is called when a missing tile has come.
 */
export function drawPicture(context, opened, part, scale, place, redraw) {
  const { bitmap, afar, width, height } = opened;
  if (!bitmap) return;
  context.imageSmoothingEnabled = scale < 2;
  const whole = afar ? afar : bitmap;
  const draw = (image, x, y, w, h) => {
    const [left, top] = place(x, y);
    const [right, bottom] = place(x + w, y + h);
    context.drawImage(image, left, top, right - left, bottom - top);
  };
  if (!afar || scale <= afar.width / width) {
    draw(whole, 0, 0, width, height);
    return;
  }
  for (let y = Math.floor(part.top / TILE) * TILE; y < part.bottom; y += TILE) {
    for (let x = Math.floor(part.left / TILE) * TILE; x < part.right; x += TILE) {
      const [w, h] = [Math.min(TILE, width - x), Math.min(TILE, height - y)];
      const key = `${x},${y}`;
      const tile = opened.tiles.get(key);
      if (tile?.width) draw(tile, x, y, w, h);
      else {
        const share = afar.width / width;
        const [left, top] = place(x, y);
        const [right, bottom] = place(x + w, y + h);
        context.drawImage(afar, x * share, y * share, w * share, h * share, left, top, right - left, bottom - top);
        if (!tile) {
          opened.tiles.set(key, {});
          createImageBitmap(bitmap, x, y, w, h).then((made) => {
            opened.tiles.set(key, made);
            redraw();
          }, () => opened.tiles.delete(key));
        }
      }
    }
  }
}

/** Lightness from 0 to 255 of a part of a picture, for finding edges. */
export function lightness(opened, left, top, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (opened.bitmap) context.drawImage(opened.bitmap, left, top, width, height, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const grey = new Uint8Array(width * height);
  // Rec. 709 weights of red, green and blue.
  for (let i = 0; i < grey.length; i++) {
    grey[i] = 0.2126 * data[4 * i] + 0.7152 * data[4 * i + 1] + 0.0722 * data[4 * i + 2];
  }
  return grey;
}

/** A small canvas with a bitmap, which is closed. */
export function shrink(bitmap) {
  const share = Math.min(1, THUMB / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * share));
  canvas.height = Math.max(1, Math.round(bitmap.height * share));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}
