// Requests to the server. Every way in which one can fail becomes a Trouble in plain words.
import { say } from './texts.js';

const TRIES = 6;
const LONGEST_WAIT_S = 30;

/** `code` is for the page, `message` for people; `again` says whether the same may be tried once more. */
export class Trouble extends Error {
  constructor(code, message, again = false) {
    super(message);
    this.code = code;
    this.again = again;
  }
}

export const askModel = () => request('/v1/model');

/** Rows of predictions, in the order of the files. */
export async function askPredictions(files, { top, signal, waiting }) {
  const form = new FormData();
  for (const file of files) form.append('files', file, file.name || 'photo');
  const told = await request(`/v1/predict?top=${top}`, { method: 'POST', body: form, signal }, waiting);
  return told.predictions;
}

export const askSimilar = (file, { top, signal, waiting }) => post(`/v1/similar?top=${top}`, file, signal, waiting);

export function askHeatMap(file, { label, signal, waiting }) {
  const query = label === undefined ? '' : `?${new URLSearchParams({ label })}`;
  return post(`/v1/heat-map${query}`, file, signal, waiting);
}

function post(path, file, signal, waiting) {
  const form = new FormData();
  form.append('files', file, file.name || 'photo');
  return request(path, { method: 'POST', body: form, signal }, waiting);
}

/** The answer as JSON. A busy server says when to come again, which is done, and told to `waiting` (null: no more). */
async function request(path, options = {}, waiting = () => {}) {
  for (let tries = 1; ; tries += 1) {
    const answer = await send(path, options);
    if (answer.ok) return answer.json();
    if (answer.status !== 503 || tries === TRIES) throw await troubleOf(answer);
    await wait(secondsToWait(answer, tries), waiting, options.signal);
  }
}

async function send(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Trouble('gone', say('gone'), true);
  }
}

/** As long as the server asks for, and a little more, so that not everyone comes again at the same moment. */
function secondsToWait(answer, tries) {
  const asked = Number.parseInt(answer.headers.get('retry-after') || '', 10);
  const seconds = Number.isFinite(asked) && asked > 0 ? asked : 2 ** (tries - 1);
  return Math.min(seconds, LONGEST_WAIT_S) + Math.random() * 0.5;
}

/** Told once, not every second: a screen reader would say nothing else. */
async function wait(seconds, waiting, signal) {
  waiting(say('busy', { s: Math.ceil(seconds) }));
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
  });
  waiting(null);
}

async function troubleOf(answer) {
  const told = await answer.json().catch(() => ({}));
  const { code = '', message = '' } = told.error || {};
  if (answer.status === 401) return new Trouble('no_token', say('no_token'));
  if (answer.status === 413) return new Trouble('too_much', say('too-much'));
  if (answer.status === 503) return new Trouble('busy', say('busy-long'), true);
  return new Trouble(code || 'failed', say('failed', { message: message || `HTTP ${answer.status}` }), answer.status >= 500);
}
