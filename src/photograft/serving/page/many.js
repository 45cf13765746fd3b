// Many photos: a table that fills while the server answers, filters by status, and the CSV file.
import { labelOf, make, rejection } from './show.js';
import { number, percent, say } from './texts.js';
import { askPredictions } from './ask.js';
import { toCsv } from './csv.js';

const AT_ONCE = 2; // requests under way: one is worked on while the next one is sent
const FILES_PER_REQUEST = 8;
const ROOM = 0.95; // of a request's largest body, for what multipart adds
const THUMBNAIL_PX = 96;
const STATUSES = ['ok', 'unsure', 'unfamiliar', 'rejected'];

const $ = (id) => document.getElementById(id);

let batch = null;

/** Starts a new table of items ({file, name, row?}); `options` are those of `showOne`, and `open(item)` shows one. */
export function showMany(items, options) {
  stopMany();
  batch = { items, options, asking: new AbortController(), filter: 'all', stopped: false };
  for (const item of items) item.line = makeLine(item, options.open);
  $('rows').replaceChildren(...items.map((item) => item.line));
  watchThumbnails(items);
  for (const item of items) refuseTooLarge(item, options.model);
  tellProgress();
  return run(batch);
}

export function stopMany() {
  if (batch) batch.asking.abort();
}

/** The item that stands `step` before or behind another one among those that the table shows; undefined at its ends. */
export function neighbourOf(item, step) {
  const shown = batch.items.filter((each) => each === item || !each.line.hidden);
  return shown[shown.indexOf(item) + step];
}

/** Asks for all items that have no answer yet. */
async function run(mine) {
  const left = mine.items.filter((item) => !item.row);
  const requests = divide(left, mine.options.model.limits);
  mine.stopped = false;
  mine.asking = new AbortController();
  tellProgress();
  const work = async () => {
    for (let part = requests.shift(); part; part = requests.shift()) await askPart(part, mine);
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (batch === mine) tellDone();
  } catch (error) {
    mine.stopped = true;
    mine.asking.abort();
    if (batch !== mine) return;
    tellProgress();
    if (error.name !== 'AbortError') mine.options.problem(error, () => run(mine), countLeft());
  }
}

async function askPart(part, mine) {
  const { top, waiting } = mine.options;
  try {
    const rows = await askPredictions(part.map((item) => item.file), { top, signal: mine.asking.signal, waiting });
    part.forEach((item, i) => { item.row = rows[i]; });
  } catch (error) {
    if (error.code === 'too_much' && part.length > 1) {
      for (const item of part) await askPart([item], mine);
      return;
    }
    const unreadable = error.code === 'gone' ? await findUnreadable(part) : [];
    if (error.code === 'too_much') part[0].row = rejected(part[0], say('too-large', { size: '' }));
    else if (unreadable.length) for (const item of unreadable) item.row = rejected(item, 'unreadable');
    else throw error;
    const rest = part.filter((item) => !item.row);
    if (rest.length) await askPart(rest, mine);
  }
  if (batch !== mine) return;
  for (const item of part) fillLine(item);
  tellProgress();
}

/** Files that went away or changed since they were chosen look to the browser like a lost connection. */
async function findUnreadable(part) {
  const readable = await Promise.all(part.map((item) => item.file.slice(0, 1).arrayBuffer().then(() => true, () => false)));
  return part.filter((_, i) => !readable[i]);
}

/** Items in groups that fit into a request each. */
function divide(items, { files, body_bytes: bytes }) {
  const most = Math.min(files, FILES_PER_REQUEST);
  const parts = [];
  let size = Infinity;
  for (const item of items) {
    if (size + item.file.size > bytes * ROOM || parts.at(-1).length === most) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1).push(item);
    size += item.file.size;
  }
  return parts;
}

function refuseTooLarge(item, model) {
  const reason = tooLarge(item.file, model);
  if (reason && !item.row) {
    item.row = rejected(item, reason);
    fillLine(item);
  }
}

/** Why a file is not even sent; empty where it is. */
export function tooLarge(file, model) {
  const most = model.limits.body_bytes;
  return file.size > most * ROOM ? say('too-large', { size: megabytes(most) }) : '';
}

export const rejected = (item, reason) => ({ name: item.name, status: 'rejected', label: null, probability: null, top: [], reason });

export const megabytes = (bytes) => `${number(Math.round(bytes / 1e5) / 10)}\u00a0MB`;

// ---------------------------------------------------------------- the table

function makeLine(item, open) {
  const name = make('button', { type: 'button', class: 'link', click: () => open(item) }, item.name);
  return make('tr', { class: 'is-waiting', click: (event) => { if (!event.target.closest('button')) open(item); } },
    make('td', { class: 'small' }, make('canvas', { width: 1, height: 1, 'aria-hidden': 'true' })),
    make('th', { scope: 'row', class: 'file' }, name),
    make('td', { class: 'answer-cell' }), make('td', { class: 'n' }), make('td', { class: 'state' }, say('is-waiting')));
}

function fillLine({ line, row }) {
  const [, , answer, share, state] = line.children;
  const { status } = row; // of several heads that of the first, whose answer stands first
  line.className = `is-${status}`;
  const heads = Object.entries(row.heads || {});
  const told = heads.length > 1 && row.status !== 'rejected' ? heads : [['', row]];
  answer.replaceChildren(...told.map(([name, each], i) => make('div', { title: name || null, class: `is-${each.status}` }, lineLabel(each), ...(i ? ownStatus(each) : []))));
  share.replaceChildren(...told.map(([, each]) => make('div', {}, lineShare(each))));
  state.replaceChildren(make('span', { class: 'mark' }, say(`is-${status}`)));
  line.hidden = batch.filter !== 'all' && batch.filter !== status;
}

function lineLabel(row) {
  if (row.status === 'rejected') return rejection(row).what;
  if (row.labels && !row.labels.length) return say('none-title');
  return labelOf(row) + (row.status === 'ok' ? '' : '?');
}

/** What a further head says of the photo, beside its own answer. */
const ownStatus = ({ status }) => (status === 'ok' ? [] : [' ', make('small', {}, say(`is-${status}`))]);

const lineShare = (row) => (row.status === 'rejected' || row.labels ? '' : percent(row.probability));

/** Small pictures are made when their rows come into sight: a thousand photos at once would fill the memory. */
function watchThumbnails(items) {
  const itemOf = new Map(items.map((item) => [item.line, item]));
  const watcher = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      drawThumbnail(itemOf.get(target));
    }
  }, { rootMargin: '300px' });
  for (const item of items) watcher.observe(item.line);
}

async function drawThumbnail({ file, line }) {
  const canvas = line.querySelector('canvas');
  try {
    const picture = await createImageBitmap(file, { resizeHeight: THUMBNAIL_PX, resizeQuality: 'medium' });
    const side = Math.min(picture.width, picture.height);
    canvas.width = canvas.height = side;
    canvas.getContext('2d').drawImage(picture, (side - picture.width) / 2, (side - picture.height) / 2);
    picture.close();
  } catch {
    canvas.hidden = true; // not a picture, or of a kind that this browser does not know
  }
}

// ---------------------------------------------------------------- progress, filters, download

const countLeft = () => batch.items.filter((item) => !item.row).length;

function tellProgress() {
  const n = batch.items.length;
  const done = n - countLeft();
  const values = { n: number(n), done: number(done) };
  $('many-title').textContent = done === n ? say('many', values) : say(batch.stopped ? 'stopped' : 'many-busy', values);
  $('progress').max = n;
  $('progress').value = done;
  $('progress').hidden = done === n;
  $('stop').hidden = done === n;
  $('stop').textContent = say(batch.stopped ? 'go-on' : 'stop');
  $('download').disabled = done === 0;
  showFilters();
}

function tellDone() {
  tellProgress();
  const counts = STATUSES.filter(countOf).map((status) => `${number(countOf(status))} ${say(`is-${status}`)}`).join(', ');
  $('told').textContent = say('done', { n: number(batch.items.length), counts });
}

const countOf = (status) => batch.items.filter((item) => item.row && item.row.status === status).length;

function showFilters() {
  const there = STATUSES.filter(countOf);
  const names = there.length > 1 ? ['all', ...there] : [];
  const buttons = [...$('filters').children];
  if (buttons.map((each) => each.dataset.status).join() !== names.join()) {
    const focused = document.activeElement && document.activeElement.dataset.status;
    $('filters').replaceChildren(...names.map((name) => make('button', { type: 'button', 'data-status': name, click: () => filter(name) })));
    if (focused) $('filters').querySelector(`[data-status="${focused}"]`)?.focus();
  }
  for (const button of $('filters').children) {
    const { status } = button.dataset;
    const n = number(status === 'all' ? batch.items.length : countOf(status));
    button.textContent = status === 'all' ? say('all-of', { n }) : `${say(`is-${status}`)} ${n}`;
    button.setAttribute('aria-pressed', String(batch.filter === status));
  }
}

function filter(name) {
  batch.filter = name;
  for (const { line, row } of batch.items) line.hidden = name !== 'all' && !(row && row.status === name);
  showFilters();
}

function stopOrGoOn() {
  if (batch.stopped) {
    batch.options.solved();
    run(batch);
  } else {
    stopMany();
  }
}

function download() {
  const rows = batch.items.filter((item) => item.row);
  const url = URL.createObjectURL(new Blob([toCsv(rows)], { type: 'text/csv;charset=utf-8' }));
  const day = new Date().toLocaleDateString('sv'); // Sweden writes 2026-01-31
  const link = make('a', { href: url, download: `photograft-${day}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the download has begun by then
}

export function listenToMany() {
  $('stop').addEventListener('click', stopOrGoOn);
  $('download').addEventListener('click', download);
}
