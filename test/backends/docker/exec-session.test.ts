import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ExecRequest, ExecSession } from '../../../src/ports/backend.ts';
import { eventually } from '../../rig/wait.ts';
import { dockerAt, describeOnEngine, provideImage } from './engine.ts';
import { Bench, type DockerBackend, type Started } from './rig.ts';

describeOnEngine('a command with somebody in front of it', () => {
  let bench: Bench;
  let backend: DockerBackend;
  let service: Started;

  beforeAll(async () => {
    await provideImage(dockerAt());
    bench = new Bench();
    backend = bench.backend();
    service = await bench.script(backend, 'while :; do sleep 1000; done', {
      declaredEnv: { OF: 'the service' },
      docker: { workdir: '/etc' },
    });
  }, 60_000);
  afterAll(() => bench.close());

  async function open(script: string, change: Partial<ExecRequest> = {}): Promise<ExecSession> {
    const argv = ['/bin/sh', '-c', script];
    const opened = await service.proc.openExec({ argv, tty: false, env: {}, ...change });
    if (!opened.ok) throw new Error(opened.error.message);
    return opened.value;
  }

  async function textOf(session: ExecSession): Promise<{ stdout: string; stderr: string }> {
    const text = { stdout: '', stderr: '' };
    for await (const { stream, data } of session.output) text[stream] += Buffer.from(data).toString();
    return text;
  }

  test('its outputs are told apart, its environment and folder are those of the service', async () => {
    const session = await open('echo "$OF $MORE"; pwd; id -u; echo bad >&2; exit 3', {
      env: { MORE: 'and more' },
    });
    expect(await textOf(session)).toEqual({ stdout: 'the service and more\n/etc\n0\n', stderr: 'bad\n' });
    expect(await session.exited).toEqual({ kind: 'code', code: 3 });
    const other = await open('pwd; id -u', { cwd: '/tmp', user: 'nobody' });
    expect(await textOf(other)).toEqual({ stdout: '/tmp\n65534\n', stderr: '' });
  });

  test('it reads what is written, and sees the end of it', async () => {
    const session = await open('wc -c; exit 4');
    await session.write(Buffer.from('abc'));
    await session.write(Buffer.from('de'));
    session.endInput();
    session.endInput();
    expect((await textOf(session)).stdout.trim()).toBe('5');
    expect(await session.exited).toEqual({ kind: 'code', code: 4 });
    await expect(session.write(Buffer.from('x'))).rejects.toThrow();
  });

  test('a terminal has the size it was given, and another when that is set', async () => {
    const session = await open(
      'while test "$(stty size 2>/dev/null)" != "33 91"; do sleep 0.05; done; trap "stty size; exit 7" WINCH; echo ready; while :; do sleep 0.05; done',
      {
        tty: true,
        columns: 91,
        rows: 33,
      },
    );
    let text = '';
    for await (const { stream, data } of session.output) {
      expect(stream).toBe('stdout');
      text += Buffer.from(data).toString();
      if (text.endsWith('ready\r\n')) expect(await session.resize(50, 20)).toBe(true);
    }
    expect(text).toBe('ready\r\n20 50\r\n');
    expect(await session.exited).toEqual({ kind: 'code', code: 7 });
    expect(await session.resize(1, 1)).toBe(false);
  });

  test('output that nobody reads holds it up, and comes whole when it is read', async () => {
    const session = await open('head -c 5000000 /dev/zero; echo end >&2');
    let isOver = false;
    void session.exited.then(() => (isOver = true));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(isOver).toBe(false);
    const { stdout, stderr } = await textOf(session);
    expect([stdout.length, stderr]).toEqual([5_000_000, 'end\n']);
    expect(await session.exited).toEqual({ kind: 'code', code: 0 });
  });

  test('it ends with its own process, though one in the background holds its output open', async () => {
    const session = await open('sleep 543 & echo begun; exit 5');
    expect((await textOf(session)).stdout).toBe('begun\n');
    expect(await session.exited).toEqual({ kind: 'code', code: 5 });
    await service.proc.exec(['pkill', '-f', 'sleep 543'], { env: {}, timeoutMs: 10_000 });
  });

  test('a session that is closed ends what it began, and nothing else', async () => {
    const session = await open('sleep 544; true');
    const running = async (word: string): Promise<boolean> =>
      (await service.proc.members()).some(({ command }) => command.includes(word));
    await eventually('it runs', () => running('sleep 544'));
    session.close();
    session.close();
    expect(await session.exited).toMatchObject({ kind: 'unknown' });
    expect(await textOf(session)).toEqual({ stdout: '', stderr: '' });
    await eventually('it has ended', async () => !(await running('sleep 544')));
    expect(await running('sleep 1000')).toBe(true);
  });

  test('a program that is not there is said so, with the status of a shell', async () => {
    const session = await open('', { argv: ['no-such-program'] });
    const { stdout, stderr } = await textOf(session);
    expect(stdout + stderr).toContain('no-such-program');
    const exit = await session.exited;
    expect(exit.kind === 'code' && [126, 127].includes(exit.code)).toBe(true);
  });

  test('in a container that has ended nothing can be started', async () => {
    const ended = await bench.script(bench.backend(), 'true', {});
    await ended.proc.gone;
    const opened = await ended.proc.openExec({ argv: ['true'], tty: false, env: {} });
    expect(opened).toMatchObject({ ok: false, error: { code: 'other' } });
  });
});
