// The page: what is shown, what is chosen, and what happens when a dot moves.
import { openDrawer } from "./compose.js";
import { Editor } from "./editor.js";
import { inPng } from "./metadata.js";
import { POSES } from "./poses.js";
import { VIDEO, canvasOf, download, gif, record, toBlob, webp } from "./save.js";
import { Skeleton } from "./skeleton.js";

const at = (id) => document.getElementById(id);
const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;
const STEP_FRAMES = 12, FRAME_MS = 70;

const about = await (await fetch("about.json")).json();
const skeleton = new Skeleton(about);
const { Engine } = await import(about.engine === "server" ? "./server.js" : "./local.js");
const engine = new Engine((lost) => {
  if (lost) complain("The studio cannot be reached. Trying again… Your photo and pose are still here.");
  else if (at("trouble").dataset.lost) complain("");
  at("trouble").dataset.lost = lost ? "1" : "";
}, about);

const PLAIN = new URLSearchParams(location.search).has("plain"); // for tests
let drawer = openDrawer(at("picture"), PLAIN);
const sources = []; // {bytes, url, size, people, person, pose}
let size = about.size, layered = about.layered, prepared = null; // prepared: what `use` returned
let target, past = [], future = [], kept; // kept: the state before the change in progress
let own = null, behindPhoto = null; // backgrounds
const steps = [];

function complain(text) {
  at("trouble").hidden = !text;
  at("trouble").textContent = text;
  delete at("trouble").dataset.lost;
}

const say = (text) => (at("status").textContent = text);

// Run what a click asks for; whatever goes wrong is one sentence on the page. The picture is busy until
// the last of the actions that change it has ended.
let pending = 0;
const doing = (action, changes = true) => async (...given) => {
  pending += changes;
  if (changes) waiting(true);
  try {
    await action(...given);
  } catch (error) {
    complain(error.message);
    say("Ready");
  } finally {
    pending -= changes;
    if (!pending) waiting(false);
  }
};
const settled = async () => {
  while (pending) await new Promise(requestAnimationFrame);
};
const waiting = (on) => at("picture").setAttribute("aria-busy", on);

// --- The picture: at most one pose is being computed and one waits, the latest.

let wanted = null, busy = null, newest = null;

function move(pose = target) {
  wanted = { pose, asked: window.event?.timeStamp ?? performance.now() };
  busy ??= doing(compute)().finally(() => (busy = null));
  return busy;
}

async function compute() {
  while (wanted) {
    const { pose, asked } = wanted, started = performance.now();
    wanted = null;
    newest = await engine.move(pose);
    draw();
    say(`Picture in ${Math.round(performance.now() - started)} ms`);
    performance.mark("shown", { detail: asked }); // for benchmarks/studio_latency.py
  }
}

function draw() {
  if (!newest) return;
  if (newest.picture) {
    const { height, width, rgb } = newest.picture, image = new ImageData(width, height);
    for (let pixel = 0; pixel < height * width; pixel++) image.data.set([...rgb.subarray(3 * pixel, 3 * pixel + 3), 255], 4 * pixel);
    [drawer.canvas.height, drawer.canvas.width] = [height, width];
    drawer.context.putImageData((drawer.image = image), 0, 0);
    return;
  }
  const rows = prepared.rows, columns = Math.round((rows * size[1]) / size[0]);
  Object.assign(drawer, { photos: prepared.photos, layers: newest.layers, scene: background(rows, columns) });
  try {
    drawer.draw(rows, columns, Number(chosen("layer")));
  } catch (error) {
    if (drawer.context) throw error;
    changeDrawer(true); // the graphics processor has gone
    draw();
  }
}

// A canvas keeps its kind of context, so another kind needs another canvas.
function changeDrawer(plain) {
  const canvas = at("picture").cloneNode();
  at("picture").replaceWith(canvas);
  drawer = openDrawer(canvas, plain);
}

function background(rows, columns) {
  const kind = chosen("background");
  if (kind === "none") return "none";
  if (kind === "colour") return [1, 3, 5].map((place) => parseInt(at("colour").value.slice(place, place + 2), 16));
  if (kind === "own") return own;
  if (kind === "photo" && behindPhoto) return covering(behindPhoto, rows, columns);
  return null;
}

// The middle of a photo, filling the picture.
function covering(photo, rows, columns) {
  if (photo.fitted?.height === rows) return photo.fitted;
  const canvas = document.createElement("canvas");
  [canvas.height, canvas.width] = [rows, columns];
  const context = canvas.getContext("2d"), scale = Math.max(rows / photo.image.height, columns / photo.image.width);
  const [height, width] = [photo.image.height * scale, photo.image.width * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(photo.image, (columns - width) / 2, (rows - height) / 2, width, height);
  const { data } = context.getImageData(0, 0, columns, rows), rgb = new Uint8Array(rows * columns * 3);
  for (let pixel = 0; pixel < rows * columns; pixel++) rgb.set(data.subarray(4 * pixel, 4 * pixel + 3), 3 * pixel);
  return (photo.fitted = { height: rows, width: columns, rgb });
}

// --- State, and its history.

const state = () => JSON.stringify({ target, poses: sources.map(({ pose }) => pose) });

function remember() {
  if (kept && kept !== state()) {
    past.push(kept);
    future = [];
  }
  kept = state();
  at("undo").disabled = !past.length;
  at("redo").disabled = !future.length;
}

async function travel(from, to) {
  if (!from.length) return;
  to.push(state());
  const before = kept;
  kept = from.pop();
  const { target: pose, poses } = JSON.parse(kept), moved = JSON.parse(before).poses;
  sources.forEach((source, slot) => poses[slot] && (source.pose = poses[slot]));
  at("undo").disabled = !past.length;
  at("redo").disabled = !future.length;
  if (JSON.stringify(moved) !== JSON.stringify(poses)) {
    sources.forEach((source) => source.editor.set(source.pose));
    await use();
  }
  setTarget(pose, false);
}

function setTarget(pose, lasting = true) {
  target = pose;
  editor.set(pose);
  showParts();
  if (lasting) remember();
  return move();
}

const editor = new Editor(at("target"), skeleton, {
  keep: () => at("keep").checked,
  chosen: showJoint,
  changed(pose, done) {
    target = pose;
    move();
    if (done) remember();
    if (at("parts").checked) showParts();
  },
});
let active = editor; // whose dot the button hides

function showJoint() {
  const joint = active.selected, fixed = skeleton.mandatory.includes(joint);
  const touched = active.pose && active.marked;
  at("joint").textContent = touched ? skeleton.names[joint] : "No dot chosen";
  at("hide").disabled = !touched || fixed;
  at("hide").textContent = active.pose?.visible[joint] === false ? "Show this dot" : "Hide this dot";
  at("hide").title = fixed ? "Shoulders and hips are always needed" : "";
}

function showParts() {
  const on = at("parts").checked;
  editor.showParts(on);
  for (const source of sources) source.editor.showParts(on);
  if (on) at("found").checked = true;
  showDots();
}

// --- Photos.

async function use() {
  waiting(true);
  prepared = await engine.use(sources.map(({ pose }) => pose), Number(at("rows").value), at("weights").value);
  ({ size, layered } = prepared);
  newest = null; // what was composed of other photos
  if (layered === Boolean(drawer.context) && !PLAIN) changeDrawer(!layered);
  editor.size(...size);
  own = null;
  for (const part of document.querySelectorAll("#backgrounds input, #layers input, #rows, #second")) part.disabled = !layered;
  if (layered && chosen("background") === "own") own = await engine.scene();
}

async function readPhoto(slot, bytes, known = null) {
  if (bytes.byteLength > about.most_bytes) throw new Error(`The file is larger than ${about.most_bytes >> 20} MB.`);
  complain("");
  waiting(true);
  say("Looking for a person…");
  const { size: of, people } = await engine.open(slot, bytes, known);
  if (!people.length) throw new Error("No person was found in this photo. Use one that shows somebody from head to feet.");
  const old = sources[slot];
  if (old) URL.revokeObjectURL(old.url);
  sources[slot] = { bytes, size: of, people, person: 0, url: URL.createObjectURL(new Blob([bytes])) };
  if (slot === 0) dropSecond();
  takePerson(slot);
  showSources();
}

function takePerson(slot) {
  const source = sources[slot], found = source.people[source.person % source.people.length];
  const standing = POSES[0];
  source.pose = skeleton.complete(found, { ...standing, joints: standing.joints.map(([x, y]) => [(x * source.size[0]) / 128, (y * source.size[0]) / 128]) });
}

// A new person begins in the pose of the photo.
async function begin(pose = null) {
  complain("");
  await use();
  [past, future, kept] = [[], [], null];
  const first = skeleton.complete(prepared.photos[0], POSES[0]);
  await setTarget(pose ? skeleton.fit(pose, first, size) : first);
  showJoint();
}

function showSources() {
  at("sources").replaceChildren(
    ...sources.map((source, slot) => {
      const frame = document.createElement("div"), image = new Image(), svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      frame.className = "frame";
      frame.style.aspectRatio = `${source.size[1]} / ${source.size[0]}`;
      image.src = source.url;
      image.alt = slot ? "The second photo" : "The photo";
      svg.setAttribute("role", "group");
      svg.setAttribute("aria-label", `Dots found in the ${slot ? "second " : ""}photo`);
      frame.append(image, svg);
      source.editor = new Editor(svg, skeleton, {
        chosen: () => ((active = source.editor), showJoint()),
        changed: doing(async (pose, done) => {
          source.pose = pose;
          if (!done) return;
          remember();
          await use();
          await move();
          showParts();
        }),
      });
      source.editor.size(...source.size);
      source.editor.set(source.pose);
      return frame;
    }),
  );
  at("next-person").hidden = sources[0].people.length < 2;
  at("next-person").textContent = `Next person (${sources[0].person + 1} of ${sources[0].people.length})`;
  at("second-label").hidden = sources.length > 1;
  at("drop-second").hidden = sources.length < 2;
  showDots();
}

function showDots() {
  at("target").classList.toggle("quiet", !at("dots").checked);
  for (const svg of document.querySelectorAll("#sources svg")) svg.classList.toggle("quiet", !at("found").checked);
}

function dropSecond() {
  if (sources.length > 1) URL.revokeObjectURL(sources.pop().url);
}

const newPhoto = doing(async (file, slot = 0) => {
  await readPhoto(slot, await file.arrayBuffer());
  if (slot === 0) await begin();
  else {
    await use();
    kept = state();
    await move();
  }
});

// --- Poses of others: a photo, a video, the camera.

async function poseOf(bytes) {
  const { people } = await engine.detect(bytes);
  if (!people.length) throw new Error("No person was found there.");
  const found = people[0];
  if (!skeleton.mandatory.every((joint) => found.visible[joint])) throw new Error("Shoulders and hips must be seen to take a pose.");
  const first = skeleton.complete(prepared.photos[0], POSES[0]);
  return skeleton.complete(skeleton.fit(found, first, size), POSES[0]);
}

let looking = false;
const takeFrame = doing(async () => {
  const video = at("video");
  if (looking || !video.videoWidth) return;
  looking = true;
  try {
    const canvas = document.createElement("canvas"), scale = Math.min(1, 640 / video.videoHeight);
    [canvas.width, canvas.height] = [Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale)];
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const moment = video.currentTime, blob = await toBlob(canvas, "image/jpeg", 0.9);
    await setTarget(await poseOf(await blob.arrayBuffer()));
    complain("");
    if (!video.srcObject && video.currentTime !== moment) setTimeout(takeFrame);
  } finally {
    looking = false;
    if (video.srcObject) setTimeout(takeFrame, 30); // a camera goes on
  }
});

function closeFilm() {
  const video = at("video");
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  if (video.src) URL.revokeObjectURL(video.src);
  video.srcObject = null;
  video.removeAttribute("src");
  at("film").hidden = true;
}

// --- Animation: from each remembered pose to the next, and back to the first.

const figure = ({ joints, visible }) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${size[1]} ${size[0]}`);
  svg.setAttribute("aria-hidden", "true");
  for (const [start, end] of skeleton.limbs.slice(0, 13)) {
    if (!visible[start] || !visible[end]) continue;
    const line = document.createElementNS(svg.namespaceURI, "line");
    ["x1", "y1", "x2", "y2"].forEach((name, place) => line.setAttribute(name, joints[place < 2 ? start : end][place % 2]));
    svg.append(line);
  }
  return svg;
};

function showSteps() {
  at("steps").replaceChildren(
    ...steps.map((pose, place) => {
      const item = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-label", `Remove pose ${place + 1} of the animation`);
      button.title = "Remove";
      button.append(figure(pose));
      button.onclick = () => (steps.splice(place, 1), showSteps());
      item.append(button);
      return item;
    }),
  );
  at("clear-steps").disabled = !steps.length;
  at("play").disabled = at("save-animation").disabled = steps.length < 2;
}

function* frames() {
  for (let step = 0; step < steps.length; step++)
    for (let frame = 0; frame < STEP_FRAMES; frame++) {
      const share = (1 - Math.cos((Math.PI * frame) / STEP_FRAMES)) / 2;
      yield skeleton.between(steps[step], steps[(step + 1) % steps.length], share);
    }
}

async function play(each = () => {}) {
  const before = target, moving = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  let next = performance.now();
  for (const pose of frames()) {
    await move(pose);
    if (moving) editor.set(pose);
    each(pose);
    next = Math.max(next + FRAME_MS, performance.now());
    await new Promise((done) => setTimeout(done, Math.max(0, next - performance.now())));
  }
  await setTarget(before, false);
}

const stated = () => about.stated[at("weights").value];

async function saveAnimation() {
  const format = at("format").value, dots = [];
  await settled();
  if (format === "video") {
    const blob = await record(drawer.canvas, () => play());
    return download(blob, `animation.${VIDEO.split("/")[1]}`);
  }
  for (const pose of frames()) {
    say(`Frame ${dots.length + 1} of ${steps.length * STEP_FRAMES}`);
    await move(pose);
    dots.push(drawer.pixels());
  }
  download(await { gif, webp }[format](dots, FRAME_MS, stated()), `animation.${format}`);
  await move();
}

// --- Buttons.

const busyButton = (id, action) => {
  at(id).onclick = doing(async () => {
    at(id).disabled = true;
    try {
      await action();
    } finally {
      at(id).disabled = false;
    }
  }, false);
};
const onFile = (id, action) =>
  (at(id).onchange = doing(async () => {
    const [file] = at(id).files;
    at(id).value = ""; // the same file can be chosen again
    if (file) await action(file);
  }));

at("undo").onclick = doing(() => travel(past, future));
at("redo").onclick = doing(() => travel(future, past));
at("reset").onclick = doing(() => setTarget(skeleton.complete(prepared.photos[0], POSES[0])));
at("mirror").onclick = () => setTarget(skeleton.mirror(target, size[1]));
at("turn").onclick = () => setTarget(skeleton.exchange(target));
at("hide").onclick = () => active.toggle();
at("target").addEventListener("focusin", () => ((active = editor), showJoint()));
at("dots").onchange = at("found").onchange = showDots;
at("parts").onchange = showParts;
at("drop-second").onclick = doing(async () => (dropSecond(), showSources(), await use(), (kept = state()), await move()));
at("next-person").onclick = doing(async () => {
  sources[0].person = (sources[0].person + 1) % sources[0].people.length;
  takePerson(0);
  showSources();
  await begin();
});
onFile("file", (file) => newPhoto(file));
onFile("second", (file) => newPhoto(file, 1));
onFile("behind", async (file) => {
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    throw new Error("This is not a photo that can be read.");
  }
  behindPhoto = { image };
  document.querySelector("input[value=photo]").checked = true;
  draw();
});
onFile("pose-photo", async (file) => {
  await setTarget(await poseOf(await file.arrayBuffer()));
  complain("");
});
onFile("pose-video", (file) => {
  closeFilm();
  at("video").src = URL.createObjectURL(file);
  at("film").hidden = at("scrub-label").hidden = false;
});
at("video").onloadeddata = () => {
  if (at("video").srcObject) return;
  at("scrub").max = at("video").duration;
  at("scrub").value = 0;
  at("video").currentTime = 0.001; // what is drawn before the first seek may be empty
};
at("video").onerror = () => at("video").src && (closeFilm(), complain("This video cannot be played here."));
at("video").onseeked = takeFrame;
at("scrub").oninput = () => (at("video").currentTime = Number(at("scrub").value));
at("film-close").onclick = closeFilm;
busyButton("camera", async () => {
  closeFilm();
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: true });
  } catch {
    throw new Error("There is no camera, or this page may not use it.");
  }
  at("video").srcObject = stream;
  at("film").hidden = false;
  at("scrub-label").hidden = true;
  await at("video").play();
  takeFrame();
});
at("backgrounds").onchange = doing(async (event) => {
  if (event.target.id === "colour") document.querySelector("input[value=colour]").checked = true;
  if (chosen("background") === "own") own ??= await engine.scene();
  if (chosen("background") === "photo" && !behindPhoto) at("behind").click();
  draw();
});
at("layers").onchange = draw;
at("rows").onchange = at("weights").onchange = doing(async () => (await use(), await move()));
busyButton("save", async () => {
  await settled();
  download(inPng(await toBlob(canvasOf(drawer.pixels())), stated()), "studio.png");
});
at("save-pose").onclick = () => {
  const named = Object.fromEntries(skeleton.joints.map((name, joint) => [name, target.joints[joint]]).filter((_, joint) => target.visible[joint]));
  const file = { skeleton: "openpose18", size, poses: { studio: named } };
  download(new Blob([JSON.stringify(file, null, 1)], { type: "application/json" }), "pose.json");
};
onFile("open-pose", async (file) => {
  const wrong = new Error("This is not a pose file; use one that was saved here.");
  let content;
  try {
    content = JSON.parse(await file.text());
  } catch {
    throw wrong;
  }
  const [named] = Object.values(content?.poses ?? {}), scale = size[0] / (content?.size?.[0] ?? size[0]);
  if (!named || !skeleton.mandatory.every((joint) => named[skeleton.joints[joint]])) throw wrong;
  const joints = skeleton.joints.map((name) => (named[name] ?? [0, 0]).map((value) => value * scale));
  if (joints.some((place) => place.length !== 2 || !place.every(Number.isFinite))) throw wrong;
  await setTarget(skeleton.complete({ joints, visible: skeleton.joints.map((name) => Boolean(named[name])) }, POSES[0]));
});
at("add-step").onclick = () => (steps.push(target), showSteps());
at("clear-steps").onclick = () => (steps.splice(0), showSteps());
busyButton("play", () => play());
busyButton("save-animation", saveAnimation);

document.onkeydown = (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
  event.preventDefault();
  at(event.shiftKey ? "redo" : "undo").click();
};
document.onpaste = (event) => {
  const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
  if (file) newPhoto(file);
};
document.ondragover = (event) => (event.preventDefault(), document.body.classList.add("over"));
document.ondragleave = (event) => event.relatedTarget ?? document.body.classList.remove("over");
document.ondrop = (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) newPhoto(file);
};

// --- The first picture.

at("poses").replaceChildren(
  ...POSES.map((pose) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(figure(pose), pose.name);
    button.onclick = () => setTarget(skeleton.fit(pose, skeleton.complete(prepared.photos[0], POSES[0]), size));
    return button;
  }),
);
at("weights").replaceChildren(...about.weights.map((name) => new Option(name)));
if (VIDEO) at("format").add(new Option("Video", "video"));
at("privacy").textContent = `You can also drop or paste a photo. ${engine.privacy}`;
at("sizes").textContent = about.sizes ?? "";
editor.size(...size);
document.documentElement.dataset.drawer = drawer.constructor.name;
await doing(async () => {
  const { joints, visible, size: of } = about.example;
  await readPhoto(0, await (await fetch("example.jpg")).arrayBuffer(), { size: of, people: [{ joints, visible }] });
  editor.set(POSES[0]);
  editor.hint(skeleton.index("left_wrist"));
  await begin(POSES.find(({ name }) => name === "Hands on hips"));
})();
document.documentElement.dataset.ready = "1";
