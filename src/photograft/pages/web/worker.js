// Loads the model and answers for one photo at a time, beside the page, so that the page never stands still.
import { draw } from './contract.js';
import { load } from './model.js';

const ready = load(new URL('./model/', import.meta.url).href, (n) => postMessage({ kind: 'bytes', n }));

ready.then(
  async (model) => {
    postMessage({ kind: 'ready', summary: model.summary });
    postMessage({ kind: 'checked', ...(await model.check().catch((error) => ({ reason: error.message }))) });
  },
  (error) => postMessage({ kind: 'failed', reason: error.message }),
);

// One after the other: a network is no quicker with two photos at once.
let queue = ready.catch(() => {});

onmessage = ({ data }) => {
  queue = queue.then(() => answer(data));
};

async function answer({ id, name, file, frame }) {
  try {
    const model = await ready;
    const start = performance.now();
    const row = file
      ? await model.predict(name, new Uint8Array(await file.arrayBuffer()))
      : await model.predictPicture(name, draw(frame));
    if (frame) frame.close();
    postMessage({ kind: 'row', id, row, ms: performance.now() - start });
  } catch (error) {
    const reason = file && error.name === 'NotReadableError' ? 'unreadable: the browser cannot read the file' : `timeout: ${error.message}`;
    postMessage({ kind: 'row', id, row: { name, status: 'rejected', label: null, probability: null, top: [], reason }, ms: 0 });
  }
}
