import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { FakeDaemon, project, run, running, service } from './fake.ts';

describe('bash', () => {
  let dir = '';
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'setpoint-completion-'));
    writeFileSync(join(dir, 'completion.bash'), (await run(['completion', 'bash'])).out);
    // Stands for the program: answers with two services, and with what it was asked.
    const script =
      '#!/bin/sh\n[ "$1 $2" = "__complete services" ] || exit 1\nshift 2\necho api\necho "db$(echo "$*" | tr " " ,)"\n';
    writeFileSync(join(dir, 'setpoint'), script);
    chmodSync(join(dir, 'setpoint'), 0o755);
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  /** What bash offers for the last of these words. */
  function complete(...words: string[]): string[] {
    const quoted = ['setpoint', ...words].map((word) => `'${word}'`).join(' ');
    const script = `. ${dir}/completion.bash; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _setpoint; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-uc', script], {
      encoding: 'utf8',
      env: { PATH: `${dir}:${process.env['PATH'] ?? ''}` },
    });
    expect([stderr, status]).toEqual(['', 0]);
    return stdout.split('\n').filter((line) => line !== '');
  }

  test.each([
    [['sta'], ['start', 'status']],
    [['--pro'], ['--project-name']],
    [['up', '--w'], ['--wait']],
    [['ps', '--fo'], ['--format']],
    [
      ['status', '--format', ''],
      ['text', 'json'],
    ],
    [
      ['logs', '--stream', 'std'],
      ['stdout', 'stderr'],
    ],
    [
      ['--color', 'a'],
      ['auto', 'always'],
    ],
    [['wait', '--for', 'c'], ['completed']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['help', 'exit'], ['exit-status']],
    [['restart', 'a'], ['api']],
    [
      ['logs', ''],
      ['api', 'db'],
    ],
    [
      ['logs', '-f', ''],
      ['api', 'db'],
    ],
    [['logs', '--tail', '5', 'd'], ['db']],
    [['-f', 'x.yaml', 'stop', 'd'], ['db--file,x.yaml']],
    [['--project-name', 'up', 'stop', 'd'], ['db--project-name,up']],
    [['up', '--timeout', ''], []],
    [['down', ''], []],
    [['nonsense', ''], []],
  ])('%j', (words, offered) => {
    expect(complete(...words)).toEqual(offered);
  });

  test('the script is what eval takes as well', () => {
    const { status } = spawnSync('bash', ['-n', join(dir, 'completion.bash')]);
    expect(status).toBe(0);
  });
});

describe.each(['zsh', 'fish'])('%s', (shell) => {
  const installed = spawnSync(shell, ['--version']).error === undefined;
  test.runIf(installed)('takes the script', async () => {
    const { out } = await run(['completion', shell]);
    const folder = mkdtempSync(join(tmpdir(), 'completion-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, 'script'), out);
    const { status, stderr } = spawnSync(shell, ['-n', join(folder, 'script')], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  test('the script names every command and option', async () => {
    const { out } = await run(['completion', shell]);
    for (const word of ['restart', 'explain', 'exit-status', 'project-name', 'previous'])
      expect(out).toContain(word);
    expect(out).not.toContain('__daemon');
  });
});

test('services come from the daemon, else from the manifest, else from nowhere, and never with an error', async () => {
  const daemon = new FakeDaemon(
    project([service('web', [running()]), service('api', [running(), running()])]),
  );
  expect(await run(['__complete', 'services'], { daemon })).toEqual({
    status: 0,
    out: 'web\napi\napi.1\napi.2\n',
    err: '',
  });
  const services = { loadManifest: () => Promise.resolve({ diagnostics: [], services: ['db'] }) };
  expect((await run(['__complete', 'services', '--file', 'x'], { services })).out).toBe('db\n');
  expect(await run(['__complete', 'services'])).toEqual({ status: 0, out: '', err: '' });
});
