import { describe, expect, test } from 'vitest';
import { parseDevEnv } from '../../../src/backends/nix/dev-env.ts';

function printed(variables: Record<string, unknown>, more: Record<string, unknown> = {}): string {
  return JSON.stringify({ bashFunctions: { run: 'echo' }, variables, ...more });
}
const exported = (value: unknown): unknown => ({ type: 'exported', value });

describe('what nix print-dev-env says', () => {
  test('gives a process what is exported, and neither shell variables nor arrays', () => {
    const text = printed({
      GREETING: exported('hello\nworld'),
      EMPTY: exported(''),
      IFS: { type: 'var', value: ' ' },
      LIST: { type: 'array', value: ['a', 'b'] },
    });
    expect(parseDevEnv(text)).toEqual({
      ok: true,
      value: { variables: { GREETING: 'hello\nworld', EMPTY: '' }, hook: false },
    });
  });

  test.each([
    ...[
      'TMPDIR',
      'TMP',
      'TEMP',
      'TEMPDIR',
      'NIX_BUILD_TOP',
      'NIX_LOG_FD',
      'NIX_BUILD_CORES',
      'NIX_STORE_DIR',
    ],
    ...['out', 'outputs', 'src', 'name', 'PWD', 'OLDPWD', 'HOME', 'TERM', 'SHELL', 'shellHook', 'builder'],
  ])('leaves out %s, which is of the build and not of the shell', (name) => {
    expect(parseDevEnv(printed({ [name]: exported('x'), KEPT: exported('y') }))).toMatchObject({
      value: { variables: { KEPT: 'y' } },
    });
  });

  test('says whether there is a hook', () => {
    expect(parseDevEnv(printed({ shellHook: exported('echo hi') }))).toMatchObject({ value: { hook: true } });
    expect(parseDevEnv(printed({ shellHook: exported(' \n') }))).toMatchObject({ value: { hook: false } });
  });

  test.each([
    ['', 'this version of nix prints the environment in a form that is not known'],
    ['{"variables": 3}', 'this version of nix prints the environment in a form that is not known'],
    [printed({ A: exported(['x']) }), 'the shell exports A, which is not a text'],
    [printed({}, { structuredAttrs: {} }), 'the shell has structured attributes, which are no variables'],
  ])('says why %j cannot be given to a process', (text, error) => {
    expect(parseDevEnv(text)).toEqual({ ok: false, error });
  });
});
