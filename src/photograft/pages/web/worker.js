// Loads the model and answers for one photo at a time, beside the page, so that the page never stands still.
import { draw } from './contract.js';
import { load } from './model.js';

const ready = load(new URL('./model/', import.meta.url).href, (n) => postMessage({ kind: 'bytes', n }));

// The check first, then one photo after the other: a session runs one thing at a time.
let queue = ready.then(
  async (model) => {
    postMessage({ kind: 'ready', summary: model.summary });
    postMessage({ kind: 'checked', ...(await model.check().catch((error) => ({ reason: error.message }))) });
  },
  (error) => postMessage({ kind: 'failed', reason: error.message }),
);

onmessage = ({ data }) => {
  queue = queue.then(() => answer(data));
};

async function answer({ name, file, frame }) {
  try {
    const model = await ready;
    const start = performance.now();
    const row = file
      ? await model.predict(name, new Uint8Array(await file.arrayBuffer()))
      : await model.predictPicture(name, draw(frame));
    if (frame) frame.close();
    postMessage({ kind: 'row', row, ms: performance.now() - start });
  } catch (error) {
    const reason = `unreadable: ${error.message}`;
    postMessage({ kind: 'row', row: { name, status: 'rejected', label: null, probability: null, top: [], reason }, ms: 0 });
  }
}
