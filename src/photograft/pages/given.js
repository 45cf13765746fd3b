// Photos that are dropped, pasted or chosen, also whole folders.
import { say } from './texts.js';

const $ = (id) => document.getElementById(id);

/** Calls `take([{file, name}, ...])` for what is given in any of these ways, with no items for what has no file. */
export function listenToGiven(take) {
  for (const id of ['files', 'shot']) {
    $(id).addEventListener('change', () => {
      const items = [...$(id).files].map((file) => ({ file, name: id === 'shot' ? say('taken') : file.name }));
      $(id).value = ''; // so that the same photo can be chosen again
      if (items.length) take(items);
    });
  }
  document.addEventListener('paste', (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return; // text, for a field
    event.preventDefault();
    take(files.map((file) => ({ file, name: file.name === 'image.png' ? say('pasted') : file.name })));
  });
  listenToDrops(take);
}

function listenToDrops(take) {
  const veil = (on) => document.body.classList.toggle('is-dragging', on);
  const withFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes('Files');
  document.addEventListener('dragenter', (event) => { if (withFiles(event)) veil(true); });
  document.addEventListener('dragover', (event) => { if (withFiles(event)) event.preventDefault(); });
  document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) veil(false); });
  document.addEventListener('drop', async (event) => {
    veil(false);
    if (!withFiles(event)) return;
    event.preventDefault();
    take(await readDropped(event.dataTransfer));
  });
}

/** Entries must be taken at once, before anything is waited for. */
async function readDropped(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === 'file').map((item) => item.webkitGetAsEntry?.());
  if (!entries.some((entry) => entry && entry.isDirectory)) return [...transfer.files].map((file) => ({ file, name: file.name }));
  const found = [];
  for (const entry of entries) if (entry) await collect(entry, '', found);
  return found.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
}

async function collect(entry, folder, found) {
  if (entry.name.startsWith('.')) return;
  if (entry.isFile) {
    const file = await new Promise((resolve) => { entry.file(resolve, () => resolve(null)); });
    if (file) found.push({ file, name: folder + entry.name });
    return;
  }
  const reader = entry.createReader();
  const read = () => new Promise((resolve) => { reader.readEntries(resolve, () => resolve([])); });
  for (let some = await read(); some.length; some = await read()) { // a folder is told in parts
    for (const each of some) await collect(each, `${folder}${entry.name}/`, found);
  }
}
