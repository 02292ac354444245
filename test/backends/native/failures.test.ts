import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createNativeBackend } from '../../../src/backends/native/native-backend.ts';
import type { Failpoint } from '../../../src/ports/backend.ts';
import { lacks, lacksRoot } from '../../rig/needs.ts';
import { AnotherDaemon } from './another-daemon.ts';
import { Rig } from './rig.ts';

const NOBODY = 65_534;
const noRoot = lacksRoot() ?? lacks('setpriv', 'prlimit');
const noPrlimit = lacks('prlimit');

let rig: Rig;
let another: AnotherDaemon;
beforeAll(async () => {
  another = await AnotherDaemon.build();
});
afterAll(() => another.close());
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

/** Still root by name, who owns what is root's, but what belongs to others is closed to it. */
const WITHOUT_OVERRIDE = ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--'];
/** Only by its number somebody else, for whom limits of processes count. */
const AS_NOBODY = [
  'setpriv',
  `--reuid=${NOBODY}`,
  '--inh-caps=+dac_override',
  '--ambient-caps=+dac_override',
  '--',
];

function giveAway(path: string): void {
  chownSync(path, NOBODY, NOBODY);
}

describe.skipIf(noRoot !== undefined)('without all rights of root, a start is refused because of', () => {
  test('a working directory that may not be entered', async () => {
    const cwd = join(rig.dir, 'closed');
    mkdirSync(cwd, { mode: 0o700 });
    giveAway(cwd);
    expect(await another.failureUnder(WITHOUT_OVERRIDE, rig.request(['true'], { cwd }))).toEqual({
      code: 'missing-cwd',
      message: `working directory ${cwd} cannot be entered (EACCES)`,
      help: 'mend its permissions, or correct `cwd`',
    });
  });

  test('a program that may not be executed, or is where nobody may look', async () => {
    const closed = join(rig.dir, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    writeFileSync(join(closed, 'tool'), '#!/bin/sh\n', { mode: 0o755 });
    writeFileSync(join(rig.dir, 'theirs'), '#!/bin/sh\n', { mode: 0o700 });
    giveAway(closed);
    giveAway(join(rig.dir, 'theirs'));
    const failures = [
      await another.failureUnder(WITHOUT_OVERRIDE, rig.request(['./theirs'])),
      await another.failureUnder(WITHOUT_OVERRIDE, rig.request([join(closed, 'tool')])),
    ];
    expect(failures).toMatchObject([
      { code: 'not-executable', message: `${join(rig.dir, 'theirs')} is not executable` },
      { code: 'not-executable', message: expect.stringContaining('may not be searched') as unknown },
    ]);
  });

  test('a state that may not be written', async () => {
    const request = rig.request(['true']);
    giveAway(request.instanceDir);
    expect(await another.failureUnder(WITHOUT_OVERRIDE, request)).toMatchObject({ code: 'state-unwritable' });
  });

  test('too many processes of one user, which is told as a shortage', async () => {
    const request = rig.request(['true'], { cwd: '/' });
    expect(await another.failureUnder(AS_NOBODY, request, 'no-processes')).toEqual({
      code: 'resource-shortage',
      message: 'the system is short of a resource (EAGAIN)',
    });
    expect(await another.failureUnder(AS_NOBODY, request)).toBeUndefined();
  });
});

test.skipIf(noPrlimit !== undefined)(
  'a shortage of descriptors is told as one, and the same start goes through once it has passed',
  async () => {
    const request = rig.request(['true']);
    for (const launch of [{}, { stdin: 'pipe' } as const, { notify: {} }]) {
      const under = { ...request, launch: { ...request.launch, ...launch } };
      // Node itself has some twenty open.
      expect(await another.failureUnder(['prlimit', '--nofile=24:24', '--'], under)).toMatchObject({
        code: 'resource-shortage',
      });
      expect(await another.failureUnder([], under)).toBeUndefined();
    }
  },
);

test('each hindrance has a code of its own', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  writeFileSync(join(rig.dir, 'file'), 'text', { mode: 0o644 });
  const failures = {
    program: await rig.failure(['no-such-program']),
    cwd: await rig.failure(['true'], { cwd: join(rig.dir, 'none') }),
    fileAsCwd: await rig.failure(['true'], { cwd: join(rig.dir, 'file') }),
    belowAFile: await rig.failure(['true'], { cwd: join(rig.dir, 'file', 'below') }),
    denied: await rig.failure(['./file']),
    long: await rig.failure(['true', 'x'.repeat(3_000_000)]),
    nulArgument: await rig.failure(['true', 'a\0b']),
    nulVariable: await rig.failure(['true'], { env: { ...rig.env(), A: '\0' } }),
    port: await rig.failure(['true'], { ports: { http: port } }),
  };
  await new Promise((resolve) => server.close(resolve));
  expect(failures).toMatchObject({
    program: { code: 'missing-program' },
    cwd: { code: 'missing-cwd', message: expect.stringContaining('does not exist') as unknown },
    fileAsCwd: { code: 'missing-cwd', message: expect.stringContaining('is not a directory') as unknown },
    belowAFile: { code: 'missing-cwd' },
    denied: { code: 'not-executable' },
    long: { code: 'arguments-too-long' },
    nulArgument: { code: 'other', message: 'argument 1 of the command holds a NUL byte' },
    nulVariable: { code: 'other', message: 'environment variable "A" holds a NUL byte' },
    port: { code: 'port-taken', message: expect.stringContaining(`(pid ${process.pid})`) as unknown },
  });
});

test('a failpoint is passed right before and right after the launcher is made, and by a refused start not at all', async () => {
  const passed: Failpoint[] = [];
  const backend = createNativeBackend({ failpoint: (at) => passed.push(at) });
  await backend.start(rig.request(['no-such-program']));
  expect(passed).toEqual([]);
  const started = await backend.start(rig.request(['true']));
  expect(passed).toEqual(['before-spawn', 'after-spawn']);
  if (started.ok) await started.value.proc.exited;
});

test('a daemon that dies before the launcher is made leaves nothing; right after, a run that is found', async () => {
  const before = rig.request(['sleep', '1000']);
  await another.dieAt('before-spawn', before);
  expect(rig.carriers()).toEqual([]);
  const after = rig.request(['sleep', '1000']);
  await another.dieAt('after-spawn', after);
  const adopted = await createNativeBackend({}).adopt([rig.adoptRequest(before), rig.adoptRequest(after)]);
  expect(adopted.map(({ run }) => run)).toEqual([after.run]);
  await adopted[0]?.signal('SIGTERM', 'unit');
  expect(await adopted[0]?.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
  await adopted[0]?.gone;
});
