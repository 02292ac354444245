import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ConcreteLaunch } from '../../../src/core/launch.ts';
import type { BuildSpec } from '../../../src/core/service.ts';
import { dockerAt, IMAGE, describeOnEngine, provideImage } from './engine.ts';
import { Bench, type DockerBackend, launchOf, textOf } from './rig.ts';

describeOnEngine('images on a real engine', () => {
  let bench: Bench;
  let backend: DockerBackend;
  let context: string;

  beforeAll(() => provideImage(dockerAt()), 60_000);
  beforeEach(() => {
    bench = new Bench();
    backend = bench.backend();
    context = join(bench.dir, 'context');
    mkdirSync(context);
  });
  afterEach(async () => {
    const images = await bench.docker.listImages({
      filters: { label: [`dev.setpoint.project=${bench.project}`] },
    });
    for (const { Id } of images) await bench.docker.getImage(Id).remove({ force: true });
    await bench.close();
  });

  const build = (change: Partial<BuildSpec> = {}): ConcreteLaunch => {
    const { container, ...launch } = launchOf(bench.project, {
      docker: { command: ['/bin/sh', '-c', 'cat /out/*'] },
    });
    const { image: _, ...rest } = container!;
    const spec = { context, args: {}, labels: {}, tags: [], noCache: false, ...change };
    return { ...launch, container: { ...rest, build: spec } };
  };

  async function materialise(launch: ConcreteLaunch, signal = new AbortController().signal) {
    const lines: string[] = [];
    return { result: await backend.materialise(launch, (line) => lines.push(line), signal), lines };
  }

  const dockerfile = (text: string): void =>
    writeFileSync(join(context, 'Dockerfile'), `FROM ${IMAGE}\n${text}`);

  test('what is built runs; only what has changed is built again', async () => {
    dockerfile(
      'ARG WHO\nRUN --mount=type=tmpfs,target=/t mkdir /out && echo "hi $WHO" > /out/a\nCOPY b /out/\n',
    );
    writeFileSync(join(context, 'b'), 'from the context\n');
    const launch = build({ args: { WHO: 'you' }, tags: [`${bench.project}:extra`], labels: { x: 'y' } });
    const first = await materialise(launch);
    expect(first.result).toEqual({ ok: true, value: undefined });
    expect(first.lines[0]).toBe(`building ${bench.project}-web:latest`);
    const image = await bench.docker.getImage(`${bench.project}:extra`).inspect();
    expect(image.Config.Labels).toMatchObject({ x: 'y' });
    const started = await backend.start({ ...bench.request(), launch });
    if (!started.ok) throw new Error(started.error.message);
    await started.value.proc.exited;
    expect(textOf(bench.request().stdoutPath)).toBe('hi you\nfrom the context\n');
    expect((await materialise(launch)).lines).toEqual([]);
    writeFileSync(join(context, 'b'), 'changed\n');
    expect((await materialise(launch)).lines.length).toBeGreaterThan(0);
  });

  test('a .dockerignore keeps out what it names, its exceptions come along, links stay links', async () => {
    mkdirSync(join(context, 'src/deep'), { recursive: true });
    for (const name of ['a.log', 'keep.log', 'src/x', 'src/deep/keep'])
      writeFileSync(join(context, name), name);
    symlinkSync('x', join(context, 'src/link'));
    writeFileSync(join(context, 'run'), '#!/bin/sh\n');
    chmodSync(join(context, 'run'), 0o755);
    writeFileSync(
      join(context, '.dockerignore'),
      '# logs\n*.log\n!keep.log\nsrc/deep\n!src/deep/keep\nDockerfile\n',
    );
    dockerfile(
      'COPY . /ctx/\nRUN mkdir /out && cd /ctx && find . ! -type d | sort > /out/list && test -x run && test -L src/link\n',
    );
    const launch = build();
    expect((await materialise(launch)).result).toEqual({ ok: true, value: undefined });
    const request = { ...bench.request(), launch };
    const started = await backend.start(request);
    if (!started.ok) throw new Error(started.error.message);
    await started.value.proc.exited;
    expect(
      textOf(request.stdoutPath)
        .split('\n')
        .filter((line) => line !== ''),
    ).toEqual(
      [
        './.dockerignore',
        './Dockerfile',
        './keep.log',
        './run',
        './src/deep/keep',
        './src/link',
        './src/x',
      ].sort(),
    );
  });

  test('a Dockerfile from outside the context is used', async () => {
    const path = join(bench.dir, 'Other');
    writeFileSync(path, `FROM ${IMAGE}\nRUN echo other\n`);
    expect((await materialise(build({ dockerfile: path }))).result.ok).toBe(true);
  });

  test('a build that fails says why, with its last lines', async () => {
    dockerfile('RUN echo about to fail && exit 3\n');
    const { result } = await materialise(build());
    expect(result).toMatchObject({ ok: false, error: { code: 'build-failed' } });
    expect(result.ok ? '' : result.error.message).toContain('about to fail');
  });

  test.each([
    ['there is no Dockerfile', () => undefined],
    ['dockerfile parse error', () => dockerfile('NONSENSE\n')],
  ])('a build that cannot be says: %s', async (words, prepare) => {
    prepare();
    const { result } = await materialise(build());
    expect(result).toMatchObject({ ok: false, error: { code: 'build-failed' } });
    expect(result.ok ? '' : result.error.message).toContain(words);
  });

  test('a build can be given up', async () => {
    dockerfile('RUN sleep 600\n');
    const abort = new AbortController();
    const under = backend.materialise(
      build(),
      (line) => {
        if (line.includes('sleep')) abort.abort();
      },
      abort.signal,
    );
    expect(await under).toMatchObject({ ok: false, error: { code: 'build-failed' } });
  });

  test('a pull from a registry that is not there fails with the reason and what to do', async () => {
    const launch = launchOf(bench.project, {
      docker: { image: 'registry.invalid/a/b:1', pull: 'missing' },
    });
    const { result, lines } = await materialise(launch);
    expect(result).toMatchObject({
      ok: false,
      error: { code: 'pull-failed', help: expect.any(String) as string },
    });
    expect(result.ok ? '' : result.error.message).toContain('registry.invalid');
    expect(lines[0]).toBe('pulling registry.invalid/a/b:1');
  });

  test('an image that is there needs no pull, unless it is always pulled', async () => {
    const launch = (pull: 'missing' | 'always') => launchOf(bench.project, { docker: { pull } });
    expect(await materialise(launch('missing'))).toEqual({
      result: { ok: true, value: undefined },
      lines: [],
    });
    expect((await materialise(launch('always'))).result).toMatchObject({
      ok: false,
      error: { code: 'pull-failed' },
    });
  });
});
