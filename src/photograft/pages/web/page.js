// The page: photos in, answers out. Everything is done in this browser; worker.js holds the model.
import { Asking, PATIENCE_S } from './asking.js';
import { closeCamera, offerCamera } from './camera.js';
import { listenToGiven } from './given.js';
import { listenToTable, showMany } from './many.js';
import { make, showPrediction, tell, tellTested } from './show.js';
import { fillIn, list, number, say } from './texts.js';
import './words.js';

const $ = (id) => document.getElementById(id);
const MEGABYTE = 1e6;
const all = await totalBytes();
let loaded = 0;
let model = { classes: [] };
let shown = ''; // the address of the photo that is shown

fillIn();
$('not-started').remove();
const asking = new Asking({ bytes, ready, checked, failed });
listenToGiven((items) => (items.length ? take(items) : problem('nothing')));
listenToTable();
offerCamera({ begin: () => view('live'), ask: (frame) => asking.ask({ name: 'camera', frame }), show: showLive, problem });

async function totalBytes() {
  const answer = await fetch('files.json').catch(() => null);
  return answer && answer.ok ? (await answer.json()).bytes : 0;
}

function bytes(n) {
  loaded += n;
  const done = loaded / MEGABYTE;
  $('loaded').value = all ? Math.min(1, loaded / all) : 0;
  const words = all && loaded >= all ? say('starting') : say('loading', { done: number(Math.floor(done)), all: number(Math.ceil(all / MEGABYTE)) });
  if ($('loading-words').textContent !== words) $('loading-words').textContent = words;
}

function ready(summary) {
  model = summary;
  $('loading').hidden = true;
  document.body.classList.add('is-ready');
  const key = model.several ? 'knows-several' : model.factors.length ? 'knows-factors' : 'knows';
  $('knows').textContent = say(key, { n: number(model.classes.length), classes: list(model.factors.length ? model.factors : model.classes) });
  $('told').textContent = $('knows').textContent; // that it is ready
  document.title = list(model.factors.length ? model.factors : model.classes, 3);
  $('tested').textContent = tellTested(model.tested, model);
  $('check').textContent = say('check-busy');
}

function checked({ n, difference, same, reason }) {
  const key = reason ? 'check-none' : same ? 'check-same' : 'check-other';
  const size = difference === undefined ? '' : difference < 1e-7 ? '0' : difference.toFixed(difference < 1e-3 ? 7 : 3);
  $('check').textContent = say(key, { n: number(n || 0), difference: size, reason });
  $('check').className = same ? 'is-same' : 'is-other';
}

function failed(reason) {
  $('loading').hidden = true;
  $('problem').textContent = say('not-loaded', { reason });
  $('problem').hidden = false;
}

function problem(key) {
  $('problem').textContent = say(key);
  $('problem').hidden = false;
}

function view(name) {
  if (name !== 'live') closeCamera();
  for (const id of ['live', 'one', 'many']) $(id).hidden = id !== name;
  document.body.dataset.view = name;
  $('problem').hidden = true;
}

async function take(items) {
  if (items.length > 1) {
    view('many');
    await showMany(items, ask, (item, row) => {
      view('one');
      $('many').hidden = false;
      showOne(item, row);
      $('one').scrollIntoView();
    });
    return;
  }
  view('one');
  showOne(items[0], null);
  const row = await ask(items[0]);
  if ($('file-name').dataset.number === String(items[0].number)) showOne(items[0], row);
}

let count = 0;

async function ask(item) {
  item.number = item.number || ++count;
  $('file-name').dataset.number ||= String(item.number);
  const rejected = (reason) => ({ name: item.name, status: 'rejected', label: null, probability: null, top: [], reason });
  if (model.maxMegabytes && item.file.size > model.maxMegabytes * 2 ** 20) return rejected(say('too-large', { size: number(model.maxMegabytes) }));
  const answer = await asking.ask({ name: item.name, file: item.file });
  return answer ? answer.row : rejected(say('too-long', { n: number(PATIENCE_S) }));
}

/** One photo with its answer, or while `row` is null without. */
function showOne(item, row) {
  item.number = item.number || ++count;
  if ($('file-name').dataset.number !== String(item.number)) {
    URL.revokeObjectURL(shown);
    shown = URL.createObjectURL(item.file);
    $('photo').hidden = false;
    $('photo').onerror = () => { $('photo').hidden = true; };
    $('photo').src = shown;
    $('photo').alt = say('photo-of', { name: item.name });
    $('file-name').textContent = item.name;
    $('file-name').dataset.number = String(item.number);
  }
  $('answer').setAttribute('aria-busy', String(!row));
  $('answer').replaceChildren(row ? showPrediction(row, { classes: model.classes }) : make('p', { class: 'looking' }, say('looking')));
  if (row) $('told').textContent = tell(row);
}

function showLive(row, ms) {
  $('live-answer').replaceChildren(showPrediction(row, { classes: model.classes }));
  $('pace').textContent = say('pace', { n: number(Math.max(1, Math.round(1000 / (ms + 120)))) });
  const words = tell({ ...row, probability: Math.round(row.probability * 10) / 10 }); // not every twitch is told
  if ($('told').textContent !== words) $('told').textContent = words;
}
