import { Minimatch } from 'minimatch';

/** Whether a path is left out. It is relative, with `/` between its names; the folders it is in are not looked at. */
export type IgnoreRules = (path: string, isFolder: boolean) => boolean;

/** `minimatch` takes no longer than the product of the lengths of pattern and path, and matches hidden names with `dot`. */
const OPTIONS = { dot: true, nonegate: true, nocomment: true, noext: true, platform: 'linux' } as const;

/** Braces that come to more alternatives than this are cut off. */
const MOST_ALTERNATIVES = 256;

interface Rule {
  readonly ignores: boolean;
  readonly foldersOnly: boolean;
  readonly pattern: Minimatch;
}

/**
 * Patterns as in gitignore(5), with braces besides: a name without `/` is meant at any depth, one with a `/` before its
 * end from the root on; `/` at the end: folders alone; `*` and `?` within a name, `**` over any number of folders;
 * `[a-z]`, `[!a-z]`, `{a,b}`; `\` takes the meaning away from what follows; `!` in front takes back what patterns before
 * it have left out. The last pattern that matches decides. What is not well formed stands for itself.
 *
 * The package `ignore` has all that but braces. But it makes regular expressions of patterns, and a dozen asterisks in a
 * manifest would hold the daemon for minutes.
 */
export function ignoreRules(patterns: readonly string[]): IgnoreRules {
  const rules = patterns.flatMap(parseRule).reverse();
  return (path, isFolder) =>
    rules.find((rule) => (isFolder || !rule.foldersOnly) && rule.pattern.match(path))?.ignores ?? false;
}

function parseRule(text: string): readonly Rule[] {
  const ignores = !text.startsWith('!');
  const whole = ignores ? text : text.slice(1);
  const foldersOnly = whole.endsWith('/');
  const body = foldersOnly ? whole.slice(0, -1) : whole;
  const path = body.replace(/^\.?\//, '');
  if (path === '' || path.split('/').includes('')) return [];
  const anywhere = body.includes('/') ? '' : '**/';
  const pattern = new Minimatch(anywhere + path, { ...OPTIONS, braceExpandMax: MOST_ALTERNATIVES });
  return [{ ignores, foldersOnly, pattern }];
}
