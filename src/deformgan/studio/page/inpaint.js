// Holes are filled with shifted copies of what surrounds them: inpainting.py, line by line, where the
// method is explained.

import { fillHoles } from "./images.js";

const CELLS = 400, FINER = 2, KNOWN = 0.7, IMPOSSIBLE = 1e6, ROUNDS = 10, ROUNDS_FINER = 4;
const TRIED = [[0, 1], [-1, 2], [1, 2], [-3, 3], [3, 3], [-8, 4], [8, 4]];
const TEXTURE = 3, KEPT = 2, COLOUR = 0.05, RISE = 51, CHANNELS = 6;
const BESIDE = [[0, 1], [1, 0], [0, -1], [-1, 0]];
const clamp = (value, length) => Math.min(Math.max(value, 0), length - 1);
const even = (value) => (Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

// `rgb` of 0 to 255, `hole` 1 where to fill; returns what `fillHoles` returns.
export function inpaint(rgb, [height, width], hole) {
  const scale = Math.min(1, Math.sqrt(CELLS / (height * width)));
  const rows = even(height * scale), columns = even(width * scale), smooth = () => fillHoles(rgb, [height, width], hole);
  if (rows < 8 || columns < 4 || !hole.includes(1)) return smooth();
  let grid = new Grid(rgb, height, width, hole, rows, columns);
  let tried = grid.tries();
  if (!tried.length) return smooth();
  let shifts = choose(grid, grid.places.map(() => tried), ROUNDS);
  for (let level = 0; level < FINER; level++) {
    const finer = new Grid(rgb, height, width, hole, 2 * grid.rows, 2 * grid.columns);
    shifts = choose(finer, near(grid, shifts, finer), ROUNDS_FINER);
    grid = finer;
  }
  return copy(rgb, height, width, hole, grid, shifts);
}

class Grid {
  constructor(rgb, height, width, hole, rows, columns) {
    Object.assign(this, { rows, columns, places: [] });
    this.hole = new Uint8Array(rows * columns);
    this.numbers = new Int32Array(rows * columns).fill(-1);
    const values = new Float32Array(rows * columns * 4); // colours and texture, from 0
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const sums = [0, 0, 0, 0, 0];
        const [top, bottom] = [Math.floor((row * height) / rows), Math.ceil(((row + 1) * height) / rows)];
        const [left, right] = [Math.floor((column * width) / columns), Math.ceil(((column + 1) * width) / columns)];
        for (let y = top; y < bottom; y++)
          for (let x = left; x < right; x++) {
            const at = y * width + x;
            if (hole[at]) continue;
            const [r, g, b] = [0, 1, 2].map((c) => rgb[3 * at + c] - 127.5), grey = (r + g + b) / 3;
            [r, g, b, grey * grey, 1].forEach((value, c) => (sums[c] += value));
          }
        const count = Math.max(sums[4], 1e-6), cell = row * columns + column;
        const mean = (sums[0] + sums[1] + sums[2]) / count / 3;
        for (let c = 0; c < 3; c++) values[4 * cell + c] = sums[c] / count;
        values[4 * cell + 3] = TEXTURE * Math.sqrt(Math.max(sums[3] / count - mean * mean, 0));
        if (sums[4] / ((bottom - top) * (right - left)) < KNOWN) {
          this.hole[cell] = 1;
          this.numbers[cell] = this.places.length;
          this.places.push([row, column]);
        }
      }
    // fillHoles takes three channels, and subtracts its grey.
    const part = (first) => {
      const three = new Float32Array(rows * columns * 3);
      for (let cell = 0; cell < rows * columns; cell++)
        for (let c = 0; c < 3; c++) three[3 * cell + c] = (first + c < 4 ? values[4 * cell + first + c] : 0) + 127.5;
      return fillHoles(three, [rows, columns], this.hole).map((value) => value - 127.5);
    };
    const colours = part(0), texture = part(3);
    const middle = (row, column) => {
      const at = 3 * (row * columns + column);
      return (colours[at] + colours[at + 1] + colours[at + 2]) / 3;
    };
    this.features = new Float32Array(rows * columns * CHANNELS);
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const cell = row * columns + column, at = CHANNELS * cell;
        for (let c = 0; c < 3; c++) this.features[at + c] = colours[3 * cell + c];
        this.features[at + 3] = texture[3 * cell];
        this.features[at + 4] = column + 1 < columns ? middle(row, column + 1) - middle(row, column) : 0;
        this.features[at + 5] = row + 1 < rows ? middle(row + 1, column) - middle(row, column) : 0;
      }
  }

  cell(row, column) {
    return clamp(row, this.rows) * this.columns + clamp(column, this.columns);
  }

  known(row, column) {
    const inside = row >= 0 && row < this.rows && column >= 0 && column < this.columns;
    return inside && !this.hole[row * this.columns + column];
  }

  // How much two cells differ.
  away(one, other, channels = CHANNELS) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += Math.abs(this.features[CHANNELS * one + c] - this.features[CHANNELS * other + c]);
    return sum;
  }

  tries() {
    const found = [];
    for (const [row, step] of TRIED)
      for (let column = 1 - this.columns; column < this.columns; column += step) {
        const reached = this.places.filter(([y, x]) => this.known(y + row, x + column)).length;
        if (reached / this.places.length > 0.02) found.push([row, column]);
      }
    return found;
  }
}

function near(coarse, shifts, fine) {
  const chosen = (row, column) => {
    const number = coarse.numbers[coarse.cell(row, column)];
    return number < 0 ? [0, 0] : shifts[number].map((value) => 2 * value);
  };
  return fine.places.map(([row, column]) => {
    const [y, x] = [row >> 1, column >> 1], [up, right] = chosen(y, x), found = [];
    for (let dy = -1; dy < 2; dy++) for (let dx = -1; dx < 2; dx++) found.push([up + dy, right + dx]);
    return [...found, ...BESIDE.map(([dy, dx]) => chosen(y + dy, x + dx))];
  });
}

function choose(grid, tried, rounds) {
  const count = tried[0].length, own = cost(grid, tried), edges = [];
  grid.places.forEach(([row, column], one) => {
    for (const [y, x] of [[row, column + 1], [row + 1, column]]) {
      const other = y < grid.rows && x < grid.columns ? grid.numbers[y * grid.columns + x] : -1;
      if (other >= 0) edges.push([one, other]);
    }
  });
  const between = new Float32Array(edges.length * count * count);
  edges.forEach(([one, other], edge) => {
    for (const [row, column] of [grid.places[one], grid.places[other]])
      for (let a = 0; a < count; a++)
        for (let b = 0; b < count; b++) {
          const [from, to] = [tried[one][a], tried[other][b]].map(([y, x]) => grid.cell(row + y, column + x));
          between[(edge * count + a) * count + b] += grid.away(from, to);
        }
  });
  const forth = new Float32Array(edges.length * count), back = new Float32Array(edges.length * count);
  const believed = () => {
    const total = own.slice();
    edges.forEach(([one, other], edge) => {
      for (let a = 0; a < count; a++) {
        total[other * count + a] += forth[edge * count + a];
        total[one * count + a] += back[edge * count + a];
      }
    });
    return total;
  };
  const sent = [new Float32Array(count), new Float32Array(count)];
  for (let round = 0; round < rounds; round++) {
    const total = believed();
    edges.forEach(([one, other], edge) => {
      sent.forEach((message) => message.fill(Infinity));
      for (let a = 0; a < count; a++)
        for (let b = 0; b < count; b++) {
          const pair = between[(edge * count + a) * count + b];
          sent[0][b] = Math.min(sent[0][b], total[one * count + a] - back[edge * count + a] + pair);
          sent[1][a] = Math.min(sent[1][a], total[other * count + b] - forth[edge * count + b] + pair);
        }
      [forth, back].forEach((kept, way) => {
        const least = Math.min(...sent[way]);
        for (let a = 0; a < count; a++) kept[edge * count + a] = (sent[way][a] - least + kept[edge * count + a]) / 2;
      });
    });
  }
  const total = believed();
  return tried.map((shifts, cell) => {
    let best = 0;
    for (let a = 1; a < count; a++) if (total[cell * count + a] < total[cell * count + best]) best = a;
    return shifts[best];
  });
}

function cost(grid, tried) {
  const count = tried[0].length, found = new Float32Array(tried.length * count);
  grid.places.forEach(([row, column], cell) => {
    tried[cell].forEach(([up, right], a) => {
      const [y, x] = [row + up, column + right];
      let sum = COLOUR * grid.away(grid.cell(y, x), grid.cell(row, column), 3) + (RISE * Math.abs(up)) / grid.rows;
      for (const [dy, dx] of BESIDE)
        if (grid.known(row + dy, column + dx)) sum += KEPT * grid.away(grid.cell(y + dy, x + dx), grid.cell(row + dy, column + dx));
      found[cell * count + a] = grid.known(y, x) ? sum : IMPOSSIBLE;
    });
  });
  return found;
}

function copy(rgb, height, width, hole, grid, shifts) {
  const [down, across] = [height / grid.rows, width / grid.columns], left = new Uint8Array(hole.length);
  const filled = Float32Array.from(rgb);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (!hole[at]) continue;
      const [row, column] = [(y + 0.5) / down - 0.5, (x + 0.5) / across - 0.5], total = [0, 0, 0];
      let weight = 0;
      for (const [dy, dx] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
        const [r, c] = [Math.floor(row) + dy, Math.floor(column) + dx], number = grid.numbers[grid.cell(r, c)];
        if (number < 0) continue;
        const [sy, sx] = [y + even(shifts[number][0] * down), x + even(shifts[number][1] * across)];
        if (sy < 0 || sy >= height || sx < 0 || sx >= width || hole[sy * width + sx]) continue;
        const share = (1 - Math.abs(row - r)) * (1 - Math.abs(column - c));
        weight += share;
        for (let k = 0; k < 3; k++) total[k] += share * rgb[3 * (sy * width + sx) + k];
      }
      left[at] = Number(!(weight > 1e-3));
      if (!left[at]) for (let k = 0; k < 3; k++) filled[3 * at + k] = total[k] / weight;
    }
  if (!left.includes(1)) return filled;
  const smooth = fillHoles(filled, [height, width], left);
  return filled.map((value, at) => (left[Math.floor(at / 3)] ? smooth[at] : value));
}
