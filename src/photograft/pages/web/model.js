// A bundle that is loaded: networks in ONNX Runtime (WebAssembly, one thread, no graphics card), heads and decisions.
import * as ort from './runtime/ort.js';
import { classNames, compose, describe, factorsOf } from './compose.js';
import { decode, toPixels } from './contract.js';
import { Rejected } from './rejected.js';
import { strangeness } from './strangeness.js';
import { readTensors } from './tensors.js';
import { makeViews } from './views.js';

const TOLERANCE = 1e-4;

/** Loads the bundle at `address` (ends with a slash). `onBytes` is told how many bytes came. */
export async function load(address, onBytes = () => {}) {
  const get = (path) => fetchBytes(new URL(path.split('/').map(encodeURIComponent).join('/'), address), onBytes);
  const info = JSON.parse(new TextDecoder().decode(await get('bundle.json')));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await fetchBytes(new URL('./runtime/ort.wasm', import.meta.url), onBytes);
  const model = new Model(info, get);
  await model.open();
  return model;
}

async function fetchBytes(url, onBytes) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.pathname}: ${answer.status} ${answer.statusText}`);
  const parts = [];
  for (const reader = answer.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts).arrayBuffer();
    parts.push(value);
    onBytes(value.length);
  }
}

class Model {
  constructor(info, get) {
    this.info = info;
    this.get = get;
    this.contracts = info.contracts.map(({ contract }) => contract);
    this.sessions = new Map();
    this.heads = new Map();
    this.familiar = null;
    this.lowest = info.decisions.unsure ? info.decisions.unsure.min_probability : 0;
  }

  async open() {
    for (const { id, file } of this.info.networks) {
      this.sessions.set(id, await ort.InferenceSession.create(await this.get(file), { executionProviders: ['wasm'] }));
    }
    for (const { id, weights } of this.info.heads) this.heads.set(id, readTensors(await this.get(weights)));
    const { unfamiliar } = this.info.decisions;
    if (unfamiliar) this.familiar = readTensors(await this.get(unfamiliar.file));
  }

  /** What the page needs to know. */
  get summary() {
    const { info } = this;
    return {
      classes: classNames(info), factors: factorsOf(info).map(({ name }) => name), several: Boolean(info.targets[0].thresholds),
      tested: info.tested, licences: info.licences, networks: info.networks.map(({ source }) => source.name),
      px: this.contracts.map(({ crop }) => crop.px), maxMegabytes: (info.inputs.limits || {}).max_file_mb,
    };
  }

  /** The answer for the bytes of one file. A file that cannot be used gives a row with the reason. */
  async predict(name, bytes) {
    try {
      return await this.describe(name, await decode(bytes, this.contracts));
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      return { name, status: 'rejected', label: null, probability: null, top: [], reason: error.message };
    }
  }

  /** The answer for a picture that is there already, such as one of the camera. */
  predictPicture(name, picture) {
    return this.describe(name, toPixels(picture, this.contracts));
  }

  async describe(name, pixels) {
    const embeddings = await this.embed(pixels);
    const { unfamiliar } = this.info.decisions;
    const strange = Boolean(unfamiliar) && strangeness(embeddings[unfamiliar.network], this.familiar) > unfamiliar.limit;
    return describe(name, compose(this.logits(embeddings), this.info), this.info, { strange, lowest: this.lowest });
  }

  /** Plays the golden pictures: {n, difference, same}; `same` says whether all is as it was when the model was made. */
  async check() {
    let difference = 0;
    for (const want of this.info.golden) {
      const got = compose(this.logits(await this.embed(await decode(new Uint8Array(await this.get(want.file)), this.contracts))), this.info);
      const pairs = Object.entries(want.outputs).map(([name, expected]) => [expected, got.targets[name]]);
      if (want.joint) pairs.push([want.joint, got.whole]);
      for (const [expected, own] of pairs) difference = Math.max(difference, ...expected.map((p, k) => Math.abs(p - own[k])));
    }
    return { n: this.info.golden.length, difference, same: difference <= TOLERANCE };
  }

  /** Embeddings by network, the mean over its views. `pixels` are those of each contract. */
  async embed(pixels) {
    const embeddings = {};
    for (const { id, contract } of this.info.networks) {
      const index = this.info.contracts.findIndex((each) => each.id === contract);
      const views = makeViews(pixels[index], this.contracts[index].crop.px, this.info.views.find((each) => each.network === id));
      const tensor = new ort.Tensor('uint8', views.data, [views.n, views.px, views.px, 3]);
      const { embedding } = await this.sessions.get(id).run({ pixels: tensor }, ['embedding']);
      embeddings[id] = mean(embedding.data, views.n);
      embedding.dispose();
    }
    return embeddings;
  }

  /** Logits by head. */
  logits(embeddings) {
    return Object.fromEntries(this.info.heads.map(({ id, network }) => {
      const { weight, bias } = this.heads.get(id);
      const embedding = embeddings[network], n = embedding.length;
      return [id, Array.from(bias.values, (sum, k) => {
        for (let i = 0; i < n; i++) sum += weight.values[k * n + i] * embedding[i];
        return sum;
      })];
    }));
  }
}

function mean(values, n) {
  if (n === 1) return Float32Array.from(values);
  const length = values.length / n;
  return Float32Array.from({ length }, (_, i) => {
    let sum = 0;
    for (let view = 0; view < n; view++) sum += values[view * length + i];
    return sum / n;
  });
}
