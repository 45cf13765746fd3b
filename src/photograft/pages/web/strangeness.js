// How unlike the training photos a photo is: what lies outside of their directions, the distance to the nearest kind of
// them, and how little it speaks for any kind (virtual-logit matching, Wang et al. 2022, and Mahalanobis distance, Lee
// et al. 2018), as photograft computes it.

export function strangeness(embedding, { centre, scale, basis, whiten, mean, weights }) {
  const n = embedding.length, [rank] = basis.shape, [kinds] = mean.shape;
  const features = Float64Array.from(embedding, (value, i) => (value - centre.values[i]) / scale.values[i]);
  const inside = new Float64Array(rank);
  for (let r = 0; r < rank; r++) for (let i = 0; i < n; i++) inside[r] += features[i] * basis.values[r * n + i];
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

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
