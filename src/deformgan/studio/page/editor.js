// Editor: the dots and lines of a pose over a picture, for pointer, touch and keyboard.
import { distance } from "./skeleton.js";

const NEAR = 16, NEAR_TOUCH = 26; // pixels of the screen
const SVG = "http://www.w3.org/2000/svg";
const make = (tag, attributes) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

export class Editor {
  // `changed(pose, done)` is called with every change; `done` once per drag or key.
  constructor(svg, skeleton, { changed, chosen = () => {}, keep = () => false }) {
    Object.assign(this, { svg, skeleton, changed, chosen, keep, selected: 3, marked: false, pose: null });
    this.parts = make("g", { class: "parts" });
    const body = make("g", {});
    this.lines = skeleton.limbs.map(([start, end]) => {
      const side = /^right/.test(skeleton.joints[end]) ? "right" : /^left/.test(skeleton.joints[end]) ? "left" : "";
      const [edge, line] = ["edge", `limb ${side}`].map((kind) => make("line", { class: kind }));
      body.append(edge, line);
      return [edge, line];
    });
    this.dots = skeleton.names.map((name, joint) => {
      const side = /^right/.test(name) ? "right" : /^left/.test(name) ? "left" : "";
      const dot = make("circle", { class: `dot ${side}`, role: "button", "aria-label": name });
      dot.addEventListener("focus", () => this.select(joint));
      dot.addEventListener("keydown", (event) => this._key(event, joint));
      body.append(dot);
      return dot;
    });
    svg.append(this.parts, body);
    svg.addEventListener("pointerdown", (event) => this._down(event));
    svg.addEventListener("pointermove", (event) => this._move(event));
    for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => this._up());
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  size(height, width) {
    [this.height, this.width] = [height, width];
    this.svg.setAttribute("viewBox", `-0.5 -0.5 ${width} ${height}`);
  }

  set(pose) {
    this.pose = pose;
    this.draw();
  }

  select(joint) {
    [this.selected, this.marked] = [joint, true];
    this.ring?.remove();
    this.ring = null;
    this.draw();
    this.chosen(joint);
  }

  draw() {
    if (!this.pose) return;
    const { joints, visible } = this.pose, scale = this.width / Math.max(this.svg.clientWidth, 1);
    this.skeleton.limbs.forEach(([start, end], limb) => {
      for (const line of this.lines[limb]) {
        line.classList.toggle("off", !(visible[start] && visible[end]));
        const [[x1, y1], [x2, y2]] = [joints[start], joints[end]];
        for (const [name, value] of Object.entries({ x1, y1, x2, y2 })) line.setAttribute(name, value);
      }
    });
    if (this.ring)
      for (const [name, value] of Object.entries({ cx: joints[this.ringed][0], cy: joints[this.ringed][1], r: 14 * scale }))
        this.ring.setAttribute(name, value);
    this.dots.forEach((dot, joint) => {
      const [cx, cy] = joints[joint], small = /eye|ear/.test(this.skeleton.names[joint]);
      dot.setAttribute("cx", cx);
      dot.setAttribute("cy", cy);
      dot.setAttribute("r", (small ? 4 : 6.5) * scale);
      dot.setAttribute("tabindex", joint === this.selected ? 0 : -1);
      dot.setAttribute("aria-label", `${this.skeleton.names[joint]}${visible[joint] ? "" : ", hidden"}`);
      dot.classList.toggle("hidden", !visible[joint]);
      dot.classList.toggle("selected", this.marked && joint === this.selected);
    });
  }

  showParts(on) {
    const shown = on && this.pose ? this.skeleton.rectangles(this.pose) : [];
    this.parts.replaceChildren(
      ...shown.map(({ limb, corners }) => make("polygon", { class: `part-${limb % 8}`, points: corners.join(" ") })),
    );
  }

  toggle(joint = this.selected) {
    if (this.skeleton.mandatory.includes(joint)) return;
    const visible = [...this.pose.visible];
    visible[joint] = !visible[joint];
    this._set({ joints: this.pose.joints, visible }, true);
    this.chosen(joint);
  }

  // A ring around a dot shows a newcomer what can be dragged, until something is chosen.
  hint(joint) {
    this.ring = make("circle", { class: "hint" });
    this.ringed = joint;
    this.svg.append(this.ring);
    this.draw();
  }

  _set(pose, done) {
    this.pose = pose;
    this.draw();
    this.changed(pose, done);
  }

  _at(event) {
    const box = this.svg.getBoundingClientRect(), scale = this.width / box.width;
    return { scale, at: [(event.clientX - box.left) * scale - 0.5, (event.clientY - box.top) * scale - 0.5] };
  }

  // The nearest dot, else the nearest line, within reach of a finger.
  _find(event) {
    const { at, scale } = this._at(event), { joints, visible } = this.pose;
    const reach = (event.pointerType === "touch" ? NEAR_TOUCH : NEAR) * scale;
    const nearest = (list, away) => list.reduce((best, one) => (away(one) < away(best) ? one : best));
    const all = joints.map((_, joint) => joint);
    const away = (joint) => distance(joints[joint], at) + (visible[joint] ? 0 : reach / 3);
    const joint = nearest(all, away);
    if (away(joint) <= reach) return { at, joint };
    const beside = ([start, end]) => {
      if (!visible[start] || !visible[end]) return Infinity;
      const [a, b] = [joints[start], joints[end]], way = [b[0] - a[0], b[1] - a[1]];
      const share = ((at[0] - a[0]) * way[0] + (at[1] - a[1]) * way[1]) / Math.max(way[0] ** 2 + way[1] ** 2, 1e-6);
      const inside = Math.min(Math.max(share, 0), 1);
      return distance([a[0] + way[0] * inside, a[1] + way[1] * inside], at);
    };
    const limb = nearest(this.skeleton.limbs, beside);
    return beside(limb) <= reach ? { at, limb } : null;
  }

  _down(event) {
    if (event.button || !this.pose) return;
    const found = this._find(event);
    if (!found) return;
    event.preventDefault();
    this.svg.setPointerCapture(event.pointerId);
    const joint = found.joint ?? found.limb[1];
    this.drag = { ...found, start: this.pose, moved: false };
    this.svg.classList.add("dragging");
    if (found.joint !== undefined)
      this.drag.offset = [this.pose.joints[joint][0] - found.at[0], this.pose.joints[joint][1] - found.at[1]];
    this.select(joint);
    this.dots[joint].focus({ preventScroll: true });
  }

  _move(event) {
    if (!this.drag) {
      if (this.pose && event.pointerType === "mouse") this.svg.classList.toggle("grab", Boolean(this._find(event)));
      return;
    }
    const { at } = this._at(event), { start, joint, limb, offset, at: from } = this.drag;
    this.drag.moved = true;
    const inside = ([x, y]) => [Math.min(Math.max(x, -0.5), this.width - 0.5), Math.min(Math.max(y, -0.5), this.height - 0.5)];
    this._set(
      limb
        ? this.skeleton.turnLimb(start, limb, from, at)
        : this.skeleton.moveJoint(start, joint, inside([at[0] + offset[0], at[1] + offset[1]]), this.keep()),
      false,
    );
  }

  _up() {
    const drag = this.drag;
    this.drag = null;
    this.svg.classList.remove("dragging");
    if (drag?.moved) this.changed(this.pose, true);
  }

  _key(event, joint) {
    const step = (event.shiftKey ? 5 : 1) * (this.width / 64);
    const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    const count = this.dots.length, turn = { PageUp: count - 1, PageDown: 1 }[event.key];
    if (by) {
      const [x, y] = this.pose.joints[joint];
      this._set(this.skeleton.moveJoint(this.pose, joint, [x + by[0], y + by[1]], this.keep()), true);
    } else if (turn) this.dots[(joint + turn) % count].focus();
    else if (event.key === "h" || event.key === "Delete") this.toggle(joint);
    else return;
    event.preventDefault();
  }
}
