import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRedactor, escapeControl } from '../../src/core/redact.ts';

const redactor = createRedactor({
  patterns: ['DB_*', 'p?n'],
  values: ['s3cr3t-value', 'abc4', 'line one\nline two!'],
});

describe('isSecretKey', () => {
  it.each(['TOKEN', 'api_key', 'MyPasswordHash', 'CLIENT_SECRET', 'MONKEY', 'db_host', 'PIN', 'pan'])(
    'holds for %s',
    (key) => {
      expect(redactor.isSecretKey(key)).toBe(true);
    },
  );

  it.each(['HOST', 'PORT', '', 'XDB_HOST', 'pn', 'paan'])('does not hold for %j', (key) => {
    expect(redactor.isSecretKey(key)).toBe(false);
  });

  it('stays quick for a pattern of many stars', () => {
    const many = createRedactor({ patterns: ['*a'.repeat(200)] });
    expect(many.isSecretKey(`${'a'.repeat(5_000)}b`)).toBe(false);
    expect(many.isSecretKey('a'.repeat(200))).toBe(true);
  });
});

describe('value', () => {
  it('masks the whole of a secret key, and what is secret in any other', () => {
    expect(redactor.value('API_KEY', 'x')).toBe('***');
    expect(redactor.value('URL', 'postgres://u:hunter2@h/db')).toBe('postgres://u:***@h/db');
    expect(redactor.value('PORT', '8080')).toBe('8080');
  });
});

describe('text', () => {
  it.each([
    ['connecting to postgres://app:hunter2@db:5432/shop', 'connecting to postgres://app:***@db:5432/shop'],
    ['redis://:hunter2@h,redis://:hunter3@i', 'redis://:***@h,redis://:***@i'],
    ['amqp://u:p@ss/w?rd@host/v', 'amqp://u:***@host/v'],
    ['https://ghp_abcdef@github.com/a/b', 'https://***@github.com/a/b'],
    ['ssh://git@github.com/a/b', 'ssh://git@github.com/a/b'],
    ['http://localhost:3000/a?b=c@d', 'http://localhost:3000/a?b=c@d'],
    ['http://[::1]:3000/@x', 'http://[::1]:3000/@x'],
    ['TOKEN=abc PORT=1', 'TOKEN=*** PORT=1'],
    ['PASSWORD="two words" PORT=1', 'PASSWORD="***" PORT=1'],
    ["PASSWORD='it is' x", "PASSWORD='***' x"],
    ['PASSWORD="never closed', 'PASSWORD="***'],
    ['{"password":"a\\"b","port":1}', '{"password":"***","port":1}'],
    ['{ token: abc, port: 1 }', '{ token: ***, port: 1 }'],
    ['run --password hunter2 --port 1', 'run --password *** --port 1'],
    ['run --api-key=hunter2 --port=1', 'run --api-key=*** --port=1'],
    ['run --token --verbose', 'run --token --verbose'],
    ['Authorization: Bearer abc.def', 'Authorization: Bearer ***'],
    ['-H "authorization: Basic YTpi" http://x', '-H "authorization: Basic ***" http://x'],
    ['sent Bearer abcdefghijklmnop1234', 'sent Bearer ***'],
    ['KeyError: home is missing', 'KeyError: home is missing'],
    ['unknown key: colour', 'unknown key: colour'],
    ['the value s3cr3t-value is known', 'the value *** is known'],
    ['xs3cr3t-valuey', 'x***y'],
    ['line two!', '***'],
    ['abc4 abc45 xabc4 (abc4)', '*** abc45 xabc4 (***)'],
    ['nothing to see', 'nothing to see'],
  ])('of %s is %s', (text, expected) => {
    expect(redactor.text(text)).toBe(expected);
  });

  it('masks overlapping values wholly, and the longer one of two', () => {
    const overlapping = createRedactor({ values: ['abcdef', 'defghi', 'abcdefghijkl'] });
    expect(overlapping.text('-abcdefghi-')).toBe('-***-');
    expect(overlapping.text('-abcdefghijkl-')).toBe('-***-');
  });

  it('finds values longer than it indexes, and the beginning of one that was cut short', () => {
    const long = 'k'.repeat(64) + 'x'.repeat(200);
    const masks = createRedactor({ values: [long, `${'k'.repeat(64)}yyy`] });
    expect(masks.text(`<${long}>`)).toBe('<***>');
    expect(masks.text(`<${long.slice(0, 100)}>`)).toBe('<***>');
  });

  it('leaves alone what is too short or too common to be looked for', () => {
    const common = createRedactor({ values: ['abc', 'true', 'NULL', ''] });
    expect(common.text('abc true null')).toBe('abc true null');
  });

  const shape = fc.constantFrom('TOKEN=', ' ', '"', 'x://', '@', ':', "'", '\n', '--key ', '{', ',', '#');

  it('never lets a known value through, whatever stands around it', () => {
    const secret = fc.stringMatching(/^[!-~]{6,40}$/).filter((value) => !/^\*+$/.test(value));
    const around = fc.array(fc.oneof(fc.string(), shape)).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(secret, around, around, (value, before, after) => {
        const masks = createRedactor({ values: [value] });
        expect(masks.text(before + value + after)).not.toContain(value);
        expect(masks.line(before + value + after)).not.toContain(value);
      }),
      { numRuns: 500 },
    );
  });

  it('never lets the value of a secret key through, whatever stands before it', () => {
    const before = fc.array(fc.oneof(fc.stringMatching(/^[ -~]*$/), shape)).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(
        before,
        fc.constantFrom('TOKEN=', 'MY_SECRET: ', '"apiKey":', '--password='),
        (head, key) => {
          const bare = redactor.text(`${head} ${key}hunter2hunter2 tail`);
          expect(bare).not.toContain('hunter2hunter2');
          expect(redactor.line(`${head} ${key}hunter2hunter2 tail`)).not.toContain('hunter2hunter2');
        },
      ),
      { numRuns: 500 },
    );
  });

  it('takes time in proportion to the text, even for 1,000 similar values and hostile shapes', () => {
    const values = Array.from({ length: 1_000 }, (_, i) => `secret-prefix-secret-prefix-${i}`);
    const masks = createRedactor({ values });
    for (const unit of [
      'secret-prefix-',
      'a.',
      '"key":"',
      'a://b:',
      '--key ',
      'key=',
      ' ',
      'key:',
      '\\"',
      "'",
    ]) {
      const text = unit.repeat(Math.ceil(200_000 / unit.length));
      expect(masks.text(text)).toBeTypeOf('string');
      expect(masks.line(text)).toHaveLength(text.length);
    }
  }, 10_000);
});

describe('line', () => {
  it.each([
    ['  DB_PASSWORD: hunter2  # c', '  DB_PASSWORD: *******  # c'],
    ['  API_KEY: correct horse # c', '  API_KEY: ************* # c'],
    ['- API_KEY=abc def', '- API_KEY=*******'],
    ['- "API_KEY=abc def"  # c', '- "API_KEY=*******"  # c'],
    ['export TOKEN="a b" # c', 'export TOKEN="***" # c'],
    ['env: { token: x, port: 1 }', 'env: { token: *, port: 1 }'],
    ['env: {"token": "x,y", port: 1}', 'env: {"token": "***", port: 1}'],
    ['command: TOKEN=abc node server.js', 'command: TOKEN=*** node server.js'],
    ['url: postgres://u:hunter2@h/d', 'url: postgres://u:*******@h/d'],
    ['  DB_PASSWORD: ${DB_PASSWORD}', '  DB_PASSWORD: ${DB_PASSWORD}'],
    ['  DB_PASSWORD: ${X:-hunter2}', `  DB_PASSWORD: ${'*'.repeat(13)}`],
    ['  TOKEN: |', '  TOKEN: |'],
    ['  keycloak:', '  keycloak:'],
    ['  command: node s3cr3t-value', '  command: node ************'],
    ['', ''],
  ])('of %s is %s', (line, expected) => {
    expect(redactor.line(line)).toBe(expected);
  });

  it('never changes the length', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        expect(redactor.line(`TOKEN: ${text}`)).toHaveLength(text.length + 7);
      }),
    );
  });
});

describe('argv', () => {
  it.each([
    [['node', 'server.js', '--port', '80'], 'node server.js --port 80'],
    [['echo', 'two words', "it's", ''], String.raw`echo 'two words' 'it'\''s' ''`],
    [['sh', '-c', 'a\nb\u001b[2J'], String.raw`sh -c 'a\nb\x1b[2J'`],
    [['x', '--password', 'two words', '--token=a b'], 'x --password *** --token=***'],
    [['env', 'API_KEY=a b', 'PORT=1'], 'env API_KEY=*** PORT=1'],
    [['/usr/bin/mysql', '-phunter2', '-p', 'db'], '/usr/bin/mysql -p*** -p db'],
    [['ssh', '-phunter2'], 'ssh -phunter2'],
    [['curl', '-u', 'me:hunter2', 'https://a:hunter2@b'], 'curl -u *** https://a:***@b'],
    [['redis-cli', '-a', 'hunter2'], 'redis-cli -a ***'],
    [[], ''],
  ])('of %j', (argv, expected) => {
    expect(redactor.argv(argv)).toBe(expected);
  });

  it('is bounded', () => {
    expect(redactor.argv(Array.from({ length: 10_000 }, () => 'argument')).length).toBeLessThan(5_000);
  });
});

describe('args', () => {
  it('masks the argument that follows a secret flag, and leaves the others as they are', () => {
    const redactor = createRedactor({});
    expect(redactor.args(['run', '--password', 'a b', '--api-key=x y', "it's"])).toEqual([
      'run',
      '--password',
      '***',
      '--api-key=***',
      "it's",
    ]);
  });
});

describe('line, of a YAML list of arguments', () => {
  it('masks the argument after a secret flag in its place', () => {
    const redactor = createRedactor({});
    expect(redactor.line('command: [mysql, --password, hunter2, x]')).toBe(
      'command: [mysql, --password, *******, x]',
    );
    expect(redactor.line('command: ["--token", "hunter2"]')).toBe('command: ["--token", "*******"]');
    expect(redactor.line('command: [--password, --verbose]')).toBe('command: [--password, --verbose]');
  });
});

describe('escapeControl', () => {
  it('makes visible what a terminal would act upon', () => {
    expect(escapeControl('a\tb\u0000\u007f\u009b\u202e\u2066\ud800\ufeff')).toBe(
      String.raw`a\tb\x00\x7f\x9b\u202e\u2066\ud800\ufeff`,
    );
    expect(escapeControl('häß 漢 😀 ***')).toBe('häß 漢 😀 ***');
  });

  it('is bounded', () => {
    expect(escapeControl('\u001b'.repeat(1_000), 10)).toBe(String.raw`\x1b\x1b\x...`);
    expect(escapeControl('abc', 3)).toBe('abc');
  });
});
