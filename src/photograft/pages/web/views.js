// The squares of a photo that a network sees.

// Where the five squares lie, in halves of the margin from the top and from the left: the middle, then the corners.
const PLACES = [[1, 1], [0, 0], [0, 2], [2, 0], [2, 2]];

/** The squares of the contract's picture that a network sees, then their mirror images: nothing is resampled. */
export function makeViews(pixels, size, { crops, flip }) {
  const px = crops === 'five' ? Math.round((size * 7) / 8) : size;
  const places = crops === 'five' ? PLACES : [[0, 0]];
  const corners = places.map((halves) => halves.map((half) => Math.floor(((size - px) * half) / 2)));
  const views = corners.map(([top, left]) => cut(pixels, size, px, top, left));
  if (flip) views.push(...views.map((view) => mirrored(view, px)));
  const data = new Uint8Array(views.length * px * px * 3);
  views.forEach((view, i) => data.set(view, i * px * px * 3));
  return { n: views.length, px, data };
}

function cut(pixels, size, px, top, left) {
  if (px === size) return pixels;
  const out = new Uint8Array(px * px * 3);
  for (let y = 0; y < px; y++) {
    const from = ((top + y) * size + left) * 3;
    out.set(pixels.subarray(from, from + px * 3), y * px * 3);
  }
  return out;
}

function mirrored(view, px) {
  const out = new Uint8Array(view.length);
  for (let y = 0, to = 0; y < px; y++) {
    for (let x = px - 1; x >= 0; x--, to += 3) out.set(view.subarray((y * px + x) * 3, (y * px + x) * 3 + 3), to);
  }
  return out;
}
