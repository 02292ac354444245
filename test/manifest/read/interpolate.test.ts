import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { err, ok } from '../../../src/core/util/result.ts';
import {
  interpolateNode,
  interpolateText,
  MAX_TEXT_LENGTH,
  retype,
} from '../../../src/manifest/read/interpolate.ts';
import type { InterpolatedText, NodeOptions, TextOptions } from '../../../src/manifest/read/interpolate.ts';
import type { MapEntry, Node, ScalarNode } from '../../../src/manifest/read/node.ts';
import { parseReference } from '../../../src/manifest/read/reference.ts';

const ENV: Readonly<Record<string, string>> = {
  FOO: 'first',
  EMPTY: '',
  JSON: '{"a":1}',
  SELF: '$FOO ${FOO}',
};

function interpolate(text: string, more: Partial<TextOptions> = {}): InterpolatedText {
  return interpolateText(text, {
    mode: 'full',
    lookup: (name) => (Object.hasOwn(ENV, name) ? ENV[name] : undefined),
    reference: (path) =>
      path === 'services.db.ports.http'
        ? ok({ ref: 'port', service: 'db', port: 'http' })
        : path === 'project.dir'
          ? ok('/srv/$FOO')
          : err({ message: `\`${path}\` refers to nothing`, help: 'look again' }),
    allowReferences: true,
    ...more,
  });
}

function codes(result: InterpolatedText): string[] {
  return result.problems.map((problem) => `${problem.code}@${problem.offset}+${problem.length}`);
}

describe('interpolateText', () => {
  it.each([
    ['plain', 'plain'],
    ['$FOO', 'first'],
    ['${FOO}', 'first'],
    ['a${FOO}b$FOO', 'afirstbfirst'],
    ['$FOO-bar', 'first-bar'],
    ['$$', '$'],
    ['$${FOO}', '${FOO}'],
    ['$$FOO', '$FOO'],
    ['$$$FOO', '$first'],
    ['a $ b', 'a $ b'],
    ['^x$', '^x$'],
    ['$}', '$}'],
    ['$1 $@', '$1 $@'],
    ['${NONE:-def}', 'def'],
    ['${NONE-def}', 'def'],
    ['${EMPTY:-def}', 'def'],
    ['${EMPTY-def}', ''],
    ['${FOO:-def}', 'first'],
    ['${FOO-def}', 'first'],
    ['${NONE:-}', ''],
    ['${NONE:+alt}', ''],
    ['${NONE+alt}', ''],
    ['${EMPTY:+alt}', ''],
    ['${EMPTY+alt}', 'alt'],
    ['${FOO:+alt}', 'alt'],
    ['${FOO+alt}', 'alt'],
    ['${FOO:?no}', 'first'],
    ['${FOO?no}', 'first'],
    ['${EMPTY?no}', ''],
    ['${EMPTY:-/non:-alphanumeric?+}', '/non:-alphanumeric?+'],
    ['${NONE:-$FOO}', 'first'],
    ['${NONE:-${FOO} ${FOO:+second}}', 'first second'],
    ['${NONE:-${EMPTY:-${FOO}}}!', 'first!'],
    ['${NONE:-{"a":{"b":1}}}', '{"a":{"b":1}}'],
    ['${JSON:-{"a":{"b":1}}}', '{"a":1}'],
    ['${NONE:-$${FOO}}', '${FOO}'],
    ['${NONE:-a$$b}', 'a$b'],
    ['${NONE:-two\nlines}', 'two\nlines'],
    ['${SELF}', '$FOO ${FOO}'],
    ['${project.dir}/x', '/srv/$FOO/x'],
  ])('makes %j %j', (text, expected) => {
    expect(interpolate(text)).toMatchObject({ text: expected, problems: [] });
  });

  it.each([
    ['${', 'invalid-interpolation@0+2'],
    ['ab ${FOO', 'invalid-interpolation@3+2'],
    ['x${NONE:-${FOO}', 'invalid-interpolation@1+2'],
    ['x${NONE:-${FOO', 'invalid-interpolation@1+2'],
    ['${}', 'invalid-interpolation@0+3'],
    ['${ }', 'invalid-interpolation@0+4'],
    ['${ FOO}', 'invalid-interpolation@0+7'],
    ['${FOO }', 'invalid-interpolation@0+7'],
    ['a${1x}b', 'invalid-interpolation@1+5'],
    ['${FOO!x}', 'invalid-interpolation@0+8'],
    ['${FOO:=x}', 'invalid-interpolation@0+9'],
    ['${FOO:x}', 'invalid-interpolation@0+8'],
    ['${a!{b}c}${FOO}', 'invalid-interpolation@0+9'],
    ['${project.dir:-x}', 'invalid-interpolation@0+17'],
    ['${FOO:-${1}}', 'invalid-interpolation@7+4'],
    ['${nothing.here}', 'invalid-reference@0+15'],
  ])('points into %j at %s', (text, problem) => {
    expect(codes(interpolate(text))).toEqual([problem]);
  });

  it('says what a bad expression should have been, without its text', () => {
    expect(interpolate('${FOO!secret}').problems).toEqual([
      {
        severity: 'error',
        code: 'invalid-interpolation',
        message: 'after `${FOO` comes `}` or one of `:-` `-` `:?` `?` `:+` `+`',
        offset: 0,
        length: 13,
        help: 'write `$$` for a literal dollar sign',
      },
    ]);
  });

  it('reads on behind an invalid expression and leaves it out', () => {
    const result = interpolate('a${1}b${FOO}c${2}');
    expect(result.text).toBe('abfirstc');
    expect(codes(result)).toEqual(['invalid-interpolation@1+4', 'invalid-interpolation@13+4']);
  });

  it('warns of an unset variable without a default and uses empty', () => {
    const result = interpolate('a ${NONE} $NONE b');
    expect(result.text).toBe('a   b');
    expect(codes(result)).toEqual(['unset-variable@2+7', 'unset-variable@10+5']);
    expect(result.problems.every((problem) => problem.severity === 'warning')).toBe(true);
  });

  it('looks at an operand only where it counts', () => {
    const result = interpolate('${FOO:-$NONE}${FOO?$NONE}${NONE+$FOO}');
    expect(result).toMatchObject({ text: 'first' + 'first', problems: [], used: ['FOO', 'NONE'] });
  });

  it.each([
    ['${NONE:?}', 'the variable NONE is required but not set'],
    ['${NONE?set it}', 'the variable NONE is required but not set: set it'],
    ['${EMPTY:?set  it}', 'the variable EMPTY is required but empty: set it'],
    ['${NONE:?as ${FOO}, $$5}', 'the variable NONE is required but not set: as ${FOO}, $5'],
  ])('refuses %j with its own message, as written', (text, message) => {
    expect(interpolate(text)).toMatchObject({
      text: '',
      problems: [{ severity: 'error', code: 'required-variable', message, offset: 0, length: text.length }],
    });
  });

  it('never puts the value of a variable into a message', () => {
    const secret = 'hunter2';
    const texts = ['${A:?$A}', '${N:?$A ${A}}', '${N?${A:-x}}', '${A!}', '${A.b}', '${N}${A}', '${A:+${1}}'];
    for (const text of texts) {
      const { problems } = interpolate(text, { lookup: (name) => (name === 'A' ? secret : undefined) });
      expect(JSON.stringify(problems)).not.toContain(secret);
    }
  });

  describe('in mode braces', () => {
    it.each([
      ['echo $PATH $1 $$ $@ $FOO', 'echo $PATH $1 $$ $@ $FOO'],
      ['echo ${FOO}', 'echo first'],
      ['echo $${FOO}', 'echo ${FOO}'],
      ['echo $$${FOO}', 'echo $$first'],
      ['echo $$$${FOO}', 'echo $$${FOO}'],
      ['${NONE:-$FOO ${FOO}}', '$FOO first'],
      ["awk '{print $1}'", "awk '{print $1}'"],
      ['$(date) $', '$(date) $'],
    ])('makes %j %j', (text, expected) => {
      expect(interpolate(text, { mode: 'braces' })).toMatchObject({ text: expected, problems: [] });
    });

    it.each(['${1}', '${#list[@]}', '${FOO%.*}', '${FOO/a/b}', '${!FOO}', '${FOO:0:2}'])(
      'says how %j reaches the shell',
      (text) => {
        expect(interpolate(text, { mode: 'braces' }).problems).toMatchObject([
          { code: 'invalid-interpolation', help: 'write `$${` where the shell is to see `${`' },
        ]);
      },
    );
  });

  describe('with references', () => {
    it('keeps what is known later as a part of its own', () => {
      const port = { ref: 'port', service: 'db', port: 'http' };
      expect(interpolate('http://h:${services.db.ports.http}/$FOO').text).toEqual([
        'http://h:',
        port,
        '/first',
      ]);
      expect(interpolate('${services.db.ports.http}').text).toEqual([port]);
      expect(interpolate('${NONE:-${services.db.ports.http}}').text).toEqual([port]);
    });

    it('hands on why a reference stands for nothing', () => {
      expect(interpolate('${services.x.host}').problems).toMatchObject([
        { message: '`services.x.host` refers to nothing', help: 'look again' },
      ]);
    });

    it('refuses them where they are not allowed', () => {
      const result = interpolate('${project.dir}', { allowReferences: false });
      expect(result.text).toBe('');
      expect(codes(result)).toEqual(['reference-not-allowed@0+14']);
    });
  });

  describe('bounds', () => {
    const nested = (depth: number): string => '${N:-'.repeat(depth) + 'x' + '}'.repeat(depth);

    it('nests 32 deep and no deeper', () => {
      expect(interpolate(nested(33))).toMatchObject({ problems: [{ code: 'invalid-interpolation' }] });
      expect(interpolate(nested(32))).toMatchObject({ text: 'x', problems: [] });
    });

    it('survives nesting, openings and errors without end', () => {
      const tooDeep = 6 * (150_000 - 32) + 1;
      expect(codes(interpolate(nested(150_000)))).toEqual([`invalid-interpolation@160+${tooDeep}`]);
      expect(codes(interpolate('${N:-'.repeat(200_000)))).toEqual(['invalid-interpolation@0+2']);
      expect(codes(interpolate('${1'.repeat(300_000)))).toEqual(['invalid-interpolation@0+2']);
      expect(interpolate('${}'.repeat(300_000)).problems).toHaveLength(100);
      expect(interpolate('$'.repeat(1_000_000)).text).toHaveLength(500_000);
    });

    it('does not lose an error to a flood of warnings', () => {
      const { problems } = interpolate('$NONE'.repeat(500) + '${NONE:?}' + '${NONE:?}');
      expect(problems).toHaveLength(101);
      expect(problems.at(-1)?.code).toBe('required-variable');
    });

    it('does not let a text grow beyond its bound', () => {
      const lookup = (): string => 'x'.repeat(1000);
      const fits = interpolate('$A'.repeat(1048), { lookup });
      expect(fits.problems).toEqual([]);
      expect(fits.text.length).toBeLessThanOrEqual(MAX_TEXT_LENGTH);
      expect(interpolate('$A'.repeat(1049), { lookup })).toMatchObject({
        text: '',
        problems: [{ severity: 'error', code: 'interpolation-too-long' }],
      });
    });
  });

  it('agrees with a slow reading by substrings on random texts', () => {
    const tokens = [
      '$',
      '$$',
      '${',
      '${A',
      '${U:-',
      '}',
      '{',
      'A',
      'E',
      'U',
      '_',
      '1',
      ':-',
      '-',
      ':?',
      '?',
      ':+',
      '+',
      ' ',
      '!',
    ];
    const text = fc.array(fc.constantFrom(...tokens), { maxLength: 14 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.constantFrom('full', 'braces'), (source, mode) => {
        const slow = readSlowly(source, mode);
        const fast = interpolate(source, { mode, lookup: (name) => SLOW_ENV.get(name) });
        const found = (code: string): number =>
          fast.problems.filter((problem) => problem.code === code).length;
        expect(found('invalid-interpolation') > 0).toBe(slow.invalid);
        if (slow.invalid) return;
        expect(fast.text).toBe(slow.text);
        expect(found('unset-variable')).toBe(slow.unset);
        expect(found('required-variable')).toBe(slow.missing);
      }),
      { numRuns: 3000 },
    );
  });
});

const SLOW_ENV = new Map([
  ['A', '${A}$E'],
  ['E', ''],
]);

interface Slow {
  readonly text: string;
  readonly invalid: boolean;
  readonly unset: number;
  readonly missing: number;
}

/** The grammar once more, the simple way: the first expression by regular expression, then the rest of the text. */
function readSlowly(text: string, mode: 'full' | 'braces'): Slow {
  const first = mode === 'full' ? /\$(\$|\{|[A-Za-z_]\w*)/ : /\$(\$\{?|\{)/;
  const match = first.exec(text);
  if (match === null) return { text, invalid: false, unset: 0, missing: 0 };
  const before = text.slice(0, match.index);
  const behind = text.slice(match.index + match[0].length);
  const token = match[1]!;
  const join = (middle: Slow, rest: Slow): Slow => ({
    text: before + middle.text + rest.text,
    invalid: middle.invalid || rest.invalid,
    unset: middle.unset + rest.unset,
    missing: middle.missing + rest.missing,
  });
  const just = (value: string, unset = 0, missing = 0): Slow => ({
    text: value,
    invalid: false,
    unset,
    missing,
  });
  if (token === '$') return join(just(mode === 'full' ? '$' : '$$'), readSlowly(behind, mode));
  if (token === '${') return join(just('${'), readSlowly(behind, mode));
  const variable = (name: string): Slow => just(SLOW_ENV.get(name) ?? '', SLOW_ENV.has(name) ? 0 : 1);
  if (token !== '{') return join(variable(token), readSlowly(behind, mode));

  let end = 0;
  for (let open = 1; end < behind.length; end += 1) {
    if (behind[end] === '{') open += 1;
    if (behind[end] === '}') open -= 1;
    if (open === 0) break;
  }
  const rest = readSlowly(behind.slice(end + 1), mode);
  const body = /^([A-Za-z_]\w*)(?:(:?)([-?+])([^]*))?$/.exec(behind.slice(0, end));
  if (end === behind.length || body === null) return { ...join(just(''), rest), invalid: true };
  const [, name = '', colon = '', operator, operand = ''] = body;
  if (operator === undefined) return join(variable(name), rest);
  const inner = readSlowly(operand, mode);
  if (inner.invalid) return { ...join(just(''), rest), invalid: true };
  const value = SLOW_ENV.get(name);
  const counts = colon === '' ? value !== undefined : (value ?? '') !== '';
  if (operator === '+') return join(counts ? inner : just(''), rest);
  if (counts) return join(just(value!), rest);
  return join(operator === '-' ? inner : just('', 0, 1), rest);
}

describe('interpolateNode', () => {
  const place = (column: number, endColumn?: number, source?: string): ScalarNode['place'] => ({
    file: 'setpoint.yaml',
    line: 3,
    column,
    ...(endColumn === undefined ? {} : { endColumn }),
    ...(source === undefined ? {} : { source }),
  });
  const scalar = (value: ScalarNode['value'], at = place(1)): ScalarNode => ({
    kind: 'scalar',
    value,
    place: at,
  });
  const map = (fields: Record<string, Node>): Node => {
    const entries = new Map<string, MapEntry>();
    for (const [key, value] of Object.entries(fields)) entries.set(key, { key, keyPlace: place(1), value });
    return { kind: 'map', place: place(1), entries };
  };
  const list = (...items: Node[]): Node => ({ kind: 'list', place: place(1), items });
  const options = (more: Partial<NodeOptions> = {}): NodeOptions => ({
    lookup: (name) => ({ N: '3', T: 'true', FOO: 'first' })[name],
    reference: (path, at) =>
      path === 'instance.number'
        ? ok({ ref: 'instance-number' })
        : err({ message: `${path} at ${at.join('/')}` }),
    allowReferences: () => true,
    modeFor: () => 'full',
    wants: () => 'string',
    ...more,
  });

  it('walks values, not keys, by path', () => {
    const tree = map({
      $FOO: scalar('$FOO'),
      script: scalar('$FOO ${FOO}'),
      raw: scalar('$FOO'),
      l: list(scalar('${FOO}')),
    });
    const paths: string[] = [];
    const { node, diagnostics, used } = interpolateNode(
      tree,
      options({
        modeFor: (at) => {
          paths.push(at.join('/'));
          return at[0] === 'script' ? 'braces' : at[0] === 'raw' ? 'none' : 'full';
        },
      }),
    );
    expect(node).toEqual(
      map({
        $FOO: scalar('first'),
        script: scalar('$FOO first'),
        raw: scalar('$FOO'),
        l: list(scalar('first')),
      }),
    );
    expect(paths).toEqual(['$FOO', 'script', 'raw', 'l/0']);
    expect(diagnostics).toEqual([]);
    expect([...used]).toEqual(['FOO']);
  });

  it('gives back the same objects where nothing changes', () => {
    const same = map({ a: scalar('x'), b: list(scalar(1), scalar(null)) });
    expect(interpolateNode(same, options()).node).toBe(same);
    const reset: Node = { ...scalar('$NONE'), tag: 'reset' };
    expect(interpolateNode(reset, options())).toMatchObject({ node: reset, diagnostics: [] });
  });

  it.each([
    ['number', '$N', 3],
    ['number', '$T', 'true'],
    ['boolean', '$T', true],
    ['boolean', '$N', '3'],
    ['any', '$N', 3],
    ['any', '${N}0', 30],
    ['any', '$FOO', 'first'],
    ['string', '$N', '3'],
  ] as const)('gives what is wanted: %s from %j is %j', (wants, text, expected) => {
    expect(interpolateNode(scalar(text), options({ wants: () => wants })).node).toEqual(scalar(expected));
  });

  it('keeps late references as text', () => {
    expect(interpolateNode(scalar('web-${instance.number}'), options()).node).toEqual({
      ...scalar('web-${instance.number}'),
      text: ['web-', { ref: 'instance-number' }],
    });
  });

  it.each([
    ['a plain scalar', place(10, 17), 12, 15],
    ['a quoted scalar', place(10, 19), 13, 16],
    ['a plain scalar known by its line', place(4, undefined, 'x: a $NO b'), 6, 9],
    ['a scalar with escapes', place(10, 30), 10, 30],
    ['a block scalar', place(10), 10, undefined],
  ])('points at the expression in %s', (_what, at, column, endColumn) => {
    const { diagnostics } = interpolateNode(scalar('a $NO b', at), options());
    expect(diagnostics).toHaveLength(1);
    expect(diagnostics[0]!.labels[0]!.place).toMatchObject({ line: 3, column });
    expect(diagnostics[0]!.labels[0]!.place.endColumn).toBe(endColumn);
  });

  it('gives a problem of an alias once', () => {
    const shared = scalar('$NONE', place(5));
    expect(interpolateNode(list(shared, shared), options()).diagnostics).toHaveLength(1);
  });

  it('tells the reference where it stands', () => {
    const { diagnostics } = interpolateNode(map({ a: list(scalar('${x.y}')) }), options());
    expect(diagnostics).toMatchObject([{ code: 'invalid-reference', message: 'x.y at a/0' }]);
  });

  it('bounds what a whole tree grows to', () => {
    const big = 'x'.repeat(1_000_000);
    const tree = list(...Array.from({ length: 100 }, (_, index) => scalar('$BIG', place(index + 1))));
    const { diagnostics, node } = interpolateNode(tree, options({ lookup: () => big }));
    expect(diagnostics).toMatchObject([{ severity: 'error', code: 'interpolation-too-long' }]);
    const grown =
      node.kind === 'list' ? node.items.filter((item) => item.kind === 'scalar' && item.value === big) : [];
    expect(grown.length).toBeLessThan(20);
  });
});

describe('retype', () => {
  it.each([
    ['3', 3],
    ['-3', -3],
    ['+12', 12],
    ['0o17', 15],
    ['0xFf', 255],
    ['1.5', 1.5],
    ['.5', 0.5],
    ['1.', 1],
    ['1e3', 1000],
    ['010', 10],
    ['true', true],
    ['TRUE', true],
    ['False', false],
    ['yes', 'yes'],
    ['tRue', 'tRue'],
    ['', ''],
    [' 3', ' 3'],
    ['3 ', '3 '],
    ['22:22', '22:22'],
    ['1_000', '1_000'],
    ['0b1', '0b1'],
    ['.inf', '.inf'],
    ['.nan', '.nan'],
    ['1e999', '1e999'],
    ['12345678901234567890', '12345678901234567890'],
    ['null', 'null'],
    ['3\n', '3\n'],
  ])('reads %j as %j', (text, expected) => {
    expect(retype(text)).toBe(expected);
  });
});

describe('parseReference', () => {
  const services = new Set(['db', 'my-app.v2', 'a', 'b.ports']);
  const parse = (path: string): unknown => parseReference(path, (id) => services.has(id));

  it.each([
    ['project.dir', { to: 'project-dir' }],
    ['project.name', { to: 'project-name' }],
    ['instance.number', { to: 'instance-number' }],
    ['service.name', { to: 'service-name' }],
    ['services.db.host', { to: 'service-host', service: 'db' }],
    ['services.db.ports.http', { to: 'service-port', service: 'db', port: 'http' }],
    ['services.my-app.v2.host', { to: 'service-host', service: 'my-app.v2' }],
    ['services.my-app.v2.ports.8080', { to: 'service-port', service: 'my-app.v2', port: '8080' }],
    ['services.a.ports.host', { to: 'service-port', service: 'a', port: 'host' }],
    ['services.b.ports.host', { to: 'service-host', service: 'b.ports' }],
    ['services.unknown.ports.host', { to: 'service-port', service: 'unknown', port: 'host' }],
    ['services.ports.host', { to: 'service-host', service: 'ports' }],
  ])('reads %s', (path, value) => {
    expect(parse(path)).toEqual({ ok: true, value });
  });

  it.each([
    'services.db',
    'services.db.port',
    'services..host',
    'project',
    'project.dirs',
    'services.ports.http',
    'env.PATH',
  ])('refuses %s and lists what there is', (path) => {
    expect(parse(path)).toMatchObject({
      ok: false,
      error: { help: expect.stringContaining('`services.<id>.host`') as string },
    });
  });
});
