interface Rule {
  /** As it was written, normalised. */
  readonly path: string;
  readonly pattern: RegExp;
  readonly isExcept: boolean;
}

/**
 * The patterns of a .dockerignore file, as the docker documentation describes them: one a line, `#` begins a comment,
 * `*` and `?` stay within a path component, `**` stands for any number of them, `!` takes back what was left out, and the
 * last pattern that matches counts. A pattern that matches a folder matches all that is in it.
 *
 * Written here, for no package does it: `@balena/dockerignore` (last released in 2020) takes `(`, `+` and `$` of a name for
 * a regular expression's and throws for some texts; the packages for gitignore and for globs read `[!a]` and a `**`
 * within a name otherwise than Docker does, and so would build other images.
 */
export class IgnoreList {
  readonly #rules: readonly Rule[];

  constructor(text: string) {
    this.#rules = text
      .replace(/^\ufeff/, '')
      .split(/\r?\n/)
      .flatMap(parseLine);
  }

  /** Whether a path, relative to the context and with `/`, is left out. */
  ignores(path: string): boolean {
    let ignored = false;
    for (const { pattern, isExcept } of this.#rules) {
      if (ignored === isExcept && pattern.test(path)) ignored = !isExcept;
    }
    return ignored;
  }

  /** Whether something within an ignored folder may be taken back, so that one has to look into it. */
  mayTakeBackIn(folder: string): boolean {
    return this.#rules.some(({ isExcept, path }) => isExcept && mayLieIn(path, folder));
  }
}

/** Whether a pattern may match something within a folder; without wildcards its text tells. */
function mayLieIn(pattern: string, folder: string): boolean {
  return /[*?[\\]/.test(pattern) || pattern.startsWith(`${folder}/`);
}

function parseLine(line: string): Rule[] {
  if (line.startsWith('#')) return [];
  const text = line.trim();
  const isExcept = text.startsWith('!');
  const path = normalise(isExcept ? text.slice(1).trim() : text);
  if (path === '' || path === '.') return [];
  return [{ path, pattern: new RegExp(`^${translate(path)}(?:/.*)?$`, 's'), isExcept }];
}

/** As a relative path without `.`, `..` and doubled slashes. */
function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts.join('/');
}

function translate(glob: string): string {
  let out = '';
  for (let i = 0; i < glob.length;) {
    const rest = glob.slice(i);
    const set = /^\[\^?(?:\\.|[^\]\\])+\]/s.exec(rest)?.[0];
    const [source, length] = rest.startsWith('**/')
      ? ['(?:.*/)?', 3]
      : rest.startsWith('**')
        ? ['.*', 2]
        : rest.startsWith('*')
          ? ['[^/]*', 1]
          : rest.startsWith('?')
            ? ['[^/]', 1]
            : set !== undefined
              ? [characters(set), set.length]
              : rest.startsWith('\\') && rest.length > 1
                ? [literal(rest.charAt(1)), 2]
                : [literal(rest.charAt(0)), 1];
    out += source;
    i += length;
  }
  return out;
}

/** `[a-z]`, `[^a-z]`: no set holds a slash. */
function characters(set: string): string {
  const isNegated = set.startsWith('[^');
  const body = set.slice(isNegated ? 2 : 1, -1).replace(/\\(.)/gs, '$1');
  const escaped = body.replace(/[\\\]^[]/g, '\\$&');
  return isNegated ? `[^/${escaped}]` : `(?!/)[${escaped}]`;
}

function literal(char: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(char) ? `\\${char}` : char;
}
