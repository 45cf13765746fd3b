// Safetensors files: {name: {shape, values: Float32Array, or Uint8Array of bytes}}.

export function readTensors(buffer) {
  const view = new DataView(buffer);
  const length = Number(view.getBigUint64(0, true));
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(head)) {
    if (name === '__metadata__') continue;
    tensors[name] = { shape, values: readValues(dtype, buffer.slice(8 + length + offsets[0], 8 + length + offsets[1])) };
  }
  return tensors;
}

function readValues(type, bytes) {
  if (type === 'F32') return new Float32Array(bytes);
  if (type === 'F64') return Float32Array.from(new Float64Array(bytes));
  if (type === 'F16') return Float32Array.from(new Uint16Array(bytes), half);
  if (type === 'U8') return new Uint8Array(bytes);
  throw new Error(`a tensor of type ${type}`);
}

/** The number that 16 bits stand for: sign, five bits of exponent, ten of fraction. */
function half(bits) {
  const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
