import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createRedactor } from '../../../src/core/redact.ts';
import { freePort } from '../../rig/free-port.ts';
import { eventually } from '../../rig/wait.ts';
import { dockerAt, enginePath, describeOnEngine, provideImage } from './engine.ts';
import { Bench, containerProc, type DockerBackend, textOf } from './rig.ts';

describeOnEngine('containers on a real engine', () => {
  let bench: Bench;
  let backend: DockerBackend;

  beforeAll(() => provideImage(dockerAt()), 60_000);
  beforeEach(() => {
    bench = new Bench();
    backend = bench.backend();
  });
  afterEach(() => bench.close());

  const containersOf = (run: string) =>
    bench.docker.listContainers({ all: true, filters: { label: [`dev.setpoint.run=${run}`] } });

  test('the engine answers', async () => {
    expect(await bench.ping()).toMatchObject({ ok: true });
  });

  test('a service runs, what it writes is in its files byte by byte, and its exit code is told', async () => {
    const script = 'printf "one\\n\\033[1mtwo"; printf "bad\\n" >&2; exit 7';
    const { request, proc } = await bench.script(backend, script);
    expect(await proc.exited).toEqual({ kind: 'code', code: 7 });
    // Whoever is told of the end may look for last words at once.
    expect(textOf(request.stdoutPath)).toBe('one\n\u001b[1mtwo');
    expect(textOf(request.stderrPath)).toBe('bad\n');
    await proc.gone;
    expect(await containersOf(request.run)).toEqual([]);
    expect(bench.warnings).toEqual([]);
  });

  test('a line longer than the engine keeps in one piece comes whole', async () => {
    const { request, proc } = await bench.script(
      backend,
      'head -c 100000 /dev/zero | tr "\\0" x; echo; echo end',
    );
    await proc.exited;
    expect(textOf(request.stdoutPath).replace(/x+/, (run) => `${run.length} x`)).toBe('100000 x\nend\n');
  });

  test('merged output goes to one file', async () => {
    const { request, proc } = await bench.script(
      backend,
      'echo a; sleep 0.1; echo b >&2; sleep 0.1; echo c',
      {
        mergeStderr: true,
      },
    );
    await proc.exited;
    expect(textOf(request.stdoutPath)).toBe('a\nb\nc\n');
  });

  test('a terminal is one: its size can be set, it can be typed into, and long lines come whole', async () => {
    const script =
      'test -t 1 && echo tty; trap "stty size" WINCH; echo ready; head -c 40000 /dev/zero | tr "\\0" y; echo; while test -z "$x"; do read x; done; echo "got $x"; exit 3';
    const { request, proc } = await bench.script(backend, script, { tty: true });
    await eventually('it is ready', () => textOf(request.stdoutPath).includes('y\r\n'));
    expect(await proc.input!.resize!(91, 33)).toBe(true);
    await proc.input!.write(Buffer.from('hello\n'));
    expect(await proc.exited).toEqual({ kind: 'code', code: 3 });
    const text = textOf(request.stdoutPath);
    expect(text.startsWith('tty\r\nready\r\n')).toBe(true);
    expect(text.split('\r\n').map((line) => line.length)).toContain(40_000);
    expect(text.endsWith('got hello\r\n')).toBe(true);
    expect(textOf(request.stderrPath)).toBe('');
  });

  test('a piped input takes what is written, in order, also from a later daemon', async () => {
    const { request, proc } = await bench.script(backend, 'while read line; do echo "<$line>"; done', {
      stdin: 'pipe',
    });
    await proc.input!.write(Buffer.from('one\n'));
    await proc.input!.write(Buffer.from('two\n'));
    await eventually('both came', () => textOf(request.stdoutPath) === '<one>\n<two>\n');
    backend.close();
    const [adopted] = await bench.backend().adopt([bench.record(request)]);
    await adopted!.input!.write(Buffer.from('three\n'));
    await eventually('the third came', () => textOf(request.stdoutPath) === '<one>\n<two>\n<three>\n');
    await adopted!.signal('SIGKILL', 'unit');
    await adopted!.gone;
    await expect(adopted!.input!.write(Buffer.from('x'))).rejects.toThrow();
  });

  test('a signal reaches the service, and a death by it is told as one', async () => {
    const { request, proc } = await bench.script(
      backend,
      'trap "echo bye; exit 5" TERM; echo up; sleep 100 & wait',
    );
    await eventually('it is up', () => textOf(request.stdoutPath) === 'up\n');
    expect(await proc.signal('SIGTERM', 'unit')).toBe(1);
    expect(await proc.exited).toEqual({ kind: 'code', code: 5 });
    expect(textOf(request.stdoutPath)).toBe('up\nbye\n');
    expect(await proc.signal('SIGTERM', 'unit')).toBe(0);
    const other = await bench.script(backend, 'sleep 100');
    expect(await other.proc.signal('SIGKILL', 'unit')).toBe(1);
    expect(await other.proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
  });

  test('a paused container is woken to be stopped', async () => {
    const { request, proc } = await bench.script(backend, 'sleep 100');
    const [{ Id } = { Id: '' }] = await containersOf(request.run);
    await bench.docker.getContainer(Id).pause();
    await proc.signal('SIGKILL', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
  });

  test('a container that uses more memory than it may is told from one that was killed', async () => {
    const { proc } = await bench.script(backend, 'exec tail /dev/zero', {
      limits: { memory: 16 * 1024 * 1024 },
    });
    expect(await proc.exited).toMatchObject({ kind: 'oom' });
  });

  test('one that goes on though a process in it was killed for lack of memory ends as it ends', async () => {
    const { proc } = await bench.script(backend, 'tail /dev/zero; sleep 0.2; exit 6', {
      limits: { memory: 16 * 1024 * 1024 },
    });
    expect(await proc.exited).toEqual({ kind: 'code', code: 6 });
    expect(bench.warnings.join()).toContain('lack of memory');
  });

  test('its processes and what they use can be seen', async () => {
    const { proc } = await bench.script(backend, 'sleep 1000 & sleep 1001 & wait');
    const commands = await eventually('all run', async () => {
      const members = await proc.members();
      return members.length === 3 ? members.map(({ command }) => command) : undefined;
    });
    expect(commands).toContain('sleep 1001');
    const stats = await proc.stats();
    expect(stats).toMatchObject({ processes: 3, threads: 3 });
    expect(stats!.memoryBytes).toBeGreaterThan(0);
    expect(proc.pid()).toBeGreaterThan(1);
  });

  test('commands run beside the service; one that takes too long is ended inside', async () => {
    const { proc } = await bench.script(backend, 'sleep 1000', { declaredEnv: { A: 'service' } });
    const options = { env: { B: 'own' }, timeoutMs: 10_000 };
    expect(
      await proc.exec(['/bin/sh', '-c', 'echo $A $B; pwd; echo bad >&2; exit 4'], {
        ...options,
        cwd: '/tmp',
      }),
    ).toEqual({
      kind: 'exited',
      code: 4,
      output: expect.stringMatching(/^(service own\n\/tmp\nbad\n|bad\nservice own\n\/tmp\n)$/) as string,
    });
    const missing = await proc.exec(['no-such-program'], options);
    expect(missing.kind === 'not-started' || missing.code === 127 || missing.code === 126).toBe(true);
    const slow = await proc.exec(['/bin/sh', '-c', 'echo begun; sleep 555; true'], {
      env: {},
      timeoutMs: 300,
    });
    expect(slow).toMatchObject({ kind: 'timed-out', output: 'begun\n' });
    await eventually('nothing of it is left', async () => {
      const members = await proc.members();
      return members.every(({ command }) => !command.includes('555'));
    });
  });

  test('the healthcheck of the engine is followed', async () => {
    const healthcheck = {
      test: ['CMD', 'test', '-e', '/tmp/ok'],
      intervalMs: 100,
      timeoutMs: 5000,
      retries: 2,
    };
    const { proc } = await bench.script(backend, 'sleep 1; touch /tmp/ok; sleep 1000', {
      docker: { healthcheck },
    });
    const seen = new Set([proc.health.current()]);
    proc.health.subscribe(() => seen.add(proc.health.current()));
    await eventually('it is healthy', () => proc.health.current() === 'healthy');
    expect([...seen]).toContain('starting');
  });

  test('secrets are files that whoever runs inside may read, and nobody else; they go with the container', async () => {
    const secrets = [{ name: 'token', content: 's3cret\n' }];
    const script =
      'cat $SETPOINT_SECRETS_DIR/token; id -u; echo x > /run/secrets/token || echo read-only; sleep 1000';
    const { request, proc } = await bench.script(backend, script, { secrets, user: 'nobody' });
    await eventually('it has read', () => textOf(request.stdoutPath) === 's3cret\n65534\nread-only\n');
    const folder = join(request.instanceDir, 'secrets');
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(JSON.stringify(await bench.docker.getContainer(`${bench.project}-web-1`).inspect())).not.toContain(
      's3cret',
    );
    await proc.signal('SIGKILL', 'unit');
    await proc.gone;
    expect(existsSync(folder)).toBe(false);
    const missing = bench.request({ secrets, docker: { command: ['/no/such'] } });
    expect((await backend.start(missing)).ok).toBe(false);
    expect(existsSync(folder)).toBe(false);
  });

  test('the line for people is what is run, its secrets masked where it is told how', () => {
    const request = bench.request({
      declaredEnv: { API_TOKEN: 'hunter2' },
      secrets: [{ name: 'a', content: 'b' }],
      user: '7',
      docker: { command: ['echo', 'hi there'] },
    });
    const line = backend.commandLine(request, createRedactor({}));
    expect(line).toContain(`docker run --detach --name ${bench.project}-web-1 `);
    expect(line).toMatch(
      / --env 'API_TOKEN=\*\*\*' .* --user 7 .* setpoint-test\/busybox:1 echo 'hi there'$/,
    );
    expect(line).toContain(`source=${bench.dir}/instances/web.1/secrets/files,target=/run/secrets,readonly`);
    expect(backend.commandLine(request)).toContain(' --env API_TOKEN=hunter2 ');
  });

  test('one service shares the network of another, the processes of the host, and what else is asked for', async () => {
    const web = await bench.script(
      backend,
      'mkdir /w; echo hello > /w/index.html; exec httpd -f -p 80 -h /w',
      {
        docker: { ports: [{ name: 'http', container: 80, protocol: 'tcp' }] },
      },
    );
    const script =
      'for i in 1 2 3 4 5 6 7 8 9; do wget -q -O - http://127.0.0.1/ && break; sleep 0.2; done; test -d /proc/$PPID && echo host; ulimit -n; cat /proc/1/comm; touch /x || echo ro; df -k /dev/shm | tail -1';
    const request = bench.request(
      {
        limits: { open_files: 77 },
        docker: {
          networkMode: 'service:web',
          ports: [{ name: 'x', container: 81, protocol: 'tcp' }],
          init: true,
          readOnly: true,
          shmSize: 1024 * 1024,
          command: ['/bin/sh', '-c', script],
        },
      },
      { number: 2 },
    );
    const started = await backend.start(request);
    if (!started.ok) throw new Error(started.error.message);
    await started.value.proc.exited;
    expect(textOf(request.stdoutPath)).toMatch(/^hello\n(host\n)?77\n(docker-init|tini)\nro\nshm +1024 /);
    await web.proc.signal('SIGKILL', 'unit');
  });

  test('only what is declared is in its environment', async () => {
    const { request, proc } = await bench.script(backend, 'env | sort', {
      declaredEnv: { B: 'x=y', A: '' },
      env: { SECRET_OF_HOST: 'no' },
    });
    await proc.exited;
    const names = textOf(request.stdoutPath)
      .split('\n')
      .map((line) => line.split('=')[0]);
    expect(names).not.toContain('SECRET_OF_HOST');
    expect(textOf(request.stdoutPath)).toContain('A=\nB=x=y\n');
  });

  describe('mounts', () => {
    test('the workspace is mounted and is the working directory; files of the host appear', async () => {
      writeFileSync(join(bench.dir, 'netrc'), 'machine x\n');
      writeFileSync(join(bench.dir, 'gitconfig'), '[user]\n');
      const workspace = join(bench.dir, 'w');
      mkdirSync(workspace);
      const { request, proc } = await bench.script(
        backend,
        'pwd; echo made > made; cat ~/.netrc ~/.gitconfig; touch ~/.netrc 2>/dev/null || echo ro; df -k /t | tail -1',
        {
          mounts: [
            { type: 'tmpfs', target: '/t', size: 1024 * 1024, mode: 0o700 },
            {
              type: 'bind',
              source: join(bench.dir, 'missing'),
              target: '/m',
              readOnly: true,
              optional: true,
            },
          ],
          docker: { workspace, netrc: join(bench.dir, 'netrc'), gitconfig: join(bench.dir, 'gitconfig') },
        },
      );
      await proc.exited;
      expect(textOf(request.stdoutPath)).toMatch(/^\/workspace\nmachine x\n\[user\]\nro\ntmpfs +1024 /);
      expect(textOf(join(workspace, 'made'))).toBe('made\n');
    });

    test('a missing source is an error that names it', async () => {
      const source = join(bench.dir, 'nowhere');
      const request = bench.request({
        mounts: [{ type: 'bind', source, target: '/x', readOnly: false, optional: false }],
      });
      const started = await backend.start(request);
      expect(started).toMatchObject({ ok: false, error: { code: 'mount-missing' } });
      expect(started.ok ? '' : started.error.message).toContain(source);
    });

    test.each([
      ['a folder is covered by an empty one', 'folder', '0\n'],
      ["a worktree's file is covered by an empty one", 'file', '0\n'],
      ['nothing is made where there is none', 'none', 'none\n'],
    ])('hide_git: %s', async (_, kind, expected) => {
      const workspace = join(bench.dir, 'w');
      mkdirSync(join(workspace, kind === 'folder' ? '.git' : 'src'), { recursive: true });
      if (kind === 'folder') writeFileSync(join(workspace, '.git/config'), 'secret');
      if (kind === 'file') writeFileSync(join(workspace, '.git'), 'gitdir: /elsewhere');
      const script =
        'if test -d .git; then ls -A .git | wc -l; elif test -e .git; then wc -c < .git; else echo none; fi';
      const { request, proc } = await bench.script(backend, script, { docker: { workspace, hideGit: true } });
      await proc.exited;
      expect(textOf(request.stdoutPath)).toBe(expected);
    });
  });

  describe('a start that cannot be', () => {
    test.each([
      ['image-missing', { docker: { image: 'setpoint-test/no-such:1', pull: 'never' } }],
      ['pull-failed', { docker: { image: 'registry.invalid/no/such:1', pull: 'missing' } }],
      ['missing-program', { docker: { command: ['/no/such/program'] } }],
      ['missing-program', { docker: { command: ['no-such-program'] } }],
      ['not-executable', { docker: { command: ['/etc/passwd'] } }],
      ['user-unavailable', { user: 'nosuchuser', docker: { command: ['true'] } }],
      ['limit-refused', { limits: { memory: 1024 }, docker: { command: ['true'] } }],
      ['limit-refused', { limits: { cpus: 1000 }, docker: { command: ['true'] } }],
      ['limit-refused', { limits: { open_files: 2 ** 40 }, docker: { command: ['true'] } }],
      ['other', { umask: '0077', docker: { command: ['true'] } }],
      ['other', { docker: { networkMode: 'service:nosuch', command: ['true'] } }],
      ['other', { docker: { capAdd: ['NOSUCH'], command: ['true'] } }],
    ] as const)('says %s', async (code, change) => {
      const started = await backend.start(bench.request(change));
      expect(started).toMatchObject({ ok: false, error: { code } });
      expect(await bench.docker.listContainers({ all: true, filters: { name: [bench.project] } })).toEqual(
        [],
      );
    });

    test('a port that is taken by a container or by a process of the host', async () => {
      const port = await freePort();
      const ports = [
        { name: 'http', container: 80, host: port, hostIp: '127.0.0.1', protocol: 'tcp' as const },
      ];
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
      const request = bench.request({ docker: { networks: ['default'], ports, command: ['sleep', '100'] } });
      expect(await backend.start(request)).toMatchObject({ ok: false, error: { code: 'port-taken' } });
      await new Promise((resolve) => server.close(resolve));
      expect((await backend.start(request)).ok).toBe(true);
      const second = bench.request(
        { docker: { networks: ['default'], ports, command: ['true'] } },
        { number: 2 },
      );
      expect(await backend.start(second)).toMatchObject({
        ok: false,
        error: { code: 'port-taken' },
      });
    });

    test('the name belongs to somebody else, who is named and left alone', async () => {
      const name = `${bench.project}-web-1`;
      const other = await bench.docker.createContainer({
        name,
        Image: 'setpoint-test/busybox:1',
        Cmd: ['true'],
      });
      try {
        const started = await backend.start(bench.request({ docker: { command: ['true'] } }));
        expect(started).toMatchObject({ ok: false, error: { code: 'name-conflict' } });
        expect(started.ok ? '' : started.error.message).toContain(name);
        await other.inspect();
      } finally {
        await other.remove();
      }
    });

    test('the name belongs to a project of the same name elsewhere, which is left alone', async () => {
      const { proc } = await bench.script(bench.backend({ stateDir: '/elsewhere' }), 'sleep 100');
      const started = await backend.start(bench.request({ docker: { command: ['true'] } }));
      expect(started).toMatchObject({ ok: false, error: { code: 'name-conflict' } });
      expect(started.ok ? '' : started.error.message).toContain('/elsewhere');
      await proc.signal('SIGKILL', 'unit');
      await proc.gone;
    });
  });

  test('an old container of the same instance makes way', async () => {
    const first = await bench.script(backend, 'sleep 100');
    backend.close();
    const second = await bench.script(bench.backend(), 'echo new');
    expect(await second.proc.exited).toEqual({ kind: 'code', code: 0 });
    expect(await containersOf(first.request.run)).toEqual([]);
  });

  describe('adoption', () => {
    test('a container that runs on is followed on, its output without gap or repeat', async () => {
      const { request } = await bench.script(
        backend,
        'for i in 1 2 3 4 5 6; do echo line $i; sleep 0.15; done; exit 9',
      );
      await eventually('some came', () => textOf(request.stdoutPath).includes('line 2'));
      backend.close();
      const [proc] = await bench.backend().adopt([bench.record(request)]);
      expect(containerProc(proc).knowledge.current()).toBe('known');
      expect(await proc!.exited).toEqual({ kind: 'code', code: 9 });
      expect(textOf(request.stdoutPath)).toBe([1, 2, 3, 4, 5, 6].map((i) => `line ${i}\n`).join(''));
    });

    test('one that ended in between has its true exit code and all of its output', async () => {
      const { request } = await bench.script(backend, 'echo begun; sleep 0.3; echo done; exit 3');
      backend.close();
      const name = `${bench.project}-web-1`;
      await eventually(
        'it has ended',
        async () => !(await bench.docker.getContainer(name).inspect()).State.Running,
      );
      const [proc] = await bench.backend().adopt([bench.record(request)]);
      expect(await proc!.exited).toEqual({ kind: 'code', code: 3 });
      expect(textOf(request.stdoutPath)).toBe('begun\ndone\n');
      await proc!.gone;
      expect(await containersOf(request.run)).toEqual([]);
    });

    test('one whose end was noted, but not yet recorded, has its exit code though its container is gone', async () => {
      const { request, proc } = await bench.script(backend, 'exit 4');
      await proc.gone;
      const [adopted] = await bench.backend().adopt([bench.record(request)]);
      expect(await adopted!.exited).toEqual({ kind: 'code', code: 4 });
      await adopted!.gone;
    });

    test('one that somebody removed meanwhile has an unknown end', async () => {
      const { request } = await bench.script(backend, 'sleep 100');
      backend.close();
      await bench.docker.getContainer(`${bench.project}-web-1`).remove({ force: true });
      const [proc] = await bench.backend().adopt([bench.record(request)]);
      expect(await proc!.exited).toMatchObject({ kind: 'unknown' });
      await proc!.gone;
    });

    test('one that was made but never started is removed and has an unknown end', async () => {
      const request = bench.request();
      await bench.docker.createContainer({
        name: `${bench.project}-web-1`,
        Image: 'setpoint-test/busybox:1',
        Cmd: ['true'],
        Labels: { 'dev.setpoint.run': request.run },
      });
      const [proc] = await backend.adopt([bench.record(request)]);
      expect(await proc!.exited).toMatchObject({ kind: 'unknown' });
      await proc!.gone;
      expect(await containersOf(request.run)).toEqual([]);
    });

    test('records of other backends and of ended runs are passed over', async () => {
      const { record, ...rest } = bench.record(bench.request());
      const native = { ...rest, record: { ...record, backend: 'native' } };
      const ended = {
        ...rest,
        record: { ...record, ended: { at: 0, exit: { kind: 'code', code: 0 } as const } },
      };
      expect(await backend.adopt([native, ended])).toEqual([]);
    });
  });

  test('an engine on another machine is reached by ssh: commands, output and input', async () => {
    // In place of the network: what the real one starts over there leads to the engine's socket.
    const relay = `const s = require("net").connect(${JSON.stringify(enginePath())}); process.stdin.pipe(s); s.pipe(process.stdout);`;
    const ssh = join(bench.dir, 'ssh');
    writeFileSync(
      ssh,
      `#!/bin/sh\necho "$@" >> ${bench.dir}/asked\nexec '${process.execPath}' -e '${relay}'\n`,
    );
    chmodSync(ssh, 0o755);
    const env = { DOCKER_HOST: 'ssh://me@far', PATH: `${bench.dir}:${process.env['PATH'] ?? ''}` };
    const remote = bench.backend({ env, heartbeatMs: 5000 });
    expect(await bench.ping({ env })).toMatchObject({ ok: true });
    const { request, proc } = await bench.script(remote, 'read x; echo "got $x"; exit 2', { stdin: 'pipe' });
    expect(await proc.exec(['echo', 'hi'], { env: {}, timeoutMs: 10_000 })).toMatchObject({
      code: 0,
      output: 'hi\n',
    });
    await proc.input!.write(Buffer.from('it\n'));
    expect(await proc.exited).toEqual({ kind: 'code', code: 2 });
    await proc.gone;
    expect(textOf(request.stdoutPath)).toBe('got it\n');
    expect(textOf(join(bench.dir, 'asked'))).toContain('-- me@far docker system dial-stdio');
    const nowhere = { ...env, PATH: '/bin:/usr/bin', DOCKER_HOST: 'ssh://nowhere.invalid' };
    expect(await bench.ping({ env: nowhere })).toMatchObject({ ok: false });
  });

  test('a container that somebody removes while it runs has ended, with the status that was seen', async () => {
    const { proc } = await bench.script(backend, 'sleep 100');
    await bench.docker.getContainer(`${bench.project}-web-1`).remove({ force: true });
    const exit = await proc.exited;
    expect(exit.kind === 'unknown' || (exit.kind === 'code' && exit.code === 137)).toBe(true);
    await proc.gone;
  });
});
