import { displayWidth } from '../words/width.ts';

// DECSET 1049 (alternate screen with the cursor saved) and 25 (cursor shown): xterm's control sequences, ctlseqs.
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[H\u001b[2J';
const LEAVE = '\u001b[?25h\u001b[?1049l';

/** The whole of a terminal, painted line by line where a line changed; what stood there before comes back at the end. */
export class FullScreen {
  readonly #write: (text: string) => unknown;
  #lines: readonly string[] = [];
  #size = '';
  #entered = false;

  constructor(write: (text: string) => unknown) {
    this.#write = write;
  }

  /** Lines must fit the width; those beyond the height are left out. A size that differs has everything painted anew. */
  paint(lines: readonly string[], size: { readonly columns: number; readonly rows: number }): void {
    const shown = lines.slice(0, size.rows);
    const key = `${size.columns}x${size.rows}`;
    let out = '';
    if (!this.#entered) out += ENTER;
    else if (key !== this.#size) out += '\u001b[2J';
    const before = this.#entered && key === this.#size ? this.#lines : [];
    for (let row = 0; row < Math.max(shown.length, before.length); row += 1) {
      const line = shown[row] ?? '';
      if (line === (before[row] ?? '')) continue;
      // Behind a full line the cursor stands on its last character still, and that would be erased.
      const rest = displayWidth(line) < size.columns ? '\u001b[K' : '';
      out += `\u001b[${row + 1};1H${line}${rest}`;
    }
    this.#entered = true;
    this.#size = key;
    this.#lines = shown;
    if (out !== '') this.#write(out);
  }

  leave(): void {
    if (!this.#entered) return;
    this.#entered = false;
    this.#lines = [];
    this.#write(LEAVE);
  }
}
