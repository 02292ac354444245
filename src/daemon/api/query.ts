/**
 * Reads the query part of a request's target. Nothing is passed over: a parameter that is not asked for, is given twice
 * where one is meant, or has a wrong value becomes the `problem`.
 */
export class Query {
  readonly #params: URLSearchParams;
  readonly #asked = new Set<string>();
  #problem: string | undefined;

  constructor(search: string) {
    this.#params = new URLSearchParams(search);
  }

  /** What is wrong, in one sentence, once everything the request may hold was asked for. */
  get problem(): string | undefined {
    if (this.#problem !== undefined) return this.#problem;
    const unknown = [...this.#params.keys()].find((key) => !this.#asked.has(key));
    return unknown === undefined
      ? undefined
      : `unknown query parameter ${JSON.stringify(unknown.slice(0, 60))}`;
  }

  texts(key: string): readonly string[] {
    this.#asked.add(key);
    const values = this.#params.getAll(key);
    if (values.includes('')) this.#fail(`query parameter ${key} is empty`);
    return values;
  }

  text(key: string): string | undefined {
    const [value, ...more] = this.texts(key);
    if (more.length > 0) this.#fail(`query parameter ${key} is given more than once`);
    return value;
  }

  /** False where it is not given. */
  flag(key: string): boolean {
    return this.choice(key, ['true', 'false']) === 'true';
  }

  choice<const T extends string>(key: string, values: readonly T[]): T | undefined {
    const given = this.text(key);
    const value = values.find((v) => v === given);
    if (given !== undefined && value === undefined) {
      this.#fail(`query parameter ${key} must be one of ${values.join(', ')}`);
    }
    return value;
  }

  /** A whole number from 0 to `most`, both included. */
  count(key: string, most: number): number | undefined {
    const given = this.text(key);
    if (given === undefined) return undefined;
    const value = Number(given);
    if (/^[0-9]{1,16}$/.test(given) && value <= most) return value;
    this.#fail(`query parameter ${key} must be a whole number from 0 to ${most}`);
    return undefined;
  }

  /** Each value as `read` understands it; `what` is expected where it does not. */
  each<T>(key: string, what: string, read: (value: string) => T | undefined): readonly T[] {
    return this.texts(key).flatMap((value) => {
      const found = read(value);
      if (found !== undefined) return [found];
      this.#fail(`query parameter ${key} must be ${what}`);
      return [];
    });
  }

  #fail(problem: string): void {
    this.#problem ??= problem;
  }
}
