import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { describeOnEngine, engineEnv } from './engine.ts';
import { RegistryStub } from './registry-stub.ts';
import { Bench, type DockerBackend, launchOf, textOf } from './rig.ts';

describeOnEngine('images from a registry', () => {
  let bench: Bench;
  let backend: DockerBackend;
  let registry: RegistryStub;
  let image: string;
  let host: string;

  beforeEach(async () => {
    bench = new Bench();
    registry = await RegistryStub.start();
    backend = bench.backend({ env: { ...engineEnv(), HOME: bench.dir } });
    host = registry.host;
    image = `${host}/test/${bench.project}:1`;
  });
  afterEach(async () => {
    registry.close();
    await bench.close();
    for (const { Id, RepoTags, RepoDigests } of await bench.docker.listImages()) {
      const names = [...((RepoTags as string[] | null) ?? []), ...(RepoDigests ?? [])];
      const isOurs = names.some((name) => name.startsWith(`${host}/`));
      if (isOurs) await bench.docker.getImage(Id).remove({ force: true });
    }
  });

  const launch = (pull: 'missing' | 'always' | 'never') =>
    launchOf(bench.project, { docker: { image, pull } });

  async function bring(
    pull: 'missing' | 'always' | 'never' = 'missing',
    signal = new AbortController().signal,
  ) {
    const lines: string[] = [];
    const result = await backend.materialise(launch(pull), (line) => lines.push(line), signal);
    return { lines, why: result.ok ? undefined : `${result.error.code}: ${result.error.message}` };
  }

  test('one that is not there is pulled, which is told, and then it runs', async () => {
    const { lines, why } = await bring();
    expect(why).toBeUndefined();
    expect(lines[0]).toBe(`pulling ${image}`);
    expect(lines.slice(1).every((line) => line.startsWith(`pulling ${image}: `))).toBe(true);
    const request = bench.request({ docker: { image, pull: 'missing' } });
    const started = await backend.start(request);
    if (!started.ok) throw new Error(started.error.message);
    await started.value.proc.exited;
    expect(textOf(request.stdoutPath)).toBe('pulled\n');
  });

  test('once it is there it is not asked for again, unless it always is: then the new one is taken', async () => {
    await bring();
    const asked = registry.requests.length;
    expect(await bring()).toEqual({ lines: [], why: undefined });
    expect(await bring('never')).toEqual({ lines: [], why: undefined });
    expect(registry.requests).toHaveLength(asked);
    registry.offer({ edition: 'second' });
    expect((await bring('always')).why).toBeUndefined();
    const { Config } = await bench.docker.getImage(image).inspect();
    expect(Config.Labels).toEqual({ edition: 'second' });
  });

  test('several services that want it at once pull it once', async () => {
    const [first, second, third] = await Promise.all([bring(), bring(), bring()]);
    expect([first.why, second.why, third.why]).toEqual([undefined, undefined, undefined]);
    expect(registry.requests.filter((line) => line.includes('/blobs/'))).toHaveLength(2);
    for (const { lines } of [second, third]) expect(lines.length).toBeGreaterThan(0);
  });

  test('one that goes away does not take the pull from those who stay', async () => {
    registry.mood = { stalls: true };
    const leaving = new AbortController();
    const first = bring('missing', leaving.signal);
    const second = bring();
    await expect.poll(() => registry.requests.some((line) => line.includes('/blobs/'))).toBe(true);
    leaving.abort();
    expect((await first).why).toMatch(/^pull-failed: .* given up/);
    registry.goOn();
    expect((await second).why).toBeUndefined();
  });

  test('what is pulled by digest is that', async () => {
    image = `${host}/test/${bench.project}@${registry.digest}`;
    expect((await bring()).why).toBeUndefined();
    expect((await bring()).lines).toEqual([]);
  });

  test.each([
    ['credentials of the docker client’s configuration are told', 'me:right', undefined],
    ['wrong ones lead to a message that names docker login', 'me:wrong', /^pull-failed: .*auth/i],
    ['so do missing ones', undefined, /^pull-failed: .*(auth|credentials)/i],
  ])('%s', async (_, credentials, expected) => {
    registry.mood = { wants: 'me:right' };
    if (credentials !== undefined) {
      const auth = Buffer.from(credentials).toString('base64');
      mkdirSync(join(bench.dir, '.docker'));
      writeFileSync(
        join(bench.dir, '.docker/config.json'),
        JSON.stringify({ auths: { [registry.host]: { auth } } }),
      );
    }
    const { why } = await bring();
    if (expected === undefined) expect(why).toBeUndefined();
    else expect(why).toMatch(expected);
    expect(why ?? '').not.toContain('wrong');
  });

  test.each([
    ['fails', { status: 500 }],
    ['does not know the image', { status: 404 }],
  ])('a registry that %s: the reason, and nothing is left half done', async (_, mood) => {
    registry.mood = mood;
    expect((await bring()).why).toMatch(new RegExp(`^pull-failed: ${image} could not be pulled: .`));
    registry.mood = {};
    expect((await bring()).why).toBeUndefined();
  });

  test('a download that breaks off is tried again, which is told', async () => {
    registry.mood = { breaksOff: true };
    const seen: string[] = [];
    const tell = (line: string): void => {
      seen.push(line);
      if (line.includes('tried again')) registry.mood = {};
    };
    const pulled = await backend.materialise(launch('missing'), tell, new AbortController().signal);
    expect(pulled).toEqual({ ok: true, value: undefined });
    expect(seen.some((line) => line.endsWith('; a download broke off and is tried again'))).toBe(true);
  });

  test('a registry that is not there', async () => {
    registry.close();
    expect((await bring()).why).toMatch(/^pull-failed: .*refused/);
  });

  test('one that says no more can be given up', async () => {
    registry.mood = { stalls: true };
    const abort = new AbortController();
    const pulling = bring('missing', abort.signal);
    await expect.poll(() => registry.requests.some((line) => line.includes('/blobs/'))).toBe(true);
    abort.abort();
    expect((await pulling).why).toMatch(/^pull-failed: .*given up/);
  });
});
