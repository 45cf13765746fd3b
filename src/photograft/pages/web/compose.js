// From the logits of heads to probabilities of classes and factors, for one photo: weights of members, kinds of heads,
// temperature, adjustment to shares, products of factors; and the row that is shown.

const SEPARATOR = ' | ';

/** {classes, whole, targets: {name: probabilities}, factors: {name: probabilities}} from logits by head. */
export function compose(logits, info) {
  const kinds = Object.fromEntries(info.heads.map(({ id, kind }) => [id, kind]));
  const targets = {};
  for (const row of info.targets) targets[row.name] = ofTarget(weigh(row.members, logits), row, kinds[row.members[0].head]);
  const classes = classNames(info);
  if (!info.joint) {
    const whole = targets[info.targets[0].name];
    return { classes, whole, targets, factors: marginals(info.targets[0], whole) };
  }
  const product = info.targets.reduce((joint, { name }) => joint.flatMap((p) => targets[name].map((q) => p * q)), [1]);
  return { classes, whole: soften(product, info.joint.calibration.temperature), targets, factors: targets };
}

/** Names of what is predicted in the end, in the order of the probabilities; the last target's change fastest. */
export function classNames({ targets, joint }) {
  if (!joint) return targets[0].classes;
  return targets.reduce((names, { classes }) => names.flatMap((name) => classes.map((each) => [...name, each])), [[]]).map((parts) => parts.join(SEPARATOR));
}

/** Names of factors with their classes: the targets where there are several, else the factors of the one. */
export const factorsOf = ({ targets, joint }) => (joint ? targets : targets[0].factors || []);

function weigh(members, logits) {
  const sum = new Array(logits[members[0].head].length).fill(0);
  for (const { head, weight = 1 } of members) logits[head].forEach((logit, i) => { sum[i] += weight * logit; });
  return sum;
}

function ofTarget(logits, row, kind = 'softmax') {
  const scaled = logits.map((logit) => logit / row.calibration.temperature);
  const probabilities = kind === 'softmax' ? softmax(scaled) : kind === 'sigmoid' ? scaled.map(sigmoid) : inOrder(scaled.map(sigmoid));
  return row.prior_adjust ? adjust(probabilities, row.prior_adjust) : probabilities;
}

const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));

function softmax(logits) {
  const most = Math.max(...logits);
  return toSumOne(logits.map((logit) => Math.exp(logit - most)));
}

/** Of the probabilities of lying above each class: those of having passed all below it and staying there. */
function inOrder(above) {
  let passed = 1;
  return [...above, 0].map((next) => {
    const own = passed * (1 - next);
    passed *= next;
    return own;
  });
}

function adjust(probabilities, { power, shares }) {
  if (!power) return probabilities;
  const rarest = Math.min(...shares.filter((share) => share > 0));
  return toSumOne(probabilities.map((p, k) => p / Math.max(shares[k], rarest) ** power));
}

function soften(probabilities, temperature) {
  if (temperature === 1) return probabilities;
  const most = Math.max(...probabilities);
  return toSumOne(probabilities.map((p) => (p / most) ** (1 / temperature)));
}

function toSumOne(values) {
  const sum = values.reduce((a, b) => a + b, 0);
  return values.map((value) => value / sum);
}

function marginals(row, whole) {
  const parts = row.classes.map((name) => name.split(SEPARATOR));
  return Object.fromEntries((row.factors || []).map(({ name, classes }, i) => {
    const sums = classes.map(() => 0);
    whole.forEach((p, k) => { sums[classes.indexOf(parts[k][i])] += p; });
    return [name, sums];
  }));
}

/** The answer for one photo, as `photograft predict --json` gives it. */
export function describe(name, composed, info, { strange = false, lowest = 0 } = {}) {
  const top = ranked(composed.classes, composed.whole);
  const row = { name, status: strange ? 'unfamiliar' : top[0].probability < lowest ? 'unsure' : 'ok', ...top[0], top };
  const factors = factorsOf(info).map(({ name: factor, classes }) => {
    const own = ranked(classes, composed.factors[factor]);
    return [factor, { ...own[0], top: own }];
  });
  if (factors.length) row.factors = Object.fromEntries(factors);
  const { thresholds } = info.targets[0];
  if (thresholds) {
    const given = new Set(composed.classes.filter((_, k) => composed.whole[k] >= thresholds[k]));
    row.labels = top.filter(({ label }) => given.has(label));
  }
  return row;
}

function ranked(classes, probabilities) {
  return classes.map((label, k) => ({ label, probability: probabilities[k] })).sort((a, b) => b.probability - a.probability);
}
