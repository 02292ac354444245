import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

/** Everything that must never be seen; each in one place of the manifest. */
const SECRETS = {
  password: 'hunter2-Pässword-1',
  changed: 'hunter2-Changed-2',
  token: 'tok_3f9a8b7c6d5e',
  urlPassword: 'Ur1Cred3ntial',
  argument: 'arg-password-4711',
  inline: 'inline=argument%secret',
  set: 'given-with-set-0815',
  file: 'from-the-env-file-99',
  pin: '73918264',
  project: 'of-the-whole-project-5',
  list: 'in-a-list-of-pairs-6',
  inherited: 'from-the-shell-7',
} as const;

const MANIFEST = `
redact: ["*PIN*"]
env:
  PROJECT_SECRET: ${SECRETS.project}
services:
  vault:
    command: [node, service.mjs, --password, ${SECRETS.argument}, "--api-key=${SECRETS.inline}"]
    env:
      DB_PASSWORD: ${SECRETS.password}
      API_TOKEN: ${SECRETS.token}
      DATABASE_URL: postgres://admin:${SECRETS.urlPassword}@db.example/shop
      GIVEN_SECRET: \${GIVEN_SECRET}
      DOOR_PIN: "${SECRETS.pin}"
    env_file: secret.env
    restart: on-failure
    backoff: { initial: 20ms, max: 50ms }
  pairs:
    command: ["false"]
    restart: never
    env: ["LIST_PASSWORD=${SECRETS.list}"]
  shell:
    command: exec sleep 1000 "\${API_PASSWORD:-}"
    env: { SHELL_TOKEN: null }
  later:
    command: echo "\${SECRET_OF_ENV_FILE:-}" > /dev/null; exec sleep 1000
    hooks:
      pre_start: test -z "$NEVER"; echo "$DB_PASSWORD"; true
      post_start: 'echo "$DB_PASSWORD" >&2; exit 4'
    env: { DB_PASSWORD: ${SECRETS.password} }
`;

/** Fails, and writes all it knows to stderr. */
const SERVICE = `
console.error('cannot connect to ' + process.env.DATABASE_URL);
console.error('with ' + process.env.DB_PASSWORD + ', ' + process.env.API_TOKEN + ' and ' + process.argv.slice(2).join(' '));
console.error('pin ' + process.env.DOOR_PIN + ' ' + process.env.GIVEN_SECRET + ' ' + process.env.SECRET_OF_FILE + ' ' + process.env.PROJECT_SECRET);
setTimeout(() => process.exit(3), 50);
`;

const ENV = { GIVEN_SECRET: '', SHELL_TOKEN: SECRETS.inherited, API_PASSWORD: SECRETS.inherited };
const SET = ['--set', `GIVEN_SECRET=${SECRETS.set}`];

test('no secret of a manifest appears in anything that Setpoint says or keeps', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': MANIFEST,
    'service.mjs': SERVICE,
    'secret.env': `SECRET_OF_FILE="${SECRETS.file}"\n`,
  });
  const leaks = new Set<string>();
  const look = (where: string, text: string): void => {
    for (const [name, value] of Object.entries(SECRETS)) {
      for (const form of [
        value,
        JSON.stringify(value).slice(1, -1),
        encodeURIComponent(value),
        JSON.stringify(value).slice(1, -1).replaceAll('ä', '\\u00e4'),
      ]) {
        if (text.includes(form)) leaks.add(`${name} in ${where}`);
      }
    }
  };
  const said = async (...args: string[]): Promise<string> => {
    const { stdout, stderr } = await project.run(args, { env: ENV });
    look(args.join(' ').replaceAll(SECRETS.set, '...'), stdout + stderr);
    return stdout + stderr;
  };

  await said('config', ...SET);
  expect(await said('config', '--format', 'json', ...SET)).toContain('DB_PASSWORD');
  await said('config', '--origin', ...SET);
  await said('check', ...SET);
  await said('plan', ...SET);
  await said('up', '-d', '--wait', '--timeout', '2s', '--no-watch', ...SET);
  await eventually(
    'its failure to be seen',
    async () => ((await project.instance('vault.1'))?.restarts ?? 0) > 1,
  );
  expect(await said('status')).toContain('vault');
  await said('status', '--format', 'json');
  for (const service of ['vault', 'pairs', 'shell', 'later']) {
    await said('explain', service);
    await said('explain', service, '--format', 'json');
  }
  await said('events', '-n', '1000');
  await said('events', '-n', '1000', '--format', 'json');

  project.write('setpoint.yaml', MANIFEST.replaceAll(SECRETS.password, SECRETS.changed));
  expect(await said('plan', ...SET)).toMatch(/env\.DB_PASSWORD/);
  expect(await said('plan', '--format', 'json', ...SET)).toContain('env.DB_PASSWORD');
  expect(await said('up', '-d', ...SET)).toMatch(/replaced: env\.DB_PASSWORD/);
  await said('explain', 'later');
  await said('restart', 'vault');
  await said('wait', 'pairs', '--timeout', '1s');

  const paths = ['/v1/info', '/v1/status', '/v1/events?limit=1000', '/v1/openapi.json'];
  for (const service of ['vault', 'pairs', 'shell', 'later']) paths.push(`/v1/services/${service}/explain`);
  for (const path of paths) look(`GET ${path}`, await project.api(path));

  const attached = project.start(['up', ...SET], { env: ENV });
  await attached.says('vault');
  attached.signal('SIGINT');
  await attached.ended;
  // What the services themselves wrote is theirs; what Setpoint says beside it is looked at here.
  look('an attached up', notices(attached.stdout, project) + attached.stderr);
  await said('down');
  await said('status');
  await said('events', '-n', '1000');
  for (const path of ownFiles(project))
    look(`the file ${path.slice(project.stateDir().length + 1)}`, readFileSync(path, 'utf8'));
  expect([...leaks].sort()).toEqual([]);
});

test('a diagnostic beside a secret shows the line without it', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  a:
    command: sleep 1
    env: { DB_PASSWORD: ${SECRETS.password}, API_TOKEN: [${SECRETS.token}] }
    env_fle: { SECRET_X: ${SECRETS.file} }
  b:
    command: [mysql, --password, ${SECRETS.argument}, {}]
    env:
      - "LIST_PASSWORD ${SECRETS.list}"
      - "API_TOKEN=${SECRETS.token}
  c: {{ PASSWORD: ${SECRETS.pin}
`,
    'second.yaml': `
services:
  a:
    command: sleep 1
    env: { DB_PASSWORD: ${SECRETS.password}, API_TOKEN: [${SECRETS.token}] }
    env_fle: { SECRET_X: ${SECRETS.file} }
  b:
    command: [mysql, --password, ${SECRETS.argument}, {}]
    env:
      - "LIST_PASSWORD ${SECRETS.list}"
  c:
    command: psql postgres://admin:${SECRETS.urlPassword}@db/shop \${UNCLOSED
    env_file: broken.env
`,
    'broken.env': `SECRET_OF_FILE "${SECRETS.file}"\nTOKEN='${SECRETS.token}\n`,
  });
  for (const file of ['setpoint.yaml', 'second.yaml']) {
    for (const format of ['text', 'json']) {
      const { status, stdout, stderr } = await project.run(['check', '-f', file, '--format', format]);
      expect(status).toBe(2);
      const all = stdout + stderr;
      expect(
        Object.values(SECRETS).filter((value) => all.includes(value)),
        all,
      ).toEqual([]);
    }
  }
});

/** The lines that are not a service's own, which all begin with its name and a bar. */
function notices(stdout: string, project: TestProject): string {
  const own = new Set(
    ['vault.1', 'pairs.1', 'shell.1', 'later.1'].flatMap((id) => [
      ...project.log(id).split('\n'),
      ...project.log(id, 'stderr').split('\n'),
    ]),
  );
  return stdout
    .split('\n')
    .filter((line) => !own.has(line.replace(/^[^|]*\| /, '')))
    .join('\n');
}

/** All that the project keeps, the services' own output aside. */
function ownFiles(project: TestProject): readonly string[] {
  const dir = project.stateDir();
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .map((name) => join(dir, name))
    .filter((path) => statSync(path).isFile() && !/\/std(out|err)\.log$/.test(path));
}
