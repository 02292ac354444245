import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEnvFile } from '../../../src/manifest/read/env-file.ts';
import type { EnvFile } from '../../../src/manifest/read/env-file.ts';

const HOST: Readonly<Record<string, string>> = { HOME: '/home/ann', BOTH: 'from the host' };

function parse(content: string, format: 'dotenv' | 'raw' = 'dotenv'): EnvFile {
  const lookup = (name: string): string | undefined => (Object.hasOwn(HOST, name) ? HOST[name] : undefined);
  return parseEnvFile(content, { file: '.env', format, lookup });
}

/** `severity code line:column | source`, then the message. */
function told(file: EnvFile): string[] {
  return file.diagnostics.map(({ severity, code, message, labels }) => {
    const place = labels[0]?.place;
    return `${severity} ${code} ${place?.line}:${place?.column} | ${place?.source} | ${message}`;
  });
}

describe('format dotenv', () => {
  it.each([
    ['A=b', { A: 'b' }],
    ['A =b', { A: 'b' }],
    ['A= b ', { A: 'b' }],
    ['  A=b', { A: 'b' }],
    ['\tA=b', { A: 'b' }],
    ['A: 1', { A: '1' }],
    ['A: x=y', { A: 'x=y' }],
    ['A=1:B', { A: '1:B' }],
    ['A=x=', { A: 'x=' }],
    ['A=', { A: '' }],
    ['A=\nB=c', { A: '', B: 'c' }],
    ['A=1\nA=2', { A: '2' }],
    ['A.B-C_D=1', { 'A.B-C_D': '1' }],
    ['export A=2', { A: '2' }],
    ['\texport\tA=2', { A: '2' }],
    ['export=2', { export: '2' }],
    ['export =2', { export: '2' }],
    ['exportA=2', { exportA: '2' }],
    ['export A="export A"', { A: 'export A' }],
    ['# a comment\n \t # another\n\n \nA=b', { A: 'b' }],
    ['A=b # c', { A: 'b' }],
    ['A=b #c', { A: 'b' }],
    ['A=b#c', { A: 'b#c' }],
    ['A=#c', { A: '#c' }],
    ['A= # c', { A: '' }],
    ['A="b#c"', { A: 'b#c' }],
    ['A="b#c"#d', { A: 'b#c' }],
    ["A='b # c' # d", { A: 'b # c' }],
    ['A=a\\tb', { A: 'a\\tb' }],
    ['A="a\\tb\\nc\\rd\\"e\\\\f"', { A: 'a\tb\nc\rd"e\\f' }],
    ['A="\\a\\b\\f\\v\\0101"', { A: '\x07\b\f\vA' }],
    ['A="\\x07\\u12e4\\0999\\0777\\ \\z"', { A: '\\x07\\u12e4\\0999\\0777\\ \\z' }],
    ["A='a\\tb\\\\c'", { A: 'a\\tb\\\\c' }],
    ["A='it\\'s'", { A: "it's" }],
    ['A="it\'s"', { A: "it's" }],
    ['A=\'say "x"\'', { A: 'say "x"' }],
    ['A=it"s"', { A: 'it"s"' }],
    ['A="one\ntwo\n"\nB=c', { A: 'one\ntwo\n', B: 'c' }],
    ["A='one\n# two' # three\nB=c", { A: 'one\n# two', B: 'c' }],
    ['A=b\r\nC="d\r\ne"\r\n', { A: 'b', C: 'd\ne' }],
    ['\uFEFFA=b', { A: 'b' }],
    ['HOME', { HOME: '/home/ann' }],
    ['export HOME\nMISSING\nA=b', { HOME: '/home/ann', A: 'b' }],
    ['A=b\nB=$A/${A}\nC="$B"\nD=\'$B\'', { A: 'b', B: 'b/b', C: 'b/b', D: '$B' }],
    ['BOTH=from the file\nA=$BOTH', { BOTH: 'from the file', A: 'from the host' }],
    ['A=$$x\nB="\\$x"\nC="\\${x} $$"', { A: '$x', B: '$x', C: '${x} $' }],
    ['A="${MISSING:-a \\"b\\"}"', { A: 'a "b"' }],
    ['A=${MISSING:-x}', { A: 'x' }],
    ['A=2 cents: $5', { A: '2 cents: $5' }],
    ['constructor=a\ntoString=b', { constructor: 'a', toString: 'b' }],
    ['', {}],
  ])('reads %j', (content, values) => {
    const file = parse(content);
    expect(told(file)).toEqual([]);
    expect(file.values).toEqual(values);
  });

  it('takes a key named __proto__ for a key like any other', () => {
    const { values } = parse('__proto__=x');
    expect(Object.getPrototypeOf(values)).toBe(Object.prototype);
    expect(Object.entries(values)).toEqual([['__proto__', 'x']]);
  });

  it.each([
    ['=x', 'error invalid-env-file 1:1 | *** | there is no key before the value'],
    [
      'A=b\n  lol$wut',
      'error invalid-env-file 2:6 | *** | a key holds letters, digits, `_`, `.` and `-` only, and `=` comes after it',
    ],
    [
      'TWO WORDS=x',
      'error invalid-env-file 1:5 | *** | a key holds letters, digits, `_`, `.` and `-` only, and `=` comes after it',
    ],
    ['$x=1', 'error invalid-env-file 1:1 | *** | this is not `KEY=VALUE`'],
    ['A="b', 'error invalid-env-file 1:3 | A=*** | the quote that opens here is never closed'],
    ["A='b\\'", 'error invalid-env-file 1:3 | A=*** | the quote that opens here is never closed'],
    [
      'export A="b" c',
      'error invalid-env-file 1:14 | export A=*** | only a comment can stand behind the closing quote',
    ],
    [
      'A="b\nB=c" d',
      'error invalid-env-file 2:6 | *** | only a comment can stand behind the closing quote; it was opened on line 1',
    ],
    ['A=b ${x', 'error invalid-interpolation 1:5 | A=*** | `${` is never closed'],
    [
      'A="b ${x!}"',
      'error invalid-interpolation 1:6 | A=*** | after `${x` comes `}` or one of `:-` `-` `:?` `?` `:+` `+`',
    ],
    [
      'A="\\n${x!}"',
      'error invalid-interpolation 1:4 | A=*** | after `${x` comes `}` or one of `:-` `-` `:?` `?` `:+` `+`',
    ],
    ['A=${x:?set x}', 'error required-variable 1:3 | A=*** | the variable x is required but not set: set x'],
    [
      'A=${services.db.host}',
      'error reference-not-allowed 1:3 | A=*** | `services.db.host` cannot be used here: only variables can',
    ],
    ['A=b\0c', 'error invalid-env-file 1:3 | A=*** | a value cannot hold a NUL character'],
  ])('refuses %j', (content, diagnostic) => {
    const file = parse(content);
    expect(told(file)).toEqual([diagnostic]);
    expect(file.values).toEqual(content.startsWith('A=b\n') ? { A: 'b' } : {});
  });

  it('warns of an unset variable and uses empty', () => {
    const file = parse('A="one\ntwo"\nB=x $MISSING');
    expect(told(file)).toEqual([
      'warning unset-variable 3:5 | B=*** | the variable MISSING is not set: empty is used',
    ]);
    expect(file.values).toEqual({ A: 'one\ntwo', B: 'x ' });
  });

  it('reads on behind an invalid line and tells all problems', () => {
    const file = parse('A=1\n?\nB="x" y\nC=3\n=\nD=${\n');
    expect(file.diagnostics.map(({ labels }) => labels[0]?.place.line)).toEqual([2, 3, 5, 6]);
    expect(file.values).toEqual({ A: '1', C: '3' });
  });

  it('tells a bounded number of problems and says that there are more', () => {
    const file = parse('?\n'.repeat(100_000));
    expect(file.diagnostics).toHaveLength(101);
    expect(file.diagnostics.at(-1)?.message).toMatch(/more problems .* not read further/);
    const warned = parse('A=$MISSING\n'.repeat(500) + 'B=${');
    expect(warned.diagnostics.at(-1)?.severity).toBe('error');
    expect(parse('A=$MISSING\n'.repeat(500) + 'B=c').values).toEqual({ A: '', B: 'c' });
  });

  it('stops where values double from line to line', () => {
    const lines = Array.from({ length: 60 }, (_, index) => `A${index + 1}=$A${index}$A${index}`);
    const file = parse(`A0=${'x'.repeat(10_000)}\n${lines.join('\n')}`);
    expect(file.diagnostics.some(({ severity }) => severity === 'error')).toBe(true);
    const size = Object.values(file.values).reduce((sum, value) => sum + value.length, 0);
    expect(size).toBeLessThan(9 * 1024 * 1024);
  });

  it('never shows a value in a diagnostic', () => {
    const secret = 'hunter2xyz';
    const files = [
      `A=${secret}\nB=$A \${A!}\nC=\${N:?$A}\nD=\${A`,
      `A="${secret}`,
      `A="x" ${secret}`,
      `A="x\n${secret}" ${secret}`,
      `A="x\n${secret}=" ${secret}`,
      `${secret} ${secret}=x ${secret}`,
      `=${secret}`,
      `- ${secret}`,
      `A=\0${secret}`,
    ];
    for (const content of files) {
      for (const format of ['dotenv', 'raw'] as const) {
        expect(JSON.stringify(parse(content, format).diagnostics)).not.toContain(secret);
      }
    }
  });

  it('reads back any value that is escaped and quoted', () => {
    const value = fc.string({ unit: 'binary' }).filter((text) => !/[\0\r]/.test(text));
    fc.assert(
      fc.property(value, (text) => {
        const quoted = text.replaceAll(/["\\$]/g, '\\$&').replaceAll('\n', '\\n');
        expect(parse(`A="${quoted}"\nB=c`)).toEqual({ values: { A: text, B: 'c' }, diagnostics: [] });
      }),
    );
  });

  it('never throws, and places every problem inside the file', () => {
    const tokens = [
      'A',
      'B',
      '=',
      ':',
      ' ',
      '\n',
      '\r\n',
      '"',
      "'",
      '\\',
      '$',
      '${',
      '}',
      '#',
      'export ',
      '\0',
      '?',
      '\uFEFF',
    ];
    const content = fc.array(fc.constantFrom(...tokens), { maxLength: 40 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(content, fc.constantFrom('dotenv', 'raw'), (text, format) => {
        const lines = text
          .replace(/^\uFEFF/, '')
          .replaceAll('\r\n', '\n')
          .split('\n');
        for (const { labels } of parse(text, format).diagnostics) {
          const place = labels[0]!.place;
          expect(lines[place.line - 1]).toBeDefined();
          expect(place.column).toBeGreaterThanOrEqual(1);
          expect(place.column).toBeLessThanOrEqual(lines[place.line - 1]!.length + 1);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('format raw', () => {
  it('takes values as they are', () => {
    const file = parse('# c\n  A= "b" # c \nB=$A\\n\'\r\n\nC=\nHOME\nMISSING\nexport=x\nD=e=f', 'raw');
    expect(file).toEqual({
      values: { A: ' "b" # c ', B: "$A\\n'", C: '', HOME: '/home/ann', export: 'x', D: 'e=f' },
      diagnostics: [],
    });
  });

  it('refuses a line without a key and a key with spaces', () => {
    const file = parse('=x\nA B=y\nexport C=z\nD=1', 'raw');
    expect(told(file)).toEqual([
      'error invalid-env-file 1:1 | *** | there is no key before `=`',
      'error invalid-env-file 2:1 | *** | a key holds no spaces',
      'error invalid-env-file 3:1 | export C=*** | a key holds no spaces',
    ]);
    expect(file.values).toEqual({ D: '1' });
  });
});
