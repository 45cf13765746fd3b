// Several photos: a table that fills, can be stopped, and be downloaded as CSV.
import { toCsv } from './csv.js';
import { labelOf, make, rejection } from './show.js';
import { number, percent, say } from './texts.js';

const $ = (id) => document.getElementById(id);

let current = null;

/** Asks for every item ({name, file}) in turn; `open(item, row)` shows a single one. */
export async function showMany(items, ask, open) {
  const run = { items, rows: [], stopped: false };
  current = run;
  const lines = items.map((item) => waitingLine(item));
  $('rows').replaceChildren(...lines);
  $('download').disabled = true;
  $('stop').hidden = false;
  for (const [i, item] of items.entries()) {
    head(run, i);
    const row = await ask(item);
    if (current !== run) return;
    run.rows.push({ name: item.name, row });
    fillLine(lines[i], item, row, open);
    if (run.stopped) break;
  }
  head(run, run.rows.length);
  $('stop').hidden = true;
  $('download').disabled = false;
  $('told').textContent = $('many-title').textContent;
}

export function listenToTable() {
  $('stop').addEventListener('click', () => { if (current) current.stopped = true; });
  $('download').addEventListener('click', () => {
    const link = make('a', { href: URL.createObjectURL(new Blob([toCsv(current.rows)], { type: 'text/csv' })), download: 'predictions.csv' });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

function head({ items, rows, stopped }, done) {
  const n = items.length, whole = done === n;
  const key = whole ? 'done' : stopped && rows.length === done ? 'stopped' : 'many-busy';
  $('many-title').textContent = say(key, { done: number(done), n: number(n) });
  $('progress').value = done / n;
  $('progress').hidden = whole;
}

function waitingLine({ name }) {
  return make('tr', { class: 'is-waiting' }, make('th', { scope: 'row', class: 'file' }, name), make('td'), make('td', { class: 'n' }), make('td', { class: 'state' }, say('is-waiting')));
}

function fillLine(line, item, row, open) {
  const rejected = row.status === 'rejected';
  const answer = rejected ? rejection(row).what : row.labels && !row.labels.length ? say('none-title') : labelOf(row);
  line.className = `is-${row.status}`;
  line.replaceChildren(
    make('th', { scope: 'row', class: 'file' }, make('button', { type: 'button', class: 'link', click: () => open(item, row) }, item.name)),
    make('td', { class: 'answer-cell' }, answer),
    make('td', { class: 'n' }, rejected ? '' : percent(row.probability)),
    make('td', { class: 'state' }, make('span', { class: 'mark' }, say(`is-${row.status}`))),
  );
}
