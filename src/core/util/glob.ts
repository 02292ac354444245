/** Whether a path is left out. It is relative, with `/` between its names; the folders it is in are not looked at. */
export type IgnoreRules = (path: string, isFolder: boolean) => boolean;

/** Braces that come to more alternatives than this stand for themselves. */
const MOST_ALTERNATIVES = 256;

/**
 * Patterns as in gitignore(5), with braces besides: a name without `/` is meant at any depth, one with a `/` before its
 * end from the root on; `/` at the end: folders alone; `*` and `?` within a name, `**` over any number of folders;
 * `[a-z]`, `[!a-z]`, `{a,b}`; `\` takes the meaning away from what follows; `!` in front takes back what patterns before
 * it have left out. The last pattern that matches decides. What is not well formed stands for itself. Takes at most the
 * product of the lengths of pattern and path.
 */
export function ignoreRules(patterns: readonly string[]): IgnoreRules {
  const rules = patterns.flatMap(parseRule).reverse();
  return (path, isFolder) => {
    const names = path.split('/');
    return (
      rules.find((rule) => (isFolder || !rule.foldersOnly) && matchesPath(rule, names))?.ignores ?? false
    );
  };
}

type Token =
  /** Any number of characters. */
  | { readonly kind: 'run' }
  | { readonly kind: 'one' }
  | {
      readonly kind: 'set';
      readonly negated: boolean;
      readonly ranges: readonly (readonly [string, string])[];
    }
  | { readonly kind: 'char'; readonly char: string };

/** What stands between two slashes: a pattern for one name, or `**`. */
type Part = readonly Token[] | '**';

interface Rule {
  readonly ignores: boolean;
  readonly foldersOnly: boolean;
  readonly parts: readonly Part[];
}

function parseRule(pattern: string): readonly Rule[] {
  const negated = pattern.startsWith('!');
  return alternatives(negated ? pattern.slice(1) : pattern).flatMap((text) => {
    const foldersOnly = text.endsWith('/');
    const body = foldersOnly ? text.slice(0, -1) : text;
    const names = body.split('/').filter((name, i) => !(i === 0 && (name === '' || name === '.')));
    if (names.length === 0 || names.includes('')) return [];
    const parts: Part[] = names.map((name) => (name === '**' ? '**' : tokens(name)));
    if (!body.includes('/')) parts.unshift('**');
    // What is below a folder is not the folder itself.
    if (parts.at(-1) === '**') parts.push([{ kind: 'run' }]);
    return [{ ignores: !negated, foldersOnly, parts }];
  });
}

/** Every way to take one of each pair of braces. */
function alternatives(pattern: string): readonly string[] {
  let done: string[] = [];
  let open = [pattern];
  while (open.length > 0) {
    const expanded: string[] = [];
    for (const text of open) {
      const braces = firstBraces(text);
      if (braces === undefined) done.push(text);
      else expanded.push(...braces.choices.map((choice) => braces.before + choice + braces.after));
    }
    open = expanded;
    if (done.length + open.length > MOST_ALTERNATIVES) {
      done = [pattern];
      open = [];
    }
  }
  return done;
}

/** The first pair of braces with a comma directly in it. */
function firstBraces(
  text: string,
): { readonly before: string; readonly choices: readonly string[]; readonly after: string } | undefined {
  for (let start = 0; start < text.length; start += 1) {
    if (text[start] === '\\') start += 1;
    else if (text[start] === '{') {
      const cuts = commasUpToEnd(text, start);
      if (cuts === undefined || cuts.length < 2) continue;
      const choices = cuts.map((cut, i) => text.slice((cuts[i - 1] ?? start) + 1, cut));
      return { before: text.slice(0, start), choices, after: text.slice((cuts.at(-1) ?? start) + 1) };
    }
  }
  return undefined;
}

/** Where the commas of the braces at `start` are, and last where they end. */
function commasUpToEnd(text: string, start: number): readonly number[] | undefined {
  const cuts: number[] = [];
  let depth = 0;
  for (let i = start; i < text.length; i += 1) {
    const char = text[i];
    if (char === '\\') i += 1;
    else if (char === '{') depth += 1;
    else if (char === ',' && depth === 1) cuts.push(i);
    else if (char === '}') {
      depth -= 1;
      if (depth === 0) return [...cuts, i];
    }
  }
  return undefined;
}

function tokens(name: string): readonly Token[] {
  const chars = charsOf(name);
  const found: Token[] = [];
  for (let i = 0; i < chars.length; i += 1) {
    const char = chars[i] ?? '';
    if (char === '*') {
      if (found.at(-1)?.kind !== 'run') found.push({ kind: 'run' });
    } else if (char === '?') found.push({ kind: 'one' });
    else if (char === '\\' && i + 1 < chars.length) {
      i += 1;
      found.push({ kind: 'char', char: chars[i] ?? '' });
    } else {
      const set = char === '[' ? setAt(chars, i) : undefined;
      found.push(set?.token ?? { kind: 'char', char });
      if (set !== undefined) i = set.end;
    }
  }
  return found;
}

/** The set whose `[` is at `start`; `]` right behind that is one of its characters. */
function setAt(
  chars: readonly string[],
  start: number,
): { readonly token: Token; readonly end: number } | undefined {
  const negated = chars[start + 1] === '!' || chars[start + 1] === '^';
  const first = start + (negated ? 2 : 1);
  const ranges: (readonly [string, string])[] = [];
  let i = first;
  const take = (): string => {
    if (chars[i] === '\\' && i + 1 < chars.length) i += 1;
    const char = chars[i] ?? '';
    i += 1;
    return char;
  };
  while (i < chars.length) {
    if (chars[i] === ']' && i > first) return { token: { kind: 'set', negated, ranges }, end: i };
    const from = take();
    const isRange = chars[i] === '-' && i + 1 < chars.length && chars[i + 1] !== ']';
    if (isRange) i += 1;
    ranges.push([from, isRange ? take() : from]);
  }
  return undefined;
}

function matchesPath({ parts }: Rule, names: readonly string[]): boolean {
  return matchesAll(
    parts,
    names,
    (part) => part === '**',
    (part, name) =>
      part !== '**' && matchesAll(part, charsOf(name), ({ kind }) => kind === 'run', matchesChar),
  );
}

/** Code points: what `?` stands for. */
function charsOf(text: string): readonly string[] {
  return Array.from(text);
}

function matchesChar(token: Token, char: string): boolean {
  switch (token.kind) {
    case 'run':
    case 'one':
      return true;
    case 'set':
      return token.ranges.some(([from, to]) => from <= char && char <= to) !== token.negated;
    case 'char':
      return token.char === char;
  }
}

/**
 * Whether the items follow the pattern, in which some elements (`isRun`) stand for any number of items. Where it does not
 * go on, the last such element takes one item more; earlier ones need never be looked at again.
 */
function matchesAll<P, T>(
  pattern: readonly P[],
  items: readonly T[],
  isRun: (element: P) => boolean,
  matches: (element: P, item: T) => boolean,
): boolean {
  let at = 0;
  let lastRun: { readonly at: number; upTo: number } | undefined;
  for (let i = 0; i < items.length;) {
    const element = pattern[at];
    if (element !== undefined && isRun(element)) {
      lastRun = { at, upTo: i };
      at += 1;
    } else if (element !== undefined && matches(element, items[i] as T)) {
      at += 1;
      i += 1;
    } else if (lastRun !== undefined) {
      lastRun.upTo += 1;
      at = lastRun.at + 1;
      i = lastRun.upTo;
    } else {
      return false;
    }
  }
  return pattern.slice(at).every(isRun);
}
