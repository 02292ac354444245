import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { palette } from '../../src/words/colour.ts';
import { diagnosticsText, tally } from '../../src/words/diagnostics.ts';
import { LogPrinter } from '../../src/cli/output/log-printer.ts';
import { changedRows, LiveBlock, progressFrame, redraw } from '../../src/cli/output/progress.ts';
import type { ProgressRow } from '../../src/words/progress-row.ts';
import { table, type Column } from '../../src/words/table.ts';
import { logText } from '../../src/words/text.ts';
import { displayWidth, padEnd, truncate } from '../../src/words/width.ts';
import type { Diagnostic, Place } from '../../src/core/diagnostic.ts';

describe('width', () => {
  test.each([
    ['', 0],
    ['abc', 3],
    ['ä', 1],
    ['a\u0308', 1],
    ['日本', 4],
    ['✔', 1],
    ['🚀', 2],
    ['\u001b[31mred\u001b[39m', 3],
    ['한글', 4],
    ['ｆｕｌｌ', 8],
    ['zero\u200bwidth', 9],
  ])('%j takes %d columns', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  test('a cut text never takes more than it may, and is whole where it fits', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(20), (text, width) => {
        const cut = truncate(text, width);
        expect(displayWidth(cut)).toBeLessThanOrEqual(width);
        if (displayWidth(text) <= width) expect(cut).toBe(text);
      }),
    );
    expect(truncate('日本語', 4)).toBe('日…');
    expect(truncate('\u001b[31mlong text\u001b[39m', 5)).toBe('\u001b[31mlong…\u001b[0m');
    expect(padEnd('日', 4)).toBe('日  ');
  });
});

describe('table', () => {
  const rows = [{ a: 'x', b: '1', c: 'some words at the end' }];
  const columns: Column<(typeof rows)[number]>[] = [
    { title: 'A', priority: 0, text: (row) => row.a },
    { title: 'B', priority: 1, text: (row) => row.b },
    { title: '', priority: 2, least: 6, text: (row) => row.c },
  ];
  test('cuts the last column first, then drops columns, the highest priority first', () => {
    expect(table(rows, columns, undefined)).toEqual(['A  B', 'x  1  some words at the end']);
    expect(table(rows, columns, 16)).toEqual(['A  B', 'x  1  some word…']);
    expect(table(rows, columns, 11)).toEqual(['A  B', 'x  1']);
    expect(table(rows, columns, 3)).toEqual(['A', 'x']);
  });
});

describe('progress', () => {
  const rows: ProgressRow[] = [
    { icon: 'ok', name: 'migrate', text: 'completed', time: '0.8 s' },
    { icon: 'ok', name: 'db', text: 'running', time: '2.1 s', note: ':5432' },
    { icon: 'busy', name: 'api', text: 'waiting for db' },
    { icon: 'bad', name: 'worker', text: 'backoff 1.9 s (2)', note: "Cannot find module './queue'" },
  ];
  const options = { tick: 3, columns: 80, rows: 10, colours: palette(false) };

  test('a frame lines up names, states and times', () => {
    expect(progressFrame(rows, { ...options, head: 'Starting' })).toEqual([
      'Starting',
      ' ✔ migrate  completed          0.8 s',
      ' ✔ db       running            2.1 s  :5432',
      ' ⠸ api      waiting for db',
      " ✖ worker   backoff 1.9 s (2)         Cannot find module './queue'",
    ]);
  });

  test('a frame keeps within the terminal, and what is settled gives way', () => {
    expect(progressFrame(rows, { ...options, rows: 3, columns: 24 })).toEqual([
      ' ⠸ api     waiting for …',
      ' ✖ worker  backoff 1.9 …',
      '   and 2 more',
    ]);
    for (let height = 1; height < 8; height += 1) {
      expect(progressFrame(rows, { ...options, rows: height }).length).toBeLessThanOrEqual(height);
    }
  });

  test('what is redrawn leaves exactly the new frame on the screen, whatever the old one', () => {
    const frame = fc.array(fc.constantFrom('a', 'bb', 'ccc', ''), { maxLength: 6 });
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 6 }), (frames) => {
        const screen = new Screen();
        let last: readonly string[] = [];
        for (const next of frames) {
          screen.write(redraw(last, next));
          last = next;
          expect(screen.lines()).toEqual(trimEmpty(next));
        }
      }),
    );
  });

  test('equal frames write nothing, and equal lines are not written again', () => {
    expect(redraw(['a', 'b'], ['a', 'b'])).toBe('');
    expect(redraw(['same', 'old', 'low'], ['same', 'new', 'low'])).toBe('\u001b[2A\rnew\u001b[K\n\u001b[1B');
  });

  test('lines printed above a live block scroll away, and the block stays last', () => {
    const screen = new Screen();
    const block = new LiveBlock((text) => screen.write(text));
    block.update(['one', 'two']);
    block.print('log 1\n');
    block.update(['one', 'three']);
    block.print('log 2\n');
    expect(screen.lines()).toEqual(['log 1', 'log 2', 'one', 'three']);
    block.leave();
    block.update(['next']);
    expect(screen.lines()).toEqual(['log 1', 'log 2', 'one', 'three', 'next']);
  });

  test('without a terminal a line is printed for each change alone', () => {
    const row = { icon: 'busy', name: 'api', text: 'backoff 1.9 s (1)', key: 'backoff 1' } as const;
    const first = changedRows(new Map(), [row]);
    expect(first.lines).toEqual(['api: backoff 1.9 s (1)']);
    const second = changedRows(first.seen, [{ ...row, text: 'backoff 1.8 s (1)' }]);
    expect(second.lines).toEqual([]);
    expect(
      changedRows(second.seen, [{ ...row, key: 'running', text: 'running', time: '2 s' }]).lines,
    ).toEqual(['api: running (2 s)']);
  });
});

/** Just enough of a terminal: lines, cursor up and down, erase to the end of the line and of the screen. */
class Screen {
  readonly #rows: string[] = [''];
  #row = 0;
  #column = 0;

  write(text: string): boolean {
    for (const [token] of text.matchAll(/\u001b\[\d*[A-Z]|[\s\S]/g)) this.#put(token);
    return true;
  }

  lines(): string[] {
    return trimEmpty(this.#rows);
  }

  #put(token: string): void {
    const n = Number(/\d+/.exec(token)?.[0] ?? 1);
    if (token === '\n') {
      this.#row += 1;
      this.#column = 0;
      if (this.#row === this.#rows.length) this.#rows.push('');
    } else if (token === '\r') this.#column = 0;
    else if (token.endsWith('A') && token.startsWith('\u001b')) this.#row -= n;
    else if (token.endsWith('B') && token.startsWith('\u001b')) this.#row += n;
    else if (token === '\u001b[K')
      this.#rows[this.#row] = (this.#rows[this.#row] ?? '').slice(0, this.#column);
    else if (token === '\u001b[J') {
      this.#rows[this.#row] = (this.#rows[this.#row] ?? '').slice(0, this.#column);
      this.#rows.length = this.#row + 1;
    } else {
      const row = (this.#rows[this.#row] ?? '').padEnd(this.#column);
      this.#rows[this.#row] = row.slice(0, this.#column) + token + row.slice(this.#column + 1);
      this.#column += 1;
    }
  }
}

function trimEmpty(lines: readonly string[]): string[] {
  const kept = [...lines];
  while (kept.length > 0 && kept.at(-1) === '') kept.pop();
  return kept;
}

describe('diagnostics', () => {
  const place = (more: Partial<Place> = {}): Place => ({
    file: '/home/ada/shop/setpoint.yaml',
    line: 7,
    column: 5,
    endColumn: 11,
    source: '    comand: node server.js',
    ...more,
  });
  const text = (...diagnostics: Diagnostic[]): string =>
    diagnosticsText(diagnostics, { cwd: '/home/ada/shop', color: false });
  const base = {
    severity: 'error',
    code: 'unknown-key',
    message: 'unknown key `comand` in service `api`',
  } as const;

  test('show the place, the line and the caret', () => {
    expect(text({ ...base, labels: [{ place: place(), note: 'did you mean `command`?' }] })).toBe(
      `error[unknown-key]: unknown key \`comand\` in service \`api\`
  --> setpoint.yaml:7:5
   |
 7 |     comand: node server.js
   |     ^^^^^^ did you mean \`command\`?
`,
    );
  });

  test('show several places one below the other, with their notes lined up', () => {
    const labels = [
      { place: place({ line: 9, column: 18 }), note: 'api depends on cache here' },
      { place: place({ line: 14, column: 18 }), note: 'cache depends on api here' },
    ];
    const cycle = { severity: 'error', code: 'dependency-cycle', message: 'api -> cache -> api' } as const;
    expect(text({ ...base, labels: [], help: 'remove it' }, { ...cycle, labels })).toBe(
      `error[unknown-key]: unknown key \`comand\` in service \`api\`
  help: remove it

error[dependency-cycle]: api -> cache -> api
  --> setpoint.yaml:9:18   api depends on cache here
  --> setpoint.yaml:14:18  cache depends on api here
`,
    );
  });

  test('keep the caret under the text behind tabs and wide characters', () => {
    const source = '\tname: 日本 comand # ü';
    const column = source.indexOf('comand') + 1;
    const labels = [{ place: place({ source, column, endColumn: column + 6 }) }];
    const [, , , shown = '', marks = ''] = text({ ...base, labels }).split('\n');
    expect(shown).toBe(' 7 |     name: 日本 comand # ü');
    expect(displayWidth(marks.slice(0, marks.indexOf('^')))).toBe(
      displayWidth(shown.slice(0, shown.indexOf('comand'))),
    );
    expect(marks.trimEnd().endsWith('| ' + ' '.repeat(15) + '^^^^^^')).toBe(true);
  });

  test('show control characters instead of obeying them', () => {
    const labels = [{ place: place({ source: 'a\u001b[2Jb', column: 7, endColumn: 8 }) }];
    const shown = text({ ...base, message: 'bad \u202e text', labels });
    expect(shown).toContain('bad \\u202e text');
    expect(shown).toContain(' 7 | a\\x1b[2Jb\n');
    expect(shown).not.toContain('\u001b');
  });

  test('show a window of a very long line, with the caret in it', () => {
    const source = `${'x'.repeat(5000)}comand${'y'.repeat(5000)}`;
    const [, , , shown = '', marks = ''] = text({
      ...base,
      labels: [{ place: place({ source, column: 5001, endColumn: 5007 }) }],
    }).split('\n');
    expect(shown.length).toBeLessThan(180);
    expect(marks.indexOf('^')).toBe(shown.indexOf('comand'));
    expect(marks.lastIndexOf('^') - marks.indexOf('^')).toBe(5);
  });

  test('name a file without a line where there is no text to show', () => {
    const where = { file: '/etc/x', line: 1, column: 1 };
    expect(text({ ...base, message: 'it is a directory', labels: [{ place: where }] })).toBe(
      'error[unknown-key]: it is a directory\n  --> ../../../etc/x\n'.replace('../../../etc/x', '/etc/x'),
    );
  });

  test('are counted in words', () => {
    const warning = { ...base, severity: 'warning', labels: [] } as const;
    const error = { ...base, labels: [] };
    expect([tally([]), tally([error, error, warning]), tally([warning, warning])]).toEqual([
      undefined,
      '2 errors, 1 warning',
      '2 warnings',
    ]);
  });

  test('are coloured on request', () => {
    const shown = diagnosticsText([{ ...base, labels: [] }], { cwd: '/', color: true });
    expect(shown).toContain('\u001b[31merror[unknown-key]\u001b[39m');
  });
});

describe('logs', () => {
  test.each([
    ['plain', 'plain', 'plain'],
    ['\u001b[31mred', '\u001b[31mred\u001b[0m', 'red'],
    ['\u001b[2J\u001b[Hclear', 'clear', 'clear'],
    ['\u001b]0;title\u0007x', 'x', 'x'],
    ['10%\r50%\r100%', '100%', '100%'],
    ['tab\tkept', 'tab\tkept', 'tab\tkept'],
    ['bell\u0007 \u009b31m', 'bell 31m', 'bell 31m'],
    ['torn \u001b[3', 'torn 3', 'torn 3'],
  ])('%j for a terminal', (text, coloured, bare) => {
    expect(logText(text, true)).toBe(coloured);
    expect(logText(text, false)).toBe(bare);
  });

  const style = { color: false, keep: 'all', timestamps: false, prefix: true } as const;
  const line = { service: 'api', instance: 'api.1', stream: 'stdout', time: 0, at: 0, text: 'x' } as const;

  test('pieces of a line are joined, and another line in between ends it', () => {
    const printer = new LogPrinter({
      ...style,
      names: new Map([
        ['api.1', 'api'],
        ['web.1', 'web-site'],
      ]),
    });
    const out = [
      printer.line({ ...line, text: 'aaa', partial: true }),
      printer.line({ ...line, text: 'bbb' }),
      printer.line({ ...line, text: 'ccc', partial: true }),
      printer.line({ ...line, instance: 'web.1', text: 'other' }),
      printer.line({ ...line, text: 'ddd', partial: true }),
      printer.notice('exited', 'api.1'),
    ].join('');
    expect(out).toBe(
      'api      | aaabbb\napi      | ccc\nweb-site | other\napi      | ddd\napi      * exited\n',
    );
  });

  test('what was skipped is said', () => {
    const printer = new LogPrinter({ ...style, names: new Map() });
    expect(printer.line({ ...line, skipped: 2048 })).toBe(
      'api.1 | (2 KiB left out: the output came faster than it could be shown)\napi.1 | x\n',
    );
  });
});
