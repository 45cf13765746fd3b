// The inverse cosine transform of a JPEG block with integers, as in libjpeg's "slow" method: 8 x 8 samples, or reduced
// 4 x 4, 2 x 2 and a single one. Source of the 8 x 8 one: C. Loeffler, A. Ligtenberg and G. Moschytz, "Practical Fast
// 1-D DCT Algorithms with 11 Multiplications" (1989). Constants have 13 bits behind the point, the first pass keeps two.

const BITS = 13;
const KEPT = 2;
const work = new Int32Array(64);

const clip = (value) => (value < 0 ? 0 : value > 255 ? 255 : value);

/** transform(coefficients, at, table, samples, where, stride) for blocks that become `size` x `size` samples. */
export function inverse(size) {
  return { 8: full, 4: half, 2: quarter, 1: eighth }[size];
}

function full(coefficients, at, table, out, where, stride) {
  for (let x = 0; x < 8; x++) {
    const i = at + x;
    if (!(coefficients[i + 8] | coefficients[i + 16] | coefficients[i + 24] | coefficients[i + 32] | coefficients[i + 40] | coefficients[i + 48] | coefficients[i + 56])) {
      const flat = (coefficients[i] * table[x]) << KEPT;
      for (let k = x; k < 64; k += 8) work[k] = flat;
    } else {
      eight(
        coefficients[i] * table[x], coefficients[i + 8] * table[x + 8], coefficients[i + 16] * table[x + 16], coefficients[i + 24] * table[x + 24],
        coefficients[i + 32] * table[x + 32], coefficients[i + 40] * table[x + 40], coefficients[i + 48] * table[x + 48], coefficients[i + 56] * table[x + 56],
        BITS - KEPT, x, 8,
      );
    }
  }
  for (let y = 0; y < 8; y++) {
    const i = 8 * y, to = where + y * stride;
    eight(work[i], work[i + 1], work[i + 2], work[i + 3], work[i + 4], work[i + 5], work[i + 6], work[i + 7], BITS + KEPT + 3, i, 1);
    for (let x = 0; x < 8; x++) out[to + x] = clip(work[i + x] + 128);
  }
}

/** Eight numbers transformed, rounded by `shift` bits and put into `work` from `to` on, `step` apart. */
function eight(a, b, c, d, e, f, g, h, shift, to, step) {
  const round = 1 << (shift - 1);
  const even = (c + g) * 4433;
  const low = even - g * 15137, high = even + c * 6270;
  const sum = (a + e) << BITS, difference = (a - e) << BITS;
  const even0 = sum + high + round, even3 = sum - high + round, even1 = difference + low + round, even2 = difference - low + round;
  const both = (h + d + f + b) * 9633;
  const z1 = (h + b) * -7373, z2 = (f + d) * -20995, z3 = (h + d) * -16069 + both, z4 = (f + b) * -3196 + both;
  const odd0 = h * 2446 + z1 + z3, odd1 = f * 16819 + z2 + z4, odd2 = d * 25172 + z2 + z3, odd3 = b * 12299 + z1 + z4;
  work[to] = (even0 + odd3) >> shift;
  work[to + 7 * step] = (even0 - odd3) >> shift;
  work[to + step] = (even1 + odd2) >> shift;
  work[to + 6 * step] = (even1 - odd2) >> shift;
  work[to + 2 * step] = (even2 + odd1) >> shift;
  work[to + 5 * step] = (even2 - odd1) >> shift;
  work[to + 3 * step] = (even3 + odd0) >> shift;
  work[to + 4 * step] = (even3 - odd0) >> shift;
}

function half(coefficients, at, table, out, where, stride) {
  const value = (k) => coefficients[at + k] * table[k];
  for (let x = 0; x < 8; x++) {
    if (x !== 4) four(value(x), value(x + 8), value(x + 16), value(x + 24), value(x + 40), value(x + 48), value(x + 56), BITS - KEPT + 1, x, 8);
  }
  for (let y = 0; y < 4; y++) {
    const i = 8 * y, to = where + y * stride;
    four(work[i], work[i + 1], work[i + 2], work[i + 3], work[i + 5], work[i + 6], work[i + 7], BITS + KEPT + 3 + 1, i, 1);
    for (let x = 0; x < 4; x++) out[to + x] = clip(work[i + x] + 128);
  }
}

function four(a, b, c, d, f, g, h, shift, to, step) {
  const round = 1 << (shift - 1);
  const first = (a << (BITS + 1)) + round, even = c * 15137 - g * 6270;
  const odd0 = h * -1730 + f * 11893 - d * 17799 + b * 8697;
  const odd2 = h * -4176 - f * 4926 + d * 7373 + b * 20995;
  work[to] = (first + even + odd2) >> shift;
  work[to + 3 * step] = (first + even - odd2) >> shift;
  work[to + step] = (first - even + odd0) >> shift;
  work[to + 2 * step] = (first - even - odd0) >> shift;
}

function quarter(coefficients, at, table, out, where, stride) {
  const value = (k) => coefficients[at + k] * table[k];
  for (const x of [0, 1, 3, 5, 7]) two(value(x), value(x + 8), value(x + 24), value(x + 40), value(x + 56), BITS - KEPT + 2, x, 8);
  for (let y = 0; y < 2; y++) {
    const i = 8 * y, to = where + y * stride;
    two(work[i], work[i + 1], work[i + 3], work[i + 5], work[i + 7], BITS + KEPT + 3 + 2, i, 1);
    out[to] = clip(work[i] + 128);
    out[to + 1] = clip(work[i + 1] + 128);
  }
}

function two(a, b, d, f, h, shift, to, step) {
  const round = 1 << (shift - 1);
  const first = (a << (BITS + 2)) + round;
  const odd = h * -5906 + f * 6967 - d * 10426 + b * 29692;
  work[to] = (first + odd) >> shift;
  work[to + step] = (first - odd) >> shift;
}

function eighth(coefficients, at, table, out, where) {
  out[where] = clip(((coefficients[at] * table[0] + 4) >> 3) + 128);
}
