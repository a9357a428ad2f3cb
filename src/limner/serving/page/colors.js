// Colours of classes and of numbers.

// Sixteen steps of the maps viridis and magma (van der Walt & Smith 2015, CC0); between them is a line.
const STOPS = {
  viridis:
    "440154 481769 472a7a 433d84 3d4e8a 355e8d 2e6d8e 297b8e 23898e 1f978b 21a585 2eb37c 46c06f 65cb5e 89d548 b0dd2f d8e219 fde725",
  magma:
    "000004 090720 1a1042 311165 4a1079 621980 792282 912b81 aa337d c23b75 d9466b ec5860 f7725c fc8e64 feaa74 fec68a fde2a3 fcfdbf",
};

/** Palettes by name. Okabe & Ito 2008 and the bright scheme of Tol 2021 are told apart by all kinds of sight. */
export const PALETTES = {
  model: { label: "Of the model" },
  okabe: {
    label: "Okabe–Ito (colour-blind safe)",
    colors: ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"],
  },
  bright: {
    label: "Tol bright (colour-blind safe)",
    colors: ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"],
  },
};

export const hexOf = ([r, g, b]) => "#" + [r, g, b].map((part) => part.toString(16).padStart(2, "0")).join("");
export const rgbOf = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

const tables = new Map();

/** 256 colours `[r, g, b]` of a map, each lighter than the one before. */
export function table(name) {
  if (!tables.has(name)) {
    const stops = STOPS[name].split(" ").map((stop) => rgbOf("#" + stop));
    const colors = Array.from({ length: 256 }, (_, n) => {
      const place = (n / 255) * (stops.length - 1);
      const low = Math.min(Math.floor(place), stops.length - 2);
      return stops[low].map((part, i) => Math.round(part + (stops[low + 1][i] - part) * (place - low)));
    });
    tables.set(name, colors);
  }
  return tables.get(name);
}

/** A colour and its cover from 0 to 1 as one number, in the order of ImageData seen as a Uint32Array. */
export const packed = ([r, g, b], cover) => ((Math.round(cover * 255) << 24) | (b << 16) | (g << 8) | r) >>> 0;

/** Draws a scale of colours from left to right over a whole canvas. */
export function drawScale(canvas, name) {
  const context = canvas.getContext("2d");
  const colors = table(name);
  for (let x = 0; x < canvas.width; x++) {
    context.fillStyle = hexOf(colors[Math.round((x / (canvas.width - 1)) * 255)]);
    context.fillRect(x, 0, 1, canvas.height);
  }
}
