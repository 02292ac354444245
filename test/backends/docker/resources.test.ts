import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { freePort } from '../../rig/free-port.ts';
import { eventually } from '../../rig/wait.ts';
import { dockerAt, describeOnEngine, provideImage } from './engine.ts';
import { Bench, type DockerBackend, textOf } from './rig.ts';

describeOnEngine('networks, volumes and cleaning up', () => {
  let bench: Bench;
  let backend: DockerBackend;

  beforeAll(() => provideImage(dockerAt()), 60_000);
  beforeEach(() => {
    bench = new Bench();
    backend = bench.backend();
  });
  afterEach(() => bench.close());

  test('services of a project reach each other by name, and are reached by a published port', async () => {
    const port = await freePort();
    const script = 'mkdir /w; echo hello > /w/index.html; exec httpd -f -p 80 -h /w';
    await bench.script(backend, script, {
      ports: { http: port },
      docker: {
        networks: ['front', 'back'],
        ports: [{ name: 'http', container: 80, host: 'auto', hostIp: '127.0.0.1', protocol: 'tcp' }],
      },
    });
    const text = await eventually('it answers', () =>
      fetch(`http://127.0.0.1:${port}/`).then(
        (answer) => answer.text(),
        () => undefined,
      ),
    );
    expect(text).toBe('hello\n');
    const command = ['/bin/sh', '-c', 'wget -q -O - http://web.1/'];
    const other = bench.request({ docker: { networks: ['back'], command } }, { number: 2 });
    const started = await backend.start(other);
    if (!started.ok) throw new Error(started.error.message);
    expect(await started.value.proc.exited).toEqual({ kind: 'code', code: 0 });
    expect(textOf(other.stdoutPath)).toBe('hello\n');
  });

  test('a volume outlives its containers, and goes only when that is asked for', async () => {
    const mounts = [{ type: 'volume', source: 'data', target: '/d', readOnly: false } as const];
    const first = await bench.script(backend, 'echo kept > /d/f', { mounts });
    await first.proc.gone;
    const second = await bench.script(backend, 'cat /d/f', { mounts });
    await second.proc.gone;
    expect(textOf(second.request.stdoutPath)).toBe('kept\n');
    const name = `${bench.project}_data`;
    expect(await backend.removeProject(bench.project, { volumes: false })).toMatchObject({
      volumes: [],
      failed: [],
    });
    expect((await bench.docker.getVolume(name).inspect()).Name).toBe(name);
    expect(await backend.removeProject(bench.project, { volumes: true })).toMatchObject({
      volumes: [name],
    });
  });

  test('an anonymous volume goes with its container', async () => {
    const mounts = [{ type: 'volume', source: '', target: '/d', readOnly: false } as const];
    const { proc } = await bench.script(backend, 'sleep 1000', { mounts });
    const seen = await bench.docker.getContainer(`${bench.project}-web-1`).inspect();
    const name = seen.Mounts.find(({ Destination }) => Destination === '/d')?.Name ?? '';
    await proc.signal('SIGKILL', 'unit');
    await proc.gone;
    await expect(bench.docker.getVolume(name).inspect()).rejects.toThrow(/no such volume/i);
  });

  test('what is external is used as it is and never removed; what is somebody else’s is not used', async () => {
    const name = `${bench.project}_shared`;
    const network = await bench.docker.createNetwork({ Name: name });
    try {
      const command = ['true'];
      const plain = await backend.start(bench.request({ docker: { networks: ['shared'], command } }));
      expect(plain).toMatchObject({ ok: false, error: { code: 'name-conflict' } });
      const resources = { networks: { shared: { external: true, name } }, volumes: {} };
      const external = await backend.start(
        bench.request({ resources, docker: { networks: ['shared'], command } }),
      );
      expect(external.ok).toBe(true);
      if (external.ok) await external.value.proc.gone;
      await backend.removeProject(bench.project, { volumes: true });
      await network.inspect();
      const missing = { networks: { shared: { external: true, name: `${name}-x` } }, volumes: {} };
      const failed = await backend.start(
        bench.request({ resources: missing, docker: { networks: ['shared'], command } }),
      );
      expect(failed.ok ? '' : failed.error.message).toContain('does not exist');
      const mounts = [{ type: 'volume', source: 'v', target: '/v', readOnly: false } as const];
      const volumes = { v: { external: true, name: `${name}-v` } };
      const without = await backend.start(
        bench.request({ mounts, resources: { networks: {}, volumes }, docker: { command } }),
      );
      expect(without.ok ? '' : without.error.message).toBe(`the external volume ${name}-v does not exist`);
    } finally {
      await network.remove();
    }
  });

  test('instances that start at once make one network', async () => {
    const docker = { networks: ['default'], command: ['sleep', '100'] };
    const started = await Promise.all(
      [1, 2, 3].map((number) => backend.start(bench.request({ docker }, { number }))),
    );
    expect(started.map(({ ok }) => ok)).toEqual([true, true, true]);
    const found = await bench.docker.listNetworks({ filters: { name: [`${bench.project}_default`] } });
    expect(found).toHaveLength(1);
  });

  test('going down leaves nothing, and does not touch a project of the same name elsewhere', async () => {
    const other = bench.backend({ stateDir: '/elsewhere' });
    const theirs = await other.start(bench.request({ docker: { command: ['sleep', '100'] } }, { number: 7 }));
    expect(theirs.ok).toBe(true);
    await bench.script(backend, 'sleep 100', { docker: { networks: ['default'] } });
    const report = await backend.removeProject(bench.project, { volumes: true });
    expect(report).toEqual({
      containers: [`${bench.project}-web-1`],
      networks: [`${bench.project}_default`],
      volumes: [],
      failed: [],
    });
    expect(await backend.removeProject(bench.project, { volumes: true })).toMatchObject({
      containers: [],
      failed: [],
    });
    expect(await other.removeProject(bench.project, { volumes: true })).toMatchObject({
      containers: [`${bench.project}-web-7`],
    });
  });

  test('orphans are containers whose run nobody knows', async () => {
    const known = await bench.script(backend, 'sleep 100');
    const lost = await backend.start(
      bench.request({ docker: { command: ['sleep', '100'] } }, { number: 2, run: 'lost' }),
    );
    expect(lost.ok).toBe(true);
    const found = await backend.orphans(bench.project, new Set([known.request.run]));
    if (!found.ok) throw new Error(found.error.message);
    expect(found.value).toMatchObject([{ run: 'lost', service: 'web', instance: 'web.2', running: true }]);
    const [orphan] = found.value;
    expect(await backend.removeOrphan(orphan!)).toEqual({ ok: true, value: undefined });
    expect(await backend.removeOrphan(orphan!)).toEqual({ ok: true, value: undefined });
    expect(await backend.orphans(bench.project, new Set([known.request.run]))).toEqual({
      ok: true,
      value: [],
    });
  });
});
