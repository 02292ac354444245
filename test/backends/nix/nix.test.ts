import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { applyNix, type NixEnvironment } from '../../../src/backends/nix/apply.ts';
import type { NixSettings } from '../../../src/backends/nix/settings.ts';
import { findNix, nixFacts } from '../../../src/backends/nix/facts.ts';
import { createNix, type NixShells } from '../../../src/backends/nix/nix.ts';
import { eventually } from '../../rig/wait.ts';
import { Rig } from '../native/rig.ts';
import { FlakeRig, lacksNix, shellFlake } from './flake.ts';

const LACK = lacksNix();

function needsNix(): void {
  beforeEach((ctx) => {
    if (LACK !== undefined) ctx.skip(LACK);
  });
}

let rig: FlakeRig;
beforeEach(() => {
  rig = new FlakeRig();
});
afterEach(() => rig.close());

/** Nix, counting how often its program is run. */
function counted(env = rig.env): { nix: NixShells; calls: () => number; bin: string } {
  const log = join(rig.dir, 'calls');
  const real = execFileSync('/bin/sh', ['-c', 'command -v nix'], { encoding: 'utf8' }).trim();
  // Written once: another file would be another nix.
  const bin = existsSync(join(rig.dir, 'bin'))
    ? join(rig.dir, 'bin')
    : rig.program('bin', 'nix', `echo call >>${log}\nexec ${real} "$@"`);
  const nix = createNix({ env: { ...env, PATH: `${bin}:${env['PATH'] ?? ''}` }, cacheRoot: rig.cacheRoot });
  return { nix, bin, calls: () => count(log) };
}

function count(path: string): number {
  try {
    return readFileSync(path, 'utf8').split('\n').length - 1;
  } catch {
    return 0;
  }
}

function spec(more: Partial<NixSettings> = {}): NixSettings {
  return { flake: rig.flake, shell: 'default', impure: false, ...more };
}

async function get(
  nix: NixShells,
  more: Partial<NixSettings> = {},
  progress: string[] = [],
): Promise<NixEnvironment> {
  const result = await nix.materialise(
    spec(more),
    (text) => progress.push(text),
    new AbortController().signal,
  );
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

async function fail(nix: NixShells, more: Partial<NixSettings> = {}): Promise<unknown> {
  const result = await nix.materialise(spec(more), () => undefined, new AbortController().signal);
  if (result.ok) throw new Error('it worked');
  return result.error;
}

describe('the environment of a flake', () => {
  needsNix();
  test('is found out once; after that nix is not called, not even where it has gone', async () => {
    // Another one than any test before has had built.
    rig.write('flake.nix', shellFlake(`GREETING = "hello"; OF = "${rig.dir}"; PATH = "/shell/bin";`));
    const { nix, calls } = counted();
    const progress: string[] = [];
    const first = await get(nix, {}, progress);
    expect(first).toMatchObject({
      how: 'direct',
      cached: false,
      variables: { GREETING: 'hello', PATH: '/shell/bin', IN_NIX_SHELL: 'impure' },
      notes: [],
    });
    expect(progress[0]).toBe(`nix evaluates ${rig.flake}`);
    expect(progress.length).toBeGreaterThan(1);
    expect(calls()).toBe(1);
    const { how, ...rest } = first;
    expect(await get(nix)).toEqual({ how, ...rest, cached: true, reason: expect.any(String) as unknown });
    expect(calls()).toBe(1);
    const gone = createNix({ env: rig.withoutNix(), cacheRoot: rig.cacheRoot });
    expect(findNix(rig.withoutNix())).toBeUndefined();
    expect(await get(gone)).toMatchObject({ cached: true, key: first.key });
  });

  test('is not that of the build: neither its home nor its folders for temporary files', async () => {
    rig.write('flake.nix', shellFlake(''));
    const environment = await get(counted().nix);
    if (environment.how !== 'direct') throw new Error('not direct');
    expect(Object.keys(environment.variables).sort()).toEqual(['IN_NIX_SHELL', 'PATH']);
  });

  test('is found out anew when a file changes that the shell is made of', async () => {
    rig.write('flake.nix', shellFlake('GREETING = import ./nix/greeting.nix;'));
    rig.write('nix/greeting.nix', '"one"');
    const { nix, calls } = counted();
    expect(await get(nix)).toMatchObject({ variables: { GREETING: 'one' } });
    rig.write('nix/greeting.nix', '"two"');
    expect(await get(nix)).toMatchObject({ cached: false, variables: { GREETING: 'two' } });
    rig.write('nix/greeting.nix', '"one"');
    expect(await get(nix)).toMatchObject({ cached: true, variables: { GREETING: 'one' } });
    expect(calls()).toBe(2);
  });

  test('has the same key as long as the shell is the same, whatever else is in the flake', async () => {
    rig.write('flake.nix', shellFlake('A = "1";'));
    const { nix } = counted();
    const { key } = await get(nix);
    rig.write('flake.nix', shellFlake('A = "1";', 'unrelated = 1;'));
    expect(await get(nix)).toMatchObject({ cached: false, key });
    rig.write('flake.nix', shellFlake('A = "2";'));
    expect((await get(nix)).key).not.toBe(key);
  });

  test('is one for each shell, setting of nix, and nix', async () => {
    rig.write('flake.nix', shellFlake('', 'devShells.x86_64-linux.other = shell "x86_64-linux";'));
    const { nix, calls, bin } = counted();
    await get(nix);
    if (process.arch === 'x64') expect(await get(nix, { shell: 'other' })).toMatchObject({ cached: false });
    const settings = { ...rig.env, NIX_CONFIG: `${rig.env['NIX_CONFIG'] ?? ''}\nmax-jobs = 1` };
    expect(await get(counted(settings).nix)).toMatchObject({ cached: false });
    const before = calls();
    expect(await get(nix)).toMatchObject({ cached: true });
    // Another build of nix may see things otherwise.
    rig.program('bin', 'nix', `${readFileSync(join(bin, 'nix'), 'utf8').split('\n').slice(1).join('\n')}#`);
    expect(await get(nix)).toMatchObject({ cached: false });
    expect(calls()).toBe(before + 1);
  });

  test('is evaluated each time where it may depend on anything, and says so', async () => {
    rig.write('flake.nix', shellFlake('WHO = builtins.getEnv "WHO";'));
    const one = await get(counted({ ...rig.env, WHO: 'one' }).nix, { impure: true });
    const two = await get(counted({ ...rig.env, WHO: 'two' }).nix, { impure: true });
    expect([one, two]).toMatchObject([{ variables: { WHO: 'one' } }, { variables: { WHO: 'two' } }]);
    expect(two.reason).toContain('`nix.impure`');
  });

  test('keeps what it uses of the store from the garbage collector, and is found out anew once it is gone', async () => {
    rig.write('flake.nix', shellFlake('A = "1";'));
    const { nix } = counted();
    const environment = await get(nix);
    if (environment.how !== 'direct') throw new Error('not direct');
    const path = realpathSync(environment.profile);
    const roots = execFileSync('nix-store', ['--query', '--roots', path], {
      env: rig.env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(roots).toContain(dirname(environment.profile));
    const dead = execFileSync('nix-store', ['--gc', '--print-dead'], {
      env: rig.env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(dead).not.toContain(path);
    expect(statSync(dirname(environment.profile)).mode & 0o777).toBe(0o700);
    rmSync(environment.profile);
    expect(await get(nix)).toMatchObject({ cached: false });
  });

  test('of the last few states are kept, and no more', async () => {
    const { nix } = counted();
    for (const n of [1, 2, 3, 4, 5]) {
      rig.write('flake.nix', shellFlake(`A = "${n}";`));
      await get(nix);
    }
    const [slot = ''] = readdirSync(join(rig.cacheRoot, 'nix'));
    expect(readdirSync(join(rig.cacheRoot, 'nix', slot)).length).toBe(3);
  });

  test('is kept where the service says', async () => {
    rig.write('flake.nix', shellFlake(''));
    const cacheDir = join(rig.dir, 'elsewhere');
    const environment = await get(counted().nix, { cacheDir });
    expect(environment).toMatchObject({ profile: expect.stringContaining(cacheDir) as unknown });
  });

  test('is found out once for all who ask at the same time', async () => {
    rig.write('flake.nix', shellFlake(''));
    const { nix, calls } = counted();
    const all = await Promise.all([get(nix), get(nix), get(nix)]);
    expect(new Set(all.map(({ key }) => key)).size).toBe(1);
    expect(calls()).toBe(1);
  });

  test('survives a spoiled entry of the cache', async () => {
    rig.write('flake.nix', shellFlake(''));
    const { nix } = counted();
    const environment = await get(nix);
    if (environment.how !== 'direct') throw new Error('not direct');
    execFileSync('/bin/sh', [
      '-c',
      'echo "{" >"$1"',
      'sh',
      join(dirname(environment.profile), 'environment.json'),
    ]);
    expect(await get(nix)).toMatchObject({ cached: false });
  });

  test('of a flake that git manages needs the files to be known to git, and says so', async () => {
    rig.write('flake.nix', shellFlake(''));
    rig.git('init', '-q');
    const { nix } = counted();
    expect(await fail(nix)).toMatchObject({
      code: 'nix-failed',
      help: expect.stringContaining('git add') as unknown,
    });
    rig.git('add', '.');
    expect(await get(nix)).toMatchObject({ how: 'direct', cached: false });
  });

  test('locks the inputs of a flake that is not locked yet, and is then there', async () => {
    const input = join(rig.dir, 'input');
    execFileSync('mkdir', [input]);
    execFileSync('/bin/sh', [
      '-c',
      `echo '{ outputs = _: { greeting = "hi"; }; }' >"$1"`,
      'sh',
      join(input, 'flake.nix'),
    ]);
    rig.write(
      'flake.nix',
      shellFlake('GREETING = dep.greeting;')
        .replace('{ self }', '{ self, dep }')
        .replace('{\n', `{\n  inputs.dep.url = "path:${input}";\n`),
    );
    const { nix } = counted();
    expect(await get(nix)).toMatchObject({ cached: false, variables: { GREETING: 'hi' } });
    expect(readdirSync(rig.flake)).toContain('flake.lock');
    expect(await get(nix)).toMatchObject({ cached: true });
  });

  test.each([
    [
      '{ outputs = { self }: { devShells.x86_64-linux.default = throw "no luck"; devShells.aarch64-linux.default = throw "no luck"; }; }',
      /failed: no luck$/,
    ],
    ['{ outputs = { self }: { }; }', /does not provide attribute/],
    ['{ outputs = { self }: { a = 3 } }', /failed: syntax error.* at flake\.nix:1:/],
  ])('cannot be had of %s, in one readable sentence', async (text, message) => {
    rig.write('flake.nix', text);
    expect(await fail(counted().nix)).toMatchObject({
      code: 'nix-failed',
      message: expect.stringMatching(message) as unknown,
    });
  });

  test('is given up at once when nobody waits for it any more, and nix with it', async () => {
    rig.write('flake.nix', shellFlake(''));
    const bin = rig.program('slow', 'nix', 'echo "fetching" >&2; sleep 1000 & echo $! >"$PIDS"; wait');
    const pids = join(rig.dir, 'pids');
    const nix = createNix({
      env: { ...rig.env, PATH: `${bin}:${rig.env['PATH'] ?? ''}`, PIDS: pids },
      cacheRoot: rig.cacheRoot,
    });
    const giving = new AbortController();
    const result = nix.materialise(spec(), () => undefined, giving.signal);
    const pid = await eventually('nix runs', () => Number(readPid(pids)));
    giving.abort();
    expect(await result).toMatchObject({ ok: false, error: { code: 'nix-failed' } });
    await eventually('nix has ended', () => !alive(pid));
  });

  test('of a nix that cannot print it is got through nix develop, and says why', async () => {
    rig.write('flake.nix', shellFlake('GREETING = "hello";'));
    const bin = rig.program('old', 'nix', `echo "error: unrecognised flag '--json'" >&2; exit 1`);
    const old = createNix({
      env: { ...rig.env, PATH: `${bin}:${rig.env['PATH'] ?? ''}` },
      cacheRoot: rig.cacheRoot,
    });
    expect(await get(old)).toMatchObject({
      how: 'develop',
      reason: expect.stringContaining('cannot print an environment as JSON') as unknown,
      command: [
        join(bin, 'nix'),
        'develop',
        '--extra-experimental-features',
        'nix-command flakes',
        rig.flake,
        '--command',
      ],
    });
  });
});

describe('without nix', () => {
  test('a flake that was never evaluated is a failure that says what to install', async () => {
    rig.write('flake.nix', shellFlake(''));
    const nix = createNix({ env: rig.withoutNix(), cacheRoot: rig.cacheRoot });
    expect(await fail(nix)).toMatchObject({
      code: 'nix-failed',
      message: 'nix is not on the PATH of setpoint',
      help: expect.stringContaining('install nix') as unknown,
    });
  });

  test('a folder without a flake is a failure of its own', async () => {
    const nix = createNix({ env: rig.env, cacheRoot: rig.cacheRoot });
    expect(await fail(nix)).toMatchObject({
      message: expect.stringContaining('there is no flake at') as unknown,
    });
    expect(await fail(nix, { flake: '/no/such/folder' })).toMatchObject({ code: 'nix-failed' });
  });

  test.each([
    ['ID=debian', 'apt-get install nix-bin'],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"', 'apt-get install nix-bin'],
    ['ID=alpine', 'apk add nix'],
    ['', 'nixos.org'],
  ])('the doctor knows how to install it on %j: %s', async (osRelease, hint) => {
    const facts = await nixFacts({ env: { PATH: '/nowhere' }, readText: () => osRelease });
    if (process.platform !== 'darwin' && facts.kind === 'missing') expect(facts.help).toContain(hint);
  });

  test('one that is too old, or does not answer, is not usable', async () => {
    const old = rig.program('old', 'nix', 'echo "nix (Nix) 2.3.16"');
    expect(await nixFacts({ env: { PATH: `${old}:/bin` } })).toMatchObject({
      kind: 'unusable',
      reason: 'nix 2.3.16 is older than flakes',
    });
    const broken = rig.program('broken', 'nix', 'exit 3');
    expect(await nixFacts({ env: { PATH: `${broken}:/bin` } })).toMatchObject({ kind: 'unusable' });
  });
});

describe('a service in a flake', () => {
  needsNix();
  let native: Rig;
  beforeEach(() => {
    native = new Rig();
  });
  afterEach(() => (native as Rig | undefined)?.close());

  async function run(
    argv: readonly string[],
    environment: NixEnvironment,
    declaredEnv: Record<string, string> = {},
  ) {
    const hostEnv = native.env();
    const given = { argv, env: { ...hostEnv, ...declaredEnv }, declaredEnv, hostEnv };
    const launch = applyNix(given, environment);
    const proc = await native.start(launch.argv, { env: launch.env });
    return { proc, exit: await proc.exited, stdout: native.stdout() };
  }

  test("is executed directly, its program the shell's and not the host's of the same name", async () => {
    const bin = rig.program('shell-bin', 'ls', 'echo "the ls of the shell, $GREETING, $OWN"; exec sleep 0');
    rig.program('shell-bin', 'only-here', 'exit 9');
    rig.write('flake.nix', shellFlake(`PATH = "${bin}"; GREETING = "hello"; OWN = "shell";`));
    const environment = await get(createNix({ env: rig.env, cacheRoot: rig.cacheRoot }));
    expect((await run(['ls'], environment, { OWN: 'declared' })).stdout).toBe(
      'the ls of the shell, hello, declared\n',
    );
    expect((await run(['only-here'], environment)).exit).toEqual({ kind: 'code', code: 9 });
  });

  test('through nix develop has the same environment, and its own exit status', async () => {
    rig.write('flake.nix', shellFlake('GREETING = "hello"; OWN = "shell"; PATH = "/usr/bin:/bin";'));
    const nix = execFileSync('/bin/sh', ['-c', 'command -v nix'], { encoding: 'utf8' }).trim();
    const environment: NixEnvironment = {
      how: 'develop',
      reason: 'tried',
      key: 'k',
      notes: [],
      command: [nix, 'develop', rig.flake, '--command'],
    };
    const given = { ...rig.env, OWN: 'declared' };
    const { exit, stdout } = await run(
      ['/bin/sh', '-c', 'echo "$GREETING $OWN"; exit 5'],
      environment,
      given,
    );
    expect(stdout).toBe('hello declared\n');
    expect(exit).toEqual({ kind: 'code', code: 5 });
  });
});

function readPid(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function alive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}
