// The review page. Nothing is kept here: the server knows every decision as soon as it is taken.
'use strict';

const TEXTS = {
  en: {
    title: 'Review', help: 'Keys and help', position: '{i} of {n}', saving: 'Saving…', saved: 'Saved',
    question: 'Is this “{label}”?', 'question-many': 'Is this {label}?',
    why: 'The model that had not seen it says {suggested} ({share}); {label} gets {own}.',
    'why-plain': 'The model doubts it and suggests {suggested}.', 'why-not': 'The model does not doubt it; {label} gets {own}.',
    'why-blank': 'The model was not asked about this photo.',
    conflict: 'The same picture stands under another label.',
    keep: 'Keep “{label}”', 'keep-many': 'Keep these labels', save: 'Save these labels',
    rather: 'It is rather', 'rather-many': 'Labels of this photo', other: 'Another class…', field: 'Type the name of a class',
    fresh: 'New class “{name}”', back: 'Back', undo: 'Undo', exclude: 'Exclude', skip: 'Skip',
    copies: 'The same picture', near: 'Similar photos',
    'is-keep': 'Kept', 'is-relabel': 'Now “{label}”', 'is-exclude': 'Excluded: training leaves it out', 'is-open': 'Undone',
    'no-picture': 'The photo is not there any more, or was changed since.',
    'all-done': 'All {n} photos are reviewed', 'some-done': '{open} of {n} photos are still open',
    nothing: 'No label is doubted. Nothing to review.', counts: '{kept} kept, {relabelled} relabelled, {excluded} excluded.',
    again: 'Look at what is open ({open})', next: 'Train again with the corrections, then compare',
    'next-why': 'The photos are divided as before. The two runs are compared on those whose label did not change. Put the new run’s folder for NEW_RUN.',
    stop: 'End the review', stopped: 'The review has ended. You can close this page.',
    copy: 'Copy', copied: 'Copied', keys: 'Keys', close: 'Close',
    'help-why': 'Every decision is written at once into the journal of edits, and no photo is touched. You can close the page at any time and go on later.',
    'key-keep': 'the label is right', 'key-digit': 'give it that class', 'key-other': 'type another class',
    'key-exclude': 'leave the photo out of training', 'key-skip': 'go on without deciding', 'key-back': 'go back',
    'key-undo': 'undo the last decision', 'key-help': 'this help',
    'bad_decision': 'That cannot be the name of a class.', lost: 'The server does not answer: it may have been ended. Start photograft review again; what was saved is kept.',
    failed: 'Not saved: {message}', position_told: 'Photo {i} of {n}. {question} {why}',
  },
  ko: {
    title: '검토', help: '단축키와 도움말', position: '{n}장 중 {i}번째', saving: '저장 중…', saved: '저장됨',
    question: '“{label}” 맞나요?', 'question-many': '{label} 맞나요?',
    why: '이 사진을 본 적 없는 모델의 판단은 {suggested}({share})이고, {label}의 확률은 {own}입니다.',
    'why-plain': '모델이 의심하며 제안하는 것은 {suggested}입니다.', 'why-not': '모델은 의심하지 않습니다. {label}의 확률은 {own}입니다.',
    'why-blank': '모델이 판단하지 않은 사진입니다.',
    conflict: '같은 사진이 다른 레이블로도 있습니다.',
    keep: '“{label}” 그대로', 'keep-many': '이 레이블 그대로', save: '이 레이블로 저장',
    rather: '맞는 것은', 'rather-many': '이 사진의 레이블', other: '다른 클래스…', field: '클래스 이름 입력',
    fresh: '새 클래스 “{name}”', back: '이전', undo: '되돌리기', exclude: '제외', skip: '건너뛰기',
    copies: '같은 사진', near: '비슷한 사진',
    'is-keep': '그대로 두었습니다', 'is-relabel': '“{label}”(으)로 바꿨습니다', 'is-exclude': '제외했습니다. 학습에 쓰지 않습니다', 'is-open': '되돌렸습니다',
    'no-picture': '사진이 없어졌거나 그 뒤에 바뀌었습니다.',
    'all-done': '사진 {n}장을 모두 검토했습니다', 'some-done': '{n}장 중 {open}장이 남았습니다',
    nothing: '의심스러운 레이블이 없습니다. 검토할 것이 없습니다.', counts: '그대로 {kept}, 바꿈 {relabelled}, 제외 {excluded}.',
    again: '남은 사진 보기({open})', next: '고친 레이블로 다시 학습하고 비교하기',
    'next-why': '사진은 전과 똑같이 나뉘고, 레이블이 바뀌지 않은 사진으로 두 실행을 비교합니다. NEW_RUN 자리에는 새 실행 폴더를 넣으세요.',
    stop: '검토 끝내기', stopped: '검토를 끝냈습니다. 이 페이지를 닫아도 됩니다.',
    copy: '복사', copied: '복사됨', keys: '단축키', close: '닫기',
    'help-why': '결정은 바로 수정 기록(edits)에 쓰이고, 사진은 건드리지 않습니다. 언제든 닫았다가 나중에 이어서 할 수 있습니다.',
    'key-keep': '레이블이 맞음', 'key-digit': '그 클래스로 바꿈', 'key-other': '다른 클래스 입력',
    'key-exclude': '학습에서 제외', 'key-skip': '결정하지 않고 다음으로', 'key-back': '이전 사진',
    'key-undo': '마지막 결정 되돌리기', 'key-help': '이 도움말',
    'bad_decision': '클래스 이름이 될 수 없습니다.', lost: '서버가 응답하지 않습니다. 끝났을 수 있으니 photograft review를 다시 시작하세요. 저장된 것은 남아 있습니다.',
    failed: '저장하지 못했습니다: {message}', position_told: '{n}장 중 {i}번째 사진. {question} {why}',
  },
};
const asked = new URLSearchParams(location.search).get('lang');
const language = (asked || navigator.language || 'en').toLowerCase().startsWith('ko') ? 'ko' : 'en';
const AHEAD = 4;
const LONG_NAME = 12;
const SETTLED_MS = 50;
const NOT_READY_MS = 700;

const $ = (id) => document.getElementById(id);
const say = (key, values = {}) => TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
const percent = (share) => (share < 0.01 ? '< 1\u00a0%' : share > 0.99 ? '> 99\u00a0%' : `${Math.round(share * 100)}\u00a0%`);
const named = (labels) => labels.map((label) => `“${label}”`).join(', ');
const write = document.querySelector('meta[name=write]').content;

let items = [];
let classes = [];
let several = false;
let at = 0;
let draft = new Set(); // where photos have several labels: what would be saved
let taken = []; // indices of items decided in this session, for undo
let pending = 0;
let sending = Promise.resolve();
let ended = false;
let looks = 0;
const pictures = new Map();
const nearOf = new Map();

// ---------------------------------------------------------------- the server

async function request(path, body) {
  const options = body === undefined ? {} : {
    method: 'POST', body: JSON.stringify(body), keepalive: true,
    headers: { 'content-type': 'application/json', 'x-photograft-write': write },
  };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error(say('lost'));
  }
  const told = await answer.json();
  if (!answer.ok) throw new Error(TEXTS[language][told.error.code] || told.error.message);
  return told;
}

function send(index, path, body, before) {
  const item = items[index];
  const mine = item.sent = (item.sent || 0) + 1; // what is told of an earlier decision must not undo a later one
  pending += 1;
  showSaved();
  sending = sending.then(() => request(path, body)).then(
    ({ decision }) => {
      pending -= 1;
      if (item.sent === mine) item.decision = decision;
      showSaved();
      if (index === at) showState();
    },
    (error) => {
      pending -= 1;
      if (item.sent === mine) item.decision = before;
      $('saved').textContent = '';
      taken = taken.filter((each) => each !== index);
      go(index);
      tellProblem(say('failed', { message: error.message }));
    },
  );
}

function showSaved() {
  $('saved').textContent = say(pending ? 'saving' : 'saved');
}

function tellProblem(text) {
  $('problem').textContent = text;
  $('problem').hidden = !text;
}

// ---------------------------------------------------------------- decisions

function decide(action, labels = []) {
  if (at >= items.length) return;
  const item = items[at];
  tellProblem('');
  const before = item.decision;
  item.decision = { action, labels: action === 'keep' ? item.labels : labels, undo: true };
  taken.push(at);
  const told = stateText(item);
  send(at, '/api/decisions', { id: item.id, action, labels }, before);
  go(nextOpen(at + 1), told);
}

function keep() {
  const item = items[at];
  if (!item) return;
  const labels = [...draft];
  if (several && !sameSet(labels, item.labels)) {
    if (labels.length) decide('relabel', labels);
  } else {
    decide('keep');
  }
}

function choose(label) {
  if (several) {
    if (!draft.delete(label)) draft.add(label);
    if (!items[at].likely.some((each) => each.label === label)) items[at].likely.push({ label, probability: null });
    showChoices(items[at]);
  } else if (label === items[at].labels[0]) {
    decide('keep');
  } else {
    decide('relabel', [label]);
  }
}

function undo() {
  const index = taken.length ? taken.pop() : at;
  const item = items[index];
  if (!item || !item.decision || !item.decision.undo) {
    if (item && index !== at) go(index);
    return;
  }
  const before = item.decision;
  item.decision = null;
  send(index, '/api/undo', { id: item.id }, before);
  go(index, say('is-open'));
}

function nextOpen(from) {
  for (let index = from; index < items.length; index += 1) if (!items[index].decision) return index;
  return items.length;
}

const sameSet = (one, other) => one.length === other.length && one.every((each) => other.includes(each));

// ---------------------------------------------------------------- one photo

function go(index, told = '') {
  at = Math.max(0, Math.min(index, items.length));
  closeField();
  if (at === items.length) {
    showEnd(told);
    return;
  }
  $('end').hidden = true;
  $('review').hidden = false;
  const item = items[at];
  draft = new Set(item.labels);
  $('position').textContent = say('position', { i: at + 1, n: items.length });
  $('done').value = items.filter((each) => each.decision).length;
  $('question').textContent = several ? say('question-many', { label: named(item.labels) }) : say('question', { label: item.labels[0] });
  $('why').textContent = whyText(item);
  $('path').textContent = $('path').title = item.path;
  showPicture(item);
  showChoices(item);
  showState();
  showTiles('copies', item.copies.map((copy) => ({ ...copy, label: copy.labels.join(', ') })), item);
  showTiles('near', nearOf.get(item.id) || [], item);
  window.scrollTo(0, 0);
  $('question').focus({ preventScroll: true });
  const question = $('question').textContent;
  $('told').textContent = `${told}. ${say('position_told', { i: at + 1, n: items.length, question, why: $('why').textContent })}`.replace(/^\. /, '');
  lookAround();
}

function whyText(item) {
  const conflict = item.conflict ? `${say('conflict')} ` : '';
  const first = item.likely.find((each) => item.suggested.includes(each.label));
  if (several) return conflict + (item.suggested.length ? say('why-plain', { suggested: named(item.suggested) }) : '');
  const values = { label: `“${item.labels[0]}”`, own: item.own === null ? '' : percent(item.own) };
  if (item.own === null) return conflict + (conflict ? '' : say('why-blank'));
  if (!first || first.probability === null) return conflict + say('why-not', values);
  return conflict + say('why', { ...values, suggested: `“${first.label}”`, share: percent(first.probability) });
}

function showChoices(item) {
  const changed = several && !sameSet([...draft], item.labels);
  $('keep').lastElementChild.textContent = several ? say(changed ? 'save' : 'keep-many') : say('keep', { label: item.labels[0] });
  $('keep').disabled = several && !draft.size;
  $('rather').textContent = say(several ? 'rather-many' : 'rather');
  $('likely').classList.toggle('long', item.likely.some((each) => each.label.length > LONG_NAME));
  $('likely').replaceChildren(...item.likely.map((each, index) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(element('kbd', index < 9 ? String(index + 1) : '·'), element('span', each.label));
    if (each.probability !== null) button.append(element('small', percent(each.probability)));
    button.classList.toggle('suggested', !several && item.suggested.includes(each.label));
    if (several) button.setAttribute('aria-pressed', String(draft.has(each.label)));
    button.addEventListener('click', () => choose(each.label));
    const entry = document.createElement('li');
    entry.append(button);
    return entry;
  }));
}

function stateText(item) {
  if (!item.decision) return '';
  return say(`is-${item.decision.action}`, { label: item.decision.labels.join(', ') });
}

function showState() {
  if (items[at]) $('state').textContent = stateText(items[at]);
  $('undo').disabled = !taken.length && !(items[at] && items[at].decision && items[at].decision.undo);
  $('back').disabled = at === 0;
}

function showPicture(item) {
  const before = $('picture').firstElementChild;
  if (before instanceof Image && !before.complete) { // whoever leafs through quickly does not wait for what was left
    before.removeAttribute('src');
    for (const [id, picture] of pictures) if (picture === before) pictures.delete(id);
  }
  const picture = pictureOf(item.id);
  picture.alt = item.path;
  $('picture').replaceChildren(picture);
}

function pictureOf(id) {
  let picture = pictures.get(id);
  if (!picture) {
    picture = new Image();
    picture.src = `/photos/${id}/large`;
    picture.addEventListener('error', () => {
      if (!picture.hasAttribute('src')) return;
      const missing = element('p', say('no-picture'));
      picture.replaceWith(missing);
      pictures.set(id, missing);
    });
    pictures.set(id, picture);
    if (pictures.size > 60) pictures.delete(pictures.keys().next().value);
  }
  return picture;
}

function showTiles(section, photos, item) {
  $(section).hidden = !photos.length;
  for (const picture of $(section).querySelectorAll('img')) if (!picture.complete) picture.removeAttribute('src');
  $(section).lastElementChild.replaceChildren(...photos.map((photo) => {
    const tile = document.createElement('li');
    const label = element('p', photo.label);
    label.classList.toggle('differs', photo.label !== item.labels.join(', '));
    const path = element('p', photo.path);
    path.className = 'path';
    path.title = photo.path;
    tile.append(smallPicture(photo), label, path);
    return tile;
  }));
}

// Similar photos of this item, then everything of the next ones, one after the other: decisions are never kept waiting
// behind pictures. Ends as soon as another photo is shown.
async function lookAround() {
  looks += 1;
  const mine = looks;
  await pause(SETTLED_MS);
  for (let ahead = 0; ahead <= AHEAD && at + ahead < items.length; ahead += 1) {
    const item = items[at + ahead];
    if (mine === looks && ahead) await loaded(pictureOf(item.id));
    while (mine === looks && !ended && !(await fetchNear(item))) await pause(NOT_READY_MS);
    if (mine !== looks || ended) return;
    if (!ahead) showTiles('near', nearOf.get(item.id), item);
    else await Promise.all([...item.copies, ...nearOf.get(item.id)].map((photo) => loaded(smallPicture(photo))));
  }
}

async function fetchNear(item) {
  if (nearOf.has(item.id)) return true;
  try {
    const { ready, neighbours } = await request(`/api/neighbours/${item.id}`);
    if (ready) nearOf.set(item.id, neighbours);
    return ready;
  } catch {
    nearOf.set(item.id, []);
    return true;
  }
}

function smallPicture(photo) {
  const picture = new Image();
  picture.fetchPriority = 'low';
  picture.alt = photo.path;
  picture.src = `/photos/${photo.id}/small`;
  return picture;
}

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
const loaded = (picture) => (picture.decode ? picture.decode().catch(() => {}) : Promise.resolve());

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

// ---------------------------------------------------------------- the field for a class

const INITIALS = 'ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ';
const VOWELS = 'ㅏ ㅐ ㅑ ㅒ ㅓ ㅔ ㅕ ㅖ ㅗ ㅗㅏ ㅗㅐ ㅗㅣ ㅛ ㅜ ㅜㅓ ㅜㅔ ㅜㅣ ㅠ ㅡ ㅡㅣ ㅣ'.split(' ');
const FINALS = ' ㄱ ㄲ ㄱㅅ ㄴ ㄴㅈ ㄴㅎ ㄷ ㄹ ㄹㄱ ㄹㅁ ㄹㅂ ㄹㅅ ㄹㅌ ㄹㅍ ㄹㅎ ㅁ ㅂ ㅂㅅ ㅅ ㅆ ㅇ ㅈ ㅊ ㅋ ㅌ ㅍ ㅎ'.split(' ');
const JOINED = { ㄳ: 'ㄱㅅ', ㄵ: 'ㄴㅈ', ㄶ: 'ㄴㅎ', ㄺ: 'ㄹㄱ', ㄻ: 'ㄹㅁ', ㄼ: 'ㄹㅂ', ㄽ: 'ㄹㅅ', ㄾ: 'ㄹㅌ', ㄿ: 'ㄹㅍ', ㅀ: 'ㄹㅎ', ㅄ: 'ㅂㅅ', ㅘ: 'ㅗㅏ', ㅙ: 'ㅗㅐ', ㅚ: 'ㅗㅣ', ㅝ: 'ㅜㅓ', ㅞ: 'ㅜㅔ', ㅟ: 'ㅜㅣ', ㅢ: 'ㅡㅣ' };

// Hangul letter by letter, as it is typed: a syllable that is still being composed then begins the name that is meant.
function letters(text) {
  return [...text.normalize('NFC').toLowerCase()].map((sign) => {
    const code = sign.codePointAt(0) - 0xac00;
    if (code < 0 || code >= 11172) return JOINED[sign] || sign;
    return INITIALS[Math.floor(code / 588)] + VOWELS[Math.floor((code % 588) / 28)] + FINALS[code % 28];
  }).join('');
}

const initials = (text) => [...text.normalize('NFC').toLowerCase()].map((sign) => {
  const code = sign.codePointAt(0) - 0xac00;
  return code < 0 || code >= 11172 ? sign : INITIALS[Math.floor(code / 588)];
}).join('');

function matches(query) {
  const typed = letters(query.trim());
  if (!typed) return classes.slice();
  const ranked = classes.map((name) => {
    const own = letters(name);
    if (own.startsWith(typed)) return [0, name];
    if (own.includes(typed)) return [1 + own.indexOf(typed) / 1000, name];
    return initials(name).includes(typed) ? [3, name] : [9, name];
  });
  return ranked.filter(([rank]) => rank < 9).sort(([one], [other]) => one - other).map(([, name]) => name);
}

function openField() {
  if (at >= items.length) return;
  $('field').hidden = false;
  $('class').value = '';
  showClasses();
  $('class').focus();
  $('field').scrollIntoView({ block: 'nearest' });
}

function closeField() {
  $('field').hidden = true;
}

function showClasses() {
  const query = $('class').value;
  const name = query.trim().normalize('NFC');
  const found = matches(query);
  const entries = found.map((each) => ({ label: each, text: each, fresh: false }));
  if (name && !classes.some((each) => each.normalize('NFC') === name)) entries.push({ label: name, text: say('fresh', { name }), fresh: true });
  $('classes').replaceChildren(...entries.map((entry, index) => {
    const option = element('li', entry.text);
    option.id = `class-${index}`;
    option.setAttribute('role', 'option');
    option.dataset.label = entry.label;
    option.classList.toggle('new', entry.fresh);
    option.addEventListener('click', () => pick(option));
    return option;
  }));
  // A new class is never what Enter gives unless it was gone to: a slip of the finger would make one.
  select(entries.length && !entries[0].fresh ? 0 : -1);
}

function select(index) {
  const options = [...$('classes').children];
  options.forEach((option, i) => option.setAttribute('aria-selected', String(i === index)));
  if (options[index]) {
    $('class').setAttribute('aria-activedescendant', options[index].id);
    options[index].scrollIntoView({ block: 'nearest' });
  } else {
    $('class').removeAttribute('aria-activedescendant');
  }
}

function pick(option) {
  if (!option) return;
  const { label } = option.dataset;
  closeField();
  $('question').focus({ preventScroll: true });
  choose(label);
}

function onFieldKey(event) {
  if (event.isComposing || event.keyCode === 229) return; // the input method is not done with this syllable
  const options = [...$('classes').children];
  const selected = options.findIndex((option) => option.getAttribute('aria-selected') === 'true');
  if (event.key === 'ArrowDown') select(Math.min(selected + 1, options.length - 1));
  else if (event.key === 'ArrowUp') select(Math.max(selected - 1, 0));
  else if (event.key === 'Enter') pick(options[selected]);
  else if (event.key === 'Escape') {
    closeField();
    $('question').focus({ preventScroll: true });
  } else return;
  event.preventDefault();
}

// ---------------------------------------------------------------- the end

async function showEnd(told) {
  $('review').hidden = true;
  $('end').hidden = false;
  const open = items.filter((each) => !each.decision).length;
  $('position').textContent = '';
  $('done').value = items.length - open;
  $('end-title').textContent = say(!items.length ? 'nothing' : open ? 'some-done' : 'all-done', { n: items.length, open });
  $('again').hidden = !open;
  $('again').textContent = say('again', { open });
  $('end-back').hidden = !items.length;
  $('end-counts').textContent = '';
  $('next').hidden = true;
  $('end-title').focus({ preventScroll: true });
  $('told').textContent = `${told} ${$('end-title').textContent}`;
  await sending;
  if (at < items.length || ended) return; // something could not be saved, or somebody went back
  try {
    const { counts, commands } = await request('/api/summary');
    $('end-counts').textContent = items.length ? say('counts', counts) : '';
    $('next').hidden = !(counts.relabelled + counts.excluded);
    $('commands').replaceChildren(...commands.map(showCommand));
  } catch (error) {
    tellProblem(error.message);
  }
}

function showCommand(command) {
  const entry = document.createElement('li');
  const copy = element('button', say('copy'));
  copy.type = 'button';
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(command);
    copy.textContent = say('copied');
  });
  entry.append(element('code', command), copy);
  return entry;
}

async function stop() {
  ended = true;
  try {
    await sending;
    await request('/api/end', {});
  } catch (error) {
    tellProblem(error.message);
    return;
  }
  $('stop').disabled = $('again').disabled = $('end-back').disabled = true;
  tellProblem(say('stopped'));
}

// ---------------------------------------------------------------- keys

const KEYS = { k: keep, r: openField, x: () => decide('exclude'), s: () => go(at + 1), u: undo };
const HELP = [
  [['K', 'Enter'], 'key-keep'], [['1', '…', '9'], 'key-digit'], [['R'], 'key-other'], [['X'], 'key-exclude'],
  [['S', '→'], 'key-skip'], [['←'], 'key-back'], [['U', 'Ctrl Z'], 'key-undo'], [['?'], 'key-help'],
];

function onKey(event) {
  if (event.target === $('class') || $('help').open || ended) return;
  const undoing = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z';
  if (!undoing && (event.ctrlKey || event.metaKey || event.altKey)) return;
  const onButton = event.target.closest && event.target.closest('button, a, summary');
  if (event.key === 'Enter' && onButton) return;
  // While Hangul is switched on, the key K types a vowel: then it is the place of the key that counts.
  const letter = /^[a-z]$/i.test(event.key) ? event.key.toLowerCase() : event.code.replace(/^Key/, '').toLowerCase();
  const moving = event.key === 'ArrowRight' || event.key === 'ArrowLeft' || letter === 's';
  let action = null;
  if (undoing) action = undo;
  else if (event.key === 'Enter') action = keep;
  else if (event.key === 'ArrowRight') action = () => go(at + 1);
  else if (event.key === 'ArrowLeft') action = () => go(at - 1);
  else if (event.key === '?') action = () => $('help').showModal();
  else if (/^[1-9]$/.test(event.key)) {
    const likely = items[at] && items[at].likely[Number(event.key) - 1];
    action = likely ? () => choose(likely.label) : null;
  } else if (letter.length === 1) action = KEYS[letter] || null;
  if (!action || (at >= items.length && !undoing && letter !== 'u' && event.key !== 'ArrowLeft' && event.key !== '?')) return;
  event.preventDefault();
  if (!event.repeat || moving) action(); // a key held down decides once
}

// ---------------------------------------------------------------- the beginning

function translate() {
  document.documentElement.lang = language;
  document.title = `photograft – ${say('title')}`;
  for (const place of document.querySelectorAll('[data-text]')) place.textContent = say(place.dataset.text);
  for (const place of document.querySelectorAll('[data-say]')) place.setAttribute('aria-label', say(place.dataset.say));
  $('keys').replaceChildren(...HELP.flatMap(([keys, text]) => {
    const term = document.createElement('dt');
    term.append(...keys.map((key) => element('kbd', key)));
    return [term, element('dd', say(text))];
  }));
}

function listen() {
  document.addEventListener('keydown', onKey);
  $('class').addEventListener('keydown', onFieldKey);
  $('class').addEventListener('input', showClasses);
  const clicks = {
    keep, other: openField, exclude: KEYS.x, skip: KEYS.s, undo, back: () => go(at - 1), 'end-back': () => go(items.length - 1),
    again: () => go(nextOpen(0)), stop, 'help-button': () => $('help').showModal(),
  };
  for (const [id, action] of Object.entries(clicks)) $(id).addEventListener('click', action);
  window.addEventListener('beforeunload', (event) => {
    if (pending) event.preventDefault();
  });
}

async function start() {
  // The token is in a cookie by now: the address need not show it to whoever looks on.
  history.replaceState(null, '', asked ? `/?lang=${encodeURIComponent(asked)}` : '/');
  translate();
  listen();
  try {
    const queue = await request('/api/queue');
    ({ items, classes, several } = queue);
    document.title = `${queue.run} – ${say('title')}`;
  } catch (error) {
    tellProblem(error.message);
    return;
  }
  $('done').max = Math.max(1, items.length);
  go(nextOpen(0));
}

start();
