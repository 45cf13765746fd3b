// What a file is, judged by its first bytes alone; its name plays no part.
import { Rejected } from './rejected.js';

const SIGNATURES = [
  ['JPEG', 0, '\xff\xd8\xff'], ['PNG', 0, '\x89PNG\r\n\x1a\n'], ['WEBP', 8, 'WEBP'], ['GIF', 0, 'GIF87a'], ['GIF', 0, 'GIF89a'],
  ['BMP', 0, 'BM'], ['TIFF', 0, 'II*\0'], ['TIFF', 0, 'MM\0*'], ['TIFF', 0, 'II+\0'], ['TIFF', 0, 'MM\0+'],
];
const HEIF = ['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'hevm', 'hevs'];
const AVIF = ['avif', 'avis'];
const OTHERS = [
  ['Photoshop (PSD)', '8BPS'], ['PDF', '%PDF'], ['JPEG 2000', '\0\0\0\x0cjP  '], ['JPEG XL', '\0\0\0\x0cJXL '], ['JPEG XL', '\xff\x0a'],
  ['Windows icon (ICO)', '\0\0\x01\0'],
];

/** The name of the format that the bytes claim to be: one of the contract's, or HEIF. */
export function sniff(bytes) {
  if (!bytes.length) throw new Rejected('empty', 'the file has no bytes');
  const start = String.fromCharCode(...bytes.subarray(0, 512));
  const known = SIGNATURES.find(([, at, magic]) => start.startsWith(magic, at));
  if (known) return known[0];
  if (start.startsWith('ftyp', 4)) return sniffIsoMedia(bytes, start);
  const other = OTHERS.find(([, magic]) => start.startsWith(magic));
  if (other) throw new Rejected('unsupported_format', `${other[0]} is not decoded; save it as JPEG or PNG`);
  throw new Rejected('not_an_image', 'the first bytes belong to no known image format');
}

function sniffIsoMedia(bytes, start) {
  const length = Math.max(16, Math.min(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0), 256));
  const brands = [start.slice(8, 12)];
  for (let at = 16; at < length; at += 4) brands.push(start.slice(at, at + 4));
  if (!HEIF.includes(brands[0]) && brands.some((brand) => AVIF.includes(brand))) return 'AVIF';
  if (brands.some((brand) => HEIF.includes(brand)) || ['mif1', 'msf1'].includes(brands[0])) return 'HEIF';
  throw new Rejected('not_an_image', 'this is a video or another file of its kind, not a photo');
}
