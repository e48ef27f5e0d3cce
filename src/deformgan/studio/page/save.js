// Files: PNG by the browser; GIF and WebP animations written here, so that no server is needed.
// Each states that it is generated (metadata.js); videos of the browser's recorder cannot.

import { gifComment, webpXmp } from "./metadata.js";

export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export const toBlob = (canvas, type = "image/png", quality) =>
  new Promise((done) => canvas.toBlob(done, type, quality));

export function canvasOf(image) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

const concat = (parts) => new Blob(parts.map((part) => (typeof part === "string" ? new TextEncoder().encode(part) : part)));
const little = (value, bytes) => Uint8Array.from({ length: bytes }, (_, byte) => (value >> (8 * byte)) & 255);

// 6 x 7 x 6 colours, dithered in a fixed pattern so that what stands still does not flicker.
const [REDS, GREENS, BLUES] = [6, 7, 6];
const ORDER = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5];
const CLEAR = 255;

function quantize({ data, width, height }) {
  const found = new Uint8Array(width * height);
  for (let at = 0; at < found.length; at++) {
    const dither = (ORDER[((Math.floor(at / width) & 3) << 2) | (at % width & 3)] + 0.5) / 16;
    const level = (value, levels) => Math.min(Math.floor((value / 255) * (levels - 1) + dither), levels - 1);
    const [red, green, blue, alpha] = data.subarray(4 * at, 4 * at + 4);
    found[at] = alpha < 128 ? CLEAR : (level(red, REDS) * GREENS + level(green, GREENS)) * BLUES + level(blue, BLUES);
  }
  return found;
}

// The LZW of GIF: codes of growing length, in blocks of at most 255 bytes.
function lzw(indices) {
  const bytes = [], clear = 256, end = 257;
  let table = new Map(), next = 258, size = 9, held = 0, bits = 0, prefix = indices[0];
  const put = (code) => {
    held |= code << bits;
    for (bits += size; bits >= 8; bits -= 8, held >>>= 8) bytes.push(held & 255);
  };
  put(clear);
  for (let at = 1; at < indices.length; at++) {
    const key = (prefix << 8) | indices[at], known = table.get(key);
    if (known !== undefined) {
      prefix = known;
      continue;
    }
    put(prefix);
    prefix = indices[at];
    if (next < 4096) {
      table.set(key, next++);
      if (next > 1 << size && size < 12) size++;
    } else {
      put(clear);
      [table, next, size] = [new Map(), 258, 9];
    }
  }
  put(prefix);
  put(end);
  if (bits) bytes.push(held & 255);
  const blocks = [];
  for (let at = 0; at < bytes.length; at += 255) {
    const part = bytes.slice(at, at + 255);
    blocks.push(part.length, ...part);
  }
  return Uint8Array.from([8, ...blocks, 0]);
}

// frames: ImageData of one size; milliseconds: how long each is shown.
export function gif(frames, milliseconds, stated) {
  const { width, height } = frames[0], palette = new Uint8Array(256 * 3);
  for (let index = 0; index < REDS * GREENS * BLUES; index++) {
    const [red, green, blue] = [Math.floor(index / (GREENS * BLUES)), Math.floor(index / BLUES) % GREENS, index % BLUES];
    palette.set([(red * 255) / (REDS - 1), (green * 255) / (GREENS - 1), (blue * 255) / (BLUES - 1)], 3 * index);
  }
  const parts = ["GIF89a", little(width, 2), little(height, 2), Uint8Array.of(0xf7, 0, 0), palette];
  parts.push(Uint8Array.of(0x21, 0xff, 11), "NETSCAPE2.0", Uint8Array.of(3, 1, 0, 0, 0));
  parts.push(gifComment(stated));
  for (const frame of frames) {
    // Each frame replaces the one before; colour 255 is transparent.
    parts.push(Uint8Array.of(0x21, 0xf9, 4, 9), little(Math.round(milliseconds / 10), 2), Uint8Array.of(CLEAR, 0));
    parts.push(Uint8Array.of(0x2c, 0, 0, 0, 0), little(width, 2), little(height, 2), Uint8Array.of(0), lzw(quantize(frame)));
  }
  return new Blob([concat([...parts, ";"])], { type: "image/gif" });
}

// An animated WebP of single ones, which the browser encodes.
export async function webp(frames, milliseconds, stated) {
  const { width, height } = frames[0], parts = [];
  const chunk = (name, ...content) => {
    const size = content.reduce((sum, part) => sum + part.length, 0);
    parts.push(name, little(size, 4), ...content);
    if (size % 2) parts.push(Uint8Array.of(0));
  };
  chunk("VP8X", Uint8Array.of(0x16, 0, 0, 0), little(width - 1, 3), little(height - 1, 3));
  chunk("ANIM", Uint8Array.of(0, 0, 0, 0, 0, 0));
  for (const frame of frames) {
    const single = await toBlob(canvasOf(frame), "image/webp", 0.92);
    if (single.type !== "image/webp") throw new Error("This browser cannot write WebP; choose GIF.");
    const bytes = new Uint8Array(await single.arrayBuffer()), view = new DataView(bytes.buffer), content = [];
    for (let at = 12; at < bytes.length; ) {
      const size = 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) % 2);
      if (/^(VP8 |VP8L|ALPH)$/.test(String.fromCharCode(...bytes.subarray(at, at + 4)))) content.push(bytes.subarray(at, at + size));
      at += size;
    }
    const head = [little(0, 3), little(0, 3), little(width - 1, 3), little(height - 1, 3), little(milliseconds, 3), Uint8Array.of(2)];
    chunk("ANMF", ...head, ...content);
  }
  chunk("XMP ", webpXmp(stated));
  const body = concat(["WEBP", ...parts]);
  return new Blob([concat(["RIFF", little(body.size, 4), body])], { type: "image/webp" });
}

// A video of a canvas as it plays, by the browser's recorder; its type depends on the browser.
export const VIDEO = globalThis.MediaRecorder
  ? ["video/mp4", "video/webm"].find((type) => MediaRecorder.isTypeSupported(type)) : undefined;

export async function record(canvas, play) {
  const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: VIDEO, videoBitsPerSecond: 8e6 }), parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const stopped = new Promise((done) => (recorder.onstop = done));
  recorder.start();
  await play();
  recorder.stop();
  await stopped;
  return new Blob(parts, { type: VIDEO });
}
