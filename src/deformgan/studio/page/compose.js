// Composing a picture of any size from a photo and small layers; docs/export.md has the formula.
// WebGL2 where there is one; the same in plain JavaScript elsewhere.
//
// photos: [{height, width, rgb}]; layers: [{field, logits, paint, scene}] of the same photos, with
// `net` = [height, width] of the field; scene: null for the painted one, "none", [r, g, b], or
// {height, width, rgb} of the picture's size.

const VERTEX = `#version 300 es
void main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4. - 1., 0., 1.); }`;
const FRAGMENT = `#version 300 es
precision highp float; precision highp sampler2D;
uniform sampler2D photo0, field0, logits0, paint0, photo1, field1, logits1, paint1, scene, back;
uniform vec2 size, lead; uniform vec3 colour; uniform int mode, count, behind;
out vec4 result;
vec4 look(sampler2D from, vec2 at) {
  ivec2 last = textureSize(from, 0) - 1;
  at = clamp(at, vec2(0), vec2(last));
  ivec2 a = ivec2(floor(at)), b = min(a + 1, last); vec2 part = at - vec2(a);
  return mix(mix(texelFetch(from, a, 0), texelFetch(from, ivec2(b.x, a.y), 0), part.x),
             mix(texelFetch(from, ivec2(a.x, b.y), 0), texelFetch(from, b, 0), part.x), part.y);
}
vec4 fit(sampler2D from, vec2 at) { return look(from, at * vec2(textureSize(from, 0)) - .5); }
void main() {
  vec2 at = vec2(gl_FragCoord.x, size.y - gl_FragCoord.y) / size;
  vec3 field = fit(field0, at).xyz, copy = fit(photo0, at + field.xy).rgb, paint = fit(paint0, at).rgb;
  vec2 opaque = 1. / (1. + exp(-fit(logits0, at).xy));
  float seen = opaque.x * field.z, matte = opaque.y;
  if (count > 1) {
    vec3 field_ = fit(field1, at).xyz;
    vec2 opaque_ = 1. / (1. + exp(-fit(logits1, at).xy));
    float seen_ = opaque_.x * field_.z;
    vec2 odds = clamp(vec2(seen, seen_), 1e-4, 1. - 1e-4); odds = log(odds / (1. - odds));
    float share = 1. / (1. + exp(4. * (odds.y - odds.x)));
    copy = mix(fit(photo1, at + field_.xy).rgb, copy, share);
    paint = paint * lead.x + fit(paint1, at).rgb * lead.y;
    seen = mix(seen_, seen, share); matte = matte * lead.x + opaque_.y * lead.y;
  }
  vec3 person = mix(paint, copy, seen), painted = fit(scene, at).rgb;
  vec3 behind_ = behind == 2 ? colour : behind == 3 ? fit(back, at).rgb : painted;
  if (mode == 0) result = behind == 1 ? vec4(person, matte) : vec4(mix(behind_, person, matte), 1);
  else if (mode == 6) result = vec4(.5 + 2. * field.xy, .5, 1);
  else result = vec4(mode == 1 ? copy : mode == 2 ? paint : mode == 3 ? vec3(seen) : mode == 4 ? vec3(matte) : painted, 1);
}`;

const sigmoid = (value) => 1 / (1 + Math.exp(-value));

// How much each of two photos leads: by how much of the person it shows, to the 4th power.
function leads(layers) {
  if (layers.length < 2) return [1, 0];
  const shown = layers.map(({ field, logits, net: [height, width] }) => {
    let sum = 0;
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const at = (2 * y * 2 * width + 2 * x) * 2;
        sum += sigmoid(logits[at]) * field[(y * width + x) * 3 + 2] * sigmoid(logits[at + 1]);
      }
    return Math.max(sum, 1e-6) ** 4;
  });
  return shown.map((one) => one / (shown[0] + shown[1]));
}

class Drawer {
  constructor() {
    this.photos = [];
    this.layers = [];
    this.scene = null;
  }
  get behind() {
    return this.scene === null ? 0 : this.scene === "none" ? 1 : Array.isArray(this.scene) ? 2 : 3;
  }
}

export class GLDrawer extends Drawer {
  // Throws where there is no WebGL2.
  constructor(canvas) {
    super();
    this.canvas = canvas;
    const gl = canvas.getContext("webgl2", { premultipliedAlpha: false, preserveDrawingBuffer: true, antialias: false });
    if (!gl) throw new Error("no WebGL2");
    this.gl = gl;
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.at = (name) => gl.getUniformLocation(program, name);
    this.names = ["photo0", "field0", "logits0", "paint0", "photo1", "field1", "logits1", "paint1", "scene", "back"];
    this.textures = this.names.map((name, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      const texture = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, texture);
      for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
      gl.uniform1i(this.at(name), unit);
      return texture;
    });
    for (const name of this.names) this._load(name, 1, 1, new Uint8Array(3));
    this.loaded = new Map();
  }

  _load(name, height, width, data) {
    const gl = this.gl, floats = data instanceof Float32Array, two = /^logits/.test(name) && floats;
    gl.activeTexture(gl.TEXTURE0 + this.names.indexOf(name));
    gl.texImage2D(
      gl.TEXTURE_2D, 0, two ? gl.RG32F : floats ? gl.RGB32F : gl.RGB8, width, height, 0,
      two ? gl.RG : gl.RGB, floats ? gl.FLOAT : gl.UNSIGNED_BYTE, data,
    );
  }

  _keep(name, height, width, data) {
    if (this.loaded.get(name) === data) return;
    this.loaded.set(name, data);
    this._load(name, height, width, data);
  }

  draw(rows, columns, mode = 0) {
    const gl = this.gl, { canvas, photos, layers, scene, behind } = this;
    if (gl.isContextLost()) throw new Error("the context is lost");
    if (canvas.height !== rows || canvas.width !== columns) [canvas.height, canvas.width] = [rows, columns];
    gl.viewport(0, 0, columns, rows);
    layers.forEach(({ field, logits, paint, net: [height, width] }, number) => {
      const photo = photos[number];
      this._keep(`photo${number}`, photo.height, photo.width, photo.rgb);
      this._keep(`field${number}`, height, width, field);
      this._keep(`logits${number}`, 2 * height, 2 * width, logits);
      this._keep(`paint${number}`, 2 * height, 2 * width, paint);
    });
    const [height, width] = layers[0].net;
    this._keep("scene", 2 * height, 2 * width, layers[0].scene);
    if (behind === 3) this._keep("back", scene.height, scene.width, scene.rgb);
    gl.uniform2f(this.at("size"), columns, rows);
    gl.uniform2f(this.at("lead"), ...leads(layers));
    gl.uniform3f(this.at("colour"), ...(behind === 2 ? scene.map((value) => value / 255) : [0, 0, 0]));
    gl.uniform1i(this.at("mode"), mode);
    gl.uniform1i(this.at("count"), layers.length);
    gl.uniform1i(this.at("behind"), behind);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  // RGBA of what was drawn, top row first.
  pixels() {
    const { gl, canvas: { width, height } } = this, upside = new Uint8Array(width * height * 4);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, upside);
    const image = new ImageData(width, height), row = width * 4;
    for (let y = 0; y < height; y++) image.data.set(upside.subarray((height - 1 - y) * row, (height - y) * row), y * row);
    return image;
  }
}

// Bilinear at pixel (x, y), edges repeated, into `out`.
function look(data, channels, height, width, x, y, out) {
  x = Math.min(Math.max(x, 0), width - 1);
  y = Math.min(Math.max(y, 0), height - 1);
  const x0 = Math.floor(x), y0 = Math.floor(y), x1 = Math.min(x0 + 1, width - 1), y1 = Math.min(y0 + 1, height - 1);
  const across = x - x0, down = y - y0;
  for (let c = 0; c < channels; c++) {
    const above = data[(y0 * width + x0) * channels + c] * (1 - across) + data[(y0 * width + x1) * channels + c] * across;
    const below = data[(y1 * width + x0) * channels + c] * (1 - across) + data[(y1 * width + x1) * channels + c] * across;
    out[c] = above * (1 - down) + below * down;
  }
}

export class PlainDrawer extends Drawer {
  constructor(canvas) {
    super();
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  draw(rows, columns, mode = 0) {
    const { canvas, photos, layers, scene, behind } = this, lead = leads(layers);
    if (canvas.height !== rows || canvas.width !== columns) [canvas.height, canvas.width] = [rows, columns];
    const image = (this.image = new ImageData(columns, rows)), put = image.data;
    const fields = [[0, 0, 0], [0, 0, 0]], copies = [[0, 0, 0], [0, 0, 0]], paints = [[0, 0, 0], [0, 0, 0]];
    const [logits, painted, back, seen, matte] = [[0, 0], [0, 0, 0], [0, 0, 0], [0, 0], [0, 0]];
    for (let row = 0, at = 0; row < rows; row++)
      for (let column = 0; column < columns; column++, at += 4) {
        const x = (column + 0.5) / columns, y = (row + 0.5) / rows;
        const fit = (data, channels, height, width, out, dx = 0, dy = 0) =>
          look(data, channels, height, width, (x + dx) * width - 0.5, (y + dy) * height - 0.5, out);
        for (let one = 0; one < layers.length; one++) {
          const { field, paint, logits: given, net: [height, width] } = layers[one], photo = photos[one];
          fit(field, 3, height, width, fields[one]);
          fit(given, 2, 2 * height, 2 * width, logits);
          fit(paint, 3, 2 * height, 2 * width, paints[one]);
          fit(photo.rgb, 3, photo.height, photo.width, copies[one], fields[one][0], fields[one][1]);
          seen[one] = sigmoid(logits[0]) * fields[one][2];
          matte[one] = sigmoid(logits[1]);
        }
        let share = 1;
        if (layers.length > 1) {
          const [a, b] = seen.map((value) => Math.min(Math.max(value, 1e-4), 1 - 1e-4));
          share = sigmoid(4 * (Math.log(a / (1 - a)) - Math.log(b / (1 - b))));
        }
        const [height, width] = layers[0].net;
        fit(layers[0].scene, 3, 2 * height, 2 * width, painted);
        if (behind === 3) fit(scene.rgb, 3, scene.height, scene.width, back);
        const show = seen[0] * share + seen[1] * (1 - share), inside = matte[0] * lead[0] + matte[1] * lead[1];
        for (let c = 0; c < 3; c++) {
          const copy = copies[0][c] * share + copies[1][c] * (1 - share);
          const paint = paints[0][c] * lead[0] + paints[1][c] * lead[1];
          const person = copy * show + paint * (1 - show);
          const other = behind === 2 ? scene[c] : behind === 3 ? back[c] : painted[c];
          put[at + c] = mode === 0 ? (behind === 1 ? person : person * inside + other * (1 - inside))
            : mode === 6 ? (c < 2 ? 127.5 + 510 * fields[0][c] : 127.5)
            : mode === 1 ? copy : mode === 2 ? paint : mode === 3 ? show * 255 : mode === 4 ? inside * 255 : painted[c];
        }
        put[at + 3] = mode === 0 && behind === 1 ? inside * 255 : 255;
      }
    this.context.putImageData(image, 0, 0);
  }

  pixels() {
    return this.image;
  }
}

// A drawer for a canvas; in plain JavaScript if asked, or without WebGL2.
export function openDrawer(canvas, plain = false) {
  if (!plain)
    try {
      return new GLDrawer(canvas);
    } catch {
      // the plain one below
    }
  return new PlainDrawer(canvas);
}
