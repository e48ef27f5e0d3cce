// Poses: 18 joints [x, y] and whether each is visible. Pure functions; none changes its arguments.
import { FEET } from "./images.js";

const subtract = (a, b) => [a[0] - b[0], a[1] - b[1]];
const length = ([x, y]) => Math.hypot(x, y);
const clone = (pose) => ({ joints: pose.joints.map((at) => [...at]), visible: [...pose.visible] });
// How far above an edge a guess still counts as cut off, in torso lengths, and the share of the torso
// that must be vertical.
const [TOLERANCE, UPRIGHT] = [0.15, 0.5];
export const distance = (a, b) => length(subtract(a, b));

export class Skeleton {
  constructor({ joints, limbs, mirrored, mandatory }) {
    this.joints = joints;
    this.limbs = limbs;
    this.mandatory = mandatory;
    this.names = joints.map((name) => name.replace("_", " "));
    this.parent = [];
    for (const [start, end] of limbs) this.parent[end] = start;
    this.twins = joints.map((_, joint) => joint);
    for (const [right, left] of mirrored) [this.twins[right], this.twins[left]] = [left, right];
    this.neck = joints.indexOf("neck");
  }

  index(name) {
    return this.joints.indexOf(name);
  }

  // All joints that hang on one, itself included.
  below(joint) {
    const found = [joint];
    for (const one of found)
      this.parent.forEach((parent, child) => parent === one && found.push(child));
    return found;
  }

  isBody([start, end]) {
    return start === this.neck && this.names[end] !== "nose";
  }

  torso(pose) {
    const side = (hip, shoulder) =>
      distance(pose.joints[this.index(hip)], pose.joints[this.index(shoulder)]) ** 2;
    return Math.sqrt((side("right_hip", "right_shoulder") + side("left_hip", "left_shoulder")) / 2);
  }

  shift(pose, joints, by) {
    const moved = clone(pose);
    for (const joint of joints) moved.joints[joint] = [moved.joints[joint][0] + by[0], moved.joints[joint][1] + by[1]];
    return moved;
  }

  rotate(pose, joints, centre, angle) {
    const moved = clone(pose), [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    for (const joint of joints) {
      const [x, y] = subtract(pose.joints[joint], centre);
      moved.joints[joint] = [centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y];
    }
    return moved;
  }

  // Move one joint. With `keep`, limbs keep their lengths: a hand takes its elbow along, a foot its
  // knee, and what is between turns around where it hangs.
  moveJoint(pose, joint, to, keep) {
    const by = subtract(to, pose.joints[joint]), name = this.joints[joint];
    if (name === "nose") return this.shift(pose, this.below(joint), by);
    if (name === "neck" && keep) return this.shift(pose, this.below(joint), by);
    if (!keep || joint === this.neck) return this.shift(pose, [joint], by);
    const parent = this.parent[joint], base = this.parent[parent];
    if (/wrist|ankle/.test(name) && pose.visible[parent] && pose.visible[base])
      return this._reach(pose, base, parent, joint, to);
    if (parent === this.neck) return this.shift(pose, this.below(joint), by);
    return this.turnLimb(pose, [parent, joint], pose.joints[joint], to);
  }

  // Two bones reach for a point, and bend to the side to which they are bent.
  _reach(pose, base, middle, end, to) {
    const [root, bend, tip] = [base, middle, end].map((joint) => pose.joints[joint]);
    const upper = distance(root, bend), lower = distance(bend, tip);
    const way = subtract(to, root), full = Math.max(length(way), 1e-6);
    const reach = Math.min(Math.max(full, Math.abs(upper - lower) + 1e-3), upper + lower - 1e-3);
    const cosine = (upper ** 2 + reach ** 2 - lower ** 2) / Math.max(2 * upper * reach, 1e-6);
    const a = subtract(bend, root), b = subtract(tip, root);
    const side = Math.sign(b[0] * a[1] - b[1] * a[0]) || 1;
    const angle = Math.atan2(way[1], way[0]) + side * Math.acos(Math.min(Math.max(cosine, -1), 1));
    const moved = clone(pose);
    moved.joints[middle] = [root[0] + upper * Math.cos(angle), root[1] + upper * Math.sin(angle)];
    moved.joints[end] = [root[0] + (way[0] / full) * reach, root[1] + (way[1] / full) * reach];
    return moved;
  }

  // Drag a limb: it turns around its first joint and takes along what hangs on it. The torso's
  // lines move the whole person.
  turnLimb(pose, limb, from, to) {
    if (this.isBody(limb)) return this.shift(pose, pose.joints.map((_, joint) => joint), subtract(to, from));
    const centre = pose.joints[limb[0]], [a, b] = [subtract(from, centre), subtract(to, centre)];
    return this.rotate(pose, this.below(limb[1]), centre, Math.atan2(b[1], b[0]) - Math.atan2(a[1], a[0]));
  }

  mirror(pose, width) {
    const { joints, visible } = this.exchange(pose);
    return { joints: joints.map(([x, y]) => [width - 1 - x, y]), visible };
  }

  // Left becomes right: who faced the camera now turns their back on it.
  exchange(pose) {
    return {
      joints: this.twins.map((twin) => [...pose.joints[twin]]),
      visible: this.twins.map((twin) => pose.visible[twin]),
    };
  }

  // Bring a pose to the size and the ground of another one; smaller if it leaves the picture.
  fit(pose, like, [rows, columns] = [1e9, 1e9]) {
    const seen = (one) => one.joints.filter((_, joint) => one.visible[joint]);
    // At the lowest joint that both show.
    const ground = (one) => Math.max(...one.joints.filter((_, joint) => pose.visible[joint] && like.visible[joint]).map((at) => at[1]));
    const middle = (one) => this.mandatory.reduce((sum, joint) => sum + one.joints[joint][0], 0) / this.mandatory.length;
    const [y, fromX, fromY] = [Math.min(ground(like), rows * 0.96), middle(pose), ground(pose)];
    const [left, right, top] = [Math.min(...seen(pose).map((at) => at[0])), Math.max(...seen(pose).map((at) => at[0])), Math.min(...seen(pose).map((at) => at[1]))];
    const scale = Math.min(
      this.torso(like) / Math.max(this.torso(pose), 1e-6), (0.95 * columns) / Math.max(right - left, 1e-6), (0.95 * y) / Math.max(fromY - top, 1e-6),
    );
    const edge = 0.02 * columns; // beside it the person steps to where there is room
    const x = Math.min(Math.max(middle(like), edge + (fromX - left) * scale), columns - 1 - edge - (right - fromX) * scale);
    return {
      joints: pose.joints.map((at) => [x + (at[0] - fromX) * scale, y + (at[1] - fromY) * scale]),
      visible: [...pose.visible],
    };
  }

  // Places for the joints that were not found: those of a standing person, moved beside the nearest
  // joint of the same limb that was.
  complete(pose, standing) {
    const full = clone(pose), like = this.mandatory.every((joint) => pose.visible[joint]);
    const usual = like ? this.fit(standing, pose) : standing;
    for (let joint = 0; joint < full.joints.length; joint++) {
      if (pose.visible[joint]) continue;
      let above = this.parent[joint];
      while (above !== undefined && !pose.visible[above]) above = this.parent[above];
      const by = above === undefined ? [0, 0] : subtract(pose.joints[above], usual.joints[above]);
      full.joints[joint] = [usual.joints[joint][0] + by[0], usual.joints[joint][1] + by[1]];
    }
    for (const joint of this.mandatory) full.visible[joint] = true;
    return full;
  }

  // Legs that the lower edge of a photo cuts off are guessed below it: parallel to the other leg, or
  // else along the torso; see legs.py.
  completeLegs(pose, rows) {
    const full = clone(pose), at = (side, name) => this.index(`${side}_${name}`);
    const middle = (name) => [0, 1].map((axis) => (pose.joints[at("right", name)][axis] + pose.joints[at("left", name)][axis]) / 2);
    const torso = subtract(middle("hip"), middle("shoulder")), size = length(torso);
    const shown = ["right", "left"].every((side) => pose.visible[at(side, "shoulder")] && pose.visible[at(side, "hip")]);
    if (!shown || torso[1] < UPRIGHT * size) return full;
    for (const [side, twin] of [["right", "left"], ["left", "right"]])
      for (const [upper, lower] of [["hip", "knee"], ["knee", "ankle"]]) {
        const [start, end, like, likeEnd] = [at(side, upper), at(side, lower), at(twin, upper), at(twin, lower)];
        const parallel = pose.visible[like] && pose.visible[likeEnd];
        const way = parallel ? subtract(pose.joints[likeEnd], pose.joints[like]) : torso.map((value) => value * (FEET / 2));
        const guess = [full.joints[start][0] + way[0], full.joints[start][1] + way[1]];
        if (!full.visible[start] || full.visible[end] || guess[1] <= rows - 0.5 - TOLERANCE * size) continue;
        full.joints[end] = guess;
        full.visible[end] = true;
      }
    return full;
  }

  between(one, other, share) {
    return {
      joints: one.joints.map(([x, y], joint) => [
        x + (other.joints[joint][0] - x) * share, y + (other.joints[joint][1] - y) * share,
      ]),
      visible: one.visible.map((seen, joint) => (share < 0.5 ? seen : other.visible[joint])),
    };
  }

  // Rectangles of arms and legs, as the method cuts them out; see parts.py.
  rectangles(pose) {
    const half = this.torso(pose) * 0.2, found = [];
    for (const [start, end] of this.limbs) {
      const lower = /wrist|ankle/.test(this.joints[end]);
      if (!(lower || /elbow|knee/.test(this.joints[end])) || !pose.visible[start] || !pose.visible[end]) continue;
      const [a, b] = [pose.joints[start], pose.joints[end]], way = subtract(b, a);
      const first = [a[0] - way[0] * 0.1, a[1] - way[1] * 0.1];
      const more = (lower ? 0.5 : 0.1) * 1.1;
      const last = [b[0] + way[0] * more, b[1] + way[1] * more];
      const full = Math.max(length(way), 1e-6), side = [(-way[1] / full) * half, (way[0] / full) * half];
      found.push({
        limb: this.limbs.findIndex((limb) => limb[1] === end),
        corners: [[1, first], [-1, first], [-1, last], [1, last]].map(([sign, at]) => [at[0] + sign * side[0], at[1] + sign * side[1]]),
      });
    }
    return found;
  }
}
