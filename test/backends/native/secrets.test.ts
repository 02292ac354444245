import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createNativeBackend } from '../../../src/backends/native/native-backend.ts';
import { leastNice, planNice } from '../../../src/backends/native/niceness.ts';
import { ProgramFinder } from '../../../src/host/programs.ts';
import { lacks, lacksRoot } from '../../rig/needs.ts';
import { eventually } from '../../rig/wait.ts';
import { AnotherDaemon } from './another-daemon.ts';
import { Rig } from './rig.ts';

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

const secrets = [
  { name: 'token', content: 's3cret\n' },
  { name: 'key.pem', content: '' },
];

function folder(): string {
  return join(rig.dir, 'web.1', 'secrets');
}

describe('the secrets of a service', () => {
  test('are files that it alone reads, in a folder that it is told of, and gone when its end is told', async () => {
    const proc = await rig.sh('echo "$SETPOINT_SECRETS_DIR"; cat "$SETPOINT_SECRETS_DIR/token"; read -r go', {
      secrets,
      stdin: 'pipe',
    });
    await eventually('it has read them', () => rig.stdout() === `${folder()}\ns3cret\n`);
    expect(statSync(folder()).mode & 0o777).toBe(0o700);
    for (const { name, content } of secrets) {
      expect(statSync(join(folder(), name)).mode & 0o777).toBe(0o400);
      expect(readFileSync(join(folder(), name), 'utf8')).toBe(content);
    }
    await proc.input?.write(Buffer.from('\n'));
    await proc.exited;
    expect(existsSync(folder())).toBe(false);
  });

  test('are not on its command line, nor in its environment', async () => {
    const proc = await rig.sh('tr "\\0" "\\n" </proc/self/environ; cat /proc/$PPID/cmdline', { secrets });
    await proc.exited;
    expect(rig.stdout()).toContain('SETPOINT_SECRETS_DIR=');
    expect(rig.stdout()).not.toContain('s3cret');
  });

  test('are another for each run, and what an earlier one left is gone', async () => {
    mkdirSync(folder(), { recursive: true });
    writeFileSync(join(folder(), 'old'), 'x', { mode: 0o400 });
    await (
      await rig.sh('ls "$SETPOINT_SECRETS_DIR"', { secrets: [{ name: 'new', content: 'y' }] })
    ).exited;
    expect(rig.stdout()).toBe('new\n');
    mkdirSync(folder());
    await (
      await rig.sh('echo "${SETPOINT_SECRETS_DIR-none}"')
    ).exited;
    expect(rig.stdout()).toBe('new\nnone\n');
    expect(existsSync(folder())).toBe(false);
  });

  test('do not stay where the start fails', async () => {
    const failure = await rig.failure(['true', 'x'.repeat(200_000)], { secrets });
    expect(failure).toMatchObject({ code: 'arguments-too-long' });
    expect(existsSync(folder())).toBe(false);
  });

  test('are removed by a later daemon when it takes the end over', async () => {
    const request = rig.request(['/bin/sh', '-c', 'exec sleep 1000'], { secrets });
    const [pid = 0] = await another.startAndDie([request]);
    const [proc] = await createNativeBackend({}).adopt([rig.adoptRequest(request)]);
    expect([proc?.pid(), existsSync(folder())]).toEqual([pid, true]);
    await proc?.signal('SIGTERM', 'unit');
    await proc?.exited;
    expect(existsSync(folder())).toBe(false);
  });

  test('are removed by a later daemon where their own died before it had made a process', async () => {
    const request = rig.request(['true'], { secrets });
    await another.dieAt('before-spawn', request);
    expect(existsSync(join(folder(), 'token'))).toBe(true);
    expect(await createNativeBackend({}).adopt([rig.adoptRequest(request)])).toEqual([]);
    expect(existsSync(folder())).toBe(false);
  });

  test('with a name that leads elsewhere are refused', async () => {
    for (const name of ['../x', '..', '']) {
      const failure = await rig.failure(['true'], { secrets: [{ name, content: 'x' }] });
      expect(failure).toMatchObject({ code: 'other', message: expect.stringContaining('name') as unknown });
    }
    expect(existsSync(folder())).toBe(false);
  });

  test("of another user are that user's, in a folder that nobody else enters", async (ctx) => {
    const lack = lacksRoot() ?? lacks('setpriv');
    if (lack !== undefined) ctx.skip(lack);
    const script = 'id -u; cat "$SETPOINT_SECRETS_DIR/token"; echo "$SETPOINT_SECRETS_DIR"; read -r go';
    const proc = await rig.sh(script, { secrets, user: 'nobody', cwd: '/', stdin: 'pipe' });
    await eventually('it has read them', () => rig.stdout().split('\n').length === 4);
    const [uid, token, place = ''] = rig.stdout().split('\n');
    expect([uid, token]).toEqual(['65534', 's3cret']);
    expect(lstatSync(folder()).isSymbolicLink()).toBe(true);
    expect(readlinkSync(folder())).toBe(place);
    for (const path of [place, join(place, 'token')]) expect(statSync(path).uid).toBe(65_534);
    expect(statSync(place).mode & 0o777).toBe(0o700);
    await proc.signal('SIGKILL', 'unit');
    await proc.exited;
    expect([existsSync(place), existsSync(folder())]).toEqual([false, false]);
  });
});

describe('the niceness of a service', () => {
  test.each([0, 5, 19])('is %i where it asks for it', async (nice) => {
    await (
      await rig.sh('nice', { nice })
    ).exited;
    expect(rig.stdout()).toBe(`${nice}\n`);
  });

  test('is that of its terminal, too', async (ctx) => {
    const lack = lacks('script', 'stty');
    if (lack !== undefined) ctx.skip(lack);
    await (
      await rig.sh('nice', { nice: 3, tty: true })
    ).exited;
    expect(rig.stdout()).toBe('3\r\n');
  });

  test('is refused, and the service not run, where the kernel would refuse it', async (ctx) => {
    const lack = lacksRoot() ?? lacks('setpriv');
    if (lack !== undefined) ctx.skip(lack);
    const request = rig.request(['/bin/sh', '-c', 'nice'], { nice: -5 });
    const without = ['setpriv', '--inh-caps=-sys_nice', '--bounding-set=-sys_nice', '--'];
    expect(await another.failureUnder(without, request)).toMatchObject({
      code: 'limit-refused',
      message: expect.stringContaining('`nice: -5` is refused by the kernel') as unknown,
    });
    expect(await another.failureUnder(['env'], request)).toBeUndefined();
    expect(rig.stdout()).toBe('-5\n');
  });

  test('counts from that of this process, and may be lower only as far as the kernel allows', () => {
    const plan = (nice: number, own: number, least: number): unknown => {
      const planned = planNice(nice, new ProgramFinder(), process.env['PATH'], { own, least });
      return planned.ok ? planned.value.slice(1).join(' ') : planned.error.code;
    };
    expect(plan(5, 0, 20)).toBe('-n 5');
    expect(plan(5, 5, 20)).toBe('');
    expect(plan(7, 5, 20)).toBe('-n 2');
    expect(plan(-3, 0, -3)).toBe('-n -3');
    expect(plan(-4, 0, -3)).toBe('limit-refused');
    expect(plan(3, 5, 20)).toBe('limit-refused');
    const missing = planNice(5, new ProgramFinder(), '/nowhere', { own: 0, least: 0 });
    expect(missing).toMatchObject({
      ok: false,
      error: { help: expect.stringContaining('coreutils') as unknown },
    });
  });

  test('may be any for who has the capability, else what the limit says', () => {
    const row = (soft: string): string => `Max nice priority         ${soft}                    ${soft}\n`;
    expect(leastNice('CapEff:\t0000000000800000\n', row('0'))).toBe(-20);
    expect(leastNice('CapEff:\t0000000000000000\n', row('0'))).toBe(20);
    expect(leastNice('CapEff:\t0000000000000000\n', row('30'))).toBe(-10);
    expect(leastNice('CapEff:\t0000000000000000\n', row('unlimited'))).toBe(-20);
  });
});
