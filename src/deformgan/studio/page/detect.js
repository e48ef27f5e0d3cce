// The detector pose18 in the browser: everyone in a photo, largest first; see detectors/pose18.py
// and detectors/people.py, whose constants these are.
import { linear, resample, toBytes, whole, planes } from "./images.js";
import { distance } from "./skeleton.js";

const [ROWS, COLUMNS, STRIDE, JOINTS] = [128, 96, 4, 18];
const [JOINT_SCORE, OCTAVE, LARGEST_COPY, LARGEST_SCALE, EDGE] = [0.5, 1.41, 600000, 1.4, 32];
const [MIDDLE_SCORE, MOST_MIDDLES, MIDDLE_ROW, SAME_BOX] = [0.25, 24, 52, 0.7];
const [PERSON_SCORE, PERSON_SCORE_IN_PART, LOOKS_AGAIN, SAME_PERSON, LOOK_MARGIN] = [0.4, 0.6, 2, 0.4, 1.25];
const [TOGETHER, TWIN_MARGIN] = [6, 0.3];
const sigmoid = (value) => 1 / (1 + Math.exp(-value));

// Boxes are [left, top, right, bottom], 0 at the centre of the top-left pixel.
function overlap(a, b) {
  const side = (low, high) => Math.max(0, Math.min(a[high], b[high]) - Math.max(a[low], b[low]));
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]), common = side(0, 2) * side(1, 3);
  return common / Math.max(area(a) + area(b) - common, 1e-9);
}

function bounds(pose) {
  const seen = pose.joints.filter((_, joint) => pose.visible[joint]);
  const edges = [Math.min, Math.max].flatMap((edge) => [0, 1].map((axis) => edge(...seen.map((place) => place[axis]))));
  return edges;
}

// `run(planes, height, width)` returns the network's maps: 18 of joints, one of torso centres.
export class Detector {
  constructor(run, skeleton, [slope, offset]) {
    Object.assign(this, { run, skeleton, slope, offset });
    this.mirrored = [...skeleton.twins, JOINTS];
  }

  async find(photo) {
    const found = [];
    for (const box of [null, ...(await this._boxes(photo))]) {
      if (box && found.some((person) => this._explains(person, box))) continue;
      let look = await this._look(photo, box), best = look;
      for (let again = 0; again < LOOKS_AGAIN && look.visible.some(Boolean); again++) {
        look = await this._look(photo, this._around(look));
        if (look.torso > best.torso) best = look;
      }
      if (best.torso >= (box ? PERSON_SCORE_IN_PART : PERSON_SCORE) && best.visible.some(Boolean)) found.push(best);
    }
    const people = [];
    for (const person of found.sort((a, b) => b.torso - a.torso)) if (!people.some((other) => this._same(person, other))) people.push(person);
    const area = (person) => ((box) => (box[2] - box[0]) * (box[3] - box[1]))(bounds(person));
    return people.sort((a, b) => area(b) - area(a)).map(({ joints, visible }) => ({ joints, visible }));
  }

  // The joints in a box, the mean of an image and its mirror image.
  async _look(photo, box) {
    let [left, top, right, bottom] = box ?? [-0.5, -0.5, photo.width - 0.5, photo.height - 0.5];
    const height = Math.max(bottom - top, ((right - left) * ROWS) / COLUMNS, 1), width = (height * COLUMNS) / ROWS;
    [left, top] = [(left + right - width) / 2, (top + bottom - height) / 2];
    const cut = { left: left + 0.5, top: top + 0.5, height, width };
    const rgb = toBytes(resample(photo.rgb, 3, [photo.height, photo.width], cut, [ROWS, COLUMNS], linear));
    const image = planes({ height: ROWS, width: COLUMNS, rgb }, [ROWS, COLUMNS]);
    const flip = (data, wide) => data.map((_, at) => data[at - (at % wide) + wide - 1 - (at % wide)]);
    const one = await this.run(image, ROWS, COLUMNS), other = flip(await this.run(flip(image, COLUMNS), ROWS, COLUMNS), COLUMNS / STRIDE);
    const area = (ROWS * COLUMNS) / STRIDE ** 2, heat = this.mirrored.map((map, place) => one.slice(place * area, (place + 1) * area).map((value, at) => (value + other[map * area + at]) / 2));
    const somebody = sigmoid(heat[JOINTS].reduce((a, b) => Math.max(a, b)));
    const peaks = this._partTwins(heat, heat.slice(0, JOINTS).map((map) => this._peak(map)));
    const scores = peaks.map(({ value }, joint) => sigmoid(this.slope[joint] * value + this.offset[joint]) * somebody);
    return {
      joints: peaks.map(({ place: [x, y] }) => [((x + 0.5) / COLUMNS) * width + left, ((y + 0.5) / ROWS) * height + top]),
      visible: scores.map((score) => score >= JOINT_SCORE),
      torso: this.skeleton.mandatory.reduce((sum, joint) => sum + scores[joint], 0) / this.skeleton.mandatory.length,
    };
  }

  // The highest cell of a map, refined by a parabola.
  _peak(map) {
    const columns = COLUMNS / STRIDE, rows = ROWS / STRIDE;
    let index = 0;
    map.forEach((value, at) => value > map[index] && (index = at));
    const [x, y] = [index % columns, Math.floor(index / columns)], here = map[index];
    const top = (before, after) => {
      const curvature = Math.max(2 * here - before - after, 1e-3);
      return Math.min(Math.max((0.5 * (after - before)) / curvature, -0.5), 0.5);
    };
    const value = (dx, dy) => map[Math.min(Math.max(y + dy, 0), rows - 1) * columns + Math.min(Math.max(x + dx, 0), columns - 1)];
    const cell = [x + top(value(-1, 0), value(1, 0)), y + top(value(0, -1), value(0, 1))];
    return { place: cell.map((at) => (at + 0.5) * STRIDE - 0.5), value: here };
  }

  // Knees or ankles in the same place: one of them may belong to its second peak.
  _partTwins(heat, peaks) {
    const columns = COLUMNS / STRIDE, found = [...peaks];
    const low = heat.slice(0, JOINTS).reduce((least, map) => map.reduce((a, b) => Math.min(a, b), least), Infinity);
    for (const name of ["knee", "ankle"]) {
      const pair = ["right", "left"].map((side) => this.skeleton.index(`${side}_${name}`));
      if (distance(...pair.map((joint) => peaks[joint].place)) >= TOGETHER) continue;
      const others = pair.map((joint) => {
        const [x, y] = peaks[joint].place.map((at) => (at + 0.5) / STRIDE - 0.5);
        return this._peak(heat[joint].map((value, at) => (Math.abs((at % columns) - x) <= 1.5 && Math.abs(Math.floor(at / columns) - y) <= 1.5 ? low : value)));
      });
      const lost = pair.map((joint, side) => peaks[joint].value - others[side].value);
      const side = lost[0] < lost[1] ? 0 : 1; // on ties the left one moves
      if (lost[side] < TWIN_MARGIN) found[pair[side]] = others[side];
    }
    return found;
  }

  // Boxes that may hold people, most certain first.
  async _boxes({ height, width, rgb }) {
    const scales = [Math.min(ROWS / height, COLUMNS / width)], largest = Math.min(LARGEST_SCALE, Math.sqrt(LARGEST_COPY / (height * width)));
    while (scales.at(-1) * OCTAVE <= largest) scales.push(scales.at(-1) * OCTAVE);
    const found = [];
    for (const scale of scales) {
      const [rows, columns] = [height, width].map((side) => Math.max(1, Math.round(side * scale)));
      const copy = toBytes(resample(rgb, 3, [height, width], whole({ height, width }), [rows, columns], linear));
      const [high, wide] = [rows, columns].map((side) => side + 2 * EDGE + ((32 - (side % 32)) % 32));
      const image = new Float32Array(3 * high * wide);
      for (let y = 0; y < high; y++)
        for (let x = 0; x < wide; x++) {
          const from = Math.min(Math.max(y - EDGE, 0), rows - 1) * columns + Math.min(Math.max(x - EDGE, 0), columns - 1);
          for (let c = 0; c < 3; c++) image[(c * high + y) * wide + x] = copy[3 * from + c] / 127.5 - 1;
        }
      const [down, across] = [high / STRIDE, wide / STRIDE], middle = (await this.run(image, high, wide)).subarray(JOINTS * down * across);
      for (let y = 0; y < down; y++)
        for (let x = 0; x < across; x++) {
          const value = middle[y * across + x];
          if (sigmoid(value) <= MIDDLE_SCORE) continue;
          let peak = true;
          for (let i = Math.max(y - 2, 0); peak && i <= Math.min(y + 2, down - 1); i++)
            for (let j = Math.max(x - 2, 0); j <= Math.min(x + 2, across - 1); j++) peak &&= middle[i * across + j] <= value;
          const at = (cell, side, full) => (((cell + 0.5) * STRIDE - EDGE) / side) * full - 0.5;
          if (peak) found.push([value, at(x, columns, width), at(y, rows, height), scale]);
        }
    }
    const boxes = [];
    for (const [, x, y, scale] of found.sort((a, b) => b[0] - a[0])) {
      const [left, top] = [x - COLUMNS / 2 / scale, y - MIDDLE_ROW / scale], box = [left, top, left + COLUMNS / scale, top + ROWS / scale];
      if (boxes.every((other) => overlap(box, other) < SAME_BOX)) boxes.push(box);
    }
    return boxes.slice(0, MOST_MIDDLES);
  }

  _around(pose) {
    const [left, top, right, bottom] = bounds(pose), [x, y] = [(left + right) / 2, (top + bottom) / 2];
    const [wide, high] = [(LOOK_MARGIN * (right - left)) / 2, (LOOK_MARGIN * (bottom - top)) / 2];
    return [x - wide, y - high, x + wide, y + high];
  }

  _explains(person, box) {
    const [left, top, right, bottom] = this._around(person), high = Math.max(bottom - top, ((right - left) * 4) / 3) / 2, wide = (high * 3) / 4;
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    return overlap([x - wide, y - high, x + wide, y + high], box) > 0.5;
  }

  _same(one, other) {
    const common = one.joints.map((_, joint) => joint).filter((joint) => one.visible[joint] && other.visible[joint]);
    if (!common.length) return false;
    const apart = common.reduce((sum, joint) => sum + distance(one.joints[joint], other.joints[joint]), 0) / common.length;
    const torso = ({ joints }) => {
      const [rs, ls, rh, lh] = ["right_shoulder", "left_shoulder", "right_hip", "left_hip"].map((name) => joints[this.skeleton.index(name)]);
      const down = distance([(rs[0] + ls[0]) / 2, (rs[1] + ls[1]) / 2], [(rh[0] + lh[0]) / 2, (rh[1] + lh[1]) / 2]);
      return Math.max(down, distance(rs, ls));
    };
    return apart <= SAME_PERSON * Math.max(torso(one), torso(other));
  }
}
