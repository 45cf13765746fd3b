// Why a file is no photo: the same words that `photograft predict` and the server use.

/** One file that cannot be used. `code` is one of the verdicts that texts.js has words for. */
export class Rejected extends Error {
  constructor(code, reason) {
    super(`${code}: ${reason}`);
    this.code = code;
  }
}

/** A file that may be well, but needs a decoder that is not written here: the browser's own is asked then. */
export class NotDecodedHere extends Error {}
