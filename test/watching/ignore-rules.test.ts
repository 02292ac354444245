import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ignoreRules } from '../../src/watching/ignore-rules.ts';
import { lacks } from '../rig/needs.ts';

describe('ignoreRules', () => {
  /** A path that ends with `/` is a folder. */
  const table: [pattern: string, ignored: string[], kept: string[]][] = [
    ['*.log', ['a.log', 'x/y/a.log', '.log', 'x/.hidden/b.log'], ['a.log.txt', 'log']],
    ['**/*.log', ['a.log', 'x/y/a.log'], ['a.txt']],
    ['dist', ['dist', 'dist/', 'x/dist'], ['dist2', 'adist']],
    ['dist/', ['dist/', 'x/dist/'], ['dist', 'x/dist']],
    ['/dist', ['dist', 'dist/'], ['x/dist']],
    ['./dist', ['dist'], ['x/dist']],
    ['src/gen', ['src/gen', 'src/gen/'], ['x/src/gen', 'src/gen2']],
    ['src/**', ['src/a', 'src/a/b'], ['src/', 'x/src/a']],
    ['src/**/test', ['src/test', 'src/a/b/test'], ['src/a/tests', 'test']],
    ['**', ['a', 'a/b'], []],
    ['a?c', ['abc', 'a😀c'], ['ac', 'abbc', 'a/c']],
    ['*.py[co]', ['a.pyc', 'x/a.pyo'], ['a.py', 'a.pyd']],
    ['[!a-c]x', ['dx', '-x'], ['ax', 'bx', 'x']],
    ['[]x]', [']', 'x'], ['[]x]']],
    ['[a', ['[a'], ['a']],
    ['*.{ts,js}', ['a.ts', 'x/b.js'], ['a.{ts,js}', 'a.css']],
    ['{src,lib/{a,b}}/*.tmp', ['src/x.tmp', 'lib/a/x.tmp', 'lib/b/x.tmp'], ['lib/x.tmp', 'x.tmp']],
    ['{a}', ['{a}'], ['a']],
    ['{a,b', ['{a,b'], ['a']],
    ['\\*.log', ['*.log'], ['a.log']],
    ['\\{a,b}', ['{a,b}'], ['a']],
    ['#*#', ['#a#'], ['a']],
    ['', [], ['', 'a']],
    ['/', [], ['a', 'a/']],
    ['!', [], ['a']],
    ['a//b', [], ['a/b']],
    ['../x', [], ['x']],
    ['{a,b}'.repeat(12), [], ['ababababab']],
  ];
  for (const [pattern, ignored, kept] of table) {
    it(`takes ${pattern.slice(0, 30)} for what it says`, () => {
      const rules = ignoreRules([pattern]);
      const ask = (path: string): boolean => rules(path.replace(/\/$/, ''), path.endsWith('/'));
      expect(ignored.filter((path) => !ask(path))).toEqual([]);
      expect(kept.filter(ask)).toEqual([]);
    });
  }

  it('lets the last pattern that matches decide', () => {
    const rules = ignoreRules(['*.log', '!keep.log', 'x/keep.log']);
    expect(['a.log', 'keep.log', 'x/keep.log', 'y/keep.log'].map((path) => rules(path, false))).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  it('comes to an end on patterns that are made to take for ever', () => {
    const rules = ignoreRules([`${'*a'.repeat(100)}b`, `${'**/a/'.repeat(60)}b`]);
    expect(rules(`${'a/'.repeat(500)}${'a'.repeat(250)}`, false)).toBe(false);
  });

  it('says the same as git does', (context) => {
    const lack = lacks('git');
    if (lack !== undefined) context.skip(lack);
    const dir = mkdtempSync(join(tmpdir(), 'setpoint-glob-'));
    try {
      execFileSync('git', ['init', '-q', dir]);
      const name = fc.string({
        unit: fc.constantFrom('a', 'b', '*', '?', '[ab]', '[!a]'),
        minLength: 1,
        maxLength: 4,
      });
      const pattern = fc
        .tuple(
          fc.constantFrom('', '', '!', '/', '**/'),
          fc.array(fc.oneof(name, fc.constant('**')), { minLength: 1, maxLength: 3 }),
        )
        .map(([before, parts]) => before + parts.join('/'))
        // There git itself is of two minds.
        .filter((text) => !text.includes('***') && !/\*\*\/\*\*/.test(text));
      const path = fc
        .array(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 3 }), {
          minLength: 1,
          maxLength: 3,
        })
        .map((names) => names.join('/'));
      const cases = fc.sample(
        fc.tuple(
          fc.array(pattern, { minLength: 1, maxLength: 3 }),
          fc.array(path, { minLength: 20, maxLength: 20 }),
        ),
        60,
      );
      let seen = 0;
      for (const [patterns, paths] of cases) {
        writeFileSync(join(dir, '.gitignore'), patterns.join('\n'));
        const ignored = byGit(dir, paths);
        seen += ignored.length;
        expect({ patterns, ignored: paths.filter((one) => isIgnored(patterns, one)) }).toEqual({
          patterns,
          ignored,
        });
      }
      expect(seen).toBeGreaterThan(50);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

/** As whoever walks the tree sees it: what is in a folder that is left out is never asked for. */
function isIgnored(patterns: readonly string[], path: string): boolean {
  const rules = ignoreRules(patterns);
  const names = path.split('/');
  return names.some((_, i) => rules(names.slice(0, i + 1).join('/'), i + 1 < names.length));
}

function byGit(dir: string, paths: readonly string[]): string[] {
  try {
    const ignored = execFileSync('git', ['-C', dir, 'check-ignore', '--no-index', '--stdin', '-z'], {
      input: paths.join('\0'),
      encoding: 'utf8',
    });
    return ignored.split('\0').filter((path) => path !== '');
  } catch {
    return [];
  }
}
