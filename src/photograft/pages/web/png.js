// PNG files: every colour type and depth, interlaced or not, as Pillow reads them, and transparent parts on white.
// The browser's own decoder is not used, because what a page reads back from a canvas has lost the colours of
// transparent pixels and 16-bit values, and because some browsers change it.
import { orientationOfExif, orientationOfXmp } from './exif.js';
import { NotDecodedHere, Rejected } from './rejected.js';

const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const DEPTHS = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };
const CRITICAL = ['IHDR', 'PLTE', 'IDAT', 'IEND'];

/** Size and orientation of a PNG, and `decode()`, which promises its picture: {width, height, rgb}. */
export function readPng(bytes) {
  const head = readChunks(bytes);
  return {
    width: head.width,
    height: head.height,
    turn: orientationOfExif(head.exif) || orientationOfXmp(head.xmp) || 1,
    decode: async () => toRgb(head, unfold(head, await inflate(head))),
  };
}

function readChunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = { data: [], clear: null, palette: null, exif: null, xmp: null };
  for (let at = 8; ;) {
    if (at + 12 > bytes.length) throw cutShort();
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) throw cutShort();
    const content = bytes.subarray(at + 8, at + 8 + length);
    if (CRITICAL.includes(kind) && checksum(bytes, at + 4, at + 8 + length) !== view.getUint32(at + 8 + length)) {
      throw new Rejected('corrupt', `damaged PNG file: wrong checksum of ${kind}`);
    }
    if (kind === 'IEND') break;
    readChunk(kind, content, head);
    at += 12 + length;
  }
  if (!head.width || !head.data.length) throw new Rejected('corrupt', 'damaged PNG file: it holds no picture');
  return head;
}

function readChunk(kind, content, head) {
  if (kind === 'IHDR') readHead(content, head);
  else if (kind === 'PLTE') head.palette = content;
  else if (kind === 'tRNS') head.clear = content;
  else if (kind === 'IDAT') head.data.push(content);
  else if (kind === 'eXIf') head.exif = content;
  else if (kind === 'iTXt' && new TextDecoder('latin1').decode(content.subarray(0, 18)) === 'XML:com.adobe.xmp\0') head.xmp = content;
}

function readHead(content, head) {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  [head.width, head.height] = [view.getUint32(0), view.getUint32(4)];
  [head.depth, head.kind, head.interlaced] = [content[8], content[9], content[12] !== 0];
  if (!head.width || !head.height) throw new Rejected('corrupt', `the header claims ${head.width} x ${head.height} pixels`);
  if (!(DEPTHS[head.kind] || []).includes(head.depth) || content[10] || content[11]) throw new NotDecodedHere('unusual PNG');
  head.channels = CHANNELS[head.kind];
}

const cutShort = () => new Rejected('truncated', 'the file ends before the picture does; copy it again');

const CHECKS = Int32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let k = 0; k < 8; k++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function checksum(bytes, from, to) {
  let value = -1;
  for (let i = from; i < to; i++) value = CHECKS[(value ^ bytes[i]) & 255] ^ (value >>> 8);
  return ~value >>> 0;
}

/** Sizes and places of the seven pictures of an interlaced file, or of the one of any other. */
function passes({ width, height, interlaced }) {
  const grids = interlaced ? [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]] : [[0, 0, 1, 1]];
  return grids
    .map(([x, y, stepX, stepY]) => ({ x, y, stepX, stepY, columns: Math.ceil((width - x) / stepX), rows: Math.ceil((height - y) / stepY) }))
    .filter(({ columns, rows }) => columns > 0 && rows > 0);
}

const rowBytes = (head, columns) => Math.ceil((columns * head.channels * head.depth) / 8);

async function inflate(head) {
  const expected = passes(head).reduce((sum, { columns, rows }) => sum + rows * (1 + rowBytes(head, columns)), 0);
  const out = new Uint8Array(expected);
  const stream = new Blob(head.data).stream().pipeThrough(new DecompressionStream('deflate'));
  const reader = stream.getReader();
  let at = 0;
  try {
    for (let { done, value } = await reader.read(); !done && at < expected; { done, value } = await reader.read()) {
      out.set(value.subarray(0, expected - at), at);
      at += value.length;
    }
  } catch (error) {
    if (at < expected) throw new Rejected('corrupt', `damaged PNG file: ${error.message}`);
  }
  reader.cancel().catch(() => {});
  if (at < expected) throw cutShort();
  return out;
}

/** Samples of the whole picture (Uint8Array or, of 16 bits, Uint16Array), `channels` per pixel. */
function unfold(head, data) {
  const { width, channels, depth } = head;
  const samples = new (depth === 16 ? Uint16Array : Uint8Array)(width * head.height * channels);
  const back = Math.max(1, (channels * depth) >> 3);
  let at = 0;
  for (const { x, y, stepX, stepY, columns, rows } of passes(head)) {
    const length = rowBytes(head, columns);
    let above = new Uint8Array(length);
    for (let row = 0; row < rows; row++, at += length + 1) {
      const line = data.subarray(at + 1, at + 1 + length);
      unfilter(data[at], line, above, back);
      const put = ((y + row * stepY) * width + x) * channels;
      if (depth === 8 && stepX === 1) samples.set(line, put);
      else spread(line, depth, columns, channels, samples, put, stepX * channels);
      above = line;
    }
  }
  return samples;
}

function spread(line, depth, columns, channels, samples, put, step) {
  const mask = (1 << depth) - 1;
  for (let column = 0, i = 0; column < columns; column++) {
    for (let channel = 0; channel < channels; channel++, i++) {
      let value = line[i];
      if (depth === 16) value = (line[2 * i] << 8) | line[2 * i + 1];
      else if (depth < 8) value = (line[(i * depth) >> 3] >> (8 - depth - ((i * depth) & 7))) & mask;
      samples[put + column * step + channel] = value;
    }
  }
}

function unfilter(kind, line, above, back) {
  const n = line.length;
  if (kind === 1) for (let i = back; i < n; i++) line[i] += line[i - back];
  else if (kind === 2) for (let i = 0; i < n; i++) line[i] += above[i];
  else if (kind === 3) for (let i = 0; i < n; i++) line[i] += ((i < back ? 0 : line[i - back]) + above[i]) >> 1;
  else if (kind === 4) for (let i = 0; i < n; i++) line[i] += i < back ? above[i] : nearest(line[i - back], above[i], above[i - back]);
  else if (kind > 4) throw new Rejected('corrupt', 'damaged PNG file: a row of unknown kind');
}

function nearest(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

// ------------------------------------------------------------------ colours

function toRgb(head, samples) {
  const { width, height } = head;
  const rgb = new Uint8Array(width * height * 3);
  if (head.kind === 3) fromPalette(head, samples, rgb);
  else if (head.kind === 0) fromGrey(head, samples, rgb);
  else if (head.kind === 2) fromColour(head, samples, rgb);
  else fromAlpha(head, samples, rgb);
  return { width, height, rgb };
}

/** A value of 0 to 255 over white, as Pillow pastes with a mask. */
function onWhite(value, alpha) {
  const sum = 255 * (255 - alpha) + value * alpha + 128;
  return ((sum >> 8) + sum) >> 8;
}

function fromPalette({ palette, clear }, samples, rgb) {
  if (!palette) throw new Rejected('corrupt', 'damaged PNG file: the palette is missing');
  const colours = new Uint8Array(768);
  for (let i = 0; i < 256; i++) {
    const alpha = clear && i < clear.length ? clear[i] : 255;
    for (let k = 0; k < 3; k++) colours[3 * i + k] = onWhite(palette[3 * i + k] || 0, alpha);
  }
  for (let i = 0, at = 0; i < samples.length; i++, at += 3) {
    for (let k = 0; k < 3; k++) rgb[at + k] = colours[3 * samples[i] + k];
  }
}

function fromGrey({ depth, clear }, samples, rgb) {
  const hidden = clear && clear.length >= 2 ? (clear[0] << 8) | clear[1] : -1;
  const step = depth < 8 ? 255 / ((1 << depth) - 1) : 1;
  for (let i = 0, at = 0; i < samples.length; i++, at += 3) {
    // Scaled with numbers of 32 bits, and halves to even, as NumPy does it.
    const value = depth === 16 ? even(Math.fround(samples[i] * Math.fround(255 / 65535))) : samples[i] * step;
    rgb[at] = rgb[at + 1] = rgb[at + 2] = samples[i] === hidden ? 255 : value;
  }
}

function even(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

function fromColour({ depth, clear }, samples, rgb) {
  const shift = depth === 16 ? 8 : 0;
  const hidden = clear && clear.length >= 6 ? [0, 2, 4].map((k) => (clear[k] << 8) | clear[k + 1]) : null;
  for (let at = 0; at < samples.length; at += 3) {
    for (let k = 0; k < 3; k++) rgb[at + k] = samples[at + k] >> shift;
    if (hidden && rgb[at] === hidden[0] && rgb[at + 1] === hidden[1] && rgb[at + 2] === hidden[2]) rgb.fill(255, at, at + 3);
  }
}

function fromAlpha({ depth, channels }, samples, rgb) {
  const shift = depth === 16 ? 8 : 0;
  for (let i = 0, at = 0; i < samples.length; i += channels, at += 3) {
    const alpha = samples[i + channels - 1] >> shift;
    for (let k = 0; k < 3; k++) rgb[at + k] = onWhite(samples[i + (channels === 4 ? k : 0)] >> shift, alpha);
  }
}
