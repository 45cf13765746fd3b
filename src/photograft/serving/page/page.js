// The page of `photograft serve`: one photo, or many as a table. Nothing is stored, here or at the server.
import './words.js';
import { make, tellTested } from './show.js';
import { fillIn, list, measured, number, percent, say } from './texts.js';
import { askModel } from './ask.js';
import { listenToGiven } from './given.js';
import { offerCamera } from './camera.js';
import { leaveOne, listenToOne, showOne } from './one.js';
import { hasMany, listenToMany, megabytes, rejected, showMany, stopMany, tooLarge } from './many.js';

const MOST_CLASSES = 20; // per photo, of which the first ones are shown at once

const $ = (id) => document.getElementById(id);

let model = null;

async function start() {
  fillIn();
  if (location.search.includes('token=')) history.replaceState(null, '', withoutToken()); // it is in the cookie by now
  listenToGiven(take);
  listenToOne();
  listenToMany();
  offerCamera((file) => take([{ file, name: say('taken') }]), (text) => tellProblem(text));
  $('back').addEventListener('click', backToTable);
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
    $('back-line').hidden = true;
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

const topOf = ({ classes = [] }) => Math.max(1, Math.min(classes.length || 1, MOST_CLASSES));

function open(item) {
  item.top = topOf(model);
  show('one');
  scrollTo(0, 0);
  return showOne(item, telling());
}

function openFromTable(item) {
  $('back-line').hidden = false;
  open(item);
  $('back').focus();
}

function backToTable() {
  if (!hasMany()) return;
  leaveOne();
  solved();
  show('many');
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
    tellProblem(error.message, tokenForm());
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
  else if ($('problem').firstChild?.textContent !== text) {
    $('problem').replaceChildren(make('p', {}, text));
    $('problem').hidden = false;
  }
}

function tokenForm() {
  const input = make('input', { type: 'password', id: 'token', autocomplete: 'off', required: true });
  const enter = (event) => {
    event.preventDefault();
    location.assign(`/?${new URLSearchParams({ token: input.value.trim() })}`);
  };
  return make('form', { submit: enter }, make('label', { for: 'token' }, say('token')), input, make('button', { type: 'submit' }, say('enter')));
}

// ---------------------------------------------------------------- what the model is

function showModel() {
  const { limits = {}, name } = model;
  $('name').textContent = name;
  document.title = name;
  $('knows').textContent = tellClasses(model);
  $('tested').replaceChildren(...tellAllTested(model).map((text) => make('span', {}, text)));
  $('limits').textContent = limits.body_bytes ? say('limits', { size: megabytes(limits.body_bytes) }) : '';
  $('facts').replaceChildren(...facts().flatMap(([term, text]) => [make('dt', {}, term), make('dd', {}, text)]));
}

function tellClasses({ classes = [], factors = [], several, heads = [] }) {
  if (heads.length > 1) return say('knows-heads', { n: number(heads.length), classes: list(heads.map((head) => head.name)) });
  const names = factorNames(factors);
  if (names.length) return say('knows-factors', { classes: list(names) });
  return say(several ? 'knows-several' : 'knows', { n: number(classes.length), classes: list(classes) });
}

/** A sentence on the test, or one per head. */
function tellAllTested({ tested, several, factors = [], heads = [] }) {
  const names = factorNames(factors);
  if (heads.length < 2) return [tellTested(tested, { several, factors: names })].filter(Boolean);
  return heads.map((head) => [head.name, tellTested(head.tested)]).filter(([, text]) => text).map((each) => each.join(': '));
}

/** Factors come as names, or as {name: values} or [{name, classes}], of which the names are enough. */
const factorNames = (factors) => (Array.isArray(factors) ? factors.map((each) => each.name || each) : Object.keys(factors || {}));

/** Rows of "About this model": what is not known is left out. */
function facts() {
  const { classes = [], factors = [], several, heads = [], tested, decisions = {}, network, contract, index, version } = model;
  const names = factorNames(factors);
  const score = (each) => tellTested(each, { several, factors: names });
  const rows = [
    [say('fact-name'), model.name],
    names.length ? [say('fact-factors'), names.join(', ')] : [say('fact-classes'), heads.length > 1 ? '' : classes.join(', ')],
    [say('fact-tested'), heads.length > 1 ? '' : [score(tested), tellFactors(tested)].filter(Boolean).join(' ')],
    ...(heads.length > 1 ? heads.map((head) => [say('fact-head', head), `${list(head.classes)}. ${score(head.tested)}`]) : []),
    [say('fact-holds'), score(tested) ? say('fact-holds-text') : ''],
    [say('fact-unsure'), tellUnsure((decisions || {}).unsure)],
    [say('fact-unfamiliar'), say((decisions || {}).unfamiliar ? 'fact-unfamiliar-text' : 'fact-unfamiliar-none')],
    [say('fact-index'), index ? say('fact-index-text', { n: number(index.photos) }) : ''],
    [say('fact-network'), plain(network)], [say('fact-contract'), plain(contract)], [say('fact-version'), version],
  ];
  return rows.filter(([, text]) => text);
}

/** How often each factor was right, as far as that is known. */
function tellFactors(tested) {
  const known = Object.entries((tested || {}).factors || {}).filter(([, each]) => each.accuracy);
  return known.length ? `${known.map(([name, each]) => `${name} ${measured(each.accuracy, tested.n)}`).join(', ')}.` : '';
}

function tellUnsure(unsure) {
  if (!unsure || !unsure.min_probability) return '';
  const values = { share: percent(unsure.min_probability), precision: unsure.precision ? percent(unsure.precision) : '' };
  return say(unsure.precision ? 'fact-unsure-text' : 'fact-unsure-plain', values);
}

const plain = (value) => (typeof value === 'string' ? value : value ? Object.values(value).filter((each) => typeof each !== 'object').join(', ') : '');

start();
