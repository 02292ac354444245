import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { containerDefinition } from '../../../src/backends/docker/definition.ts';
import { dockerRunLine } from '../../../src/backends/docker/run-line.ts';
import { unsupportedByDocker } from '../../../src/backends/docker/unsupported.ts';
import { createRedactor } from '../../../src/core/redact.ts';
import { type LaunchChange, launchOf } from './rig.ts';

const IDS = {
  project: 'Shop',
  service: 'web',
  instance: 'web.2',
  run: 'r1',
  fingerprint: 'f1',
  stateDir: '/s',
};

const define = (change: LaunchChange = {}, facts?: Parameters<typeof containerDefinition>[2]) =>
  containerDefinition(launchOf('Shop', change), IDS, facts);

const host = (change: LaunchChange = {}, facts?: Parameters<typeof containerDefinition>[2]) =>
  define(change, facts).HostConfig ?? {};

describe('the definition of a container', () => {
  test('has a name and labels by which it is found again, which the manifest cannot override', () => {
    const { name, Labels } = define({ docker: { labels: { z: '1', 'dev.setpoint.run': 'forged' } } });
    expect(name).toBe('shop-web-2');
    expect(Labels).toEqual({
      'dev.setpoint.fingerprint': 'f1',
      'dev.setpoint.instance': 'web.2',
      'dev.setpoint.project': 'Shop',
      'dev.setpoint.run': 'r1',
      'dev.setpoint.service': 'web',
      'dev.setpoint.state': '/s',
      z: '1',
    });
  });

  test('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ minLength: 1 }), fc.string()), (record) => {
        const reversed = Object.fromEntries(Object.entries(record).reverse());
        const text = (values: Record<string, string>): string =>
          JSON.stringify(define({ declaredEnv: values, docker: { labels: values } }));
        expect(text(reversed)).toBe(text(record));
      }),
    );
  });

  test('gets only what is declared, sorted', () => {
    expect(define({ declaredEnv: { B: '2', A: 'x=y' }, env: { HOST: 'x' } }).Env).toEqual(['A=x=y', 'B=2']);
  });

  test('never restarts by itself, and its log is bounded', () => {
    expect(host()).toMatchObject({ RestartPolicy: { Name: 'no' }, LogConfig: { Type: 'json-file' } });
  });

  test('has the mounts in the order of their targets, the last one of a target', () => {
    const mounts = [
      { type: 'bind', source: '/a', target: '/z', readOnly: true, optional: false },
      { type: 'volume', source: 'data', target: '/m', readOnly: false },
      { type: 'tmpfs', target: '/t', size: 5, mode: 0o700 },
      { type: 'bind', source: '/mine', target: '/workspace', readOnly: false, optional: false },
    ] as const;
    expect(host({ mounts, docker: { workspace: '/w' } }).Mounts).toEqual([
      { Type: 'volume', Source: 'shop_data', Target: '/m' },
      { Type: 'tmpfs', Source: '', Target: '/t', TmpfsOptions: { SizeBytes: 5, Mode: 0o700 } },
      { Type: 'bind', Source: '/mine', Target: '/workspace' },
      { Type: 'bind', Source: '/a', Target: '/z', ReadOnly: true },
    ]);
  });

  test.each([
    ['folder', [{ Type: 'tmpfs', Source: '', Target: '/workspace/.git' }]],
    ['file', [{ Type: 'bind', Source: '/dev/null', Target: '/workspace/.git', ReadOnly: true }]],
    [undefined, []],
  ] as const)('hides a repository whose .git is a %s', (kind, expected) => {
    const facts = { git: kind === undefined ? {} : { '/workspace': kind }, absent: [] };
    const mounts = host({ docker: { workspace: '/w', hideGit: true } }, facts).Mounts ?? [];
    expect(mounts).toEqual([{ Type: 'bind', Source: '/w', Target: '/workspace' }, ...expected]);
    expect(host({ docker: { workspace: '/w' } }, facts).Mounts).toHaveLength(1);
  });

  test('leaves out an optional mount that is absent, and no other', () => {
    const mount = { type: 'bind', source: '/a', target: '/x', readOnly: false } as const;
    const facts = { git: {}, absent: ['/x'] };
    expect(host({ mounts: [{ ...mount, optional: true }] }, facts).Mounts).toBeUndefined();
    expect(host({ mounts: [{ ...mount, optional: false }] }, facts).Mounts).toHaveLength(1);
  });

  test('puts files of the host into the declared home, or into that of root', () => {
    const docker = { netrc: '/n', gitconfig: '/g' };
    const targets = (declaredEnv = {}): unknown =>
      (host({ docker, declaredEnv }).Mounts ?? []).map((m) => m.Target);
    expect(targets()).toEqual(['/root/.gitconfig', '/root/.netrc']);
    expect(targets({ HOME: '/home/me/' })).toEqual(['/home/me/.gitconfig', '/home/me/.netrc']);
  });

  test('publishes the number an instance was given; without one the engine chooses', () => {
    const port = { name: 'a', container: 80, protocol: 'tcp' } as const;
    const bindings = (host_: number | 'auto' | undefined, ports = {}): unknown =>
      host({ ports, docker: { ports: [host_ === undefined ? port : { ...port, host: host_ }] } })
        .PortBindings;
    expect(bindings(8080)).toEqual({ '80/tcp': [{ HostIp: '', HostPort: '8080' }] });
    expect(bindings(8080, { a: 8081 })).toEqual({ '80/tcp': [{ HostIp: '', HostPort: '8081' }] });
    expect(bindings('auto')).toEqual({ '80/tcp': [{ HostIp: '', HostPort: '' }] });
    expect(bindings(undefined)).toBeUndefined();
  });

  test('joins the project network unless others are named or a mode says otherwise', () => {
    const { image: _, ...plain } = {} as { image?: string };
    expect(host({ docker: { ...plain, networks: [] } }).NetworkMode).toBe('shop_default');
    const both = define({
      docker: { networks: ['back', 'x'] },
      resources: { networks: { x: { external: true, name: 'outer' } }, volumes: {} },
    });
    expect(Object.keys(both.NetworkingConfig?.EndpointsConfig ?? {})).toEqual(['shop_back', 'outer']);
    expect(host({ docker: { networkMode: 'service:db' } }).NetworkMode).toBe('container:shop-db-1');
  });

  test('carries limits, capabilities and everything else', () => {
    const definition = define({
      tty: true,
      limits: { memory: 1e8, cpus: 0.5, processes: 10, open_files: 20, core_size: 0, cpu_time: 3 },
      stop: { signal: 'SIGINT', graceMs: 1500 },
      user: 'own',
      docker: {
        workdir: '/x',
        capAdd: ['NET_RAW', 'CHOWN', 'NET_RAW'],
        capDrop: ['ALL'],
        extraHosts: ['host:host-gateway'],
        privileged: true,
        init: true,
        readOnly: true,
        shmSize: 7,
        pid: 'host',
        platform: 'linux/amd64',
        healthcheck: { test: ['CMD', 'x'], intervalMs: 5, retries: 2 },
      },
    });
    expect(definition).toMatchObject({
      platform: 'linux/amd64',
      User: 'own',
      WorkingDir: '/x',
      Tty: true,
      OpenStdin: true,
      StopSignal: 'SIGINT',
      StopTimeout: 2,
      Healthcheck: { Test: ['CMD', 'x'], Interval: 5_000_000, Retries: 2 },
      HostConfig: {
        Memory: 1e8,
        MemorySwap: 1e8,
        NanoCpus: 5e8,
        PidsLimit: 10,
        Ulimits: [
          { Name: 'core', Soft: 0, Hard: 0 },
          { Name: 'cpu', Soft: 3, Hard: 3 },
          { Name: 'nofile', Soft: 20, Hard: 20 },
        ],
        CapAdd: ['CHOWN', 'NET_RAW'],
        CapDrop: ['ALL'],
        ExtraHosts: ['host:host-gateway'],
        Privileged: true,
        Init: true,
        ReadonlyRootfs: true,
        ShmSize: 7,
        PidMode: 'host',
      },
    });
  });
});

test('the run line is the equal command, with secrets masked and control characters escaped', () => {
  const definition = define({
    declaredEnv: { API_TOKEN: 'hunter2', URL: 'postgres://u:pw@db/x', PLAIN: 'a b' },
    mounts: [{ type: 'bind', source: '/a,b', target: '/x', readOnly: true, optional: false }],
    docker: {
      image: 'app:1',
      entrypoint: ['/bin/sh', '-c'],
      command: ['echo "it\'s"\u001b'],
      ports: [{ name: 'http', container: 80, host: 8080, hostIp: '127.0.0.1', protocol: 'tcp' }],
    },
  });
  const line = dockerRunLine(definition, createRedactor({}));
  expect(line).toMatch(/^docker run --detach --name shop-web-2 --label dev.setpoint.fingerprint=f1 /);
  expect(line).toContain(" --env 'API_TOKEN=***' ");
  expect(line).not.toMatch(/hunter2|:pw@|\u001b/);
  expect(line).toContain(" --env 'PLAIN=a b' ");
  expect(line).toContain(' --publish 127.0.0.1:8080:80/tcp ');
  expect(line).toContain(` --mount 'type=bind,"source=/a,b",target=/x,readonly' `);
  expect(line.endsWith(String.raw` --entrypoint /bin/sh app:1 -c 'echo "it'\''s"\x1b'`)).toBe(true);
});

test.each([
  ['umask', { umask: '0022' }],
  ['socket', { socket: '/s' }],
  ['notify', { notify: {} }],
  ['sandbox', { sandbox: { network: false, read: [], write: [], profile: 'default' } }],
  ['limits.address_space', { limits: { address_space: 1 } }],
  ['docker.netrc', { user: 'me', docker: { netrc: '/n' } }],
  ['docker.gitconfig', { user: '1000', docker: { gitconfig: '/g' } }],
  ['docker.networks', { docker: { networks: ['a'], networkMode: 'host' } }],
  [
    'ports',
    { docker: { networkMode: 'none', ports: [{ name: 'a', container: 1, host: 1, protocol: 'tcp' }] } },
  ],
] as const)('what a container cannot honour is named: %s', (key, change) => {
  expect(unsupportedByDocker(launchOf('p', change as LaunchChange)).map((each) => each.key)).toEqual([key]);
  expect(unsupportedByDocker(launchOf('p'))).toEqual([]);
});
