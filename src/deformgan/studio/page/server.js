// Engine that asks the server, over one WebSocket; see protocol.py for the messages.

const RETRY = 1000; // milliseconds before the server is asked again

export class Engine {
  // `say(true)` when the server cannot be reached, `say(false)` when it can again.
  constructor(say) {
    Object.assign(this, { say, number: 0, waiting: new Map(), photos: new Map(), used: null, socket: null });
    this.privacy = "Photos are kept in memory only, and are gone when you close this page.";
  }

  // `known`: the people in the photo, where the page knows them.
  async open(slot, bytes, known) {
    const found = await this._ask({ do: "open", slot, find: !known }, bytes);
    if (known || found.people.length) this.photos.set(slot, bytes);
    return known ?? found;
  }

  detect(bytes) {
    return this._ask({ do: "detect" }, bytes);
  }

  async use(poses, rows, weights) {
    const used = { do: "use", poses, rows, weights };
    const [header, bytes] = await this._ask(used, null, true);
    this.used = used;
    let at = 0;
    for (const photo of header.photos) {
      if (!header.layered) break;
      photo.rgb = bytes.subarray(at, (at += photo.height * photo.width * 3));
    }
    return header;
  }

  async scene() {
    const [{ scene: [height, width] }, rgb] = await this._ask({ do: "scene" }, null, true);
    return { height, width, rgb };
  }

  // The layers of a pose, or without layers the picture.
  async move(pose) {
    const [header, bytes] = await this._ask({ do: "move", pose }, null, true);
    if (!header.net) return { ms: header.ms, picture: { height: header.picture[0], width: header.picture[1], rgb: bytes } };
    const [height, width] = header.net, area = height * width, layers = [];
    for (let at = 0; at < bytes.length; ) {
      const take = (length) => bytes.slice(at, (at += length));
      const field = new Float32Array(take(area * 12).buffer);
      const logits = Float32Array.from(new Int16Array(take(area * 16).buffer), (step) => step / 2048);
      layers.push({ net: header.net, field, logits, paint: take(area * 12), scene: take(area * 12) });
    }
    return { ms: header.ms, layers };
  }

  async _ask(request, payload = null, whole = false) {
    for (;;) {
      await this._connect();
      try {
        return await this._send(request, payload, whole);
      } catch (error) {
        if (!error.gone) throw error;
      }
    }
  }

  async _send(request, payload, whole) {
    const n = ++this.number, text = new TextEncoder().encode(JSON.stringify({ ...request, n }));
    const message = new Uint8Array(4 + text.length + (payload?.byteLength ?? 0));
    new DataView(message.buffer).setUint32(0, text.length, true);
    message.set(text, 4);
    if (payload) message.set(new Uint8Array(payload), 4 + text.length);
    const reply = new Promise((done, failed) => this.waiting.set(n, { done, failed }));
    this.socket.send(message);
    const [header, bytes] = await reply;
    if (header.error) throw new Error(header.error);
    return whole ? [header, bytes] : header;
  }

  // A new connection is a new session, which gets the photos once more.
  async _connect() {
    while (this.socket?.readyState !== WebSocket.OPEN) {
      this.connecting ??= this._try().finally(() => (this.connecting = null));
      await this.connecting;
    }
  }

  async _try() {
    const address = new URL("live", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    const opened = await new Promise((done) => {
      socket.onopen = () => done(true);
      socket.onclose = () => done(false);
    });
    this.say(!opened);
    if (!opened) {
      await new Promise((done) => setTimeout(done, RETRY));
      return;
    }
    this.socket = socket;
    socket.onmessage = ({ data }) => {
      const length = new DataView(data).getUint32(0, true);
      const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
      this.waiting.get(header.n)?.done([header, new Uint8Array(data, 4 + length)]);
      this.waiting.delete(header.n);
    };
    socket.onclose = () => {
      for (const { failed } of this.waiting.values()) failed(Object.assign(new Error("gone"), { gone: true }));
      this.waiting.clear();
    };
    try {
      for (const [slot, bytes] of this.photos) await this._send({ do: "open", slot, find: false }, bytes);
      if (this.used) await this._send(this.used);
    } catch (error) {
      if (!error.gone) throw error;
    }
  }
}
