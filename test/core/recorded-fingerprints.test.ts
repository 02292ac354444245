import { describe, expect, test } from 'vitest';
import { launchRecord } from '../../src/core/project-plan.ts';
import { createRedactor } from '../../src/core/redact.ts';
import { load } from '../manifest/memory-io.ts';

/** What the digests of the first releases were of; a project that they started goes on under this one. */
const MANIFEST = `
name: shop
volumes: { data: { driver: local, labels: { a: b } } }
networks: { back: { internal: true } }
services:
  plain:
    command: ./serve --port \${services.plain.ports.http}
    env: { A: "1", NUMBER: "\${instance.number}" }
    ports: { http: 8080 }
  full:
    command: [serve, now]
    cwd: /srv
    env: { TOKEN: secret }
    env_append: { LIBS: { value: /opt, prepend: true } }
    inherit_env: [HOME, LANG]
    path: [/opt/bin]
    socket: /run/x.sock
    user: nobody
    umask: "027"
    limits: { open_files: 100, memory: 1GiB, cpus: 0.5 }
    tty: true
    stdin: pipe
    nice: 5
    sandbox: { network: true, read: [/usr], write: [/tmp] }
    mounts: [{ type: tmpfs, target: /scratch, size: 1MiB, mode: "0700" }]
    live: { notify: true, interval: 5s }
    secrets: [key]
  box:
    image: postgres:16
    entrypoint: [/entry, "\${instance.number}"]
    command: [postgres, -D, /data]
    env: { URL: "http://\${services.plain.host}:\${services.plain.ports.http}" }
    ports: { db: "15432:5432", metrics: { target: 9187, published: false } }
    mounts: ["data:/data", "/etc/hosts:/hosts:ro"]
    docker:
      networks: [back]
      cap_add: [NET_ADMIN]
      init: true
      read_only: true
      shm_size: 64MiB
      pull: always
      max_containers: 3
      labels: { team: db }
      healthcheck: { test: [CMD, pg_isready], interval: 5s, retries: 3 }
  bare:
    image: nginx
  shell:
    command: make serve
    nix: { flake: "github:acme/tools", shell: web, impure: true }
secrets: { key: { file: /etc/key } }
`;

/** Computed by the first release. */
const RECORDED: Readonly<Record<string, string>> = {
  plain: 'f0fd23dd435628f269dac97505d6a02f204410a839b82b233c5dfb8a19cd7097',
  full: 'acd230299dda2b2f858b5f3aa80f4672ba0ba06c759cab050134fb96cc69f00b',
  box: 'd3828f98679f7679593bd02ea62f3d76257a854dd4bbaffae5c6b87b48f3ff24',
  bare: '3f8ff489cbc2d2439304835379146f041b0617940c6fac4d2e4f0355d1b533c3',
  shell: '3eabfbaf7c01736c4afba29f6b366b9039e82609c32bd18783d16bd692314191',
};

/** The names of the fields by which changes were told, likewise. */
const FIELD_NAMES: Readonly<Record<string, string>> = {
  plain: 'backend command cwd env.A env.NUMBER inherit_env ports.http shell',
  full: 'backend command cwd env.TOKEN env_append.LIBS env_append.LIBS.prepend env_append.LIBS.separator inherit_env inherit_env.HOME inherit_env.LANG limits.cpus limits.memory limits.open_files log.stderr mounts./scratch nice notify notify.watchdog path sandbox.network sandbox.profile sandbox.read sandbox.write secrets.key socket stdin tty umask user',
  box: 'backend command cwd docker.cap_add docker.entrypoint docker.extra_hosts docker.healthcheck.interval_ms docker.healthcheck.retries docker.healthcheck.test docker.hide_git docker.image docker.init docker.labels.team docker.networks docker.ports.db docker.ports.metrics docker.privileged docker.read_only docker.shm_size env.URL inherit_env mounts./data mounts./hosts networks.back.internal ports.db volumes.data.driver volumes.data.labels.a',
  bare: 'backend cwd docker.hide_git docker.image docker.init docker.privileged docker.read_only inherit_env',
  shell: 'backend command cwd inherit_env nix.flake nix.impure nix.shell shell',
};

const files = {
  '/etc/key': 'hunter2',
  '/etc/hosts': '127.0.0.1 localhost',
  '/srv': null,
  '/usr': null,
  '/tmp': null,
};

function records(): readonly (readonly [string, ReturnType<typeof launchRecord>])[] {
  const { project, diagnostics } = load(MANIFEST, { files });
  if (project === undefined) throw new Error(diagnostics.map(({ message }) => message).join('\n'));
  const { services, resources = { networks: {}, volumes: {} } } = project;
  return services.map((spec) => {
    const record = launchRecord(spec, project.name, 1, {
      hostEnv: { HOME: '/home/ada', LANG: 'C' },
      port: (service) => (service === 'plain' ? 8080 : 15432),
      services: new Map(services.map((each) => [each.id, each])),
      resources,
      inputs: ({ id }) => (id === 'shell' ? 'f'.repeat(64) : undefined),
      redactor: createRedactor({}),
      salt: 'salt',
    });
    return [spec.id, record];
  });
}

describe('a launch that an earlier release started', () => {
  test('has the same fingerprint under this one: nothing is replaced for an upgrade', () => {
    expect(Object.fromEntries(records().map(([id, { fingerprint }]) => [id, fingerprint]))).toEqual(RECORDED);
  });

  test('has fields of the same names', () => {
    const names = records().map(([id, { fields }]) => [id, Object.keys(fields).join(' ')]);
    expect(Object.fromEntries(names)).toEqual(FIELD_NAMES);
  });
});
