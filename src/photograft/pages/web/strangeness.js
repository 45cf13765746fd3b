// How unlike the training photos a photo is: what lies outside of their directions, the distance to the nearest kind of
// them, and how little it speaks for any kind (virtual-logit matching, Wang et al. 2022, and Mahalanobis distance, Lee
// et al. 2018), as photograft computes it.

export function strangeness(embedding, { centre, scale, basis, whiten, mean, weights }) {
  const [rank] = basis.shape, [kinds] = mean.shape;
  const features = Float64Array.from(embedding, (value, i) => (value - centre.values[i]) / scale.values[i]);
  const inside = Float64Array.from({ length: rank }, (_, r) => along(features, basis, r));
  const white = new Float64Array(rank);
  for (let r = 0; r < rank; r++) for (let k = 0; k < rank; k++) white[k] += inside[r] * whiten.values[r * rank + k];
  const logits = Array.from({ length: kinds }, (_, k) => {
    const own = mean.values.subarray(k * rank, (k + 1) * rank);
    return dot(white, own) - 0.5 * dot(own, own);
  });
  const highest = Math.max(...logits);
  const energy = highest - logits.reduce((a, b) => a + b, 0) / kinds + Math.log(logits.reduce((sum, each) => sum + Math.exp(each - highest), 0));
  const outside = Math.sqrt(Math.max(dot(features, features) - dot(inside, inside), 0));
  const near = Math.sqrt(Math.max(dot(white, white) - 2 * highest, 0));
  return weights.values[0] * outside + weights.values[1] * near - energy;
}

/** How far the features go in a direction: of float16 numbers, or of two levels of 4 bits to a byte, of length 1. */
function along(features, { shape, values }, row) {
  const own = values.subarray(row * shape[1], (row + 1) * shape[1]);
  if (!(own instanceof Uint8Array)) return dot(features, own);
  const levels = Float64Array.from(features, (_, i) => ((own[i >> 1] >> (4 * (i & 1))) & 15) - 8);
  return dot(features, levels) / Math.sqrt(dot(levels, levels));
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
