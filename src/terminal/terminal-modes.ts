/** Modes that are on in a terminal as it comes: wrapping at the last column, and the cursor shown (DECSET, xterm's ctlseqs). */
const ON_BY_DEFAULT: ReadonlySet<number> = new Set([7, 25]);

/** No sequence that sets modes is longer; what is longer is something else. */
const LONGEST = 64;

const ESC = 0x1b;
// CSI ? Pm h and CSI ? Pm l, and what may be the beginning of one.
const COMPLETE = /^\u001b\[\?([0-9;]+)([hl])/;
const BEGINNING = /^\u001b(?:\[(?:\?[0-9;]*)?)?$/;

/**
 * Keeps account of the private modes that a program has set in a terminal (another screen, mouse reports, a hidden
 * cursor), so that they can be undone when the terminal goes to somebody else while the program runs on.
 */
export class TerminalModes {
  readonly #changed = new Set<number>();
  #held = '';

  /** What was written to the terminal, in pieces that may be cut anywhere. */
  see(data: Uint8Array): void {
    if (this.#held === '' && !data.includes(ESC)) return;
    const text = this.#held + Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
    this.#held = '';
    for (let at = text.indexOf('\u001b'); at !== -1; at = text.indexOf('\u001b', at + 1)) {
      const rest = text.slice(at, at + LONGEST);
      const found = COMPLETE.exec(rest);
      if (found !== null) this.#set(found[1] ?? '', found[2] === 'h');
      else if (BEGINNING.test(rest)) this.#held = rest;
    }
  }

  /** What puts the terminal back: colours off, and every mode as it comes. */
  undo(): string {
    const modes = [...this.#changed].sort((a, b) => a - b);
    const off = modes.map((mode) => `\u001b[?${mode}${ON_BY_DEFAULT.has(mode) ? 'h' : 'l'}`);
    return `${off.join('')}\u001b[0m`;
  }

  #set(modes: string, on: boolean): void {
    for (const mode of modes.split(';').map(Number)) {
      if (on === ON_BY_DEFAULT.has(mode)) this.#changed.delete(mode);
      else this.#changed.add(mode);
    }
  }
}
