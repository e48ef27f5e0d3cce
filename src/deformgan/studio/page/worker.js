// What the server does elsewhere: photos, joints and layers, with onnxruntime-web.
import { Detector } from "./detect.js";
import { frameSmoothly, linear, personBox, planes, resample, toBytes, whole } from "./images.js";
import { inpaint } from "./inpaint.js";
import { Skeleton, distance } from "./skeleton.js";

const KEPT = 12e6; // pixels of a photo
const UNREADABLE = "The photo cannot be read; use JPEG, PNG, WebP, BMP or AVIF.";
const SIGNS = [/^\xff\xd8\xff/, /^\x89PNG/, /^RIFF....WEBP/s, /^BM/, /^....ftypavi[fs]/s];
const sigmoid = (value) => 1 / (1 + Math.exp(-value));

let about, skeleton, detector, ort, size, providers = ["wasm"];
const photos = [], sessions = {};
let people = []; // {photo, pose, box, seen, given, matte}
let rows;

async function begin(given) {
  about = given;
  skeleton = new Skeleton(about);
  size = about.size;
  // A graphics processor if the browser gives one, with a fall-back that always works.
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  try {
    if (!adapter || adapter.info?.isFallbackAdapter) throw new Error("no graphics processor");
    await load("gpu", ["webgpu", "wasm"]);
  } catch {
    await load("", ["wasm"]);
  }
  detector = new Detector(async (image, height, width) => {
    const { heat } = await run("pose18.onnx", { image: tensor(image, 1, 3, height, width) });
    return heat.data;
  }, skeleton, about.calibration);
}

async function load(kind, wanted) {
  const name = kind ? `ort-${kind}` : "ort";
  ort = await import(`./${name}.js`);
  ort.env.wasm.wasmPaths = { wasm: new URL(`${name}.wasm`, import.meta.url).href };
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency ?? 1, 4) : 1;
  ort.env.logLevel = "error";
  providers = wanted;
  await session(about.graphs[1]);
}

const session = (name) =>
  (sessions[name] ??= ort.InferenceSession.create(new URL(name, import.meta.url).href, {
    // The detector takes images of all sizes, which is slow to prepare on a graphics processor.
    executionProviders: name === "pose18.onnx" ? ["wasm"] : providers,
  }).catch((error) => {
    delete sessions[name];
    throw error;
  }));

const tensor = (data, ...shape) => new ort.Tensor("float32", data, shape);
async function run(name, given) {
  const graph = await session(name);
  return graph.run(Object.fromEntries(graph.inputNames.map((input) => [input, given[input]])));
}

async function decode(bytes) {
  const start = String.fromCharCode(...new Uint8Array(bytes, 0, Math.min(16, bytes.byteLength)));
  let image;
  try {
    if (!SIGNS.some((sign) => sign.test(start))) throw new Error(UNREADABLE);
    image = await createImageBitmap(new Blob([bytes]), { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  } catch {
    throw new Error(UNREADABLE);
  }
  if (image.width * image.height > about.most_pixels) throw new Error(`The photo is too large; at most ${about.most_pixels / 1e6} million pixels are allowed.`);
  const shrink = Math.min(1, Math.sqrt(KEPT / (image.width * image.height)));
  const canvas = new OffscreenCanvas(Math.max(1, Math.floor(image.width * shrink)), Math.max(1, Math.floor(image.height * shrink)));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // behind transparent photos
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height), rgb = new Uint8Array((data.length / 4) * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) for (let c = 0; c < 3; c++) rgb[to++] = data[from + c];
  return { height: canvas.height, width: canvas.width, rgb };
}

async function open(slot, bytes, known) {
  const photo = await decode(bytes), found = known ?? { size: [photo.height, photo.width], people: await detector.find(photo) };
  if (found.people.length) photos[slot] = photo; // else the photo before stays
  return found;
}

async function detect(bytes) {
  const photo = await decode(bytes);
  return { size: [photo.height, photo.width], people: await detector.find(photo) };
}

const joints = ({ joints: places, visible }, name) => ({
  [`${name}_joints`]: tensor(Float32Array.from(places.flat()), 1, places.length, 2),
  [`${name}_visible`]: tensor(Float32Array.from(visible), 1, visible.length),
});

async function use(poses, wanted) {
  rows = wanted;
  const columns = Math.round((rows * size[1]) / size[0]);
  people = poses.map((pose, slot) => {
    const photo = photos[slot], same = photo.height === size[0] && photo.width === size[1];
    const box = same ? whole(photo) : personBox(pose, skeleton, size);
    const seen = frameSmoothly(photo, box, box.height <= rows ? [box.height, box.width] : [rows, columns]);
    const full = skeleton.completeLegs(pose, photo.height);
    const framed = full.joints.map(([x, y]) => [
      ((x + 0.5 - box.left) * size[1]) / box.width - 0.5, ((y + 0.5 - box.top) * size[0]) / box.height - 0.5,
    ]);
    return { photo, box, seen, pose: { joints: framed, visible: full.visible } };
  });
  for (const person of people) {
    const fine = size.map((side) => 2 * side);
    person.given = {
      image: tensor(planes(person.seen, size), 1, 3, ...size),
      photo: tensor(planes(person.seen, fine), 1, 3, ...fine),
      ...joints(person.pose, "source"),
    };
    Object.assign(person.given, await run(about.graphs[0], person.given));
  }
  return { layered: true, size, rows, photos: people.map(({ seen, pose }) => ({ ...seen, ...pose })) };
}

// Planes to pixels: values of all channels beside each other.
function beside(planes, channels, out, change) {
  const area = planes[0].length;
  for (let c = 0; c < channels; c++) for (let at = 0; at < area; at++) out[at * channels + c] = change(planes[c][at]);
  return out;
}

async function move(pose) {
  const started = performance.now(), layers = [], area = size[0] * size[1];
  for (const { given } of people) {
    const found = await run(about.graphs[1], { ...given, ...joints(pose, "target") });
    const parts = (name, count, length) => Array.from({ length: count }, (_, c) => found[name].data.subarray(c * length, (c + 1) * length));
    const same = (value) => value, colour = (value) => (value + 1) * 127.5;
    layers.push({
      net: size,
      field: beside([...parts("flow", 2, area), found.person.data], 3, new Float32Array(3 * area), same),
      logits: beside(parts("logits", 2, 4 * area), 2, new Float32Array(8 * area), same),
      paint: new Uint8Array(beside(parts("paint", 3, 4 * area), 3, new Uint8ClampedArray(12 * area), colour).buffer),
      scene: new Uint8Array(beside(parts("scene", 3, 4 * area), 3, new Uint8ClampedArray(12 * area), colour).buffer),
    });
  }
  return { ms: performance.now() - started, layers };
}

// The first photo's scene without its person: the matte and what the joints say, widened and filled.
async function scene() {
  const { photo, box, pose, given } = people[0], columns = Math.round((rows * size[1]) / size[0]);
  const [height, width] = size, unit = skeleton.torso(pose), matte = given.source_matte?.data, limbs = skeleton.limbs.filter(([a, b]) => pose.visible[a] && pose.visible[b]);
  const away = ([x, y], [start, end]) => {
    const [a, b] = [pose.joints[start], pose.joints[end]], way = [b[0] - a[0], b[1] - a[1]];
    const share = Math.min(Math.max(((x - a[0]) * way[0] + (y - a[1]) * way[1]) / Math.max(way[0] ** 2 + way[1] ** 2, 1e-6), 0), 1);
    return distance([x, y], [a[0] + way[0] * share, a[1] + way[1] * share]);
  };
  const near = Float32Array.from({ length: height * width }, (_, at) => Math.min(...limbs.map((limb) => away([at % width, Math.floor(at / width)], limb))));
  const inside = pose.joints.filter((_, joint) => pose.visible[joint]).map(([x, y]) => Math.round(y) * width + Math.round(x)).filter((at) => at >= 0 && at < near.length);
  const far = near.map((value) => value > 0.6 * unit), wrong = far.filter((value, at) => value && matte?.[at] > 0).length;
  const trusted = matte && inside.filter((at) => matte[at] > 0).length >= 0.75 * inside.length && wrong <= 0.1 * far.filter(Boolean).length;
  let hole = near.map((value, at) => Number(trusted ? matte[at] > 0 || value < 0.3 * unit : value < 0.5 * unit));
  const reach = Math.max(2, Math.round(unit * 0.1)), widen = (mask, radius) => {
    const wide = new Float32Array(mask.length);
    mask.forEach((value, at) => {
      if (!value) return;
      const [x, y] = [at % width, Math.floor(at / width)];
      for (let dy = -radius; dy <= radius; dy++)
        for (let dx = -radius; dx <= radius; dx++)
          if (dx * dx + dy * dy <= radius * radius && x + dx >= 0 && x + dx < width && y + dy >= 0 && y + dy < height) wide[at + dy * width + dx] = 1;
    });
    return wide;
  };
  const other = (mask) => mask.map((value) => 1 - value);
  hole = other(widen(other(widen(hole, 2 * reach)), reach));
  const full = frameSmoothly(photo, box, [rows, columns], inpaint);
  const resized = (data, channels, from, to) => resample(data, channels, from, { left: 0, top: 0, height: from[0], width: from[1] }, to, linear);
  const lost = resized(hole, 1, size, [rows, columns]).map((share) => Number(share > 0));
  const filled = inpaint(full.rgb, [rows, columns], lost);
  const share = resized(hole, 1, size, [rows, columns]).map((value) => Math.min(2 * value, 1));
  return { ...full, rgb: new Uint8Array(toBytes(filled.map((value, at) => value * share[Math.floor(at / 3)] + full.rgb[at] * (1 - share[Math.floor(at / 3)])))) };
}

// One request after the other, in order.
const actions = { begin, open, detect, use, move, scene };
let last = Promise.resolve(), broken = null;
self.onmessage = ({ data: { n, action, given } }) => {
  last = last.then(async () => {
    try {
      if (broken) throw broken;
      postMessage({ n, reply: await actions[action](...given) });
    } catch (error) {
      if (action === "begin") broken = new Error(`This browser cannot run the studio (${error.message}).`);
      postMessage({ n, error: error.message || String(error) });
    }
  });
};
