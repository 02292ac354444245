import type { Diagnostic, Label, Place } from '../core/diagnostic.ts';

/** More problems than this are counted, not kept: a hostile file must not become a hostile answer. */
const MAX_KEPT = 500;

interface Extra {
  /** Said at the caret. */
  readonly note?: string | undefined;
  readonly help?: string | undefined;
  readonly also?: readonly Label[];
  /** Two problems with the same code, first place and `same` are one; default: the message. */
  readonly same?: string;
}

/** Collects what is wrong, each thing once, and hands it out in the order of the files' text. */
export class Report {
  readonly #kept = new Map<string, Diagnostic>();
  readonly #files: string[] = [];
  #errors = 0;
  #dropped = 0;

  get errors(): number {
    return this.#errors;
  }

  /** Whether further problems are only counted: help for them need not be looked for. */
  get full(): boolean {
    return this.#kept.size >= MAX_KEPT;
  }

  error(code: string, place: Place, message: string, extra: Extra = {}): void {
    this.#make('error', code, place, message, extra);
  }

  warning(code: string, place: Place, message: string, extra: Extra = {}): void {
    this.#make('warning', code, place, message, extra);
  }

  add(diagnostic: Diagnostic, same = diagnostic.message): void {
    const place = diagnostic.labels[0]?.place;
    const key = [diagnostic.code, place?.file, place?.line, place?.column, same].join('\0');
    if (this.#kept.has(key)) return;
    if (diagnostic.severity === 'error') this.#errors += 1;
    if (this.full) this.#dropped += 1;
    else this.#kept.set(key, diagnostic);
  }

  /** Counts errors that nobody needs to look at any more. */
  drop(count: number): void {
    this.#errors += count;
    this.#dropped += count;
  }

  /** Fixes the order in which the problems of several files are told: that of the first call for each. */
  order(file: string): void {
    if (!this.#files.includes(file)) this.#files.push(file);
  }

  /** Ordered by file, line and column; those without a place come first. */
  list(): Diagnostic[] {
    const all = [...this.#kept.values()].sort((a, b) =>
      this.#compare(a.labels[0]?.place, b.labels[0]?.place),
    );
    if (this.#dropped > 0) {
      all.push({
        severity: this.#errors > 0 ? 'error' : 'warning',
        code: 'too-many-problems',
        message: `${this.#dropped} more problems are not shown`,
        labels: [],
      });
    }
    return all;
  }

  #make(severity: Diagnostic['severity'], code: string, place: Place, message: string, extra: Extra): void {
    const first: Label = extra.note === undefined ? { place } : { place, note: extra.note };
    const labels = [first, ...(extra.also ?? [])];
    const diagnostic = { severity, code, message, labels };
    this.add(
      extra.help === undefined ? diagnostic : { ...diagnostic, help: extra.help },
      extra.same ?? message,
    );
  }

  #compare(a: Place | undefined, b: Place | undefined): number {
    if (a === undefined || b === undefined) return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1);
    return (
      this.#files.indexOf(a.file) - this.#files.indexOf(b.file) || a.line - b.line || a.column - b.column
    );
  }
}
