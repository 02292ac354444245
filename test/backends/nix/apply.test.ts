import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { applyNix, type NixEnvironment } from '../../../src/backends/nix/apply.ts';
import type { ConcreteLaunch } from '../../../src/core/launch.ts';

function direct(variables: Record<string, string>): NixEnvironment {
  return {
    how: 'direct',
    reason: '',
    key: 'k',
    variables,
    cached: true,
    kept: true,
    profile: '/p',
    notes: [],
  };
}

const DEVELOP: NixEnvironment = {
  how: 'develop',
  reason: '',
  key: 'k',
  command: ['/usr/bin/env'],
  notes: [],
};

const HOST = { PATH: '/usr/bin:/bin', LANG: 'C', CC: 'hostcc', USER: 'me' };

function launch(
  env: Record<string, string>,
  declaredEnv: Record<string, string> = {},
  hostEnv: Record<string, string> = HOST,
): Pick<ConcreteLaunch, 'argv' | 'env' | 'declaredEnv' | 'hostEnv' | 'cwd'> {
  return { argv: ['serve'], env: { ...HOST, ...env }, declaredEnv, hostEnv, cwd: '/srv' };
}

describe('the environment of a service in a flake', () => {
  test("has the shell's variables over the host's, and the declared ones over both", () => {
    const applied = applyNix(
      launch({ FLAGS: 'mine' }, { FLAGS: 'mine' }),
      direct({ CC: 'gcc', FLAGS: 'shell', NEW: 'n' }),
    );
    expect(applied).toEqual({
      argv: ['serve'],
      cwd: '/srv',
      declaredEnv: { FLAGS: 'mine' },
      hostEnv: HOST,
      env: { ...HOST, CC: 'gcc', FLAGS: 'mine', NEW: 'n' },
    });
  });

  test('keeps a declared value that is the same as the host has', () => {
    expect(applyNix(launch({}, { CC: 'hostcc' }), direct({ CC: 'gcc' })).env['CC']).toBe('hostcc');
  });

  test('keeps what was made for the instance, such as its port', () => {
    expect(applyNix(launch({ PORT: '8080' }), direct({ PORT: '1' })).env['PORT']).toBe('8080');
  });

  test.each([
    ['the host alone', { ...HOST }, '/nix/a:/usr/bin:/bin'],
    ['a folder of `path` first', { PATH: '/mine:/usr/bin:/bin' }, '/mine:/nix/a:/usr/bin:/bin'],
    ['a folder appended', { PATH: '/usr/bin:/bin:/last' }, '/nix/a:/usr/bin:/bin:/last'],
    [
      'the default where nothing is inherited',
      { PATH: `/mine:${defaultPath()}` },
      `/mine:/nix/a:${defaultPath()}`,
    ],
    ['a PATH of its own', { PATH: '/only/this' }, '/only/this'],
    ['a PATH that merely looks alike', { PATH: '/x/usr/bin:/bin' }, '/x/usr/bin:/bin'],
  ])('has as PATH, with %s: %s', (_what, env: Record<string, string>, expected) => {
    expect(applyNix(launch(env), direct({ PATH: '/nix/a' })).env['PATH']).toBe(expected);
  });

  test("is the shell's PATH where there is none at all", () => {
    const bare = { argv: ['x'], env: {}, declaredEnv: {}, hostEnv: {} };
    expect(applyNix(bare, direct({ PATH: '/nix/a' })).env).toEqual({ PATH: '/nix/a' });
  });

  test('through nix develop, puts the command behind it and brings back what it covers, out of sight', () => {
    const host = { ...HOST, PATH: process.env['PATH'] ?? '' };
    const given = launch(
      { ...host, PATH: `/mine:${host.PATH}`, TOKEN: `s3cret "$x" \`y\``, TMPDIR: '/t' },
      { TOKEN: '', TMPDIR: '' },
      host,
    );
    // env(1) stands for nix: it puts variables of its own over those it is given.
    const environment = {
      ...DEVELOP,
      command: ['/usr/bin/env', 'TOKEN=shell', 'TMPDIR=/gone', 'TEMP=/gone', `PATH=/nix/a:${host.PATH}`],
    };
    const applied = applyNix({ ...given, argv: ['/usr/bin/env'] }, environment, ['env']);
    expect(applied.argv.join(' ')).not.toContain('s3cret');
    const [program = '', ...args] = applied.argv;
    const seen = execFileSync(program, args, { env: applied.env, encoding: 'utf8' }).split('\n');
    expect(seen).toContain('TOKEN=s3cret "$x" `y`');
    expect(seen).toContain('TMPDIR=/t');
    expect(seen).toContain(`PATH=/mine:/nix/a:${host.PATH}`);
    expect(seen.filter((line) => /^(TEMP|SETPOINT_KEPT)/.test(line))).toEqual([]);
    const lacking = applyNix({ ...given, argv: ['/usr/bin/env'] }, environment, ['env', 'no-such-program']);
    const { status, stderr } = spawnSync(lacking.argv[0] ?? '', lacking.argv.slice(1), {
      env: lacking.env,
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([127, expect.stringContaining('nix shell: no-such-program')]);
  });
});

function defaultPath(): string {
  return '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
}
