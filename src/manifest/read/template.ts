/** The syntax of interpolation: text to parts. What the parts stand for is decided in interpolate.ts. */

/** `braces` is for shell scripts: `$PATH`, `$1` and `$$` belong to the shell, only `${...}` is interpolated. */
export type InterpolationMode = 'full' | 'braces';

type Operator = '-' | ':-' | '?' | ':?' | '+' | ':+';

/** A problem inside a text; `offset` and `length` count UTF-16 units from its start. */
export interface TextProblem {
  readonly severity: 'error' | 'warning';
  readonly code: string;
  readonly message: string;
  readonly offset: number;
  readonly length: number;
  readonly help?: string;
}

interface Span {
  readonly offset: number;
  readonly length: number;
}

export interface Variable extends Span {
  readonly kind: 'variable';
  readonly name: string;
  readonly operation?: {
    readonly operator: Operator;
    readonly operand: readonly Part[];
    /** The operand as written, with `$$` for a literal `$`. */
    readonly source: string;
  };
}

/** A dotted name, such as `services.db.host`. */
export interface Reference extends Span {
  readonly kind: 'reference';
  readonly path: string;
}

export type Part = string | Variable | Reference;

interface Template {
  readonly parts: readonly Part[];
  readonly problems: readonly TextProblem[];
}

/** How deep expressions may stand inside each other's operands. */
const MAX_NESTING = 32;

/** Of one text; what comes after is only more of the same. */
export const MAX_PROBLEMS = 100;

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const PATH = /[A-Za-z0-9_.-]*/y;
const OPERATOR = /:?[-?+]/y;

/**
 * Reads a text in one pass, in time linear in its length. After an invalid expression, which is left out of the parts,
 * reading goes on behind its closing brace.
 *
 * The grammar is Compose's: `$NAME`, `${NAME}`, `${NAME<operator><operand>}` with expressions inside the operand, `$$`
 * for `$`; a `$` before anything else is literal. Braces inside an operand are counted, so `${A:-{"b": 1}}` is one
 * expression. In mode `braces`, `$$` stands for `$` only before a `{`.
 */
export function parseTemplate(text: string, mode: InterpolationMode): Template {
  return new Parser(text, mode).parse();
}

class Parser {
  readonly #text: string;
  readonly #mode: InterpolationMode;
  readonly #problems: TextProblem[] = [];
  #position = 0;
  /** Start of the outermost expression that has no closing brace. */
  #unclosed: number | undefined;

  constructor(text: string, mode: InterpolationMode) {
    this.#text = text;
    this.#mode = mode;
  }

  parse(): Template {
    const parts = this.#parts(0);
    if (this.#unclosed !== undefined) {
      this.#problem(this.#unclosed, 2, '`${` is never closed', this.#escapeHelp());
    }
    return { parts, problems: this.#problems.sort((a, b) => a.offset - b.offset) };
  }

  /** Reads to the end of the text or, inside an operand (depth above 0), up to the brace that closes it. */
  #parts(depth: number): Part[] {
    const text = this.#text;
    const parts: Part[] = [];
    let literal = '';
    let from = this.#position;
    let open = 0;
    const flush = (): void => {
      literal += text.slice(from, this.#position);
      if (literal !== '') parts.push(literal);
      literal = '';
    };
    while (this.#position < text.length) {
      const char = text[this.#position];
      if (depth > 0 && char === '}') {
        if (open === 0) break;
        open -= 1;
      } else if (depth > 0 && char === '{') {
        open += 1;
      }
      if (char !== '$') {
        this.#position += 1;
      } else if (this.#isEscape()) {
        literal += text.slice(from, this.#position + 1);
        this.#position += 2;
        from = this.#position;
      } else if (this.#startsExpression()) {
        flush();
        const part = this.#expression(depth);
        if (part !== undefined) parts.push(part);
        from = this.#position;
      } else {
        // In a script `$$` is the shell's; both go by at once, so that `$$${A}` is `$$` and then `${A}`.
        this.#position += text[this.#position + 1] === '$' ? 2 : 1;
      }
    }
    flush();
    return parts;
  }

  #isEscape(): boolean {
    const next = this.#text[this.#position + 1];
    return next === '$' && (this.#mode === 'full' || this.#text[this.#position + 2] === '{');
  }

  #startsExpression(): boolean {
    const next = this.#text[this.#position + 1] ?? '';
    return next === '{' || (this.#mode === 'full' && /[A-Za-z_]/.test(next));
  }

  #expression(depth: number): Part | undefined {
    const offset = this.#position;
    if (this.#text[offset + 1] !== '{') {
      this.#position += 1;
      const name = this.#match(NAME);
      return { kind: 'variable', name, offset, length: this.#position - offset };
    }
    this.#position += 2;
    if (depth >= MAX_NESTING) {
      return this.#invalid(offset, `expressions are nested more than ${MAX_NESTING} deep`);
    }
    const name = this.#match(NAME);
    if (name === '')
      return this.#invalid(offset, 'a variable name starts with a letter or `_`, right after `${`');
    if (this.#text[this.#position] === '.') return this.#reference(offset, name);
    const operator = this.#match(OPERATOR);
    if (operator !== '') return this.#operation(offset, name, operator as Operator, depth);
    if (this.#text[this.#position] !== '}') {
      return this.#invalid(
        offset,
        `after \`\${${name}\` comes \`}\` or one of \`:-\` \`-\` \`:?\` \`?\` \`:+\` \`+\``,
      );
    }
    this.#position += 1;
    return { kind: 'variable', name, offset, length: this.#position - offset };
  }

  #reference(offset: number, head: string): Part | undefined {
    const path = head + this.#match(PATH);
    if (this.#text[this.#position] !== '}') {
      return this.#invalid(offset, `the reference \`${path}\` takes no default and no other operator`);
    }
    this.#position += 1;
    return { kind: 'reference', path, offset, length: this.#position - offset };
  }

  #operation(offset: number, name: string, operator: Operator, depth: number): Part | undefined {
    const start = this.#position;
    const operand = this.#parts(depth + 1);
    if (this.#position >= this.#text.length) {
      this.#unclosed = offset;
      return undefined;
    }
    const source = this.#text.slice(start, this.#position);
    this.#position += 1;
    const length = this.#position - offset;
    return { kind: 'variable', name, operation: { operator, operand, source }, offset, length };
  }

  /** Reports an expression and skips it; nothing takes its place. */
  #invalid(offset: number, message: string): Part | undefined {
    this.#position = offset + 2;
    let open = 1;
    while (this.#position < this.#text.length && open > 0) {
      const char = this.#text[this.#position];
      if (char === '{') open += 1;
      else if (char === '}') open -= 1;
      this.#position += 1;
    }
    if (open > 0) this.#unclosed = offset;
    else this.#problem(offset, this.#position - offset, message, this.#escapeHelp());
    return undefined;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#position;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#position += found.length;
    return found;
  }

  #escapeHelp(): string {
    return this.#mode === 'braces'
      ? 'write `$${` where the shell is to see `${`'
      : 'write `$$` for a literal dollar sign';
  }

  #problem(offset: number, length: number, message: string, help: string): void {
    if (this.#problems.length >= MAX_PROBLEMS) return;
    this.#problems.push({ severity: 'error', code: 'invalid-interpolation', message, offset, length, help });
  }
}
