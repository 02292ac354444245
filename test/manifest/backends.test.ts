import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { machineAvailability } from '../../src/manifest/backends/dialects.ts';
import { renderResolved } from '../../src/manifest/load.ts';
import { load, placesOf, toldBy } from './memory-io.ts';

const web = (body: string) => `services:\n  web:\n    ${body}\n`;
const FLAKE = { '/p/flake.nix': '', '/p/flake.lock': '{}' };

describe('the choice of a backend', () => {
  const chosen = (body: string, around: Parameters<typeof load>[1] = {}) => {
    const { project, diagnostics } = load(web(body), { files: FLAKE, ...around });
    expect(toldBy(diagnostics)).toEqual([]);
    const [service] = project?.services ?? [];
    return `${service?.launch.backend}: ${service?.backendReason}`;
  };

  test.each([
    ['command: x', 'native: nothing asks for another backend'],
    ['{command: x, backend: auto}', 'native: nothing asks for another backend'],
    ['{command: x, backend: native}', 'native: the manifest says so'],
    ['{image: x}', 'docker: `image` is given'],
    ['{docker: {image: x}}', 'docker: `docker.image` is given'],
    ['{image: x, backend: docker}', 'docker: the manifest says so'],
    ['{command: x, nix: {}}', 'nix: `nix` is given'],
    ['{command: x, backend: nix}', 'nix: the manifest says so'],
    [
      '{command: x, image: x, backend_order: [docker, native]}',
      'docker: backend_order: docker comes first, and it is there',
    ],
    [
      '{command: x, backend_order: [docker, nix, native]}',
      'nix: backend_order: docker has no `image` and no `build`, so nix',
    ],
    [
      '{image: x, backend_order: [native, docker]}',
      'docker: backend_order: native has no `command`, so docker',
    ],
  ])('%s', (body, expected) => {
    expect(chosen(body)).toBe(expected);
  });

  test('of preferred ones the first that is available is taken, and says what was passed over', () => {
    const body = '{command: x, image: x, nix: {}, backend_order: [docker, nix, native]}';
    const missing = { docker: 'no engine at /var/run/docker.sock' };
    expect(chosen(body, { missing: {} })).toBe(
      'docker: backend_order: docker comes first, and docker was found',
    );
    expect(chosen(body, { missing })).toBe(
      'nix: backend_order: docker is not available (no engine at /var/run/docker.sock), so nix',
    );
    expect(chosen(body, { missing: { ...missing, nix: 'there is no nix on the PATH' } })).toBe(
      'native: backend_order: docker is not available (no engine at /var/run/docker.sock), nix is not available (there is no nix on the PATH), so native',
    );
  });

  test('nix needs a flake, which is looked for', () => {
    const { project, looked } = load(web('{command: x, backend_order: [nix, native]}'));
    expect(project?.services[0]?.backendReason).toBe(
      'backend_order: nix has no `nix` and no flake.nix, so native',
    );
    expect(looked).toContain('/p/flake.nix');
  });

  test('without a preference nothing is replaced by what is available', () => {
    const missing = { docker: 'gone', nix: 'gone' };
    expect(chosen('image: x', { missing })).toBe('docker: `image` is given');
    expect(chosen('{command: x, nix: {}}', { missing })).toBe('nix: `nix` is given');
  });

  test('none at all is an error', () => {
    const { diagnostics } = load(web('{command: x, image: x, backend_order: [docker, nix]}'), {
      missing: { docker: 'no engine at /var/run/docker.sock' },
    });
    expect(toldBy(diagnostics)).toContain(
      'error no-backend 3:43: no backend of `backend_order` can run service `web` (docker is not available (no engine at /var/run/docker.sock); nix has no `nix` and no flake.nix) [add `native` to the list, or make one of them available]',
    );
  });

  test.each([
    [
      '{command: x, backend: native, backend_order: [docker]}',
      'warning unused-key 3:35: `backend_order` of service `web` has no effect (`backend` says `native` already)',
    ],
    [
      '{command: x, backend_order: []}',
      'error wrong-type 3:33: `backend_order` in service `web` is an empty list (expected a list of `docker`, `nix`, `native`)',
    ],
    [
      '{command: x, backend_order: [auto]}',
      'error bad-value 3:34: `auto` is not valid for item 1 of `backend_order` in service `web` (expected `native`, `docker` or `nix`)',
    ],
    [
      '{backend: docker}',
      'error missing-key 2:3: service `web` runs on docker, but has no `image` and no `build` (expected one of them below this)',
    ],
    [
      '{backend: nix}',
      'error missing-command 2:3: the service `web` has no `command` (expected a `command` below this)',
    ],
    [
      '{backend: podman, image: x}',
      'error bad-value 3:15: `podman` is not valid for `backend` in service `web` (did you mean `docker`? An engine that speaks its API is found by DOCKER_HOST)',
    ],
    [
      '{}',
      'error missing-command 2:3: the service `web` has no `command` (expected a `command` below this, or an `image` or a `build`)',
    ],
  ])('%s', (body, expected) => {
    expect(toldBy(load(web(body), { files: FLAKE }).diagnostics)).toContain(expected);
  });
});

describe('a key that a backend cannot honour is refused by name', () => {
  const refused = (key: string, place: string, why: string, backend: string, help = '') =>
    `error unsupported-by-backend ${place}: the backend ${backend} cannot honour \`${key}\` of service \`web\` (${why})${help}`;

  test.each([
    ['umask: "022"', 'umask', '4:5', 'the engine has no setting for it; set it in the command'],
    ['socket: ./x.sock', 'socket', '4:5', 'it is a path of the machine; mount its folder instead'],
    ['path: ./bin', 'path', '4:5', 'its folders are of the machine; say `PATH` in `env`'],
    ['requires: [sh]', 'requires', '4:5', 'what the image holds is not known before it runs'],
    ['nice: 5', 'nice', '4:5', 'the engine has no setting for it; `limits: {cpus: ...}` is one'],
    ['sandbox: true', 'sandbox', '4:5', 'a container is one; see `docker: {cap_drop, read_only, networks}`'],
    [
      'inherit_env: true',
      'inherit_env: true',
      '4:18',
      'a container inherits nothing; name the variables in a list',
    ],
    [
      'limits: {address_space: 1GiB}',
      'limits.address_space',
      '4:29',
      'the engine has no setting for it; use `limits: {memory: ...}`',
    ],
    [
      'env_append: {PATH: {value: x}}',
      'env_append.PATH',
      '4:18',
      'what the image has in `PATH` is not known; say its whole value in `env`',
    ],
    [
      'ready: {notify: true}',
      'ready.notify',
      '4:21',
      'its socket is not there inside; use another kind of probe',
    ],
    [
      'live: {notify: true}',
      'live.notify',
      '4:20',
      'its socket is not there inside; use another kind of probe',
    ],
    ['nix: {}', 'nix', '4:5', 'the service runs on docker: `image` is given'],
    [
      '{user: app, docker: {netrc: ./n}}',
      'docker.netrc',
      '',
      'where the home of this user is inside is not known; say `HOME` in `env`',
    ],
  ])('docker: %s', (body, key, place, why) => {
    const flow = body.startsWith('{');
    const text = flow ? `services: {web: {image: x, ${body.slice(1)}}` : web(`image: x\n    ${body}`);
    const { diagnostics } = load(text, { files: { '/p/n': '' } });
    expect(toldBy(diagnostics)).toEqual([refused(key, flow ? '1:55' : place, why, 'docker')]);
  });

  test.each(['sandbox: false', 'requires: []', 'path: []', 'inherit_env: false', 'inherit_env: [A]'])(
    'docker takes %s, which asks for nothing it does not have',
    (body) => {
      expect(toldBy(load(web(`image: x\n    ${body}`)).diagnostics)).toEqual([]);
    },
  );

  test.each([
    ['native', 'image: x'],
    ['native', 'build: .'],
    ['native', 'entrypoint: [x]'],
    ['native', 'docker: {init: true}'],
    ['native', 'nix: {}'],
    ['nix', 'image: x'],
    ['nix', 'docker: {init: true}'],
  ])('%s: %s', (backend, body) => {
    const { diagnostics } = load(web(`backend: ${backend}\n    command: x\n    ${body}`), { files: FLAKE });
    const key = body.slice(0, body.indexOf(':'));
    const why = `the service runs on ${backend}: the manifest says so`;
    expect(toldBy(diagnostics)).toEqual([refused(key, '5:5', why, backend)]);
  });

  test.each([
    ['ready: healthcheck', 'ready: healthcheck', '4:12'],
    ['live: {healthcheck: true}', 'live: healthcheck', '4:25'],
  ])('native: %s', (body, key, place) => {
    expect(toldBy(load(web(`command: x\n    ${body}`)).diagnostics)).toEqual([
      refused(key, place, 'only a container has a healthcheck', 'native'),
    ]);
  });

  test('volumes are of containers alone', () => {
    const { diagnostics } = load(`volumes: {data: }\n${web('command: x\n    mounts: ["data:/x", /y]')}`);
    expect(toldBy(diagnostics)).toEqual([
      'error unsupported-by-backend 5:14: the backend native cannot mount the volume `data` in service `web` (volumes belong to a container engine) [write `./data` where a folder beside this file is meant]',
      'error unsupported-by-backend 5:25: the backend native cannot mount an unnamed volume in service `web` (volumes belong to a container engine) [name a source: a folder of the machine]',
    ]);
  });

  test('settings of a container without one to have them', () => {
    expect(toldBy(load(web('command: x\n    docker: {init: true}')).diagnostics)).toEqual([
      refused(
        'docker',
        '4:5',
        'the service runs on native: nothing asks for another backend',
        'native',
        ' [name an `image` or a `build` for a container]',
      ),
    ]);
  });

  test('one from the defaults is refused with the way out', () => {
    const text = (more: string) => `defaults: {umask: "022"}\n${web(`image: x${more}`)}`;
    expect(toldBy(load(text('')).diagnostics)).toEqual([
      refused(
        'umask',
        '1:12',
        'the engine has no setting for it; set it in the command',
        'docker',
        ' [it comes from `defaults`; `umask: !reset null` in `web` takes it back]',
      ),
    ]);
    expect(toldBy(load(text('\n    umask: !reset null')).diagnostics)).toEqual([]);
  });

  test('what the defaults or a preference give to other backends is no mistake', () => {
    const { project, diagnostics } = load(
      `defaults: {docker: {init: true}, nix: {shell: dev}}
services:
  a: {command: x, backend: native}
  b: {image: x}
  c: {command: x, image: x, nix: {}, docker: {pull: always}, backend_order: [native, docker]}
`,
    );
    expect(toldBy(diagnostics)).toEqual([]);
    expect(project?.services.map(({ launch }) => [launch.backend, launch.container?.init])).toEqual([
      ['native', undefined],
      ['docker', true],
      ['native', undefined],
    ]);
  });
});

describe('a shell of a flake', () => {
  const nixOf = (body: string, files: Record<string, string> = FLAKE) => {
    const { project, diagnostics, looked } = load(web(`command: x\n    ${body}`), { files });
    return {
      told: toldBy(diagnostics),
      nix: project?.services[0]?.launch.settings?.values,
      looked,
      files: project?.files,
    };
  };

  test('is that of the folder of the manifest, and its files are watched', () => {
    const { told, nix, looked, files } = nixOf('nix: {}');
    expect(told).toEqual([]);
    expect(nix).toEqual({ flake: '/p', shell: 'default', impure: false });
    expect(looked).toEqual(['/p/setpoint.yaml', '/p/.env', '/p/flake.nix', '/p/flake.lock']);
    expect(files).toEqual(['/p/setpoint.yaml', '/p/flake.nix', '/p/flake.lock']);
  });

  test('a lock that is not there yet is looked for', () => {
    const { told, looked, files } = nixOf('nix: {flake: ./sub}', { '/p/sub/flake.nix': '' });
    expect(told).toEqual([]);
    expect(looked).toContain('/p/sub/flake.lock');
    expect(files).toEqual(['/p/setpoint.yaml', '/p/sub/flake.nix']);
  });

  test.each([
    [
      'nix: {flake: "github:acme/tools", shell: ci, impure: true, cache_dir: ~/cache}',
      { flake: 'github:acme/tools', shell: 'ci', impure: true, cacheDir: '/home/ada/cache' },
    ],
    ['nix: {flake: "path:/abs"}', { flake: 'path:/abs', shell: 'default', impure: false }],
    ['nix: {flake: ~/f}', { flake: '/home/ada/f', shell: 'default', impure: false }],
  ])('%s', (body, expected) => {
    expect(nixOf(body, { '/home/ada/f/flake.nix': '' })).toMatchObject({ told: [], nix: expected });
  });

  test.each([
    [
      'nix: {flake: ./none}',
      'error missing-flake 4:18: there is no flake for service `web`: /p/none/flake.nix does not exist',
    ],
    [
      'backend: nix',
      'error missing-flake 2:3: there is no flake for service `web`: /p/flake.nix does not exist [name the flake by `nix: {flake: ...}`]',
    ],
    [
      'nix: {flake: ".#ci"}',
      'error bad-flake 4:18: `nix.flake` of service `web` holds a `#` (name the shell by `nix: {shell: ...}`)',
    ],
    [
      'nix: {flake: "path:./x"}',
      'error bad-flake 4:18: `nix.flake` of service `web` is a reference to a relative path (write the path alone: it is relative to this file)',
    ],
    [
      'nix: {flake: "./a?b"}',
      'error bad-flake 4:18: `nix.flake` of service `web` is in a folder whose name holds a `?`, which nix cannot read (rename the folder)',
    ],
    [
      'nix: {flake: "github:a b"}',
      'error bad-flake 4:18: `nix.flake` of service `web` is no flake reference (expected one such as github:acme/tools)',
    ],
    [
      'nix: {shell: "a b"}',
      'error bad-value 4:18: `a b` is not valid for `nix.shell` in service `web` (expected the name of a shell such as `default`)',
    ],
    [
      'nix: .',
      'error wrong-type 4:10: `nix` in service `web` is a text (expected a map of `flake`, `shell`, `cache_dir`, `impure`)',
    ],
  ])('%s', (body, expected) => {
    expect(nixOf(body, {}).told).toContain(expected);
  });
});

describe('a sandbox', () => {
  const sandboxOf = (form: string, more = '') => {
    const { project, diagnostics } = load(web(`command: x\n    sandbox: ${form}${more}`), {
      files: { '/p/data': null },
    });
    return { told: toldBy(diagnostics), sandbox: project?.services[0]?.launch.sandbox };
  };

  test.each([
    ['true', { network: true, read: [], write: [], profile: 'default' }],
    ['{}', { network: true, read: [], write: [], profile: 'default' }],
    ['false', undefined],
    [
      '{network: false, read: ./data, write: [./data], profile: strict}',
      { network: false, read: ['/p/data'], write: ['/p/data'], profile: 'strict' },
    ],
  ])('%s', (form, sandbox) => {
    expect(sandboxOf(form)).toEqual({ told: [], sandbox });
  });

  test.each([
    [
      '{network: false}',
      '\n    ports: {http: 80}',
      'error conflicting-keys 4:24: port `http` of service `web` could not be reached by anybody: its sandbox has no network (without a network it can have no `ports`) [serve a Unix socket (`socket: ...`) instead, or leave the network on]',
    ],
    [
      '{read: [/]}',
      '',
      'error bad-sandbox 4:22: `sandbox.read` of service `web` names the root folder (that leaves nothing of the sandbox; name the folders that the service needs)',
    ],
    [
      '{write: [./none]}',
      '',
      'warning missing-sandbox-path 4:23: /p/none does not exist (the service cannot start until it does)',
    ],
    [
      '{profile: strickt}',
      '',
      'error bad-value 4:24: `strickt` is not valid for `sandbox.profile` in service `web` (did you mean `strict`?)',
    ],
    [
      '{net: false}',
      '',
      'error unknown-key 4:15: unknown key `net` in `sandbox` of service `web` (did you mean `network`?)',
    ],
    [
      'strict',
      '',
      'error wrong-type 4:14: `sandbox` in service `web` is a text (expected `true`, `false` or a map of `network`, `read`, `write`, `profile`)',
    ],
  ])('%s%s', (form, more, expected) => {
    expect(sandboxOf(form, more).told).toEqual([expected]);
  });

  test('has mounts, on native and nix alike', () => {
    const { project, diagnostics } = load(
      web(
        '{command: x, nix: {}, sandbox: true, nice: -5, rollback: true, mounts: ["./data:/x:ro", {type: tmpfs, target: /y}]}',
      ),
      { files: { ...FLAKE, '/p/data': null } },
    );
    expect(toldBy(diagnostics)).toEqual([]);
    expect(project?.services[0]).toMatchObject({
      rollback: true,
      launch: {
        backend: 'nix',
        nice: -5,
        sandbox: { network: true },
        mounts: [
          { type: 'bind', source: '/p/data', readOnly: true },
          { type: 'tmpfs', target: '/y' },
        ],
      },
    });
  });

  test('a mount over /proc is refused where it cannot be had', () => {
    expect(toldBy(load(web('command: x\n    mounts: ["/p:/proc/x"]')).diagnostics)).toEqual([
      'error bad-mount 4:14: a mount of service `web` covers a part of /proc (the backend native cannot do that)',
    ]);
  });
});

describe('references to and from containers', () => {
  const text = `networks: {back: }
services:
  db: {image: x, ports: {pg: 5432, any: "auto:81", own: {target: 9, published: false}}}
  other: {image: x, docker: {networks: [back]}, env: {A: "\${services.db.ports.pg}"}}
  peer: {image: x, env: {A: "\${services.db.host}:\${services.db.ports.own}"}}
  api: {command: x, ports: {http: 80}, env: {A: "\${services.db.ports.pg} \${services.db.ports.any}"}}
  net: {image: x, docker: {network_mode: host}, ports: {http: 88}}
  cli: {command: x, env: {A: "\${services.net.ports.http}"}}
  up: {image: x, env: {A: "\${services.api.ports.http}"}, hooks: {pre_start: "x \${services.db.ports.pg}", post_start: "x \${services.db.ports.pg}"}}
`;

  test('are resolved early only where both ends are on the machine', () => {
    const { project, diagnostics } = load(text);
    expect(toldBy(diagnostics)).toEqual([]);
    const of = (id: string) => project?.services.find((service) => service.id === id);
    const port = (service: string, name: string) => ({ ref: 'port', service, port: name });
    expect(of('api')?.launch.env['A']).toEqual(['5432 ', port('db', 'any')]);
    expect(of('cli')?.launch.env['A']).toBe('88');
    expect(of('other')?.launch.env['A']).toEqual([port('db', 'pg')]);
    expect(of('up')?.launch.env['A']).toEqual([port('api', 'http')]);
    expect(of('peer')?.launch.env['A']).toEqual([{ ref: 'host', service: 'db' }, ':', port('db', 'own')]);
    // Before there is a container a hook runs on the machine, later within it.
    expect(of('up')?.hooks.preStart?.command).toMatchObject({ script: 'x 5432' });
    expect(of('up')?.hooks.postStart?.command).toMatchObject({ script: ['x ', port('db', 'pg')] });
  });

  test.each([
    [
      'api: {command: x, env: {A: "${services.db.ports.own}"}}',
      'error unpublished-port 4:30: port `own` of service `db` is not published (this is used on the machine) [publish it, such as by `own: 9` or `own: auto:9`]',
    ],
    [
      'far: {image: x, docker: {networks: [back]}, env: {A: "${services.db.ports.own}"}}',
      'error unpublished-port 4:56: port `own` of service `db` is not published (`far` shares no network with it) [publish it, such as by `own: 9` or `own: auto:9`]',
    ],
    [
      'near: {image: x, hooks: {pre_start: "x ${services.db.ports.own}"}}',
      'error unpublished-port 4:39: port `own` of service `db` is not published (this is used on the machine) [publish it, such as by `own: 9` or `own: auto:9`]',
    ],
    [
      'near: {image: x, ready: {tcp: "${services.db.ports.own}"}}',
      'error unpublished-port 4:33: port `own` of service `db` is not published (this is used on the machine) [publish it, such as by `own: 9` or `own: auto:9`]',
    ],
    [
      'near: {image: x, env: {A: "${services.db.ports.ow}"}}',
      'error unknown-port 4:29: service `db` has no port `ow` (did you mean `own`?)',
    ],
    [
      'on: {image: x, docker: {network_mode: host}, env: {A: "${services.db.ports.own}"}}',
      'error unpublished-port 4:57: port `own` of service `db` is not published (this is used on the machine) [publish it, such as by `own: 9` or `own: auto:9`]',
    ],
  ])('%s', (service, expected) => {
    const { diagnostics } = load(`networks: {back: }
services:
  ${service}
  db: {image: x, ports: {own: {target: 9, published: false}}}
`);
    expect(toldBy(diagnostics)).toEqual([expected.replace(' 4:', ' 3:')]);
  });

  test('a container in the network of another one reaches what that reaches', () => {
    const { diagnostics } = load(`services:
  vpn: {image: x}
  box: {image: x, docker: {network_mode: "service:vpn"}, env: {A: "\${services.db.ports.own}"}}
  db: {image: x, ports: {own: {target: 9, published: false}}}
`);
    expect(toldBy(diagnostics)).toEqual([]);
  });
});

describe('readiness of containers', () => {
  const readyOf = (more: string) => {
    const { project, diagnostics } = load(
      `services: {db: {image: x${more}}, api: {command: x, depends_on: {db: ready}}}`,
    );
    return {
      told: placesOf(diagnostics),
      ready: project?.services[0]?.ready?.check,
      condition: project?.services[1]?.dependsOn[0]?.condition,
    };
  };

  test('is their healthcheck unless something else is said', () => {
    const health = { told: [], ready: { kind: 'health' }, condition: 'ready' };
    expect(readyOf('')).toEqual(health);
    expect(readyOf(', ready: healthcheck')).toEqual(health);
    expect(readyOf(', ready: {healthcheck: true}')).toEqual(health);
    expect(readyOf(', ready: {log: up}')).toMatchObject({ ready: { kind: 'log' }, condition: 'ready' });
    expect(readyOf(', docker: {healthcheck: {disable: true}}')).toEqual({
      told: ['no-ready-probe 1:99'],
      ready: undefined,
      condition: 'started',
    });
  });

  test('settings among the defaults are not for it', () => {
    const { project, diagnostics, resolved } = load(
      'defaults: {ready: {interval: 5s}}\nservices: {db: {image: x}}',
    );
    expect(diagnostics).toEqual([]);
    expect(project?.services[0]?.ready).toMatchObject({ check: { kind: 'health' }, intervalMs: 2_000 });
    expect(resolved?.manifest).toEqual({ name: 'p', services: { db: { image: 'x' } } });
  });

  test('`live: healthcheck` is said outright', () => {
    expect(load('services: {db: {image: x, live: healthcheck}}').project?.services[0]?.live?.check).toEqual({
      kind: 'health',
    });
  });
});

describe('what is found on the machine', () => {
  const dir = mkdtempSync(join(tmpdir(), 'setpoint-backends-'));
  afterAll(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  test('is a socket, a context, or a program', async () => {
    const socket = join(dir, 'd.sock');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    const docker = (env: Record<string, string>) => machineAvailability(env, dir)('docker');
    expect(docker({ DOCKER_HOST: `unix://${socket}` })).toEqual({
      available: true,
      reason: `there is an engine at ${socket}`,
    });
    expect(docker({ DOCKER_HOST: `unix://${dir}/none` })).toEqual({
      available: false,
      reason: `no engine at ${dir}/none`,
    });
    expect(docker({ DOCKER_HOST: 'tcp://10.0.0.1:2375' }).available).toBe(true);
    const context = (name: string, host: string) => {
      const id = createHash('sha256').update(name).digest('hex');
      mkdirSync(join(dir, 'contexts/meta', id), { recursive: true });
      const meta = { Name: name, Endpoints: { docker: { Host: host } } };
      writeFileSync(join(dir, 'contexts/meta', id, 'meta.json'), JSON.stringify(meta));
    };
    context('far', 'tcp://10.0.0.1:2375');
    context('near', `unix://${socket}`);
    expect(docker({ DOCKER_CONFIG: dir, DOCKER_CONTEXT: 'far' })).toEqual({
      available: true,
      reason: 'the docker context `far` names an engine',
    });
    writeFileSync(join(dir, 'config.json'), '{"currentContext": "near"}');
    expect(docker({ DOCKER_CONFIG: dir }).reason).toBe(`there is an engine at ${socket}`);

    const nix = (path: string) => machineAvailability({ PATH: path }, dir)('nix');
    writeFileSync(join(dir, 'nix'), '', { mode: 0o755 });
    expect(nix(`relative:${dir}`)).toEqual({ available: true, reason: `nix is ${dir}/nix` });
    expect(machineAvailability({}, dir)('native').available).toBe(true);
    await new Promise((resolve) => server.close(resolve));
  });
});

test('the resolved manifest shows what a service has, and loads again', () => {
  const text = `defaults: {docker: {init: true}, nix: {shell: dev}}
volumes: {data: {labels: {a: b}}}
networks: {back: {internal: true}}
services:
  db:
    image: x
    ports: {pg: "auto:5432"}
    mounts: ["data:/data"]
    docker: {networks: [back], build: !reset null}
  web: {command: x, backend: native}
`;
  const { resolved } = load(text);
  const shown = resolved === undefined ? '' : renderResolved(resolved, { format: 'yaml', origin: false });
  expect(shown).toBe(`name: p
volumes:
  data:
    labels:
      a: b
networks:
  back:
    internal: true
services:
  db:
    docker:
      init: true
      networks:
        - back
    image: x
    ports:
      pg: auto:5432
    mounts:
      - data:/data
  web:
    command: x
    backend: native
`);
  const again = load(shown);
  expect(again.diagnostics).toEqual([]);
  expect(again.project?.services[0]?.launch).toEqual(load(text).project?.services[0]?.launch);
});
