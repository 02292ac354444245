/** Takes apart what a terminal sends, so that keys that arrive together, or in pieces, are told apart all the same. */

export type Token =
  /** A key's sequence, a control character, or a single character that was typed. */
  | { readonly kind: 'key'; readonly data: string }
  | { readonly kind: 'mouse'; readonly data: string }
  | { readonly kind: 'paste'; readonly text: string };

// Bracketed paste, and mouse reports in SGR form: xterm's control sequences (ctlseqs).
const PASTE_BEGIN = '\u001b[200~';
const PASTE_END = '\u001b[201~';
const MOUSE = /^\u001b\[<\d+;\d+;\d+[Mm]/;
/** CSI, SS3 (with rxvt's and Linux's own forms), and a character with Alt. */
const SEQUENCE = /^\u001b+(?:\[\[[A-E]|\[[0-?]*[ -/]*[@-~$]|O[0-9;]*[A-Za-z]|[^[O\u001b])/;
/** What may still become one of them. */
const BEGINNING = /^\u001b+(?:\[\[?|\[[0-?]*[ -/]*|O[0-9;]*)?$/;

const LONGEST_PASTE = 64 * 1024;
/** No sequence is longer; what is longer is not waited for. */
const LONGEST_SEQUENCE = 64;

export class InputSplitter {
  #rest = '';
  #paste: string | undefined;

  take(text: string): readonly Token[] {
    const tokens: Token[] = [];
    let rest = this.#rest + text;
    this.#rest = '';
    while (rest !== '') {
      if (this.#paste !== undefined) {
        const end = rest.indexOf(PASTE_END);
        if (end === -1) {
          // The end may have been cut in two.
          const kept = Math.max(0, rest.length - PASTE_END.length + 1);
          this.#addPaste(rest.slice(0, kept));
          this.#rest = rest.slice(kept);
          return tokens;
        }
        this.#addPaste(rest.slice(0, end));
        tokens.push({ kind: 'paste', text: this.#paste });
        this.#paste = undefined;
        rest = rest.slice(end + PASTE_END.length);
        continue;
      }
      if (rest.startsWith(PASTE_BEGIN)) {
        this.#paste = '';
        rest = rest.slice(PASTE_BEGIN.length);
        continue;
      }
      const data = first(rest);
      if (data === undefined) {
        this.#rest = rest;
        return tokens;
      }
      tokens.push({ kind: MOUSE.test(data) ? 'mouse' : 'key', data });
      rest = rest.slice(data.length);
    }
    return tokens;
  }

  /** Whether something was typed that may go on: an Escape by itself, for one. */
  get isWaiting(): boolean {
    return this.#rest !== '' && this.#paste === undefined;
  }

  /** What was waited for did not come. */
  flush(): readonly Token[] {
    const rest = this.#rest;
    if (rest === '' || this.#paste !== undefined) return [];
    this.#rest = '';
    if (/^\u001b+$/.test(rest)) return [{ kind: 'key', data: '\u001b' }];
    return [{ kind: 'key', data: rest.slice(0, 2) }, ...this.take(rest.slice(2))];
  }

  #addPaste(text: string): void {
    this.#paste = ((this.#paste ?? '') + text).slice(0, LONGEST_PASTE);
  }
}

/** The first token; undefined where more has to come before it is known. */
function first(text: string): string | undefined {
  if (!text.startsWith('\u001b')) return String.fromCodePoint(text.codePointAt(0) ?? 0);
  const mouse = MOUSE.exec(text)?.[0];
  if (mouse !== undefined) return mouse;
  if (BEGINNING.test(text) && text.length < LONGEST_SEQUENCE) return undefined;
  return SEQUENCE.exec(text)?.[0] ?? text.slice(0, 1);
}
