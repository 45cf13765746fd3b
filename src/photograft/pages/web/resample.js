// Pictures made smaller, turned and brought to the size of the network: to the last bit as Pillow does it, whose whole
// numbers with 22 bits behind the point are repeated here. A picture is {width, height, rgb}, three bytes per pixel.

/** Every block of `factor` x `factor` pixels averaged into one; those at the right and lower end may be smaller. */
export function reduced(picture, factor) {
  if (factor === 1) return picture;
  const { width, height, rgb } = picture;
  const [columns, rows] = [Math.ceil(width / factor), Math.ceil(height / factor)];
  const out = new Uint8Array(columns * rows * 3);
  for (let y = 0, to = 0; y < rows; y++) {
    const [top, bottom] = [y * factor, Math.min((y + 1) * factor, height)];
    for (let x = 0; x < columns; x++, to += 3) {
      average(rgb, width, x * factor, Math.min((x + 1) * factor, width), top, bottom, out, to);
    }
  }
  return { width: columns, height: rows, rgb: out };
}

function average(rgb, width, left, right, top, bottom, out, to) {
  const n = (right - left) * (bottom - top);
  // The reciprocal as a number of 32 bits, rounded as in C: sums are multiplied, never divided.
  const reciprocal = Math.floor(Math.fround(4294967296 / (256 * n)));
  let red = n >> 1, green = red, blue = red;
  for (let y = top; y < bottom; y++) {
    for (let at = (y * width + left) * 3, end = at + (right - left) * 3; at < end; at += 3) {
      red += rgb[at];
      green += rgb[at + 1];
      blue += rgb[at + 2];
    }
  }
  out[to] = Math.imul(red, reciprocal) >>> 24;
  out[to + 1] = Math.imul(green, reciprocal) >>> 24;
  out[to + 2] = Math.imul(blue, reciprocal) >>> 24;
}

/** The picture as it is to be looked at, by its EXIF orientation. */
export function upright(picture, turn) {
  if (turn < 2 || turn > 8) return picture;
  const { width, height, rgb } = picture;
  const out = new Uint8Array(rgb.length);
  const swapped = turn >= 5;
  const [columns, rows] = swapped ? [height, width] : [width, height];
  const fromRight = turn === 2 || turn === 3 || turn === 7 || turn === 8;
  const fromBelow = turn === 3 || turn === 4 || turn === 6 || turn === 7;
  for (let y = 0, to = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, to += 3) {
      const [a, b] = swapped ? [y, x] : [x, y];
      const at = ((fromBelow ? height - 1 - b : b) * width + (fromRight ? width - 1 - a : a)) * 3;
      out[to] = rgb[at];
      out[to + 1] = rgb[at + 1];
      out[to + 2] = rgb[at + 2];
    }
  }
  return { width: columns, height: rows, rgb: out };
}

/** The rectangle `box` of a picture as `px` x `px` pixels, with an antialiased bicubic filter. */
export function resized(picture, px, box) {
  const [left, top, right, bottom] = box.map(Math.fround);
  const whole = left === 0 && top === 0 && right === picture.width && bottom === picture.height;
  if (whole && picture.width === px && picture.height === px) return picture.rgb;
  const across = weights(picture.width, left, right, px);
  const down = weights(picture.height, top, bottom, px);
  const narrow = px !== picture.width || left !== 0 || right !== px;
  const flat = px !== picture.height || top !== 0 || bottom !== px;
  // From release 13 on, Pillow begins with the height where that is reduced by much more than the width.
  const tall = picture.height > px && picture.height - px > 2 * (picture.width - px);
  const passes = [[narrow, (each) => horizontal(each, px, across)], [flat, (each) => vertical(each, px, down)]];
  if (tall) passes.reverse();
  return passes.reduce((each, [needed, pass]) => (needed ? pass(each) : each), picture).rgb;
}

const PRECISION = 22;
const HALF = 1 << (PRECISION - 1);

/** Per pixel of the result: which pixels it is made of, and by how much, as whole numbers. */
function weights(size, from, to, px) {
  const scale = Math.fround(to - from) / px;
  const wide = Math.max(scale, 1);
  const support = 2 * wide;
  const most = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(px), lengths = new Int32Array(px), shares = new Int32Array(px * most);
  const own = new Float64Array(most);
  const inverse = 1 / wide;
  for (let i = 0; i < px; i++) {
    const centre = from + (i + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - support + 0.5), 0);
    const n = Math.min(Math.trunc(centre + support + 0.5), size) - start;
    let sum = 0;
    for (let k = 0; k < n; k++) sum += own[k] = bicubic((k + start - centre + 0.5) * inverse);
    for (let k = 0; k < n; k++) {
      const share = (sum === 0 ? own[k] : own[k] / sum) * (1 << PRECISION);
      shares[i * most + k] = Math.trunc(share < 0 ? share - 0.5 : share + 0.5);
    }
    starts[i] = start;
    lengths[i] = n;
  }
  return { starts, lengths, shares, most };
}

function bicubic(x) {
  const a = -0.5;
  const distance = Math.abs(x);
  if (distance < 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
  if (distance < 2) return (((distance - 5) * distance + 8) * distance - 4) * a;
  return 0;
}

const clip = (sum) => {
  const value = sum >> PRECISION;
  return value < 0 ? 0 : value > 255 ? 255 : value;
};

function horizontal({ width, height, rgb }, px, { starts, lengths, shares, most }) {
  const out = new Uint8Array(height * px * 3);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < px; x++, to += 3) {
      let red = HALF, green = HALF, blue = HALF;
      const n = lengths[x];
      for (let k = 0, at = (y * width + starts[x]) * 3, i = x * most; k < n; k++, at += 3, i++) {
        const share = shares[i];
        red += rgb[at] * share;
        green += rgb[at + 1] * share;
        blue += rgb[at + 2] * share;
      }
      out[to] = clip(red);
      out[to + 1] = clip(green);
      out[to + 2] = clip(blue);
    }
  }
  return { width: px, height, rgb: out };
}

function vertical({ width, rgb }, px, { starts, lengths, shares, most }) {
  const line = width * 3;
  const out = new Uint8Array(px * line);
  const sums = new Int32Array(line);
  for (let y = 0; y < px; y++) {
    sums.fill(HALF);
    for (let k = 0; k < lengths[y]; k++) {
      const share = shares[y * most + k];
      for (let x = 0, at = (starts[y] + k) * line; x < line; x++, at++) sums[x] += rgb[at] * share;
    }
    for (let x = 0; x < line; x++) out[y * line + x] = clip(sums[x]);
  }
  return { width, height: px, rgb: out };
}
