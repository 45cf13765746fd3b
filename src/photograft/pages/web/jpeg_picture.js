// From the coefficients of a JPEG to RGB, bit by bit as libjpeg-turbo does it: the accurate integer transform at full,
// half, quarter and eighth size, smooth upsampling of the colours, and its table of colour conversion.
import { inverse } from './jpeg_transform.js';
import { NotDecodedHere, Rejected } from './rejected.js';

/** A picture that is being decoded at 1 / `scale`. With a single scan, coefficients of one row of units are kept. */
export class Picture {
  constructor(head, scale, single) {
    const most = (name) => Math.max(...head.components.map((each) => each[name]));
    this.head = head;
    this.size = 8 / scale;
    this.single = single;
    [this.mostH, this.mostV] = [most('h'), most('v')];
    this.width = Math.ceil(head.width / scale);
    this.height = Math.ceil(head.height / scale);
    this.mcuColumns = Math.ceil(head.width / (8 * this.mostH));
    this.mcuRows = Math.ceil(head.height / (8 * this.mostV));
    this.components = head.components.map((each) => new Component(each, this));
  }

  /** Called after every row of units (or, of a scan of one component, of blocks). */
  rowDone(row, alone) {
    if (!this.single) return;
    for (const component of this.components) {
      const blockRows = alone ? 1 : component.v;
      component.render(row * blockRows, blockRows, this.head.tables);
      component.coefficients.fill(0);
    }
  }

  finish() {
    for (const component of this.components) {
      if (!this.single) component.render(0, component.paddedRows, this.head.tables);
      component.coefficients = null;
    }
    const rgb = new Uint8Array(this.width * this.height * 3);
    const rows = this.components.map((component) => component.upsampler(this));
    const convert = converter(this.head);
    for (let y = 0; y < this.height; y++) {
      convert(rows.map((row) => row(y)), rgb, y * this.width * 3, this.width);
    }
    return { width: this.width, height: this.height, rgb };
  }
}

class Component {
  constructor({ h, v, table }, picture) {
    const { head, size, mostH, mostV } = picture;
    Object.assign(this, { h, v, table });
    this.columns = Math.ceil((head.width * h) / (8 * mostH));
    this.rows = Math.ceil((head.height * v) / (8 * mostV));
    this.paddedColumns = picture.mcuColumns * h;
    this.paddedRows = picture.mcuRows * v;
    this.size = ownSize(this, picture);
    this.stride = this.paddedColumns * this.size;
    this.sampleColumns = Math.ceil((head.width * h * this.size) / (8 * mostH));
    this.sampleRows = Math.ceil((head.height * v * this.size) / (8 * mostV));
    this.samples = new Uint8Array(this.stride * this.paddedRows * this.size);
    this.keptRows = picture.single ? v : this.paddedRows;
    this.coefficients = new Int16Array(this.paddedColumns * this.keptRows * 64);
    this.smooth = size > 1;
  }

  place(row, column) {
    return ((row % this.keptRows) * this.paddedColumns + column) * 64;
  }

  render(firstRow, rows, tables) {
    const table = tables[this.table];
    if (!table) throw new Rejected('corrupt', 'damaged JPEG file: a quantization table is missing');
    const transform = inverse(this.size);
    for (let row = firstRow; row < Math.min(firstRow + rows, this.paddedRows); row++) {
      for (let column = 0; column < this.paddedColumns; column++) {
        transform(this.coefficients, this.place(row, column), table, this.samples, row * this.size * this.stride + column * this.size, this.stride);
      }
    }
  }

  /** A function from the number of a row of the picture to that row of this component, as wide as the picture. */
  upsampler({ size, mostH, mostV, width }) {
    const [acrossH, acrossV] = [(mostH * size) / (this.h * this.size), (mostV * size) / (this.v * this.size)];
    const row = (y) => this.samples.subarray(y * this.stride, y * this.stride + this.stride);
    const wide = this.sampleColumns > 2;
    if (acrossH === 1 && acrossV === 1) return row;
    const out = new Uint8Array(Math.max(width, this.stride * Math.ceil(acrossH)) + 2);
    if (acrossH === 2 && acrossV === 1 && this.smooth && wide) return (y) => widen(row(y), this.sampleColumns, out);
    if (acrossH === 1 && acrossV === 2 && this.smooth) return (y) => heighten(...this.nearRows(y, row), y, this.sampleColumns, out);
    if (acrossH === 2 && acrossV === 2 && this.smooth && wide) return (y) => widenBoth(...this.nearRows(y, row), this.sampleColumns, out);
    if (!Number.isInteger(acrossH) || !Number.isInteger(acrossV)) throw new NotDecodedHere('fractional sampling');
    return (y) => repeat(row(Math.floor(y / acrossV)), acrossH, this.sampleColumns, out);
  }

  /** Of a picture of twice the height: the row that covers row `y`, and the next nearest one. */
  nearRows(y, row) {
    const own = y >> 1;
    const other = Math.min(Math.max(y & 1 ? own + 1 : own - 1, 0), this.sampleRows - 1);
    return [row(own), row(other)];
  }
}

/** How many samples a block of a component becomes: colours of half the size need not be reduced as far. */
function ownSize({ h, v }, { size, mostH, mostV }) {
  let own = size;
  while (own < 8 && (mostH * size) % (h * own * 2) === 0 && (mostV * size) % (v * own * 2) === 0) own *= 2;
  return own;
}

function widen(row, n, out) {
  out[0] = row[0];
  out[1] = (row[0] * 3 + row[1] + 2) >> 2;
  for (let x = 1; x < n - 1; x++) {
    const own = row[x] * 3;
    out[2 * x] = (own + row[x - 1] + 1) >> 2;
    out[2 * x + 1] = (own + row[x + 1] + 2) >> 2;
  }
  out[2 * n - 2] = (row[n - 1] * 3 + row[n - 2] + 1) >> 2;
  out[2 * n - 1] = row[n - 1];
  return out;
}

function heighten(near, far, y, n, out) {
  const bias = y & 1 ? 2 : 1;
  for (let x = 0; x < n; x++) out[x] = (near[x] * 3 + far[x] + bias) >> 2;
  return out;
}

function widenBoth(near, far, n, out) {
  let before = near[0] * 3 + far[0], own = before, next = near[1] * 3 + far[1];
  out[0] = (own * 4 + 8) >> 4;
  out[1] = (own * 3 + next + 7) >> 4;
  for (let x = 1; x < n - 1; x++) {
    before = own;
    own = next;
    next = near[x + 1] * 3 + far[x + 1];
    out[2 * x] = (own * 3 + before + 8) >> 4;
    out[2 * x + 1] = (own * 3 + next + 7) >> 4;
  }
  out[2 * n - 2] = (next * 3 + own + 8) >> 4;
  out[2 * n - 1] = (next * 4 + 7) >> 4;
  return out;
}

function repeat(row, across, n, out) {
  for (let x = 0, i = 0; x < n; x++) for (let k = 0; k < across; k++) out[i++] = row[x];
  return out;
}

// ------------------------------------------------------------------ colours

const fixed = (share) => Math.floor(share * 65536 + 0.5);
const table = (entry) => Int32Array.from({ length: 256 }, (_, i) => entry(i - 128));
const RED = table((x) => (fixed(1.402) * x + 32768) >> 16);
const BLUE = table((x) => (fixed(1.772) * x + 32768) >> 16);
const GREEN_OF_RED = table((x) => -fixed(0.71414) * x);
const GREEN_OF_BLUE = table((x) => -fixed(0.34414) * x + 32768);
const clip = (value) => (value < 0 ? 0 : value > 255 ? 255 : value);

function converter(head) {
  const n = head.components.length;
  if (n === 1) return fromGrey;
  if (n === 3) return isRgb(head) ? fromRgb : fromYcc;
  return head.adobe === 2 ? fromYcck : fromCmyk;
}

/** By what libjpeg goes where a file does not say it plainly. */
function isRgb({ jfif, adobe, components }) {
  if (jfif) return false;
  if (adobe >= 0) return adobe === 0;
  return components.map(({ id }) => String.fromCharCode(id)).join('') === 'RGB';
}

function fromGrey([grey], out, at, n) {
  for (let x = 0; x < n; x++, at += 3) out[at] = out[at + 1] = out[at + 2] = grey[x];
}

function fromRgb([red, green, blue], out, at, n) {
  for (let x = 0; x < n; x++, at += 3) {
    out[at] = red[x];
    out[at + 1] = green[x];
    out[at + 2] = blue[x];
  }
}

function fromYcc([light, blueness, redness], out, at, n) {
  for (let x = 0; x < n; x++, at += 3) {
    const y = light[x], cb = blueness[x], cr = redness[x];
    out[at] = clip(y + RED[cr]);
    out[at + 1] = clip(y + ((GREEN_OF_BLUE[cb] + GREEN_OF_RED[cr]) >> 16));
    out[at + 2] = clip(y + BLUE[cb]);
  }
}

// Four inks are stored inverted, as Adobe does and Pillow takes it; then as Pillow converts CMYK.
function fromCmyk([cyan, magenta, yellow, black], out, at, n) {
  for (let x = 0; x < n; x++, at += 3) {
    const light = black[x];
    out[at] = clip(light - share(255 - cyan[x], light));
    out[at + 1] = clip(light - share(255 - magenta[x], light));
    out[at + 2] = clip(light - share(255 - yellow[x], light));
  }
}

function fromYcck([light, blueness, redness, black], out, at, n) {
  fromYcc([light, blueness, redness], out, at, n);
  // libjpeg turns YCC into inks as 255 less red, green and blue; these are inverted once more.
  for (let x = 0; x < n; x++, at += 3) {
    for (let k = 0; k < 3; k++) out[at + k] = clip(black[x] - share(out[at + k], black[x]));
  }
}

function share(ink, of) {
  const product = ink * of + 128;
  return ((product >> 8) + product) >> 8;
}
