// A photo as an address to show. Browsers turn photos as the camera wrote down, but some leave WebP as it lies, while
// the model sees every photo upright: a heat map would stand beside what it is about.

const ORIENTATION = 274;

// Two pixels side by side and a note that says to turn them: a browser that does shows them one above the other.
const TURNED = 'UklGRmQAAABXRUJQVlA4WAoAAAAIAAAAAQAAAAAAVlA4ICQAAABwAQCdASoCAAEADMDOJaACdAFAAAD+2iYRho1+LuxHGSQAAABFWElGGgAAAE1N'
  + 'ACoAAAAIAAEBEgADAAAAAQAGAAAAAAAA';

let turnsWebp = null;

/** An object URL of the photo, upright; to be revoked when it is shown no more. */
export async function uprightUrl(file) {
  const orientation = await orientationOfWebp(file).catch(() => 0);
  if (orientation < 2 || orientation > 8) return URL.createObjectURL(file);
  turnsWebp ??= await isTurned();
  return URL.createObjectURL(turnsWebp ? file : await turn(file, orientation).catch(() => file));
}

/** The orientation in the EXIF part of a WebP file; 0 for other files. */
async function orientationOfWebp(file) {
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  if (textAt(head, 0) !== 'RIFF' || textAt(head, 8) !== 'WEBP') return 0;
  const bytes = new Uint8Array(await file.arrayBuffer());
  const view = new DataView(bytes.buffer);
  for (let at = 12; at + 8 <= bytes.length; at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) % 2)) {
    if (textAt(bytes, at) === 'EXIF') return orientationOfExif(new DataView(bytes.buffer, at + 8));
  }
  return 0;
}

/** From a TIFF header and its first directory. */
function orientationOfExif(view) {
  const little = view.getUint16(0) === 0x4949;
  const start = view.getUint32(4, little);
  for (let at = start + 2; at < start + 2 + 12 * view.getUint16(start, little); at += 12) {
    if (view.getUint16(at, little) === ORIENTATION) return view.getUint16(at + 8, little);
  }
  return 0;
}

const textAt = (bytes, at) => String.fromCharCode(...bytes.subarray(at, at + 4));

async function isTurned() {
  const bytes = Uint8Array.from(atob(TURNED), (each) => each.charCodeAt(0));
  const picture = new Image();
  picture.src = URL.createObjectURL(new Blob([bytes], { type: 'image/webp' }));
  await picture.decode();
  URL.revokeObjectURL(picture.src);
  return picture.naturalWidth === 1;
}

async function turn(file, orientation) {
  const picture = await createImageBitmap(file);
  const { width, height } = picture;
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = orientation > 4 ? [height, width] : [width, height];
  const context = canvas.getContext('2d');
  context.setTransform(...[
    [-1, 0, 0, 1, width, 0], [-1, 0, 0, -1, width, height], [1, 0, 0, -1, 0, height],
    [0, 1, 1, 0, 0, 0], [0, 1, -1, 0, height, 0], [0, -1, -1, 0, height, width], [0, -1, 1, 0, 0, width],
  ][orientation - 2]);
  context.drawImage(picture, 0, 0);
  picture.close();
  return new Promise((resolve) => { canvas.toBlob(resolve, 'image/png'); });
}
