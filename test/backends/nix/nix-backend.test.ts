import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCommandRunner } from '../../../src/host/commands.ts';
import { createNativeBackend } from '../../../src/backends/native/native-backend.ts';
import { createNixBackend } from '../../../src/backends/nix/nix-backend.ts';
import { createEncloser } from '../../../src/backends/sandbox/enclosure.ts';
import type { ConcreteLaunch } from '../../../src/core/launch.ts';
import type { NixSettings } from '../../../src/backends/nix/settings.ts';
import type { BackendSettings } from '../../../src/core/service.ts';
import type { Backend, Proc, StartRequest } from '../../../src/ports/backend.ts';
import { lacks } from '../../rig/needs.ts';
import { spec as serviceSpec } from '../../rig/spec.ts';
import { eventually } from '../../rig/wait.ts';
import { Rig } from '../native/rig.ts';
import { FlakeRig, lacksNix, shellFlake } from './flake.ts';

const LACK = lacksNix();

let flake: FlakeRig;
let rig: Rig;
beforeEach((ctx) => {
  if (LACK !== undefined) ctx.skip(LACK);
  flake = new FlakeRig();
  rig = new Rig();
});
afterEach(async () => {
  if (LACK !== undefined) return;
  await rig.close();
  flake.close();
});

/** As a daemon would put it together; a later one is another. */
function backend(env = flake.env, warnings: string[] = []): Backend {
  const native = createNativeBackend({ encloser: createEncloser({ env: process.env, hidden: [] }) });
  return createNixBackend({
    native,
    commands: createCommandRunner(0o022),
    env,
    cacheRoot: flake.cacheRoot,
    onWarning: (message) => warnings.push(message),
  });
}

function nixSpec(more: Partial<NixSettings> = {}): NixSettings {
  return { flake: flake.flake, shell: 'default', impure: false, ...more };
}

function settings(more: Partial<NixSettings> = {}): BackendSettings {
  return { values: nixSpec(more), source: 'flake' };
}

function request(
  argv: readonly string[],
  launch: Partial<ConcreteLaunch> = {},
  more: Partial<StartRequest> = {},
): StartRequest {
  const hostEnv = rig.env();
  const { declaredEnv = {} } = launch;
  return rig.request(
    argv,
    {
      backend: 'nix',
      settings: settings(),
      hostEnv,
      declaredEnv,
      env: { ...hostEnv, ...declaredEnv },
      ...launch,
    },
    more,
  );
}

async function materialise(of: Backend, launch: ConcreteLaunch): Promise<string[]> {
  const progress: string[] = [];
  const made = await of.materialise?.(launch, (text) => progress.push(text), new AbortController().signal);
  if (made?.ok !== true) throw new Error(JSON.stringify(made));
  return progress;
}

async function start(of: Backend, asked: StartRequest): Promise<Proc> {
  const started = await of.start(asked);
  if (!started.ok) throw new Error(JSON.stringify(started.error));
  return started.value.proc;
}

function inputs(of: Backend, nix: NixSettings = nixSpec()): Promise<string | undefined> | undefined {
  return of.inputs?.(serviceSpec('web', { launch: { backend: 'nix', settings: { values: nix } } }).launch);
}

describe('a service in a nix shell', () => {
  test('is executed directly in its environment, with no call of nix once that is there', async () => {
    const bin = flake.program('shell-bin', 'ls', 'echo "the ls of the shell: $GREETING $OWN"; exit 9');
    flake.write('flake.nix', shellFlake(`PATH = "${bin}"; GREETING = "hello"; OWN = "shell";`));
    const { env, calls } = flake.counting();
    const nix = backend(env);
    const first = request(['ls'], { declaredEnv: { OWN: 'declared' } });
    const progress = await materialise(nix, first.launch);
    expect(progress[0]).toBe(`nix evaluates ${flake.flake}`);
    expect(calls()).toBe(1);
    expect(await (await start(nix, first)).exited).toEqual({ kind: 'code', code: 9 });
    expect(rig.stdout()).toBe('the ls of the shell: hello declared\n');
    // A later daemon, too, finds it there, and has nothing to say of it.
    const later = backend(env);
    const second = request(['ls']);
    expect(await materialise(later, second.launch)).toEqual([]);
    expect(await (await start(later, second)).exited).toEqual({ kind: 'code', code: 9 });
    expect(calls()).toBe(1);
  });

  test("has what it requires looked for on the shell's PATH, before it starts", async () => {
    const bin = flake.program('shell-bin', 'only-in-the-shell', ':');
    flake.write('flake.nix', shellFlake(`PATH = "${bin}";`));
    const nix = backend();
    const good = request(['true'], {}, { requires: ['only-in-the-shell', 'sh'] });
    expect(await (await start(nix, good)).exited).toEqual({ kind: 'code', code: 0 });
    const bad = request(['true'], {}, { requires: ['only-in-the-shell', 'nowhere-at-all'] });
    expect(await nix.start(bad)).toMatchObject({
      ok: false,
      error: { code: 'missing-requirement', message: expect.stringMatching(/: nowhere-at-all$/) as unknown },
    });
    const missing = request(['not-in-the-shell-either']);
    expect(await nix.start(missing)).toMatchObject({ ok: false, error: { code: 'missing-program' } });
  });

  test('whose flake is broken does not start, and the reason is one readable sentence', async () => {
    flake.write('flake.nix', '{ outputs = { self }: { a = 3 } }');
    expect(await backend().start(request(['true']))).toMatchObject({
      ok: false,
      error: {
        code: 'nix-failed',
        message: expect.stringMatching(/syntax error.* at flake\.nix:1:/) as unknown,
      },
    });
  });

  test('is told that its shellHook is not run, each time', async () => {
    flake.write('flake.nix', shellFlake('shellHook = "echo hi";'));
    const warnings: string[] = [];
    const nix = backend(flake.env, warnings);
    const { launch } = request(['true']);
    for (const _ of [1, 2]) {
      expect(await materialise(nix, launch)).toContainEqual(expect.stringContaining('shellHook is not run'));
    }
    // For good, where the progress is gone: once.
    expect(warnings).toEqual([expect.stringMatching(/^web: .*shellHook is not run/)]);
  });

  test('that can only be had through nix develop is, and says so each time', async () => {
    flake.write('flake.nix', shellFlake('GREETING = "hello"; PATH = "/usr/bin:/bin";'));
    // An older nix: its print-dev-env knows no --json, all else is as ever.
    const real = flake.counting().env;
    const old = flake.program(
      'old',
      'nix',
      `if [ "$1" = print-dev-env ]; then echo "error: unrecognised flag '--json'" >&2; exit 1; fi
PATH=\${PATH#*:}; exec nix "$@"`,
    );
    const nix = backend({ ...real, PATH: `${old}:${real['PATH'] ?? ''}` });
    const asked = request(['/bin/sh', '-c', 'echo "$GREETING"; exit 5'], {
      env: { ...flake.env, PATH: real['PATH'] ?? '' },
      hostEnv: { PATH: real['PATH'] ?? '' },
    });
    expect(await materialise(nix, asked.launch)).toContainEqual(
      expect.stringContaining(
        'each start goes through `nix develop`: this nix cannot print an environment as JSON',
      ),
    );
    expect(await (await start(nix, asked)).exited).toEqual({ kind: 'code', code: 5 });
    expect(rig.stdout()).toBe('hello\n');
    const sandbox = { network: true, read: [], write: [], profile: 'default' } as const;
    expect(await nix.start(request(['true'], { sandbox }))).toMatchObject({
      ok: false,
      error: { code: 'sandbox-unavailable', message: expect.stringContaining('nix develop') as unknown },
    });
  });

  test('with an impure flake is evaluated once for a start', async () => {
    flake.write('flake.nix', shellFlake('WHO = builtins.getEnv "WHO";'));
    const { env, calls } = flake.counting({ ...flake.env, WHO: 'me' });
    const nix = backend(env);
    const asked = request(['/bin/sh', '-c', 'echo $WHO'], { settings: settings({ impure: true }) });
    await materialise(nix, asked.launch);
    await (
      await start(nix, asked)
    ).exited;
    expect([rig.stdout(), calls()]).toEqual(['me\n', 1]);
    await materialise(nix, asked.launch);
    expect(calls()).toBe(2);
    expect(await inputs(nix, nixSpec({ impure: true }))).toBeUndefined();
  });

  test('is adopted by a later daemon, and commands for it run in the shell in both', async () => {
    flake.write('flake.nix', shellFlake('GREETING = "hello";'));
    const asked = request(['/bin/sh', '-c', 'echo up; exec sleep 1000'], { declaredEnv: { OWN: 'mine' } });
    const own = await start(backend(), asked);
    await eventually('it runs', () => rig.stdout() === 'up\n');
    const [adopted] = await backend().adopt([rig.adoptRequest(asked, { backend: 'nix' })]);
    expect(adopted?.pid()).toBe(own.pid());
    const script = 'echo "$GREETING $OWN $ADDED $PWD ${SETPOINT_RUN-none}"';
    for (const proc of [own, adopted]) {
      const result = await proc?.exec?.(['/bin/sh', '-c', script], {
        env: { ADDED: 'x' },
        timeoutMs: 10_000,
      });
      expect(result).toEqual({ kind: 'exited', code: 0, output: `hello mine x ${rig.dir} none\n` });
    }
    await adopted?.signal('SIGTERM', 'unit');
    expect(await own.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
    expect(await adopted?.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
  });

  test("runs in a sandbox, its programs the shell's", async (ctx) => {
    const lack = lacks('bwrap');
    if (lack !== undefined) ctx.skip(lack);
    const bin = flake.program('shell-bin', 'ls', 'echo "the ls of the shell"; exit 9');
    flake.write('flake.nix', shellFlake(`PATH = "${bin}";`));
    const sandbox = { network: false, read: [bin], write: [], profile: 'strict' } as const;
    const proc = await start(backend(), request(['ls'], { sandbox }));
    expect(await proc.exited).toEqual({ kind: 'code', code: 9 });
    expect(rig.stdout()).toBe('the ls of the shell\n');
  });
});

describe('what a flake is made from', () => {
  test('is told without nix: it changes with its files, and with nothing else', async () => {
    flake.write('flake.nix', shellFlake('A = import ./a.nix;'));
    flake.write('a.nix', '"1"');
    const { env, calls } = flake.counting();
    const nix = backend(env);
    const first = await inputs(nix);
    expect(first).toMatch(/^[0-9a-f]+$/);
    expect(await inputs(backend(env))).toBe(first);
    await materialise(nix, request(['true']).launch);
    expect(await inputs(nix)).toBe(first);
    flake.write('a.nix', '"2"');
    const second = await inputs(nix);
    expect(second).not.toBe(first);
    // The same size, within the same tick: the content counts.
    flake.write('a.nix', '"1"');
    expect(await inputs(nix)).toBe(first);
    expect(await inputs(nix, nixSpec({ shell: 'other' }))).not.toBe(first);
    expect(calls()).toBe(1);
  });

  test('does not change by the lock file that nix writes itself, but by a later one', async () => {
    const input = join(flake.dir, 'input');
    mkdirSync(input);
    writeFileSync(join(input, 'flake.nix'), '{ outputs = _: { greeting = "hi"; }; }');
    const text = shellFlake('GREETING = dep.greeting;')
      .replace('{ self }', '{ self, dep }')
      .replace('{\n', `{\n  inputs.dep.url = "path:${input}";\n`);
    flake.write('flake.nix', text);
    const nix = backend();
    const before = await inputs(nix);
    await materialise(nix, request(['true']).launch);
    expect(await inputs(nix)).toBe(before);
    expect(await inputs(backend())).toBe(before);
    writeFileSync(join(input, 'flake.nix'), '{ outputs = _: { greeting = "ho"; }; }');
    expect(await inputs(nix)).not.toBe(before);
  });
});

test('a launch without a flake is refused in words', async () => {
  const { settings: _none, ...launch } = request(['true']).launch;
  const nix = backend();
  expect(await nix.start({ ...request(['true']), launch })).toMatchObject({ error: { code: 'nix-failed' } });
  expect(await nix.materialise?.(launch, () => undefined, new AbortController().signal)).toMatchObject({
    error: { code: 'nix-failed' },
  });
});
