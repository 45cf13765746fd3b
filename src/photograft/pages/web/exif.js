// The orientation that a camera wrote into a file: 1 to 8, or 0 where there is none or it is damaged.

const ORIENTATION = 274;

/** From EXIF data (a TIFF header and its first directory), as Pillow reads it. */
export function orientationOfExif(bytes) {
  if (!bytes || bytes.length < 14) return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return 0;
  const little = order === 0x4949;
  try {
    const start = view.getUint32(4, little);
    const n = view.getUint16(start, little);
    for (let at = start + 2; at < start + 2 + 12 * n; at += 12) {
      if (view.getUint16(at, little) === ORIENTATION) return valid(valueAt(view, at, little));
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // the directory reaches behind the end
  }
  return 0;
}

/** From XMP data, which Pillow asks where EXIF says nothing. */
export function orientationOfXmp(bytes) {
  const found = bytes && /tiff:Orientation(="|>)([0-9])/.exec(new TextDecoder('latin1').decode(bytes));
  return found ? valid(Number(found[2])) : 0;
}

function valueAt(view, at, little) {
  const type = view.getUint16(at + 2, little);
  if (type === 3) return view.getUint16(at + 8, little);
  if (type === 4) return view.getUint32(at + 8, little);
  return type === 1 ? view.getUint8(at + 8) : 0;
}

const valid = (value) => (value >= 1 && value <= 8 ? value : 0);
