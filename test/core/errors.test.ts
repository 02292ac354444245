import { describe, expect, it } from 'vitest';
import { explainError, isSafePattern, lastMeaningfulLine } from '../../src/core/errors.ts';

describe('explainError', () => {
  it('takes the first pattern in the order given, even where a later one matches a later line', () => {
    const patterns = [
      { match: 'EADDRINUSE.*:(\\d+)', message: 'port $1 is taken' },
      { match: 'boom', message: 'it went boom' },
    ];
    expect(explainError(['listen EADDRINUSE: address in use :::8080', 'boom'], patterns)).toBe(
      'port 8080 is taken',
    );
  });

  it('takes the last line that a pattern matches', () => {
    expect(explainError(['fail 1', 'fail 2', 'bye'], [{ match: 'fail (\\d)', message: 'no. $1' }])).toBe(
      'no. 2',
    );
  });

  it('fills in named groups and leaves out those that took no part', () => {
    const patterns = [
      { match: 'no (?<what>\\w+)(?: in (?<where>\\w+))?', message: '$<what>/$<where>/$<other>/$2/$0' },
    ];
    expect(explainError(['no file'], patterns)).toBe('file////$0');
  });

  it('says nothing where nothing matches, and passes over patterns that are not safe', () => {
    expect(explainError(['x'], [{ match: 'y', message: 'm' }])).toBeUndefined();
    expect(explainError(['aaa'], [{ match: '(a+)+', message: 'm' }])).toBeUndefined();
    expect(explainError(['x'], [{ match: '(', message: 'm' }])).toBeUndefined();
  });

  it('looks at the last 200 lines only, and gives at most 200 characters without control characters', () => {
    const lines = ['needle', ...Array.from({ length: 200 }, () => 'hay')];
    expect(explainError(lines, [{ match: 'needle', message: 'found' }])).toBeUndefined();
    const long = explainError(['x'], [{ match: 'x', message: `\u001b[2J${'y'.repeat(500)}` }]);
    expect(long?.length).toBeLessThanOrEqual(200);
    expect(long).toMatch(/^\\x1b\[2Jyyy/);
  });

  it('matches beneath colours', () => {
    expect(explainError(['\u001b[31mfatal\u001b[0m: disk'], [{ match: '^fatal: (.+)', message: '$1' }])).toBe(
      'disk',
    );
  });

  it('matches ordinary lines in full although the pattern has several wildcards', () => {
    const line = `Error: listen ${'E'.repeat(150)}: address ${'x'.repeat(200)}:8080`;
    const patterns = [{ match: 'Error: listen (\\w+): address (.*):(\\d+)', message: 'port $3' }];
    expect(explainError([line], patterns)).toBe('port 8080');
  });

  it.each(['.*.*.*x', '(.*)(.*)a(.*)y$', '\\s*\\s*\\s*\\s*z', 'a{0,900}a{0,900}a{0,900}b'])(
    'cannot be held up by hostile output: %s',
    (match) => {
      const hostile = Array.from({ length: 200 }, () => `${'a'.repeat(500)}${' '.repeat(500)}`);
      expect(isSafePattern(match)).toEqual({ ok: true });
      expect(explainError(hostile, [{ match, message: 'm' }])).toBeUndefined();
    },
    10_000,
  );
});

describe('isSafePattern', () => {
  it.each([
    "Cannot find module '(.+?)'",
    '^(?:\\d{1,3}\\.){3}\\d{1,3}$',
    '(?:ECONNREFUSED|ETIMEDOUT) (?<where>\\S+)',
    '[^)]*\\)',
    'a+b*c?',
    '(?:abc)+',
    '\\p{Lu}+',
    '',
  ])('accepts %s', (source) => {
    expect(isSafePattern(source)).toEqual({ ok: true });
  });

  it.each([
    '(a+)+b',
    '(?:a|a)*b',
    '(?:a?){30}b',
    '((a{0,9}){9})b',
    '([a-z]+)*$',
    '(x+x+)+y',
    '(?:(?:a*)?)+',
    '(.)\\1',
    '(?<q>.)\\k<q>',
    '(',
    '[z-a]',
    'a{5000}',
    '.*.*.*.*.*.*.*',
    'x'.repeat(2_000),
    '('.repeat(400) + ')'.repeat(400) + '(a*)*',
  ])('refuses %s', (source) => {
    const checked = isSafePattern(source);
    expect(checked.ok).toBe(false);
    expect(checked.ok ? '' : checked.error).not.toBe('');
  });
});

describe('lastMeaningfulLine', () => {
  it('finds the message above the frames of Node', () => {
    const lines = [
      'node:internal/modules/cjs/loader:1148',
      '  throw err;',
      '  ^',
      '',
      "Error: Cannot find module './queue'",
      'Require stack:',
      '- /srv/worker.js',
      '    at Module._resolveFilename (node:internal/modules/cjs/loader:1145:15)',
      '    at node:internal/main/run_main_module:28:49 {',
      "  code: 'MODULE_NOT_FOUND',",
      "  requireStack: [ '/srv/worker.js' ]",
      '}',
      '',
      'Node.js v20.20.0',
    ];
    expect(lastMeaningfulLine(lines)).toBe("Cannot find module './queue'");
  });

  it.each([
    [
      ['Traceback (most recent call last):', '  File "a.py", line 1, in <module>', "KeyError: 'HOME'"],
      "KeyError: 'HOME'",
    ],
    [
      [
        'panic: no disk',
        '',
        'goroutine 1 [running]:',
        'main.main()',
        '\t/src/main.go:5 +0x1d',
        'exit status 2',
      ],
      'panic: no disk',
    ],
    [['starting', 'sh: 1: nope: not found', ''], 'sh: 1: nope: not found'],
    [['Error: earlier', 'went on and then said goodbye'], 'went on and then said goodbye'],
    [['', '   at nowhere'], 'at nowhere'],
  ])('of %j is %s', (lines, expected) => {
    expect(lastMeaningfulLine(lines)).toBe(expected);
  });

  it('of nothing is nothing', () => {
    expect(lastMeaningfulLine([])).toBeUndefined();
    expect(lastMeaningfulLine(['', ' \t'])).toBeUndefined();
  });

  it('is bounded', () => {
    expect(lastMeaningfulLine(['x'.repeat(100_000)])?.length).toBe(200);
  });
});
