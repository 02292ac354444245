import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeChange } from '../../src/words/cause.ts';
import { diffFields } from '../../src/core/field-values.ts';
import { launchFields } from '../../src/core/fields/launch.ts';
import { policyFields } from '../../src/core/fields/policy.ts';
import { canonicalJson, fingerprint } from '../../src/core/fingerprint.ts';
import { canonicalView, declaredView } from '../../src/core/launch.ts';
import { createRedactor } from '../../src/core/redact.ts';
import type { ContainerSpec, LaunchSpec, ServiceSpec } from '../../src/core/service.ts';
import { dockerSpec } from '../rig/launch.ts';
import { serviceSpec } from './spec.ts';
import { restartSpec } from '../rig/spec.ts';

const redactor = createRedactor({ values: ['hunter2-the-secret'] });

function view(launch: Partial<LaunchSpec> = {}) {
  const result = declaredView(serviceSpec('api', launch), {
    project: 'shop',
    number: 1,
    hostEnv: { LANG: 'C' },
  });
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

function fields(launch: Partial<LaunchSpec> = {}, salt = 'salt') {
  return launchFields(view(launch), redactor, salt);
}

function policy(rest: Partial<Omit<ServiceSpec, 'id' | 'launch'>> = {}) {
  return policyFields(serviceSpec('api', {}, rest), redactor, 'salt');
}

describe('fingerprint', () => {
  it('is the same whatever the order of keys, and differs with every value', () => {
    expect(fingerprint({ a: 1, b: { c: 2, d: [1, 2] } })).toBe(fingerprint({ b: { d: [1, 2], c: 2 }, a: 1 }));
    expect(fingerprint({ a: [1, 2] })).not.toBe(fingerprint({ a: [2, 1] }));
    expect(fingerprint(canonicalView(view()))).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is of JSON that reads back to the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  const changes: Partial<LaunchSpec>[] = [
    { command: { kind: 'exec', argv: ['node', 'other.js'] } },
    { command: { kind: 'shell', shell: ['/bin/sh', '-c'], script: 'node server.js' } },
    { cwd: '/srv' },
    { env: { A: '' } },
    { envAppend: [{ name: 'A', value: 'b', separator: ':', prepend: true }] },
    { envAppend: [{ name: 'A', value: 'b', separator: ':', prepend: false }] },
    { inheritEnv: false },
    { inheritEnv: ['LANG'] },
    { inheritEnv: ['NOPE'] },
    { path: ['/opt'] },
    { ports: [{ name: 'http', port: 80 }] },
    { socket: '/run/x.sock' },
    { user: 'nobody' },
    { umask: '0027' },
    { limits: { open_files: 64 } },
    { nice: 5 },
    { mounts: [{ type: 'bind', source: '/a', target: '/x', readOnly: false, optional: false }] },
    { mounts: [{ type: 'bind', source: '/a', target: '/x', readOnly: true, optional: false }] },
    { mounts: [{ type: 'tmpfs', target: '/x' }] },
    { sandbox: { network: true, read: [], write: [], profile: 'default' } },
    { sandbox: { network: false, read: ['/a'], write: [], profile: 'strict' } },
    { secrets: [{ name: 'db', content: 'one' }] },
    { secrets: [{ name: 'db', content: 'two' }] },
    {
      backend: 'nix',
      settings: { values: { flake: '/srv', shell: 'default', impure: false }, source: 'flake' },
    },
    {
      backend: 'nix',
      settings: { values: { flake: '/srv', shell: 'other', impure: false }, source: 'flake' },
    },
    { backend: 'docker', container: dockerSpec() },
    { backend: 'docker', container: dockerSpec({ image: 'other' }) },
    { backend: 'docker', container: dockerSpec({ entrypoint: ['/x'] }) },
    { backend: 'docker', container: dockerSpec({ networks: ['back'] }) },
    { backend: 'docker', container: dockerSpec({ labels: { a: 'b' } }) },
    {
      backend: 'docker',
      container: dockerSpec({ ports: [{ name: 'http', container: 80, protocol: 'tcp' }] }),
    },
    {
      backend: 'docker',
      container: dockerSpec({ ports: [{ name: 'http', container: 81, protocol: 'tcp' }] }),
    },
  ];

  it('tells all parts of a launch apart, and so do its fields', () => {
    const all = [{}, ...changes];
    expect(new Set(all.map((launch) => fingerprint(canonicalView(view(launch))))).size).toBe(all.length);
    expect(new Set(all.map((launch) => canonicalJson(fields(launch)))).size).toBe(all.length);
  });
});

describe('diffFields', () => {
  it('shows what changed from what to what, what is new and what is gone, sorted', () => {
    const old = fields({ env: { PORT: '8080', OLD: 'x' }, ports: [{ name: 'http', port: 80 }] });
    const now = fields({ env: { PORT: '8081', NEW: 'y' }, ports: [{ name: 'http', port: 81 }] });
    expect(diffFields(old, now)).toEqual([
      { field: 'env.NEW', to: '"y"' },
      { field: 'env.OLD', from: '"x"' },
      { field: 'env.PORT', from: '"8080"', to: '"8081"' },
      { field: 'ports.http', from: '80', to: '81' },
    ]);
    expect(diffFields(now, now)).toEqual([]);
  });

  it('says of a secret only that it changed, wherever it stands', () => {
    const old = fields({
      env: { API_KEY: 'old-secret-1', URL: 'redis://u:old-secret-2@h', X: 'hunter2-the-secret' },
      command: { kind: 'exec', argv: ['x', '--password', 'old-secret-3'] },
    });
    const now = fields({
      env: { API_KEY: 'new-secret-1', URL: 'redis://u:new-secret-2@h', X: 'y' },
      command: { kind: 'exec', argv: ['x', '--password', 'new-secret-3'] },
    });
    expect(JSON.stringify([old, now])).not.toMatch(/secret-\d|hunter2/);
    expect(diffFields(old, now)).toEqual([
      { field: 'command', from: '["x", "--password", "***"]', to: '(secret changed)' },
      { field: 'env.API_KEY', from: '***', to: '(secret changed)' },
      { field: 'env.URL', from: '"redis://u:***@h"', to: '(secret changed)' },
      { field: 'env.X', from: '"***"', to: '"y"' },
    ]);
    expect(diffFields({}, { 'env.API_KEY': old['env.API_KEY']! })).toEqual([
      { field: 'env.API_KEY', to: '***' },
    ]);
  });

  it('gives no digest of one project that could be compared with another', () => {
    expect(fields({ env: { API_KEY: 'a' } }, 'one')).not.toEqual(fields({ env: { API_KEY: 'a' } }, 'two'));
    expect(fields({ env: { API_KEY: 'a' } }, 'one')).toEqual(fields({ env: { API_KEY: 'a' } }, 'one'));
  });

  it('cuts long values and still notices a change behind the cut', () => {
    const long = (end: string) => fields({ env: { LONG: 'x'.repeat(5_000) + end } });
    expect(long('a')['env.LONG']!.length).toBeLessThan(250);
    expect(diffFields(long('a'), long('b'))).toMatchObject([
      { field: 'env.LONG', to: '(changed further on)' },
    ]);
  });

  it('says of what an image or a shell is made from only that its content changed', () => {
    const of = (launch: Partial<LaunchSpec>, inputs: string) =>
      launchFields({ ...view(launch), inputs }, redactor, 'salt');
    const nix: Partial<LaunchSpec> = {
      backend: 'nix',
      settings: { values: { flake: '/srv', shell: 'default', impure: false }, source: 'flake' },
    };
    const docker: Partial<LaunchSpec> = { backend: 'docker', container: dockerSpec() };
    expect(diffFields(of(nix, 'one'), of(nix, 'two')).map(describeChange)).toEqual([
      'nix.flake (content changed)',
    ]);
    expect(diffFields(of(docker, 'one'), of(docker, 'two')).map(describeChange)).toEqual([
      'docker.build (content changed)',
    ]);
    expect(diffFields(of(docker, 'one'), of(docker, 'one'))).toEqual([]);
  });

  it('shows of a secret file and of a secret build argument nothing but that it changed', () => {
    const of = (content: string) =>
      fields({
        backend: 'docker',
        container: dockerSpec({
          build: { context: '/srv', args: { API_TOKEN: content }, labels: {}, tags: [], noCache: false },
        }),
        secrets: [{ name: 'db', content }],
      });
    expect(JSON.stringify(of('open-sesame'))).not.toContain('sesame');
    expect(diffFields(of('open-sesame'), of('close-sesame')).map(describeChange)).toEqual([
      'docker.build.args.API_TOKEN (secret changed)',
      'secrets.db (secret changed)',
    ]);
  });

  it('shows no control character', () => {
    expect(fields({ env: { A: '\u001b[2J\u202e\u009b' } })['env.A']).toBe(String.raw`"\u001b[2J\u202e\x9b"`);
  });
});

describe('policyFields', () => {
  it('shows what is changed in place as the manifest writes it', () => {
    const changed = policy({
      restart: restartSpec('always'),
      backoff: { initialMs: 500, maxMs: 60_000, multiplier: 2, jitter: 0.2, resetAfterMs: 30_000 },
      stop: {
        signal: 'SIGINT',
        graceMs: 1_500,
        killTree: true,
        command: { kind: 'shell', shell: ['/bin/sh', '-c'], script: ['kill ', { ref: 'instance-number' }] },
      },
      timeoutMs: 1_000,
      hooks: { preStart: { command: { kind: 'exec', argv: ['setup', '--token=abc'] }, timeoutMs: 30_000 } },
      errors: [{ match: 'a', message: 'b' }],
      description: 'The API',
      labels: { tier: 'web' },
      dependsOn: [{ service: 'db', condition: 'started', required: true, onFailure: 'ignore' }],
      requires: ['git'],
    });
    expect(
      diffFields(policy(), changed).map(({ field, from, to }) => `${field} ${from ?? ''} -> ${to ?? ''}`),
    ).toEqual([
      'backoff.max 30s -> 1m',
      'depends_on.db  -> started',
      'depends_on.db.on_failure  -> ignore',
      'depends_on.db.required  -> true',
      'description  -> "The API"',
      'errors  -> ["a => b"]',
      'hooks.pre_start  -> ["setup", "--token=***"]',
      'hooks.pre_start.timeout  -> 30s',
      'labels.tier  -> "web"',
      'requires  -> ["git"]',
      'restart on-failure -> always',
      'stop.command  -> "kill ${instance.number}"',
      'stop.grace 10s -> 1.5s',
      'stop.signal SIGTERM -> SIGINT',
      'timeout  -> 1s',
    ]);
  });

  it('tells a rollback that is asked for, and a shell that is another one', () => {
    const hook = (shell: readonly string[]) => ({
      hooks: { preStop: { command: { kind: 'shell' as const, shell, script: 'bye' }, timeoutMs: 1_000 } },
    });
    const before = policy(hook(['/bin/sh', '-c']));
    const after = policy({ ...hook(['bash', '-euc']), rollback: true });
    expect(diffFields(before, after).map(describeChange)).toEqual([
      'hooks.pre_stop.shell added: ["bash", "-euc"]',
      'rollback added: true',
    ]);
  });

  it('holds how an image is come by, and how many containers may run, which make no other container', () => {
    const of = (change: Partial<ContainerSpec>) => {
      const spec = serviceSpec('db', { backend: 'docker', container: dockerSpec(change) });
      return [policyFields(spec, redactor, 'salt'), fields(spec.launch)] as const;
    };
    const [policyBefore, launchBefore] = of({});
    const [policyAfter, launchAfter] = of({ pull: 'always', maxContainers: 3 });
    expect(launchAfter).toEqual(launchBefore);
    expect(diffFields(policyBefore, policyAfter).map(describeChange)).toEqual([
      'docker.max_containers added: 3',
      'docker.pull missing -> always',
    ]);
  });

  it('leaves out replicas and profiles, which change no instance', () => {
    expect(policy({ replicas: 3, profiles: ['dev'] })).toEqual(policy());
  });
});
