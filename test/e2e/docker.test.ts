import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { dockerAt, engineEnv, IMAGE, lacksEngine, provideImage } from '../backends/docker/engine.ts';
import { freePort } from '../rig/free-port.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

const missing = lacksEngine();
const LABEL = 'dev.setpoint.project';

let counter = 0;

interface OnEngine {
  readonly project: TestProject;
  readonly name: string;
}

/** A project under a name of its own on the engine that tests may use; nothing of it may be left there. */
async function onEngine(
  ctx: TestContext,
  manifest: string,
  files: Readonly<Record<string, string>> = {},
): Promise<OnEngine> {
  if (missing !== undefined) ctx.skip(missing);
  await provideImage(dockerAt());
  const name = `e2e-${process.pid}-${(counter += 1)}`;
  const { DOCKER_HOST } = engineEnv();
  const all = { ...files, 'setpoint.yaml': `name: ${name}\n${manifest}` };
  ctx.onTestFinished(async () => {
    const containers = await containersOf(name);
    for (const { Id } of containers) await dockerAt().getContainer(Id).remove({ force: true, v: true });
    const networks = await networksOf(name);
    for (const network of networks) await dockerAt().getNetwork(network).remove();
    expect({ containers: containers.map(({ Names }) => Names), networks }).toEqual({
      containers: [],
      networks: [],
    });
  });
  return { project: newProject(ctx, all, { DOCKER_HOST, DOCKER_CONTEXT: undefined }), name };
}

interface Container {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly State: string;
}

async function containersOf(name: string): Promise<readonly Container[]> {
  return dockerAt().listContainers({ all: true, filters: { label: [`${LABEL}=${name}`] } });
}

async function networksOf(name: string): Promise<readonly string[]> {
  const found = await dockerAt().listNetworks({ filters: { label: [`${LABEL}=${name}`] } });
  return found.map((network) => network.Name);
}

/** A server that answers each request with a fixed text. */
const SERVER = `while true; do printf 'HTTP/1.0 200 OK\\r\\n\\r\\nhello from the container' | nc -l -p 80; done`;

test('containers and processes in one manifest find each other by reference, in order, and go down together', async (ctx) => {
  const port = await freePort();
  const { project, name } = await onEngine(
    ctx,
    `services:
  db:
    image: ${IMAGE}
    command: [sh, -c, "${SERVER.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"]
    ports: { http: "127.0.0.1:${port}:80" }
    ready: { exec: "wget -q -O /dev/null http://127.0.0.1/" }
    stop: { grace: 100ms }
  api:
    command: 'curl -s http://\${services.db.host}:\${services.db.ports.http}/ > got || node fetch.mjs > got; exec sleep 1000'
    env: { URL: "http://\${services.db.host}:\${services.db.ports.http}/" }
    depends_on: { db: ready }
  peer:
    image: ${IMAGE}
    command: 'wget -q -O - http://\${services.db.host}:\${services.db.ports.http}/ && echo; exec sleep 1000'
    depends_on: { db: ready }
    stop: { grace: 100ms }
`,
    {
      'fetch.mjs': `const answer = await fetch(process.env.URL); process.stdout.write(await answer.text());`,
    },
  );
  const up = await project.ok('up', '-d', '--wait');
  expect(up).toContain('3 services are up'.replace('3 services are up', `${name} is up`));
  await eventually(
    'the process to have its answer',
    () => project.read('got').includes('hello') || undefined,
  );
  await eventually(
    'the other container to have its answer',
    () => project.log('peer.1').includes('hello from the container') || undefined,
  );
  const status = await project.ok('status');
  expect(status).toMatch(new RegExp(`^db +ready .* ${port} +docker`, 'm'));
  expect(status).toMatch(/^api +running .* native/m);
  expect(await project.ok('plan')).toContain('Nothing to do.');
  expect(await project.ok('down')).toContain('nothing of it is left');
  expect(await containersOf(name)).toEqual([]);
  expect(await networksOf(name)).toEqual([]);
});

test('networks, volumes and builds are steps of the plan: made, made anew, removed and kept', async (ctx) => {
  const busybox = `FROM ${IMAGE}\n`;
  const manifest = (more: string): string => `services:
  web:
    build: ./web
    command: [sleep, "1000"]
    docker: { networks: [back] }
    mounts: ["data:/data"]
    stop: { grace: 100ms }
${more}`;
  const old = `  old:
    image: ${IMAGE}
    command: [sleep, "1000"]
    docker: { networks: [side] }
    mounts: ["left:/left"]
    stop: { grace: 100ms }
`;
  const { project, name } = await onEngine(
    ctx,
    `${manifest(old)}networks: { back: {}, side: {} }
volumes: { data: {}, left: {} }
`,
    { 'web/Dockerfile': busybox },
  );
  const plan = async (): Promise<{ readonly text: string; readonly status: number | null }> => {
    const ran = await project.run(['plan']);
    return { text: `${ran.stdout}${ran.stderr}`, status: ran.status };
  };
  const settled = (): Promise<true> =>
    eventually('nothing to be left to do', async () => ((await plan()).status === 0 ? true : undefined));
  const network = (of: string): Promise<{ readonly Id: string; readonly Internal: boolean }> =>
    dockerAt().getNetwork(`${name}_${of}`).inspect();

  const first = await plan();
  expect(first).toMatchObject({ status: 2 });
  for (const line of [`build ${name}-web:latest +build +for web`, `network ${name}_back +create +for web`]) {
    expect(first.text).toMatch(new RegExp(`\\+ ${line}`));
  }
  expect(first.text).toMatch(new RegExp(`\\+ volume ${name}_data +create +for web`));
  expect(first.text).toContain('1 build to run, 2 networks to create, 2 volumes to create, 2 to start.');
  expect(await networksOf(name)).toEqual([]);
  await project.ok('up', '-d', '--wait');
  await settled();
  expect(await project.ok('events')).toMatch(new RegExp(`made .*network ${name}_back`));

  const before = await network('back');
  project.write(
    'setpoint.yaml',
    `name: ${name}\n${manifest(old)}networks: { back: { internal: true }, side: {} }\nvolumes: { data: {}, left: {} }\n`,
  );
  const edited = await plan();
  expect(edited.text).toMatch(new RegExp(`~ network ${name}_back +recreate +internal added: true`));
  expect(edited.text).toContain(`recreate ${name}_back -> replace web`);
  await project.ok('up', '-d', '--wait');
  await settled();
  const after = await network('back');
  expect(after.Id).not.toBe(before.Id);
  expect(after.Internal).toBe(true);

  project.write(
    'setpoint.yaml',
    `name: ${name}\n${manifest('')}networks: { back: { internal: true } }\nvolumes: { data: { labels: { kind: x } } }\n`,
  );
  const removed = await plan();
  expect(removed.status).toBe(2);
  expect(removed.text).toMatch(new RegExp(`- network ${name}_side +remove +no service names it any more`));
  expect(removed.text).toMatch(new RegExp(`= volume ${name}_left +keep +no service names it any more`));
  expect(removed.text).toMatch(new RegExp(`= volume ${name}_data +keep +labels.kind added: x`));
  await project.ok('up', '-d', '--wait');
  await settled();
  expect(await networksOf(name)).toEqual([`${name}_back`]);
  expect((await dockerAt().getVolume(`${name}_left`).inspect()).Name).toBe(`${name}_left`);

  project.write('web/Dockerfile', `${busybox}ENV A=1\n`);
  expect((await plan()).text).toMatch(
    new RegExp(`\\+ build ${name}-web:latest +build +inputs \\(content changed\\)`),
  );
  await project.ok('down', '--volumes');
  const volumes = await dockerAt().listVolumes({ filters: { label: [`${LABEL}=${name}`] } } as object);
  expect(volumes.Volumes).toEqual([]);
  await dockerAt().getImage(`${name}-web:latest`).remove();
});

test('a daemon that is killed leaves containers alone; the next one goes on with their output, byte for byte', async (ctx) => {
  const { project } = await onEngine(
    ctx,
    `services:
  talker:
    image: ${IMAGE}
    restart: never
    command: 'i=0; while [ ! -e /stop ]; do i=$((i+1)); echo "line $i"; usleep 2000; done; exit 7'
`,
  );
  await project.ok('up', '-d');
  await eventually('some lines', () => project.log('talker.1').includes('line 100\n') || undefined);
  await project.killDaemon();
  await project.ok('status');
  const before = project.log('talker.1').split('\n').length;
  await eventually(
    'more lines',
    () => project.log('talker.1').split('\n').length > before + 100 || undefined,
  );
  await project.killDaemon();
  // It may be ended along with the container.
  await project.run(['exec', '-T', 'talker', '--', 'touch', '/stop']);
  const ended = await eventually('its end to be known', async () => {
    const one = await project.instance('talker.1');
    return one?.state.kind === 'failed' ? one : undefined;
  });
  expect(ended.state).toMatchObject({ exit: { kind: 'code', code: 7 } });
  const lines = project.log('talker.1').trimEnd().split('\n');
  expect(lines).toEqual(lines.map((_, i) => `line ${i + 1}`));
  await project.ok('down');
});

test('a container that ended while there was no daemon has its true exit status', async (ctx) => {
  const { project, name } = await onEngine(
    ctx,
    `services:
  job: { image: "${IMAGE}", restart: never, command: "sleep 1000; true", stop: { grace: 100ms } }
`,
  );
  await project.ok('up', '-d');
  const [container] = await eventually('the container', async () => {
    const found = await containersOf(name);
    return found[0]?.State === 'running' ? found : undefined;
  });
  await project.killDaemon();
  await dockerAt()
    .getContainer(container?.Id ?? '')
    .kill({ signal: 'SIGKILL' });
  const job = await project.run(['status', '--format', 'json']);
  expect(job.status).toBe(0);
  const state = (await project.becomes('job.1', 'failed')).state;
  // All that the engine tells of it; a program could return that itself.
  expect(state).toMatchObject({ exit: { kind: 'code', code: 137 } });
  await project.ok('down');
});

test('an edit replaces the container with its reason; a new image that cannot be had leaves the old one running', async (ctx) => {
  const manifest = (image: string, greeting: string): string => `services:
  web: { image: "${image}", command: "echo $GREETING; exec sleep 1000", env: { GREETING: "${greeting}" }, stop: { grace: 100ms } }
`;
  const { project, name } = await onEngine(ctx, manifest(IMAGE, 'one'));
  await project.ok('up', '-d', '--wait');
  await eventually('the first word', () => project.log('web.1').includes('one') || undefined);
  project.write('setpoint.yaml', `name: ${name}\n${manifest(IMAGE, 'two')}`);
  await eventually('the second word', () => project.log('web.1').includes('two') || undefined);
  expect(await project.ok('events', 'web')).toMatch(/env\.GREETING "one" -> "two"/);
  const [now] = await eventually('one container', async () => {
    const found = await containersOf(name);
    return found.length === 1 && found[0]?.State === 'running' ? found : undefined;
  });
  project.write('setpoint.yaml', `name: ${name}\n${manifest('localhost:1/none/such:9', 'three')}`);
  await eventually('the failure to be told', async () => {
    const events = await project.ok('events', 'web');
    return /none\/such/.test(events) ? true : undefined;
  });
  expect((await project.snapshot()).manifest?.failed).toMatchObject([
    { service: 'web', rolledBack: false, kept: true },
  ]);
  expect(await project.ok('status')).toMatch(/✖ web: the change was not taken up: .*none\/such/);
  const again = await project.run(['up', '-d', '--wait']);
  expect(again).toMatchObject({ status: 1 });
  expect(again.stderr).toMatch(/^error: web: the change was not taken up: .*none\/such/m);
  const after = await containersOf(name);
  expect(after.map(({ Id, State }) => [Id, State])).toEqual([[now?.Id, 'running']]);
  await project.ok('down');
});

test('without an engine the native services run, and the reason is shown where the container would be', async (ctx) => {
  const project = newProject(
    ctx,
    {
      'setpoint.yaml': `services:
  db: { image: postgres:16 }
  api: { command: exec sleep 1000 }
`,
    },
    { DOCKER_HOST: `unix:///nowhere/${process.pid}.sock`, DOCKER_CONTEXT: undefined },
  );
  await project.ok('up', '-d');
  await project.pidOf('api.1');
  const status = await eventually('the reason', async () => {
    const text = await project.ok('status');
    return /db .*no Docker engine/.test(text) ? text : undefined;
  });
  expect(status).toMatch(/^api +running /m);
  await project.ok('down');
});

test('a project without containers asks no engine for anything', async (ctx) => {
  const folder = mkdtempSync(join(tmpdir(), 'no-engine-'));
  let asked = 0;
  // It never answers: whoever asked would wait for it.
  const open = new Set<Socket>();
  const engine = createServer((socket) => {
    asked += 1;
    open.add(socket);
  });
  await new Promise<void>((resolve) => engine.listen(join(folder, 's'), resolve));
  ctx.onTestFinished(() => {
    for (const socket of open) socket.destroy();
    engine.close();
    rmSync(folder, { recursive: true });
  });
  const env = { DOCKER_HOST: `unix://${folder}/s`, DOCKER_CONTEXT: undefined };
  const native = newProject(ctx, { 'setpoint.yaml': 'services: {a: {command: exec sleep 1000}}' }, env);
  await native.ok('up', '-d', '--wait');
  await native.ok('plan');
  expect(await native.ok('down')).toContain('nothing of it is left');
  expect(asked).toBe(0);
  // One that has a container does ask.
  const other = newProject(ctx, { 'setpoint.yaml': 'services: {a: {image: "x:1"}}' }, env);
  await other.ok('up', '-d');
  await eventually('the engine to be asked', () => asked > 0 || undefined);
  await other.ok('down', '--timeout', '1s');
});

test('commands run within the container, with their exit status', async (ctx) => {
  const { project } = await onEngine(
    ctx,
    `services:
  box: { image: "${IMAGE}", command: exec sleep 1000, env: { COLOUR: green }, stop: { grace: 100ms } }
`,
  );
  await project.ok('up', '-d', '--wait');
  const said = await project.run(['exec', '-T', 'box', '--', 'sh', '-c', 'echo "$COLOUR $PWD"; exit 5']);
  expect(said).toMatchObject({ status: 5, stdout: 'green /\n' });
  const fed = await project.run(['exec', '-T', 'box', '--', 'cat'], { input: 'through and back' });
  expect(fed).toMatchObject({ status: 0, stdout: 'through and back' });
  await project.ok('down');
});

test('the plan as `docker run` lines masks what is secret', async (ctx) => {
  const { project, name } = await onEngine(
    ctx,
    `services:
  box: { image: "${IMAGE}", command: [sleep, "1000"], env: { DB_PASSWORD: hunter22, MODE: fast } }
`,
  );
  const { stdout } = await project.run(['plan', '--format', 'docker']);
  expect(stdout).toContain('docker run');
  expect(stdout).toContain(`--name ${name}-box-1`);
  expect(stdout).toContain('MODE=fast');
  expect(stdout).toContain('DB_PASSWORD=');
  expect(stdout).not.toContain('hunter22');
  expect(stdout).toMatch(new RegExp(`${IMAGE} sleep 1000$`, 'm'));
});

test('what no record knows of is shown by the plan and removed by `up`', async (ctx) => {
  const { project, name } = await onEngine(
    ctx,
    `services:
  box: { image: "${IMAGE}", command: exec sleep 1000, stop: { grace: 100ms } }
`,
  );
  await project.ok('up', '-d', '--wait');
  await project.killDaemon();
  // As if the state of an earlier manifest's service had been lost.
  rmSync(join(project.stateDir(), 'instances', 'box.1', 'run.json'));
  project.write('setpoint.yaml', `name: ${name}\nservices: { other: { command: exec sleep 1000 } }\n`);
  const plan = await project.run(['plan']);
  expect(plan.stdout).toMatch(/box/);
  await project.ok('up', '-d', '--wait');
  await eventually('it to be removed', async () => (await containersOf(name)).length === 0 || undefined);
  await project.ok('down');
});

test('named volumes outlive `down` and go with `down --volumes`', async (ctx) => {
  const { project, name } = await onEngine(
    ctx,
    `volumes: { data: {} }
services:
  box:
    image: ${IMAGE}
    command: 'cat /data/mark 2>/dev/null; echo kept > /data/mark; exec sleep 1000'
    mounts: ["data:/data"]
    stop: { grace: 100ms }
`,
  );
  const volumes = async (): Promise<readonly string[]> => {
    const found = await dockerAt().listVolumes({ filters: { label: [`${LABEL}=${name}`] } as never });
    return found.Volumes.map((volume) => volume.Name);
  };
  await project.ok('up', '-d', '--wait');
  await eventually('the mark', async () => {
    const { status } = await project.run(['exec', '-T', 'box', '--', 'test', '-e', '/data/mark']);
    return status === 0 ? true : undefined;
  });
  await project.ok('down');
  expect(await volumes()).toHaveLength(1);
  await project.ok('up', '-d', '--wait');
  await eventually('what was kept', () => project.log('box.1').includes('kept') || undefined);
  await project.ok('down', '--volumes');
  expect(await volumes()).toEqual([]);
});

test('a container reaches a process of the machine by reference, and keeps what time its run has left when daemons change', async (ctx) => {
  const { project } = await onEngine(
    ctx,
    `services:
  api:
    command: [node, -e, "require('http').createServer((q, r) => r.end('from the machine')).listen(process.env.PORT, '0.0.0.0')"]
    ports: { http: auto }
    ready: { http: { port: http } }
  client:
    image: ${IMAGE}
    command: 'wget -q -O - "$API"; echo; exec sleep 1000'
    env: { API: "http://\${services.api.host}:\${services.api.ports.http}/" }
    depends_on: { api: ready }
    stop: { grace: 100ms }
    restart: never
    timeout: 8s
`,
  );
  await project.ok('up', '-d');
  await eventually('the answer', () => project.log('client.1').includes('from the machine') || undefined);
  const { since } = (await project.becomes('client.1', 'running')).state as { since: number };
  await project.killDaemon();
  await project.ok('status');
  const { state } = await project.becomes('client.1', 'failed');
  expect(state).toMatchObject({ exit: { kind: 'timeout', afterMs: 8000 } });
  const ranMs = (state as { at: number }).at - since;
  expect(ranMs).toBeGreaterThan(7_000);
  // With the whole time anew it would be as long again from the second daemon's start on.
  expect(ranMs).toBeLessThan(15_500);
  await project.ok('down');
});

test('a UDP port is published as one, and one service may share the network of another', async (ctx) => {
  const port = await freePort();
  const { project, name } = await onEngine(
    ctx,
    `services:
  box:
    image: ${IMAGE}
    command: 'echo shared > /tmp/index.html; exec httpd -f -p 80 -h /tmp'
    ports: { say: "127.0.0.1:${port}:5000/udp" }
    docker: { init: true }
    ready: { exec: wget -q -O /dev/null http://127.0.0.1/index.html }
  beside:
    image: ${IMAGE}
    command: 'wget -q -O - http://127.0.0.1/index.html; exec sleep 1000'
    depends_on: { box: ready }
    docker: { network_mode: "service:box", init: true }
`,
  );
  await project.ok('up', '-d', '--wait');
  await eventually('the page of the other', () => project.log('beside.1').includes('shared') || undefined);
  const { NetworkSettings } = await dockerAt().getContainer(`${name}-box-1`).inspect();
  expect(NetworkSettings.Ports).toMatchObject({
    '5000/udp': [{ HostIp: '127.0.0.1', HostPort: String(port) }],
  });
  await project.ok('down');
});

test('what gives a container the machine is warned of', async (ctx) => {
  const { project } = await onEngine(
    ctx,
    `services:
  box: { image: "${IMAGE}", docker: { privileged: true, pid: host }, mounts: ["/var/run/docker.sock:/var/run/docker.sock"] }
`,
  );
  const { stderr, stdout } = await project.run(['check']);
  const said = stderr + stdout;
  expect(said).toContain('privileged');
  expect(said).toContain('pid');
  expect(said).toContain('docker.sock');
});

test('reap removes the containers of a project whose folder is gone, after a dry run that only names them', async (ctx) => {
  const { project, name } = await onEngine(
    ctx,
    `services:
  box: { image: "${IMAGE}", command: exec sleep 1000, stop: { grace: 100ms } }
`,
  );
  await project.ok('up', '-d', '--wait');
  await project.killDaemon();
  // While the manifest is there, the next daemon takes the container over.
  await project.ok('reap');
  expect((await containersOf(name)).map(({ State }) => State)).toEqual(['running']);
  rmSync(join(project.dir, 'setpoint.yaml'));
  const dry = await project.ok('reap', '--dry-run');
  expect(dry).toMatch(
    new RegExp(`would remove  what an engine has of ${name}: .*\\n    container ${name}-box-1`),
  );
  expect(await containersOf(name)).toHaveLength(1);
  expect(await project.ok('reap')).toContain(`removed  what an engine has of ${name}`);
  expect(await containersOf(name)).toEqual([]);
  expect(await networksOf(name)).toEqual([]);
  expect(await project.ok('reap')).toContain('Nothing to reap.');
});
