// The worker that holds the model: asked for one photo at a time, ended and begun anew where a photo takes too long.

const PATIENCE_S = 30;

/** Listens to what the worker tells of itself by `on`: {bytes(n), ready(summary), checked(result), failed(reason)}. */
export class Asking {
  constructor(on) {
    this.on = on;
    this.waiting = null;
    this.turn = Promise.resolve();
    this.begin();
  }

  begin() {
    this.worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    this.started = new Promise((resolve) => { this.start = resolve; });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = (event) => this.hear({ kind: 'failed', reason: event.message || 'worker.js' });
  }

  hear({ kind, n, summary, row, reason, ms, ...rest }) {
    if (kind === 'bytes') this.on.bytes(n);
    else if (kind === 'failed') this.on.failed(reason);
    else if (kind === 'checked') this.on.checked({ n, reason, ...rest });
    else if (kind === 'row') this.waiting?.({ row, ms });
    else {
      this.start();
      this.on.ready(summary);
    }
  }

  /** The answer for {name, file} or {name, frame}: {row, ms}; null where it took too long. */
  ask(question) {
    this.turn = this.turn.then(async () => {
      await this.started;
      const answered = new Promise((resolve) => { this.waiting = resolve; });
      this.worker.postMessage(question, question.frame ? [question.frame] : []);
      let clock;
      const late = new Promise((resolve) => { clock = setTimeout(resolve, PATIENCE_S * 1000, null); });
      const answer = await Promise.race([answered, late]);
      clearTimeout(clock);
      if (!answer) {
        this.worker.terminate();
        this.begin();
      }
      return answer;
    });
    return this.turn;
  }
}

export { PATIENCE_S };
