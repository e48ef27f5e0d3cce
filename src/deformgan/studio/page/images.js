// Images as {height, width, rgb}: resampling as Pillow and PyTorch do it, framing, filling of holes.

export const cubic = { reach: 2, at: (x) => ((x = Math.abs(x)) < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0) };
export const linear = { reach: 1, at: (x) => Math.max(1 - Math.abs(x), 0) };
const mean = { reach: 0.5, at: () => 1 };
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// Weights of the pixels that one axis of a resized box is made of. Pixels beyond the edges repeat
// those at the edges, as far as `margin` pixels outside of the box.
function taps(length, start, extent, count, kernel, margin) {
  const scale = Math.max(extent / count, 1), low = Math.floor(start) - margin, high = Math.ceil(start + extent) + margin;
  return Array.from({ length: count }, (_, place) => {
    const centre = start + ((place + 0.5) * extent) / count, found = [];
    const first = Math.max(Math.floor(centre - kernel.reach * scale + 0.5), low);
    const last = Math.min(Math.floor(centre + kernel.reach * scale + 0.5), high);
    let sum = 0;
    for (let pixel = first; pixel < last; pixel++) {
      const weight = kernel.at((pixel + 0.5 - centre) / scale);
      if (weight) found.push([clamp(pixel, 0, length - 1), weight]);
      sum += weight;
    }
    for (const tap of found) tap[1] /= sum;
    return found;
  });
}

// Resize a box of an image; its left and top edges are in pixels, 0 at the image's own edges.
export function resample(data, channels, [height, width], box, [rows, columns], kernel, margin = 0) {
  const across = taps(width, box.left, box.width, columns, kernel, margin), down = taps(height, box.top, box.height, rows, kernel, margin);
  const needed = new Map(), out = new Float32Array(rows * columns * channels);
  const row = (y) => {
    if (!needed.has(y)) {
      const line = new Float32Array(columns * channels);
      for (let x = 0; x < columns; x++)
        for (const [from, weight] of across[x])
          for (let c = 0; c < channels; c++) line[x * channels + c] += weight * data[(y * width + from) * channels + c];
      needed.set(y, line);
    }
    return needed.get(y);
  };
  for (let y = 0; y < rows; y++) {
    const lines = down[y].map(([from, weight]) => [row(from), weight]);
    for (const [line, weight] of lines) for (let at = 0, base = y * line.length; at < line.length; at++) out[base + at] += weight * line[at];
    for (const old of needed.keys()) if (old < down[y][0][0] - 2) needed.delete(old);
  }
  return out;
}

export const whole = ({ height, width }) => ({ left: 0, top: 0, height, width });
export const toBytes = (values) => Uint8ClampedArray.from(values);

// The network's view: RGB planes in [-1, 1]; exactly half is the mean of every four pixels.
export function planes(image, [rows, columns]) {
  const { height, width, rgb } = image, half = height === 2 * rows && width === 2 * columns;
  const small = resample(rgb, 3, [height, width], whole(image), [rows, columns], half ? mean : linear);
  const out = new Float32Array(small.length), area = rows * columns;
  for (let at = 0; at < area; at++) for (let c = 0; c < 3; c++) out[c * area + at] = small[3 * at + c] / 127.5 - 1;
  return out;
}

// Cut out a box; what lies beyond the photo is filled.
export function frameSmoothly(photo, box, size, fill = fillHoles) {
  const rgb = resample(photo.rgb, 3, [photo.height, photo.width], box, size, cubic, 2);
  const beyond = (start, extent, count, length) =>
    Uint8Array.from({ length: count }, (_, place) => {
      const at = start + ((place + 0.5) * extent) / count - 0.5;
      return at <= -0.5 || at >= length - 0.5;
    });
  const rows = beyond(box.top, box.height, size[0], photo.height), columns = beyond(box.left, box.width, size[1], photo.width);
  const image = { height: size[0], width: size[1], rgb: toBytes(rgb) };
  if (!rows.includes(1) && !columns.includes(1)) return image;
  const hole = new Float32Array(size[0] * size[1]);
  for (let y = 0; y < size[0]; y++) for (let x = 0; x < size[1]; x++) hole[y * size[1] + x] = rows[y] | columns[x];
  return { ...image, rgb: toBytes(fill(image.rgb, size, hole)) };
}

// Fill where `hole` is 1, by push-pull; see datasets/backgrounds.py.
export function fillHoles(rgb, [height, width], hole) {
  const weight = Float32Array.from(hole, (lost) => 1 - lost), total = new Float32Array(rgb.length);
  for (let at = 0; at < rgb.length; at++) total[at] = (rgb[at] - 127.5) * weight[Math.floor(at / 3)];
  return pushPull(total, weight, height, width).map((value) => value + 127.5);
}

function pushPull(total, weight, height, width) {
  if (Math.max(height, width) <= 1) return total;
  const rows = Math.ceil(height / 2), columns = Math.ceil(width / 2);
  const coarse = new Float32Array(rows * columns * 3), trust = new Float32Array(rows * columns);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = y * width + x, to = (y >> 1) * columns + (x >> 1);
      trust[to] += weight[from];
      for (let c = 0; c < 3; c++) coarse[3 * to + c] += total[3 * from + c];
    }
  for (let at = 0; at < trust.length; at++) {
    const scale = Math.min(trust[at], 1) / Math.max(trust[at], 1e-6);
    for (let c = 0; c < 3; c++) coarse[3 * at + c] *= scale;
    trust[at] = Math.min(trust[at], 1);
  }
  const filled = pushPull(coarse, trust, rows, columns);
  const fine = resample(filled, 3, [rows, columns], { left: 0, top: 0, height: rows, width: columns }, [2 * rows, 2 * columns], linear);
  return total.map((value, at) => {
    const pixel = Math.floor(at / 3), y = Math.floor(pixel / width), x = pixel % width;
    return value + (1 - weight[pixel]) * fine[(y * 2 * columns + x) * 3 + (at % 3)];
  });
}

// --- Framing, as framing.py does it. Boxes as in `resample`.

const [HIGHEST, LOWEST, WIDEST, HEAD] = [10.5 / 128, 115.5 / 128, 61 / 64, 0.39];
export const FEET = 1.4; // below the hips, in torso lengths

export function personBox(pose, skeleton, [rows, columns]) {
  const at = (name) => skeleton.index(name), any = (names) => names.some((name) => pose.visible[at(name)]);
  const seen = pose.joints.filter((_, joint) => pose.visible[joint]), row = (...names) => names.reduce((sum, name) => sum + pose.joints[at(name)][1], 0) / names.length;
  const [xs, ys] = [0, 1].map((axis) => seen.map((place) => place[axis]));
  const shoulders = row("right_shoulder", "left_shoulder"), hips = row("right_hip", "left_hip"), torso = Math.abs(hips - shoulders);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  let [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  if (!any(["nose", "right_eye", "left_eye", "right_ear", "left_ear"])) top = Math.min(top, shoulders - HEAD * torso);
  if (!any(["right_ankle", "left_ankle"])) bottom = Math.max(bottom, hips + FEET * torso);
  const height = (bottom - top) / (LOWEST - HIGHEST), aspect = columns / rows;
  const shown = Math.max(height, (right - left) / WIDEST / aspect, 1);
  const first = top - HIGHEST * height - (shown - height) / 2;
  // Whole pixels of the photo, which are copied without resampling.
  return {
    left: Math.round((left + right) / 2 - (shown * aspect) / 2 + 0.5), top: Math.round(first + 0.5),
    height: Math.max(1, Math.round(shown)), width: Math.max(1, Math.round(shown * aspect)),
  };
}
