// One photo: the picture, its answer, where the model looked, and photos like it.
import { labelOf, make, showAnswers, tell } from './show.js';
import { number, percent, say } from './texts.js';
import { askHeatMap, askPredictions, askSimilar } from './ask.js';
import { clearHeat, drawHeat, isPart } from './heat.js';
import { uprightUrl } from './upright.js';

const SIMILAR = 12;
const HEAT_LABELS = 8;

const $ = (id) => document.getElementById(id);

let shown = null; // the item on the page, with what is asked for it
let asking = new AbortController();

/**
 * Shows an item ({file, name, row?}) and asks for what is missing. `model` is what /v1/model tells; `problem` is told
 * what went wrong and how to try again, `waiting` that the server is busy.
 */
export async function showOne(item, { model, problem, waiting }) {
  leaveOne();
  const mine = { item, model, problem, waiting, signal: asking.signal };
  shown = mine;
  showPicture(mine);
  try {
    if (!item.row) {
      $('answers').setAttribute('aria-busy', 'true');
      $('answers').replaceChildren(make('p', { class: 'looking' }, say('looking')));
      [item.row] = await askPredictions([item.file], { top: item.top, signal: mine.signal, waiting });
    }
    if (shown !== mine) return;
    showAnswer(mine);
    await showSimilar(mine);
  } catch (error) {
    if (error.name === 'AbortError' || shown !== mine) return;
    if (!item.row) $('answers').replaceChildren();
    problem(error, () => showOne(item, { model, problem, waiting }));
  } finally {
    if (shown === mine) $('answers').setAttribute('aria-busy', 'false');
  }
}

/** Nothing is waited for any more, and the browser may forget the picture. */
export function leaveOne() {
  asking.abort();
  asking = new AbortController();
  shown = null;
  if ($('photo').src) URL.revokeObjectURL($('photo').src);
  $('photo').removeAttribute('src');
  $('answers').replaceChildren();
  $('matches').replaceChildren();
  for (const id of ['similar', 'heat-line', 'heat-note', 'heat-pick', 'no-photo']) $(id).hidden = true;
  $('heat').setAttribute('aria-pressed', 'false');
  clearHeat();
}

async function showPicture(mine) {
  const { item } = mine;
  const picture = $('photo');
  $('file-name').textContent = item.name;
  picture.hidden = false;
  picture.alt = say('photo-of', { name: item.name });
  picture.onload = () => $('one').style.setProperty('--ratio', String(picture.naturalWidth / picture.naturalHeight));
  picture.onerror = () => {
    picture.hidden = true;
    $('one').style.removeProperty('--ratio');
    const known = item.row && item.row.status === 'rejected' ? 'no-photo-bad' : 'no-photo';
    $('no-photo').textContent = say(known);
    $('no-photo').hidden = false;
  };
  const url = await uprightUrl(item.file);
  if (shown === mine) picture.src = url;
  else URL.revokeObjectURL(url);
}

function showAnswer({ item, model }) {
  const { row } = item;
  const classesOf = Object.fromEntries(model.heads.map((head) => [head.name, head.classes]));
  $('answers').replaceChildren(...showAnswers(row, { classes: model.classes, classesOf }));
  $('told').textContent = tell(row);
  document.title = row.status === 'rejected' ? model.name : `${labelOf(row)} – ${model.name}`;
  if (row.status === 'rejected') {
    if (!$('no-photo').hidden) $('no-photo').textContent = say('no-photo-bad');
    return;
  }
  const labels = heatLabels(row);
  $('heat-label').replaceChildren(...labels.map((label) => make('option', { value: label }, label)));
  $('heat-line').hidden = $('photo').hidden || !labels.length;
}

/** What one may ask about: what is said first, of factors a value each, then what else is probable. */
function heatLabels(row) {
  const factors = Object.values(row.factors || {});
  const first = factors.length ? factors.map((each) => each.label) : (row.labels || []).map((each) => each.label);
  const others = factors.length ? factors.flatMap((each) => each.top.slice(1)) : row.top;
  return [...new Set([...first, ...others.map((each) => each.label)])].slice(0, HEAT_LABELS);
}

// ---------------------------------------------------------------- where it looked

async function toggleHeat() {
  const on = $('heat').getAttribute('aria-pressed') !== 'true';
  $('heat').setAttribute('aria-pressed', String(on));
  if (on) await askHeat();
  else hideHeat();
}

function hideHeat() {
  clearHeat();
  $('heat-note').hidden = true;
  $('heat-pick').hidden = true;
}

async function askHeat() {
  const mine = shown;
  const label = $('heat-label').value;
  sayOfHeat(say('heat-busy'));
  try {
    const map = await askHeatMap(mine.item.file, { label, signal: mine.signal, waiting: mine.waiting });
    if (shown !== mine || $('heat').getAttribute('aria-pressed') !== 'true' || $('heat-label').value !== label) return;
    if (map.supported === false) {
      $('heat').setAttribute('aria-pressed', 'false');
      hideHeat();
      sayOfHeat(say('heat-none'));
      return;
    }
    drawHeat($('frame'), map);
    $('heat-pick').hidden = $('heat-label').options.length < 2;
    sayOfHeat(`${say('heat-words', { label: map.label || label })}${isPart(map.window) ? ` ${say('heat-framed')}` : ''}`, true);
  } catch (error) {
    if (error.name === 'AbortError' || shown !== mine) return;
    $('heat').setAttribute('aria-pressed', 'false');
    hideHeat();
    mine.problem(error, () => toggleHeat());
  }
}

function sayOfHeat(text, ramp = false) {
  $('heat-words').textContent = text;
  $('heat-note').hidden = false;
  $('heat-note').classList.toggle('with-ramp', ramp);
}

// ---------------------------------------------------------------- similar photos

async function showSimilar(mine) {
  const { item, model, signal, waiting } = mine;
  if (!model.index || item.row.status === 'rejected') return;
  const { matches } = await askSimilar(item.file, { top: SIMILAR, signal, waiting });
  if (shown !== mine) return;
  const n = number(model.index.photos);
  $('similar-title').textContent = matches.length ? say('similar', { n }) : say('similar-none');
  $('matches').replaceChildren(...matches.map(showMatch));
  $('similar').hidden = false;
}

function showMatch({ path, label, similarity, same, thumbnail }) {
  const likeness = same === null || same === undefined ? say('alike', { share: similarity.toFixed(2) }) : say('same', { share: percent(same) });
  return make('li', {},
    thumbnail ? make('img', { src: thumbnail, alt: '', loading: 'lazy' }) : make('div', { class: 'blank' }),
    label ? make('p', { class: 'match-label' }, label) : null,
    make('p', { class: 'soft' }, likeness),
    make('p', { class: 'path soft', title: path }, path));
}

export function listenToOne() {
  $('heat').addEventListener('click', toggleHeat);
  $('heat-label').addEventListener('change', askHeat);
}
