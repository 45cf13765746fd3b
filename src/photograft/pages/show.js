// One prediction as elements of a page. A row is what /v1/predict and `photograft predict --json` give for a photo.
import { knows, list, measured, number, percent, say } from './texts.js';

const SHOWN = 5;
const LEAST = 0.01; // less is not worth a bar of its own
const FEW_CLASSES = 12;
const LONG = 18; // letters of a label that is set smaller

/** An element. Attributes that are functions are listeners; children are elements or text, never markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
  return element;
}

/**
 * The answer for one photo: label and probability large, what the status means and what to do, then all the rest.
 *
 * `classes` are all that the model knows (for what it says of an unfamiliar photo); `title` names the head where there
 * are several; `level` is that of its heading.
 */
export function showPrediction(row, { classes = [], title = '', level = 2 } = {}) {
  const answer = make('article', { class: `answer is-${row.status}` });
  if (title) answer.append(make('p', { class: 'head-name' }, title));
  if (row.status === 'rejected') {
    answer.append(...showRejected(row, level));
    return answer;
  }
  answer.append(...showHeadline(row, level), ...showMeaning(row, classes));
  if (row.factors && Object.keys(row.factors).length) answer.append(showFactors(row, level + 1));
  else answer.append(showBars(row.top, { given: row.labels && row.labels.map((each) => each.label), folded: row.status === 'unfamiliar' }));
  return answer;
}

/** Every head's answer, where the server has several; else the one. */
export function showAnswers(row, options = {}) {
  const heads = Object.entries(row.heads || {});
  if (heads.length < 2 || row.status === 'rejected') return [showPrediction(row, options)];
  return heads.map(([name, each]) => showPrediction(each, { ...options, classes: (options.classesOf || {})[name], title: name }));
}

/** One sentence, for a screen reader and for a row of a table. */
export function tell(row) {
  if (row.status === 'rejected') return `${say('rejected-title')}: ${rejection(row).what}`;
  if (row.status === 'unfamiliar') return `${say('unfamiliar-title')}.`;
  if (row.labels && !row.labels.length) return `${say('none-title')}.`;
  const key = row.status === 'unsure' ? 'told-unsure' : 'told';
  return say(key, { label: labelOf(row), share: percent(row.probability) });
}

/** The label as it is shown: of several all that are given, of factors their values. */
export function labelOf(row) {
  if (row.labels && row.labels.length) return row.labels.map((each) => each.label).join(', ');
  const values = Object.values(row.factors || {}).map((each) => each.label);
  return values.length ? values.join(' · ') : row.label || '';
}

/** What is wrong with a file and what to do, from the word that its reason begins with. */
export function rejection(row) {
  const [code, ...rest] = (row.reason || 'unreadable').split(': ');
  const known = knows(`${code}-do`) ? code : 'unreadable';
  return { what: say(known), remedy: say(`${known}-do`), detail: known === code ? rest.join(': ').split('; ')[0] : row.reason };
}

/** How good a model was tested to be, in one sentence, from what its bundle says; empty where that is not known. */
export function tellTested(tested) {
  if (!tested || !tested.n || !Number.isFinite(tested.accuracy)) return '';
  const key = 'micro_f1' in tested ? 'tested-several' : Object.keys(tested.factors || {}).length ? 'tested-factors' : 'tested';
  const [share, low, high] = ['accuracy', 'accuracy_low', 'accuracy_high'].map((name) => measured(tested[name], tested.n));
  return say(key, { share, low, high, n: number(tested.n) });
}

function showHeadline(row, level) {
  const heading = (text) => make(`h${level}`, { class: 'label' }, text);
  const chip = row.status === 'ok' ? null : make('p', { class: 'status' }, say(`status-${row.status}`));
  if (row.status === 'unfamiliar') return [chip, heading(say('unfamiliar-title'))];
  const several = Boolean(row.labels);
  if (several && !row.labels.length) return [heading(say('none-title'))];
  const parts = partsOf(row);
  const name = heading('');
  name.append(...parts.flatMap((part, i) => [i ? ' ' : '', make('span', {}, part)]), row.status === 'unsure' ? '?' : '');
  if (parts.join().length > LONG) name.classList.add('is-long');
  return [chip, name, several ? null : showShare(row)].filter(Boolean);
}

/** Labels, or values of factors, none of which is broken where it fits a line. */
function partsOf(row) {
  if (row.labels) return row.labels.map((each, i) => each.label + (i < row.labels.length - 1 ? ',' : ''));
  const values = Object.values(row.factors || {}).map((each) => each.label);
  return values.length ? values.map((value, i) => value + (i < values.length - 1 ? ' ·' : '')) : [row.label];
}

function showShare({ probability, factors }) {
  const together = factors && Object.keys(factors).length > 1 ? make('small', {}, ` ${say('together')}`) : null;
  return make('p', { class: 'share' }, make('span', { class: 'unseen' }, `${say('probability')} `), percent(probability), together);
}

function showMeaning(row, classes) {
  const paragraph = (kind, text) => make('p', { class: kind }, text);
  if (row.status === 'unfamiliar') {
    const few = classes.length <= FEW_CLASSES;
    const remedy = say(few ? 'unfamiliar-do' : 'unfamiliar-do-many', { classes: list(classes), n: number(classes.length) });
    const label = `${labelOf(row) || row.label} (${percent(row.probability)})`;
    return [paragraph('meaning', say('unfamiliar', { label })), ...(classes.length ? [paragraph('remedy', remedy)] : [])];
  }
  if (row.labels && !row.labels.length) {
    return [paragraph('meaning', say('none', { label: row.label, share: percent(row.probability) }))];
  }
  if (row.status === 'unsure') return [paragraph('meaning', say('unsure')), paragraph('remedy', say('unsure-do'))];
  return [];
}

function showRejected(row, level) {
  const { what, remedy, detail } = rejection(row);
  return [
    make('p', { class: 'status' }, say('status-rejected')),
    make(`h${level}`, { class: 'label' }, what),
    make('p', { class: 'remedy' }, remedy),
    ...(detail ? [make('p', { class: 'detail', lang: 'en' }, detail)] : []),
  ];
}

/** Each factor with its values. Those of an unfamiliar photo only on demand: a high probability would be believed. */
function showFactors({ factors, status }, level) {
  const parts = Object.entries(factors).map(([name, factor]) =>
    make('section', { class: 'factor' }, make(`h${level}`, {}, name), showBars(factor.top)));
  const all = make('div', { class: 'factors' }, ...parts);
  return status === 'unfamiliar' ? make('details', { class: 'more' }, make('summary', {}, say('folded')), all) : all;
}

/** Classes with their probabilities, best first: those that matter at once, the others on demand. */
export function showBars(top, { given = null, folded = false } = {}) {
  const rows = top.map((each, i) => showBar(each, given ? given.includes(each.label) : i === 0));
  const matter = top.filter((each) => each.probability >= LEAST).length;
  const shown = folded ? 0 : Math.min(Math.max(matter, given ? given.length : 1), SHOWN);
  const left = rows.length - shown;
  const first = make('ol', { class: 'bars' }, ...rows.slice(0, shown));
  if (!left) return first;
  const summary = folded ? say('folded') : say(shown >= matter ? 'more-small' : 'more', { n: number(left) });
  const rest = make('ol', { class: 'bars', start: shown + 1 }, ...rows.slice(shown));
  return make('div', {}, shown ? first : null, make('details', { class: 'more' }, make('summary', {}, summary), rest));
}

function showBar({ label, probability }, strong) {
  const filled = make('i', { 'aria-hidden': 'true' });
  filled.style.setProperty('--share', `${Math.max(0, Math.min(1, probability)) * 100}%`); // by script, which a strict policy allows
  const name = make('span', { class: 'name' }, label);
  return make('li', strong ? { class: 'strong' } : {}, name, make('span', { class: 'number' }, percent(probability)), filled);
}
