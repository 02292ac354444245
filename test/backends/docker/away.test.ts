import { createServer } from 'node:http';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDockerBackend } from '../../../src/backends/docker/docker-backend.ts';
import { EngineClient } from '../../../src/backends/docker/engine-client.ts';
import { Bench } from './rig.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'dka-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const backendAt = (host: string) =>
  createDockerBackend({ env: { DOCKER_HOST: host, HOME: dir }, answerMs: 300 });

/** What a first request comes to. */
const pingAt = async (host: string) => {
  const engine = new EngineClient({ env: { DOCKER_HOST: host, HOME: dir }, answerMs: 300 });
  const pong = await engine.request((docker) => docker.ping());
  engine.close();
  return pong;
};

test('without an engine every answer says so, and what to do', async () => {
  const backend = backendAt(`unix://${dir}/none`);
  expect(await pingAt(`unix://${dir}/none`)).toMatchObject({
    ok: false,
    error: {
      reason: `there is no Docker engine at unix://${dir}/none (DOCKER_HOST)`,
      help: expect.stringMatching(/start Docker/) as string,
    },
  });
  const failure = { ok: false, error: { code: 'engine-unavailable' } };
  const bench = new Bench();
  const request = bench.request();
  expect(await backend.start(request)).toMatchObject(failure);
  expect(
    await backend.materialise(request.launch, () => undefined, new AbortController().signal),
  ).toMatchObject(failure);
  expect(await backend.orphans('p', new Set())).toMatchObject(failure);
  expect((await backend.removeProject('p', { volumes: true })).failed).toHaveLength(1);
  const limited = bench.request({ docker: { maxContainers: 5 } });
  expect(await backend.start(limited)).toMatchObject(failure);
  backend.close();
  rmSync(bench.dir, { recursive: true });
});

test('a wrong DOCKER_HOST is named', async () => {
  expect(await pingAt('nonsense://x')).toMatchObject({
    ok: false,
    error: { reason: expect.stringContaining('DOCKER_HOST is `nonsense://x`') as string },
  });
});

test('an engine that does not answer is told from one that is not there', async () => {
  const server = createServer(() => undefined).listen(join(dir, 's'));
  expect(await pingAt(`unix://${dir}/s`)).toMatchObject({
    ok: false,
    error: { reason: 'the engine has not answered within 0.3 s' },
  });
  server.closeAllConnections();
  server.close();
});

test.each([
  [
    'an engine that is too old is refused',
    { ApiVersion: '1.30', Version: '17.06', Os: 'linux' },
    /17\.06 \(API 1\.30\)/,
  ],
  [
    'an engine of another kind of containers is refused',
    { ApiVersion: '1.41', Version: '20', Os: 'windows' },
    /windows/,
  ],
])('%s', async (_, version, words) => {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(request.url?.includes('version') === true ? JSON.stringify(version) : 'OK');
  }).listen(join(dir, 's'));
  expect(await pingAt(`unix://${dir}/s`)).toMatchObject({
    ok: false,
    error: {
      kind: 'away',
      reason: expect.stringMatching(words) as string,
      help: expect.any(String) as string,
    },
  });
  server.close();
});

test('a newer engine is spoken to in the newest words that are known', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.setHeader('content-type', 'application/json');
    const version = { ApiVersion: '1.99', MinAPIVersion: '1.44', Version: '40', Os: 'linux' };
    response.end(request.url?.includes('version') === true ? JSON.stringify(version) : 'OK');
  }).listen(join(dir, 's'));
  expect(await pingAt(`unix://${dir}/s`)).toMatchObject({ ok: true });
  expect(asked).toContain('/v1.47/_ping');
  server.close();
});

test('what a credential helper prints is never part of a message', async () => {
  writeFileSync(join(dir, 'docker-credential-x'), '#!/bin/sh\necho secret-of-helper; exit 1\n');
  chmodSync(join(dir, 'docker-credential-x'), 0o755);
  expect(JSON.stringify(await pingAt(`unix://${dir}/none`))).not.toContain('secret-of-helper');
});
