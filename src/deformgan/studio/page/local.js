// Engine in the browser itself, in a worker, so that the page never waits.

export class Engine {
  constructor(say, about) {
    Object.assign(this, { about, number: 0, waiting: new Map() });
    this.privacy = "Photos never leave your browser.";
    navigator.serviceWorker?.register("sw.js").catch(() => {}); // offline; not on every address
    this.worker = new Worker("worker.js", { type: "module" });
    this.worker.onmessage = ({ data: { n, error, reply } }) => {
      const { done, failed } = this.waiting.get(n);
      this.waiting.delete(n);
      if (error) failed(new Error(error));
      else done(reply);
    };
    this.worker.onerror = () => {
      for (const { failed } of this.waiting.values()) failed(new Error("This browser cannot run the studio; use a current one."));
    };
    this._ask("begin", about).catch(() => {}); // what is asked next says why
  }

  _ask(action, ...given) {
    const n = ++this.number;
    this.worker.postMessage({ n, action, given });
    return new Promise((done, failed) => this.waiting.set(n, { done, failed }));
  }

  open(slot, bytes, known) {
    return this._ask("open", slot, bytes, known);
  }
  detect(bytes) {
    return this._ask("detect", bytes);
  }
  use(poses, rows) {
    return this._ask("use", poses, rows);
  }
  scene() {
    return this._ask("scene");
  }
  move(pose) {
    return this._ask("move", pose);
  }
}
