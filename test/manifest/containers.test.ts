import { describe, expect, test } from 'vitest';
import { imageProblem, parseExtraHost } from '../../src/manifest/backends/docker-forms.ts';
import { load, toldBy } from './memory-io.ts';
import type { Files } from './memory-io.ts';

const FILES: Files = {
  '/p/Dockerfile': '',
  '/p/api': null,
  '/p/api/Dockerfile.dev': '',
  '/p/data': null,
  '/p/file': '',
  '/home/ada/.netrc': '',
  '/home/ada/certs': null,
};

const box = (body: string, more = '') => `services:\n  box:\n    image: x\n    ${body}\n${more}`;
const told = (body: string, more = '') => toldBy(load(box(body, more), { files: FILES }).diagnostics);

/** The launch of a service `box` that has an image and these further keys, from line 4, column 5. */
function launchOf(body: string, more = '') {
  const { project, diagnostics } = load(box(body, more), { files: FILES, hostEnv: { HOST: 'value' } });
  expect(toldBy(diagnostics)).toEqual([]);
  return project?.services[0]?.launch;
}

test('an image alone is a whole container', () => {
  const { project, diagnostics } = load('services: {db: {image: "postgres:16"}}');
  expect(diagnostics).toEqual([]);
  expect(project?.services[0]).toMatchObject({
    backendReason: '`image` is given',
    launch: {
      backend: 'docker',
      command: { kind: 'image' },
      cwd: '/p',
      inheritEnv: false,
      ports: [],
      container: {
        image: 'postgres:16',
        pull: 'missing',
        capAdd: [],
        capDrop: [],
        ports: [],
        networks: [],
        extraHosts: [],
        privileged: false,
        init: false,
        readOnly: false,
        labels: {},
        hideGit: false,
      },
    },
    ready: {
      check: { kind: 'health' },
      intervalMs: 2_000,
      timeoutMs: 1_000,
      retries: 3,
      startPeriodMs: 0,
      success: 1,
    },
  });
  expect(project?.resources).toBeUndefined();
});

test('a container that says everything is normalised as a whole', () => {
  const launch = launchOf(
    `build: {context: ./api, dockerfile: Dockerfile.dev, args: {A: 1, HOST: null}, target: dev, labels: [a=b, c], tags: ["x:dev"], platform: linux/arm64, no_cache: true}
    entrypoint: exec "$@" \${project.name}
    command: [serve, "\${services.box.ports.http}"]
    shell: [bash, -euc]
    cwd: /srv
    env: {A: b}
    inherit_env: [HOST]
    env_append: {A: {value: c}}
    ports: {http: "8080:80"}
    user: root
    limits: {memory: 64MiB, cpus: 0.5, processes: 10}
    mounts: ["data:/data", "./data:/src:ro", "~/certs:/certs", {type: tmpfs, target: /tmp/, size: 1MiB, mode: "0700"}]
    docker:
      pull: always
      labels: {tier: web}
      cap_add: [cap_net_admin]
      cap_drop: [all]
      user: "1000:1000"
      networks: [back, default]
      extra_hosts: {machine: host-gateway, six: "::1"}
      workspace: .
      hide_git: true
      max_containers: 9
      platform: linux/arm64
      init: true
      read_only: true
      shm_size: 64MiB
      healthcheck: {test: [CMD, pg_isready], interval: 5s, timeout: 1s, retries: 2, start_period: 1m}`,
    'volumes: {data: }\nnetworks: {back: {internal: true}}\n',
  );
  expect(launch).toEqual({
    backend: 'docker',
    command: { kind: 'exec', argv: ['serve', [{ ref: 'port', service: 'box', port: 'http' }]] },
    cwd: '/p',
    env: { A: 'b' },
    envAppend: [{ name: 'A', value: 'c', separator: ':', prepend: false }],
    inheritEnv: ['HOST'],
    path: [],
    ports: [{ name: 'http', port: 8080 }],
    user: '1000:1000',
    limits: { memory: 64 * 1024 ** 2, cpus: 0.5, processes: 10 },
    mounts: [
      { type: 'volume', source: 'data', target: '/data', readOnly: false },
      { type: 'bind', source: '/p/data', target: '/src', readOnly: true, optional: false },
      { type: 'bind', source: '/home/ada/certs', target: '/certs', readOnly: false, optional: false },
      { type: 'tmpfs', target: '/tmp', size: 1024 ** 2, mode: 0o700 },
    ],
    container: {
      image: 'x',
      build: {
        context: '/p/api',
        dockerfile: 'Dockerfile.dev',
        args: { A: '1', HOST: 'value' },
        target: 'dev',
        labels: { a: 'b', c: '' },
        tags: ['x:dev'],
        platform: 'linux/arm64',
        noCache: true,
      },
      entrypoint: ['bash', '-euc', 'exec "$@" p'],
      pull: 'always',
      workdir: '/srv',
      capAdd: ['NET_ADMIN'],
      capDrop: ['ALL'],
      ports: [{ name: 'http', container: 80, host: 8080, protocol: 'tcp' }],
      networks: ['back', 'default'],
      extraHosts: ['machine:host-gateway', 'six:::1'],
      privileged: false,
      platform: 'linux/arm64',
      init: true,
      readOnly: true,
      shmSize: 64 * 1024 ** 2,
      healthcheck: {
        test: ['CMD', 'pg_isready'],
        intervalMs: 5_000,
        timeoutMs: 1_000,
        startPeriodMs: 60_000,
        retries: 2,
      },
      labels: { tier: 'web' },
      workspace: '/p',
      hideGit: true,
      maxContainers: 9,
    },
  });
});

describe('forms', () => {
  test.each([
    ['build: .', { context: '/p', args: {}, labels: {}, tags: [], noCache: false }],
    ['build: {}', { context: '/p', args: {}, labels: {}, tags: [], noCache: false }],
    [
      'build: {args: [A=b, HOST]}',
      { context: '/p', args: { A: 'b', HOST: 'value' }, labels: {}, tags: [], noCache: false },
    ],
    ['docker: {build: ./api}\n    x-none: 1', undefined],
  ])('%s', (body, expected) => {
    if (expected === undefined) expect(told(body)).toHaveLength(1);
    else expect(launchOf(body)?.container?.build).toEqual(expected);
  });

  test.each([
    ['{test: "curl -f localhost/$X"}', { test: ['CMD-SHELL', 'curl -f localhost/$X'] }],
    ['{test: [CMD-SHELL, "a b"]}', { test: ['CMD-SHELL', 'a b'] }],
    ['{test: [NONE]}', { test: ['NONE'] }],
    ['{interval: 1s}', { test: [], intervalMs: 1_000 }],
    ['{disable: true}', { test: ['NONE'] }],
    ['{disable: false}', { test: [] }],
    ['{}', undefined],
  ])('healthcheck: %s', (form, expected) => {
    expect(launchOf(`docker: {healthcheck: ${form}}`)?.container?.healthcheck).toEqual(expected);
  });

  test.each([
    [
      '["a:10.0.0.1", "b=host-gateway", "c:::1", "d:[::1]"]',
      ['a:10.0.0.1', 'b:host-gateway', 'c:::1', 'd:::1'],
    ],
    ['{a: 10.0.0.1}', ['a:10.0.0.1']],
  ])('extra_hosts: %s', (form, expected) => {
    expect(launchOf(`docker: {extra_hosts: ${form}}`)?.container?.extraHosts).toEqual(expected);
  });

  test('the files of the caller are found by `true`', () => {
    expect(launchOf('docker: {netrc: true, gitconfig: false}')?.container).toMatchObject({
      netrc: '/home/ada/.netrc',
    });
    expect(launchOf('docker: {netrc: ./file, gitconfig: ./file}')?.container).toMatchObject({
      netrc: '/p/file',
      gitconfig: '/p/file',
    });
  });

  test.each([
    ['["/data"]', { type: 'volume', source: '', target: '/data', readOnly: false }],
    ['["data:/x/../y//"]', { type: 'volume', source: 'data', target: '/y', readOnly: false }],
    ['["data:/x:rw"]', { type: 'volume', source: 'data', target: '/x', readOnly: false }],
    [
      '[{source: data, target: /x, read_only: true}]',
      { type: 'volume', source: 'data', target: '/x', readOnly: true },
    ],
    ['[{type: volume, target: /x}]', { type: 'volume', source: '', target: '/x', readOnly: false }],
    [
      '[{source: ./none, target: /x, optional: true}]',
      { type: 'bind', source: '/p/none', target: '/x', readOnly: false, optional: true },
    ],
    [
      '[{type: bind, source: data, target: /x}]',
      { type: 'bind', source: '/p/data', target: '/x', readOnly: false, optional: false },
    ],
    [
      '["api/Dockerfile.dev:/x"]',
      { type: 'bind', source: '/p/api/Dockerfile.dev', target: '/x', readOnly: false, optional: false },
    ],
    ['[{type: tmpfs, target: /x}]', { type: 'tmpfs', target: '/x' }],
    ['[{type: tmpfs, target: /x, mode: 0755}]', { type: 'tmpfs', target: '/x', mode: 0o755 }],
  ])('mounts: %s', (form, expected) => {
    expect(launchOf(`mounts: ${form}`, 'volumes: {data: }\n')?.mounts).toEqual([expected]);
  });

  test('top-level volumes and networks are as in Compose', () => {
    const { project, diagnostics } = load(`services: {}
volumes:
  a:
  b: {name: theirs, external: true}
  c: {driver: local, driver_opts: {type: nfs, size: 5}, labels: [x=y]}
networks:
  default: {internal: true}
  d: {driver: bridge, labels: {x: y}}
`);
    expect(diagnostics).toEqual([]);
    expect(project?.resources).toEqual({
      volumes: {
        a: {},
        b: { name: 'theirs', external: true },
        c: { driver: 'local', driverOptions: { type: 'nfs', size: '5' }, labels: { x: 'y' } },
      },
      networks: { default: { internal: true }, d: { driver: 'bridge', labels: { x: 'y' } } },
    });
  });
});

describe('names of images', () => {
  test.each([
    'x',
    'redis:7',
    'a/b/c:1.2-RC',
    'ghcr.io/acme/api@sha256:' + 'a'.repeat(64),
    'localhost:5000/a_b',
    'Registry.io/a',
    `sha256:${'0'.repeat(64)}`,
  ])('%s', (image) => {
    expect(imageProblem(image)).toBeUndefined();
  });

  test.each([
    ['Redis:7', 'holds upper-case letters, which the name of an image cannot'],
    ['a b', 'is not the name of an image'],
    ['a//b', 'is not the name of an image'],
    ['-x', 'is not the name of an image'],
    ['a:', 'is not the name of an image'],
    ['a@sha256:12', 'is not the name of an image'],
    ['a'.repeat(501), 'is too long to be the name of an image'],
  ])('%s is none', (image, why) => {
    expect(imageProblem(image)).toBe(why);
  });

  test('a long hostile one is refused at once', () => {
    for (const image of [
      'a-'.repeat(240),
      `${'a_'.repeat(200)}!`,
      `${'a.'.repeat(200)}/`,
      `${'/a'.repeat(200)}!`,
    ]) {
      const start = performance.now();
      expect(imageProblem(image)).toBeDefined();
      expect(performance.now() - start).toBeLessThan(500);
    }
  });
});

test.each([':1.2.3.4', 'a', 'a:', 'a:x', 'a b:1.2.3.4', '=x'])('%j is no extra host', (text) => {
  expect(parseExtraHost(text).ok).toBe(false);
});

describe('one mistake in a container yields one diagnostic that says what was expected', () => {
  test.each([
    [
      'docker: {image: y}',
      'error conflicting-keys 4:21: service `box` has both `image` and `docker.image` (expected one of the two)',
    ],
    [
      'entrypoint: [a]\n    docker: {entrypoint: b}',
      'error conflicting-keys 5:26: service `box` has both `entrypoint` and `docker.entrypoint` (expected one of the two)',
    ],
    [
      'cwd: ./x',
      'error bad-cwd 4:10: `cwd` of service `box` is relative, but it is a folder inside the container (expected an absolute path) [leave it out where the folder of the image is meant; `docker: {workspace: .}` mounts a folder and works in it]',
    ],
    ['build: ./none', 'error bad-build 4:12: the build context of service `box`, /p/none, does not exist'],
    ['build: ./file', 'error bad-build 4:12: the build context of service `box`, /p/file, is not a folder'],
    [
      'build: ./api',
      'error bad-build 4:12: the build of service `box` has no Dockerfile: /p/api/Dockerfile is not there [name another one by `build: {dockerfile: ...}`]',
    ],
    [
      'build: {context: ./api, dockerfile: X}',
      'error bad-build 4:22: the build of service `box` has no Dockerfile: /p/api/X is not there',
    ],
    [
      'build: https://github.com/a/b.git',
      'error bad-build 4:12: the build context of service `box` is a URL, which is not supported (expected a folder)',
    ],
    [
      'build: {tags: [A]}',
      'error bad-image 4:12: a tag in `build` of service `box` holds upper-case letters, which the name of an image cannot (expected one such as postgres:16 or ghcr.io/acme/api:1.4)',
    ],
    [
      'build: {args: {NONE: null}}',
      "warning unset-variable 4:26: the caller's environment has no `NONE` to pass on: it is left out",
    ],
    [
      'build: {args: ["=hunter2"]}',
      'error bad-env-entry 4:20: item 1 of `build.args` in service `box` has no name before its `=` (expected `NAME=VALUE`)',
    ],
    [
      'build: {dockerfile_inline: x}',
      'error unknown-key 4:13: unknown key `dockerfile_inline` in `build` of service `box` (this is not supported: put it into a file)',
    ],
    [
      'build: [.]',
      'error wrong-type 4:12: `build` in service `box` is a list (expected a folder, or a map such as `{context: ., dockerfile: Dockerfile}`)',
    ],
    [
      'docker: {pull: if_not_present}',
      'error bad-value 4:20: `if_not_present` is not valid for `docker.pull` in service `box` (did you mean `missing`?)',
    ],
    [
      'docker: {cap_add: [NET-ADMIN]}',
      'error bad-value 4:24: `NET-ADMIN` is not valid for item 1 of `docker.cap_add` in service `box` (expected a capability such as NET_ADMIN)',
    ],
    [
      'docker: {network_mode: hosts}',
      'error bad-value 4:28: `hosts` is not valid for `docker.network_mode` in service `box` (expected `host`, `none`, `bridge`, `container:NAME` or `service:ID`)',
    ],
    [
      'docker: {networks: [back]}',
      'error unknown-network 4:25: unknown network `back` in `docker.networks` of service `box` (expected `networks: {back: }` at the top level)',
    ],
    [
      'docker: {networks: [defualt]}',
      'error unknown-network 4:25: unknown network `defualt` in `docker.networks` of service `box` (did you mean `default`?)',
    ],
    [
      'docker: {networks: [default], network_mode: none}',
      'error conflicting-keys 4:49: service `box` has both `networks` and a `network_mode` (only one of the two can hold) [take the networks back by `networks: !reset []` where they come from elsewhere]',
    ],
    [
      'docker: {extra_hosts: {a: b}}',
      'error bad-host 4:31: `a` of `docker.extra_hosts` in service `box` has an address that is none (expected an IP address or `host-gateway`)',
    ],
    [
      'docker: {extra_hosts: [nothing]}',
      'error bad-host 4:28: item 1 of `docker.extra_hosts` in service `box` is not `NAME:ADDRESS` (expected an IP address or `host-gateway`)',
    ],
    [
      'docker: {extra_hosts: {a: 1.2.3.4}, network_mode: "container:x"}',
      'error conflicting-keys 4:27: `docker.extra_hosts` of service `box` has no effect (with `network_mode: container:x` the hosts are those of the other container)',
    ],
    [
      'docker: {workspace: ./file}',
      'error missing-mount 4:25: /p/file, `docker.workspace` of service `box`, is not a folder',
    ],
    [
      'docker: {gitconfig: true}',
      'error missing-mount 4:25: /home/ada/.gitconfig, `docker.gitconfig` of service `box`, does not exist',
    ],
    [
      'docker: {platform: arm}',
      'error bad-value 4:24: `arm` is not valid for `docker.platform` in service `box` (expected a platform such as linux/amd64)',
    ],
    [
      'docker: {shm_size: 5}',
      'error bad-size 4:24: 5 B is too little (expected at least 1kb; a number without a unit counts bytes)',
    ],
    [
      'docker: {healthcheck: {test: [pg_isready]}}',
      "error bad-value 4:34: `test` of `docker.healthcheck` of service `box` is not in the engine's form (expected `[CMD, PROGRAM, ARGUMENT, ...]`, `[CMD-SHELL, SCRIPT]`, or a string)",
    ],
    [
      'docker: {healthcheck: {disable: true, interval: 1s}}',
      'error conflicting-keys 4:43: `docker.healthcheck` of service `box` is disabled, so `interval` has no effect',
    ],
    [
      'docker: {healthcheck: {disable: true}}\n    ready: healthcheck',
      'error conflicting-keys 5:12: `ready` of service `box` asks for its healthcheck, which is disabled (`docker: {healthcheck: {disable: true}}` says so)',
    ],
    [
      'docker: {healthcheck: {start_interval: 1s}}',
      'error unknown-key 4:28: unknown key `start_interval` in `docker.healthcheck` of service `box` (this is not supported: use `start_period` and `interval`)',
    ],
    [
      'docker: {ports: [80]}',
      'error unknown-key 4:14: unknown key `ports` in `docker` of service `box` (`ports` stands in the service itself)',
    ],
    [
      'docker: {privileged: true}',
      'warning wide-open 4:26: the container of service `box` is privileged (it can do to the machine what root can)',
    ],
    [
      'docker: {pid: host}',
      'warning wide-open 4:19: the container of service `box` sees every process of the machine (it can signal and look into them)',
    ],
    [
      'docker: {pid: guest}',
      'error bad-value 4:19: `guest` is not valid for `docker.pid` in service `box` (expected `host`)',
    ],
    [
      'docker: {max_containers: 0}',
      'error bad-value 4:30: `0` is not valid for `docker.max_containers` in service `box` (expected a whole number of at least 1)',
    ],
    [
      'docker: [x]',
      'error wrong-type 4:13: `docker` in service `box` is a list (expected a map of keys such as `pull`, `networks`, `cap_drop`)',
    ],
    [
      'ready: {healthcheck: true, interval: 1s}',
      'warning unused-key 4:32: `ready.interval` of service `box` has no effect (the engine runs the healthcheck; its times stand in `docker: {healthcheck: ...}`)',
    ],
    [
      'ready: {tcp: 80}\n    ports: {http: "8080:80"}',
      'warning port-inside 4:18: `ready.tcp` of service `box` names port 80, which is one inside the container (it is looked at from the machine) [write `http`, the name of the port]',
    ],
    [
      'ready: {http: {port: http}}\n    ports: {http: {target: 80, published: false}}',
      'error unpublished-port 4:26: `ready.http` of service `box` looks from the machine, where port `http` of service `box` is not published [publish it, or look from inside by `exec`]',
    ],
  ])('%s', (body, expected) => {
    expect(told(body)).toEqual([expected]);
  });

  test.each([
    ['["none"]', 'error bad-mount 4:14: a mount of service `box` names no target (expected `SOURCE:TARGET`)'],
    ['[":/x"]', 'error bad-mount 4:14: a mount of service `box` names no source (expected `SOURCE:TARGET`)'],
    [
      '["data:/x:ro:z"]',
      'error bad-mount 4:14: a mount of service `box` has more than three parts (write `{source: ..., target: ...}` where a path holds a colon)',
    ],
    [
      '["./data:/x:z"]',
      'error bad-mount 4:14: a mount of service `box` has the option `z`, which is not supported (expected `ro` or nothing)',
    ],
    [
      '["./data:/x:r0"]',
      'error bad-mount 4:14: a mount of service `box` has an option that does not exist (expected `ro` or nothing)',
    ],
    [
      '["./data:x"]',
      'error bad-mount 4:14: a mount of service `box` has a relative target (expected an absolute path)',
    ],
    [
      '["./data:/"]',
      'error bad-mount 4:14: a mount of service `box` covers the whole file system (name a folder below it)',
    ],
    ['["./data:/x", "data:/x/"]', 'error bad-mount 4:27: service `box` has two mounts at /x'],
    [
      '["./none:/x"]',
      'error missing-mount 4:14: /p/none, a mount of service `box`, does not exist [create it, correct the path, or write `{source: ..., target: ..., optional: true}`]',
    ],
    [
      '["dat:/x"]',
      'error unknown-volume 4:14: unknown volume `dat` in `mounts` of service `box` (did you mean `data`?) [write `./dat` where a folder beside this file is meant]',
    ],
    [
      '["q:/x"]',
      'error unknown-volume 4:14: unknown volume `q` in `mounts` of service `box` (expected `volumes: {q: }` at the top level) [write `./q` where a folder beside this file is meant]',
    ],
    [
      '[{source: ./data}]',
      'error missing-key 4:14: `target` is missing in item 1 of `mounts` of service `box` (expected `SOURCE:TARGET`, `SOURCE:TARGET:ro`, or a map with `target`)',
    ],
    [
      '[{type: bind, target: /x}]',
      'error missing-key 4:14: a mount of service `box` names no `source` (expected a path of the machine)',
    ],
    [
      '[{type: tmpfs, target: /x, read_only: true}]',
      'error conflicting-keys 4:40: `read_only` in a mount of service `box` means nothing to the type `tmpfs`',
    ],
    [
      '[{source: data, target: /x, optional: true}]',
      'error conflicting-keys 4:41: `optional` in a mount of service `box` means nothing to the type `volume` (say `type: tmpfs` for memory, or `type: bind` for a path of the machine)',
    ],
    [
      '[{type: tmpfs, target: /x, mode: 9}]',
      'error bad-mode 4:46: `mode` of item 1 of `mounts` in service `box`: it is no mode (expected three or four octal digits such as 1777)',
    ],
    [
      '[{type: tmpfs, target: /x, size: 5}]',
      'error bad-size 4:46: 5 B is too little (expected at least 1kb; a number without a unit counts bytes)',
    ],
    [
      '[{source: ./data, target: /x, readonly: true}]',
      'error unknown-key 4:43: unknown key `readonly` in item 1 of `mounts` of service `box` (did you mean `read_only`?)',
    ],
    [
      '[5]',
      'error wrong-type 4:14: item 1 of `mounts` in service `box` is a number (expected `SOURCE:TARGET`, `SOURCE:TARGET:ro`, or a map with `target`)',
    ],
    ['{a: b}', 'error wrong-type 4:13: `mounts` in service `box` is a map (expected a list of mounts)'],
    [
      '["${services.box.host}:/x"]',
      'error late-reference 4:14: this value must be known before anything starts (holds what is known only when an instance starts) [automatic ports, hosts and instance numbers can be used in commands, probes, `env`, `env_append` and `socket`]',
    ],
  ])('mounts: %s', (form, expected) => {
    expect(told(`mounts: ${form}`, 'volumes: {data: }\n')).toEqual([expected]);
  });

  test('a working directory among the defaults is refused with the way out', () => {
    const { diagnostics } = load('defaults: {cwd: ./data}\nservices: {box: {image: x}}', { files: FILES });
    expect(toldBy(diagnostics)).toEqual([
      'error bad-cwd 1:17: `cwd` of service `box` is relative, but it is a folder inside the container (expected an absolute path) [it comes from `defaults`; `cwd: !reset null` in `box` takes it back]',
    ]);
  });

  test('a mounted socket of the engine gets a warning', () => {
    const { diagnostics } = load(box('mounts: ["/var/run/docker.sock:/var/run/docker.sock"]'), {
      files: { '/var/run/docker.sock': '' },
    });
    expect(toldBy(diagnostics)).toEqual([
      'warning wide-open 4:14: service `box` is given the socket of the container engine (who can use it can do to the machine what root can)',
    ]);
  });

  test.each([
    [
      'volumes: {"a b": }',
      'error bad-name 2:11: `a b` in `volumes` cannot be used (use letters, digits, `_`, `.` and `-`, at most 63, and begin with a letter or digit)',
    ],
    [
      'volumes: {a: local}',
      'error wrong-type 2:14: `volumes.a` is a text (expected nothing, or a map of `name`, `external`, `driver`, `driver_opts`, `labels`)',
    ],
    ['volumes: [a]', 'error wrong-type 2:10: `volumes` is a list (expected a map of volumes)'],
    [
      'networks: {a: {ipam: {}}}',
      'error unknown-key 2:16: unknown key `ipam` in `networks.a` (this is not supported: make the network yourself, and say `external: true`)',
    ],
    [
      'volumes: {a: {internal: true}}',
      'error unknown-key 2:15: unknown key `internal` in `volumes.a` (did you mean `external`?)',
    ],
    [
      'networks: {a: {external: true, internal: true}}',
      'error conflicting-keys 2:32: `a` is external, so `internal` has no effect (what is external is made by somebody else)',
    ],
    [
      'networks: {a: {name: "-x"}}',
      'error bad-value 2:22: `-x` is not valid for `networks.a.name` (expected a name of letters, digits, `_`, `.` and `-`)',
    ],
  ])('%s', (top, expected) => {
    expect(toldBy(load(`services: {}\n${top}\n`).diagnostics)).toEqual([expected]);
  });
});

describe('the network of another service', () => {
  const net = (mode: string, more = '') =>
    load(`services:\n  box: {image: x, docker: {network_mode: "${mode}"}}\n${more}`);

  test('is waited for', () => {
    const { project, diagnostics } = net('service:vpn', '  vpn: {image: y}\n');
    expect(diagnostics).toEqual([]);
    expect(project?.services[0]?.dependsOn).toEqual([
      { service: 'vpn', condition: 'started', required: true, onFailure: 'restart' },
    ]);
  });

  test('is waited for as `depends_on` says, where it says so', () => {
    const { project } = load(`services:
  box: {image: x, depends_on: {vpn: ready}, docker: {network_mode: "service:vpn"}}
  vpn: {image: y}
`);
    expect(project?.services[0]?.dependsOn).toEqual([
      { service: 'vpn', condition: 'ready', required: true, onFailure: 'ignore' },
    ]);
  });

  test.each([
    ['service:box', '', 'error self-dependency 2:42: `box` is to use its own network'],
    [
      'service:vpm',
      '  vpn: {image: y}\n',
      'error unknown-service 2:42: unknown service `vpm` in `docker.network_mode` of service `box` (did you mean `vpn`?)',
    ],
    [
      'service:vpn',
      '  vpn: {command: y}\n',
      'error bad-network-mode 2:42: `box` is to use the network of `vpn`, which is no container (expected a service on the backend docker with one instance)',
    ],
    [
      'service:vpn',
      '  vpn: {image: y, replicas: 2}\n',
      'error bad-network-mode 2:42: `box` is to use the network of `vpn`, of which there are 2 instances (expected a service on the backend docker with one instance)',
    ],
  ])('%s %s', (mode, more, expected) => {
    expect(toldBy(net(mode, more).diagnostics)).toEqual([expected]);
  });

  test('closes circles', () => {
    const { diagnostics } = net('service:vpn', '  vpn: {image: y, depends_on: [box]}\n');
    expect(diagnostics.map(({ code, message }) => `${code}: ${message}`)).toEqual([
      'dependency-cycle: box -> vpn -> box',
    ]);
  });
});
