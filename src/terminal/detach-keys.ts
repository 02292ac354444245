import { err, ok, type Result } from '../core/util/result.ts';

/** The bytes of a sequence such as `ctrl-p,ctrl-q` or `ctrl-],q`: control characters or single ones, between commas. */
export function parseDetachKeys(text: string): Result<Uint8Array, string> {
  const bytes: number[] = [];
  for (const key of text.split(',')) {
    const control = /^ctrl-([a-z@[\]\\^_])$/i.exec(key)?.[1];
    if (control !== undefined) bytes.push(control.toUpperCase().charCodeAt(0) & 0x1f);
    else if (/^[!-~]$/.test(key)) bytes.push(key.charCodeAt(0));
    else return err('detach keys are such as ctrl-p,ctrl-q: ctrl- and a letter, or single characters');
  }
  return ok(Uint8Array.from(bytes));
}

/** Finds the detach keys in what is typed, and passes the rest on: keys that begin the sequence, once it is not one. */
export class DetachKeys {
  readonly #keys: Uint8Array;
  #matched = 0;

  constructor(keys: Uint8Array) {
    this.#keys = keys;
  }

  /** What goes on to the service, and whether the sequence was typed; what follows it goes nowhere. */
  take(data: Uint8Array): { readonly pass: Uint8Array; readonly detached: boolean } {
    const pass: number[] = [];
    for (const byte of data) {
      this.#step(byte, pass);
      if (this.#matched === this.#keys.length) return { pass: Uint8Array.from(pass), detached: true };
    }
    return { pass: Uint8Array.from(pass), detached: false };
  }

  #step(byte: number, pass: number[]): void {
    const held = [...this.#keys.subarray(0, this.#matched), byte];
    // As much of what is held as still begins the sequence is held on; the rest is passed on.
    while (held.length > 0 && !held.every((one, index) => one === this.#keys[index])) {
      pass.push(held.shift() ?? byte);
    }
    this.#matched = held.length;
  }
}
