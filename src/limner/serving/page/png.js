// Grey PNG files, read and written exactly: a canvas would cut 16 bits to 8 and may convert colours.
// Source: PNG specification, third edition (W3C 2025).

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

async function pass(bytes, transform) {
  const stream = new Blob([bytes]).stream().pipeThrough(transform);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Reads a grey PNG of 1, 2, 4, 8 or 16 bits, not interlaced.
 * Gives `{width, height, depth, data}`; data is a Uint8Array, or a Uint16Array for 16 bits.
 */
export async function readGrey(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (SIGNATURE.some((value, place) => bytes[place] !== value)) throw new Error("The server's picture is no PNG.");
  const parts = [];
  let [width, height, depth] = [0, 0, 8];
  for (let at = 8; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind === "IHDR") {
      [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
      depth = bytes[at + 16];
      if ((bytes[at + 17] !== 0 && bytes[at + 17] !== 3) || bytes[at + 20] !== 0) {
        throw new Error("The server's picture is no plain grey PNG.");
      }
    }
    if (kind === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const packed = await pass(new Blob(parts), new DecompressionStream("deflate"));
  const rowBytes = Math.ceil((width * depth) / 8);
  const rows = unfilter(packed, rowBytes, height, Math.max(1, depth >> 3));
  return { width, height, depth, data: unpack(rows, width, height, depth, rowBytes) };
}

/** Undoes the filter of each row; `step` is the number of bytes from a pixel to the one left of it. */
function unfilter(packed, rowBytes, height, step) {
  const rows = new Uint8Array(rowBytes * height);
  for (let y = 0; y < height; y++) {
    const kind = packed[y * (rowBytes + 1)];
    const from = y * (rowBytes + 1) + 1;
    const to = y * rowBytes;
    const up = to - rowBytes;
    rows.set(packed.subarray(from, from + rowBytes), to);
    if (kind === 0) continue;
    for (let x = 0; x < rowBytes; x++) {
      const a = x >= step ? rows[to + x - step] : 0;
      const b = y > 0 ? rows[up + x] : 0;
      let guess = a;
      if (kind === 2) guess = b;
      else if (kind === 3) guess = (a + b) >> 1;
      else if (kind === 4) guess = nearest(a, b, x >= step && y > 0 ? rows[up + x - step] : 0);
      rows[to + x] += guess;
    }
  }
  return rows;
}

// The predictor of Paeth: of left, above and corner the one nearest to left + above − corner.
function nearest(a, b, c) {
  const pa = Math.abs(b - c);
  const pb = Math.abs(a - c);
  const pc = Math.abs(a + b - 2 * c);
  if (pa <= pb && pa <= pc) return a;
  return pb <= pc ? b : c;
}

function unpack(rows, width, height, depth, rowBytes) {
  if (depth === 8) return rows;
  const count = width * height;
  if (depth === 16) {
    const wide = new Uint16Array(count);
    for (let i = 0; i < count; i++) wide[i] = (rows[2 * i] << 8) | rows[2 * i + 1];
    return wide;
  }
  const flat = new Uint8Array(count);
  const most = (1 << depth) - 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      flat[y * width + x] = (rows[y * rowBytes + (bit >> 3)] >> (8 - depth - (bit & 7))) & most;
    }
  }
  return flat;
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function chunk(kind, body) {
  const made = new Uint8Array(12 + body.length);
  const view = new DataView(made.buffer);
  view.setUint32(0, body.length);
  for (let i = 0; i < 4; i++) made[4 + i] = kind.charCodeAt(i);
  made.set(body, 8);
  let crc = 0xffffffff;
  for (let i = 4; i < 8 + body.length; i++) crc = CRC[(crc ^ made[i]) & 255] ^ (crc >>> 8);
  view.setUint32(8 + body.length, ~crc >>> 0);
  return made;
}

/** Writes class ids of 0 to 255, row by row, as a grey PNG of 8 bits. */
export async function writeGrey(data, width, height) {
  const rows = new Uint8Array((width + 1) * height);
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 0, 0, 0, 0], 8);
  const packed = await pass(rows, new CompressionStream("deflate"));
  const parts = [new Uint8Array(SIGNATURE), chunk("IHDR", header), chunk("IDAT", packed), chunk("IEND", new Uint8Array())];
  return new Blob(parts, { type: "image/png" });
}
