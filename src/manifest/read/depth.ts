/** Deepest nesting of maps and lists in a manifest. */
export const MAX_DEPTH = 64;

/**
 * Measures nesting from a YAML token stream as it goes by, before anything recursive sees it. In block style depth is
 * read off the columns at which lines and compact items begin; a scalar there counts as a level too, so the measure
 * may be one more than the truth, and never less.
 */
export class DepthGauge {
  readonly #block: { readonly column: number; readonly list: boolean }[] = [];
  #flow = 0;
  #column = 0;
  #atStart = true;
  #inScalar = false;

  get depth(): number {
    return this.#block.length + this.#flow;
  }

  /** `lexeme` is what yaml's lexer yields: a piece of source, or a one-character mark that is not in the source. */
  feed(lexeme: string): void {
    if (this.#inScalar) {
      this.#inScalar = false;
      this.#advance(lexeme);
      return;
    }
    switch (lexeme) {
      case '\x02':
      case '\x18':
        return;
      case '\x1f':
        this.#begin(false);
        this.#inScalar = true;
        return;
      case '-':
        this.#begin(true);
        this.#atStart = this.#flow === 0;
        break;
      case '?':
      case ':':
        this.#begin(false);
        this.#atStart = this.#flow === 0 && lexeme === '?';
        break;
      case '[':
      case '{':
        this.#begin(false);
        this.#flow += 1;
        break;
      case ']':
      case '}':
        this.#flow = Math.max(0, this.#flow - 1);
        break;
      default:
        if (!/^[\s#%&!]/.test(lexeme)) this.#begin(false);
    }
    this.#advance(lexeme);
  }

  #advance(lexeme: string): void {
    const newline = lexeme.lastIndexOf('\n');
    if (newline === -1) {
      this.#column += lexeme.length;
      return;
    }
    this.#column = lexeme.length - newline - 1;
    this.#atStart = this.#flow === 0;
  }

  /** Something begins here: where a line or an item does, it opens, continues or closes collections. */
  #begin(list: boolean): void {
    if (!this.#atStart) return;
    this.#atStart = false;
    const column = this.#column;
    while (this.#isClosedAt(column, list)) this.#block.pop();
    const top = this.#block.at(-1);
    if (top === undefined || top.column < column || (list && !top.list)) this.#block.push({ column, list });
  }

  #isClosedAt(column: number, list: boolean): boolean {
    const top = this.#block.at(-1);
    return top !== undefined && (top.column > column || (top.column === column && top.list && !list));
  }
}
