// JPEG files: markers and Huffman codes, baseline and progressive. What the coefficients become is in jpeg_picture.js.
// The browser's own decoder is not used, because it cannot decode at a reduced scale as the training did, because it
// differs between browsers, and because some browsers change what a page reads back from it.
import { orientationOfExif, orientationOfXmp } from './exif.js';
import { Picture } from './jpeg_picture.js';
import { NotDecodedHere, Rejected } from './rejected.js';

// From the order in which coefficients are stored to rows of eight; 16 more, since damaged files run over the end.
const ZIGZAG = new Uint8Array([
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55,
  62, 63, ...new Array(16).fill(63),
]);

/**
 * Size and orientation of a JPEG, and `decode(scale)`, which gives its picture at 1 / scale (1, 2, 4 or 8) of its size:
 * {width, height, rgb}.
 */
export function readJpeg(bytes) {
  const head = readMarkers(new Segments(bytes), null);
  return {
    width: head.width,
    height: head.height,
    turn: orientationOfExif(head.exif) || orientationOfXmp(head.xmp) || 1,
    decode: (scale) => decode(bytes, scale),
  };
}

function decode(bytes, scale) {
  const file = new Segments(bytes);
  let picture = null;
  readMarkers(file, (head, scan) => {
    picture ||= new Picture(head, scale, isSingleScan(head, scan));
    readScan(file, head, scan, picture);
  });
  if (!picture) throw new Rejected('truncated', 'the file ends before the picture does; copy it again');
  return picture.finish();
}

const isSingleScan = (head, scan) => !head.progressive && scan.parts.length === head.components.length;

/** Walks over the file. Bytes that are asked for and are not there mean that the file was cut short. */
class Segments {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 2;
  }

  byte() {
    if (this.at >= this.bytes.length) throw new Rejected('truncated', 'the file ends before the picture does; copy it again');
    return this.bytes[this.at++];
  }

  number() {
    return (this.byte() << 8) | this.byte();
  }

  /** The next marker; what lies between segments is passed over, as libjpeg does. */
  marker() {
    let code = 0;
    while (code === 0 || code === 0xff) {
      while (this.byte() !== 0xff);
      do code = this.byte(); while (code === 0xff);
    }
    return code;
  }

  segment() {
    const length = this.number() - 2;
    if (length < 0 || this.at + length > this.bytes.length) throw new Rejected('truncated', 'the file ends before the picture does; copy it again');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

/** Reads tables and headers; without `onScan` up to the first scan, else to the end, calling it for every scan. */
function readMarkers(file, onScan) {
  const head = { components: null, tables: [], codes: [new Map(), new Map()], restart: 0, adobe: -1, jfif: false, exif: null, xmp: null };
  for (;;) {
    const marker = file.marker();
    if (marker === 0xd9) return head;
    if ((marker >= 0xd0 && marker <= 0xd7) || marker === 0x01) continue;
    const segment = file.segment();
    if (marker === 0xda) {
      if (!head.components) throw new Rejected('corrupt', 'damaged JPEG file: a scan before the frame');
      if (!onScan) return head;
      onScan(head, readScanHead(segment, head));
    } else readSegment(marker, segment, head);
  }
}

function readSegment(marker, segment, head) {
  if (marker === 0xc4) readCodes(segment, head);
  else if (marker === 0xdb) readTables(segment, head);
  else if (marker === 0xdd) head.restart = (segment[0] << 8) | segment[1];
  else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc8 && marker !== 0xcc) readFrame(marker, segment, head);
  else if (marker === 0xcc) throw new NotDecodedHere('arithmetic codes');
  else if (marker === 0xe0 && startsWith(segment, 'JFIF\0')) head.jfif = true;
  else if (marker === 0xee && startsWith(segment, 'Adobe') && segment.length >= 12) head.adobe = segment[11];
  else if (marker === 0xe1 && startsWith(segment, 'Exif\0\0')) head.exif = joined(head.exif, segment.subarray(6));
  else if (marker === 0xe1 && startsWith(segment, 'http://ns.adobe.com/xap/1.0/\0')) head.xmp = segment;
}

const startsWith = (bytes, text) => [...text].every((letter, i) => bytes[i] === letter.charCodeAt(0));

function joined(first, second) {
  if (!first) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

function readFrame(marker, segment, head) {
  if (marker > 0xc2) throw new NotDecodedHere(`frame of type ${marker - 0xc0}`);
  if (segment[0] !== 8) throw new Rejected('unsupported_format', 'it starts like JPEG, but is no variety that is decoded');
  if (head.components) throw new Rejected('corrupt', 'damaged JPEG file: two frames');
  head.progressive = marker === 0xc2;
  head.height = (segment[1] << 8) | segment[2];
  head.width = (segment[3] << 8) | segment[4];
  if (!head.width || !head.height) throw new Rejected('corrupt', `the header claims ${head.width} x ${head.height} pixels`);
  const n = segment[5];
  if (![1, 3, 4].includes(n) || segment.length < 6 + 3 * n) throw new NotDecodedHere(`${n} components`);
  head.components = Array.from({ length: n }, (_, i) => {
    const [id, sampling, table] = segment.subarray(6 + 3 * i);
    return { id, h: sampling >> 4, v: sampling & 15, table };
  });
  if (head.components.some(({ h, v }) => h < 1 || h > 4 || v < 1 || v > 4)) throw new Rejected('corrupt', 'damaged JPEG file: bogus sampling factors');
}

function readTables(segment, head) {
  for (let at = 0; at < segment.length;) {
    const [wide, id] = [segment[at] >> 4, segment[at] & 15];
    const table = new Int32Array(64);
    at += 1;
    for (let k = 0; k < 64; k++) {
      table[ZIGZAG[k]] = wide ? (segment[at + 2 * k] << 8) | segment[at + 2 * k + 1] : segment[at + k];
    }
    at += wide ? 128 : 64;
    head.tables[id] = table;
  }
}

const QUICK = 9; // bits that are looked up at once

function readCodes(segment, head) {
  for (let at = 0; at + 17 <= segment.length;) {
    const lengths = segment.subarray(at + 1, at + 17);
    const n = lengths.reduce((sum, count) => sum + count, 0);
    head.codes[segment[at] >> 4 ? 1 : 0].set(segment[at] & 15, makeCodes(lengths, segment.subarray(at + 17, at + 17 + n)));
    at += 17 + n;
  }
}

/** Canonical Huffman codes: `quick` gives length << 8 | value by the next nine bits, `last` the largest code by length. */
function makeCodes(lengths, values) {
  const quick = new Uint16Array(1 << QUICK);
  const last = new Int32Array(18).fill(-1);
  const offset = new Int32Array(18);
  let code = 0, k = 0;
  for (let length = 1; length <= 16; length++, code <<= 1) {
    offset[length] = k - code;
    for (let i = 0; i < lengths[length - 1]; i++, code++, k++) {
      if (length <= QUICK) quick.fill((length << 8) | values[k], code << (QUICK - length), (code + 1) << (QUICK - length));
    }
    if (lengths[length - 1]) last[length] = code - 1;
  }
  last[17] = 0x7fffffff;
  return { quick, last, offset, values };
}

function readScanHead(segment, head) {
  const n = segment[0];
  const parts = Array.from({ length: n }, (_, i) => {
    const index = head.components.findIndex((each) => each.id === segment[1 + 2 * i]);
    if (index < 0) throw new Rejected('corrupt', 'damaged JPEG file: a scan of an unknown component');
    const [dc, ac] = [segment[2 + 2 * i] >> 4, segment[2 + 2 * i] & 15].map((id, kind) => head.codes[kind].get(id));
    return { index, dc, ac };
  });
  const [first, last, bits] = segment.subarray(1 + 2 * n, 4 + 2 * n);
  return { parts, first, last, high: bits >> 4, low: bits & 15 };
}

/** Reads one scan into the coefficients of the picture, which is told of every finished row of blocks. */
function readScan(file, head, scan, picture) {
  const bits = new Bits(file);
  const block = blockReader(bits, head, scan);
  const parts = scan.parts.map((part) => ({ ...part, component: picture.components[part.index], before: 0 }));
  const alone = parts.length === 1 ? parts[0].component : null;
  const columns = alone ? alone.columns : picture.mcuColumns;
  const rows = alone ? alone.rows : picture.mcuRows;
  let left = head.restart || Infinity;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (left === 0) {
        bits.restart();
        block.restart(parts);
        left = head.restart;
      }
      left--;
      if (alone) block.read(parts[0], alone.coefficients, alone.place(row, column));
      else readUnit(block, parts, row, column);
    }
    picture.rowDone(row, Boolean(alone));
  }
  bits.end();
}

function readUnit(block, parts, row, column) {
  for (const part of parts) {
    const { h, v, coefficients } = part.component;
    for (let y = 0; y < v; y++) {
      for (let x = 0; x < h; x++) block.read(part, coefficients, part.component.place(row * v + y, column * h + x));
    }
  }
}

/** The bits of a scan. Behind a marker there are zeros, as libjpeg has it; behind the end of the file nothing is. */
class Bits {
  constructor(file) {
    this.file = file;
    this.bytes = file.bytes;
    this.at = file.at;
    this.buffer = 0;
    this.count = 0;
  }

  fill() {
    while (this.count <= 24) {
      let byte = this.bytes[this.at];
      if (byte === undefined) throw new Rejected('truncated', 'the file ends before the picture does; copy it again');
      if (byte !== 0xff) this.at++;
      else if (this.bytes[this.at + 1] === 0) this.at += 2;
      else if (this.bytes[this.at + 1] === 0xff) {
        this.at++; // a fill byte before a marker
        continue;
      } else byte = 0;
      this.buffer = (this.buffer << 8) | byte;
      this.count += 8;
    }
  }

  /** The next `n` bits (up to 16) as a number. */
  take(n) {
    if (n === 0) return 0;
    if (this.count < n) this.fill();
    this.count -= n;
    return (this.buffer >>> this.count) & ((1 << n) - 1);
  }

  /** The next `n` bits as a signed number of that many bits, as JPEG writes them. */
  signed(n) {
    const value = this.take(n);
    return n && value < 1 << (n - 1) ? value - (1 << n) + 1 : value;
  }

  code({ quick, last, offset, values }) {
    if (this.count < 16) this.fill();
    const found = quick[(this.buffer >>> (this.count - QUICK)) & ((1 << QUICK) - 1)];
    if (found) {
      this.count -= found >> 8;
      return found & 255;
    }
    let length = QUICK + 1;
    const next = (this.buffer >>> (this.count - 16)) & 0xffff;
    while (next >> (16 - length) > last[length] && length <= 16) length++;
    this.count -= Math.min(length, 16);
    if (length > 16) return 0; // a damaged place: libjpeg goes on like this
    return values[(next >> (16 - length)) + offset[length]];
  }

  /** Goes on behind the next restart marker. */
  restart() {
    this.end();
    if (this.bytes[this.at] === 0xff && (this.bytes[this.at + 1] & 0xf8) === 0xd0) this.at += 2;
    this.file.at = this.at;
  }

  /** Drops the bits of the last byte, and stands at the next marker. */
  end() {
    this.count = 0;
    const { bytes } = this;
    while (this.at < bytes.length && !(bytes[this.at] === 0xff && bytes[this.at + 1] !== 0 && bytes[this.at + 1] !== 0xff)) this.at++;
    this.file.at = this.at;
  }
}

/** What reads one block in this scan; four ways in progressive files, one in the others. */
function blockReader(bits, head, scan) {
  const state = { run: 0 };
  const { first, last, high, low } = scan;
  let read = (part, out, at) => readBaseline(bits, part, out, at);
  if (head.progressive) {
    if (first === 0) read = high ? (part, out, at) => refineDc(bits, low, out, at) : (part, out, at) => readDc(bits, part, low, out, at);
    else if (high) read = (part, out, at) => refineAc(bits, part, scan, state, out, at);
    else read = (part, out, at) => readAc(bits, part, { first, last, low }, state, out, at);
  }
  const needs = (part) => (!(head.progressive && first > 0) && !high && !part.dc) || ((!head.progressive || first > 0) && !part.ac);
  if (scan.parts.some(needs)) throw new Rejected('corrupt', 'damaged JPEG file: a table of codes is missing');
  const restart = (parts) => {
    state.run = 0;
    for (const part of parts) part.before = 0;
  };
  return { read, restart };
}

function readBaseline(bits, part, out, at) {
  part.before += bits.signed(bits.code(part.dc));
  out[at] = part.before;
  for (let k = 1; k < 64; k++) {
    const code = bits.code(part.ac);
    const size = code & 15;
    k += code >> 4;
    if (size) out[at + ZIGZAG[k]] = bits.signed(size);
    else if (code !== 0xf0) break;
  }
}

function readDc(bits, part, low, out, at) {
  part.before += bits.signed(bits.code(part.dc));
  out[at] = part.before << low;
}

function refineDc(bits, low, out, at) {
  if (bits.take(1)) out[at] |= 1 << low;
}

function readAc(bits, part, { first, last, low }, state, out, at) {
  if (state.run > 0) {
    state.run--;
    return;
  }
  for (let k = first; k <= last; k++) {
    const code = bits.code(part.ac);
    const [skip, size] = [code >> 4, code & 15];
    if (size) {
      k += skip;
      out[at + ZIGZAG[k]] = bits.signed(size) * (1 << low);
    } else if (skip === 15) k += 15;
    else {
      state.run = (1 << skip) + bits.take(skip) - 1;
      return;
    }
  }
}

function refineAc(bits, part, { first, last, low }, state, out, at) {
  const one = 1 << low;
  let k = first;
  if (state.run === 0) {
    for (; k <= last; k++) {
      const code = bits.code(part.ac);
      let skip = code >> 4, value = 0;
      if (code & 15) value = bits.take(1) ? one : -one;
      else if (skip < 15) {
        state.run = (1 << skip) + bits.take(skip);
        break;
      }
      for (; k <= last; k++) {
        const place = at + ZIGZAG[k];
        if (out[place]) refine(bits, one, out, place);
        else if (skip-- === 0) break;
      }
      if (value && k <= last) out[at + ZIGZAG[k]] = value;
    }
  }
  if (state.run > 0) {
    for (; k <= last; k++) if (out[at + ZIGZAG[k]]) refine(bits, one, out, at + ZIGZAG[k]);
    state.run--;
  }
}

function refine(bits, one, out, place) {
  if (bits.take(1) && !(out[place] & one)) out[place] += out[place] > 0 ? one : -one;
}
