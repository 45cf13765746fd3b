// The contract of a bundle, carried out in the browser: a file or a picture becomes the pixels that a network sees, by
// the same steps, in the same order and with the same rounding as when the model was trained.
import { readJpeg } from './jpeg.js';
import { readPng } from './png.js';
import { NotDecodedHere, Rejected } from './rejected.js';
import { reduced, resized, upright } from './resample.js';
import { sniff } from './sniff.js';

/** Pixels (px, px, 3) of the bytes of a file under each contract, in their order; throws Rejected with the reason. */
export async function decode(bytes, contracts) {
  const rules = contracts[0].decode;
  const format = sniff(bytes);
  if (!rules.formats.includes(format)) throw new Rejected('unsupported_format', `${format} is not decoded here; save it as JPEG or PNG`);
  const file = await open(bytes, format, rules);
  checkSize(file, rules);
  const out = [];
  for (const contract of contracts) {
    const scale = format === 'JPEG' ? jpegScale(file, contract) : 1;
    out.push(fit(await file.decode(scale), { ...file, scale }, contract));
  }
  return out;
}

/** Pixels under each contract of a picture that is there already: {width, height, rgb}. */
export function toPixels(picture, contracts) {
  checkSize(picture, contracts[0].decode);
  return contracts.map((contract) => fit(picture, { ...picture, turn: 1, scale: 1 }, contract));
}

function checkSize({ width, height }, rules) {
  if (width * height <= rules.max_pixels) return;
  throw new Rejected('too_many_pixels', `${width} x ${height} pixels are more than the model takes (${rules.max_pixels})`);
}

/** {width, height, turn, decode(scale)} of a file: read here, or by the browser where there is no reader for it here. */
async function open(bytes, format, rules) {
  try {
    if (format === 'JPEG') return guarded(readJpeg(bytes), bytes, format, rules);
    if (format === 'PNG') return guarded(readPng(bytes), bytes, format, rules);
  } catch (error) {
    if (!(error instanceof NotDecodedHere)) throw error;
  }
  return openByBrowser(bytes, format);
}

/** The same, where the browser decodes what turns out to need it only while it is read. */
function guarded(file, bytes, format, rules) {
  const read = async (scale) => {
    try {
      return await file.decode(scale);
    } catch (error) {
      if (!(error instanceof NotDecodedHere)) throw error;
    }
    const other = await openByBrowser(bytes, format);
    checkSize(other, rules);
    return other.decode();
  };
  return { ...file, decode: read };
}

/** A picture that the browser decodes and turns upright; transparent parts become white. */
async function openByBrowser(bytes, format) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  } catch {
    if (['WEBP', 'GIF', 'BMP'].includes(format)) throw new Rejected('corrupt', `damaged ${format} file`);
    throw new Rejected('unsupported_format', `this browser does not read this ${format} file; save it as an ordinary JPEG or PNG`);
  }
  const { width, height } = bitmap;
  return { width, height, turn: 1, decode: () => draw(bitmap) };
}

/** The pixels of a bitmap or a canvas as a picture, on white. */
export function draw(source) {
  const { width, height } = source;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0, at = 0; i < data.length; i += 4, at += 3) {
    rgb[at] = data[i];
    rgb[at + 1] = data[i + 1];
    rgb[at + 2] = data[i + 2];
  }
  return { width, height, rgb };
}

/** The scale at which a JPEG may be decoded so that its short side keeps twice the input or more. */
function jpegScale({ width, height }, { decode: rules, resize }) {
  if (rules.reduce !== 'integer') return 1;
  return [8, 4, 2].find((scale) => Math.min(width, height) >= scale * 2 * resize.px) || 1;
}

/** Reduced by a whole number, turned upright, then resized and cropped in one step. */
function fit(picture, file, contract) {
  const { px } = contract.resize;
  const factor = contract.decode.reduce === 'integer' ? Math.max(1, Math.floor(Math.min(picture.width, picture.height) / (2 * px))) : 1;
  const small = reduced(picture, factor);
  // The last column and row stand for fewer pixels than the others; in an upright picture they may be the first ones.
  // A picture that the browser decoded is not at a reduced scale, whatever was asked for.
  const scale = picture.width === file.width && picture.height === file.height ? 1 : file.scale;
  const filled = [0, 0, file.width / scale / factor, file.height / scale / factor];
  const turned = upright(small, file.turn);
  return resized(turned, contract.crop.px, cropped(uprightBox(filled, small, file.turn), turned, contract));
}

function uprightBox([left, top, right, bottom], { width, height }, turn) {
  if ([2, 3, 6, 7].includes(turn)) {
    if (turn < 5) [left, right] = [width - right, width - left];
    else [top, bottom] = [height - bottom, height - top];
  }
  if ([3, 4, 7, 8].includes(turn)) {
    if (turn < 5) [top, bottom] = [height - bottom, height - top];
    else [left, right] = [width - right, width - left];
  }
  return turn >= 5 ? [top, left, bottom, right] : [left, top, right, bottom];
}

/** `stretch` takes the whole picture, `short_side` its central square; a center crop takes the middle of that. */
function cropped([left, top, right, bottom], picture, { resize, crop }) {
  const [width, height] = [right - left, bottom - top];
  const square = resize.rule === 'short_side';
  const share = crop.rule === 'center' ? Math.min(1, crop.px / resize.px) : 1;
  const keptWidth = (square ? Math.min(width, height) : width) * share;
  const keptHeight = (square ? Math.min(width, height) : height) * share;
  const [x, y] = [left + (width - keptWidth) / 2, top + (height - keptHeight) / 2];
  return [x, y, Math.min(x + keptWidth, picture.width), Math.min(y + keptHeight, picture.height)];
}
