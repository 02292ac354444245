import { describe, expect, test } from 'vitest';
import { renderResolved } from '../../../src/manifest/load.ts';
import { load, toldBy } from '../memory-io.ts';

const FILES = { '/p/pw.txt': 'hunter2-file\n', '/p/key.pem': '-----BEGIN-----\nline-one-of-it\n' };

const web = (uses: string, top = 'pw: {file: pw.txt}') =>
  `secrets: {${top}}\nservices: {web: {command: x, secrets: ${uses}}}\n`;

describe('a secret', () => {
  test('is a file by its name, with its content as it is', () => {
    const { project, secrets, looked, diagnostics } = load(web('[pw]'), { files: FILES });
    expect(diagnostics).toEqual([]);
    expect(project?.services[0]?.launch.secrets).toEqual([{ name: 'pw', content: 'hunter2-file\n' }]);
    expect(project?.services[0]?.launch.env).toEqual({});
    expect(secrets).toContain('hunter2-file\n');
    expect(looked).toEqual(['/p/setpoint.yaml', '/p/.env', '/p/pw.txt']);
    expect(project?.files).toEqual(['/p/setpoint.yaml', '/p/pw.txt']);
  });

  test('is a variable where that is said, without the end of the line', () => {
    const { project } = load(web('[{source: pw, env: DB_PASS}, {source: pw}]'), { files: FILES });
    expect(project?.services[0]?.launch.env).toEqual({ DB_PASS: 'hunter2-file' });
    expect(project?.services[0]?.launch.secrets).toEqual([{ name: 'pw', content: 'hunter2-file\n' }]);
  });

  test('comes from a variable of the caller, of `.env`, or of `--set`', () => {
    const text = web('[tok]', 'tok: {env: TOK}');
    const valueOf = (around: Parameters<typeof load>[1]) =>
      load(text, around).project?.services[0]?.launch.secrets?.[0]?.content;
    expect(valueOf({ hostEnv: { TOK: 'from-caller' } })).toBe('from-caller');
    expect(valueOf({ files: { '/p/.env': 'TOK=from-dotenv' } })).toBe('from-dotenv');
    expect(valueOf({ set: { TOK: 'from-set' }, hostEnv: { TOK: 'from-caller' } })).toBe('from-set');
  });

  test('of a container is the same', () => {
    const text =
      'secrets: {pw: {file: pw.txt}}\nservices: {web: {image: x, secrets: [pw, {source: pw, env: P}]}}';
    const launch = load(text, { files: FILES }).project?.services[0]?.launch;
    expect(launch).toMatchObject({ env: { P: 'hunter2-file' }, secrets: [{ name: 'pw' }] });
  });

  test('of an included manifest is relative to it, and reaches every service', () => {
    const { project, diagnostics } = load(
      'include: sub/setpoint.yaml\nservices: {web: {command: x, secrets: [pw]}}',
      { files: { '/p/sub/setpoint.yaml': 'secrets: {pw: {file: pw.txt}}', '/p/sub/pw.txt': 'hunter2-sub' } },
    );
    expect(diagnostics).toEqual([]);
    expect(project?.services[0]?.launch.secrets).toEqual([{ name: 'pw', content: 'hunter2-sub' }]);
  });

  test('that nobody is given is not read', () => {
    const { diagnostics, looked } = load(web('[]', 'pw: {file: none.txt}'));
    expect(diagnostics).toEqual([]);
    expect(looked).not.toContain('/p/none.txt');
  });

  test('wins over what is declared under its name, which is told', () => {
    const text = `secrets: {pw: {file: pw.txt}}
services:
  web:
    command: x
    env: {P: other}
    secrets: [{source: pw, env: P}]
`;
    const { project, diagnostics } = load(text, { files: FILES });
    expect(toldBy(diagnostics)).toEqual([
      'warning overwritten-variable 5:14: `P` of service `web` has no effect here (a secret is given under this name)',
    ]);
    expect(project?.services[0]?.launch.env).toEqual({ P: 'hunter2-file' });
  });

  test('as a file sets a variable of its own', () => {
    const text =
      'secrets: {pw: {file: pw.txt}}\nservices: {web: {command: x, secrets: [pw], env: {SETPOINT_SECRETS_DIR: /x}}}';
    expect(toldBy(load(text, { files: FILES }).diagnostics)).toEqual([
      'warning reserved-variable 2:73: `SETPOINT_SECRETS_DIR` of service `web` has no effect (setpoint sets it itself, for `secrets`)',
    ]);
  });

  test.each([
    [
      '[pq]',
      undefined,
      'error unknown-secret 2:40: unknown secret `pq` in service `web` (did you mean `pw`?)',
    ],
    [
      '[other]',
      undefined,
      'error unknown-secret 2:40: unknown secret `other` in service `web` (there is none of that name under `secrets` at the top level)',
    ],
    [
      '[pw]',
      'pw: {file: none.txt}',
      'error missing-secret 1:22: the secret `pw`: /p/none.txt does not exist',
    ],
    ['[pw]', 'pw: {file: .}', 'error missing-secret 1:22: the secret `pw`: /p is a folder, not a file'],
    [
      '[pw]',
      'pw: {file: bin}',
      'error missing-secret 1:22: the secret `pw`: /p/bin is not a text file in UTF-8',
    ],
    [
      '[{source: pw, env: P}]',
      'pw: {file: nul}',
      'error bad-secret 2:49: the secret `pw` holds a NUL character, which a variable cannot (give it as a file)',
    ],
    [
      '[pw]',
      'pw: {file: short}',
      'warning short-secret 1:22: the secret `pw` is very short (values of fewer than 4 characters are not masked where they appear)',
    ],
    [
      '[pw]',
      'pw: {file: empty}',
      'warning short-secret 1:22: the secret `pw` is empty (values of fewer than 4 characters are not masked where they appear)',
    ],
    ['[pw]', 'pw: {env: UNSET}', 'error missing-secret 1:21: the secret `pw`: the variable UNSET is not set'],
    [
      '[pw]',
      'pw: {env: "A B"}',
      'error bad-value 1:21: `A B` is not valid for `secrets.pw.env` (expected the name of a variable such as API_TOKEN)',
    ],
    [
      '[pw]',
      'pw: {}',
      'error missing-key 1:11: the secret `pw` has no source (expected `{file: ...}` or `{env: ...}`)',
    ],
    [
      '[pw]',
      'pw: {file: pw.txt, env: A}',
      'error conflicting-keys 1:35: the secret `pw` has two sources (expected one of `file` and `env`)',
    ],
    [
      '[pw]',
      'pw: {environment: A}',
      'error unknown-key 1:16: unknown key `environment` in `secrets.pw` (did you mean `env`?)',
    ],
    [
      '[pw]',
      'pw: {external: true}',
      'error unknown-key 1:16: unknown key `external` in `secrets.pw` (this is not supported: name a `file` or a variable by `env`)',
    ],
    [
      '[pw]',
      'pw: hunter2-inline',
      'error wrong-type 1:15: `secrets.pw` is a text (expected `{file: ...}` or `{env: ...}`)',
    ],
    [
      '[{source: pw, target: x}]',
      undefined,
      'error unknown-key 2:53: unknown key `target` in item 1 of `secrets` of service `web` (this is not supported: the file is called as the secret is)',
    ],
    [
      '[{env: P}]',
      undefined,
      'error missing-key 2:40: `source` is missing in item 1 of `secrets` of service `web` (expected the name of a secret, or `{source, env}`)',
    ],
    [
      'pw',
      undefined,
      'error wrong-type 2:39: `secrets` in service `web` is a text (expected a list of secrets)',
    ],
  ])('%s of {%s}', (uses, top, expected) => {
    const files = {
      ...FILES,
      '/p/bin': Buffer.from([0xff, 0xfe]),
      '/p/nul': 'hunter2\0x',
      '/p/short': 'ab',
      '/p/empty': '\n',
    };
    const { diagnostics } = load(web(uses, top), { files });
    expect(toldBy(diagnostics)).toEqual(expect.arrayContaining([expected]));
    expect(JSON.stringify(diagnostics)).not.toContain('hunter2-file');
  });

  test('with one name in two manifests is an error', () => {
    const { diagnostics } = load('include: b.yaml\nsecrets: {pw: {env: A}}\nservices: {}', {
      files: { '/p/b.yaml': 'secrets: {pw: {env: A}}' },
    });
    expect(toldBy(diagnostics)).toEqual([
      'error include-conflict 1:11: the secret `pw` is defined in two manifests (defined again here)',
    ]);
    expect(diagnostics[0]?.labels[1]?.place.line).toBe(2);
  });
});

describe('values of secrets', () => {
  test('are in no resolved manifest, short ones included', () => {
    const text = `secrets: {pw: {file: pw.txt}, s: {env: S}}
services:
  web:
    image: x
    build: {args: {NPM_TOKEN: hunter2-arg}, context: .}
    secrets: [pw, {source: s, env: PLAIN}, {source: pw, env: P}]
    env: {URL: "https://\${S}/hunter2-file"}
`;
    const { resolved, diagnostics } = load(text, {
      files: { ...FILES, '/p/Dockerfile': '' },
      hostEnv: { S: 'abc' },
    });
    expect(diagnostics.map(({ code }) => code)).toEqual(['short-secret']);
    const shown = resolved === undefined ? '' : renderResolved(resolved, { format: 'yaml', origin: true });
    expect(shown).toContain('PLAIN: "***"');
    expect(shown).toContain('NPM_TOKEN: "***"');
    expect(shown).toContain('/***');
    expect(shown).not.toContain('hunter2');
  });

  test('are told to whoever masks, those of build arguments with secret names as well', () => {
    const text = 'services: {web: {image: x, build: {context: ., args: [NPM_TOKEN=hunter2-arg, PLAIN=b]}}}';
    expect(load(text, { files: { '/p/Dockerfile': '' } }).secrets).toEqual(['hunter2-arg']);
  });

  test('are in no diagnostic that repeats a value', () => {
    const text = `secrets: {tok: {env: PLAIN}}
services: {web: {command: x, restart: "\${PLAIN}", image: "\${PLAIN}"}}
`;
    const { diagnostics } = load(text, { hostEnv: { PLAIN: 'Hunter2-plain' } });
    expect(diagnostics.length).toBeGreaterThan(0);
    expect(JSON.stringify(diagnostics)).not.toContain('unter2-plain');
  });

  test('of several lines are masked line by line', () => {
    const { resolved, secrets } = load(
      'secrets: {k: {file: key.pem}}\nservices: {web: {command: "echo line-one-of-it", secrets: [k]}}',
      { files: FILES },
    );
    expect(secrets).toContain('-----BEGIN-----\nline-one-of-it\n');
    expect(JSON.stringify(resolved?.manifest)).not.toContain('line-one');
  });
});
