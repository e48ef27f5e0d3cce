// One participant's way through the study. The server knows how far they are; the browser keeps no
// more than who they are, so that a reload goes on where it was.
"use strict";

const KEY = "deformgan-study";
const SEEN = "deformgan-study-seen"; // whose item's time is over: a reload gives no second look
const CHOICES = {
  "real-or-fake": [
    { answer: "real", label: "Real", keys: ["r", "ArrowLeft"], shown: "R or ←" },
    { answer: "fake", label: "Generated", keys: ["g", "f", "ArrowRight"], shown: "G or →" },
  ],
  preference: [
    { answer: "left", label: "Left", keys: ["l", "1", "ArrowLeft"], shown: "1 or ←" },
    { answer: "right", label: "Right", keys: ["r", "2", "ArrowRight"], shown: "2 or →" },
  ],
};
const PAUSE = 400; // milliseconds between an answer and the next picture
const PATIENCE = 1000; // milliseconds before the server is asked again

const at = (id) => document.getElementById(id);
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

let study, who, choose; // `choose` takes the answer while a question is open

// Asks until there is a whole answer, its body included: a server that is started again finds
// everything where it was. `content` is null where the server refuses.
async function ask(path, options, read = (response) => response.json()) {
  for (;;) {
    try {
      const response = await fetch(path, options);
      // 429: too many begin at the same time.
      if (response.status < 500 && response.status !== 429) {
        const content = response.ok ? await read(response) : null;
        at("trouble").hidden = true;
        return { ok: response.ok, status: response.status, content };
      }
    } catch {
      // not reachable; asked again below
    }
    at("trouble").hidden = false;
    at("trouble").textContent = "The study cannot be reached. Your answers are kept; trying again…";
    await wait(PATIENCE);
  }
}

async function askJson(path, options) {
  const response = await ask(path, options);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.content;
}

function show(section) {
  for (const one of document.querySelectorAll("main > section")) one.hidden = one.id !== section;
  at("progress").hidden = section === "welcome";
}

function say(text) {
  at("said").textContent = text;
}

function showProgress({ done, total }) {
  at("bar").max = total;
  at("bar").value = done;
  const practising = done < study.practice ? " (practice)" : "";
  at("count").textContent = `${Math.min(done + 1, total)} of ${total}${practising}`;
}

const slots = () =>
  study.mode === "preference"
    ? [...(study.reference ? ["reference"] : []), "left", "right"]
    : ["single"];

const loaded = new Map();

// Pictures are decoded before they are shown, those of the next item too.
function load(position) {
  if (!loaded.has(position)) {
    loaded.set(
      position,
      Promise.all(
        slots().map(async (slot) => {
          const path = `api/participants/${who}/items/${position}/${slot}.png`;
          const response = await ask(path, {}, (response) => response.blob());
          if (!response.ok) throw new Error(`picture ${position}: ${response.status}`);
          const picture = new Image();
          picture.src = URL.createObjectURL(response.content);
          picture.alt = { single: "The picture", reference: "The person" }[slot] ?? `The ${slot} picture`;
          await picture.decode();
          return { slot, picture };
        }),
      ),
    );
  }
  return loaded.get(position);
}

function lay(found) {
  const place = at("pictures");
  place.replaceChildren();
  place.classList.toggle("two", found.length > 1);
  for (const { slot, picture } of found) {
    const figure = document.createElement("figure");
    figure.className = slot;
    figure.append(picture);
    if (slot !== "single") {
      const caption = document.createElement("figcaption");
      caption.textContent = { reference: "This person", left: "Left", right: "Right" }[slot];
      figure.append(caption);
    }
    place.append(figure);
  }
}

function openQuestion() {
  const text = study.mode === "preference" ? "Which one looks better?" : "Real or generated?";
  at("ask").textContent = text;
  at("answers").replaceChildren(
    ...CHOICES[study.mode].map((choice) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.answer = choice.answer;
      button.setAttribute("aria-keyshortcuts", choice.keys.join(" "));
      button.innerHTML = `${choice.label} <kbd>${choice.shown}</kbd>`;
      button.addEventListener("click", () => choose?.(choice.answer));
      return button;
    }),
  );
  show("question");
}

function enable(on) {
  for (const button of at("answers").children) button.disabled = !on;
}

// Shows one item and gives what was answered, and after how long.
async function put(position, total) {
  enable(false);
  const found = await load(position);
  if (position + 1 < total) load(position + 1).catch(() => loaded.delete(position + 1));
  lay(found);
  at("ask").focus({ preventScroll: true });
  say(`Picture ${position + 1} of ${total}.`);
  const began = performance.now();
  enable(true);
  const seen = `${who} ${position}`;
  const take = () => {
    for (const { picture } of found) picture.classList.add("gone");
    say("The picture is gone. What do you think?");
    at("hint").textContent = "The picture is gone. Take your time.";
    localStorage.setItem(SEEN, seen);
  };
  let hide;
  at("hint").textContent = study.seconds ? "The picture is shown for a moment only." : "";
  if (study.seconds && localStorage.getItem(SEEN) === seen) take();
  else if (study.seconds) hide = setTimeout(take, study.seconds * 1000);
  const answer = await new Promise((done) => (choose = done));
  choose = undefined;
  clearTimeout(hide);
  enable(false);
  for (const { picture } of found) {
    picture.classList.add("gone");
    URL.revokeObjectURL(picture.src);
  }
  loaded.delete(position);
  return { answer, milliseconds: performance.now() - began };
}

async function go(progress) {
  openQuestion();
  while (progress.done < progress.total) {
    const position = progress.done;
    showProgress(progress);
    const given = await put(position, progress.total);
    const response = await ask(`api/participants/${who}/items/${position}/answer`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(given),
    });
    // 409: another window of the same participant was faster; the server says where they are.
    progress = response.ok ? response.content : await askJson(`api/participants/${who}`);
    await wait(PAUSE);
  }
  at("count").textContent = `${progress.total} of ${progress.total}`;
  at("bar").value = progress.total;
  show("end");
  document.querySelector("#end h2").focus();
}

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || !choose) return;
  const found = CHOICES[study.mode].find((choice) =>
    choice.keys.some((key) => key.toLowerCase() === event.key.toLowerCase()),
  );
  if (found) {
    event.preventDefault();
    choose(found.answer);
  }
});

async function start() {
  study = await askJson("api/study");
  document.title = study.title;
  at("title").textContent = study.title;
  who = localStorage.getItem(KEY);
  if (who) {
    const response = await ask(`api/participants/${who}`);
    if (response.ok) return go(response.content);
    localStorage.removeItem(KEY); // of another study on this machine
  }
  at("consent").textContent = study.consent;
  const [first, second] = CHOICES[study.mode];
  const shown = study.seconds ? ` Each is shown for ${study.seconds} s.` : "";
  const practice = study.practice ? ` The first ${study.practice} are practice and do not count.` : "";
  at("how").textContent =
    (study.mode === "preference"
      ? "You will see two pictures side by side and choose the better one."
      : "You will see one picture at a time, a photo or generated by a computer, and say which.") +
    `${shown}${practice} Answer by button or key: ${first.shown} for ${first.label.toLowerCase()}, ` +
    `${second.shown} for ${second.label.toLowerCase()}.`;
  show("welcome");
  at("begin").focus();
  await new Promise((done) => at("begin").addEventListener("click", done, { once: true }));
  at("begin").disabled = true;
  const joined = await ask("api/participants", { method: "POST" });
  if (joined.status === 403) {
    at("trouble").hidden = false;
    at("trouble").textContent = "This study has all its participants. Thank you for your interest!";
    return;
  }
  if (!joined.ok) throw new Error(`api/participants: ${joined.status}`);
  who = joined.content.id;
  localStorage.setItem(KEY, who);
  await go(await askJson(`api/participants/${who}`));
}

at("another").addEventListener("click", () => {
  localStorage.removeItem(KEY);
  location.reload();
});

start().catch((error) => {
  at("trouble").hidden = false;
  at("trouble").textContent = `Something went wrong (${error.message}). Reload the page to go on.`;
});
