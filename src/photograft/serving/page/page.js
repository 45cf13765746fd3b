// The page of `photograft serve`: one photo, or many as a table. Nothing is stored, here or at the server.
import './words.js';
import { make, tellTested } from './show.js';
import { fillIn, list, measured, number, percent, say } from './texts.js';
import { askModel } from './ask.js';
import { listenToGiven } from './given.js';
import { offerCamera } from './camera.js';
import { leaveOne, listenToOne, showOne } from './one.js';
import { listenToMany, megabytes, neighbourOf, rejected, showMany, stopMany, tooLarge } from './many.js';

const MOST_CLASSES = 20; // per photo, of which the first ones are shown at once

const $ = (id) => document.getElementById(id);

let model = null;
let opened = null; // the item of the table that is shown by itself

async function start() {
  fillIn();
  if (location.search.includes('token=')) history.replaceState(null, '', withoutToken()); // it is in the cookie by now
  listenToGiven(take);
  listenToOne();
  listenToMany();
  offerCamera((file) => take([{ file, name: say('taken') }]), (text) => tellProblem(text));
  $('back').addEventListener('click', () => history.back());
  addEventListener('popstate', backToTable);
  $('before').addEventListener('click', () => openFromTable(neighbourOf(opened, -1)));
  $('after').addEventListener('click', () => openFromTable(neighbourOf(opened, 1)));
  await learnModel();
}

function withoutToken() {
  const left = new URLSearchParams(location.search);
  left.delete('token');
  return left.size ? `/?${left}` : '/';
}

async function learnModel() {
  try {
    model = await askModel();
  } catch (error) {
    showTrouble(error, learnModel);
    return;
  }
  showModel();
}

/** Whatever was given: one photo, or many. */
async function take(items) {
  solved();
  if (!items.length) {
    tellProblem(say('nothing'));
    return;
  }
  if (!model) await learnModel();
  if (!model) return;
  if (items.length === 1) {
    stopMany();
    $('in-table').hidden = true;
    const [item] = items;
    const reason = tooLarge(item.file, model);
    if (reason) item.row = rejected(item, reason);
    open(item);
  } else {
    leaveOne();
    show('many');
    document.title = model.name;
    await showMany(items, { ...telling(), top: topOf(model), open: openFromTable });
  }
}

const topOf = ({ classes }) => Math.min(classes.length, MOST_CLASSES);

function open(item) {
  item.top = topOf(model);
  show('one');
  scrollTo(0, 0);
  return showOne(item, telling());
}

/** The browser's own way back leads to the table too. */
function openFromTable(item) {
  const focused = document.activeElement;
  if (document.body.dataset.view === 'many') history.pushState(null, '');
  opened = item;
  $('in-table').hidden = false;
  $('before').disabled = !neighbourOf(item, -1);
  $('after').disabled = !neighbourOf(item, 1);
  open(item);
  if (focused.disabled || !$('one').contains(focused)) $('back').focus();
}

function backToTable() {
  if ($('in-table').hidden) return; // another photo was chosen meanwhile
  $('in-table').hidden = true;
  leaveOne();
  solved();
  show('many');
  document.title = model.name;
  opened.line.querySelector('button').focus();
}

function show(view) {
  document.body.dataset.view = view;
  $('one').hidden = view !== 'one';
  $('many').hidden = view !== 'many';
}

const telling = () => ({ model, problem: showTrouble, waiting: tellWaiting, solved });

// ---------------------------------------------------------------- what went wrong

function showTrouble(error, again, left = 0) {
  if (error.code === 'no_token') {
    tellProblem(error.message, tokenForm(again));
    return;
  }
  const text = left ? `${error.message} ${say('left', { n: number(left) })}` : error.message;
  const retry = () => {
    solved();
    again();
  };
  tellProblem(text, error.again ? make('button', { type: 'button', click: retry }, say('again')) : null);
  if (!error.code) throw error; // a mistake of the page's own belongs into the console too
}

function tellProblem(text, more = null) {
  const close = make('button', { type: 'button', click: solved }, say('close'));
  $('problem').replaceChildren(make('p', {}, text), ...(more ? [more] : [close]));
  $('problem').hidden = false;
}

function solved() {
  $('problem').hidden = true;
  $('problem').replaceChildren();
}

/** A busy server is waited for; `null` says that it has time again. */
function tellWaiting(text) {
  if (text === null) solved();
  else {
    $('problem').replaceChildren(make('p', {}, text));
    $('problem').hidden = false;
  }
}

/** The server gives the right token back as a cookie, and the photos are still here. */
function tokenForm(again) {
  const input = make('input', { type: 'password', id: 'token', autocomplete: 'off', required: true });
  const enter = async (event) => {
    event.preventDefault();
    const answer = await fetch(`/?${new URLSearchParams({ token: input.value.trim() })}`).catch(() => null);
    if (answer && answer.ok) {
      solved();
      again();
    } else {
      input.value = '';
      input.setCustomValidity(say('token-wrong'));
      input.reportValidity();
    }
  };
  input.addEventListener('input', () => input.setCustomValidity(''));
  return make('form', { submit: enter }, make('label', { for: 'token' }, say('token')), input, make('button', { type: 'submit' }, say('enter')));
}

// ---------------------------------------------------------------- what the model is

function showModel() {
  const { limits, name } = model;
  $('name').textContent = name;
  document.title = name;
  $('knows').textContent = tellClasses(model);
  $('tested').replaceChildren(...tellAllTested(model).map((text) => make('span', {}, text)));
  $('limits').textContent = say('limits', { size: megabytes(limits.body_bytes) });
  $('facts').replaceChildren(...facts().flatMap(([term, text]) => [make('dt', {}, term), make('dd', {}, text)]));
}

function tellClasses({ classes, factors, several, heads }) {
  if (heads.length > 1) return say('knows-heads', { n: number(heads.length), classes: list(heads.map((head) => head.name)) });
  const names = Object.keys(factors);
  if (names.length) return say('knows-factors', { classes: list(names) });
  return say(several ? 'knows-several' : 'knows', { n: number(classes.length), classes: list(classes) });
}

/** A sentence on the test, or one per head. */
function tellAllTested({ tested, heads }) {
  if (heads.length < 2) return [tellTested(tested)].filter(Boolean);
  return heads.map((head) => [head.name, tellTested(head.tested)]).filter(([, text]) => text).map((each) => each.join(': '));
}

/** Rows of "About this model": what is not known is left out. */
function facts() {
  const { classes, factors, heads, tested, decisions, network, contract, index, version } = model;
  const one = heads.length < 2;
  const names = Object.keys(factors);
  const rows = [
    [say('fact-name'), one ? model.name : ''],
    [say('fact-classes'), one && !names.length ? classes.join(', ') : ''],
    ...(one ? names.map((name) => [name, factors[name].join(', ')]) : []),
    [say('fact-tested'), one ? [tellTested(tested), tellFactors(tested)].filter(Boolean).join(' ') : ''],
    ...(one ? [] : heads.map((head) => [say('fact-head', head), `${list(head.classes)}. ${tellTested(head.tested)}`])),
    [say('fact-holds'), say('fact-holds-text')],
    [say('fact-unsure'), one ? tellUnsure(decisions.unsure) : ''],
    [say('fact-unfamiliar'), one ? say(decisions.unfamiliar ? 'fact-unfamiliar-text' : 'fact-unfamiliar-none') : ''],
    [say('fact-index'), index ? say('fact-index-text', { n: number(index.photos) }) : ''],
    [say('fact-network'), short(network)], [say('fact-contract'), short(contract)], [say('fact-version'), version],
  ];
  return rows.filter(([, text]) => text);
}

/** How often each factor was right. */
function tellFactors(tested) {
  const known = Object.entries(tested.factors || {}).filter(([, each]) => Number.isFinite(each.accuracy));
  return known.length ? `${known.map(([name, each]) => `${name} ${measured(each.accuracy, tested.n)}`).join(', ')}.` : '';
}

function tellUnsure(unsure) {
  if (!unsure || !unsure.min_probability) return '';
  return say('fact-unsure-text', { share: percent(unsure.min_probability), precision: percent(unsure.precision) });
}

const short = (hash) => hash.slice(0, 12);

start();
