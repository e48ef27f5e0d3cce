// What a saved file states about itself: that it is generated, by what and on whose terms.
// stated: { software, text, xmp } of picture_metadata.py.

const bytes = (text) => new TextEncoder().encode(text);

const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});
const crc = (data) => ~data.reduce((sum, byte) => CRC[(sum ^ byte) & 255] ^ (sum >>> 8), ~0);

function chunk(name, content) {
  const out = new Uint8Array(12 + content.length), view = new DataView(out.buffer);
  view.setUint32(0, content.length);
  out.set(bytes(name), 4);
  out.set(content, 8);
  view.setInt32(8 + content.length, crc(out.subarray(4, 8 + content.length)));
  return out;
}

// International text, uncompressed, in no stated language.
const text = (keyword, content) => chunk("iTXt", bytes(`${keyword}\0\0\0\0\0${content}`));

const HEAD = 33; // of a PNG: its signature and the header chunk

export function inPng(blob, stated) {
  const chunks = [text("Software", stated.software), text("Description", stated.text), text("XML:com.adobe.xmp", stated.xmp)];
  return new Blob([blob.slice(0, HEAD), ...chunks, blob.slice(HEAD)], { type: blob.type });
}

// The comment of a GIF, in blocks of at most 255 bytes.
export function gifComment(stated) {
  const content = bytes(stated.text), out = [0x21, 0xfe];
  for (let at = 0; at < content.length; at += 255) {
    const part = content.subarray(at, at + 255);
    out.push(part.length, ...part);
  }
  return Uint8Array.from([...out, 0]);
}

export const webpXmp = (stated) => bytes(stated.xmp);
