import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { isRunning } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

async function statesOf(project: TestProject, service: string): Promise<readonly string[]> {
  return (await project.instances()).filter((one) => one.service === service).map(({ state }) => state.kind);
}

test('a hundred services go up, are shown, and go down leaving nothing', async (ctx) => {
  const services = Array.from({ length: 100 }, (_, n) => `  s${n}: { command: exec sleep 1000 }\n`).join('');
  const project = newProject(ctx, { 'setpoint.yaml': `services:\n${services}` });
  expect(await project.ok('up', '-d', '--wait')).toMatch(/^shop is up: 100 running$/m);
  const status = await project.ok('status');
  expect(status).toMatch(/^shop +100 services: 100 running/);
  expect(status.match(/^s\d+ +running/gm)).toHaveLength(100);
  expect(await project.ok('plan')).toContain('Nothing to do.');
  expect(await project.ok('down')).toContain('nothing of it is left');
  await project.nothingIsLeft();
});

test('instances are added and removed by scale, and the manifest is followed again by up', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  web: { command: 'echo "$INSTANCE" >> begun; exec sleep 1000', env: { INSTANCE: "\${instance.number}" }, replicas: 3 }
  none: { command: exec sleep 1000, replicas: 0 }
`,
  });
  await project.ok('up', '-d', '--wait');
  expect(await statesOf(project, 'web')).toEqual(['running', 'running', 'running']);
  expect(await statesOf(project, 'none')).toEqual([]);
  expect([...project.lines('begun')].sort()).toEqual(['1', '2', '3']);
  const first = await project.pidOf('web.1');
  const third = await project.pidOf('web.3');

  await project.ok('scale', 'web=1', 'none=2');
  expect(await statesOf(project, 'web')).toEqual(['running']);
  expect(await statesOf(project, 'none')).toEqual(['running', 'running']);
  expect(await project.pidOf('web.1')).toBe(first);
  expect(isRunning(third)).toBe(false);
  await project.ok('scale', 'web=4');
  expect(await statesOf(project, 'web')).toHaveLength(4);
  expect(await project.pidOf('web.1')).toBe(first);
  expect(await project.run(['scale', 'nothing=2'])).toMatchObject({ status: 2 });
  await project.ok('scale', 'web=0', 'none=0');
  expect(await statesOf(project, 'web')).toEqual([]);
  expect(project.processes().filter(({ command }) => command.startsWith('sleep'))).toEqual([]);
});

const PORTS = `
services:
  web:
    command: [node, -e, "require('fs').appendFileSync('seen', [process.env.PORT, process.env.HTTP_PORT, process.env.ADMIN_PORT].join(' ') + '\\\\n'); setInterval(() => {}, 1000)"]
    ports: { http: auto, admin: auto }
    replicas: 3
  user:
    command: echo "\${services.web.host}:\${services.web.ports.http}" > url; exec sleep 1000
    depends_on: [web]
`;

test('automatic ports are unique, exported, shown, and known to other services', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': PORTS });
  await project.ok('up', '-d', '--wait');
  await eventually(
    'all to have told',
    () => project.lines('seen').length === 3 && project.read('url') !== '',
  );
  const told = project.lines('seen').map((line) => line.split(' '));
  for (const [port, http] of told) expect(port).toBe(http);
  const all = told.flatMap(([, http, admin]) => [Number(http), Number(admin)]);
  expect(new Set(all).size).toBe(6);
  const shown = (await project.instances()).flatMap(({ ports }) => Object.values(ports));
  expect([...shown].sort()).toEqual([...all].sort());
  const first = await project.instance('web.1');
  expect(project.read('url').trim()).toBe(`127.0.0.1:${first?.ports['http'] ?? ''}`);
  const before = new Map((await project.instances()).map(({ id, ports }) => [id, ports]));
  await project.ok('restart', 'web');
  expect(new Map((await project.instances()).map(({ id, ports }) => [id, ports]))).toEqual(before);
});

test('a taken port is reported with who holds it, and the service starts once it is free', async (ctx) => {
  const server = await listening();
  const { port } = server.address() as AddressInfo;
  const project = newProject(ctx, {
    'setpoint.yaml': `services: {web: {command: exec sleep 1000, ports: {http: ${port}}, backoff: {initial: 50ms, max: 50ms}}}`,
  });
  const up = await project.run(['up', '-d', '--wait', '--timeout', '1500ms']);
  expect(up.status).not.toBe(0);
  const said = up.stdout + up.stderr + (await project.ok('explain', 'web'));
  expect(said).toContain(String(port));
  expect(said).toContain(`pid ${process.pid}`);
  await new Promise((done) => server.close(done));
  await project.becomes('web.1', 'running');
});

function listening(): Promise<Server> {
  const server = createServer();
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}

test('a replacement takes one replica at a time, never all away at once', async (ctx) => {
  const manifest = (value: string): string => `
services:
  web:
    command: |
      trap 'rm -f "live.$N"; exit 0' TERM
      echo > "live.$N"
      while :; do sleep 0.02; done
    env: { N: "\${instance.number}", VALUE: "${value}" }
    replicas: 3
`;
  const project = newProject(ctx, { 'setpoint.yaml': manifest('one') });
  await project.ok('up', '-d', '--wait');
  const pids = await Promise.all([1, 2, 3].map((n) => project.pidOf(`web.${n}`)));
  project.write('setpoint.yaml', manifest('two'));
  const up = project.start(['up', '-d', '--wait']);
  let fewest = 3;
  while (up.child.exitCode === null) {
    fewest = Math.min(fewest, (await statesOf(project, 'web')).filter((kind) => kind === 'running').length);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  expect((await up.ended).status).toBe(0);
  expect(fewest).toBe(2);
  const now = await Promise.all([1, 2, 3].map((n) => project.pidOf(`web.${n}`)));
  expect(now.filter((pid) => pids.includes(pid))).toEqual([]);
});
